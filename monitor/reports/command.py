"""`handwheel report`: makes a report now and says where its files lie. The timetable makes the same by itself."""

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.errors import UserError
from monitor.plant import Settings
from monitor.state import State
from monitor.words import utc_text

if TYPE_CHECKING:
    from monitor.reports.document import Document

DEFAULT_DAYS = 730
FORMATS = ("text", "html", "pdf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel report`."""
    kinds = parser.add_subparsers(dest="report", metavar="REPORT", required=True)
    comparison = kinds.add_parser("comparison", help="what the vendor asked beside what inspections found")
    comparison.add_argument("--from", dest="start", metavar="DATE", help="first day, UTC (default: 24 months ago)")
    comparison.add_argument("--to", dest="end", metavar="DATE", help="day after the last, UTC (default: tomorrow)")
    comparison.add_argument("--vendor", help="one vendor only")
    register = kinds.add_parser("sovereignty", help="the six questions answered per asset")
    for kind in (comparison, register):
        kind.add_argument("--out", metavar="DIR", help="where to write (default: STATE/reports)")
        kind.add_argument("--print", action="store_true", help="also print the text")


def command(args: argparse.Namespace, settings: Settings, state: State) -> int:
    """Make the report that was asked for; prints the files' paths."""
    from monitor.reports.document import write_report
    from monitor.reports.text import render_text

    now = datetime.now(UTC)
    document = _build(args, settings, state, now)
    folder = Path(args.out) if args.out else state.reports
    files = write_report(document, folder, f"{now:%Y-%m-%d}_{args.report}")
    if args.print:
        print(render_text(document))
    for kind in FORMATS:
        print(f"{kind:5} {files[kind]}")
    print(f"csv   {sum(1 for kind in files if kind.startswith('csv'))} files beside them")
    return 0


def _build(args: argparse.Namespace, settings: Settings, state: State, now: datetime) -> "Document":
    if args.report == "sovereignty":
        from monitor.reports import sovereignty

        return sovereignty.build(state, settings, _us(now))
    from monitor import review
    from monitor.reports import comparison

    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    end = _day(args.end, "--to") if args.end else tomorrow
    start = _day(args.start, "--from") if args.start else end - timedelta(days=DEFAULT_DAYS)
    if start >= end:
        raise UserError(f"report: --from {start:%Y-%m-%d} is not before --to {end:%Y-%m-%d}; give an earlier first day")
    again = f"handwheel report comparison --from {start:%Y-%m-%d} --to {end:%Y-%m-%d}"
    again += f" --vendor {args.vendor}" if args.vendor else ""
    told = review.answer(state, settings, _us(start), _us(end), args.vendor)
    return comparison.build(state, settings, told, made_by=again)


def _day(text: str, option: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as fault:
        raise UserError(f"report: {option} {text!r} is not a day; write it as {utc_text(0)[:10]}") from fault


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)
