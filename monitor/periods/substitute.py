"""`handwheel reading substitute`: a gap of telemetry is filled between values that were read, because a role says so.

The values lie on straight lines between the last usable value before the gap, what people read in it, and the first
usable value behind it (P-13: the gap lies between bracketing values). Each of them is flagged substitute, is uncertain,
is never the latest value of a tag, and feeds no model. Who asked for it, over which span and between what, stands in
the ledger as an import. Where something was measured, nothing is filled.
"""

import argparse
import hashlib
import shutil
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from drivers.errors import UserError
from drivers.record import FROM_ELSEWHERE, Quality, Reason
from monitor import readings
from monitor.readings import states_of
from monitor.state import State
from monitor.transfer.times import utc_us
from monitor.words import _, clean, local_text, quantity_text, utc_text

if TYPE_CHECKING:
    from monitor.plant import Settings
    from monitor.transfer.staging import Facts

BRACKET_US = 86_400_000_000  # no further before and behind a gap a value is looked for
ROWS = 20_000  # values of one gap
Points = list[tuple[int, float]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel reading`: to enter what was read, and to fill a gap."""
    verbs = readings.add_arguments(parser)
    fill = verbs.add_parser("substitute", help="fill a gap of telemetry between values that were read, by role")
    fill.add_argument("tag", help="for example N-P01.flow")
    fill.add_argument("--from", dest="start", required=True, metavar="TIME", help="when the gap begins")
    fill.add_argument("--to", dest="end", required=True, metavar="TIME", help="when it ends")
    fill.add_argument(
        "--every", type=float, default=900.0, metavar="SECONDS", help="from value to value (default: 900)"
    )
    fill.add_argument("--reason", required=True, help="why it is filled: stands in the ledger")


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """`handwheel reading add | substitute`: 0 when all of it was entered, or the gap was filled."""
    if args.reading_verb == "add":
        return readings.command(args, settings, state)
    from monitor.ledger.through import allowed_role
    from monitor.transfer.bring import hand_over

    allowed_role("import", settings)
    tag = next((one for one in settings.tags if one.name == args.tag), None)
    if tag is None:
        words = _("reading: {tag} is not configured; see handwheel check")
        raise UserError(words.format(tag=repr(clean(args.tag, 60))))
    if states_of(tag) is not None or tag.bits:
        raise UserError(_("reading: {tag} is a state: nothing lies between two of them").format(tag=tag.name))
    if not clean(args.reason):
        raise UserError(_("reading: --reason: say why the gap is filled"))
    zone = ZoneInfo(settings.time_zone)
    start_us, end_us = (_time_us(word, zone) for word in (args.start, args.end))
    if not (start_us < end_us <= time.time_ns() // 1000) or not 1 <= args.every <= 86_400:
        raise UserError(_("reading: a gap that is over, and values every 1 to 86400 s, are expected"))
    known = known_points(state, settings, tag.name, start_us, end_us, zone)
    rows = line_between(known, start_us, end_us, round(args.every * 1e6))
    if not 0 < len(rows) <= ROWS:
        words = _("reading: {n} values would be filled in, 1 to {most} are possible; choose another --every")
        raise UserError(words.format(n=len(rows), most=ROWS))
    for us, value in known:
        print(f"  {local_text(us, zone)}  {quantity_text(value, tag.unit, 6)}")
    state.imports.mkdir(mode=0o2770, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="handwheel-import-", dir=state.imports))
    try:
        facts = _staged(folder, tag.name, rows, (start_us, end_us), known, clean(args.reason, 300))
        print(hand_over(settings, state, folder, facts))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _time_us(text: str, zone: ZoneInfo) -> int:
    try:
        return utc_us(datetime.fromisoformat(text), zone)
    except (ValueError, OverflowError):
        words = _("reading: {text} is no time; write it like 2026-11-30T07:05").format(text=clean(text, 40))
        raise UserError(words) from None


def known_points(state: State, settings: "Settings", tag: str, start_us: int, end_us: int, zone: ZoneInfo) -> Points:
    """The usable values that bracket a gap and those that people read in it, in order of time (UTC [us]).

    Raises UserError where something usable was measured in it, or where nothing stands before or behind it.
    """
    from monitor.historian.store import Store

    found = Store(state, settings).read([tag], start_us - BRACKET_US, end_us + BRACKET_US)
    reasons = found["reasons"].to_numpy()
    usable = (found["quality"].to_numpy() != int(Quality.BAD)) & ((reasons & int(Reason.SUBSTITUTE)) == 0)
    usable &= ~np.isnan(found["value"].to_numpy(float))
    found, reasons = found[usable], reasons[usable]
    times, values = found["receive_us"].to_numpy(), found["value"].to_numpy(float)
    inside = (times > start_us) & (times < end_us)
    measured = inside & ((reasons & int(FROM_ELSEWHERE)) == 0)
    if measured.any():
        at = times[measured]
        words = _("reading: {n} values were measured in it, from {first} to {last}: nothing is filled there")
        raise UserError(words.format(n=len(at), first=local_text(int(at[0]), zone), last=local_text(int(at[-1]), zone)))
    before, behind = np.flatnonzero(times <= start_us), np.flatnonzero(times >= end_us)
    if not len(before) or not len(behind):
        side = _("before") if not len(before) else _("behind")
        words = _("reading: no usable value stands {side} it within a day; enter what was read: handwheel reading add")
        raise UserError(words.format(side=side))
    chosen = [before[-1], *np.flatnonzero(inside), behind[0]]
    return [(int(times[at]), float(values[at])) for at in chosen]


def line_between(known: Points, start_us: int, end_us: int, every_us: int) -> Points:
    """Values on straight lines between known ones, at whole multiples of `every_us`, strictly inside the gap.

    >>> line_between([(0, 1.0), (10, 2.0)], 0, 10, 5)
    [(5, 1.5)]
    """
    first = (start_us // every_us + 1) * every_us
    if (end_us - first) // every_us > ROWS:
        return [(at, 0.0) for at in range(ROWS + 1)]
    times = np.arange(first, end_us, every_us)
    there = {us for us, _value in known}
    values = np.interp(times, [us for us, _value in known], [value for _us, value in known])
    return [(int(us), float(value)) for us, value in zip(times, values, strict=True) if int(us) not in there]


def _staged(folder: Path, tag: str, rows: Points, span_us: tuple[int, int], known: Points, reason: str) -> "Facts":
    import pyarrow as pa
    import pyarrow.parquet as pq

    from monitor.historian.parquet import DAY_MS, TIME, day_of
    from monitor.transfer import staging

    reasons = int(Reason.MANUAL | Reason.SUBSTITUTE | Reason.IMPORTED)
    between = f"{utc_text(known[0][0])} and {utc_text(known[-1][0])}, {len(known)} values"
    detail = f"substitute: on a straight line between {between}"
    columns = [
        pa.array([tag] * len(rows), pa.string()), pa.array([us // 1000 for us, _value in rows], pa.int64()).cast(TIME),
        pa.array([value for _us, value in rows], pa.float64()), pa.nulls(len(rows), pa.string()),
        pa.array([reasons] * len(rows), pa.uint32()), pa.array([detail] * len(rows), pa.string()),
    ]  # fmt: skip
    path = folder / "rows.parquet"
    pq.write_table(pa.table(columns, schema=staging.ROWS), path, compression="zstd", write_page_checksum=True)
    days = Counter(day_of(us // 1000 // DAY_MS * DAY_MS) for us, _value in rows)
    made, empty = staging.digest(path), hashlib.sha256(b"").hexdigest()
    start, end = (utc_text(us) for us in span_us)
    facts = staging.Facts(staging.new_id(), "substitute", tag, made, empty, len(rows), 0, made, start, end, dict(days),
                          f"{reason}; between {between}")  # fmt: skip
    staging.write_facts(folder, facts)
    return facts
