"""The models of the pumps: learned once from a time that nobody complained of, kept as JSON and npz, read back.

A model is learned at a pump's first run, from the window that site.toml names, else from the time up to then; anew only
after a role has confirmed a baseline. What was learned is an entry of the ledger, from which anybody can learn the same
again: many pumps are learned at once (monitor.fleet), and the same window gives the same bytes, wherever it is learned.
Each model is kept under its digest, so that what an earlier one said can still be redone.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from drivers.errors import UserError
from models.health import HealthModel, Limits, Rated, fit, from_parts
from models.health.limits import VIBRATION_ZONES
from models.health.state import STEADY
from monitor import fleet, standing
from monitor.beside import well_assets, well_columns
from monitor.historian.frames import wide
from monitor.ledger import Record, entries
from monitor.model.called import Called, called
from monitor.plant import QUANTITIES, Asset, Settings
from monitor.progress import Tell, silent
from monitor.standing import Standing, standings
from monitor.state import State, atomic_write
from monitor.words import _, clean, number_text, parse_utc, utc_text

MINUTE_S, HOUR_S = 60, 3600
DAY_US = 86_400_000_000
WORTH = 8  # models that take about as long as the start of a process
HOURS_FOLD = 2  # an hour holds less than its minutes: twice the days of them are learned
OF_LINES = (  # of the nameplate: nothing learned rests on them
    "max_starts_per_h", "vibration_category", "best_flow_m3h", "npsh_required_m", "altitude_m", "well_area_m2",
)  # fmt: skip
OF_CURVES = ("flow", "suction_pressure", "discharge_pressure", "head", "power", "speed")  # what a pump curve needs
COVERED = 0.9  # of a window that nobody chose: from here on something must have been read
FIRST_RUN, CONFIRMED, FOUND = "first run", "baseline confirmed", "found stored, without an entry"
NOBODY = "nobody yet"
UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, EOFError, BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LearnResult:
    """What was learned: the digest of each new model, one line for each asset that taught nothing, ledger drafts."""

    learned: dict[str, str] = field(default_factory=dict)
    not_learned: dict[str, str] = field(default_factory=dict)
    ledger: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Learned:
    """A model as its two files hold it; without `json` the window taught nothing, and `words` say why."""

    sha256: str
    json: str
    npz: bytes
    words: str = ""
    called: Called | None = None  # by the model before


@dataclass(frozen=True, slots=True)
class Window:
    """Rows to learn from: one per `every_s` [s], from start to end; something must have been read by `by_us`.

    Times in UTC [us], the end not included.
    """

    every_s: int
    start_us: int
    end_us: int
    by_us: int


class ModelDamaged(UserError):
    """A stored model cannot be read."""


class TooEarly(UserError):
    """A window cannot be learned from yet."""


def learn(
    state: State, settings: Settings, now_us: int, *, assets: Sequence[str] = (), again: bool = False,
    confirmed_by: str = NOBODY, tell: Tell = silent,
) -> LearnResult:  # fmt: skip
    """Fit and store a model for each pump that has none, or of which a baseline was confirmed since.

    `assets`: only these; `again` replaces the model there is. While an own alert is open nothing is learned again, and
    a first reference ends where the alert began and begins after the last failure: what lies there is in question.
    What a vendor claims leaves nothing out: else it could choose what we learn from.

    A model that went missing is taken up from its kept copy, without one learned again from the window that the ledger
    names: the pump may have worn since.
    """
    result = LearnResult()
    due, why, lost = [], dict[str, tuple[str, Standing]](), set[str]()
    told = standings(entries(state, standing.KINDS))
    for asset in pumps(settings):
        if assets and asset.id not in assets:
            continue
        one = told.get(asset.id, Standing())
        known, baseline = model_path(state, asset.id).exists(), one.waiting
        if not known and not again and not baseline and restored(state, asset, one):
            continue
        if known and not again and not baseline:
            result.ledger.extend(_found(state, asset, one, now_us))
        elif one.alerts and (known or baseline):
            result.not_learned[asset.id] = _("an own alert is open; it is learned after that is closed")
        elif baseline:
            start_us = parse_utc(str(baseline.data["from"]))
            why[asset.id] = (CONFIRMED, one)
            end_us = start_us + settings.models.learn_days * DAY_US
            if end_us > now_us:
                words = _("confirmed from {start} on; learned when {days} days have passed, after {end}")
                result.not_learned[asset.id] = words.format(
                    start=utc_text(start_us)[:16], days=settings.models.learn_days, end=utc_text(end_us)[:16]
                )
                continue
            due.append(task(state, settings, asset, end_us, baseline.role or NOBODY, start_us))
        elif one.model and not again:
            lost.add(asset.id)
            why[asset.id] = (str(one.model.data["why"]), one)
            start_us, end_us = (parse_utc(str(one.model.data[name])) for name in ("window_start", "window_end"))
            due.append(task(state, settings, asset, end_us, one.model.role or NOBODY, start_us))
        else:
            why[asset.id] = (FIRST_RUN if not known else standing.BY_HAND, one)
            began = min((one.raised_us[name] for name in one.alerts), default=now_us)
            sound_us = one.sound_after_us(signals(settings, asset))
            due.append(task(state, settings, asset, min(now_us, began), confirmed_by, None, sound_us))
    for done in fleet.run(from_window, due, settings.fleet, _("learning"), tell, worth=WORTH):
        if done.value and done.value.json:
            put(state, done.asset, done.value)
            result.learned[done.asset] = done.value.sha256
            reason, one = why[done.asset]
            body = json.loads(done.value.json)
            draft = entry(settings.asset(done.asset), body, reason, now_us, one.waiting)
            draft["data"] |= {"called": done.value.called.to_json()} if done.value.called else {}
            if done.asset not in lost:
                result.ledger.append(draft)
            elif one.model and one.model.data["sha256"] != done.value.sha256:  # other libraries: another digest
                draft["data"]["baseline"] = one.model.data.get("baseline")
                result.ledger.append(draft)
        else:
            result.not_learned[done.asset] = done.value.words if done.value else done.why
    return result


def restored(state: State, asset: Asset, one: Standing) -> bool:
    """Take up the kept copy of the model that the ledger names; whether there was a sound one."""
    digest = str(one.model.data["sha256"]) if one.model else ""
    try:
        model = load(state, asset.id, digest) if digest else None
    except ModelDamaged:
        return False
    if model is None:
        return False
    keep(state.models, asset.id, packed(model))
    return True


def entry(
    asset: Asset, body: Mapping[str, Any], why: str, now_us: int, baseline: Record | None = None
) -> dict[str, Any]:  # fmt: skip
    """The draft of the ledger entry of a stored model: all that is needed to learn it again from history."""
    card = body["card"]
    end_us = parse_utc(card["window_end"]) + round(body["every_s"] * 1e6)
    role = None if card["confirmed_by"] == NOBODY else card["confirmed_by"]
    data = {
        "sha256": body["sha256"], "window_start": card["window_start"], "window_end": utc_text(end_us),
        "data_sha256": card["data_sha256"], "why": why, "every_s": body["every_s"], "seed": card["seed"],
        "libraries": card["libraries"], "baseline": baseline.n if baseline else None,
    }  # fmt: skip
    return {"kind": "model", "data": data, "at_us": now_us, "via": "worker", "role": role, "site": asset.site,
            "asset": asset.id, "component": None}  # fmt: skip


def _found(state: State, asset: Asset, one: Standing, now_us: int) -> list[dict[str, Any]]:
    """The draft for a model that lies there without its entry: fitted by hand, or the daemon ended in between."""
    try:
        body = json.loads(model_path(state, asset.id).read_text("utf-8"))
        if one.model and one.model.data["sha256"] == body["sha256"]:
            return []
        by_hand = body["card"]["confirmed_by"] != NOBODY
        return [entry(asset, body, standing.BY_HAND if by_hand else FOUND, now_us)]
    except UNREADABLE:
        return []  # a damaged one is said where it is to judge


def task(
    state: State, settings: Settings, asset: Asset, end_us: int, confirmed_by: str, start_us: int | None = None,
    sound_us: int = 0,
) -> fleet.Task:  # fmt: skip
    """The task of `from_window` for one pump, with the part of the settings that it needs."""
    needed = {asset.id, *well_assets(settings, asset)}
    only = replace(settings, assets=tuple(one for one in settings.assets if one.id in needed),
                   tags=tuple(one for one in settings.tags if one.asset in needed), sources=(), status_alerts=(),
                   feeds=(), contracts=(), answers=(), jobs=())  # fmt: skip
    return fleet.Task(asset.site, asset.id, (state, only, asset.id, end_us, confirmed_by, start_us, sound_us))


def from_window(
    state: State, settings: Settings, asset_id: str, end_us: int, confirmed_by: str, start_us: int | None = None,
    sound_us: int = 0,
) -> Learned:  # fmt: skip
    """The model of one pump from the time up to `end_us` [us, UTC]; reads only."""
    try:
        model = fitted(state, settings, asset_id, end_us, confirmed_by, start_us, sound_us)
    except TooEarly as early:
        return Learned("", "", b"", str(early))
    if STEADY not in model.detectors:
        return Learned("", "", b"", "; ".join(model.card["notes"]))
    return replace(packed(model), called=called_before(state, settings, settings.asset(asset_id), model))


def called_before(state: State, settings: Settings, asset: Asset, model: HealthModel) -> Called | None:
    """What the model that judges calls the window of one that is to take its place; None without one that speaks."""
    before = in_force(state, asset.id)
    if before is None:
        return None
    today = replace(before, rated=of_today(before.rated, rated(settings, asset)),
                    every_s=min(before.every_s, model.every_s))  # fmt: skip
    start_us, last_us = (parse_utc(model.card[name]) for name in ("window_start", "window_end"))
    span_us = (start_us, last_us + round(model.every_s * 1e6))
    return called(state, settings, asset, today, limits(settings, asset), span_us)


def in_force(state: State, asset_id: str) -> HealthModel | None:
    """The model that judges; where it is gone or cannot be read the kept copy that the ledger names; else None."""
    told = entries(state, ("model",)) if state.ledger.is_file() else ()
    for sha256 in ("", next((str(one.data["sha256"]) for one in reversed([*told]) if one.asset == asset_id), "")):
        try:
            if model := load(state, asset_id, sha256):
                return model
        except ModelDamaged:
            continue
    return None


def fitted(
    state: State, settings: Settings, asset_id: str, end_us: int, confirmed_by: str, start_us: int | None = None,
    sound_us: int = 0,
) -> HealthModel:  # fmt: skip
    """The model of one pump as its windows teach it: of the first that has enough rows, else of the last.

    With `start_us` from there to `end_us` [us, UTC], else as `windows` says. Reads only. Raises TooEarly.
    """
    asset, why = settings.asset(asset_id), ""
    model = None
    for window in windows(settings, asset, end_us, start_us, sound_us):
        frames = partial(wide, state, settings, start_us=window.start_us, end_us=window.end_us, every_s=window.every_s)
        values, share = frames(asset_id)
        if missing := too_short(np.isfinite(values.to_numpy(float)).any(axis=1), window):
            why = why or missing
            continue
        beside = well_columns(settings, asset, frames)
        plate = rated(settings, asset)
        model = fit(values, share, plate, every_s=window.every_s, confirmed_by=confirmed_by, beside=beside)
        model = carded(model, settings, asset, values)
        if STEADY in model.detectors:
            break
    if model is None:
        raise TooEarly(why)
    return model


def carded(model: HealthModel, settings: Settings, asset: Asset, values: pd.DataFrame) -> HealthModel:
    """A model whose card names its pump, and the tags for want of which it learned less than it could."""
    notes = [*model.card["notes"]]
    good = {str(name) for name in values if np.isfinite(values[name].to_numpy(float)).any()}
    tags = [tag for tag in settings.tags_of(asset.id) if QUANTITIES[tag.quantity][1] == "analog"]
    silent = [tag.name for tag in tags if tag.quantity not in good]
    if STEADY not in model.detectors:
        notes += [f"no value at all in this window of {model.every_s:g} s rows"] if not good else []
        notes += [f"{name} has no good value in this window" for name in silent if good]
        filled = int(np.isfinite(values.to_numpy(float)).any(axis=1).sum())
        if good and 2 * filled < len(values):
            notes += [f"only {filled} of {len(values)} rows of {model.every_s:g} s hold any value"]
    of_curves = [tag.name for tag in tags if tag.name in silent and tag.quantity in OF_CURVES]
    if good and not model.reference.curves:
        notes += [f"no curves: {name} has no good value" for name in of_curves]
    return replace(model, card={**model.card, "asset": asset.id, "notes": notes})


def windows(
    settings: Settings, asset: Asset, end_us: int, start_us: int | None = None, sound_us: int = 0
) -> list[Window]:
    """Where the reference of a pump lies: the finest first.

    From `start_us` to `end_us`; else as configured; else up to `end_us`: `learn_days` of minutes, twice as many days of
    hours, nothing of it before `sound_us` [us, UTC]. Raises TooEarly where a configured time has not passed.
    """
    told = asset.reference or settings.models.reference
    if start_us is None and told:
        start_us, last_us = (midnight_us(day, settings) for day in (told.start, told.end + timedelta(days=1)))
        if last_us > end_us:
            words = _("its reference is {start} to {end}: learned after that, and from nothing that an alert is about")
            raise TooEarly(words.format(start=told.start, end=told.end))
        end_us = last_us
    found = []
    for every_s, fold in ((MINUTE_S, 1), (HOUR_S, HOURS_FOLD)):
        until_us = edge(end_us, every_s)
        span_us = fold * settings.models.learn_days * DAY_US
        if start_us is None:
            first_us = until_us - span_us
            by_us = first_us + round((1 - COVERED) * span_us)
            found.append(Window(every_s, max(first_us, edge(sound_us, every_s) + every_s * 1_000_000), until_us, by_us))
        else:
            found.append(Window(every_s, edge(start_us, every_s), until_us, until_us))
    return found


def too_short(read: np.ndarray, window: Window) -> str:
    """Why a window reaches too far back for what was `read`, row by row; "" where it does not."""
    good = np.flatnonzero(read)
    first_us = window.start_us + int(good[0]) * window.every_s * 1_000_000 if len(good) else window.end_us
    if first_us <= window.by_us:
        return ""
    days = ((window.end_us - at_us) / DAY_US for at_us in (first_us, window.by_us))
    has, needed = (number_text(one, 2) for one in days)
    return _("{days} days were read of {needed} that are needed; it is learned then").format(days=has, needed=needed)


def midnight_us(day: date, settings: Settings) -> int:
    """Where a day of the utility begins. [us, UTC]"""
    return round(datetime.combine(day, time(), ZoneInfo(settings.time_zone)).timestamp()) * 1_000_000


def alerts_since(state: State) -> dict[str, int]:
    """When the oldest own alert that stands began, by asset. [us, UTC]"""
    told = standings(entries(state, ("own_alert",)))
    return {name: min(one.raised_us[alert] for alert in one.alerts) for name, one in told.items() if one.alerts}


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
    """Write a model into STATE: from now on it judges."""
    put(state, asset_id, packed(model))


def put(state: State, asset_id: str, one: Learned) -> None:
    """The same of its bytes. It is kept for ever under its digest, so that what it says can be redone."""
    keep(state.models / asset_id, one.sha256, one)
    keep(state.models, asset_id, one)


def keep(folder: Path, name: str, one: Learned) -> None:
    """Write NAME.npz and then NAME.json, which names the arrays' digest."""
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / f"{name}.npz", one.npz)
    atomic_write(folder / f"{name}.json", one.json)


