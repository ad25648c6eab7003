"""A small daemon for the tests of the screen: real lock, real status, real hot file, real ledger, real command socket.

    python -m tests.screen.small_daemon STATE [--once]

It polls nothing: its three sites live in this file. Everything it writes goes through the writers of the house, so the
screen reads what it would read of a plant. `--once` writes everything and ends, leaving a STATE without a daemon.
"""

import argparse
import asyncio
import math
import os
import signal
import sys
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from drivers.batch import batch_of
from drivers.record import Reason, Register, Sample, Tag
from monitor import heartbeat
from monitor.command_socket import Request, serve
from monitor.daemon.deeds import draft_of
from monitor.historian.hot import HotFile
from monitor.ledger import Ledger
from monitor.lock import boot_id, hold_lock
from monitor.plant import RIGHTS, Asset, Component, Contract, Review, Settings, Site
from monitor.state import State
from monitor.words import utc_text

DAY_US = 86_400_000_000
SITES = (
    Site("N", "Northgate waterworks", "waterworks"),
    Site("H", "Hillside booster station", "booster_station"),
    Site("R", "Riverside lift station", "lift_station"),
    Site("D", "District stations", "waterworks"),
)
# id, name, kind, vendor, flow [m3/h], verdict, index
LIVE = (
    ("N-P01", "borehole pump 1", "pump", "SmartPump", 84.0, None, 91.0),
    ("N-P02", "borehole pump 2", "pump", "SmartPump", 0.0, "vendor_only", 88.0),
    ("N-P03", "high-lift pump 1", "pump", "SmartPump", 152.0, "agree", 41.0),
    ("N-M11", "outlet meter", "meter", "", 236.0, None, None),
    ("H-P01", "booster pump 1", "pump", "SmartPump", 148.0, "own_only", 37.0),
    ("H-P02", "booster pump 2", "pump", "SmartPump", 0.0, None, 95.0),
    ("H-L01", "reservoir", "tank", "", 3.82, None, None),
    ("R-P01", "sewage pump 1", "pump", "SmartPump", 64.8, "vendor_only", 88.0),
    ("R-P02", "sewage pump 2", "pump", "SmartPump", 63.4, "cannot_tell", None),
)
PUMP = (
    ("flow", "m3/h", 0.0, 250.0), ("discharge_pressure", "bar", 0.0, 10.0), ("power", "kW", 0.0, 60.0),
    ("vibration", "mm/s", 0.0, 12.0), ("bearing_temperature", "degC", 0.0, 90.0), ("starts", "1", None, None),
)  # fmt: skip


def assets() -> tuple[Asset, ...]:
    live = [Asset(name, name[0], words, kind, "A" if name[0] == "R" else "B", vendor=vendor,
                  rated_flow_m3h=flow or 90.0, components=(Component("bearing"), Component("seal")))
            for name, words, kind, vendor, flow, _verdict, _index in LIVE]  # fmt: skip
    old = [
        Asset(f"D-P{number:02}", "D", f"district pump {number}", "pump", vendor="SmartPump") for number in range(1, 9)
    ]
    return (*live, *old)


def tags() -> tuple[Tag, ...]:
    found: list[Tag] = []
    for name, _words, kind, _vendor, _flow, _verdict, _index in LIVE:
        rows = {"pump": PUMP, "meter": (("flow", "m3/h", 0.0, 400.0),), "tank": (("level", "m", 0.0, 6.0),)}[kind]
        for quantity, unit, low, high in rows:
            where = Register(1, "holding", len(found), "u16")
            found.append(Tag(len(found), f"{name}.{quantity}", name, quantity, unit, "plant", where, low, high))
    return tuple(found)


def settings(role: str = "") -> Settings:
    """All rights for who runs the test, or only those of one role: the groups of the process decide."""
    groups = {} if not role else {group_name(): role}
    rights = {"operator": ("acknowledge", "decide"), "administrator": RIGHTS}
    return Settings(
        folder=Path("."), utility="Small Water", language="en", time_zone="Europe/Berlin", currency="EUR",
        simulated=True, state=None, groups=groups, rights=rights, sites=SITES, assets=assets(), tags=tags(), sources=(),
        status_alerts=(), feeds=(), contracts=(Contract("C-1", "SmartPump", "lease", ("R-P01",), date(2024, 1, 1)),),
        answers=(), jobs=(), review=Review(), sha256="0" * 64,
    )  # fmt: skip


def group_name() -> str:
    import grp

    return grp.getgrgid(os.getgid()).gr_name


