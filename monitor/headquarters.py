"""`handwheel fleet`: many sites at once, as headquarters sees them; one table as text, CSV or JSON.

It reads the folders of the sites, or copies of them, and writes nothing into them, but that a review was made. A rate
stands beside its counts and its 90 % interval, which takes the things counted as independent of each other. A folder
that cannot be judged is named with the reason and is counted nowhere.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drivers.errors import UserError
from monitor import fleet
from monitor.islands import Island, find
from monitor.plant import Fleet, Settings
from monitor.progress import Tell, on_terminal
from monitor.words import N_, _, clean, interval_text, share_text, utc_text

FORMAT = 1
DAY_S = 86_400
WIDTH = 150
Row = dict[str, Any]
HEADS = {
    "e": N_("e now"), "of": N_("among"), "stands": N_("e-BH 10 %"),
    "folder": N_("folder"), "site": N_("site"), "asset": N_("asset"), "as_of": N_("as of"), "word": N_("word"),
    "index": N_("index"), "verdict": N_("verdict"), "good": N_("good, last 24 h"), "n": N_("of samples"),
    "model": N_("model"), "check": N_("check"), "subject": N_("subject"), "value": N_("value"), "line": N_("line"),
    "words": N_("in words"), "vendor": N_("vendor"), "frozen": N_("parameters"), "alerts": N_("alerts"),
    "interventions": N_("interventions"), "findings": N_("findings"), "confirmed": N_("confirmed"),
    "share": N_("share"), "low": N_("from"), "high": N_("to"), "status": N_("status"), "learned": N_("learned"),
    "every_s": N_("rows each [s]"), "rows": N_("rows"), "until": N_("until"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """What one folder says."""

    rows: list[Row]
    simulated: bool
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many, with the 90 % interval of that share."""

    what: str
    count: int
    of: int
    low: float
    high: float


def health(island: Island, now_us: int) -> Seen:
    """What the site's own daemon said last of each asset, and how much of its last day was good."""
    from monitor.historian.reader import HotReader
    from monitor.historian.rollup import HOUR_S
    from monitor.transfer.bundle import MANIFEST

    if not island.state.hot.is_file():
        bundle = "is what `handwheel export everything` made and " if (island.state.root / MANIFEST).is_file() else ""
        raise UserError(
            f"{island.name}: {bundle}has no hot.sqlite; health is what the site's own daemon said last, so name the "
            "STATE of a site whose daemon ran, or a copy of it"
        )
    hot = HotReader(island.state.hot)
    newest_ms = hot.newest_ms()
    since_s = (newest_ms or 0) // 1000 - DAY_S
    owner = {number: row.asset for number, row in hot.tags().items()}
    good, total = Counter[str](), Counter[str]()
    for number, buckets in hot.rollups(HOUR_S, since_s).items() if newest_ms else ():
        good[owner.get(number, "")] += sum(one.good for one in buckets)
        total[owner.get(number, "")] += sum(one.n for one in buckets)
    told, rows = hot.assessments(), []
    for asset in hot.assets():
        name = str(asset["id"])
        said = told.get(name, {})
        as_of = utc_text(int(said["at_ms"]) * 1000) if said else None
        rows.append({
            "folder": island.name, "site": clean(asset["site"], 24), "asset": clean(name, 24), "as_of": as_of,
            "word": clean(said.get("word") or "unknown", 12), "index": said.get("index"),
            "verdict": _cleaned(said.get("verdict"), 12), "good": good[name], "n": total[name],
            "model": _cleaned(said.get("model_sha256"), 64),
        })  # fmt: skip
    return Seen(rows, hot.meta().get("simulated") == "1")


def health_rates(rows: Sequence[Row]) -> list[Rate]:
    """Of those that could be judged, how many ask for something; and how many could not be judged."""
    judged = [row for row in rows if row["word"] != "unknown"]
    asking = sum(row["word"] in ("warning", "alert") for row in judged)
    return [
        rate(_("assets with a warning or an alert, of those judged"), asking, len(judged)),
        rate(_("assets that nothing is known of, of all"), len(rows) - len(judged), len(rows)),
    ]


