"""`handwheel demo`: the whole product on a simulated utility, so that anyone can watch it work and see it die.

It makes a folder (configuration, 24 simulated months of a fleet of 40 pumps, a vendor's drop folder), then starts what
a plant would have: the simulated devices, the daemon, intake and the screen, each a process of its own. Nothing leaves
the loopback; everything says SIMULATED. Whatever it started ends with it. The only module here that knows drivers.sim.
"""

import argparse
import contextlib
import fcntl
import grp
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.errors import UserError
from monitor import heartbeat
from monitor.children import START_S, Children
from monitor.historian.reader import HotReader
from monitor.state import State, atomic_write
from monitor.words import _, number_text

if TYPE_CHECKING:
    from drivers.sim.fleet import FleetRecords
    from monitor.plant import Settings

HANDWHEEL = (sys.executable, "-c", "from monitor.cli import main; raise SystemExit(main())")
DROP = "drop/smartpump"  # below STATE, as the example configures its feed
PORT = re.compile(r"(?m)^(port\s*=\s*)(\d+)")
URL = re.compile(r'(?m)^url\s*=\s*"opc\.tcp://127\.0\.0\.1:(\d+)[^"]*"')
PUMPS, MONTHS = 40, 24
LEARNED_BEFORE_US = 28 * 86_400_000_000  # before the own alert that stands now: never learned from a sick pump
STORY = ("R-P01", "H-P03")  # pumps that are worse today than their history says: something must be there to be found
JOBS = ("score", "sovereignty_report", "comparison_report", "drift_audit", "binder")
REPORTS_S = 120.0
FAULT_HEAD = """\
# Faults that are on, one NAME:TARGET a line; edit and save while everything runs. An empty file is a sound plant.
# The names stand in: handwheel demo --help
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel demo`."""
    from drivers.sim.faults import FAULTS

    known = ", ".join(f"{name}:{target.upper()}" for name, target in FAULTS.items())
    parser.add_argument("--dir", metavar="DIR", default="demo-run", help="folder of the demo (default: ./demo-run)")
    parser.add_argument("--headless", action="store_true", help="no screen; print the overview as text at the end")
    parser.add_argument("--for", dest="seconds", type=float, metavar="SECONDS", default=60.0,
                        help="how long to run without a screen (default: 60)")  # fmt: skip
    parser.add_argument("--blackout", type=float, metavar="SECONDS",
                        help="kill the daemon after so many seconds, to watch the takeover")  # fmt: skip
    parser.add_argument("--fault", action="append", default=[], metavar="NAME:TARGET",
                        help=f"switch a fault on; may be given again. Known: {known}")  # fmt: skip
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="N",
        help="plant seconds per second (default: 1; above it counters run ahead of the clock, and quality says so)",
    )
    parser.add_argument("--no-history", action="store_true", help="leave out the 24 simulated months")


def run(args: argparse.Namespace) -> int:
    """Set up, start, watch, end. Returns 0; UserError where something can be mended."""
    from drivers.sim.faults import checked

    if not 0 < args.speed <= 1000 or args.seconds <= 0 or (args.blackout is not None and args.blackout <= 0):
        raise UserError("demo: --speed, --for and --blackout are numbers above 0, --speed at most 1000")
    for fault in args.fault:
        checked(*_pair(fault))
    folder = Path(args.dir).absolute()
    state = State(folder / "state")
    str(state.socket)  # too long a path is said before anything is made
    make_folder(folder)
    screen = not args.headless and all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    with only_one(folder), _ended_by_signal(), Children(folder / "log") as children:
        try:
            _start(args, folder, state, children)
            if screen:
                children.foreground([*HANDWHEEL, "screen", "--state", str(state.root), *spoken(args)])
            else:
                children.watch(args.seconds)
                _wait_for_reports(state, children)
                print(_overview(state), flush=True)
        except KeyboardInterrupt:
            print("\n" + _("demo: ended"), flush=True)
        print(_whereabouts(folder, state), flush=True)
    return 0


def spoken(args: argparse.Namespace) -> list[str]:
    """The language that was asked for, as each process of the demo is told it."""
    return ["--lang", args.lang] if args.lang else []


