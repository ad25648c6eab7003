"""The writing rules L01 to L20, H1, H2 and TR: a good and a bad example of each; the bad one breaks that rule alone."""

import re
import shutil
import subprocess

import pytest

from fallback_procedures.flow import never_ending, never_reached
from fallback_procedures.library import SHIPPED
from fallback_procedures.lint import Known, findings
from fallback_procedures.paper import can_make_pdf, content, pdf
from fallback_procedures.procedure import parse
from fallback_procedures.sheet import read_sheet
from fallback_procedures.textpage import LINES, WIDTH, text_pages
from fallback_procedures.translation import differences

from .conftest import SHEET

TEXT = """PROCEDURE  P-40  Round by hand
REVISION   1   2026-11-23
STATUS     DRAFT
OWNER      operations
REVIEW BY  2027-11-23
PURPOSE    Keeps the tank in its band.
WHEN       Level telemetry is lost.
APPLIES    telemetry_lost for 60 s
NEEDS      One person. Torch.

[ ] 1  Read the start of the round.
       Reading: start of the round ________ HH:MM
%s
[ ] 3  Record all readings on form F1.
REPEAT     steps 1 to 3 every 4 h until the telemetry is back.

HAND BACK  When telemetry is back: GO TO P-18.
FORMS      F1
END        P-40
"""
THERE = Known({"P-40": frozenset("123"), "P-18": frozenset({"1", "2"}), "F1": frozenset()}, frozenset({"Q1", "S1"}))
LEVEL = "\n       Reading: level ________ m   limits 1 to 2\n       If not: call the shift lead."
CASES = [
    ("L01", "[ ] 2  Close the inlet valve.", "[ ] 2  Please close the inlet valve."),
    ("L01", "[ ] 2  Close the inlet valve.", "[ ] 2  Close the inlet valve and open the outlet valve."),
    ("L01", "[ ] 2  Close the inlet valve.", "[ ] 2  Close the inlet valve. Open the outlet valve."),
    ("L02", '[ ] 2  Open the isolator "Q1".', '[ ] 2  Open the isolator "Q7".'),
    ("L03", "CAUTION    The valve is stiff.\n[ ] 2  Close it.", "CAUTION    Close the valve slowly.\n[ ] 2  Close it."),
    ("L03", "NOTE       It is stiff. It is old.\n[ ] 2  Close it.",
     "NOTE       It is stiff. Close it slowly.\n[ ] 2  Close it."),
    ("L04", "NOTE       The tank is old.\n[ ] 2  Close it.",
     "".join(f"NOTE       Tank {n} is old.\n" for n in range(30, 72)) + "[ ] 2  Close it."),
    ("L05", "[ ] 2  IF the level falls THEN close the outlet.",
     "[ ] 2  IF the level does not rise THEN close the outlet."),
    ("L05", "[ ] 2  IF the level falls and the pump runs THEN close the outlet.",
     "[ ] 2  IF the level falls and the pump runs or hums THEN close the outlet."),
    ("L06", "[ ] 2  Select one of the following.\n[ ] 2a  Close the inlet.\n[ ] 2b  Open the outlet.",
     "[ ] 2  Select one of the following pumps."),
    ("L06", "[ ] 2  Close the inlet.", "[ ] 2  Select either the first pump or the second pump."),
    ("L07", "[ ] 2  Close the inlet within 5 min.\n       If not: call the shift lead.\n       Timer: 5 min",
     "[ ] 2  Close the inlet within 5 min.\n       If not: call the shift lead."),
    ("L07", "[ ] 2  Close the inlet within 5 min.\n       If not: call the shift lead.\n       Timer: 5 min",
     "[ ] 2  Close the inlet within 5 min.\n       Timer: 5 min"),
    ("L08", "[ ] 2  Read it." + LEVEL + "\nREPEAT     step 2 every 5 min until four rounds are good.",
     "[ ] 2  Close it.\nREPEAT     step 2 every 5 min until four rounds are good."),
    ("L08", "[ ] 2  Close it.\nREPEAT     step 2 every 5 min until the tank is full.",
     "[ ] 2  Close it.\nREPEAT     step 2 every 5 min until done."),
    ("L09", "[ ] 2  Read the gauge." + LEVEL, "[ ] 2  Read the gauge."),
    ("L10", "[ ] 2  Read it." + LEVEL, "[ ] 2  Read it.\n       Reading: level ________ m   limits 1 to 2"),
    ("L11", "HOLD       shift_lead   Releases the closing after hearing step 1.\n[ ] 2  Close it.",
     "HOLD       shift_lead   Releases it.\n[ ] 2  Close it."),
    ("L12", "[ ] 2  Calculate it." + LEVEL + "\n       Second person: calculates it alone.",
     "[ ] 2  Calculate it." + LEVEL),
    ("L12", "[ ] 2  Close the generator breaker.\n       Second person: reads its flag.",
     "[ ] 2  Close the generator breaker."),
    ("L14", "[ ] 2  Close the inlet.", "[ ] 2  Close the inlet approximately."),
    ("L14", "[ ] 2  Set the speed to 38 Hz.", "[ ] 2  Set the speed to 38."),
    ("L14", "[ ] 2  Set the pressure to 3.5 bar.", "[ ] 2  Set the pressure to 3.5 of it."),
    ("L14", "[ ] 2  Set the flow to 5 to 10 m3/h, see steps 1 to 3.",
     "[ ] 2  Set the flow to 5 to 10, see steps 1 to 3."),
    ("L14", "".join(f"[ ] 2{x}  Close it.\n" for x in "abcdefg")[:-1],
     "".join(f"[ ] 2{x}  Close it.\n" for x in "abcdefgh")[:-1]),
    ("L15", "[ ] 2  Close it.\n       If not: GO TO P-18 step 2.",
     "[ ] 2  Close it.\n       If not: GO TO P-18 step 9."),
    ("L15", "[ ] 2  Close it.\n       Expect: it is shut, else REFER TO P-18.",
     "[ ] 2  Close it.\n       Expect: it is shut, else REFER TO P-66."),
    ("L15", "NOTE       P-18 stays open.\n[ ] 2  Close it.", "NOTE       P-66 stays open.\n[ ] 2  Close it."),
    ("L15", "[ ] 2  Record it on form F1.", "[ ] 2  Record it on form F3."),
    ("L15", "HOLD       shift_lead   Releases it, else GO TO P-18.\n[ ] 2  Close it.",
     "HOLD       shift_lead   Releases it, else GO TO P-67.\n[ ] 2  Close it."),
    ("L16", "[ ] 2  IF it is full THEN GO TO step 1.", "[ ] 2  GO TO step 1."),
    ("L19", "[ ] 2  Close the inlet.", "[ ] 2  Close the inlet " + "of the tank " * 6 + "by the road."),
    ("L19", "[ ] 2  Close the valve by SCADA.", "[ ] 2  Close the valve by XYZ."),
    ("H1", "[ ] 2  Set the switch to the stop position.", "[ ] 2  Set the switch to HAND."),
    ("H1", "[ ] 2  Read the counter of the pump by hand.\n       Reading: count ________ text",
     "[ ] 2  Start the pump by hand."),
    ("H2", "[ ] 2  Close the hatch of the tank.", "[ ] 2  Open the hatch of the tank."),
    ("H2", "[ ] 2  Close it.\n       If not: tell the shift lead.",
     "[ ] 2  Close it.\n       If not: climb into the tank."),
]  # fmt: skip


