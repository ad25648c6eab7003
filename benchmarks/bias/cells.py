"""The units of the study: each draws its own pool and answers one question; all run side by side."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from benchmarks.bias.judged import NULL, Cases, Judged, path_of, same_as_review
from benchmarks.bias.pools import END_US, Pool, parameters, pool_of
from benchmarks.bias.scenarios import AT_LIMIT, CAUSAL, SITES, Plan, Scenario
from drivers.sim.fleet import People, Truth, Vendor, Wear, simulate
from models.bias.causes import after_work, severities, smallest, spikes
from models.bias.diagnostics import Step, Waddington, step_change
from models.bias.evidence import FLAG
from models.bias.multiple import e_bh
from models.bias.result import Severity, SpikeOf
from models.bias.review import CYCLE_US, review
from models.intervals import Interval

ALPHA = 0.05
SITE_PUMPS, SITE_COUNT, SITE_BIASED = 10, 20, 4


@dataclass(frozen=True, slots=True)
class Cell:
    """What many fleets of one scenario, size and length came to."""

    scenario: str
    size: int
    months: int
    fleets: int
    rate: float  # true confirmation rate of the pool
    findings: tuple[float, float, float]  # 5, 50, 95 % of the fleets
    early: int
    standing: int  # at the end of the last full cycle
    ever_standing: int  # at the end of any
    peeked: int
    statuses: Mapping[str, int]
    gates: Mapping[str, int]
    true_net: float  # [1/year]
    net: tuple[float, float, float]  # medians of value, low, high
    net_covers: int
    net_low_holds: int
    unbounded: int  # fleets whose findings came from fewer than two assets
    true_unsupported: float
    unsupported: tuple[float, float, float]
    unsupported_covers: int
    month_of_flag: float  # median of those ever flagged [months]


def cells(scenario: Scenario, seed: int, plan: Plan, months: int, with_share: bool) -> list[Cell]:
    """One scenario at each size; the 24 months of a fleet also give what was flagged in its first 12."""
    pool = pool_of(scenario, seed, plan.pumps, months)
    cases = Cases(pool, months)
    rng = np.random.default_rng([seed, months, *scenario.name.encode()])
    for _ in range(plan.checked):
        same_as_review(cases, rng, 30)
    return [
        _cell(pool, [cases.judge(fleet, with_share=with_share) for fleet in cases.fleets(rng, size, plan.fleets)],
              size, months)
        for size in plan.sizes
    ]  # fmt: skip


def _cell(pool: Pool, judged: Sequence[Judged], size: int, months: int) -> Cell:
    truth, net = pool.excess * size, [one.net for one in judged]
    rate, shares = pool.truth.confirmation, [one.unsupported for one in judged]
    flagged = [one.early_us for one in judged if one.early]
    return Cell(
        pool.scenario.name, size, months, len(judged), rate,
        tuple(np.percentile([one.findings for one in judged], [5, 50, 95]).tolist()),
        len(flagged), sum(one.standing for one in judged), sum(one.ever_standing for one in judged),
        sum(one.peeked for one in judged),
        Counter(one.status for one in judged), Counter(one.gate for one in judged),
        truth, _medians(net), sum(one.low <= truth <= one.high for one in net), sum(one.low <= truth for one in net),
        sum(bool(np.isnan(one.low)) for one in net),
        1 - rate, _medians(shares), sum(one.low <= 1 - rate <= one.high for one in shares),
        float(np.median(flagged)) / CYCLE_US * 12 if flagged else float("nan"),
    )  # fmt: skip


def _medians(intervals: Sequence[Interval]) -> tuple[float, float, float]:
    value, low, high = (_median([getattr(one, name) for one in intervals]) for name in ("value", "low", "high"))
    return value, low, high


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """What the diagnostics said of fleets of 50 different pumps."""

    scenario: str
    months: int
    fleets: int
    calendar: int  # D1 at 5 %
    control: int  # its negative control at 5 %
    alone: int  # D1 at 5 % while the control is quiet
    spike_share: float  # median
    step: int  # D2 at 5 %
    step_ratio: float  # median
    work: int  # D4: lower bound of the ratio above 1
    work_control: int  # the same of its control
    work_ratio: float  # median
    severity: Mapping[str, tuple[float, float]]  # name -> mean share confirmed where served, failed where not

    def plus(self, other: "Diagnosed") -> "Diagnosed":
        """The counts of both; medians and means stay those of the first."""
        counts = ("fleets", "calendar", "control", "alone", "step", "work", "work_control")
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in counts})


def diagnosed(scenario: Scenario, seed: int, plan: Plan, months: int, part: int = 0, size: int = 50) -> Diagnosed:
    """The pieces of the review that diagnose; `part` numbers shares of one scenario: each has its own pool."""
    pool = pool_of(scenario, seed + part, max(plan.pumps // 3, 4 * size), months)
    rng = np.random.default_rng([seed, months, 1, part, *scenario.name.encode()])
    fleets = [
        [pool.assets[p] for p in rng.choice(len(pool.assets), size, replace=False)]
        for _ in range(plan.diagnosed if months == 12 else plan.diagnosed_long)
    ]
    said = [_diagnose(pool, assets) for assets in fleets]
    for assets, pieces in zip(fleets[: plan.checked], said, strict=False):
        whole = review(pool.tables_of(assets), parameters(assets, pool.start_us), (pool.start_us, pool.end_us))
        theirs = (whole.spikes, whole.steps, whole.waddington, whole.severity)
        assert repr(theirs) == repr((pieces.spikes, pieces.steps, pieces.work, pieces.severity)), (theirs, pieces)
    found, loud = [one.spike_p <= ALPHA for one in said], [one.control_p <= ALPHA for one in said]
    steps = [step for one in said for step in one.steps]
    named: dict[str, list[tuple[float, float]]] = {}
    for one in said:
        for word in one.severity:
            named.setdefault(word.name, []).append((word.confirmed.value, word.failed.value))
    return Diagnosed(
        scenario.name, months, len(said), sum(found), sum(loud),
        sum(f and not c for f, c in zip(found, loud, strict=True)),
        _median([min(one.spikes, key=lambda s: s.vendor.p).vendor.share for one in said if one.spikes]),
        sum(one.p <= ALPHA for one in steps), _median([one.ratio for one in steps]),
        sum(one.work.ratio.low > 1 for one in said), sum(one.work.control.low > 1 for one in said),
        _median([one.work.ratio.value for one in said]),
        {name: tuple(np.nanmean(np.array(pairs), axis=0).tolist()) for name, pairs in sorted(named.items())},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Said:
    """The diagnostics of one fleet."""

    spikes: tuple[SpikeOf, ...]
    spike_p: float
    control_p: float
    steps: tuple[Step, ...]
    work: Waddington
    severity: tuple[Severity, ...]


def _diagnose(pool: Pool, assets: Sequence[str]) -> _Said:
    chosen, period = parameters(assets, pool.start_us), (pool.start_us, pool.end_us)
    of = pool.frames_of(assets)
    scans, _ = spikes(of["vendor"], of["own"], of["failure"], of["closings"], of["work"], chosen)
    steps = step_change(of["vendor"]["start_us"], of["own"]["start_us"], chosen.events, *period)
    return _Said(
        scans, smallest([s.vendor.p for s in scans]), smallest([p for s in scans for p in (s.own.p, s.failures.p)]),
        tuple(steps), after_work(of["work"], of["cases"], of["failure"], chosen, period),
        severities(of["alerts"], of["vendor"], of["cases"], of["work"], of["failure"], chosen, period),
    )  # fmt: skip


def _median(values: Sequence[float]) -> float:
    usable = [v for v in values if np.isfinite(v)]
    return float(np.median(usable)) if usable else float("nan")


NULLS = (
    "one by one",
    "pumps of their own rate, one by one",
    "pumps of their own rate, four at a visit",
    "half of them single, .30, half in visits of five, .70",
    "bad season first, .35 then .65",
)


def nulls(seed: int, plan: Plan) -> list[tuple[str, int, int, int]]:
    """Streams of 600 findings of which exactly half would read confirmed: (what, streams, ever at 20, at full cycles).

    Situations in which reading single findings as independent ones would convict the innocent. A full cycle is 50
    findings: a good and a bad season of 25.
    """
    rng = np.random.default_rng([seed, 600])
    n, cycle = 600, 50
    said = []
    for name in NULLS:
        ever = standing = 0
        for _ in range(plan.streams):
            clusters = np.arange(n)
            if name.startswith("pumps"):
                rates = rng.beta(3, 3, n // 4)
                x = rng.random(n) < np.repeat(rates, 4)
                if name.endswith("one by one"):
                    x = rng.permutation(x)
                else:
                    clusters = np.arange(n) // 4
            elif name.startswith("half"):
                many = rng.random(n) < 1 / 6
                sizes = np.where(many, 5, 1)
                clusters = np.repeat(np.arange(n), sizes)[:n]
                x = rng.random(n) < np.repeat(np.where(many, 0.70, 0.30), sizes)[:n]
            elif name.startswith("bad"):
                x = rng.random(n) < np.where(np.arange(n) // (cycle // 2) % 2, 0.65, 0.35)
            else:
                x = rng.random(n) < NULL
            path = path_of(x, clusters)
            ever += path.highest >= FLAG
            ends = np.searchsorted(path.starts, np.arange(cycle, n + 1, cycle)) - 1
            standing += bool((path.e[ends] >= FLAG).any())
        said.append((name, plan.streams, ever, standing))
    return said


@dataclass(frozen=True, slots=True)
class Sites:
    """Twenty sites of ten pumps over 24 months, four of them biased: which are named."""

    others: str
    repetitions: int
    false_share: float  # mean share of false ones among those named
    found: float  # mean share of the biased named
    binomial_false_share: float  # the competitor: an exact binomial test at the end with Benjamini and Hochberg
    binomial_found: float
    uncorrected: float  # share of repetitions in which a plain 5 % test names an unbiased site


def many_sites(seed: int, plan: Plan, others: Scenario) -> Sites:
    rng = np.random.default_rng([seed, 20, *others.name.encode()])
    biased, rest = (Cases(pool_of(one, seed, plan.pumps // 2, 24), 24) for one in (SITES[0], others))
    is_biased = np.arange(SITE_COUNT) < SITE_BIASED
    rows = []
    for _ in range(plan.sites):
        judged = [
            (biased if one else rest).judge(rng.integers(0, len(biased.pool.assets), SITE_PUMPS), with_share=False)
            for one in is_biased
        ]
        p = np.array([float(stats.binom.cdf(one.confirmed, one.findings, NULL)) for one in judged])
        named, plain = e_bh([one.e for one in judged]), stats.false_discovery_control(p) <= 0.10
        rows.append([
            *((flags & ~is_biased).sum() / max(flags.sum(), 1) if what else flags[is_biased].mean()
              for flags in (named, plain) for what in (True, False)),
            float((p[~is_biased] <= ALPHA).any()),
        ])  # fmt: skip
    return Sites(others.name, plan.sites, *np.mean(rows, axis=0).tolist())


@dataclass(frozen=True, slots=True)
class Causal:
    """One vendor per pump and year beside a fleet of the same kind replaced exactly at the limit."""

    scenario: str
    jobs: float
    failures: float
    unsupported: float
    not_confirmed: float
    net: float  # by life accounting, were each part measured without error
    net_of_life: float  # by the true life used, which nobody can measure
    limit_jobs: float
    limit_failures: float
    difference: float  # jobs and failures, against the fleet at the limit
    error: float  # standard error of it


def causal(wear: Wear, seed: int, plan: Plan) -> list[Causal]:
    """All vendors over parts that wear alike."""

    def per_pump(vendor: Vendor, stream: int) -> Truth:
        return simulate(
            int(np.random.SeedSequence([seed, 44, stream]).generate_state(1)[0]), plan.pumps // 2, 24, end_us=END_US,
            vendor=vendor, people=People(), wear=wear, telemetry=False,
        ).truth  # fmt: skip

    limit = per_pump(AT_LIMIT, 0)
    said = []
    for stream, (name, vendor) in enumerate(CAUSAL, start=1):
        truth = per_pump(vendor, stream)
        exposure = plan.pumps // 2 * truth.years
        here, there = truth.jobs + truth.failures, limit.jobs + limit.failures
        said.append(Causal(
            name, truth.jobs / exposure, truth.failures / exposure, 1 - truth.confirmation,
            (truth.jobs - truth.due) / exposure, (truth.jobs - truth.spent_wear) / exposure,
            (truth.jobs - truth.spent_life) / exposure, limit.jobs / exposure, limit.failures / exposure,
            (here - there) / exposure, float(np.sqrt(here + there)) / exposure,
        ))  # fmt: skip
    return said
