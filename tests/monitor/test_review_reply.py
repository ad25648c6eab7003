"""The right of reply: what the vendor is given, what of the house never leaves it, and what comes back."""

import csv
import dataclasses
import hashlib
import io
import json
import re
import shutil
import zipfile
from datetime import UTC
from functools import cache
from pathlib import Path

import pytest

from drivers.errors import UserError
from drivers.sim.fleet import DEMO_SEED, simulate
from drivers.sim.stations import PUMPS
from monitor import review
from monitor.cli import build_parser
from monitor.ledger import Ledger, entries
from monitor.plant import Asset, Settings
from monitor.records import tables
from monitor.review import command, packing
from monitor.review.belonging import references
from monitor.review.contests import DAY_US, PACK, contested
from monitor.review.replying import Known, read_reply
from monitor.review.table import IN_HOUSE, METHOD
from monitor.settings import load
from monitor.state import State
from monitor.words import use_language

EXAMPLE = Path(__file__).parents[2] / "config" / "example"
END_US = 1_795_392_000_000_000
PERIOD = ("--from", "2024-11-23", "--to", "2026-11-23")
CANARY = "CANARY-7731"
OTHER = "Rotodyne"
BY = {"via": "command", "role": "shift_lead"}


@cache
def plant() -> Settings:
    """The example utility, and beside it a pump of another vendor."""
    example = load(EXAMPLE)
    other = Asset("H-P09", "H", "jockey pump", "pump", vendor=OTHER, components=example.asset("H-P01").components)
    return dataclasses.replace(example, assets=(*example.assets, other), groups={}, rights={})


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> State:
    """Two years of the read pumps, with a canary in whatever an operator can write, and another vendor's records."""
    state = State(tmp_path_factory.mktemp("kept") / "state").make()
    ledger = Ledger(state)
    told = simulate(DEMO_SEED, end_us=END_US, assets=PUMPS, telemetry=False)
    for r in told.records:
        data = dict(r.data)
        if r.kind == "decision":
            data["reason"] = CANARY
        if r.kind == "finding":
            data |= {"cause": CANARY, "photo": f"{CANARY}.jpg", "photo_sha256": CANARY, "note": CANARY}
        if r.kind == "work_order":
            data |= {"note": CANARY, "planned_cost": "7731 EUR"}
        if r.kind == "failure":
            data["mode"] = CANARY
        ledger.append(r.kind, data, at_us=r.at_us, via=r.via, role="shift_lead" if r.role else None, site=r.site,
                      asset=r.asset, component=r.component)  # fmt: skip
    place = {"site": "H", "asset": "H-P09", "component": "seal", "at_us": END_US - 400 * DAY_US}
    alert = next(r for r in told.records if r.kind == "vendor_alert").data
    for one in [r.data for r in told.records if r.kind == "vendor_alert"][::3]:  # it numbers its alerts alike
        ledger.append("vendor_alert", {**one, "vendor": OTHER, "text": CANARY}, via="feed", **place)
    mine = {"site": "N", "asset": "N-P13", "component": "seal", "at_us": END_US - 300 * DAY_US}
    ledger.append("vendor_alert", {**alert, "alert_id": "SP-TYPED", "raw_sha256": ""}, via="import", **mine)
    ledger.append("vendor_alert", {**alert, "alert_id": "RD-1", "vendor": OTHER, "text": CANARY}, via="feed", **place)
    ledger.append(
        "work_order",
        {
            "wo_id": "WO-RD-1",
            "opened": "2025-10-01T00:00:00Z",
            "done": "2025-10-02T00:00:00Z",
            "action": "replace",
            "trigger": "vendor_alert",
            "alert_id": "RD-1",
        },
        **BY,
        **place,
    )
    ledger.append(
        "finding",
        {"wo_id": "WO-RD-1", "grade": "B", "inspector_party": "utility", "blind_to_alert": False},
        **BY,
        **place,
    )
    ledger.append("acknowledge", {"alert_id": "SP-00001", "note": CANARY}, **BY, **{**place, "asset": "N-P13"})
    ledger.append("event", {"date": "2025-06-01", "event_kind": "contract", "text": f"{OTHER} {CANARY}"}, **BY, **place)
    ledger.close()
    return state


def do(state: State, *words: str) -> int:
    return command.command(build_parser("review").parse_args(["review", *words]), plant(), state)


