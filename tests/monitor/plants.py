"""A small plant made in code, for tests of rooms that need Settings but no configuration files."""

from pathlib import Path

from drivers.record import Register, Tag
from monitor.plant import Asset, Component, Review, Settings, Site

QUANTITIES = (("flow", "m3/h"), ("discharge_pressure", "bar"), ("running", "1"), ("run_hours", "h"))


def tag(number: int, asset: str, quantity: str, unit: str, **more: object) -> Tag:
    where = Register(device_id=1, table="holding", address=2 * number, kind="f32")
    return Tag(number, f"{asset}.{quantity}", asset, quantity, unit, "pump1", where, **more)  # type: ignore[arg-type]


def plant(tags: tuple[Tag, ...] | None = None, **more: object) -> Settings:
    """Two assets at two sites with four tags each, unless `tags` says otherwise; `more` replaces fields of Settings."""
    assets = (
        Asset("pump1", "G", "high-lift pump 1", "pump", vendor="SmartPump", components=(Component("seal"),)),
        Asset("pump2", "R", "sewage pump 2", "pump"),
    )
    if tags is None:
        pairs = [(asset.id, *quantity) for asset in assets for quantity in QUANTITIES]
        tags = tuple(tag(number, *pair) for number, pair in enumerate(pairs))
    fields = {
        "folder": Path("config"), "utility": "Golden Water", "language": "en", "time_zone": "Europe/Berlin",
        "currency": "EUR", "simulated": False, "state": None, "groups": {}, "rights": {},
        "sites": (Site("G", "Golden waterworks", "waterworks"), Site("R", "River lift station", "lift_station")),
        "assets": assets, "tags": tags, "sources": (), "status_alerts": (), "feeds": (), "contracts": (), "answers": (),
        "jobs": (), "review": Review(), "sha256": "0" * 64,
    }  # fmt: skip
    return Settings(**(fields | more))  # type: ignore[arg-type]
