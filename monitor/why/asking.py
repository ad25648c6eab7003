"""Which alert is meant by what a person wrote, and all that the ledger has of it. Standard library only."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drivers.errors import UserError
from monitor.ledger import Record, entries, last
from monitor.ledger.reading import unreadable
from monitor.sqlite_file import reading
from monitor.state import State
from monitor.why.story import KINDS, OF_ALERT, OF_ALL, Job, Story, alerts_of, jobs_of, replacing, standing_alerts, story
from monitor.words import _, clean

HORIZON_DAYS = 182.0  # half a year, as a review has it where nothing else was configured or frozen
NAMING = (*OF_ALERT, "decision", "verdict")  # kinds by which an alert is known, though its own words were erased
NEAREST = 5
STANDING_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Meant:
    """One alert: its id and its asset."""

    alert_id: str
    asset: str


@dataclass(frozen=True, slots=True)
class Told:
    """What is answered: stories, newest first, and what must be said before them."""

    stories: tuple[Story, ...]
    notes: tuple[str, ...] = ()
    kept: frozenset[str] = frozenset()  # SHA-256 of messages that are kept byte for byte
    erased: frozenset[str] = frozenset()  # and of those that were erased under a rule


def told_of(
    state: State, name: str, now_us: int, *, assets: Sequence[str] = (), asset: str = "", horizon_days: float = 0.0
) -> Told:
    """The stories of an alert by its id or its beginning, or of an asset's alerts that stand.

    `assets`: those that are configured; `asset`: where an id stands for several. Raises UserError with the nearest ids.
    """
    found, notes = meant(state, name, assets, asset)
    horizon = horizon_days or frozen_horizon(state) or HORIZON_DAYS
    of_all = list(entries(state, OF_ALL, holding="kind"))
    records = {
        name: sorted([*_of_asset(state, name), *of_all], key=lambda record: record.n)
        for name in {one.asset for one in found}
    }
    stories = [story(records[one.asset], one.alert_id, one.asset, horizon, now_us) for one in found]
    if (damaged := unreadable(state)) is not None:
        words = _("entry {n} of the ledger cannot be read, so something may be missing here: handwheel ledger verify")
        notes.append(words.format(n=damaged))
    kept, erased = _messages(state, stories)
    return Told(tuple(stories), tuple(notes), kept, erased)


def meant(state: State, name: str, assets: Sequence[str] = (), asset: str = "") -> tuple[list[Meant], list[str]]:
    """(alerts, notes) that a person means. Raises UserError where there is none, or more than one."""
    if not (name := name.strip()):
        raise UserError("why: of what? give the id of an alert, its beginning, or an asset")
    known = _known(entries(state, NAMING, holding=name))
    exact = [one for one in known if one.alert_id == name and asset in ("", one.asset)]
    if not exact:
        of_asset = [one for one in known if one.asset == name]
        if of_asset or name in assets:
            return _of_standing(state, name)
    chosen = exact or [one for one in known if one.alert_id.startswith(name) and asset in ("", one.asset)]
    if len(chosen) == 1:
        return chosen, []
    if exact:
        where = ", ".join(clean(one.asset, 20) for one in exact)
        raise UserError(f"why: {clean(name, 60)} stands for alerts of {where}; say which with --asset")
    if chosen:
        more = f" and {len(chosen) - NEAREST} more" if len(chosen) > NEAREST else ""
        ids = ", ".join(clean(one.alert_id, 60) for one in chosen[-NEAREST:])
        raise UserError(f"why: {clean(name, 60)} begins {len(chosen)} ids: {ids}{more}; write one to its end")
    raise UserError(f"why: {clean(name, 60)} is neither an alert nor an asset of the ledger; {_nearest(state, name)}")


def frozen_horizon(state: State) -> float | None:
    """The horizon of the parameters that were frozen last [d]; None where none were."""
    frozen = last(state, "review_freeze")
    value = frozen.data["parameters"].get("horizon_days") if frozen else None
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _of_standing(state: State, asset: str) -> tuple[list[Meant], list[str]]:
    """The alerts of an asset that stand, newest first, or its last one."""
    records = _of_asset(state, asset)
    alerts = [one for one in records if one.kind in OF_ALERT]
    if not alerts:
        raise UserError(f"why: of {clean(asset, 40)} no alert stands in the ledger")
    jobs = jobs_of(records, replacing(records))
    standing = [one for one in standing_alerts(records) if not _served(one, jobs)]
    standing.sort(key=lambda one: -one.at_us)
    shown = standing[:STANDING_SHOWN] or alerts[-1:]
    notes = [] if standing else [_("no alert of {asset} stands; this was the last one").format(asset=clean(asset, 40))]
    if len(standing) > STANDING_SHOWN:
        ids = ", ".join(clean(one.data["alert_id"], 60) for one in standing[STANDING_SHOWN:][:NEAREST])
        words = _("{n} older ones stand too: {ids}")
        notes.append(words.format(n=len(standing) - STANDING_SHOWN, ids=ids))
    return [Meant(str(one.data["alert_id"]), asset) for one in shown], notes


def _served(alert: Record, jobs: Iterable[Job]) -> bool:
    """Whether work on its part was done after an alert: that ends it."""
    return any(
        job.order is not None and job.done_us is not None and job.done_us > alert.at_us
        and (job.order.component or "") == (alert.component or "")
        for job in jobs
    )  # fmt: skip


def _of_asset(state: State, asset: str) -> list[Record]:
    return [one for one in entries(state, KINDS, holding=asset) if one.asset == asset]


def _known(records: Iterable[Record]) -> list[Meant]:
    """Each alert that these entries name, in the order in which they do so first."""
    found: dict[Meant, None] = {}
    for one in records:
        names = alerts_of(one) if one.kind == "verdict" else [str(one.data.get("alert_id"))]
        found |= dict.fromkeys(Meant(name, one.asset or "") for name in names)
    return list(found)


def _nearest(state: State, name: str) -> str:
    known = _known(entries(state, NAMING, holding="kind"))
    words = {text.casefold(): text for one in known for text in (one.alert_id, one.asset) if text}
    near = difflib.get_close_matches(name.casefold(), words, NEAREST, 0.5)
    if near:
        return "nearest: " + ", ".join(clean(words[one], 60) for one in near)
    newest = ", ".join(clean(one.alert_id, 60) for one in known[-3:])
    return f"the last ones are {newest}" if newest else "no alert was entered yet"


def _messages(state: State, stories: Iterable[Story]) -> tuple[frozenset[str], frozenset[str]]:
    """(kept, erased) of the messages that these alerts came in."""
    names = {str(one.data.get("raw_sha256") or "") for told in stories for one in told.said} - {""}
    if not names:
        return frozenset(), frozenset()
    marks = ",".join("?" * len(names))
    try:
        with reading(state.bodies) as db:
            rows = db.execute(f"SELECT sha256, length(bytes) FROM raw WHERE sha256 IN ({marks})", sorted(names))
            sizes = dict(rows.fetchall())
    except FileNotFoundError:
        return frozenset(), frozenset()
    return frozenset(n for n, size in sizes.items() if size), frozenset(n for n, size in sizes.items() if not size)
