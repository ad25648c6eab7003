"""The setpoint master list, form F10: what was approved, and beside it what was last seen.

It is the page that tells a tampered setpoint from a true one, so the approved values come from a file that a role has
signed and never from the plant; live values stand in a column of their own with their age, and a difference is marked.

    SETPOINTS   site R   Riverside
    APPROVED    shift_lead  2026-10-05

    -             start pump 1       = 1.60 m
    N-M01.level   held at the outlet = 4.50 bar +- 0.20   # a tag, or - where no live value can stand beside it
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from fallback_procedures.own_files import APPROVED, OfSite, lines_of, odd, signed
from fallback_procedures.paper import Content, sheet_page, table
from fallback_procedures.procedure import SITE_ID, Fault, decode
from fallback_procedures.sheet import Sheet
from fallback_procedures.view import doubt_text
from fallback_procedures.words import _, number_shown, role_text

_HEAD = re.compile(rf"SETPOINTS +site +({SITE_ID}) +(\S.*)")
_ROW = re.compile(r"(-|[\w.:/-]{1,80})  +(\S.*?) += +(\S.*?)")
_QUANTITY = re.compile(
    r"(-?[0-9]{1,9}(?:\.[0-9]{1,6})?)(?: +([^\s+]\S{0,11}))?(?: +\+- +([0-9]{1,9}(?:\.[0-9]{1,6})?))?"
)
_LIVE = re.compile(r"(-?[0-9]{1,15}(?:\.[0-9]{1,9})?)(?: +(\S+))?")


@dataclass(frozen=True)
class Row:
    """One approved value. `tag` is "" where no live value can be compared; `value` a number or a word (open, AUTO)."""

    tag: str
    what: str
    value: str
    unit: str = ""
    tolerance: str = "0"

    @property
    def shown(self) -> str:
        said = f"{number_shown(self.value)} {self.unit}".strip()
        return said if self.tolerance == "0" else f"{said} +- {number_shown(self.tolerance)}"


@dataclass(frozen=True)
class Master(OfSite):
    """The approved values of one site. One with faults, in doubt, or that nobody approved, is NOT A MASTER."""

    rows: tuple[Row, ...] = ()

    @property
    def approved(self) -> bool:
        return bool(self.approved_by) and not self.faults and not self.doubt

    @property
    def sha256(self) -> str:
        """Of all that was approved, and of nothing that is live. [hex]"""
        lines = [f"{self.site} {self.approved_by} {self.approved_on} {bool(self.faults)}{self.doubt}"]
        lines += ["\t".join((row.tag, row.what, row.value, row.unit, row.tolerance)) for row in self.rows]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_master(source: str | bytes) -> Master:
    """The list in `source` with the faults found; a line at fault gives no row, and the list is no master.

    >>> read_master("SETPOINTS site R  Riverside\\n-  start of pump 1 = 1.60 m").rows[0].shown
    '1.60 m'
    """
    if isinstance(source, bytes):
        text, faults = decode(source)
        if text is None:
            return Master(faults=faults)
        source = text
    site = name = role = day = ""
    rows: dict[str, Row] = {}
    wrong: list[Fault] = []
    for number, line in lines_of(source):
        head, approved, found = _HEAD.fullmatch(line), APPROVED.fullmatch(line), _ROW.fullmatch(line)
        row = _row(*found.groups()) if found else None
        why = odd(line)
        if head and not site and not why:
            site, name = head.group(1), " ".join(head.group(2).split())
        elif approved and not role and not why:
            why = signed(*approved.groups())
            role, day = ("", "") if why else approved.groups()
        elif row and not why:
            if row.what.casefold() in rows:
                why = f"{row.what} stands twice"
            elif re.match(r"-?[0-9]+,[0-9]", row.value):
                why = f"{row.what}: write the number with a decimal point, as 1.60 m"
            rows.setdefault(row.what.casefold(), row)
        elif not why:
            why = 'a list has SETPOINTS, APPROVED and lines "tag  what = value unit  # note"'
        if why:
            wrong.append(Fault(number, why))
    if not site:
        wrong.append(Fault(1, "the first line must say: SETPOINTS  site ID  name"))
    return Master(site, name, role, day, tuple(sorted(wrong)), rows=tuple(rows.values()))


def _row(tag: str, what: str, value: str) -> Row:
    quantity = _QUANTITY.fullmatch(value)
    tag, what = "" if tag == "-" else tag, " ".join(what.split())
    if quantity:
        return Row(tag, what, quantity.group(1), quantity.group(2) or "", quantity.group(3) or "0")
    return Row(tag, what, " ".join(value.split()))


@dataclass(frozen=True)
class Compared:
    """A row beside its live value; `differs` None: it cannot be told (no tag, no good value, another unit)."""

    tag: str
    what: str
    approved: str
    live: str
    age: str
    differs: bool | None


def compared(master: Master, known: Iterable[tuple[str, str, str, str]]) -> list[Compared]:
    """Each approved value with the last known value of its tag, as triggers.last_known gives them."""
    live = {tag: (value, quality, age) for tag, value, quality, age in known}
    told = []
    for row in master.rows:
        value, quality, age = live.get(row.tag, ("", "", ""))
        seen = value if quality.split()[:1] in ([], ["good"]) else f"{value} ({quality})"
        told.append(Compared(row.tag, row.what, row.shown, seen, age, _differs(row, value, quality)))
    return told


def _differs(row: Row, value: str, quality: str) -> bool | None:
    if not row.tag or not value or quality.split()[:1] != ["good"]:
        return None
    number = _LIVE.fullmatch(value)
    if not _QUANTITY.fullmatch(row.value):
        return value.casefold() != row.value.casefold()
    if not number or (number.group(2) or "") != row.unit:
        return None
    return abs(Decimal(number.group(1)) - Decimal(row.value)) > Decimal(row.tolerance)


def master_page(
    master: Master,
    known: Iterable[tuple[str, str, str, str]],
    sheet: Sheet,
    printed_s: float,
    simulated: bool = False,
    ledger: str = "",
) -> Content:
    """Form F10 filled: approved, live, age, difference, and room for what a person finds at the panel."""
    rows = []
    for one in compared(master, known):
        mark = {True: _("DIFFERS"), False: _("agrees"), None: ""}[one.differs]
        live = f"{number_shown(one.live)} {mark}".strip()
        rows.append([one.what, one.approved, live, one.age, "", ""])
    stamps = [] if master.approved else [{"kind": "stop", "text": _("NOT A MASTER")}]
    warnings = [doubt_text(master)] if master.doubt else [] if master.approved_by else [
        _("nobody has approved these values")]  # fmt: skip
    warnings += [_("line {n}: {text}").format(n=fault.line, text=fault.text) for fault in master.faults[:8]]
    approval = (
        _("approved by {role} on {date}").format(role=role_text(master.approved_by), date=master.approved_on)
        if master.approved
        else _("NOT A MASTER")
    )
    head = [_("Setpoint"), _("Approved"), _("Last seen, not live"), _("Age"), _("Found at the panel"), _("Same Y/N")]
    code = f"HW:F10:r1:{master.approved_on or '0000-00-00'}:{master.sha256[:8]}"
    return sheet_page(
        "F10", _("Setpoint master list"), sheet, printed_s, master.sha256, code, simulated, ledger,
        [table(head, rows, [28, 22, 20, 15, 18, 9], airy=True)],
        draft=approval, revision=master.approved_on, state=_("approved") if master.approved else _("NOT A MASTER"),
        stamps=stamps, warnings=warnings, across="" if master.approved else _("NOT A MASTER"),
        facts=[[_("Use"), _("The approved value holds. A value that differs is called to the shift lead before a hand "
                            "touches it; nothing is set from the column of last seen values.")]],
        sign=[_("compared by (role, initials)"), _("second person (role, initials)"), _("reviewed by shift lead"),
              _("deviations")],
    )  # fmt: skip
