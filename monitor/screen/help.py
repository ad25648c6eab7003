"""The help page and the page that shows a text: a report, a procedure. Pure: lines from a View."""

from monitor.screen.pieces import Line, fit, page, rule, wrap
from monitor.screen.room import RoomState
from monitor.screen.text import View, foot, head
from monitor.words import _, clean


def sections() -> list[tuple[str, list[str]]]:
    """The help, as (title, lines). Key letters are the same in all languages: they are printed on the binder."""
    return [
        (
            _("LINE 1 TELLS WHO IS ALIVE"),
            [
                _("daemon: our own program and the age of its last word; poll: connections that answer"),
                _("store: the history file; clock: time (?: nobody can say); vendor: age of the newest vendor message"),
                _("NAME LATE: this feed of a vendor has been silent for longer than it may be; +1: another one too"),
                _("BLIND: handwheel is dead or hung. The plant probably is not: look at SCADA or the local panel"),
                _("MANUAL: a person has declared control lost; only a person ever does"),
            ],
        ),
        (
            _("MARKS (never colour alone)"),
            [
                _("[1] act now   <2> act this shift   (3) note   ? value not to be trusted"),
                _("VENDOR ONLY: the vendor asks, our model sees no need.  OWN ONLY: the other way round"),
                _("An alert of a vendor, a device or our model is advice: <2> at most, even if sent as critical"),
                _("x3: so many claims stand behind one alert; it shows the one issued last"),
                _("- as the verdict: nobody claims anything, neither the vendor nor our own model"),
                _("not judged: a claim came after the last scoring; if this stays, the scoring has stopped"),
                _("agree: both ask.  cannot tell: too little good data.  Silent and missing are never healthy"),
                _("The own alert of a part may still stand (recovering) while the index is normal again"),
            ],
        ),
        (
            _("KEYS"),
            [
                _("arrows or j k move   Enter open   Esc back   Tab next pane   / filter   s site"),
                _("a alerts   p procedures   r reports   v review   m manual screen   L language   C drawing   q quit"),
                _("asset: 1 follow  2 inspect first  3 defer  4 reject   w span of the trend   b confirm the baseline"),
                _("alerts: x acknowledge  s shelve  d decide      reports: S sign  f jobs without a finding"),
                _("asset, alerts: y why, all that is known of an alert   f enter what was found, or correct it"),
            ],
        ),
        (
            _("IF THIS SCREEN IS DEAD"),
            [
                _("1 another terminal: handwheel-manual      2 the paper binder      3 the call-out list F11"),
            ],
        ),
        (
            _("YOUR RIGHTS"),
            [_("Roles are stored, names are not. How fast anybody works is never measured.")],
        ),
    ]


def help_text(width: int) -> list[Line]:
    found: list[Line] = []
    for title, told in sections():
        found.append(Line(" " + title, "strong"))
        for text in told:
            found += [Line("  " + line) for line in wrap(text, width - 4, "  ")]
    return found


def lines(room: RoomState, view: View) -> list[Line]:
    """The help page."""
    return scrolled(room, view, _("HELP"), help_text(view.width))


def text_lines(room: RoomState, view: View, title: str, text: str) -> list[Line]:
    """A text page: plain, scrolled by lines, foreign characters made safe, long lines cut with a mark."""
    told = [Line(fit(" " + safe(line), view.width).rstrip()) for line in text.splitlines()]
    return scrolled(room, view, title, told)


def safe(line: str) -> str:
    """A line without control characters that keeps its columns."""
    start = len(line) - len(line.lstrip(" "))
    return " " * min(start, 60) + " ".join(clean(part, 400) if part else "" for part in line.strip().split(" "))


def scrolled(
    room: RoomState, view: View, title: str, told: list[Line], keys: list[str] | None = None, notice: str = ""
) -> list[Line]:
    top = [head(room, view), Line(" " + title, "strong"), rule(view.width)]
    last_lines = foot(view, keys or [_("arrows or j k scroll   Esc back")], notice)
    space = view.height - len(top) - 1 - len(last_lines)
    start = min(view.scroll, max(len(told) - space, 0))
    more = f"{min(start + space, len(told))}/{len(told)}" if len(told) > space else ""
    bottom = [rule(view.width, more), *last_lines]
    return page([*top, *told[start : start + space]], bottom, view.width, view.height)


def last_scroll(view: View, count: int) -> int:
    """How far a text of `count` lines can be scrolled."""
    return max(count - (view.height - 5), 0)
