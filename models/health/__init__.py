"""The utility's own open health model: operating state, physics lines, detector, index, contributions."""

from models.health.assessment import Assessment, Contribution
from models.health.batch import Past, Question, assess, assess_all
from models.health.judged import Line
from models.health.life_cycle import Episode, episodes
from models.health.limits import Limits
from models.health.model import HealthModel, fit, from_parts
from models.health.physics import Rated
from models.health.walk import Walk, walk

__all__ = [
    "Assessment", "Contribution", "Episode", "HealthModel", "Limits", "Line", "Past", "Question", "Rated", "Walk",
    "assess", "assess_all", "episodes", "fit", "from_parts", "walk",
]  # fmt: skip
