"""docs/fallback.md: each block is what its command says on the sites of the example, three minutes after a death.

Numbers, marks and paths of a block may differ from what is said here; the words around them may not.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fallback_procedures.__main__ import arguments
from fallback_procedures.stick import program
from fallback_procedures.triggers import moment
from tests.fallback.conftest import State

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/fallback.md").read_text("utf-8")
BLOCKS = re.findall(r"```\n\$ ([^\n]+)\n(.*?)```", PAGE, re.S)
NAMED = re.findall(r"`(handwheel-manual [^`]+)`", PAGE)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The example's sheets, and what a daemon published before it died."""
    folder = tmp_path_factory.mktemp("page")
    state = State(folder / "STATE")
    shutil.copytree(ROOT / "config/example/sheets", state.manual / "sheets")
    state.publish(moment(), age_s=190, time_zone="Europe/Berlin")
    shutil.copy(ROOT / "tests/golden/last_known.txt", state.manual)
    (folder / "STICK").mkdir()
    (folder / "handwheel-manual.pyz").write_bytes(program())
    (folder / "fallback_procedures").symlink_to(ROOT / "fallback_procedures")
    return folder


def said(line, place):
    """What a shell prints in that folder, where the program is started by a Python without anything installed."""
    bare = f"{shlex.quote(sys.executable)} -I -S"
    line = re.sub(r"^handwheel-manual|(?<=\| )handwheel-manual", f"{bare} fallback_procedures", line)
    line = re.sub(r"^python3( -I -S)?|(?<=\| )python3( -I -S)?", bare, line)
    done = subprocess.run(["sh", "-c", line], cwd=place, capture_output=True, text=True, timeout=120, check=False,
                          env={"PATH": os.environ["PATH"], "TERM": "dumb"})  # fmt: skip
    return (done.stdout + done.stderr).splitlines()


def like(line):
    """A line without what differs from run to run: numbers, times, marks and paths."""
    return re.sub(r"\S*/\S+|\b[0-9a-f]{8}\b|[\d.]+|[ :+-]+", " ", line).strip()


@pytest.mark.parametrize(("line", "block"), BLOCKS)
def test_a_block_is_what_the_command_says(line, block, place):
    told, at = [like(one) for one in said(line, place)], 0
    for shown in block.splitlines():
        if shown == "...":
            continue
        assert like(shown) in told[at:], f"{line}: not said (any more): {shown}\n" + "\n".join(told)
        at = told.index(like(shown), at) + 1


@pytest.mark.parametrize("line", NAMED)
def test_a_command_of_the_page_is_one_that_there_is(line):
    assert arguments(shlex.split(line)[1:])


def test_the_page_says_what_each_flag_is_for():
    flags = set(re.findall(r"--[a-z-]+", PAGE))
    assert {"--plain", "--drill", "--list", "--show", "--print", "--render", "--check", "--binder-status", "--lang",
            "--mark-printed", "--make-stick", "--check-stick", "--state", "--role", "--site"} <= flags  # fmt: skip
    assert len(BLOCKS) >= 6
