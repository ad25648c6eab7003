"""OPC UA: what arrives of 10,000 values a second from a node-opcua server, subscribed, polled, and at its own client.

Each variable of the server counts up once a second, so what did not arrive can be told from the numbers themselves:
delivered = values told / values that the counters passed. The three arms take turns on the same server, each in a
process of its own whose processor time is read.
"""

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.figures import Figure, run
from drivers.opcua import open_source
from drivers.record import Node, Tag
from drivers.source import SourceSpec
from tests.peers import launch

ITEMS = 10_000
WARM_S = 5.0


def spec_of(url: str, mode: str, items: int) -> SourceSpec:
    """A source with as many tags at 1 Hz."""
    tags = tuple(Tag(n, f"p.v{n}", "p", f"v{n}", "1", "server", Node(f"nsu=urn:peer;s=v{n}")) for n in range(items))
    options = {"url": url, "mode": mode, "alarms": False, "batch": 1_000}
    return SourceSpec("server", "opcua", "G", 1.0, 10.0, tags, options)


async def ours(url: str, mode: str, items: int, seconds: float) -> dict[str, Any]:
    """Read as the poller does, once a second; what came in `seconds` after warming up."""
    source = open_source(spec_of(url, mode, items))
    await source.open()
    loop = asyncio.get_running_loop()
    first: list[float | None] = [None] * items
    last: list[float] = [0.0] * items
    rows, start, turn, cpu = 0, loop.time(), 0, 0.0
    while loop.time() - start < WARM_S + seconds:
        turn += 1
        await asyncio.sleep(max(0.0, start + turn - loop.time()))
        counting = loop.time() - start >= WARM_S
        if counting and not cpu:
            cpu = processor_s()
        batch = await source.read(source.spec.tags)
        if not counting:
            continue
        for number, value in zip(batch.tag.tolist(), batch.value.tolist(), strict=True):
            if first[number] is None:
                first[number] = value - 1
            elif value == last[number]:
                continue  # read because it was silent, and unchanged: nothing new was told
            last[number] = value
            rows += 1
    cpu = processor_s() - cpu
    await source.close()
    due = sum(last[n] - value for n, value in enumerate(first) if value is not None)
    counts = {"lost": source.counts.lost, "unfit": source.counts.unfit}
    return {"rows": rows, "due": due, "silent": first.count(None), "cpu_s": cpu, **counts}


def processor_s() -> float:
    """Processor time of this process [s]."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def arm(name: str, url: str, items: int, seconds: float, folder: Path) -> dict[str, float]:
    """One arm in a process of its own: delivered [share], CPU [us per value told]."""
    if name == "node-opcua":
        script = str(launch.HERE / "node_opcua_client.cjs")
        options = json.dumps({"url": url, "items": items, "warm_s": WARM_S, "seconds": seconds})
        command = ["node", script, options]
    else:
        command = [sys.executable, "-m", "benchmarks.opcua", "--arm", name, url, str(items), str(seconds)]
    environment = os.environ | {"NODE_PATH": str(launch.node_modules()), "HOME": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    try:
        said = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise RuntimeError(f"{name}: {done.stderr[-2000:]}") from None
    print(name, said, file=sys.stderr)
    return {
        "delivered": min(1.0, said["rows"] / said["due"]) * (1 - said["silent"] / items),
        "us": said["cpu_s"] / said["rows"] * 1e6,
    }


def measure(quick: bool) -> Sequence[Figure]:
    seconds, turns = (8.0, 1) if quick else (15.0, 3)
    seen: dict[str, list[dict[str, float]]] = {"node-opcua": [], "subscribe": [], "poll": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            launch.node_modules()
        except pytest.skip.Exception as why:
            print(f"OPC UA delivery was not measured: {why}", file=sys.stderr)
            return [Figure("delivered against node-opcua's client (not here)", None, "ratio")]
        with launch.node_opcua(folder, nodes=ITEMS) as peer:
            for _ in range(turns):
                for one, results in seen.items():
                    results.append(arm(one, launch.url_of(peer), ITEMS, seconds, folder))
    middle = {
        one: {key: statistics.median(result[key] for result in results) for key in ("delivered", "us")}
        for one, results in seen.items()
    }
    theirs = middle["node-opcua"]
    return [
        Figure("delivered to node-opcua's client", theirs["delivered"], "share"),
        Figure("delivered to us, subscribed", middle["subscribe"]["delivered"], "share"),
        Figure("delivered to us, polled", middle["poll"]["delivered"], "share"),
        Figure("subscribed / node-opcua", middle["subscribe"]["delivered"] / theirs["delivered"], "ratio", 0.9,
               "at least"),
        Figure("polled / node-opcua", middle["poll"]["delivered"] / theirs["delivered"], "ratio"),
        Figure("CPU of node-opcua's client", theirs["us"], "us/value"),
        Figure("CPU subscribed", middle["subscribe"]["us"], "us/value", 20.0),
        Figure("CPU polled", middle["poll"]["us"], "us/value"),
    ]  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--arm"]:
        mode, url, items, seconds = sys.argv[2:]
        print(json.dumps(asyncio.run(ours(url, mode, int(items), float(seconds)))))
        raise SystemExit(0)
    raise SystemExit(run("opcua", measure))
