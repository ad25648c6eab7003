"""`handwheel why ALERT`: everything that is known of one alert, on one page of text."""

import argparse
import json
import shutil
import sys
import time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitor.state import State
from monitor.why.asking import told_of
from monitor.why.found import Row
from monitor.why.story import Story, to_json
from monitor.why.telling import as_lines, sections, title
from monitor.words import _

if TYPE_CHECKING:
    from monitor.plant import Settings

WIDTH = 100  # columns of the text at most; a narrower terminal is kept to


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel why`."""
    parser.add_argument(
        "alert",
        metavar="ALERT",
        help="id of a vendor's or our own alert, its beginning, or an asset: what stands on it",
    )
    parser.add_argument("--asset", default="", metavar="ASSET", help="where one id stands for alerts of several assets")
    parser.add_argument(
        "--recorded", action="store_true", help="only what the ledger has: nothing is computed again, so it is quick"
    )
    parser.add_argument("--json", action="store_true", help="the same as one JSON object, each entry whole")


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """`handwheel why`: 0 where the alert is known; UserError with the nearest ids where it is not."""
    now_us, zone = time.time_ns() // 1000, ZoneInfo(settings.time_zone)
    assets = [one.id for one in settings.assets]
    horizon = settings.review.horizon_days
    answer = told_of(state, args.alert, now_us, assets=assets, asset=args.asset, horizon_days=horizon)
    again = [[] if args.recorded else _again(one, settings, state, zone) for one in answer.stories]
    if args.json:
        bodies = [to_json(one) | {"computed_again": [list(row) for row in rows]}
                  for one, rows in zip(answer.stories, again, strict=True)]  # fmt: skip
        print(json.dumps({"notes": list(answer.notes), "alerts": bodies}, indent=1, ensure_ascii=False))
        return 0
    width = min(shutil.get_terminal_size((WIDTH, 24)).columns, WIDTH) if sys.stdout.isatty() else WIDTH
    mark = [_("SIMULATED")] if settings.simulated else []
    for note in (*mark, *answer.notes):
        print(note)
    for one, rows in zip(answer.stories, again, strict=True):
        head = title(one)
        print(f"\n{head}\n{'=' * len(head)}")
        for line, _strong in as_lines(sections(one, answer, zone, rows), width):
            print(line)
    return 0


def _again(told: Story, settings: "Settings", state: State, zone: ZoneInfo) -> list[Row]:
    from monitor.why import physics

    return physics.rows(state, settings, told.asset, told.at_us, zone) if told.at_us is not None else []
