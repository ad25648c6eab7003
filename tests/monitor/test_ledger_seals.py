"""Seals, keys and anchors: who has no key can write no past; who has it is found against what others keep."""

import base64
import re
import shutil
import sqlite3
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pypdf import PdfReader

from drivers.errors import UserError
from monitor.ledger import Ledger, entries, open_ledger, seals, verify
from monitor.ledger.anchor import (
    anchor_text,
    check_address,
    hand_over,
    last_anchor,
    mail_text,
    parse_anchor,
    read_anchor,
)
from monitor.ledger.paper import qr_pdf, qr_svg, qr_text
from monitor.ledger.seals import CREDENTIAL, EVERY, Key, fingerprint, pem, seal_message
from monitor.state import State
from tests.monitor.test_ledger import AT, COMMANDS, damage

DOCUMENT = Path(__file__).parents[2] / "docs/ledger.md"


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "state").make()


def filled(state, count=5):
    ledger = open_ledger(state)
    ledger.append_many({"kind": "acknowledge", "data": COMMANDS, "at_us": AT, "via": "cli"} for _ in range(count))
    return ledger


def kinds(state):
    return [one.kind for one in entries(state)]


def key_of(number):
    return Key(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


# seals


def test_the_first_start_makes_a_key_that_nobody_else_can_read_and_names_it(state):
    filled(state).close()
    file = state.keys / "ledger.key"
    assert stat.S_IMODE(state.keys.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = next(entries(state, ["key"])).data
    public = Key(Ed25519PrivateKey.from_private_bytes(base64.b64decode(file.read_text()))).public
    assert told == {"public_key": base64.b64encode(public).decode(), "fingerprint": fingerprint(public)}
    assert kinds(state) == ["key", "seal", *["acknowledge"] * 5, "seal"]
    result = verify(state)
    assert (result.ok, result.sealed, result.key) == (True, 8, told["fingerprint"])
    filled(state, 0).close()
    assert kinds(state)[8:] == []  # nothing new, nothing to seal


def test_a_key_that_others_can_read_is_not_used(state):
    filled(state).close()
    (state.keys / "ledger.key").chmod(0o640)
    with pytest.raises(UserError, match="others may read it"):
        open_ledger(state)


def test_there_is_a_seal_after_each_hundred_entries_also_within_one_append(state):
    ledger = filled(state, 250)
    seals = [one.n for one in entries(state, ["seal"])]
    assert seals == [2, 2 + EVERY + 1, 2 + 2 * (EVERY + 1)]
    for _ in range(EVERY):
        ledger.append("acknowledge", COMMANDS, at_us=AT, via="cli")
    assert len(list(entries(state, ["seal"]))) == 4
    ledger.close()
    assert verify(state).ok


def test_a_seal_is_a_signature_that_openssl_verifies(state, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    filled(state).close()
    last = list(entries(state))[-1]
    with sqlite3.connect(state.ledger) as db:
        link = db.execute("SELECT hash FROM entry WHERE n = ?", (last.data["entries"],)).fetchone()[0]
    db.close()
    public = base64.b64decode(next(entries(state, ["key"])).data["public_key"])
    (tmp_path / "key.pem").write_text(pem(public))
    (tmp_path / "signature").write_bytes(base64.b64decode(last.data["signature"]))
    (tmp_path / "message").write_bytes(seal_message(last.data["entries"], link))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "message"]
    done = subprocess.run([*command, "-sigfile", "signature"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_words_of_a_seal_are_these_and_no_others():
    assert seal_message(12, bytes(range(32))).decode() == (
        "handwheel ledger seal\nformat 1\nentries 12\n"
        "hash 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
    )
    signed = key_of(7).seal(12, bytes(range(32)))
    assert signed["key"] == key_of(7).fingerprint
    assert signed["signature"] == key_of(7).seal(12, bytes(range(32)))["signature"]  # deterministic (RFC 8032)


def rewritten(state, key, other):
    """The same past with one decision changed, sealed by `other` where `key` is not at hand."""
    forged = State(state.root.parent / "forged").make()
    ledger = Ledger(forged)
    ledger.seal_with(key, at_us=AT) if other is None else ledger.seal_with(other, at_us=AT)
    for number in range(5):
        ledger.append("acknowledge", COMMANDS | {"note": str(number)}, at_us=AT, via="cli")
    ledger.close()
    return forged


def test_who_writes_another_past_without_the_key_is_found_by_the_fingerprint_kept_elsewhere(state):
    filled(state).close()
    kept = verify(state).key
    forged = rewritten(state, None, key_of(3))
    assert verify(forged).ok
    result = verify(forged, key=kept.lower().replace("-", " "))
    assert not result.ok
    assert f"no entry is sealed by key {kept}" in result.words
    assert verify(state, key=kept).ok


def append_by_hand(state, kind, data):
    """An entry that follows from the last one, by somebody who can write the files."""
    ledger = Ledger(state)
    made = ledger.append(kind, data, at_us=AT, via="cli")
    ledger.close()
    return made.n


def head_of(state):
    with sqlite3.connect(state.ledger) as db:
        row = db.execute("SELECT n, hash FROM entry ORDER BY n DESC LIMIT 1").fetchone()
    db.close()
    return row


def test_a_seal_by_another_key_is_found_at_its_entry(state):
    filled(state).close()
    n = append_by_hand(state, "seal", key_of(3).seal(*head_of(state)))
    result = verify(state)
    assert (result.ok, result.first_fault) == (False, n)
    assert "is a seal by key" in result.words


def test_a_seal_that_names_the_key_but_was_not_made_with_it_is_found_at_its_entry(state):
    filled(state).close()
    data = key_of(3).seal(*head_of(state)) | {"key": verify(state).key}
    n = append_by_hand(state, "seal", data)
    result = verify(state)
    assert (result.ok, result.first_fault) == (False, n)
    assert "did not make" in result.words


@pytest.mark.parametrize("signature", ["", "rubbish", 7, None, "AAAA", "é"])
def test_rubbish_instead_of_a_signature_is_a_fault_and_no_traceback(state, signature):
    filled(state).close()
    n = append_by_hand(state, "seal", {"entries": head_of(state)[0], "key": verify(state).key, "signature": signature})
    assert verify(state).first_fault == n


def test_a_seal_of_an_older_head_is_no_seal_here(state):
    filled(state).close()
    (first,) = list(entries(state, ["seal"]))[:1]
    n = append_by_hand(state, "seal", first.data)
    result = verify(state)
    assert result.first_fault == n
    assert "of another entry" in result.words


def test_entries_that_nobody_sealed_are_found_after_the_hundredth(state):
    ledger = filled(state, 0)
    ledger.close()
    unsealed(state)
    result = verify(state)
    assert (result.ok, result.first_fault) == (False, 2 + EVERY + 1)
    assert "lacks a seal" in result.words
    assert "handwheel ledger new-key" in result.words
    filled(state).close()  # a daemon that seals again mends nothing by itself
    assert verify(state).first_fault == 2 + EVERY + 1


def unsealed(state):
    """What an import of an older handwheel did: it appended without the key."""
    bare = Ledger(state)
    bare._key = None
    for _ in range(2):
        bare.append_many([{"kind": "acknowledge", "data": COMMANDS, "at_us": AT, "via": "x"}] * EVERY)
    bare.close()


@pytest.mark.parametrize("sealed_meanwhile", [False, True])
def test_who_answers_for_seals_that_were_left_out_makes_a_new_key_and_verify_tells_of_it_for_ever(
    state, sealed_meanwhile
):
    filled(state, 0).close()
    unsealed(state)
    if sealed_meanwhile:
        filled(state, 5).close()
    ledger = open_ledger(state)
    ledger.replace_key(at_us=AT, role="administrator")
    ledger.close()
    result = verify(state)
    assert result.ok
    assert f"from entry {2 + EVERY + 1} on seals were left out" in result.words
    unsealed(state)  # a second time is a second fault
    assert verify(state).first_fault > result.sealed
    assert "lacks a seal" in verify(state).words


def test_a_key_that_somebody_else_puts_in_answers_for_nothing(state):
    filled(state, 0).close()
    unsealed(state)
    ledger = open_ledger(state)
    ledger.seal_with(key_of(3), at_us=AT)
    ledger.close()
    assert verify(state).first_fault == 2 + EVERY + 1


def test_nobody_appends_without_the_key_that_the_ledger_names(state):
    filled(state, 0).close()
    ledger = Ledger(state)
    ledger.append_many([{"kind": "acknowledge", "data": COMMANDS, "at_us": AT, "via": "x"}] * (3 * EVERY))
    ledger.close()
    assert verify(state).ok
    (state.keys / "ledger.key").chmod(0o640)
    with pytest.raises(UserError, match="others may read it"):
        Ledger(state)


def test_a_ledger_older_than_seals_is_sealed_from_the_first_start_on(state):
    bare = Ledger(state)
    bare.append_many([{"kind": "acknowledge", "data": COMMANDS, "at_us": AT, "via": "x"}] * 300)
    bare.close()
    assert "not sealed" in verify(state).words
    filled(state).close()
    assert verify(state).ok
    assert verify(state).sealed == 308


def test_seals_survive_an_erasure(state):
    ledger = filled(state, 150)
    ledger.erase(range(3, 50), "old", at_us=AT, role=None, via="cli")
    ledger.close()
    result = verify(state)
    assert (result.ok, result.erased) == (True, 47)
    with pytest.raises(ValueError, match="kind seal and stays"):
        open_ledger(state).erase([2], "x", at_us=AT, role=None, via="cli")


# keys


def test_a_new_key_is_sealed_by_the_old_one_and_the_old_one_is_gone(state):
    ledger = filled(state)
    old = (state.keys / "ledger.key").read_text()
    new = ledger.replace_key(at_us=AT, role="administrator")
    ledger.append("acknowledge", COMMANDS, at_us=AT, via="cli")
    ledger.close()
    assert (state.keys / "ledger.key").read_text() != old
    assert [path.name for path in state.keys.iterdir()] == ["ledger.key"]
    named = list(entries(state, ["key"]))
    assert [one.role for one in named] == [None, "administrator"]
    result = verify(state)
    assert (result.ok, result.key) == (True, new)
    assert verify(state, key=named[0].data["fingerprint"]).ok
    assert verify(state, key=new).ok


def test_a_crash_while_a_key_is_replaced_leaves_a_ledger_that_goes_on(state):
    filled(state).close()
    seals.make_key(state)  # before anything is entered
    filled(state).close()
    assert not (state.keys / "next.key").exists()
    assert verify(state).ok
    ledger, coming = open_ledger(state), seals.make_key(state)
    ledger.seal_with(coming, ledger._key, at_us=AT)  # entered, and not yet put in place
    ledger.close()
    filled(state).close()
    result = verify(state)
    assert (result.ok, result.key) == (True, coming.fingerprint)


def test_a_key_that_was_lost_is_replaced_and_verify_says_so_until_a_person_vouches_for_it(state, caplog):
    filled(state).close()
    (state.keys / "ledger.key").unlink()
    filled(state).close()
    assert "verify will say so" in caplog.text
    result = verify(state)
    assert (result.ok, result.first_fault) == (False, 9)
    assert "did not seal that" in result.words
    assert verify(state, key=result.key).ok
    assert not verify(state, key=next(entries(state, ["key"])).data["fingerprint"]).ok


def test_a_key_as_systemd_credential_is_used_and_the_file_before_it_signs_the_change(state, tmp_path, monkeypatch):
    filled(state).close()
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / CREDENTIAL).write_text(base64.b64encode(bytes([9]) * 32).decode() + "\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    ledger = filled(state)
    with pytest.raises(UserError, match="credential of systemd"):
        ledger.replace_key(at_us=AT, role=None)
    ledger.close()
    result = verify(state)
    assert (result.ok, result.key) == (True, key_of(9).fingerprint)
    (folder / CREDENTIAL).write_text("no key\n")
    with pytest.raises(UserError, match="is no key of ours"):
        open_ledger(state)


# anchors


def handed(state, to="union", utility="Golden Water"):
    ledger = filled(state)
    entry, text = hand_over(ledger, to, utility, at_us=AT, role="operator", via="cli")
    ledger.close()
    return entry, text


def test_a_handing_over_is_an_entry_and_the_text_agrees_with_the_ledger(state):
    entry, text = handed(state)
    anchor = parse_anchor(text)
    told = last_anchor(state)
    assert (told.n, told.role) == (entry.n, "operator")
    assert f"{told.data['entries']}:{told.data['head']}" == anchor.head
    assert (told.data["to"], anchor.utility, anchor.at_us) == ("union", "Golden Water", AT)
    result = verify(state, anchor=anchor)
    assert result.ok
    assert "agrees with the anchor" in result.words
    filled(state).close()
    assert verify(state, anchor=anchor).ok


def test_an_anchor_finds_a_cut_tail_and_a_past_written_anew_even_with_the_right_key(state):
    _entry, text = handed(state)
    anchor = parse_anchor(text)
    damage(state.ledger, "DELETE FROM entry WHERE n > 4")
    damage(state.bodies, "DELETE FROM body WHERE n > 4")
    assert verify(state).ok
    assert verify(state, anchor=anchor).first_fault == 5
    private = base64.b64decode((state.keys / "ledger.key").read_text())
    forged = rewritten(state, Key(Ed25519PrivateKey.from_private_bytes(private)), None)
    assert verify(forged, key=verify(state).key).ok
    assert verify(forged, anchor=anchor).first_fault == anchor.entries


def test_an_anchor_signed_with_a_key_that_the_ledger_never_named_is_forged(state):
    filled(state).close()
    n, link = head_of(state)
    anchor = parse_anchor(anchor_text(key_of(3), n, link, "Golden Water", AT))
    result = verify(state, anchor=anchor)
    assert (result.ok, result.first_fault) == (False, n)


@pytest.mark.parametrize("at", range(8))
def test_a_changed_letter_in_any_line_of_an_anchor_is_refused(state, at):
    lines = handed(state)[1].splitlines()
    letter = lines[at][13]
    lines[at] = lines[at][:13] + ("A" if letter != "A" else "B") + lines[at][14:]
    with pytest.raises(UserError):
        parse_anchor("\n".join(lines))


@pytest.mark.parametrize("text", ["", "rubbish", "handwheel ledger anchor 1", "handwheel ledger anchor 1\n" * 9, "\0"])
def test_what_is_no_anchor_is_refused_in_one_line(text):
    with pytest.raises(UserError, match="--anchor"):
        parse_anchor(text)


def test_a_party_is_a_party_and_no_person(state):
    ledger = filled(state)
    with pytest.raises(UserError, match="is no party"):
        hand_over(ledger, "Lieselotte", "x", at_us=AT, role=None, via="cli")
    ledger.close()


def test_a_mail_can_be_read_back_also_with_another_line_end_and_headers_before_it(state):
    _entry, text = handed(state, utility="Stadtwerke Münster")
    mail = mail_text(text, "Auditor <audit@example.org>", AT)
    assert mail.startswith("To: Auditor <audit@example.org>\nSubject: Ledger anchor ")
    assert "Date: Mon, 23 Nov 2026 13:22:05 +0000\n" in mail
    assert text in mail
    assert parse_anchor("Received: from somewhere\r\n" + mail.replace("\n", "\r\n")) == parse_anchor(text)
    file = state.root / "mail.txt"
    file.write_text(mail)
    assert read_anchor(file) == parse_anchor(text)


@pytest.mark.parametrize("address", ["", "x", "a@b\nBcc: c@d", "a@b, c@d", "@", "a b@c d"])
def test_what_is_no_address_gets_no_mail(address):
    with pytest.raises(UserError, match="is no address"):
        check_address(address)


def test_the_code_fits_a_terminal_and_paper_has_text_and_code(state, tmp_path):
    _entry, text = handed(state)
    assert max(map(len, qr_text(text).splitlines())) <= 80
    assert qr_svg(text).startswith(b"<?xml")
    page = tmp_path / "anchor.pdf"
    page.write_bytes(qr_pdf(text, AT))
    shown = re.sub(r"\s", "", "".join(one.extract_text() for one in PdfReader(page).pages))
    assert re.sub(r"\s", "", text) in shown


def stranger(tmp_path, state, text):
    block = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.S)[1]
    (tmp_path / "check.py").write_text(block)
    (tmp_path / "anchor.txt").write_text(text)
    command = [sys.executable, "-I", "check.py", str(state.ledger), "anchor.txt"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_a_stranger_checks_an_anchor_with_the_program_of_the_document_and_nothing_of_ours(state, tmp_path):
    _entry, text = handed(state)
    done = stranger(tmp_path, state, mail_text(text, "a@b.example", AT))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "InvalidSignature" in stranger(tmp_path, state, text.replace("Golden", "Wooden")).stderr
    damage(state.ledger, "DELETE FROM entry WHERE n > 4")
    assert "ends at entry 4, the anchor is of " in stranger(tmp_path, state, text).stderr
    damage(state.ledger, "UPDATE entry SET digest = ? WHERE n = 2", (bytes(32),))
    assert "entry 2 was changed" in stranger(tmp_path, state, text).stderr
    forged = rewritten(state, None, key_of(3))
    assert "the past was written anew" in stranger(tmp_path, forged, text).stderr


@pytest.mark.parametrize("made", ["alone, out of a running daemon", "before the anchor"])
def test_an_older_copy_accuses_nobody(state, tmp_path, made):
    filled(state).close()
    copied = State(tmp_path / "copy").make()
    shutil.copy(state.ledger, copied.ledger)
    ledger = filled(state)
    _entry, text = hand_over(ledger, "union", "Golden Water", at_us=AT, role="operator", via="cli")
    if made.startswith("alone"):
        assert Path(f"{state.ledger}-wal").stat().st_size > 0
        shutil.copy(state.ledger, copied.ledger)
    done = stranger(tmp_path, copied, text)
    assert re.search(r"this copy ends at entry \d+, the anchor is of \d+: take a newer copy before you", done.stderr)
    assert done.returncode == 1
    ledger.close()
    assert stranger(tmp_path, state, text).returncode == 0, "of a stopped daemon it is whole"


# canonical JSON


def test_the_example_of_rfc_8785_section_3_2_2_is_made_byte_for_byte():
    told = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert (
        rfc8785.dumps(told)
        == (
            '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
            '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
        ).encode()
    )


def test_keys_are_sorted_as_in_rfc_8785_section_3_2_3():
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    made = rfc8785.dumps(dict.fromkeys(names)).decode()
    assert re.findall(r'"(.*?)":', made) == ["\\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        ("0000000000000000", "0"), ("8000000000000000", "0"), ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"), ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"), ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"), ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"), ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"), ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"), ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"), ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"), ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_in_rfc_8785_appendix_b(bits, text):
    assert rfc8785.dumps(struct.unpack(">d", bytes.fromhex(bits))[0]) == text.encode()
