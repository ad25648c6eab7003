"""`handwheel reload`: the daemon reads its configuration again, all or nothing, and says what is different now.

Asked over the command socket, so that the ledger has the role that did it: it needs the right "configure". SIGHUP and
`systemctl reload handwheel` do the same without a role; what they changed or what is wrong stands in the log.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.errors import UserError
from monitor.command_socket import obtain
from monitor.lock import lock_is_free
from monitor.state import State
from monitor.words import _, clean

if TYPE_CHECKING:
    from monitor.plant import Settings

PATIENCE_S = 30.0
_SOCKET = State(Path("/")).socket.name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has no options: the daemon reads the folder that it was started with."""


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """Ask and print the difference. Raises UserError in the daemon's words where nothing was changed."""
    if lock_is_free(state):
        raise UserError(_elsewhere(state))
    told = obtain(state, "reload", {}, PATIENCE_S)
    changes = [clean(line, 400) for line in told.get("changes", ())]
    print("\n".join(changes) if changes else _("nothing has changed"))
    return 0


def _elsewhere(state: State) -> str:
    """Why nobody answers in this STATE: whoever changed paths.state looks in another place than the daemon runs in."""
    here = state.root.absolute()
    others = [str(one) for one in _running() if one != here]
    if others:
        words = _("reload: no daemon runs with {here}, but one with {others}; if paths.state or --state was changed,"
                  " put it back, or stop that daemon before you start it anew")  # fmt: skip
        return words.format(here=here, others=clean(", ".join(others), 400))
    words = _("reload: no daemon runs with {here}; if paths.state or --state was changed, one may run with what it was"
              " before: stop that one before you start it anew; else start it with handwheel run")  # fmt: skip
    return words.format(here=here)


def _running() -> list[Path]:
    """The STATE of each daemon that listens on this machine, as far as the kernel tells its sockets to us."""
    try:
        lines = Path("/proc/net/unix").read_text("utf-8", "replace").splitlines()[1:]
    except OSError:
        return []
    paths = {Path(fields[7]) for line in lines if len(fields := line.split(None, 7)) == 8}
    return sorted(path.parent for path in paths if path.name == _SOCKET and path.is_absolute())
