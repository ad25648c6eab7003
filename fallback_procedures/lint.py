"""The writing rules for procedures (after DOE-STD-1029-92 and PPA AP-907-005), as far as a text can show them.

The parser has refused what cannot be understood; here stands what could be misunderstood by a tired person. Rules
L04, L13, L17, L18 and L20 are kept by the page (paper.py, page.typ); L02 needs the plant's labels, which come from
the sheets. H1 and H2 are of this house: nothing that moves the plant is offered before CONTROL LOST, and nothing
orders what hurts.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fallback_procedures.library import Entry, Library, load, read_entry
from fallback_procedures.place import Place
from fallback_procedures.procedure import TEXT_UNITS, Procedure, Step
from fallback_procedures.words import encodable

VERBS = {
    "en": "add agree announce assign calculate call check close compare count drain evacuate isolate leave lock "
    "measure notify observe open prime read record release remove reset sample select set sign start stop "
    "switch tag test vent verify wait",
    "fr": "ajouter amorcer annoncer appeler arrêter attendre attribuer calculer choisir comparer compter condamner "
    "contrôler convenir couper démarrer fermer lever lire mesurer mettre noter observer ouvrir prélever "
    "prévenir purger quitter relever retirer régler signer sélectionner tester vidanger vérifier évacuer",
    "de": "benachrichtige beobachte berechne bestimme entlüfte entnimm gib halte kündige leere lies melde miss nimm "
    "notiere prüfe ruf rufe räume schalte schließe setze sperre starte stelle stoppe teile teste trage "
    "vereinbare vergleiche verlass verlasse warte wähle zähle öffne",
}
AND = {"en": r"and|then", "fr": r"et|puis", "de": r"und|dann"}
RECORDING = {
    "en": "read measure calculate count",
    "fr": "lire mesurer calculer compter relever",
    "de": "lies miss berechne zähle",
}
CALCULATING = ("calculate", "calculer", "berechne")
VAGUE = {
    "en": r"etc\.|approximately|roughly|as required|if necessary|as needed",
    "fr": r"etc\.|environ|à peu près|si nécessaire|au besoin",
    "de": r"usw\.|ungefähr|etwa|ca\.|bei Bedarf|falls nötig",
}
NEGATIVE = {"en": r"not|no|never", "fr": r"ne|n'\w+|pas|jamais", "de": r"nicht|kein\w*|nie"}
ONE_OF = {"en": "one of the following", "fr": "une des actions suivantes", "de": "eine der folgenden"}
HURTS = {
    "en": r"\b(enter|climb into|climb onto|step into)\b|\bopen\b.*\b(hatch|cover|manhole|tank lid)\b"
    r"|\bremove\b.*\b(lock|tag|guard|padlock)\b|\b(push|press)\b.*\bcontactor\b",
    "fr": r"\b(entrer|descendre|grimper)\b|\bouvrir\b.*\b(trappe|capot|regard|couvercle)\b"
    r"|\b(retirer|enlever|ôter)\b.*\b(cadenas|étiquette|protecteur)\b|\b(pousser|enfoncer)\b.*\bcontacteur\b",
    "de": r"\b(betritt|steige|klettere)\b|\böffne\b.*\b(luke|deckel|klappe|schacht)\b"
    r"|\b(entferne|nimm)\b.*\b(schloss|schild|sperre|abdeckung)\b|\bdrücke\b.*\bschütz\b",
}
SHORT = {
    "HAND", "LOCAL", "AUTO", "LOST", "CONTROL", "SCADA", "DPD", "UTC", "HOLD", "PLC", "UV", "IF", "THEN", "WHEN",
    "WHILE", "GO", "TO", "REFER", "ACK", "MANU",
}  # fmt: skip
STEP_LINES = 44  # a step with its warnings stands on one page


class Finding(NamedTuple):
    """A rule that a line breaks."""

    line: int
    rule: str
    text: str


def findings(procedure: Procedure, known: frozenset[str] = frozenset()) -> list[Finding]:
    """All rules this procedure breaks. `known`: the ids there are, for L15; without them it is not checked."""
    found: list[Finding] = []
    for step in procedure.steps:
        found += _step(step, procedure.language)
    found += _ends(procedure)
    by_hand = procedure.moves_the_plant
    if by_hand and any(one.condition not in ("control_lost", "seen") for one in procedure.applies):
        found.append(Finding(1, "H1", "it speaks of HAND or LOCAL, so APPLIES may only say control_lost or seen"))
    referred = {target.document for step in procedure.steps for target in step.targets if target.document}
    for name in sorted({*referred, *procedure.forms} - known) if known else ():
        found.append(Finding(1, "L15", f"{name} is referred to and is not in the library"))
    told = " ".join(
        [procedure.hand_back, *(step.text + " " + step.if_not + " " + step.expect for step in procedure.steps)]
    )
    for name in sorted(set(re.findall(r"\bF\d{1,2}\b", told)) - set(procedure.forms)):
        found.append(Finding(1, "L15", f"{name} is used and does not stand under FORMS"))
    return sorted(found)


def _first(text: str) -> str:
    return re.sub(r"[^\w'-]", "", text.split(" ", 1)[0]).lower() if text else ""


def _step(step: Step, language: str) -> Iterator[Finding]:
    verbs = set(VERBS[language].split())
    action = step.branch.action if step.branch else step.text
    if _first(action) not in verbs and not action.startswith(("GO TO", "REFER TO")):
        yield Finding(step.line, "L01", f"{_first(action)!r} is no approved verb to begin a step with")
    more = re.search(rf"\b(?:{AND[language]}) (\w+)", action)
    if (more and more.group(1).lower() in verbs) or any(
        _first(part) in verbs for part in re.split(r"[.;] +", action)[1:]
    ):
        yield Finding(step.line, "L01", "one action per step")
    for notice in step.notices:
        if _first(notice.text) in verbs:
            yield Finding(notice.line, "L03", f"a {notice.kind} tells what is, it orders nothing")
    block = 3 + sum(1 + len(one.text) // 75 for one in step.notices) + 2 * len(step.readings) + len(step.text) // 55
    if block > STEP_LINES:
        yield Finding(step.line, "L04", "the step and its warnings do not fit on one page")
    if step.branch and re.search(rf"\b({NEGATIVE[language]})\b", step.branch.condition):
        yield Finding(step.line, "L05", "a condition says what is, without not")
    if ONE_OF[language] in step.text.lower():
        yield Finding(step.line, "L06", "alternatives are steps a, b, c, each with its box")
    if re.search(r"\b(within|innerhalb|avant) \d+ (s|min|h)\b", action) and not step.timer:
        yield Finding(step.line, "L07", "a step against the clock has a Timer:")
    if _first(action) in RECORDING[language].split() and not step.readings and not re.search(r"\bF\d", action):
        yield Finding(step.line, "L09", "what is read or calculated is written down: a Reading: or a form")
    for reading in step.readings:
        if reading.unit not in TEXT_UNITS and not reading.limited:
            yield Finding(reading.line, "L10", "a reading has limits, if only - to -")
        if reading.has_band and not step.if_not:
            yield Finding(reading.line, "L10", "If not: says what to do outside the limits")
    if _first(action) in CALCULATING and not step.second_person:
        yield Finding(step.line, "L12", "a calculation that doses or decides has a Second person:")
    for text in (step.text, step.expect, step.if_not, step.second_person):
        yield from _words(step.line, text, language)
    if len(re.sub(r"\{[^}]*\}", "x", step.text).split()) > 20:
        yield Finding(step.line, "L19", "a step has 20 words at most")


def _words(line: int, text: str, language: str) -> Iterator[Finding]:
    vague = re.search(rf"(?<!\w)({VAGUE[language]})(?!\w)", text, re.IGNORECASE)
    if vague:
        yield Finding(line, "L14", f"{vague.group(1)!r} says nothing exact")
    if re.search(r"\d[.,]\d+(?![\d.,]|\s?(m|bar|A|V|Hz|%|°C|mg|ml|mL|l|h|min|s|kW|ppm|pH|g|cm|m3)\b|\s?%)", text):
        yield Finding(line, "L14", "a number has its unit")
    hurts = re.search(HURTS[language], text, re.IGNORECASE)
    if hurts:
        yield Finding(line, "H2", f"nothing orders this: {hurts.group(0)!r}")
    for word in re.findall(r"\b[A-ZÄÖÜ]{2,}\b", re.sub(r"\{[^}]*\}", "", text)):
        if word not in SHORT:
            yield Finding(line, "L19", f"{word} is no abbreviation of the list")


def _ends(procedure: Procedure) -> Iterator[Finding]:
    for repeat in procedure.repeats:
        if len(repeat.until.split()) < 2:
            yield Finding(repeat.line, "L08", "until says what ends the repeats")
    last: dict[str, int] = {}
    for step in procedure.steps:
        last[step.number.rstrip("abcdefghijklmnopqrstuvwxyz")] = (
            last.get(step.number.rstrip("abcdefghijklmnopqrstuvwxyz"), 0) + 1
        )
    for number, count in last.items():
        if count > 8:
            yield Finding(1, "L14", f"step {number} has more than 7 substeps")
    if (
        procedure.kind == "procedure"
        and procedure.id != "P-18"
        and "GO TO" not in procedure.hand_back
        and "P-18" not in procedure.hand_back
    ):
        yield Finding(1, "L16", "HAND BACK says where to go on")


def sentences(library: Library, entries: list[Entry]) -> list[str]:
    """Faults and findings of these files, one line each: file, line, rule, text."""
    known = frozenset(name for name, _language in library.entries)
    lines = []
    for entry in entries:
        lines += [f"{entry.path}: line {fault.line}: {fault.text}" for fault in entry.faults]
        if entry.procedure:
            lines += [
                f"{entry.path}: line {one.line}: {one.rule}: {one.text}" for one in findings(entry.procedure, known)
            ]
    return lines


def check(files: list[str], place: Place) -> int:
    """`--check`: 0 where nothing was found, 1 with one line per finding, 2 for a file that cannot be read."""
    library = load(place.manual)
    entries = list(library.entries.values())
    if files:
        entries = []
        for name in files:
            entry = read_entry(Path(name), "site")
            if entry is None:
                sys.stderr.write(f"handwheel-manual: {name}: cannot be read; name a procedure file\n")
                return 2
            entries.append(entry)
    lines = sentences(library, entries) + ([] if files else [note for note in library.notes if "/sheets/" in note])
    for line in lines:
        sys.stdout.write(encodable(line, sys.stdout.encoding or "ascii") + "\n")
    if not lines:
        sys.stdout.write(f"{len(entries)} files checked, nothing found\n")
    return 1 if lines else 0
