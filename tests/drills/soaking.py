"""Weeks of a plant in minutes: real hot file, folds, purges, latest values, rollups and ledger, by a clock of its own.

`python -m tests.drills.soaking STATE DAYS` prints one line of JSON after each simulated day: what the process holds in
memory and what lies on the disk. A tick a minute, 150 tags; each hour what the daemon and its timetable do.
"""

import gc
import json
import sys
from pathlib import Path

import psutil

from monitor.historian.history import fold
from monitor.historian.hot import HotFile
from monitor.ledger import Draft, open_ledger
from monitor.state import State
from tests.drills.keeping import Ticks, settings_of

TICKS = Ticks(1_795_392_000_000, 60_000)  # from 2026-11-23T00:00:00Z
DAY = 24 * 60  # ticks
LAG_MS, KEEP_MS = 120_000, 6 * 3_600_000  # as the daemon's fold and purge
ENTRIES = 5  # an hour


def hourly(state: State, hot: HotFile, ledger: object, at_ms: int) -> None:
    """What an hour brings besides its samples."""
    hot.roll(at_ms)
    hot.set_alarms([{"id": f"a{one}", "at": at_ms} for one in range(at_ms // 3_600_000 % 20)])
    ledger.append_many([
        Draft("event", {"date": "d", "event_kind": "k", "text": f"{at_ms} {one}"}, at_ms * 1000, "soak")
        for one in range(ENTRIES)
    ])  # fmt: skip
    ledger.seal(at_ms * 1000)
    found = fold(state, upto_ms=at_ms - LAG_MS)
    assert found.damaged == (), found.words
    hot.purge(min(found.purge_before_ms, at_ms - KEEP_MS))


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def told(state: State, day: int) -> dict[str, float]:
    gc.collect()
    folder = sorted(state.history.glob("site=*/date=*"))[max(day - 2, 0)]  # a day that is over, made one file
    process = psutil.Process()
    return {
        "day": day, "rss": process.memory_info().rss, "hot": size(state.hot),
        "wal": size(state.hot.with_name("hot.sqlite-wal")),
        "ledger": sum(size(path) for name in ("ledger", "bodies") for path in state.root.glob(f"{name}.sqlite*")),
        "folder": sum(size(path) for path in folder.iterdir()), "files": len(list(folder.iterdir())),
        "descriptors": process.num_fds(),
    }  # fmt: skip


def main(place: str, days: str) -> None:
    state = State(Path(place)).make()
    hot, ledger = HotFile(state.hot), open_ledger(state)
    hot.publish_tags(settings_of())
    for tick in range(int(days) * DAY):
        hot.append([TICKS.batch(tick)], TICKS.at_ms(tick))
        if tick % 5 == 4:
            hot.write_latest(TICKS.at_ms(tick))
        if tick % 60 == 59:
            hourly(state, hot, ledger, TICKS.at_ms(tick))
        if tick % DAY == DAY - 1:
            print(json.dumps(told(state, tick // DAY + 1)), flush=True)
    hot.close()
    ledger.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
