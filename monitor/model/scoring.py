"""What the model says of an asset now, or said at a past time: by the very code of the daemon (monitor.judge)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from models.health import Assessment, HealthModel
from monitor.historian.reader import HotReader
from monitor.judge import Judge
from monitor.labels import health_word, line_word, operating_word, quantity_word
from monitor.learning import model_path
from monitor.ledger import Record, entries
from monitor.reasons import reason_text
from monitor.state import State
from monitor.words import _, age_text, clean, number_text, parse_utc, quantity_text, utc_text

if TYPE_CHECKING:
    from monitor.plant import Asset, Settings

NEAR = 2.0  # points by which the index may move between the daemon's minute and this one


@dataclass(frozen=True, eq=False)
class Seen:
    """One assessment with what it was made of: the model at its cadence, and the frames of its window.

    `in_force`: whether the model is the one that judged at that time. `published` is what the daemon last said, where
    now is asked; `differs` whether it is another word, or its index by more than NEAR, than what is said here of the
    daemon's own minute.
    """

    asset: "Asset"
    at_us: int
    digest: str | None
    model: HealthModel
    values: pd.DataFrame
    share_good: pd.DataFrame
    found: Assessment
    in_force: bool = True
    alerts: tuple[Record, ...] = ()
    published: dict[str, Any] | None = None
    differs: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the digest of the model that spoke."""
        return {"asset": self.asset.id, "asked_at": utc_text(self.at_us), "model_sha256": self.digest,
                "model_in_force_then": self.in_force, "every_s": self.model.every_s, "row_age_s": self.row_age_s,
                "own_alerts": [str(one.data["alert_id"]) for one in self.alerts],
                "differs_from_published": self.differs, **self.found.to_dict()}  # fmt: skip

    @property
    def row_age_s(self) -> float | None:
        """How long before the time asked the judged row ended. [s]"""
        if not self.found.at:
            return None
        return (self.at_us - parse_utc(self.found.at)) / 1e6 - self.model.every_s

    def by_model(self) -> str:
        """Which model spoke, in words."""
        if self.digest is None:
            return _("without a model: physics lines alone")
        return learned_words(self.digest, self.model.card, self.in_force)

    def beside(self) -> list[str]:
        """The age of the row, the model, the own alerts that stand, and where the daemon said something else."""
        lines = [self.by_model()]
        if self.row_age_s is not None:
            words = _("row of {every} s, ended {age} before the time asked")
            lines = [words.format(every=f"{self.model.every_s:g}", age=age_text(max(0.0, self.row_age_s))), *lines]
        lines += [_("own alert stands: {text}").format(text=clean(one.data["text"], 120)) for one in self.alerts]
        if self.published is not None and (self.differs or unlike(self.found, self.published)):
            at_ms, index = self.published.get("at_ms"), self.published.get("index")
            words = _("the daemon said {word}, index {index}, at {at}; a minute was judged since")
            if self.differs:
                words = _("DIFFERS: the daemon said {word}, index {index}, at {at}")
            lines.append(words.format(
                word=health_word(str(self.published.get("word"))), index="-" if index is None else number_text(index),
                at=utc_text(at_ms * 1000 if at_ms else None)))  # fmt: skip
        return lines


def learned_words(digest: str, facts: Mapping[str, Any], in_force: bool) -> str:
    """Which model spoke, by the window that it names."""
    words = _("by the model learned from {start} to {end} ({sha})")
    if not in_force:
        words = _("by today's model, learned later: from {start} to {end} ({sha})")
    return words.format(start=clean(str(facts["window_start"])[:10]), sha=digest[:16],
                        end=clean(str(facts["window_end"])[:10]))  # fmt: skip


def kept_of(state: State, at_us: int) -> dict[str, str]:
    """The digest of the model that judged each asset at a past time [us, UTC], where its bytes are kept."""
    if not state.ledger.is_file():
        return {}
    told = {str(one.asset): str(one.data["sha256"]) for one in entries(state, ("model",)) if one.at_us <= at_us}
    return {name: sha256 for name, sha256 in told.items() if model_path(state, name, sha256).exists()}


def unlike(found: Assessment, published: Mapping[str, Any]) -> bool:
    """Whether the daemon's word is another one, or its index by more than NEAR."""
    index, ours = published.get("index"), found.index
    if published.get("word") != found.word or (index is None) != (ours is None):
        return True
    return index is not None and ours is not None and abs(index - ours) > NEAR


def see(state: State, settings: "Settings", assets: "Sequence[Asset]", at_us: int, *, now: bool) -> list[Seen]:
    """The assessment of each pump at `at_us` [us, UTC], as the daemon makes it; `now` says whether that is the present.

    Of a past time by the model that judged then, where its bytes are kept; else by that of today.
    """
    digests = {} if now else kept_of(state, at_us)
    published = HotReader(state.hot).assessments() if now else {}
    judge, found = Judge(state, settings, digests), []
    for asset in assets:
        one = judge.look(asset, at_us, now=now)
        in_force = now or one.digest is None or one.digest == digests.get(asset.id)
        found.append(Seen(asset, at_us, one.digest, one.model, one.values, one.share_good, one.found, in_force,
                          one.alerts, published.get(asset.id)))  # fmt: skip
    return _held_against(Judge(state, settings), found)


def _held_against(judge: Judge, found: Sequence[Seen]) -> list[Seen]:
    """The same; where the daemon's last word is another one, with what is said here of the minute that it judged."""
    told = []
    for one in found:
        if one.published is not None and unlike(one.found, one.published):
            at_ms = one.published.get("at_ms")
            then = judge.look(one.asset, at_ms * 1000, now=True).found if at_ms else one.found
            one = replace(one, differs=unlike(then, one.published))
        told.append(one)
    return told


def text(asset_id: str, found: Assessment, beside: Sequence[str] = ()) -> str:
    """An assessment as a few lines; of a meter, which has no index, those lines too that are as usual."""
    told = ("warn", "act") if found.state else ("warn", "act", "ok")
    index = "-" if found.index is None else number_text(found.index)
    head = f"{asset_id:<10} {found.at or utc_text(None):<24} {operating_word(found.state):<10}"
    lines, expected = [f"{head} {index:>5}  {health_word(found.word)}"], _("expected")
    lines += [
        f"  {one.share:5.1f} %  {quantity_word(one.quantity)} {quantity_text(one.value, one.unit)}"
        f", {expected} {quantity_text(one.expected, one.unit)}"
        for one in found.top
    ]
    lines += [
        f"  {line_word(one.word)}: {quantity_word(one.name)} {quantity_text(one.value, one.unit)}"
        f" {reason_text(one.note, 80)}"
        for one in found.lines
        if one.word in told
    ]
    silent = [quantity_word(one.name) for one in found.lines if one.word == "cannot_tell"]
    lines += [f"  {line_word('cannot_tell')}: {', '.join(silent)}"] if silent else []
    reasons = (*map(reason_text, found.reasons), *map(clean, beside))
    return "\n".join([*(line.rstrip() for line in lines), *(f"  {why}" for why in reasons)])
