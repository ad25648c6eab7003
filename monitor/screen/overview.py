"""The first page: is anything wrong, where, and do vendor and own model differ. Sites above, assets below, worst first.

Pure: lines from a RoomState and a View. The numbers of the foot are counts and the review's status, never money.
"""

from collections.abc import Mapping
from typing import Any

from monitor.drills import due_drills
from monitor.labels import choice_word, health_word, quantity_word, role_word, verdict_word
from monitor.screen.pieces import Cell, Line, budget, fit, page, range_bar, row, rule, trend_bar, window
from monitor.screen.room import (
    ALERT_LINE,
    QUIET,
    RoomState,
    history_only,
    main_point,
    open_alarms,
    own_asks,
    part,
    rows,
    sorted_assets,
    time_us,
    vendor_asks,
    verdict_shown,
)
from monitor.screen.text import (
    BAD,
    KINDS,
    MARKS,
    UNCERTAIN,
    View,
    age_of,
    as_number,
    foot,
    head,
    rejected_count,
    second_line,
    short_time,
    value_text,
)
from monitor.words import _, age_text, clean, index_text, interval_text, utc_text

Asset = Mapping[str, Any]
LINKS_SHOWN = 3
NOW_US = 900_000_000  # a row that is older is not of now
OF_USE = ("starts_per_h", "duty_balance", "npsh_margin")  # lines that change no word


def items(room: RoomState, view: View) -> list[str]:
    """The ids of the assets in the order of the page: what the selection counts."""
    return [str(one.get("id")) for one in sorted_assets(room, view.site, view.needle)]


def lines(room: RoomState, view: View, keys: bool = True) -> list[Line]:
    """The whole page, `view.height` lines of at most `view.width` cells."""
    top = [head(room, view), *second_line(room, view), *site_lines(room, view), *link_lines(room, view)]
    top.append(rule(view.width))
    bottom = [rule(view.width), *tally_lines(room, view)]
    if keys:
        bottom += foot(view, key_lines(room, view), view.notice or filter_words(view))
    space = view.height - len(top) - len(bottom)
    return page([*top, *asset_lines(room, view, space)], bottom, view.width, view.height)


def filter_words(view: View) -> str:
    words = []
    if view.site:
        words.append(_("site: {site}").format(site=clean(view.site, 20)))
    if view.needle:
        words.append(_("filter: {words}").format(words=clean(view.needle, 30)))
    return "  ".join(words)


def key_lines(room: RoomState, view: View) -> list[str]:
    role = _("role: {role}").format(role=role_word(room.role) if room.role else "-")
    first = _("Enter open  a alerts  p procedures  r reports  m MANUAL  / filter  s site")
    second = _("v review  L language  ? help  q quit")
    return [first, budget([(9, second)], view.width - 2, role)]


# sites


