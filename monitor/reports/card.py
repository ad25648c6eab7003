"""The card of one model: what was learned, from what, with what lines, for what it holds, and how it did on its past.

Everything on it can be checked: the window can be learned again, the lines can be redone by hand.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from models.health import Assessment, HealthModel, Limits
from models.health.limits import vibration_lines
from models.health.meter import MeterLimits
from monitor.labels import health_word, line_word, operating_word, role_word
from monitor.learning import limits
from monitor.ledger import entries
from monitor.model.backtest import Backtest
from monitor.model.called import from_json
from monitor.model.confirming import waiting_words
from monitor.model.fitting import Refit, window_us
from monitor.model.life import Part, by_age, realised_words, words
from monitor.model.made_of import made_of, unit_of, why_left_out
from monitor.reasons import reason_text
from monitor.reports.document import Block, Cell, Document, Numbers, Paragraph, Section, Table, ledger_text
from monitor.reports.explanation import laws_table
from monitor.state import State
from monitor.words import (
    _,
    age_text,
    clean,
    figure_text,
    interval_text,
    language,
    local_text,
    number_text,
    quantity_text,
    share_text,
)

if TYPE_CHECKING:
    from monitor.plant import Asset, Settings


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card tells of; None for what there is not or what nobody asked for."""

    asset: "Asset"
    model: HealthModel | None
    missing: str  # why there is no model
    limits: Limits
    now: Assessment | None = None
    refit: Refit | None = None
    past: Backtest | None = None
    lasts: tuple[Part, ...] = ()
    pictures: tuple[Block, ...] = ()


def build(state: State, settings: "Settings", facts: Facts, now_us: int) -> Document:
    """The card as of `now_us` [us, UTC]."""
    zone = ZoneInfo(settings.time_zone)
    model = facts.model
    sha256 = model.sha256 if model else None
    doubts = tuple(Paragraph(one, "warning") for one in in_doubt(state, settings, facts.asset.id, sha256))
    waits = waiting_words(state, settings, facts.asset.id, now_us)
    waiting = (Paragraph(waits, "note"),) if waits else ()
    sections = [Section(_("Answer"), (*_answer(facts, zone), *doubts, *waiting))]
    if model:
        sections += [
            Section(_("What was learned"), (*doubts, *_learned(facts, model, zone))),
            Section(_("Tags and features"), _features(settings, facts.asset, model)),
            Section(_("The detector and its lines"), _detectors(model)),
            Section(_("As installed"), _as_installed(model)),
        ]
    if facts.now:
        sections.append(Section(_("Physics lines now"), (lines_table(facts.now),)))
    sections.append(Section(_("Limits in force"), _limits(facts, model)))
    if model:
        sections.append(Section(_("For what it holds"), _validity(model)))
    if facts.pictures:
        sections.append(Section(_("Pictures"), facts.pictures))
    if model:
        sections.append(Section(_("Back-test on its own past"), past_blocks(facts.past, zone)))
    if facts.lasts:
        sections.append(Section(_("How long it will last"), _lasts(facts.lasts)))
    sections.append(Section(_("How to read this"), _reading()))
    return Document(
        title=_("Model card {asset}").format(asset=facts.asset.id),
        subtitle=f"{clean(facts.asset.name, 60)}, {settings.utility}",
        meta=(
            (_("as of"), local_text(now_us, zone)),
            (_("model"), model.sha256 if model else "-"),
            (_("configuration"), settings.sha256[:16]),
            (_("ledger"), ledger_text(state)),
            (_("made again by"), f"handwheel model card {facts.asset.id}"),
        ),
        sections=tuple(sections),
        simulated=settings.simulated,
        language=language(),
    )


def learned(
    state: State, settings: "Settings", asset: "Asset", model: HealthModel, now_us: int, *, stored: bool = True
) -> Document:
    """What a model has just learned: the parts of the card that need no past."""
    whole = build(state, settings, Facts(asset, model, "", limits(settings, asset)), now_us)
    titles = (_("What was learned"), _("Tags and features"), _("The detector and its lines"), _("As installed"))
    meta = whole.meta if stored else whole.meta[:-1]  # nothing makes it again
    return replace(whole, meta=meta, sections=tuple(one for one in whole.sections if one.title in titles))


