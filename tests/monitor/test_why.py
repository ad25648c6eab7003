"""`handwheel why`: one alert with everything that is known of it, and nothing that is not."""

import argparse
import json
import sqlite3

import pytest

from drivers.errors import UserError
from monitor.ledger import Draft, Ledger, entries
from monitor.screen.pieces import cells
from monitor.state import State
from monitor.why import physics
from monitor.why.asking import told_of
from monitor.why.command import add_arguments, command
from monitor.why.telling import as_lines, line_row, sections
from monitor.words import parse_utc, use_language, utc_text
from tests.monitor.plants import plant

DAY = 86_400_000_000
START = parse_utc("2026-03-01T08:00:00Z")
NOW = START + 100 * DAY
ESC = "\x1b[31mreplace\x1b[0m the seal \u202enow"
RAW = b"replace the seal within 14 days"


@pytest.fixture(autouse=True)
def in_english():
    use_language("en")
    yield
    use_language("en")


@pytest.fixture
def state(tmp_path) -> State:
    return State(tmp_path / "state").make()


def alert(alert_id="SP-1", text="replace the seal", **more):
    return {"alert_id": alert_id, "vendor": "SmartPump", "failure_mode": "wear", "severity": "warning",
            "issued_at": utc_text(START), "text": text, "recommended_action": "replace", "horizon": "14 d",
            "raw_sha256": "", "feed": "drop", "received_at": utc_text(START), **more}  # fmt: skip


def order(wo_id="WO-1", alert_id="SP-1", **more):
    return {"wo_id": wo_id, "opened": utc_text(START + DAY), "done": utc_text(START + 5 * DAY),
            "trigger": "vendor_alert", "alert_id": alert_id, "action": "replace", **more}  # fmt: skip


def finding(wo_id="WO-1", grade="B", **more):
    return {"wo_id": wo_id, "grade": grade, "wear_pct": "30 %", "measured_value": "2.1 mm/s", "limit": "7.1 mm/s",
            "inspector_party": "utility", "blind_to_alert": True, **more}  # fmt: skip


LINE = {"name": "vibration", "value": 5.1, "unit": "mm/s", "reference": 2.0, "uncertainty": 0.2, "warn": 4.5,
        "act": 7.1, "word": "warn", "n": 15}  # fmt: skip
SEEN = {"index": 88.0, "threshold": 50.0, "state": "steady", "word": "normal", "lines": [LINE], "reasons": [],
        "top": [{"quantity": "power", "value": 41.2, "expected": 40.1, "unit": "kW", "share": 61.0}]}  # fmt: skip
DECIDED = {"alert_id": "SP-1", "choice": "follow", "reason": "planned stop", "until": None}
PAIR = {"word": "vendor_only", "since": utc_text(START), "final": True, "reason": "own index 88", "own_episode": None,
        "vendor_episode": {"id": "V-1", "start": utc_text(START), "end": None, "alerts": ["SP-1", "SP-2"]}}  # fmt: skip


def write(state, *told, asset="pump1", component="seal"):
    """Entries (kind, data, days after START), in this order; the ledger is closed again."""
    ledger = Ledger(state)
    ledger.append_many([
        Draft(kind, data, round(START + days * DAY), "test", "operator", "G", asset,
              None if kind in ("assessment", "model") else component)
        for kind, data, days in told
    ])  # fmt: skip
    ledger.close()


def text(state, name="SP-1", width=100, **more) -> str:
    answer = told_of(state, name, NOW, **more)
    lines = [line for one in answer.stories for line, _title in as_lines(sections(one, answer, None), width)]
    assert all(cells(line) <= width for line in lines)
    return "\n".join(lines)


def part(whole: str, title: str) -> str:
    """One section."""
    after = whole.split(f"{title}\n", 1)[1]
    return " ".join(after.split("\n\n", 1)[0].split())


WHOLE = (
    ("assessment", SEEN, -2), ("vendor_alert", alert(), 0), ("verdict", PAIR, 0.1), ("decision", DECIDED, 0.5),
    ("work_order", order(), 5), ("finding", finding(), 5),
)  # fmt: skip