def rules(text: str) -> set[str]:
    procedure, faults = parse(text)
    assert faults == ()
    return {found.rule for found in findings(procedure, THERE)}


@pytest.mark.parametrize(("rule", "good", "bad"), CASES, ids=[f"{row[0]}-{at}" for at, row in enumerate(CASES)])
def test_each_rule_passes_its_good_example_and_finds_its_bad_one_alone(rule, good, bad):
    assert rules(TEXT % good) == set()
    assert rules(TEXT % bad) == {rule}


def test_every_rule_has_its_examples():
    by_page = {"L04", "L13", "L17", "L18", "L20"}
    assert {row[0] for row in CASES} | by_page == {f"L{number:02}" for number in range(1, 21)} | {"H1", "H2"}


def test_a_hand_back_that_leads_nowhere_is_found():
    assert rules((TEXT % "[ ] 2  Close it.").replace("GO TO P-18.", "all is well.")) == {"L16"}


def test_a_procedure_that_moves_the_plant_may_say_that_something_is_seen():
    by_hand = (TEXT % "[ ] 2  Set the switch to HAND.").replace("telemetry_lost for 60 s", "seen overflow")
    assert rules(by_hand) == set()


def test_every_step_is_reached_and_every_way_ends():
    round_and_round = TEXT % "[ ] 2  GO TO step 1."
    procedure = parse(round_and_round)[0]
    assert (never_reached(procedure), never_ending(procedure)) == (["3"], ["1", "2"])
    over = parse(TEXT % "[ ] 2  GO TO P-18.")[0]
    assert (never_reached(over), never_ending(over)) == (["3"], [])


