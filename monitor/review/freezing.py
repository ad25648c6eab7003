"""Parameters fixed before anybody looks: written to the ledger with their hash, and compared with those in use.

Whether somebody had looked before they were fixed is in the ledger too: each review is an entry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from monitor.ledger import Record, entries
from monitor.ledger.entry import BACK_US, CLOCKED, SEALING
from monitor.plant import Settings
from monitor.review.asking import concerns, first_us, fixed_us, frozen_us
from monitor.review.choosing import as_json, called, parameters, sha256_of, sha256_of_json
from monitor.state import State
from monitor.words import local_text, parse_utc, utc_text

if TYPE_CHECKING:
    import pandas as pd

    from models.bias.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Change:
    """One parameter that is another now; "" where it was not there, or is no more."""

    name: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class Freeze:
    """Whether the parameters in use were frozen: the last freeze of the same vendor, if there is one."""

    word: str  # frozen, changed, unfrozen
    at_us: int | None = None
    role: str | None = None
    sha256: str = ""
    changed: tuple[Change, ...] = ()
    n: int = 0  # the entry
    start_us: int | None = None  # of the one period that was frozen
    looked_us: int | None = None  # when a review of this time was made with other parameters, before this freeze
    made_us: int | None = None  # the latest time that this entry or one before it tells: it was not made before that
    back_n: int = 0  # the first entry that is dated before an earlier one: the clock was set back; 0: none

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters that differ, each once."""
        return tuple(dict.fromkeys(one.name.split(" ")[0] for one in self.changed))


def freeze_data(chosen: "Parameters") -> dict[str, Any]:
    """What a review_freeze entry of the ledger holds."""
    return {"parameters": as_json(chosen), "sha256": sha256_of(chosen)}


def freeze(state: State, settings: Settings, *, now_us: int, vendor: str | None = None) -> str:
    """Write the parameters and their hash to the ledger; returns the hash.

    Through the daemon's socket when it runs, else under the lock; either way the caller needs the right to freeze.
    """
    from monitor.ledger.through import enter
    from monitor.records import tables

    data = freeze_data(to_freeze(state, settings, tables(state), vendor, now_us))
    enter(state, settings, "freeze", data, now_us, kind="review_freeze")
    return str(data["sha256"])


def to_freeze(
    state: State, settings: Settings, recorded: Mapping[str, "pd.DataFrame"], vendor: str | None, now_us: int
) -> "Parameters":
    """What a freeze now would hold: with the start that is fixed, else 24 months ago."""
    made = freezes(state, settings, vendor)
    start_us = fixed_us(settings, made[-1] if made else None)
    return parameters(settings, recorded, vendor, start_us=first_us(now_us) if start_us is None else start_us)


def freezes(state: State, settings: Settings, vendor: str | None, upto_n: int | None = None) -> list[Record]:
    """All freezes for one vendor (None: those for all vendors together), in the order of the ledger.

    One without a name counts for a vendor if all its assets are this vendor's: it was the only one under review then.
    """
    names, owner = called(settings, vendor), {asset.id: asset.vendor for asset in settings.assets}

    def counts(told: Mapping[str, Any]) -> bool:
        if told.get("vendor") in names:
            return True
        owners = {owner[asset] for asset, _site in told.get("assets", ()) if asset in owner}
        return told.get("vendor") is None and owners == {vendor}

    found = (entry for entry in entries(state, ["review_freeze"], upto_n=upto_n) if not entry.erased)
    return [entry for entry in found if counts(entry.data["parameters"])]


def since(freeze_: Record, chosen: "Parameters", settings: Settings) -> tuple[Change, ...]:
    """What is another now than in this freeze, which may have named no vendor where there was one."""
    before = {**freeze_.data["parameters"], "vendor": chosen.vendor}
    return changes(before, as_json(chosen), ZoneInfo(settings.time_zone))