def in_doubt(state: State, settings: "Settings", asset_id: str, sha256: str | None) -> list[str]:
    """What spoke against the window when it was learned all the same, as the ledger has it."""
    if sha256 is None or not state.ledger.is_file():
        return []
    mine = [one for one in entries(state, ("model",))
            if one.asset == asset_id and one.data["sha256"] == sha256]  # fmt: skip
    data: Mapping[str, Any] = mine[-1].data if mine else {}
    said, days, told = from_json(data.get("called")), data.get("days_read"), []
    if said:
        told.append(_("THE MODEL BEFORE IT called this window {words}.").format(words=said.words))
    if days is not None and float(days) < settings.models.learn_days:
        words = _("Only {days} days were read, of the {all} that models are learned from otherwise.")
        told.append(words.format(days=number_text(float(days), 2), all=settings.models.learn_days))
    if told and data.get("reason"):
        told.append(_("Learned all the same, because: {reason}").format(reason=clean(data["reason"], 300)))
    return told


def confirmed_text(role: object) -> str:
    """Which role confirmed a window, or that nobody did."""
    return _("nobody yet") if role == "nobody yet" else role_word(str(role))


def _answer(facts: Facts, zone: ZoneInfo) -> tuple[Block, ...]:
    if facts.model is None:
        return (
            Paragraph(_("There is no model of this asset yet: {why}").format(why=facts.missing), "warning"),
            Paragraph(_("Those of the physics lines below that need no past speak all the same.")),
        )
    card, now, past = facts.model.card, facts.now, facts.past
    start_us, end_us = window_us(facts.model)
    boxes = [
        (_("learned from"), f"{local_text(start_us, zone)[:10]} - {local_text(end_us - 1, zone)[:10]}",
         _("{n} rows of {age}").format(n=card["rows"], age=age_text(facts.model.every_s))),
        (_("confirmed by"), confirmed_text(card["confirmed_by"]), _("role that called this window sound")),
    ]  # fmt: skip
    if now:
        rests = "; ".join(map(reason_text, now.reasons)) or operating_word(now.state)
        boxes.append((_("index now"), "-" if now.index is None else number_text(now.index),
                      f"{health_word(now.word)}; {rests}"))  # fmt: skip
    if past:
        boxes += _boxes(past)
    blocks: list[Block] = [Numbers(tuple(boxes))]
    if facts.refit:
        blocks.append(refit_line(facts.refit, facts.model.sha256))
    blocks += [Paragraph(clean(note), "note") for note in card["notes"]]
    return tuple(blocks)


def _boxes(past: Backtest) -> list[tuple[str, str, str]]:
    return [
        (_("false episodes"), interval_text(past.false.value, past.false.low, past.false.high),
         _("per pump-year; {n} in {years} pump-years, {undecided} undecided").format(
             n=past.false.n, years=number_text(past.years, 2), undecided=past.undecided)),
        (_("events found"), share_text(past.found.found, past.found.n), _("failures, and findings D or E")),
    ]  # fmt: skip


def refit_line(again: Refit, sha256: str) -> Paragraph:
    """The check that was run: the window learned once more."""
    if again.same:
        return Paragraph(_("CHECKED: learned again from the stored window, the same model came out bit for bit: {sha}")
                         .format(sha=again.sha256))  # fmt: skip
    why = (
        _("the data are the same, so program or libraries are others")
        if again.same_data
        else _("the stored window no longer holds the data that were learned")
    )
    words = _("NOT THE SAME: learned again, {other} came out and not {sha}: {why}")
    return Paragraph(words.format(other=again.sha256, sha=sha256, why=why), "warning")


def _learned(facts: Facts, model: HealthModel, zone: ZoneInfo) -> tuple[Block, ...]:
    card = model.card
    start_us, end_us = window_us(model)
    what: list[tuple[Cell, ...]] = [
        (_("from"), local_text(start_us, zone)),
        (_("to"), local_text(end_us, zone)),
        (_("one row each"), f"{model.every_s:g} s"),
        (_("confirmed by"), confirmed_text(card["confirmed_by"])),
        (_("model"), model.sha256),
        (_("data"), card["data_sha256"]),
        (_("seed"), _("none: nothing here is drawn by chance") if card["seed"] is None else str(card["seed"])),
        (_("libraries"), ", ".join(f"{name} {told}" for name, told in card["libraries"].items())),
    ]
    return (
        Table("learned", (_("what"), _("value")), tuple(what)),
        Table("rows", (_("rows"), _("count")), _rows(model)),
    )


def _rows(model: HealthModel) -> tuple[tuple[Cell, ...], ...]:
    """Where each row of the window went."""
    states: Mapping[str, int] = model.card["rows_by_state"]
    rows: list[tuple[Cell, ...]] = [(_("in the window"), int(model.card["rows"]))]
    for state, count in states.items():
        used = int(model.card["rows_used"].get(state, 0))
        if state not in model.detectors:
            rows.append((_("left out: {state}").format(state=operating_word(state)), count))
            continue
        rows.append((_("left out: {state}, but a tag had no good value").format(state=operating_word(state)),
                     count - used))  # fmt: skip
        if state in model.detectors:
            rows.append((_("left out: {state}, fewer than {n} rows since a gap").format(
                state=operating_word(state), n=model.card["lags"]), used - model.detectors[state].rows))  # fmt: skip
            rows.append((_("learned: {state}").format(state=operating_word(state)), model.detectors[state].rows))
    return tuple(rows)


