"""One vendor under review is one review, named or not; what its alerts call it elsewhere does not fall out unseen."""

import dataclasses
import hashlib
import re
from pathlib import Path

import pytest
import rfc8785

from monitor import headquarters, jobs, review
from monitor.cli import main
from monitor.islands import Island
from monitor.ledger import Draft, Ledger, entries
from monitor.plant import Asset, Component
from monitor.progress import silent
from monitor.records import tables
from monitor.reports import comparison
from monitor.reports.text import render_text
from monitor.review.choosing import as_json
from monitor.review.packing import pack_files
from monitor.settings import load
from monitor.state import State
from monitor.words import utc_text
from tests.monitor import comparison_golden as golden
from tests.monitor.plants import plant
from tests.monitor.transfer_bench import configured, handwheel

START_US, END_US = golden.START_US, golden.END_US
DAY_US = 86_400_000_000
SPELLED = "SmartPump GmbH"


def job(n: int, vendor: str = "SmartPump", asset: str = "pump1", alert: str | None = None) -> list[Draft]:
    """An alert, the work that it asked for, and what an inspector found."""
    at, by = START_US + n * 7 * DAY_US, (None, "G", asset, "seal")
    alert_id = alert or f"A{n}"
    told = {"alert_id": alert_id, "vendor": vendor, "failure_mode": "wear", "severity": "warning", "issued_at": None,
            "text": "", "recommended_action": "", "horizon": None, "raw_sha256": "", "feed": "mail"}  # fmt: skip
    day = utc_text(at + DAY_US)
    work = {"wo_id": f"W{n}", "opened": day, "done": day, "action": "replace", "trigger": "vendor_alert",
            "alert_id": alert_id}  # fmt: skip
    found = {"wo_id": f"W{n}", "grade": "B", "inspector_party": "utility", "blind_to_alert": False}
    made = (("vendor_alert", told), ("work_order", work), ("finding", found))
    return [Draft(kind, data, at, "screen", *by) for kind, data in made if kind != "vendor_alert" or alert is None]


def kept(folder: Path, *drafts: Draft) -> State:
    state = State(folder / "state").make()
    ledger = Ledger(state)
    ledger.append_many(drafts)
    ledger.close()
    return state


@pytest.fixture
def golden_plant(tmp_path):
    """A plant with one vendor, four of its jobs, and its folder."""
    state = kept(tmp_path, *(one for n in range(4) for one in job(n)))
    config = configured(tmp_path / "config")
    site = config / "site.toml"
    site.write_text(site.read_text().replace('"confirm_baseline", "sign"]', '"confirm_baseline", "sign", "freeze"]'))
    return config, state


NAMED, NOT = ("--vendor", "SmartPump"), ()


@pytest.mark.parametrize("frozen_as", [NAMED, NOT])
def test_a_freeze_with_or_without_the_name_is_that_of_every_command(golden_plant, capsys, tmp_path, frozen_as):
    config, state = golden_plant
    settings, period = load(config), ("--from", "2025-01-01", "--to", "2026-01-01")
    assert handwheel(config, state, "review", "freeze", *frozen_as) == 0
    for words in (NAMED, NOT):
        assert handwheel(config, state, "review", "freeze", *words) == 0
        assert "nothing was written" in capsys.readouterr().out
        assert handwheel(config, state, "review", "frozen", *words) == 0
        assert "nothing has changed since" in capsys.readouterr().out
    texts = []
    for words in (NAMED, NOT):
        assert handwheel(config, state, "review", "run", *period, *words) == 0
        texts.append(re.sub(r"entry \d+", "entry N", capsys.readouterr().out))
    assert texts[0] == texts[1]
    assert texts[0].startswith("Parameters frozen on ")
    assert len(list(entries(state, ["review"]))) == 1, "the second is no new look"
    (row,) = headquarters.review(Island("golden", state, config), END_US).rows
    assert row["frozen"] == "frozen"
    if frozen_as == NAMED:
        return
    done = jobs.comparison_report(state, settings, END_US, {}, silent)
    assert next(one for one in done.ledger if one["kind"] == "review")["data"]["vendor"] == "SmartPump"
    assert next(Path(path) for path in done.files if str(path).endswith(".txt")).stem.endswith("_comparison")
    texts = [Path(path).read_text() for path in done.files if str(path).endswith(".txt")]
    assert "--vendor SmartPump" in " ".join(texts[0].split())


def unnamed(told):
    """Parameters as a program froze them that named no vendor, with the hash it had."""
    told = {**told, "vendor": None}
    return {"parameters": told, "sha256": hashlib.sha256(rfc8785.dumps(told)).hexdigest()}


def test_what_was_frozen_without_a_name_goes_on_counting_byte_for_byte(golden_plant):
    config, state = golden_plant
    settings = load(config)
    old = unnamed(as_json(review.parameters(settings, tables(state), start_us=START_US)))
    look = {"status": "WATCH", "parameters_sha256": old["sha256"], "vendor": None}
    ledger = Ledger(state)
    ledger.append("review", look, at_us=END_US - 2, via="command", role="engineer")
    ledger.append("review_freeze", old, at_us=END_US - 1, via="command", role="engineer")
    ledger.close()
    for vendor in (None, "SmartPump"):
        told = review.answer(state, settings, START_US, END_US, vendor)
        assert (told.freeze.word, told.sha256) == ("frozen", old["sha256"])
        assert told.freeze.looked_us is None, "the same parameters, named or not, are not other ones"
        files = pack_files(told, tables(state), state, settings, "SmartPump")
        assert hashlib.sha256(files["parameters.json"]).hexdigest() == old["sha256"]
    other = Asset("pump9", "G", "jockey pump", "pump", vendor="Rotodyne", components=(Component("seal"),))
    grown = dataclasses.replace(settings, assets=(*settings.assets, other))
    assert review.answer(state, grown, START_US, END_US, "SmartPump").freeze.word == "frozen"
    assert review.answer(state, grown, START_US, END_US).freeze.changed, "of all together it lacks an asset"
    assert review.answer(state, grown, START_US, END_US, "Rotodyne").freeze.word == "unfrozen"


