"""The binder: every procedure and form on paper, rendered ahead of time, with a fingerprint that tells which are
current.

At the moment of need nothing is rendered: files that already lie on disk are printed or shown by their path. The
fingerprint names every section with its hash, so that a person with the paper and a person with the files can compare.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fallback_procedures.journal import read_plain
from fallback_procedures.library import Library, content_hash
from fallback_procedures.paper import Content, can_make_pdf, content, pdf, text_pages
from fallback_procedures.place import Place, sites_of
from fallback_procedures.procedure import Procedure
from fallback_procedures.sheet import Sheet, missing_safety
from fallback_procedures.triggers import Now, Situation, read_status, situation
from fallback_procedures.words import LANGUAGES, _, clean, language, local_text, use_language, use_time_zone, utc_text

QUEUE_S = 20  # how long a print job is followed [s]


class Unprintable(Exception):
    """A page could not be made or sent; the message says what to do instead."""


@dataclass(frozen=True)
class Section:
    """One procedure or form of one site's set in one language."""

    procedure: Procedure
    sheet: Sheet
    site: str
    language: str  # of the set; the procedure's own differs where a translation is missing

    @property
    def sha256(self) -> str:
        return content_hash(self.procedure, self.sheet)

    @property
    def stem(self) -> str:
        return f"{self.language}/{self.site or 'any'}/{self.procedure.id}"


def sites(place: Place, library: Library) -> Situation:
    """The sites the binder is for: those of the last status, else those of the sheets."""
    status, why_not = read_status(place.manual)
    use_time_zone(status.get("time_zone") if status else None)
    return situation(status, why_not, Now(time.time(), 0.0, ""), False, library)


def sections(place: Place, library: Library, languages: tuple[str, ...] = LANGUAGES) -> list[Section]:
    """All sections, set by set: site, then language, then id."""
    known = sites(place, library)
    found = []
    for name in [*sorted(library.ids()), *library.ids("F")]:
        for site in sites_of(library, known, name):
            for one in languages:
                entry = library.get(name, one)
                if entry and entry.procedure:
                    found.append(Section(entry.procedure, library.sheet(site), site, one))
    return sorted(found, key=lambda section: (section.site, section.language))


def fingerprint(found: list[Section]) -> str:
    """Eight hex digits over the content of all sections; printing again does not change it."""
    lines = sorted(f"{section.stem} {section.sha256}" for section in found)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]


def render(place: Place, library: Library, now_s: float) -> dict[str, Any]:
    """Write all pages below STATE/manual/binder and return the fingerprint record. `now_s` since 1970. [s]"""
    if place.binder is None:
        raise Unprintable(_("there is no state folder; --state names one"))
    found = sections(place, library)
    spoken_before = language()
    record: dict[str, Any] = {"format": 1, "fingerprint": fingerprint(found), "made": utc_text(now_s),
                              "pdf": can_make_pdf(), "simulated": sites(place, library).simulated,
                              "sections": []}  # fmt: skip
    try:
        for site, one in sorted({(section.site, section.language) for section in found}):
            use_language(one)
            mine = [section for section in found if (section.site, section.language) == (site, one)]
            pages = [
                content(section.procedure, section.sheet, now_s, one, record["simulated"], place.ledger)
                for section in mine
            ]
            contents = contents_page(mine, pages, record["fingerprint"])
            folder = place.binder / one / (site or "any")
            _write(folder / "binder.txt", _whole([contents, *pages]).encode())
            for section, page in zip(mine, pages):
                _write(place.binder / f"{section.stem}.txt", _whole([page]).encode())
            if record["pdf"]:
                _write(folder / "binder.pdf", pdf(contents["title"], [contents, *pages], now_s))
                for section, page in zip(mine, pages):
                    _write(place.binder / f"{section.stem}.pdf", pdf(f"{page['id']} {page['title']}", [page], now_s))
            record["sections"] += [_row(section) for section in mine]
    finally:
        use_language(spoken_before)
    _write(place.binder / "fingerprint.json", json.dumps(record, ensure_ascii=False, indent=1).encode())
    return record


