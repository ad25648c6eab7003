"""When our own model could tell: its silence counts only there."""

import math

import pandas as pd

from models.bias.watched import watches
from tests.models.test_bias_records import records, reviewed

DAY = 86_400_000_000


def assessed(*rows: tuple[str, float, float | None]) -> pd.DataFrame:
    return pd.DataFrame([{"asset": asset, "at_us": round(day * DAY), "index": index} for asset, day, index in rows])


def test_it_can_tell_from_a_known_index_until_one_that_is_not():
    watch = watches({"assessment": assessed(("A", 10, 97.0), ("A", 20, None), ("B", 5, None))}, {"A", "B", "C"})
    assert set(watch) == {"A", "B"}
    assert [watch["A"].at(day * DAY) for day in (9, 10, 19, 20, 30)] == [False, True, True, False, False]
    assert [watch["A"].within(a * DAY, b * DAY) for a, b in ((0, 10), (0, 11), (15, 16), (20, 40))] == [
        False, True, True, False,
    ]  # fmt: skip
    assert not watch["B"].within(0, 100 * DAY)


def test_own_alerts_of_another_program_stand_for_a_model_that_watched_all_the_time():
    own = pd.DataFrame([{"asset": "A", "at_us": 30 * DAY}])
    assert watches({"own_alert": own, "assessment": assessed(("A", 40, None))}, {"A"})["A"].at(DAY)
    assert not watches({"own_alert": own, "assessment": assessed(("A", 10, 50.0))}, {"A"})["A"].at(DAY)


def test_without_an_own_model_its_rows_say_nothing_and_with_one_only_of_its_assets():
    tables = records((1, "P0", "D"), (40, "P0", "A"), (80, "P0", "B"))
    r = reviewed(tables)
    assert (r.watched, r.own_judged, r.vendor_only, r.own_only, r.both, r.kappa_cells) == ((), (0, 0), 0, 0, 0, 0)
    assert math.isnan(r.own_auc)
    assert math.isnan(r.kappa)
    assert not r.cases["own_known"].any()
    asset = str(r.cases["asset"].iloc[0])
    judged = pd.DataFrame([{"asset": asset, "at_us": int(r.cases["at_us"].iloc[1]), "index": 90.0}])
    seen = reviewed(tables | {"assessment": judged})
    assert seen.watched == (asset,)
    assert list(seen.cases["own_known"]) == [False, True, True]
    assert seen.own_judged == (2, 0)
