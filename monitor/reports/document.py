"""One Document for every report: built once, rendered as text, HTML, PDF and CSV, so that all four say the same.

Text first: it prints when nothing else does. Numbers stay numbers until a renderer shows them; a table's raw cells go
into the CSV as they are.
"""

import hashlib
import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from monitor.ledger import head, head_at
from monitor.plant import Settings
from monitor.state import State, atomic_write
from monitor.words import _, decimal_text, number_text

Cell = str | int | float | None


class Digits(str):
    """A number as somebody wrote it: on a page with the decimal mark of the language, in the CSV as it is."""

    __slots__ = ()


def command_text(settings: Settings, state: State, *words: str) -> str:
    """A command as it is typed, with the folders that it needs to say the same again."""
    folders = ("--config", str(settings.folder.resolve()), "--state", str(state.root.resolve()))
    return shlex.join(("handwheel", *words, *folders))


def ledger_text(state: State, upto_n: int | None = None) -> str:
    """The ledger's count and head, now or after an entry, as `handwheel ledger verify --head` takes it."""
    n, top = head(state) if upto_n is None else (upto_n, head_at(state, upto_n))
    return _("{n} entries, head {head}").format(n=n, head=f"{n}:{top}" if n else "-")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; `kind` is plain, note (read with care) or warning."""

    text: str
    kind: str = "plain"


@dataclass(frozen=True, slots=True)
class Numbers:
    """The boxes at the top of a page: (what, value as shown, what it rests on)."""

    boxes: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head; `name` becomes the name of its CSV file, without one it has none."""

    name: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    about: str = ""  # what its CSV is, in a line; "": its head says it
    most: int | None = None  # rows on the pages, 0: the table is not on them; the CSV has all

    @property
    def seen(self) -> tuple[tuple[Cell, ...], ...]:
        """The rows on the pages."""
        return self.rows[: self.most]

    @property
    def notes(self) -> str:
        """What stands below the table, with how many rows the pages leave out."""
        left = len(self.rows) - len(self.seen)
        words = _("and {n} more rows in {name}.csv") if self.name else _("and {n} more rows")
        more = words.format(n=left, name=self.name) if left else ""
        return "; ".join(one for one in (more, self.note) if one)


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture as SVG, and the same said in words for those who cannot see it."""

    name: str
    svg: str
    caption: str
    words: str


@dataclass(frozen=True, slots=True)
class Signatures:
    """Lines on which a role signs by hand."""

    roles: tuple[str, ...]


Block = Paragraph | Numbers | Table | Plot | Signatures


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    blocks: tuple[Block, ...]
    new_page: bool = False


@dataclass(frozen=True)  # no slots: the fingerprint of 20,000 rows is kept
class Document:
    """A whole report. `meta` stands below the title: period, sites, hashes, the command that makes it again.

    `mark` is a word that stands on every line, whatever it is rendered as: DRILL.
    """

    title: str
    subtitle: str
    meta: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    simulated: bool = False
    language: str = "en"
    mark: str = ""

    def about(self) -> Table:
        """What stands below the title, as rows: from which ledger and configuration the other tables are."""
        rows = (("title", self.title), *self.meta, ("sha256", self.sha256))
        return Table("about", (_("what"), _("value")), rows)

    def tables(self) -> Iterator[Table]:
        """All tables in order."""
        return (block for section in self.sections for block in section.blocks if isinstance(block, Table))

    @cached_property
    def sha256(self) -> str:
        """The fingerprint of what the document says, whatever it is rendered as."""
        told = _plain(self)
        if not self.mark:  # a document without one has the fingerprint that it had before there were any
            del told["mark"]
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=_plain).encode()).hexdigest()


def _fields(value: Any) -> dict[str, Any]:
    """A block as a mapping; its rows are not copied, there may be many."""
    return {one.name: getattr(value, one.name) for one in fields(value)}


def _plain(value: Any) -> Any:
    return _fields(value) if is_dataclass(value) else str(value)


def shown(cell: Cell) -> str:
    """A cell as a reader sees it."""
    if cell is None:
        return "-"
    if isinstance(cell, Digits):
        return decimal_text(cell)
    if isinstance(cell, bool | str):
        return str(cell)
    return str(cell) if isinstance(cell, int) else number_text(cell)


def marked(document: Document) -> Document:
    """The same with its mark at the head of every row, paragraph and title: for what is no text of lines."""
    if not document.mark:
        return document
    sections = tuple(
        replace(
            one, title=f"{document.mark}  {one.title}", blocks=tuple(_marked(document.mark, it) for it in one.blocks)
        )
        for one in document.sections
    )
    meta = tuple((f"{document.mark}  {key}", value) for key, value in document.meta)
    return replace(document, title=f"{document.mark}  {document.title}", meta=meta, sections=sections)


def _marked(mark: str, block: Block) -> Block:
    match block:
        case Paragraph():
            return replace(block, text=f"{mark}  {block.text}")
        case Numbers():
            return replace(block, boxes=tuple((f"{mark}  {what}", value, rests) for what, value, rests in block.boxes))
        case Table():
            note = f"{mark}  {block.note}" if block.note else ""
            rows = tuple((mark, *row) for row in block.rows)
            return replace(block, head=("", *block.head), rows=rows, note=note)
        case Plot():
            return replace(block, caption=f"{mark}  {block.caption}", words=f"{mark}  {block.words}")
        case Signatures():
            return replace(block, roles=tuple(f"{mark}  {role}" for role in block.roles))


def as_data(plain: Document) -> dict[str, Any]:
    """The document as plain lists and strings for a template; each block says its kind."""
    document = marked(plain)
    sections = []
    for section in document.sections:
        blocks: list[Mapping[str, Any]] = []
        for block in section.blocks:
            if isinstance(block, Table) and block.most == 0:
                continue
            data = {"type": type(block).__name__.lower(), **_fields(block)}
            if isinstance(block, Table):
                data["numeric"] = [
                    bool(block.seen)
                    and all(isinstance(row[column], int | float) or row[column] is None for row in block.seen)
                    for column in range(len(block.head))
                ]
                data["rows"] = [[shown(cell) for cell in row] for row in block.seen]
                data["note"] = block.notes
            blocks.append(data)
        sections.append({"title": section.title, "new_page": section.new_page, "blocks": blocks})
    return {
        "title": document.title,
        "subtitle": document.subtitle,
        "meta": document.meta,
        "sections": sections,
        "simulated": document.simulated,
        "language": document.language,
        "mark": document.mark,
        "sha256": plain.sha256,
    }


def write_report(document: Document, folder: Path, name: str) -> dict[str, Path]:
    """Write NAME.txt, .html, .pdf and the folder NAME_csv; returns format -> path.

    The folder holds about.csv, one file per table, a README with a line for each, and MANIFEST.sha256 over them all and
    over the three others (`sha256sum -c` there).
    """
    from monitor.reports.page import render_html
    from monitor.reports.pdf import render_pdf
    from monitor.reports.sheet import render_csv
    from monitor.reports.text import render_text

    folder.mkdir(parents=True, exist_ok=True)
    rows = folder / f"{name}_csv"
    rows.mkdir(exist_ok=True)
    files = {"text": folder / f"{name}.txt", "html": folder / f"{name}.html", "pdf": folder / f"{name}.pdf"}
    tables = [document.about(), *(table for table in document.tables() if table.name)]
    if document.mark:
        tables = [one for one in map(partial(_marked, document.mark), tables) if isinstance(one, Table)]
    files |= {f"csv {table.name}": rows / f"{table.name}.csv" for table in tables}
    files |= {"readme": rows / "README.md", "manifest": rows / "MANIFEST.sha256"}
    made: dict[str, bytes] = {
        "text": render_text(document).encode(), "html": render_html(document).encode(), "pdf": render_pdf(document),
        **{f"csv {table.name}": render_csv(table).encode() for table in tables},
        "readme": _readme(document, tables).encode(),
    }  # fmt: skip
    lines = [
        f"{hashlib.sha256(content).hexdigest()}  {os.path.relpath(files[kind], rows)}\n"
        for kind, content in made.items()
    ]
    for kind, content in {**made, "manifest": "".join(lines).encode()}.items():
        atomic_write(files[kind], content)
    return files


def _readme(document: Document, tables: Sequence[Table]) -> str:
    """What each file of the folder is, in a line."""
    lines = [f"# {document.title}", "", _("UTF-8, comma, decimal point; a text that begins like a formula has an"
             " apostrophe before it; an empty cell: nothing is known."), ""]  # fmt: skip
    lines += [f"- {table.name}.csv: {table.about or ', '.join(table.head)} ({len(table.rows)})" for table in tables]
    return "\n".join(lines) + "\n"
