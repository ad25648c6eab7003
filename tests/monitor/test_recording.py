"""What people record and bring in: each kind makes a round trip, a correction is an entry, and nothing is guessed."""

import csv
import errno
import hashlib
import io
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from drivers.errors import UserError
from monitor.ledger import Draft, Ledger, Record, entries, verify
from monitor.lock import hold_lock
from monitor.records import tables
from monitor.settings import load
from monitor.standing import open_alerts
from monitor.state import State
from monitor.transfer import staging
from monitor.transfer.columns import RECORDS
from monitor.transfer.dates import settle
from monitor.transfer.entries import KINDS_OF, Counted, write_csv
from monitor.transfer.own import PROVENANCE, own_mapping
from monitor.transfer.records import stage, take
from monitor.transfer.sheets import EXCEL, PLAIN, Dialect
from tests.monitor.transfer_bench import configured, handwheel

AT_US = 1_772_000_000_000_000  # 2026-02-25T06:13:20Z
HOUR_US = 3_600_000_000
NOW_US = AT_US + 10_000 * HOUR_US


class Office:
    """A plant whose clerk has the rights of a shift lead, and those that are given."""

    def __init__(self, folder: Path, *rights: str) -> None:
        self.folder, self.config, self.state = folder, configured(folder / "config"), State(folder / "state").make()
        site = self.config / "site.toml"
        given = "".join(f', "{right}"' for right in rights)
        site.write_text(site.read_text().replace('"confirm_baseline", "sign"]', f'"confirm_baseline", "sign"{given}]'))

    def run(self, *words: object) -> int:
        return handwheel(self.config, self.state, *map(str, words))

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def bring(self, what: str, content: str | bytes, *words: object) -> int:
        path = self.file(f"{what}.csv", content)
        return self.run("import", what, path, "--rejects", self.folder / "no.csv", *(words or ("--yes",)))

    def rejected(self) -> list[tuple[int, str]]:
        rows = csv.DictReader(io.StringIO((self.folder / "no.csv").read_text()))
        return [(int(row["line"]), row["why"]) for row in rows]

    def data(self, kind: str) -> list[dict[str, object]]:
        return [dict(one.data) for one in entries(self.state, [kind])]


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path, "freeze")


def draft(kind, data, at_us=AT_US, role="maintenance", component="seal", asset="pump1"):
    return Draft(kind, data, at_us, "screen", role, "G" if asset else None, asset, component)


FOUND = {"wo_id": "WO-1", "grade": "B", "wear_pct": "37.50 %", "measured_value": "-0.25 mm/s", "limit": "7.1 mm/s",
         "cause": "=HYPERLINK(1)", "inspector_party": "utility", "blind_to_alert": True, "photo_sha256": "a" * 64,
         "second_reader_grade": "C", "limit_version": "v2"}  # fmt: skip
JOB = {"wo_id": "WO-1", "opened": "2026-02-20T08:00:00.000Z", "done": "2026-02-21T08:00:00.000Z",
       "trigger": "vendor_alert", "alert_id": "SP-1", "action": "replace", "planned_cost": "900.00 EUR",
       "downtime": "4.5 h", "run_hours": "18250 h", "party": "vendor"}  # fmt: skip
SAID = {"alert_id": "SP-1", "vendor": "SmartPump", "failure_mode": "wear", "severity": "warning",
        "issued_at": "2026-02-19T05:59:58.000Z", "received_at": "2026-02-19T06:00:10.000Z", "text": "say \"now\"; go",
        "recommended_action": "replace", "horizon": "30 d", "raw_sha256": "b" * 64, "feed": "drop", "active": True,
        "simulated": False}  # fmt: skip
OWN = {"alert_id": "OWN-1", "index": 41.5, "threshold": 50.0, "text": "seal: flow low", "active": True,
       "model_sha256": "c" * 64, "top": [{"quantity": "flow", "share": 0.7}]}  # fmt: skip
