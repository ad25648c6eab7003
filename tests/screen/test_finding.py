"""The finding form: what is missing is said at its field, what the daemon refuses loses nothing, nothing is guessed."""

import hashlib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from textual.widgets import Input, Static

from monitor import ledger
from monitor.ledger import Record
from monitor.screen import finding, owed
from monitor.screen.app import ControlRoom
from monitor.screen.finding import Faults, Form, commands, filled_from, parse_measured, parse_wear
from monitor.screen.form import FindingForm
from monitor.screen.page import AssetPage, OwedPage
from monitor.screen.pieces import cells
from monitor.screen.reading import take
from monitor.screen.text import View
from monitor.state import State
from monitor.why.asking import told_of
from monitor.why.story import jobs_of
from monitor.words import use_language
from tests.screen.test_screen import seen, text_of, until

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ORDER = Record(1, "work_order", 0, "", "", None, "R-P01", "bearing", {"wo_id": "WO-1", "action": "service"})
FOUND = Record(7, "finding", 0, "", "", None, "R-P01", "bearing",
               {"wo_id": "WO-1", "grade": "B", "wear_pct": "30 %", "inspector_party": "utility",
                "blind_to_alert": True})  # fmt: skip
FILLED = {"wo": "1", "component": "bearing", "grade": "d", "wear": "110", "measured": "7,4 mm/s", "party": "1",
          "blind": "n"}  # fmt: skip


def form(*records: Record, **limits: str) -> Form:
    jobs = tuple(jobs_of(records or (ORDER,), {}))
    return Form("R-P01", "bearing", "SP-1", jobs, ("bearing", "seal"), limits)


def asked(told, of=None):
    return commands(told, of or form(), BERLIN, lambda: NOW)


def faults(told, of=None) -> dict[str, str]:
    with pytest.raises(Faults) as found:
        asked(told, of)
    return found.value.of


def test_a_filled_form_is_one_finding_in_the_daemon_s_words():
    [(verb, data)] = asked(FILLED)
    assert verb == "finding"
    assert (data["wo_id"], data["component"], data["grade"]) == ("WO-1", "bearing", "D")
    assert (data["wear_pct"], data["measured_value"]) == ("110 %", "7.4 mm/s")
    assert (data["inspector_party"], data["blind_to_alert"], data["second_reader_grade"]) == ("utility", False, None)


def test_every_field_that_lacks_something_is_named_at_once():
    assert set(faults({})) == {"wo", "component", "grade", "party", "blind"}


@pytest.mark.parametrize(
    ("text", "kept"),
    [("70", "70 %"), ("70 %", "70 %"), ("30,5", "30.5 %"), ("0", "0 %"), ("0.7 %", "0.7 %"), ("", None)],
)
def test_wear_is_kept_as_written_in_percent(text, kept):
    assert parse_wear(text) == kept


@pytest.mark.parametrize("text", ["0.7", "0,7", "1"])
def test_a_wear_that_may_be_a_fraction_is_asked_and_not_guessed(text):
    with pytest.raises(ValueError, match="write it with the sign"):
        parse_wear(text)


@pytest.mark.parametrize("text", ["-3", "1.000,5", "much", "2000", "nan", "٣"])
def test_a_wear_that_is_none_is_refused(text):
    with pytest.raises(ValueError):
        parse_wear(text)


def test_a_measured_value_needs_its_unit_and_that_of_the_limit():
    assert parse_measured("3,2 mm/s", "7.1 mm/s") == "3.2 mm/s"
    with pytest.raises(ValueError, match=r"in what unit.*3\.2 mm/s"):
        parse_measured("3.2", "7.1 mm/s")
    with pytest.raises(ValueError, match="the agreed limit is in mm/s"):
        parse_measured("3.2 um", "7.1 mm/s")


def test_the_agreed_limit_goes_with_the_finding_as_configured():
    [(_verb, data)] = asked(FILLED | {"limit": "9 mm/s"}, form(bearing="7.1 mm/s"))
    assert data["limit"] == "7.1 mm/s"
    [(_verb, data)] = asked(FILLED | {"limit": "9 mm/s"})
    assert data["limit"] == "9 mm/s"


