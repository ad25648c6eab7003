"""Whom a vendor's message names: nowhere but in the message itself, and gone from there when it is erased."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.claims import Claims
from monitor.cli import main
from monitor.handover import handed_over, read_handover
from monitor.intake import PATIENCE_S, SETTLED_S, Drop, drop_folder
from monitor.ledger import Ledger, entries, raw_message, verify
from monitor.settings import load
from monitor.state import State
from tests.monitor.plant_bench import configure

CONFIG = Path(__file__).parents[1] / "golden/config"
SETTINGS = load(CONFIG)
FEED = SETTINGS.feeds[0]
NOW = 1_795_440_000_000_000
HOLDER = json.loads((CONFIG.parent / "vendor_message.json").read_bytes())
NAMES = ("Lieselotte", "Hagedorn", "lhagedorn", "351 1234567")
FILE = "export_Lieselotte_Hagedorn.json"
WHO = {"contact": "Lieselotte Hagedorn", "created_by": {"mail": "lhagedorn@vendor.example", "tel": "+49 351 1234567"}}


def csv_message():
    row = {**HOLDER, "contact": "Lieselotte Hagedorn", "tel": "+49 351 1234567"}
    return "\n".join(";".join(map(str, line)) for line in (row, row.values(), ())).encode()


def mail_message():
    return (
        b"From: Lieselotte Hagedorn <lhagedorn@vendor.example>\r\nTo: Hagedorn <x@y.example>\r\n"
        b"Reply-To: lhagedorn@vendor.example\r\nSubject: seal of SP-0001\r\nX-Agent: Lieselotte\r\n"
        b"Message-ID: <1.lhagedorn@vendor.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"\r\nDear Ms Hagedorn,\r\npump: SP-0001\r\nlevel: warn\r\n\r\nKind regards\r\nLieselotte Hagedorn\r\n"
        b"Tel. +49 351 1234567\r\n"
    )


MAILED = {"asset": "pump", "severity": "level", "text": "Body"}
MESSAGES = {
    "json": (json.dumps({**HOLDER, **WHO}).encode(), FEED),
    "csv": (csv_message(), replace(FEED, format="csv")),
    "eml": (mail_message(), replace(FEED, format="eml", fields=MAILED)),
}


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "state").make()


@pytest.fixture
def where(tmp_path, state):
    """Options of the command line for the golden plant, whose daemon's user may do all."""
    return ("--config", str(configure(tmp_path / "config", 1502)), "--state", str(state.root))


def taken_in(state, raw, feed, name=FILE):
    """One file through intake as time is said to pass."""
    folder = drop_folder(feed, state)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(raw)
    drop = Drop(feed, state)
    for second in (0.0, SETTLED_S, PATIENCE_S):
        drop.sweep(second, NOW + round(second * 1e6))


def entered(state):
    """The handovers that lie there go into the ledger's files, as the daemon does it; the SHA-256 of each message."""
    ledger, claims, names = Ledger(state), Claims(SETTINGS), []
    for path in handed_over(state):
        handover, raw = read_handover(path)
        names.append(ledger.keep_raw(raw, NOW))
        ledger.append_many([draft for one in handover.alerts if (draft := claims.draft(one, "intake"))])
        handover.raw.unlink()
        handover.json.unlink()
    ledger.close()
    return names


def told_of_persons(text):
    return [name for name in NAMES if name in text]


def told_in_state(state):
    """The names that any file of STATE holds, in its bytes or in its own name."""
    files = [path for path in state.root.rglob("*") if path.is_file()]
    return told_of_persons("".join(path.name + path.read_bytes().decode("latin-1") for path in files))


@pytest.mark.parametrize("kind", MESSAGES)
def test_what_is_not_mapped_stays_in_the_raw_message_and_goes_with_it(state, where, kind, caplog):
    caplog.set_level(logging.DEBUG)
    raw, feed = MESSAGES[kind]
    taken_in(state, raw, feed)
    (handover,) = handed_over(state)
    assert told_of_persons(handover.read_text() + handover.name + caplog.text) == []
    (sha256,) = entered(state)
    assert raw_message(state, sha256) == raw
    assert told_of_persons(json.dumps([dict(one.data) for one in entries(state)])) == []
    assert told_in_state(state)
    assert main(["ledger", "erase", "--raw", sha256[:16], "--rule", "two years", "--yes", *where]) == 0
    assert told_in_state(state) == []
    assert verify(state).ok
    (alert,) = entries(state, ["vendor_alert"])
    (erasure,) = entries(state, ["erasure"])
    assert alert.data["raw_sha256"] == sha256
    assert (erasure.role, erasure.data) == ("administrator", {"entries": [], "raw": [sha256], "rule": "two years"})


