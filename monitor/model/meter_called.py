"""What the lines in force call a meter's window that is to be learned: what is sick must not become the normal."""

from typing import TYPE_CHECKING

import numpy as np

from models.health.meter import RECENT_DAYS
from monitor import meters
from monitor.learning import DAY_US, ModelDamaged
from monitor.meters import MeterModel
from monitor.model import meter_past
from monitor.model.called import Called, longest
from monitor.progress import Work
from monitor.state import State
from monitor.words import parse_utc

if TYPE_CHECKING:
    from monitor.plant import Asset, Settings


def called_before(state: State, settings: "Settings", meter: "Asset", model: MeterModel) -> Called | None:
    """What the lines by the models in force call the window of `model`, which is to be learned; None for nothing.

    Days are judged whose seven days lie in the window, of a shorter one the last; a single one of many counts for
    nothing. Days that are unknown neither end nor lengthen such a time.
    """
    start_us, end_us = (parse_utc(model.facts[name]) for name in ("window_start", "window_end"))
    first_us = min(start_us + (RECENT_DAYS - 1) * DAY_US, end_us - DAY_US)
    models = {one.id: _in_force(state, one) for one in meters.meters(settings)}
    walked = [one[meter.id].found for one in meter_past.walk(state, settings, models, (first_us, end_us), Work(""))]
    words = np.array([one.word for one in walked], object)
    told = np.flatnonzero(words != "unknown")
    days = longest(words, told)
    if not len(days) or (len(days) == 1 and len(told) > 1):
        return None
    word = "alert" if (words[days] == "alert").any() else "warning"
    loud = [line.name for day in days for line in walked[day].lines if line.word in ("warn", "act")]
    return Called(word, walked[days[0]].at, walked[days[-1]].at, max(loud, key=loud.count))


def _in_force(state: State, meter: "Asset") -> MeterModel:
    try:
        return meters.load(state, meter.id)
    except ModelDamaged:
        return MeterModel()  # its lines that need no reference speak all the same
