"""Turns model results into assessments, own alerts and verdicts: the only place where our model speaks.

`score` says each minute what the models (monitor.learning) say now. It only reads: what belongs into ledger and hot
file is handed back, and only changes become ledger entries. Missing or bad input gives `unknown`, shown as such, and
never an alert.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from drivers.record import Quality
from models.health import Assessment, HealthModel, assess
from models.health.life_cycle import CLOSED, RAISED, advance
from monitor import meters, verdicts
from monitor.historian.frames import wide
from monitor.historian.reader import HotReader, RollupRow, TagRow
from monitor.labels import quantity_word
from monitor.learning import HOUR_S, MINUTE_S, ModelDamaged, edge, load, open_alerts, pumps, rated
from monitor.ledger import Record, entries
from monitor.plant import QUANTITIES, Asset, Settings
from monitor.state import State
from monitor.words import _, number_text, quantity_text, utc_text

UNSEEN_S = 120  # an asset without a good value for so long is unknown
WINDOW_ROWS = {MINUTE_S: 480, HOUR_S: 96}
LIVE_S = (MINUTE_S, HOUR_S)  # rows on which a model learned from hours judges, the first that are enough
YOUNG_LIVE_S = (MINUTE_S, 15, HOUR_S)  # the same in the first hour of a store
ROLLUP_ROWS = 60  # with fewer minutes in the hot file the older part of the window is read from history
ALERT_LINE = 50.0
COMPONENT_OF = {  # what wears when this quantity or line leaves its reference
    "vibration": "bearing", "vibration_step": "bearing", "bearing_temperature": "bearing",
    "bearing_over_ambient": "bearing", "current_imbalance": "motor", "voltage": "motor", "frequency": "motor",
    "current": "motor",
}  # fmt: skip
OTHERWISE = "impeller"
LEVELS = ("unknown", "normal", "warning", "alert")


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """Rows for the hot file (assessments, verdicts, own_alerts that stand) and drafts for the ledger."""

    assessments: list[dict[str, Any]]
    own_alerts: list[dict[str, Any]]
    verdicts: list[dict[str, Any]]
    ledger: list[dict[str, Any]]


def score(state: State, settings: Settings, now_us: int) -> ScoreResult:
    """Assess every pump from its last rows up to `now_us` [us, UTC], advance own alerts, judge against the vendor."""
    hot = HotReader(state.hot)
    tags = hot.tags()
    minutes = hot.rollups(MINUTE_S, edge(now_us, MINUTE_S) // 1_000_000 - WINDOW_ROWS[MINUTE_S] * MINUTE_S)
    young = max((len(rows) for rows in minutes.values()), default=0) < ROLLUP_ROWS
    records = list(entries(state, verdicts.KINDS))
    told = {one.asset: one for one in records if one.kind == "assessment"}
    standing = open_alerts(records)
    drafts: list[dict[str, Any]] = []
    assessments: list[dict[str, Any]] = []
    own: list[dict[str, Any]] = []
    sights: dict[str, verdicts.Sight] = {}
    seen_us = _last_good(hot, tags)

    def take(asset: Asset, found: Assessment, digest: str | None) -> None:
        assessments.append({"asset": asset.id, "site": asset.site, "at_ms": now_us // 1000, "model_sha256": digest,
                            "alert_line": ALERT_LINE, **found.to_dict()})  # fmt: skip
        before = told.get(asset.id)
        if before is None or (before.data["word"], before.data["index"] is None) != (found.word, found.index is None):
            data = {"index": found.index, "state": found.state, "word": found.word, "model_sha256": digest,
                    "reasons": list(found.reasons)}  # fmt: skip
            drafts.append(_draft("assessment", data, asset, None, now_us))
        changes, still = own_alerts(asset, found, [one for one in standing if one.asset == asset.id], digest, now_us)
        drafts.extend(changes)
        own.extend(still)

    for asset in pumps(settings):
        try:
            model = load(state, asset.id)
        except ModelDamaged as fault:
            model, note = None, str(fault)
        else:
            note = ""
        used = model or HealthModel(rated(settings, asset), MINUTE_S, card={"notes": [note] if note else []})
        cadences = (used.every_s,) if used.every_s != HOUR_S else YOUNG_LIVE_S if young else LIVE_S
        least = ROLLUP_ROWS if used.every_s == MINUTE_S else 0  # history has no minutes where hours were learned
        found = _assessed(used, cadences, partial(_window, state, settings, minutes, tags, asset.id, now_us, least))
        found = _not_seen(found, seen_us.get(asset.id), now_us)
        sights[asset.id] = verdicts.Sight(found.index, found.good_share, "; ".join(found.reasons))
        take(asset, found, model.sha256 if model else None)
    for meter_id, (found, digest) in meters.assess(state, settings, now_us).items():
        sights[meter_id] = verdicts.Sight(None, found.good_share, "; ".join(found.reasons))
        take(settings.asset(meter_id), _not_seen(found, seen_us.get(meter_id), now_us), digest)
    claimed = {one.asset for one in records if one.kind == "vendor_alert"} - set(sights)
    assessments += [_without_model(asset, now_us) for asset in settings.assets if asset.id in claimed]
    fresh = [_as_record(draft) for draft in drafts]
    shown, changed = verdicts.judge([*records, *fresh], sights, settings.review, now_us)
    for row in assessments:
        worst = verdicts.worst_open(shown, row["asset"])
        row |= {"verdict": worst["word"] if worst else None, "since": worst["since"] if worst else None,
                "note": worst["reason"] if worst else ""}  # fmt: skip
    known = {asset.id: asset for asset in settings.assets}
    drafts += [_draft("verdict", one, known.get(one["asset"]), one["component"] or None, now_us) for one in changed]
    return ScoreResult(assessments, own, shown, drafts)


def _without_model(asset: Asset, now_us: int) -> dict[str, Any]:
    """The row of an asset that has no model of ours: the vendor's claims on it are judged all the same."""
    return {"asset": asset.id, "site": asset.site, "at_ms": now_us // 1000, "model_sha256": None, "index": None,
            "state": "unknown", "word": "unknown", "reasons": [_("no own model for this asset")]}  # fmt: skip


