"""The fleet simulator: known truth, known answers, physics that shows the wear."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from drivers.sim.fleet import DEMO_SEED, LIMIT, PARTS, People, Vendor, Wear, district_pumps, simulate
from drivers.sim.pump import Pump

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "fleet.json").read_text())
END_US = 1_795_392_000_000_000
KINDS = {
    "vendor_alert": "alert_id vendor failure_mode severity issued_at received_at text recommended_action horizon "
    "raw_sha256 feed active simulated",
    "own_alert": "alert_id index threshold model_sha256 text top active",
    "decision": "alert_id choice reason until randomised deferral_prob",
    "work_order": "wo_id opened done trigger alert_id action planned_cost downtime run_hours party",
    "finding": "wo_id grade wear_pct measured_value limit cause inspector_party blind_to_alert second_reader_grade "
    "photo_sha256",
    "failure": "failure_id mode cost",
    "event": "date event_kind text",
    "cost": "planned failure p_fail source",
}


@pytest.fixture(scope="module")
def demo():
    return simulate(DEMO_SEED, end_us=END_US)


def test_the_demo_seed_gives_its_known_answers(demo):
    truth = demo.truth
    assert dict(Counter(record.kind for record in demo.records)) == GOLDEN["records"]
    assert {
        "jobs": truth.jobs,
        "due": truth.due,
        "failures": truth.failures,
        "excess_per_year": round(truth.excess_per_year, 3),
        "calendar_positions": len(truth.calendar),
    } == GOLDEN["truth"]


def test_a_later_end_moves_the_fleet_in_time_and_changes_nothing_else(demo):
    later = simulate(DEMO_SEED, end_us=END_US + 7 * 86_400_000_000 + 1_234_567, telemetry=False)
    assert later.truth == demo.truth
    assert [r.at_us - later.end_us for r in later.records] == [r.at_us - demo.end_us for r in demo.records]


def test_every_record_has_the_fields_of_its_kind_in_plain_json_and_a_place_in_time(demo):
    last = 0
    for record in demo.records:
        assert set(record.data) == set(KINDS[record.kind].split())
        json.dumps(record.data, allow_nan=False)
        assert last <= record.at_us < demo.end_us
        last = record.at_us
    early = [r for r in demo.records if r.at_us < demo.start_us]
    assert {(r.kind, r.data["trigger"]) for r in early} == {("work_order", "schedule")}


def test_findings_have_work_orders_and_decisions_have_alerts(demo):
    orders = {r.data["wo_id"] for r in demo.records if r.kind == "work_order"}
    assert {r.data["wo_id"] for r in demo.records if r.kind == "finding"} <= orders
    alerts = {r.data["alert_id"]: r.at_us for r in demo.records if r.kind == "vendor_alert"}
    decisions = [r for r in demo.records if r.kind == "decision"]
    assert all(alerts[r.data["alert_id"]] < r.at_us for r in decisions)


@pytest.mark.parametrize(
    ("vendor", "low", "high"),
    [("honest", 0.92, 0.99), ("boundary", 0.44, 0.55), ("b0.8", 0.36, 0.48), ("b0.7", 0.19, 0.28),
     ("b0.6", 0.09, 0.18), ("calendar50", 0.52, 0.66)],
)  # fmt: skip
def test_vendors_are_as_right_as_they_are_meant_to_be(vendor, low, high):
    fleet = simulate(5, 300, end_us=END_US, vendor=vendor, people=People(), telemetry=False)
    assert low < fleet.truth.confirmation < high


def test_an_honest_vendor_wastes_no_life_and_an_early_one_does():
    honest, early = (
        simulate(5, 200, end_us=END_US, vendor=Vendor(b=b), people=People(), telemetry=False).truth for b in (1.0, 0.6)
    )
    assert honest.excess_per_year < 0
    assert early.excess_per_year > 50


def test_vendors_who_write_findings_call_good_parts_worn():
    def share(vendor_written: float) -> float:
        people = People(vendor_written=vendor_written, missing=0.0)
        fleet = simulate(5, 200, end_us=END_US, vendor="b0.7", people=people, telemetry=False)
        found = [r.data["grade"] in "DE" for r in fleet.records if r.kind == "finding"]
        return sum(found) / len(found)

    assert share(1.0) > share(0.0) + 0.2


def test_named_pumps_come_first_and_districts_fill_the_fleet():
    live = [
        Pump("N-P01", "N", "high_lift", 100.0, 42.0, 18.5, 0.7),
        Pump("H-P01", "H", "booster", 60.0, 30.0, 9.0, 0.7),
    ]
    fleet = simulate(1, 5, 1, end_us=END_US, assets=live)
    assert list(fleet.telemetry) == ["N-P01", "H-P01", "D-P01", "D-P02", "D-P03"]
    assert fleet.wear["N-P01"].keys() == {part.name for part in PARTS}
    running = fleet.telemetry["H-P01"]["running"] == 1
    assert fleet.telemetry["H-P01"]["speed"][running].max() <= 50


def test_telemetry_is_hourly_and_still_when_the_pump_stands(demo):
    assert len(demo.hours_us) == 17_532
    assert set(np.diff(demo.hours_us)) == {3_600_000_000}
    assert demo.hours_us[-1] + 3_600_000_000 == demo.end_us
    one = demo.telemetry["D-P01"]
    stands = one["running"] == 0
    assert 0.1 < stands.mean() < 0.9
    assert (one["flow"][stands] == 0).all()
    assert (one["power"][stands] == 0).all()
    assert all(np.isfinite(values).all() for values in one.values())


def test_wear_shows_in_specific_energy_over_head_and_in_vibration(demo):
    """Replacing an impeller or a bearing is a step back to what it was when new."""
    shifts = {"impeller": [], "bearing": []}
    for record in demo.records:
        if record.kind != "work_order" or record.component not in shifts or record.at_us < demo.start_us:
            continue
        one = demo.telemetry[record.asset]
        on = one["running"] == 1
        lifted = np.where(on, one["flow"] * one["head"], 1.0)
        measure = one["power"] / lifted if record.component == "impeller" else one["vibration"]
        day = (demo.hours_us - record.at_us) / 86_400_000_000
        before, after = on & (day > -21) & (day < -7), on & (day > 7) & (day < 21)
        if before.any() and after.any():
            shifts[record.component].append(measure[after].mean() / measure[before].mean() - 1)
    assert np.mean(shifts["impeller"]) < -0.03
    assert np.mean(shifts["bearing"]) < -0.15


def test_district_pumps_run_near_their_nameplate():
    for pump in district_pumps(5):
        needed = pump.flow_m3h * pump.head_m * 9.80665 / 3600 / pump.efficiency
        assert needed < pump.power_kw
    assert 0 < LIMIT < 1


def told(**habits: object):
    return simulate(3, 60, 24, end_us=END_US, vendor=Vendor(**habits), people=People(), telemetry=False)


def test_visits_that_gather_parts_find_more_at_once():
    def jobs_a_day(fleet) -> float:
        days = Counter((r.asset, r.at_us // (30 * 86_400_000_000)) for r in fleet.records if r.kind == "work_order")
        return sum(days.values()) / len(days)

    assert jobs_a_day(told(b=0.8, gather=0.3, gather_b=0.8)) > 1.2 * jobs_a_day(told(b=0.8))


def test_a_bad_season_first_asks_more_in_each_first_half_of_a_year():
    fleet = told(b=0.85, season=0.15)
    half = 365.25 * 86_400_000_000 / 2
    halves = Counter(int((r.at_us - fleet.start_us) // half) for r in fleet.records if r.kind == "vendor_alert")
    assert halves[0] + halves[2] > 1.5 * (halves[1] + halves[3])


def test_a_fleet_replaced_at_the_limit_wastes_no_life_and_seldom_fails():
    assert told(at_limit=True).truth.failures < 0.5 * told().truth.failures
    assert told(at_limit=True).truth.jobs > 0


def test_a_vendor_that_inflates_or_repeats_itself_changes_its_words_and_not_the_wear():
    plain = told(b=0.7)
    loud = told(b=0.7, repeats=2)
    alerts = [sum(r.kind == "vendor_alert" for r in fleet.records) for fleet in (plain, loud)]
    assert alerts[1] > 2 * alerts[0]
    words = [
        Counter(r.data["severity"] for r in fleet.records if r.kind == "vendor_alert")
        for fleet in (plain, told(b=0.7, inflated=0.5))
    ]
    assert words[1]["critical"] > 3 * words[0]["critical"] + 10


def test_wear_that_shows_late_is_much_life_for_little_wear():
    late = simulate(3, 60, 24, end_us=END_US, vendor="b0.6", people=People(), wear=Wear(growth=4.0), telemetry=False)
    even = told(b=0.6)
    assert even.truth.spent_life == pytest.approx(even.truth.spent_wear)
    assert late.truth.spent_life > 1.05 * late.truth.spent_wear
