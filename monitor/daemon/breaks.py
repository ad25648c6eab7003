"""Breaks on their way into the ledger: from here on a tag's number means something else, so trends begin anew.

The server says so (OPC UA SemanticsChanged), or a counter was exchanged or set to zero. A server that says it with
every sample gets one entry an hour for each tag; the samples themselves all carry the reason.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from drivers.batch import Batch
from drivers.record import Reason, Tag
from monitor.ledger import Draft
from monitor.words import clean

QUIET_S = 3_600.0
_BREAK = np.uint32(Reason.BREAK)
_TEXT_LIMIT = 200


class Breaks:
    """Remembers for which tags a break was told lately."""

    def __init__(self, tags: Sequence[Tag], sites: Mapping[str, str]) -> None:
        """`sites`: site by asset."""
        self._tags = {tag.number: tag for tag in tags}
        self._sites = sites
        self._told_s: dict[int, float] = {}

    def take(self, batch: Batch, mono_s: float) -> list[Draft]:
        """The entries for a checked batch; `mono_s` is monotonic [s]."""
        drafts = []
        for row in np.flatnonzero(batch.reasons & _BREAK).tolist():
            tag = self._tags[int(batch.tag[row])]
            if mono_s - self._told_s.get(tag.number, -QUIET_S) < QUIET_S:
                continue
            self._told_s[tag.number] = mono_s
            text = clean(batch.detail.get(row, ""), _TEXT_LIMIT)
            drafts.append(
                Draft("break", {"tag": tag.name, "text": text}, batch.receive_us, "daemon",
                      site=self._sites.get(tag.asset), asset=tag.asset)
            )  # fmt: skip
        return drafts