def _assessed(
    model: HealthModel, cadences: Sequence[float], window: Callable[[float], tuple[pd.DataFrame, pd.DataFrame]]
) -> Assessment:
    """The assessment from the first of the cadences [s] whose rows are enough for an index.

    A model that was learned from hours also judges minutes, and quarters of a minute while the store is young: rows
    nearer in time differ less, so that its lines err on the quiet side. Else a fault would show after half a day only.
    """
    first = None
    for every_s in cadences:
        found = assess(replace(model, every_s=every_s), *window(every_s))
        if found.index is not None:
            return found
        first = first or found
    assert first is not None
    return first


def _last_good(hot: HotReader, tags: Mapping[int, TagRow]) -> dict[str, int]:
    """When each asset that is read last gave a good value, 0 for never. [us, UTC]"""
    seen: dict[str, int] = {}
    for number, sample in hot.latest().items():
        if number in tags:
            at = sample.receive_us if sample.quality == Quality.GOOD else 0
            seen[tags[number].asset] = max(seen.get(tags[number].asset, 0), at)
    return seen


def _not_seen(found: Assessment, seen_us: int | None, now_us: int) -> Assessment:
    """An asset that gives no good value is unknown, however good its last hours were: no data is never healthy."""
    if seen_us is None or now_us - seen_us <= UNSEEN_S * 1_000_000:
        return found  # None: nothing is read, history alone is judged
    words = f"no good value for more than {UNSEEN_S} s"
    return replace(found, state="unknown", index=None, word="unknown", score=None, reasons=(words, *found.reasons))


