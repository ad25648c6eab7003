"""Damaged mails, attachments and tables in all encodings: what is taken in stands in the bytes, memory stays flat."""

import pytest

from tests.drills.vendor_encodings import run


def test_a_thousand_damaged_messages_say_what_their_bytes_say_or_are_refused(seed):
    score = run(f"{seed} short", 1_000)
    assert score.taken > 100
    assert score.refused > 500


@pytest.mark.drill
def test_a_hundred_thousand_damaged_messages_say_what_their_bytes_say_or_are_refused(seed, tell):
    score = run(seed, 100_000)
    tell(f"  vendor encodings: {score.taken:,} taken, {score.refused:,} refused, slowest {score.slowest_s:.3f} s, "
         f"memory {score.early_kib:,} -> {score.late_kib:,} KiB")  # fmt: skip
    assert score.taken > 10_000
    assert score.late_kib - score.early_kib < 20_000
