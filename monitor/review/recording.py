"""A review as the ledger keeps it: for the screen, and so that everybody sees when somebody looked."""

import math
from typing import TYPE_CHECKING, Any

from monitor.plant import Settings
from monitor.review.answering import Answer
from monitor.review.asking import asked_before
from monitor.review.choosing import called
from monitor.review.table import rows
from monitor.review.telling import contest_share, first_line, gate_words
from monitor.state import State
from monitor.words import utc_text

if TYPE_CHECKING:
    from models.bias.result import ReviewResult
    from models.intervals import Interval

POINTS = 120  # of the e path, for a sparkline


def entry_data(told: Answer) -> dict[str, Any]:
    """What a review entry of the ledger holds: the status, why, the figures and the table as it was shown.

    `path` is [[UTC us, e], ...]: the last e-value of each of POINTS stretches of findings, oldest first; `rows` are
    pairs in the language of the utility. `contested` is None, or the same in short with contested findings counted as
    confirmed. `narrowed` is None, or [assets looked at, assets under review], and `part` its kind and names; `question`
    is [which, of how many], `another` whether it was of another period than the frozen one.
    """
    r = told.result
    return {
        "status": r.status,
        "gate": r.gate,
        "gate_words": gate_words(r, len(told.late)),
        "vendor": told.parameters.vendor,
        "parameters_sha256": told.sha256,
        "frozen": told.freeze.word == "frozen",
        "freeze": told.freeze.word,
        "first_line": first_line(told),
        "narrowed": [r.assets, told.whole] if told.narrowed else None,
        "part": list(told.narrowed.part) if told.narrowed else None,
        "another": told.another,
        "question": list(told.questions),
        "start": utc_text(r.start_us),
        "end": utc_text(r.end_us),
        "evidence": {**_evidence(r), "imported": told.imported[1], "late": len(told.late)},
        "contested": None if told.contested is None else {
            "count": len(told.counted), "of": contest_share(told)[1], "late": len(told.counted_late),
            "status": told.contested.status, "gate_words": gate_words(told.contested, len(told.late)),
            "evidence": _evidence(told.contested),
        },
        "path": _path(r),
        "rows": [list(pair) for pair in rows(told)],
    }  # fmt: skip


def looked(state: State, settings: Settings, told: Answer, now_us: int) -> str:
    """Enter the first review that asks this question; returns why it could not be, "" otherwise.

    The question is parameters, vendor, start and part together. Whoever freezes other parameters later is known to have
    seen this one. Later looks change nothing, for an e-value may be looked at every day.
    """
    from drivers.errors import UserError
    from monitor.ledger.through import enter

    if told.question in asked_before(state, called(settings, told.parameters.vendor)):
        return ""
    try:
        enter(state, settings, "review", entry_data(told), now_us)
    except UserError as fault:
        return str(fault)
    except OSError as fault:  # who may only read may look all the same
        return f"{state.root}: {fault.strerror}"
    return ""


def _evidence(r: "ReviewResult") -> dict[str, Any]:
    return {
        "interventions": r.interventions,
        "findings": r.findings,
        "confirmed": r.confirmed,
        "e": finite(r.e_calibrated),
        "e_protective": finite(r.e_protective),
        "early": r.early,
        "standing": r.standing,
        "leaves_the_house": r.leaves_the_house,
        "upper_bound": finite(r.upper_bound),
        "unsupported": bounds(r.unsupported),
        "net_per_year": bounds(r.life.net),
        "waste_per_year": bounds(r.life.waste),
        "money_per_year": bounds(r.life.money),
    }


def _path(r: "ReviewResult") -> list[list[float]]:
    last = len(r.path.e) - 1
    kept = sorted({round(last * step / (POINTS - 1)) for step in range(POINTS)}) if last >= 0 else []
    return [[int(r.path_us[at]), float(f"{r.path.e[at]:.6g}")] for at in kept]


def bounds(value: "Interval") -> dict[str, float | None]:
    """An estimate with its 90 % interval; None where there is none."""
    return {"value": finite(value.value), "low": finite(value.low), "high": finite(value.high)}


def finite(value: float) -> float | None:
    """Six decimals; None for what is no number."""
    return round(value, 6) if math.isfinite(value) else None
