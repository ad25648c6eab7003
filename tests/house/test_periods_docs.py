"""docs/periods.md: its commands parse, and the flags that it names are those that are stored."""

import re
import shlex
from pathlib import Path

import pytest

from drivers.record import Quality, quality_of, reasons_of
from monitor.cli import build_parser

TEXT = (Path(__file__).parents[2] / "docs/periods.md").read_text("utf-8")
COMMANDS = [line.partition("#")[0].strip() for line in TEXT.splitlines() if line.startswith("handwheel ")]


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_parses(line):
    words = shlex.split(line)[1:]
    assert build_parser(words[0]).parse_args(words)


def test_each_flag_of_the_table_makes_the_quality_that_stands_beside_it():
    rows = re.findall(r"^\|[^|]+\| (?:also )?`([a-z_ ]+)` \| (uncertain|bad) \|", TEXT, re.MULTILINE)
    assert len(rows) == 5
    for flags, quality in rows:
        assert quality_of(reasons_of(flags.split())) == Quality[quality.upper()]
