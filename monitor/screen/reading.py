"""Reads STATE for the screen: status.json and liveness twice a second, the hot file each second, the rest at need.

The only file of the screen that opens files, asks the daemon or starts a child. Each method returns the parts of the
RoomState that it has read anew, so that quick and slow readings never wait for each other and never overwrite each
other. What cannot be read becomes a word on line 1, not an exception: a screen that ends is no help to anybody.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from drivers.errors import UserError
from drivers.record import Sample
from monitor import heartbeat, ledger
from monitor.command_socket import ask
from monitor.historian.reader import HotReader, TagRow
from monitor.periods.folder import Stamp, in_order, stamps
from monitor.periods.journal import LIMIT
from monitor.screen.room import (
    Entry,
    Life,
    Period,
    Point,
    Rejected,
    Report,
    RoomState,
    Trend,
    alarm,
    buckets,
    main_point,
    open_period,
    past,
    procedures,
    time_us,
)
from monitor.state import State, read_plain
from monitor.why.asking import Told, told_of
from monitor.words import _, language

Parts = dict[str, Any]
LEDGER_KINDS = (
    "vendor_alert", "own_alert", "decision", "work_order", "finding", "failure", "audit", "audit_signed", "review",
    "period",
)  # fmt: skip
HOT_EVERY_S = 1.0
STATUS_WITHIN_S = 0.5
FACTS_EVERY_S = 30.0  # tags and assets change with the configuration only
TRENDS_EVERY_S = 300.0
TREND_COLUMNS = 240
DAY_S = 86_400
SPANS = {"24h": (DAY_S, 60), "30d": (30 * DAY_S, 3_600), "1y": (365 * DAY_S, 3_600)}  # span -> length, bucket [s]
OFFERS_EVERY_S = {True: 5.0, False: 60.0}  # how often the fallback is asked: in trouble, and else
CHILD_TIMEOUT_S = 10.0
JOURNALS = 100  # that are new or were written to and are looked at in one go; the others the next time
TEXT_LIMIT = 1_000_000  # bytes of a report that are shown
REASON_END = ".reason.txt"
REASON_LIMIT = 2_000  # bytes of one reason
REJECTED_LIMIT = 50  # rejected messages that are listed
REPORT_KINDS = ("debrief", "comparison", "sovereignty", "audit", "review")


@dataclass
class Reading:
    """What was read last, so that only what changed is read again. Not shared between threads but by its own methods:
    `quick` runs in one thread at a time, `slow` in another."""

    state: State
    _hot_at: float = -1e9
    _facts_at: float = -1e9
    _trends_at: float = -1e9
    _offers_at: float = -1e9
    _tags: dict[int, TagRow] = field(default_factory=dict)
    _journals: dict[Path, tuple[Stamp, Period | None]] = field(default_factory=dict)  # as each was seen last
    _kinds: dict[str, str] = field(default_factory=dict)
    _entries: list[Entry] = field(default_factory=list)
    _ledger_n: int = 0
    _head: str = ""
    _values: Mapping[str, Any] = field(default_factory=dict)  # that the daemon cannot store

    def quick(self) -> Parts:
        """Status, liveness, open period; the hot file when it is due. Takes milliseconds."""
        found = self.heartbeat()
        found["period"] = self.period()
        now = time.monotonic()
        if now - self._hot_at >= HOT_EVERY_S:
            self._hot_at = now
            found |= self.hot()
        return found

    def heartbeat(self) -> Parts:
        """Who is alive: what the first paint needs, without any database."""
        moment = heartbeat.present()
        status = heartbeat.read(self.state)
        told = heartbeat.liveness(self.state, status, moment)
        self._values = {}
        unstored = isinstance(store := (status or {}).get("store"), dict) and store.get("state") == "failing"
        in_trouble = told.word == "hung" or (told.word == "running" and unstored)
        if in_trouble and (asked := self._ask_daemon()):
            status, told = asked, heartbeat.liveness(self.state, asked, moment)
        life = Life(told.word, told.age_s, told.role, time_us(told.at))
        return {"now_us": moment.utc_us, "status": status or {}, "life": life}

    def _ask_daemon(self) -> dict[str, Any] | None:
        """The daemon's own word, and its newest values, where it lives and cannot write them."""
        with contextlib.suppress(UserError):
            answer = ask(self.state, "status", {}, STATUS_WITHIN_S)
            if isinstance(answer.get("status"), dict) and isinstance(answer.get("values"), dict):
                self._values = answer["values"]
                return dict(answer["status"])
        return None

    def hot(self) -> Parts:
        """Newest values, assessments, verdicts and alarms; a word for line 1 where the file cannot be read."""
        reader = HotReader(self.state.hot)
        found: Parts = {}
        try:
            now = time.monotonic()
            if now - self._facts_at >= FACTS_EVERY_S or not self._tags:
                self._facts_at = now
                found |= self.facts(reader)
            found["points"] = points(self._tags, reader.latest(), self._values)
            found["assessments"] = reader.assessments()
            found["verdicts"] = by_asset(reader.verdicts())
            found["alarms"] = tuple(alarm(one) for one in reader.alarms()) if self.state.hot.exists() else None
            found["store_word"] = ""
        except UserError:
            found["store_word"] = _("store UNREADABLE")
        return found

    def facts(self, reader: HotReader) -> Parts:
        """What the configuration says: tags, assets, time zone."""
        self._tags = reader.tags()
        assets = reader.assets()
        self._kinds = {str(one["id"]): str(one.get("kind")) for one in assets}
        found: Parts = {"assets": {str(one["id"]): one for one in assets}, "known_tags": bool(assets or self._tags)}
        with contextlib.suppress(KeyError, ValueError, OSError):
            found["zone"] = ZoneInfo(reader.meta()["time_zone"])
        return found

    def period(self) -> Period | None:
        """The open manual period of the journals, the oldest where two are open; None where there is none."""
        now_us = time.time_ns() // 1000
        there = stamps(in_order(self.state.journal, now_us))
        changed = [path for path, stamp in there.items() if self._journals.get(path, (None, None))[0] != stamp]
        for path in changed[:JOURNALS]:
            try:
                found = open_period(path.name, read_plain(path, LIMIT), now_us)
            except OSError:
                found = None
            self._journals[path] = (there[path], found)
        self._journals = {path: self._journals[path] for path in there if path in self._journals}
        open_ones = {(one.drill, path.name): one for path, (_stamp, one) in self._journals.items() if one}
        return open_ones[min(open_ones)] if open_ones else None

    def slow(self, columns: int = 24) -> Parts:
        """Ledger when its head changed, reports, and now and then the trends of the overview."""
        found: Parts = {"reports": self.reports(), "rejected": self.rejected()}
        found |= self.ledger()
        now = time.monotonic()
        if now - self._trends_at >= TRENDS_EVERY_S and self._tags:
            self._trends_at = now
            found["trends"] = self.trends(columns)
        return found

    def ledger(self) -> Parts:
        """The entries since the last reading, added to those before."""
        try:
            n, head = ledger.head(self.state)
            if n < self._ledger_n:
                self._entries, self._ledger_n = [], 0
            if n == self._ledger_n and head == self._head:
                return {}
            fresh = ledger.entries(self.state, LEDGER_KINDS, after_n=self._ledger_n)
            self._entries += [entry(one) for one in fresh if one.n <= n]
        except UserError:
            return {"store_word": _("ledger UNREADABLE")}
        self._ledger_n, self._head = n, head
        return {"past": past(self._entries, time.time_ns() // 1000, head)}

    def why(self, name: str, asset: str) -> Told:
        """All that the ledger has of an alert, or of what stands on an asset. Raises UserError in one line."""
        return told_of(self.state, name, time.time_ns() // 1000, assets=list(self._kinds), asset=asset)

    def reports(self) -> tuple[Report, ...]:
        """The files of STATE/reports, grouped by the stem they share; a CSV belongs to the stem it begins with."""
        found: dict[str, list[Path]] = {}
        try:
            paths = sorted(path for path in self.state.reports.rglob("*") if path.is_file() and path.name[0] != ".")
        except OSError:
            return ()
        for path in paths:
            if path.suffix in (".html", ".pdf", ".txt"):
                found.setdefault(str(path.with_suffix("")), []).append(path)
        for path in paths:
            if path.suffix == ".csv":
                stems = [stem for stem in found if str(path).startswith(stem)]
                found.setdefault(max(stems, key=len) if stems else str(path.with_suffix("")), []).append(path)
        return tuple(report(stem, files) for stem, files in found.items())

    def rejected(self) -> tuple[Rejected, ...]:
        """The newest messages in STATE/rejected, each with the reason that intake has written beside it."""
        made: list[tuple[float, Path]] = []
        with contextlib.suppress(OSError):
            for path in self.state.rejected.glob(f"*{REASON_END}"):
                with contextlib.suppress(OSError):
                    made.append((path.stat().st_mtime, path))
        found = []
        for at_s, path in sorted(made, reverse=True)[:REJECTED_LIMIT]:
            with contextlib.suppress(OSError):
                when, _space, reason = read_plain(path, REASON_LIMIT).decode("utf-8", "replace").partition(" ")
                at_us = time_us(when) or int(at_s * 1e6)
                found.append(Rejected(path.name.removesuffix(REASON_END), at_us, reason.strip(), str(path)))
        return tuple(found)

    def trends(self, columns: int) -> Mapping[int, tuple[float | None, ...]]:
        """The last 30 days of each asset's first value."""
        found = {}
        by: dict[str, list[Point]] = {}
        for tag in self._tags.values():
            by.setdefault(tag.asset, []).append(point(tag, None))
        for asset, chosen in by.items():
            first = main_point(self._kinds.get(asset, ""), chosen)
            if first is not None:
                found[first.tag] = self.trend(first.tag, "30d", columns).values
        return found

    def trend(self, tag: int, span: str, columns: int = TREND_COLUMNS) -> Trend:
        """The last day, month or year of one tag, in equal stretches."""
        length_s, bucket_s = SPANS[span]
        end = time.time()
        start = end - length_s
        told = HotReader(self.state.hot).rollup(tag, bucket_s, int(start))
        means = buckets(((one.t_s, one.mean, one.good) for one in told), start, end, columns)
        return Trend(tag, span, int(start * 1e6), means)

    def role(self) -> Parts:
        """The role the daemon sees in this user, and its rights; empty while it does not answer."""
        try:
            told = ask(self.state, "whoami", {}, timeout_s=2.0)
        except UserError:
            return {"role": "", "rights": frozenset()}
        return {"role": str(told.get("role") or ""), "rights": frozenset(map(str, told.get("rights") or ()))}

    def offers(self, trouble: bool, *, at_once: bool = False) -> Parts:
        """What the fallback offers now, asked more often in trouble; nothing new where it does not answer."""
        now = time.monotonic()
        if now - self._offers_at < OFFERS_EVERY_S[trouble] and not at_once:
            return {}
        self._offers_at = now
        try:
            return {"procedures": procedures(self.child("--list", "--json"))}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, subprocess.SubprocessError):
            return {}

    def procedure_text(self, name: str) -> str:
        """One procedure as the fallback prints it; OSError or SubprocessError where it does not answer."""
        return self.child("--show", name)

    def child(self, *arguments: str) -> str:
        """What `handwheel-manual` answers: asked as a child process, so that nothing of it is loaded here."""
        done = subprocess.run(
            [*manual_command(self.state), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CHILD_TIMEOUT_S,
            check=True,
        )
        return done.stdout.decode("utf-8", "replace")


def take(state: State) -> RoomState:
    """Everything at once: the room as it is now, for a text without a screen."""
    reading = Reading(state)
    room = replace(RoomState(0), **reading.quick())
    return replace(room, **reading.slow())


def manual_command(state: State) -> list[str]:
    """How the manual screen is started: with this interpreter, as a program of its own."""
    return [sys.executable, "-m", "fallback_procedures", "--state", str(state.root), "--lang", language()]


def points(
    tags: Mapping[int, TagRow], latest: Mapping[int, Sample], unstored: Mapping[str, Any] = {}
) -> dict[str, tuple[Point, ...]]:
    """The newest sample of each tag, by asset, in the order of the tag table; a tag without one is shown as bad.

    `unstored`: what the daemon says of a tag that it could not store, [value, quality, taken (UTC) [us]] by name.
    """
    found: dict[str, list[Point]] = {}
    for tag in tags.values():
        stored = point(tag, latest.get(tag.number))
        found.setdefault(tag.asset, []).append(newer(stored, unstored.get(tag.name)))
    return {asset: tuple(chosen) for asset, chosen in found.items()}


def newer(stored: Point, told: object) -> Point:
    """What the daemon said last, where that is newer than what is stored and can be understood."""
    match told:
        case [float() | int() | str() | None as value, 0 | 1 | 2 as quality, int(taken_us)]:
            if stored.receive_us is not None and taken_us <= stored.receive_us:
                return stored
            number = None if value is None or isinstance(value, str) else float(value)
            exact = value if isinstance(value, str) else ""
            return replace(stored, value=number, exact=exact, quality=quality, reasons=0, receive_us=taken_us)
    return stored


def point(tag: TagRow, sample: Sample | None) -> Point:
    """One tag with its newest sample."""
    bare = Point(tag.number, tag.name, tag.quantity, tag.unit, tag.low, tag.high, tag.description, tag.labels,
                 tag.bits)  # fmt: skip
    if sample is None:
        return bare
    number = float(sample.value) if isinstance(sample.value, int | float) else None
    return replace(
        bare,
        value=number,
        exact=sample.value if isinstance(sample.value, str) else "",
        quality=int(sample.quality),
        reasons=int(sample.reasons),
        receive_us=sample.receive_us,
        source_us=sample.source_us,
    )


def by_asset(verdicts: list[dict[str, Any]]) -> dict[str, tuple[Mapping[str, Any], ...]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in verdicts:
        found.setdefault(str(one.get("asset")), []).append(one)
    return {asset: tuple(chosen) for asset, chosen in found.items()}


def entry(record: ledger.Record) -> Entry:
    return Entry(
        record.n, record.kind, record.at_us, record.role or "", record.asset or "", record.component or "", record.data
    )


def report(stem: str, files: list[Path]) -> Report:
    name = Path(stem).name
    kind = next((one for one in REPORT_KINDS if one in stem.lower()), "report")
    made = 0.0
    for path in files:
        with contextlib.suppress(OSError):
            made = max(made, path.stat().st_mtime)
    return Report(name, kind, int(made * 1e6), tuple(map(str, files)))


def text_of(path: str) -> str:
    """The text of a report, as far as a screen can show it; OSError where it cannot be read."""
    return read_plain(Path(path), TEXT_LIMIT).decode("utf-8", "replace")
