"""The folder between intake and daemon: a finished message as two files in STATE/inbox, and what was refused beside it.

A handover is named by the SHA-256 of the message: the message as it came (.raw) and the finished alerts (.json, written
last: where it stands, the handover is complete). Whoever reads one believes nothing: sizes, types and checksum are
looked at before anything is used.
"""

import errno
import hashlib
import json
import logging
import os
import re
import shutil
import stat
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drivers.errors import AlertError
from drivers.record import Alert
from drivers.vendor.file_drop import LIMIT_BYTES
from monitor.claims import DEVICE_FEEDS
from monitor.state import State, atomic_write
from monitor.words import clean, utc_text

LOG = logging.getLogger("handwheel.intake")
FORMAT = 1
AGE_END_US = 7_258_118_400_000_000  # the year 2200
HANDOVER_LIMIT = 20 * LIMIT_BYTES  # what is made of a message names its fields


@dataclass(frozen=True, slots=True)
class Handover:
    """One finished message in STATE/inbox."""

    json: Path
    raw: Path
    feed: str
    sha256: str
    receive_us: int  # UTC [us]
    alerts: tuple[Alert, ...]


def read_limited(path: Path, limit: int = LIMIT_BYTES) -> bytes:
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


def refuse(path: Path, reason: str, state: State, name: str = "") -> Path:
    """Move a file to STATE/rejected, as `name` if given, with its reason in one line beside it.

    A link or device is removed, not kept.
    """
    plain = stat.S_ISREG(path.lstat().st_mode)
    target = _rejected(name or path.name, reason if plain else f"{reason} (removed)", state)
    if plain:
        _move(path, target)
    else:
        path.unlink()
    return target


def refuse_bytes(raw: bytes, name: str, reason: str, state: State) -> Path:
    """Put a message that came without a file into STATE/rejected with its reason in one line beside it."""
    target = _rejected(name, reason, state)
    atomic_write(target, raw)
    return target


def _rejected(name: str, reason: str, state: State) -> Path:
    """Where a message of this name goes in STATE/rejected; its reason lies there already."""
    stem, suffix = os.path.splitext(_plain(name).replace(".reason.", "_reason."))
    target, turn = state.rejected / f"{stem}{suffix}", 1
    while target.exists() or target.is_symlink():
        turn += 1
        target = state.rejected / f"{stem}.{turn}{suffix}"
    line = f"{utc_text(time.time_ns() // 1000)} {clean(reason, 400)}\n"
    atomic_write(target.with_name(f"{target.name}.reason.txt"), line)
    LOG.warning("rejected: %s; why stands beside it", target)  # the reason may quote what the vendor wrote
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
        and alert.origin == "vendor"
        and alert.feed not in DEVICE_FEEDS  # what devices and we ourselves say comes in by no message
        and _is_time(alert.received_us)
        and (alert.issued_us is None or _is_time(alert.issued_us))
        and (days is None or (isinstance(days, int | float) and 0 <= days < 1e6))
        and isinstance(alert.active, bool)
        and isinstance(alert.extra, dict)
        and all(isinstance(text, str) for text in alert.extra.values())
    )
    if not fits:
        raise TypeError("an alert has a field of the wrong type")
    return alert


def _is_time(us: object) -> bool:
    return isinstance(us, int) and 0 < us < AGE_END_US
