"""One bit flipped anywhere in a file of the memory: it is found, or every answer stays the same to the byte."""

import random
import sqlite3
from collections import Counter

import pytest

from drivers.errors import UserError
from monitor.historian.cold import cold_of
from monitor.historian.history import fold, read
from monitor.historian.hot import HotFile
from monitor.historian.proof import damages
from monitor.historian.reader import HotReader
from monitor.historian.verifying import verify as verify_history
from monitor.ledger import Draft, entries, head, open_ledger, raw_message, verify
from monitor.sqlite_file import FileDamaged
from monitor.state import State
from tests.drills import keeping

AT_US = 1_795_440_000_000_000
SECONDS = keeping.Ticks(1_795_440_000_000, 1_000)


def flip_each(memory, times, seed, tell):
    """Flip one bit at a time and count what comes of it.

    A memory has `paths`, the `total` of what it holds, what verify says of it (`found`, "" for nothing), all that
    readers get (`answers`), how much is readable beside damage (`rest`), and its writer's next work (`go_on`).
    """
    rng, whole, outcomes, rest = random.Random(seed), memory.answers(), Counter(), []
    assert memory.found() == ""
    original = {path: path.read_bytes() for path in memory.paths}
    for _ in range(times):
        path = rng.choices(memory.paths, [len(content) for content in original.values()])[0]
        byte, bit = rng.randrange(len(original[path])), rng.randrange(8)
        damaged = bytearray(original[path])
        damaged[byte] ^= 1 << bit
        path.write_bytes(damaged)
        where = f"bit {bit} of byte {byte} of {path.name} (seed {seed})"
        if memory.found():
            outcomes[path.name, "found"] += 1
            rest.append(memory.rest())
        else:
            assert memory.answers() == whole, f"{where} went unseen"
            try:
                memory.go_on()
            except (sqlite3.DatabaseError, FileDamaged):
                outcomes[path.name, "unused, and said when it was to be written"] += 1
            else:
                found = memory.found()
                assert found == "", f"{where} went unseen until something was written: {found}"
                outcomes[path.name, "unused"] += 1
        for name, content in original.items():
            name.write_bytes(content)
    assert memory.found() == ""
    assert memory.answers() == whole
    counted = "; ".join(f"{n} {' '.join(key)}" for key, n in sorted(outcomes.items()))
    tell(f"  seed {seed}, {times} flips: {counted}; readable beside the damage: {describe(rest)} of {memory.total:,}")
    return outcomes


def describe(rest):
    """How much is readable beside what was damaged."""
    return f"median {sorted(rest)[len(rest) // 2]:,}, least {min(rest):,}" if rest else "-"


class LedgerMemory:
    """Entries, messages of vendors, an erasure and seals; verified against the head on paper."""

    def __init__(self, state, size):
        self.state, self.paths = state, [state.ledger, state.bodies]
        self._write(size, erasing=[4, 6])
        self._paper = "{}:{}".format(*head(state))
        self._whole = {one.n: one for one in entries(state)}
        self.total = len(self._whole)

    def _write(self, size, erasing=()):
        ledger = open_ledger(self.state)
        for number in range(size):
            name = ledger.keep_raw(keeping.note(number + ledger.head()[0]), AT_US)
            alert = {
                "alert_id": f"a{number}", "vendor": "v", "failure_mode": "wear", "severity": "note", "issued_at": None,
                "text": "worn", "recommended_action": "", "horizon": None, "raw_sha256": name, "feed": "mail",
            }  # fmt: skip
            event = {"date": "d", "event_kind": "k", "text": f"number {number}"}
            ledger.append_many(
                [Draft("vendor_alert", alert, AT_US + number, "intake"), Draft("event", event, AT_US, "test")]
            )
        if erasing:
            ledger.erase(erasing, "a rule", at_us=AT_US, role="engineer", via="test")
        ledger.seal(AT_US)
        ledger.close()

    def found(self):
        result = verify(self.state, self._paper)
        return "" if result.ok else result.words

    def answers(self):
        told = list(entries(self.state))
        messages = [raw_message(self.state, one.data["raw_sha256"]) for one in told if "raw_sha256" in one.data]
        return told, messages, head(self.state)

    def rest(self):
        """How many entries are still read as they were; who reads them for evidence verifies."""
        try:
            return sum(one == self._whole[one.n] for one in entries(self.state) if one.n in self._whole)
        except UserError:
            return 0

    def go_on(self):
        self._write(3)


def test_a_bit_flipped_in_the_ledger_is_found_or_changes_nothing(tmp_path, seed):
    flip_each(LedgerMemory(State(tmp_path).make(), 8), 40, f"{seed} short", lambda _: None)


@pytest.mark.drill
def test_five_hundred_bits_flipped_in_the_ledger_are_found_or_change_nothing(tmp_path, seed, tell):
    outcomes = flip_each(LedgerMemory(State(tmp_path).make(), 60), 500, seed, tell)
    assert outcomes["ledger.sqlite", "found"] > 10
    assert outcomes["bodies.sqlite", "found"] > 100


