"""`handwheel model explain`: its arithmetic is done again from the printed text alone, and meets what is printed."""

import csv
import math
import re
from itertools import pairwise
from statistics import median

import numpy as np
import pytest

from monitor import learning
from monitor.cli import build_parser
from monitor.ledger import Ledger
from monitor.model import command
from monitor.state import State
from tests.monitor.judged_plant import NOW_US, lay_down, minutes, settings

PLANT = settings()
HOUR_US = 3_600_000_000
CLOSE = {"rel": 2e-5, "abs": 1e-5}  # seven digits are printed


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """(text, rows of the CSV) for a pump whose impeller lost 5 % of its head an hour ago and whose gauge has a gap."""
    state = State(tmp_path_factory.mktemp("explained")).make()
    Ledger(state).close()
    frame, ill = minutes(), minutes(head_loss=0.05)
    frame.iloc[-60:] = ill.iloc[-60:].to_numpy()
    lay_down(state, PLANT, NOW_US, frame)
    until = NOW_US - 2 * HOUR_US
    learning.store(state, "pump1", learning.fitted(state, PLANT, "pump1", until, "nobody yet", until - 40 * HOUR_US))
    path = state.root / "numbers.csv"
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr("builtins.print", lambda *words, end="\n", **_: said.append(" ".join(map(str, words)) + end))
        words = ["model", "explain", "pump1", "--at", "2026-01-05T00:00Z", "--csv", str(path)]
        assert command.command(build_parser("model").parse_args(words), PLANT, state) == 0
    with path.open(newline="") as file:
        return "".join(said), list(csv.DictReader(file))


def fits(row, gaps):
    """Whether a line is a row of the table whose columns have these gaps between them."""
    return bool(row.strip()) and all(row[at : at + 1] in ("", " ") for gap in gaps for at in gap)


def tables(text):
    """Each table of a page by the heads of its columns: first cell -> the others."""
    found = {}
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if re.fullmatch(r"-+(  +-+)+", line):
            spans = [match.span() for match in re.finditer("-+", line)]
            cells = [[row[a:b].strip() for a, b in spans] for row in [lines[at - 1], *lines[at + 1 :]]]
            gaps = [range(left[1], right[0]) for left, right in pairwise(spans)]
            end = next(i for i, row in enumerate(lines[at + 1 :], 1) if not fits(row, gaps))
            found[tuple(cells[0])] = {row[0]: row[1:] for row in cells[1:end]}
    return found


def table(printed, *heads):
    return next(rows for names, rows in tables(printed[0]).items() if names[: len(heads)] == heads)


def number(text):
    return math.nan if text == "-" else float(text)


def numbers(printed, *heads):
    return {name: [number(one) for one in cells] for name, cells in table(printed, *heads).items()}


LAGS = ("row 0", "row -1", "row -2", "row -3", "row -4")


def test_x_follows_from_values_centre_scale_and_mean(printed):
    values = table(printed, "feature", "unit", *LAGS)
    baseline, mean, x = (
        numbers(printed, *heads) for heads in (("feature", "centre"), ("mean", "row 0"), ("x", "row 0"))
    )
    assert sorted(x) == ["bearing_over_ambient", "head_residual", "power_residual", "vibration"]
    for name, (_unit, *row) in values.items():
        centre, scale, _floor = baseline[name]
        told = [(number(one) - centre) / scale - m for one, m in zip(row, mean[name], strict=True)]
        assert told == pytest.approx(x[name], rel=1e-4, abs=1e-4)


def test_the_score_of_the_row_is_t2_and_q_over_their_levels(printed):
    components, e = numbers(printed, "component"), numbers(printed, "e", "row 0")
    told = named(printed)
    assert sum(t * t / v for t, v, _share in components.values()) == pytest.approx(
        told["T2 = sum of t^2 / variance"], **CLOSE
    )
    assert sum(one * one for row in e.values() for one in row) == pytest.approx(told["Q = sum of e^2"], **CLOSE)
    score = told["T2 = sum of t^2 / variance"] / told["T2 level"] + told["Q = sum of e^2"] / told["Q level"]
    assert score == pytest.approx(told["score of the row = T2 / T2 level + Q / Q level"], **CLOSE)


