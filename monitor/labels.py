"""Data words as the person reads them: verdicts, choices, roles, states, quantities. One owner for screen and pages.

Standard library only; what is not known is shown as it came, cleaned.
"""

from collections.abc import Mapping

from monitor.words import _, clean


def verdict_word(word: object) -> str:
    """The verdict as it stands in a column of eleven cells; "-" where no claim is open."""
    words = {
        "unjudged": _("not judged"),
        "agree": _("agree"),
        "vendor_only": _("VENDOR ONLY"),
        "own_only": _("OWN ONLY"),
        "cannot_tell": _("cannot tell"),
    }
    return words.get(str(word), "-")


def choice_word(choice: object) -> str:
    words = {
        "follow": _("follow"),
        "defer": _("defer"),
        "reject": _("reject"),
        "inspect_first": _("inspect first"),
    }
    return words.get(str(choice), clean(choice, 16))


def role_word(role: str) -> str:
    words = {
        "viewer": _("viewer"),
        "operator": _("operator"),
        "shift_lead": _("shift lead"),
        "maintenance": _("maintenance"),
        "engineer": _("engineer"),
        "auditor": _("auditor"),
        "administrator": _("administrator"),
    }
    return words.get(role, clean(role, 16))


def alarm_word(state: object) -> str:
    """The state of an alarm (ISA-18.2) as a person reads it."""
    words = {
        "UNACK": _("UNACK"),
        "ACKED": _("seen"),
        "RTNUN": _("gone UNACK"),
        "LATUN": _("held UNACK"),
        "LATAK": _("held seen"),
        "SHLVD": _("shelved"),
        "DSUPR": _("suppressed"),
        "OOSRV": _("out of serv."),
        "NORM": _("gone"),
    }
    return words.get(str(state), clean(state or "-", 12))


def operating_word(state: object) -> str:
    """The operating state of an asset as its model or the daemon names it."""
    words = {
        "steady": _("steady"),
        "steady_slow": _("steady, hours"),
        "running": _("running"),
        "stopped": _("stopped"),
        "off": _("stopped"),
        "starting": _("starting"),
        "stopping": _("stopping"),
        "transient": _("changing"),
        "recovering": _("recovering"),
        "unknown": _("unknown"),
        "history": _("history only"),
    }
    return words.get(str(state), clean(state or "-", 16))


def health_word(word: object) -> str:
    words = {
        "normal": _("normal"),
        "warning": _("warning"),
        "alert": _("ALERT"),
        "unknown": _("unknown"),
    }
    return words.get(str(word), clean(word or "-", 10))


def line_word(word: object) -> str:
    """The word of one line of physics."""
    words = {"ok": _("as usual"), "warn": _("warning"), "act": _("ALERT"), "cannot_tell": _("cannot tell"),
             "info": _("figure only")}  # fmt: skip
    return words.get(str(word), clean(word or "-", 12))


def limits_past(value: float | None, reference: float | None, *limits: float | None) -> tuple[float | None, ...]:
    """The limits of a line that fired, on the side of its reference on which the value lies: a line may have two."""
    if value is None or reference is None:
        return limits
    return tuple(
        2 * reference - limit if limit is not None and (limit - reference) * (value - reference) < 0 else limit
        for limit in limits
    )


