"""What models say of why they cannot tell, in the language of whoever reads. Models speak one language, people do not.

Standard library only. A reason that stands in no form here is shown as it came, cleaned.
"""

import re
from collections.abc import Callable, Mapping

from monitor.labels import operating_word, quantity_word
from monitor.words import _, clean

_SAID: Mapping[str, Callable[[str], str]] = {"state": operating_word, "quantity": quantity_word}  # of what a form names


def reason_text(reason: object, limit: int = 400) -> str:
    """A reason or note of a model, each of its clauses as a person reads it; cut to `limit` characters."""
    return clean("; ".join(_clause(one) for one in clean(reason, 400).split("; ")), limit)


def _clause(text: str) -> str:
    for form, words in _forms().items():
        if found := re.fullmatch(form, text):
            told = {name: _SAID.get(name, str)(one) for name, one in found.groupdict(default="").items()}
            return words.format(**told)
    return text


def _forms() -> dict[str, str]:
    """By what models say: the words for it. Numbers, times and names of tags stay what they are."""
    return {
        r"no good data": _("no good data"),
        r"no good data in the last (?P<n>\d+) rows": _("no good data in the last {n} rows"),
        r"no rows in the window": _("no rows in the window"),
        r"fewer than (?P<n>\d+) good rows in one state since the last gap": _(
            "fewer than {n} good rows in one state since the last gap"
        ),
        r"no reference has been learned for this pump": _("no reference has been learned for this pump"),
        r"no reference of this pump yet": _("no reference of this pump yet"),
        r"no reference of this meter yet": _("no reference of this meter yet"),
        r"no reference of this account yet": _("no reference of this account yet"),
        r"no night flow in the reference of this meter": _("no night flow in the reference of this meter"),
        r"(?P<quantity>\w+) is outside the learned (?P<low>\S+) to (?P<high>\S+)(?P<unit>.*)": _(
            "{quantity} is outside the learned {low} to {high}{unit}"
        ),
        r"(?P<state>\w+): the index is that of (?P<time>\S+)": _("{state}: the index is that of {time}"),
        r"(?P<quantity>\w+) has no good value: judged without it": _("{quantity} has no good value: judged without it"),
        r"no good value for more than (?P<s>\d+) s": _("no good value for more than {s} s"),
        r"(?P<tag>\S+) has not moved": _("{tag} has not moved"),
        r"past the line, but inside the measurement uncertainty": _(
            "past the line, but inside the measurement uncertainty"
        ),
        r"needs (?P<least>\d+) good steady values, has (?P<n>\d+)": _("needs {least} good steady values, has {n}"),
        r"needs (?P<n>\d+) days on which both sides were measured": _(
            "needs {n} days on which both sides were measured"
        ),
        r"needs (?P<n>\d+) nights": _("needs {n} nights"),
        r"needs (?P<least>\d+) good hours of the last (?P<all>\d+), has (?P<n>\d+)": _(
            "needs {least} good hours of the last {all}, has {n}"
        ),
        r"(?P<state>\w+): (?P<n>\d+) complete good rows of (?P<least>\d+) needed in one piece": _(
            "{state}: {n} complete good rows of {least} needed in one piece"
        ),
        r"no value at all in this window of (?P<s>\S+) s rows": _("no value at all in this window of {s} s rows"),
        r"(?P<tag>\S+) has no good value in this window": _("{tag} has no good value in this window"),
        r"only (?P<n>\d+) of (?P<all>\d+) rows of (?P<s>\S+) s hold any value": _(
            "only {n} of {all} rows of {s} s hold any value"
        ),
        r"no curves: (?P<tag>\S+) has no good value": _("no curves: {tag} has no good value"),
    }