DECIDED = {"alert_id": "SP-1", "choice": "defer", "reason": "standby is out", "until": "2027-03-01T07:00:00.000Z",
           "randomised": True, "deferral_prob": 0.1}  # fmt: skip
EVENT = {"date": "2026-01-15", "event_kind": "firmware", "text": "4.2 on all pumps"}
COST = {"planned": "900.00 EUR", "failure": "4500.00 EUR", "p_fail": 0.5, "source": "contract"}


def ledger_of_each_kind(state: State) -> None:
    with hold_lock(state):
        ledger = Ledger(state)
        ledger.append_many(
            [
                draft("vendor_alert", SAID, role=None),
                draft("vendor_alert", {**SAID, "active": False, "issued_at": "2026-02-22T06:00:00.000Z"}, role=None),
                draft("own_alert", OWN, role=None),
                draft("own_alert", {**OWN, "active": False, "index": 97, "top": []}, AT_US + HOUR_US, role=None),
                draft("decision", DECIDED, role="operator"),
                draft("work_order", JOB),
                draft("work_order", {**JOB, "action": "service", "corrects": 6}),
                draft("finding", FOUND),
                draft("finding", {**FOUND, "grade": "C", "corrects": 8}),
                draft("finding", {**FOUND, "grade": "D", "cause": "", "corrects": 9}, AT_US + HOUR_US),
                draft("finding", {**FOUND, "inspector_party": "third", "photo_sha256": None}),
                draft("failure", {"failure_id": "F-1", "mode": "leak", "cost": "4500.00 EUR"}),
                draft(
                    "failure", {"failure_id": "F-1", "mode": "leak", "cost": None, "corrects": 12, "withdrawn": True}
                ),
                draft("event", EVENT, component=None, asset=None),
                draft("cost", COST, asset=None),
            ]
        )
        ledger.close()


def as_told(frame: pd.DataFrame) -> list[dict[str, object]]:
    """The rows of a kind but for where they come from; what they correct by its place among them."""
    places = {n: place for place, n in enumerate(frame["n"])}
    rows = []
    for row in frame.to_dict("records"):
        told = {
            name: value
            for name, value in row.items()
            if name not in ("n", "via", "role", "feed", "raw_sha256", *PROVENANCE) and value not in (None, "")
        }
        if "choice" in row:
            told["role"] = row["role"]
        if "corrects" in told:
            told["corrects"] = places[told["corrects"]]
        told["at_us"] = row["at_us"] // 1000
        rows.append(told)
    return rows


def carried(office: Office, away: State, what: str, dialect: Dialect) -> tuple[int, int]:
    """What goes out as a sheet and comes in elsewhere without a mapping: how many entries are new, how many there."""
    settings, sheet = load(office.config), office.folder / f"{what}.csv"
    with sheet.open("wb") as out:
        write_csv(out, Counted(office.state, KINDS_OF[what], None), dialect, ZoneInfo(settings.time_zone))
    told = own_mapping(sheet, what, RECORDS[what], settings, None)
    found = stage(sheet, what, told, office.folder, settings, away, NOW_US, {})
    assert found.faults == []
    lines = staging.digest(office.folder / "entries.jsonl")
    facts = staging.Facts("0" * 16, what, sheet.name, "f" * 64, told.sha256, found.rows, 0, lines, None, None, {})
    taken, made = take(away, settings, office.folder, facts, "shift_lead", NOW_US)
    with hold_lock(away):
        ledger = Ledger(away)
        ledger.append_many(Draft(**row) for row in made)
        ledger.close()
    return taken.added, taken.there


def test_each_kind_of_record_goes_out_and_comes_in_elsewhere_as_it_was(office, tmp_path):
    ledger_of_each_kind(office.state)
    away, here = State(tmp_path / "away").make(), tables(office.state)
    for what, of in RECORDS.items():
        assert carried(office, away, what, PLAIN) == (len(here[of.kind]), 0)
        assert carried(office, away, what, EXCEL["de"]) == (0, len(here[of.kind]))  # the same in German: all is there
    there = tables(away)
    for of in RECORDS.values():
        assert as_told(there[of.kind]) == as_told(here[of.kind])
    assert verify(away).ok


