"""handwheel-manual: the procedures when the screen is dark. Screen, else line by line, else text files, else paper.

Each rung stands on its own: whatever breaks above it, the next one starts. Also started as `python3
fallback_procedures` (from a USB stick, nothing installed), which is why this file puts its own parent on the path."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

if sys.version_info < (3, 9):  # noqa: UP036 - a person meets whatever the laptop has
    this = f"{sys.version_info[0]}.{sys.version_info[1]}"
    sys.stderr.write(f"handwheel-manual needs Python 3.9 or newer; this is {this}. The pages need none: read them.\n")
    sys.exit(2)
if __package__ in (None, ""):
    sys.path[:0] = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]


def open_streams() -> None:
    """A closed input or output is replaced by nothing: else the journal would be opened as file 1, and printed on."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            try:
                os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            except OSError:
                os.pipe()
        if getattr(sys, name) is None:
            setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))


def give_up_output() -> None:
    """Nobody reads on: what is still to be written goes nowhere, and nothing complains at the end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


def text_files(fault: BaseException, *folders: str) -> int:
    """The last rung before paper, which needs nothing else of ours: why, where the text files lie, page 0. Always 1."""
    here = os.path.dirname(os.path.abspath(__file__))
    beside = os.path.dirname(os.path.dirname(here))  # of a one-file program
    found = [one for one in (os.path.join(here, "library"), os.path.join(beside, "library"),
                             os.path.join(beside, "manual", "binder"), *folders) if os.path.isdir(one)]  # fmt: skip
    why = " ".join(repr(fault).split())[:200]
    lines = [f"The manual failed ({why}).", "Read these text files, or the printed binder:",
             "Lesen Sie diese Textdateien, oder den gedruckten Ordner:",
             "Lisez ces fichiers texte, ou le classeur imprimé :", *dict.fromkeys(found), ""]  # fmt: skip
    lines = ["".join(one if one.isprintable() else "?" for one in line) for line in lines]
    for folder in found:
        try:
            with open(os.path.join(folder, "en", "P-00.txt"), encoding="utf-8", errors="replace") as page:
                lines += page.read(20_000).splitlines()
            break
        except OSError:
            continue
    encoding = sys.stdout.encoding or "ascii"
    try:
        sys.stdout.write("".join(line + "\n" for line in lines).encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except OSError:
        give_up_output()
    return 1


try:
    from fallback_procedures.desk import desk
    from fallback_procedures.library import load
    from fallback_procedures.place import Place, find, look, sites_of
    from fallback_procedures.textpage import ENCODINGS, PAPERS
    from fallback_procedures.triggers import moment
    from fallback_procedures.words import (
        LANGUAGES,
        ROLES,
        _,
        clean,
        encodable,
        harmless,
        language_of_environment,
        speak_its_characters,
        use_language,
    )
except Exception as broken:  # noqa: BLE001 - a damaged file of the program must not hide the pages
    raise SystemExit(text_files(broken)) from None

EPILOG = """\
examples:
  handwheel-manual                     what applies now, and run it step by step
  handwheel-manual --drill             the same as an exercise; every line says DRILL
  handwheel-manual --list              all procedures, those that apply first, with their reason
  handwheel-manual --show P-03         one procedure to read
  handwheel-manual --print P-03        one procedure on paper (or where its file lies)
  handwheel-manual --render STATE      write the binder (PDF and text) below STATE/manual/binder
  handwheel-manual --make-stick DIR    a USB stick that a rescue laptop runs or reads

