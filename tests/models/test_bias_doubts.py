"""What is odd in the records of a review is counted with its examples, and nothing is dropped by it."""

import pandas as pd
import pytest

from models.bias.doubts import KINDS, SHOWN, doubts

DAY_US = 86_400_000_000
END_US = 1_795_392_000_000_000  # 2026-11-23T00:00Z
START = {"n": 1, "at_us": END_US - 90 * DAY_US, "via": "screen", "asset": "P1", "component": "seal"}
ALERT = {"alert_id": "A1", "vendor": "SmartPump", "issued_at": "2026-09-01T06:00:00Z",
         "received_at": "2026-09-01T06:00:40Z"}  # fmt: skip
WORK = {"wo_id": "W1", "opened": "2026-08-20T06:00:00Z", "done": "2026-08-25T06:00:00Z", "trigger": "vendor_alert",
        "alert_id": "A1", "planned_cost": "900.00 EUR", "run_hours": "5000 h"}  # fmt: skip
FINDING = {"wo_id": "W1", "grade": "B", "wear_pct": "40 %", "limit": "7.1 mm/s", "inspector_party": "utility",
           "blind_to_alert": True, "photo_sha256": "0" * 64}  # fmt: skip


def asked(limits=None, **kinds):
    """Kind -> doubt, of one sound alert, job and finding, and of the rows that are given beside them."""
    sound = {"vendor_alert": [ALERT], "work_order": [WORK], "finding": [FINDING]}
    tables = {}
    for kind in sound.keys() | kinds.keys():
        rows = [*sound.get(kind, []), *kinds.get(kind, [])]
        tables[kind] = pd.DataFrame([{**START, "n": n, **row} for n, row in enumerate(rows, 1)])
    return {one.kind: one for one in doubts(tables, {"P1", "P2"}, END_US, limits or {("P1", "seal"): "7.10 mm/s"})}


def test_sound_records_leave_nothing_to_say_and_no_records_neither():
    assert asked() == {}
    assert doubts({}, {"P1"}, END_US, {}) == ()