def test_other_parameters_that_were_looked_at_without_a_name_are_told(golden_plant):
    config, state = golden_plant
    settings = load(config)
    ledger = Ledger(state)
    look = {"status": "WATCH", "parameters_sha256": "0" * 64, "vendor": None}
    ledger.append("review", look, at_us=END_US - 2, via="command", role="engineer")
    ledger.close()
    review.freeze(state, settings, now_us=END_US, vendor="SmartPump")
    assert review.answer(state, settings, START_US, END_US, "SmartPump").freeze.looked_us is not None


def test_jobs_on_alerts_that_spell_the_vendor_otherwise_are_named_on_the_first_page_and_in_the_data_quality_box(
    tmp_path,
):
    drafts = [*job(0), *job(1, SPELLED), *job(2, SPELLED), *job(3, alert="never recorded")]
    state, settings = kept(tmp_path, *drafts), plant(())
    told = review.answer(state, settings, START_US, END_US)
    assert [(one.name, one.alerts, one.jobs) for one in told.result.other_names] == [(SPELLED, 2, 2)]
    assert told.result.interventions == 1
    assert told.result.left_out == (("job_without_alert", 1),), "no alert of the vendor stood that can have driven it"
    line = f"2 JOBS ARE LEFT OUT: their alerts name {SPELLED} and not SmartPump"
    assert line in " ".join(review.as_text(told).split())
    page = " ".join(render_text(comparison.build(state, settings, told), 2_000).split())
    assert page.index(line) < page.index("2 Method")
    (doubt,) = (one for one in told.result.doubts if one.kind == "other_vendor")
    assert (doubt.count, doubt.examples) == (2, (f"{SPELLED}: 2",))
    assert "alert that names another than the asset's vendor" in page
    outside = " ".join(review.opening(told, by_role=False))
    assert "2 jobs are left out" in outside
    assert SPELLED not in outside, "another vendor's name is not told"


def test_a_visit_that_n_max_would_split_is_told_before_freezing_and_by_check(golden_plant, capsys):
    config, state = golden_plant
    frozen = as_json(review.parameters(load(config), {}))
    assert frozen["largest_cluster"] == 2, "the seal and the bearing of pump1"
    handwheel(config, state, "review", "freeze", "--check")
    assert "n_max" in (said := capsys.readouterr().out)
    assert "is less than" not in said
    site = config / "site.toml"
    site.write_text(site.read_text() + "largest_cluster = 1\n")
    for words in (("review", "freeze", "--check"), ("review", "freeze"), ("check",)):
        assert handwheel(config, state, *words) == 0
        assert "n_max 1 is less than the components of 1 assets: pump1" in capsys.readouterr().out
    (entry,) = entries(state, ["review_freeze"])
    assert entry.data["parameters"]["largest_cluster"] == 1


def test_a_feed_that_names_no_vendor_of_an_asset_is_told_by_check(golden_plant, capsys):
    config, state = golden_plant
    site = config / "site.toml"
    site.write_text(site.read_text().replace("SmartPump", "Rotodyne"))
    assert main(["check", "--config", str(config), "--state", str(state.root)]) == 0
    assert "names SmartPump, which no asset has as its vendor" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("standing", "status", "line"),
    [(True, "FLAG", "may leave the house"), (False, "FLAG", "does not leave"), (True, "WATCH", "does not leave")],
)
def test_only_a_standing_flag_leaves_the_house_and_only_then_a_letter_is_suggested(tmp_path, standing, status, line):
    state, settings = kept(tmp_path, *job(0)), plant(())
    told = review.answer(state, settings, START_US, END_US)
    told = dataclasses.replace(told, result=dataclasses.replace(told.result, standing=standing, status=status))
    assert line in " ".join(review.as_text(told).split("Status")[0].split())
    files = pack_files(told, tables(state), state, settings, "SmartPump")
    assert line in " ".join(files["evidence.txt"].decode().split("Status")[0].split())
    (row,) = (one for one in files["evidence.csv"].decode().splitlines() if one.startswith("leaves_the_house,"))
    assert f"What this review says now {line}" in row
    page = render_text(comparison.build(state, settings, told))
    assert line in " ".join(page.split("2 Method")[0].split())
    assert ("Dear SmartPump" in page) == (line == "may leave the house")
    assert review.entry_data(told)["evidence"]["leaves_the_house"] == (line == "may leave the house")


def test_a_flag_that_falls_with_the_contested_findings_says_so(tmp_path):
    state, settings = kept(tmp_path, *job(0)), plant(())
    told = review.answer(state, settings, START_US, END_US)
    flag = dataclasses.replace(told.result, standing=True, status="FLAG")
    words = review.opening(dataclasses.replace(told, result=flag, contested=told.result))[-1]
    assert words.endswith("with contested findings counted as confirmed it does not stand")
