"""A journal of the fallback as it lies there: hostile input, whatever wrote it, from whichever machine.

What is no entry is counted, never guessed at; fallback_procedures/journal.py takes the same lines for entries, in the
same order. What is equal byte for byte is one entry; what differs is two, also under one number. An entry of a kind
that is not known here is kept and counted. Entries of a drill and of a real period are never mixed: those of the other
sort than the first one are set aside. Times stay as they were written; what speaks against the clock that wrote them is
a doubt.
"""

import hashlib
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

from drivers.errors import UserError
from monitor.state import read_plain
from monitor.words import _, clean, parse_utc

FORMAT = 1
LIMIT = 16_000_000  # bytes of a file, as the fallback writes at most: an act each minute for a month
LINE_LIMIT = 2_000_000  # bytes of an entry: the longest holds the text of a procedure
ENTRIES = 100_000  # of a file: an entry of the fallback has more than 160 bytes
N_LIMIT = 1_000_000  # as the fallback takes it: a larger number is none of its own
HOLE = 10_000  # numbers that lost entries may leave out in a row; what stands behind more is no entry
STEP_S = 2.0  # by so much two clocks may differ between two entries before one of them was set
AHEAD_US = 60_000_000  # clocks of two machines differ
_FIRST_US = 1_577_836_800_000_000  # 2020: no journal is older, a clock that says so was never set
KINDS = frozenset((
    "declared", "opened", "closed", "handed_back", "started", "done", "not_applicable", "not_met", "reading",
    "released", "verified", "goto", "timer", "round", "repeat_over", "undo", "note", "finished", "seen", "seen_over",
    "stable", "handed_over", "drill_record", "paper",
))  # fmt: skip
_CONTROL = re.compile(r"[^0-9a-zA-Z-]")
_FIELDS = frozenset((
    "drill", "undoes", "undoes_mark", "sites", "text", "limits", "limits_from", "in_limits", "minutes", "gaps", "unmet",
    "values", "tags", "source", "repeat", "left", "occurred", "recorded", "run", "procedure", "revision", "step",
    "name", "value", "unit", "tag", "site", "language", "sha256", "event", "to", "scenario", "station", "next_due",
    "second_role", "released_by", "verified_by", "goto", "asset", "passed", "out_of_limits",
))  # fmt: skip
_SOURCE, _TEXT, _ITEMS = 200_000, 2_000, 400  # characters of a procedure and of a text, items of a list: what is held


@dataclass(frozen=True, slots=True)
class Line:
    """One entry. `at_us` is UTC [us] by the clock that wrote it, None where it is no time; `mono_s` within `boot`.

    `mark` tells it from every other one, also of its number: of its bytes as they stand in the file.
    """

    n: int
    mark: str
    kind: str
    at_us: int | None
    mono_s: float | None
    boot: str
    role: str
    data: Mapping[str, Any]

    def text(self, name: str, limit: int = 500) -> str:
        """A field as one clean line; "" where it is no text."""
        value = self.data.get(name)
        return clean(value, limit) if isinstance(value, str) else ""

    def texts(self, name: str, most: int = 200) -> tuple[str, ...]:
        """A list of texts; anything else in its place is none."""
        value = self.data.get(name)
        return tuple(clean(one, 300) for one in value[:most] if isinstance(one, str)) if isinstance(value, list) else ()


@dataclass(frozen=True, slots=True)
class Doubt:
    """What speaks against a journal: a word, the entry that it is about, and what was found there."""

    word: str
    n: int | None = None
    found: str = ""


@dataclass(frozen=True, slots=True)
class Journal:
    """The entries of one file in the order of their numbers. `key` names the period whatever is added to it later."""

    name: str
    sha256: str
    size: int  # [B]
    key: str
    drill: bool
    lines: tuple[Line, ...]
    aside: tuple[Line, ...]  # of the other sort: of a drill in a real period, or the other way round
    torn: int
    unknown: int
    doubts: tuple[Doubt, ...]