It needs no daemon, no network and no configuration. Without a state folder it uses the procedures it was shipped with.
"""


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="handwheel-manual",
        description="Procedures for running the plant by hand: which apply now, step by step, on screen and paper.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--state", metavar="DIR", help="the state folder of handwheel (else beside this program, "
                        "/var/lib/handwheel, ./state)")  # fmt: skip
    parser.add_argument(
        "--lang", choices=LANGUAGES, help="language of words and procedures (else that of the terminal)"
    )
    parser.add_argument(
        "--role", choices=ROLES, default="operator", help="your role, stored with each entry (operator)"
    )
    parser.add_argument("--drill", action="store_true", help="an exercise: nothing is declared, every entry says so")
    parser.add_argument("--plain", action="store_true", help="line by line, on any terminal")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="list procedures and forms, and which apply because of what")
    what.add_argument("--show", metavar="ID", help="show one procedure or form")
    what.add_argument("--print", metavar="ID", dest="print_id", help="print one procedure or form, or BINDER: a "
                      "whole set; with --drill a copy that says DRILL on every line")  # fmt: skip
    what.add_argument("--render", metavar="STATE", help="write the binder below STATE/manual/binder")
    what.add_argument("--check", nargs="*", metavar="FILE", help="check files (else the whole library) against "
                      "the format and the writing rules L01-L20")  # fmt: skip
    what.add_argument("--binder-status", action="store_true", help="the printed binder against the current one")
    what.add_argument("--make-stick", metavar="DIR", help="write a USB stick for a rescue laptop: this program as one "
                      "file, library, pages, last values, checksums")  # fmt: skip
    what.add_argument("--check-stick", metavar="DIR", help="whether a stick is whole, signed and up to date")
    what.add_argument("--mark-printed", nargs="*", metavar="MARK", help="say that sets were printed and filed; MARK is "
                      "the fingerprint on the contents page of the paper")  # fmt: skip
    what.add_argument("--identify", metavar="CODE", help="say of the code on a sheet (HW:P-03:...) whether that sheet "
                      "is current")  # fmt: skip
    parser.add_argument(
        "--site", default="", metavar="ID", help="with --show and --print: the site whose values are used"
    )
    parser.add_argument(
        "--printer", default="", metavar="NAME", help="with --print: the printer (else the default one)"
    )
    parser.add_argument("--device", default="", metavar="PATH", help="with --print: write text to this device, a "
                        "thermal or line printer (/dev/usb/lp0, /dev/ttyUSB0)")  # fmt: skip
    parser.add_argument("--encoding", choices=ENCODINGS, default="cp437", help="with --device: what it prints (cp437)")
    parser.add_argument(
        "--width", type=width, default=80, metavar="N", help="with --device: its columns, 32 to 80 (80)"
    )
    parser.add_argument("--paper", choices=sorted(PAPERS), default="", help="with --print and --render: the paper "
                        "(else that of the binder before, a4)")  # fmt: skip
    parser.add_argument("--key", default="", metavar="FINGERPRINT", help="with --check-stick: the key of the ledger, "
                        "as it was kept elsewhere")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="with --list, --binder-status and --identify: as JSON")
    return parser.parse_args(given)


def width(text: str) -> int:
    """The columns of a printer."""
    columns = int(text)
    if not 32 <= columns <= 80:
        raise argparse.ArgumentTypeError("32 to 80")
    return columns


def main(given: list[str] | None = None) -> int:
    """The command line. 0 done, 1 faults found, 2 something a person can mend. A closed pipe ends it quietly."""
    open_streams()
    try:
        code = command(given)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        give_up_output()
        return 0
    except KeyboardInterrupt:
        return 130


def command(given: list[str] | None) -> int:
    """Do what the command line asks."""
    speak_its_characters()
    options = arguments(given)
    use_language(options.lang or language_of_environment())
    wanted = options.lang or language_of_environment()
    place = find(options.render or options.state)
    if options.check is not None:
        from fallback_procedures.lint import check

        return check(options.check, place)
    if options.list:
        return ladder(place, lambda: listing(place, wanted, options))
    if options.show:
        return ladder(place, lambda: one(place, wanted, options))
    if options.print_id:
        return ladder(place, lambda: on_paper(place, wanted, options))
    if options.identify:
        return sheet_in_hand(place, options)
    if options.render or options.binder_status or options.mark_printed is not None:
        return binder(place, options)
    if options.make_stick or options.check_stick:
        return stick(place, options)
    return ladder(place, lambda: front_end(place, wanted, options))


def tell(*lines: str) -> None:
    """Lines to standard output in an encoding it can show; no character of a foreign name moves a cursor."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        sys.stdout.write("".join(encodable(harmless(line), encoding) + "\n" for line in lines))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as fault:  # a full disk behind it, or a file that is open for reading only
        give_up_output()
        raise SystemExit(refuse(_("nothing can be written here ({why})").format(why=fault.strerror))) from None


def refuse(text: object) -> int:
    """One line for what a person can mend."""
    sys.stderr.write(encodable(harmless(f"handwheel-manual: {text}"), sys.stderr.encoding or "ascii") + "\n")
    return 2


def ladder(place: Place, rung: Callable[[], int]) -> int:
    """What an operator asked for; where it fails, down to the text files."""
    try:
        return rung()
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as fault:  # noqa: BLE001 - the last step down: where the text files lie
        own = [str(place.manual / name) for name in ("procedures", "binder")] if place.manual else []
        return text_files(fault, *own)


