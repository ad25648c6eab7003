"""The record of a probe: a ledger entry before the first question, and a file with each answer.

STATE/probes/TIME_SOURCE.jsonl is written line by line, so that a probe that took a device down has left its trace.
"""

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drivers.errors import UserError
from monitor import plant
from monitor.ledger.through import enter, this_user
from monitor.state import State
from monitor.words import utc_text


class ProbeRecord:
    """One file of answers, open while the probe runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("x", encoding="utf-8")

    @classmethod
    def begin(
        cls, settings: plant.Settings | None, state: State, source: str, device_id: int,
        assets: Sequence[plant.Asset], plan: Sequence[str],
    ) -> "ProbeRecord":  # fmt: skip
        """Enter the probe and open its file. UserError where either cannot be: then nothing is asked."""
        at_us = time.time_ns() // 1000
        stamp = re.sub(r"[-:]", "", utc_text(at_us))
        folder = (state if settings is None else state.make()).root / "probes"
        path = folder / f"{stamp}_{re.sub(r'[^A-Za-z0-9_-]', '-', source)}.jsonl"
        asset = assets[0].id if len(assets) == 1 else ""
        asked = {"source": source, "device": str(device_id), "asked": "; ".join(plan), "file": path.name}
        role = "not configured"
        if settings is not None:
            enter(state, settings, "probe", asked, at_us, asset=asset)
            role = this_user(settings).role
        try:
            folder.mkdir(mode=0o2770, parents=True, exist_ok=True)
            record = cls(path)
        except OSError as fault:
            raise UserError(
                f"{path}: cannot be written ({fault.strerror}); mend its rights, nothing was asked"
            ) from None
        record._write({"at": utc_text(at_us), "role": role, "asset": asset, **asked})
        return record

    def asking(self, what: str) -> None:
        """What goes to the device now: the last line of a probe that took it down."""
        self._write({"at": utc_text(time.time_ns() // 1000), "asking": what})

    def note(self, asked: str, answer: Any) -> None:
        """One answer, at its time."""
        self._write({"at": utc_text(time.time_ns() // 1000), "asked": asked, "answer": answer})

    def end(self, *, whole: bool) -> None:
        """The last line; `whole`: all was asked that was said."""
        self._write({"at": utc_text(time.time_ns() // 1000), "ended": "whole" if whole else "broken off"})
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
