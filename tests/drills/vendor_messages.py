"""Vendor messages that went wrong on the way, by class, and a judge that reads them plainly beside the real parser.

A message has no checksum: a letter changed inside a text is a text, and nobody can tell. The truth is therefore what a
plain reading of the very bytes says. The parser may always refuse; what it takes must say exactly that, be kept byte
for byte, and raise nothing but AlertError.
"""

import csv
import hashlib
import io
import json
import random
import re
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from drivers.errors import AlertError
from drivers.record import SEVERITIES
from drivers.source import FeedSpec
from drivers.vendor.file_drop import parse

RECEIVED_US = 1_795_440_000_000_000
FEED = FeedSpec(
    name="drop", kind="file_drop", vendor="SmartPump", folder=Path("drop"), format="json",
    fields={
        "alert_id": "id", "asset": "pump", "component": "part", "failure_mode": "mode", "severity": "level",
        "issued_at": "issued", "text": "message", "action": "recommended", "horizon_days": "due_in_days",
    },
    assets={"SP-0001": "pump1", "SP-0002": "pump2"},
    components={"mech. seal": "seal"},
    severities={"info": "note", "warn": "warning", "urgent": "critical"},
)  # fmt: skip
SEVERITY = {one: one for one in SEVERITIES} | dict(FEED.severities)
FORMS = ("json", "jsonl", "csv", "eml")
KINDS = (
    "untouched", "bits", "bytes at random", "bytes lost", "bytes added", "cut short", "piece twice", "two spliced",
    "value of another type", "key twice", "deeply nested", "huge number", "no UTF-8", "control characters",
    "endless text", "line ends", "byte order mark", "time that is none", "nothing", "rubbish",
)  # fmt: skip


def record(rng: random.Random) -> dict:
    """What a vendor says when nothing goes wrong."""
    return {
        "id": f"SP-{rng.randrange(100_000)}", "pump": rng.choice(["SP-0001", "SP-0002"]),
        "part": rng.choice(["mech. seal", "bearing"]), "mode": "wear", "level": rng.choice(list(FEED.severities)),
        "issued": f"2026-11-{rng.randrange(1, 31):02d}T{rng.randrange(24):02d}:10:00Z",
        "message": rng.choice(["replace seals within 14 days", "Lager prüfen", "roulement usé"]),
        "recommended": "replace", "due_in_days": rng.randrange(1, 90),
    }  # fmt: skip


