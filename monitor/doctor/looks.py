"""Doctor's looks at the host, the daemon and STATE: each one yields what it saw, in one word and a line."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil

from drivers.errors import UserError
from monitor.check import missing_jobs
from monitor.daemon.clock import clock_health
from monitor.daemon.disk import disk_health
from monitor.flows import Flow, flows, listeners
from monitor.heartbeat import liveness, read
from monitor.historian.health import health
from monitor.ledger import verify
from monitor.ledger.anchor import last_anchor
from monitor.plant import Settings
from monitor.state import State
from monitor.words import age_text, clean, parse_utc, size_text

ANCHOR_OLD_S = 92 * 86_400.0  # a quarter of a year: what is written anew is younger than what others hold
UNFOLDED_S = 6 * 3_600.0  # folding is each hour's work
WAL_LARGE = 256_000_000  # bytes
PAPER_OLD_S = 366 * 86_400.0  # a binder is looked through once a year at least
COUNTED = {  # what is said of drivers.source.Counts
    "requests": "requests",
    "connects": "connections",
    "timeouts": "without an answer in time",
    "unfit": "answers that did not fit and were refused",
    "exceptions": "times the device said no",
    "refused": "tags refused by the device",
    "lost": "values lost in a queue",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One look at the host: its word, and what was seen or what to do."""

    name: str
    word: str  # PASS, WARN, FAIL, CANNOT TELL
    text: str


def look_at_state(settings: Settings, state: State) -> Iterator[Check]:
    """Is the state folder there, ours, and not readable by everybody?"""
    if not state.root.is_dir():
        yield Check("state", "FAIL", f"{state.root}: missing; `handwheel run` makes it")
        return
    if not os.access(state.root, os.W_OK):
        yield Check(
            "state", "WARN", f"{state.root}: not writable by this user (fine for the screen, not for the daemon)"
        )
    elif state.root.stat().st_mode & 0o002:
        yield Check("state", "FAIL", f"{state.root}: writable by everybody; chmod o-w {state.root}")
    else:
        yield Check("state", "PASS", f"{state.root}")


def look_at_disk(settings: Settings, state: State) -> Iterator[Check]:
    """A full disk cannot purge its way out, so 90 % is already a fault."""
    if not state.root.is_dir():
        yield Check("disk", "CANNOT TELL", f"{state.root}: no such folder")
        return
    try:
        disks = disk_health(state, settings)
    except OSError as fault:
        yield Check("disk", "CANNOT TELL", f"{state.root}: {fault.strerror}")
        return
    for disk in disks:
        yield Check("disk", "FAIL" if disk.full else "PASS", disk.words + ("; make room" if disk.full else ""))
    if not disks[0].ballast and settings.disk.ballast_mb:
        yield Check("disk", "WARN", "no ballast is held in reserve; the daemon makes it where there is room")


def look_at_daemon(settings: Settings, state: State) -> Iterator[Check]:
    """Does it live, and which sources answer?"""
    status = read(state)
    alive = liveness(state, status)
    word = "PASS" if alive.word == "running" else "WARN"
    sign = (
        "no sign of life since this machine started"
        if alive.age_s is None
        else f"last sign of life {age_text(alive.age_s)} ago"
    )
    yield Check("daemon", word, f"{alive.word}, {sign}")
    for source in (status or {}).get("sources", []):
        word = "PASS" if source.get("state") == "up" else "WARN"
        words = [f"{clean(source.get('name'), 40)}: {clean(source.get('state'), 20)}", clean(source.get("note", ""))]
        counts = source.get("counts") or {}
        seen = [f"{counts[key]} {told}" for key, told in COUNTED.items() if counts.get(key)]
        yield Check("link", word, "; ".join(part for part in (*words, ", ".join(seen)) if part))


