"""The imports that wait in STATE/imports, each taken in once: by the worker, or by a command with the lock."""

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.ledger import Record, entries
from monitor.plant import Settings
from monitor.progress import Tell, silent
from monitor.state import State
from monitor.words import _, clean, utc_text

_FORGOTTEN_S = 86_400.0  # a folder that nobody asked to take in goes after so long


@dataclass(slots=True)
class Arrival:
    """What was taken in: entries to be made, and folders whose hours belong into the hot file before they go."""

    words: str = ""
    ledger: list[dict[str, Any]] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    then: list[str] = field(default_factory=list)  # jobs that have work afterwards


def take_all(state: State, settings: Settings, now_us: int, tell: Tell = silent) -> Arrival:
    """Take in each waiting import that the ledger knows as begun and not as ended."""
    from monitor.transfer.staging import staged

    begun: dict[str, Record] = {}
    ended: set[str] = set()
    for one in entries(state, ["import"]):
        name = str(one.data.get("id", ""))
        if one.data.get("stage") == "begun":
            begun[name] = one
        else:
            ended.add(name)
    made, told = Arrival(), []
    for folder in staged(state.imports):
        if folder.name in ended:  # it came in; only its hours or its removal were still due
            made.folders.append(folder)
        elif folder.name in begun and made.then:
            made.then = ["take_imports", *made.then]  # what it brings depends on the journal before it
            break
        elif folder.name in begun:
            told.append(_take(state, settings, folder, begun[folder.name], now_us, made, tell))
        elif time.time() - folder.stat().st_mtime > _FORGOTTEN_S:
            shutil.rmtree(folder, ignore_errors=True)
    made.words = "; ".join(told) or _("no import waits")
    return made


def _take(
    state: State, settings: Settings, folder: Path, entry: Record, now_us: int, made: Arrival, tell: Tell
) -> str:  # fmt: skip
    from monitor.periods import taking as periods
    from monitor.transfer import records, staging, taking

    base = {name: entry.data.get(name) for name in ("id", "kind", "file", "sha256", "rows", "mapping_sha256")}
    by = {"at_us": now_us, "role": entry.role, "via": "import"}
    try:
        facts = staging.read_facts(folder)
        if facts.entry() != {name: value for name, value in entry.data.items() if name != "stage"}:
            raise staging.Unfit(f"{folder}: is not what entry {entry.n} names; import the file again")
        rows: list[dict[str, Any]] = []
        if facts.kind == "period":
            taken, rows = periods.take_staged(state, settings, folder, facts, entry, now_us)
            made.then.append("take_periods")
        elif facts.kind in ("values", "substitute"):
            origin = {"import": facts.id, "entry": str(entry.n), "file": facts.file, "sha256": facts.sha256,
                      "at": utc_text(entry.at_us)}  # fmt: skip
            taken = taking.take_values(state, settings, folder, facts, origin, now_us, tell)
        else:
            taken, rows = records.take(state, settings, folder, facts, entry.role or "", now_us)
    except (
        staging.Unfit,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as fault:
        # whoever may write into the folder may have made it by hand: one that cannot be read holds up no other
        why = clean(fault, 300) or type(fault).__name__
        made.ledger.append({"kind": "import", "data": {**base, "stage": "refused", "why": why}, **by})
        made.folders.append(folder)
        return str(fault)
    done = {**base, "stage": "done", "added": taken.added, "there": taken.there}
    made.ledger += [*rows, {"kind": "import", "data": done, **by}]
    made.folders.append(folder)
    return f"{facts.file}: {taken.added} brought in, {taken.there} were there already"
