"""An anchor on paper: its text as a QR code, in a terminal, as SVG, or as a PDF page with the text beside it."""

import io
from typing import TYPE_CHECKING

from monitor.words import _

if TYPE_CHECKING:
    import segno

_PAGE = """
#set document(title: sys.inputs.title)
#set page(paper: "a4", margin: 2.5cm)
#set text(size: 11pt)
= #sys.inputs.title
#image(bytes(sys.inputs.svg), width: 10cm, alt: sys.inputs.title)
#text(size: 8.5pt, raw(sys.inputs.text, block: true))
#sys.inputs.words
"""


def qr_text(text: str) -> str:
    """The code for a terminal of 80 columns; for a long name of the utility it is a little wider."""
    out = io.StringIO()
    _code(text).terminal(out, border=2, compact=True)
    return out.getvalue()


def qr_svg(text: str) -> bytes:
    """The code as a picture."""
    out = io.BytesIO()
    _code(text).save(out, kind="svg", border=4, scale=4, title=_("Ledger anchor"), desc=text)
    return out.getvalue()


def qr_pdf(text: str, at_us: int) -> bytes:
    """A page with the code and the text that is in it."""
    import typst

    words = _("Keep this page. It proves what the ledger held; docs/ledger.md says how to check it.")
    told = {"title": _("Ledger anchor"), "svg": qr_svg(text).decode(), "text": text, "words": words}
    made: bytes = typst.compile(
        _PAGE.encode(), format="pdf", ignore_system_fonts=True, sys_inputs=told, timestamp=at_us // 1_000_000
    )
    return made


def _code(text: str) -> "segno.QRCode":
    import segno

    return segno.make(text, error="l", micro=False, boost_error=False)
