"""The USB stick for a rescue laptop: the program as one file, the library, pages, site values and last values, with
checksums and, where the key of the ledger is at hand, a signature.

What is on a stick may be read by any laptop, so names are those that FAT takes, nothing is a link, and nothing needs
this program to be read. A stick is written beside the old one and then takes its place; what a laptop recorded lies
outside of it (`handwheel-journal`) and is never touched.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from fallback_procedures import shipped
from fallback_procedures.binder import (
    PRINTED,
    RECORD,
    Unprintable,
    flatten,
    folder_of,
    not_as_rendered,
    read_record,
    record_of,
    render,
)
from fallback_procedures.library import load
from fallback_procedures.place import STICK, STICK_JOURNAL, Place
from fallback_procedures.plain import plain_files, refuse_links, replace_file
from fallback_procedures.shelf import status
from fallback_procedures.stick_check import KEY, ROOM, SIGN_S, START, SUMS, Unmade, key_mark, plain_bytes, read_back
from fallback_procedures.words import LANGUAGES, _, clean, local_text, utc_text

PROGRAM = "handwheel-manual.pyz"
FILES = ("status.json", "last_known.txt", "last_known_minute.txt", "planned_stop.json")
FOLDERS = ("procedures", "sheets", "setpoints", "facts", "binder")
COUNT_LIMIT = 20_000  # files
MAIN = b"""\
import sys
if sys.version_info < (3, 9):
    sys.stderr.write("handwheel-manual needs Python 3.9 or newer; this is %d.%d. The pages need none: see START.txt\\n"
                     % sys.version_info[:2])
    sys.exit(2)
