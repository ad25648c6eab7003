"""The binder: every procedure and form on paper, rendered ahead of time, with a fingerprint that tells which are
current.

At the moment of need nothing is rendered: files that already lie on disk are printed or shown by their path. A binder
is rendered into a new folder beside the old one, and one small file names the folder that counts; whatever is killed in
between leaves the old binder whole. It also has the SHA-256 of each file in that folder: what is printed as current, or
goes onto a stick, is compared with it. Nobody but the user of handwheel and root may write there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fallback_procedures import shipped
from fallback_procedures.contents import contents_page, gaps, gaps_page
from fallback_procedures.hypertext import index_document, set_document
from fallback_procedures.library import Library
from fallback_procedures.limits import missing_safety
from fallback_procedures.paper import can_make_pdf, pdf
from fallback_procedures.place import Place
from fallback_procedures.plain import plain_files, read_plain, refuse_links, replace_file
from fallback_procedures.sets import Plant, Section, fingerprint, plant_now, section_pages, sections, sets
from fallback_procedures.textpage import text_pages
from fallback_procedures.words import _, speaking, utc_text

try:
    import fcntl
except ImportError:  # not on every system that a USB stick meets; there one renderer at a time must do
    fcntl = None  # type: ignore[assignment]

RENEW_S = 20 * 3600.0  # a set that did not change is taken over from the binder before, up to this age [s]
OLD_S = 3600.0  # what lies beside the binder that counts is kept so long: somebody may be reading it [s]
WAIT_S = 120.0  # how long another renderer is waited for [s]
FILE_LIMIT = 100_000_000  # bytes; a binder with pictures has some
KNOWN = 60  # how many sets that were rendered once are remembered, so that their paper can be told
RECORD, ONCE, PRINTED = "binder/fingerprint.json", "binder/known.json", "printed/printed.json"  # below STATE/manual
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class Unprintable(Exception):
    """A page could not be made or sent; the message says what to do instead."""


# -- rendering ---


def ours_alone(place: Place) -> None:
    """Unprintable where this user is neither root nor the one who owns the binder: a rendered page is believed."""
    for folder in (place.binder, place.manual):
        if folder is not None and folder.is_dir():
            if hasattr(os, "geteuid") and os.geteuid() not in (0, folder.stat().st_uid):
                raise Unprintable(_("the binder is rendered by the user of handwheel or by root alone; one page, now: "
                                    "handwheel-manual --print P-03"))  # fmt: skip
            return


def render(place: Place, library: Library, now_s: float, paper: str = "") -> dict[str, Any]:
    """Write all pages into a new folder below STATE/manual/binder, let it count, and return the record of it.

    `now_s` since 1970 [s]; `paper` a4 or letter, else that of the binder before. Sets that say the same as before and
    are young are taken over. Raises Unprintable.
    """
    if place.binder is None or place.manual is None:
        raise Unprintable(_("there is no state folder; --state names one"))
    try:
        if not os.path.lexists(place.binder):
            place.binder.mkdir()  # where STATE/manual was moved away it is not made anew
            _give(place.binder, place.manual)
        refuse_links(place.binder, place.manual)
        with _alone(place.binder):
            return _render(place, place.binder, library, now_s, paper)
    except OSError as fault:
        raise Unprintable(_("{path}: cannot be written ({why})").format(
            path=fault.filename or place.binder, why=fault.strerror or fault)) from fault  # fmt: skip


def _render(place: Place, binder: Path, library: Library, now_s: float, paper: str) -> dict[str, Any]:
    before, found = record_of(place), sections(place, library)
    plant = plant_now(place, library)
    mark = fingerprint(found)
    record: dict[str, Any] = {
        "format": 2, "fingerprint": mark, "made": utc_text(now_s), "pdf": can_make_pdf(), "paper":
        paper or before.get("paper") or "a4", "simulated": plant.simulated,
        "folder": f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now_s))}-{mark}", "sets": [], "sections": [],
    }  # fmt: skip
    while os.path.lexists(binder / record["folder"]):
        record["folder"] += "x"
    new = Path(tempfile.mkdtemp(prefix=f".new-{os.getpid()}-", dir=binder))  # nobody else may write into it
    try:
        for mine in sets(found):
            with speaking(mine[0].language):
                made = _taken_over(folder_of(place), before, new, mine, record, now_s, library)
                record["sets"].append(made or _make_set(new, mine, record, now_s, plant, library))
            record["sections"] += [_row(section) for section in mine]
        with speaking("en"):
            _put(new / "index.html", index_document(record).encode())
        record["files"] = _settle(new, binder)
        new.chmod(stat.S_IMODE(binder.stat().st_mode) & ~_OTHERS)
        os.rename(new, binder / record["folder"])
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    _remember(place, record)
    write_record(place, RECORD, record)
    _tidy(binder, record["folder"])
    return record


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
    folder = _folder(mine)
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
    old: Path | None, before: dict[str, Any], new: Path, mine: list[Section], record: dict[str, Any], now_s: float,
    library: Library,
) -> dict[str, Any] | None:  # fmt: skip
    """The record of a set that is as it was; its files are copied into the new folder. None where it must be made."""
    key, folder = _key(mine, record, library), _folder(mine)
    rows = before.get("sets")
    for one in rows if isinstance(rows, list) and old else ():
        if isinstance(one, dict) and one.get("key") == key and 0 <= now_s - one.get("made_s", 0) < RENEW_S:
            strange: list[str] = []
            try:
                for path, parts in plain_files(Path(str(old), folder), strange, every=True):
                    blob, name = read_plain(path, FILE_LIMIT, old), "/".join((folder, *parts))
                    if not _is_as_rendered(before, name, blob):
                        strange.append(name)
                        break
                    _put(new / name, blob)
            except OSError as fault:
                strange.append(str(fault))
            if not strange and (new / folder).is_dir():
                return {**one, "folder": folder}
            shutil.rmtree(new / folder, ignore_errors=True)
    return None


def _folder(mine: list[Section]) -> str:
    """Where the files of a set lie below the binder."""
    return f"{mine[0].language}/{mine[0].site or 'any'}"


def _key(mine: list[Section], record: dict[str, Any], library: Library) -> str:
    """What a set's files depend on, the moment and live values apart."""
    told = [fingerprint(mine), record["pdf"], record["paper"], record["simulated"], mine[0].sheet.name,
            mine[0].language, hashlib.sha256(shipped.read("page.typ")).hexdigest(),
            [list(row) for some in gaps(mine, library) for row in some[1]]]  # fmt: skip
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _row(section: Section) -> dict[str, Any]:
    approved = section.master.approved if section.master else section.procedure.approved
    return {"id": section.procedure.id, "site": section.site, "language": section.language, "file": section.stem,
            "revision": section.procedure.revision, "approved": approved, "sha256": section.sha256,
            "missing": list(missing_safety(section.procedure, section.sheet))}  # fmt: skip