def test_a_job_that_is_not_known_is_entered_with_the_finding():
    told = FILLED | {"wo": "WO-77", "opened": "2026-11-20", "done": "2026-11-21 10:00", "action": "3", "trigger": "1"}
    [(first, order), (second, data)] = asked(told)
    assert (first, second) == ("work_order", "finding")
    assert order["wo_id"] == data["wo_id"] == "WO-77"
    assert (order["action"], order["trigger"], order["alert_id"]) == ("replace", "vendor_alert", "SP-1")
    assert order["done"] == "2026-11-21T09:00:00.000Z"
    assert set(faults(FILLED | {"wo": "WO-77"})) == {"opened", "action", "trigger"}
    assert faults(told | {"done": "2026-11-24"}) == {"done": "this time lies ahead"}


def test_a_job_that_has_a_finding_asks_whether_it_is_corrected():
    of = form(ORDER, FOUND)
    assert "7 to correct it" in faults(FILLED, of)["corrects"]
    assert "corrects" in faults(FILLED | {"corrects": "8"}, of)
    assert asked(FILLED | {"corrects": "7"}, of)[0][1]["corrects"] == 7
    assert "corrects" not in asked(FILLED | {"corrects": "no"}, of)[0][1]


def test_what_is_to_be_corrected_is_filled_in_from_the_old_finding():
    [job] = jobs_of([ORDER, FOUND], {})
    told = filled_from(job, "7")
    assert told == {"component": "bearing", "grade": "B", "wear": "30 %", "party": "utility", "blind": "y"}
    assert filled_from(job, "8") == {}


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_yes_and_no_are_understood_in_each_language_and_labels_fit(language):
    use_language(language)
    for one in finding.slots(form()):
        assert cells(one.label) <= 17, one.label  # beside the mark of a fault
        assert cells(one.hint) <= 3 * 74, one.hint
    words = {"en": ("y", "no"), "fr": ("oui", "n"), "de": ("j", "Nein")}[language]
    assert [finding.parse_yes(word) for word in words] == [True, False]
    with pytest.raises(ValueError):
        finding.parse_yes("")


async def test_a_finding_is_entered_from_the_page_of_an_asset(daemon, tmp_path):
    state, _child = daemon
    photo = tmp_path / "bearing.jpg"
    photo.write_bytes(b"a photo")
    app = ControlRoom(state)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_form(app, pilot)
        assert "1 WO-1 bearing" in shown(app)
        fill(app, wo="1", grade="b", wear="0.3", measured="2,1 mm/s", party="1", blind="y", photo=str(photo))
        app.screen.query_one("#photo", Input).focus()
        await pilot.press("enter")
        await until(pilot, lambda: "0.3 % or 30 %?" in fault(app), "the question about the wear")
        assert str(app.screen.query_one("#label-wear", Static).visual).startswith("! ")
        await pilot.press("space", "%", "enter")
        await seen(app, pilot, "recorded: ledger entry")
        await until(pilot, lambda: "WO-1" not in [job.wo_id for _asset, job in owed.items(app.room, View())], "no debt")
    one = list(ledger.entries(state, ["finding"]))[-1]
    assert (one.asset, one.component, one.role) == ("R-P01", "bearing", "administrator")
    assert (one.data["wo_id"], one.data["grade"], one.data["wear_pct"]) == ("WO-1", "B", "0.3 %")
    assert one.data["photo_sha256"] == hashlib.sha256(b"a photo").hexdigest()


async def test_a_finding_is_corrected_by_a_new_one_that_names_it(daemon):
    state, _child = daemon
    old = next(one for one in ledger.entries(state, ["finding"]) if one.data["wo_id"] == "WO-4")
    app = ControlRoom(state)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_form(app, pilot)
        assert f"found: D (entry {old.n})" in shown(app)
        fill(app, wo="WO-4", corrects=str(old.n))
        app.screen.query_one("#corrects", Input).focus()
        await pilot.press("enter")
        assert app.screen.query_one("#grade", Input).value == "D"
        fill(app, grade="C", wear="80")
        app.screen.query_one("#photo", Input).focus()
        await pilot.press("enter")
        await seen(app, pilot, "recorded: ledger entry")
    new = list(ledger.entries(state, ["finding"]))[-1]
    assert (new.data["corrects"], new.data["grade"], new.data["wear_pct"]) == (old.n, "C", "80 %")
    [story] = [one for one in told_of(state, "SP-4", new.at_us + 1).stories]
    assert [one.data["grade"] for one in story.findings] == ["C"]


