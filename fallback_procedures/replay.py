"""The entries of a journal read from the beginning: the period and its runs as they stand behind the last one.

Entries are never changed: an undo is a new entry, and what it takes back is as if it had not been said
(monitor/periods/period.py has the same rule).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from fallback_procedures.ahead import holds_passed
from fallback_procedures.journal import Line
from fallback_procedures.procedure import Procedure, Repeat, parse
from fallback_procedures.run import Event, Mark, Period, Run, Taken, safe, word
from fallback_procedures.sheet import Sheet

ENDS = ("handed_back", "closed")  # entries that end a period; nothing takes them back
MOVES = ("done", "not_applicable", "not_met", "goto", "round")  # entries that bring a run to another step


def replay(name: str, lines: list[Line]) -> Period:
    """The period that these entries tell. An entry of an unknown kind changes nothing and is kept."""
    undone = taken_back(lines)
    period = Period(name, bool(lines and lines[0].get("drill")), entries=tuple(lines), undone=undone,
                    since=lines[0] if lines else Line())  # fmt: skip
    for line in lines:
        if line.mark not in undone:
            period = _told(period, line)
    return period


def taken_back(lines: Sequence[Line]) -> frozenset[str]:
    """The marks of the entries that were taken back: each undo takes back one that stands before it, and one only.

    That is the one of the number and mark which it names; one without a mark, of an older journal, takes back the
    newest of that number and its own run.
    """
    there: dict[tuple[object, ...], str] = {}  # by number and mark, and by number and run (the newest) -> mark
    found = set()
    for line in lines:
        if line.get("drill") != lines[0].get("drill") or line["kind"] in ENDS:
            continue
        run = line.get("run")
        run = run[:2000] if isinstance(run, str) else ""
        if line["kind"] != "undo":
            there[line["n"], "mark", line.mark] = there[line["n"], "run", run] = line.mark
        elif type(line.get("undoes")) is int:
            how = ("mark", str(line["undoes_mark"])) if "undoes_mark" in line else ("run", run)
            found.add(there.get((line["undoes"], *how), ""))
    return frozenset(found - {""})


def is_over(lines: Sequence[Line]) -> bool:
    """Whether a period has ended. An end of a drill ends no real period, nor the other way round."""
    return any(line["kind"] in ENDS and line["drill"] == lines[0]["drill"] for line in lines)


def go_on(period: Period, lines: list[Line]) -> Period:
    """The period that these entries tell; what `period` has told of them already is not told again."""
    added = lines[len(period.entries) :]
    if any(line["kind"] == "undo" for line in added) or tuple(lines[: len(period.entries)]) != period.entries:
        return replay(period.name, lines)
    if not period.entries or not added:
        return replay(period.name, lines) if added else period
    period = replace(period, entries=tuple(lines))
    for line in added:
        period = _told(period, line)
    return period


def _told(period: Period, line: Line) -> Period:
    kind = line["kind"]
    if bool(line.get("drill")) != period.drill:  # an entry of a drill among real ones, or the other way round
        return period
    if kind == "declared":
        return _lost(period, line)
    if kind in ENDS:
        return replace(period, ended=True)
    if kind == "started":
        run = _begun(line)
        return replace(period, runs={**period.runs, run.id: run}) if run else period
    if kind in ("seen", "seen_over"):
        return replace(period, events=_events(period.events, line))
    if kind == "stable":
        return replace(period, stable=period.stable or line)
    if kind == "handed_over":
        return replace(period, shift=line)
    run = period.runs.get(word(line, "run"))
    if run is None:
        return period
    run = replace(_stepped(run, line), last=line)
    if kind in MOVES:
        run = replace(run, reached=line.mark, entered={**_entered(run, line), **run.entered})
    return replace(period, runs={**period.runs, run.id: run})


def _entered(run: Run, line: Line) -> dict[int, Line]:
    """The repeats that the step at hand belongs to: their first round counts from the entry that led there."""
    return {index: line for index, one in enumerate(run.procedure.repeats) if run.cursor in _range(run.procedure, one)}


def _lost(period: Period, line: Line) -> Period:
    """CONTROL LOST at one site more; what is said twice keeps its first entry, and without a site it is for all."""
    told = line.get("sites")
    sites = [safe(site) for site in told if isinstance(site, str)] if isinstance(told, list) else []
    lost = {**period.lost, **{site: line for site in sites or [""] if site not in period.lost}}
    if period.declared:
        return replace(period, lost=lost)
    return replace(period, declared=True, declared_by=word(line, "role"), lost=lost, since=line)


def _begun(line: Line) -> Run | None:
    """The run that an entry began; None where another program wrote its text: the entry stays, it cannot go on here."""
    procedure = _parsed(str(line.get("source", "")))
    if procedure is None or not procedure.steps:
        return None
    values: dict[str, str] = {}
    for part in (line.get("values"), line.get("tags")):
        values.update({safe(key): safe(value) for key, value in part.items()} if isinstance(part, dict) else {})
    site, role = word(line, "site"), word(line, "sheet_approved_by")
    run = Run(word(line, "run"), procedure, Sheet(site, approved_by=role, values=values), site,
              bool(line.get("drill")), procedure.steps[0].number, started=line, last=line,
              reached=line.mark)  # fmt: skip
    return replace(run, entered=_entered(run, line))


@lru_cache(maxsize=64)
def _parsed(source: str) -> Procedure | None:
    return parse(source)[0]


def _events(events: tuple[Event, ...], line: Line) -> tuple[Event, ...]:
    """The open events after one more entry; what is said twice keeps the time of the first."""
    key = (word(line, "event"), word(line, "site"))
    there = any((one.event, one.site) == key for one in events)
    if line["kind"] == "seen_over":
        return tuple(one for one in events if (one.event, one.site) != key)
    return events if there else (*events, Event(*key, word(line, "text"), line))


def _stepped(run: Run, line: Line) -> Run:
    """The run after one entry of it."""
    kind, number = line["kind"], word(line, "step")
    if kind in ("done", "not_applicable", "not_met"):
        goes = word(line, "goto")
        mark = Mark(kind, word(line, "role"), word(line, "at"), word(line, "text") or word(line, "early"),
                    goes if line.get("out_of_limits") is True else "")  # fmt: skip
        marked = replace(run, marks={**run.marks, number: mark})
        return _gone_to(marked, goes) if goes else _reach(marked, _after(marked, number))
    if kind == "reading":
        within = line.get("in_limits")
        taken = Taken(word(line, "name"), word(line, "value"), word(line, "unit"),
                      within if isinstance(within, bool) else None, word(line, "at"), number, line.mark,
                      word(line, "asset"))  # fmt: skip
        still = {key: role for key, role in run.verified.items() if key != number}
        return replace(run, readings=(*run.readings, taken), fresh=(*run.fresh, line.mark), verified=still)
    if kind == "released":
        return replace(run, released=(*run.released, number))
    if kind == "verified":
        return replace(run, verified={**run.verified, number: word(line, "verified_by")})
    if kind == "goto":
        return _gone_past(run, number, line)
    if kind == "timer":
        return replace(run, timers={**run.timers, number: line})
    if kind in ("round", "repeat_over"):
        index = line.get("repeat")
        if not isinstance(index, int) or not 0 <= index < len(run.procedure.repeats):
            return run
        if kind == "repeat_over":
            return replace(_past(run, line), over=run.over | {index})
        repeat = run.procedure.repeats[index]
        again = _without(run, _range(run.procedure, repeat))
        count = run.rounds.get(index, (0, None))[0] + 1
        rounds = {**run.rounds, index: (count, line)}
        return _reach(replace(again, rounds=rounds, over=run.over - {index}), repeat.first)
    return replace(run, finished=True) if kind == "finished" else run


def _gone_past(run: Run, number: str, line: Line) -> Run:
    """The run at a step where a person went on; a HOLD that was passed by on the way holds it there too."""
    owed = holds_passed(run, number)
    gone = _gone_to(run, number)
    still = tuple(key for key in gone.released if key not in owed)
    more = (*gone.owed, *(key for key in owed if key not in gone.owed))
    return _past(replace(gone, owed=more, released=still), line)


def _past(run: Run, line: Line) -> Run:
    """The run with an entry that passed by something with a reason."""
    return replace(run, detours=(*run.detours, line)) if isinstance(line.get("passed"), list) else run


def _gone_to(run: Run, number: str) -> Run:
    """The run at the step that it was sent to, which is to be done again with all behind it."""
    return _reach(_without(run, _from(run.procedure, number)), number) if run.procedure.step(number) else run


def _reach(run: Run, number: str) -> Run:
    """The run at a step that it comes to now: what was read, released or verified there before counts no more."""
    held = tuple(key for key in run.released if key != number or _held_once(run.procedure, key))
    again = _from(run.procedure, number)  # a HOLD that comes again is not passed by
    return replace(run, cursor=number, fresh=(), released=held, owed=tuple(key for key in run.owed if key not in again),
                   verified={key: role for key, role in run.verified.items() if key != number})  # fmt: skip


def _without(run: Run, numbers: list[str]) -> Run:
    """The run with these steps still to be done."""
    return replace(run, marks={key: mark for key, mark in run.marks.items() if key not in numbers},
                   timers={key: line for key, line in run.timers.items() if key not in numbers})  # fmt: skip


def _after(run: Run, number: str) -> str:
    """The next step that is not marked, in the order of the procedure; "" behind the last one."""
    return next((one for one in _from(run.procedure, number)[1:] if one not in run.marks), "")


def _from(procedure: Procedure, number: str) -> list[str]:
    """A step and all that follow; none for a number that there is not."""
    order = [step.number for step in procedure.steps]
    return order[order.index(number) :] if number in order else []


def _held_once(procedure: Procedure, number: str) -> bool:
    step = procedure.step(number)
    return step is not None and all(hold.once for hold in step.holds)


def _range(procedure: Procedure, repeat: Repeat) -> list[str]:
    order = _from(procedure, repeat.first)
    return order[: order.index(repeat.last) + 1]
