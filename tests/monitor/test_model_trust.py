"""`handwheel model` can be trusted: it says what the daemon says, by the model of that time and of that very pump."""

import json
import re
import shutil
from dataclasses import replace

import pytest

from drivers.batch import batch_of
from drivers.errors import UserError
from drivers.record import Sample
from monitor import judge, learning
from monitor.cli import build_parser
from monitor.historian.hot import HotFile
from monitor.ledger import Ledger, entries
from monitor.model import command
from monitor.plant import Asset
from monitor.state import State
from monitor.words import utc_text
from tests.monitor.judged_plant import DAY_US, MINUTE_US, NOW_US, lay_down, minutes, settings

PLANT = settings()


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    state = State(tmp_path_factory.mktemp("trust")).make()
    Ledger(state).close()
    lay_down(state, PLANT, NOW_US, minutes())
    write(state, learning.learn(state, PLANT, NOW_US).ledger)
    return state


@pytest.fixture
def state(learned, tmp_path):
    shutil.copytree(learned.root, tmp_path / "state")
    return State(tmp_path / "state")


def write(state, drafts):
    ledger = Ledger(state)
    ledger.append_many(drafts)
    ledger.close()


def handwheel(state, *words, plant=PLANT):
    return command.command(build_parser("model").parse_args(["model", *words]), plant, state)


def asked_at(monkeypatch, at_us):
    monkeypatch.setattr(command.time, "time_ns", lambda: at_us * 1000)


