"""Whether the plant may go back to automatic: the conditions that were agreed on, each met, not met, or not to be told.

A person decides all the same, with a reason: where the daemon is dead nothing here can be told, and a plant that has
been looked at can be handed back without us.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from fallback_procedures.run import Line, Period, elapsed, word
from fallback_procedures.triggers import Now, Situation, ago, known_values
from fallback_procedures.view import behind_text
from fallback_procedures.words import _, age_text, decimal_of, event_text, number_shown, role_text

if TYPE_CHECKING:
    from fallback_procedures.library import Library
    from fallback_procedures.place import Look
    from fallback_procedures.sheet import Sheet

FRESH_S = 300.0  # so long handwheel must have answered and data have come [s]
SEEN_S = 120.0  # a watch that did not look for so long begins anew [s]
COMPARED_S = 900.0  # a manual reading older than this is compared with nothing: the plant has moved on [s]
DEFAULT = "5 %"
GOOD = ("good", "gut", "bon")  # last_known.txt speaks the language of the daemon


@dataclass(frozen=True)
class Condition:
    """One condition of handing back; `met` None: it cannot be told. `why` in words."""

    text: str
    met: bool | None
    why: str


@dataclass
class Watch:
    """Since when, while this manual looked on, handwheel has answered ("") and each site's data have come. [s]"""

    since: dict[str, float] = field(default_factory=dict)
    last: float = 0.0

    def take(self, known: Situation, now: Now) -> None:
        """One more look."""
        if not 0 <= now.up_s - self.last <= SEEN_S:
            self.since = {}
        self.last = now.up_s
        good = ["", *(site.id for site in known.sites if site.lost_s is None)] if known.word == "running" else []
        self.since = {name: self.since.get(name, now.up_s) for name in good}

    def good_s(self, name: str, now: Now) -> float | None:
        """For how long it has been good; None while it is not. [s]"""
        return now.up_s - self.since[name] if name in self.since else None


def conditions(look: Look, library: Library, second_role: str = "") -> list[Condition]:
    """The conditions of handing back (practice.md 4.3, P-18) as they stand at this moment."""
    watch = look.watch
    answers = _lasting(_("handwheel has answered for 5 min"), watch.good_s("", look.now), look.known.text)
    found = [replace(answers, met=None) if look.known.word == "unknown" else answers]
    affected = look.period.sites or tuple(site.id for site in look.known.sites)
    for site in affected:
        text = _("data of {site} have come for 5 min").format(site=site)
        if look.known.word != "running":
            found.append(Condition(text, None, look.known.text))
        elif site not in {one.id for one in look.known.sites}:
            found.append(Condition(text, None, _("handwheel does not know this site")))
        else:
            lost = next(one.lost_s for one in look.known.sites if one.id == site)
            why = _("no data from {site} for {age}").format(site=site, age=age_text(lost))
            found.append(_lasting(text, watch.good_s(site, look.now), why))
    found += _compared(look, library)
    for run in look.period.open_runs():
        role = run.waiting_for()
        if role:
            why = _("HOLD: {role} must release step {n} first").format(role=role_text(role), n=run.held_at())
            found.append(Condition(_("{run} has no open HOLD").format(run=run.id), False, why))
        why = _("step {n}").format(n=run.cursor) if run.cursor else behind_text(run)
        found.append(Condition(_("{run} has ended").format(run=run.id), False, why))
    for event in look.period.events:  # what stands open in the journal is open at the plant
        what = event_text(event.event) + (f" ({event.site})" if event.site else "")
        role = role_text(word(event.line, "role"))
        since = ago(elapsed(event.line, look.now.wall_s, look.now.up_s, look.now.boot_id))
        why = _("said by {role} {age}; e says that it is over").format(role=role, age=since)
        found.append(Condition(_("over: {event}").format(event=what), False, why))
    newest = {(run.procedure.id, run.site): run for run in look.period.runs.values()}
    for run in newest.values():
        left = run.left() if run.finished else []
        if left:
            why = _("not marked: {steps}").format(steps=" ".join(left))
            found.append(Condition(_("{run} was done to its end").format(run=run.id), False, why))
    found.append(Condition(_("a second person agrees"), bool(second_role),
                           role_text(second_role) if second_role else _("nobody was named")))  # fmt: skip
    return found


