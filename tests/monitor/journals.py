"""Journals as the fallback writes them, for tests: entry after entry, on a clock of ours."""

import json
from pathlib import Path

from monitor.words import parse_utc, utc_text

BOOT = "5f4c2a52-6f0e-4c7e-9d35-0d7b3a1c9e11"
START_US = parse_utc("2025-11-23T01:11:40.000Z")
SOURCE = """\
PROCEDURE  P-03  Sewage lift station by hand
REVISION   4   2026-10-01
STATUS     APPROVED by shift_lead on 2026-10-01
OWNER      operations

DANGER     Nobody enters the well.
[ ] 1  Measure the gas at the door of the station.
       Reading: hydrogen sulphide ________ ppm   safety limits - to 5
[ ] 2  Lock the pump
       with your own lock.
       Second person: pulls at the lock.
REPEAT     steps 3 to 4 every {round_every=15 min} for 2 h, then every
           60 min until control is back.
[ ] 3  Read the wet well level on the staff gauge.
       Reading: wet well level ________ m
[ ] 4  Start the pump.
"""


NAMED = "".join(f"tag_{place} = pump1.flow\n" for place in ("p03_1", "p03_3", "p04_1"))  # rows of the sheet of G
NAMED_TAGS = frozenset(("G", procedure, step, "", "pump1.flow")
                       for procedure, step in (("P-03", "1"), ("P-03", "3"), ("P-04", "1")))  # fmt: skip


class Maker:
    """Writes a journal: each act is an entry some seconds after the one before it."""

    def __init__(self, *, drill=False, start_us=START_US, role="operator", boot=BOOT):
        self.drill, self.role, self.boot = drill, role, boot
        self.now_us, self.mono_s, self.lines = start_us, 70_000.0, []

    def wait(self, seconds, *, wall_s=None):
        """Time goes by; with `wall_s` the wall clock says something else."""
        self.mono_s += seconds
        self.now_us += round((seconds if wall_s is None else wall_s) * 1e6)
        return self

    def act(self, kind, *, after=20, **more):
        self.wait(after)
        role = more.pop("role", self.role)
        head = {"format": 1, "n": len(self.lines) + 1, "at": utc_text(self.now_us), "mono_s": round(self.mono_s, 3),
                "boot_id": self.boot, "kind": kind, "role": role, "drill": self.drill}  # fmt: skip
        self.lines.append({**head, **more})
        return self

    def start(self, run="P-03-1", source=SOURCE, tag="pump1.flow", **more):
        said = {"procedure": run[:4], "revision": "4", "run": run, "site": "G", "language": "en", "sha256": "ab" * 32}
        said |= {"source": source, "values": {}, "tags": {"tag_p03_3": tag}, "sheet_approved_by": "shift_lead"}
        return self.act("started", **said | more)

    def done(self, step, run="P-03-1", kind="done", **more):
        return self.act(kind, procedure=run[:4], run=run, step=step, **more)

    def read(self, value, *, tag="", run="P-03-1", step="3", name="wet well level", unit="m", limits=("0.60", "2.20"),
             within=True, **more):  # fmt: skip
        tagged = {"tag": tag} if tag else {}
        return self.act("reading", procedure=run[:4], run=run, step=step, name=name, value=value, unit=unit,
                        limits=list(limits), limits_from="site", in_limits=within, **tagged, **more)  # fmt: skip

    def raw(self):
        return b"".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
                        for line in self.lines)  # fmt: skip

    def write(self, folder: Path, name="2025-11-23T011140Z.jsonl"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(self.raw())
        return folder / name


def a_night(*, drill=False, start_us=START_US, tag="pump1.flow", unit="m3/h", ended=True):
    """A night by hand in which most things happen that can; 14 readings, 12 of them of a tag."""
    made = Maker(drill=drill, start_us=start_us)
    if drill:
        made.act("opened", text="")
    else:
        made.act("declared", role="shift_lead", sites=["G"], text="panel, SCADA and telephone agree: control lost")
    made.act("seen", event="mains_lost", site="G", text="no lamp is lit")
    made.start(tag=tag).read("7", step="1", name="hydrogen sulphide", unit="ppm", limits=(None, "5"), within=False)
    made.done("1", text="shift lead agreed, door open for ten minutes")
    made.done("2").act(
        "note", procedure="P-03", run="P-03-1", step="2", text="label S1 is not on the panel: <b>#panel</b>"
    )
    for number, value in enumerate(("80.1", "81.5", "97.25", "84.0")):
        made.read(value, tag=tag, name="flow on the local display", unit=unit, limits=("60", "90"),
                  within=float(value) <= 90)  # fmt: skip
        made.done("3").done("4")
        made.wait(2_400 if number == 2 else 840).act("round", procedure="P-03", run="P-03-1", step="3", repeat=0)
    made.act("stable", text="level between its marks")
    made.read("17", tag=tag, name="flow on the local display", unit=unit, limits=("60", "90"), within=False)
    made.act("undo", run="P-03-1", undoes=len(made.lines), text="misread")
    made.act("handed_over", to="shift_lead", text="all calm")
    occurred = made.now_us - 3_600_000_000
    made.wait(60).act("paper", procedure="P-03", step="3", name="flow on the local display", value="82.75", unit=unit,
                      in_limits=True, tag=tag, occurred=utc_text(occurred), recorded=utc_text(occurred + 120_000_000),
                      text="=HYPERLINK(1)")  # fmt: skip
    made.done("4", kind="not_applicable", text="pump ran already")
    made.act("seen_over", event="mains_lost", site="G")
    made.act("finished", procedure="P-03", run="P-03-1", left=["3"])
    if drill:
        made.act("drill_record", station="G", scenario="PLC lost at night", procedures=["P-03"], minutes=24.0,
                 gaps=[{"where": "P-03 step 2", "gap": "no lock in the box", "change": "hang up three locks",
                        "role": "maintenance"}], next_due="2027-11-23")  # fmt: skip
    if ended and drill:
        made.act("closed", text="")
    elif ended:
        made.act("handed_back", role="shift_lead", text="telephone says all sites answer", second_role="engineer",
                 unmet=["telemetry of G fresh for 5 min"])  # fmt: skip
    return made
