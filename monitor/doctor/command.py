"""`handwheel doctor`: every look at the host, as lines or as JSON; it changes nothing.

What it cannot look at it says, instead of calling it fine. The exit code tells the worst that was seen, as programs
that watch over hosts expect it: 2 a failure, else 1 a warning, else 3 something could not be told, else 0.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version

from monitor.doctor import looks, memory
from monitor.doctor.installed import look_at_files, look_at_libraries
from monitor.doctor.looks import Check
from monitor.plant import Settings
from monitor.state import State
from monitor.words import utc_text

FORMAT = 1
WORST = ("FAIL", "WARN", "CANNOT TELL", "PASS")  # in this order
EXIT = {"PASS": 0, "WARN": 1, "FAIL": 2, "CANNOT TELL": 3}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel doctor`."""
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    parser.add_argument(
        "--all-files",
        action="store_true",
        help="compare the files of every library, not only of what is on the wire",
    )
    parser.epilog = "exit code, by the worst: 2 a failure, 1 a warning, 3 something could not be told, 0 all passes"


def command(args: argparse.Namespace, settings: Settings, state: State) -> int:
    """Print every check; the exit code says the worst."""
    checks = [check for look in (*looks.LOOKS, *memory.LOOKS) for check in look(settings, state)]
    checks += look_at_files(settings, state, everything=args.all_files)
    checks += look_at_libraries()
    print(_json(checks, state) if args.json else "\n".join(map(_line, checks)))
    return EXIT[worst(checks)]


def worst(checks: Sequence[Check]) -> str:
    """The worst word of all."""
    return min((check.word for check in checks), key=WORST.index, default="CANNOT TELL")


def _line(check: Check) -> str:
    return f"{check.word:11}  {check.name:10}  {check.text}"


def _json(checks: Sequence[Check], state: State) -> str:
    told = {
        "format": FORMAT, "at": utc_text(time.time_ns() // 1000), "version": version("handwheel"),
        "state": str(state.root), "worst": worst(checks), "checks": [asdict(check) for check in checks],
    }  # fmt: skip
    return json.dumps(told, ensure_ascii=False, indent=1)
