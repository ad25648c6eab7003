"""The pages as lines of text: what they say, and that no line is too wide in any size and language."""

import json
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from drivers.vendor.file_drop import AHEAD
from monitor.handover import refuse
from monitor.screen import alerts, asset, decide, help, overview, procedures, reading, reports
from monitor.screen.pieces import Line, cells
from monitor.screen.reading import Reading, take
from monitor.screen.room import (
    Alarm,
    Entry,
    Life,
    Past,
    Period,
    Point,
    Procedure,
    Report,
    RoomState,
    Trend,
    buckets,
    from_status,
    open_period,
    rows,
    sorted_assets,
    sound_since,
    tally,
)
from monitor.screen.room import procedures as parse_procedures
from monitor.screen.text import View, encodable, head, second_line, short_time, value_text
from monitor.screen.text import overview as overview_text
from monitor.state import State
from monitor.words import index_text, use_language, utc_text

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SIZES = [(80, 24), (100, 30), (132, 43), (64, 18)]
NOW = 1_795_000_000_000_000


def golden() -> RoomState:
    return from_status(json.loads((GOLDEN / "status.json").read_text()))


@pytest.fixture
def room(state) -> RoomState:
    """The small daemon's room while it lives: what lies in STATE, with the word of a living daemon."""
    found = replace(take(state), life=Life("running", 1.0), role="shift_lead")
    offered = (Procedure("P-17", "Manual round", "1", "blind for 3 s", True), Procedure("P-03", "Sewage", by_hand=True))
    made = (
        Report("comparison_2026-Q3", "comparison", NOW, ("/x/comparison_2026-Q3.pdf", "/x/comparison_2026-Q3.txt")),
    )
    return replace(found, procedures=offered, reports=made)


def in_trouble(room: RoomState) -> list[RoomState]:
    """The same room in each of the ways in which something dies."""
    return [
        room,
        replace(room, status={**room.status, "sources": [{"name": "s" * 50, "state": "down", "note": "n" * 300}] * 5}),
        replace(room, life=Life("blind", 3.0)),
        replace(room, life=Life("hung", 6.0)),
        replace(room, life=Life("stopped", 6.0, "shift_lead", room.now_us)),
        replace(room, life=Life("blind", 90.0, "administrator", room.now_us)),
        replace(room, life=Life("never", None), status={}),
        replace(room, period=Period(room.now_us - 60_000_000, "shift_lead", False, ("R",))),
        replace(room, period=Period(room.now_us, "shift_lead", True), life=Life("blind", 3.0)),
        replace(
            room, status={**room.status, "sites": [{**rows(room.status, "sites")[0], "state": "lost", "lost_s": 94}]}
        ),
        replace(room, trouble="UI error ValueError: something", store_word="store UNREADABLE"),
    ]


def all_pages(room: RoomState, view: View) -> list[list[Line]]:
    found = [overview.lines(room, view), alerts.lines(room, view), reports.lines(room, view)]
    found += [procedures.lines(room, view), help.lines(room, view), help.text_lines(room, view, "T", "a\n" + "b" * 300)]
    for tab in range(asset.TABS):
        found += [asset.lines(room, replace(view, tab=tab), name) for name in ("R-P01", "D-P01", "nobody")]
    return found


@pytest.mark.parametrize("language", ["en", "fr", "de"])
@pytest.mark.parametrize("size", SIZES)
def test_no_line_of_any_page_is_wider_or_longer_than_the_terminal(room, language, size):
    use_language(language)
    for moment in in_trouble(room):
        for shown in all_pages(moment, View(*size, notice="x" * 300)):
            assert len(shown) <= size[1]
            for line in shown:
                assert cells(line.text) <= size[0], line.text
                assert "\\u" not in line.text
                assert "\n" not in line.text


@pytest.mark.parametrize("language", ["en", "fr", "de"])
@pytest.mark.parametrize("size", SIZES[:3])
def test_keys_and_column_titles_are_never_cut(room, language, size):
    use_language(language)
    for shown in all_pages(room, View(*size)):
        for line in shown:
            if line.kind in ("keys", "title", "head"):
                assert "~" not in line.text, line.text


def test_every_key_of_the_overview_is_named_in_every_language(room):
    for language in ("en", "fr", "de"):
        use_language(language)
        text = "\n".join(str(line) for line in overview.lines(room, View(80, 24)))
        for key in (" a ", " p ", " r ", " m ", " / ", " s ", " L ", " ? ", " q "):
            assert key in text, (language, key)


