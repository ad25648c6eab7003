"""The dialogs: a decision, an acknowledgement, a shelf, a signature. Each is asked of the daemon, which alone records.

What can be seen to be missing is said here; whether this role may do it, the daemon says, in its own words.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from monitor.labels import choice_word
from monitor.screen.room import Alarm
from monitor.screen.text import encodable
from monitor.words import _, clean, local_text, utc_text

CHOICES = ("follow", "inspect_first", "defer", "reject")  # keys 1 to 4
REASON_NEEDED = ("defer", "reject")
SHELF_HOURS = {1: 1.0, 2: 8.0, 3: 8.0}  # the longest shelf by priority [h]
Command = tuple[str, dict[str, Any]]  # verb and data for the daemon


class Missing(ValueError):
    """Something a person must still fill in; its text says what."""


@dataclass(frozen=True, slots=True)
class Field:
    """One line to fill in."""

    name: str
    label: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A dialog: what is asked, the fields, and how they become a command."""

    title: str
    lines: tuple[str, ...]
    fields: tuple[Field, ...]
    command: Callable[[Mapping[str, str]], Command]


def decision(alarm: Alarm, choice: str, zone: tzinfo | None, now: Callable[[], datetime]) -> Question:
    """Follow, inspect first, defer (until a time) or reject what an alert asks for."""
    fields = [] if choice else [Field("choice", _("1 follow  2 inspect first  3 defer  4 reject"))]
    needed = _("reason (needed)") if choice in REASON_NEEDED else _("reason")
    fields.append(Field("reason", needed if choice else _("reason (needed for 3 and 4)")))
    if choice in ("", "defer"):
        fields.append(Field("until", _("defer until (14 d, 8 h, 2026-11-30 07:00)")))

    def command(told: Mapping[str, str]) -> Command:
        chosen = choice or choice_of(told.get("choice", ""))
        reason = told.get("reason", "").strip()
        if chosen in REASON_NEEDED and not reason:
            raise Missing(_("write a reason: it is kept with the decision"))
        until = None
        if chosen == "defer":
            until = utc_text(parse_until(told.get("until", ""), now(), zone))
        data = {"alert_id": alarm.alert_id, "asset": alarm.asset, "component": alarm.component or None,
                "choice": chosen, "reason": reason, "until": until}  # fmt: skip
        return "decide", data

    title = _("DECIDE: {choice}").format(choice=choice_word(choice)) if choice else _("DECIDE")
    kept = _("Kept: role, time, reason, what both models said. Nothing is sent to the vendor.")
    return Question(title, (subject(alarm), clean(alarm.text, 160), kept), tuple(fields), command)


def acknowledgement(alarm: Alarm) -> Question:
    """That somebody has seen an alert; it changes nothing of the condition behind it."""

    def command(told: Mapping[str, str]) -> Command:
        return "acknowledge", {"alert_id": alarm.alert_id, "note": told.get("note", "").strip()}

    lines = (subject(alarm), clean(alarm.text, 160))
    return Question(_("ACKNOWLEDGE"), lines, (Field("note", _("note")),), command)


def shelf(alarm: Alarm, now: Callable[[], datetime]) -> Question:
    """Put an alert aside for some hours, with a reason; it comes back by itself."""
    longest = SHELF_HOURS[alarm.priority]

    def command(told: Mapping[str, str]) -> Command:
        try:
            hours = float(told.get("hours", "").replace(",", ".").removesuffix("h").strip())
        except ValueError:
            raise Missing(_("write the hours as a number")) from None
        if not 0 < hours <= longest:
            raise Missing(_("at most {n} h for this priority").format(n=f"{longest:g}"))
        reason = told.get("reason", "").strip()
        if not reason:
            raise Missing(_("write a reason: it is kept with the shelf"))
        until = round((now() + timedelta(hours=hours)).timestamp() * 1e6)
        return "shelve", {"alert_id": alarm.alert_id, "until": utc_text(until), "reason": reason}

    fields = (Field("hours", _("hours (at most {n})").format(n=f"{longest:g}"), "1"),
              Field("reason", _("reason (needed)")))  # fmt: skip
    return Question(_("SHELVE"), (subject(alarm), clean(alarm.text, 160)), fields, command)


def signature(audit_id: str) -> Question:
    """Sign a drift audit in the name of a role."""

    def command(told: Mapping[str, str]) -> Command:
        return "sign_audit", {"audit": audit_id, "audit_id": audit_id, "note": told.get("note", "").strip()}

    line = _("audit {id}: read it before you sign").format(id=clean(audit_id, 40))
    return Question(_("SIGN THE AUDIT"), (line,), (Field("note", _("note")),), command)


