"""`handwheel export everything`: all that the utility has, in one folder that explains itself and needs no handwheel.

Only what is named here is taken, so no password, private key or log of accesses can slip in. The folder is made under a
temporary name and gets its own when it is whole. The daemon goes on meanwhile: history is linked or copied file by
file, the databases are copied in small steps out of one unchanging view.
"""

import argparse
import csv
import hashlib
import json
import os
import re
import secrets
import shutil
import sqlite3
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from drivers.errors import UserError
from monitor.historian.cold import Cold, cold_of
from monitor.historian.folding import write_newest
from monitor.historian.parquet import TIME
from monitor.historian.query import files_of
from monitor.historian.reader import HotReader, folded_upto
from monitor.historian.rollup import HOUR_S
from monitor.ledger import KINDS, verify
from monitor.plant import Settings
from monitor.progress import Work, on_terminal
from monitor.reports.sheet import guarded
from monitor.sqlite_file import reading
from monitor.state import TEXTS, State
from monitor.transfer import tables
from monitor.transfer.entries import Counted, write_csv, write_lines
from monitor.transfer.export import tell_ledger
from monitor.transfer.samples import in_place
from monitor.transfer.sheets import PLAIN
from monitor.transfer.values import BUCKETS, write_parquet
from monitor.words import _, clean, language, local_text, utc_text

MANIFEST = "MANIFEST.sha256"
_STEP_PAGES = 64  # of a database at once: a quarter of a megabyte
_BLOCK = 1 << 20
_TRIES = 5
_EVER_US = 2**62
_SECRET_KEYS = ("password_file", "private_key", "user_private_key")
_IN_A_URL = re.compile(rb"://[^/\s:@\"']+:[^/\s@\"']+@")
_TAKEN = {  # folder of STATE -> folder of the bundle
    "reports": "reports",
    "models": "models",
    "manual/journal": "journal",
    "periods": "periods",
    "probes": "probes",
}


