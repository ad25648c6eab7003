"""One assessment of a meter with every number of it, so that it can be redone with a pocket calculator."""

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from models.health.meter import (
    DAY_H,
    LEAST_HOURS,
    RECENT_DAYS,
    Middle,
    compared,
    daily_ratios,
    daily_sums,
    least_by_night,
    middle,
)
from models.health.meter import LEAST_DAYS as LEAST
from monitor.labels import health_word, line_word
from monitor.meters import Seen, Sides
from monitor.reasons import reason_text
from monitor.reports.document import Block, Cell, Document, Paragraph, Section, Table, ledger_text
from monitor.reports.meter_card import sides_text
from monitor.state import State
from monitor.words import _, figure_text, language, local_text

if TYPE_CHECKING:
    from monitor.plant import Settings

DIGITS = 7


def build(state: State, settings: "Settings", seen: Seen, now_us: int) -> Document:
    """The document."""
    zone = ZoneInfo(settings.time_zone)
    sections = [Section(_("Result"), _result(seen))]
    sections += [
        Section(_("Account {name}").format(name=one.name), _account(seen, i, one, zone))
        for i, one in enumerate(seen.hours.sides)
    ]
    if "flow" in seen.hours.values:
        sections.append(Section(_("Night flow"), _night(seen, settings.time_zone)))
    sections += [
        Section(_("Last day of {quantity}").format(quantity=name), _last_day(seen, name, zone))
        for name in ("signal_quality", "gain")
        if name in seen.hours.values
    ]
    sections.append(Section(_("Lines"), _lines(seen)))
    return Document(
        title=_("Assessment of {asset}, number by number").format(asset=seen.asset.id),
        subtitle=settings.utility,
        meta=(
            (_("as of"), local_text(now_us, zone)),
            (_("model"), seen.model.sha256 or "-"),
            (_("configuration"), settings.sha256[:16]),
            (_("ledger"), ledger_text(state)),
        ),
        sections=tuple(sections),
        simulated=settings.simulated,
        language=language(),
    )


def _result(seen: Seen) -> tuple[Block, ...]:
    found = seen.found
    rows: list[tuple[Cell, ...]] = [
        (_("last full hour ends at (UTC)"), found.at),
        (_("word"), health_word(found.word)),
        (_("good hours of the last day"), f"{100 * found.good_share:.4g} %"),
        (_("data"), seen.hours.data_sha256),
        *((_("reason"), reason_text(one)) for one in found.reasons),
    ]
    rules = _("s of values: 1.4826 x the median distance from their median; e, the standard error of that median:"
              " 1.2533 s / root(n). All uncertainties are single (k = 1).")  # fmt: skip
    return (Table("result", (_("what"), _("value")), tuple(rows)), Paragraph(rules))


