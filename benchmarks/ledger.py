"""The ledger's speed with a year of entries: entering, verifying with seals, opening, and finding few among many."""

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.figures import Figure, run
from monitor.ledger import Ledger, entries, open_ledger, verify
from monitor.state import State

T = TypeVar("T")
BATCH = 10_000
START_US = 1_700_000_000_000_000
ALERT = {
    "alert_id": "A", "vendor": "SmartPump", "failure_mode": "wear", "severity": "warning", "raw_sha256": "",
    "issued_at": "2026-11-20T07:10:00.000Z", "text": "replace seals within 14 days", "recommended_action": "replace",
    "horizon": "14 d", "feed": "mail",
}  # fmt: skip
ALARM = {"alarm_id": "monitor:link", "event": "raise", "before": "none", "after": "unack", "alerts": ["x" * 80]}


def year(count: int) -> Iterator[dict[str, Any]]:
    """Entries as a plant makes them: one in twenty is a vendor's alert."""
    for number in range(count):
        kind, data = ("vendor_alert", ALERT) if number % 20 == 0 else ("alarm", ALARM)
        at_us = START_US + number * 150_000_000
        yield {"kind": kind, "data": data, "at_us": at_us, "via": "daemon", "site": "G", "asset": "pump1"}


def taken_s(work: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    made = work()
    return time.perf_counter() - start, made


def single_s(ledger: Ledger, count: int) -> list[float]:
    """How long one entry takes until it is on the disk, sorted [s]."""
    return sorted(
        taken_s(lambda: ledger.append("acknowledge", {"alert_id": "A", "note": ""}, at_us=START_US, via="screen"))[0]
        for _ in range(count)
    )


def measure(quick: bool) -> list[Figure]:
    """All figures on one ledger of 200,000 entries, a year of a busy plant."""
    count = 50_000 if quick else 200_000
    with tempfile.TemporaryDirectory(prefix="hw") as name:
        state = State(Path(name)).make()
        ledger = open_ledger(state)
        whole = year(count)
        batch_s, _made = taken_s(lambda: [ledger.append_many(islice(whole, BATCH)) for _ in range(0, count, BATCH)])
        alone = single_s(ledger, 300)
        ledger.close()
        verify_s, result = taken_s(lambda: verify(state))
        open_s, ledger = taken_s(lambda: open_ledger(state))
        found_s, found = taken_s(lambda: list(entries(state, ("vendor_alert", "own_alert", "config", "contract"))))
        newest_s, _newest = taken_s(lambda: list(entries(state, ("alarm",), START_US + count * 149_000_000)))
        ledger.close()
        size = (state.ledger.stat().st_size + state.bodies.stat().st_size) / result.n
    if not result.ok or len(found) != count // 20:
        raise AssertionError(result.words)
    return [
        Figure("entries as one deed", count / batch_s, "1/s"),
        Figure("one entry until it is on the disk, p50", 1000 * alone[len(alone) // 2], "ms"),
        Figure("one entry until it is on the disk, p99", 1000 * alone[len(alone) * 99 // 100], "ms"),
        Figure("verify with seals", result.n / verify_s, "entries/s", 100_000.0, "at least"),
        Figure("opening a year", 1000 * open_s, "ms", 500.0),
        Figure(f"{len(found):,} entries by kind out of {result.n:,}", 1000 * found_s, "ms", 1_000.0),
        Figure("the newest by kind and time", 1000 * newest_s, "ms", 500.0),
        Figure("on the disk", size, "B/entry"),
        Figure("memory, peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, "MB"),
    ]


if __name__ == "__main__":
    raise SystemExit(run("ledger", measure))
