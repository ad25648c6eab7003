"""The simulation: the plant moves, its instruments show, its devices serve, its vendor speaks; faults come by name.

Everything listens on the loopback alone. `Simulation` is what the demo, tests and benchmarks start.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from drivers.sim.devices import DEVICES, OPCUA_SOURCE, SOURCES
from drivers.sim.faults import Fault, checked
from drivers.sim.modbus_server import Memory, ModbusServer
from drivers.sim.opcua_server import OpcUaServer
from drivers.sim.plant import CONDITION, Plant, new_state
from drivers.sim.stations import BOOSTERS, PUMP
from drivers.sim.vendor import Vendor, alarm_active

TICK_S = 0.5


class Simulation:
    """The simulated utility behind real servers.

    `ports` names the port of each source; what is missing or 0 is chosen, and stands in `ports` after `start`.
    `condition` gives impeller wear, bearing wear and run hours of each pump.
    """

    def __init__(
        self, *, ports: Mapping[str, int] | None = None, seed: int = 0, speed: float = 1.0,
        drop: Path | None = None, start_s: float | None = None,
        condition: Mapping[str, tuple[float, float, float]] = CONDITION,
    ) -> None:  # fmt: skip
        now = datetime.now().astimezone()
        of_day = now.hour * 3600 + now.minute * 60 + now.second if start_s is None else start_s
        self.plant = Plant(new_state(of_day, condition, seed), seed)
        self.vendor = Vendor(drop)
        self.vendor.watch(self.plant.state)
        self.speed = speed
        self.ports = {source: (ports or {}).get(source, 0) for source in SOURCES}
        self.faults: set[Fault] = set()
        self._modbus = {one.source: ModbusServer(Memory(), rtu=one.rtu) for one in DEVICES}
        self._opcua = OpcUaServer()
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Of the OPC UA server."""
        return self._opcua.url

    async def start(self) -> None:
        """Build everything, listen, and let time run."""
        self._show_modbus(self._readings())
        for source, server in self._modbus.items():
            await server.start(self.ports[source])
            self.ports[source] = server.port
        await self._opcua.start(self.ports[OPCUA_SOURCE])
        self.ports[OPCUA_SOURCE] = self._opcua.port
        await self.tick(0.0)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Let go of everything."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for server in self._modbus.values():
            await server.stop()
        await self._opcua.close()

    async def tick(self, dt_s: float) -> None:
        """Move the plant `dt_s` seconds of its own time on and show it on every server."""
        self.plant.advance(dt_s)
        readings = self._readings()
        self._show_modbus(readings)
        await self._opcua.show(readings, {p: alarm_active(PUMP[p], self.plant.state.pumps[p]) for p in BOOSTERS})
        self.vendor.speak(self.plant.state, time.time_ns() // 1000)

    async def set_fault(self, name: str, target: str, on: bool = True) -> None:
        """Switch a fault; UserError if there is no such fault or it cannot befall the target."""
        fault = checked(name, target)
        self.faults = self.faults | {fault} if on else self.faults - {fault}
        asset = target.split(".", maxsplit=1)[0]
        if name in ("dead_device", "link_down"):
            await self._listen()
        elif name == "silent_device":
            self._silence()
        elif name == "refused_block":
            self._refuse()
        elif name == "all_ffff":
            self._opcua.failed = {one.target for one in self.faults if one.name == name}
        elif name == "frozen_value":
            if on:
                self.plant.frozen.setdefault(target, None)
            else:
                self.plant.frozen.pop(target, None)
        elif name == "drifting_meter":
            if on:
                self.plant.drifting.setdefault(target, 0.0)
            else:
                self.plant.drifting.pop(target, None)
        else:
            self.plant.wear(asset, name.removeprefix("worn_"), on)
        await self.tick(0.0)

    def _readings(self) -> dict[str, float]:
        return self.plant.readings() | self.vendor.bits(self.plant.state)

    def _show_modbus(self, readings: Mapping[str, float]) -> None:
        broken = {one.target for one in self.faults if one.name == "all_ffff"}
        for device in DEVICES:
            memory = self._modbus[device.source].memory
            for tag, register in device.points:
                if tag.split(".")[0] not in broken:
                    memory.put(register, readings[tag])
            memory.fill((register for tag, register in device.points if tag.split(".")[0] in broken), 0xFFFF)

    async def _listen(self) -> None:
        """Bring the listening ports in line with the faults."""
        down = {one.target for one in self.faults if one.name == "dead_device"}
        cut = {one.target for one in self.faults if one.name == "link_down"}
        for source, site in SOURCES.items():
            server: ModbusServer | OpcUaServer = self._modbus.get(source) or self._opcua
            wanted = source not in down and site not in cut
            if wanted and not server.listening:
                await server.start(self.ports[source])
            elif not wanted and server.listening:
                await server.stop()

    def _silence(self) -> None:
        quiet = [one.target.partition("/") for one in self.faults if one.name == "silent_device"]
        for source, server in self._modbus.items():
            server.silent = any(name == source and not unit for name, _, unit in quiet)
            server.memory.silent = {int(unit) for name, _, unit in quiet if name == source and unit}

    def _refuse(self) -> None:
        assets = {one.target for one in self.faults if one.name == "refused_block"}
        self._opcua.refused = assets
        for device in DEVICES:
            refused: dict[tuple[int, str], set[int]] = {}
            for tag, register in device.points:
                if tag.split(".")[0] in assets:
                    refused.setdefault((register.device_id, register.table), set()).add(register.address)
            self._modbus[device.source].memory.refused = refused

    async def _run(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            await self.tick((now - last) * self.speed)
            last = now
