"""The journal: what is said to be kept is on disk, else in memory, else on paper; and no file breaks a reader."""

import json
import os
import random
import resource
import shutil
import subprocess
import sys

import pytest

from fallback_procedures import journal as journals
from fallback_procedures.desk import Desk, desk
from fallback_procedures.journal import Journal, catch_up, memory_folder, names, read_lines
from fallback_procedures.replay import replay
from tests.drills.disk import Disk, calls, compiled, cut_points, recorded_by
from tests.peers.mounts import Filler, mounted, needs_mount

from .conftest import ROOT
from .test_run import RIVERSIDE, SAMPLE, at, started

__all__ = ["started"]

NAME = "2026-11-23T010000Z.jsonl"


@pytest.fixture
def kept(tmp_path, memory):
    """A journal with three notes."""
    made = Journal(tmp_path / "manual" / "journal", NAME, memory)
    (tmp_path / "manual").mkdir()
    for text in ("one", "two", "three"):
        made.append({"drill": False, "kind": "note", "text": text})
    return made


def texts(made):
    return [line["text"] for line in made.lines()]


def anew(made):
    """The same journal as another process sees it, which has read nothing before."""
    journals._seen.clear()
    return Journal(made.folder, made.name, made.memory)


def test_a_torn_last_line_is_passed_over_and_nothing_is_glued_to_it(started):
    here, name = started
    with here.journal.path.open("ab") as file:
        file.write(b'{"format":1,"n":3,"kind":"rea')
    here.read(at(5), name, "1.0")
    lines, torn = read_lines(here.journal.path)
    assert ([line["n"] for line in lines], torn) == ([1, 2, 3], 1)


def test_a_disk_that_refuses_falls_back_to_memory_and_catches_up_later(tmp_path, memory):
    blocked = tmp_path / "journal"
    blocked.write_text("a file where the folder should be")
    here = Desk(Journal(blocked, "2026-11-23T010000Z.jsonl", memory), "operator", False)
    here.declare(at(1), "all agree")
    here.note(at(2), "still working")
    assert not here.journal.safe
    assert "MEMORY ONLY" in here.journal.where
    assert len(here.period().entries) == 2
    blocked.unlink()
    here.note(at(3), "the disk is back")
    assert here.journal.safe
    assert [line["n"] for line in read_lines(here.journal.path)[0]] == [1, 2, 3]
    assert list(memory.glob("*.jsonl")) == []


def test_where_memory_fails_too_the_person_is_told_to_write_on_paper(tmp_path):
    (tmp_path / "a").write_text("")
    (tmp_path / "b").write_text("")
    here = Desk(Journal(tmp_path / "a", "2026-11-23T010000Z.jsonl", tmp_path / "b"), "operator", False)
    here.note(at(1), "nobody keeps this")
    assert "WRITE ON PAPER" in here.journal.where


def test_a_state_folder_that_vanishes_takes_no_period_with_it_and_is_caught_up_when_it_is_back(tmp_path, memory):
    folder, away = tmp_path / "state" / "manual" / "journal", tmp_path / "away"
    folder.parent.mkdir(parents=True)
    here = Desk(Journal(folder, "2026-11-23T010000Z.jsonl", memory), "operator", False)
    here.declare(at(1), "all agree", ("R",))
    name = here.start(at(2), SAMPLE, RIVERSIDE, "R")
    assert here.journal.tend() == ""
    (tmp_path / "state").rename(away)
    assert "STATE FOLDER IS GONE" in here.journal.tend()
    assert here.period().declared
    here.note(at(3), "still working")
    assert "MEMORY ONLY (the state folder is gone)" in here.journal.where
    assert not (tmp_path / "state").exists()
    resumed = Journal(folder, here.journal.name, memory)
    assert replay(resumed.name, resumed.lines()).runs[name].cursor == "1"
    assert "STATE FOLDER IS GONE" in resumed.tend()
    away.rename(tmp_path / "state")
    assert here.journal.tend() == ""
    assert here.journal.safe
    assert [line["n"] for line in read_lines(folder / here.journal.name)[0]] == [1, 2, 3]
    assert list(memory.glob("*.jsonl")) == []


