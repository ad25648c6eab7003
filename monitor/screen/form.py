"""The finding form as a person fills it in: a line per field, what is expected below, faults at their field.

It stays open until the daemon has recorded it, so that a refusal loses nothing that was typed.
"""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from drivers.errors import UserError
from monitor.screen.decide import Command, utc_now
from monitor.screen.finding import HEX, OF_NEW_JOB, Faults, Form, commands, filled_from, slots
from monitor.screen.room import RoomState
from monitor.screen.text import encodable
from monitor.words import _, clean

Ask = Callable[[str, dict[str, Any]], dict[str, Any]]


class FindingForm(ModalScreen[str | None]):
    """Gives back what the daemon said when it was recorded, or None when it was left with Esc."""

    BINDINGS = [
        Binding("escape", "leave", show=False, priority=True),
        Binding("up", "step(-1)", show=False, priority=True),
        Binding("down", "step(1)", show=False, priority=True),
    ]

    def __init__(
        self, form: Form, room: RoomState, ask: Ask, encoding: str | None, alive: Callable[[], Content]
    ) -> None:
        super().__init__()
        self.form, self.room, self.ask = form, room, ask
        self.encoding, self.alive = encoding, alive
        self.slots = {one.name: one for one in slots(form)}
        self.faults: dict[str, str] = {}
        self.recorded: set[str] = set()  # new work orders that the daemon has already
        self.busy = False

    def plain(self, text: str) -> str:
        return encodable(text, self.encoding)

    def compose(self) -> ComposeResult:
        yield Static(self.alive(), id="alive", markup=False)
        with Vertical(id="form"):
            title = _("WHAT WAS FOUND") + f"  {clean(self.form.asset, 20)}  {clean(self.form.alert_id, 40)}"
            yield Static(self.plain(title.rstrip()), markup=False, classes="title")
            for line in self.form.listed(self.room):
                yield Static(self.plain(line), markup=False, classes="listed")
            with VerticalScroll(id="slots", can_focus=False):
                for one in self.slots.values():
                    with Horizontal(id=f"row-{one.name}", classes="row"):
                        yield Static(self.plain(one.label), id=f"label-{one.name}", markup=False, classes="label")
                        yield Input(id=one.name, compact=True, select_on_focus=False)
            yield Static("", id="hint", markup=False)
            yield Static("", id="fault", markup=False)
            keys = _("Enter next line, at the end record   arrows move   Esc leave")
            yield Static(self.plain(keys), markup=False, classes="label")

    def on_mount(self) -> None:
        self.fill({"component": self.form.component, "wo": self.form.wo_id})
        self.fit_to_job()
        self.input("wo").focus()

    def on_resize(self, event: events.Resize) -> None:
        self.show()

    def show(self) -> None:
        """Draw line 1 and the banners as they are now."""
        if found := self.query("#alive"):
            found.first(Static).update(self.alive())

    def input(self, name: str) -> Input:
        return self.query_one(f"#{name}", Input)

    def told(self) -> dict[str, str]:
        """All that was typed."""
        return {name: self.input(name).value for name in self.slots}

    def fill(self, told: dict[str, str]) -> None:
        """Put texts into fields that are empty."""
        for name, text in told.items():
            if text and not self.input(name).value:
                self.input(name).value = text

    def shown(self) -> list[Input]:
        """The fields that can be filled in now."""
        return [self.input(name) for name in self.slots
                if self.query_one(f"#row-{name}").display and not self.input(name).disabled]  # fmt: skip

    def fit_to_job(self) -> None:
        """Show the lines that this job needs, and the limit of its part."""
        name = self.input("wo").value.strip()
        job = self.form.job(name)
        is_new = bool(name) and job is None and name not in self.recorded
        for one in OF_NEW_JOB:
            self.query_one(f"#row-{one}").display = is_new
        self.query_one("#row-corrects").display = bool(job and job.holding)
        if job and job.order:
            self.fill({"component": job.order.component or ""})
        agreed = self.form.limits.get(self.input("component").value.strip())
        field = self.input("limit")
        if agreed:
            field.value = agreed
        elif field.disabled:
            field.value = ""
        field.disabled = agreed is not None

    # what happens

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        name = event.widget.id or ""
        if name in self.slots:
            self.query_one("#hint", Static).update(self.plain(self.slots[name].hint))
        if name in self.faults:
            self.tell(f"{self.slots[name].label}: {self.faults[name]}")

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id in ("wo", "component"):
            self.fit_to_job()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.input.id == "corrects" and (job := self.form.job(self.input("wo").value)):
            self.fill(filled_from(job, event.input.value))
        if self.faults:  # from one that lacked something to the next; after the last it is tried again
            self.faults.pop(event.input.id or "", None)
            fields = [one for one in self.shown() if one.id in self.faults]
        else:
            fields = self.shown()[self.shown().index(event.input) + 1 :]
        if fields:
            fields[0].focus()
        else:
            self.run_worker(self.record(), exclusive=True, exit_on_error=False)

    def action_step(self, by: int) -> None:
        fields = self.shown()
        if self.focused in fields:
            fields[(fields.index(self.focused) + by) % len(fields)].focus()

    def action_leave(self) -> None:
        self.dismiss(None)

    async def record(self) -> None:
        """Check, then ask the daemon; whatever is wrong is said, and all that was typed stays."""
        if self.busy:
            return
        self.busy = True
        try:
            told = self.told()
            told["photo"] = await self.hashed(told["photo"].strip())
            chosen = commands(told, self.form, self.room.zone, utc_now)
            self.say({}, _("asking the daemon ..."))
            await self.send(chosen)
        except Faults as fault:
            self.say(fault.of)
        except UserError as fault:
            self.say({}, str(fault))
        finally:
            self.busy = False

    async def hashed(self, path: str) -> str:
        """The SHA-256 of a photo's file."""
        if not path or HEX.fullmatch(path):
            return path
        try:
            return await asyncio.to_thread(sha256_of, path)
        except OSError as fault:
            raise Faults({"photo": f"{clean(path, 60)}: {fault.strerror}"}) from fault

    async def send(self, chosen: list[Command]) -> None:
        for verb, data in chosen:
            if verb == "work_order" and data["wo_id"] in self.recorded:
                continue
            answer = await asyncio.to_thread(self.ask, verb, data)
            if not answer.get("ok"):
                self.say({}, clean(answer.get("error") or "?", 300))
                self.fit_to_job()
                return
            if verb == "work_order":
                self.recorded.add(data["wo_id"])
        self.dismiss(_("recorded: ledger entry {n}").format(n=clean(answer.get("n", "?"), 12)))

    def say(self, faults: dict[str, str], words: str = "") -> None:
        """Mark the fields that lack something, and go to the first of them."""
        for name, one in self.slots.items():
            mark = "! " if name in faults else ""
            self.query_one(f"#label-{name}", Static).update(self.plain(mark + one.label))
        self.faults = dict(faults)
        self.tell(words)
        if first := next((name for name in self.slots if name in faults), ""):
            self.tell(f"{self.slots[first].label}: {faults[first]}")
            self.input(first).focus()

    def tell(self, words: str) -> None:
        self.query_one("#fault", Static).update(self.plain(words))


def sha256_of(path: str) -> str:
    """Of a file; OSError where it cannot be read."""
    with Path(path).expanduser().open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
