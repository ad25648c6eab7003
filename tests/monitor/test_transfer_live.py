"""Export and import beside a daemon that runs: over its socket, by its worker, without a lock."""

import asyncio
import subprocess
import sys

from drivers.record import Reason
from monitor.command_socket import ask
from monitor.historian.history import read
from monitor.historian.reader import HotReader
from monitor.ledger import entries, verify
from monitor.transfer.bundle_check import command as check
from tests.monitor.plant_bench import COMMAND

MAP = """\
[file]
separator = ","
decimal = "."
[time]
column = "t"
form = "iso"
[[tag]]
from = "flow"
to = "pump1.flow"
unit = "m3/h"
"""
CSV = "t,flow\n2026-09-01T00:00Z,90.5\n2026-09-01T00:30Z,91.5\n2026-09-01T01:00Z,\n"


async def handwheel(bench, *words):
    line = [sys.executable, "-c", COMMAND, *words, "--config", str(bench.config), "--state", str(bench.state.root)]
    return await asyncio.to_thread(subprocess.run, line, capture_output=True, text=True, timeout=120, check=False)


async def test_what_a_running_daemon_is_given_comes_in_and_what_it_has_goes_out(bench, tmp_path):
    await bench.until(lambda s: s["sources"][0]["good"] == 4)
    (tmp_path / "map.toml").write_text(MAP)
    (tmp_path / "old.csv").write_text(CSV)
    words = ("import", "values", str(tmp_path / "old.csv"), "--map", str(tmp_path / "map.toml"), "--yes",
             "--rejects", str(tmp_path / "no.csv"))  # fmt: skip
    done = await handwheel(bench, *words)
    assert "2 brought in, 0 were there already" in done.stdout, done.stderr
    found = read(bench.state, ["pump1.flow"], 0, 2**62)
    old = found[found["reasons"] & int(Reason.IMPORTED) > 0]
    assert old["value"].tolist() == [90.5, 91.5]
    hot = HotReader(bench.state.hot)
    (number,) = (number for number, row in hot.tags().items() if row.name == "pump1.flow")
    assert hot.rollup(number, 3_600, 0)[0].mean == 91.0
    assert not list(bench.state.imports.iterdir())

    out = tmp_path / "out.csv"
    done = await handwheel(bench, "export", "values", "pump1.flow", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "not in the ledger" not in done.stderr
    assert "90.5,,good,imported" in out.read_text()
    done = await handwheel(bench, "export", "everything", str(tmp_path / "away"))
    assert done.returncode == 0, done.stderr
    assert check(str(tmp_path / "away")) == 0
    told = [
        (one.kind, one.data.get("stage") or one.data.get("what")) for one in entries(bench.state, ["import", "export"])
    ]
    assert told == [("import", "begun"), ("import", "done"), ("export", "values"), ("export", "everything")]
    found = {"wo_id": "W1", "asset": "pump1", "component": "seal", "grade": "C", "inspector_party": "utility"}
    assert (await asyncio.to_thread(ask, bench.state, "finding", found))["ok"]
    told = await asyncio.to_thread(ask, bench.state, "finding", found)
    assert "is there already, as entry" in told["error"]
    assert [(one.via, one.data["grade"]) for one in entries(bench.state, ["finding"])] == [("screen", "C")]
    assert verify(bench.state).ok
