"""P-12 walked by every way there is, over a small plant of two breakers, their locks, an engine and its plug.

Where a step leads is read from the parsed page; what is done there, and what can go wrong at it, stands here. A page
that is rewritten fails here until somebody has walked it again.
"""

import re
from typing import NamedTuple

import pytest

from fallback_procedures.library import load

PAGE = load(None).get("P-12", "en").procedure


class Plant(NamedTuple):
    """What stands how when a step is reached. `fault`: a breaker has tripped and nobody has found why."""

    mains: str = "closed"  # its breaker: open, closed, tripped
    mains_locked: bool = False
    breaker: str = "open"  # that of the generator
    breaker_locked: bool = False
    runs: bool = False
    plugged: bool = True
    fault: bool = False
    stuck: bool = False  # no stop has stopped the engine
    aired: bool = False  # the gas was in its limits, and no engine has run since


DONE = {  # what a step does where all is as expected
    "1": {"aired": True}, "4": {"runs": False}, "6": {"mains": "open"}, "7": {"mains_locked": True},
    "9": {"breaker": "open"}, "12": {"plugged": True}, "15": {"runs": True}, "21": {"breaker_locked": False},
    "22": {"breaker": "closed"}, "28": {"runs": False, "aired": False}, "34": {"breaker": "open"},
    "35": {"breaker_locked": True}, "36": {"mains_locked": False}, "38": {"mains": "closed"}, "42": {"runs": False},
    "43": {"plugged": False},
}  # fmt: skip
WRONG = {  # what has gone wrong where a step sends somewhere, one plant each
    ("2", "29"): [{"aired": False}],
    ("18a", "28"): [{"fault": True}, {}],  # the breaker of the mobile set itself
    ("22", "27"): [{"breaker": "tripped", "fault": True}, {"breaker": "closed"}],
    ("24", "27"): [{"breaker": "tripped", "fault": True}, {"runs": False, "aired": False}, {}],
    ("26", "29"): [{"runs": False, "aired": False}],
    ("28", "29"): [{"runs": False, "aired": False}, {"stuck": True}],  # the emergency stop stops it, or nothing does
    ("38", "28"): [{"mains": "tripped", "fault": True}],
    ("38", "6"): [{"mains": "closed"}],
    ("40", "5"): [{}, {"mains": "tripped", "fault": True}],
}


def may(plant, number, to):
    """Whether the words of the page let somebody take this way from a step with the plant like that."""
    idle = not plant.runs or plant.breaker != "closed"
    tripped = "tripped" in (plant.mains, plant.breaker)
    return {
        ("5", "6"): not plant.fault,  # the station is sound
        ("6", "7"): plant.mains != "tripped",
        ("9", "10"): plant.breaker != "tripped",
        ("13", "29"): not plant.runs,
        ("15", "29"): not plant.runs,
        ("15", "16"): plant.runs or (plant.aired and plant.mains == plant.breaker == "open" and plant.mains_locked),
        ("18", "19"): plant.runs,
        ("30", "31"): not idle,
        ("30", "1"): idle and not plant.fault,
        ("30", "29"): idle,
        ("30", "32"): idle and not plant.fault and plant.mains == "open",
        ("30", "39"): idle and not plant.fault and plant.mains == "closed",
        ("32", "24"): not idle,
        ("33", "34"): not (plant.fault or tripped),  # the HOLD
        ("33", "23"): not idle,
        ("34", "35"): not tripped,
    }.get((number, to), True)


def told(text):
    return re.findall(r"GO TO step (\d+)", " ".join(text.split()))


