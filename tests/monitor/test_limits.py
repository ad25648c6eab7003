"""limits.toml: what an engineer writes there holds for the pumps it names, and each mistake is told with its place."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from models.health.limits import VIBRATION_ZONES, Limits
from models.health.meter import MeterLimits
from monitor import check, judge, learning
from monitor.daemon.difference import difference
from monitor.ledger import Ledger
from monitor.plant import VIBRATION_CLASSES
from monitor.plant import Limits as Row
from monitor.settings import SettingsError, load
from monitor.settings import limits as shapes
from monitor.state import State
from tests.monitor import judged_plant

ROOT = Path(__file__).parents[2]


@pytest.fixture
def written(tmp_path):
    """The example with another limits.toml; and other words in its site.toml."""

    def write(text, old="", new=""):
        folder = tmp_path / "config"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(ROOT / "config/example", folder)
        (folder / "limits.toml").write_text(text)
        site = (folder / "site.toml").read_text()
        (folder / "site.toml").write_text(site.replace(old, new, 1) if old else site)
        return folder

    return write


ROWS = """
[all]
head_percent = [4, 8]
u_flow = 1

[[for]]
duty = "sewage"
head_percent = [5.0, 10.0]

[[for]]
model = "HL 150-45"
u_flow = 0.5

[[for]]
asset = "R-P01"
head_percent = [6.0, 12.0]

[[vibration]]
class = "submersible"
up_to_kw = 30
lines = [4.0, 7.0, 11.0]
[[vibration]]
class = "submersible"
lines = [5.0, 8.0, 12.0]
"""


def test_a_row_holds_for_whom_it_names_and_a_later_row_counts_before_an_earlier_one(written):
    settings = load(written(ROWS))
    assert settings.limits_of("N-P01") == {"head_percent": (4.0, 8.0), "u_flow": 1.0}
    assert settings.limits_of("N-P11") == {"head_percent": (4.0, 8.0), "u_flow": 0.5}
    assert settings.limits_of("R-P02") == {"head_percent": (5.0, 10.0), "u_flow": 1.0}
    assert settings.limits_of("R-P01") == {"head_percent": (6.0, 12.0), "u_flow": 1.0}


def test_the_model_gets_the_site_s_limits_and_the_defaults_for_the_rest(written):
    settings = load(written(ROWS, 'serial           = "SP-0301"', 'vibration_category = "submersible"'))
    found = learning.limits(settings, settings.asset("R-P01"))
    assert (found.head_percent, found.u_flow, found.u_head) == ((6.0, 12.0), 1.0, Limits().u_head)
    assert found.vibration["submersible"] == ((30.0, (4.0, 7.0, 11.0)), (math.inf, (5.0, 8.0, 12.0)))
    assert found.vibration["II"] == VIBRATION_ZONES["II"]
    assert learning.limits(load(written("")), settings.asset("R-P01")) == Limits()


def test_no_file_is_the_defaults(written):
    folder = written("")
    (folder / "limits.toml").unlink()
    assert load(folder).limits_of("N-P01") == {}


def test_names_of_limits_and_classes_are_those_of_the_model():
    assert set(shapes.Limits.model_fields) == set(Limits.__dataclass_fields__) - {"vibration"}
    assert set(shapes.Meters.model_fields) == set(MeterLimits.__dataclass_fields__)
    assert tuple(VIBRATION_ZONES) == VIBRATION_CLASSES


def test_meters_have_rows_of_their_own_and_none_for_pumps_is_theirs(written):
    settings = load(written("""[all]
