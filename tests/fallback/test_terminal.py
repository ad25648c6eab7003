"""Old, small, slow and broken terminals, each a real pty with the program behind it."""

import os
import re
import signal

import pytest

from fallback_procedures.journal import read_lines
from fallback_procedures.terminal import typed
from fallback_procedures.triggers import moment
from fallback_procedures.words import charset

LATIN = {"LANG": "de_DE.ISO-8859-1"}
UNIX = {"LANG": "C"}


def notes(state) -> list[str]:
    (file,) = (state.manual / "journal").glob("*.jsonl")
    return [line["text"] for line in read_lines(file)[0] if line["kind"] == "note"]


@pytest.mark.parametrize(
    ("told", "environment", "has"),
    [
        ("utf-8", {"LANG": "de_DE.UTF-8"}, "utf-8"),
        ("utf-8", {"LANG": "de_DE.ISO-8859-1"}, "iso8859-1"),
        ("utf-8", {"LANG": "de_DE@euro"}, "iso8859-15"),
        ("utf-8", {"LANG": "fr_FR"}, "iso8859-1"),
        ("utf-8", {"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, "ascii"),
        ("utf-8", {}, "ascii"),
        ("utf-8", {"LANG": "C", "LC_CTYPE": "C.UTF-8"}, "ascii"),
        ("utf-8", {"LANG": "C.UTF-8", "LC_CTYPE": "C.UTF-8"}, "utf-8"),
        ("utf-8", {"LC_CTYPE": "UTF-8"}, "utf-8"),
        ("utf-8", {"LANG": "de_DE.nonsense"}, "ascii"),
        ("utf-8", {"LANG": "C", "PYTHONIOENCODING": "utf-8"}, "utf-8"),
        ("iso8859-1", {"LANG": "C"}, "iso8859-1"),
    ],
)
def test_the_name_of_the_locale_tells_which_characters_a_terminal_has(told, environment, has):
    assert charset(told, environment) == has


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("2.3\b\b.31", "2.31"),
        ("\x1b[A\x1b[D\x1bOA2\x1b[3~.31", "2.31"),
        ("\x1b]0;title\x072.31\x1b", "2.31"),
        ("\x00d\x00", "d"),
        ("\x9b2Jnote\tof\x7f the shift", "2Jnote o the shift"),
        ("x" * 1_000_000, "x" * 2000),
    ],
    ids=["backspace", "arrows", "title", "nul", "csi in 8 bits", "a megabyte"],
)
def test_what_a_person_meant_is_text_without_keys_that_are_none(line, meant):
    assert typed(line) == meant


@pytest.mark.parametrize(
    ("term", "size", "more"),
    [
        ("vt100", "24x80", {}),
        ("vt220", "30x100", {}),
        ("dumb", "24x80", {}),
        ("xterm", "15x60", {}),
        ("xterm", "24x80", LATIN),
    ],
)
def test_an_old_or_small_terminal_gets_lines_without_escape_codes(state, screen, term, size, more):
    state.publish(moment(), age_s=190)
    terminal = screen("--state", str(state.root), "--lang", "de", term=term, size=size, **more)
    told = terminal.answered("\n")
    assert b"\x1b" not in told
    terminal.type("q\n")
    assert terminal.end() == 0


def test_a_latin_1_terminal_shows_and_takes_umlauts_as_single_bytes(state, screen):
    state.publish(moment(), age_s=190)
    terminal = screen("--state", str(state.root), "--lang", "de", term="xterm", **LATIN)
    told = terminal.answered("\n")
    assert "öffnet".encode("latin-1") in told
    terminal.answered("l Pumpe läuft\n".encode("latin-1"))
    terminal.type("q\n")
    assert terminal.end() == 0
    assert notes(state) == ["Pumpe läuft"]


@pytest.mark.parametrize("term", ["dumb", "xterm", "linux"])
def test_a_terminal_of_the_c_locale_gets_ascii_with_substitutes(state, screen, term):
    state.publish(moment(), age_s=190)
    terminal = screen("--state", str(state.root), "--lang", "de", term=term, **UNIX)
    terminal.until("1-9 oeffnen" if term != "dumb" else "Behaelterstand")
    assert all(byte < 128 for byte in terminal.raw)
    assert (b"\x1b[?1049h" in terminal.raw) == (term != "dumb")
    terminal.type("q" if term != "dumb" else "q\n")
    assert terminal.end() == 0


