"""The daemon's end of the worker: starts the process, starts it anew when it died, ends a job that takes too long.

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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitor.state import State

LOG = logging.getLogger("handwheel.worker")
ANSWER_LIMIT = 64 * 1024 * 1024  # bytes of one answer
STOP_S = 1.0


class JobLost(Exception):
    """A job has no result: the worker died or took too long. The words say which."""


class Worker:
    """The worker process as the daemon sees it: one job at a time, in the order asked."""

    def __init__(self, state: State, config: Path) -> None:
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
            self.job = job
            try:
                return await self._ask(job, args, now_us, timeout_s)
            except JobLost:
                self.lost += 1
                raise
            finally:
                self.job, self.progress = "", None

    async def _ask(self, job: str, args: Mapping[str, Any], now_us: int, timeout_s: float) -> dict[str, Any]:
        process = await self._living()
        assert process.stdin and process.stdout
        name = str(next(self._numbers))
        message = json.dumps({"id": name, "job": job, "args": dict(args), "now_us": now_us})
        try:
            process.stdin.write(message.encode() + b"\n")
            await process.stdin.drain()
            async with asyncio.timeout(timeout_s):
                told = json.loads(await process.stdout.readuntil(b"\n"))
                while "progress" in told:
                    self.progress = told["progress"]
                    told = json.loads(await process.stdout.readuntil(b"\n"))
        except TimeoutError:
            await self._end(process)
            raise JobLost(f"{job}: no result after {timeout_s:.0f} s; the worker was ended") from None
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as fault:
            await self._let_end(process, STOP_S)
            raise JobLost(f"{job}: the worker died ({_ending(process.returncode)})") from fault
        except asyncio.CancelledError:
            await self._end(process)
            raise
        if told.get("id") != name:
            await self._end(process)
            raise JobLost(f"{job}: the worker answered another question")
        return dict(told)

    def outdate(self) -> None:
        """The configuration changed: the next job is done by a process that reads it anew."""
        self._outdated = True

    async def _living(self) -> asyncio.subprocess.Process:
        if self._outdated:
            await self.stop()
            self._outdated = False
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=ANSWER_LIMIT
            )
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


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code}, {signal.Signals(-code).name}"
    return f"exit code {code}"
