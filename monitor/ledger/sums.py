"""`handwheel sign FILE`: the key that seals the ledger also signs a list of checksums: that of a USB stick.

Beside the list come its signature (Ed25519, 64 bytes) and the public key, so that anybody can look with openssl alone:

    openssl pkeyutl -verify -pubin -inkey ledger_key.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig

Nothing but such a list is signed: a seal or an anchor (monitor.ledger.seals, .anchor) begins otherwise, so no list can
pass for one.
"""

import argparse
import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.errors import UserError
from monitor.ledger.seals import at_hand, pem
from monitor.state import State, atomic_write, read_plain
from monitor.words import _, clean

if TYPE_CHECKING:
    from monitor.plant import Settings

_LIMIT = 20_000_000  # bytes
_LIST = re.compile(rb"([0-9a-f]{64}  [^\n]+\n)+")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel sign`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="checksums as sha256sum prints them")


def stands_alone(args: argparse.Namespace) -> bool:
    """A stick is also made where the configuration is gone."""
    return True


def command(args: argparse.Namespace, settings: "Settings | None", state: State) -> int:
    """Write FILE.sig and ledger_key.pem beside FILE. UserError without a key, and for what is no list of checksums."""
    try:
        raw = read_plain(args.file, _LIMIT)
    except OSError as fault:
        raise UserError(f"{clean(args.file)}: cannot be read ({fault.strerror})") from fault
    if not _LIST.fullmatch(raw):
        raise UserError(f"{clean(args.file)}: is no list of checksums as sha256sum prints it; nothing else is signed")
    key = at_hand(state)
    atomic_write(args.file.with_name("ledger_key.pem"), pem(key.public), mode=0o644)
    atomic_write(args.file.with_name(f"{args.file.name}.sig"), base64.b64decode(key.sign(raw)), mode=0o644)
    print(_("signed by key {mark}").format(mark=key.fingerprint))
    return 0
