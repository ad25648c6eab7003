"""What people may have recorded: each deed becomes an entry that the ledger takes, or a refusal in one line."""

import asyncio
import string
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import UserError
from drivers.record import Alert
from monitor.claims import Claims, alert_of
from monitor.command_socket import Request
from monitor.daemon.alarms import AlarmList
from monitor.daemon.deeds import RECORDED, draft_of
from monitor.daemon.desk import Desk
from monitor.ledger import Record, body_of
from monitor.settings import load
from monitor.state import State

NOW = 1_795_440_000_000_000
SETTINGS = load(Path(__file__).parents[1] / "golden/config")
KNOWN = {"SP-2026-0042": ("pump1", "seal")}
GOOD = {
    "decide": {"alert_id": "SP-2026-0042", "choice": "defer", "reason": "standby out", "until": "2026-11-30T07:00:00Z"},
    "acknowledge": {"alert_id": "SP-2026-0042", "note": ""},
    "shelve": {"alert_id": "SP-2026-0042", "until": "2026-11-23T15:00:00+01:00", "reason": "noise"},
    "finding": {"wo_id": "WO-881", "asset": "pump1", "component": "seal", "grade": "B", "wear_pct": "30 %",
                "inspector_party": "utility", "blind_to_alert": False},
    "work_order": {"wo_id": "WO-881", "asset": "pump1", "component": "seal", "opened": "2026-11-20T08:00:00Z",
                   "trigger": "vendor_alert", "action": "inspect", "planned_cost": "900.00 EUR"},
    "failure": {"failure_id": "F-1", "asset": "pump1", "component": "seal", "mode": "leak", "cost": "4500.00 EUR"},
    "event": {"date": "2026-11-01", "event_kind": "firmware", "text": "4.2", "asset": "pump1", "component": "seal"},
    "cost": {"planned": "900.00 EUR", "failure": "4500.00 EUR", "source": "contract", "p_fail": 0.5, "asset": "pump1",
             "component": "seal"},
    "confirm_baseline": {"asset": "pump1", "from": "2026-11-20T08:00:00Z", "reason": "seal and bearing exchanged"},
    "sign_audit": {"audit": "2026-11-23T06:00:00Z", "note": ""},
    "freeze": {"parameters": {"q0": 0.5}, "sha256": "0" * 64},
    "review": {"status": "WATCH", "parameters_sha256": "0" * 64, "vendor": None, "evidence": {"e": 7.5}},
    "contest": {"vendor": "SmartPump", "sha256": "0" * 64, "late": False, "file": "contest.csv",
                "findings": [{"n": 7, "wo_id": "WO-881", "reason": "the seal was changed before"}]},
    "probe": {"source": "pump1", "device": "1", "asked": "input, wire 0 to 9", "file": "x.jsonl", "asset": "pump1"},
    "export": {"what": "values", "files": {"a.csv": "0" * 64}, "rows": 3, "start": None, "end": "2026-11-23T00:00:00Z"},
    "import": {"id": "0123456789abcdef", "kind": "values", "file": "a.csv", "rows": 3, "rejected": 0, "start": None,
               "end": "2026-11-23T00:00:00Z", "sha256": "0" * 64, "mapping_sha256": "0" * 64, "rows_sha256": "0" * 64},
    "erase": {"raw": ["0" * 64], "entries": [], "rule": "messages older than two years"},
}  # fmt: skip


def made(verb, data):
    return draft_of(verb, data, "operator", NOW, SETTINGS, KNOWN.get)


@pytest.mark.parametrize("verb", RECORDED)
def test_a_good_deed_is_an_entry_with_its_role_and_place(verb):
    draft = made(verb, GOOD[verb])
    body_of(draft)
    assert (draft.role, draft.at_us) == ("operator", NOW)
    if verb in ("probe", "confirm_baseline"):
        assert (draft.site, draft.asset, draft.component) == ("G", "pump1", None)
    elif verb not in ("sign_audit", "freeze", "review", "contest", "erase", "export", "import"):
        assert (draft.site, draft.asset, draft.component) == ("G", "pump1", "seal")