# -- files ---


@contextlib.contextmanager
def _alone(binder: Path) -> Iterator[None]:
    """One renderer at a time; the lock goes with its process, however it ends."""
    if fcntl is None:
        yield
        return
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    with open(os.open(binder / ".lock", flags, 0o600), "wb") as lock:
        _give(binder / ".lock", binder)
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


def _settle(folder: Path, binder: Path) -> dict[str, str]:
    """All files of a folder onto the disk, before it counts: at once, because the first brings the others along.

    Nobody else may write to them, whatever the umask. Their SHA-256 by name.
    """
    told = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb+") as file:
                told[path.relative_to(folder).as_posix()] = hashlib.sha256(file.read()).hexdigest()
                os.fsync(file.fileno())
        with contextlib.suppress(PermissionError):  # a stick knows no such rights
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
        _give(path, binder)
    _give(folder, binder)
    return told


def _give(path: Path, above: Path) -> None:
    """What root has made belongs to the user who owns the folder `above`, and who will renew it."""
    owner = above.stat()
    if hasattr(os, "geteuid") and os.geteuid() == 0 != owner.st_uid:
        with contextlib.suppress(PermissionError):  # a stick knows no owners
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _tidy(binder: Path, counts: str) -> None:
    """Remove binders that no longer count, and what a killed renderer left."""
    for path in binder.iterdir():
        known = path.name.startswith(".new-") or (path.name[8:9] == "T" and "Z-" in path.name)
        with contextlib.suppress(OSError):
            if path.name == counts or time.time() - path.lstat().st_mtime < OLD_S:
                continue
            if known and path.is_dir():
                shutil.rmtree(path)
            elif path.name.endswith(".part"):
                path.unlink()


