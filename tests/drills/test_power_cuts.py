"""Power cuts: what the store writes is recorded, the disk is made anew as it may be after a cut, and opened again."""

import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from monitor.historian.history import fold
from monitor.historian.hot import HotFile
from monitor.ledger import open_ledger
from monitor.state import State
from tests.drills import keeping
from tests.drills.disk import Disk, calls, compiled, cut_points, recorded_by
from tests.drills.keeping import TICKS

ROOT = Path(__file__).parents[2]


def recorded(folder, seed, turns):
    """What the store wrote in so many turns."""
    root, log = folder / "state", folder / "log"
    root.mkdir()
    command = [sys.executable, "-m", "tests.drills.keeping", str(root), str(seed), str(turns)]
    environment = os.environ | recorded_by(compiled(folder, "recorder"), root, log)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Disk(root), list(calls(log.read_bytes()))


def opened_again(place, said):
    """A reader comes first, then the daemon's own way: open, fold, go on, close; each time all is there."""
    state = State(place).make()
    ticks, entries = keeping.kept(state, said)
    for path in state.history.rglob("*.parquet"):
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            file.read()
    hot, ledger = HotFile(state.hot), open_ledger(state)
    hot.publish_tags(keeping.settings_of())
    assert not hot.damaged
    hot.append([TICKS.batch(ticks)], TICKS.at_ms(ticks))
    hot.roll(TICKS.at_ms(ticks))
    hot.purge(fold(state).purge_before_ms)
    ledger.append("restart", {"version": "0"}, at_us=0, via="test")
    hot.close()
    ledger.close()
    keeping.kept(state, [*said, f"tick {ticks}"], more=0)
    assert list(state.history.rglob("_*.parquet.*.part")) == [], "what the cut left half written was not cleared away"
    return ticks, entries


def cut_the_power(folder, seed, turns, times, tell=lambda _: None, *, ignoring=""):
    """`ignoring`: the kind of sync (S files, D folders) that this disk does not do."""
    rng = random.Random(f"{seed} cuts")
    disk, log = recorded(folder, seed, turns)
    log = [call for call in log if call.op != ignoring]
    at, outcomes = 0, Counter()
    for turn, point in enumerate(cut_points(log, times, rng)):
        for call in log[at:point]:
            disk.play(call)
        at = point
        place = folder / "after"
        words = disk.cut(place, rng)
        try:
            ticks, entries = opened_again(place, disk.said)
        except Exception as fault:
            raise AssertionError(f"cut {turn} before call {point} of {len(log)} (seed {seed}): {words}") from fault
        outcomes[words] += 1
        if turn % 20 == 19:
            tell(f"  {turn + 1} of {times} power cuts: {ticks} ticks, {entries} entries there; lost: 0")
        shutil.rmtree(place)
    assert not disk.unseen, f"the recorder cannot replay {disk.unseen}"
    assert all(name.endswith("-shm") for name in disk.mapped), disk.mapped
    tell(f"  seed {seed}, {len(log):,} calls, {times} cuts: " + "; ".join(f"{n} {w}" for w, n in outcomes.items()))


def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path, seed):
    cut_the_power(tmp_path, f"{seed} short", 60, 8)


@pytest.mark.parametrize("ignoring", ["S", "D"])
def test_the_judge_finds_what_a_disk_loses_that_does_not_sync(tmp_path, seed, ignoring):
    with pytest.raises(AssertionError, match="cut"):
        cut_the_power(tmp_path, f"{seed} short", 60, 12, ignoring=ignoring)


@pytest.mark.drill
def test_two_hundred_and_forty_power_cuts_lose_nothing_that_was_acknowledged(tmp_path, seed, tell):
    cut_the_power(tmp_path, seed, 600, 240, tell)
