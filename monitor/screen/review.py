"""The page of the vendor review, as it stands in the ledger: status and why, the e-value against its line, the table.

Pure: lines from a RoomState and a View. INSUFFICIENT is told as plainly as FLAG; no word here means intent.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.screen.help import last_scroll, scrolled
from monitor.screen.owed import reminder
from monitor.screen.pieces import Line, cells, fit, rule, wrap
from monitor.screen.room import RoomState, time_us
from monitor.screen.text import View, as_number
from monitor.words import _, clean, interval_text, local_text, number_text, share_text, utc_text

LINE_E = 20.0  # an e-value that was ever above it is an early flag
CHART = 7  # lines of the drawing
Pair = tuple[str, str]


def lines(room: RoomState, view: View) -> list[Line]:
    """The whole page."""
    keys = [_("arrows or j k scroll  r reports  m MANUAL  Esc back  ? help")]
    return scrolled(room, view, title(room), body(room, view), keys, view.notice)


def last(room: RoomState, view: View) -> int:
    """How far it can be scrolled."""
    return last_scroll(view, len(body(room, view)))


def title(room: RoomState) -> str:
    review = room.past.tally.review
    words = _("REVIEW OF A VENDOR'S ALERTS")
    if review is None:
        return words
    vendor = clean(review.get("vendor") or "", 30) or _("all vendors")
    return f"{words}  {vendor}"


def body(room: RoomState, view: View) -> list[Line]:
    """Every line of the text."""
    review, width = room.past.tally.review, view.width - 2
    if review is None:
        words = _(
            "none was made yet: handwheel review freeze writes its parameters down, handwheel review run makes it"
        )
        return [Line(" " + line, "dim") for line in wrap(words, width)]
    found = [Line(" " + line, "strong") for line in wrap(first_words(review), width)]
    found += [Line(" " + line, "strong") for line in wrap(status_words(review), width)]
    found += [Line(" " + line) for line in wrap(when_words(room, review), width)]
    contested = review.get("contested")
    if isinstance(contested, Mapping):
        words = _("with {n} contested findings counted as confirmed: {status}: {why}").format(
            n=contested.get("count"), status=clean(contested.get("status"), 20),
            why=clean(contested.get("gate_words") or "", 300))  # fmt: skip
        found += [Line(" " + line, "strong") for line in wrap(words, width)]
    found += [Line(" " + line) for line in wrap(reminder(room), width)]
    found += [rule(view.width, _("E-VALUE, LOGARITHMIC; ABOVE 20: EARLY FLAG")), *map(Line, drawn(review, view.width))]
    found.append(rule(view.width, _("EVIDENCE")))
    for label, value in evidence(review):
        found += map(Line, pair_lines(label, value, view.width))
    return found


def first_words(review: Mapping[str, Any]) -> str:
    """Whether the parameters were fixed before anybody looked."""
    if review.get("first_line"):
        return clean(review["first_line"], 400)
    return _("parameters frozen before the review") if review.get("frozen") else _("NOT frozen before the review")


def status_words(review: Mapping[str, Any]) -> str:
    status = clean(review.get("status"), 20)
    why = clean(review.get("gate_words") or "", 500)
    return _("{status} because {why}").format(status=status, why=why) if why else status


def when_words(room: RoomState, review: Mapping[str, Any]) -> str:
    start_us, end_us = time_us(review.get("start")), time_us(review.get("end"))
    days = [utc_text(us)[:10] for us in (start_us, None if end_us is None else end_us - 1)]
    made = local_text(room.past.tally.review_at_us, room.zone)
    return _("period {start} to {end}, made {time}").format(start=days[0], end=days[1], time=made)


def evidence(review: Mapping[str, Any]) -> list[Pair]:
    """The table as it was shown, or the figures of an entry that has none."""
    rows = review.get("rows")
    if isinstance(rows, Sequence) and rows:
        return [(clean(one[0], 200), clean(one[1], 600)) for one in rows if isinstance(one, list) and len(one) == 2]
    told = review.get("evidence")
    if not isinstance(told, Mapping):
        return []
    findings, jobs = (int(as_number(told.get(name)) or 0) for name in ("findings", "interventions"))
    return [
        (_("findings on jobs"), share_text(findings, jobs)),
        (_("confirmed (grade D or E)"), share_text(int(as_number(told.get("confirmed")) or 0), findings)),
        ("e", number_text(as_number(told.get("e")))),
        (_("U, not supported by findings [90 %]"), bounds_text(told.get("unsupported"))),
        (_("E_net, net excess interventions per year [90 %]"), bounds_text(told.get("net_per_year"))),
    ]


def bounds_text(value: object) -> str:
    if not isinstance(value, Mapping):
        return "-"
    return interval_text(as_number(value.get("value")), as_number(value.get("low")), as_number(value.get("high")))


def pair_lines(label: str, value: str, width: int) -> list[str]:
    """A row of the table: in one line where it fits, else the value below its label."""
    if cells(label) + cells(value) + 5 <= width:
        return [f" {fit(label, width - cells(value) - 4)}  {value}"]
    return [*(f" {line}" for line in wrap(label, width - 2)), *(f"     {line}" for line in wrap(value, width - 6))]


def drawn(review: Mapping[str, Any], width: int) -> list[str]:
    """The path of the e-value, oldest finding on the left, with the line at 20."""
    told = review.get("path")
    path = [(one[0], as_number(one[1])) for one in told if isinstance(one, list) and len(one) == 2] if isinstance(
        told, list) else []  # fmt: skip
    path = [(us, value) for us, value in path if value is not None and 0 <= value < math.inf]
    values = [math.log10(value) if value else -9.0 for _us, value in path]
    if not values:
        return [" " + _("no path in this entry")]
    line = math.log10(LINE_E)
    low, high = min(0.0, max(min(values), -4.0)), max(line + 0.3, *values)
    label = 9
    columns = spread(values, width - label - 2)

    def level(value: float) -> int:
        return round((min(max(value, low), high) - low) / (high - low) * (CHART - 1))

    found = []
    for height in range(CHART - 1, -1, -1):
        is_line = height == level(line)
        marks = "".join("*" if level(value) == height else "-" if is_line else " " for value in columns)
        value = LINE_E if is_line else 10 ** (low + (high - low) * height / (CHART - 1))
        shown = height in (0, CHART - 1) or is_line
        found.append(f"{number_text(value, 2) if shown else '':>{label - 1}} |{marks}".rstrip())
    ends = [utc_text(int(us))[:10] if isinstance(us, int | float) else "?" for us in (path[0][0], path[-1][0])]
    found.append(f"{'':>{label}} {ends[0]}{ends[1]:>{max(width - label - 2 - cells(ends[0]), 11)}}")
    return found


def spread(values: Sequence[float], columns: int) -> list[float]:
    """The last value of each of `columns` equal stretches; a short row is stretched."""
    count = len(values)
    return [values[min((at + 1) * count // columns - 1 if count >= columns else at * count // columns, count - 1)]
            for at in range(columns)]  # fmt: skip