def make_folder(folder: Path) -> None:
    """The demo's folder with its sub-folders; UserError where it cannot be made."""
    try:
        for place in (folder, folder / "log"):
            place.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        words = _("{folder}: cannot be made ({why}); name another one with --dir")
        raise UserError(words.format(folder=folder, why=fault.strerror)) from fault


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder while the block runs; UserError if another demo holds it."""
    with (folder / "demo.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            words = _("{folder}: a demo is running there; end it, or name another folder with --dir")
            raise UserError(words.format(folder=folder)) from fault
        yield


@contextlib.contextmanager
def _ended_by_signal() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(args: argparse.Namespace, folder: Path, state: State, children: Children) -> None:
    """Lay down the past, write the configuration, start the processes, ask for the first reports."""
    fleet = None
    if not args.no_history and not state.ledger.exists():
        words = _("demo: laying down {months} simulated months of {pumps} pumps ...")
        print(words.format(months=MONTHS, pumps=PUMPS), flush=True)
        begun = time.monotonic()
        fleet = lay_down(folder, time.time_ns() // 1000)
        taken = time.monotonic() - begun
        words = _("demo: {n} records and hourly telemetry in {seconds} s")
        print(words.format(n=len(fleet.records), seconds=number_text(taken)), flush=True)
    state.make()
    faults = folder / "faults.txt"
    atomic_write(faults, FAULT_HEAD + "".join(f"{fault}\n" for fault in args.fault))
    condition = folder / "condition.json"
    ports = {source: port if _is_free(port) else 0 for source, port in example_ports().items()}
    told = children.start_and_listen("simulator", [
        sys.executable, "-m", "drivers.sim", "--ports", json.dumps(ports), "--drop", str(state.root / DROP),
        "--faults", str(faults), "--speed", str(args.speed),
        "--condition", condition.read_text() if condition.exists() else "{}",
    ])  # fmt: skip
    configure(folder, told["ports"], told["opcua"], district=not args.no_history)
    places = ["--config", str(folder / "config"), "--state", str(state.root), *spoken(args)]
    daemon = children.start("daemon", [*HANDWHEEL, "run", *places])
    children.start("intake", [*HANDWHEEL, "intake", *places])
    _wait_for_daemon(state, daemon, children)
    print(_("demo: SIMULATED utility running in {folder}").format(folder=folder), flush=True)
    print(_("demo: faults are switched in {file}").format(file=faults), flush=True)
    if args.blackout is not None:
        clock = threading.Timer(args.blackout, daemon.kill)  # SIGKILL to the daemon alone: nobody can say goodbye
        clock.daemon = True
        clock.start()


def lay_down(folder: Path, now_us: int, months: float = MONTHS) -> "FleetRecords":
    """The months up to `now_us` [us, UTC] of a fleet of 40 pumps into folder/state, whole or not at all."""
    from drivers.sim.fleet import DEMO_SEED, simulate
    from drivers.sim.plant import CONDITION
    from drivers.sim.stations import PUMPS as LIVE
    from monitor import review
    from monitor.learning import learn
    from monitor.ledger import Draft, open_ledger
    from monitor.records import tables
    from monitor.settings import load

    fleet = simulate(DEMO_SEED, PUMPS, months, end_us=now_us, assets=LIVE)
    configure(folder, example_ports(), None, district=True)
    settings = load(folder / "config")
    part = State(folder / "state.part")
    shutil.rmtree(part.root, ignore_errors=True)
    part.make()
    _write_telemetry(part, settings, fleet)
    for asset, raised_us in _alerts_that_stand(fleet, [pump.id for pump in LIVE]).items():
        learn(part, settings, raised_us - LEARNED_BEFORE_US, assets=[asset])  # the others: by the daemon, as they are
    ledger = open_ledger(part)
    try:
        for one in fleet.records:
            if one.raw is not None:
                ledger.keep_raw(one.raw, one.at_us)
        ledger.append_many(
            Draft(one.kind, one.data, one.at_us, one.via, one.role, one.site, one.asset, one.component)
            for one in fleet.records
        )
        chosen = review.freeze_data(review.to_freeze(part, settings, tables(part), None, now_us))
        ledger.append("review_freeze", chosen, at_us=now_us, via="demo", role="engineer")
    finally:
        ledger.close()
    worn = {pump.id: fleet.wear[pump.id] for pump in LIVE if pump.id not in STORY}
    condition = {
        pump: (min(wear["impeller"], 0.95), min(math.hypot(wear["bearing"], 0.55 * wear["coupling"]), 0.95), hours)
        for pump, wear in worn.items()
        for hours in (CONDITION[pump][2],)
    }
    atomic_write(folder / "condition.json", json.dumps(condition))
    if (folder / "state").exists():
        (folder / "state").rename(folder / f"state.before-{now_us // 1_000_000}")
    part.root.rename(folder / "state")
    return fleet


def _alerts_that_stand(fleet: "FleetRecords", assets: Collection[str | None]) -> dict[str, int]:
    """Assets with an own alert that was not taken back, and when the first of these was raised [us, UTC]."""
    standing: dict[tuple[str | None, str | None], int] = {}
    for one in fleet.records:
        if one.kind == "own_alert" and one.asset in assets:
            if one.data["active"]:
                standing[one.asset, one.component] = one.at_us
            else:
                standing.pop((one.asset, one.component), None)
    first: dict[str, int] = {}
    for (asset, _component), raised_us in standing.items():
        first[str(asset)] = min(raised_us, first.get(str(asset), raised_us))
    return first


def _write_telemetry(state: State, settings: "Settings", fleet: "FleetRecords") -> None:
    """The hourly values as Parquet, under the tags that are read live too; other quantities only for other pumps."""
    import numpy as np

    from drivers.record import Reason
    from drivers.sim.fleet import DEMO_SEED
    from monitor.historian.history import write_grid
    from monitor.historian.hot import HotFile
    from monitor.plant import QUANTITIES

    live = {tag.name: tag for tag in settings.tags}
    read = {tag.asset for tag in settings.tags}
    by_site: dict[str, dict[str, Any]] = {}
    for asset, quantities in fleet.telemetry.items():
        for quantity, values in quantities.items():
            name = f"{asset}.{quantity}"
            if asset not in read or name in live:
                by_site.setdefault(settings.asset(asset).site, {})[name] = values
    noise = np.random.default_rng(DEMO_SEED)
    for meter in settings.assets:  # a water meter saw what its pumps moved
        moved = [
            fleet.telemetry[one.id]["flow"] for one in settings.assets
            if one.kind == "pump" and (one.site, one.duty) == (meter.site, meter.duty) and one.id in read
        ]  # fmt: skip
        if meter.kind == "meter" and moved:
            total = np.sum(moved, axis=0, dtype=float)
            by_site[meter.site][f"{meter.id}.flow"] = total * (1 + 0.006 * noise.standard_normal(len(total)))
    hot = HotFile(state.hot)  # so that the screen's trends begin with the past, not with the demo
    hot.publish_tags(settings)
    hot.bring_in(
        fleet.hours_us // 1_000_000,
        {
            name: np.asarray(values, float)
            for columns in by_site.values()
            for name, values in columns.items()
            if name in live
        },
    )
    hot.close()
    for site, columns in by_site.items():
        facts = {
            name: {"asset": name.split(".")[0], "quantity": name.split(".")[1],
                   "unit": QUANTITIES[name.split(".")[1]][0], "description": "simulated"}
            for name in columns
        }  # fmt: skip
        reasons = {
            name: np.full(len(fleet.hours_us), Reason.ESTIMATED, np.uint32)
            for name in values if name in live and live[name].estimated
        }  # fmt: skip
        write_grid(state, site, fleet.hours_us // 1000, columns, facts, reasons=reasons, sync=False)


def example_ports() -> dict[str, int]:
    """The port of each source of the example."""
    from monitor.shipped import shipped_folder

    ports: dict[str, int] = {}
    for path in sorted((shipped_folder() / "example" / "sources").glob("*.toml")):
        found = PORT.search(text := path.read_text("utf-8"))
        url = URL.search(text)
        if found or url:
            ports[path.stem] = int(found[2] if found else url[1] if url else 0)
    return ports


def configure(folder: Path, ports: Mapping[str, int], url: str | None, *, district: bool) -> None:
    """folder/config: the example with these ports, this folder's state, the user's group, and the district's pumps."""
    from monitor.shipped import shipped_folder

    target = folder / "config"
    shutil.copytree(shipped_folder() / "example", target, dirs_exist_ok=True)
    for source, port in ports.items():
        path = target / "sources" / f"{source}.toml"
        text = PORT.sub(rf"\g<1>{port}", path.read_text("utf-8"))
        path.write_text(URL.sub(f'url       = "{url}"', text) if url else text, "utf-8")
    site = (target / "site.toml").read_text("utf-8")
    group = _own_group()
    if group and not re.search(rf'(?m)^"?{re.escape(group)}"?\s*=', site):
        site = site.replace("[roles.groups]\n", f'[roles.groups]\n{json.dumps(group)} = "shift_lead"   # who runs it\n')
    site += f"\n[paths]\nstate = {json.dumps(str(folder / 'state'))}\n"
    (target / "site.toml").write_text(site + (_district_site() if district else ""), "utf-8")
    if district:
        contracts = target / "contracts.toml"
        contracts.write_text(contracts.read_text("utf-8") + _district_contract(), "utf-8")


