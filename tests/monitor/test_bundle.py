"""Take everything away: whole, without secrets, and read back with tools that know nothing of handwheel."""

import csv
import hashlib
import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from drivers.record import Reason
from monitor.cli import main
from monitor.historian.parquet import FIELDS
from monitor.ledger import KINDS, entries
from monitor.lock import hold_lock
from monitor.security_log import SecurityLog
from monitor.state import State
from monitor.transfer import tables
from monitor.transfer.bundle import configuration
from monitor.transfer.bundle_check import chain_faults
from monitor.words import use_language
from tests.monitor.transfer_bench import a_night, configured, handwheel

SECRET = b"hunter2-never-leaves"


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A night of samples, and beside them all that must never leave."""
    config = configured(tmp_path / "config")
    state = a_night(State(tmp_path / "state"))
    (config / "mqtt.csv").write_bytes(SECRET)
    with (config / "sources/vendor.toml").open("a") as file:
        file.write(f'\n# kept by the broker\npassword_file = "{config}/mqtt.csv"\n')
    (config / "sheets/key.txt").write_bytes(b"-----BEGIN PRIVATE KEY-----\n" + SECRET)
    (config / "elsewhere.toml").write_bytes(b'url = "mqtts://us:' + SECRET + b'@broker"\n')
    (config / "own.pem").write_bytes(SECRET)
    for name in ("keys/other.key", "keys/x.toml", "noise.bin", "security.sqlite-x", "access.log"):
        path = state.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(SECRET)
    log = SecurityLog(state.root / "security.sqlite")
    log.note(0, os.getuid(), "decide", "", "operator")
    (state.reports / "2026-10-25_audit.txt").write_text("an audit")
    (state.reports / "key").symlink_to(state.root / "keys/other.key")
    (state.journal / "2026.jsonl").write_text("{}\n")
    return state


@pytest.fixture
def away(state, tmp_path, capsys) -> Path:
    """The bundle. The configuration that it is made with is the golden one: the secrets' rows are no keys of ours."""
    folder, config = tmp_path / "away", tmp_path / "config"
    given = (config / "sources/vendor.toml").read_text()
    (config / "sources/vendor.toml").write_text(given.partition("\n# kept by")[0])
    (config / "elsewhere.toml").rename(config / "sheets/elsewhere.txt")
    assert handwheel(config, state, "export", "everything", str(folder)) == 1
    told = capsys.readouterr()
    assert "begin with README.txt" in told.out
    assert told.out.count("NOT COMPLETE") == 2
    assert "holds a key or a password and was left out" in told.out
    return folder


def test_no_secret_and_no_log_of_accesses_is_in_it(away, state):
    for path in (one for one in away.rglob("*") if one.is_file()):
        if path.suffix != ".csv" or path.name != "mqtt.csv":
            assert SECRET not in path.read_bytes(), path
    names = {path.name for path in away.rglob("*")}
    assert not names & {
        "keys",
        "ledger.key",
        "other.key",
        "security.sqlite",
        "own.pem",
        "key.txt",
        "elsewhere.txt",
        "key",
        "access.log",
    }


def test_a_file_that_a_key_for_secrets_names_is_left_out(state, tmp_path):
    told: list[str] = []
    names = {path.name for path in configuration(tmp_path / "config", told)}
    assert not names & {"mqtt.csv", "elsewhere.toml", "key.txt", "own.pem"}
    assert {"site.toml", "vendor.toml", "pump1.toml", "G.txt"} <= names
    assert len(told) == 2


def test_another_party_reads_it_back_with_plain_tools(away):
    table = ds.dataset(away / "history", partitioning="hive").to_table()
    newest = ds.dataset(away / "history_newest", partitioning="hive").to_table()
    assert (len(table), len(newest)) == (4, 2)
    assert table["site"].to_pylist() == ["G"] * 4
    with (away / "records/finding.csv").open(newline="") as file:
        assert [row["wo_id"] for row in csv.DictReader(file)] == ["WO-1"]
    rows = [json.loads(line) for line in (away / "records/finding.jsonl").read_text().splitlines()]
    assert rows[0]["data"]["cause"] == "=HYPERLINK(1)"
    with sqlite3.connect(away / "ledger/ledger.sqlite") as db:
        assert db.execute("SELECT count(*) FROM entry").fetchone()[0] >= 3
    db.close()
    (message,) = (away / "messages").iterdir()
    assert hashlib.sha256(message.read_bytes()).hexdigest() == message.name
    hourly = pq.read_table(away / "rollups/hourly.parquet")
    assert hourly["n"].to_pylist() == [1, 2, 1, 2]
    with (away / "tags.csv").open(newline="") as file:
        assert {row["tag"]: row["unit"] for row in csv.DictReader(file)}["pump1.discharge_pressure"] == "bar"
    assert (away / "journal/2026.jsonl").read_text() == "{}\n"
    assert (away / "reports/2026-10-25_audit.txt").read_text() == "an audit"


