"""One start that is frozen, an end that is never ahead, and every look seen, however it was made."""

import dataclasses
import time
from datetime import date
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from drivers.errors import UserError
from monitor import headquarters, review
from monitor.cli import build_parser
from monitor.islands import Island
from monitor.ledger import Draft, Ledger, entries
from monitor.plant import Settings
from monitor.records import tables
from monitor.reports import command as reports
from monitor.review import command
from monitor.review.asking import first_us
from monitor.settings import load
from monitor.state import State
from monitor.words import utc_text

EXAMPLE = Path(__file__).parents[2] / "config" / "example"
DAY_US = 86_400_000_000
NOW_US = time.time_ns() // 1000 // DAY_US * DAY_US
PLACES = [("N-P01", "seal"), ("N-P02", "seal"), ("N-P03", "seal"), ("R-P01", "bearing"), ("R-P02", "bearing"),
          ("H-P01", "impeller"), ("H-P02", "impeller")]  # fmt: skip
AGAIN = "after a review had been made with other parameters"


@cache
def plant() -> Settings:
    return dataclasses.replace(load(EXAMPLE), groups={}, rights={})


def otherwise(**changes) -> Settings:
    return dataclasses.replace(plant(), review=dataclasses.replace(plant().review, **changes))


def records(n: int = 42, first_us: int = NOW_US - 520 * DAY_US, every_days: int = 12, via: str = "command"):
    """Alerts that were answered each by a job, where the part was good: one every so many days."""
    for i in range(n):
        asset, component = PLACES[i % len(PLACES)]
        at_us = first_us + i * every_days * DAY_US
        alert = {"alert_id": f"SP-{i}", "vendor": "SmartPump", "issued_at": utc_text(at_us), "received_at":
                 utc_text(at_us), "failure_mode": "wear", "severity": "warning", "text": "replace", "active": True,
                 "horizon": "90 d", "feed": "f",
                 "recommended_action": "replace", "raw_sha256": ""}  # fmt: skip
        done = at_us + 2 * DAY_US
        job = {"wo_id": f"WO-{i}", "opened": utc_text(at_us), "done": utc_text(done), "trigger": "vendor_alert",
               "alert_id": f"SP-{i}", "action": "replace", "party": "utility"}  # fmt: skip
        found = {"wo_id": f"WO-{i}", "grade": "B", "inspector_party": "utility", "wear_pct": 40.0,
                 "blind_to_alert": False}  # fmt: skip
        place = ("engineer", plant().asset(asset).site, asset, component)
        yield Draft("vendor_alert", alert, at_us, "feed", None, *place[1:])
        yield Draft("work_order", job, done, via, *place)
        yield Draft("finding", found, done, via, *place)


def laid(folder: Path, *drafts: Draft) -> State:
    state = State(folder / "state").make()
    ledger = Ledger(state)
    if drafts:
        ledger.append_many(drafts)
    ledger.close()
    return state


@pytest.fixture
def state(tmp_path) -> State:
    return laid(tmp_path, *records())


def asked(state: State, settings: Settings, *words: str) -> int:
    return command.command(build_parser("review").parse_args(["review", *words]), settings, state)


def test_a_period_that_is_asked_until_next_year_ends_now_and_a_cycle_that_has_not_ended_is_none(state):
    start_us = NOW_US - 350 * DAY_US
    told = review.answer(state, plant(), start_us, NOW_US + 34 * DAY_US, now_us=NOW_US)
    assert told.result.end_us == NOW_US
    assert (told.result.cycles, told.result.standing) == (0, False)
    assert f"until now, for {utc_text(NOW_US + 34 * DAY_US)[:10]} lies ahead" in review.first_line(told)
    with pytest.raises(UserError, match="--from lies after now"):
        asked(state, plant(), "run", "--from", utc_text(NOW_US + 9 * DAY_US)[:10], "--to", "2999-01-01")


def test_the_start_is_frozen_kept_by_later_freezes_and_moved_only_by_the_site_file(state):
    review.freeze(state, plant(), now_us=NOW_US)
    start_us = first_us(NOW_US)
    review.freeze(state, otherwise(match_days=60), now_us=NOW_US + 50 * DAY_US)
    _first, second = entries(state, ["review_freeze"])
    assert second.data["parameters"]["start_us"] == start_us
    moved = otherwise(match_days=60, since=date.fromisoformat(utc_text(start_us + 90 * DAY_US)[:10]))
    told = review.answer(state, moved, None, NOW_US + 51 * DAY_US)
    assert (told.result.start_us, told.freeze.names, told.another) == (start_us + 90 * DAY_US, ("start",), True)
    review.freeze(state, moved, now_us=NOW_US + 51 * DAY_US)
    told = review.answer(state, moved, None, NOW_US + 52 * DAY_US)
    assert (told.freeze.word, told.another) == ("frozen", False)


