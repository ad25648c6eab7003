"""How a long work in a thread leaves room for the others: one interpreter serves the writer and the polls."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def unhurried(pieces: Iterable[T], at_once: int = 1) -> Iterator[T]:
    """The pieces of a long work; after each `at_once` of them a rest of twice the time that went into them."""
    begun_s = time.thread_time()
    for number, piece in enumerate(pieces, 1):
        yield piece
        if number % at_once == 0:
            time.sleep(2 * (time.thread_time() - begun_s))
            begun_s = time.thread_time()
