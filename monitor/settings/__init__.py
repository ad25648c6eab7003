"""config/*.toml (+ tag lists as CSV) -> frozen Settings. Every fault is named by file, line and key, all at once."""

from monitor.settings.load import load
from monitor.settings.reader import SettingsError

__all__ = ["SettingsError", "load"]
