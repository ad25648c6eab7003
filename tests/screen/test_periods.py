"""What the screen says of times run by hand: on the reports page, and which drill is due."""

from dataclasses import replace

from monitor.drills import due_drills
from monitor.screen import overview, reports
from monitor.screen.room import Entry, Past, Report, RoomState
from monitor.screen.text import View
from monitor.words import utc_text

NOW_US = 1_795_440_125_000_000
DAY_US = 86_400_000_000


def entry(n, days_ago, **more):
    start_us = NOW_US - days_ago * DAY_US
    data = {
        "sha256": "ab", "drill": True, "start": utc_text(start_us), "end": utc_text(start_us + 3_600_000_000),
        "sort": "drill", "sites": ["R"], "drilled": ["R"], "stable_after": "24 min", "unmet": [],
        "report": f"{n}_debrief_drill",
    }  # fmt: skip
    return Entry(n, "period", NOW_US, "", "", "", data | more)


def room(*periods, sites=("R", "N")):
    status = {"sites": [{"id": one, "state": "fresh", "total": 1, "good": 1} for one in sites]}
    return RoomState(NOW_US, status=status, past=Past(periods=periods, head="x"))


def told(lines):
    return "\n".join(str(line) for line in lines)


def test_a_drill_and_a_period_are_listed_with_minutes_to_stable_and_what_was_not_met():
    night = entry(2, 3, drill=False, sort="period", sites=["R", "N"], unmet=["telemetry of R fresh for 5 min"])
    made = replace(
        room(entry(1, 5), night), reports=(Report("1_debrief_drill", "debrief", NOW_US, ("/s/1.pdf", "/s/1.txt")),)
    )
    shown = told(reports.lines(made, View(100, 24)))
    assert "fallback drill" in shown
    assert "stable after 24 min" in shown
    assert "R, N  1 NOT MET at hand-back  stable after 24 min" in shown
    assert "not met: telemetry of R fresh for 5 min" in shown
    first, second = reports.items(made, View(100, 24))
    assert (first.kind, second.readable) == ("manual period", "/s/1.txt")  # and the report is not listed twice


def test_a_period_with_strange_data_draws_and_a_round_is_called_one():
    strange = entry(1, 5, sites="R", unmet="x", stable_after=None, start=None, report=None, sort="round", drill=False)
    assert "round, blind" in told(reports.lines(room(strange), View(80, 24)))


def test_the_overview_says_whose_drill_is_due():
    assert "drill due: N, R" in told(overview.lines(room(), View(100, 30)))
    assert "drill due: N" in told(overview.lines(room(entry(1, 5)), View(100, 30)))
    assert "drill due" not in told(overview.lines(room(entry(1, 5, drilled=["R", "N"])), View(100, 30)))
    assert "drill due: R" in told(overview.lines(room(entry(1, 400), entry(2, 5, drilled=["N"])), View(100, 30)))


def test_a_drill_is_due_after_a_year_or_at_the_day_that_its_record_names():
    early = {"drill": True, "start": "2026-01-10T10:00:00.000Z", "drilled": ["R"], "next_due": "2026-06-01"}
    (due,) = due_drills([early], ["R"], NOW_US)
    assert utc_text(due.due_us) == "2026-06-01T00:00:00.000Z"
    (due,) = due_drills([early | {"next_due": "2030-06-01"}], ["R"], NOW_US)
    assert utc_text(due.due_us) == "2030-06-01T00:00:00.000Z"
    for strange in ("2031-06-01", "2020-01-01", "soon", None):
        (due,) = due_drills([early | {"next_due": strange}], ["R"], NOW_US)
        assert utc_text(due.due_us) == "2027-01-10T00:00:00.000Z"
    for none in ({"drilled": []}, {"drilled": "R"}, {"drill": False}, {"start": "x"}):
        assert due_drills([early | none], ["R"], NOW_US)[0].last_us is None
    last = utc_text(NOW_US - DAY_US)
    assert due_drills([early | {"start": last}], ["R"], NOW_US)[0].last_us == NOW_US - DAY_US
    assert due_drills([early | {"start": "9999-12-31T10:00:00.000Z"}], ["R"], NOW_US)[0].last_us is None
    first, second = due_drills([early], ["R", "N"], NOW_US)
    assert (first.site, first.last_us, second.site) == ("N", None, "R")
