"""The meters beside the pumps: their accounts with each other by [[crosscheck]], learned once, judged by the hour.

Hourly values come from the hot file, which has them for 400 days. A meter has no index; what can be said of it are the
lines of models.health.meter.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from models.health import Assessment
from models.health.judged import Line
from models.health.meter import Account, MeterLimits, MeterReference, Middle, fit_meter, meter_lines, suspects
from models.health.meter import with_storage as kept
from monitor import standing
from monitor.historian.reader import HotReader
from monitor.learning import (
    CONFIRMED,
    DAY_US,
    FIRST_RUN,
    FOUND,
    LearnResult,
    ModelDamaged,
    TooEarly,
    model_path,
    too_short,
    windows,
)
from monitor.ledger import Record, entries
from monitor.plant import Asset, CrossCheck, Settings
from monitor.standing import Standing, standings
from monitor.state import State, atomic_write
from monitor.words import _, parse_utc, utc_text

FORMAT = 1
HOUR_S = 3600
JUDGED_DAYS = 8  # seven whole days and the rest of today
WHOLE_HOUR = 0.9  # share of good samples from which an hour counts
SPOKEN = ("flow", "signal_quality", "gain")  # quantities of a meter that have a line of their own

Hourly = Callable[[str], np.ndarray]  # tag name -> hourly means, NaN where the hour was not good


@dataclass(frozen=True, slots=True)
class Sides:
    """An account by the names of its tags: what stands on the meter's side and on the other one."""

    name: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    level: str = ""
    area_m2: float = 0.0  # negative where the meter measures what leaves the tank

    @property
    def tags(self) -> tuple[str, ...]:
        return (*self.left, *self.right, *((self.level,) if self.level else ()))


def meters(settings: Settings) -> list[Asset]:
    """The meters of which anything can be said."""
    return [
        one for one in settings.assets if one.kind == "meter" and (_spoken(settings, one) or sides_of(settings, one))
    ]


def sides_of(settings: Settings, meter: Asset) -> list[Sides]:
    """The accounts in which a tag of this meter stands; without those on values that devices compute themselves."""
    mine = {tag.name for tag in settings.tags_of(meter.id)}
    estimated = {tag.name for tag in settings.tags if tag.estimated}
    found = []
    for check in settings.crosschecks:
        for one in _both_ways(check):
            if mine & set(one.left) and not estimated & set(one.tags):
                found.append(one)
                break
    return found


def learn(state: State, settings: Settings, now_us: int) -> LearnResult:
    """Learn each meter that has no reference yet, or of which a baseline was confirmed since, and store it.

    The window is that of site.toml, else the last 30 days; after a confirmed baseline as many days from there on. While
    an own alert is open nothing is learned again.
    """
    result = LearnResult()
    told = standings(entries(state, standing.KINDS))
    for meter in meters(settings):
        one = told.get(meter.id, Standing())
        known, baseline = model_path(state, meter.id).exists(), one.waiting
        if known and not baseline:
            result.ledger.extend(_found(state, meter, one, now_us))
            continue
        if known and one.alerts:
            result.not_learned[meter.id] = _("an own alert is open; it is learned after that is closed")
            continue
        end_us, start_us = now_us, None
        if baseline:
            start_us = parse_utc(str(baseline.data["from"]))
            end_us = start_us + settings.models.learn_days * DAY_US
        if end_us > now_us:
            result.not_learned[meter.id] = _("too few days since its baseline was confirmed")
            continue
        try:
            window = replace(windows(settings, meter, end_us, start_us)[0], every_s=HOUR_S)
        except TooEarly as early:
            result.not_learned[meter.id] = str(early)
            continue
        start_s, end_s = (at // 1_000_000 // HOUR_S * HOUR_S for at in (window.start_us, window.end_us))
        values, accounts = _hours(state, settings, meter, start_s, end_s)
        if missing := too_short(_read(values, accounts), window):
            result.not_learned[meter.id] = missing
            continue
        reference = fit_meter(values, accounts, settings.time_zone)
        if not (reference.ratios or reference.night or reference.gain is not None):
            result.not_learned[meter.id] = _("too few whole hours in which all of them were read")
            continue
        body = {
            "format": FORMAT,
            "reference": asdict(reference),
            "window_start": utc_text(start_s * 10**6),
            "window_end": utc_text(end_s * 10**6),
            "data_sha256": _data_sha256(values, accounts),
            "confirmed_by": baseline.role if baseline else None,
            "libraries": {"numpy": np.__version__, "pandas": pd.__version__},
        }
        digest = _digest(body)
        for path in (model_path(state, meter.id, digest), model_path(state, meter.id)):
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, json.dumps({**body, "sha256": digest}, indent=1))
        result.learned[meter.id] = digest
        why = CONFIRMED if baseline else FIRST_RUN
        result.ledger.append(_entry(meter, {**body, "sha256": digest}, why, now_us, baseline))
    return result


