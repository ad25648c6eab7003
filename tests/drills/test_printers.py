"""A real printer system: the whole binder through CUPS into PDF, each page counted; queues and servers that fail."""

import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from fallback_procedures.binder import folder_of, record_of, render
from fallback_procedures.copies import Wanted, print_one
from fallback_procedures.library import load
from fallback_procedures.place import Place
from fallback_procedures.printing import FOLLOW_S, send
from tests.fallback import cups

pypdf = pytest.importorskip("pypdf")
pytest.importorskip("typst")
pytestmark = pytest.mark.drill
PAGE = re.compile(r'<page width="([\d.]+)" height="([\d.]+)">(.*?)</page>', re.DOTALL)
WORD = re.compile(r'xMin="([-\d.]+)" yMin="([-\d.]+)" xMax="([-\d.]+)" yMax="([-\d.]+)">')
EXAMPLE = Path(__file__).parents[2] / "config" / "example"


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


@pytest.fixture(scope="module", params=["a4", "letter"])
def place(request, tmp_path_factory) -> Place:
    """The binder of the example plant: three stations, three languages."""
    manual = tmp_path_factory.mktemp("state") / "manual"
    for name in ("sheets", "setpoints"):
        (manual / name).mkdir(parents=True)
        for path in (EXAMPLE / name).glob("*.txt"):
            (manual / name / path.name).write_bytes(path.read_bytes())
    place = Place(manual)
    render(place, load(manual), time.time(), request.param)
    return place


@pytest.fixture
def papers(system):
    """The queue of cups-pdf, and what came out of it; its folder is the home's, so only what is new is looked at."""
    if not cups.CUPS_PDF.exists():
        pytest.skip("printer-driver-cups-pdf is not installed")
    system.tell("lpadmin", "-p", "paper", "-v", "cups-pdf:/", "-P", str(cups.CUPS_PDF), "-E")
    folder = Path.home() / "PDF"
    there = folder.is_dir()
    before = set(folder.glob("*"))
    yield lambda: sorted(set(folder.glob("*.pdf")) - before)
    for path in set(folder.glob("*")) - before:
        path.unlink()
    if not there and folder.is_dir():
        folder.rmdir()


def pages(path: Path) -> int:
    return len(pypdf.PdfReader(path).pages)


def test_the_whole_binder_is_printed_and_every_page_comes_out(place, papers, tell):
    """Nine sets; a set counts as printed only when its job is done, and then all its pages are there."""
    sets = record_of(place)["sets"]
    assert len(sets) == 9
    total = 0
    for one in sets:
        wanted = folder_of(place) / one["folder"] / "binder.pdf"
        known = set(papers())
        told = send(wanted, "paper", record_of(place)["paper"], follow_s=180.0)
        assert told.word == "printed", told.lines
        deadline = time.monotonic() + 60
        while not (new := set(papers()) - known) and time.monotonic() < deadline:
            time.sleep(0.1)
        (printed,) = new
        assert pages(printed) == pages(wanted)
        total += pages(wanted)
        first = pypdf.PdfReader(printed).pages[0]
        width = {"a4": 595, "letter": 612}[record_of(place)["paper"]]
        assert abs(float(first.mediabox.width) - width) < 2
    tell(f"{record_of(place)['paper']}: {total} pages printed and counted")


def test_text_pages_come_out_whole_on_one_sheet_each(place, papers):
    """80 columns and 60 lines fit the sheet: each page of text is one page of paper."""
    path = folder_of(place) / "en" / "N" / "P-12.txt"
    told = send(path, "paper", record_of(place)["paper"])
    assert told.word == "printed", told.lines
    (printed,) = papers()
    reader = pypdf.PdfReader(printed)
    assert len(reader.pages) == path.read_text().count("\f") + 1
    box = reader.pages[0].mediabox
    for page in reader.pages:
        rows: list[tuple[float, float]] = []
        page.extract_text(visitor_text=lambda text, cm, tm, font, size, rows=rows: rows.append((tm[4], tm[5])))
        assert all(0 <= x <= float(box.width) and 0 <= y <= float(box.height) for x, y in rows)


def test_no_word_lies_on_another_or_outside_its_page(place, tell):
    """All words of all sets, as boxes; what runs across the page (DRAFT) is meant to lie behind the others."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    count, wrong = 0, []
    for one in record_of(place)["sets"]:
        path = folder_of(place) / one["folder"] / "binder.pdf"
        told = subprocess.run(["pdftotext", "-bbox", path, "-"], capture_output=True, check=True, timeout=120).stdout
        for number, page in enumerate(PAGE.findall(told.decode()), 1):
            count += 1
            width, height = float(page[0]), float(page[1])
            words = sorted((tuple(map(float, found[:4])) for found in WORD.findall(page[2])), key=lambda box: box[1])
            words = [box for box in words if box[3] - box[1] < 30]
            wrong += [(one["folder"], number, box) for box in words
                      if min(box[0], box[1]) < 8 or box[2] > width - 8 or box[3] > height - 8]  # fmt: skip
            for at, first in enumerate(words):
                for second in words[at + 1 :]:
                    if second[1] > first[3]:
                        break
                    across = min(first[2], second[2]) - max(first[0], second[0])
                    down = min(first[3], second[3]) - second[1]
                    if across > 1.5 and down > 0.45 * min(first[3] - first[1], second[3] - second[1]):
                        wrong.append((one["folder"], number, first, second))
    assert not wrong, wrong[:5]
    tell(f"{record_of(place)['paper']}: {count} pages, no word on another")


def test_a_queue_that_is_disabled_while_the_binder_prints_is_said(place, system):
    system.queue("held", "sleep 5; cat >/dev/null")
    system.tell("cupsdisable", "-r", "paper jam", "held")
    told = print_one(place, load(place.manual), "P-03", "R", "en", Wanted(printer="held"))
    assert told.word == "queued"
    assert "paper jam" in " ".join(told.lines)


def test_a_printer_system_that_is_killed_while_it_prints_is_said(place, monkeypatch):
    """Nobody may call that printed; and the program does not wait for ever."""
    if why := cups.missing():
        pytest.skip(why)
    own = cups.start()
    monkeypatch.setenv("CUPS_SERVER", own.server)
    own.queue("slow", "sleep 60")
    found = []
    began = time.monotonic()
    follow = threading.Thread(target=lambda: found.append(send(folder_of(place) / "en" / "R" / "P-03.pdf", "slow")))
    follow.start()
    while "slow-" not in own.tell("lpstat", "-o"):
        time.sleep(0.05)
    own.kill()
    follow.join(FOLLOW_S * 3)
    assert found[0].word == "queued"
    assert "the printer system no longer answers" in found[0].lines[0]
    assert time.monotonic() - began < FOLLOW_S * 3
    own.stop()
