"""docs/review.md: its commands are those of the program, its rows are those of the table, its words never accuse."""

import re
import shlex
from pathlib import Path

import pytest

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


def test_no_word_of_it_accuses():
    assert not re.search(r"fraud|guilt|cheat|convict", TEXT, re.I)
