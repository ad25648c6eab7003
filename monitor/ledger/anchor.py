"""Anchors: the head handed to a second party, so that a past written anew on this host shows elsewhere.

An anchor is a few lines of text that a person and a program can read, signed with the key that seals the ledger; it
holds no entry and names nobody. Handing it over is itself an entry (`anchor`), and names a party, never a person.
Nothing is sent by us: the text goes into a file, into a mail that somebody else sends, or onto paper as a QR code.
"""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import format_datetime
from pathlib import Path

from drivers.errors import UserError
from monitor.ledger.entry import Record, head_text
from monitor.ledger.reading import last
from monitor.ledger.seals import Key, fingerprint, is_signed, public_key
from monitor.state import State
from monitor.words import _, clean, parse_utc, utc_text

TITLE = "handwheel ledger anchor 1"
PARTIES = ("union", "works_council", "auditor", "notary", "authority", "municipality", "insurer", "other_utility")
_FIELDS = ("utility", "entries", "head", "hash", "at", "key", "public_key", "signature")
_LIMIT = 4_000  # bytes; an anchor has five hundred


@dataclass(frozen=True, slots=True)
class Anchor:
    """What was handed out: the whole hash of an entry, when, and by which key."""

    utility: str
    entries: int
    hash: bytes
    at_us: int
    public: bytes

    @property
    def head(self) -> str:
        """N:HEAD, as `verify --head` takes it."""
        return f"{self.entries}:{head_text(self.hash)}"


def anchor_text(key: Key, n: int, link: bytes, utility: str, at_us: int) -> str:
    """The signed text of the head (n, link); the signature is over all lines above it."""
    told = {
        "utility": clean(utility, 80), "entries": n, "head": f"{n}:{head_text(link)}", "hash": link.hex(),
        "at": utc_text(at_us), "key": key.fingerprint, "public_key": base64.b64encode(key.public).decode(),
    }  # fmt: skip
    lines = "".join(f"{line}\n" for line in (TITLE, *(f"{name:<11} {value}" for name, value in told.items())))
    return f"{lines}signature   {key.sign(lines.encode())}\n"


def parse_anchor(text: str) -> Anchor:
    """The anchor in a text, also inside a mail; UserError where it is none, or is not signed by the key it names."""
    start = text.replace("\r\n", "\n").find(TITLE)
    lines = text.replace("\r\n", "\n")[max(start, 0) :].split("\n")[: len(_FIELDS) + 1]
    told = {name: value.strip() for name, _space, value in (line.partition(" ") for line in lines[1:])}
    public = public_key(told.get("public_key"))
    if start < 0 or tuple(told) != _FIELDS or public is None:
        raise UserError("--anchor: this is no anchor of a ledger; it begins with the line: " + TITLE)
    signed = "".join(f"{line}\n" for line in lines[:-1]).encode()
    if not is_signed(public, signed, told["signature"]):
        raise UserError("--anchor: its signature is not of the key that it names: the text was changed, or is forged")
    try:
        anchor = Anchor(
            told["utility"], int(told["entries"]), bytes.fromhex(told["hash"]), parse_utc(told["at"]), public
        )
    except ValueError as fault:
        raise UserError(f"--anchor: {clean(fault, 80)}") from None
    if told["head"] != anchor.head or told["key"] != fingerprint(public):
        raise UserError("--anchor: head or key do not fit hash and public key: it is forged")
    return anchor


def read_anchor(path: Path) -> Anchor:
    """The anchor in a file. Raises UserError."""
    try:
        with path.open("rb") as file:
            return parse_anchor(file.read(_LIMIT).decode("utf-8", "replace"))
    except OSError as fault:
        raise UserError(f"--anchor {clean(path)}: cannot be read ({fault.strerror})") from fault


def mail_text(text: str, address: str, at_us: int) -> str:
    """A mail (RFC 5322) to paste, or to pipe into `sendmail -t`; who sends it, their own program says."""
    anchor = parse_anchor(text)
    mail = EmailMessage(policy=SMTPUTF8.clone(linesep="\n", cte_type="8bit"))
    try:
        mail["To"] = address
        mail["Subject"] = f"Ledger anchor {anchor.head}"
        mail["Date"] = format_datetime(datetime.fromtimestamp(at_us // 1_000_000, UTC))
    except (ValueError, IndexError) as fault:
        raise UserError(f"--mail {clean(address, 60)!r}: is no address ({clean(fault, 60)})") from None
    if not mail["To"].addresses or mail["To"].defects:
        raise UserError(f"--mail {clean(address, 60)!r}: is no address")
    words = _("Please keep this text. It proves what the ledger of {utility} held; it names nobody and holds no entry."
              "\nHow to check it later: docs/ledger.md")  # fmt: skip
    mail.set_content(f"{words.format(utility=anchor.utility)}\n\n{text}", cte="8bit")
    return mail.as_string()


def last_anchor(state: State) -> Record | None:
    """The entry of the last handing over (data: to, entries, head); None where the head was never handed out."""
    return last(state, "anchor")
