"""Which alert drove a job, which finding belongs to it, and that the order of entry changes none of it."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bias.cases import cases_of, prepared, with_findings
from models.bias.doubts import doubts
from models.bias.driven import driven
from models.bias.episodes import DAY_US, merge
from models.bias.evidence import bet_path
from models.bias.parameters import Parameters
from models.bias.review import review

SITES = {"P1": "S", "P2": "S", "P3": "T"}
PERIOD = (0, 400 * DAY_US)


def day(number: float) -> str:
    return pd.Timestamp(int(number * DAY_US), unit="us", tz="UTC").isoformat()


def alert(alert_id, at, asset="P1", component="seal", **more):
    return {"at_us": int(at * DAY_US), "asset": asset, "component": component, "alert_id": alert_id, "vendor": "V",
            "severity": "warning", "active": True, "horizon": "30 d", "text": "wear", **more}  # fmt: skip


def job(wo_id, done, alert_id, asset="P1", component="seal", trigger="vendor_alert", action="replace"):
    return {"at_us": int(done * DAY_US), "asset": asset, "component": component, "wo_id": wo_id, "done": day(done),
            "trigger": trigger, "alert_id": alert_id, "action": action}  # fmt: skip


def found(wo_id, grade, n, asset="P1", component="seal", hand="utility", at=50.0):
    return {"n": n, "at_us": int(at * DAY_US), "asset": asset, "component": component, "wo_id": wo_id, "grade": grade,
            "wear_pct": "50 %", "inspector_party": hand}  # fmt: skip


def told(jobs, alerts):
    work, said = (
        prepared(pd.DataFrame(rows), kind, SITES) for kind, rows in (("work_order", jobs), ("vendor_alert", alerts))
    )
    answer = driven(work, said, 182.0)
    drove = [said["alert_id"].iloc[row] if row >= 0 else None for row in answer["driver"]]
    return {wo_id: one or why for wo_id, one, why in zip(answer["wo_id"], drove, answer["why"], strict=True)}


@pytest.mark.parametrize(
    ("one", "answer"),
    [
        (job("W", 15, "A"), "A"),
        (job("W", 15, "A", component=""), "A"),
        (job("W", 15, "A", component="bearing"), "job_other_part"),
        (job("W", 15, "A", asset="P2"), "job_other_part"),
        (job("W", 8.9, "A"), "job_before_alert"),
        (job("W", 9.5, "A"), "A"),  # a date alone is the beginning of its day
        (job("W", 10 + 182, "A"), "A"),
        (job("W", 10 + 182.1, "A"), "job_after_horizon"),
        (job("W", 15, "unknown"), "A"),  # it stood on the part
        (job("W", 15, None), "A"),
        (job("W", 15, None, component="bearing"), "job_without_alert"),
    ],
)
def test_an_alert_drives_a_job_of_its_part_that_came_after_it_and_in_time(one, answer):
    assert told([one], [alert("A", 10)]) == {"W": answer}


def test_one_alert_drives_one_job_per_component_the_first_that_was_done():
    jobs = [job("W2", 20, "A"), job("W1", 15, "A", action="inspect"), job("W3", 21, "A", component="bearing")]
    assert told(jobs, [alert("A", 10)]) == {"W1": "A", "W2": "job_served", "W3": "job_other_part"}
    assert told(jobs, [alert("A", 10, component="")]) == {"W1": "A", "W2": "job_served", "W3": "A"}


def test_what_was_said_before_the_part_was_replaced_drives_nothing_after_it_and_what_is_said_anew_does():
    alerts = [alert("A", 10), alert("B", 11), alert("A", 30)]
    jobs = [job("W1", 15, "A"), job("W2", 20, "B"), job("W3", 35, "A"), job("W4", 36, "A")]
    assert told(jobs, alerts) == {"W1": "A", "W2": "job_served", "W3": "A", "W4": "job_served"}
    scheduled = job("W0", 12, None, trigger="schedule")
    assert told([scheduled, job("W1", 15, "A")], alerts) == {"W1": "job_served"}
    looked = job("W0", 12, None, trigger="operator", action="inspect")
    assert told([looked, job("W1", 15, "A")], alerts) == {"W1": "A"}


def test_thirty_jobs_on_one_alert_of_another_pump_are_no_evidence():
    alerts = [alert("A", 100, asset="P3", component="bearing")]
    jobs = [job(f"W{k}", 20 + 10 * k, "A", asset=f"P{1 + k % 2}", action="inspect") for k in range(33)]
    findings = [found(f"W{k}", "A", k, asset=f"P{1 + k % 2}") for k in range(33)]
    tables = {"work_order": jobs, "finding": findings, "vendor_alert": alerts}
    r = review({kind: pd.DataFrame(rows) for kind, rows in tables.items()}, Parameters(tuple(SITES.items())), PERIOD)
    assert (r.interventions, r.findings, r.e_calibrated) == (0, 0, 1.0)
    assert r.left_out == (("job_other_part", 33),)
    assert {one.kind: one.count for one in r.doubts}["job_other_part"] == 33


def grades(jobs, findings):
    work, rows = (
        prepared(pd.DataFrame(rows), kind, SITES) for kind, rows in (("work_order", jobs), ("finding", findings))
    )
    return dict(zip(work["wo_id"], with_findings(work, rows)["grade"], strict=True))


@pytest.mark.parametrize(
    ("findings", "grade"),
    [
        ([found("W", "D", 1), found("W", "A", 2, component="bearing")], "D"),  # the neighbour is another thing
        ([found("W", "D", 1), found("W", "A", 2, asset="P2")], "D"),
        ([found("W", "D", 1), found("W", "A", 2, hand="third")], "D"),  # the first one stands
        ([found("W", "D", 2, at=60.0), found("W", "A", 1, hand="third", at=70.0)], "A"),
        ([found("W", "A", 1, hand="vendor"), found("W", "D", 2)], "D"),
        ([found("W", "D", 1, component="")], "D"),  # one that names no component is of the job's
        ([found("W", "A", 1, component=""), found("W", "D", 2)], "D"),
    ],
)
def test_a_finding_belongs_to_the_job_of_its_order_asset_and_component(findings, grade):
    assert grades([job("W", 15, "A")], findings) == {"W": grade}


def test_a_job_that_names_no_component_was_needed_if_one_part_was():
    several = [found("W", "A", 1), found("W", "D", 2, component="bearing"), found("W", "B", 3, component="coupling")]
    assert grades([job("W", 15, "A", component="")], several) == {"W": "D"}


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_in_which_independent_records_come_in_changes_nothing(draw):
    parts, pumps = ("seal", "bearing", ""), tuple(SITES)
    alerts = [alert(f"A{k}", draw.randrange(200), draw.choice(pumps), draw.choice(parts)) for k in range(30)]
    jobs = [
        job(f"W{k}", draw.randrange(220), draw.choice([f"A{draw.randrange(30)}", None]), draw.choice(pumps),
            draw.choice(parts), draw.choice(["vendor_alert", "vendor_alert", "schedule"]))
        for k in range(30)
    ]  # fmt: skip
    findings = [
        found(f"W{k}", draw.choice("ABCDE"), None, one["asset"], one["component"], at=draw.randrange(300))
        for k, one in enumerate(jobs)
    ]
    tables = {"work_order": jobs, "finding": findings, "vendor_alert": alerts}
    one, other = judged(tables), judged({kind: draw.sample(rows, len(rows)) for kind, rows in tables.items()})
    assert one[:-1] == other[:-1]
    assert one[-1] == pytest.approx(other[-1])


def judged(tables):
    """What each job came to, what was left out, what is odd, and the wealth at the end."""
    frames = {kind: pd.DataFrame(rows) for kind, rows in tables.items()}
    work, findings, alerts = (prepared(frames[kind], kind, SITES) for kind in ("work_order", "finding", "vendor_alert"))
    own = merge(alerts.iloc[:0], origin="own")
    cases, apart, orphans = cases_of(work, findings, alerts, own, Parameters(tuple(SITES.items())), PERIOD)
    seen = cases[cases["independent"]].sort_values("settled_us", kind="stable")
    path = bet_path(seen["confirmed"].astype(bool), seen["cluster"].tolist(), 0.5, 2, seen["late"])
    columns = ["wo_id", "alert_id", "grade", "settled_us", "late"]
    left_out = sorted(zip(apart["wo_id"], apart["why"], strict=True))
    return (
        sorted(map(str, cases[columns].itertuples(index=False))), left_out, orphans,
        [(one.kind, one.count, one.of) for one in doubts(frames, SITES, PERIOD[1], {})], path.current,
    )  # fmt: skip
