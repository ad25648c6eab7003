"""The binder: rendered ahead of time, whole at every moment, told apart from the printed one, sheet by sheet."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fallback_procedures import binder as rendering
from fallback_procedures import copies, words
from fallback_procedures.binder import (
    ONCE,
    PRINTED,
    RECORD,
    RENEW_S,
    Unprintable,
    flatten,
    folder_of,
    record_of,
    render,
)
from fallback_procedures.copies import Wanted, print_one
from fallback_procedures.desk import desk
from fallback_procedures.library import SHIPPED, Library, load
from fallback_procedures.open_period import Refused
from fallback_procedures.page_acts import binder_state, open_typed
from fallback_procedures.paper import can_make_pdf
from fallback_procedures.place import Place
from fallback_procedures.seat import Seat
from fallback_procedures.sets import fingerprint, sections, sets
from fallback_procedures.shelf import identify, keep_standing, mark_printed, status, status_lines
from fallback_procedures.triggers import moment
from fallback_procedures.words import LANGUAGES, use_language

from .conftest import ROOT, SHEET

NOW_S = 1_795_400_000.0
MASTER = "SETPOINTS   site R  Riverside\nAPPROVED    shift_lead  2026-10-05\n-  start of pump 1 = 1.60 m\n"


@pytest.fixture
def place(state):
    return Place(state.manual)


IDS = ("P-00", "P-01", "P-03", "P-11", "P-14", "P-18", "F1", "F2", "F10", "F11")


def few(place: Place) -> Library:
    """The library with some of its files: enough for what is asked here."""
    library = load(place.manual)
    return replace(library, entries={key: one for key, one in library.entries.items() if key[0] in IDS})


@pytest.fixture
def text_only(monkeypatch):
    """Most of this needs no PDF, which takes seconds."""
    for module in (rendering, copies):
        monkeypatch.setattr(module, "can_make_pdf", lambda: False)


def marks(place: Place) -> dict[str, str]:
    return {f"{one['language']}/{one['site']}": one["mark"] for one in record_of(place)["sets"]}


def test_a_binder_has_a_set_per_station_and_language_with_contents_first_and_what_is_missing_last(place):
    pypdf = pytest.importorskip("pypdf")
    record = render(place, few(place), NOW_S, "letter")
    assert record["fingerprint"] == fingerprint(sections(place, few(place)))
    folder = folder_of(place)
    assert record["pdf"] == can_make_pdf()
    for row in record["sections"]:
        assert (folder / f"{row['file']}.txt").is_file()
        assert (folder / f"{row['file']}.pdf").is_file() == record["pdf"]
    text = (folder / "en" / "R" / "binder.txt").read_text()
    contents = text.split("\f")[0]
    titles = [page.splitlines()[1].split()[0] for page in text.split("\f")]
    order = list(dict.fromkeys(titles))
    assert order == ["Binder", "P-00", "F11", "P-01", "P-03", "P-14", "P-18", "F10", "F1", "F2", "What"]
    assert marks(place)["en/R"] in contents
    if record["pdf"]:
        reader = pypdf.PdfReader(io.BytesIO((folder / "en" / "R" / "binder.pdf").read_bytes()))
        assert round(float(reader.pages[0].mediabox.width)) == 612
        first = " ".join(reader.pages[0].extract_text().split())
        for row in record["sections"]:
            if row["file"].startswith("en/R/"):
                assert row["sha256"][:8] in first, row["id"]
    assert not list(place.binder.rglob("*.part"))
    assert not list(place.binder.glob(".new-*"))


def test_an_unreviewed_translation_stands_behind_the_sheet_that_holds(place, text_only):
    render(place, few(place), NOW_S)
    folder = folder_of(place)
    for language, stamp in (("de", "es gilt das Blatt davor (EN)"), ("fr", "la feuille qui précède fait foi (EN)")):
        pages = (folder / language / "R" / "P-03.txt").read_text().split("\f")
        english = [page for page in pages if "Sewage lift station by hand" in page]
        foreign = pages[len(english) :]
        assert english == pages[: len(english)] != []
        assert english == (folder / "en" / "R" / "P-03.txt").read_text().split("\f")
        assert foreign
        assert all(stamp in " ".join(page.split()) for page in foreign)


def test_a_translation_that_was_reviewed_stands_alone(place, state, text_only):
    (state.manual / "procedures").mkdir()
    text = (SHIPPED / "de" / "P-03.txt").read_text()
    date = re.search(r"REVISION +\d+ +(\S+)", text).group(1)
    (state.manual / "procedures" / "P-03.txt").write_text(
        text.replace("de   translation not yet reviewed", f"de   translation reviewed by engineer on {date}")
        .replace("STATUS     DRAFT", f"STATUS     APPROVED by engineer on {date}"))  # fmt: skip
    render(place, few(place), NOW_S)
    assert "Sewage lift station by hand" not in (folder_of(place) / "de" / "R" / "P-03.txt").read_text()
    french = (folder_of(place) / "fr" / "R" / "P-03.txt").read_text()
    assert "la feuille qui précède fait foi (DE)" in " ".join(french.split())


def test_what_did_not_change_is_taken_over_and_what_did_is_not(place, state, text_only):
    library = few(place)
    render(place, library, NOW_S)
    before = folder_of(place)
    render(place, library, NOW_S + 60)
    after = folder_of(place)
    assert after != before
    assert before.is_dir()  # somebody may be reading it
    assert (after / "en/R/P-03.txt").read_text() == (before / "en/R/P-03.txt").read_text()
    render(place, library, NOW_S + RENEW_S + 61)
    assert (folder_of(place) / "en/R/P-03.txt").read_text() != (before / "en/R/P-03.txt").read_text()
    sheet = state.manual / "sheets" / "R.txt"
    sheet.write_text(sheet.read_text() + "phone_manager = +44 7700 900299\n")
    render(place, few(place), NOW_S + RENEW_S + 62)
    assert "+44 7700 900299" in (folder_of(place) / "en/R/F11.txt").read_text()


def test_no_link_in_the_binder_leads_a_renderer_to_read_or_write_elsewhere(place, state, tmp_path, text_only):
    library = few(place)
    render(place, library, NOW_S)
    outside, secret = tmp_path / "outside", tmp_path / "secret.txt"
    outside.mkdir()
    secret.write_text("topsecret")
    (outside / "P-03.txt").write_text("topsecret")
    old = folder_of(place)
    for name in ("P-03.txt", "binder.html"):
        (old / "en/R" / name).unlink()
        (old / "en/R" / name).symlink_to(secret)
    shutil.rmtree(old / "de/R")
    (old / "de/R").symlink_to(outside)
    shutil.rmtree(old / "fr")
    (old / "fr").symlink_to(tmp_path)
    for name in (f".fingerprint.json.{os.getpid()}.part", "known.json"):
        (place.binder / name).unlink(missing_ok=True)
        (place.binder / name).symlink_to(secret)
    (place.binder / ".lock").unlink()
    (place.binder / ".lock").symlink_to(secret)
    with pytest.raises(Unprintable, match="cannot be written"):
        render(place, library, NOW_S + 60)
    (place.binder / ".lock").unlink()
    render(place, library, NOW_S + 60)
    new = folder_of(place)
    assert new not in (None, old)
    assert not [path for path in new.rglob("*") if path.is_symlink()]
    assert not [path for path in new.rglob("*") if path.is_file() and "topsecret" in path.read_text()]
    assert secret.read_text() == "topsecret"
    assert [path.name for path in outside.iterdir()] == ["P-03.txt"]


def test_a_record_that_names_folders_elsewhere_leads_nowhere(place, tmp_path, text_only):
    library = few(place)
    render(place, library, NOW_S)
    record, right = record_of(place), folder_of(place)
    for folder, of_set in (("..", "en/R"), (str(tmp_path), "en/R"), (right.name, "../../../../EVIL")):
        sets = [{**one, "folder": of_set} for one in record["sets"]]
        (place.binder / "fingerprint.json").write_text(json.dumps({**record, "folder": folder, "sets": sets}))
        assert folder_of(place) in (None, right)
        made = render(place, library, NOW_S + 60)
        assert {one["folder"] for one in made["sets"]} == {"en/R", "de/R", "fr/R"}
    assert not list(tmp_path.rglob("EVIL"))


@pytest.mark.parametrize("gone", ["moved away", "a link"])
def test_no_binder_is_rendered_where_manual_is_gone_or_the_binder_is_a_link(place, state, tmp_path, gone):
    library = few(place)
    (tmp_path / "outside").mkdir()
    if gone == "a link":
        place.binder.symlink_to(tmp_path / "outside")
    else:
        place.manual.rename(state.root / "away")
    with pytest.raises(Unprintable, match="cannot be written"):
        render(place, library, NOW_S)
    assert not list((tmp_path / "outside").iterdir())
    assert place.manual.exists() == (gone == "a link")


def test_a_rendering_that_fails_says_why_in_the_language_of_who_asked(place, state, text_only, monkeypatch):
    library = few(place)
    put = rendering._put

    def full(path, blob):
        if "fr" in path.parts:
            raise OSError(28, "No space left on device", str(path))
        put(path, blob)

    monkeypatch.setattr(rendering, "_put", full)
    with pytest.raises(Unprintable, match=re.escape("cannot be written (No space left on device)")):
        render(place, library, NOW_S)
    assert words.language() == "en"


def test_old_folders_go_and_the_one_that_counts_stays(place, text_only):
    library = few(place)
    render(place, library, NOW_S)
    old, left = folder_of(place), place.binder / ".new-1-left"
    left.mkdir()
    (place.binder / "ours").mkdir()
    for path in (old, left, place.binder / "ours"):
        os.utime(path, (1, 1))
    render(place, library, NOW_S + 60)
    assert not old.exists()
    assert not left.exists()
    assert (place.binder / "ours").is_dir()
    assert folder_of(place).is_dir()


def begun(binder: Path, pid: int, depth: int) -> bool:
    """Whether that renderer has written so deep."""
    with contextlib.suppress(OSError):  # it may finish while it is looked at
        return bool(list(binder.glob(f".new-{pid}-*" + "/*" * depth)))
    return False


def test_killed_at_any_moment_the_binder_that_counts_is_whole(place, state):
    """A renderer is killed again and again, sooner and later; what counts is each time one whole binder."""
    library = few(place)
    command = [sys.executable, "-S", str(ROOT / "fallback_procedures"), "--render", str(state.root)]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0
    first = record_of(place)["fingerprint"]
    sheet = state.manual / "sheets" / "R.txt"
    seen, killed = set(), 0
    for n in range(4):
        sheet.write_text(SHEET.replace("0.60 m", f"0.{61 + n} m"))
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not begun(place.binder, process.pid, n) and process.poll() is None:
            time.sleep(0.002)
        time.sleep(0.05 * (n // 2))
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        record, folder = record_of(place), folder_of(place)
        seen.add(record["fingerprint"])
        for row in record["sections"]:
            assert (folder / f"{row['file']}.txt").read_text().endswith("\n")
        for one in record["sets"]:
            assert one["mark"] in (folder / one["folder"] / "binder.txt").read_text()
            assert (folder / one["folder"] / "binder.html").read_text().endswith("</html>\n")
    assert first in seen
    assert killed
    assert render(place, library, time.time())["fingerprint"]  # no lock is left behind


def test_two_renderers_do_not_disturb_each_other(place, state):
    command = [sys.executable, "-S", str(ROOT / "fallback_procedures"), "--render", str(state.root)]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _n in range(2)]
    assert [process.communicate(timeout=60)[1] for process in both] == [b"", b""]
    record = record_of(place)
    assert all((folder_of(place) / f"{row['file']}.txt").is_file() for row in record["sections"])


def test_a_folder_that_refuses_says_so_in_one_line(place):
    place.binder.write_text("a file in the way")
    with pytest.raises(Unprintable, match="cannot be written"):
        render(place, few(place), NOW_S)


def test_the_last_page_says_what_is_missing(place, state, text_only):
    (state.manual / "sheets" / "R.txt").write_text(SHEET.replace("stop_level         = 0.60 m\n", ""))
    (state.manual / "procedures").mkdir()
    (state.manual / "procedures" / "P-01.txt").write_text("PROCEDURE  P-01  Broken\n")
    render(place, few(place), NOW_S)
    last = (folder_of(place) / "en" / "R" / "binder.txt").read_text().split("\f")
    page = " ".join(" ".join(part.split()) for part in last[-3:])
    assert "DO NOT USE: safety limits that this station has not given P-03 stop_level" in page
    assert "Not in this binder: the file has faults P-01 P-01.txt: line " in page
    assert "F10 there is no setpoint master list of this station; the form is blank" in page
    assert "Not approved (DRAFT) P-00" in page
    assert "P-11" in page  # for no station of this plant
    assert "Übersetzung noch nicht geprüft" in (folder_of(place) / "de" / "R" / "binder.txt").read_text()


# -- printed against current ---


def test_a_set_is_marked_by_what_stands_on_its_paper_and_a_later_rendering_is_not_claimed(place, state, text_only):
    library = few(place)
    assert status(place, library, NOW_S)["rendered"] is None
    with pytest.raises(Unprintable, match="--render"):
        mark_printed(place, ["1a2b3c4d"], "operator", NOW_S)
    record = render(place, library, NOW_S)
    paper = marks(place)["en/R"]  # printed now, and filed only after the next rendering
    sheet = state.manual / "sheets" / "R.txt"
    sheet.write_text(sheet.read_text().replace("0.60 m", "0.70 m"))
    library = few(place)
    render(place, library, NOW_S + 60)
    for wrong in ([], ["12345678"], ["../../x"], [paper, "12345678"]):
        with pytest.raises(Unprintable, match="fingerprint"):
            mark_printed(place, wrong, "shift_lead", NOW_S)
    mark_printed(place, [paper.upper()], "shift_lead", NOW_S + 70)
    told = status(place, library, NOW_S)
    assert told["printed"] not in (None, told["current"], record["fingerprint"])
    mine = next(one for one in told["sets"] if (one["site"], one["language"]) == ("R", "en"))
    assert (mine["state"], mine["printed"], mine["role"]) == ("out of date", paper, "shift_lead")
    assert told["reprint"] == mine["reprint"] == ["en/R/P-03", "en/R/P-14"]  # the two that name this level
    assert "REPRINT (3): contents page P-03 P-14" in "\n".join(status_lines(place, status(place, library, NOW_S)))
    mark_printed(place, [marks(place)["en/R"]], "shift_lead", NOW_S + 80)
    told = status(place, library, NOW_S)
    assert (told["printed"], told["reprint"]) == (told["current"], [])  # one language on each shelf is enough
    assert "The printed binder is current." in status_lines(place, status(place, library, NOW_S))


def test_a_station_is_covered_by_one_language_but_an_old_set_on_the_shelf_is_not_forgotten(place, state, text_only):
    (state.manual / "sheets" / "N.txt").write_text(SHEET.replace("site R   Riverside", "site N   Northgate"))
    library = few(place)
    render(place, library, NOW_S)
    mark_printed(place, [marks(place)["en/R"], marks(place)["de/R"]], "operator", NOW_S)
    assert status(place, library, NOW_S)["printed"] != status(place, library, NOW_S)["current"]  # nothing stands at N
    mark_printed(place, [marks(place)["fr/N"]], "operator", NOW_S)
    keep_standing(place, library, NOW_S)
    current = status(place, library, NOW_S)["current"]
    assert status(place, library, NOW_S)["printed"] == current
    assert json.loads((place.manual / PRINTED).read_text())["fingerprint"] == current
    (state.manual / "procedures").mkdir()
    text = (SHIPPED / "de" / "F2.txt").read_text()
    (state.manual / "procedures" / "F2.txt").write_text(text.replace("REVISION   1", "REVISION   2"))
    library = few(place)
    render(place, library, NOW_S + 60)
    keep_standing(place, library, NOW_S)
    told = status(place, library, NOW_S)
    assert told["printed"] != told["current"]
    assert told["reprint"] == ["de/R/F2"]
    assert json.loads((place.manual / PRINTED).read_text())["fingerprint"] == told["printed"]


def test_a_printed_record_that_is_damaged_counts_as_none(place, text_only):
    library = few(place)
    render(place, library, NOW_S)
    for raw in (b"", b"[]", b'{"sets": 3}', b'{"sets": {"en/R": {"sections": 1}}}', b"\xff", b"[" * 9999):
        (place.manual / PRINTED).parent.mkdir(exist_ok=True)
        (place.manual / PRINTED).write_bytes(raw)
        assert status(place, library, NOW_S)["current"]
        assert status_lines(place, status(place, library, NOW_S))
    (place.binder / "fingerprint.json").write_bytes(b'{"folder": "../..", "sets": 1, "sections": [1]}')
    assert folder_of(place) is None
    assert status(place, library, NOW_S)["render_again"]
    assert render(place, library, NOW_S + 9)["sections"]


def test_no_raw_byte_of_a_record_reaches_a_terminal(place, state, manual, text_only):
    state.publish(moment())
    render(place, load(place.manual), NOW_S)
    evil, mark = "\x1b[31m\x1b]0;t\x07\x9b2J\u202e", marks(place)["en/R"]
    mark_printed(place, [mark], "operator", NOW_S)
    for name in (RECORD, ONCE, PRINTED):
        path = place.manual / name
        told = json.loads(path.read_text())
        told.update({key: f"{told[key]}{evil}" for key in ("made", "at", "role", "fingerprint") if key in told})
        for one in (told.get("sets") or told).values() if name != RECORD else told["sets"]:
            one.update({"at": f"{evil}1", "mark": f"{evil}2", "site": f"R{evil}", "made": f"{evil}3"})
            if isinstance(one.get("sections"), dict):
                one["sections"][f"en/R/P-03{evil}"] = "x"
        path.write_text(json.dumps(told))
    told = b""
    for asked in (["--binder-status"], ["--binder-status", "--json"], ["--mark-printed", mark], ["--mark-printed", "x"],
                  ["--print", "BINDER"], ["--print", "P-03", "--site", "R"],
                  ["--identify", record_of(place)["sets"][0]["codes"][0]]):  # fmt: skip
        done = manual("--state", str(state.root), *asked)
        told += done.stdout + done.stderr
    seat = Seat(place, load(place.manual), desk(None, moment(), "operator", False))
    told += "\n".join(binder_state(seat, "")).encode()
    assert b"P-03" in told
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", told.decode())


# -- a sheet in the hand ---


def test_a_sheet_is_told_from_its_code(place, state, text_only):
    library = few(place)
    render(place, library, NOW_S)
    codes = next(one["codes"] for one in record_of(place)["sets"] if (one["site"], one["language"]) == ("R", "en"))
    assert {identify(place, library, code)[0] for code in codes} == {"current"}
    mine = next(code for code in codes if ":P-03:" in code)
    assert "en/R/P-03 Sewage lift station by hand" in identify(place, library, f" {mine}\n")[1]
    sheet = state.manual / "sheets" / "R.txt"
    sheet.write_text(sheet.read_text().replace("0.60 m", "0.70 m"))
    library = few(place)
    assert identify(place, library, mine)[0] == "out of date"
    assert identify(place, library, codes[0])[0] == "out of date"
    assert identify(place, library, mine[:-8] + "00000000")[0] == "unknown"
    assert identify(place, library, "HW:P-03:r0:2020-01-01:1a2b3c4d")[0] == "out of date"
    assert identify(place, library, "HW:P-77:r1:2020-01-01:1a2b3c4d")[0] == "unknown"
    for text in ("", "HW:", "https://example.org/HW:P-03:r7:2026-09-02:1a2b3c4d", mine + "x", "\x1b[2J", "x" * 9999):
        assert identify(place, library, text)[0] == "no code"


def test_the_command_renders_marks_and_identifies(state, manual):
    done = manual("--render", str(state.root))
    assert done.returncode == 0, done.stderr.decode()
    assert b"text pages only" in done.stdout  # a bare Python has no typst
    here = ("--state", str(state.root))
    told = json.loads(manual(*here, "--binder-status", "--json").stdout)
    assert told["rendered"] == told["current"]
    assert told["printed"] is None
    assert [(row["station"], row["word"]) for row in told["drills"]] == [("R", "never")]
    assert manual(*here, "--mark-printed").returncode == 2
    mark = next(one["current"] for one in told["sets"] if one["language"] == "de")
    done = manual(*here, "--mark-printed", mark, "--role", "shift_lead")
    assert b"The printed binder is current." in done.stdout
    code = record_of(Place(state.manual))["sets"][0]["codes"][1]
    assert manual(*here, "--identify", code).stdout.startswith(b"CURRENT: ")
    done = manual(*here, "--identify", "HW:P-03:r7:2026-09-02:1a2b3c4d", "--json")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (1, "unknown")
    assert manual(*here, "--identify", "nothing").returncode == 2


# -- one page ---


def test_a_rendered_page_that_was_changed_is_never_printed_as_current_nor_taken_over(place, monkeypatch, text_only):
    monkeypatch.setenv("PATH", str(place.manual))
    library = few(place)
    render(place, library, NOW_S)
    before = folder_of(place)
    for name in ("P-03.txt", "binder.txt"):
        path = before / "en/R" / name
        path.write_text(path.read_text().replace("2.20 m", "9.99 m"))
    said = print_one(place, library, "P-03", "R", "en").lines
    assert said[0] == f"file: {place.now / 'en_R_P-03.txt'}"
    assert said[1] == f"{before / 'en/R/P-03.txt'}: is not as it was rendered; this page was written now"
    assert "9.99" not in (place.now / "en_R_P-03.txt").read_text()
    with pytest.raises(Unprintable, match=r"binder\.txt: is not as it was rendered"):
        print_one(place, library, "BINDER", "R", "en")
    assert print_one(place, library, "BINDER", "R", "de").lines[0] == f"file: {before}/de/R/binder.txt"
    render(place, library, NOW_S + 60)
    for name in ("P-03.txt", "binder.txt"):
        assert "9.99 m" not in (folder_of(place) / "en/R" / name).read_text()
    assert print_one(place, library, "BINDER", "R", "en").word == "none"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("whose", ["another user's", "writable by the group"])
def test_a_record_that_somebody_else_may_have_written_is_not_believed(place, text_only, whose):
    render(place, few(place), NOW_S)
    record = place.binder / "fingerprint.json"
    assert record_of(place)["files"]
    if whose == "another user's":
        os.chown(record, 65534, -1)
    else:
        record.chmod(0o664)
    assert (record_of(place), folder_of(place)) == ({}, None)
    assert status(place, few(place), NOW_S)["rendered"] is None


def test_a_page_that_is_asked_for_is_found_or_written(place, monkeypatch, text_only):
    monkeypatch.setenv("PATH", str(place.manual))
    library = few(place)
    told = print_one(place, library, "P-03", "", "en").lines
    assert told[0].startswith("file: ")
    assert "Sewage lift station" in Path(told[0][6:]).read_text()
    render(place, library, NOW_S)
    path = Path(print_one(place, library, "P-03", "R", "en").lines[0][6:])
    assert path == folder_of(place) / "en/R/P-03.txt"
    with pytest.raises(Unprintable, match="P-66"):
        print_one(place, library, "P-66", "", "en")
    drill = Path(print_one(place, library, "P-03", "R", "en", Wanted(drill=True)).lines[0][6:])
    assert all(line.endswith("DRILL") for line in drill.read_text().replace("\f", "").splitlines())
    assert "DRILL" not in path.read_text()
    told = print_one(place, library, "BINDER", "R", "de").lines
    assert told[0] == f"file: {folder_of(place)}/de/R/binder.txt"
    assert marks(place)["de/R"] in told[-1]


def test_a_page_of_a_simulated_plant_is_not_handed_out_for_a_real_one(place, state, monkeypatch, text_only):
    monkeypatch.setenv("PATH", str(place.manual))
    state.publish(moment(), simulated=True)
    library = few(place)
    record = render(place, library, NOW_S)
    assert record["simulated"]
    assert all("SIMULATED" in page.split("\n")[0] for path in (folder_of(place) / "en" / "R").glob("*.txt")
               for page in path.read_text().split("\f"))  # fmt: skip
    state.publish(moment(), simulated=False)
    file = print_one(place, library, "P-03", "R", "en").lines[0]
    assert "/now/" in file
    assert "SIMULATED" not in Path(file[6:]).read_text()


def test_a_device_gets_the_text_of_a_page(place, tmp_path, text_only):
    os.mkfifo(tmp_path / "lp0")
    reader = os.open(tmp_path / "lp0", os.O_RDONLY | os.O_NONBLOCK)
    how = Wanted(device=str(tmp_path / "lp0"), encoding="latin-1", width=42)
    assert print_one(place, few(place), "F2", "R", "fr", how).word == "sent"
    told = os.read(reader, 60_000).decode("latin-1")
    os.close(reader)
    assert told.count("\f") == 2  # the sheet that holds, and its translation
    assert max(len(line) for line in told.replace("\f", "").split("\r\n")) <= 42
    assert "Relevé des appels" in told or "appels" in told


def test_a_master_list_stands_in_the_set_and_its_approval_is_part_of_the_mark(place, state, text_only):
    (state.manual / "setpoints").mkdir()
    path = state.manual / "setpoints" / "R.txt"
    path.write_text(MASTER)
    library = few(place)
    render(place, library, NOW_S)
    before, text = marks(place), (folder_of(place) / "en" / "R" / "F10.txt").read_text()
    assert "start of pump 1" in text
    assert "NOT A MASTER" not in text
    path.write_text(MASTER.replace("APPROVED    shift_lead  2026-10-05\n", ""))
    render(place, library, NOW_S + 1)
    assert "NOT A MASTER" in (folder_of(place) / "en" / "R" / "F10.txt").read_text()
    assert all(marks(place)[name] != mark for name, mark in before.items() if name.endswith("/R"))


def test_a_flat_binder_is_one_that_a_person_finds(place, text_only):
    render(place, few(place), NOW_S)
    flatten(place)
    assert folder_of(place) == place.binder / "."
    assert (place.binder / "en" / "R" / "binder.txt").is_file()
    assert (place.binder / "index.html").is_file()
    assert len(sets(sections(place, few(place)))) == len(record_of(place)["sets"])


def test_the_keys_b_and_a_say_of_paper_what_the_command_line_says_in_every_language(state, manual):
    state.publish(moment())
    manual("--state", str(state.root), "--render", str(state.root))
    known = json.loads((state.manual / "binder" / "known.json").read_text())
    manual("--state", str(state.root), "--mark-printed", *known)
    for spoken in LANGUAGES:
        use_language(spoken)
        seat = Seat(Place(state.manual), load(state.manual, (spoken,)), desk(None, moment(), "operator", False))
        told = binder_state(seat, "")
        if spoken == "de":
            done = manual("--state", str(state.root), "--lang", "de", "--binder-status")
            assert told == done.stdout.decode().splitlines()
        assert not [line for line in told if "F11" in line], "nothing is to be printed again"
    code = next(one for row in known.values() for one in row["codes"] if one.startswith("HW:P-03:"))
    use_language("en")
    for typed in (code, code.upper()):
        with pytest.raises(StopIteration) as end:
            next(open_typed(seat, typed))
        assert end.value.value[0].startswith("CURRENT: ")
    with pytest.raises(Refused, match="no code of a sheet"):
        next(open_typed(seat, "HW:P-03"))
    seat.chosen = [("P-00", "")] * 11 + [("P-03", "R")]
    with pytest.raises(StopIteration):
        next(open_typed(seat, "12"))
    assert seat.opened == ("P-03", "R")


def test_a_page_that_each_site_has_of_its_own_is_not_printed_without_a_site(state, manual):
    state.publish(moment())
    done = manual("--state", str(state.root), "--print", "P-05")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().splitlines() == ["handwheel-manual: which station? --site takes one of: N H"]
    done = manual("--state", str(state.root), "--print", "P-05", "--site", "X")
    assert done.returncode == 2
    assert b"there is no site X; sites are N H R" in done.stderr
