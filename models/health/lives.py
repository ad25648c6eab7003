"""From records to lives: how old each part was when it failed, was replaced, or was last seen running.

References
----------
Klein, Moeschberger 2003, Survival Analysis, chapter 3 (right censoring, left truncation).
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from models.bias.cases import CONFIRMED, prepared, with_findings
from models.bias.episodes import DAY_US

FAILED, WORN, REMOVED, RUNNING = "failed", "worn", "removed", "running"
LIFE_COLUMNS = ["asset", "component", "entry_d", "exit_d", "ended", "end_us"]


def lives(tables: Mapping[str, pd.DataFrame], site_of: Mapping[str, str], since_us: int, end_us: int) -> pd.DataFrame:
    """One row per life of a part that was at risk within [since_us, end_us).

    A life begins where a part was replaced; what was there before the first replacement has no known age and is left
    out, and so is the time between a failure and the replacement after it. Only work that replaced counts.

    Parameters
    ----------
    tables : mapping
        Records by kind, as the ledger has them: work_order, finding, failure. Missing tables are empty ones.
    site_of : mapping
        Asset -> site of the assets that count.
    since_us, end_us : int
        The time in which every failure would have been recorded, UTC. [us]

    Returns
    -------
    DataFrame
        Columns asset, component, entry_d (age at `since_us`, 0 for parts fitted later: left truncation), exit_d (age
        at the end) [d], ended (failed; worn: replaced, and an independent hand found grade D or E; removed; running),
        end_us.
    """
    work, failures, findings = (
        prepared(tables.get(kind), kind, site_of) for kind in ("work_order", "failure", "finding")
    )
    work = work[(work["action"] == "replace") & (work["at_us"] < end_us)]
    found = with_findings(work, findings[(findings["at_us"] < end_us) & (findings["inspector_party"] != "vendor")])
    worn_jobs = set(found.loc[found["grade"].isin(CONFIRMED), "wo_id"])
    events: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    for at, asset, part in zip(failures["at_us"], failures["asset"], failures["component"], strict=True):
        if at < end_us:
            events.setdefault((asset, part), []).append((at, 0, FAILED))
    for at, asset, part, why, wo_id in zip(
        work["at_us"], work["asset"], work["component"], work["trigger"], work["wo_id"], strict=True
    ):
        ended = FAILED if why == "failure" else WORN if wo_id in worn_jobs else REMOVED
        events.setdefault((asset, part), []).append((at, 1, ended))
    rows: list[dict[str, Any]] = []

    def told(asset: str, part: str, born: int, end: int, ended: str) -> None:
        if end > max(born, since_us):
            entry = max(0, since_us - born) / DAY_US
            rows.append(dict(zip(LIFE_COLUMNS, (asset, part, entry, (end - born) / DAY_US, ended, end), strict=True)))

    for (asset, part), of_part in sorted(events.items()):
        born: int | None = None
        for at, replaced, ended in sorted(of_part):
            if born is not None:
                told(asset, part, born, at, ended)
            born = at if replaced else None
        if born is not None:
            told(asset, part, born, end_us, RUNNING)
    return pd.DataFrame(rows, columns=LIFE_COLUMNS).astype({"entry_d": float, "exit_d": float, "end_us": "int64"})
