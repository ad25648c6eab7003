"""What a part costs: site.toml is the agreement and counts, the ledger fills what it leaves out, and all is told."""

import dataclasses
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from models.bias.parameters import Cost
from monitor import review
from monitor.ledger import Draft, Ledger
from monitor.plant import Asset, Component
from monitor.records import tables
from monitor.review.choosing import failures_source, recorded_costs
from monitor.review.freezing import changes, day_text
from monitor.review.pricing import cost_lines
from monitor.review.table import rates_source_word
from monitor.settings import load
from monitor.state import State
from tests.monitor.test_review import EXAMPLE

DAY = 86_400_000_000
START = 1_767_225_600_000_000  # 2026-01-01


@pytest.fixture
def settings():
    """Two pumps: A-P01 has no price in site.toml, A-P02 has both of its seal."""
    bare, agreed = Component("seal"), Component("seal", 900.0, 2700.0, 0.5)
    assets = (
        Asset("A-P01", "N", "one", "pump", vendor="V", components=(bare, Component("bearing"))),
        Asset("A-P02", "N", "two", "pump", vendor="V", components=(agreed,)),
    )
    return dataclasses.replace(load(EXAMPLE), assets=assets, contracts=())


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "state").make()


def cost(component, planned, failure, p_fail=None, *, asset=None, day=0, **more):
    data = {"planned": planned, "failure": failure, "p_fail": p_fail, "source": "x", **more}
    return Draft("cost", data, START + day * DAY, "command", "engineer", None, asset, component)


def entered(state, *drafts):
    ledger = Ledger(state)
    made = ledger.append_many(drafts)
    ledger.close()
    return [one.n for one in made]


def told(settings, state):
    return cost_lines(recorded_costs(settings, tables(state)), "EUR")


def test_site_toml_counts_and_the_ledger_fills_what_it_leaves_out_with_p_fail(settings, state):
    (n,) = entered(state, cost("seal", "950.00 EUR", "4500.00 EUR", 0.5))
    recorded = tables(state)
    assert review.parameters(settings, recorded).costs == {
        ("A-P01", "seal"): Cost(950, 4500), ("A-P02", "seal"): Cost(900, 2700)
    }  # fmt: skip
    by_part = {(one.asset, one.component): one for one in review.rates(settings, None, recorded)}
    seal = by_part["A-P01", "seal"]
    assert seal.q0 == pytest.approx(950 / (0.5 * 4500 + 0.5 * 950))
    assert (seal.source, seal.words) == ("costs", "950 / (0.5 x 4500 + 0.5 x 950)")
    assert by_part["A-P02", "seal"].q0 == 0.5
    assert by_part["A-P01", "bearing"].source == "default"
    (line,) = told(settings, state)
    assert line == (
        f"entry {n}, seal of all assets, planned 950, after a failure 4500 EUR: used for A-P01;"
        " NOT USED for A-P02: site.toml has their prices, which count"
    )


def test_the_cost_of_one_asset_is_for_it_alone_and_comes_before_that_of_all(settings, state):
    own, of_all = entered(
        state,
        cost("seal", "100.00 EUR", "100000.00 EUR", 0.9, asset="A-P01"),
        cost("seal", "950.00 EUR", "4500.00 EUR", 0.5, day=30),
    )
    bare = dataclasses.replace(settings.assets[0], id="A-P03")
    settings = dataclasses.replace(settings, assets=(*settings.assets, bare))
    costs = review.parameters(settings, tables(state)).costs
    assert costs["A-P01", "seal"] == Cost(100, 100000)
    assert costs["A-P03", "seal"] == Cost(950, 4500)
    first, second = told(settings, state)
    assert "used for A-P01" in first
    assert "used for A-P03; NOT USED for A-P02: site.toml has their prices, which count" in second
    assert f"NOT USED for A-P01: entry {own} counts" in second
    assert of_all == own + 1


def test_the_newest_standing_cost_counts_and_a_corrected_or_withdrawn_one_does_not(settings, state):
    newer, older = entered(state, cost("seal", "950 EUR", "4500 EUR", day=60), cost("seal", "800 EUR", "4000 EUR"))
    assert review.parameters(settings, tables(state)).costs["A-P01", "seal"] == Cost(950, 4500)
    assert f"NOT USED for A-P01: entry {newer} counts" in told(settings, state)[1]
    entered(state, cost("seal", "990 EUR", "4500 EUR", day=60, corrects=newer))
    assert review.parameters(settings, tables(state)).costs["A-P01", "seal"] == Cost(990, 4500)
    entered(state, cost("seal", "990 EUR", "4500 EUR", day=60, corrects=older + 1, withdrawn=True))
    assert review.parameters(settings, tables(state)).costs["A-P01", "seal"] == Cost(800, 4000)


@pytest.mark.parametrize(
    ("draft", "why"),
    [
        (cost("seal", "1000.00 EUR", "500.00 EUR"), "planned work for 1000 costs more than after a failure, 500"),
        (cost("seal", "900.00 CHF", "4500.00 EUR"), "900.00 CHF is not in EUR"),
        (cost("seal", "900.00 EUR", "4500.00 EUR", 1.5), "p_fail 1.5 is not from 0 to 1"),
        (cost("impeller", "900.00 EUR", "4500.00 EUR"), "no asset under review has this component"),
    ],
)
def test_a_cost_that_cannot_be_used_is_named_with_the_reason(settings, state, draft, why):
    entered(state, draft)
    assert ("A-P01", "seal") not in review.parameters(settings, tables(state)).costs
    (line,) = told(settings, state)
    assert "NOT USED" in line
    assert why in line


def test_a_cost_that_changes_after_the_freeze_is_told_by_asset_and_component(settings, state):
    before = review.freeze_data(review.parameters(settings, tables(state)))["parameters"]
    entered(state, cost("seal", "950 EUR", "4500 EUR"))
    now = review.freeze_data(review.parameters(settings, tables(state)))["parameters"]
    assert [(one.name, one.before, one.now) for one in changes(before, now, ZoneInfo("UTC"))] == [
        ("costs A-P01 seal planned", "", "950"), ("costs A-P01 seal failure", "", "4500"),
    ]  # fmt: skip


@pytest.mark.parametrize("date", ["2026-04-03", "2026-04-02T22:00:00.000Z"])
def test_the_day_of_an_event_is_a_day_of_the_utility(settings, state, date):
    settings = dataclasses.replace(settings, time_zone="Europe/Berlin")
    data = {"date": date, "event_kind": "firmware", "text": "new limits"}
    entered(state, Draft("event", data, START, "import", "engineer"))
    ((name, at_us),) = review.parameters(settings, tables(state)).events
    assert name == "firmware: new limits"
    assert datetime.fromtimestamp(at_us / 1e6, UTC) == datetime(2026, 4, 2, 22, tzinfo=UTC)
    assert day_text(at_us, ZoneInfo("Europe/Berlin")) == "2026-04-03"


def said_of(settings):
    return rates_source_word(failures_source(settings))


def test_where_failure_rates_come_from_is_said_so_that_a_reader_understands_it(settings):
    rule = settings.review
    assert said_of(settings).startswith("simulated fleets of four-part pumps, docs/bias_method.md")
    mine = dataclasses.replace(settings, review=dataclasses.replace(rule, failures_honest=0.1))
    assert said_of(mine) == "the utility's own, site.toml"
    named = dataclasses.replace(settings, review=dataclasses.replace(rule, failures_source="our log, 2019 to 2025"))
    assert said_of(named) == "the utility's own, site.toml: our log, 2019 to 2025"