def written(rows: list[dict], form: str) -> bytes:
    """The rows as a file of this form."""
    if form == "json":
        return json.dumps(rows if len(rows) > 1 else rows[0], ensure_ascii=False).encode()
    if form == "jsonl":
        return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode() + b"\n"
    if form == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue().encode()
    body = "\r\n".join(f"{key}: {value}" for key, value in rows[0].items())
    head = (
        "From: service@vendor.example\r\nTo: plant@utility.example\r\nSubject: alert\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    )
    return (
        f"{head}Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}\r\n".encode()
    )


def mutate(kind: str, rng: random.Random, form: str) -> bytes:
    """A message of this form, damaged in this way."""
    rows = [record(rng) for _ in range(1 if form == "eml" else rng.randrange(1, 4))]
    key = rng.choice(list(rows[0]))
    match kind:
        case "value of another type":
            rows[0][key] = rng.choice([None, True, [1], {"a": 1}, 1.5, -1, "", "  ", [], {}])
        case "huge number":
            rows[0][rng.choice(["due_in_days", key])] = rng.choice([10**400, 1e308, -(10**30), 10**9])
        case "endless text":
            rows[0][key] = "x" * rng.choice([9_999, 10_001, 200_000])
        case "control characters":
            rows[0][key] = str(rows[0][key]) + rng.choice(["\x1b[31m", "\x00", "\u202e", "\ud800", "\r\n", "\x07"])
        case "time that is none":
            rows[0]["issued"] = rng.choice(["2026-02-30T00:00:00Z", "yesterday", "0001-01-01T00:00:00+23:59", "9" * 40,
                                            "2026-11-20T07:10:00", "2026-11-20", "2999-01-01T00:00:00Z"])  # fmt: skip
    try:
        raw = written(rows, form)
    except UnicodeEncodeError:
        raw = json.dumps(rows).encode() if form != "jsonl" else json.dumps(rows[0]).encode()
    at = rng.randrange(len(raw))
    match kind:
        case "bits":
            data = bytearray(raw)
            for place in rng.sample(range(8 * len(raw)), rng.randrange(1, 5)):
                data[place // 8] ^= 1 << place % 8
            return bytes(data)
        case "bytes at random":
            data = bytearray(raw)
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            return bytes(data)
        case "bytes lost":
            return raw[:at] + raw[at + rng.randrange(1, 20) :]
        case "bytes added":
            return raw[:at] + rng.randbytes(rng.randrange(1, 20)) + raw[at:]
        case "cut short":
            return raw[:at]
        case "piece twice":
            end = min(len(raw), at + rng.randrange(1, 80))
            return raw[:end] + raw[at:]
        case "two spliced":
            other = written([record(rng)], form)
            return raw[:at] + other[rng.randrange(len(other)) :]
        case "key twice":
            return raw.replace(b'"pump"', b'"' + key.encode() + b'"', 1).replace(b"pump;", key.encode() + b";", 1)
        case "deeply nested":
            deep = rng.choice([50, 5_000, 100_000])
            return b'{"id":' * deep + b"1" + b"}" * deep if rng.random() < 0.5 else b"[" * deep + b"]" * deep
        case "no UTF-8":
            return raw[:at] + rng.choice([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88"]) + raw[at:]
        case "line ends":
            return raw.replace(b"\n", rng.choice([b"\r", b"\r\n", b"\x0b", b"\n\n"])) + b"\n" * rng.randrange(3)
        case "byte order mark":
            return rng.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"]) + raw
        case "nothing":
            return b" \n" * rng.randrange(3)
        case "rubbish":
            return rng.randbytes(rng.randrange(1, 2_000))
    return raw


def readings(raw: bytes, form: str) -> list[list[dict]]:
    """What these bytes can plainly be read as; empty if they are no such message."""
    try:
        text = raw.decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        return []
    try:
        if form == "json":
            found = json.loads(text)
            return [found if isinstance(found, list) else [found]]
        if form == "jsonl":
            return [[json.loads(line) for line in text.splitlines() if line.strip()]]
    except (ValueError, RecursionError):
        return []
    ways = []
    for separator in ",;\t|":
        try:
            lines = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
            ways.append([{(key or "").strip(): value for key, value in row.items()} for row in lines])
        except csv.Error:
            continue
    return ways


def says(alert, row) -> bool:
    """The alert says what the plain row says."""
    if not isinstance(row, dict):
        return False

    def said(key: str) -> str:
        value = row.get(key)
        return "" if value is None else str(value).strip()

    def same(ours: str, theirs: str) -> bool:
        return ours == theirs or re.search(r"@|\d{5}", theirs) is not None  # contacts are scrubbed from free text

    issued = said("issued").replace(",", ".")
    moment = datetime.fromisoformat(issued.upper().replace(" ", "T", 1)) if issued[:4].isdigit() else None
    exact = moment is not None and moment.tzinfo is not None
    days = said("due_in_days").rstrip("d ").replace(",", ".")
    return (
        (alert.alert_id == said("id") if said("id") else alert.alert_id.startswith("SmartPump-"))
        and alert.asset == FEED.assets.get(said("pump"))
        and alert.severity == SEVERITY.get(said("level").casefold())
        and same(alert.text, said("message"))
        and same(alert.action, said("recommended"))
        and same(alert.failure_mode, said("mode"))
        and same(alert.component, FEED.components.get(said("part"), said("part")))
        and (not exact or alert.issued_us == round(moment.timestamp() * 1e6))
        and alert.horizon_days == (float(days) if days else None)
    )


def faults(raw: bytes, form: str, alerts: list) -> list[str]:
    """What is wrong with alerts that were taken from these bytes."""
    digest = hashlib.sha256(raw).hexdigest()
    found = [f"not kept as it came: {one.alert_id}" for one in alerts if (one.raw, one.raw_sha256) != (raw, digest)]
    found += [f"not ours: {one}" for one in alerts if one.asset not in FEED.assets.values()
              or one.severity not in SEVERITIES or one.origin != "vendor"]  # fmt: skip
    if form == "eml":
        words = {word for one in alerts for word in one.text.split() if "[" not in word and "]" not in word}
        text = raw.decode("utf-8", "replace")
        return found + [f"nobody wrote {word!r}" for word in words if word not in text]
    for rows in readings(raw, form):
        by_id = {str(row.get("id")).strip(): row for row in rows if isinstance(row, dict)}
        if all(says(one, by_id.get(one.alert_id)) or any(says(one, row) for row in rows) for one in alerts):
            return found
    return [*found, "not what a plain reading says"]


def run(seed: str, count: int) -> tuple[Counter, Counter, Counter, list]:
    """(messages by class, taken by class, refusals by reason, what was wrong)."""
    rng = random.Random(seed)
    asked, taken, refused, wrong = Counter(), Counter(), Counter(), []
    for number in range(count):
        form, kind = FORMS[number % 4], KINDS[number // 4 % len(KINDS)]
        raw = mutate(kind, rng, form)
        name = f"{form} {kind}"
        asked[name] += 1
        try:
            alerts = parse(raw, replace(FEED, format=form), RECEIVED_US, "m")
        except AlertError as error:
            words = str(error)
            if "\n" in words or len(words) > 1_000 or not words.isprintable():
                wrong.append([name, "a refusal that is not one clean line", words[:300]])
            plain = re.sub(r"'.*'|\".*\"", "'...'", words.removeprefix("m: "))
            refused[re.sub(r"\d[\d,.]*", "N", plain)[:90]] += 1
            continue
        taken[name] += 1
        wrong += [[name, fault, raw[:600].decode("latin-1")] for fault in faults(raw, form, alerts)]
    return asked, taken, refused, wrong
