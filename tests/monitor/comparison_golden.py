"""The comparison report of one simulated fleet, as text with its figures masked: what the golden files hold.

Figures have tests of their own; here it is words and their order that must not change unseen. After a change that is
meant: python -m tests.monitor.comparison_golden
"""

import re
import tempfile
from pathlib import Path

from drivers.sim.fleet import FleetRecords, simulate
from monitor import review, words
from monitor.ledger import Draft, Ledger
from monitor.plant import Asset, Component, Contract, Settings
from monitor.reports import comparison
from monitor.reports.document import Document
from monitor.reports.text import render_text
from monitor.state import State
from tests.monitor.plants import plant

END_US = 1_795_392_000_000_000
START_US = END_US - 730 * 86_400_000_000
GOLDEN = Path(__file__).parents[1] / "golden"
LANGUAGES = ("en", "fr", "de")


def golden_fleet() -> FleetRecords:
    """Twelve pumps over two years."""
    return simulate(11, pumps=12, end_us=END_US, telemetry=False)


def golden_settings(fleet: FleetRecords) -> Settings:
    """The plant of that fleet: priced components, one contract."""
    from datetime import date

    parts = tuple(
        Component(part, 1000.0, 4000.0, 0.5) for part in sorted({r.component for r in fleet.records if r.component})
    )
    names = sorted({r.asset for r in fleet.records if r.asset})
    assets = tuple(Asset(asset, "R", f"pump {asset}", "pump", vendor="SmartPump", components=parts) for asset in names)
    contract = Contract("K-1", "SmartPump", "maintenance", tuple(names[:6]), date(2024, 1, 1), data_access="joint")
    return plant((), assets=assets, simulated=True, contracts=(contract,), rights={"operator": ("decide",)})


def golden_state(root: Path, fleet: FleetRecords) -> State:
    """Its ledger."""
    made = State(root / "state").make()
    ledger = Ledger(made)
    ledger.append_many(Draft(r.kind, r.data, r.at_us, r.via, r.role, "R", r.asset, r.component) for r in fleet.records)
    ledger.close()
    return made


def made_in(language: str, state: State, settings: Settings, told: review.Answer) -> Document:
    """The report in one language; the language before stands again afterwards."""
    before = words.language()
    words.use_language(language)
    try:
        return comparison.build(state, settings, told)
    finally:
        words.use_language(before)


def masked(text: str) -> str:
    """Without figures, days, hashes, folders and what only their width decides."""
    lines = []
    for line in text.splitlines():
        line = re.sub(r"/\S+", "/...", line)
        line = re.sub(r"\b[0-9a-f]{12,}\b", "#", line)
        line = re.sub(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){3}", "#", line)
        line = re.sub(r"\d[\d.,:TZ-]*", "#", line)
        lines.append(re.sub(r"[ -]{2,}", "  ", line).rstrip())
    kept = [line for n, line in enumerate(lines) if n == 0 or line != lines[n - 1]]
    return "\n".join(kept) + "\n"


def shown(language: str, document: Document) -> str:
    before = words.language()
    words.use_language(language)
    try:
        return render_text(document, 2_000)
    finally:
        words.use_language(before)


def rows_cut(text: str) -> str:
    """Masked, and of tables with a row per record only what a reader sees of their kind: equal lines are told once."""
    seen: set[str] = set()
    lines = []
    for line in masked(text).splitlines():
        if line.strip() and line in seen:
            continue
        seen.add(line)
        lines.append(line)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    fleet = golden_fleet()
    with tempfile.TemporaryDirectory() as folder:
        state, settings = golden_state(Path(folder), fleet), golden_settings(fleet)
        told = review.answer(state, settings, START_US, END_US)
        for one in LANGUAGES:
            document = made_in(one, state, settings, told)
            (GOLDEN / f"comparison_{one}.txt").write_text(rows_cut(shown(one, document)), "utf-8")
