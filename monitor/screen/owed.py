"""Jobs that are done and have no finding yet: without findings nobody is judged, and a review comes to INSUFFICIENT.

Pure: lines from a RoomState and a View.
"""

from collections.abc import Iterable

from monitor.labels import action_word, trigger_word
from monitor.ledger import Record
from monitor.screen.overview import filter_words
from monitor.screen.pieces import Cell, Line, page, row, rule, window, wrap
from monitor.screen.room import DAY_US, Entry, RoomState
from monitor.screen.text import View, banners, foot, head, short_time
from monitor.why.story import Job, jobs_of, replacing
from monitor.words import _, clean, share_text

SPAN_US = 730 * DAY_US  # as long as a review looks back


def jobs(room: RoomState, asset: str) -> list[Job]:
    """The jobs of an asset that were not withdrawn, newest first."""
    records = [record_of(one, asset) for one in room.past.by_asset.get(asset, ())]
    found = [one for one in jobs_of(records, replacing(records)) if one.order is not None]
    return sorted(found, key=lambda job: -(job.done_us or room.now_us))


def record_of(one: Entry, asset: str) -> Record:
    return Record(one.n, one.kind, one.at_us, one.role, "", None, asset, one.component, one.data)


def done(room: RoomState) -> list[tuple[str, Job]]:
    """(asset, job) of all that was done in the span of a review, newest first."""
    since_us = room.now_us - SPAN_US
    found = [(asset, job) for asset in room.past.by_asset for job in jobs(room, asset)
             if job.done_us is not None and job.done_us >= since_us]  # fmt: skip
    return sorted(found, key=lambda pair: -(pair[1].done_us or 0))


def items(room: RoomState, view: View) -> list[tuple[str, Job]]:
    """Those without a finding that holds, in the order of the page."""
    wanted = view.needle.casefold()
    return [(asset, job) for asset, job in done(room) if not job.counted
            and wanted in f"{asset} {job.wo_id} {job.order and job.order.component}".casefold()]  # fmt: skip


def reminder(room: RoomState) -> str:
    """How many jobs that a vendor asked for have a finding by now, and whose; "" where an independent hand saw all."""
    asked = [job for _asset, job in done(room) if job.order and job.order.data.get("trigger") == "vendor_alert"]
    counted = [job.counted for job in asked if job.counted is not None]
    vendors = sum(one.data.get("inspector_party") == "vendor" for one in counted)
    found = len(counted) - vendors
    if found == len(asked):
        return ""
    words = _("by now, an independent finding is entered on {share} of the jobs that a vendor asked for in 24 months")
    told = words.format(share=share_text(found, len(asked)))
    if vendors:
        told += "; " + _("on {n} more the vendor's own, which do not count").format(n=vendors)
    return told + ("; " + _("below half, a review is INSUFFICIENT") if 2 * found < len(asked) else "")


def lines(room: RoomState, view: View) -> list[Line]:
    """The whole page."""
    found = items(room, view)
    title = Line(" " + _("DONE WITHOUT A FINDING  {n} in 24 months").format(n=len(found)), "strong")
    told = [Line(" " + line) for line in wrap(reminder(room), view.width - 2)]
    top = [head(room, view), *banners(room, view), title, *told, rule(view.width)]
    keys = [_("Enter or f enter what was found  / filter  Esc back  ? help")]
    bottom = [rule(view.width), *foot(view, keys, view.notice or filter_words(view))]
    space = view.height - len(top) - len(bottom)
    return page([*top, *table(room, view, found, space)], bottom, view.width, view.height)


def table(room: RoomState, view: View, found: list[tuple[str, Job]], space: int) -> list[Line]:
    sizes = (11, 8, 12, view.width - 1 - 11 - 8 - 12 - 10 - 20 - 5, 10, 20)
    titles = (_("Done"), _("Asset"), _("Part"), _("Work order"), _("What"), _("Because of"))
    told = [row([Cell(text, size) for text, size in zip(titles, sizes, strict=True)], kind="title", start=" ")]
    if not found:
        return [*told, Line(" " + _("none: of every job there is a finding"), "dim")]
    shown = max(space - 1, 1)
    start = window(len(found), view.selected, shown)
    for number, (asset, job) in enumerate(found[start : start + shown], start):
        data = job.order.data if job.order else {}
        texts = (
            short_time(job.done_us, room), clean(asset, 12), clean((job.order and job.order.component) or "-", 14),
            clean(job.wo_id, 40), action_word(data.get("action")), trigger_word(data.get("trigger")),
        )  # fmt: skip
        selected = number == view.selected
        cells = [Cell(text, size) for text, size in zip(texts, sizes, strict=True)]
        told.append(row(cells, kind="selected" if selected else "", start=">" if selected else " "))
    return told


def recent(room: RoomState, asset: str, component: str = "", alert_id: str = "") -> list[Job]:
    """The jobs a person may mean, likely ones first: that name the alert, of the part, that lack a finding, by time."""

    def names(job: Job) -> bool:
        return bool(alert_id) and any(one.data.get("alert_id") == alert_id for one in job.entries)

    def other_part(job: Job) -> bool:
        part = job.order.component if job.order else None
        return bool(component and part) and part != component

    return sorted(jobs(room, asset), key=lambda job: (not names(job), other_part(job), job.counted is not None))


def of_asset(room: RoomState, asset: str) -> Iterable[str]:
    """The names of the asset's components, as configured."""
    told = room.assets.get(asset, {}).get("components") or ()
    return [str(one.get("name")) for one in told if isinstance(one, dict) and one.get("name")]
