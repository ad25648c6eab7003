"""The page of one asset: what it does now, what our model says and why, what the vendor says, what was decided before.

Pure: lines from a RoomState and a View. On a wide terminal two panes stand side by side; on a narrow one they are pages
(Tab), because two panes do not fit 80 columns without breaking sentences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from drivers.vendor.file_drop import AHEAD, ISSUED
from monitor.labels import (
    alarm_word,
    choice_word,
    code_text,
    limits_past,
    line_word,
    operating_word,
    quantity_word,
    role_word,
    verdict_word,
)
from monitor.reasons import reason_text
from monitor.screen.overview import own_text, own_word
from monitor.screen.pieces import LEVELS, Cell, Line, budget, fit, page, range_bar, row, rule, window, wrap
from monitor.screen.room import (
    DAY_US,
    Entry,
    Point,
    RoomState,
    Trend,
    history_only,
    open_claims,
    rows,
    standing_verdicts,
    time_us,
    unjudged,
    verdict_shown,
)
from monitor.screen.text import (
    BAD,
    View,
    age_of,
    as_number,
    banners,
    foot,
    head,
    quality_word,
    short_time,
    value_text,
)
from monitor.words import _, clean, number_text

SPANS = ("24h", "30d", "1y")
TABS = 4
EITHER = ("running", "vendor_flag", "selector")  # quantities that are one thing or the other
WORST_FIRST = {"act": 0, "warn": 1, "ok": 2, "cannot_tell": 3, "info": 4}  # words of the lines of physics
OLD_US = 60_000_000  # a source time further than this before ours is told beside the value
Pane = list[str]


def points_of(room: RoomState, asset_id: str) -> tuple[Point, ...]:
    """The tags of the asset, in the order of the page: the selection counts them."""
    return room.points.get(asset_id, ())


def lines(room: RoomState, view: View, asset_id: str) -> list[Line]:
    """The whole page of one asset."""
    asset = next((one for one in rows(room.status, "assets") if str(one.get("id")) == asset_id), {})
    top = [head(room, view), *banners(room, view, brief=True), title_line(room, view, asset_id, asset)]
    top += [said_line(room, view, asset_id, asset)]
    bottom = foot(view, key_lines(view), view.notice)
    space = view.height - len(top) - len(bottom)
    body = wide(room, view, asset_id, asset, space) if view.wide else narrow(room, view, asset_id, asset, space)
    return page([*top, *body], bottom, view.width, view.height)


def key_lines(view: View) -> list[str]:
    first = _("1 follow  2 inspect first  3 defer  4 reject   (3 and 4 need a reason)")
    second = _("y why  f finding  w span  m MANUAL  Esc back  ? help")
    return [first, _("b baseline") + "  " + second if view.wide else _("Tab next page") + "  " + second]


def title_line(room: RoomState, view: View, asset_id: str, asset: Mapping[str, Any]) -> Line:
    configured = room.assets.get(asset_id, {})
    site = next((one for one in rows(room.status, "sites") if one.get("id") == asset.get("site")), {})
    where = clean(site.get("name") or asset.get("site") or "", 30)
    parts = [(9, f" {asset_id}"), (9, f"{where} / {clean(asset.get('name') or '', 40)}")]
    if configured.get("criticality"):
        parts.append((4, _("criticality {letter}").format(letter=clean(configured["criticality"], 2))))
    if configured.get("vendor"):
        parts.append((3, _("vendor {name}").format(name=clean(configured["vendor"], 24))))
    parts.append((2, operating_word(asset.get("state")) if asset.get("state") else ""))
    return Line(budget(parts, view.width), "strong")


def said_line(room: RoomState, view: View, asset_id: str, asset: Mapping[str, Any]) -> Line:
    """The verdict with its reason, in one line."""
    word = verdict_shown(room, asset)
    if word == "unjudged":
        return unjudged_line(room, view, asset)
    verdicts = standing_verdicts(room, asset_id) if word else []
    since = time_us(asset.get("since"))
    first = next((one for one in verdicts if one.get("word") == word), verdicts[0] if verdicts else {})
    reason = clean(first.get("reason") or asset.get("note") or "", 200)
    said = verdict_word(word) if word else no_claim(room, asset_id)
    when = _("since {age}").format(age=age_of(since, room)) if since is not None else ""
    provisional = _("provisional") if verdicts and first.get("final") is False else ""
    own = own_word(room, asset)
    known = _("own {index}").format(index=own) if own != "-" else ""  # ahead of the reason, which may be cut
    text = "  ".join(part for part in (f" {said} {when}".rstrip(), known, provisional, reason) if part)
    mark = ((1, 1 + len(said), "strong"),) if word in ("vendor_only", "own_only") else ()
    return Line(fit(text, view.width).rstrip(), "", mark)


def unjudged_line(room: RoomState, view: View, asset: Mapping[str, Any]) -> Line:
    """That a claim stands which the last scoring did not see, and what it says."""
    verdict = asset.get("verdict")
    new = [one for one in open_claims(room, str(asset.get("id"))) if unjudged(room, one, verdict)]
    said = _("not judged yet")
    when = _("since {age}").format(age=age_of(new[0].at_us, room))
    return Line(
        fit(f" {said} {when}  {clean(new[0].says, 160)}", view.width).rstrip(), "", ((1, 1 + len(said), "strong"),)
    )


def no_claim(room: RoomState, asset_id: str) -> str:
    """What is said where no verdict is open: an alert that nobody took back may outlive its claim."""
    if any(one.active and one.origin in ("vendor", "own") for one in open_claims(room, asset_id)):
        return _("no open claim: what still stands was ended by work done or by its age")
    return _("no open claim")


# two ways to lay it out


def wide(room: RoomState, view: View, asset_id: str, asset: Mapping[str, Any], space: int) -> list[Line]:
    """Live values and trend on the left, own model and vendor on the right, decisions below."""
    left, right = 62, view.width - 62 - 3
    decisions = decision_lines(room, asset_id, view.width - 2)[:4]
    upper = max(min(len(points_of(room, asset_id)) + 1, space - len(decisions) - 9), 5)
    lower = max(space - upper - len(decisions) - 3, 5)
    found = [join_rule(live_title(room, asset_id), own_title(room, asset_id), left, right)]
    found += beside(live_lines(room, view, asset_id, left, upper), own_lines(room, asset_id, right), upper, left, right)
    found += [join_rule(trend_title(room, view, asset_id), _("VENDOR"), left, right)]
    trend = [Line(text) for text in trend_lines(room, view, asset_id, left - 1, lower)]
    found += beside(trend, vendor_lines(room, asset_id, right), lower, left, right)
    return [*found, rule(view.width, _("DECISIONS")), *(Line(" " + text) for text in decisions)]


def narrow(room: RoomState, view: View, asset_id: str, asset: Mapping[str, Any], space: int) -> list[Line]:
    """One page at a time: live, own model, vendor, decisions."""
    names = [_("Live"), _("Own model"), _("Vendor"), _("Decisions")]
    tab = view.tab % TABS
    bar = "  ".join(f"[{name}]" if number == tab else f" {name} " for number, name in enumerate(names))
    found = [Line(" " + bar, "title"), rule(view.width)]
    room_left = space - len(found)
    width = view.width - 2
    if tab == 0:
        trend = max(5, room_left - len(points_of(room, asset_id)) - 2)
        live = live_lines(room, view, asset_id, view.width, room_left - trend - 1)
        title = rule(view.width, trend_title(room, view, asset_id))
        return [*found, *live, title, *map(Line, trend_lines(room, view, asset_id, view.width, trend))]
    pane = (own_lines, vendor_lines, decision_lines)[tab - 1](room, asset_id, width)
    first = [own_title(room, asset_id)] if tab == 1 else []
    return [*found, *(Line(" " + text) for text in [*first, *pane])]


def join_rule(left: str, right: str, left_width: int, right_width: int) -> Line:
    return Line(str(rule(left_width - 1, left)) + "-+" + str(rule(right_width + 2, right)), "rule")


def beside(left: Sequence[Line], right: Pane, height: int, left_width: int, right_width: int) -> list[Line]:
    """Two panes of the same height with a bar between them; what is too long is cut with a mark."""
    found = []
    for number in range(height):
        line = left[number] if number < len(left) else Line()
        text = right[number] if number < len(right) else ""
        joined = f"{fit(line.text, left_width)}| {fit(text, right_width)}".rstrip()
        whole = ((0, left_width - 1, line.kind),) if line.kind else ()  # the look of the left pane ends with it
        found.append(Line(joined, "", (*whole, *line.marks)))
    return found


# live values


def live_title(room: RoomState, asset_id: str) -> str:
    if not room.live:
        return _("LAST KNOWN, NOT LIVE")
    times = [one.receive_us for one in points_of(room, asset_id) if one.receive_us is not None]
    if not times:
        return _("LIVE")
    taken = [one.source_us for one in points_of(room, asset_id) if one.source_us is not None and dated_back(one)]
    if taken:  # received just now is not taken just now
        words = _("LIVE, oldest {age}, by its source {taken}")
        return words.format(age=age_of(min(times), room), taken=age_of(min(taken), room))
    return _("LIVE, oldest {age}").format(age=age_of(min(times), room))


def dated_back(point: Point) -> bool:
    """Whether the device itself says that the value is old."""
    if point.source_us is None or point.receive_us is None or point.quality == BAD:
        return False
    return point.receive_us - point.source_us > OLD_US


def live_lines(room: RoomState, view: View, asset_id: str, width: int, height: int) -> list[Line]:
    """A row per tag: value, limits with the place of the value between them, quality in words."""
    points = points_of(room, asset_id)
    if not points:
        asset = next((one for one in rows(room.status, "assets") if str(one.get("id")) == asset_id), {})
        text = _("no source reads this asset: only its history is known") if history_only(room, asset) else "-"
        return [Line(" " + line) for line in wrap(text, width - 2)]
    sizes = (10, 5, 10, 5, 10) if width < 70 else (11, 6, 14, 6, 16)
    name = width - 1 - sum(sizes) - len(sizes)
    header = [Cell("", name), Cell(_("now") if room.live else _("known"), sizes[0], ">"), Cell(_("lo"), sizes[1], ">"),
              Cell(_("range"), sizes[2]), Cell(_("hi"), sizes[3]), Cell(_("quality"), sizes[4])]  # fmt: skip
    found = [row(header, kind="title", start=" ")]
    shown = max(height - 1, 1)
    start = window(len(points), view.selected, shown)
    for number, point in enumerate(points[start : start + shown], start):
        found.append(live_line(room, point, point_word(point, points), name, sizes, number == view.selected))
    return found


def point_word(point: Point, points: Sequence[Point]) -> str:
    """What tells this tag from the others of its asset: its quantity where that is one of a kind, else its own name."""
    alone = sum(one.quantity == point.quantity for one in points) == 1
    if alone and point.quantity not in ("", "other"):
        return quantity_word(point.quantity)
    return clean(point.name.rpartition(".")[2].replace("_", " "), 40)


def live_line(room: RoomState, point: Point, word: str, name: int, sizes: Sequence[int], selected: bool) -> Line:
    known = point.quality != BAD
    words = quality_word(point) if room.live else age_of(point.receive_us, room)
    reasons = reason_words(point)
    if dated_back(point):
        old = _("{age} old").format(age=age_of(point.source_us, room))
        both = f"{reasons or words}, {old}"
        reasons = both if len(both) <= sizes[4] or reasons else old
    kind = "dim" if not room.live else "p3" if point.quality else ""
    head = [Cell(word, name)]
    if point.labels and point.value is not None and point.value == point.value:
        text = code_text(point.value, dict(point.labels), bits=point.bits)
        parts = [*head, Cell(text, sum(sizes[:4]) + 3, "<", kind), Cell(reasons or words, sizes[4], "<", kind)]
        return row(parts, kind="selected" if selected else "", start=">" if selected else " ")
    parts = [
        *head,
        Cell(value_text(point), sizes[0], ">", kind),
        Cell(limit_text(point.low), sizes[1], ">"),
        Cell(range_bar(point.value if known else None, point.low, point.high, sizes[2]), sizes[2]),
        Cell(limit_text(point.high), sizes[3]),
        Cell(reasons or words, sizes[4], "<", kind),
    ]
    return row(parts, kind="selected" if selected else "", start=">" if selected else " ")


def limit_text(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def reason_words(point: Point) -> str:
    """Why a value is not good, in the words of the house; "" for a good one with nothing to tell."""
    from drivers.record import Reason

    words = {
        "comms": _("no answer"),
        "device": _("device"),
        "exception": _("refused"),
        "sensor": _("sensor"),
        "sentinel": _("not avail."),
        "config": _("config"),
        "out_of_range": _("impossible"),
        "gap": _("gap"),
        "stale": _("stale"),
        "frozen": _("frozen"),
        "rate": _("too fast"),
        "spike": _("spike"),
        "spec": _("beyond spec"),
        "crosscheck": _("mismatch"),
        "substitute": _("substitute"),
        "initial": _("initial"),
        "manual": _("by hand"),
        "clock": _("clock"),
        "check_function": _("test mode"),
        "forced": _("forced"),
        "maintenance": _("maint."),
        "estimated": _("estimated"),
        "break": _("new meaning"),
        "imported": _("imported"),
    }
    told = [words.get(word, word) for word in Reason(point.reasons).words if word != "ok"]
    return ", ".join(told)


# trend


def trend_point(room: RoomState, view: View, asset_id: str) -> Point | None:
    points = points_of(room, asset_id)
    return points[min(view.selected, len(points) - 1)] if points else None


def trend_title(room: RoomState, view: View, asset_id: str) -> str:
    point = trend_point(room, view, asset_id)
    span = {"24h": _("24 h"), "30d": _("30 d"), "1y": _("1 y")}[view.span]
    if point is None:
        return _("TREND")
    unit = f" {clean(point.unit, 8)}" if point.unit not in ("", "1") else ""
    more = f"  {clean(point.description, 40)}" if point.description else ""
    return _("TREND") + f" {point_word(point, points_of(room, asset_id))}{unit}  {span}{more}"


def trend_lines(room: RoomState, view: View, asset_id: str, width: int, height: int) -> Pane:
    """A chart of characters: one column per stretch of time, the value's row marked; blank where nothing is known."""
    point = trend_point(room, view, asset_id)
    focus = room.focus
    if point is None:
        return []
    if focus is None or focus.tag != point.tag or focus.span != view.span:
        return [" " + _("reading ...")]
    return [" " + text for text in chart(focus, room, width - 1, max(height, 3), point)]


