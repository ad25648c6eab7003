"""What vendors, people and wear are put before the review, and how much of it.

The boundary vendors' thresholds were set on tuning seeds 1 to 6 (pools of 2,000 pumps, whose rates scatter by .004 to
.008) so that their true rate comes to .494, a hair below q0 = .5.
"""

from dataclasses import dataclass, field, replace

from drivers.sim.fleet import VENDORS, People, Vendor, Wear

TUNING_SEEDS = tuple(range(1, 10))
INCUBATION = Wear(growth=4.0)
BOUNDARY = Vendor(b=0.8231)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One population: who asks, who follows and inspects, how parts wear."""

    name: str
    vendor: Vendor
    people: People = field(default_factory=People)
    wear: Wear = field(default_factory=Wear)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is simulated."""

    pumps: int  # in a pool
    fleets: int  # drawn for a cell
    sizes: tuple[int, ...]
    diagnosed: int  # fleets of 12 months whose diagnostics are run
    diagnosed_long: int  # the same of 24 months
    sites: int  # repetitions of twenty sites
    streams: int  # of findings at the exact null
    checked: int  # fleets of each pool judged both by pieces and by the whole review


FULL = Plan(
    pumps=6000, fleets=500, sizes=(10, 50, 200), diagnosed=30, diagnosed_long=20, sites=60, streams=2000, checked=2
)
QUICK = Plan(pumps=600, fleets=60, sizes=(10, 50), diagnosed=12, diagnosed_long=6, sites=10, streams=300, checked=1)

B7 = VENDORS["b0.7"]
COVERED = (  # 12 months, with bars on the coverage of E_net
    Scenario("honest", VENDORS["honest"]),
    Scenario("b = .8", VENDORS["b0.8"]),
    Scenario("b = .7", B7),
    Scenario("b = .6", VENDORS["b0.6"]),
    Scenario("calendar 100 %", VENDORS["calendar"]),
    Scenario("b = .7, own AUC .75", B7, People(own_noise=0.45)),
)
SPOILED = (  # 12 months, without bars: what goes wrong with which findings
    Scenario("b = .7, 70 % missing at random", B7, People(missing=0.7)),
    Scenario("b = .7, good ones missing 60 %, others 30 %", B7, People(missing_good=0.6)),
    Scenario("b = .7, Sp .8 while .9 is assumed", B7, People(specificity=0.8)),
    Scenario("b = .7, wear shows late", B7, wear=INCUBATION),
)
WRITTEN = (
    Scenario("b = .7, all findings by the vendor", B7, People(vendor_written=1.0)),
    Scenario("b = .7, 60 % of findings by the vendor", B7, People(vendor_written=0.6)),
    Scenario("b = .7, by the vendor and not marked so", B7, People(specificity=0.5)),
)
HONEST = (  # 24 months, flagged in at most 1 %
    Scenario("honest", VENDORS["honest"]),
    Scenario("b = .9", Vendor(b=0.9)),
)
AT_THE_LINE = (  # 24 months, standing flags in at most 5 %
    Scenario("boundary", BOUNDARY),
    Scenario("boundary, pumps read differently", Vendor(b=0.8286, offset=0.10)),
    Scenario("boundary, visits gather parts", Vendor(gather=0.60, gather_b=0.8334)),
    Scenario("boundary, larger visits of another kind", Vendor(b=0.6785, gather=0.70, gather_share=0.5)),
    Scenario("boundary, bad season first", Vendor(b=0.8466, season=0.10)),
    Scenario("boundary, all of these", Vendor(b=0.7402, offset=0.07, season=0.10, gather=0.70, gather_share=0.5)),
)
UNFAIR = (  # 24 months: the calibration is wrong to the vendor's disadvantage
    Scenario("boundary, findings truly Sp = 1", BOUNDARY, People(specificity=1.0)),
)
FLAGGED = (  # 24 months, without bars
    Scenario("b = .8", VENDORS["b0.8"]),
    Scenario("b = .7", B7),
    Scenario("b = .7, good ones missing 60 %, others 30 %", B7, People(missing_good=0.6)),
)
CALENDARS = (  # 12 months, whole reviews
    Scenario("calendar 50 %", VENDORS["calendar50"]),
    Scenario("calendar 25 %", VENDORS["calendar25"]),
    Scenario("honest", VENDORS["honest"]),
    Scenario("b = .7", B7),
    Scenario("honest, lives differ little (cv .15)", VENDORS["honest"], wear=Wear(cv=0.15)),
)
CHANGES = (  # 24 months, whole reviews
    Scenario("nothing changes (honest)", VENDORS["honest"]),
    Scenario("to b = .9 after 12 months", Vendor(step_month=12.0, b_after=0.9)),
    Scenario("to b = .8 after 12 months", Vendor(step_month=12.0, b_after=0.8)),
    Scenario("to b = .7 after 12 months", VENDORS["step"]),
    Scenario("nothing induced (b = .7)", B7),
    Scenario("3 % of jobs bring a failure (b = .7)", replace(B7, induced=0.03)),
    Scenario("8 % of jobs bring a failure (b = .7)", replace(B7, induced=0.08)),
    Scenario("half of the warnings called critical (b = .7)", replace(B7, inflated=0.5)),
)
SITES = (Scenario("b = .65", Vendor(b=0.65)), Scenario("honest", VENDORS["honest"]), Scenario("boundary", BOUNDARY))
CAUSAL = (
    ("honest", VENDORS["honest"]),
    ("b = .8", VENDORS["b0.8"]),
    ("b = .7", B7),
    ("b = .6", VENDORS["b0.6"]),
    ("calendar 50 %", VENDORS["calendar50"]),
    ("calendar 100 %", VENDORS["calendar"]),
)
AT_LIMIT = Vendor(at_limit=True)
