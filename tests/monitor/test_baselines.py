"""What a model was learned from is in the ledger; it is learned anew on a role's word alone, never from a sick pump."""

import grp
import json
import os
import shutil
from dataclasses import replace
from datetime import date

import pytest

from drivers.errors import UserError
from models.health import assess, fit
from monitor import judge, learning
from monitor.cli import build_parser
from monitor.historian.frames import wide
from monitor.judge.evidence import rows_told
from monitor.ledger import Ledger, entries
from monitor.model import command
from monitor.plant import Learning, Reference
from monitor.standing import standings
from monitor.state import State
from monitor.words import parse_utc, utc_text
from tests.monitor.judged_plant import DAY_US, MINUTE_US, NOW_US, lay_down, minutes, settings

PLANT = settings()
SHORT = replace(PLANT, models=Learning(learn_days=1))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A day and three quarters of a sound pump, nothing learned."""
    made = State(tmp_path_factory.mktemp("fresh")).make()
    Ledger(made).close()
    lay_down(made, PLANT, NOW_US, minutes())
    return made


@pytest.fixture(scope="module")
def known(fresh, tmp_path_factory):
    """The same, learned from its last day; and the day after, with a worn impeller."""
    made = copied(fresh, tmp_path_factory.mktemp("known"))
    learned(made, NOW_US, SHORT)
    lay_down(made, SHORT, NOW_US + DAY_US, minutes(1440, head_loss=0.1, seed=4))
    return made


def copied(state, folder):
    shutil.copytree(state.root, folder, dirs_exist_ok=True)
    return State(folder)


@pytest.fixture
def state(fresh, tmp_path):
    return copied(fresh, tmp_path)


@pytest.fixture
def empty(tmp_path):
    made = State(tmp_path).make()
    Ledger(made).close()
    return made


def written(state, drafts):
    ledger = Ledger(state)
    ledger.append_many(drafts)
    ledger.close()


def learned(state, now_us, plant=PLANT):
    found = learning.learn(state, plant, now_us)
    written(state, found.ledger)
    return found


def scored(state, now_us, plant=PLANT):
    result = judge.score(state, plant, now_us)
    written(state, result.ledger)
    return result


def entered(state, kind, data, at_us, role="engineer", component=None):
    ledger = Ledger(state)
    ledger.append(kind, data, at_us=at_us, via="screen", role=role, site="G", asset="pump1", component=component)
    ledger.close()


def test_from_the_entry_of_a_model_anybody_learns_the_same_again(state):
    learned(state, NOW_US)
    [one] = entries(state, ("model",))
    told = one.data
    assert (told["why"], one.role, one.via, told["baseline"]) == ("first run", None, "worker", None)
    assert told["libraries"]["numpy"]
    span = (parse_utc(told["window_start"]), parse_utc(told["window_end"]))
    values, share = wide(state, PLANT, "pump1", *span, told["every_s"])
    again = fit(values, share, learning.rated(PLANT, PLANT.assets[0]), every_s=told["every_s"])
    again = learning.carded(again, PLANT, PLANT.assets[0], values)
    assert (again.sha256, again.card["data_sha256"]) == (told["sha256"], told["data_sha256"])
    assert learned(state, NOW_US + DAY_US).ledger == []


def test_a_new_pump_waits_until_there_is_enough_and_its_lines_speak_meanwhile(empty):
    state = empty
    lay_down(state, SHORT, NOW_US, minutes(240))
    assert learned(state, NOW_US, SHORT).not_learned["pump1"].startswith("0.17 days were read of 0.9")
    row = scored(state, NOW_US, SHORT).assessments[0]
    assert (row["index"], row["model"]) == (None, None)
    assert {line["name"]: line["word"] for line in row["lines"]}["vibration"] == "ok"
    later = NOW_US + DAY_US
    lay_down(state, SHORT, later, minutes(1440, seed=2))
    assert learned(state, later, SHORT).learned
    assert scored(state, later, SHORT).assessments[0]["model"]["why"] == "first run"


def test_the_window_is_the_assets_own_else_that_of_all_else_the_time_up_to_now():
    asset, own = PLANT.assets[0], Reference(date(2026, 1, 3), date(2026, 1, 3))
    days = replace(PLANT, models=Learning(reference=Reference(date(2026, 1, 1), date(2026, 1, 2))))
    [first, hours] = learning.windows(days, asset, NOW_US)
    assert (utc_text(first.start_us), utc_text(first.end_us)) == (
        "2026-01-01T00:00:00.000Z",
        "2026-01-03T00:00:00.000Z",
    )
    assert (hours.start_us, hours.end_us, hours.every_s) == (first.start_us, first.end_us, 3600)
    [first, _] = learning.windows(days, replace(asset, reference=own), NOW_US)
    assert utc_text(first.end_us) == "2026-01-04T00:00:00.000Z"
    berlin = replace(days, time_zone="Europe/Berlin")
    assert utc_text(learning.windows(berlin, asset, NOW_US)[0].start_us) == "2025-12-31T23:00:00.000Z"
    with pytest.raises(learning.TooEarly, match="learned after that"):
        learning.windows(days, asset, NOW_US - 4 * DAY_US)
    [first, hours] = learning.windows(PLANT, asset, NOW_US)
    assert [(one.end_us - one.start_us) // DAY_US for one in (first, hours)] == [2, 4]


def test_a_configured_window_is_learned_from_and_nothing_else(state):
    day = Reference(date(2026, 1, 3), date(2026, 1, 3))
    plant = replace(PLANT, assets=(replace(PLANT.assets[0], reference=day),))
    learned(state, NOW_US, plant)
    [one] = entries(state, ("model",))
    assert (one.data["window_start"], one.data["window_end"]) == (
        "2026-01-03T00:00:00.000Z",
        "2026-01-04T00:00:00.000Z",
    )


def test_what_came_before_a_failure_teaches_nothing(state):
    entered(state, "failure", {"failure_id": "F1", "mode": "seal"}, NOW_US - DAY_US // 2, component="seal")
    assert learned(state, NOW_US, SHORT).learned == {}
    lay_down(state, SHORT, NOW_US + DAY_US, minutes(1440, seed=2))
    assert learned(state, NOW_US + DAY_US, SHORT).learned


def confirm(state, from_us, at_us):
    entered(state, "baseline", {"from": utc_text(from_us), "reason": "new impeller"}, at_us)


@pytest.fixture
def other(known, tmp_path):
    """A pump that was learned, then got another impeller, and runs with it since."""
    made, done_us = copied(known, tmp_path), NOW_US + MINUTE_US
    done = {"wo_id": "1", "opened": utc_text(NOW_US), "done": utc_text(done_us), "action": "replace", "trigger": "own"}
    entered(made, "work_order", done, done_us, component="impeller")
    return made


def test_after_work_the_model_judges_on_and_says_that_nobody_confirmed_it(other):
    state, at_us = other, NOW_US + DAY_US
    row = scored(state, at_us, SHORT).assessments[0]
    assert row["index"] is not None
    assert "not confirmed since work on 2026-01-05: confirm the baseline" in row["reasons"]
    assert learned(state, at_us, SHORT).learned == {}, "nothing is ever learned again by itself"


def claimed(state, at_us, component):
    data = {"alert_id": f"SP-{component}", "vendor": "SmartPump", "failure_mode": "wear", "severity": "warning",
            "issued_at": utc_text(at_us), "text": "x", "recommended_action": "", "horizon": "", "raw_sha256": "0" * 64,
            "feed": "mail", "active": True}  # fmt: skip
    entered(state, "vendor_alert", data, at_us, role=None, component=component)


def test_after_work_that_nobody_confirmed_what_was_learned_agrees_with_nobody(known, tmp_path):
    state, at_us = copied(known, tmp_path), NOW_US + DAY_US
    claimed(state, at_us - 60 * MINUTE_US, "impeller")
    [agreed] = scored(state, at_us, SHORT).verdicts
    assert agreed["word"] == "agree"
    done = {"wo_id": "1", "opened": utc_text(NOW_US), "done": utc_text(at_us - 30 * MINUTE_US), "action": "replace",
            "trigger": "own"}  # fmt: skip
    entered(state, "work_order", done, at_us, component="seal")
    result = scored(state, at_us, SHORT)
    assert [one["component"] for one in result.own_alerts] == ["impeller"], "the work was on another part"
    [one] = result.verdicts
    assert one["word"] == "cannot_tell"
    assert one["reason"].endswith("cannot tell: changed since work on 2026-01-05, baseline not confirmed")


def test_a_claim_on_a_pump_that_was_never_normal_since_its_work_cannot_be_answered(other):
    claimed(other, NOW_US + DAY_US - 60 * MINUTE_US, "impeller")
    result = scored(other, NOW_US + DAY_US, SHORT)
    assert [(one["word"], "baseline not confirmed" in one["reason"]) for one in result.verdicts] == [
        ("cannot_tell", True)
    ]
    assert result.own_alerts == []


def test_a_confirmed_baseline_is_learned_once_there_is_enough_and_the_old_model_judges_until_then(other):
    state, at_us = other, NOW_US + DAY_US
    [first] = entries(state, ("model",))
    confirm(state, NOW_US, at_us - 60 * MINUTE_US)
    early = at_us - 30 * MINUTE_US
    assert learned(state, early, SHORT).not_learned["pump1"].startswith("confirmed from 2026-01-05T00:00 on; learned")
    row = scored(state, early, SHORT).assessments[0]
    assert row["model"]["sha256"] == first.data["sha256"]
    assert any("learned anew after 2026-01-06; the model before it judges until then" in one for one in row["reasons"])
    assert learned(state, at_us, SHORT).learned
    [_, second] = entries(state, ("model",))
    assert (second.role, second.data["why"]) == ("engineer", "baseline confirmed")
    assert second.data["window_start"] == utc_text(NOW_US)
    assert learned(state, at_us + DAY_US, SHORT).ledger == []
    row = scored(state, at_us, SHORT).assessments[0]
    assert (row["word"], row["model"]["confirmed_by"]) == ("normal", "engineer")
    assert not any("confirm" in one for one in row["reasons"])
    assert learning.load(state, "pump1", first.data["sha256"]).sha256 == first.data["sha256"], "the old one is kept"


def test_a_confirmed_baseline_is_not_learned_while_an_own_alert_is_open(known, tmp_path):
    state, at_us = copied(known, tmp_path), NOW_US + DAY_US
    assert scored(state, at_us, SHORT).own_alerts
    confirm(state, NOW_US, at_us)  # the desk refuses it; whoever enters it by another way gets no further
    assert "own alert is open" in learned(state, at_us, SHORT).not_learned["pump1"]


def test_a_model_that_was_stored_without_its_entry_gets_one(state):
    learning.learn(state, PLANT, NOW_US, confirmed_by="engineer")  # the daemon ended before the entry
    [draft] = learned(state, NOW_US).ledger
    assert (draft["data"]["why"], draft["role"]) == ("fitted on a person's word", "engineer")
    assert learned(state, NOW_US).ledger == []


def test_from_the_entry_of_an_own_alert_alone_its_numbers_are_redone(known, tmp_path):
    state, at_us = copied(known, tmp_path), NOW_US + DAY_US
    scored(state, at_us, SHORT)
    confirm(state, NOW_US, at_us)
    (state.models / "pump1.json").write_text("{}")  # whatever judges now
    [alert] = entries(state, ("own_alert",))
    told, rows = alert.data, alert.data["judged"]
    model = replace(learning.load(state, alert.asset, told["model_sha256"]), every_s=rows["every_s"])
    end_us = parse_utc(rows["end"])
    start_us = end_us - round(rows["rows"] * rows["every_s"] * 1e6)
    values, share = wide(state, SHORT, alert.asset, start_us, end_us, rows["every_s"])
    assert rows_told(values, share, rows["every_s"]) == rows
    found = assess(model, values, share)
    assert (found.index, found.score, found.threshold) == (told["index"], told["score"], told["score_line"])
    assert [one.quantity for one in found.top] == [one["quantity"] for one in told["top"]]
    assert [one.value for one in found.top] == [one["value"] for one in told["top"]]
    fired = {
        line.name: (line.value, line.uncertainty, line.act) for line in found.lines if line.word in ("warn", "act")
    }
    assert {one["name"]: (one["value"], one["uncertainty"], one["act"]) for one in told["lines"]} == fired
    assert (told["stage"], told["config_sha256"]) == ("raised", SHORT.sha256)
    json.dumps(told, allow_nan=False)


def audited(state, at_us, quantity, from_outside, word="FAIL"):
    check = {
        "name": "input_shift",
        "word": word,
        "subject": "pump1",
        "quantity": quantity,
        "from_outside": from_outside,
    }
    entered(state, "audit", {"audit_id": utc_text(at_us), "word": word, "checks": [check]}, at_us, role=None)


@pytest.mark.parametrize("quantity", ["speed", "head"])
def test_where_an_audit_found_drifted_inputs_it_is_said_and_only_those_from_outside_take_the_index(state, quantity):
    learned(state, NOW_US)
    audited(state, NOW_US, quantity, quantity == "speed")
    row = scored(state, NOW_US).assessments[0]
    assert any("inputs drifted since the model was learned" in one and "2026-01-05" in one for one in row["reasons"])
    assert (row["index"] is None) == (quantity == "speed")
    assert row["word"] == ("unknown" if quantity == "speed" else "normal")
    audited(state, NOW_US + MINUTE_US, quantity, quantity == "speed", "PASS")
    row = scored(state, NOW_US).assessments[0]
    assert row["index"] is not None
    assert not row["reasons"]


def test_how_much_of_the_month_a_model_stepped_back_is_told(empty):
    def said(day, back):
        data = {"word": "unknown" if back else "normal", "index": None if back else 80.0, "state": "steady",
                "stepped_back": back}  # fmt: skip
        entered(empty, "assessment", data, NOW_US + day * DAY_US, role=None)

    for day, back in ((0, False), (10, True), (13, False), (38, True)):
        said(day, back)
    one = standings(entries(empty))["pump1"]
    assert one.share_back(NOW_US + 20 * DAY_US) == pytest.approx(3 / 20)
    assert one.share_back(NOW_US + 40 * DAY_US) == pytest.approx((3 + 2) / 30)
    assert one.share_back(NOW_US + 12 * DAY_US) == pytest.approx(2 / 12)


MINE = grp.getgrgid(os.getgid()).gr_name
ALLOWED = replace(SHORT, groups={MINE: "engineer"}, rights={"engineer": ("confirm_baseline",)})


def handwheel(state, plant, *words):
    return command.command(build_parser("model").parse_args(["model", *words]), plant, state)


def test_a_person_confirms_a_baseline_by_command_and_the_entry_has_the_role(state, capsys):
    assert handwheel(state, ALLOWED, "confirm", "pump1", "--from", "2026-01-04", "--reason", "overhauled") == 0
    [one] = entries(state, ("baseline",))
    assert (one.asset, one.role, one.data["from"]) == ("pump1", "engineer", "2026-01-04T00:00:00.000Z")
    assert "learned anew once 1 days" in capsys.readouterr().out
    assert learned(state, NOW_US, ALLOWED).learned
    assert entries_of_model(state) == [("baseline confirmed", "engineer")]


def entries_of_model(state):
    return [(one.data["why"], one.role) for one in entries(state, ("model",))]


def test_nobody_confirms_a_baseline_without_the_right_or_while_an_own_alert_is_open(known, tmp_path):
    state = copied(known, tmp_path)
    words = ("confirm", "pump1", "--from", "2026-01-05", "--reason", "new impeller")
    with pytest.raises(UserError, match="has no right to confirm_baseline"):
        handwheel(state, replace(ALLOWED, rights={"engineer": ("decide",)}), *words)
    assert scored(state, NOW_US + DAY_US, SHORT).own_alerts
    with pytest.raises(
        UserError, match=r"own alert on pump1 is open: impeller: .* record the work or the finding first"
    ):
        handwheel(state, ALLOWED, *words)
    assert list(entries(state, ("baseline",))) == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("pump9", "--from", "2026-01-04", "--reason", "x"), "asset: 'pump9' is not configured"),
        (("pump1", "--from", "yesterday", "--reason", "x"), "--from yesterday: not a time"),
        (("pump1", "--from", "2126-01-04", "--reason", "x"), "from: lies ahead"),
        (("pump1", "--from", "2026-01-04", "--reason", " "), "reason: is missing"),
    ],
)
def test_a_confirmation_that_cannot_stand_is_one_line(empty, words, why):
    with pytest.raises(UserError, match=why):
        handwheel(empty, ALLOWED, "confirm", *words)
