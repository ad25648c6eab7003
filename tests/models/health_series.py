"""A small pump for the health tests, written here from textbook formulas so that nothing of ours vouches for itself."""

import numpy as np
import pandas as pd

from models.health import Rated

RATED = Rated(flow_m3h=100.0, head_m=42.0, power_kw=18.5)


def pump(
    rows: int = 2 * 1440, *, head_loss: float = 0.0, bearing: float = 0.0, seed: int = 1, start: str = "2026-01-01"
):
    """Minutes of a pump against a daily demand; it rests one period of four hours in four.

    `head_loss` is the share of shut-off head that a worn impeller has lost, `bearing` the extra heat [K] of a bad one.
    """
    random = np.random.default_rng(seed)
    minute = np.arange(rows)
    day = 2 * np.pi * minute / 1440
    static = 30 + 1.5 * np.sin(day + 1) + random.normal(0, 0.05, rows)
    friction = 12 / 100**2 * (1 + 0.15 * np.sin(day))
    shut_off = 58.8 * (1 - head_loss)
    flow = np.sqrt((shut_off - static) / (friction + 16.8 / 100**2))
    head = static + friction * flow**2
    power = 0.002725 * flow * head / (0.7 * (1 - head_loss) * (flow / 100) * (2 - flow / 100))
    ambient = 12 + 4 * np.sin(day - 2)
    running = ((minute // 240) % 4 != 3).astype(float)
    suction = 1 + 0.05 * np.sin(minute / 300)

    def noisy(value, error):
        return value + random.normal(0, error, rows)

    frame = pd.DataFrame(
        {
            "running": running,
            "flow": noisy(flow, 0.5) * running,
            "suction_pressure": noisy(suction, 0.005),
            "discharge_pressure": noisy(suction + head / 10.2, 0.01),
            "power": noisy(power, 0.1) * running,
            "vibration": 1.4 * running + np.abs(noisy(0.0, 0.1)),
            "bearing_temperature": noisy(ambient + (20 + bearing) * running, 0.3),
            "ambient_temperature": ambient,
        },
        index=pd.date_range(start, periods=rows, freq="min", tz="UTC"),
    )
    frame.attrs["units"] = {"flow": "m3/h", "power": "kW"}
    return frame