@pytest.mark.parametrize(
    ("verb", "change", "words"),
    [
        ("decide", {"choice": "ignore"}, "choice: 'ignore' is not one of follow, defer"),
        ("decide", {"reason": " "}, "reason: is missing"),
        ("decide", {"until": ""}, "until: is missing"),
        ("decide", {"until": "2026-11-30T07:00:00"}, "until: .*names no time zone"),
        ("decide", {"alert_id": "SP-1"}, "alert_id: SP-1 is not known"),
        ("decide", {"deferral_prob": 2}, "from 0 to 1"),
        ("finding", {"grade": "F"}, "grade: 'F' is not one of A, B, C, D, E"),
        ("finding", {"wear_pct": "30"}, "wear_pct: '30' is not a number with its unit"),
        ("finding", {"wear_pct": "30 mm"}, "wear_pct: is given in %"),
        ("finding", {"asset": "pump2"}, "asset: 'pump2' is not configured"),
        ("finding", {"blind_to_alert": "no"}, "blind_to_alert: true or false"),
        ("finding", {"photo_sha256": "abc"}, "64 hexadecimal"),
        ("work_order", {"opened": "yesterday"}, "opened: "),
        ("work_order", {"opened": "0001-01-01T00:00:00Z"}, "opened: .*is not between 1970 and 9998"),
        ("decide", {"until": "9999-12-31T23:59:59.999999Z"}, "until: .*is not between 1970 and 9998"),
        ("work_order", {"planned_cost": "٣ EUR"}, "planned_cost: .*is not a number with its unit"),
        ("confirm_baseline", {"reason": ""}, "reason: is missing"),
        ("confirm_baseline", {"from": "2026-11-24T08:00:00Z"}, "from: lies ahead"),
        ("confirm_baseline", {"from": None}, "from: is missing"),
        ("confirm_baseline", {"asset": ""}, "asset: '' is not configured"),
        ("work_order", {"planned_cost": "900 CHF"}, "planned_cost: 900 CHF is not in EUR"),
        ("finding", {"withdrawn": True}, "withdrawn: names no entry"),
        ("finding", {"corrects": -1}, "corrects: a whole number"),
        ("failure", {"at": "2027-01-01T00:00Z"}, "at: lies ahead"),
        ("event", {"event_kind": "weather"}, "event_kind: 'weather' is not one of contract, firmware"),
        ("event", {"date": "2026-13-01"}, "date: "),
        ("cost", {"failure": None}, "failure: is missing"),
        ("acknowledge", {"note": "x" * 2000}, "note: a text of 1000 characters"),
        ("freeze", {"parameters": []}, "parameters: is missing"),
        ("export", {"files": {"a.csv": "x"}}, "files: names"),
        ("import", {"id": "../../../etc/pas"}, "id: 16 hexadecimal"),
        ("import", {"kind": "persons"}, "kind: 'persons' is not one of values, findings"),
        ("export", {"rows": -1}, "rows: a whole number"),
        ("erase", {"rule": ""}, "rule: is missing"),
        ("erase", {"raw": ["x"]}, "raw: 64 hexadecimal"),
        ("erase", {"entries": [True]}, "entries: numbers"),
        ("erase", {"entries": [1]}, "either messages or entries"),
    ],
)
def test_a_deed_that_cannot_stand_is_refused_with_its_field(verb, change, words):
    with pytest.raises(UserError, match=f"^{verb}: .*{words}"):
        made(verb, {**GOOD[verb], **change})


rubbish = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(string.printable), st.lists(st.none())
)


fields = st.sampled_from(sorted({name for data in GOOD.values() for name in data} | {"audit_id", "photo_sha256"}))


@given(st.sampled_from(sorted(RECORDED)), st.dictionaries(fields, rubbish))
def test_whatever_is_sent_becomes_an_entry_or_one_line(verb, change):
    try:
        draft = made(verb, {**GOOD[verb], **change})
    except UserError as why:
        assert "\n" not in str(why)
    else:
        body_of(draft)


def vendor(alert_id="SP-1", feed="smartpump_mail", **more):
    said = Alert(alert_id, "vendor", "pump1", "seal", "wear", "warning", "replace", NOW, NOW - 60_000_000,
                 "SmartPump", feed, "replace", 14.0)  # fmt: skip
    return replace(said, **more)


