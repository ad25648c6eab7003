"""What in a site's sheet does not fit the procedures of its site."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fallback_procedures.limits import assets, turned_round
from fallback_procedures.procedure import Fault, Procedure, values_of
from fallback_procedures.sheet import QUANTITY, TAG_ROW, Sheet, labels, own_rows, row_name, same_unit, span_s


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
                own = assets(reading, sheet)
                names = {row_name(end.value, asset) for end in (reading.low, reading.high) for asset in ("", *own)}
                for name in names & set(sheet.values):
                    quantity = QUANTITY.fullmatch(sheet.values[name])
                    if not quantity or not same_unit(quantity.group(2), reading.unit):
                        say(name, f"{sheet.values[name]!r} is no number in {reading.unit}, as {where} needs it")
                for asset in ("", *own):
                    if turned_round(reading, sheet, asset):
                        say(row_name(reading.low.value, asset),
                            f"it is above {reading.high.value}; both are limits of {where}")  # fmt: skip
        spans = [step.timer for step in procedure.steps]
        spans += [span for repeat in procedure.repeats for span in (repeat.every, repeat.then)]
        for span in spans:
            if span and own_rows(span.value, sheet):
                say(row_name(span.value, next(iter(own_rows(span.value, sheet)))),
                    f"a time is the same for all assets; {procedure.id} uses none of these rows")  # fmt: skip
            elif span and span.value in sheet.values and span_s(span, sheet) is None:
                say(
                    span.value,
                    f"{sheet.values[span.value]!r} is no time as 30 s, 15 min or 4 h; {procedure.id} needs one",
                )
    used = {name for procedure in mine.values() for name in values_of(procedure.source)}
    there = {label.casefold() for label in labels(sheet)}
    for key, value in sheet.values.items():
        name, _bracket, asset = key.rstrip("]").partition(" [")
        if asset and there and asset.casefold() not in there:
            say(key, f"the row labels of this site names no {asset}")
        if asset and name not in used and not TAG_ROW.fullmatch(name):
            say(key, f"no procedure has the value {name}")
        short = name.startswith("phone_") and not name.endswith("_mobile") and len(re.findall("[0-9]", value)) < 6
        if short and f"{name}_mobile" not in sheet.values:
            say(name, f"{value!r} is a number inside the plant; add {name}_mobile for when its exchange is dead")
        row = TAG_ROW.fullmatch(name)
        if row:
            procedure_id = f"{row.group(1)[0].upper()}-{row.group(1)[1:]}"
            told = mine[procedure_id].step(row.group(2)) if procedure_id in mine else None
            if told is None or len(told.readings) < int(row.group(3) or 1):
                say(key, f"there is no such reading in {procedure_id}")
    return sorted(set(found))
