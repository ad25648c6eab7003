"""Printing: what becomes of a page is followed to its end, and what cannot be told is said."""

import os
import pty
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fallback_procedures.printing import ipp_attributes, ipp_request, send, write_device

from . import cups

PAGE = "one page\n"


@pytest.fixture
def page(tmp_path) -> Path:
    path = tmp_path / "P-03.txt"
    path.write_text(PAGE)
    return path


# -- a real cupsd with queues of its own ---


@pytest.fixture(scope="module")
def server():
    if why := cups.missing():
        pytest.skip(why)
    running = cups.start()
    yield running
    running.stop()


@pytest.fixture
def system(server, monkeypatch):
    monkeypatch.setenv("CUPS_SERVER", server.server)
    return server


def test_a_page_that_is_printed_is_said_to_be_printed_and_came_out_whole(system, page, tmp_path):
    system.queue("good", f'cat "${{6:--}}" > {tmp_path}/out')
    told = send(page, "good")
    assert told.word == "printed"
    assert told.lines[0].startswith("printed: job good-")
    assert (tmp_path / "out").read_text() == PAGE


def test_a_disabled_queue_takes_the_job_and_this_is_said(system, page):
    system.queue("still", "exit 0")
    system.tell("cupsdisable", "-r", "out of paper", "still")
    told = send(page, "still", follow_s=0.6)
    assert told.word == "queued"
    assert "QUEUED, NOT PRINTED: job still-" in told.lines[0]
    assert "the queue still is disabled; out of paper" in told.lines[0]


def test_a_job_that_the_printer_system_aborts_is_not_called_printed(system, page):
    system.queue("broken", 'echo "ERROR: cover open" >&2; exit 5', "-o", "printer-error-policy=abort-job")
    told = send(page, "broken")
    assert told.word == "refused"
    assert "NOT PRINTED: job broken-" in told.lines[0]
    assert "cover open" in told.lines[0]


def test_a_job_that_somebody_cancels_is_not_called_printed(system, page):
    system.queue("slow", "sleep 30")
    found = []
    follow = threading.Thread(target=lambda: found.append(send(page, "slow")))
    follow.start()
    deadline = time.monotonic() + 10
    while "slow-" not in system.tell("lpstat", "-o") and time.monotonic() < deadline:
        time.sleep(0.05)
    system.tell("cancel", "-a", "slow")
    follow.join(20)
    assert found[0].word == "refused"
    assert "was cancelled" in found[0].lines[0]


def test_a_held_job_is_said_to_be_held(system, page):
    system.queue("held", "exit 0", "-o", "job-hold-until-default=indefinite")
    told = send(page, "held", follow_s=0.6)
    assert told.word == "queued"
    assert "the job is held" in told.lines[0]


def test_without_a_default_printer_the_names_are_told(system, page):
    system.queue("other", "exit 0")
    told = send(page)
    assert told.word == "refused"
    assert "other" in told.lines[0].split("--printer takes one of:")[1]


@pytest.mark.parametrize("name", ["-h evil:631", "a b", "../x", "a;b", "a\nb", "x" * 200, "$(id)"])
def test_a_printer_name_is_a_name_and_nothing_else(page, name, tmp_path, monkeypatch):
    fake(tmp_path, "lp", "touch was_asked")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    assert send(page, name).word == "refused"
    assert not Path("was_asked").exists()


def test_a_printer_system_that_is_down_is_said_to_be_down(page, monkeypatch):
    if why := cups.missing():
        pytest.skip(why)
    monkeypatch.setenv("CUPS_SERVER", "127.0.0.1:1")
    told = send(page, "good")
    assert told.word == "refused"
    assert "the printer system is not running" in told.lines[0]


# -- programs of these names in the place of a printer system ---


