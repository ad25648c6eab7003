"""The reports as a reader meets them: the answer first, every rate with its count, our own misses as plainly."""

import shlex
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from pypdf import PdfReader

from monitor import audit, review
from monitor.cli import main
from monitor.ledger import Draft, Ledger, verify
from monitor.ledger import head as ledger_head
from monitor.reports import audit as audit_page
from monitor.reports import comparison, sovereignty
from monitor.reports.document import Document, Table, ledger_text, write_report
from monitor.reports.text import render_text
from monitor.settings import load
from monitor.state import State
from tests.monitor.comparison_golden import END_US, START_US, golden_fleet, golden_settings, golden_state
from tests.monitor.plants import plant

YEAR_US = 365 * 86_400_000_000


@pytest.fixture(scope="module")
def fleet():
    return golden_fleet()


@pytest.fixture(scope="module")
def settings(fleet):
    return golden_settings(fleet)


@pytest.fixture(scope="module")
def state(tmp_path_factory, fleet):
    return golden_state(tmp_path_factory.mktemp("reports"), fleet)


@pytest.fixture(scope="module")
def told(state, settings):
    return review.answer(state, settings, START_US, END_US)


@pytest.fixture(scope="module")
def document(state, settings, told) -> Document:
    return comparison.build(state, settings, told)


def table(document, name) -> Table:
    return next(table for table in document.tables() if table.name == name)


def test_the_answer_stands_first_and_is_that_of_the_review(document, told):
    result = told.result
    text = render_text(document)
    assert text.index("1 Answer") < text.index(result.status) < text.index("2 Method")
    assert f"{result.confirmed} of {result.findings}" in text
    assert "PARAMETERS NOT FROZEN" in text
    assert "SIMULATED" in text


def test_every_vendor_driven_job_is_a_case_and_our_own_misses_stand_beside_them(document, told, fleet):
    result = told.result
    assert len(table(document, "jobs").rows) == result.interventions
    shown = [*table(document, "cases_vendor_only").rows, *table(document, "cases_others").rows]
    assert len(shown) == result.interventions
    failures = [r for r in fleet.records if r.kind == "failure" and START_US <= r.at_us < END_US]
    announced = {str(row[0]): row[1] for row in table(document, "failures_announced").rows}
    assert sum(announced.values()) == len(failures) > 0
    unseen = announced["only by the vendor: our own model missed it"] + announced["by nobody"]
    assert len(table(document, "own_misses").rows) == unseen > 0


def test_the_pages_count_each_alert_once(document, fleet):
    alerts = [r for r in fleet.records if r.kind == "vendor_alert" and START_US <= r.at_us < END_US]
    assert sum(int(row[1] or 0) for row in table(document, "agreement").rows) == len(alerts)


def test_without_known_rosters_no_role_is_counted_apart_and_no_raw_row_points_at_a_person(document):
    assert [row[0] for row in table(document, "decisions_by_role").rows] == ["fewer than five positions: summed"]
    decided = table(document, "decisions")
    assert decided.rows
    roles = {"operator", "shift_lead", "maintenance", "engineer"}
    assert not any(roles & set(map(str, row)) for row in decided.rows)
    assert all(len(str(row[1])) == len("2026-01-01") for row in decided.rows), "a day, no hour"


def test_every_figure_has_its_count_beside_it_and_says_where_it_has_no_interval(document, told, tmp_path):
    r = told.result
    files = write_report(document, tmp_path, "r")
    pair = (review.counted_text(r.unsupported), review.counted_text(r.life.net))
    assert all(f"(n = {n})" in text for n, text in zip((r.findings, r.life.net.n), pair, strict=True))
    described = (
        f"(n = {r.findings}: {r.confirmed} confirmed, {r.findings - r.confirmed} not; no interval)",
        f"(n = {r.kappa_cells} cells of part and time; no interval)",
    )
    for kind in ("text", "html", "csv evidence"):
        text = " ".join(files[kind].read_text().split())
        for words in pair if kind == "text" else pair + described:  # there a column breaks its lines
            assert words in text, (kind, words)


