"""The review as a person starts it: rates with their arithmetic, the freeze, the table, the command line."""

import asyncio
import dataclasses
import json
from datetime import UTC
from pathlib import Path

import pandas as pd
import pytest

from drivers.errors import UserError
from drivers.sim.fleet import DEMO_SEED, PARTS, district_pumps, simulate
from drivers.sim.stations import PUMPS
from monitor import review
from monitor.cli import build_parser
from monitor.command_socket import serve
from monitor.daemon.deeds import draft_of
from monitor.ledger import Draft, Ledger, body_of, entries
from monitor.ledger.through import enter
from monitor.lock import hold_lock
from monitor.plant import Asset, Component, Settings
from monitor.records import tables
from monitor.reports import comparison
from monitor.reports.text import render_text
from monitor.review import command, narrowing, sheets
from monitor.review.choosing import as_json
from monitor.review.table import METHOD
from monitor.settings import load
from monitor.state import State

EXAMPLE = Path(__file__).parents[2] / "config" / "example"
END_US = 1_795_392_000_000_000
KNOWN = json.loads((EXAMPLE.parents[1] / "tests" / "golden" / "fleet.json").read_text())["review"]


@pytest.fixture(scope="module")
def fleet():
    return simulate(DEMO_SEED, end_us=END_US, assets=PUMPS, telemetry=False)


@pytest.fixture(scope="module")
def settings() -> Settings:
    """The example utility with the district pumps of the demo; whoever runs the tests may do all."""
    parts = tuple(Component(p.name, p.cost_planned, p.cost_failure, p.p_fail, f"{p.limit:g} {p.unit}") for p in PARTS)
    rest = tuple(
        Asset(pump.id, pump.site, pump.id, "pump", vendor="SmartPump", components=parts)
        for pump in district_pumps(40 - len(PUMPS))
    )
    example = load(EXAMPLE)
    return dataclasses.replace(example, assets=example.assets + rest, groups={}, rights={})


@pytest.fixture
def state(tmp_path, fleet) -> State:
    made = State(tmp_path / "state").make()
    ledger = Ledger(made)
    ledger.append_many(
        Draft(r.kind, r.data, r.at_us, r.via, r.role, r.site, r.asset, r.component) for r in fleet.records
    )
    ledger.close()
    return made


@pytest.fixture(scope="module")
def few(settings) -> Settings:
    """The same with the pumps of two sites only: for what does not depend on how many there are."""
    return dataclasses.replace(settings, assets=tuple(one for one in settings.assets if one.site in ("H", "R")))


@pytest.fixture
def little(tmp_path, fleet) -> State:
    """Their ledger."""
    made = State(tmp_path / "little").make()
    ledger = Ledger(made)
    ledger.append_many(
        Draft(r.kind, r.data, r.at_us, r.via, r.role, r.site, r.asset, r.component)
        for r in fleet.records if r.site in ("H", "R", None)
    )  # fmt: skip
    ledger.close()
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory, fleet, settings):
    made = State(tmp_path_factory.mktemp("whole")).make()
    ledger = Ledger(made)
    ledger.append_many(
        Draft(r.kind, r.data, r.at_us, r.via, r.role, r.site, r.asset, r.component) for r in fleet.records
    )
    ledger.close()
    return review.answer(made, settings, fleet.start_us, fleet.end_us)


def test_a_rate_comes_from_the_contract_then_from_costs_then_from_the_default(settings):
    found = {(rate.asset, rate.component): rate for rate in review.rates(settings)}
    assert (found["H-P01", "seal"].q0, found["H-P01", "seal"].source) == (0.60, "contract")
    costs = found["N-P01", "seal"]
    assert (costs.q0, costs.source, costs.words) == (0.5, "costs", "900 / (0.5 x 2700 + 0.5 x 900)")
    bare = dataclasses.replace(settings.asset("N-P01"), id="X", components=(Component("seal"),))
    unpriced = dataclasses.replace(settings, assets=(bare,), contracts=())
    (default,) = review.rates(unpriced)
    assert (default.q0, default.source) == (settings.review.min_confirmation, "default")
    assert review.parameters(settings, {}).agreed
    assert not review.parameters(unpriced, {}).agreed


@pytest.mark.parametrize("prices", [(900.0, 2700.0, 0.0), (0.0, 2700.0, 0.5), (900.0, 100.0, 0.5)])
def test_prices_that_make_no_rate_are_named_with_what_to_mend(settings, prices):
    part = Component("seal", cost_planned=prices[0], cost_failure=prices[1], p_fail=prices[2])
    one = dataclasses.replace(settings.asset("N-P01"), id="X", components=(part,))
    with pytest.raises(UserError, match=r"site.toml: X, seal: .* give prices above 0"):
        review.rates(dataclasses.replace(settings, assets=(one,), contracts=()))