def _own_group() -> str:
    try:
        return grp.getgrgid(os.getgid()).gr_name
    except KeyError:
        return ""


def _district() -> list[Any]:
    from drivers.sim.fleet import district_pumps
    from drivers.sim.stations import PUMPS as LIVE

    return district_pumps(PUMPS - len(LIVE))


def _district_site() -> str:
    """The pumps of the fleet that are not read live: known from records and history alone."""
    from drivers.sim.fleet import PARTS

    parts = "".join(
        f'  {{ name = "{p.name}", cost_planned = {p.cost_planned}, cost_failure = {p.cost_failure}, '
        f'p_fail = {p.p_fail}, limit = "{p.limit:g} {p.unit}" }},\n' for p in PARTS
    )  # fmt: skip
    rows = [
        f'\n[[asset]]\nid = "{p.id}"\nsite = "D"\nname = "district pump {p.id[3:]}"\nkind = "pump"\nduty = "{p.duty}"\n'
        f'vendor = "SmartPump"\nrated_flow_m3h = {p.flow_m3h}\nrated_head_m = {p.head_m}\n'
        f"rated_power_kw = {p.power_kw}\ncomponents = [\n{parts}]\n"
        for p in _district()
    ]
    return '\n[[site]]\nid = "D"\nname = "District stations"\ntype = "booster_station"\n' + "".join(rows)


