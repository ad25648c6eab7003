"""Which file of a site is believed: sheets and setpoint lists obey the same rules, and what is refused says so."""

import os
import time

import pytest

from fallback_procedures import own_files
from fallback_procedures.library import SHIPPED, load
from fallback_procedures.lint import check
from fallback_procedures.master import master_page
from fallback_procedures.paper import content
from fallback_procedures.place import Place
from fallback_procedures.procedure import UNREVIEWED, parse
from fallback_procedures.run_desk import cannot_start
from fallback_procedures.sets import holding, master_of, masters
from fallback_procedures.sheet import Sheet
from fallback_procedures.textpage import text_pages
from fallback_procedures.view import document_lines

from .conftest import SHEET

LIST = """SETPOINTS   site R   Riverside lift station
APPROVED    engineer  2026-11-01

-           start of pump 1  = 1.60 m
"""
FILES = {"sheets": SHEET, "setpoints": LIST}
TOMORROWS = time.strftime("%Y-%m-%d", time.localtime(time.time() + 3 * 86_400))


def believed(manual, folder, site="R"):
    """(approved, all that it says) of what is believed of a site."""
    library = load(manual)
    if folder == "sheets":
        sheet = library.sheet(site)
        return bool(sheet.approved_by and sheet.values), sheet.doubt
    master = master_of(masters(Place(manual), library), site)
    return bool(master and master.approved), master.doubt if master else ""


def write(manual, folder, files):
    for name, text in files.items():
        path = manual / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def cases(text):
    old = text.replace("2026-11-01", "2019-03-02")
    latin = text.replace("Riverside", "Riverside Stra\xdfe").encode("latin-1")
    return {
        "the one of today": ({"R.txt": text}, True),
        "as Windows saves it": ({"R.TXT": text}, True),
        "beside a page that says how to write one": ({"R.txt": text, "README.txt": "The sheets of our sites."}, True),
        "beside one of another site that cannot be read": ({"R.txt": text, "N.txt": b"\xff\xfe\xff"}, True),
        "saved in Latin-1, an old copy in a folder": ({"riverside.txt": latin, "archive/R.txt": old}, False),
        "saved in Latin-1, an old copy beside it": ({"riverside.txt": latin, "R.txt": old}, False),
        "its name saved in Latin-1, an old copy in a folder": ({"R.txt": latin, "archive/riverside.txt": old}, False),
        "saved in UTF-16, an old copy beside it": ({"riverside.txt": text.encode("utf-16"), "R.txt": old}, False),
        "its head at fault, an old copy beside it": ({"riverside.txt": text.replace("S", "", 1), "R.txt": old}, False),
        "Windows, and an old copy beside it": ({"R.TXT": text, "old.txt": old}, False),
        "in another folder alone": ({"archive/R.txt": text}, False),
        "named after another site": ({"H.txt": text}, False),
        "two of one site": ({"R.txt": text, "A_old.txt": old}, False),
        "two of one site in other letters": ({"R.TXT": text, "R.txt": old}, False),
        "approved on no day": ({"R.txt": text.replace("2026-11-01", "2019-13-45")}, False),
        "approved after today": ({"R.txt": text.replace("2026-11-01", TOMORROWS)}, False),
        "approved in another century": ({"R.txt": text.replace("2026-11-01", "2099-01-01")}, False),
    }  # fmt: skip


@pytest.mark.parametrize("case", cases(SHEET))
@pytest.mark.parametrize("folder", FILES)
def test_one_rule_says_which_file_is_believed_and_check_and_page_say_why_not(tmp_path, capsys, folder, case):
    files, good = cases(FILES[folder])[case]
    write(tmp_path, folder, files)
    approved, doubt = believed(tmp_path, folder)
    assert approved == good
    check([], Place(tmp_path))
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{tmp_path}/{folder}/")]
    assert bool(told) == (not good or len(files) > 1)
    assert not good or all("/R." not in line for line in told)
    if good:
        assert doubt == ""
    elif "no day" not in case:
        assert folder in doubt
        page = text_of(tmp_path, folder)
        assert " ".join(doubt.split()[:4]) in page
        assert "DO NOT USE" in page if folder == "sheets" else "NOT A MASTER" in page


