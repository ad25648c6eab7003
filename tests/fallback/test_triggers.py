"""The table of what is said and offered when something dies, line by line; pure: the moment is handed in."""

import json
import re

import pytest

from fallback_procedures import place as places
from fallback_procedures.desk import desk
from fallback_procedures.journal import entry_of
from fallback_procedures.library import SHIPPED, load
from fallback_procedures.place import Place
from fallback_procedures.procedure import parse
from fallback_procedures.replay import replay
from fallback_procedures.triggers import (
    Now,
    after_declaring,
    known_values,
    last_known,
    moment,
    offers,
    pid_lives,
    read_status,
    situation,
)
from fallback_procedures.words import local_text, use_time_zone, utc_text

from .conftest import SHEET

NOW = Now(1_795_400_000.0, 70_000.0, "5f4c2a52-6f0e-4c7e-9d35-0d7b3a1c9e11")


def line(kind, n=1, **more):
    told = {"format": 1, "n": n, "at": utc_text(NOW.wall_s - 180), "mono_s": NOW.mono_s - 180, "boot_id": NOW.boot_id,
            "kind": kind, "role": "shift_lead", "drill": False, **more}  # fmt: skip
    return entry_of(told)[1]


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
    assert offered["P-01"].startswith("CONTROL LOST declared by shift lead 3m ago: R")
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
    drill = entry_of({**line("declared", sites=[], text=""), "drill": True})[1]
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
    assert "automation is probably still running; look at SCADA or the local panel" in known.text
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


NOBODY = 2**22 + 12345  # a process number that is not in use
BLIND = "handwheel is BLIND since 90s; automation is probably still running; look at SCADA or the local panel"


def stopped(state, now, ago_s):
    stop = {
        "role": "engineer",
        "at": utc_text(now.wall_s - ago_s),
        "boot_id": now.boot_id,
        "mono_s": now.mono_s - ago_s,
    }
    (state.manual / "planned_stop.json").write_text(json.dumps(stop))


@pytest.mark.parametrize(("what", "word", "said", "offered", "read"), [
    ({"age_s": 90, "pid": NOBODY}, "blind", BLIND, {"P-17": "handwheel is BLIND since 90s"}, True),
    ({"age_s": 90, "pid": 1}, "blind", BLIND, {"P-17": "handwheel is BLIND since 90s"}, True),
    ({"age_s": 20, "pid": NOBODY, "stop": 20}, "stopped", "handwheel was stopped by engineer at ", {}, False),
    ({"age_s": 62, "pid": NOBODY, "stop": 61}, "blind", "handwheel is BLIND: stopped by engineer at ", {"P-17"}, True),
    ({"lost": {"H": 94.0}}, "running", "TELEMETRY LOST at H (94s)",
     {"P-05": "no data from H for 94s", "P-17": "no data from H for 94s"}, False),
    ({"lost": {"H": 59.0}}, "running", "TELEMETRY LOST at H (59s)", {}, False),
    ({"store": {"state": "failed", "note": "disk full"}}, "running", "handwheel is running", {}, False),
    ({"vendor": [{"feed": "x", "age_s": 9e9, "late": True}]}, "running", "handwheel is running", {}, False),
    ({"clock": {"state": "suspect", "note": "stepped by 3600 s"}}, "running", "handwheel is running", {}, False),
], ids=["daemon dead", "daemon hung", "planned stop", "a minute after it", "telemetry lost", "lost for less",
        "store lost", "vendor lost", "clock lost"])  # fmt: skip
def test_each_row_of_the_table_of_what_is_said_and_offered(state, what, word, said, offered, read):
    now, what = moment(), dict(what)
    if "stop" in what:
        stopped(state, now, what.pop("stop"))
    state.publish(now, **what)
    library = load(state.manual)
    seen_now = places.look(Place(state.manual), library, desk(state.manual / "journal", now, "operator", False), "en")
    assert seen_now.known.word == word
    assert seen_now.known.text.startswith(said)
    reasons = {one.id: one.because for one in seen_now.offers}
    assert reasons == offered if isinstance(offered, dict) else set(reasons) == offered
    assert seen_now.to_read == (tuple(library.ids()) if read else ())


