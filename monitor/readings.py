"""`handwheel reading add`: what a person read from a gauge, entered afterwards, with its three times.

A reading has the time at which it was taken (occurred_at, to the minute), the one at which it was written down
(recorded_at), and the one at which it was entered here. It becomes an entry of the ledger and a sample with the reason
manual at the time it was taken. There it stands beside what was measured: it replaces nothing, is the
latest value of no tag, and no model is fed with it. A role enters it; who read the gauge is asked for nowhere.

The right is `acknowledge`: whoever may answer for the alarms of a watch writes the round of that watch.
"""

import argparse
import csv
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from drivers.batch import batch_of
from drivers.errors import UserError
from drivers.record import Reason, Register, Sample, Tag
from monitor.ledger import Draft, Entry, Ledger, entries
from monitor.ledger.through import storing, through_daemon
from monitor.state import State
from monitor.transfer.times import utc_us
from monitor.words import _, clean, local_text, utc_text

if TYPE_CHECKING:
    from monitor.historian.hot import HotFile
    from monitor.plant import Settings

COLUMNS = ("tag", "value", "occurred_at")
AT_ONCE = 200  # readings of one page
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,9})?")
_POWER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,9})?[eE][+-]?[0-9]{1,2}")
_GERMAN = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})(?:[ T,]+([0-9]{1,2}):([0-9]{2})(?::[0-9]{2})?)?")
_PAGE_BYTES = 1_000_000
_YEAR_US = 366 * 86_400_000_000
_AHEAD_US = 60_000_000  # clocks of two machines differ
Made = Sequence[tuple[Draft, Sample]]


def began_us(hot: Path) -> int | None:
    """When the plant's first sample was taken, as far as the hot file knows (UTC [us])."""
    from monitor.historian.reader import HotReader

    reader = HotReader(hot)
    found = [first_s * 1_000_000 for first_s, _last_s in reader.rollup_extent().values()]
    oldest_ms = reader.oldest_ms(0)
    return min([*found, *([] if oldest_ms is None else [oldest_ms * 1000])], default=None)


def made_of(rows: object, role: str, via: str, now_us: int, settings: "Settings", plant_us: int | None = None) -> Made:
    """The entry and the sample of each reading of a page, all or none; a fault names its line and field.

    A row has tag, value (a number, with the tag's unit or without), occurred_at, and maybe recorded_at and force. A
    value outside the limits of the tag is refused, with `force` it is kept as bad; so is a time more than a year before
    the plant's first sample (`plant_us`, None: now), with `force` it is taken. A state takes its own values alone.
    """
    if not isinstance(rows, list) or not 0 < len(rows) <= AT_ONCE:
        raise UserError(_("reading: a page of 1 to {n} readings is expected").format(n=AT_ONCE))
    oldest_us = min(now_us if plant_us is None else plant_us, now_us) - _YEAR_US
    return [
        _one(_Line(number, row, settings), role, via, now_us, oldest_us, settings) for number, row in enumerate(rows, 1)
    ]


class _Line:
    """One row of a page; every fault names it."""

    def __init__(self, number: int, row: object, settings: "Settings") -> None:
        self._zone = ZoneInfo(settings.time_zone)
        self._row: Mapping[str, Any] = row if isinstance(row, dict) else {}
        named = self._row.get("line")  # of the file that it stands in
        self._number = named if type(named) is int and 0 < named < _PAGE_BYTES else number

    def fault(self, field: str, what: str) -> UserError:
        return UserError(
            _("reading: line {n}: {field}: {what}").format(n=self._number, field=field, what=clean(what, 240))
        )

    def text(self, field: str) -> str:
        value = self._row.get(field)
        return value.strip() if isinstance(value, str) and len(value) <= 100 else ""

    def flag(self, field: str) -> bool:
        return self._row.get(field) is True

    def time_us(self, field: str) -> int | None:
        """UTC [us]; what names no zone is the plant's local time, and must be one moment."""
        text = self.text(field)
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise self.fault(field, _no_time(text)) from None
        try:
            return utc_us(moment, self._zone)
        except (ValueError, OverflowError) as fault:
            raise self.fault(field, f"{text} {fault}") from None


def _no_time(text: str) -> str:
    """What to write instead of a time in another form."""
    if found := _GERMAN.fullmatch(text):
        day, month, year, hour, minute = found.groups()
        with suppress(ValueError):
            moment = datetime(int(year), int(month), int(day), int(hour or 7), int(minute or 5))  # noqa: DTZ001
            words = _("{text} is no time here; write {time}").format(text=text, time=f"{moment:%Y-%m-%dT%H:%M}")
            return words if hour else words + _(", with the time of day")
    return _("{text} is no time; write it like 2026-11-30T07:05").format(text=text)


def _no_number(text: str) -> str:
    """What to write instead of a number in another form."""
    words = _("{value} is not a number; ").format(value=repr(text))
    number = text.split(" ", maxsplit=1)[0].replace(",", ".")
    if not text or text.lower() in ("nan", "-", "inf", "-inf"):
        return words + _("where nothing could be read, leave the line out")
    if _POWER.fullmatch(number):
        return words + _("write it out: {value}").format(value=f"{Decimal(number):f}")
    return words + _("write a point for the decimals, and no mark for thousands")


