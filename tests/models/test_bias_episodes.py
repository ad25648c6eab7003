"""Episodes: what counts as one claim, and who was first."""

import math

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bias.episodes import DAY_US, match, merge


def alerts(*rows: tuple[float, str, str, bool], ids: str = "") -> pd.DataFrame:
    """Rows of (day, asset, component, active); alert ids a0, a1 ... or a letter of `ids` each."""
    return pd.DataFrame(
        [
            {"at_us": int(day * DAY_US), "asset": asset, "component": part, "active": active,
             "alert_id": ids[n] if ids else f"a{n}"}
            for n, (day, asset, part, active) in enumerate(rows)
        ]
    )  # fmt: skip


def spans(episodes: pd.DataFrame) -> list[tuple[float, float]]:
    return [(row.start_us / DAY_US, row.end_us / DAY_US) for row in episodes.itertuples()]


def test_messages_while_a_claim_stands_are_one_claim():
    found = merge(alerts((0, "P", "seal", True), (10, "P", "seal", True), (60, "P", "seal", True)), origin="vendor")
    assert found["alerts"].tolist() == [["a0", "a1", "a2"]]
    assert math.isnan(found.end_us[0])


def test_a_claim_taken_back_ends_and_one_that_returns_soon_is_the_same():
    begun = [(0, "P", "seal", True), (1, "P", "seal", False)]
    assert len(merge(alerts(*begun, (15, "P", "seal", True), ids="aab"), origin="vendor")) == 1
    found = merge(alerts(*begun, (15.1, "P", "seal", True), ids="aab"), origin="vendor")
    assert found["id"].tolist() == ["V-P-seal-1", "V-P-seal-2"]
    assert spans(found)[0] == (0, 1)


def test_an_alert_that_comes_and_goes_does_not_end_one_that_still_stands():
    rows = [(0, "P", "", True), (1, "P", "", True), (2, "P", "", False), (3, "P", "", False)]
    found = merge(alerts(*rows[:3], ids="abb"), origin="vendor")
    assert math.isnan(found.end_us[0])
    assert found["alerts"].tolist() == [["a", "b", "b"]]
    assert spans(merge(alerts(*rows, ids="abba"), origin="vendor")) == [(0, 3)]
    assert math.isnan(merge(alerts(*rows[:2], rows[3], ids="abc"), origin="vendor").end_us[0])  # nobody's word ends it


def test_an_alert_taken_back_leaves_the_others_their_own_horizons():
    frame = alerts((0, "P", "", True), (1, "P", "", True), (2, "P", "", False), ids="abb")
    frame["horizon_days"] = [5.0, 9.0, 9.0]
    assert spans(merge(frame, origin="vendor", now_us=20 * DAY_US)) == [(0, 5)]


def test_after_work_the_same_words_are_a_new_claim():
    work = pd.DataFrame({"at_us": [5 * DAY_US], "asset": "P", "component": "seal"})
    found = merge(alerts((0, "P", "seal", True), (6, "P", "seal", True)), origin="vendor", closings=work)
    assert spans(found)[0] == (0, 5)
    assert len(found) == 2


def test_a_claim_nobody_repeats_runs_out_at_its_horizon():
    frame = alerts((0, "P", "seal", True)).assign(horizon_days=30.0)
    open_still = merge(frame, origin="own", now_us=29 * DAY_US)
    assert math.isnan(open_still.end_us[0])
    assert spans(merge(frame, origin="own", now_us=31 * DAY_US)) == [(0, 30)]
    assert spans(merge(alerts((0, "P", "seal", True)), origin="own", horizon_days=20, now_us=21 * DAY_US)) == [(0, 20)]


def test_no_alerts_make_no_episodes_and_no_pairs():
    none = merge(alerts()[0:0], origin="own")
    assert none.empty
    assert match(none, none).empty


def test_lead_is_positive_where_the_vendor_spoke_first():
    vendor = merge(alerts((10, "P", "seal", True), (10, "Q", "seal", True)), origin="vendor")
    own = merge(alerts((24, "P", "seal", True), (200, "Q", "seal", True)), origin="own")
    pairs = match(vendor, own, window_days=56)
    assert pairs[["vendor_id", "own_id"]].values.tolist() == [
        ["V-P-seal-1", "O-P-seal-1"], ["V-Q-seal-1", None], [None, "O-Q-seal-1"]]  # fmt: skip
    assert pairs.lead_days[0] == 14
    assert pairs.lead_days[1:].isna().all()


