"""A vendor's reply comes back as CSV: hostile until shown, taken as a whole or not at all.

Each fault is named with its line. Nothing of the file is run, kept or rendered as it is: the reference of an entry, its
work order and one reason per row are all that is read.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.errors import UserError
from monitor.command_socket import LINE_LIMIT
from monitor.reports.sheet import guarded
from monitor.review.belonging import of_vendor, references
from monitor.review.contests import ANSWER_DAYS, DAY_US, Contested, pack_made
from monitor.state import State
from monitor.words import _, clean, local_text

if TYPE_CHECKING:
    import pandas as pd

SIZE_LIMIT = 1_000_000  # bytes of the file
REASON_LIMIT = 300  # characters
NEEDED = ("reference", "wo_id", "contest", "reason")
YES, WITHDRAW = "yes", "withdraw"
_HEADROOM = 2_000  # bytes of a message beside its data


@dataclass(frozen=True, slots=True)
class Known:
    """A finding that the vendor may speak of."""

    n: int  # its entry
    wo_id: str
    grade: str
    asset: str
    component: str
    party: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a file says: findings as the ledger takes them, or faults with their lines."""

    rows: tuple[Mapping[str, Any], ...]
    faults: tuple[str, ...]
    sha256: str


def known_findings(
    state: State, recorded: Mapping[str, "pd.DataFrame"], assets: set[str], vendor: str
) -> dict[str, Known]:
    """The findings on this vendor's assets, but for those on jobs that another's alert asked for, by reference."""
    mine = of_vendor(recorded, assets, vendor)["finding"]
    of = references(state, {int(n) for n in mine["n"]})
    return {
        of[int(one["n"])]: Known(
            int(one["n"]), str(one["wo_id"]), str(one["grade"]), str(one["asset"]), str(one["component"] or ""),
            str(one["inspector_party"]),
        )
        for one in mine.to_dict("records")
    }  # fmt: skip


def read_file(path: Path) -> bytes:
    """The bytes of a reply. Raises UserError where it is none that can be read, or too large."""
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
    except OSError as fault:
        raise UserError(f"review contest: {clean(path)}: cannot be read ({fault.strerror})") from fault
    if len(content) > SIZE_LIMIT:
        words = f"is larger than {SIZE_LIMIT} bytes; a reply is the contest.csv of the pack, filled in"
        raise UserError(f"review contest: {clean(path)}: {words}")
    return content


def read_reply(content: bytes, known: Mapping[str, Known], standing: Contested) -> Reply:
    """Judge a reply against the findings of the ledger and what stands contested already."""
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        return Reply((), (_("line {line}: is not UTF-8; save it as CSV UTF-8").format(line=line),), sha256)
    rows: list[Mapping[str, Any]] = []
    faults: list[str] = []
    seen: dict[int, int] = {}
    try:
        for line, cells in _lines(text):
            told, wrong = _judged(cells, known, standing, seen, line)
            if wrong:
                faults.append(_("line {line}: {fault}").format(line=line, fault=wrong))
            elif told:
                rows.append(told)
    except (csv.Error, UserError) as broken:
        faults.append(clean(broken, 200))
    if not rows and not faults:
        faults.append(_("no row has yes or withdraw in the column contest"))
    return Reply(() if faults else tuple(rows), tuple(faults), sha256)


