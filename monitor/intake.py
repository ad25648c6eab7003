"""`handwheel intake`: takes in vendor messages from drop folders and MQTT, in a process of its own that has no route to
any field device. What comes from outside is hostile until it was looked at: size-limited, regular files only, never
followed, never opened if packed, never executed.

A message that can be used is handed to the daemon (monitor.handover). Everything else goes to STATE/rejected with its
reason beside it in one line. One bad message never stops the rest, and a process that is killed at any point finds its
way: the same bytes give the same names, and the daemon knows what it has.

A file is looked at when neither size nor time changed for 2 s. If no alert can be made of it then, it may still be half
written: it is looked at again for 10 s before it is rejected. A message that may have come while nobody looked says so:
it proves nothing about when the vendor told us.

A vendor's file name may hold a person's: logs, handovers and rejected files go by feed and hash of the message. What
the vendor called a rejected file stands in its reason alone, and goes when that is removed.
"""

import hashlib
import logging
import os
import signal
import socket
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.errors import AlertError, UserError
from drivers.record import Alert
from drivers.source import FeedSpec
from drivers.vendor import file_drop
from monitor.claims import WAITED
from monitor.handover import hand_over, read_limited, refuse, refuse_bytes
from monitor.plant import Settings
from monitor.state import State
from monitor.words import clean

if TYPE_CHECKING:
    from drivers.vendor.mqtt import Listener, Message

LOG = logging.getLogger("handwheel.intake")
EVERY_S, SETTLED_S, PATIENCE_S, STUCK_S = 1.0, 2.0, 10.0, 60.0
LOOKED_S = 5.0  # a file that lies there so long after the last look may have come at any time before
ONCE_S = 5.0  # for what waits at a broker, with --once
SIZE_LIMIT = file_drop.LIMIT_BYTES
INBOX_MOST = 5_000  # handovers; while the daemon takes none, messages stay where they are
REJECTED_PER_HOUR, REJECTED_MOST = 200, 1_000  # of one MQTT feed; those over it are counted and not kept
_REMEMBERED = 10_000  # messages of one MQTT feed, to know what a broker sends again
_SUFFIXES = (".json", ".jsonl", ".csv", ".eml", ".txt")  # of a vendor's file name no more than these is kept
_UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart", "~")


@dataclass(slots=True)
class _Seen:
    """A file in a drop folder as it was when last looked at."""

    size: int
    mtime_ns: int
    since_s: float  # monotonic [s]: since when it has not changed
    since_us: int  # the same moment in UTC [us]: when the message was all there
    may_have_waited: bool


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
        self._looked_s = float("-inf")
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
        late, self._looked_s = mono_s - self._looked_s > LOOKED_S, mono_s
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}
        self._stuck = {name: again_s for name, again_s in self._stuck.items() if name in names}
        for name in names:
            if name.startswith(".") or name.endswith(_UNFINISHED) or mono_s < self._stuck.get(name, mono_s):
                continue
            path = self.folder / name
            try:
                self._look_at(path, mono_s, now_us, late, swept)
            except FileNotFoundError:
                continue  # taken away by somebody else in the meantime
            except OSError as fault:
                if name not in self._stuck:
                    words = "%s: a file is left where it is in %s (%s); mend rights or disk"
                    LOG.error(words, self.feed.name, self.folder, fault.strerror)
                self._stuck[name] = mono_s + STUCK_S
        return swept

    def _look_at(self, path: Path, mono_s: float, now_us: int, late: bool, swept: Swept) -> None:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode):
            reason = "is a link or a device, not a file; send the message itself as a plain file"
            refuse(path, f"{path.name}: {reason}", self._state, self._label(path, facts))
            swept.rejected += 1
            return
        seen = self._seen.get(path.name)
        if seen is None or (seen.size, seen.mtime_ns) != (facts.st_size, facts.st_mtime_ns):
            seen = self._seen[path.name] = _Seen(facts.st_size, facts.st_mtime_ns, mono_s, now_us, late)
        quiet_s = mono_s - seen.since_s
        if quiet_s < SETTLED_S:
            swept.waiting += 1
            return
        raw = b""
        try:
            raw = read_limited(path)
            alerts = file_drop.parse(raw, self.feed, seen.since_us, path.name)
        except AlertError as fault:
            if quiet_s < PATIENCE_S and facts.st_size <= SIZE_LIMIT:
                swept.waiting += 1
                return
            refuse(path, str(fault), self._state, self._label(path, facts, raw))
        except (OSError, UserError):
            raise
        except Exception as fault:  # no message ends the intake; this one is kept with its reason
            label = self._label(path, facts, raw)
            LOG.exception("%s: a message made the reader fail in a way it should not", label)
            refuse(path, f"{path.name}: made the reader fail ({type(fault).__name__}: {fault})", self._state, label)
        else:
            alerts = _marked(alerts, seen.may_have_waited)
            hand_over(self._state, self.feed.name, raw, alerts, seen.since_us)
            path.unlink()
            swept.taken += 1
            LOG.info("%s taken in, %d alert(s)", _label(self.feed, raw), len(alerts))
            return
        swept.rejected += 1

    def _label(self, path: Path, facts: os.stat_result, raw: bytes = b"") -> str:
        """The name in rejected/ and logs: by the message, or by name, size and time where it was not read."""
        known = raw or f"{path.name} {facts.st_size} {facts.st_mtime_ns}".encode("utf-8", "surrogateescape")
        return _label(self.feed, known, path.suffix if path.suffix in _SUFFIXES else ".msg")

    def _tell(self, words: str) -> None:
        if words != self._told:
            LOG.error("%s", words)
        self._told = words


