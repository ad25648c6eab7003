"""The list of procedures as `handwheel-manual --list --json` tells it: first what applies now, and why.

Pure: lines from a RoomState and a View. Here a procedure is only read; it is worked on in the manual screen.
"""

from monitor.screen.pieces import Line, fit, page, rule, window, wrap
from monitor.screen.room import Procedure, RoomState
from monitor.screen.text import View, banners, foot, head
from monitor.words import _, clean


def items(room: RoomState, view: View) -> list[Procedure]:
    """Those that apply first, in the order of the fallback, which sorts by consequence."""
    wanted = view.needle.casefold()
    found = [one for one in room.procedures or () if wanted in f"{one.id} {one.title}".casefold()]
    return sorted(found, key=lambda one: not one.applies)


def lines(room: RoomState, view: View) -> list[Line]:
    """The whole page."""
    found = items(room, view)
    title = _("PROCEDURES  plain files: they work with everything else off")
    top = [head(room, view), *banners(room, view), Line(" " + title, "strong"), rule(view.width)]
    keys = [_("Enter read  m opens the manual screen  / filter"), _("Esc back  ? help")]
    bottom = [rule(view.width), *foot(view, keys, view.notice)]
    space = view.height - len(top) - len(bottom)
    return page([*top, *table(room, view, found, space)], bottom, view.width, view.height)


def table(room: RoomState, view: View, found: list[Procedure], space: int) -> list[Line]:
    if room.procedures is None:
        text = _("the fallback has not answered yet; handwheel-manual in another terminal needs none of this")
        return [Line(" " + line, "dim") for line in wrap(text, view.width - 2)]
    if not found:
        return [Line(" " + _("no procedure fits"), "dim")]
    told: list[Line] = []
    chosen: list[int] = []
    for number, one in enumerate(found):
        selected = number == view.selected
        revision = "  " + _("rev {n}").format(n=clean(one.revision, 10)) if one.revision else ""
        text = f"{'>' if selected else ' '}{fit(one.id, 5)} {clean(one.title, 60)}{revision}"
        told.append(Line(fit(text, view.width).rstrip(), "selected" if selected else "strong" if one.applies else ""))
        chosen.append(number)
        if one.because:
            words = _("because {reason}").format(reason=clean(one.because, 200))
            for line in wrap(words, view.width - 9)[:2]:
                told.append(Line(" " * 7 + line))
                chosen.append(number)
    at = chosen.index(view.selected) if view.selected in chosen else 0
    start = window(len(told), at, space)
    return told[start : start + space]
