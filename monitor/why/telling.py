"""The words of a story, section by section: what was said, what was seen, what was decided, what was found. Pure.

Foreign text is cleaned and stands between quotes; what the records do not say is said to be unknown.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from drivers.vendor.file_drop import AHEAD, ISSUED
from monitor.claims import DEVICE_FEEDS, LATE, WAITED
from monitor.labels import (
    choice_word,
    grade_words,
    health_word,
    limits_past,
    line_word,
    operating_word,
    quantity_word,
    role_word,
    verdict_word,
)
from monitor.ledger import Record
from monitor.reasons import reason_text
from monitor.screen.pieces import wrap
from monitor.why.asking import Told
from monitor.why.found import Row, found_rows, missing_rows
from monitor.why.story import CONFIRMED, Story, holds, time_us
from monitor.words import _, age_text, clean, index_text, local_text, number_text, quantity_text

LABEL = 13  # cells of a label, so that a SHA-256 stands in one line of 80
ORDER = ("act", "warn", "ok", "info")  # words of the lines of physics that say something, worst first
REASON_FIELDS = ("failure_mode", "text", "recommended_action", "horizon")


@dataclass(frozen=True, slots=True)
class Section:
    """A title and its rows: (label, text)."""

    title: str
    rows: tuple[Row, ...]


def sections(told: Story, answer: Told, zone: tzinfo | None, again: Sequence[Row] = ()) -> list[Section]:
    """All of it; `again` are the rows of what was computed anew for that time."""

    def at(us: int | None) -> str:
        return local_text(us, zone)

    chosen = [
        (_("IN SHORT"), [("", short(told))]),
        (_("WHAT THE VENDOR SAID"), vendor_rows(told, answer, at)),
        (_("WHAT OUR OWN MODEL SAID THEN"), model_rows(told, at)),
        (_("WHAT THE PHYSICS SAID THEN"), [*physics_rows(told, at), *again]),
        (_("VERDICT"), verdict_rows(told, at)),
        (_("WHAT WAS DECIDED"), decision_rows(told, at)),
        (_("WHAT WAS FOUND"), found_rows(told, at)),
        (_("WHAT IS MISSING"), missing_rows(told, at)),
        (_("IN ORDER OF TIME"), timeline(told, at)),
    ]
    return [Section(title, tuple(rows)) for title, rows in chosen]


def title(told: Story) -> str:
    """Which alert this is."""
    part = f" {clean(told.component, 20)}" if told.component else ""
    return f"{clean(told.asset, 20)}{part}  {clean(told.alert_id, 60)}"


def as_lines(chosen: Iterable[Section], width: int) -> list[tuple[str, bool]]:
    """(line, whether it is a title); no line is wider than `width`."""
    found: list[tuple[str, bool]] = []
    for section in chosen:
        found += [("", False)] if found else []
        found.append((section.title, True))
        labels = max((len(label) for label, _text in section.rows), default=0)
        space = max(LABEL, labels) + 1 if labels else 0
        for label, text in section.rows:
            for number, line in enumerate(wrap(text, width - 1 - space) or [""]):
                start = f" {label if number == 0 else '':<{space}}"
                found.append(((start + line).rstrip(), False))
    return found


def short(told: Story) -> str:
    """One sentence: asked, seen, decided, found."""
    asked = _("nothing is left of what it said")
    if told.first:
        words = _("{who} asked: {text}") if told.origin == "vendor" else _("{who} raised: {text}")
        asked = words.format(who=who(told.first), text=quoted(told.first.data.get("text"), 80))
    own = _("own model then: {word}").format(word=judged(told))
    last = told.decisions[-1].data if told.decisions else None
    decided = _("decided: {choice}").format(choice=choice_word(last.get("choice"))) if last else _("nothing decided")
    counted = told.findings[-1] if told.findings else None
    found = _("nothing found yet")
    if counted:
        grade = clean(counted.data.get("grade"), 2)
        word = _("confirmed") if counted.data.get("grade") in CONFIRMED else _("not confirmed")
        found = _("found: grade {grade}, {word}").format(grade=grade, word=word)
    return f"{asked}; {own}; {decided}; {found}"


def who(alert: Record) -> str:
    """Who claims: the vendor by its name, or our own model."""
    return _("own model") if alert.kind == "own_alert" else clean(alert.data.get("vendor") or _("the vendor"), 30)


def quoted(text: object, limit: int = 300) -> str:
    """Foreign words between quotes."""
    words = clean(text, limit) if text else ""
    return f'"{words}"' if words else _("no words")


def judged(told: Story) -> str:
    """What our own model said of the asset then, in a few words."""
    data = _of_then(told)
    if data is None:
        return _("not recorded")
    index = number_of(data.get("index"))
    word = data.get("word") or ("alert" if index is not None and index < 50 else "")
    if index is None:
        return _("cannot tell")
    return " ".join([health_word(word)] * bool(word) + [_("index {value}").format(value=index_text(index))])


def _of_then(told: Story) -> Mapping[str, Any] | None:
    """What was entered of the model: with an own alert itself, else the last assessment before the alert."""
    if told.origin == "own" and told.first:
        return told.first.data
    return told.assessment.data if told.assessment else None


# what the vendor said


def vendor_rows(told: Story, answer: Told, at: Callable[[int | None], str]) -> list[Row]:
    if told.origin == "own":
        theirs = [one for one in told.others if one.kind == "vendor_alert"]
        rows = [(_("asked too"), f"{quoted(one.data.get('text'))} ({who(one)}, {at(one.at_us)},"
                                 f" {clean(one.data.get('alert_id'), 60)})") for one in theirs]  # fmt: skip
        return rows or [("", _("nothing that stands beside it: this is an alert of our own model"))]
    if told.first is None:
        return [("", _("no entry is left of what it said")), *erased_rows(told, "vendor_alert")]
    data = told.first.data
    device = data.get("feed") in DEVICE_FEEDS
    asks = [clean(data.get("recommended_action") or "", 80)]
    asks += [_("within {time}").format(time=clean(data["horizon"], 12))] if data.get("horizon") else []
    rows = [
        (_("says"), quoted(data.get("text"), 600)),
        (_("asks for"), "; ".join(filter(None, asks)) or _("nothing named")),
        (_("severity"), clean(data.get("severity") or _("not given"), 20)),
        (_("issued"), issued_words(data, at)),
        (_("received"), received_words(told.first, at)),
        (_("told first"), first_words(told)),
        (_("by feed"), f"{clean(data.get('feed') or '-', 40)}" + (" " + _("(the device itself)") if device else "")),
        (_("message"), message_words(told, answer)),
        (_("as a reason"), reason_words(data)),
    ]
    return rows + again_rows(told, at)


def issued_words(data: Mapping[str, Any], at: Callable[[int | None], str]) -> str:
    issued = time_us(data.get("issued_at"))
    if issued is None:
        return _("the message has no time of its own")
    if data.get(ISSUED) == AHEAD:
        return _("{time}, which cannot be: more than a day after it came").format(time=at(issued))
    words = _("{time} by the vendor's clock").format(time=at(issued))
    return words + (f" ({clean(data[ISSUED], 60)})" if data.get(ISSUED) else "")


def received_words(alert: Record, at: Callable[[int | None], str]) -> str:
    received = time_us(alert.data.get("received_at"))
    words = _("{time}, entry {n}").format(time=at(alert.at_us if received is None else received), n=alert.n)
    if alert.data.get(LATE):
        words += "; " + _("handed over {time} later, so this time is not believed").format(
            time=clean(alert.data[LATE], 12))  # fmt: skip
    if alert.data.get(WAITED):
        words += "; " + _("it may have waited while nobody listened")
    if alert.via == "import":
        words += "; " + _("brought in afterwards (import)")
    return words


def first_words(told: Story) -> str:
    """Whether the device told us before the vendor's message came: measured, or unknown."""
    if told.first and told.first.data.get("feed") in DEVICE_FEEDS:
        return _("we were: the device's own status bit, read directly")
    pair = told.arrival
    if pair is None:
        return _("not measured: no status bit of this part was seen beside it")
    low, high = pair.delay.low_s, pair.delay.high_s
    span = f"{age_text(max(low, 0)) if low is not None else '?'} - {age_text(high) if high is not None else '?'}"
    why = f" ({clean(pair.delay.why, 80)})" if pair.delay.why else ""
    if pair.delay.word == "after":
        return _("we were: the device's status bit, {span} before the vendor's message").format(span=span) + why
    if pair.delay.word == "before":
        return _("the vendor's message came before the device's status bit") + why
    return _("cannot be told from the times") + why