def pack(state: State, out: Path, *words: str) -> dict[str, bytes]:
    assert do(state, "reply-pack", *PERIOD, "--vendor", "SmartPump", "--out", str(out), *words) == 0
    return {path.name: path.read_bytes() for path in out.iterdir()}


def sheet(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def every(state: State) -> dict[int, str]:
    """Entry -> reference, of all findings."""
    return references(state, [entry.n for entry in entries(state, ["finding"])])


def numbers(state: State) -> dict[str, int]:
    """Reference -> entry, of all findings."""
    return {reference: n for n, reference in every(state).items()}


@pytest.fixture(scope="module")
def handed(kept, tmp_path_factory) -> Path:
    """A folder with the ledger and a pack that was handed over, after a freeze for this vendor."""
    folder = tmp_path_factory.mktemp("handed")
    shutil.copytree(kept.root, folder / "state")
    assert do(State(folder / "state"), "freeze", "--vendor", "SmartPump") == 0
    shutil.copytree(folder / "state", folder / "before")
    pack(State(folder / "state"), folder / "pack")
    return folder


@pytest.fixture
def state(handed, tmp_path) -> State:
    shutil.copytree(handed / "state", tmp_path / "state")
    return State(tmp_path / "state")


@pytest.fixture
def given(handed) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (handed / "pack").iterdir()}


def test_nothing_of_the_operators_or_of_another_vendor_is_in_any_byte_of_the_pack(given, handed, state):
    archive = zipfile.ZipFile(handed / "pack.zip")
    everything = {**given, **{name: archive.read(name) for name in archive.namelist()}}
    assert len(everything) == 2 * len(given) == 26
    for name, content in everything.items():
        for word in (CANARY, OTHER, "RD-1", "H-P09", "shift_lead", "shift lead", "administrator", "7731 EUR"):
            assert word not in content.decode(), (name, word)
    kinds = {entry.kind for entry in entries(state)}
    assert {"decision", "acknowledge", "own_alert"} <= kinds  # they were there to be left out


def test_no_time_of_day_no_number_of_an_entry_and_no_count_of_decisions_is_in_the_pack(given, state):
    sheets = {name: sheet(content) for name, content in given.items() if name.endswith(".csv")}
    for name, content in given.items():
        text = content.decode()
        if name == "vendor_alerts.csv":  # its own times are the vendor's
            text = "".join(row["day"] + row["received_at"] for row in sheets[name] if "received_at" in row)
        assert not re.search(r"[ T]\d\d:\d\d", text), name
    for name, rows in sheets.items():
        assert not {"entry", "n", "finding_n", "opened", "done"} & set(rows[0]), name
        if "reference" in rows[0]:
            told = [(row["day"], row["reference"]) for row in rows if row["reference"]]
            assert told == sorted(told), name  # within a day not in the order of the ledger
    said = given["evidence.txt"].decode() + given["evidence.csv"].decode()
    assert "deferred" not in said
    assert "D3" not in said
    assert {row["name"] for row in sheets["evidence.csv"]} >= set(METHOD) - set(IN_HOUSE) - {"step"}
    assert {row["trigger"] for row in sheets["work_orders.csv"]} <= {"vendor_alert", "other"}
    found = {entry.n for entry in entries(state, ["finding"])}
    assert found >= {numbers(state)[row["reference"]] for row in sheets["findings.csv"]}


def test_alert_numbers_that_another_vendor_uses_too_take_nothing_from_the_pack_or_the_reply(given, state, tmp_path):
    cases, contest = sheet(given["cases.csv"]), sheet(given["contest.csv"])
    judged_ = {row["reference"] for row in cases if row["reference"]}
    assert judged_ <= {row["reference"] for row in sheet(given["findings.csv"])}
    assert {row["wo_id"] for row in cases} <= {row["wo_id"] for row in sheet(given["work_orders.csv"])}
    back = tmp_path / "contest.csv"
    back.write_bytes(filled(given["contest.csv"], **{row["reference"]: ("yes", "we disagree") for row in contest}))
    assert do(state, "contest", str(back), "--vendor", "SmartPump", "--yes") == 0
    assert len(contested(state, "SmartPump").reasons) == len(contest)


