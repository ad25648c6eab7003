"""The life of an own alert: raised, recovering, closed.

After a fault has ended a plant needs time to return to its old state; most false alarms fall into that time. So an
alert that clears first recovers, and closes only after it has stayed normal; a gap in the telemetry changes nothing.
The minimum duration before an alert rises lies in the assessment: its score is a median, so that more than half of the
last 15 rows stand past the line.
"""

RAISED, RECOVERING, CLOSED = "raised", "recovering", "closed"
CLOSE_AFTER_US = 3600 * 1_000_000


def advance(stage: str, since_us: int, level: str, now_us: int, close_after_us: int = CLOSE_AFTER_US) -> str:
    """The stage after one more assessment.

    `stage` is held since `since_us` [us, UTC]; `level` is normal, warning, alert or unknown. An alert rises at the
    alert line, recovers below the warning line only (hysteresis), and closes after `close_after_us` of recovering.
    """
    if level == "alert":
        return RAISED
    if stage == RAISED and level == "normal":
        return RECOVERING
    if stage == RECOVERING and level == "normal" and now_us - since_us >= close_after_us:
        return CLOSED
    return stage
