"""The bytes of a vendor's message -> records of named fields: JSON, JSON lines, CSV and e-mail.

Everything here is hostile: doubled names, endless headers, nesting, archives, charsets that are none. What is not
clearly one thing is refused, never guessed. Numbers stay the digits that were sent.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from email import message_from_bytes
from email.message import EmailMessage, MIMEPart
from email.policy import EmailPolicy
from typing import Any, Final

from drivers.vendor.personal import without_signature

FORMATS: Final = ("json", "jsonl", "csv", "eml")
HEADER_LIMIT: Final = 4_000  # characters; the standard library takes minutes over a header of a megabyte
PARTS_LIMIT: Final = 50  # of one mail, nested ones included
_ARCHIVES: Final = {b"PK\x03\x04": "a ZIP archive or a spreadsheet", b"PK\x05\x06": "a ZIP archive",
                    b"\x1f\x8b": "a gzip archive", b"7z\xbc\xaf": "a 7z archive", b"Rar!": "a RAR archive",
                    b"%PDF": "a PDF"}  # fmt: skip
_CHARSET: Final = re.compile(r"ascii|utf-8|utf-16|iso8859-\d{1,2}|cp125[0-8]")
_BROKEN_QUOTED: Final = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)")

Fields = Mapping[str, Any]


class Unreadable(Exception):
    """What cannot be understood, in words; the caller says where."""


def records(raw: bytes, form: str, encoding: str) -> list[Fields]:
    """The records in a message of one of FORMATS. Unreadable says what is wrong."""
    for mark, name in _ARCHIVES.items():
        if raw.startswith(mark):
            raise Unreadable(f"is {name}, which is not opened; ask for the message itself")
    if form == "eml":
        return _mail(raw, encoding)
    text = decoded(raw, encoding)
    return {"json": _json, "jsonl": _json_lines, "csv": _csv}[form](text)


def decoded(raw: bytes, encoding: str) -> str:
    """The text of a file in the encoding that its feed says; a file that is plainly in another one is refused."""
    if raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) and encoding != "utf-16":
        raise Unreadable('is UTF-16; write encoding = "utf-16" in its feed')
    if encoding == "utf-16" and raw[:2] not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise Unreadable("is not UTF-16 with a byte order mark, as its feed says; mend encoding in the feed")
    if encoding not in ("utf-8", "utf-16") and not raw.isascii() and _is_utf8(raw):
        raise Unreadable(f"reads as UTF-8, while its feed says {encoding}; mend encoding in the feed")
    try:
        return raw.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        hint = '; a spreadsheet\'s export may need encoding = "windows-1252" in its feed' * (encoding == "utf-8")
        raise Unreadable(f"byte {error.start} (0x{raw[error.start]:02X}) is not {encoding.upper()}{hint}") from None


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _json(text: str) -> list[Fields]:
    found = _loaded(text)
    return _objects(found if isinstance(found, list) else [found])


def _json_lines(text: str) -> list[Fields]:
    return _objects([_loaded(line, n) for n, line in enumerate(text.split("\n"), 1) if line.strip()])


def _csv(text: str) -> list[Fields]:
    """Rows under a header; the separator is the one that the header has most of (comma, semicolon, tab), or the one
    that a first line "sep=;" names, which spreadsheets write."""
    if text.strip() and not text.endswith(("\n", "\r")):
        raise Unreadable("does not end in a line break: half written?")
    named = re.match(r"sep=([,;\t])\r?\n", text)
    if named:
        text = text[named.end() :]
    header = text.partition("\n")[0]
    separator = named[1] if named else max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = [row for row in reader if row]
    except csv.Error as error:
        words = str(error).replace("\t", "tab")
        raise Unreadable(f"line {reader.line_num}: {words}") from None
    names = [name.strip() for name in rows[0]] if rows else []
    if len(set(names)) != len(names):
        raise Unreadable("two columns of the header have the same name")
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(names):
            raise Unreadable(f"row {number} has {len(row)} of {len(names)} columns")
    return [dict(zip(names, row, strict=True)) for row in rows[1:]]


class _MailPolicy(EmailPolicy):
    """The standard policy, but no header of endless length is ever interpreted, in whatever part it stands."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        length = sum(len(line) for line in sourcelines)
        if length > HEADER_LIMIT:
            raise Unreadable(f"has a header of {length:,} characters, at most {HEADER_LIMIT:,} are read")
        return super().header_source_parse(sourcelines)


