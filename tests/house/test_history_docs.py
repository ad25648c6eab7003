"""docs/history.md: its mappings load, its commands parse, its table is the program's own, its Python reads history."""

import re
import shlex
from pathlib import Path

import pytest

from monitor.cli import build_parser
from monitor.historian.parquet import FIELDS
from monitor.settings import load
from monitor.state import State
from monitor.transfer import tables
from monitor.transfer.mapping import load_records, load_values
from monitor.transfer.records import FIELDS as RECORD_FIELDS
from tests.monitor.transfer_bench import GOLDEN, a_night

TEXT = (Path(__file__).parents[2] / "docs/history.md").read_text("utf-8")
MAPPINGS = re.findall(r"```toml\n(# mapping of (\w+).*?)```", TEXT, re.S)
COMMANDS = [line.partition("   #")[0] for line in re.findall(r"^handwheel (.*)$", TEXT, re.M)]


@pytest.mark.parametrize(("text", "what"), MAPPINGS)
def test_a_mapping_loads_as_it_stands(tmp_path, text, what):
    path = tmp_path / "map.toml"
    path.write_text(text)
    if what == "values":
        assert load_values(path, load(GOLDEN / "config")).targets
    else:
        assert load_records(path, RECORD_FIELDS[what]).columns


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_one_that_there_is(line):
    words = shlex.split(line)
    assert build_parser(words[0]).parse_args(words).call


def test_the_table_of_columns_is_that_of_the_program():
    rows = [
        f"| {field.name} | {field.type} | {unit} | {words} |".replace("|  |", "| |")
        for field in FIELDS
        for unit, words in [tables.PARQUET[field.name]]
    ]
    assert rows
    assert [row for row in rows if row not in TEXT] == []


def test_the_python_reads_history(tmp_path, monkeypatch):
    a_night(State(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    told: dict[str, object] = {}
    exec(code, told)
    assert len(told["table"]) == 2  # type: ignore[arg-type]


def test_there_are_mappings_and_commands_to_test():
    assert [what for _, what in MAPPINGS] == ["values", "values", "findings"]
    assert len(COMMANDS) > 9
