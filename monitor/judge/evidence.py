"""Of what an assessment was made: all that its ledger entry needs so that anybody can make it again.

The model by its digest (STATE/models/ASSET/DIGEST), the rows by their end, number and digest, the configuration that
had limits and nameplate by its own; then what came out.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from models.health import Assessment
from monitor.judge.own_alerts import ALERT_LINE
from monitor.words import utc_text

FIRED = ("warn", "act")
OF_LINE = ("name", "value", "unit", "reference", "uncertainty", "warn", "act", "word", "n")


def evidence(found: Assessment, digest: str | None, rows: Mapping[str, Any], config_sha256: str) -> dict[str, Any]:
    """The fields of an entry. `threshold` is the alert line of the index, `score_line` that of the score."""
    lines = [{name: value for name, value in asdict(line).items() if name in OF_LINE} for line in found.lines
             if line.word in FIRED]  # fmt: skip
    return {
        "index": found.index, "threshold": ALERT_LINE, "score": found.score, "score_line": found.threshold,
        "top": [asdict(one) for one in found.top], "lines": lines, "rows_at": found.at, "index_at": found.index_at,
        "model_sha256": digest, "config_sha256": config_sha256, "judged": dict(rows),
    }  # fmt: skip


def rows_told(values: pd.DataFrame, share_good: pd.DataFrame, every_s: float) -> dict[str, Any]:
    """Which rows were judged, from the first that has a sample on, and their digest.

    The digest is over single precision: the same rows read from the hot file and from history differ in the last bits.
    """
    read = (share_good.to_numpy(float) > 0).any(axis=1) | np.isfinite(values.to_numpy(float)).any(axis=1)
    first = int(np.argmax(read)) if read.any() else len(values)
    values = values.iloc[first:]
    times = pd.DatetimeIndex(values.index).as_unit("us").asi8
    digest = hashlib.sha256(np.ascontiguousarray(times, "<i8").tobytes())
    for name in sorted(map(str, values)):
        digest.update(name.encode() + np.ascontiguousarray(values[name], "<f4").tobytes())
    end_us = int(times[-1]) + round(every_s * 1e6) if len(times) else None
    return {"every_s": every_s, "rows": len(values), "end": utc_text(end_us) if end_us is not None else None,
            "data_sha256": digest.hexdigest()}  # fmt: skip
