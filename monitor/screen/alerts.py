"""The page of alerts: vendor beside own, what is not yet acknowledged first. An empty page is the best one.

Pure: lines from a RoomState and a View. All of it is advice, not a safety alarm system, and the page says so.
"""

from monitor.labels import alarm_word, verdict_word
from monitor.screen.overview import filter_words, own_text
from monitor.screen.pieces import Cell, Line, fit, page, row, rule, window, wrap
from monitor.screen.room import (
    Alarm,
    RoomState,
    open_alarms,
    part,
    rows,
    standing_verdicts,
    unjudged,
    unlisted,
    verdict_shown,
)
from monitor.screen.text import (
    KINDS,
    MARKS,
    View,
    banners,
    foot,
    head,
    origin_word,
    short_time,
    urgency,
)
from monitor.words import _, clean

AROUND = 5  # lines below the table that tell of the selected alert


def items(room: RoomState, view: View) -> list[Alarm]:
    """The alerts in the order of the page."""
    wanted = view.needle.casefold()
    found = [one for one in open_alarms(room)
             if wanted in f"{one.asset} {one.component} {one.text} {one.origin} {one.state}".casefold()]  # fmt: skip
    return sorted(found, key=urgency)


def lines(room: RoomState, view: View) -> list[Line]:
    """The whole page."""
    alarms = items(room, view)
    everything = open_alarms(room)
    counts = _("ALERTS  unack {unack}  active {active}  shelved {shelved}  (advice, not a safety alarm system)").format(
        unack=sum(one.unacknowledged for one in everything),
        active=sum(one.active for one in everything),
        shelved=sum(one.state == "SHLVD" for one in everything),
    )
    top = [head(room, view), *banners(room, view), Line(" " + counts, "strong"), rule(view.width)]
    bottom = [rule(view.width), *detail(room, view, alarms)]
    bottom += foot(view, key_lines(), view.notice or filter_words(view))
    space = view.height - len(top) - len(bottom)
    return page([*top, *table(room, view, alarms, space)], bottom, view.width, view.height)


def key_lines() -> list[str]:
    return [
        _("Enter asset  x acknowledge  s shelve  d decide  / filter"),
        _("y why  f finding  m MANUAL  Esc back  ? help"),
    ]


def table(room: RoomState, view: View, alarms: list[Alarm], space: int) -> list[Line]:
    sizes = widths(view)
    titles = ("P", _("Since"), _("Asset"), _("Who"), _("Says"), _("Verdict"), _("State"))
    found = [row([Cell(text, size) for text, size in zip(titles, sizes, strict=True)], kind="title", start=" ")]
    if n := sum(len(unlisted(room, asset, open_alarms(room), "vendor")) for asset in room.verdicts):
        words = _("claims without an alert: {n} (see who asks on the overview)")
        found.append(Line(" " + fit(words.format(n=n), view.width - 1).rstrip(), "dim"))
    if not alarms:
        return [*found, Line(" " + (_("no alert fits the filter") if view.needle else _("no open alert")), "dim")]
    shown = max(space - len(found), 1)
    start = window(len(alarms), view.selected, shown)
    verdicts = {str(one.get("id")): verdict_shown(room, one) for one in rows(room.status, "assets")}
    for number, alarm in enumerate(alarms[start : start + shown], start):
        texts = (
            MARKS[alarm.priority],
            short_time(alarm.at_us, room),
            clean(alarm.asset, 12),
            origin_word(alarm.origin),
            clean(alarm.says, 160),
            verdict_word(verdicts.get(alarm.asset)),
            alarm_word(alarm.state),
        )
        kinds = (KINDS[alarm.priority] if alarm.unacknowledged else "", "", "", "", "", "", "")
        parts = [Cell(text, size, "<", kind) for text, size, kind in zip(texts, sizes, kinds, strict=True)]
        selected = number == view.selected
        found.append(row(parts, kind="selected" if selected else "", start=">" if selected else " "))
    return found


def widths(view: View) -> tuple[int, ...]:
    """Priority, since, asset, who, says (what is left), verdict, state."""
    fixed = (3, 11, 8, 12 if view.wide else 9, 0, 11, 12 if view.wide else 11)
    left = view.width - 1 - sum(fixed) - (len(fixed) - 1)
    return (*fixed[:4], left, *fixed[5:])


def detail(room: RoomState, view: View, alarms: list[Alarm]) -> list[Line]:
    """What is known of the selected alert, always the same number of lines, so that nothing jumps."""
    found: list[str] = []
    if alarms:
        alarm = alarms[min(view.selected, len(alarms) - 1)]
        where = f" {clean(alarm.component, 20)}" if alarm.component else ""
        found += wrap(f"{alarm.asset}{where}: {clean(alarm.says, 300)}", view.width - 2)[:2]
        told = room.assessments.get(alarm.asset, {})
        own = own_text(room, told) if told.get("index") is not None else _("nothing assessed")
        found.append(_("own model: {own}").format(own=own))
        found += wrap(judged(room, alarm), view.width - 2)[:1]
        if alarm.state == "SHLVD":
            until = short_time(alarm.until_us, room)
            found.append(_("shelved until {when}: {why}").format(when=until, why=clean(alarm.why, 80)))
    found = found[:AROUND]
    return [Line(" " + text) for text in found] + [Line()] * (AROUND - len(found))


def judged(room: RoomState, alarm: Alarm) -> str:
    """The reason of the verdict on the claim of this alarm; "" for what is no claim of a vendor or of our own model."""
    if alarm.origin not in ("vendor", "own"):
        return ""
    if not alarm.active:
        return _("this claim has ended")
    verdicts = standing_verdicts(room, alarm.asset)
    side = f"{alarm.origin}_episode"
    mine = [one for one in verdicts if alarm.alert_id in (part(one, side).get("alerts") or ())]
    mine = mine or [one for one in verdicts if str(one.get("component") or "") == alarm.component]
    if unjudged(room, alarm, str(mine[0].get("word")) if mine else None):
        return _("not judged yet: the next scoring does it")
    return clean(mine[0].get("reason") or "", 200) if mine else ""
