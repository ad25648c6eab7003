"""`python -m drivers.sim`: the simulated utility as a process of its own, so that the demo can kill the daemon alone.

Faults that are on stand in a text file, one NAME:TARGET a line; whoever edits it switches them while everything runs.
The process ends with the one that started it.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from drivers.sim.faults import FAULTS, read_faults
from drivers.sim.plant import CONDITION
from drivers.sim.servers import Simulation

LOOK_EVERY_S = 0.5


async def run(args: argparse.Namespace) -> None:
    """Serve until SIGTERM, SIGINT or the end of the parent process."""
    told = {pump: tuple(values) for pump, values in json.loads(args.condition).items()}
    simulation = Simulation(
        ports=json.loads(args.ports), seed=args.seed, speed=args.speed, drop=Path(args.drop) if args.drop else None,
        condition={**CONDITION, **told},
    )  # fmt: skip
    await simulation.start()
    print(json.dumps({"ports": simulation.ports, "opcua": simulation.url}), flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    parent, seen = os.getppid(), -1.0
    path = Path(args.faults) if args.faults else None
    while not ended.is_set() and os.getppid() == parent:
        if path is not None and path.is_file() and path.stat().st_mtime != seen:
            seen = path.stat().st_mtime
            wanted = read_faults(path)
            for fault in sorted(simulation.faults ^ wanted, key=lambda one: (one.name, one.target)):
                await simulation.set_fault(fault.name, fault.target, fault in wanted)
        try:
            await asyncio.wait_for(ended.wait(), LOOK_EVERY_S)
        except TimeoutError:
            continue
    await simulation.stop()


def main() -> int:
    known = ", ".join(f"{name}:{target.upper()}" for name, target in FAULTS.items())
    parser = argparse.ArgumentParser(prog="python -m drivers.sim", description="A simulated utility on the loopback.",
                                     epilog=f"faults: {known}")  # fmt: skip
    parser.add_argument("--ports", default="{}", help='JSON {"source": port}; missing or 0: a free one')
    parser.add_argument("--drop", metavar="DIR", help="folder into which the vendor drops its alerts")
    parser.add_argument("--faults", metavar="FILE", help="text file of the faults that are on, one NAME:TARGET a line")
    parser.add_argument("--condition", default="{}", help='JSON {"pump": [impeller wear, bearing wear, run hours]}')
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--speed", type=float, default=1.0, help="plant seconds per second")
    asyncio.run(run(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
