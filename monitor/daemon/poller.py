"""One task per connection: polls on time, survives whatever the source does, and says in one word how the link is.

Due times are absolute and the sources start spread over their period, so that neither drift nor bunching builds up. A
poll that comes too late is skipped and counted, never piled up. A source that fails as a whole is caught here and in no
other place: each due poll without an answer gives one BAD sample per tag, so that counts of good samples stay honest
through an outage; the words stand in the first of them and again when they change. The poller tries again after
1, 2, 4 ... s (at most `max_backoff_s`, 10 s by default), for ever; where a device has few connections to give, its slot
is let go of and the first pause is already the longest (60 s by default). A dead source costs the others nothing: it
has its own task; only sources behind one line wait for each other, question by question. Time-outs belong to the
driver; a task cancelled from outside in mid-answer would leave that answer lying in wait for the next question.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from drivers.batch import Batch
from drivers.errors import SourceDown
from drivers.record import Alert, Reason, Register, Tag
from drivers.source import Source, SourceSpec, TakesTurns
from monitor.quality import down_batch
from monitor.words import clean

LOG = logging.getLogger("handwheel.poller")
MAX_BACKOFF_S = 10.0
REASONS_TOLD = 3  # of a link that answers in part
ASSETS_NAMED = 2  # of a device
CAUSES_TOLD = 8  # in the log, while a link stays in one state
DETAIL_LIMIT = 400  # characters: two fingerprints
FEW_SLOTS = 4  # a device that takes so few clients is not hurried
_ANSWERED_BADLY = np.uint32(Reason.COMMS | Reason.EXCEPTION | Reason.CONFIG | Reason.DEVICE)


@dataclass(slots=True)
class Link:
    """How one connection is, and since when: connecting, up, degraded (answers, but not for all tags) or down."""

    source: str
    site: str
    state: str = "connecting"
    since_us: int = 0  # UTC [us]
    since_s: float = 0.0  # monotonic [s]
    last_answer_s: float | None = None  # monotonic [s]
    last_answer_us: int | None = None
    note: str = ""
    why: str = ""  # the note without its counts
    silent: dict[str, float] = field(default_factory=dict)  # devices and assets without any answer -> since (monotonic)
    polls: int = 0
    skipped: int = 0  # polls left out because an earlier one took too long
    failures: int = 0
    reconnects: int = 0
    took_s: float | None = None  # the last poll, with opening the connection where it had to be


@dataclass(frozen=True, slots=True)
class LinkChange:
    """A link went from one state to another."""

    source: str
    site: str
    before: str
    after: str
    note: str
    at_us: int
    last_answer_us: int | None  # before the change


class Cadence:
    """When which tags are due: tags with a period of their own form a group of their own. Monotonic time [s]."""

    def __init__(self, spec: SourceSpec, start_s: float) -> None:
        groups: dict[float, list[Tag]] = {}
        for tag in spec.tags:
            groups.setdefault(tag.every_s or spec.every_s, []).append(tag)
        self._groups: Mapping[float, Sequence[Tag]] = groups
        self._due = dict.fromkeys(groups, start_s)

    @property
    def next_s(self) -> float:
        """The next time at which something is due; infinity for a source without tags."""
        return min(self._due.values(), default=float("inf"))

    def take(self, now_s: float) -> tuple[Sequence[Tag], int]:
        """The tags that are due now, and how many of their due times had gone by unused."""
        due: list[Sequence[Tag]] = []
        skipped = 0
        for every_s, group in self._groups.items():
            late_s = now_s - self._due[every_s]
            if late_s < 0:
                continue
            missed = int(late_s // every_s)
            self._due[every_s] += (missed + 1) * every_s
            skipped += missed
            due.append(group)
        # one group alone is always the same object: drivers know it again
        return due[0] if len(due) == 1 else [tag for group in due for tag in group], skipped


class Poller:
    """Keeps one source polled until its task is cancelled."""

    def __init__(
        self,
        source: Source,
        *,
        phase_s: float,
        on_batch: Callable[[Batch], None],
        on_change: Callable[[LinkChange], None],
        on_alerts: Callable[[list[Alert]], None],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`phase_s`: how long to wait before the first poll, so that the sources do not all ask at once.

        `monotonic` and `sleep` are its clock, handed in so that hours can pass in seconds [s].
        """
        self.source = source
        self.spec = source.spec
        self.link = Link(self.spec.name, self.spec.site)
        self._phase_s = phase_s
        self._on_batch, self._on_change, self._on_alerts = on_batch, on_change, on_alerts
        self._monotonic, self._sleep = monotonic, sleep
        self._max_backoff_s = float(self.spec.options.get("max_backoff_s", MAX_BACKOFF_S))
        few = int(self.spec.options.get("max_clients", FEW_SLOTS + 1)) <= FEW_SLOTS
        self._first_backoff_s = self._max_backoff_s if few else 1.0
        self._backoff_s = 0.0
        self._try_again_s = 0.0
        self.turned_s = monotonic()  # when it last had its turn (monotonic) [s]
        self._open = False
        self._told = ""  # the words last stored with a down batch
        self._unanswered: set[int] = set()  # tags for which the device answers, but not with a value
        self._mute: set[int] = set()  # those of them for which nobody but a gateway answers
        self._causes: set[str] = set()  # that the log has told since the link is in this state
        self._behind: dict[str, set[int]] = {}  # who answers for which tags
        for who, tags in behind(self.spec.tags).items():
            self._behind[who] = {tag.number for tag in tags}

    async def run(self) -> None:
        """Poll for ever. Ends only by cancellation, and then lets go of the connection."""
        self._enter("connecting", "")
        cadence = Cadence(self.spec, self._monotonic() + self._phase_s)
        try:
            while True:
                wake_s = cadence.next_s
                if self.link.state == "down" and not self._open:
                    wake_s = min(wake_s, max(self._try_again_s, self._monotonic()))
                # at least give the other tasks their turn; a source without tags has nothing to be woken for
                await self._sleep(max(wake_s - self._monotonic(), 0.0) if wake_s != float("inf") else 3600.0)
                await self._turn(cadence)
        finally:
            await self._let_go()

    async def _turn(self, cadence: Cadence) -> None:
        """One due poll, or one try to get a dead source back."""
        now_s = self.turned_s = self._monotonic()
        tags, skipped = cadence.take(now_s)
        self.link.skipped += skipped
        self.link.polls += bool(tags)
        if self.link.state == "down" and now_s < self._try_again_s:
            self._store_down(tags)
            return
        try:
            if not self._open:
                await self.source.open()
                self._open = True
            batch = await self.source.read(tags or self.spec.tags)
            self.link.took_s = self._monotonic() - now_s
            self._rise(batch)
            if alerts := await self.source.alerts():
                self._on_alerts(alerts)
        except SourceDown as fault:
            await self._fall(tags, fault.detail)
        except Exception as fault:  # whatever a driver does, its tags are BAD and the others are polled
            if self.link.state != "down":
                LOG.exception("%s: the driver failed in a way it should not", self.spec.name)
            await self._fall(tags, f"{type(fault).__name__}: {fault}")

    def _rise(self, batch: Batch) -> None:
        self._backoff_s, self._told = 0.0, ""
        badly = batch.reasons & _ANSWERED_BADLY != 0
        if badly.any() or self._unanswered:
            self._unanswered -= set(batch.tag[~badly].tolist())
            self._unanswered |= set(batch.tag[badly].tolist())
            told = dict.fromkeys(batch.detail[row] for row in np.flatnonzero(badly).tolist() if batch.detail.get(row))
            self.link.why = clean("; ".join(list(told)[:REASONS_TOLD])) or self.link.why
        mute = batch.reasons & np.uint32(Reason.COMMS) != 0
        if mute.any() or self._mute:
            self._mute -= set(batch.tag[~mute].tolist())
            self._mute |= set(batch.tag[mute].tolist())
        missing, tags = len(self._unanswered), len(self.spec.tags)
        note = f"{missing} of {tags} tags without an answer: {self.link.why}" if missing else ""
        if badly.any() or self.link.silent:
            self._note_silent(set(batch.tag[~badly].tolist()), set(batch.tag[mute].tolist()))
        # a gateway that only speaks for dead devices is no connection to anything
        self._enter("down" if 0 < tags == len(self._mute) else "degraded" if missing else "up", note)
        if not mute.all() or not len(batch):
            self.link.last_answer_s, self.link.last_answer_us = self._monotonic(), batch.receive_us
        self._on_batch(batch)

    def _note_silent(self, answered: set[int], mute: set[int]) -> None:
        """Who gives no answer at all, and since when; a Modbus device that is mute for one tag is so for all."""
        for who, tags in self._behind.items():
            if tags & answered:
                self.link.silent.pop(who, None)
            elif tags <= self._unanswered or (who.startswith("device ") and tags & mute):
                self.link.silent.setdefault(who, self._monotonic())

    async def _fall(self, tags: Sequence[Tag], detail: str) -> None:
        self.link.failures += 1
        self._open = False
        self._unanswered.clear()
        self._mute.clear()
        await self._let_go()
        self._backoff_s = min(max(2 * self._backoff_s, self._first_backoff_s), self._max_backoff_s)
        self._try_again_s = self._monotonic() + self._backoff_s
        falling = self.link.state != "down"
        for who in self._behind:
            self.link.silent.setdefault(who, self._monotonic())
        self.link.why = clean(detail, DETAIL_LIMIT)
        self._enter("down", self.link.why)
        self._store_down(self.spec.tags if falling else tags)

    async def _let_go(self) -> None:
        """Close the source; one that cannot even be closed does not end its polling."""
        try:
            await self.source.close()
        except Exception:  # the same, while it is let go
            if self.link.state != "down":
                LOG.exception("%s: the driver failed in closing, as it should not", self.spec.name)

    def _store_down(self, tags: Sequence[Tag]) -> None:
        """BAD for each tag whose poll brought nothing; words only when they are news."""
        if not tags:
            return
        words = "" if self.link.note == self._told else self.link.note
        self._told = self.link.note
        self._on_batch(down_batch(self.spec.name, tags, time.time_ns() // 1000, words))

    def _enter(self, state: str, note: str) -> None:
        link = self.link
        before, link.note = link.state, note
        now_us = time.time_ns() // 1000
        if not link.since_us:
            link.since_us, link.since_s = now_us, self._monotonic()
        cause = cause_of(note)
        if state == before:
            if note and cause not in self._causes and len(self._causes) < CAUSES_TOLD:
                self._causes.add(cause)
                LOG.warning("%s: still %s, but now: %s", link.source, state, note)
            return
        self._causes = {cause}
        link.reconnects += before == "down"
        link.state, link.since_us, link.since_s = state, now_us, self._monotonic()
        level = logging.WARNING if state in ("down", "degraded") else logging.INFO
        LOG.log(level, "%s: %s, was %s%s", link.source, state, before, f" ({note})" if note else "")
        self._on_change(LinkChange(link.source, link.site, before, state, note, now_us, link.last_answer_us))


def cause_of(words: str) -> str:
    """The kind of trouble that words tell: without whatever holds a digit, which may differ each time."""
    return " ".join(word for word in words.split() if not any(character.isdigit() for character in word))


def behind(tags: Sequence[Tag]) -> dict[str, list[Tag]]:
    """Who answers for which tags: a device behind a gateway or on a line, "device 2 (pump2)"; of a server an asset."""
    found: dict[str | int, list[Tag]] = {}
    for tag in tags:
        found.setdefault(tag.where.device_id if isinstance(tag.where, Register) else tag.asset, []).append(tag)
    named: dict[str, list[Tag]] = {}
    for who, theirs in found.items():
        assets = list(dict.fromkeys(tag.asset for tag in theirs))
        more = ", ..." if len(assets) > ASSETS_NAMED else ""
        named[f"device {who} ({', '.join(assets[:ASSETS_NAMED])}{more})" if isinstance(who, int) else who] = theirs
    return named


def share_lines(sources: Sequence[Source]) -> None:
    """Sources behind one serial line or gateway take turns: each holds the `turn` of the first while it asks."""
    turns = {source.spec.name: source.turn for source in sources if isinstance(source, TakesTurns)}
    for source in sources:
        if isinstance(source, TakesTurns):
            first = min([source.spec.name, *source.spec.options.get("shares_line_with", ())])
            source.turn = turns.get(first, source.turn)


def phases(specs: Sequence[SourceSpec]) -> dict[str, float]:
    """How long each source waits before its first poll [s]: spread over its period, at most over 5 s."""
    return {spec.name: (index / len(specs)) * min(spec.every_s, 5.0) for index, spec in enumerate(specs)}
