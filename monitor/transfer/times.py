"""Times as people write them: with a zone, or in the plant's local time, never guessed where the clock is set back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from drivers.errors import UserError
from monitor.words import clean, local_text

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
_UNITS = {"m": 60_000_000, "h": HOUR_US, "d": DAY_US, "w": 7 * DAY_US}
_LEAST_US, _MOST_US = 0, 253_370_764_800_000_000  # 1970 to 9998


class LocalTimeFault(ValueError):
    """A local time that happens twice or never; its text says what to write instead."""


def utc_us(moment: datetime, zone: tzinfo) -> int:
    """UTC [us] of a time; a naive one is local time in `zone`. Raises LocalTimeFault where it is not one moment."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC) - _offset(moment.replace(second=0, microsecond=0), zone)
    us = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if not _LEAST_US <= us < _MOST_US:
        raise ValueError("is not between 1970 and 9998")
    return us


@lru_cache(maxsize=4_096)  # rows of a file share their minutes
def _offset(minute: datetime, zone: tzinfo) -> timedelta:
    first, second = (minute.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    if first == second:
        return first
    shown = f"{minute:%Y-%m-%dT%H:%M}"
    if first > second:
        raise LocalTimeFault(
            f"happens twice in {zone}, when the clock is set back; write {shown}{_sign(first)} for the first time or "
            f"{shown}{_sign(second)} for the second"
        )
    raise LocalTimeFault(f"does not exist in {zone}: the clock is set forward there; write it with an offset")


def _sign(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def span_of(
    start: str | None, end: str | None, last: str | None, zone: tzinfo, now_us: int, first: Callable[[], int | None]
) -> tuple[int, int]:
    """(start_us, end_us) of --from, --to and --last, start included and end not. `first` tells where history begins.

    A date alone means its whole day: from its first moment, up to its last. Raises UserError in one line.
    """
    if last is not None:
        if start is not None or end is not None:
            raise UserError("--last goes back from now; leave out --from and --to")
        number, unit = last[:-1], last[-1:]
        if not number.isdecimal() or unit not in _UNITS or not 0 < int(number) < 1_000_000:
            raise UserError(f"--last {clean(last, 20)}: write a number and m, h, d or w, for example 24h or 7d")
        return max(now_us - int(number) * _UNITS[unit], 0), now_us
    end_us = now_us if end is None else moment_us("--to", end, zone, whole_day=True)
    start_us = moment_us("--from", start, zone) if start is not None else first()
    start_us = end_us if start_us is None else start_us
    if start_us >= end_us and start is not None:
        raise UserError(
            f"--from {local_text(start_us, zone)} is not before --to {local_text(end_us, zone)}; change one of them"
        )
    return start_us, end_us


def moment_us(option: str, text: str, zone: tzinfo, *, whole_day: bool = False) -> int:
    """UTC [us] of the text given to `option`; `whole_day`: a date alone means its end. UserError in one line."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{option} {clean(text, 40)}: not a time; write 2026-11-23, 2026-11-23T14:30 or 2026-11-23T13:30Z"
        ) from None
    if whole_day and len(text) <= len("2026-11-23"):
        moment += timedelta(days=1)
    try:
        return utc_us(moment, zone)
    except (ValueError, OverflowError) as fault:
        raise UserError(f"{option} {clean(text, 40)}: {fault}") from None


def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name. Raises UserError in one line."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UserError(f"{clean(name, 40)}: not a time zone; write for example Europe/Berlin or UTC") from None
