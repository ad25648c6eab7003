"""The published copy: what the daemon says of itself each second, and how anybody tells whether it still lives.

status.json and last_known.txt in STATE/manual/ are all that the screen's first line and the fallback need. They are
read by programs that must not believe them blindly: the lock says whether the daemon lives, the age of the status
whether it still works, the marker of a planned stop whether a person meant it. Standard library only.
"""

import errno
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import Any

from drivers.source import Counts
from monitor.lock import boot_id, holder, lock_is_free
from monitor.state import State, atomic_write, read_plain
from monitor.words import _, clean, local_text, parse_utc, quantity_text, utc_text

FORMAT = 1
HUNG_AFTER_S = 3.0  # published each second: three missed are said within five
STOPPED_FOR_S = 60.0  # a planned stop is quiet for so long, then it is blindness like any other
STARTING_FOR_S = 10.0  # from taking the lock to the first status
SYNC_EVERY_S = 60.0
STEP_S, BELIEVED_S = 60.0, 366 * 86_400.0  # by so much more, and by no more, a wall clock must tell to be believed [s]
_ROW = "{:<30} {:<14} {:<10} {}"  # tag, value, quality, taken
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_SIZE_LIMIT = 4_000_000  # bytes; what is larger is not our status.json


@dataclass(frozen=True, slots=True)
class Moment:
    """One time told three ways: this boot, monotonic [s], UTC [us]; and how long the machine has slept since it started
    [s], when the monotonic clock stood still.
    """

    boot_id: str
    mono_s: float
    utc_us: int
    slept_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SourceStatus:
    name: str
    site: str
    state: str  # up, down, ...
    age_s: float | None  # of the newest answer
    good: int
    total: int
    note: str = ""
    counts: Counts = field(default_factory=Counts)  # since the daemon started
    skipped: int = 0  # polls left out because an earlier one took too long


@dataclass(frozen=True, slots=True)
class SiteStatus:
    id: str
    name: str
    type: str
    state: str  # fresh, stale, lost
    good: int
    total: int
    oldest_s: float | None
    lost_s: float | None = None  # since when telemetry is lost; None while it is not


@dataclass(frozen=True, slots=True)
class AssetStatus:
    id: str
    site: str
    name: str
    kind: str
    verdict: str | None  # the worst open one
    since: str | None  # UTC text
    index: float | None
    state: str
    worst: int  # worst quality among its tags: 0 good, 1 uncertain, 2 bad
    note: str = ""


@dataclass(frozen=True, slots=True)
class AlarmStatus:
    id: str
    at: str  # UTC text
    asset: str
    origin: str
    priority: int
    text: str
    state: str


@dataclass(frozen=True, slots=True)
class FeedStatus:
    feed: str
    age_s: float | None
    late: bool


@dataclass(frozen=True, slots=True)
class RejectedStatus:
    """Vendor messages of which no alert could be made: how many lie in rejected/, and the newest."""

    count: int = 0
    newest: str = ""
    age_s: float | None = None


@dataclass(frozen=True, slots=True)
class LastKnown:
    """One line of last_known.txt. `value` None: nothing could be decoded."""

    tag: str
    value: float | str | None
    unit: str
    quality: str  # good, was good, uncertain, bad
    taken_us: int | None  # UTC [us]


@dataclass(frozen=True, slots=True)
class Liveness:
    """Whether the daemon lives (house.md section 5): running, stopped, blind, hung or never.

    `age_s` is that of the status, for `stopped` of the stop; None where it cannot be known (another boot).
    """

    word: str
    age_s: float | None
    role: str = ""  # who stopped it, for `stopped`
    at: str = ""  # when, UTC text


