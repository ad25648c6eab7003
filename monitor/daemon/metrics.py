"""What Prometheus may ask: GET /metrics on 127.0.0.1, where `[metrics] port` is set; else nothing is served.

The text (exposition format 0.0.4) is made of the status that was published last, so a question costs the daemon nothing
but its writing, and says what everybody else sees. One answer per connection; a request that is long, late or another
one is refused, a client that does not read is let go of. Where too many hold connections, a new one takes the place of
the oldest that is silent.
"""

import asyncio
import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from monitor.daemon.poller import Link
from monitor.words import parse_utc

LOG = logging.getLogger("handwheel.daemon")
HOST = "127.0.0.1"
REQUEST_LIMIT = 8_192  # bytes
_HOST_LINE = re.compile(rb"^host[ \t]*:(.*)$", re.IGNORECASE | re.MULTILINE)
_HOST = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
PATIENCE_S = 5.0  # for a request, and for a client to take its answer
CLIENTS = 16
TYPE = "text/plain; version=0.0.4; charset=utf-8"
Row = tuple[Mapping[str, object], float]  # labels, value


class Endpoint:
    """The listener; `text` makes the answer."""

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.StreamWriter, bool] = {}  # oldest first; whether it has asked

    async def listen(self, port: int | None) -> None:
        """Serve on this port from now on, or nowhere. OSError where it cannot be had: then it stays as it was."""
        server = port and await asyncio.start_server(self._answer_client, HOST, port, limit=REQUEST_LIMIT)
        self.close()
        self._server = server or None

    def close(self) -> None:
        """Serve nothing any more."""
        if self._server is not None:
            self._server.close()
        self._server = None
        for writer in self._clients:
            writer.transport.abort()

    async def _answer_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= CLIENTS:
            self._let_go()
        self._clients[writer] = False
        try:
            async with asyncio.timeout(PATIENCE_S):
                request = await reader.readuntil(b"\r\n\r\n")
            self._clients[writer] = True
            writer.write(answer(request, self._text))
            async with asyncio.timeout(PATIENCE_S):
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._clients.pop(writer, None)

    def _let_go(self) -> None:
        """Make room for one that may be a scrape: the oldest that is silent goes, else the oldest."""
        oldest = next((one for one, asked in self._clients.items() if not asked), next(iter(self._clients)))
        del self._clients[oldest]
        oldest.transport.abort()


def answer(request: bytes, text: Callable[[], str]) -> bytes:
    """The whole answer to a request for the metrics; the status alone to any other."""
    method, _, rest = request.partition(b"\r\n")[0].partition(b" ")
    path, _, protocol = rest.partition(b" ")
    if not protocol.startswith(b"HTTP/1."):
        return _http("400 Bad Request")
    if not all(_HOST.fullmatch(one.strip()) for one in _HOST_LINE.findall(request)):
        return _http("421 Misdirected Request")  # a page in a browser here, under a name that leads to 127.0.0.1
    if path.partition(b"?")[0] != b"/metrics":
        return _http("404 Not Found")
    if method != b"GET":
        return _http("405 Method Not Allowed", more="Allow: GET\r\n")
    return _http("200 OK", text().encode())


def _http(status: str, body: bytes = b"", more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {TYPE}\r\nContent-Length: {len(body)}\r\n{more}Connection: close\r\n\r\n"
    )
    return head.encode() + body


def text(status: Mapping[str, Any], links: Iterable[Link], mono_s: float, version: str) -> str:
    """The metrics of a published status; `links` know how long a poll takes, `mono_s` is now (monotonic) [s]."""
    return "".join(_lines(status, list(links), mono_s, version))


