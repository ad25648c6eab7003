"""What stands on the shelf against what is current: which sheets to print again, and what a sheet in the hand is.

A set is known by the mark on its contents page. Whoever files a set names the mark that stands on the paper, so that a
binder rendered between printing and filing is never claimed as printed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict
from typing import Any

from fallback_procedures.binder import ONCE, PRINTED, Unprintable, folder_of, read_record, record_of, write_record
from fallback_procedures.contents import gaps_page
from fallback_procedures.drills import Due, due, due_lines, history
from fallback_procedures.library import Library
from fallback_procedures.limits import missing_safety
from fallback_procedures.place import Place
from fallback_procedures.sets import Plant, Section, fingerprint, section_pages, sections, sets, sites
from fallback_procedures.words import _, clean, harmless, speaking, utc_text

_CODE = re.compile(r"HW:(P-[0-9]{2}|F[0-9]{1,2}):r([0-9]{1,6}):([0-9]{4}-[0-9]{2}-[0-9]{2}):([0-9a-f]{8})")
_SET_CODE = re.compile(r"HW:(BINDER|GAPS):([\w.-]{1,40}):([a-z]{2}):([0-9a-f]{8})")
_MARK = re.compile(r"[0-9a-f]{8}")


def status(place: Place, library: Library, now_s: float) -> dict[str, Any]:
    """What is rendered, what was marked as printed and what is current; per station which sheets to print again.

    A station is covered when one of its sets is on the shelf and none on the shelf is out of date. Drills that are due
    are told with it: `now_s` since 1970. [s]
    """
    found = sections(place, library)
    rendered, printed = record_of(place), read_record(place, PRINTED)
    stations = [_station(mine, printed) for mine in sets(found)]
    drills = history(place.journal, place.manual)
    mark = fingerprint(found)
    known = sorted({site.id for site in sites(place, library).sites} | set(library.sheets))
    return {
        "format": 2,
        "current": mark,
        "rendered": rendered.get("fingerprint"),
        "rendered_at": rendered.get("made"),
        "printed": _on_the_shelf(stations, mark),
        "printed_at": printed.get("at"),
        "printed_by": printed.get("role"),
        "sets": stations,
        "reprint": sorted(stem for one in stations for stem in one["reprint"]),
        "render_again": _differing(found, rendered.get("sections")),
        "drills": [asdict(row) for row in due(drills, known, now_s, library)],
        "missing_values": sorted(
            {name for section in found for name in missing_safety(section.procedure, section.sheet)}
        ),
        "drafts": sorted({section.procedure.id for section in found if not section.procedure.approved}),
        "untranslated": sorted(f"{one.language}/{one.procedure.id}" for one in found
                               if one.procedure.language != one.language),
        "unreviewed": sorted({f"{one.language}/{one.procedure.id}" for one in found
                              if one.procedure.unreviewed_translation}),
    }  # fmt: skip


def _station(mine: list[Section], printed: dict[str, Any]) -> dict[str, Any]:
    """One set: current, out of date or never printed, and which of its files to print again."""
    site, one = mine[0].site, mine[0].language
    held = _table(printed, "sets").get(f"{one}/{site or 'any'}")
    held = held if isinstance(held, dict) else {}
    had = _table(held, "sections")
    current = fingerprint(mine)
    reprint = [section.stem for section in mine if had.get(section.stem) != section.sha256] if held else []
    gone = sorted(stem for stem in had if stem not in {section.stem for section in mine})
    state = "never" if not held else "current" if held.get("mark") == current else "out of date"
    return {"site": site, "language": one, "current": current, "printed": held.get("mark"), "state": state,
            "at": held.get("at"), "role": held.get("role"), "reprint": reprint, "remove": gone}  # fmt: skip


def _on_the_shelf(stations: list[dict[str, Any]], mark: str) -> str | None:
    """The mark of all that is on the shelf: the current one where every station is covered; None where nothing is."""
    held = [one for one in stations if one["state"] != "never"]
    if not held:
        return None
    covered = {one["site"] for one in held} == {one["site"] for one in stations}
    if covered and all(one["state"] == "current" for one in held):
        return mark
    return hashlib.sha256(" ".join(sorted(str(one["printed"]) for one in held)).encode()).hexdigest()[:8]


def _table(record: dict[str, Any], name: str) -> dict[str, Any]:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _differing(found: list[Section], rows: object) -> list[str]:
    had = (
        {row.get("file"): row.get("sha256") for row in rows if isinstance(row, dict)} if isinstance(rows, list) else {}
    )
    return sorted(section.stem for section in found if had.get(section.stem) != section.sha256)


def status_lines(place: Place, told: dict[str, Any]) -> list[str]:
    """The binder's state in words, set by set, and the drills that are due."""
    never = _("never")
    lines = [
        _("current  {mark}").format(mark=told["current"]),
        _("rendered {mark}  {at}").format(mark=told["rendered"] or never, at=told["rendered_at"] or ""),
        _("printed  {mark}  {at}").format(mark=told["printed"] or never, at=told["printed_at"] or ""),
    ]
    if told["printed"] == told["current"]:
        lines.append(_("The printed binder is current."))
    for one in told["sets"]:
        name = " ".join((one["site"] or _("any"), one["language"]))
        if one["state"] == "current":
            lines.append(f"  {name}  {one['current']}  " + _("on the shelf, current"))
        elif one["state"] == "out of date":
            shown = [stem.rsplit("/", 1)[1] for stem in one["reprint"]]
            names = " ".join([_("contents page"), *shown[:12]]) + (" ..." if len(shown) > 12 else "")
            lines.append(f"  {name}  " + _("REPRINT ({n}): {names}").format(n=len(shown) + 1, names=names))
            if one["remove"]:
                gone = " ".join(stem.rsplit("/", 1)[1] for stem in one["remove"][:12])
                lines.append("      " + _("take out: {names}").format(names=gone))
        else:
            lines.append(f"  {name}  {one['current']}  " + _("never printed"))
    folder = folder_of(place)
    if folder:
        lines.append(_("files: {path}").format(path=folder))
    drills = due_lines([Due(**row) for row in told["drills"]])
    lines += [_("DRILLS"), *("  " + line for line in drills)] if drills else []
    return [harmless(line) for line in lines]  # the records may be written by anybody of the group