def test_the_pack_can_be_verified_and_is_the_same_bytes_for_the_same_ledger(given, handed, tmp_path, state):
    lines = given["MANIFEST.sha256"].decode().splitlines()
    assert {line.split("  ")[1]: line.split("  ")[0] for line in lines} == {
        name: hashlib.sha256(content).hexdigest() for name, content in given.items() if name != "MANIFEST.sha256"
    }
    (frozen,) = entries(state, ["review_freeze"])
    assert hashlib.sha256(given["parameters.json"]).hexdigest() == frozen.data["sha256"]
    raw = {e.data["alert_id"]: e.data["raw_sha256"] for e in entries(state, ["vendor_alert"])}
    rows = sheet(given["vendor_alerts.csv"])
    assert rows
    assert all(row["raw_sha256"] == raw[row["alert_id"]] for row in rows)
    (export,) = entries(state, ["export"])
    assert export.data["what"] == f"{PACK}SmartPump"
    archive = (handed / "pack.zip").read_bytes()
    assert export.data["files"] == {"pack.zip": hashlib.sha256(archive).hexdigest()}
    shutil.copytree(handed / "before", tmp_path / "again")
    pack(State(tmp_path / "again"), tmp_path / "out" / "pack")
    assert (tmp_path / "out" / "pack.zip").read_bytes() == archive


def test_each_finding_says_how_it_counts_and_the_template_asks_for_those_that_speak_against(given):
    found = sheet(given["findings.csv"])
    counts = {row["reference"]: row["counts_as"] for row in found}
    assert {"confirmed", "not_confirmed"} <= set(counts.values())
    template = sheet(given["contest.csv"])
    assert {row["reference"] for row in template} == {n for n, word in counts.items() if word == "not_confirmed"}
    assert {row["contest"] + row["reason"] for row in template} == {""}
    received = {row["origin"] for row in sheet(given["vendor_alerts.csv"])}
    assert received == {"received", "brought in by the utility"}


@pytest.fixture(scope="module")
def answered(handed) -> review.Answer:
    """The review of that pack."""
    return review.answer(State(handed / "before"), plant(), END_US - 730 * DAY_US, END_US, "SmartPump")


@pytest.mark.parametrize(("language", "word"), [("de", "So antworten Sie"), ("fr", "Comment répondre")])
def test_the_pack_speaks_the_language_that_was_asked_for(handed, answered, language, word):
    before = State(handed / "before")
    try:
        use_language(language)
        made = packing.pack_files(answered, tables(before), before, plant(), "SmartPump")
        house = review.opening(answered)[-1]
    finally:
        use_language("en")
    assert word in made["README.txt"].decode()
    assert house in " ".join(made["evidence.txt"].decode().split())
    assert CANARY.encode() not in b"".join(made.values())


