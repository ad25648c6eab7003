"""Doctor's looks at the host, the daemon and STATE: each one yields what it saw, in one word and a line."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil

from drivers.errors import UserError
from monitor import readiness
from monitor.check import missing_jobs
from monitor.daemon.clock import clock_health
from monitor.daemon.disk import disk_health
from monitor.daemon.dispatch import last_runs
from monitor.flows import Flow, flows, listeners
from monitor.heartbeat import liveness, read
from monitor.historian.reader import HotReader
from monitor.plant import Settings
from monitor.state import State, read_plain
from monitor.words import age_text, clean, parse_utc

RECORD_BYTES = 4_000_000  # of what a person has said to have printed
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
        yield Check("state", "WARN", f"{state.root}: {_not_writable(state)}")
    elif state.root.stat().st_mode & 0o002:
        yield Check("state", "FAIL", f"{state.root}: writable by everybody; chmod o-w {state.root}")
    else:
        yield Check("state", "PASS", f"{state.root}")


def _not_writable(state: State) -> str:
    if os.statvfs(state.root).f_flag & os.ST_RDONLY:
        return "lies on a file system that is mounted read-only: nothing can be stored; look at the disk"
    return "not writable by this user (fine for the screen, not for the daemon)"


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


DAEMON = {"running": "PASS", "stopped": "WARN"}  # blind, hung and never are failures: nobody looks at the plant
LINKS = {"up": "PASS", "down": "FAIL"}  # else: WARN


def look_at_daemon(settings: Settings, state: State) -> Iterator[Check]:
    """Does it live, which sources answer, was anything lost because there was too much of it?"""
    status = read(state) or {}
    alive = liveness(state, status or None)
    sign = (
        "no sign of life since this machine started"
        if alive.age_s is None
        else f"last sign of life {age_text(alive.age_s)} ago"
    )
    lives = alive.word == "running"
    yield Check("daemon", DAEMON.get(alive.word, "FAIL"), f"{alive.word}, {sign}")
    for source in status.get("sources", []):
        link, name = clean(source.get("state"), 20), clean(source.get("name"), 40)
        words = [f"{name}: {link}" if lives else f"{name}: was {link} when the daemon ended", clean(source.get("note"))]
        counts = source.get("counts") or {}
        seen = [f"{counts[key]} {told}" for key, told in COUNTED.items() if counts.get(key)]
        text = "; ".join(part for part in (*words, ", ".join(seen)) if part)
        yield Check("link", LINKS.get(link, "WARN") if lives else "CANNOT TELL", text)
    store = status.get("store") or {}
    if lives and store.get("state") not in (None, "ok"):
        yield Check("store", "FAIL", f"{clean(store.get('state'), 20)}: {clean(store.get('note'))}")
    lost = {key: n for key, n in (status.get("overload") or {}).items() if isinstance(n, int) and n}
    if lives and lost:
        told = ", ".join(f"{clean(key.replace('_', ' '), 30)} {n}" for key, n in lost.items())
        yield Check("overload", "WARN", f"since the daemon started: {told}")


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


def look_at_timetable(settings: Settings, state: State) -> Iterator[Check]:
    """What no job does is not done, and a job that fails does nothing."""
    missing = missing_jobs(settings)
    if missing:
        yield Check("timetable", "WARN", f"nobody does {', '.join(missing)}; add them to timetable.toml")
    try:
        runs = last_runs(HotReader(state.hot))
    except (UserError, ValueError, KeyError, TypeError, AttributeError) as fault:
        yield Check("timetable", "CANNOT TELL", f"how the jobs went cannot be read: {clean(fault)}")
        return
    failed = [job.name for job in settings.jobs if job.name in runs and not runs[job.name].get("ok")]
    never = [job.name for job in settings.jobs if job.name not in runs]
    for name in failed:
        yield Check("timetable", "WARN", f"{name} FAILED last: {clean(runs[name].get('words'), 160)}; `handwheel jobs`")
    late = _stuck(state)
    if late:
        yield Check("timetable", "WARN", late)
    if not (missing or failed or late):
        words = f"{len(settings.jobs)} jobs, each went well last" + (
            f"; never ran: {', '.join(never)}" if never else ""
        )
        yield Check("timetable", "PASS" if not never else "CANNOT TELL", words)


def _stuck(state: State) -> str:
    """Words for a job that is at work and does not get on."""
    worker = (read(state) or {}).get("worker") or {}
    pid = worker.get("pid")
    if not worker.get("job") or not isinstance(pid, int) or liveness(state, read(state)).word != "running":
        return ""
    try:
        asleep = psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return ""
    return f"{clean(worker['job'], 40)} is at work, and its process {pid} stands still" if asleep else ""


def look_at_binder(settings: Settings, state: State) -> Iterator[Check]:
    """Is there paper, is it the current one, and how old is it?"""
    binder = (read(state) or {}).get("binder") or {}
    if not binder.get("current"):
        word = readiness.judged_binder(binder).word
        yield Check("binder", word, "no binder has been made; the daemon makes it, then print it")
        return
    if not binder.get("printed"):
        told = "the binder was never printed; print it, then `handwheel-manual --mark-printed MARK`"
        yield Check("binder", "WARN", told)
        return
    age_s = _age_of_paper(state)
    old = age_s is not None and not 0 <= age_s <= PAPER_OLD_S
    same = binder["printed"] == binder["current"]
    words = [f"printed {'at an unknown time' if age_s is None else f'{age_text(age_s)} ago'}"]
    words += [f"current: {clean(binder['current'], 20)}"] if same else ["not the current one"]
    words += ["telephone numbers grow old sooner than procedures"] if old else []
    words += [] if same and not old else ["print it, then `handwheel-manual --mark-printed MARK`"]
    word = readiness.judged_binder(binder).word  # the word of the audit
    yield Check("binder", "WARN" if word == "PASS" and (old or age_s is None) else word, "; ".join(words))


def look_at_readiness(settings: Settings, state: State) -> Iterator[Check]:
    """Drills that are due, pages of a station that changed since they were printed, journals that wait."""
    for one in readiness.looks(state, settings, time.time_ns() // 1000):
        if one.name != "binder" or one.subject:
            where = f"{one.subject}: " if one.subject else ""
            yield Check(one.name, one.word, where + one.words)


def _age_of_paper(state: State) -> float | None:
    """Since when the binder was said to be printed [s]; None where that cannot be read."""
    try:
        told = json.loads(read_plain(state.printed / "printed.json", RECORD_BYTES))
        return time.time() - parse_utc(told["at"]) / 1e6
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
    look_at_timetable,
    look_at_binder,
    look_at_readiness,
    look_at_clock,
)