def test_records_that_could_not_be_entered_come_in_as_a_whole_with_the_next_run(office, capsys, monkeypatch):
    append = Ledger.append_many

    def full(self, drafts, salts=()):
        drafts = list(drafts)
        if any(one.kind == "finding" for one in drafts):
            raise OSError(errno.ENOSPC, "full")
        return append(self, drafts, salts)

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "append_many", full)
        assert office.bring("findings", rows({}, {})) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert office.data("finding") == []
    assert office.run("import", "list") == 1
    assert office.bring("failures", "failure_id,asset,occurred,mode\nF1,pump1,2026-03-01,leak\n") == 0
    assert [one["wo_id"] for one in office.data("finding")] == ["W1", "W2"]
    assert office.run("import", "list") == 0


def test_what_was_brought_in_says_where_it_comes_from_in_the_ledger_and_in_an_export(office, tmp_path, capsys):
    ledger_of_each_kind(office.state)
    sheet = tmp_path / "f.csv"
    assert office.run("export", "findings", "--out", sheet) == 0
    away = tmp_path / "away"
    away.mkdir()
    other = Office(away)
    assert other.run("import", "findings", sheet, "--yes") == 0
    found, begun = next(entries(other.state, ["finding"])), next(entries(other.state, ["import"]))
    assert (found.role, found.via, found.data["line"]) == ("shift_lead", "import", 2)
    assert (found.data["import"], found.data["file_sha256"]) == (begun.data["id"], begun.data["sha256"])
    capsys.readouterr()
    assert other.run("ledger", "show", "--kind", "finding") == 0
    assert "shift_lead/import" in (told := capsys.readouterr().out)
    assert f"(import {begun.data['id']}, line 2, file {begun.data['sha256'][:12]})" in told
    again = tmp_path / "g.csv"
    assert other.run("export", "findings", "--out", again) == 0
    first = next(csv.DictReader(again.read_text().splitlines()))
    assert (first["via"], first["import"], first["line"]) == ("import", begun.data["id"], "2")


@pytest.mark.parametrize("verb", ["workorder", "finding", "failure", "event", "cost"])
def test_each_template_comes_in_as_it_is_and_its_examples_are_named_as_such(office, capsys, verb):
    what = f"{verb}s".replace("ko", "k_o")
    excel = ("--excel", "de") if verb in ("workorder", "cost") else ()
    assert office.run(verb, "template", *excel) == 0
    sheet = capsys.readouterr().out
    assert sheet.count("\n# ") + sheet.count('\n"# ') == len(RECORDS[what].columns)
    assert office.run(verb, "import", office.file("t.csv", sheet), "--yes") == 0
    told = capsys.readouterr().out
    assert f"{len(RECORDS[what].columns)} blank; 2 come in whole" in told
    assert ("is an example of the template" in told) == (verb not in {"event", "cost"})
    assert len(office.data(RECORDS[what].kind)) == 2


def test_an_own_alert_of_another_program_stands_for_nothing_today():
    own = Record(1, "own_alert", AT_US, None, "judge", "G", "pump1", "seal", OWN)
    assert open_alerts([own]) == [own]
    assert open_alerts([replace(own, via="import")]) == []


# one by hand


def test_a_job_and_its_finding_need_only_what_cannot_be_known(office, capsys):
    place = ("--wo", "W1", "--asset", "pump1", "--component", "seal")
    job = (
        "--alert",
        "SP-1",
        "--action",
        "replace",
        "--cost",
        "900",
        "--done",
        "2026-03-04T14:00",
        "--run-hours",
        "100",
    )
    assert office.run("workorder", "add", *place, *job) == 0
    photo = office.file("p.jpg", b"seal")
    found = ("--grade", "D", "--wear", "105", "--limit", "7.1 mm/s", "--photo", photo, "--blind")
    assert office.run("finding", "add", *place, *found) == 0
    (job,), (found,) = office.data("work_order"), office.data("finding")
    assert (job["trigger"], job["opened"], job["planned_cost"], job["run_hours"]) == (
        "vendor_alert", "2026-03-04T13:00:00.000Z", "900 EUR", "100 h",
    )  # fmt: skip
    assert (found["wear_pct"], found["inspector_party"], found["blind_to_alert"]) == ("105 %", "utility", True)
    assert found["photo_sha256"] == hashlib.sha256(b"seal").hexdigest()
    assert [one.via for one in entries(office.state, ["finding"])] == ["command"]
    assert "entry" in capsys.readouterr().out