def load(state: State, asset_id: str, sha256: str = "") -> HealthModel | None:
    """The model that judges, or the one of this digest; None without it.

    ModelDamaged where its files do not agree with their digest, or are of another asset: as the card says, or of one
    without that word the ledger.
    """
    path = model_path(state, asset_id, sha256)
    if not path.exists():
        return None
    try:
        body = json.loads(path.read_text())
        with np.load(BytesIO(path.with_suffix(".npz").read_bytes()), allow_pickle=False) as file:
            model = from_parts(body, {name: file[name] for name in file.files})
        agrees = model.sha256 == body.get("sha256") and sha256 in ("", model.sha256)
    except UNREADABLE as fault:
        raise ModelDamaged(f"{path}: cannot be read ({clean(fault, 120)}); {_mend(state, asset_id)}") from fault
    if not agrees:
        raise ModelDamaged(f"{path}: does not agree with its digest; {_mend(state, asset_id)}")
    if owner := _other(state, asset_id, model):
        raise ModelDamaged(f"{path}: is the model of {clean(owner, 40)}, not of {asset_id}; {_mend(state, asset_id)}")
    return model


def _mend(state: State, asset_id: str) -> str:
    """What to do about a model that cannot be used."""
    return (
        f"remove it: the kept copy that the ledger names is taken up from {state.models / asset_id}, or without one "
        "the window that the ledger names is learned again"
    )


