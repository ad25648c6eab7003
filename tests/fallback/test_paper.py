"""The binder: rendered ahead of time, told apart from the printed one, and pages that a person can trust."""

import io
import json
import os
import stat
from pathlib import Path

import pytest

from fallback_procedures.binder import Unprintable, fingerprint, mark_printed, print_one, render, sections, send, status
from fallback_procedures.library import SHIPPED, load
from fallback_procedures.paper import can_make_pdf, content, pdf, squares, text_pages
from fallback_procedures.place import Place
from fallback_procedures.procedure import parse
from fallback_procedures.sheet import Sheet, read_sheet
from fallback_procedures.triggers import moment
from fallback_procedures.words import use_language

from .conftest import SHEET

NOW_S = 1_795_400_000.0
pypdf = pytest.importorskip("pypdf")


@pytest.fixture
def place(state):
    return Place(state.manual)


def pages_of(raw: bytes):
    return pypdf.PdfReader(io.BytesIO(raw))


def test_a_page_says_what_it_is_how_old_it_is_and_when_it_expires():
    procedure = parse((SHIPPED / "en" / "P-03.txt").read_bytes())[0]
    page = content(procedure, read_sheet(SHEET), NOW_S)
    text = text_pages(page)[0]
    expected = (
        "R Riverside lift station",
        "P-03  Sewage lift station by hand",
        f"P-03 rev {procedure.revision} of {procedure.effective}",
        "page 1 of 3",
        "DRAFT: a plant expert must approve it before use",
        "2026-11-23T",
        "written copies expire on 2027-11-23",
        page["hash"][:8],
        "in limits Y/N",
        "0.60 .. 2.20 m",
    )
    for said in expected:
        assert said in text
    assert page["qr"] == f"HW:P-03:r{procedure.revision}:{procedure.effective}:{page['hash'][:8]}"
    assert "performed by (role, initials)" in text_pages(page)[-1]


def test_a_page_with_a_missing_safety_limit_says_do_not_use():
    page = content(parse((SHIPPED / "en" / "P-03.txt").read_bytes())[0], Sheet(), NOW_S)
    marked = ["SITE VALUE MISSING - DO NOT USE" in text for text in text_pages(page)]
    assert marked
    assert all(marked)


def test_the_hash_changes_with_the_text_and_with_a_site_value_and_with_nothing_else():
    procedure = parse((SHIPPED / "en" / "P-03.txt").read_bytes())[0]
    marks = {content(procedure, read_sheet(SHEET), when)["hash"] for when in (NOW_S, NOW_S + 86_400)}
    marks.add(content(procedure, read_sheet(SHEET + "\nphone_grid = 7\n"), NOW_S)["hash"])
    assert len(marks) == 1
    assert content(procedure, read_sheet(SHEET.replace("0.60", "0.61")), NOW_S)["hash"] not in marks


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_the_pdf_is_tagged_has_its_fonts_inside_and_counts_its_pages(language):
    pytest.importorskip("typst")
    use_language(language)
    library = load(None)
    entries = [library.get(name, language).procedure for name in [*library.ids(), *library.ids("F")]]
    pages = [content(one, read_sheet(SHEET), NOW_S, language) for one in entries]
    reader = pages_of(pdf("Binder", pages, NOW_S))
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert reader.trailer["/Root"]["/Lang"].startswith(language)
    text = [page.extract_text() for page in reader.pages]
    assert all(any(one["qr"] in page for page in text) for one in pages)
    for one in pages:
        mine = [page for page in text if one["qr"] in page]
        assert f"{one['page_word']} {len(mine)} {one['of_word']} {len(mine)}" in " ".join(mine[-1].split())
        if one["id"].startswith("F"):
            assert len(mine) == 1, one["id"]
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():
            kind = font.get_object()
            inner = kind["/DescendantFonts"][0].get_object() if "/DescendantFonts" in kind else kind
            descriptor = inner["/FontDescriptor"].get_object()
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor)
        assert round(float(page.mediabox.width)) == 595


