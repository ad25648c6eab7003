"""One pump with its minutes in history, for the tests of judge and audit."""

from pathlib import Path

import numpy as np

from drivers.record import Node, Tag
from drivers.source import SourceSpec
from monitor.historian.history import write_grid
from monitor.plant import QUANTITIES, Asset, Component, Learning, Review, Settings, Site
from monitor.state import State
from tests.models.health_series import pump

NOW_US = 1_767_571_200_000_000  # 2026-01-05T00:00:00Z
DAY_US = 86_400_000_000
MINUTE_US = 60_000_000
NAMES = ("running", "flow", "suction_pressure", "discharge_pressure", "power", "vibration", "bearing_temperature",
         "ambient_temperature")  # fmt: skip


def settings(names=NAMES, meters=()):
    """Site G with pump1, and meters by asset id, each with a flow."""
    wanted = [("pump1", name) for name in names] + [(meter, "flow") for meter in meters]
    tags = tuple(
        Tag(n, f"{asset}.{name}", asset, name, QUANTITIES[name][0], "plc", Node(f"nsu=urn:x;s={n}"))
        for n, (asset, name) in enumerate(wanted)
    )
    parts = (Component("seal"), Component("bearing"), Component("impeller"))
    assets = (
        Asset("pump1", "G", "pump 1", "pump", rated_flow_m3h=100.0, rated_head_m=42.0, rated_power_kw=18.5,
              components=parts),
        *(Asset(meter, "G", meter, "meter") for meter in meters),
    )  # fmt: skip
    source = SourceSpec("plc", "opcua", "G", 60.0, 1.0, tags)
    return Settings(
        folder=Path(), utility="Golden Water", language="en", time_zone="UTC", currency="EUR", simulated=True,
        state=None, groups={}, rights={}, sites=(Site("G", "Golden waterworks", "waterworks"),), assets=assets,
        tags=tags, sources=(source,), status_alerts=(), feeds=(), contracts=(), answers=(), jobs=(), review=Review(),
        sha256="0" * 64, models=Learning(learn_days=2),
    )  # fmt: skip


def lay_down(state: State, plant: Settings, end_us: int, frame, meters=None):
    """Write the minutes of `frame` (and of meters by asset id) into history so that they end at `end_us`."""
    rows = len(frame)
    times_ms = end_us // 1000 - 60_000 * np.arange(rows, 0, -1)
    values = {
        f"pump1.{name}": frame[name].to_numpy() for name in frame if f"pump1.{name}" in {t.name for t in plant.tags}
    }
    values |= {f"{meter}.flow": one for meter, one in (meters or {}).items()}
    facts = {t.name: {"asset": t.asset, "quantity": t.quantity, "unit": t.unit, "description": ""} for t in plant.tags}
    write_grid(state, "G", times_ms, values, {name: facts[name] for name in values}, sync=False)


def minutes(rows=2640, **how):
    """Minutes of the pump of the health tests; flow and power are zero while it stands."""
    return pump(rows, **how)
