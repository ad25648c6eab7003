"""The mappings of maintenance systems that come with handwheel, each tried on a file in that layout: made up by us."""

import json
from pathlib import Path

import pytest

from drivers.errors import UserError
from monitor.settings import load
from monitor.settings.reader import SettingsError
from monitor.state import State
from monitor.transfer.columns import RECORDS
from monitor.transfer.mapping import load_records, shipped, shipped_names
from monitor.transfer.records import stage
from tests.monitor.transfer_bench import GOLDEN

SETTINGS = load(GOLDEN / "config")
NOW_US = 1_795_440_000_000_000
MADE_UP = {  # mapping -> what, a file in its layout, its first row as understood, why not its second
    "sap_pm_work_orders": (
        "work_orders",
        "Auftrag;Auftragsart;Equipment;Kurztext;Erfaßt am;Istende;Gesamtkosten Plan\n"
        "4000017;PM02;pump1;Gleitringdichtung;04.03.2026;06.03.2026;1.150,00\n"
        "4000018;ZV09;pump1;Lager;05.03.2026;;0,00\n",
        {"wo_id": "4000017", "trigger": "schedule", "action": "service", "planned_cost": "1150.00 EUR",
         "opened": "2026-03-03T23:00:00.000Z", "done": "2026-03-05T23:00:00.000Z"},
        "trigger: 'ZV09' is not in the mapping; add it to [words.trigger]",
    ),
    "sap_pm_failures": (
        "failures",
        "QMNUM;EQUNR;AUSVN;FECOD;GKSTI\n10000001;pump1;2026-03-04;leak;4.500,00\n10000002;;2026-03-05;;\n",
        {"failure_id": "10000001", "mode": "leak", "cost": "4500.00 EUR"},
        "mode: is missing; write it in words",
    ),
    "maximo_work_orders": (
        "work_orders",
        "WONUM,ASSETNUM,WORKTYPE,REPORTDATE,ACTFINISH,STATUS\n"
        "1201,pump1,EM,2026-03-04T08:15:00+01:00,2026-03-04T11:00:00+01:00,COMP\n1202,pump1,EV,2026-03-05,,APPR\n",
        {"wo_id": "1201", "trigger": "failure", "opened": "2026-03-04T07:15:00.000Z", "action": "service"},
        "trigger: 'EV' is not in the mapping",
    ),
    "infor_eam_work_orders": (
        "work_orders",
        "Work Order,Equipment,Type,Date Reported,Date Completed\n"
        "10042,pump1,Preventive maintenance,03/14/2026,03/15/2026\n10043,p9,Breakdown,03/16/2026,\n",
        {"wo_id": "10042", "trigger": "schedule", "opened": "2026-03-13T23:00:00.000Z"},
        "asset: 'p9' is not configured",
    ),
    "mp2_work_orders": (
        "work_orders",
        "WONUM,EQNUM,WOTYPE,REQUESTDATE,COMPLETIONDATE\n77,pump1,PM,2026-03-04,2026-03-05\n78,pump1,PM,2026-03-09,2026-01-05\n",
        {"wo_id": "77", "trigger": "schedule", "done": "2026-03-04T23:00:00.000Z"},
        "done: 2026-01-04T23:00:00.000Z is before it was opened",
    ),
    "sheet_en_findings": (
        "findings",
        "Work order,Asset,Component,Date,Condition,Wear %,Inspected by,Blind,Cause\n"
        "W1,pump1,seal,2026-03-04,worn-within-limit,70,third party,yes,damage by previous work\n"
        "W2,pump1,seal,2026-03-04,damage-by-previous-work,,utility,no,\n",
        {"grade": "C", "wear_pct": "70 %", "inspector_party": "third", "blind_to_alert": True,
         "cause": "damage by previous work"},
        "grade: 'damage-by-previous-work' is not in the mapping",
    ),
    "sheet_de_findings": (
        "findings",
        "Auftrag;Pumpe;Bauteil;Datum;Zustand;Verschleiß;Geprüft von;Blind;Messwert\n"
        "W1;pump1;seal;04.03.2026;verschlissen;105,5;Betreiber;nein;7,5 mm/s\n"
        "W2;pump1;seal;04.03.2026;F;;Eigen;nein;\n",
        {"grade": "D", "wear_pct": "105.5 %", "inspector_party": "utility", "measured_value": "7.5 mm/s"},
        "grade: 'F' is not in the mapping",
    ),
    "sheet_de_work_orders": (
        "work_orders",
        "Auftrag;Anlage;Eröffnet;Erledigt;Anlass;Meldung;Tätigkeit;Kosten;Betriebsstunden;Ausführung\n"
        "W1;pump1;04.03.2026 08:00;04.03.2026;Herstellermeldung;SP-1;Austausch;1.150,00 €;18.250;\n"
        "W2;pump1;04.03.2026;;Laune;;Wartung;;;\n",
        {"trigger": "vendor_alert", "alert_id": "SP-1", "action": "replace", "planned_cost": "1150.00 EUR",
         "run_hours": "18250 h", "party": "utility"},
        "trigger: 'Laune' is not in the mapping",
    ),
    "sheet_fr_findings": (
        "findings",
        "OT;Pompe;Composant;Date;État;Usure;Constaté par;À l'aveugle\n"
        "W1;pump1;seal;14/03/2026;usé;105;exploitant;oui\nW2;pump1;seal;15/03/2026;usé;x;tiers;non\n",
        {"grade": "D", "wear_pct": "105 %", "blind_to_alert": True, "occurred": "2026-03-13T23:00:00.000Z"},
        "wear_pct: 'x' is not a number with its unit",
    ),
    "sheet_fr_work_orders": (
        "work_orders",
        "OT;Pompe;Ouvert le;Terminé le;Motif;Intervention;Coût\n"
        "W1;pump1;14/03/2026;15/03/2026;panne;remplacement;1 150,00\nW2;pump1;16/03/2026;;panne;remplacement;10 CHF\n",
        {"trigger": "failure", "action": "replace", "planned_cost": "1150.00 EUR"},
        "planned_cost: 10 CHF is not in EUR",
    ),
}  # fmt: skip


