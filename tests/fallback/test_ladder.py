"""Each rung starts with everything above it broken: screen, console, text files; and nothing ever hangs or hides."""

import contextlib
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallback_procedures.__main__ import main
from fallback_procedures.journal import Journal, memory_folder, names, read_lines
from fallback_procedures.library import Library
from fallback_procedures.triggers import LOOK_S, Now, last_known, moment, read_status, situation
from fallback_procedures.words import utc_text
from tests.peers.mounts import needs_mount

from .conftest import ROOT

PROGRAM = ROOT / "fallback_procedures"
LOST = "c\n2\npanel, SCADA and telephone agree\nR\nLOST\n"
WORK = LOST + "P-03 R\ns\n2.5\nx\nq\n"
PATIENCE_S = 60
drill = pytest.mark.drill


@pytest.fixture(autouse=True)
def nothing_left_in_memory(state):
    yield
    for journal in (state.manual / "journal", state.root / "other" / "manual" / "journal"):
        shutil.rmtree(memory_folder(journal), ignore_errors=True)


def start(*words, program=PROGRAM, before=(), answers="q\n", shell="", python=sys.executable, more=None, **options):
    """The manual by a Python without site or environment; `shell`: what a shell does with its streams."""
    command = [*before, python, "-I", "-S", str(program), *map(str, words)]
    environment = {"PATH": os.environ["PATH"], "TERM": "dumb", **(more or {})}
    if shell:
        command = ["sh", "-c", f'exec "$@" {shell}', "sh", *command]
    done = subprocess.run(command, input=answers.encode(), capture_output=True, timeout=PATIENCE_S, check=False,
                          env=environment, **{"cwd": "/", **options})  # fmt: skip
    assert b"Traceback" not in done.stdout + done.stderr, (done.stdout + done.stderr).decode("utf-8", "replace")
    return done


def told(done):
    return done.stdout.decode("utf-8", "replace")


def works(done):
    """The console was there and listed procedures; what it said, as if on one line."""
    text = told(done)
    assert done.returncode == 0, text + done.stderr.decode("utf-8", "replace")
    assert "q leave" in text
    assert "P-01  Declare" in text or "P-17" in text
    return " ".join(text.split())


def kinds(folder):
    return [line["kind"] for name in names(folder) for line in Journal(folder, name).lines()]


# -- nothing around it ---


@pytest.mark.parametrize(
    "environment",
    [{}, {"LANG": "xx_YY.nonsense", "LC_ALL": "klingon", "COLUMNS": "x", "LINES": "-4", "TERM": "\x1b[2J",
          "HOME": "/nowhere", "TMPDIR": "/nowhere", "PYTHONIOENCODING": "klingon", "PYTHONHOME": "/nowhere"}],
)  # fmt: skip
def test_it_starts_in_any_environment(environment):
    works(start("--plain", more=environment))


@pytest.mark.parametrize("word", ["--list", "--plain"])
def test_it_starts_in_a_folder_that_was_deleted(tmp_path, word):
    place = tmp_path / "gone"
    place.mkdir()
    command = f"cd {place} && rmdir {place} && exec {sys.executable} -I -S {PROGRAM} {word} --state gone/state"
    done = subprocess.run(["sh", "-c", command], input=b"q\n", capture_output=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    assert b"the shipped library is used" in done.stdout


@needs_mount
def test_it_starts_without_proc_and_says_that_no_age_is_known(state):
    state.publish(moment(), age_s=5)
    hidden = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    assert "age of its last word unknown" in works(start("--plain", "--state", state.root, before=hidden))


def test_without_its_words_it_speaks_english_and_with_damaged_ones_too(tmp_path):
    own = shutil.copytree(PROGRAM, tmp_path / "fallback_procedures", ignore=shutil.ignore_patterns("__pycache__"))
    words = own / "locale/de/LC_MESSAGES/handwheel-manual.mo"
    whole = words.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"\xde\x12\x04\x95" + b"\xff" * 400):
        words.write_bytes(damaged)
        assert "q leave" in told(start("--plain", "--lang", "de", program=own))
    words.unlink()
    text = told(start("--plain", "--lang", "de", program=own))
    assert "P-01  Handbetrieb" in text, "the procedures are in the language that was asked for all the same"


