"""The models of the pumps: learned once from a time that nobody complained of, kept as JSON and npz, read back.

A model is learned at a pump's first run and never anew by itself. Many pumps are learned at once (monitor.fleet); the
same window gives the same bytes, wherever it is learned.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from drivers.errors import UserError
from models.health import HealthModel, Limits, Rated, fit, from_parts
from models.health.limits import VIBRATION_ZONES
from models.health.state import STEADY
from monitor import fleet
from monitor.beside import well_assets, well_columns
from monitor.historian.frames import wide
from monitor.ledger import Record, entries
from monitor.plant import Asset, Settings
from monitor.progress import Tell, silent
from monitor.state import State, atomic_write
from monitor.words import _

MINUTE_S, HOUR_S = 60, 3600
WORTH = 8  # models that take about as long as the start of a process
OF_LINES = (  # of the nameplate: nothing learned rests on them
    "max_starts_per_h", "vibration_category", "best_flow_m3h", "npsh_required_m", "altitude_m", "well_area_m2",
)  # fmt: skip
LEARN_DAYS = {MINUTE_S: 30, HOUR_S: 60}  # reference window by cadence: the finest that has enough rows is learned


@dataclass(frozen=True, slots=True)
class LearnResult:
    """What was learned: the digest of each new model, and one line for each asset that taught nothing."""

    learned: dict[str, str] = field(default_factory=dict)
    not_learned: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Learned:
    """A model as its two files hold it; without `json` the window taught nothing, and `words` say why."""

    sha256: str
    json: str
    npz: bytes
    words: str = ""


class ModelDamaged(UserError):
    """A stored model cannot be read."""


def learn(
    state: State, settings: Settings, now_us: int, *, assets: Sequence[str] = (), again: bool = False,
    confirmed_by: str = "nobody yet", tell: Tell = silent,
) -> LearnResult:  # fmt: skip
    """Fit and store a model for each pump that has none (or for `assets`; `again` replaces the one there is).

    The reference is the time up to `now_us` [us, UTC]: 30 days of minutes, else 60 days of hours. While an own alert is
    open nothing is learned again, and a first reference ends where the alert began: what came after is in question.
    """
    result = LearnResult()
    due = []
    until = alerts_since(state)
    for asset in pumps(settings):
        known = model_path(state, asset.id).exists()
        if (assets and asset.id not in assets) or (known and not again):
            continue
        if asset.id in until and known:
            result.not_learned[asset.id] = _("an own alert is open; it is learned after that is closed")
            continue
        due.append(task(state, settings, asset, min(now_us, until.get(asset.id, now_us)), confirmed_by))
    for one in fleet.run(from_window, due, settings.fleet, _("learning"), tell, worth=WORTH):
        if one.value and one.value.json:
            keep(state.models, one.asset, one.value)
            result.learned[one.asset] = one.value.sha256
        else:
            result.not_learned[one.asset] = one.value.words if one.value else one.why
    return result


def task(state: State, settings: Settings, asset: Asset, end_us: int, confirmed_by: str) -> fleet.Task:
    """The task of `from_window` for one pump, with the part of the settings that it needs."""
    needed = {asset.id, *well_assets(settings, asset)}
    only = replace(settings, assets=tuple(one for one in settings.assets if one.id in needed),
                   tags=tuple(one for one in settings.tags if one.asset in needed), sources=(), status_alerts=(),
                   feeds=(), contracts=(), answers=(), jobs=())  # fmt: skip
    return fleet.Task(asset.site, asset.id, (state, only, asset.id, end_us, confirmed_by))


def from_window(state: State, settings: Settings, asset_id: str, end_us: int, confirmed_by: str) -> Learned:
    """The model of one pump from the time up to `end_us` [us, UTC]; reads only."""
    model = fitted(state, settings, asset_id, end_us, confirmed_by)
    if STEADY in model.detectors:
        return packed(model)
    return Learned("", "", b"", "; ".join(model.card["notes"]))


def fitted(
    state: State, settings: Settings, asset_id: str, end_us: int, confirmed_by: str, start_us: int | None = None
) -> HealthModel:
    """The model of one pump as its window teaches it: at the first of LEARN_DAYS that has enough rows, else the last.

    The window ends at `end_us` [us, UTC]; without `start_us` it is as long as LEARN_DAYS says. Reads only.
    """
    asset = settings.asset(asset_id)
    for every_s, days in LEARN_DAYS.items():
        until_us = edge(end_us, every_s)
        from_us = until_us - days * 86_400_000_000 if start_us is None else edge(start_us, every_s)
        frames = partial(wide, state, settings, start_us=from_us, end_us=until_us, every_s=every_s)
        values, share = frames(asset_id)
        beside = well_columns(settings, asset, frames)
        model = fit(values, share, rated(settings, asset), every_s=every_s, confirmed_by=confirmed_by, beside=beside)
        if STEADY in model.detectors:
            break
    return model


def alerts_since(state: State) -> dict[str, int]:
    """When the oldest own alert that stands began, by asset. [us, UTC]"""
    since: dict[str, int] = {}
    for one in open_alerts(entries(state, ("own_alert",))):
        since[one.asset or ""] = min(one.at_us, since.get(one.asset or "", one.at_us))
    return since


def rated(settings: Settings, asset: Asset) -> Rated:
    """The nameplate as models need it; a quantity is estimated where no tag measures it independently."""
    tags = settings.tags_of(asset.id)
    measured = {tag.quantity for tag in tags if not tag.estimated}
    estimated = tuple(sorted({tag.quantity for tag in tags} - measured))
    return Rated(
        asset.rated_flow_m3h, asset.rated_head_m, asset.rated_power_kw, asset.rated_speed_hz, asset.max_starts_per_h,
        asset.vibration_category, asset.gauge_height_m, estimated, asset.best_flow_m3h, asset.npsh_required_m,
        settings.site(asset.site).altitude_m, settings.well_area_m2(asset.id),
    )  # fmt: skip


def limits(settings: Settings, asset: Asset) -> Limits:
    """The limits of an asset's physics lines: the defaults, and what limits.toml says instead."""
    told: dict[str, Any] = settings.limits_of(asset.id)
    return Limits(**told, vibration={**VIBRATION_ZONES, **settings.vibration})


