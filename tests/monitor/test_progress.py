"""Progress: quiet for a second, then a line a second that is gone at the end; and the worker tells it to the daemon."""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.daemon.supervisor import Worker
from monitor.progress import Progress, Work, from_json, on_terminal
from monitor.state import State
from monitor.words import use_language


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    use_language("en")
    yield
    use_language("en")


def worked(clock: Clock, seconds_each: float, told: list[Progress | None], items: int = 8) -> None:
    with Work("folding", items, told.append, clock) as work:
        for _ in work.over(range(items)):
            clock.now_s += seconds_each


def test_work_that_is_over_within_a_second_says_nothing():
    told: list[Progress | None] = []
    worked(Clock(), 0.1, told)
    assert told == []


def test_longer_work_is_told_once_a_second_and_its_end_too():
    told: list[Progress | None] = []
    worked(Clock(), 0.5, told)
    assert [one and one.done for one in told] == [2, 4, 6, 8, None]
    assert told[0] == Progress("folding", 2, 8, 1.0)
    assert told[0].text == "folding: 2 of 8, 2.0 per s, about 3s to go"
    assert Progress("reading", 5, None, 2.0).text == "reading: 5, 2.5 per s, since 2s"


def test_work_that_fails_leaves_no_line_behind():
    terminal, clock = Terminal(), Clock()
    with pytest.raises(RuntimeError), Work("folding", 9, on_terminal(terminal), clock) as work:
        clock.now_s += 2.0
        work.add(3)
        raise RuntimeError
    line, blank = terminal.getvalue().lstrip("\r").split("\r")[:2]
    assert line.startswith("folding: 3 of 9")
    assert blank == " " * len(line)
    assert terminal.getvalue().endswith("\r")


def test_a_shorter_line_covers_a_longer_one_and_no_line_is_wider_than_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    tell = on_terminal(terminal)
    tell(Progress("x" * 200, 1, 9, 2.0))
    tell(Progress("y", 1, None, 2.0))
    first, second = terminal.getvalue().split("\r")[1:]
    assert (len(first), len(second)) == (39, 39)


def test_what_is_no_terminal_gets_no_line():
    out = io.StringIO()
    worked(Clock(), 2.0, [])
    with Work("folding", 2, on_terminal(out), clock := Clock()) as work:
        clock.now_s = 5.0
        work.add()
    assert out.getvalue() == ""


def test_progress_travels_as_json_and_nonsense_is_none():
    one = Progress("folding", 3, None, 1.5)
    assert from_json(one.to_json()) == one
    for nonsense in (None, [], {}, {"words": 1, "done": "x", "total": None, "elapsed_s": 1}, {"words": "a", "done": 1}):
        assert from_json(nonsense) is None


SLOW = """
import sys
from pathlib import Path
from monitor import worker
from monitor.jobs import JobResult
from monitor.progress import Work

def slow(state, settings, now_us, args, tell):
    seconds = iter(range(100))
    with Work("counting sheep", 4, tell, lambda: float(next(seconds))) as work:
        work.add(3)
        Path(args["told"]).touch()
        while not Path(args["go_on"]).exists():
            pass
    return JobResult("slept")

worker.JOBS = {"slow": slow}
sys.exit(worker.main())
"""


async def test_the_daemon_knows_how_far_its_worker_is(tmp_path, monkeypatch):
    program = tmp_path / "slow.py"
    program.write_text(SLOW)
    worker = Worker(State(tmp_path / "state").make(), Path(__file__).parents[1] / "golden/config")
    worker._command = (worker._command[0], str(program), *worker._command[3:])
    go_on = tmp_path / "go_on"
    try:
        asking = asyncio.create_task(
            worker.ask("slow", {"told": str(tmp_path / "told"), "go_on": str(go_on)}, 1_795_440_000_000_000, 60.0)
        )
        async with asyncio.timeout(60):
            while worker.progress is None:
                await asyncio.sleep(0.02)
        assert worker.progress == {"words": "counting sheep", "done": 3, "total": 4, "elapsed_s": 1.0}
        go_on.touch()
        assert (await asking)["words"] == "slept"
        assert worker.progress is None
    finally:
        await worker.stop()