def chart(trend: Trend, room: RoomState, width: int, height: int, point: Point | None = None) -> Pane:
    """`height` lines: the chart with its highest and lowest value at the left, then the times.

    Of a yes or no (`point`) the axis goes from one to the other: a mean between them is a share of the time.
    """
    label = 8
    inner = width - label - 1
    columns = regroup(trend.values, inner)
    known = [value for value in columns if value is not None]
    if not known:
        return [_("no good value in this time")]
    low, high = min(known), max(known)
    either = point is not None and point.quantity in EITHER and 0 <= low <= high <= 1
    if either:
        low, high = 0.0, 1.0
    elif high - low < 0.02 * max(abs(low), abs(high)):  # noise is not made large
        low, high = min(0.98 * low, 1.02 * low), max(0.98 * high, 1.02 * high)
    levels = height - 1
    found = []
    for level in range(levels - 1, -1, -1):
        text = ""
        for value in columns:
            text += " " if value is None else cell_of(value, low, high, level, levels)
        name = high if level == levels - 1 else low if level == 0 else None
        words = value_text(replace(point, value=name, exact="")) if either and point else number_text(name, 4)
        found.append(fit(words if name is not None else "", label, ">") + " " + text.rstrip())
    start, end = (datetime.fromtimestamp(us / 1e6, UTC).astimezone(room.zone) for us in (trend.start_us, room.now_us))
    form = "%H:%M" if trend.span == "24h" else "%m-%d" if trend.span == "30d" else "%Y-%m-%d"
    left, right = start.strftime(form), end.strftime(form)
    found.append(" " * (label + 1) + left + fit(right, max(inner - len(left), len(right)), ">"))
    return found


