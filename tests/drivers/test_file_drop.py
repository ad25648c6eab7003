"""Vendor files: what they say is taken in whole, or refused in one line that names the place and the remedy."""

import base64
import json
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import AlertError
from drivers.source import FeedSpec
from drivers.vendor.file_drop import LIMIT_BYTES, parse

GOLDEN = (Path(__file__).parents[1] / "golden" / "vendor_message.json").read_bytes()
RECEIVED_US = 1_763_000_000_000_000
FEED = FeedSpec(  # tests/golden/config/sources/vendor.toml
    name="smartpump_mail",
    kind="file_drop",
    vendor="SmartPump",
    folder=Path("drop/smartpump"),
    format="json",
    fields={
        "alert_id": "id", "asset": "pump", "component": "part", "failure_mode": "mode", "severity": "level",
        "issued_at": "issued", "text": "message", "action": "recommended", "horizon_days": "due_in_days",
    },
    assets={"SP-0001": "pump1", "Pumpe Süd": "pump2"},
    components={"mech. seal": "seal"},
    severities={"info": "note", "warn": "warning", "urgent": "critical"},
)  # fmt: skip
RECORD = json.loads(GOLDEN)


def take(raw, feed=FEED, file="a.json", **changes):
    return parse(raw, replace(feed, **changes), RECEIVED_US, file)


def record(**changes):
    return {name: value for name, value in (RECORD | changes).items() if value is not None}


def refused(raw, said, **changes):
    with pytest.raises(AlertError) as caught:
        take(raw, **changes)
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert message.isprintable()


def test_the_golden_message_is_the_golden_alert():
    (alert,) = take(GOLDEN)
    assert (alert.alert_id, alert.origin, alert.vendor, alert.feed) == (
        "SP-2026-0042", "vendor", "SmartPump", "smartpump_mail",
    )  # fmt: skip
    assert (alert.asset, alert.component, alert.failure_mode, alert.severity) == ("pump1", "seal", "wear", "warning")
    assert (alert.text, alert.action, alert.horizon_days) == ("replace seals within 14 days", "replace", 14.0)
    assert (alert.issued_us, alert.received_us) == (1_795_158_600_000_000, RECEIVED_US)
    assert alert.raw == GOLDEN
    assert alert.raw_sha256 == "bee9672f5566e1a0c89b0cfb95b04b01acc9ae4cf73885cdaa7998dc7b251371"
    assert alert.active