def front_end(place: Place, wanted: str, options: argparse.Namespace) -> int:
    """The full screen where the terminal carries it, else line by line; on a stick a question comes first."""
    if place.stick and not settled(place, options):
        return 0
    if not options.plain and full_screen():
        try:
            from fallback_procedures.screen import run_screen

            return run_screen(place, wanted, options.role, options.drill)
        except Exception as fault:  # noqa: BLE001 - whatever broke the screen must not stop the manual
            sys.stdout.write("\x1b[?1049l\x1b[?1003l\x1b[?1006l\x1b[?25h\n")
            tell(
                _("The full screen failed ({why}); line by line instead.").format(why=clean(fault or type(fault), 100))
            )
    from fallback_procedures.board import margin
    from fallback_procedures.console import Console
    from fallback_procedures.seat import Seat
    from fallback_procedures.terminal import Gone, Terminal

    try:
        terminal = Terminal()
        terminal.margin = margin(options.drill)
        terminal.say(_("handwheel manual - line by line. ? helps, q leaves."))  # at once, before all is read
        library = load(place.manual, (wanted,))
        seat = Seat(place, library, desk(place.journal, moment(), options.role, options.drill))
        return Console(seat, terminal).work()
    except Gone:
        try:
            sys.stdout.flush()
        except OSError:
            give_up_output()
        return 0


def settled(place: Place, options: argparse.Namespace) -> bool:
    """Whether the person has said of each period that is open on this stick whose it is, and stays."""
    from fallback_procedures.found import settle
    from fallback_procedures.terminal import Gone, Terminal

    try:
        return settle(place, Terminal(), options.drill)
    except Gone:
        return False


def full_screen() -> bool:
    """Whether this terminal carries the Textual screen: none of the old ones, UTF-8 or ASCII, large enough."""
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        return False
    if os.environ.get("TERM", "") in ("", "dumb", "unknown") or os.environ["TERM"].startswith(("vt", "ansi", "tty")):
        return False
    if (sys.stdout.encoding or "").lower().replace("-", "") not in ("utf8", "ascii"):
        return False
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        return False
    return size.columns >= 80 and size.lines >= 24


def listing(place: Place, wanted: str, options: argparse.Namespace) -> int:
    """All procedures and forms, those that apply first."""
    library = load(place.manual, (wanted,))
    seen = look(place, library, desk(place.journal, moment(), options.role, options.drill), wanted)
    reasons = {offer.id: [one for one in seen.offers if one.id == offer.id] for offer in seen.offers}
    rows = []
    for name in [*library.ids(), *library.ids("F")]:
        entry = library.get(name, wanted)
        if entry is None:
            continue
        procedure, why = entry.procedure, reasons.get(name, [])
        rows.append({
            "id": name, "title": entry.title, "kind": "form" if name.startswith("F") else "procedure",
            "language": entry.language, "origin": entry.origin, "path": str(entry.path),
            "revision": procedure.revision if procedure else None, "effective": procedure.effective if procedure else
            None, "approved": bool(procedure and procedure.approved), "steps": len(procedure.steps) if procedure else
            0, "translation": procedure.translation if procedure else "", "faults": [{"line": fault.line, "text":
            fault.text} for fault in entry.faults], "applies": bool(why), "sites": [offer.site for offer in why] if
            why else sites_of(library, seen.known, name), "because": why[0].because if why else "", "by_hand":
            bool(procedure and procedure.moves_the_plant),
        })  # fmt: skip
    rows.sort(key=lambda row: not row["applies"])
    if options.json:
        period = seen.period
        tell(json.dumps({
            "format": 1,
            "situation": {"word": seen.known.word, "text": seen.known.text, "age_s": seen.known.age_s},
            "period": {"journal": period.name, "drill": period.drill, "declared": period.declared,
                       "by": period.declared_by,
                       "since": period.since.get("at"), "sites": list(period.sites)} if period.entries else None,
            "procedures": rows,
            "notes": [note for note in (place.note, *library.notes) if note],
        }, ensure_ascii=False))  # fmt: skip
        return 0
    from fallback_procedures.found import found, found_text

    notes = [*(found_text(one) for one in found(place, options.drill)), place.note, *library.notes]
    tell(seen.known.text, *(f"! {note}" for note in notes if note))
    for row in rows:
        state = _("FAULTY") if row["faults"] else "" if row["approved"] else _("DRAFT")
        marked = "" if row["language"] == wanted else f" [{row['language']}]"
        tell(f"{'*' if row['applies'] else ' '} {row['id']:<5} {row['title']}{marked}  {state}".rstrip())
        if row["because"]:
            tell("        " + _("because {why}").format(why=row["because"]))
    return 0