def audit(island: Island, now_us: int) -> Seen:
    """The drift audit of one site, as of its newest sample."""
    from monitor import audit as checks
    from monitor.historian.reader import HotReader

    settings = island.configured("audit")
    newest_ms = HotReader(island.state.hot).newest_ms()
    as_of_us = now_us if newest_ms is None else min(now_us, newest_ms * 1000)
    found = checks.run(island.place(settings), settings, as_of_us)
    rows = [
        {"folder": island.name, "as_of": utc_text(as_of_us), "check": one.name, "subject": clean(one.subject, 24),
         "word": one.word, "value": one.value, "line": one.threshold, "n": one.n, "words": clean(one.words)}
        for one in found.checks
    ]  # fmt: skip
    return Seen(rows, found.simulated)


def audit_rates(rows: Sequence[Row]) -> list[Rate]:
    """Of each check, how many passed."""
    passed, of = Counter[str](), Counter[str]()
    for row in rows:
        of[row["check"]] += 1
        passed[row["check"]] += row["word"] == "PASS"
    return [rate(f"{check}: PASS", passed[check], n) for check, n in of.items()]


def review(island: Island, now_us: int) -> Seen:
    """The review of the frozen period of one site, vendor by vendor; that it was made is an entry of its ledger."""
    from monitor import review as asked

    settings = island.configured("review")
    if words := asked.missing(settings):
        raise UserError(f"{island.name}: {words}")
    end_us, remarks = now_us // 1000 * 1000, list[str]()
    rows = []
    for vendor in asked.vendors(settings):
        told = asked.answer(island.place(settings), settings, None, end_us, vendor)
        if island.state.ledger.is_file() and (why := asked.looked(island.place(settings), settings, told, now_us)):
            remarks.append(_("that it was looked at could not be entered: {why}").format(why=why))
        r, share = told.result, told.result.confirmation
        rows.append({
            "folder": island.name, "vendor": clean(vendor, 24), "as_of": utc_text(end_us), "frozen": told.freeze.word,
            "alerts": r.alerts, "interventions": r.interventions, "findings": r.findings, "confirmed": r.confirmed,
            "share": _number(share.value), "low": _number(share.low), "high": _number(share.high), "status": r.status,
            "e": _number(r.e_calibrated),
        })  # fmt: skip
    return Seen(rows, settings.simulated, tuple(remarks))


def review_among(rows: Sequence[Row]) -> list[Row]:
    """The rows with how many were asked the same, and whether each stands by e-BH at 10 % among all of them.

    A site is one of many that were looked at: its own flag says less than it would alone. Current e-values, never the
    highest they were; what is INSUFFICIENT or without an agreed rate by itself does not stand among others either.
    """
    from models.bias.multiple import e_bh

    flags = e_bh([row["e"] or 0.0 for row in rows])
    return [
        {**row, "of": len(rows), "stands": "yes" if flag and row["status"] in ("FLAG", "STRONG") else "no"}
        for row, flag in zip(rows, flags, strict=True)
    ]


def review_rates(rows: Sequence[Row]) -> list[Rate]:
    """Of each vendor's findings over all sites, how many confirmed it."""
    confirmed, of = Counter[str](), Counter[str]()
    for row in rows:
        of[row["vendor"]] += row["findings"]
        confirmed[row["vendor"]] += row["confirmed"]
    return [rate(_("{vendor}: findings that confirm").format(vendor=one), confirmed[one], n) for one, n in of.items()]


def as_asked(rows: Sequence[Row]) -> list[Row]:
    """Rows that mean the same alone and among others."""
    return list(rows)


@dataclass(frozen=True, slots=True)
class View:
    """One verb: what is asked of each folder, and what the rows come to together."""

    help_text: str
    ask: Callable[[Island, int], Seen]
    rates: Callable[[Sequence[Row]], list[Rate]]
    among: Callable[[Sequence[Row]], list[Row]] = as_asked  # what each row is among all of them


