"""What can be wrong on purpose in the simulated utility: faults by name, what each can befall, the file they stand in.

Light to import, so that `handwheel demo --help` can name them.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import UserError
from drivers.sim.devices import DEVICES, SOURCES, TAGS
from drivers.sim.plant import METERS
from drivers.sim.stations import PUMP

FAULTS: Mapping[str, str] = {  # name -> what its target is
    "dead_device": "source",
    "silent_device": "source or source/device_id",
    "link_down": "site",
    "refused_block": "asset",
    "all_ffff": "asset",
    "frozen_value": "tag",
    "drifting_meter": "flow meter",
    "worn_impeller": "pump",
    "worn_bearing": "pump",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong on purpose."""

    name: str
    target: str


def checked(name: str, target: str) -> Fault:
    """The fault, if it exists and can befall this target; UserError says what can."""
    if name not in FAULTS:
        raise UserError(f"fault {name!r} is unknown; known: {', '.join(f'{n}:{t.upper()}' for n, t in FAULTS.items())}")
    assets = {tag.split(".")[0] for tag in TAGS}
    ids = [f"{one.source}/{n}" for one in DEVICES for n in sorted({register.device_id for _, register in one.points})]
    possible: Mapping[str, list[str]] = {
        "dead_device": sorted(SOURCES),
        "silent_device": sorted(ids + [one.source for one in DEVICES]),
        "link_down": sorted(set(SOURCES.values())),
        "refused_block": sorted(assets),
        "all_ffff": sorted(assets),
        "frozen_value": sorted(tag for tag in TAGS if not tag.endswith("_service")),
        "drifting_meter": sorted(METERS),
        "worn_impeller": sorted(PUMP),
        "worn_bearing": sorted(PUMP),
    }
    if target not in possible[name]:
        known = ", ".join(possible[name][:12])
        raise UserError(f"fault {name}: {target!r} is not a {FAULTS[name]} that it can befall; for example {known}")
    return Fault(name, target)


def read_faults(path: Path) -> set[Fault]:
    """The faults in a file; lines that name none are told on stderr and left out."""
    faults: set[Fault] = set()
    if not path.is_file():
        return faults
    for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
        words = line.partition("#")[0].strip()
        if words:
            name, _, target = words.partition(":")
            try:
                faults.add(checked(name.strip(), target.strip()))
            except UserError as fault:
                print(f"{path}: line {number}: {fault}", file=sys.stderr, flush=True)
    return faults
