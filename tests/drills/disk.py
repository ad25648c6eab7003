"""A disk that loses its power: what recorder.c logged, played up to a cut; what was not synced is kept, lost or torn.

What the model assumes of a disk, and nothing more: what fsync or fdatasync of a file returned for is on it (contents
and size, not the file's name); what fsync of a folder returned for is on it (the names in that folder); a sector is
written as a whole, and so is the record of a file's size. Everything since the last sync of the same file or folder
may be there or not, sector by sector, in any order, and each sector as it was at any moment since. A disk that says
that it synced, and lies, is outside of it.
"""

import random
import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_HEAD = struct.Struct("<cQQII")
ALL, NONE = 1, 0  # of what was not synced; any other number is the size of a sector [bytes], each kept or lost


@dataclass(frozen=True, slots=True)
class Call:
    """One call that changes the disk: W write, T truncate, S sync, D sync of a folder, C R U L M X names."""

    op: str
    file: int
    at: int
    first: bytes
    second: bytes


def compiled(folder: Path, name: str) -> Path:
    """A library of this folder, `recorder` or `slow_disk`; a machine without a C compiler skips the test."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here: what a program writes cannot be looked at")
    made, source = folder / f"{name}.so", Path(__file__).with_name(f"{name}.c")
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(made), str(source), "-ldl", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{source.name} cannot be compiled here: {done.stderr.splitlines()[:1]}")
    return made


def recorded_by(library: Path, root: Path, log: Path) -> dict[str, str]:
    """The environment in which a process is recorded."""
    return {"LD_PRELOAD": str(library), "HW_DISK_ROOT": str(root), "HW_DISK_LOG": str(log)}


def calls(log: bytes) -> Iterator[Call]:
    """The log in order; a last record that was cut off is left out."""
    at = 0
    while at + _HEAD.size <= len(log):
        op, file, where, n1, n2 = _HEAD.unpack_from(log, at)
        at += _HEAD.size
        if at + n1 + n2 > len(log):
            return
        yield Call(op.decode(), file, where, log[at : at + n1], log[at + n1 : at + n1 + n2])
        at += n1 + n2


@dataclass(eq=False, slots=True)
class File:
    """Contents as synced, and what came since: (offset, bytes) or a new size."""

    mode: int
    synced: bytearray = field(default_factory=bytearray)
    since: list[tuple[int, bytes] | int] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.since:
            _change(self.synced, change)
        self.since = []

    def after_cut(self, kept: int, rng: random.Random) -> bytes:
        """What a disk may hold."""
        if not self.since or kept == NONE:
            return bytes(self.synced)
        if kept == ALL:
            whole = bytearray(self.synced)
            for change in self.since:
                _change(whole, change)
            return bytes(whole)
        # a change of size is one change of the file's own record: it is there or not, and what follows it as well
        cuts = [number for number, change in enumerate(self.since) if isinstance(change, int)]
        done = self.since[: rng.choice([*cuts, len(self.since)])]
        found, sizes = bytearray(self.synced), [len(self.synced)]
        until: dict[int, int] = {}  # each sector is as it was after so many of the changes
        for number, change in enumerate(done):
            if isinstance(change, int):
                _change(found, change)
                sizes = [change]
                continue
            start, end = change[0], change[0] + len(change[1])
            sizes.append(max(sizes[-1], end))
            found.extend(bytes(max(end - len(found), 0)))
            for sector in range(start // kept, -(-end // kept)):
                if sector not in until:  # often all or none, or too much would always be torn
                    until[sector] = rng.choice((0, len(done), rng.randint(0, len(done))))
                if number < until[sector]:
                    low, high = max(start, sector * kept), min(end, sector * kept + kept)
                    found[low:high] = change[1][low - start : high - start]
        return bytes(found[: rng.choice((sizes[-1], rng.choice(sizes)))])


def _change(data: bytearray, change: tuple[int, bytes] | int) -> None:
    if isinstance(change, int):
        del data[change:]
        data.extend(bytes(change - len(data)))
    else:
        at, new = change
        data.extend(bytes(max(at - len(data), 0)))
        data[at : at + len(new)] = new


@dataclass(eq=False, slots=True)
class Folder:
    """Names as synced, names now, and the changes in between: {name: what, or None where it went}, each at once."""

    synced: dict[str, "File | Folder"] = field(default_factory=dict)
    now: dict[str, "File | Folder"] = field(default_factory=dict)
    since: list[dict[str, "File | Folder | None"]] = field(default_factory=list)

    def change(self, names: "dict[str, File | Folder | None]") -> None:
        self.since.append(names)
        _rename(self.now, names)

    def sync(self) -> None:
        self.synced, self.since = dict(self.now), []

    def after_cut(self, kept: int, rng: random.Random) -> dict[str, "File | Folder"]:
        """Which names a disk may hold: all changes, none, or each or not."""
        names = dict(self.synced)
        for change in self.since:
            if kept == ALL or (kept != NONE and rng.random() < 0.5):
                _rename(names, change)
        return names


def _rename(names: dict[str, File | Folder], change: dict[str, File | Folder | None]) -> None:
    for name, what in change.items():
        if what is None:
            names.pop(name, None)
        else:
            names[name] = what


class Disk:
    """The disk as the calls left it; `said` has what was written to the file of this name: what a program says."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._top = Folder()
        self._files: dict[int, File] = {}
        self._said: File | None = None
        self.said: list[str] = []
        self.unseen: set[str] = set()  # calls that the recorder cannot replay
        self.mapped: set[str] = set()  # files that were written through memory

    def play(self, call: Call) -> None:
        """Do one call."""
        one = call.first.decode(errors="surrogateescape")
        if call.op == "W":
            file = self._files[call.file]
            if file is self._said:
                self.said += call.first.decode().splitlines()
            file.since.append((call.at, call.first))
        elif call.op == "T":
            self._files[call.file].since.append(call.at)
        elif call.op == "S":
            if call.file in self._files:
                self._files[call.file].sync()
        elif call.op == "D":
            self._folder(Path(one)).sync()
        elif call.op == "C":
            file = self._files[call.file] = File(call.at)
            self._place(one).change({Path(one).name: file})
            if one == str(self._root / "said"):
                self._said = file
        elif call.op == "M":
            self._place(one).change({Path(one).name: Folder()})
        elif call.op in "UX":
            self._place(one).change({Path(one).name: None})
        elif call.op in "RL":
            two = call.second.decode(errors="surrogateescape")
            here, there = self._place(one), self._place(two)
            moved: dict[str, File | Folder | None] = {Path(two).name: here.now[Path(one).name]}
            gone: dict[str, File | Folder | None] = {Path(one).name: None}
            if call.op == "L":
                there.change(moved)
            elif here is there:
                here.change({**moved, **gone})
            else:
                there.change(moved)
                here.change(gone)
        elif call.op == "P":
            self.mapped.add(Path(one).name)
        else:
            self.unseen.add(one)

    def cut(self, place: Path, rng: random.Random) -> str:
        """Write what the disk may hold after a power cut now below `place`; says what was done to it."""
        data = rng.choice((NONE, ALL, 512, 512, 4096, 4096))
        names = rng.choice((NONE, ALL, 2, 2))
        self._write(self._top, place, data, names, rng)
        words = {NONE: "lost", ALL: "kept", 2: "each kept or lost"}
        return f"data {words.get(data, f'torn at {data}')}, names {words[names]}"

    def _write(self, folder: Folder, place: Path, data: int, names: int, rng: random.Random) -> None:
        place.mkdir()
        for name, what in folder.after_cut(names, rng).items():
            if isinstance(what, Folder):
                self._write(what, place / name, data, names, rng)
            elif name.endswith("-shm"):
                # written through memory and not seen: it is worth nothing after a cut, and may hold anything
                if rng.random() < 0.5:
                    (place / name).write_bytes(rng.randbytes(32768))
            elif what is not self._said:
                (place / name).write_bytes(what.after_cut(data, rng))
                (place / name).chmod(what.mode)

    def _place(self, path: str) -> Folder:
        return self._folder(Path(path).parent)

    def _folder(self, path: Path) -> Folder:
        found: File | Folder = self._top
        for part in path.relative_to(self._root).parts:
            assert isinstance(found, Folder)
            found = found.now[part]
        assert isinstance(found, Folder)
        return found


def cut_points(log: Sequence[Call], times: int, rng: random.Random) -> list[int]:
    """Numbers of calls before which the power goes: half anywhere, half beside a change of names or sizes."""
    delicate = [n + step for n, call in enumerate(log) if call.op not in "WS" for step in (0, 1)]
    anywhere = [rng.randint(1, len(log)) for _ in range(times - times // 2)]
    return sorted(anywhere + [rng.choice(delicate) for _ in range(times // 2)])
