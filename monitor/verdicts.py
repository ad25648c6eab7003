"""Verdicts: what the vendor claims beside what our own model says, per asset and component, while it can still change.

A verdict belongs to one pair of episodes, either of which may be missing. It is provisional until the match window
closes. It is no judgement on anybody: only an as-found finding confirms.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from models.bias.episodes import DAY_US, match, merge
from monitor.claims import alert_of, spoken_us
from monitor.ledger import Record
from monitor.plant import Review
from monitor.words import _, clean, index_text, number_text, parse_utc, utc_text

KINDS = ("vendor_alert", "own_alert", "verdict", "assessment", "work_order", "failure")
WORST = ("agree", "own_only", "vendor_only", "cannot_tell")  # the asset line shows the first of these that is open
WATCHED = 0.5  # of the match window after the claim: less, and the own model's silence means nothing


@dataclass(frozen=True, slots=True)
class Sight:
    """What the own model can say of an asset now; `index` is None where it cannot tell."""

    index: float | None
    good_share: float
    reason: str = ""
    changed: str = ""  # why what was learned of the asset may not hold any more
    held: bool = False  # whether it therefore raises nothing
    doubtful: frozenset[str] = frozenset()  # own alerts that rest on what was learned alone


@dataclass(frozen=True, slots=True)
class _Said:
    """The last word on one alert."""

    issued_us: int  # by the vendor's time where it gave one, UTC
    text: str
    active: bool


def judge(
    records: Sequence[Record], sights: Mapping[str, Sight], review: Review, now_us: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(verdicts that are open now, those of them and of the closed ones that changed since the ledger's last word).

    `records` are the ledger's entries of KINDS in order; `sights` the own model's present sight by asset. A verdict is
    open while an episode of its pair lasts or its match window has not closed.
    """
    vendor, own, said = _episodes(records, review, now_us)
    by_id = {one["id"]: one for one in [*vendor.to_dict("records"), *own.to_dict("records")]}
    told = _last_told(records)
    watch = _watched(records)
    window_us = round(review.match_days * DAY_US)
    shown, changed = [], []
    for pair in match(vendor, own, review.match_days).to_dict("records"):
        theirs, ours = by_id.get(pair["vendor_id"]), by_id.get(pair["own_id"])
        before = told.get(pair["vendor_id"] or "") or told.get(pair["own_id"] or "")
        one = _verdict(str(pair["asset"]), str(pair["component"]), theirs, ours, before, sights, watch, said,
                       window_us, now_us)  # fmt: skip
        if before is None or _essence(one) != _essence(before):
            changed.append(one)
        lasts = any(episode and math.isnan(episode["end_us"]) for episode in (theirs, ours))
        if lasts or not one["final"]:
            shown.append(one)
    return shown, changed


def worst_open(verdicts: Iterable[Mapping[str, Any]], asset: str) -> Mapping[str, Any] | None:
    """The verdict that the asset's line shows: the worst whose claim still stands, the oldest of equals."""
    mine = [
        one for one in verdicts
        if one["asset"] == asset
        and any(one[side] and one[side]["end"] is None for side in ("vendor_episode", "own_episode"))
    ]  # fmt: skip
    return min(mine, key=lambda one: (WORST.index(one["word"]), one["since"]), default=None)


def _verdict(
    asset: str, component: str, theirs: dict[Any, Any] | None, ours: dict[Any, Any] | None,
    before: Mapping[str, Any] | None, sights: Mapping[str, Sight], watch: Mapping[str, list[tuple[int, bool]]],
    said: Mapping[str, _Said], window_us: int, now_us: int,
) -> dict[str, Any]:  # fmt: skip
    started = int((theirs or ours or {})["start_us"])
    final = now_us > started + window_us
    claim = _claim(theirs or ours or {}, said) or clean(component)
    sight = sights.get(asset, Sight(None, 0.0, _("no own model for this asset")))
    standing = {one for one in (ours or {}).get("alerts", ()) if one in said and said[one].active}
    if sight.changed and not final and (standing <= sight.doubtful if standing else sight.held and not ours):
        word = "cannot_tell"
        asks = _("vendor asks: {claim}; own model cannot tell: {why}")
        told = asks if theirs else _("own model: {claim}; but it cannot tell: {why}")
        reason = told.format(claim=claim, why=sight.changed)
    elif theirs and ours:
        word, reason = "agree", _("vendor asks: {claim}; own model raised an alert too").format(claim=claim)
    elif ours:
        word, reason = "own_only", _("own model: {claim}; nothing from the vendor").format(claim=claim)
    elif final:
        seen = share_known(watch.get(asset, []), started, started + window_us)
        word = "vendor_only" if seen >= WATCHED else "cannot_tell"
        reason = _("vendor asks: {claim}; own model raised nothing and could tell {share} % of the time").format(
            claim=claim, share=number_text(100 * seen, 2)
        )
    elif sight.index is not None:
        word = "vendor_only"
        reason = _("vendor asks: {claim}; own index {index} (alert line 50) on {share} % good data").format(
            claim=claim, index=index_text(sight.index), share=number_text(100 * sight.good_share, 2)
        )
    else:
        word = "cannot_tell"
        reason = _("vendor asks: {claim}; own model cannot tell: {why}").format(claim=claim, why=sight.reason)
    if before is None:
        since = utc_text(started)
    else:
        since = str(before["since"]) if before["word"] == word else utc_text(now_us)
        if before["final"] and before["word"] == word:
            reason = str(before["reason"])
    return {
        "asset": asset, "component": component, "word": word, "since": since, "final": final, "reason": reason,
        "vendor_episode": _shown(theirs), "own_episode": _shown(ours),
    }  # fmt: skip


