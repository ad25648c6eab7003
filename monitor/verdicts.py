"""Verdicts: what the vendor claims beside what our own model says, per asset and component, while it can still change.

A verdict belongs to one pair of episodes, either of which may be missing. It is provisional until the match window
closes. It is no judgement on anybody: only an as-found finding confirms.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from models.bias.episodes import DAY_US, match, merge
from monitor.ledger import Record
from monitor.plant import Review
from monitor.words import _, clean, number_text, parse_utc, utc_text

KINDS = ("vendor_alert", "own_alert", "verdict", "assessment", "work_order", "failure")
WORST = ("agree", "own_only", "vendor_only", "cannot_tell")  # the asset line shows the first of these that is open
WATCHED = 0.5  # of the match window after the claim: less, and the own model's silence means nothing


@dataclass(frozen=True, slots=True)
class Sight:
    """What the own model can say of an asset now; `index` is None where it cannot tell."""

    index: float | None
    good_share: float
    reason: str = ""


def judge(
    records: Sequence[Record], sights: Mapping[str, Sight], review: Review, now_us: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(verdicts that are open now, those of them and of the closed ones that changed since the ledger's last word).

    `records` are the ledger's entries of KINDS in order; `sights` the own model's present sight by asset. A verdict is
    open while an episode of its pair lasts or its match window has not closed.
    """
    vendor, own, texts = _episodes(records, review, now_us)
    by_id = {one["id"]: one for one in [*vendor.to_dict("records"), *own.to_dict("records")]}
    told = _last_told(records)
    watch = _watched(records)
    window_us = round(review.match_days * DAY_US)
    shown, changed = [], []
    for pair in match(vendor, own, review.match_days).to_dict("records"):
        theirs, ours = by_id.get(pair["vendor_id"]), by_id.get(pair["own_id"])
        before = told.get(pair["vendor_id"] or "") or told.get(pair["own_id"] or "")
        one = _verdict(str(pair["asset"]), str(pair["component"]), theirs, ours, before, sights, watch, texts,
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
    texts: Mapping[str, str], window_us: int, now_us: int,
) -> dict[str, Any]:  # fmt: skip
    started = int((theirs or ours or {})["start_us"])
    final = now_us > started + window_us
    claim = clean(texts.get((theirs or ours or {})["alerts"][0], "") or component)
    sight = sights.get(asset, Sight(None, 0.0, _("no own model for this asset")))
    if theirs and ours:
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
            claim=claim, index=number_text(sight.index, 2), share=number_text(100 * sight.good_share, 2)
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
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    """Vendor and own episodes, and the text of each alert by its id."""
    rows: dict[str, list[tuple[Any, ...]]] = {"vendor_alert": [], "own_alert": []}
    closings: list[tuple[int, str, str]] = []
    texts: dict[str, str] = {}
    for one in records:
        if one.asset is None:
            continue
        if one.kind in rows:
            alert_id = str(one.data["alert_id"])
            active = bool(one.data.get("active", True))
            rows[one.kind].append((one.at_us, one.asset, one.component or "", alert_id, active))
            texts.setdefault(alert_id, str(one.data.get("text", "")))
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
    return found[0], found[1], texts


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
