"""Whatever one hand can do to the files of a ledger is found at its entry, or is what the document says cannot be."""

import hashlib
import json
import random
import shutil
import sqlite3
from contextlib import suppress

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drivers.errors import UserError
from monitor.ledger import Ledger, entries, head, open_ledger, raw_message, verify
from monitor.state import State
from tests.monitor.test_ledger import AT, GOLDEN, damage

MESSAGE = b'{"id": "SP-1", "message": "replace seals"}'
GONE = b"what somebody asked to be taken out"


def build(state):
    """Fourteen entries of many kinds: a key, seals, a vendor's alert with its message, two erasures."""
    ledger = open_ledger(state)  # 1 key, 2 seal
    names = [ledger.keep_raw(raw, AT) for raw in (MESSAGE, GONE)]
    alert = json.loads(GOLDEN[1]["body"])["data"]
    for name in names:  # 3, 4
        ledger.append("vendor_alert", alert | {"raw_sha256": name}, at_us=AT, via="intake", asset="pump1")
    for number in range(4):  # 5 to 8
        ledger.append("acknowledge", {"alert_id": f"A-{number}", "note": "ä"}, at_us=AT + number * 1_000, via="screen")
    ledger.seal(AT)  # 9
    ledger.erase([6], "rule", at_us=AT, role="administrator", via="cli")  # 10
    ledger.erase([], "rule", raw=[names[1]], at_us=AT, role="administrator", via="cli")  # 11
    for number in range(2):  # 12, 13
        ledger.append("restart", {"version": str(number)}, at_us=AT, via="daemon")
    ledger.close()  # 14 seal


LAST, ERASED, TELLS = 14, 6, 10


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    state = State(tmp_path_factory.mktemp("ledger") / "state").make()
    build(state)
    assert head(state)[0] == LAST
    assert verify(state).ok
    return state


def copied(whole, folder):
    state = State(folder)
    for path in (whole.ledger, whole.bodies):
        shutil.copyfile(path, state.root / path.name)
    return state


def value_of(state, file, query):
    with sqlite3.connect(getattr(state, file)) as db:
        row = db.execute(query).fetchone()
    db.close()
    return row[0]


def flipped(value, bit):
    """The value with one bit changed; a text stays one that SQLite can hold, a number a number."""
    if isinstance(value, int):
        return value ^ (1 << bit % 40)
    raw = bytearray(value.encode() if isinstance(value, str) else value)
    raw[bit // 8 % len(raw)] ^= 1 << bit % (7 if isinstance(value, str) else 8)
    return raw.decode("latin-1") if isinstance(value, str) else bytes(raw)


COLUMNS = [("ledger", "entry", name) for name in ("n", "digest", "prev", "hash")]
COLUMNS += [("bodies", "body", name) for name in ("n", "salt", "body")]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(COLUMNS), st.integers(1, LAST), st.integers(0, 4_000))
def test_a_flipped_bit_in_any_column_of_any_row_is_found_at_its_entry(whole, tmp_path_factory, column, n, bit):
    state = copied(whole, tmp_path_factory.mktemp("flip"))
    file, table, name = column
    old = value_of(state, file, f"SELECT {name} FROM {table} WHERE n = {n}")
    assume(old is not None)
    new = flipped(old, bit)
    assume(name != "n" or new > LAST or new < 1)  # the number of another row: SQLite itself refuses it
    damage(getattr(state, file), f"UPDATE {table} SET {name} = ? WHERE n = ?", (new, n))
    result = verify(state)
    assert not result.ok
    first = 1 if table == "entry" and name == "n" and new < 1 else n
    assert result.first_fault == first or (name == "body" and (n, result.first_fault) == (TELLS, ERASED))


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["sha256", "bytes"]), st.integers(0, 4_000))
def test_a_flipped_bit_in_a_vendors_message_or_its_name_is_found_at_the_alert_that_names_it(
    whole, tmp_path_factory, name, bit
):  # fmt: skip
    state = copied(whole, tmp_path_factory.mktemp("raw"))
    sha256 = hashlib.sha256(MESSAGE).hexdigest()
    old = value_of(state, "bodies", f"SELECT {name} FROM raw WHERE sha256 = '{sha256}'")
    damage(state.bodies, f"UPDATE raw SET {name} = ? WHERE sha256 = ?", (flipped(old, bit), sha256))
    result = verify(state)
    assert (result.ok, result.first_fault) == (False, 3)


