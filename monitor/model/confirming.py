"""`handwheel model confirm`: a role says from when on an asset was sound, so that its model may be learned anew."""

import argparse
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from drivers.errors import UserError
from monitor.daemon.deeds import draft_of
from monitor.labels import role_word
from monitor.ledger import Ledger, entries
from monitor.ledger.through import through_daemon
from monitor.standing import KINDS, Standing, open_alert_words, standings
from monitor.state import State
from monitor.transfer.times import DAY_US, moment_us
from monitor.words import _, clean, local_text, number_text, parse_utc, utc_text

if TYPE_CHECKING:
    from monitor.plant import Settings

VERB = "confirm_baseline"


def waiting_words(state: State, settings: "Settings", asset_id: str, now_us: int) -> str:
    """That a baseline was confirmed from which nothing was learned yet; "" where none waits. `now_us` in UTC [us]"""
    if not state.ledger.is_file():
        return ""
    told = standings(one for one in entries(state, KINDS) if one.asset == asset_id).get(asset_id, Standing())
    if told.waiting is None:
        return ""
    start_us, days = parse_utc(str(told.waiting.data["from"])), settings.models.learn_days
    passed = min(max(now_us - start_us, 0) / DAY_US, days)
    start = local_text(start_us, ZoneInfo(settings.time_zone))
    words = _("baseline confirmed from {start} by {role}; {n} of {days} days have passed; until it is learned the model"
              " before it judges")  # fmt: skip
    role = role_word(told.waiting.role or "-")
    return words.format(start=start, role=role, n=number_text(passed, 2), days=days)


def add_arguments(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Options of `handwheel model confirm`."""
    confirm = verbs.add_parser(
        "confirm", help="say from when on an asset was sound; its model is learned anew from then"
    )
    confirm.add_argument("asset", metavar="ASSET", help="a pump or a meter")
    confirm.add_argument("--from", dest="start", metavar="TIME", required=True,
                         help="2026-11-23T14:30, local or with an offset")  # fmt: skip
    confirm.add_argument(
        "--reason", metavar="TEXT", required=True, help="what was done, and how it is known to be sound"
    )


def confirm(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """Record it, through the daemon where one runs, and say when the model will be learned. Raises UserError."""
    start_us = moment_us("--from", args.start, ZoneInfo(settings.time_zone))
    data = {"asset": args.asset, "from": utc_text(start_us), "reason": args.reason}

    def here(ledger: Ledger, role: str) -> Mapping[str, Any]:
        draft = draft_of(VERB, data, role, time.time_ns() // 1000, settings, lambda _alert: None)
        if words := open_alert_words(entries(state, ("own_alert",)), args.asset):
            raise UserError(words)
        (made,) = ledger.append_many([draft])
        return {"n": made.n}

    told = through_daemon(state, settings, VERB, data, here)
    print(_("{asset}: recorded as ledger entry {n}; learned anew once {days} days from then on have passed").format(
        asset=clean(args.asset, 40), n=told["n"], days=settings.models.learn_days))  # fmt: skip
    return 0