def test_the_golden_status_makes_an_overview_by_itself():
    text = overview_text(json.loads((GOLDEN / "status.json").read_text()), 80)
    assert text.startswith("HANDWHEEL AUTO  daemon OK 0s")
    assert "VENDOR ONLY" in text
    assert "smartpump… LATE 3d" in text
    assert "replace seals within 14 days" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_an_empty_or_strange_status_is_shown_and_raises_nothing():
    for status in ({}, {"sites": 3, "assets": ["x"], "daemon": [], "vendor": [{}], "alarms_top": [{}]}):
        assert "HANDWHEEL" in overview_text(status, 80)


def test_the_overview_lists_the_worst_first_and_history_last(room):
    ids = [one["id"] for one in sorted_assets(room)]
    assert ids[0] == "N-P02"
    assert ids[-8:] == [f"D-P0{n}" for n in range(1, 9)]
    assert ids.index("R-P01") < ids.index("R-P02")


def test_more_assets_than_lines_are_scrolled_and_counted(room):
    shown = [str(line) for line in overview.lines(room, View(100, 24, selected=16))]
    assert any(line.startswith(">D-P08") for line in shown)
    assert any("of 17" in line for line in shown)


def test_every_page_says_simulated(room):
    for shown in all_pages(room, View(100, 30)):
        assert "SIMULATED" in shown[0].text


def test_blind_says_the_sentence_that_people_learn_and_offers_no_hand(room):
    dead = replace(room, life=Life("blind", 2.0))
    text = " ".join(str(line).strip() for line in overview.lines(dead, View(100, 30)))
    assert "handwheel is blind; automation is probably still running; look at SCADA or the local panel" in text
    assert "P-17 manual round" in text
    assert "HAND " not in text.replace("HANDWHEEL", "")
    assert "P-03" not in text


def test_after_a_death_no_value_is_shown_as_live(room):
    dead = replace(room, life=Life("blind", 40.0), now_us=room.now_us + 40_000_000)
    text = "\n".join(str(line) for line in overview.lines(dead, View(100, 40)))
    assert "Last known" in text
    assert "40s" in text or "41s" in text
    assert " fresh" not in text
    assert "LAST KNOWN, NOT LIVE" in "\n".join(str(line) for line in asset.lines(dead, View(100, 30), "R-P01"))


def test_a_planned_stop_is_said_as_such_and_offers_nothing(room):
    stopped = replace(room, life=Life("stopped", 5.0, "shift_lead", room.now_us - 5_000_000))
    text = "\n".join(str(line) for line in overview.lines(stopped, View(100, 30)))
    assert "stopped as planned by shift lead at" in text
    assert "blind" not in text.lower()
    assert "P-17" not in text


def test_a_link_that_does_not_answer_is_named_with_its_reason_and_what_was_refused(room):
    dead = {"name": "n_drives", "state": "degraded", "note": "1 of 8 tags without an answer: exception 2 \x1b[31m"}
    lying = [{**dead, "counts": {"unfit": 3.0}}, {**dead, "counts": {"unfit": float("nan")}}, {**dead, "counts": [7]}]
    for one, end in zip(lying, ("; answers refused: 3", "", ""), strict=True):
        troubled = replace(room, status={**room.status, "sources": [one]})
        text = "\n".join(map(str, overview.lines(troubled, View(100, 30))))
        (line,) = [line.rstrip() for line in text.splitlines() if "n_drives" in line]
        assert line.startswith(" n_drives: answers in part; 1 of 8 tags without an answer: exception 2")
        assert line.endswith("[31m" + end)
        assert "\x1b" not in line
    assert "n_drives" not in str(overview.lines(replace(troubled, life=Life("blind", 3.0)), View(100, 30)))


def test_telemetry_lost_names_the_site_and_what_applies(room):
    sites = [{**rows(room.status, "sites")[1], "state": "lost", "lost_s": 94.0}]
    lost = replace(room, status={**room.status, "sites": sites})
    text = " ".join(str(line).strip() for line in second_line(lost, View(100, 30)))
    assert "TELEMETRY LOST at Hillside booster station for 94s: phone or visit; P-17" in text


def test_polls_and_alerts_that_were_lost_are_a_word_on_line_one_for_an_hour(room):
    def told(**overload):
        ago = {"at": utc_text(room.now_us - 60_000_000), "polls_lost": 0, "alerts_lost": 0, "entries_lost": 0}
        return str(head(replace(room, status={**room.status, "overload": ago | overload}), View(100, 30)))

    assert "1200 polls LOST" in told(polls_lost=1200, alerts_lost=3)
    assert "3 alerts LOST" in told(alerts_lost=3)
    for quiet in ({"at": None}, {"at": utc_text(room.now_us - 3_700_000_000)}, {"at": [7], "polls_lost": "x\x1b"}):
        assert "LOST" not in told(**quiet)


