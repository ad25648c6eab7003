"""`handwheel report`: makes a report now and says where its files lie. The timetable makes the same by itself."""

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.errors import UserError
from monitor.ledger import head
from monitor.plant import Settings
from monitor.progress import on_terminal
from monitor.review.asking import asked
from monitor.review.telling import ahead_words
from monitor.state import State
from monitor.words import _

if TYPE_CHECKING:
    from monitor.ledger import Record
    from monitor.reports.document import Document

FORMATS = ("text", "html", "pdf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel report`."""
    kinds = parser.add_subparsers(dest="report", metavar="REPORT", required=True)
    comparison = kinds.add_parser("comparison", help="what the vendor asked beside what inspections found")
    comparison.add_argument("--from", dest="start", metavar="DATE", help="first day, UTC (default: 24 months ago)")
    comparison.add_argument("--to", dest="end", metavar="DATE", help="day after the last, UTC (default: now)")
    comparison.add_argument("--vendor", metavar="NAME", help="one vendor only")
    comparison.add_argument("--site", action="append", default=[], metavar="ID", help="only this site (repeatable)")
    comparison.add_argument("--asset", action="append", default=[], metavar="ID", help="only this asset (repeatable)")
    comparison.add_argument(
        "--entries", type=int, metavar="N", help="the ledger as it stood after entry N (default: as it stands)"
    )
    register = kinds.add_parser("sovereignty", help="the six questions answered per asset")
    told = kinds.add_parser("debrief", help="a time run by hand, or a drill: what happened, what to correct")
    told.add_argument("journal", help="a journal's file or name, the number of its entry in the ledger, or: last")
    for kind in (comparison, register, told):
        kind.add_argument("--out", metavar="DIR", help="where to write (default: STATE/reports)")
        kind.add_argument("--print", action="store_true", help="also print the text")


def command(args: argparse.Namespace, settings: Settings, state: State) -> int:
    """Make the report that was asked for; prints the files' paths."""
    from monitor.reports.document import write_report
    from monitor.reports.text import render_text

    now = datetime.now(UTC)
    name = f"{now:%Y-%m-%d}_{args.report}"
    if args.report == "debrief":
        document, name = _debrief(args.journal, settings, state, _us(now))
    else:
        document = _build(args, settings, state, now)
    folder = Path(args.out) if args.out else state.reports
    files = write_report(document, folder, name)
    if args.print:
        print(render_text(document))
    for kind in FORMATS:
        print(f"{kind:5} {files[kind]}")
    print(f"csv   {files['manifest'].parent}")
    return 0


def _build(args: argparse.Namespace, settings: Settings, state: State, now: datetime) -> "Document":
    if args.report == "sovereignty":
        from monitor.reports import sovereignty

        return sovereignty.build(state, settings, _us(now))
    from monitor import review
    from monitor.reports import comparison

    now_us = _us(now)
    start_us, end_us = asked(args.start, args.end, now_us, "report")
    tell = on_terminal()
    if args.entries is not None and not 0 < args.entries <= (held := head(state)[0]):
        raise UserError(f"report: --entries {args.entries}: the ledger has entries 1 to {held}; give one of these")
    told = review.answer(
        state, settings, start_us, end_us, args.vendor, sites=args.site, assets=args.asset, upto_n=args.entries,
        now_us=now_us, tell=tell,
    )  # fmt: skip
    if told.ahead_us is not None:  # not in the report: made again it would not be there
        print(ahead_words(told.ahead_us), file=sys.stderr)
        told = replace(told, ahead_us=None)
    document = comparison.build(state, settings, told, tell)
    if args.entries is None and (words := review.looked(state, settings, told, _us(now))):
        print(_("that it was looked at could not be entered: {why}").format(why=words), file=sys.stderr)
    return document


def _debrief(asked: str, settings: Settings, state: State, now_us: int) -> "tuple[Document, str]":
    """The debrief of a journal, also of one that has not ended or is not taken in yet, and the name of its files."""
    from monitor.ledger import entries
    from monitor.periods.entries import report_stem
    from monitor.periods.folder import in_order
    from monitor.periods.journal import read
    from monitor.periods.period import period_of
    from monitor.periods.taking import doubted, gap_records, kept, of_period
    from monitor.reports import debrief

    taken = list(entries(state, ("period",))) if state.ledger.is_file() else []
    path = Path(asked) if Path(asked).is_file() else state.journal / Path(asked).name
    named = [one for one in taken if asked in ("last", str(one.n)) or one.data.get("journal") == asked]
    if named and not path.is_file():
        record: Record | None = named[-1]
        period = kept(state, named[-1], now_us)
    else:
        names = in_order(state.journal, now_us)
        if asked == "last":
            if not names:
                raise UserError(_("report debrief: there is no journal yet; see handwheel-manual --drill"))
            path = names[0]
        period = period_of(read(path.absolute(), now_us))
        record = next((one for one in taken if one.data["sha256"] == period.journal.sha256), None)
    gaps = of_period(state, record) if record else []
    period = doubted(state, settings, period)
    return debrief.build(period, settings, record, [*gap_records(state, period), *gaps]), report_stem(period)


def _us(moment: datetime) -> int:
    return int(moment.timestamp() * 1000) * 1000
