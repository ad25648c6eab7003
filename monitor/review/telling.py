"""A review in words: whether the parameters were frozen, why the status is what it is, and the whole as text.

No word here means intent: recorded findings are, or are not, compatible with the rate that was agreed.
"""

import textwrap
from typing import TYPE_CHECKING

from monitor.labels import role_word
from monitor.review.answering import Answer
from monitor.review.table import IN_HOUSE, Row, beside, table
from monitor.words import _, clean, local_text, number_text, share_text, utc_text

if TYPE_CHECKING:
    from models.bias.result import ReviewResult

WIDTH = 120


def first_line(told: Answer, *, by_role: bool = True) -> str:
    """Whether the parameters were fixed beforehand, and what was looked at: to be read before any figure.

    Without `by_role` it does not say in the name of which role they were frozen: for those outside the house.
    """
    words = [_frozen_words(told, by_role)]
    if told.before:
        stood = _("{n} of {total} findings stood in the ledger before the freeze")
        words.append(stood.format(n=told.before, total=told.result.findings))
    if told.another:
        words.append(_("another period than the frozen one: a look, not the answer"))
    if told.ahead_us is not None:
        words.append(ahead_words(told.ahead_us))
    if told.freeze.back_n:
        at_entry = _("the clock of the record went back at entry {n}").format(n=told.freeze.back_n)
        words.append(at_entry if by_role else _("the clock of the record went back"))
    if told.freeze.looked_us is not None:
        again = _("frozen again on {at} after a review had been made with other parameters")
        words.append(again.format(at=_moment(told.freeze.at_us, by_role)))
    if told.narrowed is not None:
        part = _("{n} of {total} assets; the parameters are frozen for all")
        words.append(part.format(n=told.result.assets, total=told.whole))
    return "; ".join(words)


def opening(told: Answer, *, by_role: bool = True) -> list[str]:
    """All that is to be read before any figure: the first line, what was left out, and who may be told."""
    return [first_line(told, by_role=by_role), *_left_out_words(told, by_role), house_words(told)]


def ahead_words(asked_us: int) -> str:
    """That a review which was asked until then ends now."""
    return _("until now, for {day} lies ahead").format(day=utc_text(asked_us)[:10])


def question_words(told: Answer) -> str:
    """How many different questions were asked of the same records: who asks many finds one that answers by chance."""
    which, of = told.questions
    return _(
        "This is look {which} of {n} different questions that were asked of these records so far (other parameters,"
        " start or part: another question; the same one at another time: none)"
    ).format(which=which, n=of)


def house_words(told: Answer) -> str:
    """Whether what the review says now may leave the house: only a flag that stands after a full cycle does."""
    r = told.result
    if not r.leaves_the_house:
        return _(
            "What this review says now does not leave the house, but for the vendor's reply: only a flag that stands at"
            " the end of a full cycle of 12 months does"
        )
    words = _("What this review says now may leave the house: the flag stands at the end of a full cycle of 12 months")
    if told.contested is not None and not told.contested.leaves_the_house:
        words += "; " + _("with contested findings counted as confirmed it does not stand")
    return words


def _left_out_words(told: Answer, by_name: bool) -> list[str]:
    """That jobs fell out because their alerts name another vendor; which one is told in the house only."""
    others = [one for one in told.result.other_names if one.jobs]
    if not others:
        return []
    jobs, mine = sum(one.jobs for one in others), clean(told.parameters.vendor or "", 40)
    if not by_name:
        return [_("{n} jobs are left out: their alerts name another vendor than {vendor}").format(n=jobs, vendor=mine)]
    names = clean(", ".join(one.name or "-" for one in others), 120)
    return [
        _(
            "{n} JOBS ARE LEFT OUT: their alerts name {names} and not {vendor}; if this is one vendor, write one name"
            " in site.toml and at its feed"
        ).format(n=jobs, names=names, vendor=mine)
    ]


def _frozen_words(told: Answer, by_role: bool) -> str:
    freeze_ = told.freeze
    if freeze_.word == "unfrozen":
        return _("PARAMETERS NOT FROZEN: they could have been chosen after looking; fix them: handwheel review freeze")
    at = _moment(freeze_.at_us, by_role)
    if freeze_.word == "changed":
        names = ", ".join(clean(name, 40) for name in freeze_.names)
        return _("PARAMETERS CHANGED since they were frozen on {at}: {names}").format(at=at, names=names)
    late = freeze_.made_us is not None and freeze_.made_us > told.result.start_us
    when = _("after the period had begun") if late else _("before the period")
    if not by_role:
        return _("Parameters frozen on {at}, {when}; SHA-256 {sha}").format(at=at, when=when, sha=freeze_.sha256[:16])
    return _("Parameters frozen on {at} by role {role}, {when}; SHA-256 {sha}").format(
        at=at, role=role_word(freeze_.role or "-"), when=when, sha=freeze_.sha256[:16]
    )


def _moment(at_us: int | None, inside: bool) -> str:
    """A time; outside the house its day only, for an hour tells who was on duty."""
    return local_text(at_us) if inside else local_text(at_us)[:10]


