"""What may come against a running daemon: bytes on its socket, devices that lie and flap, a user without rights."""

import asyncio
import json
import logging
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.command_socket import LINE_LIMIT, VERBS, ask
from monitor.daemon.sparing import AT_ONCE, Sparing
from monitor.ledger import verify
from monitor.state import State
from tests.drivers.servers import good_pdu, hostile_server, mbap, modbus_server
from tests.monitor.plant_bench import Bench, configure, device

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def bench(tmp_path):
    async with modbus_server(device()) as server:
        made = Bench(configure(tmp_path / "config", server.port), State(tmp_path / "state")).start()
        await made.until(lambda s: s["sources"][0]["good"] == 4)
        yield made
        made.end()


# the command socket

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("alert_id", "choice", "reason", "until", "wo_id", "asset", "component", "grade", "raw", "rule", "job", "role")
MESSAGES = st.fixed_dictionaries(
    {"format": st.just(1) | VALUES, "id": st.text(max_size=10) | VALUES,
     "verb": st.sampled_from([*VERBS, "open_valve"]) | VALUES,
     "data": st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6) | VALUES},
)  # fmt: skip
LINES = st.lists(
    st.binary(max_size=400).map(lambda blob: blob.replace(b"\n", b"") + b"\n")
    | MESSAGES.map(lambda one: json.dumps(one).encode() + b"\n"),
    min_size=1, max_size=6,
)  # fmt: skip
BREAKERS = {"freeze", "erase", "import", "export", "reload", "run_job", "security_log", "purge", "anchor"}  # not random


async def test_nothing_that_is_sent_to_the_socket_ends_or_stops_the_daemon(bench):
    """Each example is a connection of its own; every line gets an answer that is a refusal or a record."""

    def answers(lines):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(30)
            link.connect(str(bench.state.socket))
            link.sendall(b"".join(lines))
            link.shutdown(socket.SHUT_WR)
            told = b""
            while part := link.recv(65_536):
                told += part
        return [json.loads(line) for line in told.splitlines()]

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(LINES)
    def attack(lines):
        told = answers(lines)
        assert len(told) == len(lines)
        for one in told:
            assert one["ok"] or one["error"]
            assert "Traceback" not in one.get("error", "")

    await asyncio.to_thread(attack)
    unknown = b'{"format": 1, "id": "", "verb": "open_valve", "data": {}}'
    for blob in (b"x" * (LINE_LIMIT + 10), b"[" * 60_000, b'{"a":' * 10_000, unknown):
        await asyncio.to_thread(answers, [blob + b"\n"])
    told = ("not understood", "too long", "unknown verb")
    await bench.until(lambda s: all(s["socket"].get(why) for why in told), "refusals are counted")
    assert (await asyncio.to_thread(ask, bench.state, "whoami", {}, 20.0))["ok"]
    assert "Traceback" not in bench.log_text()
    bench.kill(signal.SIGTERM)
    assert await asyncio.to_thread(bench.ended) == 0
    assert verify(bench.state).ok


# sources

TWO = """[source]
name = "{name}"
driver = "modbus_tcp"
site = "G"
every_s = 0.2
timeout_s = 0.2
max_backoff_s = 1
host = "127.0.0.1"
port = {port}

[[source.block]]
asset = "pump1"
device_id = 1
address_base = "wire0"
tags = [{{ at = 0, name = "{name}_a", quantity = "other", as = "u16", unit = "1" }}]
"""