u_flow = 9
[meters]
drift_percent = [2, 4]
[[for]]
asset = "N-M01"
u_flow = 0.5
[[for]]
duty = "borehole"
u_head = 3
"""))  # fmt: skip
    assert settings.limits_of("N-M01") == {"drift_percent": (2.0, 4.0), "u_flow": 0.5}
    assert settings.limits_of("N-M02") == {"drift_percent": (2.0, 4.0)}
    assert settings.limits_of("N-P01") == {"u_flow": 9.0, "u_head": 3.0}
    told = check.plan(settings, State(Path("/nowhere")))
    assert "  N-M01: drift_percent = [2, 4], u_flow = 0.5" in told


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[all]\nhead_precent = [3, 6]", "line 2: all.head_precent: is unknown; did you mean head_percent?"),
        ("[all]\nhead_percent = [6, 3]", "line 2: all.head_percent: must be two numbers, the smaller one first"),
        ("[all]\nhead_percent = 3", "line 2: all.head_percent: must be a list in square brackets (found 3)"),
        ("[all]\nhead_percent = [3]", "line 2: all.head_percent: needs at least 2 entries"),
        ("[all]\nnpsh_margin = [1.0, 1.1]", "line 2: all.npsh_margin: must be two numbers, the larger one first"),
        ("[all]\nu_flow = nan", "line 2: all.u_flow: must be a number, neither nan nor inf"),
        ('[all]\nu_flow = "2"', "line 2: all.u_flow: must be a number without quotes (found '2')"),
        ("[all]\ncoverage = 0", "line 2: all.coverage: must be 1 or more (found 0)"),
        ("[[for]]\nu_flow = 1", "line 1: for.0: needs exactly one of duty, model, asset"),
        ('[[for]]\nduty = "a"\nasset = "b"\nu_flow = 1', "line 1: for.0: needs exactly one of duty, model, asset"),
        ('[[for]]\nduty = "sewege"\nu_flow = 1', "line 2: for.0.duty: 'sewege' is not a known duty; did you mean"),
        ('[[for]]\nasset = "R-P9"\nu_flow = 1', "line 2: for.0.asset: 'R-P9' is not a known asset; did you mean"),
        ('[[for]]\nduty = "sewage"', "line 1: for.0: says nothing; give a limit or remove the row"),
        ('[[for]]\nasset = "N-M01"\nhead_percent = [3, 6]', "line 3: for.0.head_percent: is no limit of a meter"),
        ('[[for]]\nasset = "N-P01"\ngain_db = [3, 6]', "line 3: for.0.gain_db: is no limit of pumps"),
        ("[meters]\nhead_percent = [3, 6]", "line 2: meters.head_percent: is unknown"),
        ("[al]\nu_flow = 1", "line 1: al: is unknown; did you mean all?"),
        ('[[vibration]]\nclass = "x"\nlines = [3, 2, 1]', "line 3: vibration.0.lines: must be three rising numbers"),
        ('[[vibration]]\nclass = "x"\nup_to_kw = 30\nlines = [1, 2, 3]', "line 1: vibration.0: class x: nothing is"),
        ('[[vibration]]\nclass = "x"\nlines = [1, 2, 3]\n[[vibration]]\nclass = "x"\nup_to_kw = 9\nlines = [1, 2, 3]',
         "line 4: vibration.1: class x: write its rows by rising up_to_kw, the last without"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_line_key_and_the_nearest_name(written, text, fault):
    folder = written(text)
    with pytest.raises(SettingsError) as caught:
        load(folder)
    assert any(one.startswith(f"{folder}/limits.toml: {fault}") for one in caught.value.faults), caught.value.faults


@pytest.mark.parametrize(
    ("new", "fault"),
    [('vibration_category = "3"', "vibration_category: '3' is not a known class of vibration limits"),
     ('well = "R-T99"', "well: 'R-T99' is not a known asset; did you mean")],
)  # fmt: skip
def test_a_class_or_a_well_that_nobody_knows_is_told(written, new, fault):
    folder = written("", 'serial           = "SP-0101"', new)
    with pytest.raises(SettingsError, match=r"asset\.0\.") as caught:
        load(folder)
    assert any(fault in one for one in caught.value.faults)


def test_check_tells_the_limits_in_force_that_are_no_defaults(written, tmp_path):
    told = check.plan(load(written(ROWS)), State(tmp_path))
    assert "  R-P01: head_percent = [6, 12], u_flow = 1" in told
    assert "  N-P01, N-P02, N-P03, H-P01, H-P02, H-P03: head_percent = [4, 8], u_flow = 1" in told
    assert "  vibration class submersible up to 30 kW: [4, 7, 11] mm/s RMS" in told
    assert "  none: the defaults everywhere" in check.plan(load(written("")), State(tmp_path))


def test_a_reload_says_which_limit_is_another_one_now(written):
    old = load(written(ROWS))
    assert difference(old, load(written(ROWS.replace("[4, 8]", "[4, 9]").replace("u_flow = 0.5", "u_head = 0.5")))) == [
        "limits of all: head_percent 4.0, 8.0 -> 4.0, 9.0",
        "limits of model HL 150-45: u_flow 0.5 -> none, u_head none -> 0.5",
    ]
    assert difference(old, load(written(ROWS + '[[for]]\nasset = "N-P01"\nu_head = 3'))) == [
        "limits of asset N-P01: added"
    ]
    changed = ROWS.replace("[5.0, 8.0, 12.0]", "[5.0, 8.0, 13.0]")
    assert len(difference(old, load(written(changed)))) == 1


def test_what_only_the_lines_need_of_the_nameplate_is_that_of_today(written):
    settings = load(written("", 'serial           = "SP-0301"', "npsh_required_m = 5\nvibration_category = '1_rigid'"))
    now = learning.rated(settings, settings.asset("R-P01"))
    assert (now.npsh_required_m, now.well_area_m2, now.vibration_category) == (5.0, 6.0, "1_rigid")
    learned = replace(now, npsh_required_m=None, well_area_m2=None, vibration_category="II", gauge_height_m=0.7)
    assert learning.of_today(learned, now) == replace(now, gauge_height_m=0.7)


def test_the_limit_of_the_site_is_the_one_that_is_judged_by(tmp_path):
    state = State(tmp_path).make()
    Ledger(state).close()
    plant = judged_plant.settings()
    judged_plant.lay_down(state, plant, judged_plant.NOW_US, judged_plant.minutes(100))

    def vibration(settings):
        row = judge.score(state, settings, judged_plant.NOW_US).assessments[0]
        return next(line["word"] for line in row["lines"] if line["name"] == "vibration")

    assert vibration(plant) == "ok"
    assert vibration(replace(plant, vibration={"II": ((math.inf, (0.5, 1.0, 5.0)),)})) == "warn"
    assert vibration(replace(plant, vibration={"II": ((math.inf, (0.5, 1.0, 5.0)),)},
                             limits=(Row("asset", "pump1", {"u_vibration": 50.0}),))) == "cannot_tell"  # fmt: skip
