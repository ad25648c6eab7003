"""One temperature of a real machine: a planned stop, a subtle precursor and a catastrophic failure.

`python -m benchmarks.evidence.nab` learns the first week, walks through the rest with the product's own model and
writes its part of the page; `--tune` shows December alone, on which the two columns were chosen. HANDWHEEL_DATA names
the folder that holds nab/.

The run signal of the machine was not published. What stands cools to where it never was while it ran: a row colder than
all of the reference, by a tenth of its range, is taken for a standing machine, which is a state and no failure.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.evidence.page import Part, table, write_part
from benchmarks.figures import Figure
from models.health import Rated, fit
from models.health.life_cycle import episodes
from models.health.state import OFF, seconds, settled
from models.health.walk import Walk, walk

EVERY_S = 300.0
LEARN = pd.Timedelta(days=7)  # the first labelled window begins on the eighth day
BELOW = 0.1  # of the range of the reference
MEAN_ROWS = 72  # six hours
FROZEN = "affb64e0d854"  # the commit that settled all this, before January and February were looked at
CHOSEN_UNTIL = pd.Timestamp("2014-01-01", tz="UTC")

NAMES = ("unexplained", "planned stop", "subtle precursor", "catastrophic failure")


def read() -> tuple[pd.Series, list[tuple[pd.Timestamp, pd.Timestamp]]]:
    """The temperature by UTC time, its twelve doubled rows once, and the four labelled windows."""
    folder = Path(os.environ["HANDWHEEL_DATA"]) / "nab"
    frame = pd.read_csv(folder / "machine_temperature_system_failure.csv.xz", parse_dates=["timestamp"])
    series = frame.set_index("timestamp")["value"].tz_localize("UTC").sort_index()
    windows = next(iter(json.loads((folder / "windows.json").read_text("utf-8")).values()))
    zone = [(pd.Timestamp(start, tz="UTC"), pd.Timestamp(end, tz="UTC")) for start, end in windows]
    return series[~series.index.duplicated()], zone


def frame_of(temperature: pd.Series) -> pd.DataFrame:
    """State and signals: the temperature and its mean of six hours, once the machine has settled after a start."""
    reference = temperature[: temperature.index[0] + LEARN]
    cold = reference.min() - BELOW * (reference.max() - reference.min())
    running = pd.DataFrame({"running": (temperature >= cold).astype(float)})
    warm = temperature.where(settled(running["running"].to_numpy(), seconds(running.index), EVERY_S))
    return running.assign(temperature=warm, six_hour_mean=warm.rolling(MEAN_ROWS).mean())


def walked(temperature: pd.Series) -> Walk:
    frame = frame_of(temperature)
    model = fit(frame[: temperature.index[0] + LEARN], None, Rated(), every_s=EVERY_S)
    return walk(model, frame)


def tune() -> int:
    """December: how near each labelled window and all the rest come to the alert line."""
    temperature, windows = read()
    seen = walked(temperature[:CHOSEN_UNTIL])
    share = pd.Series(seen.score / seen.threshold, seen.times)
    rest = share.copy()
    for name, (start, end) in zip(NAMES, windows[:2], strict=False):
        print(f"{name}: {share[start:end].max():.2f} of the alert line")
        rest[start:end] = np.nan
    print(f"elsewhere: {rest.max():.2f} of the alert line")
    return 0


def starts(seen: Walk, line: str) -> list[pd.Timestamp]:
    """When the episodes of this word begin; for warning also those of alerts."""
    words = seen.word if line == "alert" else np.where(seen.word == "warning", "alert", seen.word)
    return [one.start for one in episodes(seen.times, words)]


def evaluate(dry: bool) -> int:
    temperature, windows = read()
    seen = walked(temperature)
    middle = [start + (end - start) / 2 for start, end in windows]
    share = pd.Series(seen.score / seen.threshold, seen.times)
    alerts, warnings = starts(seen, "alert"), starts(seen, "warning")
    rows = []
    for name, (start, end), labelled in zip(NAMES, windows, middle, strict=True):
        inside = [[at for at in line if start <= at <= end] for line in (warnings, alerts)]
        told = [", ".join(f"{at:%m-%d %H:%M}" for at in line) or "none" for line in inside]
        inside_rows = (seen.times >= start) & (seen.times <= end)
        off = seen.times[inside_rows & (seen.state == OFF)]
        rows.append((name, f"{labelled:%Y-%m-%d %H:%M}", *told, f"{share[start:end].max():.2f}",
                     f"{off[0]:%m-%d %H:%M}" if len(off) else "never"))  # fmt: skip
    apart = [at for at in alerts if not any(start <= at <= end for start, end in windows)]
    after = temperature.index[0] + LEARN
    months = (temperature.index[-1] - after) / pd.Timedelta(days=30.44)
    by_month = pd.Series(1, pd.DatetimeIndex(apart)).groupby(lambda at: f"{at:%Y-%m}").sum() if apart else {}
    in_stop = sum(windows[1][0] <= at <= windows[1][1] for at in alerts)
    before = [at for at in alerts if windows[2][0] <= at < middle[3] and at not in apart]
    lead = (middle[3] - before[0]) / pd.Timedelta(hours=1) if before else None
    body = f"""Learned from the first seven days; the product's lines, medians and alert life cycle as they are. The
columns (temperature and its six-hour mean) and the rule for a standing machine were chosen on December, which holds
the first two windows; January and February were walked after the freeze.

{table(("window", "labelled time", "warnings begin", "alerts begin", "highest score / line", "stands from"), rows)}

Found before it means: an alert begins in the window of the precursor, or in that of the failure before its labelled
time. Alerts outside the windows by month: {", ".join(f"{m}: {n}" for m, n in by_month.items()) or "none"}.
Warnings outside the windows: {sum(not any(a <= at <= b for a, b in windows) for at in warnings)}. Unknown:
{np.mean(seen.word == "unknown"):.1%} of all rows.

A single temperature cannot tell a planned stop from a failure that ends in one: both cool over half a day, and what is
judged is only what happens while the machine still runs. After the evaluation the rise over one, three and six hours
were tried as second columns: none raises an alert before the failure either. What the state does show is that the
machine stands, and since when; that nobody planned it is known to the people, not to the temperature.

Data: Numenta Anomaly Benchmark, machine_temperature_system_failure, MIT."""
    bars = (
        Figure("alerts that begin in the window of the planned stop", in_stop, "", 0),
        Figure("catastrophic failure found before it", float(bool(before)), "(1 yes, 0 no)", 1, "at least"),
        Figure("lead to the labelled time", lead, "h"),
        Figure("false alert episodes elsewhere", len(apart) / months, "per month"),
    )
    part = Part(
        "nab", "NAB: one temperature of a real machine",
        "the planned stop is not called a failure, the catastrophic one is found before it.",
        "HANDWHEEL_DATA=... python -m benchmarks.evidence.nab", FROZEN,
        "none", body, bars,
    )  # fmt: skip
    write_part(part, dry=dry)
    return 0 if all(bar.holds for bar in bars) else 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="nab", description="A machine's temperature before its failure.")
    parser.add_argument("--tune", action="store_true", help="December alone, no evaluation")
    parser.add_argument("--dry", action="store_true", help="print the part and write no page")
    options = parser.parse_args(arguments)
    if not os.environ.get("HANDWHEEL_DATA"):
        print("study nab: HANDWHEEL_DATA is not set; name the folder that holds nab/", file=sys.stderr)
        return 2
    return tune() if options.tune else evaluate(options.dry)


if __name__ == "__main__":
    raise SystemExit(main())