def test_another_start_or_an_end_chosen_by_hand_is_a_look_at_watch_that_stays_in_the_house(state):
    unfrozen = review.answer(state, plant(), None, NOW_US, now_us=NOW_US)
    assert (unfrozen.result.status, unfrozen.result.gate) == ("WATCH", "not_frozen")  # it can be chosen after looking
    assert review.first_line(unfrozen).startswith("PARAMETERS NOT FROZEN")
    review.freeze(state, plant(), now_us=NOW_US)
    told = review.answer(state, plant(), None, NOW_US + DAY_US, now_us=NOW_US + DAY_US)
    assert (told.result.status in ("FLAG", "STRONG"), told.another) == (True, False)
    assert "42 of 42 findings stood in the ledger before the freeze" in review.first_line(told)
    for start_us, end_us in ((NOW_US - 500 * DAY_US, NOW_US + DAY_US), (None, NOW_US - DAY_US)):
        look = review.answer(state, plant(), start_us, end_us, now_us=NOW_US + DAY_US)
        assert (look.result.status, look.result.gate) == ("WATCH", "another_period")
        assert not look.result.leaves_the_house
        assert "another period than the frozen one: a look, not the answer" in review.first_line(look)
        assert "of another period than the frozen one: no more than WATCH" in review.as_text(look)
    assert review.entry_data(look)["another"] is True


def _run(*words):
    return lambda state, folder, monkeypatch: asked(state, plant(), "run", *words)


def _pack(state, folder, monkeypatch):
    return asked(state, plant(), "reply-pack", "--vendor", "SmartPump", "--out", str(folder / "pack"))


def _report(state, folder, monkeypatch):
    args = build_parser("report").parse_args(["report", "comparison", "--out", str(folder / "reports")])
    return reports.command(args, plant(), state)


def _fleet(state, folder, monkeypatch):
    monkeypatch.setattr(Island, "settings", lambda _self: plant())
    seen = headquarters.review(Island("here", state, EXAMPLE), NOW_US)
    assert (len(seen.rows), seen.remarks) == (1, ())
    return 0


@pytest.mark.parametrize(
    "look",
    [_run(), _run("--vendor", "SmartPump", "--json"), _run("--site", "N"), _pack, _report, _fleet],
    ids=["run", "by name, as JSON", "a part", "reply-pack", "report", "fleet"],
)  # fmt: skip
def test_who_looked_in_whatever_way_and_then_freezes_otherwise_is_told_so(look, tmp_path, monkeypatch):
    state = laid(tmp_path, *records(22))
    assert look(state, tmp_path, monkeypatch) == 0
    assert len(list(entries(state, ["review"]))) == 1
    other = otherwise(match_days=60)
    for vendor in (None, "SmartPump"):
        review.freeze(state, other, now_us=NOW_US + 2 * DAY_US, vendor=vendor)
        chosen = review.parameters(other, tables(state), vendor, start_us=first_us(NOW_US + 2 * DAY_US))
        assert review.frozen(state, other, chosen, (NOW_US - 400 * DAY_US, NOW_US)).looked_us is not None


def test_each_different_question_is_entered_once_and_their_number_is_told(state, capsys):
    asked(state, plant(), "freeze")
    start = ("--from", utc_text(NOW_US - 400 * DAY_US)[:10])
    for words in ((), ("--vendor", "SmartPump"), start):
        asked(state, plant(), "run", *words)
    assert len(list(entries(state, ["review"]))) == 2
    assert "This is look 2 of 2 different questions that were asked of these records so far" in capsys.readouterr().out


def test_a_past_that_is_imported_after_the_freeze_does_not_count_and_the_status_says_so_at_once(tmp_path):
    state = laid(tmp_path)
    review.freeze(state, plant(), now_us=NOW_US)
    ledger = Ledger(state)
    ledger.append_many(records(via="import"))
    ledger.close()
    told = review.answer(state, plant(), None, NOW_US + DAY_US, now_us=NOW_US + DAY_US)
    (status,) = review.status_words(told)
    assert status.startswith(
        "Status: INSUFFICIENT: 0 independent findings count; 42 were entered after the freeze for a"
    )


def test_a_past_that_was_imported_unseen_and_then_frozen_counts_and_its_first_line_says_that_it_was_there(tmp_path):
    state = laid(tmp_path, *records(via="import"))
    review.freeze(state, plant(), now_us=NOW_US)
    told = review.answer(state, plant(), None, NOW_US + DAY_US, now_us=NOW_US + DAY_US)
    assert told.result.status in ("FLAG", "STRONG")
    assert "42 of 42 findings stood in the ledger before the freeze" in review.first_line(told)
    assert AGAIN not in review.first_line(told)


def test_an_event_by_hand_and_by_import_is_one_date(tmp_path):
    def event(n, day, words="Firmware  4.2", **place):
        return {"n": n, "event_kind": "firmware", "date": day, "text": words, "asset": None, "site": None, **place}

    rows = [event(1, "2026-04-03"), event(2, "2026-04-03T12:00:00.000Z", "firmware 4.2"),
            event(3, "2026-04-04"), event(4, "2026-04-03", asset="N-P01")]  # fmt: skip
    made = review.parameters(plant(), {"event": pd.DataFrame(rows)})
    assert [name for name, _at in made.events] == ["firmware: Firmware 4.2"] * 2
    again = review.parameters(plant(), {"event": pd.DataFrame([*rows, event(9, "2026-04-03")])}, frozen_n=4)
    assert (again.events, again.later_events) == (made.events, ())
