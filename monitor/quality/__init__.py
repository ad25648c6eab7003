"""What the house itself thinks of the samples that a driver brought: a state machine, array in, array out.

A driver knows what the wire said; only somebody who remembers can see that a value stopped moving, jumped, left the
sensor's range, grew old or contradicts another. The machine adds reasons and never takes one away; it leaves every
value as it came. It covers all tags of a configuration at once, because what moves (a pump that runs) is often read
over another source. Rows of one tag within a batch are judged one after the other, in the order in which they came.

    check      reason         when
    number     sentinel       the decoded value is not a finite number and the driver gave no reason
    range      out_of_range   outside the hard limits of the sensor
    stale      stale          no sample for 3 poll periods and at least 3 s; stored once per change (`overdue`)
    frozen     frozen         bit-identical for 30 min of running of its own pump (level or no own pump: 60 min of any
                              pump of the site and not at zero); registers of whole numbers: four times as long;
                              never of what somebody set by hand, nor of what has no known quantity
    stuck      frozen         a counter stands still for 10 min of running, or 1.5 of its own steps if that is longer,
                              taken at a twentieth of the most that it can count
    noise      frozen         its noise fell below a tenth of what is usual (noise.py)
    counter    spec, rate     it went back (spec) or ran further than it can (rate), on that row (counters.py)
    rate       rate           more than the physical maximum: temperatures 5 K within a minute, levels what the largest
                              flow can do in a tank of this area
    spike      spike          Hampel: further than 3 * 1.4826 * MAD from the median of 11, and 5 % of the sensor's span;
                              not of a flow, pressure or power whose pumps are read over another source, because their
                              starts and stops are heard of too late
    clock      clock          source time more than 5 s ahead of ours, or running backwards by more than 2 s; or a
                              changed value comes with a new source time that is more than 60 s and 3 poll periods
                              old, and then until one comes that is not
    crosscheck crosscheck     contradicted by another tag (crosscheck.py)
    estimated  estimated      the device computed it (Tag.estimated)

After a gap, frozen, rate and spike begin to remember anew, because what happened in between is unknown; after a pump
of the site started or stopped rate and spike do, because a step is no spike. An OPC UA server may repeat the time of
the last change, so a source time that grows old beside a value that stands is no sign of anything, and neither is that
of the first value and of the first after a gap. What the driver said (forced, substitute,
initial ...) stays; such values are compared with nothing and teach nothing.
"""

from collections.abc import Sequence

import numpy as np

from drivers.batch import NO_TIME, Batch
from drivers.record import Quality, Reason, Tag
from monitor.plant import Settings
from monitor.quality.layout import STALE_LEAST_S, STALE_PERIODS
from monitor.quality.machine import OLD_S, QualityMachine
from monitor.quality.relations import explain, level_rates, relations

__all__ = ["OLD_S", "STALE_LEAST_S", "STALE_PERIODS", "QualityMachine", "down_batch", "explain", "machine_of"]


def machine_of(settings: Settings, mono_s: float) -> QualityMachine:
    """The machine for a whole configuration."""
    every_s = {source.name: source.every_s for source in settings.sources}
    sites = {asset.id: asset.site for asset in settings.assets}
    return QualityMachine(
        settings.tags, every_s, sites, mono_s,
        assets=settings.assets, checks=relations(settings), level_rate=level_rates(settings),
    )  # fmt: skip


def down_batch(source: str, tags: Sequence[Tag], now_us: int, detail: str = "") -> Batch:
    """BAD(comms) without a value for each of these tags: their source gave no answer at `now_us` (UTC) [us].

    The last known values are not repeated: they stay where they are, with their own old time.
    """
    n = len(tags)
    return Batch(
        source=source,
        receive_us=now_us,
        tag=np.array([tag.number for tag in tags], np.int32),
        source_us=np.full(n, NO_TIME, np.int64),
        value=np.full(n, np.nan),
        quality=np.full(n, Quality.BAD, np.uint8),
        reasons=np.full(n, int(Reason.COMMS), np.uint32),
        detail=dict.fromkeys(range(n), detail) if detail else {},
    )
