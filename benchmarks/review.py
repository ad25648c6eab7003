"""How long a review takes: 200 pumps over 36 months with 20,000 alerts and 6,000 findings, on one core.

The ledger is filled from the fleet simulator, its parts wearing five times as fast and its vendor repeating itself
twice a week; then the product's own functions read it, review it and write the report. Times are processor time of this
one process, so that they mean the same on a machine that does other work too.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bias.pools import END_US
from benchmarks.figures import Figure, run
from drivers.sim.fleet import PARTS, FleetRecords, People, Vendor, simulate
from models.bias.evidence import bet_path

PUMPS, MONTHS = 200, 36
FASTER = 5.0  # lives are divided by this, so that there are 6,000 findings


def busy_fleet(pumps: int, months: int) -> FleetRecords:
    """A fleet of b = .7 with short lives, nearly all jobs inspected, alerts repeated each week."""
    parts = tuple(replace(part, life_months=part.life_months / FASTER) for part in PARTS)
    return simulate(
        1, pumps, months, end_us=END_US, vendor=Vendor(b=0.7, repeats=2), people=People(missing=0.02), parts=parts,
        telemetry=False,
    )  # fmt: skip


def measure(quick: bool) -> Sequence[Figure]:
    """Review and report in parts, and the e-path of 1,000 findings."""
    from monitor import review
    from monitor.ledger import Draft, Ledger
    from monitor.plant import Asset, Component
    from monitor.reports import comparison
    from monitor.reports.document import write_report
    from monitor.settings import load
    from monitor.state import State

    pumps, months = (40, 12) if quick else (PUMPS, MONTHS)
    fleet = busy_fleet(pumps, months)
    kinds = [one.kind for one in fleet.records]
    parts = tuple(Component(one.name, one.cost_planned, one.cost_failure, one.p_fail) for one in PARTS)
    assets = tuple(
        Asset(name, "D", name, "pump", vendor="SmartPump", components=parts)
        for name in sorted({one.asset for one in fleet.records if one.asset})
    )
    example = load(Path(__file__).parents[1] / "config" / "example")
    settings = replace(example, assets=assets, sites=(replace(example.sites[0], id="D"),), simulated=True)
    with tempfile.TemporaryDirectory() as folder:
        state = State(Path(folder) / "state").make()
        ledger = Ledger(state)
        ledger.append_many(
            Draft(r.kind, r.data, r.at_us, r.via, r.role, r.site, r.asset, r.component) for r in fleet.records
        )
        ledger.close()
        times: dict[str, float] = {}
        told = _timed(times, "review", review.answer, state, settings, fleet.start_us, fleet.end_us)
        document = _timed(times, "report put together", comparison.build, state, settings, told)
        _timed(times, "report written as text, HTML, PDF and CSV", write_report, document, Path(folder) / "out", "r")
    alerts, findings = kinds.count("vendor_alert"), kinds.count("finding")
    unit = "s of one core"
    return [
        Figure(f"review and report: {pumps} pumps, {months} months, {alerts} alerts, {findings} findings",
               sum(times.values()), unit, 30.0),
        *(Figure(name, seconds, unit) for name, seconds in times.items()),
        Figure("e-path of 1,000 findings", _path_ms(), "ms", 5.0),
    ]  # fmt: skip


def _timed(times: dict[str, float], name: str, function: Any, *given: Any) -> Any:
    begun = time.process_time()
    answer = function(*given)
    times[name] = time.process_time() - begun
    return answer


def _path_ms() -> float:
    """Median of many. [ms]"""
    rng = np.random.default_rng(1)
    x, clusters = rng.random(1000) < 0.3, np.arange(1000) // 2
    spent = []
    for _ in range(51):
        begun = time.process_time()
        bet_path(x, clusters, 0.5, 4)
        spent.append(time.process_time() - begun)
    return 1000 * float(np.median(spent))


if __name__ == "__main__":
    raise SystemExit(run("review", measure))
