"""How the review behaves on simulated fleets whose truth is known: whom it flags, whom it does not, what it misses.

`python -m benchmarks.bias_characteristics --quick` takes about two minutes and has wide intervals; without --quick it
is the full study, which `make evidence` runs with a seed that nobody chose and writes into docs/bias_method.md. With
--speed it measures the review's time instead.
"""

import argparse
import os
import time

from benchmarks import figures as plain
from benchmarks.bias.scenarios import FULL, QUICK, TUNING_SEEDS
from benchmarks.bias.study import run
from benchmarks.bias.tables import BAR_HEAD, GROUPS, bars, tables_text


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bias_characteristics", description="The review on fleets of known truth.")
    parser.add_argument("--quick", action="store_true", help="few fleets, wide intervals: about two minutes")
    parser.add_argument("--seed", type=int, default=TUNING_SEEDS[0], help="default: the first tuning seed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="default: one for each core")
    parser.add_argument("--speed", action="store_true", help="how long a review takes, instead")
    options = parser.parse_args(arguments)
    if options.speed:
        from benchmarks.review import measure

        return plain.run("review", measure, ["--quick"] if options.quick else [])
    begun = time.monotonic()
    results = run(options.seed, QUICK if options.quick else FULL, options.processes, quick=options.quick)
    found = bars(results)
    for group, words in GROUPS.items():
        if rows := [bar.row for bar in found if bar.group == group]:
            print(f"{words}\n{plain.table(rows, BAR_HEAD)}\n")
    print(tables_text(results))
    print(f"\nseed {options.seed}, {time.monotonic() - begun:.0f} s in {options.processes} processes")
    return 0 if all(bar.holds for bar in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