def message_words(told: Story, answer: Told) -> str:
    sha256 = clean((told.first.data.get("raw_sha256") if told.first else "") or "", 64)
    if not sha256:
        return _("none: nothing was sent as a message")
    rule = next((one for one in told.erasures if sha256 in (one.data.get("raw") or ())), None)
    if rule is not None:
        words = _("erased under a rule (entry {n}): {rule}")
        return f"{sha256} " + words.format(n=rule.n, rule=quoted(rule.data.get("rule"), 80))
    if sha256 in answer.kept:
        return f"{sha256} " + _("(SHA-256, kept byte for byte)")
    return f"{sha256} " + (_("erased under a rule") if sha256 in answer.erased else _("(SHA-256; not kept here)"))


def reason_words(data: Mapping[str, Any]) -> str:
    """Which of the fields that could be a reason are filled in."""
    names = {"failure_mode": _("failure mode"), "text": _("text"), "recommended_action": _("what to do"),
             "horizon": _("by when")}  # fmt: skip
    given = [names[one] for one in REASON_FIELDS if data.get(one)]
    if data.get("failure_mode"):
        given[0] += f" {quoted(data['failure_mode'], 40)}"
    lacking = [names[one] for one in REASON_FIELDS if not data.get(one)]
    words = _("given: {given}").format(given=", ".join(given) or _("nothing"))
    lacking.append(_("a measured value, a limit, a rule (none is read from its messages)"))
    return words + "; " + _("not given: {lacking}").format(lacking=", ".join(lacking))