def test_what_is_recorded_for_a_time_before_says_that_it_was_brought_in_afterwards(office):
    words = ("add", "--asset", "pump1", "--component", "seal", "--at", "2026-03-01T07:00")
    assert office.run("failure", *words, "--mode", "leak", "--cost", "4500") == 0
    (failure,) = entries(office.state, ["failure"])
    assert (failure.via, failure.data["failure_id"]) == ("import", "F-pump1-seal-2026-03-01")
    assert office.run("failure", "add", "--asset", "pump1", "--mode", "leak", "--at", "2099-01-01") == 2


def test_a_correction_is_a_new_entry_that_says_all_else_again_and_a_chain_of_them_works(office, capsys):
    words = ("--wo", "W1", "--asset", "pump1", "--component", "seal")
    assert office.run("finding", "add", *words, "--grade", "B", "--wear", "40") == 0
    assert office.run("finding", "add", *words, "--grade", "C") == 2  # the same hand on the same part of the same job
    first = next(entries(office.state, ["finding"])).n
    assert f"is there already, as entry {first}" in capsys.readouterr().err
    assert office.run("finding", "add", "--corrects", first, "--grade", "D") == 0
    assert office.run("finding", "add", "--corrects", first, "--grade", "E") == 2
    told = capsys.readouterr().err
    second = next(one for one in entries(office.state, ["finding"]) if one.n > first)
    assert f"entry {first} was corrected by entry {second.n}; correct that one" in told
    assert (second.data["grade"], second.data["wear_pct"], second.data["corrects"]) == ("D", "40 %", first)
    assert office.run("finding", "add", "--withdraw", second.n) == 0
    assert office.run("finding", "add", *words, "--grade", "A") == 0  # the job has no finding of this hand any more
    assert office.run("finding", "add", "--corrects", 9999, "--grade", "A") == 2
    assert office.run("finding", "add", "--corrects", second.n, "--wo", "W2") == 2
    assert len(office.data("finding")) == 4


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("finding", "add", "--wo", "W1", "--asset", "pump1"), "finding: grade"),
        (("finding", "add", "--wo", "W1", "--asset", "p", "--grade", "A"), "'p' is not configured"),
        (("finding", "add", "--wo", "W1", "--asset", "pump1", "--grade", "A", "--wear", "3 mm"), "wear_pct: is given"),
        (("finding", "add", "--wo", "W1", "--asset", "pump1", "--grade", "A", "--photo", "no.jpg"), "--photo no.jpg"),
        (("workorder", "add", "--wo", "W1", "--asset", "pump1", "--action", "service"), "trigger"),
        (("failure", "add", "--asset", "pump1", "--mode", "leak", "--cost", "90 CHF"), "90 CHF is not in EUR"),
        (("event", "add", "--kind", "firmware"), "text: is missing"),
        (("cost", "add", "--planned", "900", "--failure", "4500", "--source", "x", "--p-fail", "3"), "0 to 1"),
        (("cost", "add", "--planned", "900", "--failure", "4500", "--source", "x", "--p-fail", "half"), "0.5 or 50 %"),
        (("cost", "add", "--planned", "1000", "--failure", "500", "--source", "x"), "are the two exchanged"),
    ],
)
def test_what_cannot_stand_is_one_line_and_nothing_is_recorded(office, capsys, words, why):
    assert office.run(*words) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert why in told
    assert (
        not list(entries(office.state, [one.kind for one in RECORDS.values()])) if office.state.ledger.exists() else 1
    )


