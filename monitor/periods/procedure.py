"""The little that is read of a procedure's text, as the journal holds it: title, steps, who verifies, what repeats.

The fallback has the parser that decides whether a procedure may be run. Here words are looked up for a report: a text
that cannot be understood yields fewer words, never a fault.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.words import clean

_HEAD = re.compile(r"PROCEDURE\s+(\S+)\s+(.*)")
_STATUS = re.compile(r"STATUS\s+(\S+)")
_STEP = re.compile(r"(?:▲\s*)?\[ \]\s*(?:▲\s*)?([0-9]{1,3}[a-z]?)\s+(.*)")
_PART = re.compile(r"\s+(Reading|Expect|If not|If twice|Timer|Second person|Record)\s*:")
_KEYWORD = re.compile(r"(\[ \]|▲|[A-Z][A-Z]+\b)")
_SPAN = r"(\{[^}]{1,60}\}|[0-9]{1,4}\s*(?:s|min|h)\b)"
_REPEAT = re.compile(
    rf"REPEAT steps? ([0-9]+[a-z]?)(?: to ([0-9]+[a-z]?))? every {_SPAN}(?: for {_SPAN},? then every {_SPAN})?"
)
_HOLD = re.compile(r"HOLD\s+([a-z_]{1,24})\s+(once\s)?")
_GOES = re.compile(r"GO TO step ([0-9]{1,3}[a-z]?)")
_TIMER = re.compile(rf"\s+Timer:\s*{_SPAN}")
_LENGTH = re.compile(r"([0-9]{1,4}(?:[.,][0-9]{1,3})?)\s*(s|min|h)")
_UNITS = {"s": 1.0, "min": 60.0, "h": 3_600.0}
_LIMIT = 200_000  # characters of a text that are looked at
_STEPS, _REPEATS = 400, 20  # of a text that are looked at: a procedure is a page or two


@dataclass(frozen=True, slots=True)
class Repeat:
    """Steps that come again: every so many seconds, after `for_s` every `then_s`. 0: not known, or no change. [s]"""

    first: str
    last: str
    every_s: float
    for_s: float = 0.0
    then_s: float = 0.0

    def due_s(self, since_first_s: float) -> float:
        """How long after a round the next one is due, `since_first_s` after the first one. [s]"""
        return self.then_s if self.for_s and self.then_s and since_first_s >= self.for_s else self.every_s


@dataclass(frozen=True, slots=True)
class Hold:
    """Nobody does the step before that role has released it: in each round again, or once per run."""

    role: str
    once: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """What was read of it; empty where there is nothing to be understood."""

    title: str = ""
    approved: bool = False
    steps: Mapping[str, str] = field(default_factory=dict)  # number -> the words of the step
    verified: frozenset[str] = frozenset()  # steps that a second person verifies
    asks: frozenset[str] = frozenset()  # steps with a condition: IF, or WHILE
    timers: Mapping[str, float] = field(default_factory=dict)  # number -> how long its timer runs [s], where known
    repeats: tuple[Repeat, ...] = ()
    holds: Mapping[str, Hold] = field(default_factory=dict)  # number of the step behind it -> what holds it
    goes: Mapping[str, frozenset[str]] = field(default_factory=dict)  # number -> steps to which its text may send


def text_of(source: str, values: Mapping[str, str]) -> Text:
    """What a procedure's text says; `values` are those of the site."""
    title, approved, steps, verified = "", False, dict[str, list[str]](), set[str]()
    timers = dict[str, float]()
    step, in_words = "", False
    for line in source[:_LIMIT].splitlines():
        if (found := _STEP.match(line)) and len(steps) < _STEPS:
            step, in_words = found[1], True
            steps[step] = [found[2]]
        elif _PART.match(line) and step:
            in_words = False
            if "Second person" in line[:40]:
                verified.add(step)
            elif (found := _TIMER.match(line)) and (length_s := _span_s(found[1], values)):
                timers[step] = length_s
        elif _KEYWORD.match(line):
            in_words = False
            if found := _HEAD.match(line):
                title = clean(found[2], 120)
            elif found := _STATUS.match(line):
                approved = found[1].upper().startswith("APPROVED")
            if not line.startswith("["):
                step = step if line.startswith(("REPEAT", "▲")) else ""
        elif in_words and line.strip() and step:
            steps[step].append(line)
    words = {number: clean(" ".join(part.strip() for part in parts), 300) for number, parts in steps.items()}
    asks = frozenset(number for number, told in words.items() if told.startswith(("IF ", "WHILE ")))
    repeats = tuple(_repeats(source[:_LIMIT], values))
    return Text(title, approved, words, frozenset(verified), asks, timers, repeats, *_holds(source[:_LIMIT]))


def _holds(source: str) -> tuple[dict[str, Hold], dict[str, frozenset[str]]]:
    """What holds which step, and where the text of each may send. A notice is of the steps before and behind it."""
    holds, parts, notice = dict[str, Hold](), dict[str, list[str]](), list[str]()
    waiting: Hold | None = None
    for block in re.split(r"\n(?=\S)", source):
        if (found := _STEP.match(block)) and found[1] not in parts:
            parts[found[1]] = [*notice, block]
            if waiting:
                holds[found[1]] = waiting
            waiting, notice = None, []
            continue
        if parts:
            parts[next(reversed(parts))].append(block)
        notice.append(block)
        if held := _HOLD.match(block):
            waiting = Hold(held[1], bool(held[2]))
    return holds, {one: frozenset(_GOES.findall(" ".join(" ".join(some).split()))) for one, some in parts.items()}


def _repeats(source: str, values: Mapping[str, str]) -> list[Repeat]:
    found = []
    for first, last, every, for_, then in _REPEAT.findall(" ".join(source.split()))[:_REPEATS]:
        spans = (_span_s(one, values) for one in (every, for_, then))
        found.append(Repeat(first, last or first, *spans))
    return found


def _span_s(text: str, values: Mapping[str, str]) -> float:
    """Seconds of "5 min", "{round_every}" or "{round_every=5 min}"; 0 where neither site nor text says it.

    A time is the same for all assets of a site: one that has rows of assets is none, here as in the fallback.
    """
    if text.startswith("{"):
        name, _equals, default = text.strip("{}").partition("=")
        several = any(key.startswith(f"{name.strip()} [") for key in values)
        text = "" if several else values.get(name.strip()) or default
    found = _LENGTH.fullmatch(text.strip())
    return float(found[1].replace(",", ".")) * _UNITS[found[2]] if found else 0.0
