"""Bars and tables of the study, in words."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.bias.cells import Cell, Diagnosed
from benchmarks.bias.scenarios import AT_THE_LINE, COVERED, HONEST, WRITTEN
from benchmarks.bias.study import Results
from benchmarks.evidence.page import table
from benchmarks.figures import Figure
from models.intervals import share_interval

REACHED = (0.87, 0.93)


@dataclass(frozen=True, slots=True)
class Bar:
    """One share against what was asked of it; `asked` is (sense, number) or the range its interval must reach into."""

    group: str
    name: str
    count: int
    of: int
    asked: tuple[str, float] | tuple[float, float]

    @property
    def holds(self) -> bool:
        if not self.of:
            return False
        share, (first, second) = share_interval(self.count, self.of), self.asked
        if first == "at most":
            return share.value <= second
        if first == "at least":
            return share.value >= second
        return share.low <= second and share.high >= float(first)

    @property
    def row(self) -> tuple[str, ...]:
        share, (first, second) = share_interval(self.count, self.of), self.asked
        asked = f"{first} {second:g}" if isinstance(first, str) else f"reaches into {first:g} to {second:g}"
        return (self.name, f"{share.value:.3f}", f"{self.count} of {self.of}", f"{share.low:.3f} to {share.high:.3f}",
                asked, "held" if self.holds else "**missed**")  # fmt: skip


BAR_HEAD = ("what", "share", "n", "90 % interval", "asked", "")
GROUPS = {
    "honest": "Honest vendors are flagged in at most 1 % (the wealth reached 20 at some time in 24 months)",
    "boundary": "Vendors at the line have a standing flag at the end of any full cycle in at most 5 %",
    "power": "A vendor at b = .7 is flagged, 50 pumps, 12 months",
    "calendar": "A calendar at half the positions is found by D1, 50 pumps, 12 months, with a quiet control",
    "coverage": "The 90 % interval of E_net covers the truth, 12 months",
    "written": "Findings written by the vendor give INSUFFICIENT or no flag, and the gate says why",
}


def bars(results: Results) -> list[Bar]:
    """Every bar for which something was measured."""
    found = []
    for cell in results.two_years:
        if cell.scenario in [one.name for one in HONEST]:
            found.append(Bar("honest", _named(cell), cell.early, cell.fleets, ("at most", 0.01)))
        if cell.scenario in [one.name for one in AT_THE_LINE]:
            name = f"{_named(cell)}, true rate {cell.rate:.3f}"
            found.append(Bar("boundary", name, cell.ever_standing, cell.fleets, ("at most", 0.05)))
    for name, streams, _, standing in results.nulls:
        found.append(
            Bar("boundary", f"exactly at the line, 600 findings: {name}", standing, streams, ("at most", 0.05))
        )
    if power := results.cell("b = .7", 50, 12):
        n = f"{power.findings[0]:.0f} to {power.findings[2]:.0f} findings"
        found.append(Bar("power", f"early, {n}", power.early, power.fleets, ("at least", 0.85)))
        found.append(Bar("power", f"standing, {n}", power.standing, power.fleets, ("at least", 0.75)))
    for one in results.diagnosed:
        if one.scenario == "calendar 50 %":
            found.append(Bar("calendar", "found at 5 %", one.calendar, one.fleets, ("at least", 0.95)))
            found.append(Bar("calendar", "its control at 5 %", one.control, one.fleets, (0.0, 0.05)))
    for cell in results.year:
        if cell.scenario in [one.name for one in COVERED]:
            found.append(Bar("coverage", _named(cell), cell.net_covers, cell.fleets, REACHED))
        if cell.scenario in [one.name for one in WRITTEN]:
            flagged = sum(cell.statuses.get(status, 0) for status in ("FLAG", "STRONG"))
            found.append(Bar("written", f"{_named(cell)}: flagged", flagged, cell.fleets, ("at most", 0.01)))
            if cell.scenario != WRITTEN[-1].name and cell.size > 10:  # fewer pumps have too few findings of any hand
                said = cell.gates.get("vendor_written", 0)
                found.append(Bar("written", f"{_named(cell)}: told why", said, cell.fleets, ("at least", 0.99)))
    return found


def figures(found: Sequence[Bar]) -> list[Figure]:
    """One figure for each group of bars: how many of them are missed."""
    groups = [name for name in GROUPS if any(bar.group == name for bar in found)]
    return [
        Figure(GROUPS[name], sum(not bar.holds for bar in found if bar.group == name),
               f"of {sum(bar.group == name for bar in found)} missed", 0.0)
        for name in groups
    ]  # fmt: skip


def bars_text(found: Sequence[Bar]) -> str:
    """A table for each group."""
    texts = []
    for name, words in GROUPS.items():
        if rows := [bar.row for bar in found if bar.group == name]:
            texts += [f"**{words}.**", table(BAR_HEAD, rows)]
    return "\n\n".join(texts)


def tables_text(results: Results) -> str:
    """What the study saw beside its bars."""
    texts = [
        "### Flags over 24 months",
        "Share of fleets with an early flag (the wealth once reached 20) / a standing one at the end of the last full "
        "cycle; in brackets what a binomial test at 5 % would have done that looks at each month's end.",
        _flags(results.two_years),
        "### One year",
        _year(results.year),
        "### Intervals",
        "Truth is that of the whole pool. E_net in interventions a year for the whole fleet, U as a share; medians of "
        "value, low and high over the fleets. `lower bound holds` is nominally .95.",
        _intervals([*results.year, *results.two_years]),
        _pair(results),
        "### Diagnostics",
        _calendars([one for one in results.diagnosed if one.months == 12]),
        _changes([one for one in results.diagnosed if one.months == 24]),
        _severities([one for one in results.diagnosed if one.months == 24]),
        "### Twenty sites of ten pumps, four of them at b = .65, 24 months",
        table(("the other sixteen", "n", "e-BH: false among named / biased found",
               "binomial at the end with Benjamini-Hochberg", "some unbiased site named at a plain 5 %"),
              [(s.others, s.repetitions, f"{s.false_share:.3f} / {s.found:.2f}",
                f"{s.binomial_false_share:.3f} / {s.binomial_found:.2f}", f"{s.uncorrected:.2f}")
               for s in results.sites]),
        "### Streams of findings exactly at the line",
        table(("600 findings", "streams", "ever at 20", "at 20 at the end of some full cycle"),
              [(name, n, _share(ever, n), _share(ends, n)) for name, n, ever, ends in results.nulls]),
        "### What the asking causes",
        _causal(results),
        f"Left out for want of time: {', '.join(results.left_out)}." if results.left_out else "",
    ]  # fmt: skip
    return "\n\n".join(text for text in texts if text)


def _named(cell: Cell) -> str:
    return f"{cell.scenario}, {cell.size} pumps"


def _share(count: int, of: int) -> str:
    share = share_interval(count, of)
    return f"{share.value:.3f} ({share.low:.3f} to {share.high:.3f})" if of else "-"


def _short(values: Iterable[float], digits: int = 1) -> str:
    value, low, high = values
    return "-" if math.isnan(value) else f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _flags(cells: Sequence[Cell]) -> str:
    sizes = sorted({cell.size for cell in cells})
    rows = []
    for name in dict.fromkeys(cell.scenario for cell in cells):
        mine = {cell.size: cell for cell in cells if cell.scenario == name}
        rows.append((
            name, f"{mine[sizes[0]].rate:.3f}", mine[sizes[0]].fleets,
            *(f"{c.early / c.fleets:.3f} / {c.standing / c.fleets:.3f} ({c.peeked / c.fleets:.2f})"
              for c in (mine[size] for size in sizes)),
            ", ".join("-" if math.isnan(mine[size].month_of_flag) else f"{mine[size].month_of_flag:.1f}"
                      for size in sizes),
        ))  # fmt: skip
    head = ("vendor", "true rate", "n", *(f"{size} pumps" for size in sizes), "median month of the early flag")
    return table(head, rows)


def _year(cells: Sequence[Cell]) -> str:
    words = ("INSUFFICIENT", "NO EVIDENCE", "WATCH", "FLAG", "STRONG")
    rows = [
        (_named(c), f"{c.rate:.3f}", f"{c.findings[1]:.0f} ({c.findings[0]:.0f} to {c.findings[2]:.0f})",
         _share(c.early, c.fleets), _share(c.standing, c.fleets),
         " / ".join(f"{c.statuses.get(word, 0) / c.fleets:.2f}" for word in words))
        for c in cells
    ]  # fmt: skip
    head = (
        "vendor",
        "true rate",
        "findings (5 to 95 %)",
        "early flag",
        "standing flag",
        f"status at the end: {' / '.join(words)}",
    )
    return table(head, rows)


def _intervals(cells: Sequence[Cell]) -> str:
    rows = [
        (f"{_named(c)}, {c.months} months", f"{c.true_net:.1f}", _short(c.net), _share(c.net_covers, c.fleets),
         f"{c.net_low_holds / c.fleets:.3f}", f"{c.true_unsupported:.2f}", _short(c.unsupported, 2),
         "-" if math.isnan(c.unsupported[0]) else _share(c.unsupported_covers, c.fleets))
        for c in cells
        if not math.isnan(c.net[0])
    ]  # fmt: skip
    head = ("vendor", "true E_net", "E_net", "covers", "lower bound holds", "true U", "U", "covers")
    return table(head, rows)


def _pair(results: Results) -> str:
    cell = results.cell("b = .8", 50, 12)
    if cell is None:
        return ""
    return (
        f"The pair at b = .8, 50 pumps, 12 months: U = {_short(cell.unsupported, 2)} (truth "
        f"{cell.true_unsupported:.2f}) beside E_net = {_short(cell.net)} a year (truth {cell.true_net:.1f}): many "
        "small early calls, little given away. Neither figure is printed without the other."
    )


def _calendars(said: Sequence[Diagnosed]) -> str:
    rows = [
        (d.scenario, d.fleets, _share(d.calendar, d.fleets), _share(d.control, d.fleets), _share(d.alone, d.fleets),
         f"{d.spike_share:.2f}")
        for d in said
    ]  # fmt: skip
    head = (
        "D1, 50 pumps, 12 months",
        "n",
        "p <= .05",
        "control p <= .05",
        "found with a quiet control",
        "share in the spike",
    )
    return table(head, rows)


def _changes(said: Sequence[Diagnosed]) -> str:
    rows = [
        (d.scenario, d.fleets, _share(d.step, d.fleets), f"{d.step_ratio:.2f}", _share(d.work, d.fleets),
         _share(d.work_control, d.fleets), "-" if math.isnan(d.work_ratio) else f"{d.work_ratio:.2f}")
        for d in said
    ]  # fmt: skip
    head = ("50 pumps, 24 months", "n", "D2 p <= .05", "ratio", "D4 lower bound > 1", "its control", "ratio")
    return table(head, rows)


def _severities(said: Sequence[Diagnosed]) -> str:
    rows = [
        (d.scenario, word, f"{confirmed:.2f}", f"{failed:.2f}")
        for d in said
        if "(b = .7)" in d.scenario and ("called" in d.scenario or "nothing" in d.scenario)
        for word, (confirmed, failed) in d.severity.items()
    ]
    if not rows:
        return ""
    return table(("severity", "word", "confirmed where found", "failed within the horizon where not served"), rows)


def _causal(results: Results) -> str:
    texts = []
    for wears, vendors in results.causal.items():
        head = (f"parts wear {wears}; per pump and year", "jobs", "failures", "U", "N - S", "N - S / q0", "E_net",
                "E_net by life used", "true difference in jobs and failures")  # fmt: skip
        rows = [
            (v.scenario, f"{v.jobs:.2f}", f"{v.failures:.3f}", f"{v.unsupported:.2f}", f"{v.not_confirmed:.2f}",
             f"{max(v.jobs - (v.jobs - v.not_confirmed) / 0.5, 0):.2f}", f"{v.net:.2f}", f"{v.net_of_life:.2f}",
             f"{v.difference:.2f} +- {1.645 * v.error:.2f}")
            for v in vendors
        ]  # fmt: skip
        first = vendors[0]
        texts.append(
            f"{table(head, rows)}\n\nReplaced exactly at the limit: {first.limit_jobs:.2f} jobs, "
            f"{first.limit_failures:.3f} failures."
        )
    return "\n\n".join(texts)
