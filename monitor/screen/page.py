"""One page of the screen: shows lines, moves the selection, filters. What a page says is in the pure modules.

A page never reads anything: it is handed a RoomState by the application and shows it with its own View.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.binding import Binding
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Input, Static

from monitor.screen import alerts, asset, help, overview, owed, procedures, reports, review, why
from monitor.screen.palette import content
from monitor.screen.pieces import Line
from monitor.screen.room import RoomState, open_claims, rows
from monitor.screen.text import View
from monitor.why.asking import Told
from monitor.words import _

if TYPE_CHECKING:
    from monitor.screen.app import ControlRoom


class Page(Screen[None]):
    """A page with a list to move in. Subclasses say what it shows and what its keys do."""

    AUTO_FOCUS = ""  # keys belong to the page, unless the filter was asked for
    BINDINGS = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("home", "move(-100000)", show=False),
        Binding("end", "move(100000)", show=False),
        Binding("slash", "filter", show=False),
        Binding("escape", "back", show=False),
        Binding("enter", "enter", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.view = View()
        self._shown: tuple[list[Line], int, bool] | None = None

    @property
    def control(self) -> "ControlRoom":
        return cast("ControlRoom", self.app)

    @property
    def room(self) -> RoomState:
        return self.control.room

    def compose(self) -> ComposeResult:
        yield Static(id="page", markup=False)
        field = Input(id="filter", compact=True)
        field.display = False
        yield field

    def on_mount(self) -> None:
        self.show()

    def on_resize(self, event: Resize) -> None:
        self.show()

    def on_screen_resume(self) -> None:
        self.show()

    # what a subclass says

    def lines(self) -> list[Line]:
        raise NotImplementedError

    def count(self) -> int:
        """How many rows the selection can be on."""
        return 0

    def action_enter(self) -> None:
        """What Enter does on the selected row."""

    def chosen(self) -> None:
        """The selection has moved."""

    # what every page does

    def show(self, anew: bool = False) -> None:
        """Draw the room as it is now, if that looks different from what is drawn."""
        if not self.query("#page"):
            return  # not composed yet
        width, height = self.app.size
        if self.query_one("#filter").display:
            height -= 1
        self.view = replace(self.view, width=width, height=height)
        told = (self.control.drawn(self.draw), width, self.control.full)
        if told != self._shown or anew:
            self._shown = told
            self.query_one("#page", Static).update(content(told[0], width, told[2], self.control.encoding))

    def draw(self) -> list[Line]:
        """The lines, with the selection on a row that is still there."""
        selected = max(0, min(self.view.selected, self.count() - 1))
        self.view = replace(self.view, selected=selected)
        return self.lines()

    def say(self, notice: str) -> None:
        """Show one line above the keys until the next key that moves."""
        self.view = replace(self.view, notice=notice)
        self.show()

    def action_move(self, by: int) -> None:
        selected = max(0, min(self.view.selected + by, self.count() - 1))
        self.view = replace(self.view, selected=selected, notice="")
        self.chosen()
        self.show()

    def action_back(self) -> None:
        if self.view.notice:
            self.say("")
        elif self.view.needle or self.view.site:
            self.view = replace(self.view, needle="", site="")
            self.show()
        else:
            self.control.back()

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.placeholder = _("filter: Enter keeps it, Esc ends it")
        field.value = self.view.needle
        field.display = True
        field.focus()
        self.show()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.display:
            self.view = replace(self.view, needle=event.value, selected=0, notice="")
            self.show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.end_filter(event.value)

    def end_filter(self, needle: str) -> None:
        field = self.query_one("#filter", Input)
        field.display = False
        self.set_focus(None)
        self.view = replace(self.view, needle=needle)
        self.show()

    def key_escape(self) -> None:
        """Esc in the filter's field ends the filter; everywhere else it is the key `back`."""
        if self.query_one("#filter").display:
            self.end_filter("")


