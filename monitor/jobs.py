"""What the worker can be asked to do: each job is one function from (state, settings, now, args, tell) to a JobResult.

A job reads STATE and writes models, Parquet, reports and paper; what belongs into hot file or ledger it hands back.
What takes long says by `tell` how far it is. Heavy libraries are loaded inside the functions, so that a worker that
only folds stays small.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.errors import UserError
from monitor.daemon.timetable import TIMEOUT_S
from monitor.plant import Settings
from monitor.progress import Tell
from monitor.state import State
from monitor.words import clean

if TYPE_CHECKING:
    from monitor.judge import Judge
    from monitor.reports.document import Document

FOLD_LAG_S = 120.0  # the newest frames are left for the next fold


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a job made. `ledger` rows have the fields of ledger.Draft; the others are rows of the hot file."""

    words: str
    ledger: Sequence[Mapping[str, Any]] = ()
    assessments: Sequence[Mapping[str, Any]] = ()
    verdicts: Sequence[Mapping[str, Any]] = ()
    files: Sequence[Path | str] = ()
    purge_before_ms: int | None = None  # frames before this time (UTC [ms]) may leave the hot file
    brought_in: Sequence[Path] = ()  # imports whose hours belong into the hot file; then their folders go
    then: Sequence[str] = ()  # jobs that have work as soon as this is entered

    def to_json(self) -> dict[str, Any]:
        """The answer of the worker's protocol."""
        return {
            "words": self.words, "ledger": [dict(row) for row in self.ledger],
            "assessments": [dict(row) for row in self.assessments], "verdicts": [dict(row) for row in self.verdicts],
            "files": [os.fspath(path) for path in self.files], "purge_before_ms": self.purge_before_ms,
            "brought_in": [os.fspath(path) for path in self.brought_in], "then": list(self.then),
        }  # fmt: skip


_JUDGES: dict[tuple[State, str], "Judge"] = {}  # the one of this process: it need not read again what it has read

Job = Callable[[State, Settings, int, Mapping[str, Any], Tell], JobResult]


def score(state: State, settings: Settings, now_us: int, args: Mapping[str, Any], tell: Tell) -> JobResult:
    """What the models say now, and how that stands beside the vendor's claims."""
    from monitor.judge import Judge

    mark = (state, settings.sha256)
    if mark not in _JUDGES:
        _JUDGES.clear()
        _JUDGES[mark] = Judge(state, settings)
    found = _JUDGES[mark].score(now_us)
    words = f"{len(found.assessments)} assets assessed, {len(found.own_alerts)} own alerts, {len(found.ledger)} changes"
    return JobResult(words, found.ledger, found.assessments, found.verdicts)


def learn(state: State, settings: Settings, now_us: int, args: Mapping[str, Any], tell: Tell) -> JobResult:
    """Learn each pump and meter that has no model, or of which a baseline was confirmed since."""
    from monitor import learning, meters

    found = [learning.learn(state, settings, now_us, tell=tell), meters.learn(state, settings, now_us)]
    learned = sum(len(one.learned) for one in found)
    silent = {name: why for one in found for name, why in one.not_learned.items()}
    words = f"{learned} models learned, {len(silent)} assets taught nothing"
    if silent:
        name, why = next(iter(silent.items()))
        words += f"; {name}: {why}"
    return JobResult(words, [entry for one in found for entry in one.ledger])


def fold(state: State, settings: Settings, now_us: int, args: Mapping[str, Any], tell: Tell) -> JobResult:
    """Write what is older than two minutes to Parquet, verified."""
    from monitor.historian.history import fold as fold_history

    upto_ms = now_us // 1000 - int(FOLD_LAG_S * 1000)
    found = fold_history(state, upto_ms=upto_ms, tell=tell)
    return JobResult(found.words, files=found.files, purge_before_ms=min(found.purge_before_ms, upto_ms))


def verify(state: State, settings: Settings, now_us: int, args: Mapping[str, Any], tell: Tell) -> JobResult:
    """Check every file of history; what is damaged goes to quarantine and is entered."""
    from monitor.historian.cold import cold_of
    from monitor.historian.proof import damages
    from monitor.historian.verifying import verify as verify_history

    cold = cold_of(state)
    wrong = damages(state, tell)  # the hot file is its writer's to mend: it sets damaged frames aside by itself
    found = verify_history(cold, move=True, tell=tell)
    entries = [
        _entry("quarantine", {"file": fault.name, "why": fault.why, "moved_to": fault.moved_to}, now_us)
        for fault in found.faults
    ]
    words = f"; hot file: {len(wrong)} damaged, {wrong[0].what}: {wrong[0].why}" if wrong else "; hot file: sound"
    return JobResult(f"history: {found.words}{words}", entries)


def purge(state: State, settings: Settings, now_us: int, args: Mapping[str, Any], tell: Tell) -> JobResult:
    """Remove the raw days older than [history] keep_days; asked with a rule, because the disk is full, the oldest."""
    from monitor.daemon.room import RELIEF
    from monitor.historian.cold import cold_of
    from monitor.historian.purging import bytes_too_many, purge_days

    told, cold, today = settings.history, cold_of(state), f"{_midnight(now_us):%Y-%m-%d}"
    if rule := args.get("rule"):
        wanted = bytes_too_many(cold, settings.disk.full_at - RELIEF)
        gone = purge_days(cold, today, told.least_days, str(rule), bytes_wanted=wanted)
    elif told.keep_days is None:
        return JobResult("history: nothing leaves, [history] keep_days is not set")
    else:
        rule = f"[history] keep_days = {told.keep_days}"
        gone = purge_days(cold, today, told.least_days, rule, keep_days=told.keep_days)
    words = f"history: {len(gone.files)} files left, {gone.bytes} bytes"
    if gone.kept:
        words += f"; {len(gone.kept)} days stay, not as they were written or out of reach: {gone.kept[0]}"
    return JobResult(words, [_entry("purge", gone.data, now_us)] if gone.files else [])


