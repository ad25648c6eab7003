"""The running screen: keys, dialogs against a real command socket, a daemon that is killed, stopped or hangs."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from textual.widgets import Input, Static

from monitor import ledger
from monitor.screen.app import ControlRoom
from monitor.screen.decide import Dialog, Missing, choice_of, decision, parse_until, shelf
from monitor.screen.page import AlertsPage, AssetPage, OverviewPage, ProceduresPage, ReportsPage, TextPage
from monitor.screen.picture import plain_fonts
from monitor.screen.room import Alarm
from monitor.state import State
from monitor.words import language, parse_utc
from tests.screen.conftest import PATIENCE_S

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CLAIM = Alarm("vendor:R-P01:bearing", "vendor-R-P01-1", 0, "R-P01", "bearing", "vendor", 2, "service due", "UNACK")


def text_of(app: ControlRoom) -> str:
    found = app.screen.query("#page")  # nothing until the page is composed
    return str(found.first(Static).visual) if found else ""


async def seen(app: ControlRoom, pilot, words: str) -> None:
    """Wait until the page says these words."""
    await until(pilot, lambda: app.current is not None and words in text_of(app), words)


async def seen_above(app: ControlRoom, pilot, words: str) -> None:
    """Wait until the lines above a dialog say these words."""

    def said() -> str:
        found = app.screen.query("#alive")
        return " ".join(str(found.first(Static).visual).split()) if found else ""

    await until(pilot, lambda: words in said(), words)


async def until(pilot, holds: Callable[[], bool], what: str = "") -> None:
    for _round in range(int(PATIENCE_S / 0.1)):
        if holds():
            return
        await pilot.pause(0.1)
    raise AssertionError(f"waited in vain: {what}")


async def test_everything_is_reached_without_a_mouse_and_esc_leads_back(state: State):
    app = ControlRoom(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(app, pilot, ">N-P02")
        await pilot.press("j", "down", "k", "enter")
        assert isinstance(app.screen, AssetPage)
        assert app.screen.asset_id == "N-P03"
        await seen(app, pilot, "high-lift pump 1")
        await pilot.press("w")
        await seen(app, pilot, "1 y")
        for key, page in (("a", AlertsPage), ("p", ProceduresPage), ("r", ReportsPage), ("question_mark", TextPage)):
            await pilot.press(key)
            assert isinstance(app.screen, page), key
        await pilot.press("escape", "escape")
        assert isinstance(app.screen, OverviewPage)
        await pilot.press("escape", "f1")
        assert isinstance(app.screen, TextPage)
        await pilot.press("escape", "a", "enter")
        assert isinstance(app.screen, AssetPage)
        assert app.screen.asset_id == "H-P01"
        await pilot.press("q")
    assert app.return_code == 0


async def test_the_language_changes_at_once_and_the_keys_stay(state: State):
    app = ControlRoom(state)
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "VENDOR ONLY")
        await pilot.press("L")
        await seen(app, pilot, "FOURN. SEUL")
        await pilot.press("L")
        await seen(app, pilot, "NUR HERST.")
        assert language() == "de"
        await pilot.press("a")
        assert isinstance(app.screen, AlertsPage)


async def test_filter_and_site_narrow_the_list_and_letters_go_into_the_field(state: State):
    app = ControlRoom(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(app, pilot, "N-P02")
        await pilot.press("slash", *"sewage", "enter")
        await seen(app, pilot, "filter: sewage")
        assert "N-P02" not in text_of(app)
        assert "R-P01" in text_of(app)
        await pilot.press("escape", "s", "s")
        await seen(app, pilot, "site: H")
        assert "R-P01" not in "\n".join(text_of(app).splitlines()[8:])
        await pilot.press("slash", *"qx", "escape")
        await seen(app, pilot, "H-P01")
        assert isinstance(app.screen, OverviewPage)


async def test_a_decision_is_recorded_with_role_reason_and_time(daemon):
    state, _child = daemon
    app = ControlRoom(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(app, pilot, "R-P01")
        app.push_screen(AssetPage("R-P01"))
        await seen(app, pilot, "service due")
        await pilot.press("3", "enter", "enter")
        assert isinstance(app.screen, Dialog)
        assert "write a reason" in str(app.screen.query_one("#fault", Static).visual)
        app.screen.query_one("#reason", Input).value = "standby pump is out until Friday"
        app.screen.query_one("#until", Input).value = "14 d"
        app.screen.query_one("#until", Input).focus()
        await pilot.press("enter")
        await seen(app, pilot, "recorded: ledger entry")
    found = [one for one in ledger.entries(state, ["decision"]) if one.data["alert_id"] == "vendor-R-P01-1"]
    assert len(found) == 1
    assert (found[0].asset, found[0].component, found[0].role) == ("R-P01", "bearing", "administrator")
    assert found[0].data["choice"] == "defer"
    assert found[0].data["reason"] == "standby pump is out until Friday"
    assert parse_utc(found[0].data["until"]) > found[0].at_us + 13 * 86_400_000_000


async def test_what_the_vendor_asks_is_followed_with_two_keys(daemon):
    state, _child = daemon
    app = ControlRoom(state)
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "R-P01")
        app.push_screen(AssetPage("R-P01"))
        await seen(app, pilot, "VENDOR ONLY")
        await pilot.press("1", "enter")
        await seen(app, pilot, "recorded: ledger entry")
    assert [one.data["choice"] for one in ledger.entries(state, ["decision"])][-1] == "follow"


async def test_a_viewer_reads_the_refusal_of_the_daemon(daemon_for_viewers: State):
    app = ControlRoom(daemon_for_viewers)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(app, pilot, "role: viewer")
        await pilot.press("a")
        await seen(app, pilot, "H-P01")
        await pilot.press("x", "enter")
        await seen(app, pilot, "acknowledge: role viewer has no right to acknowledge")
    assert not list(ledger.entries(daemon_for_viewers, ["acknowledge"]))


async def test_alerts_are_acknowledged_and_shelved_with_a_reason(daemon):
    state, _child = daemon
    app = ControlRoom(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("a")
        await seen(app, pilot, "H-P01")
        await pilot.press("x", *"seen", "enter")
        await seen(app, pilot, "recorded: ledger entry")
        await pilot.press("s")
        app.screen.query_one("#hours", Input).value = "9"
        await pilot.press("enter", *"noise", "enter")
        assert "at most 8 h" in str(app.screen.query_one("#fault", Static).visual)
        app.screen.query_one("#hours", Input).value = "4"
        await pilot.press("enter")
        await until(pilot, lambda: len(list(ledger.entries(state, ["shelve"]))) == 1, "a shelf in the ledger")
    assert [one.data["note"] for one in ledger.entries(state, ["acknowledge"])] == ["seen"]
    assert [one.data["reason"] for one in ledger.entries(state, ["shelve"])] == ["noise"]


async def test_without_a_daemon_a_decision_says_that_nothing_was_recorded(state: State):
    app = ControlRoom(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(app, pilot, "R-P01")
        app.push_screen(AssetPage("R-P01"))
        await seen(app, pilot, "service due")
        await pilot.press("2", "enter")
        await seen(app, pilot, "the daemon does not answer")


async def test_a_killed_daemon_is_said_to_be_blind_and_its_return_as_well(daemon):
    state, child = daemon
    app = ControlRoom(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(app, pilot, "daemon OK")
        child.kill()
        await seen(app, pilot, "handwheel is blind; automation is probably still running")
        assert "HANDWHEEL BLIND" in text_of(app)
        assert "Last known" in text_of(app)
        child.wait()
        from tests.screen.conftest import end, start_daemon

        again = await asyncio.to_thread(start_daemon, state)
        try:
            await seen(app, pilot, "HANDWHEEL AUTO")
        finally:
            end(again)


@pytest.mark.parametrize("size", [(100, 30), (80, 24), (64, 18)])
@pytest.mark.parametrize("keys", ["x", "s", "d", "S", "3"])
async def test_no_dialog_hides_who_is_alive(state: State, size, keys):
    app = ControlRoom(state)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: bool(app.room.alarms and app.room.past.audits), "alarms and audits")
        await app.push_screen({"S": ReportsPage, "3": lambda: AssetPage("R-P01")}.get(keys, AlertsPage)())
        await pilot.press(keys)
        assert isinstance(app.screen, Dialog)
        await seen_above(app, pilot, "HANDWHEEL BLIND")
        await seen_above(app, pilot, "handwheel is blind")
        await pilot.pause()
        last = app.screen.query("#dialog Input").last()
        last.focus()
        await pilot.pause(0.1)
        above = app.screen.query_one("#alive").region
        assert above.y == 0
        assert last.region.y >= above.bottom
        assert last.region.bottom <= size[1]


async def test_a_daemon_killed_behind_a_dialog_is_said_to_be_blind_at_once(daemon):
    state, child = daemon
    app = ControlRoom(state)
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "R-P01")
        app.push_screen(AssetPage("R-P01"))
        await seen(app, pilot, "VENDOR ONLY")
        await pilot.press("4", *"half written")
        await seen_above(app, pilot, "daemon OK")
        child.kill()
        await seen_above(app, pilot, "handwheel is blind; automation is probably still running")
        assert app.screen.query_one("#reason", Input).value == "half written"
        await pilot.press("escape")
        await seen(app, pilot, "HANDWHEEL BLIND")


async def test_a_daemon_that_hangs_is_said_to_hang(daemon):
    state, child = daemon
    app = ControlRoom(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(app, pilot, "daemon OK")
        os.kill(child.pid, signal.SIGSTOP)
        await seen(app, pilot, "daemon HUNG")
        assert "handwheel is blind" in text_of(app)
        os.kill(child.pid, signal.SIGCONT)
        await seen(app, pilot, "daemon OK")


async def test_a_planned_stop_names_the_role_and_offers_nothing(daemon):
    state, child = daemon
    app = ControlRoom(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(app, pilot, "daemon OK")
        child.terminate()
        await seen(app, pilot, "stopped as planned by engineer at")
        assert "P-17" not in text_of(app)
        child.wait()


async def test_a_period_that_a_person_declared_is_shown_as_manual(state: State):
    app = ControlRoom(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(app, pilot, "HANDWHEEL")
        line = (
            '{"format":1,"n":1,"at":"2026-11-23T01:11:40.000Z","kind":"declared","role":"shift_lead","drill":false}\n'
        )
        (state.journal / "2026-11-23T011140Z.jsonl").write_text(line)
        await seen(app, pilot, "control lost declared by shift lead")
        assert text_of(app).startswith("MANUAL")


async def test_a_reading_that_fails_is_a_word_on_line_one_and_not_the_end(state: State):
    app = ControlRoom(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(app, pilot, "N-P02")

        def broken() -> dict[str, object]:
            raise ZeroDivisionError("nothing to divide")

        app.keep("test", broken, 0.1)
        await seen(app, pilot, "UI error ZeroDivisionError")
        await pilot.press("a")
        assert isinstance(app.screen, AlertsPage)


class BrokenPage(AlertsPage):
    def lines(self):
        raise ZeroDivisionError("nothing to divide")


async def test_a_page_that_cannot_be_drawn_says_so_and_can_be_left(state: State):
    app = ControlRoom(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(app, pilot, "N-P02")
        app.push_screen(BrokenPage())
        await seen(app, pilot, "UI error ZeroDivisionError")
        await pilot.press("escape")
        await seen(app, pilot, ">N-P02")


async def test_what_cannot_be_read_any_more_is_never_shown_as_live(daemon):
    state, _child = daemon
    app = ControlRoom(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(app, pilot, "daemon OK")
        app.reading.state = None  # type: ignore[assignment]
        await seen(app, pilot, "this screen cannot read what the daemon writes")
        assert "UI error" in text_of(app)
        assert "Last known" in text_of(app)


async def test_a_damaged_store_is_a_word_on_line_one(state: State):
    state.hot.write_bytes(b"this is no database" * 100)
    app = ControlRoom(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(app, pilot, "store UNREADABLE")


async def test_a_state_that_holds_nothing_yet_is_shown(tmp_path):
    app = ControlRoom(State(tmp_path / "empty"))
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "daemon: no data")
        await pilot.press("enter", "a", "r", "p", "escape")
        assert isinstance(app.screen, OverviewPage)


async def test_a_text_report_is_read_on_the_screen(state: State):
    (state.reports / "comparison_2026.txt").write_text("ANSWER\n" + "\n".join(f"line {n}" for n in range(100)))
    (state.reports / "comparison_2026.pdf").write_bytes(b"%PDF")
    app = ControlRoom(state)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("r")
        await seen(app, pilot, "comparison_2026")
        await pilot.press("enter")
        await seen(app, pilot, "ANSWER")
        await pilot.press("end")
        await seen(app, pilot, "line 99")


async def test_the_manual_screen_is_refused_with_a_word_where_no_terminal_can_be_handed_over(state: State):
    app = ControlRoom(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(app, pilot, "N-P02")
        await pilot.press("m")
        await seen(app, pilot, "use handwheel-manual in another one")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("14 d", NOW + timedelta(days=14)),
        ("8h", NOW + timedelta(hours=8)),
        ("1,5 j", NOW + timedelta(days=1.5)),
        ("2026-11-30 07:00", datetime(2026, 11, 30, 6, 0, tzinfo=UTC)),
        ("2026-11-30", datetime(2026, 11, 29, 23, 0, tzinfo=UTC)),
        ("2026-11-30T07:00Z", datetime(2026, 11, 30, 7, 0, tzinfo=UTC)),
    ],
)
def test_until_is_understood_in_the_local_time_of_the_plant(text, moment):
    assert parse_until(text, NOW, ZoneInfo("Europe/Berlin")) == moment.timestamp() * 1e6


@pytest.mark.parametrize("text", ["", "soon", "d", "-3 d", "2020-01-01", "1e400 d", "30.11.2026"])
def test_a_time_is_never_guessed(text):
    with pytest.raises(Missing):
        parse_until(text, NOW, None)


def test_reject_and_defer_need_a_reason_and_follow_does_not():
    for choice, needed in (("follow", False), ("inspect_first", False), ("defer", True), ("reject", True)):
        question = decision(CLAIM, choice, None, lambda: NOW)
        told = {"until": "8 h"}
        if needed:
            with pytest.raises(Missing, match="reason"):
                question.command(told)
        verb, data = question.command({**told, "reason": "because"})
        assert (verb, data["choice"], data["alert_id"]) == ("decide", choice, "vendor-R-P01-1")
        assert (data["until"] is not None) == (choice == "defer")


def test_a_choice_is_one_of_four_digits():
    assert choice_of(" 3 ") == "defer"
    with pytest.raises(Missing):
        choice_of("5")


def test_priority_one_is_shelved_for_an_hour_at_most():
    urgent = Alarm("A", "A", 0, "R-P01", "", "plc", 1, "high level", "UNACK")
    with pytest.raises(Missing, match="1 h"):
        shelf(urgent, lambda: NOW).command({"hours": "2", "reason": "x"})


async def test_a_picture_refers_to_no_other_machine(state: State):
    app = ControlRoom(state)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(app, pilot, "N-P02")
        svg = plain_fonts(app.export_screenshot(title="handwheel"))
    assert "VENDOR&#160;ONLY" in svg
    assert "://" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_the_screen_loads_nothing_heavy():
    code = "import monitor.screen.app, monitor.screen.picture, sys; print(*sys.modules)"
    done = subprocess.run([os.sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pandas", "scipy", "sklearn", "pyarrow", "pymodbus", "asyncua", "pydantic", "fallback_procedures"}
    assert not {name.split(".")[0] for name in done.stdout.split()} & heavy