def baseline(asset_id: str, zone: tzinfo | None, since_us: int) -> Question:
    """That an asset is sound from a time on, proposed is `since_us`; our own model is learned anew from then."""

    def command(told: Mapping[str, str]) -> Command:
        reason = told.get("reason", "").strip()
        if not reason:
            raise Missing(_("write a reason: what was done, and how it is known to be sound"))
        start_us = parse_since(told.get("from", ""), zone)
        return "confirm_baseline", {"asset": asset_id, "from": utc_text(start_us), "reason": reason}

    lines = (clean(asset_id, 20), _("Our own model is learned anew from then on; until then the one before it judges."))
    since = local_text(since_us, zone, "%Y-%m-%d %H:%M")[:16]
    fields = (Field("from", _("sound since (date, time)"), since), Field("reason", _("reason (needed)")))
    return Question(_("CONFIRM THE BASELINE"), lines, fields, command)


def parse_since(text: str, zone: tzinfo | None) -> int:
    """UTC [us] of "2026-11-30" or "2026-11-30 07:00" (local time of the plant). Raises Missing for anything else."""
    try:
        return round(moment_of(text, zone).timestamp() * 1e6)
    except (ValueError, OverflowError):
        raise Missing(_("since when? write 2026-11-30 or 2026-11-30 07:00")) from None


def moment_of(text: str, zone: tzinfo | None) -> datetime:
    """The moment that a person wrote; without a zone it is local time of the plant. ValueError for anything else."""
    moment = datetime.fromisoformat(text.strip().upper())
    if moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=zone) if zone is not None else moment.astimezone()


def subject(alarm: Alarm) -> str:
    part = f" {clean(alarm.component, 20)}" if alarm.component else ""
    return f"{clean(alarm.asset, 20)}{part}  ({clean(alarm.alert_id, 40)})"


def choice_of(text: str) -> str:
    """The choice of a digit 1 to 4; Missing for anything else."""
    key = text.strip()
    if key not in ("1", "2", "3", "4"):
        raise Missing(_("choose 1, 2, 3 or 4"))
    return CHOICES[int(key) - 1]


def parse_until(text: str, now: datetime, zone: tzinfo | None) -> int:
    """UTC [us] of "14 d", "8 h", "2026-11-30" or "2026-11-30 07:00" (local time of the plant).

    Raises Missing for anything else and for a time that has passed: a time is never guessed.
    """
    words = text.strip().lower().replace(",", ".")
    for letters, unit in (("djt", timedelta(days=1)), ("h", timedelta(hours=1))):
        if words and words[-1] in letters:
            try:
                moment = now + float(words[:-1].strip()) * unit
            except (ValueError, OverflowError):
                break
            return ahead(moment, now)
    try:
        moment = moment_of(text, zone)
    except ValueError:
        raise Missing(_("until when? write 14 d, 8 h or 2026-11-30 07:00")) from None
    return ahead(moment, now)


def ahead(moment: datetime, now: datetime) -> int:
    if moment <= now:
        raise Missing(_("this time has passed"))
    return round(moment.timestamp() * 1e6)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Dialog(ModalScreen[Command | None]):
    """Asks one Question; gives back the command, or None when it was left with Esc.

    `alive` is line 1 with the banners: whatever is being asked, a person goes on seeing who is alive.
    """

    BINDINGS = [Binding("escape", "leave", show=False, priority=True), Binding("enter", "done", show=False)]

    def __init__(self, question: Question, encoding: str | None, alive: Callable[[], Content]) -> None:
        super().__init__()
        self.question = question
        self.encoding = encoding
        self.alive = alive

    def compose(self) -> ComposeResult:
        def plain(text: str) -> str:
            return encodable(text, self.encoding)

        yield Static(self.alive(), id="alive", markup=False)
        with Vertical(id="middle"), VerticalScroll(id="dialog", can_focus=False):
            yield Static(plain(self.question.title), markup=False, classes="title")
            for line in self.question.lines:
                yield Static(plain(line), markup=False)
            for field in self.question.fields:
                yield Static(plain(field.label), markup=False, classes="label")
                yield Input(value=field.value, id=field.name, compact=True)
            yield Static("", id="fault", markup=False)
            yield Static(plain(_("Enter next line, then record     Esc leave")), markup=False, classes="label")

    def on_mount(self) -> None:
        self.inputs()[0].focus()

    def on_resize(self, event: Resize) -> None:
        self.show()

    def show(self) -> None:
        """Draw line 1 and the banners as they are now."""
        if found := self.query("#alive"):  # nothing until the dialog is composed
            found.first(Static).update(self.alive())

    def inputs(self) -> Sequence[Input]:
        return list(self.query(Input))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        fields = self.inputs()
        at = fields.index(event.input)
        if at + 1 < len(fields):
            fields[at + 1].focus()
        else:
            self.action_done()

    def action_done(self) -> None:
        told = {str(field.id): field.value for field in self.inputs()}
        try:
            self.dismiss(self.question.command(told))
        except Missing as fault:
            self.query_one("#fault", Static).update(encodable(str(fault), self.encoding))

    def action_leave(self) -> None:
        self.dismiss(None)
