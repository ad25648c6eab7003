"""A review of a period on what the ledger holds, with all that a reader needs to judge it."""

import dataclasses
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.ledger import head
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
    upto_n: int  # the last entry of the ledger that was read
    whole: int  # assets whose parameters are frozen together; result.assets of them were looked at
    imported: tuple[int, int]  # of the jobs and of the findings that count, how many came by import
    late: "pd.DataFrame"  # findings imported after the freeze for a time before it: they do not count


def answer(
    state: State,
    settings: Settings,
    start_us: int,
    end_us: int,
    vendor: str | None = None,
    *,
    only: Collection[str] | None = None,
    upto_n: int | None = None,
    tell: Tell = silent,
) -> Answer:
    """Run the review over [start_us, end_us) on what the ledger holds, with the parameters as configured now.

    Of the assets under review only those in `only` are looked at, of the ledger only the entries up to `upto_n`.
    """
    from models.bias.review import review
    from monitor.records import tables

    upto_n = head(state)[0] if upto_n is None else upto_n
    recorded = tables(state, upto_n=upto_n, tell=tell)
    chosen = parameters(settings, recorded, vendor)
    freeze_, found = frozen(state, chosen, upto_n), recorded["finding"]
    sha256, whole = sha256_of(chosen), len(chosen.assets)
    if only is not None:
        chosen = dataclasses.replace(chosen, assets=tuple(pair for pair in chosen.assets if pair[0] in only))
    is_late = (found["via"] == IMPORTED) & (found["n"] > freeze_.n) & (found["at_us"] < (freeze_.at_us or 0))
    recorded["finding"] = found[~is_late]
    result = review(recorded, chosen, (start_us, end_us))
    late = found[is_late & (found["at_us"] >= start_us) & (found["at_us"] < end_us)]
    return Answer(
        result, chosen, rates(settings, vendor), freeze_, sha256, settings.currency, upto_n, whole,
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
        "vendor": told.parameters.vendor,
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
