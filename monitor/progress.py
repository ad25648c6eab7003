"""How far a long work has come: what is done of how much, since when and how fast.

Who works counts in a `Work`; who wants to know hands it a `Tell`: a terminal's line, the worker's line to the daemon.
Nothing is told in the first second, then once a second at most, so that counting costs nothing and short work is quiet.
Standard library only: the screen shows the same text.
"""

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TextIO, TypeVar

from monitor.words import _, age_text, clean, number_text

T = TypeVar("T")
EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a work stands; `total` is None where nobody knows how much there is."""

    words: str
    done: int
    total: int | None
    elapsed_s: float

    @property
    def per_s(self) -> float:
        """The mean rate since the beginning. [1/s]"""
        return self.done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def text(self) -> str:
        """One line: "learning: 12 of 40, 1.5 per s, about 18s to go"."""
        if self.total is None:
            return _("{words}: {done}, {rate} per s, since {elapsed}").format(
                words=self.words, done=self.done, rate=number_text(self.per_s, 2), elapsed=age_text(self.elapsed_s)
            )
        left_s = max(self.total - self.done, 0) / self.per_s if self.per_s else None
        return _("{words}: {done} of {total}, {rate} per s, about {left} to go").format(
            words=self.words, done=self.done, total=self.total, rate=number_text(self.per_s, 2), left=age_text(left_s)
        )

    def to_json(self) -> dict[str, Any]:
        """As it stands in the worker's protocol and in status.json."""
        return asdict(self)


def from_json(told: object) -> Progress | None:
    """What `to_json` made; None for anything else."""
    if not isinstance(told, Mapping):
        return None
    try:
        total = told["total"]
        return Progress(clean(told["words"], 80), int(told["done"]), None if total is None else int(total),
                        float(told["elapsed_s"]))  # fmt: skip
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


Tell = Callable[[Progress | None], None]  # None: that work is over


def silent(progress: Progress | None) -> None:
    """Tell nobody."""


def on_terminal(file: TextIO | None = None) -> Tell:
    """One line on stderr that is written over each second and is gone at the end; silent where it is no terminal."""
    out = sys.stderr if file is None else file
    if not out.isatty():
        return silent
    shown = 0

    def tell(progress: Progress | None) -> None:
        nonlocal shown
        line = clean(progress.text, max(shutil.get_terminal_size().columns - 1, 20)) if progress else ""
        out.write("\r" + line.ljust(shown) + ("" if line else "\r"))
        out.flush()
        shown = len(line)

    return tell


class Work:
    """A work that is counted: `with Work("learning", len(pumps), tell) as work: for pump in work.over(pumps): ...`."""

    def __init__(
        self, words: str, total: int | None = None, tell: Tell = silent, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.done = 0
        self._words, self._total, self._tell, self._clock = words, total, tell, clock
        self._began_s = clock()
        self._due_s = self._began_s + EVERY_S
        self._told = False

    def __enter__(self) -> "Work":
        return self

    def __exit__(self, *_fault: object) -> None:
        if self._told:
            self._tell(None)

    def add(self, count: int = 1) -> None:
        """So much more is done; with 0 only the time goes on."""
        self.done += count
        now_s = self._clock()
        if now_s >= self._due_s:
            self._due_s, self._told = now_s + EVERY_S, True
            self._tell(Progress(self._words, self.done, self._total, now_s - self._began_s))

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """The items, each counted when the next one is asked for."""
        for item in items:
            yield item
            self.add()