from fallback_procedures.__main__ import main
sys.exit(main())
"""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


# -- the one-file program ---


def program() -> bytes:
    """This program as one file that Python runs; the same bytes from the same files. Stored, so zlib is not needed."""
    outer = shipped.archive()
    if outer is not None:
        return outer.read_bytes()
    made = io.BytesIO()
    made.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as packed:
        for name, raw in [("__main__.py", MAIN), *_own_files()]:
            one = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            one.external_attr = 0o644 << 16
            packed.writestr(one, raw)
    return made.getvalue()


def _own_files() -> list[tuple[str, bytes]]:
    kinds = (".py", ".txt", ".mo", ".typ")
    found = [path for path in shipped.FOLDER.rglob("*") if path.suffix in kinds and path.is_file()]
    return [(path.relative_to(shipped.FOLDER.parent).as_posix(), path.read_bytes()) for path in sorted(found)]


# -- making one ---


@dataclass
class Stick:
    """A stick while it is made: `room` is the folder beside the old one, `left_out` what is not on it, and why."""

    room: Path
    sums: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)  # names in lower case: FAT tells no cases apart
    left_out: list[str] = field(default_factory=list)

    def write(self, name: str, raw: bytes) -> None:
        """One file, on the stick before this returns."""
        path = self.room / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        self.note(name, raw)

    def note(self, name: str, raw: bytes) -> None:
        self.taken.add(name.lower())
        self.sums[name] = hashlib.sha256(raw).hexdigest()

    def copy(self, folder: Path, name: str, manual: Path) -> None:
        """All plain files below a folder of STATE/manual, under names that any system takes; no link is followed."""
        try:
            refuse_links(folder, manual)
        except OSError as fault:
            self.left_out.append(f"{fault.filename}: {fault.strerror}")
            return
        for path, parts in plain_files(folder, self.left_out):
            if len(self.sums) > COUNT_LIMIT:
                raise Unmade(_("{path} holds too many files").format(path=clean(folder)))
            try:
                raw = plain_bytes(path, manual)
            except OSError as fault:
                self.left_out.append(f"{path}: {fault.strerror}")
                continue
            self.write(self.free("/".join((name, *map(fat_name, parts)))), raw)

    def free(self, name: str) -> str:
        """The name, or one like it where another file has it but for upper and lower case."""
        stem, dot, end = name.rpartition(".")
        stem, end = (stem, dot + end) if dot and "/" not in end else (name, "")
        tries = (f"{stem}{mark}{end}" for mark in ("", *(f"~{n}" for n in range(2, 10_000))))
        return next(one for one in tries if one.lower() not in self.taken)


def make(place: Place, target: Path, role: str, now_s: float) -> list[str]:
    """Write the stick below `target`; lines for the person. `now_s` since 1970. [s] Raises Unmade."""
    if not target.is_dir():
        raise Unmade(_("{path} is not there: put the stick in, or name the folder it appears as").format(
            path=clean(target)))  # fmt: skip
    room, new, old = (target / f"{ROOM}{end}" for end in ("", ".new", ".old"))
    try:
        if old.is_dir() and not room.exists():
            os.replace(old, room)  # a stick that was pulled between the two
        _remove(new)
        stick = Stick(new)
        said = _fill(stick, place, role, now_s)
        faults = read_back(new)
        if faults:
            raise Unmade(_("the stick does not keep what is written to it: {what}").format(what=clean(faults[0])))
        _remove(old)
        if room.exists():
            os.replace(room, old)
        os.replace(new, room)
        (target / STICK_JOURNAL).mkdir(exist_ok=True)
        for left in target.glob(f".{START}.*.part"):
            left.unlink()
        replace_file(target / START, (room / START).read_bytes())
        _sync(target)
        _remove(old)
    except OSError as fault:
        raise Unmade(_("no stick was made ({why}); what was there is as it was").format(
            why=clean(fault.strerror or fault, 80))) from fault  # fmt: skip
    except Unprintable as fault:
        raise Unmade(str(fault)) from fault
    finally:
        with contextlib.suppress(OSError):
            _remove(new)
    size = sum(path.stat().st_size for path in room.rglob("*") if path.is_file())
    said.insert(0, _("{path}: {n} files, {mb} MB, made {at}").format(
        path=room, n=len(stick.sums), mb=f"{size / 1e6:.1f}", at=local_text(now_s)))  # fmt: skip
    return [*said, *(_("left out: {what}").format(what=clean(one)) for one in stick.left_out[:20])]


def _fill(stick: Stick, place: Place, role: str, now_s: float) -> list[str]:
    """Everything below the room; what to tell the person of it."""
    manual, said = place.manual, []
    (stick.room / "manual").mkdir(parents=True)
    for name in FILES:
        if manual is not None and os.path.lexists(manual / name):
            try:
                stick.write(f"manual/{name}", plain_bytes(manual / name, manual))
            except OSError as fault:
                if fault.errno in (errno.ENOSPC, errno.EIO, errno.EROFS):
                    raise
                stick.left_out.append(f"{manual / name}: {fault.strerror}")
    library = load(manual, LANGUAGES)
    told = status(place, library, now_s)
    changed = not_as_rendered(place)
    as_is = bool(told["rendered"]) and not told["render_again"] and not changed
    what = "; ".join([*(clean(one) for one in changed[:5]), *(["..."] if changed[5:] else [])])
    said += [_("NOT AS IT WAS RENDERED, so it is not on the stick: {what}").format(what=what)] if changed else []
    for name in FOLDERS:
        if manual is not None and name != "binder":
            stick.copy(manual / name, f"manual/{name}", manual)
    pages = folder_of(place) if as_is else None
    if pages and manual is not None:
        stick.copy(pages, "manual/binder", manual)
        if pages != manual / "binder" / ".":  # flat, so that a person finds the pages without us
            stick.write(f"manual/{RECORD}", json.dumps({**record_of(place), "folder": "."}).encode())
        if printed := read_record(place, PRINTED):
            stick.write(f"manual/{PRINTED}", json.dumps(printed).encode())
        said.append(_("pages: the binder {mark} of {at}").format(mark=told["rendered"], at=told["rendered_at"]))
    else:
        if manual is not None and (manual / "binder").is_symlink():
            stick.left_out.append(_("{path}: is a link, which is not followed").format(path=manual / "binder"))
        own = Place(stick.room / "manual", stick=local_text(now_s))
        made = render(own, load(own.manual, LANGUAGES), now_s)
        flatten(own)
        for path in sorted((stick.room / "manual/binder").rglob("*")):
            if path.is_file():
                _sync(path)
                stick.note(path.relative_to(stick.room).as_posix(), path.read_bytes())
        said.append(_("pages: rendered now for the stick, binder {mark}").format(mark=made["fingerprint"]))
        said += [] if made["pdf"] else [_("typst is not installed: text pages only")]
    about = {"format": 1, "made": utc_text(now_s), "role": role, "binder": told["current"]}
    stick.write(f"manual/{STICK}", json.dumps(about).encode())
    for language in LANGUAGES:
        for name in shipped.names("library", language):
            stick.write(f"library/{language}/{name}", shipped.read("library", language, name))
    stick.write(PROGRAM, program())
    stick.write(START, start_text(now_s))
    sums = "".join(f"{digest}  {name}\n" for name, digest in sorted(stick.sums.items()))
    replace_file(stick.room / SUMS, sums.encode())
    said.append(sign(stick.room / SUMS, manual.parent if manual else None))
    return said


def start_text(now_s: float) -> bytes:
    """START.txt, in the form that the oldest editor of a rescue laptop shows: with mark and line ends of Windows."""
    text = shipped.read("start.txt").decode().replace("{made}", f"{utc_text(now_s, 0)}")
    return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()


def sign(sums: Path, state: Path | None) -> str:
    """Let handwheel sign the checksums with the key of its ledger, which this program never reads; what became of it.

    Where nobody could sign, the stick says so and is none the worse to work with.
    """
    beside = Path(sys.executable).with_name("handwheel") if sys.executable else Path()
    command = str(beside) if beside.is_file() else shutil.which("handwheel")
    if command is None or state is None:
        why = _("handwheel is not installed here") if command is None else _("there is no state folder")
    else:
        try:
            done = subprocess.run([command, "sign", "--state", str(state), str(sums)], capture_output=True,
                                  timeout=SIGN_S, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
            if done.returncode == 0:
                return _("signed by the key of the ledger, {mark}").format(mark=key_mark(sums.parent))
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["?"]
            why = lines[-1]
        except (OSError, subprocess.TimeoutExpired) as fault:
            why = str(fault)
    for name in (f"{SUMS}.sig", KEY):
        with contextlib.suppress(OSError):
            (sums.parent / name).unlink()
    return _("NOT SIGNED: {why}").format(why=clean(why, 200))


# -- names and files ---


def fat_name(name: str) -> str:
    """A name that FAT and every system takes: no colon, no device, no dot or blank at its end."""
    kept = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]', "_", name.encode("utf-8", "replace").decode("utf-8", "replace"))
    kept = kept.rstrip(". ").lstrip(" ")[:120].rstrip(". ") or "_"
    return f"_{kept}" if _RESERVED.fullmatch(kept) else kept


def _remove(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _sync(path: Path) -> None:
    """A file or a folder: what stands in it, and what its names are, is on the stick."""
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
