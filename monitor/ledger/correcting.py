"""Corrections are entries that stand for another one; what they name must be there, and an id is given once."""

from typing import TYPE_CHECKING, Any

from drivers.errors import UserError
from monitor.ledger.entry import Draft, Record
from monitor.ledger.reading import entries
from monitor.words import _, clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from monitor.state import State

JOB = {"finding": ("wo_id",), "work_order": ("wo_id",), "failure": ("failure_id",)}  # what a correction leaves as it is
KEY: "Mapping[str, tuple[str, ...]]" = JOB | {"finding": ("wo_id", "inspector_party")}  # what no two entries share


def key_of(kind: str, component: str | None, data: "Mapping[str, Any]") -> tuple[str, ...]:
    """What no two entries of a kind that hold have in common; () where the kind knows no such thing."""
    told = tuple(str(data.get(name)) for name in KEY.get(kind, ()))
    return (*told, component or "") if kind == "finding" else told


def prove(state: "State", draft: Draft) -> None:
    """Whether a draft may stand beside what the ledger has. Raises UserError in one line where it may not.

    What it corrects is there, of the same kind and job, and stands still; without a correction its id is new.
    """
    if not state.ledger.is_file() or (draft.kind not in KEY and "corrects" not in draft.data):
        return
    known = list(entries(state, [draft.kind]))
    if (n := draft.data.get("corrects")) is not None:
        why = Correctable(known).why_not(draft.kind, draft.data, n)
    else:
        mine = key_of(draft.kind, draft.component, draft.data)
        twin = next((one for one in standing(known) if key_of(one.kind, one.component, one.data) == mine), None)
        words = _("{id} is there already, as entry {n}; what was wrong in it is corrected with corrects = {n}")
        why = words.format(id=clean(" ".join(filter(None, mine)), 80), n=twin.n) if twin else ""
    if why:
        raise UserError(f"{draft.kind}: {why}")


class Correctable:
    """The entries of one kind, as far as a correction asks for them."""

    def __init__(self, known: "Iterable[Record]") -> None:
        self._by_n = {one.n: one for one in known}
        self._later = {one.data["corrects"]: one.n for one in self._by_n.values() if "corrects" in one.data}

    def why_not(self, kind: str, data: "Mapping[str, Any]", n: int) -> str:
        """Why entry `n` cannot be corrected by this; "" where it can."""
        found = self._by_n.get(n)
        if found is None:
            return _("corrects: entry {n} is no {kind}; see handwheel ledger show").format(n=n, kind=kind)
        if n in self._later:
            words = _("corrects: entry {n} was corrected by entry {later}; correct that one")
            return words.format(n=n, later=self._later[n])
        for name in JOB.get(kind, ()):
            if found.data.get(name) != data.get(name):
                words = _("corrects: entry {n} is of {theirs}, this one of {ours}")
                return words.format(n=n, theirs=clean(found.data.get(name), 60), ours=clean(data.get(name), 60))
        return ""


def standing(known: list[Record]) -> list[Record]:
    """The entries of one kind that hold: no later one corrects them, and they take none back."""
    replaced = {one.data.get("corrects") for one in known}
    return [one for one in known if one.n not in replaced and one.data.get("withdrawn") is not True]