def own_alerts(
    asset: Asset, found: Assessment, standing: Sequence[Record], digest: str | None, now_us: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(ledger drafts, rows of the alerts that stand) for one asset: raised, recovering, closed (models.health).

    One alert per component: that of a physics line past its act line, or of the largest contribution to the index.
    """
    levels = component_levels(asset, found)
    by_component = {one.component or "": one for one in standing}
    drafts, rows = [], []
    sound = {_component(asset, line.name) for line in found.lines if line.word == "ok"}
    for component in sorted({*levels, *by_component}):
        before = by_component.get(component)
        silent = "normal" if found.index is not None or component in sound else "unknown"
        level = levels.get(component, silent)
        stage = str(before.data.get("stage", RAISED)) if before else ""
        after = advance(stage, before.at_us if before else now_us, level, now_us)
        if not after:
            continue
        alert_id = str(before.data["alert_id"]) if before else f"OWN-{asset.id}-{component}-{utc_text(now_us)}"
        text = alert_text(component, found, asset.kind) if after == RAISED or not before else str(before.data["text"])
        data = {
            "alert_id": alert_id, "index": found.index, "threshold": ALERT_LINE, "model_sha256": digest,
            "text": text, "top": [asdict(one) for one in found.top], "active": after != CLOSED, "stage": after,
        }  # fmt: skip
        if after != stage:
            drafts.append(_draft("own_alert", data, asset, component or None, now_us))
        if after != CLOSED:
            rows.append(
                {"asset": asset.id, "component": component, "at_us": before.at_us if before else now_us, **data}
            )
    return drafts, rows


def component_levels(asset: Asset, found: Assessment) -> dict[str, str]:
    """What the assessment says of the components it has something against: warning or alert."""
    levels: dict[str, str] = {}

    def raise_to(quantity: str, level: str) -> None:
        component = _component(asset, quantity)
        levels[component] = max(levels.get(component, "unknown"), level, key=LEVELS.index)

    for line in found.lines:
        if line.word in ("warn", "act") and line.name != "starts_per_h":
            raise_to(line.name, "alert" if line.word == "act" else "warning")
    if found.index is not None and found.score is not None and found.threshold is not None:
        level = "alert" if found.score >= found.threshold else "warning" if found.score * 1.5 >= found.threshold else ""
        if level and found.top:
            raise_to(found.top[0].quantity, level)
    return levels


def _component(asset: Asset, quantity: str) -> str:
    """The component that a quantity or line speaks of; "" where this asset lists none of that name."""
    if asset.kind != "pump":
        return ""
    component = COMPONENT_OF.get(quantity, OTHERWISE)
    names = {one.name for one in asset.components}
    return component if component in names or not names else ""


def alert_text(component: str, found: Assessment, kind: str = "pump") -> str:
    """One sentence for the operator: the largest contribution, or the physics line, with value and expectation."""
    other = _("meter") if kind == "meter" else _("pump")
    proved = [line for line in found.lines if line.word == "act" and line.value is not None and line.act is not None]
    if found.top and found.index is not None and found.index <= ALERT_LINE:
        top = found.top[0]
        return _("{component}: {quantity} {value}, expected {expected}; index {index}").format(
            component=component or other, quantity=quantity_word(top.quantity),
            value=quantity_text(top.value, top.unit), expected=quantity_text(top.expected, top.unit),
            index=number_text(found.index, 2),
        )  # fmt: skip
    if proved:
        line = proved[0]
        return _("{component}: {quantity} {value} is past {limit}").format(
            component=component or other, quantity=quantity_word(line.name),
            value=quantity_text(line.value, line.unit), limit=quantity_text(line.act, line.unit),
        )  # fmt: skip
    return component or other


def _window(
    state: State, settings: Settings, minutes: Mapping[int, list[RollupRow]], tags: Mapping[int, TagRow],
    asset_id: str, now_us: int, least: int, every_s: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """The last rows of one asset: minutes from the hot file's rollups; others, or fewer than `least`, from history."""
    end_us = edge(now_us, every_s)
    rows = WINDOW_ROWS.get(int(every_s), 60)
    start_us = end_us - round(rows * every_s * 1e6)
    if every_s != MINUTE_S:
        return wide(state, settings, asset_id, start_us, end_us, every_s)
    chosen: dict[str, TagRow] = {}
    for row in sorted(tags.values(), key=lambda row: (row.estimated, row.number)):
        if row.asset == asset_id and row.quantity in QUANTITIES:
            chosen.setdefault(row.quantity, row)
    cells = {quantity: {one.t_s: one for one in minutes.get(row.number, ())} for quantity, row in chosen.items()}
    if max((len(one) for one in cells.values()), default=0) < least:
        return wide(state, settings, asset_id, start_us, end_us, every_s)
    times = np.arange(start_us // 1_000_000, end_us // 1_000_000, MINUTE_S)
    index = pd.to_datetime(times, unit="s", utc=True)
    values, shares = {}, {}
    for quantity, found in cells.items():
        last = QUANTITIES[quantity][1] != "analog"
        picked = [found.get(int(t)) for t in times]
        values[quantity] = [np.nan if c is None or c.mean is None else c.last if last else c.mean for c in picked]
        shares[quantity] = [0.0 if c is None or not c.n else c.good / c.n for c in picked]
    frame = pd.DataFrame(values, index=index, dtype=float)
    frame.attrs["units"] = {quantity: row.unit for quantity, row in chosen.items()}
    return frame, pd.DataFrame(shares, index=index)


def _draft(
    kind: str, data: Mapping[str, Any], asset: Asset | None, component: str | None, now_us: int
) -> dict[str, Any]:
    return {"kind": kind, "data": dict(data), "at_us": now_us, "via": "judge", "role": None,
            "site": asset.site if asset else None, "asset": asset.id if asset else data.get("asset"),
            "component": component}  # fmt: skip


def _as_record(draft: Mapping[str, Any]) -> Record:
    return Record(0, draft["kind"], draft["at_us"], draft["role"], draft["via"], draft["site"], draft["asset"],
                  draft["component"], draft["data"])  # fmt: skip
