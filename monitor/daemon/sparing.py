"""A log that stays readable: the same line about the same thing a few times a minute; the rest is counted and said.

"The same" is the wording and what it is about (its first argument), not the numbers in it: a link that goes up and down
ten times a second fills no disk. Lines that were held back are told with the next one, or by `told` once it is quiet.
"""

import logging
from dataclasses import dataclass

AT_ONCE, WINDOW_S = 5, 60.0
KINDS_KEPT = 2_000  # of lines; beyond that the oldest is forgotten


@dataclass(slots=True)
class _Kind:
    since_s: float  # monotonic [s]
    said: int = 0
    held: int = 0


class Sparing(logging.Filter):
    """A filter for the one handler of the log; `held` counts what it kept back since the start."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, int, str, str], _Kind] = {}
        self.held = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written; it says how many of its kind were not."""
        now_s = record.created
        about = str(record.args[0]) if isinstance(record.args, tuple) and record.args else ""
        key = (record.name, record.levelno, str(record.msg), about)
        kind = self._kinds.get(key)
        if kind is None or not 0 <= now_s - kind.since_s < WINDOW_S:
            if kind is not None and kind.held:
                record.msg, record.args = f"{record.getMessage()} ({kind.held} more like it were held back)", ()
            self._kinds.pop(key, None)
            self._kinds[key] = kind = _Kind(now_s)
            if len(self._kinds) > KINDS_KEPT:
                del self._kinds[next(iter(self._kinds))]
        kind.said += 1
        if kind.said <= AT_ONCE:
            return True
        kind.held += 1
        self.held += 1
        return False

    def quiet(self, now_s: float) -> list[str]:
        """What was held back and is over by now, in words; `now_s` is the clock of the log, UTC [s]."""
        over = [key for key, kind in self._kinds.items() if not 0 <= now_s - kind.since_s < WINDOW_S]
        gone = [(key, self._kinds.pop(key)) for key in over]
        return [f"{key[0]}: {kind.held} more lines about {key[3] or key[2]} were held back"
                for key, kind in gone if kind.held]  # fmt: skip
