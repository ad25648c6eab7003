"""Whoever catches everything is a supervisor: named here, and with its reason on the line."""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("drivers", "models", "monitor", "fallback_procedures")
SUPERVISORS = {
    "monitor/daemon/poller.py": 2,
    "monitor/worker.py": 1,
    "monitor/intake.py": 3,
    "monitor/fleet.py": 1,
    "monitor/screen/app.py": 3,
    "fallback_procedures/__main__.py": 3,
}
BROAD = {"Exception", "BaseException"}


def catches_all(tree: ast.AST) -> list[int]:
    """The lines that swallow any exception; who cleans up and raises it again swallows nothing."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            names = {one.id for one in ast.walk(node.type) if isinstance(one, ast.Name)} if node.type else BROAD
            again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            if names & BROAD and not again:
                found.append(node.lineno)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            found += [node.lineno for one in node.args if ast.unparse(one) in BROAD]
    return found


def test_only_supervisors_catch_everything_and_each_says_why():
    count: Counter[str] = Counter()
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        text = path.read_text("utf-8")
        for line in catches_all(ast.parse(text)):
            count[str(path.relative_to(ROOT))] += 1
            assert "# " in text.splitlines()[line - 1], f"{path}:{line}: says no reason"
    assert count == SUPERVISORS


def test_what_catches_everything_is_seen():
    text = "try:\n  f()\nexcept (ValueError, Exception):\n  g()\nwith contextlib.suppress(BaseException):\n  f()\n"
    assert catches_all(ast.parse(text)) == [3, 5]
    assert catches_all(ast.parse("try:\n  f()\nexcept:\n  pass\n")) == [3]
    assert catches_all(ast.parse("try:\n  f()\nexcept BaseException:\n  g()\n  raise\n")) == []
