"""Readings entered by hand: three times, beside what was measured, never in its place; refused where they cannot be."""

import asyncio
import sqlite3
from argparse import ArgumentParser
from dataclasses import replace

import pytest

from drivers.batch import batch_of
from drivers.errors import UserError
from drivers.record import Quality, Reason, Sample
from monitor import command_socket, readings
from monitor.historian.hot import HotFile
from monitor.historian.reader import HotReader
from monitor.historian.store import Store
from monitor.ledger import Ledger, entries
from monitor.readings import made_of
from monitor.state import State
from monitor.words import parse_utc
from tests.drivers.servers import modbus_server
from tests.monitor.plant_bench import Bench, configure, device
from tests.monitor.plants import plant

NOW_US = parse_utc("2026-11-23T12:00:00Z")
SETTINGS = replace(plant(), tags=(replace(plant().tags[0], low=0.0, high=200.0), *plant().tags[1:]))
FLOW = "pump1.flow"


def row(**more):
    return {"tag": FLOW, "value": "98.7", "occurred_at": "2026-11-23T07:05+01:00"} | more


def refused(*rows):
    with pytest.raises(UserError) as caught:
        made_of(list(rows), "operator", "screen", NOW_US, SETTINGS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_reading_has_its_three_times_its_role_and_no_name():
    ((draft, sample),) = made_of([row(recorded_at="2026-11-23T08:00+01:00")], "operator", "screen", NOW_US, SETTINGS)
    assert draft.data == {
        "tag": FLOW, "value": "98.7 m3/h", "occurred_at": "2026-11-23T06:05:00.000Z",
        "recorded_at": "2026-11-23T07:00:00.000Z", "outside_limits": False,
    }  # fmt: skip
    assert (draft.kind, draft.role, draft.at_us, draft.site, draft.asset) == (
        "reading",
        "operator",
        NOW_US,
        "G",
        "pump1",
    )
    assert sample.receive_us == parse_utc("2026-11-23T06:05:00Z")
    assert sample.reasons == Reason.MANUAL
    assert sample.quality == Quality.UNCERTAIN
    assert "recorded 2026-11-23T07:00:00.000Z, entered 2026-11-23T12:00:00.000Z" in sample.detail


def test_local_time_is_the_plants_and_the_doubled_hour_is_refused_with_how_to_write_it():
    ((_draft, sample),) = made_of([row(occurred_at="2026-11-23T07:05")], "operator", "screen", NOW_US, SETTINGS)
    assert sample.receive_us == parse_utc("2026-11-23T06:05:00Z")
    words = refused(row(occurred_at="2026-10-25T02:30"))
    assert "2026-10-25T02:30+02:00 for the first time or 2026-10-25T02:30+01:00 for the second" in words
    assert "does not exist" in refused(row(occurred_at="2026-03-29T02:30"))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"tag": "pump1.flo"}, "line 1: tag: 'pump1.flo' is not configured"),
        ({"tag": 5}, "line 1: tag"),
        ({"occurred_at": ""}, "occurred_at: is missing"),
        ({"occurred_at": "yesterday"}, "occurred_at: yesterday is no time; write it like 2026-11-30T07:05"),
        ({"recorded_at": "2026-11-23T07:00+01:00"}, "look at the times"),
        ({"value": "98,7"}, "write a point for the decimals"),
        ({"value": "nan"}, "not a number; where nothing could be read, leave the line out"),
        ({"value": ""}, "not a number; where nothing could be read, leave the line out"),
        ({"value": "1e9"}, "not a number; write it out: 1000000000"),
        ({"value": "1.234.5"}, "no mark for thousands"),
        ({"occurred_at": "30.11.2026 07:05"}, "30.11.2026 07:05 is no time here; write 2026-11-30T07:05"),
        ({"occurred_at": "1.9.2026"}, "1.9.2026 is no time here; write 2026-09-01T07:05, with the time of day"),
        ({"occurred_at": "31.02.2026 07:05"}, "is no time; write it like 2026-11-30T07:05"),
        ({"occurred_at": "11/30/2026 07:05"}, "is no time; write it like 2026-11-30T07:05"),
        ({"occurred_at": "2026-11-23T14:00+01:00"}, "lies in the future"),
        ({"tag": "pump1.running", "value": "7"}, "7 is no state of pump1.running; it has 0, 1"),
        ({"tag": "pump1.running", "value": "0.5", "force": True}, "0.5 is no state of pump1.running"),
        ({"occurred_at": "2025-11-20T07:05"}, "more than a year before the plant's first sample"),
        ({"value": "98.7 l/s"}, "is in l/s, the tag is in m3/h"),
        ({"value": "201"}, "outside 0 to 200 m3/h; read again, or keep it as bad with --force"),
        ({"value": "201", "force": "yes"}, "outside 0 to 200 m3/h"),
        ({"tag": "\x1b[31mx" * 400}, "line 1: tag"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(more, words):
    assert words in refused(row(**more))


def test_what_is_no_page_is_refused_and_a_page_is_taken_as_a_whole_or_not_at_all():
    assert "1 to 200 readings" in refused()
    assert "1 to 200 readings" in refused(*[row()] * 201)
    with pytest.raises(UserError, match="1 to 200"):
        made_of("rows", "operator", "screen", NOW_US, SETTINGS)
    assert "line 2: value" in refused(row(), row(value="x"))
    assert "line 1: tag" in refused("row")


def test_a_value_outside_the_limits_is_kept_as_bad_where_somebody_insists():
    ((draft, sample),) = made_of([row(value="201", force=True)], "operator", "screen", NOW_US, SETTINGS)
    assert draft.data["outside_limits"] is True
    assert (sample.value, sample.quality) == (201.0, Quality.BAD)


def test_a_state_takes_the_codes_of_its_labels_alone():
    labelled = replace(plant().tags[2], labels=((0, "stop"), (1, "run"), (3, "fault")))
    settings = replace(SETTINGS, tags=(labelled,))
    ((_draft, sample),) = made_of([row(tag=labelled.name, value="3")], "operator", "screen", NOW_US, settings)
    assert sample.value == 3
    with pytest.raises(UserError, match=r"2 is no state of pump1.running; it has 0 \(stop\), 1 \(run\), 3 \(fault\)"):
        made_of([row(tag=labelled.name, value="2")], "operator", "screen", NOW_US, settings)


def test_a_reading_from_long_before_the_plant_needs_force_and_imported_years_make_the_plant_older():
    old = row(occurred_at="2024-06-01T07:05")
    began_us = parse_utc("2025-01-01T00:00:00Z")
    assert made_of([old], "operator", "screen", NOW_US, SETTINGS, began_us)
    ((_draft, sample),) = made_of([old | {"force": True}], "operator", "screen", NOW_US, SETTINGS)
    assert sample.quality == Quality.UNCERTAIN


@pytest.fixture
def state(tmp_path):
    state = State(tmp_path / "state").make()
    hot = HotFile(state.hot)
    hot.publish_tags(SETTINGS)
    measured_us = parse_utc("2026-11-23T06:05:20Z")
    hot.append([batch_of("s", measured_us, [Sample(0, 0, 50.0)])], measured_us // 1000)
    hot.close()
    return state


def handwheel_reading(state, *words):
    parser = ArgumentParser()
    readings.add_arguments(parser)
    return readings.command(parser.parse_args(["add", *words]), SETTINGS, state)


def test_while_no_daemon_runs_a_reading_is_entered_under_the_lock_and_stands_beside_what_was_measured(state, capsys):
    assert handwheel_reading(state, FLOW, "98.7", "--at", "2026-11-23T07:05+01:00") == 0
    assert "2026-11-23 07:05 +01:00  pump1.flow  98.7 m3/h" in capsys.readouterr().out
    historian = Store(state, SETTINGS)
    found = historian.read([FLOW], 0, 2**60)
    assert found["value"].tolist() == [98.7, 50.0]
    assert found["detail"][0].startswith("read by a person")
    assert historian.latest()[FLOW].value == 50.0
    values, _ = historian.frames("pump1", parse_utc("2026-11-23T06:05Z"), parse_utc("2026-11-23T06:06Z"), 60)
    assert values["flow"].tolist() == [50.0]
    (entry,) = entries(state, ["reading"])
    assert (entry.role, entry.data["value"]) == ("administrator", "98.7 m3/h")
    with pytest.raises(UserError, match=f"is entered already, as entry {entry.n}"):
        handwheel_reading(state, FLOW, "98.7", "--at", "2026-11-23T07:05+01:00")
    assert len(historian.read([FLOW], 0, 2**60)) == 2


def test_what_is_kept_in_spite_of_a_doubt_says_so(state, capsys):
    assert handwheel_reading(state, FLOW, "201", "--at", "2026-11-23T07:05+01:00", "--force") == 0
    assert "201 m3/h  kept as bad: outside 0 to 200 m3/h" in capsys.readouterr().out
    assert handwheel_reading(state, FLOW, "100", "--at", "2024-11-23T07:05+01:00", "--force") == 0
    assert "100 m3/h  more than a year before the plant's first sample" in capsys.readouterr().out


def test_the_help_says_that_the_time_is_needed(capsys):
    parser = ArgumentParser()
    readings.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["add", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "reading add TAG VALUE --at TIME" in told
    assert "needed with TAG VALUE: when it was read" in told


def test_a_page_is_a_file_with_points_or_as_a_german_excel_writes_it(state, tmp_path):
    page = tmp_path / "round.csv"
    page.write_text("tag,value,occurred_at\npump1.flow,98.7,2026-11-23T07:05\npump1.running,1,2026-11-23T07:06\n")
    assert handwheel_reading(state, "--file", str(page)) == 0
    page.write_bytes(
        "tag;value;occurred_at;recorded_at\npump1.flow;97,5;2026-11-23T08:05;2026-11-23T09:00\n".encode("utf-8-sig")
    )
    assert handwheel_reading(state, "--file", str(page)) == 0
    assert Store(state, SETTINGS).read([FLOW], 0, 2**60)["value"].tolist() == [98.7, 50.0, 97.5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tag,value\n", "column occurred_at is missing"),
        ("tag,value,occurred_at,name\n", "column name is unknown"),
        ("tag,value,occurred_at\npump1.flow,1\n", "line 2: has not 3 cells"),
        ("tag,value,occurred_at\npump1.flow,1,2026-11-23T07:05,x\n", "line 2: has not 3 cells"),
        ("tag,value,occurred_at\n", "1 to 200"),
        ("", "column tag is missing"),
        ("tag,value,occurred_at\n\npump1.flow,1,2026-11-23T07:05\npump1.flow,x,2026-11-23T07:05\n", "line 4: value"),
        ("tag;value;occurred_at\npump1.flow;1;23.11.2026 07:05\n", "line 2: .* write 2026-11-23T07:05"),
        ('tag,value,occurred_at\n"', "is not CSV"),
    ],
)
def test_a_page_that_is_none_is_refused_in_one_line(state, tmp_path, text, words):
    page = tmp_path / "round.csv"
    page.write_text(text)
    with pytest.raises(UserError, match=words):
        handwheel_reading(state, "--file", str(page))


def test_words_that_do_not_go_together_are_refused(state, tmp_path):
    with pytest.raises(UserError, match="either --file"):
        handwheel_reading(state, FLOW, "--file", str(tmp_path / "x.csv"))
    with pytest.raises(UserError, match=r"handwheel reading add pump1.flow 5 --at 2026-11-30T07:05") as caught:
        handwheel_reading(state, FLOW, "5")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="cannot be read"):
        handwheel_reading(state, "--file", str(tmp_path / "x.csv"))


def disk_full(*_args, **_more):
    fault = sqlite3.OperationalError("database or disk is full")
    fault.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise fault


def test_a_full_disk_is_one_line_that_says_what_is_entered_and_what_is_not(state, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "append_many", disk_full)
        with pytest.raises(UserError, match=r"^reading: .*: cannot be written: the disk is full; make room"):
            handwheel_reading(state, FLOW, "98.7", "--at", "2026-11-23T07:05+01:00")
    assert not list(entries(state, ["reading"]))
    monkeypatch.setattr(HotFile, "append", disk_full)
    with pytest.raises(UserError, match=r"the disk is full; entries \d+ to \d+ are made .* not in history"):
        handwheel_reading(state, FLOW, "98.7", "--at", "2026-11-23T07:05+01:00")
    assert len(list(entries(state, ["reading"]))) == 1


async def test_the_running_daemon_takes_a_reading_and_its_latest_value_stays(tmp_path):
    async with modbus_server(device()) as server:
        bench = Bench(configure(tmp_path / "config", server.port), State(tmp_path / "state")).start()
        try:
            await bench.until(lambda s: s["sources"][0]["good"] == 4)
            rows = [{"tag": "pump1.flow", "value": "55.5", "occurred_at": "2026-01-05T07:05"}]
            told = await asyncio.to_thread(command_socket.ask, bench.state, "reading", {"rows": rows}, 30.0)
            assert told["ok"], told
            again = await asyncio.to_thread(command_socket.ask, bench.state, "reading", {"rows": rows}, 30.0)
            assert "is entered already" in again["error"]
            reader = HotReader(bench.state.hot)
            number = next(number for number, one in reader.tags().items() if one.name == "pump1.flow")
            by_hand = [one for one in reader.series(number, 0) if one.reasons & Reason.MANUAL]
            assert [one.value for one in by_hand] == [55.5]
            await bench.until(lambda s: number in reader.latest())
            assert reader.latest()[number].value != 55.5
            assert [one.data["value"] for one in entries(bench.state, ["reading"])] == ["55.5 m3/h"]
        finally:
            bench.end()


async def test_a_reading_entered_while_no_daemon_runs_makes_no_gap_shorter(tmp_path):
    async with modbus_server(device()) as server:
        state = State(tmp_path / "state")
        bench = Bench(configure(tmp_path / "config", server.port), state).start()
        try:
            await bench.until(lambda s: HotReader(state.hot).newest_ms())
            bench.kill()
            await asyncio.to_thread(bench.ended)
            last_ms = HotReader(state.hot).newest_ms()
            hot = HotFile(state.hot)
            number = next(number for number, one in HotReader(state.hot).tags().items() if one.name == FLOW)
            by_hand = Sample(number, NOW_US, 55.5, Reason.MANUAL | Reason.SUBSTITUTE)
            hot.append([batch_of("reading", NOW_US, [by_hand])], last_ms + 3_600_000)
            hot.close()
            assert HotReader(state.hot).newest_ms() == last_ms + 3_600_000
            bench.start()
            await bench.until(lambda s: s["sources"][0]["good"] == 4)
            (gap,) = [one.data for one in entries(state, ["gap"]) if one.data["source"] == "all"]
            assert parse_utc(gap["start"]) == last_ms * 1000
        finally:
            bench.end()


def test_where_only_readings_are_left_the_latest_of_our_own_samples_says_until_when_we_read(tmp_path):
    state = State(tmp_path / "state")
    state.make()
    hot = HotFile(state.hot)
    assert HotReader(state.hot).newest_own_ms() is None
    hot.append([batch_of("a", NOW_US, [Sample(0, NOW_US, 1.0)])], NOW_US // 1000)
    for minute in range(1, 4):
        by_hand = Sample(0, NOW_US, 2.0, Reason.MANUAL | Reason.SUBSTITUTE)
        hot.append([batch_of("reading", NOW_US, [by_hand])], NOW_US // 1000 + 60_000 * minute)
    assert HotReader(state.hot).newest_own_ms() == NOW_US // 1000
    hot.close()
    with sqlite3.connect(state.hot) as db:
        db.execute("DELETE FROM frame WHERE n = 1")
    db.close()
    assert HotReader(state.hot).newest_own_ms() == NOW_US // 1000
