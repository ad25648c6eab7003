"""A site's own values for its procedures: limits, labels, telephone numbers, what HAND bypasses.

A procedure without its sheet is a form letter. A value that is not the site's own says so wherever it is shown, and
for a safety limit it counts as missing: a plausible number from a library is more dangerous than a blank.

    SHEET       site R   Riverside
    TYPE        lift_station
    APPROVED    engineer  2026-11-01

    stop_level  = 0.60 m     # above the pump's minimum submergence
    full_load_current        = 28.0 A     # of every pump that has no row of its own
    full_load_current [P2]   = 22.0 A
    hand_bypasses    = low-level stop
    hand_bypasses_de = Trockenlaufschutz     # words in the language of the page; a number is the same in all
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from fallback_procedures.own_files import APPROVED, OfSite, lines_of, odd, signed
from fallback_procedures.procedure import (
    SITE_ID,
    SITE_TYPES,
    UNITS,
    Fault,
    Procedure,
    Span,
    decode,
    site_type_of,
    span_of,
    values_of,
    with_values,
)
from fallback_procedures.translation import SAME_UNITS
from fallback_procedures.words import LANGUAGES, _, number_shown

_HEAD = re.compile(rf"SHEET +site +({SITE_ID}) +(\S.*)")
_TYPE = re.compile(r"TYPE +(\S.*)")
_HEADS = (("SHEET", _HEAD), ("TYPE", _TYPE), ("APPROVED", APPROVED))
_ROW = re.compile(r"([a-z][a-z0-9_]{0,40})(?: *\[([^\W\d_][\w ./-]{0,19})\])? *= *(\S.*)")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}(?![a-z0-9_])")
_COMMA = re.compile(r"-?[0-9]+,[0-9]+ +\S+$")
TAG_ROW = re.compile(r"tag_(p[0-9]{2})_([0-9]{1,2}[a-z]?)(?:_([2-9]))?")
COUNTED = (  # what is counted, in the languages of the texts; other words are the same only where they are equal
    ("lamps", "lampes", "Lampen"), ("persons", "personnes", "Personen"), ("turns", "tours", "Umdr."),
    ("lines", "lignes", "Zeilen"), ("filters", "filtres", "Filter"), ("pumps", "pompes", "Pumpen"),
)  # fmt: skip
IN_LANGUAGE = tuple(f"_{one}" for one in LANGUAGES if one != "en")
OTHER = "other"  # said of an asset: one without rows of its own; none is named so
_FIGURE = re.compile(r"((?<![\w.,])[-−])?([0-9]+(?:[.,][0-9]+)*)(?=\s*([^\s0-9]\S*)?)")
QUANTITY = re.compile(r"(-?[0-9]{1,9}(?:\.[0-9]{1,6})?) +(\S+)")


@dataclass(frozen=True)
class Sheet(OfSite):
    """The values of one site, as text ("0.60 m"). Unapproved values are shown and never trusted as a safety limit."""

    site_type: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)  # of each value in its file

    @cached_property
    def of_assets(self) -> Mapping[str, Mapping[str, str]]:
        """The rows that name an asset: name of the value -> asset -> value."""
        told: dict[str, dict[str, str]] = {}
        for key, value in self.values.items():
            name, bracket, asset = key.partition(" [")
            if bracket:
                told.setdefault(name, {})[asset[:-1]] = value
        return told

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
    there: set[str] = set()
    wrong: list[Fault] = []
    spoiled: set[str] = set()  # with a row at fault: it may have been that of one asset, so none of their rows counts
    for number, line in lines_of(source):
        row = _ROW.fullmatch(line)
        name, asset, value = row.groups("") if row else ("", "", "")
        key = row_name(name, " ".join(asset.split()))
        why = _why_not(line, key, value, key.casefold() in there)
        if row and not why:
            values[key], lines[key] = " ".join(value.split()), number
            there.add(key.casefold())
        elif not why:
            head, match = next(((one, found) for one, form in _HEADS for found in [form.fullmatch(line)] if found),
                               ("", None))  # fmt: skip
            if match is None:
                why = 'a sheet has SHEET, TYPE, APPROVED and lines "name = value unit  # note"'
            elif head in found:
                why = f"{head} stands twice; the first is kept"
            else:
                found[head], heads[head] = match.groups(), number
        if why:
            wrong.append(Fault(number, why))
            spoiled |= {begun.group() for begun in [_NAME.match(line)] if begun}
    for key in [one for one in values if one.partition(" [")[0] in spoiled]:
        del values[key]
    for key in [one for one in values if one.endswith(IN_LANGUAGE)]:
        why = _not_in_words(key, values)
        if why:
            wrong.append(Fault(lines[key], why))
            del values[key]
    site, name = found.get("SHEET", ("", ""))
    kind = found.get("TYPE", ("",))[0]
    role, day = found.get("APPROVED", ("", ""))
    if not site:
        wrong.append(Fault(1, "the first line must say: SHEET  site ID  name"))
    if kind and not site_type_of(kind):
        wrong.append(Fault(heads["TYPE"], f"TYPE is one of {', '.join(SITE_TYPES)}"))
    if role and signed(role, day):
        wrong.append(Fault(heads["APPROVED"], signed(role, day)))
        role = day = ""
    return Sheet(site, name.strip(), role, day, tuple(sorted(wrong)), "", site_type_of(kind), values, lines)


def _why_not(line: str, key: str, value: str, twice: bool) -> str:
    """Why a row cannot be believed; "" where it can, and for a line that is none (`key` "")."""
    name, _bracket, asset = key.rstrip("]").partition(" [")
    if odd(line):
        return odd(line)
    if re.search(r"\] *=", value):
        return f"{key}: two rows have run together here"
    if _COMMA.match(value):
        return f"{key}: write the number with a decimal point, as 0.60 m"
    if name.startswith("tag_") and not TAG_ROW.fullmatch(name):
        return f"{key}: a tag is named as tag_p03_3 = TAG (procedure, step), or _3_2"
    if asset and (name.endswith(IN_LANGUAGE) or not (name.startswith("tag_") or QUANTITY.fullmatch(value))):
        return f"{key}: a row of one asset has a number and its unit, or a tag"
    if asset.casefold() == OTHER:
        return f"{key}: this word means all the others; they have the row {name}"
    return f"{key} stands twice; neither value is used" if twice else ""


def _not_in_words(key: str, values: Mapping[str, str]) -> str:
    """Why a row in one language is not used: only words have a language, a number, a time or a label has none."""
    name = key[:-3]
    base, own = values.get(name, ""), values[key]
    quantity = QUANTITY.fullmatch(base)
    if not base:
        return f"{key} has no row {name}; it is not used"
    if name == "labels" or (quantity and quantity.group(2) in UNITS) or not re.search(r"[^\W\d_]", base):
        return f"{key}: {name} is the same in all languages; it is not used, take this row out"
    if _figures(base) != _figures(own):
        return f"{key} says other figures or units than {name}; it is not used"
    return ""


def _figures(text: str) -> list[tuple[str, str]]:
    """The numbers in a text in their order, with sign, decimal point and unit."""
    found = []
    for sign, number, behind in _FIGURE.findall(text):
        unit = behind.rstrip(".,:;)")
        unit = SAME_UNITS.get(unit, unit if unit in UNITS and unit != "in" else "")
        found.append((("-" if sign else "") + number.replace(",", "."), unit))
    return found


def row_name(name: str, asset: str) -> str:
    """How a value of one asset is named in a sheet: "full_load_current [P2]"; without an asset the name alone."""
    return f"{name} [{asset}]" if asset else name


def own_rows(name: str, sheet: Sheet) -> Mapping[str, str]:
    """The rows of a value that name an asset: asset -> value."""
    return sheet.of_assets.get(name, {})


def others(named: Collection[str], sheet: Sheet) -> bool:
    """Whether the site may have assets beside those `named`: not where its labels are all among them."""
    told = {asset.casefold() for asset in named}
    return any(label.casefold() not in told for label in labels(sheet)) or not labels(sheet)


def span_s(span: Span, sheet: Sheet) -> int | None:
    """A length of time at one site; None where neither the site nor a default gives one, or it is not one. [s]"""
    if not span.value:
        return span.s
    if own_rows(span.value, sheet):
        return None
    return span_of(sheet.values.get(span.value, span.default)) or None


def tag_row(procedure_id: str, step: str, index: int) -> str:
    """The row that names the tag of a reading: tag_p03_3, or tag_p03_3_2 for index 1."""
    return f"tag_{procedure_id.replace('-', '').lower()}_{step}" + (f"_{index + 1}" if index else "")


def tag_of(procedure_id: str, step: str, index: int, sheet: Sheet, asset: str = "") -> str:
    """The tag that a reading of a step measures; "" for none.

    A tag is of one asset: where a person named one, or the sheet has rows for several, only that asset's row is it.
    """
    name = tag_row(procedure_id, step, index)
    return sheet.values.get(row_name(name, asset), "") if asset or not own_rows(name, sheet) else ""


def labels(sheet: Sheet) -> tuple[str, ...]:
    """The labels as they stand on the plant of this site (row `labels`)."""
    return tuple(label.strip() for label in sheet.values.get("labels", "").split(",") if label.strip())


def same_unit(one: str, other: str) -> bool:
    """The same unit, or the same counting word: "6 lamps" on the sheet are 6 Lampen in the German text."""
    return one == other or any(one in words and other in words for words in COUNTED)


def used(procedure: Procedure, sheet: Sheet) -> dict[str, str]:
    """The site's values that this procedure uses: what its page depends on beside its own text."""
    own = sheet.in_language(procedure.language).values
    names = values_of(procedure.source)
    told = {key: own[key] for key in own if key.partition(" [")[0] in names}
    return {**told, "labels": own["labels"]} if "labels" in own and any(" [" in key for key in told) else told


