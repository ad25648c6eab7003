"""`handwheel review`: the parameters are frozen before anybody looks, then the question is asked of the records."""

import argparse
import json
import sys
import time
from pathlib import Path
from zoneinfo import ZoneInfo

from drivers.errors import UserError
from monitor.ledger import entries
from monitor.plant import Settings
from monitor.progress import on_terminal
from monitor.review import showing
from monitor.review.answering import Answer, answer
from monitor.review.asking import asked as asked_for
from monitor.review.asking import fixed_us
from monitor.review.choosing import called, one_vendor, parameters, rates, recorded_costs, sha256_of, split_visits
from monitor.review.contests import ANSWER_DAYS, PACK
from monitor.review.freezing import freeze, freezes, since, to_freeze
from monitor.review.pricing import cost_lines
from monitor.review.recording import looked
from monitor.review.telling import as_text
from monitor.state import State
from monitor.words import _, clean, local_text

MOST_FAULTS = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel review`."""
    verbs = parser.add_subparsers(
        dest="review_verb", required=True, metavar="freeze | frozen | run | reply-pack | contest"
    )
    fix = verbs.add_parser("freeze", help="write the parameters and their hash to the ledger, before looking")
    fix.add_argument("--check", action="store_true", help="only show what would be frozen")
    told = verbs.add_parser("frozen", help="show what was frozen, and what has changed since")
    go = verbs.add_parser("run", help="print the evidence table of a period")
    for one in (fix, told, go):
        one.add_argument("--vendor", metavar="NAME", help="only this vendor (default: all, or the only one)")
    pack = verbs.add_parser("reply-pack", help="make the folder with which the vendor can reply")
    pack.add_argument("--out", required=True, metavar="DIR", help="a new folder; a .zip of it is written beside it")
    reply = verbs.add_parser("contest", help="take in the findings that a vendor contests")
    reply.add_argument("file", help="the contest.csv of the pack as it came back")
    reply.add_argument("--yes", action="store_true", help="enter it without asking you")
    for one in (pack, reply):
        one.add_argument("--vendor", metavar="NAME", help="which vendor (default: the only one under review)")
    _add_period(go)
    _add_period(pack)
    go.add_argument(
        "--site", action="append", default=[], metavar="ID", help="only assets of this site; may be repeated"
    )
    go.add_argument("--asset", action="append", default=[], metavar="ID", help="only this asset; may be repeated")
    go.add_argument("--json", action="store_true", help="one JSON object")
    go.add_argument("--csv", metavar="DIR", help="also write table, e-value path and cases as CSV")


def _add_period(parser: argparse.ArgumentParser) -> None:
    first = "first day, UTC, as 2024-11-01 (default: as it was frozen)"
    parser.add_argument("--from", dest="start", metavar="DATE", help=first)
    parser.add_argument("--to", dest="end", metavar="DATE", help="day after the last one, UTC (default: now)")


def command(args: argparse.Namespace, settings: Settings, state: State) -> int:
    """`handwheel review ...`; 0 when it could be done, whatever it says; 1 where nobody agreed or a reply is faulty."""
    verbs = {"freeze": _freeze, "frozen": _frozen, "run": _run, "reply-pack": _reply_pack, "contest": _contest}
    return verbs[args.review_verb](args, settings, state)


def _freeze(args: argparse.Namespace, settings: Settings, state: State) -> int:
    from monitor.records import tables

    recorded = tables(state)
    chosen = to_freeze(state, settings, recorded, args.vendor, _now_us())
    made = freezes(state, settings, args.vendor)
    in_force = bool(made) and not since(made[-1], chosen, settings)
    sha256 = str(made[-1].data["sha256"]) if in_force else sha256_of(chosen)
    names = called(settings, args.vendor)
    seen = [one for one in entries(state, ["review"]) if one.data.get("vendor") in names]
    for line in showing.parameter_lines(chosen, rates(settings, args.vendor, recorded), settings, sha256):
        print(line)
    for line in cost_lines(recorded_costs(settings, recorded, args.vendor), settings.currency):
        print(line)
    for line in showing.remark_lines(chosen, sha256, made[-1] if made else None, seen):
        print(line)
    if split := split_visits(settings, args.vendor):
        print(showing.split_words(chosen.largest_cluster, split))
    if args.check:
        print(_("nothing was written"))
        return 0
    if in_force:
        print(_("these are in force since {at}; nothing was written").format(at=local_text(made[-1].at_us)))
        return 0
    sha256 = freeze(state, settings, now_us=_now_us(), vendor=args.vendor)
    print(_("frozen; SHA-256 {sha}").format(sha=sha256))
    return 0


def _frozen(args: argparse.Namespace, settings: Settings, state: State) -> int:
    from monitor.records import tables

    made = freezes(state, settings, args.vendor)
    if not made:
        others = sorted(
            {str(one.data["parameters"].get("vendor") or _("all")) for one in entries(state, ["review_freeze"])}
        )
        words = _("nothing is frozen for {vendor}").format(vendor=args.vendor or _("all vendors together"))
        print(words + ("; " + _("frozen for: {others}").format(others=", ".join(others)) if others else ""))
        return 0
    now = parameters(settings, tables(state), args.vendor, made[-1].n, fixed_us(settings, made[-1]))
    for line in showing.freeze_lines(made, since(made[-1], now, settings)):
        print(line)
    return 0


def asked(args: argparse.Namespace, settings: Settings, state: State) -> Answer:
    """The review that the options ask for. Raises UserError where the period is none."""
    now_us = _now_us()
    start_us, end_us = asked_for(args.start, args.end, now_us, f"review {args.review_verb}")
    return answer(
        state, settings, start_us, end_us, args.vendor, sites=getattr(args, "site", ()),
        assets=getattr(args, "asset", ()), now_us=now_us, tell=on_terminal(),
    )  # fmt: skip


def _run(args: argparse.Namespace, settings: Settings, state: State) -> int:
    from monitor.review.sheets import as_data, write

    told = asked(args, settings, state)
    if args.json:
        print(json.dumps(as_data(told, settings), ensure_ascii=False, allow_nan=False, indent=1))
    else:
        mark = _("SIMULATED")
        print(f"{mark}: {as_text(told)}" if settings.simulated else as_text(told))
    if args.csv:
        for path in write(told, Path(args.csv), settings.simulated, ZoneInfo(settings.time_zone)):
            print(path, file=sys.stderr if args.json else sys.stdout)
    _enter_look(told, settings, state)
    return 0


def _enter_look(told: Answer, settings: Settings, state: State) -> None:
    if words := looked(state, settings, told, _now_us()):
        print(_("that it was looked at could not be entered: {why}").format(why=words), file=sys.stderr)


def _now_us() -> int:
    """To the millisecond, as a moment is written."""
    return time.time_ns() // 1_000_000 * 1000


def _reply_pack(args: argparse.Namespace, settings: Settings, state: State) -> int:
    from monitor.records import tables
    from monitor.review.packing import listed, pack_files, write_pack
    from monitor.transfer.export import tell_ledger

    vendor = one_vendor(settings, args.vendor, "review reply-pack")
    told = asked(args, settings, state)
    files = pack_files(told, tables(state, upto_n=told.upto_n), state, settings, vendor)
    folder = Path(args.out)
    archive, sha256 = write_pack(files, folder)
    for line in listed(files):
        print(line)
    print(_("for {vendor}: {folder} and {archive}").format(vendor=clean(vendor, 40), folder=folder, archive=archive))
    print(_("{days} days to answer; look at it before you hand it over").format(days=ANSWER_DAYS))
    _enter_look(told, settings, state)
    span = (told.result.start_us, told.result.end_us)
    entered = tell_ledger(settings, state, f"{PACK}{vendor}", {archive.name: sha256}, len(told.result.cases), span)
    return 0 if entered else 1


def _contest(args: argparse.Namespace, settings: Settings, state: State) -> int:
    from monitor.ledger.through import allowed_role, enter
    from monitor.records import tables
    from monitor.review import replying
    from monitor.review.contests import contested

    vendor = one_vendor(settings, args.vendor, "review contest")
    allowed_role("contest", settings)  # who may not is told before the work, not after it
    path, now_us = Path(args.file), time.time_ns() // 1000
    content, recorded = replying.read_file(path), tables(state)
    assets = {asset for asset, _site in parameters(settings, recorded, vendor).assets}
    known = replying.known_findings(state, recorded, assets, vendor)
    reply = replying.read_reply(content, known, contested(state, vendor))
    if reply.faults:
        for fault in reply.faults[:MOST_FAULTS]:
            print(f"{clean(path.name, 60)}: {fault}", file=sys.stderr)
        print(_("{n} faults; nothing was entered").format(n=len(reply.faults)), file=sys.stderr)
        return 1
    data = replying.entry_of(state, vendor, path.name, reply, now_us)
    for line in replying.shown(state, vendor, reply, known, data["late"]):
        print(line)
    if not args.yes:
        if not sys.stdin.isatty():
            raise UserError("review contest: nobody can be asked here; add --yes. Nothing was entered")
        if input(_("Type contest to enter it: ")).strip() != "contest":
            print(_("nothing was entered"))
            return 1
    enter(state, settings, "contest", data, now_us)
    print(_("entered; SHA-256 of the file {sha}").format(sha=reply.sha256))
    print(_("handwheel review run prints both results from now on"))
    return 0
