"""The one owner of how handwheel speaks: language, time, age, quantity and interval text, cleaning of foreign text.

Standard library only, so that the screen stays light. Storage is UTC and exact; rounding happens here and nowhere else.
"""

import gettext as _gettext
import math
import re
import unicodedata
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from pathlib import Path

LANGUAGES = ("en", "fr", "de")
_LOCALE = Path(__file__).parent / "locale"
_catalogue: _gettext.NullTranslations = _gettext.NullTranslations()
_POINT = re.compile(r"(?<![\w.-])([+-]?[0-9]+)\.(?=[0-9]+(?![\w.-]))")
_language = "en"


def use_language(language: str) -> str:
    """Choose the language of all operator text of this process; an unknown one becomes en. Returns the one in use."""
    global _catalogue, _language
    _language = language if language in LANGUAGES else "en"
    _catalogue = (
        _gettext.NullTranslations()
        if _language == "en"
        else _gettext.translation("handwheel", _LOCALE, [_language], fallback=True)
    )
    return _language


def language() -> str:
    """The language in use."""
    return _language


def _(message: str) -> str:
    """The operator's text for `message` in the language in use."""
    return _catalogue.gettext(message) if message else ""


def N_(message: str) -> str:
    """Mark a text for the catalogue that is translated later, where it is shown."""
    return message


def ngettext(one: str, many: str, n: int) -> str:
    """The operator's text for a count."""
    return _catalogue.ngettext(one, many, n)


def clean(text: object, limit: int = 200) -> str:
    """Foreign text made safe for one line: no control, escape, bidirectional or private characters.

    Anything removed is seen as a middle dot; what is cut ends in an ellipsis. Markup is escaped where it is rendered.
    """
    source = str(text)
    if len(source) <= limit and source.isascii() and source.isprintable():  # what most text is
        return " ".join(source.split())
    kept = []
    for character in source[: limit * 4]:
        if character in "\t\n\r":
            kept.append(" ")
        elif unicodedata.category(character) in (
            "Cc",
            "Cf",
            "Cs",
            "Co",
            "Cn",
            "Zl",
            "Zp",
        ):
            kept.append("·")
        else:
            kept.append(character)
    line = " ".join("".join(kept).split())
    return line if len(line) <= limit and len(source) <= limit * 4 else line[: limit - 1] + "…"


def utc_text(us: int | None) -> str:
    """UTC as ISO 8601 with milliseconds and Z; "-" for None."""
    if us is None:
        return "-"
    return f"{_second_text(us // 1_000_000)}.{us // 1000 % 1000:03d}Z"


@lru_cache(maxsize=64)  # thousands of samples share a second
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def local_text(us: int | None, zone: tzinfo | None = None, form: str = "%Y-%m-%d %H:%M") -> str:
    """Local time of the plant with its offset ("2026-11-23 14:22 +01:00"); "-" for None."""
    if us is None:
        return "-"
    moment = datetime.fromtimestamp(us / 1e6, UTC).astimezone(zone)
    offset = moment.strftime("%z")
    return f"{moment.strftime(form)} {offset[:3]}:{offset[3:5]}"


def day_text(us: int, zone: tzinfo | None = UTC) -> str:
    """The day of a moment in a time zone: "2026-11-23"."""
    return datetime.fromtimestamp(us / 1e6, UTC).astimezone(zone).strftime("%Y-%m-%d")


def parse_utc(text: str) -> int:
    """Microseconds of an ISO 8601 time that names its zone; ValueError for a naive one (never guessed)."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone; write for example {text}Z or {text}+01:00")
    return round(moment.timestamp() * 1e6)


def age_text(seconds: float | None) -> str:
    """An age in one short word: "2s", "41m", "5h", "22d"; "?" for None or a negative one."""
    if seconds is None or math.isnan(seconds) or seconds < -1:
        return "?"
    for size, letter in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * size or (letter == "m" and seconds >= 100):
            return f"{int(seconds // size)}{letter}"
    return f"{int(max(seconds, 0))}s"


def decimal_text(text: str) -> str:
    """A text whose numbers have the decimal mark of the language: a comma in fr and de; names stay as they are."""
    return text if _language == "en" else _POINT.sub(r"\1,", text)


def number_text(value: float | None, digits: int = 3) -> str:
    """A number with `digits` significant digits, no thousands separator, decimal comma in fr and de; "-" for none."""
    if value is None or math.isnan(value):
        return "-"
    if value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    magnitude = abs(value)
    if magnitude >= 1e15:  # no line has room for it, and no double its digits
        text = f"{value:.{digits - 1}e}"
        return text if _language == "en" else text.replace(".", ",")
    if magnitude >= 10 ** (digits - 1):
        text = f"{value:.0f}"
    else:
        places = digits - 1
        while magnitude >= 10 ** (digits - places):
            places -= 1
        while magnitude and magnitude < 10 ** (digits - 1 - places) and places < 6:
            places += 1
        text = f"{value:.{places}f}"
    return text if _language == "en" else text.replace(".", ",")


def index_text(value: float | None) -> str:
    """A health index, 0 to 100, with two digits at most below 100: "98", "1.4", "0.03", "<0.01"; "-" for none."""
    if value is None or math.isnan(value):
        return "-"
    text = f"{value:.{0 if value >= 9.95 else 1 if value >= 0.995 else 2}f}" if value >= 0.01 else "<0.01"
    return text if _language == "en" else text.replace(".", ",")


def figure_text(value: float | None, digits: int = 6) -> str:
    """A number to calculate with: `digits` significant digits, with an exponent where it needs one; "-" for none."""
    if value is None or math.isnan(value):
        return "-"
    text = f"{value:.{digits}g}"
    return text if _language == "en" else text.replace(".", ",")


def size_text(size: float) -> str:
    """Bytes in one short word: "812 kB", "1.2 GB"."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{number_text(size / factor, 2)} {unit}"
    return f"{size:.0f} B"


def quantity_text(value: float | str | None, unit: str, digits: int = 3) -> str:
    """A value with its unit as a person reads it: "4.20 bar"; "-" for none."""
    if isinstance(value, str):
        return clean(value if unit == "1" else f"{value} {unit}", 40) or "-"
    number = number_text(value, digits)
    return number if number == "-" or not unit or unit == "1" else f"{number} {unit}"


def unit_word(unit: str) -> str:
    """A unit of ages as a reader says it: "d", or "run h" for run hours."""
    return _("run h") if unit == "run h" else unit


def lived_text(age: float, unit: str) -> str:
    """An age of a part with its unit: "124 run h"."""
    return f"{number_text(age)} {unit_word(unit)}"


def interval_text(value: float | None, low: float | None, high: float | None, digits: int = 2) -> str:
    """An estimate with its 90 % interval: "0.71 [0.50, 0.88]"; "-" for none. Every interval of this house is 90 %."""
    if value is None or math.isnan(value):
        return "-"
    comma = ", " if _language == "en" else "; "
    bounds = (_("open") if one is not None and math.isinf(one) else number_text(one, digits) for one in (low, high))
    return f"{number_text(value, digits)} [{comma.join(bounds)}]"


def share_text(count: int, of: int) -> str:
    """A rate never stands without its count: "11 of 27 (41 %)"."""
    return _("{count} of {total}").format(count=count, total=of) + (f" ({100 * count / of:.0f} %)" if of else "")
