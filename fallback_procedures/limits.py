"""The band in which a reading lies at one site, of one asset or of all.

Two unequal pumps have two limits: a page shows both, and the limit of the larger one never stands for the smaller one.
Where nobody has said which asset was read, the tightest of all limits is taken, and that is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fallback_procedures.procedure import Limit, Procedure, Reading, Step
from fallback_procedures.sheet import QUANTITY, Sheet, others, own_rows, row_name, same_unit, tag_row
from fallback_procedures.words import _, number_shown


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


def assets(reading: Reading, sheet: Sheet) -> tuple[str, ...]:
    """The assets for which the sheet gives a limit of this reading of their own, in the order of its rows."""
    told = [asset for end in (reading.low, reading.high) for asset in own_rows(end.value, sheet)]
    return tuple(dict.fromkeys(told))


def asked_at(procedure_id: str, step: Step, reading: Reading, sheet: Sheet) -> tuple[str, ...]:
    """The assets between which a person says where a reading was taken: those with limits or a tag of their own."""
    tags = own_rows(tag_row(procedure_id, step.number, step.readings.index(reading)), sheet)
    return tuple(dict.fromkeys([*assets(reading, sheet), *tags]))


def bounds(reading: Reading, sheet: Sheet, asset: str = "") -> Bounds:
    """The band of `reading` with the values of `sheet`. A wrong unit counts as missing; a default too, for safety.

    Without `asset` where the assets differ: the tightest, which no asset breaks unseen; missing where one's is missing.
    """
    own = assets(reading, sheet)
    if asset or not own:
        return _band(reading, sheet, asset)
    bands = [_band(reading, sheet, one) for one in _told(own, sheet)]
    low = max((band.low for band in bands if band.low), key=Decimal, default="")
    high = min((band.high for band in bands if band.high), key=Decimal, default="")
    lacking = tuple(dict.fromkeys(name for band in bands for name in band.missing))
    return Bounds(low, high, _worst([band.origin for band in bands]), lacking)


def _told(own: tuple[str, ...], sheet: Sheet) -> tuple[str, ...]:
    """What has a band: "" for all assets without rows, where the site may have such, and each asset with rows."""
    return ("", *own) if others(own, sheet) else own


def _band(reading: Reading, sheet: Sheet, asset: str) -> Bounds:
    ends = [_end(limit, reading, sheet, asset) for limit in (reading.low, reading.high)]
    lacking = [name for _number, origin, name in ends if origin == "missing"]
    if turned_round(reading, sheet, asset):  # neither can be believed
        return Bounds("", "", "missing", tuple(name for _number, _origin, name in ends if name))
    return Bounds(ends[0][0], ends[1][0], _worst([origin for _number, origin, _name in ends]), tuple(lacking))


def _worst(origins: list[str]) -> str:
    return next((origin for origin in ("missing", "default", "site") if origin in origins), "text")


def turned_round(reading: Reading, sheet: Sheet, asset: str = "") -> bool:
    """Whether the low limit lies above the high one."""
    low, high = (_end(limit, reading, sheet, asset)[0] for limit in (reading.low, reading.high))
    return bool(low and high) and Decimal(low) > Decimal(high)


def _end(limit: Limit, reading: Reading, sheet: Sheet, asset: str) -> tuple[str, str, str]:
    """One limit of an asset: number, origin and the row it comes from."""
    if not limit.value:
        return limit.number, "text", ""
    own = row_name(limit.value, asset)
    name = own if own in sheet.values else limit.value
    quantity = QUANTITY.fullmatch(sheet.values.get(name, ""))
    trusted = sheet.approved_by or not reading.safety
    if quantity and same_unit(quantity.group(2), reading.unit) and trusted:
        return quantity.group(1), "site", name
    if limit.default and not reading.safety and name == limit.value:
        return limit.default.split()[0], "default", name
    return "", "missing", name


def missing_safety(procedure: Procedure, sheet: Sheet) -> tuple[str, ...]:
    """Names of the safety limits that this site has not given; with one of them missing the page says DO NOT USE."""
    names: list[str] = []
    for step in procedure.steps:
        for reading in step.readings:
            if reading.safety:
                names += bounds(reading, sheet).missing
    return tuple(dict.fromkeys(names))


def limits_text(reading: Reading, sheet: Sheet) -> str:
    """The band in words: "limits 0.60 .. 2.20 m", with what is not the site's own said.

    Of all assets where they differ: "limits up to 28.0 A; P2: up to 22.0 A".
    """
    if not reading.has_band:
        return ""
    own = assets(reading, sheet)
    whose: dict[str, list[str]] = {}
    for asset in _told(own, sheet) if own else ("",):
        whose.setdefault(band_text(reading, _band(reading, sheet, asset)), []).append(asset)
    told = [text if "" in some else f"{', '.join(some)}: {text}" for text, some in whose.items()]
    lacking = bounds(reading, sheet).missing
    text = f"{limits_word(reading)} {'; '.join(told)}"
    if lacking and reading.safety:
        default = next((limit.default for limit in (reading.low, reading.high) if limit.default), "")
        hint = f" ({number_shown(default)}: " + _("DEFAULT, NOT YOUR SITE") + ")" if default else ""
        return f"{text}{hint} " + _("SITE VALUE MISSING - DO NOT USE") + ": " + ", ".join(lacking)
    if lacking:
        return text + " (" + _("SITE VALUE MISSING") + ": " + ", ".join(lacking) + ")"
    return text


def limits_word(reading: Reading) -> str:
    """What the limits of a reading are called."""
    return _("safety limits") if reading.safety else _("limits")


def band_text(reading: Reading, band: Bounds) -> str:
    """One band in words: "0.60 .. 2.20 m", "up to 22.0 A"."""
    low, high = (number_shown(number) if number else "____" if limit.value else ""
                 for limit, number in ((reading.low, band.low), (reading.high, band.high)))  # fmt: skip
    text = f"{low} .. {high}" if low and high else (_("up to {high}") if high else _("at least {low}")).format(
        low=low, high=high)  # fmt: skip
    return f"{text} {reading.unit}" + (" (" + _("DEFAULT, NOT YOUR SITE") + ")" if band.origin == "default" else "")