def cell_of(value: float, low: float, high: float, level: int, levels: int) -> str:
    """The character of one column in one level: nothing above or below the value's own level."""
    if high == low:
        return "-" if level == levels // 2 else " "
    place = (value - low) / (high - low) * levels
    if min(int(place), levels - 1) != level:
        return " "
    part = min(max(place - level, 0.0), 0.999)
    return LEVELS[int(part * 3)] if levels > 1 else LEVELS[int(part * len(LEVELS))]


def regroup(values: Sequence[float | None], count: int) -> list[float | None]:
    """The same stretch of time in `count` columns."""
    columns: list[float | None] = []
    for column in range(count):
        start, end = column * len(values) // count, (column + 1) * len(values) // count
        group = [one for one in values[start : max(end, start + 1)] if one is not None]
        columns.append(sum(group) / len(group) if group else None)
    return columns


# own model


def own_title(room: RoomState, asset_id: str) -> str:
    told = room.assessments.get(asset_id)
    if told is None:
        return _("OWN MODEL")
    return _("OWN MODEL") + "  " + own_text(room, told)


def own_lines(room: RoomState, asset_id: str, width: int) -> Pane:
    """Index, state, own alerts, what contributes most, the lines of physics, and what the model cannot know."""
    told = room.assessments.get(asset_id)
    if told is None:
        return wrap(_("not assessed: no fitted model, or nothing was scored yet. No data is never healthy."), width)
    assessed = short_time(time_us(told.get("at")) or from_ms(told.get("at_ms")), room)
    state = operating_word(told.get("state"))
    found = [_("alert line 50, state {state} at {time}").format(state=state, time=assessed)]
    for one in rows(told, "own_alerts"):
        since = short_time(time_us(one.get("since")), room)
        words = _("own alert {part}: {stage} since {time}")
        stage = stage_word(one.get("stage"))
        found += wrap(words.format(part=clean(one.get("component") or "", 14), stage=stage, time=since), width, "  ")
    said = [reason_text(one, 160) for one in list(told.get("reasons") or ())[:4]]
    reasons = [line for one in said for line in wrap(one, width, "  ")[:2]]
    blind = as_number(told.get("index")) is None
    found += reasons if blind else []
    found += weight_lines(room, told, width)
    found += [] if blind else reasons
    found += wrap(learned_words(told), width, "  ")
    found += physics_lines(room, told, width)
    share = as_number(told.get("good_share"))
    if share is not None:
        found.append(_("on {share} good data").format(share=f"{100 * share:.0f} %"))
    return found


