"""docs/model.md: each block is what its command says on pump and meters of this file, and the sums are right.

Numbers of a block may differ from what is said here by one in ten thousand: another processor rounds differently. Where
the model itself has changed, `python -m tests.house.test_model_docs` puts the new numbers into the blocks; the sums and
the words around them are a person's.
"""

import io
import re
import shlex
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from monitor import learning, meters
from monitor.cli import build_parser
from monitor.ledger import Ledger
from monitor.model import command
from monitor.state import State
from tests.monitor import test_meters
from tests.monitor.judged_plant import DAY_US, NOW_US, lay_down, minutes, settings

PATH = Path(__file__).parents[2] / "docs/model.md"
PAGE = PATH.read_text("utf-8")
BLOCKS = re.findall(r"```\n\$ (handwheel model .*?)\n(.*?)```", PAGE, re.S)
SUMS = re.findall(r"^    ([^=\n]+) = ([^=\n]+)$", PAGE, re.M)
PLANT, METERS = settings(), test_meters.plant()
DAYS, WORN_FROM = 6, 5 * 1440 + 16 * 60  # the row
NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?"
LEFT_OUT = re.compile(r"^\.\.\.\n", re.M)


def plant_of_the_page(folder):
    """Two sound days that were learned, most of four more, then a run with a worn impeller; an inspection finds it."""
    made = State(folder).make()
    frame, worn = minutes(DAYS * 1440), minutes(DAYS * 1440, head_loss=0.045)
    frame.iloc[WORN_FROM:] = worn.iloc[WORN_FROM:].to_numpy()
    lay_down(made, PLANT, NOW_US, frame)
    start_us = NOW_US - DAYS * DAY_US
    model = learning.fitted(made, PLANT, "pump1", start_us + 2 * DAY_US, "engineer", start_us)
    learning.store(made, "pump1", model)
    ledger = Ledger(made)
    found = {"wo_id": "W-1", "grade": "D", "inspector_party": "utility", "blind_to_alert": True}
    at_us = NOW_US - 3600_000_000
    ledger.append("finding", found, at_us=at_us, via="test", site="G", asset="pump1", component="impeller")
    ledger.close()
    return made


def meters_of_the_page(folder):
    """Sixty days, of which the first forty were learned; from day 45 on M1 shows 12 % too much."""
    made = State(folder).make()
    Ledger(made).close()
    test_meters.lay_down(made, METERS, 1.12)
    meters.learn(made, METERS, (test_meters.END_S - 20 * 86_400) * 10**6)
    return made


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return plant_of_the_page(folder / "pump"), meters_of_the_page(folder / "meters")


def said(line, states):
    """What the command says at the end of the last day of the pump, or of the meters."""
    out = io.StringIO()
    of_meters = "M1" in line.split()
    plant, now_us = (METERS, test_meters.END_S * 10**6) if of_meters else (PLANT, NOW_US)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.setattr(command.time, "time_ns", lambda: now_us * 1000)
        args = build_parser("model").parse_args(shlex.split(line)[1:])
        assert command.command(args, plant, states[of_meters]) == 0
    return out.getvalue().splitlines()


def words(line):
    """A line without its numbers, and without what their length moves."""
    return re.sub(rf"{NUMBER}|[ -]+", " ", line)


def same(shown, told):
    """Whether two lines say the same, their numbers to one in ten thousand."""
    if words(shown) != words(told):
        return False
    pairs = zip(re.findall(NUMBER, shown), re.findall(NUMBER, told), strict=True)
    return all(float(a) == pytest.approx(float(b), rel=1e-4, abs=1e-4) for a, b in pairs)


def place(part, told, after, like):
    """Where the lines of a part begin among those said, or None; `like` says when two lines are the same."""
    shown = part.splitlines()
    for i in range(after, len(told) - len(shown) + 1):
        if all(map(like, shown, told[i : i + len(shown)])):
            return i
    return None


@pytest.mark.parametrize(("line", "block"), BLOCKS)
def test_a_block_is_what_the_command_says(line, block, state):
    told, at = said(line, state), 0
    for part in LEFT_OUT.split(block):
        found = place(part, told, at, same)
        assert found is not None, f"{line}: not said (any more):\n" + part
        at = found + len(part.splitlines())


@pytest.mark.parametrize(("left", "right"), SUMS)
def test_a_sum_of_the_page_is_right(left, right):
    assert eval(left.replace("^", "**").replace("x", "*")) == pytest.approx(float(right), rel=2e-3)


def test_each_command_is_shown_and_something_is_calculated():
    assert {line.split()[2] for line, _ in BLOCKS} == {"card", "fit", "score", "explain", "backtest"}
    assert len(SUMS) >= 6


def rewrite():
    """Put what the commands say today into the blocks; a part whose words have changed stays and fails its test."""
    page = PAGE
    with tempfile.TemporaryDirectory() as folder:
        state = (plant_of_the_page(Path(folder) / "pump"), meters_of_the_page(Path(folder) / "meters"))
        for line, block in BLOCKS:
            told, at, parts = said(line, state), 0, []
            for part in LEFT_OUT.split(block):
                found = place(part, told, at, lambda a, b: words(a) == words(b))
                n = len(part.splitlines())
                parts.append(part if found is None else "".join(f"{one}\n" for one in told[found : found + n]))
                at = at if found is None else found + n
            page = page.replace(block, "...\n".join(parts))
    PATH.write_text(page, "utf-8")


if __name__ == "__main__":
    rewrite()