def test_one_page_says_who_said_saw_decided_and_found_what(state):
    write(state, *WHOLE)
    told = text(state)
    assert 'SmartPump asked: "replace the seal"; own model then: normal index 88; decided: follow' in part(
        told, "IN SHORT"
    )
    assert "found: grade B, not confirmed" in part(told, "IN SHORT")
    said = part(told, "WHAT THE VENDOR SAID")
    assert "asks for replace; within 14 d" in said
    assert 'given: failure mode "wear", text, what to do, by when; not given: a measured value, a limit' in said
    assert "told first not measured" in said
    model = part(told, "WHAT OUR OWN MODEL SAID THEN")
    assert "88 (alert line 50), normal, steady" in model
    assert "power 41.2 kW, expected 40.1 kW (61 %)" in model
    physics_then = part(told, "WHAT THE PHYSICS SAID THEN")
    assert "vibration 5.10 mm/s +/- 0.20, ref. 2.00, limit 4.50 / 7.10, past it by 0.60 mm/s" in physics_then
    assert part(told, "VERDICT").startswith("VENDOR ONLY")
    assert "follow" in part(told, "WHAT WAS DECIDED")
    found = part(told, "WHAT WAS FOUND")
    assert "not confirmed grade B (light wear); wear 30 % of the limit; measured 2.1 mm/s, limit 7.1 mm/s" in found
    assert "utility, not knowing of the alert" in found
    assert part(told, "WHAT IS MISSING") == "- whether it fails before " + told.split("fails before ")[1].split("\n")[0]


def test_what_happened_stands_in_order_of_time(state):
    write(state, *WHOLE)
    lines = text(state).split("IN ORDER OF TIME\n")[1].splitlines()
    assert [line[:17] for line in lines] == sorted(line[:17] for line in lines)
    assert len(lines) == 7


def test_without_a_finding_the_only_thing_that_would_settle_it_is_named(state):
    write(state, *WHOLE[:-1])
    assert "nothing found yet" in part(text(state), "IN SHORT")
    missing = part(text(state), "WHAT IS MISSING")
    assert "no finding yet: the only thing that would settle it" in missing
    assert "the job is done (WO-1)" in missing


def test_an_alert_that_nothing_followed_says_so_and_invents_nothing(state):
    write(state, ("vendor_alert", alert(failure_mode="", recommended_action="", horizon=None, issued_at=None), 0))
    told = text(state)
    assert "the message has no time of its own" in told
    assert "given: text; not given: failure mode, what to do, by when" in part(told, "WHAT THE VENDOR SAID")
    assert "own model then: not recorded; nothing decided; nothing found yet" in part(told, "IN SHORT")
    assert "nothing is recorded of it before this alert" in told
    assert "no line of physics was recorded with it" in told
    assert "no job names this alert" in told


def test_a_correction_stands_for_what_it_corrects_and_both_are_shown(state):
    write(state, *WHOLE, ("finding", finding(grade="D", wear_pct="110 %", corrects=6), 9))
    told = text(state)
    assert "found: grade D, confirmed" in part(told, "IN SHORT")
    found = part(told, "WHAT WAS FOUND")
    assert "REPLACED by entry 7" in found
    assert "CONFIRMED grade D (beyond the agreed limit, or a defect)" in found


def test_a_withdrawn_finding_counts_for_nothing(state):
    write(state, *WHOLE, ("finding", finding(corrects=6, withdrawn=True), 9))
    told = text(state)
    assert "nothing found yet" in part(told, "IN SHORT")
    assert "withdrawn finding of entry 6, by entry 7" in part(told, "WHAT WAS FOUND")


def test_the_vendor_s_own_finding_confirms_nothing(state):
    write(state, *WHOLE[:-1], ("finding", finding(grade="D", inspector_party="vendor"), 5))
    assert "only the vendor itself has looked" in part(text(state), "WHAT IS MISSING")
    (told,) = told_of(state, "SP-1", NOW).stories
    assert told.confirmed is None


def test_a_contest_and_a_failure_afterwards_stand_with_the_finding(state):
    contest = {"vendor": "SmartPump", "findings": [{"n": 6, "wo_id": "WO-1", "reason": "gauge not calibrated"}],
               "sha256": "0" * 64}  # fmt: skip
    write(state, *WHOLE, ("contest", contest, 20), ("failure", {"failure_id": "F-1", "mode": "seized"}, 40))
    found = part(text(state), "WHAT WAS FOUND")
    assert 'CONTESTED by the vendor (entry 7): "gauge not calibrated"' in found
    assert "40d after the alert: seized" in found


def test_a_failure_after_the_horizon_is_not_of_this_story(state):
    write(state, *WHOLE, ("failure", {"failure_id": "F-1", "mode": "seized"}, 40))
    assert "none within 30.0 d" in part(text(state, horizon_days=30.0), "WHAT WAS FOUND")


