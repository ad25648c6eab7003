"""Journals come home: once, whole, whatever dies in between; flagged, beside what was measured, and a drill never."""

import csv
import hashlib
import io
import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.batch import batch_of
from drivers.errors import UserError
from drivers.record import Quality, Reason, Sample
from fallback_procedures import drills as by_hand
from monitor.cli import main
from monitor.daemon import journals
from monitor.historian.gaps import gaps
from monitor.historian.hot import HotFile
from monitor.historian.store import Store
from monitor.jobs import JOBS
from monitor.ledger import Draft, Ledger, entries, verify
from monitor.lock import hold_lock
from monitor.periods import taking
from monitor.periods.folder import in_order
from monitor.periods.missing import Stretches
from monitor.progress import silent
from monitor.settings import load
from monitor.state import State
from monitor.words import parse_utc, utc_text
from tests.monitor.journals import NAMED, START_US, Maker, a_night
from tests.monitor.transfer_bench import configured

FLOW = "pump1.flow"
LATER_US = START_US + 86_400_000_000
HOUR_US = 3_600_000_000


@pytest.fixture
def config(tmp_path):
    folder = configured(tmp_path / "config", "shift_lead")
    with (folder / "sheets" / "G.txt").open("a") as sheet:
        sheet.write(NAMED)
    return folder


