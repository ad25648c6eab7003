"""What the model says of an asset now, or said at a past time, from history alone."""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from models.health import Assessment, HealthModel, assess
from monitor.beside import well_columns
from monitor.historian.frames import wide
from monitor.judge.scoring import LIVE_S, WINDOW_ROWS
from monitor.labels import health_word, line_word, operating_word, quantity_word
from monitor.learning import HOUR_S, MINUTE_S, edge, limits, load, of_today, rated
from monitor.state import State
from monitor.words import _, clean, number_text, quantity_text, utc_text

if TYPE_CHECKING:
    from monitor.plant import Asset, Settings


@dataclass(frozen=True, eq=False)
class Seen:
    """One assessment with what it was made of: the model at its cadence, and the frames of its window."""

    asset: "Asset"
    digest: str | None
    model: HealthModel
    values: pd.DataFrame
    share_good: pd.DataFrame
    found: Assessment

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the digest of the model that spoke."""
        return {"asset": self.asset.id, "model_sha256": self.digest, "every_s": self.model.every_s,
                **self.found.to_dict()}  # fmt: skip


def see(state: State, settings: "Settings", asset: "Asset", at_us: int) -> Seen:
    """The assessment of one pump at the end of the last whole row before `at_us` [us, UTC], as the daemon makes it.

    A model that was learned from hours judges minutes where history has enough of them, as in monitor.judge. Without a
    model the physics lines speak. ModelDamaged where a stored model does not agree with its digest.
    """
    stored = load(state, asset.id)
    now = rated(settings, asset)
    model = replace(stored, rated=of_today(stored.rated, now)) if stored else HealthModel(now, MINUTE_S)
    first = None
    for every_s in LIVE_S if model.every_s == HOUR_S else (model.every_s,):
        at_cadence = replace(model, every_s=every_s)
        end_us = edge(at_us, every_s)
        start_us = end_us - round(WINDOW_ROWS[int(every_s)] * every_s * 1e6)
        frames = partial(wide, state, settings, start_us=start_us, end_us=end_us, every_s=every_s)
        values, share = frames(asset.id)
        found = assess(at_cadence, values, share, limits(settings, asset), well_columns(settings, asset, frames))
        seen = Seen(asset, stored.sha256 if stored else None, at_cadence, values, share, found)
        if found.index is not None:
            return seen
        first = first or seen
    assert first is not None
    return first


def text(asset_id: str, found: Assessment) -> str:
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
        f"  {line_word(one.word)}: {quantity_word(one.name)} {quantity_text(one.value, one.unit)} {clean(one.note, 80)}"
        for one in found.lines
        if one.word in told
    ]
    silent = [quantity_word(one.name) for one in found.lines if one.word == "cannot_tell"]
    lines += [f"  {line_word('cannot_tell')}: {', '.join(silent)}"] if silent else []
    return "\n".join([*(line.rstrip() for line in lines), *(f"  {clean(why)}" for why in found.reasons)])
