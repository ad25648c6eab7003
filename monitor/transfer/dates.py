"""Dates as spreadsheets write them: which of two numbers is the day is read off the file or said, not guessed."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from drivers.errors import UserError
from monitor.words import clean

ANY = "any"  # form of times: ISO, day.month.year, and what the order says of all others
Order = Literal["", "dmy", "mdy"]
_NUMERIC = re.compile(
    r"\s*([0-9]{1,2})([./-])([0-9]{1,2})\2([0-9]{4})"
    r"(?:[ T,]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,6}))?)?)?\s*(Z|[+-][0-9]{2}:?[0-9]{2})?\s*"
)
_SHORT = re.compile(r"\s*[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2}(\s|$)")
_LEAST_DIGITS = 8  # of a date without marks: 20261130
_FEWEST = 5  # rows in whose order a file can be seen to be sorted


def any_moment(text: str, order: str) -> datetime:
    """A time in ISO form, as day.month.year, or with slashes in this order. Raises ValueError in words."""
    found = _NUMERIC.fullmatch(text)
    if found is None:
        if text.isdecimal() and len(text) < _LEAST_DIGITS:
            raise ValueError(f"{text} is a spreadsheet's number of a day; give that column the form of a date, save it")
        if _SHORT.match(text):
            raise ValueError(f"{clean(text, 30)} has a year of two digits; which century is not known")
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{clean(text, 30)!r} is no time; write it like 2026-11-30 or 2026-11-30T07:05") from None
    first, mark, second, year, hour, minute, seconds, part, zone = found.groups()
    if mark != "." and not order:
        raise ValueError("may be day/month or month/day; add --dates dmy or --dates mdy")
    day, month = (second, first) if order == "mdy" else (first, second)
    clock = f"{int(hour or 0):02d}:{minute or '00'}:{seconds or '00'}.{(part or '0').ljust(6, '0')}{zone or ''}"
    return datetime.fromisoformat(f"{year}-{int(month):02d}-{int(day):02d}T{clock}")


def order_of(form: str) -> Order:
    """The order of day and month that a pattern such as %d.%m.%Y says; "" where they do not stand side by side."""
    found = re.search(r"%([dm])[./-]%([dm])", form)
    return "" if found is None else "dmy" if found[1] == "d" else "mdy"


def swapped(form: str) -> str:
    """The pattern with day and month exchanged."""
    return re.sub(r"%([dm])([./-])%([dm])", r"%\3\2%\1", form)


def settle(column: str, cells: Sequence[tuple[int, str]], told: Order, asked: Order, now: datetime) -> Order:
    """The order of day and month in one column, in which `cells` are (line, text).

    `told` is what a mapping says ("" where it leaves it open), `asked` what a person answered, `now` the wall's clock.
    Raises UserError where the column mixes both, where nothing tells them apart, and where the other order is more
    plausible than what the mapping says: fewer times that lie ahead, or rows in order. Then somebody has to say it.
    """
    dates = [(line, text, found) for line, text in cells if (found := _NUMERIC.fullmatch(text)) is not None]
    if not told:
        dates = [one for one in dates if one[2][2] != "."]
    if not dates:
        return asked or told
    day_first = [(line, text) for line, text, found in dates if int(found[1]) > 12]
    month_first = [(line, text) for line, text, found in dates if int(found[3]) > 12]
    if day_first and month_first:
        first, second = (f"line {line} ({clean(text, 30)})" for line, text in (day_first[0], month_first[0]))
        raise UserError(f"{column}: {first} has the day first, {second} the month: mend the file")
    shown: Order = "dmy" if day_first else "mdy" if month_first else ""
    said: Order = asked or told
    if shown and said and shown != said:
        line, text = (day_first or month_first)[0]
        words = f"cannot be {said}; say --dates {shown}, or mend the mapping"
        raise UserError(f"{column}: line {line} ({clean(text, 30)}) {words}")
    if asked or shown:
        return asked or shown
    other: Order = "mdy" if told == "dmy" else "dmy"
    if told and not _is_better(dates, other, told, now):
        return told
    line, text = dates[0][:2]
    why = f"the rows are more plausible as {other}" if told else "no day is above 12"
    words = f"may be day/month or month/day ({why}); add --dates dmy or --dates mdy"
    raise UserError(f"{column}: line {line}: {clean(text, 30)} {words}")


def _is_better(dates: Sequence[tuple[int, str, re.Match[str]]], other: Order, told: Order, now: datetime) -> bool:
    """Whether the other order has fewer times ahead, or rows in order where this one has none."""
    theirs, ours = ([_day(found, order) for _, _, found in dates] for order in (other, told))
    ahead = [sum(one > (now.year, now.month, now.day) for one in many) for many in (theirs, ours)]
    if ahead[0] != ahead[1]:
        return ahead[0] < ahead[1]
    many = len(set(ours)) >= _FEWEST
    return many and theirs == sorted(theirs) and ours not in (sorted(ours), sorted(ours, reverse=True))


def _day(found: re.Match[str], order: Order) -> tuple[int, int, int]:
    first, second = int(found[1]), int(found[3])
    return int(found[4]), *((second, first) if order == "dmy" else (first, second))
