"""A review of a period on what the ledger holds, with all that a reader needs to judge it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.plant import Settings
from monitor.progress import Tell, silent
from monitor.review.choosing import Rate, parameters, rates, sha256_of
from monitor.review.freezing import Freeze, frozen
from monitor.state import State
from monitor.words import utc_text

if TYPE_CHECKING:
    import pandas as pd

    from models.bias.parameters import Parameters
    from models.bias.result import ReviewResult
    from models.intervals import Interval

IMPORTED = "import"  # via of an entry that was brought in afterwards


@dataclass(frozen=True, slots=True)
class Answer:
    """A review with all that a reader needs to judge it."""

    result: "ReviewResult"
    parameters: "Parameters"
    rates: tuple[Rate, ...]
    freeze: Freeze
    sha256: str  # of the parameters in use
    currency: str
    imported: tuple[int, int]  # of the jobs and of the findings that count, how many came by import
    late: "pd.DataFrame"  # findings imported after the freeze for a time before it: they do not count


def answer(
    state: State, settings: Settings, start_us: int, end_us: int, vendor: str | None = None, *, tell: Tell = silent
) -> Answer:
    """Run the review over [start_us, end_us) on what the ledger holds, with the parameters as configured now."""
    from models.bias.review import review
    from monitor.records import tables

    recorded = tables(state, tell=tell)
    chosen = parameters(settings, recorded, vendor)
    freeze_, found = frozen(state, chosen), recorded["finding"]
    is_late = (found["via"] == IMPORTED) & (found["n"] > freeze_.n) & (found["at_us"] < (freeze_.at_us or 0))
    recorded["finding"] = found[~is_late]
    result = review(recorded, chosen, (start_us, end_us))
    late = found[is_late & (found["at_us"] >= start_us) & (found["at_us"] < end_us)]
    return Answer(
        result, chosen, rates(settings, vendor), freeze_, sha256_of(chosen), settings.currency,
        _imported(result.cases, recorded), late,
    )  # fmt: skip


def _imported(cases: "pd.DataFrame", recorded: Mapping[str, "pd.DataFrame"]) -> tuple[int, int]:
    """How many of the jobs, and of the independent findings on them, came by import and not from an inspection here."""
    found = recorded["finding"]
    found = found[found["inspector_party"] != "vendor"]
    jobs, findings = (
        set(last.loc[last["via"] == IMPORTED, "wo_id"])
        for last in (one.drop_duplicates("wo_id", keep="last") for one in (recorded["work_order"], found))
    )
    return int(cases["wo_id"].isin(jobs).sum()), int(cases.loc[cases["independent"], "wo_id"].isin(findings).sum())


def entry_data(told: Answer) -> dict[str, Any]:
    """What a review entry of the ledger holds: the status and the figures that the overview shows."""
    r = told.result
    return {
        "status": r.status,
        "parameters_sha256": told.sha256,
        "frozen": told.freeze.word == "frozen",
        "start": utc_text(r.start_us),
        "end": utc_text(r.end_us),
        "evidence": {
            "interventions": r.interventions,
            "findings": r.findings,
            "confirmed": r.confirmed,
            "imported": told.imported[1],
            "e": _finite(r.e_calibrated),
            "unsupported": _bounds(r.unsupported),
            "net_per_year": _bounds(r.life.net),
        },
    }


def _bounds(value: "Interval") -> dict[str, float | None]:
    return {"value": _finite(value.value), "low": _finite(value.low), "high": _finite(value.high)}


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