def test_json_lines_and_a_list_give_the_same_alerts():
    rows = [record(id=f"A{n}") for n in range(3)]
    lines = "\n".join(json.dumps(row) for row in rows).encode() + b"\n\n"
    assert [one.alert_id for one in take(lines, format="jsonl")] == ["A0", "A1", "A2"]
    assert [one.alert_id for one in take(json.dumps(rows).encode())] == ["A0", "A1", "A2"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_finds_its_separator_in_the_header(separator):
    header = separator.join(RECORD)
    row = separator.join(str(value) for value in record(message=f'"replace{separator} now"', due_in_days="14").values())
    (alert,) = take(f"\ufeff{header}\r\n{row}\r\n".encode(), format="csv")
    assert (alert.text, alert.horizon_days) == (f"replace{separator} now", 14.0)


def mail(text, *attachments, **headers):
    message = EmailMessage()
    message["From"] = "A Person <person@vendor.example>"
    message["Subject"] = headers.get("subject", "Pump SP-0001")
    message["Date"] = "Fri, 20 Nov 2026 08:10:00 +0100"
    if text is not None:
        message.set_content(text, charset="iso-8859-1")
    for name, kind, raw in attachments:
        message.add_attachment(raw, maintype="application", subtype=kind, filename=name)
    return bytes(message)


def test_a_mail_is_read_by_its_lines_and_names_nobody():
    fields = FEED.fields | {"issued_at": "Date", "text": "Subject"}
    text = "Dear team,\n\nid: M-7\npump: Pumpe Süd\nlevel: urgent\ncontact: A Person\n\nA Person, Vendor\n"
    (alert,) = take(mail(text), format="eml", fields=fields)
    assert (alert.alert_id, alert.asset, alert.severity, alert.text) == ("M-7", "pump2", "critical", "Pump SP-0001")
    assert alert.issued_us == 1_795_158_600_000_000
    assert "Person" not in repr(replace(alert, raw=b""))
    assert b"A Person" in alert.raw


@pytest.mark.parametrize(
    ("name", "kind", "raw"),
    [
        ("alert.json", "json", GOLDEN),
        ("alerts.jsonl", "octet-stream", GOLDEN),
        ("alerts.csv", "octet-stream", b"id;pump;level;message\nSP-2026-0042;SP-0001;warn;replace\n"),
    ],
)
def test_an_attachment_is_read_instead_of_the_text(name, kind, raw):
    (alert,) = take(mail("see attachment", (name, kind, raw)), format="eml")
    assert (alert.alert_id, alert.asset) == ("SP-2026-0042", "pump1")


def test_a_time_without_a_zone_is_in_the_zone_of_the_feed():
    raw = json.dumps(record(issued="2026-07-20T09:10:00")).encode()
    assert take(raw, time_zone="Europe/Berlin")[0].issued_us == take(raw)[0].issued_us - 7_200_000_000


def test_nested_fields_are_reached_by_their_path():
    raw = json.dumps({"data": {"pump": "SP-0001", "level": "warn"}, "message": "x"}).encode()
    fields = {"asset": "data.pump", "severity": "data.level", "text": "message"}
    assert take(raw, fields=fields)[0].asset == "pump1"


def test_an_alert_without_an_id_has_one_made_from_its_content():
    first, again = (take(json.dumps(record(id=None)).encode())[0].alert_id for _ in range(2))
    other = take(json.dumps(record(id=None, message="other")).encode())[0].alert_id
    assert first == again != other
    assert first.startswith("SmartPump-")


def test_a_claim_without_an_id_is_the_same_whenever_it_is_said_and_by_whatever_way():
    claim = take(one(id=None))[0]
    later = take(one(id=None, issued="2026-12-01T00:00:00Z"))[0]
    row = {name: str(value) for name, value in record(id=None).items()}
    table = ";".join(row) + "\n" + ";".join(row.values()) + "\n"
    by_mail = take(mail("x", ("a.csv", "octet-stream", table.encode())), format="eml", name="other_feed")[0]
    assert claim.alert_id == later.alert_id == by_mail.alert_id
    assert claim.issued_us != later.issued_us
    twice = json.dumps([record(id=None), record(id=None, issued="2026-12-01T00:00:00Z")]).encode()
    assert [alert.issued_us for alert in take(twice)] == [claim.issued_us]


@pytest.mark.parametrize(("sent", "active"), [(False, False), ("cleared", False), (True, True), ("Open", True)])
def test_a_claim_may_be_taken_back(sent, active):
    raw = json.dumps(record(state=sent)).encode()
    assert take(raw, fields=FEED.fields | {"active": "state"})[0].active is active


def test_hostile_text_is_kept_as_sent():
    (alert,) = take(json.dumps(record(message="\x1b[2J\u202eevil")).encode())
    assert alert.text == "\x1b[2J\u202eevil"


def one(**changes):
    return json.dumps(record(**changes)).encode()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "a.json: is empty"),
        (b"[]", "holds no alert"),
        (b" " * (LIMIT_BYTES + 1), "1,000,001 bytes are more than"),
        (b"[" + b"{}," * 10_000 + b"{}]", "10,001 alerts, at most 10,000 are taken"),
        (GOLDEN.replace(b"seals", b"se\xffls"), f"byte {GOLDEN.index(b'seals') + 2} (0xFF) is not UTF-8"),
        (GOLDEN[:100], "half written"),
        (b"[" + GOLDEN, "half written"),
        (b"{'id': 1}", "is not JSON at line 1 column 2"),
        (b'{"id": 1, "id": 2}', "same name twice"),
        (b'{"id": NaN}', "NaN is not JSON"),
        (b'{"id": ' + b"9" * 20_000 + b', "pump": "SP-0001"}', "id has 20,000 characters, at most 10,000 are taken"),
        (b"[" * 100_000, "is not JSON"),
        (b'["a"]', "record 1 is a str"),
        (
            one(pump="SP-\n\x1b9999"),
            r"asset 'SP-\n\x1b9999' is unknown; add it to [feed.assets] of feed smartpump_mail",
        ),
        (one(pump=None), "pump is missing"),
        (one(pump=["SP-0001"]), "pump is not one text or number, or stands twice"),
        (one(level="purple"), "severity 'purple' is unknown; known: note, warning, critical, info, warn, urgent"),
        (one(message="  "), "message is missing"),
        (one(message="\ud800"), "message holds half a character"),
        (one(issued="yesterday"), "time 'yesterday' is not ISO 8601"),
        (one(issued="0001-01-01T00:00:00+23:00"), "time '0001-01-01T00:00:00+23:00'"),
        (one(issued="Thu, 01 Jan 99999999999 00:00:00 +0000"), "is not ISO 8601"),
        (one(due_in_days="soon"), "due_in_days is 'soon', not a number of days"),
        (one(due_in_days=-1), "not a number of days"),
        (one(due_in_days="nan"), "not a number of days"),
        (json.dumps([record(id="A"), record(id="A")]).encode(), "alert id 'A' stands for two records"),
        (json.dumps([record(id="A"), record(id="B", pump="X")]).encode(), "record 2 of 2: asset 'X' is unknown"),
    ],
)
def test_what_cannot_be_understood_is_refused_whole_with_place_and_remedy(raw, said):
    refused(raw, said)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"id;pump\nA;SP-0001", "half written"),
        (b"id;pump\nA\n", "row 1 has 1 of 2 columns"),
        (b"id;pump\nA;B;C\n", "row 1 has 3 of 2 columns"),
        (b"id;id\nA;B\n", "the same name"),
        (b'id;pump\nA;"B\n', "unexpected end of data"),
        (b"", "holds no alert"),
        (b"id;pump\n", "holds no alert"),
        (b"sep=;\n", "holds no alert"),
        (b'id\t"pump"x\tlevel\tmessage\n', "line 1: 'tab' expected after"),
    ],
)
def test_a_broken_table_is_refused(raw, said):
    refused(raw, said, format="csv")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"no header at all", "no e-mail"),
        (mail(None, ("photo.png", "png", b"\x89PNG")), "neither plain text nor"),
        (mail("x", ("a.json", "json", GOLDEN))[:-60], "damaged or half written"),
        (mail("x", ("a.json", "json", GOLDEN[:50])), "is not JSON"),
        (mail("nothing of use"), "pump is missing"),
    ],
    ids=("no header", "a picture only", "cut off", "attachment cut off", "no field"),
)
def test_a_broken_mail_is_refused(raw, said):
    refused(raw, said, format="eml")


