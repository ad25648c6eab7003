"""BATADAL: learn a water network from one clean year, then find the attacks of another.

`python -m benchmarks.evidence.batadal` evaluates with the settings below and writes its part of the page; `--tune`
shows how they were chosen, on dataset03 alone. HANDWHEEL_DATA names the folder that holds batadal/.

The plant is one asset: what the relations of benchmarks.rigs.ctown leave over goes into the product's detector.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.evidence.page import Part, table, write_part
from benchmarks.figures import Figure
from benchmarks.rigs.ctown import (
    RESOLUTION,
    STATIONS,
    TANKS,
    Plant,
    Relations,
    Spread,
    floors,
    learn,
    left_over,
    spread_of,
)
from models.health.estimator import LaggedPCADetector

# Chosen by --tune on dataset03 alone: the highest mean score S of injected falsifications (0.839 of 12 settings from
# 0.763) at the same share of false alarms.
LAGS, SMOOTH = 5, 1
FALSE_SHARE = 0.01  # of the hours of dataset03, each scored by relations and components that have not seen its block
BLOCKS = 5
TUNING_SEEDS = (1, 2)
FROZEN = "a70994726eaa"  # the commit that settled all above and the relations, before dataset04 was looked at

ATTACKS = (  # first and last hour of the seven attacks of dataset04, as the organisers published them on batadal.net
    ("2016-09-13 23", "2016-09-16 00"),
    ("2016-09-26 11", "2016-09-27 10"),
    ("2016-10-09 09", "2016-10-11 20"),
    ("2016-10-29 19", "2016-11-02 16"),
    ("2016-11-26 17", "2016-11-29 04"),
    ("2016-12-06 07", "2016-12-10 04"),
    ("2016-12-14 15", "2016-12-19 04"),
)


def read(number: int) -> tuple[Plant, np.ndarray]:
    """A data set and its ATT_FLAG column."""
    file = Path(os.environ["HANDWHEEL_DATA"]) / "batadal" / f"dataset{number:02}.csv.xz"
    frame = pd.read_csv(file, skipinitialspace=True)
    frame.index = pd.to_datetime(frame.pop("DATETIME"), format="%d/%m/%y %H", utc=True)
    flag = frame.pop("ATT_FLAG").to_numpy()
    status = frame.filter(regex="^S_").rename(columns=lambda name: name[2:]).astype(int)
    values = frame.filter(regex="^[LFP]_").astype(float).round(RESOLUTION)
    switching = status.diff().fillna(0).ne(0).any(axis=1).to_numpy()
    return Plant(values, status, switching), flag


def blocks(n: int) -> Iterator[np.ndarray]:
    of = np.arange(n) * BLOCKS // n
    return (of == one for one in range(BLOCKS))


def out_of_block(plant: Plant, parts: list[Relations], seen: Plant) -> pd.DataFrame:
    """What the relations of each block, learned on all others, leave over of `seen` (the plant, or a falsified one)."""
    found = [left_over(one, seen.rows(part)) for part, one in zip(blocks(len(plant.values)), parts, strict=True)]
    return pd.concat(found)


def out_of_block_scores(clean: np.ndarray, seen: np.ndarray, lags: int, smooth: int) -> np.ndarray:
    """Scores of `seen` by detectors that were learned on the other blocks of `clean`."""
    score = np.empty(len(clean))
    for part in blocks(len(clean)):
        score[part] = -detector(lags, smooth, clean.shape[1]).fit(clean[~part]).score_samples(seen[part])
    return score


def detector(lags: int, smooth: int, columns: int) -> LaggedPCADetector:
    """The product's detector; what it gets is in units of noise already, so that 1 is the floor of each column."""
    return LaggedPCADetector(lags=lags, smooth=smooth, floors=[1.0] * columns)


