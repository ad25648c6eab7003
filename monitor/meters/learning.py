"""What a meter taught: the ratio of each account, the night's flow, the gain; kept as JSON under its digest."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from models.health.meter import MeterLimits, MeterReference, Middle, fit_meter
from monitor import standing
from monitor.learning import (
    CONFIRMED,
    DAY_US,
    FIRST_RUN,
    FOUND,
    LearnResult,
    ModelDamaged,
    TooEarly,
    Window,
    model_path,
    too_short,
    windows,
)
from monitor.ledger import Record, entries
from monitor.meters.accounts import HOUR_S, hours, meters
from monitor.plant import Asset, Settings
from monitor.standing import Standing, standings
from monitor.state import State, atomic_write
from monitor.words import _, parse_utc, utc_text

FORMAT = 1


@dataclass(frozen=True, slots=True)
class MeterModel:
    """What a meter taught, with the facts it was learned from: window, data, libraries, the role that confirmed it."""

    reference: MeterReference = field(default_factory=MeterReference)
    sha256: str | None = None  # None: nothing was learned
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {**self.facts, "reference": asdict(self.reference), "sha256": self.sha256}


def limits(settings: Settings, meter: Asset) -> MeterLimits:
    """The limits of a meter's lines: the defaults, and what limits.toml says instead."""
    told: dict[str, Any] = settings.limits_of(meter.id)
    return MeterLimits(**told)


def learn(state: State, settings: Settings, now_us: int) -> LearnResult:
    """Learn each meter that has no reference yet, or of which a baseline was confirmed since, and store it.

    The window is that of site.toml, else the last 30 days; after a confirmed baseline as many days from there on. While
    an own alert is open nothing is learned again. What went missing is taken up from its kept copy, without one learned
    again from the window that the ledger names: the meter may have drifted since.
    """
    result = LearnResult()
    told = standings(entries(state, standing.KINDS))
    for meter in meters(settings):
        one = told.get(meter.id, Standing())
        known, baseline = model_path(state, meter.id).exists(), one.waiting
        if not known and not baseline and restored(state, meter, one):
            continue
        if known and not baseline:
            result.ledger.extend(_found(state, meter, one, now_us))
            continue
        if one.alerts and (known or baseline):
            result.not_learned[meter.id] = _("an own alert is open; it is learned after that is closed")
            continue
        end_us, start_us = now_us, None
        role = baseline.role if baseline else None
        if one.model and not baseline:  # lost, and its kept copy too
            start_us, end_us = (parse_utc(str(one.model.data[name])) for name in ("window_start", "window_end"))
            role = one.model.role
        if baseline:
            start_us = parse_utc(str(baseline.data["from"]))
            end_us = start_us + settings.models.learn_days * DAY_US
        if end_us > now_us:
            result.not_learned[meter.id] = _("too few days since its baseline was confirmed")
            continue
        try:
            model = taught(state, settings, meter, (start_us, end_us), role)
        except TooEarly as early:
            result.not_learned[meter.id] = str(early)
            continue
        store(state, meter.id, model)
        result.learned[meter.id] = str(model.sha256)
        if baseline or not one.model:
            why = CONFIRMED if baseline else FIRST_RUN
            result.ledger.append(entry(meter, model.to_json(), why, now_us, baseline))
        elif one.model.data["sha256"] != model.sha256:
            draft = entry(meter, model.to_json(), str(one.model.data["why"]), now_us)
            draft["data"]["baseline"] = one.model.data.get("baseline")
            result.ledger.append(draft)
    return result


def restored(state: State, meter: Asset, one: Standing) -> bool:
    """Take up the kept copy of what the ledger names; whether there was a sound one. The meter may drift since."""
    digest = str(one.model.data["sha256"]) if one.model else ""
    try:
        model = load(state, meter.id, digest) if digest else MeterModel()
    except ModelDamaged:
        return False
    if model.sha256 is None:
        return False
    store(state, meter.id, model)
    return True