def test_an_unknown_format_and_an_unmapped_field_name_what_to_change():
    refused(GOLDEN, "format 'xml' is unknown; known: json, jsonl, csv, eml", format="xml")
    refused(GOLDEN, "maps nothing to asset; add it to [feed.fields]", fields={"text": "message", "severity": "level"})


@given(raw=st.binary(max_size=300), form=st.sampled_from(["json", "jsonl", "csv", "eml"]))
def test_any_bytes_are_taken_in_or_refused_in_one_line(raw, form):
    try:
        take(raw, format=form)
    except AlertError as error:
        assert str(error).isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*RECORD, "x"]), inner, max_size=9),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_taken_in_or_refused_in_one_line(found):
    try:
        take(json.dumps(found).encode())
    except AlertError as error:
        assert str(error).isprintable()


@given(st.data())
def test_a_damaged_golden_message_never_makes_half_an_alert(data):
    at, new = data.draw(st.integers(0, len(GOLDEN) - 1)), data.draw(st.binary(max_size=3))
    try:
        alerts = take(GOLDEN[:at] + new + GOLDEN[at + 1 :])
    except AlertError:
        return
    assert all(alert.asset in ("pump1", "pump2") and alert.text and alert.alert_id for alert in alerts)


def test_a_mail_with_an_endless_header_is_refused_before_the_header_is_interpreted():
    endless = b'"' * 300_000
    for raw in (
        b"Content-Type: text/plain; name=" + endless + b"\n\nid: 1\n",
        b"Subject: a\nContent-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: x/" + endless + b"\n\n--B--\n",
    ):
        refused(raw, "has a header of 300,0", format="eml")


def test_a_file_of_thousands_of_records_that_repeat_an_id_is_refused_by_that_id():
    rows = "".join(f"{number},SP-0001,warn,x\n" for number in range(9_000))
    raw = f"id,pump,level,message\n{rows}8999,SP-0001,warn,y\n".encode()
    refused(raw, "alert id '8999' stands for two records", format="csv")


ROW = "id;pump;level;message\r\nM-1;Pumpe Süd;warn;Lager prüfen\r\n"