def stretches(flag: np.ndarray) -> list[slice]:
    """Contiguous runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flag, [False]]).astype(int)))
    return [slice(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def official_score(alarm: np.ndarray, attack: np.ndarray) -> float:
    """The score S of the competition: half time to detection, half the mean of true positive and true negative rate.

    Taormina et al. 2018, Battle of the Attack Detection Algorithms, J. Water Resour. Plann. Manage. 144(8).
    """
    runs = stretches(attack)
    late = [np.argmax(alarm[run]) if alarm[run].any() else run.stop - run.start for run in runs]
    in_time = 1 - np.mean([one / (run.stop - run.start) for one, run in zip(late, runs, strict=True)])
    return float(0.5 * in_time + 0.25 * (alarm[attack].mean() + (~alarm[~attack]).mean()))


def falsified(plant: Plant, seed: int) -> tuple[Plant, np.ndarray]:
    """The plant with about fifty falsified stretches of 24 to 60 h, one tag each, and where they lie."""
    random = np.random.default_rng(seed)
    values = plant.values.copy()
    where = np.zeros(len(values), bool)
    flows = [f"F_{pump}" for _, _, pumps in STATIONS.values() for pump in pumps if values[f"F_{pump}"].std() > 1]
    start = 200
    while start < len(values) - 100:
        run = slice(start, start + int(random.integers(24, 61)))
        kind = random.choice(["offset", "frozen", "ramp", "replay", "gain", "pressure"])
        name = random.choice(flows) if kind == "gain" else random.choice([*TANKS])
        if kind == "pressure":
            name = random.choice([column for column in values if column.startswith("P_") and column != "P_J280"])
        column, n = values.columns.get_loc(name), run.stop - run.start
        true, spread = plant.values[name].to_numpy(), plant.values[name].std()
        values.iloc[run, column] = {
            "offset": true[run] + random.choice([-1, 1]) * random.uniform(0.5, 1.5) * spread,
            "pressure": true[run] + random.choice([-1, 1]) * random.uniform(0.5, 1.5) * spread,
            "frozen": np.full(n, true[run.start]),
            "ramp": true[run] + random.choice([-1, 1]) * np.linspace(0, 2 * spread, n),
            "replay": true[run.start - 168 : run.stop - 168],
            "gain": true[run] * random.uniform(0.7, 0.95),
        }[kind]
        where[run] = True
        start = run.stop + int(random.integers(96, 144))
    return Plant(values.round(RESOLUTION), plant.status, plant.switching), where


@dataclass(frozen=True)
class Learned:
    plant: Plant
    parts: list[Relations]
    spread: Spread
    units: np.ndarray
    names: list[str]


def learn_out_of_block() -> Learned:
    plant, _ = read(3)
    parts = [learn(plant.rows(~part)) for part in blocks(len(plant.values))]
    rest = out_of_block(plant, parts, plant)
    spread = spread_of(rest, plant.switching, floors(plant))
    return Learned(plant, parts, spread, spread.units(rest, plant.switching), list(rest))


def tune() -> int:
    """The grid on dataset03: how soon injected falsifications are found at the same share of false alarms."""
    known = learn_out_of_block()
    seen = []
    for seed in TUNING_SEEDS:
        plant, where = falsified(known.plant, seed)
        rest = out_of_block(known.plant, known.parts, plant)
        seen.append((known.spread.units(rest, plant.switching), where))
    for lags in (1, 3, 5):
        for smooth in (1, 3, 5, 9):
            line = np.quantile(out_of_block_scores(known.units, known.units, lags, smooth), 1 - FALSE_SHARE)
            found, scores = [], []
            for units, where in seen:
                alarm = out_of_block_scores(known.units, units, lags, smooth) >= line
                scores.append(official_score(alarm, where))
                found += [alarm[run].any() for run in stretches(where)]
            print(f"lags {lags} smooth {smooth}: S {np.mean(scores):.3f}, found {np.mean(found):.3f} of {len(found)}")
    return 0


def by_chance(alarm: np.ndarray, attack: np.ndarray) -> float:
    """Attacks found on average by the same alarms, turned round the time axis: what is found by luck."""
    runs = stretches(attack)
    turned = [np.roll(alarm, shift) for shift in range(0, len(alarm), 7)]
    return float(np.mean([sum(one[run].any() for run in runs) for one in turned]))


def attacked(times: pd.Index) -> np.ndarray:
    """Which hours lie in one of the published attacks."""
    zone = [(pd.Timestamp(first, tz="UTC"), pd.Timestamp(last, tz="UTC")) for first, last in ATTACKS]
    return np.any([(times >= first) & (times <= last) for first, last in zone], axis=0)


def found_in(alarm: np.ndarray, attack: np.ndarray) -> list[int | None]:
    """For each attack the hours from its start to the first alarm in it, None where there is none."""
    return [int(np.argmax(alarm[run])) if alarm[run].any() else None for run in stretches(attack)]


def evaluate(dry: bool) -> int:
    known = learn_out_of_block()
    scores = out_of_block_scores(known.units, known.units, LAGS, SMOOTH)
    line = float(np.quantile(scores, 1 - FALSE_SHARE))
    final = detector(LAGS, SMOOTH, len(known.names)).fit(known.units)
    plant, flag = read(4)
    rest = left_over(learn(known.plant), plant)
    units = known.spread.units(rest, plant.switching)
    score, shares = -final.score_samples(units), final.contributions(units)
    alarm, own = score >= line, score >= -final.offset_
    truth = {"published": attacked(rest.index), "flagged": flag == 1}
    late = {name: found_in(alarm, attack) for name, attack in truth.items()}
    rows = []
    for run, after in zip(stretches(truth["published"]), late["published"], strict=True):
        begin, hours = f"{rest.index[run.start]:%Y-%m-%d %H}", run.stop - run.start
        share = shares[run.start + (after or 0)]
        told = ("not found", "", "") if after is None else (
            str(after), known.names[int(share.argmax())], f"{share.max():.0f}")  # fmt: skip
        rows.append((begin, hours, f"{alarm[run].mean():.0%}", *told))
    false = {name: 100 * float(alarm[~attack].mean()) for name, attack in truth.items()}
    delays = [one for one in late["published"] if one is not None]
    n = {name: (sum(one is not None for one in found), len(found)) for name, found in late.items()}
    quiet = ~truth["published"]
    body = f"""The question spoke of seven labelled stretches. ATT_FLAG 1 of dataset04 forms only {n["flagged"][1]}