def weight_lines(room: RoomState, told: Mapping[str, Any], width: int) -> Pane:
    """The three largest contributions to the index: value, what was to be expected, share."""
    top = [one for one in told.get("contributions") or told.get("top") or () if isinstance(one, Mapping)]
    found = [_("what weighs most,") + " " + as_of(room, told.get("index_at"))] if top else []
    for one in top[:3]:
        name, unit = quantity_word(str(one.get("quantity"))), clean(one.get("unit") or "", 8)
        share = as_number(one.get("share"))
        value, expected = (number_text(as_number(one.get(key))) for key in ("value", "expected"))
        weight = f" ({number_text(share, 2)} %)" if share is not None else ""
        words = _(" {name} {value} {unit}, expected {expected}")
        text = words.format(name=name, value=value, unit=unit, expected=expected)
        found += wrap(text + weight, width, "  ")
    return found


def physics_lines(room: RoomState, told: Mapping[str, Any], width: int) -> Pane:
    """The lines of physics, those that warn first: word, value with its uncertainty, what is usual, where it warns."""
    physics = [one for one in told.get("physics") or told.get("lines") or () if isinstance(one, Mapping)]
    found = [_("lines of physics,") + " " + as_of(room, told.get("lines_at"))] if physics else []
    for one in sorted(physics, key=lambda one: WORST_FIRST.get(str(one.get("word")), 2))[:4]:
        value, spread, usual, warn, act = (
            as_number(one.get(name)) for name in ("value", "uncertainty", "reference", "warn", "act")
        )
        text = quantity_word(str(one.get("name")))
        if value is not None:
            text += f" {number_text(value)}" + (f" +/- {number_text(spread, 2)}" if spread else "")
            text += f" {clean(one.get('unit') or '', 10)}"
        text += f": {line_word(one.get('word'))}"
        if usual is not None and usual not in (0.0, warn):
            text += ", " + _("ref. {value}").format(value=number_text(usual))
        if one.get("word") in ("warn", "act"):
            warn, act = limits_past(value, usual, warn, act)
        limits = [number_text(limit) for limit in (warn, act) if limit is not None]
        text += ", " + _("limit {limits}").format(limits=" / ".join(limits)) if limits else ""
        found += wrap(text, width, "  ")
    return found


