"""A fleet of fifty pumps through a year: how often the model cries wolf, what it finds, how early, what it names.

Each pump is learned from its first 30 days, as the product does, and the rest of its year is walked row by row; then
the same pumps run again with a fault. `python -m benchmarks.evidence.fleet_year` draws its seed from the commit that
froze the settings and writes its part of docs/model_evidence.md; with `--seed N`, for tuning, it writes nothing.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.evidence.fleet_tables import Case, Result, body, figures
from benchmarks.evidence.page import Part, frozen_commit, seed_from, write_part
from drivers.sim.year import SIZES, Fault, Year, pump_of, pump_year, tags_of
from drivers.sim.year.faults import GROWS, HOLDS
from drivers.sim.year.pump import stream
from models.health import HealthModel, Rated, fit
from models.health.life_cycle import Episode, episodes
from models.health.walk import Walk, walk
from monitor.plant import QUANTITIES

TUNING_SEEDS = (1, 2, 3, 4, 5)
SETTLED_BY = ("models/health", "drivers/sim/year", "benchmarks/evidence/fleet_year.py",
              "benchmarks/evidence/fleet_tables.py")  # fmt: skip
PUMPS, RUNS = 50, 12  # runs per fault and size, each on another pump; fewer where fewer pumps can have it
LEARNED_DAYS, DAYS = 30, 365
FAULTS_FROM = 60.0  # day
STEPPED_BACK = "outside the learned"
# The tag for which a feature that is made of several counts when the affected tag is looked for: one only.
STANDS_FOR = {"head_residual": "discharge_pressure", "head": "discharge_pressure", "power_residual": "power",
              "power_at_head": "power", "bearing_over_ambient": "bearing_temperature", "leak_back": "flow",
              "current_imbalance": "current"}  # fmt: skip


def frames(year: Year) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values and share of good samples as the product's frames."""
    n = len(year.values["running"])
    index = pd.date_range(pd.Timestamp(year.start_us, unit="us", tz="UTC"), periods=n, freq=f"{year.every_s}s")
    values, share = pd.DataFrame(year.values, index), pd.DataFrame(year.share_good, index)
    values.attrs["units"] = {tag: QUANTITIES["current" if tag.startswith("current") else tag][0] for tag in year.values}
    return values, share


def rated(year: Year) -> Rated:
    """What the nameplate says: three digits of it."""
    pump = year.pump
    return Rated(flow_m3h=float(f"{pump.flow_m3h:.3g}"), head_m=float(f"{pump.head_m:.3g}"), power_kw=pump.motor_kw,
                 estimated=year.estimated)  # fmt: skip


def learned(year: Year) -> HealthModel:
    """The model of the product's default window: the first 30 days."""
    values, share = frames(year)
    rows = LEARNED_DAYS * 86_400 // year.every_s
    return fit(values.iloc[:rows], share.iloc[:rows], rated(year), every_s=year.every_s)


ORDER = ("unknown", "normal", "warning", "alert")
LINE_WORDS = {"ok": "normal", "warn": "warning", "act": "alert"}


def words(seen: Walk) -> dict[str, np.ndarray]:
    """What was told row by row: by the index, by the physics lines, and the worse of both.

    As in an assessment a line that is all right does not make an unknown index a normal one.
    """
    lines = np.full(len(seen.times), "unknown", object)
    for line_word, word in LINE_WORDS.items():
        for one in seen.lines.values():
            lines[one == line_word] = word
    by_index, by_line = (np.array([ORDER.index(word) for word in side]) for side in (seen.word, lines))
    worse = np.where(by_line >= ORDER.index("warning"), np.maximum(by_index, by_line), by_index)
    return {"either": np.array(ORDER, object)[worse], "index": seen.word, "lines": lines}


def told(seen: Walk) -> dict[str, tuple[Episode, ...]]:
    """The alert episodes of a walk by each way, features largest first."""
    return {way: episodes(seen.times, word, seen.features, seen.shares) for way, word in words(seen).items()}


