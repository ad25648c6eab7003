"""How manuals count registers -> the wire address, from 0: address bases and the formulas of drive parameters. Pure.

Sources of the formulas: Danfoss VLT FC programming guides ("Modbus RTU register = parameter number x 10"), ABB ACS850
and ACS580 firmware manuals (fieldbus address, 16-bit and 32-bit), ABB ACH580 E-Clipse manual (256 x group + index).
"""

from collections.abc import Callable, Mapping

BASES: Mapping[str, Mapping[str, int]] = {
    # address base -> table -> what the first register is called in the manual
    "wire0": {"holding": 0, "input": 0, "coil": 0, "discrete": 0},
    "reg1": {"holding": 1, "input": 1, "coil": 1, "discrete": 1},
    "4xxxx": {"holding": 40_001, "input": 30_001, "coil": 1, "discrete": 10_001},
    "4xxxxx": {"holding": 400_001, "input": 300_001, "coil": 1, "discrete": 100_001},
}
FORMULAS: Mapping[str, tuple[Callable[[int, int], int], int]] = {
    # name -> (group and index of a parameter -> register as printed, the register printed for wire address 0)
    "danfoss_vlt": (lambda group, index: (100 * group + index) * 10, 1),  # 16-14 -> 16140
    "abb_100": (lambda group, index: 400_000 + 100 * group + index, 400_001),
    "abb_100_32bit": (lambda group, index: 420_000 + 200 * group + 2 * index, 400_001),  # 01.27 -> 420254
    "abb_256": (lambda group, index: 400_000 + 256 * group + index, 400_001),  # 22.80 -> 405712
}


def wire(base: str, table: str, at: int) -> int:
    """The wire address of register `at` as a manual with this base prints it; negative if it cannot be.

    >>> wire("4xxxx", "input", 30_101), wire("reg1", "holding", 1)
    (100, 0)
    """
    return at - BASES[base][table]


def printed(base: str, table: str, address: int) -> int:
    """The number under which a manual with this base prints the wire address: the inverse of `wire`."""
    return address + BASES[base][table]


def wire_of_parameter(formula: str, par: str) -> int:
    """The wire address of a drive's parameter, written as group-index or group.index.

    >>> wire_of_parameter("danfoss_vlt", "16-14"), wire_of_parameter("abb_100_32bit", "01.27")
    (16139, 20253)
    """
    group, index = (int(part) for part in par.replace("-", ".").split("."))
    register, first = FORMULAS[formula]
    return register(group, index) - first
