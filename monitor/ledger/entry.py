"""What an entry is: its kind and the fields that it needs, its canonical bytes (RFC 8785), and how it is read back."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivers.errors import UserError
from monitor.words import parse_utc, utc_text

FORMAT = 1
START = bytes(32)  # prev of the first entry

KINDS: Mapping[str, tuple[str, ...]] = {  # kind -> the fields of `data` without which an entry makes no sense
    "vendor_alert": (
        "alert_id", "vendor", "failure_mode", "severity", "issued_at", "text", "recommended_action", "horizon",
        "raw_sha256", "feed",
    ),
    "own_alert": ("alert_id", "index", "threshold", "text", "active"),
    "decision": ("alert_id", "choice", "reason", "until"),
    "alarm": ("alarm_id", "event", "before", "after"),
    "acknowledge": ("alert_id", "note"),
    "shelve": ("alert_id", "until", "reason"),
    "work_order": ("wo_id", "opened", "action", "trigger"),
    "finding": ("wo_id", "grade", "inspector_party", "blind_to_alert"),
    "failure": ("failure_id", "mode"),
    "event": ("date", "event_kind", "text"),
    "break": ("tag", "text"),  # from here on a tag's number means something else
    "cost": ("planned", "failure"),
    "verdict": ("word", "since", "final", "reason", "vendor_episode", "own_episode"),
    "assessment": ("index", "state", "word"),
    "model": ("sha256", "window_start", "window_end", "data_sha256", "why"),  # learned: from now on it judges
    "baseline": ("from", "reason"),  # a role confirms that the asset is sound from this time on
    "audit": ("audit_id", "word", "checks"),
    "audit_signed": ("audit_id", "note"),
    "review_freeze": ("parameters", "sha256"),
    "review": ("status", "parameters_sha256"),
    "contest": ("vendor", "findings", "sha256"),  # a vendor's reply: the findings that it contests, by entry, and why
    "report": ("report", "files"),
    "probe": ("source", "device", "asked", "file"),
    "restart": ("version",),
    "stop": ("planned",),
    "gap": ("source", "start", "end"),
    "clock_step": ("step",),
    "config": ("sha256",),
    "contract": ("contract_id", "sha256", "terms"),  # as configured from now on; terms None: it was taken out
    "import": ("file", "rows", "kind", "sha256"),
    "export": ("what", "files", "rows", "start", "end"),
    "reading": ("tag", "value", "occurred_at", "recorded_at"),  # what a person took from a gauge, entered afterwards
    "purge": ("files", "first_day", "last_day", "bytes", "rule"),  # raw days of history that left
    "quarantine": ("file", "why", "moved_to"),  # what was damaged and is never read again
    "period": ("sha256", "drill", "start", "end"),
    "erasure": ("entries", "rule"),
    "key": ("public_key", "fingerprint"),  # with which heads are sealed from now on
    "seal": ("entries", "key", "signature"),  # over the entry before it
    "anchor": ("to", "entries", "head"),  # the head was handed to a second party
    "access": ("what", "roles"),  # the security log was read, by two roles together
}  # fmt: skip


CLOCKED = (  # kinds that are always dated by the clock of this machine, never by somebody's word
    "restart", "stop", "config", "review_freeze", "review", "contest", "import", "export", "report",
)  # fmt: skip
SEALING = ("key", "seal")
BACK_US = 3_600_000_000  # an entry that is dated so long before an earlier one tells that the clock was set back


ERASABLE = (  # kinds whose body may hold words of vendors or of people
    "vendor_alert", "decision", "acknowledge", "shelve", "work_order", "finding", "failure", "event", "audit_signed",
    "contest",
)  # fmt: skip


class LedgerError(UserError):
    """The ledger cannot be read as it stands; `handwheel ledger verify` says more."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry to be appended."""

    kind: str
    data: Mapping[str, Any]
    at_us: int
    via: str
    role: str | None = None
    site: str | None = None
    asset: str | None = None
    component: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One entry as it is read back; of an erased one only `n` is left and kind is "erased"."""

    n: int
    kind: str
    at_us: int
    role: str | None
    via: str
    site: str | None
    asset: str | None
    component: str | None
    data: Mapping[str, Any]
    erased: bool = False


def body_of(draft: Draft) -> bytes:
    """The canonical bytes of an entry (RFC 8785). ValueError for an unknown kind, a missing field, NaN or 2**53."""
    import rfc8785

    fields = KINDS.get(draft.kind)
    if fields is None:
        raise ValueError(f"ledger: kind {draft.kind!r} is unknown; known: {', '.join(KINDS)}")
    missing = [name for name in fields if name not in draft.data]
    if missing:
        raise ValueError(f"ledger: a {draft.kind} needs {', '.join(missing)}")
    return rfc8785.dumps(
        {
            "format": FORMAT, "kind": draft.kind, "at": utc_text(draft.at_us), "role": draft.role, "via": draft.via,
            "site": draft.site, "asset": draft.asset, "component": draft.component, "data": dict(draft.data),
        }
    )  # fmt: skip


def record_of(n: int, body: bytes) -> Record:
    """The entry that a body says; LedgerError where it says none."""
    try:
        told = json.loads(body)
        return Record(
            n, told["kind"], parse_utc(told["at"]), told["role"], told["via"], told["site"], told["asset"],
            told["component"], told["data"],
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as fault:
        raise LedgerError(f"ledger entry {n} cannot be read ({fault}); run handwheel ledger verify") from fault


def head_text(digest: bytes) -> str:
    """The first 80 bits as a person copies them from paper: "TBGS-2YVY-D34O-72BO"."""
    letters = base64.b32encode(digest[:10]).decode()
    return "-".join(letters[at : at + 4] for at in range(0, 16, 4))
