"""What the comparison report must say, must never say, and how its parts hang together."""

import hashlib
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from models.bias.status import status_of
from monitor import jobs, review, words
from monitor.cli import main
from monitor.ledger import Draft, Ledger
from monitor.plant import Component
from monitor.progress import silent
from monitor.reports import comparison
from monitor.reports.comparison.access import letter
from monitor.reports.comparison.caveats import CAVEATS
from monitor.reports.comparison.changes import changes
from monitor.reports.comparison.look import Look
from monitor.reports.comparison.people import FEWEST, apart
from monitor.reports.document import Plot, Table, write_report
from monitor.reports.page import render_html
from monitor.state import State
from monitor.words import parse_utc
from tests.monitor import comparison_golden as golden
from tests.monitor.plants import plant

ACCUSING = {
    "en": r"fraud|decei[vt]|cheat|dishonest|guilt|scam|swindl|malic|culprit|betray|lied\b|lying|convict|abus"
    r"|need?less|uncalled|unnecessary",
    "de": r"betr[uü]g|täusch|schuld|böswillig|vorsätz|unehrlich|manipul|lüg|freispruch|missbrauch|unnötig|überflüssig",
    "fr": r"fraud|tromp(eri|eu|é le)|malhonn|coupable|malveill|arnaqu|mensong|escroqu|tricher|condamn|abusi|inutile",
}
INTENT = r"intent|absicht|intention"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    fleet = golden.golden_fleet()
    settings = golden.golden_settings(fleet)
    state = golden.golden_state(tmp_path_factory.mktemp("comparison"), fleet)
    told = review.answer(state, settings, golden.START_US, golden.END_US)
    return state, settings, told, {one: golden.made_in(one, state, settings, told) for one in golden.LANGUAGES}


@pytest.fixture(scope="module")
def files(made, tmp_path_factory):
    return write_report(made[3]["en"], tmp_path_factory.mktemp("out"), "r")


def table(document, name) -> Table:
    return next(one for one in document.tables() if one.name == name)


@pytest.mark.parametrize("language", golden.LANGUAGES)
def test_its_words_are_those_of_the_golden_file(made, language):
    told = golden.rows_cut(golden.shown(language, made[3][language]))
    assert told == (golden.GOLDEN / f"comparison_{language}.txt").read_text("utf-8"), golden.__doc__


@pytest.mark.parametrize("language", golden.LANGUAGES)
def test_it_never_accuses_and_speaks_of_intent_only_to_say_that_it_shows_none(made, language):
    words.use_language(language)
    try:
        denial, text = words._(CAVEATS["flag"]), golden.shown(language, made[3][language])
        asked = letter(Look(*made[:3], {}, {}, {}))
        text += " ".join(asked)
    finally:
        words.use_language("en")
    assert denial in text
    assert not any(one in golden.shown(language, made[3][language]) for one in asked), "no flag stands: no letter"
    assert re.search(ACCUSING[language], text, re.IGNORECASE) is None
    assert re.search(INTENT, text.replace(denial, ""), re.IGNORECASE) is None


@pytest.mark.parametrize("language", golden.LANGUAGES)
def test_all_eleven_sentences_of_its_limits_are_there(made, language):
    text = golden.shown(language, made[3][language])
    words.use_language(language)
    try:
        assert [name for name in CAVEATS if words._(CAVEATS[name]) not in text] == []
    finally:
        words.use_language("en")
    assert len(CAVEATS) == 11


def test_u_never_stands_without_e_net(made):
    paragraphs = golden.shown("en", made[3]["en"]).split("\n\n")
    assert [one for one in paragraphs if re.search(r"\bU\b.*[0-9]\.", one) and "E_net" not in one] == []


def test_money_per_component_adds_up_to_the_sum(made):
    _state, _settings, told, documents = made
    rows = table(documents["en"], "money_by_component").rows
    assert sum(float(row[-1]) for row in rows if row[-1] is not None) == pytest.approx(told.result.life.money.value)


