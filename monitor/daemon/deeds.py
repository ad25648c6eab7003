"""What people may have recorded: each verb of the command socket becomes one ledger entry, or a refusal in one line.

Pure: from a request that the socket has already allowed (role and rights) to a Draft. Only known words, sizes and times
pass; the name of a person is asked for nowhere.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from drivers.errors import UserError
from monitor.ledger import Draft
from monitor.plant import CHOICES, MODELLED, Settings
from monitor.words import _, clean, parse_utc, utc_text

GRADES = ("A", "B", "C", "D", "E")
PARTIES = ("utility", "vendor", "third")
TRIGGERS = ("vendor_alert", "own", "failure", "schedule", "operator")
ACTIONS = ("inspect", "service", "replace")
STATUSES = ("INSUFFICIENT", "NO EVIDENCE", "WATCH", "FLAG", "STRONG")
REVIEWED = (  # what a review entry has beside its status and the hash of its parameters
    "gate", "gate_words", "vendor", "frozen", "freeze", "first_line", "narrowed", "part", "another", "question",
    "start", "end", "evidence", "contested", "path", "rows",
)  # fmt: skip
EVENTS = ("contract", "firmware", "price", "sensor_change")
IMPORTED = (
    "values", "findings", "work_orders", "alerts", "own_alerts", "decisions", "failures", "events", "costs",
    "period", "substitute",
)  # fmt: skip
SINGLE = {"events": "event", "costs": "cost"}  # what is imported -> verb whose right it takes too
OF_AN_ASSET = ("finding", "work_order", "failure", "baseline")
CORRECTED = ("finding", "work_order", "failure", "event", "cost")  # kinds whose entries another may stand for
MONEY = ("planned_cost", "cost", "planned", "failure")  # fields in the utility's currency
TEXT_LIMIT = 1_000
_AHEAD_US = 60_000_000  # clocks of two machines differ
_YEAR_9999_US = 253_370_764_800_000_000
_QUANTITY = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})? \S.{0,15}")
_IMPORT_ID = re.compile(r"[0-9a-f]{16}")
_HEX = re.compile(r"[0-9a-f]{64}")


class Deed:
    """The data of one request, read field by field; every fault names its field."""

    def __init__(self, verb: str, data: Mapping[str, Any]) -> None:
        self.verb, self.data = verb, data

    def fault(self, field: str, what: str) -> UserError:
        """One line: verb, field, what to do."""
        return UserError(f"{self.verb}: {field}: {what}")

    def text(self, field: str, *, needed: bool = False) -> str:
        """A text without control characters; empty only where it is not needed."""
        value = self.data.get(field)
        if value is None:
            value = ""
        if not isinstance(value, str) or len(value) > TEXT_LIMIT:
            raise self.fault(field, _("a text of {n} characters at most is expected").format(n=TEXT_LIMIT))
        value = clean(value, TEXT_LIMIT)
        if needed and not value:
            raise self.fault(field, _("is missing; write it in words"))
        return value

    def word(self, field: str, known: tuple[str, ...], default: str | None = None) -> str:
        """One of the known words."""
        value = self.data.get(field, default)
        if value not in known:
            raise self.fault(
                field, _("{word} is not one of {known}").format(word=repr(clean(value, 40)), known=", ".join(known))
            )
        return str(value)

    def flag(self, field: str) -> bool:
        """True or false; missing is false."""
        value = self.data.get(field, False)
        if not isinstance(value, bool):
            raise self.fault(field, _("true or false is expected"))
        return value

    def time(self, field: str, *, needed: bool = False) -> str | None:
        """A time that names its zone, as UTC text."""
        us = self.time_us(field, needed=needed)
        return None if us is None else utc_text(us)

    def time_us(self, field: str, *, needed: bool = False) -> int | None:
        """A time that names its zone, in UTC [us]."""
        value = self.data.get(field)
        if value in (None, ""):
            if needed:
                raise self.fault(field, _("is missing; write for example 2026-11-30T07:00:00+01:00"))
            return None
        try:
            moment_us = parse_utc(str(value))
        except (ValueError, OverflowError) as fault:
            raise self.fault(field, clean(fault, 120)) from fault
        if not 0 <= moment_us < _YEAR_9999_US:
            raise self.fault(field, _("{time} is not between 1970 and 9998").format(time=clean(value, 40)))
        return moment_us

    def quantity(self, field: str) -> str | None:
        """A number with its unit ("30 %", "1150.00 EUR"), or nothing."""
        value = self.data.get(field)
        if value in (None, ""):
            return None
        if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
            raise self.fault(
                field, _("{word} is not a number with its unit, for example 30 %").format(word=repr(clean(value, 40)))
            )
        return value

    def count(self, field: str) -> int:
        """A whole number from 0."""
        value = self.data.get(field)
        if type(value) is not int or not 0 <= value < 2**53:
            raise self.fault(field, _("a whole number from 0 is expected"))
        return value

    def share(self, field: str) -> float | None:
        """A probability from 0 to 1, or nothing."""
        value = self.data.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self.fault(field, _("a number from 0 to 1 is expected"))
        return float(value)


def correction(deed: Deed) -> dict[str, Any]:
    """The entry that this one stands for, and whether that one was none; nothing where it is a new one."""
    if deed.data.get("corrects") is None:
        if deed.flag("withdrawn"):
            raise deed.fault("withdrawn", _("names no entry; say which one in corrects"))
        return {}
    told: dict[str, Any] = {"corrects": deed.count("corrects")}
    return told | ({"withdrawn": True} if deed.flag("withdrawn") else {})


NEEDS_REASON = ("defer", "reject")  # who does not follow says why


def decide(deed: Deed) -> dict[str, Any]:
    choice = deed.word("choice", CHOICES)
    until = deed.time("until", needed=choice == "defer")
    return {
        "alert_id": deed.text("alert_id", needed=True), "choice": choice,
        "reason": deed.text("reason", needed=choice in NEEDS_REASON), "until": until,
        "randomised": deed.flag("randomised"), "deferral_prob": deed.share("deferral_prob"),
    }  # fmt: skip


def acknowledge(deed: Deed) -> dict[str, Any]:
    return {"alert_id": deed.text("alert_id", needed=True), "note": deed.text("note")}


def shelve(deed: Deed) -> dict[str, Any]:
    return {
        "alert_id": deed.text("alert_id", needed=True), "until": deed.time("until", needed=True),
        "reason": deed.text("reason", needed=True),
    }  # fmt: skip


def finding(deed: Deed) -> dict[str, Any]:
    photo, second = deed.text("photo_sha256"), deed.data.get("second_reader_grade")
    if photo and not _HEX.fullmatch(photo):
        raise deed.fault("photo_sha256", _("64 hexadecimal digits are expected"))
    wear = deed.quantity("wear_pct")
    if wear is not None and not wear.endswith(" %"):
        raise deed.fault("wear_pct", _("is given in %, for example 30 %"))
    if wear is not None and wear.startswith("-"):
        raise deed.fault("wear_pct", _("cannot be below 0 %"))
    return {
        "wo_id": deed.text("wo_id", needed=True), "grade": deed.word("grade", GRADES), "wear_pct": wear,
        "measured_value": deed.quantity("measured_value"), "limit": deed.quantity("limit"),
        "cause": deed.text("cause"), "inspector_party": deed.word("inspector_party", PARTIES),
        "blind_to_alert": deed.flag("blind_to_alert"), "photo_sha256": photo or None,
        "second_reader_grade": deed.word("second_reader_grade", GRADES) if second else None,
        **({"limit_version": version} if (version := deed.text("limit_version")) else {}), **correction(deed),
    }  # fmt: skip


def work_order(deed: Deed) -> dict[str, Any]:
    return {
        "wo_id": deed.text("wo_id", needed=True), "opened": deed.time("opened", needed=True),
        "done": deed.time("done"), "trigger": deed.word("trigger", TRIGGERS), "alert_id": deed.text("alert_id") or None,
        "action": deed.word("action", ACTIONS), "planned_cost": deed.quantity("planned_cost"),
        "downtime": deed.quantity("downtime"), "run_hours": deed.quantity("run_hours"),
        "party": deed.word("party", PARTIES, "utility"), **correction(deed),
    }  # fmt: skip


def failure(deed: Deed) -> dict[str, Any]:
    return {
        "failure_id": deed.text("failure_id", needed=True), "mode": deed.text("mode", needed=True),
        "cost": deed.quantity("cost"), **correction(deed),
    }  # fmt: skip


def event(deed: Deed) -> dict[str, Any]:
    """What may change a vendor's alerts: known by its day, and registered when it is entered."""
    day = deed.text("date", needed=True)
    if not _is_day(day):
        day = deed.time("date") or ""
    return {
        "date": day, "event_kind": deed.word("event_kind", EVENTS), "text": deed.text("text", needed=True),
        **correction(deed),
    }  # fmt: skip


