"""The docstring of a large package names each of its files, and no file that is not there."""

import ast
import re
from pathlib import Path

import pytest

MONITOR = Path(__file__).parents[2] / "monitor"


@pytest.mark.parametrize(
    "package",
    ["daemon", "historian", "ledger", "meters", "model", "periods", "reports/comparison", "review", "transfer", "why"],
)
def test_a_package_says_what_each_of_its_files_is_for(package):
    door = MONITOR / package / "__init__.py"
    named = re.findall(r"^ {4}(\w+) {2,}\S", ast.get_docstring(ast.parse(door.read_text()), clean=False), re.MULTILINE)
    assert sorted(named) == sorted(path.stem for path in door.parent.glob("*.py") if path != door)
