"""What the ledger says against a model's word: its inputs drifted, work was done that nobody confirmed, it often steps
back. What is said with the assessment, and where it takes the index away."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from models.health import Assessment
from models.health.judged import Line
from models.health.lines import OF_USE
from monitor.judge.own_alerts import LEVEL_OF, LEVELS, OF_REFERENCE, causes_of
from monitor.labels import quantity_word
from monitor.plant import Settings
from monitor.reasons import reason_text
from monitor.standing import Standing
from monitor.verdicts import Sight
from monitor.words import _, number_text, parse_utc, utc_text

OUTSIDE = " is outside the learned "  # in the reason of a model that steps back (models.health.walk)
SAID_FROM = 0.05  # share of a month stepped back from which on it is said
DAY_US = 86_400_000_000


def with_standing(
    found: Assessment, known: Standing, signals: Collection[str], settings: Settings, now_us: int
) -> tuple[Assessment, bool]:
    """The assessment with what the ledger adds to it, and whether the model steps back: it was asked beyond what it
    learned.

    An audit that failed on a quantity that is set from outside takes the index away. One that failed on another is
    said beside it only: wear moves these too, and a model that stepped back from wear would find none.
    """
    back = found.index is None and any(OUTSIDE in reason for reason in found.reasons)
    if known.drift:
        at_us, check = known.drift
        quantity = str(check.get("quantity") or "")
        words = _("inputs drifted since the model was learned: {quantity} (audit {day})").format(
            quantity=quantity_word(quantity) if quantity else "?", day=utc_text(at_us)[:10]
        )
        if check.get("from_outside") is True:
            back = True
            found = replace(found, index=None, score=None, contributions=(), word=word_of(found.lines),
                            reasons=(words, *found.reasons))  # fmt: skip
        else:
            found = replace(found, reasons=(*found.reasons, words))
    return replace(found, reasons=(*found.reasons, *_said(known, signals, settings, now_us))), back


def _said(known: Standing, signals: Collection[str], settings: Settings, now_us: int) -> list[str]:
    said = []
    if baseline := known.waiting:
        start_us = parse_utc(str(baseline.data["from"]))
        due_us = max(start_us + settings.models.learn_days * DAY_US, now_us)
        words = _("baseline confirmed from {start} on: learned anew after {end}; the model before it judges until then")
        if known.model is None:
            words = _("baseline confirmed from {start} on: learned after {end}")
        said.append(words.format(start=utc_text(start_us)[:10], end=utc_text(due_us)[:10]))
    elif work_us := known.unconfirmed_us(signals):
        said.append(_("not confirmed since work on {day}: confirm the baseline").format(day=utc_text(work_us)[:10]))
    if known.held:
        said.append(
            _("by what was learned it raises no alert until it was normal once since that work or confirmation")
        )
    share = known.share_back(now_us)
    if share > SAID_FROM:
        said.append(_("stepped back {share} % of the last 30 days").format(share=number_text(100 * share, 2)))
    return said


def sight(found: Assessment, known: Standing, signals: Collection[str], alerts: Sequence[Mapping[str, Any]]) -> Sight:
    """What may be said beside the vendor's claims: after work that nobody confirmed, nothing by what was learned."""
    seen = Sight(found.index, found.good_share, "; ".join(map(reason_text, found.reasons)))
    work_us = known.unconfirmed_us(signals)
    if work_us is None:
        return seen
    causes = {name: causes_of(one) for name, one in known.alerts.items()}
    causes |= {str(one["alert_id"]): list(one["by"]) for one in alerts}
    doubtful = frozenset(
        name for name, by in causes.items() if all(one.partition(" ")[0] in OF_REFERENCE for one in by)
    )
    words = _("changed since work on {day}, baseline not confirmed").format(day=utc_text(work_us)[:10])
    return replace(seen, changed=words, held=known.held, doubtful=doubtful)


def word_of(lines: Sequence[Line]) -> str:
    """What the physics lines say without an index."""
    told = [LEVEL_OF[line.word] for line in lines if line.word in ("warn", "act") and line.name not in OF_USE]
    return max(["unknown", *told], key=LEVELS.index)


def essence(assessment: Mapping[str, Any]) -> tuple[str, bool, bool]:
    """What makes an assessment another one than the last that was entered."""
    return (
        str(assessment["word"]),
        assessment["index"] is None,
        bool(assessment.get("stepped_back")),
    )


def told_of(known: Standing, alerts: Sequence[Mapping[str, Any]], now_us: int) -> dict[str, Any]:
    """What the page of an asset shows beside its assessment: the model's origin, and the stage of own alerts."""
    model = known.model
    facts = ("sha256", "window_start", "window_end", "why")
    return {
        "model": {**{name: model.data[name] for name in facts}, "confirmed_by": model.role} if model else None,
        "stepped_back_30d": known.share_back(now_us),
        "own_alerts": [
            {"component": one["component"], "stage": one["stage"], "since": utc_text(one["at_us"])} for one in alerts
        ],
    }
