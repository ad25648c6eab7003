"""Retention: what is old enough goes, what is still evidence stays, and the ledger says which, by which rule."""

import json
import sqlite3
from dataclasses import replace
from datetime import date
from hashlib import sha256

import pytest

from drivers.errors import UserError
from monitor.jobs import JOBS
from monitor.ledger import Draft, Ledger, entries, verify
from monitor.ledger.contracts import changed_contracts, terms_of
from monitor.ledger.erasure import carry_out
from monitor.ledger.retention import MOST, command, due, erasure, look
from monitor.plant import Contract
from monitor.reports.comparison import erased_words
from monitor.settings import load
from monitor.state import State
from monitor.words import parse_utc
from tests.monitor.test_ledger import GOLDEN, GOLDEN_FOLDER, damage

DAY = 86_400_000_000
NOW = parse_utc("2026-11-27T00:00:00.000Z")
ALERT = json.loads(GOLDEN[1]["body"])["data"]
DECISION = json.loads(GOLDEN[2]["body"])["data"]
ORDER = {"wo_id": "WO-1", "opened": "2026-01-01T00:00:00.000Z", "action": "inspect", "trigger": "vendor_alert",
         "alert_id": "A-1", "done": None}  # fmt: skip
FINDING = {"wo_id": "WO-1", "grade": "A", "inspector_party": "utility", "blind_to_alert": True}
SECRET = "ask Lieselotte Hagedorn"


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "state").make()


@pytest.fixture(scope="module")
def plant():
    return load(GOLDEN_FOLDER / "config")


def aged(state, *told):
    """A ledger of (kind, data, age in days); open, as the daemon has it."""
    ledger = Ledger(state)
    ledger.append_many(Draft(kind, data, NOW - round(age * DAY), "cli") for kind, data, age in told)
    return ledger


def numbers(found):
    return {one.kind: (one.goes, one.held) for one in found}


def said(state, rules, now_us=NOW, messages=()):
    kinds = ("vendor_alert", "decision", "acknowledge", "work_order", "finding", "review_freeze", "review")
    return due(entries(state, kinds), dict(messages), rules, now_us)


def test_what_is_older_than_its_rule_goes_and_what_has_no_rule_stays(state):
    aged(state, ("decision", DECISION, 11), ("decision", DECISION, 10), ("decision", DECISION, 9.5),
         ("acknowledge", {"alert_id": "A", "note": ""}, 999)).close()  # fmt: skip
    (one,) = said(state, {"decision": 10})
    assert (one.goes, one.held, one.rule) == ((1, 2), (), "decision = 10")
    assert one.next_us == NOW + DAY // 2


def test_an_open_work_order_holds_its_alert_and_all_that_was_decided_on_it(state):
    alert = ALERT | {"alert_id": "A-1"}
    aged(state, ("vendor_alert", alert, 900), ("decision", DECISION | {"alert_id": "A-1"}, 900),
         ("decision", DECISION | {"alert_id": "A-2"}, 900), ("work_order", ORDER, 900)).close()  # fmt: skip
    rules = {"vendor_alert": 30, "decision": 30, "work_order": 30, "message": 30}
    messages = {ALERT["raw_sha256"]: NOW - 900 * DAY, "f" * 64: NOW - 31 * DAY}
    found = numbers(said(state, rules, messages=messages))
    assert found == {"vendor_alert": ((), (1,)), "decision": ((3,), (2,)), "work_order": ((), (4,)),
                     "message": (("f" * 64,), (ALERT["raw_sha256"],))}  # fmt: skip


@pytest.mark.parametrize("end", [("work_order", ORDER | {"done": "2026-02-01T00:00:00.000Z"}), ("finding", FINDING)])
def test_a_work_order_that_is_done_or_has_its_finding_holds_nothing(state, end):
    aged(state, ("work_order", ORDER, 900), (*end, 800)).close()
    assert 1 in numbers(said(state, {"work_order": 30}))["work_order"][0]


