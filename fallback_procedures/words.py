"""How the fallback speaks: language, times, ages, numbers a person typed, cleaning of foreign text.

It repeats in small what monitor.words owns, because nothing here may depend on the rest of handwheel being installed.
Everything in this folder is written for Python 3.9: the machine that is left in the night may be an old one.
"""

from __future__ import annotations

import codecs
import contextlib
import gettext as _gettext
import io
import os
import re
import struct
import sys
import textwrap
import time
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal

from fallback_procedures import shipped

LANGUAGES = ("en", "fr", "de")
ROLES = ("operator", "shift_lead", "maintenance", "engineer", "administrator")
RELEASERS = (*ROLES, "water_quality", "safety", "security", "electrician", "duty_manager")  # may release a HOLD
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}([.,][0-9]{1,6})?")
_PLAIN = {
    "–": "-", "—": "-", "−": "-", "‑": "-", "…": "...", "≤": "<=", "≥": ">=", "×": "x", "→": "->", "’": "'", "‘": "'",
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "œ": "oe", "Œ": "OE", "€": "EUR", "▲": "(!)", "☐": "[ ]",
    "│": "|", "─": "-", "┼": "+", "·": ".", "°": "deg ", "³": "3", "²": "2", "\u00a0": " ", "\u202f": " ",
    "ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss",
}  # fmt: skip


class _Speech:
    """The language of this process; one process speaks one language."""

    language = "en"
    catalogue: _gettext.NullTranslations = _gettext.NullTranslations()
    zone: tzinfo | None = None  # of the plant; None: that of this machine


def use_language(language: str) -> str:
    """Choose the language of all operator text of this process; an unknown one becomes en. Returns the one in use."""
    _Speech.language = language if language in LANGUAGES else "en"
    _Speech.catalogue = _gettext.NullTranslations()
    if _Speech.language != "en":
        # without its file, or with a damaged one, English words are better than none
        with contextlib.suppress(OSError, ValueError, LookupError, struct.error):
            raw = shipped.read("locale", _Speech.language, "LC_MESSAGES", "handwheel-manual.mo")
            _Speech.catalogue = _gettext.GNUTranslations(io.BytesIO(raw))
    return _Speech.language


@contextlib.contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak another language meanwhile, as one sheet of many does; whatever goes wrong is told in the one before."""
    before = _Speech.language
    use_language(language)
    try:
        yield
    finally:
        use_language(before)


def use_time_zone(name: object) -> None:
    """Tell times in the zone of the plant ("Europe/Berlin"); in that of this machine where it is not known here."""
    _Speech.zone = None
    if isinstance(name, str) and name:
        # no such zone, no table of zones here, or a Python without the module: the clock is that of the machine
        with contextlib.suppress(ImportError, KeyError, ValueError, OSError):
            from zoneinfo import ZoneInfo  # only here: the first line does not need it

            _Speech.zone = ZoneInfo(name)


def language() -> str:
    """The language in use."""
    return _Speech.language


def language_of_environment() -> str:
    """The language the terminal asks for (LC_ALL, LC_MESSAGES, LANG); en where it asks for none of ours."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")
        if value:
            return value[:2] if value[:2] in LANGUAGES else "en"
    return "en"


def _(message: str) -> str:
    """The operator's text for `message` in the language in use."""
    return _Speech.catalogue.gettext(message) if message else ""


def role_text(role: str) -> str:
    """A role as a person says it; an unknown one as it is written."""
    known = {
        "operator": _("operator"),
        "shift_lead": _("shift lead"),
        "maintenance": _("maintenance"),
        "engineer": _("engineer"),
        "administrator": _("administrator"),
        "water_quality": _("water quality"),
        "safety": _("safety officer"),
        "security": _("security"),
        "electrician": _("authorised electrician"),
        "duty_manager": _("duty manager"),
    }
    return known.get(role, role)


def steps_text(first: str, last: str) -> str:
    """ "step 4", or "steps 3 to 14"."""
    if first == last:
        return _("step {n}").format(n=first)
    return _("steps {first} to {last}").format(first=first, last=last)


def event_text(event: str) -> str:
    """What a person has seen, in words; an unknown event as it is written."""
    known = {
        "chlorine_gas": _("chlorine gas: alarm, smell or burning eyes"),
        "compromise": _("suspected tampering or break-in, in a computer or on site"),
        "barrier_lost": _("a treatment barrier (UV, filter, disinfection) has failed"),
        "mains_lost": _("mains power has failed"),
        "overflow": _("sewage or water overflows, or is about to"),
        "pump_work": _("work on a pump"),
        "valve_work": _("work on valves, a pressure reducer or a zone"),
        "meter_reading": _("meters must be read by hand"),
        "handover": _("the shift changes"),
    }
    return known.get(event, event)


def clean(text: object, limit: int = 200) -> str:
    """Foreign text made safe for one line: no control, escape, bidirectional or private characters.

    Anything removed is seen as a middle dot; what is cut ends in an ellipsis.
    """
    source = str(text)
    kept = []
    for character in source[: limit * 4]:
        if character in "\t\n\r":
            kept.append(" ")
        elif hostile(character):
            kept.append("·")
        else:
            kept.append(character)
    line = " ".join("".join(kept).split())
    return line if len(line) <= limit and len(source) <= limit * 4 else line[: limit - 1] + "…"


