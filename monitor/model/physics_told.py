"""The physics lines of one assessment with the rows, formulas and uncertainties behind each, to be redone by hand."""

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from models.health import features
from models.health.judged import RECENT_ROWS, Rows
from models.health.lines import rows_of
from monitor.labels import line_word
from monitor.reasons import reason_text
from monitor.reports.document import Block, Cell, Paragraph, Table
from monitor.words import N_, _, figure_text

if TYPE_CHECKING:
    from models.health import Limits, Line
    from monitor.model.scoring import Seen

DIGITS = 7
U_ETA = "u = value/100 root(u_flow^2 + u_head^2 + u_power^2 + r^2)"
U_HEAT = "u = root(u_temperature_k^2 + s^2)"
HOW = {  # line: (column of the rows below, value, reference, uncertainty)
    "efficiency": ("efficiency", N_("median"), N_("curve efficiency at the median flow_n"), U_ETA),
    "energy_per_head": ("energy_per_head", N_("median"), N_("curve energy_per_head at the median flow_n"), U_ETA),
    "head_residual": (
        "head_n", N_("100 (median / curve head_n at the median flow_n - 1)"), "0",
        "u = root(u_head^2 + (slope u_flow)^2 + r^2)",
    ),
    "power_residual": (
        "power_n", N_("100 (median / curve power_n at the median flow_n - 1)"), "0",
        "u = root(u_power^2 + (slope u_flow)^2 + r^2)",
    ),
    "hydraulic_power": (
        "flow, head", N_("median of 0.002725 flow head"), "-", "u = value/100 root(u_flow^2 + u_head^2)",
    ),
    "specific_energy": ("flow, power", N_("median of power / flow"), "-", "u = value/100 root(u_flow^2 + u_power^2)"),
    "vibration": ("vibration", N_("median"), N_("zone line B/C"), "u = root((u_vibration/100 B/C)^2 + s^2)"),
    "vibration_step": (
        "vibration", N_("median"), N_("median of the window that was learned"),
        "u = root((u_vibration/100 B/C)^2 + s^2)",
    ),
    "bearing_temperature": ("bearing_temperature", N_("median"), N_("the warning limit"), U_HEAT),
    "winding_temperature": ("winding_temperature", N_("median"), N_("the warning limit"), U_HEAT),
    "bearing_over_ambient": (
        "bearing_over_ambient", N_("median"), N_("median of the window that was learned"),
        "u = root(2 u_temperature_k^2 + s^2)",
    ),
}  # fmt: skip
EITHER_SIDE = ("power_residual", "vibration_step")  # a change in any direction is bad
COLUMNS = ("flow", "head", "power", "flow_n", "head_n", "power_n", "efficiency", "energy_per_head", "vibration",
           "bearing_temperature", "bearing_over_ambient", "winding_temperature", "current_l1", "current_l2",
           "current_l3")  # fmt: skip


def line_tables(seen: "Seen", limits: "Limits") -> tuple[Block, ...]:
    """Rows, limits and lines; each line that has a formula here can be redone from the tables alone."""
    lines = seen.found.lines
    values = features.clean(seen.values, seen.share_good)
    frame, state = features.derive(values, seen.model.rated, seen.model.every_s)
    last = np.array([len(frame) - 1])
    rows = rows_of(frame, state, seen.model.rated, seen.model.reference, limits, seen.model.every_s, None, last)
    given: list[tuple[Cell, ...]] = [
        (one.name, ", ".join(_f(float(part)) for part in (value if isinstance(value, tuple) else (value,))))
        for one in fields(limits)
        if isinstance(value := getattr(limits, one.name), int | float | tuple)
    ]
    how: list[tuple[Cell, ...]] = [
        (one.name, column, _(value), _(reference) if reference not in ("0", "-") else reference, u)
        for one in lines
        if one.name in HOW
        for column, value, reference, u in [HOW[one.name]]
    ]
    rules = _(
        "r = 100 s / |median|. s is the standard error of a median: 1.2533 x 1.4826 x median distance from the median"
        " / root(n), for lines with a curve of the rows less the curve. slope = |(b + 2 c flow_n) flow_n / curve|."
        " Excess is how far the value is past the reference on the bad side. As usual: excess at most"
        " |warning - reference|; cannot tell: excess at most k u; ALERT: excess above |act - reference|; else warning."
    )
    words: tuple[tuple[Cell, ...], ...] = tuple((one.name, one.unit, str(one.n), line_word(one.word)) for one in lines)
    notes: tuple[tuple[Cell, ...], ...] = tuple((one.name, reason_text(one.note, 120)) for one in lines if one.note)
    heads = (_("line"), _("value"), _("reference"), _("excess"), _("warning"), _("act"), "u", "k u")
    return (
        Paragraph(_("Each value rests on the last {n} good rows of steady running.").format(n=RECENT_ROWS)),
        *_row_tables(rows),
        Table("limits", (_("limit"), _("value")), tuple(given)),
        Table("how", (_("line"), _("column"), _("value"), _("reference"), _("uncertainty")), tuple(how)),
        Paragraph(rules),
        Table("lines", heads, tuple(_line(one, limits) for one in lines)),
        Table("words", (_("line"), _("unit"), "n", _("word")), words),
        Table("notes", (_("line"), _("note")), notes),
    )


def _line(one: "Line", limits: "Limits") -> tuple[Cell, ...]:
    u = one.uncertainty
    figures = (one.value, one.reference, excess(one), one.warn, one.act, u, None if u is None else limits.coverage * u)
    return (one.name, *map(_f, figures))


def excess(one: "Line") -> float | None:
    """How far the value is past its reference on the bad side; None where either is missing."""
    if one.value is None or one.reference is None:
        return None
    beyond = next((step for step in (one.act, one.warn) if step is not None and step != one.reference), None)
    if one.name in EITHER_SIDE:
        return abs(one.value - one.reference)
    return one.reference - one.value if beyond is not None and beyond < one.reference else one.value - one.reference


def _row_tables(rows: Rows) -> list[Block]:
    """The rows that any line rests on, newest last; a cell is empty where the row has no value."""
    names = [name for name in COLUMNS if name in rows and np.isfinite(rows[name][rows.steady]).any()]
    places = sorted({
        int(place) for name in names for place in rows.recent(rows.steady, rows[name]).places[0] if place >= 0
    })  # fmt: skip
    times = pd.to_datetime(rows.time_s[places], unit="s", utc=True)
    blocks: list[Block] = []
    for part in (names[:8], names[8:]):
        if part:
            told: list[tuple[Cell, ...]] = [
                (at.strftime("%m-%dT%H:%M:%SZ"), *(_f(float(rows[name][place])) for name in part))
                for at, place in zip(times, places, strict=True)
            ]
            blocks.append(Table(f"line_rows_{len(blocks) + 1}", (_("row"), *part), tuple(told)))
    return blocks


def _f(value: float | None) -> str:
    return figure_text(value, DIGITS)