@pytest.mark.parametrize(
    ("encoding", "raw"),
    [
        ("windows-1252", ROW.encode("windows-1252")),
        ("iso-8859-1", ROW.encode("iso-8859-1")),
        ("utf-16", b"\xff\xfe" + ROW.replace(";", "\t").encode("utf-16-le")),
        ("utf-16", b"\xfe\xff" + ROW.encode("utf-16-be")),
        ("utf-8", b"\xef\xbb\xbfsep=;\r\n" + ROW.encode()),
    ],
)
def test_what_a_spreadsheet_exports_is_read_in_the_encoding_that_the_feed_says(encoding, raw):
    (alert,) = take(raw, format="csv", encoding=encoding)
    assert (alert.asset, alert.text) == ("pump2", "Lager prüfen")


@pytest.mark.parametrize(
    ("encoding", "raw", "said"),
    [
        ("utf-8", ROW.encode("windows-1252"), 'may need encoding = "windows-1252" in its feed'),
        ("utf-8", b"\xff\xfe" + ROW.encode("utf-16-le"), 'is UTF-16; write encoding = "utf-16" in its feed'),
        ("windows-1252", ROW.encode(), "reads as UTF-8, while its feed says windows-1252"),
        ("windows-1252", ROW.replace("ü", "\x81").encode("latin-1"), "(0x81) is not WINDOWS-1252"),
        ("utf-16", ROW.encode(), "is not UTF-16 with a byte order mark"),
        ("utf-16", b"\xff\xfe" + ROW.encode("utf-16-le")[:-1], "is not UTF-16"),
        ("utf-16", b"\xff\xfe\x00\xd8" + ROW.encode("utf-16-le"), "is not UTF-16"),
    ],
)
def test_a_table_in_another_encoding_than_the_feed_says_is_refused_with_what_to_write(encoding, raw, said):
    refused(raw, said, format="csv", encoding=encoding)


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "eml"])
@pytest.mark.parametrize("mark", [b"PK\x03\x04", b"\x1f\x8b\x08", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07"])
def test_an_archive_is_never_opened(form, mark):
    refused(mark + b"\x00" * 60, "archive", format=form)


def test_an_archive_in_a_mail_is_never_opened():
    bomb = ("alerts.json.zip", "zip", b"PK\x03\x04" + b"\x00" * 500)
    assert take(mail("pump: SP-0001\nlevel: warn\nmessage: x\n", bomb), format="eml")[0].text == "x"
    refused(mail(None, bomb), "archives and pictures are not opened", format="eml")
    disguised = ("alerts.json", "json", b"PK\x03\x04" + b"\x00" * 500)
    refused(mail("see attachment", disguised), "is a ZIP archive", format="eml")


def test_numbers_stay_the_digits_that_were_sent():
    raw = GOLDEN.replace(b'"SP-2026-0042"', b"1e400").replace(b'"replace seals within 14 days"', b"12.50")
    (alert,) = take(raw)
    assert (alert.alert_id, alert.text) == ("1e400", "12.50")


@pytest.mark.parametrize("days", ["1_4", "\u0661\u0664", "1e1", "inf", "+14", "14 days", "999999"])
def test_days_that_are_no_plain_number_are_refused(days):
    refused(one(due_in_days=days), "not a number of days")


@pytest.mark.parametrize(
    ("sent", "zone", "basis"),
    [
        ("2026-11-20T08:10:00+01:00", "UTC", None),
        ("2026-11-20 07:10:00 Z", "UTC", None),
        ("Fri, 20 Nov 2026 08:10:00 +0100", "UTC", None),
        ("2026-11-20T08:10", "Europe/Berlin", "zone assumed"),
        ("Fri, 20 Nov 2026 07:10:00 -0000", "Europe/Berlin", "zone assumed"),
    ],
)
def test_a_time_is_taken_with_what_is_known_of_its_zone(sent, zone, basis):
    (alert,) = take(one(issued=sent), time_zone=zone)
    assert alert.issued_us == 1_795_158_600_000_000
    assert alert.extra.get("issued_basis") == basis


@pytest.mark.parametrize(
    ("sent", "basis"),
    [
        ("2026-10-25T02:30:00", "hour that comes twice or never"),
        ("2026-03-29T02:30:00", "hour that comes twice or never"),
        ("2026-11-20", "day only"),
    ],
)
def test_a_time_that_is_no_point_in_time_says_so(sent, basis):
    assert take(one(issued=sent), time_zone="Europe/Berlin")[0].extra["issued_basis"] == basis


@pytest.mark.parametrize(
    "sent",
    ["2026-W47-5", "20261120T071000Z", "2026-11-20x07:10:00Z", "2026-11-20T07:10:00+01:00:30", "20.11.2026 07:10",
     "Thu, 20 Nov 2026 08:10:00 +0100", "20 Nov 26 08:10:00 +0100", "20 Nov 0026 08:10:00 +0100",
     "2026-11-20T07:10:00Z\u0661", "1795158600"],
)  # fmt: skip
def test_a_time_that_could_be_read_in_two_ways_is_refused(sent):
    refused(one(issued=sent), "is not ISO 8601")


def crude(body, kind='text/plain; charset="utf-8"', coding="8bit"):
    head = f"From: a@b.example\nSubject: s\nContent-Type: {kind}\nContent-Transfer-Encoding: {coding}\n\n"
    return head.encode() + body


def test_transfer_encodings_are_undone_and_their_damage_is_refused():
    quoted = b"pump: Pumpe S=C3=BCd\nlevel: warn\nmessage: Lager =\npr=C3=BCfen\n"
    assert take(crude(quoted, coding="quoted-printable"), format="eml")[0].text == "Lager prüfen"
    refused(crude(quoted.replace(b"=BCd", b"=BXd"), coding="Quoted-Printable"), "stands for nothing", format="eml")
    coded = base64.encodebytes("pump: Pumpe Süd\nlevel: warn\nmessage: x\n".encode())
    assert take(crude(coded, coding="base64"), format="eml")[0].asset == "pump2"
    refused(crude(coded[:9] + b"*" + coded[9:], coding="base64"), "damaged", format="eml")


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "idna", "punycode", "zlib", "rot13", "no-such"])
def test_a_charset_that_is_none_of_characters_is_refused(charset):
    refused(crude(b"pump: SP-0001\n", f"text/plain; charset={charset}"), "which is not read here", format="eml")