def test_its_chain_is_verified_with_the_standard_library_as_its_readme_says(away):
    last, lines = "0" * 64, (away / "ledger/chain.jsonl").read_text().splitlines()
    assert any(json.loads(line)["body"] is not None for line in lines)
    for line in lines:
        told = json.loads(line)
        assert told["prev"] == last
        assert hashlib.sha256(bytes.fromhex(told["prev"] + told["digest"])).hexdigest() == told["hash"]
        if told["body"] is not None:
            made = hashlib.sha256(bytes.fromhex(told["salt"]) + told["body"].encode())
            assert made.hexdigest() == told["digest"]
        last = told["hash"]


def test_sha256sum_verifies_its_manifest(away):
    done = subprocess.run(
        ["sha256sum", "-c", "--strict", "--quiet", "MANIFEST.sha256"],
        cwd=away,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout + done.stderr == ""


def test_check_needs_no_configuration_and_finds_what_was_changed_removed_or_added(away, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path / "state")
    assert main(["export", "check", str(away)]) == 0
    assert capsys.readouterr().err == ""
    (away / "README.txt").write_text("other words")
    (away / "tags.csv").unlink()
    (away / "stray").write_text("")
    lines = (away / "ledger/chain.jsonl").read_text()
    (away / "ledger/chain.jsonl").write_text(lines.replace("WO-1", "WO-9"))
    with (away / "MANIFEST.sha256").open("a") as file:
        file.write("0" * 64 + "  ../../etc/passwd\n")
    capsys.readouterr()
    assert main(["export", "check", str(away)]) == 1
    told = capsys.readouterr().out
    for words in (
        "README.txt: was changed",
        "tags.csv: is missing",
        "stray: is not in the manifest",
        "not a checksum and a name in this folder",
        "line 1: has a body that was changed",
        "NOT WHOLE: 6",
    ):
        assert words in told


def test_another_chain_of_the_same_length_or_a_missing_one_is_no_whole_bundle(away, capsys):
    lines, last = [], bytes(32)
    for n in range(1, len((away / "ledger/chain.jsonl").read_text().splitlines()) + 1):
        digest = hashlib.sha256(b"saltforged").digest()
        link = hashlib.sha256(last + digest).digest()
        told = {"n": n, "digest": digest.hex(), "prev": last.hex(), "hash": link.hex()}
        lines.append(json.dumps(told | {"salt": b"salt".hex(), "body": "forged"}) + "\n")
        last = link
    (away / "ledger/chain.jsonl").write_text("".join(lines))
    assert any("has head" in fault for fault in chain_faults(away))
    (away / "ledger/chain.jsonl").unlink()
    assert list(chain_faults(away)) == ["ledger/chain.jsonl: is missing"]


def test_no_link_that_somebody_put_into_the_state_brings_a_key_out(state, tmp_path, capsys):
    config = configured(tmp_path / "plain")
    (state.root / "probes").symlink_to("keys")
    planted = state.history / "site=G/date=2026-01-01/part-0.parquet"
    planted.parent.mkdir(parents=True)
    planted.symlink_to(state.keys / "other.key")
    for name, more in (("one", []), ("two", ["--copy"])):
        assert handwheel(config, state, "export", "everything", str(tmp_path / name), *more) == 1
        assert capsys.readouterr().out.count("is a link and was left out") == 2
        assert not [path for path in (tmp_path / name).rglob("*") if path.is_file() and SECRET in path.read_bytes()]


def test_the_schema_has_words_for_every_column_and_field_there_is(away):
    told = json.loads((away / "SCHEMA.json").read_text())
    assert list(told["columns"]["history"]) == [field.name for field in FIELDS]
    assert list(tables.PARQUET) == [field.name for field in FIELDS]
    assert {kind: list(one["fields"]) for kind, one in told["columns"]["records"]["kinds"].items()} == {
        kind: list(fields) for kind, fields in KINDS.items()
    }
    assert set(told["reasons"]) == {str(one.value) for one in Reason}
    with (away / "tags.csv").open(newline="") as file:
        assert next(csv.reader(file)) == list(tables.TAGS)
    known = {name.split("/")[0] for name in told["files"]}
    assert {path.name for path in away.iterdir()} <= known


def test_it_is_made_while_another_process_writes_and_an_existing_folder_is_left_alone(state, tmp_path, capsys):
    config = configured(tmp_path / "plain")
    with hold_lock(state):
        assert handwheel(config, state, "export", "everything", str(tmp_path / "one"), "--copy") == 1
    assert "not in the ledger" in capsys.readouterr().err
    assert handwheel(config, state, "export", "everything", str(tmp_path / "one")) == 2
    assert handwheel(config, state, "export", "everything", str(tmp_path / "no/where")) == 2
    assert handwheel(config, state, "export", "everything", str(tmp_path / "two")) == 0
    (entry,) = entries(state, ["export"])
    assert entry.data["what"] == "everything"
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize(("language", "word"), [("de", "mitgenommen am"), ("fr", "emporté le")])
def test_its_readme_speaks_the_language_of_the_utility(state, tmp_path, language, word):
    config = configured(tmp_path / "plain")
    site = config / "site.toml"
    site.write_text(site.read_text().replace('language  = "en"', f'language = "{language}"'))
    assert handwheel(config, state, "export", "everything", str(tmp_path / "away")) == 0
    use_language("en")
    assert word in (tmp_path / "away/README.txt").read_text()
