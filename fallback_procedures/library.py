"""Which procedures and forms there are: the shipped library, overridden by the site's own approved copies.

A site's copy replaces the shipped one of the same id and language even where it is faulty: then it can be read and
not be run, because running a generic text in place of the site's own would hide the fault."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from fallback_procedures import shipped
from fallback_procedures.plain import read_plain, refuse_links
from fallback_procedures.procedure import SIZE_LIMIT, Fault, Procedure, decode, parse
from fallback_procedures.sheet import Sheet, read_sheet, used
from fallback_procedures.words import LANGUAGES, _, clean

FILES = 5_000  # of a folder that are read: a library in three languages has 90
SHIPPED = shipped.FOLDER / "library"
# What harms people first stands first: disinfection, sewage in cellars, pressure, power, everything else (P-01).
CONSEQUENCE = ("P-01", "P-00", "P-08", "P-02", "P-07", "P-10", "P-03", "P-14", "P-04", "P-05", "P-06", "P-12", "P-16",
               "P-09", "P-11", "P-15", "P-13", "P-17", "P-18")  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One file of the library: the procedure in it, or the faults that keep it from being one."""

    id: str
    language: str
    origin: str  # site or shipped
    path: Path
    text: str
    procedure: Procedure | None
    faults: tuple[Fault, ...]

    @property
    def title(self) -> str:
        return self.procedure.title if self.procedure else clean(self.text.split("\n", 1)[0], 70)


@dataclass(frozen=True)
class Library:
    """All files by (id, language), and the sheets by site."""

    entries: dict[tuple[str, str], Entry]
    sheets: dict[str, Sheet]
    notes: tuple[str, ...] = ()  # what could not be read, said on screen and page

    def ids(self, kind: str = "P") -> list[str]:
        """The ids of procedures ("P") or forms ("F"), what harms people first standing first."""
        found = {name for name, _language in self.entries if name.startswith(kind)}
        return sorted(found, key=consequence)

    def get(self, name: str, language: str) -> Entry | None:
        """The file of that id in that language, else in English, else in any; its language says which it was."""
        for one in (language, *LANGUAGES):
            if (name, one) in self.entries:
                return self.entries[name, one]
        return None

    def content_hashes(self, name: str, site: str) -> set[str]:
        """What the pages of an id say today at a site, in all languages that are loaded. [hex]"""
        texts = [entry.procedure for key, entry in self.entries.items() if key[0] == name]
        return {content_hash(one, self.sheet(site)) for one in texts if one}

    def sheet(self, site: str) -> Sheet:
        """The sheet of a site; an empty one where it has none."""
        return self.sheets.get(site, Sheet(site=site))


def consequence(name: str) -> tuple[int, int, str]:
    """Sort key of an id: by consequence; forms by number; a site's own ids before P-18."""
    if name.startswith("F"):
        return (1, int(name[1:]) if name[1:].isdigit() else 99, name)
    last = len(CONSEQUENCE) - 1
    return (0, CONSEQUENCE.index(name) * 2 if name in CONSEQUENCE else last * 2 - 1, name)


def load(manual: Path | None, languages: tuple[str, ...] = LANGUAGES) -> Library:
    """The shipped library in these languages (and English), with the copies and sheets found below STATE/manual."""
    entries: dict[tuple[str, str], Entry] = {}
    notes: list[str] = []
    for language in dict.fromkeys(("en", *languages)):
        for name in shipped.names("library", language):
            if not name.endswith(".txt"):
                continue
            try:
                came = entry_of(SHIPPED / language / name, "shipped", shipped.read("library", language, name))
                entries[came.id, came.language] = came
            except OSError as fault:
                notes.append(f"{SHIPPED / language / name}: cannot be read ({fault.strerror})")
    if not entries:
        notes.append(_("the shipped library is missing: use the printed binder"))
    sheets: dict[str, Sheet] = {}
    if manual is not None:
        for path in _texts(manual / "procedures", manual, notes):
            entry = read_entry(path, "site", manual) or _unread(path)
            if not entry.procedure and not _meant(path, entry.text):
                continue  # a README beside the procedures
            before = entries.get((entry.id, entry.language))
            if before and before.origin == "site":
                told = f"{before.path} is a copy of it too: keep one, take the other out of this folder"
                entry = replace(entry, procedure=None, faults=(Fault(1, told),))
            entries[entry.id, entry.language] = entry
            notes += [f"{path}: line {fault.line}: {fault.text}" for fault in entry.faults[:1]]
        for path in _texts(manual / "sheets", manual, notes):
            raw = _bytes(path, manual)
            sheet = read_sheet(raw) if raw is not None else Sheet(faults=(Fault(1, "cannot be read"),))
            notes += [f"{path}: line {fault.line}: {fault.text}" for fault in sheet.faults[:1]]
            if sheet.site in sheets:
                notes.append(
                    f"{path}: there is another sheet of site {sheet.site}; none is used until one is taken out"
                )
                sheets[sheet.site] = Sheet(sheet.site, sheet.name, sheet.site_type)
            elif sheet.site:
                sheets[sheet.site] = sheet
    return Library(entries, sheets, tuple(clean(note, 300) for note in notes))


