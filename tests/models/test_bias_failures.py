"""Which failures are held against the vendor's credit, by hand; and wear of visits and of contested findings."""

import math

import pandas as pd
import pytest

from models.bias.failures import KINDS, counts, kinds
from models.bias.life import failure_credit, failure_rate
from models.bias.parameters import Cost, Parameters
from models.bias.review import review

DAY = 86_400_000_000
YEAR = (0, 365 * DAY)
EPISODES = pd.DataFrame({
    "asset": ["P", "P", "P", "P"], "component": ["seal", "bearing", "impeller", "ring"],
    "start_us": [1, 1, 1, 50], "end_us": [100.0, math.nan, 100.0, 60.0],
    "alerts": [("a1",), ("a2",), ("a3", "a4"), ("a5",)],
})  # fmt: skip
DECISIONS = pd.DataFrame(
    {"at_us": [5, 6, 7, 90], "alert_id": ["a1", "a3", "a4", "a4"], "choice": ["reject", "defer", "follow", "defer"]}
)


@pytest.mark.parametrize(
    ("at", "part", "mode", "kind"),
    [
        (80, "seal", "leak", "not_followed"),  # rejected on day 5
        (80, "bearing", "worn out", "not_followed"),  # nobody decided
        (80, "impeller", "worn out", "followed"),  # deferred, then followed
        (95, "impeller", "worn out", "not_followed"),  # then deferred again
        (80, "ring", "worn out", "no_alert"),  # the alert ran out on 60
        (50, "ring", "worn out", "no_alert"),  # no alert before it, one with it
        (80, "seal", "Lightning strike", "shock"),
        (80, "cable", "worn out", "not_reviewed"),
    ],
)
def test_each_failure_is_of_the_first_kind_that_fits(at, part, mode, kind):
    reviewed = [("P", name) for name in ("seal", "bearing", "impeller", "ring")]
    one = pd.DataFrame({"at_us": [at], "asset": ["P"], "component": [part], "mode": [mode]})
    assert kinds(one, EPISODES, DECISIONS, reviewed) == [kind]
    assert kind in KINDS


def test_what_is_counted_is_what_the_asking_can_change():
    assert counts(["no_alert", "followed", "shock", "not_reviewed", "not_followed", "no_alert"], True).counted == 3


def test_no_failure_is_no_certainty_of_none():
    """Ten years without one: exact bounds 0 and -ln .05 / 10; the value ln 2 / 10 lies between them."""
    rate = failure_rate(0, 10.0)
    assert (rate.value, rate.low, rate.high) == pytest.approx((math.log(2) / 10, 0, -math.log(0.05) / 10))
    (credit,) = failure_credit(0, 10.0, 1.0, 100.0, {"at_limit": 0.1})
    assert credit.money.low < credit.money.value < credit.money.high == pytest.approx(100)
    assert failure_rate(4, 10.0).value == 0.4


def reviewed(work, findings, failures, contested=()):
    alert = {"at_us": DAY, "site": "S", "asset": "P", "component": "seal", "alert_id": "a", "vendor": "V",
             "active": True}  # fmt: skip
    tables = {"vendor_alert": [alert], "work_order": work, "finding": findings, "failure": failures}
    chosen = Parameters(
        assets=(("P", "S"),), q0={("P", "seal"): 0.5}, agreed=True, costs={("P", "seal"): Cost(100.0, 1100.0)},
        failure_references=(("at_limit", 2.0),),
    )  # fmt: skip
    frames = {kind: pd.DataFrame(rows) for kind, rows in tables.items() if rows}
    return review(frames, chosen, YEAR, contested)


def job(action="replace"):
    return {"at_us": 2 * DAY, "asset": "P", "component": "seal", "wo_id": "W", "done": "1970-01-03T00:00Z",
            "trigger": "vendor_alert", "alert_id": "a", "action": action}  # fmt: skip


def finding(grade, wear=None):
    return {"n": 7, "at_us": 2 * DAY, "asset": "P", "component": "seal", "wo_id": "W", "grade": grade,
            "wear_pct": wear, "inspector_party": "third"}  # fmt: skip


@pytest.mark.parametrize(
    ("action", "grade", "measured", "contested", "wear"),
    [
        ("inspect", "E", "150 %", (), 1.5),  # what was found called for the visit
        ("inspect", "D", None, (), 1.0),
        ("inspect", "C", "80 %", (), 0.0),  # restored nothing, found nothing
        ("replace", "C", "80 %", (), 0.8),
        ("replace", "C", "80 %", (7,), 1.0),
        ("replace", "B", None, (7,), 1.0),
        ("inspect", "B", "20 %", (7,), 1.0),
        ("replace", "B", "120 %", (7,), 1.2),
    ],
)
def test_wear_counts_as_the_finding_says(action, grade, measured, contested, wear):
    r = reviewed([job(action)], [finding(grade, measured)], [], contested)
    assert r.cases["wear"].tolist() == [pytest.approx(wear)]
    assert r.life.net.value == pytest.approx((1 - wear) * 365.25 / 365)


def test_the_credit_counts_what_the_asking_can_change_and_is_not_told_where_nobody_writes_failures_down():
    place = {"asset": "P", "component": "seal", "failure_id": "F"}
    told = [
        {**place, "at_us": 100 * DAY, "mode": "leak"},
        {**place, "at_us": 101 * DAY, "mode": "lightning"},
        {**place, "at_us": 102 * DAY, "component": "motor", "mode": "burnt"},
    ]
    r = reviewed([job()], [finding("D")], told)
    kinds_ = r.failure_counts
    assert (r.failures, kinds_.counted, kinds_.shock, kinds_.not_reviewed) == (3, 1, 1, 1)
    assert r.credit[0].money.value == pytest.approx((2.0 - 365.25 / 365) * 1000)
    silent = reviewed([job()], [finding("D")], [])
    assert not silent.failure_counts.recorded
    assert math.isnan(silent.credit[0].money.value)
    before = reviewed([job()], [finding("D")], [{**place, "at_us": -DAY, "mode": "leak"}])
    assert before.failure_counts.recorded
    assert before.credit[0].money.value == pytest.approx((2.0 - math.log(2) * 365.25 / 365) * 1000)