def read_record(place: Place, name: str) -> dict[str, Any]:
    """RECORD, ONCE or PRINTED; empty where there is none that can be read."""
    try:
        record = json.loads(read_plain(place.manual / name, 4_000_000, place.manual)) if place.manual else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def write_record(place: Place, name: str, record: dict[str, Any]) -> None:
    """Replace RECORD, ONCE or PRINTED. Raises Unprintable."""
    if place.manual is None:
        return
    path = place.manual / name
    try:
        path.parent.mkdir(exist_ok=True)
        refuse_links(path.parent, place.manual)
        replace_file(path, json.dumps(record, ensure_ascii=False, indent=1).encode(), 0o644)
        _give(path, path.parent)
    except OSError as fault:
        raise Unprintable(_("{path}: cannot be written ({why})").format(
            path=path.parent, why=fault.strerror)) from fault  # fmt: skip


def record_of(place: Place) -> dict[str, Any]:
    """The record of the binder that counts: fingerprint, folder, sets, sections, files; empty where it is not
    believed, because somebody else has written it."""
    record = read_record(place, RECORD)
    with contextlib.suppress(OSError):
        if record and place.manual and place.binder and not place.stick and hasattr(os, "geteuid"):
            told = (place.manual / RECORD).lstat()
            if told.st_uid not in (0, place.binder.stat().st_uid) or told.st_mode & _OTHERS:
                return {}
    return record


def _is_as_rendered(record: dict[str, Any], name: str, blob: bytes) -> bool:
    files = record.get("files")
    return isinstance(files, dict) and files.get(name) == hashlib.sha256(blob).hexdigest()


def as_rendered(folder: Path, name: str, record: dict[str, Any]) -> bytes | None:
    """A file of the binder that counts; None where it is missing, or is not what was rendered."""
    try:
        blob = read_plain(folder / name, FILE_LIMIT, folder)
    except OSError:
        return None
    return blob if _is_as_rendered(record, name, blob) else None


def not_as_rendered(place: Place) -> list[str]:
    """The files of the binder that counts which are missing, were changed or do not belong to it."""
    record, folder = record_of(place), folder_of(place)
    files = record.get("files")
    names = set(files) if isinstance(files, dict) else set()
    strange: list[str] = []
    if folder is None:
        return []
    if folder != place.binder:  # flat, as on a stick, other files lie beside the pages
        names |= {"/".join(parts) for _path, parts in plain_files(folder, strange, every=True)}
    return [*strange, *(name for name in sorted(names) if as_rendered(folder, name, record) is None)]


def folder_of(place: Place) -> Path | None:
    """The folder of the binder that counts, whole; None where none is rendered."""
    name = record_of(place).get("folder")
    if place.binder is None or not isinstance(name, str) or not re.fullmatch(r"\.|\w[\w.-]{0,80}", name):
        return None
    folder = place.binder / name
    return folder if folder.is_dir() and not place.binder.is_symlink() and not folder.is_symlink() else None


def flatten(place: Place) -> None:
    """Make the binder's own folder the one that counts, as on a stick, where a person looks without us."""
    record, folder = record_of(place), folder_of(place)
    if place.binder and folder and folder != place.binder:
        for path in folder.iterdir():
            os.rename(path, place.binder / path.name)
        folder.rmdir()
        for name in (".lock", "known.json"):
            (place.binder / name).unlink(missing_ok=True)  # no lock where the system knows none
        write_record(place, RECORD, {**record, "folder": "."})


def _remember(place: Place, record: dict[str, Any]) -> None:
    """Keep what each set said, by its mark, so that a paper can be told later from the mark it bears."""
    known = read_record(place, ONCE)
    for one in record["sets"]:
        rows = {row["file"]: row["sha256"] for row in record["sections"]
                if (row["site"], row["language"]) == (one["site"], one["language"])}  # fmt: skip
        known.pop(one["mark"], None)
        known[one["mark"]] = {"site": one["site"], "language": one["language"], "made": one["made"],
                              "codes": one["codes"], "sections": rows}  # fmt: skip
    write_record(place, ONCE, dict(list(known.items())[-KNOWN:]))
