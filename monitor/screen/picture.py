"""A picture of the running screen as SVG, for the README: made by the program itself from a STATE, never drawn by hand.

python -m monitor.screen.picture OUT.svg --state STATE [--size 100x30] [--lang en] [--keys a,enter]
"""

import argparse
import asyncio
import re
import sys
from pathlib import Path

from monitor.screen.app import ControlRoom
from monitor.state import find_state
from monitor.words import LANGUAGES, use_language

SETTLE_S = 3.0  # until hot file, ledger, role and procedures have been read
FROM_ELSEWHERE = re.compile(r"@font-face\s*\{.*?\}|<!--.*?-->", re.DOTALL)


async def picture(state: str | None, size: tuple[int, int], keys: list[str]) -> str:
    """The SVG of the screen after these keys; without any reference to another machine."""
    application = ControlRoom(find_state(state))
    async with application.run_test(size=size) as pilot:
        await asyncio.sleep(SETTLE_S)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(1.0)
        svg = application.export_screenshot(title="handwheel")
    return plain_fonts(svg)


def plain_fonts(svg: str) -> str:
    """The same picture with the fonts of the reader's machine: nothing is fetched to look at it."""
    return FROM_ELSEWHERE.sub("", svg).replace("Fira Code", "DejaVu Sans Mono, monospace")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m monitor.screen.picture", description="A picture of the screen.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--state", help="the STATE to show")
    parser.add_argument("--size", default="100x30", help="columns x lines")
    parser.add_argument("--lang", default="en", choices=LANGUAGES)
    parser.add_argument("--keys", default="", help="keys to press first, with commas between")
    options = parser.parse_args()
    use_language(options.lang)
    columns, _x, lines = options.size.partition("x")
    keys = [key for key in options.keys.split(",") if key]
    svg = asyncio.run(picture(options.state, (int(columns), int(lines)), keys))
    options.out.write_text(svg, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