def _other(state: State, asset_id: str, model: HealthModel) -> str:
    """Whose model it is, where not of this asset; "" where it is, or where nobody knows."""
    named = model.card.get("asset")
    if named is not None:
        return "" if named == asset_id else str(named)
    if not state.ledger.is_file():
        return ""
    told = [one for one in entries(state, ("model",)) if one.asset]
    mine = [one.data["sha256"] for one in told if one.asset == asset_id]
    if not mine:
        return next((str(one.asset) for one in told if one.data["sha256"] == model.sha256), "")
    if model.sha256 in mine:
        return ""
    return next((str(one.asset) for one in told if one.data["sha256"] == model.sha256), "another asset")


def model_path(state: State, asset_id: str, sha256: str = "") -> Path:
    """Where the model of an asset that judges lies in STATE, or that of a digest."""
    return state.models / asset_id / f"{sha256}.json" if sha256 else state.models / f"{asset_id}.json"


def pumps(settings: Settings) -> list[Asset]:
    """The pumps we read ourselves."""
    read = {tag.asset for tag in settings.tags}
    return [asset for asset in settings.assets if asset.kind == "pump" and asset.id in read]


def signals(settings: Settings, asset: Asset) -> frozenset[str]:
    """The tags of an asset whose numbers a model learns: neither counters nor states nor flags."""
    return frozenset(one.name for one in settings.tags_of(asset.id) if QUANTITIES[one.quantity][1] == "analog")


def edge(now_us: int, every_s: float) -> int:
    """The end of the last whole cell: a cell that is still filling is not judged."""
    every_us = round(every_s * 1e6)
    return now_us // every_us * every_us
