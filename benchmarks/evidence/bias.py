"""The review on fleets whose truth is known, and its speed: the measured parts of docs/bias_method.md.

`python -m benchmarks.evidence.bias` draws its seed from the commit that froze the settings; with `--seed N`, for
tuning, it writes nothing.
"""

import argparse
import os
import platform
import time

from benchmarks.bias.scenarios import FULL
from benchmarks.bias.study import run
from benchmarks.bias.tables import bars, bars_text, figures, tables_text
from benchmarks.evidence.page import ROOT, Part, frozen_commit, seed_from, uncommitted, write_part
from benchmarks.review import measure

PAGE = ROOT / "docs" / "bias_method.md"
SETTLED_BY = ("models/bias", "models/intervals.py", "drivers/sim/fleet.py", "benchmarks/bias")
ASKED = (
    "honest vendors flagged in at most 1 %; vendors at the line in at most 5 % standing; power at b = .7 with 50 pumps "
    "and 12 months .85 early and .75 standing; a half calendar found in 95 % with a quiet control; coverage of E_net "
    "reaching into .87 to .93; vendor-written findings give no flag."
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bias", description="The review's operating characteristics, into its page.")
    parser.add_argument("--seed", type=int, help="a tuning seed; nothing is written")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="units not begun by then are left out")
    options = parser.parse_args(arguments)
    dry = options.seed is not None
    if not dry and (changed := uncommitted()):
        print(f"{PAGE.name} would not be written: {len(changed)} files not committed, such as {changed[0].strip()}")
        return 1
    frozen = frozen_commit(*SETTLED_BY)
    seed = options.seed if dry else seed_from(frozen)
    begun = time.monotonic()
    results = run(seed, FULL, options.processes, quick=False, minutes=options.minutes)
    found = bars(results)
    took = f"{(time.monotonic() - begun) / 60:.0f} minutes in {options.processes} processes on {platform.machine()}"
    body = f"{FULL.fleets} fleets a cell with a bar, half as many without; {took}.\n\n" + bars_text(found)
    study = Part(
        "characteristics", "Bars", ASKED, "python -m benchmarks.evidence.bias", frozen,
        f"{seed} (from that commit)", f"{body}\n\n{tables_text(results)}", figures(found),
    )  # fmt: skip
    speed = measure(quick=False)
    timing = Part(
        "review-speed", "Speed", "review and report of 200 pumps and 36 months within 30 s on one core; e-path of "
        "1,000 findings within 5 ms.", "python -m benchmarks.bias_characteristics --speed",
        frozen_commit("benchmarks/review.py"), "none", "Processor time of one process.", speed,
    )  # fmt: skip
    for part in (study, timing):
        write_part(part, dry=dry, page=PAGE)
    return 0 if all(bar.holds for bar in (*study.bars, *timing.bars)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
