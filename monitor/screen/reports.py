"""The page of reports, drift audits and manual periods: what was made, what it says in a word, where its files lie.

Pure: lines from a RoomState and a View. Signing an audit is asked of the daemon, as every change is.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from monitor.progress import from_json
from monitor.screen.overview import filter_words
from monitor.screen.owed import reminder
from monitor.screen.pieces import Cell, Line, page, row, rule, window, wrap
from monitor.screen.room import Entry, Rejected, Report, RoomState, part, time_us
from monitor.screen.text import View, banners, foot, head, short_time
from monitor.words import _, clean

LETTERS = {".html": "H", ".pdf": "P", ".txt": "T", ".csv": "C"}
AROUND = 4


@dataclass(frozen=True, slots=True)
class Item:
    """One row: a report with its files, an audit, a manual period."""

    at_us: int
    kind: str
    result: str
    files: tuple[str, ...] = ()
    audit_id: str = ""
    signed: bool = False
    about: tuple[str, ...] = ()  # of a period: from when to when, and what was not met at hand-back

    @property
    def readable(self) -> str:
        """The text version, which the screen can show."""
        return next((one for one in self.files if one.endswith(".txt")), "")


def items(room: RoomState, view: View) -> list[Item]:
    """Newest first."""
    audits = [audit_item(one, room) for one in room.past.audits]
    periods = [period_item(one, room) for one in room.past.periods]
    told = {path for one in (*audits, *periods) for path in one.files}
    found = [report_item(one) for one in room.reports if not told & set(one.files)]
    found += audits
    found += periods
    found += [rejected_item(one) for one in room.rejected]
    wanted = view.needle.casefold()
    chosen = [one for one in found if wanted in f"{one.kind} {one.result}".casefold()]
    return sorted(chosen, key=lambda one: -one.at_us)


def report_item(report: Report) -> Item:
    return Item(report.made_us, kind_word(report.kind), clean(report.stem, 60), report.files)


def kind_word(kind: str) -> str:
    words = {
        "comparison": _("vendor comparison"),
        "sovereignty": _("sovereignty"),
        "audit": _("drift audit"),
        "review": _("vendor review"),
        "debrief": _("debrief"),
    }
    return words.get(kind, clean(kind, 18))


def audit_item(entry: Entry, room: RoomState) -> Item:
    audit_id = str(entry.data.get("audit_id") or "")
    checks = [one for one in entry.data.get("checks") or () if isinstance(one, dict)]
    wrong = Counter(clean(one.get("name"), 20) for one in checks if one.get("word") not in ("PASS", None))
    names_wrong = [f"{name} x{count}" if count > 1 else name for name, count in wrong.items()]
    signed = audit_id in room.past.signed
    sign = _("signed") if signed else _("not signed")
    result = f"{clean(entry.data.get('word'), 12)}  {sign}" + (f"  {', '.join(names_wrong[:3])}" if wrong else "")
    names = {str(one) for one in entry.data.get("files") or ()}
    files = tuple(
        path for one in room.reports for path in one.files
        if Path(path).name in names or "/".join(Path(path).parts[-2:]) in names
    )  # fmt: skip
    return Item(entry.at_us, _("drift audit"), result, files, audit_id, signed)


def period_item(entry: Entry, room: RoomState) -> Item:
    """A time run by hand, or a drill: when, how long until it was stable, and what was not met at hand-back."""
    data = entry.data
    kind = _("fallback drill") if data.get("drill") is True else _("manual period")
    kind = {"round": _("round, blind"), "paper": _("from paper")}.get(str(data.get("sort")), kind)
    start_us, end_us = time_us(data.get("start")), time_us(data.get("end"))
    sites, unmet, words = data.get("sites"), data.get("unmet"), list[str]()
    if isinstance(sites, list) and sites:
        words.append(", ".join(clean(one, 12) for one in sites[:4]))
    if isinstance(unmet, list) and unmet:
        words.append(_("{n} NOT MET at hand-back").format(n=len(unmet)))
    if stable := data.get("stable_after"):
        words.append(_("stable after {span}").format(span=clean(stable, 12)))
    span = (f"{short_time(start_us, room)} - {short_time(end_us, room)}",)
    stem = str(data.get("report") or "")
    files = tuple(path for one in room.reports if stem and one.stem == stem for path in one.files)
    missing = (
        [_("not met: {what}").format(what=clean(one, 200)) for one in unmet[:2]] if isinstance(unmet, list) else []
    )
    return Item(start_us or entry.at_us, kind, "  ".join(words), files, about=(*span, *missing))


def rejected_item(one: Rejected) -> Item:
    result = f"{clean(one.name, 60)}: {clean(one.reason.removeprefix(one.name + ': '), 200)}"
    return Item(one.at_us, _("REJECTED message"), result, (one.path,))


def lines(room: RoomState, view: View) -> list[Line]:
    """The whole page."""
    found = items(room, view)
    title = Line(" " + _("REPORTS AND AUDITS") + under_way(room), "strong")
    owed = [Line(" " + line) for line in wrap(reminder(room), view.width - 2)]
    top = [head(room, view), *banners(room, view), title, *owed, rule(view.width)]
    bottom = [rule(view.width), *detail(view, found), *foot(view, key_lines(), view.notice or filter_words(view))]
    space = view.height - len(top) - len(bottom)
    return page([*top, *table(room, view, found, space)], bottom, view.width, view.height)


def under_way(room: RoomState) -> str:
    """What the worker is doing now and how far it is, after the title; "" where it does nothing."""
    worker = part(room.status, "worker") if room.live else {}
    job = clean(worker.get("job") or "", 30)
    progress = from_json(worker.get("progress"))
    words = progress.text if progress else _("under way")
    return f"   {job}: {words}" if job else ""


def key_lines() -> list[str]:
    return [
        _("Enter read  S sign  v review  f jobs without a finding  / filter"),
        _("files: H = HTML  P = PDF  T = text  C = CSV     m MANUAL  Esc back  ? help"),
    ]


def table(room: RoomState, view: View, found: list[Item], space: int) -> list[Line]:
    sizes = (11, 18, view.width - 1 - 11 - 18 - 9 - 3, 9)
    titles = (_("Made"), _("Kind"), _("Result"), _("Files"))
    told = [row([Cell(text, size) for text, size in zip(titles, sizes, strict=True)], kind="title", start=" ")]
    if not found:
        return [*told, Line(" " + _("nothing was made yet; handwheel report comparison makes the first"), "dim")]
    shown = max(space - 1, 1)
    start = window(len(found), view.selected, shown)
    for number, item in enumerate(found[start : start + shown], start):
        letters = [letter for end, letter in LETTERS.items() if any(one.endswith(end) for one in item.files)]
        texts = (short_time(item.at_us, room), item.kind, item.result, " ".join(letters))
        parts = [Cell(text, size) for text, size in zip(texts, sizes, strict=True)]
        selected = number == view.selected
        told.append(row(parts, kind="selected" if selected else "", start=">" if selected else " "))
    return told


def detail(view: View, found: list[Item]) -> list[Line]:
    """Where the files of the selected row lie."""
    told: list[str] = []
    if found:
        item = found[min(view.selected, len(found) - 1)]
        if item.audit_id:
            state = _("signed") if item.signed else _("not signed: S signs it in the name of your role")
            told.append(_("audit {id}: {state}").format(id=clean(item.audit_id, 30), state=state))
        told += item.about
        if item.files:
            folder = Path(item.files[0]).parent
            told += wrap(_("in {folder}").format(folder=clean(folder, 200)), view.width - 2)[:2]
            told += wrap(" ".join(clean(Path(one).name, 60) for one in item.files), view.width - 2)
    told = told[:AROUND]
    return [Line(" " + text) for text in told] + [Line()] * (AROUND - len(told))
