"""Ten thousand damaged procedure files in three languages: none is half understood, none makes the parser fail."""

import random
from pathlib import Path

import pytest

from tests.fallback.mutations import accounted_for, mutated

LIBRARY = sorted((Path(__file__).parents[2] / "fallback_procedures" / "library").rglob("*.txt"))
pytestmark = pytest.mark.drill


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_file_is_refused_or_every_item_of_it_is_accounted_for(seed):
    draw = random.Random(seed)
    accepted = sum(accounted_for(mutated(draw.choice(LIBRARY).read_bytes(), draw)) for _turn in range(500))
    assert 50 < accepted < 300  # a typing error inside a sentence is still a sentence; most damage is a fault
