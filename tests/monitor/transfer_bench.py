"""What the tests of export and import share: the golden plant with its user as a role, and a night full of samples."""

import grp
import os
import shutil
from pathlib import Path

from drivers.batch import batch_of
from drivers.record import Reason, Sample
from monitor.cli import main
from monitor.historian.history import fold
from monitor.historian.hot import HotFile
from monitor.ledger import Draft, Ledger
from monitor.lock import hold_lock
from monitor.settings import load
from monitor.state import State

GOLDEN = Path(__file__).parents[1] / "golden"
MIDNIGHT_MS = 1_792_886_400_000  # 2026-10-25T00:00:00Z: half an hour before the clock is set back
DAY_MS = 86_400_000


def configured(folder: Path, role: str = "shift_lead") -> Path:
    """The golden configuration in which whoever runs the test has this role."""
    shutil.copytree(GOLDEN / "config", folder)
    site = folder / "site.toml"
    mine = grp.getgrgid(os.getgid()).gr_name
    site.write_text(site.read_text().replace('hw-operators = "operator"', f'{mine} = "{role}"'))
    return folder


def a_night(state: State) -> State:
    """Samples of all kinds while the clock is set back: old ones in history, new ones still hot; two findings."""
    settings = load(GOLDEN / "config")
    tag = {one.name: one.number for one in settings.tags}
    pressure, running = tag["pump1.discharge_pressure"], tag["pump1.running"]
    hot = HotFile(state.make().hot)
    hot.publish_tags(settings)

    def at(minutes: int, *samples: Sample) -> None:
        us = (MIDNIGHT_MS + minutes * 60_000) * 1000 + 800_123
        hot.append([batch_of("s", us, samples)], us // 1000)

    at(30, Sample(pressure, 0, 4.199999809265137), Sample(running, 0, 1))
    at(60, Sample(pressure, 0, -0.25, source_us=(MIDNIGHT_MS + 3_599_000) * 1000), Sample(running, 0, "=1+1"))
    at(90, Sample(pressure, 0, None, Reason.COMMS, detail='no answer; "bus"\nline 2'), Sample(running, 0, -(2**60)))
    hot.roll(MIDNIGHT_MS + 91 * 60_000)
    fold(state, upto_ms=MIDNIGHT_MS + 70 * 60_000)
    hot.close()
    data = {"wo_id": "WO-1", "grade": "B", "inspector_party": "utility", "blind_to_alert": False, "wear_pct": "30 %",
            "cause": "=HYPERLINK(1)", "limit": None}  # fmt: skip
    at_us = MIDNIGHT_MS * 1000
    with hold_lock(state):
        ledger = Ledger(state)
        ledger.append_many(
            Draft("finding", {**data, "wo_id": name}, at_us, "screen", "maintenance", "G", "pump1", "seal")
            for name in ("WO-1", "WO-2")
        )
        ledger.keep_raw(b"From: vendor\n\nreplace the seal", at_us)
        ledger.erase([2], "after two years", at_us=at_us, role="administrator", via="command")
        ledger.close()
    return state


def handwheel(config: Path, state: State, *words: str) -> int:
    """A command; its exit code."""
    return main([*words, "--config", str(config), "--state", str(state.root)])
