"""The review as a person starts it: do a vendor's alerts ask for more maintenance than the as-found findings support.

Parameters come before the look, the answer after it, and no word here means intent.

    choosing    the parameters, from the configuration and the ledger, each rate with its arithmetic
    pricing     what a part costs, and which recorded costs are not used and why
    freezing    the parameters fixed in the ledger before anybody looks, and what changed since
    narrowing   some of the assets, judged among all
    asking      its one period, and how many different questions were asked of the same records
    contests    what vendors contest, as the ledger has it
    afterwards  what was entered about findings after the freeze, and whether it counts
    belonging   which records are a vendor's, and the references by which it knows them
    answering   the review of a period, with all that a reader needs to judge it
    table       the evidence table, row by row
    telling     its words: first line, gates, the whole as text
    showing     the parameters in words, before and after they are frozen
    recording   a review as the ledger and the screen have it
    sheets      a review as JSON and CSV
    packing     the folder with which a vendor can reply
    replying    the reply that comes back
    command     `handwheel review`
"""

from monitor.review.afterwards import Turn
from monitor.review.answering import Answer, answer
from monitor.review.choosing import Rate, missing, n_max, parameters, rates, sha256_of, split_visits, vendors
from monitor.review.contests import Contested, contested
from monitor.review.freezing import Change, Freeze, freeze, freeze_data, frozen, to_freeze
from monitor.review.recording import entry_data, looked
from monitor.review.showing import split_words
from monitor.review.table import Row, beside, counted_text, credit_text, rates_source_word, reference_word, rows, table
from monitor.review.telling import (
    as_text,
    caution_words,
    contested_rows,
    first_line,
    gate_words,
    opening,
    question_words,
    status_words,
)

__all__ = [
    "Answer", "Change", "Contested", "Freeze", "Rate", "Row", "Turn", "answer", "as_text", "beside",
    "caution_words", "contested", "contested_rows", "counted_text", "credit_text", "entry_data", "first_line",
    "freeze", "freeze_data", "frozen", "gate_words", "looked", "missing", "n_max", "opening",
    "parameters", "question_words", "rates", "rates_source_word", "reference_word", "rows", "sha256_of",
    "split_visits", "split_words", "status_words", "table", "to_freeze", "vendors",
]  # fmt: skip