def named(printed):
    """Every row "what  value" of the page."""
    found = {}
    for line in printed[0].splitlines():
        parts = re.split(r" {2,}", line.strip())
        if len(parts) == 2 and re.fullmatch(r"-?[\d.]+(e[+-]\d+)?", parts[1]):
            found.setdefault(parts[0], float(parts[1]))
    return found


def test_the_index_follows_from_the_median_of_the_scores_and_the_alert_line(printed):
    told = named(printed)
    scores = [row[0] for row in numbers(printed, "row begins at (UTC)", "score").values()]
    assert len(scores) == 15
    middle = median(scores)
    assert told["alert line"] == pytest.approx(1.5 * told["largest training score (warning line)"], **CLOSE)
    index = 100 * 0.5 ** (middle / told["alert line"])
    assert index == pytest.approx(told["index"], rel=1e-4)
    assert index == pytest.approx(told["index = 100 x 0.5^(score / alert line)"], rel=1e-4)
    row = told["score of the row = T2 / T2 level + Q / Q level"]
    assert abs(row - middle) <= min(abs(one - middle) for one in scores) + 1e-4


def test_contributions_are_made_of_t2_and_q_and_add_up_to_100(printed):
    told, found = named(printed), table(printed, "feature", "of T2", "of Q")
    parts = {
        name: number(t2) / told["T2 level"] + number(q) / told["Q level"] for name, (t2, q, *_rest) in found.items()
    }
    for name, (_t2, _q, share, *_rest) in found.items():
        assert 100 * parts[name] / sum(parts.values()) == pytest.approx(number(share), **CLOSE)
    assert sum(number(cells[2]) for cells in found.values()) == pytest.approx(100, abs=1e-4)
    assert sum(number(cells[0]) for cells in found.values()) == pytest.approx(
        told["T2 = sum of t^2 / variance"], **CLOSE
    )
    assert sum(number(cells[1]) for cells in found.values()) == pytest.approx(told["Q = sum of e^2"], **CLOSE)
    assert next(iter(found)) == "head_residual", "largest first, and it is the impeller"
    for _t2, _q, _share, value, expected, residual, _unit in found.values():
        assert number(value) - number(expected) == pytest.approx(number(residual), rel=1e-3, abs=1e-5)


def test_the_features_follow_from_the_tags_by_their_formulas(printed):
    values, further = table(printed, "feature", "unit", *LAGS), table(printed, "further values of row 0")
    curves, derived = numbers(printed, "curve", "a", "b", "c"), table(printed, "feature", "made of")
    now = {name: number(cells[1]) for name, cells in values.items()} | {
        name: number(cells[0]) for name, cells in further.items()
    }
    head = 10.2 * (now["discharge_pressure"] - now["suction_pressure"])
    assert head == pytest.approx(now["head"], **CLOSE)
    a, b, c, flow, at = curves["head_n"]
    assert flow == now["flow_n"] == now["flow"], "a pump without a speed tag runs at its rated speed"
    assert a + b * flow + c * flow**2 == pytest.approx(at, **CLOSE)
    assert head == pytest.approx(now["head_n"], **CLOSE)
    laws = table(printed, "term", "coefficient")
    for name in ("head_residual", "power_residual", "vibration"):
        formula, value = derived[name]
        terms = {one.split(": ")[1]: cells for one, cells in laws.items() if one.startswith(name + ":")}
        expected = 1.0
        for term, (coefficient, middle, *_range) in terms.items():
            driver, _, power = term.partition("^")
            if power:
                expected += number(coefficient) * (now[driver] / number(middle) - 1) ** int(power)
        target = re.match(r"100 \((\w+) / E - 1\)", formula).group(1)
        told = 100 * (now[target] / (number(terms["level"][0]) * expected) - 1)
        assert told == pytest.approx(now[name], rel=2e-3, abs=2e-3)
        assert number(value) == now[name]


