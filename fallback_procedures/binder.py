"""The binder: every procedure and form on paper, rendered ahead of time, with a fingerprint that tells which are
current.

At the moment of need nothing is rendered: files that already lie on disk are printed or shown by their path. A binder
is rendered into a new folder beside the old one, and one small file names the folder that counts; whatever is killed in
between leaves the old binder whole.

A set is what stands on one shelf: one station in one language. First the contents, then page 0 (what to do alone) and
the call-out list, because they are needed before anybody can read; then the procedures, what harms people first; then
the setpoint master list and the forms; last what is missing. A translation that nobody has reviewed stands behind the
sheet that holds, never in its place.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fallback_procedures import shipped
from fallback_procedures.hypertext import index_document, set_document
from fallback_procedures.journal import memory_folder, read_plain
from fallback_procedures.library import Entry, Library, content_hash
from fallback_procedures.master import Master, master_page, read_master
from fallback_procedures.paper import Content, can_make_pdf, content, pdf, sheet_page, table
from fallback_procedures.place import Place, sites_of
from fallback_procedures.printing import Sent, send, write_device
from fallback_procedures.procedure import Procedure
from fallback_procedures.sheet import Sheet, missing, missing_safety
from fallback_procedures.textpage import WIDTH, strip, text_pages
from fallback_procedures.triggers import Now, Situation, for_site, last_known, moment, read_status, situation
from fallback_procedures.words import LANGUAGES, _, clean, language, use_language, use_time_zone, utc_text

try:
    import fcntl
except ImportError:  # not on every system that a USB stick meets; there one renderer at a time must do
    fcntl = None  # type: ignore[assignment]

RENEW_S = 20 * 3600.0  # a set that did not change is taken over from the binder before, up to this age [s]
OLD_S = 3600.0  # what lies beside the binder that counts is kept so long: somebody may be reading it [s]
WAIT_S = 120.0  # how long another renderer is waited for [s]
KNOWN = 60  # how many sets that were rendered once are remembered, so that their paper can be told
FIRST = ("P-00", "F11")


class Unprintable(Exception):
    """A page could not be made or sent; the message says what to do instead."""


@dataclass(frozen=True)
class Section:
    """One procedure or form of one site's set in one language."""

    procedure: Procedure
    sheet: Sheet
    site: str
    language: str  # of the set; the procedure's own differs where a translation is missing
    holds: Procedure | None = None  # the text that holds, where this one is a translation nobody has reviewed
    master: Master | None = None  # F10 with the site's own approved values

    @property
    def sha256(self) -> str:
        """Of all that its sheets say; what is live and when it was printed count for nothing. [hex]"""
        if self.master:
            return self.master.sha256
        digest = content_hash(self.procedure, self.sheet)
        if self.holds is None:
            return digest
        return hashlib.sha256(f"{content_hash(self.holds, self.sheet)} {digest}".encode()).hexdigest()

    @property
    def stem(self) -> str:
        return f"{self.language}/{self.site or 'any'}/{self.procedure.id}"


@dataclass(frozen=True)
class Plant:
    """What all pages of one rendering share."""

    simulated: bool
    ledger: str
    known: tuple[tuple[str, str, str, str], ...]  # the last known values


def sites(place: Place, library: Library) -> Situation:
    """The sites the binder is for: those of the last status, else those of the sheets."""
    status, why_not = read_status(place.manual)
    use_time_zone(status.get("time_zone") if status else None)
    return situation(status, why_not, Now(time.time(), 0.0, ""), False, library)


def masters(place: Place) -> dict[str, Master]:
    """The approved setpoints by site, as the daemon published them; one with faults counts as not approved."""
    found: dict[str, Master] = {}
    for path in sorted((place.manual / "setpoints").glob("*.txt")) if place.manual else []:
        try:
            read = read_master(read_plain(path, 200_000))
        except OSError:
            continue
        if read.site:
            found.setdefault(read.site, read)
    return found


