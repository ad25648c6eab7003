"""The parser of the text format, first pass: lines to items, each with the lines that continue it.

What is not understood is a fault with its line. A continued line stands under the text it continues, so that a sentence
whose first line was lost is never read as the end of the one before.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fallback_procedures.procedure import KEYWORDS, LINE_LIMIT, NOTICES, PARTS, SIZE_LIMIT, Fault

ITEM_LIMIT = 2_000  # characters of one item with its continued lines
# Latin letters, digits and signs have their place, and a few more signs; no other script, no control, no odd space.
_STRANGE = re.compile("[^ -~\u00a1-\u0130\u0132-\u017e–—‑−…≤≥→’‘“”„•€‰Ωμ☐│─┼▲]|\u00ad")
_KEY = re.compile("(" + "|".join(sorted(KEYWORDS, key=len, reverse=True)) + r")(?:( +)(.*))?$")
_PART = re.compile("(" + "|".join(PARTS) + r"):(?: +(.*))?$")
_LABEL = re.compile(r"[A-ZÀ-Þ][\w ]{0,20}?\s?:(?:\s|$)")
RUN_ON = re.compile(r"\[ ?\]|\b(?:" + "|".join(PARTS) + r"):|(?:^|  )(?:" + "|".join(KEYWORDS) + r")(?:  |$)")
_CONTINUED = ("PURPOSE", "WHEN", "NEEDS", "OWNER", "[ ]", "Reading", "Expect", "If not", "If twice", "Second person",
              *NOTICES, "HOLD", "REPEAT", "HAND BACK")  # fmt: skip


class Item(NamedTuple):
    """A keyword, step, part or page line with its text, continued lines joined. `key` is "[ ]" and "|" for the two.

    `column`: where its text begins (a part: where the part begins), counted from 0. `last`: its last line so far.
    """

    line: int
    key: str
    text: str
    column: int = 0
    last: int = 0


def strange(line: str) -> str:
    """The first character a line may not hold: hostile, of another script, or a space that is none; "" for none."""
    found = _STRANGE.search(line)
    return f"U+{ord(found.group()):04X}" if found else ""


def read_lines(source: str, faults: list[Fault]) -> list[Item]:
    """The items of a text; whatever is not understood is a fault, never skipped."""
    items: list[Item] = []
    if len(source) > SIZE_LIMIT:
        faults.append(Fault(1, f"the text has {len(source)} characters; a procedure may have {SIZE_LIMIT}"))
        return items
    for number, line in enumerate(source.replace("\r\n", "\n").split("\n"), 1):
        line = line.rstrip(" ")
        bad = strange(line)
        if bad:
            faults.append(Fault(number, f"the line holds a character that has no place here ({bad}); type it anew"))
        elif len(line) > LINE_LIMIT:
            faults.append(Fault(number, f"the line has {len(line)} characters; {LINE_LIMIT} are allowed"))
        elif not line:
            continue
        elif line.startswith("|"):
            if line != "|" and not line.startswith("| "):
                faults.append(Fault(number, "a page line begins with | and a space"))
            items.append(Item(number, "|", line[2:]))
        elif line.startswith("["):
            items.append(Item(number, "[ ]", line, len(line) - len(re.sub(r"^\[ \] +\S+ +", "", line)), number))
        elif line.startswith(" "):
            _indented(number, line, items, faults)
        else:
            found = _KEY.match(line)
            if not found:
                faults.append(Fault(number, "no known keyword begins this line; a continued line begins with a space"))
                continue
            key, gap, text = found.groups()
            items.append(Item(number, key, text or "", len(key + (gap or "")), number))
    for item in items:
        if not item.text and item.key != "|":
            faults.append(Fault(item.line, f"{item.key} says nothing"))
        elif len(item.text) > ITEM_LIMIT:
            faults.append(Fault(item.line, f"{item.key} has {len(item.text)} characters; {ITEM_LIMIT} are allowed"))
    return items


def _indented(number: int, line: str, items: list[Item], faults: list[Fault]) -> None:
    """An indented line is a part of a step (Reading: ...) or continues the text above it."""
    text = line.lstrip(" ")
    column, part = len(line) - len(text), _PART.match(text)
    if part:
        items.append(Item(number, part.group(1), part.group(2) or "", column, number))
    elif _LABEL.match(text):
        known = ", ".join(f"{name}:" for name in PARTS)
        faults.append(Fault(number, f"{text.split(':', maxsplit=1)[0].strip()}: is not known here; known are {known}"))
    elif RUN_ON.search(text):
        faults.append(Fault(number, "a keyword or step stands at the start of its line"))
    elif not items or items[-1].key not in _CONTINUED or items[-1].last != number - 1:
        faults.append(Fault(number, "this line continues nothing that may be continued"))
    elif not _under(column, items[-1]):
        faults.append(Fault(number, f"a line that continues {items[-1].key} (line {items[-1].line}) begins under its "
                            f"text, behind {items[-1].column} spaces; a line may be lost between them"))  # fmt: skip
    elif items[-1].text.endswith(".") and text[0].islower():
        faults.append(Fault(number, "a sentence begins in its middle here; a line may be lost above it"))
    elif len(items[-1].text) <= ITEM_LIMIT:  # a longer one is a fault already
        items[-1] = items[-1]._replace(text=f"{items[-1].text} {text}", last=number)


def _under(column: int, item: Item) -> bool:
    """Whether a line that begins there continues that item: under its text; a step also one to the left of it."""
    if item.key == "Reading":
        return column > item.column
    return column == item.column or (item.key == "[ ]" and column == item.column - 1)
