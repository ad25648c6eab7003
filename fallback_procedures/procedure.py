"""The text format of procedures and forms: its words and what a file is once it is understood (parsing.py reads it).

A procedure is a text file that a person can read without us. A program that shows half of a procedure is worse than
paper: a file is understood as a whole or not at all, and each fault names its line. The last line, END with the id, is
there so that a file cut short is noticed. The whole grammar with an example: docs/procedures_format.md.

    PROCEDURE  P-03  Sewage lift station by hand      (or: FORM  F1  Manual log; then page lines behind "| ")
    REVISION   7   2026-09-02
    STATUS     DRAFT                                  (or: APPROVED by ROLE on DATE)
    OWNER, REVIEW BY, PURPOSE, WHEN, APPLIES, NEEDS   (LANGUAGE where it is not en)
    DANGER     people     CAUTION  equipment     NOTE  (each before its step)
    [ ] 1  One action.
           Reading: name ________ unit   limits 0.6 to {value}      ("safety limits" where life or water depends on it)
           Expect: what is seen     If not: what then     If twice: what then     Second person: what is checked
           Timer: 30 s              (or {name} or {name=30 min}: the site's own time)
    HOLD       role   what is released                (role once: released once per run, not in each round)
    REPEAT     steps 1 to 4 every 15 min for 2 h, then every 60 min until what
    HAND BACK  when and how     FORMS  F1, F3     END  P-03
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Callable, NamedTuple

SIZE_LIMIT = 200_000  # bytes; the longest procedure of the library has under 10,000
LINE_LIMIT = 200
FIELDS = ("REVISION", "STATUS", "OWNER", "REVIEW BY", "LANGUAGE", "PURPOSE", "WHEN", "APPLIES", "NEEDS")
NOTICES = ("DANGER", "CAUTION", "NOTE")
KEYWORDS = ("PROCEDURE", "FORM", *FIELDS, *NOTICES, "HOLD", "REPEAT", "HAND BACK", "FORMS", "END")
PARTS = ("Reading", "Expect", "If not", "If twice", "Second person", "Timer")
CONDITIONS = ("control_lost", "blind", "telemetry_lost", "stopped", "seen")
EVENTS = (
    "chlorine_gas",
    "compromise",
    "barrier_lost",
    "mains_lost",
    "overflow",
    "pump_work",
    "valve_work",
    "meter_reading",
    "handover",
)  # what a person sees and says
SITE_TYPES = ("waterworks", "booster_station", "lift_station", "reservoir", "treatment_plant", "power_plant")
_UNITS = (
    "m cm mm km ft in m2 m3 l ml mL gal m3/h m3/d l/s l/min l/h mL/min gpm MGD m/s bar mbar kPa Pa psi °C K °F % %LEL "
    "%UEG %LIE ppm ppb mg/l µg/l g/l mg/L µg/L g/L mL/l g kg t FNU FTU NTU PF pH µS/cm mS/cm A mA V mV kV W kW MW kVA "
    "kvar W/m2 J/m2 kWh MWh kvarh ohm kohm Mohm Hz rpm 1/min 1/h starts/h Umdr. s min h d mm/s m/s2 dB dB(A)"
)
UNITS = tuple(_UNITS.split())  # of a reading; beside them a word that counts, as lamps or turns
UNREVIEWED = "translation not yet reviewed"
SITE_ID = r"[A-Za-z0-9_-]{1,40}"  # of a site: it names folders too
TEXT_UNITS = ("HH:MM", "yes/no", "text")  # what is written there is no number

VALUE = r"\{([a-z][a-z0-9_]{0,40})(?:=([^{}]{1,40}))?\}"


class Fault(NamedTuple):
    """What is wrong with a procedure file, and where. `line` counts from 1."""

    line: int
    text: str


@dataclass(frozen=True)
class Limit:
    """One end of a band: a number that stands in the text, a site's own value, or neither ("-")."""

    number: str = ""  # as written, decimal point
    value: str = ""  # name of a site value
    default: str = ""  # "9.5 A": used where the site gives none, never for safety


