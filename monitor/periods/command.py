"""`handwheel import period`: a journal that lies elsewhere is shown, and then taken in by role.

The daemon takes the journals of its own STATE in by itself when they have ended. One of another machine has another
clock: how far that was off is asked, or said to be unknown, and then each sample says that its time is in doubt.
"""

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from drivers.errors import UserError
from monitor.periods.entries import OWN, UNKNOWN, known_of, off_s, tag_doubts
from monitor.periods.folder import in_order
from monitor.periods.journal import journal_of, raw_of
from monitor.periods.named import named_tags
from monitor.periods.period import Period, period_of
from monitor.periods.taking import CLOCK_OFF, JOURNAL, settle
from monitor.reports.debrief_words import doubt_words, sort_word, span_words
from monitor.state import State, atomic_write
from monitor.words import _, clean, local_text, utc_text

if TYPE_CHECKING:
    from monitor.plant import Settings


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """0 when all of it is in the ledger, 1 when nobody agreed or something cannot be read."""
    from monitor.ledger.through import allowed_role

    path = Path(args.file)
    if path.is_dir() and path.resolve() in (state.root.resolve(), state.manual.resolve(), state.journal.resolve()):
        return _own(args, settings, state)
    allowed_role("import", settings)
    if args.clock_off is not None:
        _off(str(args.clock_off))
    faults = 0
    for one in _journals(path):
        faults += _bring(one, args, settings, state)
    return 1 if faults else 0


def _journals(path: Path) -> Iterator[Path]:
    """The files that are meant: one, or those of a folder: of a state, or of a stick."""
    if not path.is_dir():
        yield path
        return
    for folder in (path / "manual" / "journal", path / "handwheel-journal", path / "journal", path):
        if found := in_order(folder, time.time_ns() // 1000):
            yield from found
            return
    raise UserError(_("{folder}: no journal lies there (*.jsonl in manual/journal)").format(folder=clean(path)))


def _own(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """The journals of this STATE, which the daemon takes in by itself: now, instead of within a minute."""
    from monitor.command_socket import obtain
    from monitor.ledger import open_ledger
    from monitor.ledger.through import allowed_role
    from monitor.lock import hold_lock, lock_is_free

    if args.check:
        for path in in_order(state.journal, time.time_ns() // 1000):
            _show(_read(path)[0], settings, state)
        return 0
    if not lock_is_free(state):
        obtain(state, "run_job", {"job": "take_periods"})
        print(_("asked of the daemon; see handwheel jobs, and the reports page"))
        return 0
    allowed_role("import", settings)
    with hold_lock(state.make()):
        ledger = open_ledger(state)
        try:
            for words in settle(state, settings, ledger, time.time_ns() // 1000):
                print(words)
        finally:
            ledger.close()
    return 0


def _read(path: Path) -> tuple[Period, bytes]:
    raw = raw_of(path.absolute())
    return period_of(journal_of(path.name, raw, time.time_ns() // 1000)), raw


def _bring(path: Path, args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """One journal from elsewhere; 1 where it was not taken in."""
    from monitor.ledger import entries
    from monitor.transfer import staging
    from monitor.transfer.bring import hand_over

    period, raw = _read(path)
    _show(period, settings, state)
    known = known_of(entries(state, ("period", "reading"))) if state.ledger.is_file() else known_of(())
    if (record := known.shas.get(period.journal.sha256)) is not None:
        print(_("is in the ledger already, as entry {n}; nothing was entered").format(n=record.n))
        return 0
    if args.check:
        print(_("nothing was brought in"))
        return 0
    own = path.resolve().parent == state.journal.resolve()
    clock_off = OWN if own else _clock_off(args)
    if not args.yes:
        if not sys.stdin.isatty():
            raise UserError(_("import: nobody can be asked here; add --yes. Nothing was brought in"))
        if input(_("It cannot be taken back. Type import: ")).strip() != "import":
            print(_("nothing was brought in"))
            return 1
    if not state.root.is_dir():
        words = _("{folder}: there is no such folder; give --state DIR, or start `handwheel run` once")
        raise UserError(words.format(folder=clean(state.root)))
    state.imports.mkdir(mode=0o2770, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="handwheel-import-", dir=state.imports))
    atomic_write(folder / JOURNAL, raw)
    empty, sha256 = hashlib.sha256(b"").hexdigest(), period.journal.sha256
    start, end = (None if us is None else utc_text(us) for us in (period.start_us, period.end_us))
    facts = staging.Facts(staging.new_id(), "period", clean(path.name, 120), sha256, empty, len(period.readings), 0,
                          sha256, start, end, {}, f"{CLOCK_OFF}{clock_off}")  # fmt: skip
    staging.write_facts(folder, facts)
    print(hand_over(settings, state, folder, facts))
    return 0


def _clock_off(args: argparse.Namespace) -> str:
    """How far the clock of the other machine was ahead, as an entry says it."""
    if args.clock_off is not None:
        return _off(str(args.clock_off))
    if not args.yes and sys.stdin.isatty():
        words = _("How many seconds was the clock of that machine ahead (-: behind)? Enter: not known: ")
        answer = input(words).strip().replace(",", ".")
        if answer:
            return _off(answer)
    print(_("how far the clock of that machine was off is not known: each sample will say so"))
    return UNKNOWN


def _off(text: str) -> str:
    """So many seconds as an entry says them. Raises UserError for what no clock can be off."""
    try:
        return f"{off_s(text):.10g} s"
    except ValueError:
        words = _("import period: {word}: seconds of ten years at most are expected; nothing was brought in")
        raise UserError(words.format(word=clean(text, 20))) from None


def _show(period: Period, settings: "Settings", state: State) -> None:
    """What a journal tells, in lines."""
    zone, journal = ZoneInfo(settings.time_zone), period.journal
    start, end = (local_text(us, zone) for us in (period.start_us, period.end_us))
    sites = ", ".join(clean(site, 20) for site in period.sites) or "-"
    print(f"{journal.name}: {sort_word(period.sort)}  {start} - {end}  {sites}  SHA-256 {journal.sha256[:16]}")
    taken = [one for one in period.readings if not one.taken_back]
    tags = {tag.name for tag in settings.tags}
    words = _("{entries} entries, {runs} runs, {readings} readings, {tagged} of them of a tag of this plant")
    tagged = sum(one.tag in tags for one in taken)
    print("  " + words.format(entries=len(journal.lines), runs=len(period.runs), readings=len(taken), tagged=tagged))
    if period.ended is None:
        print("  " + _("it has not ended: what is added later is taken in then"))
    if (stable := period.minutes_to_stable) is not None:
        print("  " + _("stable by hand after {span}").format(span=span_words(60 * stable)))
    if period.drill:
        print("  " + _("a drill: it brings no sample"))
    for doubt in [*period.doubts, *tag_doubts(period, settings, named_tags(settings, state))][:12]:
        where = "" if doubt.n is None else _("entry {n}").format(n=doubt.n) + ": "
        print(f"  ! {where}{doubt_words(doubt)}")
