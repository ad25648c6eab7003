"""Vendor messages in every encoding, transfer encoding and attachment, damaged, and a judge that reads them literally.

    python -m tests.drills.vendor_encodings [SEED [COUNT]]

`mutated` makes the messages: good ones of every format, damaged as disks, wires, mail servers and liars do it; the same
seed makes the same messages. `judge` reads the same bytes again in the most literal way, by other code than ours,
undoing each encoding in which they may carry text. A message may be refused for any reason; what an alert says must
stand in its bytes.
"""

import base64
import csv
import io
import json
import quopri
import random
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from drivers.errors import AlertError
from drivers.record import Alert
from drivers.source import FeedSpec
from drivers.vendor.file_drop import parse

RECEIVED_US = 1_795_440_000_000_000
NAMES = ("id", "pump", "part", "mode", "level", "issued", "message", "recommended", "due", "state")
OURS = ("alert_id", "asset", "component", "failure_mode", "severity", "issued_at", "text", "action", "horizon_days",
        "active")  # fmt: skip
PUMPS = {"SP-0001": "pump1", "Pumpe Süd": "pump2"}
LEVELS = {"info": "note", "warn": "warning", "urgent": "critical"}
FEED = FeedSpec(
    name="drill", kind="file_drop", vendor="Drill", folder=Path(), format="json",
    fields=dict(zip(OURS, NAMES, strict=True)), assets=PUMPS, severities=LEVELS,
)  # fmt: skip
FORMATS = ("json", "jsonl", "csv", "eml")
ROWS = [
    {"id": "M-1", "pump": "SP-0001", "part": "seal", "mode": "wear", "level": "warn", "issued": "2026-11-20T07:10:00Z",
     "message": "replace seals within 14 days", "recommended": "replace", "due": "14", "state": "open"},
    {"id": "M-2", "pump": "Pumpe Süd", "part": "", "mode": "Lager", "level": "urgent",
     "issued": "2026-11-20T08:10:00+01:00", "message": "Lager prüfen, 71.5 °C", "recommended": "prüfen", "due": "0.5",
     "state": "closed"},
    {"id": "", "pump": "SP-0001", "part": "impeller", "mode": "", "level": "info",
     "issued": "Fri, 20 Nov 2026 08:10:00 +0100", "message": "efficiency 61,2 %", "recommended": "", "due": "",
     "state": "true"},
]  # fmt: skip


@dataclass(frozen=True)
class Mutated:
    """One message as it arrives: `form` and `encoding` are what its feed is configured to."""

    form: str
    encoding: str
    raw: bytes

    def feed(self) -> FeedSpec:
        return replace(FEED, format=self.form, encoding=self.encoding)


def mutated(seed: int | str, count: int) -> Iterator[Mutated]:
    """`count` messages of all formats; one in twenty is whole, so that the drill also takes something in."""
    chance = random.Random(seed)
    for _ in range(count):
        form = chance.choice(FORMATS)
        encoding = chance.choice(("utf-8", "utf-8", "utf-8", "windows-1252", "utf-16")) if form == "csv" else "utf-8"
        raw = _good(chance, form, encoding)
        if chance.random() > 0.05:
            for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
                raw = chance.choice(_DAMAGES)(chance, raw)
        yield Mutated(form, encoding, raw)


def _good(chance: random.Random, form: str, encoding: str) -> bytes:
    rows = chance.sample(ROWS, chance.randint(1, len(ROWS)))
    if form == "json":
        found: Any = [{name: _typed(chance, name, value) for name, value in row.items() if value} for row in rows]
        return json.dumps(found[0] if len(found) == 1 else found, ensure_ascii=chance.random() < 0.5).encode()
    if form == "jsonl":
        return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    if form == "csv":
        return _table(chance, rows).encode("utf-16" if encoding == "utf-16" else encoding)
    return _letter(chance, rows)


def _typed(chance: random.Random, name: str, value: str) -> Any:
    return float(value) if name == "due" and chance.random() < 0.5 else value