@dataclass(frozen=True)
class Span:
    """A length of time: so many seconds, or a site's own value. `s` is 0 where it is a site value. [s]"""

    s: int = 0
    value: str = ""  # name of a site value
    default: str = ""  # "30 min": used where the site gives none


@dataclass(frozen=True)
class Reading:
    """A value that a person takes from a gauge. `unit` is a unit, or one of TEXT_UNITS."""

    name: str
    unit: str
    low: Limit
    high: Limit
    safety: bool
    limited: bool  # limits are written, if only "- to -"
    line: int

    @property
    def has_band(self) -> bool:
        return any(limit.number or limit.value for limit in (self.low, self.high))


@dataclass(frozen=True)
class Notice:
    """A DANGER (people), CAUTION (equipment) or NOTE that stands before its step."""

    kind: str
    text: str
    line: int


@dataclass(frozen=True)
class Branch:
    """A conditional in a step: IF/WHEN/WHILE condition THEN action."""

    word: str
    condition: str
    action: str


@dataclass(frozen=True)
class Target:
    """Where a text sends the reader: GO TO leaves, REFER TO comes back. `step` or `document` is set."""

    leave: bool
    step: str
    document: str
    line: int = 0


@dataclass(frozen=True)
class Hold:
    """Nobody goes on to the next step before `role` has released it; `once` per run, else in each round."""

    role: str
    text: str
    line: int
    once: bool = False


@dataclass(frozen=True)
class Step:
    """One action, with all that belongs to it."""

    number: str
    text: str
    line: int
    notices: tuple[Notice, ...] = ()
    holds: tuple[Hold, ...] = ()
    readings: tuple[Reading, ...] = ()
    expect: str = ""
    if_not: str = ""
    if_twice: str = ""  # a reading is out of limits for the second time in a row
    second_person: str = ""  # independent verification: the step is critical
    timer: Span | None = None
    branch: Branch | None = None
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True)
class Repeat:
    """Steps that come again: for the first `for_s` each `every`, `then` more slowly (0 and None: no change). [s]"""

    first: str
    last: str
    every: Span
    until: str
    line: int
    for_s: int = 0
    then: Span | None = None


@dataclass(frozen=True)
class Applies:
    """When a procedure is offered: a condition, for one site or one type of site or all; `event` if it is seen. [s]"""

    condition: str
    site: str = ""
    site_type: str = ""
    for_s: int = 0
    text: str = ""
    event: str = ""


# a selector's position, in capitals as on its plate; and the same said in a sentence
_BY_HAND = re.compile(r"\b(HAND|LOCAL|MANU|MANUAL|MANUEL|MANUELL|HANDBETRIEB|ORT)\b(?! BACK)|"
                      r"\b(?:[Ii]n|[Tt]o|[Aa]uf|[Ee]n|[Ss]ur) "
                      r"(?:Hand|Local|Ort|Manu|Manual|Manuel|local|manuel|hand position)\b")  # fmt: skip
# the mode in words: what a NOTE tells of it is no order (P-15 tests a lock with the selector in it)
_IN_WORDS = re.compile(r"\b(manual (?:mode|operation|control|running)|Hand(?:betrieb|steuerung|stellung|fahrweise)|"
                       r"(?:marche|mode|commande|conduite|fonctionnement|position) manuel(?:le)?|"
                       r"(?:[Pp]osition|Stellung) [HM])\b")  # fmt: skip
# a drive that is started so; a level may be read by hand at any time
_STARTED = re.compile(
    r"\b(?:start|run|operate|drive|starte|fahre|betreibe|démarrer|conduire|faire (?:marcher|tourner))\b[^.;]*"
    r"\b(?:by hand|manually|von Hand|manuell|à la main|manuellement)\b", re.IGNORECASE)  # fmt: skip


