"""One sheet or one set on paper, now: what lies ready is sent; only what is not current is written, as text."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from fallback_procedures.binder import Unprintable, as_rendered, folder_of, record_of
from fallback_procedures.journal import is_ours, memory_folder
from fallback_procedures.library import Library
from fallback_procedures.open_period import Refused
from fallback_procedures.paper import Content, can_make_pdf, pdf
from fallback_procedures.place import Place, site_named, sites_of, sites_to_ask
from fallback_procedures.plain import refuse_links, replace_file
from fallback_procedures.printing import Sent, send, write_device
from fallback_procedures.sets import Section, as_text, holding, master_of, masters, plant_now, section_pages, sites
from fallback_procedures.textpage import WIDTH, strip, text_pages
from fallback_procedures.words import _, clean


@dataclass(frozen=True)
class Wanted:
    """How a page is asked for: on which printer or device, as an exercise or not."""

    printer: str = ""
    device: str = ""
    encoding: str = "cp437"
    width: int = WIDTH
    drill: bool = False
    paper: str = ""


class WhichSite(Unprintable):
    """Each of these sites has a page of its own; without its values a page may not be used."""

    def __init__(self, sites: list[str]) -> None:
        super().__init__(_("which station? --site takes one of: {names}").format(names=" ".join(sites)))
        self.sites = sites


def print_one(place: Place, library: Library, name: str, site: str, wanted: str, how: Wanted = Wanted()) -> Sent:
    """Send one section (or BINDER, a whole set) to the printer, or say where its file lies. Raises Unprintable."""
    known = sites(place, library)
    if name == "BINDER":
        return _print_set(place, site, wanted, how)
    entry = library.get(name, wanted)
    if entry is None or entry.procedure is None:
        raise Unprintable(_("there is no {id}").format(id=clean(name, 10)))
    asked = sites_to_ask(library, known, name)
    if not site and len(asked) > 1:
        raise WhichSite(asked)
    try:
        site = site_named(site, known)
    except Refused as fault:
        raise Unprintable(str(fault)) from fault
    places = sites_of(library, known, name)
    chosen = site or (places[0] if len(places) == 1 else "")
    master = master_of(masters(place, library), chosen) if name == "F10" else None
    holds = None if master else holding(library, entry)
    section = Section(entry.procedure, library.sheet(chosen), chosen, wanted, holds, master)
    if how.device:
        pages = section_pages(section, time.time(), plant_now(place, library), how.drill)
        return write_device(how.device, _device_pages(pages, how.width), how.encoding)
    path, why = _file_of(place, library, section, known.simulated, how)
    sent = send(path, how.printer, how.paper or record_of(place).get("paper", "a4"), f"{name} {chosen}")
    return Sent(sent.word, (_("file: {path}").format(path=path), *why, *sent.lines))


def _device_pages(pages: list[Content], width: int) -> list[str]:
    if width >= WIDTH:
        return [text for page in pages for text in text_pages(page)]
    return [strip(page, width) for page in pages]


def _print_set(place: Place, site: str, wanted: str, how: Wanted) -> Sent:
    record, folder = record_of(place), folder_of(place)
    rows = [one for one in record.get("sets", []) if one["language"] == wanted and site in ("", one["site"])]
    if folder is None or not rows:
        raise Unprintable(_("no binder is rendered here; first: handwheel-manual --render STATE"))
    if len(rows) > 1:
        named = " ".join(one["site"] for one in rows)
        raise Unprintable(_("which station? --site takes one of: {names}").format(names=named))
    name = "binder.pdf" if record.get("pdf") and not how.device else "binder.txt"
    path = folder / wanted / (rows[0]["site"] or "any") / name
    blob = as_rendered(folder, path.relative_to(folder).as_posix(), record)
    if blob is None:
        raise Unprintable(_("{path}: is not as it was rendered; have the binder rendered anew, or print page by "
                            "page").format(path=path))  # fmt: skip
    if how.device:
        return write_device(how.device, blob.decode().split("\f"), how.encoding)
    sent = send(path, how.printer, how.paper or record.get("paper", "a4"), f"binder {site} {wanted}", 300.0)
    told = _("When this set is filed: handwheel-manual --mark-printed {mark}").format(mark=rows[0]["mark"])
    return Sent(sent.word, (_("file: {path}").format(path=path), *sent.lines, told))


def _file_of(
    place: Place, library: Library, section: Section, simulated: bool, how: Wanted
) -> tuple[Path, tuple[str, ...]]:
    """The rendered file where it is current, else a text page written now (into memory where the disk refuses).

    A rendered file that is not as it was rendered is never taken, and that is said.
    """
    record, folder = record_of(place), folder_of(place)
    current = record.get("simulated", False) == simulated and any(
        row.get("file") == section.stem and row.get("sha256") == section.sha256 for row in record.get("sections") or []
    )
    fits = how.paper in ("", record.get("paper"))
    why: tuple[str, ...] = ()
    if current and fits and folder and not how.drill:
        path = folder / f"{section.stem}{'.pdf' if record.get('pdf') else '.txt'}"
        if as_rendered(folder, path.relative_to(folder).as_posix(), record) is not None:
            return path, ()
        why = (_("{path}: is not as it was rendered; this page was written now").format(path=path),)
    now_s = time.time()
    pages = section_pages(section, now_s, plant_now(place, library), how.drill)
    blob, ending = as_text(pages).encode(), ".txt"
    if how.drill and can_make_pdf():  # an exercise is no moment of need
        blob, ending = pdf(f"{pages[0]['id']} {pages[0]['title']}", pages, now_s, how.paper or "a4"), ".pdf"
    name = f"{section.stem.replace('/', '_')}{'_DRILL' if how.drill else ''}{ending}"
    written = written_now(place, name, blob)
    if written is None:
        told = _("no page can be written anywhere; read it with --show {id}")
        raise Unprintable(told.format(id=section.procedure.id))
    return written, why


def written_now(place: Place, name: str, blob: bytes) -> Path | None:
    """Write a page beside those that are printed in haste, else into memory; None where it can be written nowhere."""
    there = place.manual is not None and place.manual.is_dir()  # a state folder that is gone is never made anew
    memory = memory_folder() / "now"
    for folder in (place.now if there else None, memory):
        if folder is not None:
            try:
                folder.mkdir(mode=0o700 if folder == memory else 0o777, parents=folder == memory, exist_ok=True)
                if folder != memory or (is_ours(folder) and is_ours(memory_folder().parent)):
                    refuse_links(folder, folder.parent)
                    replace_file(folder / name, blob, 0o644)  # nobody changes it before it is printed
                    return folder / name
            except OSError:
                continue
    return None
