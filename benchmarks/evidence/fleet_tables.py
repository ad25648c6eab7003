"""The tables and bars of the fleet year, from what each pump and each fault gave."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.evidence.page import table
from benchmarks.figures import Figure
from drivers.sim.year import SIZES, Fault
from drivers.sim.year.faults import GROWS
from models.intervals import rate_interval, share_interval

WAYS = ("either", "index", "lines")


@dataclass(frozen=True, slots=True)
class Case:
    """One pump with one fault, and when each way of telling raised an alert after it began [days before the end]."""

    pump: int
    estimated: bool
    fault: Fault
    lead: dict[str, float | None]  # by way
    standing: bool  # an alert stood already when the fault began
    chance: dict[str, bool]  # whether the sound pump raised one in the same time
    rank: int | None  # of the first feature that stands for a tag the fault moves; None without contributions
    rank_named: int | None  # of the first instrument that the fault moves
    top: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What one pump's sound year and its faults gave."""

    pump: int
    duty: str
    estimated: bool
    learned: bool
    false: dict[str, list[tuple[float, tuple[str, ...]]]]  # by way: day and what was named
    alert_rows: int  # of the sound pump, in which an alert stood
    rows: int  # after the learning
    days: float
    good: int  # rows with good data after the learning
    unknown: int
    running: int
    running_unknown: int
    stepped_back: int
    why: dict[str, int]
    minute_false: int | None
    cases: list[Case] = field(default_factory=list)


def false_rate(results: Iterable[Result], way: str = "either") -> str:
    """Episodes per pump-year of sound pumps, with its exact interval."""
    chosen = list(results)
    rate = rate_interval(sum(len(one.false[way]) for one in chosen), sum(one.days for one in chosen) / 365)
    return f"{rate.value:.2f} ({rate.low:.2f} to {rate.high:.2f}; n = {rate.n})"


def found_share(cases: Iterable[Case], way: str = "either") -> str:
    chosen = list(cases)
    share = share_interval(sum(one.lead[way] is not None for one in chosen), len(chosen))
    return f"{share.value:.2f} ({share.low:.2f} to {share.high:.2f}; n = {share.n})" if chosen else "none drawn"


def figures(results: Sequence[Result]) -> list[Figure]:
    """The study against its bars."""
    years = sum(one.days for one in results) / 365
    cases = {size: [case for one in results for case in one.cases if case.fault.size == size] for size in SIZES}
    good = sum(one.good for one in results)

    def detection(size: str) -> float:
        return float(np.mean([case.lead["either"] is not None for case in cases[size]]))

    return [
        Figure("false alert episodes", sum(len(one.false["either"]) for one in results) / years, "per pump-year", 1.0),
        Figure("unknown", 100 * sum(one.unknown for one in results) / good, "% of pump-hours with good data", 5.0),
        Figure("large faults found", 100 * detection("large"), "%", 90.0, "at least"),
        Figure("middle faults found", 100 * detection("middle"), "%", 70.0, "at least"),
        Figure("affected tag first or second of the contributions, middle size",
               _first_two(case.rank for case in cases["middle"]), "% of found by the index", 80.0, "at least"),
        Figure("affected tag first or second of the instruments named, middle size",
               _first_two(case.rank_named for case in cases["middle"]), "% of found by the index", 80.0, "at least"),
    ]  # fmt: skip


def _first_two(ranks: Iterable[int | None]) -> float:
    known = [rank for rank in ranks if rank is not None]
    return 100 * sum(rank <= 2 for rank in known) / len(known) if known else float("nan")


def _places(ranks: Iterable[int | None]) -> str:
    known = [rank for rank in ranks if rank is not None]
    return f"{known.count(1)} / {known.count(2)} / {sum(rank > 2 for rank in known)}"


def body(results: Sequence[Result]) -> str:
    """The tables of the page."""
    groups = {"all": results, "flow measured": [one for one in results if not one.estimated],
              "flow estimated by the device": [one for one in results if one.estimated]}  # fmt: skip
    groups |= {duty: [one for one in results if one.duty == duty] for duty in sorted({one.duty for one in results})}
    sound = table(
        ("sound pumps", "pumps", *(f"false episodes per pump-year: {way}" for way in WAYS), "time in false alert",
         "unknown", "while running", "stepped back (season, duty)"),
        [(name, len(part), *(false_rate(part, way) for way in WAYS), _percent(part, "alert_rows", "rows"),
          _percent(part, "unknown", "good"), _percent(part, "running_unknown", "running"),
          _percent(part, "stepped_back", "good"))
         for name, part in groups.items() if part],
    )  # fmt: skip
    cases = [case for one in results for case in one.cases]
    rows = []
    for kind in (*GROWS, "all"):
        for size in SIZES:
            part = [case for case in cases if kind in (case.fault.kind, "all") and case.fault.size == size]
            leads = [case.lead["either"] for case in part if case.lead["either"] is not None]
            rows.append((
                kind.replace("_", " "), size, *(found_share(part, way) for way in WAYS),
                sum(case.chance["either"] for case in part), sum(case.standing for case in part),
                f"{np.median(leads):.1f}" if leads else "-",
                _places(case.rank for case in part), _places(case.rank_named for case in part),
            ))  # fmt: skip
    faults = table(
        ("fault", "size", *(f"found by {way}" for way in WAYS), "sound pump alerts in the same time",
         "in alert before", "median lead [d]", "affected tag first / second / lower of the contributions",
         "of the instruments named"), rows,
    )  # fmt: skip
    device = [case for case in cases if case.estimated]
    weeks = [one.minute_false for one in results if one.minute_false is not None]
    none = sum(not one.learned for one in results)
    week = rate_interval(sum(weeks), len(weeks) * 7 / 365)
    return "\n\n".join((
        sound, faults,
        f"On pumps whose device estimates the flow, found by either: large {found_share(_of(device, 'large'))}, middle "
        f"{found_share(_of(device, 'middle'))}. The week after the learning at one minute: {week.n} false episodes "
        f"on {len(weeks)} pumps, {week.value:.2f} per pump-year ({week.low:.2f} to {week.high:.2f}). Pumps for which "
        f"nothing could be learned: {none}.",
        NOTES,
    ))  # fmt: skip


NOTES = """Intervals are 90 % (exact for the rates, Jeffreys for the shares). `index` is the learned detector, `lines`
the physics lines past their act line, `either` what an operator sees; the bars are set on `either`. A fault counts as
found when an alert episode begins between its start and its nominal failure; the lead is the time from there to the
failure. A pump that was already in alert when its fault began does not count. The same pumps without the fault in the
same time show how many would have been found by chance. The place of the affected tag is counted on the index alone,
twice: among the contributions, where a feature made of several tags stands for one of them (head residual: discharge
pressure; power residual and power at head: power; bearing over ambient: bearing temperature; leak-back: flow;
imbalance: current), and among the instruments that the model names by what would vanish were their reading alone
corrected. Of a drifting or frozen meter only that meter is affected; a worn impeller moves pressure, flow, power,
current and, where it varies, speed, so that its place proves little. A bearing without a sensor and a check valve
without a flow meter are not drawn: no instrument, no claim. The simulated pumps follow none of the model's formulas
(drivers/sim/year); a sensor that freezes is here left to the model, though the quality checks of the acquisition would
mark it first."""


def _of(cases: Iterable[Case], size: str) -> list[Case]:
    return [case for case in cases if case.fault.size == size]


def _percent(results: Sequence[Result], part: str, whole: str) -> str:
    total = sum(getattr(one, whole) for one in results)
    return f"{100 * sum(getattr(one, part) for one in results) / total:.1f} %" if total else "-"