def test_the_command_in_a_report_makes_it_again_byte_for_byte_in_a_fresh_process(tmp_path, fleet):
    config, state = tmp_path / "my config", State(tmp_path / "state").make()
    shutil.copytree("tests/golden/config", config)
    settings = load(config)
    asset = settings.assets[0]
    first = next(r.asset for r in fleet.records if r.asset)
    known = [r for r in fleet.records if r.asset == first]
    ledger = Ledger(state)
    ledger.append_many(Draft(r.kind, r.data, r.at_us, r.via, r.role, asset.site, asset.id, r.component) for r in known)
    until = END_US - 100 * 86_400_000_000 + 12_345_000
    made = comparison.build(state, settings, review.answer(state, settings, None, until // 1000 * 1000))
    files = write_report(made, tmp_path / "a", "r")
    later = next(r for r in known if r.kind == "vendor_alert")  # entered afterwards: not seen, though it is of before
    ledger.append_many([Draft(later.kind, later.data, until - 1_000, "intake", None, asset.site, asset.id, "seal")])
    ledger.close()
    words = shlex.split(dict(made.meta)["made again by"])
    assert words[0] == "handwheel"
    command = [sys.executable, "-m", "monitor.cli", *words[1:], "--out", str(tmp_path / "b")]
    subprocess.run(command, check=True, capture_output=True)
    (again,) = (tmp_path / "b").glob("*.pdf")
    assert again.read_bytes() == files["pdf"].read_bytes()
    assert again.with_suffix(".txt").read_bytes() == files["text"].read_bytes()
    assert again.with_suffix(".html").read_bytes() == files["html"].read_bytes()
    for path in files["manifest"].parent.glob("*.csv"):
        assert (again.with_name(again.stem + "_csv") / path.name).read_bytes() == path.read_bytes()


def test_an_empty_ledger_is_insufficient_and_says_none_instead_of_failing(tmp_path, settings):
    state = State(tmp_path / "state").make()
    Ledger(state).close()
    text = render_text(comparison.build(state, settings, review.answer(state, settings, START_US, END_US)))
    assert "INSUFFICIENT" in text
    assert "0 of 0" in text
    assert "(none)" in text


def test_what_a_vendor_writes_stays_text_on_every_page(tmp_path, settings):
    state = State(tmp_path / "state").make()
    hostile = "\x1b[2J<script>x()</script>=1+1 #eval()"
    asset = settings.assets[0]
    ledger = Ledger(state)
    data = {
        "alert_id": "=cmd", "vendor": "SmartPump", "failure_mode": "wear", "severity": "warning", "issued_at": None,
        "text": hostile, "recommended_action": "replace", "horizon": None, "raw_sha256": "0" * 64, "feed": "mail",
    }  # fmt: skip
    job = {
        "wo_id": "W1", "opened": "2026-01-05T00:00:00.000Z", "done": "2026-01-06T00:00:00.000Z", "action": "replace",
        "trigger": "vendor_alert", "alert_id": "=cmd", "run_hours": "10 h",
    }  # fmt: skip
    at = END_US - YEAR_US
    for kind, body in (("vendor_alert", data), ("work_order", job)):
        ledger.append_many([Draft(kind, body, at, "intake", None, "R", asset.id, "seal")])
    ledger.close()
    files = write_report(
        comparison.build(state, settings, review.answer(state, settings, START_US, END_US)), tmp_path / "out", "r"
    )
    assert "\x1b" not in files["text"].read_text()
    assert "<script>" not in files["html"].read_text()
    assert "'=cmd" in files["csv vendor_alerts"].read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "yesterday"), "is not a day"),
        (("--from", "2026-02-01", "--to", "2026-01-01"), "--from lies after --to"),
        (("--vendor", "Nobody"), "no asset of Nobody"),
    ],
)
def test_a_wrong_question_is_one_line_and_exit_2(tmp_path, words, said, capsys):
    state = State(tmp_path / "state").make()
    Ledger(state).close()
    config = ("--config", "tests/golden/config", "--state", str(state.root))
    assert main(["report", "comparison", *words, *config]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_the_report_command_says_where_its_files_lie(tmp_path, capsys):
    state = State(tmp_path / "state").make()
    Ledger(state).close()
    config = ("--config", "tests/golden/config", "--state", str(state.root))
    assert main(["report", "sovereignty", *config]) == 0
    told = capsys.readouterr().out
    assert told.count(str(state.reports)) == 4
    assert len(list(state.reports.glob("*_csv/*.csv"))) > 5


def test_the_sovereignty_report_keeps_every_unknown(settings, tmp_path):
    document = sovereignty.build(State(tmp_path), replace(settings, tags=plant().tags, assets=plant().assets), END_US)
    standing = table(document, "standing")
    assert [row[2] for row in standing.rows] == ["0 - 100 %", "0 - 100 %"]
    assert len(table(document, "unknown").rows) == 17
    assert "cannot tell" in render_text(document)


def test_every_report_has_the_ledgers_head_as_verify_takes_it_in_text_html_pdf_and_csv(settings, tmp_path):
    state = State(tmp_path / "state").make()
    ledger = Ledger(state)
    ledger.append("restart", {"version": "1"}, at_us=END_US - YEAR_US, via="daemon")
    ledger.close()
    head = ":".join(map(str, ledger_head(state)))
    assert verify(state, head).ok
    done = audit.Audit("A-1", END_US, "Golden Water", False, (), "PASS")
    told = review.answer(state, settings, START_US, END_US)
    documents = (
        comparison.build(state, settings, told), sovereignty.build(state, settings, END_US),
        audit_page.build(done, ledger_text(state)),
    )  # fmt: skip
    for number, document in enumerate(documents):
        files = write_report(document, tmp_path / "out", str(number))
        for kind in ("text", "html", "csv about"):
            assert head in files[kind].read_text(), (number, kind)
        assert head in PdfReader(files["pdf"]).pages[0].extract_text()
