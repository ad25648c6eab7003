"""The worker killed while it folds: each sample is once in the hot file or in Parquet, whenever it died."""

import json
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from monitor.historian.history import fold
from monitor.historian.hot import HotFile
from monitor.state import State
from tests.drills import keeping
from tests.drills.keeping import Ticks

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "tests/golden/config"
ROUND = 5  # kills, then the fold is let come to its end
TICKS = Ticks(1_795_392_000_000 - 3_600_000, 1_000)  # from 2026-11-22T23:00:00Z, once a second


def prepared(folder, ticks):
    """A hot file of so many seconds, as the daemon would leave it."""
    state = State(folder).make()
    hot = HotFile(state.hot)
    hot._db.execute("PRAGMA synchronous=OFF")  # nobody cuts the power while it is prepared
    hot.publish_tags(keeping.settings_of())
    for tick in range(ticks):
        hot.append([TICKS.batch(tick)], TICKS.at_ms(tick))
    hot.roll(TICKS.at_ms(ticks))
    hot.close()
    return state


class FoldingWorker:
    """The real worker, asked for one fold as the daemon asks."""

    def __init__(self, state, upto_ms):
        command = [sys.executable, "-m", "monitor.worker", "--state", str(state.root), "--config", str(CONFIG)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
        )
        asked = {"id": "1", "job": "fold", "args": {}, "now_us": (upto_ms + 120_000) * 1000}
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        self._process.stdin.flush()
        self.begun_s = time.monotonic()
        self.answer = None
        self._listening = threading.Thread(target=self._listen)
        self._listening.start()

    def _listen(self):
        for line in self._process.stdout:
            told = json.loads(line)
            if "ok" in told:
                self.answer = told

    def wait_for_answer(self):
        self._process.stdin.close()
        self._process.wait(300)
        self._listening.join()
        self._process.stdout.close()
        return self.answer

    def kill(self):
        """True if it died at its work."""
        self._process.kill()
        self.wait_for_answer()
        return self.answer is None


def begun(state, worker, patience_s=60.0):
    """Wait until it writes its first file."""
    end = time.monotonic() + patience_s
    while worker.answer is None and not any(state.history.rglob("*.par*")):
        assert time.monotonic() < end, "it never began to fold"
        time.sleep(0.005)


def kill_while_folding(folder, times, ticks, seed, tell=lambda _: None):
    rng = random.Random(seed)
    hot_file = prepared(folder / "prepared", ticks).hot
    state = State(folder / "state").make()
    shutil.copy(hot_file, state.hot)
    worker = FoldingWorker(state, TICKS.at_ms(ticks))
    begun(state, worker)
    began_s = time.monotonic()
    assert worker.wait_for_answer()["ok"], worker.answer
    needs_s = time.monotonic() - began_s
    tell(f"  {ticks * keeping.TAGS:,} samples; a fold writes for {needs_s:.1f} s when nobody disturbs it")
    assert TICKS.each_once(state, ticks) == ticks * keeping.TAGS
    kills = turns = left = 0
    while kills < times:
        turns += 1
        assert turns < 4 * times, "the fold is over before it can be killed"
        if turns % ROUND == 1:
            shutil.rmtree(state.root)
            state.make()
            shutil.copy(hot_file, state.hot)
        share = (turns - 1) % ROUND + 1
        upto_ms = TICKS.at_ms(ticks * share // ROUND)
        worker = FoldingWorker(state, upto_ms)
        begun(state, worker)
        time.sleep(rng.uniform(0.0, needs_s / ROUND * 1.3))
        kills += worker.kill()
        left += len(list(state.history.rglob("*.part")))
        TICKS.each_once(state, ticks)
        if share == ROUND or kills == times:
            hot = HotFile(state.hot)
            done = fold(state)
            assert not done.faults
            purged = hot.purge(done.purge_before_ms)
            hot.close()
            assert purged > 0
            assert list(state.history.rglob("*.part")) == []
            TICKS.each_once(state, ticks)
            tell(f"  worker killed {kills} of {times} while it folded; missing: 0, twice: 0")
    tell(f"  seed {seed}: {turns} folds begun, {kills} killed, {left} half-written files left and cleared, "
         f"{ticks * keeping.TAGS:,} samples each time; missing: 0, twice: 0")  # fmt: skip


def test_a_worker_killed_while_it_folds_loses_and_doubles_nothing(tmp_path, seed):
    kill_while_folding(tmp_path, 2, 1_500, f"{seed} short")


@pytest.mark.drill
def test_a_worker_killed_fifty_times_while_it_folds_loses_and_doubles_nothing(tmp_path, seed, tell):
    kill_while_folding(tmp_path, 50, 10_800, seed, tell)
