"""The card of one meter: its accounts, what was learned of them, what is missing, what its lines say, and its past."""

from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from models.health.meter import MeterLimits, daily_sums
from monitor import meters
from monitor.labels import health_word, line_word, quantity_word
from monitor.meters import MeterModel, Seen, Sides
from monitor.model.meter_command import MeterFacts
from monitor.model.meter_past import MeterPast
from monitor.reasons import reason_text
from monitor.reports import plots
from monitor.reports.card import confirmed_text, in_doubt, limits_table, lines_table, past_blocks, refit_line
from monitor.reports.document import Block, Cell, Document, Numbers, Paragraph, Plot, Section, Table, ledger_text
from monitor.state import State
from monitor.words import _, clean, figure_text, interval_text, language, local_text, number_text, parse_utc

if TYPE_CHECKING:
    from monitor.plant import Asset, Settings

DAY_S = 86_400.0


def build(state: State, settings: "Settings", facts: MeterFacts, now_us: int) -> Document:
    """The card as of `now_us` [us, UTC]."""
    zone = ZoneInfo(settings.time_zone)
    meter, model, now = facts.meter, facts.model, facts.now
    doubts = tuple(Paragraph(one, "warning") for one in in_doubt(state, settings, meter.id, model.sha256))
    sections = [
        Section(_("Answer"), (*_answer(facts, zone), *doubts)),
        Section(_("What was learned"), (*doubts, *_learned(model, zone))),
        Section(_("Accounts"), _accounts(settings, meter, model)),
        Section(_("What is missing"), _missing(facts)),
    ]
    if now:
        sections.append(Section(_("Lines now"), (lines_table(now.found), *_notes(now))))
    in_force = now.limits if now else meters.limits(settings, meter)
    sections.append(Section(_("Limits in force"), (limits_table(in_force),)))
    if drawn := _ratios(facts.walked, model):
        sections.append(Section(_("Pictures"), (drawn,)))
    if now:
        sections.append(Section(_("Back-test on its own past"), _past(facts.past, zone)))
    sections.append(Section(_("How to read this"), _reading(in_force)))
    return Document(
        title=_("Model card {asset}").format(asset=meter.id),
        subtitle=f"{clean(meter.name, 60)}, {settings.utility}",
        meta=(
            (_("as of"), local_text(now_us, zone)),
            (_("model"), model.sha256 or "-"),
            (_("configuration"), settings.sha256[:16]),
            (_("ledger"), ledger_text(state)),
            (_("made again by"), f"handwheel model card {meter.id}"),
        ),
        sections=tuple(sections),
        simulated=settings.simulated,
        language=language(),
    )


def learned(state: State, settings: "Settings", meter: "Asset", model: MeterModel, now_us: int) -> Document:
    """What has just been learned: the parts of the card that need nothing else."""
    whole = build(state, settings, MeterFacts(meter, model, ()), now_us)
    titles = (_("What was learned"), _("Accounts"))
    return replace(whole, sections=tuple(one for one in whole.sections if one.title in titles))


def sides_text(one: Sides) -> tuple[str, str]:
    """Both sides of an account in the names of its tags."""
    left, right = (" + ".join(side) for side in (one.left, one.right))
    if one.level:
        sign = "-" if one.area_m2 < 0 else "+"
        right += f" {sign} {figure_text(abs(one.area_m2))} m2 x d {one.level} / h"
    return left, right


def _answer(facts: MeterFacts, zone: ZoneInfo) -> tuple[Block, ...]:
    blocks: list[Block] = []
    boxes: list[tuple[str, str, str]] = []
    model, now, past = facts.model, facts.now, facts.past
    if model.sha256:
        start_us, end_us = (parse_utc(model.facts[name]) for name in ("window_start", "window_end"))
        boxes += [
            (_("learned from"), f"{local_text(start_us, zone)[:10]} - {local_text(end_us - 1, zone)[:10]}",
             _("whole hours of the hot file")),
            (_("confirmed by"), _confirmed(model), _("role that called this window sound")),
        ]  # fmt: skip
    if now:
        said = [line.word for line in now.found.lines]
        counts = ", ".join(f"{said.count(word)} {line_word(word)}" for word in ("ok", "warn", "act", "cannot_tell")
                           if word in said)  # fmt: skip
        boxes.append((_("lines now"), health_word(now.found.word), counts))
    if past:
        false = past.whole.false
        words = _("per meter-year; {n} in {years} meter-years")
        boxes.append((_("false episodes"), interval_text(false.value, false.low, false.high),
                      words.format(n=false.n, years=number_text(past.whole.years, 2))))  # fmt: skip
    if boxes:
        blocks.append(Numbers(tuple(boxes)))
    if now is None:
        blocks.append(Paragraph(_("Nothing can be said of this meter; see what is missing."), "warning"))
    elif model.sha256 is None:
        blocks.append(Paragraph(_("Nothing was learned of this meter yet: balances speak, drift cannot."), "warning"))
    if facts.refit and model.sha256:
        blocks.append(refit_line(facts.refit, model.sha256))
    if now:
        blocks += [Paragraph(reason_text(why), "note") for why in now.found.reasons]
    return tuple(blocks)