def one(place: Place, wanted: str, options: argparse.Namespace) -> int:
    """Show one procedure or form."""
    from fallback_procedures.view import document_lines

    library, name = load(place.manual, (wanted,)), options.show.upper()
    entry = library.get(name, wanted)
    if entry is None:
        return refuse(_("there is no {id}; --list shows what there is").format(id=clean(name, 20)))
    if entry.procedure is None:
        tell(_("This file has faults and cannot be run; it is shown as it is:"))
        tell(*("! " + _("line {n}: {text}").format(n=fault.line, text=fault.text) for fault in entry.faults))
        tell(*(clean(line, 200) for line in entry.text.splitlines()))
        return 1
    known = sites_of(
        library, look(place, library, desk(place.journal, moment(), "operator", False), wanted).known, name
    )
    site = options.site or (known[0] if len(known) == 1 else "")
    tell(*document_lines(entry.procedure, library.sheet(site), 79, wanted))
    return 0


def on_paper(place: Place, wanted: str, options: argparse.Namespace) -> int:
    """Print one procedure or form, or BINDER; 1 where it cannot be said that it was printed."""
    from fallback_procedures.binder import Unprintable
    from fallback_procedures.copies import Wanted, WhichSite, print_one

    how = Wanted(options.printer, options.device, options.encoding, options.width, options.drill, options.paper)
    library, name, site = load(place.manual), options.print_id.upper(), options.site
    try:
        try:
            sent = print_one(place, library, name, site, wanted, how)
        except WhichSite as which:
            if not (sys.stdin.isatty() and sys.stdout.isatty()):
                raise
            tell(_("Which site ({sites})?").format(sites=" ".join(which.sites)))
            site = clean(sys.stdin.readline(200), 40).strip()
            if not site:
                raise
            sent = print_one(place, library, name, site, wanted, how)
    except Unprintable as fault:
        return refuse(fault)
    tell(*sent.lines)
    return 1 if sent.word in ("queued", "refused") else 0


def sheet_in_hand(place: Place, options: argparse.Namespace) -> int:
    """Say whether the sheet that bears a code is current. 0 it is, 1 it is not or is unknown, 2 no code."""
    from fallback_procedures.shelf import identify

    word, said = identify(place, load(place.manual), options.identify)
    if word == "no code":
        return refuse(said)
    tell(json.dumps({"format": 1, "state": word, "text": said}, ensure_ascii=False) if options.json else said)
    return 0 if word == "current" else 1


def binder(place: Place, options: argparse.Namespace) -> int:
    """Render the binder, tell its state, or mark sets of it as printed."""
    from fallback_procedures.binder import Unprintable, ours_alone, render
    from fallback_procedures.shelf import keep_standing, mark_printed, status, status_lines

    library = load(place.manual)
    if place.stick and not options.binder_status:
        return refuse(_("this is a stick: render and mark on the machine it was made by"))
    try:
        if options.render:
            ours_alone(place)
            record = render(place, library, time.time(), options.paper)
            keep_standing(place, library, time.time())
            tell(_("binder {mark}: {n} sections below {path}").format(
                mark=record["fingerprint"], n=len(record["sections"]), path=place.binder))  # fmt: skip
            if not record["pdf"]:
                tell(_("typst is not installed: text pages only"))
            return 0
        if options.mark_printed is not None:
            mark_printed(place, options.mark_printed, options.role, time.time())
            keep_standing(place, library, time.time())
    except Unprintable as fault:
        return refuse(fault)
    told = status(place, library, time.time())
    tell(*([json.dumps(told, ensure_ascii=False)] if options.json else status_lines(place, told)))
    return 0


def stick(place: Place, options: argparse.Namespace) -> int:
    """Make a stick, or look at one."""
    from fallback_procedures.stick import make
    from fallback_procedures.stick_check import Unmade, check

    try:
        if options.make_stick:
            tell(*make(place, Path(options.make_stick), options.role, time.time()))
            return 0
        code, lines = check(Path(options.check_stick), place, options.key)
    except Unmade as fault:
        return refuse(fault)
    tell(*lines)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