class OverviewPage(Page):
    BINDINGS = [Binding("s", "site", show=False)]

    def lines(self) -> list[Line]:
        return overview.lines(self.room, self.view)

    def count(self) -> int:
        return len(overview.items(self.room, self.view))

    def action_enter(self) -> None:
        ids = overview.items(self.room, self.view)
        if ids:
            self.app.push_screen(AssetPage(ids[self.view.selected]))

    def action_site(self) -> None:
        """All sites, then each by itself."""
        sites = ["", *(str(one.get("id")) for one in rows(self.room.status, "sites"))]
        at = sites.index(self.view.site) if self.view.site in sites else 0
        self.view = replace(self.view, site=sites[(at + 1) % len(sites)], selected=0, notice="")
        self.show()


class AssetPage(Page):
    BINDINGS = [
        Binding("tab", "tab(1)", show=False, priority=True),
        Binding("shift+tab", "tab(-1)", show=False, priority=True),
        Binding("w", "span", show=False),
        Binding("b", "baseline", show=False),
        Binding("y", "why", show=False),
        Binding("f", "finding", show=False),
        Binding("1", "decide('follow')", show=False),
        Binding("2", "decide('inspect_first')", show=False),
        Binding("3", "decide('defer')", show=False),
        Binding("4", "decide('reject')", show=False),
    ]

    def __init__(self, asset_id: str) -> None:
        super().__init__()
        self.asset_id = asset_id

    def on_mount(self) -> None:
        super().on_mount()
        self.chosen()

    def lines(self) -> list[Line]:
        return asset.lines(self.room, self.view, self.asset_id)

    def count(self) -> int:
        return len(asset.points_of(self.room, self.asset_id))

    def chosen(self) -> None:
        point = asset.trend_point(self.room, self.view, self.asset_id)
        if point is not None:
            self.control.look_at(point.tag, self.view.span)

    def action_tab(self, by: int) -> None:
        self.view = replace(self.view, tab=(self.view.tab + by) % asset.TABS, notice="")
        self.show()

    def action_span(self) -> None:
        at = asset.SPANS.index(self.view.span)
        self.view = replace(self.view, span=asset.SPANS[(at + 1) % len(asset.SPANS)], notice="")
        self.chosen()
        self.show()

    def action_baseline(self) -> None:
        if self.room.assessments.get(self.asset_id) is None:
            self.say(_("this asset has no model of ours"))
            return
        self.control.confirm(self.asset_id)

    def action_why(self) -> None:
        self.control.why(self.asset_id, self.asset_id)

    def action_finding(self) -> None:
        claims = open_claims(self.room, self.asset_id)
        alert = claims[0] if claims else None
        self.control.finding(self.asset_id, alert.component if alert else "", alert.alert_id if alert else "")

    def action_decide(self, choice: str) -> None:
        claims = open_claims(self.room, self.asset_id)
        if not claims:
            self.say(_("no open alert of this asset: there is nothing to decide"))
            return
        self.control.decide(claims[0], choice)


class AlertsPage(Page):
    BINDINGS = [
        Binding("x", "acknowledge", show=False),
        Binding("s", "shelve", show=False),
        Binding("d", "decide", show=False),
        Binding("y", "why", show=False),
        Binding("f", "finding", show=False),
    ]

    def lines(self) -> list[Line]:
        return alerts.lines(self.room, self.view)

    def count(self) -> int:
        return len(alerts.items(self.room, self.view))

    def action_enter(self) -> None:
        found = alerts.items(self.room, self.view)
        if found and found[self.view.selected].asset:
            self.app.push_screen(AssetPage(found[self.view.selected].asset))

    def action_acknowledge(self) -> None:
        found = alerts.items(self.room, self.view)
        if found:
            self.control.acknowledge(found[self.view.selected])

    def action_shelve(self) -> None:
        found = alerts.items(self.room, self.view)
        if found:
            self.control.shelve(found[self.view.selected])

    def action_decide(self) -> None:
        found = alerts.items(self.room, self.view)
        if found:
            self.control.decide(found[self.view.selected], "")

    def action_why(self) -> None:
        found = alerts.items(self.room, self.view)
        if found:
            self.control.why(found[self.view.selected].alert_id, found[self.view.selected].asset)

    def action_finding(self) -> None:
        found = alerts.items(self.room, self.view)
        if found and found[self.view.selected].asset:
            one = found[self.view.selected]
            self.control.finding(one.asset, one.component, one.alert_id)
        elif found:
            self.say(_("this alert is of no asset, so nothing can be found in it"))


