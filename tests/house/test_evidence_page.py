"""The page of evidence: each study's part stands alone, says what was held and missed, and never forgets a run."""

from dataclasses import replace

import pytest

from benchmarks.evidence import page
from benchmarks.figures import Figure

PART = page.Part(
    "fleet", "A fleet", "few false alarms", "python -m study", "a" * 40, "7", "| n |\n| --- |\n| 3 |",
    (Figure("false episodes", 2.0, "1/year", 1.0), Figure("found", 0.95, "share", 0.9, "at least")),
)  # fmt: skip


def test_a_missed_bar_stays_with_its_figure():
    text = page.with_part(page.HEAD, PART, "b" * 40)
    assert "- false episodes: 2 1/year, asked at most 1: **missed**" in text
    assert "- found: 0.95 share, asked at least 0.9: held" in text
    assert "Settings frozen in aaaaaaaaaaaa, run in bbbbbbbbbbbb, seed 7." in text


def test_a_part_takes_the_place_of_its_own_and_of_no_other():
    text = page.with_part(page.with_part(page.HEAD, PART, "b" * 40), replace(PART, name="other"), "b" * 40)
    again = page.with_part(text, replace(PART, body="new"), "c" * 40)
    assert again.count("<!-- fleet -->") == again.count("<!-- other -->") == 1
    assert again.count("| n |") == 1
    assert again.startswith(page.HEAD.rstrip())


def test_an_earlier_evaluation_stays_named():
    text = page.with_part(page.HEAD, PART, "b" * 40)
    text = page.with_part(text, replace(PART, frozen="c" * 40), "d" * 40)
    text = page.with_part(text, replace(PART, frozen="e" * 40), "f" * 40)
    assert "Earlier evaluations: aaaaaaaaaaaa (1 of 2 bars held); cccccccccccc (1 of 2 bars held)" in text


def test_the_same_freeze_evaluated_again_is_no_earlier_evaluation():
    once = page.with_part(page.HEAD, PART, "b" * 40)
    assert page.with_part(once, PART, "b" * 40) == once


def test_a_marker_that_is_never_closed_loses_nothing():
    with pytest.raises(ValueError, match="never closed"):
        page.with_part("<!-- fleet -->\nby hand", PART, "b" * 40)


def test_nothing_is_written_while_what_ran_is_not_committed(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(page, "uncommitted", lambda: ["?? models/new.py"])
    monkeypatch.setattr(page, "PAGE", tmp_path / "model_evidence.md")
    assert not page.write_part(PART)
    assert "models/new.py" in capsys.readouterr().out
    assert not page.PAGE.exists()


def test_a_part_can_go_to_another_page_and_leaves_what_people_wrote_there(monkeypatch, tmp_path):
    monkeypatch.setattr(page, "uncommitted", list)
    there = tmp_path / "method.md"
    there.write_text("# The method\n\n<!-- fleet -->\n<!-- /fleet -->\n\nThe end.\n", "utf-8")
    assert page.write_part(PART, page=there)
    text = there.read_text("utf-8")
    assert text.startswith("# The method")
    assert "**missed**" in text
    assert text.endswith("The end.\n")


def test_the_seed_is_the_commits_and_fits_any_generator():
    assert page.seed_from("00000002" + "f" * 32) == 1
    assert 0 <= page.seed_from("f" * 40) < 2**31
