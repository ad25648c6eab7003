"""What a Procedure holds, written out as a text again: what was understood and what was only swallowed differ here."""

import re

from fallback_procedures.procedure import Limit, Procedure, Reading, Repeat, Span


def written(procedure: Procedure) -> list[tuple[str, str]]:
    """(step or "", item) of all that a procedure holds, from its parsed fields alone; white space and times alike."""
    kind, head = procedure.kind.upper(), procedure
    told = [("", f"{kind} {head.id} {head.title}"), ("", f"REVISION {head.revision} {head.effective}"),
            ("", f"STATUS {head.status}"), ("", f"OWNER {head.owner}"), ("", f"REVIEW BY {head.review_by}"),
            ("", f"PURPOSE {head.purpose}"), ("", f"END {head.id}")]  # fmt: skip
    told += [("", f"LANGUAGE {head.language} {head.translation}")] if head.translation else []
    told += [("", f"{key} {text}") for key, text in (("WHEN", head.when), ("NEEDS", head.needs),
             ("HAND BACK", head.hand_back), ("FORMS", ", ".join(head.forms))) if text]  # fmt: skip
    told += [("", f"APPLIES {one.text}") for one in head.applies] + [("", repeat(one)) for one in head.repeats]
    told += [("", f"| {line}") for line in head.page]
    for step in procedure.steps:
        mine = [f"{one.kind} {one.text}" for one in step.notices]
        mine += [f"HOLD {one.role} {'once ' if one.once else ''}{one.text}" for one in step.holds]
        mine += [f"[ ] {step.number} {step.text}", *(reading(one) for one in step.readings)]
        for key in ("Expect", "If not", "If twice", "Second person"):
            text = getattr(step, key.lower().replace(" ", "_"))
            mine += [f"{key}: {text}"] if text else []
        mine += [f"Timer: {span(step.timer)}"] if step.timer else []
        told += [(step.number, item) for item in mine]
    return sorted((number, " ".join(item.split())) for number, item in told)


def reading(one: Reading) -> str:
    low, high = limit(one.low), limit(one.high)
    band = f" {'safety ' if one.safety else ''}limits {low} to {high}" if one.limited else ""
    return f"Reading: {one.name} ____ {one.unit}{band}"


def limit(one: Limit) -> str:
    return value(one.value, one.default) if one.value else one.number or "-"


def value(name: str, default: str) -> str:
    return f"{{{name}={default}}}" if default else f"{{{name}}}"


def span(one: Span) -> str:
    return value(one.value, one.default) if one.value else f"{one.s} s"


def repeat(one: Repeat) -> str:
    steps = f"step {one.first}" if one.first == one.last else f"steps {one.first} to {one.last}"
    rhythm = f" for {one.for_s} s, then every {span(one.then)}" if one.then else ""
    return f"REPEAT {steps} every {span(one.every)}{rhythm} until {one.until}"


def items(source: str) -> list[tuple[str, str]]:
    """(step or "", item) of a text, continued lines joined, white space and times alike; nothing is judged here."""
    found: list[str] = []
    for line in source.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"):
        part = re.match(r" +(Reading|Expect|If not|If twice|Second person|Timer):", line)
        if line.startswith(" ") and not part and line.strip():
            found[-1] += " " + line.strip(" ")
        elif line.strip():
            found.append(line.strip(" "))
    told, number = [], ""
    for item in reversed(found):  # a warning belongs to the step behind it, a part to the step before it
        told.append([number, " ".join(alike(item).split())])
        if item.startswith("["):
            number = item.split()[2]
            told[-1][0] = number
        elif not item.startswith(("DANGER", "CAUTION", "NOTE", "HOLD")):
            told[-1][0] = ""
    number = ""
    for row in reversed(told):
        if row[1].startswith("["):
            number = row[0]
        elif re.match(r"(Reading|Expect|If not|If twice|Second person|Timer):", row[1]):
            row[0] = number
    return sorted((number, item) for number, item in told)


def alike(item: str) -> str:
    if item.startswith(("Timer:", "REPEAT")):
        head, until, rest = item.partition(" until ")
        sizes = {"s": 1, "min": 60, "h": 3600}
        head = re.sub(r"^(REPEAT +)steps (\w+) to \2\b", r"\1step \2", head)  # two ways to write one step
        head = re.sub(r"(?<![={\w])([0-9]+) (s|min|h)\b(?!\})", lambda one: f"{int(one[1]) * sizes[one[2]]} s", head)
        return head + until + rest
    if item.startswith("Reading:"):
        return re.sub(r" _{4,20} ", " ____ ", item)
    if item.startswith("FORMS"):
        return re.sub(r" *, *", ", ", item)
    return item