def site_lines(room: RoomState, view: View) -> list[Line]:
    """One line per site: how much of it is fresh, who asks for what, the worst open alarm."""
    widths = (6, 8, 9, 6, 7, 6, 5, 12) if view.wide else (6, 7, 7, 5, 6, 6, 5, 9)
    name = view.width - 1 - sum(widths) - len(widths)
    titles = (_("Assets"), _("Fresh"), _("Vendor"), _("Own"), _("Differ"), _("Unack"), _("Worst"), _("Telemetry"))
    header = [Cell(_("Site"), name), *(Cell(text, width, ">") for text, width in zip(titles, widths, strict=True))]
    found = [row(header, kind="title", start=" ")]
    sites = rows(room.status, "sites")
    limit = max(4, view.height // 4)
    assets = rows(room.status, "assets")
    for site in sites[:limit]:
        own = [one for one in assets if one.get("site") == site.get("id")]
        found.append(site_line(room, site, own, name, widths))
    if len(sites) > limit:
        found.append(Line(" " + _("and {n} more sites").format(n=len(sites) - limit), "dim"))
    return found


def site_line(room: RoomState, site: Asset, assets: list[Asset], name: int, widths: tuple[int, ...]) -> Line:
    ids = {str(one.get("id")) for one in assets}
    alarms = [one for one in open_alarms(room) if one.asset in ids and one.state not in QUIET]
    ranks = [one.priority for one in alarms]
    worst = min(ranks, default=0)
    total = as_number(site.get("total"))
    fresh = f"{site.get('good', '?')}/{site.get('total', '?')}" if total and room.live else "-"
    differ = sum(one.get("verdict") in ("vendor_only", "own_only") for one in assets)
    texts = (
        str(len(assets)),
        fresh,
        str(sum(vendor_asks(room, str(one.get("id")), one.get("verdict")) for one in assets)),
        str(sum(own_asks(room, one) for one in assets)),
        str(differ),
        str(sum(one.unacknowledged for one in alarms)),
        MARKS.get(worst, "-"),
        telemetry_word(room, site),
    )
    lost = site.get("state") == "lost" and room.live
    kinds = ("", "", "", "", "", "", KINDS.get(worst, ""), "p1" if lost else "")
    parts = [Cell(clean(site.get("name") or site.get("id"), 40), name)]
    parts += [Cell(text, width, ">", kind) for text, width, kind in zip(texts, widths, kinds, strict=True)]
    return row(parts, start=" ")


def telemetry_word(room: RoomState, site: Asset) -> str:
    """Fresh is said only while the daemon lives; after its death the age of what is known."""
    state, oldest = str(site.get("state")), as_number(site.get("oldest_s"))
    if not as_number(site.get("total")):
        return _("history")
    if not room.live:
        return _("not live")
    if state == "lost":
        return _("LOST {age}").format(age=age_text(as_number(site.get("lost_s")) or oldest))
    if state == "fresh":
        return _("fresh")
    return clean(state, 9)


def link_lines(room: RoomState, view: View) -> list[Line]:
    """The first connections that do not answer, or not for all of their tags, and why."""
    states = {"down": _("no answer"), "degraded": _("answers in part"), "connecting": _("connecting")}
    found = []
    for one in rows(room.status, "sources") if room.live else ():
        if one.get("state") == "up":
            continue
        said = [states.get(str(one.get("state")), clean(one.get("state"), 12)), clean(one.get("note"), 200)]
        unfit = as_number(part(one, "counts").get("unfit")) or 0.0
        said.append(_("answers refused: {n}").format(n=f"{unfit:.0f}") if unfit > 0 else "")
        text = f" {clean(one.get('name'), 24)}: " + "; ".join(words for words in said if words)
        found.append(Line(fit(text, view.width), "dim"))
    return found[:LINKS_SHOWN]


# assets


def asset_lines(room: RoomState, view: View, space: int) -> list[Line]:
    """The table, scrolled so that the selected asset is in sight; what lies outside is counted, not hidden."""
    assets = sorted_assets(room, view.site, view.needle)
    columns = widths_of(view, [str(one.get("id")) for one in assets])
    found = [asset_header(room, view, columns)]
    if not assets:
        word = _("no asset fits the filter") if view.needle or view.site else _("no asset is known yet")
        return [*found, Line(" " + word, "dim")]
    shown = max(space - 1, 1)
    if len(assets) > shown:
        shown -= 1
    start = window(len(assets), max(view.selected, 0), shown)
    for number, asset in enumerate(assets[start : start + shown], start):
        found.append(asset_line(room, asset, columns, number == view.selected))
    if len(assets) > shown:
        words = _("{first}-{last} of {total}").format(
            first=start + 1, last=min(start + shown, len(assets)), total=len(assets)
        )
        found.append(Line(" " + words, "dim"))
    return found


def widths_of(view: View, ids: list[str]) -> dict[str, int]:
    """The width of each column; the name of the asset takes what is left."""
    name = min(max([len(one) for one in ids] + [5]), 9)
    if view.wide:
        columns = {"id": name, "what": 0, "now": 11, "bar": 12, "trend": 10, "vendor": 8, "own": 14, "link": 7}
    else:
        columns = {"id": name, "what": 0, "now": 10, "bar": 7, "vendor": 8, "own": 14, "link": 6}
    columns["verdict"] = 11
    columns["what"] = view.width - 1 - sum(columns.values()) - (len(columns) - 1)
    return columns


def asset_header(room: RoomState, view: View, columns: Mapping[str, int]) -> Line:
    titles = {
        "id": _("Asset"),
        "what": _("What"),
        "now": _("Now") if room.live else _("Last known"),
        "bar": _("lo-range-hi") if view.wide else _("lo-hi"),
        "trend": _("30 d trend"),
        "vendor": _("Vendor"),
        "own": _("Own model"),
        "link": _("Link") if room.live else _("Age"),
        "verdict": _("Verdict"),
    }
    return row([Cell(titles[name], width, ">" if name == "now" else "<") for name, width in columns.items()],
               kind="title", start=" ")  # fmt: skip


def asset_line(room: RoomState, asset: Asset, columns: Mapping[str, int], selected: bool) -> Line:
    asset_id = str(asset.get("id"))
    point = main_point(str(asset.get("kind")), room.points.get(asset_id, ()))
    archived = history_only(room, asset)
    now = "-" if archived else value_text(point)
    if point is not None and point.quality != 0:
        now = f"{now} ?"
    known = point is not None and point.quality != BAD
    bar = range_bar(point.value if known and point else None, point.low if point else None,
                    point.high if point else None, columns["bar"])  # fmt: skip
    ranks = [one.priority for one in open_alarms(room) if one.asset == asset_id and one.state not in QUIET]
    texts = {
        "id": asset_id,
        "what": clean(asset.get("name") or "", 40),
        "now": now,
        "bar": "" if archived or point is None else bar,
        "trend": trend_bar(room.trends.get(point.tag, ()), columns.get("trend", 0)) if point else "",
        "vendor": vendor_word(room, asset),
        "own": own_word(room, asset),
        "link": link_word(room, asset_id, archived),
        "verdict": verdict_word(verdict_shown(room, asset)),
    }
    kinds = {"now": "dim" if not room.live else "p3" if point is not None and point.quality else ""}
    if verdict_shown(room, asset) in ("vendor_only", "own_only", "unjudged"):
        kinds["verdict"] = KINDS.get(min(ranks, default=0), "strong")
    parts = [Cell(texts[name], width, ">" if name == "now" else "<", kinds.get(name, ""))
             for name, width in columns.items()]  # fmt: skip
    return row(parts, kind="selected" if selected else "dim" if archived else "", start=">" if selected else " ")


def vendor_word(room: RoomState, asset: Asset) -> str:
    """asks, silent, or that no vendor watches this asset. Silent is not healthy: it is silent."""
    asset_id = str(asset.get("id"))
    if vendor_asks(room, asset_id, asset.get("verdict")):
        return _("asks")
    configured = room.assets.get(asset_id)
    return _("n/a") if configured is not None and not configured.get("vendor") else _("silent")


def own_word(room: RoomState, asset: Asset) -> str:
    """Our index with the word of its assessment, for a meter the word alone; "-" where nothing was judged."""
    assessment = room.assessments.get(str(asset.get("id")), {})
    index = as_number(asset.get("index", assessment.get("index")))
    word = assessment.get("word")
    if index is None:
        return health_word(word) if word else "-"
    if word is None and own_asks(room, {"index": index}):
        word = "alert"
    if not word:
        return _("index {n}").format(n=index_text(index))
    said = _("sensor") if still_sensor(assessment) else health_word(word)
    return f"{index_text(index)} {said} {index_age(room, assessment)}".rstrip()


def index_age(room: RoomState, told: Asset) -> str:
    """How old the row is that an index rests on, "" for one of now: the pump may stand since then."""
    at_us = time_us(told.get("index_at"))
    return age_of(at_us, room) if at_us is not None and room.now_us - at_us > NOW_US else ""


def still_sensor(told: Asset) -> str:
    """The sensor that stands still, where the word of an assessment comes of that alone."""
    lines = [one for one in told.get("lines") or () if isinstance(one, Mapping) and one.get("word") == "act"]
    index = as_number(told.get("index"))
    if told.get("word") != "alert" or (index is not None and index < ALERT_LINE) or not lines:
        return ""
    if any(one.get("name") not in ("frozen", *OF_USE) for one in lines):
        return ""
    notes = (clean(one.get("note") or "?", 60) for one in lines if one.get("name") == "frozen")
    return next((quantity_word(note.partition(" ")[0]) for note in notes), "")


def own_text(room: RoomState, told: Asset) -> str:
    """The word of an assessment, what it comes of where that is a sensor, and the index with its time if it is old."""
    index, sensor = as_number(told.get("index")), still_sensor(told)
    said = health_word(told.get("word"))
    said += " (" + _("sensor {name} stands still").format(name=sensor) + ")" if sensor else ""
    if index is None:
        return said
    said += (", " if sensor else " ") + _("index {n}").format(n=index_text(index))
    at = short_time(time_us(told.get("index_at")), room)
    return said + (" " + _("at {time}").format(time=at) if index_age(room, told) else "")


def link_word(room: RoomState, asset_id: str, archived: bool) -> str:
    """How fresh the values of an asset are: its own column, never mixed with the verdict."""
    if archived:
        return _("hist.")
    points = room.points.get(asset_id, ())
    times = [one.receive_us for one in points if one.receive_us is not None]
    if not times:
        return "-"
    if not room.live:
        return age_of(min(times), room)
    bad = sum(one.quality == BAD for one in points)
    if bad == len(points):
        return _("NO DATA")
    if bad:
        return _("{n} bad").format(n=bad)
    if any(one.quality == UNCERTAIN for one in points):
        return _("unsure")
    return _("fresh")


# foot


def tally_lines(room: RoomState, view: View) -> list[Line]:
    """Counts over a year, decisions, audit and binder; a review only if one stands in the ledger."""
    tally = room.past.tally
    counts = _("vendor asked {asked}  done {done}  inspected {inspected}  confirmed {confirmed}").format(
        asked=tally.asked, done=tally.done, inspected=tally.inspected, confirmed=tally.confirmed
    )
    parts = [(9, " " + _("365 d")), (9, counts if room.past.head else _("ledger not read yet"))]
    told = [Line(budget(parts, view.width))]
    made = sum(tally.choices.values())
    if view.wide and made:
        words = "  ".join(f"{choice_word(one)} {tally.choices.get(one, 0)}"
                          for one in ("follow", "inspect_first", "defer", "reject"))  # fmt: skip
        decisions = [(9, " " + _("decisions {n}:").format(n=made)), (5, words)]
        told.append(Line(budget(decisions, view.width)))
    if tally.review is not None:
        told.append(Line(budget(review_parts(tally.review), view.width)))
    last = [(5, " " + audit_words(room)), (9, binder_words(room)), (7, drill_words(room))]
    told.append(Line(budget([one for one in last if one[1]], view.width, gap="   ")))
    if count := rejected_count(room):
        words = _("vendor: {n} REJECTED, see rejected/ (r lists them); newest {age} ago: {name}")
        rejected = part(room.status, "rejected")
        age, name = age_text(as_number(rejected.get("age_s"))), clean(rejected.get("newest") or "-", 40)
        told.append(Line(fit(" " + words.format(n=count, age=age, name=name), view.width).rstrip(), "p2"))
    return told


def drill_words(room: RoomState) -> str:
    """The stations whose drill is due; "" where all have practised within their time, or the ledger was not read."""
    if not room.past.head:
        return ""
    sites = [str(one.get("id")) for one in rows(room.status, "sites")]
    due = [
        one
        for one in due_drills((one.data for one in room.past.periods), sites, room.now_us)
        if one.overdue(room.now_us)
    ]
    return _("drill due: {sites}").format(sites=", ".join(clean(one.site, 8) for one in due[:6])) if due else ""


def review_parts(review: Mapping[str, Any]) -> list[tuple[int, str]]:
    """The last review with its own period and count: it covers another stretch of time than the counts above it."""
    start_us, end_us = time_us(review.get("start")), time_us(review.get("end"))
    days = [utc_text(us)[:10] for us in (start_us, None if end_us is None else end_us - 1)]
    evidence = review.get("evidence")
    found = as_number(evidence.get("findings")) if isinstance(evidence, Mapping) else None
    words = _("review {start} - {end}: {status}")
    return [
        (9, " " + words.format(start=days[0], end=days[1], status=clean(review.get("status"), 16))),
        (8, _("findings {n}").format(n="?" if found is None else f"{found:.0f}")),
        (7, unneeded_words(review)),
    ]


def unneeded_words(review: Mapping[str, Any]) -> str:
    """U, the share of done work that findings did not support, with its 90 % interval."""
    evidence = review.get("evidence")
    share = evidence.get("unsupported") if isinstance(evidence, Mapping) else review.get("unsupported")
    if not isinstance(share, Mapping):
        return ""
    value, low, high = (as_number(share.get(name)) for name in ("value", "low", "high"))
    return f"U {interval_text(value, low, high)} 90 %" if value is not None else ""


def audit_words(room: RoomState) -> str:
    if not room.past.audits:
        return _("drift audit: none yet")
    last = room.past.audits[-1]
    return _("drift audit {when} {word}").format(
        when=short_time(last.at_us, room), word=clean(last.data.get("word"), 12)
    )


def binder_words(room: RoomState) -> str:
    """Whether the printed binder is the current one."""
    binder = part(room.status, "binder")
    printed, current = binder.get("printed"), binder.get("current")
    if not current:
        return _("binder: none")
    if not printed:
        return _("binder {mark}: never printed").format(mark=clean(current, 8))
    when = printed.get("at") if isinstance(printed, Mapping) else None
    mark = printed.get("fingerprint") if isinstance(printed, Mapping) else printed
    date = f" {short_time(time_us(when), room)}" if when else ""
    if mark == current:
        return _("binder printed{date}: current").format(date=date)
    return _("binder printed{date}: REPRINT").format(date=date)
