"""docs/review.md: its commands are those of the program, its rows are those of the table, its words never accuse."""

import ast
import re
import shlex
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from monitor.cli import _common, build_parser
from monitor.review.table import METHOD

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/review.md").read_text("utf-8")
COMMANDS = [line.partition("   #")[0] for line in re.findall(r"^handwheel (.*)$", TEXT, re.M)]
OF_THE_METHOD = (  # the evidence table as the method lists it, "exact rows"
    "period; assets; alerts; followed/deferred/rejected; interventions N; with independent finding n (%); confirmed S"
    " (%); U [90 %]; anytime upper bound of confirmation; q0 and its arithmetic; m0 cal/prot; e cal/prot; tipping"
    " points i-iii; mean wear at removal %; E_net [90 %]; E_waste; cost/yr; failures/yr and credit; D1 p, spike age,"
    " share + control p; D2 RR, p; D3 n, rate [CI], randomised?; D4 ratio [CI]; own-model AUC;"
    " vendor-only/own-only/both, kappa (descriptive)"
)
NAMED = dict(zip(OF_THE_METHOD.split("; "), METHOD, strict=True))


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_one_that_there_is(line, capsys):
    _known, words = _common().parse_known_args(shlex.split(line))
    if "--help" in words:
        with pytest.raises(SystemExit) as ended:
            build_parser(words[0]).parse_args(words)
        assert ended.value.code == 0
    else:
        assert build_parser(words[0]).parse_args(words).call


def test_the_page_explains_each_row_of_the_method_in_its_order():
    rows = re.findall(r"^\| (\w+) \| ([A-Z].*) \|$", TEXT, re.M)
    assert [name for name, _words in rows] == list(METHOD)
    assert all(words.count(". ") == 0 and words.endswith(".") for _name, words in rows), "one sentence each"


def test_each_row_of_the_program_is_the_one_that_the_method_lists_there():
    expected = {"alerts": "alerts", "e": "e cal/prot", "q0": "q0 and its arithmetic", "m0": "m0 cal/prot",
                "failures": "failures/yr and credit", "net": "E_net [90 %]", "own_auc": "own-model AUC",
                "calendar": "D1 p, spike age, share + control p", "after_work": "D4 ratio [CI]",
                "unsupported": "U [90 %]", "step": "D2 RR, p", "tipping": "tipping points i-iii"}  # fmt: skip
    assert {NAMED[row]: row for row in NAMED if NAMED[row] in expected} == expected


ACCUSING = re.compile(
    r"fraud|guilt|cheat|convict|decei[vt]|dishonest|culprit|swindl|malicious|abus(e|i)|needless|uncalled"
    r"|betrug|betrüg|täusch|schuldig|vorsätz|missbrauch|freispruch|unnötig|überflüssig"
    r"|trompe(r|ur)|malhonn|coupable|tricher|condamn|inutile",
    re.I,
)
PACK = sorted((ROOT / "monitor/review/pack").glob("*.txt"))


@pytest.mark.parametrize(
    "path", [ROOT / "docs/review.md", ROOT / "docs/bias_method.md", *PACK], ids=lambda one: one.name
)
def test_no_word_of_it_accuses(path):
    assert len(PACK) == 3
    assert not ACCUSING.search(path.read_text("utf-8"))


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_no_word_of_the_review_the_report_or_why_accuses_in_any_language(language):
    files = [
        one for folder in ("review", "reports/comparison", "why") for one in (ROOT / "monitor" / folder).glob("*.py")
    ]
    catalogue = ROOT / f"monitor/locale/{language}/LC_MESSAGES/handwheel.po"
    said = {}
    if language != "en":
        with catalogue.open("rb") as file:
            said = {str(one.id): str(one.string) for one in read_po(file)}
    strings = {
        node.value
        for path in files
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert len(strings) > 500
    assert [one for one in strings if ACCUSING.search(said.get(one, one))] == []
