"""Reads the files of one configuration folder and gathers every fault, each with its file, line and key.

TOML parsers give values without line numbers; `line_of` finds the line of a key by its own scan.
"""

import difflib
import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from drivers.errors import ConfigError
from monitor.settings.shapes import Table
from monitor.shipped import shipped_folder
from monitor.words import clean

SIZE_LIMIT = 4_000_000  # bytes of one configuration file
_SECRET = re.compile(r"passw|passphrase|secret|token|api_?key", re.IGNORECASE)
MOST_NAMES = 40  # in one message: all keys of any table, the first of a plant's tags
SOURCE_ONLY = ("tags_csv", "every_s", "timeout_s", "host", "port", "url", "site", "driver", "status_alert")
_FAULTS = {  # type of a pydantic error -> what is wrong, in our words
    "string_pattern_mismatch": "has a form that is not taken; allowed is {pattern}",
    "string_type": "must be text in quotes",
    "string_too_short": "must not be empty",
    "dict_type": "must be a table, name = value",
    "model_type": "must be a table, name = value",
    "model_attributes_type": "must be a table, name = value",
    "list_type": "must be a list in square brackets",
    "too_short": "needs at least {min_length} entries",
    "too_long": "has {actual_length} entries, at most {max_length} are taken",
    "int_type": "must be a whole number without quotes",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number without quotes",
    "finite_number": "must be a number, neither nan nor inf",
    "bool_type": "must be true or false without quotes",
    "date_type": "must be a date without quotes, for example 2026-11-27",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:g} or less",
}

T = TypeVar("T", bound=Table)


