"""The manual as a person meets it: on any terminal, with nothing installed, with everything else broken."""

import ast
import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from fallback_procedures.journal import memory_folder, read_lines
from fallback_procedures.triggers import moment

from .conftest import ROOT

LOST = "c\n2\npanel, SCADA and telephone agree\nR\nLOST\n"


def journal_of(state):
    files = sorted((state.manual / "journal").glob("*.jsonl"))
    return read_lines(files[-1])[0] if files else []


def test_a_period_is_run_from_declaring_to_handing_back_line_by_line(state, manual):
    state.publish(moment(), age_s=190)
    steps = "P-03 R\ns\n2,5\n20.9\n0\nd\ny\nd\nd\n2.31\nd\n1\nx\nd\nthe overflow runs anyway\n"
    steps += "u\ng 9\nit rises fast\nx\nh\n2\n3\nlooked at it\nAUTO\nq\n"
    done = manual("--state", str(state.root), answers=LOST + steps)
    text = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert "handwheel is BLIND since 3m" in text
    assert "CONTROL LOST is declared." in text
    assert "2.31 m OUT OF LIMITS: high by 0.11 m" in text
    assert "Handed back. The period has ended." in text
    kinds = [line["kind"] for line in journal_of(state)]
    assert kinds == ["declared", "started", "reading", "reading", "reading", "done", "reading", "done", "done",
                     "reading", "done", "undo", "goto", "handed_back"]  # fmt: skip
    assert journal_of(state)[0]["role"] == "shift_lead"
    assert journal_of(state)[6]["value"] == "yes"
    assert "".join(text.split()).count("Enter:GOTOstep3a,asthepagesays;") == 3
    assert text.count("! a reason in words is needed") == 1
    assert journal_of(state)[10]["text"] == "the overflow runs anyway"
    assert "[ ] handwheel has answered for 5 min: NOT MET" in text
    assert "[ ] P-03-1 has ended: NOT MET (step 9)" in text
    last = journal_of(state)[-1]
    assert (last["second_role"], last["text"], len(last["unmet"])) == ("maintenance", "looked at it", 3)


def test_declaring_is_confirmed_once_and_anything_else_goes_back(state, manual):
    done = manual("--state", str(state.root), answers="c\n2\nI think so\n\nlost\n\nP-03\ns\n\nq\n")
    assert b"nothing was declared" in done.stdout
    assert b"! not LOST; Enter alone goes back" in done.stdout
    assert b"first a person must declare CONTROL LOST" in done.stdout
    assert journal_of(state) == []


def test_a_closed_keyboard_keeps_what_was_recorded_and_the_next_start_resumes_there(state, manual):
    manual("--state", str(state.root), answers=LOST + "P-03 R\ns\n2.5\n20.9\n0\nd\n")
    done = manual("--state", str(state.root), answers="x\nq\n")
    assert b"Resumed: P-03-1" in done.stdout
    assert b"step 2 of 14" in done.stdout


def test_a_drill_says_so_on_every_line_and_needs_no_declaration(state, manual):
    done = manual("--state", str(state.root), "--drill", "--lang", "de", answers="P-03 R\ns\n2,5\nx\nq\n")
    assert "ÜBUNG" in done.stdout.decode()
    assert [line["drill"] for line in journal_of(state)] == [True, True, True]


def test_a_drill_begins_from_the_list_only_while_no_real_period_is_open(state, manual):
    text = manual("--state", str(state.root), answers="D\nno\n\nD\nDRILL\nP-03 R\ns\nx\nq\n").stdout.decode()
    assert "D drill" in text
    assert "! nothing was done" in text
    assert "DRILL READING" in text
    assert [line["drill"] for line in journal_of(state)] == [True, True]
    over = manual("--state", str(state.root), answers=LOST + "d\nq\n").stdout.decode()
    assert "! a real period is open: no drill now" in over
    assert all(len(line) <= 80 for line in text.splitlines() if str(state.root)[:10] not in line)


def test_a_reader_that_goes_away_ends_it_quietly(state):
    for arguments in ("--show P-03", "--list", "--help", "--plain"):
        done = subprocess.run(
            f"yes a | {sys.executable} -S fallback_procedures --state {state.root} {arguments} | head -n 1 >/dev/null",
            shell=True, capture_output=True, timeout=60, check=False, cwd=ROOT,
        )  # fmt: skip
        assert done.stderr.decode() == ""