def test_the_demo_fleet_in_a_ledger_is_flagged_and_unfrozen_it_stops_at_watch_and_says_so(whole):
    result = whole.result
    assert result.e_calibrated >= 20
    assert (result.status, result.gate, result.leaves_the_house) == ("WATCH", "not_frozen", False)
    assert "with parameters that are not frozen: no more than WATCH" in review.status_words(whole)[0]
    assert (result.interventions, result.findings, result.confirmed) == (
        KNOWN["interventions"], KNOWN["findings"], KNOWN["confirmed"])  # fmt: skip
    assert result.assets == 40


def test_the_text_says_first_that_parameters_were_not_frozen_then_that_they_were(little, few, fleet, whole):
    assert review.as_text(whole).startswith("PARAMETERS NOT FROZEN")
    sha256 = review.freeze(little, few, now_us=END_US)
    told = review.answer(little, few, fleet.start_us, fleet.end_us)
    assert told.freeze.word == "frozen"
    assert told.sha256 == sha256 == told.freeze.sha256
    line = review.first_line(told)
    assert sha256[:16] in line
    assert "after the period had begun" in line
    assert "before the period" in review.first_line(review.answer(little, few, END_US + 1, END_US + 2))


def test_a_parameter_changed_after_the_freeze_is_named_on_the_first_line(little, few, fleet):
    review.freeze(little, few, now_us=END_US)
    changed = dataclasses.replace(few, review=dataclasses.replace(few.review, largest_cluster=2))
    told = review.answer(little, changed, fleet.start_us, fleet.end_us)
    assert told.freeze.word == "changed"
    assert review.as_text(told).splitlines()[0].startswith("PARAMETERS CHANGED since")
    assert "largest_cluster" in review.first_line(told)


def test_the_freeze_keeps_all_that_decides_and_its_hash_can_be_made_again(state, settings):
    sha256 = review.freeze(state, settings, now_us=END_US)
    (entry,) = entries(state, ["review_freeze"])
    assert (entry.data["sha256"], entry.role, entry.at_us) == (sha256, "administrator", END_US)
    kept = entry.data["parameters"]
    assert kept == as_json(review.parameters(settings, tables(state), start_us=kept["start_us"]))
    assert kept["start_us"] == END_US - 730 * 86_400_000_000
    assert kept["largest_cluster"] == 4
    assert [name for name, _at in kept["events"]] == [
        "contract: service agreement renewed", "firmware: controller firmware 4.2"]  # fmt: skip


def test_a_date_registered_after_the_freeze_is_shown_and_no_test_and_changes_nothing_that_is_frozen(little, few, fleet):
    sha256 = review.freeze(little, few, now_us=END_US)
    ledger = Ledger(little)
    price = {"date": "2025-09-01", "event_kind": "price", "text": "new price list"}
    ledger.append("event", price, at_us=END_US, via="cli", role="engineer")
    ledger.close()
    told = review.answer(little, few, fleet.start_us, fleet.end_us)
    assert (told.freeze.word, told.sha256) == ("frozen", sha256)
    assert {step.name: step.beforehand for step in told.result.steps} == {
        "contract: service agreement renewed": True,
        "firmware: controller firmware 4.2": True,
        "price: new price list": False,
    }
    assert "registered after the freeze: no test" in dict(review.rows(told))["D2 step at price: new price list"]
    review.freeze(little, few, now_us=END_US)
    made = review.frozen(little, few, review.parameters(few, tables(little), start_us=told.parameters.start_us))
    assert made.word == "frozen"
    assert not review.parameters(few, tables(little), frozen_n=made.n).later_events


def test_dates_of_what_is_not_under_review_are_none_of_its_dates(settings):
    told = {"n": 1, "event_kind": "contract", "date": "2025-06-01", "text": "meters", "asset": "N-M01", "site": "N"}
    events = pd.DataFrame([{**told, "corrects": None, "withdrawn": None}])
    assert review.parameters(settings, {"event": events}).events == ()


