"""What the models say now, each minute, and how that stands beside the vendor's claims."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from drivers.record import Quality
from models.health import Assessment, HealthModel, Limits, Question, assess, assess_all
from models.health.features import clean
from models.health.lines import Beside
from models.health.physics import Columns, arrays
from monitor import meters, standing, verdicts
from monitor.beside import DutyShares, beside_well, well_assets, well_columns
from monitor.historian.frames import wide
from monitor.historian.latest import latest_of
from monitor.historian.reader import HotReader, TagRow
from monitor.judge.evidence import evidence, rows_told
from monitor.judge.freshness import Judged, of_now, unseen_s, while_learning
from monitor.judge.own_alerts import ALERT_LINE, draft, own_alerts
from monitor.judge.reservations import essence, sight, told_of, with_standing
from monitor.judge.window import ROWS, Window
from monitor.learning import (
    HOUR_S,
    MINUTE_S,
    ModelDamaged,
    edge,
    limits,
    load,
    model_path,
    of_today,
    pumps,
    rated,
    signals,
)
from monitor.ledger import Record, entries
from monitor.plant import Asset, Settings
from monitor.standing import Standing, standings
from monitor.state import State
from monitor.words import _, parse_utc

UNSEEN_S = 120  # an asset without a good value for so long is unknown
WINDOW_ROWS = {MINUTE_S: ROWS, HOUR_S: 96}
LIVE_S = (MINUTE_S, HOUR_S)  # rows on which a model learned from hours judges, the first that are enough
YOUNG_LIVE_S = (MINUTE_S, 15, HOUR_S)  # the same in the first hour of a store
ROLLUP_ROWS = 60  # with fewer minutes in the hot file the older part of the window is read from history
KINDS = tuple({*verdicts.KINDS, *standing.KINDS, "erasure"})


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """Rows for the hot file (assessments, verdicts, own_alerts that stand) and drafts for the ledger."""

    assessments: list[dict[str, Any]]
    own_alerts: list[dict[str, Any]]
    verdicts: list[dict[str, Any]]
    ledger: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Look:
    """One assessment as `score` makes it, what it was made of, and the own alerts that stood.

    `model` is at the cadence of the rows; without `digest` nothing was learned.
    """

    found: Assessment
    model: HealthModel
    digest: str | None
    values: pd.DataFrame
    share_good: pd.DataFrame
    alerts: tuple[Record, ...]


def score(state: State, settings: Settings, now_us: int) -> ScoreResult:
    """Assess every pump and meter up to `now_us` [us, UTC], advance own alerts, judge against the vendor."""
    return Judge(state, settings).score(now_us)


class Judge:
    """Scores again and again, and remembers what it has read: the window, the models, the ledger's entries.

    A new one says the same; it only takes longer.
    """

    def __init__(self, state: State, settings: Settings, digests: Mapping[str, str] | None = None) -> None:
        """With `digests` these pumps are judged by the kept model of that digest."""
        self._digests = digests or {}
        self._state, self._settings = state, settings
        self._pumps = pumps(settings)
        self._signals = {asset.id: signals(settings, asset) for asset in settings.assets}
        self._hot_id = ""
        self._tags: dict[int, TagRow] = {}
        self._window = Window({}, [asset.id for asset in self._pumps])
        self._duty = DutyShares(settings, {})
        self._records: list[Record] = []
        self._models: dict[str, tuple[tuple[int, int], HealthModel, str]] = {}
        self._every_s: dict[str, float] = {}  # of the rows that each pump was judged on
        self._limits = {asset.id: limits(settings, asset) for asset in self._pumps}

    def score(self, now_us: int) -> ScoreResult:
        """As `score`."""
        state, settings = self._state, self._settings
        hot = HotReader(state.hot)
        self._read(hot, now_us)
        records = self._records
        told = {one.asset: one for one in records if one.kind == "assessment"}
        known_of = standings(records)
        drafts: list[dict[str, Any]] = []
        assessments: list[dict[str, Any]] = []
        own: list[dict[str, Any]] = []
        sights: dict[str, verdicts.Sight] = {}
        seen_us = _last_good(hot, self._tags)

        def take(asset: Asset, found: Assessment, digest: str | None, rows: Callable[[], Mapping[str, Any]]) -> None:
            known = known_of.get(asset.id, Standing())
            found = _not_seen(found, seen_us.get(asset.id), now_us)
            found, back = with_standing(found, known, self._signals[asset.id], settings, now_us)
            proof = cache(lambda: evidence(found, digest, rows(), settings.sha256))
            before = told.get(asset.id)
            if before is None or essence(before.data) != (found.word, found.index is None, back):
                data = {**proof(), "state": found.state, "word": found.word, "stepped_back": back,
                        "reasons": list(found.reasons)}  # fmt: skip
                drafts.append(draft("assessment", data, asset, None, now_us))
            changes, still = own_alerts(asset, found, known, proof, now_us)
            sights[asset.id] = sight(found, known, self._signals[asset.id], still)
            drafts.extend(changes)
            own.extend(still)
            assessments.append({
                "asset": asset.id, "site": asset.site, "at_ms": now_us // 1000, "model_sha256": digest,
                "alert_line": ALERT_LINE, **found.to_dict(), **told_of(known, still, now_us),
            })  # fmt: skip

        for asset, found, digest, rows in self._pumps_assessed(now_us, self._pumps, seen_us):
            take(asset, found, digest, rows)
        for meter_id, (found, digest, told_rows) in meters.assess(state, settings, now_us).items():
            take(settings.asset(meter_id), found, digest, partial(dict, told_rows))
        claimed = {one.asset for one in records if one.kind == "vendor_alert"} - set(sights)
        assessments += [_without_model(asset, now_us) for asset in settings.assets if asset.id in claimed]
        shown, changed = verdicts.judge([*records, *map(_as_record, drafts)], sights, settings.review, now_us)
        open_by_asset: dict[str, list[dict[str, Any]]] = {}
        for verdict in shown:
            open_by_asset.setdefault(verdict["asset"], []).append(verdict)
        for row in assessments:
            worst = verdicts.worst_open(open_by_asset.get(row["asset"], ()), row["asset"])
            row |= {"verdict": worst["word"] if worst else None, "since": worst["since"] if worst else None,
                    "note": worst["reason"] if worst else ""}  # fmt: skip
        known = {asset.id: asset for asset in settings.assets}
        drafts += [draft("verdict", one, known.get(one["asset"]), one["component"] or None, now_us) for one in changed]
        return ScoreResult(assessments, own, shown, drafts)

    def look(self, asset: Asset, at_us: int, *, now: bool) -> Look:
        """What `score` says of one pump, opened up; of a past time with what the ledger knew by then.

        `now` says whether `at_us` is the present, which goes on while this looks: values newer than it are no past.
        """
        hot = HotReader(self._state.hot)
        self._read(hot, at_us)
        known = standings(one for one in self._records if one.at_us <= at_us).get(asset.id, Standing())
        seen_us = _last_good(hot, self._tags) if now else self._seen_then(asset.id)
        ((_same, found, digest, _rows),) = self._pumps_assessed(at_us, [asset], seen_us)
        used, every_s = self._used(asset)[0], self._every_s[asset.id]
        found = _not_seen(found, seen_us.get(asset.id), at_us)
        found, _back = with_standing(found, known, self._signals[asset.id], self._settings, at_us)
        values, share = self._frames(asset.id, at_us, _least(used), every_s)
        return Look(found, replace(used, every_s=every_s), digest, values, share, tuple(known.alerts.values()))

    def _seen_then(self, asset_id: str) -> dict[str, int]:
        """When an asset last gave a good value before the end of the window; {} where its minutes are gone from it.

        Of those history alone is judged.
        """
        ends_s = self._window.of(asset_id).last_good_s
        return {} if ends_s is None else {asset_id: ends_s * 1_000_000}

    def _read(self, hot: HotReader, now_us: int) -> None:
        """What is new in hot file and ledger; where something was erased, the ledger anew."""
        hot_id = hot.meta().get("id", "")
        if hot_id != self._hot_id or not self._tags:
            self._hot_id, self._tags = hot_id, hot.tags()
            wells = (one for asset in self._pumps for one in well_assets(self._settings, asset))
            self._window = Window(self._tags, [*dict.fromkeys([*(asset.id for asset in self._pumps), *wells])])
            self._duty = DutyShares(self._settings, self._tags)
        self._duty.take(hot, now_us // 1_000_000)
        self._window.take(hot, edge(now_us, MINUTE_S) // 1_000_000)
        fresh = list(entries(self._state, KINDS, after_n=self._records[-1].n if self._records else 0))
        if any(one.kind == "erasure" for one in fresh):
            self._records, fresh = [], list(entries(self._state, KINDS))
        self._records += fresh

    def _pumps_assessed(
        self, now_us: int, assets: Sequence[Asset], seen_us: Collection[str]
    ) -> list[tuple[Asset, Assessment, str | None, Callable[[], Mapping[str, Any]]]]:
        zone = ZoneInfo(self._settings.time_zone)
        young = all(self._window.of(asset.id).rows < ROLLUP_ROWS for asset in self._pumps)
        said: dict[str, Judged] = {}
        questions: dict[str, Question] = {}
        digests: dict[str, str | None] = {}
        for asset in assets:
            used, digests[asset.id] = self._used(asset)
            minutes = self._window.of(asset.id)
            if used.every_s == MINUTE_S and minutes.rows >= ROLLUP_ROWS:
                beside = self._beside(asset, ROWS, beside_well(self._settings, asset, partial(self._columns, now_us)))
                questions[asset.id] = Question(used, minutes.past(), self._limits[asset.id], beside)
                continue
            cadences = (used.every_s,) if used.every_s != HOUR_S else YOUNG_LIVE_S if young else LIVE_S
            seen = partial(self._seen, asset, now_us, _least(used))
            first, *last = _assessed(used, self._limits[asset.id], cadences, seen)
            one = of_now(first, last[-1] if last else first, asset.id in seen_us, now_us, zone)
            if asset.id in seen_us:
                one = one._replace(found=while_learning(one.found, minutes.seen, min(cadences[:2])))
            said[asset.id] = one
        for asset_id, found in zip(questions, assess_all([*questions.values()]), strict=True):
            minutes = self._window.of(asset_id)
            one = _judged(found, minutes.seen, minutes.times_s * 1_000_000, MINUTE_S)
            said[asset_id] = of_now(one, one, asset_id in seen_us, now_us, zone)
        self._every_s |= {name: one.every_s for name, one in said.items()}

        def rows(asset: Asset) -> Mapping[str, Any]:
            every_s = said[asset.id].every_s
            return rows_told(*self._frames(asset.id, now_us, _least(self._used(asset)[0]), every_s), every_s)

        return [(one, said[one.id].found, digests[one.id], partial(rows, one)) for one in assets]

    def _used(self, asset: Asset) -> tuple[HealthModel, str | None]:
        """The model that judges an asset, with the nameplate of today, and the digest of what was learned."""
        digest = self._digests.get(asset.id, "")
        try:
            stamp = Path(model_path(self._state, asset.id, digest)).stat()
        except FileNotFoundError:
            return self._unlearned(asset), None
        mark = (stamp.st_mtime_ns, stamp.st_ino)
        known = self._models.get(asset.id)
        if known is None or known[0] != mark:
            try:
                model = load(self._state, asset.id, digest)
            except ModelDamaged as fault:
                return self._unlearned(asset, str(fault)), None
            if model is None:
                return self._unlearned(asset), None
            used = replace(model, rated=of_today(model.rated, rated(self._settings, asset)))
            self._models[asset.id] = known = (mark, used, model.sha256)
        return known[1:]

    def _unlearned(self, asset: Asset, note: str = "") -> HealthModel:
        return HealthModel(rated(self._settings, asset), MINUTE_S, card={"notes": [note] if note else []})

    def _seen(self, asset: Asset, now_us: int, least: int, every_s: float) -> tuple[pd.DataFrame, pd.DataFrame, Beside]:
        """The last rows of one pump, and what others know of it in these rows."""
        values, share = self._frames(asset.id, now_us, least, every_s)
        of_well = well_columns(self._settings, asset, lambda one: self._frames(one, now_us, least, every_s))
        return values, share, self._beside(asset, len(values), of_well)

    def _beside(self, asset: Asset, rows: int, of_well: Beside) -> Beside:
        """What others know of a pump in so many rows."""
        hours = self._duty.of(asset.id)
        return of_well if hours is None else {**of_well, "duty_share": np.full(rows, hours)}

    def _columns(self, now_us: int, asset_id: str) -> Columns:
        """What is good of the last minutes of one asset."""
        minutes = self._window.of(asset_id)
        if minutes.rows >= ROLLUP_ROWS:
            return minutes.past().columns
        return arrays(clean(*self._frames(asset_id, now_us, ROLLUP_ROWS, MINUTE_S)))

    def _frames(self, asset_id: str, now_us: int, least: int, every_s: float) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The last rows of one asset: minutes from the window; others, or fewer than `least`, from history."""
        minutes = self._window.of(asset_id)
        if every_s == MINUTE_S and minutes.rows >= least:
            return minutes.frames()
        end_us = edge(now_us, every_s)
        rows = WINDOW_ROWS.get(int(every_s), 60)
        return wide(self._state, self._settings, asset_id, end_us - round(rows * every_s * 1e6), end_us, every_s)