def test_a_frozen_review_holds_what_it_will_count_until_it_is_made_and_the_vendor_had_its_time(state):
    frozen = ("review_freeze", {"parameters": {"vendor": None}, "sha256": "a" * 64}, 100)
    ledger = aged(state, ("decision", DECISION, 900), ("decision", DECISION, 800), frozen)
    assert numbers(said(state, {"decision": 30}))["decision"] == ((1,), (2,))
    other = {"status": "x", "parameters_sha256": "b" * 64}
    ledger.append("review", other, at_us=NOW - 50 * DAY, via="worker")
    assert numbers(said(state, {"decision": 30}))["decision"] == ((1,), (2,))
    made = other | {"parameters_sha256": "a" * 64}
    ledger.append("review", made, at_us=NOW - 50 * DAY, via="screen")  # somebody looked, through the daemon
    ledger.append("review", made, at_us=NOW - 29 * DAY, via="worker")  # the vendor may still contest
    assert numbers(said(state, {"decision": 30}))["decision"] == ((1,), (2,))
    ledger.append("review", made, at_us=NOW - 30 * DAY, via="worker")
    ledger.close()
    assert numbers(said(state, {"decision": 30}))["decision"] == ((1, 2), ())


def test_what_is_held_is_erased_by_hand_only_where_somebody_says_so_and_the_entry_tells_it(state):
    """An open review, and a message whose alert belongs to an open work order: neither goes by the way."""
    name = sha256(b"x").hexdigest()
    alert = ALERT | {"raw_sha256": name}
    frozen = ("review_freeze", {"parameters": {"vendor": None}, "sha256": "a" * 64}, 100)
    ledger = aged(state, ("finding", FINDING, 200), ("finding", FINDING, 900), ("vendor_alert", alert, 150), frozen)
    ledger.keep_raw(b"x", NOW)
    by = {"at_us": NOW, "role": "administrator", "via": "screen"}
    with pytest.raises(UserError, match="still needs 1; end it first, or add --although-held"):
        carry_out(ledger, state, {"entries": [1, 2], "rule": "tidy"}, **by)
    with pytest.raises(UserError, match=f"still needs {name[:16]}"):
        carry_out(ledger, state, {"raw": [name], "rule": "tidy"}, **by)
    assert not list(entries(state, ["erasure"]))
    carry_out(ledger, state, {"entries": [2], "rule": "tidy"}, **by)
    carry_out(ledger, state, {"entries": [1], "rule": "tidy", "although_held": True}, **by)
    ledger.close()
    assert [one.data.get("held") for one in entries(state, ["erasure"])] == [None, [1]]
    assert erased_words(state) == "; 2 erased under a rule, 1 of them although held as evidence"
    assert verify(state).ok


def test_a_message_is_as_old_as_the_entry_that_names_it_whatever_the_file_says_of_its_time(state):
    aged(state, ("vendor_alert", ALERT, 40)).close()
    messages = {ALERT["raw_sha256"]: NOW}
    assert numbers(said(state, {"message": 30}, messages=messages)) == {"message": ((ALERT["raw_sha256"],), ())}


def bytes_of(state):
    return b"".join(path.read_bytes() for path in state.root.rglob("*") if path.is_file())


