"""Episodes: what one origin claims about one component, merged over time, and who claimed it first.

A vendor that repeats itself each day has said one thing, not thirty. Everything that counts claims (verdicts, the
review, agreement) counts episodes, so that a talkative feed weighs no more than a quiet one.
"""

import bisect
import math
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import pandas as pd

DAY_US = 86_400_000_000
EPISODE_COLUMNS = ["id", "origin", "asset", "component", "start_us", "end_us", "alerts"]
PAIR_COLUMNS = ["vendor_id", "own_id", "asset", "component", "lead_days"]


class _Said(NamedTuple):
    """One message of an origin."""

    at_us: int
    alert_id: str
    active: bool
    horizon_days: float  # NaN: the default


def merge(
    alerts: pd.DataFrame,
    *,
    gap_days: float = 14.0,
    horizon_days: float = 182.0,
    origin: str,
    closings: pd.DataFrame | None = None,
    now_us: int | None = None,
) -> pd.DataFrame:
    """Alerts of one origin as episodes, ordered by start.

    An episode stands while any alert of it stands. An alert stands until the origin takes back this one, by its id, or
    until its horizon has passed since it was said last. Work on the component or its failure (`closings`) ends them
    all. A message while an episode stands belongs to it, and so does one that comes within `gap_days` after its last
    alert was taken back or ran out; after a closing nothing is merged: the part is another one.

    Parameters
    ----------
    alerts : DataFrame
        Columns at_us, asset, component, alert_id, active; optional horizon_days (what the message itself says, NaN:
        the default). `active` False takes back the alert of that id.
    gap_days : float
        Messages at most this far apart are one claim. [d]
    horizon_days : float
        A claim that is not repeated stands this long. [d]
    origin : str
        "vendor" or "own"; its first letter begins the ids.
    closings : DataFrame, optional
        Columns at_us, asset, component: interventions done and failures.
    now_us : int, optional
        Time of judgement, UTC; a horizon after it is not over. Default: the latest message or closing. [us]

    Returns
    -------
    DataFrame
        Columns id, origin, asset, component, start_us, end_us (float, NaN while open), alerts (list of alert ids).

    >>> frame = pd.DataFrame({"at_us": [0, 5 * DAY_US], "asset": "P", "component": "seal", "alert_id": ["a", "b"],
    ...                       "active": [True, True]})
    >>> merge(frame, origin="vendor").loc[0, ["id", "alerts"]].tolist()
    ['V-P-seal-1', ['a', 'b']]
    """
    if alerts.empty:
        return _episodes([])
    ends = {} if closings is None else _times_by_part(closings)
    last_seen = [int(alerts["at_us"].max()), *(times[-1] for times in ends.values())]
    latest = max(last_seen) if now_us is None else now_us
    rows: list[dict[str, Any]] = []
    of_part: dict[tuple[str, str], list[_Said]] = {}
    horizons = alerts["horizon_days"] if "horizon_days" in alerts else [math.nan] * len(alerts)
    columns = [alerts[name] for name in ("asset", "component", "at_us", "alert_id", "active")]
    for asset, component, *said in zip(*columns, horizons, strict=True):
        of_part.setdefault((asset, component), []).append(_Said(*said))
    for (asset, component), messages in sorted(of_part.items()):
        messages.sort(key=lambda one: one.at_us)
        found = _of_one_part(messages, ends.get((asset, component), []), gap_days, horizon_days, latest)
        for count, episode in enumerate(found, start=1):
            name = f"{origin[:1].upper()}-{asset}-{component or 'unnamed'}-{count}"
            rows.append({"id": name, "origin": origin, "asset": asset, "component": component, **episode})
    return _episodes(rows)


