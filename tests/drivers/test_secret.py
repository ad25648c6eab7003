"""Passwords come from where only their owner can read, and never show up in what is said about them."""

import os

import pytest

from drivers.errors import ConfigError
from drivers.secret import read_secret

SECRET = "pa55 wörd"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "password"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


def test_a_private_file_gives_its_line(file):
    assert read_secret("source s", file=str(file)) == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_file_that_others_can_open_is_refused(file, mode):
    file.chmod(mode)
    with pytest.raises(ConfigError, match=f"source s: {file}: others may read it; chmod 600") as fault:
        read_secret("source s", file=str(file))
    assert SECRET not in str(fault.value)


@pytest.mark.parametrize("text", [b"", b"\n", b"one\ntwo\n", b"\xff\xfe", b"x" * 5000])
def test_what_is_no_single_line_of_text_is_refused_without_being_shown(file, text):
    file.write_bytes(text)
    with pytest.raises(ConfigError, match=r"must hold one line|is not UTF-8") as fault:
        read_secret("source s", file=str(file))
    assert "one\\n" not in str(fault.value)
    assert len(str(fault.value)) < 300


def test_what_is_no_file_or_is_missing_is_one_line(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="is not a file"):
        read_secret("source s", file=str(tmp_path / "pipe"))
    with pytest.raises(ConfigError, match="No such file"):
        read_secret("source s", file=str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="exactly one of"):
        read_secret("source s")


def test_a_systemd_credential_is_found_by_its_name_alone(tmp_path, monkeypatch):
    (tmp_path / "plc").write_text(SECRET)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match="LoadCredential=plc:FILE"):
        read_secret("source s", credential="plc")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret("source s", credential="plc") == SECRET
    for name in ("../plc", "/etc/passwd", "..", ""):
        with pytest.raises(ConfigError, match="a name, not a path"):
            read_secret("source s", credential=name)
