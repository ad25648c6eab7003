"""The shipped library: complete in three languages, the same in each, within the writing rules, on its page."""

import re
import shutil

import pytest

from fallback_procedures.library import SHIPPED, load, read_entry
from fallback_procedures.lint import findings, sentences
from fallback_procedures.paper import LINES, WIDTH, content, text_pages
from fallback_procedures.procedure import parse
from fallback_procedures.sheet import Sheet, read_sheet
from fallback_procedures.words import LANGUAGES, use_language

from .conftest import SHEET

LIBRARY = load(None)
IDS = [*LIBRARY.ids(), *LIBRARY.ids("F")]
ORDERED = {f"P-{number:02}" for number in range(19)}


def shape(procedure):
    """All of a procedure that a translation may not change."""
    steps = [
        (step.number, [notice.kind for notice in step.notices], [(hold.role, hold.once) for hold in step.holds],
         [(one.low, one.high, one.safety, one.limited) for one in step.readings], bool(step.expect), bool(step.if_not),
         bool(step.if_twice), bool(step.second_person), step.timer, step.branch and step.branch.word,
         [(target.leave, target.step, target.document) for target in step.targets])
        for step in procedure.steps
    ]  # fmt: skip
    repeats = [(one.first, one.last, one.every, one.for_s, one.then) for one in procedure.repeats]
    return steps, repeats, procedure.forms, procedure.applies, procedure.revision, procedure.effective


def test_the_ordered_procedures_and_the_forms_they_name_are_there():
    assert set(LIBRARY.ids()) >= ORDERED
    named = {form for (_id, _language), entry in LIBRARY.entries.items() for form in entry.procedure.forms}
    assert named <= set(LIBRARY.ids("F"))
    assert LIBRARY.ids("F") == [f"F{number}" for number in range(1, 12)]


def test_nothing_in_the_library_breaks_a_writing_rule():
    assert sentences(LIBRARY, list(LIBRARY.entries.values())) == []


@pytest.mark.parametrize("name", IDS)
def test_every_language_says_the_same(name):
    english = LIBRARY.entries[name, "en"].procedure
    for language in ("fr", "de"):
        other = LIBRARY.entries[name, language].procedure
        assert shape(other) == shape(english)
        assert other.unreviewed_translation


def test_everything_shipped_is_a_draft_until_a_plant_expert_approves_it():
    assert not [key for key, entry in LIBRARY.entries.items() if entry.procedure.approved]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", IDS)
def test_every_text_page_fits_80_columns_and_60_lines(name, language):
    use_language(language)
    procedure = LIBRARY.entries[name, language].procedure
    for sheet in (Sheet(), read_sheet(SHEET)):
        pages = text_pages(content(procedure, sheet, 1_795_400_000.0, language))
        for number, page in enumerate(pages, 1):
            lines = page.splitlines()
            assert len(lines) <= LINES
            assert max(map(len, lines)) <= WIDTH
            assert f" {number} " in lines[0]
        assert procedure.kind == "procedure" or len(pages) == 1


def test_a_warning_stands_on_the_page_of_its_step():
    for (_name, _language), entry in LIBRARY.entries.items():
        for page in text_pages(content(entry.procedure, Sheet(), 0.0)):
            body = page.split("=" * WIDTH)[-1].split("-" * WIDTH)
            last = [line for line in body[-2].splitlines() if line.strip()][-1] if len(body) > 1 else ""
            assert not last.startswith("** ")


def test_a_site_copy_replaces_the_shipped_one_and_a_faulty_one_is_never_run(tmp_path):
    folder = tmp_path / "procedures"
    folder.mkdir()
    own = re.sub(r"REVISION   \d+ ", "REVISION   9 ", (SHIPPED / "en" / "P-17.txt").read_text())
    (folder / "P-17.txt").write_text(own)
    (folder / "P-04.txt").write_text(own.replace("P-17", "P-04").replace("[ ] 2", "[ ] 7"))
    (folder / "README.txt").write_text("Approved procedures go here.")
    library = load(tmp_path)
    assert library.get("P-17", "en").procedure.revision == "9"
    assert library.get("P-17", "en").origin == "site"
    assert library.get("P-04", "en").procedure is None
    assert library.get("P-04", "en").faults[0].line > 1
    assert len(library.notes) == 1
    assert "P-04.txt: line" in library.notes[0]


