"""A fleet of pumps over a year with seasons, work, gaps and faults: physics of its own, for studies of the model."""

from drivers.sim.year.faults import SIZES, Fault, tags_of
from drivers.sim.year.pump import YearPump, pump_of
from drivers.sim.year.run import Year, pump_year

__all__ = ["SIZES", "Fault", "Year", "YearPump", "pump_of", "pump_year", "tags_of"]
