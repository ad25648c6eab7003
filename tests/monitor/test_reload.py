"""A new configuration while the daemon runs: all or nothing, in words, and without a hole in what did not change."""

import asyncio
import signal
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from drivers.batch import NO_TIME, Batch
from drivers.errors import UserError
from drivers.record import Reason
from drivers.source import SourceSpec, StatusAlert
from monitor.cli import main
from monitor.daemon.difference import difference, renumbered, unchanged
from monitor.daemon.polling import exchanged
from monitor.historian.reader import HotReader
from monitor.ledger import entries
from monitor.plant import Contract, CrossCheck, Job
from monitor.quality import machine_of
from monitor.reload import command as reload_command
from monitor.settings import load
from monitor.state import State
from tests.drivers.servers import modbus_server
from tests.monitor.plant_bench import Bench, configure, device
from tests.monitor.plants import plant, tag

EXAMPLE = Path(__file__).parents[2] / "config" / "example"


def source(name, tags, every_s=1.0, **options):
    return SourceSpec(name, "modbus_tcp", "G", every_s, 1.0, tuple(tags), options)


# the difference in words


def test_nothing_changed_is_no_line():
    assert difference(plant(), plant()) == []
    assert difference(load(EXAMPLE), load(EXAMPLE)) == []


def test_a_limit_is_told_with_what_it_was_and_what_it_is():
    old = plant()
    tags = tuple(replace(one, high=12.5) if one.name == "pump1.flow" else one for one in old.tags)
    assert difference(old, plant(tags)) == ["tag pump1.flow: high none -> 12.5"]


def test_what_is_added_and_removed_is_named_and_a_number_that_shifts_is_no_change():
    old = plant()
    new = plant(tuple(replace(one, number=at) for at, one in enumerate((*old.tags[1:], tag(9, "pump1", "head", "m")))))
    assert difference(old, new) == ["tag pump1.flow: removed", "tag pump1.head: added"]


def test_address_rights_groups_jobs_contracts_and_limits_of_the_house_are_told():
    old = plant(groups={"hw-a": "operator"}, rights={"operator": ("decide",)}, jobs=(Job("score", every_s=60),),
                contracts=(Contract("C1", "SmartPump", "lease", ("pump1",), date(2026, 1, 1)),),
                sources=(source("pump1", plant().tags[:4], host="a"),))  # fmt: skip
    moved = replace(old.tags[0], where=replace(old.tags[0].where, address=77))
    new = replace(old, groups={"hw-b": "operator"}, rights={"operator": ("decide", "sign")},
                  jobs=(Job("score", every_s=30),), retention={"message": 730}, metrics_port=9_100,
                  contracts=(replace(old.contracts[0], exit_days=90),), tags=(moved, *old.tags[1:]),
                  sources=(source("pump1", old.tags[:4], host="b"), source("pump2", ())))  # fmt: skip
    assert difference(old, new) == [
        "retention: nothing -> message 730", "metrics_port: none -> 9100", "group hw-a: removed",
        "group hw-b: added, operator", "rights of operator: decide -> decide, sign", "source pump1: host a -> b",
        "source pump2: added", "tag pump1.flow: address 0 -> 77", "contract C1: exit_days none -> 90",
        "job score: every_s 60 -> 30",
    ]  # fmt: skip


def test_hostile_names_reach_no_terminal():
    old = plant(groups={"x\x1b[2J": "operator"})
    assert "\x1b" not in "".join(difference(old, plant()))


# numbers


def test_a_tag_keeps_its_number_and_a_new_one_gets_a_number_that_was_never_used():
    old = plant()
    first, *rest = (replace(one, number=at) for at, one in enumerate((tag(0, "pump1", "head", "m"), *old.tags[2:])))
    new = plant((first, *rest), sources=(source("pump1", (first, *rest)),),
                status_alerts=(StatusAlert(1, "pump1", "", "", "warning", "", "SmartPump"),))  # fmt: skip
    found = renumbered(old, new)
    assert [one.number for one in found.tags] == [8, 2, 3, 4, 5, 6, 7]
    assert found.sources[0].tags == found.tags
    assert found.status_alerts[0].tag == 2
    assert found.tags[1] == old.tags[2]


def test_sources_end_and_begin_only_where_they_changed_and_those_of_one_line_together():
    a, b, c, d = (source(name, ()) for name in "abcd")
    assert exchanged([a, b], [a, b]) == (set(), set())
    assert exchanged([a, b], [replace(a, every_s=2.0), c]) == ({"a", "b"}, {"a", "c"})
    shared = [replace(one, options={"shares_line_with": ("a", "b")}) for one in (a, b)]
    assert exchanged([*shared, d], [shared[0], replace(shared[1], every_s=9.0), d]) == ({"a", "b"}, {"a", "b"})


# what is remembered