def ways(step, plant):
    """(where to, with which plant) of each way out of a step."""
    order = [one.number for one in PAGE.steps]
    behind = [*order[1:], ""][order.index(step.number)]
    number = step.number
    if number == "30" and plant.fault:  # the electrician comes, finds why and leaves both breakers open
        found = {"fault": False} | {name: "open" for name in ("mains", "breaker") if getattr(plant, name) == "tripped"}
        yield from ways(step, plant._replace(**found))
    if number in ("10", "11", "12") and plant.plugged:  # their condition is not met
        yield behind, plant
        return
    sent = [
        *told(step.if_not),
        *told(step.if_twice),
        *told(step.expect),
        *(to for one in step.holds for to in told(one.text)),
    ]
    for to in sent:
        for wrong in WRONG.get((number, to), [{}]):
            if may(plant, number, to):
                yield to, plant._replace(**wrong)
    done = plant._replace(**DONE.get(number, {}))
    if number == "27" and plant.breaker == "closed":
        done = plant._replace(breaker="open")
    if number == "43" and (plant.runs or plant.breaker != "open" or not plant.breaker_locked):
        done = plant  # plug and lock stay
    if may(plant, number, behind):
        yield behind, done
    feeding = plant.runs and plant.breaker == "closed"  # nothing but a round comes to 27 and 28 without being sent
    if step.branch and (feeding if number in ("27", "28") else number not in ("10", "11", "12", "15", "30", "32")):
        yield behind, plant  # its condition is not met
    if number == "31":
        yield from (("24", plant), ("32", plant))
    if number == "44":  # HAND BACK: the mains is dead again
        yield "1", plant._replace(aired=False)


def walk(begun):
    """Each step with each plant it can be reached with."""
    seen, open_ones = set(), [("1", plant) for plant in begun]
    while open_ones:
        here = open_ones.pop()
        if here not in seen:
            seen.add(here)
            if here[0]:
                open_ones += list(ways(PAGE.step(here[0]), here[1]))
    return seen


@pytest.fixture(scope="module")
def reached():
    begun = [Plant(), Plant(mains="open"), Plant(plugged=False), Plant(mains="tripped", fault=True)]
    return walk(begun)


def plants_at(reached, number):
    found = {plant for step, plant in reached if step == number}
    assert found, number
    return found


def test_the_page_sends_where_this_walk_knows_what_went_wrong():
    for number, to in WRONG:
        step = PAGE.step(number)
        assert to in told(f"{step.if_not} {step.if_twice}"), (number, to)


def test_no_breaker_is_closed_onto_a_fault_or_onto_the_other_feed(reached):
    closing = {plant for plant in plants_at(reached, "22") if may(plant, "22", "23")}
    assert all(plant.mains == "open" and plant.mains_locked and not plant.fault for plant in closing)
    closing = plants_at(reached, "38")
    assert all(plant.breaker == "open" and plant.breaker_locked and not plant.fault for plant in closing)
    assert all(plant.breaker == "open" for plant in plants_at(reached, "39"))


def test_rounds_are_walked_only_with_an_engine_that_feeds(reached):
    assert all(plant.runs and plant.breaker == "closed" for plant in plants_at(reached, "31"))


def test_no_way_leaves_an_engine_idling_that_can_be_stopped(reached):
    assert all(plant.stuck for plant in plants_at(reached, "30") if plant.runs and plant.breaker != "closed")


def test_whoever_waits_can_end_there_with_the_generator_standing_or_its_breaker_open(reached):
    waiting = {plant for plant in plants_at(reached, "30") if not (plant.runs and plant.breaker == "closed")}
    for plant in waiting:
        assert {to for to, _plant in ways(PAGE.step("30"), plant)} & {"1", "32", "39"}


def test_each_way_ends_at_the_hand_back(reached):
    told_by = {here: set(ways(PAGE.step(here[0]), here[1])) if here[0] else set() for here in reached}
    ending = {here for here in reached if not here[0]}
    while more := {here for here, following in told_by.items() if following & ending} - ending:
        ending |= more
    assert reached == ending


def test_a_plug_comes_out_behind_a_standing_engine_and_a_locked_breaker(reached):
    out = {plant for plant in plants_at(reached, "44") if not plant.plugged}
    came_out = {plant for plant in plants_at(reached, "43") if plant.plugged
                and any(not after.plugged for _to, after in ways(PAGE.step("43"), plant))}  # fmt: skip
    assert out and came_out and all(not one.runs and one.breaker == "open" and one.breaker_locked for one in came_out)
