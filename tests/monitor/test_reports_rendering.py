"""One Document, four renderings: they say the same, hostile text stays text, and equal data make equal bytes."""

import csv
import io
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from monitor.reports.document import Document, Numbers, Paragraph, Plot, Section, Signatures, Table, write_report
from monitor.reports.drawing import LINES, Frame, counts, linear, thinned
from monitor.reports.page import render_html
from monitor.reports.pdf import render_pdf
from monitor.reports.sheet import render_csv
from monitor.reports.text import render_text

HOSTILE = '<script>alert(1)</script> #eval("x") *b* $x$ =HYPERLINK("http://evil") \\u{1F600}'


def document(text="plain words", rows=(("pump1", 3, 0.5), ("pump2", None, -3.2))):
    svg = Frame(linear("wear at removal [%]", 0, 160), counts("findings", 2)).svg("wear", "one beyond the limit")
    return Document(
        title="Vendor comparison",
        subtitle=text,
        meta=(("period", "2026-01-01 to 2026-06-30"), ("ledger", "C5VN-WNM5-EYSZ-VAXX, 12 entries")),
        sections=(
            Section(
                "Answer",
                (
                    Numbers((("asked", "27", "vendor alerts"), ("confirmed", "3 of 12 (25 %)", "10 to 48 %"))),
                    Paragraph(text),
                    Paragraph(text, "note"),
                    Paragraph(text, "warning"),
                    Table("cases", ("asset", "asked", "share"), rows, text),
                    Plot("wear", svg, text, "three findings, one beyond the limit"),
                    Signatures(("shift_lead", "auditor")),
                ),
            ),
            Section("Annex", (Table("empty", ("nothing",), ()),), new_page=True),
        ),
        simulated=True,
    )


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_text_has_no_line_over_80_columns_and_says_simulated():
    text = render_text(document("word " * 60))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "SIMULATED" in text
    assert "confirmed: 3 of 12 (25 %)" in text
    assert "(none)" in text


@given(
    st.lists(st.lists(st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=60)), min_size=4, max_size=4))
)
def test_any_table_fits_80_columns(rows):
    table = Table("t", ("one", "two", "three", "a rather long heading"), tuple(tuple(row) for row in rows))
    whole = Document("t", "", (), (Section("s", (table,)),))
    assert max(len(line) for line in render_text(whole).splitlines()) <= 80


def test_html_runs_nothing_and_fetches_nothing_whatever_a_vendor_writes():
    page = render_html(document(HOSTILE, ((HOSTILE, 1, 2.0),)))
    tags = Tags()
    tags.feed(page)
    assert {tag for tag, _ in tags.found} & {"script", "iframe", "object", "link", "svg", "a", "form"} == set()
    assert all(attrs["src"].startswith("data:image/svg+xml;base64,") for tag, attrs in tags.found if tag == "img")
    assert HOSTILE in tags.text
    assert "default-src 'none'" in page


def test_pdf_is_tagged_with_embedded_fonts_and_shows_hostile_text_as_text():
    reader = PdfReader(io.BytesIO(render_pdf(document(HOSTILE, ((HOSTILE, 1, 2.0),)))))
    text = "".join(page.extract_text() for page in reader.pages)
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert "<script>alert(1)</script>" in text.replace("\n", "")
    assert "SIMULATED" in text
    fonts = [
        font.get_object()
        for page in reader.pages
        for font in page["/Resources"].get_object().get("/Font", {}).get_object().values()
    ]
    assert fonts
    for font in fonts:
        inner = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
        descriptor = inner["/FontDescriptor"].get_object()
        assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor)


LONG = """
from monitor.reports.document import Document, Section, Table
from monitor.reports.pdf import render_pdf
from tests.monitor.test_reports_rendering import document
from dataclasses import replace
rows = tuple((f"N-P{n:03}", f"{n} asked for by letter N-{n}", "2026-11-23", n / 7) for n in range(1500))
head = ("asset", "what", "day", "share")
pdf = render_pdf(replace(document(), sections=(Section("All", (Table("all", head, rows),)),)))
assert b"/Page" in pdf
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) // 1024)  # getrusage tells of the process that it was forked from
"""


def test_a_report_of_years_takes_no_gigabytes():
    """1,500 rows of names and words: some hundred MB with all that is loaded. Seeking names took gigabytes."""
    done = subprocess.run([sys.executable, "-c", LONG], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 600


@pytest.mark.parametrize("text", ["=1+1", " +cmd", "-x", "@sum", "＝1", "|calc", "\t=1"])
def test_csv_text_never_becomes_a_formula(text):
    rows = list(csv.reader(io.StringIO(render_csv(Table("t", ("a", "b"), ((text, -3.2),))))))
    assert rows[1] == ["'" + text, "-3.2"]


def test_equal_data_make_equal_bytes(tmp_path):
    first = write_report(document(), tmp_path / "a", "report")
    second = write_report(document(), tmp_path / "b", "report")
    assert set(first) == {"text", "html", "pdf", "csv about", "csv cases", "csv empty", "readme", "manifest"}
    for kind in first:
        assert first[kind].read_bytes() == second[kind].read_bytes()
    assert document().sha256 == document().sha256 != document("other").sha256


def test_a_long_path_is_thinned_to_its_extremes():
    values = [float(i % 100) for i in range(100_000)]
    kept = thinned(values)
    assert len(kept) <= LINES + 2
    assert {values[i] for i in kept} >= {0.0, 99.0}
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
