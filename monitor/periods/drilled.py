"""For which station a drill counts, and why it does not for another one that its records name. Pure.

For that of its last record, if a step was done in a run at that station, or in one of no site, if it lasted a minute
and no entry of it lies in the future. fallback_procedures/drills.py has the same rule for the journals that lie on this
machine.
"""

from monitor.periods.journal import Line, elapsed_s
from monitor.periods.period import Period

SHORT_S = 60.0  # what is over within this time was no drill


def drilled(period: Period) -> dict[str, str]:
    """Station -> why the drill does not count for it: idle, elsewhere, short, ahead or replaced; "" where it counts."""
    records = [line for line in period.records if line.text("station", 40)] if period.drill else []
    if not records:
        return {}
    told = {line.text("station", 40): "replaced" for line in records}
    return told | {records[-1].text("station", 40): _why_not(period, records[-1])}


def _why_not(period: Period, record: Line) -> str:
    sites = {run.site for run in period.runs.values() if any(mark.kind == "done" for mark in run.marks)}
    lasted_s = elapsed_s(period.first, record)
    if any(doubt.word == "future" for doubt in period.journal.doubts):
        return "ahead"
    if not sites:
        return "idle"
    if not sites & {"", record.text("station", 40)}:
        return "elsewhere"
    return "short" if lasted_s is None or lasted_s < SHORT_S else ""
