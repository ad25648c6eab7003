"""`handwheel fleet`: folders of other sites are read, never written; what cannot be judged is named, never counted."""

import csv
import hashlib
import io
import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.batch import batch_of
from drivers.record import Sample
from monitor import headquarters, learning
from monitor.cli import main
from monitor.historian.checks import row_check
from monitor.historian.hot import HotFile
from monitor.islands import find
from monitor.plant import Learning
from monitor.state import State
from monitor.words import use_language, utc_text
from tests.monitor.judged_plant import NOW_US, lay_down, minutes, settings

GOLDEN = Path(__file__).parents[1] / "golden/config"
BARE = Path(__file__).parents[2] / "config/bare"


@pytest.fixture(autouse=True)
def in_english():
    use_language("en")
    yield
    use_language("en")


@pytest.fixture(scope="module")
def two_sites(tmp_path_factory) -> Path:
    """north/ is a STATE; south/ holds state and config. One pump each, with a history and an assessment."""
    folder = tmp_path_factory.mktemp("sites")
    for n, (name, word) in enumerate((("north", "alert"), ("south", "normal"))):
        state = State(folder / name / ("state" if name == "south" else "")).make()
        plant = settings()
        lay_down(state, plant, NOW_US, minutes(seed=n))
        hot = HotFile(state.hot)
        hot.publish_tags(plant)
        hot.append([batch_of("plc", NOW_US, [Sample(tag.number, NOW_US, 1.0) for tag in plant.tags])], NOW_US // 1000)
        hot.roll(NOW_US // 1000)
        hot.set_assessments([{"asset": "pump1", "at_ms": NOW_US // 1000, "word": word, "index": 40.0 + n}])
        hot.close()
    shutil.copytree(GOLDEN, folder / "south" / "config")
    return folder


def everything(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def said(capsys, *words: object) -> dict:
    code = main(["fleet", *map(str, words), "--json"])
    told = capsys.readouterr()
    return {**json.loads(told.out), "code": code, "stderr": told.err}


def test_health_is_what_each_site_said_last_with_counts_and_intervals(two_sites, capsys):
    before = everything(two_sites)
    told = said(capsys, "health", two_sites / "north", two_sites / "south")
    assert told["code"] == 0
    assert [(row["asset"], row["word"], row["index"]) for row in told["rows"]] == [
        ("pump1", "alert", 40.0), ("pump1", "normal", 41.0),
    ]  # fmt: skip
    assert {(row["good"], row["n"], row["as_of"]) for row in told["rows"]} == {(8, 8, utc_text(NOW_US))}
    assert told["simulated"] == [str(two_sites / "north"), str(two_sites / "south")]
    asking, unknown = told["rates"]
    assert (asking["count"], asking["of"], unknown["count"], unknown["of"]) == (1, 2, 0, 2)
    assert 0.0 < asking["low"] < 0.5 < asking["high"] < 1.0
    assert everything(two_sites) == before


def test_the_table_is_text_for_people_and_csv_for_their_spreadsheets(two_sites, capsys):
    assert main(["fleet", "health", str(two_sites / "*")]) == 0
    text = capsys.readouterr().out
    assert text.startswith("SIMULATED: ")
    assert "assets with a warning or an alert, of those judged: 1 of 2 (50 %)  0.50 [" in text
    assert main(["fleet", "health", "--csv", str(two_sites / "*")]) == 0
    head, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert head[:3] == ["folder", "site", "asset"]
    assert [row[4] for row in rows] == ["alert", "normal"]
    assert main(["--lang", "de", "fleet", "health", str(two_sites / "north")]) == 0
    assert "1 von 1 (100 %)" in capsys.readouterr().out


def test_learning_reads_the_folders_and_keeps_models_only_where_it_is_told(two_sites, tmp_path, capsys, monkeypatch):
    before = everything(two_sites)
    monkeypatch.setattr("time.time_ns", lambda: NOW_US * 1000)
    monkeypatch.setattr("monitor.learning.COVERED", 0.0)  # these sites have no thirty days
    told = said(capsys, "learn", two_sites / "north", two_sites / "south", "--workers", 1, "--out", tmp_path / "out")
    assert [(row["folder"], row["asset"], row["learned"]) for row in told["rows"]] == [
        (str(two_sites / name), "pump1", "yes") for name in ("north", "south")
    ]
    assert (told["rates"][0]["count"], told["rates"][0]["of"]) == (2, 2)
    assert everything(two_sites) == before
    own = State(tmp_path / "own")
    lay_down(own, settings(), NOW_US, minutes(seed=0))
    learned = learning.from_window(own, replace(settings(), models=Learning()), "pump1", NOW_US, "nobody yet")
    assert told["rows"][0]["model"] == learned.sha256, "headquarters learns what the site learns"
    assert (tmp_path / "out/north/pump1.npz").read_bytes() == learned.npz
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.json")) == ["pump1.json"] * 2


def test_an_audit_needs_the_configuration_and_is_as_of_the_newest_sample(two_sites, capsys):
    told = said(capsys, "audit", two_sites / "north", two_sites / "south")
    assert told["code"] == 1
    assert told["failed"] == [{"folder": str(two_sites / "north"), "asset": "", "why": told["failed"][0]["why"]}]
    assert "has no config/site.toml in or beside it, which audit needs" in told["stderr"]
    assert {(row["folder"], row["as_of"]) for row in told["rows"]} == {(str(two_sites / "south"), utc_text(NOW_US))}
    assert {"coverage", "stale_tags", "binder"} <= {row["check"] for row in told["rows"]}
    assert sum(rate["of"] for rate in told["rates"]) == len(told["rows"])


def test_a_folder_that_health_cannot_be_asked_of_is_named_with_what_to_do(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bundle/history").mkdir(parents=True)
    (tmp_path / "bundle/MANIFEST.sha256").write_text("")
    empty, bundle = (one["why"] for one in said(capsys, "health", tmp_path / "empty", tmp_path / "bundle")["failed"])
    assert "empty: has no hot.sqlite; health is what the site's own daemon said last, so name the STATE of" in empty
    assert "bundle: is what `handwheel export everything` made and has no hot.sqlite" in bundle


def test_a_site_with_nothing_under_review_says_what_is_missing(two_sites, tmp_path, capsys):
    shutil.copytree(two_sites / "south", tmp_path / "own")
    shutil.rmtree(tmp_path / "own/config")
    shutil.copytree(BARE, tmp_path / "own/config")
    told = said(capsys, "review", tmp_path / "own")
    assert (told["rows"], told["code"]) == ([], 1)
    assert "own: no asset in site.toml names its vendor; write vendor = and components = at" in told["stderr"]


def test_a_review_without_findings_has_no_rate(two_sites, capsys):
    told = said(capsys, "review", two_sites / "south")
    (row,) = told["rows"]
    assert (row["vendor"], row["findings"], row["share"], row["frozen"]) == ("SmartPump", 0, None, "unfrozen")
    assert told["rates"][0] | {"what": ""} == {"what": "", "count": 0, "of": 0, "low": 0.0, "high": 1.0}


def test_a_hot_file_from_elsewhere_names_no_file_outside_its_folder(two_sites, tmp_path, capsys):
    for name, forged in (("up", {"id": "../../pump1"}), ("odd", {"colour": "red"}), ("list", [1])):
        state = State(tmp_path / name)
        shutil.copytree(two_sites / "north", state.root)
        with sqlite3.connect(state.hot) as db:
            name, body = db.execute("SELECT id, body FROM asset").fetchone()
            row = (name, json.dumps(json.loads(body) | forged if isinstance(forged, dict) else forged))
            db.execute("UPDATE asset SET body = ?, crc = ?", (row[1], row_check(row)))
        db.close()
    told = said(capsys, "learn", *(tmp_path / name for name in ("up", "odd", "list")), "--out", tmp_path / "out")
    assert told["rows"] == []
    assert len(told["failed"]) == 3
    assert all("its table of assets cannot be read" in one["why"] for one in told["failed"])
    assert not (tmp_path / "out").exists()


def test_folders_are_found_in_each_of_their_forms(two_sites, tmp_path):
    north, south = find([str(two_sites / "*")])
    assert (north.state.root, north.config) == (two_sites / "north", None)
    assert (south.state.root, south.config) == (two_sites / "south/state", two_sites / "south/config")
    (direct,) = find([str(two_sites / "south/state")])
    assert (direct.config, direct.short) == (two_sites / "south/config", "south")
    (history,) = find([str(two_sites / "north/history")])
    assert history.state.elsewhere.url == (two_sites / "north/history").as_uri()
    assert len(find([str(two_sites / "north")] * 3)) == 1


def test_a_folder_that_is_not_there_is_one_line(capsys):
    assert main(["fleet", "health", "/nowhere/at/all"]) == 2
    assert capsys.readouterr().err.startswith("/nowhere/at/all: no such folder; name STATE folders")


def test_a_site_is_judged_among_all_that_were_asked_and_never_by_e_alone():
    """e-BH at 10 % (Wang, Ramdas 2022): the largest k with e_(k) >= K / (0.1 k)."""

    def asked(*pairs):
        rows = headquarters.review_among([{"e": e, "status": status} for e, status in pairs])
        assert {row["of"] for row in rows} == {len(pairs)}
        return [row["stands"] for row in rows]

    assert asked((25.0, "FLAG")) == ["yes"]
    assert asked((25.0, "FLAG"), (1.0, "NO EVIDENCE"), (1.0, "NO EVIDENCE")) == ["no"] * 3  # 30 would be needed
    assert asked((25.0, "FLAG"), (21.0, "STRONG"), (None, "INSUFFICIENT")) == ["yes", "yes", "no"]
    assert asked((500.0, "INSUFFICIENT"), (400.0, "WATCH")) == ["no", "no"]
    assert headquarters.review_among([]) == []
