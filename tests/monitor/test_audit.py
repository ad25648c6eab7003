"""The drift audit: each check at a known answer, and never a pass where nothing is known."""

from argparse import ArgumentParser
from dataclasses import replace

import numpy as np
import pytest

from drivers.batch import batch_of
from drivers.errors import UserError
from drivers.record import Reason, Sample
from monitor import audit, learning
from monitor.historian.hot import HotFile
from monitor.ledger import Ledger, entries
from monitor.lock import hold_lock
from monitor.state import State
from monitor.words import utc_text
from tests.monitor.judged_plant import DAY_US, MINUTE_US, NOW_US, lay_down, minutes, settings

PLANT = settings()


@pytest.fixture
def state(tmp_path):
    made = State(tmp_path).make()
    Ledger(made).close()
    return made


def polled(state, plant, count, *, bad_every=0, silent=()):
    """`count` polls at one a minute that end at NOW; every n-th is bad, the tags of `silent` never come."""
    hot = HotFile(state.hot)
    hot.publish_tags(plant)
    for poll in range(count):
        at = NOW_US - (count - poll) * MINUTE_US
        bad = bool(bad_every) and poll % bad_every == 0
        rows = [Sample(tag.number, at, None if bad else 1.0, Reason.COMMS if bad else Reason.OK)
                for tag in plant.tags if tag.name not in silent]  # fmt: skip
        hot.append([batch_of("plc", at, rows)], at // 1000)
    hot.roll(NOW_US // 1000)
    hot.write_latest(NOW_US // 1000)
    hot.close()


def test_with_nothing_on_record_no_check_passes(state):
    found = audit.run(state, PLANT, NOW_US)
    words = {check.name: check.word for check in found.checks}
    assert "PASS" not in words.values()
    assert words.pop("binder") in ("WARN", "CANNOT TELL")  # the shipped procedures make a binder that nobody printed
    assert words.pop("drill") == "WARN"  # that nobody ever practised is known
    assert set(words.values()) == {"CANNOT TELL"}
    assert found.word != "PASS"


def test_a_source_that_gave_all_it_should_passes(state):
    polled(state, PLANT, 300)
    [check] = audit.coverage(state, PLANT, NOW_US)
    assert (check.word, check.subject) == ("PASS", "plc")
    assert check.value == pytest.approx(1.0)


def test_a_source_with_every_third_poll_bad_fails_and_says_how_much_came(state):
    polled(state, PLANT, 300, bad_every=3)
    [check] = audit.coverage(state, PLANT, NOW_US)
    assert check.word == "FAIL"
    assert check.value == pytest.approx(2 / 3, abs=0.02)


def test_a_young_store_is_judged_by_its_minutes(state):
    polled(state, PLANT, 30)
    [check] = audit.coverage(state, PLANT, NOW_US)
    assert check.word == "PASS"
    assert check.n < 30 * len(PLANT.tags)


def test_silent_tags_are_counted_and_named(state):
    polled(state, PLANT, 10, silent=("pump1.flow",))
    check = audit.stale_tags(state, PLANT, NOW_US)
    assert (check.word, check.value, check.n) == ("FAIL", 1.0, len(PLANT.tags))
    assert "pump1.flow" in check.words


def test_fresh_tags_pass(state):
    polled(state, PLANT, 10)
    assert audit.stale_tags(state, PLANT, NOW_US).word == "PASS"


def balanced(state, factor):
    """A meter that shows `factor` times what pump1 delivers, for three days."""
    plant = settings(meters=("M1",))
    pumps = replace(plant.assets[0], duty="high_lift"), replace(plant.assets[1], duty="high_lift")
    plant = replace(plant, assets=pumps)
    frame = minutes(3 * 1440)
    lay_down(state, plant, NOW_US, frame, {"M1": frame["flow"].to_numpy() * factor})
    return plant


@pytest.mark.parametrize(("factor", "word"), [(1.0, "PASS"), (1.08, "WARN"), (0.8, "FAIL")])
def test_a_meter_is_held_against_the_sum_of_its_pumps(state, factor, word):
    plant = balanced(state, factor)
    [check] = audit.mass_balance(state, plant, NOW_US)
    assert (check.word, check.subject) == (word, "M1")
    assert check.value == pytest.approx(100 * (factor - 1), abs=0.01)


def test_a_flow_computed_in_the_device_proves_nothing_about_a_meter(state):
    plant = balanced(state, 1.3)
    plant = replace(plant, tags=tuple(replace(tag, estimated=tag.asset == "pump1") for tag in plant.tags))
    [check] = audit.mass_balance(state, plant, NOW_US)
    assert check.word == "CANNOT TELL"
    assert "proves nothing" in check.words


def test_inputs_like_the_reference_pass_and_others_do_not(state):
    lay_down(state, PLANT, NOW_US, minutes(4 * 1440))
    learning.learn(state, PLANT, NOW_US)
    later = NOW_US + 5 * DAY_US
    lay_down(state, PLANT, later, minutes(4 * 1440, seed=8))
    assert [check.word for check in audit.input_shift(state, PLANT, later)] == ["PASS"]
    much_later = NOW_US + 20 * DAY_US
    lay_down(state, PLANT, much_later, minutes(4 * 1440, seed=8, head_loss=0.2))
    [check] = audit.input_shift(state, PLANT, much_later)
    assert check.word == "FAIL"
    assert check.subject == "pump1"


def test_what_a_meter_has_learned_is_no_damaged_model_of_a_pump(state):
    meter = replace(PLANT, assets=tuple(replace(asset, kind="meter") for asset in PLANT.assets))
    kept = learning.model_path(state, PLANT.assets[0].id)
    kept.parent.mkdir(exist_ok=True)
    kept.write_text('{"format": 1, "accounts": []}')  # as a meter's: one file, nothing beside it
    assert [check.word for check in audit.input_shift(state, PLANT, NOW_US)] == ["FAIL"]
    assert list(audit.input_shift(state, meter, NOW_US)) == []


def test_right_after_learning_the_inputs_cannot_be_judged(state):
    lay_down(state, PLANT, NOW_US, minutes(2 * 1440))
    learning.learn(state, PLANT, NOW_US)
    assert [check.word for check in audit.input_shift(state, PLANT, NOW_US)] == ["CANNOT TELL"]


def vendor_said(state, ages_days):
    ledger = Ledger(state)
    for n, age in enumerate(sorted(ages_days, reverse=True)):
        data = {"alert_id": f"SP-{n}", "vendor": "SmartPump", "failure_mode": "wear", "severity": "note",
                "issued_at": utc_text(NOW_US), "text": "x", "recommended_action": "replace", "horizon": None,
                "raw_sha256": "0" * 64, "feed": "mail", "active": True}  # fmt: skip
        at = NOW_US - age * DAY_US
        ledger.append("vendor_alert", data, at_us=at, via="intake", asset="pump1", component=f"part {n}")
    ledger.close()
    return replace(PLANT, assets=(replace(PLANT.assets[0], vendor="SmartPump"),))


def test_a_vendor_that_speaks_as_often_as_before_passes(state):
    plant = vendor_said(state, [*range(100, 450, 20), 10, 30, 50, 70])
    [check] = audit.vendor_rate(state, plant, NOW_US)
    assert (check.word, check.subject, check.n) == ("PASS", "SmartPump", 22)


def test_a_vendor_that_speaks_five_times_as_often_is_told_with_its_interval(state):
    plant = vendor_said(state, [*range(100, 450, 20), *range(1, 89, 4)])
    [check] = audit.vendor_rate(state, plant, NOW_US)
    assert check.word == "FAIL"
    assert check.value > 4


def test_a_handful_of_alerts_cannot_tell(state):
    plant = vendor_said(state, [200, 10, 20])
    assert [check.word for check in audit.vendor_rate(state, plant, NOW_US)] == ["CANNOT TELL"]


def arguments(*words):
    parser = ArgumentParser()
    audit.add_arguments(parser)
    return parser.parse_args(words)


def test_audit_run_without_a_daemon_writes_report_and_ledger_and_show_reads_them(state, capsys):
    polled(state, PLANT, 300)
    assert audit.command(arguments("run"), PLANT, state) == 0
    [record] = entries(state, ("audit",))
    assert record.data["word"] in ("PASS", "CANNOT TELL", "WARN", "FAIL")
    assert all((state.reports / name).is_file() for name in record.data["files"])
    assert np.isfinite([one["n"] for one in record.data["checks"]]).all()
    capsys.readouterr()
    assert audit.command(arguments("list"), PLANT, state) == 0
    assert "not signed" in capsys.readouterr().out
    assert audit.command(arguments("show"), PLANT, state) == 0
    assert "coverage" in capsys.readouterr().out


def test_an_audit_that_never_was_is_one_line_and_not_a_traceback(state):
    with pytest.raises(UserError, match="handwheel audit list"):
        audit.command(arguments("show", "2020"), PLANT, state)


def test_while_another_process_writes_an_audit_is_asked_of_it(state):
    with hold_lock(state), pytest.raises(UserError):
        audit.command(arguments("run"), PLANT, state)
    assert list(entries(state, ("audit",))) == []


def test_a_past_that_was_brought_in_does_not_count_as_time_we_failed_to_read(tmp_path):
    state = State(tmp_path / "state").make()
    ledger = Ledger(state)
    ledger.append("restart", {"version": "0.1.0"}, at_us=NOW_US - 60_000_000, via="daemon")
    ledger.close()
    hot = HotFile(state.hot)
    hot.publish_tags(PLANT)
    hours = NOW_US // 3_600_000_000 * 3_600 - 3_600 * np.arange(48)[::-1]
    hot.bring_in(hours, {tag.name: np.ones(48) for tag in PLANT.tags})
    hot.close()
    assert {check.word for check in audit.coverage(state, PLANT, NOW_US)} == {"CANNOT TELL"}
