"""The reports as a reader meets them: the answer first, every rate with its count, our own misses as plainly."""

import re
import shlex
import shutil
from dataclasses import replace

import pytest
from pypdf import PdfReader

from drivers.sim.fleet import simulate
from monitor import audit, review
from monitor.cli import main
from monitor.ledger import Draft, Ledger, verify
from monitor.ledger import head as ledger_head
from monitor.plant import Asset, Component
from monitor.reports import audit as audit_page
from monitor.reports import comparison, sovereignty
from monitor.reports.document import Document, Table, ledger_text, write_report
from monitor.reports.page import render_html
from monitor.reports.text import render_text
from monitor.settings import load
from monitor.state import State
from tests.monitor.plants import plant

END_US = 1_795_392_000_000_000
START_US = END_US - 730 * 86_400_000_000
YEAR_US = 365 * 86_400_000_000


@pytest.fixture(scope="module")
def fleet():
    return simulate(11, pumps=12, end_us=END_US, telemetry=False)


@pytest.fixture(scope="module")
def settings(fleet):
    parts = tuple(
        Component(part, 1000.0, 4000.0, 0.5) for part in sorted({r.component for r in fleet.records if r.component})
    )
    assets = tuple(
        Asset(asset, "R", f"pump {asset}", "pump", vendor="SmartPump", components=parts)
        for asset in sorted({r.asset for r in fleet.records if r.asset})
    )
    return plant((), assets=assets, simulated=True)


@pytest.fixture(scope="module")
def state(tmp_path_factory, fleet):
    made = State(tmp_path_factory.mktemp("reports") / "state").make()
    ledger = Ledger(made)
    ledger.append_many(Draft(r.kind, r.data, r.at_us, r.via, r.role, "R", r.asset, r.component) for r in fleet.records)
    ledger.close()
    return made


@pytest.fixture(scope="module")
def document(state, settings) -> Document:
    return comparison.build(state, settings, review.answer(state, settings, START_US, END_US))


def table(document, name) -> Table:
    return next(table for table in document.tables() if table.name == name)


def test_the_answer_stands_first_and_is_that_of_the_review(document, state, settings):
    result = review.answer(state, settings, START_US, END_US).result
    text = render_text(document)
    assert text.index("1 Answer") < text.index(result.status) < text.index("2 Method")
    assert f"{result.confirmed} of {result.findings}" in text
    assert "PARAMETERS NOT FROZEN" in text
    assert "SIMULATED" in text


def test_it_never_accuses(document):
    text = render_text(document).lower() + render_html(document).lower()
    assert re.search(r"fraud|deceiv|cheat|betr[uü]g|dishonest", text) is None
    assert "intent" in text


def test_every_vendor_driven_job_is_a_case_and_our_own_misses_stand_beside_them(document, state, settings, fleet):
    result = review.answer(state, settings, START_US, END_US).result
    assert len(table(document, "cases").rows) == result.interventions
    failures = [r for r in fleet.records if r.kind == "failure" and START_US <= r.at_us < END_US]
    unseen = [row for row in table(document, "own_misses").rows if "without an own alert" in str(row[3])]
    assert failures
    assert 0 < len(unseen) <= len(failures)


def test_the_pages_count_each_alert_once(document, fleet):
    alerts = [r for r in fleet.records if r.kind == "vendor_alert" and START_US <= r.at_us < END_US]
    assert sum(int(row[1] or 0) for row in table(document, "agreement").rows) == len(alerts)


def test_no_count_per_role_is_printed(document):
    decided = table(document, "decisions")
    roles = {"operator", "shift_lead", "maintenance", "engineer"}
    assert not any(roles & set(map(str, row)) for row in decided.rows)


def test_every_figure_has_its_count_beside_it_and_says_where_it_has_no_interval(document, state, settings, tmp_path):
    r = review.answer(state, settings, START_US, END_US).result
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


def test_the_command_in_a_report_makes_its_numbers_again(tmp_path, fleet, capsys):
    config, state = tmp_path / "my config", State(tmp_path / "state").make()
    shutil.copytree("tests/golden/config", config)
    settings = load(config)
    asset = settings.assets[0]
    first = next(r.asset for r in fleet.records if r.asset)
    known = [r for r in fleet.records if r.asset == first]
    ledger = Ledger(state)
    ledger.append_many(Draft(r.kind, r.data, r.at_us, r.via, r.role, asset.site, asset.id, r.component) for r in known)
    until = END_US - 100 * 86_400_000_000 + 12_345_000
    told = comparison.build(state, settings, review.answer(state, settings, *comparison.period_until(until)))
    later = next(r for r in known if r.kind == "vendor_alert")
    ledger.append_many([Draft(later.kind, later.data, until + 1_000, "intake", None, asset.site, asset.id, "seal")])
    ledger.close()
    words = shlex.split(dict(told.meta)["made again by"])
    assert words[0] == "handwheel"
    assert main([*words[1:], "--print", "--out", str(tmp_path)]) == 0
    again = capsys.readouterr().out
    assert f"n = {review.answer(state, settings, *comparison.period_until(until)).result.findings}" in again
    for title in ("1 ANSWER", "2 METHOD AND LIMITS", "3 AGREEMENT", "4 CASES", "5 MONEY"):
        assert section(again, title) == section(render_text(told), title)


def section(text, title):
    """The lines from this title to the next one."""
    start = text.upper().index(f"\n{title}")
    return text[start : text.upper().index(f"\n{int(title[0]) + 1} ", start)]


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
        (("--from", "2026-02-01", "--to", "2026-01-01"), "is not before"),
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
