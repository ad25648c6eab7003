"""What was before what is told by the order of the entries, where the clock was set back too."""

import pandas as pd

from monitor.ledger import Ledger, verify
from monitor.review.freezing import Freeze, in_order
from monitor.state import State
from monitor.words import parse_utc

DAY_US = 86_400_000_000
BEFORE_US, NOW_US = parse_utc("2025-12-20T00:00:00Z"), parse_utc("2026-11-28T00:00:00Z")


def frames(*entries):
    """Tables of (kind, n, at, via)."""
    found = {}
    for kind, n, at_us, via in entries:
        found.setdefault(kind, []).append({"n": n, "at_us": at_us, "via": via})
    return {kind: pd.DataFrame(rows) for kind, rows in found.items()}


def test_a_freeze_that_is_entered_after_the_findings_was_not_made_before_them_whatever_its_clock_says():
    told = frames(("finding", 1, BEFORE_US + 90 * DAY_US, "import"), ("import", 2, NOW_US, "command"),
                  ("review_freeze", 3, BEFORE_US, "command"), ("review", 4, NOW_US + 1, "command"))  # fmt: skip
    found = in_order(Freeze("frozen", BEFORE_US, n=3), told)
    assert (found.made_us, found.back_n) == (NOW_US, 3)


def test_older_records_that_come_by_import_and_a_clock_that_is_put_right_by_a_minute_are_no_step_back():
    told = frames(("import", 1, NOW_US, "command"), ("finding", 2, BEFORE_US, "import"),
                  ("review_freeze", 3, NOW_US - 60_000_000, "command"))  # fmt: skip
    found = in_order(Freeze("frozen", NOW_US - 60_000_000, n=3), told)
    assert (found.made_us, found.back_n) == (NOW_US, 0)


def test_verify_names_a_clock_that_went_back_as_a_remark(tmp_path):
    state = State(tmp_path).make()
    ledger = Ledger(state)
    ledger.append(
        "import", {"file": "x.csv", "rows": 1, "kind": "findings", "sha256": "0" * 64}, at_us=NOW_US, via="command"
    )
    ledger.append("failure", {"failure_id": "F", "mode": "x"}, at_us=BEFORE_US, via="import")
    assert "went back" not in verify(state).words
    ledger.append("review_freeze", {"parameters": {}, "sha256": "0" * 64}, at_us=BEFORE_US, via="command")
    ledger.close()
    found = verify(state)
    assert found.ok
    assert "the clock of the record went back at entry 3" in found.words
