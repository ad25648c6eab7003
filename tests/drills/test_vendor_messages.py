"""A hundred thousand vendor messages that went wrong: taken as they plainly read, or refused in one line."""

import faulthandler
import gc
import time
from collections import Counter

import pytest

from tests.drills.conftest import rss_mb
from tests.drills.vendor_messages import FORMS, run

ALL, PART = 100_000, 5_000


def test_two_thousand_mutated_messages_are_taken_as_they_read_or_refused(seed):
    asked, taken, refused, wrong = run(f"{seed} short", 2_000)
    assert not wrong, wrong[:3]
    assert all(taken[f"{form} untouched"] == asked[f"{form} untouched"] > 0 for form in FORMS)
    assert sum(refused.values()) > 500
    assert not [one for one in taken if one.endswith((" nothing", " rubbish", " deeply nested"))]
    assert not [one for one in taken if one.endswith(" no UTF-8") and "eml" not in one]  # a mail's sender is not read


@pytest.mark.drill
def test_a_hundred_thousand_mutated_messages_are_taken_as_they_read_or_refused(seed, parts, tell):
    done = parts("vendor_messages", part=PART)
    begun, before = time.monotonic(), 0.0
    for number in range(ALL // PART):
        if str(number) in done.done:
            continue
        faulthandler.dump_traceback_later(600, exit=True)  # a hang ends the drill and says where
        done.add(number, [dict(one) if isinstance(one, Counter) else one for one in run(f"{seed} {number}", PART)])
        faulthandler.cancel_dump_traceback_later()
        gc.collect()
        before = before or rss_mb()
        tell(f"  vendor messages: {(number + 1) * PART:>7,} of {ALL:,}  {time.monotonic() - begun:6.0f} s  "
             f"{rss_mb():6.1f} MB")  # fmt: skip
    whole = [sum((Counter(part[n]) for part in done.done.values()), Counter()) for n in range(3)]
    wrong = [fault for part in done.done.values() for fault in part[3]]
    for kind, n in sorted(whole[0].items()):
        tell(f"  {kind:<34}{n:>9,} sent{whole[1][kind]:>9,} taken")
    for why, n in whole[2].most_common(40):
        tell(f"  refused: {why:<92}{n:>8,}")
    assert sum(whole[0].values()) == ALL
    assert not wrong, wrong[:3]
    if before:
        assert rss_mb() - before < 20, f"{before:.1f} MB grew to {rss_mb():.1f} MB"
    done.end()
