"""docs/records.md: its commands parse, its mapping loads, its columns are the program's, its mappings are shipped."""

import re
import shlex
from pathlib import Path

import pytest

from monitor.cli import build_parser
from monitor.transfer.columns import RECORDS
from monitor.transfer.mapping import load_records, shipped_names

PAGE = Path(__file__).parents[2] / "docs/records.md"
TEXT = PAGE.read_text("utf-8")
COMMANDS = [re.split(r" > | {3,}#", line)[0] for line in re.findall(r"^handwheel (.*)$", TEXT, re.MULTILINE)]


def columns() -> str:
    """The tables of columns, as the page has them."""
    told = []
    for what, of in RECORDS.items():
        told += ["", f"**{what}**", "", "| column | needed | is | meaning |", "|---|---|---|---|"]
        for one in of.columns:
            told.append(f"| {one.name} | {'yes' if one.needed else ''} | {one.unit or one.form} | {one.meaning} |")
    return "\n".join(told).replace("|  |", "| |")


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_one_that_there_is(line):
    words = shlex.split(line)
    assert build_parser(words[0]).parse_args(words).call


def test_there_are_commands_to_test():
    assert len(COMMANDS) > 12


def test_the_tables_of_columns_are_those_of_the_program():
    (there,) = re.findall(r"<!-- columns: .*? -->\n(.*?)\n<!-- end -->", TEXT, re.DOTALL)
    assert there.strip() == columns().strip()


def test_the_mapping_loads_as_it_stands(tmp_path):
    ((text, what),) = re.findall(r"```toml\n(# mapping of (\w+).*?)```", TEXT, re.DOTALL)
    path = tmp_path / "map.toml"
    path.write_text(text)
    told = load_records(path, RECORDS[what].fields, "Europe/Berlin")
    assert told.columns["opened"] == ("Angelegt",)
    assert told.words["trigger"]["PM02"] == "schedule"


def test_each_mapping_that_is_shipped_is_listed():
    assert sorted(set(re.findall(r"`((?:sap|maximo|infor|mp2|sheet)_\w+)`", TEXT))) == shipped_names()
