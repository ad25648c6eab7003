"""Three simulated weeks at high speed: memory and files stay as large as they are after the first days."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from monitor.ledger import verify
from monitor.state import State
from tests.drills.soaking import DAY, TICKS

DAYS, SETTLED = 21, 5  # by then the hot file has its minutes of 48 h and its frames of 6 h
MB = 1_000_000


@pytest.mark.drill
def test_weeks_pass_with_flat_memory_and_flat_files(tmp_path, tell):
    state = State(tmp_path / "state")
    command = [sys.executable, "-m", "tests.drills.soaking", str(state.root), str(DAYS)]
    days = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as soaking:
        for line in soaking.stdout:
            days.append(json.loads(line))
            if len(days) % 7 == 0:
                tell(f"soak: {len(days)} days, {days[-1]['rss'] / MB:.0f} MB, hot file {days[-1]['hot'] / MB:.1f} MB")
    assert soaking.returncode == 0
    assert len(days) == DAYS
    told = {name: np.array([day[name] for day in days[SETTLED:]], float) for name in days[0]}
    per_day = {name: float(np.polyfit(told["day"], values, 1)[0]) for name, values in told.items()}
    tell(f"soak: per day {per_day['rss'] / 1000:+.0f} kB of memory, {per_day['hot'] / 1000:+.0f} kB of hot file")
    assert per_day["rss"] < 0.5 * MB, "memory grows"
    assert per_day["hot"] < 0.5 * MB, "the hot file grows by more than its rollups of an hour"  # kept for 400 days
    assert told["wal"].max() < 16 * MB
    assert told["descriptors"].max() <= told["descriptors"].min() + 4, "files are left open"
    assert set(told["files"].tolist()) == {2.0}, "a day that is over is one file and its digest"
    assert told["folder"].max() < 1.2 * told["folder"].min()
    assert told["ledger"].max() < 16 * MB, "2,520 entries and their seals, with both write-ahead logs"
    assert verify(state).ok
    assert TICKS.each_once(state, DAYS * DAY) == DAYS * DAY * 150