def test_what_came_by_import_is_counted_apart_and_after_the_freeze_it_counts_no_more(little, few, fleet):
    """Findings of last year that somebody brings in are the role's word, not an inspection that the ledger saw."""
    before = review.answer(little, few, fleet.start_us, fleet.end_us)
    assert before.imported[1] == 0
    bare = before.result.cases[~before.result.cases["independent"]].to_dict("records")

    def bring(case, n):
        data = {"wo_id": case["wo_id"], "grade": "A", "inspector_party": "utility", "blind_to_alert": True}
        by = {"via": "import", "role": "engineer", "asset": case["asset"], "component": case["component"]}
        ledger = Ledger(little)
        ledger.append("finding", data | {"import": f"{n:016x}"}, at_us=case["at_us"], **by)
        ledger.close()

    bring(bare[0], 1)
    review.freeze(little, few, now_us=END_US)
    bring(bare[1], 2)
    told = review.answer(little, few, fleet.start_us, fleet.end_us)
    assert told.imported == (before.imported[0], 1)
    assert told.result.findings == before.result.findings + 1
    assert list(told.late["wo_id"]) == [bare[1]["wo_id"]]
    shown = dict(review.rows(told))
    assert shown["findings that came by import; jobs that did"].startswith(f"1 of {told.result.findings}")
    assert shown["findings imported after the freeze, of a time before it (not used)"] == "1"
    assert review.entry_data(told)["evidence"]["imported"] == 1
    page = render_text(comparison.build(little, few, told))
    assert "imported after the parameters were frozen" in page
    assert bare[1]["wo_id"] in page


def test_who_has_no_right_to_freeze_is_told_so_and_nothing_is_written(state, settings):
    nobody = dataclasses.replace(settings, groups={"hw-none": "viewer"}, rights={})
    with pytest.raises(UserError, match="no right to freeze"):
        review.freeze(state, nobody, now_us=END_US)
    assert not list(entries(state, ["review_freeze"]))


async def test_while_the_daemon_runs_the_freeze_goes_through_its_socket(state, settings):
    asked = []

    async def handle(request):
        asked.append(request)
        return {"n": 1}

    with hold_lock(state):
        async with serve(state, settings, handle):
            sha256 = await asyncio.to_thread(review.freeze, state, settings, now_us=END_US)
    (request,) = asked
    assert (request.verb, request.data["sha256"]) == ("freeze", sha256)
    assert request.data["parameters"]["assets"][0] == ["N-P01", "N"]


def test_the_table_has_every_row_of_the_method_and_every_value_is_text(whole):
    assert tuple(row.name for row in review.table(whole) if "." not in row.name) == METHOD
    rows = review.rows(whole)
    assert all(isinstance(label, str) and isinstance(value, str) and value for label, value in rows)
    text = "\n".join(label for label, _value in rows)
    for part in ("period", "assets", "vendor alerts", "followed / deferred / rejected", "interventions N",
                 "independent finding", "confirmed", "U,", "upper bound", "q0", "m0", "e calibrated / protective",
                 "flag falls if", "mean wear at removal", "E_net", "E_waste", "cost of the net excess", "failures per",
                 "failure credit", "D1", "D2", "D3", "D4", "own model", "vendor only / own only / both"):  # fmt: skip
        assert part in text


def test_the_command_prints_the_table_and_says_simulated(little, few, capsys):
    state, settings = little, few
    parser = build_parser("review")
    args = parser.parse_args(["review", "run", "--from", "2024-11-23", "--to", "2026-11-23"])
    assert command.command(args, settings, state) == 0
    out = capsys.readouterr().out
    assert out.startswith("SIMULATED: PARAMETERS NOT FROZEN")
    assert "\nStatus: " in out
    assert max(len(line) for line in out.splitlines()) <= 130
    assert command.command(parser.parse_args(["review", "freeze"]), settings, state) == 0
    out = capsys.readouterr().out
    assert "q0 of seal: 0.60 = C-2022-08" in out
    assert "SHA-256" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "23.11.2024"], "--from '23.11.2024' is not a day; write it as 2026-11-23"),
        (["--from", "2026-11-23", "--to", "2026-11-01"], "--from lies after --to"),
        (["--vendor", "Nobody"], "no asset of Nobody in site.toml"),
    ],
)
def test_what_a_person_can_mend_is_one_line(state, settings, words, said):
    args = build_parser("review").parse_args(["review", "run", *words])
    with pytest.raises(UserError, match=said) as fault:
        command.command(args, settings, state)
    assert "\n" not in str(fault.value)


def test_an_empty_ledger_is_insufficient_and_not_healthy(tmp_path, settings):
    empty = State(tmp_path).make()
    told = review.answer(empty, settings, END_US - 10**12, END_US)
    assert told.result.status == "INSUFFICIENT"
    assert "0 independent findings; 20 are needed" in review.as_text(told)


