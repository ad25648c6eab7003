"""A Document as one HTML file: no script, no outside reference, every text escaped; pictures inside as data.

A picture is embedded as an image, never as markup, so that nothing inside an SVG can run.
"""

from base64 import b64encode
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from monitor.reports.document import Document, as_data
from monitor.words import _

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["picture"] = lambda svg: "data:image/svg+xml;base64," + b64encode(svg.encode()).decode()
_TEMPLATES.globals["_"] = _


def render_html(document: Document) -> str:
    """The whole document as one self-contained page."""
    return _TEMPLATES.get_template("report.html.j2").render(as_data(document))