def blamed(seen: Walk, start: pd.Timestamp) -> tuple[str, ...]:
    """The instruments that the episode of the index that began then puts first."""
    by_tag = episodes(seen.times, seen.word, seen.instruments, seen.blame)
    return next(one.top for one in by_tag if one.start == start)


def rank_of(top: Sequence[str], moved: frozenset[str]) -> int:
    """Place of the first feature that stands for a moved tag; one more than there are where none does."""
    places = [place for place, name in enumerate(top, 1) if STANDS_FOR.get(name, name) in moved]
    return places[0] if places else len(top) + 1


def plan(seed: int, pumps: int, runs: int) -> dict[int, list[Fault]]:
    """Which pump has which faults: drawn from the seed, each fault and size on as many different pumps."""
    rng = np.random.default_rng([seed, 7])
    drawn: dict[int, list[Fault]] = {number: [] for number in range(pumps)}
    for kind in GROWS:
        for size in SIZES:
            able = [number for number in drawn if tags_of(pump_of(seed, number), kind)]
            for number in rng.permutation(able)[:runs].tolist():
                tags = tags_of(pump_of(seed, number), kind)
                last = DAYS - 1 - GROWS[kind] - HOLDS[kind]
                drawn[number].append(Fault(kind, size, rng.uniform(FAULTS_FROM, last), str(rng.choice(tags))))
    return drawn


def while_running(fault: Fault, year: Year, seed: int) -> Fault:
    """A sensor freezes while its pump runs: on a pump that stands nobody could see it."""
    rng = stream(seed, year.pump.number, f"freeze {fault.size} {fault.tag}")
    day = np.arange(len(year.values["running"])) * year.every_s / 86_400
    able = day[(year.values["running"] > 0.95) & (day > FAULTS_FROM) & (day < DAYS - 16)]
    return Fault(fault.kind, fault.size, float(rng.choice(able)), fault.tag) if len(able) else fault


def _at(year: Year, day: float) -> pd.Timestamp:
    return pd.Timestamp(year.start_us + round(day * 86_400e6), unit="us", tz="UTC")


def day_of(episode: Episode, year: Year) -> float:
    """When it began, in days since the data begin."""
    return float((episode.start - _at(year, 0)).total_seconds()) / 86_400


def case_of(model: HealthModel, seed: int, number: int, fault: Fault, sound: dict[str, list[float]]) -> Case:
    """One fault on one pump."""
    year = pump_year(seed, number, days=min(DAYS, int(fault.end_day) + 1), fault=fault)
    values, share = frames(year)
    first = round((fault.start_day - 5) * 86_400) // year.every_s
    seen = walk(model, values.iloc[first:], share.iloc[first:])
    raised = told(seen)
    lead: dict[str, float | None] = {}
    found: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    for way, all_of_them in raised.items():
        during = [one for one in all_of_them if fault.start_day <= day_of(one, year) <= fault.end_day]
        lead[way] = fault.end_day - day_of(during[0], year) if during else None
        if way == "index" and during:
            found, named = during[0].top, blamed(seen, during[0].start)
    stood = any(one.start < _at(year, fault.start_day) and (one.end is None or one.end > _at(year, fault.start_day))
                for one in raised["either"])  # fmt: skip
    chance = {way: any(fault.start_day <= day <= fault.end_day for day in days) for way, days in sound.items()}
    ranks = [rank_of(top, year.moved) if top else None for top in (found, named)]
    return Case(
        number, year.pump.estimated_flow, fault, lead, stood, chance, ranks[0], ranks[1], found[:3], named[:3]
    )  # fmt: skip