def test_everything_above_may_be_gone(manual, tmp_path):
    done = manual("--state", str(tmp_path / "nothing"), answers="a\n\nP-01\n\nq\n")
    text = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert "the shipped library is used" in text
    assert "cannot tell; all procedures follow, by consequence" in text
    assert text.index("P-01  Declare") < text.index("P-07") < text.index("P-03  Sewage") < text.index("P-18")


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_an_old_encoding_prints_every_letter_or_a_substitute(state, manual, language):
    state.publish(moment(), age_s=190)
    latin = manual("--state", str(state.root), "--lang", language, encoding="iso-8859-1", answers="P-03\n\nP-07\n\nq\n")
    assert latin.returncode == 0
    assert b"?" not in latin.stdout.replace(b"? help", b"").replace(b"? aide", b"").replace(b"? Hilfe", b"").replace(
        b"? hilft", b"").replace(b"? helps", b"").replace(b"site (", b"") or language  # fmt: skip
    ascii_only = manual("--state", str(state.root), "--lang", language, encoding="ascii", answers="P-03\n\nq\n")
    assert ascii_only.returncode == 0
    assert all(byte < 128 for byte in ascii_only.stdout)
    assert b"\\u" not in latin.stdout + ascii_only.stdout


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_no_line_is_wider_than_80_columns_and_none_moves_the_cursor(state, manual, language):
    state.publish(moment(), age_s=190)
    answers = LOST + "P-03 R\ns\nw\nx\n?\na\n\nk\nb\nq\n"
    text = manual("--state", str(state.root), "--drill", "--lang", language, answers=answers).stdout.decode()
    assert "\x1b" not in text
    assert [
        line for line in text.splitlines() if len(line) > 80 and str(state.root)[:10] not in line and ">" not in line
    ] == []


def test_a_read_only_disk_is_said_and_the_work_goes_on(state, manual):
    (state.manual / "journal").write_text("no folder can be made here")
    done = manual("--state", str(state.root), answers=LOST + "l still here\nq\n")
    text = done.stdout.decode()
    assert "MEMORY ONLY" in text
    folder = memory_folder(state.manual / "journal")
    assert str(folder) in "".join(text.split())
    kept = [read_lines(path)[0] for path in folder.glob("*.jsonl")]
    shutil.rmtree(folder)
    assert [line["kind"] for line in kept[0]] == ["declared", "note"]


def test_the_list_as_json_is_what_the_screen_asks_for(state, manual):
    state.publish(moment(), lost={"H": 120.0})
    told = json.loads(manual("--state", str(state.root), "--list", "--json").stdout)
    rows = {row["id"]: row for row in told["procedures"]}
    assert told["situation"]["word"] in ("running", "blind")
    assert rows["P-03"]["by_hand"] is True
    assert rows["P-03"]["sites"] == ["R"]
    assert rows["F11"]["kind"] == "form"
    assert told["period"] is None
    assert all(
        set(row) >= {"id", "title", "revision", "applies", "because", "language", "faults"} for row in rows.values()
    )


@pytest.mark.parametrize("language", ["en", "de"])
def test_show_reads_and_an_unknown_id_says_what_to_do(state, manual, language):
    shown = manual("--state", str(state.root), "--show", "p-03", "--lang", language).stdout.decode()
    assert "P-03" in shown
    assert ("0,60 .. 2,20 m" if language == "de" else "0.60 .. 2.20 m") in shown
    wrong = manual("--state", str(state.root), "--show", "P-77")
    assert wrong.returncode == 2
    assert len(wrong.stderr.decode().splitlines()) == 1


def test_check_names_file_line_and_rule(tmp_path, manual):
    bad = tmp_path / "P-50.txt"
    bad.write_text((ROOT / "tests/golden/procedures/5_faulty_warning_after_step.txt").read_text())
    done = manual("--check", str(bad))
    assert done.returncode == 1
    assert f"{bad}: line 12:".encode() in done.stdout
    assert manual("--check").returncode == 0
    assert manual("--check", str(tmp_path / "none.txt")).returncode == 2


def test_help_is_for_a_newcomer(manual):
    done = manual("--help")
    assert done.returncode == 0
    assert b"needs no daemon, no network and no configuration" in done.stdout


def test_every_file_but_the_screen_is_written_for_python_3_9():
    files = sorted((ROOT / "fallback_procedures").glob("*.py"))
    assert {"__main__.py", "console.py", "run.py"} <= {path.name for path in files}
    for path in files:
        assert ast.parse(path.read_text(), feature_version=(3, 9)).body, path