def states_of(tag: Tag) -> Mapping[float, str] | None:
    """The values that a state or flag has, with their labels; None for what is measured in numbers."""
    if tag.bits:
        return None
    if tag.labels:
        return {float(code): label for code, label in tag.labels}
    single = isinstance(tag.where, Register) and (tag.where.kind == "bit" or tag.where.bit is not None)
    return {0.0: "", 1.0: ""} if single or tag.quantity in ("running", "selector", "vendor_flag") else None


def limits_text(tag: Tag) -> str:
    """The limits of a tag, for people."""
    low, high = ("-" if one is None else f"{one:g}" for one in (tag.low, tag.high))
    return _("{low} to {high} {unit}").format(low=low, high=high, unit=tag.unit)


def _one(line: _Line, role: str, via: str, now_us: int, oldest_us: int, settings: "Settings") -> tuple[Draft, Sample]:
    name = line.text("tag")
    tag = next((tag for tag in settings.tags if tag.name == name), None)
    if tag is None:
        raise line.fault("tag", _("{tag} is not configured; see handwheel check").format(tag=repr(name)))
    occurred_us = line.time_us("occurred_at")
    if occurred_us is None:
        raise line.fault("occurred_at", _("is missing; write when it was read, for example 2026-11-30T07:05"))
    recorded_us = line.time_us("recorded_at") or occurred_us
    if occurred_us > now_us + _AHEAD_US:
        raise line.fault("occurred_at", _("lies in the future; look at the time, or at the clock"))
    if not occurred_us <= recorded_us <= now_us + _AHEAD_US:
        raise line.fault("occurred_at", _("a reading is taken, then written down, then entered: look at the times"))
    early = occurred_us < oldest_us
    if early and not line.flag("force"):
        what = _("is more than a year before the plant's first sample; look at the year, or take it with --force")
        raise line.fault("occurred_at", what)
    number, _space, unit = line.text("value").partition(" ")
    if not _NUMBER.fullmatch(number):
        raise line.fault("value", _no_number(line.text("value")))
    if unit.strip() not in ("", tag.unit):
        raise line.fault("value", _("is in {unit}, the tag is in {own}").format(unit=unit.strip(), own=tag.unit))
    value = float(number)
    states = states_of(tag)
    if states is not None and value not in states:
        has = ", ".join(f"{code:g} ({label})" if label else f"{code:g}" for code, label in states.items())
        what = _("{value} is no state of {tag}; it has {states}").format(value=number, tag=tag.name, states=has)
        raise line.fault("value", what)
    inside = tag.holds(value)
    if not inside and not line.flag("force"):
        what = _("{value} is outside {limits}; read again, or keep it as bad with --force")
        raise line.fault("value", what.format(value=number, limits=limits_text(tag)))
    site = next((one.site for one in settings.assets if one.id == tag.asset), None)
    data = {
        "tag": tag.name, "value": f"{number} {tag.unit}", "occurred_at": utc_text(occurred_us),
        "recorded_at": utc_text(recorded_us), "outside_limits": not inside,
        **({"long_before_plant": True} if early else {}),
    }  # fmt: skip
    reasons = Reason.MANUAL | (Reason.OK if inside else Reason.OUT_OF_RANGE)
    words = f"read by a person, recorded {utc_text(recorded_us)}, entered {utc_text(now_us)}"
    return Draft("reading", data, now_us, via, role, site, tag.asset), Sample(
        tag.number, occurred_us, value, reasons, None, words
    )


