"""The debrief says what happened and what to correct, by role, in three languages, and nothing hostile gets out."""

import csv
import io
import re
from pathlib import Path

import pytest
from pypdf import PdfReader

from monitor.periods.journal import journal_of
from monitor.periods.period import period_of
from monitor.reports import debrief
from monitor.reports.document import Plot, shown, write_report
from monitor.reports.page import render_html
from monitor.reports.pdf import render_pdf
from monitor.reports.text import WIDTH, render_text
from monitor.settings import load
from monitor.words import use_language, utc_text
from tests.monitor.journals import START_US, Maker, a_night

GOLDEN = Path(__file__).parents[1] / "golden"
SETTINGS = load(GOLDEN / "config")
LATER_US = START_US + 86_400_000_000


@pytest.fixture(autouse=True)
def english():
    yield
    use_language("en")


def document(made, gaps=()):
    return debrief.build(period_of(journal_of("night.jsonl", made.raw(), LATER_US)), SETTINGS, None, gaps)


def table(told, name):
    return next(one for one in told.tables() if one.name == name)


def test_the_debrief_tells_times_deviations_and_what_was_done_about_what_was_out_of_limits():
    told = document(a_night())
    text = render_text(told)
    assert all(len(line) <= WIDTH for line in text.splitlines())
    assert [row[0] for row in table(told, "times").rows] == [
        "CONTROL LOST declared", "first step done", "stable by hand", "handed back",
    ]  # fmt: skip
    out = [row for row in table(told, "deviations").rows if row[3].startswith("OUT OF LIMITS")]
    assert [row[3:5] for row in out] == [
        ("OUT OF LIMITS: hydrogen sulphide 7 ppm", "done 1 shift lead agreed, door open for ten minutes"),
        ("OUT OF LIMITS: flow on the local display 97.25 m3/h", "done 3"),
    ]
    assert table(told, "conditions").rows == (("telemetry of G fresh for 5 min",),)
    assert table(told, "silences").rows[0][2:] == ("40 min", "nothing recorded for 40 min")
    assert table(told, "paper").rows[0][-1] == "=HYPERLINK(1)"
    assert len(table(told, "timeline").rows) == 32


def test_two_pumps_with_two_limits_are_told_apart_in_every_table_and_picture():
    made = Maker().act("declared", sites=["G"]).start()
    for number in (1, 2):
        made.read(str(20 + number), unit="A", name="motor current", asset="P1", limits=(None, "28.0"))
        made.read(str(22 + number), unit="A", name="motor current", asset="P2", limits=(None, "22.0"), within=False)
    at = utc_text(START_US)
    made.act("paper", name="motor current", value="25", unit="A", asset="P2", occurred=at, recorded=at, in_limits=False)
    told = document(made.act("handed_back"))
    assert [(row[3], row[4], row[7]) for row in table(told, "readings").rows][:2] == [
        ("motor current (P1)", "21", "28.0"), ("motor current (P2)", "23", "22.0")]  # fmt: skip
    assert "motor current (P2) 25 A" in table(told, "paper").rows[0]
    out = [row[3] for row in table(told, "deviations").rows if row[3].endswith("motor current (P2) 23 A")]
    assert len(out) == 1
    assert "motor current 23 A (P2) (- - 22.0, NO)" in {row[-1] for row in table(told, "timeline").rows}
    assert {block.caption for part in told.sections for block in part.blocks if isinstance(block, Plot)} == {
        "P-03 motor current (P1)",
        "P-03 motor current (P2)",
    }


def test_what_to_correct_comes_from_deviations_and_the_gaps_of_a_drill_with_room_for_a_hand():
    rows = table(document(a_night(drill=True)), "corrections").rows
    assert rows[0] == ("P-03 step 2", "", "no lock in the box", "hang up three locks", "maintenance", "_" * 12)
    assert ("P-03", "2", "done without the independent verification", *["_" * 12] * 3) in rows
    assert ("P-03", "", "ended with steps left: 3", *["_" * 12] * 3) in rows


def test_no_person_and_no_speed_of_a_person_stands_in_it():
    told = render_text(document(a_night()))
    assert not re.search(r"per (person|operator)|average|fastest|slowest|rank", told)
    assert not re.search(r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}", told)
    assert not re.search(r"\b[0-9]+ s\b", told)


def test_what_was_taken_back_stands_apart_and_what_people_noted_corrects_nobody():
    made = a_night()
    made.lines[4]["text"] = made.lines[6]["text"] = "Miller said so"  # the reason of a step, and a note
    assert [made.lines[n]["kind"] for n in (4, 6)] == ["done", "note"]
    told = document(made)
    assert table(told, "taken_back").rows == (("P-03", "3", "reading 3 flow on the local display 17 m3/h"),)
    assert not [row for row in table(told, "deviations").rows if "taken back" in str(row) or "17 m3/h" in str(row)]
    assert "by the role" not in table(told, "deviations").head
    where = {one.name for one in told.tables() if "Miller" in str(one.rows)}
    assert where == {"events", "deviations", "timeline"}


def test_unapproved_procedures_and_a_journal_that_goes_on_are_said_first():
    made = (
        Maker().act("declared", sites=["G"]).start(source="PROCEDURE  P-99  Home made\nSTATUS     DRAFT\n[ ] 1  Go.\n")
    )
    first = "\n".join(render_text(document(made)).split("\n")[:24])
    assert "no role had approved" in first
    assert "has not ended" in first
    assert table(document(made), "procedures").rows[0][3] == "NOT APPROVED"


