"""The shipped code tables: readable as their shape, honest about where their numbers come from, usable."""

import tomllib
from pathlib import Path

import pytest

from drivers.batch import batch_of
from drivers.record import Sample
from drivers.source import Code, StatusAlert
from drivers.vendor.status_bits import StatusBits
from monitor.settings.shapes import CodesFile

FOLDER = Path(__file__).parents[2] / "config/maps/codes"
TABLES = sorted(FOLDER.glob("*.toml"))


def read(path):
    return CodesFile.model_validate(tomllib.loads(path.read_text()))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_table_has_its_shape_each_code_once_and_a_source(path):
    table = read(path)
    codes = [row.code for row in table.code]
    assert codes == sorted(set(codes))
    assert table.codes.kind == "code" or max(codes) < 32
    assert table.codes.source and table.codes.document
    unread = "  # m" in path.read_text() or "memory" in table.codes.source
    assert not unread or table.codes.confidence == "memory"


def test_the_tables_that_the_maps_name_are_there():
    assert {path.stem for path in TABLES} >= {
        "grundfos_alarm", "danfoss_vlt_alarm_word", "danfoss_vlt_warning_word", "abb_drive_fault",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("grundfos_alarm", 57, ["dry running (code 57)"]),
        ("grundfos_warning", 30, ["change the bearings (code 30)"]),
        ("danfoss_vlt_alarm_word", 0x1004, ["earth fault (bit 2)", "short circuit (bit 12)"]),
        ("danfoss_vlt_maintenance_word", 1 << 7, ["maintenance due: pump seals (bit 7)"]),
        ("abb_drive_fault", 0x2310, ["overcurrent (code 8976 = 0x2310)"]),
    ],
)
def test_a_register_is_told_in_the_words_of_its_table(name, value, said):
    table = read(FOLDER / f"{name}.toml")
    codes = {row.code: Code(row.text, row.component, row.failure_mode, row.severity) for row in table.code}
    kind = table.codes.kind
    bits = StatusBits([StatusAlert(1, "p", "", "", "warning", name, table.codes.vendor, kind, codes)])
    assert [one.text for one in bits.take(batch_of("p", 1, [Sample(1, 1, value)]))] == said
