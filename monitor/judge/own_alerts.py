"""Own alerts: raised, recovering, closed, one for each component; and the words in which an operator reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from models.health import Assessment
from models.health.life_cycle import CLOSED, RAISED, advance
from models.health.lines import OF_USE
from monitor.labels import quantity_word
from monitor.ledger import Record
from monitor.plant import Asset
from monitor.words import _, number_text, quantity_text, utc_text

ALERT_LINE = 50.0
COMPONENT_OF = {  # what wears when this quantity or line leaves its reference
    "vibration": "bearing", "vibration_step": "bearing", "bearing_temperature": "bearing",
    "bearing_over_ambient": "bearing", "current_imbalance": "motor", "voltage": "motor", "frequency": "motor",
    "current": "motor", "current_l1": "motor", "current_l2": "motor", "current_l3": "motor",
    "winding_temperature": "motor", "leak_back": "check_valve",
}  # fmt: skip
OTHERWISE = "impeller"
LEVELS = ("unknown", "normal", "warning", "alert")


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
            drafts.append(draft("own_alert", data, asset, component or None, now_us))
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
        if line.word in ("warn", "act") and line.name not in OF_USE:
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


def draft(
    kind: str, data: Mapping[str, Any], asset: Asset | None, component: str | None, now_us: int
) -> dict[str, Any]:
    return {"kind": kind, "data": dict(data), "at_us": now_us, "via": "judge", "role": None,
            "site": asset.site if asset else None, "asset": asset.id if asset else data.get("asset"),
            "component": component}  # fmt: skip