@dataclass(frozen=True)
class Procedure:
    """A whole procedure or form. `source` is the text it was read from."""

    kind: str  # procedure or form
    id: str
    title: str
    revision: str
    effective: str
    status: str
    approved_by: str
    owner: str
    review_by: str
    language: str
    translation: str  # "", "translation not yet reviewed", ...
    purpose: str
    when: str
    applies: tuple[Applies, ...]
    needs: str
    steps: tuple[Step, ...]
    repeats: tuple[Repeat, ...]
    hand_back: str
    forms: tuple[str, ...]
    page: tuple[str, ...]
    source: str = field(compare=False, repr=False)
    targets: tuple[Target, ...] = ()  # where head, REPEAT and HAND BACK send the reader
    doubt: str = ""  # why what it says of its approval or translation is not believed; "" where it is

    @property
    def approved(self) -> bool:
        return bool(self.approved_by)

    @property
    def unreviewed_translation(self) -> bool:
        return self.translation == UNREVIEWED

    @property
    def is_translation(self) -> bool:
        return self.translation.startswith("translation")

    @cached_property
    def by_hand(self) -> str:
        """The words by which it takes a drive by hand, "" for none; such a one is never offered before CONTROL LOST is
        declared."""
        told = [self.title, self.purpose, self.when, self.needs, self.hand_back, *(one.until for one in self.repeats)]
        notes = []
        for step in self.steps:
            told += [step.text, step.expect, step.if_not, step.if_twice, step.second_person]
            told += [hold.text for hold in step.holds]
            told += [notice.text for notice in step.notices if notice.kind != "NOTE"]
            notes += [notice.text for notice in step.notices if notice.kind == "NOTE"]
        found = [_BY_HAND.search(text) for text in (*told, *notes)]
        found += [_IN_WORDS.search(text) for text in told]
        found += [_STARTED.search(step.text) for step in self.steps]
        return next((one.group() for one in found if one), "")

    @property
    def moves_the_plant(self) -> bool:
        return bool(self.by_hand)

    def step(self, number: str) -> Step | None:
        """The step of that number, if there is one."""
        return next((step for step in self.steps if step.number == number), None)


def decode(raw: bytes) -> tuple[str | None, tuple[Fault, ...]]:
    """The text in a file's bytes, or the line where it stops being UTF-8 text of a sane size."""
    if len(raw) > SIZE_LIMIT:
        return None, (Fault(1, f"the file has {len(raw)} bytes; a procedure may have {SIZE_LIMIT}"),)
    try:
        return raw.decode("utf-8-sig"), ()
    except UnicodeDecodeError as fault:
        line = raw[: fault.start].count(b"\n") + 1
        return None, (Fault(line, "this line is not UTF-8 text; save the file as UTF-8"),)


def parse(source: str | bytes) -> tuple[Procedure | None, tuple[Fault, ...]]:
    """The procedure in `source`, or None and every fault found, in the order of lines. Never raises for bad text.

    >>> parse("Dear operator")[1][0].line
    1
    """
    from fallback_procedures.parsing import understood  # the parser builds on the types of this file

    return understood(source)


def span_of(text: str) -> int:
    """Seconds of "30 s", "15 min" or "4 h"; 0 where it is anything else. [s]"""
    found = re.fullmatch(r"([0-9]{1,4}) (s|min|h)", text)
    return int(found.group(1)) * {"s": 1, "min": 60, "h": 3600}[found.group(2)] if found else 0


def site_type_of(text: object) -> str:
    """The type of a site as somebody wrote it, "Lift station" as well as lift_station; "" for one that is unknown."""
    told = re.sub(r"[\s-]+", "_", text.strip().lower()) if isinstance(text, str) else ""
    return told if told in SITE_TYPES else ""


def is_date(text: str) -> bool:
    """Whether "2026-09-02" is a day that there is."""
    try:
        return bool(time.strptime(text, "%Y-%m-%d"))
    except ValueError:
        return False


def with_values(text: str, shown: Callable[[str, str], str]) -> str:
    """The text with each {name} or {name=default unit} replaced by shown(name, default)."""
    return re.sub(VALUE, lambda found: shown(found.group(1), found.group(2) or ""), text)


def values_of(text: str) -> dict[str, str]:
    """The site values in a text, each with its default or ""."""
    return {found.group(1): found.group(2) or "" for found in re.finditer(VALUE, text)}
