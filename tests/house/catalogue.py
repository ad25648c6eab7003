"""The message catalogues: collected, kept and proved complete, so that no operator meets a half-translated screen.

It lies with the tests because it proves a rule of the house and because babel, which it needs, is never installed at a
plant. `make catalogue` runs update and compile, `make check` runs check. Everything it writes depends on the strings
alone: no dates, no line numbers, sorted, no guessed (fuzzy) translations.

    update    collect _("...") and ngettext(...), bring the .po files up to date, keep every translation
    fill      LANGUAGE FILE.po: take the translations that a translator's file has for our messages
    compile   write the .mo files that gettext reads
    check     one line for each message that is missing, untranslated or has other {placeholders}; exit 1 if any
"""

import argparse
import fcntl
import io
import os
import re
import string
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import PoFileError, read_po, write_po

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("de", "fr")
KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}
METHODS = [("**.py", "python"), ("**.j2", "jinja2")]
PERCENT = re.compile(r"%\(\w+\)[sdf]|%[sd]")


@dataclass(frozen=True, slots=True)
class Domain:
    """One catalogue: the name gettext asks for, and the package whose strings it holds."""

    name: str
    package: Path

    @property
    def locale(self) -> Path:
        return self.package / "locale"

    @property
    def pot(self) -> Path:
        return self.locale / f"{self.name}.pot"

    def po(self, language: str) -> Path:
        return self.locale / language / "LC_MESSAGES" / f"{self.name}.po"

    def mo(self, language: str) -> Path:
        return self.po(language).with_suffix(".mo")


DOMAINS = (
    Domain("handwheel", ROOT / "monitor"),
    Domain("handwheel-manual", ROOT / "fallback_procedures"),
)


def extract(domain: Domain) -> Catalog:
    """All marked messages of the package, with the comments that stand above them as "Translators: ..."."""
    found = Catalog(domain=domain.name)
    for _file, _line, message, comments, context in extract_from_dir(
        domain.package, METHODS, keywords=KEYWORDS, comment_tags=("Translators:",), strip_comment_tags=True
    ):
        if message:
            found.add(message, auto_comments=comments, context=context)
    return found


def read(path: Path, language: str | None = None) -> Catalog:
    """The catalogue in a .po file; an empty one where there is no file yet."""
    if not path.exists():
        return Catalog(locale=language)
    try:
        with path.open("rb") as file:
            return read_po(file, locale=language, abort_invalid=True)
    except (PoFileError, ValueError) as fault:
        raise SystemExit(f"{short(path)}: cannot be read as a .po file ({fault}); mend it by hand") from fault


def merge(template: Catalog, old: Catalog, given: Catalog, language: str) -> Catalog:
    """The template's messages, each with the translation `given` has for it, or else the one it had before.

    What the program no longer says is kept as obsolete, because a module in the middle of a change says little.
    """
    merged = Catalog(locale=language)
    for message in messages(template):
        found = (
            given.get(message.id, message.context),
            old.get(message.id, message.context),
            old.obsolete.get(key(message)),
        )
        best = next((at for at in found if at and translated(at) and fits(message, at.string)), None)
        notes = best.user_comments if best else ()
        merged.add(
            message.id,
            best.string if best else None,
            auto_comments=message.auto_comments,
            user_comments=notes,
            context=message.context,
        )
    for message in [*messages(old), *old.obsolete.values()]:
        if translated(message) and template.get(message.id, message.context) is None:
            merged.obsolete[key(message)] = message
    return merged


def po_bytes(catalogue: Catalog, language: str | None) -> bytes:
    """A .po (or, without a language, .pot) file whose bytes follow from the messages alone."""
    header = ['msgid ""', 'msgstr ""', *(f'"{line}\\n"' for line in header_lines(catalogue, language))]
    body = io.BytesIO()
    write_po(body, catalogue, no_location=True, omit_header=True, sort_output=True, width=120)
    return "\n".join(header).encode() + b"\n\n" + body.getvalue().strip() + b"\n"


def mo_bytes(catalogue: Catalog, language: str) -> bytes:
    """What gettext reads: GNU gettext manual, "The Format of GNU MO Files"; little endian, without a hash table."""
    header = "".join(f"{line}\n" for line in header_lines(catalogue, language))
    pairs = [("", header)]
    for message in messages(catalogue):
        if translated(message):
            context = f"{message.context}\x04" if message.context else ""
            pairs.append((context + "\0".join(sources(message)), "\0".join(texts(message))))
    encoded = sorted((one.encode(), other.encode()) for one, other in pairs)
    count, table_size = len(encoded), 8 * len(encoded)
    at = 28 + 2 * table_size
    tables: tuple[bytearray, bytearray] = (bytearray(), bytearray())
    text = bytearray()
    for column, table in enumerate(tables):
        for pair in encoded:
            table += struct.pack("<II", len(pair[column]), at + len(text))
            text += pair[column] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, count, 28, 28 + table_size, 0, at)
    return head + bytes(tables[0]) + bytes(tables[1]) + bytes(text)


def header_lines(catalogue: Catalog, language: str | None) -> list[str]:
    lines = ["Content-Type: text/plain; charset=UTF-8", "Content-Transfer-Encoding: 8bit"]
    return lines if language is None else [f"Language: {language}", *lines, f"Plural-Forms: {catalogue.plural_forms}"]