def fake(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(
    ("lp", "lpstat", "told"),
    [
        ('echo "request id is office-7 (1 file(s))"', "exit 0", "what became of it cannot be asked"),
        ('echo "request id is office-7 (1 file(s))"', "echo office-7 root 1024", "QUEUED, NOT PRINTED: job office-7"),
        ('echo "request id is office-7 (1 file(s))"', "exit 1", "no longer answers"),
        (
            'echo "request id is -7 (1 file(s))"',
            "exit 0",
            "NOT PRINTED (the printer system has no printer; request id is -7",
        ),
        ("exit 0", "exit 0", "NOT PRINTED ("),
        ("echo no such thing >&2; exit 1", "exit 0", "the printer system has no printer; no such thing"),
        ("printf '\\033[2J' >&2; exit 1", "exit 0", "NOT PRINTED (the printer system has no printer; ·[2J)"),
    ],
)
def test_a_print_job_is_followed_and_never_believed(tmp_path, monkeypatch, page, lp, lpstat, told):
    fake(tmp_path, "lp", lp)
    fake(tmp_path, "lpstat", lpstat)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CUPS_SERVER", "127.0.0.1:1")
    assert told in send(page, follow_s=0.3).lines[0]


def test_an_lp_that_hangs_is_given_up(tmp_path, monkeypatch, page):
    fake(tmp_path, "lp", "exec sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("fallback_procedures.printing.LP_S", 0.3)
    assert send(page).lines == ("NOT PRINTED (the printer system does not answer); the file stays",)


def test_a_file_whose_name_looks_like_an_option_is_a_file(tmp_path, monkeypatch):
    fake(tmp_path, "lp", f'for one; do echo "$one"; done > {tmp_path}/given; exit 1')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    Path("-o raw; $(id).pdf").write_bytes(b"")
    send(Path("-o raw; $(id).pdf"))
    assert (tmp_path / "given").read_text().splitlines()[-2:] == ["--", f"{tmp_path}/-o raw; $(id).pdf"]


def test_without_a_printer_system_the_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    told = send(tmp_path / "x")
    assert (told.word, "no printer system here" in told.lines[0]) == ("none", True)


# -- the printer protocol ---


def test_an_answer_of_the_printer_system_is_read_and_a_torn_one_is_none():
    answer = (
        b"\x01\x01\x00\x00\x00\x00\x00\x01\x01\x47\x00\x12attributes-charset\x00\x05utf-8"
        b"\x02\x23\x00\x09job-state\x00\x04\x00\x00\x00\x08"
        b"\x44\x00\x11job-state-reasons\x00\x01a\x44\x00\x00\x00\x01b\x03"
    )
    told = ipp_attributes(answer)
    assert told == {"attributes-charset": "utf-8", "job-state": 8, "job-state-reasons": "a b"}
    for cut in range(len(answer)):
        ipp_attributes(answer[:cut])
    assert ipp_attributes(b"\x01\x01\x04\x06\x00\x00\x00\x01\x03") is None  # not found
    assert ipp_request(9, "/jobs/7").endswith(b"ipp://localhost/jobs/7\x03")


# -- a device ---


def test_a_device_gets_its_pages_in_its_own_encoding_with_form_feeds():
    ours, theirs = pty.openpty()
    import tty

    tty.setraw(theirs)
    wanted = "Füße ≥ 5 °C\r\n\fzwei\r\n\f".encode("cp437")
    read = []

    def printer():
        while len(b"".join(read)) < len(wanted):
            read.append(os.read(ours, 4096))

    reader = threading.Thread(target=printer)
    reader.start()
    told = write_device(os.ttyname(theirs), ["Füße ≥ 5 °C\n", "zwei\n"], "cp437", wait_s=2)
    assert told.word == "sent"
    reader.join(10)
    assert b"".join(read) == wanted
    os.close(theirs)
    os.close(ours)


@pytest.mark.parametrize(("encoding", "raw"), [("ascii", b"Fuesse >= 5 deg C"), ("latin-1", b"F\xfc\xdfe >= 5 \xb0C")])
def test_what_a_printer_cannot_show_is_written_another_way(tmp_path, encoding, raw):
    os.mkfifo(tmp_path / "lp0")
    reader = os.open(tmp_path / "lp0", os.O_RDONLY | os.O_NONBLOCK)
    assert write_device(str(tmp_path / "lp0"), ["Füße ≥ 5 °C"], encoding, wait_s=1).word == "sent"
    assert os.read(reader, 100) == raw + b"\f"
    os.close(reader)


def test_a_printer_that_is_off_never_holds_the_program(tmp_path):
    os.mkfifo(tmp_path / "lp0")
    assert write_device(str(tmp_path / "lp0"), [PAGE]).word == "refused"  # nobody at the other end
    reader = os.open(tmp_path / "lp0", os.O_RDONLY | os.O_NONBLOCK)  # somebody who never reads
    told = write_device(str(tmp_path / "lp0"), [PAGE * 20_000], wait_s=0.2)
    os.close(reader)
    assert told.word == "refused"
    assert "bytes and no more: off, no paper, or the cable?" in told.lines[0]
    ours, theirs = pty.openpty()
    told = write_device(os.ttyname(theirs), [PAGE * 2_000], wait_s=0.2)
    assert told.word == "refused"
    os.close(ours)
    os.close(theirs)


def test_a_file_a_folder_and_a_disk_are_no_printers(tmp_path):
    kept = tmp_path / "journal.jsonl"
    kept.write_text("kept")
    for path in (kept, tmp_path, tmp_path / "none"):
        assert write_device(str(path), [PAGE]).word == "refused"
    assert kept.read_text() == "kept"


def test_printing_needs_nothing_but_the_standard_library():
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {os.getcwd()!r}); "
         "import fallback_procedures.printing"], check=False, capture_output=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
