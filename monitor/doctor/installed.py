"""Doctor's look at what is installed: our files and those of libraries against their recorded hashes, and versions."""

import platform
import sqlite3
from collections.abc import Iterator
from importlib import metadata

from monitor import installed
from monitor.doctor.looks import Check
from monitor.ledger import entries
from monitor.plant import Settings
from monitor.state import State
from monitor.words import clean

SHOWN = 3  # files that are named
# https://sqlite.org/wal.html: two connections that write or checkpoint at the same moment could corrupt the file
WAL_RESET_FIRST, WAL_RESET_FIXED = (3, 7, 0), (3, 51, 3)
VERSIONS = (
    "numpy",
    "pymodbus",
    "asyncua",
    "apscheduler",
    "pyarrow",
    "pandas",
    "scikit-learn",
    "cryptography",
    "textual",
)


def look_at_files(settings: Settings, state: State, *, everything: bool = False) -> Iterator[Check]:
    """Are the program's files those that the daemon started with, and the libraries' those that were installed?"""
    before, now = installed.recorded(state), installed.program()
    if before is None:
        yield Check("program", "CANNOT TELL", f"{state.program}: not written yet; the daemon writes it when it starts")
    elif changed := installed.differences(before, now):
        words = f"{len(changed)} files are not as they were at the daemon's last start: {_named(changed)}"
        yield Check("program", "WARN", f"{words}; if that was an update, restart the daemon, else find out who did it")
    else:
        yield Check("program", "PASS", f"{len(now)} files as they were at the daemon's last start")
        yield from _against_the_ledger(state, installed.digest_of(before))
    names = sorted({one.metadata["Name"] for one in metadata.distributions()}) if everything else [
        "handwheel", *installed.ON_THE_WIRE]  # fmt: skip
    total, wrong, blank = 0, list[str](), list[str]()
    for name in names:
        try:
            count, unlike = installed.unlike_record(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is not installed")
            continue
        total += count
        blank += [] if count else [name]
        wrong += unlike
    if wrong:
        words = f"{len(wrong)} files are not as they were installed: {_named(wrong)}"
        yield Check("libraries", "FAIL", f"{words}; install again from requirements.lock")
    elif blank:
        words = f"{len(blank)} distributions have no record of their files: {_named(blank)}"
        yield Check("libraries", "CANNOT TELL", f"{words}; install them again from requirements.lock")
    else:
        yield Check("libraries", "PASS", f"{total} files of {len(names)} distributions as they were installed")


def _against_the_ledger(state: State, digest: str) -> Iterator[Check]:
    """program.json could be written anew by whoever changed the files; the entry of the start could not."""
    told = [one.data["program_sha256"] for one in entries(state, ["restart"]) if "program_sha256" in one.data]
    if not told:
        yield Check("program", "CANNOT TELL", "no start in the ledger tells which files ran")
    elif told[-1] != digest:
        yield Check("program", "FAIL", f"{state.program.name} is not what the ledger says of the last start")


def look_at_libraries() -> Iterator[Check]:
    """Versions; SQLite's is told with the fault that its own makers found in it."""
    ours = tuple(int(part) for part in sqlite3.sqlite_version.split("."))
    first, fixed = (".".join(map(str, one)) for one in (WAL_RESET_FIRST, WAL_RESET_FIXED))
    if WAL_RESET_FIRST <= ours < WAL_RESET_FIXED:
        words = (
            f"{sqlite3.sqlite_version} is in the range {first} to before {fixed}, in which two writers at once can"
            " corrupt a file (WAL-reset fault); here the daemon alone writes: open the files with no other program"
        )
    else:
        words = f"{sqlite3.sqlite_version} is free of the WAL-reset fault ({first} to before {fixed})"
    yield Check("sqlite", "PASS", words)
    told = [f"Python {platform.python_version()}"]
    for name in VERSIONS:
        try:
            told.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            told.append(f"{name} missing")
    yield Check("versions", "FAIL" if any(one.endswith(" missing") for one in told) else "PASS", ", ".join(told))


def _named(files: list[str]) -> str:
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return ", ".join(clean(one, 80) for one in files[:SHOWN]) + more
