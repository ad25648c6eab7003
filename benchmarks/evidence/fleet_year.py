"""A fleet of fifty pumps through a year: how often the model cries wolf, what it finds, how early, what it names.

Each pump is learned from its first 30 days, as the product does, and the rest of its year is walked row by row; then
the same pumps run again with a fault. `python -m benchmarks.evidence.fleet_year` draws its seed from the commit that
froze the settings and writes its part of docs/model_evidence.md; with `--seed N`, for tuning, it writes nothing.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.evidence.page import Part, frozen_commit, seed_from, table, write_part
from benchmarks.figures import Figure
from drivers.sim.year import SIZES, Fault, Year, pump_of, pump_year, tags_of
from drivers.sim.year.faults import GROWS, HOLDS
from drivers.sim.year.pump import stream
from models.health import HealthModel, Rated, fit
from models.health.life_cycle import Episode, episodes
from models.health.walk import Walk, walk
from models.intervals import rate_interval, share_interval
from monitor.plant import QUANTITIES

TUNING_SEEDS = (1, 2, 3, 4, 5)
SETTLED_BY = ("models/health", "drivers/sim/year", "benchmarks/evidence/fleet_year.py")
PUMPS, RUNS = 50, 12  # runs per fault and size, each on another pump; fewer where fewer pumps can have it
LEARNED_DAYS, DAYS = 30, 365
FAULTS_FROM = 60.0  # day
STEPPED_BACK = "outside the learned"
# The tag for which a feature that is made of several counts when the affected tag is looked for: one only.
STANDS_FOR = {"head_residual": "discharge_pressure", "head": "discharge_pressure", "power_residual": "power",
              "bearing_over_ambient": "bearing_temperature"}  # fmt: skip
WAYS = ("either", "index", "lines")


@dataclass(frozen=True, slots=True)
class Case:
    """One pump with one fault, and when each way of telling raised an alert after it began [days before the end]."""

    pump: int
    estimated: bool
    fault: Fault
    lead: dict[str, float | None]  # by way
    chance: dict[str, bool]  # whether the sound pump raised one in the same time
    rank: int | None  # of the first feature that stands for a tag the fault moves; None without contributions
    top: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What one pump's sound year and its faults gave."""

    pump: int
    duty: str
    estimated: bool
    learned: bool
    false: dict[str, list[tuple[float, tuple[str, ...]]]]  # by way: day and what was named
    days: float
    good: int  # rows with good data after the learning
    unknown: int
    running: int
    running_unknown: int
    stepped_back: int
    why: dict[str, int]
    minute_false: int | None
    cases: list[Case] = field(default_factory=list)


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


def words(seen: Walk) -> dict[str, np.ndarray]:
    """What was told row by row: by the index, by the physics lines, and the worse of both."""
    n = len(seen.times)
    lines = np.full(n, "unknown", object)
    for told, word in (("ok", "normal"), ("warn", "warning"), ("act", "alert")):
        for one in seen.lines.values():
            lines[one == told] = word
    order = {"unknown": 0, "normal": 1, "warning": 2, "alert": 3}
    rank = np.maximum(*(np.array([order[word] for word in side]) for side in (seen.word, lines)))
    return {"either": np.array(list(order), object)[rank], "index": seen.word, "lines": lines}


def told(seen: Walk) -> dict[str, tuple[Episode, ...]]:
    """The alert episodes of a walk by each way."""
    return {way: episodes(seen.times, word, seen.instruments, seen.blame) for way, word in words(seen).items()}


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


def day_of(episode: Episode, year: Year) -> float:
    return float((episode.start - pd.Timestamp(year.start_us, unit="us", tz="UTC")).total_seconds()) / 86_400


def case_of(model: HealthModel, seed: int, number: int, fault: Fault, sound: dict[str, list[float]]) -> Case:
    """One fault on one pump."""
    year = pump_year(seed, number, days=min(DAYS, int(fault.end_day) + 1), fault=fault)
    values, share = frames(year)
    first = round((fault.start_day - 5) * 86_400) // year.every_s
    raised = told(walk(model, values.iloc[first:], share.iloc[first:]))
    lead: dict[str, float | None] = {}
    found: tuple[str, ...] = ()
    for way, all_of_them in raised.items():
        during = [one for one in all_of_them if fault.start_day <= day_of(one, year) <= fault.end_day]
        lead[way] = fault.end_day - day_of(during[0], year) if during else None
        if way == "index" and during:
            found = during[0].top
    chance = {way: any(fault.start_day <= day <= fault.end_day for day in days) for way, days in sound.items()}
    rank = rank_of(found, year.moved) if found else None
    return Case(number, year.pump.estimated_flow, fault, lead, chance, rank, found[:3])