def _confirmed(model: MeterModel) -> str:
    return confirmed_text(model.facts["confirmed_by"] or "nobody yet")


def _learned(model: MeterModel, zone: ZoneInfo) -> tuple[Block, ...]:
    if model.sha256 is None:
        return (Paragraph(_("nothing")),)
    told, reference = model.facts, model.reference
    what: list[tuple[Cell, ...]] = [
        (_("from"), local_text(parse_utc(told["window_start"]), zone)),
        (_("to"), local_text(parse_utc(told["window_end"]), zone)),
        (_("one row each"), "3600 s"),
        (_("confirmed by"), _confirmed(model)),
        (_("model"), model.sha256),
        (_("data"), told["data_sha256"]),
        (_("seed"), _("none: nothing here is drawn by chance")),
        (_("libraries"), ", ".join(f"{name} {one}" for name, one in told["libraries"].items())),
    ]
    values: list[tuple[Cell, ...]] = [
        (_("ratio of {account}").format(account=name), figure_text(one.value), figure_text(one.error, 3), one.n, "1")
        for name, one in reference.ratios.items()
    ]
    if reference.night:
        one = reference.night
        values.append((quantity_word("night_flow"), figure_text(one.value), figure_text(one.error, 3), one.n, "m3/h"))
    if reference.gain is not None:
        values.append((quantity_word("gain"), figure_text(reference.gain), "-", None, "dB"))
    note = _("Ratio: left over right side of an account. Medians over days and nights, with their standard errors.")
    return (
        Table("learned", (_("what"), _("value")), tuple(what)),
        Table("reference", (_("what"), _("median"), _("error"), _("days"), _("unit")), tuple(values), note),
    )


def _accounts(settings: "Settings", meter: "Asset", model: MeterModel) -> tuple[Block, ...]:
    rows: list[tuple[Cell, ...]] = [
        (one.name, *sides_text(one)) for one in meters.sides_of(settings, meter)
    ]  # fmt: skip
    if not rows:
        return (Paragraph(_("none")),)
    note = _("d level / h: what the tank keeps in an hour, its area times the change of its level.")
    return (Table("accounts", (_("account"), _("left side"), _("right side")), tuple(rows), note),)


def _missing(facts: MeterFacts) -> tuple[Block, ...]:
    return tuple(Paragraph(clean(one, 600)) for one in facts.missing) or (Paragraph(_("nothing")),)


def _notes(now: Seen) -> list[Block]:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (one.name, reason_text(one.note, 120)) for one in now.found.lines if one.note
    )
    return [Table("notes", (_("line"), _("note")), rows)] if rows else []


def _ratios(walked: tuple[Seen, ...], model: MeterModel) -> Plot | None:
    """How far the two sides of each account were apart, day by day."""
    if not walked:
        return None
    days = np.array([parse_utc(str(one.found.at)) / 86_400e6 for one in walked])
    series: dict[str, np.ndarray] = {}
    for i, side in enumerate(walked[-1].hours.sides):
        off = np.full(len(walked), np.nan)
        for row, one in enumerate(walked):
            sums = daily_sums(one.hours.accounts[i])
            if len(sums.last) and sums.last[-1] == len(one.hours.values) - 1:
                off[row] = 100 * (sums.left[-1] / sums.right[-1] - 1)
        if np.isfinite(off).any():
            series[side.name] = off
    if not series:
        return None
    svg = plots.trends(days, series, _("left over right side [%]"))
    told = "; ".join(
        _("{quantity}: median {middle}, last {last}").format(
            quantity=name, middle=number_text(float(np.nanmedian(one))),
            last=number_text(float(one[np.isfinite(one)][-1])),
        )
        for name, one in series.items()
    )  # fmt: skip
    return Plot("accounts", svg, _("How far the two sides of each account were apart, by day"), told)


def _past(past: MeterPast | None, zone: ZoneInfo) -> tuple[Block, ...]:
    if past is None:
        return past_blocks(None, zone)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (one.name, one.ok, one.warn, one.act, one.cannot_tell) for one in past.lines
    )
    heads = (_("line"), *(line_word(word) for word in ("ok", "warn", "act", "cannot_tell")))
    days = Table("days", heads, rows, _("Days outside the learned window, by what the line said at their end."))
    return (*past_blocks(past.whole, zone), days)


def _reading(in_force: MeterLimits) -> tuple[Block, ...]:
    told = _(
        "A meter has no index. Balance: how far the two sides of an account are apart. Drift: the same against what was"
        " learned, on the same instruments. A line fires only past {k} times its uncertainty. `handwheel model explain`"
        " prints one assessment so that it can be redone by hand."
    )
    note = _("An account that fails speaks against all its meters; where other accounts hold, those are cleared that"
             " stand in them. Whether the meter is wrong or water is lost, a look must tell.")  # fmt: skip
    return (Paragraph(told.format(k=figure_text(in_force.coverage))), Paragraph(note, "note"))
