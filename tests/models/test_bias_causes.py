"""What the diagnostics read off the records: ages on two clocks, cycles of the calendar, fates, clocks behind work."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.bias.ages import counters, last_before, next_after, times_of
from models.bias.causes import (
    after_work,
    deferred,
    replacements,
    seasons,
    severities,
    smallest,
    spikes,
)
from models.bias.diagnostics import Spike
from models.bias.episodes import DAY_US
from models.bias.parameters import Cost, Parameters
from models.bias.result import SpikeOf
from models.intervals import share_interval

START = pd.Timestamp("2023-01-01", tz="UTC").value // 1000
YEARS_3 = (START, pd.Timestamp("2026-01-01", tz="UTC").value // 1000)
HOUR_US = DAY_US // 24


def us(day: float) -> int:
    return START + round(day * DAY_US)


def records(rows, *columns: str, **same) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["asset", "component", "at_us", *columns]).assign(**same)
    return frame.astype({"at_us": "int64"})


def counted(readings, asset: str = "P") -> pd.DataFrame:
    return records([(asset, "seal", us(day), f"{hours:g} h") for day, hours in readings], "run_hours")


def test_run_hours_are_told_between_two_readings_and_nowhere_else():
    counter = counters(counted([(0, 1000), (100, 2200), (200, 2200)]))["P"]
    assert counter.between(us(50), us(75)) == pytest.approx(300)
    assert counter.between(us(50), us(150)) == pytest.approx(600)  # it stood in the second stretch
    assert counter.between(us(0), us(200)) == pytest.approx(1200)
    assert counter.between(us(-1), us(50)) is None
    assert counter.between(us(50), us(201)) is None


@pytest.mark.parametrize("later", [900.0, 1000 + 24 * 100 + 49])
def test_across_a_counter_that_went_back_or_ran_faster_than_time_nothing_is_told(later):
    counter = counters(counted([(0, 500), (20, 1000), (120, later), (140, later + 100)]))["P"]
    assert counter.between(us(10), us(130)) is None
    assert counter.between(us(0), us(20)) == pytest.approx(500)
    assert counter.between(us(120), us(140)) == pytest.approx(100)


def test_a_work_order_without_a_reading_is_no_reading():
    frame = counted([(0, 1000), (50, 0), (100, 2200)])
    frame.loc[1, "run_hours"] = None
    assert counters(frame)["P"].between(us(0), us(50)) == pytest.approx(600)
    assert counters(frame.assign(run_hours=None)) == {}


def test_neighbours_in_time_by_hand():
    times = times_of(records([("P", "seal", 30), ("P", "seal", 10), ("P", "bearing", 20)]))
    assert [next_after(times, ("P", "seal"), at) for at in (5, 10, 30)] == [10, 30, None]
    assert [last_before(times, ("P", "seal"), at) for at in (10, 11, 99)] == [None, 10, 30]
    assert next_after(times, ("Q", "seal"), 5) is None


def run_hours_calendar(seed: int = 4) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Eighty pumps that run an eighth to two thirds of the time are called at 4000 run hours, and served then."""
    rng = np.random.default_rng(seed)
    asked, work = [], []
    for n in range(80):
        share, hours = 0.3 * math.exp(rng.normal(0, 0.3)), float(rng.integers(0, 20_000))
        days = 4000 * math.exp(rng.normal(0, 0.005)) / (24 * share)
        asked.append((f"P{n}", "seal", us(days)))
        for day in (0, days + 10):
            work.append((f"P{n}", "seal", us(day), f"{hours + day * 24 * share:.0f} h"))
    vendor = records(asked).rename(columns={"at_us": "start_us"})
    return vendor, records(work, "run_hours")


def test_a_calendar_in_run_hours_is_found_in_run_hours():
    vendor, work = run_hours_calendar()
    none = vendor.iloc[:0]
    scans, ages = spikes(vendor, none, none.assign(at_us=[]), work, work, Parameters(assets=()))
    days, run = scans
    assert (days.unit, run.unit, days.component) == ("d", "run h", "seal")
    assert days.vendor.p > 0.05
    assert run.vendor.p <= 0.01
    assert run.vendor.age == pytest.approx(4000, rel=0.03)
    assert run.vendor.share > 0.5
    assert math.isnan(run.own.p)
    assert len(ages["seal", "d"]) == len(ages["seal", "run h"]) == run.vendor.n == 80
    untold, _ = spikes(vendor, none, none.assign(at_us=[]), work, work.assign(run_hours=None), Parameters(assets=()))
    assert (untold[0].vendor.n, untold[1].vendor.n) == (80, 0)  # absent, not guessed


