"""How far the clock of this machine can be believed, as practice.md section 6 has it: read, watched, never set.

The kernel says whether a time service keeps it (adjtimex), the monotonic clocks show when it was set or the machine
slept, and what the last life kept shows what happened in between. Words, least trust first: suspect, unknown, manual,
holdover, synced. By the word of a suspect clock nothing is removed and no vendor's time is compared. Standard library.
"""

import ctypes
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.heartbeat import Moment
from monitor.words import _, age_text, number_text, parse_utc, utc_text

MADE_US = parse_utc("2026-11-01T00:00:00Z")  # no clock can be right that is before this program was written
STEP_S = 0.5  # the clock against the monotonic one [s]: less is not told from a late tick
BIG_STEP_S = 1.0  # after a step of more, the clock is suspect
SUSPECT_FOR_S = 3_600.0
LONG_STEP_S = 86_400.0  # such a step stays in doubt until a time service, or a person, confirms the clock
FAR_S = 366 * 86_400.0  # against such a step no time service is believed either, only a person: they can be wrong
SLEPT_S = 1.0
DRIFT = 50e-6  # of a quartz without a time service [s/s]
LOST_S = 7 * 86_400.0  # without a time service for longer, the clock is suspect
OFFSET_S = 0.1
ERROR_S = 2.0  # the kernel lets its bound grow by 500 ppm: an hour without news is 1.8 s
BY_HAND_S = 60.0  # how well a person reads a clock [s]
_UNSYNC, _NANO, _TIME_ERROR = 0x0040, 0x2000, 5  # timex.h
_SERVICES = (  # a file that is there while the service runs
    ("chronyd", "/run/chrony/chronyd.pid"), ("systemd-timesyncd", "/run/systemd/timesync/synchronized"),
    ("ntpd", "/run/ntpd.pid"), ("ntpsec", "/run/ntpsec/ntpd.pid"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the kernel knows of its clock: kept by a time service or not, what is still to be corrected, its bound."""

    synced: bool
    offset_s: float
    error_s: float


@dataclass(frozen=True, slots=True)
class ClockHealth:
    """The word for the clock and why; `uncertainty_s` bounds its error [s] where anything is known of it."""

    state: str = "unknown"  # synced, holdover, suspect, manual, unknown
    note: str = ""
    offset_s: float | None = None
    uncertainty_s: float | None = None
    since_us: int | None = None  # UTC [us]

    @property
    def suspect(self) -> bool:
        """Nothing may be removed, and no vendor's time compared, on the word of this clock."""
        return self.state == "suspect"

    def to_json(self) -> dict[str, Any]:
        """As it stands in status.json."""
        return {
            "state": self.state, "note": self.note, "offset_s": _rounded(self.offset_s),
            "uncertainty_s": _rounded(self.uncertainty_s),
            "since": None if self.since_us is None else utc_text(self.since_us),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found: the clock was set by `step_s`, the machine slept for `slept_s` [s]; None: it did not."""

    step_s: float | None = None
    slept_s: float | None = None


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("rest", ctypes.c_byte * 512),
    )  # fmt: skip


def read_kernel() -> Kernel | None:
    """Ask the kernel (adjtimex with modes 0 changes nothing); None where it cannot be asked."""
    told = _Timex()
    try:
        answer = ctypes.CDLL(None).adjtimex(ctypes.byref(told))
    except (OSError, AttributeError):
        return None
    if answer < 0:
        return None
    unit_s = 1e-9 if told.status & _NANO else 1e-6
    synced = answer != _TIME_ERROR and not told.status & _UNSYNC
    return Kernel(synced, told.offset * unit_s, told.maxerror / 1e6)


def time_services() -> list[str]:
    """The time services that run here, by the files that they leave."""
    return [name for name, path in _SERVICES if Path(path).exists()]


def clock_health() -> ClockHealth:
    """The clock as anybody sees it who does not watch it: for doctor, without a daemon."""
    now_us = time.time_ns() // 1000
    if now_us < MADE_US:
        return ClockHealth("suspect", _before_made())
    kernel = read_kernel()
    return _of_kernel(kernel) or ClockHealth("unknown", _unknown_note(kernel, time_services()))


def boottime_s() -> float:
    """Monotonic time that goes on while the machine sleeps [s]."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(slots=True)
class _Known:
    """A moment at which the clock was right within `error_s`, by both clocks."""

    boot_id: str
    boot_s: float
    utc_us: int
    error_s: float

    def age_s(self, now: Moment, boot_s: float) -> float:
        """How long ago; across a boot only the clock itself can say."""
        if self.boot_id == now.boot_id:
            return max(boot_s - self.boot_s, 0.0)
        return max((now.utc_us - self.utc_us) / 1e6, 0.0)

    def to_json(self) -> dict[str, Any]:
        return {"boot_id": self.boot_id, "boot_s": self.boot_s, "utc": utc_text(self.utc_us), "error_s": self.error_s}


class Clock:
    """Watches the clock: one look each tick, all times handed in. `health` is what is to be said of it."""

    def __init__(self, now: Moment, boot_s: float, kept: str = "", recorded_us: int | None = None) -> None:
        """`kept` is what `saved` gave in the last life; unreadable it counts as nothing, and the last time that stands
        anywhere in the records (`recorded_us`, UTC [us]) stands in for it."""
        self.health = ClockHealth()
        self._now, self._boot_s = now, boot_s
        self._suspect_until_s = 0.0  # boottime
        self._doubt = ""  # why the clock is not believed until a time service or a person confirms it
        self._steps_s = 0.0  # the sum of the steps since it was last confirmed, and of what a start found
        self._synced: _Known | None = None
        self._by_hand: _Known | None = None
        last_us = self._take_up(kept)
        if last_us is None:
            last_us = recorded_us
        if last_us is not None:
            ahead_s = (now.utc_us - last_us) / 1e6
            if ahead_s < -BIG_STEP_S:
                self._doubt = _("{age} before the last time recorded here").format(age=age_text(-ahead_s))
            elif ahead_s > LOST_S:
                self._doubt = _("{age} after the last time recorded here").format(age=age_text(ahead_s))
            if not -BIG_STEP_S <= ahead_s <= LOST_S:
                self._steps_s += ahead_s

    def look(self, now: Moment, boot_s: float, kernel: Kernel | None, services: list[str]) -> Seen:
        """Compare the clocks with the last look and judge anew."""
        slept_s = (boot_s - self._boot_s) - (now.mono_s - self._now.mono_s)
        step_s = (now.utc_us - self._now.utc_us) / 1e6 - (boot_s - self._boot_s)
        self._now, self._boot_s = now, boot_s
        stepped = abs(step_s) > STEP_S
        if stepped:
            self._stepped(step_s, boot_s)
        state, note, uncertainty_s = self._judge(now, boot_s, kernel, services)
        before = self.health
        since_us = now.utc_us if state != before.state or before.since_us is None or stepped else before.since_us
        offset_s = kernel.offset_s if kernel and kernel.synced else None
        self.health = ClockHealth(state, note, offset_s, uncertainty_s, since_us)
        return Seen(step_s if stepped else None, slept_s if slept_s > SLEPT_S else None)

    def stepped_since(self, now: Moment, boot_s: float) -> bool:
        """Whether the clock was set by much since the last look: between two looks a second passes."""
        return abs((now.utc_us - self._now.utc_us) / 1e6 - (boot_s - self._boot_s)) > BIG_STEP_S

    def confirm(self) -> None:
        """A person set or compared the clock just now (its entry says who)."""
        self._by_hand = self._known(BY_HAND_S)
        self._doubt, self._suspect_until_s, self._steps_s = "", 0.0, 0.0

    def saved(self) -> str:
        """What the next life must know."""
        told: dict[str, Any] = {"utc": utc_text(self._now.utc_us), "doubt": self._doubt, "steps_s": self._steps_s}
        for name, one in (("synced", self._synced), ("by_hand", self._by_hand)):
            if one is not None:
                told[name] = one.to_json()
        return json.dumps(told)

    def _stepped(self, step_s: float, boot_s: float) -> None:
        self._steps_s += step_s
        if abs(step_s) > BIG_STEP_S:
            self._suspect_until_s = boot_s + SUSPECT_FOR_S
            self._by_hand = None
        if abs(self._steps_s) > LONG_STEP_S:
            self._doubt = _("set by {age} without a time service").format(age=_signed(self._steps_s))
        elif self._steps_s >= -BIG_STEP_S:  # taken back; what was before the last record is not by a smaller step
            self._doubt = ""

    def _judge(
        self, now: Moment, boot_s: float, kernel: Kernel | None, services: list[str]
    ) -> tuple[str, str, float | None]:
        """(state, note, uncertainty)."""
        kept = _of_kernel(kernel)
        far = bool(self._doubt) and abs(self._steps_s) > FAR_S
        if kept and kept.uncertainty_s is not None and now.utc_us >= MADE_US and not far:
            self._synced = self._known(kept.uncertainty_s)
            self._by_hand, self._doubt, self._steps_s = None, "", 0.0
        if now.utc_us < MADE_US:
            return "suspect", _before_made(), None
        if self._doubt:
            return "suspect", self._doubt, None
        if boot_s < self._suspect_until_s:
            words = _("set by more than {step} s within {hours} h")
            return "suspect", words.format(step=f"{BIG_STEP_S:g}", hours=f"{SUSPECT_FOR_S / 3600:g}"), None
        if kept:
            return kept.state, kept.note, kept.uncertainty_s
        if self._by_hand:
            age_s = self._by_hand.age_s(now, boot_s)
            words = _("set by hand {age} ago").format(age=age_text(age_s))
            return "manual", words, self._by_hand.error_s + DRIFT * age_s
        if self._synced is None:
            return "unknown", _unknown_note(kernel, services), None
        age_s = self._synced.age_s(now, boot_s)
        words = _("no time service for {age}").format(age=age_text(age_s))
        if age_s > LOST_S:
            return "suspect", words, None
        return "holdover", words, self._synced.error_s + DRIFT * age_s

    def _known(self, error_s: float) -> _Known:
        return _Known(self._now.boot_id, self._boot_s, self._now.utc_us, error_s)

    def _take_up(self, kept: str) -> int | None:
        """What the last life kept; returns the last time that it recorded (UTC) [us]."""
        try:
            told = json.loads(kept)
            self._doubt, self._steps_s = str(told.get("doubt", "")), float(told.get("steps_s", 0.0))
            self._synced, self._by_hand = _read_known(told.get("synced")), _read_known(told.get("by_hand"))
            return parse_utc(told["utc"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None


def _read_known(told: Mapping[str, Any] | None) -> _Known | None:
    if told is None:
        return None
    return _Known(str(told["boot_id"]), float(told["boot_s"]), parse_utc(told["utc"]), float(told["error_s"]))


def _of_kernel(kernel: Kernel | None) -> ClockHealth | None:
    """Synced, where the kernel says so and its bounds are as narrow as the word promises."""
    if kernel is None or not kernel.synced or abs(kernel.offset_s) > OFFSET_S or kernel.error_s > ERROR_S:
        return None
    error_s = kernel.error_s + abs(kernel.offset_s)
    note = _("within {error} s").format(error=number_text(error_s, 2))
    return ClockHealth("synced", note, kernel.offset_s, error_s)


def _unknown_note(kernel: Kernel | None, services: list[str]) -> str:
    if kernel is None:
        return _("the kernel cannot be asked")
    if services:
        return _("{service} runs, but the kernel knows of no time service").format(service=", ".join(services))
    return _("no time service")


def _before_made() -> str:
    return _("before the day this program was made; set it")


def _signed(seconds: float) -> str:
    return ("+" if seconds > 0 else "-") + age_text(abs(seconds))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
