"""The USB stick for a rescue laptop: the program as one file, the library, pages, site values and last values, with
checksums and, where the key of the ledger is at hand, a signature.

What is on a stick may be read by any laptop, so names are those that FAT takes, nothing is a link, and nothing needs
this program to be read. A stick is written beside the old one and then takes its place; what a laptop recorded lies
outside of it (`handwheel-journal`) and is never touched.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from fallback_procedures import shipped
from fallback_procedures.binder import (
    FILE_LIMIT,
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
from fallback_procedures.plain import open_plain, plain_files, read_plain, refuse_links, replace_file
from fallback_procedures.sets import fingerprint, sections
from fallback_procedures.shelf import status
from fallback_procedures.words import LANGUAGES, _, clean, local_text, utc_text

_ED25519 = bytes.fromhex("302a300506032b6570032100")  # what stands before the 32 bytes of such a key (RFC 8410)
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/]{59}=)\n-----END PUBLIC KEY-----\n?")
ROOM, SUMS, KEY, START = "handwheel", "SHA256SUMS", "ledger_key.pem", "START.txt"
PROGRAM = "handwheel-manual.pyz"
FILES = ("status.json", "last_known.txt", "last_known_minute.txt", "planned_stop.json")
FOLDERS = ("procedures", "sheets", "setpoints", "facts", "binder")
COUNT_LIMIT = 20_000  # files
SIGN_S = 60  # how long a signature is waited for [s]
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
_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S.*)")


class Unmade(Exception):
    """No stick was made or looked at; the message says why. What was there before is as it was."""


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
                raw = _plain(path, manual)
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
                stick.write(f"manual/{name}", _plain(manual / name, manual))
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


# -- looking at one ---


def check(target: Path, place: Place, key: str = "") -> tuple[int, list[str]]:
    """0 and lines for the person where a stick is whole, 1 where it is not. Raises Unmade where there is none.

    `key`: the fingerprint of the key as it was kept elsewhere.
    """
    room = target if (target / SUMS).is_file() else target / ROOM
    if not (room / SUMS).is_file():
        old = target / f"{ROOM}.old"
        if (old / SUMS).is_file():
            raise Unmade(_("{path}: was pulled while it was written; {old} is whole, make it again").format(
                path=clean(target), old=old.name))  # fmt: skip
        raise Unmade(_("{path}: there is no stick of handwheel here").format(path=clean(target)))
    faults = [*read_back(room), *_beside(target, room)]
    try:
        about = json.loads(read_plain(room / "manual" / STICK, 10_000))
        made, binder = str(about["made"]), str(about["binder"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        made, binder = "?", "?"
    lines = [_("stick of {at}, binder {mark}").format(at=clean(made, 30), mark=clean(binder, 20))]
    if place.manual is not None and place.manual.is_dir() and not place.stick:
        now = fingerprint(sections(place, load(place.manual, LANGUAGES)))
        if now != binder:
            lines.append(_("OUT OF DATE: the binder is {mark} now; make the stick again").format(mark=now))
    ok, words = _signature(room, key)
    lines += [_("checksums: {n} files are as they were written").format(n=len(_sums(room)))] if not faults else []
    lines += [f"! {clean(fault)}" for fault in faults[:20]]
    return (0 if ok and not faults else 1), [*lines, words]


def read_back(room: Path) -> list[str]:
    """What is not as SHA256SUMS says, or is there without standing in it; read from the stick, not from memory."""
    try:
        listed = _sums(room)
    except (OSError, ValueError):
        return [f"{SUMS}: cannot be read"]
    faults = []
    for name, digest in listed.items():
        try:
            if _digest(room / name) != digest:
                faults.append(_("CHANGED: {name}").format(name=name))
        except OSError as fault:
            faults.append(_("MISSING: {name} ({why})").format(name=name, why=fault.strerror))
    known = {*listed, SUMS, f"{SUMS}.sig", KEY}
    for path, parts in plain_files(room, faults, every=True):
        name = "/".join(parts)
        if name not in known:
            faults.append(_("NOT OF THIS STICK: {name}").format(name=path.name if len(name) > 150 else name))
    return faults


def _beside(target: Path, room: Path) -> list[str]:
    """What lies beside the folder of the stick and is not ours, or is not what we laid there."""
    if room == target:
        return []
    faults = []
    try:
        if _plain(target / START) != _plain(room / START):
            faults.append(_("CHANGED: {name}").format(name=START))
        names = sorted(os.listdir(target))
    except OSError as fault:
        return [_("MISSING: {name} ({why})").format(name=START, why=fault.strerror)]
    ours = (START, ROOM, f"{ROOM}.old", STICK_JOURNAL)
    return faults + [_("NOT OF THIS STICK: {name}").format(name=name[:150]) for name in names if name not in ours]


def _sums(room: Path) -> dict[str, str]:
    found = {}
    for line in read_plain(room / SUMS, FILE_LIMIT).decode().splitlines():
        match = _LINE.fullmatch(line)
        if match is None or ".." in match.group(2).split("/") or match.group(2).startswith("/"):
            raise ValueError(line)
        found[match.group(2)] = match.group(1)
    return found


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise OSError(errno.EINVAL, "is no plain file")
    with path.open("rb") as file:
        if hasattr(os, "posix_fadvise"):  # what lies in memory proves nothing about a stick
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def key_mark(room: Path) -> str:
    """The fingerprint of the key on a stick, as `handwheel ledger key` prints it; "?" where there is none."""
    try:
        pem = _PEM.fullmatch(_plain(room / KEY).replace(b"\r\n", b"\n"))
        told = base64.b64decode(pem.group(1), validate=True) if pem else b""
    except (OSError, ValueError):
        return "?"
    if len(told) != len(_ED25519) + 32 or not told.startswith(_ED25519):
        return "?"
    letters = base64.b32encode(hashlib.sha256(told[len(_ED25519) :]).digest()).decode()[:20]
    return "-".join(letters[at : at + 4] for at in range(0, 20, 4))


def _signature(room: Path, key: str) -> tuple[bool, str]:
    """Whether nothing speaks against the signature, and what to say of it."""
    if not (room / f"{SUMS}.sig").is_file():
        return not key, _("NOT SIGNED: no key was at hand when it was made")
    mark = key_mark(room)
    if mark == "?":  # another reader might take another key out of it
        return False, _("THE KEY ON IT IS NONE OF OURS: {name}").format(name=KEY)
    if key and key.upper() != mark:
        return False, _("SIGNED BY ANOTHER KEY: {mark}").format(mark=mark)
    openssl = shutil.which("openssl")
    if openssl is None:
        return not key, _("signature not checked: there is no openssl here")
    command = [openssl, "pkeyutl", "-verify", "-pubin", "-inkey", KEY, "-rawin", "-in", SUMS, "-sigfile",
               f"{SUMS}.sig"]  # fmt: skip
    try:
        done = subprocess.run(command, cwd=room, capture_output=True, timeout=SIGN_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as fault:
        return not key, _("signature not checked: {why}").format(why=clean(fault, 100))
    if done.returncode == 0:
        words = _("signature: right, by key {mark}") if key else _(
            "signature: right, by key {mark}; compare it with the fingerprint that is kept on paper")  # fmt: skip
        return True, words.format(mark=mark)
    if b"Verification Failure" in done.stdout + done.stderr:
        return False, _("THE SIGNATURE IS WRONG: this is not what the key has signed")
    return not key, _("signature not checked: {why}").format(why=_("this openssl cannot; version 3 can"))


# -- names and files ---


def fat_name(name: str) -> str:
    """A name that FAT and every system takes: no colon, no device, no dot or blank at its end."""
    kept = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]', "_", name.encode("utf-8", "replace").decode("utf-8", "replace"))
    kept = kept.rstrip(". ").lstrip(" ")[:120].rstrip(". ") or "_"
    return f"_{kept}" if _RESERVED.fullmatch(kept) else kept


def _plain(path: Path, below: Path | None = None) -> bytes:
    """All of a plain file; OSError for a link, a pipe, a device, and for what is too large to be ours."""
    with open_plain(path, below or path.parent) as file:
        if os.fstat(file.fileno()).st_size > FILE_LIMIT:
            raise OSError(errno.EFBIG, _("is too large"))
        return file.read(FILE_LIMIT)


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