@settings(max_examples=3)
@given(st.permutations(range(80)), st.randoms(use_true_random=False))
def test_names_and_order_change_no_scan(names, shuffler):
    vendor, work = run_hours_calendar()
    none = vendor.iloc[:0]

    def scanned(vendor, work):
        return spikes(vendor, none, none.assign(at_us=[]), work, work, Parameters(assets=()))[0][1].vendor

    def renamed(frame):
        other = frame.assign(asset=[f"X{names[int(a[1:])]}" for a in frame["asset"]])
        return other.iloc[shuffler.sample(range(len(other)), len(other))]

    assert scanned(renamed(vendor), renamed(work)) == scanned(vendor, work)


def asked_at(days) -> pd.DataFrame:
    frame = pd.DataFrame({"asset": [f"P{n % 9}" for n in range(len(days))], "component": "seal"})
    return frame.assign(start_us=[us(day) for day in days], at_us=[us(day) for day in days])


def test_alerts_that_gather_at_the_end_of_the_month_are_seen_and_ours_are_not():
    rng = np.random.default_rng(2)
    months = pd.date_range("2023-01-01", periods=36, freq="MS", tz="UTC")
    ends = [(m - months[0]).days + 31 + rng.uniform(-4, 0) for m in months[:-1] for _ in range(2)]
    even = rng.uniform(0, 1095, 70)
    month, quarter, year = seasons(asked_at(ends), asked_at(even), asked_at(even[:20]), YEARS_3)
    assert (month.name, quarter.name, year.name) == ("month", "quarter", "year")
    assert month.p < 1e-6
    assert month.at > 0.9 or month.at < 0.1
    assert min(month.control_p, quarter.p, year.p) > 0.05
    assert month.control_n == 90