def test_every_picture_is_well_formed_told_in_words_and_has_its_numbers(made):
    document = made[3]["de"]
    plots = [block for section in document.sections for block in section.blocks if isinstance(block, Plot)]
    names = {one.name for one in document.tables()}
    assert {"e_path", "wear", "tipping", "monthly", "timeline", "q0_over_cost_ratio"} <= {one.name for one in plots}
    assert any(one.name.startswith("ages_") for one in plots)
    for one in plots:
        assert one.name in names
        tree = ET.fromstring(one.svg)
        said = {child.tag.split("}")[1]: child.text for child in tree[:2]}
        assert said == {"title": one.caption, "desc": one.words}
        assert not [node for node in tree.iter() if node.tag.split("}")[1] in ("script", "image", "a", "use")]


def test_html_has_no_script_and_no_outside_reference(made):
    class Tags(HTMLParser):
        found: list[tuple[str, dict[str, str | None]]] = []

        def handle_starttag(self, tag, attrs):
            self.found.append((tag, dict(attrs)))

    tags = Tags()
    tags.feed(render_html(made[3]["fr"]))
    assert not {tag for tag, _attrs in tags.found} & {"script", "iframe", "object", "link", "a", "form", "svg"}
    assert all(str(attrs["src"]).startswith("data:") for _tag, attrs in tags.found if "src" in attrs)
    assert all(attrs.get("alt") for tag, attrs in tags.found if tag == "img")


def test_pdf_pages_say_the_answer_first_and_hold_every_section(files):
    pages = [page.extract_text() for page in PdfReader(files["pdf"]).pages]
    assert 8 <= len(pages) <= 20
    assert "What would change this answer" in pages[0]
    assert "auditor" in pages[0], "the lines to sign stand on the first page"
    assert [n for n in range(1, 8) if not any(re.search(rf"^{n} [A-Z]", page, re.M) for page in pages)] == []
    assert all(page.strip() for page in pages)


def test_the_csv_folder_holds_each_table_once_and_its_manifest_proves_it(made, files):
    names = [one.name for one in made[3]["en"].tables() if one.name]
    assert len(names) == len(set(names))
    folder = files["manifest"].parent
    listed = dict(reversed(line.split("  ")) for line in files["manifest"].read_text().splitlines())
    assert {path.name for path in folder.iterdir()} - {"MANIFEST.sha256"} <= set(listed)
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    readme = files["readme"].read_text()
    assert [name for name in names if f"{name}.csv: " not in readme] == []


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 50)),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9)),
)
def test_no_count_can_be_led_back_to_fewer_than_five_positions(counts, positions):
    shown = apart(counts, positions)
    assert all(positions[role] >= FEWEST for role in shown)
    rest = counts.keys() - shown
    assert not (shown and rest) or sum(positions.get(role, 0) for role in rest) >= FEWEST


def test_too_little_says_how_much_more_and_from_whom(made):
    result = made[2].result
    few = replace(result, status="INSUFFICIENT", findings=14, confirmed=2, found_assets=3, interventions=40,
                  vendor_written=9)  # fmt: skip
    text = " ".join(changes(few, agreed=True))
    assert "6 more findings are needed, by the utility or a third party" in text
    assert "2 more assets" in text
    assert "Half of the 40 jobs must have one: 6 are missing" in text
    assert "9 findings were written by the vendor" in text


def test_a_flag_says_what_would_undo_it_and_no_flag_what_would_raise_it(made):
    result = made[2].result
    assert status_of(30, 9, 40, 50.0, 1.0, 0.0, True)[0] == "FLAG"
    tipped = replace(result.tipping, wrong_findings=2, lowest_q0=0.31, lowest_sensitivity=0.6, missing_confirmed=0.4)
    flag = replace(result, status="FLAG", findings=30, confirmed=5, interventions=40, tipping=tipped)
    text = " ".join(changes(flag, agreed=True))
    assert "if 2 of the 25 findings that did not confirm were wrong" in text
    assert "below 0.31" in text
    assert "40 % or more of the 10 jobs" in text
    untold = replace(result.tipping, wrong_findings=None)
    none = " ".join(changes(replace(result, status="NO EVIDENCE", tipping=untold), agreed=True))
    assert "would rise" in none


