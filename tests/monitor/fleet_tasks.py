"""What the tests of monitor.fleet have done in other processes: functions of a module, on plain data."""

import hashlib
import os
import time
from pathlib import Path

import numpy as np

from drivers.errors import UserError
from monitor.words import _


def digest(seed: int) -> tuple[str, float]:
    """Some arithmetic whose every bit counts."""
    draw = np.random.default_rng(seed)
    found = np.linalg.svd(draw.normal(size=(60, 40)))[1].cumsum() @ draw.normal(size=40)
    return hashlib.sha256(np.float64(found).tobytes()).hexdigest(), float(found)


def digest_slowly(folder: Path, seed: int) -> tuple[str, float]:
    """The same; its first two tries wait in `folder` until somebody wrote `go`, so that a worker can be killed."""
    with (folder / f"{seed}.pids").open("a") as pids:
        pids.write(f"{os.getpid()}\n")
    while seed < 2 and not (folder / "go").exists():
        time.sleep(0.01)
    return digest(seed)


def later_is_faster(n: int) -> int:
    time.sleep(0.2 if n == 0 else 0.0)
    return n


def deadly(n: int) -> int:
    """Task 3 ends whoever does it, the hard way."""
    if n == 3:
        os._exit(9)
    return n * n


class OddError(Exception):
    def __init__(self, one: int, two: int) -> None:  # cannot be unpickled from its args
        super().__init__(f"{one} is not {two}")


def faulty(n: int) -> int:
    if n == 1:
        raise UserError(f"/data/site{n}: cannot be read; mend its rights")
    if n == 2:
        raise OddError(2, 3)
    return n


def word(n: int) -> str:
    return _("learning")


def sleep_long(folder: Path, n: int) -> None:
    (folder / f"{os.getpid()}.pid").touch()
    time.sleep(600)
