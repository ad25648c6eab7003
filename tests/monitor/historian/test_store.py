"""The historian of the house in each state that its memory can be in, by the conformance suite."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import UserError
from monitor.historian.history import fold
from monitor.historian.hot import HotFile
from monitor.historian.store import Historian, Store
from monitor.plant import History
from monitor.state import State
from tests.monitor.historian import conformance
from tests.monitor.historian.conformance import CASES, Bench, check_latest, check_read, check_rollup, ticks
from tests.monitor.plants import plant

KINDS = ("hot", "rolled", "folded", "half", "elsewhere")


def bench(folder: Path, kind: str) -> Bench:
    """A historian whose memory becomes: all hot, rolled up, all folded and purged, half of it, folded to elsewhere."""
    state = State(folder / "state")
    if kind == "elsewhere":
        (folder / "cold").mkdir()
        state = state.with_history(History(url=f"file://{folder / 'cold'}"))
    state.make()
    hot = HotFile(state.hot)
    hot.publish_tags(plant())
    historian: Historian = Store(state, plant(), hot)

    def age() -> None:
        if kind == "hot":
            return
        end = historian.health()
        if kind in ("folded", "half", "elsewhere") and end.newest_ms is not None:
            upto = end.newest_ms + 1 if kind != "half" else (end.oldest_ms + end.newest_ms) // 2
            fold(state, upto_ms=upto)
            hot.roll(end.newest_ms)
            hot.purge(upto)
        elif end.newest_ms is not None:
            hot.roll(end.newest_ms)

    return Bench(historian, [one.name for one in plant().tags][:4], age)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_store_does_what_every_historian_must(case, kind, tmp_path):
    case(bench(tmp_path, kind))


spans = st.tuples(st.integers(-10, 7_400), st.integers(-10, 7_400))


@settings(max_examples=8, deadline=None)
@pytest.mark.parametrize("kind", KINDS)
@given(given=ticks, span=spans)
def test_what_was_appended_is_what_is_read(tmp_path_factory, kind, given, span):
    check_read(bench(tmp_path_factory.mktemp("h"), kind), given, *span)


@settings(max_examples=8, deadline=None)
@pytest.mark.parametrize("kind", KINDS)
@given(given=ticks)
def test_latest_is_the_newest(tmp_path_factory, kind, given):
    check_latest(bench(tmp_path_factory.mktemp("h"), kind), given)


@settings(max_examples=8, deadline=None)
@pytest.mark.parametrize("kind", KINDS)
@given(given=ticks, span_s=st.sampled_from([60, 3_600]), span=spans)
def test_rollups_are_what_plain_reckoning_gives(tmp_path_factory, kind, given, span_s, span):
    check_rollup(bench(tmp_path_factory.mktemp("h"), kind), given, span_s, *span)


def test_who_does_not_hold_the_file_only_reads(tmp_path):
    state = State(tmp_path).make()
    with pytest.raises(UserError, match="by the daemon alone"):
        Store(state, plant()).append([], 1)
    assert conformance.CASES