def _account(seen: Seen, i: int, sides: Sides, zone: ZoneInfo) -> tuple[Block, ...]:
    account, u = seen.hours.accounts[i], seen.limits
    sums = daily_sums(account)
    both = np.isfinite(account.left) & np.isfinite(account.right)
    stored = np.where(both, seen.hours.stored(sides), 0.0)
    index = pd.DatetimeIndex(seen.hours.values.index)
    days: list[tuple[Cell, ...]] = []
    for row, ins, outs, n in list(zip(sums.last, sums.left, sums.right, sums.hours, strict=True))[-RECENT_DAYS:]:
        ends_us = int(index[row].value // 1000) + 3_600_000_000
        kept = round(float(stored[row + 1 - DAY_H : row + 1].sum()), 6) + 0.0  # a tank's 1e-14 is none
        days.append((local_text(ends_us, zone), _f(ins), _f(outs), _f(kept), int(n), _f(ins / outs)))
    left, right = sides_text(sides)
    words = _("Left: {left}. Right: {right}. Hours in which all were whole, summed; a day needs {n} of them.")
    heads = (_("24 hours to"), _("left"), _("right"), _("of it kept"), _("hours"), _("ratio"))
    blocks: list[Block] = [
        Paragraph(words.format(left=left, right=right, n=LEAST_HOURS)),
        Table(f"days_{i + 1}", heads, tuple(days)),
    ]
    learned = seen.model.reference.ratios.get(sides.name)
    told = compared(account, learned, u)
    k, m = account.meters
    rows: list[tuple[Cell, ...]] = [
        *_middle(told.now, _("median of the ratios"), daily_ratios(account)[-RECENT_DAYS:]),
        (_("meters summed left, right"), f"{k}, {m}", ""),
        (_("balance [%]"), _f(told.off), "100 (median - 1)"),
        (_("of the scatter [%]"), _f(told.random), "100 e / median"),
        (_("of the meters [%]"), _f(told.sides), f"root(u_flow^2 / {k} + u_flow^2 / {m}), u_flow = {_f(u.u_flow)}"),
        (_("u of the balance [%]"), _f(told.u_balance), _("root(of the scatter^2 + of the meters^2)")),
        (_("ratio learned"), _f(learned.value if learned else None), ""),
        (_("its standard error"), _f(learned.error if learned else None), _days(learned)),
        (_("drift [%]"), _f(told.moved), _("100 (median / ratio learned - 1)")),
        (_("u of the drift [%]"), _f(told.u_drift),
         _("root(of the scatter^2 + (100 its error / ratio learned)^2 + {u}^2)").format(u=_f(u.u_repeat))),
    ]  # fmt: skip
    return (*blocks, Table(f"numbers_{i + 1}", (_("what"), _("value"), _("made of")), tuple(rows)))


def _night(seen: Seen, zone: str) -> tuple[Block, ...]:
    nights = least_by_night(seen.hours.values["flow"], zone).iloc[-RECENT_DAYS:]
    now, learned, u = middle(nights.to_numpy(float), LEAST), seen.model.reference.night, seen.limits.u_repeat
    change = now.value - learned.value if now and learned else None
    rows: list[tuple[Cell, ...]] = [
        *_middle(now, _("median of the nights"), nights.to_numpy(float)),
        (_("night flow learned"), _f(learned.value if learned else None), ""),
        (_("its standard error"), _f(learned.error if learned else None), _days(learned)),
        (_("change"), _f(change), _("median - learned")),
    ]  # fmt: skip
    line = next(one for one in seen.found.lines if one.name == "night_flow")
    rows.append((_("u of the change"), _f(line.uncertainty),
                 _("root(e^2 + its error^2 + ({u} % of what was learned)^2)").format(u=_f(u))))  # fmt: skip
    return (
        Paragraph(_("The least hourly mean from 02:00 to 04:00, local time, of each night [m3/h].")),
        Table("nights", (_("night"), _("least flow")), tuple((str(day), _f(one)) for day, one in nights.items())),
        Table("night", (_("what"), _("value"), _("made of")), tuple(rows)),
    )


def _last_day(seen: Seen, name: str, zone: ZoneInfo) -> tuple[Block, ...]:
    column = seen.hours.values[name].iloc[-DAY_H:].dropna()
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (local_text(int(at.value // 1000), zone), _f(one))
        for at, one in zip(pd.DatetimeIndex(column.index), column, strict=True)
    )
    words = _("The value is the median of the good hours of the last day; {n} are needed.").format(n=LEAST_HOURS)
    return (Paragraph(words), Table(f"hours_{name}", (_("hour"), _("value")), rows))


def _lines(seen: Seen) -> tuple[Block, ...]:
    found, k = seen.found.lines, seen.limits.coverage
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (one.name, *(_f(x) for x in (one.value, one.reference, one.warn, one.act, one.uncertainty,
                                     None if one.uncertainty is None else k * one.uncertainty)), line_word(one.word))
        for one in found
    )  # fmt: skip
    heads = (_("line"), _("value"), _("reference"), _("warning"), _("act"), "u", "k u", _("word"))
    notes: tuple[tuple[Cell, ...], ...] = tuple((one.name, reason_text(one.note, 120)) for one in found if one.note)
    rules = _(
        "Excess: |value - reference|; of a gain value - reference, of a signal how far it is below the warning. As"
        " usual: not past the warning; cannot tell: past it, but excess at most k u; ALERT: past act; else warning."
        " An account that fails stays without a word where the accounts together point to others."
    )
    return (Paragraph(rules), Table("lines", heads, rows), Table("notes", (_("line"), _("note")), notes))


def _middle(now: Middle | None, what: str, values: np.ndarray) -> list[tuple[Cell, ...]]:
    if now is None:
        return [(what, "-", _("needs {n}, has {have}").format(n=LEAST, have=len(values)))]
    spread = float(np.median(np.abs(values - now.value)))
    return [
        (what, _f(now.value), f"n = {now.n}"),
        (_("median distance from it"), _f(spread), ""),
        (_("its standard error e"), _f(now.error), f"1.2533 x 1.4826 x {_f(spread)} / root({now.n})"),
    ]


def _days(one: Middle | None) -> str:
    return f"n = {one.n}" if one else ""


def _f(value: float | None) -> str:
    return figure_text(None if value is None or not np.isfinite(value) else float(value), DIGITS)
