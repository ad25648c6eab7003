"""Who decides and how often, counted so that no count points at a person."""

from monitor.labels import choice_word, role_word
from monitor.reports.comparison.look import Look
from monitor.reports.document import Block, Cell, Paragraph, Table
from monitor.words import _, share_text


def rights(look: Look) -> tuple[Block, ...]:
    settings, told = look.settings, look.told
    choices = told.result.decisions
    total = sum(choices.values())
    decided: tuple[tuple[Cell, ...], ...] = tuple(
        (choice_word(choice) if choice != "none" else _("undecided"), share_text(count, total))
        for choice, count in choices.items()
    )
    held: tuple[tuple[Cell, ...], ...] = tuple(
        (role_word(role), ", ".join(may)) for role, may in settings.rights.items()
    )
    words = _(
        "Roles decide and are recorded, we record no person. What a vendor writes may name somebody and can be erased:"
        " handwheel ledger erase. No response times, no counts per role or team: with fewer than five positions behind"
        " it a count points at a person. No individual performance data is kept."
    )
    return (
        Table("decisions", (_("decision on a vendor alert"), _("count")), decided),
        Table("rights", (_("role"), _("may")), held),
        Paragraph(words),
    )