def _lines(text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Each row as column -> cell, with the line in which it begins. Raises UserError, csv.Error."""
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ",",
                        strict=True)  # fmt: skip
    head = [clean(name, 40).casefold() for name in next(reader, [])]
    if len(set(head)) < len(head) or not set(NEEDED) <= set(head):
        raise UserError(_("line 1: the columns {names} are expected, each once").format(names=", ".join(NEEDED)))
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as fault:
            raise UserError(_("line {line}: {fault}").format(line=line, fault=clean(fault, 100))) from fault
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(head):
            words = _("line {line}: has {n} cells, the first line {m}")
            raise UserError(words.format(line=line, n=len(cells), m=len(head)))
        yield line, dict(zip(head, (_unguarded(cell.strip()) for cell in cells), strict=True))


def _unguarded(cell: str) -> str:
    """A cell as it was before our own sheet put an apostrophe before it."""
    return cell[1:] if cell.startswith("'") and guarded(cell[1:]) == cell else cell


def _judged(
    cells: Mapping[str, str], known: Mapping[str, Known], standing: Contested, seen: dict[int, int], line: int
) -> tuple[Mapping[str, Any] | None, str]:
    """(what the ledger takes, what is wrong with the row); both empty where nothing is contested."""
    choice, reason = cells["contest"].casefold(), cells["reason"]
    if choice not in ("", YES, WITHDRAW):
        return None, _("contest: {word} is neither yes nor withdraw").format(word=repr(clean(choice, 20)))
    if not choice:
        return None, _("reason: is given, but the column contest is empty") if reason else ""
    told = clean(cells["reference"].casefold(), 20)
    one = known.get(told)
    if one is None:
        return None, _("reference: {word} is that of no finding on an alert of this vendor").format(word=repr(told))
    if one.n in seen:
        return None, _("reference: {word} stands in line {other} already").format(word=told, other=seen[one.n])
    seen[one.n] = line
    if cells["wo_id"] not in (one.wo_id, clean(one.wo_id, 60)):
        wrong = clean(cells["wo_id"], 40)
        return None, _("wo_id: {word} is not that of {reference}").format(word=repr(wrong), reference=told)
    if cells.get("grade", "") not in ("", one.grade):
        return None, _("grade: {reference} has grade {grade}; give your reason, not another grade").format(
            reference=told, grade=one.grade
        )
    if choice == WITHDRAW:
        if one.n not in standing.reasons:
            return None, _("reference: {word} is not contested, so nothing can be withdrawn").format(word=told)
        return {"n": one.n, "wo_id": one.wo_id, "reason": clean(reason, REASON_LIMIT), "withdrawn": True}, ""
    if one.party == "vendor":
        return None, _("reference: {word} was written by the vendor and does not count").format(word=told)
    if one.grade in ("D", "E"):
        return None, _("reference: {word} counts as confirmed already").format(word=told)
    if not clean(reason, REASON_LIMIT):
        return None, _("reason: is missing; write it in words")
    if len(reason) > REASON_LIMIT:
        return None, _("reason: a text of {n} characters at most is expected").format(n=REASON_LIMIT)
    if guarded(reason) != reason:
        return None, _("reason: begins like a formula; begin it with a word")
    return {"n": one.n, "wo_id": one.wo_id, "reason": clean(reason, REASON_LIMIT)}, ""


def entry_of(state: State, vendor: str, name: str, reply: Reply, now_us: int) -> dict[str, Any]:
    """The data of a contest entry. Raises UserError where it is more than one message holds."""
    pack = pack_made(state, vendor)
    data = {
        "vendor": vendor, "file": clean(name, 120), "findings": [dict(row) for row in reply.rows],
        "sha256": reply.sha256,
        "late": pack is not None and now_us > pack.at_us + ANSWER_DAYS * DAY_US,
    }  # fmt: skip
    if len(json.dumps(data)) > LINE_LIMIT - _HEADROOM:
        raise UserError(
            f"review contest: {clean(name, 60)}: {len(reply.rows)} contested findings are more than one entry holds; "
            "split the file, one reply adds to the other. Nothing was entered"
        )
    return data


def shown(state: State, vendor: str, reply: Reply, known: Mapping[str, Known], late: bool) -> list[str]:
    """What the reply says, for a person to check before it is entered."""
    lines, by_n = [], {one.n: one for one in known.values()}
    for row in reply.rows:
        one = by_n[int(row["n"])]
        verb = _("withdrawn") if row.get("withdrawn") else _("contested")
        lines.append(
            _("{verb}: entry {n}, {wo_id}, {asset} {component}, grade {grade}: {reason}").format(
                verb=verb, n=row["n"], wo_id=clean(one.wo_id, 40), asset=clean(one.asset, 24),
                component=clean(one.component, 24), grade=one.grade, reason=row["reason"] or "-",
            )
        )  # fmt: skip
    pack = pack_made(state, vendor)
    if pack is None:
        words = _("no reply pack for {vendor} is in the ledger: nobody can tell whether this is in time")
        return [*lines, words.format(vendor=clean(vendor, 40))]
    words = _("in time: the pack was made on {at}, with {days} days to answer")
    if late:
        words = _("LATE: the pack was made on {at}, the {days} days are over; it is taken and marked")
    return [*lines, words.format(at=local_text(pack.at_us), days=ANSWER_DAYS)]