def test_a_ledger_that_lost_its_tail_is_a_word_on_line_one_while_its_alarm_stands(room):
    cut = replace(room, status={**room.status, "ledger_lost": True})
    assert ("ledger CUT" in str(head(cut, View(100, 30))), "ledger CUT" in str(head(room, View(100, 30)))) == (
        True,
        False,
    )
    assert "ledger CUT" in str(head(cut, View(80, 24)))


def test_an_open_manual_period_stands_in_line_one_and_two(room):
    manual = replace(room, period=Period(room.now_us - 192_000_000, "shift_lead", False, ("R",)))
    assert str(head(manual, View(100, 30))).startswith("MANUAL")
    text = " ".join(str(line) for line in second_line(manual, View(100, 30)))
    assert "declared by shift lead" in text
    assert "(3m)" in text


def test_the_journal_tells_of_an_open_period_until_it_is_handed_back():
    raw = (GOLDEN / "journal.jsonl").read_bytes()
    assert open_period("x", raw, 2 * NOW) is None
    torn = b"\n".join(raw.splitlines()[:4]) + b'\n{"format":1,"n":5,"at":"2026-1'
    found = open_period("x", torn, 2 * NOW)
    assert found is not None
    assert (found.role, found.drill, found.sites) == ("shift_lead", False, ("R",))
    for line, told in ((b'"undo","undoes":3', None), (b'"undo","undoes":2', found), (b'"closed"', None)):
        assert open_period("x", torn + b'\n{"n":6,"drill":false,"kind":' + line + b"}", 2 * NOW) == told
    assert open_period("x", b"junk", 2 * NOW) is None


def test_an_open_manual_period_is_shown_whatever_other_files_lie_beside_its_journal(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "JOURNALS", 5)
    state = State(tmp_path).make()
    lines = (GOLDEN / "journal.jsonl").read_bytes().splitlines(keepends=True)
    for number in range(9):
        (state.journal / f"z{number}.jsonl").write_text("x")
        (state.journal / f"2025-01-01T00000{number}Z.jsonl").write_bytes(b"".join(lines))
    (state.journal / "2024-01-01T000000Z.jsonl").write_bytes(b"".join(lines[:4]))
    reader = Reading(state)
    assert [reader.period() for _look in range(5)][-1].sites == ("R",)
    (state.journal / "2024-01-01T000000Z.jsonl").write_bytes(b"".join(lines))
    assert reader.period() is None


def test_foreign_text_cannot_draw_on_the_screen(room):
    hostile = Alarm("A", "A", room.now_us, "R-P01", "", "vendor", 2, "\x1b[2J\u202e[bold]x[/]\nnew line", "UNACK")
    shown = alerts.lines(replace(room, alarms=(hostile,)), View(80, 24))
    text = "\n".join(str(line) for line in shown)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold]x[/] new line" in text


def test_the_tally_counts_and_never_prices(room):
    text = "\n".join(str(line) for line in overview.lines(room, View(100, 30)))
    assert "vendor asked 5  done 5  inspected 4  confirmed 1" in text
    assert "follow 4" in text
    assert "review 2" not in text
    assert "EUR" not in text


def test_a_review_is_told_only_if_it_stands_in_the_ledger():
    share = {"value": 0.71, "low": 0.5, "high": 0.88}
    told = {"status": "INSUFFICIENT", "start": "2024-11-24T00:00:00.000Z", "end": "2026-11-24T00:00:00.000Z",
            "evidence": {"unsupported": share, "findings": 126}}  # fmt: skip
    entries = [Entry(1, "review", NOW, "", "", "", told)]
    told = replace(golden().past, tally=tally(entries, 0), head="X")
    text = "\n".join(str(line) for line in overview.lines(replace(golden(), past=told), View(100, 30)))
    assert "review 2024-11-24 - 2026-11-23: INSUFFICIENT  findings 126  U 0.71 [0.50, 0.88] 90 %" in text


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_the_review_has_its_own_line_with_period_and_count_in_80_columns(language):
    use_language(language)
    told = {"status": "STRONG", "start": "2024-11-24T00:00:00.000Z", "end": "2026-11-24T00:00:00.000Z",
            "evidence": {"unsupported": {"value": 0.76, "low": 0.65, "high": 0.87}, "findings": 126}}  # fmt: skip
    past = replace(golden().past, tally=tally([Entry(1, "review", NOW, "", "", "", told)], 0), head="X")
    shown = [str(line) for line in overview.lines(replace(golden(), past=past), View(80, 24))]
    (counts,) = [line for line in shown if line.startswith(" 365 ")]
    (line,) = [line for line in shown if "2024-11-24 - 2026-11-23" in line]
    assert "STRONG" not in counts
    assert "STRONG" in line and "126" in line
    assert len(line) <= 80


