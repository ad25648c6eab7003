"""`handwheel clock`: how far the clock can be believed; with --confirm a person says that it is right.

Where no time service keeps the clock, a person may compare it (with a radio clock, a telephone) and say so; that the
role did is entered. Until then a clock that was set by far is suspect, and nothing is removed by its word.
"""

import argparse
from typing import TYPE_CHECKING

from monitor import heartbeat
from monitor.command_socket import obtain
from monitor.daemon.clock import clock_health
from monitor.state import State
from monitor.words import _, clean

if TYPE_CHECKING:
    from monitor.plant import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel clock`."""
    parser.add_argument("--confirm", action="store_true", help="you compared the clock just now, and it is right")


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """Print the word for the clock; 1 where it is suspect. Raises UserError where it cannot be confirmed."""
    if args.confirm:
        told = obtain(state, "confirm_clock", {})
        print(_("confirmed; entry {n} tells of it").format(n=told["n"]))
        return 0
    status = heartbeat.read(state)
    running = heartbeat.liveness(state, status).word == "running"
    clock = status["clock"] if status and running else clock_health().to_json()
    print(f"{clean(clock.get('state'), 20)}: {clean(clock.get('note'), 200)}")
    return 1 if clock.get("state") == "suspect" else 0