def test_what_the_worker_names_is_erased_with_one_entry_and_no_byte_of_it_is_left_in_any_file(state, plant):
    raw = f"{SECRET} {'x' * 9_000}".encode()
    ledger = Ledger(state)
    name = ledger.keep_raw(raw, NOW - 50 * DAY)
    for number in range(30):
        note = {"alert_id": "A", "note": f"{SECRET} {'y' * 400}"}
        ledger.append("acknowledge", note, at_us=NOW - 50 * DAY, via="screen")
        ledger.append("vendor_alert", ALERT | {"raw_sha256": name, "text": SECRET}, at_us=NOW - 50 * DAY, via="intake")
        ledger.append("restart", {"version": str(number)}, at_us=NOW - 50 * DAY, via="daemon")
    damage(state.bodies, "INSERT INTO orphan VALUES (7, x'00', ?)",
           (json.dumps({"at": "2026-01-01T00:00:00.000Z", "note": SECRET}).encode(),))  # fmt: skip
    assert SECRET.encode() in bytes_of(state)
    rules = replace(plant, retention={"message": 30, "acknowledge": 30, "vendor_alert": 30})
    made = JOBS["retention"](state, rules, NOW, {}, lambda *_: None)
    assert made.words == "61 bodies and messages are due, 0 held"
    (draft,) = made.ledger
    assert json.dumps(draft)
    entry = carry_out(ledger, state, draft["data"], at_us=NOW, role=None, via=draft["via"])
    told = next(entries(state, ["erasure"]))
    assert (told.n, told.via, told.data["kinds"]) == (entry.n, "retention", {"acknowledge": 30, "vendor_alert": 30})
    assert told.data["rule"] == "[retention] message = 30, acknowledge = 30, vendor_alert = 30"
    assert (len(told.data["entries"]), told.data["raw"], told.data["orphans"]) == (60, [name], 1)
    assert SECRET.encode() not in bytes_of(state)
    assert b"yyyy" not in bytes_of(state)
    result = verify(state)
    assert (result.ok, result.erased) == (True, 60)
    assert JOBS["retention"](state, rules, NOW, {}, lambda *_: None).ledger == []
    ledger.close()
    assert SECRET.encode() not in bytes_of(state)


def test_what_a_reader_holds_back_is_wiped_as_soon_as_it_lets_go(state):
    ledger = aged(state, ("acknowledge", {"alert_id": "A", "note": SECRET}, 50))
    reader = sqlite3.connect(state.bodies, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM body").fetchone()
    ledger._bodies.execute("PRAGMA busy_timeout=50")
    ledger.erase([1], "rule", at_us=NOW, role=None, via="cli")
    reader.close()
    ledger.seal(NOW)
    assert SECRET.encode() not in bytes_of(state)
    ledger.close()


def test_a_run_takes_so_much_and_leaves_the_rest_for_the_next(state):
    aged(state, *[("decision", DECISION, 50)] * (MOST + 7)).close()
    draft = erasure(said(state, {"decision": 30}), NOW)
    assert len(draft["data"]["entries"]) == MOST


def test_the_command_shows_what_would_go_and_erases_nothing(state, plant, capsys):
    aged(state, ("decision", DECISION, 50), ("work_order", ORDER, 50)).close()
    rules = replace(plant, retention={"decision": 30, "work_order": 30, "message": 30})
    assert command(None, rules, state, NOW) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["decision", "=", "30", "1", "0", "-"]
    assert lines[2].split() == ["work_order", "=", "30", "0", "1", "-"]
    assert verify(state).erased == 0
    assert command(None, plant, state, NOW) == 0
    assert "nothing is ever erased by itself" in capsys.readouterr().out
    assert look(State(state.root / "none"), rules, NOW) == []


# contracts


LEASE = Contract("C-1", "SmartPump", "lease", ("pump1",), date(2026, 1, 1), value_per_year=1200.5)


def test_each_new_changed_or_removed_contract_is_one_entry(state):
    drafts = changed_contracts([LEASE], [], NOW)
    assert [(one.data["contract_id"], one.data["terms"]["start"]) for one in drafts] == [("C-1", "2026-01-01")]
    ledger = Ledger(state)
    ledger.append_many(drafts)
    assert changed_contracts([LEASE], entries(state, ["contract"]), NOW) == []
    (changed,) = changed_contracts([replace(LEASE, exit_days=90)], entries(state, ["contract"]), NOW)
    assert changed.data["terms"]["exit_days"] == 90
    (gone,) = changed_contracts([], entries(state, ["contract"]), NOW)
    assert gone.data == {"contract_id": "C-1", "sha256": "", "terms": None}
    ledger.append_many([gone])
    assert changed_contracts([], entries(state, ["contract"]), NOW) == []
    assert [one.data["terms"] for one in changed_contracts([LEASE], entries(state, ["contract"]), NOW)] == [
        terms_of(LEASE)
    ]
    ledger.close()