def mark_printed(place: Place, marks: list[str], role: str, now_s: float) -> dict[str, Any]:
    """A person has filed sets; each is named by the mark on its contents page. Raises Unprintable."""
    known = read_record(place, ONCE)
    if place.binder is None or not known:
        raise Unprintable(_("no binder is rendered here; first: handwheel-manual --render STATE"))
    if not marks:
        raise Unprintable(_("which set was filed? name the fingerprint that stands on its contents page: "
                            "handwheel-manual --mark-printed 1a2b3c4d"))  # fmt: skip
    record = read_record(place, PRINTED)
    held = _table(record, "sets")
    at = utc_text(now_s)
    for mark in (clean(one, 40).strip().lower() for one in marks):
        told = known.get(mark) if _MARK.fullmatch(mark) else None
        if not isinstance(told, dict):
            raise Unprintable(_("no set with the fingerprint {mark} was rendered here; it stands on the contents page "
                                "of the paper").format(mark=mark))  # fmt: skip
        held[f"{told['language']}/{told['site'] or 'any'}"] = {
            "mark": mark, "site": told["site"], "language": told["language"], "at": at, "role": role,
            "sections": told["sections"],
        }  # fmt: skip
    record = {"format": 2, "at": at, "role": role, "sets": held}
    write_record(place, PRINTED, record)
    return record


def keep_standing(place: Place, library: Library, now_s: float) -> None:
    """Write beside the printed sets the mark of all that is on the shelf, for those who only compare two marks."""
    record = read_record(place, PRINTED)
    if record:
        mark = status(place, library, now_s)["printed"]
        if record.get("fingerprint") != mark:
            write_record(place, PRINTED, {**record, "fingerprint": mark})


# -- a sheet in the hand ---


def identify(place: Place, library: Library, code: str) -> tuple[str, str]:
    """(current, out of date, unknown or no code; what to say) for the code on a sheet, read or typed. Offline."""
    code = clean(code, 100).strip()
    found, of_set = _CODE.fullmatch(code), _SET_CODE.fullmatch(code)
    if not found and not of_set:
        return "no code", _("this is no code of a sheet; it looks like HW:P-03:r7:2026-09-02:1a2b3c4d")
    current = _codes(place, library)
    known = read_record(place, ONCE).values()
    if code in current:
        return "current", _("CURRENT: {what}").format(what="; ".join(current[code]))
    once = next((one for one in known if isinstance(one, dict) and code in one.get("codes", [])), None)
    name = found.group(1) if found else of_set.group(1) if of_set else ""
    instead = sorted(one for one in current if one.startswith(f"HW:{name}:"))
    shown = ", ".join(instead[:6]) or "-"
    if once:
        told = _("OUT OF DATE: rendered {at} for {site}; current is {codes}")
        return "out of date", told.format(at=clean(once.get("made"), 30), site=clean(once.get("site"), 40) or _("any"),
                                          codes=shown)  # fmt: skip
    if not instead:
        return "unknown", _("UNKNOWN: there is no {id} here").format(id=name)
    newest = max((int(old.group(2)), old.group(3)) for old in map(_CODE.fullmatch, instead) if old) if found else None
    if found and newest and (int(found.group(2)), found.group(3)) < newest:
        return "out of date", _("OUT OF DATE: an older revision; current is {codes}").format(codes=shown)
    return "unknown", _("UNKNOWN: no sheet with this hash was rendered here; current is {codes}").format(codes=shown)


def _codes(place: Place, library: Library) -> dict[str, list[str]]:
    """The code of every sheet that is current, with the stations it stands in."""
    told: dict[str, list[str]] = {}
    plant = Plant(False, "", ())
    for mine in sets(sections(place, library)):
        with speaking(mine[0].language):
            for section in mine:
                for page in section_pages(section, 0.0, plant):
                    told.setdefault(page["qr"], []).append(f"{section.stem} {page['title']}")
            told.setdefault(f"HW:BINDER:{mine[0].site or 'any'}:{mine[0].language}:{fingerprint(mine)}", []).append(
                f"{mine[0].language}/{mine[0].site or 'any'}")  # fmt: skip
            told.setdefault(gaps_page(mine, library, 0.0, plant)["qr"], []).append(_("What is missing"))
    return told
