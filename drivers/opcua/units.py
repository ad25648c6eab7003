"""What a server says of a variable's unit and range (Part 8): on browsing, and when it says that they changed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua

from drivers.opcua.client import GuardedClient

AT_ONCE: Final = 20  # more tags than this that change their unit in one poll are not asked for theirs
_TEXT_LIMIT: Final = 40  # characters of a unit
UNECE: Final = "http://www.opcfoundation.org/UA/units/un/cefact"
_PROPERTIES: Final = ("EngineeringUnits", "EURange")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as the server names it, and the range in it; "" and None where it says nothing."""

    name: str = ""
    low: float | None = None
    high: float | None = None
    code: str = ""  # the common code of UNECE Recommendation 20 ("MQH"), where the server gives one

    @property
    def words(self) -> str:
        """For example "m3/h, 0 to 500"."""
        span = f"{self.low:g} to {self.high:g}" if self.low is not None and self.high is not None else ""
        return ", ".join(filter(None, (self.name, span)))


async def units_of(client: GuardedClient, nodes: Sequence[ua.NodeId]) -> list[Unit]:
    """Unit and range of each variable, as far as the server has them as properties."""
    paths = [_path(node, name) for node in nodes for name in _PROPERTIES]
    results = [
        one
        for part in await client.in_parts("translate", paths, client.uaclient.translate_browsepaths_to_nodeids)
        for one in part
    ]
    found = {
        index: result.Targets[0].TargetId
        for index, result in enumerate(results[: len(paths)])
        if not result.StatusCode.value >> 30 and result.Targets and isinstance(result.Targets[0].TargetId, ua.NodeId)
    }
    values: dict[int, Any] = {}
    for part in await client.in_parts("read", list(found.items()), lambda part: _values(client, part)):
        values.update(part)
    return [_unit(values.get(2 * row), values.get(2 * row + 1)) for row in range(len(nodes))]


async def _values(client: GuardedClient, part: Sequence[tuple[int, ua.NodeId]]) -> dict[int, Any]:
    plain = [ua.NodeId(node.Identifier, node.NamespaceIndex, node.NodeIdType) for _, node in part]
    told = await client.read_structures(plain)
    return {
        index: one.Value.Value if one.Value is not None else None for (index, _), one in zip(part, told, strict=True)
    }


def _unit(information: Any, span: Any) -> Unit:
    name = getattr(getattr(information, "DisplayName", None), "Text", None)
    name = name.encode("utf-8", "backslashreplace").decode()[:_TEXT_LIMIT] if isinstance(name, str) else ""
    low, high = getattr(span, "Low", None), getattr(span, "High", None)
    if not (isinstance(low, float) and isinstance(high, float) and math.isfinite(low) and math.isfinite(high)):
        low = high = None
    return Unit(name, low, high, _unece(information))


def _unece(information: Any) -> str:
    """The common code that Part 8, 5.6.3.4 packs into UnitId, one character to the byte."""
    number = getattr(information, "UnitId", None)
    if getattr(information, "NamespaceUri", None) != UNECE or not isinstance(number, int) or not 0 < number < 1 << 24:
        return ""
    text = number.to_bytes(3, "big").lstrip(b"\0").decode("latin-1")
    return text if text.isascii() and text.isalnum() else ""


def _path(node: ua.NodeId, name: str) -> ua.BrowsePath:
    element = ua.RelativePathElement(
        ReferenceTypeId=ua.NodeId(ua.Int32(ua.ObjectIds.HasProperty)),
        IsInverse=False,  # type: ignore[arg-type]
        IncludeSubtypes=True,  # type: ignore[arg-type]
        TargetName=ua.QualifiedName(name, 0),
    )
    return ua.BrowsePath(StartingNode=node, RelativePath=ua.RelativePath(Elements=[element]))
