"""What the rows of a file of records give away together: said with their lines before anything is kept, mended nowhere.

What could be read in two ways is asked: a wear that may be a share of the limit. The rest comes in, and a review counts
it again (models.bias.doubts).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from statistics import median

from drivers.errors import UserError
from monitor.ledger import Draft, entries
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
_AS_SHARE = 1.5  # as models.bias.doubts.AS_SHARE
_SHOWN = 5


def asks_for_wear(
    path: Path, told: RecordMapping, places: Mapping[str, int], rows: Sequence[Row], answer: str
) -> Mapping[str, str]:
    """The units of the columns, once it is known what the column wear_pct holds. Raises UserError where it is not.

    Numbers from 0 to 1.5 without a unit in their cells, not all of them 0, are a share of the limit or hardly any wear.
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
    above = [(line, value) for line, value in values if value > 0]
    if above and all(0 <= value <= _AS_SHARE for _, value in values):
        line, value = above[0]
        words = _(
            "{file}: wear_pct: line {line}: {value}: all {n} values lie between 0 and 1.5; is 1 the limit, or one per"
            " cent of it? add --wear fraction or --wear percent"
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
        kinds = {"findings": "work_order", "alerts": "vendor_alert", "work_orders": "vendor_alert"}
        known = list(entries(state, [kinds[what]])) if what in kinds and state.ledger.is_file() else []
        if what == "findings":
            for one in known:
                with suppress(ValueError):
                    self._opened[str(one.data["wo_id"])] = parse_utc(str(one.data["opened"]))
        self._alerts = {str(one.data["alert_id"]) for one in known} if what == "work_orders" else set()
        if what == "alerts":
            for asset in settings.assets:
                if asset.vendor:
                    self._vendors[asset.id].add(asset.vendor)
            for one in known:
                self._vendors[one.asset or ""].add(str(one.data["vendor"]))

    def look(self, line: int, draft: Draft) -> None:
        """One row that can come in."""
        data = draft.data
        if any(str(data.get(name)).startswith("EXAMPLE-") for name in ("wo_id", "alert_id", "failure_id")):
            self._say("example", line, _("is an example of the template; take it out"))
        parts = self._parts.get(draft.asset or "", ())
        if draft.component and parts and draft.component not in parts:
            words = _("{component} is no component of {asset} in site.toml: {known}")
            said = {"component": clean(draft.component, 40), "asset": draft.asset, "known": ", ".join(parts)}
            self._say(f"part {draft.asset} {draft.component}", line, words.format(**said))
        if self._what == "findings":
            opened_us = self._opened.get(str(data["wo_id"]))
            if opened_us is None:
                self._say("orphan", line, _("no work order of this number is known; it does not count without one"))
            elif draft.at_us < opened_us - _DAY_US:
                self._say("early", line, _("was found before its work order was opened"))
        elif self._what == "work_orders":
            if data["trigger"] == "vendor_alert" and str(data.get("alert_id")) not in self._alerts:
                self._say("no_alert", line, _("an alert is said to have called for it, and none of this id is known"))
            if data.get("run_hours"):
                at_us = parse_utc(data["opened"])
                self._hours[draft.asset or ""].append((at_us, float(data["run_hours"].split()[0]), line))
        elif self._what == "alerts":
            others = self._vendors[draft.asset or ""]
            if others and data["vendor"] not in others:
                words = _("{asset} has alerts of {vendor}, and those of {other}: two vendors for one asset")
                said = {"asset": draft.asset, "vendor": clean(data["vendor"], 40), "other": clean(min(others), 40)}
                self._say(f"vendor {draft.asset} {data['vendor']}", line, words.format(**said))
            elif not others:
                others.add(data["vendor"])
            if received := data.get("received_at"):
                late_us = parse_utc(received) - parse_utc(data["issued_at"])
                self._late_us.append(late_us)
                if late_us < -_NEAR_US:
                    self._say("ahead", line, _("was issued after it was received"))

    def remarks(self) -> list[str]:
        """One line for each thing that is odd, with the lines of the file."""
        for readings in self._hours.values():
            readings.sort()
            for before, after in pairwise(readings):
                if after[1] < before[1]:
                    self._say("hours", after[2], _("run hours are fewer than at the job before"))
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

    def _say(self, key: str, line: int, words: str) -> None:
        self._words.setdefault(key, words)
        self._lines[key].append(line)
