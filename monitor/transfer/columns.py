"""The columns of each kind of record that people bring in: one table for import, template, export and documentation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from drivers.record import SEVERITIES
from monitor.daemon.deeds import ACTIONS, EVENTS, GRADES, PARTIES, TRIGGERS
from monitor.plant import CHOICES, ROLES

TIMES, MONEY, FLAG, COUNT = "time", "money", "true or false", "number"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading, which is the field's name, and how a cell of it is to be read."""

    name: str
    form: str  # text, time, day, money, quantity (number and unit), %, h, d, share, number, true or false, json, word
    meaning: str
    examples: tuple[str, str] = ("", "")
    needed: bool = False
    words: tuple[str, ...] = ()  # of a word

    @property
    def unit(self) -> str:
        """The unit of a cell that names none; "" where it must name one, or has none. Money: the utility's currency."""
        return self.form if self.form in ("%", "h", "d") else ""

    @property
    def is_quantity(self) -> bool:
        """Whether a cell is a number with its unit."""
        return self.form in ("quantity", MONEY, "%", "h", "d")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One kind of record."""

    kind: str  # of the ledger's entries
    name: str  # column that tells one from the other for whoever reads a fault
    at: tuple[str, ...]  # columns that date the entry: the first that is given
    columns: tuple[Column, ...]

    @property
    def fields(self) -> Mapping[str, bool]:
        """Column -> whether it is needed."""
        return {one.name: one.needed for one in self.columns}

    def column(self, name: str) -> Column:
        """The column of this name."""
        return next(one for one in self.columns if one.name == name)


def _word(name: str, words: tuple[str, ...], meaning: str, examples: tuple[str, str], *, needed: bool) -> Column:
    return Column(name, "word", f"{meaning}: {', '.join(words)}", examples, needed, words)


_ASSET = Column("asset", "text", "asset as site.toml names it", ("{asset}", "{asset}"), True)
_ANY_ASSET = Column("asset", "text", "asset as site.toml names it; empty: all", ("{asset}", ""))
_PART = Column("component", "text", "component of the asset: bearing, seal, impeller", ("{component}", "{component}"))
_ENTERED = Column("entered", TIMES, "when it was entered in the program it comes from; empty: as the row is dated")
_CORRECTION = (
    Column("corrects", COUNT, "number of the ledger's entry for which this row stands; empty: it is a new one"),
    Column("withdrawn", FLAG, "true: the entry named in corrects was none"),
)
_VENDOR_ALERTS = (
    Column("alert_id", "text", "number of the alert, the vendor's own", ("EXAMPLE-1", "EXAMPLE-2"), True),
    _ASSET, _PART,
    Column("issued", TIMES, "when the vendor issued it", ("2026-02-27T06:00Z", "2026-05-11T09:30Z"), True),
    Column("received", TIMES, "when it was received", ("2026-02-27T06:02Z", "2026-05-11T09:31Z")),
    Column("vendor", "text", "who said it", ("SmartPump", "SmartPump"), True),
    Column("failure_mode", "text", "how it fails, as claimed", ("wear", "wear")),
    _word("severity", SEVERITIES, "how severe", ("warning", "critical"), needed=True),
    Column("text", "text", "what it says; name no person", ("replace the seal", "replace the seal")),
    Column("recommended_action", "text", "what it asks for", ("replace", "replace")),
    Column("horizon", "d", "within how many days", ("30 d", "14 d")),
    Column("active", FLAG, "false: the vendor takes the claim back; empty: true"),
    Column("simulated", FLAG, "true: no real vendor said it"),
    Column("issued_basis", "text", "what is known of the time of issue"),
    Column("late_by", "text", "so far its own time is from that at which it was taken in"),
    _ENTERED,
)  # fmt: skip
_OWN_ALERTS = (
    Column("alert_id", "text", "number of the alert", ("EXAMPLE-1", "EXAMPLE-1"), True),
    _ASSET, _PART,
    Column("occurred", TIMES, "when it was raised, or ended", ("2026-02-27T06:00Z", "2026-03-04T09:30Z"), True),
    Column("index", COUNT, "health index then", ("41.5", "97"), True),
    Column("threshold", COUNT, "threshold of the index", ("50", "50"), True),
    Column("text", "text", "in words", ("seal: flow low", "seal: back to normal")),
    Column("active", FLAG, "false: it ended", ("true", "false"), True),
    Column("model_sha256", "text", "SHA-256 of the model that judged"),
    Column("top", "json", "what contributed most, as JSON"),
)  # fmt: skip
_DECISIONS = (
    Column("alert_id", "text", "number of the alert that it is about", ("EXAMPLE-1", "EXAMPLE-2"), True),
    _ASSET, _PART,
    Column("occurred", TIMES, "when it was decided", ("2026-02-28T07:00Z", "2026-05-12T07:00Z"), True),
    _word("choice", CHOICES, "what was decided", ("follow", "defer"), needed=True),
    _word("role", ROLES, "which role decided; never a person's name", ("operator", "shift_lead"), needed=True),
    Column("reason", "text", "why; needed for defer and reject; name no person", ("next visit", "standby is out")),
    Column("until", TIMES, "until when; needed for defer", ("", "2026-06-12T07:00Z")),
    Column("randomised", FLAG, "true: it was decided by lot"),
    Column("deferral_prob", "share", "probability of the lot, 0 to 1"),
)  # fmt: skip
_WORK_ORDERS = (
    Column("wo_id", "text", "number of the work order", ("EXAMPLE-1", "EXAMPLE-2"), True),
    _ASSET, _PART,
    Column("opened", TIMES, "when it was opened", ("2026-03-02T08:00Z", "2026-05-11T10:00Z"), True),
    Column("done", TIMES, "when it was done; empty: open still", ("2026-03-04T14:00Z", "2026-05-13T09:00Z")),
    _word("trigger", TRIGGERS, "what it was done for", ("vendor_alert", "schedule"), needed=True),
    Column("alert_id", "text", "alert that called for it", ("EXAMPLE-1", "")),
    _word("action", ACTIONS, "what was done", ("replace", "service"), needed=True),
    Column("planned_cost", MONEY, "what it costs, in the utility's currency", ("900.00", "240.00")),
    Column("downtime", "h", "how long the asset stood still", ("4.5 h", "2 h")),
    Column("run_hours", "h", "counter of run hours then", ("18250 h", "19720 h")),
    _word("party", PARTIES, "who did it; empty: utility", ("utility", "vendor"), needed=False),
    _ENTERED, *_CORRECTION,
)  # fmt: skip
_FINDINGS = (
    Column("wo_id", "text", "number of the work order it was found at", ("EXAMPLE-1", "EXAMPLE-2"), True),
    _ASSET, _PART,
    Column("occurred", TIMES, "when it was inspected", ("2026-03-04T13:00Z", "2026-05-13T08:30Z"), True),
    _word("grade", GRADES, "as found, A as new, C serviceable, D beyond the limit, E failed", ("B", "D"), needed=True),
    Column("wear_pct", "%", "wear in per cent of the agreed limit, 100 at the limit", ("40 %", "105 %")),
    Column("measured_value", "quantity", "what was measured, with its unit", ("2.8 mm/s", "7.5 mm/s")),
    Column("limit", "quantity", "agreed limit of it, with its unit", ("7.1 mm/s", "7.1 mm/s")),
    Column("limit_version", "text", "which version of the limits"),
    Column("cause", "text", "why, also damage by previous work; name no person", ("", "dry running")),
    _word("inspector_party", PARTIES, "who inspected", ("utility", "third"), needed=True),
    Column("blind_to_alert", FLAG, "true: who inspected did not know of the alert", ("false", "true"), True),
    Column("photo_sha256", "text", "SHA-256 of the photo, 64 hexadecimal digits"),
    Column("second_reader_grade", "word", f"grade by a second reader: {', '.join(GRADES)}", ("", "D"), False, GRADES),
    *_CORRECTION,
)  # fmt: skip
_FAILURES = (
    Column("failure_id", "text", "number of the failure", ("EXAMPLE-1", "EXAMPLE-2"), True),
    _ASSET, _PART,
    Column("occurred", TIMES, "when it failed", ("2026-04-02T03:12Z", "2026-07-19T22:40Z"), True),
    Column("mode", "text", "how it failed", ("leak", "seized"), True),
    Column("cost", MONEY, "what it cost, in the utility's currency", ("4500.00", "")),
    *_CORRECTION,
)  # fmt: skip
_EVENTS = (
    Column("date", "day", "day of it", ("2026-01-15", "2026-04-01"), True),
    _word("event_kind", EVENTS, "what changed", ("firmware", "price"), needed=True),
    Column("text", "text", "in words", ("firmware 4.2 on all pumps", "price list 2026"), True),
    _ANY_ASSET, replace(_PART, examples=("", "")), _ENTERED, *_CORRECTION,
)  # fmt: skip
_COSTS = (
    _ANY_ASSET,
    Column("component", "text", "component that is replaced", ("{component}", "{component}"), True),
    Column("occurred", TIMES, "from when on", ("2026-01-01", "2026-01-01"), True),
    Column("planned", MONEY, "a planned replacement, in the utility's currency", ("900.00", "1150.00"), True),
    Column("failure", MONEY, "the same after it failed", ("4500.00", "6000.00"), True),
    Column("p_fail", "share", "share of defects that fail before the next opportunity, 0 to 1", ("0.5", "")),
    Column("source", "text", "where these figures come from", ("framework contract 2026", "invoices 2025"), True),
    *_CORRECTION,
)  # fmt: skip

RECORDS: Mapping[str, Recorded] = {  # what is imported, exported and has a template
    "findings": Recorded("finding", "wo_id", ("occurred",), _FINDINGS),
    "work_orders": Recorded("work_order", "wo_id", ("entered", "opened"), _WORK_ORDERS),
    "alerts": Recorded("vendor_alert", "alert_id", ("entered", "received", "issued"), _VENDOR_ALERTS),
    "own_alerts": Recorded("own_alert", "alert_id", ("occurred",), _OWN_ALERTS),
    "decisions": Recorded("decision", "alert_id", ("occurred",), _DECISIONS),
    "failures": Recorded("failure", "failure_id", ("occurred",), _FAILURES),
    "events": Recorded("event", "text", ("entered", "date"), _EVENTS),
    "costs": Recorded("cost", "component", ("occurred",), _COSTS),
}
STORED: Mapping[str, str] = {"issued": "issued_at", "received": "received_at"}  # column -> field of the entry
