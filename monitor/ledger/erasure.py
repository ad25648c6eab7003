"""`handwheel ledger erase`: takes a vendor's message or the body of an entry out of the record, and says so in it.

What a vendor writes may name persons. A message goes by its SHA-256, a body by its number; digest and chain stay, the
entry about the erasure names the rule by which it was done, and it is never erased itself. Only bodies that hold words
of vendors or of people can go. Counts of later reports lack an erased body, and the reports say so.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from drivers.errors import UserError
from monitor.sqlite_file import reading
from monitor.state import State
from monitor.words import _, clean

if TYPE_CHECKING:
    from monitor.ledger import Entry, Ledger
    from monitor.plant import Settings

SHORTEST = 12  # digits of a SHA-256 that are enough to name a kept message; reports and logs print 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel ledger erase`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--raw", action="append", metavar="SHA256", help="a vendor's message; 12 digits are enough")
    what.add_argument("--entry", action="append", type=int, metavar="N", help="the body of an entry (may be repeated)")
    parser.add_argument("--rule", required=True, metavar="WORDS", help="the retention rule or the reason; name nobody")
    parser.add_argument(
        "--although-held", action="store_true", help="also what an open work order or an open review still needs"
    )
    parser.add_argument("--yes", action="store_true", help="erase without asking you")


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """Show what would go, ask, erase it through the daemon or under the lock; 1 if the answer was no."""
    from monitor.ledger.through import allowed_role, through_daemon

    names = [_whole(state, name) for name in args.raw or ()]
    data = {"raw": names} if names else {"entries": args.entry}
    data |= {"rule": args.rule, "although_held": args.although_held}
    allowed_role("erase", settings)
    needed = _held(state, data, time.time_ns() // 1000)
    for line in _shown(state, names, args.entry or (), ZoneInfo(settings.time_zone)):
        print(line)
    if needed:
        print(_("held, an open work order or an open review still needs them: {names}").format(names=_named(needed)))
        _allow(needed, data)
    if not args.yes:
        if not sys.stdin.isatty():
            raise UserError("ledger erase: nobody can be asked here; add --yes. Nothing was erased")
        if input(_("It cannot be brought back. Type erase: ")).strip() != "erase":
            print(_("nothing was erased"))
            return 1

    def here(ledger: "Ledger", role: str) -> Mapping[str, Any]:
        return {"n": carry_out(ledger, state, data, at_us=time.time_ns() // 1000, role=role, via="command").n}

    print(_("erased; entry {n} tells of it").format(n=int(through_daemon(state, settings, "erase", data, here)["n"])))
    copies = [path for name in names for path in sorted(state.rejected.glob(f"*-{name[:16]}*"))]
    for path in copies:
        print(_("a copy lies in {path}; remove it there").format(path=clean(path)))
    print(_("reports made before keep what they quote; so does the list of alarms until the alarm ends"))
    return 0


def carry_out(
    ledger: "Ledger", state: State, data: Mapping[str, Any], *, at_us: int, role: str | None, via: str
) -> "Entry":
    """Erase messages (`raw`) and bodies (`entries`) under a `rule`; what was held stands in the entry.

    Raises UserError for what is not there or stays, and for what is held unless `although_held` is true.
    """
    needed = _held(state, data, at_us)
    _allow(needed, data)
    try:
        return ledger.erase(
            data.get("entries") or (), data["rule"], raw=data.get("raw") or (),
            orphans_before_us=data.get("orphans_before_us"), held=needed, at_us=at_us, role=role, via=via,
        )  # fmt: skip
    except ValueError as fault:
        raise UserError(f"{fault}; nothing was erased") from None


def _held(state: State, data: Mapping[str, Any], now_us: int) -> list[int | str]:
    """What of this an open work order or an open review still needs."""
    from monitor.ledger.retention import held

    if not state.ledger.is_file():
        return []
    numbers, names = held(state, now_us)
    return [
        *sorted(numbers.intersection(data.get("entries") or ())),
        *sorted(names.intersection(data.get("raw") or ())),
    ]


def _allow(needed: Sequence[int | str], data: Mapping[str, Any]) -> None:
    if needed and data.get("although_held") is not True:
        raise UserError(
            f"ledger erase: an open work order or an open review still needs {_named(needed)}; end it first, or add "
            "--although-held, which the entry will tell. Nothing was erased"
        )


def _named(needed: Sequence[int | str]) -> str:
    return ", ".join(str(one)[:16] for one in needed[:20])


def _whole(state: State, digits: str) -> str:
    """The SHA-256 of the one kept message that begins with these digits."""
    digits = digits.strip().lower()
    if len(digits) < SHORTEST or set(digits) - set("0123456789abcdef"):
        raise UserError(
            f"--raw {clean(digits, 70)}: give at least {SHORTEST} hexadecimal digits, as a report shows them"
        )
    found = []
    if state.bodies.is_file():
        with reading(state.bodies) as db:
            query = "SELECT sha256 FROM raw WHERE substr(sha256, 1, ?) = ? AND length(bytes) > 0"
            found = [str(name) for (name,) in db.execute(query, (len(digits), digits))]
    if len(found) != 1:
        raise UserError(f"--raw {digits[:64]}: {len(found)} kept messages begin so, one is needed; nothing was erased")
    return found[0]


def _shown(state: State, names: Sequence[str], numbers: Sequence[int], zone: ZoneInfo) -> list[str]:
    """What would go, one line each."""
    from monitor.ledger.command import line
    from monitor.ledger.reading import entries, raw_message

    lines = []
    for name in names:
        size = len(raw_message(state, name) or b"")
        naming = [str(one.n) for one in entries(state, ["vendor_alert"]) if one.data.get("raw_sha256") == name]
        words = _("message {name}: {size} bytes; named by entries {entries}, which stay")
        lines.append(words.format(name=name[:16], size=size, entries=", ".join(naming[:20]) or "-"))
    return lines + [line(one, zone) for one in entries(state) if one.n in numbers]
