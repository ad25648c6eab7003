"""`handwheel import`: history and records from elsewhere, shown before anything is kept, each an entry by role."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from drivers.errors import UserError
from monitor.daemon.deeds import SINGLE
from monitor.state import State, atomic_write
from monitor.words import _, clean, local_text, quantity_text, utc_text

if TYPE_CHECKING:
    from monitor.ledger import Record
    from monitor.plant import Settings
    from monitor.transfer.decoding import Decoded
    from monitor.transfer.mapping import RecordMapping
    from monitor.transfer.staging import Facts, Found

_WAIT_S, _LOOK_S = 3_600.0, 0.3
RECORDS_TOLD = {
    "findings": "what was found at inspections, from CSV",
    "work_orders": "jobs, from CSV",
    "alerts": "what a vendor claimed, from CSV",
    "own_alerts": "what a model of the utility's own claimed, from CSV",
    "decisions": "what was decided on alerts, by role, from CSV",
    "failures": "what failed, from CSV",
    "events": "contracts, firmware, prices, exchanged sensors, from CSV",
    "costs": "what replacements and failures cost, from CSV",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel import`."""
    verbs = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    values = verbs.add_parser("values", help="samples of tags, from CSV or Parquet")
    values.add_argument("file", help="the file; archives are not opened")
    values.add_argument("--map", required=True, metavar="TOML", help="what its columns mean: docs/history.md")
    _options(values)
    for name, help_text in RECORDS_TOLD.items():
        add_records(verbs.add_parser(name, help=help_text))
    add_period(verbs.add_parser("period", help="a time run by hand, or a drill: a journal of handwheel-manual"))
    verbs.add_parser("list", help="imports so far; which of them did not end")
    add_template(verbs.add_parser("template", help="print a CSV to be filled in, with the meaning of each column"))


def add_period(parser: argparse.ArgumentParser) -> None:
    """Options of the import of journals."""
    parser.add_argument("file", help="a journal, or a state folder: a stick's, another machine's")
    about = "how far the clock of the other machine was ahead (-: behind); without it: not known"
    parser.add_argument("--clock-off", type=float, metavar="SECONDS", help=about)
    parser.add_argument("--check", action="store_true", help="only show what it tells")
    parser.add_argument("--yes", action="store_true", help="take it in without asking you")


def add_template(parser: argparse.ArgumentParser, what: str = "") -> None:
    """Options of a template; where `what` is given, it is of that kind."""
    if not what:
        parser.add_argument("of", choices=tuple(RECORDS_TOLD), metavar="WHAT", help=", ".join(RECORDS_TOLD))
    parser.add_argument("--excel", choices=("de", "en"), help="as this Excel opens it: de has ; and decimal comma")
    if what:
        parser.set_defaults(of=what)


def add_records(parser: argparse.ArgumentParser) -> None:
    """Options of the import of one kind of records."""
    parser.add_argument("file", help="a CSV; in our own columns (a template, an export) it needs no mapping")
    parser.add_argument("--map", metavar="TOML", help="what its columns mean, a file or a name: docs/records.md")
    parser.add_argument("--dates", choices=("dmy", "mdy"), help="which of two numbers is the day, where that is asked")
    parser.add_argument("--wear", choices=("fraction", "percent"), help="what a wear up to 1.5 is, where that is asked")
    parser.add_argument("--encoding", help="of a file in our own columns, if not UTF-8: cp1252 is Excel's on Windows")
    _options(parser)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="only show what would come in")
    parser.add_argument("--rejects", metavar="FILE", help="where to list lines that cannot come in")
    parser.add_argument("--yes", action="store_true", help="bring it in without asking you")


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """0 when it came in (or was only to be shown), 1 when lines were rejected, nobody agreed, or an import is open."""
    if args.what == "list":
        return _list(settings, state)
    if args.what == "period":
        from monitor.periods.command import command as bring_period

        return bring_period(args, settings, state)
    if args.what == "template":
        from monitor.transfer.sheets import EXCEL, PLAIN
        from monitor.transfer.template import template

        sys.stdout.write(template(args.of, settings, EXCEL[args.excel] if args.excel else PLAIN))
        return 0
    from monitor.ledger import head
    from monitor.ledger.through import allowed_role, storing
    from monitor.transfer import showing

    allowed_role(SINGLE.get(args.what, "import"), settings)  # who may not is told before the work, not after it
    place = Path(tempfile.gettempdir()) if args.check else state.imports
    nothing = _("nothing was brought in; make room or mend the disk, then do it again")
    with (
        storing("import", place, nothing),
        tempfile.TemporaryDirectory(prefix="handwheel-import-", dir=_room(state, args)) as made,
    ):
        folder = Path(made)
        facts, found = _stage(args, settings, state, folder)
        rejected = found.rejected
        if (folder / "rejects.csv").exists():
            _keep_rejects(args, folder / "rejects.csv")
        if args.check or not facts.rows:
            print(_("nothing was brought in") if args.check else _("nothing in it can be brought in"))
            return 1 if rejected or not facts.rows else 0
        if not args.yes:
            if not sys.stdin.isatty():
                raise UserError("import: nobody can be asked here; add --yes. Nothing was brought in")
            if input(_("It cannot be taken back. Type import: ")).strip() != "import":
                print(_("nothing was brought in"))
                return 1
        before = head(state)[0]
        print(hand_over(settings, state, folder, facts))
        for line in showing.outside(found, settings, short=True):
            print(line)
        if args.what == "costs":
            tell_use(settings, state, before + 1)
        return 1 if rejected else 0