def match(vendor: pd.DataFrame, own: pd.DataFrame, window_days: float = 56.0) -> pd.DataFrame:
    """Pairs of vendor and own episodes of the same part whose starts lie within the window, each used once.

    The closest starts are paired first. An episode whose component is "" (nobody named one) may pair with any
    component of its asset, after all that are named alike. What finds no partner stands alone with None.

    Parameters
    ----------
    vendor, own : DataFrame
        Episodes as `merge` returns them.
    window_days : float
        Largest distance of the two starts. [d]

    Returns
    -------
    DataFrame
        Columns vendor_id, own_id (None where alone), asset, component, lead_days = own start minus vendor start
        [d], positive where the vendor spoke first, NaN where alone.
    """
    theirs, ours = vendor.to_dict("records"), own.to_dict("records")
    by_asset: dict[Hashable, list[dict[Hashable, Any]]] = {}
    for episode in ours:
        by_asset.setdefault(episode["asset"], []).append(episode)
    candidates = []
    for v in theirs:
        for o in by_asset.get(v["asset"], []):
            alike = v["component"] == o["component"]
            lead = (o["start_us"] - v["start_us"]) / DAY_US
            if abs(lead) <= window_days and (alike or not v["component"] or not o["component"]):
                candidates.append((not alike, abs(lead), v["start_us"], v["id"], o["id"], lead, v, o))
    taken: set[str] = set()
    rows = []
    for *_, vendor_id, own_id, lead, v, o in sorted(candidates, key=lambda c: c[:5]):
        if vendor_id in taken or own_id in taken:
            continue
        taken |= {vendor_id, own_id}
        rows.append((vendor_id, own_id, v["asset"], v["component"] or o["component"], lead, v["start_us"]))
    alone = [(e["id"], None, e) for e in theirs] + [(None, e["id"], e) for e in ours]
    for vendor_id, own_id, e in alone:
        if (vendor_id or own_id) not in taken:
            rows.append((vendor_id, own_id, e["asset"], e["component"], math.nan, e["start_us"]))
    rows.sort(key=lambda row: (row[5], row[2], row[3]))
    columns = list(zip(*(row[:5] for row in rows), strict=True)) or [()] * len(PAIR_COLUMNS)
    series = [pd.Series(column, dtype=object) for column in columns]  # object: None stays None
    return pd.DataFrame(dict(zip(PAIR_COLUMNS, series, strict=True))).astype({"lead_days": float})


def _of_one_part(
    messages: Sequence[_Said], closings: list[int], gap_days: float, horizon_days: float, now_us: int
) -> list[dict[str, Any]]:
    """Episodes of one asset and component; messages in order of time."""
    episodes: list[dict[str, Any]] = []
    current: dict[str, Any] | None = None
    until: dict[str, float] = {}  # the alerts of the current episode that were not taken back, and their horizons
    for at, alert_id, active, horizon in messages:
        if current is not None and _closed_by_work(current, closings, at):
            current = None
        if current is not None and at > current["end_us"] + gap_days * DAY_US:
            current = None
        if not active:
            if current is not None and until.pop(alert_id, None) is not None:
                current["end_us"] = min(current["end_us"], max([float(at), *until.values()]))
                current["alerts"].append(alert_id)
            continue
        if current is None:
            current, until = {"start_us": int(at), "end_us": float(at), "alerts": []}, {}
            episodes.append(current)
        stands = horizon_days if horizon is None or math.isnan(horizon) else float(horizon)
        until[alert_id] = float(at) + stands * DAY_US
        current["end_us"] = max(until.values())
        current["alerts"].append(alert_id)
    for episode in episodes:
        _closed_by_work(episode, closings, now_us)
        if episode["end_us"] > now_us:
            episode["end_us"] = math.nan
    return episodes


def _closed_by_work(episode: dict[str, Any], closings: list[int], until_us: int) -> bool:
    """End the episode at the first closing after its last message; True if there is one up to `until_us`."""
    first = bisect.bisect_right(closings, episode["start_us"])
    if first == len(closings) or closings[first] > until_us:
        return False
    episode["end_us"] = min(episode["end_us"], float(closings[first]))
    return True


def _times_by_part(frame: pd.DataFrame) -> dict[tuple[str, str], list[int]]:
    times: dict[tuple[str, str], list[int]] = {}
    for asset, component, at in sorted(zip(frame["asset"], frame["component"], frame["at_us"], strict=True)):
        times.setdefault((asset, component), []).append(int(at))
    return times


def _episodes(rows: list[dict[str, Any]]) -> pd.DataFrame:
    rows.sort(key=lambda row: (row["start_us"], row["id"]))
    frame = pd.DataFrame(rows, columns=EPISODE_COLUMNS)
    return frame.astype({"start_us": "int64", "end_us": float})
