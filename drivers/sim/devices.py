"""The register tables and node names that the simulated devices would print in their manuals.

Written from the device's side and on purpose not shared with config/example, which is written from the user's side: a
test reads every tag of the one through the other. Orders, bases and sentinels differ from device to device as in life.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drivers.record import Register
from drivers.sim.stations import BOOSTERS, BOREHOLES, HIGH_LIFT, SEWAGE

NAMESPACE = "urn:handwheel:sim"
Points = tuple[tuple[str, Register], ...]  # tag name -> where the device keeps it (wire address)


@dataclass(frozen=True, slots=True)
class Device:
    """What answers on one Modbus address: one controller, or a line with several."""

    source: str
    site: str
    rtu: bool  # RTU frames over TCP, as from a serial gateway; else Modbus TCP
    points: Points


def _borehole_plc() -> Iterator[tuple[str, Register]]:
    """One PLC, words exchanged (CDAB), every pump 40 registers after the last, the tank at 120."""
    floats = (
        "flow", "suction_pressure", "discharge_pressure", "power", "current", "vibration", "bearing_temperature",
        "ambient_temperature",
    )  # fmt: skip
    for index, pump in enumerate(BOREHOLES):
        first = 40 * index
        yield f"{pump}.running", Register(1, "holding", first, "bit", bit=0)
        yield f"{pump}.selector", Register(1, "holding", first, "bit", bit=1)
        for place, name in enumerate(floats):
            yield f"{pump}.{name}", Register(1, "holding", first + 2 + 2 * place, "f32", "CDAB")
        for place, (name, scale) in enumerate((("run_hours", 0.1), ("starts", 1.0), ("energy", 0.1), ("volume", 0.1))):
            yield f"{pump}.{name}", Register(1, "holding", first + 20 + 2 * place, "u32", "CDAB", scale)
    yield "N-T01.level", Register(1, "holding", 120, "f32", "CDAB")


def _drives() -> Iterator[tuple[str, Register]]:
    """Three drives behind one gateway, device ids 1 to 3; "not available" is 0xFFFF, or 0x8000 where a sign is."""
    for number, pump in enumerate(HIGH_LIFT, 1):
        for name, bit in (("running", 0), ("selector", 1), ("seal_service", 7)):
            yield f"{pump}.{name}", Register(number, "holding", 0, "bit", bit=bit)
        words = (("speed", 0.01), ("flow", 0.1), ("discharge_pressure", 0.001), ("power", 0.01), ("current", 0.01),
                 ("vibration", 0.01))  # fmt: skip
        for address, (name, scale) in enumerate(words, 1):
            yield f"{pump}.{name}", Register(number, "holding", address, "u16", scale=scale, sentinels=(0xFFFF,))
        signed = (("suction_pressure", 0.001), ("bearing_temperature", 0.1), ("ambient_temperature", 0.1))
        for address, (name, scale) in enumerate(signed, 7):
            yield f"{pump}.{name}", Register(number, "holding", address, "i16", scale=scale, sentinels=(-0x8000,))
        for place, (name, scale) in enumerate((("run_hours", 0.1), ("starts", 1.0), ("energy", 0.1), ("volume", 1.0))):
            yield f"{pump}.{name}", Register(number, "holding", 20 + 2 * place, "u32", "ABCD", scale)


def _energy_meter(meter: str, device_id: int) -> Iterator[tuple[str, Register]]:
    """A three-phase meter: floats in input registers from 0, power in W."""
    places = (("voltage", 0x2A, 1.0), ("current", 0x30, 1.0), ("power", 0x34, 0.001), ("frequency", 0x46, 1.0),
              ("energy", 0x48, 1.0))  # fmt: skip
    for name, address, scale in places:
        yield f"{meter}.{name}", Register(device_id, "input", address, "f32", "ABCD", scale)


def _water_meters() -> Iterator[tuple[str, Register]]:
    """A meter concentrator whose bytes are exchanged (BADC), volumes as f64; the energy meter is device 2."""
    for index, meter in enumerate(("N-M01", "N-M02")):
        yield f"{meter}.flow", Register(1, "holding", 20 * index, "f32", "BADC")
        yield f"{meter}.volume", Register(1, "holding", 20 * index + 4, "f64", "BADC")
    yield "N-M03.pressure", Register(1, "holding", 40, "f32", "BADC")
    yield "N-M05.residual_chlorine", Register(1, "holding", 50, "f32", "BADC")
    yield from _energy_meter("N-M04", 2)


def _sewage_line() -> Iterator[tuple[str, Register]]:
    """Two pump controllers (1, 2) and an energy meter (3) on one RTU line; temperatures in K, flow estimated."""
    for number, pump in enumerate(SEWAGE, 1):
        for name, address, bit in (("running", 200, 6), ("selector", 200, 8), ("bearing_service", 206, 0)):
            yield f"{pump}.{name}", Register(number, "input", address, "bit", bit=bit)
        words = (("flow", 301, 0.1, 0.0), ("speed", 304, 0.1, 0.0), ("current", 308, 0.1, 0.0),
                 ("bearing_temperature", 320, 0.01, -273.15), ("ambient_temperature", 321, 0.01, -273.15),
                 ("suction_pressure", 336, 0.001, 0.0), ("discharge_pressure", 337, 0.001, 0.0),
                 ("vibration", 338, 0.01, 0.0))  # fmt: skip
        for name, address, scale, offset in words:
            yield (
                f"{pump}.{name}",
                Register(number, "input", address, "u16", scale=scale, offset=offset, sentinels=(0xFFFF,)),
            )
        for name, address, scale in (("power", 311, 0.001), ("run_hours", 326, 1.0), ("energy", 331, 1.0),
                                     ("starts", 333, 1.0), ("volume", 356, 0.01)):  # fmt: skip
            yield f"{pump}.{name}", Register(number, "input", address, "u32", "ABCD", scale)
    yield from _energy_meter("R-M02", 3)


def _sewage_plc() -> Iterator[tuple[str, Register]]:
    """A small PLC, all bytes and words exchanged (DCBA); the float switch is a discrete input."""
    yield "R-T01.level", Register(1, "holding", 0, "i16", "DCBA", 0.001, sentinels=(-0x8000,))
    yield "R-M01.flow", Register(1, "holding", 1, "u16", "DCBA", 0.1, sentinels=(0xFFFF,))
    yield "R-M01.volume", Register(1, "holding", 2, "u32", "DCBA", 0.1)
    yield "R-T01.high_level", Register(1, "discrete", 0, "bit")


DEVICES: tuple[Device, ...] = (
    Device("n_boreholes", "N", False, tuple(_borehole_plc())),
    Device("n_drives", "N", False, tuple(_drives())),
    Device("n_meters", "N", False, tuple(_water_meters())),
    Device("r_line", "R", True, tuple(_sewage_line())),
    Device("r_plc", "R", False, tuple(_sewage_plc())),
)
OPCUA_SOURCE, OPCUA_SITE = "h_opcua", "H"
OPCUA_QUANTITIES: Mapping[str, tuple[str, ...]] = {
    **{pump: ("running", "selector", "flow", "suction_pressure", "discharge_pressure", "power", "current", "vibration",
              "bearing_temperature", "ambient_temperature", "run_hours", "starts", "energy", "volume")
       for pump in BOOSTERS},
    "H-M01": ("flow", "volume"), "H-M02": ("flow", "volume"), "H-M03": ("pressure",), "H-T01": ("level",),
}  # fmt: skip
SOURCES: Mapping[str, str] = {**{one.source: one.site for one in DEVICES}, OPCUA_SOURCE: OPCUA_SITE}

TAGS: tuple[str, ...] = (
    *(tag for device in DEVICES for tag, _ in device.points),
    *(f"{asset}.{quantity}" for asset, quantities in OPCUA_QUANTITIES.items() for quantity in quantities),
)