def _features(settings: "Settings", asset: "Asset", model: HealthModel) -> tuple[Block, ...]:
    features = tuple(dict.fromkeys(name for one in model.detectors.values() for name in one.features))
    tags = {tag.quantity: clean(tag.name, 40) for tag in reversed(settings.tags_of(asset.id))}
    made: tuple[tuple[Cell, ...], ...] = tuple(
        (name, unit_of(name, model), tags.get(name, "-"), made_of(name, model)) for name in features
    )
    blocks: list[Block] = [Table("features", (_("feature"), _("unit"), _("tag"), _("made of")), made)]
    if model.eyes.laws:
        blocks.append(laws_table(model))
    heads = (_("feature"), _("median"), _("scale"), _("noise floor"), _("learned from"), _("to"))
    for state, one in model.detectors.items():
        columns = (one.centre, one.scale, one.floor, one.low, one.high)
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (name, *(figure_text(float(column[i])) for column in columns)) for i, name in enumerate(one.features)
        )
        note = _("State {state}. Scale: 1.4826 times the median deviation, never below the noise floor.")
        blocks.append(Table(f"baseline_{state}", heads, rows, note.format(state=operating_word(state))))
    left: tuple[tuple[Cell, ...], ...] = tuple(
        (name, why_left_out(name, model.rated, features)) for name in model.card["left_out"]
    )
    rule = _("Rows: bad, forced and maintenance values teach nothing. Of a window that nobody chose, nothing counts"
             " before the last failure was repaired or after an open own alert began. What a vendor claimed leaves"
             " nothing out: else it could choose what is called normal.")  # fmt: skip
    blocks.append(Table("left_out", (_("left out"), _("why")), left, rule))
    return tuple(blocks)


def _detectors(model: HealthModel) -> tuple[Block, ...]:
    card = model.card
    rows: list[tuple[Cell, ...]] = []
    for state, one in model.detectors.items():
        told = operating_word(state)
        rows += [
            (told, _("components k"), str(len(one.variances))),
            (told, _("variance kept"), f"{100 * one.variance_kept:.1f} %"),
            (told, _("T2 level (99 % of the cross-fitted rows)"), figure_text(one.t2_level)),
            (told, _("Q level (99 % of the cross-fitted rows)"), figure_text(one.q_level)),
            (told, _("warning line of the score"), figure_text(card["warning"] * one.worst)),
            (told, _("alert line of the score"), figure_text(card["alert"] * one.worst)),
        ]
    words = _(
        "Each row with {earlier} earlier rows of the same state; score = T2 / its level + Q / its level; the index"
        " rests on the median of the last {smooth} scores. Training scores come from models that had not seen the row"
        " ({blocks} blocks). Warning at {warning} and alert at {alert} times the largest of their medians. States"
        " without a line here are not judged."
    ).format(earlier=card["lags"] - 1, smooth=card["smoothing_rows"], blocks=card["blocks"],
             warning=figure_text(card["warning"]), alert=figure_text(card["alert"]))  # fmt: skip
    return (Paragraph(words), Table("detector", (_("state"), _("what"), _("value")), tuple(rows)))


def _as_installed(model: HealthModel) -> tuple[Block, ...]:
    curves = model.reference.curves.items()
    rows: tuple[tuple[Cell, ...], ...] = tuple((name, *(figure_text(x) for x in (c.a, c.b, c.c))) for name, c in curves)
    holds: tuple[tuple[Cell, ...], ...] = tuple(
        (name, figure_text(c.low, 4), figure_text(c.high, 4), figure_text(c.spread, 3), c.n) for name, c in curves
    )
    note = _("Value = a + b x + c x^2 at normalised flow x = flow / s, s = speed / rated speed (1 without a speed"
             " tag). Head is divided by s^2, power by s^3.")  # fmt: skip
    spread = _("Outside these flows and 5 % nothing is said. Spread: 1.4826 times the median distance from the curve.")
    medians: tuple[tuple[Cell, ...], ...] = tuple(
        (name, figure_text(value), model.units.get(name, "")) for name, value in model.reference.medians.items()
    )
    return (
        Table("curves", (_("curve"), "a", "b", "c"), rows, note),
        Table("flows", (_("curve"), _("flow from [m3/h]"), _("to"), _("spread"), _("rows")), holds, spread),
        Table("medians", (_("median of the window"), _("value"), _("unit")), medians),
    )


