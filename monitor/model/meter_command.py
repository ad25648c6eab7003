"""`handwheel model` on meters: the same verbs as for pumps, on what stands in the hot file by the hour."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from drivers.errors import UserError
from monitor import meters
from monitor.historian.reader import HotReader
from monitor.learning import ModelDamaged, TooEarly, Window
from monitor.meters.accounts import HOUR_S
from monitor.meters.judging import JUDGED_DAYS, Seen
from monitor.model import meter_past
from monitor.model.fitting import LEAST_DAYS, Although, Doubts, Refit, enter, refuse, who_may
from monitor.model.meter_called import called_before
from monitor.model.meter_past import MeterPast
from monitor.model.scoring import kept_of, learned_words
from monitor.progress import Tell, Work
from monitor.standing import BY_HAND
from monitor.state import State
from monitor.words import _, parse_utc, utc_text

if TYPE_CHECKING:
    from monitor.plant import Asset, Settings

DAY_S = 86_400
PAST_DAYS = 365


@dataclass(frozen=True, eq=False)
class MeterFacts:
    """What a meter's card tells of; None for what there is not or what nobody asked for."""

    meter: "Asset"
    model: meters.MeterModel
    missing: tuple[str, ...]  # what would let more be said, one sentence each
    now: Seen | None = None
    refit: Refit | None = None
    past: MeterPast | None = None
    walked: tuple[Seen, ...] = ()


def see(state: State, settings: "Settings", chosen: "Sequence[Asset]", at_us: int, *, now: bool) -> list[Seen]:
    """The assessments of these meters at the last full hour before `at_us` [us, UTC]; `now`: is that the present.

    Of a past time by the models that judged then, where their bytes are kept; else by those of today.
    Where the hot file does not reach back that far, it is a reason. UserError for one of which nothing can be said.
    """
    if not chosen:
        return []
    digests = {} if now else kept_of(state, at_us)
    found, words = meters.see(state, settings, at_us, digests), _reach(state, at_us)
    for one in chosen:
        if one.id not in found:
            raise UserError(f"model: nothing can be said of {one.id}; `handwheel model card {one.id}` names what would")
    return [_told(found[one.id], now or found[one.id].model.sha256 == digests.get(one.id), words) for one in chosen]


def _told(seen: Seen, in_force: bool, reach: str) -> Seen:
    """An assessment that says by what it was judged, and how far its hours reach."""
    sha256 = seen.model.sha256
    words = [reach] if reach else []
    words += [learned_words(sha256, seen.model.facts, in_force)] if sha256 else []
    found = replace(seen.found, reasons=(*seen.found.reasons, *words))
    return replace(seen, found=found, in_force=in_force or sha256 is None)


def _reach(state: State, at_us: int) -> str:
    """How far the hours reach, where they do not hold all days before `at_us`; else ""."""
    first_s, last_s = HotReader(state.hot).rollup_extent().get(HOUR_S, (None, None))
    if first_s is None or last_s is None:
        return _("the hot file has no hours yet")
    at_s = at_us // 1_000_000
    if at_s - JUDGED_DAYS * DAY_S >= first_s and at_s <= last_s + JUDGED_DAYS * DAY_S:
        return ""
    words = _("the hot file has hours from {first} to {last} only")
    return words.format(first=utc_text(first_s * 10**6)[:16], last=utc_text((last_s + HOUR_S) * 10**6)[:16])


def taught(
    state: State, settings: "Settings", meter: "Asset", span_us: tuple[int | None, int], confirmed_by: str | None = None
) -> meters.MeterModel:
    """What a window (its start or None, its end) [us, UTC] teaches; nothing is stored. UserError for nothing."""
    try:
        return meters.taught(state, settings, meter, span_us, confirmed_by)
    except TooEarly as early:
        raise UserError(f"model fit: {meter.id} taught nothing: {early}") from early


