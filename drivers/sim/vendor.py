"""The simulated vendor of the live pumps: it speaks by file, by status bit and by OPC UA alarm, and it is biased.

The bias is known, so that a review can be held against it: it asks for a bearing at 0.56 of its life, where all
agreed on 0.70, and for a seal every 8000 run hours whatever its condition. Of impellers it says nothing.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drivers.sim.pump import Pump, PumpState, vibration_mms
from drivers.sim.stations import PUMPS, PlantState

DUE_WEAR = 0.70  # wear at which a part is due by common agreement
EARLY_WEAR = 0.56  # wear at which this vendor asks: its known bias
SEAL_CALENDAR_H = 8000.0  # run hours after which this vendor wants a new seal: its other known bias
ALARM_LIMIT_MMS = 2.0  # OPC UA vibration alarm, as the vendor set it; ISO 10816-7 puts B/C at 5.1 mm/s
BY_FILE = ("N-P01", "N-P02", "N-P03", "N-P11", "N-P12", "N-P13")
SERIALS = {
    "N-P01": "SP-0101", "N-P02": "SP-0102", "N-P03": "SP-0103", "N-P11": "SP-0111", "N-P12": "SP-0112",
    "N-P13": "SP-0113", "H-P01": "SP-0201", "H-P02": "SP-0202", "H-P03": "SP-0203", "R-P01": "SP-0301",
    "R-P02": "SP-0302",
}  # fmt: skip


def seals_due(run_hours: float) -> int:
    """How many seals this vendor has asked for by the calendar after so many run hours."""
    return int(run_hours // SEAL_CALENDAR_H)


def early_bearing(state: PumpState) -> bool:
    """This vendor already asks for the bearing."""
    return state.bearing_wear >= EARLY_WEAR


def alarm_active(pump: Pump, state: PumpState) -> bool:
    """The vibration alarm that this vendor configured in the OPC UA server, judged at the rated duty."""
    return vibration_mms(pump, pump.flow_m3h, 1.0, state.bearing_wear) > ALARM_LIMIT_MMS


@dataclass(slots=True)
class Vendor:
    """What the vendor has said already; `folder` is where its messages are dropped, None to drop nothing."""

    folder: Path | None
    seals: dict[str, int] = field(default_factory=dict)  # seals asked for by the calendar until the start
    said: set[tuple[str, str]] = field(default_factory=set)
    number: int = 0

    def watch(self, state: PlantState) -> None:
        """Remember where the run-hour counters stand: only what falls due from here on is news."""
        self.seals = {name: seals_due(one.run_hours) for name, one in state.pumps.items()}

    def bits(self, state: PlantState) -> dict[str, float]:
        """The status bits that the vendor's firmware sets, by tag name."""
        flags: dict[str, float] = {}
        for pump in PUMPS:
            one = state.pumps[pump.id]
            if pump.duty == "high_lift":
                flags[f"{pump.id}.seal_service"] = float(seals_due(one.run_hours) > self.seals[pump.id])
            elif pump.duty == "sewage":
                flags[f"{pump.id}.bearing_service"] = float(early_bearing(one))
        return flags

    def speak(self, state: PlantState, utc_us: int) -> list[Path]:
        """Drop a file for each new claim, whole or not at all; returns the files."""
        files: list[Path] = []
        for pump, part, message in self._claims(state):
            if self.folder is None or (pump, part) in self.said:
                continue
            self.said.add((pump, part))
            self.number += 1
            issued = datetime.fromtimestamp(utc_us / 1e6, UTC)
            body = {
                "id": f"SP-{issued:%Y%m%dT%H%M%S}-{self.number:03d}", "pump": SERIALS[pump], "part": part,
                "mode": "wear", "issued": f"{issued:%Y-%m-%dT%H:%M:%SZ}", "recommended": "replace", "simulated": True,
            } | message  # fmt: skip
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{body['id']}.json"
            part_file = path.with_suffix(".part")
            part_file.write_text(json.dumps(body))
            part_file.replace(path)
            files.append(path)
        return files

    def _claims(self, state: PlantState) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for pump in BY_FILE:
            one = state.pumps[pump]
            if seals_due(one.run_hours) > self.seals[pump]:
                words = f"replace seals within 14 days ({SEAL_CALENDAR_H:.0f} h interval)"
                yield pump, "mech. seal", {"level": "warn", "message": words, "due_in_days": 14}
            if early_bearing(one):
                yield pump, "bearing unit", {"level": "urgent", "message": "replace bearing now", "due_in_days": 7}