@pytest.mark.parametrize("said", ["0.5", "0,5", "50%", "50 %"])
def test_a_share_is_taken_as_people_write_it_and_what_becomes_of_the_cost_is_said(tmp_path, capsys, said):
    office = Office(tmp_path, "freeze")
    words = ("--component", "seal", "--planned", "950", "--failure", "4500", "--source", "contract")
    assert office.run("cost", "add", *words, "--p-fail", said) == 0
    assert office.data("cost")[0]["p_fail"] == 0.5
    told = capsys.readouterr().out
    assert "seal of all assets, planned 950, after a failure 4500 EUR: NOT USED for pump1: site.toml has their" in told


def test_the_day_of_an_event_from_a_file_is_kept_as_a_day(tmp_path, capsys):
    office = Office(tmp_path, "freeze")
    sheet = "date,event_kind,text\n03/04/2026,firmware,new limits\n2025-09-01,price,list\n"
    assert office.bring("events", sheet, "--dates", "dmy", "--yes") == 0
    assert [one["date"] for one in office.data("event")] == ["2026-04-03", "2025-09-01"]


def test_events_and_costs_take_the_right_to_freeze_by_hand_and_from_a_file(tmp_path, capsys):
    office = Office(tmp_path)
    assert office.run("event", "add", "--kind", "price", "--text", "list 2026") == 2
    assert "has no right to freeze" in capsys.readouterr().err
    assert office.bring("costs", "component,occurred,planned,failure,source\nseal,2026-01-01,1,2,x\n") == 2
    assert "has no right to freeze" in capsys.readouterr().err


# bad input

HEAD = "wo_id,asset,component,occurred,grade,wear_pct,inspector_party,blind_to_alert\n"
ROW = "{wo},pump1,seal,{at},{grade},{wear},utility,no\n"


def rows(*changes: dict[str, str]) -> str:
    base = {"at": "2026-03-04T13:00Z", "grade": "B", "wear": "40"}
    return HEAD + "".join(ROW.format(**{**base, "wo": f"W{n}", **one}) for n, one in enumerate(changes, 1))


BAD = (
    ({"grade": "F"}, "grade: 'F' is not one of A, B, C, D, E"),
    ({"at": "2099-01-01"}, "occurred: lies in the future"),
    ({"at": "31.02.2026"}, "occurred: day is out of range"),
    ({"at": "2026-10-25T02:30"}, "occurred: happens twice in Europe/Berlin"),
    ({"wo": "W1"}, "wo_id: W1 stands twice in this file, first in line 2"),
    ({"wear": "40 mm"}, "wear_pct: '40 mm' is not in %"),
    ({"wear": "1,5"}, "has 9 columns"),
    ({"wear": "\x1b[2J"}, "wear_pct: '·[2J' is not a number with its unit"),
)


def test_a_row_that_cannot_come_in_is_listed_with_its_line_and_its_neighbours_come_in(office):
    assert office.bring("findings", rows({}, *(change for change, _why in BAD), {})) == 1
    for at, ((line, told), (_change, why)) in enumerate(zip(office.rejected(), BAD, strict=True), 3):
        assert line == at
        assert why in told
    assert [one["wo_id"] for one in office.data("finding")] == ["W1", "W10"]
    assert next(entries(office.state, ["import"])).data["rejected"] == len(BAD)


def test_an_id_that_the_ledger_has_with_other_values_is_refused_until_the_row_says_what_it_corrects(office):
    assert office.bring("findings", rows({})) == 0
    n = next(entries(office.state, ["finding"])).n
    assert office.bring("findings", rows({"grade": "D"})) == 1
    assert office.rejected() == [(2, f"wo_id: W1 is entry {n} of the ledger with other values; a row that corrects it"
                                     f" has corrects = {n}")]  # fmt: skip
    corrected = rows({"grade": "D"}).replace("\n", ",corrects\n", 1).rstrip("\n") + f",{n}\n"
    assert office.bring("findings", corrected) == 0
    assert [(one["grade"], one.get("corrects")) for one in office.data("finding")] == [("B", None), ("D", n)]
    assert office.bring("findings", corrected) == 0  # again: it is there
    assert len(office.data("finding")) == 2


