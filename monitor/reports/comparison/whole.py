"""The whole report: its head, its sections in order, and the command that makes it again."""

from typing import TYPE_CHECKING

from monitor import review
from monitor.ledger import entries
from monitor.plant import Settings
from monitor.progress import Tell, silent
from monitor.records import tables
from monitor.reports.comparison.access import access
from monitor.reports.comparison.agreement import agreement
from monitor.reports.comparison.annex import annex
from monitor.reports.comparison.answer import answer
from monitor.reports.comparison.cases import cases
from monitor.reports.comparison.look import Look, Row
from monitor.reports.comparison.method import evidence, method
from monitor.reports.comparison.money import money
from monitor.reports.comparison.people import people
from monitor.reports.document import Document, Section, command_text, ledger_text
from monitor.state import State
from monitor.words import _, clean, day_text, language, utc_text

if TYPE_CHECKING:
    import pandas as pd

    from models.bias.watched import Watch


def build(state: State, settings: Settings, told: review.Answer, tell: Tell = silent) -> Document:
    """The report on one review from the ledger as it stands."""
    start_us, end_us, vendor = told.result.start_us, told.result.end_us, told.parameters.vendor
    past = tables(state, None, end_us, upto_n=told.upto_n, tell=tell)
    look = Look(state, settings, told, *_records(past, told), _watch(past, told))
    again = _again(state, settings, told)
    period = f"{day_text(start_us)} - {day_text(end_us - 1)}"
    return Document(
        title=_("Vendor comparison"),
        subtitle=_("{utility}: does the vendor ask for more maintenance than the findings support?").format(
            utility=settings.utility
        ),
        meta=(
            (_("period"), period),
            (_("vendor"), clean(vendor, 40) if vendor else _("all")),
            (_("sites"), ", ".join(sorted({site for _asset, site in told.parameters.assets})) or "-"),
            (_("assets"), _assets_words(told)),
            (_("ledger"), ledger_text(state, told.upto_n) + erased_words(state, told.upto_n)),
            (_("configuration"), settings.sha256[:16]),
            (_("parameters"), told.sha256[:16]),
            (_("made again by"), again),
        ),
        sections=(
            Section(_("1 Answer"), answer(look)),
            Section(_("2 Method and limits"), (*method(look), *evidence(look)), new_page=True),
            Section(_("3 Agreement per asset and over time"), agreement(look), new_page=True),
            Section(_("4 Cases"), cases(look), new_page=True),
            Section(_("5 Money, contract, data access"), (*money(look), *access(look)), new_page=True),
            Section(_("6 Decision rights and people"), people(look), new_page=True),
            Section(_("7 Annex: raw rows"), annex(look, again), new_page=True),
        ),
        simulated=settings.simulated,
        language=language(),
    )


def _records(past: "dict[str, pd.DataFrame]", told: review.Answer) -> tuple[dict[str, list[Row]], dict[str, list[Row]]]:
    """What holds of the records until the end of the period, and of it what lies in the period and on these assets.

    Of alerts only those of the vendor that is asked about, where it is one.
    """
    from models.bias.cases import standing

    found = past["finding"]
    past = {**past, "finding": found[~found["n"].isin(list(told.held_back))]}  # what stood at the freeze holds
    start_us, looked_at = told.result.start_us, {None, *(asset for asset, _site in told.parameters.assets)}
    holding: dict[str, list[Row]] = {kind: list(standing(one).to_dict("records")) for kind, one in past.items()}
    if vendor := told.parameters.vendor:
        holding["vendor_alert"] = [row for row in holding["vendor_alert"] if row["vendor"] == vendor]
    inside = {
        kind: [row for row in rows if row["at_us"] >= start_us and row["asset"] in looked_at]
        for kind, rows in holding.items()
    }
    return holding, inside


def _watch(past: "dict[str, pd.DataFrame]", told: review.Answer) -> "dict[str, Watch]":
    from models.bias.watched import watches

    return watches(past, {asset for asset, _site in told.parameters.assets})


def _again(state: State, settings: Settings, told: review.Answer) -> str:
    """The command that makes this very report again, from the same configuration and ledger."""
    vendor = told.parameters.vendor
    asked = ["--from", _moment(told.result.start_us), "--to", _moment(told.result.end_us)]
    asked += ["--vendor", vendor] if vendor else []
    if told.narrowed is not None:
        asked += [word for name in told.narrowed.names for word in (f"--{told.narrowed.kind}", name)]
    asked += ["--entries", str(told.upto_n)]
    return command_text(settings, state, "report", "comparison", *asked)


def _assets_words(told: review.Answer) -> str:
    n, whole = told.result.assets, told.whole
    return str(n) if n == whole else _("{n} of the {whole} under review").format(n=n, whole=whole)


def _moment(us: int) -> str:
    """A day where it is the start of one, else the moment."""
    text = utc_text(us)
    return text.removesuffix("T00:00:00.000Z")


def erased_words(state: State, upto_n: int | None = None) -> str:
    """What no count of this report can hold any more."""
    erasures = list(entries(state, ["erasure"], upto_n=upto_n))
    gone = {n for entry in erasures for n in entry.data["entries"]}
    held = gone & {n for entry in erasures for n in entry.data.get("held", ()) if isinstance(n, int)}
    words = "; " + _("{n} erased under a rule").format(n=len(gone)) if gone else ""
    return words + (", " + _("{n} of them although held as evidence").format(n=len(held)) if held else "")