def live(state, frame, until_us):
    """The last rows of `frame` as minutes of the hot file, which end at `until_us`."""
    hot = HotFile(state.hot)
    hot.publish_tags(PLANT)
    for row in range(len(frame)):
        at = until_us - (len(frame) - row) * MINUTE_US
        samples = [Sample(tag.number, at, float(frame[tag.quantity].iloc[row])) for tag in PLANT.tags]
        hot.append([batch_of("plc", at, samples)], at // 1000)
    hot.roll(until_us // 1000)
    return hot


def test_score_now_says_what_the_daemon_says_with_age_alerts_and_where_the_screen_differs(
    state, monkeypatch, capsys
):  # fmt: skip
    until_us = NOW_US + 90 * MINUTE_US
    ill = minutes(300, head_loss=0.12).iloc[-90:]
    hot = live(state, ill, until_us)
    said = judge.score(state, PLANT, until_us)
    (row,) = said.assessments
    assert row["word"] == "alert"
    write(state, said.ledger)
    hot.set_assessments([{**row, "index": 98.1, "word": "normal"}])
    hot.close()
    asked_at(monkeypatch, until_us + 20_000_000)
    assert handwheel(state, "score", "pump1", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["index"], told["word"], told["at"]) == (row["index"], row["word"], row["at"])
    assert told["row_age_s"] == pytest.approx(20, abs=0.1)
    assert told["differs_from_published"] is True
    assert told["own_alerts"] == [one["data"]["alert_id"] for one in said.ledger if one["kind"] == "own_alert"] != []
    assert handwheel(state, "score", "pump1") == 0
    text = capsys.readouterr().out
    assert "ALERT" in text and "own alert stands: " in text
    assert re.search(r"row of 60 s, ended (19|20)s before the time asked", text)
    assert "DIFFERS: the daemon said normal, index 98.1" in text


def test_without_a_fresh_value_score_and_explain_say_unknown_as_the_daemon_does(state, monkeypatch, capsys):
    live(state, minutes(300), NOW_US + 300 * MINUTE_US).close()
    later_us = NOW_US + 310 * MINUTE_US
    (row,) = judge.score(state, PLANT, later_us).assessments
    asked_at(monkeypatch, later_us)
    assert handwheel(state, "score", "pump1", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["index"], told["word"], told["reasons"]) == (None, row["word"], [*row["reasons"]])
    assert handwheel(state, "explain", "pump1") == 0
    text = capsys.readouterr().out
    assert "no good value for more than" in text and "index = 100" not in text


def test_a_past_time_is_judged_by_the_model_of_then_and_what_was_not_kept_is_said(state, capsys):
    first = learning.load(state, "pump1").sha256
    model = learning.fitted(state, PLANT, "pump1", NOW_US, "engineer", NOW_US - DAY_US)
    learning.store(state, "pump1", model)
    body = {**model.to_json(), "sha256": model.sha256}
    write(state, [learning.entry(PLANT.asset("pump1"), body, "by hand", NOW_US + DAY_US)])
    then = utc_text(NOW_US)
    assert model.sha256 != first
    assert handwheel(state, "score", "pump1", "--at", then, "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["model_sha256"], told["model_in_force_then"]) == (first, True)
    handwheel(state, "score", "pump1", "--at", then)
    assert f"by the model learned from 2026-01-03 to 2026-01-04 ({first[:16]})" in capsys.readouterr().out
    for path in (state.models / "pump1").glob(f"{first}.*"):
        path.unlink()
    handwheel(state, "explain", "pump1", "--at", then)
    text = " ".join(capsys.readouterr().out.split())
    assert "by today's model, learned later" in text and model.sha256 in text
    assert re.search(r"as of:? +2026-01-05 00:00", text), "the time asked, not that of printing"


def test_the_model_of_another_pump_is_refused_by_its_card_and_an_older_one_by_the_ledger(state):
    for end in ("json", "npz"):
        shutil.copy(state.models / f"pump1.{end}", state.models / f"pump2.{end}")
    with pytest.raises(learning.ModelDamaged, match="is the model of pump1, not of pump2"):
        learning.load(state, "pump2")
    model = learning.load(state, "pump1")
    old = replace(model, card={name: one for name, one in model.card.items() if name != "asset"})
    learning.store(state, "pump1", old)
    with pytest.raises(learning.ModelDamaged, match="is the model of another asset, not of pump1"):
        learning.load(state, "pump1")
    body = {**old.to_json(), "sha256": old.sha256}
    write(state, [learning.entry(PLANT.asset("pump1"), body, "by hand", NOW_US)])
    assert learning.load(state, "pump1").sha256 == old.sha256
    learning.store(state, "pump2", old)
    with pytest.raises(learning.ModelDamaged, match="is the model of pump1, not of pump2"):
        learning.load(state, "pump2")


def test_a_model_that_was_removed_is_taken_up_again_and_not_learned_anew(state):
    sha256 = learning.load(state, "pump1").sha256
    for end in ("json", "npz"):
        (state.models / f"pump1.{end}").unlink()
    lay_down(state, PLANT, NOW_US + DAY_US, minutes(1440, head_loss=0.12))
    told = learning.learn(state, PLANT, NOW_US + DAY_US)
    assert (told.learned, told.ledger) == ({}, [])
    assert learning.load(state, "pump1").sha256 == sha256
    assert len(list(entries(state, ("model",)))) == 1


def test_a_model_of_which_no_copy_is_left_is_learned_again_from_its_own_window(state):
    sha256 = learning.load(state, "pump1").sha256
    for path in [*state.models.glob("pump1.*"), *(state.models / "pump1").iterdir()]:
        path.unlink()
    lay_down(state, PLANT, NOW_US + 2 * DAY_US, minutes(2880, head_loss=0.12))
    told = learning.learn(state, PLANT, NOW_US + 2 * DAY_US)
    assert (told.learned, told.ledger) == ({"pump1": sha256}, [])


def test_a_damaged_model_still_says_what_it_called_a_window(state):
    lay_down(state, PLANT, NOW_US + 2 * DAY_US, minutes(2880, head_loss=0.12))
    cut(state.models / "pump1.json")
    asset = PLANT.asset("pump1")
    model = learning.fitted(state, PLANT, "pump1", NOW_US + 2 * DAY_US, "engineer", NOW_US)
    assert learning.called_before(state, PLANT, asset, model).word == "alert"


def test_a_time_ahead_is_no_time_to_ask_for(state, monkeypatch):
    asked_at(monkeypatch, NOW_US)
    with pytest.raises(UserError, match="--at 2099-01-01T00:00 lies ahead; leave it out to ask for now"):
        handwheel(state, "score", "pump1", "--at", "2099-01-01T00:00")


def cut(path):
    path.with_suffix(".npz").write_bytes(path.with_suffix(".npz").read_bytes()[:400])


def nested(path):
    path.write_text("[" * 100_000)


@pytest.mark.parametrize("damage", [cut, nested])
def test_a_broken_model_is_one_line_that_says_what_to_do(state, damage):
    damage(state.models / "pump1.json")
    with pytest.raises(learning.ModelDamaged, match=r"cannot be read .*; remove it: the kept copy") as told:
        handwheel(state, "score", "pump1")
    assert "\n" not in str(told.value)
    assert handwheel(state, "score", "--all") == 0, "one damaged model does not hide the others"


def test_a_place_that_cannot_be_written_is_one_line(state):
    with pytest.raises(UserError, match="/proc/x: cannot be written there"):
        handwheel(state, "card", "pump1", "--no-backtest", "--out", "/proc/x")
    with pytest.raises(UserError, match="cannot be written there"):
        handwheel(state, "explain", "pump1", "--at", utc_text(NOW_US), "--csv", "/proc/x/y.csv")


def test_a_window_that_teaches_nothing_names_what_is_missing(state):
    with pytest.raises(UserError, match="no value at all in this window"):
        handwheel(state, "fit", "pump1", "--dry", "--from", "2025-06-01", "--to", "2025-07-01")
    with pytest.raises(UserError, match="the window lies ahead"):
        handwheel(state, "fit", "pump1", "--dry", "--from", "2099-06-01")
    frame = minutes()
    frame["vibration"] = float("nan")
    lay_down(state, PLANT, NOW_US, frame[["running"]])
    frame[:] = float("nan")
    lay_down(state, PLANT, NOW_US + 5 * DAY_US, minutes()[["running"]])
    with pytest.raises(UserError, match=r"pump1\.flow has no good value in this window"):
        handwheel(state, "fit", "pump1", "--dry", "--from", "2026-01-08T12:00Z", "--to", "2026-01-10T00:00Z")


def test_a_mapped_tag_without_values_is_named_where_it_takes_the_curves_away(tmp_path, capsys):
    state = State(tmp_path).make()
    Ledger(state).close()
    plant = settings((*[one.quantity for one in PLANT.tags], "speed"))
    lay_down(state, plant, NOW_US, minutes())
    model = learning.fitted(state, plant, "pump1", NOW_US, "nobody yet", NOW_US - DAY_US)
    silent = [note for note in model.card["notes"] if note.startswith("no curves")]
    assert silent == ["no curves: pump1.speed has no good value"]
    assert not model.reference.curves
    handwheel(state, "fit", "pump1", "--dry", "--from", "2026-01-03", "--to", utc_text(NOW_US), plant=plant)
    assert "!! no curves: pump1.speed has no good value" in capsys.readouterr().out


def test_an_asset_of_which_nothing_can_be_said_is_told_what_it_is(state):
    more = Asset("hall", "G", "pump hall", "hall"), Asset("P9", "G", "p", "pump")
    plant = replace(PLANT, assets=(*PLANT.assets, *more))
    with pytest.raises(UserError, match=r"hall \(pump hall\) is a hall: models are of pumps and meters only"):
        handwheel(state, "score", "hall", plant=plant)
    with pytest.raises(UserError, match=r"P9 \(p\) is a pump of which no tag is read"):
        handwheel(state, "score", "P9", plant=plant)


def test_further_values_of_a_running_pump_hold_no_leak_and_have_their_units(state, capsys):
    assert handwheel(state, "explain", "pump1", "--at", utc_text(NOW_US)) == 0
    page = capsys.readouterr().out
    further = page[page.index("further values of row 0") :].split("\n\n")[0]
    assert "leak_back" not in further
    assert all(len(line.split()) == 3 for line in further.splitlines() if line.startswith(("flow_n", "head_n")))