def test_a_rejected_file_goes_by_feed_and_hash_and_its_name_stands_in_its_reason_alone(state, caplog):
    caplog.set_level(logging.DEBUG)
    taken_in(state, b"rubbish of Lieselotte Hagedorn", FEED)
    (reason,) = state.rejected.glob("*.reason.txt")
    assert FILE in reason.read_text()
    assert told_of_persons(caplog.text + " ".join(path.name for path in state.rejected.iterdir())) == []
    assert "rejected" in caplog.text
    for path in state.rejected.iterdir():
        path.unlink()
    assert told_in_state(state) == []


def test_a_name_inside_a_sentence_goes_with_the_body_of_its_entry(state, where, capsys):
    words = "seal wear; ask Lieselotte Hagedorn at lhagedorn@vendor.example"
    taken_in(state, json.dumps({**HOLDER, "message": words}).encode(), FEED)
    (sha256,) = entered(state)
    (alert,) = entries(state, ["vendor_alert"])
    assert alert.data["text"] == "seal wear; ask Lieselotte Hagedorn at [e-mail address]"
    assert main(["ledger", "erase", "--raw", sha256, "--rule", "asked to be forgotten", "--yes", *where]) == 0
    assert main(["ledger", "erase", "--entry", str(alert.n), "--rule", "asked to be forgotten", "--yes", *where]) == 0
    assert told_in_state(state) == []
    assert verify(state).erased == 1
    assert main(["ledger", "verify", *where]) == 0
    assert "1 erased under a rule" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--raw", "abc"), "at least 12 hexadecimal digits"),
        (("--raw", "0" * 64), "0 kept messages begin so"),
        (("--entry", "99"), "entries 1 to 3 can be erased"),
        (("--entry", "1"), "kind restart and stays"),
    ],
)
def test_what_cannot_be_erased_is_one_line_and_nothing_is_recorded(state, where, capsys, words, said):
    ledger = Ledger(state)
    ledger.append("restart", {"version": "1"}, at_us=NOW, via="daemon")
    ledger.close()
    assert main(["ledger", "erase", *words, "--rule", "x", "--yes", *where]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert {one.kind for one in entries(state)} <= {"restart", "key", "seal"}


def test_the_command_names_what_is_held_before_it_asks(state, where, capsys):
    """A finding that a review with frozen parameters will count."""
    ledger, by = Ledger(state), {"at_us": NOW, "via": "daemon"}
    ledger.append("finding", {"wo_id": "W", "grade": "A", "inspector_party": "u", "blind_to_alert": True}, **by)
    ledger.append("review_freeze", {"parameters": {"vendor": None}, "sha256": "a" * 64}, **by)
    ledger.close()
    ask = ["ledger", "erase", "--entry", "1", "--rule", "tidy", *where]
    assert main(ask) == 2
    told = capsys.readouterr()
    assert "held, an open work order or an open review still needs them: 1" in told.out
    assert "--although-held" in told.err
    assert main([*ask, "--yes", "--although-held"]) == 0
    assert [one.data["held"] for one in entries(state, ["erasure"])] == [[1]]


def test_nobody_erases_unasked_or_without_the_right(state, where, capsys):
    taken_in(state, MESSAGES["json"][0], FEED)
    (sha256,) = entered(state)
    ask = ["ledger", "erase", "--raw", sha256, "--rule", "x"]
    assert main([*ask, *where]) == 2
    assert "nobody can be asked here" in capsys.readouterr().err
    mapped = ("--config", str(CONFIG), "--state", str(state.root))  # groups are mapped: root is a viewer
    assert main([*ask, "--yes", *mapped]) == 2
    assert "no right to erase" in capsys.readouterr().err
    assert raw_message(state, sha256) is not None
