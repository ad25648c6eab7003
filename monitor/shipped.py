"""Where the data that comes with handwheel lies: config/ of the repository or of the installed package."""

import sysconfig
from pathlib import Path


def shipped_folder() -> Path:
    """The folder that holds example/ and maps/."""
    here = Path(__file__).resolve().parent.parent / "config"
    return here if here.is_dir() else Path(sysconfig.get_path("data")) / "share" / "handwheel" / "config"
