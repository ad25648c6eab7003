"""The utility's own open health model: operating state, physics lines, detector, index, contributions."""

from models.health.lines import Limits, Line
from models.health.model import Assessment, Contribution, HealthModel, assess, fit, from_parts
from models.health.physics import Rated

__all__ = ["Assessment", "Contribution", "HealthModel", "Limits", "Line", "Rated", "assess", "fit", "from_parts"]
