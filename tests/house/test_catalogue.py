"""The message catalogues are complete, and the tool that says so notices what it should notice."""

import gettext

import pytest

from tests.house.catalogue import DOMAINS, Domain, faults_of, main, placeholders, read

SOURCE = """
from words import _, ngettext
_("Pump {name} stopped")
ngettext("{n} alarm", "{n} alarms", 2)
"""
FRAGMENT = """
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8"

msgid "Pump {name} stopped"
msgstr "Pumpe {name} steht"

msgid "{n} alarm"
msgid_plural "{n} alarms"
msgstr[0] "{n} Alarm"
msgstr[1] "{n} Alarme"
"""


@pytest.fixture
def domain(tmp_path):
    package = tmp_path / "room"
    package.mkdir()
    (package / "screen.py").write_text(SOURCE)
    return Domain("room", package)


def fill(domain, tmp_path, fragment=FRAGMENT):
    for language in ("de", "fr"):
        (tmp_path / "fragment.po").write_text(fragment)
        assert main(["fill", language, str(tmp_path / "fragment.po")], [domain]) == 0


@pytest.mark.parametrize("shipped", DOMAINS, ids=lambda one: one.name)
def test_every_operator_string_is_there_in_french_and_german(shipped):
    assert list(faults_of(shipped)) == []


def test_a_filled_catalogue_is_complete_and_gettext_reads_it(domain, tmp_path):
    fill(domain, tmp_path)
    assert list(faults_of(domain)) == []
    german = gettext.translation("room", domain.locale, ["de"])
    assert german.gettext("Pump {name} stopped") == "Pumpe {name} steht"
    assert german.ngettext("{n} alarm", "{n} alarms", 1) == "{n} Alarm"
    assert german.ngettext("{n} alarm", "{n} alarms", 3) == "{n} Alarme"


def test_running_it_twice_changes_no_byte(domain, tmp_path):
    fill(domain, tmp_path)
    before = {path: path.read_bytes() for path in domain.locale.rglob("*.*o*")}
    assert main(["update"], [domain]) == main(["compile"], [domain]) == 0
    assert {path: path.read_bytes() for path in before} == before
    assert b"Date" not in before[domain.mo("de")]


def test_a_new_string_is_reported_until_it_is_translated(domain, tmp_path):
    fill(domain, tmp_path)
    (domain.package / "screen.py").write_text(SOURCE + '_("Wet well high")\n')
    assert any("'Wet well high' is missing" in fault for fault in faults_of(domain))
    main(["update"], [domain])
    main(["compile"], [domain])
    assert [fault.split(": ")[1] for fault in faults_of(domain)] == ["'Wet well high' is not translated"] * 2


def test_a_lost_placeholder_is_reported(domain, tmp_path):
    fill(domain, tmp_path, FRAGMENT.replace("Pumpe {name}", "Pumpe {nom}"))
    assert all("other placeholders" in fault for fault in faults_of(domain))
    assert len(list(faults_of(domain))) == 2


def test_a_translation_outlives_a_module_in_the_middle_of_a_change(domain, tmp_path):
    fill(domain, tmp_path)
    (domain.package / "screen.py").write_text('_("Something else")\n')
    main(["update"], [domain])
    (domain.package / "screen.py").write_text(SOURCE)
    main(["update"], [domain])
    assert read(domain.po("de"), "de").get("Pump {name} stopped").string == "Pumpe {name} steht"
    assert list(faults_of(domain)) == []


def test_a_po_file_that_was_edited_but_not_compiled_is_reported(domain, tmp_path):
    fill(domain, tmp_path)
    po = domain.po("fr")
    po.write_text(po.read_text().replace("steht", "arrêtée"))
    assert [fault.split(": ")[1] for fault in faults_of(domain)] == ["is older than its .po file; run make catalogue"]


@pytest.mark.parametrize(
    ("text", "found"),
    [("{a} of {b:.1f}", {"{a}", "{b:.1f}"}), ("100 % {", set()), ("%(n)s and %s", {"%(n)s", "%s"}), ("{{x}}", set())],
)
def test_placeholders_are_what_format_would_replace(text, found):
    assert placeholders(text) == found


@pytest.mark.parametrize("shipped", DOMAINS, ids=lambda one: one.name)
def test_the_ledger_and_a_run_have_one_german_word_each(shipped):
    german = (shipped.locale / "de" / "LC_MESSAGES" / f"{shipped.name}.po").read_text()
    said = "".join(line.strip().strip('"') for line in german.splitlines() if not line.startswith("#"))
    assert not [word for word in ("Hauptbuch", "Ausführung") if word in said], "it is: Register, Durchgang"
