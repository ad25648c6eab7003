"""The shipped library: complete in three languages, the same in each, within the writing rules, on its page."""

import re
import shutil

import pytest

from fallback_procedures.library import SHIPPED, load, read_entry
from fallback_procedures.lint import sentences
from fallback_procedures.paper import content
from fallback_procedures.sheet import Sheet, read_sheet
from fallback_procedures.textpage import LINES, WIDTH, text_pages
from fallback_procedures.translation import differences
from fallback_procedures.words import LANGUAGES, use_language

from .conftest import SHEET

LIBRARY = load(None)
IDS = [*LIBRARY.ids(), *LIBRARY.ids("F")]
ORDERED = {f"P-{number:02}" for number in range(19)}


def test_the_ordered_procedures_and_the_forms_they_name_are_there():
    assert set(LIBRARY.ids()) >= ORDERED
    named = {form for (_id, _language), entry in LIBRARY.entries.items() for form in entry.procedure.forms}
    assert named <= set(LIBRARY.ids("F"))
    assert LIBRARY.ids("F") == [f"F{number}" for number in range(1, 12)]


def test_nothing_in_the_library_breaks_a_writing_rule():
    assert sentences(LIBRARY, list(LIBRARY.entries.values())) == []


@pytest.mark.parametrize("name", IDS)
def test_every_language_says_the_same(name):
    for language in ("fr", "de"):
        other = LIBRARY.entries[name, language].procedure
        assert list(differences(other, LIBRARY.entries[name, "en"].procedure)) == []
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
    stamps = content(entry.procedure, Sheet(), 0.0, "de")["stamps"]
    assert "TRANSLATION MISSING: shown in EN" in [one["text"] for one in stamps]


def test_a_link_among_a_sites_own_files_is_not_followed_said_and_hides_the_shipped_text(tmp_path):
    manual, outside = tmp_path / "manual", tmp_path / "outside"
    outside.mkdir()
    (manual / "procedures").mkdir(parents=True)
    (outside / "P-03.txt").write_text((SHIPPED / "en" / "P-03.txt").read_text())
    (outside / "R.txt").write_text(SHEET)
    (manual / "procedures" / "P-03.txt").symlink_to(outside / "P-03.txt")
    (manual / "procedures" / "de").symlink_to(outside)
    (manual / "sheets").symlink_to(outside)
    library = load(manual)
    entry = library.entries["P-03", "en"]
    assert (entry.origin, entry.procedure, entry.text) == ("site", None, "")
    assert library.sheets == {}
    for name in ("procedures/P-03.txt", "procedures/de", "sheets"):
        assert [note for note in library.notes if f"{manual / name}: " in note and "link" in note], name


def test_an_old_copy_in_another_folder_replaces_nothing_in_silence(tmp_path):
    own, old = tmp_path / "procedures" / "P-03.txt", tmp_path / "procedures" / "old" / "P-03.txt"
    sheet, older = tmp_path / "sheets" / "R.txt", tmp_path / "sheets" / "archive" / "riverside.txt"
    for path in (own, old, sheet, older):
        path.parent.mkdir(parents=True, exist_ok=True)
    for path in (own, old):
        shutil.copy(SHIPPED / "en" / "P-03.txt", path)
    sheet.write_text(SHEET)
    assert load(tmp_path).sheet("R").approved_by == "engineer"
    older.write_text(SHEET.replace("0.60 m", "0.10 m"))
    found = load(tmp_path)
    assert found.get("P-03", "en").procedure is None
    assert "is a copy of it too" in found.get("P-03", "en").faults[0].text
    assert (found.sheet("R").values, found.sheet("R").approved_by) == ({}, "")
    assert any("R.txt: it says site R, and archive" in note for note in found.notes)
    old.unlink()
    older.unlink()
    assert load(tmp_path).get("P-03", "en").procedure
    assert load(tmp_path).sheet("R").approved_by == "engineer"
