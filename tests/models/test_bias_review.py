"""The review on simulated fleets whose truth is known, and its gates."""

import dataclasses
import json
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest

from drivers.sim.fleet import DEMO_PEOPLE, DEMO_SEED, PARTS, FleetRecords, People, Vendor, district_pumps, simulate
from models.bias.parameters import Cost, Parameters
from models.bias.review import review

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "fleet.json").read_text())
END_US = 1_795_392_000_000_000
YEAR_US = 31_557_600_000_000


def tables(fleet: FleetRecords) -> dict[str, pd.DataFrame]:
    rows = defaultdict(list)
    for one in fleet.records:
        place = {"at_us": one.at_us, "site": one.site, "asset": one.asset, "component": one.component}
        rows[one.kind].append({**place, **one.data})
    return {kind: pd.DataFrame(found) for kind, found in rows.items()}


def parameters(fleet: FleetRecords, pumps: int = 40, **changes: object) -> Parameters:
    chosen = Parameters(
        assets=tuple((pump.id, pump.site) for pump in district_pumps(pumps)),
        agreed=True,
        costs={
            (pump.id, part.name): Cost(part.cost_planned, part.cost_failure)
            for pump in district_pumps(pumps)
            for part in PARTS
        },
        failure_references=(("at_limit", 0.076), ("honest_vendor", 0.284)),
        events=(("firmware", fleet.start_us + YEAR_US),),
    )
    return dataclasses.replace(chosen, **changes)


def reviewed(vendor: str | Vendor, people: People, seed: int = DEMO_SEED, pumps: int = 40, **changes: object):
    fleet = simulate(seed, pumps, end_us=END_US, vendor=vendor, people=people, telemetry=False)
    return review(tables(fleet), parameters(fleet, pumps, **changes), (fleet.start_us, fleet.end_us)), fleet


EVERY = {(pump.id, part.name): 0.5 for pump in district_pumps(40) for part in PARTS}  # a rate was agreed for each


@pytest.fixture(scope="module")
def demo():
    return reviewed("demo", DEMO_PEOPLE, q0=EVERY)


def test_the_demo_vendor_is_flagged_with_its_known_answers(demo):
    r, _fleet = demo
    known = GOLDEN["review"]
    assert r.status in ("FLAG", "STRONG")
    assert r.status == known["status"]
    for name in ("interventions", "findings", "confirmed", "vendor_written"):
        assert getattr(r, name) == known[name]
    for name in ("e_calibrated", "e_protective", "upper_bound"):
        assert getattr(r, name) == pytest.approx(known[name], rel=1e-3, abs=1e-3)
    for interval, values in ((r.unsupported, known["unsupported"]), (r.life.net, known["excess_per_year"])):
        assert [interval.value, interval.low, interval.high] == pytest.approx(values, rel=1e-3)
    assert r.tipping.wrong_findings == known["wrong_findings"]
    assert r.tipping_unclustered.wrong_findings == known["wrong_findings_unclustered"]


def test_the_review_finds_what_is_true_of_the_demo_vendor(demo):
    r, fleet = demo
    truth = fleet.truth
    assert r.interventions == truth.jobs
    assert r.failures == truth.failures
    assert r.life.net.low < truth.excess_per_year < r.life.net.high
    assert r.unsupported.low < 1 - truth.confirmation < r.unsupported.high
    assert r.spike_p <= 0.05 < r.spike_control_p  # the part calendar, with a quiet control
    assert r.steps[0].p > 0.05  # and no step at the firmware: there was none
    assert r.early
    assert r.standing
    assert r.cycles == 2


def test_an_honest_vendor_is_not_flagged_and_its_parts_were_used_up():
    r, fleet = reviewed("honest", People())
    assert (r.status, r.gate) == ("NO EVIDENCE", "below_watch")
    assert r.life.net.high < 0
    assert fleet.truth.excess_per_year == pytest.approx(r.life.net.value, abs=3)
    assert r.tipping.wrong_findings is None


def test_honest_vendors_are_not_flagged_under_other_seeds():
    for seed in range(2):
        assert reviewed("honest", People(), seed, pumps=20)[0].status == "NO EVIDENCE"


def test_a_part_calendar_alone_is_seen_by_the_scan_and_not_by_its_control():
    r, _fleet = reviewed("calendar50", People())
    assert r.spike_p <= 0.05
    assert r.spike_control_p > 0.01


def test_findings_written_by_the_vendor_are_no_evidence():
    r, _fleet = reviewed("b0.7", People(vendor_written=1.0), pumps=20)
    assert (r.status, r.gate) == ("INSUFFICIENT", "vendor_written")
    assert r.findings == 0
    assert r.vendor_written > 50


def test_without_an_agreed_rate_nothing_goes_beyond_watch():
    r, _fleet = reviewed("b0.7", People(), agreed=False)
    assert (r.status, r.capped, r.gate) == ("WATCH", True, "not_agreed")
    assert r.e_calibrated > 20


