"""`handwheel finding | workorder | failure | event | cost`: one record by hand, many from a file, a file to fill in.

A role records, through the daemon where one runs, else under the lock. What was wrong is corrected by a new record that
names the entry it stands for; nothing is edited. A name is asked for nowhere.
"""

import argparse
import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from drivers.errors import UserError
from monitor.daemon.deeds import ACTIONS, EVENTS, GRADES, PARTIES, TRIGGERS, draft_of
from monitor.state import State
from monitor.transfer.bring import add_records, add_template, tell_use
from monitor.transfer.bring import command as bring
from monitor.words import _, clean, local_text, parse_utc, utc_text

if TYPE_CHECKING:
    from monitor.ledger import Ledger, Record
    from monitor.plant import Settings

WHAT = {  # verb -> (verb of the socket, what it is called where it is brought in)
    "finding": ("finding", "findings"),
    "workorder": ("work_order", "work_orders"),
    "failure": ("failure", "failures"),
    "event": ("event", "events"),
    "cost": ("cost", "costs"),
}
_PHOTO_LIMIT = 200_000_000  # bytes
_OPTIONS: Mapping[str, tuple[tuple[str, str, dict[str, Any]], ...]] = {  # verb -> option, field, its argparse
    "finding": (
        ("--wo", "wo_id", {"metavar": "ID", "help": "the work order"}),
        ("--grade", "grade", {"choices": GRADES, "help": "as found: A as new ... D beyond the limit, E failed"}),
        ("--wear", "wear_pct", {"metavar": "PERCENT", "help": "wear in per cent of the agreed limit, 40 or '40 %%'"}),
        ("--measured", "measured_value", {"metavar": "'2.8 mm/s'", "help": "what was measured, with its unit"}),
        ("--limit", "limit", {"metavar": "'7.1 mm/s'", "help": "agreed limit of it, with its unit"}),
        ("--limit-version", "limit_version", {"help": "which version of the limits"}),
        ("--inspector", "inspector_party", {"choices": PARTIES, "help": "who inspected (default: utility)"}),
        ("--blind", "blind_to_alert", {"action": "store_true", "help": "who inspected did not know of the alert"}),
        ("--photo", "photo", {"metavar": "FILE", "type": Path, "help": "its SHA-256 is kept, the file is not"}),
        ("--second-reader", "second_reader_grade", {"choices": GRADES, "help": "grade by a second reader"}),
        ("--cause", "cause", {"help": "why, in words; name no person"}),
    ),
    "workorder": (
        ("--wo", "wo_id", {"metavar": "ID", "help": "number of the work order"}),
        ("--opened", "opened", {"metavar": "TIME", "help": "when it was opened (default: now)"}),
        ("--done", "done", {"metavar": "TIME", "help": "when it was done"}),
        ("--trigger", "trigger", {"choices": TRIGGERS, "help": "what it was done for"}),
        ("--alert", "alert_id", {"metavar": "ID", "help": "alert that called for it; then --trigger is vendor_alert"}),
        ("--action", "action", {"choices": ACTIONS, "help": "what was done"}),
        ("--cost", "planned_cost", {"metavar": "'900 EUR'", "help": "what it costs"}),
        ("--downtime", "downtime", {"metavar": "HOURS", "help": "how long the asset stood still"}),
        ("--run-hours", "run_hours", {"metavar": "HOURS", "help": "counter of run hours then"}),
        ("--party", "party", {"choices": PARTIES, "help": "who did it (default: utility)"}),
    ),
    "failure": (
        ("--id", "failure_id", {"metavar": "ID", "help": "its number (default: made of asset and day)"}),
        ("--mode", "mode", {"help": "how it failed"}),
        ("--cost", "cost", {"metavar": "'4500 EUR'", "help": "what it cost"}),
    ),
    "event": (
        ("--date", "date", {"metavar": "DAY", "help": "day of it, 2026-04-01 (default: today)"}),
        ("--kind", "event_kind", {"choices": EVENTS, "help": "what changed"}),
        ("--text", "text", {"help": "in words"}),
    ),
    "cost": (
        ("--planned", "planned", {"metavar": "'900 EUR'", "help": "a planned replacement"}),
        ("--failure", "failure", {"metavar": "'4500 EUR'", "help": "the same after it failed"}),
        ("--p-fail", "p_fail", {"metavar": "0..1", "help": "share of defects that fail before the next opportunity:"
                                " 0.5, 0,5 or '50 %%'"}),
        ("--source", "source", {"help": "where these figures come from"}),
    ),
}  # fmt: skip
_UNITS = {"wear_pct": "%", "downtime": "h", "run_hours": "h"}  # of a number that names none
_TIMES = ("opened", "done", "at")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb by which the parser is called."""
    verb = parser.prog.split()[-1]
    verbs = parser.add_subparsers(dest="recording_verb", required=True, metavar="add | import | template")
    add = verbs.add_parser("add", help="record one")
    for option, field, more in _OPTIONS[verb]:
        add.add_argument(option, dest=field, default=None, **more)
    add.add_argument("--asset", metavar="ID", help="asset as site.toml names it")
    add.add_argument("--component", metavar="NAME", help="bearing, seal, impeller ...")
    if verb != "event":
        add.add_argument("--at", metavar="TIME", help="when it was, if not now: it is then brought in afterwards")
    change = add.add_mutually_exclusive_group()
    change.add_argument("--corrects", type=int, metavar="N", help="the entry that this stands for; what is not said"
                        " again stays as it is there")  # fmt: skip
    change.add_argument("--withdraw", type=int, metavar="N", help="entry N was none")
    add_records(verbs.add_parser("import", help="bring in many from a CSV: shown first, then asked"))
    template = verbs.add_parser("template", help="print a CSV to be filled in, with the meaning of each column")
    add_template(template, WHAT[verb][1])
    parser.set_defaults(recorded=verb)


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """0 when it is recorded, brought in or printed; see `handwheel import` for the rest."""
    verb, what = WHAT[args.recorded]
    if args.recording_verb in ("import", "template"):
        args.what = what if args.recording_verb == "import" else "template"
        return bring(args, settings, state)
    told, odd = _add(args, verb, settings, state)
    print(_("entry {n}: {kind} recorded").format(n=int(told["n"]), kind=verb))
    for words in odd:
        print(f"!! {words}")
    if verb == "cost":
        tell_use(settings, state, int(told["n"]))
    return 0


def _add(
    args: argparse.Namespace, verb: str, settings: "Settings", state: State
) -> tuple[Mapping[str, Any], list[str]]:  # fmt: skip
    """Record one deed; returns the daemon's answer, or that of the ledger under the lock, and what is odd in it."""
    from monitor.ledger.correcting import prove
    from monitor.ledger.through import through_daemon
    from monitor.transfer.suspicion import Suspicion

    now_us = time.time_ns() // 1000
    data = _deed(args, verb, settings, state, now_us)

    def here(ledger: "Ledger", role: str) -> Mapping[str, Any]:
        draft = draft_of(verb, data, role, now_us, settings, lambda _alert: None)
        prove(state, draft)
        (made,) = ledger.append_many([draft if draft.via == "import" else replace(draft, via="command")])
        return {"n": made.n}

    draft = draft_of(verb, data, "", now_us, settings, lambda _alert: None)  # what is wrong is said before it is asked
    odd = [words for _name, words in Suspicion(WHAT[args.recorded][1], settings, state).odd(draft)]
    withdrawn = draft.data.get("withdrawn") is True
    return through_daemon(state, settings, verb, data, here), [] if withdrawn else odd


