"""The page that tells why, and the page of the review: what they say, in any size and language."""

from dataclasses import replace

import pytest

from monitor import ledger
from monitor.command_socket import ask
from monitor.ledger import Draft, Ledger
from monitor.screen import help as helping
from monitor.screen import owed, review, why
from monitor.screen.app import ControlRoom
from monitor.screen.page import AlertsPage, AssetPage, ReviewPage, WhyPage
from monitor.screen.pieces import Line, cells
from monitor.screen.reading import Reading, take
from monitor.screen.room import RoomState
from monitor.screen.text import View
from monitor.state import State
from monitor.words import use_language
from tests.screen.test_pages import SIZES, in_trouble
from tests.screen.test_screen import seen, text_of, until

ROWS = [["independent findings on jobs", "12 of 27 (44 %)"], ["a very long label " * 8, "and its value " * 20]]
EVIDENCE = {"findings": 12, "interventions": 27, "confirmed": 3, "e": 31.5,
            "unsupported": {"value": 0.71, "low": 0.5, "high": 0.88}}  # fmt: skip
REVIEW = {"status": "INSUFFICIENT", "vendor": "SmartPump", "gate_words": "coverage below half: 12 of 27 jobs",
          "first_line": "Parameters frozen 2026-01-02, before the first look.", "frozen": True,
          "start": "2024-11-01T00:00:00Z", "end": "2026-11-01T00:00:00Z", "evidence": EVIDENCE, "contested": None,
          "parameters_sha256": "0" * 64, "rows": ROWS,
          "path": [[1_730_000_000_000_000 + n * 10**12, 1.12**n] for n in range(40)]}  # fmt: skip


@pytest.fixture
def room(state: State) -> RoomState:
    return take(state)


def reviewed(room: RoomState, **more: object) -> RoomState:
    tally = replace(room.past.tally, review=REVIEW | more, review_at_us=room.now_us)
    return replace(room, past=replace(room.past, tally=tally))


def text(lines: list[Line]) -> str:
    return "\n".join(map(str, lines))


def flat(lines: list[Line]) -> str:
    return " ".join(text(lines).split())


@pytest.mark.parametrize("language", ["en", "fr", "de"])
@pytest.mark.parametrize("size", SIZES)
def test_no_line_of_these_pages_is_wider_or_longer_than_the_terminal(room, state, language, size):
    use_language(language)
    answer = Reading(state).why("R-P01", "")
    moments = [*in_trouble(room), reviewed(room), reviewed(room, path=[], rows=[]), reviewed(room, contested=REVIEW)]
    for moment in moments:
        view = View(*size, notice="x" * 300, scroll=7)
        for shown in (why.lines(moment, view, answer), review.lines(moment, view), owed.lines(moment, view)):
            assert len(shown) <= size[1]
            for line in shown:
                assert cells(line.text) <= size[0], line.text
                if size[0] >= 80:
                    assert line.kind not in ("keys", "title", "head") or "~" not in line.text, line.text


def test_the_page_of_the_review_says_status_gate_freezing_path_and_table(room):
    told = flat(review.lines(reviewed(room), View(100, 60)))
    assert "Parameters frozen 2026-01-02, before the first look." in told
    assert "INSUFFICIENT because coverage below half: 12 of 27 jobs" in told
    assert "period 2024-11-01 to 2026-10-31" in told
    assert "independent findings on jobs 12 of 27 (44 %)" in told
    assert "with " not in told.split("EVIDENCE")[0]


def test_a_flag_is_told_in_the_same_words_and_the_contested_result_beside_it(room):
    contested = {"count": 3, "status": "NO EVIDENCE", "gate_words": "the wealth stays below 20"}
    told = flat(review.lines(reviewed(room, status="FLAG", gate_words="e is 31", contested=contested), View(100, 60)))
    assert "FLAG because e is 31" in told
    assert "with 3 contested findings counted as confirmed: NO EVIDENCE: the wealth stays below 20" in told


