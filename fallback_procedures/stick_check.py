"""Looking at a USB stick: whether it is whole and signed, and what lies on it that nobody should open by mistake."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

from fallback_procedures.binder import FILE_LIMIT
from fallback_procedures.found import found_text
from fallback_procedures.journal import NAME, read_lines
from fallback_procedures.library import load
from fallback_procedures.open_period import open_periods
from fallback_procedures.place import STICK, STICK_JOURNAL, Place
from fallback_procedures.plain import open_plain, plain_files, read_plain
from fallback_procedures.sets import fingerprint, sections
from fallback_procedures.words import LANGUAGES, _, clean

_ED25519 = bytes.fromhex("302a300506032b6570032100")  # what stands before the 32 bytes of such a key (RFC 8410)
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/]{59}=)\n-----END PUBLIC KEY-----\n?")
ROOM, SUMS, KEY, START = "handwheel", "SHA256SUMS", "ledger_key.pem", "START.txt"
SIGN_S = 60  # how long a signature is waited for [s]
_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S.*)")
_PAGE = re.compile(r"[\w-]{1,120}\.(txt|pdf)")  # as copies.py names them
# what systems lay onto a stick; a person never opens them, and neither do we
SYSTEMS = re.compile(r"System Volume Information|\$RECYCLE\.BIN|\.Trashes|\.Trash-[0-9]+|\.Spotlight-V100|\.fseventsd|"
                     r"lost\+found", re.IGNORECASE)  # fmt: skip


class Unmade(Exception):
    """No stick was made or looked at; the message says why. What was there before is as it was."""


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
    recorded, said = _recorded(target if room != target else target.parent, place)
    wrong = read_back(room)
    beside, also = _beside(target, room)
    faults = [*recorded, *wrong, *beside]
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
    lines += [_("checksums: {n} files are as they were written").format(n=len(_sums(room)))] if not wrong else []
    lines += [f"! {clean(fault, 300)}" for fault in faults[:20]]
    lines += [_("! and {n} more").format(n=len(faults) - 20)] if faults[20:] else []
    return (0 if ok and not faults else 1), [*lines, words, *(clean(one, 300) for one in (*said, *also)[:40])]


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


def _beside(target: Path, room: Path) -> tuple[list[str], list[str]]:
    """What lies beside the folder of the stick: what nobody should open by mistake, and what is only to be said."""
    if room == target:
        return [], []
    try:
        changed = plain_bytes(target / START) != plain_bytes(room / START)
        faults = [_("CHANGED: {name}").format(name=START)] if changed else []
        names = sorted(os.listdir(target))
    except OSError as fault:
        return [_("MISSING: {name} ({why})").format(name=START, why=fault.strerror)], []
    systems = []
    for name in names:
        if name == STICK_JOURNAL or name in (START, ROOM):
            continue
        if SYSTEMS.fullmatch(name) and stat.S_ISDIR((target / name).lstat().st_mode):
            systems.append(name)
        elif name == f"{ROOM}.new":
            faults.append(_("{name}: a stick was begun here and not finished; open nothing in it, the next "
                            "--make-stick takes it away").format(name=name))  # fmt: skip
        elif name == f"{ROOM}.old":
            faults.append(_("{name}: the stick before this one; open nothing in it, the next --make-stick takes it "
                            "away").format(name=name))  # fmt: skip
        else:
            faults.append(_("NOT OF THIS STICK: {name}").format(name=name[:150]))
    said = [_("folders of a system, not looked into: {names}").format(names=", ".join(systems))] if systems else []
    return faults, said


def _recorded(target: Path, place: Place) -> tuple[list[str], list[str]]:
    """What a laptop has recorded: strange files and open periods are faults, what is not known at home is said."""
    folder = target / STICK_JOURNAL
    if not os.path.lexists(folder):
        return [], []
    if folder.is_symlink():
        return [_("{path}: is a link, which is not followed").format(path=STICK_JOURNAL)], []
    if not folder.is_dir():
        return [_("NOT OF THIS STICK: {name}").format(name=STICK_JOURNAL)], []
    faults: list[str] = []
    said: list[str] = []
    whole: list[Path] = []
    strange: list[str] = []
    for path, parts in plain_files(folder, strange, every=True):
        if len(parts) == 1 and NAME.fullmatch(path.name) and read_lines(path)[0]:
            whole.append(path)
        elif len(parts) == 2 and parts[0] == "now" and _PAGE.fullmatch(parts[1]):
            said.append(_("written here to be printed: {name}").format(name=parts[1]))
        else:
            faults.append(_("NOT OF THIS STICK: {name}").format(name=f"{STICK_JOURNAL}/{'/'.join(parts)}"[:150]))
    opened = [one for drill in (False, True) for one in open_periods(folder, drill)]
    faults = [*(found_text(one) for one in opened), *strange, *faults]
    at_home = _at_home(place)
    for path in whole:
        if path.name in [one.name for one in opened]:
            continue
        told = _("recorded: {name}, known at home")
        if hashlib.sha256(plain_bytes(path)).hexdigest() not in at_home:
            told = _("recorded: {name}, not known at home as far as can be told here: handwheel import period {path}")
        said.append(told.format(name=path.name, path=clean(target, 100)))
    return faults, said


def _at_home(place: Place) -> set[str]:
    """SHA-256 of the journals that the ledger knows, as handwheel has published them."""
    try:
        raw = read_plain(place.manual / "facts" / "periods.json", 4_000_000, place.manual) if place.manual else b"{}"
        told = json.loads(raw).get("sha256")
        return {one for one in told if isinstance(one, str)}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return set()


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
        pem = _PEM.fullmatch(plain_bytes(room / KEY).replace(b"\r\n", b"\n"))
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


def plain_bytes(path: Path, below: Path | None = None) -> bytes:
    """All of a plain file; OSError for a link, a pipe, a device, and for what is too large to be ours."""
    with open_plain(path, below or path.parent) as file:
        if os.fstat(file.fileno()).st_size > FILE_LIMIT:
            raise OSError(errno.EFBIG, _("is too large"))
        return file.read(FILE_LIMIT)