def _episodes(
    records: Sequence[Record], review: Review, now_us: int
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, _Said]]:
    """Vendor and own episodes, and the last word on each alert by its id."""
    rows: dict[str, list[tuple[Any, ...]]] = {"vendor_alert": [], "own_alert": []}
    closings: list[tuple[int, str, str]] = []
    said: dict[str, _Said] = {}
    for one in records:
        if one.asset is None:
            continue
        if one.kind in rows:
            alert_id = str(one.data["alert_id"])
            active = bool(one.data.get("active", True))
            rows[one.kind].append((one.at_us, one.asset, one.component or "", alert_id, active))
            before = said.get(alert_id)
            issued_us = spoken_us(alert_of(one.data, one.asset, one.component or "", "", one.at_us))
            if before is None or (active and issued_us >= before.issued_us):
                said[alert_id] = _Said(issued_us, str(one.data.get("text", "")), active)
            else:
                said[alert_id] = replace(before, active=active)
        elif one.kind == "failure":
            closings.append((one.at_us, one.asset, one.component or ""))
        elif one.kind == "work_order" and one.data.get("action") != "inspect" and one.data.get("done"):
            closings.append((parse_utc(str(one.data["done"])), one.asset, one.component or ""))
    work = pd.DataFrame(closings, columns=["at_us", "asset", "component"])
    found = []
    for kind, origin in (("vendor_alert", "vendor"), ("own_alert", "own")):
        alerts = pd.DataFrame(rows[kind], columns=["at_us", "asset", "component", "alert_id", "active"])
        found.append(merge(alerts, gap_days=review.merge_days, horizon_days=review.horizon_days, origin=origin,
                           closings=work, now_us=now_us))  # fmt: skip
    return found[0], found[1], said


def _claim(episode: Mapping[Any, Any], said: Mapping[str, _Said]) -> str:
    """What an episode asks for: the newest of its alerts that stand; after its end the newest, marked as ended."""
    alerts = [said[one] for one in dict.fromkeys(episode["alerts"]) if one in said]
    standing = [one for one in alerts if one.active] if math.isnan(episode["end_us"]) else []
    newest = max(standing or alerts, key=lambda one: one.issued_us, default=None)
    text = clean(newest.text) if newest else ""
    return text if standing or not text else _("{claim} (has ended)").format(claim=text)


def _last_told(records: Iterable[Record]) -> dict[str, dict[str, Any]]:
    """The ledger's last verdict by the id of each episode in it."""
    told: dict[str, dict[str, Any]] = {}
    for one in records:
        if one.kind == "verdict":
            for side in ("vendor_episode", "own_episode"):
                if one.data.get(side):
                    told[str(one.data[side]["id"])] = dict(one.data)
    return told


def _watched(records: Iterable[Record]) -> dict[str, list[tuple[int, bool]]]:
    """For each asset the times at which the own model began or ceased to be able to tell."""
    watch: dict[str, list[tuple[int, bool]]] = {}
    for one in records:
        if one.asset is None:
            continue
        if one.kind == "assessment":
            watch.setdefault(one.asset, []).append((one.at_us, one.data["index"] is not None))
        elif one.kind == "own_alert" and one.asset not in watch:
            watch[one.asset] = [(one.at_us, True)]  # whoever raised an alert could tell
    return watch


def share_known(changes: Sequence[tuple[int, bool]], start_us: int, end_us: int) -> float:
    """Share of [start, end) in which the own model could tell; before the first change it could not."""
    known = 0
    for (at, can_tell), (until, _unused) in zip(changes, [*changes[1:], (end_us, False)], strict=False):
        if can_tell:
            known += max(0, min(until, end_us) - max(at, start_us))
    return known / (end_us - start_us)


def _shown(episode: Mapping[Any, Any] | None) -> dict[str, Any] | None:
    if episode is None:
        return None
    end = episode["end_us"]
    return {
        "id": episode["id"], "start": utc_text(int(episode["start_us"])),
        "end": None if math.isnan(end) else utc_text(int(end)), "alerts": list(dict.fromkeys(episode["alerts"])),
    }  # fmt: skip


def _essence(verdict: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes a verdict another one: the reason moves with the index and does not."""
    sides = (verdict["vendor_episode"], verdict["own_episode"])
    return (verdict["word"], verdict["final"], *((side["id"], side["end"]) if side else None for side in sides))
