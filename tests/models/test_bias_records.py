"""Records as cases: corrections, contests, second readings, visits and when their bets are settled; the gates."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from models.bias.cases import cases_of, prepared, standing, visits
from models.bias.episodes import DAY_US, merge
from models.bias.grading import quantity
from models.bias.parameters import Parameters
from models.bias.review import review
from models.bias.status import GATES, STATUSES, status_of

SITES = {f"P{k}": f"S{k}" for k in range(8)}
PERIOD = (0, 400 * DAY_US)
NOBODY = merge(pd.DataFrame(columns=["at_us", "asset", "component", "alert_id", "active"]), origin="own")


def day(number: float) -> str:
    return pd.Timestamp(int(number * DAY_US), unit="us", tz="UTC").isoformat()


def records(*jobs: tuple[float, str, str | None], late: dict[int, float] | None = None) -> dict[str, pd.DataFrame]:
    """Tables of jobs (day, asset, grade or None), found on its day or on that in `late`; findings are n = 100 ..."""
    work, findings, alerts = [], [], []
    for k, (done, asset, grade) in enumerate(jobs):
        place = {"asset": asset, "component": "seal", "site": "S"}
        work.append({**place, "n": k, "at_us": int(done * DAY_US), "wo_id": f"W{k}", "done": day(done),
                     "trigger": "vendor_alert", "alert_id": f"A{k}", "action": "replace"})  # fmt: skip
        alerts.append({**place, "n": 1000 + k, "at_us": int(done * DAY_US), "alert_id": f"A{k}", "vendor": "V",
                       "severity": "warning"})  # fmt: skip
        if grade:
            at = (late or {}).get(k, done)
            findings.append({**place, "n": 100 + k, "at_us": int(at * DAY_US), "wo_id": f"W{k}", "grade": grade,
                             "wear_pct": "50 %", "inspector_party": "utility"})  # fmt: skip
    frames = {"work_order": work, "finding": findings, "vendor_alert": alerts}
    return {kind: pd.DataFrame(rows) for kind, rows in frames.items()}


def cases(tables: dict[str, pd.DataFrame], contested=()) -> pd.DataFrame:
    data = {kind: prepared(tables.get(kind), kind, SITES) for kind in ("work_order", "finding", "vendor_alert")}
    chosen = Parameters(assets=tuple(SITES.items()))
    return cases_of(data["work_order"], data["finding"], data["vendor_alert"], NOBODY, chosen, PERIOD, contested)[0]


def reviewed(tables, end_day=400.0, **more):
    return review(tables, Parameters(assets=tuple(SITES.items())), (0, int(end_day * DAY_US)), **more)


def test_a_correction_stands_for_its_entry_a_withdrawal_for_none_and_both_can_be_corrected():
    entries = pd.DataFrame(
        [(1, None, None), (2, 1, None), (3, 2, None), (4, None, None), (5, 4, True), (6, None, None), (7, 6, True),
         (8, 7, None)],
        columns=["n", "corrects", "withdrawn"], dtype=object,
    )  # fmt: skip
    assert standing(entries)["n"].tolist() == [3, 8]  # 1 -> 2 -> 3; 4 taken back; 6 taken back, which was wrong
    assert standing(entries.drop(columns="withdrawn"))["n"].tolist() == [3, 5, 8]
    assert len(standing(entries[["n"]])) == 8


def test_a_corrected_grade_counts_and_a_withdrawn_finding_leaves_a_job_without_one():
    tables = records((10, "P1", "B"), (60, "P2", "B"))
    first = tables["finding"].iloc[[0]]
    later = first.assign(n=200, corrects=100, grade="D", at_us=11 * DAY_US)
    gone = tables["finding"].iloc[[1]].assign(n=201, corrects=101, withdrawn=True)
    tables["finding"] = pd.concat([tables["finding"], later, gone])
    got = cases(tables)
    assert got["grade"].tolist()[0] == "D"
    assert got["independent"].tolist() == [True, False]


def test_contested_findings_count_as_confirmed_and_keep_their_grade():
    tables = records(*[(20 * k, f"P{k % 8}", "B") for k in range(12)])
    plain, after = reviewed(tables), reviewed(tables, contested={100, 103})
    assert (plain.confirmed, after.confirmed) == (0, 2)
    assert after.e_calibrated < plain.e_calibrated
    assert after.upper_bound > plain.upper_bound
    assert after.cases["grade"].tolist() == plain.cases["grade"].tolist()


def test_jobs_on_one_asset_within_thirty_days_of_the_first_are_one_visit_settled_when_it_is_closed():
    got = cases(records((1, "P1", "B"), (2, "P2", "B"), (30, "P1", "D"), (32, "P1", "B"), (40, "P1", "A")))
    assert got["cluster"].tolist() == ["1", "2", "1", "3", "3"]
    assert (got["settled_us"] / DAY_US).tolist() == [34, 35, 34, 65, 65]


def test_jobs_at_one_site_within_three_days_of_the_first_are_judged_in_one_go_whatever_the_asset():
    sites = {"P1": "S", "P2": "S", "P3": "S", "P4": "other"}
    jobs = [(1, "P1"), (3, "P2"), (3.5, "P4"), (4.5, "P3"), (20, "P2"), (34, "P2")]
    asset, at = [pump for _, pump in jobs], [int(d * DAY_US) for d, _ in jobs]
    got = visits(asset, [sites[one] for one in asset], at, at, 30.0, 3.0)
    # P3 came more than three days after the first; P2's visit began on day 3 and ends on day 33
    assert got.names == ["1", "1", "2", "3", "1", "4"]
    assert [us / DAY_US for us in got.settled_us] == [34, 34, 36.5, 37.5, 34, 67]


def test_a_finding_that_comes_after_its_visit_was_closed_is_a_cluster_of_its_own_when_it_comes():
    jobs = [(1, "P1", "B"), (5, "P1", "D"), (9, "P1", "B")]
    got = cases(records(*jobs, late={1: 29.0, 2: 200.0}))
    assert got["cluster"].tolist() == ["1", "1", "1, late 2"]
    assert (got["settled_us"] / DAY_US).tolist() == [34, 34, 200]
    assert got["late"].tolist() == [False, False, True]


def test_what_was_settled_stays_whatever_is_found_later():
    """Looked at on any day, the path so far is the beginning of the path of the whole period."""
    rng = np.random.default_rng(41)
    days = np.sort(rng.uniform(0, 390, 90))
    jobs = [(d, f"P{rng.integers(8)}", "D" if rng.random() < 0.3 else "B") for d in days]
    tables = records(*jobs, late={k: days[k] + rng.uniform(0, 120) for k in range(0, 90, 7)})
    whole = reviewed(tables)
    for end in (50.0, 123.4, 300.0):
        looked = reviewed(tables, end)
        count = len(looked.path.e)
        assert 0 < count < len(whole.path.e)
        assert looked.path_us.tolist() == whole.path_us[:count].tolist()
        assert looked.path.e.tolist() == pytest.approx(whole.path.e[:count].tolist())
        assert (looked.path_us < end * DAY_US).all()
    assert whole.findings == 90
    assert whole.unsettled == (whole.cases["settled_us"] >= PERIOD[1]).sum() > 0


def test_the_current_value_at_the_end_of_each_full_cycle_decides_whether_a_flag_stands():
    jobs = [(5 * k, f"P{k % 8}", "B" if k < 60 else "D") for k in range(158)]  # sound parts first, then worn ones
    r = reviewed(records(*jobs), 800.0)
    assert r.cycles == 2
    assert [end / DAY_US for end, _e in r.cycle_ends] == [365, 730]
    assert r.cycle_ends[0][1] == r.path.e[r.path_us < 365 * DAY_US][-1] >= 20
    assert (r.early, r.standing, r.leaves_the_house) == (True, False, False)
    strong = dataclasses.replace(r, status="FLAG", standing=True)
    assert strong.leaves_the_house
    assert not dataclasses.replace(strong, status="WATCH").leaves_the_house
    assert reviewed(records(*jobs), 364.0).cycle_ends == ()


def test_each_part_is_bet_on_at_the_odds_of_its_own_rate():
    tables = records(*[(20 * k, f"P{k % 8}", "B") for k in range(12)])
    chosen = Parameters(
        assets=tuple(SITES.items()), q0={(one, "seal"): 0.1 if one in ("P0", "P1") else 0.5 for one in SITES}
    )
    critical, plain = review(tables, chosen, PERIOD), reviewed(tables)
    assert critical.q0 == (0.1, 0.5)
    assert 1 < critical.e_calibrated < plain.e_calibrated


def test_a_site_without_findings_was_asked_too_and_counts_among_the_questions():
    tables = records(*[(4 * k, f"P{k % 4}", "B") for k in range(80)])
    sites = tuple((f"P{k}", f"S{k // 4}") for k in range(400))
    many = review(tables, Parameters(assets=sites), PERIOD)
    few = review(tables, Parameters(assets=sites[:40]), PERIOD)
    assert [len(r.sites) for r in (many, few)] == [100, 10]
    assert many.sites[0].e == few.sites[0].e > 100
    assert (many.sites[0].flagged, few.sites[0].flagged) == (many.sites[0].e >= 1000, True)
    assert (few.sites[1].findings, few.sites[1].e, few.sites[1].flagged) == (0, 1.0, False)


def test_second_and_blind_readings_are_counted_as_confirmed_or_not():
    tables = records(*[(20 * k, f"P{k}", grade) for k, grade in enumerate("BDDAC")])
    tables["finding"]["second_reader_grade"] = ["A", "E", "C", None, None]
    tables["finding"]["blind_to_alert"] = [True, True, False, None, True]
    r = reviewed(tables)
    assert r.second_readings == (3, 2)  # B and A agree that it was not worn, D and E that it was
    assert r.blind == (3, 1)


def test_the_median_lead_is_that_of_the_pairs():
    said = [(10.0 * k, f"P{k}") for k in range(8)]
    frame = {"component": "seal", "site": "S", "active": True}
    vendor = pd.DataFrame([{**frame, "at_us": int(d * DAY_US), "asset": a, "alert_id": f"v{a}"} for d, a in said])
    vendor = vendor.assign(vendor="V", severity="warning", horizon="30 d")
    own = pd.DataFrame(
        [{**frame, "at_us": int((d + n) * DAY_US), "asset": a, "alert_id": f"o{a}"} for n, (d, a) in enumerate(said)]
    )
    r = reviewed({"vendor_alert": vendor, "own_alert": own})
    assert r.both == r.lead_days.n == 8
    assert (r.lead_days.value, r.lead_days.low, r.lead_days.high) == (3.5, 1.0, 6.0)


@pytest.mark.parametrize(
    ("n", "assets", "jobs", "e", "protective", "net", "agreed", "any_hand", "answer"),
    [
        (19, 9, 30, 900, 900, 1, True, (19, 9), ("INSUFFICIENT", False, "few_findings")),
        (20, 4, 30, 900, 900, 1, True, (20, 4), ("INSUFFICIENT", False, "few_assets")),
        (20, 5, 41, 900, 900, 1, True, (20, 5), ("INSUFFICIENT", False, "low_coverage")),
        (20, 5, 41, 900, 900, 1, True, (21, 5), ("INSUFFICIENT", False, "vendor_written")),
        (3, 2, 30, 900, 900, 1, True, (30, 9), ("INSUFFICIENT", False, "vendor_written")),
        (20, 5, 40, 4.9, 4.9, 1, True, (20, 5), ("NO EVIDENCE", False, "below_watch")),
        (20, 5, 40, 5, 1, 1, True, (20, 5), ("WATCH", False, "below_flag")),
        (20, 5, 40, 19.9, 19.9, 1, True, (20, 5), ("WATCH", False, "below_flag")),
        (20, 5, 40, 900, 900, 1, False, (20, 5), ("WATCH", True, "not_agreed")),
        (20, 5, 40, 20, 19.9, 1, True, (20, 5), ("FLAG", False, "flag")),
        (20, 5, 40, 20, 20, 0, True, (20, 5), ("FLAG", False, "flag")),
        (20, 5, 40, 20, 20, 0.1, True, (20, 5), ("STRONG", False, "strong")),
        (20, 5, 40, 20, 20, float("nan"), True, (20, 5), ("FLAG", False, "flag")),
    ],
)
def test_the_gates_are_those_of_the_method(n, assets, jobs, e, protective, net, agreed, any_hand, answer):
    assert status_of(n, assets, jobs, e, protective, net, agreed, any_hand) == answer
    assert answer[0] in STATUSES
    assert answer[2] in GATES


@pytest.mark.parametrize("text", [None, "", " ", "soon", math.nan, "%", "1,5 d", "inf %", []])
def test_a_quantity_that_tells_no_number_is_unknown_and_ends_no_review(text):
    assert math.isnan(quantity(text))