def cost(deed: Deed) -> dict[str, Any]:
    """What a planned replacement of a component costs, and the same after it failed."""
    told = {field: deed.quantity(field) for field in ("planned", "failure")}
    for field, value in told.items():
        if value is None:
            raise deed.fault(field, _("is missing; write for example 900.00 EUR"))
    planned, failure = (float(str(told[field]).split()[0]) for field in ("planned", "failure"))
    if not 0 <= planned <= failure:
        raise deed.fault("planned", _("costs more than after a failure, or less than nothing; are the two exchanged?"))
    return {**told, "p_fail": deed.share("p_fail"), "source": deed.text("source", needed=True), **correction(deed)}


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def sign_audit(deed: Deed) -> dict[str, Any]:
    name = deed.text("audit_id") or deed.text("audit", needed=True)
    return {"audit_id": name, "note": deed.text("note")}


def confirm_baseline(deed: Deed) -> dict[str, Any]:
    """From `from` on the asset was sound: the daemon learns its model anew from what it read since."""
    return {"from": deed.time("from", needed=True), "reason": deed.text("reason", needed=True)}


def freeze(deed: Deed) -> dict[str, Any]:
    parameters = deed.data.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        raise deed.fault("parameters", _("is missing; a table of parameters is expected"))
    if not _HEX.fullmatch(deed.text("sha256")):
        raise deed.fault("sha256", _("64 hexadecimal digits are expected"))
    return {"parameters": parameters, "sha256": deed.text("sha256")}