def quantity_word(quantity: str) -> str:
    """The name of a measured quantity."""
    words = {
        "running": _("running"),
        "speed": _("speed"),
        "flow": _("flow"),
        "suction_pressure": _("inlet pressure"),
        "discharge_pressure": _("outlet pressure"),
        "pressure": _("pressure"),
        "head": _("pump head"),
        "level": _("level"),
        "power": _("power"),
        "current": _("motor current"),
        "current_l1": _("current L1"),
        "current_l2": _("current L2"),
        "current_l3": _("current L3"),
        "current_imbalance": _("phase imbalance"),
        "winding_temperature": _("winding temp."),
        "water_temperature": _("water temp."),
        "voltage": _("voltage"),
        "frequency": _("frequency"),
        "vibration": _("vibration"),
        "bearing_temperature": _("bearing temp."),
        "bearing_over_ambient": _("bearing over air"),
        "head_residual": _("head against curve"),
        "power_residual": _("power against curve"),
        "power_at_head": _("power at its head"),
        "frozen": _("sensor stands still"),
        "efficiency": _("efficiency"),
        "energy_per_head": _("energy per head"),
        "vibration_step": _("vibration step"),
        "starts_per_h": _("starts per hour"),
        "hydraulic_power": _("hydraulic power"),
        "specific_energy": _("energy per m3"),
        "flow_range": _("off best flow"),
        "npsh_margin": _("NPSH margin"),
        "cavitation": _("cavitation hint"),
        "duty_balance": _("duty balance"),
        "leak_back": _("leak-back"),
        "pressure_held": _("pressure held"),
        "pump_down": _("pump-down time"),
        "well_flow": _("flow by wet well"),
        "ambient_temperature": _("ambient temp."),
        "energy": _("energy"),
        "volume": _("volume"),
        "run_hours": _("run hours"),
        "starts": _("starts"),
        "residual_chlorine": _("free chlorine"),
        "signal_quality": _("signal quality"),
        "gain": _("signal gain"),
        "night_flow": _("night flow"),
        "vendor_flag": _("vendor flag"),
        "alarm_code": _("alarm code"),
        "selector": _("selector"),
    }
    kind, _space, name = quantity.partition(" ")  # of a meter: which account
    if name and kind in ("balance", "drift"):
        said = _("balance {name}") if kind == "balance" else _("drift of {name}")
        return said.format(name=clean(name, 40))
    return words.get(quantity, clean(quantity.replace("_", " "), 20))


def code_text(value: float, labels: Mapping[int, str], *, bits: bool = False) -> str:
    """A code with its words, "4 (min)", or a bit field with the words of the bits that are set.

    What the table does not know is said so: it may be the very thing that matters.

    >>> code_text(4.0, {0: "auto", 4: "min"}), code_text(7.0, {0: "auto"})
    ('4 (min)', '7 (not in the table)')
    >>> code_text(0x2001, {0: "brake check"}, bits=True), code_text(0, {}, bits=True)
    ('0x2001 (brake check, bit 13)', '0 (no bit set)')
    """
    code = int(value)
    words = code_words(code, labels, bits=bits) if value == code else _("not in the table")
    shown = f"{value:g}" if value != code else f"0x{code:X}" if bits and code > 0 else str(code)
    return f"{shown} ({words})"


def code_words(code: int, labels: Mapping[int, str], *, bits: bool = False) -> str:
    """The words of a code, or of the bits that are set in it."""
    if not bits:
        return clean(labels[code], 60) if code in labels else _("not in the table")
    names = [clean(labels.get(n) or _("bit {n}").format(n=n), 60) for n in range(code.bit_length()) if code >> n & 1]
    return ", ".join(names) or _("no bit set")


def grade_words(grade: object) -> str:
    """A grade with what it means (bias.md section 1)."""
    words = {
        "A": _("as new"),
        "B": _("light wear"),
        "C": _("worn, serviceable to the next planned opportunity"),
        "D": _("beyond the agreed limit, or a defect"),
        "E": _("failed"),
    }
    return f"{clean(grade, 4)} ({words.get(str(grade), '?')})"


def party_word(party: object) -> str:
    """Who inspected."""
    words = {"utility": _("utility"), "vendor": _("vendor"), "third": _("third party")}
    return words.get(str(party), clean(party or "-", 16))


def trigger_word(trigger: object) -> str:
    """What a job was done for."""
    words = {
        "vendor_alert": _("vendor's alert"),
        "own": _("own alert"),
        "failure": _("failure"),
        "schedule": _("schedule"),
        "operator": _("operator"),
    }
    return words.get(str(trigger), clean(trigger or "-", 16))


def action_word(action: object) -> str:
    """What was done."""
    words = {"inspect": _("inspect"), "service": _("service"), "replace": _("replace")}
    return words.get(str(action), clean(action or "-", 16))