def test_a_drill_says_so_on_every_line_of_text_every_row_and_every_page():
    told = document(a_night(drill=True))
    assert all(line.startswith("DRILL") for line in render_text(told).splitlines())
    page = render_html(told)
    assert all(
        row.startswith("<td>DRILL</td>") for row in re.findall(r"<tr>(<td.*?)</tr>", page) if "colspan" not in row
    )
    assert all(title.startswith("DRILL") for title in re.findall(r"<h2>(.*?)</h2>", page))


def test_the_csv_of_a_drill_says_so_in_each_row_and_runs_no_formula(tmp_path):
    files = write_report(document(a_night(drill=True)), tmp_path, "x")
    rows = list(csv.reader(io.StringIO(files["csv timeline"].read_text())))
    assert {row[0] for row in rows[1:]} == {"DRILL"}
    assert "'=HYPERLINK(1)" in files["csv paper"].read_text()


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_each_language_has_the_whole_page_and_the_pdf_is_tagged(language, tmp_path):
    use_language(language)
    told = document(a_night())
    assert told.language == language
    (tmp_path / "x.pdf").write_bytes(render_pdf(told))
    pdf = PdfReader(tmp_path / "x.pdf")
    assert 2 <= len(pdf.pages) <= 6
    assert pdf.trailer["/Root"]["/MarkInfo"]["/Marked"]
    said = {"en": "Deviations", "fr": "Écarts", "de": "Abweichungen"}[language]
    assert said in render_text(told)


GERMAN_TAG = "N-M05.residual_chlorine"


def test_a_german_reads_his_own_marks_and_whole_names_and_what_was_not_met_says_so(tmp_path):
    use_language("de")
    made = Maker().act("declared", sites=["G"]).start()
    made.act("seen", event="overflow", site="G").act("undo", undoes=3)
    made.read("0.05", name="Chlor", unit="mg/l", limits=("0.10", "0.50"), within=False, tag=GERMAN_TAG)
    made.read("yes", step="1", name="Überlauf gesehen", unit="yes/no", limits=(None, None), within=None)
    made.read("07:01", step="1", name="Zeit des Anrufs", unit="HH:MM", limits=(None, None), within=None)
    made.done("4", kind="not_met").done("1", kind="not_applicable", text="x")
    made.wait(3_600, wall_s=-3_358).act("note", text="v1.2 bleibt")
    made.act("handed_back", unmet=["handwheel antwortet seit 5 min: 2.5 min"], text="Telefon")
    told = document(made)
    text = " ".join(shown(cell) for one in told.tables() for row in one.rows for cell in row)
    rows = {row[3]: row for row in table(told, "readings").rows}
    assert (rows["Überlauf gesehen"][4:6], rows["Zeit des Anrufs"][4:6]) == (("ja", ""), ("07:01", ""))
    for said in (
        "Chlor 0,05 mg/l", "0,10 0,50", "zurückgegeben, NICHT ERFÜLLT oder nicht festzustellen: "
        "handwheel antwortet seit 5 min: 2,5 min: Telefon", "gesehen Überlauf G",
        "die Uhr wurde vor diesem Eintrag um 116 min zurückgestellt",
        "die Uhr wurde dazwischen gestellt; nach der eigenen Zählung der Maschine 60 min nichts aufgezeichnet",
    ):  # fmt: skip
        assert said in text
    assert GERMAN_TAG in render_text(told)
    assert "-3358" not in text
    assert "yes" not in text
    (run,) = table(told, "procedures").rows
    assert run[7:10] == (0, 1, 1), "done, left out, condition not met"
    files = write_report(told, tmp_path, "x")
    assert ",0.05," in files["csv readings"].read_text(), "a program reads one decimal mark"


HOSTILE = '<script>alert(1)</script> #eval("1") $x$ \x1b[31m\u202e {braces} =cmd|1 "quote" \x00 @import'


def test_whatever_people_wrote_is_harmless_in_every_format(tmp_path):
    made = a_night()
    for line in made.lines:
        for name, value in list(line.items()):
            if isinstance(value, str) and name not in (
                "at",
                "boot_id",
                "kind",
                "source",
                "run",
                "occurred",
                "recorded",
            ):
                line[name] = HOSTILE
            elif name in ("unmet", "sites", "left"):
                line[name] = [HOSTILE]
    told = document(made)
    text, page = render_text(told), render_html(told)
    assert not any(character in text for character in "\x1b\u202e\x00")
    assert "<script" not in page
    assert render_pdf(told)
    for file in write_report(told, tmp_path, "x").values():
        if file.suffix == ".csv":
            for row in csv.reader(io.StringIO(file.read_text())):
                assert not any(cell.startswith(("=", "+", "@", "|")) for cell in row)


def test_four_months_by_hand_stay_within_pages_and_all_of_it_is_in_the_csv(tmp_path):
    made = Maker().act("declared", sites=["G"]).start()
    for number in range(3_000):
        made.read(f"{60 + number % 7}", tag="pump1.flow", unit="m3/h", limits=("60", "65"), within=number % 7 < 6)
        made.wait(600)
    told = document(made.act("handed_back"))
    assert len(PdfReader(io.BytesIO(render_pdf(told))).pages) < 40
    assert len(table(told, "readings").rows) == 3_000
    assert "and 2700 more rows in readings.csv" in render_text(told)
