"""What stands before a person at work: the situation, what applies, the run at hand, what falls due, the keys.

Pure functions of one look, shared by console and screen; a line never exceeds its width and says everything without
colour.
"""

from __future__ import annotations

from collections.abc import Iterable

from fallback_procedures.journal import Journal
from fallback_procedures.library import Library
from fallback_procedures.open_period import Told, ended_text
from fallback_procedures.place import Look
from fallback_procedures.run import Run, where_lost, word
from fallback_procedures.triggers import Offer
from fallback_procedures.view import (
    behind_text,
    beside,
    due_line,
    marked,
    marked_by,
    owed_lines,
    repeat_lines,
    spoken,
    status_note,
    step_lines,
)
from fallback_procedures.words import (
    _,
    age_text,
    clean,
    clock_text,
    language,
    local_text,
    number_shown,
    role_text,
    wrapped,
)

DANGERS = ("chlorine_gas", "barrier_lost")  # seen: people's lives depend on what is done next


def margin(drill: bool) -> str:
    """What stands before each line in a drill."""
    return _("DRILL") + " " if drill else ""


def mode_lines(look: Look, width: int) -> list[str]:
    """Line 1 (and 2 where it is narrow): MANUAL since ..., DRILL, ROUND or READING, with the time of day."""
    period, clock = look.period, local_text(look.now.wall_s, "%H:%M:%S")
    if period.declared and not period.ended:
        at = clock_text(period.since.get("at"))
        age = age_text(period.age_s(look.now.wall_s, look.now.up_s, look.now.boot_id))
        text = _("MANUAL since {time} ({age})  CONTROL LOST declared by {role}").format(
            time=at, age=age, role=role_text(period.declared_by)
        )
        text += ": " + (where_lost(period) if period.sites else _("all stations"))
    elif period.entries and not period.ended and period.drill:
        text = _("CONTROL LOST is not declared")
    elif period.entries and not period.ended:
        text = _("ROUND, CONTROL LOST is not declared")
    else:
        text = _("READING, CONTROL LOST is not declared")
    if look.known.simulated:
        text = _("SIMULATED") + "  " + text
    right = _("you: {role}").format(role=role_text(look.role)) + f"  {clock}"
    first, *rest = wrapped(text, max(width - len(right) - 2, 12))
    ended = ended_text(look.ended) if look.ended else ""
    told = [f"! {one}" for one in (look.warning, ended, others_text(look), real_text(look)) if one]
    return [beside(first, right, width), *rest, *(line for one in told for line in wrapped(one, width))]


def others_text(look: Look) -> str:
    """That more than one period is open, which one this is, and the key that ends another; "" where it is alone."""
    if not look.others:
        return ""
    told = _("{n} PERIODS ARE OPEN. This is {this}. Another: {other}. Z ends it.")
    more = f" (+{len(look.others) - 1})" if len(look.others) > 1 else ""
    return told.format(n=len(look.others) + 1, this=clean(look.period.name.partition(".")[0], 30),
                       other=other_text(look.others[0]) + more)  # fmt: skip


def other_text(one: Told) -> str:
    """A period by its file, what it is, since when and by whom."""
    what = _("CONTROL LOST is declared") if one.declared else _("CONTROL LOST is not declared")
    where = f" ({clean(', '.join(one.sites), 60)})" if one.sites else ""
    since = _("since {time} by {role}").format(time=clock_text(one.since.get("at")),
                                               role=role_text(word(one.since, "role")))  # fmt: skip
    return f"{clean(one.name.partition('.')[0], 30)}, {what}{where}, {since}"


def real_text(look: Look) -> str:
    """In a drill: that a real period is open; "" where none is."""
    told = _("A REAL PERIOD IS OPEN: leave the drill with q and start handwheel-manual without --drill")
    return told if look.real else ""


def why_line(look: Look) -> str:
    """Line 2: what is known of handwheel."""
    return look.known.text