def sections(place: Place, library: Library, languages: tuple[str, ...] = LANGUAGES) -> list[Section]:
    """All sections, set by set (site, then language), each set in the order of its pages."""
    known, own = sites(place, library), masters(place)
    found = []
    for name in in_order(library):
        for site in sites_of(library, known, name):
            if known.sites and not site:
                continue  # for a type of station that this plant has not; the last page says so
            for one in languages:
                entry = library.get(name, one)
                if entry and entry.procedure:
                    master = own.get(site) if name == "F10" else None
                    holds = None if master else holding(library, entry)
                    found.append(Section(entry.procedure, library.sheet(site), site, one, holds, master))
    return sorted(found, key=lambda section: (section.site, section.language))


def in_order(library: Library) -> list[str]:
    """The ids as they stand in a set."""
    procedures, forms = library.ids(), library.ids("F")
    first = [name for name in FIRST if name in (*procedures, *forms)]
    forms.sort(key=lambda name: name != "F10")
    return [*first, *(name for name in (*procedures, *forms) if name not in first)]


def holding(library: Library, entry: Entry) -> Procedure | None:
    """The text that holds where this one is a translation nobody has reviewed: the approved one, else the original."""
    if entry.procedure is None or not entry.procedure.unreviewed_translation:
        return None
    others = [library.entries[entry.id, one].procedure for one in LANGUAGES if (entry.id, one) in library.entries]
    true = [one for one in others if one and not one.unreviewed_translation]
    true.sort(key=lambda one: not one.approved)
    return true[0] if true else None


def fingerprint(found: list[Section]) -> str:
    """Eight hex digits over the content of these sections; printing again does not change it."""
    lines = sorted(f"{section.stem} {section.sha256}" for section in found)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]


def sets(found: list[Section]) -> list[list[Section]]:
    """The sections set by set."""
    keys = sorted({(section.site, section.language) for section in found})
    return [[section for section in found if (section.site, section.language) == key] for key in keys]


# -- rendering ---


def render(place: Place, library: Library, now_s: float, paper: str = "") -> dict[str, Any]:
    """Write all pages into a new folder below STATE/manual/binder, let it count, and return the record of it.

    `now_s` since 1970 [s]; `paper` a4 or letter, else that of the binder before. Sets that say the same as before and
    are young are taken over. Raises Unprintable.
    """
    if place.binder is None:
        raise Unprintable(_("there is no state folder; --state names one"))
    spoken_before = language()
    try:
        place.binder.mkdir(parents=True, exist_ok=True)
        with _alone(place.binder):
            return _render(place, place.binder, library, now_s, paper)
    except OSError as fault:
        raise Unprintable(_("{path}: cannot be written ({why})").format(
            path=fault.filename or place.binder, why=fault.strerror or fault)) from fault  # fmt: skip
    finally:
        use_language(spoken_before)


def _render(place: Place, binder: Path, library: Library, now_s: float, paper: str) -> dict[str, Any]:
    before, found = record_of(place), sections(place, library)
    plant = _plant(place, library)
    mark = fingerprint(found)
    record: dict[str, Any] = {
        "format": 2, "fingerprint": mark, "made": utc_text(now_s), "pdf": can_make_pdf(), "paper":
        paper or before.get("paper") or "a4", "simulated": plant.simulated,
        "folder": f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now_s))}-{mark}", "sets": [], "sections": [],
    }  # fmt: skip
    while (binder / record["folder"]).exists():
        record["folder"] += "x"
    new = binder / f".new-{os.getpid()}-{record['folder']}"
    try:
        for mine in sets(found):
            use_language(mine[0].language)
            made = _taken_over(binder, before, new, mine, record, now_s, library)
            record["sets"].append(made or _make_set(new, mine, record, now_s, plant, library))
            record["sections"] += [_row(section) for section in mine]
        use_language("en")
        _put(new / "index.html", index_document(record).encode())
        _settle(new)
        os.rename(new, binder / record["folder"])
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    _remember(place, record)
    _replace(binder / "fingerprint.json", json.dumps(record, ensure_ascii=False, indent=1).encode())
    _tidy(binder, record["folder"])
    return record


def _plant(place: Place, library: Library) -> Plant:
    status, _why = read_status(place.manual)
    known = tuple(last_known(place.manual, status, moment()))
    return Plant(sites(place, library).simulated, place.ledger, known)