def study(seed: int, number: int, faults: Sequence[Fault], minutes: bool) -> Result:
    """One pump: its sound year, a week of it at one minute, and its faults."""
    year = pump_year(seed, number)
    model = learned(year)
    values, share = frames(year)
    rows = LEARNED_DAYS * 86_400 // year.every_s
    seen = walk(model, values.iloc[rows - 200 :], share.iloc[rows - 200 :])
    raised = {way: [(day_of(one, year), one.top[:3]) for one in found] for way, found in told(seen).items()}
    tags = [tag for tag in share if tag not in ("run_hours", "starts", "energy")]
    good = (share[tags].iloc[rows:].to_numpy() >= 0.5).mean(axis=1) > 0.5
    unknown = good & (seen.word[200:] == "unknown")
    running = good & (values["running"].iloc[rows:].to_numpy() > 0.95)
    reasons = pd.Series(seen.why[200:][unknown]).str.replace(r"[-\d.]+(e[-+]\d+)?", "#", regex=True)
    sound = {way: [day for day, _ in found] for way, found in raised.items()}
    return Result(
        number, year.pump.duty, year.pump.estimated_flow, bool(model.detectors), raised, DAYS - LEARNED_DAYS,
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


def false_rate(results: Iterable[Result], way: str = "either") -> str:
    """Episodes per pump-year of sound pumps, with its exact interval."""
    chosen = list(results)
    rate = rate_interval(sum(len(one.false[way]) for one in chosen), sum(one.days for one in chosen) / 365)
    return f"{rate.value:.2f} ({rate.low:.2f} to {rate.high:.2f}; n = {rate.n})"


def found_share(cases: Iterable[Case], way: str = "either") -> str:
    chosen = list(cases)
    share = share_interval(sum(one.lead[way] is not None for one in chosen), len(chosen))
    return f"{share.value:.2f} ({share.low:.2f} to {share.high:.2f}; n = {share.n})" if chosen else "none drawn"


def figures(results: Sequence[Result]) -> list[Figure]:
    """The study against its bars."""
    years = sum(one.days for one in results) / 365
    cases = {size: [case for one in results for case in one.cases if case.fault.size == size] for size in SIZES}
    good = sum(one.good for one in results)
    ranks = [case.rank for case in cases["middle"] if case.rank is not None]

    def detection(size: str) -> float:
        return float(np.mean([case.lead["either"] is not None for case in cases[size]]))

    return [
        Figure("false alert episodes", sum(len(one.false["either"]) for one in results) / years, "per pump-year", 1.0),
        Figure("unknown", 100 * sum(one.unknown for one in results) / good, "% of pump-hours with good data", 5.0),
        Figure("large faults found", 100 * detection("large"), "%", 90.0, "at least"),
        Figure("middle faults found", 100 * detection("middle"), "%", 70.0, "at least"),
        Figure("affected tag first or second, middle size", 100 * float(np.mean([rank <= 2 for rank in ranks or [99]])),
               "% of found", 80.0, "at least"),
    ]  # fmt: skip


def body(results: Sequence[Result]) -> str:
    """The tables of the page."""
    groups = {"all": results, "flow measured": [one for one in results if not one.estimated],
              "flow estimated by the device": [one for one in results if one.estimated]}  # fmt: skip
    groups |= {duty: [one for one in results if one.duty == duty] for duty in sorted({one.duty for one in results})}
    sound = table(
        ("sound pumps", "pumps", *(f"false episodes per pump-year: {way}" for way in WAYS), "unknown", "while running",
         "stepped back (season, duty)"),
        [(name, len(part), *(false_rate(part, way) for way in WAYS), _percent(part, "unknown", "good"),
          _percent(part, "running_unknown", "running"), _percent(part, "stepped_back", "good"))
         for name, part in groups.items() if part],
    )  # fmt: skip
    cases = [case for one in results for case in one.cases]
    rows = []
    for kind in (*GROWS, "all"):
        for size in SIZES:
            part = [case for case in cases if kind in (case.fault.kind, "all") and case.fault.size == size]
            leads = [case.lead["either"] for case in part if case.lead["either"] is not None]
            ranks = [case.rank for case in part if case.rank is not None]
            places = (
                sum(rank == 1 for rank in ranks),
                sum(rank == 2 for rank in ranks),
                sum(rank > 2 for rank in ranks),
            )
            rows.append((
                kind.replace("_", " "), size, *(found_share(part, way) for way in WAYS),
                sum(case.chance["either"] for case in part), f"{np.median(leads):.1f}" if leads else "-",
                " / ".join(map(str, places)),
            ))  # fmt: skip
    faults = table(
        ("fault", "size", *(f"found by {way}" for way in WAYS), "sound pump alerts in the same time", "median lead [d]",
         "affected tag first / second / lower"), rows,
    )  # fmt: skip
    device = [case for case in cases if case.estimated]
    weeks = [one.minute_false for one in results if one.minute_false is not None]
    none = sum(not one.learned for one in results)
    return "\n\n".join((
        sound, faults,
        f"On pumps whose device estimates the flow, found by either: large {found_share(_of(device, 'large'))}, middle "
        f"{found_share(_of(device, 'middle'))}. The week after the learning at one minute: {sum(weeks)} false episodes "
        f"on {len(weeks)} pumps. Pumps for which nothing could be learned: {none}.",
        NOTES,
    ))  # fmt: skip


NOTES = """Intervals are 90 % (exact for the rates, Jeffreys for the shares). `index` is the learned detector, `lines`
the physics lines past their act line, `either` what an operator sees; the bars are set on `either`. A fault counts as
found when an alert episode begins between its start and its nominal failure; the lead is the time from there to the
failure. A pump that was already in alert when its fault began does not count. The same pumps without the fault in the
same time show how many would have been found by chance. The place of the affected tag is counted strictly, on the index
alone: a feature made of several tags stands for one of them (head residual: discharge pressure; power residual: power;
bearing over ambient: bearing temperature), and of a drifting or frozen meter only that meter is affected. A bearing
without a sensor and a check valve without a flow meter are not drawn: no instrument, no claim. The simulated pumps
follow none of the model's formulas (drivers/sim/year); a sensor that freezes is here left to the model, though the
quality checks of the acquisition would mark it first."""


def _of(cases: Iterable[Case], size: str) -> list[Case]:
    return [case for case in cases if case.fault.size == size]


def _percent(results: Sequence[Result], part: str, whole: str) -> str:
    total = sum(getattr(one, whole) for one in results)
    return f"{100 * sum(getattr(one, part) for one in results) / total:.1f} %" if total else "-"


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