def test_a_line_that_stands_twice_in_a_mail_is_no_value():
    body = b"pump: SP-0001\npump: SP-0002\nlevel: warn\nmessage: x\nTel: 1\nTel: 2\n"
    refused(crude(body), "pump is not one text or number, or stands twice", format="eml")
    assert take(crude(body.replace(b"SP-0002", b"")), format="eml")[0].asset == "pump1"


def nested(depth, kind):
    inner = b"Content-Type: text/plain\n\npump: SP-0001\nlevel: warn\nmessage: deep\n"
    for number in range(depth):
        edge = f"edge{number}".encode()
        if kind == "rfc822":
            inner = b"Content-Type: message/rfc822\n\n" + inner
        else:
            inner = b'Content-Type: multipart/mixed; boundary="' + edge + b'"\n\n--' + edge + b"\n" + inner
            inner += b"\n--" + edge + b"--\n"
    return b"Subject: s\n" + inner


def test_nested_parts_are_read_and_endless_ones_refused():
    assert take(nested(5, "mixed"), format="eml")[0].text == "deep"
    for depth in (60, 3_000):
        refused(nested(depth, "mixed"), "nested more than 50 times", format="eml")
    for depth in (60, 20_000):
        refused(nested(depth, "rfc822"), "", format="eml")


def test_a_mail_of_a_hundred_thousand_parts_is_refused():
    raw = b"Subject: s\nContent-Type: multipart/mixed; boundary=B\n\n" + b"--B\n\nx\n" * 100_000 + b"--B--\n"
    refused(raw, "has more than 50 parts", format="eml")


def test_the_text_of_a_mail_is_taken_without_who_wrote_it():
    text = (
        "Sehr geehrte Frau Person,\n\npump: SP-0001\nlevel: warn\nGleitringdichtung bei 14 bar in 200 h tauschen.\n"
        "Rückfragen: person@vendor.example oder Tel. +49 351 123456-78\n\nMit freundlichen Grüßen\nA. Person\n"
        "> Von: B. Person\n"
    )
    (alert,) = take(mail(text), format="eml", fields=FEED.fields | {"text": "Body"})
    assert alert.text.splitlines()[2:] == [
        "Gleitringdichtung bei 14 bar in 200 h tauschen.", "Rückfragen: [e-mail address] oder Tel. [phone number]",
    ]  # fmt: skip
    assert "Person" not in alert.text
    assert b"A. Person" in alert.raw


def test_a_refusal_names_nobodys_address():
    refused(one(pump="person@vendor.example"), "asset '[e-mail address]' is unknown")