def said(capsys, settings, state, *words):
    assert command.command(build_parser("review").parse_args(["review", *words]), settings, state) == 0
    return capsys.readouterr().out


def test_what_would_be_frozen_is_shown_first_and_only_freeze_writes_it_once(state, settings, capsys):
    shown = said(capsys, settings, state, "freeze", "--check")
    assert not list(entries(state, ["review_freeze"]))
    for words in ("q0 of seal: 0.50 = 900 / (0.5 x 2700 + 0.5 x 900) (costs; 37 assets)", "n_max, findings of the",
                  "limit of bearing: 7.1 mm/s (40 assets)", "costs of seal: planned 900, after a failure 2700 EUR",
                  "sensitivity 0.90, specificity 0.90", "windows: merge 14 d, match 56 d, horizon 182 d",
                  "known date: 2025-11-22 firmware",
                  "0.250 (simulated fleets of four-part pumps, docs/bias_method.md;", "SHA-256 "):  # fmt: skip
        assert words in shown
    assert "frozen; SHA-256 " in said(capsys, settings, state, "freeze")
    assert "nothing was written" in said(capsys, settings, state, "freeze")
    assert len(list(entries(state, ["review_freeze"]))) == 1


def test_an_unpriced_part_without_a_limit_is_named_before_it_is_frozen(state, settings, capsys):
    bare = dataclasses.replace(settings.asset("N-P01"), components=(Component("gasket"),))
    poor = dataclasses.replace(settings, assets=(bare,), contracts=())
    shown = said(capsys, poor, state, "freeze", "--check")
    assert 'limit of gasket: NONE AGREED (1 assets); write limit = "7.1 mm/s" at the component' in shown
    assert "the review stops at WATCH" in shown


def test_without_an_agreed_rate_the_review_stops_at_watch_and_says_why(settings, whole):
    bare = tuple(
        dataclasses.replace(one, components=tuple(Component(p.name) for p in one.components)) for one in settings.assets
    )
    poor = dataclasses.replace(settings, assets=bare, contracts=())
    assert not review.parameters(poor, {}).agreed
    held = dataclasses.replace(whole, result=dataclasses.replace(whole.result, status="WATCH", gate="not_agreed"))
    out = " ".join(review.as_text(held).split())
    assert "Status: WATCH: e " in out
    assert "not every rate is fixed by a contract or by costs" in out


def test_what_was_frozen_is_shown_with_what_is_another_now_from_and_to(state, settings, capsys):
    assert said(capsys, settings, state, "frozen").startswith("nothing is frozen for all vendors together")
    said(capsys, settings, state, "freeze")
    assert "nothing has changed since" in said(capsys, settings, state, "frozen")
    assert "nothing has changed since" in said(capsys, settings, state, "frozen", "--vendor", "SmartPump")
    seal = dataclasses.replace(settings.assets[0].components[0], cost_planned=990.0, limit="55 ml/h")
    first = dataclasses.replace(settings.assets[0], components=(seal, *settings.assets[0].components[1:]))
    other = dataclasses.replace(
        settings, assets=(first, *settings.assets[1:-1]), review=dataclasses.replace(settings.review, match_days=70.0)
    )
    shown = said(capsys, other, state, "frozen")
    assert "since changed: match_days: 56 -> 70" in shown
    assert "since changed: limits N-P01 seal: 60 ml/h -> 55 ml/h" in shown
    assert "since changed: q0 N-P01 seal: 0.5 -> 0.536585" in shown
    assert f"since changed: assets {settings.assets[-1].id}: D -> nothing" in shown


def test_the_first_look_is_an_entry_and_who_freezes_otherwise_after_it_is_told_on_the_first_line(
    little, few, fleet, capsys
):
    period = ("--from", "2024-11-23", "--to", "2026-11-23")
    said(capsys, few, little, "freeze")
    said(capsys, few, little, "run", *period)
    said(capsys, few, little, "run", "--site", "H", *period)
    look, part = entries(little, ["review"])
    assert part.data["part"] == ["site", "H"]
    assert (look.via, look.data["frozen"], look.data["vendor"]) == ("command", True, "SmartPump")
    other = dataclasses.replace(few, review=dataclasses.replace(few.review, largest_cluster=3))
    assert "a review with other parameters was made on" in said(capsys, other, little, "freeze")
    line = review.first_line(review.answer(little, other, fleet.start_us, fleet.end_us))
    assert line.startswith("Parameters frozen on ")
    assert "frozen again on " in line
    assert line.endswith("after a review had been made with other parameters")
    later = review.frozen(little, other, review.parameters(other, tables(little)), (END_US + 1, END_US + 2))
    assert later.looked_us is None  # of a new period nobody had seen anything


