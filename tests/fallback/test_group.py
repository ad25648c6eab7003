"""What a member of the group may do with STATE/manual and what not, as the kernel has it: two other users try."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fallback_procedures import binder
from fallback_procedures.binder import PRINTED, RECORD, folder_of, record_of, render
from fallback_procedures.journal import memory_folder, read_lines
from fallback_procedures.library import load
from fallback_procedures.place import Place
from monitor.state import State

from .conftest import ROOT, SHEET

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be others")
DAEMON, ANNA, BENO, GROUP = 20_001, 20_002, 20_003, 20_009
AS_MEMBER = """
import json, os, shutil, sys, time
from pathlib import Path
from fallback_procedures import __main__ as program, binder, copies, desk, shelf
from fallback_procedures.library import load
from fallback_procedures.place import Place
from fallback_procedures.triggers import moment
state, uid, gid = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
place, library = Place(state / "manual"), load(state / "manual")
os.setgroups([])
os.setgid(gid)
os.setuid(uid)
os.umask(0o022)
def tried(act, *words):
    try:
        return str(act(*words))
    except (OSError, binder.Unprintable) as fault:
        return f"{type(fault).__name__}: {fault}"
def kept(text):
    sitting = desk.desk(place.journal, moment(), 'operator', False)
    sitting.note(moment(), text)
    return sitting.journal.where
print(json.dumps([eval(word) for word in sys.argv[4:]]))
"""


@pytest.fixture(scope="module")
def home():
    """STATE of a daemon that is another user, its binder rendered by root."""
    base = Path(tempfile.mkdtemp(prefix="handwheel-", dir="/tmp"))
    base.chmod(0o755)
    try:
        state = State(base / "state").make()
        (state.sheets / "R.txt").write_text(SHEET)
        for path in (state.root, *state.root.rglob("*")):
            mode = path.stat().st_mode
            os.chown(path, DAEMON, GROUP)
            path.chmod(stat.S_IMODE(mode))
        old = os.umask(0o007)  # as the service has it
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(binder, "can_make_pdf", lambda: False)  # which takes seconds
                render(Place(state.manual), load(state.manual), 1_795_400_000.0)
        finally:
            os.umask(old)
        yield state
    finally:
        shutil.rmtree(base)
        for user in (ANNA, BENO):
            shutil.rmtree(memory_folder().parent.with_name(f"handwheel-manual-{user}"), ignore_errors=True)


def member(state, user, *words):
    command = [sys.executable, "-c", AS_MEMBER, str(state.root), str(user), str(GROUP), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
                          env={"PATH": "/nowhere"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_nobody_of_the_group_can_replace_what_was_rendered(home):
    folder, place = folder_of(Place(home.manual)), Place(home.manual)
    paths = {name: home.manual / name for name in (RECORD, "binder/known.json")}
    page = folder / "en/R/P-03.txt"
    before = {path: path.read_bytes() for path in (page, *paths.values())}
    told = member(
        home, ANNA, f"tried(os.rename, {str(folder)!r}, {str(folder)!r} + 'x')",
        f"tried(Path({str(page)!r}).write_text, 'safety limits 0.01 .. 9.99 m')",
        *(f"tried(os.replace, {str(path)!r}, {str(path)!r} + 'x')" for path in paths.values()),
        *(f"tried(Path({str(path)!r}).write_text, '[]')" for path in paths.values()),
        f"tried(Path({str(place.binder / 'more')!r}).write_text, 'x')",
        f"tried(Path({str(place.binder / '.lock')!r}).read_text)", "tried(binder.ours_alone, place)",
    )  # fmt: skip
    *refused, render_told = told
    assert [one.split(":")[0] for one in refused] == ["PermissionError"] * 8
    assert render_told.startswith("Unprintable: the binder is rendered by the user of handwheel or by root alone")
    assert {path: path.read_bytes() for path in before} == before
    for path in (folder, *folder.rglob("*"), place.binder / ".lock", *paths.values()):
        assert not path.stat().st_mode & 0o022, path
        assert path.stat().st_uid == DAEMON, "who renews it next must be able to"


def test_anybody_of_the_group_prints_in_haste_and_marks_and_takes_no_page_of_another_away(home):
    place = Place(home.manual)
    mark = record_of(place)["sets"][0]["mark"]
    page = "copies.print_one(place, library, 'P-03', 'R', 'en', copies.Wanted(paper='letter')).lines[0][6:]"
    marking = f"shelf.mark_printed(place, ['{mark}'], '%s', time.time())['role']"
    first, marked = member(home, ANNA, page, marking % "shift_lead")
    assert (Path(first).parent, marked) == (home.manual / "now", "shift_lead")
    told = member(home, BENO, f"tried(os.remove, {first!r})", f"tried(Path({first!r}).write_text, 'x')",
                  marking % "operator", page)  # fmt: skip
    assert [one.split(":")[0] for one in told[:3]] == ["PermissionError", "PermissionError", "operator"]
    assert told[3].startswith(f"/dev/shm/handwheel-manual-{BENO}/"), "his own copy lies where nobody can change it"
    assert json.loads((home.manual / PRINTED).read_text())["role"] == "operator"


def test_two_of_the_group_work_at_one_journal_and_none_can_take_it_away(home):
    (where,) = member(home, ANNA, "kept('from Anna')")
    told = member(home, BENO, "kept('from Beno')", f"tried(os.rename, {where!r}, {where!r} + 'x')",
                  f"tried(os.remove, {where!r})")  # fmt: skip
    assert [where, *[one.split(":")[0] for one in told[1:]]] == [told[0], "PermissionError", "PermissionError"]
    assert member(home, ANNA, "kept('Anna again')") == [where]
    lines = read_lines(Path(where))[0]
    assert [line["text"] for line in lines][-3:] == ["from Anna", "from Beno", "Anna again"]
    assert Path(where).stat().st_uid == ANNA


def test_a_journal_that_is_there_is_opened_without_o_creat_which_a_sticky_folder_refuses(home, monkeypatch):
    from fallback_procedures.journal import Journal

    flags, real = [], os.open

    def noted(path, how, *more, **named):
        flags.append(how)
        return real(path, how, *more, **named)

    monkeypatch.setattr(os, "open", noted)
    journal = Journal(home.journal, "2026-11-28T000000Z.jsonl")
    for kind in ("opened", "note"):
        flags.clear()
        journal.append({"kind": kind, "drill": False})
        assert journal.safe
    assert not [how for how in flags if how & os.O_CREAT]
    journal.path.unlink()