def test_only_whole_cycles_back_from_the_end_count():
    """Thirty months: two years. The half year before them, with all its alerts, is in no yearly cycle."""
    period = (us(0), pd.Timestamp("2025-07-01", tz="UTC").value // 1000)
    month, _quarter, year = seasons(asked_at(range(1, 101)), asked_at([]), asked_at([]), period)
    assert (month.n, year.n) == (100, 0)
    assert math.isnan(year.p)
    assert math.isnan(month.control_p)
    short = seasons(asked_at(range(1, 20)), asked_at([]), asked_at([]), (us(0), us(20)))
    assert [one.n for one in short] == [0, 0, 0]
    once = seasons(asked_at(range(1, 20)), asked_at([]), asked_at([]), (us(0), us(365)))
    assert [one.n for one in once] == [19, 19, 0]  # in one year nothing comes back


def test_two_years_are_two_cycles_whichever_of_them_is_a_leap_year():
    for first in ("2023-03-01", "2024-03-01", "2022-11-23"):
        start = pd.Timestamp(first, tz="UTC").value // 1000
        period = (start, start + round(2 * 365.25 * DAY_US))
        days = np.arange(25, 730, 7) + (start - START) / DAY_US
        assert seasons(asked_at(days), asked_at([]), asked_at([]), period)[2].n == len(days)


def test_an_asset_that_is_asked_for_twice_a_day_is_one_visit():
    one = asked_at(range(5, 40))
    both = pd.concat([one, one.assign(component="bearing")])
    assert seasons(both, one, one, YEARS_3)[0].n == 35


def test_each_severity_is_followed_to_findings_where_served_and_to_failures_where_not():
    alerts = pd.DataFrame(
        [("a", "warning", us(0)), ("b", "critical", us(10)), ("c", "critical", us(20)), ("d", None, us(30))],
        columns=["alert_id", "severity", "at_us"],
    ).assign(active=True, asset=["P", "P", "Q", "R"], component="seal")
    episodes = pd.DataFrame(
        [("P", "seal", ["a", "b"]), ("Q", "seal", ["c"]), ("R", "seal", ["d"])],
        columns=["asset", "component", "alerts"],
    ).assign(start_us=us(0), end_us=math.nan)
    cases = pd.DataFrame({"severity": ["critical", None], "independent": [True, False], "confirmed": [True, False]})
    work = records([("Q", "seal", us(50)), ("R", "seal", us(60))])
    failures = records([("P", "seal", us(100))])
    chosen = Parameters(assets=(("P", "A"),), horizon_days=95.0)
    unnamed, critical, warning = severities(alerts, episodes, cases, work, failures, chosen, (us(0), us(400)))
    assert (critical.name, critical.alerts, critical.jobs, critical.found) == ("critical", 2, 1, 1)
    assert critical.confirmed == share_interval(1, 1)
    # P is said critical on day 10 and fails 90 days later; Q is served after 30: at risk 1 of 1
    assert critical.failed.value == 1.0
    assert (critical.failures, critical.at_risk) == (1, 1)
    assert (warning.failures, warning.at_risk) == (0, 1)
    assert (unnamed.failures, unnamed.at_risk) == (0, 0)  # served after 30 days: nothing is known of its horizon
    assert unnamed.failed.high == 1.0
    assert (warning.failed.value, warning.failed.n) == (0.0, 1)  # said on day 0, failed on day 100: after the horizon
    assert (unnamed.name, unnamed.alerts, unnamed.jobs, unnamed.found) == ("", 1, 1, 0)
    assert math.isnan(unnamed.confirmed.value)


def test_a_vendor_that_calls_everything_critical_shows_in_what_fails_and_not_in_what_is_confirmed():
    rng = np.random.default_rng(8)
    n, bad = 400, np.arange(400) < 100
    alerts = pd.DataFrame({"alert_id": [f"A{k}" for k in range(n)], "at_us": us(0), "active": True})
    alerts["severity"] = np.where(bad | (rng.random(n) < 0.5), "critical", "warning")
    episodes = pd.DataFrame({"asset": [f"P{k}" for k in range(n)], "component": "seal"})
    episodes["alerts"] = [[name] for name in alerts["alert_id"]]
    episodes["start_us"], episodes["end_us"] = us(0), math.nan
    alerts["asset"], alerts["component"] = episodes["asset"], "seal"
    fails = rng.random(n) < np.where(bad, 0.8, 0.5)
    failures = records([(f"P{k}", "seal", us(90)) for k in np.flatnonzero(fails)])
    cases = pd.DataFrame({"severity": alerts["severity"], "independent": True, "confirmed": rng.random(n) < 0.95})
    none = records([])
    critical, warning = severities(alerts, episodes, cases, none, failures, Parameters(assets=()), (us(0), us(400)))
    assert abs(critical.confirmed.value - warning.confirmed.value) < 0.06
    assert warning.failed.value < critical.failed.value < 0.75  # a critical that meant something would be at .8


def test_deferrals_are_followed_to_what_came_first():
    rows = [("P", "seal", us(0)), ("Q", "seal", us(0)), ("R", "seal", us(0)), ("S", "bearing", us(0))]
    decisions = records(rows, choice="defer").assign(alert_id=list("abcd"), randomised=[True, None, False, None])
    raised = pd.DataFrame({"alert_id": list("abc")})  # d is of another vendor
    work = records([("P", "seal", us(31)), ("Q", "seal", us(20))])
    failures = records([("P", "seal", us(30)), ("Q", "seal", us(40))])
    chosen = Parameters(assets=(), costs={("P", "seal"): Cost(900.0, 2700.0)})
    d3 = deferred(decisions, raised, work, failures, chosen, (us(0), us(365)))
    assert (d3.n, d3.failed, d3.randomised, d3.by_people.n) == (3, 1, 1, 2)
    assert d3.break_even == pytest.approx(1 / 3)
    assert d3.by_lot.value == 1.0
    assert d3.by_people.value == 0.0
    assert math.isnan(deferred(decisions, raised, work, failures, Parameters(assets=()), YEARS_3).break_even)


def test_only_work_that_nothing_called_for_can_have_done_harm():
    chosen = Parameters(assets=(("P", "A"), ("Q", "A")), after_work_hours=240.0, horizon_days=100.0)
    work = records(
        [("P", "seal", us(100), "schedule"), ("P", "seal", us(300), "failure"), ("Q", "seal", us(50), "schedule")],
        "trigger",
        run_hours=None,
    )
    cases = records([("Q", "seal", us(400))], grade="B", independent=True)
    failures = records([("P", "seal", us(105)), ("P", "seal", us(301)), ("Q", "seal", us(404))])
    d4 = after_work(work, cases, failures, chosen, (us(0), us(500)))
    assert (d4.works, d4.soon, d4.later, d4.window) == (3, 2, 1, 10.0)
    assert d4.ratio.value == pytest.approx((2 / 30) / (1 / 970))
    low, high = stats.binomtest(2, 3).proportion_ci(0.90)
    assert d4.ratio.low == pytest.approx(low / (1 - low) * 970 / 30)
    assert d4.ratio.high == pytest.approx(high / (1 - high) * 970 / 30)
    assert d4.control.value == 0.0


def iso(day: float) -> str:
    return pd.Timestamp(us(day), unit="us", tz="UTC").isoformat()


def served(trigger: str) -> dict[str, pd.DataFrame]:
    """Thirty pumps, a part of each replaced every 200 days by `trigger`, every fourth failing before."""
    rows, failures = [], []
    for n in range(30):
        day = n
        for turn in range(5):
            why = "schedule" if turn == 0 else trigger
            if turn and (n + turn) % 4 == 0:
                failures.append((f"P{n}", "seal", us(day + 160), f"F{n}-{turn}"))
                day, why = day + 161, "failure"
            elif turn:
                day += 200
            rows.append((f"P{n}", "seal", us(day), f"WO{n}-{turn}", iso(day), why, f"A{n}-{turn}"))
    work = records(rows, "wo_id", "done", "trigger", "alert_id", action="replace", run_hours=None)
    return {"work_order": work, "failure": records(failures, "failure_id")}


def found_at(age: float, control: float) -> SpikeOf:
    quiet = Spike(40, control, age, 0.1)
    return SpikeOf("seal", Spike(90, 0.001, age, 0.8), quiet, quiet, "d")


@pytest.mark.parametrize(
    ("trigger", "scans", "why_not"),
    [
        ("schedule", (), ""),
        ("vendor_alert", (), "condition"),
        ("vendor_alert", (found_at(190.0, 0.6),), ""),
        ("vendor_alert", (found_at(190.0, 0.01),), "calendar_not_sure"),
        ("vendor_alert", (found_at(120.0, 0.6),), "condition"),  # a calendar, but not the one that called
        ("operator", (found_at(190.0, 0.6),), "condition"),
    ],
)
def test_a_removal_was_the_clocks_where_it_was_scheduled_or_called_for_at_a_found_calendar(trigger, scans, why_not):
    tables = served(trigger)
    work = tables["work_order"]
    told = pd.DataFrame({"alert_id": work["alert_id"], "at_us": work["at_us"] - 8 * DAY_US})
    chosen = Parameters(
        assets=tuple((f"P{n}", "A") for n in range(30)),
        costs={(f"P{n}", "seal"): Cost(100.0, 900.0) for n in range(30)},
    )
    (one,) = replacements(tables, work, told, scans, chosen, (us(0), us(1000)))
    assert (one.component, one.why_not, one.clock_driven) == ("seal", why_not, not why_not)
    assert (one.failures, one.removals) == (30, 90)
    assert one.cost_ratio == 9.0
    assert len(one.curves) == (1 if one.clock_driven else 2)


def test_nothing_recorded_gives_no_ages_of_replacement():
    assert replacements({}, records([]), records([]), (), Parameters(assets=(("P", "A"),)), YEARS_3) == ()


def test_the_smallest_of_several_pays_for_the_others():
    assert smallest([0.01, math.nan, 0.4]) == pytest.approx(0.02)
    assert math.isnan(smallest([math.nan]))
    assert smallest([0.9, 0.8]) == 1.0
