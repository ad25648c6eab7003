"""Jobs on the golden configuration with little or nothing in STATE: each ends with a result or with one line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.batch import batch_of
from drivers.errors import UserError
from drivers.record import Reason, Sample
from monitor.daemon.timetable import TIMEOUT_S
from monitor.historian.hot import HotFile
from monitor.jobs import FOLD_LAG_S, JOBS
from monitor.ledger import Draft, Ledger, body_of
from monitor.progress import silent
from monitor.settings import load
from monitor.state import State

NOW = 1_795_440_125_800_000
CONFIG = Path(__file__).parents[1] / "golden/config"


@pytest.fixture
def settings():
    return load(CONFIG)


@pytest.fixture
def state(tmp_path, settings):
    """STATE as a daemon leaves it that ran for ten minutes."""
    state = State(tmp_path / "state").make()
    hot = HotFile(state.hot)
    hot.publish_tags(settings)
    for second in range(0, 600, 5):
        at = NOW - (600 - second) * 1_000_000
        samples = [Sample(tag.number, at, 1.0 + second / 600, Reason.OK) for tag in settings.tags]
        hot.append([batch_of("pump1", at, samples)], at // 1000)
    hot.roll(NOW // 1000)
    hot.close()
    Ledger(state).close()
    return state


def done(name, state, settings):
    """A job's result, as the daemon gets it: every ledger row must be one that the ledger takes."""
    result = JOBS[name](state, settings, NOW, {}, silent)
    told = json.loads(json.dumps(result.to_json(), allow_nan=False))
    for row in told["ledger"]:
        body_of(Draft(**row))
    return told


def test_every_job_has_its_time():
    assert set(TIMEOUT_S) == set(JOBS)


def test_fold_lays_history_down_and_lets_only_what_is_folded_go(state, settings):
    told = done("fold", state, settings)
    assert list(state.history.glob("site=G/date=*/*.parquet"))
    assert told["purge_before_ms"] <= NOW // 1000 - FOLD_LAG_S * 1000


def test_learning_and_scoring_with_ten_minutes_of_data_say_that_they_cannot_tell(state, settings):
    assert "0 models learned" in done("learn", state, settings)["words"]
    told = done("score", state, settings)
    (assessment,) = told["assessments"]
    assert (assessment["asset"], assessment["word"], assessment["index"]) == ("pump1", "unknown", None)


def test_an_audit_of_a_young_plant_is_written_and_can_be_signed(state, settings):
    told = done("drift_audit", state, settings)
    (entry,) = told["ledger"]
    assert entry["kind"] == "audit"
    assert entry["data"]["word"] in ("PASS", "WARN", "FAIL", "CANNOT TELL")
    assert all(Path(name).is_file() for name in told["files"])


def test_the_sovereignty_register_is_written_with_the_digests_of_its_files(state, settings):
    told = done("sovereignty_report", state, settings)
    (entry,) = told["ledger"]
    assert entry["data"]["report"] == "sovereignty"
    assert {Path(name).relative_to(state.reports).as_posix() for name in told["files"]} == set(entry["data"]["files"])


def test_a_comparison_without_anything_to_compare_is_one_line_or_an_honest_report(state, settings):
    try:
        told = done("comparison_report", state, settings)
    except UserError as why:
        assert "\n" not in str(why)
    else:
        assert [row["kind"] for row in told["ledger"]] == ["review", "report"]


def test_the_binder_is_rendered_by_the_fallback_itself(state, settings):
    told = done("binder", state, settings)
    record = json.loads((state.binder / "fingerprint.json").read_text())
    assert record["fingerprint"] in told["words"]


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ({"vendor": ""}, "no asset in site.toml names its vendor; write vendor = and components = at"),
        ({"vendor": "SmartPump", "components": ()}, "no components in site.toml; write what wears into components = "
                                                    "[...] at pump1"),
    ],
)  # fmt: skip
def test_a_plant_with_nothing_under_review_is_no_fault_and_the_job_says_what_is_missing(
    state, settings, lacking, words
):
    own = replace(settings, assets=tuple(replace(asset, **lacking) for asset in settings.assets))
    told = done("comparison_report", state, own)
    assert told["words"].startswith(f"there is nothing to compare: {words}")
    assert told["files"] == told["ledger"] == []
