"""The parser of the text format, second pass: items (lines.py) to a Procedure.

It is strict: whatever is not understood is a fault with its line, nothing is skipped, mended or guessed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

from fallback_procedures.lines import RUN_ON, Item, read_lines
from fallback_procedures.procedure import (
    CONDITIONS,
    EVENTS,
    FIELDS,
    NOTICES,
    PARTS,
    SITE_TYPES,
    TEXT_UNITS,
    UNITS,
    UNREVIEWED,
    VALUE,
    Applies,
    Branch,
    Fault,
    Hold,
    Limit,
    Notice,
    Procedure,
    Reading,
    Repeat,
    Span,
    Step,
    Target,
    decode,
    is_date,
    span_of,
    values_of,
)
from fallback_procedures.words import LANGUAGES, RELEASERS, ROLES

_DIGITS = r"-?(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_STEP = re.compile(r"\[ \] {1,4}([1-9][0-9]?)([a-z]?) {1,6}([A-ZÀ-Þ\"{].*)$")
_READING = re.compile(r"(\S.*?) _{4,20} (\S+)(?: +(safety )?limits (\S.*?) to (\S.*))?$")
_GO = re.compile(
    r"\b(GO TO|REFER TO) (?:step ([1-9][0-9]?[a-z]?)|(P-[0-9]{2}|F[1-9][0-9]?)(?: step ([1-9][0-9]?[a-z]?))?)(?![\w-])"
)
_SENTENCE = re.compile(r"[A-ZÀ-Þ\"{]")  # how a step, a notice and what a HOLD releases begin
_HOLD = re.compile(rf"([a-z_]+) +(?:(once) +)?({_SENTENCE.pattern}.*)")
_COUNTED = re.compile(r"[^\W\d_]{4,30}")  # a unit that is a word: lamps, turns
_NUMBER = r"([0-9]{1,2}[a-z]?)"
_SPAN = r"([0-9]{1,4} (?:s|min|h)|\{[^{}]*\})"
_REPEAT = re.compile(
    rf"(?:step {_NUMBER}|steps {_NUMBER} to {_NUMBER}) every {_SPAN}"
    rf"(?: for ([0-9]{{1,4}} (?:s|min|h)), then every {_SPAN})? until (\S.*)"
)
_ID = re.compile(r"P-[0-9]{2}|F[1-9][0-9]?")
_TRANSLATION = f"{UNREVIEWED}|translation reviewed by (?:ROLE) on DATE|original".replace("ROLE", "|".join(ROLES))
SENTENCES = ("[ ]", "PURPOSE", "WHEN", "NEEDS", *NOTICES, "HOLD", "REPEAT", "Expect", "If not", "If twice",
             "Second person", "HAND BACK")  # fmt: skip
_LINKED = ("WHEN", "NEEDS", "PURPOSE", "REPEAT", "HAND BACK")  # beside steps and what belongs to them
_NOT_IN_FORM = ("WHEN", "APPLIES", "NEEDS", "HAND BACK", "FORMS")
_EXAMPLES = {
    "REVISION": "number and date: REVISION  7  2026-09-02",
    "STATUS": "DRAFT, or APPROVED by engineer on 2026-09-02",
    "LANGUAGE": "de  translation not yet reviewed, de  translation reviewed by ROLE on DATE, or de  original",
    "REVIEW BY": "as a date: 2027-09-02",
}


def understood(source: str | bytes) -> tuple[Procedure | None, tuple[Fault, ...]]:
    """The procedure in `source`, or None and every fault found, in the order of lines."""
    if isinstance(source, bytes):
        text, refused = decode(source)
        if text is None:
            return None, refused
        source = text
    faults: list[Fault] = []
    items = read_lines(source, faults)
    if not items or items[0].line != 1 or items[0].key not in ("PROCEDURE", "FORM"):
        why = Fault(1, "the first line must say PROCEDURE or FORM, its id and its title")
        return None, (next((fault for fault in faults if fault.line == 1), why),)
    procedure = _Builder(source, faults).build(items)
    return (None, tuple(sorted(set(faults)))) if faults else (procedure, ())


class _Builder:
    """Second pass: items to a Procedure, in their order."""

    def __init__(self, source: str, faults: list[Fault]) -> None:
        self.source, self.faults = source, faults
        self.fields: dict[str, Item] = {}
        self.applies: list[Applies] = []
        self.steps: list[Step] = []
        self.notices: list[Notice] = []
        self.holds: list[Hold] = []
        self.repeats: list[Repeat] = []
        self.page: list[str] = []
        self.elsewhere: tuple[Target, ...] = ()
        self.defaults: dict[str, str] = {}  # of the site values met so far

    def fault(self, line: int, text: str) -> None:
        self.faults.append(Fault(line, text))

    def take(self, item: Item) -> None:
        """One item, put where it belongs or refused."""
        key, form = item.key, self.kind == "form"
        if "END" in self.fields:
            self.fault(item.line, "nothing may follow END")
        elif key == "|" if form else key == "[ ]" or key in (*PARTS, *NOTICES, "HOLD", "REPEAT"):
            self.body(item)
        elif key in (*FIELDS, "HAND BACK", "FORMS", "END") and not (form and key in _NOT_IN_FORM):
            self.field(item)
        elif key in ("PROCEDURE", "FORM"):
            self.fault(item.line, f"{key} stands on the first line only")
        else:
            self.fault(item.line, f"{key} does not stand in a {'FORM' if form else 'PROCEDURE'}")
        if key != "|" and RUN_ON.search(item.text[3:] if key == "[ ]" else item.text):
            self.fault(item.line, "two lines have run together here, or a keyword stands inside a sentence")
        if key in SENTENCES and not item.text.endswith((".", "!", "?")):
            self.fault(item.line, f"{key} ends with a full stop; the line may have been cut short")
        if re.search(r"[{}]", re.sub(VALUE, "", item.text)):
            self.fault(item.line, "a site value is written {name} or {name=default unit}")
        for name, default in values_of(item.text).items():
            if name.startswith("tag_") or name == "labels":
                self.fault(item.line, f"{{{name}}} is a row for the program, no value of a page; use another name")
            if self.defaults.setdefault(name, default) != default:
                self.fault(item.line, f"{{{name}}} has another default above; write the same in both places")

    def field(self, item: Item) -> None:
        """A header field, or HAND BACK, FORMS and END."""
        if item.key in FIELDS and (self.steps or self.notices or self.holds or self.page):
            self.fault(item.line, f"{item.key} stands before the first warning, step or page line")
        if item.key == "APPLIES":
            self.applies.append(self.condition(item))
            if self.applies[-1] in self.applies[:-1]:
                self.fault(item.line, "this APPLIES stands twice")
        elif item.key in self.fields:
            self.fault(item.line, f"{item.key} stands twice")
        self.fields.setdefault(item.key, item)

    def body(self, item: Item) -> None:
        """A warning, a step and its parts, HOLD, REPEAT, a page line."""
        key, line = item.key, item.line
        if "HAND BACK" in self.fields or "FORMS" in self.fields:
            self.fault(line, f"{key} stands before HAND BACK and FORMS")
        if key == "|":
            self.page.append(item.text)
        elif key in NOTICES:
            if any((one.kind, one.text) == (key, item.text) for one in self.notices):
                self.fault(line, f"this {key} stands twice")
            if not _SENTENCE.match(item.text):
                self.fault(line, f"{key} begins with a capital letter; a word may be lost")
            self.notices.append(Notice(key, item.text, line))
        elif key == "HOLD":
            found = _HOLD.fullmatch(item.text)
            if not found or found.group(1) not in RELEASERS:
                self.fault(line, f"HOLD names a role ({', '.join(RELEASERS)}), once or not, and what it releases")
            role, once, text = found.groups() if found else ("", "", "")
            if self.holds:  # a run asks for one release before a step, and the other would be passed over
                self.fault(line, "one HOLD stands before a step; the second one needs a step of its own")
            self.holds.append(Hold(role, text, line, bool(once)))
        elif key == "REPEAT":
            self.repeats.append(self.repeat(item))
        elif key == "[ ]":
            self.step(item)
        elif not self.steps or self.notices or self.holds:
            self.fault(line, f"{key}: stands under its step")
        else:
            self.part(item)

    def step(self, item: Item) -> None:
        found = _STEP.match(item.text)
        if not found:
            self.fault(item.line, 'a step is written "[ ] 1  What to do.": number, capital letter, full stop')
            return
        number, letter, text = int(found.group(1)), found.group(2), found.group(3)
        before = re.match(r"(\d+)([a-z]?)", self.steps[-1].number if self.steps else "0")
        assert before
        last, sub = int(before.group(1)), before.group(2)
        allowed = {(last + 1, ""), (last + 1, "a"), (last, chr(ord(sub) + 1) if sub else "a")}
        if (number, letter) not in allowed:
            self.fault(
                item.line, f"step {number}{letter} does not follow {'step ' + before.group(0) if last else 'the start'}"
            )
        told = [item._replace(text=text), *(Item(one.line, "", one.text) for one in self.notices),
                *(Item(one.line, "", one.text) for one in self.holds)]  # fmt: skip
        self.steps.append(Step(f"{number}{letter}", text, item.line, tuple(self.notices), tuple(self.holds),
                               branch=self.branch(item.line, text),
                               targets=tuple(target for one in told for target in self.targets(one))))  # fmt: skip
        self.notices, self.holds = [], []

    def part(self, item: Item) -> None:
        """Reading:, Expect:, If not:, If twice:, Second person: and Timer: of the last step."""
        step, text = self.steps[-1], item.text
        if item.key != "Reading" and getattr(step, item.key.lower().replace(" ", "_")):
            self.fault(item.line, f"{item.key}: stands twice under one step")
        if item.key == "Reading":
            reading = self.reading(item.line, text)
            if step.expect or step.if_not or step.if_twice or step.second_person or step.timer:
                self.fault(item.line, "Reading: stands before the other parts of its step; a step may be lost here")
            if reading.name in [one.name for one in step.readings]:
                self.fault(item.line, f"the reading {reading.name!r} stands twice under one step")
            step = replace(step, readings=(*step.readings, reading))
        elif item.key == "Expect":
            step = replace(step, expect=text)
        elif item.key == "If not":
            step = replace(step, if_not=text)
        elif item.key == "If twice":
            step = replace(step, if_twice=text)
        elif item.key == "Second person":
            step = replace(step, second_person=text)
        else:
            step = replace(step, timer=self.span(item.line, text, "Timer:"))
        self.steps[-1] = replace(step, targets=(*step.targets, *self.targets(item)))

    def span(self, line: int, text: str, what: str) -> Span:
        """A length of time: "30 s", {name} or {name=30 min}."""
        value = re.fullmatch(VALUE, text)
        if value and span_of(value.group(2) or "1 s"):
            return Span(0, value.group(1), value.group(2) or "")
        seconds = span_of(text)
        if not seconds:
            self.fault(line, f'{what} has a time as "30 s", "5 min", "1 h", {{name}} or {{name=30 min}}, not {text!r}')
        return Span(seconds)

    def condition(self, item: Item) -> Applies:
        words, for_s = item.text.split(), 0
        if "for" in words:
            at = words.index("for")
            tail, words = words[at + 1 :], words[:at]
            for_s = span_of(" ".join(tail))
            if not for_s:
                self.fault(item.line, 'the time of APPLIES is written "for 60 s", "for 5 min" or "for 1 h"')
        if not words or words[0] not in CONDITIONS:
            self.fault(item.line, f"APPLIES knows {', '.join(CONDITIONS)}")
            return Applies("")
        event = words.pop(1) if words[0] == "seen" and len(words) > 1 else ""
        if words[0] == "seen" and (event not in EVENTS or for_s):
            self.fault(item.line, f"APPLIES seen names one event ({', '.join(EVENTS)}) and no time")
        pairs: dict[str, str] = {}
        for word in words[1:]:
            key, _equals, value = word.partition("=")
            if key not in ("site", "site_type") or key in pairs or not re.fullmatch(r"[\w.-]{1,40}", value):
                self.fault(item.line, f"APPLIES knows site=ID and site_type=TYPE, each once; not {word!r}")
            elif key == "site_type" and value not in SITE_TYPES:
                self.fault(item.line, f"site types are {', '.join(SITE_TYPES)}; not {value!r}")
            pairs[key] = value
        return Applies(words[0], pairs.get("site", ""), pairs.get("site_type", ""), for_s, " ".join(item.text.split()),
                       event)  # fmt: skip

    def limit(self, line: int, text: str, unit: str) -> Limit:
        value = re.fullmatch(VALUE, text)
        if value:
            default = value.group(2) or ""
            if default and not re.fullmatch(_DIGITS + " " + re.escape(unit), default):
                self.fault(line, f"the default {default!r} must be a number with a decimal point and the unit {unit}")
            return Limit(value=value.group(1), default=default)
        if text != "-" and not re.fullmatch(_DIGITS, text):
            self.fault(line, f"the limit {text!r} must be -, a number with a decimal point, or {{name}}")
            return Limit()
        return Limit(number="" if text == "-" else text)

    def reading(self, line: int, text: str) -> Reading:
        found = _READING.match(text)
        if not found:
            self.fault(line, 'a reading is written "Reading: name ________ unit   limits LOW to HIGH"')
            return Reading("", "", Limit(), Limit(), False, False, line)
        name, unit, safety, low, high = found.groups()
        if "__" in name or unit == "limits" or re.search(r"\blimits \S+ to\b", name):
            self.fault(line, "a reading has one name, one blank, one unit and then its limits")
        if unit not in (*TEXT_UNITS, *UNITS) and not _COUNTED.fullmatch(unit):
            self.fault(line, f"the unit {unit!r} is not known here; write m, bar, m3/h, %, ... or a word as lamps")
        if low is None:
            if unit not in TEXT_UNITS:
                self.fault(line, f"a reading in {unit} has limits; write 'limits - to -' where there are none")
            return Reading(name, unit, Limit(), Limit(), False, False, line)
        ends = (self.limit(line, low, unit), self.limit(line, high, unit))
        if unit in TEXT_UNITS:
            self.fault(line, f"a reading of {unit} has no limits")
        elif safety and not any(end.number or end.value for end in ends):
            self.fault(line, "a safety limit names a limit")
        numbers = [Decimal(text) for end in ends for text in [end.number or end.default.split(" ")[0]]
                   if re.fullmatch(_DIGITS, text)]  # fmt: skip
        if len(numbers) == 2 and numbers[0] > numbers[1]:
            self.fault(line, "the low limit is above the high limit")
        if ends[0].value and ends[0].value == ends[1].value:
            self.fault(line, "both limits are the same site value")
        return Reading(name, unit, *ends, bool(safety), True, line)

    def repeat(self, item: Item) -> Repeat:
        found = _REPEAT.fullmatch(item.text)
        if not found:
            form = (
                'a repeat is written "REPEAT  steps 1 to 4 every 15 min until ...", for one step "step 4 every ...", '
            )
            self.fault(item.line, form + 'with two rhythms "every 15 min for 2 h, then every 60 min until ..."')
            return Repeat("", "", Span(), "", item.line)
        one, first, last, every, for_text, then, until = found.groups()
        return Repeat(one or first, one or last, self.span(item.line, every, "every"), until, item.line,
                      span_of(for_text or ""), self.span(item.line, then, "every") if then else None)  # fmt: skip

    def targets(self, item: Item) -> tuple[Target, ...]:
        found = list(_GO.finditer(item.text))
        if len(found) != len(re.findall(r"\b(?:G[O0]|REFER)[\s_-]*T[O0]\b", item.text, re.IGNORECASE)):
            self.fault(item.line, "write GO TO step 4, GO TO P-18, GO TO P-18 step 2 or REFER TO F3")
        return tuple(Target(one.group(1) == "GO TO", one.group(2) or one.group(4) or "", one.group(3) or "", item.line)
                     for one in found)  # fmt: skip

    def branch(self, line: int, text: str) -> Branch | None:
        word, then = re.search(r"\b(IF|WHEN|WHILE)\b", text), re.search(r"\bTHEN\b", text)
        if not word and not then:
            return None
        words = re.findall(r"\b(?:IF|WHEN|WHILE|THEN|ELSE)\b", text)
        form = re.match(r"(IF|WHEN|WHILE) (\S.*) THEN (\S.*)", text)
        if not form or len(words) != 2:
            self.fault(line, "a step with a condition is written IF ... THEN ... (WHEN, WHILE), once, from its start")
            return None
        if re.search(r"\bAND\b", text) and re.search(r"\bOR\b", text):
            self.fault(line, "AND and OR do not stand in one condition")
        return Branch(form.group(1), form.group(2).strip(" ,"), form.group(3))

    # -- the whole -----------------------------------------------------------------------------------------------

    def build(self, items: list[Item]) -> Procedure:
        """The Procedure; to be believed only where no fault was found."""
        self.kind = "form" if items[0].key == "FORM" else "procedure"
        for item in items[1:]:
            self.take(item)
        self.elsewhere = tuple(target for item in items if item.key in _LINKED for target in self.targets(item))
        self.whole(items)
        name, _space, title = items[0].text.partition(" ")
        if not _ID.fullmatch(name) or not title.strip() or (name[0] == "F") != (self.kind == "form"):
            self.fault(1, f"{items[0].key} names an id ({'F1' if self.kind == 'form' else 'P-03'}) and a title")
        if "END" in self.fields and self.text("END") != name:
            self.fault(self.fields["END"].line, f"END names the id of the first line, {name}")
        revision, effective = self.dated("REVISION", r"([0-9]{1,4}) +(DATE)")
        approved = self.dated("STATUS", r"DRAFT()()|APPROVED by ([a-z_]+) on (DATE)")
        language, translation = (
            self.dated("LANGUAGE", rf"([a-z]{{2}}) +({_TRANSLATION})") if "LANGUAGE" in self.fields else ("en", "")
        )
        if language not in LANGUAGES:
            self.fault(self.fields["LANGUAGE"].line, f"languages are {', '.join(LANGUAGES)}")
        if approved[0] and approved[0] not in ROLES:
            self.fault(self.fields["STATUS"].line, f"roles are {', '.join(ROLES)}")
        if approved[1] and approved[1] < effective:
            self.fault(self.fields["STATUS"].line, "approved before this revision was made: DRAFT, until it is again")
        review_by, _none = self.dated("REVIEW BY", r"(DATE)()")
        if review_by and review_by < effective:
            self.fault(self.fields["REVIEW BY"].line, "the review is due before the date of the revision")
        forms = tuple(form.strip() for form in self.text("FORMS").split(",")) if "FORMS" in self.fields else ()
        if any(not re.fullmatch(r"F[1-9][0-9]?", form) for form in forms) or len(set(forms)) < len(forms):
            self.fault(self.fields["FORMS"].line, "FORMS names forms as F1, F3, each once")
        return Procedure(
            self.kind, name, title.strip(), revision, effective, self.text("STATUS"), approved[0], self.text("OWNER"),
            review_by, language, translation, self.text("PURPOSE"), self.text("WHEN"), tuple(self.applies),
            self.text("NEEDS"), tuple(self.steps), tuple(self.repeats), self.text("HAND BACK"), forms,
            tuple(self.page), self.source, self.elsewhere,
        )  # fmt: skip

    def text(self, key: str) -> str:
        return self.fields[key].text if key in self.fields else ""

    def dated(self, key: str, form: str) -> tuple[str, str]:
        """Two parts of a field after a form in which DATE stands for a real date; a fault where it differs."""
        if key not in self.fields:
            return "", ""
        item = self.fields[key]
        found = re.fullmatch(form.replace("DATE", _DATE), item.text)
        if not found:
            self.fault(item.line, f"{key} is written {_EXAMPLES[key]}")
            return "", ""
        parts = [part for part in found.groups() if part] + ["", ""]
        if any(re.fullmatch(_DATE, part) and not is_date(part) for part in parts):
            self.fault(item.line, f"{key}: there is no such day")
        return parts[0], parts[1]

    def whole(self, items: list[Item]) -> None:
        """Faults that no single item shows."""
        needed = ["REVISION", "STATUS", "OWNER", "REVIEW BY", "PURPOSE"]
        needed += [] if self.kind == "form" else ["WHEN", "APPLIES", "NEEDS", "HAND BACK"]
        for key in needed:
            if key not in self.fields:
                self.fault(1, f"{key} is missing")
        if not self.page and not self.steps:
            self.fault(1, "there is no page line (|)" if self.kind == "form" else "there is no step")
        if "END" not in self.fields:
            self.fault(items[-1].line, "the last line must be END and the id; the file may have been cut short")
        for line in [notice.line for notice in self.notices] + [hold.line for hold in self.holds]:
            self.fault(line, "this stands before its step; no step follows")
        order = [step.number for step in self.steps]
        for target in (*self.elsewhere, *(target for step in self.steps for target in step.targets)):
            if target.step and not target.document and target.step not in order:
                self.fault(target.line, f"there is no step {target.step}")
        for repeat in self.repeats:
            if repeat.first and not (repeat.first in order and repeat.last in order
                                     and order.index(repeat.first) <= order.index(repeat.last)):  # fmt: skip
                self.fault(repeat.line, f"there are no steps {repeat.first} to {repeat.last}")
            elif repeat.first and repeat.then and repeat.for_s < repeat.every.s:
                self.fault(repeat.line, "the first rhythm lasts for one round at least")
            if [(one.first, one.last) for one in self.repeats].count((repeat.first, repeat.last)) > 1:
                self.fault(repeat.line, "these steps are repeated twice")
        for step in self.steps:
            bands = [reading for reading in step.readings if reading.has_band]
            if any(reading.safety for reading in bands) and not step.if_not:
                self.fault(step.line, "a step with a safety limit says what to do outside it: If not:")
            if step.if_twice and not bands:
                self.fault(step.line, "If twice: belongs to a reading with limits")
