"""A review of a period on what the ledger holds, with all that a reader needs to judge it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.errors import UserError
from monitor.ledger import head
from monitor.plant import Settings
from monitor.progress import Tell, silent
from monitor.review.afterwards import IMPORTED, Turn, afterwards
from monitor.review.asking import Question, asked_before, first_us, fixed_us, frozen_us, only_a_look
from monitor.review.belonging import is_received
from monitor.review.choosing import Rate, called, failures_source, parameters, rates, sha256_of
from monitor.review.contests import Contested, contested, followed
from monitor.review.freezing import Freeze, freezes, frozen, in_order
from monitor.review.narrowing import Narrowed, held_back, narrow, unfrozen
from monitor.state import State
from monitor.words import utc_text

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
    failures_source: str | None  # where the utility's own failure references come from; None: they are the study's
    imported: tuple[int, int]  # of the jobs and of the findings that count, how many came by import
    alerts_from: tuple[int, int]  # alerts of the period: received with their message, brought in by the utility
    late: "pd.DataFrame"  # findings imported after the freeze for a time before it: they do not count
    turns: tuple[Turn, ...]  # findings of the period that were corrected or withdrawn after the freeze
    held_back: frozenset[int]  # entries of such changes that do not count
    before: int  # of the findings that count, how many stood in the ledger before the freeze
    narrowed: Narrowed | None  # which part was looked at; None: all that is under review
    another: bool  # another start than the frozen one, or an earlier end than now: a look, not the answer
    ahead_us: int | None  # the end that was asked for, where it lies ahead
    question: Question
    questions: tuple[int, int]  # which of how many different ones this is, that were asked of these records so far
    contest: Contested  # what the vendor contests, of this review or not
    counted: frozenset[int]  # findings of this review that are contested, by entry
    counted_late: frozenset[int]  # of these, contested after the 30 days
    contested: "ReviewResult | None"  # with these counted as confirmed; None where there are none


def answer(
    state: State,
    settings: Settings,
    start_us: int | None,
    end_us: int,
    vendor: str | None = None,
    *,
    sites: Collection[str] = (),
    assets: Collection[str] = (),
    upto_n: int | None = None,
    now_us: int | None = None,
    tell: Tell = silent,
) -> Answer:
    """Run the review over [start_us, end_us) on what the ledger holds, with the parameters as configured now.

    Without `start_us` it begins where it was fixed (asking.fixed_us). It ends at `now_us` (None: `end_us`) at the
    latest: of time that has not been there is nothing to say. Another start than the frozen one, or an earlier end than
    now, is no more than a look.
    With `sites` or `assets` it is narrowed to these, and judged among all of their kind. Of the ledger only the
    entries up to `upto_n` are read.
    """
    from models.bias.review import review
    from monitor.records import tables

    names, again = called(settings, vendor), upto_n is not None
    vendor, upto_n = names[0], head(state)[0] if upto_n is None else upto_n
    recorded, made = tables(state, upto_n=upto_n, tell=tell), freezes(state, settings, vendor, upto_n)
    last, asked_us, now_us = made[-1] if made else None, end_us, end_us if now_us is None else now_us
    end_us = min(end_us, now_us)
    fixed = fixed_us(settings, last)
    if start_us is None:
        start_us = first_us(end_us) if fixed is None else fixed
    if start_us >= end_us:
        day = utc_text(start_us)[:10]
        raise UserError(f"review: its period begins on {day}, which is not before its end; wait, or give --from")
    period = (start_us, end_us)
    every = parameters(settings, recorded, vendor, last.n if last else None, start_us if fixed is None else fixed)
    known_us = now_us if not again else min(now_us, _known_us(recorded))
    another = start_us != every.start_us or (last is not None and (start_us != frozen_us(last) or end_us < known_us))
    chosen, narrowed = narrow(every, sites, assets)
    freeze_, found = frozen(state, settings, every, period, upto_n), recorded["finding"]
    after = afterwards(found, freeze_.n, freeze_.at_us)
    recorded["finding"] = found[~found["n"].isin(list(after.late | after.held_back))]

    def reviewed(as_confirmed: Collection[int] = ()) -> "ReviewResult":
        part = review(recorded, chosen, period, as_confirmed)
        if narrowed is not None:
            part = held_back(part, review(recorded, every, period, as_confirmed), every, narrowed)
        if freeze_.word != "frozen":
            return unfrozen(part)
        return only_a_look(part) if another else part

    result = reviewed()
    told = contested(state, vendor, upto_n)
    contests = followed(told.reasons, recorded["finding"])
    counted = frozenset(contests) & set(result.cases.loc[result.cases["independent"], "finding_n"])
    kept = {asset for asset, _site in chosen.assets}
    late = found[found["n"].isin(list(after.late)) & found["asset"].isin(list(kept))]
    sha256 = freeze_.sha256 if freeze_.word == "frozen" else sha256_of(every)
    question = (sha256, vendor, utc_text(start_us), narrowed.part if narrowed else ())
    questions = asked_before(state, names, upto_n)
    number = questions.index(question) if question in questions else len(questions)
    return Answer(
        result=result,
        parameters=chosen,
        rates=tuple(one for one in rates(settings, vendor, recorded) if one.asset in kept),
        freeze=in_order(freeze_, recorded),
        sha256=sha256,
        currency=settings.currency,
        upto_n=upto_n,
        whole=len(every.assets),
        failures_source=failures_source(settings),
        imported=_imported(result.cases, recorded),
        alerts_from=_alerts_from(recorded["vendor_alert"], chosen, period),
        late=late[(late["at_us"] >= start_us) & (late["at_us"] < end_us)],
        turns=tuple(one for one in after.turns if one.asset in kept and start_us <= one.at_us < end_us),
        held_back=after.held_back,
        before=_before(result.cases, freeze_),
        narrowed=narrowed,
        another=another,
        ahead_us=asked_us if asked_us > end_us else None,
        question=question,
        questions=(number + 1, max(len(questions), number + 1)),
        contest=told,
        counted=counted,
        counted_late=frozenset(n for n in counted if contests[n] in told.late),
        contested=reviewed(counted) if counted else None,
    )


def _known_us(recorded: Mapping[str, "pd.DataFrame"]) -> int:
    """The latest moment at which an entry was made; what was imported has its own date. [us]"""
    return max((int(one.loc[one["via"] != IMPORTED, "at_us"].max()) for one in recorded.values()
                if (one["via"] != IMPORTED).any()), default=0)  # fmt: skip


def _before(cases: "pd.DataFrame", freeze_: Freeze) -> int:
    if freeze_.word == "unfrozen":
        return 0
    return int((cases.loc[cases["independent"], "finding_n"] <= freeze_.n).sum())


def _alerts_from(alerts: "pd.DataFrame", chosen: "Parameters", period: tuple[int, int]) -> tuple[int, int]:
    """How many of the alerts that count came by a feed with their message, and how many the utility brought in."""
    mine = alerts[alerts["asset"].isin([asset for asset, _site in chosen.assets])]
    mine = mine[(mine["at_us"] >= period[0]) & (mine["at_us"] < period[1])]
    if chosen.vendor is not None:
        mine = mine[mine["vendor"] == chosen.vendor]
    came = [is_received(*one) for one in zip(mine["via"], mine["raw_sha256"], strict=True)]
    return sum(came), len(came) - sum(came)


def _imported(cases: "pd.DataFrame", recorded: Mapping[str, "pd.DataFrame"]) -> tuple[int, int]:
    """How many of the jobs, and of the independent findings on them, came by import and not from an inspection here."""
    found = recorded["finding"]
    found = found[found["inspector_party"] != "vendor"]
    jobs, findings = (
        set(last.loc[last["via"] == IMPORTED, "wo_id"])
        for last in (one.drop_duplicates("wo_id", keep="last") for one in (recorded["work_order"], found))
    )
    return int(cases["wo_id"].isin(jobs).sum()), int(cases.loc[cases["independent"], "wo_id"].isin(findings).sum())