def test_text_never_acts_as_markup():
    pytest.importorskip("typst")
    hostile = '#panic("x") *bold* @ref $x$ <label> \\ `raw` //comment'
    text = (
        (SHIPPED / "en" / "P-17.txt")
        .read_text()
        .replace("Record all readings with their times on", f"Record {hostile} on")
    )
    procedure, faults = parse(text)
    assert faults == ()
    told = " ".join(
        page.extract_text() for page in pages_of(pdf("x", [content(procedure, Sheet(), NOW_S)], NOW_S)).pages
    )
    assert '#panic("x") *bold* @ref $x$ <label>' in " ".join(told.split())


def test_the_same_content_gives_the_same_bytes():
    pytest.importorskip("typst")
    page = content(parse((SHIPPED / "en" / "F1.txt").read_bytes())[0], Sheet(), NOW_S)
    assert pdf("x", [page], NOW_S) == pdf("x", [page], NOW_S)


def test_the_code_identifies_the_page_offline():
    pytest.importorskip("segno")
    rows = squares("HW:P-03:r7:2026-09-02:9f2c41d0")
    assert len(rows) == len(rows[0]) >= 21
    assert set("".join(rows)) == {"0", "1"}


def test_the_binder_is_rendered_marked_as_printed_and_found_out_of_date(place, state):
    library = load(place.manual)
    assert status(place, library)["rendered"] is None
    with pytest.raises(Unprintable, match="--render"):
        mark_printed(place, "operator", NOW_S)
    record = render(place, library, NOW_S)
    assert record["fingerprint"] == fingerprint(sections(place, library))
    assert {row["language"] for row in record["sections"]} == {"en", "fr", "de"}
    mine = [row for row in record["sections"] if (row["id"], row["language"]) == ("P-03", "en")]
    assert mine[0]["missing"] == []
    for row in record["sections"]:
        assert (place.binder / f"{row['file']}.txt").is_file()
        assert (place.binder / f"{row['file']}.pdf").is_file() == record["pdf"]
    contents = (place.binder / "en" / "R" / "binder.txt").read_text()
    assert mine[0]["sha256"][:8] in contents
    assert not list(place.binder.rglob("*.part"))
    mark_printed(place, "shift_lead", NOW_S)
    told = status(place, library)
    assert (told["printed"], told["reprint"], told["printed_by"]) == (record["fingerprint"], [], "shift_lead")
    sheet = state.manual / "sheets" / "R.txt"
    sheet.write_text(sheet.read_text().replace("0.60 m", "0.70 m"))
    told = status(place, load(place.manual))
    assert told["printed"] != told["current"]
    both = [f"{language}/R/{name}" for language in ("de", "en", "fr") for name in ("P-03", "P-14")]
    assert told["reprint"] == both  # the two that name this level


def test_the_command_renders_and_tells_the_state(state, manual):
    done = manual("--render", str(state.root), bare=False)
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(manual("--state", str(state.root), "--binder-status", "--json").stdout)
    assert told["rendered"] == told["current"]
    assert told["printed"] is None
    assert manual("--state", str(state.root), "--mark-printed", "--role", "shift_lead").returncode == 0
    assert b"The printed binder is current." in manual("--state", str(state.root), "--binder-status").stdout


def test_without_typst_the_binder_is_text(state, manual):
    done = manual("--render", str(state.root))
    assert b"text pages only" in done.stdout
    assert not list((state.manual / "binder").rglob("*.pdf"))
    assert (state.manual / "binder" / "de" / "R" / "P-03.txt").is_file()


def test_a_page_that_is_asked_for_is_found_or_written(place):
    library = load(place.manual)
    told = print_one(place, library, "P-03", "", "en")
    assert told[0].startswith("file: ")
    assert "Sewage lift station" in Path(told[0][6:]).read_text()
    render(place, library, NOW_S)
    assert "/binder/en/R/P-03." in print_one(place, library, "P-03", "R", "en")[0]
    with pytest.raises(Unprintable, match="P-66"):
        print_one(place, library, "P-66", "", "en")