def test_wear_that_may_be_a_share_is_asked_and_never_guessed(office, capsys):
    sheet = rows({"wear": "0.4"}, {"wear": "1.05"}, {"wear": ""})
    assert office.bring("findings", sheet) == 2
    told = capsys.readouterr().err
    assert "wear_pct: line 2: 0.4: most of 2 values lie between 0 and 1.5" in told
    assert "--wear fraction" in told
    assert not list(entries(office.state))
    assert office.bring("findings", sheet, "--wear", "fraction", "--yes") == 0
    assert [one["wear_pct"] for one in office.data("finding")] == ["40 %", "105 %", None]
    assert next(entries(office.state, ["import"])).data["answers"] == "wear=fraction"
    other = sheet.replace("W", "V")
    assert office.bring("findings", other, "--wear", "percent", "--yes") == 0
    assert [one["wear_pct"] for one in office.data("finding")][3:] == ["0.4 %", "1.05 %", None]
    assert office.bring("findings", rows({"wo": "X", "wear": "0.4 %"})) == 0  # its cell says it


@pytest.mark.parametrize("wears", [("0.70", "0.25", "1.60", "1.10"), ("0.70", "0.25", "1.40", "1.10"),
                                   ("0.7", "0.3", "1.1", "10"), ("0.7", "-0.1", "0.3")])  # fmt: skip
def test_shares_are_asked_for_though_a_part_was_beyond_its_limit_or_a_row_is_a_slip(office, capsys, wears):
    sheet = rows(*({"wo": f"W{n}", "wear": wear} for n, wear in enumerate(wears)))
    assert office.bring("findings", sheet, "--check") == 2
    assert "--wear fraction" in capsys.readouterr().err
    assert office.bring("findings", rows({"wear": "0.7"}, {"wear": "30"}, {"wear": "55"}), "--check") == 0


def test_a_finding_that_contradicts_itself_is_named_with_its_line(office, capsys):
    odd = rows({"wo": "W1", "grade": "D", "wear": "40 %"}, {"wo": "W2", "grade": "C", "wear": "0.7 %"},
               {"wo": "W3", "grade": "B", "wear": "30 %"})  # fmt: skip
    assert office.bring("findings", odd, "--check") == 0
    assert "line 2, 3: contradicts itself" in capsys.readouterr().out


NOW = datetime(2026, 11, 28, 9)  # noqa: DTZ001 - the clock on the wall


@pytest.mark.parametrize(
    ("written", "told", "asked", "order"),
    [
        (["03/04/2026", "05/06/2026"], "", "", "line 2: 03/04/2026 may be day/month or month/day (no day is above 12)"),
        (["03/04/2026", "05/06/2026"], "", "dmy", "dmy"),
        (["03/04/2026", "05/06/2026"], "", "mdy", "mdy"),
        (["03/04/2026", "25/06/2026"], "", "", "dmy"),  # line 3 shows it
        (["03/04/2026", "25/06/2026"], "", "mdy", "line 3 (25/06/2026) cannot be mdy"),
        (["25/03/2026", "03/25/2026"], "", "", "line 2 (25/03/2026) has the day first, line 3 (03/25/2026) the month"),
        (["03.04.2026", "05.06.2026", "2026-04-03"], "", "", ""),
        (["03/04/2026", "05/06/2026"], "dmy", "", "dmy"),  # the mapping says it, and nothing speaks against it
        (["03/25/2026", "05/06/2026"], "dmy", "", "line 2 (03/25/2026) cannot be dmy"),
        (["12/01/2025", "01/12/2026"], "dmy", "", "more plausible as mdy"),  # one lies ahead, the other way round none
        (["12/01/2025", "01/12/2026"], "dmy", "mdy", "mdy"),
        (["01/02/2026", "02/01/2026", "02/02/2026", "03/01/2026", "04/01/2026"], "dmy", "", "more plausible as mdy"),
        (["01/02/2026", "02/01/2026", "02/02/2026", "03/01/2026", "04/01/2026"], "dmy", "dmy", "dmy"),
    ],
)
def test_day_and_month_are_read_off_the_file_or_asked(written, told, asked, order):
    cells = list(enumerate(written, 2))
    if len(order) > 3:
        with pytest.raises(UserError, match=re.escape(order)):
            settle("occurred", cells, told, asked, NOW)
    else:
        assert settle("occurred", cells, told, asked, NOW) == order