def _lasting(text: str, good_s: float | None, else_why: str) -> Condition:
    """Met once it has lasted; not to be told while it was watched for less."""
    if good_s is None:
        return Condition(text, False, else_why)
    if good_s < FRESH_S:
        return Condition(text, None, _("watched for {age} only").format(age=age_text(good_s)))
    return Condition(text, True, _("for {age}").format(age=age_text(good_s)))


def _compared(look: Look, library: Library) -> list[Condition]:
    """Each tag that was read by hand, against what handwheel measured last."""
    live = {row.tag: row for row in known_values(look.place.manual, look.status, look.now)}
    found = []
    for tag, line in _newest(look.period).items():
        run = look.period.runs.get(word(line, "run"))
        tolerance, own = _tolerance(tag, word(line, "unit"), library.sheet(run.site if run else ""))
        source = _("of the sheet") if own else _("DEFAULT, NOT YOUR SITE")
        text = _("{tag}: read by hand and measured agree within {tolerance} ({source})").format(
            tag=tag, tolerance=number_shown(tolerance), source=source
        )
        by_hand = f"{number_shown(word(line, 'value'))} {word(line, 'unit')}"
        read_s = elapsed(line, look.now.wall_s, look.now.up_s, look.now.boot_id)
        row = live.get(tag)
        if row is None:
            found.append(Condition(text, None, _("handwheel has no value of it")))
            continue
        why = _("by hand {manual} {age}, measured {value} {value_age}").format(
            manual=by_hand, age=_old(read_s), value=number_shown(row.value), value_age=_old(row.age_s)
        )
        if look.place.stick:
            found.append(Condition(text, None, why + "; " + _("nothing on a stick is live")))
            continue
        new = read_s is not None and read_s <= COMPARED_S and row.age_s is not None and row.age_s <= FRESH_S
        found.append(Condition(text, _agree(line, row.value, tolerance) if new and row.quality in GOOD else None, why))
    return found


def _newest(period: Period) -> dict[str, Line]:
    """The newest reading of each tag that was not taken back."""
    return {word(line, "tag"): line for line in period.entries
            if line["kind"] == "reading" and line.get("tag") and line.mark not in period.undone}  # fmt: skip


def _tolerance(tag: str, unit: str, sheet: Sheet) -> tuple[str, bool]:
    """How far manual and live may differ: the row back_tolerance_p03_3 beside the row tag_p03_3, else 5 %."""
    for name, value in sheet.values.items():
        if not name.startswith("tag_") or value != tag:
            continue
        own = "back_tolerance_" + name[4:]
        row = sheet.values.get(own, sheet.values.get(own.partition(" [")[0], ""))
        if row and decimal_of(row.split()[0]) is not None and row.split()[1:] in ([unit], ["%"]):
            return row, True
    return DEFAULT, False


def _agree(line: Line, live: str, tolerance: str) -> bool | None:
    """Whether two values of one unit agree; None where they cannot be compared."""
    number, _space, unit = live.partition(" ")
    manual, measured = decimal_of(str(line.get("value"))), decimal_of(number)
    if manual is None or measured is None or unit.strip() != line.get("unit"):
        return None
    allowed = decimal_of(tolerance.split(maxsplit=1)[0]) or Decimal(0)
    if tolerance.endswith("%"):
        allowed = allowed * max(abs(manual), abs(measured)) / 100
    return abs(manual - measured) <= allowed


def _old(seconds: float | None) -> str:
    return "(" + (_("age unknown") if seconds is None else _("{age} ago").format(age=age_text(seconds))) + ")"