@pytest.mark.parametrize("who", ["the process that wrote it", "a new process"])
def test_a_manual_folder_that_was_moved_away_is_not_made_anew_and_comes_back_as_it_was(tmp_path, who):
    state = tmp_path / "state"
    folder = state / "manual" / "journal"
    folder.parent.mkdir(parents=True)
    here = desk(folder, at(0), "operator", False)
    here.declare(at(1), "all agree")
    (state / "manual").rename(state / "away")
    here = here if who == "the process that wrote it" else desk(folder, at(2), "operator", False)
    here.note(at(3), "while it was away")
    assert "MEMORY ONLY" in here.journal.where
    for _look in range(2):
        catch_up(folder)
        assert "STATE FOLDER IS GONE" in here.join().journal.tend()
    assert not (state / "manual").exists()
    (state / "away").rename(state / "manual")
    catch_up(folder)
    assert here.journal.tend() == ""
    found = {one["kind"] for name in names(folder) for one in read_lines(folder / name)[0]}
    assert {"declared", "note"} <= found
    assert list(memory_folder(folder).glob("*.jsonl")) == []


def test_a_deleted_state_folder_that_is_made_anew_gets_the_whole_period(tmp_path, memory):
    folder = tmp_path / "state" / "manual" / "journal"
    folder.parent.mkdir(parents=True)
    here = Desk(Journal(folder, "2026-11-23T010000Z.jsonl", memory), "operator", False)
    here.declare(at(1), "all agree")
    shutil.rmtree(tmp_path / "state")
    here.note(at(2), "kept in this process and in memory")
    folder.parent.mkdir(parents=True)
    here.journal.tend()
    assert [line["n"] for line in read_lines(folder / here.journal.name)[0]] == [1, 2]