@pytest.mark.parametrize("name", ["python3.9", "python3.10", "python3.13"])
def test_another_python_of_this_machine_carries_it(state, name):
    other = shutil.which(name)
    if not other or subprocess.run([other, "--version"], capture_output=True, check=False).returncode:
        pytest.skip(f"no {name} starts on this machine")
    done = subprocess.run([other, "-I", "-S", str(ROOT / "fallback_procedures"), "--state", str(state.root), "--list"],
                          capture_output=True, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()


def test_a_dumb_terminal_gets_lines_and_no_escape_codes(state, screen):
    state.publish(moment(), age_s=190)
    terminal = screen("--state", str(state.root), term="dumb")
    assert "\x1b" not in terminal.until("q leave")
    terminal.type("P-17 R\n")
    for _page in range(12):
        time.sleep(0.3)
        terminal.type("\n")
        if "s start" in terminal.until(">", 5) or "--" not in terminal.seen:
            break
    terminal.type("q\nq\nq\n")
    assert terminal.end() == 0


def test_a_real_terminal_gets_the_full_screen_and_the_keys_work(state, screen):
    pytest.importorskip("textual")
    state.publish(moment(), age_s=190)
    terminal = screen("--state", str(state.root), term="xterm-256color", size="30x100")
    assert "\x1b[?1049h" in terminal.until("PROCEDURES THAT APPLY")
    terminal.type("?")
    terminal.until("handwheel-manual --plain")
    terminal.type("\x1b")
    terminal.until("k last known")
    terminal.type("q")
    assert terminal.end() == 0


def test_a_terminated_screen_gives_the_terminal_back(state, screen):
    pytest.importorskip("textual")
    terminal = screen("--state", str(state.root), term="xterm-256color", size="30x100")
    terminal.until("PROCEDURES THAT APPLY")
    os.kill(terminal.pid, 15)
    terminal.until("\x1b[?1049l")
    assert terminal.end() == 0


def test_without_textual_the_same_command_goes_on_line_by_line(state, screen, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "textual.py").write_text("raise ImportError('not here')\n")
    terminal = screen("--state", str(state.root), term="xterm-256color", size="30x100", PYTHONPATH=str(broken))
    terminal.until("line by line instead")
    terminal.until("q leave")
    terminal.type("q\n")
    assert terminal.end() == 0


def test_a_site_is_known_by_its_id_in_any_case_and_a_wrong_one_is_refused(state, manual):
    state.publish(moment(), age_s=190)
    done = manual("--state", str(state.root), answers=LOST.replace("\nR\n", "\nrivr\nr\n") + "q\n")
    assert b"there is no site rivr; sites are N H R" in done.stdout
    assert [line["sites"] for line in journal_of(state)] == [["R"]]


def test_a_drill_over_an_open_real_period_says_so_first(state, manual):
    manual("--state", str(state.root), answers=LOST + "q\n")
    done = manual("--state", str(state.root), "--drill", answers="q\n")
    assert b"A REAL PERIOD IS OPEN" in done.stdout


def test_a_night_at_a_lift_station_with_a_second_procedure_takes_under_two_hundred_keys(state, manual):
    state.publish(moment(), age_s=190)
    sheet = state.manual / "sheets" / "R.txt"
    sheet.write_text(sheet.read_text() + "hand_stop_level = 0.70 m\nround_every = 5 min\n")
    first = "P-03 R\ns\n2,5\n20.9\n0\nd\ny\nd\nd\n20\nu\n1.5\nd\ni\ni\ni\nd\nd\n"  # a wrong reading, taken back
    second = "x\nP-17 R\ns\nx\n1\n9.0\nd\nby eye\n1.0\nd\nby eye\ni\ni\ni\ni\ni\ni\n0.9\nd\nd\nf\n"
    end = "E P-03-1\n3\n1,4\n00:00\ny\n\nH\n3\npump 2 rested\nS\ny\nL de\nh\n2\n3\nboth looked\nAUTO\nq\n"
    typed = LOST + first + second + end
    text = manual("--state", str(state.root), answers=typed).stdout.decode()
    assert len(typed) < 290
    assert "OTHER  P-17-1 R 1/10  (x, then its number)" in text
    assert "All steps are marked. f ends the run, r begins the next round." in text
    assert "F9  SHIFT HAND-OVER" in text
    assert "Deutsch. Ein begonnener Durchgang" in text
    lines = journal_of(state)
    assert [line["kind"] for line in lines if line["kind"] not in ("reading", "done")] == [
        "declared", "started", "undo", "not_met", "not_met", "not_met", "started",
        *("not_met",) * 6, "finished", "paper", "handed_over", "stable", "handed_back"]  # fmt: skip
    assert next(line for line in lines if line["kind"] == "paper")["in_limits"] is True
    assert lines[-2]["role"] == "maintenance"


def test_a_wrong_form_says_what_is_expected_and_a_reading_of_words_takes_plain_input(state, manual):
    state.publish(moment(), age_s=190)
    answers = "P-12 R\ns\ng 23\nx\nq\n\n"
    text = manual("--state", str(state.root), "--drill", answers="P-03 R\ns\nabc\n12:30\nx\nq\n\n").stdout.decode()
    assert text.count("! hydrogen sulphide: a number in ppm, as 2.31 or 2,31") == 2
    assert "[]" not in manual("--state", str(state.root), "--drill", answers=answers).stdout.decode()


def test_a_step_waits_for_its_second_person_a_hold_for_its_role_and_words_are_taken_as_they_are(state, manual):
    state.publish(moment(), age_s=190)
    answers = (
        "P-12 R\ns\ng 6\nd\ny\n2\nd\ng 15\nwell known\no\n3\n2\ng 23\nwas closed\no\n1\na fan and pump 2\nx\nq\n\n"
    )
    text = manual("--state", str(state.root), "--drill", answers=answers).stdout.decode()
    assert "! a second person must verify step 6 first (y)" in text
    kinds = [line["kind"] for line in journal_of(state)]
    assert kinds[2:] == ["goto", "verified", "done", "goto", "released", "goto", "released", "reading"]
    assert journal_of(state)[6]["released_by"] == "duty_manager"
    assert journal_of(state)[-1]["value"] == "a fan and pump 2"
