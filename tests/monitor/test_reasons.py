"""What models say of why is read in the language of whoever reads it."""

import pytest

from models.health import assessment, judged
from models.health.assessment import outside_words
from monitor.reasons import reason_text
from monitor.words import use_language

SAID = (
    assessment.NO_GOOD_DATA, assessment.TOO_FEW, assessment.IN_THE_DARK, judged.INSIDE, judged.NO_REFERENCE,
    judged.NEEDS.format(n=3), outside_words("flow", 90.0, 100.5, {"flow": "m3/h"}), outside_words("warm", 0.1, 1.0, {}),
    "off: the index is that of 2026-01-04T19:59:00.000Z", "vibration has no good value: judged without it",
    "no good value for more than 120 s", "flow has not moved", "needs 3 nights", "no reference of this account yet",
    "steady: 12 complete good rows of 120 needed in one piece; no curves: pump1.speed has no good value",
)  # fmt: skip


@pytest.fixture(params=["de", "fr"])
def language(request):
    yield use_language(request.param)
    use_language("en")


def test_each_reason_of_a_model_has_its_words(language):
    for one in SAID:
        assert reason_text(one) != one, one
    assert "{" not in "".join(map(reason_text, SAID))


def test_numbers_times_and_names_of_tags_stay_what_they_are(language):
    told = reason_text(SAID[6])
    assert "90" in told and "100.5 m3/h" in told
    assert "2026-01-04T19:59:00.000Z" in reason_text(SAID[8])
    assert "pump1.speed" in reason_text(SAID[-1])


def test_what_stands_in_no_form_is_shown_as_it_came_and_cleaned():
    assert reason_text("an unheard\x1b[31m of reason; no good data") == "an unheard·[31m of reason; no good data"
    assert reason_text("x" * 50 + " has no {good} value: judged without it").startswith("x" * 50)
    assert reason_text("no good data") == "no good data"
