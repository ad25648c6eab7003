"""Probing a device: told first, agreed to, slow, on the record, refused where it could do harm; what it suggests."""

import io
import json

import pytest

from monitor.cli import main
from monitor.ledger import entries
from monitor.lock import hold_lock
from monitor.probe.command import gentle
from monitor.settings import load
from monitor.state import State
from tests.monitor.answering import answer_of, answering
from tests.monitor.test_maps import SITE, settings_for

PUMP = answer_of("grundfos_cim")


@pytest.fixture
def place(tmp_path):
    """A configuration of one Grundfos pump; `port` and `more` are filled in by the test."""

    def made(port, more="", name="grundfos_cim"):
        settings_for(tmp_path / "config", name, more=f"port = {port}\n{more}")
        return ["--config", str(tmp_path / "config"), "--state", str(tmp_path / "state")]

    return made


def records(tmp_path):
    files = sorted((tmp_path / "state/probes").glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def test_sanity_readings_that_hold_say_which_line_to_write_and_leave_a_record(place, tmp_path, capsys):
    with answering(PUMP) as port:
        assert main(["probe", "x", "--sanity", "--yes", "--pause", "0.1", *place(port)]) == 0
    told = capsys.readouterr().out
    assert "asks:    X.electronics_temperature, X.dc_link_voltage, X.speed, 3 times" in told
    assert "reading can clear registers" in told
    assert "X.speed                          47.80  47.80  47.80 Hz  plausible (0 to 120)" in told
    assert "  verified_on = 20" in told
    first, *lines = records(tmp_path)
    assert [line["asking"] for line in lines[:3]] == ["X.electronics_temperature, X.dc_link_voltage, X.speed"] * 3
    answers = lines[3:]
    assert (first["source"], first["device"], first["asset"]) == ("x", "1", "X")
    assert answers[0]["answer"]["plausible"] is True
    assert answers[-1]["ended"] == "whole"
    (entry,) = entries(State(tmp_path / "state"), ("probe",))
    assert (entry.asset, entry.data["file"], entry.role) == ("X", first["file"], first["role"])


def test_sanity_readings_that_do_not_hold_say_where_to_look_and_exit_1(place, capsys):
    with answering(PUMP | {("input", 309): 12}) as port:
        assert main(["probe", "x", "--sanity", "--yes", "--pause", "0.1", *place(port)]) == 1
    told = capsys.readouterr().out
    assert "X.dc_link_voltage                1.200  1.200  1.200 V  NOT PLAUSIBLE (150 to 850)" in told
    assert "NOT VERIFIED" in told
    assert "verified_on" not in told


def test_a_known_magnitude_leaves_one_decoding_and_its_row_can_be_loaded(place, tmp_path, capsys):
    meter = answer_of("eastron_sdm630")
    rows = tmp_path / "rows.toml"
    with answering(meter) as port:
        words = ["--table", "input", "--from", "30071", "--to", "30072", "--base", "4xxxx", "--unit", "Hz"]
        more = place(port, name="eastron_sdm630")
        assert main(["probe", "x", *words, "--rows", "--yes", "--pause", "0.1", *more]) == 0
        two = capsys.readouterr().out  # the high word with the empty register before it is a frequency as well
        assert "asks:    input, wire 70 to 71 with 67 to 69 and 72 to 74 beside it, 3 questions, 0.1 s" in two
        assert "70  f32 ABCD: 49.980  49.980  49.980  overlaps 69 f32 CDAB 49.750: both fit" in two
        assert "suggested\n" not in two
        assert "compare with the device's display, or give --expect with the exact reading" in two
        assert "# no decoding stands alone: no rows" in two
        words += ["--expect", "49.97..49.99"]
        assert main(["probe", "x", *words, "--rows", str(rows), "--yes", "--pause", "0.1", *more]) == 0
        assert main(["probe", "x", *words, "--rows", str(rows), "--yes", "--pause", "0.1", *more]) == 2
    told = capsys.readouterr()
    assert "f32 ABCD: 49.980  49.980  49.980  <- suggested" in told.out
    assert "nothing was changed" in told.err
    source = tmp_path / "config/sources/x.toml"
    source.write_text(source.read_text().partition("[[source.block]]")[0] + rows.read_text())
    (tag,) = load(tmp_path / "config").tags
    assert (tag.where.address, tag.where.kind, tag.where.order, tag.unit) == (70, "f32", "ABCD", "Hz")


def test_one_register_off_the_imitation_is_not_suggested_and_the_rival_before_the_range_is_told(place, capsys):
    words = dict(enumerate((0, 0, 0, 0x6666, 0x4367, 0x3333, 0x4367, 0xE666, 0x4365, 0, 0), 67))
    with answering(PUMP | {("holding", at): word for at, word in words.items()}) as port:
        asked = ["--from", "71", "--to", "72", "--unit", "V", "--rows", "--yes", "--pause", "0.1"]
        assert main(["probe", "x", *asked, *place(port)]) == 0
    told = capsys.readouterr().out
    assert "71  f32 ABCD: 231.20  231.20  231.20  overlaps 70 f32 CDAB 231.40" in told
    assert "<- suggested" not in told


def test_what_lies_beside_a_range_is_not_read_where_it_is_forbidden(place, capsys):
    more = '[[source.forbidden]]\ndevice_id = 1\ntable = "holding"\nfirst = 20\nlast = 20\n'
    with answering(PUMP | {("holding", at): 4998 for at in (21, 22)}) as port:
        words = ["--from", "21", "--to", "21", "--unit", "Hz"]
        assert main(["probe", "x", *words, "--yes", "--pause", "0.1", *place(port, more)]) == 0
    told = capsys.readouterr().out
    assert "asks:    holding, wire 21 to 21 with 22 to 24 beside it" in told
    assert "u16 ABCD scale 0.01: 49.980  49.980  49.980  (the same: i16 ABCD)  <- suggested" in told
    assert "not seen beside it: wire 20; a value that reaches in from there is not excluded" in told


def test_what_the_device_refuses_is_told_and_the_rest_is_shown(place, tmp_path, capsys):
    with answering(PUMP) as port:
        words = ["--table", "input", "--from", "224", "--to", "227"]
        assert main(["probe", "x", *words, "--yes", "--pause", "0.1", *place(port)]) == 0
    told = capsys.readouterr().out
    assert "   224     224  0002       2" in told
    assert "   226          ----  device 1, input 226 to 226: exception 2 (illegal data address)" in told
    asking, answer = records(tmp_path)[1:3]
    assert asking["asking"] == answer["asked"] == "input 224 to 227"
    assert (answer["answer"]["224"], answer["answer"]["227"][:8]) == ("0002", "device 1")


def test_a_device_may_be_asked_who_it_is(place, capsys):
    with answering(PUMP) as port:
        assert main(["probe", "x", "--identify", "--yes", *place(port)]) == 0
    told = capsys.readouterr().out
    assert "who device 1 is (function code 43/14)" in told
    assert "  vendor                   Acme·[31m\n" in told  # what would have coloured the terminal is gone
    assert "  product code             CIM 500\n" in told


def test_an_asset_of_class_a_is_left_alone_unless_forced(place, tmp_path, capsys):
    with answering(PUMP) as port:
        more = place(port)
        site = tmp_path / "config/site.toml"
        site.write_text(SITE + 'criticality = "A"\n')
        assert main(["probe", "x", "--sanity", "--yes", *more]) == 2
        assert "X is of class A (life, safety, overflow)" in capsys.readouterr().err
        assert main(["probe", "x", "--device", "9", "--identify", "--yes", *more]) == 2  # it may be any behind the line
        assert not (tmp_path / "state/probes").exists()
        assert main(["probe", "x", "--sanity", "--yes", "--force", "--pause", "0.1", *more]) == 0


def test_the_only_connection_of_a_device_is_not_taken_from_the_daemon(place, tmp_path, capsys):
    more = place(1, "max_clients = 1\n")
    with hold_lock(State(tmp_path / "state").make()):
        assert main(["probe", "x", "--sanity", "--yes", *more]) == 2
    assert "127.0.0.1:1 takes one connection, and the daemon has it" in capsys.readouterr().err


def test_forbidden_registers_are_never_asked_not_even_when_forced(place, capsys):
    more = place(1, '[[source.forbidden]]\ndevice_id = 1\ntable = "input"\nfirst = 10\nlast = 12\n')
    words = ["--table", "input", "--from", "5", "--to", "10", "--yes", "--force"]
    for device in ((), ("--device", "255")):  # most devices with a network of their own answer to any id
        assert main(["probe", "x", *words, *device, *more]) == 2
        assert "input wire 10 to 12 is forbidden" in capsys.readouterr().err


def test_who_may_only_look_may_not_probe(place, tmp_path, capsys):
    more = place(1)
    site = tmp_path / "config/site.toml"
    site.write_text(SITE + '[roles.groups]\nnobody-has-this = "engineer"\n')
    assert main(["probe", "x", "--sanity", "--yes", *more]) == 2
    assert "probe: role viewer has no right to" in capsys.readouterr().err


def test_nobody_to_ask_means_that_nothing_is_asked(place, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["probe", "x", "--sanity", *place(1)]) == 2
    assert "nobody can be asked here; add --yes" in capsys.readouterr().err
    assert not (tmp_path / "state/probes").exists()


def test_a_device_that_nobody_configured_needs_more_than_yes(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with answering(PUMP) as port:
        words = [
            "probe",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--table",
            "input",
            "--from",
            "304",
            "--to",
            "304",
        ]
        assert main([*words, "--yes"]) == 2
        refused = capsys.readouterr()
        assert "cannot know whether this is a configured device by another; add --force too" in refused.err
        assert "no --device given: device 1 is meant" in refused.out
        assert main([*words, "--yes", "--force", "--unit", "Hz", "--pause", "0.1"]) == 0
    told = capsys.readouterr().out
    assert "u16 ABCD scale 0.1: 47.800  47.800  47.800  (the same: i16 ABCD)  <- suggested" in told
    assert "; without a configuration there is no entry in the ledger" in told
    assert records(tmp_path)[0]["role"] == "not configured"


def test_a_host_that_is_configured_is_probed_under_the_rules_of_its_source(place, tmp_path, capsys):
    more = place(1)
    for host in ("127.0.0.1", "localhost", "127.0.0.2", "::ffff:127.0.0.1", "::1", "0.0.0.0"):
        assert main(["probe", "--host", host, "--port", "1", "--identify", "--yes", *more]) == 1
        told = capsys.readouterr().out
        assert f"{host}:1 is source x of the configuration" in told
        assert "NO ANSWER" in told
    assert records(tmp_path)[-1]["ended"] == "broken off"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["y"], "source 'y' is unknown; known: x"),
        ([], "name a source (x) or give --host"),
        (["x", "--host", "h"], "name a source (x) or give --host, not both"),
        (["x"], "say what to ask: --from N --to N (one range), --identify or --sanity"),
        (["x", "--from", "9", "--to", "2"], "the range ends before it begins"),
        (["x", "--from", "0", "--to", "900"], "500 registers at most"),
        (["x", "--from", "0", "--to", "3", "--base", "4xxxx"], "4xxxx counts holding from 40001 to 105536"),
        (["x", "--from", "0", "--to", "3", "--expect", "5"], "write LOW..HIGH"),
        (["x", "--from", "0", "--to", "3", "--expect", "5..4"], "write LOW..HIGH"),
        (["x", "--from", "0", "--to", "3", "--expect", "1.2.3..9"], "write LOW..HIGH"),
        (["x", "--identify", "--pause", "0"], "--pause 0.0: from 0.1 to 60"),
        (["x", "--identify", "--device", "256"], "--device 256: from 0 to 255"),
        (["x", "--sanity", "--device", "2"], "device 2 of x is read by no map"),
        (["--host", "a b", "--identify"], "is no host name or address"),
        (["x", "--port", "1502", "--identify"], "--port and --rtu-over-tcp belong to --host"),
        (["--host", "h", "--port", "0", "--identify"], "a port is a number from 1 to 65535"),
    ],
)
def test_wrong_words_are_one_line_and_exit_2(place, capsys, words, expected):
    assert main(["probe", *words, "--yes", *place(1)]) == 2
    told = capsys.readouterr().err
    assert expected in told
    assert told.count("\n") == 1


def test_a_probe_is_slow_and_reads_nothing_that_was_not_asked_for(tmp_path):
    (spec,) = settings_for(tmp_path, "grundfos_cim", more="port = 1\nmax_gap = 50\n").sources
    slow = gentle(spec, 0.5, None)
    assert slow.options["workarounds"]["pause_between_requests_s"] == 0.5
    assert slow.options["max_gap"] == 0