def test_only_findings_on_work_that_the_vendor_asked_for_are_counted():
    entries = [
        Entry(1, "vendor_alert", NOW, "", "p", "", {"alert_id": "a"}),
        Entry(2, "vendor_alert", NOW, "", "p", "", {"alert_id": "a", "active": False}),
        Entry(3, "work_order", NOW, "", "p", "", {"wo_id": "1", "trigger": "vendor_alert", "done": None}),
        Entry(4, "work_order", NOW, "", "p", "", {"wo_id": "2", "trigger": "vendor_alert", "done": "2026-01-01"}),
        Entry(5, "work_order", NOW, "", "p", "", {"wo_id": "3", "trigger": "own", "done": "2026-01-01"}),
        Entry(6, "finding", NOW, "", "p", "", {"wo_id": "2", "grade": "D"}),
        Entry(7, "finding", NOW, "", "p", "", {"wo_id": "3", "grade": "E"}),
        Entry(8, "finding", NOW, "", "p", "", {"wo_id": "9", "grade": "E"}),
    ]
    found = tally(entries, 0)
    assert (found.asked, found.done, found.inspected, found.confirmed) == (1, 1, 1, 1)


def test_the_asset_page_shows_both_sides_and_what_was_decided(room):
    text = "\n".join(str(line) for line in asset.lines(room, View(100, 30), "R-P01"))
    for words in ("VENDOR ONLY", "service due", "normal index 88", "365 d: asked 5, done 5", "grade D",
                  "follow bearing (operator): planned stop", "1 follow", "mm/s"):  # fmt: skip
        assert words in text, words


def test_line_one_has_the_age_of_the_newest_message_and_names_a_late_feed(room):
    def line(*feeds):
        vendor = [{"feed": feed, "age_s": age_s, "late": late} for feed, age_s, late in feeds]
        return str(overview.lines(replace(room, status={**room.status, "vendor": vendor}), View(120, 30))[0])

    assert "vendor 13m" in line(("mail", 780.0, False), ("mqtt", 90_000.0, False))
    assert "mqtt LATE 25h" in line(("mail", 780.0, False), ("mqtt", 90_000.0, True))
    assert "mqtt LATE, never heard +1" in line(("mail", 780.0, True), ("mqtt", None, True))
    assert "vendor: nothing yet" in line(("mail", None, False))


@pytest.mark.parametrize("language", ["en", "fr", "de"])
@pytest.mark.parametrize("size", SIZES[:2])
def test_the_word_of_the_clock_stays_beside_a_rejecting_intake(room, language, size):
    use_language(language)
    word = {"en": "clock ?", "fr": "horloge ?", "de": "Uhr ?"}[language]
    status = {"rejected": {"count": 5, "newest": "a", "age_s": 7.0}, "clock": {"state": "unknown"}}
    vendor = [{"feed": "mail", "age_s": 780.0, "late": False}]
    told = replace(room, status={**room.status, **status, "vendor": vendor})
    assert word in str(overview.lines(told, View(*size))[0])


@pytest.mark.parametrize(
    ("clock", "word"),
    [
        ({"state": "synced"}, "clock OK"),
        ({"state": "holdover", "uncertainty_s": 4.3}, "clock drifts, +-4 s"),
        ({"state": "manual"}, "clock set by hand"),
        ({"state": "suspect"}, "clock SUSPECT"),
    ],
)
def test_line_one_says_how_far_the_clock_can_be_believed(room, clock, word):
    told = replace(room, status={**room.status, "clock": clock})
    assert word in str(overview.lines(told, View(120, 40))[0])


@pytest.mark.parametrize("language", ["en", "fr", "de"])
@pytest.mark.parametrize("size", SIZES[:2])
def test_rejected_vendor_messages_are_told_on_line_one_and_counted(room, language, size):
    use_language(language)
    word = {"en": "3 REJECTED", "fr": "3 REFUSÉS", "de": "3 ABGEWIESEN"}[language]
    told = replace(room, status={**room.status, "rejected": {"count": 3, "newest": "a.json", "age_s": 7200.0}})
    shown = [str(line) for line in overview.lines(told, View(*size))]
    assert word in shown[0]
    (tally_line,) = [line for line in shown[1:] if word in line]
    assert "rejected/" in tally_line
    for older in ({}, {"rejected": None}, {"rejected": {"count": 0, "newest": "", "age_s": None}}):
        quiet = replace(room, status={**room.status, "rejected": None, **older})
        assert word.split()[1] not in "\n".join(str(line) for line in overview.lines(quiet, View(*size)))


