"""The command line as a person meets it: help for newcomers, one line and exit code 2 for what can be mended."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.cli import COMMANDS, DEVICE_COMMANDS, build_parser, main
from monitor.settings import load

GOLDEN = Path(__file__).parents[1] / "golden"
VERBS = (
    "init", "check", "probe", "browse", "run", "intake", "screen", "report", "review", "audit", "ledger", "doctor",
    "demo", "trust", "reload", "jobs", "history", "security-log", "export", "import", "reading",
    "clock", "model", "why", "finding", "workorder", "failure", "event", "cost", "sign",
)  # fmt: skip


def handwheel(*words, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "monitor.cli", *words], capture_output=True, text=True, cwd=cwd, timeout=60, check=False
    )


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as left:
        main([verb, "--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: handwheel {verb}")
    assert len(told.splitlines()) > 6


def test_help_names_every_verb_and_is_shown_with_no_verb_at_all(capsys):
    text = build_parser("").format_help()
    assert all(f"    {verb}" in text for verb in VERBS)
    assert {*COMMANDS, *DEVICE_COMMANDS} <= set(VERBS)
    with pytest.raises(SystemExit) as left:
        main([])
    assert left.value.code == 2


def test_a_fault_in_the_configuration_is_one_line_each_and_exit_2(tmp_path):
    shutil.copytree(GOLDEN / "config", tmp_path / "config")
    site = tmp_path / "config/site.toml"
    site.write_text(site.read_text().replace("rated_power_kw", "rated_pwer_kw"))
    done = handwheel("check", "--config", str(tmp_path / "config"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "line 31" in done.stderr
    assert "did you mean rated_power_kw?" in done.stderr


def test_no_configuration_at_all_says_where_it_looked_and_what_to_do(tmp_path):
    done = handwheel("check", cwd=tmp_path)
    assert done.returncode == 2
    assert "handwheel init DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_says_what_will_be_read_before_anything_is_read(capsys):
    assert main(["check", "--config", str(GOLDEN / "config")]) == 0
    told = capsys.readouterr().out
    assert "1 requests touching 18 words for 4 tags" in told.replace("request ", "requests ")
    assert "group hw-operators -> operator: acknowledge, decide, finding" in told


def test_check_live_names_a_source_that_gives_no_answer_and_exits_1(tmp_path, capsys):
    shutil.copytree(GOLDEN / "config", tmp_path / "config")
    source = tmp_path / "config/sources/pump1.toml"
    source.write_text(source.read_text().replace("port      = 1502", "port      = 1"))
    assert main(["check", "--live", "--config", str(tmp_path / "config")]) == 1
    assert "pump1: NO ANSWER" in capsys.readouterr().out


def test_init_makes_a_configuration_that_is_valid_and_never_overwrites_one(tmp_path, capsys):
    assert main(["init", str(tmp_path / "mine")]) == 0
    assert main(["check", "--config", str(tmp_path / "mine")]) == 0
    assert "valid" in capsys.readouterr().out
    assert main(["init", "--bare", str(tmp_path / "bare")]) == 0
    assert main(["check", "--config", str(tmp_path / "bare")]) == 0
    told = capsys.readouterr().out
    assert "pump1: modbus_tcp 192.0.2.10:502" in told
    assert "nobody does" not in told  # the timetable is complete
    site = tmp_path / "bare/site.toml"
    site.write_text(re.sub(r"^#(vendor|components|  \{|\])", r"\1", site.read_text(), flags=re.M))
    assert [part.name for part in load(tmp_path / "bare").assets[0].components] == ["seal", "bearing"]
    assert main(["init", str(tmp_path / "mine")]) == 2
    assert "nothing was changed" in capsys.readouterr().err


def test_a_place_that_may_not_be_written_is_one_line_and_exit_2(capsys):
    assert main(["init", "/sys/handwheel"]) == 2  # nobody may, not even root
    assert "mend rights or make room" in capsys.readouterr().err


def test_the_screen_verb_loads_nothing_heavy():
    code = (
        "import sys; from monitor.cli import build_parser; build_parser('screen'); "
        "print([m for m in ('pydantic', 'numpy', 'pandas', 'textual') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_folder_that_is_taken_names_one_that_is_free_and_two_questions_at_once_are_refused(tmp_path, capsys):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/maps").mkdir()
    (tmp_path / "plant").mkdir()
    assert main(["init", "--bare", str(tmp_path / "config")]) == 2
    assert f"name a new folder: `handwheel init --bare {tmp_path / 'plant2'}`" in capsys.readouterr().err
    assert main(["check", "--live", "--flows", "--config", str(tmp_path)]) == 2
    assert "give one of them" in capsys.readouterr().err