def test_a_pack_is_for_one_vendor_and_never_written_over(state, tmp_path, capsys):
    with pytest.raises(UserError, match=f"name one with --vendor: {OTHER}, SmartPump"):
        do(state, "reply-pack", "--out", str(tmp_path / "x"))
    (tmp_path / "there.zip").touch()
    with pytest.raises(UserError, match="is there already"):
        packing.write_pack({"README.txt": b"x"}, tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_a_site_whose_event_names_another_vendor_makes_no_pack(state, tmp_path):
    ledger = Ledger(state)
    ledger.append("event", {"date": "2025-06-02", "event_kind": "contract", "text": f"instead of {OTHER}"},
                  at_us=END_US - DAY_US, **BY)  # fmt: skip
    ledger.close()
    with pytest.raises(UserError, match=f"would name {OTHER}"):
        do(state, "reply-pack", *PERIOD, "--vendor", "SmartPump", "--out", str(tmp_path / "pack"))
    assert not (tmp_path / "pack").exists()


def filled(template: bytes, **rows: tuple[str, str]) -> bytes:
    """The template with (contest, reason) in the rows of these references."""
    told = sheet(template)
    for row in told:
        row["contest"], row["reason"] = rows.get(row["reference"], ("", ""))
    out = io.StringIO()
    writer = csv.DictWriter(out, list(told[0]), delimiter=";")
    writer.writeheader()
    writer.writerows(told)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def test_a_contest_is_shown_entered_counted_and_can_be_taken_back(state, given, tmp_path, capsys):
    first, second, *_rest = [row["reference"] for row in sheet(given["contest.csv"])]
    of = numbers(state)
    back = tmp_path / "contest.csv"
    back.write_bytes(filled(given["contest.csv"], **{first: ("yes", "stored wet"), second: ("Yes", "x")}))
    with pytest.raises(UserError, match="nobody can be asked here"):
        do(state, "contest", str(back), "--vendor", "SmartPump")
    assert not list(entries(state, ["contest"]))
    capsys.readouterr()
    assert do(state, "contest", str(back), "--vendor", "SmartPump", "--yes") == 0
    assert f"contested: entry {of[first]}" in capsys.readouterr().out
    (entry,) = entries(state, ["contest"])
    assert entry.data["sha256"] == hashlib.sha256(back.read_bytes()).hexdigest()
    assert (entry.data["vendor"], entry.data["late"]) == ("SmartPump", False)
    assert do(state, "run", *PERIOD, "--vendor", "SmartPump", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["contested"]["count"] == 2
    assert told["contested"]["evidence"]["confirmed"] == told["evidence"]["confirmed"] + 2
    assert {"confirmed", "unsupported"} <= {row["name"] for row in told["with_contested"]}
    back.write_bytes(filled(given["contest.csv"], **{first: ("withdraw", "")}))
    assert do(state, "contest", str(back), "--vendor", "SmartPump", "--yes") == 0
    stands = contested(state, "SmartPump")
    assert (list(stands.reasons), stands.withdrawn) == ([of[second]], 1)
    assert not contested(state, OTHER).reasons


def test_a_contest_holds_for_the_correction_and_a_late_one_is_taken_and_marked(state, given, tmp_path, capsys):
    row = sheet(given["contest.csv"])[0]
    made = next(e for e in entries(state, ["finding"]) if e.n == numbers(state)[row["reference"]])
    (export,) = entries(state, ["export"])
    data = {"vendor": "SmartPump", "sha256": "0" * 64, "file": "x.csv", "late": True,
            "findings": [{"n": made.n, "wo_id": made.data["wo_id"], "reason": "late"}]}  # fmt: skip
    ledger = Ledger(state)
    ledger.append("contest", data, at_us=export.at_us + 40 * DAY_US, **BY)
    ledger.append("finding", {**made.data, "grade": "B", "corrects": made.n}, at_us=made.at_us, asset=made.asset,
                  component=made.component, site=made.site, **BY)  # fmt: skip
    ledger.close()
    assert do(state, "run", *PERIOD, "--vendor", "SmartPump") == 0
    out = capsys.readouterr().out
    assert "Status as recorded:" in out
    assert "Status with 1 contested findings counted as confirmed (1 of them later than 30 days):" in out
    back = tmp_path / "contest.csv"
    back.write_bytes(filled(given["contest.csv"], **{row["reference"]: ("withdraw", "")}))
    assert do(state, "contest", str(back), "--vendor", "SmartPump", "--yes") == 0


KNOWN = {
    "r7": Known(7, "WO-1", "B", "P1", "seal", "utility"), "r8": Known(8, "=WO-2", "C", "P1", "seal", "utility"),
    "r9": Known(9, "WO-3", "D", "P1", "seal", "utility"), "r10": Known(10, "WO-4", "A", "P1", "seal", "vendor"),
}  # fmt: skip
HEAD = "reference,wo_id,contest,reason\n"


def judged(text: str | bytes):
    content = text if isinstance(text, bytes) else text.encode()
    return read_reply(content, KNOWN, review.Contested({8: "before"}))


def test_a_sound_row_is_taken_also_as_a_spreadsheet_saves_it():
    told = judged(
        'Reference;WO_ID;Contest;Reason;mine\r\nR7;WO-1;YES;"lay in\r\nwater";x\r\nr8;\'=WO-2;withdraw;;\r\n\r\n'
    )
    assert told.faults == ()
    assert told.rows == ({"n": 7, "wo_id": "WO-1", "reason": "lay in water"},
                         {"n": 8, "wo_id": "=WO-2", "reason": "", "withdrawn": True})  # fmt: skip


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1: the columns reference, wo_id, contest, reason are expected"),
        ("reference,reference,wo_id,contest,reason\n", "line 1: the columns"),
        (HEAD, "no row has yes or withdraw"),
        (HEAD + "r7,WO-1,,\n", "no row has yes or withdraw"),
        (HEAD + "r7,WO-1,yes,\n", "line 2: reason: is missing"),
        (HEAD + "r7,WO-1,,why\n", "line 2: reason: is given, but the column contest is empty"),
        (HEAD + "r7,WO-1,no,why\n", "line 2: contest: 'no' is neither yes nor withdraw"),
        (HEAD + "r7,WO-1,yes,=cmd|' /C calc'!A0\n", "line 2: reason: begins like a formula"),
        (HEAD + "r7,WO-9,yes,why\n", "line 2: wo_id: 'WO-9' is not that of r7"),
        (HEAD + "r77,WO-1,yes,why\n", "line 2: reference: 'r77' is that of no finding on an alert of this vendor"),
        (HEAD + "-7,WO-1,yes,why\n", "line 2: reference: '-7' is that of no finding"),
        (HEAD + "\N{SUPERSCRIPT TWO},WO-1,yes,why\n", "line 2: reference: .* is that of no finding"),
        (HEAD + "r7,WO-1,yes,why\nr7,WO-1,yes,why\n", "line 3: reference: r7 stands in line 2 already"),
        (HEAD + "r7,WO-1,withdraw,\n", "line 2: reference: r7 is not contested"),
        (HEAD + "r9,WO-3,yes,why\n", "line 2: reference: r9 counts as confirmed already"),
        (HEAD + "r10,WO-4,yes,why\n", "line 2: reference: r10 was written by the vendor"),
        (HEAD + "r7,WO-1,yes," + "x" * 301 + "\n", "line 2: reason: a text of 300 characters at most"),
        (HEAD + "r7,WO-1,yes\n", "line 2: has 3 cells, the first line 4"),
        (HEAD + 'r7,WO-1,yes,"why\n', "line 2: "),
        ((HEAD + "r7,WO-1,yes,Stöße\n").encode("cp1252"), "line 2: is not UTF-8"),
        ((HEAD + "r7,WO-1,yes,why\n").encode("utf-16"), "line 1: is not UTF-8"),
        ("reference,grade,wo_id,contest,reason\nr7,D,WO-1,yes,why\n", "line 2: grade: r7 has grade B"),
    ],
)  # fmt: skip
def test_each_fault_is_named_with_its_line_and_nothing_is_taken(text, fault):
    told = judged(text)
    assert told.rows == ()
    assert any(re.search(fault, one) for one in told.faults), told.faults


