"""The debrief of a time run by hand, or of a drill: what happened, what differed, what to correct in which procedure.

Read within 72 hours by those who were there (practice, P-18). It tells of the station and of the procedures: who did
what stands there by role, to the minute, how fast anybody worked stands nowhere, and nobody is compared with anybody.
What was mistyped and taken back, and what people noted, is shown as that and corrects nobody.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from monitor.drills import why_words
from monitor.labels import role_word
from monitor.ledger import Record
from monitor.periods.drilled import drilled
from monitor.periods.entries import OWN, UNKNOWN
from monitor.periods.journal import STEP_S, Doubt, Line, elapsed_s, number_of
from monitor.periods.period import Period, Reading, Run, what_followed
from monitor.plant import Settings
from monitor.reports.debrief_words import (
    deviation_words,
    doubt_words,
    event_words,
    kind_words,
    question_words,
    reading_words,
    sort_word,
    span_words,
    value_words,
    within_word,
)
from monitor.reports.document import Block, Cell, Digits, Document, Numbers, Paragraph, Plot, Section, Signatures, Table
from monitor.reports.drawing import Axis, Frame, linear
from monitor.words import _, clean, decimal_text, language, local_text, parse_utc

TO_WRITE = "_" * 12  # room for a hand
TIMELINE, READINGS, DEVIATIONS = 300, 300, 150  # rows on the pages; the CSV files have all
PLOTS = 24
_CORRECTED = ("not_applicable", "done_all_the_same", "out_of_limits", "late", "timer_short", "no_timer", "not_verified",
              "not_released", "went_past", "hold_passed", "verifying_passed", "missed", "steps_left",
              "not_ended")  # fmt: skip


def build(
    period: Period, settings: Settings, record: Record | None = None, gaps: Sequence[Mapping[str, Any]] = ()
) -> Document:
    """The document of one period. `record`: its ledger entry; `gaps`: what telemetry missed meanwhile, as entries."""
    page = _Page(period, settings, record)
    return Document(
        title=_("Debrief: {what}").format(what=sort_word(period.sort)),
        subtitle=settings.utility + (f", {', '.join(page.sites)}" if page.sites else ""),
        meta=page.meta(),
        sections=(
            Section(_("In short"), tuple(page.short())),
            Section(_("What to correct in which procedure"), tuple(page.corrections())),
            Section(_("Deviations"), tuple(page.deviations())),
            Section(_("Readings"), tuple(page.readings())),
            Section(_("Procedures used"), tuple(page.procedures())),
            Section(_("Hand-back"), tuple(page.hand_back())),
            Section(_("What people saw, handed over and noted"), tuple(page.told())),
            Section(_("Lines entered from paper"), tuple(page.paper())),
            Section(_("Gaps in the record, and doubts about it"), tuple(page.doubts(gaps))),
            Section(_("Timeline"), tuple(page.timeline()), new_page=True),
            Section(_("Seen and agreed"), (Signatures((role_word("shift_lead"), role_word("engineer"))),)),
        ),
        simulated=settings.simulated,
        language=language(),
        mark=_("DRILL") if period.drill else "",
    )


class _Page:
    """One period and how its times are told."""

    def __init__(self, period: Period, settings: Settings, record: Record | None) -> None:
        self._period, self._zone, self._record = period, ZoneInfo(settings.time_zone), record
        names = {site.id: site.name for site in settings.sites}
        self.sites = [f"{clean(one, 20)} {names.get(one, '')}".strip() for one in period.sites]
        self._followed = what_followed(period)

    # -- how things are told ---

    def _at(self, us: int | None) -> str:
        return local_text(us, self._zone, "%Y-%m-%d %H:%M")  # to the minute: nobody is timed

    def _line_at(self, line: Line | None) -> str:
        return "-" if line is None else self._at(line.at_us)

    def _step(self, run: str, step: str) -> str:
        found = self._period.runs.get(run)
        return found.step_text(step) if found else ""

    def meta(self) -> tuple[tuple[str, str], ...]:
        journal, record = self._period.journal, self._record
        off = str(record.data.get("clock_off")) if record else OWN
        told = [
            (_("journal"), journal.name),
            (_("SHA-256 of the journal"), journal.sha256),
            (_("entries"), str(len(journal.lines))),
            (_("ledger"), _("entry {n}").format(n=record.n) if record else _("not taken in yet")),
            (_("made again by"), f"handwheel report debrief {record.n if record else journal.name}"),
        ]
        if off == UNKNOWN:
            told.append((_("clock"), _("of another machine; how far it was off is not known")))
        elif off != OWN:
            words = _("of another machine, {off} ahead; the times here are as it wrote them")
            told.append((_("clock"), words.format(off=clean(off, 20))))
        return tuple(told)

    # -- sections ---

    def short(self) -> Iterable[Block]:
        period, journal = self._period, self._period.journal
        if period.ended is None:
            yield Paragraph(_("This journal has not ended: what follows is as far as it goes."), "warning")
        if any(not run.text.approved for run in period.runs.values()):
            yield Paragraph(_("Procedures were used that no role had approved; they are named below."), "warning")
        stable = period.minutes_to_stable
        whole_s = elapsed_s(period.since, period.ended or period.last)
        taken = [one for one in period.readings if not one.taken_back]
        out = sum(one.in_limits is False for one in taken)
        yield Numbers((
            (_("lasted"), span_words(whole_s), _("from its beginning until it ended")),
            (_("stable by hand after"), "-" if stable is None else span_words(stable * 60), _("as a person judged it")),
            (_("readings out of limits"), str(out), _("of {n}").format(n=len(taken))),
            (_("deviations"), str(len(period.deviations)),
             _("in {n} runs").format(n=len(period.runs))),
        ))  # fmt: skip
        began = _("CONTROL LOST declared") if period.declared else _("begun")
        rows: list[tuple[Cell, ...]] = [
            (began, self._line_at(period.since), role_word(period.since.role), period.since.text("text")),
            (_("first step done"), *self._when(period.first_step)[:2], ""),
            (_("stable by hand"), *self._when(period.stable)),
            (_("handed back") if period.declared else _("ended"), *self._when(period.ended)),
        ]
        head = (_("what"), _("when"), _("by the role"), _("in words"))
        yield Table("times", head, tuple(rows), about=_("the four times of the period"))
        if period.sort == "round":
            yield Paragraph(_("Nobody declared CONTROL LOST: this was a round while the screen was blind."))
        if journal.aside:
            words = _("{n} entries of the other sort (drill among real ones, or real among a drill) were set aside")
            yield Paragraph(words.format(n=len(journal.aside)), "warning")
        for one in period.records:
            words = _("Drill at {station}: {scenario}. Next due {due}.")
            due = one.text("next_due", 20) or "-"
            told = words.format(
                station=one.text("station", 40) or "-", scenario=one.text("scenario", 300) or "-", due=due
            )
            yield Paragraph(told)
        for station, why in drilled(period).items():
            if why:
                words = _("It does not count as the drill of {station}: {why}.")
                yield Paragraph(words.format(station=station, why=why_words(why)), "warning")

    def _when(self, line: Line | None) -> tuple[Cell, ...]:
        if line is None:
            return (_("not recorded"), "-", "-")
        return self._at(line.at_us), role_word(line.role), line.text("text")

    def corrections(self) -> Iterable[Block]:
        """From deviations and the gaps of a drill: where, what was seen, and room for who and when."""
        period = self._period
        rows: list[tuple[Cell, ...]] = []
        for gap in period.gaps:
            rows.append((gap.where or "-", "", gap.gap or "-", gap.change or TO_WRITE,
                         role_word(gap.role) or TO_WRITE, TO_WRITE))  # fmt: skip
        told = [one for one in period.deviations if one.kind in _CORRECTED]
        place = attrgetter("procedure", "step", "kind")
        for (procedure, step, _kind), some in groupby(sorted(told, key=place), key=place):
            same = list(some)
            times = f" ({len(same)}x)" if len(same) > 1 else ""
            rows.append((procedure or "-", step, question_words(same[0]) + times, TO_WRITE, TO_WRITE, TO_WRITE))
        yield Paragraph(_("Each line is a question to those who own the procedure: does its text need to change?"))
        head = (_("procedure"), _("step"), _("what was seen"), _("proposed change"), _("who (role)"), _("until"))
        yield Table(
            "corrections", head, tuple(rows), about=_("what may need to change in which procedure"), most=DEVIATIONS
        )

    def deviations(self) -> Iterable[Block]:
        rows: list[tuple[Cell, ...]] = []
        for one in self._period.deviations:
            after = self._followed.get(one.line.mark) if one.kind == "out_of_limits" else None
            then = self._act(after) if after else ""
            rows.append((self._line_at(one.line), one.procedure or "-", one.step, deviation_words(one), then))
        head = (_("when"), _("procedure"), _("step"), _("what differed"), _("what was done then"))
        yield Table("deviations", head, tuple(rows), about=_("what differed from the procedures"), most=DEVIATIONS)
        back = [(gone.text("procedure", 20) or "-", gone.text("step", 10), self._act(gone))
                for _undo, gone in self._period.undone]  # fmt: skip
        if back:
            yield Paragraph(_("Taken back, and no deviation:"))
            columns = (_("procedure"), _("step"), _("what was taken back"))
            yield Table("taken_back", columns, tuple(back), about=_("what was taken back"), most=DEVIATIONS)

    def _act(self, line: Line) -> str:
        event = line.text("event", 40)
        parts = [kind_words(line.kind), line.text("step", 10), line.text("name", 60),
                 reading_words(line.text("value", 40), line.text("unit", 20)), _at_asset(line),
                 event_words(event) if event else "", line.text("site", 20) if event else "",
                 ", ".join(line.texts("sites", 20)), _gone_on(line), line.text("text", 200)]  # fmt: skip
        return " ".join(part for part in parts if part)

    def readings(self) -> Iterable[Block]:
        taken = [one for one in self._period.readings if one.name or one.value]
        rows = [
            (self._at(one.occurred_us), one.procedure or "-", one.step, one.place,
             *value_words(one.value, one.unit), _limit(one.low), _limit(one.high), within_word(one.in_limits),
             one.tag or "-", _("taken back") if one.taken_back else "")
            for one in taken
        ]  # fmt: skip
        head = (_("when"), _("procedure"), _("step"), _("reading"), _("value"), _("unit"), _("from"), _("to"),
                _("in limits"), _("tag"), "")  # fmt: skip
        yield Table("readings", head, tuple(rows), about=_("every reading with its limits"), most=READINGS)
        yield from self._plots([one for one in taken if not one.taken_back])

    def _plots(self, taken: Sequence[Reading]) -> Iterable[Block]:
        """One small picture per reading, and asset, that was taken more than once and is a number."""
        by: dict[tuple[str, str, str], list[Reading]] = {}
        for one in taken:
            if one.number is not None and one.occurred_us is not None:
                by.setdefault((one.procedure, one.place, one.unit), []).append(one)
        many = [(key, some) for key, some in by.items() if len({one.occurred_us for one in some}) > 1]
        for (procedure, name, unit), some in many[:PLOTS]:
            yield _plot(f"{procedure}  {name}", unit, sorted(some, key=lambda one: one.occurred_us or 0), self._zone)
        if len(many) > PLOTS:
            yield Paragraph(_("{n} more readings have no picture here").format(n=len(many) - PLOTS))

    def procedures(self) -> Iterable[Block]:
        rows = [self._run(run) for run in self._period.runs.values()]
        head = (_("procedure"), _("title"), _("revision"), _("approved"), _("site"), _("begun"), _("by the role"),
                _("steps done"), _("left out"), _("condition not met"), _("ended"), "SHA-256")  # fmt: skip
        yield Table("procedures", head, tuple(rows), about=_("the procedures that were used, each run a line"))

    def _run(self, run: Run) -> tuple[Cell, ...]:
        count = Counter(mark.kind for mark in run.marks)
        return (
            run.procedure, run.text.title or "-", run.revision or "-",
            _("yes") if run.text.approved else _("NOT APPROVED"), run.site or "-",
            self._line_at(run.started), role_word(run.started.role),
            count["done"], count["not_applicable"], count["not_met"],
            self._line_at(run.finished), run.sha256[:12] or "-",
        )  # fmt: skip

    def hand_back(self) -> Iterable[Block]:
        period, end = self._period, self._period.ended
        if end is None or end.kind != "handed_back":
            words = _("It was not handed back: there was nothing that had been declared lost.")
            yield Paragraph(words if end else _("It was not handed back yet."))
            return
        second = role_word(end.text("second_role", 24)) or "-"
        words = _("Handed back at {when} by {role}, second role: {second}.")
        yield Paragraph(words.format(when=self._line_at(end), role=role_word(end.role), second=second))
        if why := end.text("text"):
            yield Paragraph(_("Reason or remark: {why}").format(why=why))
        if period.unmet:
            yield Paragraph(_("Handed back although these conditions were not met:"), "warning")
            yield Table("conditions", (_("condition that was not met"),), tuple((one,) for one in period.unmet),
                        about=_("conditions of hand-back that were not met"))  # fmt: skip
        elif "unmet" in end.data:
            yield Paragraph(_("All conditions of hand-back were met."))
        else:
            yield Paragraph(_("The journal does not say which conditions were met."), "note")

    def told(self) -> Iterable[Block]:
        period = self._period
        rows: list[tuple[int, tuple[Cell, ...]]] = []
        for line, end in period.seen:
            over = _("over at {when}").format(when=self._line_at(end)) if end else ""
            words = "; ".join(x for x in (event_words(line.text("event", 40)), line.text("text"), over) if x)
            rows.append((line.n, (self._line_at(line), _("seen"), line.text("site", 20), words, role_word(line.role))))
        for line in period.hand_overs:
            to = _("to {role}").format(role=role_word(line.text("to", 24)))
            words = "; ".join(x for x in (to, line.text("text", 1000)) if x)
            rows.append((line.n, (self._line_at(line), _("shift hand-over"), "", words, role_word(line.role))))
        for line in period.notes:
            where = " ".join(x for x in (line.text("procedure", 20), line.text("step", 10)) if x)
            rows.append(
                (line.n, (self._line_at(line), _("note"), where, line.text("text", 1000), role_word(line.role)))
            )
        head = (_("when"), _("what"), _("where"), _("in words"), _("by the role"))
        yield Table("events", head, tuple(row for _n, row in sorted(rows, key=lambda one: one[0])),
                    about=_("what people saw, handed over and noted"), most=READINGS)  # fmt: skip

    def paper(self) -> Iterable[Block]:
        rows = [
            (self._at(one.occurred_us), self._at(one.recorded_us), self._at(one.entered_us), one.procedure or "-",
             one.step, " ".join(x for x in (one.place, reading_words(one.value, one.unit)) if x),
             within_word(one.in_limits), one.text)
            for one in self._period.readings if one.paper and not one.taken_back
        ]  # fmt: skip
        head = (_("it was so"), _("written down"), _("entered"), _("procedure"), _("step"), _("reading"),
                _("in limits"), _("in words"))  # fmt: skip
        yield Table("paper", head, tuple(rows), about=_("lines of paper logs with their three times"), most=READINGS)

    def doubts(self, gaps: Sequence[Mapping[str, Any]]) -> Iterable[Block]:
        period = self._period
        silent = [
            (self._line_at(before), self._line_at(after), span_words(span_s),
             _silence(before, after, span_s))
            for before, after, span_s in period.silences
        ]  # fmt: skip
        yield Paragraph(_("Nothing was recorded for more than half an hour:"))
        yield Table("silences", (_("from"), _("to"), _("for"), _("in words")), tuple(silent),
                    about=_("when nothing was recorded for more than half an hour"), most=READINGS)  # fmt: skip
        if not period.drill:
            rows = [(self._stored(one.get("start")), self._stored(one.get("end")), clean(one.get("source"), 40),
                     clean(one.get("tag") or "-", 60)) for one in gaps]  # fmt: skip
            yield Paragraph(_("Telemetry was missing meanwhile:"))
            yield Table("telemetry", (_("from"), _("to"), _("source"), _("tag")), tuple(rows),
                        about=_("when telemetry was missing meanwhile"), most=READINGS)  # fmt: skip
        words = {one.word for one in period.doubts}
        entered = self._record.data.get("doubts") if self._record else ()
        more = [Doubt(one) for one in entered if one not in words] if isinstance(entered, list) else []
        told = [(one.n, doubt_words(one)) for one in (*period.doubts, *more)]
        yield Paragraph(_("What speaks against this record:"))
        yield Table("doubts", (_("entry"), _("what speaks against the record")), tuple(told),
                    about=_("what speaks against the record"), most=DEVIATIONS)  # fmt: skip

    def _stored(self, text: object) -> str:
        try:
            return self._at(parse_utc(str(text)))
        except (ValueError, OverflowError):
            return clean(text, 40)

    def timeline(self) -> Iterable[Block]:
        rows = [(line.n, self._at(line.at_us), role_word(line.role), kind_words(line.kind),
                 " ".join(x for x in (line.text("procedure", 20), line.text("step", 10)) if x), self._words(line))
                for line in self._period.journal.lines]  # fmt: skip
        head = (_("entry"), _("when"), _("by the role"), _("what"), _("where"), _("in words"))
        yield Table("timeline", head, tuple(rows), about=_("every entry of the journal"), most=TIMELINE)

    def _words(self, line: Line) -> str:
        """What an entry says beside its kind and its place."""
        limits = line.data.get("limits")
        band = (
            [decimal_text(clean(one, 20)) if isinstance(one, str) else "-" for one in limits]
            if isinstance(limits, list)
            else []
        )
        within = line.data.get("in_limits")
        step = (
            self._step(line.text("run", 40), line.text("step", 10)) if line.kind in ("done", "not_applicable") else ""
        )
        undoes = line.data.get("undoes")
        parts = [
            line.text("name", 60), reading_words(line.text("value", 60), line.text("unit", 20)), _at_asset(line),
            f"({' - '.join(band[:2])}, {within_word(within)})" if band and isinstance(within, bool) else "",
            event_words(line.text("event", 40)) if line.text("event", 40) else "", line.text("site", 20),
            _("to {role}").format(role=role_word(line.text("to", 24))) if line.text("to", 24) else "",
            role_word(line.text("released_by", 24) or line.text("verified_by", 24)),
            _("takes back entry {n}").format(n=undoes) if type(undoes) is int else "", step,
            _gone_on(line),
            line.text("text", 300), ", ".join(line.texts("sites", 20)), line.text("scenario", 200),
        ]  # fmt: skip
        return " ".join(part for part in parts if part)


def _gone_on(line: Line) -> str:
    """Where the page sent from a step that was marked, as a reading of it was out of limits."""
    there = line.text("goto", 10) if line.data.get("out_of_limits") is True else ""
    return _("out of limits, gone to step {n}").format(n=there) if there else ""


def _at_asset(line: Line) -> str:
    """Where a value was taken: "(P2)"."""
    return f"({line.text('asset', 20)})" if line.text("asset", 20) else ""


def _silence(before: Line, after: Line, span_s: float) -> str:
    """How long nothing was recorded; where the clock was set meanwhile, by the count that nobody sets."""
    wall_s = span_s if before.at_us is None or after.at_us is None else (after.at_us - before.at_us) / 1e6
    words = _("nothing recorded for {span}")
    if abs(wall_s - span_s) > STEP_S:
        words = _("the clock was set in between; nothing recorded for {span} by the machine's own count")
    return words.format(span=span_words(span_s))


def _limit(text: str) -> Cell:
    return "-" if not text else Digits(text) if number_of(text) is not None else text


def _plot(caption: str, unit: str, some: Sequence[Reading], zone: ZoneInfo) -> Plot:
    """Values over time with their limits; what lies outside is a cross."""
    times = [one.occurred_us or 0 for one in some]
    values = [one.number or 0.0 for one in some]
    low, high = (next((number_of(edge) for one in reversed(some) if (edge := getattr(one, side))), None)
                 for side in ("low", "high"))  # fmt: skip
    shown = [*values, *(edge for edge in (low, high) if edge is not None)]
    room = (max(shown) - min(shown)) * 0.08 or abs(shown[0]) * 0.05 or 1.0
    frame = Frame(_hours(times[0], times[-1], zone), linear(clean(unit, 20), min(shown) - room, max(shown) + room, 4),
                  height=150, bottom=34, top=14)  # fmt: skip
    marks = [frame.line(zip(times, values, strict=True), size=1.0)]
    marks += [frame.mark(us, value, "failed" if one.in_limits is False else "good")
              for us, value, one in zip(times, values, some, strict=True)]  # fmt: skip
    marks += [frame.across(edge, word) for edge, word in ((low, _("from")), (high, _("to"))) if edge is not None]
    out = sum(one.in_limits is False for one in some)
    least, most = (decimal_text(f"{value:g}") for value in (min(values), max(values)))
    words = _("{n} readings from {low} to {high} {unit}; {out} out of limits").format(
        n=len(some), low=least, high=most, unit=clean(unit, 20), out=out)  # fmt: skip
    return Plot("", frame.svg(caption, words, *marks), clean(caption, 120), words)


def _hours(start_us: int, end_us: int, zone: ZoneInfo) -> Axis:
    """A time axis of hours or days, with local times as ticks."""
    span_us = max(end_us - start_us, 60_000_000)
    form = "%H:%M" if span_us < 36 * 3_600_000_000 else "%m-%d %H:%M"
    ticks = [start_us + span_us * part // 5 for part in range(6)]
    told = tuple((float(us), f"{datetime.fromtimestamp(us / 1e6, UTC).astimezone(zone):{form}}") for us in ticks)
    return Axis("", start_us, start_us + span_us, told)