class Subscription:
    """The MQTT messages of one feed on their way into the inbox: the same mapping and the same handover as a file."""

    def __init__(self, feed: FeedSpec, state: State) -> None:
        self.feed, self._state = feed, state
        self.total = Swept()
        self.room = INBOX_MOST
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._hour, self._kept = 0, 0  # the present hour, what was rejected and kept in it

    def take(self, message: "Message") -> None:
        """Hand a message over or reject it; OSError where the disk cannot take it now, so that it is sent again."""
        now_us = time.time_ns() // 1000
        digest = hashlib.sha256(message.payload).digest()
        if message.again and digest in self._seen:
            return
        if self.room <= 0:
            raise OSError("STATE/inbox is full; is handwheel run going?")
        name = f"topic {clean(message.topic, 100)}"
        try:
            if message.size > SIZE_LIMIT:
                words = f"{message.size:,} bytes, at most {SIZE_LIMIT:,} are taken; ask for smaller messages"
                raise AlertError(f"{name}: {words} (the beginning is kept)")
            alerts = file_drop.parse(message.payload, self.feed, now_us, name)
        except AlertError as fault:
            self._reject(message.payload, str(fault), now_us)
        except Exception as fault:  # no message ends the intake; this one is kept with its reason
            label = _label(self.feed, message.payload)
            LOG.exception("%s: a message made the reader fail in a way it should not", label)
            self._reject(message.payload, f"{name}: made the reader fail ({type(fault).__name__}: {fault})", now_us)
        else:
            alerts = _marked(alerts, message.may_have_waited)
            hand_over(self._state, self.feed.name, message.payload, alerts, now_us)
            self.room -= 1
            self.total.taken += 1
            LOG.info("%s taken in, %d alert(s)", _label(self.feed, message.payload), len(alerts))
        self._seen[digest] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _reject(self, raw: bytes, reason: str, now_us: int) -> None:
        self.total.rejected += 1
        hour = now_us // 3_600_000_000
        if hour != self._hour:
            self._hour, self._kept = hour, 0
        self._kept += 1
        name = _label(self.feed, raw, ".msg")
        if self._kept > REJECTED_PER_HOUR:
            if self._kept == REJECTED_PER_HOUR + 1:
                LOG.error("%s: more than %d messages rejected this hour; the rest is not kept", self.feed.name,
                          REJECTED_PER_HOUR)  # fmt: skip
        elif sum(1 for _ in self._state.rejected.glob(f"{self.feed.name}-*.msg")) < REJECTED_MOST:
            refuse_bytes(raw, name, reason, self._state)
        elif self._kept == 1:
            LOG.error("%s: %d rejected messages lie in %s; others are not kept until they are read and removed",
                      self.feed.name, REJECTED_MOST, self._state.rejected)  # fmt: skip


