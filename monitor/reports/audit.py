"""A drift audit on paper: the result first, each check with its value, its line and what it rests on, a sign-off."""

from typing import TYPE_CHECKING

from monitor.labels import role_word
from monitor.reports.document import Block, Cell, Document, Numbers, Paragraph, Section, Signatures, Table
from monitor.words import _, clean, language, local_text

if TYPE_CHECKING:
    from monitor.audit import Audit, Check

ORDER = ("FAIL", "WARN", "CANNOT TELL", "PASS")


def build(audit: "Audit", ledger: str) -> Document:
    """The document of one finished audit; `ledger` says its count and head (document.ledger_text)."""
    counts = {word: sum(1 for check in audit.checks if check.word == word) for word in ORDER}
    boxes = tuple((word, str(count), _("of {n} checks").format(n=len(audit.checks))) for word, count in counts.items())
    open_ = [check for check in audit.checks if check.word != "PASS"]
    answer: list[Block] = [Paragraph(_("Result: {word}").format(word=audit.word)), Numbers(boxes)]
    if open_:
        words = _("To do: each line below that is not PASS needs a person; CANNOT TELL is never a pass.")
        answer.append(Paragraph(words, "note"))
    answer.append(_table("open", open_))
    return Document(
        title=_("Drift audit"),
        subtitle=audit.utility,
        meta=(
            (_("audit"), audit.audit_id),
            (_("made at"), local_text(audit.at_us)),
            (_("ledger"), ledger),
            (_("made again by"), "handwheel audit run"),
        ),
        sections=(
            Section(_("Result"), tuple(answer)),
            Section(_("All checks"), (_table("checks", sorted(audit.checks, key=lambda one: ORDER.index(one.word))),)),
            Section(
                _("Sign-off"),
                (
                    Paragraph(_("Open actions, by role and date:")),
                    Signatures((_("action"), _("action"), role_word("engineer"), role_word("shift_lead"))),
                ),
            ),
        ),
        simulated=audit.simulated,
        language=language(),
    )


def _table(name: str, checks: "list[Check]") -> Table:
    rows: list[tuple[Cell, ...]] = [
        (one.word, clean(one.name, 40), clean(one.subject, 40), one.value, one.threshold, one.n, clean(one.words))
        for one in checks
    ]
    heads = (_("word"), _("check"), _("subject"), _("value"), _("line"), "n", _("in words"))
    return Table(name, heads, tuple(rows), _("line: where WARN begins; n: what the answer rests on"))