def _deed(args: argparse.Namespace, verb: str, settings: "Settings", state: State, now_us: int) -> dict[str, Any]:
    """The data of the deed: what was said, over what the corrected entry says, over what goes without saying."""
    n = args.corrects if args.corrects is not None else args.withdraw
    data: dict[str, Any] = {}
    if n is not None:
        data = _of_entry(state, verb, n)
    said = {field: getattr(args, field) for _option, field, _more in _OPTIONS[args.recorded]}
    said |= {field: getattr(args, field, None) for field in ("asset", "component", "at")}
    if photo := said.pop("photo", None):
        said["photo_sha256"] = _sha256(photo)
    said = {field: value for field, value in said.items() if value is not None}
    if "p_fail" in said:
        said["p_fail"] = _share("--p-fail", said["p_fail"])
    for field, value in said.items():
        data[field] = _moment(field, value, settings) if field in _TIMES else _quantity(field, value, settings)
    if n is not None:
        return data | {"corrects": n} | ({"withdrawn": True} if args.withdraw is not None else {})
    return _unsaid(verb, data, settings, now_us) | data


def _unsaid(verb: str, data: Mapping[str, Any], settings: "Settings", now_us: int) -> dict[str, Any]:
    if verb == "finding":
        return {"inspector_party": "utility", "blind_to_alert": False}
    if verb == "work_order":
        trigger = {"trigger": "vendor_alert"} if data.get("alert_id") else {}
        return {"opened": data.get("done") or utc_text(now_us), **trigger}
    today = local_text(now_us, ZoneInfo(settings.time_zone), "%Y-%m-%d")[:10]
    if verb == "failure":
        day = today
        if at := data.get("at"):
            day = local_text(parse_utc(str(at)), ZoneInfo(settings.time_zone), "%Y-%m-%d")[:10]
        return {"failure_id": "-".join(filter(None, ("F", data.get("asset"), data.get("component"), day)))}
    return {"date": today} if verb == "event" else {}


