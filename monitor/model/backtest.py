"""How a model would have done on the utility's own past: walked row by row, judged by what the ledger says was found.

The truth is the ledger's failures and findings of grade D or E; an own episode that none of them follows counts as
false, also where nobody ever looked, so the rate of false ones is an upper bound. One that still stands, or after which
the horizon has not passed, is undecided: not false yet, but the upper bound counts it. The window that was learned
counts nowhere: there the model knows the answer.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import tzinfo
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from models.health import HealthModel
from models.health.life_cycle import Episode, episodes
from models.health.walk import Walk, walk
from models.intervals import Interval, rate_interval, share_interval
from monitor.beside import well_columns
from monitor.historian.frames import wide
from monitor.learning import limits, of_today, rated
from monitor.ledger import Record, entries
from monitor.model.called import words_of
from monitor.model.fitting import window_us
from monitor.progress import Work
from monitor.state import State
from monitor.words import _, age_text, interval_text, local_text, number_text, share_text, utc_text

if TYPE_CHECKING:
    from monitor.plant import Asset, Settings

YEAR_US = 365.25 * 86_400e6
DAY_US = 86_400_000_000
KINDS = ("failure", "finding", "work_order")
WORN, SOUND = ("D", "E"), ("A", "B", "C")
SAME_DAYS = 14  # a failure and the finding on it are one event
PART_US = 31 * DAY_US  # history is read in such parts
DEFAULT_DAYS = 365
OUTSIDE = "outside the learned"  # in the reason of a row in which the model steps back


@dataclass(frozen=True, slots=True)
class Learned:
    """Whose past it is, and what a back-test must know of the model: digest, cadence [s], window [us, UTC]."""

    asset: str
    sha256: str
    every_s: float
    window_us: tuple[int, int]
    kind: str = "pump"


@dataclass(frozen=True, eq=False)
class Past:
    """What was said row by row; `good` marks the rows with any good value, `outside` those it stepped back from."""

    times: pd.DatetimeIndex
    words: np.ndarray
    features: tuple[str, ...]
    shares: np.ndarray
    good: np.ndarray
    unknown: np.ndarray
    outside: np.ndarray


@dataclass(frozen=True, slots=True)
class Truth:
    """What the ledger says happened: when a part was worn or failed, when one was found sound. UTC [us]"""

    worn_us: tuple[int, ...]
    sound_us: tuple[int, ...]
    work_orders: int


@dataclass(frozen=True, slots=True)
class Found:
    """How many of the events had an own episode before them, with the interval of that share."""

    found: int
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Raised:
    """One own episode of the past. UTC [us]; `end_us` is None while it stands."""

    start_us: int
    end_us: int | None
    top: str  # the quantity that contributed most
    followed_by: str  # event, sound, nothing, undecided


@dataclass(frozen=True, slots=True)
class Backtest:
    """What came of one asset's past. Shares are of the rows with good data outside the learned window."""

    asset: str
    model_sha256: str
    start_us: int
    end_us: int
    years: float  # with good data, outside the learned window
    episodes: int
    confirmed: int
    found_sound: int
    undecided: int
    false: Interval  # per pump-year; n: episodes that no event follows; to where all that are undecided are false
    found: Found
    unseen_events: int  # before which there were no good data
    lead_days: tuple[float, ...]  # of each event found
    work_orders: int
    unknown_share: float
    stepped_back_share: float
    raised: tuple[Raised, ...]
    kind: str = "pump"

    @property
    def lead_median_days(self) -> float | None:
        return median(self.lead_days) if self.lead_days else None

    @property
    def words(self) -> str:
        """The answer in one sentence."""
        told = {
            "pump": _(
                "{asset}: {false} false episodes per pump-year ({n} in {years} pump-years, {undecided} undecided),"
                " {found} events found,"
                " median lead {lead}, unknown {unknown} % of the time with good data"
            ),
            "meter": _(
                "{asset}: {false} false episodes per meter-year ({n} in {years} meter-years, {undecided} undecided),"
                " {found} events found,"
                " median lead {lead}, unknown {unknown} % of the time with good data"
            ),
        }
        return told[self.kind].format(
            asset=self.asset, false=interval_text(self.false.value, self.false.low, self.false.high), n=self.false.n,
            years=number_text(self.years, 2), found=share_text(self.found.found, self.found.n),
            lead=_days(self.lead_median_days), undecided=self.undecided,
            unknown=number_text(100 * self.unknown_share, 2),
        )  # fmt: skip

    def rows(self, zone: tzinfo) -> Iterator[tuple[str, str]]:
        """All of it, one thing a row."""
        yield _("from"), local_text(self.start_us, zone)
        yield _("to"), local_text(self.end_us, zone)
        years, false = {
            "pump": (_("pump-years with good data, without the learned window"), _("false episodes per pump-year")),
            "meter": (_("meter-years with good data, without the learned window"), _("false episodes per meter-year")),
        }[self.kind]
        yield years, number_text(self.years)
        yield _("own alert episodes"), str(self.episodes)
        yield _("of them followed by a failure or a finding D or E"), str(self.confirmed)
        yield _("of them followed by a finding A, B or C only"), str(self.found_sound)
        yield _("of them undecided: still open, or the horizon has not passed"), str(self.undecided)
        rest = self.episodes - self.confirmed - self.found_sound - self.undecided
        yield _("of them with nothing found, or nobody looked"), str(rest)
        yield false, interval_text(self.false.value, self.false.low, self.false.high)
        found = self.found
        share = found.found / found.n if found.n else None
        yield _("events found"), f"{found.found} / {found.n}; {interval_text(share, found.low, found.high)}"
        yield _("events without good data before them, not counted"), str(self.unseen_events)
        yield _("median lead"), _days(self.lead_median_days)
        yield _("work orders in the time"), str(self.work_orders)
        yield _("unknown, share of the rows with good data"), f"{number_text(100 * self.unknown_share)} %"
        yield _("of it stepped back: outside what was learned"), f"{number_text(100 * self.stepped_back_share)} %"

    def to_json(self) -> dict[str, Any]:
        """Plain values; times as UTC text."""
        told = asdict(self) | {"lead_median_days": self.lead_median_days, "false": asdict(self.false)}
        told[f"{told.pop('kind')}_years"] = told.pop("years")
        for name in ("start_us", "end_us"):
            told[name.removesuffix("_us")] = utc_text(told.pop(name))
        told["raised"] = [
            {"start": utc_text(one.start_us), "end": None if one.end_us is None else utc_text(one.end_us),
             "top": one.top, "followed_by": one.followed_by} for one in self.raised
        ]  # fmt: skip
        return told


