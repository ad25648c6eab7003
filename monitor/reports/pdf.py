"""A Document as a tagged PDF through typst. All text goes in as data, never as markup; nothing is fetched."""

import json
from pathlib import Path

import typst

from monitor.reports.document import Document, as_data
from monitor.words import _

_TEMPLATE = Path(__file__).with_name("report.typ")


def render_pdf(document: Document, paper: str = "a4") -> bytes:
    """The whole document, A4 or us-letter; page x of y, fingerprint on every page."""
    data = as_data(document) | {
        "paper": paper,
        "words": {
            "simulated": _("SIMULATED - made from simulated data, says nothing about a real plant or vendor"),
            "simulated_mark": _("SIMULATED"),
            "none": _("(none)"),
            "date": _("date"),
            "page": _("page"),
            "of": _("of"),
            "fingerprint": _("fingerprint"),
        },
    }
    pdf: bytes = typst.compile(_TEMPLATE.read_bytes(), sys_inputs={"data": json.dumps(data)})
    return pdf
