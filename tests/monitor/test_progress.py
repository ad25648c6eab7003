"""Progress: quiet for a second, then a line a second that is gone at the end; and the worker tells it to the daemon."""

import asyncio
import io
import os
import pty
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from drivers.batch import batch_of
from drivers.record import Sample
from monitor import audit, progress, review
from monitor.daemon.supervisor import Worker
from monitor.historian.hot import HotFile
from monitor.ledger import Draft, head, open_ledger
from monitor.progress import Progress, Work, from_json, on_terminal
from monitor.settings import load
from monitor.state import State
from monitor.words import use_language

GOLDEN = Path(__file__).parents[1] / "golden/config"


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


SHOWN = """
import sys
from monitor import progress
from monitor.cli import main

progress.EVERY_S = float(sys.argv[1])  # 0: as if each step took long
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> State:
    """A STATE with frames, rollups and 30 entries."""
    state = State(tmp_path_factory.mktemp("lived") / "state").make()
    hot, ledger = HotFile(state.hot), open_ledger(state)
    hot.publish_tags(load(GOLDEN))
    for second in range(5):
        at_ms = 1_795_392_000_000 + 1_000 * second
        hot.append([batch_of("pump1", at_ms * 1000, [Sample(0, 0, 4.0)])], at_ms)
    hot.roll(1_795_392_060_000)
    told = {"date": "2026-11-23", "event_kind": "other", "text": "a storm"}
    named = ledger.head()[0]
    ledger.append_many([Draft("event", told, 1_795_392_000_000_000 + n, "test") for n in range(30 - named)])
    hot.close()
    ledger.close()
    return state


def ran(state: State, every_s: float, verb: str, *, terminal: bool = True) -> tuple[str, str]:
    """What `handwheel VERB` says on stdout, and on a stderr that is a terminal or none."""
    command = [sys.executable, "-c", SHOWN, str(every_s), *verb.split(), "--config", str(GOLDEN), "--state"]
    ours, theirs = pty.openpty() if terminal else os.pipe()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen([*command, str(state.root)], stdout=out, stderr=theirs)
        os.close(theirs)
        seen = b""
        with suppress(OSError):  # a terminal that everybody left
            while more := os.read(ours, 65_536):
                seen += more
        os.close(ours)
        assert process.wait(60) < 4
        out.seek(0)
        return out.read().decode(), seen.decode()


@pytest.mark.parametrize(
    ("verb", "words", "answer"),
    [
        ("ledger verify", ["ledger, entries: 30 of"], "OK: "),
        ("doctor", ["hot.sqlite, rows: ", "ledger, entries: 30 of"], "PASS         ledger"),
    ],
)
def test_a_verb_that_takes_long_says_so_on_a_terminal_and_leaves_no_line_behind(lived, verb, words, answer):
    out, seen = ran(lived, 0.0, verb)
    assert answer in out
    for word in words:
        assert word in seen
        assert word not in out
    assert seen.endswith("\r")
    assert not seen.split("\r")[-2].strip()


@pytest.mark.parametrize("where", [{"every_s": 60.0}, {"every_s": 0.0, "terminal": False}])
def test_a_verb_that_is_quick_or_has_no_terminal_says_nothing_of_its_progress(lived, where):
    assert ran(lived, verb="ledger verify", **where)[1] == ""


def test_reviews_and_audits_tell_how_much_they_have_read(lived, monkeypatch):
    monkeypatch.setattr(progress, "EVERY_S", 0.0)  # as if each step took long
    settings, told = load(GOLDEN), list[Progress | None]()
    review.answer(lived, settings, 0, 2**60, tell=told.append)
    assert [one and (one.words, one.done) for one in told[-2:]] == [("ledger, entries", head(lived)[0]), None]
    told.clear()
    list(audit.coverage(lived, settings, 1_795_392_060_000_000, told.append))
    assert told[0] == Progress("audit, tags", 1, 8, told[0].elapsed_s)
    assert told[-1] is None


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