def again_rows(told: Story, at: Callable[[int | None], str]) -> list[Row]:
    rows: list[Row] = []
    later = told.said[1:]
    claims = [one for one in later if one.data.get("active") is not False]
    if claims:
        words = _("{n} times, last {time}: {text}")
        rows.append((_("said again"), words.format(n=len(claims), time=at(claims[-1].at_us),
                                                   text=quoted(claims[-1].data.get("text")))))  # fmt: skip
    ended = [one for one in later if one.data.get("active") is False]
    if ended and told.said[-1].data.get("active") is False:
        rows.append((_("taken back"), at(ended[-1].at_us)))
    others = [clean(one.data.get("alert_id"), 60) for one in told.others if one.kind == "vendor_alert"]
    return rows + ([(_("same episode"), ", ".join(others))] if others else [])


def erased_rows(told: Story, kind: str) -> list[Row]:
    """Which erasures took entries of this kind: of what they were is not known any more."""
    found: list[Row] = []
    for one in told.erasures:
        kinds = one.data.get("kinds")
        count = kinds.get(kind) if isinstance(kinds, Mapping) else None
        if count:
            words = _("{count} of this kind were erased under a rule (entry {n}): {rule}")
            found.append(("", words.format(count=count, n=one.n, rule=quoted(one.data.get("rule"), 80))))
    return found


# what our own model said


def model_rows(told: Story, at: Callable[[int | None], str]) -> list[Row]:
    rows: list[Row] = []
    if told.origin == "own" and told.first:
        entry = _("entry {n}").format(n=told.first.n)
        rows.append((_("raised"), f"{quoted(told.first.data.get('text'))}, {at(told.first.at_us)}, {entry}"))
        rows += of_assessment(told.first, at)
        rows += [(stage_word(one), f"{at(one.at_us)}, " + _("entry {n}").format(n=one.n) + index_words(one))
                 for one in told.said[1:] if one.data.get("active") is not False]  # fmt: skip
        closed = [one for one in told.said if one.data.get("active") is False]
        if closed:
            by_work = closed[-1].data.get("ended_by_work_at")
            why = _("by work or a finding") if by_work else _("normal again")
            rows.append((_("closed"), f"{at(closed[-1].at_us)}, {why}"))
    elif told.assessment:
        rows += of_assessment(told.assessment, at)
    else:
        rows.append(("", _("nothing is recorded of it before this alert: no judgement, so no agreement either")))
    stood = _("raised {time}, not taken back by then")
    rows += [(_("own alert"), f"{quoted(one.data.get('text'), 160)}, {stood.format(time=at(one.at_us))}")
             for one in told.own]  # fmt: skip
    paired = [one for one in told.others if one.kind == "own_alert" and one not in told.own and told.origin != "own"]
    rows += [(_("in the pair"), f"{quoted(one.data.get('text'), 160)}, {at(one.at_us)}") for one in paired]
    if told.model:
        data = told.model.data
        words = _("learned from {start} to {end} ({why}), {sha}")
        days = [clean(data.get(name) or "?", 24)[:10] for name in ("window_start", "window_end")]
        rows.append((_("model"), words.format(start=days[0], end=days[1], why=clean(data.get("why"), 60),
                                              sha=clean(data.get("sha256"), 64)[:16])))  # fmt: skip
    return rows


