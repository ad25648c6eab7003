"""Anchors: the head handed to a second party, so that a past written anew on this host shows elsewhere.

An anchor is a few lines of text that a person and a program can read, signed with the key that seals the ledger; it
holds no entry and names nobody. Handing it over is itself an entry (`anchor`), and names a party, never a person.
Nothing is sent by us: the text goes into a file, into a mail that somebody else sends, or onto paper as a QR code.
"""

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import format_datetime, parseaddr
from pathlib import Path

from drivers.errors import UserError
from monitor.ledger.chain import Entry, Ledger
from monitor.ledger.entry import Record, head_text
from monitor.ledger.reading import last
from monitor.ledger.seals import Key, fingerprint, is_signed, public_key
from monitor.state import State
from monitor.words import _, clean, parse_utc, utc_text

TITLE = "handwheel ledger anchor 1"
PARTIES = ("union", "works_council", "auditor", "notary", "authority", "municipality", "insurer", "other_utility")
_FIELDS = ("utility", "head", "hash", "at", "key", "public_key", "signature")
_LIMIT = 200_000  # bytes; an anchor has four hundred, the mail around it may have many


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
        "utility": clean(utility, 60).strip(), "head": f"{n}:{head_text(link)}", "hash": link.hex(),
        "at": utc_text(at_us), "key": key.fingerprint, "public_key": base64.b64encode(key.public).decode(),
    }  # fmt: skip
    lines = "".join(f"{line}\n" for line in (TITLE, *(f"{name:<10} {value}" for name, value in told.items())))
    return f"{lines}signature  {key.sign(lines.encode())}\n"


def parse_anchor(text: str) -> Anchor:
    """The anchor in a text, also inside a mail; UserError where it is none, or is not signed by the key it names."""
    start = text.find(TITLE)
    lines = [line.rstrip() for line in text[max(start, 0) :].split("\n")[: len(_FIELDS) + 1]]
    told = {name: value.strip() for name, _space, value in (line.partition(" ") for line in lines[1:])}
    public = public_key(told.get("public_key"))
    if start < 0 or tuple(told) != _FIELDS or public is None:
        raise UserError("--anchor: this is no anchor of a ledger; it begins with the line: " + TITLE)
    signed = "".join(f"{line}\n" for line in lines[:-1]).encode()
    if not is_signed(public, signed, told["signature"]):
        raise UserError("--anchor: its signature is not of the key that it names: the text was changed, or is forged")
    try:
        n, link = int(told["head"].partition(":")[0]), bytes.fromhex(told["hash"])
        anchor = Anchor(told["utility"], n, link, parse_utc(told["at"]), public)
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
    mail["To"] = check_address(address)
    mail["Subject"] = f"Ledger anchor {anchor.head}"
    mail["Date"] = format_datetime(datetime.fromtimestamp(at_us // 1_000_000, UTC))
    words = _("Please keep this text. It proves what the ledger of {utility} held; it names nobody and holds no entry."
              "\nHow to check it later: docs/ledger.md")  # fmt: skip
    mail.set_content(f"{words.format(utility=anchor.utility)}\n\n{text}", cte="8bit")
    return mail.as_bytes().decode()


def check_address(text: str) -> str:
    """An address that a mail can go to. Raises UserError."""
    _name, address = parseaddr(text)
    if not re.fullmatch(r"[^\s@<>,;]+@[^\s@<>,;]+", address) or set(text) & set("\r\n,"):
        raise UserError(f"--mail {clean(text, 60)!r}: is no address of a mail")
    return text


def hand_over(
    ledger: Ledger, to: str, utility: str, *, at_us: int, role: str | None, via: str
) -> tuple[Entry, str]:  # fmt: skip
    """The signed text of the head as it is now, for the party `to`, and the entry that says so, which comes first.

    Raises UserError for a party that is none of PARTIES and where there is no key.
    """
    if to not in PARTIES:
        raise UserError(f"anchor: {clean(to, 40)!r} is no party; known: {', '.join(PARTIES)}")
    text = ledger.sign_head(lambda key, n, link: anchor_text(key, n, link, utility, at_us))
    n, head = ledger.head()
    return ledger.append("anchor", {"to": to, "entries": n, "head": head}, at_us=at_us, role=role, via=via), text


def last_anchor(state: State) -> Record | None:
    """The entry of the last handing over (data: to, entries, head); None where the head was never handed out."""
    return last(state, "anchor")