def test_a_component_that_is_not_under_review_is_counted_and_does_not_decide():
    r, fleet = reviewed("b0.7", People(), q0=EVERY)
    assert r.status in ("FLAG", "STRONG")
    assert r.not_reviewed == (0, 0)
    records = tables(fleet)
    job, alert = r.cases[r.cases["independent"]].iloc[0][["wo_id", "alert_id"]]
    for kind, name in (("seal kit", "seal kit"), ("", "")):
        mine = {one: frame.copy() for one, frame in records.items()}
        for table in ("work_order", "finding"):
            mine[table].loc[mine[table]["wo_id"] == job, "component"] = kind
        mine["vendor_alert"].loc[mine["vendor_alert"]["alert_id"] == alert, "component"] = kind
        other = review(mine, parameters(fleet, q0=EVERY), (fleet.start_us, fleet.end_us))
        assert other.status == r.status
        assert other.not_reviewed == ((1, 1) if name else (0, 0))  # a job that names no component is of its asset
        assert other.interventions == r.interventions - (1 if name else 0)
        assert ("not_reviewed" in {one.kind for one in other.doubts}) is bool(name)


def test_a_job_that_names_no_component_has_the_lowest_rate_of_its_asset():
    chosen = Parameters(assets=(("P", "S"),), q0={("P", "seal"): 0.4, ("P", "bearing"): 0.3, ("Q", "seal"): 0.1})
    assert [chosen.rate("P", part) for part in ("seal", "", "cable")] == [0.4, 0.3, None]
    assert Parameters(assets=()).rate("P", "cable") == 0.5


def test_few_assets_are_insufficient_however_strong_the_findings():
    fleet = simulate(1, 4, end_us=END_US, vendor=Vendor(b=0.4), people=People(missing=0.0), telemetry=False)
    r = review(tables(fleet), parameters(fleet, 4), (fleet.start_us, fleet.end_us))
    assert (r.status, r.gate) == ("INSUFFICIENT", "few_assets")


def test_nothing_recorded_is_insufficient_and_not_healthy():
    fleet = simulate(1, 4, 1, end_us=END_US, telemetry=False)
    r = review({}, parameters(fleet), (fleet.start_us, fleet.end_us))
    assert (r.status, r.findings, r.alerts) == ("INSUFFICIENT", 0, 0)


def test_new_names_for_the_pumps_change_no_figure(demo):
    r, fleet = demo
    renamed = {pump.id: f"X{n}" for n, pump in enumerate(reversed(district_pumps(40)))}
    frames = {
        kind: frame.assign(asset=frame["asset"].map(lambda a: renamed.get(a, a)))
        for kind, frame in tables(fleet).items()
    }
    chosen = parameters(fleet)
    chosen = dataclasses.replace(chosen, assets=tuple((renamed[asset], site) for asset, site in chosen.assets))
    other = review(frames, chosen, (fleet.start_us, fleet.end_us))
    for name in ("status", "findings", "confirmed", "e_calibrated", "episodes", "vendor_only", "both", "kappa"):
        assert getattr(other, name) == pytest.approx(getattr(r, name))
    assert other.life.net.value == pytest.approx(r.life.net.value)


def test_a_correction_counts_an_orphan_is_told_and_open_work_is_no_intervention(demo):
    r, fleet = demo
    frames = tables(fleet)
    case = r.cases[r.cases["independent"] & ~r.cases["confirmed"]].iloc[0]
    old = frames["finding"][frames["finding"]["wo_id"] == case["wo_id"]]
    known = frames["finding"].assign(n=range(len(frames["finding"])), corrects=None)
    n = int(known.loc[known["wo_id"] == case["wo_id"], "n"].iloc[0])
    mended = old.assign(grade="D", at_us=old["at_us"] + 1, n=1_000, corrects=n)
    again = mended.assign(grade="A", n=1_001, corrects=None)  # a later one that corrects nothing is not used
    orphan = old.assign(wo_id="WO-none", n=1_002, corrects=None)
    frames["finding"] = pd.concat([known, mended, again, orphan])
    still_open = r.cases.loc[r.cases["grade"].isna(), "wo_id"].iloc[0]
    frames["work_order"].loc[frames["work_order"]["wo_id"] == still_open, "done"] = None
    other = review(frames, parameters(fleet), (fleet.start_us, fleet.end_us))
    assert (other.findings, other.confirmed, other.orphan_findings) == (r.findings, r.confirmed + 1, 1)
    assert other.e_calibrated < r.e_calibrated
    assert other.interventions == r.interventions - 1


def test_another_vendor_is_another_question(demo):
    _r, fleet = demo
    r = review(tables(fleet), parameters(fleet, vendor="Nobody"), (fleet.start_us, fleet.end_us))
    assert (r.alerts, r.interventions) == (0, 0)