async def test_dead_flapping_and_lying_sources_are_told_once_per_change_and_the_healthy_one_is_polled(tmp_path):
    turn = [0]

    async def flapping(request, writer):
        turn[0] += 1
        if turn[0] % 4 < 2:
            writer.write(mbap(request, good_pdu(request, 0)))
        else:
            writer.close()

    async def lying(request, writer):
        writer.write(os.urandom(40))

    async with modbus_server(device()) as server, hostile_server(flapping) as flaps, hostile_server(lying) as lies:
        config = configure(tmp_path / "config", server.port)
        for name, port in (("dead", 1), ("flaps", flaps), ("lies", lies)):
            (config / f"sources/{name}.toml").write_text(TWO.format(name=name, port=port))
        bench = Bench(config, State(tmp_path / "state")).start()
        try:
            await bench.until(lambda s: {one["name"]: one["good"] for one in s["sources"]}["pump1"] == 4)
            status = await bench.until(lambda s: s["overload"]["log_lines_held"] > 3)
        finally:
            bench.end()
    state = {one["name"]: one["state"] for one in status["sources"]}
    assert state["pump1"] == "up"
    assert state["dead"] == state["lies"] == "down"
    assert turn[0] > 10
    log = bench.log_text().splitlines()
    assert sum("dead: down" in line for line in log) == 1
    assert sum(re.search(r"poller: lies: down", line) is not None for line in log) <= AT_ONCE
    assert sum("poller: flaps:" in line for line in log) <= 4 * AT_ONCE
    assert "Traceback" not in bench.log_text()
    assert len(log) < 60


def test_a_flood_of_one_line_is_told_a_few_times_and_counted():
    sparing, told = Sparing(), []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())
    handler.addFilter(sparing)
    log = logging.Logger("x")
    log.addHandler(handler)
    for _ in range(1_000):
        log.info("%s: down, was %s", "pump1", "up")
        log.info("%s: down, was %s", "pump2", "up")
    assert told == ["pump1: down, was up", "pump2: down, was up"] * AT_ONCE
    assert sparing.held == 2_000 - 2 * AT_ONCE
    (first, _second) = sparing.quiet(time.time() + 100)
    assert first == f"x: {1_000 - AT_ONCE} more lines about pump1 were held back"
    assert sparing.quiet(time.time() + 100) == []
    for number in range(10_000):
        log.info("%s: down", f"pump{number}")
    assert len(sparing._kinds) <= 2_000


# another user

AS_USER = """
import os, sys
import drivers.modbus.source, monitor.daemon.life, monitor.settings
from monitor.cli import main
uid, gid = map(int, sys.argv[1:3])
monitor.settings.load(__import__("pathlib").Path(sys.argv[5]))  # an interpreter of root can be read until now alone
"".encode("utf-16be")
os.setgroups([])
os.setgid(gid)
os.setuid(uid)
os.umask(0o007)
sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start it as another user")
async def test_it_runs_as_a_user_without_rights_on_a_state_of_its_own_and_opens_nothing_but_what_is_configured(
    tmp_path,
):
    user = pwd.getpwnam("nobody")
    async with modbus_server(device()) as server:
        base = Path("/tmp") / f"handwheel-{os.getpid()}"
        base.mkdir(mode=0o755)
        try:
            config = configure(base / "config", server.port)
            home = base / "home"
            home.mkdir(mode=0o2770)
            os.chown(home, user.pw_uid, user.pw_gid)
            state = State(home / "state")
            log = (base / "log").open("wb")
            words = (str(user.pw_uid), str(user.pw_gid), "run", "--config", str(config), "--state", str(state.root))
            command = [sys.executable, "-c", AS_USER, *words]
            bench = Bench(config, state)
            bench.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
            bench.log_text = (base / "log").read_text
            try:
                await bench.until(lambda s: s["sources"][0]["good"] == 4)
                assert Path(f"/proc/{bench.process.pid}").stat().st_uid == user.pw_uid
                assert stat.S_IMODE(state.socket.stat().st_mode) == 0o660
                assert listening(bench.process.pid) == []
                bench.kill(signal.SIGTERM)
                assert await asyncio.to_thread(bench.ended) == 0
            finally:
                bench.end()
                log.close()
            assert {path.stat().st_uid for path in state.root.rglob("*")} == {user.pw_uid}
        finally:
            shutil.rmtree(base)


def listening(pid):
    """Local addresses of the network sockets on which a process listens, as the kernel has them."""
    inodes = {
        os.readlink(one)[8:-1] for one in Path(f"/proc/{pid}/fd").iterdir() if os.readlink(one).startswith("socket:")
    }
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            cells = line.split()
            waits = cells[3] == "0A" if table.startswith("tcp") else True
            if cells[9] in inodes and waits:
                found.append((table, cells[1]))
    return found
