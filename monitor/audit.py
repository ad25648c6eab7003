"""The scheduled drift audit: do instruments, inputs, vendor and paper still hold what everything else rests on?

Each check answers PASS, WARN, FAIL or CANNOT TELL with its value, its line, on how much data, and one sentence. Not
knowing is never a pass. The result is written to the ledger and on paper, and a person with the right signs it.
"""

import argparse
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.errors import UserError
from drivers.record import Reason, Tag
from monitor import readiness
from monitor.labels import quantity_word
from monitor.plant import Asset, Settings
from monitor.progress import Tell, Work, on_terminal, silent
from monitor.state import State
from monitor.words import _, clean, number_text, share_text, utc_text

if TYPE_CHECKING:
    import numpy as np

    from models.drift.result import Result
    from monitor.ledger import Record

HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
PASS, WARN, FAIL, CANNOT_TELL = "PASS", "WARN", "FAIL", "CANNOT TELL"
COVERAGE_LINES = (0.99, 0.95)
STALE_FAIL = 0.10  # share of tags
COVERAGE_DAYS, BALANCE_DAYS, INPUT_DAYS = 7, 7, 7
QUARTER_DAYS, BEFORE_DAYS = 91, 365
FROM_OUTSIDE = ("speed", "frequency", "level")  # quantities that are set from outside a pump
ROWS_PER_INDEPENDENT = 60  # neighbouring minutes of a pump are no independent draws
JOB_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Check:
    """One answer. `threshold` is the line of WARN; `n` the number of samples, blocks, tags or events behind it."""

    name: str
    word: str
    value: float | None
    threshold: float | None
    n: int
    words: str
    subject: str = ""  # the source, meter, asset or vendor
    quantity: str = ""  # that moved most
    from_outside: bool = False  # whether it is set from outside the asset: wear does not move it


@dataclass(frozen=True, slots=True)
class Audit:
    """A finished audit; `word` is the worst of its checks."""

    audit_id: str
    at_us: int
    utility: str
    simulated: bool
    checks: tuple[Check, ...]
    word: str


def run(state: State, settings: Settings, now_us: int, tell: Tell = silent) -> Audit:
    """All checks at `now_us` [us, UTC]; reads only."""
    from models.drift.result import worst

    checks = (
        *coverage(state, settings, now_us, tell),
        stale_tags(state, settings, now_us),
        *mass_balance(state, settings, now_us),
        *input_shift(state, settings, now_us),
        *vendor_rate(state, settings, now_us),
        *by_hand(state, settings, now_us),
    )
    word = worst([check.word for check in checks])
    return Audit(utc_text(now_us), now_us, settings.utility, settings.simulated, checks, word)


def coverage(state: State, settings: Settings, now_us: int, tell: Tell = silent) -> Iterator[Check]:
    """Share of the samples that each source should have given in the last week, and that came and were good."""
    from monitor.historian.reader import HotReader
    from monitor.ledger import entries

    hot = HotReader(state.hot)
    numbers = {row.name: number for number, row in hot.tags().items()}
    began = next(entries(state, ["restart"]), None) if state.ledger.is_file() else None
    with Work(_("audit, tags"), len(numbers) + len(settings.tags), tell) as work:
        began_s = began.at_us // 1_000_000 if began else 0
        span_s, start_s, end_s = _span(hot, list(numbers.values()), now_us, began_s, work)
        for source in settings.sources:
            expected, good = 0.0, 0
            for tag in work.over(source.tags):
                expected += (end_s - start_s) / (tag.every_s or source.every_s)
                if tag.name in numbers:
                    rows = hot.rollup(numbers[tag.name], span_s, start_s)
                    good += sum(row.good for row in rows if row.t_s < end_s)
            n = round(expected)
            if n < 10 * len(source.tags):
                words = _("too little time on record")
                yield Check("coverage", CANNOT_TELL, None, COVERAGE_LINES[0], n, words, source.name)
                continue
            share = good / expected
            word = PASS if share >= COVERAGE_LINES[0] else WARN if share >= COVERAGE_LINES[1] else FAIL
            words = _("{share} % of the expected samples came and were good").format(share=number_text(100 * share))
            yield Check("coverage", word, share, COVERAGE_LINES[0], n, words, source.name)


