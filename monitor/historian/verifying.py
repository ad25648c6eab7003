"""Whether history is as it was written. What is not leaves for quarantine, is never deleted and never read again.

A file whose SHA-256 is the one noted beside it is what was read back and compared when it was written. Where nothing
was noted, or where it is asked for, the file is read: its pages have checksums, its rows an order and a day.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa

from drivers.batch import quality_array
from monitor.historian.cold import Cold, Stored, digest_of, note, noted, set_aside, sites, stored
from monitor.historian.merging import WHOLE, pieces_of
from monitor.historian.parquet import FIELDS, day_of, opened, tag_facts
from monitor.progress import Tell, Work, silent

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a file, in words."""

    name: str
    why: str
    moved_to: str | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, what is damaged, and of how many files nothing was noted (their pages were read instead)."""

    files: int
    bytes: int
    faults: tuple[Fault, ...]
    mended: tuple[str, ...]  # notes that were damaged while their file is sound: written again
    unnoted: int

    @property
    def words(self) -> str:
        """One line."""
        text = f"{self.files} files, {self.bytes} bytes: "
        text += f"{len(self.faults)} damaged" if self.faults else "all as they were written"
        if self.unnoted:
            text += f"; of {self.unnoted} no SHA-256 was noted, their pages and rows were checked"
        if self.mended:
            text += f"; {len(self.mended)} damaged notes written again"
        return text


def verify(
    cold: Cold, *, deep: bool = False, move: bool = False, tell: Tell = silent, only: Sequence[Stored] | None = None
) -> Verified:
    """Check every file of history; with `deep` each is read, with `move` what is damaged goes to quarantine.

    Raises Unreachable where the place does not answer. A file that a fold takes away meanwhile is no fault.
    """
    files = list(only) if only is not None else [one for site in sites(cold) for one in stored(cold, site)]
    faults: list[Fault] = []
    mended: list[str] = []
    unnoted = 0
    with Work("history, files", len(files), tell) as work:
        for one in work.over(files):
            try:
                known = noted(cold, one.name)
                unnoted += not known
                why = None
                if known:
                    found = digest_of(cold, one.name)
                    if found not in known and found not in noted(cold, one.name):  # a fold may have replaced both
                        why = "its SHA-256 is not the one noted when it was written"
                    elif len(known) != 2 or not all(map(_DIGEST.fullmatch, known)):
                        mended.append(one.name)
                        if move:
                            note(cold, one.name, [found, found])
                if why is None and (deep or not known):
                    why = _fault_in(cold, one)
            except FileNotFoundError:
                continue
            if why is not None:
                faults.append(Fault(one.name, why, set_aside(cold, one.name) if move else None))
    return Verified(len(files), sum(one.size for one in files), tuple(faults), tuple(mended), unnoted)


def _fault_in(cold: Cold, one: Stored) -> str | None:
    """What is wrong with a file by itself; None if nothing is."""
    try:
        with opened(cold, one.name) as file:
            form = file.schema_arrow
            if [(f.name, f.nullable) for f in form] != [(f.name, f.nullable) for f in FIELDS]:
                return "its columns are not those of history"
            told = form.metadata or {}
            if told.get(b"handwheel.site") != one.site.encode() or told.get(b"handwheel.date") != one.day.encode():
                return "its metadata name another site or day"
            facts = tag_facts(form)
            if PurePosixPath(one.name).name == WHOLE:
                pieces_of(form)
            before: tuple[str, int] | None = None
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, use_threads=False)
                if why := _fault_of_rows(table, before, set(facts), one.day):
                    return why
                if table.num_rows:
                    before = table["tag"][-1].as_py(), table["receive_ms"].cast(pa.int64())[-1].as_py()
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, json.JSONDecodeError) as fault:
        return str(fault).splitlines()[0][:200] if str(fault) else type(fault).__name__
    return None


def _fault_of_rows(table: pa.Table, before: tuple[str, int] | None, known: set[str], day: str) -> str | None:
    if not table.num_rows:
        return None
    words = table["tag"].combine_chunks()
    names = words.dictionary.to_pylist()
    if not set(names) <= known:
        return f"it holds tag {sorted(set(names) - known)[0]}, of which its metadata say nothing"
    ranks = np.argsort(np.argsort(np.array(names, object)))
    tag, receive_ms = ranks[words.indices.to_numpy()], table["receive_ms"].cast(pa.int64()).to_numpy()
    step = np.diff(tag)
    if ((step < 0) | ((step == 0) & (np.diff(receive_ms) < 0))).any():
        return "its rows are not in order"
    if before is not None and before > (table["tag"][0].as_py(), int(receive_ms[0])):
        return "its row groups are not in order"
    if not day_of(int(receive_ms.min())) == day_of(int(receive_ms.max())) == day:
        return "it holds rows of another day"
    if not np.array_equal(quality_array(table["reasons"].to_numpy()), table["quality"].to_numpy()):
        return "a quality is not that of its reasons"
    return None
