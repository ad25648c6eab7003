"""What a read opens: only the days asked for, and of a file only the row groups and columns that can matter."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from drivers.record import Reason
from monitor.historian import cold as place
from monitor.historian.history import add_rows, cold_of, read
from monitor.historian.parquet import as_table, row_groups, schema, write_verified
from monitor.state import State
from tests.monitor.historian.test_added import rows

MIDNIGHT_MS = 1_795_392_000_000  # 2026-11-23T00:00:00Z
DAY_MS = 86_400_000
NAMES = [f"pump1.t{n}" for n in range(6)]
FACTS = {name: {"asset": "pump1", "quantity": "flow", "unit": "m3/h"} for name in NAMES}
ROWS = 50


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A day with a row group for each of six tags."""
    state = State(tmp_path / "state").make()
    form = schema("G", "2026-11-23", FACTS)
    columns = {
        "tag": np.repeat(NAMES, ROWS),
        "receive_ms": np.tile(MIDNIGHT_MS + 1000 * np.arange(ROWS), len(NAMES)),
        "value": np.arange(ROWS * len(NAMES), dtype=float),
        "quality": np.zeros(ROWS * len(NAMES)),
        "reasons": np.zeros(ROWS * len(NAMES)),
    }
    table = as_table(FACTS, columns, form)
    write_verified(cold_of(state), "site=G/date=2026-11-23/part-0.parquet", form, row_groups(table, ROWS))
    return state


def values(state: State, tags: list[str], low_s: int = 0, high_s: int = ROWS) -> list[float]:
    found = read(state, tags, (MIDNIGHT_MS + low_s * 1000) * 1000, (MIDNIGHT_MS + high_s * 1000) * 1000)
    assert found.attrs["damaged"] == []
    return found["value"].tolist()


def test_row_groups_of_other_tags_are_not_read_whatever_they_hold(state):
    path = state.history / "site=G/date=2026-11-23/part-0.parquet"
    about = pq.read_metadata(path)
    assert about.num_row_groups == len(NAMES)
    blob = bytearray(path.read_bytes())
    for group in (0, 1, 3, 4, 5):
        column = about.row_group(group).column(about.schema.names.index("value"))
        start = column.dictionary_page_offset or column.data_page_offset
        blob[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(blob)
    assert values(state, [NAMES[2]]) == [float(n) for n in range(2 * ROWS, 3 * ROWS)]
    found = read(state, [NAMES[3]], 0, 2**62)
    assert len(found) == 0
    assert found.attrs["damaged"] == [str(path)]
    assert read(state, [NAMES[3]], (MIDNIGHT_MS + ROWS * 1000) * 1000, 2**62).attrs["damaged"] == [], "not its time"


def test_several_tags_and_edges_in_between_are_exact(state):
    assert values(state, [NAMES[5], NAMES[0]], 10, 12) == [10.0, 11.0, 5 * ROWS + 10.0, 5 * ROWS + 11.0]
    assert values(state, ["pump1.t", "zzz", "a"]) == []
    low_us = MIDNIGHT_MS * 1000 + 1  # between two ms: what history cut to the first of them is before the edge
    assert read(state, [NAMES[0]], low_us, low_us + 2_000_000)["value"].tolist() == [1.0, 2.0]


def test_folders_of_other_days_are_never_looked_into(state, monkeypatch):
    for day in ("2026-11-21", "2026-11-24", "2027-01-01"):
        (state.history / f"site=G/date={day}").mkdir()
        (state.history / f"site=G/date={day}/part-0.parquet").write_bytes(b"no Parquet at all")
    looked, really = [], place.in_folder
    monkeypatch.setattr(place, "in_folder", lambda cold, folder: looked.append(folder) or really(cold, folder))
    assert len(values(state, NAMES)) == ROWS * len(NAMES)
    assert set(looked) == {"site=G/date=2026-11-23"}
    looked.clear()
    far_us = (MIDNIGHT_MS - 100 * DAY_MS) * 1000  # so long a span lists the site's folder instead
    assert len(read(state, NAMES, far_us, (MIDNIGHT_MS + DAY_MS) * 1000)) == ROWS * len(NAMES)
    assert set(looked) == {"site=G/date=2026-11-21", "site=G/date=2026-11-23"}


def test_a_file_that_nobody_of_us_wrote_is_read_whole_whatever_its_order(state):
    path = state.history / "site=G/date=2026-11-23/part-0.parquet"
    table = pq.read_table(path, partitioning=None)
    backwards = table.take(list(range(len(table)))[::-1])
    pq.write_table(backwards.replace_schema_metadata(None), path.with_name("part-theirs.parquet"), row_group_size=ROWS)
    assert values(state, [NAMES[1]]) == [float(n) for n in range(ROWS, 2 * ROWS)], "without facts nobody chooses it"
    told = {key: value for key, value in table.schema.metadata.items() if key == b"handwheel.tags"}
    pq.write_table(backwards.replace_schema_metadata(told), path.with_name("part-theirs.parquet"), row_group_size=7)
    assert values(state, [NAMES[1]]) == [float(n) for n in range(ROWS, 2 * ROWS) for _ in range(2)]


def test_what_differs_in_one_row_of_many_is_read_of_all(state):
    given = rows([MIDNIGHT_MS + 500, MIDNIGHT_MS + 501], [1.0, float("nan")], Reason.MANUAL)
    given |= {"detail": np.array([None, "seen by hand"]), "source_ms": np.array([None, MIDNIGHT_MS])}
    given["reasons"] = np.array([int(Reason.MANUAL), int(Reason.MANUAL | Reason.SENSOR)])
    facts = {"pump1.flow": {"asset": "pump1", "quantity": "flow", "unit": "m3/h"}}
    add_rows(cold_of(state), "G", given, facts, origin={})
    found = read(state, ["pump1.flow"], 0, 2**62)
    assert found["detail"].tolist() == [None, "seen by hand"]
    assert found["source_us"].tolist() == [-1, MIDNIGHT_MS * 1000]
    assert found["quality"].tolist() == [1, 2]
    assert np.isnan(found["value"]).tolist() == [False, True]
