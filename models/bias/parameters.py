"""All that decides the answer of a review, in one frozen value that can be hashed and dated before anybody looks."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Cost:
    """C_p and C_f of one component of one asset. [currency]"""

    planned: float
    failure: float


@dataclass(frozen=True, slots=True)
class Parameters:
    """All that decides the answer, to be frozen before the review is run."""

    assets: tuple[tuple[str, str], ...]  # (asset, site), those without jobs too
    vendor: str | None = None  # None: all
    q0: Mapping[tuple[str, str], float] = field(default_factory=dict)  # (asset, component) -> agreed rate
    start_us: int | None = None  # of the one period that decides, UTC [us]; None: not fixed
    default_q0: float = 0.5
    agreed: bool = False  # every q0 above, or the default where there is none above, is a contract's or from costs
    limits: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (asset, component) -> "7.1 mm/s", as agreed
    costs: Mapping[tuple[str, str], Cost] = field(default_factory=dict)  # (asset, component) -> its prices
    sensitivity: float = 0.9
    specificity: float = 0.9
    protective_specificity: float = 1.0
    largest_cluster: int = 4  # n_max: all parts of a pump; with 5 a tenth of the power is lost (docs/bias_method.md)
    cluster_days: float = 30.0  # jobs on one asset within so many days of its first are one visit
    campaign_days: float = 3.0  # and so are jobs at one site within so many of the first there
    match_days: float = 56.0
    merge_days: float = 14.0
    horizon_days: float = 182.0
    after_work_hours: float = 168.0  # D4: run hours
    spike_width: float = 0.06
    events: tuple[tuple[str, int], ...] = ()  # (name, UTC us), listed beforehand
    later_events: tuple[tuple[str, int], ...] = ()  # registered after the freeze: shown and marked, no test; not frozen
    failure_references: tuple[tuple[str, float], ...] = ()  # (policy, failures per asset and year)

    def mean_cost(self, component: str | None = None) -> Cost | None:
        """Mean prices over the parts of the assets (None: of all components, each part once); None where none has any.

        It weighs by exposure, for it stands for the parts that are there, not for those that happened to fail.
        """
        assets = {asset for asset, _ in self.assets}
        prices = [
            cost
            for (asset, part), cost in self.costs.items()
            if asset in assets and (component is None or part == component)
        ]
        if not prices:
            return None
        planned, failure = (sum(of) / len(prices) for of in zip(*((c.planned, c.failure) for c in prices), strict=True))
        return Cost(planned, failure)

    def rate(self, asset: str, component: str) -> float | None:
        """q0 of a component; of a job that names none, the lowest of its asset; None where it is not under review."""
        if not self.q0:
            return self.default_q0
        if component:
            return self.q0.get((asset, component))
        return min((rate for (name, _part), rate in self.q0.items() if name == asset), default=None)
