"""Turns model results into assessments, own alerts and verdicts: the only place where our model speaks.

    scoring.py     what the models say now, each minute, beside the vendor's claims
    window.py      the last hours of all that the models read, kept from one minute to the next
    freshness.py   whether what was judged last still is of now
    own_alerts.py  the life of own alerts, and their words
    reservations.py  what the ledger says against a model's word: inputs that drifted, work that nobody confirmed
    evidence.py    of what an assessment was made, for its entry

It only reads: what belongs into ledger and hot file is handed back, and only changes become ledger entries. Missing or
bad input gives `unknown`, shown as such, and never an alert.
"""

from monitor.judge.scoring import Judge, Look, ScoreResult, score

__all__ = ["Judge", "Look", "ScoreResult", "score"]
