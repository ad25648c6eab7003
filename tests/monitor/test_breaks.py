"""From here on a number means something else: judged anew, and an entry of the ledger, however often it is said."""

import json

from drivers.batch import batch_of
from drivers.record import Node, Quality, Reason, Register, Sample, Tag
from monitor.daemon.breaks import QUIET_S, Breaks
from monitor.ledger import body_of
from monitor.quality import QualityMachine

FLOW = Tag(0, "P1.flow", "P1", "flow", "m3/h", "s", Node("nsu=urn:x;s=flow"), 0.0, 500.0)
KWH = Tag(1, "P1.energy", "P1", "energy", "kWh", "s", Register(1, "holding", 0, "u32"), counter=True)
CHANGED = Reason.SPEC | Reason.BREAK


def machine():
    return QualityMachine([FLOW, KWH], {"s": 1.0}, {"P1": "N"}, 0.0)


def one(value, reasons=Reason.OK, detail="", tag=FLOW):
    return batch_of("s", 10_000_000, [Sample(tag.number, 10_000_000, value, reasons, None, detail)])


def test_a_flow_that_is_told_in_another_unit_from_now_on_is_no_spike():
    sudden, told = machine(), machine()
    for second in range(30):
        for each in (sudden, told):
            each.check(one(300.0 + second % 3), float(second))
    assert Reason.SPIKE in sudden.check(one(83.3), 30.0).row(0).reasons
    for second in range(30, 60):
        row = told.check(one(83.3, CHANGED if second == 30 else Reason.OK), float(second)).row(0)
        assert Reason.SPIKE not in row.reasons
        assert row.quality == (Quality.UNCERTAIN if second == 30 else Quality.GOOD)


def test_a_meter_that_was_exchanged_makes_a_break_and_its_value_stays():
    watch = machine()
    watch.check(one(812_345.0, tag=KWH), 0.0)
    row = watch.check(one(12.0, tag=KWH), 60.0).row(0)
    assert (row.value, row.reasons & CHANGED) == (12.0, CHANGED)
    assert row.detail


def test_a_break_is_one_entry_an_hour_in_printable_words():
    breaks = Breaks([FLOW, KWH], {"P1": "N"})
    said = one(83.3, CHANGED, "unit or scale changed; the server now says l/s\x1b[2J")
    (draft,) = breaks.take(said, 5.0)
    body = json.loads(body_of(draft))
    assert (body["kind"], body["site"], body["asset"], body["data"]["tag"]) == ("break", "N", "P1", "P1.flow")
    assert "now says l/s" in body["data"]["text"]
    assert "\x1b" not in body["data"]["text"]
    assert breaks.take(said, 5.0 + QUIET_S - 1) == []
    assert len(breaks.take(said, 5.0 + QUIET_S)) == 1
    assert breaks.take(one(1.0), 9_999.0) == []