def test_rejected_messages_are_listed_with_their_reasons(room, state):
    vendor = state.root / "alert-7.json"
    vendor.write_text("{}")
    refuse(vendor, "alert-7.json: has no asset; ask the vendor for one", state)
    listed = replace(room, rejected=Reading(state).rejected())
    text = "\n".join(str(line) for line in reports.lines(listed, View(100, 30)))
    assert "REJECTED message" in text
    assert "alert-7.json: has no asset; ask the vendor for one" in text
    (item,) = [one for one in reports.items(listed, View()) if one.kind == "REJECTED message"]
    assert item.readable.endswith("alert-7.json.reason.txt")


@pytest.mark.parametrize("size", SIZES)
def test_the_reports_page_says_what_the_worker_does_and_how_far_it_is(room, size):
    progress = {"words": "learning", "done": 3, "total": 12, "elapsed_s": 2.0}

    def title(worker: object) -> str:
        told = replace(room, status={**room.status, "worker": worker})
        return next(str(line) for line in reports.lines(told, View(*size)) if "REPORTS AND AUDITS" in str(line))

    assert "learn: learning: 3 of 12" in title({"job": "learn", "progress": progress})
    assert title({"job": "fold", "progress": None}).endswith("fold: under way")
    for quiet in ({"job": "", "progress": None}, {}, None, [1], "x"):
        assert title(quiet) == " REPORTS AND AUDITS"
    assert "under way" in title({"job": "fold", "progress": {"words": ["x"], "done": "many"}})


def test_a_check_that_failed_more_than_once_is_named_once(room):
    (audit,) = room.past.audits
    checks = [{"name": name, "word": "WARN"} for name in ("coverage", "stale tags", "coverage", "coverage")]
    past = replace(room.past, audits=(replace(audit, data={**audit.data, "checks": checks}),))
    text = "\n".join(str(line) for line in reports.lines(replace(room, past=past), View(100, 30)))
    assert "coverage x3, stale tags" in text


def test_what_the_daemon_refuses_is_wrapped_to_its_end(room):
    refusal = "decide: the daemon does not answer (No such file or directory); nothing was recorded; start it with "
    for shown in all_pages(room, View(80, 24, notice=refusal + "handwheel run"))[:4]:
        told = " ".join(str(line).strip() for line in shown if line.kind == "notice")
        assert told == refusal + "handwheel run"


def test_the_axis_of_a_yes_or_no_goes_from_no_to_yes(room):
    point = Point(1, "R-P01.running", "running", "1")
    trend = Trend(1, "24h", room.now_us - 86_400_000_000, (1.0,) * 50)
    drawn = asset.chart(trend, room, 60, 8, point)
    assert drawn[0].startswith("     yes ")
    assert drawn[-2].startswith("      no")
    level = asset.chart(trend, room, 60, 8, replace(point, quantity="level"))
    assert "1.020" in level[0]


def test_a_share_below_one_percent_is_not_taken_for_a_fraction(room):
    one = {"quantity": "flow", "value": 2.1, "expected": 2.0, "unit": "m3/h", "share": 0.87}
    assert "expected 2.00 (0.87 %)" in of_model(room, contributions=[one])


def test_the_weight_of_a_value_does_not_run_into_it(room):
    assert "expected 2.00 (40 %)" in " ".join(asset.own_lines(room, "R-P01", 60))


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_a_claim_that_came_after_the_last_scoring_is_not_judged_yet(room, language):
    use_language(language)
    word, said = {"en": ("not judged", "not judged yet"), "fr": ("non jugé", "pas encore jugé"),
                  "de": ("unbewertet", "noch nicht bewertet")}[language]  # fmt: skip
    judged_us = room.assessments["N-P01"]["at_ms"] * 1000
    new = Alarm("v", "57", judged_us + 1, "N-P01", "", "vendor", 2, "overload (code 57)", "UNACK", claims=2)

    def shown(alarm):
        told = replace(room, alarms=(alarm,))
        (line,) = [str(one) for one in overview.lines(told, View(80, 40)) if "N-P01 " in str(one)[:9]]
        return (
            line,
            str(asset.lines(told, View(80, 24), "N-P01")[2]),
            "\n".join(map(str, alerts.lines(told, View(80, 24)))),
        )

    line, page, listed = shown(new)
    assert line.endswith(word)
    assert page.strip().startswith(said)
    assert "x2 overload (code 57)" in page
    assert said in listed
    line, page, listed = shown(replace(new, at_us=judged_us - 1))
    assert line.endswith(" -")
    assert said not in page + listed
    line, page, listed = shown(replace(new, active=False, state="RTNUN"))
    assert line.endswith(" -")
    assert said not in page + listed