def learned_words(told: Mapping[str, Any]) -> str:
    """From when to when the model was learned, and which role confirmed that the asset was sound then."""
    model = told.get("model")
    if not isinstance(model, Mapping):
        return ""
    start, end = (clean(model.get(name) or "?", 24)[:10] for name in ("window_start", "window_end"))
    role = role_word(model["confirmed_by"]) if model.get("confirmed_by") else _("nobody yet")
    return _("learned from {start} to {end}, confirmed by: {role}").format(start=start, end=end, role=role)


def stage_word(stage: object) -> str:
    """How far an own alert is in its life."""
    words = {"raised": _("raised"), "recovering": _("recovering")}
    return words.get(str(stage), clean(stage or "-", 12))


def as_of(room: RoomState, at: object) -> str:
    """The time of the model's values beside live ones: the pump may have stopped since, and then they are its last."""
    when = time_us(at)
    return _("as of {time}, running:").format(time=short_time(when, room) if when is not None else "?")


def from_ms(at_ms: object) -> int | None:
    return int(at_ms * 1000) if isinstance(at_ms, int | float) else None


# vendor


def vendor_lines(room: RoomState, asset_id: str, width: int) -> Pane:
    """What the vendor asks for now and how often it asked in a year, with what was found."""
    found: Pane = []
    for alarm in open_claims(room, asset_id, "vendor")[:2]:
        when = short_time(alarm.at_us, room)
        part = f"{clean(alarm.component, 14)}: " if alarm.component else ""
        found += wrap(f"{when} {part}{clean(alarm.says, 160)}", width)[:3]
        found += wrap("  " + (alarm_word(alarm.state) if alarm.state else _("stands; no alert of it is open")), width)
    if not found:
        found = wrap(_("asks for nothing now (silent is not healthy)"), width)
    year = [one for one in room.past.by_asset.get(asset_id, ()) if one.at_us >= room.now_us - 365 * DAY_US]
    asked = {str(one.data.get("alert_id")) for one in year if one.kind == "vendor_alert"
             and one.data.get("active") is not False}  # fmt: skip
    if ahead := [one for one in year if one.data.get(ISSUED) == AHEAD]:
        issued = clean(ahead[-1].data.get("issued_at") or "", 20)
        found += wrap(_("the vendor's time {time} is not believable").format(time=issued), width)
    orders = {str(one.data.get("wo_id")) for one in year if one.kind == "work_order"
              and one.data.get("trigger") == "vendor_alert" and one.data.get("done")}  # fmt: skip
    grades = [str(one.data.get("grade")) for one in year if one.kind == "finding"
              and str(one.data.get("wo_id")) in orders]  # fmt: skip
    found += wrap(
        _("365 d: asked {asked}, done {done}, inspected {inspected}, confirmed {confirmed}").format(
            asked=len(asked),
            done=len(orders),
            inspected=len(grades),
            confirmed=sum(grade in ("D", "E") for grade in grades),
        ),
        width,
    )
    if grades:
        found.append(_("as found: {grades}").format(grades=" ".join(grades[-10:])))
    return found