def build_status(
    now: Moment,
    *,
    simulated: bool,
    pid: int,
    state: str = "running",
    planned_stop: Mapping[str, str] | None = None,
    clock: Mapping[str, Any] = {"state": "unknown", "note": ""},
    store: tuple[str, str] = ("ok", ""),
    sources: Iterable[SourceStatus] = (),
    sites: Iterable[SiteStatus] = (),
    assets: Iterable[AssetStatus] = (),
    alarms_top: Iterable[AlarmStatus] = (),
    vendor: Iterable[FeedStatus] = (),
    rejected: RejectedStatus = RejectedStatus(),
    time_zone: str = "UTC",
    binder: tuple[str, str | None, str] = ("", None, ""),
    ledger: tuple[int, str] = (0, ""),
) -> dict[str, Any]:
    """status.json as a dictionary (tests/golden/status.json). `clock` as ClockHealth tells it, `store` is (state,
    note), `binder` (fingerprint, printed, current), `ledger` (n, head)."""
    return {
        "format": FORMAT,
        "boot_id": now.boot_id,
        "mono_s": now.mono_s,
        "slept_s": now.slept_s,
        "utc": utc_text(now.utc_us),
        "time_zone": time_zone,
        "simulated": simulated,
        "daemon": {"pid": pid, "state": state, "planned_stop": planned_stop},
        "clock": dict(clock),
        "store": {"state": store[0], "note": store[1]},
        "sources": [asdict(row) for row in sources],
        "sites": [asdict(row) for row in sites],
        "assets": [asdict(row) for row in assets],
        "alarms_top": [asdict(row) for row in alarms_top],
        "vendor": [asdict(row) for row in vendor],
        "rejected": asdict(rejected),
        "binder": {"fingerprint": binder[0], "printed": binder[1], "current": binder[2]},
        "ledger": {"n": ledger[0], "head": ledger[1]},
    }


def last_known_text(now: Moment, rows: Iterable[LastKnown], zone: tzinfo | None = None) -> str:
    """last_known.txt (tests/golden/last_known.txt): the newest value of each tag, readable with nothing but eyes."""
    written = _("written {utc}  ({local})  boot {boot}")
    heads = (_("tag"), _("value"), _("quality"), _("taken (UTC)"))
    lines = [
        _("handwheel: LAST KNOWN VALUES - not live"),
        written.format(utc=utc_text(now.utc_us), local=local_text(now.utc_us, zone), boot=now.boot_id[:8]),
        "",
        _ROW.format(*heads),
    ]
    # Translators: how far a value is trusted; "was good": when it was taken, its tag is not now; 10 characters at most
    words = {"good": _("good"), "was good": _("was good"), "uncertain": _("uncertain"), "bad": _("bad")}
    for row in rows:
        quality = words.get(row.quality, row.quality)
        value = quantity_text(row.value, row.unit)
        lines.append(_ROW.format(clean(row.tag), value, quality, utc_text(row.taken_us)))
    return "\n".join(lines) + "\n"


def publish(
    state: State, status: Mapping[str, Any], last_known: Callable[[], str] | None, *, sync: bool = False
) -> None:
    """Replace status.json and last_known.txt, each as a whole, each second; with `sync`, each minute, also
    last_known_minute.txt, onto the disk.

    `last_known` makes the text, once the status is out; None leaves it as it is this time.
    """
    try:
        _put(state.status, json.dumps(status, ensure_ascii=False, allow_nan=False), sync=False)
    except OSError as fault:
        if fault.errno not in NO_ROOM:
            raise
        # not even for one line more: what is left out is in the hot file too
        short = dict(status) | {"assets": [], "alarms_top": [], "vendor": []}
        _write_over(state.status, json.dumps(short, ensure_ascii=False, allow_nan=False))
    if last_known is not None:
        text = last_known()
        if sync:  # in a file of its own: a power cut may take what replaced it since, and the old one with it
            _put(state.last_known_minute, text, sync=True)
        _put(state.last_known, text, sync=False)


def _put(path: Path, text: str, *, sync: bool) -> None:
    """Replace a file; where there is no room for a second one, over the old one, so that this can be said."""
    try:
        atomic_write(path, text, sync=sync)
    except OSError as fault:
        if fault.errno not in NO_ROOM:
            raise
        _write_over(path, text)


def _write_over(path: Path, text: str) -> None:
    with path.open("r+b") as file:
        file.write(text.encode())
        file.truncate()


def read(state: State) -> dict[str, Any] | None:
    """The published status, or None where there is none that can be read."""
    try:
        told = json.loads(read_plain(state.status, _SIZE_LIMIT))
    except (OSError, ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) and told.get("format") == FORMAT else None


