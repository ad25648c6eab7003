"""Who decides, counted so that no count points at a person.

A role stands apart only where five positions are behind it. A rest of one role, or of fewer than five positions, would
be found by subtraction: then the smallest role that could stand apart is summed with it.
"""

from collections import Counter
from collections.abc import Mapping

from monitor.labels import choice_word, role_word
from monitor.reports.comparison.caveats import caveat
from monitor.reports.comparison.look import Look
from monitor.reports.document import Block, Cell, Paragraph, Table
from monitor.words import _, share_text

FEWEST = 5  # positions behind a count


def apart(counts: Mapping[str, int], positions: Mapping[str, int]) -> frozenset[str]:
    """The roles whose counts may stand apart.

    >>> sorted(apart({"operator": 9, "engineer": 2}, {"operator": 12, "engineer": 5}))
    ['engineer', 'operator']
    >>> apart({"operator": 9, "engineer": 2}, {"operator": 12, "engineer": 4})
    frozenset()
    """
    shown = {role for role in counts if positions.get(role, 0) >= FEWEST}
    while shown and (hidden := counts.keys() - shown):
        if sum(positions.get(role, 0) for role in hidden) >= FEWEST:
            break
        shown.discard(min(shown, key=lambda role: (positions[role], role)))
    return frozenset(shown)


def shown_roles(look: Look) -> frozenset[str]:
    """The roles that may stand apart among the decisions of the period."""
    roles = Counter(str(one["role"]) for one in look.records["decision"] if one["role"])
    return apart(roles, look.settings.positions)


def people(look: Look) -> tuple[Block, ...]:
    decisions = look.records["decision"]
    shown = shown_roles(look)
    choices = look.told.result.decisions
    total = sum(choices.values())
    decided: tuple[tuple[Cell, ...], ...] = tuple(
        (choice_word(choice) if choice != "none" else _("undecided"), share_text(count, total))
        for choice, count in choices.items()
    )
    by_role = Counter(role if role in shown else "" for role in (str(one["role"]) for one in decisions))
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (role_word(role) if role else _("fewer than five positions: summed"), n) for role, n in sorted(by_role.items())
    )
    held: tuple[tuple[Cell, ...], ...] = tuple(
        (role_word(role), ", ".join(may)) for role, may in look.settings.rights.items()
    )
    kept: tuple[tuple[Cell, ...], ...] = (
        (_("decisions, findings, work orders"), _("role, never a person; in the ledger, for good"),
         _("who may read this computer's files; in reports as counts")),
        (_("what a vendor wrote"), _("as it came; words may be erased, by rule or by hand"), _("the same")),
        (_("log of who was let in"), _("apart from the ledger; read by two roles together only"),
         _("two roles that hold the right security")),
    )  # fmt: skip
    return (
        Table("choices", (_("decision on a vendor alert"), _("count")), decided),
        Table("decisions_by_role", (_("decided by"), _("decisions")), rows),
        Table("overridden", (_("how often people went their own way"), _("count")), _overridden(look)),
        Table("rights", (_("role"), _("may")), held),
        Table("kept", (_("what is stored"), _("how, how long"), _("who can see it")), kept),
        Paragraph(_retention(look)),
        Paragraph(caveat("lot"), "note"),
        Paragraph(_("Roles decide and are recorded, we record no person. No response times, no ranking, no count per"
                    " team. No individual performance data is kept.")),
    )  # fmt: skip


def _retention(look: Look) -> str:
    rules = [f"{kind} {days} d" for kind, days in sorted(look.settings.retention.items())]
    if not rules:
        return _("No words leave by rule ([retention] is empty); by hand: handwheel ledger erase.")
    return _("Words leave by rule after: {rules}.").format(rules=", ".join(rules))


def _overridden(look: Look) -> tuple[tuple[Cell, ...], ...]:
    """Decisions against the vendor, against our own model, and those that were changed later."""
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    for one in look.records["decision"]:
        first.setdefault(one["alert_id"], one["choice"])
        last[one["alert_id"]] = one["choice"]
    changed = sum(1 for alert, choice in last.items() if first[alert] != choice)
    against = sum(1 for choice in last.values() if choice in ("reject", "defer"))
    done = look.told.result.cases
    told = done[done["own_known"].astype(bool)]
    silent = int((~told["own_standing"].astype(bool)).sum())
    on_jobs = (
        share_text(silent, len(told)) if len(told) else _("cannot tell: of none could our own model tell anything")
    )
    return (
        (_("alerts that were deferred or rejected"), share_text(against, len(last))),
        (_("jobs done although our own model was silent, of those of which it could tell"), on_jobs),
        (_("alerts on which a later decision differs from the first"), share_text(changed, len(last))),
    )
