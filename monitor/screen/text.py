"""What every page says at its top, in words: who is alive, what is wrong, what is offered; `overview` as plain text.

Pure functions from a RoomState to lines. Colour never carries meaning alone: each mark is text first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from monitor.labels import alarm_word, role_word
from monitor.screen.pieces import Line, budget, cells, fit, wrap
from monitor.screen.room import QUIET, Alarm, Point, RoomState, from_status, open_alarms, part, rows, time_us
from monitor.words import _, age_text, clean, local_text, number_text

MARKS = {1: "[1]", 2: "<2>", 3: "(3)"}
KINDS = {1: "p1", 2: "p2", 3: "p3"}
BAD, UNCERTAIN = 2, 1
LOST_TOLD_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class View:
    """What a person looks at: the size of the terminal and what was chosen on the page."""

    width: int = 100
    height: int = 30
    selected: int = 0
    needle: str = ""  # the filter
    site: str = ""  # "" is all sites
    tab: int = 0
    notice: str = ""  # the answer to the last key, shown above the keys
    span: str = "30d"  # of the trend: 24h, 30d, 1y
    scroll: int = 0

    @property
    def wide(self) -> bool:
        return self.width >= 96


def overview(status: Mapping[str, Any] | RoomState, width: int = 100, height: int = 30) -> str:
    """The overview as plain text: at most `width` cells a line; as many lines as there are assets to tell.

    Takes what status.json holds, or a whole RoomState. Raises nothing for a status that lacks something.
    """
    from monitor.screen.overview import lines

    room = status if isinstance(status, RoomState) else from_status(status)
    tall = max(height, 24 + len(rows(room.status, "assets")) + len(rows(room.status, "sites")))
    shown = [str(line) for line in lines(room, View(width, tall, selected=-1), keys=False)]
    return squeeze(shown)


def squeeze(lines: list[str]) -> str:
    """Lines with no more than one empty line between them."""
    kept: list[str] = []
    for line in lines:
        if line.strip() or (kept and kept[-1].strip()):
            kept.append(line.rstrip())
    return "\n".join(kept).strip("\n")


def encodable(text: str, encoding: str | None) -> str:
    """Text that a terminal of this encoding shows without escapes: what it lacks becomes a plain character."""
    try:
        text.encode(encoding or "ascii")
        return text
    except (UnicodeEncodeError, LookupError):
        plain = text.replace("…", "~").replace("·", ".").replace("–", "-").replace("’", "'").replace("œ", "oe")
        name = encoding if encoding and known_encoding(encoding) else "ascii"
        return plain.encode(name, "replace").decode(name)


def known_encoding(name: str) -> bool:
    try:
        "".encode(name)
    except LookupError:
        return False
    return True


# words


def quality_word(point: Point) -> str:
    return {0: _("good"), 1: _("uncertain"), 2: _("bad")}.get(point.quality, _("bad"))


def value_text(point: Point | None) -> str:
    """A value with its unit; "-" where nothing could be decoded; nothing is rounded away that a person needs."""
    if point is None:
        return "-"
    if point.exact:
        return clean(point.exact, 12)
    if point.value is None or point.value != point.value:
        return "-"
    if point.quantity == "selector":
        return {1.0: _("AUTO"), 0.0: _("HAND")}.get(point.value, number_text(point.value))
    if point.quantity in ("running", "vendor_flag") and point.value in (0.0, 1.0):
        return _("yes") if point.value else _("no")
    unit = {"degC": "°C", "m3/h": "m³/h", "m3": "m³", "1": ""}.get(point.unit, point.unit)
    unit = unit.replace("³", "3")  # every font and every code page has the digit
    return f"{number_text(point.value)} {clean(unit, 8)}".strip()


def clock_text(us: int | None, room: RoomState, form: str = "%H:%M:%S") -> str:
    """Local time of day with its offset."""
    return local_text(us, room.zone, form)


def short_time(us: int | None, room: RoomState) -> str:
    """A moment in eleven cells: the time if it is less than 20 h ago, else the date (with the year when it is old)."""
    if us is None:
        return "-"
    ago_s = (room.now_us - us) / 1e6
    moment = datetime.fromtimestamp(us / 1e6, UTC).astimezone(room.zone)
    if -60 < ago_s < 20 * 3600:
        return moment.strftime("%H:%M:%S")
    return moment.strftime("%m-%d %H:%M" if ago_s < 300 * 86_400 else "%Y-%m-%d")


def age_of(us: int | None, room: RoomState) -> str:
    return age_text(None if us is None else (room.now_us - us) / 1e6)


# line 1 and the banners


def head(room: RoomState, view: View) -> Line:
    """Line 1: the mode, then who is alive, each with its age; trouble is never the part that is cut off."""
    status = room.status
    parts = [(100, mode_word(room)), (99, _("SIMULATED") if room.simulated else "")]
    parts.append((98, clean(room.trouble, 40)))
    parts.append(daemon_part(room))
    parts.append(store_part(room))
    parts.append((91, _("ledger CUT") if status and status.get("ledger_lost") is True else ""))
    if room.live:  # what a dead daemon last said of its feeds is no news
        sources = rows(status, "sources")
        up = sum(one.get("state") == "up" for one in sources)
        parts.append((80 if up < len(sources) else 40, _("poll {up}/{total}").format(up=up, total=len(sources))))
        parts.append(overload_part(room))
        parts.append(clock_part(status))
        parts.append(vendor_part(room, view))
        parts.append(rejected_part(room))
    end = clock_text(room.now_us, room) if view.wide else clock_text(room.now_us, room)[:8]
    kind = "manual" if room.period else "banner" if room.blind else "head"
    return Line(budget(parts, view.width, end), kind)


def mode_word(room: RoomState) -> str:
    if room.period:
        return _("MANUAL DRILL") if room.period.drill else _("MANUAL")
    if room.quiet:
        return "HANDWHEEL " + _("STOPPED")
    if room.blind:
        return "HANDWHEEL " + _("BLIND")
    return "HANDWHEEL " + _("AUTO")


def daemon_part(room: RoomState) -> tuple[int, str]:
    age = age_text(room.life.age_s)
    match room.life.word:
        case "running":
            return 60, _("daemon OK {age}").format(age=age)
        case "hung":
            return 95, _("daemon HUNG {age}").format(age=age)
        case "stopped":
            return 95, _("daemon stopped {age}").format(age=age)
        case "never":
            return 95, _("daemon: no data")
        case "unread":
            return 95, _("daemon: not read")
    return 95, _("daemon DEAD {age}").format(age=age)


def store_part(room: RoomState) -> tuple[int, str]:
    if room.store_word:
        return 90, clean(room.store_word, 24)
    if not room.live:
        return 5, ""
    store = part(room.status, "store")
    state = str(store.get("state", "?"))
    if state == "ok":
        return 20, _("store OK")
    if state == "full":
        share = as_number(part(room.status, "disk").get("share"))
        return 90, _("disk {share} % FULL").format(share="?" if share is None else int(100 * share))
    return 90, _("store {word}").format(word=clean(state, 12).upper())


def overload_part(room: RoomState) -> tuple[int, str]:
    """For an hour after polls or alerts were lost because there were too many of them."""
    overload = part(room.status, "overload")
    at_us = time_us(overload.get("at"))
    if at_us is None or room.now_us - at_us > LOST_TOLD_US:
        return 5, ""
    counts = {name: int(as_number(overload.get(name)) or 0) for name in ("polls_lost", "entries_lost", "alerts_lost")}
    if counts["polls_lost"]:
        return 88, _("{n} polls LOST").format(n=counts["polls_lost"])
    return 88, _("{n} alerts LOST").format(n=counts["alerts_lost"] + counts["entries_lost"])


def clock_part(status: Mapping[str, Any]) -> tuple[int, str]:
    """Its word stays when a vendor's trouble wants the room: by the clock messages are compared."""
    clock = part(status, "clock")
    state = str(clock.get("state", "unknown"))
    match state:
        case "synced":
            return 45, _("clock OK")
        case "unknown":
            return 50, _("clock ?")
        case "holdover":
            error_s = as_number(clock.get("uncertainty_s"))
            return 65, _("clock drifts, +-{error} s").format(error=number_text(error_s, 1))
        case "manual":
            return 65, _("clock set by hand")
    return 85, _("clock {word}").format(word=_("SUSPECT") if state == "suspect" else clean(state, 12).upper())