class SettingsError(ConfigError):
    """The configuration cannot be used; `faults` has one line for each thing to mend."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = list(dict.fromkeys(faults))  # what is wrong with a block is found at each of its rows
        super().__init__("\n".join(self.faults))


def line_of(text: str, path: Sequence[str | int]) -> int:
    """The line (from 1) on which the thing at `path` of a TOML text stands; that of the nearest parent if it is absent.

    >>> line_of('[a]\\nx = 1\\n[[b]]\\ny = 2\\n[[b]]\\ny = 3\\n', ["b", 1, "y"])
    6
    """
    lines = text.splitlines()
    at, end, table = 0, len(lines), ""
    rows_of: str | None = None
    for place, part in enumerate(path):
        if isinstance(part, str):
            name = f"{table}.{part}" if table else part
            header = re.compile(rf"^\s*\[\[?\s*{re.escape(name)}\s*\]\]?\s*(#.*)?$")
            index = path[place + 1] if place + 1 < len(path) and isinstance(path[place + 1], int) else 0
            found = [n for n in range(at, end) if header.match(lines[n])]
            if found:
                at = found[min(int(index), len(found) - 1)]
                same = re.compile(rf"^\s*\[\[?\s*{re.escape(name)}\s*\]\]?")
                inner = re.compile(rf"^\s*\[\[?\s*{re.escape(name)}\.")
                end = next(
                    (
                        n
                        for n in range(at + 1, end)
                        if re.match(r"^\s*\[\[?[A-Za-z0-9_.\s\"-]+\]\]?\s*(#.*)?$", lines[n])
                        and (same.match(lines[n]) or not inner.match(lines[n]))
                    ),
                    end,
                )
                table, rows_of = name, None
                continue
            key = re.compile(rf"(^|[{{,\s]){re.escape(part)}\s*=|^\s*\"{re.escape(part)}\"\s*=")
            hit = next((n for n in range(at, end) if key.search(lines[n])), None)
            if hit is None:
                break
            at, rows_of = hit, part
        elif rows_of is not None:
            rows = [n for n in range(at, end) if re.match(r"^\s*\{", lines[n])]
            if part < len(rows):
                at = rows[part]
                end = at + 1
    return at + 1


class Reader:
    """Reads the files of one configuration folder and gathers every fault that it finds."""

    def __init__(self, folder: Path, shipped: Path | None = None) -> None:
        self.folder = folder
        self.shipped = shipped or shipped_folder()
        self.faults: list[str] = []
        self.texts: dict[str, str] = {}
        self.hash = hashlib.sha256()
        self.files: dict[str, str] = {}  # file -> SHA-256 of its bytes

    def path(self, file: str) -> Path:
        """Where a file lies: in this folder, or, for a map that this folder does not have, where handwheel ships it."""
        own, theirs = self.folder / file, self.shipped / file
        return theirs if file.startswith("maps/") and theirs.is_file() and not own.exists() else own

    def names(self, folder: str) -> tuple[str, ...]:
        """The names of the TOML files in a folder of this configuration and in the shipped one."""
        return tuple(
            sorted({one.stem for root in (self.folder, self.shipped) for one in (root / folder).glob("*.toml")})
        )

    def fault(self, file: str, path: Sequence[str | int], what: str) -> None:
        line = line_of(self.texts[file], path) if self.texts.get(file) else 1
        key = ".".join(str(part) for part in path)
        self.faults.append(f"{self.path(file)}: line {line}: {key + ': ' if key else ''}{what}")

    def text(self, file: str, *, needed: bool = True) -> str | None:
        path = self.path(file)
        try:
            if path.stat().st_size > SIZE_LIMIT:
                self.faults.append(f"{path}: line 1: larger than {SIZE_LIMIT} bytes; split it")
                return None
            blob = path.read_bytes()
            self.hash.update(file.encode() + b"\0" + blob)
            self.files[file] = hashlib.sha256(blob).hexdigest()
            self.texts[file] = blob.decode("utf-8-sig")
            return self.texts[file]
        except FileNotFoundError:
            if needed:
                self.faults.append(
                    f"{path}: line 1: the file is missing; `handwheel init DIR` makes a configuration to start from"
                )
        except UnicodeDecodeError as fault:
            line = blob[: fault.start].count(b"\n") + 1
            self.faults.append(f"{path}: line {line}: not UTF-8 at byte {fault.start}; save the file as UTF-8")
        except OSError as fault:
            self.faults.append(f"{path}: line 1: cannot be read ({fault.strerror}); mend its rights")
        return None

    def toml(self, file: str, *, needed: bool = True) -> dict[str, Any] | None:
        text = self.text(file, needed=needed)
        if text is None:
            return None
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as fault:
            match = re.search(r"at line (\d+), column (\d+)", str(fault))
            line = match.group(1) if match else str(text.count("\n") + 1)
            words = re.sub(r" \(at [^)]*\)", "", str(fault))
            self.faults.append(f"{self.path(file)}: line {line}: not TOML: {words}; mend the syntax on this line")
            return None
        except (ValueError, RecursionError) as fault:  # a number of thousands of digits, brackets without end
            self.faults.append(f"{self.path(file)}: line 1: not TOML that can be read: {clean(fault)}; mend it")
            return None

    def table(
        self, model: type[T], data: Mapping[str, Any] | None, file: str, prefix: Sequence[str | int] = ()
    ) -> T | None:
        if data is None:
            return None
        try:
            return model.model_validate(data)
        except ValidationError as errors:
            for error in errors.errors():
                self.fault(file, [*prefix, *error["loc"]], explain(model, error))
            return None


def explain(model: type[BaseModel], error: Mapping[str, Any]) -> str:
    """One pydantic error as words that say what to do."""
    if error["type"] == "extra_forbidden" and _SECRET.search(str(error["loc"][-1])):
        return (
            "a secret never stands in a configuration file; write it into a file that only the service can read and "
            "name that in password_file, or name a systemd credential in password_credential"
        )
    if error["type"] == "extra_forbidden":
        known = known_keys(model, error["loc"][:-1])
        if error["loc"][-1] in SOURCE_ONLY and error["loc"][-1] not in known:
            return "is unknown here; it belongs to [source] itself"
        return f"is unknown{nearest(str(error['loc'][-1]), known)}"
    if error["type"] == "missing":
        return "is missing; add it"
    value = error.get("input")
    shown = f" (found {value!r})" if isinstance(value, str | int | float | bool) else ""
    words = _FAULTS.get(error["type"])
    if words is None:
        return f"{error['msg'][0].lower()}{error['msg'][1:]}{shown}"
    return words.format(**error.get("ctx", {})) + shown


def known_keys(model: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """The keys that are allowed at a place of a model."""
    here: Any = model
    for part in path:
        if isinstance(part, str):
            field = next((f for name, f in here.model_fields.items() if part in (name, f.alias)), None)
            if field is None:
                return []
            inner = [a for a in (field.annotation, *getattr(field.annotation, "__args__", ())) if isinstance(a, type)]
            here = next((a for a in inner if issubclass(a, BaseModel)), None)
            if here is None:
                return []
    return [field.alias or name for name, field in here.model_fields.items()]


def nearest(word: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(word, names, 1)
    if close:
        return f"; did you mean {close[0]}?"
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"; known: {', '.join(names[:MOST_NAMES])}{more}" if names else ""


def one_of(reader: Reader, file: str, path: Sequence[str | int], value: str, known: Iterable[str], what: str) -> bool:
    if value in known:
        return True
    reader.fault(file, path, f"{value!r} is not a known {what}{nearest(value, known)}")
    return False


def unique(reader: Reader, file: str, table: str, ids: Iterable[str]) -> None:
    seen: dict[str, int] = {}
    for index, one in enumerate(ids):
        if one in seen:
            reader.fault(
                file, [table, index, "id"], f"{one!r} is used twice (also in {table} {seen[one] + 1}); rename one"
            )
        seen.setdefault(one, index)
