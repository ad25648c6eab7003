"""The documents: each TOML example in them is a configuration that loads."""

import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest

from monitor.cli import build_parser
from monitor.settings import load

ROOT = Path(__file__).parents[2]
HEAD = '[source]\nname = "x"\ndriver = "modbus_tcp"\nsite = "S"\nevery_s = 5\nhost = "192.0.2.1"\n'
EXAMPLES = [
    (path.name, number, text)
    for path in sorted((ROOT / "docs").glob("*.md"))
    for number, text in enumerate(re.findall(r"```toml\n(.*?)```", path.read_text(), re.S), 1)
    if not text.startswith("# mapping")  # of an import: tests/house/test_history_docs.py
]
CODES = {name: text for _, _, text in EXAMPLES if (name := text.partition("\n")[0]).startswith("# maps/codes/")}
MEMORY = (ROOT / "README.md").read_text("utf-8").partition("## Its memory")[2].partition("\n## Work")[0]


@pytest.mark.parametrize("line", re.findall(r"^handwheel (.*)$", MEMORY, re.M))
def test_a_command_of_the_readme_is_one_that_there_is(line):
    words = shlex.split(line.partition("  #")[0])
    assert build_parser(words[0]).parse_args(words).call


def test_each_link_of_the_readme_leads_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert {"docs/history.md", "docs/ledger.md", "docs/daemon.md", "docs/fleet.md"} <= set(links)
    assert [one for one in links if not (ROOT / one).is_file()] == []


def test_the_documents_show_each_way_in():
    told = [tomllib.loads(text) for _, _, text in EXAMPLES]
    feeds = {(one["feed"]["kind"], one["feed"]["format"]) for one in told if "feed" in one}
    assert {("file_drop", "json"), ("file_drop", "csv"), ("file_drop", "eml"), ("mqtt", "json")} <= feeds
    assert {"modbus_tcp", "opcua"} <= {one["source"]["driver"] for one in told if "driver" in one.get("source", {})}


@pytest.mark.parametrize(("document", "number", "text"), EXAMPLES)
def test_an_example_loads_as_it_stands(tmp_path, document, number, text):
    shutil.copytree(ROOT / "config/bare", tmp_path, dirs_exist_ok=True)
    (tmp_path / "sources/pump1.toml").unlink()
    for name, codes in CODES.items():
        place = tmp_path / name.removeprefix("# ").strip()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(codes)
    if "codes" not in tomllib.loads(text):
        (tmp_path / "sources/example.toml").write_text(
            text if re.search(r"^\[(source|feed)\]$", text, re.M) else HEAD + text
        )
    settings = load(tmp_path)
    assert settings.sources or settings.feeds or "codes" in tomllib.loads(text)
