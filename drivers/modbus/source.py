"""A Source over one Modbus line: what is asked when, what is remembered of devices that do not answer or refuse.

A device that gives no answer, or one that does not fit, rests for 1, 2, 4 ... 30 s, whether or not the connection is
renewed meanwhile, and costs the other devices of its line one time-out per try; of several that rest, one is tried per
poll, after all the others.
The source as a whole is down if the connection fails, none of its devices answers, or the first three that are asked in
a poll do not: a cut line is known at once and not after a time-out of each. Then those that rest are tried one by one,
and when one answers, each gets a fresh chance.

A block that is refused whole is read in halves until only what is really refused is left; that is remembered, told,
and asked for again after five minutes, the whole after an hour.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from drivers import blocks, registers
from drivers.batch import Batch
from drivers.blocks import Block, Forbidden
from drivers.decoder import Columns, Group, Rows
from drivers.errors import ConfigError, SourceDown
from drivers.modbus import answers, identify
from drivers.modbus.answers import Failure, Question, question_of
from drivers.modbus.line import Line, Unusable
from drivers.record import Alert, Reason, Tag
from drivers.source import Counts, SourceSpec, Turn

_GAPS: Final = {"modbus_tcp": 16, "modbus_rtu_over_tcp": 4, "modbus_rtu": 4}  # a wasted word costs 2 ms on serial lines
_DEAD_LINE: Final = 3  # so many devices without an answer, and none with one
_BUSY_PAUSE_S: Final = 0.5
_REST_MAX_S: Final = 30.0
_ASK_REFUSED_AGAIN_S: Final = 300.0
_ASK_WHOLE_AGAIN_S: Final = 3_600.0  # a device that refused while it started may give the whole now


@dataclass(slots=True)
class _Rest:
    """A device that gave no answer is left alone for a while."""

    failure: Failure
    until_s: float  # monotonic [s]
    tries: int


@dataclass(slots=True, eq=False)
class _Planned:
    """A block as it is asked, and what its device said to that."""

    block: Block
    question: Question
    columns: Columns
    halves: "tuple[_Planned, _Planned] | None" = None  # the device refused the whole
    refused: Failure | None = None  # the device refused a single value
    ask_again_s: float = 0.0  # monotonic [s]

    def leaves(self) -> "Iterator[_Planned]":
        """What is really asked."""
        if self.halves is None:
            yield self
        for half in self.halves or ():
            yield from half.leaves()


@dataclass(frozen=True, slots=True)
class _Plan:
    """The tags that are read together, and what is asked for them."""

    group: Group
    asked: list[_Planned]


class ModbusSource:
    """A Source (drivers.source) over one Modbus connection."""

    def __init__(
        self,
        spec: SourceSpec,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spec = spec
        self.counts = Counts()
        self.turn = Turn()  # held for each question; sources behind one line share it
        self._clock_us, self._monotonic = clock_us, monotonic
        options = spec.options
        workarounds: Mapping[str, Any] = options.get("workarounds", {})
        self._max_gap = int(options.get("max_gap", _GAPS[spec.driver]))
        self._max_words = int(options.get("max_words", 125))
        self._after_connect_s = float(workarounds.get("pause_after_connect_s", 0.0))
        self._between_s = float(workarounds.get("pause_between_requests_s", 0.0))
        self._one_per_tag = bool(workarounds.get("one_request_per_tag", False))
        self._close_after_poll = bool(workarounds.get("close_after_poll", False))
        self._forbidden = tuple(Forbidden(**row) for row in options.get("forbidden", ()))
        self._devices = {blocks.register_of(tag).device_id for tag in spec.tags}
        if fault := fault_of(spec):
            raise ConfigError(f"source {spec.name}: {fault}")
        self.line = Line(spec.driver, options, spec.timeout_s, self.counts)
        self._plans: dict[tuple[int, ...], _Plan] = {}
        self._last: tuple[Sequence[Tag], _Plan] | None = None  # mostly the same tags are asked for again
        self._resting: dict[int, _Rest] = {}
        self._owing: dict[int, int] = {}  # devices that rest no more, whose late answers may still come -> tries
        self._trying: int | None = None  # the one device that is asked in this poll although it rests
        self._unheard = 0  # devices without an answer in this poll, while none has given one
        self._down = False  # since no device answered

    async def open(self) -> None:
        """Connect; SourceDown says why not."""
        try:
            await self.line.open()
        except ConnectionError as error:
            raise SourceDown(self.spec.name, str(error), unreachable=not isinstance(error, Unusable)) from None
        if self._after_connect_s:
            await asyncio.sleep(self._after_connect_s)

    async def read(self, tags: Sequence[Tag]) -> Batch:
        """Read these tags once. SourceDown if the connection fails or no device of the source answers any more."""
        plan = self._last[1] if self._last is not None and self._last[0] is tags else self._planned(tags)
        self._last = tags, plan
        rows, began_us = plan.group.begin(), self._clock_us()
        self._unheard = 0
        try:
            for one in self._in_order(plan.asked) if self._resting else plan.asked:
                said = None
                if (
                    not (self._resting or self._owing) and one.refused is None and one.halves is None
                ):  # most polls go no deeper than this
                    said = await self._ask(one.question)
                if isinstance(said, bytes):
                    one.columns.decode(said, rows)
                    self._unheard = -len(self._devices)
                else:
                    await self._read(one, plan.group, rows, said)
                if self._unheard >= _DEAD_LINE:
                    break
        finally:
            if self._close_after_poll:
                self.line.close()
        if self._unheard >= _DEAD_LINE or (self._resting and self._is_silent()):
            self._down = True
            self.line.close()
            told = [self._resting[device].failure.detail for device in sorted(self._resting)]
            more = f"; and {len(told) - _DEAD_LINE} more" if len(told) > _DEAD_LINE else ""
            raise SourceDown(self.spec.name, "; ".join(told[:_DEAD_LINE]) + more)
        return plan.group.batch(rows, self._clock_us(), began_us)

    async def alerts(self) -> list[Alert]:
        """None: Modbus devices ask by status bits, which drivers.vendor.status_bits reads from the batches."""
        return []

    async def identify(self, device_id: int) -> Mapping[int, bytes] | Failure:
        """What a device says of itself (function code 43 / 14), by object number; when a person asks, never cyclic.

        All objects of the highest level that it has; a device that has none of them says so by an exception. SourceDown
        if there is no connection to be had.
        """
        objects: dict[int, bytes] = {}
        level, first = identify.BASIC, 0
        for _ in range(identify.MOST_ANSWERS):
            question = identify.question(device_id, level, first, self.line.framing)
            payload = await self._ask(question)  # one that knows no identification is not therefore a dead device
            if isinstance(payload, Failure):
                return objects if objects and payload.code else payload
            part = identify.parsed(payload, level, first)
            if isinstance(part, str):
                self.counts.unfit += 1
                self.line.close()
                return Failure(Reason.COMMS, f"{question.where}: {part}")
            objects.update(part.objects)
            if part.following is not None:
                first = part.following
            elif level < min(part.conformity, identify.EXTENDED):
                level, first = level + 1, 0
            else:
                return objects
        return Failure(Reason.COMMS, f"device {device_id}: more than {identify.MOST_ANSWERS} answers to one question")

    async def close(self) -> None:
        """Hang up. Never raises."""
        self.line.close()

    def explain(self) -> list[str]:
        """What will be asked, by cadence, with wire addresses; and what the devices refuse, as far as it is known."""
        told = [f"workarounds: {', '.join(used)}"] if (used := self._workarounds()) else []
        asked = self._asked()
        for every_s in sorted({cadence for cadence, _ in asked}):
            leaves = [leaf for cadence, leaf in asked if cadence == every_s]
            told.append(f"every {every_s:g} s: {blocks.told([leaf.block for leaf in leaves])}")
            told.extend(f"  {line}" for line in blocks.lines([leaf.block for leaf in leaves]))
            told.extend(f"  refused: {leaf.refused.detail}" for leaf in leaves if leaf.refused)
        return told

    def _workarounds(self) -> list[str]:
        workarounds: Mapping[str, Any] = self.spec.options.get("workarounds", {})
        return [name if value is True else f"{name} {value:g}" for name, value in workarounds.items() if value]

    def load(self) -> list[tuple[float, int]]:
        """What will be asked: for each request its cadence [s] and its registers, sixteen coils to one."""
        return [(every_s, leaf.block.words) for every_s, leaf in self._asked()]

    def _asked(self) -> "list[tuple[float, _Planned]]":
        """Each request that will be made, with its cadence [s]."""
        found = []
        for every_s in sorted({tag.every_s or self.spec.every_s for tag in self.spec.tags}):
            group = [tag for tag in self.spec.tags if (tag.every_s or self.spec.every_s) == every_s]
            found += [(every_s, leaf) for one in self._planned(group).asked for leaf in one.leaves()]
        return found

    def _planned(self, tags: Sequence[Tag]) -> _Plan:
        key = tuple([tag.number for tag in tags])
        if key not in self._plans:
            plan = blocks.plan(
                tags,
                max_gap=self._max_gap,
                max_words=self._max_words,
                forbidden=self._forbidden,
                one_per_tag=self._one_per_tag,
            )
            group = Group(self.spec.name, tags)
            self._plans[key] = _Plan(group, [self._to_ask(block, group) for block in plan])
        return self._plans[key]

    def _to_ask(self, block: Block, group: Group) -> _Planned:
        return _Planned(block, question_of(block, self.line.framing), group.compile(block))

    def _in_order(self, planned: list[_Planned]) -> list[_Planned]:
        """Of the devices that rest one may be tried, if its time has come, after the others have been read."""
        self._trying = None
        resting = {one.block.device_id for one in planned} & self._resting.keys()
        if not resting:
            return planned
        first = min(resting, key=lambda device: self._resting[device].until_s)
        # if none answers, the poller's back-off is rest enough
        if self._is_silent() or self._resting[first].until_s <= self._monotonic():
            self._trying = first
        return sorted(planned, key=lambda one: one.block.device_id in resting)

    def _is_silent(self) -> bool:
        """No device answers, and no gateway says so in its place."""
        resting = self._resting
        return len(resting) == len(self._devices) > 0 and all(not one.failure.code for one in resting.values())

    async def _read(self, one: _Planned, group: Group, rows: Rows, said: Failure | None = None) -> None:
        """Read a block into its rows; one that is refused whole in halves. What fails is told for each of its tags.

        `said`: what the device said to the first question, where it was asked already.
        """
        if one.halves is not None and self._monotonic() >= one.ask_again_s:
            one.halves = None
        if one.halves is not None:
            for half in one.halves:
                await self._read(half, group, rows)
            return
        outcome = self._known(one) or await self._ask_patiently(one, said)
        if isinstance(outcome, bytes):
            if one.refused is not None:
                one.refused = None
                self._note_refusals()
            one.columns.decode(outcome, rows)
            return
        if outcome.code in answers.TOO_MUCH and one.refused is None:
            if parts := blocks.halves(one.block):
                one.halves = self._to_ask(parts[0], group), self._to_ask(parts[1], group)
                one.ask_again_s = self._monotonic() + _ASK_WHOLE_AGAIN_S
                await self._read(one, group, rows)
                return
            one.refused, one.ask_again_s = outcome, self._monotonic() + _ASK_REFUSED_AGAIN_S
            self._note_refusals()
        one.columns.refuse(outcome.reasons, outcome.detail, rows)

    def _known(self, one: _Planned) -> Failure | None:
        """The failure that makes asking pointless for now: the device rests, or has refused just this."""
        if self._resting:
            rest = self._resting.get(one.block.device_id)
            if rest is not None and self._trying != one.block.device_id:
                return rest.failure
        if one.refused is not None and self._monotonic() < one.ask_again_s:
            return one.refused
        return None

    def _note_refusals(self) -> None:
        leaves = (leaf for plan in self._plans.values() for one in plan.asked for leaf in one.leaves())
        self.counts.refused = len({tag.number for leaf in leaves if leaf.refused for tag in leaf.block.tags})

    async def _ask_patiently(self, one: _Planned, said: Failure | None) -> bytes | Failure:
        """Ask, unless that was done; once more if the device is busy. Keeps account of devices that do not answer."""
        device, before = one.block.device_id, self._resting.get(one.block.device_id)
        outcome: bytes | Failure = said or b""
        owing = self._owing.pop(device, 0) if before is None or before.failure.code else before.tries
        if owing and not self.line.framing.numbered:
            outcome = await self._sound_out(one.block, owing)
        if said is None and (not isinstance(outcome, Failure) or outcome.code not in (0, *answers.BEHIND_GATEWAY)):
            outcome = await self._ask(one.question)
        if isinstance(outcome, Failure) and outcome.code in answers.BUSY:
            await asyncio.sleep(_BUSY_PAUSE_S)
            outcome = await self._ask(one.question)
        if isinstance(outcome, Failure) and outcome.code in (0, *answers.BEHIND_GATEWAY):
            tries = before.tries + 1 if before else 1
            rest_s = min(2.0 ** min(tries - 1, 8), _REST_MAX_S)
            self._resting[device] = _Rest(outcome, self._monotonic() + rest_s, tries)
            self._trying = None
            self._unheard += outcome.code == 0
        else:
            self._unheard = -len(self._devices)
            self._resting.pop(device, None)
            if self._down:  # the line lives again
                self._owing = {number: rest.tries for number, rest in self._resting.items() if not rest.failure.code}
                self._resting.clear()
                self._down = False
        return outcome

    async def _sound_out(self, block: Block, tries: int) -> bytes | Failure:
        """Before a device that was silent is asked for values again: a question whose answer has another length.

        RTU frames carry no number, and closing the connection does not stop an answer that is on its way: the late one
        would serve the next question of the same length. Whoever answers this one has answered all before it.
        """
        others = [other for other in blocks.of_other_length(block) if not blocks.touches(self._forbidden, other)]
        if not others:
            return b""
        return await self._ask(question_of(others[tries % len(others)], self.line.framing))

    async def _ask(self, question: Question) -> bytes | Failure:
        """One question over a connection that is known to be clean; SourceDown if there is none to be had."""
        outcome: bytes | Failure | None = None
        async with self.turn:
            while outcome is None:
                fresh = not self.line.is_open
                if fresh:
                    await self.open()
                if self._between_s:
                    await asyncio.sleep(self.turn.last_s + self._between_s - time.monotonic())
                try:
                    outcome = await self.line.ask(question)
                except ConnectionError as error:  # an idle connection is often closed just then: once more on a new one
                    self.line.close()
                    if fresh:
                        outcome = Failure(Reason.COMMS, f"{question.where}: {error}")
                self.turn.last_s = time.monotonic()
            if isinstance(outcome, Failure) and outcome.code == 0:
                self.line.close()
        return outcome


def fault_of(spec: SourceSpec) -> str:
    """What makes this source impossible, in words, or "" if nothing does."""
    if spec.driver == "modbus_rtu" and not spec.options.get("sole_master"):
        return (
            f"serial line {spec.options.get('line')}: a second master makes both fail; read through the PLC or a "
            "gateway instead, or write sole_master = true if nothing else asks on this line"
        )
    for tag in spec.tags:
        register = blocks.register_of(tag)
        if fault := registers.fault(register):
            return f"tag {tag.name}: {fault}"
        if register.device_id == 0 and spec.driver != "modbus_tcp":
            return f"tag {tag.name}: device_id 0 calls all devices of a serial line at once; none answers"
    return ""


def open_source(spec: SourceSpec) -> ModbusSource:
    """The Source for a spec, not yet connected; ConfigError if it cannot be read as configured."""
    # it reports each failed connection in words of its own; we tell the same once, as a reason
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    return ModbusSource(spec)