def samples(now_us: int) -> list[Sample]:
    """One sample per tag; the reservoir's level is stale and one bearing sensor has failed."""
    flows = {row[0]: row[4] for row in LIVE}
    found = []
    for tag in tags():
        flow = flows[tag.asset]
        usual = {"flow": flow, "level": flow, "discharge_pressure": 4.2, "power": flow / 6, "starts": 12.0,
                 "vibration": 2.1 if flow else 0.1, "bearing_temperature": 51.0}[tag.quantity]  # fmt: skip
        value: float | None = usual * (1 + 0.02 * math.sin(now_us / 4e9 + tag.number))
        reasons = Reason.OK
        if tag.name == "H-L01.level":
            reasons = Reason.STALE
        elif tag.name == "H-P02.bearing_temperature":
            value, reasons = None, Reason.SENSOR
        found.append(Sample(tag.number, now_us, value, reasons))
    return found


def claim(asset: str, component: str, origin: str, text: str, ago_us: int, state: str, now_us: int) -> dict[str, Any]:
    return {
        "id": f"{origin}:{asset}:{component}", "asset": asset, "component": component, "origin": origin,
        "priority": 2 if state == "UNACK" else 3, "text": text, "since_us": now_us - ago_us, "site": asset[0],
        "alert_ids": [f"{origin}-{asset}-1"], "active": True, "state": state,
    }  # fmt: skip


