"""Rows of a staged import become part of history: beside what we measured, each once, day by day in bounded memory.

The order makes ledger and history agree whatever dies in between. First the entry `import` with stage "begun" names the
file, its digest and the digest of the rows; then the rows are added; then an entry with stage "done" tells how many
were new. So no row is there without an entry that came before it, and an import that begun and is not done is seen, and
is ended by the next run: rows that are there already are told from new ones one by one.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from drivers.errors import UserError
from drivers.record import Reason
from monitor.historian.added import add_rows
from monitor.historian.cold import cold_of
from monitor.historian.parquet import DAY_MS, TIME, TagFacts, day_of
from monitor.historian.rollup import HOUR_S, KEEP_S
from monitor.plant import Settings
from monitor.progress import Tell, Work, silent
from monitor.state import State
from monitor.transfer.hours import NAME, write_hours
from monitor.transfer.samples import Reading, day_us
from monitor.transfer.staging import ROWS, Facts, Unfit, prove
from monitor.words import _, clean

_AT_ONCE = 250_000  # rows
_BROUGHT = pa.scalar(int(Reason.IMPORTED), pa.uint32())
_KEY = ("tag", "receive_ms", "value", "exact", "reasons")


@dataclass(frozen=True, slots=True)
class Taken:
    """How many rows were new, how many were there already."""

    added: int
    there: int


def take_values(
    state: State, settings: Settings, folder: Path, facts: Facts, origin: Mapping[str, str], now_us: int,
    tell: Tell = silent,
) -> Taken:  # fmt: skip
    """Add the rows of a staged import that are not there yet, and leave their hourly means in rollups.npz.

    Raises Unfit where the rows are not those that the entry names, UserError where history cannot be read just now.
    """
    path = folder / "rows.parquet"
    prove(path, facts.rows_sha256)
    cold = cold_of(state)
    tags = {tag.name: tag for tag in settings.tags}
    site_of = {asset.id: asset.site for asset in settings.assets}
    told: dict[str, TagFacts] = {
        tag.name: {"asset": tag.asset, "quantity": tag.quantity, "unit": tag.unit, "description": tag.description}
        for tag in settings.tags
    }
    _prove(path, set(tags), facts.days)
    added = there = 0
    hours: dict[str, dict[int, float]] = {}
    with Work(_("import, rows"), facts.rows, tell) as work, pq.ParquetFile(path) as file:
        for first, last in spans(facts.days):
            rows = between(file, first, last)
            sites = pa.array([site_of[tags[name].asset] for name in rows["tag"].to_pylist()], pa.string())
            for site in pc.unique(sites).to_pylist():
                mine = rows.filter(pc.equal(sites, site))
                fresh = fresh_of(state, site, mine, first, last)
                there += len(mine) - len(fresh)
                if len(fresh):
                    add_rows(cold, site, fresh, told, origin=origin)
                    added += len(fresh)
                _means(mine, hours, now_us)
            work.add(len(rows))
    write_hours(folder / NAME, hours)
    return Taken(added, there)


def _prove(path: Path, known: set[str], days: Mapping[str, int]) -> None:
    """What would stop in the middle is found before the first row is added, and so is a row that would be left out."""
    found: Counter[str] = Counter()
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group).cast(ROWS)
            if unknown := sorted(set(map(str, pc.unique(rows["tag"]).to_pylist())) - known):
                raise Unfit(f"import: {clean(unknown[0], 60)} is not configured any more; nothing was brought in")
            if not pc.all(pc.equal(pc.bit_wise_and(rows["reasons"], _BROUGHT), _BROUGHT)).as_py():
                raise Unfit("import: a row is not marked as imported; nothing was brought in")
            numbers = rows["receive_ms"].cast(pa.int64()).to_numpy() // DAY_MS
            for number, count in zip(*np.unique(numbers, return_counts=True), strict=True):
                found[day_of(int(number) * DAY_MS)] += int(count)
    if found != days:
        raise Unfit("import: its rows lie on other days than it says; nothing was brought in")


def spans(days: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """(first, last): days one after the other that together have about _AT_ONCE rows."""
    first, count, last = "", 0, ""
    for day in sorted(days):
        if first and count + days[day] > _AT_ONCE:
            yield first, last
            first, count = "", 0
        first, last, count = first or day, day, count + days[day]
    if first:
        yield first, last


def between(file: pq.ParquetFile, first: str, last: str) -> pa.Table:
    """The staged rows of these UTC days."""
    low, high = day_us(first) // 1000, day_us(last) // 1000 + 86_400_000
    column = ROWS.get_field_index("receive_ms")
    parts = []
    for group in range(file.num_row_groups):
        known = file.metadata.row_group(group).column(column).statistics
        if known is not None and known.has_min_max:
            least, most = (int(one.timestamp() * 1000) for one in (known.min, known.max))
            if most + 1 < low or least - 1 >= high:
                continue
        table = file.read_row_group(group).cast(ROWS)
        ms = table["receive_ms"].cast(pa.int64())
        parts.append(table.filter(pc.and_(pc.greater_equal(ms, low), pc.less(ms, high))))
    return pa.concat_tables(parts).combine_chunks() if parts else ROWS.empty_table()


def fresh_of(state: State, site: str, rows: pa.Table, first: str, last: str) -> pa.Table:
    """The rows that neither history has from elsewhere nor stand twice in the file."""
    names = set(pc.unique(rows["tag"]).to_pylist())
    reading = Reading(state, None)
    known: set[bytes] = set()
    span = (day_us(first), day_us(last) + 86_400_000_000)
    for piece in reading.pieces(lambda where, name, _facts: where == site and name in names, *span):
        brought = pc.not_equal(pc.bit_wise_and(piece.rows["reasons"], pa.scalar(int(Reason.IMPORTED), pa.uint32())), 0)
        known.update(_keys(piece.rows.filter(brought)))
    if reading.faults:
        raise UserError(f"import: {reading.faults[0]}; mend history first (handwheel history verify)")
    keep = []
    for key in _keys(rows):
        keep.append(key not in known)
        known.add(key)
    return rows.filter(pa.array(keep, pa.bool_()))


def _keys(rows: pa.Table) -> list[bytes]:
    cells = [pc.fill_null(pc.cast(_plain(rows[name]), pa.string()), "\1") for name in _KEY]
    return [str(key).encode() for key in pc.binary_join_element_wise(*cells, "\0").to_pylist()]


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_float64(column.type):  # its bits, so that no two numbers have one text
        bits = pa.array(np.ascontiguousarray(pc.fill_null(column, np.nan).to_numpy()).view(np.int64))
        return pa.chunked_array([bits])
    return column.cast(pa.int64()) if column.type == TIME else column


def _means(rows: pa.Table, hours: dict[str, dict[int, float]], now_us: int) -> None:
    """The hourly means of good numbers, as far back as the hot file keeps them."""
    oldest_ms = now_us // 1000 - KEEP_S[HOUR_S] * 1000
    ms = rows["receive_ms"].cast(pa.int64())
    good = pc.and_(pc.equal(rows["reasons"], pa.scalar(int(Reason.IMPORTED), pa.uint32())), pc.is_valid(rows["value"]))
    chosen = pc.and_(good, pc.greater_equal(ms, oldest_ms))
    hour = pc.multiply(pc.divide(ms, HOUR_S * 1000), HOUR_S)
    told = pa.table({"tag": rows["tag"], "hour": hour, "value": rows["value"]}).filter(chosen)
    for row in told.group_by(["tag", "hour"]).aggregate([("value", "mean")]).to_pylist():
        hours.setdefault(row["tag"], {})[row["hour"]] = row["value_mean"]
