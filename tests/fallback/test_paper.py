"""Pages that a person can trust: what each says, how it breaks, and that the PDF holds what the text holds."""

import io
import re

import pytest

from fallback_procedures.library import SHIPPED, load
from fallback_procedures.paper import can_make_pdf, code_drawing, content, pdf
from fallback_procedures.place import Place
from fallback_procedures.procedure import parse
from fallback_procedures.sheet import Sheet, read_sheet
from fallback_procedures.textpage import strip, text_pages
from fallback_procedures.words import use_language

from .conftest import SHEET

NOW_S = 1_795_400_000.0
pypdf = pytest.importorskip("pypdf")


def shipped(name: str, language: str = "en"):
    return load(None, (language,)).get(name, language).procedure


def pages_of(raw: bytes):
    return pypdf.PdfReader(io.BytesIO(raw))


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_page_says_what_it_is_how_old_it_is_and_when_it_expires():
    page = content(shipped("P-03"), read_sheet(SHEET), NOW_S)
    text = text_pages(page)
    expected = (
        "R Riverside lift station",
        "P-03  Sewage lift station by hand",
        page["header"],
        f"page 1 of {len(text)}",
        "DRAFT",
        "printed 2026-11-23T02:13:20Z (2026-11-23 ",
        "written copies expire on 2027-11-23",
        page["hash"][:8],
        page["qr"],
    )
    for said in expected:
        assert said in text[0]
    for number, one in enumerate(text, 1):
        for said in (page["station"], page["title"], page["header"], page["qr"], page["hash"][:8], page["printed"],
                     page["expires"], f"page {number} of {len(text)}"):  # fmt: skip
            assert said in one
    assert "DRAFT: a plant expert must approve it before use" in text[0]
    assert "in limits Y/N" in text[0]
    assert page["qr"] == f"HW:P-03:r{shipped('P-03').revision}:{shipped('P-03').effective}:{page['hash'][:8]}"
    assert "performed by (role, initials)" in text[-1]


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_a_page_with_a_missing_safety_limit_says_do_not_use_on_every_page(language):
    use_language(language)
    page = content(shipped("P-03", language), Sheet(), NOW_S, language)
    assert page["stamps"][0]["kind"] == "stop"
    told = page["stamps"][0]["text"]
    assert all(told in text for text in text_pages(page))
    if can_make_pdf():
        for sheet in pages_of(pdf("x", [page], NOW_S)).pages:
            assert words(told) in words(sheet.extract_text())
            assert page["across"] in words(sheet.extract_text())


def test_the_hash_changes_with_the_text_and_with_a_site_value_and_with_nothing_else():
    procedure = shipped("P-03")
    marks = {content(procedure, read_sheet(SHEET), when)["hash"] for when in (NOW_S, NOW_S + 86_400)}
    marks.add(content(procedure, read_sheet(SHEET + "\nphone_grid = 7\n"), NOW_S)["hash"])
    marks.add(content(procedure, read_sheet(SHEET), NOW_S, simulated=True, drill=True)["hash"])
    assert len(marks) == 1
    assert content(procedure, read_sheet(SHEET.replace("0.60", "0.61")), NOW_S)["hash"] not in marks


def whole(language: str):
    library = load(None)
    entries = [library.get(name, language).procedure for name in [*library.ids(), *library.ids("F")]]
    return [
        content(one, read_sheet(SHEET), NOW_S, language, beside="en" if language == "de" else "") for one in entries
    ]


@pytest.mark.parametrize(("language", "paper"), [("en", "a4"), ("fr", "letter"), ("de", "a4")])
def test_the_pdf_of_the_library_is_tagged_whole_and_says_all_that_the_content_says(language, paper):
    """Fonts inside, tags, title and language; head and foot on each page; each word of the content on its pages."""
    pytest.importorskip("typst")
    use_language(language)
    pages = whole(language)
    reader = pages_of(pdf("Binder", pages, NOW_S, paper))
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert reader.trailer["/Root"]["/Lang"].startswith(language)
    assert reader.metadata.title == "Binder"
    text = [words(page.extract_text()) for page in reader.pages]
    for page in reader.pages:
        assert tuple(round(float(side)) for side in page.mediabox[2:]) == ((595, 842) if paper == "a4" else (612, 792))
        for font in page["/Resources"]["/Font"].values():
            kind = font.get_object()
            inner = kind["/DescendantFonts"][0].get_object() if "/DescendantFonts" in kind else kind
            descriptor = inner["/FontDescriptor"].get_object()
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor)
    for one in pages:
        mine = [page for page in text if one["qr"] in page]
        for number, page in enumerate(mine, 1):
            for said in (one["station"], one["title"], one["header"], one["printed"], one["hash"][:8], one["expires"],
                         f"{one['page_word']} {number} {one['of_word']} {len(mine)}"):  # fmt: skip
                assert words(said) in page, (one["id"], number, said)
        told = "".join(mine).replace(" ", "")  # a line breaks inside mL/min
        for step in one["blocks"]:
            parts = [step["text"], *(one["text"] for one in step["notices"]), *(one[0] for one in step["holds"])]
            parts += [*step["second"][:1], *(text for _word, text in step["said"])]
            parts += [part for one in step["readings"] for part in (one["name"], one["limits"])]
            for said in parts:
                for word in said.split():
                    assert word in told, (one["id"], step["number"], word)
        if one["id"].startswith("F"):
            assert len(mine) == 1, one["id"]
        else:  # no page of signatures alone
            assert words(one["blocks"][-1]["text"])[:20] in mine[-1], one["id"]
            assert one["sign"][0] in mine[-1]