@pytest.mark.parametrize("word", ["cannot_tell", "vendor_only"])
def test_a_vendor_s_claim_that_stands_without_an_alarm_is_the_same_on_every_page(room, word):
    def shown(end=None, alarms=(), active=True):
        side = {"id": "V", "start": "2026-11-01T00:00:00.000Z", "end": end, "alerts": ["SP-1"]}
        verdict = {"asset": "R-P01", "component": "seal", "word": word, "reason": "vendor asks", "final": False,
                   "vendor_episode": side, "own_episode": None}  # fmt: skip
        said = Entry(1, "vendor_alert", NOW, "", "R-P01", "seal",
                     {"alert_id": "SP-1", "text": "seal service", "active": active})  # fmt: skip
        told = replace(room, verdicts={"R-P01": (verdict,)}, alarms=alarms, past=Past(by_asset={"R-P01": (said,)}))
        row = {"id": "R-P01", "verdict": None if end else word}
        panel = "\n".join(asset.vendor_lines(told, "R-P01", 60))
        listed = "\n".join(map(str, alerts.lines(told, View(80, 24))))
        return overview.vendor_word(told, row), panel, listed

    word_of, panel, listed = shown()
    assert word_of == "asks"
    assert "seal: seal service\n  stands; no alert of it is open" in panel
    assert "claims without an alert: 1" in listed
    alarm = Alarm("v", "SP-1", NOW, "R-P01", "seal", "vendor", 2, "seal service", "ACKED")
    word_of, panel, listed = shown(alarms=(alarm,))
    assert (word_of, panel.count("seal service")) == ("asks", 1)
    assert "claims without" not in listed
    for gone in (shown(end="2026-11-02T00:00:00.000Z"), shown(active=False)):
        assert gone[0] == "silent"
        assert "asks for nothing now" in gone[1]
        assert "claims without" not in gone[2]


def test_the_words_on_an_alert_are_of_its_own_verdict_and_of_none_that_ended(room):
    def verdict(alert_id, end=None):
        side = {"id": "V", "start": "", "end": end, "alerts": [alert_id]}
        return {"asset": "R-P01", "component": "", "word": "vendor_only", "reason": f"reason of {alert_id}",
                "vendor_episode": side, "own_episode": None}  # fmt: skip

    told = replace(room, verdicts={"R-P01": (verdict("57", "x"), verdict("40"))})
    alarm = Alarm("v", "40", 1, "R-P01", "", "vendor", 2, "", "UNACK")
    assert alerts.judged(told, alarm) == "reason of 40"
    assert alerts.judged(told, replace(alarm, active=False)) == "this claim has ended"
    assert "reason of 40" in str(asset.lines(told, View(100, 30), "R-P01")[2])


def test_each_value_of_the_model_says_of_when_it_is(room):
    told = {**room.assessments["R-P01"], "index_at": utc_text(room.now_us - 3_600_000_000), "lines_at": None}
    text = " ".join(asset.own_lines(replace(room, assessments={"R-P01": told}), "R-P01", 60))
    when = short_time(room.now_us - 3_600_000_000, room)
    assert f"what weighs most, as of {when}, running:" in text
    assert "lines of physics, as of ?, running:" in text


def test_of_many_lines_of_physics_those_that_warn_are_shown_first_and_mere_figures_last(room):
    words = ("info", "cannot_tell", "ok", "ok", "warn", "act")
    lines = [{"name": f"line_{n}", "value": n, "unit": "", "word": word} for n, word in enumerate(words)]
    told = {**room.assessments["R-P01"], "physics": lines}
    text = " ".join(asset.own_lines(replace(room, assessments={"R-P01": told}), "R-P01", 60))
    shown = [name for name in (f"line {n}" for n in (5, 4, 2, 3, 1, 0)) if name in text]
    assert shown == ["line 5", "line 4", "line 2", "line 3"]
    assert [text.index(name) for name in shown] == sorted(text.index(name) for name in shown)


def of_model(room, **more):
    """The room with this in the assessment of R-P01, and what its page says of our own model."""
    told = {**room.assessments["R-P01"], **more}
    return " ".join(asset.own_lines(replace(room, assessments={"R-P01": told}), "R-P01", 76))