def _row(section: Section) -> dict[str, Any]:
    return {"id": section.procedure.id, "site": section.site, "language": section.language, "file": section.stem,
            "revision": section.procedure.revision, "approved": section.procedure.approved, "sha256": section.sha256,
            "missing": list(missing_safety(section.procedure, section.sheet))}  # fmt: skip


def contents_page(found: list[Section], pages: list[Content], mark: str) -> Content:
    """The first page of a set: what is in it, with a hash per section."""
    told = [(page, clean(page["title"], 38), clean(page["header"].split(" ", 1)[1], 24)) for page in pages]
    rows = [f"{page['id']:<5} {title:<38} {revision:<24} {page['hash'][:8]}" for page, title, revision in told]
    title = _("Binder")
    first = pages[0]
    return {**first, "id": "", "title": title, "header": _("fingerprint {mark}").format(mark=mark), "draft": "",
            "hash": mark, "qr": f"HW:BINDER:{first['station'].split(' ')[0]}:{mark}", "warnings": [], "facts": [],
            "blocks": [], "repeats": [], "ends": [], "sign": [], "page": [
                _("Contents of this set, with the first 8 digits of each hash."),
                _("A page with another hash is out of date."), "", *rows, "",
                _("Printed by (role) ____________________  date ______________")]}  # fmt: skip


def _whole(pages: list[Content]) -> str:
    return "\f".join(text for page in pages for text in text_pages(page))


def _write(path: Path, blob: bytes) -> None:
    """Replace a file as a whole."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        part.write_bytes(blob)
        os.replace(part, path)
    except OSError as fault:
        raise Unprintable(_("{path}: cannot be written ({why})").format(path=path, why=fault.strerror)) from fault


# -- printed against current ---


def status(place: Place, library: Library) -> dict[str, Any]:
    """What is rendered, what was marked as printed and what is current, with the sections that differ."""
    found = sections(place, library)
    current = {section.stem: section.sha256 for section in found}
    rendered, printed = _record(place, "fingerprint.json"), _record(place, "printed.json")
    return {
        "format": 1,
        "current": fingerprint(found),
        "rendered": rendered.get("fingerprint"),
        "rendered_at": rendered.get("made"),
        "printed": printed.get("fingerprint"),
        "printed_at": printed.get("at"),
        "printed_by": printed.get("role"),
        "reprint": _differing(current, printed),
        "render_again": _differing(current, rendered),
        "missing_values": sorted(
            {name for section in found for name in missing_safety(section.procedure, section.sheet)}
        ),
        "drafts": sorted({section.procedure.id for section in found if not section.procedure.approved}),
    }


def _differing(current: dict[str, str], record: dict[str, Any]) -> list[str]:
    rows = record.get("sections")
    had = {row["file"]: row["sha256"] for row in rows} if isinstance(rows, list) else {}
    return sorted(stem for stem, digest in current.items() if had.get(stem) != digest)


def _record(place: Place, name: str) -> dict[str, Any]:
    try:
        record = json.loads(read_plain(place.binder / name, 1_000_000)) if place.binder else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def status_lines(place: Place, library: Library) -> list[str]:
    """The binder's state in words."""
    state = status(place, library)
    never = _("never")
    lines = [
        _("current  {mark}").format(mark=state["current"]),
        _("rendered {mark}  {at}").format(mark=state["rendered"] or never, at=state["rendered_at"] or ""),
        _("printed  {mark}  {at}").format(mark=state["printed"] or never, at=state["printed_at"] or ""),
    ]
    if state["printed"] == state["current"]:
        lines.append(_("The printed binder is current."))
    else:
        shown = ", ".join(state["reprint"][:8]) + (" ..." if len(state["reprint"]) > 8 else "")
        lines.append(_("REPRINT ({n}): {names}").format(n=len(state["reprint"]), names=shown))
    if place.binder and place.binder.is_dir():
        lines.append(_("files: {path}").format(path=place.binder))
    return lines


