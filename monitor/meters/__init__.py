"""The meters beside the pumps: their accounts with each other by [[crosscheck]], learned once, judged by the hour.

Hourly values come from the hot file, which has them for 400 days. A meter has no index; what can be said of it are the
lines of models.health.meter.

    accounts   which tags stand on which side, and the hours of them
    learning   what a meter taught, kept as JSON, read back
    judging    what can be said of each meter at an hour
"""

from monitor.meters.accounts import Hours, Sides, estimated_in, hours, left_out, meters, sides_of, spoken
from monitor.meters.judging import Seen, assess, at_hour, see
from monitor.meters.learning import MeterModel, entry, from_window, learn, limits, load, store, taught

__all__ = [
    "Hours",
    "MeterModel",
    "Seen",
    "Sides",
    "assess",
    "at_hour",
    "entry",
    "estimated_in",
    "from_window",
    "hours",
    "learn",
    "left_out",
    "limits",
    "load",
    "meters",
    "see",
    "sides_of",
    "spoken",
    "store",
    "taught",
]
