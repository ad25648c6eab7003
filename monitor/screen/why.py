"""The page that tells why: one alert with what was said, seen then, decided and found, as `handwheel why` tells it.

Pure: lines from a RoomState, a View and what monitor.why made of the ledger. Nothing is computed again here.
"""

from monitor.screen.help import last_scroll, scrolled
from monitor.screen.pieces import Line, wrap
from monitor.screen.room import RoomState
from monitor.screen.text import View
from monitor.why.asking import Told
from monitor.why.telling import as_lines, sections, title
from monitor.words import _


def body(room: RoomState, view: View, answer: Told) -> list[Line]:
    """Every line of the text, as wide as the terminal."""
    found = [Line(" " + line, "strong") for note in answer.notes for line in wrap(note, view.width - 2)]
    for number, story in enumerate(answer.stories):
        found += [Line(), Line(" " + title(story), "strong")] if number else []
        for line, is_title in as_lines(sections(story, answer, room.zone), view.width):
            found.append(Line(f" {line}" if is_title else line, "strong" if is_title else ""))
    return found


def lines(room: RoomState, view: View, answer: Told) -> list[Line]:
    """The whole page."""
    head = _("WHY") + "  " + title(answer.stories[0])
    return scrolled(room, view, head, body(room, view, answer), key_lines(view), view.notice)


def key_lines(view: View) -> list[str]:
    return [_("arrows or j k scroll  f enter what was found  Esc back  ? help")]


def last(room: RoomState, view: View, answer: Told) -> int:
    """How far it can be scrolled."""
    return last_scroll(view, len(body(room, view, answer)))