def stage_word(alert: Record) -> str:
    """What a later entry of an own alert that stands says of it."""
    return _("recovering") if alert.data.get("stage") == "recovering" else _("raised again")


def index_words(alert: Record) -> str:
    index = number_of(alert.data.get("index"))
    return "" if index is None else ", " + _("index {value}").format(value=index_text(index))


def of_assessment(one: Record, at: Callable[[int | None], str]) -> list[Row]:
    """Index, threshold, what weighed most, and of when: an assessment is entered where its word changes."""
    data = one.data
    index, line = number_of(data.get("index")), number_of(data.get("threshold"))
    rows: list[Row] = []
    if index is None:
        why = "; ".join(reason_text(reason, 120) for reason in data.get("reasons") or ())
        rows.append((_("index"), _("none: cannot tell") + (f" ({why})" if why else "")))
    else:
        words = _("{index} (alert line {line})").format(index=index_text(index), line=number_text(line, 2))
        word = f", {health_word(data['word'])}" if data.get("word") else ""
        state = f", {operating_word(data['state'])}" if data.get("state") else ""
        rows.append((_("index"), words + word + state))
    if one.kind == "assessment":
        words = _("entered {time} (entry {n}), when its word changed; the index moves between entries")
        rows.append((_("of"), words.format(time=at(one.at_us), n=one.n)))
    top = [told for told in data.get("top") or () if isinstance(told, Mapping)]
    for number, told in enumerate(top[:3]):
        rows.append((_("weighs most") if number == 0 else "", contribution(told)))
    return rows


def contribution(told: Mapping[str, Any]) -> str:
    value, expected, share = (number_of(told.get(name)) for name in ("value", "expected", "share"))
    unit = clean(told.get("unit") or "", 10)
    words = quantity_word(str(told.get("quantity")))
    if value is not None:
        words += " " + quantity_text(value, unit)
        words += (
            ", " + _("expected {value}").format(value=quantity_text(expected, unit)) if expected is not None else ""
        )
        words += f" ({number_text(share, 2)} %)" if share is not None else ""
    return words


# what the physics said


def physics_rows(told: Story, at: Callable[[int | None], str]) -> list[Row]:
    """The lines of physics that were past a limit, as they were entered: only those are kept."""
    one = told.first if told.origin == "own" and told.first else told.assessment
    if one is None or not isinstance(one.data.get("lines"), list):
        return [("", _("no line of physics was recorded with it"))]
    rows = line_rows([line for line in one.data["lines"] if isinstance(line, Mapping)])
    of = _("recorded {time}").format(time=at(one.at_us))
    if not rows:
        return [("", _("no line was past its limit ({of}); the others are not entered").format(of=of))]
    return [("", of), *rows]