def test_french_and_german_are_read_in_their_own_words():
    french = (TEXT % "[ ] 2  Fermer la vanne et ouvrir la sortie.").replace("WHEN ", "LANGUAGE   fr   original\nWHEN ")
    assert "L01" in rules(french)
    german = (TEXT % "[ ] 2  Stelle den Druck auf 3,5 ein.").replace("WHEN ", "LANGUAGE   de   original\nWHEN ")
    assert "L14" in rules(german)
    assert "L14" not in rules(german.replace("3,5 ein", "3,5 bar"))


# -- a translation says the same ---


ENGLISH = """PROCEDURE  P-40  Pump by hand
REVISION   1   2026-11-23
STATUS     DRAFT
OWNER      operations
REVIEW BY  2027-11-23
PURPOSE    Keeps the tank in its band.
WHEN       CONTROL LOST is declared.
APPLIES    control_lost site_type=waterworks
NEEDS      2 persons.

DANGER     The pump starts by itself. Its {hand_bypasses} is bypassed.
CAUTION    It runs hot after 10 min.
HOLD       shift_lead once  Releases the start after hearing step 1.
[ ] 1  IF the tank is empty THEN read its gauge.
       Reading: gas ________ %LEL   safety limits - to 5
       Reading: level ________ m   safety limits {level_min=0.5 m} to -
       Expect: it is 0.10 m above the mark.
       If not: stop the pump. GO TO step 2.
       Second person: reads it too.
       Timer: 60 s
[ ] 2  Record it on form F1.
REPEAT     steps 1 to 2 every 5 min until P-18 has ended.

HAND BACK  GO TO P-18.
FORMS      F1, F3
END        P-40
"""
GERMAN = """PROCEDURE  P-40  Pumpe von Hand
REVISION   1   2026-11-23
STATUS     DRAFT
OWNER      Betrieb
REVIEW BY  2027-11-23
LANGUAGE   de   translation not yet reviewed
PURPOSE    Hält den Behälter in seinem Band.
WHEN       CONTROL LOST ist erklärt.
APPLIES    control_lost site_type=waterworks
NEEDS      2 Personen.

DANGER     Die Pumpe läuft von selbst an. {hand_bypasses} ist überbrückt.
CAUTION    Nach 10 min wird sie heiß.
HOLD       shift_lead once  Gibt den Start frei, nachdem Schritt 1 gehört ist.
[ ] 1  IF der Behälter leer ist THEN lies seine Anzeige.
       Reading: Gas ________ %UEG   safety limits - to 5
       Reading: Stand ________ m   safety limits {level_min=0.5 m} to -
       Expect: er steht 0,10 m über der Marke.
       If not: Pumpe anhalten. GO TO step 2.
       Second person: liest auch.
       Timer: 1 min
[ ] 2  Notiere ihn auf Blatt F1.
REPEAT     steps 1 to 2 every 5 min until P-18 beendet ist.

HAND BACK  GO TO P-18.
FORMS      F1, F3
END        P-40
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("to 5\n", "to 50\n", "step 1: readings: %LEL safety limits - to 50"),
        ("________ %UEG", "________ ppm", "readings"),
        ("________ m   safety limits {level_min=0.5 m}", "________ cm   safety limits {level_min=0.5 cm}", "readings"),
        ("=0.5 m}", "=0.6 m}", "readings"),
        ("safety limits", "limits", "readings"),
        ("GO TO step 2", "GO TO step 1", "links"),
        ("       Timer: 1 min\n", "", "timer"),
        ("Timer: 1 min", "Timer: 10 min", "timer"),
        ("CAUTION ", "DANGER ", "warnings"),
        ("{hand_bypasses} ist", "Etwas ist", "numbers"),
        ("lead once", "lead", "releases"),
        ("       Second person: liest auch.\n", "", "parts"),
        ("IF der", "WHEN der", "condition"),
        ("every 5 min", "every 15 min", "repeats"),
        ("FORMS      F1, F3", "FORMS      F1", "forms is F1, in English F1, F3"),
        ("0,10 m", "0,01 m", "numbers"),
        ("2 Personen", "3 Personen", "NEEDS"),
        ("site_type=waterworks", "site_type=reservoir", "APPLIES"),
        ("REVISION   1 ", "REVISION   2 ", "revision is 2, in English 1"),
        ("[ ] 2  Notiere ihn auf Blatt F1.\nREPEAT     steps 1 to 2", "REPEAT     step 1",
         "it has the steps 1, in English 1, 2"),
    ],
)  # fmt: skip
def test_a_translation_that_differs_from_the_english_text_is_found(old, new, told):
    english = parse(ENGLISH)[0]
    assert old in GERMAN
    assert list(differences(parse(GERMAN)[0], english)) == []
    changed = GERMAN.replace(old, new, 1)
    changed = changed.replace("GO TO step 2", "GO TO step 1") if "it has the steps" in told else changed
    procedure, faults = parse(changed)
    assert faults == ()
    assert told in " ".join(text for _line, text in differences(procedure, english))


def test_check_names_the_file_the_line_and_the_rule_of_a_translation_that_differs(tmp_path, manual):
    (tmp_path / "P-40.txt").write_text(ENGLISH)
    (tmp_path / "P-40.de.txt").write_text(GERMAN.replace("to 5\n", "to 50\n", 1))
    done = manual("--check", str(tmp_path / "P-40.txt"), str(tmp_path / "P-40.de.txt"))
    assert done.returncode == 1
    assert "P-40.de.txt: line 15: TR: step 1: readings: %LEL safety limits" in done.stdout.decode()


# -- rules that the page keeps ---


MANY = "".join(
    f"DANGER     Danger number {n} kills.\nCAUTION    Caution number {n} breaks.\n[ ] {n}  Close valve number {n}.\n"
    f"       Reading: level {n} ________ m   limits 1 to 2\n       If not: call the shift lead.\n"
    for n in range(1, 31)
)
BOOK = content(
    parse(TEXT.split("\n[ ] 1", maxsplit=1)[0] + "\n" + MANY + "\nHAND BACK" + TEXT.split("HAND BACK")[1])[0],
    read_sheet(SHEET),
    1_795_400_000.0,
)


@pytest.fixture(scope="module")
def printed(tmp_path_factory) -> list[str]:
    """The pages of the PDF as text, in the layout of the paper."""
    if not can_make_pdf() or not shutil.which("pdftotext"):
        pytest.skip("typst or pdftotext is not installed here")
    path = tmp_path_factory.mktemp("pdf") / "page.pdf"
    path.write_bytes(pdf("Round", [BOOK], 1_795_400_000.0))
    done = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, timeout=60, check=True)
    return [page for page in done.stdout.decode().split("\f") if page.strip()]


@pytest.fixture(params=["text", "pdf"])
def pages(request) -> list[str]:
    found = text_pages(BOOK) if request.param == "text" else request.getfixturevalue("printed")
    assert len(found) > 3
    return found


def test_l04_a_warning_stands_on_the_page_of_its_step(pages):
    for n in range(1, 31):
        there = [[at for at, page in enumerate(pages) if f"{told} number {n}{end}" in page]
                 for told, end in (("Danger", " kills"), ("Caution", " breaks"), ("Close valve", "."))]  # fmt: skip
        assert there[0] == there[1] == there[2] != []


def test_l13_every_step_has_its_place_to_keep_a_time_and_initials(pages):
    assert sum(page.count("init.") for page in pages) == 30


def test_l17_every_page_says_which_it_is_of_which_text_and_how_old(pages):
    for number, page in enumerate(pages, 1):
        for told in ("R Riverside lift station", "P-40", "Round by hand", "rev 1, effective 2026-11-23",
                     f"page {number} of {len(pages)}", "printed 2026-11-23T", "written copies expire on 2027-11-23",
                     f"HW:P-40:r1:2026-11-23:{BOOK['hash'][:8]}"):  # fmt: skip
            assert told in " ".join(page.split())


def test_l18_the_last_page_is_signed_and_takes_deviations(pages):
    for told in ("performed by", "verified by", "reviewed by shift lead", "deviations"):
        assert told in pages[-1]


def test_l20_a_page_is_black_and_white_and_large_enough():
    for page in text_pages(BOOK):
        assert len(page.splitlines()) <= LINES
        assert max(map(len, page.splitlines())) <= WIDTH
    template = (SHIPPED.parent / "page.typ").read_text()
    assert set(re.findall(r"fill: (?:if [^{]*{ )?(\w+)", template)) == {
        "black",
        "white",
        "luma",
    }  # grey: DRAFT behind the text
    assert not re.search(r"\brgb\(|\bcmyk\(|\b(red|green|blue)\b", template)
    assert "size: 11pt" in template
