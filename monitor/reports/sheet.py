"""A table as CSV (RFC 4180, UTF-8) that a spreadsheet cannot be tricked by.

Text that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay numbers, so "-3.2" is safe.
"""

import csv
import io

from monitor.reports.document import Cell, Digits, Table

_FORMULA = tuple("=+-@|\t\r\n＝＋－＠")


def guarded(cell: Cell) -> Cell:
    """A cell that no spreadsheet runs."""
    if isinstance(cell, str) and not isinstance(cell, Digits) and cell.lstrip(" ").startswith(_FORMULA):
        return "'" + cell
    return cell


def render_csv(table: Table) -> str:
    """The raw rows of a table; None is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(table.head)
    writer.writerows([["" if cell is None else guarded(cell) for cell in row] for row in table.rows])
    return out.getvalue()
