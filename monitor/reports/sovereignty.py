"""The sovereignty report: the six questions answered per asset, with the evidence, and what is not known.

It prints what the contracts and the register say beside what the program measured itself: how many tags it reads
without the vendor, and how long after the device's own status bit the vendor's message came.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from monitor import delays
from monitor import sovereignty as sv
from monitor.ledger import entries
from monitor.plant import Asset, Contract, Settings
from monitor.reports.document import (
    Block,
    Cell,
    Document,
    Numbers,
    Paragraph,
    Section,
    Signatures,
    Table,
    command_text,
    ledger_text,
)
from monitor.state import State
from monitor.words import _, age_text, clean, language, local_text, number_text, share_text


def build(state: State, settings: Settings, now_us: int) -> Document:
    """The report as of `now_us` from register, contracts and the ledger's vendor alerts."""
    today = datetime.fromtimestamp(now_us / 1e6, UTC).date()
    found = sv.standings(settings, today)
    told = delays.arrivals(entries(state, ["vendor_alert", "clock_step"])) if state.ledger.is_file() else ()
    return Document(
        title=_("Sovereignty register"),
        subtitle=_("Who is told, who decides, by what logic, whose data, and what without them: {utility}").format(
            utility=settings.utility
        ),
        meta=(
            (_("as of"), local_text(now_us)),
            (_("configuration"), settings.sha256[:16]),
            (_("ledger"), ledger_text(state)),
            (_("made again by"), command_text(settings, state, "report", "sovereignty")),
        ),
        sections=(
            Section(_("Answer"), _answer(found, told)),
            Section(_("The six questions, per asset"), _questions(settings, found, told), new_page=True),
            Section(_("Contracts: access and control"), _contracts(settings)),
            Section(_("Who was told first"), _told(told)),
            Section(_("What is not known"), _unknown(found)),
            Section(_("How to read this"), _method()),
        ),
        simulated=settings.simulated,
        language=language(),
    )


def _answer(found: Sequence[sv.Standing], told: Sequence[delays.Arrival]) -> tuple[Block, ...]:
    red = [one for one in found if one.red]
    unproven = sum(1 for one in found if one.coverage < 50)
    measured = delays.summary(told)
    if measured is None or not measured.after:
        waits = _("cannot tell")
    else:
        waits = _("median at least {delay} after the device's own bit").format(delay=age_text(measured.median_s))
    counts = _("{after} after the bit, {before} before, {unclear} cannot be told").format(
        after=measured.after if measured else 0, before=measured.before if measured else 0,
        unclear=measured.unclear if measured else 0,
    )  # fmt: skip
    boxes = (
        (_("assets with a red gate"), share_text(len(red), len(found)), _("a red gate holds whatever the score")),
        (_("assets less than half proven"), share_text(unproven, len(found)), _("documented or tested, by weight")),
        (_("vendor's message"), waits, counts),
    )
    blocks: list[Block] = [Numbers(boxes)]
    rows: list[tuple[Cell, ...]] = [
        (
            one.asset.id,
            one.asset.criticality,
            f"{one.pessimistic:.0f} - {one.optimistic:.0f} %",
            f"{one.coverage:.0f} %",
            ", ".join(_gate(name) for name in one.red) or "-",
        )
        for one in sorted(found, key=lambda one: (not one.red, one.asset.criticality, one.pessimistic))
    ]
    head_ = (_("asset"), _("class"), _("score band"), _("proven"), _("red because of"))
    note = _("The band goes from unknown counted as nothing to unknown counted as everything; it is never one number.")
    blocks.append(Table("standing", head_, tuple(rows), note))
    return tuple(blocks)


def _gate(name: str) -> str:
    return f"{name} {_(sv.QUESTIONS[name].words)}"


def _questions(settings: Settings, found: Sequence[sv.Standing], told: Sequence[delays.Arrival]) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for number, words in enumerate(sv.SIX, 1):
        names = [name for name, question in sv.QUESTIONS.items() if question.serves == number]
        rows: list[tuple[Cell, ...]] = []
        for one in found:
            cells = [_cell(one, name) for name in names]
            rows.append((one.asset.id, *cells, _measured(settings, one.asset, number, told)))
        head_ = (_("asset"), *(f"{name} {_(sv.QUESTIONS[name].words)}" for name in names), _("measured by us"))
        blocks += [Paragraph(f"{number}. {_(words)}"), Table(f"question_{number}", head_, tuple(rows))]
    return tuple(blocks)


def _cell(one: sv.Standing, name: str) -> str:
    answer = one.answers.get(name)
    if answer is None or answer.value == sv.UNKNOWN:
        return _("unknown")
    return f"{clean(answer.value, 40)} ({answer.confidence})"