def test_without_colour_the_screen_says_the_same(state, screen):
    state.publish(moment(), age_s=190)
    terminal = screen("--state", str(state.root), term="xterm-256color", NO_COLOR="1")
    terminal.until("q leave")
    assert "CONTROL LOST is not declared" in terminal.seen
    terminal.type("q")
    assert terminal.end() == 0


def test_keys_and_bytes_that_are_no_text_neither_crash_the_console_nor_reach_the_journal(state, screen):
    state.publish(moment(), age_s=190)
    terminal = screen("--state", str(state.root), "--plain", term="dumb")
    terminal.answered("\n")
    terminal.answered(b"l \x1b[Athe \xff\xfe pump\x1b[D \xc3\xa4\n")
    for odd in (b"\x1b[A\x1b[B\n", b"\xff\n", b"\x16\x00\n", b"/" * 3000 + b"\n"):
        terminal.answered(odd)
    terminal.type("q\n")
    assert terminal.end() == 0
    assert notes(state) == ["the \ufffd\ufffd pump ä"]


def test_a_pasted_text_is_thrown_away_whole(state, screen):
    state.publish(moment(), age_s=190)
    terminal = screen("--state", str(state.root), "--plain", term="dumb")
    terminal.answered("\n")
    terminal.type(b"l pasted\n" * 300)
    terminal.until("nobody can have meant it")
    terminal.answered(b"l meant\n")
    terminal.type("q\n")
    assert terminal.end() == 0
    assert notes(state) == ["meant"]


def test_ctrl_c_goes_back_once_and_leaves_at_the_second(state, screen):
    state.publish(moment(), age_s=190)
    terminal = screen("--state", str(state.root), "--plain", term="dumb")
    terminal.answered("\n")
    terminal.type("c\n")
    terminal.until("Who judges so?")
    terminal.type(b"\x03")
    terminal.until("nothing was done; q leaves")
    terminal.until("? help\r\n> ")
    terminal.answered("l still here\n")
    terminal.type(b"\x03")
    terminal.until("nothing was done; q leaves")
    terminal.until("? help\r\n> ")
    terminal.type(b"\x03")
    assert terminal.end() == 0
    assert notes(state) == ["still here"]


@pytest.mark.parametrize("plain", [True, False])
def test_a_closed_keyboard_or_window_ends_it_and_a_window_of_one_cell_does_not(state, screen, plain):
    state.publish(moment(), age_s=190)
    terminal = screen("--state", str(state.root), *(["--plain"] if plain else []), term="xterm", size="24x80")
    terminal.until("q leave")
    for rows, columns in ((1, 1), (3, 7), (60, 200), (24, 80)):
        terminal.resize(rows, columns)
        terminal.type("l a note\n" if plain else "?")
        terminal.until("Kept." if plain else "")
    if plain:
        terminal.type(b"\x04")
        assert terminal.end() == 0
    else:
        os.close(terminal.handle)
        assert os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1]) in (0, 120, -signal.SIGHUP)


def test_a_keypress_of_the_console_sends_at_most_two_kilobytes(state, screen):
    state.publish(moment(), age_s=190)
    terminal = screen("--state", str(state.root), "--plain", "--drill", term="vt100")
    terminal.until("q leave")
    terminal.type("P-03 R\n")
    terminal.until("-- Enter for more")
    terminal.type("s\n")
    terminal.quiet()
    while not terminal.raw.endswith(b"[ppm] > "):  # the step is told to its end, page by page
        terminal.type("\n")
        terminal.quiet()
    sent = [len(terminal.answered(f"{line}\n")) for line in ("2,5", "abc", "20.9", "0", "d", "y", "d", "7", "l note",
                                                             "u", "1.0", "d", "i", "d", "x")]  # fmt: skip
    assert max(sent) <= 2000, sent
    terminal.type("q\n\n")
    assert terminal.end() == 0


def test_a_quiet_screen_and_a_key_send_only_the_lines_that_change(state, screen):
    pytest.importorskip("textual")
    state.publish(moment(), age_s=190)
    terminal = screen("--state", str(state.root), term="xterm-256color", size="30x100")
    terminal.until("q leave")
    terminal.quiet()
    terminal.type("l")
    terminal.until("no names): ")
    clocks = len(re.findall(rb"\d\d:\d\d:\d\d", terminal.raw))
    assert len(terminal.raw) < 900 + 400 * clocks
    terminal.type("\x1b")
    terminal.until("this was not kept")
    terminal.type("q")
    assert terminal.end() == 0