def hand_over(settings: "Settings", state: State, folder: Path, facts: "Facts") -> str:
    """A staged folder with its facts becomes an import: recorded by role, taken in. Returns how it ended, in words."""
    from monitor.ledger.through import storing
    from monitor.lock import lock_is_free

    target = state.imports / facts.id
    folder.rename(target)  # facts.json is in it: it is finished
    target.chmod(0o2770)
    if not lock_is_free(state):
        return _through_daemon(state, facts)
    try:
        with storing("import", state.root, _("make room; handwheel import list says whether it is ended by itself")):
            return _under_lock(settings, state, facts)
    except UserError:
        _forget(state, facts)
        raise


def tell_use(settings: "Settings", state: State, first_n: int) -> None:
    """Print what a review makes of the costs that were recorded from entry `first_n` on."""
    from monitor.records import tables
    from monitor.review.choosing import recorded_costs
    from monitor.review.pricing import cost_lines

    told = recorded_costs(settings, tables(state))
    for line in cost_lines((one for one in told if one.n >= first_n), settings.currency):
        print(line)


def _room(state: State, args: argparse.Namespace) -> Path | None:
    """Where to decode: the disk of STATE, unless it is only to be looked at."""
    if args.check:
        return None
    if not state.root.is_dir():
        raise UserError(f"{state.root}: there is no such folder; give --state DIR, or start `handwheel run` once")
    state.imports.mkdir(mode=0o2770, exist_ok=True)
    return state.imports


def _stage(args: argparse.Namespace, settings: "Settings", state: State, folder: Path) -> tuple["Facts", "Found"]:
    from monitor.progress import on_terminal
    from monitor.transfer import doubts, mapping, records, showing, staging

    path, now_us = Path(args.file), time.time_ns() // 1000
    zone = ZoneInfo(settings.time_zone)
    if args.what == "values":
        told = mapping.load_values(Path(args.map), settings)

        def show(one: "Decoded") -> str:
            shown = one.exact if one.exact is not None else quantity_text(one.value, one.target.tag.unit, 6)
            words = " ".join(word for word in one.reasons.words if word != "imported") or "good"
            at = local_text(one.at_us, zone, "%Y-%m-%d %H:%M:%S")
            return f"{one.target.tag.name}  {at}  {shown}  {words}  {clean(one.detail, 60)}".rstrip()

        found = staging.stage_values(path, told, folder, now_us, show, on_terminal())
        content, mapped = folder / "rows.parquet", told.sha256
        remarks = [*doubts.of_units(told.targets), *doubts.of_times(content, found, zone)]
    else:
        recorded = _recorded(args, path, settings)
        found = records.stage(path, args.what, recorded, folder, settings, state, now_us, _answers(args))
        content, mapped, remarks = folder / "entries.jsonl", recorded.sha256, []
    first = min((span.first_us for span in found.spans.values()), default=None)
    last = max((span.last_us for span in found.spans.values()), default=None)
    facts = staging.Facts(
        staging.new_id(), args.what, clean(path.name, 120), staging.digest(path), mapped, found.rows, found.rejected,
        staging.digest(content), None if first is None else utc_text(first), None if last is None else utc_text(last),
        dict(found.days), " ".join(f"{name}={said}" for name, said in _answers(args).items()),
    )  # fmt: skip
    staging.write_facts(folder, facts)
    for line in showing.lines(path, found, settings, remarks):
        print(line)
    return facts, found


def _recorded(args: argparse.Namespace, path: Path, settings: "Settings") -> "RecordMapping":
    """What the columns of a file of records mean: by its own headings, by a mapping, or by one that is shipped."""
    from monitor.transfer import mapping, own
    from monitor.transfer.columns import RECORDS

    of = RECORDS[args.what]
    if args.map is None:
        return own.own_mapping(path, args.what, of, settings, args.encoding)
    if args.encoding:
        raise UserError("--encoding: the mapping says it; leave one of them out")
    told, named = Path(args.map), mapping.shipped(args.map)
    if not told.is_file() and named is None and not told.suffix:
        words = _("--map {name}: neither a file nor one of {known}")
        raise UserError(words.format(name=clean(args.map, 60), known=", ".join(mapping.shipped_names())))
    return mapping.load_records(named if named and not told.is_file() else told, of.fields, settings.time_zone)


