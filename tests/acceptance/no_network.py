"""`python -m tests.acceptance.no_network FOLDER`: the demo's plant where there is no network but the loopback.

One more source is a host that nobody can resolve, one more feed a broker that nobody can reach, as in a plant whose
vendor, platform and internet are gone when the control room starts. Prints what worked as one JSON object.
"""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from monitor.ledger import entries
from monitor.screen.reading import take
from monitor.screen.text import overview
from tests.acceptance.demo_run import DemoRun, links

CLOUD = """\
[source]
name      = "cloud"
driver    = "modbus_tcp"
site      = "N"
every_s   = 1
timeout_s = 1.0
host      = "gateway.platform.invalid"
port      = 502

[[source.block]]
asset        = "N-P01"
address_base = "wire0"
order        = "ABCD"
tags = [
  { at = 0, name = "cloud_flow", as = "u16", unit = "m3/h", quantity = "other" },
]
"""
BROKER = """\
[feed]
name   = "vendor_cloud"
kind   = "mqtt"
vendor = "SmartPump"
format = "json"
fields = { alert_id = "id", asset = "pump", severity = "level", text = "message", issued_at = "issued" }
assets = { "SP-0101" = "N-P01" }
severities = { warn = "warning" }

[feed.mqtt]
host  = "broker.vendor.invalid"
port  = 8883
topic = "vendor/alerts"
"""
MESSAGE = {
    "id": "SP-77", "pump": "SP-0101", "part": "seal", "mode": "wear", "level": "warn",
    "issued": "2026-11-20T07:10:00Z", "message": "replace seals", "recommended": "", "due_in_days": 14,
}  # fmt: skip


async def run(folder: Path) -> dict[str, object]:
    """Start, read, take in a vendor's file, raise an alarm, render the binder, print a procedure."""
    more = {"sources/cloud.toml": CLOUD, "sources/vendor_cloud.toml": BROKER}
    found: dict[str, object] = {}
    async with DemoRun(folder, more=more) as plant:
        own = set(plant.proxies)
        await plant.until(lambda s: {links(s)[one] for one in own} == {"up"} and links(s)["cloud"] == "down", "start")
        (plant.state.root / "drop/smartpump/m.json").write_text(json.dumps(MESSAGE))
        await plant.until(lambda s: any(one["text"] == "replace seals" for one in s["alarms_top"]), "the vendor's file")
        plant.faults("dead_device:n_drives")
        status = await plant.until(
            lambda s: any(one["id"] == "monitor:link:n_drives" for one in s["alarms_top"]), "an alarm of ours"
        )
        cloud = next(one for one in status["sources"] if one["name"] == "cloud")
        found["cloud_said"] = cloud["note"]
        await plant.until(lambda s: "binder" in s["worker"]["jobs"], "the binder, rendered by the worker")
        found["alarms"] = sorted(one["id"] for one in status["alarms_top"])
        found["overview"] = overview(take(plant.state), 120, 40)
        found["ledger"] = sum(one.data["alert_id"] == MESSAGE["id"] for one in entries(plant.state, ["vendor_alert"]))
        found["intake"] = plant.children["intake"].poll() is None
        manual = [sys.executable, "-m", "fallback_procedures", "--state", str(plant.state.root), "--lang", "en"]
        for name, words in {"list": ["--list"], "print": ["--print", "P-03"]}.items():
            done = await asyncio.to_thread(
                subprocess.run, [*manual, *words], capture_output=True, text=True, timeout=120, check=False
            )
            found[name] = [done.returncode, done.stdout[:4000], done.stderr[-2000:]]
        found["binder"] = sorted(path.suffix for path in plant.state.binder.rglob("*") if path.is_file())
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(Path(sys.argv[1])))))