def _days(days: float | None) -> str:
    return "-" if days is None else age_text(days * 86_400)


def past(
    state: State, settings: "Settings", asset: "Asset", model: HealthModel, span_us: tuple[int, int], work: Work
) -> tuple[pd.DataFrame, Walk]:  # fmt: skip
    """The values of one asset from the first in [start, end) [us, UTC] on, walked; each part adds 1 to `work`."""
    values, share = _read(state, settings, asset.id, model.every_s, span_us, work)
    first = int(values.notna().any(axis=1).to_numpy().argmax())
    beside = well_columns(settings, asset, lambda name: _read(state, settings, name, model.every_s, span_us, Work("")))
    values, share = values.iloc[first:], share.iloc[first:]
    today = replace(model, rated=of_today(model.rated, rated(settings, asset)))
    known = {name: column[first:] for name, column in beside.items()}
    return values, walk(today, values, share, limits(settings, asset), known)


def judged(
    state: State, settings: "Settings", asset: str, model: HealthModel, values: pd.DataFrame, walked: Walk
) -> Backtest:
    """A walked past held against the ledger."""
    start_us, end_us = (int(one) for one in walked.times.as_unit("us").asi8[[0, -1]])
    learned = Learned(asset, model.sha256, model.every_s, window_us(model))
    unknown = np.asarray(walked.word == "unknown")
    outside = np.array([OUTSIDE in str(why) for why in walked.why], bool)
    said = Past(walked.times, words_of(walked), walked.features, walked.shares, values.notna().any(axis=1).to_numpy(),
                unknown, outside)  # fmt: skip
    return compare(learned, said, told_of(state, asset, start_us, end_us), horizon_us(settings))


def told_of(state: State, asset: str, start_us: int, end_us: int) -> Truth:
    """What the ledger says of an asset from start to end [us, UTC]."""
    records = entries(state, KINDS, start_us, end_us) if state.ledger.is_file() else ()
    return truth(one for one in records if one.asset == asset)


def horizon_us(settings: "Settings") -> int:
    """How long before an event an episode may begin that found it. [us]"""
    return round(settings.review.horizon_days * DAY_US)