def gate_words(result: "ReviewResult", late: int = 0) -> str:
    """Why the status is what it is, in one sentence; `late` findings do not count, for they came after the freeze."""
    e = number_text(result.e_calibrated)
    if result.status == "INSUFFICIENT" and late:
        return _(
            "{n} independent findings count; {late} were entered after the freeze for a time before it (20 findings on"
            " 5 assets for half of the jobs are needed)"
        ).format(n=result.findings, late=late)
    return {
        "vendor_written": _(
            "{n} independent findings; the vendor's own {own} are not counted: whoever asks for work does not grade it"
        ).format(n=result.findings, own=result.vendor_written),
        "few_findings": _("{n} independent findings; 20 are needed").format(n=result.findings),
        "few_assets": _("independent findings on {n} assets; 5 are needed").format(n=result.found_assets),
        "low_coverage": _("independent findings on {share} of the jobs; half are needed").format(
            share=share_text(result.findings, result.interventions)
        ),
        "below_watch": _("the findings do not speak against the agreed rate: e {e}, WATCH begins at 5").format(e=e),
        "below_flag": _("e {e}: above 5, below 20").format(e=e),
        "not_agreed": _("e {e}, but not every rate is fixed by a contract or by costs: no more than WATCH").format(e=e),
        "narrowed": _(
            "e {e}, but among all that could have been looked at it does not stand: no more than WATCH"
        ).format(e=e),
        "another_period": _("e {e}, but of another period than the frozen one: no more than WATCH").format(e=e),
        "not_frozen": _("e {e}, but with parameters that are not frozen: no more than WATCH").format(e=e),
        "flag": _("recorded findings do not fit the agreed confirmation rate: e {e}").format(e=e),
        "strong": _("also with inspectors who never call a good part worn (e {e}), and E_net is above zero").format(
            e=number_text(result.e_protective)
        ),
    }[result.gate]


def status_words(told: Answer) -> list[str]:
    """The result, and where findings are contested both results, the one as recorded first."""
    as_recorded = _verdict(told.result, told)
    if told.contested is None:
        return [_("Status: {status}").format(status=as_recorded)]
    share = contest_words(told)
    late = len(told.counted_late)
    marked = _(" ({late} of them later than 30 days)").format(late=late) if late else ""
    return [
        _("Status as recorded: {status}").format(status=as_recorded) + share,
        _("Status with {n} contested findings counted as confirmed{late}: {status}").format(
            n=len(told.counted), late=marked, status=_verdict(told.contested, told)
        )
        + share,
    ]


def contest_words(told: Answer) -> str:
    """How many of the findings that can be contested are; marked from more than half on, for anybody can say no."""
    n, m = contest_share(told)
    words = " (" + _("{n} of {m} findings contested").format(n=n, m=m)
    if n == m:
        words += ", " + _("ALL OF THEM")
    elif 2 * n > m:
        words += ", " + _("MORE THAN HALF")
    return words + ")"


def contest_share(told: Answer) -> tuple[int, int]:
    """Findings that do not confirm: how many of them the vendor contests, and how many there are."""
    cases = told.result.cases
    against = cases[cases["independent"] & ~cases["confirmed"]]
    return int(against["finding_n"].isin(list(told.counted)).sum()), len(against)


def _verdict(result: "ReviewResult", told: Answer) -> str:
    words = f"{result.status}: {gate_words(result, len(told.late))}"
    if told.freeze.word != "frozen" and result.gate != "not_frozen":
        words += "; " + _("parameters not frozen")
    return words


def caution_words() -> tuple[str, ...]:
    """What a flag, and the lack of one, does not say."""
    return (
        _(
            "A flag says that findings and agreed rate do not fit; miscalibration, a sensor fault or a stricter safety "
            "policy explain it as well. No flag is no clean bill: see the upper bound."
        ),
        _("An early replacement postpones the next one: U and E_net are read as a pair."),
    )


def as_text(told: Answer, *, by_role: bool = True) -> str:
    """The whole answer as a terminal or paper shows it."""
    read = _("made from the ledger up to entry {n}, with all that was entered by then").format(n=told.upto_n)
    first, *more = opening(told, by_role=by_role)
    lines = [first, *(line for one in (*more, read) for line in textwrap.wrap(one, WIDTH))]
    lines += [*textwrap.wrap(question_words(told), WIDTH), ""]
    for status in status_words(told):
        lines += textwrap.wrap(status, WIDTH)
    lines.append("")
    shown = [row for row in table(told) if by_role or row.name not in IN_HOUSE]
    if told.contested is None:
        lines += _columns(shown)
    else:
        lines += [_("AS RECORDED"), *_columns(shown), "", _("WITH CONTESTED FINDINGS COUNTED AS CONFIRMED")]
        lines += _columns(contested_rows(told))
    lines += ["", *_columns(beside(told))]
    for note in caution_words():
        lines += ["", *textwrap.wrap(note, WIDTH)]
    return "\n".join(lines)


def contested_rows(told: Answer) -> list[Row]:
    """The rows of the second result that differ from those of the first."""
    import dataclasses

    if told.contested is None:
        return []
    first = table(told)
    return [row for row in table(dataclasses.replace(told, result=told.contested)) if row not in first]


def _columns(rows: list[Row]) -> list[str]:
    width = min(64, max((len(row.label) for row in rows), default=0))
    lines = []
    for _name, label, value in rows:
        if len(label) > width:
            lines.append(label)
            label = ""
        first, *more = textwrap.wrap(value, WIDTH - width - 2) or [""]
        lines.append(f"{label:<{width}}  {first}".rstrip())
        lines += [" " * (width + 2) + line for line in more]
    return lines
