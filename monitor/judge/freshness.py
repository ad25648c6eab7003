"""Whether what was judged last still is of now: a pump that has run since is not judged by what it did before.

A pump that stands keeps the index of its last run.
"""

from dataclasses import replace
from datetime import tzinfo

from models.health import Assessment
from models.health.assessment import IN_THE_DARK, NO_GOOD_DATA, TOO_FEW
from models.health.state import OFF, STEADY
from monitor.judge.own_alerts import LEVEL_OF
from monitor.words import _, local_text, parse_utc

NOW_S = 900.0  # how old a judged row may be where the pump is read live and runs
DAY_US = 86_400_000_000
FEW = (TOO_FEW, NO_GOOD_DATA, IN_THE_DARK)
Judged = tuple[Assessment, float]  # with the distance of its rows [s]


def of_now(newest: Judged, told: Judged, live: bool, now_us: int, zone: tzinfo) -> Judged:
    """`told`, or an unknown where it is of rows before the present run; `newest` is of the rows nearest to now.

    An asset that is `live` gives values now: its rows are old after NOW_S, those of others after two of them.
    """
    found, every_s = told
    now = newest[0] if live else found
    if found.index is None or found.index_at is None:
        return told
    at_us = parse_utc(found.index_at)
    limit_s = NOW_S if live else max(NOW_S, 2 * every_s)
    if now_us - at_us <= limit_s * 1e6:
        return told
    if now is found:  # its own rows tell whether it has run since
        past = found.state == STEADY
    else:
        past = not now.state == found.state == OFF or (now.lines_at or "") > found.index_at
    if not past:
        return told
    form = "%H:%M" if now_us - at_us < DAY_US else "%Y-%m-%d %H:%M"
    words = _("last judged at {time}; since then too few rows").format(time=local_text(at_us, zone, form))
    if now is not found:
        few = not now.reasons or any(one in FEW for one in now.reasons)
        return (replace(now, reasons=(words, *now.reasons)) if few else now), newest[1]
    lines = tuple(replace(one, word="cannot_tell", note=words) if one.word in LEVEL_OF else one for one in found.lines)
    return replace(found, index=None, word="unknown", score=None, contributions=(), lines=lines,
                   reasons=(words, *found.reasons)), every_s  # fmt: skip