def cut(text):
    return text[: len(text) // 2]


@pytest.mark.parametrize(("change", "word"), [
    (lambda text: None, "unknown"), (cut, "unknown"), (lambda text: text + " " * 10_000_000, "unknown"),
    (lambda text: text.replace('"mono_s"', '"mono"', 1), "unknown"),
    (lambda text: re.sub(r'"mono_s": [0-9.]+', '"mono_s": NaN', text), "unknown"),
    (lambda text: re.sub(r'"mono_s": [0-9.]+', '"mono_s": Infinity', text), "unknown"),
    (lambda text: re.sub(r'"mono_s": [0-9.]+', '"mono_s": -Infinity', text), "unknown"),
    (lambda text: re.sub(r'"mono_s": [0-9.]+', '"mono_s": 1e999', text), "unknown"),
    (lambda text: re.sub(r'"mono_s": [0-9.]+', '"mono_s": true', text), "unknown"),
    (lambda text: re.sub(r'"mono_s": [0-9.]+', '"mono_s": "70000"', text), "unknown"),
    (lambda text: re.sub(r'"mono_s": [0-9.]+', '"mono_s": 9e14', text), "unknown"),
    (lambda text: re.sub(r'"boot_id": "[^"]+"', '"boot_id": 7', text), "unknown"),
    (lambda text: re.sub(r'"boot_id": "[^"]+"', '"boot_id": "another"', text), "blind"),
    (lambda text: text.replace('"format": 1', '"format": 9'), "unknown"),
], ids=["missing", "cut off", "10 MB", "no mono_s", "NaN", "inf", "-inf", "1e999", "true", "text", "of the future",
        "boot is a number", "other boot", "other format"])  # fmt: skip
def test_a_status_that_cannot_be_believed_claims_nothing_and_everything_is_there_to_read(state, change, word):
    now = moment()
    state.publish(now, lost={"R": 900.0})
    path = state.manual / "status.json"
    changed = change(path.read_text())
    if changed is None:
        path.unlink()
    else:
        path.write_text(changed)
    library = load(state.manual)
    told = places.look(Place(state.manual), library, desk(state.manual / "journal", now, "operator", False), "en")
    assert told.known.word == word
    assert told.to_read == tuple(library.ids())
    assert told.to_read[:3] == ("P-01", "P-00", "P-08")
    assert {one.because for one in told.offers} <= {"handwheel is BLIND, age unknown"}


@pytest.mark.parametrize("row", [
    *({"lost_s": lost} for lost in (float("nan"), float("inf"), -5.0, "900", True, [9], 1e300)),
    *({"id": name} for name in ("../../EVIL", "..", "a/b", "a\\b", "", 7, None, "x" * 41)),
])  # fmt: skip
def test_of_sites_told_of_in_a_way_that_no_daemon_does_nothing_is_claimed(state, row):
    state.publish(NOW)
    status = json.loads((state.manual / "status.json").read_text())
    status["sites"][2].update(row)
    (state.manual / "status.json").write_text(json.dumps(status))
    known, offered, where = seen(state)
    assert (known.word, offered) == ("unknown", {})
    assert {site for _id, site in where} <= {"", "N", "H", "R"}


def test_a_value_from_after_the_clock_was_set_back_has_no_age(state):
    state.publish(NOW)
    row = "R-WW.level                     2.31 m         good       {}"
    head = f"handwheel\nwritten x  boot {NOW.boot_id[:8]}\n\ntag value\n"
    for taken, age in ((NOW.wall_s + 3600, "age unknown"), (NOW.wall_s + 1, "0s ago"), (NOW.wall_s - 60, "60s ago")):
        (state.manual / "last_known.txt").write_text(head + row.format(utc_text(taken)) + "\n")
        status = json.loads((state.manual / "status.json").read_text())
        assert [one.age for one in known_values(state.manual, status, NOW)] == [age]


def test_a_status_full_of_escapes_and_wrong_types_is_spoken_cleanly(state):
    hostile = [{"id": "\x1b[2J", "name": 5, "type": ["x"], "lost_s": 99.0}, {"id": 7}, "site", None]
    state.publish(NOW, sites=hostile, daemon=[], binder="x", assets=3, time_zone={"a": 1}, simulated="yes")
    known, offered, where = seen(state)
    assert "\x1b" not in known.text + "".join(offered.values()) + "".join(site for _id, site in where)
    state.publish(NOW, sites=[{"id": f"S{count}", "lost_s": 99.0} for count in range(20_000)])
    assert len(seen(state)[2]) <= 2 * 500


EVENT = line("seen", event="chlorine_gas", site="N", text="smell")


def with_event(state, text="APPLIES    seen chlorine_gas\n", name="P-17"):
    """A site's copy of a procedure that applies to an event too."""
    folder = state.manual / "procedures"
    folder.mkdir(exist_ok=True)
    shipped = (SHIPPED / "en" / f"{name}.txt").read_text()
    (folder / f"{name}.txt").write_text(re.sub(r"APPLIES .*\n", text, shipped, count=1))


def test_what_a_person_has_seen_brings_its_procedure_with_who_said_it_and_when(state):
    with_event(state)
    state.publish(NOW)
    _known, offered, where = seen(state, entries=[EVENT])
    assert offered["P-17"] == "chlorine gas: alarm, smell or burning eyes (N), said by shift lead 3m ago"
    assert ("P-17", "N") in where
    over = line("seen_over", 2, event="chlorine_gas", site="N")
    assert "P-17" not in seen(state, entries=[EVENT, over])[1]


def test_what_was_seen_counts_where_handwheel_can_tell_nothing(state):
    with_event(state)
    assert "said by" in seen(state, entries=[EVENT])[1]["P-17"]


def test_a_hand_procedure_for_what_was_seen_waits_for_control_lost_and_is_told_apart(state):
    with_event(state, name="P-03", text="APPLIES    seen overflow site_type=lift_station\n")
    state.publish(NOW)
    overflow = line("seen", event="overflow", site="R", text="")
    entries = [overflow]

    def waiting():
        library, (status, why) = load(state.manual), read_status(state.manual)
        return after_declaring(library, situation(status, why, NOW, True, library), replay("x", entries), NOW)

    assert "P-03" not in seen(state, entries=entries)[1]
    assert "P-03 R" in waiting()
    entries.append(line("declared", 2, sites=["N"], text=""))
    assert "P-03 R" in waiting(), "at R the automation may still run"
    assert ("P-03", "R") not in seen(state, entries=entries)[2]
    entries.append(line("declared", 3, sites=["R"], text=""))
    assert not waiting()
    assert ("P-03", "R") in seen(state, entries=entries)[2]


def test_an_event_at_a_site_of_another_type_brings_nothing_for_that_type(state):
    with_event(state, text="APPLIES    seen chlorine_gas site_type=lift_station\n")
    state.publish(NOW)
    assert "P-17" not in seen(state, entries=[EVENT])[1]
    nowhere = line("seen", event="chlorine_gas", site="", text="")
    assert ("P-17", "R") in seen(state, entries=[nowhere])[2]


@pytest.mark.parametrize("years", [-20, -1, 5, 70])
def test_a_wall_clock_stepped_by_years_changes_no_age_that_the_monotonic_clock_knows(state, years):
    with_event(state)
    state.publish(NOW, age_s=190, lost={"H": 94.0})
    entries = [line("declared", sites=[], text=""), entry_of({**EVENT, "n": 2})[1]]
    stepped = Now(NOW.wall_s + years * 365 * 86_400.0, NOW.mono_s, NOW.boot_id)
    assert seen(state, entries=entries, now=stepped) == seen(state, entries=entries)


ROW = "handwheel\nwritten x  boot {boot}\n\ntag value\nR-WW.level           2.31 m         good       {taken}\n"


@pytest.mark.parametrize(
    ("told", "slept_s", "age"),
    [
        ({"slept_s": 0.0}, 28_800.0, "8h ago"),
        ({}, 0.0, "about 8h ago by this machine's clock"),
        ({"slept_s": -1}, 28_800.0, "about 8h ago by this machine's clock"),
    ],
    ids=["a laptop that slept", "a virtual machine that was paused", "not told how long the daemon's machine slept"],
)
def test_what_a_dead_daemon_left_is_as_old_as_the_clock_says_that_did_not_stand_still(state, told, slept_s, age):
    state.publish(NOW, **told)
    (state.manual / "last_known.txt").write_text(ROW.format(boot=NOW.boot_id[:8], taken=utc_text(NOW.wall_s - 5)))
    status = json.loads((state.manual / "status.json").read_text())
    woken = Now(NOW.wall_s + 28_800 + 180, NOW.mono_s + 180, NOW.boot_id, slept_s)
    assert seen(state, alive=False, now=woken)[1] == {"P-17": "handwheel is BLIND since 8h"}
    assert [one.age for one in known_values(state.manual, status, woken)] == [age]
    stopped(state, NOW, 0)
    just_woken = Now(NOW.wall_s + 28_805, NOW.mono_s + 5, NOW.boot_id, slept_s)
    assert seen(state, alive=False, now=just_woken)[0].word == "blind"


def test_a_daemon_that_has_just_woken_up_with_its_machine_runs_and_its_values_are_as_old_as_they_are(state):
    state.publish(NOW, slept_s=0.0)
    (state.manual / "last_known.txt").write_text(ROW.format(boot=NOW.boot_id[:8], taken=utc_text(NOW.wall_s - 5)))
    status = json.loads((state.manual / "status.json").read_text())
    woken = Now(NOW.wall_s + 28_801, NOW.mono_s + 1, NOW.boot_id, 28_800.0)
    assert seen(state, now=woken)[0].word == "running"
    assert [one.age for one in known_values(state.manual, status, woken)] == ["8h ago"]


@pytest.mark.parametrize("wall_s", [0.0, NOW.wall_s - 86_400, NOW.wall_s + 3 * 366 * 86_400])
def test_after_a_restart_a_stopped_or_wrong_clock_says_that_the_age_is_unknown(state, wall_s):
    with_event(state, name="P-13")
    state.publish(NOW)
    entries = [line("declared", sites=[], text=""), entry_of({**EVENT, "n": 2})[1]]
    _known, offered, _where = seen(state, entries=entries, now=Now(wall_s, 9.0, "another boot"))
    assert offered["P-01"] == "CONTROL LOST declared by shift lead age unknown"
    assert offered["P-13"].endswith("said by shift lead age unknown")


def test_a_faulty_copy_of_a_site_is_offered_to_be_read_and_never_hidden(state):
    own = state.manual / "procedures" / "P-08.txt"
    own.parent.mkdir()
    own.write_text((SHIPPED / "en" / "P-08.txt").read_text().replace("STATUS", "STATTUS"))
    state.publish(NOW)
    assert seen(state)[1] == {}
    gas = [line("opened"), line("seen", 2, event="chlorine_gas", site="N", text="smell")]
    assert "has faults" in seen(state, entries=gas)[1]["P-08"]
    assert "has faults" in seen(state, alive=False, now=Now(NOW.wall_s + 9, NOW.mono_s + 9, NOW.boot_id))[1]["P-08"]


def test_a_site_type_in_other_letters_is_known_and_one_in_doubt_hides_nothing(state):
    lost = [line("declared", sites=["R"], text="")]
    for written, sheet in (("Lift station", "TYPE        lift_station"), ("LIFT-STATION", ""), ("sewage pit", ""),
                           ("sewage pit", "TYPE        lift_station"), ("booster_station", "TYPE        lift_station"),
                           ({"of": "R"}, "")):  # fmt: skip
        own = SHEET.replace("TYPE        lift_station", sheet)
        (state.manual / "sheets" / "R.txt").write_text(own)
        state.publish(NOW, sites=[{"id": "R", "type": written, "lost_s": None}])
        assert ("P-03", "R") in seen(state, entries=lost)[2], written
    state.publish(NOW, sites=[{"id": "R", "type": "Waterworks", "lost_s": None}])
    (state.manual / "sheets" / "R.txt").unlink()
    assert ("P-03", "R") not in seen(state, entries=lost)[2]


@pytest.mark.parametrize(("old", "new"), [
    ("PURPOSE    ", "PURPOSE    Every pump goes to HAND. "),
    ("HOLD       shift_lead   ", "HOLD       shift_lead   Put the pumps in hand position. "),
    ("PURPOSE    ", "PURPOSE    Switch pump one to MANUAL. "),
    ("PURPOSE    ", "PURPOSE    Alle Pumpen laufen danach im Handbetrieb. "),
    ("PURPOSE    ", "PURPOSE    Les pompes restent en marche manuelle. "),
    ("PURPOSE    ", "PURPOSE    Every selector is in position H. "),
    ("NEEDS      ", "NEEDS      Two persons at the panel, the pumps in LOCAL. "),
    ("HAND BACK  ", "HAND BACK  When the pumps stand in HAND, wait. "),
    ("[ ] 1  ", "[ ] 1  Démarrer la pompe manuellement.\n[ ] 2  "),
    ("HAND BACK  ", "REPEAT     step 1 every 5 min until all selectors stand in HAND.\n\nHAND BACK  "),
])  # fmt: skip
def test_what_takes_a_drive_by_hand_is_known_wherever_it_says_so(old, new):
    text = (SHIPPED / "en" / "P-08.txt").read_text()
    assert not parse(text)[0].moves_the_plant
    assert old in text
    if old.startswith("[ ] 1"):
        text = text[: text.index("[ ] 2")] + text[text.index("HAND BACK") :]
    made, faults = parse(text.replace(old, new, 1))
    assert made, faults
    assert made.moves_the_plant
