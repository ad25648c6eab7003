"""`handwheel model` on meters: learned, shown, asked at any time, redone from the text, held against the past."""

import json
import math
import re
import shutil
from dataclasses import replace
from statistics import median

import pytest
from pypdf import PdfReader

from drivers.errors import UserError
from monitor import meters
from monitor.cli import build_parser
from monitor.learning import model_path
from monitor.ledger import Ledger, entries
from monitor.model import command
from monitor.plant import Limits
from monitor.state import State
from tests.monitor.test_meters import END_S, lay_down, plant
from tests.monitor.test_model_command import MINE
from tests.monitor.test_model_explained import tables

PLANT = replace(plant(), groups={MINE: "engineer"}, rights={"engineer": ("confirm_baseline",)})
LEARNED_S = END_S - 20 * 86_400
CLOSE = {"rel": 2e-5, "abs": 2e-5}  # seven digits are printed


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """Two sound months of the plant, in which M1 shows 12 % too much from day 45 on; learned before that."""
    state = State(tmp_path_factory.mktemp("meters")).make()
    Ledger(state).close()
    lay_down(state, PLANT, 1.12)
    assert set(meters.learn(state, PLANT, LEARNED_S * 10**6).learned) == {"M1", "M2"}
    return state


@pytest.fixture
def state(learned, tmp_path):
    shutil.copytree(learned.root, tmp_path / "state")
    return State(tmp_path / "state")


@pytest.fixture(autouse=True)
def at_the_end(monkeypatch):
    monkeypatch.setattr(command.time, "time_ns", lambda: END_S * 10**9)


def write(state, drafts):
    ledger = Ledger(state)
    ledger.append_many(drafts)
    ledger.close()


def handwheel(state, *words, settings=PLANT):
    return command.command(build_parser("model").parse_args(["model", *words]), settings, state)


