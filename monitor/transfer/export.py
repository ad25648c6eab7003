"""`handwheel export`: what the utility has, given out in forms that any tool reads, and the entry that tells of it."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from drivers.errors import UserError
from monitor.state import State, replaced
from monitor.words import clean, local_text, utc_text

if TYPE_CHECKING:
    from monitor.plant import Settings
    from monitor.transfer.values import Choice

_RECORDS = {
    "ledger": "the whole ledger, or some kinds of it",
    "findings": "what was found at inspections",
    "work_orders": "jobs",
    "alerts": "what vendors claimed",
    "own_alerts": "what our own models claimed",
    "decisions": "what was decided about alerts",
    "failures": "what failed",
    "events": "contracts, firmware, prices, exchanged sensors",
    "costs": "what replacements and failures cost",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel export`."""
    verbs = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    values = verbs.add_parser("values", help="samples or rollups of tags")
    values.add_argument("tags", nargs="*", metavar="TAG", help="N-P01.flow or a pattern, 'N-P01.*'; default: all")
    values.add_argument("--asset", action="append", default=[], metavar="ID", help="only of this asset (may repeat)")
    values.add_argument("--site", action="append", default=[], metavar="ID", help="only of this site (may repeat)")
    values.add_argument("--rollup", choices=("1min", "1h"), help="instead of samples: n, share good, min, mean ...")
    _span(values, "where history begins")
    _form(values, ("csv", "parquet"))
    for name, help_text in _RECORDS.items():
        records = verbs.add_parser(name, help=help_text)
        if name == "ledger":
            records.add_argument("--kind", action="append", metavar="KIND", help="only this kind (may repeat)")
        _span(records, "the first entry")
        _form(records, ("csv", "jsonl"))
    everything = verbs.add_parser("everything", help="take everything away: a folder that explains itself")
    everything.add_argument("folder", help="a new folder")
    everything.add_argument("--copy", action="store_true", help="copy history, also where it could be linked")
    check = verbs.add_parser("check", help="is such a folder whole? its manifest and its ledger; exit 1 if not")
    check.add_argument("folder")
    check.set_defaults(without_words=True)


def _span(parser: argparse.ArgumentParser, first: str) -> None:
    parser.add_argument("--from", dest="start", metavar="TIME", help=f"2026-11-23 or 2026-11-23T14:30; else {first}")
    parser.add_argument("--to", dest="end", metavar="TIME", help="a date alone: that whole day; default: now")
    parser.add_argument("--last", metavar="SPAN", help="instead: 30m, 24h, 7d, 4w back from now")
    parser.add_argument("--utc", action="store_true", help="times without a zone are UTC, not the plant's local time")


def _form(parser: argparse.ArgumentParser, forms: Sequence[str]) -> None:
    parser.add_argument("--format", choices=forms, help="default: by the ending of FILE, else csv")
    parser.add_argument("--excel", choices=("de", "en"), help="CSV as this Excel opens it: de has ; and decimal comma")
    parser.add_argument("--out", default="-", metavar="FILE", help="default: -, the standard output")
    parser.add_argument("--force", action="store_true", help="write over FILE if it is there")
    parser.set_defaults(forms=forms)


def stands_alone(args: argparse.Namespace) -> bool:
    """Who was given a bundle has no configuration."""
    return bool(args.what == "check")


def command(args: argparse.Namespace, settings: "Settings | None", state: State) -> int:
    """0 when all is delivered and recorded, 1 when something was damaged or missing, or could not be recorded."""
    if args.what == "check":
        from monitor.transfer.bundle_check import command as check

        return check(args.folder)
    assert settings is not None
    if not state.root.is_dir():
        raise UserError(f"{state.root}: there is no such folder; give --state DIR")
    if args.what == "everything":
        from monitor.transfer.bundle import command as everything

        return everything(args, settings, state)
    return _values(args, settings, state) if args.what == "values" else _entries(args, settings, state)


