"""What a process really loads, seen from inside it.

import-linter reads the source and cannot see an import made by name at run time, nor what a library pulls in; so each
light process is started here and its sys.modules are looked at.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"drivers", "models", "monitor", "fallback_procedures"}


def loaded_by(statement: str, *flags: str) -> set[str]:
    """The top-level names in sys.modules of a fresh interpreter after `statement`."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {statement}; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, *flags, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("module", ["drivers.record", "drivers.source", "drivers.errors", "monitor.state",
                                    "monitor.words", "monitor.plant", "monitor.historian.frame"])  # fmt: skip
def test_the_borders_load_the_standard_library_alone(module):
    assert loaded_by(f"import {module}", "-I", "-S") <= sys.stdlib_module_names | OURS | {"__main__"}


def test_the_screen_loads_no_numbers_and_no_protocol():
    heavy = {"numpy", "pandas", "scipy", "sklearn", "pyarrow", "matplotlib", "pymodbus", "asyncua", "models"}
    assert not loaded_by("import monitor.screen.app") & heavy


def test_the_daemon_loads_no_models_and_none_of_their_libraries():
    heavy = {"pandas", "scipy", "sklearn", "pyarrow", "matplotlib", "models"}
    assert not loaded_by("import monitor.daemon.life") & heavy


def test_the_command_line_answers_help_without_loading_a_room():
    assert not loaded_by("import monitor.cli") & {"numpy", "pandas", "scipy", "sklearn", "pyarrow", "matplotlib",
                                                  "textual", "pymodbus", "asyncua", "models"}  # fmt: skip


@pytest.mark.parametrize("module", ["procedure", "lint", "run", "console", "triggers", "binder", "paper", "__main__"])
def test_the_fallback_needs_nothing_but_python(module):
    allowed = sys.stdlib_module_names | {"fallback_procedures", "__main__"}
    assert loaded_by(f"import fallback_procedures.{module}", "-I", "-S") <= allowed


def test_the_fallback_starts_from_its_folder_with_nothing_installed():
    command = [sys.executable, "-I", "-S", str(ROOT / "fallback_procedures"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    assert "handwheel-manual" in done.stdout


def test_models_never_open_a_file_and_never_ask_the_clock():
    asked = {"open", "print", "input", "now", "utcnow", "today"}
    found = []
    for path in sorted((ROOT / "models").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
                if name in asked:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno} {name}()")
    assert found == []