def vendor_part(room: RoomState, view: View) -> tuple[int, str]:
    """The age of the newest vendor message; before it a feed that is late, by its name, the longest silent first."""
    feeds = rows(room.status, "vendor")
    if not feeds:
        return 5, ""
    late = [one for one in feeds if one.get("late")]
    if late:
        ages = [as_number(one.get("age_s")) for one in late]
        silent_s = [float("inf") if age_s is None else age_s for age_s in ages]
        longest = silent_s.index(max(silent_s))
        text = _("{feed} LATE {age}") if ages[longest] is not None else _("{feed} LATE, never heard")
        feed = clean(late[longest].get("feed") or "?", 24 if view.wide else 10)
        text = text.format(feed=feed, age=age_text(ages[longest]))
        return 70, text + (f" +{len(late) - 1}" if len(late) > 1 else "")
    heard = [age_s for one in feeds if (age_s := as_number(one.get("age_s"))) is not None]
    return (15, _("vendor {age}").format(age=age_text(min(heard)))) if heard else (30, _("vendor: nothing yet"))


def rejected_part(room: RoomState) -> tuple[int, str]:
    """Messages of which no alert could be made: an asking vendor that nobody hears is no silent vendor."""
    count = rejected_count(room)
    return 75, _("vendor: {n} REJECTED").format(n=count) if count else ""


def rejected_count(room: RoomState) -> int:
    """How many vendor messages lie rejected, as the daemon last told; an older status.json tells of none."""
    return int(as_number(part(room.status, "rejected").get("count")) or 0)


