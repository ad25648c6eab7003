"""All that a card tells of, gathered: the model, what it says now, its past, its window learned once more."""

from typing import TYPE_CHECKING

from models.health import physics
from monitor.learning import ModelDamaged, limits, load
from monitor.model.backtest import judged, spans
from monitor.model.backtest import past as walked_past
from monitor.model.fitting import refit, window_us
from monitor.model.life import Part, parts
from monitor.model.scoring import see
from monitor.progress import Tell, Work
from monitor.reports.card import Facts
from monitor.reports.model_plots import pictures
from monitor.state import State
from monitor.words import _

if TYPE_CHECKING:
    from monitor.plant import Asset, Settings
    from monitor.reports.document import Block

DAY_US = 86_400_000_000
PAST_DAYS = 365
DRAWN_DAYS = 90


def facts(
    state: State, settings: "Settings", asset: "Asset", now_us: int, tell: Tell, *,
    again: bool, past: bool, drawn: bool,
) -> Facts:  # fmt: skip
    """The facts of one pump's card; `again`, `past` and `drawn` say which of the long ones are wanted."""
    in_force = limits(settings, asset)
    try:
        model = load(state, asset.id)
    except ModelDamaged as fault:
        return Facts(asset, None, str(fault), in_force)
    if model is None:
        missing = _("nothing was learned; a model needs some weeks of good values in history, then the daemon learns it"
                    " by itself, or `handwheel model fit {asset}` does").format(asset=asset.id)  # fmt: skip
        (seen,) = see(state, settings, [asset], now_us, now=True)
        return Facts(asset, None, missing, in_force, seen.found)
    days = PAST_DAYS if past else DRAWN_DAYS
    span_us = (now_us - days * DAY_US, now_us)
    found = told = None
    lasts: tuple[Part, ...] = ()
    shown: tuple[Block, ...] = ()
    with Work(_("model card"), again + len(spans(*span_us)) * (past or drawn), tell) as work:
        if again:
            found = refit(state, settings, asset.id, model)
            work.add()
        if past or drawn:
            values, walked = walked_past(state, settings, asset, model, span_us, work)
            if past:
                told = judged(state, settings, asset.id, model, values, walked)
                lasts = parts(state, settings, asset, walked, now_us)
            if drawn:
                derived = physics.derived(values, model.rated)
                shown = pictures(model, walked, derived, in_force, window_us(model))
    (seen,) = see(state, settings, [asset], now_us, now=True)
    return Facts(asset, model, "", in_force, seen.found, found, told, lasts, shown)