def test_score_says_what_each_line_says_and_all_takes_pumps_and_meters(learned, capsys):
    assert handwheel(learned, "score", "M1") == 0
    told = capsys.readouterr().out
    assert "ALERT: balance raw 11.9 %" in told
    assert "as usual: night flow" in told
    assert handwheel(learned, "score", "--all", "--json") == 0
    rows = {row["asset"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {"P1", "P2", "P3", "M1", "M2"}
    assert (rows["M1"]["word"], rows["M1"]["index"], rows["M2"]["word"]) == ("alert", None, "normal")


def test_a_past_time_is_judged_by_its_own_hours_and_where_they_do_not_reach_it_is_said(learned, capsys):
    assert handwheel(learned, "score", "M1", "--at", "2026-03-10T00:00") == 0
    told = capsys.readouterr().out
    assert "2026-03-10T00:00:00.000Z" in told
    assert "ALERT" not in told
    assert handwheel(learned, "score", "M1", "--at", "2025-03-10T00:00") == 0
    assert "the hot file has hours from 2026-01-31T00:00 to 2026-04-01T00:00 only" in capsys.readouterr().out


def test_a_card_says_what_was_learned_and_the_same_window_teaches_the_same(learned, tmp_path, capsys):
    assert handwheel(learned, "card", "M1", "--refit", "--out", str(tmp_path)) == 0
    told = capsys.readouterr().out
    model = meters.load(learned, "M1")
    words = ("confirmed by: nobody yet", model.sha256, model.facts["data_sha256"], "CHECKED: learned again", "P1.flow",
             "100 m2 x d T1.level", "ratio of raw", "night flow", "drift_percent", "false episodes per meter-year",
             "no signal: no tag M1.signal_quality")  # fmt: skip
    for word in words:
        assert word in told.replace("\n", " "), word
    assert max(len(line) for line in told.splitlines() if not line.startswith(("html", "text", "pdf"))) <= 80
    page = PdfReader(tmp_path / "model_M1.pdf").pages[0].extract_text()
    assert "Model card M1" in page
    assert "image/svg" in (tmp_path / "model_M1.html").read_text()


def test_a_card_of_a_meter_without_accounts_names_the_lines_of_site_toml_that_would_help(learned, capsys):
    alone = replace(PLANT, crosschecks=())
    handwheel(learned, "card", "M1", "--no-backtest", settings=alone)
    told = " ".join(capsys.readouterr().out.split())
    assert '[[crosscheck]] name = "M1", kind = "sum", whole = "M1.flow", parts = ["...", "..."]' in told
    assets = tuple(replace(one, duty="raw") if one.id in ("M1", "P1", "P2") else one for one in PLANT.assets)
    handwheel(learned, "card", "M1", "--no-backtest", settings=replace(alone, assets=assets))
    told = " ".join(capsys.readouterr().out.split())
    assert 'parts = ["P1.flow", "P2.flow"]' in told
    assert "no night flow: it measures what pumps move" in told
    with pytest.raises(UserError, match="handwheel model card M1"):
        handwheel(learned, "score", "M1", settings=replace(alone, assets=assets))


def test_who_may_confirm_learns_a_meter_anew_and_it_is_entered(state, capsys):
    before = meters.load(state, "M1").sha256
    words = ("fit", "M1", "--from", "2026-02-01", "--to", "2026-02-28")
    assert handwheel(state, *words, "--dry") == 0
    assert "not stored (--dry)" in capsys.readouterr().out
    assert meters.load(state, "M1").sha256 == before
    assert handwheel(state, *words) == 0
    now = meters.load(state, "M1")
    assert now.sha256 != before
    assert now.facts["confirmed_by"] in ("engineer", "administrator")
    (entry,) = entries(state, ("model",))
    assert (entry.asset, entry.data["sha256"], entry.role) == ("M1", now.sha256, now.facts["confirmed_by"])
    with pytest.raises(UserError, match="taught nothing"):
        handwheel(state, "fit", "M1", "--from", "2025-02-01", "--to", "2025-02-28")


def test_a_window_in_which_the_lines_in_force_call_a_meter_sick_is_learned_on_a_reason_only(state, capsys):
    words = ("fit", "M1", "--from", "2026-03-10", "--to", "2026-03-31")
    assert handwheel(state, *words, "--dry") == 0
    assert "!! the model in force calls this window ALERT from 2026-03-2" in capsys.readouterr().out
    before = meters.load(state, "M1").sha256
    with pytest.raises(UserError, match=r"calls this window ALERT .* raw; .* add --although-alert and --reason TEXT"):
        handwheel(state, *words)
    assert meters.load(state, "M1").sha256 == before
    assert handwheel(state, *words, "--although-alert", "--reason", "compared with a clamp-on") == 0
    (entry,) = entries(state, ("model",))
    assert (entry.data["called"]["word"], entry.data["reason"]) == ("alert", "compared with a clamp-on")
    handwheel(state, "card", "M1", "--no-backtest")
    told = " ".join(capsys.readouterr().out.split())
    assert "THE MODEL BEFORE IT called this window ALERT" in told
    assert "because: compared with a clamp-on" in told


def test_a_past_time_of_a_meter_is_judged_by_the_model_of_then(state, capsys):
    first = meters.load(state, "M1")
    write(state, [meters.entry(PLANT.asset("M1"), first.to_json(), "first run", LEARNED_S * 10**6)])
    reason = ("--although-alert", "--reason", "it is so")
    handwheel(state, "fit", "M1", "--from", "2026-03-20", "--to", "2026-03-31", *reason)
    capsys.readouterr()
    for at, sha256 in (("2026-03-28T00:00", first.sha256), (None, meters.load(state, "M1").sha256)):
        asked = ("--at", at) if at else ()
        handwheel(state, "score", "M1", "--json", *asked)
        (told,) = json.loads(capsys.readouterr().out)
        drift = next(line["word"] for line in told["lines"] if line["name"] == "drift raw")
        assert (told["model_sha256"], told["model_in_force_then"]) == (sha256, True)
        assert drift == ("act" if at else "ok")
        assert any(one.startswith("by the model learned from 2026-0") for one in told["reasons"])
    (state.models / "M1" / f"{first.sha256}.json").unlink()
    handwheel(state, "explain", "M1", "--at", "2026-03-28T00:00")
    assert "by today's model, learned later" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("kept", [True, False])
def test_a_meters_model_that_was_removed_is_taken_up_again_and_its_drift_is_not_learned(state, kept):
    first = meters.load(state, "M1")
    write(state, [meters.entry(PLANT.asset("M1"), first.to_json(), "first run", LEARNED_S * 10**6)])
    model_path(state, "M1").unlink()
    if not kept:
        model_path(state, "M1", first.sha256).unlink()
    told = meters.learn(state, PLANT, END_S * 10**6)
    assert not [one for one in told.ledger if one["asset"] == "M1"]
    assert meters.load(state, "M1").sha256 == first.sha256


def test_a_stranger_may_not_learn(state, monkeypatch):
    monkeypatch.setattr("monitor.model.fitting.allowed_role", lambda *_: (_ for _ in ()).throw(UserError("no right")))
    with pytest.raises(UserError, match="no right"):
        handwheel(state, "fit", "M1", "--from", "2026-02-01", "--to", "2026-02-28")


def test_the_past_is_walked_day_by_day_and_the_drift_is_found_when_it_came(learned, capsys):
    assert handwheel(learned, "backtest", "M1", "--from", "2026-01-31", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    (one,) = told["raised"]
    assert "2026-03-18" < one["start"] < "2026-03-24"  # it came on the 17th; a median of seven days follows it
    assert (one["end"], told["lines"]["drift raw"]["act"] >= 10) == (None, True)
    assert handwheel(learned, "backtest", "M2", "--from", "2026-01-31") == 0
    assert "0 in" in capsys.readouterr().out


def test_a_day_of_the_back_test_says_what_score_says_at_its_end(learned):
    from monitor.model import meter_past
    from monitor.progress import Work

    models = {name: meters.load(learned, name) for name in ("M1", "M2")}
    span_us = ((END_S - 15 * 86_400) * 10**6, END_S * 10**6)
    for one in meter_past.walk(learned, PLANT, models, span_us, Work(""))[::4]:
        (at_us,) = {int(seen.hours.values.index[-1].value // 1000) + 3_600_000_000 for seen in one.values()}
        then = meters.see(learned, PLANT, at_us)
        assert {name: seen.found for name, seen in one.items()} == {name: seen.found for name, seen in then.items()}


def test_limits_of_all_meters_or_one_are_those_that_judge(learned, capsys):
    wide = (Limits("meters", "", {"balance_percent": (20.0, 30.0)}), Limits("asset", "M1", {"u_flow": 10.0}),
            Limits("all", "", {"u_flow": 99.0}))  # fmt: skip
    settings = replace(PLANT, limits=wide)
    in_force = meters.limits(settings, settings.asset("M1"))
    assert (in_force.balance_percent, in_force.u_flow, in_force.drift_percent) == ((20.0, 30.0), 10.0, (3.0, 6.0))
    assert meters.limits(settings, settings.asset("M2")).u_flow == 2.0
    handwheel(learned, "score", "M1", settings=settings)
    assert "as usual: balance raw 11.9 %" in capsys.readouterr().out


def middle(values):
    """Median and its standard error, by hand."""
    value = median(values)
    return value, 1.2533 * 1.4826 * median(abs(one - value) for one in values) / math.sqrt(len(values))


def test_every_number_of_an_explanation_can_be_redone_from_the_printed_text_alone(learned, capsys):
    assert handwheel(learned, "explain", "M1") == 0
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()) <= 124
    sections = re.split(r"\n\n\n(?=\S)", text)
    lines = next(rows for heads, rows in tables(sections[-1]).items() if heads[0] == "line" and heads[1] == "value")
    judged = 0
    for section in sections:
        found = {heads[0]: rows for heads, rows in tables(section + "\n\n").items()}
        if not section.startswith(("Account", "Night")):
            continue
        told = {what: float(row[0]) for what, row in found["what"].items() if what != "meters summed left, right"}
        if section.startswith("Night"):
            value, error = middle([float(row[0]) for row in found["night"].values()])
            assert value == pytest.approx(told["median of the nights"], **CLOSE)
            base = told["night flow learned"]
            u = math.hypot(error, told["its standard error"], 0.005 * base)
            check(lines["night_flow"], value, base, u, (0.2 * base, 0.5 * base))
            judged += 1
            continue
        name = section.split("\n")[0].removeprefix("Account ")
        ratios = [float(row[0]) / float(row[1]) for row in found["24 hours to"].values()]
        assert ratios == pytest.approx([float(row[4]) for row in found["24 hours to"].values()], **CLOSE)
        value, error = middle(ratios)
        k, m = map(int, found["what"]["meters summed left, right"][0].split(", "))
        scatter, of_meters = 100 * error / value, math.sqrt(2**2 / k + 2**2 / m)
        check(lines[f"balance {name}"], 100 * (value - 1), 0, math.hypot(scatter, of_meters), (5, 10))
        base = told["ratio learned"]
        u = math.hypot(scatter, 100 * told["its standard error"] / base, 0.5)
        check(lines[f"drift {name}"], 100 * (value / base - 1), 0, u, (3, 6))
        judged += 2
    assert judged == 5


def check(line, value, base, u, steps):
    """A printed line against value, reference, uncertainty and the distances of its steps, done by hand."""
    *figures, word = line
    assert [float(one) for one in (figures[0], figures[1], figures[4], figures[5])] == pytest.approx(
        [value, base, u, 2 * u], rel=1e-4, abs=1e-4
    )
    assert sorted(abs(float(one) - base) for one in figures[2:4]) == pytest.approx(list(steps), **CLOSE)
    excess = abs(value - base)
    said = "as usual" if excess <= steps[0] else "cannot tell" if excess <= 2 * u else "warning"
    assert word == ("ALERT" if said == "warning" and excess > steps[1] else said)
