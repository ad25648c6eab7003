"""Codes with their words, wherever a value is shown: hot file, last known values, asset page, `check --live`."""

from dataclasses import replace

import pytest

from drivers.batch import batch_of
from drivers.record import Register, Sample
from monitor.historian.hot import HotFile
from monitor.historian.reader import HotReader
from monitor.labels import code_text
from monitor.screen import asset as page
from monitor.screen.reading import point
from monitor.screen.room import Life, Point, RoomState
from monitor.state import State
from tests.monitor.plants import plant, tag

MODE = replace(tag(0, "pump1", "other", "1", labels=((0, "auto"), (4, "min"))), name="pump1.mode")
WORD = replace(
    tag(1, "pump1", "alarm_code", "1", labels=((0, "brake check"), (13, "earth fault"))),
    where=Register(1, "holding", 2, "bits32", words=2),
)


@pytest.mark.parametrize(
    ("value", "bits", "text"),
    [
        (4.0, False, "4 (min)"),
        (7.0, False, "7 (not in the table)"),
        (4.5, False, "4.5 (not in the table)"),
        (0x2001, True, "0x2001 (min, bit 13)"),
        (0, True, "0 (no bit set)"),
    ],
)
def test_a_code_is_told_with_its_words_and_an_unknown_one_is_told_too(value, bits, text):
    assert code_text(value, {0: "min", 4: "min"} if bits else {4: "min"}, bits=bits) == text


def test_labels_of_strangers_are_cleaned():
    assert code_text(1, {1: "up\x1b[31m\u202edown"}) == "1 (up·[31m·down)"


def test_the_hot_file_tells_labels_to_the_asset_page(tmp_path):
    state = State(tmp_path).make()
    hot = HotFile(state.hot)
    hot.publish_tags(plant((MODE, WORD)))
    hot.append([batch_of("s", 1, [Sample(0, 1, 4.0), Sample(1, 1, float(0x2001))])], 1)
    reader = HotReader(state.hot)
    mode, word = (point(row, reader.latest()[row.number]) for row in reader.tags().values())
    assert (mode.labels, mode.bits, word.bits) == (MODE.labels, False, True)
    assert "4 (min)" in str(page.live_line(RoomState(0), mode, "word", 20, (10, 5, 10, 5, 10), False))
    assert "0x2001 (brake check, earth" in str(
        page.live_line(RoomState(0), word, "word", 20, (10, 5, 10, 5, 10), False)
    )
    hot.close()


def test_a_value_that_its_source_dates_back_shows_so_beside_it():
    old = Point(0, "pump1.flow", "flow", "m3/h", value=40.0, quality=0, receive_us=4_000_000_000, source_us=300_000_000)
    points = {"pump1": (old, replace(old, source_us=3_990_000_000))}
    room = RoomState(4_004_000_000, Life("running"), points=points)
    wide, narrow = (11, 6, 14, 6, 16), (10, 5, 10, 5, 10)
    assert str(page.live_line(room, old, "word", 20, wide, False)).endswith("good, 61m old")
    assert str(page.live_line(room, old, "word", 20, narrow, False)).endswith(" 61m old")
    assert str(page.live_line(room, room.points["pump1"][1], "word", 20, wide, False)).endswith(" good")
    assert page.live_title(room, "pump1") == "LIVE, oldest 4s, by its source 61m"
