"""The table of what is said and offered when something dies, line by line; pure: the moment is handed in."""

import json
import re

import pytest

from fallback_procedures.library import SHIPPED, load
from fallback_procedures.run import replay
from fallback_procedures.triggers import Now, last_known, offers, pid_lives, read_status, situation
from fallback_procedures.words import local_text, use_time_zone, utc_text

NOW = Now(1_795_400_000.0, 70_000.0, "5f4c2a52-6f0e-4c7e-9d35-0d7b3a1c9e11")


def line(kind, n=1, **more):
    return {"format": 1, "n": n, "at": utc_text(NOW.wall_s - 180), "mono_s": NOW.mono_s - 180, "boot_id": NOW.boot_id,
            "kind": kind, "role": "shift_lead", "drill": False, **more}  # fmt: skip


def seen(state, *, alive=True, now=NOW, entries=()):
    """(what is known, {id: because}, [(id, site)]) as the manual would tell it."""
    library = load(state.manual)
    status, why_not = read_status(state.manual)
    known = situation(status, why_not, now, alive, library)
    period = replay("x", list(entries)) if entries else None
    found = offers(library, known, period, now)
    return known, {offer.id: offer.because for offer in found}, [(offer.id, offer.site) for offer in found]


def test_a_running_daemon_with_fresh_sites_offers_nothing(state):
    state.publish(NOW)
    known, offered, _where = seen(state)
    assert known.word == "running"
    assert offered == {}


@pytest.mark.parametrize(("age_s", "alive", "word"), [(1.0, False, "running"), (1.6, False, "blind"),
                                                      (2.9, True, "running"), (3.1, True, "blind")])  # fmt: skip
def test_a_dead_daemon_is_blind_within_two_seconds_and_a_hung_one_within_five(state, age_s, alive, word):
    state.publish(NOW, age_s=age_s)
    assert seen(state, alive=alive)[0].word == word


def test_blind_offers_the_round_and_nothing_that_says_hand(state):
    state.publish(NOW, age_s=190)
    known, offered, _where = seen(state)
    assert known.text == ("handwheel is BLIND since 3m; automation is probably still running; "
                          "look at SCADA or the local panel")  # fmt: skip
    assert offered == {"P-17": "handwheel is BLIND since 3m"}


def test_a_site_copy_that_asks_for_hand_while_blind_is_not_offered(state):
    folder = state.manual / "procedures"
    folder.mkdir()
    text = (SHIPPED / "en" / "P-03.txt").read_text()
    (folder / "P-03.txt").write_text(
        text.replace("APPLIES    control_lost", "APPLIES    blind\nAPPLIES    control_lost")
    )
    state.publish(NOW, age_s=190)
    assert set(seen(state)[1]) == {"P-17"}


def test_a_planned_stop_is_calm_for_a_minute_and_then_blind(state):
    state.publish(NOW, age_s=20)
    stop = {"role": "engineer", "at": utc_text(NOW.wall_s - 20), "boot_id": NOW.boot_id, "mono_s": NOW.mono_s - 20}
    (state.manual / "planned_stop.json").write_text(json.dumps(stop))
    known, offered, _where = seen(state, alive=False)
    assert known.word == "stopped"
    assert known.text.startswith("handwheel was stopped by engineer at ")
    assert offered == {}
    later = Now(NOW.wall_s + 45, NOW.mono_s + 45, NOW.boot_id)
    known, offered, _where = seen(state, alive=False, now=later)
    assert known.word == "blind"
    assert "stopped by engineer" in known.text
    assert set(offered) == {"P-17"}


def test_telemetry_lost_at_a_site_offers_reading_there_after_its_time(state):
    state.publish(NOW, lost={"H": 94.0, "R": 30.0})
    known, offered, where = seen(state)
    assert known.text == "TELEMETRY LOST at H (94s), R (30s)"
    assert where == [("P-05", "H"), ("P-17", "H")]
    assert offered["P-05"] == "no data from H for 94s"