def test_a_part_of_the_assets_is_named_as_such_and_an_unknown_one_is_one_line(made, tmp_path, capsys):
    state = State(tmp_path / "state").make()
    Ledger(state).close()
    config = ("--config", "tests/golden/config", "--state", str(state.root))
    assert main(["report", "comparison", "--asset", "nowhere", *config]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["report", "comparison", "--entries", "7", *config]) == 2
    assert "--entries 7" in capsys.readouterr().err


def test_several_vendors_have_a_monthly_report_each(tmp_path):
    state = State(tmp_path / "state").make()
    Ledger(state).close()
    base = plant(()).assets[0]
    assets = tuple(
        replace(base, id=f"P{n}", vendor=vendor, components=(Component("seal"),))
        for n, vendor in enumerate(("Smart/Pump Ltd.", "Other"))
    )
    done = jobs.comparison_report(state, plant((), assets=assets), golden.END_US, {}, silent)
    assert [row["kind"] for row in done.ledger] == ["review", "report", "review", "report"]
    assert [row["data"]["vendor"] for row in done.ledger if row["kind"] == "review"] == ["Other", "Smart/Pump Ltd."]
    stems = {Path(path).name for path in done.files if str(path).endswith(".pdf")}
    assert stems == {"2026-11-23_comparison_Other.pdf", "2026-11-23_comparison_Smart-Pump-Ltd.pdf"}


def test_contested_findings_give_both_results_side_by_side_and_the_vendors_reasons(made, tmp_path):
    _state, settings, first, _documents = made
    state = golden.golden_state(tmp_path, golden.golden_fleet())
    cases = first.result.cases
    chosen = [int(n) for n in cases.loc[cases["independent"] & ~cases["confirmed"], "finding_n"]][:3]
    ledger = Ledger(state)
    findings = [{"n": n, "wo_id": "W", "reason": "measured <b>cold</b>"} for n in chosen]
    contest = {"vendor": "SmartPump", "findings": findings, "sha256": "0" * 64}
    ledger.append_many([Draft("contest", contest, golden.END_US, "cli", "engineer")])
    ledger.close()
    told = review.answer(state, settings, golden.START_US, golden.END_US)
    document = comparison.build(state, settings, told)
    rows = {row[0]: row[1:] for row in table(document, "both_results").rows}
    n = told.result.findings
    assert rows["confirmed by inspection"][0].startswith(f"{told.result.confirmed} of {n}, ")
    assert rows["confirmed by inspection"][1].startswith(f"{told.result.confirmed + 3} of {n}, ")
    assert [row[0] for row in table(document, "contested").rows] == chosen
    assert "measured &lt;b&gt;cold&lt;/b&gt;" in render_html(document)


def test_long_hostile_words_of_a_vendor_stay_words_on_paper(made, tmp_path):
    settings = made[1]
    state = State(tmp_path / "state").make()
    asset = settings.assets[0].id
    ledger = Ledger(state)
    for n in range(6):
        alert = {
            "alert_id": f"A{n}", "vendor": "SmartPump", "failure_mode": "wear", "severity": "x" * 300,
            "issued_at": None, "text": "#import <b>" + "W" * 5_000 + "\x1b[31m $x$ \u202e", "horizon": None,
            "recommended_action": "replace", "raw_sha256": "0" * 64, "feed": "mail",
        }  # fmt: skip
        job = {"wo_id": f"W{n}", "opened": "2026-01-05T00:00:00Z", "done": f"2026-02-{n + 1:02}T00:00:00Z",
               "action": "replace", "trigger": "vendor_alert", "alert_id": f"A{n}"}  # fmt: skip
        found = {"wo_id": f"W{n}", "grade": "C", "inspector_party": "utility", "blind_to_alert": False}
        at = golden.END_US - 300 * 86_400_000_000 + n
        for kind, body in (("vendor_alert", alert), ("work_order", job), ("finding", found)):
            ledger.append_many([Draft(kind, body, at, "intake", None, "R", asset, "seal")])
    ledger.close()
    told = review.answer(state, settings, golden.START_US, golden.END_US)
    files = write_report(comparison.build(state, settings, told), tmp_path / "out", "r")
    assert "\x1b" not in files["text"].read_text()
    assert max(len(line) for line in files["text"].read_text().splitlines()) <= 80
    assert len(PdfReader(files["pdf"]).pages) < 20


