"""The binder as HTML: one file per set and an index, to be read on a telephone or any browser, and to be printed.

No script, no reference to anything outside the file, and a policy in the file that forbids both. All text goes through
one function on its way in. (The file is not called html.py: it would stand in the way of the standard library's.)
"""

from __future__ import annotations

from html import escape
from typing import Any

from fallback_procedures.words import LANGUAGES, _, hostile, language, speaking

Content = dict[str, Any]
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE = """
:root { color: #000; background: #fff; font: 1.1rem/1.4 Georgia, "Times New Roman", serif; }
body { margin: 0 auto; max-width: 50rem; padding: .6rem; }
h1 { font-size: 1.4rem; margin: .3rem 0; }
header, footer { font-size: .95rem; border-bottom: 2px solid; padding-bottom: .3rem; }
footer { border: 0; border-top: 1px solid; margin: 1rem 0 2.5rem; }
code { font-family: monospace; font-weight: bold; }
pre { font: .85rem/1.25 monospace; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 1rem; }
th, td { border: 1px solid; padding: .25rem .4rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem .8rem; margin: .4rem 0; }
dt { font-weight: bold; } dd { margin: 0; }
ol { list-style: none; padding: 0; } ol > li { border-top: 1px solid #999; padding: .5rem 0; }
.stamp, .DANGER { border: 3px solid; padding: .3rem .5rem; font-weight: bold; margin: .4rem 0; }
.stop { background: #000; color: #fff; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.CAUTION { border: 1.5px solid; padding: .3rem .5rem; margin: .4rem 0; }
.NOTE { border-left: 3px solid; padding: .1rem .5rem; margin: .4rem 0; }
.DANGER { font-weight: normal; } .hold { border: solid; border-width: 2px 0; padding: .3rem 0; font-weight: bold; }
.box { display: inline-block; width: 1em; height: 1em; border: 2px solid; vertical-align: -.15em; margin-right: .4rem; }
.said, .reading { margin: .35rem 0 0 2rem; } .reading { line-height: 2; } .fill { white-space: nowrap; }
td a { color: #000; } .drill::before { content: attr(data-drill); font-weight: bold; padding-right: .6em; }
@media print {
  :root { font-size: 11.5pt; } article { break-before: page; } article:first-of-type
  { break-before: auto; } li, tr, .keep { break-inside: avoid; } h1, header { break-after: avoid; }
  pre { overflow: visible; }
}
@page { margin: 15mm; @bottom-right { content: counter(page) " / " counter(pages); } }
"""


def text(said: object) -> str:
    """Foreign text as HTML: the one place where it is escaped. What could move, turn or hide text is a middle dot."""
    told = str(said)
    if not told.isprintable():
        told = "".join("·" if hostile(one) and one not in "\n\t" else one for one in told)
    return escape(told, quote=True)