def look_at_sockets(settings: Settings, state: State) -> Iterator[Check]:
    """Which sockets are really open by the daemon, against what was configured."""
    status = read(state) or {}
    pid = status.get("daemon", {}).get("pid")
    if not isinstance(pid, int) or not psutil.pid_exists(pid):
        yield Check("sockets", "CANNOT TELL", "no daemon is running; start it and look again")
        return
    try:
        open_sockets = psutil.Process(pid).net_connections("inet")
    except psutil.AccessDenied:
        yield Check("sockets", "CANNOT TELL", "not allowed to look at the daemon's sockets; run as its user")
        return
    known = {place for flow in flows(settings) if flow.process == "handwheel run" for place in _places(flow)}
    ours = {(one.host, one.port) for one in listeners(settings)}
    listening = [one.laddr for one in open_sockets if one.status == psutil.CONN_LISTEN]
    strange = [
        one.raddr
        for one in open_sockets
        if one.raddr and (one.laddr.ip, one.laddr.port) not in ours
        if not {(one.raddr.ip.removeprefix("::ffff:"), one.raddr.port), ("", one.raddr.port)} & known
    ]
    unasked = [address for address in listening if (address.ip, address.port) not in ours]
    for address in unasked:
        yield Check("sockets", "FAIL", f"the daemon listens on {address.ip}:{address.port}, which nobody configured")
    for address in strange:
        yield Check("sockets", "FAIL", f"a connection to {address.ip}:{address.port} that is in no source")
    if not unasked and not strange:
        heard = f"listens on loopback, port {settings.metrics_port}, as configured" if listening else "none listens"
        yield Check("sockets", "PASS", f"{len(open_sockets)} sockets, all configured; {heard}")


def _places(flow: Flow) -> set[tuple[str, int]]:
    """The addresses that a host has; "" stands for any, where its name cannot be looked up now."""
    try:
        found = socket.getaddrinfo(flow.host, flow.port, type=socket.SOCK_STREAM)
    except OSError:
        return {("", flow.port)}
    return {(str(address[0]), flow.port) for *_, address in found}


def look_at_store(settings: Settings, state: State) -> Iterator[Check]:
    """Does history grow, and was anything of it damaged?"""
    if not state.hot.is_file():
        yield Check("history", "CANNOT TELL", "there is none yet; the daemon makes it")
        return
    try:
        found = health(state)
    except UserError as fault:
        yield Check("history", "FAIL", str(fault))
        return
    words = f"{size_text(found.hot_bytes)} hot, {size_text(found.cold_bytes)} in Parquet on this machine"
    since_s = None if found.oldest_ms is None else time.time() - found.oldest_ms / 1000
    late = found.unfolded > 0 and since_s is not None and since_s > UNFOLDED_S
    if late:
        words += f"; the oldest frames are {age_text(since_s)} old and lie nowhere else: see `handwheel jobs`"
    if found.wal_bytes > WAL_LARGE:
        words += f"; {size_text(found.wal_bytes)} wait in the WAL because somebody holds the file open for long"
    if found.damaged:
        words += f"; {found.damaged} damaged frames were set aside in {state.root / 'quarantine'}"
    bad = late or found.wal_bytes > WAL_LARGE or found.damaged
    yield Check("history", "WARN" if bad else "PASS", words)


def look_at_ledger(settings: Settings, state: State) -> Iterator[Check]:
    """Does the chain hold from the first entry to the last?"""
    if not state.ledger.is_file():
        yield Check("ledger", "CANNOT TELL", "there is none yet; the daemon makes it")
        return
    result = verify(state)
    yield Check("ledger", "PASS" if result.ok else "FAIL", result.words)


