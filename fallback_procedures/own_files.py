"""Which of a site's own files is believed: sheets/SITE.txt and setpoints/SITE.txt, both by the same rules.

They are typed by hand and copied about, and a plausible old copy is more dangerous than none. So the file of a site
bears its id as its name and in its first line, lies in the folder itself, and is the only one that may be its. Where
that cannot be told none is used, and one line says which file, why, and what to do.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Generic, TypeVar

from fallback_procedures.lines import strange
from fallback_procedures.plain import own_bytes, own_texts
from fallback_procedures.procedure import LINE_LIMIT, SITE_ID, Fault, is_date
from fallback_procedures.words import ROLES

APPROVED = re.compile(r"APPROVED +([a-z_]+) +([0-9]{4}-[0-9]{2}-[0-9]{2})")
_SAID = re.compile(rf"^\W*(?:SHEET|SETPOINTS)\s+(?:site\s+)?({SITE_ID})", re.IGNORECASE | re.MULTILINE)
_PERHAPS = re.compile(rf"\bsite\s+({SITE_ID})", re.IGNORECASE)
DAY_S = 86_400.0  # a day ahead of this machine may be today where the plant is [s]


@dataclass(frozen=True)
class OfSite:
    """What a sheet and a setpoint list have in common: whose they are and who signed them.

    `doubt`: why the file as a whole is not believed, or not as approved; "" where it is.
    """

    site: str = ""
    name: str = ""
    approved_by: str = ""
    approved_on: str = ""
    faults: tuple[Fault, ...] = ()
    doubt: str = ""


T = TypeVar("T", bound=OfSite)


@dataclass(frozen=True)
class Own(Generic[T]):
    """What is believed of each site; `doubts`: by site in small letters, why a file of it is not.

    `lines`: all that is to be mended, a line each; `notes`: the first of each file.
    """

    found: Mapping[str, T]
    doubts: Mapping[str, str]
    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def lines_of(source: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, counted from 1, without what stands behind a #."""
    for number, line in enumerate(source.replace("\r\n", "\n").split("\n"), 1):
        line = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
        if line:
            yield number, line


def odd(line: str) -> str:
    """Why a line cannot be read at all; "" where it can."""
    if strange(line) or len(line) > LINE_LIMIT:
        return f"over {LINE_LIMIT} characters, or one that has no place here: type it anew"
    return ""


def signed(role: str, day: str) -> str:
    """Why an approval counts for nothing; "" where it is one."""
    if role not in ROLES:
        return f"APPROVED names a role: {', '.join(ROLES)}"
    return "" if is_date(day) else f"there is no such day as {day}; it counts as not approved"


def own_of(folder: Path, manual: Path, read: Callable[[bytes], T], newest: str = "") -> Own[T]:
    """The files below a folder of STATE/manual, by site. `newest`: date of the newest text that the program ships."""
    links: list[str] = []
    files: list[tuple[Path, T | None, set[str]]] = []
    for path in own_texts(folder, manual, links):
        raw = own_bytes(path, manual)
        one = read(raw) if raw is not None else None
        files.append((path, one, _claims(path, one, raw or b"")))
    found: dict[str, T] = {}
    doubts: dict[str, str] = {}
    told: dict[Path, list[str]] = {}
    for path, one, claims in files:
        also = next((other for other, _one, more in files if other != path and claims & more), None)
        why = _why_not(path, one, folder, also)
        for claim in claims if why else ():
            doubts.setdefault(claim, f"{folder.name}/{path.relative_to(folder)}: {why}")
        told[path] = [why] if why else []
        if one is not None:
            told[path] += [f"line {fault.line}: {fault.text}" for fault in one.faults[0 if one.site else 1 :]]
        if one is not None and one.site:
            late = too_late(one.approved_on, path, newest)
            if late:
                told[path].append(late)
                late = f"{folder.name}/{path.relative_to(folder)}: {late}"
                one = replace(one, approved_by="", approved_on="", doubt=late)
            found[one.site] = one
    for site, one in found.items():
        if site.casefold() in doubts:
            found[site] = type(one)(one.site, one.name, faults=one.faults, doubt=doubts[site.casefold()])
    lines = [f"{path}: {text}" for path, texts in told.items() for text in texts]
    first = [f"{path}: {texts[0]}" for path, texts in told.items() if texts]
    return Own(found, doubts, (*links, *lines), (*links, *first))


def _why_not(path: Path, one: OfSite | None, folder: Path, also: Path | None) -> str:
    """Why a file is not believed; "" where it is. `also`: another one that is, or may be, of the same site."""
    if one is None:
        return "it cannot be read, and no other file takes its place; mend it, or take it out"
    if not one.site:
        first = one.faults[0]
        return f"line {first.line}: {first.text}; no other file takes its place until it is mended or taken out"
    if path.parent != folder:
        return f"only files that lie in {folder.name} itself are used; take this one out"
    if also:
        told = f"it says site {one.site}, and {also.relative_to(folder)} says so too or may"
        return f"{told}; none is used until one is taken out"
    if path.stem.casefold() != one.site.casefold():
        return f"it says site {one.site}: name it {one.site}.txt, or mend its first line; until then it is not used"
    return ""


def _claims(path: Path, one: OfSite | None, raw: bytes) -> set[str]:
    """The sites of which this may be the file, in small letters; generous, because who claims only keeps others out."""
    text = _rough(raw)
    said = [path.stem, *_SAID.findall(text)]
    said += [one.site] if one and one.site else _PERHAPS.findall(text)
    return {name.casefold() for name in said}


def _rough(raw: bytes) -> str:
    """The head of a file in whatever characters it was saved."""
    return raw[:4000].replace(b"\0", b"").decode("latin-1")


def too_late(day: str, path: Path, newest: str) -> str:
    """Why an approval of that day in that file is none yet; "" where it is one, or no day stands there.

    A day is judged by the clock of this machine or of the one that wrote the file, whichever is later. A clock that
    stands before `newest`, the date of the newest text of the program, cannot be right: then no day is ahead of it.
    """
    now_s = time.time() + DAY_S
    if not day or _day(now_s) < newest:
        return ""
    with contextlib.suppress(OSError, ValueError, OverflowError):
        now_s = max(now_s, path.lstat().st_mtime + DAY_S)
    return f"approved on {day}, which is after today: it counts as not approved" if day > _day(now_s) else ""


def _day(at_s: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(at_s))
