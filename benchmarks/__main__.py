"""`python -m benchmarks [--quick] [--json] [NAME ...]`: every benchmark in a process of its own, and one table."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.figures import HEAD, row, table

HERE = Path(__file__).parent
NOT_BENCHMARKS = ("__init__", "__main__", "figures", "bias_characteristics")  # the last: a study of make evidence


def names() -> list[str]:
    """The benchmarks: each file of this folder that measures something."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NOT_BENCHMARKS)


def result_of(name: str, quick: bool) -> dict[str, Any] | None:
    """The JSON object that a benchmark printed last, or None if it broke off; what it says on stderr is passed on."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", *(["--quick"] if quick else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent, check=False)
    try:
        result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return None
    return result


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description="Run the benchmarks and print one table.")
    parser.add_argument("--quick", action="store_true", help="smaller measurements")
    parser.add_argument("--json", action="store_true", help="a list of the benchmarks' JSON objects")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    options = parser.parse_args()
    known = names()
    if unknown := [name for name in options.names if name not in known]:
        print(f"benchmark {unknown[0]} is unknown; known: {', '.join(known) or 'none yet'}", file=sys.stderr)
        return 2
    results: dict[str, dict[str, Any] | None] = {}
    for name in options.names or known:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        results[name] = result_of(name, options.quick)
    rows = [(name, *row(figure)) for name, result in results.items() if result for figure in result["figures"]]
    rows += [(name, "(broke off)", "not measured", "", "", "NO") for name, result in results.items() if not result]
    if options.json:
        print(json.dumps([result or {"benchmark": name, "figures": []} for name, result in results.items()]))
    elif rows:
        print(table(rows, ("benchmark", *HEAD)))
    else:
        print("make bench: no benchmarks are registered in benchmarks/ yet")
    return 1 if any(cells[-1] == "NO" for cells in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
