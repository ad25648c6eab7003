"""From history to a verdict: what is learned, said, raised, matched and written, and what is not."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from drivers.batch import batch_of
from drivers.record import Reason, Sample
from monitor import judge, learning, verdicts
from monitor.historian.history import write_grid
from monitor.historian.hot import HotFile
from monitor.ledger import Ledger, entries
from monitor.plant import Asset, Learning, Review
from monitor.state import State
from monitor.words import utc_text
from tests.monitor.judged_plant import DAY_US, MINUTE_US, NOW_US, lay_down, minutes, settings

PLANT = settings()


@pytest.fixture
def state(tmp_path):
    made = State(tmp_path).make()
    Ledger(made).close()
    return made


def learned(state, plant=PLANT):
    lay_down(state, plant, NOW_US, minutes())
    assert set(learning.learn(state, plant, NOW_US).learned) == {"pump1"}


def score_and_write(state, now_us, plant=PLANT):
    result = judge.score(state, plant, now_us)
    ledger = Ledger(state)
    ledger.append_many(result.ledger)
    ledger.close()
    return result


def vendor_says(state, at_us, component="seal", alert_id="SP-1", active=True, asset="pump1", text=None):
    data = {"alert_id": alert_id, "vendor": "SmartPump", "failure_mode": "wear", "severity": "warning",
            "issued_at": utc_text(at_us), "text": text or f"replace {component} within 14 days",
            "recommended_action": "replace", "horizon": "14 d", "raw_sha256": "0" * 64,
            "feed": "mail", "active": active}  # fmt: skip
    ledger = Ledger(state)
    ledger.append("vendor_alert", data, at_us=at_us, via="intake", site="G", asset=asset, component=component)
    ledger.close()


def test_a_model_is_learned_once_and_reads_back_as_it_was_written(state):
    learned(state)
    first = learning.load(state, "pump1")
    assert first.card["confirmed_by"] == "nobody yet"
    assert learning.learn(state, PLANT, NOW_US + DAY_US).learned == {}
    again = learning.learn(state, PLANT, NOW_US, again=True).learned
    assert again == {"pump1": first.sha256}


def test_without_data_nothing_is_learned_and_the_reason_is_said(state):
    result = learning.learn(state, PLANT, NOW_US)
    assert result.learned == {}
    assert result.not_learned["pump1"] == "0.0 days were read of 1.8 that are needed; it is learned then"


def test_a_damaged_model_is_said_and_not_used(state):
    learned(state)
    path = state.models / "pump1.json"
    path.write_text(path.read_text().replace('"engineer"', '"x"').replace('"nobody yet"', '"everybody"'))
    with pytest.raises(learning.ModelDamaged, match="does not agree with its digest"):
        learning.load(state, "pump1")
    row = judge.score(state, PLANT, NOW_US).assessments[0]
    assert row["index"] is None
    assert "digest" in row["reasons"][0]


def test_a_healthy_pump_is_normal_and_only_the_first_minute_is_written(state):
    learned(state)
    first = score_and_write(state, NOW_US)
    row = first.assessments[0]
    assert (row["asset"], row["word"], row["verdict"]) == ("pump1", "normal", None)
    assert row["index"] > 63
    assert [one["kind"] for one in first.ledger] == ["assessment"]
    assert score_and_write(state, NOW_US).ledger == []
    json.dumps(first.assessments, allow_nan=False)


def test_the_live_minutes_are_judged_as_the_same_minutes_from_history(state):
    learned(state)
    frame = minutes().iloc[-240:]
    hot = HotFile(state.hot)
    hot.publish_tags(PLANT)
    for row in range(240):
        at = NOW_US - (240 - row) * MINUTE_US
        samples = [Sample(tag.number, at, float(frame[tag.quantity].iloc[row])) for tag in PLANT.tags]
        hot.append([batch_of("plc", at, samples)], at // 1000)
    hot.roll(NOW_US // 1000)
    hot.close()
    live = judge.score(state, PLANT, NOW_US).assessments[0]
    state.hot.unlink()
    past = judge.score(state, PLANT, NOW_US).assessments[0]
    assert live["index"] == pytest.approx(past["index"])
    assert live["index"] is not None


def test_without_a_model_the_index_is_unknown_and_the_lines_still_speak(state):
    lay_down(state, PLANT, NOW_US, minutes(100))
    row = judge.score(state, PLANT, NOW_US).assessments[0]
    assert (row["index"], row["word"]) == (None, "unknown")
    assert "no reference has been learned" in row["reasons"][0]
    assert {line["name"]: line["word"] for line in row["lines"]}["vibration"] == "ok"


def test_no_data_at_all_is_unknown_and_raises_nothing(state):
    learned(state)
    result = judge.score(state, PLANT, NOW_US + 3 * DAY_US)
    assert result.assessments[0]["word"] == "unknown"
    assert result.own_alerts == []


def worn(state, days=1):
    """A day after learning the impeller is worn."""
    learned(state)
    lay_down(state, PLANT, NOW_US + days * DAY_US, minutes(240, head_loss=0.1, seed=4))
    return NOW_US + days * DAY_US


def test_a_worn_impeller_raises_one_own_alert_with_its_reason(state):
    at = worn(state)
    result = score_and_write(state, at)
    assert [(one["component"], one["stage"]) for one in result.own_alerts] == [("impeller", "raised")]
    assert result.own_alerts[0]["text"].startswith("impeller: head against curve -")
    assert [one["word"] for one in result.verdicts] == ["own_only"]
    again = score_and_write(state, at)
    assert again.ledger == []
    assert [one["alert_id"] for one in again.own_alerts] == [one["alert_id"] for one in result.own_alerts]


def test_an_own_alert_recovers_first_and_closes_only_after_a_day(state):
    at = worn(state)
    score_and_write(state, at)
    later = at + DAY_US
    lay_down(state, PLANT, later, minutes(300, seed=5))
    assert [one["stage"] for one in score_and_write(state, later - 61 * MINUTE_US).own_alerts] == ["recovering"]
    assert [one["stage"] for one in score_and_write(state, later - 30 * MINUTE_US).own_alerts] == ["recovering"]
    assert [one["stage"] for one in score_and_write(state, later).own_alerts] == ["recovering"]
    lay_down(state, PLANT, later + DAY_US, minutes(300, seed=5))
    closed = score_and_write(state, later + DAY_US)
    assert closed.own_alerts == []
    assert [one["data"]["stage"] for one in closed.ledger if one["kind"] == "own_alert"] == ["closed"]


def test_a_gap_neither_raises_nor_ends_an_alert(state):
    at = worn(state)
    score_and_write(state, at)
    result = score_and_write(state, at + DAY_US)
    assert [one["stage"] for one in result.own_alerts] == ["raised"]
    assert [one["kind"] for one in result.ledger] == ["assessment"]


def test_a_pump_with_an_open_alert_is_not_learned_again(state):
    at = worn(state)
    score_and_write(state, at)
    assert "alert is open" in learning.learn(state, PLANT, at, again=True).not_learned["pump1"]


def test_vendor_alone_is_vendor_only_with_one_sentence_and_provisional(state):
    learned(state)
    vendor_says(state, NOW_US - DAY_US)
    result = score_and_write(state, NOW_US)
    [one] = result.verdicts
    assert set(one) == {"asset", "component", "word", "since", "final", "reason", "vendor_episode", "own_episode"}
    assert (one["word"], one["final"], one["component"]) == ("vendor_only", False, "seal")
    assert one["since"] == "2026-01-04T00:00:00.000Z"
    assert one["reason"].startswith("vendor asks: replace seal within 14 days; own index ")
    assert one["vendor_episode"]["alerts"] == ["SP-1"]
    assert result.assessments[0]["verdict"] == "vendor_only"


def test_vendor_alone_while_nothing_was_learned_is_cannot_tell_and_says_why(state):
    vendor_says(state, NOW_US - DAY_US)
    [one] = score_and_write(state, NOW_US).verdicts
    assert one["word"] == "cannot_tell"
    assert "no reference has been learned" in one["reason"]


def test_the_reason_names_a_claim_that_stands_or_says_that_it_has_ended(state):
    def reason(now_us):
        [one] = score_and_write(state, now_us).verdicts or [{"reason": ""}]
        return one["reason"]

    says = partial(vendor_says, state, text="undervoltage (code 40)")
    says(NOW_US - 5 * MINUTE_US, alert_id="40")
    says(NOW_US - 4 * MINUTE_US, alert_id="57", text="overload (code 57)")
    assert reason(NOW_US).startswith("vendor asks: overload (code 57);")
    vendor_says(state, NOW_US + MINUTE_US, alert_id="57", active=False)
    result = score_and_write(state, NOW_US + 2 * MINUTE_US)
    [one] = result.verdicts
    assert one["reason"].startswith("vendor asks: undervoltage (code 40);")
    assert one["vendor_episode"]["end"] is None
    assert result.assessments[0]["verdict"] == "cannot_tell"  # 40 stands
    vendor_says(state, NOW_US + 3 * MINUTE_US, alert_id="40", active=False)
    result = score_and_write(state, NOW_US + 4 * MINUTE_US)
    assert result.assessments[0]["verdict"] is None
    assert "(has ended)" in result.verdicts[0]["reason"]


def test_a_claim_on_an_asset_without_a_model_has_a_verdict_too(state):
    plant = replace(PLANT, assets=(*PLANT.assets, Asset("blower1", "G", "blower", "blower")))
    vendor_says(state, NOW_US - DAY_US, asset="blower1")
    rows = {one["asset"]: one for one in score_and_write(state, NOW_US, plant).assessments}
    assert rows["blower1"]["verdict"] == "cannot_tell"
    assert rows["blower1"]["reasons"] == ["no own model for this asset"]
    assert rows["pump1"]["verdict"] is None


def test_both_about_the_same_part_agree_and_about_different_parts_do_not(state):
    at = worn(state)
    vendor_says(state, at - 3600_000_000, "impeller", "SP-1")
    vendor_says(state, at - 3600_000_000, "seal", "SP-2")
    result = score_and_write(state, at)
    assert {one["component"]: one["word"] for one in result.verdicts} == {"impeller": "agree", "seal": "vendor_only"}
    assert result.assessments[0]["verdict"] == "agree"


def test_own_first_and_vendor_later_becomes_agree_from_then_on(state):
    at = worn(state)
    score_and_write(state, at)
    vendor_says(state, at + MINUTE_US, "impeller")
    [one] = score_and_write(state, at + 2 * MINUTE_US).verdicts
    assert one["word"] == "agree"
    assert one["since"] == utc_text(at + 2 * MINUTE_US)
    assert len(list(entries(state, ("verdict",)))) == 2


def test_a_verdict_becomes_final_when_its_match_window_closes_and_stays_as_it_is(state):
    learned(state)
    vendor_says(state, NOW_US)
    score_and_write(state, NOW_US)
    later = NOW_US + 57 * DAY_US
    changed = [one["data"] for one in score_and_write(state, later).ledger if one["kind"] == "verdict"]
    assert [one["final"] for one in changed] == [True]
    assert changed[0]["word"] == "vendor_only"
    assert [one for one in score_and_write(state, later + DAY_US).ledger if one["kind"] == "verdict"] == []


def test_silence_of_a_model_that_hardly_watched_means_nothing():
    assert verdicts.share_known([], 0, 100) == 0
    assert verdicts.share_known([(0, True)], 0, 100) == 1
    assert verdicts.share_known([(50, True), (75, False)], 0, 100) == 0.25
    assert verdicts.share_known([(-50, True), (200, False)], 0, 100) == 1


def test_repeated_vendor_messages_are_one_episode(state):
    learned(state)
    for day in range(5):
        vendor_says(state, NOW_US - (5 - day) * DAY_US, alert_id=f"SP-{day}")
    [one] = score_and_write(state, NOW_US).verdicts
    assert one["vendor_episode"]["alerts"] == [f"SP-{day}" for day in range(5)]


def test_an_alert_text_is_made_safe_before_it_is_shown(state):
    vendor_says(state, NOW_US - DAY_US, "seal\x1b[31m")
    [one] = score_and_write(state, NOW_US).verdicts
    assert "\x1b" not in one["reason"]


def test_the_assets_line_shows_the_worst_verdict_whose_claim_still_stands():
    def made(word, end=None):
        return {"asset": "p", "word": word, "since": word, "vendor_episode": {"end": end}, "own_episode": None}

    several = [made("cannot_tell"), made("agree", "x"), made("vendor_only")]
    assert verdicts.worst_open(several, "p")["word"] == "vendor_only"
    assert verdicts.worst_open([made("agree", "x")], "p") is None


def test_a_thousand_old_alerts_are_judged_once(state):
    for n in range(60):
        vendor_says(state, NOW_US - (400 - n) * DAY_US, alert_id=f"SP-{n}", active=bool(n % 2 == 0))
    first = score_and_write(state, NOW_US)
    assert any(one["kind"] == "verdict" for one in first.ledger)
    assert score_and_write(state, NOW_US).ledger == []


def test_hours_are_learned_where_there_are_no_minutes(state):
    frame = minutes(60 * 24 * 50).iloc[::60]
    times_ms = NOW_US // 1000 - 3_600_000 * np.arange(len(frame), 0, -1)
    facts = {t.name: {"asset": "pump1", "quantity": t.quantity, "unit": t.unit, "description": ""} for t in PLANT.tags}
    write_grid(state, "G", times_ms, {f"pump1.{n}": frame[n].to_numpy() for n in frame}, facts, sync=False)
    assert "pump1" in learning.learn(state, replace(PLANT, models=Learning(learn_days=20)), NOW_US).learned
    assert learning.load(state, "pump1").every_s == 3600
    assert judge.score(state, PLANT, NOW_US).assessments[0]["word"] == "normal"


def test_the_review_parameters_decide_how_far_apart_two_claims_may_be(state):
    at = worn(state)
    vendor_says(state, NOW_US - 10 * DAY_US, "impeller")
    score_and_write(state, at)
    records = list(entries(state, verdicts.KINDS))
    words = {one["word"] for one in verdicts.judge(records, {}, Review(match_days=5), at)[0]}
    assert words == {"own_only", "cannot_tell"}


def test_a_pump_whose_device_is_dead_is_unknown_however_healthy_its_past_was(state):
    learned(state)
    tag = next(tag for tag in PLANT.tags if tag.asset == "pump1")
    hot = HotFile(state.hot)
    hot.publish_tags(PLANT)
    hot.append([batch_of("s", NOW_US, [Sample(tag.number, NOW_US, None, Reason.COMMS)])], NOW_US // 1000)
    hot.close()
    row = next(row for row in judge.score(state, PLANT, NOW_US).assessments if row["asset"] == "pump1")
    assert (row["word"], row["index"]) == ("unknown", None)
    assert row["reasons"][0] == "no good value for more than 120 s"
