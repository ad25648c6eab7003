"""What each feature of a model is made of, and why a tag is none: the words of the card."""

from collections.abc import Mapping

from models.health import HealthModel, Rated
from models.health.features import DRIVERS, NO_SIGNAL
from models.health.laws import Law
from models.health.physics import M_PER_BAR
from monitor.words import _, figure_text


def made_of(feature: str, model: HealthModel) -> str:
    """The formula of a feature in numbers; a plain tag is the mean of its good samples in a row."""
    law = next((one for one in model.eyes.laws if one.name == feature), None)
    rated = model.rated
    if law is None:
        plain: Mapping[str, str] = {
            "current_imbalance": "100 max |I - mean I| / mean I",
            "leak_back": f"100 flow / {figure_text(rated.flow_m3h)}" if rated.flow_m3h else "",
        }
        return plain.get(feature) or _("mean of the good samples of a row")
    told = f"100 ({law.target} / E - 1)" if law.percent else f"{law.target} - E"
    return told + _used(law, rated)


def unit_of(feature: str, model: HealthModel) -> str:
    """The unit of a feature as the detector sees it: what a law leaves is in % or in the unit of its target."""
    law = next((one for one in model.eyes.laws if one.name == feature), None)
    return "%" if law and law.percent else model.units.get(feature, "")


def law_rows(model: HealthModel) -> tuple[tuple[str, str, str, str, str], ...]:
    """The laws in numbers: term, coefficient, median of its driver, and the range that was learned."""
    rows = []
    for law in model.eyes.laws:
        rows.append((f"{law.name}: level", figure_text(law.level, 7), "-", "-", "-"))
        slopes = iter(law.slopes)
        for one, mid, low, high in zip(law.drivers, law.middle, law.low, law.high, strict=True):
            learned = (figure_text(mid, 7), figure_text(low), figure_text(high))
            powers = range(1, len(one.slopes) + 1)
            rows += [(f"{law.name}: {one.name}^{power}", figure_text(next(slopes), 7), *learned) for power in powers]
            if not one.slopes:
                rows.append((f"{law.name}: {one.name}", "-", *learned))
    return tuple(rows)


def _used(law: Law, rated: Rated) -> str:
    """What the target and drivers of a law are made of, where they are no tags."""
    names = {law.target, *(one.name for one in law.drivers)}
    head = f"{figure_text(M_PER_BAR)} (discharge_pressure - suction_pressure) + {figure_text(rated.gauge_height_m)}"
    formulas = {
        "head_n": f"head_n = H / s^2; H = {head}", "power_n": "power_n = power / s^3", "flow_n": "flow_n = flow / s",
        "vibration_n": "vibration_n = vibration / s^2", "speed_share": "speed_share = s",
    }  # fmt: skip
    told = [text for name, text in formulas.items() if name in names]
    if any("s" in one.split("/")[-1] or one.endswith("= s") for one in told):
        told.append(f"s = speed / {figure_text(rated.speed_hz)}")
    return "".join(f"; {one}" for one in told)


def why_left_out(quantity: str, rated: Rated, features: tuple[str, ...]) -> str:
    """Why a tag of the window is no feature of its own."""
    if quantity in rated.estimated:
        return _("computed inside the device: no evidence of its own")
    if quantity in ("bearing_temperature", "ambient_temperature") and "bearing_over_ambient" in features:
        return _("enters as bearing_over_ambient")
    if quantity in DRIVERS:
        return _("drives the pump, says nothing of its health")
    if quantity in NO_SIGNAL:
        return _("a state, flag or counter, not a signal")
    return _("without a value in more than half of the rows")