def _district_contract() -> str:
    assets = ", ".join(f'"{pump.id}"' for pump in _district())
    return (
        f'\n[[contract]]\nid = "C-2020-05"\ncounterparty = "SmartPump"\nkind = "maintenance"\nassets = [{assets}]\n'
        'start = 2020-05-01\nend = 2028-04-30\nvalue_per_year = 61000.0\ndata_access = "vendor_sole"\n'
        'data_control = "unknown"\n'
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _pair(fault: str) -> tuple[str, str]:
    name, _, target = fault.partition(":")
    return name, target


def _wait_for_daemon(state: State, daemon: "subprocess.Popen[bytes]", children: Children) -> None:
    """Until status.json is that of this daemon; UserError with its last words if it ends or stays silent."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        status = heartbeat.read(state)
        if status and status.get("daemon", {}).get("pid") == daemon.pid:
            return
        if daemon.poll() is not None:
            break
        time.sleep(0.1)
    raise UserError(f"demo: the daemon did not start: {children.last_words('daemon')}")


def _wait_for_reports(state: State, children: Children) -> None:
    """Give a slow machine time to finish what it will be asked for next; a daemon that is dead is not waited for."""
    until = time.monotonic() + REPORTS_S
    if children.lives("daemon") and (missing := reports_missing(state)):
        print(_("demo: still being made: {jobs}").format(jobs=", ".join(missing)), flush=True)
        while children.lives("daemon") and reports_missing(state) and time.monotonic() < until:
            time.sleep(0.5)


def reports_missing(state: State) -> list[str]:
    """The first reports that the daemon has not made yet; it makes what its timetable never ran when it starts."""
    runs = json.loads(HotReader(state.hot).meta().get("last_runs", "{}"))
    return [job for job in JOBS if job not in runs]


def _overview(state: State) -> str:
    """The room as text, with what is known of the daemon's life."""
    from monitor.screen.reading import take
    from monitor.screen.text import overview

    return overview(take(state))


def _whereabouts(folder: Path, state: State) -> str:
    """Where everything lies that was made."""
    lines = ["", _("SIMULATED. What was made:")]
    shown = (".html", ".pdf", ".txt")
    report, binder = _("report"), _("binder")
    lines += [f"  {report:<10} {path}" for path in sorted(state.reports.glob("*")) if path.suffix in shown]
    if any(state.binder.rglob("*.pdf")):
        lines.append(f"  {binder:<10} {state.binder}")
    lines += [f"  {name:<10} {folder / name}" for name in ("config", "state", "log")]
    return "\n".join(lines)