def entered(claims, alert):
    draft = claims.draft(alert, "intake")
    if draft is not None:
        body_of(draft)
        claims.entered(alert)
    return draft


def test_a_claim_is_entered_once_in_whatever_file_it_comes():
    claims = Claims(SETTINGS)
    first = entered(claims, vendor(raw_sha256="aa"))
    assert (first.data["horizon"], first.site, first.component) == ("14 d", "G", "seal")
    assert first.data["issued_at"] < first.data["received_at"]
    assert entered(claims, vendor(raw_sha256="bb")) is None
    assert claims.repeated == 1
    assert entered(claims, vendor(raw_sha256="bb", active=False)) is not None


def test_no_message_takes_the_id_of_our_own_alert_from_it():
    claims = Claims(SETTINGS)
    claims.add_own("own-1", "pump1", "bearing")
    assert entered(claims, vendor(alert_id="own-1", component="seal")) is not None
    assert claims.place("own-1") == ("pump1", "bearing")


def test_a_claim_stands_until_the_one_who_made_it_takes_it_back():
    claims = Claims(SETTINGS)
    entered(claims, vendor(alert_id="a"))
    entered(claims, vendor(alert_id="bit", feed="status_bit"))
    assert claims.standing_of("SmartPump", ["x", "a"])
    assert not claims.standing_of("Another", ["a"])
    entered(claims, vendor(alert_id="a", active=False))
    assert not claims.standing_of("SmartPump", ["a"])
    entered(claims, vendor(alert_id="bit", active=False))  # by mail, what the device says itself
    assert claims.standing_of("SmartPump", ["bit"])
    entered(claims, vendor(alert_id="bit", feed="status_bit", active=False))
    assert not claims.standing_of("SmartPump", ["bit"])


def test_the_same_message_by_file_mail_and_mqtt_is_one_claim():
    claims = Claims(SETTINGS)
    assert entered(claims, vendor()) is not None
    for feed in ("smartpump_mqtt", "smartpump_file"):
        assert entered(claims, vendor(feed=feed)) is None
    assert claims.heard_us.keys() == {"smartpump_mail", "smartpump_mqtt", "smartpump_file"}
    assert entered(claims, vendor(vendor="Another")) is not None


def test_a_claim_said_again_is_not_new_but_one_raised_anew_after_its_end_is():
    claims, hour = Claims(SETTINGS), 3_600_000_000
    raised, ended = vendor(issued_us=NOW), vendor(issued_us=NOW + hour, active=False)
    assert entered(claims, raised) is not None
    assert entered(claims, vendor(issued_us=NOW + 60_000_000)) is None  # a reminder
    assert entered(claims, ended) is not None
    assert entered(claims, raised) is None  # delivered a second time
    assert entered(claims, vendor(issued_us=NOW + 1)) is None  # older than the end, overtaken by it
    assert entered(claims, vendor(issued_us=NOW + 2 * hour)) is not None
    assert entered(claims, ended) is None


def test_a_claim_without_an_id_counts_anew_after_two_weeks():
    claims, day = Claims(SETTINGS), 86_400_000_000
    nameless = {"extra": {"own_id": "1"}}
    assert entered(claims, vendor(**nameless)) is not None
    assert entered(claims, vendor(received_us=NOW + 13 * day, **nameless)) is None
    assert entered(claims, vendor(received_us=NOW + 15 * day, **nameless)) is not None
    assert entered(claims, vendor("SP-2")) is not None
    assert entered(claims, vendor("SP-2", received_us=NOW + 300 * day)) is None


def test_an_entry_says_what_is_known_of_its_times():
    claims = Claims(SETTINGS)
    bit = vendor("status_bit:t@1", "status_bit", extra={"clear_us": str(NOW - 5_000_000)})
    assert claims.draft(bit, "device").data["clear_at"] < claims.draft(bit, "device").data["received_at"]
    waited = vendor(extra={"issued_basis": "zone assumed", "may_have_waited": "yes", "own_id": "1"})
    data = claims.draft(waited, "intake").data
    assert (data["issued_basis"], data["may_have_waited"]) == ("zone assumed", "yes")
    assert not {"issued_basis", "may_have_waited", "clear_at", "own_id"} & claims.draft(vendor(), "intake").data.keys()