def _span(hot: Any, numbers: Sequence[int], now_us: int, began_s: int, work: Work) -> tuple[int, int, int]:
    """(rollup span, start, end) [s] of the time on record: whole hours of a week, or whole minutes of a young store.

    What lies before `began_s`, when the daemon first ran, was brought in from elsewhere: it says nothing of us.
    """
    now_s = now_us // 1_000_000
    for span_s in (3600, 60):
        since = max(now_s - COVERAGE_DAYS * 86_400, began_s // span_s * span_s)
        firsts = [rows[0].t_s for number in work.over(numbers) if (rows := hot.rollup(number, span_s, since))]
        # the first bucket is not whole: recording began somewhere in it
        start_s, end_s = min(firsts, default=now_s) + span_s, now_s // span_s * span_s
        if end_s - start_s >= 2 * span_s:
            return span_s, start_s, end_s
    return 60, now_s, now_s


def stale_tags(state: State, settings: Settings, now_us: int) -> Check:
    """Tags whose latest sample is older than three poll periods (at least 3 s), or that never came."""
    from monitor.historian.reader import HotReader

    hot = HotReader(state.hot)
    newest_ms = hot.newest_ms()
    n = len(settings.tags)
    if newest_ms is None or not n:
        return Check("stale_tags", CANNOT_TELL, None, 0.0, n, _("nothing was recorded yet"))
    latest = hot.latest()
    by_name = {row.name: latest.get(number) for number, row in hot.tags().items()}
    as_of_us = min(now_us, newest_ms * 1000)  # a store that stands still is the daemon's matter, told by its own word
    every = {tag.number: tag.every_s or source.every_s for source in settings.sources for tag in source.tags}

    def is_stale(tag: Tag) -> bool:
        sample = by_name.get(tag.name)
        limit_s = max(3 * every.get(tag.number, 60.0), 3.0)
        return (
            sample is None
            or bool(sample.reasons & (Reason.STALE | Reason.COMMS))
            or as_of_us - sample.receive_us > limit_s * 1e6
        )

    stale = [tag.name for tag in settings.tags if is_stale(tag)]
    word = PASS if not stale else FAIL if len(stale) > STALE_FAIL * n else WARN
    words = _("{share} tags are stale").format(share=share_text(len(stale), n))
    words += (": " + clean(", ".join(stale[:5]), 120)) if stale else ""
    return Check("stale_tags", word, float(len(stale)), 0.0, n, words)


def mass_balance(state: State, settings: Settings, now_us: int) -> Iterator[Check]:
    """Each meter whose `duty` names that of pumps of its site, against the sum of those pumps, by the hour."""
    import numpy as np

    from models.drift.meter import mass_balance as balance
    from monitor.historian.history import wide

    end_us = now_us // HOUR_US * HOUR_US
    start_us = end_us - BALANCE_DAYS * DAY_US

    def flow(asset: Asset) -> "np.ndarray":
        values, share = wide(state, settings, asset.id, start_us, end_us, 3600)
        if "flow" not in values:
            return np.full(len(values), np.nan)
        return values["flow"].where(share["flow"] >= 0.9).to_numpy(float)

    found = False
    for meter in settings.assets:
        pumps = [a for a in settings.assets if a.kind == "pump" and a.site == meter.site and a.duty == meter.duty]
        pumps = [a for a in pumps if settings.tags_of(a.id)]
        if meter.kind != "meter" or not meter.duty or not pumps:
            continue
        found = True
        estimated = [p.id for p in pumps if not any(t.quantity == "flow" and not t.estimated
                                                    for t in settings.tags_of(p.id))]  # fmt: skip
        if estimated:
            words = _("{pumps}: flow is computed in the device, so it proves nothing about a meter").format(
                pumps=clean(", ".join(estimated), 60)
            )
            yield Check("mass_balance", CANNOT_TELL, None, None, 0, words, meter.id)
            continue
        result = balance(np.sum([flow(pump) for pump in pumps], axis=0), flow(meter))
        if result.value is None:
            words = _("too few whole hours in which all of them were read")
        else:
            words = _("meter against the sum of its pumps: {value} % [{low}, {high}]").format(
                value=number_text(result.value, 2), low=number_text(result.low, 2), high=number_text(result.high, 2)
            )
        yield Check("mass_balance", result.word, result.value, result.threshold, result.n, words, meter.id)
    if not found:
        words = _("no meter says which pumps it measures; give it the pumps' duty in site.toml")
        yield Check("mass_balance", CANNOT_TELL, None, None, 0, words)


def input_shift(state: State, settings: Settings, now_us: int) -> Iterator[Check]:
    """Do the inputs of each model still look like its reference? Worst quantity per pump, by PSI and KS together.

    Of those that fail, one that is set from outside comes first: a model has not learned what it does there.
    """
    import pandas as pd

    from models.drift.data import ks, psi
    from models.drift.result import SEVERITY
    from models.health.state import STEADY, operating_state
    from monitor.historian.history import wide
    from monitor.learning import ModelDamaged, load
    from monitor.words import parse_utc

    def steady(asset: Asset, model: Any, start_us: int, end_us: int) -> "pd.DataFrame":
        values, _share = wide(state, settings, asset.id, start_us, end_us, model.every_s)
        return values[(operating_state(values, model.rated, model.every_s) == STEADY).to_numpy()]

    for asset in settings.assets:
        if asset.kind == "meter":  # what it learned are accounts and neighbours, in a file of another form
            continue
        try:
            model = load(state, asset.id)
        except ModelDamaged as fault:
            yield Check("input_shift", FAIL, None, None, 0, clean(fault), asset.id)
            continue
        if model is None:
            continue
        step_us = round(model.every_s * 1e6)
        learned_to = parse_utc(model.card["window_end"]) + step_us
        reference = steady(asset, model, parse_utc(model.card["window_start"]), learned_to)
        end_us = now_us // step_us * step_us
        current = steady(asset, model, max(learned_to, end_us - INPUT_DAYS * DAY_US), end_us)
        apart = ROWS_PER_INDEPENDENT if model.every_s <= 60 else 1
        told: list[tuple[str, Result]] = []
        inputs = {*model.eyes.inputs, *FROM_OUTSIDE} if STEADY in model.detectors else set()
        for name in sorted(inputs):
            if name in reference and name in current:
                one, other = reference[name].to_numpy(float), current[name].to_numpy(float)
                both = (psi(one, other), ks(one, other, apart))
                word = min(both, key=lambda result: SEVERITY.index(result.word)).word
                word = CANNOT_TELL if CANNOT_TELL in {result.word for result in both} else word
                told.append((name, _with_word(both[0], word)))
        if not told:
            yield Check("input_shift", CANNOT_TELL, None, None, 0, _("no rows to compare"), asset.id)
            continue
        name, result = max(
            told, key=lambda one: (SEVERITY.index(one[1].word), one[0] in FROM_OUTSIDE, one[1].value or 0.0)
        )
        words = _("{quantity} moved most since the model was learned: PSI {value}").format(
            quantity=quantity_word(name), value=number_text(result.value, 2)
        )
        if result.word == CANNOT_TELL:
            words = _("too few rows since the model was learned")
        yield Check("input_shift", result.word, result.value, result.threshold, result.n, words, asset.id, name,
                    name in FROM_OUTSIDE)  # fmt: skip


def _with_word(result: "Result", word: str) -> "Result":
    from dataclasses import replace

    return replace(result, word=word)


def vendor_rate(state: State, settings: Settings, now_us: int) -> Iterator[Check]:
    """Alert episodes per pump-year of each vendor: the last quarter beside the year before it."""
    import pandas as pd

    from models.bias.episodes import merge
    from models.drift.vendor import rate_ratio
    from monitor.ledger import entries

    alerts = list(entries(state, ("vendor_alert",)))
    split_us = now_us - QUARTER_DAYS * DAY_US
    for vendor in sorted({asset.vendor for asset in settings.assets if asset.vendor}):
        assets = [asset.id for asset in settings.assets if asset.vendor == vendor]
        mine: list[Record] = [one for one in alerts if one.asset in assets]
        rows = [
            (one.at_us, one.asset, one.component or "", one.data["alert_id"], bool(one.data.get("active", True)))
            for one in mine
        ]
        frame = pd.DataFrame(rows, columns=["at_us", "asset", "component", "alert_id", "active"])
        starts = merge(
            frame, gap_days=settings.review.merge_days, horizon_days=settings.review.horizon_days, origin="vendor"
        )["start_us"]
        first_us = max(min((one.at_us for one in mine), default=now_us), split_us - BEFORE_DAYS * DAY_US)
        before, now = int(((starts >= first_us) & (starts < split_us)).sum()), int((starts >= split_us).sum())
        year_us = 365.25 * DAY_US
        result = rate_ratio(before, max(split_us - first_us, 0) * len(assets) / year_us,
                            now, (now_us - split_us) * len(assets) / year_us)  # fmt: skip
        if result.value is None:
            words = _("{n} alert episodes in all: too few, or too short a time before this quarter").format(n=result.n)
        else:
            words = _("{now} alert episodes this quarter, {before} before: rate x {value} [{low}, {high}]").format(
                now=now, before=before, value=number_text(result.value, 2), low=number_text(result.low, 2),
                high=number_text(result.high, 2),
            )  # fmt: skip
        finite = result.value if result.value is not None and result.value != float("inf") else None
        yield Check("vendor_rate", result.word, finite, result.threshold, result.n, words, vendor)


def by_hand(state: State, settings: Settings, now_us: int) -> Iterator[Check]:
    """Could the plant be run by hand tonight (monitor.readiness)?"""
    for one in readiness.looks(state, settings, now_us):
        yield Check(one.name, one.word, None, None, one.n, one.words, one.subject)


def write(state: State, audit: Audit) -> tuple[dict[str, Path], dict[str, Any]]:
    """Render the audit into reports/ and return its files and the draft of its ledger entry."""
    from monitor.reports import audit as page
    from monitor.reports.document import ledger_text, write_report

    name = "audit_" + audit.audit_id[:19].replace(":", "").replace("-", "")
    files = write_report(page.build(audit, ledger_text(state)), state.reports, name)
    digests = {
        path.relative_to(state.reports).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files.values()
    }
    data = {"audit_id": audit.audit_id, "word": audit.word, "checks": [asdict(one) for one in audit.checks],
            "files": digests}  # fmt: skip
    return files, {"kind": "audit", "data": data, "at_us": audit.at_us, "via": "audit"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`handwheel audit run | list | show`."""
    verbs = parser.add_subparsers(dest="audit_verb", metavar="run|list|show", required=True)
    verbs.add_parser("run", help="run all checks now, write the report and the ledger entry")
    verbs.add_parser("list", help="past audits: when, result, signed or not")
    show = verbs.add_parser("show", help="one audit in full")
    show.add_argument("audit_id", nargs="?", help="as `handwheel audit list` prints it (default: the latest)")


def command(args: argparse.Namespace, settings: Settings, state: State) -> int:
    """`handwheel audit run | list | show`; 0 when it could be done, whatever the result."""
    if settings.simulated:
        print(_("SIMULATED"))
    if args.audit_verb == "run":
        _run_now(state, settings)
        return 0
    from monitor.ledger import entries

    records = list(entries(state, ("audit", "audit_signed")))
    signed = {str(one.data["audit_id"]): one for one in records if one.kind == "audit_signed"}
    audits = {str(one.data["audit_id"]): one for one in records if one.kind == "audit"}
    if args.audit_verb == "list":
        if not audits:
            print(_("drift audit: none yet"))
        for name, one in audits.items():
            mark = _("signed by {role}").format(role=signed[name].role) if name in signed else _("not signed")
            print(f"{name}  {one.data['word']:<11}  {mark}")
        return 0
    wanted = args.audit_id or next(reversed(audits), None)
    if wanted not in audits:
        raise UserError(f"audit show: no audit {clean(wanted or '', 40)!r}; see `handwheel audit list`")
    _print(wanted, str(audits[wanted].data["word"]), audits[wanted].data["checks"])
    return 0


def _run_now(state: State, settings: Settings) -> None:
    """Through the daemon where one runs, for it alone writes the ledger; else under the lock."""
    from monitor.command_socket import obtain
    from monitor.ledger import open_ledger
    from monitor.lock import hold_lock, lock_is_free

    if lock_is_free(state) is False:
        reply = obtain(state, "run_job", {"job": "drift_audit"}, JOB_TIMEOUT_S)
        print(clean(reply.get("words", _("asked of the daemon; see `handwheel audit list`"))))
        return
    state.make()
    with hold_lock(state):
        audit = run(state, settings, time.time_ns() // 1000, on_terminal())
        files, draft = write(state, audit)
        ledger = open_ledger(state)
        try:
            ledger.append_many([draft])
        finally:
            ledger.close()
    _print(audit.audit_id, audit.word, [asdict(one) for one in audit.checks])
    for path in files.values():
        print(path)


def _print(name: str, word: str, checks: Sequence[Mapping[str, Any]]) -> None:
    print(f"{name}  {word}")
    for one in checks:
        print(f"  {one['word']:<11}  {one['name']:<12}  {one['subject'] or '-':<14}  n={one['n']:<8}  {one['words']}")
