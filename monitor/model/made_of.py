"""What each feature of a model is made of, and why a tag is none: the words of the card."""

from collections.abc import Mapping

from models.health import Rated
from models.health.features import NEVER_A_FEATURE
from models.health.physics import M_PER_BAR
from monitor.words import _, figure_text

HEAD = "H = {bar} (discharge_pressure - suction_pressure) + {height}"


def made_of(feature: str, rated: Rated) -> str:
    """The formula of a feature in the names of tags; a plain tag is the mean of its good samples in a row."""
    s = f"s = speed / {figure_text(rated.speed_hz)}"
    head = HEAD.format(bar=figure_text(M_PER_BAR), height=figure_text(rated.gauge_height_m))
    formulas: Mapping[str, str] = {
        "head_residual": f"100 (H / s^2 / head_n(flow / s) - 1); {s}; {head}",
        "power_residual": f"100 (power / s^3 / power_n(flow / s) - 1); {s}",
        "bearing_over_ambient": "bearing_temperature - ambient_temperature",
    }
    return formulas.get(feature) or _("mean of the good samples of a row")


def why_left_out(quantity: str, rated: Rated, features: tuple[str, ...]) -> str:
    """Why a tag of the window is no feature of its own."""
    if quantity in rated.estimated:
        return _("computed inside the device: no evidence of its own")
    if quantity in ("bearing_temperature", "ambient_temperature") and "bearing_over_ambient" in features:
        return _("enters as bearing_over_ambient")
    if quantity in NEVER_A_FEATURE:
        return _("a state, flag or counter, not a signal")
    return _("without a value in more than half of the rows")
