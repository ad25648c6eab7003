"""The lines of physics at a past time, computed again from history by the code that judges (monitor.model.scoring)."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from drivers.errors import UserError
from monitor.historian.reader import HotReader
from monitor.labels import health_word
from monitor.reasons import reason_text
from monitor.state import State
from monitor.why.found import Row
from monitor.why.telling import line_rows
from monitor.words import _, clean, index_text, local_text, utc_text

if TYPE_CHECKING:
    from datetime import tzinfo

    from monitor.plant import Asset, Settings


def rows(state: State, settings: "Settings", asset_id: str, at_us: int, zone: "tzinfo | None") -> list[Row]:
    """What a model and the lines of physics say of that time today; one row that says why, where they cannot."""
    from monitor.learning import pumps
    from monitor.meters.accounts import meters

    judged = {one.id: one for one in (*pumps(settings), *meters(settings))}
    if (asset := judged.get(asset_id)) is None:
        words = _("not computed: of {asset} no pump or meter is read and judged by us")
        return [(_("again"), words.format(asset=clean(asset_id, 20)))]
    if not _has_history(state, asset, at_us):
        return [(_("again"), _("not computed: there is no history of that time"))]
    try:
        return _computed(state, settings, asset, at_us, zone)
    except UserError as fault:
        return [(_("again"), _("not computed: {why}").format(why=fault))]


def _computed(state: State, settings: "Settings", asset: "Asset", at_us: int, zone: "tzinfo | None") -> list[Row]:
    from monitor.model import meter_command
    from monitor.model.scoring import see

    how = _("computed again for {time}, as handwheel model explain {asset} --at {at} does")
    found_rows: list[Row] = [(_("again"), how.format(time=local_text(at_us, zone), asset=asset.id, at=utc_text(at_us)))]
    if asset.kind == "meter":
        (meter,) = meter_command.see(state, settings, [asset], at_us, now=False)
        found, by = meter.found, []
    else:
        (pump,) = see(state, settings, [asset], at_us, now=False)
        found, by = pump.found, [pump.by_model()]
    index = _("index {value}").format(value=index_text(found.index)) if found.index is not None else _("no index")
    found_rows.append(("", "; ".join([f"{health_word(found.word)}, {index}", *by, *map(reason_text, found.reasons)])))
    return found_rows + line_rows([asdict(line) for line in found.lines])


def _has_history(state: State, asset: "Asset", at_us: int) -> bool:
    """Whether anything of that day is kept: the hot file's minutes or hours, or a folder of history."""
    at_s = at_us // 1_000_000
    spans = HotReader(state.hot).rollup_extent()
    if any(first <= at_s <= last + span for span, (first, last) in spans.items()):
        return True
    return (state.history / f"site={asset.site}" / f"date={utc_text(at_us)[:10]}").is_dir()