def test_a_good_row_beside_a_bad_one_is_not_taken_and_a_file_too_large_is_refused(state, given, tmp_path, capsys):
    entry = sheet(given["contest.csv"])[0]["reference"]
    back = tmp_path / "contest.csv"
    good = filled(given["contest.csv"], **{entry: ("yes", "stored wet")})
    back.write_bytes(good + b"r000000000001;WO-RD-1;H-P09;seal;2025-10-02;B;yes;ours\n")
    assert do(state, "contest", str(back), "--vendor", "SmartPump", "--yes") == 1
    assert "is that of no finding on an alert of this vendor" in capsys.readouterr().err
    back.write_bytes(good + b" " * 1_000_000)
    with pytest.raises(UserError, match="is larger than 1000000 bytes"):
        do(state, "contest", str(back), "--vendor", "SmartPump", "--yes")
    assert not list(entries(state, ["contest"]))


def test_the_template_guards_what_a_spreadsheet_would_run(answered, handed):
    told = answered
    cases = told.result.cases.copy()
    cases["wo_id"] = "=1+1"
    tricked = dataclasses.replace(told, result=dataclasses.replace(told.result, cases=cases))
    assert "'=1+1" in packing.render_csv(packing.contest_sheet(tricked, every(State(handed / "before")), UTC))


def test_how_many_findings_are_contested_is_said_in_both_results_and_marked_from_more_than_half_on(answered):
    cases = answered.result.cases
    against = [int(n) for n in cases.loc[cases["independent"] & ~cases["confirmed"], "finding_n"]]

    def said(n: int) -> list[str]:
        return review.status_words(
            dataclasses.replace(answered, counted=frozenset(against[:n]), contested=answered.result)
        )

    m = len(against)
    assert all(line.endswith(f"(2 of {m} findings contested)") for line in said(2))
    assert all(line.endswith(f"({m - 1} of {m} findings contested, MORE THAN HALF)") for line in said(m - 1))
    assert all(line.endswith(f"({m} of {m} findings contested, ALL OF THEM)") for line in said(m))


def test_alerts_that_the_utility_brought_in_are_counted_apart_beside_the_table_and_in_the_pack(answered, given):
    received, brought_in = answered.alerts_from
    assert (received + brought_in, brought_in) == (answered.result.alerts, 1)
    assert f"{received}; 1" in given["evidence.txt"].decode()
