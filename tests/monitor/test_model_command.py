"""`handwheel model` on a pump with two days of minutes: learned, shown, asked at any time, held against its past."""

import grp
import io
import json
import os
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pypdf import PdfReader

from drivers.errors import UserError
from models.bias.parameters import Cost
from models.health.remaining import remaining_life
from models.intervals import rate_interval
from monitor import judge, learning
from monitor.cli import build_parser
from monitor.ledger import Ledger, entries
from monitor.ledger.through import this_user
from monitor.lock import hold_lock
from monitor.model import backtest, called, command, life
from monitor.records import tables
from monitor.state import State
from tests.monitor.judged_plant import DAY_US, MINUTE_US, NOW_US, lay_down, minutes, settings

MINE = grp.getgrgid(os.getgid()).gr_name
PLANT = replace(settings(), groups={MINE: "engineer"}, rights={"engineer": ("confirm_baseline",)})
ROLE = this_user(PLANT).role_for("confirm_baseline")  # of whoever runs the tests; root is an administrator
AT = "2026-01-05T00:00Z"


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A STATE with a pump that is sound, and the model of its two days."""
    state = State(tmp_path_factory.mktemp("model")).make()
    Ledger(state).close()
    lay_down(state, PLANT, NOW_US, minutes())
    model = learning.fitted(state, PLANT, "pump1", NOW_US, "nobody yet", NOW_US - 2640 * MINUTE_US)
    learning.store(state, "pump1", model)
    return state


def copied(state, folder):
    shutil.copytree(state.root, folder)
    return State(folder)


@pytest.fixture
def state(learned, tmp_path):
    """A copy of it that may be changed."""
    return copied(learned, tmp_path / "state")


def handwheel(state, *words, plant=PLANT):
    return command.command(build_parser("model").parse_args(["model", *words]), plant, state)


def test_a_card_says_what_was_learned_from_when_and_confirmed_by_whom(learned, capsys):
    assert handwheel(learned, "card", "pump1", "--no-backtest") == 0
    told = capsys.readouterr().out
    model = learning.load(learned, "pump1")
    for word in (model.sha256, model.card["data_sha256"], "confirmed by: nobody yet", "2640", "noise floor", "numpy",
                 "components k", "alert line of the score", "efficiency_points", "not run"):  # fmt: skip
        assert word in told
    assert max(len(line) for line in told.splitlines()) <= 80


def test_the_rows_of_a_card_add_up_to_the_window(learned, capsys):
    handwheel(learned, "card", "pump1", "--no-backtest")
    told = capsys.readouterr().out
    counts = {
        line[:48].strip(): int(line.split()[-1])
        for line in told.splitlines()
        if line.startswith(("left out:", "learned:", "in the window "))
    }
    assert counts.pop("in the window") == 2640 == sum(counts.values())


def test_a_card_of_a_pump_without_a_model_says_what_is_missing(tmp_path, capsys):
    empty = State(tmp_path).make()
    assert handwheel(empty, "card", "pump1") == 0
    told = capsys.readouterr().out
    assert "no model of this asset yet" in told
    assert "handwheel model fit pump1" in " ".join(told.split())
    assert "efficiency_points" in told


def test_learning_the_stored_window_again_gives_the_same_bit_for_bit(learned, capsys):
    assert handwheel(learned, "card", "pump1", "--no-backtest", "--refit") == 0
    assert "CHECKED" in capsys.readouterr().out


def test_a_window_that_was_changed_afterwards_is_seen(state, capsys):
    frame = minutes()
    frame.iloc[700, frame.columns.get_loc("power")] += 0.1
    lay_down(state, PLANT, NOW_US, frame)
    assert handwheel(state, "card", "pump1", "--no-backtest", "--refit") == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "NOT THE SAME" in told
    assert "no longer holds the data" in told


def test_a_card_as_html_and_pdf_shows_the_pictures_and_says_them_in_words(learned, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command.time, "time_ns", lambda: NOW_US * 1000)
    assert handwheel(learned, "card", "pump1", "--out", str(tmp_path / "out")) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "0 in 0.0 pump-years" in told, "the window that was learned counts nowhere"
    assert "not enough data: 0 failures of this class, 10 are needed" in told
    assert "nothing is known of how often they hold" in told
    page = (tmp_path / "out/model_pump1.html").read_text()
    assert page.count("data:image/svg+xml") == 4
    assert 'alt="index from' in page
    assert "<script" not in page
    reader = PdfReader(io.BytesIO((tmp_path / "out/model_pump1.pdf").read_bytes()))
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]


def test_who_may_not_confirm_a_baseline_learns_nothing_but_may_look(state, capsys):
    viewer = replace(PLANT, groups={}, rights={"administrator": ()})
    before = learning.load(state, "pump1").sha256
    with pytest.raises(UserError, match="no right to confirm_baseline"):
        handwheel(state, "fit", "pump1", plant=viewer)
    assert handwheel(state, "fit", "pump1", "--dry", "--from", "2026-01-04", "--to", AT, plant=viewer) == 0
    assert "not stored" in capsys.readouterr().out
    assert learning.load(state, "pump1").sha256 == before


def test_fit_learns_the_window_asked_for_and_the_card_names_the_role(state, capsys):
    short = ("--from", "2026-01-03T12:00Z", "--to", AT)
    with pytest.raises(UserError, match=r"only 1.5 days were read of the 2.0 .* add --although-short and --reason"):
        handwheel(state, "fit", "pump1", *short)
    assert handwheel(state, "fit", "pump1", *short, "--although-short", "--reason", "a new pump") == 0
    assert "stored" in capsys.readouterr().out
    model = learning.load(state, "pump1")
    assert model.card["confirmed_by"] == ROLE
    (told,) = entries(state, ("model",))
    assert (told.role, told.data["sha256"], told.asset) == (ROLE, model.sha256, "pump1")
    assert (model.card["window_start"], model.card["rows"]) == ("2026-01-03T12:00:00.000Z", 2160)
    handwheel(state, "card", "pump1", "--no-backtest", "--refit")
    told = capsys.readouterr().out
    assert f"confirmed by: {ROLE}" in told
    assert "CHECKED" in told
    assert "Only 1.5 days were read, of the 2 " in told
    assert "because: a new pump" in told


def test_fit_learns_nothing_while_an_own_alert_is_open_or_beside_a_daemon(state):
    with hold_lock(state), pytest.raises(UserError, match="a daemon runs and learns pump1 itself"):
        handwheel(state, "fit", "pump1")
    with hold_lock(state), pytest.raises(UserError):  # nobody answers at the socket
        handwheel(state, "fit", "pump1", "--from", "2026-01-03", "--reason", "new impeller")
    enter(state, "own_alert", NOW_US, alert_id="OWN-1", index=30.0, threshold=50.0, text="worn", active=True)
    with pytest.raises(UserError, match="an own alert on pump1 is open"):
        handwheel(state, "fit", "pump1")


def test_fit_of_a_window_without_data_says_why(state):
    with pytest.raises(UserError, match=r"taught nothing: .*complete good rows"):
        handwheel(state, "fit", "pump1", "--from", "2025-06-01", "--to", "2025-07-01")


def test_score_says_of_a_past_time_what_was_said_then(learned, capsys):
    assert handwheel(learned, "score", "pump1", "--at", AT, "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    (row,) = judge.score(learned, PLANT, NOW_US).assessments
    assert told["index"] == pytest.approx(row["index"])
    assert told["model_sha256"] == row["model_sha256"]
    assert handwheel(learned, "score", "--all", "--at", AT) == 0
    assert "normal" in capsys.readouterr().out


def test_an_asset_that_is_no_pump_is_one_line_to_mend(learned):
    with pytest.raises(UserError, match=r"nowhere is no pump or meter that we read; known: pump1"):
        handwheel(learned, "card", "nowhere")
    with pytest.raises(UserError, match="--at yesterday: not a time"):
        handwheel(learned, "score", "pump1", "--at", "yesterday")


def worn(days=6, ill=4):
    """Days of a pump whose impeller is worn from day `ill` on."""
    frame = minutes(days * 1440)
    bad = minutes(days * 1440, head_loss=0.12)
    frame.iloc[ill * 1440 :] = bad.iloc[ill * 1440 :].to_numpy()
    return frame


@pytest.fixture(scope="module")
def worn_out(tmp_path_factory):
    """Two sound days that are learned, two more, then a worn impeller for two days."""
    state = State(tmp_path_factory.mktemp("worn")).make()
    Ledger(state).close()
    lay_down(state, PLANT, NOW_US, worn())
    assert handwheel(state, "fit", "pump1", "--from", "2025-12-30", "--to", "2026-01-01T00:00") == 0
    return state


@pytest.fixture
def wearing(worn_out, tmp_path):
    """A copy of it that may be changed."""
    return copied(worn_out, tmp_path / "state")


SICK = ("--from", "2026-01-03T00:00", "--to", AT)


def test_a_window_that_the_model_in_force_calls_an_alert_is_learned_only_on_a_reason(wearing, capsys):
    before = learning.load(wearing, "pump1").sha256
    with pytest.raises(
        UserError, match=r"calls this window ALERT from 2026-01-03T\d\d:\d\d to 2026-01-05T00:00, mostly"
    ):
        handwheel(wearing, "fit", "pump1", *SICK)
    with pytest.raises(UserError, match="add --reason TEXT"):
        handwheel(wearing, "fit", "pump1", *SICK, "--although-alert")
    assert learning.load(wearing, "pump1").sha256 == before
    capsys.readouterr()
    assert handwheel(wearing, "fit", "pump1", *SICK, "--dry") == 0
    told = capsys.readouterr().out
    assert "!! the model in force calls this window ALERT" in told
    assert "handwheel model card" not in told, "nothing was stored that a card could show"
    assert handwheel(wearing, "fit", "pump1", *SICK, "--although-alert", "--reason", "impeller trimmed") == 0
    *_, entered = entries(wearing, ("model",))
    assert entered.data["called"]["word"] == "alert"
    assert entered.data["reason"] == "impeller trimmed"
    capsys.readouterr()
    handwheel(wearing, "card", "pump1", "--no-backtest")
    told = " ".join(capsys.readouterr().out.split())
    assert "THE MODEL BEFORE IT called this window ALERT from 2026-01-03" in told
    assert "because: impeller trimmed" in told


def test_what_the_daemon_learns_from_a_confirmed_baseline_says_that_the_model_before_it_saw_an_alert(wearing, capsys):
    enter(
        wearing, "baseline", NOW_US - 2 * DAY_US, **{"from": "2026-01-03T00:00:00.000Z", "reason": "impeller trimmed"}
    )
    learned = learning.learn(wearing, PLANT, NOW_US)
    assert learned.learned.keys() == {"pump1"}
    (draft,) = learned.ledger
    assert (draft["data"]["why"], draft["data"]["called"]["word"]) == (learning.CONFIRMED, "alert")
    ledger = Ledger(wearing)
    ledger.append_many([draft])
    ledger.close()
    handwheel(wearing, "card", "pump1", "--no-backtest")
    assert "THE MODEL BEFORE IT called this window ALERT" in " ".join(capsys.readouterr().out.split())


def test_a_card_says_that_a_confirmed_baseline_waits_and_who_judges_until_it_is_learned(state, capsys, monkeypatch):
    monkeypatch.setattr(command.time, "time_ns", lambda: (NOW_US + DAY_US // 2) * 1000)
    words = ("confirm", "pump1", "--from", AT, "--reason", "new impeller")
    assert handwheel(state, *words) == 0
    capsys.readouterr()
    handwheel(state, "card", "pump1", "--no-backtest")
    told = " ".join(capsys.readouterr().out.split())
    assert f"baseline confirmed from 2026-01-05 00:00 +00:00 by {ROLE}; 0.50 of 2 days have passed" in told
    assert "until it is learned the model before it judges" in told
    handwheel(state, "score", "pump1")
    assert "baseline confirmed from 2026-01-05 00:00" in capsys.readouterr().out


def enter(state, kind, at_us, **data):
    ledger = Ledger(state)
    ledger.append(kind, data, at_us=at_us, via="test", site="G", asset="pump1", component="impeller")
    ledger.close()


def told_of(state, capsys):
    assert handwheel(state, "backtest", "pump1", "--from", "2025-12-28", "--to", AT, "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    return told


def test_a_failure_is_found_with_its_lead_and_the_episode_before_it_is_not_false(wearing, capsys):
    enter(wearing, "failure", NOW_US - 3600_000_000, failure_id="F-1", mode="worn")
    enter(wearing, "finding", NOW_US - 1800_000_000, wo_id="W-1", grade="E", inspector_party="utility",
          blind_to_alert=False)  # fmt: skip
    told = told_of(wearing, capsys)
    assert told["found"]["found"] == told["found"]["n"] == 1, "failure and finding are one event"
    assert told["false"]["n"] == 0
    assert told["lead_median_days"] == pytest.approx(2, abs=0.2)
    assert told["pump_years"] == pytest.approx(4 / 365.25, rel=0.02)
    assert told["unknown_share"] < 0.05


def test_an_episode_that_still_stands_is_undecided_and_only_the_upper_bound_counts_it(wearing, capsys):
    told = told_of(wearing, capsys)
    assert (told["episodes"], told["undecided"], told["false"]["n"], told["false"]["value"]) == (1, 1, 0, 0.0)
    assert told["raised"][0]["followed_by"] == "undecided"
    assert told["false"]["high"] == pytest.approx(rate_interval(1, told["pump_years"]).high)
    assert told["found"] == {"found": 0, "n": 0, "low": 0.0, "high": 1.0}
    assert handwheel(wearing, "backtest", "pump1", "--from", "2025-12-28", "--to", AT) == 0
    assert "pump-years, 1 undecided)" in capsys.readouterr().out


def test_an_episode_that_nothing_follows_within_the_horizon_is_false_and_a_later_one_undecided():
    times = pd.date_range("2026-01-01", periods=100, freq="D", tz="UTC")
    words = np.full(100, "normal", object)
    words[[10, 11, 80, 81]] = "alert"  # both are closed
    good, none = np.ones(100, bool), np.zeros(100, bool)
    past = backtest.Past(times, words, (), np.empty((100, 0)), good, none, none)
    learned = backtest.Learned("pump1", "-", 86_400.0, (0, 0))
    found = backtest.compare(learned, past, backtest.Truth((), (), 0), 30 * DAY_US)
    assert [one.followed_by for one in found.raised] == ["nothing", "undecided"]
    assert (found.false.n, found.undecided) == (1, 1)
    assert found.false.low < found.false.value < found.false.high


def test_what_the_vendor_found_itself_is_no_truth(wearing, capsys):
    enter(wearing, "finding", NOW_US - 3600_000_000, wo_id="W-1", grade="E", inspector_party="vendor",
          blind_to_alert=False)  # fmt: skip
    assert told_of(wearing, capsys)["found"]["n"] == 0


def test_a_back_test_says_itself_in_one_line_and_then_row_by_row(wearing, capsys):
    assert handwheel(wearing, "backtest", "pump1", "--from", "2025-12-28", "--to", AT) == 0
    told = capsys.readouterr().out
    assert "false episodes per pump-year" in told
    assert "  median lead: -" in told


def test_the_parts_that_a_past_is_read_in_make_no_difference(wearing, monkeypatch, capsys):
    whole = told_of(wearing, capsys)
    monkeypatch.setattr(backtest, "PART_US", DAY_US)
    assert told_of(wearing, capsys) == whole


def test_without_a_model_there_is_no_back_test(tmp_path):
    empty = State(tmp_path).make()
    with pytest.raises(UserError, match="pump1 has no model yet"):
        handwheel(empty, "backtest", "pump1")
    assert handwheel(empty, "backtest", "--all") == 0


def test_the_index_that_tells_how_long_it_lasts_begins_after_the_last_replacement(tmp_path):
    state = State(tmp_path).make()
    Ledger(state).close()
    times = pd.date_range("2025-01-01", periods=300, freq="D", tz="UTC")
    falling = np.concatenate([np.linspace(90, 45, 150), np.linspace(90, 60, 150)])
    cut_us = times[150].value // 1000
    enter(state, "work_order", cut_us, wo_id="W-1", opened="2025-05-31", action="replace", trigger="inspection")
    walked = SimpleNamespace(times=times, index=falling)
    whole, *others = life.parts(state, PLANT, PLANT.asset("pump1"), walked, times[-1].value // 1000)
    assert whole.told.trend.days < 150
    assert 0 < whole.told.crossing.low <= whole.told.crossing.days <= whole.told.crossing.high
    assert whole.told.realised.coverage.n == 1, "only the stretch that ended tells how good such bounds are"
    assert life.words(whole).startswith("the index moves by -6")
    assert [one.name for one in others] == ["seal", "bearing", "impeller"]
    assert life.words(others[0]) == "not enough data: 0 failures of this class, 10 are needed"


def test_a_class_that_failed_often_is_told_by_its_counts_and_the_curve_beside_them():
    rng = np.random.default_rng(3)
    age, seen = 400 + rng.exponential(500, 60), rng.uniform(300, 1500, 60)  # quiet, then a flat rate
    lives = pd.DataFrame({
        "asset": [f"P{i}" for i in range(60)], "component": "seal", "entry_d": 0.0, "exit_d": np.minimum(age, seen),
        "ended": np.where(age < seen, "failed", "worn"),
    })  # fmt: skip
    part = life.Part("seal", remaining_life(None, lives, "seal", 300.0, Cost(900.0, 2700.0)))
    said = life.words(part)
    assert "33 failures in 60 lives" in said and "Weibull shape 2.8 [" in said
    assert "the curve rises, the counts since the first failure do not show it" in said
    assert "cheapest replacement age in days:" in said and "by the counts" in said
    rows = life.by_age(part)
    assert len(rows) == 5 and rows[0][3] == "0" and sum(int(row[3]) for row in rows) == 33
    assert sum(int(row[6]) for row in rows) == 60
    assert life.by_age(life.Part("seal", remaining_life(None, lives.iloc[:5], "seal"))) == ()


def test_failures_count_from_when_anything_else_was_recorded_and_not_from_old_jobs(tmp_path):
    state = State(tmp_path).make()
    Ledger(state).close()
    times = pd.date_range("2025-01-01", periods=100, freq="D", tz="UTC")
    start_us = times[0].value // 1000
    job = {"opened": "2024-01-01", "action": "replace", "trigger": "schedule"}
    enter(state, "work_order", start_us - 400 * DAY_US, wo_id="W-1", done="2023-11-28T00:00:00Z", **job)
    enter(state, "event", start_us, date="2025-01-01", event_kind="contract", text="-")
    recorded = tables(state)
    assert life.recorded_since(recorded, times[-1].value // 1000) == start_us


def test_the_word_of_a_row_is_the_worse_one_of_index_and_lines():
    class Walked:
        word = np.array(["normal", "unknown", "alert", "unknown"], object)
        lines = {"head_residual": np.array(["act", "warn", "ok", "cannot_tell"], object)}

    assert list(called.words_of(Walked())) == ["alert", "warning", "alert", "unknown"]