def test_a_translation_that_lost_its_language_line_is_not_taken_for_the_english_text(tmp_path):
    (tmp_path / "de").mkdir()
    lost = (SHIPPED / "de" / "P-17.txt").read_text().replace("LANGUAGE   de   translation not yet reviewed\n", "")
    (tmp_path / "de" / "P-17.txt").write_text(lost)
    entry = read_entry(tmp_path / "de" / "P-17.txt", "site")
    assert (entry.procedure, entry.language, entry.faults[0].line) == (None, "de", 1)


def test_a_missing_translation_is_given_in_english_and_says_so(tmp_path):
    shutil.copytree(SHIPPED / "en", tmp_path / "procedures" / "en")
    (tmp_path / "procedures" / "en" / "P-17.txt").write_text(
        (SHIPPED / "en" / "P-17.txt").read_text().replace("P-17", "P-44")
    )
    entry = load(tmp_path, ("de",)).get("P-44", "de")
    assert entry.language == "en"
    assert "TRANSLATION MISSING: shown in EN" in content(entry.procedure, Sheet(), 0.0, "de")["warnings"]


BASE = (SHIPPED / "en" / "P-17.txt").read_text()
STEP = "[ ] 9  Record all readings with their times on form F1."


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        ("L01", "[ ] 9  Please record all readings on form F1."),
        ("L01", "[ ] 9  Record all readings and start the next round on form F1."),
        ("L01", "[ ] 9  Record all readings on form F1. Stop there."),
        ("L03", "NOTE       Record it twice.\n" + STEP),
        ("L05", "[ ] 9  IF the gauge does not move THEN record it on form F1."),
        ("L06", "[ ] 9  Select one of the following pumps."),
        ("L07", "[ ] 9  Record all readings within 5 min on form F1."),
        ("L09", "[ ] 9  Read all gauges."),
        ("L10", "[ ] 9  Read it.\n       Reading: level ________ m   limits 1 to 2"),
        ("L12", "[ ] 9  Calculate it.\n       Reading: sum ________ m   limits - to -"),
        ("L14", "[ ] 9  Record approximately all readings on form F1."),
        ("L14", "[ ] 9  Record 3.5 of all readings on form F1."),
        ("L15", "[ ] 9  Record all readings on form F3."),
        ("L15", "[ ] 9  Record all on form F1.\n       If not: REFER TO P-66."),
        ("L19", "[ ] 9  Record all the readings " + "of all the gauges " * 5 + "on form F1."),
        ("L19", "[ ] 9  Record all readings of the ABC on form F1."),
        ("H1", "[ ] 9  Set the switch to HAND."),
        ("H2", "[ ] 9  Remove the lock of the pump."),
        ("H2", "[ ] 9  Open the hatch of the tank."),
        ("H2", "[ ] 9  Start the pump by its contactor.\n       If not: push the contactor."),
    ],
)
def test_each_writing_rule_finds_its_bad_example(rule, bad):
    assert STEP in BASE
    procedure, faults = parse(BASE.replace(STEP, bad))
    assert faults == ()
    known = frozenset(IDS)
    assert rule in [found.rule for found in findings(procedure, known)]
    assert findings(parse(BASE)[0], known) == []


def test_a_hand_back_that_leads_nowhere_and_an_endless_repeat_are_found():
    procedure, _faults = parse(BASE.replace("GO TO P-18.", "done.").replace("the shift lead ends the rounds", "done"))
    assert {"L16", "L08"} <= {found.rule for found in findings(procedure)}
