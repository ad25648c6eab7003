"""The ledger: what is appended stays, and whatever is changed afterwards is found at its entry."""

import argparse
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import UserError
from monitor.daemon.publishing import write_facts
from monitor.ledger import (
    KINDS,
    Draft,
    Ledger,
    LedgerError,
    entries,
    head,
    parse_head,
    raw_message,
    verify,
)
from monitor.ledger.command import add_arguments, command
from monitor.sqlite_file import FileDamaged
from monitor.state import State
from monitor.words import parse_utc
from tests.monitor.plants import plant

GOLDEN_FOLDER = Path(__file__).parents[1] / "golden"
GOLDEN = [json.loads(line) for line in (GOLDEN_FOLDER / "ledger.jsonl").read_text().splitlines()]
AT = parse_utc("2026-11-23T13:22:05.800Z")
COMMANDS = {"alert_id": "A-1", "note": ""}


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state").make()


def golden_draft(line: dict) -> Draft:
    body = json.loads(line["body"])
    return Draft(
        body["kind"],
        body["data"],
        parse_utc(body["at"]),
        body["via"],
        body["role"],
        body["site"],
        body["asset"],
        body["component"],
    )


def write_golden(state: State) -> None:
    ledger = Ledger(state)
    ledger.keep_raw((GOLDEN_FOLDER / "vendor_message.json").read_bytes(), AT)
    ledger.append_many(map(golden_draft, GOLDEN), [bytes.fromhex(line["salt"]) for line in GOLDEN])
    ledger.close()


def fill(state: State, count: int = 6) -> Ledger:
    ledger = Ledger(state)
    for number in range(count):
        ledger.append("acknowledge", {"alert_id": f"A-{number}", "note": ""}, at_us=AT + number * 1_000, via="screen")
    return ledger


def damage(path: Path, query: str, values: tuple = ()) -> None:
    """What somebody with the file and sqlite3 can do: triggers are dropped first."""
    with sqlite3.connect(path) as db:
        db.execute("DROP TRIGGER IF EXISTS no_change")
        db.execute("DROP TRIGGER IF EXISTS no_removal")
        db.execute(query, values)
    db.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can put a file there in the name of another user")
@pytest.mark.parametrize("end", ["-wal", "-journal"])
def test_a_log_that_another_user_planted_beside_the_ledger_is_never_written_into_it(state, tmp_path, end):
    write_golden(state)
    before = head(state)
    forger = State(tmp_path / "forger").make()
    for path in (state.ledger, state.bodies):
        shutil.copyfile(path, forger.root / path.name)
    forged = Ledger(forger)
    forged.append("restart", {"version": "never"}, at_us=AT, via="daemon")
    for path in (state.ledger, state.bodies):
        planted = path.with_name(f"{path.name}{end}")
        shutil.copyfile(forger.root / f"{path.name}-wal", planted)
        os.chown(planted, 65_534, -1)
    forged.close()
    Ledger(state).close()
    assert head(state) == before
    assert len(list(state.root.glob(f".*{end}.*.stranger"))) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_ledger_that_belongs_to_another_user_is_not_gone_on_with(state):
    write_golden(state)
    os.chown(state.bodies, 65_534, -1)
    with pytest.raises(FileDamaged, match="belongs to another user"):
        Ledger(state)


def test_nobody_takes_away_what_others_put_into_the_state(tmp_path):
    state = State(tmp_path / "new").make()
    for folder in (state.root, state.history):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o3770


def test_the_golden_ledger_is_made_again_byte_for_byte_from_its_salts(state):
    write_golden(state)
    with sqlite3.connect(state.ledger) as chain:
        links = chain.execute("SELECT n, digest, prev, hash FROM entry ORDER BY n").fetchall()
    chain.close()
    with sqlite3.connect(state.bodies) as kept:
        bodies = kept.execute("SELECT n, salt, body FROM body ORDER BY n").fetchall()
    kept.close()
    for line, link, body in zip(GOLDEN, links, bodies, strict=True):
        assert link == (line["n"], *(bytes.fromhex(line[name]) for name in ("digest", "prev", "hash")))
        assert body == (line["n"], bytes.fromhex(line["salt"]), line["body"].encode())
    assert head(state) == (3, "C5VN-WNM5-EYSZ-VAXX")
    assert verify(state, "3:C5VN-WNM5-EYSZ-VAXX").ok


