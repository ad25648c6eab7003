"""Learning on a person's word, and learning once more to see that the same comes out."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from drivers.errors import UserError
from models.health import HealthModel, fit
from models.health.state import STEADY
from monitor.beside import well_columns
from monitor.command_socket import obtain
from monitor.historian.frames import wide
from monitor.learning import alerts_since, entry, fitted, store
from monitor.ledger import open_ledger
from monitor.ledger.through import TIMEOUT_S, allowed_role
from monitor.lock import hold_lock
from monitor.standing import BY_HAND
from monitor.state import State
from monitor.words import parse_utc, utc_text

if TYPE_CHECKING:
    from monitor.plant import Asset, Settings


@dataclass(frozen=True, slots=True)
class Refit:
    """The stored window learned once more: the digest it gives, whether its data are the same, whether all is."""

    sha256: str
    same_data: bool
    same: bool


def window_us(model: HealthModel) -> tuple[int, int]:
    """The window that a model was learned from, start included and end not. UTC [us]"""
    card = model.card
    return parse_utc(card["window_start"]), parse_utc(card["window_end"]) + round(model.every_s * 1e6)


def refit(state: State, settings: "Settings", asset_id: str, model: HealthModel) -> Refit:
    """Read the window of a stored model from history again and learn from it with what the model was learned with."""
    start_us, end_us = window_us(model)
    frames = partial(wide, state, settings, start_us=start_us, end_us=end_us, every_s=model.every_s)
    values, share = frames(asset_id)
    again = fit(
        values, share, model.rated, every_s=model.every_s, confirmed_by=str(model.card["confirmed_by"]),
        beside=well_columns(settings, settings.asset(asset_id), frames),
    )  # fmt: skip
    same_data = again.card["data_sha256"] == model.card["data_sha256"]
    return Refit(again.sha256, same_data, again.sha256 == model.sha256)


def taught(state: State, settings: "Settings", asset: "Asset", span_us: tuple[int | None, int]) -> HealthModel:
    """What a window (its start or None, its end) [us, UTC] teaches; nothing is stored. UserError for nothing."""
    return _taught(state, settings, asset, span_us, "nobody yet")


def learn_now(state: State, settings: "Settings", asset: "Asset", span_us: tuple[int | None, int]) -> HealthModel:
    """The same, confirmed by the role of whoever calls, put into STATE and entered. Raises UserError.

    Who may confirm a baseline may do this while no daemon runs, never while an own alert on the pump is open.
    """
    role = who_may(state, settings, asset)
    model = _taught(state, settings, asset, span_us, role)
    body = {**model.to_json(), "sha256": model.sha256}
    enter(state, entry(asset, body, BY_HAND, time.time_ns() // 1000), lambda: store(state, asset.id, model))
    return model


def who_may(state: State, settings: "Settings", asset: "Asset") -> str:
    """The role in whose name this user may learn an asset anew now. Raises UserError where it may not."""
    role = allowed_role("confirm_baseline", settings)
    if state.ledger.is_file() and asset.id in alerts_since(state):
        raise UserError(
            f"model fit: an own alert on {asset.id} is open: what is learned from a sick {asset.kind} calls it sound; "
            "close the alert first, or look only, with --dry"
        )
    return role


def enter(state: State, draft: dict[str, Any], keep: Callable[[], None]) -> None:
    """Store what was learned and enter it, under the daemon's lock."""
    with hold_lock(state):
        ledger = open_ledger(state)
        try:
            keep()
            ledger.append_many([{**draft, "via": "command"}])
        finally:
            ledger.close()


def confirm(state: State, asset: "Asset", start_us: int, reason: str) -> None:
    """Tell the daemon that runs that the pump is sound from `start_us` [us, UTC] on: it learns it anew from there."""
    obtain(state, "confirm_baseline", {"asset": asset.id, "from": utc_text(start_us), "reason": reason}, TIMEOUT_S)


def _taught(
    state: State, settings: "Settings", asset: "Asset", span_us: tuple[int | None, int], confirmed_by: str
) -> HealthModel:
    start_us, end_us = span_us
    model = fitted(state, settings, asset.id, end_us, confirmed_by, start_us)
    if STEADY not in model.detectors:
        raise UserError(f"model fit: {asset.id} taught nothing: {'; '.join(model.card['notes'])}")
    return model
