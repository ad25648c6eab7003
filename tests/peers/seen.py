"""What people see: the screen as text, and the fallback as its own process."""

import subprocess
import sys

from monitor.screen.terminal import overview, take


def screen_text(state):
    """The overview as `handwheel screen --ui plain` prints it."""
    return overview(take(state), 160)


def fallback(state, *options):
    """`handwheel-manual` with these options."""
    command = [sys.executable, "-m", "fallback_procedures", "--state", str(state.root), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