def _mail(raw: bytes, encoding: str) -> list[Fields]:
    """Records of the attached JSON or CSV files, else one record of the text: its "Name: value" lines.

    Beside those lines a mapping may name "Subject", "Date" and "Body" (the text without greeting, signature and what
    was quoted), and no other header. A name that the text gives twice is a list, which is no value.
    """
    # before the standard library parses: it is slow at nesting and at many parts
    if raw.lower().count(b"boundary") > PARTS_LIMIT:
        raise Unreadable(f"is nested more than {PARTS_LIMIT} times")
    if raw.count(b"\n--") > 20 * PARTS_LIMIT:
        raise Unreadable(f"has more than {PARTS_LIMIT} parts")
    try:
        message = message_from_bytes(raw, policy=_MailPolicy())
    except RecursionError:
        raise Unreadable("is nested without end") from None
    if not isinstance(message, EmailMessage) or not message.keys():
        raise Unreadable("is no e-mail: it has no header")
    parts = [part for _, part in zip(range(PARTS_LIMIT + 1), message.walk(), strict=False)]
    if len(parts) > PARTS_LIMIT:
        raise Unreadable(f"has more than {PARTS_LIMIT} parts")
    found: list[Fields] = []
    for part in parts:
        form = _attached(part)
        if form:
            content = _content(part)
            charset = part.get_content_charset()
            found.extend(records(content, form, _charset(charset) if charset else encoding))
    _undamaged(*parts)
    return found or [_text_record(message)]


def _text_record(message: EmailMessage) -> Fields:
    body = message.get_body(("plain",))
    if body is None:
        raise Unreadable("has neither plain text nor a JSON or CSV attachment; archives and pictures are not opened")
    try:
        text = _content(body).decode(_charset(body.get_content_charset() or "ascii")).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise Unreadable(f"its text cannot be decoded: {error}") from None
    said: dict[str, Any] = {}
    for line in text.split("\n"):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if colon and value:
            said[name] = [said[name], value] if name in said else value
    headers = {name: str(message[name] or "") for name in ("Subject", "Date")}
    return said | headers | {"Body": without_signature(text)}


def _content(part: MIMEPart) -> bytes:
    """The bytes of a part, its transfer encoding undone, if that is not damaged."""
    if str(part.get("Content-Transfer-Encoding", "")).strip().lower() == "quoted-printable":
        coded = part.get_payload()
        if not isinstance(coded, str) or _BROKEN_QUOTED.search(coded.encode("utf-8", "surrogateescape")):
            raise Unreadable("is damaged: an equals sign in quoted-printable text stands for nothing")
    content = part.get_payload(decode=True)
    _undamaged(part)
    return content if isinstance(content, bytes) else b""


def _charset(name: str) -> str:
    """The name of a charset of characters, by which bytes may be decoded; Python knows stranger ones."""
    try:
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        known = ""
    if not _CHARSET.fullmatch(known):
        raise Unreadable(f"its text is in {name[:40]!a}, which is not read here; ask for UTF-8")
    return known


def _attached(part: EmailMessage) -> str:
    """The format of an attachment that may hold alerts, or ""."""
    name, kind = (part.get_filename() or "").casefold(), part.get_content_type()
    if part.is_multipart():
        return ""
    if name.endswith(".jsonl"):
        return "jsonl"
    if name.endswith(".json") or kind == "application/json":
        return "json"
    return "csv" if name.endswith(".csv") or kind == "text/csv" else ""


def _undamaged(*parts: Any) -> None:
    for part in parts:
        if part.defects:
            raise Unreadable(f"is damaged or half written: {type(part.defects[0]).__name__}")


def _loaded(text: str, line: int = 0) -> Any:
    """JSON without the liberties: no double names, no NaN; numbers as the digits that were sent."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise Unreadable("an object has the same name twice")
        return dict(pairs)

    def constant(word: str) -> Any:
        raise Unreadable(f"{word} is not JSON")

    if not text.strip():
        raise Unreadable("is empty")
    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=constant, parse_float=str, parse_int=str)
    except json.JSONDecodeError as error:
        where = f"line {line or error.lineno} column {error.colno}"
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        ending = " (half written?)" if cut else ""
        raise Unreadable(f"is not JSON at {where}{ending}: {error.msg}") from None
    except RecursionError as error:
        raise Unreadable(f"is not JSON that can be read: {error}") from None


def _objects(found: Iterable[Any]) -> list[Fields]:
    objects = list(found)
    for number, record in enumerate(objects, 1):
        if not isinstance(record, dict):
            raise Unreadable(f"record {number} is a {type(record).__name__}, not an object with fields")
    return objects