def _values(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    from monitor.progress import on_terminal
    from monitor.transfer import times, values
    from monitor.transfer.samples import Piece, Reading
    from monitor.transfer.sheets import EXCEL, PLAIN

    form, zone = _chosen_form(args), times.zone_of(settings.time_zone)
    choice = values.Choice(tuple(args.tags), tuple(args.asset), tuple(args.site))
    _tell_unknown(choice, settings, state)
    columns = values.BUCKETS if args.rollup else values.SAMPLES
    count = 0
    with tempfile.TemporaryDirectory(prefix="handwheel-export-") as spill:
        reading = Reading(state, Path(spill))
        asked = ZoneInfo("UTC") if args.utc else zone
        span = times.span_of(args.start, args.end, args.last, asked, time.time_ns() // 1000, reading.first_us)

        def table_of(piece: Piece) -> Any:
            return (
                values.bucket_table(piece, values.ROLLUPS[args.rollup]) if args.rollup else values.sample_table(piece)
            )

        def tables() -> Iterator[Any]:
            nonlocal count
            for piece in reading.pieces(choice, *span, on_terminal()):
                table = table_of(piece)
                count += len(table)
                yield table

        with _destination(args, Path(spill)) as out:
            if form == "parquet":
                values.write_parquet(out, tables(), columns)
            else:
                values.write_csv(out, tables(), columns, EXCEL[args.excel] if args.excel else PLAIN, zone)
    what = f"values {args.rollup}" if args.rollup else "values"
    recorded = _tell(args, settings, state, (what, count, span), zone, out.sha256, reading.faults)
    return 1 if reading.faults or not recorded else 0


def _entries(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    from monitor.ledger import KINDS
    from monitor.transfer import entries, times
    from monitor.transfer.sheets import EXCEL, PLAIN

    form, zone = _chosen_form(args), times.zone_of(settings.time_zone)
    kinds = entries.KINDS_OF.get(args.what, getattr(args, "kind", None))
    for kind in kinds or ():
        if kind not in KINDS:
            raise UserError(f"--kind {clean(kind, 40)}: unknown; known: {', '.join(sorted(KINDS))}")
    span = None
    if args.start or args.end or args.last:
        asked = ZoneInfo("UTC") if args.utc else zone
        span = times.span_of(args.start, args.end, args.last, asked, time.time_ns() // 1000, lambda: 0)
    found = entries.Counted(state, kinds, span)
    with _destination(args) as out:
        if form == "jsonl":
            entries.write_lines(out, found)
        else:
            entries.write_csv(out, found, EXCEL[args.excel] if args.excel else PLAIN, zone)
    faults = []
    if found.erased and (kinds or span):
        faults = [f"{found.erased} entries were erased under a rule; their kind and time are not known any more"]
    recorded = _tell(args, settings, state, (args.what, found.rows, span), zone, out.sha256, faults)
    return 1 if faults or not recorded else 0


def _chosen_form(args: argparse.Namespace) -> str:
    ending = Path(args.out).suffix.removeprefix(".").lower()
    form = args.format or (ending if ending in args.forms else "csv")
    if args.excel and form != "csv":
        raise UserError(f"--excel belongs to CSV, not to {form}; leave one out")
    if form == "parquet" and args.out == "-" and sys.stdout.isatty():
        raise UserError("Parquet is nothing to look at; give --out FILE.parquet")
    return str(form)


def _tell_unknown(choice: "Choice", settings: "Settings", state: State) -> None:
    """Who mistypes a name is told. It is no fault: history may have tags that nobody configures any more."""
    from monitor.historian.reader import HotReader

    place = {asset.id: asset.site for asset in settings.assets}
    known = {(place[tag.asset], tag.asset, tag.name) for tag in settings.tags}
    known |= {(row.site, row.asset, row.name) for row in HotReader(state.hot).tags(retired=True).values()}
    asked = (("--site", choice.sites), ("--asset", choice.assets), ("TAG", choice.tags))
    for at, (option, patterns) in enumerate(asked):
        names = sorted({row[at] for row in known})
        for pattern in patterns:
            if not set(pattern) & set("*?[") and pattern not in names:
                near = get_close_matches(pattern, names, 1)
                hint = f"did you mean {near[0]}?" if near else "see handwheel check"
                print(f"{option} {clean(pattern, 60)}: not configured; {hint}", file=sys.stderr)


@contextmanager
def _destination(args: argparse.Namespace, spill: Path | None = None) -> Iterator[Any]:
    """Where it goes; a disk without room there, or where the newest samples are put down meanwhile, is one line."""
    from monitor.daemon.disk import no_room, why

    try:
        with _opened(args) as out:
            yield out
    except OSError as fault:
        if not no_room(fault):
            raise
        where = clean("the standard output" if args.out == "-" else args.out) + (f" or {spill}" if spill else "")
        raise UserError(f"{where}: cannot be written: {why(fault)}; make room, then export again") from fault


@contextmanager
def _opened(args: argparse.Namespace) -> Iterator[Any]:
    from monitor.transfer.hashed import Hashed

    if args.out == "-":
        sys.stdout.flush()
        yield Hashed(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    path = Path(args.out)
    if path.is_dir() or not path.parent.is_dir():
        raise UserError(f"{clean(path)}: cannot be written there; name a file in a folder that there is")
    if path.exists() and not args.force:
        raise UserError(f"{clean(path)}: is there already and was not changed; give another name, or --force")
    with replaced(path) as file:
        yield Hashed(file)


def _tell(
    args: argparse.Namespace, settings: "Settings", state: State, made: tuple[str, int, tuple[int, int] | None],
    zone: ZoneInfo, sha256: str, faults: Sequence[str],
) -> bool:  # fmt: skip
    """The last lines: how much, from when to when, whether it is recorded, which is returned, and what is missing."""
    what, rows, span = made
    of = f" from {local_text(span[0], zone)} to before {local_text(span[1], zone)}" if span else ""
    print(f"{what}: {rows} rows{of}", file=sys.stderr)
    name = "-" if args.out == "-" else Path(args.out).name
    recorded = tell_ledger(settings, state, what, {name: sha256}, rows, span)
    for fault in faults:
        print(f"NOT COMPLETE: {clean(fault, 300)}", file=sys.stderr)
    return recorded


def tell_ledger(
    settings: "Settings", state: State, what: str, files: dict[str, str], rows: int, span: tuple[int, int] | None
) -> bool:
    """Enter that something was given out; where that cannot be, say so: whoever may read may also take.

    Returns False where it should be in the ledger and is not; a role without the right to enter it is no fault.
    """
    from monitor.ledger.through import enter, this_user

    may = this_user(settings).role_to("export") is not None
    start, end = (utc_text(us) for us in span) if span else (None, None)
    try:
        data = {"what": what, "files": files, "rows": rows, "start": start, "end": end}
        enter(state, settings, "export", data, time.time_ns() // 1000)
    except (UserError, OSError) as fault:
        why = fault if isinstance(fault, UserError) else f"{os.fspath(state.root)}: {fault.strerror}"
        print(f"it was delivered, but this export is not in the ledger: {clean(why, 300)}", file=sys.stderr)
        return not may
    return True