def mark_planned_stop(state: State, role: str, now: Moment) -> None:
    """Leave word that a person stopped the daemon (at SIGTERM); it means nothing after the next boot."""
    told = {"role": role, "at": utc_text(now.utc_us), "boot_id": now.boot_id, "mono_s": now.mono_s,
            "slept_s": now.slept_s}  # fmt: skip
    atomic_write(state.manual / "planned_stop.json", json.dumps(told), sync=False)


def clear_planned_stop(state: State) -> None:
    """The daemon runs again."""
    (state.manual / "planned_stop.json").unlink(missing_ok=True)


def present() -> Moment:
    """This moment, by the clocks of the machine."""
    return Moment(boot_id(), time.monotonic(), time.time_ns() // 1000, slept_s())


def slept_s() -> float:
    """How long this machine has slept since it started. [s]"""
    return max(time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic(), 0.0)


def liveness(state: State, status: Mapping[str, Any] | None, now: Moment | None = None) -> Liveness:
    """What to say of the daemon, from lock, status and marker; asked each second it says BLIND within two seconds of a
    death and `hung` within five of a standstill.

    Where this user may not look at the lock, the age of the status alone decides. `now` is the present by default.
    """
    now = now or present()
    free = lock_is_free(state)
    waited = _age(status, now)
    age = max(_gone_s(status, now, "utc"), 0.0) if status is not None and waited is not None else None
    if free:
        return _without_daemon(state, status, age, now)
    fresh = waited is not None and waited <= HUNG_AFTER_S  # it had so long to write, sleep not counted
    if free is None:
        return Liveness("running" if fresh else "blind" if status else "never", age)
    taken = holder(state)
    if taken and taken.boot_id == now.boot_id and (status is None or not _is_of(status, taken.mono_s, now)):
        # this daemon has not published yet: it starts, or it got stuck on the way
        waited = now.mono_s - taken.mono_s
        word = "never" if status is None else "blind"
        return Liveness(word if waited <= STARTING_FOR_S else "hung", age)
    return Liveness("running" if fresh else "hung", age)


def _without_daemon(state: State, status: Mapping[str, Any] | None, age: float | None, now: Moment) -> Liveness:
    try:
        told = json.loads(read_plain(state.manual / "planned_stop.json", _SIZE_LIMIT))
        stopped_s = _gone_s(told, now, "at") if told["boot_id"] == now.boot_id else None
        role, at = clean(told["role"], 40), utc_text(parse_utc(told["at"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return Liveness("never" if status is None else "blind", age)
    if stopped_s is not None and 0 <= stopped_s <= STOPPED_FOR_S:
        return Liveness("stopped", stopped_s, role, at)
    return Liveness("blind", age, role, at)


def _age(status: Mapping[str, Any] | None, now: Moment) -> float | None:
    """Seconds since the status was written; None for another boot, nonsense, or a time that has not come yet."""
    if status is None or status.get("boot_id") != now.boot_id:
        return None
    written = status.get("mono_s")
    if not isinstance(written, int | float) or not 0 <= written <= now.mono_s + 1:  # NaN is in no range
        return None
    return max(0.0, now.mono_s - written)


def _gone_s(told: Mapping[str, Any], now: Moment, at: str) -> float:
    """Seconds since the daemon wrote this, in this boot; `at` names its UTC. By the clock that tells most.

    One stands still while a machine sleeps, all but the wall clock while a virtual one does. The wall clock is asked
    only of what is old, and not believed beyond a year.
    """
    waited_s, slept = now.mono_s - float(told["mono_s"]), told.get("slept_s")
    asleep_s = now.slept_s - slept if isinstance(slept, int | float) and slept >= 0 else 0.0
    age_s = waited_s + max(asleep_s, 0.0)
    try:
        wall_s = (now.utc_us - parse_utc(str(told.get(at)))) / 1e6
    except (ValueError, OverflowError):
        return age_s
    believed = waited_s > HUNG_AFTER_S and age_s + STEP_S < wall_s <= BELIEVED_S
    return wall_s if believed else age_s


def _is_of(status: Mapping[str, Any], since_mono_s: float, now: Moment) -> bool:
    age = _age(status, now)
    return age is not None and now.mono_s - age >= since_mono_s