class HotMemory:
    """Frames, the newest samples, rollups and the small tables of a hot file that was closed."""

    def __init__(self, state, ticks):
        self.state, self.paths, self._ticks = state, [state.hot], 0
        self._write(ticks)
        self.total = ticks * keeping.TAGS

    def _write(self, ticks):
        hot = HotFile(self.state.hot)
        hot.publish_tags(keeping.settings_of())
        hot.set_alarms([{"id": f"a{number}", "text": "worn"} for number in range(20)])
        hot.set_assessments([{"asset": "pump1", "at_ms": 5, "index": 88.0}])
        hot.set_verdicts([{"asset": "pump1", "component": "seal", "word": "agree"}])
        for tick in range(self._ticks, self._ticks + ticks):
            hot.append([SECONDS.batch(tick)], SECONDS.at_ms(tick))
        self._ticks += ticks
        hot.roll(SECONDS.at_ms(self._ticks))
        hot.close()

    def found(self):
        return "; ".join(one.what for one in damages(self.state))

    def answers(self):
        reader = HotReader(self.state.hot)
        small = reader.meta(), reader.tags(retired=True), reader.assets(), reader.assessments(), reader.verdicts()
        rolled = [reader.rollups(span_s, 0) for span_s in (60, 3_600)]
        samples = [reader.series(number, 0) for number in (0, keeping.TAGS - 1)]
        found = read(self.state, keeping.NAMES, *keeping.EVERYTHING)
        assert not reader.damaged
        assert found.attrs["damaged"] == []
        rows = found["tag"].tolist(), found["receive_us"].tolist(), found["value"].tolist(), found["reasons"].tolist()
        return small, reader.alarms(), reader.latest(), reader.newest_ms(), rolled, samples, rows

    def rest(self):
        """How many samples are still readable; each of them as it was."""
        try:
            found = read(self.state, keeping.NAMES, *keeping.EVERYTHING)
        except FileDamaged:
            return 0
        return len(SECONDS.as_written(found))

    def go_on(self):
        self._write(5)
        self._ticks -= 5


class HistoryMemory:
    """Parquet: two sites, a day that was made one file and one that still lies in pieces; nothing in the hot file."""

    def __init__(self, state, ticks):
        self.state, self.total = state, ticks * keeping.TAGS
        hot = HotFile(state.hot)
        hot.publish_tags(keeping.settings_of())
        for tick in range(ticks):
            hot.append([keeping.TICKS.batch(tick)], keeping.TICKS.at_ms(tick))
            if tick % 40 == 39:
                fold(state)
        hot.roll(keeping.TICKS.at_ms(ticks))
        hot.purge(fold(state).purge_before_ms)
        hot.close()
        self.paths = sorted(state.history.rglob("*.parquet"))

    def found(self):
        told = verify_history(cold_of(self.state))
        return "; ".join(one.why for one in told.faults)

    def answers(self):
        found = read(self.state, keeping.NAMES, *keeping.EVERYTHING)
        assert found.attrs["damaged"] == []
        return [found[name].tolist() for name in found]

    def rest(self):
        """What is readable after what is damaged went to quarantine, which every reader is told."""
        kept = {path: path.read_bytes() for path in self.state.history.rglob("*") if path.is_file()}
        assert verify_history(cold_of(self.state), move=True).faults
        found = read(self.state, keeping.NAMES, *keeping.EVERYTHING)
        assert found.attrs["damaged"]
        assert all("_quarantine" in one for one in found.attrs["damaged"])
        for path in self.state.history.rglob("*"):
            if path.is_file() and path not in kept:
                path.unlink()
        for path, content in kept.items():
            path.write_bytes(content)
        return len(keeping.TICKS.as_written(found))

    def go_on(self):
        pass  # a file of history is never written again


def test_a_bit_flipped_in_the_hot_file_is_found_or_changes_nothing(tmp_path, seed):
    flip_each(HotMemory(State(tmp_path).make(), 130), 25, f"{seed} short", lambda _: None)


def test_a_bit_flipped_in_history_is_found_and_goes_to_quarantine(tmp_path, seed):
    outcomes = flip_each(HistoryMemory(State(tmp_path).make(), 100), 25, f"{seed} short", lambda _: None)
    assert {outcome for _name, outcome in outcomes} == {"found"}


@pytest.mark.drill
def test_three_hundred_bits_flipped_in_the_hot_file_are_found_or_change_nothing(tmp_path, seed, tell):
    outcomes = flip_each(HotMemory(State(tmp_path).make(), 600), 300, seed, tell)
    assert outcomes["hot.sqlite", "found"] > 200


@pytest.mark.drill
def test_three_hundred_bits_flipped_in_history_are_found_and_go_to_quarantine(tmp_path, seed, tell):
    outcomes = flip_each(HistoryMemory(State(tmp_path).make(), 200), 300, seed, tell)
    assert {outcome for _name, outcome in outcomes} == {"found"}
