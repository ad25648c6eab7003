"""Data words as the person reads them: verdicts, choices, roles, states, quantities. One owner for screen and pages.

Standard library only; what is not known is shown as it came, cleaned.
"""

from monitor.words import _, clean


def verdict_word(word: object) -> str:
    """The verdict as it stands in a column of eleven cells; "-" where no claim is open."""
    words = {
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
    words = {"ok": _("as usual"), "warn": _("warning"), "act": _("ALERT"), "cannot_tell": _("cannot tell")}
    return words.get(str(word), clean(word or "-", 12))


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
        "voltage": _("voltage"),
        "frequency": _("frequency"),
        "vibration": _("vibration"),
        "bearing_temperature": _("bearing temp."),
        "bearing_over_ambient": _("bearing over air"),
        "head_residual": _("head against curve"),
        "power_residual": _("power against curve"),
        "efficiency": _("efficiency"),
        "energy_per_head": _("energy per head"),
        "vibration_step": _("vibration step"),
        "starts_per_h": _("starts per hour"),
        "ambient_temperature": _("ambient temp."),
        "energy": _("energy"),
        "volume": _("volume"),
        "run_hours": _("run hours"),
        "starts": _("starts"),
        "residual_chlorine": _("free chlorine"),
        "vendor_flag": _("vendor flag"),
        "alarm_code": _("alarm code"),
        "selector": _("selector"),
    }
    return words.get(quantity, clean(quantity.replace("_", " "), 20))
