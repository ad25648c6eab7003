"""Work over many sites: in this process, in a pool of processes, on a real Dask cluster; the same to the bit, whoever
dies.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from drivers.errors import UserError
from monitor import fleet, learning
from monitor.fleet import Outcome, Task, run
from monitor.plant import Fleet
from monitor.progress import Work
from monitor.state import State
from monitor.words import use_language
from tests.monitor import fleet_tasks
from tests.monitor.judged_plant import NOW_US, lay_down, minutes, settings

HERE, POOL = Fleet(workers=1), Fleet(workers=2)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    use_language("en")
    yield
    use_language("en")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Fleet]:
    """Two worker processes of a real Dask cluster."""
    distributed = pytest.importorskip("distributed", reason="the extra fleet is not installed")
    folder = tmp_path_factory.mktemp("dask")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(folder)
    ) as made:
        yield Fleet(scheduler=made.scheduler_address)


def tasks(n: int, *before: object) -> list[Task]:
    return [Task(f"S{one % 3}", f"pump{one}", (*before, one)) for one in range(n)]


def killed_in_mid_run(where: Fleet, folder: Path) -> list[Outcome]:
    """Run 12 tasks; one of the first two is under way when its worker is killed."""

    def kill() -> None:
        while not (pids := [path for path in folder.glob("[01].pids") if path.stat().st_size]):
            time.sleep(0.01)
        os.kill(int(pids[0].read_text().split()[0]), signal.SIGKILL)
        (folder / "go").touch()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        return list(run(fleet_tasks.digest_slowly, tasks(12, folder), where, "counting"))
    finally:
        killer.join(60)


def test_a_worker_of_the_pool_that_is_killed_changes_no_result(tmp_path):
    expected = list(run(fleet_tasks.digest, tasks(12), HERE, "counting"))
    assert killed_in_mid_run(POOL, tmp_path) == expected
    assert all(one.value and not one.why for one in expected)
    assert max(len(path.read_text().split()) for path in tmp_path.glob("[01].pids")) > 1, "nothing was done again"


def test_a_worker_of_the_cluster_that_is_killed_changes_no_result(cluster, tmp_path):
    assert killed_in_mid_run(cluster, tmp_path) == list(run(fleet_tasks.digest, tasks(12), HERE, "counting"))
    assert max(len(path.read_text().split()) for path in tmp_path.glob("[01].pids")) > 1, "nothing was done again"


def test_models_learned_here_in_a_pool_and_on_a_cluster_are_the_same_bytes(cluster, tmp_path):
    plant = settings()
    due = []
    for n in range(3):
        state = State(tmp_path / f"site{n}")
        lay_down(state, plant, NOW_US, minutes(seed=n))
        due.append(learning.task(state, plant, plant.asset("pump1"), NOW_US, "nobody yet"))
    here, pool, dask = (
        list(run(learning.from_window, due, where, "learning"))
        for where in (HERE, POOL, cluster)
    )  # fmt: skip
    assert [bool(one.value and one.value.json) for one in here] == [True] * 3
    assert len({one.value.sha256 for one in here}) == 3
    assert here == pool == dask


def test_a_task_that_fails_names_site_asset_and_why_and_stops_no_other():
    for where in (HERE, POOL):
        told = list(run(fleet_tasks.faulty, tasks(5), where, "counting"))
        assert [one.value for one in told] == [0, None, None, 3, 4]
        assert told[1] == Outcome("S1", "pump1", None, "/data/site1: cannot be read; mend its rights")
        assert told[2] == Outcome("S2", "pump2", None, "OddError: 2 is not 3")


def test_a_task_that_kills_its_workers_is_given_up_and_the_others_are_done():
    told = list(run(fleet_tasks.deadly, tasks(8), POOL, "counting"))
    assert [one.value for one in told] == [0, 1, 4, None, 16, 25, 36, 49]
    assert told[3].why == "the worker that did it died, 3 times"


def test_outcomes_come_in_order_and_one_task_needs_no_other_process():
    assert [one.value for one in run(fleet_tasks.later_is_faster, tasks(6), POOL, "counting")] == list(range(6))
    alone = [Task("S", "a", ())]
    assert next(run(os.getpid, alone, POOL, "counting")).value == os.getpid()
    assert list(run(os.getpid, [], POOL, "counting")) == []


def test_other_processes_speak_the_language_of_this_one():
    use_language("de")
    assert [one.value for one in run(fleet_tasks.word, tasks(2), POOL, "counting")] == ["Lernen"] * 2


def test_no_more_tasks_are_in_flight_than_asked():
    class Counting(ThreadPoolExecutor):
        in_flight = most = 0

        def submit(self, *args: object, **kwargs: object) -> "Future[object]":
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
            future = super().submit(*args, **kwargs)
            future.add_done_callback(lambda _: setattr(self, "in_flight", self.in_flight - 1))
            return future

    with Counting(2) as executor:
        queue = fleet.deque(range(40))
        done = dict(fleet._handed_out(executor, fleet_tasks.digest, tasks(40), queue, 4, Work("counting", 40)))
    assert len(done) == 40
    assert executor.most == 4


def test_a_cluster_that_does_not_answer_is_one_line(monkeypatch):
    pytest.importorskip("distributed", reason="the extra fleet is not installed")
    monkeypatch.setattr(fleet, "CONNECT_S", 0.3)
    with pytest.raises(UserError, match=r"\[fleet\] scheduler tcp://127.0.0.1:9: no answer .*; start it") as fault:
        list(run(fleet_tasks.digest, tasks(2), Fleet(scheduler="tcp://127.0.0.1:9"), "counting"))
    assert "\n" not in str(fault.value)


SLEEPER = """
import signal
import sys
from pathlib import Path
from monitor.fleet import Task, run
from monitor.plant import Fleet
from tests.monitor import fleet_tasks

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins by ignoring it
    list(run(fleet_tasks.sleep_long, [Task("S", "", (folder, n)) for n in range(4)], Fleet(workers=2), "sleeping"))
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_no_child_outlives_whoever_asked(tmp_path, ending):
    program = tmp_path / "sleeper.py"
    program.write_text(SLEEPER)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    asker = subprocess.Popen([sys.executable, str(program), str(tmp_path)], env=environment, stderr=subprocess.PIPE,
                             start_new_session=True)  # fmt: skip
    try:
        until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
        os.kill(asker.pid, ending) if ending == signal.SIGKILL else os.killpg(asker.pid, ending)
        said = asker.communicate(timeout=60)[1].decode()
        assert asker.returncode == -ending
        assert said.count("Traceback") == (ending == signal.SIGINT), said  # its own, and none of a child
        until(lambda: not any(lives(int(path.stem)) for path in tmp_path.glob("*.pid")))
    finally:
        asker.kill()
        asker.wait()
        asker.stderr.close()


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