def document(title: str, body: str) -> str:
    """A whole file around `body`, which is HTML."""
    return (
        f'<!DOCTYPE html>\n<html lang="{text(language())}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{text(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def set_document(pages: list[Content]) -> str:
    """One set as one file; the first page is its contents, its rows lead to the pages that follow."""
    title = f"{pages[0]['title']} {pages[0]['station']}"
    return document(title, "\n".join(_article(page, n) for n, page in enumerate(pages)))


def index_document(record: dict[str, Any]) -> str:
    """The index of all sets: station, language, fingerprint, and the files."""
    parts = []
    for one in LANGUAGES:
        if mine := [told for told in record["sets"] if told["language"] == one]:
            with speaking(one):
                parts.append(_index_of(one, mine, bool(record["pdf"])))
    return document("handwheel", "\n".join(parts))


def _index_of(one: str, mine: list[dict[str, Any]], pdf: bool) -> str:
    rows, kinds = "", ("html", "pdf", "txt") if pdf else ("html", "txt")
    for told in mine:
        links = " ".join(f'<a href="{text(told["folder"])}/binder.{kind}">{kind.upper()}</a>' for kind in kinds)
        site = text(told["site"] or _("any"))
        rows += f"<tr><td>{site}</td><td>{links}</td><td><code>{text(told['mark'])}</code></td>"
        rows += f"<td>{text(told['made'])}</td></tr>"
    heads = "".join(f"<th>{text(word)}</th>" for word in (_("Station"), _("Binder"), _("Fingerprint"), _("made")))
    title = text(_("Binder"))
    return f'<section lang="{one}"><h1>{title}</h1><table><tr>{heads}</tr>{rows}</table></section>'


def _article(page: Content, number: int) -> str:
    simulated = f"<strong>{text(page['simulated'])}</strong> " if page["simulated"] else ""
    drill = f' class="drill" data-drill="{text(page["drill"])}"' if page["drill"] else ""
    parts = [
        f'<article id="s{number}" lang="{text(page["language"])}">',
        f"<header>{simulated}<strong>{text(page['station'])}</strong><br>{text(page['header'])} "
        f"<strong>{text(page['draft'])}</strong><br>{text(page['printed_word'])} {text(page['printed'])}<br>"
        f"<code>{text(page['hash'][:8])}</code> {text(page['qr'])}</header>",
        f"<h1{drill}>{text(page['id'])} {text(page['title'])}</h1>",
        *(f'<p class="stamp {"stop" if one["kind"] == "stop" else ""}">{text(one["text"])}</p>'
          for one in page["stamps"]),
        *(f"<p><strong>{text(warning)}</strong></p>" for warning in page["warnings"]),
        _pairs(page["facts"]),
        "<ol>" + "".join(_step(page, one) for one in page["blocks"]) + "</ol>" if page["blocks"] else "",
        *(_table(one, number) for one in page["tables"]),
        f"<pre>{text(chr(10).join(page['page']))}</pre>" if page["page"] else "",
        _pairs(page["ends"]),
        *(f'<p class="reading keep">{text(label)} {"_" * 24}</p>' for label in page["sign"]),
        f"<footer>{text(page['expires'])} {text(page['ledger'])}</footer></article>",
    ]  # fmt: skip
    return "\n".join(part for part in parts if part)


def _pairs(pairs: list[list[str]]) -> str:
    return (
        "<dl>" + "".join(f"<dt>{text(word)}</dt><dd>{text(said)}</dd>" for word, said in pairs) + "</dl>"
        if pairs
        else ""
    )


def _step(page: Content, step: Content) -> str:
    drill = f' class="drill" data-drill="{text(page["drill"])}"' if page["drill"] else ""
    parts = [f'<p class="hold">{text(said)}</p>' for said in step["repeats"]]
    parts += [f'<p class="{text(one["kind"])}"><strong>{text(one["word"])}</strong> {text(one["text"])}</p>'
              for one in step["notices"]]  # fmt: skip
    parts += [f'<p class="hold">{text("   ".join(hold))}</p>' for hold in step["holds"]]
    mark = "<strong>(!)</strong> " if step["critical"] else ""
    place = f'<span class="fill">__:__ {text(page["time_word"])} ____ {text(page["initials_word"])}</span>'
    parts.append(f'<div{drill}><span class="box"></span><strong>{text(step["number"])}</strong> {mark}'
                 f"{text(step['text'])} {place}</div>")  # fmt: skip
    for reading in step["readings"]:
        judge = f' <span class="fill">{text(page["in_limits_word"])} ___</span>' if reading["judge"] else ""
        parts.append(f'<p class="reading">{text(reading["name"])} <span class="fill">________ {text(reading["unit"])}'
                     f"</span> {text(reading['limits'])}{judge}</p>")  # fmt: skip
    parts += [f'<p class="said"><strong>{text(word)}:</strong> {text(said)}</p>' for word, said in step["said"]]
    parts += [f'<p class="reading"><strong>{text("   ".join(step["second"]))}</strong></p>'] if step["second"] else []
    parts += [f'<p class="hold">{text(said)}</p>' for said in step["again"]]
    return f"<li>{''.join(parts)}</li>"


def _table(table: Content, number: int) -> str:
    last = -1 if table["pages"] else None  # pages are counted on paper
    head = "".join(f"<th>{text(word)}</th>" for word in table["head"][:last]) if any(table["head"]) else ""
    rows = ""
    for n, row in enumerate(table["rows"], 1):
        cells = [text(cell) for cell in row[:last]]
        if table["pages"] and number == 0:
            cells[1] = f'<a href="#s{n}">{cells[1]}</a>'
        rows += "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    title = f"<p class=keep><strong>{text(table['title'])}</strong></p>" if table["title"] else ""
    return f"{title}<table>{f'<tr>{head}</tr>' if head else ''}{rows}</table>"
