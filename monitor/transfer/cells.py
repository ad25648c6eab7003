"""Cells of a file of records, each read as its column is meant: nothing is guessed, and a fault names its column."""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from drivers.errors import UserError
from monitor.transfer.columns import MONEY, TIMES, Column
from monitor.transfer.decoding import Clock, number_reader
from monitor.transfer.foreign import Row
from monitor.transfer.mapping import RecordMapping
from monitor.words import clean, utc_text

SHARE = "share"  # unit of a wear that is written as a share of the limit
_FLAGS = {word: True for word in ("true", "yes", "1", "wahr", "ja", "vrai", "oui")} | {
    word: False for word in ("false", "no", "0", "falsch", "nein", "faux", "non")
}
_SIGNS = {"€": "EUR", "£": "GBP"}
_PARTS = re.compile(r"([+-]?[0-9.,][0-9.,' ]*?)\s*([^0-9\s.,'].{0,15})?")
_FORMULA = re.compile(r"^'(?= *[=+\-@|＝＋－＠])")
_JSON_LIMIT = 4_000  # characters


def reader(
    told: RecordMapping, columns: Mapping[str, Column], places: Mapping[str, int], clocks: Mapping[str, Clock],
    currency: str,
) -> Callable[[Row], dict[str, Any]]:  # fmt: skip
    """A function from a row to the data of a deed. It raises UserError or ValueError in one line.

    `places`: field -> its column in the file; `clocks`: "" and, where times of a field are read otherwise, the field.
    """
    number = number_reader(told.file.decimal or ".", told.file.thousands)

    def value_of(field: str, text: str, cell: Any) -> Any:
        form = columns[field].form
        if form in (TIMES, "day"):
            if form == "day" and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
                return text
            clock = clocks.get(field, clocks[""])
            at_us = clock.us((cell,), "", ahead=field == "until")
            return clock.day(at_us) if form == "day" else utc_text(at_us)
        if columns[field].is_quantity:
            unit = told.units.get(field) or (currency if columns[field].form == MONEY else columns[field].unit)
            return quantity(text, unit, number, decimal=told.file.decimal or ".")
        if form == "true or false":
            if text.lower() not in _FLAGS:
                raise ValueError(f"{clean(text, 40)!r} is neither true nor false")
            return _FLAGS[text.lower()]
        if form in ("number", "share"):
            value = number(text)
            return int(value) if value.is_integer() else value
        if form == "json":
            return _json(text)
        return text

    def cells_of(row: Row) -> dict[str, Any]:
        data: dict[str, Any] = dict(told.fixed)
        for field, place in places.items():
            cell = row.cells[place]
            text = "" if cell is None else str(cell).strip()
            if told.own:
                text = _FORMULA.sub("", text, count=1)
            if field in told.words and (text or "" in told.words[field]):
                if text not in told.words[field]:
                    raise UserError(f"{field}: {clean(text, 40)!r} is not in the mapping; add it to [words.{field}]")
                data[field] = told.words[field][text]
            elif text:
                try:
                    data[field] = value_of(field, text, cell)
                except (ValueError, OverflowError, TypeError) as fault:
                    raise UserError(f"{field}: {clean(fault, 160)}") from fault
        return data

    return cells_of


def quantity(text: str, unit: str, number: Callable[[str], float], decimal: str = ".") -> str:
    """A number with its unit as the ledger keeps it: the cell's own unit, else `unit`. Its digits stay as they are.

    A share becomes per cent. Raises ValueError where it is no number, has no unit, or another than that of its column.
    """
    found = _PARTS.fullmatch(re.sub("[\u00a0\u202f]", " ", text))
    if found is None:
        raise ValueError(f"{clean(text, 40)!r} is not a number with its unit")
    digits, said = found[1], (found[2] or "").strip()
    said = _SIGNS.get(said, said)
    value = number(digits)
    if not math.isfinite(value):
        raise ValueError(f"{clean(text, 40)!r} is not a number")
    if unit == SHARE and said in ("", "%"):
        return f"{100 * value:.6f}".rstrip("0").rstrip(".") + " %" if not said else f"{_plain(digits, decimal)} %"
    if said and unit in ("%", "h", "d") and said != unit:
        raise ValueError(f"{clean(text, 40)!r} is not in {unit}")
    if not (said or unit):
        raise ValueError(f"{clean(text, 40)!r} has no unit; write it behind the number")
    return f"{_plain(digits, decimal)} {said or unit}"


def _plain(digits: str, decimal: str) -> str:
    """The digits with a point, without marks of thousands, without more than the ledger takes."""
    kept = re.sub(r"[^0-9eE+\-" + re.escape(decimal) + "]", "", digits).replace(decimal, ".").removeprefix("+")
    if re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", kept):
        return kept
    return f"{float(kept):.6f}".rstrip("0").rstrip(".")


def _json(text: str) -> Any:
    if len(text) > _JSON_LIMIT:
        raise ValueError(f"is longer than {_JSON_LIMIT} characters")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise ValueError("is no JSON") from fault
    if not _is_flat(told):
        raise ValueError("is nested too deeply, or holds what is no number")
    return told


def _is_flat(value: Any, room: int = 4) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if type(value) is int:
        return abs(value) < 2**53
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return room > 0 and all(_is_flat(one, room - 1) for one in inner)