def read(path: Path, now_us: int) -> Journal:
    """The journal of a file. Raises UserError where it cannot be read, is too large, or holds no entry."""
    return journal_of(path.name, raw_of(path), now_us)


def raw_of(path: Path) -> bytes:
    """The bytes of a journal's file. Raises UserError."""
    try:
        raw = read_plain(path, LIMIT + 1)
    except OSError as fault:
        words = _("{file}: cannot be read ({why}); look at the file")
        raise UserError(words.format(file=clean(path), why=clean(fault.strerror or fault, 80))) from fault
    if len(raw) > LIMIT:
        words = _("{file}: is larger than a journal can be ({mb} MB); look what it is")
        raise UserError(words.format(file=clean(path), mb=LIMIT // 1_000_000))
    return raw


def journal_of(name: str, raw: bytes, now_us: int) -> Journal:
    """The journal that these bytes are, seen at `now_us` (UTC [us]). Raises UserError where they hold no entry."""
    told, torn = _lines(raw)
    if not told:
        words = _("{file}: holds no entry of a journal")
        raise UserError(words.format(file=clean(name, 80)))
    if len(told) > ENTRIES:
        words = _("{file}: has more entries than a journal can have ({n}); look what it is")
        raise UserError(words.format(file=clean(name, 80), n=ENTRIES))
    drill = told[0].data["drill"]
    own = [line for line in told if line.data["drill"] == drill]
    aside = [line for line in told if line.data["drill"] != drill]
    doubts = [Doubt("twice", n, str(count)) for n, count in Counter(line.n for line in told).items() if count > 1][:50]
    doubts += [Doubt("mixed", line.n, line.kind) for line in aside[:20]]
    doubts += [*_numbers(told), *_clock(own, now_us)]
    unknown = sum(line.kind not in KINDS for line in own)
    if torn:
        doubts.append(Doubt("torn", None, str(torn)))
    if unknown:
        strange = sorted({clean(line.kind, 20) for line in own if line.kind not in KINDS})
        doubts.append(Doubt("unknown", None, f"{unknown}: {', '.join(strange[:5])}"))
    sha256 = hashlib.sha256(raw).hexdigest()
    return Journal(clean(name, 80), sha256, len(raw), told[0].mark, drill, tuple(own), tuple(aside), torn, unknown,
                   tuple(doubts))  # fmt: skip


def _lines(raw: bytes) -> tuple[list[Line], int]:
    """The entries in the order of their numbers, those of one number as they stand; and how many lines are none.

    None stands behind a HOLE in the numbers.
    """
    found: dict[str, Line] = {}
    torn = start = 0
    while start < len(raw) and len(found) <= ENTRIES:
        end = raw.find(b"\n", start)
        end = len(raw) if end < 0 else end
        part, start = raw[start:end][: LINE_LIMIT + 1].strip(), end + 1
        if not part:
            continue
        line = _line(part)
        if line is None:
            torn += 1
        else:
            found.setdefault(line.mark, line)
    told = sorted(found.values(), key=lambda line: line.n)
    numbers = [0, *(line.n for line in told)]
    end = next((at for at, (last, n) in enumerate(pairwise(numbers)) if n - last > HOLE), len(told))
    return told[:end], torn + len(told) - end


def _line(part: bytes) -> Line | None:
    """One entry; None where the line is torn or is none."""
    if len(part) > LINE_LIMIT:
        return None
    try:
        told = json.loads(part.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("format", FORMAT) != FORMAT:
        return None
    n, kind, mono, drill = told.get("n"), told.get("kind"), told.get("mono_s"), told.get("drill")
    if type(n) is not int or not 0 < n <= N_LIMIT or not isinstance(kind, str) or not isinstance(drill, bool):
        return None
    mono_s = float(mono) if is_number(mono) and abs(mono) < 1e12 else None
    boot = told.get("boot_id")
    boot = sys.intern(_CONTROL.sub("", boot)[:40]) if isinstance(boot, str) else ""
    role = told.get("role")
    return Line(n, hashlib.sha256(part).hexdigest()[:16], sys.intern(kind[:_TEXT]), time_us(told.get("at")), mono_s,
                boot, sys.intern(clean(role, 24)) if isinstance(role, str) else "", _held(told))  # fmt: skip


def _held(told: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that somebody here reads, of no more than they can be: what else stands in an entry stays there."""
    return {sys.intern(name): _short(value, _SOURCE if name == "source" else _TEXT)
            for name, value in told.items() if name in _FIELDS}  # fmt: skip


def _short(value: Any, limit: int, depth: int = 0) -> Any:
    if isinstance(value, str):
        return value[:limit]
    if isinstance(value, list):
        return [_short(one, limit, depth + 1) for one in value[:_ITEMS]] if depth < 2 else None
    if isinstance(value, dict):
        some = list(value.items())[:_ITEMS]
        return {name[:limit]: _short(one, limit, depth + 1) for name, one in some} if depth < 2 else None
    return value


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether JSON has a number there; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def time_us(text: object) -> int | None:
    """UTC [us] of a time that names its zone; None for anything else."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        found = parse_utc(text)
    except (ValueError, OverflowError):
        return None
    return found if 0 <= found < 253_370_764_800_000_000 else None


def _numbers(told: list[Line]) -> Iterator[Doubt]:
    """Numbers that are missing: entries that were lost, or taken out."""
    if told[0].n != 1:
        yield Doubt("missing", None, f"1-{told[0].n - 1}" if told[0].n > 2 else "1")
    for before, after in pairwise(told):
        if after.n > before.n + 1:
            first, last = before.n + 1, after.n - 1
            yield Doubt("missing", after.n, f"{first}-{last}" if last > first else str(first))


def _clock(lines: list[Line], now_us: int) -> Iterator[Doubt]:
    """What speaks against the clock: steps within a boot, times that run back, times that cannot be."""
    boots = list(dict.fromkeys(line.boot for line in lines))
    if len(boots) > 1:
        yield Doubt("boots", None, str(len(boots)))
    for word, odd in (
        ("no_time", [line for line in lines if line.at_us is None]),
        ("future", [line for line in lines if line.at_us is not None and line.at_us > now_us + AHEAD_US]),
        ("never_set", [line for line in lines if line.at_us is not None and line.at_us < _FIRST_US]),
    ):
        if odd:
            yield Doubt(word, odd[0].n, str(len(odd)))
    for before, after in pairwise(lines):
        if before.at_us is None or after.at_us is None:
            continue
        wall_s = (after.at_us - before.at_us) / 1e6
        if before.boot == after.boot and before.mono_s is not None and after.mono_s is not None:
            if after.mono_s < before.mono_s - STEP_S:
                yield Doubt("mono_back", after.n, f"{after.mono_s - before.mono_s:.0f}")
            elif abs(step_s := wall_s - (after.mono_s - before.mono_s)) > STEP_S:
                yield Doubt("clock_set", after.n, f"{step_s:+.0f}")
        elif wall_s < -STEP_S:
            yield Doubt("clock_back", after.n, f"{wall_s:.0f}")


CLOCK_DOUBTS = frozenset(("clock_set", "clock_back", "mono_back", "future", "never_set", "no_time", "clock_unknown"))


def elapsed_s(first: Line, last: Line) -> float | None:
    """Seconds between two entries: by the clock that nobody sets within a boot, else by the other; None: unknown."""
    if first.boot and first.boot == last.boot and first.mono_s is not None and last.mono_s is not None:
        return last.mono_s - first.mono_s if last.mono_s >= first.mono_s else None
    if first.at_us is None or last.at_us is None or last.at_us < first.at_us:
        return None
    return (last.at_us - first.at_us) / 1e6


def number_of(text: str) -> float | None:
    """The number that a reading is, None where it is none (an answer, a time of day)."""
    if not re.fullmatch(r"[+-]?[0-9]{1,15}(\.[0-9]{1,9})?", text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None
