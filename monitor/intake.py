"""`handwheel intake`: takes vendor messages out of their drop folders, in a process of its own that has no route to any
field device. What comes from outside is hostile until it was looked at: size-limited, regular files only, never
followed, never executed.

A message that can be used is handed to the daemon as two files in STATE/inbox, named by the SHA-256 of its bytes: the
message as it came (.raw) and the finished alerts (.json, written last: where it stands, the handover is complete).
Everything else goes to STATE/rejected with its reason beside it in one line. One bad file never stops the rest, and a
process that is killed at any point finds its way: the same bytes give the same names, and the daemon knows what it has.

A file is looked at when neither size nor time changed for 2 s. If no alert can be made of it then, it may still be half
written: it is looked at again for 10 s before it is rejected.
"""

import errno
import hashlib
import json
import logging
import os
import re
import shutil
import signal
import stat
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drivers.errors import AlertError, UserError
from drivers.record import Alert
from drivers.source import FeedSpec
from drivers.vendor import file_drop
from monitor.plant import Settings
from monitor.state import State, atomic_write
from monitor.words import clean, utc_text

LOG = logging.getLogger("handwheel.intake")
FORMAT = 1
EVERY_S, SETTLED_S, PATIENCE_S, STUCK_S = 1.0, 2.0, 10.0, 60.0
AGE_END_US = 7_258_118_400_000_000  # the year 2200
SIZE_LIMIT = file_drop.LIMIT_BYTES
HANDOVER_LIMIT = 20 * SIZE_LIMIT  # what is made of a message names its fields
_UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart", "~")


@dataclass(frozen=True, slots=True)
class Handover:
    """One finished message in STATE/inbox."""

    json: Path
    raw: Path
    feed: str
    sha256: str
    receive_us: int  # UTC [us]
    alerts: tuple[Alert, ...]


@dataclass(slots=True)
class _Seen:
    """A file in a drop folder as it was when last looked at."""

    size: int
    mtime_ns: int
    since_s: float  # monotonic [s]: since when it has not changed
    since_us: int  # the same moment in UTC [us]: when the message was all there


@dataclass(slots=True)
class Swept:
    """What one sweep over a feed did."""

    taken: int = 0
    rejected: int = 0
    waiting: int = 0


def drop_folder(feed: FeedSpec, state: State) -> Path:
    """Where a feed's messages arrive: an absolute folder as configured, else one below STATE."""
    return state.root / feed.folder


