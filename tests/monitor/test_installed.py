"""Files against their recorded hashes, versions, and what the self-check says as a whole."""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from monitor import installed
from monitor.doctor import installed as looks_at_installed
from monitor.doctor.command import EXIT, worst
from monitor.doctor.installed import look_at_files, look_at_libraries
from monitor.doctor.looks import Check
from monitor.ledger import Ledger
from monitor.settings import load
from monitor.state import State

GOLDEN = Path(__file__).parents[1] / "golden" / "config"


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "s").make()


def start_was(state, digest):
    ledger = Ledger(state)
    ledger.append("restart", {"version": "0.1.0", "program_sha256": digest}, at_us=1, via="daemon")
    ledger.close()


def words_of(state, name="program"):
    return [(check.word, check.text) for check in look_at_files(load(GOLDEN), state) if check.name == name]


def test_the_program_is_all_files_of_our_packages_and_nothing_that_python_makes_of_them():
    files = installed.program()
    assert "monitor/installed.py" in files and "fallback_procedures/__main__.py" in files
    assert any(name.endswith(".mo") for name in files)  # what is shown to operators is part of it
    assert not any("__pycache__" in name or name.startswith("tests") for name in files)


def test_what_runs_as_it_was_started_passes(state):
    start_was(state, installed.record(state))
    assert [word for word, _ in words_of(state)] == ["PASS"]


def test_a_file_that_is_not_as_it_was_at_the_start_is_named(state):
    installed.record(state)
    told = json.loads(state.program.read_text())
    told["monitor/installed.py"] = "0" * 64
    told["monitor/gone.py"] = "1" * 64
    del told["monitor/cli.py"]
    state.program.write_text(json.dumps(told))
    [(word, text)] = words_of(state)
    assert word == "WARN"
    assert "3 files" in text
    assert "monitor/cli.py (added), monitor/gone.py (removed), monitor/installed.py (changed)" in text


def test_a_record_that_was_written_anew_with_the_files_is_told_by_the_ledger(state):
    start_was(state, "0" * 64)
    installed.record(state)
    assert [word for word, _ in words_of(state)] == ["PASS", "FAIL"]


def test_without_a_record_nothing_is_called_fine(state):
    assert [word for word, _ in words_of(state)] == ["CANNOT TELL"]
    installed.record(state)
    assert [word for word, _ in words_of(state)] == ["PASS", "CANNOT TELL"]
    state.program.write_text("[1, 2")
    assert [word for word, _ in words_of(state)] == ["CANNOT TELL"]


def a_distribution(folder, body):
    (folder / "lib.py").write_text(body)
    info = folder / "lib-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lib\nVersion: 1.0\n")
    (info / "RECORD").write_text(
        "lib.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\nlib-1.0.dist-info/RECORD,,\n"  # of no bytes
    )


def test_a_file_of_a_library_that_was_changed_or_removed_after_its_installation_is_found(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    a_distribution(tmp_path, "")
    assert installed.unlike_record("lib") == (1, [])
    a_distribution(tmp_path, "x = 1\n")
    assert installed.unlike_record("lib") == (1, [str(tmp_path / "lib.py")])
    (tmp_path / "lib.py").unlink()
    assert installed.unlike_record("lib") == (1, [str(tmp_path / "lib.py")])
    with pytest.raises(metadata.PackageNotFoundError):
        installed.unlike_record("no-such-thing")


def test_the_libraries_on_the_wire_are_as_they_were_installed(state):
    [(word, text)] = words_of(state, "libraries")
    assert (word, text.endswith("as they were installed")) == ("PASS", True)


def test_a_library_without_a_record_of_its_files_proves_nothing(state, tmp_path, monkeypatch):
    for name, record in (("bare", None), ("odd", "\n\nx\n"), ("bytes", b"\xff\xfe,\x80")):
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        if record is not None:
            (folder / "RECORD").write_bytes(record if isinstance(record, bytes) else record.encode())
    monkeypatch.syspath_prepend(tmp_path)
    assert [installed.unlike_record(name) for name in ("bare", "odd", "bytes")] == [(0, [])] * 3
    monkeypatch.setattr(installed, "ON_THE_WIRE", ("bare",))
    [(word, text)] = words_of(state, "libraries")
    assert word == "CANNOT TELL"
    assert text.startswith("1 distributions have no record of their files: bare; install them again")


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("3.40.1", "is in the range 3.7.0 to before 3.51.3"),
        ("3.51.2", "is in the range"),
        ("3.51.3", "is free of the WAL-reset fault"),
        ("3.60.0", "is free of"),
    ],
)
def test_sqlite_is_named_with_the_range_in_which_its_own_makers_found_a_fault(version, expected, monkeypatch):
    monkeypatch.setattr(looks_at_installed.sqlite3, "sqlite_version", version)
    assert expected in next(look_at_libraries()).text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "CANNOT TELL"),
        (("PASS",), "PASS"),
        (("PASS", "CANNOT TELL"), "CANNOT TELL"),
        (("CANNOT TELL", "WARN", "PASS"), "WARN"),
        (("WARN", "FAIL", "CANNOT TELL"), "FAIL"),
    ],
)
def test_the_exit_code_tells_the_worst(words, expected):
    assert worst([Check("x", word, "") for word in words]) == expected
    assert sorted(EXIT.values()) == [0, 1, 2, 3]


def test_a_program_reads_the_same_checks_as_json_and_by_the_exit_code(tmp_path):
    command = [sys.executable, "-m", "monitor.cli", "doctor", "--config", os.fspath(GOLDEN), "--state",
               os.fspath(tmp_path / "none")]  # fmt: skip
    plain = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    told = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60, check=False)
    found = json.loads(told.stdout)
    assert plain.returncode == told.returncode == EXIT[found["worst"]] == 2  # there is no STATE
    assert [line[:11].strip() for line in plain.stdout.splitlines()] == [one["word"] for one in found["checks"]]
    assert {one["name"] for one in found["checks"]} >= {
        "state", "disk", "daemon", "sockets", "ledger", "binder", "clock", "program", "libraries", "sqlite", "versions",
    }  # fmt: skip
