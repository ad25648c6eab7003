"""A judge that remembers says minute by minute what one says that reads everything anew."""

import numpy as np
import pytest

from drivers.batch import batch_of
from drivers.record import Reason, Sample
from monitor import judge, learning
from monitor.historian.hot import HotFile
from monitor.historian.reader import HotReader
from monitor.judge.window import ROWS, Window
from monitor.ledger import Draft, Ledger
from monitor.state import State
from tests.monitor.judged_plant import MINUTE_US, NOW_US, lay_down, minutes, settings

PLANT = settings()
TAGS = {tag.name.removeprefix("pump1."): tag.number for tag in PLANT.tags}


@pytest.fixture
def state(tmp_path):
    made = State(tmp_path).make()
    Ledger(made).close()
    lay_down(made, PLANT, NOW_US, minutes())
    learning.learn(made, PLANT, NOW_US)
    hot = HotFile(made.hot)
    hot.publish_tags(PLANT)
    hot.close()
    return made


def live(state, frame, first, last, without=()):
    """Minutes `first` to `last` of a frame that begins at NOW_US, into the hot file as the daemon writes them."""
    hot = HotFile(state.hot)
    for row in range(first, last):
        at_us = NOW_US + row * MINUTE_US + 1
        samples = [
            Sample(TAGS[name], at_us, float(frame[name].iloc[row]))
            if name not in without
            else Sample(TAGS[name], at_us, None, Reason.COMMS)
            for name in frame
        ]
        hot.append([batch_of("plc", at_us, samples)], at_us // 1000)
    hot.roll((NOW_US + last * MINUTE_US) // 1000)
    hot.close()


def written(state, result):
    ledger = Ledger(state)
    ledger.append_many(result.ledger)
    ledger.close()
    return result


def test_minute_by_minute_the_same_is_said_as_by_one_that_reads_all_anew(state):
    frame = minutes(240, start="2026-01-05", seed=3, head_loss=0.12)
    remembering = judge.Judge(state, PLANT)
    live(state, frame, 0, 70)
    for last in (70, 71, 74, 90, 150):
        live(state, frame, max(70, last - 1), last, without=("flow",) if last == 90 else ())
        now_us = NOW_US + last * MINUTE_US + 30_000_000
        anew = judge.score(state, PLANT, now_us)
        assert remembering.score(now_us) == anew
        assert anew.assessments[0]["asset"] == "pump1"
        written(state, anew)


def test_what_was_erased_is_not_remembered(state):
    remembering = judge.Judge(state, PLANT)
    remembering.score(NOW_US)
    ledger = Ledger(state)
    data = {"alert_id": "V1", "vendor": "x", "failure_mode": "wear", "severity": "note", "issued_at": None,
            "text": "Mr Smith says", "recommended_action": "", "horizon": "", "raw_sha256": "0" * 64,
            "feed": "m"}  # fmt: skip
    n = ledger.append_many([Draft("vendor_alert", data, NOW_US, "mail", site="G", asset="pump1")])[0].n
    ledger.close()
    assert "Mr Smith" in remembering.score(NOW_US).verdicts[0]["reason"]
    ledger = Ledger(state)
    ledger.erase([n], "art. 17", at_us=NOW_US, role="administrator", via="screen")
    ledger.close()
    assert remembering.score(NOW_US).verdicts == judge.score(state, PLANT, NOW_US).verdicts == []


def test_a_window_after_a_pause_holds_nothing_old(state):
    hot = HotFile(state.hot)
    tags = {row.number: row for row in HotReader(state.hot).tags().values()}
    hot.close()
    window = Window(tags, ["pump1"])
    frame = minutes(30, start="2026-01-05")
    live(state, frame, 0, 30)
    window.take(HotReader(state.hot), NOW_US // 1_000_000 + 30 * 60)
    assert window.of("pump1").rows == 30
    values, share = window.of("pump1").frames()
    assert np.isfinite(values["flow"].iloc[-30:]).all() and len(values) == ROWS
    assert (share.iloc[:-30] == 0).all().all()
    window.take(HotReader(state.hot), NOW_US // 1_000_000 + (30 + ROWS + 5) * 60)
    assert window.of("pump1").rows == 0
    window.take(HotReader(state.hot), NOW_US // 1_000_000 + 20 * 60)  # the clock was set back
    assert window.of("pump1").rows == 20