def middle_error(values):
    """Standard error of a median, as the page says it."""
    middle = median(values)
    return 1.2533 * 1.4826 * median(abs(one - middle) for one in values) / math.sqrt(len(values))


def rows_of(printed):
    found = {}
    for names, rows in tables(printed[0]).items():
        if names[0] == "row" and "begins at (UTC)" not in names:
            for i, name in enumerate(names[1:]):
                found[name] = [number(cells[i]) for cells in rows.values()]
    return found


@pytest.mark.parametrize(
    ("name", "column", "own"),
    [("efficiency", "efficiency", ("u_flow", "u_head", "u_power")),
     ("energy_per_head", "energy_per_head", ("u_flow", "u_head", "u_power")),
     ("head_residual", "head_n", ("u_head",)), ("power_residual", "power_n", ("u_power",))],
)  # fmt: skip
def test_a_line_with_a_curve_is_redone_from_its_rows(printed, name, column, own):
    rows, limits, told = (
        rows_of(printed),
        table(printed, "limit", "value"),
        numbers(printed, "line", "value", "reference")[name],
    )
    a, b, c, *_ = numbers(printed, "curve", "a", "b", "c")[column]
    flow, value = median(rows["flow_n"]), median(rows[column])
    curve = [a + b * x + c * x * x for x in rows["flow_n"]]
    at = a + b * flow + c * flow * flow
    r = 100 * middle_error([y - z for y, z in zip(rows[column], curve, strict=True)]) / abs(value)
    parts = [r, *(float(limits[one][0]) for one in own)]
    if name.endswith("_residual"):
        parts.append((b + 2 * c * flow) * flow / at * float(limits["u_flow"][0]))
        shown, reference, u = 100 * (value / at - 1), 0.0, math.hypot(*parts)
    else:
        shown, reference, u = value, at, value / 100 * math.hypot(*parts)
    assert (shown, reference, u) == pytest.approx((told[0], told[1], told[5]), rel=1e-4, abs=1e-9)


def test_the_word_of_each_line_follows_from_excess_lines_and_uncertainty(printed):
    lines, words = numbers(printed, "line", "value", "reference"), table(printed, "line", "unit", "n", "word")
    judged = 0
    for name, (value, reference, excess, warn, act, u, ku) in lines.items():
        if math.isnan(excess):
            assert words[name][2] in ("figure only", "cannot tell")
            continue
        assert ku == pytest.approx(2 * u, **CLOSE)
        side = -1 if warn < reference or act < reference else 1
        either = abs(value - reference) if name in ("power_residual", "vibration_step") else side * (value - reference)
        assert excess == pytest.approx(either, rel=1e-3, abs=1e-6)
        word = "as usual" if excess <= abs(warn - reference) else "cannot tell" if excess <= ku else "warning"
        if word == "warning" and excess > abs(act - reference):
            word = "ALERT"
        assert words[name][2] == word, name
        judged += 1
    assert judged >= 8
    assert words["head_residual"][2] == "ALERT"


def test_the_csv_holds_x_and_m_and_they_give_the_score(printed):
    _text, rows = printed
    x = np.array([float(row["x"]) for row in rows])
    m = np.array([[float(row[f"M:{other['column']}"]) for other in rows] for row in rows])
    told = named(printed)
    assert x @ m @ x == pytest.approx(told["score of the row = T2 / T2 level + Q / Q level"], rel=1e-6)
    again = [(float(row["value"]) - float(row["centre"])) / float(row["scale"]) - float(row["mean"]) for row in rows]
    assert again == pytest.approx(x.tolist(), rel=1e-9, abs=1e-9)
    for name, (t, _variance, _share) in numbers(printed, "component").items():
        assert float(x @ [float(row[f"loading_{name}"]) for row in rows]) == pytest.approx(t, **CLOSE)


def test_no_line_of_the_page_is_wider_than_a_printer(printed):
    assert max(len(line) for line in printed[0].splitlines()) <= 124