class WhyPage(Page):
    """All that is known of an alert; read anew where the ledger has grown."""

    BINDINGS = [Binding("f", "finding", show=False)]

    def __init__(self, name: str, asset_id: str, answer: Told) -> None:
        super().__init__()
        self.name_asked, self.asset_id, self.answer = name, asset_id, answer
        self.read_at = ""  # the ledger's head when it was read

    def lines(self) -> list[Line]:
        if self.read_at != self.room.past.head:
            if self.read_at:
                self.control.ask_why(self)
            self.read_at = self.room.past.head
        return why.lines(self.room, self.view, self.answer)

    def action_move(self, by: int) -> None:
        last = why.last(self.room, self.view, self.answer)
        self.view = replace(self.view, scroll=max(0, min(self.view.scroll + by, last)), notice="")
        self.show()

    def action_finding(self) -> None:
        one = self.answer.stories[0]
        self.control.finding(one.asset, one.component, one.alert_id)

    def action_filter(self) -> None:
        """A text is not filtered."""


class ReviewPage(Page):
    """The vendor review as it stands in the ledger."""

    def lines(self) -> list[Line]:
        return review.lines(self.room, self.view)

    def action_move(self, by: int) -> None:
        last = review.last(self.room, self.view)
        self.view = replace(self.view, scroll=max(0, min(self.view.scroll + by, last)), notice="")
        self.show()

    def action_filter(self) -> None:
        """A text is not filtered."""


class OwedPage(Page):
    """Jobs that are done and have no finding."""

    BINDINGS = [Binding("f", "enter", show=False)]

    def lines(self) -> list[Line]:
        return owed.lines(self.room, self.view)

    def count(self) -> int:
        return len(owed.items(self.room, self.view))

    def action_enter(self) -> None:
        found = owed.items(self.room, self.view)
        if found:
            asset_id, job = found[self.view.selected]
            part = (job.order.component if job.order else "") or ""
            self.control.finding(asset_id, part, wo_id=job.wo_id)


class ReportsPage(Page):
    BINDINGS = [Binding("S", "sign", show=False), Binding("f", "owed", show=False)]

    def action_owed(self) -> None:
        self.app.push_screen(OwedPage())

    def lines(self) -> list[Line]:
        return reports.lines(self.room, self.view)

    def count(self) -> int:
        return len(reports.items(self.room, self.view))

    def action_enter(self) -> None:
        found = reports.items(self.room, self.view)
        if not found:
            return
        item = found[self.view.selected]
        if item.readable:
            self.control.read_file(item.result, item.readable)
        else:
            self.say(_("it has no text version; open its other files with another program"))

    def action_sign(self) -> None:
        found = reports.items(self.room, self.view)
        item = found[self.view.selected] if found else None
        if item is None or not item.audit_id:
            self.say(_("only a drift audit is signed: choose one"))
        elif item.signed:
            self.say(_("this audit is signed already"))
        else:
            self.control.sign(item.audit_id)


class ProceduresPage(Page):
    def lines(self) -> list[Line]:
        return procedures.lines(self.room, self.view)

    def count(self) -> int:
        return len(procedures.items(self.room, self.view))

    def action_enter(self) -> None:
        found = procedures.items(self.room, self.view)
        if found:
            self.control.read_procedure(found[self.view.selected])


class TextPage(Page):
    """A text to read: help, a report, a procedure. Up and down scroll it."""

    def __init__(self, title: str = "", text: str | None = None) -> None:
        super().__init__()
        self.title_text, self.text = title, text

    def lines(self) -> list[Line]:
        if self.text is None:
            return help.lines(self.room, self.view)
        return help.text_lines(self.room, self.view, self.title_text, self.text)

    def action_move(self, by: int) -> None:
        told = help.help_text(self.view.width) if self.text is None else self.text.splitlines()
        last = help.last_scroll(self.view, len(told))
        self.view = replace(self.view, scroll=max(0, min(self.view.scroll + by, last)))
        self.show()

    def action_filter(self) -> None:
        """A text is not filtered."""
