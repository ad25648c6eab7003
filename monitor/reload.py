"""`handwheel reload`: the daemon reads its configuration again, all or nothing, and says what is different now.

Asked over the command socket, so that the ledger has the role that did it: it needs the right "configure". SIGHUP and
`systemctl reload handwheel` do the same without a role; what they changed or what is wrong stands in the log.
"""

import argparse
from typing import TYPE_CHECKING

from monitor.command_socket import obtain
from monitor.state import State
from monitor.words import _, clean

if TYPE_CHECKING:
    from monitor.plant import Settings

PATIENCE_S = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has no options: the daemon reads the folder that it was started with."""


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """Ask and print the difference. Raises UserError in the daemon's words where nothing was changed."""
    told = obtain(state, "reload", {}, PATIENCE_S)
    changes = [clean(line, 400) for line in told.get("changes", ())]
    print("\n".join(changes) if changes else _("nothing has changed"))
    return 0