def lines_table(now: Assessment) -> Table:
    """The lines of an assessment with what they are judged by."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (one.name, one.unit, one.value, one.reference, one.warn, one.act, line_word(one.word)) for one in now.lines
    )
    heads = (_("line"), _("unit"), _("value"), _("reference"), _("warning"), _("act"), _("word"))
    return Table("lines", heads, rows, _("At {time} (UTC).").format(time=now.lines_at or now.at or "-"))


def limits_table(in_force: Limits | MeterLimits) -> Table:
    """The limits in force."""
    rows: list[tuple[Cell, ...]] = []
    for name, value in asdict(in_force).items():
        if isinstance(value, tuple):
            rows.append((name, *(figure_text(one) for one in value)))
        elif isinstance(value, int | float):
            rows.append((name, figure_text(value), "-"))
    return Table("limits", (_("limit"), _("warning or value"), _("act")), tuple(rows))


def _limits(facts: Facts, model: HealthModel | None) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if model:
        bounds = vibration_lines(model.rated, facts.limits)
        told = _("Vibration zones A/B, B/C, C/D of this pump: {a}, {b}, {c}. A line fires only past {k} times its"
                  " uncertainty.")  # fmt: skip
        a, b, c = (quantity_text(one, "mm/s") for one in bounds)
        blocks.append(Paragraph(told.format(a=a, b=b, c=c, k=figure_text(facts.limits.coverage))))
    return (*blocks, limits_table(facts.limits))


def _validity(model: HealthModel) -> tuple[Block, ...]:
    rows: list[tuple[Cell, ...]] = [
        (name, figure_text(low, 4), figure_text(high, 4), model.units.get(name, ""))
        for name, (low, high) in model.card["valid_range"].items()
    ]
    start_us, end_us = window_us(model)
    months = _("The window holds {days} days, {first} to {last}; another season is outside of what it knows.").format(
        days=number_text((end_us - start_us) / 86_400e6, 2), first=local_text(start_us)[:7],
        last=local_text(end_us - 1)[:7],
    )  # fmt: skip
    note = _("Beyond these ranges and a margin the model steps back and says unknown.")
    return (
        Paragraph(months, "note"),
        Table("valid", (_("quantity"), _("from"), _("to"), _("unit")), tuple(rows), note),
    )


def past_blocks(past: Backtest | None, zone: ZoneInfo) -> tuple[Block, ...]:
    if past is None:
        return (Paragraph(_("not run: handwheel model backtest runs it")),)
    said = {
        "event": _("a failure, or a finding D or E"),
        "sound": _("a finding A, B or C"),
        "undecided": _("undecided yet"),
        "nothing": _("nothing found"),
    }
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (local_text(one.start_us, zone), local_text(one.end_us, zone), one.top or "-", said[one.followed_by])
        for one in past.raised
    )
    heads = (_("own alert from"), _("to"), _("mostly by"), _("followed by"))
    return (
        Paragraph(past.words),
        Table("backtest", (_("what"), _("value")), tuple(past.rows(zone))),
        Table("own_episodes", heads, rows),
    )


def _lasts(lasts: tuple[Part, ...]) -> tuple[Block, ...]:
    rows: tuple[tuple[Cell, ...], ...] = tuple((one.name or _("the pump as a whole"), words(one)) for one in lasts)
    note = _("No date is a promise: {words}.").format(words=realised_words(lasts[0]))
    told = Table("lasts", (_("part"), _("what can be said")), rows, note)
    counts = tuple(row for one in lasts for row in by_age(one))
    if not counts:
        return (told,)
    head = (
        _("part"),
        _("age"),
        _("lives"),
        _("failures"),
        _("failures a year"),
        _("by the curve"),
        _("failed or worn"),
    )
    beside = _(
        "Counts by age of all parts of the class, the rate with its interval. A part taken out in time counts as not"
        " failed; in the last column it counts as failed where an independent hand found it worn. The truth lies"
        " between."
    )
    return (told, Table("ages", head, counts, beside))


def _reading() -> tuple[Block, ...]:
    return (
        Paragraph(_("Index 100 is the pump as learned, 50 the alert line: index = 100 x 0.5^(score / alert line). It is"
                    " no share of life left. `handwheel model explain` prints one assessment so that it can be redone"
                    " by hand.")),
        Paragraph(_("The model cannot tell wear from a changed instrument, knows only what the window showed, and says"
                    " nothing of a tag that is not read. A finding judges it; it judges nobody."), "note"),
    )  # fmt: skip
