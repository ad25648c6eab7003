"""Which procedures and forms there are: the shipped library, overridden by the site's own approved copies.

A site's copy replaces the shipped one of the same id and language even where it is faulty: then it can be read and
not be run, because running a generic text in place of the site's own would hide the fault."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from fallback_procedures import shipped
from fallback_procedures.own_files import Own, own_of, too_late
from fallback_procedures.plain import own_bytes, own_texts
from fallback_procedures.procedure import UNREVIEWED, Fault, Procedure, decode, parse
from fallback_procedures.sheet import Sheet, read_sheet, used
from fallback_procedures.translation import differences
from fallback_procedures.words import LANGUAGES, _, clean

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
    doubts: Mapping[str, str] = field(default_factory=dict)  # by site in small letters, why no sheet of it is believed
    own_lines: tuple[str, ...] = ()  # all that is to be mended in the sheets, a line each
    newest: str = ""  # date of the newest text that is shipped: a clock that stands before it cannot be right

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
        return self.sheets.get(site, Sheet(site=site, doubt=self.doubts.get(site.casefold(), "")))


def consequence(name: str) -> tuple[int, int, str]:
    """Sort key of an id: by consequence; forms by number; a site's own ids before P-18."""
    if name.startswith("F"):
        return (1, int(name[1:]) if name[1:].isdecimal() else 99, name)
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
    newest = max((entry.procedure.effective for entry in entries.values() if entry.procedure), default="")
    sheets: Own[Sheet] = Own({}, {})
    if manual is not None:
        for path in own_texts(manual / "procedures", manual, notes):
            entry = read_entry(path, "site", manual) or _unread(path)
            if not entry.procedure and not _meant(path, entry.text):
                continue  # a README beside the procedures
            before = entries.get((entry.id, entry.language))
            if before and before.origin == "site":
                told = f"{before.path} is a copy of it too: keep one, take the other out of this folder"
                entry = replace(entry, procedure=None, faults=(Fault(1, told),))
            entries[entry.id, entry.language] = dated(entry, newest)
            notes += [f"{path}: line {fault.line}: {fault.text}" for fault in entry.faults[:1]]
        entries = {key: compared(entry, original_of(entries, entry.id)) for key, entry in entries.items()}
        notes += [f"{one.path}: {one.procedure.doubt}" for one in entries.values()
                  if one.procedure and one.procedure.doubt and one.origin == "site"]  # fmt: skip
        sheets = own_of(manual / "sheets", manual, read_sheet, newest)
        notes += sheets.notes
    notes = [clean(note, 300) for note in notes]
    return Library(entries, dict(sheets.found), tuple(notes), sheets.doubts, sheets.lines, newest)


def dated(entry: Entry, newest: str) -> Entry:
    """A file whose approval, or review of the translation, is dated after today: nobody has approved it yet."""
    text = entry.procedure
    if text is None:
        return entry
    if text.approved:
        late = too_late(text.status.split()[-1], entry.path, newest)
        text = replace(text, approved_by="", doubt=late) if late else text
    if "reviewed by" in text.translation:
        late = too_late(text.translation.split()[-1], entry.path, newest).replace("approved", "translation reviewed", 1)
        text = replace(text, translation=UNREVIEWED, doubt=late) if late else text
    return replace(entry, procedure=text)


def original_of(entries: Mapping[tuple[str, str], Entry], name: str) -> Entry | None:
    """The file of an id of which others are translations: the site's own, the approved one, English first."""
    found = [entries[name, one] for one in LANGUAGES if (name, one) in entries and _is_original(entries[name, one])]
    found.sort(key=lambda one: (one.origin != "site", not (one.procedure and one.procedure.approved)))
    return found[0] if found else None


def _is_original(entry: Entry) -> bool:
    if entry.procedure:
        return not entry.procedure.is_translation
    return entry.language == "en" or bool(re.search(r"^LANGUAGE .*\boriginal\b", entry.text, re.MULTILINE))


def compared(entry: Entry, original: Entry | None) -> Entry:
    """A reviewed translation that says something else than its original, or was reviewed before that was made, counts
    as not reviewed. So does the shipped text of an id of which the site has an original in another language."""
    text = entry.procedure
    if text is None or original is None or entry is original or text.unreviewed_translation:
        return entry
    if not text.is_translation and (entry.origin, original.origin) != ("shipped", "site"):
        return entry
    if original.procedure is None:
        told = ["that one has faults"]
    else:
        told = [what for _line, what in differences(text, original.procedure)]
        if text.is_translation and text.translation.split()[-1] < original.procedure.effective:
            told.append(f"it was reviewed on {text.translation.split()[-1]}, before that revision was made")
    if not told:
        return entry
    more = f" (and {len(told) - 1} more, see --check)" if len(told) > 1 else ""
    holds = original.language.upper()
    doubt = f"the {holds} text holds, and this one is not the same: {clean(told[0], 120)}{more}; drill only"
    return replace(entry, procedure=replace(text, translation=UNREVIEWED, doubt=doubt))


def read_entry(path: Path, origin: str, below: Path | None = None) -> Entry | None:
    """One file; None where it cannot be opened, or where a link leads to it `below` that folder."""
    raw = own_bytes(path, below)
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
    text = decode(raw)[0] or raw.replace(b"\0", b"").decode("utf-8", "replace").lstrip("\ufffd")  # UTF-16 is read so
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
    if procedure.doubt or sheet.doubt:
        digest.update(f"\n{procedure.doubt}\n{sheet.doubt}".encode())
    return digest.hexdigest()


def _meant(path: Path, text: str) -> bool:
    """Whether a faulty file was meant to be a procedure: by its name or by its first word."""
    return bool(re.match(r"(P-\d|F\d)", path.stem, re.IGNORECASE)) or text.lstrip("\ufeff ").startswith(
        ("PROCEDURE", "FORM")
    )