def test_the_quality_machine_goes_on_as_if_nothing_had_happened_where_nothing_changed():
    """Twins see the same hours; one is exchanged for a new one again and again: they say the same of every sample."""
    settings = load(EXAMPLE)
    rng = np.random.default_rng(7)
    walking = rng.normal(0.0, 0.2, (400, len(settings.tags)))
    standing = rng.random(len(settings.tags)) < 0.2
    old, new = machine_of(settings, 0.0), machine_of(settings, 0.0)
    value = np.array([50.0 if one.quantity != "running" else 1.0 for one in settings.tags])
    found = Reason.OK
    for turn in range(400):
        mono_s = 20.0 * turn
        value = np.where(standing, value, value + walking[turn])
        running = np.array([one.quantity == "running" for one in settings.tags])
        value = np.where(running, (rng.random(len(value)) < 0.97).astype(float), value)
        for one in settings.sources:
            number = np.array([tag.number for tag in one.tags], np.int32)
            silent = rng.random() < 0.02
            zeros = np.zeros(len(number), np.uint32) + np.uint32(Reason.COMMS if silent else 0)
            shown = np.full(len(number), np.nan) if silent else value[number]
            batch = Batch(one.name, 1_000_000 * turn, number, np.full(len(number), NO_TIME, np.int64), shown,
                          np.where(zeros, 2, 0).astype(np.uint8), zeros)  # fmt: skip
            first, second = old.check(batch, mono_s), new.check(batch, mono_s)
            assert (first.reasons == second.reasons).all(), (turn, one.name)
            assert first.detail == second.detail
            found |= Reason(int(np.bitwise_or.reduce(first.reasons)))
        for machine in (old, new):
            machine.tick(mono_s)
        assert [one.tag.tolist() for one in old.overdue(mono_s, 0)] == [
            one.tag.tolist() for one in new.overdue(mono_s, 0)
        ]
        if turn % 37 == 36:
            again = machine_of(settings, mono_s)
            again.take_over(new, [one.number for one in unchanged(settings, settings)])
            new = again
    assert found & Reason.FROZEN and found & Reason.OUT_OF_RANGE and found & Reason.COMMS
    assert new.noise.saved() == old.noise.saved()


def test_a_tag_whose_limit_changed_is_judged_anew_and_its_neighbours_go_on():
    old = plant(sources=(source("pump1", plant().tags),))
    tags = (replace(old.tags[0], high=5.0), *old.tags[1:])
    new = replace(old, tags=tags, sources=(source("pump1", tags),))
    assert [one.number for one in unchanged(old, new)] == [1, 2, 3, 4, 5, 6, 7]
    before, after = machine_of(old, 0.0), machine_of(new, 10.0)
    zeros = np.zeros(8, np.uint32)
    before.check(Batch("pump1", 1, np.arange(8, dtype=np.int32), np.full(8, NO_TIME, np.int64), np.full(8, 7.0),
                       zeros.astype(np.uint8), zeros), 9.0)  # fmt: skip
    after.take_over(before, [one.number for one in unchanged(old, new)])
    assert Reason(int(after.reasons[0])) == Reason.INITIAL
    assert after.value[1] == 7.0
    assert after.seen_s[1] == 9.0


def test_a_balance_that_is_no_longer_configured_contradicts_nobody():
    tags = tuple(tag(at, name, "flow", "m3/h", high=100.0) for at, name in enumerate(("pump1", "pump2")))
    balance = (CrossCheck("all", "sum", 0.05, tags[0].name, (tags[1].name,)),)
    settings = plant(tags, sources=(source("pump1", tags),), crosschecks=balance)
    machine, zeros = machine_of(settings, 0.0), np.zeros(2, np.uint32)
    number, no_time = np.arange(2, dtype=np.int32), np.full(2, NO_TIME, np.int64)
    for at in range(600):
        value = np.array([50.0, 90.0]) + at % 2 / 10
        machine.check(Batch("pump1", at, number, no_time, value, zeros.astype(np.uint8), zeros), float(at))
        machine.tick(float(at))
    assert Reason(int(machine.reasons[0])) & Reason.CROSSCHECK
    for new, contradicted in ((settings, True), (replace(settings, crosschecks=()), False)):
        following = machine_of(new, 600.0)
        following.take_over(machine, [0, 1])
        assert bool(following._standing[0] & np.uint32(Reason.CROSSCHECK)) is contradicted


# a real daemon

SECOND = """[source]
name = "pump2"
driver = "modbus_tcp"
site = "G"
every_s = 1
timeout_s = 0.5
host = "127.0.0.1"
port = {port}

[[source.block]]
asset = "pump2"
device_id = 1
address_base = "wire0"
tags = [{{ at = 0, name = "flow", as = "u16", scale = 0.1, unit = "m3/h", low = 0, high = {high} }}]
"""


@pytest.fixture
async def bench(tmp_path):
    async with modbus_server(device()) as server:
        folder = configure(tmp_path / "config", server.port)
        site = folder / "site.toml"
        asset = site.read_text().split("[[asset]]")[1].split("\n[")[0]
        site.write_text(site.read_text() + "\n[[asset]]" + asset.replace("pump1", "pump2"))
        made = Bench(folder, State(tmp_path / "state"))
        made.port = server.port
        second(made, 200)
        yield made.start()
        made.end()


