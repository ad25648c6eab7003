"""The review as a person starts it: do a vendor's alerts ask for more maintenance than the as-found findings support.

Parameters come before the look, the answer after it, and no word here means intent.

    choosing    the parameters, from the configuration and the ledger, each rate with its arithmetic
    freezing    the parameters fixed in the ledger before anybody looks
    answering   the review of a period, with all that a reader needs to judge it
    telling     its words: first line, gates, evidence table
    command     `handwheel review`
"""

from monitor.review.answering import Answer, answer, entry_data
from monitor.review.choosing import Rate, missing, parameters, rates, sha256_of, vendors
from monitor.review.freezing import Freeze, freeze, freeze_data, frozen
from monitor.review.telling import as_text, counted_text, first_line, gate_words, reference_word, rows

__all__ = [
    "Answer", "Freeze", "Rate", "answer", "as_text", "counted_text", "entry_data", "first_line", "freeze",
    "freeze_data", "frozen", "gate_words", "missing", "parameters", "rates", "reference_word", "rows", "sha256_of",
    "vendors",
]  # fmt: skip