@pytest.mark.parametrize("n", range(1, LAST))
@pytest.mark.parametrize("table", ["entry", "body", "both"])
def test_a_row_that_is_taken_out_is_found_where_it_was(whole, tmp_path, n, table):
    state = copied(whole, tmp_path)
    if table in ("entry", "both"):
        damage(state.ledger, "DELETE FROM entry WHERE n = ?", (n,))
    if table in ("body", "both"):
        damage(state.bodies, "DELETE FROM body WHERE n = ?", (n,))
    # without the telling of it, an erasure is what nobody told of
    assert verify(state).first_fault == (ERASED if n == TELLS and table != "entry" else n)


def test_a_message_that_is_taken_out_is_found_at_the_alert_that_names_it(whole, tmp_path):
    state = copied(whole, tmp_path)
    damage(state.bodies, "DELETE FROM raw WHERE sha256 = ?", (hashlib.sha256(MESSAGE).hexdigest(),))
    result = verify(state)
    assert result.first_fault == 3
    assert "gone" in result.words


@settings(max_examples=30, deadline=None)
@given(st.integers(1, LAST), st.integers(1, LAST), st.sampled_from(["entry", "body", "both"]))
def test_two_rows_that_change_places_are_found_at_the_first(whole, tmp_path_factory, one, other, table):
    assume(one < other)
    state = copied(whole, tmp_path_factory.mktemp("swap"))
    for file, name in (("ledger", "entry"), ("bodies", "body")):
        if table in (name, "both"):
            for old, new in ((one, -1), (other, one), (-1, other)):
                damage(getattr(state, file), f"UPDATE {name} SET n = {new} WHERE n = {old}")
    assert verify(state).first_fault == one


def shifted(state, n):
    """Room for an entry after number n."""
    for file, name in (("ledger", "entry"), ("bodies", "body")):
        damage(getattr(state, file), f"UPDATE {name} SET n = -n WHERE n > {n}")
        damage(getattr(state, file), f"UPDATE {name} SET n = 1 - n WHERE n < 0")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, LAST - 1), st.booleans(), st.integers(1, LAST))
def test_an_entry_that_is_slipped_in_is_found_also_where_it_follows_from_the_one_before(
    whole, tmp_path_factory, n, well_formed, twin
):  # fmt: skip
    """A well-formed one fits; then the next one does not follow from it. A copy of another fits nowhere."""
    state = copied(whole, tmp_path_factory.mktemp("insert"))
    prev = bytes(32) if n == 0 else value_of(state, "ledger", f"SELECT hash FROM entry WHERE n = {n}")
    shifted(state, n)
    if well_formed:
        body, salt = GOLDEN[2]["body"].encode(), bytes(16)
        digest = hashlib.sha256(salt + body).digest()
        row = (n + 1, digest, prev, hashlib.sha256(prev + digest).digest())
        damage(state.ledger, "INSERT INTO entry VALUES (?, ?, ?, ?)", row)
        damage(state.bodies, "INSERT INTO body VALUES (?, ?, ?)", (n + 1, salt, body))
        assert verify(state).first_fault == n + 2
        return
    twin += twin > n
    damage(state.ledger, f"INSERT INTO entry SELECT {n + 1}, digest, prev, hash FROM entry WHERE n = {twin}")
    damage(state.bodies, f"INSERT INTO body SELECT {n + 1}, salt, body FROM body WHERE n = {twin}")
    # a copy of what stands behind it fits where it is put: then the one behind does not
    assert verify(state).first_fault == (n + 2 if twin == n + 2 else n + 1)


@pytest.mark.parametrize("n", [1, 3, 5, 9, 12])
def test_a_body_that_was_salted_anew_is_found_unless_the_chain_is_made_anew_from_there(whole, tmp_path, n):
    state = copied(whole, tmp_path)
    body = value_of(state, "bodies", f"SELECT body FROM body WHERE n = {n}")
    damage(state.bodies, "UPDATE body SET salt = ? WHERE n = ?", (bytes(16), n))
    assert verify(state).first_fault == n
    digest = hashlib.sha256(bytes(16) + body).digest()
    damage(state.ledger, "UPDATE entry SET digest = ? WHERE n = ?", (digest, n))
    assert verify(state).first_fault == n
    prev = value_of(state, "ledger", f"SELECT prev FROM entry WHERE n = {n}")
    damage(state.ledger, "UPDATE entry SET hash = ? WHERE n = ?", (hashlib.sha256(prev + digest).digest(), n))
    assert verify(state).first_fault == n + 1