def taught(
    state: State, settings: Settings, meter: Asset, span_us: tuple[int | None, int], confirmed_by: str | None
) -> MeterModel:
    """What a window (its start or None, its end) [us, UTC] teaches; nothing is stored. TooEarly where nothing does."""
    window = replace(windows(settings, meter, span_us[1], span_us[0])[0], every_s=HOUR_S)
    return from_window(state, settings, meter, window, confirmed_by)


def from_window(
    state: State, settings: Settings, meter: Asset, window: Window, confirmed_by: str | None
) -> MeterModel:  # fmt: skip
    """The same of the whole hours of a window."""
    start_s, end_s = (at // 1_000_000 // HOUR_S * HOUR_S for at in (window.start_us, window.end_us))
    read = hours(state, settings, meter, start_s, end_s)
    if missing := too_short(read.read, window):
        raise TooEarly(missing)
    reference = fit_meter(read.values, read.accounts, settings.time_zone)
    if not (reference.ratios or reference.night or reference.gain is not None):
        raise TooEarly(_("too few whole hours in which all of them were read"))
    facts = {
        "format": FORMAT,
        "window_start": utc_text(start_s * 10**6),
        "window_end": utc_text(end_s * 10**6),
        "data_sha256": read.data_sha256,
        "confirmed_by": confirmed_by,
        "libraries": {"numpy": np.__version__, "pandas": pd.__version__},
    }
    return MeterModel(reference, _digest({**facts, "reference": asdict(reference)}), facts)


def store(state: State, asset_id: str, model: MeterModel) -> None:
    """Write it into STATE: from now on the meter is judged by it. It is kept for ever under its digest."""
    for path in (model_path(state, asset_id, str(model.sha256)), model_path(state, asset_id)):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, json.dumps(model.to_json(), indent=1))


def load(state: State, asset_id: str, sha256: str = "") -> MeterModel:
    """What judges a meter, or what a digest names; an empty one without it. Raises ModelDamaged."""
    path = model_path(state, asset_id, sha256)
    try:
        body = json.loads(path.read_text("utf-8"))
        digest = body.pop("sha256")
        if digest != _digest(body) or sha256 not in ("", digest) or body["format"] != FORMAT:
            raise ValueError("it does not agree with its digest")
        told = body.pop("reference")
        ratios = {name: Middle(**one) for name, one in told["ratios"].items()}
        night = Middle(**told["night"]) if told["night"] else None
        return MeterModel(MeterReference(ratios, night, told["gain"]), digest, body)
    except FileNotFoundError:
        return MeterModel()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        raise ModelDamaged(
            f"{path}: cannot be read ({fault}); remove it: the kept copy that the ledger names is taken "
            f"up from {state.models / asset_id}, or the window that it names is learned again"
        ) from fault


def entry(
    meter: Asset, body: Mapping[str, Any], why: str, now_us: int, baseline: Record | None = None
) -> dict[str, Any]:  # fmt: skip
    """The draft of the ledger entry of a stored model."""
    facts = ("sha256", "window_start", "window_end", "data_sha256", "libraries")
    data = {name: body[name] for name in facts}
    data |= {"why": why, "every_s": HOUR_S, "seed": None, "baseline": baseline.n if baseline else None}
    return {"kind": "model", "data": data, "at_us": now_us, "via": "worker", "role": body["confirmed_by"],
            "site": meter.site, "asset": meter.id, "component": None}  # fmt: skip


def _found(state: State, meter: Asset, one: Standing, now_us: int) -> list[dict[str, Any]]:
    try:
        body = json.loads(model_path(state, meter.id).read_text("utf-8"))
        known = one.model and one.model.data["sha256"] == body["sha256"]
        return [] if known else [entry(meter, body, FOUND, now_us)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []  # a damaged one is said where it is to judge


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()).hexdigest()