def list_lines(look: Look, library: Library, width: int, at: str = "") -> tuple[list[str], list[tuple[str, str]]]:
    """The list, numbered: open runs (`at` is the one at hand), then what applies under its reason.

    With it what each number means: ("run", its id) or (id of a procedure, site).
    """
    lines: list[str] = []
    chosen: list[tuple[str, str]] = []

    def numbered(text: str, first: str, second: str) -> None:
        chosen.append((first, second))
        mark = ">" if first == "run" and second == at else " "
        lines.extend(wrapped(text, width, f"{mark}{len(chosen):>2} ", "    "))

    def offered(offers: Iterable[Offer]) -> None:
        because = ""
        for offer in offers:
            entry = library.get(offer.id, language())
            if entry is None:
                continue
            if offer.because != because:
                because = offer.because
                lines.extend(wrapped(_("because {why}").format(why=because) + ":", width, " ", "  "))
            numbered(f"{offer.id} {offer.site}".strip() + f"  {entry.title}", offer.id, offer.site)

    offered(one for one in look.offers if one.event in DANGERS)  # a danger to life stands before all that runs
    for run in look.period.open_runs():
        numbered(f"{run_place(run)}  {run.procedure.title}", "run", run.id)
    lines.append(_("PROCEDURES THAT APPLY"))
    offered(one for one in look.offers if one.event not in DANGERS)
    if not look.offers:
        unknown = _("cannot tell; all procedures follow, by consequence")
        lines += wrapped(unknown if look.to_read else _("none"), width, " ", " ")
    if look.after_declaring:
        waiting = ", ".join(look.after_declaring)
        lines += wrapped(_("after CONTROL LOST is declared (c): {ids}").format(ids=waiting), width, " ", "  ")
    if look.to_read and look.offers:
        lines += wrapped(_("to read, by consequence:"), width, " ", " ")
    for name in look.to_read:
        entry = library.get(name, language())
        if entry and all(offer.id != name for offer in look.offers):
            numbered(f"{name}  {entry.title}", name, "")
    return lines, chosen


def value_rows(rows: Iterable[tuple[str, str, str, str]]) -> list[tuple[str, str, str, str]]:
    """Last known values in the words of the reader: decimal sign, unit, quality."""
    words = {"good": _("good"), "uncertain": _("uncertain"), "bad": _("bad")}
    return [(tag, number_shown(value).replace("degC", "°C"), words.get(quality, quality), age)
            for tag, value, quality, age in rows]  # fmt: skip


