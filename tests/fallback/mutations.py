"""Damage done to a procedure file by chance, and what must hold whatever was done."""

import random
from collections.abc import Callable

from fallback_procedures.procedure import parse

from .roundtrip import items, written

INJECTED = [*"\x00\x07\x08\t\x0b\x0c\x1b\x7f\x85\xa0\xad\u2028\u202e\u2066\u200b\ufeff\ue000\ud800", "\x1b[2J", "\r",
            "\u041e", "\u0663", "\uff15", "|", "[ ]", "{", "}", "{{{{" * 40, "{a={b={c", " limits 5 to 1",
            "99999999999999999999", "1e400", "-0", "0x1F", "GO TO", "GO TO step 99", "IF ", " THEN ", "END", "HOLD",
            "DANGER  ", "Reading:", "____"]  # fmt: skip


def flip(raw: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 1 << draw.randrange(8)]) + raw[at + 1 :]


def cut(raw: bytes, draw: random.Random) -> bytes:
    first, last = sorted(draw.randrange(len(raw) + 1) for _ in range(2))
    return draw.choice([raw[:first], raw[first:], raw[:first] + raw[last:], raw[:first] + raw[first + 1 :]])


def lines(raw: bytes, draw: random.Random) -> bytes:
    rows = raw.split(b"\n")
    at, other = draw.randrange(len(rows)), draw.randrange(len(rows))
    what = draw.randrange(6)
    if what == 0:
        rows.insert(at, rows[at])
    elif what == 1:
        rows.insert(at, rows[other])
    elif what == 2:
        rows[at], rows[other] = rows[other], rows[at]
    elif what == 3:
        del rows[at]
    elif what == 4:
        rows[at : at + 2] = [b"".join(rows[at : at + 2])]
    else:
        spot = draw.randrange(len(rows[at]) + 1)
        rows[at : at + 1] = [rows[at][:spot], rows[at][spot:]]
    return b"\n".join(rows)


def inject(raw: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(raw) + 1)
    return raw[:at] + draw.choice(INJECTED).encode("utf-8", "surrogatepass") + raw[at:]


def letter(raw: bytes, draw: random.Random) -> bytes:
    """One character typed wrong, as a hand does it."""
    text = raw.decode()
    at, typed = draw.randrange(len(text)), draw.choice("0123456789.,:;-=_ aeinrstAEILOST{}[]()\u00df\u00e9")
    return (text[:at] + typed + text[at + draw.randrange(2) :]).encode()


def number(raw: bytes, draw: random.Random) -> bytes:
    text = raw.decode()
    at = draw.choice([place for place, character in enumerate(text) if character.isdigit()] or [0])
    return (text[:at] + draw.choice(["", "0", "00", "1.5", "9" * 12, "-", ",", ". "]) + text[at + 1 :]).encode()


def whole(raw: bytes, draw: random.Random) -> bytes:
    text = raw.decode()
    return draw.choice([
        text.replace("\n", "\r\n").encode(), text.replace("\n", "\r").encode(),
        b"\xef\xbb\xbf" + raw, b"\xef\xbb\xbf" * 2 + raw,
        text.encode("utf-16"), text.encode("latin-1", "replace"), raw + b"\x00", raw + raw, raw + b"x" * 1_000_000,
        b"PROCEDURE  P-03  x\n" + b"a" * 150_000, b"PROCEDURE  P-03  x\nPURPOSE    a\n" + b"           a\n" * 12_000,
        b"PROCEDURE  P-03  x\n" + b"{" * 190 + b"\n", draw.randbytes(draw.randrange(2000)), raw.upper(), raw.lower(),
        raw.replace(b" ", b"\t"), raw.replace(b"  ", b" "), raw.replace(b"\n", b"\n\n"),
    ])  # fmt: skip


KINDS: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip, cut, lines, inject, letter, number)


def mutated(raw: bytes, draw: random.Random) -> bytes:
    """A file with one to three faults of any kind; one in fifty is another file altogether."""
    if draw.random() < 0.02:
        return whole(raw, draw)
    for _round in range(draw.choice((1, 1, 1, 2, 3))):
        kind = draw.choice(KINDS)
        try:
            raw = kind(raw, draw) if raw else raw
        except UnicodeDecodeError:  # an earlier flip: this kind works on text
            raw = flip(raw, draw)
    return raw


def accounted_for(raw: bytes) -> bool:
    """Parse, and see that every item of an accepted file stands in what was understood. Whether it was accepted."""
    procedure, faults = parse(raw)
    assert (procedure is None) == bool(faults)
    assert all(fault.line >= 1 and fault.text for fault in faults)
    if procedure is not None:
        assert written(procedure) == items(raw.decode("utf-8-sig"))
    return procedure is not None
