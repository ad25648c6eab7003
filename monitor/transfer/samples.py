"""The samples of some tags over any span as a stream of tables, each of a site, a UTC day and some of its tags.

What is still in the hot file is first written to Parquet pieces in a private folder, so that there is one way of
reading. Never more than some tags of one day are held in memory, whatever the span. A file that cannot be read is
named, the rest is delivered.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from monitor.historian.cold import Cold, cold_of, days, in_folder, sites
from monitor.historian.folding import write_newest
from monitor.historian.parquet import (
    DAY_MS,
    FIELDS,
    TIME,
    TagFacts,
    by_tag_and_time,
    day_folder,
    day_of,
    opened,
    tag_facts,
)
from monitor.historian.query import files_of
from monitor.historian.reader import HotReader, folded_upto
from monitor.progress import Tell, Work, silent
from monitor.state import State
from monitor.words import _

_EPOCH = date(1970, 1, 1).toordinal()
_DAY_US = DAY_MS * 1000
AT_ONCE = 300_000  # rows of one table, more only where one tag has more in a day
FORM = pa.schema(FIELDS)
Choose = Callable[[str, str, TagFacts], bool]  # site, tag name, what the file says of it


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples of one site and UTC day, sorted by tag and time; of each of these tags all that the day has."""

    site: str
    day: str
    rows: pa.Table  # columns of monitor.historian.parquet.FIELDS, and unit


@dataclass(frozen=True, slots=True)
class Opened:
    """A file of a day: what of it is asked for, and how many tags it has in all."""

    file: pq.ParquetFile
    shown: str
    chosen: Mapping[str, TagFacts]
    tags: int