def test_what_was_appended_is_read_back_in_order_while_the_writer_is_open(state):
    ledger = fill(state, 3)
    ledger.append("event", {"date": "2026-11-23", "event_kind": "price", "text": "ä €"}, at_us=AT, via="cli", site="G")
    found = list(entries(state))
    assert [record.n for record in found] == [1, 2, 3, 4]
    assert found[3].data["text"] == "ä €"
    assert (found[3].site, found[3].at_us, found[3].role, found[3].via) == ("G", AT, None, "cli")
    assert [record.n for record in entries(state, ["event"])] == [4]
    assert [record.n for record in entries(state, None, AT + 1_000, AT + 2_000)] == [2]
    assert [record.n for record in entries(state, after_n=2)] == [3, 4]
    assert ledger.head() == head(state)
    ledger.close()


def test_an_empty_place_has_no_entries_and_no_head(state):
    assert list(entries(state)) == []
    assert head(state) == (0, "")
    assert not verify(state).ok


def test_an_unknown_kind_or_a_missing_field_is_a_bug_and_nothing_is_written(state):
    ledger = Ledger(state)
    with pytest.raises(ValueError, match="kind 'decison' is unknown"):
        ledger.append("decison", {}, at_us=AT, via="screen")
    with pytest.raises(ValueError, match="decision needs choice, reason, until"):
        ledger.append("decision", {"alert_id": "A-1"}, at_us=AT, via="screen")
    with pytest.raises(ValueError):
        ledger.append("assessment", {"index": float("nan"), "state": "", "word": ""}, at_us=AT, via="worker")
    with pytest.raises(ValueError):
        ledger.append_many([Draft("acknowledge", COMMANDS, AT, "screen"), Draft("nonsense", {}, AT, "screen")])
    assert ledger.head()[0] == 0
    ledger.close()


def test_every_kind_of_the_house_has_a_row_in_the_table():
    told = "vendor_alert own_alert decision acknowledge shelve work_order finding failure event cost verdict assessment"
    told += " audit audit_signed review_freeze review report restart stop gap clock_step config import period"
    assert set(told.split()) <= set(KINDS)


def test_thousands_of_entries_go_in_as_one_deed(state):
    ledger = Ledger(state)
    made = ledger.append_many(
        {"kind": "acknowledge", "data": COMMANDS, "at_us": AT, "via": "demo", "role": "operator"} for _ in range(5_000)
    )
    assert (made[0].n, made[-1].n) == (1, 5_000)
    assert made[-1].head == ledger.head()[1]
    ledger.close()
    assert verify(state, f"5000:{made[-1].head}").ok
    assert sum(1 for _ in entries(state)) == 5_000