def fake(folder, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(
    ("lp", "lpstat", "told"),
    [
        ("echo request id is office-7 \\(1 file\\)", "exit 0", "printed: job office-7"),
        ("echo request id is office-7 \\(1 file\\)", "echo office-7 root 1024", "QUEUED, NOT PRINTED: job office-7"),
        ("echo The printer or class does not exist >&2; exit 1", "exit 0", "not printed (The printer or class"),
    ],
)
def test_a_print_job_is_followed_and_never_believed(tmp_path, monkeypatch, lp, lpstat, told):
    """Programs of these names stand in for a printer system; the real one belongs to the drills."""
    fake(tmp_path, "lp", lp)
    fake(tmp_path, "lpstat", lpstat)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert told in send(tmp_path / "lp", follow_s=1.0)[0]


def test_without_a_printer_system_the_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no printer system here" in send(tmp_path / "x")[0]


def test_every_page_of_a_simulated_plant_says_so_and_has_the_ledgers_head_as_verify_takes_it(place, state):
    state.publish(moment(), simulated=True)
    (state.manual / "facts").mkdir(exist_ok=True)
    (state.manual / "facts" / "ledger_head.txt").write_text(PUBLISHED)
    library = load(state.manual)
    mark = fingerprint(sections(place, library))
    record = render(place, library, 1_795_400_000.0)
    assert record["fingerprint"] == mark  # the head changes each minute, what the binder says does not
    assert record["simulated"]
    for text in (place.binder / "en" / "R").glob("*.txt"):
        for page in text.read_text().split("\f"):
            assert "SIMULATED" in page.split("\n")[0]
            assert f"ledger {HEAD}" in page.split("\n")[-2]
    if record["pdf"]:
        for page in pages_of((place.binder / "en" / "R" / "binder.pdf").read_bytes()).pages:
            assert "SIMULATED" in page.extract_text()
            assert f"ledger {HEAD}" in page.extract_text()
    state.publish(moment(), simulated=False)
    file = print_one(place, library, "P-03", "R", "en")[0]
    assert "now" in file
    assert "SIMULATED" not in Path(file.split(" ", 1)[1]).read_text()


def test_signatures_never_stand_on_a_page_without_a_step():
    library = load(None)
    for name in library.ids():
        procedure = library.get(name, "en").procedure
        page = content(procedure, library.sheet(""), 1_795_400_000.0)
        last = text_pages(page)[-1]
        assert f"( ) {procedure.steps[-1].number:>3}" in last or len(last.splitlines()) > 40, name
        if can_make_pdf():
            printed = pages_of(pdf("x", [page], 0.0)).pages[-1].extract_text()
            assert page["blocks"][-1]["text"][:20] in " ".join(printed.split()), name


HEAD = "12345:TBGS-2YVY-D34O-72BO"
PUBLISHED = "ledger entries  12345\nledger head     TBGS-2YVY-D34O-72BO\nat              2026-11-23T13:22:05.800Z\n"


@pytest.mark.parametrize(
    "told",
    [
        None,
        b"",
        b"\xff" * 99,
        PUBLISHED.replace("12345", "0").encode(),
        PUBLISHED.replace("TBGS", "#x[").encode(),
        b"ledger entries  0\nledger head     -\nat              2026-11-23T13:22:05.800Z\n",
    ],
)
def test_without_a_head_that_can_be_read_a_page_says_nothing_of_the_ledger(place, state, told):
    (state.manual / "facts").mkdir(exist_ok=True)
    if told is not None:
        (state.manual / "facts" / "ledger_head.txt").write_bytes(told)
    assert place.ledger == ""
    page = content(parse((SHIPPED / "en" / "F1.txt").read_bytes())[0], Sheet(), NOW_S, ledger=place.ledger)
    assert "ledger" not in text_pages(page)[0]
