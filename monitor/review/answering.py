"""A review of a period on what the ledger holds, with all that a reader needs to judge it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.ledger import head
from monitor.plant import Settings
from monitor.progress import Tell, silent
from monitor.review.afterwards import IMPORTED, Turn, afterwards
from monitor.review.choosing import Rate, called, parameters, rates, sha256_of
from monitor.review.contests import Contested, contested, followed
from monitor.review.freezing import Freeze, freezes, frozen
from monitor.review.narrowing import Narrowed, held_back, narrow
from monitor.state import State

if TYPE_CHECKING:
    import pandas as pd

    from models.bias.parameters import Parameters
    from models.bias.result import ReviewResult


@dataclass(frozen=True, slots=True)
class Answer:
    """A review with all that a reader needs to judge it."""

    result: "ReviewResult"
    parameters: "Parameters"  # with the assets that were looked at
    rates: tuple[Rate, ...]
    freeze: Freeze
    sha256: str  # of the parameters in use, with all assets under review; as they were frozen, where they were
    currency: str
    upto_n: int  # the last entry of the ledger that was read
    whole: int  # assets whose parameters are frozen together; result.assets of them were looked at
    failures_source: str  # where the failure references come from, in words
    imported: tuple[int, int]  # of the jobs and of the findings that count, how many came by import
    late: "pd.DataFrame"  # findings imported after the freeze for a time before it: they do not count
    turns: tuple[Turn, ...]  # findings of the period that were corrected or withdrawn after the freeze
    held_back: frozenset[int]  # entries of such changes that do not count
    narrowed: Narrowed | None  # which part was looked at; None: all that is under review
    contest: Contested  # what the vendor contests, of this review or not
    counted: frozenset[int]  # findings of this review that are contested, by entry
    counted_late: frozenset[int]  # of these, contested after the 30 days
    contested: "ReviewResult | None"  # with these counted as confirmed; None where there are none


def answer(
    state: State,
    settings: Settings,
    start_us: int,
    end_us: int,
    vendor: str | None = None,
    *,
    sites: Collection[str] = (),
    assets: Collection[str] = (),
    upto_n: int | None = None,
    tell: Tell = silent,
) -> Answer:
    """Run the review over [start_us, end_us) on what the ledger holds, with the parameters as configured now.

    With `sites` or `assets` it is narrowed to these, and judged among all of their kind. Of the ledger only the
    entries up to `upto_n` are read.
    """
    from models.bias.review import review
    from monitor.records import tables

    vendor, upto_n = called(settings, vendor)[0], head(state)[0] if upto_n is None else upto_n
    recorded, period = tables(state, upto_n=upto_n, tell=tell), (start_us, end_us)
    made = freezes(state, settings, vendor, upto_n)
    every = parameters(settings, recorded, vendor, made[-1].n if made else None)
    chosen, narrowed = narrow(every, sites, assets)
    freeze_, found = frozen(state, settings, every, period, upto_n), recorded["finding"]
    after = afterwards(found, freeze_.n, freeze_.at_us)
    recorded["finding"] = found[~found["n"].isin(list(after.late | after.held_back))]

    def reviewed(as_confirmed: Collection[int] = ()) -> "ReviewResult":
        part = review(recorded, chosen, period, as_confirmed)
        if narrowed is None:
            return part
        return held_back(part, review(recorded, every, period, as_confirmed), every, narrowed)

    result = reviewed()
    told = contested(state, vendor, upto_n)
    contests = followed(told.reasons, recorded["finding"])
    counted = frozenset(contests) & set(result.cases.loc[result.cases["independent"], "finding_n"])
    kept = {asset for asset, _site in chosen.assets}
    late = found[found["n"].isin(list(after.late)) & found["asset"].isin(list(kept))]
    return Answer(
        result=result,
        parameters=chosen,
        rates=tuple(one for one in rates(settings, vendor) if one.asset in kept),
        freeze=freeze_,
        sha256=freeze_.sha256 if freeze_.word == "frozen" else sha256_of(every),
        currency=settings.currency,
        upto_n=upto_n,
        whole=len(every.assets),
        failures_source=settings.review.failures_source,
        imported=_imported(result.cases, recorded),
        late=late[(late["at_us"] >= start_us) & (late["at_us"] < end_us)],
        turns=tuple(one for one in after.turns if one.asset in kept and start_us <= one.at_us < end_us),
        held_back=after.held_back,
        narrowed=narrowed,
        contest=told,
        counted=counted,
        counted_late=frozenset(n for n in counted if contests[n] in told.late),
        contested=reviewed(counted) if counted else None,
    )


def _imported(cases: "pd.DataFrame", recorded: Mapping[str, "pd.DataFrame"]) -> tuple[int, int]:
    """How many of the jobs, and of the independent findings on them, came by import and not from an inspection here."""
    found = recorded["finding"]
    found = found[found["inspector_party"] != "vendor"]
    jobs, findings = (
        set(last.loc[last["via"] == IMPORTED, "wo_id"])
        for last in (one.drop_duplicates("wo_id", keep="last") for one in (recorded["work_order"], found))
    )
    return int(cases["wo_id"].isin(jobs).sum()), int(cases.loc[cases["independent"], "wo_id"].isin(findings).sum())