class Drop:
    """The drop folder of one feed, and what is remembered about the files lying in it."""

    def __init__(self, feed: FeedSpec, state: State) -> None:
        self.feed, self._state = feed, state
        self.folder = drop_folder(feed, state)
        self._seen: dict[str, _Seen] = {}
        self._stuck: dict[str, float] = {}  # could be neither taken nor moved (rights, full disk): when to try again
        self._told = ""

    def sweep(self, mono_s: float, now_us: int) -> Swept:
        """Look once at each file. `mono_s` monotonic [s], `now_us` UTC [us]."""
        swept = Swept()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            names = sorted(entry.name for entry in os.scandir(self.folder) if not entry.is_dir(follow_symlinks=False))
            self._told = ""
        except OSError as fault:
            self._tell(f"{self.folder}: cannot be read ({fault.strerror}); mend its rights")
            return swept
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}
        self._stuck = {name: again_s for name, again_s in self._stuck.items() if name in names}
        for name in names:
            if name.startswith(".") or name.endswith(_UNFINISHED) or mono_s < self._stuck.get(name, mono_s):
                continue
            path = self.folder / name
            try:
                self._look_at(path, mono_s, now_us, swept)
            except FileNotFoundError:
                continue  # taken away by somebody else in the meantime
            except OSError as fault:
                if name not in self._stuck:
                    LOG.error("%s: left where it is (%s); mend rights or disk", clean(path), fault.strerror)
                self._stuck[name] = mono_s + STUCK_S
        return swept

    def _look_at(self, path: Path, mono_s: float, now_us: int, swept: Swept) -> None:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode):
            refuse(path, "is a link or a device, not a file; send the message itself as a plain file", self._state)
            swept.rejected += 1
            return
        seen = self._seen.get(path.name)
        if seen is None or (seen.size, seen.mtime_ns) != (facts.st_size, facts.st_mtime_ns):
            seen = self._seen[path.name] = _Seen(facts.st_size, facts.st_mtime_ns, mono_s, now_us)
        quiet_s = mono_s - seen.since_s
        if quiet_s < SETTLED_S:
            swept.waiting += 1
            return
        try:
            raw = read_limited(path)
            alerts = file_drop.parse(raw, self.feed, seen.since_us, path.name)
        except AlertError as fault:
            if quiet_s < PATIENCE_S and facts.st_size <= SIZE_LIMIT:
                swept.waiting += 1
                return
            refuse(path, str(fault), self._state)
        except (OSError, UserError):
            raise
        except Exception as fault:
            LOG.exception("%s: a message made the reader fail in a way it should not", clean(path))
            refuse(path, f"{clean(path.name)}: made the reader fail ({type(fault).__name__}: {fault})", self._state)
        else:
            hand_over(self._state, self.feed.name, raw, alerts, seen.since_us)
            path.unlink()
            swept.taken += 1
            LOG.info("%s: %s taken in, %d alert(s)", self.feed.name, clean(path.name), len(alerts))
            return
        swept.rejected += 1

    def _tell(self, words: str) -> None:
        if words != self._told:
            LOG.error("%s", words)
        self._told = words