def _make_set(
    new: Path, mine: list[Section], record: dict[str, Any], now_s: float, plant: Plant, library: Library
) -> dict[str, Any]:
    site, one, mark = mine[0].site, mine[0].language, fingerprint(mine)
    pages = [section_pages(section, now_s, plant) for section in mine]
    every = [page for some in pages for page in some]
    gaps = gaps_page(mine, library, now_s, plant)
    texts = [text_pages(page) for page in (*every, gaps)]
    counts = [len(text) for text in texts]
    contents = contents_page(mine[0], [*every, gaps], counts, mark, now_s, plant)
    whole = [contents, *every, gaps]
    folder = f"{one}/{site or 'any'}"
    _put(
        new / folder / "binder.txt",
        "\f".join(text for some in (text_pages(contents), *texts) for text in some).encode(),
    )
    _put(new / folder / "binder.html", set_document(whole).encode())
    title = f"{whole[0]['title']} {whole[0]['station']}"
    if record["pdf"]:
        _put(new / folder / "binder.pdf", pdf(title, whole, now_s, record["paper"]))
    for section, some in zip(mine, pages):
        _put(new / f"{section.stem}.txt", "\f".join(text for _page in some for text in texts.pop(0)).encode())
        if record["pdf"]:
            _put(new / f"{section.stem}.pdf", pdf(f"{some[0]['id']} {some[0]['title']}", some, now_s, record["paper"]))
    return {"site": site, "language": one, "mark": mark, "made": utc_text(now_s), "made_s": now_s, "folder": folder,
            "key": _key(mine, record, library), "codes": [page["qr"] for page in whole]}  # fmt: skip


def _taken_over(
    binder: Path, before: dict[str, Any], new: Path, mine: list[Section], record: dict[str, Any], now_s: float,
    library: Library,
) -> dict[str, Any] | None:  # fmt: skip
    """The record of a set that is as it was; its files are linked into the new folder. None where it must be made."""
    key = _key(mine, record, library)
    rows = before.get("sets")
    for one in rows if isinstance(rows, list) else ():
        if isinstance(one, dict) and one.get("key") == key and 0 <= now_s - one.get("made_s", 0) < RENEW_S:
            old, folder = binder / str(before.get("folder")), str(one["folder"])
            with contextlib.suppress(OSError):
                shutil.copytree(old / folder, new / folder, copy_function=_link)
                return one
            shutil.rmtree(new / folder, ignore_errors=True)
    return None


def _key(mine: list[Section], record: dict[str, Any], library: Library) -> str:
    """What a set's files depend on, the moment and live values apart."""
    told = [fingerprint(mine), record["pdf"], record["paper"], record["simulated"], mine[0].sheet.name,
            mine[0].language, hashlib.sha256(shipped.read("page.typ")).hexdigest(),
            [list(row) for some in gaps(mine, library) for row in some[1]]]  # fmt: skip
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def section_pages(section: Section, now_s: float, plant: Plant, drill: bool = False) -> list[Content]:
    """The sheets of a section: one, or the one that holds and its translation behind it."""
    if section.master:
        return [master_page(section.master, plant.known, section.sheet, now_s, plant.simulated, plant.ledger)]
    told = (section.sheet, now_s)
    if section.holds is None:
        return [content(section.procedure, *told, section.language, plant.simulated, plant.ledger, drill)]
    holds, spoken_before = section.holds, language()
    use_language(holds.language)  # one sheet speaks one language
    first = content(holds, *told, holds.language, plant.simulated, plant.ledger, drill)
    use_language(spoken_before)
    return [
        first,
        content(section.procedure, *told, section.language, plant.simulated, plant.ledger, drill, holds.language),
    ]


def as_text(pages: list[Content]) -> str:
    """Pages as one text, a form feed between two."""
    return "\f".join(text for page in pages for text in text_pages(page))


def _row(section: Section) -> dict[str, Any]:
    approved = section.master.approved if section.master else section.procedure.approved
    return {"id": section.procedure.id, "site": section.site, "language": section.language, "file": section.stem,
            "revision": section.procedure.revision, "approved": approved, "sha256": section.sha256,
            "missing": list(missing_safety(section.procedure, section.sheet))}  # fmt: skip


