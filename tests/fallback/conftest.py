"""A place as the daemon publishes it, with three sites, and the ways to ask the manual something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from fallback_procedures.triggers import Now
from fallback_procedures.words import use_language, utc_text

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
SHEET = """SHEET       site R   Riverside lift station
TYPE        lift_station
APPROVED    engineer  2026-11-01

start_level        = 1.80 m
stop_level         = 0.60 m
alarm_level        = 2.20 m
full_load_current  = 9.5 A
hand_bypasses      = the low-level stop   # staff gauge
phone_shift_lead   = 2200
"""


@pytest.fixture(autouse=True)
def english():
    use_language("en")
    yield
    use_language("en")


@pytest.fixture
def memory(tmp_path):
    """A memory folder of this test alone."""
    return tmp_path / "memory"


@dataclass
class State:
    """STATE of a daemon that lived until `age_s` ago."""

    root: Path

    @property
    def manual(self) -> Path:
        return self.root / "manual"

    def publish(self, now: Now, age_s: float = 0.0, pid: int = 1, lost: dict[str, float] | None = None, **more) -> None:
        status = json.loads((GOLDEN / "status.json").read_text())
        status.update(boot_id=now.boot_id, mono_s=now.mono_s - age_s, utc=utc_text(now.wall_s - age_s))
        status["daemon"] = {"pid": pid, "state": "running", "planned_stop": None}
        kinds = {"N": "waterworks", "H": "booster_station", "R": "lift_station"}
        status["sites"] = [{"id": site, "name": site, "type": kind, "state": "fresh", "good": 4, "total": 4,
                            "oldest_s": 1.0, "lost_s": (lost or {}).get(site)}
                           for site, kind in kinds.items()]  # fmt: skip
        status.update(more)
        (self.manual / "status.json").write_text(json.dumps(status))


@pytest.fixture
def state(tmp_path) -> State:
    root = tmp_path / "state"
    (root / "manual" / "sheets").mkdir(parents=True)
    (root / "manual" / "sheets" / "R.txt").write_text(SHEET)
    return State(root)


@pytest.fixture
def manual():
    """Run handwheel-manual from its folder, by a bare Python; returns the finished process."""

    def run(*arguments: str, answers: str = "", encoding: str = "utf-8", bare: bool = True, **environment: str):
        command = [sys.executable, *(["-S"] if bare else []), str(ROOT / "fallback_procedures"), *arguments]
        return subprocess.run(
            command, input=answers.encode(encoding), capture_output=True, timeout=120, check=False, cwd="/",
            env={"PATH": os.environ["PATH"], "TERM": "dumb", "PYTHONIOENCODING": encoding, **environment},
        )  # fmt: skip

    return run
