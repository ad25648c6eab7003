"""What no file of the repository says: nothing of a particular machine, nothing left to do."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PASSED_OVER = {"__pycache__", "build", "dist", "state"}
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.~-])/(?:" + "home|root|Users|work" + r")/\w|[A-Z]:\\Users"),
    "work left to do": re.compile(r"\b(?:TO" + "DO|FIX" + "ME|XX" + r"X)\b"),
    "the address of a package index": re.compile(r"pypi\.(?:org|python)/simple|index-url\s*=|--extra-index" + "-url"),
}


def texts() -> list[Path]:
    """All text files that belong to the repository; caches and what runs leave behind are hidden or passed over."""
    found = []
    folders = [ROOT]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.name.startswith(".") and path.name != ".ci":
                continue
            if path.is_dir() and path.name not in PASSED_OVER and not path.name.endswith(".egg-info"):
                folders.append(path)
            elif path.is_file() and b"\0" not in path.read_bytes()[:8192]:
                found.append(path)
    return found


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what):
    lines = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in texts()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if FORBIDDEN[what].search(line)
    ]
    assert lines == []


def test_the_lock_has_a_hash_for_everything_and_no_address():
    lock = (ROOT / "requirements.lock").read_text()
    assert "http" not in lock
    for requirement in re.split(r"\n(?=[a-z])", lock.strip()):
        assert "--hash=sha256:" in requirement, requirement.splitlines()[0]


def test_every_target_of_the_makefile_is_listed_by_help():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE)) - {"help"}
    assert targets <= set(re.findall(r"^([a-z]+):.*## \w", makefile, re.MULTILINE))


def test_no_operator_string_hides_inside_an_f_string_where_no_catalogue_tool_sees_it():
    hidden = []
    for path in ROOT.glob("[mf]*/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            calls = ast.walk(node) if isinstance(node, ast.JoinedStr) else ()
            hidden += [
                f"{path.name}:{call.lineno}"
                for call in calls
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("_", "ngettext")
                if call.args and isinstance(call.args[0], ast.Constant)
            ]
    assert hidden == []