def understood(tmp_path, name: str, path: Path, content: str, what: str):
    """What a file holds by a mapping: the counts, and its rows."""
    told = load_records(path, RECORDS[what].fields, SETTINGS.time_zone)
    sheet = tmp_path / f"{name}.csv"
    sheet.write_bytes(content.encode(told.file.encoding))
    found = stage(sheet, what, told, tmp_path, SETTINGS, State(tmp_path / "state"), NOW_US, {})
    return found, [json.loads(line) for line in (tmp_path / "entries.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("name", shipped_names())
def test_a_file_of_that_system_is_understood_and_what_it_leaves_open_is_refused(tmp_path, name):
    what, content, first, why = MADE_UP[name]
    found, rows = understood(tmp_path, name, shipped(name), content, what)
    assert found.rows == 1
    assert {field: rows[0].get(field) for field in first} == first
    (fault,) = found.faults
    assert why in fault


def test_a_mapping_says_where_its_names_come_from_and_that_yours_may_differ():
    for name in shipped_names():
        text = shipped(name).read_text("utf-8")
        assert text.startswith("# ")
        if not name.startswith("sheet_"):
            assert "memory" in text or " read in " in text
            assert "your own" in text


def test_what_differs_is_laid_over_a_mapping_that_is_shipped(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(
        'base = "sap_pm_work_orders"\n[words.asset]\n"10004711" = "pump1"\n[words.trigger]\nZV01 = "vendor_alert"\n'
        '[columns]\nopened = "Angelegt"\nplanned_cost = ""\n'
    )
    sheet = "Auftrag;Auftragsart;Equipment;Angelegt;Gesamtkosten Plan\n1;ZV01;10004711;04.03.2026;x\n"
    found, rows = understood(tmp_path, "a", mine, sheet, "work_orders")
    assert found.faults == []
    assert (rows[0]["asset"], rows[0]["trigger"], "planned_cost" in rows[0]) == ("pump1", "vendor_alert", False)
    mine.write_text('base = "sap_pm_workorders"\n')
    with pytest.raises(SettingsError, match="'sap_pm_workorders' is unknown; did you mean sap_pm_work_orders"):
        load_records(mine, RECORDS["work_orders"].fields)


def test_two_headings_of_one_field_are_a_fault_and_not_a_choice(tmp_path):
    sheet = "Order,Auftrag,Equipment,Order Type,Created on\n".replace(",", ";")
    with pytest.raises(UserError, match="has several columns for wo_id: Order, Auftrag"):
        understood(tmp_path, "a", shipped("sap_pm_work_orders"), sheet, "work_orders")