def test_page_zero_is_one_page():
    pytest.importorskip("typst")
    assert len(pages_of(pdf("x", [content(shipped("P-00"), read_sheet(SHEET), NOW_S)], NOW_S)).pages) == 1


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
    page = content(shipped("F1"), Sheet(), NOW_S)
    assert pdf("x", [page], NOW_S) == pdf("x", [page], NOW_S)


def test_the_code_is_drawn_and_is_the_same_each_time():
    pytest.importorskip("segno")
    drawn = code_drawing("HW:P-03:r7:2026-09-02:9f2c41d0")
    assert drawn.startswith("<svg ")
    assert drawn.count("h1v1h-1z") > 200
    assert drawn == code_drawing("HW:P-03:r7:2026-09-02:9f2c41d0") != code_drawing("HW:P-03:r7:2026-09-02:9f2c41d1")


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_in_a_drill_every_line_says_so_and_no_line_is_wider_for_it(language):
    use_language(language)
    for name in ("P-03", "F1", "F7"):
        page = content(shipped(name, language), read_sheet(SHEET), NOW_S, drill=True)
        for text in text_pages(page):
            for line in text.splitlines():
                assert line.endswith(page["drill"])
                assert len(line) <= 80
        if can_make_pdf():
            for sheet in pages_of(pdf("x", [page], NOW_S)).pages:
                assert sheet.extract_text().count(page["drill"]) > 100


@pytest.mark.parametrize("width", [32, 42, 60, 80])
def test_no_line_is_wider_than_the_printer_and_no_word_is_lost(width):
    library = load(None, ("en",))
    for name in [*library.ids(), *library.ids("F")]:
        page = content(library.get(name, "en").procedure, read_sheet(SHEET), NOW_S)
        text = "".join(text_pages(page)) if width == 80 else strip(page, width)
        assert max(len(line) for line in text.splitlines()) <= width, name
        told = words(text)
        for step in page["blocks"]:
            for word in [*step["text"].split(), *(part for one in step["notices"] for part in one["text"].split())]:
                assert word in told or len(word) > width, (name, word)
        if width == 80:
            assert all(len(sheet.splitlines()) <= 60 for sheet in text_pages(page))


def test_a_grid_becomes_rows_to_fill_in_on_a_narrow_printer():
    told = strip(content(shipped("F1"), Sheet(), NOW_S), 32)
    assert re.search(r"-- 1 -+\n\nTime _+\n\nReading or act _+\n\nValue _+", told)
    assert "-+-" not in told
    assert "Thermal paper fades" in told


def test_a_warning_and_its_step_are_never_parted():
    """On paper the step's first words stand on the page of its last warning."""
    pytest.importorskip("typst")
    for name in ("P-03", "P-08", "P-12"):
        page = content(shipped(name), read_sheet(SHEET), NOW_S)
        sheets = [words(one.extract_text()) for one in pages_of(pdf("x", [page], NOW_S)).pages]
        for sides in (sheets, [words(one) for one in text_pages(page)]):
            for step in page["blocks"]:
                for notice in step["notices"]:
                    together = [side for side in sides if words(notice["text"])[-25:] in side]
                    assert any(words(step["text"])[:25] in side for side in together), (name, step["number"])


def test_signatures_never_stand_on_a_page_without_a_step():
    library = load(None)
    for name in library.ids():
        procedure = library.get(name, "en").procedure
        page = content(procedure, library.sheet(""), NOW_S)
        last = text_pages(page)[-1]
        assert f"( ) {procedure.steps[-1].number:>3}" in last or len(last.splitlines()) > 40, name


def test_a_step_longer_than_a_page_is_cut_over_pages_and_nothing_of_it_is_lost():
    pytest.importorskip("typst")
    readings = "".join(f"       Reading: gauge number {n} ________ bar   limits 1 to 2\n" for n in range(1, 70))
    text = (SHIPPED / "en" / "P-17.txt").read_text()
    procedure, faults = parse(re.sub(r"(?m)^(\[ \] 3 .*\n)", lambda found: found.group(1) + readings, text))
    assert faults == ()
    page = content(procedure, Sheet(), NOW_S)
    for told in (
        words(" ".join(one.extract_text() for one in pages_of(pdf("x", [page], NOW_S)).pages)),
        words("".join(text_pages(page))),
    ):
        for n in range(1, 70):
            assert f"gauge number {n} " in told


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
def test_without_a_head_that_can_be_read_a_page_says_nothing_of_the_ledger(state, told):
    place = Place(state.manual)
    (state.manual / "facts").mkdir(exist_ok=True)
    if told is not None:
        (state.manual / "facts" / "ledger_head.txt").write_bytes(told)
    assert place.ledger == ""
    assert "ledger" not in text_pages(content(shipped("F1"), Sheet(), NOW_S, ledger=place.ledger))[0]


def test_a_page_bears_the_ledgers_head_and_says_that_a_plant_is_simulated(state):
    (state.manual / "facts").mkdir(exist_ok=True)
    (state.manual / "facts" / "ledger_head.txt").write_text(PUBLISHED)
    page = content(shipped("P-03"), read_sheet(SHEET), NOW_S, simulated=True, ledger=Place(state.manual).ledger)
    for text in text_pages(page):
        assert "SIMULATED" in text.split("\n")[0]
        assert f"ledger {HEAD}" in text.split("\n")[-2]
    if can_make_pdf():
        for sheet in pages_of(pdf("x", [page], NOW_S)).pages:
            assert "SIMULATED" in sheet.extract_text()
            assert f"ledger {HEAD}" in sheet.extract_text()
