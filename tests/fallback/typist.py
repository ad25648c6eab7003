"""A person at a real terminal who runs a procedure by the console's keys, and is cut off in the middle of it."""

import os
import pty
import random
import re
import select
import subprocess
import sys
import threading

from fallback_procedures.journal import Line, read_lines
from fallback_procedures.replay import replay

from .conftest import GOLDEN, ROOT, State

KINDS = {"l": "note", "u": "undo", "g": "goto", "d": "done", "1": "released", "r": "round"}
IS_IT_SO = "is it so now?"


class Typist:
    """handwheel-manual --plain on a pty; `screen` is what it has shown since the last key."""

    def __init__(self, state: State) -> None:
        self.handle, theirs = pty.openpty()
        self.program = subprocess.Popen(
            [sys.executable, "-I", "-S", str(ROOT / "fallback_procedures"), "--plain", "--lang", "en",
             "--state", str(state.root)], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={"PATH": os.environ["PATH"], "TERM": "dumb", "LINES": "300", "COLUMNS": "100"},
        )  # fmt: skip
        os.close(theirs)
        self.screen = ""
        self.wait()

    def wait(self) -> bool:
        """Until it asks for something; False once it is gone."""
        self.screen, end = "", re.compile(r"(?:>|:) $")
        while True:
            ready = select.select([self.handle], [], [], 0.02 if end.search(self.screen) else 20.0)[0]
            if not ready and end.search(self.screen):
                return True
            assert ready, f"it asks for nothing:\n{self.screen}"
            try:
                part = os.read(self.handle, 65_536)
            except OSError:  # the other end of a pty is gone
                part = b""
            if not part:
                return False
            self.screen += part.decode("utf-8", "replace").replace("\r", "")

    def types(self, text: str) -> bool:
        """One line and Enter; True once the screen has answered it and asks again."""
        try:
            os.write(self.handle, text.encode() + b"\n")
        except OSError:
            return False
        return self.wait()

    def end(self) -> None:
        self.program.kill()
        self.program.wait()
        os.close(self.handle)


def prepare(state: State) -> None:
    """A procedure of four steps as the site's own, and a period in which it is begun."""
    (state.manual / "procedures").mkdir()
    text = (GOLDEN / "procedures" / "2_readings_and_branches.txt").read_text()
    (state.manual / "procedures" / "P-03.txt").write_text(text)
    person = Typist(state)
    for line in ("c", "2", "all agree", "R", "LOST", "P-03 R", "s", "x", "q"):
        person.types(line)
    person.end()


def kept(state: State) -> list[Line]:
    (path,) = (state.manual / "journal").glob("*.jsonl")
    return read_lines(path)[0]


def step_of(state: State) -> str:
    """The step at hand as the file tells it; "" behind the last one."""
    return replay("x", kept(state)).runs["P-03-1"].cursor


def killed_while_typing(state: State, draw: random.Random, within_s: float) -> int:
    """Go on with the run until killed at a random moment; how many acts were confirmed on the screen.

    Asserts that the start went on at exactly the step of the file, and that what was confirmed is in the file.
    """
    before, at = kept(state), step_of(state)
    person = Typist(state)
    assert "Resumed: P-03-1" in person.screen, person.screen
    shown = re.search(r"step (\S+) of 4\n", person.screen)
    assert (shown.group(1) if shown else "") == at, person.screen
    timer = threading.Timer(draw.random() * within_s, person.program.kill)
    timer.start()
    confirmed: list[str] = []
    alive = True
    while alive:
        key = next_key(person.screen, draw)
        kind = "done" if IS_IT_SO in person.screen else "reading" if "," in key else KINDS.get(key[0], "")
        alive = person.types(key)
        if alive and key != "o" and IS_IT_SO not in person.screen and "\n! " not in person.screen:
            confirmed.append(kind)
    timer.join()
    person.end()
    after = kept(state)
    assert after[: len(before)] == before
    assert [line["n"] for line in after] == list(range(1, len(after) + 1))
    added = [line["kind"] for line in after[len(before) :]]
    assert added[: len(confirmed)] == confirmed
    assert len(added) - len(confirmed) in (0, 1), "at most the entry whose answer was not shown any more"
    return len(confirmed)


def next_key(screen: str, draw: random.Random) -> str:
    """What the screen asks for; now and then something else."""
    asked = screen.rstrip().rsplit("\n", 1)[-1]
    if "who has released this step now" in asked:
        return "1"
    if IS_IT_SO in screen:
        return "y"
    other = draw.random()
    if other < 0.1:
        return f"l note {draw.random()}"
    if other < 0.15:
        return "g 2"
    if other < 0.2:
        return "u"
    if "o release" in screen:
        return "o"
    if "[m] >" in asked or "[A] >" in asked:
        return f"1,{draw.randrange(10, 99)}"
    return "d" if "d done" in screen else "r"