def review(deed: Deed) -> dict[str, Any]:
    """That somebody looked, and what was seen; the figures stay as the command computed them."""
    if not _HEX.fullmatch(deed.text("parameters_sha256")):
        raise deed.fault("parameters_sha256", _("64 hexadecimal digits are expected"))
    seen = {name: deed.data[name] for name in REVIEWED if name in deed.data}
    return {**seen, "status": deed.word("status", STATUSES), "parameters_sha256": deed.text("parameters_sha256")}


def contest(deed: Deed) -> dict[str, Any]:
    """A vendor's reply, row by row: the findings that it contests or no longer contests."""
    rows = deed.data.get("findings")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, Mapping) for row in rows):
        raise deed.fault("findings", _("is missing; a list of findings is expected"))
    if not _HEX.fullmatch(deed.text("sha256")):
        raise deed.fault("sha256", _("64 hexadecimal digits are expected"))
    found = []
    for row in rows:
        one = Deed(deed.verb, row)
        taken_back = one.flag("withdrawn")
        told = {"n": one.count("n"), "wo_id": one.text("wo_id", needed=True),
                "reason": one.text("reason", needed=not taken_back)}  # fmt: skip
        found.append({**told, "withdrawn": True} if taken_back else told)
    return {
        "vendor": deed.text("vendor", needed=True), "findings": found, "sha256": deed.text("sha256"),
        "late": deed.flag("late"), "file": deed.text("file"),
    }  # fmt: skip


def probe(deed: Deed) -> dict[str, Any]:
    return {field: deed.text(field, needed=True) for field in ("source", "device", "asked", "file")}


def erase(deed: Deed) -> dict[str, Any]:
    rule, names, numbers = deed.text("rule", needed=True), deed.data.get("raw") or [], deed.data.get("entries") or []
    if not isinstance(names, list) or not all(isinstance(one, str) and _HEX.fullmatch(one) for one in names):
        raise deed.fault("raw", _("64 hexadecimal digits are expected"))
    if not isinstance(numbers, list) or not all(type(one) is int for one in numbers):
        raise deed.fault("entries", _("numbers of entries are expected"))
    if bool(names) == bool(numbers):
        raise deed.fault("raw", _("either messages or entries are expected"))
    told = {"rule": rule, "although_held": deed.data.get("although_held") is True}
    return {"entries": [], "raw": names, **told} if names else {"entries": numbers, **told}


def export(deed: Deed) -> dict[str, Any]:
    files = deed.data.get("files")
    if not isinstance(files, dict) or not all(
        isinstance(digest, str) and _HEX.fullmatch(digest) for digest in files.values()
    ):
        raise deed.fault("files", _("names, each with its 64 hexadecimal digits, are expected"))
    return {
        "what": deed.text("what", needed=True), "files": {clean(name): digest for name, digest in files.items()},
        "rows": deed.count("rows"), "start": deed.time("start"), "end": deed.time("end"),
    }  # fmt: skip