@pytest.mark.parametrize("n", range(0, LAST))
def test_a_cut_tail_is_found_against_paper_at_the_first_entry_that_is_gone(whole, tmp_path, n):
    state = copied(whole, tmp_path)
    damage(state.ledger, "DELETE FROM entry WHERE n > ?", (n,))
    result = verify(state, ":".join(map(str, head(whole))))
    # an erasure of which the telling is cut off, too, shows where it was done
    assert result.first_fault == (ERASED if ERASED <= n < 10 else n + 1)


def test_what_is_added_at_the_end_stands_behind_the_last_seal_and_verify_says_how_far_the_seals_go(
    whole, tmp_path, monkeypatch
):
    state = copied(whole, tmp_path)
    monkeypatch.setattr(Ledger, "take_key", lambda self: None)  # who forges has none
    forged = Ledger(state)
    forged.append("restart", {"version": "forged"}, at_us=AT, via="daemon")
    forged.close()
    result = verify(state)
    assert (result.ok, result.n, result.sealed) == (True, LAST + 1, LAST)
    assert f"sealed up to entry {LAST} " in result.words


@pytest.mark.parametrize(
    ("file", "query"),
    [
        ("bodies", "CREATE VIEW seen AS SELECT * FROM body"),
        ("ledger", "CREATE TRIGGER t AFTER INSERT ON entry BEGIN SELECT 1; END"),
        ("bodies", "CREATE TABLE other(n)"),
    ],
)
def test_a_view_trigger_or_table_that_we_never_made_is_named(whole, tmp_path, file, query):
    state = copied(whole, tmp_path)
    damage(getattr(state, file), query)
    result = verify(state)
    assert not result.ok
    assert "never made" in result.words


def test_a_second_body_of_one_entry_in_a_table_that_was_made_anew_is_found(whole, tmp_path):
    state = copied(whole, tmp_path)
    with sqlite3.connect(state.bodies) as db:
        (index,) = db.execute("SELECT sql FROM sqlite_master WHERE name = 'body_of_kind'").fetchone()
        rows = db.execute("SELECT n, salt, body FROM body ORDER BY n").fetchall()
        db.execute("DROP TABLE body")
        db.execute("CREATE TABLE body(n INTEGER, salt BLOB, body BLOB)")
        db.execute(index)
        forged = (5, b"", rows[4][2].replace("ä".encode(), b"z"))
        db.executemany("INSERT INTO body VALUES (?, ?, ?)", [*rows[:4], forged, *rows[4:]])
    db.close()
    assert [one.n for one in entries(state, ["acknowledge"])].count(5) == 2  # what a reader would be shown
    result = verify(state)
    assert not result.ok
    assert "bodies.sqlite has table body, which handwheel never made" in result.words


@pytest.mark.parametrize("n", [0, -7, LAST + 1])
def test_a_body_that_belongs_to_no_entry_is_no_entry(whole, tmp_path, n):
    state = copied(whole, tmp_path)
    damage(state.bodies, "INSERT INTO body VALUES (?, x'00', x'7b7d')", (n,))
    assert not verify(state).ok
    damage(state.bodies, f"PRAGMA user_version={LAST + 1}")  # that of a last batch, which a crash cut off
    assert verify(state).ok == (n > LAST)
    assert [one.n for one in entries(state)] == list(range(1, LAST + 1))


def all_that_is_read(state):
    return list(entries(state)), head(state), raw_message(state, hashlib.sha256(MESSAGE).hexdigest()), [
        list(entries(state, [kind])) for kind in ("vendor_alert", "acknowledge", "seal", "erasure", "restart")
    ]  # fmt: skip


def test_a_flipped_bit_anywhere_in_either_file_is_found_or_changes_nothing_that_is_read(whole, tmp_path):
    rng = random.Random(4)
    expected, found = all_that_is_read(whole), 0
    for turn in range(150):
        state = copied(whole, tmp_path)
        path = rng.choice([state.ledger, state.bodies])
        raw = bytearray(path.read_bytes())
        at = rng.randrange(len(raw))
        raw[at] ^= 1 << rng.randrange(8)
        path.write_bytes(raw)
        result = verify(state)
        if result.ok:
            assert all_that_is_read(state) == expected, f"turn {turn}, {path.name}, byte {at}"
        else:
            found += 1
            assert result.words.count("\n") == 0
            with suppress(UserError):
                all_that_is_read(state)
    assert found > 10
