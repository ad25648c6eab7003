"""Parameters fixed before anybody looks: written to the ledger with their hash, and compared with those in use."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.ledger import entries
from monitor.plant import Settings
from monitor.review.choosing import as_json, parameters, sha256_of
from monitor.state import State

if TYPE_CHECKING:
    from models.bias.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Freeze:
    """Whether the parameters in use were frozen: the last freeze of the same vendor, if there is one."""

    word: str  # frozen, changed, unfrozen
    at_us: int | None = None
    role: str | None = None
    sha256: str = ""
    changed: tuple[str, ...] = ()  # names of the parameters that differ
    n: int = 0  # the entry


def freeze_data(chosen: "Parameters") -> dict[str, Any]:
    """What a review_freeze entry of the ledger holds."""
    return {"parameters": as_json(chosen), "sha256": sha256_of(chosen)}


def freeze(state: State, settings: Settings, *, now_us: int, vendor: str | None = None) -> str:
    """Write the parameters and their hash to the ledger; returns the hash.

    Through the daemon's socket when it runs, else under the lock; either way the caller needs the right to freeze.
    """
    from monitor.ledger.through import enter
    from monitor.records import tables

    data = freeze_data(parameters(settings, tables(state), vendor))
    enter(state, settings, "freeze", data, now_us, kind="review_freeze")
    return str(data["sha256"])


def frozen(state: State, chosen: "Parameters", upto_n: int | None = None) -> Freeze:
    """How the parameters in use compare with the last freeze for the same vendor."""
    mine = as_json(chosen)
    last = None
    for entry in entries(state, ["review_freeze"], upto_n=upto_n):
        if not entry.erased and entry.data["parameters"].get("vendor") == chosen.vendor:
            last = entry
    if last is None:
        return Freeze("unfrozen")
    then = last.data["parameters"]
    changed = tuple(sorted(name for name in mine.keys() | then.keys() if mine.get(name) != then.get(name)))
    word = "changed" if changed else "frozen"
    return Freeze(word, last.at_us, last.role, str(last.data["sha256"]), changed, last.n)