class Reading:
    """One pass over history; `faults` grows while it is read."""

    def __init__(self, state: State, spill: Path | None) -> None:
        """`spill` is a folder of our own, for what is still hot; None: what is hot is not asked for."""
        self.faults: list[str] = []
        self._state, self._cold = state, cold_of(state)
        self._spill = None if spill is None else in_place(spill)
        self._folded: tuple[str, int] | None = None  # which hot file, folded up to where, lies in the spill

    def pieces(self, choose: Choose, start_us: int, end_us: int, tell: Tell = silent) -> Iterator[Piece]:
        """The samples with start_us <= receive < end_us, by site, day and tag; `tell` hears how many days are done."""
        first, last = day_of(start_us // 1000), day_of(max(end_us - 1, start_us) // 1000)
        found = [(site, day) for site, day in self._days() if first <= day <= last]
        with Work(_("history, by day"), len(found), tell) as work:
            for site, day in work.over(found):
                with contextlib.ExitStack() as kept:
                    files = self._open(site, day, choose, kept)
                    for piece in self._day(site, day, files, start_us, end_us):
                        yield piece
                        work.add(0)

    def first_us(self) -> int | None:
        """When history begins: the first moment of its first day (UTC [us]); None where there is none."""
        found = self._days()
        return min(day_us(day) for _, day in found) if found else None

    def _days(self) -> list[tuple[str, str]]:
        self._take_hot()
        places = [self._cold] if self._spill is None else [self._cold, self._spill]
        return sorted({(site, day) for cold in places for site in sites(cold) for day in days(cold, site)})

    def _take_hot(self) -> tuple[str, int]:
        """Write to the spill what lies in no verified Parquet yet; once more where a fold has ended since."""
        hot_id = HotReader(self._state.hot).meta().get("id", "")
        folded = (hot_id, folded_upto(self._state.history, hot_id))
        if self._folded != folded:
            if self._spill is not None:
                for path in self._spill.scratch.rglob("*.parquet"):
                    path.unlink()
                damaged = write_newest(self._state, folded[1], self._spill)
                self.faults += [f"hot frame {n}: its checksum does not agree" for n in damaged]
            self._folded = folded
        return folded

    def _open(self, site: str, day: str, choose: Choose, kept: contextlib.ExitStack) -> list[Opened]:
        """The files of a day, opened: what is opened stays readable when a fold puts another in its place."""
        while True:
            folded = self._take_hot()
            at_us = day_us(day)
            found = []
            names = [(self._cold, one.name) for one in files_of(self._cold, site, at_us, at_us + 1, folded)]
            if self._spill is not None:
                names += [(self._spill, one.name) for one in in_folder(self._spill, day_folder(site, day))]
            for cold, name in names:
                try:
                    file = kept.enter_context(opened(cold, name))
                    facts = tag_facts(file.schema_arrow)
                except FileNotFoundError:
                    break  # it became part of its day just now
                except (OSError, pa.ArrowException, ValueError) as fault:
                    self._fault(cold.shown(name), fault)
                    continue
                chosen = {tag: one for tag, one in facts.items() if choose(site, tag, one)}
                if chosen:
                    found.append(Opened(file, cold.shown(name), chosen, len(facts)))
            else:
                if folded_upto(self._state.history, folded[0]) == folded[1]:
                    return found

    def _day(self, site: str, day: str, files: Sequence[Opened], start_us: int, end_us: int) -> Iterator[Piece]:
        tags = sorted({name for one in files for name in one.chosen})
        low, high = (pa.scalar(-(-edge // 1000), pa.int64()).cast(TIME) for edge in (start_us, end_us))
        whole = start_us <= day_us(day) and day_us(day) + _DAY_US <= end_us
        for names in _groups(files, tags):
            wanted = pa.array(names, pa.string())
            parts = []
            for one in files:
                for group in _groups_of_rows(one.file, names[0], names[-1]):
                    try:
                        table = one.file.read_row_group(group, columns=FORM.names, use_threads=False).cast(FORM)
                    except (OSError, pa.ArrowException, ValueError) as fault:
                        self._fault(one.shown, fault)
                        continue
                    mine = pc.is_in(table["tag"], wanted)
                    if not whole:
                        time = table["receive_ms"]
                        mine = pc.and_(mine, pc.and_(pc.greater_equal(time, low), pc.less(time, high)))
                    table = table.replace_schema_metadata(None).filter(mine)
                    parts.append(table.append_column("unit", _units(table["tag"], one.chosen)))
            if any(len(part) for part in parts):
                yield Piece(site, day, by_tag_and_time(pa.concat_tables(parts).combine_chunks()))

    def _fault(self, shown: str, fault: Exception) -> None:
        words = f"{shown}: cannot be read ({str(fault).splitlines()[0][:120]})"
        if words not in self.faults:
            self.faults.append(words)


def in_place(folder: Path) -> Cold:
    """A folder of this machine as a place of history."""
    return Cold(fs.LocalFileSystem(), str(folder), folder, str(folder), True)


def _units(tags: pa.ChunkedArray, facts: Mapping[str, TagFacts]) -> pa.Array:
    """The unit of each row, as its own file says it: another one may be in force since."""
    coded = tags.combine_chunks().dictionary_encode()
    units = pa.array([facts[name].get("unit", "") for name in coded.dictionary.to_pylist()], pa.string())
    return units.take(coded.indices)


def day_us(day: str) -> int:
    return _DAY_US * (date.fromisoformat(day).toordinal() - _EPOCH)


def _groups(files: Sequence[Opened], names: Sequence[str]) -> Iterator[list[str]]:
    """The tags in order, in groups that are expected to have AT_ONCE rows."""
    rows = sum(one.file.metadata.num_rows / max(one.tags, 1) for one in files)
    step = max(int(AT_ONCE / max(rows, 1)), 1)
    for at in range(0, len(names), step):
        yield list(names[at : at + step])


def _groups_of_rows(file: pq.ParquetFile, first: str, last: str) -> Iterator[int]:
    """The row groups that may have a tag from `first` to `last`."""
    column = file.schema_arrow.get_field_index("tag")
    for group in range(file.num_row_groups):
        known = file.metadata.row_group(group).column(column).statistics
        if known is None or not known.has_min_max or (known.min <= last and known.max >= first):
            yield group
