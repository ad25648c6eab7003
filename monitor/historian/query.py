"""History asked: the samples of some tags over a time, whether they are still hot or long folded into Parquet."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from drivers.batch import NO_TIME
from monitor.historian.arrays import columns
from monitor.historian.cold import Cold, cold_of, sites, stored
from monitor.historian.frame import FrameError
from monitor.historian.merging import pieces_in
from monitor.historian.parquet import FIELDS, TIME, WORKERS, TagFacts, day_of, opened, tag_facts
from monitor.historian.reader import HotReader, TagRow, folded_upto
from monitor.state import State

COLUMNS: Mapping[str, str] = {
    "tag": "str", "receive_us": "int64", "source_us": "int64", "value": "float64", "quality": "uint8",
    "reasons": "uint32",
}  # fmt: skip
_READ = ["tag", "source_ms", "receive_ms", "value", "quality", "reasons"]
_FORM = pa.schema([field for name in _READ for field in FIELDS if field.name == name])

Choose = Callable[[Mapping[str, TagFacts]], set[str]]


def read(state: State, tags: Sequence[str], start_us: int, end_us: int, *, site: str | None = None) -> pd.DataFrame:
    """The samples of these tags with start_us <= receive < end_us (UTC [us]), whether still hot or long folded.

    Columns: tag (str), receive_us and source_us (i64, UTC [us], kept to the ms; source -1 where the device gave none or
    the receive time), value (f64, NaN where nothing was decoded or it is a text), quality (u8), reasons (u32); sorted
    by tag and time. `attrs["damaged"]` names files and frames that were refused. `site` narrows the search.
    """
    wanted = set(tags)
    return search(state, lambda facts: wanted & facts.keys(), start_us, end_us, site=site)


def search(state: State, choose: Choose, start_us: int, end_us: int, *, site: str | None = None) -> pd.DataFrame:
    """As `read`, for the tags that `choose` picks from what each file says of its tags."""
    start_us, end_us, cold = int(start_us), int(end_us), cold_of(state)
    while True:
        hot = HotReader(state.hot)
        hot_id = hot.meta().get("id", "")
        upto = folded_upto(state.history, hot_id)
        damaged: list[str] = []
        files = list(files_of(cold, site, start_us, end_us, (hot_id, upto)))
        parts = [
            _read_cold(cold, files, choose, start_us, end_us, damaged),
            _read_hot(hot, choose, upto, start_us, end_us),
        ]
        # a fold in between has moved frames, or made one file of several: look again
        same = folded_upto(state.history, hot_id) == upto
        if same and list(files_of(cold, site, start_us, end_us, (hot_id, upto))) == files:
            break
    parts = [part for part in parts if len(part)] or parts[:1]
    found = pd.concat(parts, ignore_index=True).sort_values(["tag", "receive_us"], kind="stable", ignore_index=True)
    found.attrs["damaged"] = damaged + [f"hot frame {n}" for n in sorted(hot.damaged)]
    return found


def files_of(cold: Cold, site: str | None, start_us: int, end_us: int, folded: tuple[str, int]) -> Iterator[str]:
    """The files that count, of the days from start to end: no piece that part-0 holds or that a fold has not ended."""
    if end_us <= start_us:
        return
    first, last = day_of(start_us // 1000), day_of((end_us - 1) // 1000)
    hot_id, upto = folded
    for one_site in [site] if site else sites(cold):
        by_day: dict[str, list[str]] = {}
        for one in stored(cold, one_site, first, last):
            by_day.setdefault(one.day, []).append(one.name)
        for names in by_day.values():
            held: set[str] = set()
            wholes = [name for name in names if name.endswith("/part-0.parquet")]
            if len(names) > 1 and wholes:
                held = set(pieces_in(cold, wholes[0]))
            for name in names:
                base = name.rpartition("/")[2]
                _, _, begin = base.removesuffix(".parquet").rpartition(f"-{hot_id}-") if hot_id else ("", "", "")
                if base not in held and not (begin.isdecimal() and int(begin) > upto):
                    yield name


def _read_cold(
    cold: Cold, files: Sequence[str], choose: Choose, start_us: int, end_us: int, damaged: list[str]
) -> pd.DataFrame:
    low, high = (pa.scalar(-(-edge // 1000), pa.int64()).cast(TIME) for edge in (start_us, end_us))

    def one_file(name: str) -> pa.Table | None:
        try:
            with opened(cold, name) as file:
                names = choose(tag_facts(file.schema_arrow))
                if not names:
                    return None
                table = file.read(columns=_READ, use_threads=False)
        except FileNotFoundError:
            return None  # a piece that became part of its day just now
        except (OSError, pa.ArrowException, ValueError):
            damaged.append(cold.shown(name))
            return None
        in_time = pc.and_(pc.greater_equal(table["receive_ms"], low), pc.less(table["receive_ms"], high))
        mine = pc.is_in(table["tag"], pa.array(sorted(names), pa.string()))
        return table.select(_READ).filter(pc.and_(mine, in_time)).replace_schema_metadata(None)

    with ThreadPoolExecutor(WORKERS) as pool:
        found = [table for table in pool.map(one_file, files) if table is not None]
    table = pa.concat_tables(found) if found else _FORM.empty_table()
    source = pc.fill_null(table["source_ms"].cast(pa.int64()), NO_TIME).to_numpy()
    return pd.DataFrame(
        {
            "tag": table["tag"].to_pandas().astype("str"),
            "receive_us": table["receive_ms"].cast(pa.int64()).to_numpy() * 1000,
            "source_us": np.where(source == NO_TIME, NO_TIME, source * 1000),
            "value": pc.fill_null(table["value"], np.nan).to_numpy(),
            "quality": table["quality"].to_numpy(),
            "reasons": table["reasons"].to_numpy(),
        }
    )


def _read_hot(hot: HotReader, choose: Choose, after_n: int, start_us: int, end_us: int) -> pd.DataFrame:
    names = {number: row.name for number, row in hot.tags(retired=True).items() if choose({row.name: facts_of(row)})}
    chosen = np.array(sorted(names), np.int64)
    # the edges as history knows them, to the ms: an answer must not change when its samples are folded
    low, high = (-(-edge // 1000) * 1000 for edge in (start_us, end_us))
    parts: list[dict[str, np.ndarray]] = []
    for n, _t_ms, crc, blob in hot.frames(after_n, 2**62) if names else ():
        try:
            one = columns(blob, crc)
        except FrameError:
            hot.damaged.add(n)
            continue
        receive = one.receive_us // 1000 * 1000
        mine = np.isin(one.tag, chosen) & (receive >= low) & (receive < high)
        if mine.any():
            source = one.source_us[mine] // 1000 * 1000
            none = (one.source_us[mine] == NO_TIME) | (source == receive[mine])
            parts.append(
                {
                    "tag": one.tag[mine], "receive_us": receive[mine], "source_us": np.where(none, NO_TIME, source),
                    "value": one.value[mine], "quality": one.quality[mine], "reasons": one.reasons[mine],
                }
            )  # fmt: skip
    if not parts:
        return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in COLUMNS.items()})
    joined = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
    words = np.array([names[one] for one in chosen.tolist()], object)
    joined["tag"] = words[np.searchsorted(chosen, joined["tag"])]
    return pd.DataFrame(joined).astype({"tag": "str"})


def facts_of(row: TagRow) -> TagFacts:
    """What Parquet says of a tag, from the hot file's table."""
    return {"asset": row.asset, "quantity": row.quantity, "unit": row.unit, "description": row.description}