def second(bench, high):
    (bench.config / "sources/a_pump2.toml").write_text(SECOND.format(port=bench.port, high=high))


def changes(bench):
    return [one.data.get("changes") for one in entries(bench.state, ["config"])]


def samples(bench, name):
    reader = HotReader(bench.state.hot)
    number = next(row.number for row in reader.tags(retired=True).values() if row.name == name)
    return reader.series(number, 0)


async def reload(bench, capsys, words=()):
    code = await asyncio.to_thread(main, ["reload", "--config", str(bench.config), "--state", str(bench.state.root)])
    out, err = capsys.readouterr()
    return code, out + err


async def test_a_reload_changes_what_changed_and_says_it_and_the_rest_loses_no_sample(bench, capsys):
    await bench.until(lambda s: all(one["good"] == one["total"] for one in s["sources"]) and len(s["sources"]) == 2)
    await asyncio.sleep(2)
    second(bench, 50)  # pump2 shows 98.7: out of range from now on; it comes first, so every number would shift
    assert await reload(bench, capsys) == (0, "tag pump2.flow: high 200.0 -> 50.0\n")
    await bench.until(lambda s: s["sources"][0]["good"] == 0 and s["sources"][0]["state"] == "up")
    (bench.config / "sources/a_pump2.toml").unlink()
    code, out = await reload(bench, capsys)
    assert (code, out) == (0, "source pump2: removed\ntag pump2.flow: removed\n")
    await bench.until(lambda s: [one["name"] for one in s["sources"]] == ["pump1"])
    second(bench, 200)
    bench.kill(signal.SIGHUP)
    await bench.until(lambda s: len(s["sources"]) == 2 and all(one["good"] == one["total"] for one in s["sources"]))
    assert "reloaded: source pump2: added" in bench.log_text()
    await asyncio.sleep(2)
    bench.kill(signal.SIGTERM)
    assert await asyncio.to_thread(bench.ended) == 0
    assert changes(bench) == [
        None, ["tag pump2.flow: high 200.0 -> 50.0"], ["source pump2: removed", "tag pump2.flow: removed"],
        ["source pump2: added", "tag pump2.flow: added"],
    ]  # fmt: skip
    assert [one.role for one in entries(bench.state, ["config"])] == [None, "administrator", "administrator", None]
    seen = samples(bench, "pump1.flow")
    assert {one.reasons for one in seen} == {Reason.OK}
    apart_s = np.diff([one.receive_us for one in seen]) / 1e6
    assert apart_s.max() < 1.9, "a poll of a source that did not change was lost"
    assert {round(one.value, 1) for one in samples(bench, "pump2.flow") if one.value is not None} == {98.7}
    assert "Traceback" not in bench.log_text()


async def test_a_configuration_with_a_fault_changes_nothing_and_is_told_like_check_does(bench, capsys):
    await bench.until(lambda s: all(one["good"] == one["total"] for one in s["sources"]))
    second(bench, '"much"')
    with (bench.config / "site.toml").open("a") as site:
        site.write("\n[nonsense]\n")
    bench.kill(signal.SIGHUP)
    await asyncio.to_thread(main, ["check", "--config", str(bench.config)])
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) >= 2
    end = asyncio.get_running_loop().time() + 60
    while not all(f"not reloaded: {line}" in bench.log_text() for line in told):
        assert asyncio.get_running_loop().time() < end, bench.log_text()
        await asyncio.sleep(0.1)
    assert changes(bench) == [None]
    await asyncio.sleep(1.5)
    await bench.until(lambda s: all(one["good"] == one["total"] for one in s["sources"]))


async def test_where_paths_state_was_changed_a_reload_names_both_states_and_advises_no_second_daemon(bench, tmp_path):
    await bench.until(lambda s: all(one["good"] == one["total"] for one in s["sources"]))
    command = ["reload", "--config", str(bench.config), "--state", str(tmp_path / "elsewhere")]
    with pytest.raises(UserError) as told:
        reload_command(None, None, State(tmp_path / "elsewhere"))
    assert f"no daemon runs with {tmp_path / 'elsewhere'}, but one with " in str(told.value)
    assert str(bench.state.root) in str(told.value)
    assert "start it with handwheel run" not in str(told.value)
    assert await asyncio.to_thread(main, command) == 2


async def test_a_contract_that_a_reload_brings_is_entered_in_the_role_that_let_it_be_read(bench, capsys):
    await bench.until(lambda s: all(one["good"] == one["total"] for one in s["sources"]))
    contracts = bench.config / "contracts.toml"
    contracts.write_text(contracts.read_text().replace("12000.0", "13000.0", 1))
    code, out = await reload(bench, capsys)
    assert code == 0, out
    assert [one.role for one in entries(bench.state, ["contract"])] == [None, "administrator"]
