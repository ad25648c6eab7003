"""Learning on a person's word, and learning once more to see that the same comes out."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from drivers.errors import UserError
from models.health import HealthModel, fit
from models.health.state import STEADY
from monitor.beside import well_columns
from monitor.command_socket import obtain
from monitor.historian.frames import wide
from monitor.learning import DAY_US, alerts_since, called_before, carded, entry, fitted, store
from monitor.ledger import open_ledger
from monitor.ledger.through import TIMEOUT_S, allowed_role
from monitor.lock import hold_lock
from monitor.model.called import Called
from monitor.standing import BY_HAND
from monitor.state import State
from monitor.words import _, number_text, parse_utc, utc_text

if TYPE_CHECKING:
    from monitor.plant import Asset, Settings


LEAST_DAYS = 3.0  # of rows: fewer hold neither a weekend nor a change of duty


@dataclass(frozen=True, slots=True)
class Doubts:
    """What speaks against learning a window: what the model before calls it; how little was read of it [days]."""

    called: Called | None
    days: float
    least: float

    @property
    def short(self) -> bool:
        return self.days < self.least

    @property
    def words(self) -> list[str]:
        told = []
        if self.called:
            told.append(_("the model in force calls this window {words}").format(words=self.called.words))
        if self.short:
            words = _("only {days} days were read of the {least} that a window needs at least")
            told.append(words.format(days=number_text(self.days, 2), least=number_text(self.least, 2)))
        return told

    def entry(self, reason: str) -> dict[str, Any]:
        """What the ledger is told of it."""
        told = {"days_read": round(self.days, 3), "reason": reason or None}
        return told | ({"called": self.called.to_json()} if self.called else {})


@dataclass(frozen=True, slots=True)
class Although:
    """What is to be learned all the same, and why."""

    alert: bool = False
    short: bool = False
    reason: str = ""


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
    if "asset" in model.card:  # one that was learned before cards named their pump has no such word
        again = carded(again, settings, settings.asset(asset_id), values)
    same_data = again.card["data_sha256"] == model.card["data_sha256"]
    return Refit(again.sha256, same_data, again.sha256 == model.sha256)


def taught(state: State, settings: "Settings", asset: "Asset", span_us: tuple[int | None, int]) -> HealthModel:
    """What a window (its start or None, its end) [us, UTC] teaches; nothing is stored. UserError for nothing."""
    return _taught(state, settings, asset, span_us, "nobody yet")


def doubts(state: State, settings: "Settings", asset: "Asset", model: HealthModel) -> Doubts:
    """What speaks against the window that a model was just learned from, as history has it."""
    span_us = window_us(model)
    values, _share = wide(state, settings, asset.id, *span_us, model.every_s)
    read = int(np.isfinite(values.to_numpy(float)).any(axis=1).sum())
    found = called_before(state, settings, asset, model)
    return Doubts(found, read * model.every_s * 1e6 / DAY_US, min(LEAST_DAYS, settings.models.learn_days))


def learn_now(
    state: State, settings: "Settings", asset: "Asset", span_us: tuple[int | None, int], although: Although
) -> HealthModel:  # fmt: skip
    """The same, confirmed by the role of whoever calls, put into STATE and entered. Raises UserError.

    Who may confirm a baseline may do this while no daemon runs, never while an own alert on the pump is open, and of a
    window that is in doubt only if they say so and why.
    """
    role = who_may(state, settings, asset)
    model = _taught(state, settings, asset, span_us, role)
    doubt = doubts(state, settings, asset, model)
    refuse(asset.id, doubt, although)
    draft = entry(asset, {**model.to_json(), "sha256": model.sha256}, BY_HAND, time.time_ns() // 1000)
    draft["data"] |= doubt.entry(although.reason)
    enter(state, draft, lambda: store(state, asset.id, model))
    return model


def refuse(asset_id: str, doubt: Doubts, although: Although) -> None:
    """Raises UserError where the window is in doubt and nobody says why it is to be learned all the same."""
    wanted = [flag for is_so, said, flag in ((doubt.called, although.alert, "--although-alert"),
                                             (doubt.short, although.short, "--although-short"))
              if is_so and not said]  # fmt: skip
    wanted += ["--reason TEXT"] if doubt.words and not although.reason else []
    if wanted:
        raise UserError(
            f"model fit: {asset_id} not learned: {'; '.join(doubt.words)}; take another window, or, if it is sound all "
            f"the same, add {' and '.join(wanted)}: it then stands in the ledger and on the card"
        )


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