def of_today(learned: Rated, now: Rated) -> Rated:
    """The nameplate a model was learned with, with what only its lines need as it is configured now."""
    return replace(learned, **{name: getattr(now, name) for name in OF_LINES})


def packed(model: HealthModel) -> Learned:
    """The bytes of a model's two files."""
    buffer = BytesIO()
    np.savez(buffer, **model.arrays())  # type: ignore[arg-type]
    told = json.dumps({**model.to_json(), "sha256": model.sha256}, indent=1)
    return Learned(model.sha256, told, buffer.getvalue())


def store(state: State, asset_id: str, model: HealthModel) -> None:
    """Write a model into STATE."""
    keep(state.models, asset_id, packed(model))


def keep(folder: Path, asset_id: str, one: Learned) -> None:
    """Write ASSET.npz and then ASSET.json, which names the arrays' digest."""
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / f"{asset_id}.npz", one.npz)
    atomic_write(folder / f"{asset_id}.json", one.json)


def load(state: State, asset_id: str) -> HealthModel | None:
    """The stored model, or None; ModelDamaged where its files do not agree with their digest."""
    path = model_path(state, asset_id)
    if not path.exists():
        return None
    try:
        body = json.loads(path.read_text())
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
            model = from_parts(body, {name: file[name] for name in file.files})
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise ModelDamaged(f"{path}: cannot be read ({fault}); remove it to learn the pump again") from fault
    if model.sha256 != body.get("sha256"):
        raise ModelDamaged(f"{path}: does not agree with its digest; remove it to learn the pump again")
    return model


def model_path(state: State, asset_id: str) -> Path:
    """Where the model of an asset lies in STATE."""
    return state.models / f"{asset_id}.json"


def pumps(settings: Settings) -> list[Asset]:
    """The pumps we read ourselves."""
    read = {tag.asset for tag in settings.tags}
    return [asset for asset in settings.assets if asset.kind == "pump" and asset.id in read]


def edge(now_us: int, every_s: float) -> int:
    """The end of the last whole cell: a cell that is still filling is not judged."""
    every_us = round(every_s * 1e6)
    return now_us // every_us * every_us


def open_alerts(records: Iterable[Record]) -> list[Record]:
    """The last word on each own alert that still stands."""
    last = {str(one.data["alert_id"]): one for one in records if one.kind == "own_alert"}
    return [one for one in last.values() if one.data["active"]]
