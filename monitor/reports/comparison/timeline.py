"""When the vendor asked, when work was done, what was found and what failed: a picture with one row per part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor.reports.comparison.look import Look, Row, drawn
from monitor.reports.document import Block, Cell, Paragraph
from monitor.reports.drawing import Axis, Frame, days
from monitor.words import _, clean

ROWS = 20  # parts in one picture
PICTURES = 4
DAY_US = 86_400_000_000


@dataclass(slots=True)
class _Part:
    """What happened to one component of one asset in the period."""

    asked: list[Row] = field(default_factory=list)  # vendor alerts
    done: list[Row] = field(default_factory=list)  # vendor-driven jobs
    failed: list[int] = field(default_factory=list)


def timeline(look: Look) -> tuple[Block, ...]:
    """Pictures of the parts of which the vendor asked most often; the CSV has every part."""
    parts = _parts(look)
    most = sorted(parts, key=lambda key: (-len(parts[key].asked), key))[: ROWS * PICTURES]
    chosen = sorted(most)
    pages = [chosen[start : start + ROWS] for start in range(0, len(chosen), ROWS)]
    rows = _rows(look, parts)
    blocks: list[Block] = []
    for n, page in enumerate(pages, 1):
        title = _("When the vendor asked and when work was done ({n} of {pages})").format(n=n, pages=len(pages))
        words = _("each row a part; a number beside a job is the wear found, in per cent of the agreed limit")
        drawing, table = drawn("timeline", _picture(look, parts, page, title, words), title, words, _heads(), rows)
        blocks += [drawing, table] if n == 1 else [drawing]
    if len(parts) > len(chosen):
        blocks.append(Paragraph(_("Shown are the {shown} parts of which the vendor asked most often; and {n} more in"
                                  " timeline.csv.").format(shown=len(chosen), n=len(parts) - len(chosen))))  # fmt: skip
    return tuple(blocks)


def _parts(look: Look) -> dict[tuple[str, str], _Part]:
    found: dict[tuple[str, str], _Part] = {}
    for alert in look.records["vendor_alert"]:
        if alert["active"] is not False:
            found.setdefault((alert["asset"], alert["component"]), _Part()).asked.append(alert)
    for case in look.told.result.cases.to_dict("records"):
        found.setdefault((case["asset"], case["component"]), _Part()).done.append(case)
    for failure in look.records["failure"]:
        found.setdefault((failure["asset"], failure["component"]), _Part()).failed.append(int(failure["at_us"]))
    return found


def _picture(
    look: Look, parts: Mapping[tuple[str, str], _Part], page: Sequence[tuple[str, str]], title: str, words: str
) -> str:
    r, count = look.told.result, len(page)
    names = tuple((count - n - 0.5, clean(" ".join(key), 24)) for n, key in enumerate(page))
    frame = Frame(
        days(_("UTC"), r.start_us, r.end_us), Axis("", 0, count, names), height=84 + 17 * count, left=118, right=26
    )
    marks: list[str] = []
    asked_us = {row["alert_id"]: int(row["at_us"]) for part in parts.values() for row in part.asked}
    for key, (row, _name) in zip(page, names, strict=True):
        part = parts[key]
        for case in part.done:
            at = int(case["at_us"])
            begun = asked_us.get(case["alert_id"])
            if begun is not None:
                marks.append(frame.line([(begun, row), (at, row)], size=1.0))
        marks += [frame.mark(int(alert["at_us"]), row, "asked") for alert in part.asked]
        for case in part.done:
            marks.append(frame.mark(int(case["at_us"]), row, _kind(case)))
            if case["wear"] == case["wear"]:
                label = f"{100 * case['wear']:.0f}"
                marks.append(frame.words(int(case["at_us"]) + r_span(r) / 110, row + 0.12, label, size=7.5))
        marks += [frame.mark(at, row, "failed") for at in part.failed]
    legend = (
        ("asked", _("vendor asked")), ("confirmed", _("job, confirmed")), ("good", _("not confirmed")),
        ("unknown", _("no finding")), ("failed", _("failure")),
    )  # fmt: skip
    return frame.svg(title, words, *marks, legend=legend)


def r_span(r: Any) -> float:
    """Length of the period. [us]"""
    return float(r.end_us - r.start_us)


def _kind(case: Row) -> str:
    if not case["independent"]:
        return "unknown"
    return "confirmed" if case["confirmed"] else "good"


def _heads() -> tuple[str, ...]:
    return (
        "asset", "component", "what", "date", "entry", "alert_id", "wo_id", "age_at_service_d", "wear_pct_of_limit",
        "grade", "independent", "confirmed",
    )  # fmt: skip


def _rows(look: Look, parts: Mapping[tuple[str, str], _Part]) -> list[tuple[Cell, ...]]:
    """All of the picture as rows; the age is that since the last work on the part, where there was one."""
    served: dict[tuple[str, str], list[int]] = {}
    numbers: dict[str, int] = {}
    for job in look.past["work_order"]:
        served.setdefault((job["asset"], job["component"]), []).append(int(job["at_us"]))
        numbers[job["wo_id"]] = int(job["n"])
    rows: list[tuple[Cell, ...]] = []
    for (asset, component), part in sorted(parts.items()):
        place = (asset, component)
        rows += [
            (*place, "vendor asked", look.day(one["at_us"]), int(one["n"]), one["alert_id"], None, None, None, None,
             None, None)
            for one in part.asked
        ]  # fmt: skip
        for case in part.done:
            before = max([us for us in served.get(place, ()) if us < case["at_us"]], default=None)
            age = None if before is None else round((case["at_us"] - before) / DAY_US, 1)
            wear = round(100 * case["wear"], 3) if case["wear"] == case["wear"] else None
            rows.append((
                *place, "job", look.day(case["at_us"]), numbers.get(case["wo_id"]), case["alert_id"], case["wo_id"],
                age, wear, case["grade"] if isinstance(case["grade"], str) else None, int(bool(case["independent"])),
                int(bool(case["confirmed"])),
            ))  # fmt: skip
        rows += [(*place, "failure", look.day(at), *(None,) * 8) for at in part.failed]
    return rows