def _label(feed: FeedSpec, raw: bytes, suffix: str = "") -> str:
    """How we call a message: its feed and the first digits of the SHA-256 by which the ledger names it."""
    return f"{feed.name}-{hashlib.sha256(raw).hexdigest()[:16]}{suffix}"


def _marked(alerts: list[Alert], waited: bool) -> list[Alert]:
    return [replace(alert, extra=alert.extra | {WAITED: "yes"}) for alert in alerts] if waited else alerts


def run(settings: Settings, state: State, once: bool) -> int:
    """Take in vendor messages until told to stop; with `once` what lies there now. Returns the exit code."""
    drops = [Drop(feed, state) for feed in settings.feeds if feed.kind == "file_drop"]
    subscriptions = [Subscription(feed, state) for feed in settings.feeds if feed.kind == "mqtt"]
    listeners = [_listener(subscription, state) for subscription in subscriptions]
    stop = threading.Event()
    if threading.current_thread() is threading.main_thread():
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    for drop in drops:
        LOG.info("%s: watching %s", drop.feed.name, drop.folder)
    total, full = Swept(), False
    start_s = time.monotonic()
    until_s = start_s + PATIENCE_S + SETTLED_S + 2 * EVERY_S
    while not stop.is_set():
        waiting, room = 0, INBOX_MOST - sum(1 for _ in state.inbox.glob("*.json"))
        if room <= 0 and not full:
            LOG.error(
                "%s: %d messages wait for the daemon; the others are left where they are", state.inbox, INBOX_MOST
            )
        full = room <= 0
        for drop in [] if full else drops:
            swept = drop.sweep(time.monotonic(), time.time_ns() // 1000)
            total.taken, total.rejected = total.taken + swept.taken, total.rejected + swept.rejected
            waiting += swept.waiting
        pause_s = EVERY_S / 4 if once else EVERY_S
        if not _listen(listeners, subscriptions, room, pause_s):
            stop.wait(pause_s)
        now_s = time.monotonic()
        if once and (not waiting or now_s > until_s) and (not listeners or now_s > start_s + ONCE_S):
            break
    for listener in listeners:
        listener.close()
    if once:
        taken = total.taken + sum(one.total.taken for one in subscriptions)
        rejected = total.rejected + sum(one.total.rejected for one in subscriptions)
        print(f"taken in: {taken}; rejected: {rejected} (see {state.rejected})")
    return 0


def _listen(listeners: Iterable["Listener"], subscriptions: list[Subscription], room: int, budget_s: float) -> bool:
    """Give each listener its turn; false if none has a connection, so that nothing was waited for."""
    connected = False
    for listener, subscription in zip(listeners, subscriptions, strict=True):
        subscription.room = room
        try:
            turn_s = budget_s / len(subscriptions)
            connected |= listener.turn(time.monotonic(), time.monotonic, turn_s)
        except Exception as fault:  # no broker ends the intake; this one is tried again
            LOG.exception("%s: the broker made the listener fail in a way it should not", listener.feed.name)
            listener.lose(f"{type(fault).__name__}: {fault}")
    return connected


def _listener(subscription: Subscription, state: State) -> "Listener":
    """The listener of a feed, under a client id that stays the same and is no one else's."""
    feed = subscription.feed
    try:
        from drivers.vendor.mqtt import Listener
    except ModuleNotFoundError as fault:
        if fault.name is None or not fault.name.startswith("paho"):
            raise
        raise UserError(
            f"feed {feed.name}: MQTT needs paho-mqtt, which is not installed; pip install 'handwheel[mqtt]'"
        ) from None
    who = f"{socket.gethostname()}:{state.root}:{feed.options['topic']}"
    client_id = f"handwheel-{feed.name}-{hashlib.sha256(who.encode()).hexdigest()[:12]}"
    return Listener(feed, client_id, subscription.take)
