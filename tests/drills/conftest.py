"""What all drills share: a seed, a place for what is done already, a way to tell while they run."""

import json
import os
from pathlib import Path

import psutil
import pytest

DONE = Path(__file__).parents[2] / ".cache" / "drills"


def pytest_addoption(parser):
    parser.addoption("--drill-seed", type=int, default=1, help="what a drill draws from (default 1)")
    parser.addoption("--drill-anew", action="store_true", help="forget what an interrupted drill has done")


@pytest.fixture
def seed(request):
    """The seed of this run."""
    return request.config.getoption("--drill-seed", default=1)


@pytest.fixture
def tell(capfd):
    """Print a line at once, whatever pytest captures."""

    def line(words):
        with capfd.disabled():
            print(words, flush=True)

    return line


class Parts:
    """The finished parts of a drill, on disk after each, so that an interrupted one goes on where it was."""

    def __init__(self, path, head):
        self._path, self._head = path, head
        self.done = {}
        try:
            found = json.loads(path.read_text())
            if found["head"] == head:
                self.done = found["done"]
        except (OSError, ValueError, KeyError):
            pass

    def add(self, part, result):
        self.done[str(part)] = result
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps({"head": self._head, "done": self.done}))
        os.replace(new, self._path)

    def end(self):
        """The drill is through: the next one begins anew."""
        self._path.unlink(missing_ok=True)


@pytest.fixture
def parts(request, seed):
    """Parts of the drill of this name; `head` says what they were drawn from."""

    def open_parts(name, **head):
        path = DONE / f"{name}.json"
        if request.config.getoption("--drill-anew", default=False):
            path.unlink(missing_ok=True)
        return Parts(path, {"seed": seed, **head})

    return open_parts


def rss_mb():
    """Memory that this process holds now [MB]."""
    return psutil.Process().memory_info().rss / 1e6