def text_of(manual, folder):
    library = load(manual)
    if folder == "sheets":
        made = content(library.get("P-03", "en").procedure, library.sheet("R"), 0.0)
        lines = document_lines(library.get("P-03", "en").procedure, library.sheet("R"), 79, "en")
        assert "NOT BELIEVED" in " ".join(lines)
    else:
        made = master_page(master_of(masters(Place(manual), library), "R"), [], Sheet("R"), 0.0)
    return " ".join(" ".join(text_pages(made)).split())


def test_a_sheet_named_after_another_site_is_used_by_neither(tmp_path):
    write(tmp_path, "sheets", {"H.txt": SHEET})
    for site in ("R", "H"):
        approved, doubt = believed(tmp_path, "sheets", site)
        assert (approved, "it says site R: name it R.txt" in doubt) == (False, True)


def test_of_two_sheets_of_a_site_nobody_is_told_to_write_one_over_the_other(tmp_path):
    write(tmp_path, "sheets", {"A_old.txt": SHEET, "R.txt": SHEET})
    assert "R.txt says so too or may; none is used until one is taken out" in believed(tmp_path, "sheets")[1]


def test_a_clock_that_cannot_be_right_makes_no_approval_one_of_tomorrow(tmp_path, monkeypatch):
    write(tmp_path, "sheets", {"R.txt": SHEET})
    path = tmp_path / "sheets" / "R.txt"
    os.utime(path, (0, 0))
    for now_s, good in ((0.0, True), (time.time(), True)):
        monkeypatch.setattr(own_files.time, "time", lambda now_s=now_s: now_s)
        assert believed(tmp_path, "sheets")[0] == good
    ahead = time.mktime((2027, 3, 2, 12, 0, 0, 0, 0, -1))
    path.write_text(SHEET.replace("2026-11-01", "2027-03-01"))
    os.utime(path, (0, 0))
    monkeypatch.setattr(own_files.time, "time", lambda: ahead - 40 * 86_400)
    assert not believed(tmp_path, "sheets")[0]
    os.utime(path, (ahead, ahead))  # who wrote it knew the day
    assert believed(tmp_path, "sheets")[0]


# -- procedures ---


GERMAN = (SHIPPED / "de" / "P-03.txt").read_text()
ENGLISH = (SHIPPED / "en" / "P-03.txt").read_text()
REVIEWED = GERMAN.replace(UNREVIEWED, f"translation reviewed by engineer on {time.strftime('%Y-%m-%d')}")
FRENCH = (SHIPPED / "fr" / "P-03.txt").read_text()


def own(manual, **files):
    write(manual, "procedures", {f"{name.replace('_', '-', 1)}.txt": text for name, text in files.items()})
    return load(manual)


def no_real_run(library, language):
    text = library.get("P-03", language).procedure
    return cannot_start(text, Sheet("R", approved_by="engineer", values=EVERY), DECLARED, "R") if text else "faults"


EVERY = {"stop_level": "0.60 m", "start_level": "1.80 m", "alarm_level": "2.20 m", "full_load_current": "9.5 A"}


class DECLARED:
    declared, sites = True, ("R",)

    @staticmethod
    def lost_at(_site):
        return True


def test_a_reviewed_translation_that_says_the_same_runs(tmp_path):
    library = own(tmp_path, P_03=REVIEWED)
    assert library.get("P-03", "de").procedure.doubt == ""
    assert no_real_run(library, "de") == ""