def look_at_anchor(settings: Settings, state: State) -> Iterator[Check]:
    """Root on this host could write another past and seal it: only a head that somebody else keeps shows that."""
    if not state.ledger.is_file():
        return
    handed = last_anchor(state)
    if handed is None:
        yield Check("anchor", "WARN", "the ledger's head was never handed to a second party; `handwheel ledger anchor`")
        return
    age_s = time.time() - handed.at_us / 1e6
    words = f"the head was handed to {clean(handed.data['to'], 40)} {age_text(age_s)} ago"
    old = not 0 <= age_s <= ANCHOR_OLD_S
    yield Check(
        "anchor", "WARN" if old else "PASS", words + ("; do it again: `handwheel ledger anchor`" if old else "")
    )


def look_at_rejected(settings: Settings, state: State) -> Iterator[Check]:
    """A message that was rejected may be urgent: a person reads it."""
    found = sorted(path.stat().st_mtime for path in state.rejected.glob("*.reason.txt"))
    if found:
        oldest, newest = (age_text(time.time() - at_s) for at_s in (found[0], found[-1]))
        words = f"{len(found)} vendor messages rejected, the oldest {oldest} ago, the newest {newest}"
        yield Check("messages", "WARN", f"{words}; read them, then remove them: {state.rejected}")
    else:
        yield Check("messages", "PASS", "no vendor message was rejected")


def look_at_timetable(settings: Settings, state: State) -> Iterator[Check]:
    """What no job does is not done."""
    missing = missing_jobs(settings)
    words = f"nobody does {', '.join(missing)}; add them to timetable.toml" if missing else f"{len(settings.jobs)} jobs"
    yield Check("timetable", "WARN" if missing else "PASS", words)


def look_at_binder(settings: Settings, state: State) -> Iterator[Check]:
    """Is there paper, is it the current one, and how old is it?"""
    binder = (read(state) or {}).get("binder") or {}
    if not binder.get("current"):
        yield Check("binder", "FAIL", "no binder has been made; the daemon makes it, then print it")
        return
    if not binder.get("printed"):
        yield Check("binder", "WARN", "the binder was never printed; print it, then `handwheel-manual --mark-printed`")
        return
    age_s = _age_of_paper(state)
    old = age_s is not None and not 0 <= age_s <= PAPER_OLD_S
    same = binder["printed"] == binder["current"]
    words = [f"printed {'at an unknown time' if age_s is None else f'{age_text(age_s)} ago'}"]
    words += [f"current: {clean(binder['current'], 20)}"] if same else ["not the current one"]
    words += ["telephone numbers grow old sooner than procedures"] if old else []
    words += [] if same and not old else ["print it, then `handwheel-manual --mark-printed`"]
    yield Check("binder", "PASS" if same and not old and age_s is not None else "WARN", "; ".join(words))


def _age_of_paper(state: State) -> float | None:
    """Since when the binder was said to be printed [s]; None where that cannot be read."""
    try:
        return time.time() - parse_utc(json.loads((state.binder / "printed.json").read_text("utf-8"))["at"]) / 1e6
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None


CLOCK = {"synced": "PASS", "holdover": "WARN", "manual": "WARN", "suspect": "FAIL"}  # else: CANNOT TELL


def look_at_clock(settings: Settings, state: State) -> Iterator[Check]:
    """Can times be compared? Asked of the daemon, who watches the clock, else of the kernel alone."""
    told = (read(state) or {}).get("clock") if liveness(state, read(state)).word == "running" else None
    if told:
        word, note = clean(told.get("state"), 20), clean(told.get("note"), 160)
    else:
        health = clock_health()
        word, note = health.state, health.note
    advice = "; vendor times are not compared" if word in ("suspect", "unknown") else ""
    yield Check("clock", CLOCK.get(word, "CANNOT TELL"), "; ".join(part for part in (word, note) if part) + advice)


LOOKS: tuple[Callable[[Settings, State], Iterator[Check]], ...] = (
    look_at_state,
    look_at_disk,
    look_at_daemon,
    look_at_sockets,
    look_at_store,
    look_at_ledger,
    look_at_anchor,
    look_at_rejected,
    look_at_timetable,
    look_at_binder,
    look_at_clock,
)
