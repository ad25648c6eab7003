"""Work over many assets and sites at once, through concurrent.futures.Executor: learning, audits, reviews.

One task is done in this process. More go to a pool of processes (spawned, niced, gone when we go) or, where [fleet]
scheduler names one, to a Dask cluster whose workers see the same folders under the same paths. Either way the results
are the same, in the order of the tasks. A worker that dies takes nothing along: its tasks are done again. A task that
fails says so beside the others' results.

Only plain data crosses: a function of ours by its name, and frozen values. Nothing pickled is ever read from a disk.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from drivers.errors import UserError
from monitor.children import end_with
from monitor.plant import Fleet
from monitor.progress import EVERY_S, Tell, Work, silent
from monitor.words import _, clean, language, use_language

LOG = logging.getLogger("handwheel.fleet")
T = TypeVar("T")
TRIES = 3  # a task in whose time so many workers died is given up
AT_ONCE = 2  # tasks in flight for each worker: one under way, one ready
CONNECT_S = 10.0
NICE = 10
WHY_LIMIT = 300
Told = tuple[T | None, str]  # the value, "" or None, why not


@dataclass(frozen=True, slots=True)
class Task:
    """One call of the work, on plain data; site and asset ("" for a whole site) are for whoever reads of a failure."""

    site: str
    asset: str
    args: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a task came to: a value, or `why` there is none."""

    site: str
    asset: str
    value: T | None
    why: str = ""


def run(
    work: Callable[..., T], tasks: Sequence[Task], fleet: Fleet, words: str, tell: Tell = silent, *, worth: int = 1
) -> Iterator[Outcome[T]]:
    """The outcomes of `work(*task.args)` in the order of the tasks, each as soon as those before it are there.

    `work` is a function of a module, pure but for what it reads. Where the configuration does not say how many
    processes, one is started for `worth` tasks, at most one per core: to start one costs some seconds of its core.
    Raises UserError where the cluster cannot be reached.
    """
    said: dict[int, Told[T]] = {}
    processes = min(fleet.workers or min(os.cpu_count() or 1, len(tasks) // worth), len(tasks))
    alone = len(tasks) < 2 or (processes < 2 and not fleet.scheduler)
    with Work(words, len(tasks), tell) as counted:
        come = _here(work, tasks) if alone else _elsewhere(work, tasks, fleet.scheduler, processes, counted)
        due = 0
        for n, told in come:
            counted.add()
            said[n] = told
            while due in said:
                yield Outcome(tasks[due].site, tasks[due].asset, *said.pop(due))
                due += 1


def _here(work: Callable[..., T], tasks: Sequence[Task]) -> Iterator[tuple[int, Told[T]]]:
    for n, task in enumerate(tasks):
        yield n, _done(work, task.args, language())


def _elsewhere(
    work: Callable[..., T], tasks: Sequence[Task], scheduler: str | None, processes: int, counted: Work
) -> Iterator[tuple[int, Told[T]]]:
    waiting, doubted = deque(range(len(tasks))), deque[int]()
    deaths = Counter[int]()
    while waiting or doubted:
        with _cluster(scheduler) if scheduler else _pool(processes) as (executor, width):
            # which of the tasks in flight ended a worker is not known: each of them is tried again by itself
            queue, at_once = (waiting, width) if waiting else (doubted, 1)
            for n, told in _handed_out(executor, work, tasks, queue, at_once, counted):
                if told is not None:
                    yield n, told
                    continue
                LOG.warning("a worker died during %s %s", tasks[n].site, tasks[n].asset)
                deaths[n] += 1
                if deaths[n] < TRIES:
                    doubted.append(n)
                else:
                    yield n, (None, _("the worker that did it died, {n} times").format(n=TRIES))


def _handed_out(
    executor: Executor, work: Callable[..., T], tasks: Sequence[Task], queue: deque[int], at_once: int, counted: Work
) -> Iterator[tuple[int, "Told[T] | None"]]:
    """What the tasks of the queue come to, `at_once` in flight; None for each that was in flight as the executor broke.

    After that the rest of the queue is left to the next executor.
    """
    in_flight: dict[Future[Told[T]], int] = {}
    broken = False
    while in_flight or (queue and not broken):
        try:
            while queue and not broken and len(in_flight) < at_once:
                in_flight[executor.submit(_done, work, tasks[queue[0]].args, language())] = queue[0]
                queue.popleft()
        except BrokenExecutor:
            broken = True  # those in flight say so too
        ready, _rest = wait(in_flight, EVERY_S, FIRST_COMPLETED)
        counted.add(0)
        for future in ready:
            n = in_flight.pop(future)
            if future.cancelled():
                yield n, (None, _("the cluster was lost"))
            elif isinstance(fault := future.exception(), BrokenExecutor):
                broken = True
                yield n, None
            else:
                yield n, (None, _words(fault)) if fault else future.result()


def _done(work: Callable[..., T], args: tuple[Any, ...], spoken: str) -> Told[T]:
    """(value, "") of one task, or (None, why): no exception crosses from process to process."""
    use_language(spoken)
    try:
        return work(*args), ""
    except Exception as fault:  # a task that fails is an outcome; the others go on
        if not isinstance(fault, UserError):
            LOG.exception("%s failed", work.__qualname__)
        return None, _words(fault)


def _words(fault: BaseException) -> str:
    return clean(fault if isinstance(fault, UserError) else f"{type(fault).__name__}: {fault}", WHY_LIMIT)


@contextlib.contextmanager
def _pool(processes: int) -> Iterator[tuple[Executor, int]]:
    others = set(multiprocessing.active_children())
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, spawn, _settle, (os.getpid(),))
    try:
        yield pool, AT_ONCE * processes
    except BaseException:
        for child in set(multiprocessing.active_children()) - others:
            child.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _settle(parent: int) -> None:
    """A process of the pool: it yields to the polls, ends with its parent, and leaves Ctrl-C to it."""
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), NICE))


@contextlib.contextmanager
def _cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """The cluster whose scheduler is at `address`; for tls:// Dask's own configuration names the certificates."""
    try:
        from distributed import Client
    except ImportError as fault:
        raise UserError('[fleet] scheduler: Dask is not installed; pip install "handwheel[fleet]"') from fault
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as fault:
        why = clean(fault, 200)
        raise UserError(f"[fleet] scheduler {address}: no answer ({why}); start it, or take the line out") from fault
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise UserError(f"[fleet] scheduler {address}: it has no workers; start some, or take the line out")
        executor = client.get_executor(pure=False)
        try:
            yield executor, AT_ONCE * threads
        finally:
            executor.shutdown(wait=False)