def study(seed: int, number: int, faults: Sequence[Fault], minutes: bool) -> Result:
    """One pump: its sound year, a week of it at one minute, and its faults."""
    year = pump_year(seed, number)
    model = learned(year)
    values, share = frames(year)
    rows = LEARNED_DAYS * 86_400 // year.every_s
    seen = walk(model, values.iloc[rows - 200 :], share.iloc[rows - 200 :])
    found = told(seen)
    raised = {way: [(day_of(one, year), one.top[:3]) for one in some] for way, some in found.items()}
    stood = sum(((one.end or seen.times[-1]) - one.start).total_seconds() for one in found["either"]) / year.every_s
    tags = [tag for tag in share if tag not in ("run_hours", "starts", "energy")]
    good = (share[tags].iloc[rows:].to_numpy() >= 0.5).mean(axis=1) > 0.5
    unknown = good & (seen.word[200:] == "unknown")
    running = good & (values["running"].iloc[rows:].to_numpy() > 0.95)
    reasons = pd.Series(seen.why[200:][unknown]).str.replace(r"[-\d.]+(e[-+]\d+)?", "#", regex=True)
    sound = {way: [day for day, _ in some] for way, some in raised.items()}
    return Result(
        number, year.pump.duty, year.pump.estimated_flow, bool(model.detectors), raised, round(stood), len(good),
        DAYS - LEARNED_DAYS,
        int(good.sum()), int(unknown.sum()), int(running.sum()), int((running & unknown).sum()),
        int(reasons.str.contains(STEPPED_BACK).sum()), {str(k): int(v) for k, v in reasons.value_counts().items()},
        _minute_week(seed, number) if minutes else None,
        [case_of(model, seed, number, while_running(one, year, seed) if one.kind == "frozen_sensor" else one, sound)
         for one in faults],
    )  # fmt: skip


def _minute_week(seed: int, number: int) -> int:
    """False episodes of the week after the learning, all at one minute."""
    year = pump_year(seed, number, days=LEARNED_DAYS + 7, every_s=60)
    values, share = frames(year)
    rows = LEARNED_DAYS * 1440
    return len(told(walk(learned(year), values.iloc[rows - 200 :], share.iloc[rows - 200 :]))["either"])


def run(seed: int, *, pumps: int = PUMPS, runs: int = RUNS, minutes: bool = True, processes: int = 2) -> list[Result]:
    """The whole study; pumps are told on stderr as they are done."""
    drawn = plan(seed, pumps, runs)
    results = []
    with ProcessPoolExecutor(processes) as pool:
        jobs = [pool.submit(study, seed, number, faults, minutes) for number, faults in drawn.items()]
        for done, job in enumerate(jobs, 1):
            results.append(job.result())
            print(f"\rpump {done} of {pumps}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return results


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence.fleet_year", description=__doc__)
    parser.add_argument("--seed", type=int, help="for tuning: prints, writes nothing")
    parser.add_argument("--pumps", type=int, default=PUMPS)
    parser.add_argument("--runs", type=int, default=RUNS, help="runs per fault and size")
    parser.add_argument("--quick", action="store_true", help="8 pumps, 2 runs, a tuning seed; writes nothing")
    parser.add_argument("--details", type=Path, help="every pump and case as JSON")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    frozen = frozen_commit(*SETTLED_BY)
    dry = options.quick or options.seed is not None
    seed = (options.seed if options.seed is not None else TUNING_SEEDS[0]) if dry else seed_from(frozen)
    size = (
        {"pumps": 8, "runs": 2, "minutes": False} if options.quick else {"pumps": options.pumps, "runs": options.runs}
    )
    results = run(seed, **size)
    if options.details:
        options.details.write_text(json.dumps([asdict(one) for one in results], default=_plain, indent=1))
    bars = figures(results)
    part = Part(
        "fleet_year", "A simulated fleet year",
        f"{len(results)} pumps of different duty and size through a year at 10 minutes, with seasons, work, gaps and "
        "sensors of their class: how often is a sound pump called sick, and which faults are found, how early, and by "
        "which name?",
        "python -m benchmarks.evidence.fleet_year", frozen, f"{seed} (the first 31 bits of the freezing commit)",
        body(results), bars,
    )  # fmt: skip
    written = write_part(part, dry=dry)
    return 0 if written and all(bar.holds for bar in bars) else 1


if __name__ == "__main__":
    raise SystemExit(main())
