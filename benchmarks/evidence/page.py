"""A page of evidence, docs/model_evidence.md or another: each study owns the part between its two markers.

A part says what was asked, the command, the commit in which the settings were frozen and the commit of the run, the
seed, the tables, and in words which bar is held and which is missed. Earlier evaluations stay named: a study that was
run often until it held shows it.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "model_evidence.md"
COMMITTED = ("models", "benchmarks", "drivers/sim")
EARLIER = "Earlier evaluations: "
HEAD = """# Evidence for the open maintenance model

What the model of models/health can do and cannot, measured. Each part is written by the command it names, never by
hand. A bar counts only if the settings were committed before the seed was drawn; a bar that is missed stays here with
its figure.
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One study's part of the page. `body` is markdown; `seed` may say in words where it comes from."""

    name: str
    title: str
    asked: str
    command: str
    frozen: str
    seed: str
    body: str
    bars: Sequence[Figure] = ()


def git(*arguments: str) -> str:
    """What git says about this tree."""
    done = subprocess.run(("git", *arguments), cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def frozen_commit(*paths: str) -> str:
    """The last commit that touched these files: what was settled when it was made."""
    return git("log", "-1", "--format=%H", "--", *paths)


def seed_from(commit: str) -> int:
    """A seed that nobody can choose: the first 31 bits of the freezing commit's hash.

    >>> seed_from("ffffffff00")
    2147483647
    """
    return int(commit[:8], 16) >> 1


def uncommitted(*paths: str) -> list[str]:
    """Files under these paths that differ from the commit, untracked ones too."""
    return git("status", "--porcelain", "--", *(paths or COMMITTED)).splitlines()


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def verdict(bar: Figure) -> str:
    """One bar in words."""
    if bar.bar is None:
        return f"- {bar.name}: {_number(bar.value)} {bar.unit}".rstrip()
    word = "held" if bar.holds else "**missed**"
    return f"- {bar.name}: {_number(bar.value)} {bar.unit}, asked {bar.sense} {bar.bar:g}: {word}"


def text_of(part: Part, run: str, earlier: str = "") -> str:
    """The part as it stands between its markers."""
    lines = [
        f"## {part.title}",
        f"Asked: {part.asked}",
        f"Command: `{part.command}`. Settings frozen in {part.frozen[:12]}, run in {run[:12]}, seed {part.seed}.",
        part.body,
        "\n".join(verdict(bar) for bar in part.bars),
        f"{EARLIER}{earlier}" if earlier else "",
    ]
    return "\n\n".join(line for line in lines if line)


def with_part(page: str, part: Part, run: str) -> str:
    """The page with this part put in place of the one that was there, or at its end."""
    start, end = f"<!-- {part.name} -->", f"<!-- /{part.name} -->"
    before, found, rest = page.partition(start)
    old, closed, after = rest.partition(end)
    if found and not closed:
        raise ValueError(f"{start} is never closed")
    text = f"{start}\n{text_of(part, run, _earlier(old, part.frozen[:12]))}\n{end}"
    return before + text + after if found else f"{page.rstrip()}\n\n{text}\n"


def write_part(part: Part, *, dry: bool = False, page: Path | None = None) -> bool:
    """Write the part into `page` (default: PAGE); False, having said why, where what ran is not what is committed.

    `dry` prints the part and writes nothing.
    """
    run = git("rev-parse", "HEAD")
    if dry:
        print(text_of(part, run))
        return True
    page = page or PAGE
    if changed := uncommitted():
        print(f"{page.name} is not written: {len(changed)} files not committed, such as {changed[0].strip()}")
        return False
    text = page.read_text("utf-8") if page.is_file() else HEAD
    beside = page.with_suffix(".new")
    beside.write_text(with_part(text, part, run), "utf-8")
    os.replace(beside, page)
    print(f"{page.name}: part {part.name} written")
    return True


def _earlier(old: str, frozen: str) -> str:
    """The evaluations that stood here before: freezing commit and how many bars each held."""
    kept = re.search(rf"^{EARLIER}(.*)$", old, re.MULTILINE)
    named = [kept.group(1)] if kept else []
    was = re.search(r"Settings frozen in (\w+)", old)
    if was and was.group(1) != frozen:
        held, missed = old.count(": held"), old.count(": **missed**")
        named.append(f"{was.group(1)} ({held} of {held + missed} bars held)")
    return "; ".join(named)


def _number(value: float | None) -> str:
    return "not measured" if value is None or value != value else f"{value:.3g}"
