"""What stands in the files that we give out: every file, column, unit and meaning, for SCHEMA and docs/history.md.

The names come from the program's own definitions (the Parquet columns, the kinds of the ledger); a test finds one that
has no words here.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from drivers.record import Reason, quality_of
from monitor.historian.parquet import FIELDS
from monitor.ledger import ERASABLE, KINDS
from monitor.transfer.columns import RECORDS, STORED
from monitor.transfer.entries import HEAD
from monitor.transfer.values import BUCKETS, Columns

PARQUET: Mapping[str, tuple[str, str]] = {  # column of history -> (unit, meaning); the site is the name of the folder
    "asset": ("", "asset that the tag belongs to"),
    "tag": ("", "measured point"),
    "source_ms": ("ms since 1970, UTC", "when the device says that it was measured; null: it gave no time or the same"),
    "receive_ms": ("ms since 1970, UTC", "when it was received; of imported and manual rows the time of their origin"),
    "value": ("see handwheel.tags", "as decoded; null: no number. handwheel.tags in the file's metadata has the unit"),
    "exact": ("", "a text, or an integer beyond 2**53 with all its digits"),
    "quality": ("", "0 good, 1 uncertain, 2 bad"),
    "reasons": ("bit set", "why it has its quality; the bits are under `reasons`"),
    "detail": ("", "more in words"),
}
TAGS: Mapping[str, tuple[str, str]] = {
    "tag": ("", "measured point"),
    "site": ("", "site"),
    "asset": ("", "asset"),
    "quantity": ("", "what is measured"),
    "unit": ("", "unit of its values; 1 where it has none"),
    "low": ("as in unit", "hard limit of the sensor: below it a value is bad"),
    "high": ("as in unit", "hard limit of the sensor: above it a value is bad"),
    "estimated": ("", "1: computed inside the device, never independent evidence"),
    "description": ("", "in words"),
}
CHAIN: Mapping[str, tuple[str, str]] = {
    "n": ("", "number of the entry, from 1 without a gap"),
    "digest": ("hex", "SHA-256 of salt followed by body"),
    "prev": ("hex", "hash of the entry before it; 64 zeros before the first"),
    "hash": ("hex", "SHA-256 of prev followed by digest, both as bytes"),
    "salt": ("hex", "random bytes before the body; null where it was erased under a rule"),
    "body": ("", "the entry as canonical JSON (RFC 8785), a text; null where it was erased under a rule"),
}
ENTRY: Mapping[str, str] = {  # field of an entry's data -> what it means
    "action": "what was done or is to be done", "active": "false: the claim was taken back",
    "after": "state of the alarm afterwards", "alarm_id": "alarm", "alert_id": "alert that it is about",
    "asked": "what the device was asked", "audit_id": "audit", "before": "state of the alarm before",
    "blind_to_alert": "true: who inspected did not know of the alert", "bytes": "size [B]",
    "checks": "results of the single checks", "choice": "follow, defer, reject or inspect_first",
    "contract_id": "contract", "data_sha256": "SHA-256 of the rows that were learned",
    "date": "day", "device": "device on the line", "drill": "true: an exercise",
    "end": "end", "entries": "number of entries, or their numbers", "event": "what happened to the alarm",
    "event_kind": "what kind of event", "failure": "what a failure costs", "failure_id": "failure",
    "failure_mode": "how it fails or failed", "feed": "feed by which the message came", "file": "name of the file",
    "files": "names of files, with their SHA-256 where known", "final": "false: provisional",
    "findings": "findings, by the number of their entry, with the reason of each",
    "fingerprint": "of the public key", "first_day": "first day (UTC)", "grade": "A as new ... E failed, as found",
    "head": "first 80 bits of the hash of that entry, as printed", "horizon": "by when, as claimed",
    "index": "health index", "inspector_party": "who inspected: utility, vendor or third", "issued_at": "when issued",
    "key": "fingerprint of the key", "kind": "what was brought in", "last_day": "last day (UTC)",
    "mode": "how it failed",
    "moved_to": "where it lies now", "note": "note", "occurred_at": "when it was read", "opened": "when it was opened",
    "own_episode": "own alerts that belong together", "parameters": "parameters of the review",
    "parameters_sha256": "SHA-256 of the parameters", "planned": "planned stop, or what planned work costs",
    "public_key": "public key", "raw_sha256": "SHA-256 of the kept message, which is its name in messages/",
    "reason": "why", "recommended_action": "what the vendor asks for", "recorded_at": "when it was entered",
    "report": "which report", "roles": "which roles", "rows": "number of rows", "rule": "rule by which it was done",
    "severity": "note, warning or critical", "sha256": "SHA-256 of what it is about", "signature": "signature (base64)",
    "since": "since when", "source": "source", "start": "begin", "state": "state of the asset", "status": "status",
    "step": "by how much the clock was set", "tag": "measured point", "terms": "terms of the contract", "text": "words",
    "threshold": "threshold", "to": "to whom", "trigger": "what it was done for", "until": "until when",
    "window_end": "end of the time that was learned",
    "window_start": "begin of the time that was learned",
    "from": "from when on",
    "value": "value with its unit", "vendor": "vendor", "vendor_episode": "vendor's alerts that belong together",
    "version": "version of the program", "what": "what", "why": "why", "wo_id": "work order",
    "word": "the result in one word",
}  # fmt: skip
PROVENANCE_TOLD: Mapping[str, str] = {  # what an entry that was brought in says of where it comes from
    "import": "import that brought it in: the id in the entries of kind import, which name file, mapping and role",
    "line": "line of that file",
    "file_sha256": "SHA-256 of that file",
}
FILES: Mapping[str, str] = {  # pattern -> what it is
    "README.txt": "how to read all this",
    "SCHEMA.json": "this file",
    "MANIFEST.sha256": "SHA-256 of each other file; sha256sum -c MANIFEST.sha256 verifies",
    "tags.csv": "all tags there are or were",
    "history/site=S/date=D/part-*.parquet": "raw samples of a site and UTC day, sorted by tag and time (Parquet, zstd)",
    "history_newest/site=S/date=D/part-*.parquet": "the same: the newest samples, which were not in history yet",
    "rollups/hourly.parquet": "hourly values of up to 400 days, also of days whose raw samples were purged",
    "ledger/chain.jsonl": "the ledger, an entry per line with its digest and hash, to be verified with any tool",
    "ledger/ledger.sqlite": "the same as the program keeps it: chain of digests (SQLite 3)",
    "ledger/bodies.sqlite": "the same: bodies, salts and kept messages (SQLite 3)",
    "records/KIND.csv": "entries of one kind as a table (CSV, RFC 4180, UTF-8)",
    "records/KIND.jsonl": "the same, one JSON object per line",
    "records/alarms.jsonl": "the list of alarms as it stands",
    "records/assessments.jsonl": "what our own models say of each asset now",
    "records/verdicts.jsonl": "verdicts as they stand",
    "messages/SHA256": "vendors' messages, byte for byte, under the SHA-256 that the entries name",
    "register/answers.csv": "answers of the sovereignty register",
    "config/...": "configuration without secrets",
    "reports/...": "reports as they were written",
    "models/...": "our own fitted models: a card (JSON) and the numbers (npz) per asset; ASSET/DIGEST: each there was",
    "journal/...": "periods run by hand, as the fallback wrote them",
    "periods/SHA256.jsonl": "journals as they were taken in, under the SHA-256 that the entries name",
    "probes/...": "what devices answered when they were probed",
}


def schema() -> dict[str, Any]:
    """SCHEMA.json."""
    history = {field.name: _told(field.type, *PARQUET[field.name]) for field in FIELDS}
    reasons = {str(one.value): {"word": one.words[0], "quality": quality_of(one).name.lower()} for one in Reason if one}
    return {
        "format": 1,
        "files": dict(FILES),
        "columns": {
            "tags.csv": {name: _told(pa.string(), *words) for name, words in TAGS.items()},
            "history": history,
            "rollups/hourly.parquet": _columns(BUCKETS),
            "ledger/chain.jsonl": {name: _told(pa.string(), *words) for name, words in CHAIN.items()},
            "records": {
                "each": dict(HEAD),
                "kinds": {
                    kind: {
                        "fields": {name: ENTRY[name] for name in fields},
                        "more": _more(kind),
                        "erasable": kind in ERASABLE,
                    }
                    for kind, fields in KINDS.items()
                },
            },
        },
        "reasons": reasons,
    }


def _more(kind: str) -> dict[str, str]:
    """The fields that an entry of a kind of record may have beside those that it must have, with their meaning."""
    of = next((one for one in RECORDS.values() if one.kind == kind), None)
    if of is None:
        return {}
    head = {"asset", "component", "role", "entered", "occurred", *KINDS[kind]}
    told = {STORED.get(one.name, one.name): one.meaning for one in of.columns}
    return {**{name: words for name, words in told.items() if name not in head}, **PROVENANCE_TOLD}


def _columns(columns: Columns) -> dict[str, dict[str, str]]:
    return {name: _told(kind, unit, words) for name, (kind, unit, words) in columns.items()}


def _told(kind: pa.DataType, unit: str, words: str) -> dict[str, str]:
    return {"type": str(kind), "unit": unit, "meaning": words}