def _entry(
    meter: Asset, body: Mapping[str, Any], why: str, now_us: int, baseline: Record | None = None
) -> dict[str, Any]:  # fmt: skip
    facts = ("sha256", "window_start", "window_end", "data_sha256", "libraries")
    data = {name: body[name] for name in facts}
    data |= {"why": why, "every_s": HOUR_S, "seed": None, "baseline": baseline.n if baseline else None}
    return {"kind": "model", "data": data, "at_us": now_us, "via": "worker", "role": body["confirmed_by"],
            "site": meter.site, "asset": meter.id, "component": None}  # fmt: skip


def _found(state: State, meter: Asset, one: Standing, now_us: int) -> list[dict[str, Any]]:
    try:
        body = json.loads(model_path(state, meter.id).read_text("utf-8"))
        known = one.model and one.model.data["sha256"] == body["sha256"]
        return [] if known else [_entry(meter, body, FOUND, now_us)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []  # a damaged one is said where it is to judge


def load(state: State, asset_id: str, sha256: str = "") -> tuple[MeterReference, str | None]:
    """The reference of a meter that judges, or that of a digest; an empty one and None without it. ModelDamaged."""
    path = model_path(state, asset_id, sha256)
    try:
        body = json.loads(path.read_text("utf-8"))
        digest = body.pop("sha256")
        if digest != _digest(body) or body["format"] != FORMAT:
            raise ValueError("it does not agree with its digest")
        told = body["reference"]
        ratios = {name: Middle(**one) for name, one in told["ratios"].items()}
        night = Middle(**told["night"]) if told["night"] else None
        return MeterReference(ratios, night, told["gain"]), digest
    except FileNotFoundError:
        return MeterReference(), None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise ModelDamaged(f"{path}: cannot be read ({fault}); remove it to learn the meter again") from fault


def assess(
    state: State, settings: Settings, now_us: int, limits: MeterLimits | None = None
) -> dict[str, tuple[Assessment, str | None, dict[str, Any]]]:
    """What can be said of each meter at the last full hour, the digest of its reference, the rows judged, by id."""
    end_s = now_us // 1_000_000 // HOUR_S * HOUR_S
    lines: dict[str, tuple[Line, ...]] = {}
    digests: dict[str, str | None] = {}
    good: dict[str, float] = {}
    notes: dict[str, str] = {}
    rows: dict[str, dict[str, Any]] = {}
    for meter in meters(settings):
        values, accounts = _hours(state, settings, meter, end_s - JUDGED_DAYS * 86_400, end_s)
        try:
            reference, digests[meter.id] = load(state, meter.id)
        except ModelDamaged as fault:
            reference, digests[meter.id], notes[meter.id] = MeterReference(), None, str(fault)
        rows[meter.id] = {"every_s": HOUR_S, "rows": len(values), "end": utc_text(end_s * 10**6),
                          "data_sha256": _data_sha256(values, accounts)}  # fmt: skip
        lines[meter.id] = meter_lines(values, accounts, reference, limits, settings.time_zone)
        good[meter.id] = float(values.iloc[-24:].notna().to_numpy().mean()) if values.size else 0.0
    suspected = suspects(*_accounts_by_word(settings, lines))
    return {
        asset_id: (
            _assessment(end_s, _attributed(asset_id, told, suspected), good[asset_id], notes.get(asset_id, "")),
            digests[asset_id],
            rows[asset_id],
        )
        for asset_id, told in lines.items()
    }


def _attributed(asset_id: str, lines: Sequence[Line], suspected: Sequence[str]) -> tuple[Line, ...]:
    """An account that fails speaks against all its meters; where others hold, those are named that it leaves."""
    if not suspected:
        return tuple(lines)
    note = _("the accounts together point to {assets}").format(assets=", ".join(suspected))
    return tuple(
        replace(one, note=note, word=one.word if asset_id in suspected else "cannot_tell")
        if one.indicator == "balance" and one.word in ("warn", "act")
        else one
        for one in lines
    )


def _accounts_by_word(
    settings: Settings, lines: Mapping[str, Sequence[Line]]
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The worse word of balance and drift of each account, and the meters in it."""
    asset_of = {tag.name: tag.asset for tag in settings.tags}
    order = ("cannot_tell", "ok", "warn", "act")
    words: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    for meter in meters(settings):
        told = {one.name: one.word for one in lines[meter.id]}
        for sides in sides_of(settings, meter):
            both = [told.get(f"{kind} {sides.name}", "cannot_tell") for kind in ("balance", "drift")]
            words[sides.name] = max([words.get(sides.name, "cannot_tell"), *both], key=order.index)
            members[sides.name] = sorted({asset_of[name] for name in (*sides.left, *sides.right)})
    return words, members


def _assessment(end_s: int, lines: tuple[Line, ...], good: float, note: str) -> Assessment:
    told = {line.word for line in lines}
    word = "alert" if "act" in told else "warning" if "warn" in told else "normal" if "ok" in told else "unknown"
    reasons: tuple[str, ...] = (note,) if note else ()
    if not told - {"cannot_tell"}:
        reasons += tuple(sorted({line.note for line in lines if line.note}))
    return Assessment(utc_text(end_s * 10**6), "", None, word, None, None, (), lines, good, reasons)


def _hours(
    state: State, settings: Settings, meter: Asset, start_s: int, end_s: int
) -> tuple[pd.DataFrame, list[Account]]:
    hot = HotReader(state.hot)
    hourly = _hourly(hot, start_s, end_s)
    index = pd.to_datetime(np.arange(start_s, end_s, HOUR_S), unit="s", utc=True)
    values = pd.DataFrame({quantity: hourly(name) for quantity, name in _spoken(settings, meter).items()}, index=index)
    accounts = []
    for one in sides_of(settings, meter):
        left = np.sum([hourly(name) for name in one.left], axis=0)
        right = np.sum([hourly(name) for name in one.right], axis=0)
        if one.level:
            right = kept(right, hourly(one.level), one.area_m2)
        accounts.append(Account(one.name, left, right, (len(one.left), len(one.right))))
    return values, accounts


def _read(values: pd.DataFrame, accounts: Sequence[Account]) -> np.ndarray:
    """In which hours anything was read that can be learned."""
    columns = [*values.to_numpy(float).T, *(one.left + one.right for one in accounts)]
    return np.asarray(np.isfinite(np.array(columns)).any(axis=0))


def _hourly(hot: HotReader, start_s: int, end_s: int) -> Hourly:
    number_of = {row.name: number for number, row in hot.tags().items()}
    cells = (end_s - start_s) // HOUR_S
    found: dict[str, np.ndarray] = {}

    def hourly(name: str) -> np.ndarray:
        if name not in found:
            column = np.full(cells, np.nan)
            rows = hot.rollup(number_of[name], HOUR_S, start_s) if name in number_of else []
            for row in rows:
                if row.t_s < end_s and row.mean is not None and row.share_good >= WHOLE_HOUR:
                    column[(row.t_s - start_s) // HOUR_S] = row.mean
            found[name] = column
        return found[name]

    return hourly


def _spoken(settings: Settings, meter: Asset) -> dict[str, str]:
    """quantity -> tag of this meter; what the device computes itself is no evidence."""
    return {
        tag.quantity: tag.name for tag in settings.tags_of(meter.id) if tag.quantity in SPOKEN and not tag.estimated
    }


def _both_ways(check: CrossCheck) -> list[Sides]:
    if check.kind == "sum":
        return [Sides(check.name, (check.whole,), check.parts), Sides(check.name, check.parts, (check.whole,))]
    if not (check.inflow and check.outflow):
        return []
    return [Sides(check.name, check.inflow, check.outflow, check.level, check.area_m2),
            Sides(check.name, check.outflow, check.inflow, check.level, -check.area_m2)]  # fmt: skip


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()).hexdigest()


def _data_sha256(values: pd.DataFrame, accounts: Sequence[Account]) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(values.to_numpy(float), "<f8").tobytes())
    for one in accounts:
        digest.update(one.name.encode() + np.ascontiguousarray([one.left, one.right], "<f8").tobytes())
    return digest.hexdigest()