def test_foreign_text_cannot_draw_on_the_page(state):
    write(state, ("vendor_alert", alert(text=ESC * 20, vendor="Smart\x07Pump", recommended_action=ESC), 0),
          ("decision", DECIDED | {"reason": ESC}, 1))  # fmt: skip
    told = text(state, width=80)
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "\x07" not in told


def test_what_was_erased_is_said_to_be_erased_under_its_rule(state):
    ledger = Ledger(state)
    sha = ledger.keep_raw(RAW)
    ledger.close()
    write(state, ("vendor_alert", alert(raw_sha256=sha), 0), *WHOLE[2:])
    assert f"{sha} (SHA-256, kept byte for byte)" in part(text(state), "WHAT THE VENDOR SAID")
    ledger = Ledger(state)
    ledger.erase([], "message = 90", raw=[sha], at_us=NOW, role="auditor", via="cli")
    ledger.close()
    assert f'{sha} erased under a rule (entry 6): "message = 90"' in part(text(state), "WHAT THE VENDOR SAID")
    ledger = Ledger(state)
    ledger.erase([1], "vendor_alert = 90", at_us=NOW, role="auditor", via="cli")
    ledger.close()
    told = text(state)
    assert "nothing is left of what it said; own model then: not recorded; decided: follow" in part(told, "IN SHORT")
    assert 'erased under a rule (entry 7): "vendor_alert = 90"' in part(told, "WHAT THE VENDOR SAID")


def test_an_own_alert_tells_what_it_was_raised_by_and_what_the_vendor_asked_beside(state):
    own = {**SEEN, "alert_id": "OWN-1", "index": 41.0, "text": "seal: power 41.2 kW", "active": True}
    pair = PAIR | {"word": "agree", "own_episode": {"id": "O-1", "alerts": ["OWN-1"], "end": None}}
    write(state, ("vendor_alert", alert(), 0), ("own_alert", own, 1), ("verdict", pair, 1.1))
    told = text(state, "OWN-1")
    assert 'own model raised: "seal: power 41.2 kW"' in part(told, "IN SHORT")
    assert 'asked too "replace the seal" (SmartPump' in part(told, "WHAT THE VENDOR SAID")
    assert "41 (alert line 50)" in part(told, "WHAT OUR OWN MODEL SAID THEN")


def test_an_own_alert_that_recovers_is_told_with_the_entry_that_says_so(state):
    own = {**SEEN, "alert_id": "OWN-1", "index": 41.0, "text": "seal: power", "active": True, "stage": "raised"}
    write(state, ("own_alert", own, 1), ("own_alert", own | {"index": 97.8, "stage": "recovering"}, 2))
    told = text(state, "OWN-1")
    assert "recovering 2026-03-03 08:00 +00:00, entry 2, index 98" in part(told, "WHAT OUR OWN MODEL SAID THEN")
    assert 'own model, recovering: "seal: power" #2' in part(told, "IN ORDER OF TIME")


def test_an_alert_whose_part_was_worked_on_stands_no_more(state):
    write(state, ("vendor_alert", alert("SP-1"), 0), ("work_order", order(), 5), ("vendor_alert", alert("SP-9"), 9))
    answer = told_of(state, "pump1", NOW)
    assert [one.alert_id for one in answer.stories] == ["SP-9"]
    assert not answer.notes


def test_the_device_that_told_us_before_the_vendor_did_is_measured(state):
    bit = alert("bit-1", feed="status_bit", received_at=utc_text(START), clear_at=utc_text(START - 1_000_000))
    late = alert("SP-1", received_at=utc_text(START + 3_600_000_000))
    write(state, ("vendor_alert", bit, 0), ("vendor_alert", late, 1 / 24))
    assert "told first we were: the device's status bit" in part(text(state), "WHAT THE VENDOR SAID")
    assert "told first we were: the device's own status bit" in part(text(state, "bit-1"), "WHAT THE VENDOR SAID")


def test_a_beginning_is_enough_where_it_is_one_alert_alone(state):
    write(state, ("vendor_alert", alert("SP-10"), 0), ("vendor_alert", alert("SP-11"), 1))
    with pytest.raises(UserError, match="SP-1 begins 2 ids: SP-10, SP-11; write one to its end"):
        told_of(state, "SP-1", NOW)
    assert told_of(state, "SP-10", NOW).stories[0].alert_id == "SP-10"
    write(state, ("vendor_alert", alert("SP-1"), 2))
    assert told_of(state, "SP-1", NOW).stories[0].alert_id == "SP-1"


