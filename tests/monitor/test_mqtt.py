"""Vendor alerts by MQTT: against a real broker, and one that lies, floods and dies. Nothing is ever published."""

import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.errors import ConfigError, UserError, WriteRefused
from drivers.source import FeedSpec
from drivers.vendor.file_drop import LIMIT_BYTES
from monitor.handover import handed_over, read_handover
from monitor.intake import REJECTED_MOST, REJECTED_PER_HOUR, Subscription, _listener, run
from monitor.settings import load
from monitor.state import State

mqtt = pytest.importorskip("drivers.vendor.mqtt", reason="needs paho-mqtt (the extra mqtt)")
from paho.mqtt import client as paho  # noqa: E402
from paho.mqtt.enums import CallbackAPIVersion  # noqa: E402

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="needs the broker mosquitto")
GOOD = json.loads((Path(__file__).parents[1] / "golden/vendor_message.json").read_bytes())
FEED = FeedSpec(
    name="smartpump_mqtt", kind="mqtt", vendor="SmartPump", folder=Path(), format="json",
    fields={"alert_id": "id", "asset": "pump", "severity": "level", "text": "message", "issued_at": "issued"},
    assets={"SP-0001": "pump1"}, severities={"warn": "warning"},
)  # fmt: skip


def message(**changes):
    return json.dumps(GOOD | changes).encode()


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "state").make()


def feed(port, **options):
    return replace(
        FEED, options={"host": "127.0.0.1", "port": port, "topic": "vendor/+/alerts", "tls": False} | options
    )


class Ear:
    """A listener whose turns a test gives."""

    def __init__(self, spec, state):
        self.subscription = Subscription(spec, state)
        self.listener = _listener(self.subscription, state)
        self.state = state

    def until(self, holds, patience_s=20.0):
        end = time.monotonic() + patience_s
        while not holds():
            assert time.monotonic() < end, "it did not come"
            if not self.listener.turn(time.monotonic(), time.monotonic, 0.1):
                time.sleep(0.05)

    def listens(self):
        return self.listener._told == "listening"

    def ids(self):
        return sorted(read_handover(path)[0].alerts[0].alert_id for path in handed_over(self.state))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


