"""`handwheel ledger`: verify it, show it, hand its head out, replace its key, erase from it."""

import argparse
import json
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from drivers.errors import UserError
from monitor.ledger import anchor, erasure, paper, retention
from monitor.ledger.chain import Ledger
from monitor.ledger.entry import KINDS, Record
from monitor.ledger.reading import entries, head, last
from monitor.ledger.seals import pem, public_key
from monitor.ledger.through import through_daemon
from monitor.ledger.verifying import verify
from monitor.progress import on_terminal
from monitor.state import State, atomic_write
from monitor.words import _, clean, local_text, utc_text

if TYPE_CHECKING:
    from monitor.plant import Settings


_ORIGIN = {"import", "line", "file_sha256"}  # where an entry that was brought in comes from
_ORIGIN_WORDS = "import {import}, line {line}, file {file_sha256:.12}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel ledger`."""
    verbs = parser.add_subparsers(
        dest="ledger_verb", required=True, metavar="verify | show | anchor | key | new-key | retention | erase"
    )
    check = verbs.add_parser("verify", help="check every entry and seal; exit 1 if one was changed, cut or inserted")
    check.add_argument("--head", metavar="N:HEAD", help="the head as printed in the binder, to find a cut tail as well")
    check.add_argument("--anchor", metavar="FILE", type=Path, help="an anchor that was handed out, or the mail with it")
    check.add_argument("--key", metavar="FINGERPRINT", help="the key's fingerprint as it was kept elsewhere")
    show = verbs.add_parser("show", help="print the last entries")
    show.add_argument("--last", type=int, default=20, metavar="N", help="how many (default 20)")
    show.add_argument("--kind", action="append", choices=sorted(KINDS), help="only this kind (may be repeated)")
    show.add_argument("--json", action="store_true", help="one JSON object per line")
    hand = verbs.add_parser("anchor", help="hand the head to a second party: file, mail text or QR code")
    hand.add_argument("--to", required=True, choices=anchor.PARTIES, help="which party gets it; never a person")
    way = hand.add_mutually_exclusive_group(required=True)
    way.add_argument("--file", type=Path, metavar="FILE", help="write it here")
    way.add_argument("--mail", metavar="ADDRESS", help="print a mail, to paste or to pipe into sendmail -t")
    way.add_argument("--qr", nargs="?", const="", metavar="FILE", help="a QR code: here, or into FILE.svg or FILE.pdf")
    verbs.add_parser("key", help="print the public key that seals the ledger, and its fingerprint")
    verbs.add_parser("new-key", help="seal with a new key from now on; the old one seals the entry about it")
    verbs.add_parser("retention", help="what would be erased, when and by which rule; erases nothing")
    erasure.add_arguments(
        verbs.add_parser("erase", help="take a vendor's message or a body out, under a rule; asks first")
    )


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """`handwheel ledger ...`: 0 if all is well, 1 if the ledger does not verify or nobody agreed."""
    verb = args.ledger_verb
    if verb == "erase":
        return erasure.command(args, settings, state)
    if verb == "verify":
        told = anchor.read_anchor(args.anchor) if args.anchor else None
        result = verify(state, args.head, anchor=told, key=args.key, tell=on_terminal())
        word = _("OK") if result.ok else _("FAULT")
        print(f"{word}: {result.words}")
        return 0 if result.ok else 1
    if verb == "retention":
        return retention.command(args, settings, state, time.time_ns() // 1000)
    if verb == "key":
        print(_key_text(state, ZoneInfo(settings.time_zone)))
    elif verb == "new-key":
        _new_key(settings, state)
    elif verb == "anchor":
        _hand_out(args, settings, state)
    else:
        newest = 0 if args.kind else max(head(state)[0] - args.last, 0)  # all before them need not be read
        for record in deque(entries(state, args.kind, after_n=newest), max(args.last, 0)):
            print(_line_json(record) if args.json else line(record, ZoneInfo(settings.time_zone)))
    return 0


def _key_text(state: State, zone: ZoneInfo) -> str:
    named = last(state, "key")
    public = public_key(named.data["public_key"]) if named else None
    if named is None or public is None:
        raise UserError("ledger key: none is named yet; the daemon makes one at its first start")
    at = _("named by entry {n}, {at}").format(n=named.n, at=local_text(named.at_us, zone))
    rows = ((_("fingerprint"), named.data["fingerprint"]), (_("public key"), named.data["public_key"]), ("", at))
    return "\n".join(f"{name:<14} {value}".strip() for name, value in rows) + f"\n{pem(public).rstrip()}"


def _new_key(settings: "Settings", state: State) -> None:
    def here(ledger: Ledger, role: str) -> Mapping[str, Any]:
        return {"fingerprint": ledger.replace_key(at_us=time.time_ns() // 1000, role=role)}

    told = through_daemon(state, settings, "new_key", {}, here)
    print(_("sealed from now on by key {key}; keep this fingerprint elsewhere").format(key=clean(told["fingerprint"])))


def _hand_out(args: argparse.Namespace, settings: "Settings", state: State) -> None:
    """First where it goes is looked at, then it is entered, then handed out."""
    if args.mail:
        anchor.check_address(args.mail)
    if args.qr and Path(args.qr).suffix not in (".svg", ".pdf"):
        raise UserError(f"--qr {clean(args.qr, 60)}: give a name that ends in .svg or .pdf, or none")

    def here(ledger: Ledger, role: str) -> Mapping[str, Any]:
        now_us = time.time_ns() // 1000
        entry, text = anchor.hand_over(ledger, args.to, settings.utility, at_us=now_us, role=role, via="command")
        return {"n": entry.n, "text": text}

    told = through_daemon(state, settings, "anchor", {"to": args.to}, here)
    text = str(told["text"])
    if args.mail:
        print(anchor.mail_text(text, args.mail, time.time_ns() // 1000), end="")
        return
    try:
        if args.file:
            atomic_write(args.file, text)
        elif args.qr:
            is_svg = Path(args.qr).suffix == ".svg"
            atomic_write(Path(args.qr), paper.qr_svg(text) if is_svg else paper.qr_pdf(text, time.time_ns() // 1000))
        else:
            print(paper.qr_text(text), text, sep="\n", end="")
    except OSError as fault:
        raise UserError(f"{args.file or args.qr}: cannot be written ({fault.strerror}); try again") from fault
    print(_("entry {n} says that {party} got it").format(n=int(told["n"]), party=args.to))


def line(record: Record, zone: ZoneInfo) -> str:
    """One entry as a terminal shows it, at the plant's local time."""
    where = "/".join(part for part in (record.site, record.asset, record.component) if part)
    told = {name: value for name, value in record.data.items() if name not in _ORIGIN or record.kind == "import"}
    data = json.dumps(told, ensure_ascii=False)
    at = "-" if record.erased else local_text(record.at_us, zone)
    origin = f"  ({_ORIGIN_WORDS.format(**record.data)})" if record.data.keys() >= _ORIGIN else ""
    by = f"{record.role or '-'}/{record.via or '-'}"
    return f"{record.n:>6}  {at}  {record.kind:<13} {by:<20} {clean(where, 40)}  {clean(data, 160)}{clean(origin, 80)}"


def _line_json(record: Record) -> str:
    return json.dumps(
        {
            "n": record.n, "kind": record.kind, "at": None if record.erased else utc_text(record.at_us),
            "role": record.role, "via": record.via, "site": record.site, "asset": record.asset,
            "component": record.component, "data": record.data, "erased": record.erased,
        }
    )  # fmt: skip
