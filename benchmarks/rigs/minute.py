"""A large utility in the minute of scoring: 1,000 pumps of 50 tags each, with models, as the daemon keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from drivers.batch import NO_TIME, Batch
from drivers.record import Node, Tag
from drivers.source import SourceSpec
from models.health import fit
from monitor.historian.hot import HotFile
from monitor.judge import Judge
from monitor.judge.window import ROWS
from monitor.learning import keep, packed
from monitor.ledger import open_ledger
from monitor.plant import QUANTITIES, Asset, Component, Review, Settings, Site
from monitor.state import State
from tests.models.health_series import RATED, pump

MODELLED = ("running", "flow", "suction_pressure", "discharge_pressure", "power", "vibration", "bearing_temperature",
            "ambient_temperature", "current", "speed", "starts", "run_hours")  # fmt: skip
START_US = 1_795_438_800_000_000  # 2026-11-23T13:00:00Z
MINUTE_US = 60_000_000


def plant(pumps: int, tags_each: int) -> Settings:
    """Pumps with the quantities that models know and, beyond these, others that are read and stored."""
    names = [*MODELLED, *(f"other{n}" for n in range(tags_each - len(MODELLED)))]
    tags = tuple(
        Tag(p * len(names) + n, f"P{p:04}.{name}", f"P{p:04}", name if name in MODELLED else "other",
            QUANTITIES[name][0] if name in MODELLED else "", "plc", Node(f"nsu=urn:x;s={p}.{n}"))
        for p in range(pumps) for n, name in enumerate(names)
    )  # fmt: skip
    parts = tuple(Component(name) for name in ("seal", "bearing", "impeller"))
    assets = tuple(
        Asset(f"P{p:04}", "S", f"pump {p}", "pump", duty=f"group {p // 3}", rated_flow_m3h=RATED.flow_m3h,
              rated_head_m=RATED.head_m, rated_power_kw=RATED.power_kw, components=parts)
        for p in range(pumps)
    )  # fmt: skip
    return Settings(
        folder=Path(), utility="benchmark", language="en", time_zone="UTC", currency="EUR", simulated=True, state=None,
        groups={}, rights={}, sites=(Site("S", "Site", "pumping_station"),), assets=assets, tags=tags,
        sources=(SourceSpec("plc", "opcua", "S", 60.0, 1.0, tags),), status_alerts=(), feeds=(), contracts=(),
        answers=(), jobs=(), review=Review(), sha256="0" * 64,
    )  # fmt: skip


class Utility:
    """The plant with its STATE; `minute` lets one minute pass as the daemon writes it."""

    def __init__(self, folder: Path, pumps: int, tags_each: int) -> None:
        self.settings, self.state = plant(pumps, tags_each), State(folder).make()
        self.pumps, self.tags_each, self.n = pumps, tags_each, 0
        frame = pump(4 * 1440, start="2026-11-19")
        frame["current"], frame["speed"] = frame["power"] * 1.7, 50.0 * frame["running"]
        frame["starts"], frame["run_hours"] = 1000.0, 5000.0
        self._frame = frame.reindex(columns=list(MODELLED)).to_numpy(float)
        model = fit(frame.iloc[: 3 * 1440], None, RATED)
        for asset in self.settings.assets:
            keep(self.state.models, asset.id, packed(replace(model, card={**model.card, "asset": asset.id})))
        self._ledger = open_ledger(self.state)
        self.hot = HotFile(self.state.hot)
        self.hot.publish_tags(self.settings)
        self._draw = np.random.default_rng(5)

    @property
    def now_us(self) -> int:
        return START_US + self.n * MINUTE_US

    def minute(self) -> None:
        """One sample of each tag, committed and rolled up."""
        row = self._frame[3 * 1440 + 60 + self.n % 170]
        values = self._draw.normal(1.0, 0.001, (self.pumps, self.tags_each))
        values[:, 0] = 1.0
        values[:, : len(row)] *= row
        at_us = self.now_us + 1_000_000
        count = values.size
        batch = Batch("plc", at_us, np.arange(count, dtype=np.int32), np.full(count, NO_TIME, np.int64), values.ravel(),
                      np.zeros(count, np.uint8), np.zeros(count, np.uint32), {}, {})  # fmt: skip
        self.n += 1
        self.hot.append([batch], at_us // 1000)
        self.hot.roll(self.now_us // 1000)
        self.hot.write_latest(at_us // 1000)

    def remember_a_day(self, judge: Judge) -> None:
        """Put the day before the first minute where the judge would have it; to write and read it takes minutes."""
        table = judge._window._values[:, :ROWS]
        day = self._frame[2 * 1440 : 2 * 1440 + ROWS].T
        day = np.tile(np.vstack([day, np.ones(ROWS)]), (self.pumps, 1))  # and one of the others of each pump
        before = np.isnan(table)
        table[before] = (day * self._draw.normal(1.0, 0.001, table.shape))[before]
        judge._window._share[:, :ROWS][before] = 1.0

    def enter(self, drafts: Sequence[Mapping[str, Any]]) -> None:
        """Append entries as the daemon does."""
        if drafts:
            self._ledger.append_many(drafts)

    def close(self) -> None:
        self.hot.close()
        self._ledger.close()