@pytest.fixture
def state(tmp_path, config):
    """A plant that was read each minute until control was lost and again after it was back, and once in between."""
    state = State(tmp_path / "state").make()
    hot = HotFile(state.hot)
    hot.publish_tags(load(config))
    times = {START_US + minute * 60_000_000: 50.0 + minute / 100 for minute in [*range(-60, 0), 33, *range(120, 180)]}
    batches = [batch_of("pump1", at_us, [Sample(0, at_us, value)]) for at_us, value in times.items()]
    hot.append(batches, max(times) // 1000)
    hot.roll(None)
    hot.close()
    Ledger(state).close()
    return state


def run(state, config, *, crash=""):
    """Do the job as the daemon does, as often as it has work; with `crash` the last result is lost on its way."""
    settings = load(config)
    while True:
        told = json.loads(json.dumps(JOBS["take_periods"](state, settings, LATER_US, {}, silent).to_json()))
        if crash and any(row["kind"] == crash for row in told["ledger"]):
            return told
        with hold_lock(state):
            ledger = Ledger(state)
            ledger.append_many(Draft(**row) for row in told["ledger"])
            ledger.close()
        if not told["then"]:
            return told


def samples(state, config, tag=FLOW):
    found = Store(state, load(config)).read([tag], 0, 2**60)
    return found[(found["reasons"] & int(Reason.MANUAL)) != 0]


def handwheel(config, state, *words):
    return main([*words, "--config", str(config), "--state", str(state.root)])


def of(state, kind):
    return [one.data for one in entries(state, (kind,))]


def test_a_period_that_has_ended_becomes_entries_samples_gaps_and_a_debrief(state, config):
    a_night().write(state.journal)
    run(state, config)
    (period,) = of(state, "period")
    assert (period["drill"], period["sites"], period["counts"]["entered"]) == (False, ["G"], 5)
    assert (state.periods / f"{period['sha256']}.jsonl").read_bytes() == a_night().raw()
    found = samples(state, config)
    assert found["value"].tolist() == [80.1, 81.5, 82.75, 97.25, 84.0]
    assert set(found["quality"]) == {int(Quality.UNCERTAIN)}
    assert all("read by a person" in one or "from paper" in one for one in found["detail"])
    assert of(state, "reading")[0]["value"] == "80.1 m3/h"
    (gap,) = [one for one in of(state, "gap") if one.get("tag") == FLOW]
    assert (gap["start"], gap["end"], gap["period"]) == (period["start"], period["end"], period["key"])
    (report,) = of(state, "report")
    assert report["period"] == period["sha256"]
    for end in (".pdf", ".html", ".txt"):
        assert (state.reports / f"{period['report']}{end}").stat().st_size > 1_000
    assert verify(state).ok


def test_what_was_measured_in_the_same_minute_stays_and_what_was_read_is_the_latest_of_nothing(state, config):
    settings = load(config)
    before = Store(state, settings).latest()[FLOW].value
    measured = Store(state, settings).read([FLOW], 0, 2**60)["value"].tolist()
    a_night().write(state.journal)
    run(state, config)
    found = Store(state, settings).read([FLOW], 0, 2**60)
    assert len(found) == len(measured) + 5
    assert found[(found["reasons"] & int(Reason.MANUAL)) == 0]["value"].tolist() == measured
    assert Store(state, settings).latest()[FLOW].value == before
    values, _share = Store(state, settings).frames("pump1", START_US, START_US + 2 * HOUR_US, 60)
    assert values["flow"].dropna().tolist() == [50.33]


def test_history_and_export_show_the_flag(state, config, tmp_path, capsys):
    a_night().write(state.journal)
    run(state, config)
    assert handwheel(config, state, "history", "show") == 0
    assert "5" in capsys.readouterr().out
    out = tmp_path / "out.csv"
    words = (FLOW, "--from", "2025-11-23T01:00Z", "--to", "2025-11-23T03:00Z", "--out", str(out))
    assert handwheel(config, state, "export", "values", *words) == 0
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8-sig"))))
    flagged = [row for row in rows if "manual" in row["reasons"]]
    assert [float(row["value"]) for row in flagged] == [80.1, 81.5, 82.75, 97.25, 84.0]
    assert all("substitute" not in row["reasons"] for row in rows)


def test_a_drill_brings_no_sample_ever_and_is_recorded_as_a_drill(state, config):
    a_night(drill=True).write(state.journal)
    run(state, config)
    (period,) = of(state, "period")
    assert (period["drill"], period["stable_after"]) == (True, "90 min")
    assert not of(state, "reading")
    assert not [one for one in of(state, "gap") if one.get("period")]
    assert not len(samples(state, config))
    text = (state.reports / f"{period['report']}.txt").read_text()
    assert all(line.startswith("DRILL") for line in text.splitlines())


def test_the_same_journal_is_never_taken_in_twice_and_one_that_has_not_ended_waits(state, config):
    a_night(ended=False).write(state.journal)
    assert run(state, config)["ledger"] == []
    a_night().write(state.journal)
    run(state, config)
    a_night().write(state.journal, "2025-11-24T000000Z.jsonl")  # a copy under another name
    assert run(state, config)["ledger"] == []
    assert len(of(state, "period")) == 1


def test_lines_from_paper_that_are_added_later_make_a_new_entry_that_refers_to_the_earlier_one(state, config):
    made = a_night()
    made.write(state.journal)
    run(state, config)
    occurred = START_US + 50 * 60_000_000
    made.act("paper", after=7_200, procedure="P-03", step="3", name="flow on the local display", value="83.5",
             unit="m3/h", in_limits=True, tag=FLOW, occurred=utc_text(occurred), recorded=utc_text(occurred + 10**8),
             text="").write(state.journal)  # fmt: skip
    run(state, config)
    first, second = entries(state, ("period",))
    assert (second.data["changes"], second.data["counts"]["entered"]) == (first.n, 1)
    assert "altered" not in second.data["doubts"]
    assert sorted(samples(state, config)["value"]) == [80.1, 81.5, 82.75, 83.5, 84.0, 97.25]
    assert len(of(state, "report")) == 2


def test_a_journal_whose_earlier_entries_were_changed_is_entered_with_that_doubt_and_takes_no_sample_away(
    state, config
):
    made = a_night()
    made.write(state.journal)
    run(state, config)
    next(line for line in made.lines if line.get("value") == "97.25")["value"] = "88.0"
    made.write(state.journal)
    run(state, config)
    assert "altered" in of(state, "period")[1]["doubts"]
    found = samples(state, config)
    assert sorted(found["value"]) == [80.1, 81.5, 82.75, 84.0, 88.0, 97.25]
    assert [row.value for row in found.itertuples() if "another entry has its number" in row.detail] == [88.0]
    assert [one["value"] for one in of(state, "reading") if one.get("doubt")] == ["88.0 m3/h"]


def test_two_machines_that_went_on_with_one_journal_bring_both_their_readings_and_none_twice(
    state, config, tmp_path, capsys
):
    one, other = (
        Maker().act("declared", sites=["G"]).start().read("80.5", tag=FLOW, unit="m3/h", limits=("60", "90"))
        for _ in "ab"
    )
    one.read("81.5", tag=FLOW, unit="m3/h", limits=("60", "90")).act("handed_back").write(state.journal)
    run(state, config)
    other.wait(240).read("82.5", tag=FLOW, unit="m3/h", limits=("60", "90")).read(
        "83.5", tag=FLOW, unit="m3/h", limits=("60", "90")
    ).act("handed_back")
    path = other.write(tmp_path / "stick")
    assert handwheel(config, state, "import", "period", str(path), "--clock-off", "40", "--yes") == 0
    assert "2 brought in, 1 were there already" in capsys.readouterr().out
    assert sorted(samples(state, config)["value"]) == [80.5, 81.5, 82.5, 83.5]
    first, second = entries(state, ("period",))
    assert (second.data["changes"], second.data["doubts"]) == (first.n, ["altered"])
    assert [row.get("doubt") for row in of(state, "reading")] == [None, None, "twice", None]
    text = (state.reports / f"{second.data['report']}.txt").read_text()
    assert "two machines went on" in " ".join(text.split())
    occurred = utc_text(START_US + 60_000_000)
    one.act(
        "paper",
        procedure="P-03",
        step="3",
        name="flow",
        value="84.5",
        unit="m3/h",
        tag=FLOW,
        occurred=occurred,
        recorded=occurred,
    )
    one.write(state.journal)
    run(state, config)
    third = list(entries(state, ("period",)))[2]
    assert (third.data["changes"], third.data["doubts"], third.data["counts"]["entered"]) == (first.n, [], 1)


def test_what_was_recorded_twice_under_one_number_comes_home_whole(state, config):
    made = Maker().act("declared", sites=["G"]).start()
    made.read("80.5", tag=FLOW, unit="m3/h", limits=("60", "90")).read(
        "81.5", tag=FLOW, unit="m3/h", limits=("60", "90")
    ).act("note", text="x")
    made.act("handed_back")
    for line, n in zip(made.lines[2:], (3, 3, 4, 4), strict=True):
        line["n"] = n
    made.write(state.journal)
    run(state, config)
    assert samples(state, config)["value"].tolist() == [80.5, 81.5]
    assert of(state, "period")[0]["doubts"] == ["twice"]


def test_a_drill_that_went_on_while_the_plant_was_run_by_hand_or_handwheel_was_blind_is_doubted(state, config):
    with hold_lock(state):
        ledger = Ledger(state)
        dark = {"source": "all", "start": utc_text(START_US - HOUR_US), "end": utc_text(START_US + HOUR_US)}
        ledger.append_many([Draft("gap", dark, START_US + HOUR_US, "daemon")])
        ledger.close()
    a_night(drill=True).write(state.journal, "2025-11-23T011100Z.jsonl")
    run(state, config)
    assert of(state, "period")[0]["doubts"] == ["blind_meanwhile"]
    a_night().write(state.journal)
    run(state, config)
    assert of(state, "period")[1]["doubts"] == ["drill_meanwhile"]
    a_night(drill=True, start_us=START_US + HOUR_US // 2).write(state.journal, "2025-11-23T021100Z.jsonl")
    run(state, config)
    assert of(state, "period")[2]["doubts"] == ["blind_meanwhile", "real_meanwhile"]
    text = (state.reports / f"{of(state, 'period')[2]['report']}.txt").read_text()
    assert "a drill while the plant was run by hand" in " ".join(text.split()).replace("DRILL ", "")
    a_night(start_us=START_US + 24 * HOUR_US - 10**9).write(state.journal, "2025-11-24T011100Z.jsonl")
    run(state, config)
    assert of(state, "period")[3]["doubts"] == ["future"]


def test_files_that_are_none_and_journals_that_are_at_home_hold_up_no_newer_one(state, config, monkeypatch, capsys):
    monkeypatch.setattr(taking, "FILES", 5)
    for hour in range(6):
        a_night(start_us=START_US - (30 - hour) * HOUR_US).write(state.journal, f"2025-11-2{hour}T000000Z.jsonl")
    run(state, config)
    for number in range(9):
        (state.journal / f"0{number}.jsonl").write_text("x\n")
        (state.journal / f"z{number}.jsonl").write_text("x\n")
    a_night().write(state.journal, "2025-11-20T120000Z.jsonl")
    for number in range(9):
        (state.journal / f"2025-11-23T12000{number}Z.jsonl").write_text("x\n")
        (state.journal / f"2999-01-01T00000{number}Z.jsonl").write_text("x\n")
    a_night(start_us=START_US - 9 * HOUR_US).write(state.journal, "0000.jsonl")  # behind all others
    words = run(state, config)["words"]
    assert len(of(state, "period")) == 8
    assert words.count("holds no entry") == 5
    assert "31 more files there are no journals" in words
    handwheel(config, state, "doctor")
    assert "not in the ledger" not in " ".join(capsys.readouterr().out.split())


def test_the_daemon_sees_an_ended_journal_among_thousands_of_files_whatever_their_names(state, monkeypatch):
    monkeypatch.setattr(journals, "FILES", 5)
    for name in ("z{}", "2999-01-01T00000{}Z", "2025-11-23T12000{}Z", "0{}"):
        for number in range(9):
            (state.journal / f"{name.format(number)}.jsonl").write_text("x\n")
    seen = journals.Journals(state)
    assert not any(seen.changed() for _look in range(10))
    path = Maker().act("declared", sites=["G"]).write(state.journal, "2025-11-20T120000Z.jsonl")
    assert not seen.changed()
    a_night().write(state.journal, path.name)
    assert seen.changed()
    assert not seen.changed()
    anew = journals.Journals(state)
    assert any(anew.changed() for _look in range(10)), "and one that is started among them"


def test_daemon_and_import_look_at_the_files_in_one_order(tmp_path):
    for name in ("z", "2999-01-01T000000Z", "2025-11-23T011140Z", "2025-11-24T000000Z", "2025-11-22T000000Z-2", "0"):
        (tmp_path / f"{name}.jsonl").write_text("")
    assert [path.stem for path in in_order(tmp_path, START_US)] == [
        "2025-11-24T000000Z", "2025-11-23T011140Z", "2025-11-22T000000Z-2", "2999-01-01T000000Z", "z", "0"]  # fmt: skip
    assert in_order(tmp_path / "none", START_US) == []


@pytest.mark.parametrize("crash", ["period", "report"])
def test_where_a_result_is_lost_on_its_way_the_next_run_makes_it_good_and_nothing_is_there_twice(state, config, crash):
    a_night().write(state.journal)
    run(state, config, crash=crash)
    assert len(samples(state, config)) == (0 if crash == "period" else 5)  # no sample before its entry
    run(state, config)
    assert len(samples(state, config)) == 5
    assert [len(of(state, kind)) for kind in ("period", "reading", "report")] == [1, 5, 1]


def test_a_fold_in_between_changes_nothing(state, config):
    a_night().write(state.journal)
    run(state, config, crash="report")
    JOBS["fold"](state, load(config), LATER_US, {}, silent)
    run(state, config)
    JOBS["fold"](state, load(config), LATER_US, {}, silent)
    assert len(samples(state, config)) == 5


def test_a_hostile_file_among_the_journals_stops_no_other(state, config):
    (state.journal / "0000-00-00T000000Z.jsonl").write_bytes(b"\x00" * 5_000)
    (state.journal / "a-link.jsonl").symlink_to("/etc/passwd")
    a_night().write(state.journal)
    run(state, config)
    assert len(of(state, "period")) == 1


DAY_US = 86_400_000_000
LOW_US, HIGH_US = 20_000 * DAY_US - 300_000_000, 20_001 * DAY_US + 300_000_000  # over two midnights


@given(
    st.lists(
        st.tuples(st.integers(0, (HIGH_US - LOW_US) // 1_000_000 - 1), st.booleans()), unique_by=lambda one: one[0]
    ),
    st.lists(st.tuples(st.integers(-300, 300), st.booleans()), unique_by=lambda one: one[0]),
)
@example([], [(-30, False), (40, False)])
@example([], [(-50, False), (-40, True), (30, True), (31, False)])
def test_samples_that_come_day_by_day_have_the_gaps_that_they_have_at_once(some, near_midnight):
    rows = {LOW_US + second * 1_000_000: bad for second, bad in some}
    rows |= {20_000 * DAY_US + second * 1_000_000: bad for second, bad in near_midnight if second < 300}
    times, bad = np.array(sorted(rows), np.int64), np.array([rows[us] for us in sorted(rows)], bool)
    made = Stretches(LOW_US, 60e6)
    for day in sorted(set((times // DAY_US).tolist())):
        mine = times // DAY_US == day
        made.take(times[mine], bad[mine])
    at_once = []
    for gap in gaps(times, bad, LOW_US, HIGH_US, 60.0):
        if at_once and at_once[-1][1] == gap.start_us:
            at_once[-1] = (at_once[-1][0], gap.end_us, at_once[-1][2])
        else:
            at_once.append((gap.start_us, gap.end_us, gap.why))
    assert [(gap.start_us, gap.end_us, gap.why) for gap in made.gaps(HIGH_US)] == at_once


def test_a_gap_of_a_minute_and_a_half_across_midnight_is_entered(state, config):
    midnight_us = START_US // DAY_US * DAY_US + DAY_US
    hot = HotFile(state.hot)
    hot.publish_tags(load(config))
    times = [midnight_us + second * 1_000_000 for second in [*range(-2_400, -40, 10), *range(50, 2_400, 10)]]
    hot.append([batch_of("pump1", at_us, [Sample(0, at_us, 50.0)]) for at_us in times], max(times) // 1000)
    hot.roll(None)
    hot.close()
    Maker(start_us=midnight_us - 600_000_000).act("declared", sites=["G"]).start(tag=FLOW).read(
        "80", tag=FLOW, unit="m3/h").wait(1_200).act("handed_back").write(state.journal)  # fmt: skip
    run(state, config)
    (gap,) = [one for one in of(state, "gap") if one.get("tag") == FLOW]
    assert (gap["start"], gap["end"]) == (utc_text(midnight_us - 50_000_000), utc_text(midnight_us + 50_000_000))


# `handwheel import period`


def test_a_drill_that_is_brought_in_from_elsewhere_counts_for_the_fallback_too(state, config, tmp_path):
    path = a_night(drill=True).write(tmp_path / "stick" / "handwheel-journal")
    assert by_hand.history(state.journal, state.manual) == []
    assert handwheel(config, state, "import", "period", str(path), "--clock-off", "0", "--yes") == 0
    (drill,) = by_hand.history(state.journal, state.manual)
    (row,) = by_hand.due([drill], ["G"], LATER_US / 1e6)
    assert (row.last, row.due, row.word) == ("2025-11-23", "2027-11-23", "ok")
    at_home = json.loads((state.facts / "periods.json").read_text())["sha256"]
    assert at_home == [hashlib.sha256(path.read_bytes()).hexdigest()], "who looks at the stick is told"
    for damaged in ("", "[]", '{"format": 1, "drills": [7, {"station": "G"}, {"at": 3}]}', "[" * 99_999):
        (state.facts / "drills.json").write_text(damaged)
        assert by_hand.history(state.journal, state.manual) == []


def test_a_journal_from_a_stick_is_shown_taken_in_by_role_and_its_clock_is_said_to_be_unknown(
    state, config, tmp_path, capsys
):
    stick = a_night().write(tmp_path / "stick/handwheel-journal")
    assert handwheel(config, state, "import", "period", str(tmp_path / "stick"), "--check") == 0
    assert "6 readings, 5 of them of a tag" in capsys.readouterr().out
    assert not of(state, "period")
    assert handwheel(config, state, "import", "period", str(stick), "--yes") == 0
    told = capsys.readouterr().out
    assert "is not known: each sample will say so" in told
    assert "5 brought in" in told
    (period,) = entries(state, ("period",))
    assert (period.role, period.via, period.data["clock_off"]) == ("shift_lead", "import", "unknown")
    assert all(one & int(Reason.CLOCK) for one in samples(state, config)["reasons"])
    assert of(state, "report")
    assert handwheel(config, state, "import", "period", str(stick), "--yes") == 0
    assert f"as entry {period.n}; nothing was entered" in capsys.readouterr().out
    assert len(samples(state, config)) == 5


def test_a_clock_that_was_ahead_moves_the_samples_and_not_the_journal(state, config, tmp_path):
    path = a_night().write(tmp_path / "stick")
    assert handwheel(config, state, "import", "period", str(path), "--clock-off", "3600", "--yes") == 0
    first_us = samples(state, config)["receive_us"].min()
    assert first_us == parse_utc("2025-11-23T00:14:20Z")
    (period,) = of(state, "period")
    assert (period["clock_off"], period["start"]) == ("3600 s", "2025-11-23T01:12:00.000Z")
    text = (state.reports / f"{period['report']}.txt").read_text()
    assert "3600 s ahead" in text


def test_the_own_state_is_taken_in_at_once_where_no_daemon_runs(state, config, capsys):
    a_night().write(state.journal)
    assert handwheel(config, state, "import", "period", str(state.root)) == 0
    assert "5 samples added, debrief written" in capsys.readouterr().out
    assert len(samples(state, config)) == 5


def test_what_cannot_be_is_refused_in_one_line_and_nobody_is_asked_where_nobody_is(state, config, tmp_path, capsys):
    path = a_night().write(tmp_path / "stick")
    for words, told in (
        ((str(tmp_path / "none.jsonl"), "--yes"), "cannot be read"),
        ((str(tmp_path / "config"), "--yes"), "no journal lies there"),
        ((str(path),), "nobody can be asked here"),
        ((str(path), "--clock-off", "1e12", "--yes"), "ten years at most"),
        ((str(path), "--clock-off", "nan", "--yes"), "ten years at most"),
        ((str(path), "--clock-off=-inf", "--yes"), "ten years at most"),
    ):
        assert handwheel(config, state, "import", "period", *words) == 2
        assert told in capsys.readouterr().err
    assert not of(state, "period")


@pytest.mark.parametrize("answer", ["1e300", "inf", "-1e9", "nan", "forty", "1e400", "0x10", "\x1b[31m"])
def test_nonsense_for_the_clock_is_refused_in_one_line_and_nothing_is_written(
    state, config, tmp_path, capsys, monkeypatch, answer
):
    path = a_night().write(tmp_path / "stick")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _asked: answer)
    assert handwheel(config, state, "import", "period", str(path)) == 2
    told = capsys.readouterr().err
    assert "seconds of ten years at most are expected; nothing was brought in" in told
    assert told.count("\n") == 1
    assert not of(state, "import")
    assert not list(state.imports.glob("handwheel-import-*"))


@pytest.mark.parametrize("answer", ["1e300 s", "inf s", "a lot", ""])
def test_a_staged_import_that_raises_is_put_aside_with_its_reason_and_the_next_one_comes_in(
    state, config, tmp_path, monkeypatch, answer
):
    stick = a_night().write(tmp_path / "stick")
    monkeypatch.setattr("monitor.periods.command._clock_off", lambda _args: answer)
    handwheel(config, state, "import", "period", str(stick), "--yes")
    assert not of(state, "period")
    refused = of(state, "import")[-1]
    assert (refused["stage"], bool(refused["why"])) == ("refused", True)
    assert not list(state.imports.glob("*/facts.json"))
    monkeypatch.undo()
    assert handwheel(config, state, "import", "period", str(stick), "--clock-off", "0", "--yes") == 0
    assert len(of(state, "period")) == 1


# `handwheel reading substitute`


def fill(state, config, *more, tag=FLOW, start="2025-11-23T01:12Z", end="2025-11-23T01:44Z"):
    words = ("reading", "substitute", tag, "--from", start, "--to", end, "--reason", "P-13: telemetry was dark")
    return handwheel(config, state, *words, *more)


def test_a_gap_is_filled_as_substitute_by_a_role_alone_and_nothing_else_makes_a_substitute(state, config):
    a_night().write(state.journal)
    run(state, config)
    assert not sum((samples(state, config)["reasons"] & int(Reason.SUBSTITUTE)) != 0)
    assert fill(state, config, "--every", "300") == 0
    found = samples(state, config)
    filled = found[(found["reasons"] & int(Reason.SUBSTITUTE)) != 0]
    assert len(filled) == 6
    assert set(filled["quality"]) == {int(Quality.UNCERTAIN)}
    assert filled["value"].between(80.1, 82.75).all()
    (begun, done) = [one for one in entries(state, ("import",)) if one.data["kind"] == "substitute"]
    assert (begun.role, begun.data["file"], done.data["added"]) == ("shift_lead", FLOW, 6)
    assert "P-13: telemetry was dark" in begun.data["answers"]
    assert fill(state, config, "--every", "300") == 0
    assert len(samples(state, config)) == len(found)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"end": "2025-11-23T01:50Z"}, "1 values were measured in it"),
        ({"start": "2999-11-25T01:12Z", "end": "2999-11-25T01:44Z"}, "values every 1 to 86400 s"),
        ({"tag": "pump1.running"}, "is a state"),
        ({"tag": "\x1b[31m"}, "is not configured"),
        ({"start": "yesterday"}, "is no time"),
    ],
)
def test_a_gap_that_cannot_be_filled_is_refused_in_one_line(state, config, capsys, more, words):
    assert fill(state, config, **more) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
    assert not of(state, "import")


def test_without_values_on_both_sides_nothing_is_filled(state, config, capsys):
    assert fill(state, config, start="2025-11-20T01:12Z", end="2025-11-20T01:44Z") == 2
    assert "no usable value stands before it" in capsys.readouterr().err


def test_a_copy_that_is_gone_or_another_one_is_said_and_makes_no_debrief(state, config):
    a_night().write(state.journal)
    run(state, config, crash="report")
    (period,) = of(state, "period")
    (state.periods / f"{period['sha256']}.jsonl").write_bytes(a_night(drill=True).raw())
    told = JOBS["take_periods"](state, load(config), LATER_US, {}, silent)
    assert "is not the journal that entry" in told.words
    assert not told.ledger
    with pytest.raises(UserError, match="bring it in again"):
        taking.kept(state, next(iter(entries(state, ("period",)))), LATER_US)


def test_the_debrief_of_an_imported_journal_is_made_again_by_the_command_that_it_names(state, config, tmp_path, capsys):
    path = a_night().write(tmp_path / "stick")
    assert handwheel(config, state, "import", "period", str(path), "--clock-off", "0", "--yes") == 0
    (record,) = entries(state, ("period",))
    text = (state.reports / f"{record.data['report']}.txt").read_text()
    (again,) = [line for line in text.splitlines() if line.startswith("made again by")]
    words = again.split("handwheel ", 1)[1].split()
    assert words == ["report", "debrief", str(record.n)]
    capsys.readouterr()
    assert handwheel(config, state, *words, "--print", "--out", str(tmp_path / "again")) == 0
    assert text in capsys.readouterr().out
    assert handwheel(config, state, "report", "debrief", path.name, "--out", str(tmp_path / "again")) == 0


def test_a_line_from_paper_that_became_yesterdays_is_doubted_and_its_sample_says_so(state, config):
    made = Maker().act("declared", sites=["G"]).start()
    for before_s, more in ((-30, {"run": "P-03-1"}), (300, {"run": "P-03-1"}), (300, {}), (80_000, {})):
        at = utc_text(START_US + 40_000_000 - before_s * 1_000_000)
        made.act("paper", procedure="P-03", step="3", name="flow", value=f"{60 + len(made.lines)}.5", unit="m3/h",
                 in_limits=True, tag=FLOW, occurred=at, recorded=at, text="", **more)  # fmt: skip
    made.act("handed_back").write(state.journal)
    run(state, config)
    assert [one.get("doubt") for one in of(state, "reading")] == [None, "early", None, "early"]
    (period,) = of(state, "period")
    assert period["doubts"] == ["early"]
    assert sum("from before its run or period" in one for one in samples(state, config)["detail"]) == 2
    text = " ".join((state.reports / f"{period['report']}.txt").read_text().split())
    assert "a line from paper is of 22 h 13 min before its run or its period began: is its day right?" in text