def _answers(args: argparse.Namespace) -> dict[str, str]:
    return {name: said for name in ("dates", "wear") if (said := getattr(args, name, None))}


def _keep_rejects(args: argparse.Namespace, made: Path) -> None:
    target = Path(args.rejects) if args.rejects else Path(f"{Path(args.file).name}.rejected.csv")
    try:
        atomic_write(target, made.read_bytes())
    except OSError as fault:
        raise UserError(f"{clean(target)}: cannot be written ({fault.strerror}); give --rejects FILE") from fault
    print(_("all that cannot come in, with the reason: {file}").format(file=clean(target)))


def _through_daemon(state: State, facts: "Facts") -> str:
    """Ask the daemon and wait until its worker has taken the rows in."""
    from monitor.command_socket import obtain
    from monitor.ledger import entries
    from monitor.lock import lock_is_free

    try:
        reply = obtain(state, "import", facts.entry())
    except UserError:
        _forget(state, facts)
        raise
    until_s = time.monotonic() + _WAIT_S
    while time.monotonic() < until_s:
        for one in entries(state, ["import"], after_n=int(reply["n"])):
            if one.data.get("id") == facts.id:
                return done_words(one.data, one.n)
        if lock_is_free(state):
            break
        time.sleep(_LOOK_S)
    return _("entry {n} is made; it is not ended yet, the daemon goes on with it: see handwheel import list").format(
        n=reply["n"]
    )


def _forget(state: State, facts: "Facts") -> None:
    """An import that was never begun leaves nothing behind."""
    from monitor.ledger import entries

    with suppress(UserError):  # a ledger that cannot be read may name it: then it stays
        if not any(one.data.get("id") == facts.id for one in entries(state, ["import"])):
            shutil.rmtree(state.imports / facts.id, ignore_errors=True)


def _under_lock(settings: "Settings", state: State, facts: "Facts") -> str:
    """The same without a daemon, in its place."""
    from monitor.historian.hot import HotFile
    from monitor.ledger import Draft, open_ledger
    from monitor.ledger.through import allowed_role
    from monitor.lock import hold_lock
    from monitor.periods.taking import settle
    from monitor.progress import on_terminal
    from monitor.transfer.arrival import take_all
    from monitor.transfer.hours import bring_hours

    role, now_us = allowed_role(SINGLE.get(facts.kind, "import"), settings), time.time_ns() // 1000
    with hold_lock(state):
        ledger, hot = open_ledger(state), HotFile(state.hot)
        try:
            hot.publish_tags(settings)
            ledger.append("import", {**facts.entry(), "stage": "begun"}, at_us=now_us, via="command", role=role)
            taken = take_all(state, settings, now_us, on_terminal())
            made = ledger.append_many(Draft(**row) for row in taken.ledger)
            for folder in taken.folders:
                for hours_s, values in bring_hours(folder):
                    hot.bring_in(hours_s, values)
                shutil.rmtree(folder, ignore_errors=True)
            if "take_periods" in taken.then:
                settle(state, settings, ledger, now_us, on_terminal())
        finally:
            hot.close()
            ledger.close()
    mine = [(row["data"], entry.n) for row, entry in zip(taken.ledger, made, strict=True) if _is_of(row, facts)]
    return done_words(*mine[-1]) if mine else taken.words


def _is_of(row: Mapping[str, Any], facts: "Facts") -> bool:
    return bool(row["kind"] == "import" and row["data"].get("id") == facts.id)


def done_words(told: Mapping[str, Any], n: int) -> str:
    """How an import ended, from its last entry."""
    if told.get("stage") == "refused":
        return _("NOT brought in: {why}; entry {n} tells of it").format(why=clean(told.get("why", ""), 200), n=n)
    return _("{added} brought in, {there} were there already; entry {n} tells of it").format(
        added=told.get("added"), there=told.get("there"), n=n
    )


def _list(settings: "Settings", state: State) -> int:
    from monitor.ledger import entries

    zone = ZoneInfo(settings.time_zone)
    begun: dict[object, Record] = {}
    ended: dict[object, Record] = {}
    for one in entries(state, ["import"]):
        (begun if one.data.get("stage") == "begun" else ended)[one.data.get("id", one.n)] = one
    for name, one in begun.items():
        end = ended.get(name)
        words = done_words(end.data, end.n) if end else _("NOT ENDED: the daemon ends it at its next start")
        print(f"{one.n:>6}  {local_text(one.at_us, zone)}  {one.role or '-'}  {clean(one.data['kind'], 12)}  "
              f"{clean(one.data['file'], 60)}: {words}")  # fmt: skip
    return 1 if begun.keys() - ended.keys() else 0