FIELDS = [("ledger", "entry", field) for field in ("digest", "prev", "hash")]
FIELDS += [("bodies", "body", field) for field in ("salt", "body")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> State:
    state = State(tmp_path_factory.mktemp("ledger") / "state").make()
    fill(state).close()
    return state


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_single_changed_byte_of_any_entry_is_found_at_that_entry(whole, tmp_path_factory, data):
    state = State(tmp_path_factory.mktemp("changed"))
    for path in (whole.ledger, whole.bodies):
        (state.root / path.name).write_bytes(path.read_bytes())
    file, table, field = data.draw(st.sampled_from(FIELDS))
    n = data.draw(st.integers(1, 6))
    path = getattr(state, file)
    with sqlite3.connect(path) as db:
        old = db.execute(f"SELECT {field} FROM {table} WHERE n = ?", (n,)).fetchone()[0]
    db.close()
    kind = data.draw(st.sampled_from(["flip", "cut", "add", "text"]))
    at = data.draw(st.integers(0, len(old) - 1))
    flipped = old[:at] + bytes([old[at] ^ data.draw(st.integers(1, 255))]) + old[at + 1 :]
    new = {"flip": flipped, "cut": old[:at], "add": old + b" ", "text": old.hex()}[kind]
    damage(path, f"UPDATE {table} SET {field} = ? WHERE n = ?", (new, n))
    result = verify(state)
    assert (result.ok, result.first_fault) == (False, n)
    assert f"entry {n} " in result.words


@pytest.mark.parametrize("n", [1, 3, 5])
def test_an_entry_cut_from_the_middle_is_found_where_it_was(state, n):
    fill(state).close()
    damage(state.ledger, "DELETE FROM entry WHERE n = ?", (n,))
    assert verify(state).first_fault == n


def test_an_inserted_entry_is_found_even_if_all_numbers_fit(state):
    fill(state).close()
    damage(state.ledger, "UPDATE entry SET n = -n WHERE n > 3")
    damage(state.ledger, "UPDATE entry SET n = 1 - n WHERE n < 0")
    body, salt = b"{}", bytes(16)
    digest = hashlib.sha256(salt + body).digest()
    with sqlite3.connect(state.ledger) as db:
        prev = db.execute("SELECT hash FROM entry WHERE n = 3").fetchone()[0]
    db.close()
    link = hashlib.sha256(prev + digest).digest()
    damage(state.ledger, "INSERT INTO entry VALUES (4, ?, ?, ?)", (digest, prev, link))
    damage(state.bodies, "UPDATE body SET n = -n WHERE n > 3")
    damage(state.bodies, "UPDATE body SET n = 1 - n WHERE n < 0")
    damage(state.bodies, "INSERT INTO body VALUES (4, ?, ?)", (salt, body))
    assert verify(state).first_fault == 5


def test_a_tail_that_was_cut_in_both_files_shows_against_paper_and_only_there(state):
    ledger = fill(state)
    n, printed = ledger.head()
    ledger.close()
    damage(state.ledger, "DELETE FROM entry WHERE n > 4")
    assert not verify(state).ok
    damage(state.bodies, "DELETE FROM body WHERE n > 4")
    assert verify(state).ok
    result = verify(state, f"{n}:{printed}")
    assert (result.ok, result.first_fault) == (False, 5)
    assert "the tail was cut" in result.words


def test_a_past_that_was_written_anew_shows_against_paper(state, tmp_path):
    ledger = fill(state)
    n, printed = ledger.head()
    ledger.close()
    other = State(tmp_path / "other").make()
    fill(other).close()
    assert verify(other).ok
    result = verify(other, f"{n}:{printed}")
    assert (result.ok, result.first_fault) == (False, n)


def test_a_ledger_that_has_grown_still_agrees_with_older_paper(state):
    ledger = fill(state)
    n, printed = ledger.head()
    ledger.append("acknowledge", COMMANDS, at_us=AT, via="screen")
    ledger.close()
    assert verify(state, f"{n}:{printed.lower().replace('-', ' ')}").ok


@pytest.mark.parametrize("text", ["", "12", "12:TBGS", "0:TBGS-2YVY-D34O-72BO", "x:TBGS-2YVY-D34O-72BO", "1:!!!!"])
def test_a_head_that_is_not_as_printed_is_refused_in_one_line(text):
    with pytest.raises(UserError, match="as printed"):
        parse_head(text)


def test_an_erased_entry_says_so_and_the_chain_holds(state):
    ledger = fill(state)
    ledger.erase([2, 4], "alerts older than ten years", at_us=AT, role="administrator", via="cli")
    ledger.close()
    result = verify(state)
    assert result.ok
    assert result.erased == 2
    assert [record.n for record in entries(state) if record.erased] == [2, 4]
    assert [record.n for record in entries(state, ["acknowledge"])] == [1, 3, 5, 6]
    assert next(entries(state, ["erasure"])).data == {
        "entries": [2, 4], "kinds": {"acknowledge": 2}, "rule": "alerts older than ten years",
    }  # fmt: skip


def test_a_body_that_vanished_without_an_entry_of_it_is_a_fault(state):
    fill(state).close()
    damage(state.bodies, "UPDATE body SET salt = NULL, body = NULL WHERE n = 3")
    assert verify(state).first_fault == 3
    damage(state.bodies, "DELETE FROM body WHERE n = 2")
    assert verify(state).first_fault == 2


def test_an_erasure_itself_is_never_erased(state):
    ledger = fill(state)
    told = ledger.erase([1], "rule", at_us=AT, role="administrator", via="cli")
    with pytest.raises(ValueError, match="kind erasure and stays"):
        ledger.erase([told.n], "rule", at_us=AT, role="administrator", via="cli")
    with pytest.raises(ValueError, match="can be erased"):
        ledger.erase([99], "rule", at_us=AT, role="administrator", via="cli")
    ledger.close()


def test_a_vendors_message_is_kept_byte_for_byte_and_a_change_is_found_at_its_alert(state):
    ledger = fill(state, 2)
    raw = b'{"alert": "\xff\x00"}'
    name = ledger.keep_raw(raw, AT)
    assert ledger.keep_raw(raw) == name == hashlib.sha256(raw).hexdigest()
    data = json.loads(GOLDEN[1]["body"])["data"] | {"raw_sha256": name}
    ledger.append("vendor_alert", data, at_us=AT, via="intake")
    ledger.close()
    assert raw_message(state, name) == raw
    assert raw_message(state, "0" * 64) is None
    assert verify(state).ok
    damage(state.bodies, "UPDATE raw SET bytes = ?", (b"{}",))
    assert verify(state).first_fault == 3


def test_a_vendors_message_that_was_erased_leaves_its_digest_and_nothing_else(state):
    ledger = fill(state, 2)
    raw = b"from: A Person, who asked to be forgotten " * 200
    name = ledger.keep_raw(raw, AT)
    data = json.loads(GOLDEN[1]["body"])["data"] | {"raw_sha256": name}
    ledger.append("vendor_alert", data, at_us=AT, via="intake")
    entry = ledger.erase([], "messages older than two years", raw=[name], at_us=AT, role="administrator", via="cli")
    assert b"A Person" not in b"".join(path.read_bytes() for path in state.root.glob("bodies.sqlite*"))
    ledger.keep_raw(raw, AT)  # the vendor sends it again
    with pytest.raises(ValueError, match="no such message"):
        ledger.erase([], "again", raw=[name], at_us=AT, role="administrator", via="cli")
    ledger.close()
    assert raw_message(state, name) is None
    assert verify(state).ok
    told = {record.n: record.data for record in entries(state)}
    assert told[3]["raw_sha256"] == name
    assert told[entry.n] == {"entries": [], "raw": [name], "rule": "messages older than two years"}


def test_a_vendors_message_that_vanished_without_an_entry_of_it_is_a_fault(state):
    ledger = fill(state, 2)
    name = ledger.keep_raw(b"message", AT)
    ledger.close()
    damage(state.bodies, "UPDATE raw SET bytes = x''")
    result = verify(state)
    assert not result.ok
    assert name in result.words and "no entry tells of it" in result.words


def test_a_body_whose_entry_never_came_is_set_aside_and_reported(state):
    fill(state, 2).close()
    damage(state.bodies, "INSERT INTO body VALUES (3, x'00', x'7b7d')")
    damage(state.bodies, "PRAGMA user_version=3")
    result = verify(state)
    assert (result.ok, "bodies 3 to 3 have no entry: those of one batch" in result.words) == (True, True)
    ledger = Ledger(state)
    assert (ledger.orphans, ledger.cut) == (1, None)
    assert ledger.append("acknowledge", COMMANDS, at_us=AT, via="screen").n == 3
    ledger.close()
    assert verify(state).ok
    with sqlite3.connect(state.bodies) as db:
        assert db.execute("SELECT n, body FROM orphan").fetchall() == [(3, b"{}")]
    db.close()


def test_the_file_itself_refuses_to_change_an_entry(state):
    fill(state).close()
    with sqlite3.connect(state.ledger) as db, pytest.raises(sqlite3.DatabaseError, match="never change"):
        db.execute("UPDATE entry SET n = 99 WHERE n = 1")
    db.close()


def test_a_damaged_file_is_one_line_not_a_traceback(state):
    fill(state).close()
    state.bodies.write_bytes(b"rubbish" * 1_000)
    assert "cannot be read" in verify(state).words
    with pytest.raises(UserError, match="move it away or put back a copy"):
        Ledger(state)


def test_an_unreadable_body_sends_the_reader_to_verify(state):
    fill(state).close()
    damage(state.bodies, "UPDATE body SET body = x'ff' WHERE n = 2")
    with pytest.raises(LedgerError, match="entry 2 cannot be read"):
        list(entries(state))


def test_the_command_says_ok_or_where_the_fault_is(state, capsys):
    write_golden(state)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert command(parser.parse_args(["verify", "--head", "3:C5VN-WNM5-EYSZ-VAXX"]), None, state) == 0
    assert capsys.readouterr().out.startswith("OK: 3 entries")
    assert command(parser.parse_args(["show", "--json", "--kind", "decision"]), None, state) == 0
    assert json.loads(capsys.readouterr().out)["data"]["choice"] == "defer"
    assert command(parser.parse_args(["show", "--last", "1"]), plant(time_zone="Asia/Tokyo"), state) == 0
    told = capsys.readouterr().out
    assert "decision" in told
    assert "+09:00" in told  # the plant's time, wherever the machine thinks it is
    damage(state.ledger, "DELETE FROM entry WHERE n = 2")
    assert command(parser.parse_args(["verify"]), None, state) == 1
    assert "FAULT: entry 2 is missing" in capsys.readouterr().out


def put_back_older(state, tmp_path, *, bodies=False):
    """Two entries, a copy, four more; then the copy of the chain lies in its place again."""
    fill(state, 2).close()
    files = (state.ledger, state.bodies) if bodies else (state.ledger,)
    for path in files:
        shutil.copy(path, tmp_path / path.name)
    ledger = fill(state, 4)
    head = ledger.head()
    ledger.close()
    for path in files:
        shutil.copy(tmp_path / path.name, path)
    return head


def test_an_older_chain_beside_newer_bodies_is_a_fault_and_nothing_is_thrown_away(state, tmp_path):
    put_back_older(state, tmp_path)
    result = verify(state)
    assert (result.ok, result.first_fault) == (False, 3)
    assert "bodies 3 to 6 belong to no entry" in result.words
    ledger = Ledger(state)
    assert (ledger.cut, ledger.orphans) == ((3, 6), 4)
    ledger.close()
    with sqlite3.connect(state.bodies) as db:
        assert [n for (n,) in db.execute("SELECT n FROM orphan WHERE length(body) > 0 ORDER BY n")] == [3, 4, 5, 6]
    db.close()


def test_a_chain_that_is_shorter_or_other_than_what_was_published_is_a_fault(state, tmp_path):
    n, head = put_back_older(state, tmp_path, bodies=True)
    assert verify(state).ok  # nothing here tells of it
    write_facts(state, (n, head), AT)
    result = verify(state)
    assert (result.ok, result.first_fault) == (False, 3)
    assert "the daemon published 6 entries" in result.words
    fill(state, 5).close()
    result = verify(state)
    assert (result.ok, result.first_fault) == (False, 6)
    assert f"the daemon published {head}" in result.words


def test_an_entry_that_is_being_written_while_somebody_verifies_is_no_fault(state):
    ledger, over = fill(state, 3), threading.Event()

    def write():
        while not over.is_set():
            ledger.append_many([Draft("acknowledge", COMMANDS, AT, "screen")] * 2)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(30):
            result = verify(state)
            assert result.ok, result.words
    finally:
        over.set()
        writer.join()
        ledger.close()
    assert result.n > 3
