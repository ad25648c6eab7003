"""The finding form: what is asked, what is missing, and how it becomes what the daemon records. Pure.

Nothing is guessed: a wear of 0.7 may be meant as 70 %, a measured value has its unit, yes and no are both answers.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from monitor.labels import action_word, grade_words
from monitor.screen.decide import Command, moment_of
from monitor.screen.owed import of_asset, recent
from monitor.screen.room import RoomState
from monitor.why.story import Job
from monitor.words import _, clean, day_text, utc_text

GRADES = ("A", "B", "C", "D", "E")
PARTIES = ("utility", "vendor", "third")
ACTIONS = ("inspect", "service", "replace")
TRIGGERS = ("vendor_alert", "own", "failure", "schedule", "operator")
LISTED = 4  # jobs that are shown to choose from
OF_NEW_JOB = ("opened", "done", "action", "trigger")
NUMBER = re.compile(r"\d{1,12}(?:[.,]\d{1,6})?", re.ASCII)
MEASURED = re.compile(r"(-?\d{1,12}(?:[.,]\d{1,6})?)\s*(\S.{0,15})?", re.ASCII)
HEX = re.compile(r"[0-9a-f]{64}")


class Faults(ValueError):
    """What must still be filled in or mended: field -> words."""

    def __init__(self, of: Mapping[str, str]) -> None:
        super().__init__("; ".join(of.values()))
        self.of = dict(of)


@dataclass(frozen=True, slots=True)
class Slot:
    """One line of the form: its name, label, and what is expected there."""

    name: str
    label: str
    hint: str


@dataclass(frozen=True, slots=True)
class Form:
    """What the form is about and what is known of it."""

    asset: str
    component: str
    alert_id: str
    jobs: tuple[Job, ...]
    components: tuple[str, ...]
    limits: Mapping[str, str]  # component -> agreed limit
    wo_id: str = ""  # chosen already

    def job(self, text: str) -> Job | None:
        """The job that a person means by its number in the list or by its own."""
        text = text.strip()
        if text.isdecimal() and 1 <= int(text) <= min(len(self.jobs), LISTED):
            return self.jobs[int(text) - 1]
        return next((job for job in self.jobs if job.wo_id == text), None)

    def listed(self, room: RoomState) -> list[str]:
        """The jobs to choose from, one a line."""
        return [f"{number} {job_line(job, room)}" for number, job in enumerate(self.jobs[:LISTED], 1)]


def form_of(room: RoomState, asset: str, component: str = "", alert_id: str = "", wo_id: str = "") -> Form:
    """The form for an asset, an alert on it, or a job."""
    configured = room.assets.get(asset, {}).get("components") or ()
    limits = {str(one.get("name")): clean(one["limit"], 20) for one in configured
              if isinstance(one, Mapping) and one.get("limit")}  # fmt: skip
    jobs, parts = recent(room, asset, component, alert_id), of_asset(room, asset)
    return Form(asset, component, alert_id, tuple(jobs), tuple(parts), limits, wo_id)


def job_line(job: Job, room: RoomState) -> str:
    data = job.order.data if job.order else {}
    part = f" {clean(job.order.component, 14)}" if job.order and job.order.component else ""
    when = _("done {time}").format(time=day_text(job.done_us, room.zone)) if job.done_us else _("open")
    found = job.counted
    grade = _("no finding")
    if found:
        grade = _("found: {grade} (entry {n})").format(grade=clean(found.data.get("grade"), 2), n=found.n)
    return f"{clean(job.wo_id, 30)}{part}, {action_word(data.get('action'))}, {when}, {grade}"


def slots(form: Form) -> list[Slot]:
    """The lines of the form in their order."""
    parts = ", ".join(form.components)
    grades = "  ".join(grade_words(one) for one in GRADES)
    return [
        Slot(
            "wo", _("work order"), _("a digit of the list, or the number of any job; an unknown one becomes a new job")
        ),
        Slot("opened", _("job opened"), _("date, time: 2026-11-30 or 2026-11-30 07:00")),
        Slot("done", _("job done"), _("date, time; empty while the job is open")),
        Slot("action", _("what was done"), "1 {}  2 {}  3 {}".format(*(action_word(one) for one in ACTIONS))),
        Slot("trigger", _("because of"), _("1 vendor's alert  2 own alert  3 failure  4 schedule  5 operator")),
        Slot("corrects", _("corrects entry"), _("the number of the finding that this one stands for, or no: one more")),
        Slot("component", _("part"), parts or _("which part was looked at; none is configured")),
        Slot("grade", _("grade A-E"), grades),
        Slot("wear", _("wear %"), _("in % of the agreed limit, 100 % is at the limit; empty if it was not measured")),
        Slot("measured", _("measured"), _("value with its unit, for example 3.2 mm/s; empty if it was not measured")),
        Slot("limit", _("agreed limit"), _("as configured; where none is, what is agreed, with its unit")),
        Slot("party", _("who inspected"), _("1 utility  2 vendor  3 third party; a party, never a person")),
        Slot("blind", _("blind"), _("y: the inspector did not know of the alert   n: did know")),
        Slot(
            "second", _("second reader"), _("A to E where a second one graded it without seeing the first; else empty")
        ),
        Slot("cause", _("cause"), _("in a few words, of the machine, not of people; may be empty")),
        Slot("photo", _("photo"), _("path of a file: its SHA-256 is kept, the file is not copied; may be empty")),
    ]


def commands(told: Mapping[str, str], form: Form, zone: tzinfo | None, now: Callable[[], datetime]) -> list[Command]:
    """What is asked of the daemon: a new work order where one was entered, and the finding.

    Raises Faults with every field that lacks something. `photo` is a SHA-256 already.
    """
    faults: dict[str, str] = {}

    def taken(field: str, read: Callable[[str], Any]) -> Any:
        try:
            return read(told.get(field, "").strip())
        except ValueError as fault:
            faults[field] = str(fault)
            return None

    name = taken("wo", parse_order)
    job = form.job(name or "")
    orders: list[Command] = []
    if name and job is None:

        def known_time(text: str) -> str:
            return parse_time(text, zone, now)

        order = {"wo_id": name, "opened": taken("opened", known_time), "asset": form.asset,
                 "done": taken("done", lambda text: parse_time(text, zone, now) if text else None),
                 "action": taken("action", lambda text: parse_word(text, ACTIONS)),
                 "trigger": taken("trigger", lambda text: parse_word(text, TRIGGERS)),
                 "alert_id": form.alert_id or None}  # fmt: skip
        orders = [("work_order", order)]
    component = taken("component", lambda text: parse_part(text, form.components))
    limit = form.limits.get(component or "") or taken("limit", lambda text: parse_measured(text, "") if text else None)
    data = {
        "wo_id": job.wo_id if job else name, "asset": form.asset, "component": component,
        "grade": taken("grade", parse_grade), "wear_pct": taken("wear", parse_wear),
        "measured_value": taken("measured", lambda text: parse_measured(text, limit or "") if text else None),
        "limit": limit, "inspector_party": taken("party", lambda text: parse_word(text, PARTIES)),
        "blind_to_alert": taken("blind", parse_yes), "cause": told.get("cause", "").strip(),
        "second_reader_grade": taken("second", lambda text: parse_grade(text) if text else None),
        "photo_sha256": taken("photo", parse_photo),
    }  # fmt: skip
    if job and job.holding:
        corrects = taken("corrects", lambda text: parse_corrects(text, job))
        data |= {"corrects": corrects} if corrects is not None else {}
    if faults:
        raise Faults(faults)
    return [*((verb, order | {"component": component}) for verb, order in orders), ("finding", data)]


def filled_from(job: Job, number: str) -> dict[str, str]:
    """What the form holds of a finding that is to be corrected; empty for a number that is none."""
    old = next((one for one in job.findings if str(one.n) == number.strip() and one.n in job.holding), None)
    if old is None:
        return {}
    data = old.data
    told = {"component": old.component, "grade": data.get("grade"), "wear": data.get("wear_pct"),
            "measured": data.get("measured_value"), "limit": data.get("limit"), "cause": data.get("cause"),
            "party": data.get("inspector_party"), "second": data.get("second_reader_grade"),
            "photo": data.get("photo_sha256"), "blind": "y" if data.get("blind_to_alert") is True else "n"}  # fmt: skip
    return {field: clean(value, 200) for field, value in told.items() if value}


# each field by itself: ValueError says what is expected


def parse_order(text: str) -> str:
    if not text:
        raise ValueError(_("which job? choose one of the list, or write its number"))
    if len(text) > 60:
        raise ValueError(_("at most 60 characters"))
    return text


def parse_time(text: str, zone: tzinfo | None, now: Callable[[], datetime]) -> str:
    """UTC text of a moment that has passed."""
    try:
        moment = moment_of(text, zone)
    except ValueError:
        raise ValueError(_("when? write 2026-11-30 or 2026-11-30 07:00")) from None
    if moment > now():
        raise ValueError(_("this time lies ahead"))
    return utc_text(round(moment.timestamp() * 1e6))


def parse_word(text: str, words: tuple[str, ...]) -> str:
    """One of the words, by its digit or in full."""
    if text.isdecimal() and 1 <= int(text) <= len(words):
        return words[int(text) - 1]
    if text not in words:
        raise ValueError(_("choose a digit from 1 to {n}").format(n=len(words)))
    return text


def parse_part(text: str, known: tuple[str, ...]) -> str:
    if not text:
        raise ValueError(_("which part was looked at?"))
    if known and text not in known:
        raise ValueError(_("{part} is not configured here; known: {known}").format(
            part=clean(text, 20), known=", ".join(known)))  # fmt: skip
    return text


def parse_grade(text: str) -> str:
    if text.upper() not in GRADES:
        raise ValueError(_("one letter from A to E"))
    return text.upper()


def parse_wear(text: str) -> str | None:
    """Wear in per cent as it is recorded; a number up to 1 without the sign is asked, for it may be a fraction."""
    bare = text.removesuffix("%").strip()
    if not text:
        return None
    if not NUMBER.fullmatch(bare):
        raise ValueError(_("a number in %, for example 70"))
    value = float(bare.replace(",", "."))
    if 0 < value <= 1 and bare == text:
        raise ValueError(_("{low} % or {high} %? write it with the sign").format(low=text, high=f"{100 * value:g}"))
    if value > 1000:
        raise ValueError(_("more than ten times the limit: look again"))
    return f"{bare.replace(',', '.')} %"


def parse_measured(text: str, limit: str) -> str | None:
    """A value with its unit, decimal comma allowed; in the unit of the limit where there is one."""
    match = MEASURED.fullmatch(text)
    if match is None:
        raise ValueError(_("a number and its unit, for example 3.2 mm/s"))
    number, unit = match[1].replace(",", "."), (match[2] or "").strip()
    _value, _space, agreed = limit.partition(" ")
    if not unit:
        raise ValueError(_("in what unit? write it behind the number") + (f": {number} {agreed}" if agreed else ""))
    if agreed and unit != agreed:
        raise ValueError(
            _("the agreed limit is in {unit}: write the value in {unit} too").format(unit=clean(agreed, 16))
        )
    return f"{number} {unit}"


def parse_yes(text: str) -> bool:
    """Yes or no in the three languages; nothing is neither."""
    if text.casefold() in ("y", "yes", "j", "ja", "o", "oui"):
        return True
    if text.casefold() in ("n", "no", "nein", "non"):
        return False
    raise ValueError(_("y or n: did the inspector not know of the alert?"))


def parse_photo(text: str) -> str | None:
    if text and not HEX.fullmatch(text):
        raise ValueError(_("no such file"))
    return text or None


def parse_corrects(text: str, job: Job) -> int | None:
    """The number of a finding of this job that holds; None for one more finding."""
    known = ", ".join(str(n) for n in sorted(job.holding))
    if text.casefold() in ("no", "nein", "non", "n"):
        return None
    if not text.isdecimal() or int(text) not in job.holding:
        raise ValueError(
            _("this job has a finding: write {known} to correct it, or no for one more").format(known=known)
        )
    return int(text)