def _without_model(asset: Asset, now_us: int) -> dict[str, Any]:
    """The row of an asset that has no model of ours: the vendor's claims on it are judged all the same."""
    return {"asset": asset.id, "site": asset.site, "at_ms": now_us // 1000, "model_sha256": None, "index": None,
            "state": "unknown", "word": "unknown", "reasons": [_("no own model for this asset")]}  # fmt: skip


def _assessed(
    model: HealthModel, limits: Limits, cadences: Sequence[float],
    window: Callable[[float], tuple[pd.DataFrame, pd.DataFrame, Beside]],
) -> list[Judged]:  # fmt: skip
    """The assessments, each with the cadence of its rows [s], up to the first that has an index, if there is one.

    A model that was learned from hours also judges minutes, and quarters of a minute while the store is young: rows
    nearer in time differ less, so that its lines err on the quiet side. Else a fault would show after half a day only.
    """
    said: list[Judged] = []
    for every_s in cadences:
        values, share, beside = window(every_s)
        found = assess(replace(model, every_s=every_s), values, share, limits, beside)
        seen = np.asarray((share.to_numpy(float) > 0).any(axis=1))
        said.append(_judged(found, seen, pd.DatetimeIndex(share.index).as_unit("us").asi8, every_s))
        if found.index is not None:
            return said
    return said[:1]