def read_entry(path: Path, origin: str, below: Path | None = None) -> Entry | None:
    """One file; None where it cannot be opened, or where a link leads to it `below` that folder."""
    raw = _bytes(path, below)
    return None if raw is None else entry_of(path, origin, raw)


def _unread(path: Path) -> Entry:
    """What a site's file that cannot be opened stands for: it hides the shipped text, as a faulty one does."""
    return replace(entry_of(path, "site", b""), faults=(Fault(1, "cannot be read, or is a link"),))


def entry_of(path: Path, origin: str, raw: bytes) -> Entry:
    """What a file holds. A faulty one keeps the id of its file name."""
    procedure, faults = _understood(raw)
    if procedure and path.parent.name in LANGUAGES and procedure.language != path.parent.name:
        told = f"LANGUAGE says {procedure.language}, and the folder is {path.parent.name}; one of them is wrong"
        procedure, faults = None, (Fault(1, told),)
    text = decode(raw)[0] or raw.decode("utf-8", "replace")
    if procedure:
        return Entry(procedure.id, procedure.language, origin, path, text, procedure, ())
    language = path.parent.name if path.parent.name in LANGUAGES else "en"
    for one in LANGUAGES:
        if text.find(f"\nLANGUAGE   {one}") >= 0:
            language = one
    first = text.split("\n", 1)[0].split()
    stem = path.stem.split(".")[0].split("_")[0].upper()
    name = first[1] if len(first) > 1 and first[0] in ("PROCEDURE", "FORM") else stem
    return Entry(clean(name, 8), language, origin, path, text, None, faults)


@lru_cache(maxsize=256)
def _understood(raw: bytes) -> tuple[Procedure | None, tuple[Fault, ...]]:
    return parse(raw)  # the library is read again and again, and changes once a year


def content_hash(procedure: Procedure, sheet: Sheet) -> str:
    """SHA-256 of what a page says: the procedure's text and the site's values in it. [hex]"""
    digest = hashlib.sha256(procedure.source.replace("\r\n", "\n").encode())
    for name, value in sorted(used(procedure, sheet).items()):
        digest.update(f"\n{name} = {value}".encode())
    digest.update(f"\n{sheet.approved_by} {sheet.approved_on}".encode())
    return digest.hexdigest()


def _meant(path: Path, text: str) -> bool:
    """Whether a faulty file was meant to be a procedure: by its name or by its first word."""
    return bool(re.match(r"(P-\d|F\d)", path.stem, re.IGNORECASE)) or text.lstrip("\ufeff ").startswith(
        ("PROCEDURE", "FORM")
    )


def _texts(folder: Path, manual: Path, notes: list[str]) -> list[Path]:
    try:
        refuse_links(folder, manual)
        every = list(folder.rglob("*"))
        notes += [f"{path}: is a link, which is not followed" for path in every if path.is_symlink()]
        found = sorted(path for path in every if path.suffix == ".txt" and (path.is_symlink() or path.is_file()))
        if len(found) > FILES:
            notes.append(f"{folder}: {len(found)} files; only the first {FILES} are read, take out what is not needed")
        return found[:FILES]
    except OSError as fault:
        notes.append(f"{folder}: cannot be listed ({fault.strerror})")
        return []


def _bytes(path: Path, below: Path | None) -> bytes | None:
    try:
        return read_plain(path, SIZE_LIMIT + 1, below)
    except OSError:
        return None