def _of_entry(state: State, verb: str, n: int) -> dict[str, Any]:
    """What entry `n` says, to be said again. Raises UserError where it is none of this kind."""
    from monitor.ledger import entries
    from monitor.transfer.own import PROVENANCE

    found: Record | None = None
    if n > 0 and state.ledger.is_file():
        found = next((one for one in entries(state, [verb], after_n=n - 1) if one.n == n), None)
    if found is None:
        raise UserError(_("{kind}: entry {n} is none; see handwheel ledger show --kind {kind}").format(kind=verb, n=n))
    kept = {name: value for name, value in found.data.items() if name not in (*PROVENANCE, "corrects", "withdrawn")}
    place = {"asset": found.asset, "component": found.component, "at": utc_text(found.at_us)}
    if verb == "event" or (verb == "work_order" and found.via != "import"):
        place.pop("at")
    return {**kept, **{name: value for name, value in place.items() if value}}


def _moment(field: str, text: str, settings: "Settings") -> str:
    """A time as UTC text; one without a zone is local time of the plant."""
    from monitor.transfer.times import moment_us

    return utc_text(moment_us(f"--{field}", text, ZoneInfo(settings.time_zone)))


def _quantity(field: str, value: Any, settings: "Settings") -> Any:
    """A bare number gets the unit that goes without saying; all else stays as it was said."""
    money = field in ("planned_cost", "cost", "planned", "failure")
    unit = settings.currency if money else _UNITS.get(field)
    if unit is None or not isinstance(value, str):
        return value
    number = value.removesuffix(unit).strip()
    return f"{number} {unit}" if number.replace(".", "", 1).isdecimal() else value


def _share(option: str, text: str) -> float:
    """A share as people write it: 0.5, 0,5 or 50 %. Raises UserError."""
    number = text.strip().removesuffix("%").strip().replace(",", ".")
    try:
        return float(number) / (100 if "%" in text else 1)
    except ValueError:
        words = _("{option} {text}: a share from 0 to 1 is expected, for example 0.5 or 50 %")
        raise UserError(words.format(option=option, text=repr(clean(text, 40)))) from None


def _sha256(photo: Path) -> str:
    try:
        if not photo.is_file() or photo.stat().st_size > _PHOTO_LIMIT:
            raise UserError(f"--photo {clean(photo)}: is no file of at most 200 MB")
        with photo.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as fault:
        raise UserError(f"--photo {clean(photo)}: cannot be read ({fault.strerror})") from fault
