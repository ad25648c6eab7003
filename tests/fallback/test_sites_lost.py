"""CONTROL LOST is declared site by site: one more, one taken back, by two persons; all readers of journals know."""

import pytest

from fallback_procedures import place as places
from fallback_procedures.board import mode_lines
from fallback_procedures.desk import Desk, desk
from fallback_procedures.journal import read_lines
from fallback_procedures.keys import keys
from fallback_procedures.library import load
from fallback_procedures.open_period import Refused
from fallback_procedures.place import Place
from fallback_procedures.replay import replay
from fallback_procedures.run import where_lost
from fallback_procedures.run_acts import undo
from fallback_procedures.run_desk import cannot_start
from fallback_procedures.seat import Seat
from fallback_procedures.sheet import Sheet, read_sheet
from fallback_procedures.triggers import moment
from fallback_procedures.words import clean
from monitor.periods.journal import journal_of
from monitor.periods.period import period_of
from monitor.screen.room import open_period

from .conftest import SHEET
from .test_desk import P03, at


@pytest.fixture
def two(tmp_path) -> tuple[Desk, Desk]:
    """Two persons at two terminals of one folder."""
    return desk(tmp_path, at(0), "shift_lead", False), desk(tmp_path, at(0), "operator", False)


def test_two_persons_declare_two_sites_at_two_terminals_and_both_get_theirs(two):
    first, second = two
    first.declare(at(10), "all agree", ("R",))
    second.declare(at(20), "all agree", ("N", "R"))
    for here in two:
        period = here.period()
        assert period.sites == ("R", "N")
        assert (period.lost_at("R")["n"], period.lost_at("N")["n"], period.lost_at("H")) == (1, 2, None)
        assert period.since["n"] == 1, "the period counts from the first"
    assert second.period().entries[1]["sites"] == ["N"], "only what is new is kept"
    assert [part.split()[0] for part in where_lost(first.period()).split("; ")] == ["R", "N"]
    assert where_lost(first.period()).endswith("(operator)"), "not the role that declared the first"
    with pytest.raises(Refused, match="already declared: R "):
        first.declare(at(30), "again", ("N",))


def test_all_stays_all_and_sites_may_become_all(two):
    here, _second = two
    here.declare(at(10), "all agree", ("R",))
    here.declare(at(20), "now everywhere")
    assert here.period().sites == ()
    assert here.period().lost_at("H")["n"] == 2
    assert here.period().lost_at("R")["n"] == 1
    for sites in ((), ("N",)):
        with pytest.raises(Refused, match="all stations"):
            here.declare(at(30), "again", sites)


def test_a_site_that_was_declared_wrongly_is_taken_back_by_a_new_entry(two):
    here, _second = two
    here.declare(at(10), "all agree", ("R",))
    here.declare(at(20), "a slip", ("N",))
    here.undo(at(25))
    assert here.period().sites == ("R",)
    assert [line["kind"] for line in here.period().entries] == ["declared", "declared", "undo"]
    here.undo(at(30))
    assert not here.period().declared
    here.declare(at(40), "after all", ("N",))
    assert here.period().sites == ("N",)
    assert here.period().since["n"] == 5


def test_what_moves_the_plant_starts_for_real_only_where_control_lost_is_declared(two):
    here, _second = two
    here.declare(at(10), "all agree", ("R",))
    other = read_sheet(SHEET.replace("site R", "site N"))
    with pytest.raises(Refused, match="only, not for N: automation may still run there"):
        here.start(at(20), P03, other, "N")
    assert here.start(at(21), P03, read_sheet(SHEET), "R") == "P-03-1"
    assert "not for ?" in cannot_start(P03, read_sheet(SHEET), here.period()), "its text is for sites: which one?"
    here.declare(at(30), "there too", ("N",))
    assert here.start(at(31), P03, other, "N") == "P-03-2"


def test_what_moves_the_plant_is_offered_only_at_the_sites_that_are_declared(state):
    (state.manual / "sheets" / "H.txt").write_text(SHEET.replace("site R", "site H"))
    state.publish(moment(), lost={"R": 400.0, "H": 400.0})
    here = desk(state.manual / "journal", moment(), "operator", False)
    seat = Seat(Place(state.manual), load(state.manual), here)
    here.declare(moment(), "all agree", ("H",))
    seen = seat.look()
    hand = {one.id for one in seen.offers if seat.library.get(one.id, "en").procedure.moves_the_plant}
    assert {one.site for one in seen.offers if one.id in hand} <= {"", "H"}
    assert any(one.because.endswith(": H") for one in seen.offers)
    assert ": H " in mode_lines(seen, 100)[0]
    assert next(key for key in keys(seat, seen) if key.letter == "c").now, "two sites more can be declared"
    here.declare(moment(), "everywhere", ("R", "N"))
    assert not next(key for key in keys(seat, seat.look()) if key.letter == "c").now


def test_taking_back_a_site_is_asked_and_names_the_runs_that_go_on_there(state):
    here = desk(state.manual / "journal", moment(), "operator", False)
    seat = Seat(Place(state.manual), load(state.manual), here)
    here.declare(moment(), "all agree", ("R",))
    here.start(moment(), P03, Sheet("R", values=read_sheet(SHEET).values, approved_by="engineer"), "R")
    talk = undo(seat, "")
    assert "R; runs that go on there: P-03-1" in next(talk).prompt
    with pytest.raises(Refused):
        talk.send("")
    assert here.period().declared
    talk = undo(seat, "")
    next(talk)
    with pytest.raises(StopIteration) as end:
        talk.send("y")
    assert "CONTROL LOST is not declared" in end.value.value
    assert list(here.period().runs) == ["P-03-1"], "what was done by hand stays"


def test_every_reader_of_a_journal_understands_several_declarations(two):
    here, _second = two
    here.declare(at(10), "all agree", ("R",))
    here.declare(at(20), "a slip", ("H",))
    here.undo(at(21))
    here.declare(at(30), "there too", ("N",))
    raw = here.journal.path.read_bytes()
    assert replay("x", read_lines(here.journal.path)[0]).sites == ("R", "N")
    told = period_of(journal_of("x.jsonl", raw, int(at(40).wall_s * 1e6)))
    assert (told.sites, told.declared.n) == (("R", "N"), 1)
    shown = open_period("x.jsonl", raw, int(at(60).wall_s * 1e6))
    assert (shown.sites, shown.role) == (("R", "N"), "shift_lead")
    here.declare(at(40), "everywhere")
    raw = here.journal.path.read_bytes()
    assert open_period("x.jsonl", raw, int(at(60).wall_s * 1e6)).sites == ()
    assert period_of(journal_of("x.jsonl", raw, int(at(50).wall_s * 1e6))).sites == ()


def test_the_look_at_a_place_keeps_the_sites(state):
    here = desk(state.manual / "journal", moment(), "operator", False)
    here.declare(moment(), clean("all agree"), ("R",))
    assert places.look(Place(state.manual), load(state.manual), here, "en").period.sites == ("R",)
