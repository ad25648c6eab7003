"""Folders of other sites, as headquarters finds them: a STATE, or what holds one, and the configuration beside it.

Each site's daemon is an island that works without headquarters; here its folder, or a copy of it, is only read. What a
hot file from elsewhere says of its assets is foreign text and is checked like a configuration.
"""

import glob
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.errors import UserError
from drivers.record import Node, Tag
from monitor.historian.reader import HotReader
from monitor.plant import ASSET_KINDS, Asset, Component, History, Review, Settings, Site
from monitor.state import State
from monitor.words import clean

_ID = re.compile(r"[A-Za-z0-9_-]{1,24}")  # as in a configuration: it becomes the name of a file


@dataclass(frozen=True, slots=True)
class Island:
    """One folder as it was named, the STATE in it, and its configuration if there is one beside it."""

    name: str
    state: State
    config: Path | None

    @property
    def short(self) -> str:
        """The folder's last name, and not the word state or history where that is all it says."""
        folder = Path(self.name).resolve()
        return folder.parent.name if folder.name in ("state", "history") else folder.name

    def settings(self) -> Settings:
        """From the configuration; without one, assets and tags as the hot file knows them, and no sources."""
        if self.config is None:
            return _from_hot_file(self)
        from monitor.settings import load

        return load(self.config)

    def place(self, settings: Settings) -> State:
        """STATE, with the cold part of history where the configuration says; a history that was named itself stays."""
        return self.state if self.state.elsewhere else self.state.with_history(settings.history)

    def configured(self, verb: str) -> Settings:
        """From the configuration. UserError where there is none."""
        if self.config is None:
            raise UserError(f"{self.name}: has no config/site.toml in or beside it, which {verb} needs; copy it there")
        return self.settings()


def find(names: Iterable[str]) -> list[Island]:
    """The folders of these names or patterns, each once, in order. UserError where a name means none."""
    found: dict[str, None] = {}
    for name in names:
        known = [name] if Path(name).is_dir() else sorted(one for one in glob.glob(name) if Path(one).is_dir())
        if not known:
            raise UserError(f"{clean(name)}: no such folder; name STATE folders, or folders that hold state and config")
        found.update(dict.fromkeys(known))
    return [island(one) for one in found]


def island(name: str) -> Island:
    """What lies in one folder: STATE itself, FOLDER/state, or a history alone (site=*/date=*)."""
    folder = Path(name).resolve()
    if not _is_state(folder) and _is_state(folder / "state"):
        state = State(folder / "state")
    elif any(folder.glob("site=*")):
        state = State(folder, History(url=folder.as_uri()))
    else:
        state = State(folder)
    beside = (folder / "config", state.root.parent / "config")
    return Island(name, state, next((one for one in beside if (one / "site.toml").is_file()), None))


def _is_state(folder: Path) -> bool:
    return (folder / "hot.sqlite").is_file() or (folder / "history").is_dir()


def _from_hot_file(one: Island) -> Settings:
    hot = HotReader(one.state.hot)
    if not one.state.hot.is_file():
        raise UserError(f"{one.name}: has neither hot.sqlite nor a configuration; nothing says what its tags are")
    try:
        meta = hot.meta()
        sites = tuple(Site(str(one["id"]), str(one["name"]), str(one["type"])) for one in json.loads(meta["sites"]))
        assets = tuple(_asset(row) for row in hot.assets())
        known = {asset.id for asset in assets}
        tags = tuple(
            Tag(row.number, row.name, row.asset, row.quantity, row.unit, "", Node(""), row.low, row.high,
                bool(row.estimated), description=row.description)
            for row in hot.tags().values() if row.asset in known
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as fault:
        why = clean(f"{type(fault).__name__}: {fault}", 100)
        raise UserError(f"{one.state.hot}: its table of assets cannot be read ({why}); copy the file again") from fault
    return Settings(
        folder=one.state.root, utility=clean(meta.get("utility", "")), language="en", time_zone="UTC",
        currency=clean(meta.get("currency", ""), 8), simulated=meta.get("simulated") == "1", state=None, groups={},
        rights={}, sites=sites, assets=assets, tags=tags, sources=(), status_alerts=(), feeds=(), contracts=(),
        answers=(), jobs=(), review=Review(), sha256="",
    )  # fmt: skip


def _asset(row: dict[str, Any]) -> Asset:
    if not _ID.fullmatch(row["id"]) or not _ID.fullmatch(row["site"]) or row["kind"] not in ASSET_KINDS:
        raise ValueError(f"{row['id']!r} is no asset")
    return Asset(**{**row, "components": tuple(Component(**part) for part in row.get("components", ()))})