def test_an_unknown_id_is_answered_with_the_nearest(state):
    write(state, ("vendor_alert", alert("SP-00288"), 0), ("vendor_alert", alert("X-7"), 1))
    with pytest.raises(UserError, match="neither an alert nor an asset of the ledger; nearest: SP-00288"):
        told_of(state, "SP-0288", NOW)


def test_an_id_of_two_assets_asks_which(state):
    write(state, ("vendor_alert", alert("A-1"), 0))
    write(state, ("vendor_alert", alert("A-1"), 0), asset="pump2")
    with pytest.raises(UserError, match="stands for alerts of pump1, pump2; say which with --asset"):
        told_of(state, "A-1", NOW)
    assert told_of(state, "A-1", NOW, asset="pump2").stories[0].asset == "pump2"


def test_an_asset_shows_what_stands_on_it_newest_first_and_else_the_last(state):
    write(state, ("vendor_alert", alert("SP-1"), 0), ("vendor_alert", alert("SP-2"), 1),
          ("vendor_alert", alert("SP-1", active=False), 2))  # fmt: skip
    assert [one.alert_id for one in told_of(state, "pump1", NOW).stories] == ["SP-2"]
    write(state, ("vendor_alert", alert("SP-2", active=False), 3))
    answer = told_of(state, "pump1", NOW)
    assert [one.alert_id for one in answer.stories] == ["SP-2"]
    assert answer.notes == ("no alert of pump1 stands; this was the last one",)
    with pytest.raises(UserError, match="of pump2 no alert stands in the ledger"):
        told_of(state, "pump2", NOW, assets=["pump1", "pump2"])


def test_a_job_on_the_same_part_that_names_another_alert_stands_beside(state):
    write(state, ("vendor_alert", alert(), 0), ("work_order", order("WO-9", None, trigger="schedule"), 5),
          ("finding", finding("WO-9"), 5))  # fmt: skip
    found = part(text(state), "WHAT WAS FOUND")
    assert "no job names this alert" in found
    assert "beside WO-9, replace, because of: schedule" in found
    assert told_of(state, "SP-1", NOW).stories[0].confirmed is None


def test_a_damaged_entry_elsewhere_is_named_and_the_rest_is_told(state):
    write(state, *WHOLE, ("assessment", SEEN, 50))
    with sqlite3.connect(state.bodies) as db:
        db.execute("UPDATE body SET body = x'7b7d7d' WHERE n = 7")
    answer = told_of(state, "SP-1", NOW)
    assert answer.notes == ("entry 7 of the ledger cannot be read, so something may be missing here:"
                            " handwheel ledger verify",)  # fmt: skip
    assert "found: grade B" in part(text(state), "IN SHORT")


@pytest.mark.parametrize("language", ["en", "fr", "de"])
@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_wider_than_asked_for_in_any_language(state, language, width):
    write(state, *WHOLE)
    use_language(language)
    assert text(state, width=width)


def test_the_command_prints_a_page_or_json_and_needs_no_history(state, capsys):
    write(state, *WHOLE)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert command(parser.parse_args(["SP-1"]), plant(), state) == 0
    out = capsys.readouterr().out
    assert "pump1 seal  SP-1" in out
    assert "not computed: there is no history of that time" in out
    assert command(parser.parse_args(["SP-1", "--json", "--recorded"]), plant(), state) == 0
    (body,) = json.loads(capsys.readouterr().out)["alerts"]
    assert body["confirmed"] is False
    assert body["jobs"][0]["counted"] == 6
    assert body["said"][0]["data"]["text"] == "replace the seal"


def test_an_asset_that_is_not_read_by_us_is_not_computed_again(state):
    ((label, words),) = physics.rows(state, plant(), "nobody", NOW, None)
    assert label == "again"
    assert "of nobody no pump or meter is read and judged by us" in words


def test_a_line_within_its_limit_tells_the_margin_and_one_without_limits_none():
    assert line_row(LINE | {"value": 2.2, "word": "ok"})[1].endswith("limit 4.50 / 7.10, margin 2.3 mm/s")
    assert "margin" not in line_row(LINE | {"warn": None, "act": None, "word": "info"})[1]


def test_only_what_holds_a_text_is_read(state):
    write(state, *WHOLE)
    assert [one.kind for one in entries(state, holding="planned stop")] == ["decision"]