def test_the_page_of_an_asset_tells_from_what_its_model_was_learned_and_who_confirmed_it(room):
    model = {"sha256": "a", "window_start": "2026-01-01T00:00:00.000Z", "window_end": "2026-01-31T00:00:00.000Z",
             "why": "baseline confirmed", "confirmed_by": "engineer"}  # fmt: skip
    assert "learned from 2026-01-01 to 2026-01-31, confirmed by: engineer" in of_model(room, model=model)
    assert "confirmed by: nobody yet" in of_model(room, model={**model, "confirmed_by": None})
    assert "learned from" not in of_model(room, model=None)


def test_a_line_of_physics_has_its_word_uncertainty_and_limits(room):
    line = {"name": "vibration", "value": 5.5, "unit": "mm/s", "reference": 2.0, "uncertainty": 0.31, "warn": 5.1,
            "act": 8.5, "word": "warn"}  # fmt: skip
    assert "vibration 5.50 +/- 0.31 mm/s: warning, ref. 2.00, limit 5.10 / 8.50" in of_model(room, physics=[line])


def test_the_stage_of_an_own_alert_stands_on_the_page(room):
    alert = {"component": "bearing", "stage": "recovering", "since": utc_text(room.now_us)}
    assert f"own alert bearing: recovering since {short_time(room.now_us, room)}" in of_model(room, own_alerts=[alert])


def test_why_a_model_cannot_tell_stands_before_what_it_measured(room):
    told = of_model(room, index=None, reasons=["stepped back 12 % of the last 30 days"])
    assert told.index("stepped back") < told.index("what weighs most")
    assert of_model(room, reasons=["x y"]).index("x y") > told.index("what weighs most")


def test_a_meter_has_a_word_and_no_index(room):
    told = replace(room, assessments={"N-M01": {"asset": "N-M01", "word": "normal", "index": None}})
    assert overview.own_word(told, {"id": "N-M01"}) == "normal"
    assert overview.own_word(replace(room, assessments={}), {"id": "N-M01"}) == "-"


def test_a_baseline_is_confirmed_with_a_time_and_a_reason_or_not_at_all():
    question = decide.baseline("R-P01", UTC, NOW)
    verb, data = question.command({"from": "2026-11-30 07:00", "reason": "new impeller"})
    assert (verb, data["from"], data["asset"]) == ("confirm_baseline", "2026-11-30T07:00:00.000Z", "R-P01")
    for told in ({"from": "yesterday", "reason": "x"}, {"from": "2026-11-30", "reason": " "}):
        with pytest.raises(decide.Missing):
            question.command(told)


def test_the_time_proposed_for_a_baseline_is_the_end_of_the_last_work_and_never_ahead(room):
    def proposed(*done):
        orders = tuple(Entry(n, "work_order", NOW, "", "R-P01", "seal", {"done": one, "action": "replace"})
                       for n, one in enumerate(done))  # fmt: skip
        told = replace(room, now_us=NOW, past=replace(room.past, by_asset={"R-P01": orders}))
        question = decide.baseline("R-P01", UTC, sound_since(told, "R-P01"))
        return question.fields[0].value, question

    assert proposed()[0] == utc_text(NOW)[:16].replace("T", " ")
    text, question = proposed("2026-11-07T07:32:48.000Z", "2026-05-23T08:38:08.000Z")
    assert text == "2026-11-07 07:33"
    assert question.command({"from": text, "reason": "x"})[1]["from"] == "2026-11-07T07:33:00.000Z"


def old_index(room, **more):
    """The room with this in the assessment of R-P01, whose index is of three hours ago."""
    told = {"asset": "R-P01", "word": "normal", "index": 98.2, "index_at": utc_text(room.now_us - 3 * 3_600_000_000)}
    return replace(room, assessments={"R-P01": {**told, **more}})


def test_an_index_that_is_not_of_now_is_never_shown_without_its_age(room):
    told = old_index(room)
    at = short_time(room.now_us - 3 * 3_600_000_000, room)
    assert overview.own_word(told, {"id": "R-P01"}) == "98 normal 3h"
    assert asset.own_title(told, "R-P01") == f"OWN MODEL  normal index 98 at {at}"
    fresh = old_index(room, index_at=utc_text(room.now_us - 60_000_000))
    assert overview.own_word(fresh, {"id": "R-P01"}) == "98 normal"


def test_an_alert_of_a_sensor_that_stands_still_says_so_beside_the_sound_index(room):
    line = {"name": "frozen", "word": "act", "note": "speed has not moved"}
    told = old_index(room, word="alert", index=96.9, lines=[line], index_at=None)
    assert asset.own_title(told, "R-P01") == "OWN MODEL  ALERT (sensor speed stands still), index 97"
    assert overview.own_word(told, {"id": "R-P01"}) == "97 sensor"
    worn = old_index(room, word="alert", index=96.9, lines=[line, {"name": "vibration", "word": "act"}])
    assert "sensor" not in asset.own_title(worn, "R-P01")