def test_the_path_is_drawn_against_the_line_at_20():
    drawn = review.drawn(REVIEW, 80)
    line = next(one for one in drawn if one.strip().startswith("20"))
    assert "--" in line
    assert "*" in drawn[0]
    assert drawn[0].rstrip().endswith("*")
    assert "2024-10-27" in drawn[-1]
    assert review.drawn({"path": [[0, float("inf")], "x", [1, None]]}, 80)
    assert review.drawn({}, 80) == [" no path in this entry"]


def test_an_entry_without_a_table_shows_its_figures_and_none_is_said_to_be_none(room):
    told = flat(review.lines(reviewed(room, rows=None, first_line=None), View(100, 60)))
    assert "findings on jobs 12 of 27 (44 %)" in told
    assert "U, not supported by findings [90 %] 0.71 [0.50, 0.88]" in told
    assert "none was made yet" in text(review.lines(room, View(100, 30)))


def test_help_names_the_new_keys():
    told = flat(helping.help_text(100))
    for words in ("y why", "f enter what was found", "v review", "f jobs without a finding"):
        assert words in told


def known_alert(state: State, alert_id: str) -> None:
    """The vendor's alert behind the alarm of R-P01, as the ledger has it at a plant."""
    old = next(ledger.entries(state, ["vendor_alert"]))
    with_id = dict(old.data) | {"alert_id": alert_id, "text": "service due: bearing within 14 days"}
    writer = Ledger(state)
    writer.append_many([Draft("vendor_alert", with_id, old.at_us + 10**13, "test", None, "R", "R-P01", "bearing")])
    writer.close()


async def test_why_opens_from_the_list_of_alerts_and_scrolls_to_its_end(state: State):
    known_alert(state, "vendor-R-P01-1")
    app = ControlRoom(state)
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "N-P02")
        await pilot.press("a")
        await seen(app, pilot, "service due")
        await pilot.press("j", "y")
        await until(pilot, lambda: isinstance(app.screen, WhyPage), "the page of it")
        await seen(app, pilot, "WHAT THE VENDOR SAID")
        assert "service due: bearing within 14 days" in " ".join(text_of(app).split())
        await pilot.press("end")
        await seen(app, pilot, "IN ORDER OF TIME")
        await pilot.press("escape")
        assert isinstance(app.screen, AlertsPage)


async def test_why_of_an_asset_grows_with_the_ledger(daemon):
    state, _child = daemon
    app = ControlRoom(state)
    async with app.run_test(size=(100, 60)) as pilot:
        await seen(app, pilot, "N-P02")
        app.push_screen(AssetPage("R-P01"))
        await seen(app, pilot, "sewage pump 1")
        await pilot.press("y")
        await until(pilot, lambda: "found: grade D, confirmed" in " ".join(text_of(app).split()), "the finding")
        found = {"wo_id": "WO-4", "grade": "A", "asset": "R-P01", "component": "bearing",
                 "inspector_party": "third", "blind_to_alert": False}  # fmt: skip
        assert ask(state, "finding", found)["ok"]
        await until(pilot, lambda: "found: grade A, not confirmed" in " ".join(text_of(app).split()), "the new one")


async def test_an_alert_that_the_ledger_does_not_know_is_said(state: State):
    app = ControlRoom(state)
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "N-P02")
        await pilot.press("a")
        await seen(app, pilot, "H-P01")
        await pilot.press("y")
        await seen(app, pilot, "neither an alert nor an asset of the ledger")


async def test_the_review_has_its_key_everywhere(state: State):
    writer = Ledger(state)
    at = writer.append("review", REVIEW, at_us=1_795_000_000_000_000, via="test", role=None)
    writer.close()
    assert at.n
    app = ControlRoom(state)
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "review 2024-11-01")
        await pilot.press("v")
        await seen(app, pilot, "INSUFFICIENT because coverage below half")
        assert isinstance(app.screen, ReviewPage)
        await pilot.press("end")
        await seen(app, pilot, "and its value")
