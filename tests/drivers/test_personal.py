"""What is taken from a vendor's text names nobody, and loses no measurement."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.vendor.personal import without_contacts, without_signature


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("ask first.last+x@service.vendor.example now", "ask [e-mail address] now"),
        ("call +49 351 1234567.", "call [phone number]."),
        ("+33 (0)1 23 45 67 89 or", "[phone number] or"),
        ("Tel.: 0351/123 45-67", "[phone number]"),
        ("Telefon 1234567, Fax: 1234568", "[phone number], [phone number]"),
        ("(0351) 1234567", "[phone number]"),
        ("0170/1234567", "[phone number]"),
    ],
)
def test_addresses_and_telephone_numbers_are_replaced(sent, taken):
    assert without_contacts(sent) == taken


@pytest.mark.parametrize(
    "said",
    [
        "12.5 bar at 1450 rpm, 20 000 000 kWh", "+20 000 000 kWh", "+15 123 456 Wh", "-0.25 mm/s",
        "replace within 14 d",
        "2026-11-20 07:10:00+01:00", "part 98367081", "serial 0042-2026-0017", "running 12 345 h", "3 000 000 m3",
        "alarm 57 (0x0039)", "error 0123", "flow 0.123/0.456", "SP-2026-0042", "limit +8.5 K", "@ 50 Hz",
        "mobile pump 12",
    ],
)  # fmt: skip
def test_measurements_times_and_part_numbers_stay(said):
    assert without_contacts(said) == said


@pytest.mark.parametrize(
    "ending",
    ["-- \nA Person", "Kind regards\nA Person", "Best regards, A Person", "Mit freundlichen Grüßen\nA Person",
     "Viele Grüße, A Person", "Cordialement,\nA Person", "Bien à vous\nA Person", "On Fri, 20 Nov A Person wrote:\n> x",
     "-----Original Message-----\nFrom: A Person", "From: A Person", "Von: A Person"],
)  # fmt: skip
@pytest.mark.parametrize("greeting", ["Dear A Person,\n", "Sehr geehrter Herr Person,\n\n", "Bonjour A Person\n", ""])
def test_greeting_and_signature_are_cut(greeting, ending):
    assert without_signature(f"{greeting}Replace the seal.\nDear seal, it leaks.\n\n{ending}\n") == (
        "Replace the seal.\nDear seal, it leaks."
    )


@given(st.text(max_size=300))
def test_any_text_comes_through_and_what_was_replaced_is_not_replaced_again(text):
    once = without_contacts(text)
    assert without_contacts(once) == once
    assert without_signature(text) in text


def test_a_long_text_is_no_burden():
    for piece in ("+49 3", "a.b.c", "tel ", "0351/", "(0351) ", "1 ", "a@", "Hi ", "On x wrote "):
        text = piece * (10_000 // len(piece))
        assert isinstance(without_contacts(text), str)
        assert isinstance(without_signature(text), str)
