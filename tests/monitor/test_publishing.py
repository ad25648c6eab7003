"""The folders that the fallback believes: made equal to the configuration, written by the daemon alone, led nowhere."""

import stat

from fallback_procedures.sheet import read_sheet
from monitor.daemon.publishing import publish_folder
from monitor.periods.named import named_tags
from monitor.settings import load
from monitor.state import State
from tests.monitor.plant_bench import configure


def test_what_the_fallback_believes_is_the_daemons_to_write_also_where_it_was_not_before(tmp_path):
    state = State(tmp_path / "state").make()
    for folder in (state.sheets, state.binder, state.journal):
        folder.chmod(0o2770)
    state.make()
    for folder in (state.manual, state.procedures, state.sheets, state.setpoints, state.facts, state.binder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o2750
    for folder in (state.journal, state.manual / "now"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o3770
    assert stat.S_IMODE(state.printed.stat().st_mode) == 0o2770


def test_a_link_in_place_of_a_folder_leads_to_nobody_elses_files(tmp_path):
    settings = load(configure(tmp_path / "config", 502))
    (settings.folder / "sheets").mkdir(exist_ok=True)
    (settings.folder / "sheets" / "G.txt").write_text("SHEET  site G  ours\n")
    state = State(tmp_path / "state").make()
    publish_folder(settings, state)
    for path in state.sheets.iterdir():
        path.unlink()
    state.sheets.rmdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "report.txt").write_text("not ours")
    state.sheets.symlink_to(tmp_path / "elsewhere")
    assert "sheets/G.txt" in publish_folder(settings, state)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["report.txt"]
    assert (state.sheets.is_symlink(), (state.sheets / "G.txt").read_text()) == (False, "SHEET  site G  ours\n")


def test_a_sheet_that_windows_saved_in_capitals_is_published_and_taken_back(tmp_path):
    settings = load(configure(tmp_path / "config", 502))
    (settings.folder / "sheets").mkdir(exist_ok=True)
    sheet = settings.folder / "sheets" / "R.TXT"
    sheet.write_text("SHEET  site R  ours\n")
    state = State(tmp_path / "state").make()
    assert "sheets/R.TXT" in publish_folder(settings, state)
    sheet.unlink()
    assert publish_folder(settings, state) == ["sheets/R.TXT"]


def test_what_a_published_sheet_names_is_kept_when_it_is_gone(tmp_path):
    settings = load(configure(tmp_path / "config", 502))
    (settings.folder / "sheets").mkdir(exist_ok=True)
    sheet = settings.folder / "sheets" / "G.txt"
    sheet.write_text("SHEET  site G  ours\ntag_p03_3 = pump1.flow\n")
    state = State(tmp_path / "state").make()
    publish_folder(settings, state)
    sheet.unlink()
    publish_folder(settings, state)
    assert named_tags(settings, state) == {("G", "P-03", "3", "", "pump1.flow")}


def test_a_sheet_names_its_tags_to_the_monitor_as_to_the_fallback_also_as_an_editor_saves_it(tmp_path):
    settings = load(configure(tmp_path / "config", 502))
    (settings.folder / "sheets").mkdir(exist_ok=True)
    raw = b"\xef\xbb\xbfSHEET  site G  ours\r\n  tag_p03_3 = pump1.flow\r\n  tag_p03_4 [P 1] = pump1.speed  # at it\r\n"
    (settings.folder / "sheets" / "G.TXT").write_bytes(raw)
    assert read_sheet(raw).values == {"tag_p03_3": "pump1.flow", "tag_p03_4 [P 1]": "pump1.speed"}
    assert named_tags(settings, State(tmp_path / "state")) == {
        ("G", "P-03", "3", "", "pump1.flow"), ("G", "P-03", "4", "P 1", "pump1.speed")}  # fmt: skip