def test_a_time_more_than_a_day_ahead_is_kept_is_said_not_to_be_believable_and_overtakes_nothing():
    claims, day = Claims(SETTINGS), 86_400_000_000
    future = entered(claims, vendor(issued_us=NOW + 400 * day, received_us=NOW))
    assert future.data["issued_at"] > "2027"
    assert future.data["issued_basis"] == "not believable: more than a day after it was received"
    assert "issued_basis" not in claims.draft(vendor("SP-2", issued_us=NOW + day, received_us=NOW), "intake").data
    ended = vendor(issued_us=NOW + day, received_us=NOW + day, active=False)
    assert entered(claims, ended) is not None
    assert entered(claims, vendor(issued_us=NOW + 2 * day, received_us=NOW + 2 * day)) is not None  # raised anew


def test_a_claim_that_was_not_written_is_not_taken_for_known():
    claims = Claims(SETTINGS)
    assert claims.draft(vendor(), "intake") is not None
    assert claims.draft(vendor(), "intake") is not None
    assert claims.place("SP-1") is None


def test_a_restart_knows_again_what_stands_from_the_ledger_alone():
    before = Claims(SETTINGS)
    alerts = [vendor(), vendor("bit-1", "status_bit"), vendor("bit-2", "status_bit"),
              vendor("bit-2", "status_bit", active=False)]  # fmt: skip
    records = []
    for number, alert in enumerate(alerts, 1):
        draft = entered(before, alert)
        records.append(Record(number, draft.kind, draft.at_us, None, draft.via, draft.site, draft.asset,
                              draft.component, draft.data))  # fmt: skip
    after = Claims(SETTINGS)
    after.learn(records)
    assert [alert.alert_id for alert in after.standing()] == ["bit-1"]
    assert after.draft(vendor(), "intake") is None
    assert after.draft(vendor("bit-1", "status_bit"), "device") is None
    assert after.draft(vendor("bit-2", "status_bit"), "device") is not None
    assert after.place("SP-1") == ("pump1", "seal")
    assert after.heard_us == {"smartpump_mail": NOW, "status_bit": NOW}


def test_an_imported_past_stands_for_nothing_after_a_restart_and_hides_no_claim_of_today():
    draft = Claims(SETTINGS).draft(vendor(), "intake")
    past = Record(1, draft.kind, draft.at_us, None, "import", draft.site, draft.asset, draft.component, draft.data)
    claims = Claims(SETTINGS)
    claims.learn([past])
    assert claims.standing_of("SmartPump", ["SP-1"]) == []
    assert claims.heard_us == {}
    assert claims.place("SP-1") == ("pump1", "seal")
    assert entered(claims, vendor()) is not None  # the vendor says it today: it is entered, and raises its alarm
    assert entered(claims, vendor(active=False)) is not None
    assert claims.standing_of("SmartPump", ["SP-1"]) == []  # and the past keeps no alarm after it was taken back


def test_an_own_alert_read_back_from_its_entry_can_be_an_alarm():
    data = {"alert_id": "OWN-1", "index": 40.0, "threshold": 50.0, "text": "flow low", "active": True}
    alert = alert_of(data, "pump1", "impeller", "own", NOW)
    assert (alert.origin, alert.failure_mode, alert.severity, alert.active) == ("own", "health", "warning", True)


@pytest.mark.parametrize("what", ["events", "costs"])
def test_who_may_import_findings_may_not_import_what_decides_a_review(tmp_path, what):
    desk = Desk(SETTINGS, State(tmp_path), SimpleNamespace(hangs=False), Claims(SETTINGS), AlarmList(), lambda _: None)
    asked = Request("import", {**GOOD["import"], "kind": what}, "operator", ("acknowledge", "finding"))
    with pytest.raises(UserError, match="import: role operator has no right to freeze"):
        asyncio.run(desk.record(asked))
