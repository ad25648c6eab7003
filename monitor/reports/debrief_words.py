"""The words of a debrief: kinds of entries, deviations, doubts and events as a reader says them."""

from monitor.periods.journal import Doubt, number_of
from monitor.periods.period import Deviation
from monitor.reports.document import Cell, Digits, shown
from monitor.words import _, clean, decimal_text


def sort_word(sort: object) -> str:
    """What a journal was."""
    words = {"drill": _("drill"), "period": _("time run by hand"), "round": _("round while blind"),
             "paper": _("lines entered from paper")}  # fmt: skip
    return words.get(str(sort), clean(sort, 20))


def span_words(seconds: float | None) -> str:
    """A span of time for people: "24 min", "3 h 05 min", "4 d 2 h", never seconds; "-" where it is not known."""
    if seconds is None:
        return "-"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 2_880:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def short_words(seconds: float) -> str:
    """A span of time of a clock, not of a person: to the second where it is short."""
    return f"{seconds:.0f} s" if seconds < 120 else span_words(seconds)


def value_words(value: str, unit: str) -> tuple[Cell, str]:
    """A value as it was read and its unit; an answer, a time of day and a text have none."""
    if unit == "yes/no":
        return {"yes": _("yes"), "no": _("no")}.get(value, value), ""
    if unit in ("HH:MM", "text"):
        return value, ""
    return value if number_of(value) is None else Digits(value), unit


def reading_words(value: str, unit: str) -> str:
    """Both in one text."""
    told, unit = value_words(value, unit)
    return " ".join(part for part in (shown(told), unit) if part)


def within_word(within: object) -> str:
    """Whether a reading was within its limits."""
    return _("yes") if within is True else _("NO") if within is False else "-"


def kind_words(kind: str) -> str:
    """The kind of an entry of a journal; one that is not known here as it is written."""
    words = {
        "declared": _("CONTROL LOST declared"), "opened": _("begun"), "closed": _("ended"),
        "handed_back": _("handed back"), "started": _("procedure begun"), "done": _("done"),
        "not_applicable": _("left out"), "not_met": _("condition not met"), "reading": _("reading"),
        "released": _("HOLD released by"), "verified": _("verified by"), "goto": _("went to step"),
        "timer": _("timer started"), "round": _("next round"), "repeat_over": _("rounds ended"),
        "undo": _("taken back"), "note": _("note"),
        "finished": _("procedure ended"), "seen": _("seen"), "seen_over": _("no longer seen"),
        "stable": _("stable by hand"), "handed_over": _("shift hand-over"), "drill_record": _("drill record"),
        "paper": _("from paper"),
    }  # fmt: skip
    return words.get(kind, clean(kind, 24))


def event_words(event: str) -> str:
    """What a person saw."""
    words = {
        "chlorine_gas": _("chlorine gas"), "compromise": _("signs of an attack"), "barrier_lost": _("barrier lost"),
        "mains_lost": _("mains lost"), "overflow": _("overflow"), "pump_work": _("work on a pump"),
        "valve_work": _("work on a valve"), "meter_reading": _("meters to be read"), "handover": _("hand-over"),
    }  # fmt: skip
    return words.get(event, clean(event, 40))


def deviation_words(one: Deviation) -> str:
    """What differed from the procedure."""
    words = {
        "not_applicable": _("step left out: {text}"),
        "done_all_the_same": _("out of limits, done all the same: {text}"),
        "out_of_limits": _("OUT OF LIMITS: {text}"),
        "timer_short": _("done before its timer of {text} had run"),
        "no_timer": _("done without its timer of {text}"),
        "late": _("a round came {text} min late"), "not_verified": _("done without the independent verification"),
        "went_past": _("went on past what was open at step {text}"),
        "missed": _("rounds that never came, until it ended: {text}"),
        "not_released": _("done although nobody had released its HOLD"),
        "hold_passed": _("the HOLD at step {text} was gone past, nobody had released it"),
        "verifying_passed": _("step {text} was gone past, no second person had verified it"),
        "steps_left": _("ended with steps left: {text}"),
        "not_ended": _("the run was never ended"),
        "unmet": _("handed back, NOT MET or not to be told: {text}"),
    }  # fmt: skip
    text = clean(one.text, 400) or "-"
    if one.kind in ("out_of_limits", "unmet"):
        text = decimal_text(text)
    return words.get(one.kind, clean(one.kind, 20)).format(text=text)


def question_words(one: Deviation) -> str:
    """What differed, without the reason that a person gave: words about people correct no procedure."""
    words = {"not_applicable": _("a step was left out"), "done_all_the_same": _("done although out of limits"),
             "went_past": _("went on past what was open")}  # fmt: skip
    return words.get(one.kind) or deviation_words(one)


def doubt_words(one: Doubt) -> str:
    """What speaks against a journal."""
    seconds = number_of(one.found)
    back = seconds is not None and seconds < 0
    span = clean(one.found, 20) if seconds is None else short_words(abs(seconds))
    words = {
        "torn": _("{found} lines are torn or no entries (a power cut, or a hand)"),
        "unknown": _("entries of a kind that is not known here, kept: {found}"),
        "twice": _("{found} different entries have this number; all of them count"),
        "missing": _("entries are missing: {found}"),
        "mixed": _("an entry of the other sort, set aside ({found})"),
        "boots": _("the machine was started anew meanwhile: {found} boots"),
        "no_time": _("{found} entries have no time"),
        "future": _("{found} entries lie in the future; the clock was wrong, or is"),
        "never_set": _("{found} entries are older than any journal can be: the clock was not set"),
        "clock_set": _("the clock was set back by {span} before this entry") if back else
                     _("the clock was set ahead by {span} before this entry"),
        "clock_back": _("this entry is {span} earlier, by its clock, than the one before it"),
        "mono_back": _("the machine's own count is {span} smaller than at the entry before, within one boot"),
        "clock_unknown": _("the clock of another machine; how far it was off is not known"),
        "altered": _("what was taken in before stands otherwise here: entries were changed, or two machines went on "
                     "with one journal"),
        "tag": _("this journal may not speak for a tag, nothing of it becomes a sample ({found})"),
        "real_meanwhile": _("a drill while the plant was run by hand (ledger entry {found}): was all of it drill?"),
        "drill_meanwhile": _("a drill went on meanwhile (ledger entry {found}): real acts may stand in its journal"),
        "blind_meanwhile": _("a drill while handwheel itself did not run ({found}): was all of it drill?"),
        "early": _("a line from paper is of {span} before its run or its period began: is its day right?"),
        "limits": _("the entry contradicts its own limits: {found}"),
        "held": _("a HOLD that the fallback keeps was not kept here, or another role released it ({found})"),
        "stray": _("{found} entries belong to runs that never began"),
        "after_end": _("{found} entries were written after the end"),
    }  # fmt: skip
    return words.get(one.word, clean(one.word, 20)).format(found=clean(one.found, 120), span=span)