def test_a_full_file_is_said_and_the_entry_is_kept_in_memory(kept):
    with kept.path.open("ab") as file:
        file.write(b"\n" * 2000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (kept.path.stat().st_size + 20, hard))
    try:
        kept.append({"drill": False, "kind": "note", "text": "still working"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "MEMORY ONLY (No space left on device)" in kept.where
    assert kept.path.read_bytes().endswith(b"\n\n\n"), "no torn piece was left behind"
    assert texts(anew(kept)) == ["one", "two", "three", "still working"]
    kept.append({"drill": False, "kind": "note", "text": "back"})
    assert kept.safe
    assert [line["n"] for line in read_lines(kept.path)[0]] == [1, 2, 3, 4, 5]
    assert not (kept.memory / NAME).exists()


@needs_mount
def test_a_disk_of_one_megabyte_runs_full_and_what_follows_is_kept_and_caught_up(tmp_path, memory):
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
        (disk / "manual").mkdir()
        made = Journal(disk / "manual" / "journal", NAME, memory)
        made.append({"drill": False, "kind": "note", "text": "first"})
        Filler(disk).fill(leave=8192)
        while made.safe:
            made.append({"drill": False, "kind": "note", "text": "x" * 900})
        assert "MEMORY ONLY (No space left on device)" in made.where
        before = len(made.lines())
        assert len(anew(made).lines()) == before
        (disk / "somebody.bin").unlink()
        assert made.tend() == ""
        assert made.safe
        assert [line["n"] for line in read_lines(made.path)[0]] == list(range(1, before + 1))


@needs_mount
def test_a_disk_that_turned_read_only_is_said_and_the_entry_is_kept_in_memory(tmp_path, memory):
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
        (disk / "manual").mkdir()
        made = Journal(disk / "manual" / "journal", NAME, memory)
        made.append({"drill": False, "kind": "note", "text": "first"})
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        made.append({"drill": False, "kind": "note", "text": "second"})
        assert "MEMORY ONLY (Read-only file system)" in made.where
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        catch_up_with = anew(made)
        catch_up_with.tend()
        assert [line["text"] for line in read_lines(made.path)[0]] == ["first", "second"]


APPEND = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from fallback_procedures.journal import Journal
journal = Journal(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
for text in sys.argv[4:]:
    journal.append({{"drill": False, "kind": "note", "text": text}})
    print(journal.safe, journal.where, flush=True)
"""


def traced(kept, *options, entries=("four", "five")):
    """What a process says that adds entries, and its calls as strace saw them."""
    if shutil.which("strace") is None:
        pytest.skip("no strace here: the calls of a process cannot be looked at")
    log = kept.folder.parent / "calls.txt"
    command = ["strace", "-f", "-y", "-o", str(log), *options, sys.executable, "-I", "-S", "-c", APPEND,
               str(kept.folder), kept.name, str(kept.memory), *entries]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "ptrace" in done.stderr:
        pytest.skip("nobody may look at a process here")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), log.read_text()


def test_a_disk_that_fails_to_force_an_entry_is_believed_no_more_until_it_does(kept):
    told, _log = traced(kept, "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=1")
    assert told[0].startswith("False MEMORY ONLY (Input/output error)")
    assert told[1] == f"True {kept.path}"
    assert texts(anew(kept)) == ["one", "two", "three", "four", "five"]
    assert not (kept.memory / NAME).exists()


def test_an_entry_is_written_then_forced_and_a_new_file_is_forced_into_its_folder_before_it_is_said(tmp_path, memory):
    (tmp_path / "manual").mkdir()
    new = Journal(tmp_path / "manual" / "journal", NAME, memory)
    _told, log = traced(new, "-e", "trace=write,fsync", entries=("one", "two"))
    calls = [(line.split("(")[0].split()[-1], "file" if NAME in line else "said" if "True" in line else
              "folder" if "/journal>" in line else "above")
             for line in log.splitlines() if ("jsonl" in line or "/manual" in line or "True" in line)]  # fmt: skip
    entry = [("write", "file"), ("fsync", "file")]
    assert calls == [*entry, ("fsync", "folder"), ("fsync", "above"), ("write", "said"), *entry, ("write", "said")]


def test_a_middle_line_of_garbage_is_passed_over_and_nothing_else_is_lost(kept):
    first, *rest = kept.path.read_bytes().splitlines(keepends=True)
    garbage = [b"\x00\xff{{{ \x1b[31m\n", b"[1, 2]\n", b'{"n": true, "drill": false, "kind": "note"}\n',
               b'{"n": 1e400, "drill": false, "kind": "note"}\n', b"[" * 100_000 + b"\n", b"\n"]  # fmt: skip
    kept.path.write_bytes(b"".join([first, *garbage, *rest]))
    after = anew(kept)
    assert texts(after) == ["one", "two", "three"]
    assert after.torn() == 5
    assert after.append({"drill": False, "kind": "note", "text": "four"})["n"] == 4


def test_two_entries_of_one_number_are_two_entries(kept):
    with kept.path.open("ab") as file:
        file.write(b'{"n": 2, "drill": false, "kind": "note", "text": "also two"}\n')
    after = anew(kept)
    assert texts(after) == ["one", "two", "also two", "three"]
    assert after.append({"drill": False, "kind": "note", "text": "four"})["n"] == 4
    assert b'{"n": 2, "drill": false, "kind": "note", "text": "also two"}\n' in kept.path.read_bytes()


def test_a_huge_line_is_no_entry_and_what_follows_it_is_read(kept):
    with kept.path.open("ab") as file:
        file.write(b'{"n": 4, "drill": false, "kind": "note", "text": "' + b"x" * 5_000_000 + b'"}\n')
    after = anew(kept)
    assert after.append({"drill": False, "kind": "note", "text": "four"})["n"] == 4
    assert texts(anew(kept)) == ["one", "two", "three", "four"]
    assert after.torn() == 1


def test_what_stands_behind_the_longest_journal_is_not_read_and_nothing_is_written_there(kept):
    with kept.path.open("ab") as file:
        file.write(b"x" * journals.FILE_LIMIT + b"\n" + b'{"n": 4, "drill": false, "kind": "handed_back"}\n')
    size, after = kept.path.stat().st_size, anew(kept)
    assert texts(after) == ["one", "two", "three"]
    for text in ("four", "five"):
        after.append({"drill": False, "kind": "note", "text": text})
        assert "MEMORY ONLY (File too large)" in after.where
    assert kept.path.stat().st_size == size
    assert texts(anew(kept)) == ["one", "two", "three", "four", "five"]


def test_what_another_process_adds_or_takes_away_is_seen(kept):
    other = Journal(kept.folder, kept.name, kept.memory)
    other.append({"drill": False, "kind": "note", "text": "four"})
    assert texts(kept) == ["one", "two", "three", "four"]
    kept.path.write_bytes(
        b"".join(kept.path.read_bytes().splitlines(keepends=True)[:1]) + b'{"n": 9, "drill": false, "kind": "x"}\n'
    )
    assert [line["n"] for line in read_lines(kept.path)[0]] == [1, 9]


def test_a_link_that_somebody_planted_is_neither_read_nor_written(kept, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(kept.path.read_bytes())
    kept.path.unlink()
    kept.path.symlink_to(victim)
    after = anew(kept)
    assert after.lines() == []
    after.append({"drill": False, "kind": "note", "text": "x"})
    assert not after.safe
    assert len(victim.read_bytes().splitlines()) == 3


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_a_folder_in_place_of_the_file_stops_nobody(tmp_path, memory, make):
    folder = tmp_path / "journal"
    folder.mkdir()
    make(folder / NAME)
    made = Journal(folder, NAME, memory)
    made.append({"drill": False, "kind": "note", "text": "x"})
    assert "MEMORY ONLY" in made.where
    assert texts(made) == ["x"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of somebody else")
def test_what_somebody_else_laid_into_the_memory_folder_is_not_believed(kept, tmp_path):
    kept.memory.mkdir()
    (kept.memory / NAME).write_text('{"n": 4, "drill": false, "kind": "declared", "role": "shift_lead", "sites": []}\n')
    assert len(anew(kept).lines()) == 4
    os.chown(kept.memory, 12345, 12345)
    assert len(anew(kept).lines()) == 3
    (tmp_path / "b").write_text("")
    lost = Journal(tmp_path / "b", NAME, kept.memory)
    lost.append({"drill": False, "kind": "note", "text": "x"})
    assert "WRITE ON PAPER" in lost.where


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of somebody else")
def test_a_memory_folder_that_somebody_else_has_taken_is_passed_by(tmp_path):
    roots = (tmp_path / "shm", tmp_path / "tmp")
    for root in roots:
        root.mkdir()
    first = memory_folder(tmp_path, roots).parent
    assert first.parent == roots[0]
    first.mkdir()
    os.chown(first, 12345, 12345)
    assert memory_folder(tmp_path, roots).parent.parent == roots[1]


def test_a_period_that_ended_while_the_disk_refused_comes_home_at_the_next_start(tmp_path):
    folder = tmp_path / "manual" / "journal"
    folder.parent.mkdir()
    memory = memory_folder(folder)
    folder.write_text("a file where the folder should be")
    here = desk(folder, at(0), "operator", False)
    here.declare(at(1), "all agree")
    here.hand_back(at(2))
    assert names(folder) == [here.journal.name]
    folder.unlink()
    catch_up(folder)
    assert [line["kind"] for line in read_lines(folder / here.journal.name)[0]] == ["declared", "handed_back"]
    assert list(memory.glob("*.jsonl")) == []


def test_two_that_begin_at_the_same_moment_begin_one_period(tmp_path):
    (tmp_path / "manual").mkdir()
    folder = tmp_path / "manual" / "journal"
    code = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from fallback_procedures.desk import desk
from fallback_procedures.triggers import moment
here = desk(Path(sys.argv[1]), moment(), "operator", False)
sys.stdin.readline()
for count in range(20):
    here.note(moment(), f"{{sys.argv[2]}} {{count}}")
"""
    people = [subprocess.Popen([sys.executable, "-I", "-S", "-c", code, str(folder), str(one)], stdin=subprocess.PIPE)
              for one in range(3)]  # fmt: skip
    for one in people:
        one.stdin.write(b"\n")
        one.stdin.close()
    assert [one.wait(timeout=60) for one in people] == [0, 0, 0]
    (path,) = folder.iterdir()
    lines = read_lines(path)[0]
    assert [line["n"] for line in lines] == list(range(1, 61))
    assert len({line["text"] for line in lines}) == 60


def test_a_long_period_is_read_on_and_not_read_anew(kept):
    assert len(kept.lines()) == 3
    read = journals._seen[kept.path]
    with kept.path.open("ab") as file:
        file.write(json.dumps({"n": 4, "drill": False, "kind": "note", "text": "four"}).encode())
    assert texts(kept) == ["one", "two", "three", "four"]
    assert journals._seen[kept.path] is read


WORKING = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from fallback_procedures.desk import desk
from fallback_procedures.triggers import Now
root = Path(sys.argv[1])
(root / "manual").mkdir()
top = os.open(root, os.O_RDONLY)
os.fsync(top)
said = os.open(root / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for drill in (True, False):
    here = desk(root / "manual" / "journal", Now(1.8e9, 1.0, "b"), "operator", drill)
    for count in range(25):
        line = here.note(Now(1.8e9 + count, 1.0 + count, "b"), "x" * (1 + count * 37 % 900))
        os.write(said, f"{{here.journal.name}} {{line['n']}}\\n".encode())
    here.close(Now(1.8e9 + 100, 100.0, "b"))
"""


@pytest.mark.parametrize("ignoring", ["", "S", "D"])
def test_a_power_cut_loses_no_entry_that_was_said_to_be_kept_and_a_disk_that_does_not_sync_is_found_out(
    tmp_path, ignoring
):
    root, log, draw = tmp_path / "state", tmp_path / "log", random.Random(7)
    root.mkdir()
    environment = os.environ | recorded_by(compiled(tmp_path, "recorder"), root, log)
    command = [sys.executable, "-I", "-S", "-c", WORKING, str(root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    played = [call for call in calls(log.read_bytes()) if call.op != ignoring]
    disk, at_call, lost = Disk(root), 0, 0
    for turn, point in enumerate(cut_points(played, 30, draw)):
        for call in played[at_call:point]:
            disk.play(call)
        at_call, place = point, tmp_path / f"after{turn}"
        disk.cut(place, draw)
        folder = place / "manual" / "journal"
        found = {name: [line["n"] for line in read_lines(folder / name)[0]] for name in names(folder)}
        for name, count in [words.split() for words in disk.said]:
            lost += int(count) not in found.get(name, [])
        assert ignoring or all(n == list(range(1, len(n) + 1)) for n in found.values())
        if folder.parent.is_dir():
            again = Journal(folder, next(iter(found), NAME), tmp_path / "memory")
            assert (
                again.append({"drill": False, "kind": "note", "text": "on"})["n"] == len(found.get(again.name, [])) + 1
                or ignoring
            )
    assert not disk.unseen
    assert (lost > 0) == bool(ignoring)


def test_a_lock_that_somebody_holds_for_ever_keeps_no_entry_from_being_kept(kept, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(journals, "LOCK_S", 0.2)
    with kept.path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert kept.append({"drill": False, "kind": "note", "text": "four"})["n"] == 4
    assert texts(anew(kept)) == ["one", "two", "three", "four"]


def test_a_number_that_no_journal_reaches_is_no_entry_and_the_file_does_not_grow_by_being_looked_at(kept):
    with kept.path.open("ab") as file:
        file.write(b'{"format":1,"n":999999999999999,"drill":false,"kind":"note","text":"x"}\n')
        file.write(b'{"format":1,"n":1000000,"drill":false,"kind":"note","text":"the last number there is"}\n')
    other = anew(kept)
    other.append({"drill": False, "kind": "note", "text": "four"})
    other.append({"drill": False, "kind": "note", "text": "five"})
    size = kept.path.stat().st_size
    for _look in range(3):
        other.tend()
        assert texts(anew(kept)) == ["one", "two", "three", "four", "five"]
    assert kept.path.stat().st_size == size
    assert [line["n"] for line in other.lines()] == [1, 2, 3, 4, 5], "the next number is the next one"
    assert anew(kept).torn() == 2


# what is taken back, of two of one number


@pytest.fixture
def shared(tmp_path):
    """Two desks that went on without a lock: CONTROL LOST and "what stands at the meter" have one number."""
    folder = tmp_path / "manual" / "journal"
    folder.parent.mkdir()
    here = desk(folder, at(0), "operator", False)
    first = here.seen(at(1), "overflow", "R")
    for more in (
        {"kind": "declared", "sites": ["R"], "role": "shift_lead"},
        {"kind": "seen", "event": "meter_reading"},
    ):
        written(here, {**first, "n": first["n"] + 1, **more})
    return here


def written(here, line):
    """Somebody writes a line behind the others, without a look at them."""
    with here.journal.path.open("ab") as file:
        file.write(journals.entry_of(line)[0] + b"\n")


def events(here):
    return [one.event for one in here.period().events]


def test_an_undo_takes_back_the_entry_that_it_names_and_not_the_other_one_of_that_number(shared):
    other = desk(shared.journal.folder, at(2), "shift_lead", False)
    assert other.period().declared
    undo = shared.undo(at(3))
    for here in (shared, other, desk(shared.journal.folder, at(4), "operator", False)):
        assert (here.period().declared, events(here)) == (True, ["overflow"])
    assert undo["undoes"] == 3
    shared.undo(at(5))
    assert (shared.period().declared, events(other)) == (False, ["overflow"])


def test_an_undo_of_an_older_journal_takes_back_the_newest_of_its_number(shared):
    told = shared.period().entries[-1]
    written(shared, {**told, "n": 4, "kind": "undo", "undoes": 3})
    assert (shared.period().declared, events(shared)) == (True, ["overflow"])


@pytest.mark.parametrize("undo", [
    {"n": 3, "undoes": 4}, {"undoes": 9}, {"undoes": 3, "undoes_mark": "0123456789abcdef"}, {"undoes": True},
    {"undoes": 3, "undoes_mark": None}, {"undoes": 3, "run": "P-03-1"}, {"undoes": 3, "drill": True}, {"undoes": [3]},
])  # fmt: skip
def test_an_undo_of_what_does_not_stand_before_it_takes_nothing_back_now_or_later(shared, undo):
    written(shared, {**shared.period().entries[-1], "n": 4, "kind": "undo", **undo})
    shared.seen(at(6), "mains_lost", "R")
    for here in (shared, desk(shared.journal.folder, at(7), "operator", False)):
        assert (here.period().declared, events(here)) == (True, ["overflow", "meter_reading", "mains_lost"])


def test_nothing_takes_back_an_end(shared):
    for event in events(shared):
        shared.over(at(5), event, "R")
    last = shared.hand_back(at(6), "all in automatic")
    written(shared, {**last, "n": last["n"] + 1, "kind": "undo", "undoes": last["n"], "undoes_mark": last.mark})
    assert desk(shared.journal.folder, at(7), "operator", False).period().entries == ()


def test_a_number_behind_a_large_hole_lets_no_act_be_lost(shared):
    written(shared, {**shared.period().entries[-1], "n": 1_000_000, "kind": "note", "text": "x"})
    shared.seen(at(6), "chlorine_gas", "R")
    shared.seen(at(7), "mains_lost", "R")
    shared.undo(at(8))
    shared.seen(at(9), "valve_work", "R")
    for here in (shared, desk(shared.journal.folder, at(10), "operator", False)):
        assert events(here) == ["overflow", "meter_reading", "chlorine_gas", "valve_work"]
    assert [line["n"] for line in shared.period().entries] == [1, 2, 3, 3, 4, 5, 6, 7]


def test_two_that_wrote_one_number_stand_where_the_disk_has_them_on_every_desk(started):
    here, name = started
    folder = here.journal.folder
    other = Desk(Journal(folder, here.journal.name, here.journal.memory), "shift_lead", False)
    first = {**other.period().entries[-1], "n": 3, "kind": "goto", "run": name}
    raw, mine = journals.entry_of({**first, "step": "1"})
    other.journal.held[raw] = mine  # its disk refuses, and nobody holds the lock
    assert other.period().runs[name].cursor == "1"
    written(here, {**first, "step": "3"})
    assert here.period().runs[name].cursor == "3"
    assert other.journal.tend() == ""
    restarted = Desk(anew(here.journal), "operator", False)
    assert [one.period().runs[name].cursor for one in (here, other, restarted)] == ["1", "1", "1"]
    assert here.period() == other.period() == restarted.period()