def test_only_a_person_brings_the_hand_procedures_and_only_for_the_sites_named(state):
    state.publish(NOW, age_s=190)
    _known, offered, where = seen(state, entries=[line("declared", sites=["R"], text="all agree")])
    assert next(iter(offered)) == "P-01"
    assert offered["P-01"] == "CONTROL LOST declared by shift lead 3m ago"
    assert ("P-03", "R") in where
    assert not {"P-04", "P-07"} & set(offered)
    assert next(reversed(offered)) == "P-18"


def test_lost_everywhere_brings_each_site_its_own_procedures_by_consequence(state):
    state.publish(NOW)
    _known, offered, where = seen(state, entries=[line("declared", sites=[], text="")])
    assert [name for name in offered if name in ("P-07", "P-03", "P-04", "P-05")] == ["P-07", "P-03", "P-04", "P-05"]
    assert ("P-04", "H") in where
    assert ("P-04", "R") not in where


def test_a_drill_says_so_in_its_reason(state):
    state.publish(NOW)
    drill = {**line("declared", sites=[], text=""), "drill": True}
    assert seen(state, entries=[drill])[1]["P-01"].endswith("(DRILL)")


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", '{"format": 2}', "\udcff" * 3, '{"format": 1, "sites": 7}', "[" * 5000]
)
def test_a_missing_or_strange_status_claims_nothing(state, content):
    if content is not None:
        (state.manual / "status.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    known, offered, _where = seen(state)
    assert known.word in ("unknown", "blind")
    assert set(offered) <= {"P-17"}
    if known.word == "unknown":
        assert offered == {}


def test_a_status_of_another_start_of_the_machine_is_blind_with_an_unknown_age(state):
    state.publish(Now(NOW.wall_s, NOW.mono_s, "another boot"))
    known, offered, _where = seen(state)
    assert (known.word, known.age_s) == ("blind", None)
    assert offered == {"P-17": "handwheel is BLIND, age unknown"}


def test_last_known_values_carry_their_age_or_say_that_it_is_unknown(state):
    state.publish(NOW, age_s=60)
    taken = utc_text(NOW.wall_s - 65)
    text = (
        f"handwheel: LAST KNOWN VALUES - not live\nwritten x  (y)  boot 5f4c2a52\n\nR.level   2.31 m   good   {taken}\n"
    )
    (state.manual / "last_known.txt").write_text(text)
    status, _why = read_status(state.manual)
    assert last_known(state.manual, status, NOW) == [("R.level", "2.31 m", "good", "65s ago")]
    other = Now(NOW.wall_s, 5.0, "another boot")
    assert last_known(state.manual, status, other)[0][3] == "about 65s ago by this machine's clock"
    behind = Now(NOW.wall_s - 9_999_999, 5.0, "another boot")
    assert last_known(state.manual, status, behind)[0][3] == "age unknown"


def test_a_wrong_wall_clock_does_not_change_an_age_within_one_boot(state):
    state.publish(NOW, age_s=190)
    assert seen(state, now=Now(0.0, NOW.mono_s, NOW.boot_id))[1] == {"P-17": "handwheel is BLIND since 3m"}


def test_whether_a_process_lives_is_asked_and_not_guessed():
    import os

    assert pid_lives(os.getpid())
    assert not pid_lives(2**22 + 12345)
    assert pid_lives("4711")
    assert pid_lives(True)


def test_times_are_those_of_the_plant_and_always_carry_their_offset():
    try:
        use_time_zone("Asia/Kolkata")
        assert local_text(1_795_400_000.0) == "2026-11-23 07:43 +05:30"
        for unknown in ("Nowhere/Land", "Europe", "../etc", "", None, 7):
            use_time_zone(unknown)
            assert re.fullmatch(r"2026-11-2\d \d\d:\d\d [+-]\d\d:\d\d", local_text(1_795_400_000.0))
    finally:
        use_time_zone(None)