@pytest.mark.parametrize("name", [
    name if name in ("words.py", "run.py", "console.py", "screen.py", "library.py") else pytest.param(name, marks=drill)
    for name in sorted(path.name for path in PROGRAM.glob("*.py") if path.name != "__main__.py")
])  # fmt: skip
def test_a_damaged_file_of_the_program_leaves_the_console_or_the_text_files_with_page_0(tmp_path, name):
    own = shutil.copytree(PROGRAM, tmp_path / "fallback_procedures", ignore=shutil.ignore_patterns("__pycache__"))
    (own / name).write_text("x = = 1\n")
    done = start("--plain", program=own)
    text = told(done)
    if done.returncode == 0:
        works(done)
    else:
        assert "The manual failed (SyntaxError" in text
        assert str(own / "library") in text.splitlines()
        assert "PROCEDURE  P-00" in text


def test_an_operators_question_that_fails_steps_down_to_the_text_files(tmp_path):
    own = shutil.copytree(PROGRAM, tmp_path / "fallback_procedures", ignore=shutil.ignore_patterns("__pycache__"))
    (own / "view.py").write_text("x = = 1\n")
    for words in (("--show", "P-03"), ("--print", "P-03")):
        assert "PROCEDURE  P-00" in told(start(*words, program=own))


def test_without_its_library_it_says_so_and_still_records(tmp_path, state):
    own = shutil.copytree(PROGRAM, tmp_path / "fallback_procedures", ignore=shutil.ignore_patterns("library"))
    text = told(start("--plain", "--state", state.root, program=own, answers="l pump 1 runs\nq\n"))
    assert "the shipped library is missing: use the printed binder" in text
    assert kinds(state.manual / "journal") == ["note", "closed"]


def test_a_library_of_rubbish_is_shown_as_faulty_and_never_run(tmp_path):
    own = shutil.copytree(PROGRAM, tmp_path / "fallback_procedures", ignore=shutil.ignore_patterns("__pycache__"))
    for number, path in enumerate((own / "library/en").glob("*.txt")):
        path.write_bytes(bytes((number * 37 + at * at) % 256 for at in range(600)))
    text = told(start("--list", "--lang", "en", program=own))
    assert text.count("FAULTY") == 30
    assert "\x1b" not in text
    done = start("--plain", "--lang", "en", program=own, answers=LOST + "P-03 R\ns\nq\n")
    assert "it is shown as it is" in told(done)


@pytest.mark.parametrize("python", [word for word in os.environ.get("HANDWHEEL_PYTHONS", "").split(":") if word] or
                         ["python3.8", "python3.9", "python3.10", "python3.12", "python3.13"])  # fmt: skip