VIEWS = {
    "health": View("what each site's own daemon said last of its assets", health, health_rates),
    "audit": View("the drift audit of each site, as of its newest sample", audit, audit_rates),
    "review": View(
        "each vendor's alerts beside the findings of the frozen period, site by site",
        review,
        review_rates,
        review_among,
    ),
}


def learn(
    islands: Sequence[Island], now_us: int, where: Fleet, out: Path | None, tell: Tell
) -> tuple[list[Row], list[fleet.Outcome[Any]], set[str]]:
    """(rows, outcomes, folders that are simulated): a model of each pump from its history, kept below `out` if given.

    A first reference ends where an own alert that stands began, as at the site itself.
    """
    from monitor import learning

    shorts = {one.name: one.short for one in islands}
    if out and len(set(shorts.values())) < len(islands):
        raise UserError("fleet learn: two folders have the same name, so --out cannot tell their models apart")
    opened, simulated = [], set[str]()
    failed: list[fleet.Outcome[Any]] = []
    for one in islands:
        try:
            opened.append((one, one.settings()))
        except UserError as fault:
            failed.append(fleet.Outcome(one.name, "", None, clean(fault, 300)))
    due = []
    for one, settings in opened:
        state = one.place(settings)
        since = learning.alerts_since(state) if state.ledger.is_file() else {}
        simulated |= {one.name} if settings.simulated else set()
        for asset in learning.pumps(settings):
            task = learning.task(state, settings, asset, min(now_us, since.get(asset.id, now_us)), "nobody yet")
            due.append(replace(task, site=one.name))
    rows: list[Row] = []
    outcomes = [
        *failed,
        *fleet.run(learning.from_window, due, where, _("learning"), tell, worth=learning.WORTH),
    ]
    for told in outcomes:
        if told.value is None:
            continue
        card = json.loads(told.value.json or "{}")
        facts = card.get("card", {})
        rows.append({
            "folder": told.site, "asset": told.asset, "learned": "yes" if card else "no",
            "every_s": card.get("every_s"), "rows": facts.get("rows"), "until": facts.get("window_end"),
            "model": told.value.sha256 or None, "words": clean(told.value.words) or None,
        })  # fmt: skip
        if out and card:
            learning.keep(out / shorts[told.site], told.asset, told.value)
    return rows, outcomes, simulated


def learn_rates(rows: Sequence[Row]) -> list[Rate]:
    """How many of the pumps taught a model."""
    return [rate(_("pumps that taught a model"), sum(row["learned"] == "yes" for row in rows), len(rows))]