def mark_printed(place: Place, role: str, now_s: float) -> dict[str, Any]:
    """A person says that the rendered binder has been printed and put in its place."""
    rendered = _record(place, "fingerprint.json")
    if place.binder is None or not rendered.get("sections"):
        raise Unprintable(_("no binder is rendered here; first: handwheel-manual --render STATE"))
    record = {"format": 1, "fingerprint": rendered["fingerprint"], "at": utc_text(now_s), "role": role,
              "sections": rendered["sections"]}  # fmt: skip
    _write(place.binder / "printed.json", json.dumps(record, ensure_ascii=False, indent=1).encode())
    return record


# -- one page, now ---


def print_one(place: Place, library: Library, name: str, site: str, wanted: str) -> list[str]:
    """Send one section to the printer, or say where its file lies. Lines for the person."""
    entry = library.get(name, wanted)
    if entry is None or entry.procedure is None:
        raise Unprintable(_("there is no {id}").format(id=clean(name, 10)))
    places = sites_of(library, sites(place, library), name)
    chosen = site or (places[0] if len(places) == 1 else "")
    section = Section(entry.procedure, library.sheet(chosen), chosen, wanted)
    path = _file_of(place, section, sites(place, library).simulated)
    return [_("file: {path}").format(path=path), *send(path)]


def _file_of(place: Place, section: Section, simulated: bool) -> Path:
    """The rendered file where it is current, else a text page written now (into memory where the disk refuses)."""
    record = _record(place, "fingerprint.json")
    rows = record.get("sections") or []
    current = record.get("simulated", False) == simulated and any(
        row.get("file") == section.stem and row.get("sha256") == section.sha256 for row in rows
    )
    if current and place.binder:
        for ending in (".pdf", ".txt"):
            path = place.binder / f"{section.stem}{ending}"
            if path.is_file():
                return path
    from fallback_procedures.journal import memory_folder

    now_s = time.time()
    text = _whole(
        [content(section.procedure, section.sheet, now_s, section.language, simulated, place.ledger)]
    ).encode()
    there = place.manual is not None and place.manual.is_dir()  # a state folder that is gone is never made anew
    for folder in (place.binder if there else None, memory_folder()):
        if folder is not None:
            path = folder / "now" / f"{section.stem.replace('/', '_')}.txt"
            try:
                _write(path, text)
                return path
            except Unprintable:
                continue
    raise Unprintable(_("no page can be written anywhere; read it with --show {id}").format(id=section.procedure.id))


def send(path: Path, follow_s: float = QUEUE_S) -> list[str]:
    """Give a file to CUPS and follow the job: printed, or queued and not printed. Without CUPS nothing is lost."""
    lp = shutil.which("lp")
    if lp is None:
        return [_("no printer system here (lp): print this file elsewhere, or copy it by hand")]
    try:
        command = [
            lp,
            "-o",
            "media=A4",
            "-o",
            "sides=one-sided",
            "-o",
            "page-left=36",
            "-o",
            "page-top=36",
            "--",
            str(path),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
    except (OSError, subprocess.TimeoutExpired) as fault:
        return [_("not printed ({why}); the file stays").format(why=clean(fault, 80))]
    if done.returncode != 0:
        return [_("not printed ({why}); the file stays").format(why=clean(done.stderr or done.stdout, 80))]
    job = next((word for word in done.stdout.split() if "-" in word and word.rsplit("-", 1)[1].isdigit()), "")
    deadline = time.monotonic() + follow_s
    while job and time.monotonic() < deadline:
        if not _waiting(job):
            return [_("printed: job {job} has left the queue at {time}").format(job=job, time=local_text(time.time()))]
        time.sleep(0.5)
    return [_("QUEUED, NOT PRINTED: job {job}; look at the printer").format(job=job or "?")]


def _waiting(job: str) -> bool:
    lpstat = shutil.which("lpstat")
    if lpstat is None:
        return True
    try:
        done = subprocess.run(
            [lpstat, "-W", "not-completed", "-o"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    return done.returncode != 0 or any(line.split()[:1] == [job] for line in done.stdout.splitlines())