@pytest.mark.parametrize(("files", "why"), [
    ({"P_03": REVIEWED.replace("safety limits - to 5", "safety limits - to 50", 1)}, "step 1: readings"),
    ({"P_03": ENGLISH.replace("REVISION   2", "REVISION   9", 1), "P_03_de": REVIEWED}, "revision is 2, in English 9"),
    ({"P_03": REVIEWED.replace(f"on {time.strftime('%Y-%m-%d')}", "on 2025-01-01")}, "reviewed on 2025-01-01, before"),
    ({"P_03": REVIEWED.replace(f"on {time.strftime('%Y-%m-%d')}", f"on {TOMORROWS}")}, "is after today"),
    ({"P_03": ENGLISH.replace("OWNER", "OWNR"), "P_03_de": REVIEWED}, "that one has faults"),
], ids=["another limit", "an older revision", "an old review", "a review of tomorrow", "faults"])  # fmt: skip
def test_a_translation_that_is_not_proved_to_be_the_same_is_for_drills_and_says_why(tmp_path, manual, files, why):
    library = own(tmp_path, **files)
    entry = library.get("P-03", "de")
    assert entry.procedure.unreviewed_translation
    assert why in no_real_run(library, "de")
    assert why in " ".join(" ".join(document_lines(entry.procedure, Sheet("R"), 79, "de")).split())
    assert why in " ".join(" ".join(text_pages(content(entry.procedure, Sheet("R"), 0.0))).split())
    assert any(f"{entry.path}: " in note and why[:12] in note for note in library.notes)
    held = holding(library, entry)
    assert held is None or held.language == "en"
    (tmp_path / "manual").mkdir()
    (tmp_path / "procedures").rename(tmp_path / "manual" / "procedures")
    checked = manual("--state", str(tmp_path), "--check")
    assert (checked.returncode, why in checked.stdout.decode()) == (1, True)


@pytest.mark.parametrize(("name", "raw"), [
    ("P-03.TXT", ENGLISH.replace("REVISION   2", "REVISION   9").encode()),
    ("lift.txt", ENGLISH.replace("Keeps", "K\xe4eps").encode("latin-1")),
    ("lift.txt", ENGLISH.encode("utf-16")),
])  # fmt: skip
def test_a_sites_own_procedure_is_seen_however_windows_saved_it(tmp_path, name, raw):
    write(tmp_path, "procedures", {name: raw})
    entry = load(tmp_path).get("P-03", "en")
    assert (entry.origin, entry.path.name) == ("site", name)
    assert entry.procedure is None or entry.procedure.revision == "9"


def test_a_french_text_is_compared_with_the_sites_original_and_not_with_the_shipped_one(tmp_path, capsys):
    today = f"translation reviewed by engineer on {time.strftime('%Y-%m-%d')}"
    for language, text, state in (("de", GERMAN, "original"), ("fr", FRENCH, today)):
        mine = text.replace(UNREVIEWED, state).replace("safety limits - to 5", "safety limits - to 4", 1)
        write(tmp_path, "procedures", {f"{language}/P-03.txt": mine})
    library = load(tmp_path)
    assert [no_real_run(library, one) for one in ("de", "fr")] == ["", ""]
    check([], Place(tmp_path))
    assert "nothing found" in capsys.readouterr().out


def test_a_sites_own_original_in_german_holds_before_the_shipped_english(tmp_path):
    mine = GERMAN.replace(UNREVIEWED, "original").replace("safety limits - to 5", "safety limits - to 4", 1)
    library = own(tmp_path, P_03=mine)
    assert no_real_run(library, "de") == ""
    assert "the DE text holds" in no_real_run(library, "en")
    assert holding(library, library.get("P-03", "en")).language == "de"
    assert library.get("P-03", "fr").procedure.doubt == ""  # nobody has reviewed it, which is said


def test_an_approval_of_a_day_to_come_leaves_a_draft(tmp_path):
    library = own(tmp_path, P_03=ENGLISH.replace("DRAFT", "APPROVED by engineer on 2099-01-01"))
    text = library.get("P-03", "en").procedure
    assert (text.approved, "approved on 2099-01-01, which is after today" in text.doubt) == (False, True)
    page = " ".join(text_pages(content(text, Sheet("R"), 0.0)))
    assert "DRAFT" in page
    assert "2099-01-01" in page
    assert parse(FRENCH)[0].doubt == ""