def test_a_file_whose_dates_may_be_both_is_asked_about_and_the_answer_is_recorded(office, capsys):
    sheet = rows({"at": "03/04/2026"})
    assert office.bring("findings", sheet) == 2
    assert "findings.csv: occurred: line 2: 03/04/2026 may be day/month" in capsys.readouterr().err
    assert not list(entries(office.state))
    assert office.bring("findings", sheet, "--dates", "dmy", "--yes") == 0
    assert "from 2026-04-03 00:00" in capsys.readouterr().out
    assert next(entries(office.state, ["import"])).data["answers"] == "dates=dmy"


def test_what_is_odd_is_said_with_its_lines_and_comes_in(office, capsys):
    jobs = "wo_id,asset,opened,done,trigger,action,run_hours,alert_id\n"
    jobs += "W1,pump1,2026-03-04T08:00Z,2026-03-05,vendor_alert,replace,500,A9\nW2,pump1,2026-05-04,,own,service,400,\n"
    assert office.bring("work_orders", jobs) == 0
    told = capsys.readouterr().out
    assert "!! line 2: an alert is said to have called for it, and none of this id is known (1 rows)" in told
    assert "!! line 3: run hours are fewer than at the job before (1 rows)" in told
    assert office.bring("findings", rows({"at": "2026-01-01"}, {"wo": "W9"})) == 0
    told = capsys.readouterr().out
    assert "!! line 2: was found before its work order was opened (1 rows)" in told
    assert "!! line 3: no work order of this number is known" in told
    alerts = "alert_id,asset,issued,received,vendor,severity\n"
    alerts += "".join(f"A{n},pump1,2026-03-0{n}T06:00Z,2026-03-0{n}T08:00:4{n}Z,Other,note\n" for n in range(1, 7))
    alerts += "A8,pump1,2026-03-08T09:00Z,2026-03-08T08:00Z,SmartPump,note\n"
    assert office.bring("alerts", alerts) == 0
    told = capsys.readouterr().out
    assert "!! line 2, 3, 4, 5, 6 ...: pump1 has alerts of Other, and those of SmartPump: two vendors" in told
    assert "!! line 8: was issued after it was received (1 rows)" in told
    assert "!! the vendor's clock is off by +2 h in most of 7 rows" in told


def test_a_job_done_before_it_was_opened_and_money_of_another_country_are_no_rows(office):
    jobs = "wo_id,asset,opened,done,trigger,action,planned_cost\nW1,pump1,2026-03-04,2026-03-01,own,service,\n"
    jobs += "W2,pump1,2026-03-04,,own,service,900 CHF\nW3,pump1,2026-03-04T08:00Z,2026-03-04,own,service,900 €\n"
    assert office.bring("work_orders", jobs) == 1
    assert [line for line, _ in office.rejected()] == [2, 3]
    assert [one["planned_cost"] for one in office.data("work_order")] == ["900 EUR"]


def test_twenty_thousand_and_one_rows_are_refused_with_the_line(office, capsys):
    sheet = HEAD + "".join(ROW.format(wo=n, at="2026-03-04", grade="B", wear="") for n in range(20_001))
    assert office.bring("findings", sheet, "--check") == 2
    assert "line 20002: is row 20001; at most 20000 come in at once" in capsys.readouterr().err


