"""What can be said of each meter at an hour, and which one the accounts point to together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.health import Assessment
from models.health.judged import Line
from models.health.meter import MeterLimits, meter_lines, suspects
from monitor.learning import ModelDamaged
from monitor.meters.accounts import HOUR_S, Hours, hours, meters, sides_of
from monitor.meters.learning import MeterModel, limits, load
from monitor.plant import Asset, Settings
from monitor.state import State
from monitor.words import _, utc_text

JUDGED_DAYS = 8  # seven whole days and the rest of today
DAY_H = 24


@dataclass(frozen=True, eq=False)
class Seen:
    """One assessment of a meter with what it was made of."""

    asset: Asset
    hours: Hours
    model: MeterModel
    limits: MeterLimits
    found: Assessment
    in_force: bool = True  # whether the model is the one that judged at that time

    @property
    def rows(self) -> dict[str, Any]:
        """The rows that were judged, for the ledger."""
        return {"every_s": HOUR_S, "rows": len(self.hours.values), "end": self.found.at,
                "data_sha256": self.hours.data_sha256}  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the digest of what was learned."""
        return {
            "asset": self.asset.id,
            "model_sha256": self.model.sha256,
            "model_in_force_then": self.in_force,
            "every_s": HOUR_S,
            **self.found.to_dict(),
        }


def assess(
    state: State, settings: Settings, now_us: int
) -> dict[str, tuple[Assessment, str | None, dict[str, Any]]]:  # fmt: skip
    """What can be said of each meter at the last full hour, the digest of its reference, the rows judged, by id."""
    return {name: (one.found, one.model.sha256, one.rows) for name, one in see(state, settings, now_us).items()}


def see(
    state: State, settings: Settings, at_us: int, digests: Mapping[str, str] | None = None
) -> dict[str, Seen]:  # fmt: skip
    """The assessment of each meter at the last full hour before `at_us` [us, UTC], by id.

    With `digests` these meters are judged by the kept model of that digest.
    """
    end_s = at_us // 1_000_000 // HOUR_S * HOUR_S
    read, models, notes = dict[str, Hours](), dict[str, MeterModel](), dict[str, str]()
    for meter in meters(settings):
        read[meter.id] = hours(state, settings, meter, end_s - JUDGED_DAYS * 86_400, end_s)
        try:
            models[meter.id] = load(state, meter.id, (digests or {}).get(meter.id, ""))
        except ModelDamaged as fault:
            models[meter.id], notes[meter.id] = MeterModel(), str(fault)
    return at_hour(settings, read, models, end_s, notes)


def at_hour(
    settings: Settings, read: Mapping[str, Hours], models: Mapping[str, MeterModel], end_s: int,
    notes: Mapping[str, str] | None = None,
) -> dict[str, Seen]:  # fmt: skip
    """The same from hours that were read already, which end at `end_s` [s, UTC]."""
    by_id = {one.id: one for one in settings.assets if one.id in read}
    in_force = {name: limits(settings, meter) for name, meter in by_id.items()}
    lines = {
        name: meter_lines(one.values, one.accounts, models[name].reference, in_force[name], settings.time_zone)
        for name, one in read.items()
    }
    suspected = suspects(*_accounts_by_word(settings, lines))
    found = {}
    for name, one in read.items():
        good = float(one.part(-DAY_H, len(one.values)).read.mean())
        told = _assessment(end_s, _attributed(name, lines[name], suspected), good, (notes or {}).get(name, ""))
        found[name] = Seen(by_id[name], one, models[name], in_force[name], told)
    return found


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
    for asset_id, own in lines.items():
        told = {one.name: one.word for one in own}
        for sides in sides_of(settings, settings.asset(asset_id)):
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
