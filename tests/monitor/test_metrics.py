"""The endpoint for Prometheus: on loopback, off by default, a strict format, and no client holds up the daemon."""

import asyncio
import re
import socket
import time
import urllib.request
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.daemon import metrics
from monitor.daemon.metrics import CLIENTS, Endpoint, answer, escaped
from monitor.flows import csv_text, flows, listeners, nft_text, table_text
from monitor.settings import load
from monitor.state import State
from tests.drivers.servers import modbus_server
from tests.monitor.plant_bench import GOLDEN, Bench, configure, device

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9.]+(?:e[+-]?[0-9]+)?|\+Inf|-Inf|NaN)")


def parsed(text):
    """(name, labels) -> value, by a grammar of our own; each sample under its own HELP and TYPE, once."""
    found, kind, helped = {}, {}, None
    assert text.endswith("\n")
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            helped = line.split(" ")[2]
            assert helped not in kind, "a family comes twice"
        elif line.startswith("# TYPE "):
            _, _, name, what = line.split(" ")
            assert name == helped
            assert what in ("gauge", "counter")
            assert (what == "counter") == name.endswith("_total")
            kind[name] = what
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample[1] == helped
            labels = dict(re.findall(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"', sample[2] or ""))
            key = (sample[1], *sorted(labels.items()))
            assert key not in found, "a sample comes twice"
            found[key] = float(sample[3])
    return found


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def fetched(port, path="/metrics"):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as reply:
        return reply.headers, reply.read().decode()


async def raw(port, request):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    told = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return told


def with_metrics(folder, port):
    site = folder / "site.toml"
    site.write_text(f"{site.read_text()}\n[metrics]\nport = {port}\n")
    return folder


async def test_a_real_daemon_tells_of_sources_store_worker_and_jobs(tmp_path):
    port = free_port()
    async with modbus_server(device()) as server:
        timetable = '[[job]]\nname = "verify"\nevery_s = 86400\n'
        config = with_metrics(configure(tmp_path / "config", server.port, timetable=timetable), port)
        bench = Bench(config, State(tmp_path / "state")).start()
        try:
            status = await bench.until(
                lambda s: s["sources"][0]["good"] == 4 and "verify" in s["worker"]["jobs"] and s["disk"]
            )
            early = parsed(metrics.text(status | {"disk": None}, [], 0.0, "1"))  # the disk is looked at after seconds
            assert ("handwheel_store_ok",) in early and ("handwheel_disk_used_ratio",) not in early
            headers, text = await asyncio.to_thread(fetched, port)
            assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            found = parsed(text)
            pump1 = (("site", "G"), ("source", "pump1"))
            assert found["handwheel_source_up", *pump1] == 1
            assert 0 < found["handwheel_source_poll_duration_seconds", *pump1] < 5
            assert 0 <= found["handwheel_source_staleness_seconds", *pump1] < 30
            assert found["handwheel_source_tags_good", *pump1] == 4
            assert found["handwheel_source_events_total", ("event", "requests"), *pump1] >= 1
            assert found["handwheel_store_ok",] == 1
            assert found["handwheel_ledger_entries",] >= 2
            assert 0 < found["handwheel_disk_used_ratio",] <= 1
            assert found["handwheel_job_ok", ("job", "verify")] == 1
            assert abs(found["handwheel_job_last_success_timestamp_seconds", ("job", "verify")] - time.time()) < 60
            assert found["handwheel_overload_total", ("what", "polls_lost")] == 0
            assert found["handwheel_tick_age_seconds",] < 30
            with socket.socket() as outside:
                address = next(iter(_own_addresses()), None)
                if address:
                    assert outside.connect_ex((address, port)) != 0, "it listens beyond loopback"
            await server.shutdown()
            await bench.until(lambda s: s["sources"][0]["state"] == "down")
            assert parsed((await asyncio.to_thread(fetched, port))[1])["handwheel_source_up", *pump1] == 0
        finally:
            bench.end()


def _own_addresses():
    told = Path("/proc/net/fib_trie").read_text()
    found = re.findall(r"\|-- (\d+\.\d+\.\d+\.\d+)\n\s+/32 host LOCAL", told)
    return {one for one in found if not one.startswith("127.")}


def test_an_independent_parser_reads_the_same(tmp_path):
    parser = pytest.importorskip("prometheus_client.parser", reason="prometheus_client is not installed")
    text = "".join(metrics._family("x_total", "counter", "Of x.", [({"a": 'q"\\\n'}, 3), ({"a": "é"}, 0.5)]))
    (family,) = parser.text_string_to_metric_families(text)
    assert [(one.labels["a"], one.value) for one in family.samples] == [('q"\\\n', 3.0), ("é", 0.5)]


@given(st.text(), st.floats())
def test_a_hostile_label_stays_one_label_on_one_line(label, value):
    text = "".join(metrics._family("x", "gauge", "Of x.", [({"a": label, "b": "2"}, value)]))
    ((key, _value),) = parsed(text).items()
    assert key == ("handwheel_x", ("a", escaped(label)), ("b", "2"))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9464\r\n\r\n", b"200 OK"),
        (b"GET /metrics HTTP/1.1\r\nhost: [::1]\r\n\r\n", b"200 OK"),
        (b"GET /metrics HTTP/1.1\r\nHost: rebound.example:9464\r\n\r\n", b"421 Misdirected Request"),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: a.example\r\n\r\n", b"421 Misdirected Request"),
        (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", b"200 OK"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405 Method Not Allowed"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"GET /metrics\r\n\r\n", b"400 Bad Request"),
        (b"\x16\x03\x01\r\n\r\n", b"400 Bad Request"),
        (b"\r\n\r\n", b"400 Bad Request"),
    ],
)
def test_only_a_question_for_the_metrics_is_answered_with_them(request_, status):
    told = answer(request_, lambda: "x 1\n")
    assert told.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert told.endswith(b"x 1\n") == (status == b"200 OK")


