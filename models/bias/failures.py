"""Which failures the vendor's way of asking can have to do with, so that no other one is held against its credit.

A failure of a part that nobody reviews says nothing of the vendor, and lightning asks no alert. Where the vendor had
asked and the utility left the part in, the vendor had spoken. What is left is what early or late asking can change:
parts that failed without an alert, and parts that failed while work on one was under way.
"""

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

SHOCKS = ("shock", "lightning", "vandalism", "flood", "blitz", "stoss", "überspannung", "foudre", "choc", "surtension")
KINDS = ("not_reviewed", "shock", "not_followed", "no_alert", "followed")


@dataclass(frozen=True, slots=True)
class FailureCounts:
    """The failures of the period, each in the first kind that fits it."""

    not_reviewed: int  # of a component that is not under review
    shock: int  # the record's failure mode names one of SHOCKS
    not_followed: int  # a vendor alert stood that was rejected, deferred or left without a decision
    no_alert: int  # no vendor alert stood
    followed: int  # one stood and work on it had been decided, but was not done yet
    recorded: bool  # whether the records hold any failure at all, until the end of the period

    @property
    def counted(self) -> int:
        """Failures that the credit is reckoned with."""
        return self.no_alert + self.followed


def kinds(
    failures: pd.DataFrame,
    episodes: pd.DataFrame,
    decisions: pd.DataFrame,
    reviewed: Collection[tuple[str, str]],
) -> list[str]:
    """One of KINDS for each failure.

    Parameters
    ----------
    failures : DataFrame
        Columns at_us, asset, component, mode.
    episodes : DataFrame
        Those of the vendor (models.bias.episodes.merge), of all times.
    decisions : DataFrame
        Columns at_us, alert_id, choice, in order of time.
    reviewed : collection of (asset, component)
        What is under review; empty: every component.
    """
    spans: dict[tuple[str, str], list[tuple[float, float, tuple[str, ...]]]] = {}
    columns = (episodes[name] for name in ("asset", "component", "start_us", "end_us", "alerts"))
    for asset, part, begin, end, alerts in zip(*columns, strict=True):
        spans.setdefault((asset, part), []).append((begin, end, tuple(alerts)))
    decided: dict[str, list[tuple[int, str]]] = {}
    for at, alert, choice in zip(decisions["at_us"], decisions["alert_id"], decisions["choice"], strict=True):
        decided.setdefault(alert, []).append((int(at), str(choice)))

    def kind(at: int, asset: str, part: str, mode: object) -> str:
        if reviewed and (asset, part) not in reviewed:
            return "not_reviewed"
        if any(word in str(mode).casefold() for word in SHOCKS):
            return "shock"
        stood = [alerts for begin, end, alerts in spans.get((asset, part), []) if begin < at and not end < at]
        if not stood:
            return "no_alert"
        said = sorted(one for alerts in stood for alert in alerts for one in decided.get(alert, []) if one[0] <= at)
        return "followed" if said and said[-1][1] in ("follow", "inspect_first") else "not_followed"

    columns = (failures[name] for name in ("at_us", "asset", "component", "mode"))
    return [kind(int(at), asset, part, mode) for at, asset, part, mode in zip(*columns, strict=True)]


def counts(of: Collection[str], recorded: bool) -> FailureCounts:
    """How many failures are of each kind."""
    listed = list(of)
    return FailureCounts(**{name: listed.count(name) for name in KINDS}, recorded=recorded)