def _lines(status: Mapping[str, Any], links: list[Link], mono_s: float, version: str) -> Iterator[str]:
    sources = [({"source": one["name"], "site": one["site"]}, one) for one in status["sources"]]
    worker, overload, backlog = status["worker"], status["overload"], status["backlog"]
    yield from _family("build_info", "gauge", "The version that runs.", [({"version": version}, 1)])
    age_s = max(mono_s - status["mono_s"], 0.0)
    yield from _family("tick_age_seconds", "gauge", "Since the last tick that stored and published; the watchdog's "
                       "measure.", [({}, age_s)])  # fmt: skip
    yield from _family("source_up", "gauge", "1: the source answers for all its tags.",
                       ((who, one["state"] == "up") for who, one in sources))  # fmt: skip
    yield from _family("source_answers", "gauge", "1: the source answers, if only in part.",
                       ((who, one["state"] in ("up", "degraded")) for who, one in sources))  # fmt: skip
    yield from _family("source_poll_duration_seconds", "gauge", "How long the last poll took.",
                       (({"source": one.source, "site": one.site}, one.took_s) for one in links
                        if one.took_s is not None))  # fmt: skip
    yield from _family("source_staleness_seconds", "gauge", "Age of the newest answer; absent where there was none.",
                       ((who, one["age_s"] + age_s) for who, one in sources if one["age_s"] is not None))  # fmt: skip
    yield from _family("source_tags", "gauge", "How many tags are configured.",
                       ((who, one["total"]) for who, one in sources))  # fmt: skip
    yield from _family("source_tags_good", "gauge", "How many of them are good now.",
                       ((who, one["good"]) for who, one in sources))  # fmt: skip
    yield from _family("source_polls_skipped_total", "counter", "Polls left out because an earlier one took too long.",
                       ((who, one["skipped"]) for who, one in sources))  # fmt: skip
    yield from _family("source_events_total", "counter", "What a connection has seen since the start.",
                       (({**who, "event": event}, n) for who, one in sources
                        for event, n in one["counts"].items()))  # fmt: skip
    yield from _family("site_telemetry_lost", "gauge", "1: nothing was heard of the site for its time.",
                       (({"site": one["id"]}, one["state"] == "lost") for one in status["sites"]))  # fmt: skip
    yield from _family("feed_late", "gauge", "1: a vendor's feed is silent for longer than it may be.",
                       (({"feed": one["feed"]}, one["late"]) for one in status["vendor"]))  # fmt: skip
    yield from _family("rejected_messages", "gauge", "Vendor messages of which no alert could be made.",
                       [({}, status["rejected"]["count"])])  # fmt: skip
    yield from _family("store_ok", "gauge", "1: what is read can be stored.",
                       [({}, status["store"]["state"] == "ok")])  # fmt: skip
    yield from _family("store_wal_bytes", "gauge", "Size of the write-ahead logs.", [({}, status["wal_bytes"])])
    disk = status["disk"]  # None until it was looked at
    yield from _family("disk_used_ratio", "gauge", "Share of the disk that is used.",
                       [({}, disk["share"])] if disk else [])  # fmt: skip
    yield from _family("ledger_entries", "gauge", "Entries of the ledger.", [({}, status["ledger"]["n"])])
    yield from _family("clock_state", "gauge", "The word for the clock.",
                       [({"state": status["clock"]["state"]}, 1)])  # fmt: skip
    yield from _family("worker_up", "gauge", "1: the worker process lives.", [({}, worker["pid"] is not None)])
    yield from _family("worker_restarts_total", "counter", "How often it had to be started anew.",
                       [({}, worker["restarts"])])  # fmt: skip
    yield from _family("worker_jobs_lost_total", "counter", "Jobs without a result.", [({}, worker["lost"])])
    jobs = worker["jobs"].items()
    yield from _family("job_ok", "gauge", "1: the last run of the job went well.",
                       (({"job": name}, run["ok"]) for name, run in jobs))  # fmt: skip
    yield from _family("job_last_success_timestamp_seconds", "gauge", "When a run that went well last ended.",
                       (({"job": name}, parse_utc(run["succeeded"]) / 1e6) for name, run in jobs
                        if run.get("succeeded")))  # fmt: skip
    yield from _family("job_left_out_total", "counter", "Runs that did not happen: late, or still running.",
                       (({"job": name}, run.get("left_out", 0)) for name, run in jobs))  # fmt: skip
    yield from _family("overload_total", "counter", "What was lost or left out because there was too much of it.",
                       (({"what": what}, n) for what, n in overload.items() if what != "at"))  # fmt: skip
    yield from _family("backlog_bytes", "gauge", "Samples that wait in memory for the disk.",
                       [({}, backlog["bytes"])])  # fmt: skip
    yield from _family("socket_messages_total", "counter", "Messages of the command socket: admitted, or why refused.",
                       (({"result": why}, n) for why, n in status["socket"].items()))  # fmt: skip


def _family(name: str, kind: str, told: str, rows: Iterable[Row]) -> Iterator[str]:
    yield f"# HELP handwheel_{name} {told}\n# TYPE handwheel_{name} {kind}\n"
    for labels, value in rows:
        inner = ",".join(f'{key}="{escaped(str(one))}"' for key, one in labels.items())
        yield f"handwheel_{name}{'{' + inner + '}' if inner else ''} {_number(float(value))}\n"


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")


def escaped(label: str) -> str:
    """A label's value as the format wants it; what UTF-8 cannot hold is replaced."""
    sane = label.encode("utf-8", "replace").decode()
    return sane.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


async def try_to_listen(endpoint: Endpoint, port: int | None) -> None:
    """At the start: without metrics a control room still works, so that is said and no more."""
    try:
        await endpoint.listen(port)
    except OSError as fault:
        LOG.error("metrics: port %s cannot be opened (%s); nothing is served", port, fault.strerror)
