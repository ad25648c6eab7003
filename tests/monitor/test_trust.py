"""`handwheel trust`: our own certificate, the server's by its fingerprint, and what happens when it changes."""

import asyncio
import io
import stat
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from drivers.opcua import security
from drivers.source import SourceSpec
from monitor import trust
from monitor.cli import main
from tests.drivers.test_opcua_security import SECURE, server_of, value_of
from tests.monitor.plants import plant


@contextmanager
def serving(folder, name="server", port=0):
    """The server in a thread of its own, because the command runs a loop itself."""
    loop, ready, done = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    found = []

    async def serve():
        async with server_of(folder, name, port=port) as server:
            found.append(server.url)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(30)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(30)
        loop.close()


def options_in(folder, url):
    names = {"certificate": "own.der", "private_key": "own.key", "server_certificate": "pinned.pem"}
    return {"url": url, "security": SECURE, "alarms": False, **{key: str(folder / name) for key, name in names.items()}}


def settings_of(folder, url):
    return replace(plant(), sources=(SourceSpec("plc", "opcua", "G", 5.0, 5.0, (), options_in(folder, url)),))


def command(settings, *words):
    import argparse

    parser = argparse.ArgumentParser()
    trust.add_arguments(parser)
    return trust.command(parser.parse_args(words), settings, None)


def test_the_certificate_that_a_person_agreed_to_is_written_and_a_changed_one_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    pki = tmp_path / "pki"
    with serving(tmp_path) as url:
        settings = settings_of(pki, url)
        with pytest.raises(trust.UserError, match="nobody is here to ask"):
            command(settings, "plc")
        shown = capsys.readouterr().out
        assert stat.S_IMODE((pki / "own.key").stat().st_mode) == 0o600
        first = security.fingerprint(security.load_certificate("s", tmp_path / "server.der"))
        assert f"SHA-256  {first}" in shown
        assert "made, for 10 years" in shown
        assert "subject  CN=handwheel" in shown
        with pytest.raises(trust.UserError, match="names another fingerprint"):
            command(settings, "plc", "--yes", "AB" * 32)
        assert not (pki / "pinned.pem").exists()
        assert command(settings, "plc", "--yes", first.replace(":", "").lower()) == 0
        assert (pki / "pinned.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")
        assert "import" in capsys.readouterr().out
        assert command(settings, "plc") == 0
        assert "nothing to do" in capsys.readouterr().out
        port = int(url.rsplit(":", 1)[1].strip("/"))
        assert asyncio.run(value_of(url, **{k: v for k, v in options_in(pki, url).items() if k != "url"})) == 1.5
    with serving(tmp_path, "other", port) as url:
        with pytest.raises(trust.UserError, match="nobody is here to ask"):
            command(settings, "plc")
        told = capsys.readouterr().out
        assert "WARNING: it is NOT the one trusted so far" in told
        assert first in told
    assert security.fingerprint(security.load_certificate("s", pki / "pinned.pem")) == first


def test_what_cannot_be_trusted_is_one_line(tmp_path, capsys):
    settings = settings_of(tmp_path, "opc.tcp://127.0.0.1:1/")
    with pytest.raises(trust.UserError, match="is not an OPC UA source; known: plc"):
        command(settings, "nothing")
    with pytest.raises(trust.UserError, match="nothing was written"):
        command(settings, "plc", "--yes", "AB")
    (tmp_path / "own.key").unlink()
    with pytest.raises(trust.UserError, match="but not its other half"):
        command(settings, "plc")
    bare = replace(settings, sources=(replace(settings.sources[0], options={"url": "opc.tcp://x/"}),))
    with pytest.raises(trust.UserError, match="has no security to set up"):
        command(bare, "plc")
    assert main(["trust", "--config", str(tmp_path / "none"), "plc"]) == 2
    assert "no such folder" in capsys.readouterr().err