# decisions


def decision_lines(room: RoomState, asset_id: str, width: int) -> Pane:
    """Decisions, jobs and findings of the asset, newest first."""
    entries = [one for one in room.past.by_asset.get(asset_id, ()) if one.kind in ("decision", "finding", "failure")]
    entries.sort(key=lambda one: one.at_us)
    if not entries:
        return [_("none yet")]
    return [fit(past_text(entry, room), width).rstrip() for entry in reversed(entries[-12:])]


def past_text(entry: Entry, room: RoomState) -> str:
    data, when = entry.data, fit(short_time(entry.at_us, room), 11)
    part = f" {clean(entry.component, 14)}" if entry.component else ""
    if entry.kind == "decision":
        until = time_us(data.get("until"))
        to = " " + _("until {when}").format(when=short_time(until, room)) if until is not None else ""
        why = f": {clean(data.get('reason'), 120)}" if data.get("reason") else ""
        who = f" ({role_word(entry.role)})" if entry.role else ""
        return f"{when} {choice_word(data.get('choice'))}{to}{part}{who}{why}"
    if entry.kind == "finding":
        wear = _(", wear {share}").format(share=clean(data["wear_pct"], 8)) if data.get("wear_pct") else ""
        return (
            _("{when} found{part}: grade {grade}").format(when=when, part=part, grade=clean(data.get("grade"), 2))
            + wear
        )
    return _("{when} FAILED{part}: {mode}").format(when=when, part=part, mode=clean(data.get("mode"), 40))