def test_work_between_two_claims_keeps_them_apart_however_soon_the_second_comes():
    work = pd.DataFrame({"at_us": [int(0.5 * DAY_US)], "asset": "P", "component": "seal"})
    found = merge(alerts((0, "P", "seal", True), (1, "P", "seal", True)), origin="vendor", closings=work)
    assert spans(found)[0] == (0, 0.5)
    assert len(found) == 2


def test_the_nearest_claims_are_paired_first_and_each_once():
    vendor = merge(alerts((0, "P", "seal", True), (50, "P", "seal", True)), origin="vendor", gap_days=1, horizon_days=5)
    own = merge(alerts((45, "P", "seal", True)), origin="own")
    pairs = match(vendor, own)
    assert pairs[["vendor_id", "own_id", "lead_days"]].values.tolist()[1] == ["V-P-seal-2", "O-P-seal-1", -5.0]
    assert pairs.own_id[0] is None


def test_an_episode_that_names_no_component_pairs_after_those_that_do():
    vendor = merge(alerts((10, "P", "", True), (12, "P", "seal", True)), origin="vendor")
    own = merge(alerts((10, "P", "seal", True), (40, "P", "bearing", True)), origin="own")
    pairs = match(vendor, own)
    assert set(zip(pairs.vendor_id, pairs.own_id, pairs.component, strict=True)) == {
        ("V-P-seal-1", "O-P-seal-1", "seal"), ("V-P-unnamed-1", "O-P-bearing-1", "bearing")}  # fmt: skip


claims = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from("PQ"), st.sampled_from(["seal", ""]), st.booleans()), max_size=12
)


@given(claims, claims)
def test_every_episode_stands_in_exactly_one_pair_and_within_the_window(ours, theirs):
    own, vendor = merge(alerts(*ours), origin="own"), merge(alerts(*theirs), origin="vendor")
    pairs = match(vendor, own, window_days=56)
    assert sorted(pairs.vendor_id.dropna()) == sorted(vendor["id"])
    assert sorted(pairs.own_id.dropna()) == sorted(own["id"])
    assert (pairs.lead_days.dropna().abs() <= 56).all()


@settings(max_examples=40, deadline=None)
@given(claims, claims, st.sampled_from([1, 86_400, 7]))
def test_neither_names_nor_the_unit_of_time_change_what_is_one_claim(ours, theirs, stretch):
    """Assets by other names in another order, and all times and windows longer by the same factor."""
    pairs = {}
    for name, times, rename in (("plain", 1, {}), ("other", stretch, {"P": "Z9", "Q": "A1"})):
        both = []
        for rows, origin in ((theirs, "vendor"), (ours, "own")):
            frame = alerts(*rows)
            frame = frame.assign(at_us=frame["at_us"] * times, asset=frame["asset"].replace(rename)) if rows else frame
            both.append(merge(frame, origin=origin, gap_days=14 * times, horizon_days=182 * times))
        found = match(*both, window_days=56 * times)
        back = found["asset"].replace({new: old for old, new in rename.items()})
        told = zip(back, found["component"], (found["lead_days"] / times).fillna(-1e6), strict=True)
        pairs[name] = sorted((asset, part, round(lead, 6)) for asset, part, lead in told)
    assert pairs["plain"] == pairs["other"]


@given(claims)
def test_every_raised_alert_lies_in_one_episode_whatever_the_order_of_rows(rows):
    frame = alerts(*rows)
    found = merge(frame, origin="own")
    listed = [one for each in found["alerts"] for one in each]
    assert len(listed) == len(set(listed))
    if rows:
        assert set(frame.alert_id[frame.active.astype(bool)]) <= set(listed)
        distinct = frame.drop_duplicates(["at_us", "asset", "component"])
        back = merge(distinct.iloc[::-1], origin="own")
        pd.testing.assert_frame_equal(back, merge(distinct, origin="own"))


@given(st.lists(st.tuples(st.floats(0, 40), st.sampled_from("abc"), st.booleans()), max_size=20))
def test_an_episode_is_open_exactly_while_some_alert_of_it_stands(steps):
    days = 0.0
    rows, active = [], set()
    for gap, name, raised in steps:
        days += gap
        rows.append((days, "P", "", raised))
        (active.add if raised else active.discard)(name)
        ids = "".join(step[1] for step in steps[: len(rows)])
        found = merge(alerts(*rows, ids=ids), origin="vendor", horizon_days=10_000)
        assert found.end_us.isna().sum() == bool(active)
