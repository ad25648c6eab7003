"""The model's speed: one block of a thousand detectors, the whole minute of a large utility, learning one pump."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.figures import Figure, run
from benchmarks.rigs.block import Stack, score
from benchmarks.rigs.minute import Utility
from models.health import fit
from models.health.detector import SMOOTH, Detector
from monitor.judge import Judge
from tests.models.health_series import RATED, pump

ASSETS, FEATURES, LAGS, COMPONENTS = 1_000, 50, 5, 20
YOUNG_MINUTES = 62


def median_s(question: Callable[[], object], times: int) -> float:
    """Processor time in the middle of several times [s]: other processes do not count."""
    took = []
    for _ in range(times):
        start_s = time.process_time()
        question()
        took.append(time.process_time() - start_s)
    return statistics.median(took)


def block_ms(assets: int = ASSETS) -> float:
    """Scores with all contributions of one lagged row per asset, float32, one thread. [ms]"""
    draw, width = np.random.default_rng(1), LAGS * FEATURES
    loadings = np.linalg.qr(draw.standard_normal((assets, width, COMPONENTS)))[0].transpose(0, 2, 1)
    block = Stack(np.ascontiguousarray(loadings, np.float32), draw.random((assets, COMPONENTS), np.float32) + 1,
                  draw.random(assets, np.float32), LAGS, FEATURES)  # fmt: skip
    x = draw.standard_normal((assets, width)).astype(np.float32)
    score(block, x)
    return 1_000 * median_s(lambda: score(block, x), 25)


def asked_ms(assets: int = ASSETS) -> float:
    """The same as the minute's cycle asks for it, detector by detector in float64. [ms]

    The scores of the rows of the running median, and the contributions of the row in its middle.
    """
    draw, width = np.random.default_rng(1), LAGS * FEATURES
    one, names = np.ones(FEATURES), tuple(f"tag{n}" for n in range(FEATURES))
    loadings = np.linalg.qr(draw.standard_normal((assets, width, COMPONENTS)))[0].transpose(0, 2, 1)
    detectors = [
        Detector(names, one, one, one, one, one, np.zeros(width), np.ascontiguousarray(own), np.ones(COMPONENTS),
                 1.0, 1.0, 1.0, 1.0, 0)
        for own in loadings
    ]  # fmt: skip
    rows = draw.standard_normal((assets, SMOOTH, width))

    def minute() -> None:
        for number, detector in enumerate(detectors):
            detector.score(rows[number])
            detector.shares(rows[number, :1])

    return 1_000 * median_s(minute, 5)


def fit_s() -> float:
    """Learning one pump from 30 days of minutes. [s]"""
    month = pump(30 * 1440)
    return median_s(lambda: fit(month, None, RATED), 3)


def cycle_s(folder: Path, pumps: int, minutes: int) -> tuple[float, float]:
    """Wall time of a minute's cycle, read, scored and written, in the middle of several; and of the first one, with an
    hour to read. [s]"""
    utility = Utility(folder, pumps, FEATURES)
    for _ in range(YOUNG_MINUTES):
        utility.minute()
    judge, took = Judge(utility.state, utility.settings), []
    for number in range(minutes + 1):
        utility.minute()
        if number == 1:
            utility.remember_a_day(judge)
        start_s = time.perf_counter()
        found = judge.score(utility.now_us + 5_000_000)
        utility.hot.set_assessments(found.assessments)
        utility.hot.set_verdicts(found.verdicts)
        utility.enter(found.ledger)
        took.append(time.perf_counter() - start_s)
    utility.close()
    return statistics.median(took[1:]), took[0]


def measure(quick: bool) -> list[Figure]:
    """All figures of the model."""
    pumps = 100 if quick else ASSETS
    with threadpool_limits(limits=1), tempfile.TemporaryDirectory(prefix="hw") as folder:
        size = f"{ASSETS:,} assets x {FEATURES} tags x {LAGS} lags, k = {COMPONENTS}"
        figures = [
            Figure(f"{size}, as a minute's cycle asks for it", asked_ms(), "ms", 10.0),
            Figure(f"{size}, one row each as one block of float32, which the program does not use", block_ms(), "ms"),
            Figure("learning one pump, 30 days of minutes", fit_s(), "s", 1.0),
        ]
        usual_s, first_s = cycle_s(Path(folder), pumps, 3 if quick else 5)
        name = f"a minute of {pumps:,} pumps of {FEATURES} tags, read, scored, written"
        return [
            *figures,
            Figure(name, usual_s, "s", 3.0 * pumps / ASSETS),
            Figure("the first after a start, with an hour to read", first_s, "s"),
        ]


if __name__ == "__main__":
    raise SystemExit(run("health", measure))