def rate(what: str, count: int, of: int) -> Rate:
    """A share with its interval; of nothing it is anything from 0 to 1."""
    from models.intervals import share_interval

    found = share_interval(count, of)
    return Rate(what, count, of, found.low, found.high)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`handwheel fleet health | audit | review | learn FOLDER ...`."""
    verbs = parser.add_subparsers(dest="fleet_verb", metavar="health|audit|review|learn", required=True)
    told = {name: view.help_text for name, view in VIEWS.items()}
    for name, help_text in {**told, "learn": "fit a model of each pump from its history"}.items():
        one = verbs.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:])
        folders = "a STATE folder, or one that holds state and config; a pattern in quotes means each"
        one.add_argument("folders", nargs="+", metavar="FOLDER", help=folders)
        form = one.add_mutually_exclusive_group()
        form.add_argument("--csv", action="store_true", help="the table as CSV")
        form.add_argument("--json", action="store_true", help="one JSON object")
        one.add_argument("--workers", type=int, metavar="N", help="processes of this machine (default: one per core)")
        one.add_argument("--scheduler", metavar="URL", help="a Dask cluster instead: tcp://HOST:8786")
        if name == "learn":
            one.add_argument("--out", metavar="DIR", help="keep the models in DIR/NAME OF FOLDER (default: nowhere)")


def command(args: argparse.Namespace, settings: Settings | None) -> int:
    """Print the table; 0 when every folder could be judged, 1 when some could not."""
    configured = settings.fleet if settings else Fleet()
    where = replace(configured, scheduler=args.scheduler or configured.scheduler,
                    workers=args.workers or configured.workers)  # fmt: skip
    islands, now_us, tell = find(args.folders), time.time_ns() // 1000, on_terminal()
    outcomes: list[fleet.Outcome[Any]]
    if args.fleet_verb == "learn":
        rows, outcomes, simulated = learn(islands, now_us, where, Path(args.out) if args.out else None, tell)
        rates = learn_rates(rows)
    else:
        view = VIEWS[args.fleet_verb]
        tasks = [fleet.Task(one.name, "", (one, now_us)) for one in islands]
        outcomes = list(fleet.run(view.ask, tasks, where, _("reading the sites"), tell))
        rows = view.among([row for one in outcomes if one.value for row in one.value.rows])
        simulated = {one.site for one in outcomes if one.value and one.value.simulated}
        rates = view.rates(rows)
        for one in outcomes:
            for remark in one.value.remarks if one.value else ():
                print(f"{one.site}: {remark}", file=sys.stderr)
    failed = [one for one in outcomes if one.value is None]
    for one in failed:
        print(f"{one.site} {one.asset or '-'}: {one.why}", file=sys.stderr)
    if args.json:
        print(as_json(args.fleet_verb, now_us, rows, rates, failed, simulated))
    elif args.csv:
        print(as_csv(args.fleet_verb, rows), end="")
    else:
        print(as_text(args.fleet_verb, rows, rates, len(islands), simulated))
    return 1 if failed else 0


def as_text(verb: str, rows: Sequence[Row], rates: Sequence[Rate], folders: int, simulated: set[str]) -> str:
    """The table in columns, then the rates with their counts and intervals."""
    from monitor.reports.text import table_lines

    lines = [_("SIMULATED") + f": {', '.join(sorted(simulated))}"] if simulated else []
    short = [row | {"model": row["model"][:16]} if row.get("model") else row for row in rows]
    lines += table_lines(_table(verb, short), WIDTH)
    lines += ["", _("{n} folders, {rows} rows").format(n=folders, rows=len(rows))]
    for one in rates:
        share = one.count / one.of if one.of else None
        lines.append(f"{one.what}: {share_text(one.count, one.of)}  {interval_text(share, one.low, one.high)}")
    return "\n".join(line.rstrip() for line in lines)


def as_csv(verb: str, rows: Sequence[Row]) -> str:
    """The rows alone, safe in a spreadsheet."""
    from monitor.reports.sheet import render_csv

    return render_csv(_table(verb, rows))


def as_json(
    verb: str, now_us: int, rows: Sequence[Row], rates: Sequence[Rate], failed: Sequence[fleet.Outcome[Any]],
    simulated: set[str],
) -> str:  # fmt: skip
    """All of it for programs; words are those of the language in use, keys are not."""
    told: Mapping[str, Any] = {
        "format": FORMAT, "verb": verb, "at": utc_text(now_us), "simulated": sorted(simulated), "rows": list(rows),
        "rates": [{"what": one.what, "count": one.count, "of": one.of, "low": one.low, "high": one.high}
                  for one in rates],
        "failed": [{"folder": one.site, "asset": one.asset, "why": one.why} for one in failed],
    }  # fmt: skip
    return json.dumps(told, ensure_ascii=False, allow_nan=False, indent=1)


def _table(verb: str, rows: Sequence[Row]) -> Any:
    from monitor.reports.document import Table

    keys = list(rows[0]) if rows else ["folder"]
    shown = tuple(tuple(row.values()) for row in rows)
    return Table(f"fleet_{verb}", tuple(_(HEADS[key]) for key in keys), shown)


def _cleaned(text: object, limit: int) -> str | None:
    return clean(text, limit) if text else None


def _number(value: float) -> float | None:
    return value if value == value else None
