"""The daemon's end of the worker: starts the process, starts it anew when it died, ends a job that takes too much.

Too much is time (each job has its own), memory (most of the machine's) or an answer that is none. What the worker and
its libraries write beside their answers goes into our log, a few lines at a time: a flood of them fills no disk.

It knows the worker by its command and its lines alone (see monitor.worker) and imports nothing of it, so that none of
the worker's libraries ever reach the daemon.
"""

import asyncio
import itertools
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitor.state import State
from monitor.words import clean

LOG = logging.getLogger("handwheel.worker")
ANSWER_LIMIT = 64 * 1024 * 1024  # bytes of one answer
STOP_S = 1.0
MEMORY_SHARE = 0.6  # of the machine's, for the worker with the processes that it started
LOOK_S = 0.5
LINES_AT_ONCE, LINES_S = 100, 10.0  # of its log; beyond that they are counted
LINE_LIMIT = 400  # characters


class JobLost(Exception):
    """A job has no result: the worker died or took too long. The words say which."""


class Worker:
    """The worker process as the daemon sees it: one job at a time, in the order asked."""

    def __init__(self, state: State, config: Path, memory: int | None = None) -> None:
        """`memory`: how much it may take [bytes]; by default most of what this machine has."""
        self._memory = memory or int(MEMORY_SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        self._too_large = 0  # what it took when it was ended for that [bytes]
        self._relaying: asyncio.Task[None] | None = None
        self._command = (
            sys.executable, "-m", "monitor.worker", "--state", os.fspath(state.root), "--config", os.fspath(config),
        )  # fmt: skip
        self._process: asyncio.subprocess.Process | None = None
        self._outdated = False  # its configuration was read before the present one
        self._turn = asyncio.Lock()
        self._numbers = itertools.count(1)
        self.starts = 0
        self.lost = 0  # jobs without a result
        self.job = ""  # what it is doing now
        self.since_us: int | None = None  # and since when, UTC [us]
        self.progress: dict[str, Any] | None = None  # and how far it is, once that takes longer than a second

    @property
    def pid(self) -> int | None:
        """The process id while it lives."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def restarts(self) -> int:
        """How often it had to be started anew."""
        return max(self.starts - 1, 0)

    async def ask(self, job: str, args: Mapping[str, Any], now_us: int, timeout_s: float) -> dict[str, Any]:
        """The answer to one job (see above). Raises JobLost when there is none."""
        async with self._turn:
            self.job, self.since_us = job, time.time_ns() // 1000
            try:
                return await self._ask(job, args, now_us, timeout_s)
            except JobLost:
                self.lost += 1
                raise
            finally:
                self.job, self.since_us, self.progress = "", None, None

    async def _ask(self, job: str, args: Mapping[str, Any], now_us: int, timeout_s: float) -> dict[str, Any]:
        process = await self._living()
        assert process.stdin and process.stdout
        name = str(next(self._numbers))
        message = json.dumps({"id": name, "job": job, "args": dict(args), "now_us": now_us})
        watching = asyncio.create_task(self._watch_memory(process))
        try:
            async with asyncio.timeout(timeout_s):
                process.stdin.write(message.encode() + b"\n")
                await process.stdin.drain()
                told = json.loads(await process.stdout.readuntil(b"\n"))
                while "progress" in told:
                    self.progress = told["progress"]
                    await asyncio.sleep(0)
                    told = json.loads(await process.stdout.readuntil(b"\n"))
            if told.get("id") != name:
                raise ValueError("an answer to another question")
        except TimeoutError:
            await self._end(process)
            raise JobLost(f"{job}: no result after {timeout_s:.0f} s; the worker was ended") from None
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as fault:
            await self._let_end(process, STOP_S)
            if self._too_large:
                words = f"it took {self._too_large / 1e9:.1f} GB of memory, {self._memory / 1e9:.1f} are allowed"
                raise JobLost(f"{job}: the worker was ended: {words}") from fault
            raise JobLost(f"{job}: the worker died ({_ending(process.returncode)})") from fault
        except (ValueError, TypeError, AttributeError) as fault:
            await self._end(process)
            raise JobLost(f"{job}: the worker was ended: what it answered is no answer") from fault
        except asyncio.CancelledError:
            await self._end(process)
            raise
        finally:
            watching.cancel()
        return dict(told)

    async def _watch_memory(self, process: asyncio.subprocess.Process) -> None:
        while process.returncode is None:
            taken = memory_of(process.pid)
            if taken > self._memory:
                self._too_large = taken
                process.kill()
                return
            await asyncio.sleep(LOOK_S)

    async def _relay(self, lines: asyncio.StreamReader) -> None:
        """Its log into ours; never faster than a disk can bear, and never so slowly that it has to wait for us."""
        left, held, until_s = LINES_AT_ONCE, 0, time.monotonic() + LINES_S
        while chunk := await lines.read(65_536):
            if time.monotonic() > until_s:
                left, until_s = LINES_AT_ONCE, time.monotonic() + LINES_S
            told = [clean(line, LINE_LIMIT) for line in chunk.decode("utf-8", "replace").split("\n") if line]
            for line in told[:left]:
                LOG.info("%s", line)
            held += len(told[left:])
            left -= len(told[:left])
            if held and (left or lines.at_eof()):
                LOG.warning("the worker wrote %d more lines", held)
                held = 0
            await asyncio.sleep(0.01)
        if held:
            LOG.warning("the worker wrote %d more lines", held)

    def outdate(self) -> None:
        """The configuration changed: the next job is done by a process that reads it anew."""
        self._outdated = True

    async def _living(self) -> asyncio.subprocess.Process:
        if self._outdated:
            await self.stop()
            self._outdated = False
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE, limit=ANSWER_LIMIT,
            )  # fmt: skip
            assert self._process.stderr
            self._relaying = asyncio.create_task(self._relay(self._process.stderr))
            self._too_large = 0
            self.starts += 1
            LOG.info("worker %d started%s", self._process.pid, f", {self.restarts} restart(s)" if self.restarts else "")
        return self._process

    async def _let_end(self, process: asyncio.subprocess.Process, patience_s: float) -> None:
        """Wait for a process that should end by itself; asked too early, its kill would hide how it ended."""
        try:
            await asyncio.wait_for(process.wait(), patience_s)
        except TimeoutError:
            await self._end(process)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            process.kill()
        await process.wait()

    async def stop(self) -> None:
        """Let the worker go: it ends when its input does, and is killed if it does not."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin:
            process.stdin.close()
        await self._let_end(process, 0.0 if self.job else STOP_S)


def memory_of(pid: int) -> int:
    """What a process and those that it started keep in memory [bytes]; 0 for one that is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(memory_of(int(child)) for child in children)


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code}, {signal.Signals(-code).name}"
    return f"exit code {code}"