def record(state: State, ledger: Ledger, hot: "HotFile", made: Made, now_us: int) -> list[Entry]:
    """Enter the readings and store their samples. Raises UserError where one of them is entered already."""
    known = {_identity(one.data): one.n for one in entries(state, ("reading",))}
    for draft, _sample in made:
        if (n := known.get(_identity(draft.data))) is not None:
            words = _("reading: {tag} at {time}: is entered already, as entry {n}; nothing was entered")
            raise UserError(words.format(tag=draft.data["tag"], time=draft.data["occurred_at"], n=n))
    entered = ledger.append_many([draft for draft, _sample in made])
    by_time: dict[int, list[Sample]] = {}
    for _draft, sample in made:
        by_time.setdefault(sample.receive_us, []).append(sample)
    batches = [batch_of("reading", receive_us, rows) for receive_us, rows in by_time.items()]
    then = _("entries {first} to {last} are made and hold the readings; their samples are not in history").format(
        first=entered[0].n, last=entered[-1].n
    )
    with storing("reading", state.hot, then):
        hot.append(batches, now_us // 1000)
    return entered


def _identity(data: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(data[name]) for name in COLUMNS)


def add_arguments(parser: argparse.ArgumentParser) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    """Options of `handwheel reading add`; returns the verbs, for those that stand elsewhere."""
    verbs = parser.add_subparsers(dest="reading_verb", required=True, metavar="add | substitute")
    add = verbs.add_parser(
        "add",
        help="enter what was read from gauges while nothing was measured",
        description=(
            "Enter readings: into the ledger, and beside the measured samples, uncertain, with the reason manual."
            " Nothing measured is replaced. A time without a zone is the plant's local time; one in the"
            " hour that comes twice in October is refused with the two ways to write it. A value outside the limits of"
            " its tag is refused; with --force it is kept as bad. A page is taken as a whole or not at all."
        ),
    )
    add.usage = (
        "handwheel reading add TAG VALUE --at TIME [--recorded TIME] [--force]\n"
        "       handwheel reading add --file FILE.csv [--force]"
    )
    add.add_argument("tag", nargs="?", help="for example N-P01.flow")
    add.add_argument("value", nargs="?", help="a number in the tag's unit; its unit may stand behind it, in quotes")
    add.add_argument("--at", metavar="TIME", help="needed with TAG VALUE: when it was read, 2026-11-30T07:05")
    add.add_argument("--recorded", metavar="TIME", help="when it was written down (default: when it was read)")
    add.add_argument("--file", type=Path, metavar="FILE.csv", help="a page: tag, value, occurred_at, maybe recorded_at")
    add.add_argument("--force", action="store_true", help="keep values outside limits, as bad; take old times")
    return verbs


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """`handwheel reading add`: 0 when all of it was entered."""
    if args.file is not None:
        if args.tag is not None or args.at is not None or args.recorded is not None:
            raise UserError("reading add: give either --file, or TAG VALUE --at TIME")
        rows = _page(args.file, force=args.force)
    elif args.tag is None or args.value is None or args.at is None:
        tag, value = clean(args.tag or "N-P01.flow", 60), clean(args.value or "98.7", 40)
        raise UserError(
            f"reading add: tag, value and time are needed: handwheel reading add {tag} {value} --at 2026-11-30T07:05; "
            "or a page: handwheel reading add --file FILE.csv"
        )
    else:
        one = {"tag": args.tag, "value": args.value, "occurred_at": args.at, "recorded_at": args.recorded}
        rows = [one | {"force": args.force}]
    now_us = time.time_ns() // 1000
    plant_us = began_us(state.hot)
    shown = made_of(rows, "", "", now_us, settings, plant_us)  # what is wrong is said before anybody is asked

    def here(ledger: Ledger, role: str) -> Mapping[str, Any]:
        from monitor.historian.hot import HotFile

        hot = HotFile(state.hot)
        try:
            hot.publish_tags(settings)
            made = record(state, ledger, hot, made_of(rows, role, "command", now_us, settings, plant_us), now_us)
        finally:
            hot.close()
        return {"n": made[-1].n, "head": made[-1].head}

    told = through_daemon(state, settings, "reading", {"rows": rows}, here)
    zone = ZoneInfo(settings.time_zone)
    tags = {tag.name: tag for tag in settings.tags}
    for draft, sample in shown:
        told_too = ""
        if draft.data["outside_limits"]:
            told_too += _("  kept as bad: outside {limits}").format(limits=limits_text(tags[draft.data["tag"]]))
        if draft.data.get("long_before_plant"):
            told_too += _("  more than a year before the plant's first sample")
        print(f"{local_text(sample.receive_us, zone)}  {draft.data['tag']}  {draft.data['value']}{told_too}")
    print(_("{count} readings entered; the last is entry {n}").format(count=len(rows), n=told["n"]))
    return 0


def _page(path: Path, *, force: bool) -> list[dict[str, Any]]:
    """The rows of a file: commas and decimal points, or semicolons and decimal commas."""
    try:
        if path.stat().st_size > _PAGE_BYTES:
            raise UserError(f"{path}: is larger than a page of readings can be")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as fault:
        raise UserError(f"{path}: cannot be read ({fault.strerror})") from fault
    except UnicodeDecodeError as fault:
        raise UserError(f"{path}: is not UTF-8; save it as CSV UTF-8") from fault
    lines = text.splitlines()
    mark = ";" if lines and lines[0].count(";") > lines[0].count(",") else ","
    try:
        return list(_rows(path, csv.DictReader(lines, delimiter=mark, strict=True), mark, force))
    except csv.Error as fault:
        raise UserError(f"{path}: is not CSV ({fault})") from fault


def _rows(path: Path, reader: "csv.DictReader[str]", mark: str, force: bool) -> Iterable[dict[str, Any]]:
    heads = [head.strip() for head in reader.fieldnames or ()]
    unknown = [head for head in heads if head not in (*COLUMNS, "recorded_at")]
    if missing := [name for name in COLUMNS if name not in heads]:
        raise UserError(f"{path}: column {missing[0]} is missing; the first line is {mark.join(COLUMNS)}")
    if unknown:
        raise UserError(f"{path}: column {clean(unknown[0], 40)} is unknown; known: {', '.join(COLUMNS)}, recorded_at")
    reader.fieldnames = heads
    for row in reader:
        if None in row or None in row.values():
            raise UserError(f"{path}: line {reader.line_num}: has not {len(heads)} cells")
        if mark == ";":
            row["value"] = row["value"].replace(",", ".")
        yield {**row, "force": force, "line": reader.line_num}
