"""What the rows of a file of records give away together: said with their lines before anything is kept, mended nowhere.

What could be read in two ways is asked: a wear that may be a share of the limit. The rest comes in, and a review counts
it again (models.bias.doubts).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from statistics import median

from drivers.errors import UserError
from models.bias.grading import FAR_BEYOND, contradiction, looks_like_share
from monitor.ledger import Draft, Record, entries
from monitor.plant import Settings
from monitor.state import State
from monitor.transfer.cells import SHARE
from monitor.transfer.decoding import number_reader
from monitor.transfer.foreign import Row
from monitor.transfer.mapping import RecordMapping
from monitor.words import _, clean, parse_utc

_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
_NEAR_US = 300_000_000  # as models.bias.doubts.NEAR_US
_FEWEST = 5  # as models.bias.doubts.FEWEST
_SHOWN = 5


def asks_for_wear(
    path: Path, told: RecordMapping, places: Mapping[str, int], rows: Sequence[Row], answer: str
) -> Mapping[str, str]:
    """The units of the columns, once it is known what the column wear_pct holds. Raises UserError where it is not.

    Numbers of which most lie in 0 to 1.5, without a unit in their cells and not all of them 0, are a share of the limit
    or hardly any wear: a part beyond its limit is at 1.6, and one figure that fits neither is a slip.
    """
    at = places.get("wear_pct")
    if at is None:
        return told.units
    if answer:
        return {**told.units, "wear_pct": SHARE if answer == "fraction" else "%"}
    if told.units.get("wear_pct") == SHARE:
        return told.units
    number = number_reader(told.file.decimal or ".", told.file.thousands)
    values: list[tuple[int, float]] = []
    for row in rows:
        with suppress(ValueError, OverflowError):
            if not row.fault and (text := str(row.cells[at] or "").strip()):
                values.append((row.line, 0.0 if text.endswith("%") else number(text)))
                if text.endswith("%"):
                    return told.units
    near = [(line, value) for line, value in values if 0 < value <= FAR_BEYOND]
    if looks_like_share([value for _, value in near]) and len(values) - len(near) <= max(1, len(values) // 10):
        line, value = near[0]
        words = _(
            "{file}: wear_pct: line {line}: {value}: most of {n} values lie between 0 and 1.5; is 1 the limit, or one"
            " per cent of it? add --wear fraction or --wear percent"
        )
        raise UserError(words.format(file=clean(path), line=line, value=f"{value:g}", n=len(values)))
    return told.units


class Suspicion:
    """Looks at each row that can come in, beside what the ledger has."""

    def __init__(self, what: str, settings: Settings, state: State) -> None:
        self._what = what
        self._lines: dict[str, list[int]] = defaultdict(list)
        self._words: dict[str, str] = {}
        self._parts = {asset.id: [one.name for one in asset.components] for asset in settings.assets}
        self._vendors: dict[str, set[str]] = defaultdict(set)
        self._late_us: list[int] = []
        self._hours: dict[str, list[tuple[int, float, int]]] = defaultdict(list)
        self._opened: dict[str, int] = {}
        self._jobs: dict[str, list[tuple[str, str]]] = defaultdict(list)  # work order or alert -> asset, component
        self._said: dict[tuple[str, str], tuple[str, ...]] = {}  # vendor, alert -> what it claims
        kinds = {"findings": "work_order", "alerts": "vendor_alert", "work_orders": "vendor_alert"}
        for one in entries(state, [kinds[what]]) if what in kinds and state.ledger.is_file() else ():
            name = "wo_id" if what == "findings" else "alert_id"
            self._jobs[str(one.data[name])].append((one.asset or "", one.component or ""))
            if what == "findings":
                with suppress(ValueError):
                    self._opened[str(one.data["wo_id"])] = parse_utc(str(one.data["opened"]))
            elif what == "alerts":
                self._vendors[one.asset or ""].add(str(one.data["vendor"]))
                self._claimed(one)
        if what == "alerts":
            for asset in settings.assets:
                if asset.vendor:
                    self._vendors[asset.id].add(asset.vendor)

    def look(self, line: int, draft: Draft) -> None:
        """One row that can come in."""
        data = draft.data
        for key, words in self.odd(draft):
            self._words.setdefault(key, words)
            self._lines[key].append(line)
        if self._what == "work_orders" and data.get("run_hours"):
            at_us = parse_utc(data["opened"])
            self._hours[draft.asset or ""].append((at_us, float(data["run_hours"].split()[0]), line))
        if self._what == "alerts":
            self._vendors[draft.asset or ""] = self._vendors[draft.asset or ""] or {data["vendor"]}
            if received := data.get("received_at"):
                self._late_us.append(parse_utc(received) - parse_utc(data["issued_at"]))

    def odd(self, draft: Draft) -> Iterator[tuple[str, str]]:
        """What is odd in one record that can come in: (name of it, in words)."""
        data = draft.data
        if any(str(data.get(name)).startswith("EXAMPLE-") for name in ("wo_id", "alert_id", "failure_id")):
            yield "example", _("is an example of the template; take it out")
        parts = self._parts.get(draft.asset or "", ())
        if draft.component and parts and draft.component not in parts:
            words = _("{component} is no component of {asset} in site.toml: {known}")
            said = {"component": clean(draft.component, 40), "asset": draft.asset, "known": ", ".join(parts)}
            yield f"part {draft.asset} {draft.component}", words.format(**said)
        if self._what == "findings":
            yield from self._of_finding(draft)
        elif self._what == "work_orders" and data["trigger"] == "vendor_alert":
            alert = str(data.get("alert_id"))
            if alert not in self._jobs:
                words = _("an alert is said to have called for it, and none of this id is known")
                yield "no_alert", words
            elif not self._is_of(alert, draft):
                yield "other_alert", _("cites an alert of another part: it does not count as a job of the vendor")
        elif self._what == "alerts":
            others = self._vendors[draft.asset or ""]
            if others and data["vendor"] not in others:
                words = _("{asset} has alerts of {vendor}, and those of {other}: two vendors for one asset")
                said = {"asset": draft.asset, "vendor": clean(data["vendor"], 40), "other": clean(min(others), 40)}
                yield f"vendor {draft.asset} {data['vendor']}", words.format(**said)
            if (received := data.get("received_at")) and parse_utc(received) < parse_utc(data["issued_at"]) - _NEAR_US:
                yield "ahead", _("was issued after it was received")
            if self._claimed(draft):
                yield "changed", _("its id came before with another asset, component, severity or text; both are kept")

    def _of_finding(self, draft: Draft) -> Iterator[tuple[str, str]]:
        data, wo_id = draft.data, str(draft.data["wo_id"])
        if wo_id not in self._jobs:
            yield "orphan", _("no work order of this number is known; it does not count without one")
        elif not self._is_of(wo_id, draft):
            yield "elsewhere", _("is of another part than the job of its work order; it does not count for that job")
        if wo_id in self._opened and draft.at_us < self._opened[wo_id] - _DAY_US:
            yield "early", _("was found before its work order was opened")
        odd = contradiction(data["grade"], data.get("wear_pct"), data.get("measured_value"), data.get("limit"))
        if odd == "other_unit":
            yield odd, _("was measured in another unit than its limit has")
        elif odd:
            yield odd, _("contradicts itself: the grade says one thing, the wear or the measured value another")

    def _is_of(self, name: str, draft: Draft) -> bool:
        """Whether a work order or an alert of this name is of the record's asset and component."""
        asset, part = draft.asset or "", draft.component or ""
        return any(asset == a and (part == p or not part or not p) for a, p in self._jobs[name])

    def _claimed(self, one: Draft | Record) -> bool:
        """Whether an alert of this id claimed something else before."""
        if one.data.get("active") is False:
            return False
        what = (one.asset or "", one.component or "", *(str(one.data.get(name) or "") for name in ("severity", "text")))
        return self._said.setdefault((str(one.data["vendor"]), str(one.data["alert_id"])), what) != what

    def remarks(self) -> list[str]:
        """One line for each thing that is odd, with the lines of the file."""
        for readings in self._hours.values():
            readings.sort()
            for before, after in pairwise(readings):
                if after[1] < before[1]:
                    self._words["hours"] = _("run hours are fewer than at the job before")
                    self._lines["hours"].append(after[2])
        told = []
        for key, lines in self._lines.items():
            shown = ", ".join(map(str, sorted(lines)[:_SHOWN])) + (" ..." if len(lines) > _SHOWN else "")
            told.append(_("line {lines}: {what} ({n} rows)").format(lines=shown, what=self._words[key], n=len(lines)))
        if hours := self._whole_hours():
            words = _("the vendor's clock is off by {hours} h in most of {n} rows: look at the zone of its times")
            told.append(words.format(hours=f"{hours:+d}", n=len(self._late_us)))
        return told

    def _whole_hours(self) -> int:
        if len(self._late_us) < _FEWEST:
            return 0
        hours = round(median(self._late_us) / _HOUR_US)
        near = Counter(abs(one - hours * _HOUR_US) <= _NEAR_US for one in self._late_us)[True]
        return hours if 2 * near >= len(self._late_us) else 0