def contents_page(
    first: Section, pages: list[Content], counts: list[int], mark: str, now_s: float, plant: Plant
) -> Content:
    """The first page of a set: what is in it, in order, with a hash per sheet and room to say who filed it."""
    rows = [
        [page["id"], page["title"] + (f" ({page['language']})" if page["language"] != first.language else ""),
         page["revision"], page["state"], page["hash"][:8], str(count)]
        for page, count in zip(pages, counts)
    ]  # fmt: skip
    head = ["", _("Title"), _("Revision"), _("State"), _("Hash"), _("Pages")]
    told = [
        [_("Fingerprint"), mark],
        [_("Use"), _("A sheet with another hash than in this list is out of date.") + " "
         + _("When this set is filed: handwheel-manual --mark-printed {mark}").format(mark=mark)],
        [_("Filed"), _("by (role)") + " ____________________   " + _("date") + " ______________"],
    ]  # fmt: skip
    code = f"HW:BINDER:{first.site or 'any'}:{first.language}:{mark}"
    return sheet_page("", _("Binder"), first.sheet, now_s, mark, code, plant.simulated, plant.ledger, [
        table(head, rows, [7, 44, 18, 15, 13, 9], pages=True)], facts=told, language=first.language)  # fmt: skip


def gaps(mine: list[Section], library: Library) -> list[tuple[str, list[list[str]]]]:
    """What a set lacks, as (heading, rows of id and words); headings without rows are left out."""
    asked, sheet = mine[0].language, mine[0].sheet
    unsafe, lacking, drafts, foreign, unread = [], [], [], [], []
    for one in mine:
        procedure, name = one.procedure, one.procedure.id
        safety = missing_safety(procedure, one.sheet)
        if one.master and not one.master.approved:
            drafts.append([name, _("NOT A MASTER")])
        if one.master:
            continue
        if safety:
            unsafe.append([name, ", ".join(safety)])
        if rest := [value for value in missing(procedure, one.sheet) if value not in safety]:
            lacking.append([name, ", ".join(rest)])
        if not procedure.approved:
            drafts.append([name, procedure.title])
        if procedure.language != asked:
            foreign.append([name, procedure.language.upper()])
        if procedure.unreviewed_translation:
            unread.append([name, procedure.title])
    faulty = [
        [entry.id, f"{entry.path.name}: " + _("line {n}: {text}").format(n=entry.faults[0].line,
                                                                         text=entry.faults[0].text)]
        for entry in library.entries.values() if entry.procedure is None and entry.faults and entry.language == asked
    ]  # fmt: skip
    station = []
    if nowhere := _nowhere(library):
        station.append(["", _("for no station of this plant, by their types: {ids}").format(ids=" ".join(nowhere))])
    if not sheet.approved_by:
        station.append(["", _("the site sheet is not approved") if sheet.values else _("there is no site sheet")])
    if not any(one.master for one in mine):
        station.append(["F10", _("there is no setpoint master list of this station; the form is blank")])
    told = [
        (_("DO NOT USE: safety limits that this station has not given"), unsafe),
        (_("Not in this binder: the file has faults"), faulty),
        (_("This station"), station),
        (_("Other site values that are missing"), lacking),
        (_("Not approved (DRAFT)"), drafts),
        (_("Not translated"), foreign),
        (_("Translation not yet reviewed (drill only)"), unread),
    ]
    return [(title, rows) for title, rows in told if rows]


def _nowhere(library: Library) -> list[str]:
    """The procedures whose APPLIES fits none of the stations that have a sheet."""
    stations = [(one.site, one.site_type) for one in library.sheets.values()]
    told = [entry.procedure for entry in library.entries.values() if entry.procedure and entry.procedure.applies]
    return sorted({one.id for one in told if stations and not any(for_site(one, *place) for place in stations)})