def frozen(
    state: State,
    settings: Settings,
    chosen: "Parameters",
    period: tuple[int, int] | None = None,
    upto_n: int | None = None,
) -> Freeze:
    """How the parameters in use compare with the last freeze for the same vendor.

    With `period` (UTC [us]) also whether a review that overlaps it had been made with other parameters before that.
    """
    made = freezes(state, settings, chosen.vendor, upto_n)
    if not made:
        return Freeze("unfrozen")
    last = made[-1]
    changed = since(last, chosen, settings)
    looked_us = None if period is None else _looked_us(state, last, period, called(settings, chosen.vendor))
    word = "changed" if changed else "frozen"
    return Freeze(word, last.at_us, last.role, str(last.data["sha256"]), changed, last.n, frozen_us(last), looked_us)


def in_order(freeze_: Freeze, recorded: Mapping[str, "pd.DataFrame"]) -> Freeze:
    """The same with what the order of the entries tells of the clock; times that people or vendors gave are believed
    to lie in the past only, those of imports and of seals (which whoever copies a ledger makes anew) not at all."""
    import pandas as pd

    own = [
        frame.loc[frame["via"] != "import", ["n", "at_us"]].assign(kind=kind)
        for kind, frame in recorded.items() if kind not in SEALING and len(frame)
    ]  # fmt: skip
    if not own:
        return replace(freeze_, made_us=freeze_.at_us)
    told = pd.concat(own).sort_values("n", kind="stable")
    latest = told["at_us"].cummax()
    back = told[told["kind"].isin(CLOCKED) & (told["at_us"] < latest - BACK_US)]
    upto = latest[(told["n"] <= freeze_.n).to_numpy()]
    made_us = None if freeze_.at_us is None else max(freeze_.at_us, int(upto.max()) if len(upto) else 0)
    return replace(freeze_, made_us=made_us, back_n=int(back["n"].iloc[0]) if len(back) else 0)


def _looked_us(
    state: State, freeze_: Record, period: tuple[int, int], names: tuple[str | None, ...]
) -> int | None:  # fmt: skip
    told = freeze_.data["parameters"]
    same = {freeze_.data["sha256"], *(sha256_of_json({**told, "vendor": name}) for name in names)}
    for entry in entries(state, ["review"]):
        told = entry.data
        if entry.n > freeze_.n:
            break
        if entry.erased or told["parameters_sha256"] in same or not concerns(told.get("vendor", names[0]), names):
            continue
        start, end = told.get("start"), told.get("end")
        if start and end and not (parse_utc(end) > period[0] and parse_utc(start) < period[1]):
            continue
        return entry.at_us
    return None


def changes(before: Mapping[str, Any], now: Mapping[str, Any], zone: tzinfo) -> tuple[Change, ...]:
    """What differs between two sets of parameters as the ledger keeps them, one value at a time."""
    old, new = _flat(before, zone), _flat(now, zone)
    names = [*new, *(name for name in old if name not in new)]
    return tuple(Change(name, old.get(name, ""), new.get(name, "")) for name in names if old.get(name) != new.get(name))


def day_text(at_us: int, zone: tzinfo) -> str:
    """The utility's day of an event."""
    return local_text(at_us, zone, "%Y-%m-%d")[:10]


def _flat(told: Mapping[str, Any], zone: tzinfo) -> dict[str, str]:
    """Each value under a name that starts with that of its parameter: "q0 N-P01 seal" -> "0.5"."""
    flat: dict[str, str] = {}
    for name, value in sorted(told.items()):
        if name == "costs" and not isinstance(value, Mapping):
            for asset, part, price in value:
                flat |= {f"{name} {asset} {part} {which}": _text(one) for which, one in price.items()}
        elif isinstance(value, Mapping):  # costs as they were frozen by component
            for part, price in value.items():
                flat |= {f"{name} {part} {which}": _text(one) for which, one in price.items()}
        elif name == "start_us":
            flat |= {"start": utc_text(value)[:10]} if value is not None else {}
        elif name == "events":
            for event, at_us in value:
                days = flat.get(f"{name} {event}")
                flat[f"{name} {event}"] = ", ".join(filter(None, (days, day_text(at_us, zone))))
        elif isinstance(value, Sequence) and not isinstance(value, str):
            for row in value:
                flat[" ".join((name, *(str(one) for one in row[:-1])))] = _text(row[-1])
        elif value is not None:
            flat[name] = _text(value)
    return flat


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