@pytest.mark.parametrize("language", ["en", "fr", "de"])
@pytest.mark.parametrize("width", [80, 120])
def test_index_and_word_are_whole_in_the_table_and_on_the_page(room, language, width):
    use_language(language)
    told = old_index(room, index=100.0, index_at=utc_text(room.now_us - 96 * 60_000_000))
    listed = [{**one, "index": 100.0} if one["id"] == "R-P01" else one for one in rows(room.status, "assets")]
    told = replace(told, status={**told.status, "assets": listed})
    own = overview.own_word(told, {"id": "R-P01"})
    assert own.startswith("100 normal ")
    assert own in "\n".join(map(str, overview.lines(told, View(width, 24))))
    assert own in "\n".join(map(str, asset.lines(told, View(width, 24), "R-P01")[:5]))


def test_a_line_with_two_sides_shows_the_limit_that_is_past(room):
    line = {"name": "vibration_step", "value": 1.19, "unit": "mm/s", "reference": 2.55, "uncertainty": 0.1,
            "warn": 3.83, "act": None, "word": "warn"}  # fmt: skip
    told = of_model(room, physics=[line])
    assert "limit 1.27" in told
    assert "3.83" not in told


def test_what_the_others_let_expect_is_called_expected(room):
    top = [{"quantity": "head", "value": 40.0, "expected": 42.0, "unit": "m", "share": 60.0}]
    assert "head 40.0 m, expected 42.0 (60 %)" in of_model(room, contributions=top)


def test_an_index_has_two_digits_at_most_below_a_hundred():
    told = {100.0: "100", 98.2: "98", 9.96: "10", 1.447: "1.4", 0.0299: "0.03", 0.000009: "<0.01", None: "-"}
    assert {value: index_text(value) for value in told} == told


def test_the_help_tells_of_an_empty_verdict_and_of_a_part_that_recovers():
    text = " ".join(str(line).strip() for line in help.help_text(80))
    assert "- as the verdict: nobody claims anything" in text
    assert "may still stand (recovering) while the index is normal again" in text


def test_a_value_that_is_not_good_says_why(room):
    text = "\n".join(str(line) for line in asset.lines(room, View(100, 30), "H-P02"))
    assert "sensor" in text
    text = "\n".join(str(line) for line in overview.lines(room, View(100, 40)))
    assert "m ?" in text
    assert "1 bad" in text


def test_a_missing_value_is_never_drawn():
    assert value_text(None) == "-"
    assert buckets([(0.0, None, 0), (50.0, 4.0, 2), (55.0, 6.0, 2)], 0.0, 100.0, 2) == (None, 5.0)


def test_the_list_of_procedures_is_taken_as_the_fallback_tells_it():
    told = {
        "procedures": [{"id": "P-03", "title": "t", "revision": "1", "applies": True, "because": "b", "by_hand": True}]
    }
    (one,) = parse_procedures(json.dumps(told))
    assert (one.id, one.because, one.applies, one.by_hand, one.form) == ("P-03", "b", True, True, False)
    with pytest.raises(ValueError, match="list"):
        parse_procedures("3")


def test_what_a_code_page_lacks_becomes_a_plain_character():
    assert encodable("Zürich … ok", "utf-8") == "Zürich … ok"
    assert encodable("Zürich … ok", "iso-8859-1") == "Zürich ~ ok"
    assert encodable("Zürich · ok", "ascii") == "Z?rich . ok"
    assert encodable("ü", "no such thing") == "?"


def test_a_row_is_named_by_what_tells_it_from_the_others_of_its_asset():
    points = (
        Point(1, "N-P01.speed", "speed", "Hz", description="motor, 305"),
        Point(2, "N-P01.dc_link_voltage", "other", "V"),
        Point(3, "N-P01.alarm_code_1", "alarm_code", "1"),
        Point(4, "N-P01.alarm_code_2", "alarm_code", "1"),
    )
    words = [asset.point_word(one, points) for one in points]
    assert words == ["speed", "dc link voltage", "alarm code 1", "alarm code 2"]


def test_a_vendor_s_time_that_cannot_be_is_shown_as_such(room):
    data = {"alert_id": "a", "issued_at": "2036-01-01T00:00:00Z", "issued_basis": AHEAD}
    entry = Entry(9, "vendor_alert", room.now_us, "", "R-P01", "", data)
    told = replace(room, past=replace(room.past, by_asset={**room.past.by_asset, "R-P01": (entry,)}))
    words = " ".join(asset.vendor_lines(told, "R-P01", 60))
    assert "the vendor's time 2036-01-01T00:00:00Z is not believable" in words
