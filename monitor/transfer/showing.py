"""What an import would bring, in lines for whoever decides on it: counts, spans, the first rows, and doubts."""

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from drivers.record import Quality
from monitor.plant import Settings
from monitor.transfer.decoding import counted
from monitor.transfer.impossible import bounds
from monitor.transfer.staging import Found
from monitor.words import _, clean, local_text

_TAGS_SHOWN = 40


def lines(path: Path, found: Found, settings: Settings, remarks: Sequence[str]) -> list[str]:
    """What would come in, in lines; the doubts about it stand at the end, where they are seen."""
    zone = ZoneInfo(settings.time_zone)
    told = _counts(clean(path.name, 60), found)
    for name, span in sorted(found.spans.items())[:_TAGS_SHOWN]:
        gap = ""
        if span.gap_us:
            gap = _("; longest gap {hours} h after {at}").format(
                hours=round(span.gap_us / 3.6e9, 2), at=local_text(span.gap_at_us, zone)
            )
        told.append(
            _("  {tag}: {rows} from {first} to {last}{gap}").format(
                tag=clean(name, 60),
                rows=span.rows,
                first=local_text(span.first_us, zone),
                last=local_text(span.last_us, zone),
                gap=gap,
            )
        )
    if len(found.spans) > _TAGS_SHOWN:
        told.append(_("  and {n} more").format(n=len(found.spans) - _TAGS_SHOWN))
    if found.columns:
        told.append(_("its columns, as they were understood:"))
        told += [f"  {clean(line, 160)}" for line in found.columns]
    if found.shown:
        told.append(_("the first, as they would be kept:"))
        told += [f"  {clean(line, 160)}" for line in found.shown]
    if found.unmapped:
        told.append(_("columns that the mapping does not name: {names}").format(names=_few(found.unmapped)))
    if found.strange:
        told.append(_("names that the mapping does not have: {names}").format(names=counted(found.strange)))
    if found.faults:
        told.append(_("the first that cannot come in:"))
        told += [f"  {clean(line, 200)}" for line in found.faults]
    return [*told, *outside(found, settings), *(f"!! {one}" for one in (*remarks, *found.remarks))]


def _counts(name: str, found: Found) -> list[str]:
    """Each line of the file in one count, and the samples by quality."""
    before = [
        words.format(n=n) for n, words in ((found.before, _("{n} before the data")), (found.blank, _("{n} blank"))) if n
    ]
    counts = [
        words.format(n=n)
        for n, words in (
            (found.part, _("{n} in part")), (found.refused, _("{n} not at all")),
            (found.empty, _("{n} without a value")),
            (found.unknown, _("{n} of names that the mapping does not have")),
        )
        if n
    ]  # fmt: skip
    whole = _("{n} come in whole").format(n=found.whole)
    parts = "; ".join(", ".join(one) for one in (before, [whole, *counts]) if one)
    told = [_("{file}: {n} lines: {parts}").format(file=name, n=found.lines, parts=parts)]
    if found.qualities:
        words = {Quality.GOOD: _("good"), Quality.UNCERTAIN: _("uncertain"), Quality.BAD: _("bad")}
        shown = ", ".join(f"{found.qualities[one]} {words[one]}" for one in words if found.qualities[one])
        told.append(_("{n} samples can come in: {shown}").format(n=found.rows, shown=shown))
    return told


def outside(found: Found, settings: Settings, *, short: bool = False) -> list[str]:
    """How many values of each tag cannot have been measured; most of them is a sign of a wrong unit."""
    told = []
    for tag in settings.tags:
        span = found.spans.get(tag.name)
        if span is None or not (span.outside or span.marks):
            continue
        if short:
            if span.outside:
                told.append(_("{n} outside the limits of {tag}, kept as bad").format(n=span.outside, tag=tag.name))
            if span.marks:
                words = _("{n} of {tag} are numbers that stand for none, kept as bad")
                told.append(words.format(n=span.marks, tag=tag.name))
            continue
        low, high = ("-" if one is None else f"{one:g}" for one in bounds(tag))
        lines = []
        if span.outside:
            words = _("{n} of {rows} outside the limits of {tag} ({low} to {high} {unit}): they come in as bad")
            lines.append(words.format(n=span.outside, rows=span.rows, tag=tag.name, low=low, high=high, unit=tag.unit))
        if span.marks:
            words = _("{n} of {rows} of {tag} are numbers that stand for none: they come in as bad; see [missing]")
            lines.append(words.format(n=span.marks, rows=span.rows, tag=tag.name))
        if span.least <= span.most:
            lines.append(_("from {least} to {most}").format(least=f"{span.least:g}", most=f"{span.most:g}"))
        if 2 * (span.outside + span.marks) > span.rows:
            lines.append(_("most of them: a wrong unit? look at unit and factor in the mapping"))
        told.append("!! " + "; ".join(lines))
    return told


def _few(names: Sequence[str], limit: int = 10) -> str:
    more = f" ... ({len(names)})" if len(names) > limit else ""
    return ", ".join(clean(name, 40) for name in names[:limit]) + more