def test_a_site_that_was_picked_is_judged_among_all_of_them(whole):
    result, frozen = whole.result, whole.parameters
    flagged = dataclasses.replace(result, status="FLAG", gate="flag")

    def by(*sites):
        part, narrowed = narrowing.narrow(frozen, sites, ())
        assert {site for _asset, site in part.assets} == set(sites)
        return narrowing.held_back(flagged, result, frozen, narrowed)

    assert by("D").status == "FLAG"  # e 59 of four sites: 40 is needed
    assert (by("N").status, by("N").gate) == ("WATCH", "narrowed")  # e 3
    assert by("D", "N").status == "WATCH"  # each that was named must stand
    assert "among all that could have been looked at" in review.gate_words(by("N"))
    assert narrowing.narrow(frozen, {site for _asset, site in frozen.assets}, ()) == (frozen, None)
    with pytest.raises(UserError, match="name two families"):
        narrowing.narrow(frozen, ["N"], ["N-P01"])
    with pytest.raises(UserError, match="site 'X' is not under review; those that are: D, H, N, R"):
        narrowing.narrow(frozen, ["X"], ())


def test_a_narrowed_answer_says_so_first_and_is_no_review_for_the_screen(whole, settings):
    told = dataclasses.replace(
        whole, narrowed=narrowing.Narrowed(("H",), "site", 4), result=dataclasses.replace(whole.result, assets=3)
    )
    assert review.first_line(told).endswith("; 3 of 40 assets; the parameters are frozen for all")
    assert dict(review.rows(told))["assets"] == "3 of 40"
    assert review.entry_data(told)["narrowed"] == [3, 40]


def test_what_the_ledger_and_the_screen_have_of_a_review_is_small_and_finite(whole):
    data = review.entry_data(whole)
    text = json.dumps(data, allow_nan=False)
    assert len(text) < 20_000
    assert [len(point) for point in data["path"]] == [2] * len(data["path"])
    assert data["path"][-1][1] == pytest.approx(whole.result.e_calibrated, rel=1e-5)
    assert len(data["path"]) <= 120
    assert (data["status"], data["gate"]) == (whole.result.status, whole.result.gate)


async def test_while_the_daemon_runs_a_look_and_a_contest_become_the_entries_that_they_are_under_the_lock(
    whole, settings, tmp_path
):
    made = State(tmp_path).make()
    Ledger(made).close()
    drafts = []

    async def handle(request):
        drafts.append(draft_of(request.verb, request.data, "engineer", END_US, settings, lambda _alert: None))
        body_of(drafts[-1])
        return {"n": 1}

    contest = {"vendor": "SmartPump", "findings": [{"n": 7, "wo_id": "WO-7", "reason": "stored wet"},
                                                   {"n": 8, "wo_id": "WO-8", "reason": "", "withdrawn": True}],
               "sha256": "0" * 64, "late": False, "file": "contest.csv"}  # fmt: skip
    with hold_lock(made):
        async with serve(made, settings, handle):
            assert await asyncio.to_thread(review.looked, made, settings, whole, END_US) == ""
            await asyncio.to_thread(enter, made, settings, "contest", contest, END_US)
    assert [draft.kind for draft in drafts] == ["review", "contest"]
    assert drafts[0].data == json.loads(json.dumps(review.entry_data(whole)))
    assert drafts[1].data == contest


def test_who_may_only_read_can_look_all_the_same(whole, settings, tmp_path):
    nobody = dataclasses.replace(settings, groups={"hw-none": "viewer"}, rights={})
    empty = State(tmp_path).make()
    Ledger(empty).close()
    assert "no right to do this" in review.looked(empty, nobody, whole, END_US)


def test_the_sheets_hold_the_table_the_path_and_the_cases(whole, tmp_path):
    files = {path.name: path.read_text() for path in sheets.write(whole, tmp_path / "out", simulated=True, zone=UTC)}
    assert set(files) == {"evidence.csv", "e_path.csv", "cases.csv"}
    assert files["evidence.csv"].splitlines()[1].startswith("first_line,parameters,PARAMETERS NOT FROZEN")
    assert [line.split(",")[0] for line in files["evidence.csv"].splitlines()[5:8]] == ["period", "assets", "alerts"]
    assert len(files["cases.csv"].splitlines()) == whole.result.interventions + 1
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        sheets.write(whole, tmp_path / "file", simulated=True, zone=UTC)
