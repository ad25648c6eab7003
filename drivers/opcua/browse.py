"""Walk through an OPC UA server and list its variables: what `handwheel browse` shows and makes tag rows of.

One request at a time with a pause between, because old servers are slow and somebody else works with them. A server may
have loops, endless trees and hostile names: each node is visited once, depth and counts are bounded, and what was left
out is told.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from asyncua import ua

from drivers.errors import ConfigError, SourceDown
from drivers.opcua.client import LOST, GuardedClient
from drivers.opcua.security import Security
from drivers.opcua.status import decode, node_id, parse_node_id, text_of, words_of
from drivers.opcua.units import Unit, units_of
from drivers.record import Reason
from drivers.source import SourceSpec

OBJECTS: Final = "i=85"
_VISITED_LIMIT: Final = 50_000  # nodes looked into, whatever the patterns say
_PER_NODE: Final = 1_000  # references in one answer; the rest comes by continuation points
_AT_ONCE: Final = 10  # nodes in one Browse request
_NAME_LIMIT: Final = 200  # characters of one name in a path
_SKIPPED: Final = (2253, 2256)  # the Server object, which tells of itself; Server status
_ANY: Final = "**"


@dataclass(frozen=True, slots=True)
class Found:
    """One variable of a server."""

    path: str  # browse names below the start, joined by "/"; a "/" within a name is %2F
    node: str  # as a tag row names it: nsu=URI;s=...
    kind: str  # Double, Boolean, Int32 ...; else the node of a type of its own
    value: float | int | str | None
    reasons: Reason
    detail: str
    source_us: int | None
    unit: Unit
    writable: bool  # for our login, as the server says; told, never used


@dataclass(frozen=True, slots=True)
class Walk:
    """What was found, in the order of the server, and what was left out and why."""

    found: tuple[Found, ...]
    left_out: tuple[str, ...]


class Pattern:
    """A path pattern: names with * ? [...], and ** for any number of levels. Pure."""

    def __init__(self, text: str) -> None:
        self.parts = tuple(part for part in text.split("/") if part)
        if not self.parts:
            raise ConfigError(f"pattern {text!r} names nothing; write for example ** or Plant/Pump*/flow")

    def start(self) -> frozenset[int]:
        """The positions before the first name."""
        return self._closed({0})

    def step(self, positions: frozenset[int], name: str) -> frozenset[int]:
        """The positions after one more name; none: nothing below can match."""
        ahead = {at + 1 for at in positions if at < len(self.parts) and fnmatchcase(name, self.parts[at])}
        return self._closed(ahead | {at for at in positions if at < len(self.parts) and self.parts[at] == _ANY})

    def matches(self, positions: frozenset[int]) -> bool:
        return len(self.parts) in positions

    def _closed(self, positions: set[int]) -> frozenset[int]:
        for at in range(len(self.parts)):
            if at in positions and self.parts[at] == _ANY:
                positions.add(at + 1)
        return frozenset(positions)


@dataclass(frozen=True, slots=True)
class _Place:
    node: ua.NodeId
    path: tuple[str, ...]
    positions: tuple[frozenset[int], ...]  # of each pattern


async def browse(
    spec: SourceSpec,
    *,
    start: str = OBJECTS,
    patterns: Sequence[str] = (_ANY,),
    depth: int = 10,
    limit: int = 1_000,
    pause_s: float = 0.05,
) -> Walk:
    """The variables below `start` whose path fits one of the patterns, at most `limit`, at most `depth` levels down.

    SourceDown if the server cannot be reached, ConfigError for a start or a pattern that cannot be.
    """
    wanted, parsed = [Pattern(text) for text in patterns], parse_node_id(start)
    client = GuardedClient(str(spec.options["url"]), spec.timeout_s)
    security = Security.of(spec)
    politely = False
    try:
        await security.apply(client)
        await client.connect()
        await client.look_around()
        root = node_id(parsed, client.namespaces)
        if root is None:
            raise ConfigError(f"start {start}: the server knows no namespace {parsed[0]}")
        walk = await _Walker(client, wanted, depth, limit, pause_s).run(root)
        politely = True
        return walk
    except LOST as error:
        words = await security.why_refused(str(spec.options["url"]), spec.timeout_s) or words_of(error)
        raise SourceDown(spec.name, f"{spec.options['url']}: {words}") from None
    finally:
        await client.leave(politely=politely)


class _Walker:
    """One walk, breadth first."""

    def __init__(
        self, client: GuardedClient, patterns: Sequence[Pattern], depth: int, limit: int, pause_s: float
    ) -> None:
        self._client, self._patterns = client, patterns
        self._depth, self._limit, self._pause_s = depth, limit, pause_s
        self._seen: set[ua.NodeId] = set()
        self._variables: list[_Place] = []
        self._left_out: dict[str, None] = {}

    async def run(self, root: ua.NodeId) -> Walk:
        level = [_Place(root, (), tuple(pattern.start() for pattern in self._patterns))]
        self._seen.add(root)
        while level and not self._full():
            if len(level[0].path) >= self._depth:
                self._leave_out(f"what lies deeper than {self._depth} levels, for example below {_path(level[0].path)}")
                break
            below: list[_Place] = []
            for at in range(0, len(level), _AT_ONCE):
                if self._full():
                    break
                for place, references in await self._references(level[at : at + _AT_ONCE]):
                    below += self._taken(place, references)
            level = below
        return Walk(tuple(await self._described()), tuple(self._left_out))

    def _full(self) -> bool:
        if len(self._seen) > _VISITED_LIMIT:
            self._leave_out(f"more than {_VISITED_LIMIT:,} nodes; name a start or a narrower pattern")
        return len(self._variables) > self._limit or len(self._seen) > _VISITED_LIMIT

    def _leave_out(self, words: str) -> None:
        if len(self._left_out) < 50:
            self._left_out[words] = None

    async def _references(self, places: Sequence[_Place]) -> list[tuple[_Place, list[ua.ReferenceDescription]]]:
        """The references of these nodes, in one request and as many more as the server needs."""
        answers = await self._client.in_parts("browse", places, self._browse)
        found = []
        for place, result in zip(places, (one for part in answers for one in part), strict=True):
            if result.StatusCode.value >> 30:
                self._leave_out(f"what is below {_path(place.path)}: {result.StatusCode.name}")
            references = list(result.References or [])
            point = result.ContinuationPoint
            while point:
                release = len(self._seen) + len(references) > _VISITED_LIMIT
                await asyncio.sleep(self._pause_s)
                (more,) = await self._client.uaclient.browse_next(
                    ua.BrowseNextParameters(ReleaseContinuationPoints=release, ContinuationPoints=[point])
                )
                if release or (not more.References and more.ContinuationPoint):
                    self._leave_out(f"the rest of what is below {_path(place.path)}")
                    break
                references += more.References or []
                point = more.ContinuationPoint
            found.append((place, references))
        return found

    async def _browse(self, places: Sequence[_Place]) -> list[ua.BrowseResult]:
        await asyncio.sleep(self._pause_s)
        wanted = [
            ua.BrowseDescription(
                NodeId=place.node,
                BrowseDirection=ua.BrowseDirection.Forward,
                ReferenceTypeId=ua.NodeId(ua.Int32(ua.ObjectIds.HierarchicalReferences)),
                IncludeSubtypes=True,
                NodeClassMask=ua.UInt32(ua.NodeClass.Object | ua.NodeClass.Variable),
                ResultMask=ua.UInt32(ua.BrowseResultMask.All),
            )
            for place in places
        ]
        results = await self._client.uaclient.browse(
            ua.BrowseParameters(
                View=ua.ViewDescription(), RequestedMaxReferencesPerNode=ua.UInt32(_PER_NODE), NodesToBrowse=wanted
            )
        )
        if len(results) != len(places):
            raise ConnectionError(f"{len(results)} results came for {len(places)} nodes")
        return results

    def _taken(self, place: _Place, references: Sequence[ua.ReferenceDescription]) -> list[_Place]:
        """The nodes to look into next; variables that fit are noted."""
        below = []
        for reference in references:
            node = ua.NodeId(reference.NodeId.Identifier, reference.NodeId.NamespaceIndex, reference.NodeId.NodeIdType)
            foreign = getattr(reference.NodeId, "ServerIndex", 0) or getattr(reference.NodeId, "NamespaceUri", None)
            if node in self._seen or foreign or (node.NamespaceIndex == 0 and node.Identifier in _SKIPPED):
                continue
            self._seen.add(node)
            name = _name(reference.BrowseName.Name if reference.BrowseName else None)
            positions = tuple(
                pattern.step(before, name) for pattern, before in zip(self._patterns, place.positions, strict=True)
            )
            if not any(positions):
                continue
            one = _Place(node, (*place.path, name), positions)
            below.append(one)
            if reference.NodeClass == ua.NodeClass.Variable and any(
                pattern.matches(at) for pattern, at in zip(self._patterns, positions, strict=True)
            ):
                if not text_of(node, self._client.uris):
                    self._leave_out(f"{_path(one.path)}: its namespace has no URI")
                    continue
                self._variables.append(one)
        return below

    async def _described(self) -> list[Found]:
        """What the server says of the variables that were found."""
        places = self._variables
        if len(places) > self._limit:
            self._leave_out(f"more than {self._limit:,} variables; the first are shown")
            places = places[: self._limit]
        nodes = [place.node for place in places]
        kinds = await self._attribute(nodes, ua.AttributeIds.DataType)
        access = await self._attribute(nodes, ua.AttributeIds.UserAccessLevel)
        told = await self._client.told(nodes)
        units = await units_of(self._client, nodes)
        found = []
        for place, kind, may, one, unit in zip(places, kinds, access, told, units, strict=True):
            value, reasons, detail = decode(one)
            writable = isinstance(may, int) and bool(may & 1 << ua.AccessLevel.CurrentWrite)
            found.append(
                Found(_path(place.path), text_of(place.node, self._client.uris), self._kind(kind), value, reasons,
                      detail, one.source_us, unit, writable)
            )  # fmt: skip
        return found

    async def _attribute(self, nodes: Sequence[ua.NodeId], attribute: ua.AttributeIds) -> list[object]:
        async def ask(part: Sequence[ua.NodeId]) -> list[ua.DataValue]:
            await asyncio.sleep(self._pause_s)
            return await self._client.read_structures(part, attribute)

        answers = await self._client.in_parts("read", nodes, ask)
        return [one.Value.Value if one.Value is not None else None for part in answers for one in part]

    def _kind(self, kind: object) -> str:
        if not isinstance(kind, ua.NodeId):
            return "?"
        if kind.NamespaceIndex == 0 and isinstance(kind.Identifier, int):
            return str(ua.ObjectIdNames.get(kind.Identifier, f"i={kind.Identifier}"))
        return text_of(kind, self._client.uris) or "?"


def _name(name: object) -> str:
    """A browse name that can stand in a path: no level of its own, no endless one, nothing that is not UTF-8."""
    text = str(name or "").encode("utf-8", "backslashreplace").decode().replace("/", "%2F")
    return text if len(text) <= _NAME_LIMIT else text[: _NAME_LIMIT - 1] + "…"


def _path(path: Sequence[str]) -> str:
    return "/".join(path) or "the start"