def _read(
    state: State, settings: "Settings", asset: str, every_s: float, span_us: tuple[int, int], work: Work
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The whole span, read a month at a time, so that whoever waits sees how far it is."""
    step_us = round(every_s * 1e6)
    start_us, end_us = (one // step_us * step_us for one in span_us)
    parts = [
        wide(state, settings, asset, at, min(at + PART_US, end_us), every_s)
        for at in work.over(spans(start_us, end_us))
    ]
    values, share = (pd.concat(frames) for frames in zip(*parts, strict=True))
    values.attrs = parts[-1][0].attrs
    return values, share


def truth(records: Iterable[Record]) -> Truth:
    """What the entries on one asset say of it; the last finding on a work order counts, a vendor's own never does."""
    failures, findings, orders = list[int](), dict[str, Record](), 0
    for one in records:
        if one.kind == "failure":
            failures.append(one.at_us)
        elif one.kind == "finding":
            findings[str(one.data["wo_id"])] = one
        else:
            orders += 1
    found = [one for one in findings.values() if one.data["inspector_party"] != "vendor"]
    worn = sorted(failures + [one.at_us for one in found if one.data["grade"] in WORN])
    apart = [at for i, at in enumerate(worn) if not i or at - worn[i - 1] > SAME_DAYS * DAY_US]
    return Truth(tuple(apart), tuple(sorted(one.at_us for one in found if one.data["grade"] in SOUND)), orders)


def compare(learned: Learned, past: Past, told: Truth, horizon_us: int) -> Backtest:
    """A walked past beside what was found.

    An event belongs to the episodes raised within `horizon_us` [us] before it. An event in the learned window, or with
    fewer than half of the rows of its last week good, is not counted.
    """
    at_us = past.times.as_unit("us").asi8
    learned_us = learned.window_us
    outside = (at_us < learned_us[0]) | (at_us >= learned_us[1])
    judged = past.good & outside
    step_us = round(learned.every_s * 1e6)
    raised = [
        one for one in episodes(past.times, past.words, past.features, past.shares)
        if not learned_us[0] <= _us(one) < learned_us[1]
    ]  # fmt: skip
    starts = [_us(one) for one in raised]

    def seen(event_us: int) -> bool:
        week = (at_us >= event_us - 7 * DAY_US) & (at_us < event_us)
        return not learned_us[0] <= event_us < learned_us[1] and judged[week].sum() >= 3.5 * DAY_US / step_us

    events = [one for one in told.worn_us if seen(one)]
    before = {one: [start for start in starts if one - horizon_us <= start <= one] for one in events}
    leads = tuple((one - found[0]) / DAY_US for one, found in before.items() if found)
    confirmed = {start for found in before.values() for start in found}
    sound = {
        start for start in set(starts) - confirmed if any(start <= at <= start + horizon_us for at in told.sound_us)
    }
    end_us = int(at_us[-1]) + step_us
    undecided = {
        _us(one) for one in raised if one.end is None or _us(one) + horizon_us > end_us
    } - confirmed - sound  # fmt: skip
    years = float(judged.sum()) * step_us / YEAR_US
    false = rate_interval(len(raised) - len(confirmed) - len(undecided), years)
    worst = rate_interval(len(raised) - len(confirmed), years)
    share = share_interval(len(leads), len(events))
    unknown = judged & past.unknown
    stepped = unknown & past.outside
    n = max(int(judged.sum()), 1)
    return Backtest(
        learned.asset, learned.sha256, int(at_us[0]), end_us, years,
        len(raised), len(confirmed), len(sound), len(undecided), replace(false, high=worst.high),
        Found(len(leads), len(events), share.low, share.high),
        len(told.worn_us) - len(events), leads, told.work_orders, float(unknown.sum()) / n, float(stepped.sum()) / n,
        tuple(_raised(one, confirmed, sound, undecided) for one in raised), learned.kind,
    )  # fmt: skip


def spans(start_us: int, end_us: int) -> range:
    """Where the parts begin that a history is read in."""
    return range(start_us, end_us, PART_US)


def _raised(one: Episode, confirmed: set[int], sound: set[int], undecided: set[int]) -> Raised:
    start = _us(one)
    sets = {"event": confirmed, "sound": sound, "undecided": undecided}
    followed = next((word for word, starts in sets.items() if start in starts), "nothing")
    return Raised(start, None if one.end is None else one.end.value // 1000, one.top[0] if one.top else "", followed)


def _us(one: Episode) -> int:
    return int(one.start.value // 1000)
