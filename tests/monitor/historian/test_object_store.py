"""The cold part in an object store: a real S3 server as a process of its own, and what happens when it is away.

The server is moto's (pip install "moto[server]", in an environment of its own); HANDWHEEL_S3_SERVER names its program
where it is not on the path.
"""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import fs

from drivers.errors import ConfigError
from drivers.record import Reason
from monitor.historian.cold import cold_of, in_folder, sites, stored
from monitor.historian.history import Unreachable, add_rows, fold, read
from monitor.historian.purging import purge_days
from monitor.historian.reader import HotReader, folded_upto
from monitor.historian.verifying import verify
from monitor.plant import History
from monitor.state import State
from tests.monitor.historian.test_added import DAY_MS, FACTS, MIDNIGHT_MS, rows
from tests.monitor.historian.test_history import write

SERVER = os.environ.get("HANDWHEEL_S3_SERVER") or shutil.which("moto_server")
needs_server = pytest.mark.skipif(SERVER is None, reason="no S3 server: HANDWHEEL_S3_SERVER names none, no moto_server")
ALL = (0, 2**62)
TICKS = [(MIDNIGHT_MS + 1_000 * n, {"pump1.flow": float(n), "pump2.flow": None}) for n in range(20)]
NAMES = ["pump1.flow", "pump2.flow"]


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [str(SERVER), "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                assert time.monotonic() < deadline, "the S3 server did not start"
                time.sleep(0.2)
        yield process, f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def state(tmp_path: Path, store: tuple[object, str]) -> State:
    secret = tmp_path / "secret"
    secret.write_text("a secret of the test\n")
    secret.chmod(0o600)
    bucket = f"handwheel-{tmp_path.name.replace('_', '-')[-30:].strip('-')}".lower()
    url = f"s3://{bucket}/plant?endpoint_override={store[1]}&scheme=http&region=eu-central-1"
    plain = fs.S3FileSystem(access_key="test", secret_key="test", endpoint_override=store[1], scheme="http",
                            region="eu-central-1", allow_bucket_creation=True)  # fmt: skip
    plain.create_dir(bucket)
    return State(tmp_path / "state").make().with_history(History(url, "test", password_file=str(secret)))


@needs_server
def test_folds_reads_imports_and_purges_are_the_same_as_in_a_folder(state):
    hot, cold = write(state, TICKS), cold_of(state)
    before = read(state, NAMES, *ALL)
    for upto in (MIDNIGHT_MS + 8_000, MIDNIGHT_MS + 15_000, MIDNIGHT_MS + DAY_MS):
        assert not fold(state, upto_ms=upto).faults
        pd.testing.assert_frame_equal(read(state, NAMES, *ALL), before)
        hot.roll(upto)
        hot.purge(upto)
        pd.testing.assert_frame_equal(read(state, NAMES, *ALL), before)
    assert HotReader(state.hot).newest_ms() is None
    assert sites(cold) == ["G", "R"]
    given = rows([MIDNIGHT_MS + 500], [7.0], Reason.IMPORTED)
    assert len(add_rows(cold, "G", given, FACTS, origin={"file": "old.csv"})) == 1
    assert add_rows(cold, "G", given, FACTS, origin={}) == []
    fold(state, upto_ms=MIDNIGHT_MS + DAY_MS)
    assert [one.name for one in stored(cold, "G")] == ["site=G/date=2026-11-23/part-0.parquet"]
    assert len(read(state, ["pump1.flow"], *ALL)) == 21
    assert verify(cold, deep=True).faults == ()
    kept = cold.files.get_file_info(fs.FileSelector(cold.path("site=G/date=2026-11-23")))
    assert sorted(one.base_name for one in kept) == ["_part-0.parquet.sha256", "part-0.parquet"], "nothing half is left"
    assert not list(state.history.rglob("*.part"))
    assert len(purge_days(cold, "2027-11-23", 90, "a rule", keep_days=100).files) == 2
    assert len(read(state, NAMES, *ALL)) == 0
    hot.close()


@needs_server
def test_a_damaged_object_is_found_and_set_aside_in_the_store(state):
    write(state, TICKS).close()
    cold = cold_of(state)
    fold(state, upto_ms=MIDNIGHT_MS + DAY_MS)
    (one,) = in_folder(cold, "site=G/date=2026-11-23")
    with cold.files.open_input_stream(cold.path(one.name)) as file:
        blob = bytearray(file.read())
    blob[len(blob) // 2] ^= 1
    with cold.files.open_output_stream(cold.path(one.name)) as out:
        out.write(bytes(blob))
    (fault,) = verify(cold, move=True).faults
    assert cold.files.get_file_info(cold.path(str(fault.moved_to))).size == len(blob)
    assert [one.name for one in stored(cold, "G")] == []
    found = read(state, NAMES, *ALL)
    assert set(found["tag"]) == {"pump2.flow"}
    assert "_quarantine/site=G/date=2026-11-23/part-0.parquet" in found.attrs["damaged"][0]


def test_a_store_that_is_away_costs_no_sample_and_is_said(tmp_path):
    with socket.socket() as closed:  # bound and not listening: nobody answers there
        closed.bind(("127.0.0.1", 0))
        url = f"s3://bucket/plant?endpoint_override=127.0.0.1:{closed.getsockname()[1]}&scheme=http&region=x"
        state = State(tmp_path / "state").make().with_history(History(url))
        hot = write(state, TICKS)
        with pytest.raises(Unreachable, match=r"^history s3://bucket/plant: not reachable") as told:
            fold(state, upto_ms=MIDNIGHT_MS + DAY_MS)
        assert "\n" not in str(told.value)
        assert folded_upto(state.history, HotReader(state.hot).meta()["id"]) == 0
        hot.roll(MIDNIGHT_MS + DAY_MS)
        assert hot.purge(2**60) == 0
        found = read(state, ["pump1.flow"], *ALL)
        assert found["value"].tolist() == [float(n) for n in range(20)]
        (words,) = found.attrs["damaged"]
        assert words.startswith("history s3://bucket/plant: not reachable")
        hot.close()


def test_an_address_that_cannot_be_used_is_one_line(tmp_path):
    for url, words in (("s3://bucket/x?retries=3", "retries is unknown"), ("nosuch://bucket", "cannot be used")):
        with pytest.raises(ConfigError, match=words):
            cold_of(State(tmp_path).with_history(History(url)))