def as_number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def banners(room: RoomState, view: View, brief: bool = False) -> list[Line]:
    """What stands below line 1 when something has died or a person has declared manual mode (house.md, section 5).

    `brief` leaves out what is offered: on a page of one asset there is no room for it, and Esc is near.
    """
    found: list[Line] = []
    for text, kind in sayings(room):
        if brief and kind == "offer":
            continue
        found += [Line(" " + line, kind) for line in wrap(text, view.width - 2)]
    return found


def sayings(room: RoomState) -> list[tuple[str, str]]:
    """Each thing to be said, as (text, kind)."""
    said = []
    if room.period:
        said.append((manual_saying(room), "manual"))
    if room.quiet:
        when = clock_text(room.life.at_us, room)
        who = role_word(room.life.role) if room.life.role else _("somebody")
        said.append((_("handwheel was stopped as planned by {role} at {time}").format(role=who, time=when), "manual"))
    elif room.blind:
        said.append((blind_saying(room), "banner"))
        said.append((offered_when_blind(room), "offer"))
    for site in room.lost_sites:
        lost = age_text(as_number(site.get("lost_s")) or as_number(site.get("oldest_s")))
        name = clean(site.get("name") or site.get("id"), 30)
        text = _("TELEMETRY LOST at {site} for {age}: phone or visit").format(site=name, age=lost)
        said.append((text + offered_when_lost(room), "banner"))
    return said


def manual_saying(room: RoomState) -> str:
    period = room.period
    assert period is not None
    text = _("MANUAL since {time} ({age}), control lost declared by {role}").format(
        time=clock_text(period.since_us, room), age=age_of(period.since_us, room), role=role_word(period.role)
    )
    where = f" [{', '.join(clean(site, 12) for site in period.sites)}]" if period.sites else ""
    drill = _("DRILL") + ": " if period.drill else ""
    return drill + text + where + ".  " + _("m opens the manual screen")


def blind_saying(room: RoomState) -> str:
    """The first sentence is the same in every case, because a person learns it by heart."""
    first = _("handwheel is blind; automation is probably still running; look at SCADA or the local panel")
    age = age_text(room.life.age_s)
    match room.life.word:
        case "never":
            why = _("no data since this computer started, or the daemon was never run here")
        case "unread":
            why = _("this screen cannot read what the daemon writes; line 1 says why")
        case "hung":
            why = _("the daemon does not answer any more; last words {age} ago").format(age=age)
        case _word if room.life.role:
            why = _("stopped by {role} at {time}, and it has not come back").format(
                role=role_word(room.life.role), time=clock_text(room.life.at_us, room)
            )
        case _word:
            why = _("the daemon has died; last words {age} ago").format(age=age)
    return _("BLIND") + f": {first} ({why})"


def offered_when_blind(room: RoomState) -> str:
    """P-17 first, then what can be read. Nothing here says HAND: our blindness is not the plant's failure."""
    if not room.procedures:
        return _("offered: P-17 manual round; p lists the procedures, m opens the manual screen")
    ids = " ".join(one.id for one in room.procedures if one.id != "P-17" and one.form is False and not one.by_hand)
    return _("offered: P-17 manual round.  To read: {ids}.  p lists them, m opens the manual screen").format(ids=ids)


def offered_when_lost(room: RoomState) -> str:
    applying = [one.id for one in room.procedures or () if one.applies] or ["P-17"]
    return "; " + ", ".join(applying) + "  " + _("(p: because ...)")


def second_line(room: RoomState, view: View) -> list[Line]:
    """The banners, or the highest open alarm, or that there is none."""
    found = banners(room, view)
    if found:
        return found
    alarms = sorted((one for one in open_alarms(room) if one.state not in QUIET), key=urgency)
    if not alarms:
        return [Line(" " + _("no open alert"), "dim")]
    first, others = alarms[0], alarms[1:]
    more = [f"+{sum(one.priority == rank for one in others)} {MARKS[rank]}" for rank in MARKS
            if any(one.priority == rank for one in others)]  # fmt: skip
    text = f" {MARKS[first.priority]} {short_time(first.at_us, room)} {clean(first.asset, 12)}: "
    end = " ".join([alarm_word(first.state), *more])
    middle = f"{clean(first.says, 120)} ({origin_word(first.origin)})"
    middle = fit(middle, max(view.width - cells(text) - cells(end) - 2, 10))
    return [Line(f"{text}{middle}  {end}", "", ((1, 4, KINDS[first.priority]),))]


def urgency(alarm: Alarm) -> tuple[bool, bool, int, int]:
    """What must be told first: not acknowledged, active, by priority, newest first (as the daemon ranks them)."""
    return not alarm.unacknowledged, not alarm.active, alarm.priority, -(alarm.at_us or 0)


def origin_word(origin: object) -> str:
    words = {"vendor": _("Vendor"), "own": _("Own model"), "plc": _("PLC"), "monitor": _("handwheel")}
    return words.get(str(origin), clean(origin or "-", 10))


def foot(view: View, keys: list[str], notice: str = "") -> list[Line]:
    """The last lines of a page: the answer to the last key, then the keys."""
    told = [Line(" " + line, "notice") for line in wrap(clean(notice, 300), view.width - 2)] if notice else []
    return [*told, *(Line(" " + text, "keys") for text in keys)]
