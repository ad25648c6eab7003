"""When a journal of the fallback has ended, or was added to afterwards: the worker is asked then, and not before."""

from monitor.state import State, read_plain

FILES = 2_000  # journals that are looked at, the newest
_TAIL = 65_536  # bytes of the end of a file: what ends a period stands there, or a line from paper behind it
_MARKS = tuple(f'"kind":"{kind}"'.encode() for kind in ("handed_back", "closed", "paper", "drill_record"))


class Journals:
    """The folder of journals as it was seen last. The files are another program's: they are looked at, not believed."""

    def __init__(self, state: State) -> None:
        self._folder = state.journal
        self._seen: dict[str, tuple[int, int]] = {}  # name -> size [B], time of the last change [ns]

    def changed(self) -> bool:
        """Whether a journal that looks as if it had ended was written to since this was asked last."""
        found, news = dict[str, tuple[int, int]](), False
        try:
            paths = sorted(self._folder.glob("*.jsonl"))[-FILES:]
        except OSError:
            return False
        for path in paths:
            try:
                told = path.lstat()
                found[path.name] = (told.st_size, told.st_mtime_ns)
                if self._seen.get(path.name) != found[path.name]:
                    news |= any(mark in read_plain(path, _TAIL, tail=True) for mark in _MARKS)
            except OSError:
                continue
        self._seen = found
        return news
