"""The binder as HTML: whole, script-free, closed in itself, and not moved by what vendors and files write."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from fallback_procedures import binder as rendering
from fallback_procedures.binder import folder_of, render
from fallback_procedures.hypertext import set_document, text
from fallback_procedures.library import load
from fallback_procedures.paper import content, sheet_page, table
from fallback_procedures.place import Place
from fallback_procedures.sheet import Sheet, read_sheet

from .conftest import SHEET

NOW_S = 1_795_400_000.0
HOSTILE = '</td></p><script>alert(1)</script><img src="http://x/y" onerror=alert(1)>"\'&<b>\x1b[2J\u202e'
VOID = {"meta", "br", "img", "link", "hr", "input"}


class Reader(HTMLParser):
    """The tags, attributes and text of a file; it fails where a tag is not closed."""

    def __init__(self, raw: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.said, self.open = set(), [], [], []
        self.feed(raw)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, *one) for one in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)


def closed(reader: Reader) -> None:
    assert not reader.tags & {"script", "img", "link", "iframe", "object", "embed", "form", "base", "video"}
    for tag, name, value in reader.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name not in ("src", "srcset", "action", "style"), (tag, name, value)
        if name == "href":
            assert value.startswith("#s") or ("binder." in value and ":" not in value and not value.startswith("/"))


@pytest.fixture
def folder(state, monkeypatch):
    monkeypatch.setattr(rendering, "can_make_pdf", lambda: False)
    place = Place(state.manual)
    library = load(place.manual)
    few = {key: one for key, one in library.entries.items() if key[0] in ("P-00", "P-03", "F1", "F10", "F11")}
    render(place, replace(library, entries=few), NOW_S)
    return folder_of(place)


def test_a_set_is_one_file_closed_in_itself_that_says_what_the_pages_say(folder):
    for language in ("en", "fr", "de"):
        raw = (folder / language / "R" / "binder.html").read_text()
        reader = Reader(raw)
        closed(reader)
        assert "default-src &#x27;none&#x27;" in raw
        assert f'<html lang="{language}">' in raw
        assert "width=device-width" in raw
        assert "url(" not in raw
        assert "@import" not in raw
    said = " ".join(" ".join(Reader((folder / "en" / "R" / "binder.html").read_text()).said).split())
    procedure = load(None).get("P-03", "en").procedure
    page = content(procedure, read_sheet(SHEET), NOW_S)
    for step in page["blocks"]:
        assert " ".join(step["text"].split()) in said
        for notice in step["notices"]:
            assert notice["text"] in said
        for reading in step["readings"]:
            assert reading["limits"] in said


def test_the_index_leads_to_each_set(folder):
    reader = Reader((folder / "index.html").read_text())
    closed(reader)
    links = [value for _tag, name, value in reader.attributes if name == "href"]
    assert sorted(links) == sorted(f"{language}/R/binder.{kind}" for language in ("en", "fr", "de")
                                   for kind in ("html", "txt"))  # fmt: skip
    assert all((folder / link).is_file() for link in links)


def test_each_link_of_a_set_has_its_place(folder):
    reader = Reader((folder / "en" / "R" / "binder.html").read_text())
    here = {value for _tag, name, value in reader.attributes if name == "id"}
    assert {value[1:] for _tag, name, value in reader.attributes if name == "href"} <= here


def test_hostile_text_stays_text_in_every_place_it_can_stand():
    page = content(load(None).get("P-03", "en").procedure, Sheet("R", HOSTILE), NOW_S, drill=True)

    def spoilt(value):
        if isinstance(value, str):
            return value + HOSTILE
        if isinstance(value, list):
            return [spoilt(one) for one in value]
        return {key: spoilt(one) for key, one in value.items()} if isinstance(value, dict) else value

    tables = [table(["a", HOSTILE], [[HOSTILE, HOSTILE]], [1, 1], HOSTILE, pages=False)]
    contents = sheet_page("", HOSTILE, Sheet("R", HOSTILE), NOW_S, HOSTILE, HOSTILE, False, HOSTILE, tables)
    raw = set_document([contents, spoilt(page)])
    reader = Reader(raw)
    closed(reader)
    assert "<b>" not in raw
    assert "\x1b" not in raw
    assert "\u202e" not in raw
    assert "alert(1)" in " ".join(reader.said)


def test_foreign_text_is_escaped_in_one_place():
    assert text('<a href="x">&\x00\u2066') == "&lt;a href=&quot;x&quot;&gt;&amp;··"