def test_any_python_from_3_9_carries_it_and_an_older_one_says_so_in_one_line(state, tmp_path, python):
    from fallback_procedures.stick import program

    found = shutil.which(python)
    version = found and subprocess.run([found, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True,
                                       text=True, check=False)  # fmt: skip
    if not found or version.returncode:
        pytest.skip(f"no {python} starts on this machine; HANDWHEEL_PYTHONS names some, with colons between")
    one_file = tmp_path / "handwheel-manual.pyz"
    one_file.write_bytes(program())
    number = tuple(map(int, version.stdout.split()))
    for place, answers, said in ((one_file, WORK, "CONTROL LOST is declared"), (PROGRAM, "q\n", "Resumed: P-03-1")):
        if place == PROGRAM and number < (3, 7):
            continue  # cannot read the first line of it; the one-file program is for such
        done = start("--plain", "--state", state.root, program=place, python=found, answers=answers)
        if number >= (3, 9):
            assert said in works(done)
        else:
            assert done.returncode == 2
            assert done.stderr.count(b"\n") == 1
            assert b"needs Python 3.9 or newer" in done.stderr


HIDE = """
import os, sys
for name in ("pread", "pwrite", "getuid", "geteuid", "posix_fadvise", "O_NOFOLLOW", "O_NONBLOCK", "fork", "statvfs"):
    delattr(os, name)
for name in ("fcntl", "termios", "pwd", "grp", "resource", "_posixsubprocess"):
    sys.modules[name] = None
import runpy
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_it_works_without_what_only_posix_has(state):
    command = [sys.executable, "-I", "-S", "-c", HIDE, str(PROGRAM), "--plain", "--state", str(state.root)]
    done = subprocess.run(command, input=WORK.encode(), capture_output=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert kinds(state.manual / "journal") == ["declared", "started", "reading"]


# -- streams ---


@pytest.mark.parametrize(
    "shell", ["<&-", ">&-", "<&- >&- 2>&-", ">/dev/full", "</dev/full",
              *(pytest.param(word, marks=drill) for word in ("2>&-", "<&- >&-", "1</dev/null", "0</", "| head -c 1"))]
)  # fmt: skip
def test_closed_and_broken_streams_end_it_in_quiet_and_never_write_into_the_journal(state, shell):
    for words in (("--plain",), ("--list",)):
        start(*words, "--state", state.root, answers=WORK, shell=shell)
    for name in names(state.manual / "journal"):
        assert read_lines(state.manual / "journal" / name)[1] == 0, "something was printed into the journal"


def test_with_a_closed_output_what_is_typed_is_recorded_all_the_same(state):
    start("--plain", "--state", state.root, answers=WORK, shell=">&- 2>&-")
    assert kinds(state.manual / "journal") == ["declared", "started", "reading"]


# -- clocks ---


@pytest.mark.parametrize("at", ["1970-01-01 00:00:05", pytest.param("2038-01-20 00:00:00", marks=drill),
                                pytest.param("2100-06-01 00:00:00", marks=drill)])  # fmt: skip
def test_a_wrong_clock_changes_no_age_and_loses_no_entry(state, at):
    if not shutil.which("faketime"):
        pytest.skip("no faketime on this machine")
    state.publish(moment(), age_s=190)
    before = ["env", "DONT_FAKE_MONOTONIC=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "faketime", at]
    text = works(start("--plain", "--state", state.root, before=before, answers=WORK))
    assert "handwheel is BLIND since 3m" in text
    assert "Resumed: P-03-1" in works(start("--plain", "--state", state.root))
    assert kinds(state.manual / "journal") == ["declared", "started", "reading"]


NOW = Now(1_795_430_000.0, 5_000.0, "b6f1")


@pytest.mark.parametrize("wall_s", [0.0, -86_400.0, 2_147_483_648.0, 4_115_000_000.0, 253_402_300_799.0])
def test_the_age_of_a_last_value_is_told_by_the_clock_that_ran_on_or_is_unknown(state, wall_s):
    state.publish(NOW, age_s=30)
    (state.manual / "last_known.txt").write_text(
        "handwheel: LAST KNOWN VALUES - not live\nwritten x  boot b6f1\n\ntag\n"
        "R-WW.level                     2.31 m         good       2026-11-23T10:32:50.000Z\n"
    )
    status = read_status(state.manual)[0]
    taken = last_known(state.manual, status, Now(NOW.wall_s, NOW.mono_s, "b6f1"))[0][3]
    wrong = last_known(state.manual, status, Now(wall_s, NOW.mono_s, "b6f1"))[0][3]
    assert wrong == taken, "the machine's own clock has no say while it runs"
    other = last_known(state.manual, status, Now(wall_s, 3.0, "other boot"))[0][3]
    assert other == "age unknown"
    later = last_known(state.manual, status, Now(NOW.wall_s + 3600, 3.0, "other boot"))[0][3]
    assert later.startswith("about 60m ago by this machine's clock")


@pytest.mark.parametrize(
    "torn", ["", "\0" * 512, "written x  boot b6f1\n\nR-WW.level      2.\0\0\0\0", "R-WW.level   2.31 m"]
)
def test_what_a_power_cut_tore_is_taken_from_the_copy_of_the_last_minute(state, torn):
    row = "{}   {} m   good   2026-11-23T10:32:{}.000Z\n"
    (state.manual / "last_known.txt").write_text(row.format("N.level", "3.10", "58") + torn)
    minute = "written x  boot b6f1\n\n" + row.format("R-WW.level", "2.31", "40") + row.format("N.level", "3.00", "40")
    (state.manual / "last_known_minute.txt").write_text(minute)
    found = {row[0]: row[1] for row in last_known(state.manual, None, NOW)}
    assert found == {"N.level": "3.10 m", "R-WW.level": "2.31 m"}


def test_a_clock_that_runs_backwards_keeps_the_order_of_the_entries(state):
    from fallback_procedures.desk import desk

    journal = state.manual / "journal"
    here = desk(journal, NOW, "shift_lead", False)
    here.declare(NOW, "lost")
    for back in (10.0, 100_000.0, 1_795_429_999.0):
        desk(journal, NOW, "operator", False).note(Now(NOW.wall_s - back, NOW.mono_s + back, "b6f1"), f"{back}")
    assert len(names(journal)) == 1
    period = desk(journal, NOW, "operator", False).period()
    assert [line["n"] for line in period.entries] == [1, 2, 3, 4]
    assert period.age_s(0.0, NOW.mono_s + 60, "b6f1") == 60
    assert period.age_s(0.0, 5.0, "another boot") is None


# -- a daemon that dies ---


NO_SHEETS = Library({}, {})


def seen_after(event_s, look_s, how, limit_s=70.0):
    """When a screen that looks each LOOK_S, beginning at `look_s`, tells what; a daemon publishes each second till
    `event_s`, and then is killed, hangs, or is stopped by a person."""
    told = []
    while look_s < limit_s:
        alive = look_s < event_s or how == "hung"
        published = float(int(min(look_s, event_s)))
        stop = {"role": "engineer", "at": utc_text(event_s), "boot_id": "b", "mono_s": event_s}
        status = {"format": 1, "boot_id": "b", "mono_s": published,
                  "daemon": {"planned_stop": stop if how == "stopped" and look_s >= event_s else None}}  # fmt: skip
        known = situation(status, "", Now(look_s, look_s, "b"), alive, NO_SHEETS)
        told.append((look_s - event_s, known.word))
        look_s += LOOK_S
    return told


@given(event_s=st.floats(2, 5), look_s=st.floats(0, LOOK_S), how=st.sampled_from(["killed", "hung"]))
@settings(max_examples=60, deadline=None)
def test_a_daemon_that_dies_is_seen_within_two_seconds_one_that_hangs_within_five_and_none_before(event_s, look_s, how):
    told = seen_after(event_s, look_s, how, 14)
    assert {word for at_s, word in told if at_s < 0} == {"running"}
    first = next(at_s for at_s, word in told if word == "blind")
    assert first <= (2.0 if how == "killed" else 5.0)
    assert {word for at_s, word in told if at_s > 5} == {"blind"}


@given(event_s=st.floats(2, 5), look_s=st.floats(0, LOOK_S))
@settings(max_examples=10, deadline=None)
def test_a_planned_stop_is_calm_for_a_minute_and_blindness_after_it(event_s, look_s):
    told = seen_after(event_s, look_s, "stopped")
    assert {word for at_s, word in told if 0 <= at_s < 60} == {"stopped"}
    assert {word for at_s, word in told if at_s > 60} == {"blind"}


# -- a STATE that lies ---


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def loop(path):
    path.symlink_to(path.name)


def sparse(path):
    with path.open("wb") as file:
        file.truncate(2_000_000_000)


def folder(path):
    path.mkdir()


def nested(path):
    path.write_text("[" * 100_000)


def rubbish(path):
    path.write_bytes(bytes(at * at % 256 for at in range(3_000)))


HARMS = [pipe, device, loop, sparse, folder, nested, rubbish]
PLACES = ["status.json", "planned_stop.json", "last_known.txt", "sheets/H.txt", "procedures/P-05.txt",
          "journal/2026-11-23T132207Z.jsonl", "facts/ledger_head.txt", "binder/fingerprint.json",
          "stick.json"]  # fmt: skip


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_no_file_of_state_makes_it_wait_or_fall(state, harm):
    for place in PLACES:
        path = state.manual / place
        path.parent.mkdir(exist_ok=True)
        harm(path)
    text = works(start("--plain", "--state", state.root, answers=LOST + "k\nb\na\nP-03 R\ns\n2.5\nx\nq\n"))
    assert "CONTROL LOST is declared" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("place", ["sheets", "procedures", "journal", "facts", "binder", ""])
@pytest.mark.parametrize("harm", [loop, *(pytest.param(harm, marks=drill) for harm in (rubbish, device))])
def test_no_folder_of_state_makes_it_fall(state, place, harm):
    path = state.manual / place if place else state.root / "other" / "manual"
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(exist_ok=True)
    harm(path)
    works(start("--plain", "--state", state.root if place else path.parent, answers="l here\nk\nb\nq\n"))


def test_hostile_names_move_no_cursor_and_stop_nothing(state):
    (state.manual / "procedures").mkdir()
    (state.manual / "journal").mkdir()
    for name in ("P-\x1b[2J\n05.txt", "\u202eP-06.txt", "a" * 250 + ".txt", "-rf.txt", "P-07 .txt"):
        (state.manual / "procedures" / name).write_text("PROCEDURE  P-\x1b[2J  \u202e\n")
        (state.manual / "sheets" / name).write_text("SHEET  site \x1b]0;x\x07\n")
        (state.manual / "journal" / f"2026-11-23T132207Z{name[:200]}.jsonl").write_text('{"n":1,"kind":"\x1b[2J"}\n')
    (Path(os.fsdecode(os.fsencode(state.manual / "procedures") + b"/\xff\xfe.txt"))).write_text("x")
    (state.manual / "sheets" / "into").symlink_to(state.manual)
    for words in (("--list",), ("--plain",)):
        done = start(*words, "--state", state.root)
        assert done.returncode == 0
        assert not set(told(done)) & set("\x1b\x07\u202e")


@needs_mount
def test_on_a_machine_that_can_write_nothing_it_says_write_on_paper_and_goes_on(state):
    script = (
        f"mount --bind {ROOT} /srv && mount --bind {state.root} /mnt && mount -o remount,ro,bind /mnt && cd /mnt && "
        'for place in /dev/shm /var/tmp /tmp; do mount -t tmpfs -o ro none $place; done && exec "$@"'
    )
    before = ["unshare", "-m", "sh", "-c", script, "sh"]
    text = works(start("--plain", "--state", "/mnt", program="/srv/fallback_procedures", before=before, answers=WORK,
                       python=os.path.realpath(sys.executable)))  # fmt: skip
    assert "WRITE ON PAPER" in text
    assert "limits 0.60 .. 2.20 m" in told(start("--show", "P-03", "--state", state.root))


@needs_mount
def test_what_belongs_to_somebody_else_is_said_and_the_shipped_texts_are_used(state):
    python = "/usr/bin/python3"
    reach = [python, "-c", f"import os; os.setgid(65534); os.setuid(65534); os.listdir({str(ROOT)!r})"]
    if not os.path.exists(python) or subprocess.run(reach, capture_output=True, check=False).returncode:
        pytest.skip("another user of this machine cannot start a Python on these files")
    with (state.manual / "status.json").open("w") as file:
        file.write("{}")
    for path in (state.manual / "status.json", state.manual / "sheets" / "R.txt", state.manual / "sheets"):
        path.chmod(0)
    for path in (state.root, state.manual):
        path.chmod(0o755)
    for parent in list(state.root.parents)[:-2]:
        parent.chmod(parent.stat().st_mode | 0o055)
    done = start("--plain", "--state", state.root, python=python, user=65534, group=65534, extra_groups=[],
                 answers="l here\nq\n")  # fmt: skip
    text = works(done)
    assert "the status of handwheel cannot be read" in text
    assert "MEMORY ONLY" in text
    owner = memory_folder(state.manual / "journal")
    shutil.rmtree(owner.parent.with_name("handwheel-manual-65534") / owner.name, ignore_errors=True)


# -- the screen breaks ---


def on_terminal(*words, **environment):
    """What a person at a terminal of 80x24 sees who reads on, page by page, and leaves."""
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment}
    running = subprocess.Popen([sys.executable, str(PROGRAM), *words], stdin=slave, stdout=slave, stderr=slave, cwd="/",
                               env=environment, start_new_session=True)  # fmt: skip
    os.close(slave)
    seen, answered, end = b"", 0, time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < end and running.poll() is None:
            if select.select([master], [], [], 0.2)[0]:
                with contextlib.suppress(OSError):
                    seen += os.read(master, 65536)
            if seen[answered:].endswith((b"-- ", b"> ")):
                os.write(master, b"\n" if seen.endswith(b"-- ") else b"q\n")
                answered = len(seen)
    finally:
        if running.poll() is None:
            running.kill()
        running.wait(10)
        os.close(master)
    return seen.decode("utf-8", "replace"), running.returncode


BROKEN_SCREENS = {
    "is missing": {"textual.py": "raise ModuleNotFoundError('No module named textual')\n"},
    "is damaged": {"textual/__init__.py": "x = = 1\n"},
    "is another version": {"textual/__init__.py": "", "textual/app.py": "class App: pass\n"},
    "is one that cannot be loaded": {"textual/__init__.py": "import ctypes; ctypes.CDLL('nothing.so')\n"},
    "breaks while it runs": {
        "textual/__init__.py": "",
        "textual/app.py": "class App:\n    def __class_getitem__(cls, _): return cls\n    def __init__(self): pass\n"
        "    def run(self, **_): print('\\x1b[?1049h'); raise ZeroDivisionError('half')\nComposeResult = None\n",
        "textual/binding.py": "Binding = lambda *a, **b: None\n",
        "textual/events.py": "Key = Paste = Resize = None\n",
        "textual/widgets.py": "Static = None\n",
    },
}


@pytest.mark.parametrize("how", BROKEN_SCREENS)
def test_where_textual_is_broken_the_same_command_goes_on_line_by_line(state, tmp_path, how):
    for name, text in BROKEN_SCREENS[how].items():
        (tmp_path / "broken" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "broken" / name).write_text(text)
    seen, code = on_terminal("--state", str(state.root), PYTHONPATH=str(tmp_path / "broken"))
    assert "line by line instead" in seen
    assert "q leave" in seen
    assert "Traceback" not in seen
    assert code == 0


@pytest.mark.parametrize("environment", [{"TERM": "vt100", "LANG": "de_DE.ISO-8859-1", "PYTHONIOENCODING": "latin-1"},
                                         {"TERM": "unknown"}])  # fmt: skip
def test_a_terminal_that_carries_no_screen_gets_lines_at_once(state, environment):
    seen, code = on_terminal("--state", str(state.root), **environment)
    assert code == 0
    assert "\x1b" not in seen
    assert "q leave" in seen or "q verl" in seen


@pytest.mark.parametrize("words", [
    ("--check", "{}.txt"), ("--check", "{}.none"), ("--show", "{}"), ("--state", "{}", "--list"),
    ("--render", "{}none"),
    ("--state", "{}", "--binder-status"), ("--make-stick", "{}none"), ("--check-stick", "{}"),
    ("--state", "{}", "--show", "P-03"), ("--print", "{}"), ("--identify", "{}"),
], ids=" ".join)  # fmt: skip
def test_no_character_of_a_files_name_moves_the_cursor(capsys, tmp_path, words):
    name = tmp_path / "a\x1b[31mb\x1b]0;X\x07\u202ec\x9b2J"
    (name / "manual" / "sheets").mkdir(parents=True)
    (name / "manual" / "sheets" / name.name).with_suffix(".txt").write_text("junk\n")
    name.with_suffix(".txt").write_text("junk\n")
    assert main([word.format(name) for word in words]) in (0, 1, 2)
    told = capsys.readouterr()
    assert "\n" in told.out + told.err
    assert not [one for one in told.out + told.err if one != "\n" and not one.isprintable()]
