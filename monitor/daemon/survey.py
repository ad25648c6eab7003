"""What the daemon knows of the plant at this moment, as it is published each second: sources, sites, assets, values.

Counts come from arrays over all tags; nothing here is done per sample. A site's telemetry is lost when none of its tags
got an answer for its time; that says nothing of the plant. A last known value keeps the time at which it was taken.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from drivers.batch import NO_TIME, Batch
from drivers.record import BAD_REASONS, UNCERTAIN_REASONS, Quality, Reason, Tag
from monitor.claims import DEVICE_FEEDS, Claims
from monitor.daemon.alarms import Alarm
from monitor.daemon.poller import Poller
from monitor.heartbeat import AlarmStatus, AssetStatus, FeedStatus, LastKnown, RejectedStatus, SiteStatus, SourceStatus
from monitor.labels import code_text
from monitor.plant import Settings
from monitor.quality import STALE_LEAST_S, STALE_PERIODS, QualityMachine
from monitor.words import clean, utc_text

ALARMS_SHOWN = 10
VALUES_TOLD = 5_000  # some 60 bytes each; an answer may have a megabyte
_COMMS = np.uint32(Reason.COMMS | Reason.STALE)


class Survey:
    """Remembers the last value of each tag and when each was last heard of. Monotonic times [s] are handed in."""

    def __init__(self, settings: Settings, machine: QualityMachine, mono_s: float) -> None:
        self._settings, self._machine, self._start_s = settings, machine, mono_s
        size = len(machine.value)
        self._heard_s = np.full(size, mono_s)
        self._known = np.full(size, np.nan)
        self._known_exact: dict[int, str] = {}
        self._known_us = np.full(size, NO_TIME, np.int64)
        self._known_quality = np.full(size, Quality.BAD, np.uint8)
        self._source, self._source_names = self._index(tag.source for tag in settings.tags)
        site_of = {asset.id: asset.site for asset in settings.assets}
        self._site, self._site_names = self._index(site_of.get(tag.asset, "") for tag in settings.tags)
        self._asset, self._asset_names = self._index(tag.asset for tag in settings.tags)
        self._period_s = {
            site: min((one.every_s for one in settings.sources if one.site == site), default=1.0)
            for site in self._site_names
        }
        self._expected = np.zeros(size, bool)
        self._expected[[tag.number for tag in settings.tags]] = True

    def take_over(self, old: "Survey") -> None:
        """Go on with the last values and times of the tags that are still there in the same unit."""
        units = {tag.number: tag.unit for tag in old._settings.tags}
        kept = np.array([tag.number for tag in self._settings.tags if units.get(tag.number) == tag.unit], np.int64)
        for name in ("_heard_s", "_known", "_known_us", "_known_quality"):
            getattr(self, name)[kept] = getattr(old, name)[kept]
        self._known_exact = {number: old._known_exact[number] for number in kept.tolist() if number in old._known_exact}

    def _index(self, names: Iterable[str]) -> tuple[np.ndarray, list[str]]:
        """For each tag number the index of its name, and the names."""
        found: dict[str, int] = {}
        index = np.zeros(len(self._machine.value), np.int64)
        for tag, name in zip(self._settings.tags, names, strict=True):
            index[tag.number] = found.setdefault(name, len(found))
        return index, list(found)

    def take(self, batch: Batch, mono_s: float) -> None:
        """Take in a checked batch."""
        tag, value, source_us, quality = batch.tag, batch.value, batch.source_us, batch.quality
        silent = batch.reasons & _COMMS
        if silent.any():
            self._heard_s[tag[silent == 0]] = mono_s
        else:
            self._heard_s[tag] = mono_s
        valued = np.isfinite(value)
        if silent.any() or not valued.all():
            valued &= (batch.reasons & np.uint32(Reason.STALE)) == 0
            if batch.exact:
                valued[list(batch.exact)] = True
            tag, value, source_us, quality = tag[valued], value[valued], source_us[valued], quality[valued]
        self._known[tag], self._known_quality[tag] = value, quality
        self._known_us[tag] = np.where(source_us == NO_TIME, batch.receive_us, source_us)
        for number in tag.tolist() if self._known_exact else ():
            self._known_exact.pop(number, None)
        for row, words in batch.exact.items():
            self._known_exact[int(batch.tag[row])] = words

    def lost_s(self, mono_s: float) -> dict[str, float]:
        """Sites whose telemetry is lost, and for how long nothing was heard [s]."""
        return {site.id: site.lost_s for site in self.sites(mono_s) if site.lost_s is not None}

    def sources(self, pollers: Mapping[str, Poller], mono_s: float) -> list[SourceStatus]:
        """One row per source; good counts the tags whose newest sample is good."""
        good, total = self._count(self._source, self._source_names)
        rows = []
        for spec in self._settings.sources:
            poller = pollers[spec.name]
            link = poller.link
            # an answer that came after this moment was taken is new, not of the future
            age_s = None if link.last_answer_s is None else max(round(mono_s - link.last_answer_s, 1), 0.0)
            rows.append(
                SourceStatus(
                    spec.name, spec.site, link.state, age_s, good.get(spec.name, 0), total.get(spec.name, 0), link.note,
                    poller.source.counts, link.skipped,
                )
            )  # fmt: skip
        return rows

    def sites(self, mono_s: float) -> list[SiteStatus]:
        """One row per site: fresh, stale, lost, or "none" for a site that nothing is read from."""
        good, total = self._count(self._site, self._site_names)
        newest, oldest = self._extremes(self._site, len(self._site_names))
        index = {name: at for at, name in enumerate(self._site_names)}
        rows = []
        for site in self._settings.sites:
            at = index.get(site.id)
            if at is None:
                rows.append(SiteStatus(site.id, site.name, site.type, "none", 0, 0, None))
                continue
            quiet_s = mono_s - float(newest[at])
            lost = quiet_s > site.telemetry_lost_after_s
            late = quiet_s > max(STALE_PERIODS * self._period_s[site.id], STALE_LEAST_S)
            rows.append(
                SiteStatus(
                    site.id, site.name, site.type, "lost" if lost else "stale" if late else "fresh",
                    good[site.id], total[site.id], round(mono_s - float(oldest[at]), 1),
                    round(quiet_s, 1) if lost else None,
                )
            )  # fmt: skip
        return rows

    def assets(self, assessments: Mapping[str, Mapping[str, Any]]) -> list[AssetStatus]:
        """One row per asset: what the model said last, and the worst quality among its tags."""
        quality = self._quality()
        worst = np.zeros(max(len(self._asset_names), 1), np.int64)
        np.maximum.at(worst, self._asset[self._expected], quality[self._expected])
        index = {name: at for at, name in enumerate(self._asset_names)}
        rows = []
        for asset in self._settings.assets:
            told = assessments.get(asset.id, {})
            value = told.get("index")
            rows.append(
                AssetStatus(
                    asset.id, asset.site, asset.name, asset.kind, told.get("verdict"), told.get("since"),
                    float(value) if isinstance(value, int | float) else None, str(told.get("state") or "unknown"),
                    int(worst[index[asset.id]]) if asset.id in index else int(Quality.BAD), str(told.get("note") or ""),
                )
            )  # fmt: skip
        return rows

    def last_known(self) -> Iterator[LastKnown]:
        """The newest value of each tag that there ever was, with its own time.

        As it is now, whenever it is gone through: nothing of this object is touched then, so another thread may do it.
        """
        known, taken, quality = self._known.tolist(), self._known_us.tolist(), self._known_quality.tolist()
        now = self._quality().tolist()
        return _last_known(self._settings.tags, known, dict(self._known_exact), taken, quality, now)

    def _quality(self) -> np.ndarray:
        reasons = self._machine.reasons
        bad, unsure = (reasons & np.uint32(BAD_REASONS)) != 0, (reasons & np.uint32(UNCERTAIN_REASONS)) != 0
        return np.where(bad, 2, np.where(unsure, 1, 0))

    def _count(self, index: np.ndarray, names: list[str]) -> tuple[dict[str, int], dict[str, int]]:
        good = np.bincount(index[self._expected & (self._quality() == 0)], minlength=len(names))
        total = np.bincount(index[self._expected], minlength=len(names))
        return dict(zip(names, good.tolist(), strict=False)), dict(zip(names, total.tolist(), strict=False))

    def _extremes(self, index: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        newest, oldest = np.full(size, -np.inf), np.full(size, np.inf)
        np.maximum.at(newest, index[self._expected], self._heard_s[self._expected])
        np.minimum.at(oldest, index[self._expected], self._heard_s[self._expected])
        return newest, oldest


def _last_known(
    tags: Sequence[Tag], known: Sequence[float], exact: Mapping[int, str], taken: Sequence[int],
    quality: Sequence[int], now: Sequence[int],
) -> Iterator[LastKnown]:  # fmt: skip
    """`quality`: of that value; `now`: of the tag as it is, which may be worse."""
    words = {one: one.name.lower() for one in Quality}
    for tag in tags:
        at = tag.number
        value: float | str | None = exact.get(at)
        if value is None and math.isfinite(known[at]):
            value = known[at]
            if tag.labels:
                value = code_text(value, dict(tag.labels), bits=tag.bits)
        taken_us = None if taken[at] == NO_TIME else taken[at]
        told = words[Quality(max(quality[at], now[at]))]
        told = "was good" if quality[at] == Quality.GOOD and now[at] != Quality.GOOD else told
        yield LastKnown(tag.name, value, tag.unit, told, taken_us)


def feed_rows(settings: Settings, claims: Claims, now_us: int, up_s: float) -> list[FeedStatus]:
    """One row per vendor feed: how old its last message is, and whether that is later than it may be.

    A feed that never said anything is late when we have listened for that long.
    """
    rows = []
    for feed in settings.feeds:
        heard_us = claims.heard_us.get(feed.name)
        age_s = None if heard_us is None else max((now_us - heard_us) / 1e6, 0.0)
        rows.append(FeedStatus(feed.name, age_s, (up_s if age_s is None else age_s) > feed.late_after_s))
    rows += [
        FeedStatus(name, max((now_us - claims.heard_us[name]) / 1e6, 0.0), False)
        for name in DEVICE_FEEDS
        if name in claims.heard_us
    ]
    return rows


def alarm_rows(alarms: Iterable[Alarm]) -> list[AlarmStatus]:
    """The alarms at the top of the list."""
    return [
        AlarmStatus(one.id, utc_text(one.since_us), one.asset, one.origin, one.priority, one.text, one.state)
        for one in list(alarms)[:ALARMS_SHOWN]
    ]


class RejectedFolder:
    """What lies in STATE/rejected, looked through anew only when the folder changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changed_ns = -1
        self._count, self._newest, self._at_us = 0, "", 0

    def look(self, now_us: int) -> RejectedStatus:
        """How many messages were rejected and the newest of them."""
        with suppress(OSError):
            changed_ns = self._folder.stat().st_mtime_ns
            if changed_ns != self._changed_ns:
                found = {path: path.stat().st_mtime_ns for path in self._folder.glob("*.reason.txt")}
                newest = max(found, key=found.__getitem__, default=None)
                self._changed_ns, self._count = changed_ns, len(found)
                self._newest = newest.name.removesuffix(".reason.txt") if newest else ""
                self._at_us = found[newest] // 1000 if newest else 0
        age_s = max((now_us - self._at_us) / 1e6, 0.0) if self._count else None
        return RejectedStatus(self._count, clean(self._newest, 80), age_s)


def values_told(rows: Iterable[LastKnown]) -> dict[str, list[Any]]:
    """[value, quality, taken (UTC) [us]] by tag, for a screen that cannot read them: as many as fit into an answer."""
    qualities = {"good": Quality.GOOD, "uncertain": Quality.UNCERTAIN}
    return {
        row.tag: [row.value, int(qualities.get(row.quality, Quality.BAD)), row.taken_us]
        for row in islice(rows, VALUES_TOLD)
    }