def drift_audit(state: State, settings: Settings, now_us: int, args: Mapping[str, Any], tell: Tell) -> JobResult:
    """Run the drift audit and write its report, to be signed by a person."""
    from monitor import audit

    found = audit.run(state, settings, now_us, tell)
    files, entry = audit.write(state, found)
    return JobResult(f"audit: {found.word}", [entry], files=list(files.values()))


def comparison_report(state: State, settings: Settings, now_us: int, args: Mapping[str, Any], tell: Tell) -> JobResult:
    """The comparison of the vendor's alerts with findings, over the frozen period; vendor by vendor."""
    from monitor import review
    from monitor.reports import comparison

    if words := review.missing(settings):
        return JobResult(f"there is nothing to compare: {words}")
    vendors = review.vendors(settings)
    told_words, ledger, files = list[str](), list[Mapping[str, Any]](), list[Path | str]()
    for vendor in vendors:
        told = review.answer(state, settings, None, now_us // 1000 * 1000, vendor, tell=tell)
        name = "comparison" + (f"_{_file_name(vendor)}" if len(vendors) > 1 else "")
        made = _report(name, comparison.build(state, settings, told, tell), state, now_us)
        told_words.append(f"{made.words}: {told.result.status}")
        ledger += [_entry("review", review.entry_data(told), now_us), *made.ledger]
        files += made.files
    return JobResult("; ".join(told_words), ledger, files=files)


def sovereignty_report(state: State, settings: Settings, now_us: int, args: Mapping[str, Any], tell: Tell) -> JobResult:
    """The sovereignty register."""
    from monitor.reports import sovereignty

    return _report("sovereignty", sovereignty.build(state, settings, now_us), state, now_us)


def binder(state: State, settings: Settings, now_us: int, args: Mapping[str, Any], tell: Tell) -> JobResult:
    """Render the binder: by the fallback's own program, which imports nothing of ours."""
    command = [sys.executable, "-m", "fallback_procedures", "--render", os.fspath(state.root)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False,
                          timeout=TIMEOUT_S["binder"] - 10)  # fmt: skip
    if done.returncode != 0:
        why = clean((done.stderr or done.stdout).strip().splitlines()[-1] if done.stderr or done.stdout else "", 300)
        raise UserError(f"binder: not rendered (exit code {done.returncode}): {why}")
    mark = json.loads((state.binder / "fingerprint.json").read_text("utf-8"))["fingerprint"]
    return JobResult(f"binder {mark} rendered", files=[state.binder])


def retention(state: State, settings: Settings, now_us: int, args: Mapping[str, Any], tell: Tell) -> JobResult:
    """Name what is old enough by [retention], words of people and vendors, so that the daemon erases it."""
    from monitor.ledger import retention as rules

    found = rules.look(state, settings, now_us)
    going, held = sum(len(one.goes) for one in found), sum(len(one.held) for one in found)
    erasure = rules.erasure(found, now_us)
    return JobResult(f"{going} bodies and messages are due, {held} held", [erasure] if erasure else [])


def take_imports(state: State, settings: Settings, now_us: int, args: Mapping[str, Any], tell: Tell) -> JobResult:
    """Take in each import that was recorded and waits; its hours go into the hot file."""
    from monitor.transfer.arrival import take_all

    taken = take_all(state, settings, now_us, tell)
    return JobResult(taken.words, taken.ledger, brought_in=taken.folders, then=taken.then)


def take_periods(state: State, settings: Settings, now_us: int, args: Mapping[str, Any], tell: Tell) -> JobResult:
    """Take in each journal of the fallback that has ended; then its samples, and its debrief."""
    from monitor.periods.taking import take_waiting

    made = take_waiting(state, settings, now_us, tell)
    return JobResult(made.words, made.ledger, files=made.files, then=("take_periods",) if made.more else ())


JOBS: Mapping[str, Job] = {
    "score": score,
    "learn": learn,
    "fold": fold,
    "verify": verify,
    "purge": purge,
    "drift_audit": drift_audit,
    "comparison_report": comparison_report,
    "sovereignty_report": sovereignty_report,
    "retention": retention,
    "binder": binder,
    "take_imports": take_imports,
    "take_periods": take_periods,
}


def _report(kind: str, document: "Document", state: State, now_us: int) -> JobResult:
    files = _written(document, state, now_us, kind)
    data = {"report": kind, "files": _digests(files, state.reports), "sha256": document.sha256}
    return JobResult(f"report {kind} written", [_entry("report", data, now_us)], files=files)


def _written(document: "Document", state: State, now_us: int, kind: str) -> list[Path]:
    from monitor.reports.document import write_report

    day = f"{_midnight(now_us):%Y-%m-%d}"
    return list(write_report(document, state.reports, f"{day}_{kind}").values())


def _file_name(words: str) -> str:
    """A name as part of that of a file."""
    return re.sub(r"\W+", "-", words).strip("-")[:40]


def _digests(files: Sequence[Path], folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _entry(kind: str, data: Mapping[str, Any], now_us: int) -> dict[str, Any]:
    return {"kind": kind, "data": dict(data), "at_us": now_us, "via": "worker"}


def _midnight(now_us: int) -> datetime:
    return datetime.fromtimestamp(now_us / 1e6, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