def messages(catalogue: Catalog) -> list[Message]:
    """The messages without the header, which has the empty id."""
    return [message for message in catalogue if message.id]


def sources(message: Message) -> tuple[str, ...]:
    """What the program says: one text, or singular and plural."""
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def texts(message: Message) -> tuple[str, ...]:
    """What the catalogue says: one text, or one for each plural form; empty where nothing is translated yet."""
    if not message.string:
        return ()
    return (message.string,) if isinstance(message.string, str) else tuple(text or "" for text in message.string)


def key(message: Message) -> str | tuple[str, str]:
    """How babel names a message in its tables: by the singular, with the context if there is one."""
    singular = sources(message)[0]
    return (singular, message.context) if message.context else singular


def translated(message: Message) -> bool:
    """Whether every form has a text."""
    return bool(texts(message)) and all(texts(message))


def fits(message: Message, text: object) -> bool:
    """Whether a stored translation has as many forms as the message asks for (a message may become a plural)."""
    return isinstance(text, tuple | list) == message.pluralizable


def placeholders(text: str) -> set[str]:
    """What format() and % would replace in a text: {name}, {value:.1f}, %(name)s, %s."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:  # a lone brace: the text is not meant for format()
        return set(PERCENT.findall(text))
    fields = {f"{{{name}{'!' + how if how else ''}{':' + form if form else ''}}}"
              for _text, name, form, how in parts if name is not None}  # fmt: skip
    return fields | set(PERCENT.findall(text))


def faults_of(domain: Domain) -> Iterator[str]:
    """One line for each thing that keeps the catalogues of a domain from being complete."""
    template = extract(domain)
    if not messages(template):
        return
    if not domain.pot.exists() or domain.pot.read_bytes() != po_bytes(template, None):
        yield f"{short(domain.pot)}: does not hold the strings of {domain.package.name}/; run make catalogue"
    for language in LANGUAGES:
        path = domain.po(language)
        catalogue = read(path, language)
        for message in messages(template):
            yield from (f"{short(path)}: {fault}" for fault in faults_of_message(message, catalogue))
        mo = domain.mo(language)
        if not mo.exists() or mo.read_bytes() != mo_bytes(catalogue, language):
            yield f"{short(mo)}: is older than its .po file; run make catalogue"


def faults_of_message(message: Message, catalogue: Catalog) -> Iterator[str]:
    """What is wrong with the translation of one message."""
    source = sources(message)[0]
    found = catalogue.get(message.id, message.context)
    if found is None:
        yield f"{source!r} is missing; run make catalogue"
    elif not translated(found) or not fits(message, found.string):
        yield f"{source!r} is not translated"
    else:
        allowed = [placeholders(one) for one in sources(message)]
        for text in texts(found):
            if placeholders(text) not in allowed:
                yield f"{source!r} has other placeholders than its translation {text!r}"


@contextmanager
def alone(domain: Domain) -> Iterator[None]:
    """Nobody else updates these catalogues meanwhile: an exclusive lock on their folder."""
    domain.locale.mkdir(parents=True, exist_ok=True)
    handle = os.open(domain.locale, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def replace(path: Path, blob: bytes) -> None:
    """Write the file if it says something new; a reader never sees half of it."""
    if not path.exists() or path.read_bytes() != blob:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(blob)
        part.replace(path)


def update(domain: Domain, given: Mapping[str, Catalog]) -> None:
    """Bring .pot and .po up to date with the program; `given` holds a translator's catalogue per language."""
    with alone(domain):
        template = extract(domain)
        if not messages(template):
            return
        replace(domain.pot, po_bytes(template, None))
        for language in LANGUAGES:
            path = domain.po(language)
            merged = merge(template, read(path, language), given.get(language, Catalog()), language)
            replace(path, po_bytes(merged, language))


def compile_all(domain: Domain) -> None:
    """Write the .mo beside each .po."""
    with alone(domain):
        for language in LANGUAGES:
            if domain.po(language).exists():
                replace(domain.mo(language), mo_bytes(read(domain.po(language), language), language))


def short(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def main(arguments: Sequence[str] | None = None, domains: Sequence[Domain] = DOMAINS) -> int:
    parser = argparse.ArgumentParser(prog="catalogue", description="Keep the message catalogues complete.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("update", "compile", "check"):
        verbs.add_parser(verb)
    fill = verbs.add_parser("fill", help="take translations from a translator's .po file")
    fill.add_argument("language", choices=LANGUAGES)
    fill.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    if options.verb == "check":
        faults = [fault for domain in domains for fault in faults_of(domain)]
        print("\n".join(faults) or "message catalogues: complete", file=sys.stderr if faults else sys.stdout)
        return 1 if faults else 0
    if options.verb == "fill" and not options.file.exists():
        raise SystemExit(f"{options.file}: there is no such file; name the translator's .po file")
    for domain in domains:
        if options.verb == "update":
            update(domain, {})
        if options.verb == "fill":
            update(domain, {options.language: read(options.file, options.language)})
        if options.verb in ("compile", "fill"):
            compile_all(domain)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