def test_a_german_excel_on_windows_is_told_what_to_say_and_then_comes_in(office, capsys):
    sheet = "wo_id;asset;component;occurred;grade;wear_pct;inspector_party;blind_to_alert;cause;;\r\n"
    sheet += "A-7;pump1;seal;04.03.2026 14:30;B;37,5;utility;falsch;Verschleiß, =1+1;;\r\n;;;;;;;;;;\r\n"
    assert office.bring("findings", sheet.encode("cp1252")) == 2
    assert "line 2: is not UTF-8; if Excel on Windows wrote it, add --encoding cp1252" in capsys.readouterr().err
    assert office.bring("findings", sheet.encode("cp1252"), "--encoding", "cp1252", "--yes") == 0
    (found,) = office.data("finding")
    assert (found["wear_pct"], found["cause"], found["blind_to_alert"]) == ("37.5 %", "Verschleiß, =1+1", False)
    told = capsys.readouterr().out
    assert "1 blank; 1 come in whole" in told
    assert "wear_pct -> wear_pct [%]" in told


MESSY = """\
Befunde Pumpwerk Nord, Stand 12.11.2026;;;;;;;;
;;;;;;;;
Auftrag;Pumpe;Bauteil;Datum;Zustand;Verschleiß [%];Geprüft von;Blind;Ursache
A-101;pump1;seal;04.03.2026;verschlissen;105,5;Betreiber;nein;Sand
A-102;pump1;seal;4.3.26;in Ordnung;10;Betreiber;nein;
A-103;Pump1;seal;05.03.2026;C;70 %;Betreiber;nein;"läuft heiß; siehe Foto"
A-104;pump1;Lager;2026-03-06 00:00:00;D;;Hersteller;ja;=cmd|' /C calc'!A0
 A-105 ;pump1 ;bearing;06.03.2026 07:30;c;55;Betreiber;Nein;
A-106;pump1;bearing;46089;D;110;Betreiber;nein;
A-107;pump1;bearing;07.03.2026;D;1.050,0;Betreiber;nein;
A-108;pump1;bearing;07.03.2026;D;-5;Betreiber;nein;
A-109;pump1;bearing;07.03.2026;D;100;Betreiber;nein;"zwei
Zeilen"
Summe;;;;;;;;
"""


def test_what_a_clerk_has_in_a_sheet_comes_in_as_far_as_it_is_clear(office, capsys):
    told = office.file("mine.toml", 'base = "sheet_de_findings"\n[file]\nskip_lines = 2\n')
    assert office.bring("findings", MESSY.encode("cp1252"), "--map", told, "--yes") == 1
    assert [(one["wo_id"], one["grade"], one["cause"]) for one in office.data("finding")] == [
        ("A-101", "D", "Sand"), ("A-104", "D", "=cmd|' /C calc'!A0"),
    ]  # fmt: skip
    whys = dict(office.rejected())
    assert list(whys) == [5, 6, 8, 9, 10, 11, 12, 13, 14]
    for line, words in ((5, "4.3.26 has a year of two digits"), (6, "'Pump1' is not configured"), (8, "grade: 'c'"),
                        (9, "46089 is a spreadsheet's number of a day"), (10, "'1.050,0' is no number"),
                        (11, "wear_pct: cannot be below 0 %"), (12, "a quote must end on its line"),
                        (14, "occurred: is missing")):  # fmt: skip
        assert words in whys[line]
    assert "!! line 7: Lager is no component of pump1 in site.toml: seal, bearing (1 rows)" in capsys.readouterr().out


def test_headings_that_are_not_ours_are_named_with_what_is_near(office, capsys):
    assert office.bring("findings", "wo_id,asset,occured,grade,inspector_party,blind_to_alert\n") == 2
    assert "line 1: column occurred is missing; did you mean occured?" in capsys.readouterr().err
    assert office.bring("findings", "Auftrag;Anlage\n") == 2
    assert "none of its headings is one of ours; say with --map" in capsys.readouterr().err
    assert office.bring("findings", rows({}), "--map", "sap") == 2
    assert "--map sap: neither a file nor one of infor_eam_work_orders, maximo_work_orders" in capsys.readouterr().err