class Broker:
    """A mosquitto of our own that keeps its sessions on disk."""

    def __init__(self, folder, *lines):
        self.port, self.folder, self.process = free_port(), folder, None
        folder.mkdir()
        self.config = folder / "mosquitto.conf"
        text = [f"listener {self.port} 127.0.0.1", "persistence true", f"persistence_location {folder}/"]
        if os.geteuid() == 0:
            text.append("user root")  # else it gives up its rights and cannot keep its sessions
        self.config.write_text("\n".join([*text, *(lines or ("allow_anonymous true",))]) + "\n")

    def start(self):
        self.process = subprocess.Popen([MOSQUITTO, "-c", self.config], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end
                time.sleep(0.05)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def client(self, name="vendor"):
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        return client

    def send(self, *payloads, topic="vendor/SP-0001/alerts", qos=1, retain=False):
        client = self.client()
        for payload in payloads:
            client.publish(topic, payload, qos=qos, retain=retain).wait_for_publish(20)
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def broker(tmp_path):
    broker = Broker(tmp_path / "broker").start()
    yield broker
    broker.stop()


@needs_mosquitto
def test_a_message_becomes_the_same_handover_as_a_file(broker, state):
    ear = Ear(feed(broker.port), state)
    ear.until(ear.listens)
    broker.send(message(id="M-1"), topic="vendor/north/alerts")
    broker.send(message(id="other"), topic="somebody/else")
    broker.send(b"rubbish", topic="vendor/north/alerts")
    ear.until(lambda: ear.subscription.total.taken + ear.subscription.total.rejected == 2)
    (path,) = handed_over(state)
    handover, raw = read_handover(path)
    assert raw == message(id="M-1")
    assert (handover.feed, handover.alerts[0].alert_id, handover.alerts[0].asset) == ("smartpump_mqtt", "M-1", "pump1")
    (reason,) = state.rejected.glob("*.reason.txt")
    assert "topic vendor/north/alerts: is not JSON" in reason.read_text()
    assert reason.with_name(reason.name.removesuffix(".reason.txt")).read_bytes() == b"rubbish"
    ear.listener.close()


@needs_mosquitto
def test_what_is_sent_while_we_are_away_arrives_later_and_says_that_it_waited(broker, state):
    first = Ear(feed(broker.port), state)
    first.until(first.listens)
    first.listener.close()
    broker.send(message(id="away-1"), message(id="away-2"))
    second = Ear(feed(broker.port), state)
    second.until(lambda: second.ids() == ["away-1", "away-2"])
    alerts = [read_handover(path)[0].alerts[0] for path in handed_over(state)]
    assert [alert.extra["may_have_waited"] for alert in alerts] == ["yes", "yes"]
    second.listener.close()


@needs_mosquitto
def test_a_broker_that_dies_is_found_again_and_nothing_is_lost(broker, state):
    ear = Ear(feed(broker.port), state)
    ear.until(ear.listens)
    broker.stop()
    ear.until(lambda: "no connection" in ear.listener._told)
    broker.start()
    broker.send(message(id="after"))
    ear.until(lambda: ear.ids() == ["after"])
    ear.listener.close()


@needs_mosquitto
def test_a_message_that_the_disk_cannot_take_comes_again(broker, state):
    ear = Ear(feed(broker.port), state)
    ear.until(ear.listens)
    state.inbox.rmdir()
    state.inbox.write_bytes(b"")  # nothing can be written there, whoever tries
    broker.send(message(id="M-1"))
    ear.until(lambda: "no connection" in ear.listener._told)
    state.inbox.unlink()
    state.inbox.mkdir()
    ear.until(lambda: ear.ids() == ["M-1"])
    ear.listener.close()


@needs_mosquitto
def test_retained_messages_count_once_however_often_we_connect(broker, state):
    broker.send(message(id="kept"), retain=True)
    ear = Ear(feed(broker.port), state)
    ear.until(lambda: ear.ids() == ["kept"])
    for path in handed_over(state):
        path.unlink()
    ear.listener.lose("a test")
    ear.until(ear.listens)
    broker.send(message(id="new"))
    ear.until(lambda: ear.ids() == ["new"])
    assert ear.subscription.total.taken == 2
    ear.listener.close()


@needs_mosquitto
def test_a_message_of_ten_megabytes_is_rejected_and_the_next_one_taken(broker, state):
    ear = Ear(feed(broker.port), state)
    ear.until(ear.listens)
    broker.send(b"x" * 10_000_000, message(id="next"))
    ear.until(lambda: ear.ids() == ["next"])
    (reason,) = state.rejected.glob("*.reason.txt")
    assert "10,000,0" in reason.read_text()
    assert "the beginning is kept" in reason.read_text()
    (kept,) = state.rejected.glob("*.msg")
    assert kept.stat().st_size == LIMIT_BYTES
    ear.listener.close()


@needs_mosquitto
def test_a_flood_of_rubbish_fills_no_disk_and_hides_no_alert(broker, state):
    ear = Ear(feed(broker.port), state)
    ear.until(ear.listens)
    count = REJECTED_PER_HOUR + 300
    broker.send(*(f"rubbish {n}".encode() for n in range(count)), message(id="real"), qos=0)
    ear.until(lambda: ear.ids() == ["real"], 60)
    assert ear.subscription.total.rejected == count
    assert REJECTED_PER_HOUR <= len(list(state.rejected.glob("*.msg"))) <= 2 * REJECTED_PER_HOUR  # an hour may turn
    ear.listener.close()


def test_rejected_messages_that_nobody_removes_stop_at_a_number(state, caplog):
    subscription = Subscription(feed(1), state)
    for n in range(REJECTED_MOST):
        (state.rejected / f"{subscription.feed.name}-{n:016x}.msg").touch()
    for n in range(3):
        subscription.take(mqtt.Message("t", f"rubbish {n}".encode(), 9, again=False, may_have_waited=False))
    assert subscription.total.rejected == 3
    assert len(list(state.rejected.iterdir())) == REJECTED_MOST
    assert caplog.text.count("read and removed") == 1


@needs_mosquitto
def test_nothing_is_published_not_even_a_will_or_a_greeting(broker, state):
    heard = []
    watcher = broker.client("watcher")
    watcher.on_message = lambda _client, _data, message: heard.append((message.topic, message.payload))
    ready = threading.Event()
    watcher.on_subscribe = lambda *_: ready.set()
    watcher.subscribe("#", qos=1)
    assert ready.wait(20)
    ear = Ear(feed(broker.port), state)
    ear.until(ear.listens)
    ear.listener.lose("a test")  # no good-bye: a will would be sent now
    ear.until(ear.listens)
    broker.send(message(id="M-1"))
    ear.until(lambda: ear.ids() == ["M-1"])
    ear.listener.close()
    end = time.monotonic() + 20
    while not heard:
        assert time.monotonic() < end
        time.sleep(0.05)
    broker.send(b"last", topic="z")
    while heard[-1][0] != "z":
        assert time.monotonic() < end
        time.sleep(0.05)
    assert [topic for topic, _ in heard] == ["vendor/SP-0001/alerts", "z"]
    watcher.disconnect()
    watcher.loop_stop()


def test_the_client_refuses_to_publish_or_to_leave_a_will(state):
    client = mqtt._Client(CallbackAPIVersion.VERSION2, client_id="x")
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        client.connect("127.0.0.1", port)
        with pytest.raises(WriteRefused, match="type 3"):
            client.publish("a", b"b")
        with pytest.raises(WriteRefused, match="type 10"):
            client.unsubscribe("a")
        client._sock_close()
        client.will_set("a", b"b")
        with pytest.raises(WriteRefused, match="type 1"):
            client.connect("127.0.0.1", port)
        client._sock_close()


@needs_mosquitto
def test_login_and_refusal(tmp_path, state):
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    tool = shutil.which("mosquitto_passwd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/bin")
    if tool is None:
        pytest.skip("needs mosquitto_passwd")
    subprocess.run([tool, "-b", passwords, "handwheel", "right"], check=True, capture_output=True)
    passwords.chmod(0o644)
    broker = Broker(tmp_path / "broker", "allow_anonymous false", f"password_file {passwords}").start()
    try:
        secret = tmp_path / "secret"
        secret.write_text("wrong\n")
        secret.chmod(0o600)
        ear = Ear(feed(broker.port, user="handwheel", password_file=str(secret)), state)
        ear.until(lambda: "the broker refuses us: Not authorized" in ear.listener._told)
        secret.write_text("right\n")  # read anew at each attempt
        ear.until(ear.listens)
        ear.listener.close()
    finally:
        broker.stop()


def test_a_secret_that_cannot_be_read_is_told_at_the_start(tmp_path, state):
    with pytest.raises(ConfigError, match="feed smartpump_mqtt: needs exactly one of password_file"):
        Ear(feed(1, user="handwheel"), state)
    with pytest.raises(ConfigError, match="no password could be read"):
        Ear(feed(1, user="handwheel", password_file=str(tmp_path / "none")), state)


def certificates(folder):
    """A throw-away authority and a server of its own."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")

    def run_openssl(*args):
        subprocess.run([openssl, *args], check=True, capture_output=True, cwd=folder)

    for name in ("ca", "other"):
        run_openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                    "-days", "2", "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    run_openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=s")
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    run_openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                "2", "-extfile", "ext", "-out", "server.pem")  # fmt: skip


@needs_mosquitto
def test_tls_is_the_rule_and_a_strange_broker_is_not_spoken_to(tmp_path, state):
    folder = tmp_path / "certificates"
    folder.mkdir()
    certificates(folder)
    for path in folder.iterdir():
        path.chmod(0o644)
    broker = Broker(tmp_path / "broker", "allow_anonymous true", f"certfile {folder}/server.pem",
                    f"keyfile {folder}/server.key").start()  # fmt: skip
    try:
        ear = Ear(feed(broker.port, tls=True, ca_file=str(folder / "ca.pem")), state)
        ear.until(ear.listens)
        ear.listener.close()
        stranger = Ear(feed(broker.port, tls=True, ca_file=str(folder / "other.pem")), state)
        stranger.until(lambda: "CERTIFICATE_VERIFY_FAILED" in stranger.listener._told)
        plain = Ear(feed(broker.port, tls=False), state)
        plain.until(lambda: "no connection" in plain.listener._told)
    finally:
        broker.stop()
    assert ssl.create_default_context().check_hostname


class Liar:
    """A broker that records what it is sent and answers what a test wants."""

    def __init__(self, *answers):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.packets, self.answers = [], list(answers)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                link, _ = self.server.accept()
            except OSError:
                return
            with link:
                try:
                    self._talk(link)
                except OSError:
                    continue

    def _talk(self, link):
        while True:
            head = link.recv(1)
            if not head:
                return
            length = shift = 0
            while True:
                byte = link.recv(1)[0]
                length, shift = length | (byte & 127) << shift, shift + 7
                if not byte & 128:
                    break
            body = b""
            while len(body) < length:
                body += link.recv(length - len(body))
            self.packets.append((head[0] >> 4, body))
            if head[0] >> 4 == 1:
                link.sendall(b"\x20\x02\x00\x00")
            elif head[0] >> 4 == 8:
                link.sendall(b"\x90\x03" + body[:2] + b"\x01")
                for answer in self.answers:
                    answer(link)
            elif head[0] >> 4 == 12:
                link.sendall(b"\xd0\x00")

    def close(self):
        self.server.close()


def packet(kind, body, more=0):
    head, length = bytes([kind]), len(body) + more
    while True:
        head += bytes([length % 128 | (128 if length > 127 else 0)])
        length //= 128
        if not length:
            return head if more else head + body


def publish(payload, mid=1, qos=1, topic=b"vendor/x/alerts", flags=0):
    body = struct.pack("!H", len(topic)) + topic + (struct.pack("!H", mid) if qos else b"") + payload
    return packet(0x30 | qos << 1 | flags, body)


def test_on_the_wire_there_is_nothing_but_listening(state):
    liar = Liar(lambda link: link.sendall(publish(message(id="M-1"))))
    ear = Ear(feed(liar.port), state)
    ear.until(lambda: ear.ids() == ["M-1"])
    ear.listener.close()
    end = time.monotonic() + 20
    while liar.packets[-1][0] != 14:
        assert time.monotonic() < end
        time.sleep(0.05)
    liar.close()
    assert [kind for kind, _ in liar.packets] == [1, 8, 4, 14]  # CONNECT, SUBSCRIBE, PUBACK, DISCONNECT
    connect = liar.packets[0][1]
    assert connect[:7] == b"\x00\x04MQTT\x04"
    assert connect[7] == 0  # neither a clean session nor a will, user or password
    assert liar.packets[1][1].endswith(b"vendor/+/alerts\x01")


def test_the_largest_message_that_there_can_be_is_let_through_without_filling_the_memory(state):
    size = 200_000_000

    def flood(link):
        body = struct.pack("!H", 15) + b"vendor/x/alerts" + struct.pack("!H", 1)
        link.sendall(packet(0x32, body, size) + body)
        block = b"x" * 1_000_000
        for _ in range(size // len(block)):
            link.sendall(block)
        link.sendall(publish(message(id="after"), mid=2))

    import resource

    liar = Liar(flood)
    ear = Ear(feed(liar.port), state)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ear.until(lambda: ear.ids() == ["after"], 60)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB
    (reason,) = state.rejected.glob("*.reason.txt")
    assert "200,000,0" in reason.read_text()
    ear.listener.close()
    liar.close()


@pytest.mark.parametrize(
    "lie",
    [
        b"\x32\xff\xff\xff\xff\xff\x7f",  # a length of six bytes
        b"\x32\x01\x00",  # shorter than a topic
        b"\x32\x04\xff\xffab",  # a topic longer than the packet
        b"\x00\x00", b"\xf0\x00", b"\x20\x00",
        publish(message(), qos=2),  # more than was asked for
        publish(message(), qos=3),
        b"\x40\xff\xff\xff\x7f" + b"\x00" * 100,  # an endless packet that is no message
        publish(message(), topic=b"\xff\xfe"),
    ],
)  # fmt: skip
def test_a_broker_that_talks_rubbish_ends_nothing(state, lie):
    answers = [lambda link: link.sendall(lie)]
    liar = Liar(lambda link: answers.pop()(link) if answers else link.sendall(publish(message(id="later"))))
    ear = Ear(feed(liar.port), state)
    subscriptions = [ear.subscription]
    from monitor.intake import _listen

    end = time.monotonic() + 60
    while "later" not in ear.ids():
        assert time.monotonic() < end
        if not _listen([ear.listener], subscriptions, 10, 0.1):
            time.sleep(0.05)
        if not answers and ear.listens() and len(liar.packets) < 4 and time.monotonic() > end - 57:
            ear.listener.lose("a test: the lie was let pass")
    ear.listener.close()
    liar.close()


def test_a_broker_that_takes_the_connection_and_says_nothing_is_left(state, monkeypatch):
    monkeypatch.setattr(mqtt, "KEEPALIVE_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ear = Ear(feed(silent.getsockname()[1]), state)
        ear.until(lambda: "no connection" in ear.listener._told)


CONFIG = """
[feed]
name = "smartpump_mqtt"
kind = "mqtt"
vendor = "SmartPump"
format = "json"
fields = {{ alert_id = "id", asset = "pump", severity = "level", text = "message", issued_at = "issued" }}
assets = {{ "SP-0001" = "pump1" }}
severities = {{ warn = "warning" }}

[feed.mqtt]
host = "127.0.0.1"
port = {port}
topic = "vendor/+/alerts"
tls = false
"""


@pytest.fixture
def config(tmp_path):
    folder = tmp_path / "config"
    shutil.copytree(Path(__file__).parents[1] / "golden/config", folder)
    return folder


@needs_mosquitto
def test_the_real_process_killed_in_between_loses_nothing_and_tells_nothing_twice(broker, state, config):
    (config / "sources/mqtt.toml").write_text(CONFIG.format(port=broker.port))
    command = [sys.executable, "-m", "monitor.cli", "intake", "--config", str(config), "--state", str(state.root)]

    def ids():
        return sorted(read_handover(path)[0].alerts[0].alert_id for path in handed_over(state))

    def until(holds, process):
        end = time.monotonic() + 60
        while not holds():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)

    sent = []
    for turn in range(2):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            while "listening" not in process.stderr.readline():
                assert process.poll() is None
            for number in range(10):
                sent.append(f"M-{turn}-{number}")
                broker.send(message(id=sent[-1]))
            until(lambda least=10 * turn + 1: len(ids()) >= least, process)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(60)
            process.stderr.close()
        broker.send(message(id=f"M-{turn}-away"))
        sent.append(f"M-{turn}-away")
    done = subprocess.run([*command, "--once"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "rejected: 0" in done.stdout
    assert ids() == sorted(sent)


def test_without_paho_one_line_says_what_to_install(state, config):
    (config / "sources/mqtt.toml").write_text(CONFIG.format(port=1))
    script = f"""
import sys
sys.modules["paho"] = sys.modules["paho.mqtt"] = sys.modules["paho.mqtt.client"] = None
from monitor.cli import main
sys.exit(main(["intake", "--config", {str(config)!r}, "--state", {str(state.root)!r}]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert "feed smartpump_mqtt: MQTT needs paho-mqtt, which is not installed; pip install 'handwheel[mqtt]'" in line


def test_a_dead_broker_does_not_hold_up_files(state, config, monkeypatch):
    (config / "sources/mqtt.toml").write_text(CONFIG.format(port=free_port()))
    settings = load(config)
    folder = state.root / "drop/smartpump"
    folder.mkdir(parents=True)
    (folder / "a.json").write_bytes(json.dumps(GOOD).encode())
    assert run(settings, state, once=True) == 0
    assert [read_handover(path)[0].feed for path in handed_over(state)] == ["smartpump_mail"]


def test_an_error_of_a_user_is_none_of_the_brokers():
    assert issubclass(ConfigError, UserError)