def _table(chance: random.Random, rows: list[dict[str, str]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, NAMES, delimiter=chance.choice(",;\t"), lineterminator=chance.choice(("\n", "\r\n")))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _letter(chance: random.Random, rows: list[dict[str, str]]) -> bytes:
    head = b"From: A Person <person@vendor.example>\nSubject: alert\nDate: Fri, 20 Nov 2026 08:10:00 +0100\n"
    if chance.random() < 0.5:
        text = "Dear all,\n\n" + "".join(f"{name}: {value}\n" for name, value in rows[0].items() if value)
        body = (text + "\nKind regards\nA Person\n").encode()
        coding = chance.choice(("8bit", "quoted-printable", "base64"))
        body = {"8bit": body, "quoted-printable": quopri.encodestring(body), "base64": base64.encodebytes(body)}[coding]
        return (
            head + f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {coding}\n\n".encode() + body
        )
    name, raw = chance.choice((("a.json", json.dumps(rows).encode()), ("a.csv", _table(chance, rows).encode())))
    return (
        head + b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="edge"\n\n--edge\n'
        b"Content-Type: text/plain\n\nsee attachment\n\n--edge\n"
        + f'Content-Type: application/octet-stream\nContent-Disposition: attachment; filename="{name}"\n'.encode()
        + b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(raw) + b"--edge--\n"
    )  # fmt: skip


def _at(chance: random.Random, raw: bytes) -> int:
    return chance.randrange(len(raw)) if raw else 0


def _flip(chance: random.Random, raw: bytes) -> bytes:
    at = _at(chance, raw)
    return raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :] if raw else raw


def _put(chance: random.Random, raw: bytes) -> bytes:
    piece = chance.choice(
        [b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"{", b"}", b"[", b",", b";", b"\t", b"\n", b":", b"=", b"\r",
         b"NaN", b"1e400", b"-", b"0", b"9", b"_", b"+", b"\xc3", b"\xe2\x80\xa8", b"\\u0000", b"\\ud800", b"\n\n",
         b"--edge\n", b"PK\x03\x04", b"+49 351 1234567", b"person@vendor.example", "٣".encode(), b"true", b"null",
         "１".encode(), b'"pump": "SP-0001",', b"pump: SP-0002\n", b"id;pump\n", b"/*", b"</script>", b"\x1b[2J"]
    )  # fmt: skip
    at = _at(chance, raw)
    return raw[:at] + piece + raw[at + chance.choice((0, 0, 1, len(piece))) :]


def _cut(chance: random.Random, raw: bytes) -> bytes:
    return raw[: _at(chance, raw)]


def _drop(chance: random.Random, raw: bytes) -> bytes:
    at = _at(chance, raw)
    return raw[:at] + raw[at + chance.choice((1, 1, 2, 10, 80)) :]


def _double(chance: random.Random, raw: bytes) -> bytes:
    at, long = _at(chance, raw), chance.choice((1, 5, 40, 400))
    return raw[: at + long] + raw[at:]


def _swap_lines(chance: random.Random, raw: bytes) -> bytes:
    lines = raw.split(b"\n")
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def _digit(chance: random.Random, raw: bytes) -> bytes:
    places = [at for at, byte in enumerate(raw) if 48 <= byte <= 57]
    if not places:
        return raw
    at = chance.choice(places)
    return raw[:at] + bytes([48 + chance.randrange(10)]) + raw[at + 1 :]


_DAMAGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _flip, _put, _put, _cut, _drop, _double, _swap_lines, _digit,
)  # fmt: skip


def judge(message: Mutated, alert: Alert) -> str:
    """Why an alert does not say what its bytes say; "" if it does."""
    texts = list(_literal(message))
    said = [text for text, _ in texts]
    for name, value in (("asset", alert.asset), ("severity", alert.severity)):
        theirs = [
            own for own, ours in ((PUMPS if name == "asset" else LEVELS) | {value: value}).items() if ours == value
        ]
        if not any(one.casefold() in text.casefold() for one in theirs for text in said):
            return f"{name} {value!r} stands nowhere in the bytes"
    for name in ("alert_id", "component", "failure_mode", "text", "action"):
        value = getattr(alert, name)
        if not value or (name == "alert_id" and "own_id" in alert.extra):
            continue
        pieces = re.split(r"\[e-mail address\]|\[phone number\]", value)
        if not any(all(piece in text for piece in pieces) for text in said):
            return f"{name} {value!r} stands nowhere in the bytes"
    if alert.issued_us is not None and alert.issued_us not in {us for text in said for us in _times(text)}:
        return f"time {alert.issued_us} stands nowhere in the bytes"
    if alert.horizon_days is not None:
        numbers = {
            float(one.replace(",", ".")) for text in said for one in re.findall(r"(?=((?a:\d+(?:[.,]\d+)?)))", text)
        }
        if alert.horizon_days not in numbers:
            return f"{alert.horizon_days} days stand nowhere in the bytes"
    return ""


