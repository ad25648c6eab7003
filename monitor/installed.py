"""What this program consists of, file by file: recorded at each start of the daemon, compared by `handwheel doctor`.

The daemon writes STATE/program.json and enters its SHA-256 in the ledger (kind restart), so that what ran then can be
told later from what lies here now. An installed wheel brings hashes of its own (RECORD). Standard library only.
"""

import base64
import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from monitor.state import State, atomic_write, read_plain

OURS = ("drivers", "models", "monitor", "fallback_procedures")
ON_THE_WIRE = ("pymodbus", "pyserial", "asyncua", "cryptography")  # what speaks with devices, and what seals
_ROOT = Path(__file__).parents[1]
_MADE_HERE = ("__pycache__", ".pyc")


def program() -> dict[str, str]:
    """SHA-256 [hex] of each file of our own packages, by its path from their common folder."""
    return {
        path.relative_to(_ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for name in OURS
        for path in sorted((_ROOT / name).rglob("*"))
        if path.is_file() and not any(mark in path.as_posix() for mark in _MADE_HERE)
    }


def digest_of(files: Mapping[str, str]) -> str:
    """One SHA-256 [hex] over all files and their hashes."""
    return hashlib.sha256(_text(files).encode()).hexdigest()


def record(state: State) -> str:
    """Write STATE/program.json as the program is now; returns the digest that goes into the ledger."""
    files = program()
    atomic_write(state.program, _text(files))
    return digest_of(files)


def recorded(state: State) -> dict[str, str] | None:
    """What STATE/program.json says; None where there is none that can be read."""
    try:
        told = json.loads(read_plain(state.program, 16_000_000))
    except (OSError, ValueError, RecursionError):
        return None
    fit = isinstance(told, dict) and all(isinstance(one, str) for one in told.values())
    return told if fit else None


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The files that differ, each with what happened to it."""
    words = {name: "removed" for name in before.keys() - now.keys()}
    words |= {name: "added" for name in now.keys() - before.keys()}
    words |= {name: "changed" for name in before.keys() & now.keys() if before[name] != now[name]}
    return [f"{name} ({words[name]})" for name in sorted(words)]


def unlike_record(distribution: str) -> tuple[int, list[str]]:
    """(files with a recorded hash, those that are gone or differ) of an installed distribution, by its RECORD.

    A RECORD that is gone or cannot be read proves nothing: (0, []). Raises metadata.PackageNotFoundError where there is
    no such distribution.
    """
    count, wrong = 0, []
    for path, expected in _recorded_files(metadata.distribution(distribution)):
        count += 1
        try:
            found = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()
        except OSError:
            found = ""
        if found != expected:
            wrong.append(str(path))
    return count, wrong


def _recorded_files(distribution: metadata.Distribution) -> Iterator[tuple[Path, str]]:
    """As RECORD says; from Python 3.12 on `Distribution.files` leaves out what is gone, which is what is looked for."""
    for name, told, *_size in (row for row in csv.reader(_record_of(distribution)) if len(row) > 1):
        kind, _equals, digest = told.partition("=")
        if kind == "sha256":
            yield Path(str(distribution.locate_file(name))), digest


def _record_of(distribution: metadata.Distribution) -> list[str]:
    try:
        return (distribution.read_text("RECORD") or "").splitlines()
    except UnicodeDecodeError:
        return []


def _text(files: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(files.items())), indent=0)