def hostile(character: str) -> bool:
    """Whether a character could move a cursor, turn text around or hide."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def harmless(text: str) -> str:
    """A line as it may go to a terminal: whatever could move its cursor, turn text around or hide is a middle dot."""
    return "".join("·" if hostile(character) else character for character in text)


def encodable(text: str, encoding: str) -> str:
    """The text in what a terminal or printer of that encoding can show; no character is lost without a substitute."""
    try:
        text.encode(encoding)
        return text
    except (UnicodeEncodeError, LookupError):
        pass
    shown = []
    for character in text:
        try:
            character.encode(encoding)
            shown.append(character)
        except (UnicodeEncodeError, LookupError):
            plain = _PLAIN.get(character) or unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
            shown.append(plain or "?")
    return "".join(shown)


def charset(told: str, environment: Mapping[str, str]) -> str:
    """The characters of a terminal. Python takes the C locale, and one that this machine lacks, for UTF-8: that is
    not what the terminal can show, so the name of the locale decides."""
    if told.lower().replace("-", "") != "utf8" or os.name != "posix":
        return told
    if not sys.flags.ignore_environment and (environment.get("PYTHONIOENCODING") or environment.get("PYTHONUTF8")):
        return told
    asked = [environment.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    asked[1] = "" if asked[1].lower() in ("c.utf-8", "c.utf8") else asked[1]  # Python sets it itself (PEP 538)
    locale = next((one for one in asked if one), "C")
    name, _dot, characters = locale.partition("@")[0].partition(".")
    if not characters:
        default = "iso8859-15" if locale.endswith("@euro") else "iso8859-1"
        characters = {"C": "ascii", "POSIX": "ascii", "UTF-8": "utf-8"}.get(name, default)
    try:
        return codecs.lookup(characters).name
    except LookupError:
        return "ascii"


def speak_its_characters() -> None:
    """Let the standard streams write and read what this terminal has; a pipe keeps what Python chose."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.isatty():
            stream.reconfigure(encoding=charset(stream.encoding or "", os.environ), errors="replace")


def utc_text(seconds: float, digits: int = 3) -> str:
    """UTC as ISO 8601 with milliseconds and Z. `seconds` since 1970. [s]"""
    whole = int(seconds // 1)
    fraction = f".{int((seconds - whole) * 1000):03d}" if digits else ""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + fraction + "Z"


def local_text(seconds: float, form: str = "%Y-%m-%d %H:%M") -> str:
    """Local time of the plant, else of this machine, with offset: "2026-11-23 14:22 +01:00". `seconds` since 1970."""
    moment = datetime.fromtimestamp(seconds, _Speech.zone).astimezone(_Speech.zone)
    offset = moment.strftime("%z")
    return f"{moment.strftime(form)} {offset[:3]}:{offset[3:5]}"


def clock_text(text: object) -> str:
    """The local time of day of a UTC text, "14:22"; "?" where it is none."""
    at = seconds_of(text)
    return "?" if at is None else local_text(at, "%H:%M").split()[0]


def seconds_of(text: object) -> float | None:
    """Seconds since 1970 of "2026-11-23T13:22:07.000Z"; None where it is anything else, or no day of any calendar. [s]

    None also before 1970 and from 9999 on: no clock says so, and in some time zone that would be no year.
    """
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?Z", str(text))
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    try:
        whole = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None
    return whole + float(found.group(7) or 0) if 1970 <= year < 9999 else None


def moment_typed(text: str, now_s: float) -> float | None:
    """Seconds since 1970 of a local time that a person wrote; None for anything else. [s]

    "2026-11-23 14:05", or "14:05" for the last time it was so.
    """
    found = re.fullmatch(r"(?:([0-9]{4})-([0-9]{2})-([0-9]{2}) )?([0-9]{1,2}):([0-9]{2})", text.strip())
    if not found:
        return None
    zone = _Speech.zone
    try:
        today = datetime.fromtimestamp(now_s, zone)
        day = [int(part) for part in found.groups()[:3]] if found.group(1) else [today.year, today.month, today.day]
        at = datetime(day[0], day[1], day[2], int(found.group(4)), int(found.group(5)), tzinfo=zone)
        seconds = at.timestamp()
        if seconds > now_s and not found.group(1):
            seconds = (at - timedelta(days=1)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return seconds


def age_text(seconds: float | None) -> str:
    """An age in one short word: "2s", "41m", "5h", "22d"; "?" for None or a negative one. `seconds` [s]"""
    if seconds is None or seconds != seconds or seconds < -1:
        return "?"
    for size, letter in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * size or (letter == "m" and seconds >= 100):
            return f"{int(seconds // size)}{letter}"
    return f"{int(max(seconds, 0))}s"


def decimal_of(text: str) -> Decimal | None:
    """The number a person wrote, "2,31" as well as "2.31"; None for anything else (no thousands separator, ever)."""
    text = text.strip()
    return Decimal(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None


def number_shown(text: str) -> str:
    """A number as the reader of this language writes it; digits are never changed."""
    return text if _Speech.language == "en" else text.replace(".", ",")


def wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """The text in lines of at most `width` characters, the first behind `first`, the others behind `rest`."""
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False) or [first]