def _judged(found: Assessment, seen: np.ndarray, time_us: np.ndarray, every_s: float) -> Judged:
    """An assessment with how long its asset was out of sight since the row that its index rests on."""
    hole_s = unseen_s(seen, time_us, parse_utc(found.index_at), every_s) if found.index_at else 0.0
    return Judged(found, every_s, hole_s)


def _least(used: HealthModel) -> int:
    """Minutes of the window that are enough; history has none where hours were learned."""
    return ROLLUP_ROWS if used.every_s == MINUTE_S else 0


def _last_good(hot: HotReader, tags: Mapping[int, TagRow]) -> dict[str, int]:
    """When each asset that is read last gave a good value, 0 for never. [us, UTC]"""
    newest = latest_of(hot).columns()
    at_us = np.where(newest.quality == Quality.GOOD, newest.receive_us, 0)
    seen: dict[str, int] = {}
    for number, at in zip(newest.tag.tolist(), at_us.tolist(), strict=True):
        if number in tags:
            asset = tags[number].asset
            seen[asset] = max(seen.get(asset, 0), at)
    return seen


def _not_seen(found: Assessment, seen_us: int | None, now_us: int) -> Assessment:
    """An asset that gives no good value is unknown, however good its last hours were: no data is never healthy."""
    if seen_us is None or now_us - seen_us <= UNSEEN_S * 1_000_000:
        return found  # None: nothing is read, history alone is judged
    words = f"no good value for more than {UNSEEN_S} s"
    return replace(found, state="unknown", index=None, word="unknown", score=None, reasons=(words, *found.reasons))


def _as_record(draft: Mapping[str, Any]) -> Record:
    return Record(0, draft["kind"], draft["at_us"], draft["role"], draft["via"], draft["site"], draft["asset"],
                  draft["component"], draft["data"])  # fmt: skip