def line_rows(lines: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Lines of physics, those past a limit first; of those that cannot tell the names alone, in one row."""
    known = [one for one in lines if one.get("word") in ORDER]
    silent = [quantity_word(str(one.get("name"))) for one in lines if one.get("word") not in ORDER]
    rows = [line_row(one) for one in sorted(known, key=lambda one: ORDER.index(str(one["word"])))]
    return rows + ([(line_word("cannot_tell"), ", ".join(silent))] if silent else [])


def line_row(line: Mapping[str, Any]) -> Row:
    """One line of physics: word, value with uncertainty, reference, limits, and the margin to the next of them."""
    value, spread, usual, warn, act = (
        number_of(line.get(name)) for name in ("value", "uncertainty", "reference", "warn", "act")
    )
    unit = clean(line.get("unit") or "", 10)
    words = quantity_word(str(line.get("name")))
    fired = line.get("word") in ("warn", "act")
    words += " " + quantity_text(value, unit) + (f" +/- {number_text(spread, 2)}" if spread else "")
    if usual is not None and usual not in (0.0, warn):
        words += ", " + _("ref. {value}").format(value=number_text(usual))
    sides = limits_past(value, usual, warn, act) if fired else (warn, act)
    known = [one for one in sides if one is not None]
    if known and value is not None:
        words += ", " + _("limit {limits}").format(limits=" / ".join(number_text(one) for one in known))
        to = known[-1] if line.get("word") == "act" else known[0]
        margin = quantity_text(abs(to - value), unit, 2)
        words += ", " + (_("past it by {margin}") if fired else _("margin {margin}")).format(margin=margin)
    return line_word(line.get("word")), words


# the verdict


def verdict_rows(told: Story, at: Callable[[int | None], str]) -> list[Row]:
    if not told.pairs:
        return [("", _("none is recorded: vendor and own model were not put beside each other"))]
    rows: list[Row] = []
    for one in told.pairs:
        final = _("final") if one.data.get("final") else _("provisional")
        rows.append((verdict_word(one.data.get("word")),
                     f"{at(one.at_us)}, {final}: {clean(one.data.get('reason') or '', 300)}"))  # fmt: skip
    return rows


# what was decided


def decision_rows(told: Story, at: Callable[[int | None], str]) -> list[Row]:
    rows: list[Row] = []
    for number, one in enumerate(told.decisions):
        data = one.data
        role = role_word(one.role) if one.role else _("role unknown")
        words = f"{at(one.at_us)}, {role}"
        words += ", " + _("entry {n}").format(n=one.n)
        until = time_us(data.get("until"))
        words += ", " + _("until {when}").format(when=at(until)) if until is not None else ""
        words += f": {quoted(data['reason'])}" if data.get("reason") else ""
        if data.get("alert_id") != told.alert_id:
            words += "; " + _("on {alert} of the same episode").format(alert=clean(data.get("alert_id"), 60))
        if not holds(one, told.replaced) or number + 1 < len(told.decisions):
            words += "; " + _("replaced by a later one")
        rows.append((choice_word(data.get("choice")), words))
    if not rows:
        rows = [("", _("nothing: no decision on it is recorded")), *erased_rows(told, "decision")]
    rows += [(_("seen"), f"{at(one.at_us)}, {role_word(one.role or '')}") for one in told.seen]
    return rows


# in order of time


def timeline(told: Story, at: Callable[[int | None], str]) -> list[Row]:
    """Each thing that happened, oldest first: the vendor's own time, entries, and when work was done."""
    items: list[tuple[int, int, str]] = []
    for one in (*told.said, *told.others, *told.own):
        ended, recovers = one.data.get("active") is False, one.data.get("stage") == "recovering"
        words = _("{who} takes back: {text}") if ended else _("{who}, recovering: {text}") if recovers else _(
            "{who}: {text}")  # fmt: skip
        items.append((one.at_us, one.n, words.format(who=who(one), text=quoted(one.data.get("text"), 80))))
    if told.first and (issued := time_us(told.first.data.get("issued_at"))) is not None and told.origin == "vendor":
        items.append((issued, 0, _("issued, by the vendor's clock")))
    if told.arrival:
        items.append((told.arrival.bit_us, 0, _("the device's own status bit, as we saw it")))
    for one in told.pairs:
        items.append((one.at_us, one.n, _("verdict: {word}").format(word=verdict_word(one.data.get("word")))))
    for one in (*told.decisions, *told.seen):
        word = choice_word(one.data["choice"]) if one.kind == "decision" else _("seen")
        items.append((one.at_us, one.n, f"{word} ({role_word(one.role) if one.role else '-'})"))
    for job in (*told.jobs, *told.beside):
        name = clean(job.wo_id, 30)
        if job.order and (opened := time_us(job.order.data.get("opened"))) is not None:
            items.append((opened, job.order.n, _("job {name} opened").format(name=name)))
        if job.order and job.done_us is not None:
            items.append((job.done_us, job.order.n, _("job {name} done").format(name=name)))
        for one in job.findings:
            words = _("found on {name}: {grade}").format(name=name, grade=grade_words(one.data.get("grade")))
            items.append((one.at_us, one.n, words))
    for one in told.failures:
        items.append((one.at_us, one.n, _("FAILED: {mode}").format(mode=clean(one.data.get("mode"), 60))))
    for contest in told.contests:
        items.append((contest.entry.at_us, contest.entry.n, _("contested by the vendor")))
    return [(at(us), words + (f"  #{n}" if n else "")) for us, n, words in sorted(items)]


def number_of(value: object) -> float | None:
    """A number, where there is one."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