def _measured(settings: Settings, asset: Asset, number: int, told: Sequence[delays.Arrival]) -> str:
    """What this program saw itself for one of the six questions; "-" where it cannot see it."""
    if number == 1:
        measured = delays.summary([one for one in told if one.asset == asset.id])
        if measured is None:
            return _("no pair of bit and message")
        if not measured.after:
            return _("cannot tell")
        return _("message at least {delay} after our bit, n = {n}").format(
            delay=age_text(measured.median_s), n=measured.after
        )
    if number == 5:
        tags = settings.tags_of(asset.id)
        own = sum(1 for tag in tags if not tag.estimated)
        return _("{n} tags read without the vendor, {own} not estimated by the device").format(n=len(tags), own=own)
    return "-"


def _contracts(settings: Settings) -> tuple[Block, ...]:
    assets = {asset.id: asset for asset in settings.assets}
    rows = tuple(sv.matrix(settings.contracts, assets))
    money = _("per year [{currency}]").format(currency=settings.currency)
    heads = (_("access"), _("control"), _("contracts"), money, _("class A assets"))
    listed: tuple[tuple[Cell, ...], ...] = tuple(_contract_row(contract) for contract in settings.contracts)
    covered = {asset for contract in settings.contracts for asset in contract.assets}
    without = [asset.id for asset in settings.assets if asset.id not in covered and settings.tags_of(asset.id)]
    blocks: list[Block] = [
        Table("access_control", heads, rows, _("Access: can obtain all raw data with history without asking or paying."
              " Control: can decide purpose, recipients, retention and deletion.")),
        Table(
            "contracts",
            (_("contract"), _("counterparty"), _("kind"), _("assets"), _("access"), _("control"), _("hosting"),
             _("exit")),
            listed,
        ),
    ]  # fmt: skip
    if without:
        blocks.append(Paragraph(_("Read but under no contract: {assets}.").format(assets=", ".join(without)), "note"))
    return tuple(blocks)


def _contract_row(contract: Contract) -> tuple[Cell, ...]:
    exit_words = _("unknown") if contract.exit_days is None else _("{n} days").format(n=contract.exit_days)
    return (
        contract.id,
        clean(contract.counterparty, 40),
        contract.kind,
        ", ".join(contract.assets),
        contract.data_access,
        contract.data_control,
        ", ".join(contract.hosting_country) or _("unknown"),
        exit_words,
    )


def _told(told: Sequence[delays.Arrival]) -> tuple[Block, ...]:
    words = Paragraph(
        _(
            "Measured as the delay of the vendor's message after the device's own status bit, which we read ourselves,"
            " both by our clock. The bit was set at some time between two of our readings, so a delay is an interval;"
            " one that begins below zero tells nothing. That the vendor knew earlier than we did can only come from a"
            " portal log, a dispatch or an injected fault: the vendor's own time mixes its delay with the skew of its"
            " clock."
        )
    )
    said = {"after": _("after the bit"), "before": _("before the bit"), "cannot_tell": _("cannot tell")}
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (one.asset, one.component, clean(one.alert_id, 40), local_text(one.bit_us), local_text(one.message_us),
         said[one.delay.word], _hours(one.delay.low_s), _hours(one.delay.high_s), one.delay.why, one.sent.why)
        for one in told
    )  # fmt: skip
    heads = (_("asset"), _("component"), _("alert"), _("bit seen"), _("message received"), _("message came"),
             _("at least [h]"), _("at most [h]"), _("because"), _("vendor's own time"))  # fmt: skip
    return (words, Table("told_first", heads, rows))


def _hours(seconds: float | None) -> str | None:
    return None if seconds is None else number_text(seconds / 3600)


def _unknown(found: Sequence[sv.Standing]) -> tuple[Block, ...]:
    rows: list[tuple[Cell, ...]] = []
    for name, question in sv.QUESTIONS.items():
        missing = [one.asset.id for one in found if _cell(one, name) == _("unknown")]
        if missing:
            rows.append((f"{name} {_(question.words)}", len(missing), ", ".join(missing)))
    return (
        Table("unknown", (_("question"), _("assets"), _("which")), tuple(rows),
              _("Each line is a question to put to the vendor or to test in the plant.")),
    )  # fmt: skip


def _method() -> tuple[Block, ...]:
    return (
        Paragraph(
            _(
                "Declared answers come from register.toml with their evidence and who assessed them, by role."
                " Measurement may worsen an answer, never better it: this host cannot see a modem in a panel."
                " Nothing here is legal advice."
            )
        ),
        Signatures((_("assessed by (role)"), _("reviewed by (role)"))),
    )
