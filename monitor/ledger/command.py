"""`handwheel ledger`: verify it, show it, erase from it."""

import argparse
import json
from typing import TYPE_CHECKING

from monitor.ledger import erasure
from monitor.ledger.entry import KINDS, Record
from monitor.ledger.reading import entries
from monitor.ledger.verifying import verify
from monitor.state import State
from monitor.words import _, clean, local_text, utc_text

if TYPE_CHECKING:
    from monitor.plant import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel ledger`."""
    verbs = parser.add_subparsers(dest="ledger_verb", required=True, metavar="verify | show | erase")
    check = verbs.add_parser("verify", help="check every entry; exit 1 if one was changed, cut or inserted")
    check.add_argument("--head", metavar="N:HEAD", help="the head as printed in the binder, to find a cut tail as well")
    show = verbs.add_parser("show", help="print the last entries")
    show.add_argument("--last", type=int, default=20, metavar="N", help="how many (default 20)")
    show.add_argument("--kind", action="append", choices=sorted(KINDS), help="only this kind (may be repeated)")
    show.add_argument("--json", action="store_true", help="one JSON object per line")
    erasure.add_arguments(
        verbs.add_parser("erase", help="take a vendor's message or a body out, under a rule; asks first")
    )


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """`handwheel ledger verify | show | erase`: 0 if all is well, 1 if the ledger does not verify or nobody agreed."""
    if args.ledger_verb == "erase":
        return erasure.command(args, settings, state)
    if args.ledger_verb == "verify":
        result = verify(state, args.head)
        word = _("OK") if result.ok else _("FAULT")
        print(f"{word}: {result.words}")
        return 0 if result.ok else 1
    shown = list(entries(state, args.kind))[-args.last :] if args.last > 0 else []
    for record in shown:
        print(_line_json(record) if args.json else line(record))
    return 0


def line(record: Record) -> str:
    """One entry as a terminal shows it."""
    where = "/".join(part for part in (record.site, record.asset, record.component) if part)
    data = json.dumps(record.data, ensure_ascii=False)
    at = "-" if record.erased else local_text(record.at_us)
    return f"{record.n:>6}  {at}  {record.kind:<13} {record.role or '-':<13} {clean(where, 40)}  {clean(data, 160)}"


def _line_json(record: Record) -> str:
    return json.dumps(
        {
            "n": record.n, "kind": record.kind, "at": None if record.erased else utc_text(record.at_us),
            "role": record.role, "via": record.via, "site": record.site, "asset": record.asset,
            "component": record.component, "data": record.data, "erased": record.erased,
        }
    )  # fmt: skip