def _literal(message: Mutated) -> Iterator[tuple[str, str]]:
    """(text, how it was read): the bytes decoded in each way in which their format may carry text."""
    encoding = message.encoding if message.form == "csv" else "utf-8"
    blobs = [(message.raw, encoding)]
    if message.form == "eml":
        plain = message.raw.replace(b"\r", b"")
        blobs.append((quopri.decodestring(plain), "utf-8"))
        blobs.append((re.sub(rb"=[ \t]*\n", b"", plain), "utf-8"))
        for block in re.findall(rb"(?:[A-Za-z0-9+/]+={0,2}\n*)+", plain):
            packed = block.replace(b"\n", b"")
            for start in range(4):
                cut = packed[start:]
                try:
                    blobs.append((base64.b64decode(cut[: len(cut) // 4 * 4]), "utf-8"))
                except ValueError:
                    continue
    for raw, name in blobs:
        text = raw.decode(name, "replace")
        yield text, name
        yield text.replace('""', '"'), "a quoted field"
        if "\\" in text:
            yield _unescaped(text), "a JSON text"


def _unescaped(text: str) -> str:
    """The text with the escapes of JSON undone, one by one."""
    short = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\", '"': '"'}

    def one(found: re.Match[str]) -> str:
        return chr(int(found[1], 16)) if found[1] else short.get(found[2], found[0])

    plain = re.sub(r"\\(?:u([0-9a-fA-F]{4})|(.))", one, text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"


def _times(text: str) -> Iterator[int]:
    """Every point in time that a text can be read to hold, by arithmetic of our own; without a zone it is UTC."""
    for found in re.finditer(
        r"(?a)(?=(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?"
        r"(?: ?(Z|z|[+-]\d\d:?\d\d))?)",
        text,
    ):
        year, month, day, hour, minute, second, part, zone = found.groups()
        for fraction in (part or "", ""):
            for offset in {zone, None}:
                for seconds in {second, None}:
                    for clock in {(hour, minute, seconds), (None, None, None)}:
                        micros = int((fraction + "000000")[:6])
                        yield from _moment(year, month, day, *clock, micros, offset)
    for found in re.finditer(
        r"(?a)(?=(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d)(?::(\d\d))? ([+-]\d{4}|GMT|UTC?|gmt|utc?))", text, re.I
    ):
        day, word, year, hour, minute, second, zone = found.groups()
        at = _MONTHS.find(word.lower())
        if at % 3 == 0:
            yield from _moment(year, str(at // 3 + 1), day, hour, minute, second, 0, zone if zone[0] in "+-" else "Z")


def _moment(
    year: str,
    month: str,
    day: str,
    hour: str | None,
    minute: str | None,
    second: str | None,
    micros: int,
    zone: str | None,
) -> Iterator[int]:
    try:
        at = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), micros, UTC)
    except ValueError:
        return
    if zone and zone not in "Zz":
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        at -= (1 if zone[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes)
    yield (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@dataclass
class Score:
    """What came of a run. Memory in KiB: after the first tenth, and at the end."""

    taken: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    early_kib: int = 0
    late_kib: int = 0


def run(seed: int | str, count: int) -> Score:
    """Feed the messages to the reader; AssertionError with the bytes where one was taken in wrongly."""
    score = Score()
    for number, message in enumerate(mutated(seed, count)):
        start_s = time.perf_counter()
        try:
            alerts = parse(message.raw, message.feed(), RECEIVED_US, "message")
        except AlertError as refusal:
            assert str(refusal).isprintable(), (message, str(refusal))
            alerts = []
            score.refused += 1
        else:
            score.taken += 1
        score.slowest_s = max(score.slowest_s, time.perf_counter() - start_s)
        for alert in alerts:
            why = judge(message, alert)
            assert not why, f"seed {seed}, message {number}: {why}\n{message}\n{alert}"
        if number == count // 10:
            score.early_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    score.late_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return score


if __name__ == "__main__":
    begun = time.monotonic()
    told = run(int(sys.argv[1]) if len(sys.argv) > 1 else 1, int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)
    print(f"taken in {told.taken:,}, refused {told.refused:,}; slowest {told.slowest_s * 1000:.1f} ms; "
          f"memory {told.early_kib:,} -> {told.late_kib:,} KiB; {time.monotonic() - begun:.0f} s")  # fmt: skip
