"""A site's own values for its procedures: limits, labels, telephone numbers, what HAND bypasses.

A procedure without its sheet is a form letter. A value that is not the site's own says so wherever it is shown, and
for a safety limit it counts as missing: a plausible number from a library is more dangerous than a blank.

    SHEET       site R   Riverside
    TYPE        lift_station
    APPROVED    engineer  2026-11-01

    stop_level  = 0.60 m     # above the pump's minimum submergence
    hand_bypasses    = low-level stop
    hand_bypasses_de = Trockenlaufschutz     # words in the language of the page; a number is the same in all
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from fallback_procedures.lines import strange
from fallback_procedures.procedure import (
    LINE_LIMIT,
    SITE_ID,
    SITE_TYPES,
    Fault,
    Limit,
    Procedure,
    Reading,
    Span,
    decode,
    is_date,
    span_of,
    values_of,
    with_values,
)
from fallback_procedures.words import LANGUAGES, ROLES, _, number_shown

_HEAD = re.compile(rf"SHEET +site +({SITE_ID}) +(\S.*)")
_TYPE = re.compile(r"TYPE +(\w+)")
_APPROVED = re.compile(r"APPROVED +([a-z_]+) +([0-9]{4}-[0-9]{2}-[0-9]{2})")
_ROW = re.compile(r"([a-z][a-z0-9_]{0,40}) *= *(\S.*)")
_COMMA = re.compile(r"-?[0-9]+,[0-9]+ +\S+$")
_TAG_ROW = re.compile(r"tag_(p[0-9]{2})_([0-9]{1,2}[a-z]?)(?:_([2-9]))?")
COUNTED = (  # what is counted, in the languages of the texts; other words are the same only where they are equal
    ("lamps", "lampes", "Lampen"), ("persons", "personnes", "Personen"), ("turns", "tours", "Umdr."),
    ("lines", "lignes", "Zeilen"), ("filters", "filtres", "Filter"), ("pumps", "pompes", "Pumpen"),
)  # fmt: skip
IN_LANGUAGE = tuple(f"_{one}" for one in LANGUAGES if one != "en")
_QUANTITY = re.compile(r"(-?[0-9]{1,9}(?:\.[0-9]{1,6})?) +(\S+)")


@dataclass(frozen=True)
class Sheet:
    """The values of one site, as text ("0.60 m"). Unapproved values are shown and never trusted as a safety limit."""

    site: str = ""
    name: str = ""
    site_type: str = ""
    approved_by: str = ""
    approved_on: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)  # of each value in its file

    def in_language(self, language: str) -> Sheet:
        """The sheet as a page of that language shows it: words in it where the site has written them."""
        own = {name: self.values[f"{name}_{language}"] for name in self.values if f"{name}_{language}" in self.values}
        return replace(self, values={**self.values, **own}) if own else self


def read_sheet(source: str | bytes) -> Sheet:
    """The sheet in `source` with the faults found; a line at fault gives no value."""
    if isinstance(source, bytes):
        text, faults = decode(source)
        if text is None:
            return Sheet(faults=faults)
        source = text
    found: dict[str, tuple[str, ...]] = {}
    heads: dict[str, int] = {}
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    wrong: list[Fault] = []
    twice: set[str] = set()
    for number, line in enumerate(source.replace("\r\n", "\n").split("\n"), 1):
        line = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
        if not line:
            continue
        row = _ROW.fullmatch(line)
        if strange(line) or len(line) > LINE_LIMIT:
            wrong.append(Fault(number, f"over {LINE_LIMIT} characters, or one that has no place here: type it anew"))
        elif row and _COMMA.match(row.group(2)):
            wrong.append(Fault(number, f"{row.group(1)}: write the number with a decimal point, as 0.60 m"))
        elif row and row.group(1).startswith("tag_") and not _TAG_ROW.fullmatch(row.group(1)):
            wrong.append(Fault(number, f"{row.group(1)}: a tag is named as tag_p03_3 = TAG (procedure, step), or _3_2"))
        elif row and row.group(1) in values:
            wrong.append(Fault(number, f"{row.group(1)} stands twice; neither value is used"))
            twice.add(row.group(1))
        elif row:
            values[row.group(1)], lines[row.group(1)] = " ".join(row.group(2).split()), number
        else:
            for key, form in (("SHEET", _HEAD), ("TYPE", _TYPE), ("APPROVED", _APPROVED)):
                match = form.fullmatch(line)
                if match and key in found:
                    wrong.append(Fault(number, f"{key} stands twice; the first is kept"))
                    break
                if match:
                    found[key], heads[key] = match.groups(), number
                    break
            else:
                wrong.append(Fault(number, 'a sheet has SHEET, TYPE, APPROVED and lines "name = value unit  # note"'))
    for row_name in twice:
        del values[row_name]
    for row_name in [one for one in values if one.endswith(IN_LANGUAGE)]:
        base = values.get(row_name[:-3], "")
        if not base or _digits(base) != _digits(values[row_name]):
            why = "says other figures than" if base else "has no row"
            wrong.append(Fault(lines[row_name], f"{row_name} {why} {row_name[:-3]}; it is not used"))
            del values[row_name]
    site, name = found.get("SHEET", ("", ""))
    kind = found.get("TYPE", ("",))[0]
    role, day = found.get("APPROVED", ("", ""))
    if not site:
        wrong.append(Fault(1, "the first line must say: SHEET  site ID  name"))
    if kind and kind not in SITE_TYPES:
        wrong.append(Fault(heads["TYPE"], f"TYPE is one of {', '.join(SITE_TYPES)}"))
        kind = ""
    if role and role not in ROLES:
        wrong.append(Fault(heads["APPROVED"], f"APPROVED names a role: {', '.join(ROLES)}"))
        role = day = ""
    if day and not is_date(day):
        wrong.append(Fault(heads["APPROVED"], f"there is no such day as {day}; the sheet counts as not approved"))
        role = day = ""
    return Sheet(site, name.strip(), kind, role, day, values, tuple(sorted(wrong)), lines)


def _digits(text: str) -> list[str]:
    """The figures in a text, in any order: words may stand elsewhere in another language, figures are the same."""
    return sorted(re.findall(r"[0-9]+", text))


@dataclass(frozen=True)
class Bounds:
    """The band of a reading at one site. `low`, `high`: numbers as text, "" where open or unknown.

    `origin` is site, text (a number of the procedure itself), default (shown, not the site's own) or missing.
    """

    low: str
    high: str
    origin: str
    missing: tuple[str, ...] = ()

    def holds(self, value: Decimal) -> bool | None:
        """Whether a value lies in the band; None where the band is not known."""
        if self.origin == "missing" or not (self.low or self.high):
            return None
        return not (self.low and value < Decimal(self.low)) and not (self.high and value > Decimal(self.high))


def bounds(reading: Reading, sheet: Sheet) -> Bounds:
    """The band of `reading` with the values of `sheet`. A wrong unit counts as missing; a default too, for safety."""
    ends, origins, missing = [], [], []
    for limit in (reading.low, reading.high):
        number, origin = _end(limit, reading, sheet)
        ends.append(number)
        origins.append(origin)
        if origin == "missing":
            missing.append(limit.value)
    if ends[0] and ends[1] and Decimal(ends[0]) > Decimal(ends[1]):  # turned round: neither can be believed
        missing = [limit.value for limit in (reading.low, reading.high) if limit.value]
        ends, origins = ["", ""], ["missing"]
    worst = next((origin for origin in ("missing", "default", "site") if origin in origins), "text")
    return Bounds(ends[0], ends[1], worst, tuple(missing))


def _end(limit: Limit, reading: Reading, sheet: Sheet) -> tuple[str, str]:
    if not limit.value:
        return limit.number, "text"
    quantity = _QUANTITY.fullmatch(sheet.values.get(limit.value, ""))
    trusted = sheet.approved_by or not reading.safety
    if quantity and _same_unit(quantity.group(2), reading.unit) and trusted:
        return quantity.group(1), "site"
    if limit.default and not reading.safety:
        return limit.default.split()[0], "default"
    return "", "missing"


def span_s(span: Span, sheet: Sheet) -> int | None:
    """A length of time at one site; None where neither the site nor a default gives one. [s]"""
    if not span.value:
        return span.s
    return span_of(sheet.values.get(span.value, span.default)) or None


def tag_of(procedure_id: str, step: str, index: int, sheet: Sheet) -> str:
    """The tag that a reading of a step measures, from the row tag_p03_3 (or tag_p03_3_2 for index 1); "" for none."""
    row = f"tag_{procedure_id.replace('-', '').lower()}_{step}" + (f"_{index + 1}" if index else "")
    return sheet.values.get(row, "")


def labels(sheet: Sheet) -> tuple[str, ...]:
    """The labels as they stand on the plant of this site (row `labels`)."""
    return tuple(label.strip() for label in sheet.values.get("labels", "").split(",") if label.strip())


def disagreements(sheet: Sheet, procedures: Iterable[Procedure]) -> list[Fault]:
    """Rows of a sheet that do not fit the procedures of its site: wrong unit, no time, limits turned round, no reading.

    What is found here is never used as a limit; the page says DO NOT USE.
    """
    found: list[Fault] = []
    mine = {procedure.id: procedure for procedure in procedures}

    def say(name: str, text: str) -> None:
        found.append(Fault(sheet.lines.get(name, 1), f"{name}: {text}"))

    for procedure in mine.values():
        if not any(
            one.site in ("", sheet.site) and one.site_type in ("", sheet.site_type) for one in procedure.applies
        ):
            continue
        for step in procedure.steps:
            where = f"{procedure.id} step {step.number}"
            for reading in step.readings:
                for name in {end.value for end in (reading.low, reading.high)} & set(sheet.values):
                    quantity = _QUANTITY.fullmatch(sheet.values[name])
                    if not quantity or not _same_unit(quantity.group(2), reading.unit):
                        say(name, f"{sheet.values[name]!r} is no number in {reading.unit}, as {where} needs it")
                low, high = (
                    _QUANTITY.fullmatch(sheet.values.get(end.value, "")) for end in (reading.low, reading.high)
                )
                if low and high and Decimal(low.group(1)) > Decimal(high.group(1)):
                    say(reading.low.value, f"it is above {reading.high.value}; both are limits of {where}")
        spans = [step.timer for step in procedure.steps]
        spans += [span for repeat in procedure.repeats for span in (repeat.every, repeat.then)]
        for span in spans:
            if span and span.value in sheet.values and span_s(span, sheet) is None:
                say(
                    span.value,
                    f"{sheet.values[span.value]!r} is no time as 30 s, 15 min or 4 h; {procedure.id} needs one",
                )
    for name, value in sheet.values.items():
        short = name.startswith("phone_") and not name.endswith("_mobile") and len(re.findall("[0-9]", value)) < 6
        if short and f"{name}_mobile" not in sheet.values:
            say(name, f"{value!r} is a number inside the plant; add {name}_mobile for when its exchange is dead")
        row = _TAG_ROW.fullmatch(name)
        if row:
            procedure_id = f"{row.group(1)[0].upper()}-{row.group(1)[1:]}"
            told = mine[procedure_id].step(row.group(2)) if procedure_id in mine else None
            if told is None or len(told.readings) < int(row.group(3) or 1):
                say(name, f"there is no such reading in {procedure_id}")
    return sorted(set(found))


def _same_unit(one: str, other: str) -> bool:
    """The same unit, or the same counting word: "6 lamps" on the sheet are 6 Lampen in the German text."""
    return one == other or any(one in words and other in words for words in COUNTED)


def missing_safety(procedure: Procedure, sheet: Sheet) -> tuple[str, ...]:
    """Names of the safety limits that this site has not given; with one of them missing the page says DO NOT USE."""
    names: list[str] = []
    for step in procedure.steps:
        for reading in step.readings:
            if reading.safety:
                names += bounds(reading, sheet).missing
    return tuple(dict.fromkeys(names))


def used(procedure: Procedure, sheet: Sheet) -> dict[str, str]:
    """The site's values that this procedure uses: what its page depends on beside its own text."""
    own = sheet.in_language(procedure.language).values
    return {name: own[name] for name in values_of(procedure.source) if name in own}


def missing(procedure: Procedure, sheet: Sheet) -> tuple[str, ...]:
    """Names of all values that neither the site nor a default gives."""
    return tuple(
        name for name, default in values_of(procedure.source).items() if not default and name not in sheet.values
    )


def filled(text: str, sheet: Sheet, blank: str = "") -> str:
    """The text with the site's values; a default and a missing value say what they are.

    With `blank` a missing value leaves a place to write on instead (the page says at its head that values are missing).
    """

    def shown(name: str, default: str) -> str:
        own = sheet.values.get(name)
        if own is not None:
            return number_shown(own) if _QUANTITY.fullmatch(own) else own
        if default:
            return number_shown(default) + " (" + _("DEFAULT, NOT YOUR SITE") + ")"
        if blank:
            return blank
        return "____ (" + _("SITE VALUE MISSING") + f": {name})"

    return with_values(text, shown)


def limits_text(reading: Reading, sheet: Sheet) -> str:
    """The band in words: "limits 0.60 - 2.20 m", with what is not the site's own said."""
    if not reading.has_band:
        return ""
    band = bounds(reading, sheet)
    word = _("safety limits") if reading.safety else _("limits")
    shown = []
    for limit, number in ((reading.low, band.low), (reading.high, band.high)):
        if number:
            shown.append(number_shown(number))
        elif limit.value:
            shown.append("____")
        else:
            shown.append("")
    low, high = shown
    if low and high:
        text = f"{word} {low} .. {high} {reading.unit}"
    else:
        text = (
            f"{word} "
            + (_("up to {high}") if high else _("at least {low}")).format(low=low, high=high)
            + f" {reading.unit}"
        )
    if band.origin == "default":
        return text + " (" + _("DEFAULT, NOT YOUR SITE") + ")"
    if band.origin == "missing" and reading.safety:
        default = next((limit.default for limit in (reading.low, reading.high) if limit.default), "")
        hint = f" ({number_shown(default)}: " + _("DEFAULT, NOT YOUR SITE") + ")" if default else ""
        return f"{text}{hint} " + _("SITE VALUE MISSING - DO NOT USE") + ": " + ", ".join(band.missing)
    if band.origin == "missing":
        return text + " (" + _("SITE VALUE MISSING") + ": " + ", ".join(band.missing) + ")"
    return text