def missing(procedure: Procedure, sheet: Sheet) -> tuple[str, ...]:
    """Names of all values that neither the site nor a default gives."""
    return tuple(name for name, default in values_of(procedure.source).items()
                 if not default and name not in sheet.values and _for_others(name, sheet))  # fmt: skip


def _for_others(name: str, sheet: Sheet) -> bool:
    """Whether the plain row of a value holds for anything: not where each asset of the site has a row of its own."""
    own = own_rows(name, sheet)
    return not own or others(own, sheet)


def filled(text: str, sheet: Sheet, blank: str = "") -> str:
    """The text with the site's values; a default and a missing value say what they are.

    With `blank` a missing value leaves a place to write on instead (the page says at its head that values are missing).
    """

    def plain(name: str, default: str) -> str:
        own = sheet.values.get(name)
        if own is not None:
            return number_shown(own) if QUANTITY.fullmatch(own) else own
        if default:
            return number_shown(default) + " (" + _("DEFAULT, NOT YOUR SITE") + ")"
        if blank:
            return blank
        return "____ (" + _("SITE VALUE MISSING") + f": {name})"

    def shown(name: str, default: str) -> str:
        alone = not _for_others(name, sheet)
        whose: dict[str, list[str]] = {}
        for asset, value in own_rows(name, sheet).items():
            if alone or value != sheet.values.get(name):
                whose.setdefault(number_shown(value), []).append(asset)
        told = "; ".join(f"{', '.join(some)}: {value}" for value, some in whose.items())
        return told if alone else plain(name, default) + (f" ({told})" if told else "")

    return with_values(text, shown)
