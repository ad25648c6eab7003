"""Own alerts: raised, recovering, closed, one for each component; and the words in which an operator reads them.

What raises an alert is its cause: the index, or a physics line. An alert stands until each of its causes is normal
again; a cause of which nothing is known changes nothing. The index is one cause: while its alert stands, the part that
weighs most may change from minute to minute, and no second alert comes of it. So over any past the index raises the
same alerts as models.health.life_cycle.episodes. All that must be remembered is in the last entry of each alert.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from models.health import Assessment
from models.health.life_cycle import CLOSED, RAISED, advance
from models.health.lines import OF_USE
from monitor.labels import limits_past, quantity_word
from monitor.ledger import Record
from monitor.plant import Asset
from monitor.standing import Standing
from monitor.words import _, index_text, quantity_text, utc_text

ALERT_LINE = 50.0
INDEX = "index"
COMPONENT_OF = {  # what wears when this quantity or line leaves its reference
    "vibration": "bearing", "vibration_step": "bearing", "bearing_temperature": "bearing",
    "bearing_over_ambient": "bearing", "current_imbalance": "motor", "voltage": "motor", "frequency": "motor",
    "current": "motor", "current_l1": "motor", "current_l2": "motor", "current_l3": "motor",
    "winding_temperature": "motor", "leak_back": "check_valve", "pressure_held": "check_valve",
    "frozen": "instrument",
}  # fmt: skip
OTHERWISE = "impeller"
NO_WEAR = OF_USE | {"flow_range"}  # how a pump is used: it wears by that, and is not worn
OF_REFERENCE = frozenset((  # causes that compare with what was learned; the others hold for any pump
    INDEX, "efficiency", "energy_per_head", "head_residual", "power_residual", "bearing_over_ambient", "vibration_step",
    "cavitation", "pump_down", "drift", "night_flow", "gain",
))  # fmt: skip
LEVELS = ("unknown", "normal", "warning", "alert")
LEVEL_OF = {"ok": "normal", "warn": "warning", "act": "alert"}  # word of a line


def own_alerts(
    asset: Asset, found: Assessment, standing: Standing, proof: Callable[[], Mapping[str, Any]], now_us: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(ledger drafts, rows of the alerts that stand) for one asset: raised, recovering, closed (models.health).

    `proof` tells of what the assessment was made; it is asked for entries only. Work or a finding on the component ends
    an alert; after that what compares with the learned reference raises nothing until the index was normal
    once (Standing.held).
    """
    before = {one.component or "": one for one in standing.alerts.values()}
    causes = {line.name: LEVEL_OF.get(line.word, "unknown") for line in found.lines if line.name not in NO_WEAR}
    causes[INDEX] = index_level(found)
    if standing.held:
        of_reference = (name for name in causes if name.partition(" ")[0] in OF_REFERENCE)
        causes |= {name: "unknown" for name in of_reference if causes[name] != "normal"}
    said = by_component(asset, found, causes, before)
    drafts, rows = [], []
    for component in sorted({*said, *before}):
        told = before.get(component)
        stage = str(told.data.get("stage", RAISED)) if told else ""
        raised_us = standing.raised_us.get(str(told.data["alert_id"]), told.at_us) if told else now_us
        known = causes_of(told) if told else []
        new = [one for one in said.get(component, ()) if causes[one] == "alert" and one not in known]
        looked_us = standing.looked_at(component, raised_us) if told else None
        level = worst([causes.get(one, "unknown") for one in {*known, *said.get(component, ())}])
        after = CLOSED if looked_us else advance(stage, told.at_us if told else now_us, level, now_us)
        if not after:
            continue
        if looked_us:
            new = []
        alert_id = str(told.data["alert_id"]) if told else f"OWN-{asset.id}-{component}-{utc_text(now_us)}"
        by = [*known, *new]
        anew = after == RAISED != stage
        text = alert_text(component, found, asset.kind, by) if anew or not told else str(told.data["text"])
        data = {"alert_id": alert_id, "text": text, "active": after != CLOSED, "stage": after, "by": by}
        if after != stage or new:
            ended = {"ended_by_work_at": utc_text(looked_us)} if looked_us else {}
            drafts.append(draft("own_alert", {**data, **proof(), **ended}, asset, component or None, now_us))
        if after != CLOSED:
            rows.append({"asset": asset.id, "component": component, "at_us": raised_us, **data})
    return drafts, rows


def causes_of(alert: Record) -> list[str]:
    """What raised an alert; one that names no cause is of the index."""
    return [str(one) for one in alert.data.get("by", (INDEX,))]


def index_level(found: Assessment) -> str:
    """What the index says, between its own lines: the assessment's word also has that of the physics lines."""
    if found.index is None or found.score is None or found.threshold is None:
        return "unknown"
    if found.score >= found.threshold:
        return "alert"
    return "warning" if found.score * 1.5 >= found.threshold else "normal"


def by_component(
    asset: Asset, found: Assessment, causes: Mapping[str, str], before: Mapping[str, Record]
) -> dict[str, list[str]]:
    """The causes past a line, by the component that they speak against."""
    said: dict[str, list[str]] = {}
    for name, level in causes.items():
        if level not in ("warning", "alert"):
            continue
        if name != INDEX:
            component = component_of(asset, name)
        else:
            holding = [part for part, one in before.items() if INDEX in causes_of(one)]
            top = found.top[0].quantity if found.top else ""
            component = holding[0] if holding else component_of(asset, top)
        said.setdefault(component, []).append(name)
    return said


def worst(levels: Sequence[str]) -> str:
    """The level of several causes together: past a line before unknown, and normal only where all are."""
    for level in ("alert", "warning", "unknown"):
        if level in levels:
            return level
    return "normal" if levels else "unknown"


def component_of(asset: Asset, quantity: str) -> str:
    """The component that a quantity or line speaks of; "" where this asset lists none of that name."""
    if asset.kind != "pump":
        return ""
    component = COMPONENT_OF.get(quantity, OTHERWISE)
    names = {one.name for one in asset.components}
    return component if component in names or not names else ""


def alert_text(component: str, found: Assessment, kind: str, by: Sequence[str]) -> str:
    """One sentence for the operator: the largest contribution, or the physics line, with value and expectation."""
    other = _("meter") if kind == "meter" else _("pump")
    proved = [line for line in found.lines if line.name in by and line.value is not None and line.act is not None]
    if INDEX in by and found.top and found.index is not None:
        top = found.top[0]
        return _("{component}: {quantity} {value}, expected {expected}; index {index}").format(
            component=component or other, quantity=quantity_word(top.quantity),
            value=quantity_text(top.value, top.unit), expected=quantity_text(top.expected, top.unit),
            index=index_text(found.index),
        )  # fmt: skip
    if proved:
        line = proved[0]
        [limit] = limits_past(line.value, line.reference, line.act)
        return _("{component}: {quantity} {value} is past {limit}").format(
            component=component or other, quantity=quantity_word(line.name),
            value=quantity_text(line.value, line.unit), limit=quantity_text(limit, line.unit),
        )  # fmt: skip
    return component or other


def draft(
    kind: str, data: Mapping[str, Any], asset: Asset | None, component: str | None, now_us: int
) -> dict[str, Any]:
    return {"kind": kind, "data": dict(data), "at_us": now_us, "via": "judge", "role": None,
            "site": asset.site if asset else None, "asset": asset.id if asset else data.get("asset"),
            "component": component}  # fmt: skip
