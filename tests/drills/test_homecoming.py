"""A night by hand on a real plant: daemon and console are killed on the way; all of it comes home, flagged, once."""

import asyncio
import csv
import io
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from drivers.record import Reason
from monitor.cli import main
from monitor.historian.store import Store
from monitor.ledger import entries, verify
from monitor.settings import load
from monitor.state import State
from monitor.words import parse_utc, utc_text
from tests.drivers.servers import modbus_server
from tests.monitor.plant_bench import Bench, configure, device

PATIENCE_S = 120.0
FLOW = "pump1.flow"
PROCEDURE = """\
PROCEDURE  P-04  Drinking-water pump by hand
REVISION   2   2026-11-01
STATUS     APPROVED by shift_lead on 2026-11-01
OWNER      operations
REVIEW BY  2099-11-01
PURPOSE    Shows what a reading becomes when automation is back.
WHEN       A person judges that control is lost.
APPLIES    control_lost
NEEDS      One person. Pencil.

[ ] 1  Read the flow on the local display.
       Reading: flow on the local display ________ m3/h   limits 60 to 120
       If not: call the shift lead.
[ ] 2  Read the flow on the local display again.
       Reading: second flow ________ m3/h   limits 60 to 120
       If not: call the shift lead.

HAND BACK  When P-18 says so.
FORMS      F1
END        P-04
"""
SHEET = """\
SHEET       site G   Golden waterworks
TYPE        waterworks
APPROVED    shift_lead  2026-10-05

tag_p04_1 = pump1.flow
tag_p04_2 = pump1.flow
"""
ANSWERS = {  # what a person answers wherever the console asks in its own order; of a list one after the other
    "Who judges so?": "2", "Why (one sentence)": "panel and SCADA agree", ", with spaces between": "G",
    "y keeps it": "y", "Write LOST": "LOST", "Why is the step done": "the shift lead agreed",
    "Who hands back?": "2", "Which second person agrees?": "1", "Not all is met. Why": "all answer by telephone",
    "Write AUTO": "AUTO",
    "Is every station at hand held": "y",
    "Run or procedure on the paper": "P-04 G", "step:": "1", "display [m3/h]:": "82,75",
    "When was it so": "", "When was it written down": "",
    "y ends the drill": "y", "DRILL RECORD. Station": "", "What was played": "PLC lost at night",
    "What was missing or wrong?": ["no lock in the box", ""], "Where (procedure": "P-04 step 2",
    "What is to be changed?": "hang up three locks", "By whom?": "3", "Next drill due": "",
}  # fmt: skip