@pytest.fixture(scope="module")
def unread(tmp_path_factory):
    """The same fleet where nobody read anything: no own alerts; a day and an event that a person typed in Berlin."""
    fleet = golden.golden_fleet()
    fleet = replace(fleet, records=[one for one in fleet.records if one.kind != "own_alert"])
    settings, state = golden.golden_settings(fleet), golden.golden_state(tmp_path_factory.mktemp("unread"), fleet)
    job = next(one for one in fleet.records if one.kind == "work_order" and one.data["trigger"] == "vendor_alert")
    typed = parse_utc("2026-03-30T22:00:00Z")  # 31 March
    finding = {"wo_id": job.data["wo_id"], "grade": "B", "inspector_party": "third", "blind_to_alert": True}
    event = {"date": "2026-03-31T22:00:00.000Z", "event_kind": "firmware", "text": "4.3"}
    other = {"alert_id": "K-1", "vendor": "Other", "active": True, "failure_mode": "", "severity": "", "text": "",
             "issued_at": None, "recommended_action": "", "horizon": None, "raw_sha256": "", "feed": "m"}  # fmt: skip
    ledger = Ledger(state)
    ledger.append_many([
        Draft("finding", finding, typed, "command", "engineer", "R", job.asset, job.component),
        Draft("event", event, golden.END_US - 1, "command", "engineer"),
        Draft("vendor_alert", other, golden.END_US - 2, "import", None, "R", job.asset, job.component),
    ])  # fmt: skip
    ledger.close()
    told = review.answer(state, settings, golden.START_US, golden.END_US, "SmartPump")
    return told, golden.made_in("en", state, settings, told)


def test_what_our_own_model_could_not_see_it_is_not_said_to_have_missed(unread):
    told, document = unread
    text = golden.shown("en", document)
    failed = {row[0]: row[1] for row in table(document, "failures_announced").rows}
    assert [row[1] for row in table(document, "overridden").rows][1].startswith("cannot tell")
    assert failed["only by the vendor: our own model missed it"] == failed["by nobody"] == 0
    assert sum(failed.values()) == told.result.failures
    assert not table(document, "own_misses").rows
    assert not table(document, "cases_vendor_only").rows
    assert {row[-5] for row in table(document, "jobs").rows} == {None}  # own alert stood: not known
    assert "we read and assessed 0 of 12 assets" in " ".join(text.split())
    rows = {row.name: row.value for row in review.table(told)}
    assert rows["own_auc"].startswith("cannot tell")
    assert rows["agreement"].startswith("cannot tell")


def test_the_days_are_those_that_people_typed_and_sums_agree(unread):
    told, document = unread
    typed = [row for row in table(document, "findings").rows if row[2] == "2026-03-30T22:00:00.000Z"]
    assert [row[1] for row in typed] == ["2026-03-31"]
    assert "2026-04-01" in [row[1] for row in table(document, "events").rows]
    assert sum(row[1] for row in table(document, "agreement").rows) == told.result.alerts
    assert len(table(document, "vendor_alerts").rows) == told.result.alerts
    assert "inf" not in re.findall(r"[a-z]+", golden.shown("en", document))


def test_the_ages_that_the_vendor_is_asked_about_keep_their_unit(made):
    state, settings, told, _documents = made
    found = replace(told.result.spikes[0], unit="run h")
    found = replace(found, vendor=replace(found.vendor, p=0.001, age=124.0))
    asked = replace(told, result=replace(told.result, spikes=(found, replace(found, unit="d"))))
    document = golden.made_in("en", state, settings, asked)
    ages = [row[1] for row in table(document, "rules_to_request").rows if "crowd" in str(row[1])]
    assert ages == ["alerts crowd at this age since the last service: 124 run h (p 0.0010), 124 d (p 0.0010)"]