@pytest.mark.parametrize(
    ("doubt", "kind", "rows", "count", "of", "example"),
    [
        ("orphan_finding", "finding", [{**FINDING, "wo_id": "W9"}], 1, 2, "#2 W9"),
        ("job_without_alert", "work_order", [{**WORK, "wo_id": "W2", "alert_id": "A7"}], 1, 2, "#2 W2"),
        ("job_without_alert", "work_order", [{**WORK, "wo_id": "W2", "alert_id": None}], 1, 2, "#2 W2"),
        ("id_twice", "work_order", [WORK], 1, 2, "#2 W1"),
        ("finding_again", "finding", [{**FINDING, "inspector_party": "third"}], 1, 2, "#2 W1"),
        ("finding_elsewhere", "finding", [{**FINDING, "component": "bearing"}], 1, 2, "#2 W1"),
        ("finding_elsewhere", "finding", [{**FINDING, "asset": "P2"}], 1, 2, "#2 W1"),
        ("job_other_part", "work_order", [{**WORK, "wo_id": "W2", "component": "bearing"}], 1, 2, "#2 W2"),
        ("job_other_part", "work_order", [{**WORK, "wo_id": "W2", "asset": "P2"}], 1, 2, "#2 W2"),
        ("job_before_alert", "work_order", [{**WORK, "wo_id": "W2", "done": "2026-08-20T06:00:00Z"}], 1, 2, "#2 W2"),
        ("job_after_horizon", "work_order", [{**WORK, "wo_id": "W2", "done": "2027-08-20T06:00:00Z"}], 1, 2, "#2 W2"),
        ("job_served", "work_order", [{**WORK, "wo_id": "W2", "done": "2026-09-20T06:00:00Z"}], 1, 2, "#2 W2"),
        ("alert_changed", "vendor_alert", [{**ALERT, "severity": "critical"}], 1, 2, "#2 A1"),
        ("alert_changed", "vendor_alert", [{**ALERT, "component": "bearing"}], 1, 2, "#2 A1"),
        ("other_unit", "finding", [{**FINDING, "wo_id": "W2", "measured_value": "12 ml/h"}], 1, 2, "#2 W2"),
        ("grade_against_wear", "finding", [{**FINDING, "wo_id": "W2", "grade": "D"}], 1, 2, "#2 W2"),
        ("grade_against_wear", "finding", [{**FINDING, "wo_id": "W2", "grade": "C", "wear_pct": "0.7 %"}], 1, 2,
         "#2 W2"),
        ("two_vendors", "vendor_alert", [{**ALERT, "vendor": "Other"}], 1, 1, "P1: Other, SmartPump"),
        ("issued_after_received", "vendor_alert", [{**ALERT, "alert_id": "A2", "issued_at": "2026-09-01T07:00Z"}], 1, 2,
         "#2 A2"),
        ("vendor_clock", "vendor_alert", [{**ALERT, "received_at": "2026-09-01T08:01:00Z"}] * 4, 1, 1,
         "SmartPump: +2 h"),
        ("grade_against_wear", "finding", [{**FINDING, "wear_pct": "130 %", "wo_id": "W2"}], 1, 2, "#2 W2"),
        ("other_limit", "finding", [{**FINDING, "limit": "4.5 mm/s", "wo_id": "W2"}], 1, 2, "#2 W2"),
        ("other_limit", "finding", [{**FINDING, "limit": "7.1 m/s", "wo_id": "W2"}], 1, 2, "#2 W2"),
        ("before_its_work", "finding", [{**FINDING, "inspector_party": "third", "at_us": 0}], 1, 2, "#2 W1"),
        ("done_before_opened", "work_order", [{**WORK, "wo_id": "W2", "done": "2026-08-18T00:00Z"}], 1, 2, "#2 W2"),
        ("future", "work_order", [{**WORK, "wo_id": "W2", "done": "2027-08-19T00:00Z"}], 1, 4, "#2 W2"),
        ("future", "finding", [{**FINDING, "inspector_party": "third", "via": "import", "at_us": END_US + 1}], 1, 4,
         "#2 W1"),
        ("run_hours_fall", "work_order", [{**WORK, "wo_id": "W2", "run_hours": "12 h", "opened": "2026-09-01T00:00Z"}],
         1, 2, "#2 W2"),
        ("currencies", "cost", [{"asset": None, "planned": "800.00 CHF", "failure": "9000.00 EUR"}], 2, 3, "CHF"),
        ("no_photo", "finding", [{**FINDING, "wo_id": "W2", "photo_sha256": None}], 1, 2, "#2 W2"),
        ("not_blind", "finding", [{**FINDING, "wo_id": "W2", "blind_to_alert": False}], 1, 2, "#2 W2"),
        ("imported", "finding", [{**FINDING, "wo_id": "W2", "via": "import"}], 1, 3, "#2 W2"),
        ("rejected_rows", "import", [
            {"stage": "begun", "kind": "findings", "file": "f.csv", "rejected": 3},
            {"stage": "done", "kind": "findings", "file": "f.csv", "rejected": None},
            {"stage": "begun", "kind": "values", "file": "v.csv", "rejected": 9},
        ], 3, 1, "f.csv: 3"),
    ],
)  # fmt: skip
def test_each_odd_record_is_counted_and_named(doubt, kind, rows, count, of, example):
    told = asked(**{kind: rows})[doubt]
    assert (told.count, told.of, told.examples[0]) == (count, of, example)


def test_wear_that_looks_like_a_share_is_named_for_its_own_import_only():
    low = [{**FINDING, "wo_id": f"W{n}", "wear_pct": f"0.{n} %", "import": "aa"} for n in range(2, 8)]
    assert asked(finding=low)["wear_as_share"].count == 6
    assert "wear_as_share" not in asked(finding=[*low, {**FINDING, "wo_id": "W8", "wear_pct": "35 %", "import": "aa"}])
    assert "wear_as_share" not in asked(finding=low[:4])  # too few to tell


def test_what_was_corrected_or_taken_back_is_no_doubt_any_more():
    wrong = {**FINDING, "wo_id": "W9", "corrects": None, "withdrawn": None}
    right = {**FINDING, "inspector_party": "third", "corrects": 2, "withdrawn": None}
    assert "orphan_finding" not in asked(finding=[wrong, right])
    assert "orphan_finding" not in asked(finding=[wrong, {**wrong, "corrects": 2, "withdrawn": True}])


def test_records_of_other_assets_are_not_asked_and_examples_are_few():
    assert asked(finding=[{**FINDING, "wo_id": "W9", "asset": "P7"}]) == {}
    many = asked(finding=[{**FINDING, "wo_id": f"X{n}"} for n in range(20)])["orphan_finding"]
    assert (many.count, len(many.examples)) == (20, SHOWN)


def test_a_date_that_an_entry_of_ours_has_reached_is_not_future():
    later = {**FINDING, "inspector_party": "third", "at_us": END_US + DAY_US}
    assert "future" not in asked(finding=[later])  # entered on the screen: it is of that day
    assert set(KINDS) >= {one for one in asked(finding=[later])}