with {truth["flagged"].sum()} h, and calls all other hours unlabelled (-999), not clean. The organisers published
seven attacks, {truth["published"].sum()} h. Both are evaluated. An attack is found where one alarm hour lies in it.

{table(("attack begins (UTC)", "hours", "of them in alarm", "found after h", "named first", "share %"), rows)}

The same alarms at random times would find {by_chance(alarm, truth["published"]):.1f} of {n["published"][1]} on average.
On dataset03 {FALSE_SHARE:.0%} of the hours lie past the line ({line:.3g}), each scored by relations and components
that have not seen its block. The line of the product (1.5 x the largest cross-fitted training score,
{-final.offset_:.3g}) finds {sum(one is not None for one in found_in(own, truth["published"]))} with
{100 * own[quiet].mean():.2g} % false-alarm hours. The published scores S of the seven competitors, on another half
year, run from 0.534 to 0.970.

How often the labels were looked at: the first evaluation, right after the freeze, read ATT_FLAG: 5 of 5 stretches
found, 8.72 % false-alarm hours. It showed that the flags are partial, so the published attacks were added to the
evaluation, whose relations and settings are unchanged. The organisers' texts describe the attacks and were public when
the relations were written: these are what any network of tanks, pumps and valves has, none made for one attack.

Data: Taormina et al. 2018, Battle of the Attack Detection Algorithms, CC BY 4.0; values rounded to two decimals."""
    bars = (
        Figure("attacks found", n["published"][0], f"of {n['published'][1]}", 5, "at least"),
        Figure("false-alarm hours outside the published attacks", false["published"], "%", 5.0),
        Figure("flagged stretches found", n["flagged"][0], f"of {n['flagged'][1]}", 5, "at least"),
        Figure("false-alarm hours outside ATT_FLAG 1", false["flagged"], "%", 5.0),
        Figure("median delay of those found", float(np.median(delays)) if delays else None, "h"),
        Figure("official score S, published attacks", official_score(alarm, truth["published"]), ""),
        Figure("official score S, ATT_FLAG", official_score(alarm, truth["flagged"]), ""),
    )
    part = Part(
        "batadal", "BATADAL: attacks on a water network",
        "trained on dataset03 alone, settings chosen without the labels of dataset04: at least 5 of 7 attacks found, "
        "false-alarm hours at most 5 %, delays and the tag named printed.",
        "HANDWHEEL_DATA=... python -m benchmarks.evidence.batadal", FROZEN,
        f"none (tuning seeds {TUNING_SEEDS})", body, bars,
    )  # fmt: skip
    write_part(part, dry=dry)
    return 0 if all(bar.holds for bar in bars) else 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="batadal", description="Attacks on a water network, learned from one year.")
    parser.add_argument("--tune", action="store_true", help="the choice of settings on dataset03, no evaluation")
    parser.add_argument("--dry", action="store_true", help="print the part and write no page")
    options = parser.parse_args(arguments)
    if not os.environ.get("HANDWHEEL_DATA"):
        print("study batadal: HANDWHEEL_DATA is not set; name the folder that holds batadal/", file=sys.stderr)
        return 2
    return tune() if options.tune else evaluate(options.dry)


if __name__ == "__main__":
    raise SystemExit(main())
