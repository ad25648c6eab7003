"""The USB stick: whole or not at all, readable by anybody, run by any Python from 3.9, never taken for live."""

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from fallback_procedures.journal import read_lines
from fallback_procedures.place import find
from fallback_procedures.plain import plain_files
from fallback_procedures.stick import fat_name, program
from fallback_procedures.stick_check import KEY, ROOM, START, SUMS, key_mark
from fallback_procedures.triggers import moment
from monitor.ledger import open_ledger
from monitor.state import State as MonitorState
from tests.monitor.plant_bench import configure
from tests.peers.mounts import mounted, needs_mount

from .conftest import GOLDEN, ROOT

LOST = "c\n2\npanel, SCADA and telephone agree\n\nLOST\n"


def fill(state):
    """What a daemon published, with names that FAT does not take."""
    state.publish(moment(), age_s=5)
    shutil.copy(GOLDEN / "last_known.txt", state.manual / "last_known.txt")
    (state.manual / "facts").mkdir()
    (state.manual / "facts" / "what: is?.txt").write_text("a")
    (state.manual / "facts" / "A.txt").write_text("upper")
    (state.manual / "facts" / "a.txt").write_text("lower")
    (state.manual / "facts" / "con.txt").write_text("device")
    (state.manual / "facts" / "link.txt").symlink_to("/etc/hostname")
    os.mkfifo(state.manual / "facts" / "pipe.txt")
    with (state.manual / "facts" / "sparse.bin").open("wb") as file:
        file.truncate(2_000_000_000)
    (state.manual / "journal").mkdir()
    (state.manual / "journal" / "2026-11-23T132207Z.jsonl").write_text("not for the stick\n")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A stick, made once by a Python without anything installed; each test works on a copy."""
    from .conftest import SHEET, State

    folder = tmp_path_factory.mktemp("stick")
    state = State(folder / "state")
    (state.manual / "sheets").mkdir(parents=True)
    (state.manual / "sheets" / "R.txt").write_text(SHEET)
    fill(state)
    assert manual("--render", str(state.root)).returncode == 0
    (folder / "usb").mkdir()
    done = python("-S", str(ROOT / "fallback_procedures"), "--state", str(state.root), "--make-stick",
                  str(folder / "usb"), "--role", "shift_lead", PATH=str(tools(folder)))  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def tools(folder):
    """A PATH that has no handwheel on it."""
    place = folder / "bin"
    if not place.exists():
        place.mkdir()
        for name in ("openssl", "sha256sum"):
            if shutil.which(name):
                (place / name).symlink_to(shutil.which(name))
    return place


@pytest.fixture
def published(whole):
    """STATE of the daemon, for reading alone."""
    return str(whole[0] / "state")


@pytest.fixture
def usb(whole, tmp_path):
    return shutil.copytree(whole[0] / "usb", tmp_path / "usb")


def python(*words, program=sys.executable, answers="", cwd="/", **environment):
    environment = {"PATH": os.environ["PATH"], "TERM": "dumb", **environment}
    return subprocess.run([program, *words], input=answers, capture_output=True, text=True, timeout=120, check=False,
                          cwd=cwd, env=environment)  # fmt: skip


def manual(*words, **more):
    return python("-S", str(ROOT / "fallback_procedures"), *words, **more)


def names(room):
    return ["/".join(parts) for _path, parts in plain_files(room, [])]


def test_a_stick_has_all_that_a_rescue_laptop_reads_and_says_what_it_left_out(whole):
    room = whole[0] / "usb" / ROOM
    have = names(room)
    assert {START, SUMS, "handwheel-manual.pyz", "manual/status.json", "manual/last_known.txt", "manual/sheets/R.txt",
            "library/de/P-03.txt", "manual/binder/fr/R/binder.txt", "manual/binder/fr/R/binder.html",
            "manual/binder/index.html"} <= set(have)  # fmt: skip
    assert (whole[0] / "usb" / START).read_bytes() == (room / START).read_bytes()
    assert not [name for name in have if "journal" in name]
    assert "link.txt: is a link, which is not followed" in whole[1]
    assert "pipe.txt: is no plain file" in whole[1]
    assert "sparse.bin: is too large" in whole[1]
    assert "NOT SIGNED: " in whole[1]
    assert json.loads((room / "manual/stick.json").read_text())["role"] == "shift_lead"


def test_every_name_is_one_that_fat_takes_and_no_two_differ_by_case_alone(whole):
    have = names(whole[0] / "usb")
    assert len({name.lower() for name in have}) == len(have)
    for name in have:
        for part in name.split("/"):
            assert not re.search(r'[<>:"\\|?*\x00-\x1f]|[. ]$', part), name
            assert part == fat_name(part)
    facts = {path.name: path.read_text() for path in (whole[0] / "usb" / ROOM / "manual/facts").iterdir()}
    assert facts["_con.txt"] == "device"
    assert facts["what_ is_.txt"] == "a"
    assert sorted(facts.values()) == ["a", "device", "lower", "upper"]


@pytest.mark.parametrize("name", ["a:b", "AUX", "com1.txt", "x. ", "..", "\udcff", "a" * 300, "a/b", "", "\n"])
def test_a_hostile_name_becomes_one_that_fat_takes(name):
    made = fat_name(name)
    assert 0 < len(made) <= 121
    assert made == fat_name(made)
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f]|[. ]$', made)
    made.encode()


def test_the_checksums_are_as_sha256sum_reads_them(usb):
    if not shutil.which("sha256sum"):
        pytest.skip("no sha256sum on this machine")
    done = subprocess.run(["sha256sum", "--quiet", "-c", SUMS], cwd=usb / ROOM, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_whole_stick_is_said_to_be_whole_and_that_nobody_signed_it(usb):
    done = manual("--check-stick", str(usb))
    assert done.returncode == 0, done.stdout
    assert "files are as they were written" in done.stdout
    assert "NOT SIGNED" in done.stdout
    assert manual("--check-stick", str(usb / ROOM)).returncode == 0
    assert manual("--check-stick", str(usb), "--key", "AAAA").returncode == 1, "a key was asked for"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda room: (room / "manual/sheets/R.txt").write_text("9.99 m"), "CHANGED: manual/sheets/R.txt"),
        (lambda room: (room / "library/en/P-07.txt").unlink(), "MISSING: library/en/P-07.txt"),
        (lambda room: (room / "library/en/P-99.txt").write_text("more"), "NOT OF THIS STICK: library/en/P-99.txt"),
        (lambda room: (room / "setup.exe").write_text("worm"), "NOT OF THIS STICK: setup.exe"),
        (lambda room: (room / SUMS).write_text("rubbish"), f"{SUMS}: cannot be read"),
        (lambda room: (room / SUMS).write_text("0" * 64 + "  ../../etc/passwd\n"), f"{SUMS}: cannot be read"),
        (lambda room: swap_for_link(room / "manual/status.json"), "status.json"),
        (lambda room: (room / ".hidden.exe").write_text("worm"), "NOT OF THIS STICK: .hidden.exe"),
        (lambda room: (room.parent / "autorun.inf").write_text("x"), "NOT OF THIS STICK: autorun.inf"),
        (lambda room: (room.parent / START).write_text("run: curl"), f"CHANGED: {START}"),
    ],
)
def test_what_was_changed_is_named(usb, harm, said):
    harm(usb / ROOM)
    done = manual("--check-stick", str(usb))
    assert done.returncode == 1
    assert said in done.stdout


def swap_for_link(path):
    text = path.read_text()
    path.unlink()
    (path.parent.parent.parent / "elsewhere").write_text(text)
    path.symlink_to("../../elsewhere")


def test_a_folder_without_a_stick_and_one_that_is_not_there_are_refused_in_one_line(tmp_path):
    for words in (("--check-stick", str(tmp_path)), ("--make-stick", str(tmp_path / "none"))):
        done = manual(*words)
        assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")


def test_the_ledgers_key_signs_and_openssl_alone_tells_whether_it_did(usb, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("no openssl on this machine")
    state = MonitorState(tmp_path / "state").make()
    open_ledger(state).close()
    sums = usb / ROOM / SUMS
    signed = python("-m", "monitor.cli", "sign", "--state", str(state.root), str(sums), cwd=ROOT)
    assert signed.returncode == 0, signed.stderr
    mark = signed.stdout.split()[-1]
    start = (usb / START).read_text("utf-8-sig")
    lines = [line.strip() for line in start.splitlines() if line.startswith("  openssl")]
    for line in lines[:1]:
        done = subprocess.run(line, shell=True, cwd=usb / ROOM, capture_output=True, text=True, check=False)
        assert "Verified Successfully" in done.stdout
    if shutil.which("base32"):
        done = subprocess.run(lines[1], shell=True, cwd=usb / ROOM, capture_output=True, text=True, check=False)
        assert done.stdout[:20] == mark.replace("-", "")
    for words, code in (((), 0), (("--key", mark.lower()), 0), (("--key", "AAAA-BBBB-CCCC-DDDD-EEEE"), 1)):
        done = manual("--check-stick", str(usb), *words)
        assert (done.returncode, mark in done.stdout) == (code, True)
    alone = manual("--check-stick", str(usb), PATH=str(tmp_path))
    assert "signature not checked: there is no openssl here" in alone.stdout
    assert alone.returncode == 0
    sums.write_text(sums.read_text().replace("library/en/F1.txt", "library/en/F9.txt", 1))
    assert "THE SIGNATURE IS WRONG" in manual("--check-stick", str(usb)).stdout


@pytest.mark.parametrize("decoy", ["two blocks", "longer"])
def test_a_key_file_in_which_two_readers_find_two_keys_is_no_key(usb, tmp_path, decoy):
    if not shutil.which("openssl"):
        pytest.skip("no openssl on this machine")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)

    for name in ("ours", "theirs"):
        openssl("genpkey", "-algorithm", "ed25519", "-out", f"{name}.pem")
        openssl("pkey", "-in", f"{name}.pem", "-pubout", "-out", f"{name}.pub")
    ours, theirs = ((tmp_path / f"{name}.pub").read_text() for name in ("ours", "theirs"))
    key = usb / ROOM / KEY
    key.write_text(ours)
    mark = key_mark(usb / ROOM)
    blocks = [base64.b64decode(text.split("\n")[1]) for text in (theirs, ours)]
    longer = f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(blocks[0] + blocks[1][-32:]).decode()}\n"
    key.write_text(
        ours.replace("PUBLIC", "X OLD") + theirs if decoy == "two blocks" else longer + "-----END PUBLIC KEY-----\n"
    )
    openssl("pkeyutl", "-sign", "-inkey", "theirs.pem", "-rawin", "-in", str(usb / ROOM / SUMS), "-out",
            str(usb / ROOM / f"{SUMS}.sig"))  # fmt: skip
    for words in ((), ("--key", mark)):
        done = manual("--check-stick", str(usb), *words)
        assert (done.returncode, "THE KEY ON IT IS NONE OF OURS" in done.stdout) == (1, True)


def test_a_link_on_the_stick_leads_no_writer_away_from_it(usb, published, tmp_path):
    (tmp_path / "precious").write_text("mine")
    (usb / f"{START}.part").symlink_to(tmp_path / "precious")
    done = manual("--state", published, "--make-stick", str(usb))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (usb / START).is_symlink()


@pytest.mark.parametrize("what", ["whole folders", "what lies in them"])
def test_no_link_in_manual_brings_anything_from_elsewhere_onto_a_stick(published, tmp_path, what):
    state, secret, usb = tmp_path / "state", tmp_path / "secret", tmp_path / "usb"
    shutil.copytree(published, state, ignore=shutil.ignore_patterns("*.bin", "pipe.txt", "link.txt", "*.pdf"))
    usb.mkdir()
    secret.mkdir()
    for name in ("shadow", "R.txt", "P-03.txt", "binder.txt"):
        (secret / name).write_text("SHEET topsecret")
    pages = next((state / "manual/binder").glob("2*Z-*")).name
    links = ["facts", "sheets", "setpoints", "procedures", "binder"]
    if what != "whole folders":
        links = ["status.json", "last_known.txt", "facts/A.txt", f"binder/{pages}/de", f"binder/{pages}/en/R"]
    for path in [state / "manual" / name for name in links]:
        folder = path.is_dir()
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
        path.symlink_to(secret if folder or what == "whole folders" else secret / "shadow")
    done = manual("--state", str(state), "--make-stick", str(usb))
    assert done.returncode == 0, done.stderr
    for name in links:
        said = f"{state / 'manual' / name}: is a link, which is not followed"
        assert said in done.stdout if name.startswith("binder/") else f"left out: {said}\n" in done.stdout
    assert not [path for path in usb.rglob("*") if path.is_symlink()]
    assert not [path for path in usb.rglob("*") if path.is_file() and b"topsecret" in path.read_bytes()]


def test_a_rendered_page_that_was_changed_goes_onto_no_stick_and_is_said(published, tmp_path):
    state, usb = tmp_path / "state", tmp_path / "usb"
    shutil.copytree(published, state, ignore=shutil.ignore_patterns("*.bin", "pipe.txt", "link.txt"))
    usb.mkdir()
    pages = next((state / "manual/binder").glob("2*Z-*"))
    page, more = pages / "en/R/P-03.txt", pages / "en/R/P-99.html"
    page.write_text(page.read_text().replace("2.20 m", "9.99 m"))
    more.write_text("worm")
    done = manual("--state", str(state), "--make-stick", str(usb))
    assert "NOT AS IT WAS RENDERED, so it is not on the stick: en/R/P-03.txt; en/R/P-99.html\n" in done.stdout
    assert "9.99 m" not in (usb / ROOM / "manual/binder/en/R/P-03.txt").read_text()
    assert not (usb / ROOM / "manual/binder/en/R/P-99.html").exists()
    assert "pages: rendered now for the stick" in done.stdout


def test_nothing_but_a_list_of_checksums_is_signed_and_no_key_is_made_for_it(tmp_path):
    state = MonitorState(tmp_path / "state").make()
    seal = tmp_path / "seal"
    seal.write_text(f"handwheel ledger seal\nformat 1\nentries 9\nhash {'0' * 64}\n")
    sums = tmp_path / SUMS
    sums.write_text(f"{'0' * 64}  START.txt\n")
    for path, said in (
        (seal, "is no list of checksums"),
        (sums, "no key lies here"),
        (tmp_path / "x", "cannot be read"),
    ):
        done = python("-m", "monitor.cli", "sign", "--state", str(state.root), str(path), cwd=ROOT)
        assert done.returncode == 2
        assert said in done.stderr
    assert not state.keys.exists()
    assert not (tmp_path / KEY).exists()


def test_a_stick_is_signed_as_it_is_made_where_handwheel_and_its_key_are_there(published, tmp_path):
    state = MonitorState(tmp_path / "state")
    shutil.copytree(published, state.root, ignore=shutil.ignore_patterns("*.txt", "*.bin"))
    open_ledger(state.make()).close()
    command = tmp_path / "bin" / "handwheel"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m monitor.cli "$@"\n')
    command.chmod(0o755)
    (tmp_path / "usb").mkdir()
    done = manual("--state", str(state.root), "--make-stick", str(tmp_path / "usb"), cwd=ROOT,
                  PATH=f"{command.parent}:{os.environ['PATH']}", PYTHONPATH=str(ROOT))  # fmt: skip
    assert "signed by the key of the ledger" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "usb" / ROOM / f"{SUMS}.sig").stat().st_size == 64
    checked = manual("--check-stick", str(tmp_path / "usb"))
    assert checked.returncode == 0, checked.stdout


# -- run from the stick ---


def test_run_from_the_stick_it_finds_what_lies_beside_it_and_never_says_live(usb):
    done = python("-I", "-S", "handwheel-manual.pyz", "--plain", answers="k\nq\n", cwd=usb / ROOM)
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert text.count("this is the stick of 20") >= 2
    assert "nothing on it is live" in text
    assert "LAST KNOWN VALUES - not live" in text
    assert "running" not in text
    assert "about " in text or "age unknown" in text
    assert "0.60 .. 2.20 m" in python("handwheel-manual.pyz", "--show", "P-03", cwd=usb / ROOM).stdout


def test_what_a_laptop_records_lies_beside_the_stick_and_a_newer_stick_leaves_it_there(usb, published):
    answers = LOST + "P-03 R\ns\n2.5\nx\nq\n"
    assert python("handwheel-manual.pyz", "--plain", answers=answers, cwd=usb / ROOM).returncode == 0
    journal = usb / "handwheel-journal"
    before = {path.name: path.read_bytes() for path in journal.iterdir()}
    assert [line["kind"] for line in read_lines(next(journal.iterdir()))[0]] == ["declared", "started", "reading"]
    told = manual("--check-stick", str(usb))
    assert "files are as they were written" in told.stdout, "what was recorded is no change of the stick"
    assert (told.returncode, "! ON THIS STICK LIES AN OPEN PERIOD of 20" in told.stdout) == (1, True)
    done = manual("--state", published, "--make-stick", str(usb))
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in journal.iterdir()} == before
    assert sorted(path.name for path in usb.iterdir()) == [START, ROOM, "handwheel-journal"]
    resumed = python("handwheel-manual.pyz", "--plain", answers="y\nq\n", cwd=usb / ROOM)
    assert "Resumed: P-03-1" in resumed.stdout


def test_a_page_that_was_written_on_a_stick_to_be_printed_is_no_fault_of_it(usb):
    room = usb / ROOM
    for words, answers in ((("--print", "P-03", "--drill", "--site", "R"), ""),
                           (("--plain",), "l pump 2 is locked\nH\np\n2\n\nq\n")):  # fmt: skip
        done = python("handwheel-manual.pyz", *words, answers=answers, cwd=room, PATH="/nowhere")
        assert f"file: {usb}/handwheel-journal/now/" in done.stdout.replace("\n    ", ""), done.stdout
    (usb / "handwheel-journal" / "now" / "autorun.exe").write_text("x")
    told = manual("--check-stick", str(usb))
    faults = [line for line in told.stdout.splitlines() if line.startswith("!")]
    assert faults == ["! NOT OF THIS STICK: handwheel-journal/now/autorun.exe"]
    assert "written here to be printed: en_R_P-03_DRILL." in told.stdout
    assert "written here to be printed: F9_20" in told.stdout


FORGED = ('{"format":1,"n":1,"at":"2026-11-27T02:00:00.000Z","mono_s":9.0,"boot_id":"b","kind":"declared","role":'
          '"shift_lead","drill":false,"text":"all lost","sites":["R"]}\n')  # fmt: skip


def laid_there(usb, name="2026-11-27T020000Z.jsonl", text=FORGED):
    path = usb / "handwheel-journal" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_nobody_goes_on_in_a_period_that_lies_on_a_stick_before_they_were_asked(usb):
    path = laid_there(usb)
    for answers in ("", "q\n", "yes please\nq\n", "n\nq\n", "n\n2\n\nq\n"):
        done = python("handwheel-manual.pyz", "--plain", answers=answers, cwd=usb / ROOM)
        said = " ".join(done.stdout.split())
        assert "ON THIS STICK LIES AN OPEN PERIOD of 2026-11-27 0" in said
        assert ": 2026-11-27T020000Z, CONTROL LOST is declared (R), since " in said
        assert "by shift lead, 1 entries" in said
        assert (done.returncode, "MANUAL since" in done.stdout, path.read_text()) == (0, False, FORGED)
    listed = python("handwheel-manual.pyz", "--list", cwd=usb / ROOM)
    assert "! ON THIS STICK LIES AN OPEN PERIOD of 2026-11-27 0" in listed.stdout
    mine = python("handwheel-manual.pyz", "--plain", answers="y\nq\n", cwd=usb / ROOM)
    assert "MANUAL since" in mine.stdout
    assert path.read_text() == FORGED


def test_a_period_that_is_not_theirs_is_put_aside_by_a_role_with_a_reason_and_never_deleted(usb):
    path = laid_there(usb)
    answers = "n\n2\nof the exercise last year\nq\n"
    done = python("handwheel-manual.pyz", "--plain", answers=answers, cwd=usb / ROOM)
    assert "It was put aside as ended" in done.stdout
    assert "MANUAL since" not in done.stdout
    assert path.read_text().startswith(FORGED)
    _first, last = read_lines(path)[0]
    assert (last["kind"], last["role"], last["text"], last["drill"]) == (
        "closed", "shift_lead", "of the exercise last year", False)  # fmt: skip
    again = python("handwheel-manual.pyz", "--plain", answers="q\n", cwd=usb / ROOM)
    assert "OPEN PERIOD" not in again.stdout
    told = manual("--check-stick", str(usb))
    assert told.returncode == 0
    assert f"recorded: {path.name}, not known at home as far as can be told here" in told.stdout


def test_what_lies_in_the_journal_of_a_stick_is_looked_at(usb, published, tmp_path):
    path = laid_there(usb)
    told = manual("--check-stick", str(usb))
    assert told.returncode == 1
    assert "! ON THIS STICK LIES AN OPEN PERIOD of 2026-11-27 0" in told.stdout
    assert ": 2026-11-27T020000Z, CONTROL LOST is declared (R), since " in told.stdout
    path.unlink()
    laid_there(usb, "photo.exe")
    laid_there(usb, "2026-11-27T030000Z.jsonl", "no journal\n")
    (usb / "handwheel-journal" / "2026-11-27T040000Z.jsonl").symlink_to("/etc/hostname")
    told = manual("--check-stick", str(usb))
    assert told.returncode == 1
    for name in ("photo.exe", "2026-11-27T030000Z.jsonl"):
        assert f"! NOT OF THIS STICK: handwheel-journal/{name}\n" in told.stdout
    assert "2026-11-27T040000Z.jsonl: is a link, which is not followed" in told.stdout
    (usb / "handwheel-journal").rename(tmp_path / "elsewhere")
    (usb / "handwheel-journal").symlink_to(tmp_path / "elsewhere")
    told = manual("--check-stick", str(usb))
    assert (told.returncode, "! handwheel-journal: is a link" in told.stdout) == (1, True)


def test_a_period_that_the_ledger_knows_is_said_to_be_at_home(usb, tmp_path):
    path = laid_there(usb, text=FORGED + FORGED.replace('"n":1', '"n":2').replace("declared", "handed_back"))
    (tmp_path / "home" / "manual" / "facts").mkdir(parents=True)
    known = {"format": 1, "sha256": [hashlib.sha256(path.read_bytes()).hexdigest()]}
    (tmp_path / "home" / "manual" / "facts" / "periods.json").write_text(json.dumps(known))
    told = manual("--check-stick", str(usb), "--state", str(tmp_path / "home"))
    assert (told.returncode, f"recorded: {path.name}, known at home\n" in told.stdout) == (0, True)


def test_what_a_system_lays_onto_a_stick_is_no_fault_and_is_never_opened(usb, tmp_path):
    names = ["System Volume Information", "$RECYCLE.BIN", ".Trashes", ".Trash-1000", ".Spotlight-V100", ".fseventsd",
             "lost+found"]  # fmt: skip
    for name in names:
        (usb / name).mkdir()
        os.mkfifo(usb / name / "whoever opens this waits for ever")
    told = manual("--check-stick", str(usb))
    assert told.returncode == 0, told.stdout
    assert f"folders of a system, not looked into: {', '.join(sorted(names))}\n" in told.stdout
    for name, made in (("lost+found", "a link"), (".Trash-1000", "a file")):
        shutil.rmtree(usb / name)
        (usb / name).symlink_to(tmp_path) if made == "a link" else (usb / name).write_text("x")
        told = manual("--check-stick", str(usb))
        assert (told.returncode, f"! NOT OF THIS STICK: {name}\n" in told.stdout) == (1, True)
        (usb / name).unlink()
        (usb / name).mkdir()


@pytest.mark.parametrize(
    ("end", "said"), [("new", "was begun here and not finished"), ("old", "the stick before this one")]
)
def test_what_a_broken_making_left_is_named_as_what_it_is(usb, end, said):
    (usb / f"{ROOM}.{end}").mkdir()
    (usb / f"{ROOM}.{end}" / "handwheel-manual.pyz").write_text("anything")
    told = manual("--check-stick", str(usb))
    assert told.returncode == 1
    assert "files are as they were written" in told.stdout
    assert [line for line in told.stdout.splitlines() if line.startswith("!")] == [
        line for line in told.stdout.splitlines() if f"! {ROOM}.{end}: " in line and said in line and
        "the next --make-stick takes it away" in line]  # fmt: skip


@pytest.mark.drill
def test_what_a_laptop_recorded_is_brought_home_from_the_stick(usb, tmp_path):
    assert python("handwheel-manual.pyz", "--plain", answers=LOST + "l one\nq\n", cwd=usb / ROOM).returncode == 0
    config = configure(tmp_path / "config", 1502)
    told = python("-m", "monitor.cli", "import", "period", "--check", "--config", str(config), "--state",
                  str(MonitorState(tmp_path / "home").make().root), str(usb), cwd=ROOT)  # fmt: skip
    assert "2 entries" in told.stdout, told.stdout + told.stderr


@pytest.mark.parametrize("state_of", [("--state", ROOM), ()])
def test_on_a_stick_nothing_is_rendered_or_marked(usb, state_of):
    words = [str(usb / one) if one == ROOM else one for one in state_of]
    for act in (("--mark-printed",), *([("--render", str(usb / ROOM))] if words else [])):
        done = python(str(usb / ROOM / "handwheel-manual.pyz"), *words, *act)
        assert done.returncode == 2
        assert "this is a stick" in done.stderr
    assert manual("--check-stick", str(usb)).returncode == 0


@pytest.mark.drill
def test_a_stick_makes_a_stick(usb, tmp_path):
    (tmp_path / "second").mkdir()
    done = python("-S", str(usb / ROOM / "handwheel-manual.pyz"), "--make-stick", str(tmp_path / "second"))
    assert done.returncode == 0, done.stderr
    first, second = (one / ROOM / "handwheel-manual.pyz" for one in (usb, tmp_path / "second"))
    assert first.read_bytes() == second.read_bytes()
    assert manual("--check-stick", str(tmp_path / "second")).returncode == 0


def test_the_program_is_the_same_bytes_each_time_and_holds_all_that_it_needs(tmp_path):
    made = program()
    assert made == program()
    (tmp_path / "p.pyz").write_bytes(made)
    have = zipfile.ZipFile(tmp_path / "p.pyz").namelist()
    wanted = ("library/fr/P-18.txt", "page.typ", "locale/de/LC_MESSAGES/handwheel-manual.mo", "screen.py")
    assert {"__main__.py", *(f"fallback_procedures/{name}" for name in wanted)} <= set(have)
    assert not [name for name in have if "__pycache__" in name or name.endswith(".po")]


@pytest.mark.parametrize("word", ["de", *(pytest.param(word, marks=pytest.mark.drill) for word in ("en", "fr"))])
def test_the_program_needs_nothing_beside_it(tmp_path, word):
    (tmp_path / "alone.pyz").write_bytes(program())
    done = python("-I", "-S", "alone.pyz", "--list", "--lang", word, cwd=tmp_path, PYTHONIOENCODING="utf-8")
    assert done.returncode == 0, done.stderr
    title = {"en": "Manual round", "fr": "Tournée manuelle", "de": "Handrundgang"}[word]
    assert title in done.stdout or word != "en"
    assert len([line for line in done.stdout.splitlines() if line[2:3] in ("P", "F")]) == 30
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone.pyz"]


def test_the_program_is_found_by_a_way_round(tmp_path):
    (tmp_path / "usb").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "usb" / "alone.pyz").write_bytes(program())
    done = python("-I", "-S", "../usb/alone.pyz", "--show", "P-17", cwd=tmp_path / "empty")
    assert (done.returncode, "Manual round" in done.stdout) == (0, True)


def test_start_says_never_in_a_plant_pc_in_three_languages_and_reads_on_any_editor(usb):
    raw = (usb / START).read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.count(b"\n") == raw.count(b"\r\n")
    text = raw.decode("utf-8-sig")
    assert "{" not in text
    for never in ("NEVER put this stick into a PC of the plant", "NIE in einen PC der Anlage",
                  "Ne JAMAIS brancher cette clé sur un PC de l'installation"):  # fmt: skip
        assert never in " ".join(text.split())
    for line in sorted(set(re.findall(r"py(?:thon3)? (handwheel-manual\.pyz.*)", text))):
        done = python(*line.split(), "--list", cwd=usb / ROOM)
        assert done.returncode == 0, line
    for room in re.findall(r"handwheel/library/\w\w", text):
        assert (usb / room).is_dir()


# -- whole or not at all ---


@needs_mount
def test_a_stick_that_is_full_keeps_the_old_one_whole(usb, published, tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    needed = sum(path.stat().st_size + 4096 for path in usb.rglob("*") if path.is_file())
    with mounted(place, "-t", "tmpfs", "-o", f"size={needed * 3 // 2}", "tmpfs"):
        shutil.copytree(usb, place, dirs_exist_ok=True)
        before = (place / ROOM / SUMS).read_bytes()
        done = manual("--state", published, "--make-stick", str(place))
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert (place / ROOM / SUMS).read_bytes() == before
        assert not (place / f"{ROOM}.new").exists()
        assert manual("--check-stick", str(place)).returncode == 0


@needs_mount
def test_a_stick_that_cannot_be_written_is_read_and_worked_from_and_what_is_recorded_is_kept_in_memory(usb, tmp_path):
    place = tmp_path / "locked"
    place.mkdir()
    with mounted(place, "--bind", str(usb)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(place)], check=True, timeout=30)
        assert manual("--make-stick", str(place)).returncode == 2
        done = python("handwheel-manual.pyz", "--plain", answers=LOST + "l still here\nq\n", cwd=place / ROOM)
        assert "MEMORY ONLY" in done.stdout
        from fallback_procedures.journal import memory_folder

        folder = memory_folder(find(str(place / ROOM)).journal)
        kept = [read_lines(path)[0] for path in folder.glob("*.jsonl")]
        shutil.rmtree(folder)
        assert [line["kind"] for line in kept[0]] == ["declared", "note"]


@pytest.mark.drill
def test_a_stick_that_is_pulled_while_it_is_written_is_the_old_one_or_the_new_one(usb, published):
    old = (usb / ROOM / SUMS).read_bytes()
    command = [sys.executable, "-S", str(ROOT / "fallback_procedures"), "--state", published, "--make-stick",
               str(usb)]  # fmt: skip
    for wait_s in (0.0, 0.15):
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (usb / f"{ROOM}.new").exists() and running.poll() is None:
            time.sleep(0.002)
        time.sleep(wait_s)
        running.send_signal(signal.SIGKILL)
        running.wait()
        rooms = [one for one in (ROOM, f"{ROOM}.old") if (usb / one / SUMS).exists()]
        assert rooms
        if (usb / ROOM / SUMS).read_bytes() == old:
            assert "files are as they were written" in manual("--check-stick", str(usb / rooms[0])).stdout
    assert manual("--state", published, "--make-stick", str(usb)).returncode == 0
    assert sorted(path.name for path in usb.iterdir()) == [START, ROOM, "handwheel-journal"]


def test_a_stick_that_was_pulled_between_old_and_new_says_so_and_the_next_one_mends_it(usb, published):
    os.replace(usb / ROOM, usb / f"{ROOM}.old")
    told = manual("--check-stick", str(usb))
    assert told.returncode == 2
    assert "handwheel.old is whole" in told.stderr
    assert python("handwheel-manual.pyz", "--list", cwd=usb / f"{ROOM}.old").returncode == 0
    assert manual("--state", published, "--make-stick", str(usb)).returncode == 0
    assert not (usb / f"{ROOM}.old").exists()


def test_a_stick_says_when_the_binder_has_changed_since(usb, whole, state):
    same = manual("--check-stick", str(usb), "--state", str(whole[0] / "state"))
    assert "OUT OF DATE" not in same.stdout
    shutil.copytree(whole[0] / "state" / "manual" / "sheets", state.manual / "sheets", dirs_exist_ok=True)
    sheet = state.manual / "sheets" / "R.txt"
    sheet.write_text(sheet.read_text().replace("2.20 m", "2.30 m"))
    changed = manual("--check-stick", str(usb), "--state", str(state.root))
    assert "OUT OF DATE" in changed.stdout
