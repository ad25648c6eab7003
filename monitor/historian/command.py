"""`handwheel history`: what there is, and whether it is as it was written."""

import argparse
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from monitor.historian.cold import Cold, Stored, cold_of, sites, stored
from monitor.historian.parquet import opened
from monitor.historian.proof import damages
from monitor.historian.verifying import verify
from monitor.progress import Work, on_terminal
from monitor.state import State
from monitor.words import _, clean, number_text

if TYPE_CHECKING:
    from monitor.plant import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel history`."""
    verbs = parser.add_subparsers(dest="history_verb", required=True, metavar="show | verify")
    show = verbs.add_parser("show", help="the days that there are, their files, bytes and samples")
    show.add_argument("--days", action="store_true", help="a line for each day instead of one for each month")
    check = verbs.add_parser("verify", help="check every file; exit 1 if one is damaged; moves nothing")
    check.add_argument("--deep", action="store_true", help="also read each file whose SHA-256 agrees")


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """`handwheel history show | verify`: 0 if all is well, 1 if a file is damaged."""
    cold = cold_of(state)
    if args.history_verb == "show":
        _show(cold, 10 if args.days else 7)
        return 0
    tell = on_terminal()
    wrong = damages(state, tell)
    for damage in wrong:
        print(_("FAULT: {file}: {why}").format(file=f"{state.hot}: {damage.what}", why=clean(damage.why, 200)))
    found = verify(cold, deep=args.deep, tell=tell)
    for fault in found.faults:
        print(_("FAULT: {file}: {why}").format(file=cold.shown(fault.name), why=clean(fault.why, 200)))
    for name in found.mended:
        print(_("{file}: its note is damaged, the file itself is not").format(file=cold.shown(name)))
    if found.faults:
        print(_("{files} files: {faults} damaged; the job verify of the daemon moves them to quarantine").format(
            files=found.files, faults=len(found.faults)))  # fmt: skip
    if found.faults or wrong:
        return 1
    if not found.files:
        print(_("there is no history in {place}").format(place=cold.address))
        return 0
    print(_("OK: {files} files, {size} MB: all as they were written").format(
        files=found.files, size=number_text(found.bytes / 1e6, 4)))  # fmt: skip
    if found.unnoted:
        print(_("of {files} files no SHA-256 was noted; their pages and rows were checked").format(files=found.unnoted))
    return 0


def _show(cold: Cold, letters: int) -> None:
    print(_("history lies in {place}").format(place=cold.address))
    files = [one for site in sites(cold) for one in stored(cold, site)]
    with Work(_("history, files"), len(files), on_terminal()) as work:
        rows = {one.name: _rows(cold, one) for one in work.over(files)}
    heads = (_("site"), _("from"), _("to"), _("days"), _("files"), _("samples"), _("MB"), _("B/sample"))
    print("{:<8} {:<10} {:<10} {:>5} {:>6} {:>14} {:>10} {:>9}".format(*heads))
    for (site, _span), group in groupby(files, lambda one: (one.site, one.day[:letters])):
        some = list(group)
        print(_line(site, some, sum(rows[one.name] for one in some)))
    if files:
        print(_line(_("all"), sorted(files, key=attrgetter("day")), sum(rows.values())))


def _line(site: str, files: list[Stored], samples: int) -> str:
    size = sum(one.size for one in files)
    each = f"{size / samples:.2f}" if samples else "-"
    days = len({one.day for one in files})
    return (
        f"{clean(site, 8):<8} {files[0].day:<10} {files[-1].day:<10} {days:>5} {len(files):>6} {samples:>14}"
        f" {size / 1e6:>10.1f} {each:>9}"
    )


def _rows(cold: Cold, one: Stored) -> int:
    try:
        with opened(cold, one.name) as file:
            return int(file.metadata.num_rows)
    except (OSError, ValueError):
        return 0  # `verify` says what is wrong with it
