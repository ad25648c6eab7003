"""The manual killed a hundred times at its work: what the screen confirmed is in the file, and it goes on there."""

import random

import pytest

from tests.fallback.conftest import state
from tests.fallback.typist import kept, killed_while_typing, prepare

pytestmark = pytest.mark.drill
__all__ = ["state"]
KILLS = 100


def test_a_hundred_kills_at_random_moments_lose_no_confirmed_step(state, seed, tell):
    draw = random.Random(seed)
    prepare(state)
    confirmed = 0
    for kill in range(1, KILLS + 1):
        confirmed += killed_while_typing(state, draw, within_s=2.0)
        if kill % 20 == 0:
            tell(f"  {kill} kills: {confirmed} acts confirmed, {len(kept(state))} entries")
    assert confirmed > KILLS
