"""`handwheel export check`: is a bundle whole? Each file against the manifest, the ledger against its own chain.

A bundle comes from elsewhere and is read as such: names that lead out of the folder are faults, nothing is followed.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from drivers.errors import UserError
from monitor.ledger import head_text, verify
from monitor.progress import Work, on_terminal
from monitor.state import State
from monitor.transfer.bundle import MANIFEST
from monitor.words import _, clean

_LINE = re.compile(r"([0-9a-f]{64})  (\S[^\0\r\n]*)")
_LINE_LIMIT = 1 << 24  # characters of one entry of the chain
_SHOWN = 20


def command(folder: str) -> int:
    """0 when the bundle is whole, 1 with a line for each fault."""
    root = Path(folder)
    if not (root / MANIFEST).is_file():
        raise UserError(f"{clean(root)}: has no {MANIFEST}; name the folder that `handwheel export everything` made")
    found = [*manifest_faults(root), *chain_faults(root)]
    for line in found[:_SHOWN]:
        print(clean(line, 300))
    if found:
        print(_("NOT WHOLE: {n} faults").format(n=len(found)))
        return 1
    print(_("whole: each file agrees with the manifest, each entry of the ledger follows from the one before it"))
    return 0


def manifest_faults(root: Path) -> Iterator[str]:
    """Files that are missing, changed, or not in the manifest."""
    named: set[str] = set()
    lines = (root / MANIFEST).read_text("utf-8", "replace").splitlines()
    with Work(_("checksums, files"), len(lines), on_terminal()) as work:
        for number, line in enumerate(work.over(lines), 1):
            told = _LINE.fullmatch(line)
            if told is None or Path(told[2]).is_absolute() or ".." in Path(told[2]).parts:
                yield f"{MANIFEST}, line {number}: not a checksum and a name in this folder"
                continue
            named.add(told[2])
            path = root / told[2]
            if path.is_symlink() or not path.is_file():
                yield f"{told[2]}: is missing"
                continue
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != told[1]:
                    yield f"{told[2]}: was changed"
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if not path.is_dir() and name not in named and name != MANIFEST:
            yield f"{name}: is not in the manifest"


def chain_faults(root: Path) -> Iterator[str]:
    """What is wrong with the ledger: in its lines, and in the files of the program."""
    lines, file = root / "ledger/chain.jsonl", root / "ledger/ledger.sqlite"
    if not lines.is_file():
        if file.exists():
            yield "ledger/chain.jsonl: is missing"
        return
    last, n, tell = "0" * 64, 0, on_terminal()
    with lines.open(encoding="utf-8", errors="replace") as told, Work(_("ledger, lines"), None, tell) as work:
        while line := told.readline(_LINE_LIMIT):
            n += 1
            work.add()
            fault = _fault_of(line, n, last)
            if fault:
                yield f"ledger/chain.jsonl, line {n}: {fault}"
                return
            last = json.loads(line)["hash"]
    if not file.is_file():
        yield "ledger/ledger.sqlite: is missing"
    else:
        head = f"{n}:{head_text(bytes.fromhex(last))}" if n else None
        result = verify(State(root / "ledger"), head, copied=True, tell=tell)
        if not result.ok:
            yield f"ledger: {result.words}"
        elif result.n != n:
            yield f"ledger/chain.jsonl: has {n} entries, ledger.sqlite {result.n}"


def _fault_of(line: str, n: int, last: str) -> str:
    try:
        told = json.loads(line)
        digest, prev, link = (bytes.fromhex(told[name]) for name in ("digest", "prev", "hash"))
        if told["n"] != n or prev.hex() != last:
            return "does not follow from the one before it"
        if hashlib.sha256(prev + digest).digest() != link:
            return "has another hash than its content makes"
        if (told["salt"] is None) != (told["body"] is None):
            return "has half a body"
        if told["body"] is not None and (
            hashlib.sha256(bytes.fromhex(told["salt"]) + told["body"].encode()).digest() != digest
        ):
            return "has a body that was changed"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "cannot be read"
    return ""
