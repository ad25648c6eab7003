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
    assert set(told[1]) == {"id", "ok", "words", "ledger", "assessments", "verdicts", "files", "purge_before_ms",
                            "brought_in", "then"}  # fmt: skip


HOSTILE = """
import json, os, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    answer = {"id": asked["id"], "ok": True, "words": "done"}
    match asked["job"]:
        case "hog":
            kept = []
            while True:
                kept.append(bytearray(os.urandom(1_000_000) * 20))
                time.sleep(0.01)
        case "nonsense":
            print("{[", flush=True)
        case "list":
            print("[1]", flush=True)
        case "another":
            print(json.dumps({**answer, "id": "0"}), flush=True)
        case "flood":
            for number in range(200_000):
                sys.stderr.write(f"line {number} \\x1b[2J of a library that cannot be quiet\\n")
            sys.stderr.flush()
            print(json.dumps(answer), flush=True)
        case "progress":
            for number in range(20_000):
                print(json.dumps({"id": asked["id"], "progress": {"done": number}}))
            print(json.dumps(answer), flush=True)
        case _:
            print(json.dumps(answer), flush=True)
"""


@pytest.fixture
async def hostile(tmp_path):
    made = Worker(State(tmp_path / "state").make(), CONFIG, memory=300_000_000)
    made._command = (sys.executable, "-c", HOSTILE)
    yield made
    await made.stop()


class Beat:
    """How late a loop that has something to do each 10 ms is at most [s]."""

    async def __aenter__(self):
        self.late_s, self._task = 0.0, asyncio.create_task(self._run())
        return self

    async def _run(self):
        while True:
            due_s = time.monotonic() + 0.01
            await asyncio.sleep(0.01)
            self.late_s = max(self.late_s, time.monotonic() - due_s)

    async def __aexit__(self, *_):
        self._task.cancel()


async def test_a_worker_that_takes_too_much_memory_is_ended_and_said(hostile):
    async with Beat() as beat:
        with pytest.raises(JobLost, match=r"hog: the worker was ended: it took 0\.\d GB of memory, 0\.3 are allowed"):
            await hostile.ask("hog", {}, NOW, 60.0)
    assert beat.late_s < 2.0
    assert (await hostile.ask("anything", {}, NOW, 60.0))["ok"]
    assert (hostile.lost, hostile.restarts) == (1, 1)


@pytest.mark.parametrize("job", ["nonsense", "list", "another"])
async def test_a_worker_that_answers_nonsense_is_ended_and_the_next_job_gets_its_own_answer(hostile, job):
    with pytest.raises(JobLost, match="what it answered is no answer"):
        await hostile.ask(job, {}, NOW, 60.0)
    assert (await hostile.ask("anything", {}, NOW, 60.0))["words"] == "done"


async def test_a_job_that_floods_its_output_neither_fills_the_log_nor_holds_up_the_daemon(hostile, caplog):
    caplog.set_level("INFO")
    async with Beat() as beat:
        assert (await hostile.ask("flood", {}, NOW, 60.0))["ok"]
        assert (await hostile.ask("progress", {}, NOW, 60.0))["ok"]
    await hostile.stop()
    await asyncio.wait_for(hostile._relaying, 60)
    assert beat.late_s < 2.0
    lines = [record.message for record in caplog.records if record.name == "handwheel.worker"]
    assert len(lines) < 1_000
    assert "\x1b" not in "".join(lines)
    held = sum(int(line.split()[3]) for line in lines if "more lines" in line)
    assert held + sum("of a library" in line for line in lines) >= 200_000


async def test_a_worker_that_stands_still_loses_its_job_when_the_time_is_over(hostile):
    await hostile.ask("anything", {}, NOW, 60.0)
    os.kill(hostile.pid, signal.SIGSTOP)
    with pytest.raises(JobLost, match="no result after 1 s"):
        await hostile.ask("anything", {}, NOW, 1.0)
    assert (await hostile.ask("anything", {}, NOW, 60.0))["ok"]