def run(settings: Settings, state: State, once: bool) -> int:
    """Take in vendor messages until told to stop; with `once` what lies there now. Returns the exit code."""
    drops = [Drop(feed, state) for feed in settings.feeds if feed.kind == "file_drop"]
    stop = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    for drop in drops:
        LOG.info("%s: watching %s", drop.feed.name, drop.folder)
    total = Swept()
    until_s = time.monotonic() + PATIENCE_S + SETTLED_S + 2 * EVERY_S
    while not stop.is_set():
        waiting = 0
        for drop in drops:
            swept = drop.sweep(time.monotonic(), time.time_ns() // 1000)
            total.taken, total.rejected = total.taken + swept.taken, total.rejected + swept.rejected
            waiting += swept.waiting
        if once and (not waiting or time.monotonic() > until_s):
            print(f"taken in: {total.taken}; rejected: {total.rejected} (see {state.rejected})")
            break
        stop.wait(EVERY_S / 4 if once else EVERY_S)
    return 0


def read_limited(path: Path, limit: int = SIZE_LIMIT) -> bytes:
    """The bytes of a plain file, never more than `limit`, never through a link, never waiting for a device.

    Raises AlertError for one that is larger, before it is read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        size = os.fstat(handle).st_size
        raw = file.read(limit + 1) if size <= limit else b""
    if size > limit or len(raw) > limit:
        raise AlertError(
            f"{clean(path.name)}: {max(size, len(raw)):,} bytes, at most {limit:,} are taken; ask for smaller messages"
        )
    return raw


def hand_over(state: State, feed: str, raw: bytes, alerts: Iterable[Alert], receive_us: int) -> Path:
    """Put a message and its alerts into STATE/inbox; what already lies there under the same bytes stays (it is older).

    Returns the path of the .json, which is written last.
    """
    sha256 = hashlib.sha256(raw).hexdigest()
    finished = state.inbox / f"{_plain(feed)}-{sha256}.json"
    if not finished.exists():
        atomic_write(finished.with_suffix(".raw"), raw)
        body = {
            "format": FORMAT, "feed": feed, "received_at": utc_text(receive_us), "receive_us": receive_us,
            "sha256": sha256, "alerts": [_row(alert) for alert in alerts],
        }  # fmt: skip
        atomic_write(finished, json.dumps(body, ensure_ascii=False, indent=1))
    return finished


def handed_over(state: State) -> list[Path]:
    """The complete handovers waiting in STATE/inbox, oldest first."""
    found = []
    for path in state.inbox.glob("*.json"):
        try:
            found.append((path.lstat().st_mtime_ns, path))
        except FileNotFoundError:
            continue
    return [path for _, path in sorted(found)]


def read_handover(path: Path) -> tuple[Handover, bytes]:
    """A handover and the bytes of its message. Raises AlertError where one of the two is not what it should be."""
    try:
        body = json.loads(read_limited(path, HANDOVER_LIMIT))
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()  # NaN, half a character: stored nowhere
        raw = read_limited(path.with_suffix(".raw"))
        if body["format"] != FORMAT or hashlib.sha256(raw).hexdigest() != body["sha256"]:
            raise ValueError("format or checksum do not agree")
        alerts = tuple(_alert(row) for row in body["alerts"])
        if not _is_time(body["receive_us"]):
            raise TypeError("receive_us is no time")
        return Handover(
            path, path.with_suffix(".raw"), str(body["feed"]), str(body["sha256"]), body["receive_us"], alerts
        ), raw
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as fault:
        raise AlertError(
            f"{path.name}: not a handover of this intake ({fault}); the message must be sent anew"
        ) from fault


def refuse(path: Path, reason: str, state: State) -> Path:
    """Move a file to STATE/rejected with its reason in one line beside it; a link or device is removed, not kept."""
    stem, suffix = os.path.splitext(_plain(path.name).replace(".reason.", "_reason."))
    target, turn = state.rejected / f"{stem}{suffix}", 1
    while target.exists() or target.is_symlink():
        turn += 1
        target = state.rejected / f"{stem}.{turn}{suffix}"
    plain = stat.S_ISREG(path.lstat().st_mode)
    gone = "" if plain else " (removed)"
    line = f"{utc_text(time.time_ns() // 1000)} {clean(reason, 400)}{gone}\n"
    atomic_write(target.with_name(f"{target.name}.reason.txt"), line)
    if plain:
        _move(path, target)
    else:
        path.unlink()
    LOG.warning("%s: rejected: %s", target.name, clean(reason, 400))
    return target


def _move(path: Path, target: Path) -> None:
    """Move a file, also onto another disk; where it cannot leave its folder, no copy is left behind."""
    try:
        os.replace(path, target)
    except OSError as fault:
        if fault.errno != errno.EXDEV:
            raise
        try:
            shutil.copy2(path, target)
            path.unlink()
        except OSError:
            target.unlink(missing_ok=True)
            raise


def _plain(name: str) -> str:
    """A file name without anything that a shell, a terminal or a path could trip over."""
    kept = re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).lstrip(".-")
    return kept[-120:] or "unnamed"


def _row(alert: Alert) -> dict[str, Any]:
    return {name: value for name, value in asdict(alert).items() if name != "raw"}  # the message lies beside it


def _alert(row: dict[str, Any]) -> Alert:
    alert = Alert(**row)
    texts = (alert.alert_id, alert.origin, alert.asset, alert.component, alert.failure_mode, alert.severity, alert.text,
             alert.vendor, alert.feed, alert.action, alert.raw_sha256)  # fmt: skip
    days = alert.horizon_days
    fits = (
        all(isinstance(text, str) for text in texts)
        and _is_time(alert.received_us)
        and (alert.issued_us is None or _is_time(alert.issued_us))
        and (days is None or (isinstance(days, int | float) and 0 <= days < 1e6))
        and isinstance(alert.active, bool)
    )
    if not fits:
        raise TypeError("an alert has a field of the wrong type")
    return alert


def _is_time(us: object) -> bool:
    return isinstance(us, int) and 0 < us < AGE_END_US
