"""The worker as a real process: it answers, fails in words, dies and is started anew, and never outlives its daemon."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest

from monitor.daemon.supervisor import JobLost, Worker
from monitor.state import State
from monitor.worker import serve

CONFIG = Path(__file__).parents[1] / "golden/config"
NOW = 1_795_440_000_000_000


@pytest.fixture
async def worker(tmp_path):
    made = Worker(State(tmp_path / "state").make(), CONFIG)
    yield made
    await made.stop()


async def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        await asyncio.sleep(0.01)


async def test_a_job_that_cannot_be_done_is_told_in_words_and_the_worker_lives_on(worker):
    first = await worker.ask("dance", {}, NOW, 60.0)
    assert first["ok"] is False
    assert "job 'dance' is unknown; known: binder" in first["words"]
    pid = worker.pid
    second = await worker.ask("sing", {}, NOW, 60.0)
    assert second["ok"] is False
    assert (worker.pid, worker.restarts, worker.lost) == (pid, 0, 0)


async def test_a_killed_worker_loses_its_job_and_is_started_anew(worker):
    asking = asyncio.create_task(worker.ask("binder", {}, NOW, 60.0))
    await until(lambda: worker.pid is not None)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(JobLost, match=r"binder: the worker died \(signal 9, SIGKILL\)"):
        await asking
    assert (await worker.ask("dance", {}, NOW, 60.0))["ok"] is False
    assert (worker.restarts, worker.lost) == (1, 1)


async def test_a_job_that_takes_too_long_is_ended(worker):
    with pytest.raises(JobLost, match="no result after 0 s"):
        await worker.ask("binder", {}, NOW, 0.001)
    assert worker.pid is None


async def test_jobs_are_done_one_after_the_other(worker):
    told = await asyncio.gather(*(worker.ask(f"job {n}", {}, NOW, 60.0) for n in range(5)))
    assert [f"job {n}" in one["words"] for n, one in enumerate(told)] == [True] * 5
    assert worker.starts == 1


async def test_the_worker_is_let_go_with_its_daemon(worker):
    await worker.ask("dance", {}, NOW, 60.0)
    process = worker._process
    await worker.stop()
    assert process.returncode == 0
    assert worker.pid is None


def test_the_worker_dies_with_a_daemon_that_is_killed(tmp_path):
    state = State(tmp_path / "state").make()
    command = [sys.executable, "-c", PARENT, str(state.root), str(CONFIG)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait(60)
        end = time.monotonic() + 60
        while lives(child):
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()


PARENT = """
import asyncio, sys
from pathlib import Path
from monitor.state import State
from monitor.daemon.supervisor import Worker

async def main():
    worker = Worker(State(Path(sys.argv[1])), Path(sys.argv[2]))
    await worker.ask("dance", {}, 1, 60.0)
    print(worker.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_each_line_has_its_answer_whatever_a_job_makes_of_it(tmp_path):
    state = State(tmp_path / "state").make()
    asked = StringIO("".join(json.dumps({"id": str(n), "job": job, "args": {}, "now_us": NOW}) + "\n"
                             for n, job in enumerate(("dance", "sovereignty_report", "dance"))))  # fmt: skip
    answers = StringIO()
    serve(state, CONFIG, asked, answers)
    told = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert [one["id"] for one in told] == ["0", "1", "2"]
    assert [one["ok"] for one in told] == [False, True, False]
    assert told[1]["ledger"][0]["kind"] == "report"
    assert set(told[1]) == {"id", "ok", "words", "ledger", "assessments", "verdicts", "files", "purge_before_ms"}