def doubts(state: State, settings: "Settings", meter: "Asset", model: meters.MeterModel) -> Doubts:
    """What speaks against the window that a meter was just learned from."""
    start_s, end_s = (parse_utc(model.facts[name]) // 10**6 for name in ("window_start", "window_end"))
    read = int(meters.hours(state, settings, meter, start_s, end_s).read.sum())
    found = called_before(state, settings, meter, model)
    return Doubts(found, read * HOUR_S / DAY_S, min(LEAST_DAYS, settings.models.learn_days))


def learn_now(
    state: State, settings: "Settings", meter: "Asset", span_us: tuple[int | None, int], although: Although
) -> meters.MeterModel:  # fmt: skip
    """The same, confirmed by the role of whoever calls, put into STATE and entered. Raises UserError.

    Of a window that is in doubt only if they say so and why.
    """
    model = taught(state, settings, meter, span_us, who_may(state, settings, meter))
    doubt = doubts(state, settings, meter, model)
    refuse(meter.id, doubt, although)
    draft = meters.entry(meter, model.to_json(), BY_HAND, time.time_ns() // 1000)
    draft["data"] |= doubt.entry(although.reason)
    enter(state, draft, lambda: meters.store(state, meter.id, model))
    return model


def refit(state: State, settings: "Settings", meter: "Asset", model: meters.MeterModel) -> Refit:
    """The stored window learned once more from the hot file."""
    start_us, end_us = parse_utc(model.facts["window_start"]), parse_utc(model.facts["window_end"])
    window = Window(HOUR_S, start_us, end_us, end_us)
    try:
        again = meters.from_window(state, settings, meter, window, model.facts["confirmed_by"])
    except TooEarly:
        return Refit("-", False, False)
    return Refit(str(again.sha256), again.facts["data_sha256"] == model.facts["data_sha256"],
                 again.sha256 == model.sha256)  # fmt: skip


def facts(
    state: State, settings: "Settings", meter: "Asset", now_us: int, tell: Tell, *, again: bool, past: bool
) -> MeterFacts:  # fmt: skip
    """The facts of one meter's card; `again` and `past` say which of the long ones are wanted."""
    try:
        model = meters.load(state, meter.id)
    except ModelDamaged as fault:
        return MeterFacts(meter, meters.MeterModel(), (str(fault),))
    lacking = missing(settings, meter, model)
    if meter.id not in {one.id for one in meters.meters(settings)}:
        return MeterFacts(meter, model, lacking)
    (now,) = see(state, settings, [meter], now_us, now=True)
    twice = refit(state, settings, meter, model) if again and model.sha256 else None
    if not past:
        return MeterFacts(meter, model, lacking, now, twice)
    walked = walk(state, settings, (now_us - PAST_DAYS * DAY_S * 10**6, now_us), tell)
    told = meter_past.judged(state, settings, walked, meter.id)
    return MeterFacts(meter, model, lacking, now, twice, told, tuple(one[meter.id] for one in walked))


def walk(state: State, settings: "Settings", span_us: tuple[int, int], tell: Tell) -> list[dict[str, Seen]]:
    """The past of all meters, walked with what is learned of them today."""
    models: dict[str, meters.MeterModel] = {}
    for one in meters.meters(settings):
        models[one.id] = meters.load(state, one.id)
    first_s = HotReader(state.hot).rollup_extent().get(HOUR_S, (span_us[1] // 10**6, 0))[0]
    start_us = max(span_us[0], first_s * 10**6)
    with Work(_("back-test"), len(meter_past.days_of(start_us, span_us[1])), tell) as work:
        return meter_past.walk(state, settings, models, (start_us, span_us[1]), work)


def missing(settings: "Settings", meter: "Asset", model: meters.MeterModel) -> tuple[str, ...]:
    """What would let more be said of a meter, one sentence each."""
    found: list[str] = []
    flow = next((tag.name for tag in settings.tags_of(meter.id) if tag.quantity == "flow"), "")
    sides = meters.sides_of(settings, meter)
    for one in meters.left_out(settings, meter):
        words = _("account {name} says nothing: {tags} is computed inside its device")
        found.append(words.format(name=one.name, tags=", ".join(meters.estimated_in(settings, one))))
    if flow and not sides:
        pumps = [
            f"{one.id}.flow" for one in settings.assets
            if one.kind == "pump" and meter.duty and (one.site, one.duty) == (meter.site, meter.duty)
            and any(tag.name == f"{one.id}.flow" and not tag.estimated for tag in settings.tags)
        ]  # fmt: skip
        parts = ", ".join(f'"{name}"' for name in pumps) or '"...", "..."'
        lines = f'[[crosscheck]] name = "{meter.name}", kind = "sum", whole = "{flow}", parts = [{parts}]'
        words = _("no account: no cross-check holds this meter against others. In site.toml: {lines}")
        found.append(words.format(lines=lines))
    spoken = meters.spoken(settings, meter)
    if flow and meter.duty:
        found.append(
            _("no night flow: it measures what pumps move (its duty), and its nights show how they are switched")
        )
    for quantity, line in (("flow", _("night flow")), ("signal_quality", _("signal")), ("gain", _("gain"))):
        if quantity not in spoken and not (quantity == "flow" and flow and meter.duty):
            found.append(_("no {line}: no tag {tag} of its own measuring").format(
                line=line, tag=f"{meter.id}.{quantity}"))  # fmt: skip
    if sides or spoken:
        unlearned = [one.name for one in sides if one.name not in model.reference.ratios]
        found += [
            _("account {name} has taught nothing yet: it needs 7 days on which both sides were read").format(name=name)
            for name in unlearned
        ]
    return tuple(found)
