"""What a benchmark says, in one form: figures with unit, bar and whether it holds, as a table or as one JSON object.

A benchmark is a file with a function that measures and returns figures; its last lines are
`if __name__ == "__main__": raise SystemExit(run("main_job", measure))`.
"""

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Sense = Literal["at most", "at least"]
HEAD = ("figure", "value", "unit", "bar", "holds")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number and the bar it has to clear.

    A value that is None or NaN could not be measured and holds nothing. A figure without a bar stands there for
    comparison and always holds.
    """

    name: str
    value: float | None
    unit: str
    bar: float | None = None
    sense: Sense = "at most"

    @property
    def holds(self) -> bool:
        if self.bar is None:
            return True
        if self.value is None or math.isnan(self.value):
            return False
        return self.value <= self.bar if self.sense == "at most" else self.value >= self.bar

    def as_json(self) -> dict[str, Any]:
        """The form of `--json`; what could not be measured is null."""
        value = None if self.value is None or not math.isfinite(self.value) else self.value
        return {"name": self.name, "value": value, "unit": self.unit, "bar": self.bar, "sense": self.sense,
                "holds": self.holds}  # fmt: skip


def row(figure: Mapping[str, Any]) -> tuple[str, ...]:
    """The cells of one figure in its JSON form."""
    value, bar = figure["value"], figure["bar"]
    limit = "-" if bar is None else f"{figure['sense']} {bar:.4g}"
    holds = "-" if bar is None else "yes" if figure["holds"] else "NO"
    return figure["name"], "not measured" if value is None else f"{value:.4g}", figure["unit"], limit, holds


def table(rows: Sequence[Sequence[str]], head: Sequence[str] = HEAD) -> str:
    """Rows as plain text in columns."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def run(benchmark: str, measure: Callable[[bool], Sequence[Figure]], arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and give the exit code: 1 if a figure falls short. `measure` is told whether it must be quick."""
    parser = argparse.ArgumentParser(prog=benchmark, description=f"Benchmark {benchmark}: each figure against its bar.")
    parser.add_argument("--quick", action="store_true", help="a smaller measurement that ends within 60 s")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    options = parser.parse_args(arguments)
    figures = measure(options.quick)
    said = [figure.as_json() for figure in figures]
    if options.json:
        print(json.dumps({"benchmark": benchmark, "figures": said}))
    else:
        print(table([row(figure) for figure in said]))
    return 0 if figures and all(figure.holds for figure in figures) else 1