def command(args: argparse.Namespace, settings: Settings, state: State) -> int:
    """Make the bundle; 0 when it is complete, 1 when something could not be read: the last lines name it."""
    target = Path(args.folder).absolute()
    if target.exists():
        raise UserError(f"{clean(target)}: is there already and was not changed; name a new folder")
    if not target.parent.is_dir():
        raise UserError(f"{clean(target.parent)}: there is no such folder; make it first")
    os.nice(10)  # polls and screens come first
    work = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    work.mkdir(mode=0o750)
    try:
        bundle = Bundle(settings, state, work, copy=args.copy)
        count = bundle.make()
        work.rename(target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    print(_("{folder}: {n} files, {size} MB; begin with README.txt").format(
        folder=clean(target), n=count, size=round(bundle.size / 1e6)))  # fmt: skip
    digest = hashlib.sha256((target / MANIFEST).read_bytes()).hexdigest()
    recorded = tell_ledger(settings, state, "everything", {MANIFEST: digest}, count, None)
    for fault in bundle.faults:
        print(f"NOT COMPLETE: {clean(fault, 300)}")
    return 1 if bundle.faults or not recorded else 0


class Bundle:
    """One folder that is being filled."""

    def __init__(self, settings: Settings, state: State, folder: Path, *, copy: bool = False) -> None:
        self.faults: list[str] = []
        self.size = 0  # [B]
        self._settings, self._state, self._folder, self._copy = settings, state, folder, copy
        self._cold = cold_of(state)
        self._at_us = time.time_ns() // 1000

    def make(self) -> int:
        """Fill it; returns the number of files."""
        self._history()
        self._tags()
        self._rollups()
        self._ledger()
        self._records()
        self._register()
        self._config()
        for source, name in _TAKEN.items():
            self._tree(self._state.root / source, name)
        self._json("SCHEMA.json", tables.schema())
        self._readme()
        return self._manifest()

    def _history(self) -> None:
        """Files that a fold replaces meanwhile are looked for again, so that no sample is missed or doubled."""
        hot = HotReader(self._state.hot)
        for _try in range(_TRIES):
            spill = self._new_folder("history_newest")
            hot_id = hot.meta().get("id", "")
            folded = (hot_id, folded_upto(self._state.history, hot_id))
            damaged = write_newest(self._state, folded[1], in_place(spill))
            names = [one.name for one in files_of(self._cold, None, 0, _EVER_US, folded)]
            with Work(_("history, files"), len(names), on_terminal()) as work:
                whole = all([self._take(name) for name in work.over(names)])
            if whole and folded_upto(self._state.history, hot_id) == folded[1]:
                break
        else:
            self.faults.append("history: was folded again and again meanwhile; make the bundle once more")
        self.faults += [f"hot frame {n}: its checksum does not agree" for n in damaged]
        wanted = {self._folder / "history" / name for name in names}
        for path in (self._folder / "history").rglob("*.parquet"):
            if path not in wanted:
                path.unlink()

    def _take(self, name: str) -> bool:
        """One file of history, linked where that can be; False where it is gone, because it became part of its day."""
        target = self._folder / "history" / name
        if target.exists():
            return True
        if self._cold.local and Path(self._cold.path(name)).is_symlink():
            self.faults.append(f"{self._cold.shown(name)}: is a link and was left out")
            return True
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if self._cold.local and not self._copy:
                try:
                    os.link(self._cold.path(name), target)
                except FileNotFoundError:
                    raise
                except OSError:  # another disk, or a file that is not ours
                    _stream(self._cold, name, target)
            else:
                _stream(self._cold, name, target)
        except FileNotFoundError:
            return False
        except OSError as fault:
            target.unlink(missing_ok=True)
            self.faults.append(f"{self._cold.shown(name)}: cannot be read ({fault.strerror or fault})")
        return True

    def _tags(self) -> None:
        rows = HotReader(self._state.hot).tags(retired=True).values()
        known = {(row.site, row.name): row for row in rows}
        sites = {asset.id: asset.site for asset in self._settings.assets}
        told = {key: [row.name, row.site, row.asset, row.quantity, row.unit, row.low, row.high, row.estimated,
                      row.description] for key, row in known.items()}  # fmt: skip
        for tag in self._settings.tags:
            site = sites[tag.asset]
            told.setdefault((site, tag.name), [tag.name, site, tag.asset, tag.quantity, tag.unit, tag.low, tag.high,
                                               int(tag.estimated), tag.description])  # fmt: skip
        self._table("tags.csv", tables.TAGS, (told[key] for key in sorted(told)))

    def _rollups(self) -> None:
        hot = HotReader(self._state.hot)
        named = hot.tags(retired=True)
        path = self._new_folder("rollups") / "hourly.parquet"

        def made() -> Iterator[pa.Table]:
            for number, rows in sorted(hot.rollups(HOUR_S, 0).items()):
                tag = named[number]
                columns = {
                    "site": [tag.site] * len(rows), "asset": [tag.asset] * len(rows), "tag": [tag.name] * len(rows),
                    "unit": [tag.unit] * len(rows),
                    "start": pa.array([row.t_s * 1000 for row in rows], pa.int64()).cast(TIME),
                    "span_s": [HOUR_S] * len(rows), "n": [row.n for row in rows], "good": [row.good for row in rows],
                    "share_good": [row.share_good for row in rows], "min": [row.min for row in rows],
                    "mean": [row.mean for row in rows], "max": [row.max for row in rows],
                    "last": [row.last for row in rows],
                }  # fmt: skip
                yield pa.table(
                    [pa.array(columns[name], kind) for name, (kind, _u, _w) in BUCKETS.items()], names=list(BUCKETS)
                )

        with path.open("wb") as out:
            write_parquet(out, made(), BUCKETS)

    def _ledger(self) -> None:
        """Chain first, then bodies: each body that the chain can name is then there. Verified as it was copied."""
        if not self._state.ledger.exists():
            return
        folder = self._new_folder("ledger")
        for _try in range(_TRIES):
            for path in (self._state.ledger, self._state.bodies):
                _backup(path, folder / path.name)
            found = verify(State(folder), copied=True, tell=on_terminal())
            if found.ok:
                break
        else:
            self.faults.append(f"ledger: {found.words}")
        with (folder / "chain.jsonl").open("w", encoding="utf-8") as out:
            for line in chain_lines(folder):
                out.write(line + "\n")
        messages = self._new_folder("messages")
        with reading(folder / "bodies.sqlite") as db:
            for name, raw in db.execute("SELECT sha256, bytes FROM raw WHERE length(bytes) > 0 ORDER BY sha256"):
                if re.fullmatch(r"[0-9a-f]{64}", str(name)):
                    (messages / name).write_bytes(raw)

    def _records(self) -> None:
        folder, zone = self._new_folder("records"), ZoneInfo(self._settings.time_zone)
        copied = State(self._folder / "ledger")
        for kind in KINDS:
            found = Counted(copied, (kind,), None)
            with (folder / f"{kind}.jsonl").open("wb") as out:
                write_lines(out, found)
            if not found.rows:
                (folder / f"{kind}.jsonl").unlink()
                continue
            with (folder / f"{kind}.csv").open("wb") as out:
                write_csv(out, found, PLAIN, zone)
        hot = HotReader(self._state.hot)
        now = {"alarms": hot.alarms(), "assessments": list(hot.assessments().values()), "verdicts": hot.verdicts()}
        for name, rows in now.items():
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")

    def _register(self) -> None:
        self._new_folder("register")
        rows = [asdict(answer) for answer in self._settings.answers]
        names = list(rows[0]) if rows else ["asset", "question", "value"]
        self._table("register/answers.csv", names, ([row[name] for name in names] for row in rows))

    def _config(self) -> None:
        root = self._settings.folder
        for path in configuration(root, self.faults):
            target = self._folder / "config" / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)

    def _tree(self, source: Path, name: str) -> None:
        """The plain files below a folder of STATE; no link is followed, the folder is none either."""
        root, part = self._state.root, source.relative_to(self._state.root)
        if any((root / one).is_symlink() for one in (part, *part.parents) if one.name):
            self.faults.append(f"{source}: is a link and was left out")
            return
        for path in sorted(source.rglob("*")) if source.is_dir() else ():
            if path.is_symlink() or not path.is_file() or path.name.startswith("."):
                continue
            target = self._folder / name / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(path, target)
            except OSError as fault:
                target.unlink(missing_ok=True)
                self.faults.append(f"{path}: cannot be read ({fault.strerror})")

    def _readme(self) -> None:
        text = (Path(__file__).parent / "readme" / f"{language()}.txt").read_text("utf-8")
        missing = "\n".join(f"  - {clean(fault, 300)}" for fault in self.faults) or "  -"
        told = text.format(
            utility=clean(self._settings.utility), at=local_text(self._at_us, ZoneInfo(self._settings.time_zone)),
            utc=utc_text(self._at_us), version=version("handwheel"), zone=self._settings.time_zone, missing=missing,
        )  # fmt: skip
        (self._folder / "README.txt").write_text(told, encoding="utf-8")

    def _manifest(self) -> int:
        """The digest of each file, in the form that sha256sum reads. Returns their number."""
        paths = sorted(path for path in self._folder.rglob("*") if path.is_file())
        lines = []
        with Work(_("checksums, files"), len(paths), on_terminal()) as work:
            for path in work.over(paths):
                with path.open("rb") as file:
                    lines.append(
                        f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.relative_to(self._folder)}\n"
                    )
                self.size += path.stat().st_size
        (self._folder / MANIFEST).write_text("".join(lines), encoding="utf-8")
        return len(paths) + 1

    def _json(self, name: str, told: Mapping[str, Any]) -> None:
        (self._folder / name).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def _table(self, name: str, head: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
        with (self._folder / name).open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\r\n")
            writer.writerow(head)
            for row in rows:
                cells = (json.dumps(one) if isinstance(one, dict | list) else one for one in row)
                writer.writerow(["" if one is None else guarded(one) for one in cells])

    def _new_folder(self, name: str) -> Path:
        folder = self._folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def configuration(root: Path, told: list[str]) -> list[Path]:
    """The files of a configuration that may be given away: none that holds a secret or that a secret's key names."""
    tomls = sorted(path for path in root.rglob("*.toml") if not path.is_symlink())
    named = {Path(one).name for path in tomls for one in _named_secrets(path)}
    texts = [path for folder in ("sheets", "procedures", "setpoints") for path in (root / folder).rglob(TEXTS)]
    taken = []
    for path in [*tomls, *sorted(root.rglob("*.csv")), *sorted(texts)]:
        if path.is_symlink() or not path.is_file() or path.name in named:
            continue
        raw = path.read_bytes()
        if b"PRIVATE KEY" in raw or _IN_A_URL.search(raw):
            told.append(f"{path}: holds a key or a password and was left out")
            continue
        taken.append(path)
    return taken


def _named_secrets(path: Path) -> Iterator[str]:
    def walk(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in _SECRET_KEYS and isinstance(inner, str):
                    yield inner
                yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    try:
        yield from walk(tomllib.loads(path.read_text("utf-8")))
    except (ValueError, RecursionError):
        return


def chain_lines(folder: Path) -> Iterator[str]:
    """The ledger that lies in `folder`, an entry per line, with all that is needed to verify it."""
    with reading(folder / "ledger.sqlite") as chain, reading(folder / "bodies.sqlite") as bodies:
        for n, digest, prev, link in chain.execute("SELECT n, digest, prev, hash FROM entry ORDER BY n"):
            salt, body = bodies.execute("SELECT salt, body FROM body WHERE n = ?", (n,)).fetchone() or (None, None)
            yield json.dumps(
                {
                    "n": n, "digest": bytes(digest).hex(), "prev": bytes(prev).hex(), "hash": bytes(link).hex(),
                    "salt": None if salt is None else bytes(salt).hex(),
                    "body": None if body is None else bytes(body).decode("utf-8", "replace"),
                },
                ensure_ascii=False,
            )  # fmt: skip


def _stream(cold: Cold, name: str, target: Path) -> None:
    with cold.files.open_input_stream(cold.path(name)) as source, target.open("wb") as out:
        while block := source.read(_BLOCK):
            out.write(block)


def _backup(path: Path, target: Path) -> None:
    """A copy by SQLite's own backup, in small steps, out of one unchanging view."""
    target.unlink(missing_ok=True)
    with reading(path) as source:
        copy = sqlite3.connect(target)
        try:
            source.backup(copy, pages=_STEP_PAGES)
            copy.execute("PRAGMA journal_mode=DELETE")
        finally:
            copy.close()
