"""What screen and fallback read: the heartbeat each second; procedures, sheets, setpoints, facts below STATE/manual.

The copy is complete and on the disk, so that nothing of the configuration is needed when it is read. Each file is
replaced as a whole, and only when it changed; a file that left the configuration leaves the copy.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from monitor import heartbeat
from monitor.daemon.disk import why
from monitor.daemon.storing import PATIENCE_S
from monitor.daemon.writer import HANGS_S
from monitor.heartbeat import LastKnown, Moment, last_known_text
from monitor.pace import unhurried
from monitor.periods.named import keep_named
from monitor.plant import Settings
from monitor.state import TEXTS, State, atomic_write, read_plain
from monitor.words import utc_text

LOG = logging.getLogger("handwheel.daemon")
SIZE_LIMIT = 1_000_000  # bytes; a procedure is a page of text
LAST_KNOWN_AT_ONCE, LAST_KNOWN_REST = 500, 20  # lines; times what writing them all took


class Publisher:
    """The heartbeat, in a thread of its own: a store that hangs must not stop it. Its trouble is said once."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publisher")
        self._under_way: asyncio.Future[None] | None = None
        self._failed = ""
        self._began_s = self._last_known_due_s = 0.0  # monotonic [s]

    async def publish(
        self, status: Mapping[str, Any], known: Callable[[], Iterator[LastKnown]], now: Moment, zone: ZoneInfo,
        *, sync: bool, patience_s: float = PATIENCE_S,
    ) -> None:  # fmt: skip
        """Replace status.json and, where it is its turn, last_known.txt; with `sync` the latter also onto the disk.

        Where the disk does not answer, it is asked again when it has.
        """
        if self._under_way is None:
            rows = known() if sync or now.mono_s >= self._last_known_due_s else None
            work = partial(self._write, status, rows, now, zone, sync)
            self._under_way = asyncio.get_running_loop().run_in_executor(self._thread, work)
            self._began_s = now.mono_s
        done, _waiting = await asyncio.wait([self._under_way], timeout=patience_s)
        if not done:
            if now.mono_s - self._began_s > HANGS_S:
                self._said(why(TimeoutError()))
            return
        self._under_way = None
        try:
            done.pop().result()
        except OSError as fault:
            self._said(why(fault))
        else:
            self._said("")

    def _said(self, words: str) -> None:
        if words and words != self._failed:
            LOG.error("cannot publish: %s", words)
        self._failed = words

    def close(self) -> None:
        """No more."""
        self._thread.shutdown(wait=False)

    def _write(
        self, status: Mapping[str, Any], rows: Iterator[LastKnown] | None, now: Moment, zone: ZoneInfo, sync: bool
    ) -> None:  # fmt: skip
        """The last known values each second; where they are very many, they take a twentieth of the time at most."""

        def text() -> str:
            start_s = time.thread_time()
            made = last_known_text(now, unhurried(rows or (), LAST_KNOWN_AT_ONCE), zone)
            self._last_known_due_s = now.mono_s + LAST_KNOWN_REST * (time.thread_time() - start_s)
            return made

        heartbeat.publish(self._state, status, text if rows is not None else None, sync=sync)


def publish_folder(settings: Settings, state: State) -> list[str]:
    """Make STATE/manual/procedures, sheets and setpoints equal to the configuration's; returns what changed."""
    changed = []
    published = (("procedures", state.procedures), ("sheets", state.sheets), ("setpoints", state.setpoints))
    for name, target in published:
        source = settings.folder / name
        if target.is_symlink():  # somebody of the group could lead us to files that are not ours
            target.unlink()
        target.mkdir(mode=0o2750, exist_ok=True)
        wanted = {path.relative_to(source) for path in source.rglob(TEXTS) if path.is_file()}
        for path in sorted(wanted):
            raw = (source / path).read_bytes()[:SIZE_LIMIT]
            copy = target / path
            if not _holds(copy, raw):
                copy.parent.mkdir(parents=True, exist_ok=True)
                atomic_write(copy, raw)
                changed.append(f"{name}/{path}")
        for copy in target.rglob(TEXTS):
            if copy.relative_to(target) not in wanted:
                copy.unlink(missing_ok=True)
                changed.append(f"{name}/{copy.relative_to(target)}")
    keep_named(settings, state)
    return changed


def _holds(copy: Path, raw: bytes) -> bool:
    try:
        return read_plain(copy, SIZE_LIMIT + 1) == raw
    except OSError:
        return False


def write_facts(state: State, head: tuple[int, str], now_us: int) -> None:
    """The ledger's count and head, to be printed on paper and compared there later."""
    lines = f"ledger entries  {head[0]}\nledger head     {head[1] or '-'}\nat              {utc_text(now_us)}\n"
    atomic_write(state.facts / "ledger_head.txt", lines)


def binder_of(state: State) -> tuple[str, str | None, str]:
    """(rendered, printed, current) fingerprints of the binder as the fallback left them; empty where there is none.

    What is rendered counts as current: it is rendered anew whenever procedures or sheets change.
    """
    rendered = str(_read(state.binder / "fingerprint.json").get("fingerprint", ""))
    printed = _read(state.printed / "printed.json").get("fingerprint")
    return rendered, str(printed) if printed else None, rendered


def _read(path: Path) -> Mapping[str, Any]:
    try:
        told = json.loads(read_plain(path, SIZE_LIMIT))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