def bring_in(deed: Deed) -> dict[str, Any]:
    """An import begins: its rows wait in STATE/imports, and the worker takes them in once this is entered."""
    told = {name: deed.text(name, needed=True) for name in ("id", "file", "sha256", "mapping_sha256", "rows_sha256")}
    for name in ("sha256", "mapping_sha256", "rows_sha256"):
        if not _HEX.fullmatch(told[name]):
            raise deed.fault(name, _("64 hexadecimal digits are expected"))
    if not _IMPORT_ID.fullmatch(told["id"]):
        raise deed.fault("id", _("16 hexadecimal digits are expected"))
    answers = {"answers": words} if (words := deed.text("answers")) else {}  # what was asked of who imported it
    return {
        **told, **answers, "kind": deed.word("kind", IMPORTED), "rows": deed.count("rows"),
        "rejected": deed.count("rejected"),
        "start": deed.time("start"), "end": deed.time("end"), "stage": "begun",
    }  # fmt: skip


# verb -> (kind of entry, what makes its data, whether asset and component come from the alert that it names)
RECORDED: Mapping[str, tuple[str, Callable[[Deed], dict[str, Any]], bool]] = {
    "decide": ("decision", decide, True),
    "acknowledge": ("acknowledge", acknowledge, True),
    "shelve": ("shelve", shelve, True),
    "finding": ("finding", finding, False),
    "work_order": ("work_order", work_order, False),
    "failure": ("failure", failure, False),
    "event": ("event", event, False),
    "cost": ("cost", cost, False),
    "confirm_baseline": ("baseline", confirm_baseline, False),
    "sign_audit": ("audit_signed", sign_audit, False),
    "freeze": ("review_freeze", freeze, False),
    "review": ("review", review, False),
    "contest": ("contest", contest, False),
    "probe": ("probe", probe, False),
    "erase": ("erasure", erase, False),
    "export": ("export", export, False),
    "import": ("import", bring_in, False),
}


def draft_of(
    verb: str,
    data: Mapping[str, Any],
    role: str,
    at_us: int,
    settings: Settings,
    place: Callable[[str], tuple[str, str] | None],
) -> Draft:
    """The ledger entry for a deed of `role` at `at_us` (UTC [us]); `place` tells asset and component of a known alert.

    What a person records with a time of its own (`at`) is dated by it, and says that it was brought in afterwards.

    Raises UserError in one line: verb, field, what is expected.
    """
    kind, make, by_alert = RECORDED[verb]
    deed = Deed(verb, data)
    body = make(deed)
    asset, component = deed.text("asset"), deed.text("component")
    if by_alert:
        known = place(body["alert_id"])
        if known is None:
            raise deed.fault(
                "alert_id", _("{alert} is not known; look at the list again").format(alert=clean(body["alert_id"], 60))
            )
        asset, component = known
    elif (asset or kind in OF_AN_ASSET) and asset not in {one.id for one in settings.assets}:
        raise deed.fault("asset", _("{asset} is not configured; see site.toml").format(asset=repr(clean(asset, 40))))
    found = next((one for one in settings.assets if one.id == asset), None)
    for field in MONEY:
        if kind in CORRECTED and body.get(field) and not str(body[field]).endswith(f" {settings.currency}"):
            words = _("{money} is not in {currency}, the currency of the utility")
            raise deed.fault(field, words.format(money=clean(body[field], 40), currency=settings.currency))
    happened_us = deed.time_us("at") if kind in CORRECTED else None
    if happened_us is not None:
        if happened_us > at_us + _AHEAD_US:
            raise deed.fault("at", _("lies ahead; only what was can be recorded"))
        return Draft(kind, body, happened_us, "import", role, found.site if found else None, asset or None,
                     component or None)  # fmt: skip
    if kind == "baseline":
        if found is None or found.kind not in MODELLED:
            raise deed.fault("asset", _("{asset} has no model of ours").format(asset=repr(clean(asset, 40))))
        if parse_utc(body["from"]) > at_us:
            raise deed.fault("from", _("lies ahead; only what was seen can be confirmed as sound"))
    site = found.site if found else None
    return Draft(kind, body, at_us, "screen", role, site, asset or None, component or None)