def alarms(now_us: int) -> list[dict[str, Any]]:
    hour = 3_600_000_000
    return [
        claim("H-P01", "seal", "own", "head fell 12 % at equal flow", hour // 60, "UNACK", now_us),
        claim("R-P01", "bearing", "vendor", "service due: bearing within 14 days", 55 * hour, "UNACK", now_us),
        claim("N-P02", "seal", "vendor", "replace seals within 14 days", 80 * hour, "ACKED", now_us),
        claim("N-P03", "impeller", "vendor", "service due: impeller", 120 * hour, "ACKED", now_us),
    ]


def records(now_us: int) -> list[dict[str, Any]]:
    """A year of asking, working and finding on one pump, two decisions, an audit."""
    found: list[dict[str, Any]] = []
    for number, grade in enumerate("BACBD"):
        at = now_us - (330 - 70 * number) * DAY_US
        alert = {
            "alert_id": f"SP-{number}", "vendor": "SmartPump", "failure_mode": "wear", "severity": "warning",
            "issued_at": utc_text(at), "text": "service due: bearing", "recommended_action": "service",
            "horizon": "14 d", "raw_sha256": "0" * 64, "feed": "mail",
        }  # fmt: skip
        common = {"via": "test", "site": "R", "asset": "R-P01", "component": "bearing"}
        found.append({"kind": "vendor_alert", "data": alert, "at_us": at, **common})
        order = {"wo_id": f"WO-{number}", "opened": utc_text(at), "done": utc_text(at + DAY_US), "action": "service",
                 "trigger": "vendor_alert", "alert_id": f"SP-{number}"}  # fmt: skip
        found.append({"kind": "work_order", "data": order, "at_us": at + DAY_US, **common})
        if number != 1:
            finding = {"wo_id": f"WO-{number}", "grade": grade, "inspector_party": "utility", "blind_to_alert": True,
                       "wear_pct": "30 %"}  # fmt: skip
            found.append({"kind": "finding", "data": finding, "at_us": at + DAY_US, **common})
        decision = {"alert_id": f"SP-{number}", "choice": "follow" if number else "defer", "reason": "planned stop",
                    "until": None}  # fmt: skip
        found.append({"kind": "decision", "data": decision, "at_us": at + DAY_US // 2, "role": "operator", **common})
    audit = {"audit_id": utc_text(now_us - DAY_US), "word": "WARN", "files": [],
             "checks": [{"name": "coverage", "word": "WARN"}, {"name": "stale tags", "word": "PASS"}]}  # fmt: skip
    found.append({"kind": "audit", "data": audit, "at_us": now_us - DAY_US, "via": "timetable"})
    return found


def assessments(now_us: int) -> list[dict[str, Any]]:
    return [
        {"asset": name, "at_ms": now_us // 1000, "index": index, "state": "steady",
         "word": "alert" if index < 50 else "normal", "good_share": 0.99, "reasons": [],
         "contributions": [{"quantity": "vibration", "value": 2.1, "expected": 2.0, "unit": "mm/s", "share": 40.0}],
         "physics": [{"name": "vibration", "value": 2.1, "unit": "mm/s", "reference": 2.0, "uncertainty": 0.2,
                      "word": "ok"}]}
        for name, _words, _kind, _vendor, _flow, _verdict, index in LIVE if index is not None
    ]  # fmt: skip


def verdicts(now_us: int) -> list[dict[str, Any]]:
    return [
        {"asset": name, "component": "bearing", "word": word, "since": utc_text(now_us - 2 * DAY_US), "final": False,
         "reason": f"vendor asks; own index {index} (alert line 50)", "vendor_episode": None, "own_episode": None}
        for name, _words, _kind, _vendor, _flow, word, index in LIVE if word
    ]  # fmt: skip


def status(now: heartbeat.Moment, ledger: tuple[int, str], lost: str = "") -> dict[str, Any]:
    """What the daemon would publish; `lost` names a site whose telemetry is lost."""
    rows = [heartbeat.AssetStatus(one.id, one.site, one.name, one.kind, *told(one.id, now.utc_us)) for one in assets()]
    sites = [
        heartbeat.SiteStatus(site.id, site.name, site.type, "lost" if site.id == lost else "fresh", count, count,
                             95.0 if site.id == lost else 1.0, 95.0 if site.id == lost else None)
        for site in SITES for count in [sum(tag.asset[0] == site.id for tag in tags())]
    ]  # fmt: skip
    top = [heartbeat.AlarmStatus(one["id"], utc_text(one["since_us"]), one["asset"], one["origin"], one["priority"],
                                 one["text"], one["state"]) for one in alarms(now.utc_us)]  # fmt: skip
    return heartbeat.build_status(
        now, simulated=True, pid=os.getpid(), sources=[
            heartbeat.SourceStatus(f"plant-{site.id}", site.id, "down" if lost == site.id else "up", 1.0, 20, 20)
            for site in SITES[:3]
        ], sites=sites, assets=rows, alarms_top=top, vendor=[heartbeat.FeedStatus("mail", 2_460.0, True)],
        binder=("9f2c41d0", None, "9f2c41d0"), ledger=ledger,
    )  # fmt: skip


def told(asset: str, now_us: int) -> tuple[str | None, str | None, float | None, str, int, str]:
    for name, _words, _kind, _vendor, _flow, verdict, index in LIVE:
        if name == asset:
            since = utc_text(now_us - 2 * DAY_US) if verdict else None
            return verdict, since, index, "steady", 1 if name == "H-L01" else 0, "vendor asks" if verdict else ""
    return None, None, None, "unknown", 0, ""


def place(alert_id: str) -> tuple[str, str] | None:
    """Asset and component of an alert."""
    known = {one["alert_ids"][0]: (str(one["asset"]), str(one["component"])) for one in alarms(0)}
    return known.get(alert_id)


def moment() -> heartbeat.Moment:
    return heartbeat.Moment(boot_id(), time.monotonic(), time.time_ns() // 1000)


class SmallDaemon:
    """Everything the screen reads, written by the house's own writers. The caller holds the lock."""

    def __init__(self, state: State, role: str = "", history_hours: int = 0) -> None:
        self.state = state
        self.settings = settings(role)
        self.hot = HotFile(state.hot)
        self.hot.publish_tags(self.settings)
        self.ledger = Ledger(state)
        self.lost = ""
        now = time.time_ns() // 1000
        if self.ledger.head()[0] == 0:
            self.ledger.append_many(records(now))
            for hour in range(history_hours, 0, -1):
                at = now - hour * 3_600_000_000
                self.hot.append([batch_of("plant", at, samples(at))], at // 1000)
            self.hot.roll(now // 1000)
        self.hot.set_alarms(alarms(now))
        self.hot.set_assessments(assessments(now))
        self.hot.set_verdicts(verdicts(now))

    def tick(self) -> None:
        """One second of a daemon's life."""
        now = moment()
        self.hot.append([batch_of("plant", now.utc_us, samples(now.utc_us))], now.utc_us // 1000)
        heartbeat.publish(
            self.state, status(now, self.ledger.head(), self.lost), lambda: heartbeat.last_known_text(now, ())
        )

    async def carry_out(self, request: Request) -> Mapping[str, Any]:
        """Record what a person decided, as the daemon does."""
        now_us = time.time_ns() // 1000
        draft = draft_of(request.verb, request.data, request.role, now_us, self.settings, place)
        entry = self.ledger.append_many([draft])[0]
        return {"n": entry.n, "head": entry.head}

    def close(self) -> None:
        self.hot.close()
        self.ledger.close()


async def run(state: State, role: str) -> None:
    daemon = SmallDaemon(state, role)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    try:
        async with serve(state, daemon.settings, daemon.carry_out):
            while not ended.is_set():
                daemon.tick()
                try:
                    await asyncio.wait_for(ended.wait(), 1.0)
                except TimeoutError:
                    continue
        heartbeat.mark_planned_stop(state, "engineer", moment())
    finally:
        daemon.close()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("state", type=Path)
    parser.add_argument("--role", default="")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--hours", type=int, default=0)
    options = parser.parse_args()
    state = State(options.state.absolute()).make()
    with hold_lock(state):
        if options.once:
            daemon = SmallDaemon(state, options.role, options.hours)
            daemon.tick()
            daemon.close()
            return 0
        if options.hours:
            SmallDaemon(state, options.role, options.hours).close()
        heartbeat.clear_planned_stop(state)
        asyncio.run(run(state, options.role))
    return 0


if __name__ == "__main__":
    sys.exit(main())