class Console:
    """`handwheel-manual --plain` as a process, answered as its questions come."""

    def __init__(self, state, *more):
        command = [sys.executable, "-m", "fallback_procedures", "--plain", "--lang", "en", "--state", str(state.root)]
        self.process = subprocess.Popen([*command, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=os.environ | {"TERM": "dumb"})  # fmt: skip
        self.text, self.read = "", 0
        self.answers = {asked: list(one) if isinstance(one, list) else one for asked, one in ANSWERS.items()}
        self.listening = threading.Thread(target=self._listen)
        self.listening.start()

    def _listen(self):
        while chunk := os.read(self.process.stdout.fileno(), 4_096):
            self.text += chunk.decode()

    def asked(self, *wanted):
        """Wait until one of these words was said since the last answer; says which."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            new = self.text[self.read :]
            if found := [one for one in wanted if one in new]:
                return max(found, key=new.rindex)
            assert self.process.poll() is None or new, self.text
            time.sleep(0.02)
        raise AssertionError(f"nothing of {wanted} was asked:\n{self.text}")

    def say(self, *lines, until):
        """Type lines one by one; then answer questions until one of these words is said."""
        for line in lines:
            self.type(line)
        while (asked := self.asked(until, *ANSWERS)) != until:
            answer = self.answers[asked]
            self.type(answer.pop(0) if isinstance(answer, list) else answer)

    def type(self, line):
        time.sleep(0.3)
        self.read = len(self.text)
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        time.sleep(0.3)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.listening.join()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()


@pytest.fixture
def config(tmp_path):
    return tmp_path / "config"


def a_minute_ago():
    """As a person writes it, in the time of the plant."""
    moment = datetime.fromtimestamp(time.time() - 60, ZoneInfo("Europe/Berlin"))
    return f"{moment:%Y-%m-%d %H:%M}"


def of(state, kind):
    return [one.data for one in entries(state, (kind,))]


async def waited(bench, condition, what):
    """The daemon looks each minute, and its worker needs its time."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert bench.process.poll() is None, bench.log_text()
        assert time.monotonic() < end, f"{what}\n{bench.log_text()}"
        await asyncio.sleep(0.2)


def by_hand(state, config):
    found = Store(state, load(config)).read([FLOW], 0, 2**60)
    return found[(found["reasons"] & int(Reason.MANUAL)) != 0]


@pytest.mark.drill
async def test_a_night_by_hand_in_which_daemon_and_console_die_comes_home_flagged_and_once(tmp_path, config, capsys):
    async with modbus_server(device()) as server:
        state = State(tmp_path / "state")
        configure(config, server.port)
        for folder, name, text in (
            ("procedures", "P-04", PROCEDURE),
            ("sheets", "G", SHEET),
            ("setpoints", "G", "x\n"),
        ):
            (config / folder).mkdir(exist_ok=True)
            (config / folder / f"{name}.txt").write_text(text)
        bench = Bench(config, state).start()
        consoles = []

        def console(*more):
            consoles.append(Console(state, *more))
            return consoles[-1]

        try:
            await waited(bench, (state.sheets / "G.txt").exists, "published")
            assert (state.setpoints / "G.txt").read_text() == "x\n"
            one = console()
            one.asked("leave")
            one.say("c", until="CONTROL LOST is declared")
            one.say("P-04 G", until="start")
            one.say("s", until="flow on the local display")
            one.say("80.5", "d", until="second flow")
            bench.kill()
            await asyncio.to_thread(bench.ended)
            one.kill()  # the power of the console fails too
            two = console()
            two.say(until="Resumed: P-04-1")
            two.say("P-04-1", until="second flow")
            two.say("140,25", "d", until="All steps are marked")
            bench.start()
            await bench.until(lambda s: s["sources"][0]["good"] == 4)
            two.answers["When was it so"] = a_minute_ago()
            two.say("E", until="Entered from paper:")
            two.say("f", "S", until="Stable by hand after")
            two.say("h", until="Handed back")
            two.kill()
            await waited(bench, lambda: of(state, "report"), "the daemon takes it in by itself")
            (period,) = of(state, "period")
            assert (period["drill"], period["sites"], period["counts"]["entered"]) == (False, ["G"], 3)
            assert [one["value"] for one in of(state, "reading")] == ["80.5 m3/h", "140.25 m3/h", "82.75 m3/h"]
            paper = of(state, "reading")[-1]
            assert paper["occurred_at"] <= paper["recorded_at"] < paper["entered_at"]
            assert sorted(by_hand(state, config)["value"]) == [80.5, 82.75, 140.25]
            assert period["second_role"] == "operator"
            assert period["stable_after"]
            assert period["procedures"][0]["approved"]
            text = (state.reports / f"{period['report']}_csv/deviations.csv").read_text()
            assert "OUT OF LIMITS: second flow 140.25 m3/h" in text

            drill = console("--drill")
            drill.asked("leave")
            drill.say("P-04 G", until="start")
            drill.say("s", until="flow on the local display")
            drill.say("999", "d", until="second flow")
            drill.say("n not now", "f", "x", "q", until="Next drill due")
            drill.type("")
            await asyncio.to_thread(drill.process.wait, PATIENCE_S)
            await waited(bench, lambda: len(of(state, "report")) == 2, "and the drill")
            assert [one["drill"] for one in of(state, "period")] == [False, True]
            assert len(by_hand(state, config)) == 3  # a drill brings none

            assert of(state, "period")[1]["next_due"]
            text = (state.reports / f"{of(state, 'period')[1]['report']}_csv/corrections.csv").read_text()
            assert "DRILL,P-04 step 2,,no lock in the box,hang up three locks" in text

            occurred = utc_text(parse_utc(period["start"]) // 60_000_000 * 60_000_000)
            words = ["--config", str(config), "--state", str(state.root)]
            assert await asyncio.to_thread(main, ["reading", "add", FLOW, "79.0", "--at", occurred, *words]) == 0
            added = of(state, "reading")[-1]
            assert added["occurred_at"] <= added["recorded_at"]
            assert await asyncio.to_thread(main, ["ledger", "verify", *words]) == 0
            capsys.readouterr()
            assert await asyncio.to_thread(main, ["export", "values", FLOW, *words]) == 0
            rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
            flagged = sorted(float(row["value"]) for row in rows if "manual" in row["reasons"])
            assert flagged == [79.0, 80.5, 82.75, 140.25]
            assert len(rows) > len(flagged)  # what was measured stands beside it
            assert verify(state).ok
        finally:
            bench.end()
            for one in consoles:
                one.kill()