def table(rows: Iterable[tuple[str, ...]], widths: tuple[int, ...]) -> list[str]:
    """Rows as columns of these widths, the last one free."""
    return ["  ".join(f"{cell[:width]:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows]


def all_lines(library: Library, width: int) -> list[str]:
    """All procedures and forms: id, revision, state, title."""
    rows = []
    for name in [*library.ids(), *library.ids("F")]:
        entry = library.get(name, language())
        if entry is None:
            continue
        procedure = entry.procedure
        state = _("FAULTY") if procedure is None else "" if procedure.approved else _("DRAFT")
        foreign = "" if entry.language == language() else f" [{entry.language}]"
        rows.append((name, procedure.revision if procedure else "-", state, entry.title + foreign))
    return [line[:width] for line in table(rows, (4, 3, max(6, *map(len, (_("FAULTY"), _("DRAFT")))), 60))]


def run_place(run: Run) -> str:
    """A run and its place in one word: "P-03-1 R 2/14"."""
    return " ".join(
        part for part in (run.id, run.site, f"{run.cursor or '-'}/{run.procedure.steps[-1].number}") if part
    )


def other_line(look: Look, at: str) -> str:
    """The other open runs and how to change to them; "" where there is none."""
    others = [run_place(run) for run in look.period.open_runs() if run.id != at]
    return _("OTHER") + "  " + "  ".join(others) + "  " + _("(x, then its number)") if others else ""


def run_title(run: Run, width: int) -> list[str]:
    """The head of a run: id, site, title, how far; that it is a draft."""
    order = [step.number for step in run.procedure.steps]
    at = _("step {n} of {last}").format(n=run.cursor, last=order[-1]) if run.cursor else behind_text(run)
    site = f" {run.site}" if run.site else ""
    lines = [beside(f"{run.id}{site}  {run.procedure.title}", at, width)]
    return lines + (wrapped(status_note(run.procedure), width) if not run.procedure.approved else [])


def at_hand_lines(run: Run, width: int) -> list[str]:
    """The step at hand, whole; behind the last one: what to do next."""
    if run.step is not None:
        return owed_lines(run, width) + step_lines(run.step, run.sheet, width, marked(run, run.cursor), run)
    left = run.left()
    text = _("All steps are marked. f ends the run, r begins the next round.")
    if left:
        text = _("Behind the last step. Not marked: {steps}. g goes there, r begins the next round, f ends the run.")
    lines = wrapped(text.format(steps=" ".join(left)), width)
    for one in run.procedure.repeats:
        lines += repeat_lines(one, run.sheet, width)
    if run.procedure.hand_back:
        lines += wrapped(spoken(run.procedure.hand_back, run.sheet), width, _("Hand back") + ": ", "    ")
    return lines


def run_lines(run: Run, width: int, room: int, top: int = 0) -> list[str]:
    """A run in `room` lines: the step at hand before all else, then what fits of the steps around it.

    A step longer than the room is shown from its line `top` on, and how much is left is said.
    """
    head, now = run_title(run, width), at_hand_lines(run, width)
    head = head if len(head) + len(now) <= room else head[:1]
    room -= len(head)
    if len(now) > room:
        return [*head, *scrolled(now, max(room, 2), top)]
    order = [step.number for step in run.procedure.steps]
    at = order.index(run.cursor) if run.cursor in order else len(order)
    before = [short_line(run, number, width) for number in order[:at]]
    kept = before[-min(3, room - len(now)) :] if run.cursor else before[-(room - len(now)) :]
    after = [
        line
        for step in run.procedure.steps[at + 1 :]
        for line in (
            [short_line(run, step.number, width)]
            if step.number in run.marks
            else step_lines(step, run.sheet, width, " [ ]", run)
        )
    ]
    body = [*kept, *now, *after] if room > len(now) else now
    return [*head, *body[:room]]


def unseen(run: Run, width: int, room: int, top: int) -> int:
    """How many lines further down the step at hand itself is told, behind its warnings; 0 where it is on the screen."""
    head, now = run_title(run, width), at_hand_lines(run, width)
    step = run.step
    if step is None or len(head) + len(now) <= room:
        return 0
    label = _label(run, step.number)
    own = wrapped(("(!) " if step.second_person else "") + spoken(step.text, run.sheet), width, label, " " * len(label))
    return max(0, own_line(run, width) + len(own) - (top + max(room - 1, 2) - 1))


def own_line(run: Run, width: int) -> int:
    """The line of the step at hand where it itself begins, behind its warnings and its HOLD."""
    told = at_hand_lines(run, width) if run.step else []
    return next((at for at, line in enumerate(told) if line.startswith(_label(run, run.cursor))), 0)


def _label(run: Run, number: str) -> str:
    return f"{marked(run, number)} {number:>3}  "


def scrolled(lines: list[str], room: int, top: int) -> list[str]:
    """`room` lines of a longer text, the last one saying how many are left."""
    top = max(0, min(top, len(lines) - (room - 1)))
    left = len(lines) - top - (room - 1)
    told = _("-- {n} more lines: arrow down --").format(n=left) if left else _("-- end; arrow up goes back --")
    return [*lines[top : top + room - 1], told]


def short_line(run: Run, number: str, width: int) -> str:
    """A step that is not at hand in one line, with time and role of its mark."""
    step = run.procedure.step(number)
    text = spoken(step.text, run.sheet) if step else ""
    return beside(f"{marked(run, number)} {number:>3}  {text}", marked_by(run, number), width)


def late(look: Look) -> list[tuple[str, str]]:
    """What is late: run and words."""
    return [(due.run, due.text) for due in look.due if due.in_s is not None and due.in_s <= 0]


def due_text(look: Look) -> str:
    """What falls due next, in one line; "" for nothing."""
    shown = [f"{due.run} {due_line(due)}" for due in look.due[:3]]
    return _("DUE") + "  " + " | ".join(shown) if shown else ""


def kept_line(journal: Journal, entries: int, width: int) -> str:
    """Where the entries lie, one line, the end of the path being told; what is wrong with that is told whole."""
    if not journal.safe:
        return f"! {journal.where}"
    text = _("{n} entries kept in {where}").format(n=entries, where="")
    path = journal.where or str(journal.path)
    room = max(width - len(text), 10)
    return text + (path if len(path) <= room else "..." + path[3 - room :])


def key_lines(text: str, width: int) -> list[str]:
    """A row of keys, broken between keys and never inside one. Keys are parted by two spaces."""
    lines = [""]
    for part in (piece for long in text.split("  ") for piece in wrapped(long, width)):
        longer = f"{lines[-1]}  {part}" if lines[-1] else part
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines
