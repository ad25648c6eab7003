"""A file to be filled in: our own headings, a line of meaning for each column, two rows as an example."""

import csv
import io

from monitor.plant import Settings
from monitor.reports.sheet import guarded
from monitor.transfer.columns import RECORDS
from monitor.transfer.sheets import Dialect


def template(what: str, settings: Settings, dialect: Dialect) -> str:
    """The file as text; `handwheel import WHAT` takes it as it is: lines that begin with # are comments there."""
    of = RECORDS[what]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=dialect.separator, lineterminator="\r\n")
    writer.writerow([one.name for one in of.columns])
    blank = [""] * (len(of.columns) - 1)
    asset = next((one for one in settings.assets if one.components), settings.assets[0])
    component = asset.components[0].name if asset.components else ""
    for one in of.columns:
        needed = " (needed)" if one.needed else ""
        form = f" [{one.unit or one.form}]" if one.form not in ("text", "word") else ""
        writer.writerow([f"# {one.name}{needed}{form}: {one.meaning}", *blank])
    for at in (0, 1):
        cells = [one.examples[at].format(asset=asset.id, component=component) for one in of.columns]
        money = [
            f"{cell} {settings.currency}" if cell and one.form == "money" else cell
            for cell, one in zip(cells, of.columns, strict=True)
        ]
        numbers = [
            cell.replace(".", ",") if dialect.comma and (one.is_quantity or one.form in ("number", "share")) else cell
            for cell, one in zip(money, of.columns, strict=True)
        ]
        writer.writerow([guarded(cell) for cell in numbers])
    return dialect.mark.decode() + out.getvalue()
