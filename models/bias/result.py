"""What a review comes to: one frozen value with every figure of the evidence table."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bias.diagnostics import Deferral, Season, Spike, Step, Waddington
from models.bias.doubts import Doubt
from models.bias.evidence import BetPath
from models.bias.failures import FailureCounts
from models.bias.life import Credit, Life
from models.bias.replacement import Replacement
from models.bias.tipping import Tipping
from models.intervals import Interval


@dataclass(frozen=True, slots=True)
class SpikeOf:
    """D1 of one component class, with the same scan on what the vendor does not control."""

    component: str
    vendor: Spike
    own: Spike
    failures: Spike
    unit: str  # of the ages: "d", or "run h" (run hours, where the counters tell)


@dataclass(frozen=True, slots=True)
class Severity:
    """What a vendor's word for severity was worth: a word that costs nothing to say should still mean something."""

    name: str  # as the vendor writes it; "" where it gave none
    alerts: int  # episodes in which it was said
    jobs: int  # done on such an alert
    found: int  # of them with an independent finding
    confirmed: Interval  # share of those found
    failed: Interval  # within the horizon after it was said, Kaplan-Meier; work on the part censors
    failures: int  # seen within the horizon, before any work
    at_risk: int  # what the last of them rests on (none: followed to the horizon): not served, not failed until then


@dataclass(frozen=True, slots=True)
class Group:
    """One site or one component class among several: the current e-value and whether e-BH at 10 % rejects it."""

    name: str
    findings: int
    e: float
    flagged: bool


@dataclass(frozen=True, slots=True)
class OtherName:
    """Another name than that of the vendor under review, in alerts on its assets: a second vendor, or a spelling."""

    name: str  # as the alerts have it; "" where they have none
    alerts: int  # until the end of the records
    jobs: int  # vendor-driven ones of the period that are left out with them


@dataclass(frozen=True, slots=True)
class ReviewResult:
    """The evidence table of one review; every rate with its interval (90 %) or count."""

    status: str
    capped: bool  # would be FLAG or STRONG, but no rate was agreed
    gate: str  # which of GATES decided
    start_us: int
    end_us: int
    assets: int
    alerts: int
    episodes: int
    own_episodes: int
    decisions: Mapping[str, int]
    interventions: int
    left_out: tuple[tuple[str, int], ...]  # jobs said to be driven by an alert that cannot have driven them, by reason
    findings: int  # independent ones
    found_assets: int  # with such a finding
    confirmed: int
    confirmation: Interval
    vendor_written: int
    vendor_written_confirmed: int
    orphan_findings: int  # without a work order: kept, counted, not used
    not_reviewed: tuple[int, int]  # jobs on components that are not under review, of them with finding: not used
    second_readings: tuple[int, int]  # independent findings graded twice; of them both confirmed or both not
    blind: tuple[int, int]  # independent findings by an inspector who did not know of the alert; of them confirmed
    unsupported: Interval
    unsupported_by: str  # "jeffreys": findings alone; "ppi": narrowed by what our own model said of all jobs
    unlabelled: int  # jobs without an independent finding
    upper_bound: float  # of the recorded confirmation rate, by the same bets as e: valid at any time and for clusters
    upper_bound_unclustered: float  # the closed form, which a hand calculator can check
    unsettled: int  # of the findings: their visit was still open at the end, so they are in U but not yet in e
    q0: tuple[float, float]  # lowest and highest in use
    m0: tuple[float, float]  # mean: calibrated, protective
    path: BetPath
    path_us: NDArray[np.int64]
    e_calibrated: float
    e_protective: float
    early: bool  # the wealth once reached 20
    standing: bool  # it stands at 20 at the end of the last full cycle of 12 months
    cycles: int  # full ones of 12 months
    cycle_ends: tuple[tuple[int, float], ...]  # end of each, UTC [us], and the wealth then
    tipping: Tipping  # of the bets that decide
    tipping_unclustered: Tipping  # of the closed form, as if each finding stood alone
    tipping_curve: tuple[NDArray[np.float64], NDArray[np.float64]]  # q0 from .05 to .95 and the e that each had led to
    life: Life
    failures: int  # all of the period
    failure_counts: FailureCounts
    failure_rate: Interval  # of those that the asking can have to do with [1/asset/year]
    credit: tuple[Credit, ...]
    spikes: tuple[SpikeOf, ...]
    spike_p: float  # smallest of the classes and units, Bonferroni; NaN where there are too few ages
    spike_control_p: float  # the same over our own alerts and the failures
    seasons: tuple[Season, ...]
    steps: tuple[Step, ...]
    deferral: Deferral
    waddington: Waddington
    own_auc: float  # over the independent findings on jobs of which our own model could tell
    own_judged: tuple[int, int]  # how many these are; of them confirmed
    watched: tuple[str, ...]  # assets of which our own model could tell at some time of the period
    vendor_only: int  # episodes on these; likewise below
    own_only: int
    both: int
    lead_days: Interval  # median of own start minus vendor start where both spoke: positive, the vendor was first [d]
    kappa: float
    kappa_cells: int  # what kappa rests on
    severity: tuple[Severity, ...]
    replacement: tuple[Replacement, ...]
    sites: tuple[Group, ...]
    components: tuple[Group, ...]
    doubts: tuple[Doubt, ...]  # what is odd in the records; nothing was dropped by it
    other_names: tuple[OtherName, ...]  # none where all vendors are reviewed together
    cases: pd.DataFrame  # one row per vendor-driven intervention; own_known: our own model could tell when it was done
    ages: Mapping[tuple[str, str], NDArray[np.float64]]  # (component, unit) -> at the vendor's episodes
    monthly: pd.DataFrame  # month, vendor, own

    @property
    def leaves_the_house(self) -> bool:
        """Whether the vendor is to be told of a flag: one that also stood at the end of the last full 12 months."""
        return self.standing and self.status in ("FLAG", "STRONG")