async def test_a_new_job_is_entered_once_though_its_finding_was_refused(state: State):
    app = ControlRoom(state)
    verbs: list[str] = []

    def ask(verb: str, data: dict[str, object]) -> dict[str, object]:
        verbs.append(verb)
        if verb == "finding" and data["cause"] == "":
            return {"ok": False, "error": "finding: cause: write it in words"}
        return {"ok": True, "n": 9}

    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "N-P02")
        form = finding.form_of(app.room, "R-P01", "bearing")
        app.push_screen(FindingForm(form, app.room, ask, "utf-8", app.alive))
        await until(pilot, lambda: bool(app.screen.query("#photo")), "the form")
        await pilot.pause()
        fill(app, wo="WO-77", grade="b", party="1", blind="n")
        await pilot.pause()
        assert app.screen.query_one("#row-opened").display
        fill(app, opened="2026-11-20", done="2026-11-21", action="2", trigger="1")
        app.screen.query_one("#photo", Input).focus()
        await pilot.press("enter")
        await until(pilot, lambda: "cause: write it in words" in fault(app), "the refusal")
        assert not app.screen.query_one("#row-opened").display
        fill(app, cause="grease")
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, FindingForm), "the form is gone")
    assert verbs == ["work_order", "finding", "finding"]


async def test_a_photo_that_is_not_there_is_said_and_nothing_typed_is_lost(daemon):
    state, _child = daemon
    app = ControlRoom(state)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_form(app, pilot)
        fill(app, wo="1", grade="b", party="1", blind="y", cause="grease", photo="/no/such.jpg")
        app.screen.query_one("#photo", Input).focus()
        await pilot.press("enter")
        await until(pilot, lambda: "No such file" in fault(app), "the photo is missed")
        assert app.screen.query_one("#cause", Input).value == "grease"
        await pilot.press("escape")
        assert isinstance(app.screen, AssetPage)
    assert "grease" not in str([one.data for one in ledger.entries(state, ["finding"])])


async def test_what_the_daemon_refuses_is_read_in_its_words_and_the_form_stays(daemon):
    state, child = daemon
    app = ControlRoom(state)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_form(app, pilot)
        fill(app, wo="1", grade="b", party="1", blind="y")
        app.screen.query_one("#photo", Input).focus()
        child.kill()
        child.wait()
        await pilot.press("enter")
        await until(pilot, lambda: "the daemon does not answer" in fault(app), "the daemon is dead")
        assert app.screen.query_one("#grade", Input).value == "b"


async def test_a_viewer_reads_before_the_form_that_it_has_no_right(daemon_for_viewers: State):
    app = ControlRoom(daemon_for_viewers)
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "role: viewer")
        app.push_screen(AssetPage("R-P01"))
        await seen(app, pilot, "sewage pump 1")
        await pilot.press("f")
        await seen(app, pilot, "no right to record findings")


async def test_without_a_daemon_no_form_opens(state: State):
    app = ControlRoom(state)
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "N-P02")
        app.push_screen(AssetPage("R-P01"))
        await seen(app, pilot, "sewage pump 1")
        await pilot.press("f")
        await seen(app, pilot, "nothing can be recorded now")


async def test_jobs_without_a_finding_are_counted_on_the_reports_page_and_listed(state: State):
    app = ControlRoom(state)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("r")
        await seen(app, pilot, "finding is entered on 4 of 5 (80 %) of the jobs")
        await pilot.press("f")
        assert isinstance(app.screen, OwedPage)
        await seen(app, pilot, ">")
        assert "WO-1" in text_of(app)
        assert "DONE WITHOUT A FINDING  1 in 24 months" in text_of(app)


def test_below_half_the_reminder_says_what_comes_of_it(state: State):
    room = take(state)
    records = [one for one in room.past.by_asset["R-P01"] if one.kind != "finding"]
    room.past.by_asset["R-P01"] = tuple(records)  # type: ignore[index]
    assert "0 of 5 (0 %)" in owed.reminder(room)
    assert "below half, a review is INSUFFICIENT" in owed.reminder(room)


# what the tests do


async def open_form(app: ControlRoom, pilot) -> None:
    await until(pilot, lambda: bool(app.room.rights), "the rights")
    app.push_screen(AssetPage("R-P01"))
    await seen(app, pilot, "sewage pump 1")
    await pilot.press("f")
    await until(pilot, lambda: isinstance(app.screen, FindingForm) and bool(app.screen.query("#photo")), "the form")
    await pilot.pause()


def fill(app: ControlRoom, **told: str) -> None:
    for name, text in told.items():
        app.screen.query_one(f"#{name}", Input).value = text


def fault(app: ControlRoom) -> str:
    found = app.screen.query("#fault")
    return " ".join(str(found.first(Static).visual).split()) if found else ""


def shown(app: ControlRoom) -> str:
    return "\n".join(str(one.visual) for one in app.screen.query(Static))
