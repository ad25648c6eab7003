"""How fast the model is: the figures of `make bench ARGS=health`, kept beside the other evidence."""

import argparse
import os
import platform

from benchmarks.evidence.page import Part, frozen_commit, write_part
from benchmarks.health import measure

SETTLED_BY = ("benchmarks/health.py", "benchmarks/rigs/minute.py")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="speed", description="The model's speed, written into its page.")
    parser.add_argument("--dry", action="store_true", help="print the part and write no page")
    dry = parser.parse_args(arguments).dry
    bars = measure(quick=False)
    body = (
        f"On {os.cpu_count()} cores of {platform.machine()}, linear algebra on one thread; the first three are\n"
        "processor time, the others wall time. The minute is the worker's whole cycle: new rollups read from the hot\n"
        "file, every pump judged by index, contributions and physics lines with a day of rows behind it, rows and\n"
        "entries written."
    )
    asked = (
        "1,000 assets x 50 tags x 5 lags scored with contributions within 10 ms on one core at k = 20 in float32; the "
        "whole minute cycle within 3 s; one asset learned from 30 days of minutes within 1 s."
    )
    part = Part(
        "speed", "Speed", asked, "python -m benchmarks.evidence.speed", frozen_commit(*SETTLED_BY), "none", body, bars
    )
    write_part(part, dry=dry)
    return 0 if all(bar.holds for bar in bars) else 1


if __name__ == "__main__":
    raise SystemExit(main())
