"""The booster station's OPC UA server: values with status codes, and one limit alarm per pump.

Nodes carry string ids in the namespace urn:handwheel:sim. A refused asset answers BadUserAccessDenied, a dead sensor
BadSensorFailure; alarms are ExclusiveLimitAlarm conditions (OPC UA Part 9) sent by the Server object, and
ConditionRefresh tells a client that connects later which of them stand.
"""

import logging
import socket
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from asyncua import Server, ua
from asyncua.common import event_objects
from asyncua.server.event_generator import EventGenerator

from drivers.sim.devices import NAMESPACE, OPCUA_QUANTITIES
from drivers.sim.stations import BOOSTERS
from drivers.sim.vendor import ALARM_LIMIT_MMS

WHOLE = ("starts",)
FLAGS = ("running", "selector")
logging.getLogger("asyncua").setLevel(logging.ERROR)  # it reports every visitor


class OpcUaServer:
    """One OPC UA server on the loopback, without security, as old plants have it."""

    def __init__(self) -> None:
        self.port = 0
        self.listening = False
        self.refused: set[str] = set()  # assets
        self.failed: set[str] = set()  # assets whose sensors are dead
        self._server: Server | None = None
        self._nodes: dict[str, ua.NodeId] = {}
        self._alarms: dict[str, EventGenerator] = {}
        self._active: dict[str, bool] = {}
        self._frame: dict[str, EventGenerator] = {}  # the events around a refresh

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/handwheel/sim"

    async def start(self, port: int = 0) -> None:
        """Listen again, or for the first time: build the address space. Port 0 takes a free one and keeps it."""
        if self._server is None:
            self._server = await self._built(port)
            await self._server.start()
        elif self._server.bserver is not None and not self.listening:
            await self._server.bserver.start()
        self.listening = True

    async def stop(self) -> None:
        """Stop listening and drop every connection; the address space stays for the next start."""
        if self._server is not None and self._server.bserver is not None and self.listening:
            await self._server.bserver.stop()
        self.listening = False

    async def close(self) -> None:
        """End for good."""
        if self._server is not None:
            await self._server.stop()
            self._server, self.listening = None, False

    async def show(self, readings: Mapping[str, float], alarms: Mapping[str, bool]) -> None:
        """Publish new values, by tag name, and raise or clear the alarms, by pump."""
        if self._server is None:
            return
        now = ua.DateTime.now(UTC)
        for tag, node in self._nodes.items():
            await self._server.write_attribute_value(node, self._value(tag, readings[tag], now))
        for pump, active in alarms.items():
            if active != self._active[pump]:
                self._active[pump] = active
                await self._send(pump)

    def _value(self, tag: str, value: float, now: ua.DateTime) -> ua.DataValue:
        asset, quantity = tag.split(".")
        if asset in self.refused:
            status = ua.StatusCodes.BadUserAccessDenied
        elif asset in self.failed:
            status = ua.StatusCodes.BadSensorFailure
        else:
            variant = _variant(quantity, value)
            return ua.DataValue(variant, SourceTimestamp=now, ServerTimestamp=now)
        return ua.DataValue(ua.Variant(), ua.StatusCode(ua.UInt32(status)), SourceTimestamp=now, ServerTimestamp=now)

    async def _built(self, port: int) -> Server:
        server = Server()
        await server.init()
        self.port = port or self.port or free_port()
        server.set_endpoint(self.url)
        server.set_server_name("handwheel simulated booster station")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        space = await server.register_namespace(NAMESPACE)
        for asset, quantities in OPCUA_QUANTITIES.items():
            folder = await server.nodes.objects.add_object(_node_id(asset, space), asset)
            for quantity in quantities:
                tag = f"{asset}.{quantity}"
                node = await folder.add_variable(_node_id(tag, space), quantity, _variant(quantity, 0.0))
                self._nodes[tag] = node.nodeid
        for pump in BOOSTERS:
            alarm: Any = event_objects.ExclusiveLimitAlarm()
            alarm.add_property("NodeId", _node_id(f"{pump}.vibration_alarm", space), ua.VariantType.NodeId)
            alarm.SourceNode, alarm.SourceName = _node_id(pump, space), pump
            alarm.ConditionName, alarm.HighLimit = "bearing", ALARM_LIMIT_MMS
            alarm.InputNode = self._nodes[f"{pump}.vibration"]
            self._alarms[pump] = await server.get_event_generator(alarm)
            self._active[pump] = False
        self._frame = {
            "start": await server.get_event_generator(event_objects.RefreshStartEvent()),
            "end": await server.get_event_generator(event_objects.RefreshEndEvent()),
        }
        server.link_method(server.get_node(ua.ObjectIds.ConditionType_ConditionRefresh), self._refresh)
        return server

    async def _send(self, pump: str) -> None:
        """One event for the state in which the alarm is now."""
        active, alarm = self._active[pump], self._alarms[pump].event
        alarm.Severity = 600 if active else 100
        alarm.Retain = active
        setattr(alarm, "EnabledState/Id", True)
        setattr(alarm, "ActiveState/Id", active)
        alarm.ActiveState = ua.LocalizedText("Active" if active else "Inactive")
        words = f"vibration above {ALARM_LIMIT_MMS} mm/s: bearing service" if active else "vibration back to normal"
        await self._alarms[pump].trigger(message=words)

    async def _refresh(self, _parent: ua.NodeId, _subscription: ua.Variant) -> list[ua.Variant]:
        """ConditionRefresh: tell again which alarms stand, between a start and an end event."""
        await self._frame["start"].trigger(message="refresh starts")
        for pump, active in self._active.items():
            if active:
                await self._send(pump)
        await self._frame["end"].trigger(message="refresh ends")
        return []


def _node_id(name: str, space: int) -> ua.NodeId:
    return ua.NodeId.from_string(f"ns={space};s={name}")


def _variant(quantity: str, value: float) -> ua.Variant:
    if quantity in FLAGS:
        return ua.Variant(bool(value), ua.VariantType.Boolean)
    if quantity in WHOLE:
        return ua.Variant(int(value), ua.VariantType.UInt32)
    return ua.Variant(float(value), ua.VariantType.Double)


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