def gaps_page(mine: list[Section], library: Library, now_s: float, plant: Plant) -> Content:
    """The last page of a set: what is missing, so that somebody completes it."""
    told = gaps(mine, library)
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    warnings = [] if told else [_("Nothing is missing in this set.")]
    code = f"HW:GAPS:{mine[0].site or 'any'}:{mine[0].language}:{digest[:8]}"
    return sheet_page("", _("What is missing"), mine[0].sheet, now_s, digest, code, plant.simulated, plant.ledger,
                      [table(["", ""], rows, [10, 90], title) for title, rows in told], warnings=warnings,
                      language=mine[0].language)  # fmt: skip


# -- files ---


@contextlib.contextmanager
def _alone(binder: Path) -> Iterator[None]:
    """One renderer at a time; the lock goes with its process, however it ends."""
    if fcntl is None:
        yield
        return
    with (binder / ".lock").open("w") as lock:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as fault:
                if time.monotonic() > deadline:
                    raise Unprintable(_("another program is rendering the binder")) from fault
                time.sleep(0.2)
        yield


def _put(path: Path, blob: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(blob)


def _settle(folder: Path) -> None:
    """All files of a folder onto the disk, before it counts: at once, because the first brings the others along."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())


def _replace(path: Path, blob: bytes) -> None:
    """Replace a file as a whole, on the disk before it counts."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(blob)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)


def _tidy(binder: Path, counts: str) -> None:
    """Remove binders that no longer count, and what a killed renderer left."""
    for path in binder.iterdir():
        known = path.name.startswith(".new-") or (path.name[8:9] == "T" and "Z-" in path.name)
        with contextlib.suppress(OSError):
            if known and path.name != counts and path.is_dir() and time.time() - path.stat().st_mtime > OLD_S:
                shutil.rmtree(path)


def read_record(place: Place, name: str) -> dict[str, Any]:
    """One of the binder's own files; empty where there is none that can be read."""
    try:
        record = json.loads(read_plain(place.binder / name, 4_000_000)) if place.binder else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def write_record(place: Place, name: str, record: dict[str, Any]) -> None:
    """Replace one of the binder's own files. Raises Unprintable."""
    try:
        if place.binder:
            _replace(place.binder / name, json.dumps(record, ensure_ascii=False, indent=1).encode())
    except OSError as fault:
        raise Unprintable(_("{path}: cannot be written ({why})").format(
            path=place.binder, why=fault.strerror)) from fault  # fmt: skip


def record_of(place: Place) -> dict[str, Any]:
    """The record of the binder that counts: fingerprint, folder, sets, sections."""
    return read_record(place, "fingerprint.json")


def folder_of(place: Place) -> Path | None:
    """The folder of the binder that counts, whole; None where none is rendered."""
    name = record_of(place).get("folder")
    folder = place.binder / clean(name, 80) if place.binder and isinstance(name, str) and "/" not in name else None
    return folder if folder is not None and folder.is_dir() else None


def flatten(place: Place) -> None:
    """Make the binder's own folder the one that counts, as on a stick, where a person looks without us."""
    record, folder = record_of(place), folder_of(place)
    if place.binder and folder and folder != place.binder:
        for path in folder.iterdir():
            os.rename(path, place.binder / path.name)
        folder.rmdir()
        for name in (".lock", "known.json"):
            (place.binder / name).unlink()
        write_record(place, "fingerprint.json", {**record, "folder": "."})


def _remember(place: Place, record: dict[str, Any]) -> None:
    """Keep what each set said, by its mark, so that a paper can be told later from the mark it bears."""
    known = read_record(place, "known.json")
    for one in record["sets"]:
        rows = {row["file"]: row["sha256"] for row in record["sections"]
                if (row["site"], row["language"]) == (one["site"], one["language"])}  # fmt: skip
        known.pop(one["mark"], None)
        known[one["mark"]] = {"site": one["site"], "language": one["language"], "made": one["made"],
                              "codes": one["codes"], "sections": rows}  # fmt: skip
    write_record(place, "known.json", dict(list(known.items())[-KNOWN:]))


# -- one page, now ---


@dataclass(frozen=True)
class Wanted:
    """How a page is asked for: on which printer or device, as an exercise or not."""

    printer: str = ""
    device: str = ""
    encoding: str = "cp437"
    width: int = WIDTH
    drill: bool = False
    paper: str = ""


def print_one(place: Place, library: Library, name: str, site: str, wanted: str, how: Wanted = Wanted()) -> Sent:
    """Send one section (or BINDER, a whole set) to the printer, or say where its file lies. Raises Unprintable."""
    known = sites(place, library)
    if name == "BINDER":
        return _print_set(place, site, wanted, how)
    entry = library.get(name, wanted)
    if entry is None or entry.procedure is None:
        raise Unprintable(_("there is no {id}").format(id=clean(name, 10)))
    places = sites_of(library, known, name)
    chosen = site or (places[0] if len(places) == 1 else "")
    master = masters(place).get(chosen) if name == "F10" else None
    holds = None if master else holding(library, entry)
    section = Section(entry.procedure, library.sheet(chosen), chosen, wanted, holds, master)
    if how.device:
        pages = section_pages(section, time.time(), _plant(place, library), how.drill)
        return write_device(how.device, _device_pages(pages, how.width), how.encoding)
    path = _file_of(place, library, section, known.simulated, how)
    sent = send(path, how.printer, how.paper or record_of(place).get("paper", "a4"), f"{name} {chosen}")
    return Sent(sent.word, (_("file: {path}").format(path=path), *sent.lines))


def _device_pages(pages: list[Content], width: int) -> list[str]:
    if width >= WIDTH:
        return [text for page in pages for text in text_pages(page)]
    return [strip(page, width) for page in pages]


def _print_set(place: Place, site: str, wanted: str, how: Wanted) -> Sent:
    folder = folder_of(place)
    rows = [one for one in record_of(place).get("sets", []) if one["language"] == wanted and site in ("", one["site"])]
    if folder is None or not rows:
        raise Unprintable(_("no binder is rendered here; first: handwheel-manual --render STATE"))
    if len(rows) > 1:
        named = " ".join(one["site"] for one in rows)
        raise Unprintable(_("which station? --site takes one of: {names}").format(names=named))
    path = folder / rows[0]["folder"] / ("binder.pdf" if record_of(place).get("pdf") else "binder.txt")
    if how.device:
        return write_device(how.device, path.with_suffix(".txt").read_text("utf-8").split("\f"), how.encoding)
    sent = send(path, how.printer, how.paper or record_of(place).get("paper", "a4"), f"binder {site} {wanted}", 300.0)
    told = _("When this set is filed: handwheel-manual --mark-printed {mark}").format(mark=rows[0]["mark"])
    return Sent(sent.word, (_("file: {path}").format(path=path), *sent.lines, told))


def _file_of(place: Place, library: Library, section: Section, simulated: bool, how: Wanted) -> Path:
    """The rendered file where it is current, else a text page written now (into memory where the disk refuses)."""
    record, folder = record_of(place), folder_of(place)
    current = record.get("simulated", False) == simulated and any(
        row.get("file") == section.stem and row.get("sha256") == section.sha256 for row in record.get("sections") or []
    )
    fits = how.paper in ("", record.get("paper"))
    if current and fits and folder and not how.drill:
        for ending in (".pdf", ".txt"):
            path = folder / f"{section.stem}{ending}"
            if path.is_file():
                return path
    now_s = time.time()
    pages = section_pages(section, now_s, _plant(place, library), how.drill)
    blob, ending = as_text(pages).encode(), ".txt"
    if how.drill and can_make_pdf():  # an exercise is no moment of need
        blob, ending = pdf(f"{pages[0]['id']} {pages[0]['title']}", pages, now_s, how.paper or "a4"), ".pdf"
    there = place.manual is not None and place.manual.is_dir()  # a state folder that is gone is never made anew
    for base in (place.binder if there else None, memory_folder()):
        if base is not None:
            path = base / "now" / f"{section.stem.replace('/', '_')}{'_DRILL' if how.drill else ''}{ending}"
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _replace(path, blob)
                return path
            except OSError:
                continue
    raise Unprintable(_("no page can be written anywhere; read it with --show {id}").format(id=section.procedure.id))
