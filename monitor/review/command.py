"""`handwheel review`: the parameters are frozen before anybody looks, then the question is asked of the records."""

import argparse
import time

from drivers.errors import UserError
from monitor.plant import Settings
from monitor.progress import on_terminal
from monitor.review.answering import answer
from monitor.review.choosing import moment_us, rates
from monitor.review.freezing import freeze
from monitor.review.telling import as_text
from monitor.state import State
from monitor.words import _, clean, number_text

DAY_US = 86_400_000_000

MONTHS = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel review`."""
    verbs = parser.add_subparsers(dest="review_verb", required=True, metavar="freeze | run")
    fix = verbs.add_parser("freeze", help="write the parameters and their hash to the ledger, before looking")
    go = verbs.add_parser("run", help="print the evidence table of a period")
    for one in (fix, go):
        one.add_argument("--vendor", metavar="NAME", help="only this vendor (default: all)")
    go.add_argument(
        "--from", dest="start", metavar="DATE", help="first day, UTC, as 2024-11-01 (default: 24 months ago)"
    )
    go.add_argument("--to", dest="end", metavar="DATE", help="day after the last one, UTC (default: now)")


def command(args: argparse.Namespace, settings: Settings, state: State) -> int:
    """`handwheel review freeze | run`; 0 when it could be done, whatever the answer."""
    now_us = time.time_ns() // 1000
    if args.review_verb == "freeze":
        sha256 = freeze(state, settings, now_us=now_us, vendor=args.vendor)
        for one in sorted({(rate.component, rate.q0, rate.words) for rate in rates(settings, args.vendor)}):
            print(_("q0 of {component}: {q0} = {words}").format(
                component=clean(one[0], 30), q0=number_text(one[1], 2), words=clean(one[2])))  # fmt: skip
        print(_("frozen; SHA-256 {sha}").format(sha=sha256))
        return 0
    end_us = moment_us(args.end, "review: --to") if args.end else now_us
    start_us = moment_us(args.start, "review: --from") if args.start else end_us - round(MONTHS * 365.25 / 12 * DAY_US)
    if start_us >= end_us:
        raise UserError("review run: --from lies after --to; give the earlier day first")
    told = answer(state, settings, start_us, end_us, args.vendor, tell=on_terminal())
    mark = _("SIMULATED")
    print(f"{mark}: {as_text(told)}" if settings.simulated else as_text(told))
    return 0