async def test_slow_long_and_many_clients_hold_nobody_up(monkeypatch):
    monkeypatch.setattr(metrics, "PATIENCE_S", 1.0)
    endpoint, port = Endpoint(lambda: "x 1\n" * 2_000_000), free_port()
    await endpoint.listen(port)
    try:
        assert await raw(port, b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20_000) == b""
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CLIENTS)]
        begun = time.monotonic()
        silent[0][1].write(b"GET /metrics HTTP/1.1\r\n\r\n")  # and never reads the answer
        while endpoint._clients:
            assert time.monotonic() - begun < 30
            await asyncio.sleep(0.05)
        assert (await raw(port, b"GET /metrics HTTP/1.0\r\n\r\n")).endswith(b"x 1\n")
        for _reader, writer in silent:
            writer.close()
    finally:
        endpoint.close()


async def test_a_scrape_gets_in_where_hundreds_hold_connections_and_the_oldest_silent_one_goes():
    endpoint, port = Endpoint(lambda: "x 1\n" * 2_000_000), free_port()
    await endpoint.listen(port)
    held = []
    try:
        slow = await asyncio.open_connection("127.0.0.1", port)
        slow[1].write(b"GET /metrics HTTP/1.0\r\n\r\n")  # it asked, and takes its time to read
        await slow[0].readexactly(1)
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
        for _ in range(3):
            assert (await raw(port, b"GET /metrics HTTP/1.1\r\n\r\n")).endswith(b"x 1\n")
        assert len(endpoint._clients) <= CLIENTS
        assert await asyncio.wait_for(held[0][0].read(), 30) == b"", "the oldest silent one is let go of"
        assert (await asyncio.wait_for(slow[0].read(), 30)).endswith(b"x 1\n"), "who asked keeps its turn"
    finally:
        for _reader, writer in [slow, *held]:
            writer.close()
        endpoint.close()


async def test_a_port_that_is_taken_leaves_the_old_one_open():
    first, endpoint = free_port(), Endpoint(lambda: "x 1\n")
    await endpoint.listen(first)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OSError, match="in use"):
            await endpoint.listen(other.getsockname()[1])
    assert (await raw(first, b"GET /metrics HTTP/1.1\r\n\r\n")).endswith(b"x 1\n")
    await endpoint.listen(None)
    with pytest.raises(ConnectionError):
        await raw(first, b"GET /metrics HTTP/1.1\r\n\r\n")


def test_what_listens_is_told_with_the_flows_and_nothing_listens_by_default(tmp_path):
    settings = load(GOLDEN / "config")
    assert listeners(settings) == []
    told = load(with_metrics(configure(tmp_path / "config", 1502), 9_100))
    (one,) = listeners(told)
    assert (one.host, one.port) == ("127.0.0.1", 9_100)
    table = table_text(flows(told), told, State(tmp_path))
    assert "on loopback only: handwheel run listens on 127.0.0.1:9100, metrics for Prometheus" in table
    assert "9100" not in csv_text(flows(told)) + nft_text(flows(told))
