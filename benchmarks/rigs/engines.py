"""The other places in which samples could be kept, each behind the same few verbs: to be measured beside ours.

Rows of (tag, time, value, quality, reasons). Every engine is asked to have a tick on the disk before it says so: SQLite
with synchronous=FULL, PostgreSQL with fsync and synchronous_commit, InfluxDB with a write-ahead log synced per write,
DuckDB by its commit. `written` counts what its processes gave to the disk (/proc/PID/io), wherever they run.
"""

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil

HOUR_MS = 3_600_000
SKIPPED = "HANDWHEEL_BENCH_WITH"  # a folder of site-packages that has duckdb
START_S = 60.0


class Skip(Exception):
    """An engine that is not here, and why."""


class Engine(Protocol):
    """What is measured of each; times are UTC [ms], all arrays have one row per sample."""

    name: str

    def tick(self, tag: np.ndarray, t_ms: np.ndarray, value: np.ndarray, quality: np.ndarray) -> None:
        """Keep the samples of one second; they are on the disk when this returns."""

    def load(self, tag: np.ndarray, t_ms: np.ndarray, value: np.ndarray, quality: np.ndarray) -> None:
        """Keep many samples in the fastest way it has, with whatever index its queries need."""

    def latest(self) -> int:
        """The latest value of each tag; how many there were."""

    def one_tag(self, tag: int, start_ms: int, end_ms: int) -> int:
        """Time, value and quality of one tag; how many samples."""

    def hourly(self, tags: int, start_ms: int, end_ms: int) -> int:
        """Mean, least, greatest and count of each hour of the tags below `tags`; how many rows."""

    def pids(self) -> list[int]:
        """The processes that write for it."""

    def size(self) -> int:
        """What it takes on the disk. [B]"""

    def close(self) -> None:
        """End it."""


def written(pids: list[int]) -> int:
    """Bytes that these processes have given to the disk."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/io").read_text().splitlines()
            total += int(dict(line.split(": ") for line in lines)["write_bytes"])
    return total


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _rows(tag: np.ndarray, t_ms: np.ndarray, value: np.ndarray, quality: np.ndarray) -> Iterator[tuple[object, ...]]:
    return zip(tag.tolist(), t_ms.tolist(), value.tolist(), quality.tolist(), [0] * len(tag), strict=True)


class SqliteRows:
    """One row per sample in a table without rowid, by (tag, time) or by (time, tag)."""

    def __init__(self, folder: Path, key: str) -> None:
        self.name, self._folder, self._by_tag = f"SQLite rows by ({key})", folder, key.startswith("tag")
        folder.mkdir()
        self._db = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)
        for words in ("journal_mode=WAL", "synchronous=FULL"):
            self._db.execute(f"PRAGMA {words}")
        self._db.execute(
            "CREATE TABLE s(tag INTEGER, ts INTEGER, value REAL, quality INTEGER, reasons INTEGER,"
            f" PRIMARY KEY ({key})) WITHOUT ROWID"
        )

    def tick(self, tag: np.ndarray, t_ms: np.ndarray, value: np.ndarray, quality: np.ndarray) -> None:
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR REPLACE INTO s VALUES (?, ?, ?, ?, ?)", _rows(tag, t_ms, value, quality))
        self._db.execute("COMMIT")

    def load(self, tag: np.ndarray, t_ms: np.ndarray, value: np.ndarray, quality: np.ndarray) -> None:
        order = np.lexsort((t_ms, tag) if self._by_tag else (tag, t_ms))
        self.tick(tag[order], t_ms[order], value[order], quality[order])

    def latest(self) -> int:
        if self._by_tag:  # the wording that walks down the key once per tag
            return len(self._db.execute(
                "WITH RECURSIVE one(tag) AS (SELECT min(tag) FROM s UNION ALL"
                " SELECT (SELECT min(tag) FROM s WHERE tag > one.tag) FROM one WHERE one.tag IS NOT NULL)"
                " SELECT tag, (SELECT value FROM s WHERE s.tag = one.tag ORDER BY ts DESC LIMIT 1) FROM one"
                " WHERE tag IS NOT NULL").fetchall())  # fmt: skip
        return len(self._db.execute("SELECT tag, value, max(ts) FROM s WHERE ts > (SELECT max(ts) FROM s) - 10000"
                                    " GROUP BY tag").fetchall())  # fmt: skip

    def one_tag(self, tag: int, start_ms: int, end_ms: int) -> int:
        return len(self._db.execute(
            "SELECT ts, value, quality FROM s WHERE tag = ? AND ts >= ? AND ts < ? ORDER BY ts", (tag, start_ms, end_ms)
        ).fetchall())  # fmt: skip

    def hourly(self, tags: int, start_ms: int, end_ms: int) -> int:
        return len(self._db.execute(
            "SELECT tag, ts / 3600000, avg(value), min(value), max(value), count(*) FROM s"
            " WHERE tag < ? AND ts >= ? AND ts < ? GROUP BY 1, 2", (tags, start_ms, end_ms)).fetchall())  # fmt: skip

    def pids(self) -> list[int]:
        return [os.getpid()]

    def size(self) -> int:
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return folder_size(self._folder)

    def close(self) -> None:
        self._db.close()


class DuckDb:
    """DuckDB in this process, rows by Arrow; the library from the folder that HANDWHEEL_BENCH_WITH names."""

    name = "DuckDB"

    def __init__(self, folder: Path) -> None:
        if os.environ.get(SKIPPED):
            sys.path.append(os.environ[SKIPPED])
        try:
            import duckdb
        except ImportError as fault:
            raise Skip(f"no duckdb; name a folder of site-packages that has it in {SKIPPED}") from fault
        folder.mkdir()
        self._folder = folder
        self._db = duckdb.connect(str(folder / "rows.duckdb"))
        self._db.execute("SET threads = 1")
        self._db.execute("CREATE TABLE s(tag INTEGER, ts BIGINT, value DOUBLE, quality UTINYINT, reasons UINTEGER)")

    def tick(self, tag: np.ndarray, t_ms: np.ndarray, value: np.ndarray, quality: np.ndarray) -> None:
        import pyarrow as pa

        none = np.zeros(len(tag), np.uint32)
        rows = pa.table({"tag": tag.astype(np.int32), "ts": t_ms, "value": value, "quality": quality, "reasons": none})
        self._db.register("rows", rows)
        self._db.execute("INSERT INTO s SELECT * FROM rows")

    def load(self, tag: np.ndarray, t_ms: np.ndarray, value: np.ndarray, quality: np.ndarray) -> None:
        order = np.lexsort((t_ms, tag))
        self.tick(tag[order], t_ms[order], value[order], quality[order])
        self._db.execute("CHECKPOINT")

    def latest(self) -> int:
        found = self._db.execute("SELECT tag, arg_max(value, ts) AS v FROM s GROUP BY tag").fetchnumpy()
        return len(found["tag"])

    def one_tag(self, tag: int, start_ms: int, end_ms: int) -> int:
        found = self._db.execute("SELECT ts, value, quality FROM s WHERE tag = ? AND ts >= ? AND ts < ? ORDER BY ts",
                                 [tag, start_ms, end_ms]).fetchnumpy()  # fmt: skip
        return len(found["ts"])

    def hourly(self, tags: int, start_ms: int, end_ms: int) -> int:
        found = self._db.execute("SELECT tag, ts // 3600000 AS h, avg(value) AS m, min(value) AS l, max(value) AS g,"
                                 " count(*) AS n FROM s WHERE tag < ? AND ts >= ? AND ts < ? GROUP BY 1, 2",
                                 [tags, start_ms, end_ms]).fetchnumpy()  # fmt: skip
        return len(found["tag"])

    def pids(self) -> list[int]:
        return [os.getpid()]

    def size(self) -> int:
        return folder_size(self._folder)

    def close(self) -> None:
        self._db.close()


def _as_nobody() -> Mapping[str, str]:
    """How a server is started that refuses to run as root."""
    return {"user": "nobody"} if os.geteuid() == 0 else {}


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Postgres:
    """A cluster of its own in a temporary folder, by psql over a Unix socket; rows by COPY, index (tag, time)."""

    name = "PostgreSQL rows by (tag, ts)"

    def __init__(self, folder: Path) -> None:
        found = [shutil.which("initdb"), *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")))]
        initdb = next((Path(one) for one in reversed(found) if one and Path(one).with_name("postgres").exists()), None)
        psql = shutil.which("psql")
        if initdb is None or psql is None:
            raise Skip("no PostgreSQL server; apt-get install postgresql")
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)  # its server runs as another user
        self._folder, self._server = folder, None
        data, who = folder / "data", _as_nobody()
        _do([str(initdb), "-D", str(data), "-A", "trust", "-U", "bench", "--no-sync"], **who)
        command = [str(initdb.with_name("postgres")), "-D", str(data), "-k", str(folder), "-c", "listen_addresses="]
        with (folder / "log").open("wb") as log:
            self._server = subprocess.Popen(command, stdout=log, stderr=log, **who)  # type: ignore[call-overload]
        self._psql = subprocess.Popen(
            [psql, "-h", str(folder), "-U", "bench", "-qAt", "-v", "ON_ERROR_STOP=1", "postgres"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        ) if self._wait(psql) else None  # fmt: skip
        if self._psql is None:
            self.close()
            raise Skip("the PostgreSQL server did not start")
        self._ask("CREATE TABLE s(tag int, ts bigint, value float8, quality smallint, reasons int);"
                  " CREATE INDEX one ON s(tag, ts);")  # fmt: skip

    def _wait(self, psql: str) -> bool:
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s and self._server and self._server.poll() is None:
            asked = [psql, "-h", str(self._folder), "-U", "bench", "-qAt", "-c", "SELECT 1", "postgres"]
            if subprocess.run(asked, capture_output=True, check=False).returncode == 0:
                return True
            time.sleep(0.2)
        return False

    def _ask(self, words: str) -> list[str]:
        """The lines that come of these commands."""
        assert self._psql
        assert self._psql.stdin
        assert self._psql.stdout
        self._psql.stdin.write(words + "\n\\echo .done\n")
        self._psql.stdin.flush()
        lines = []
        while (line := self._psql.stdout.readline().rstrip("\n")) != ".done":
            if not line and self._psql.poll() is not None:
                raise RuntimeError("psql ended")
            lines.append(line)
        return lines

    def tick(self, tag: np.ndarray, t_ms: np.ndarray, value: np.ndarray, quality: np.ndarray) -> None:
        rows = "\n".join("\t".join(map(str, row)) for row in _rows(tag, t_ms, value, quality))
        self._ask(f"COPY s FROM STDIN;\n{rows}\n\\.")

    def load(self, tag: np.ndarray, t_ms: np.ndarray, value: np.ndarray, quality: np.ndarray) -> None:
        order = np.lexsort((t_ms, tag))
        for part in np.array_split(order, max(len(order) // 200_000, 1)):
            self.tick(tag[part], t_ms[part], value[part], quality[part])
        self._ask("VACUUM ANALYZE s; CHECKPOINT;")

    def latest(self) -> int:
        return len(self._ask(
            "WITH RECURSIVE one AS ((SELECT tag, ts, value FROM s ORDER BY tag, ts DESC LIMIT 1) UNION ALL"
            " SELECT n.* FROM one, LATERAL (SELECT tag, ts, value FROM s WHERE tag > one.tag ORDER BY tag, ts DESC"
            " LIMIT 1) n) SELECT * FROM one;"))  # fmt: skip

    def one_tag(self, tag: int, start_ms: int, end_ms: int) -> int:
        return len(self._ask(f"SELECT ts, value, quality FROM s WHERE tag = {tag} AND ts >= {start_ms}"
                             f" AND ts < {end_ms} ORDER BY ts;"))  # fmt: skip

    def hourly(self, tags: int, start_ms: int, end_ms: int) -> int:
        return len(self._ask(f"SELECT tag, ts / 3600000, avg(value), min(value), max(value), count(*) FROM s WHERE"
                             f" tag < {tags} AND ts >= {start_ms} AND ts < {end_ms} GROUP BY 1, 2;"))  # fmt: skip

    def pids(self) -> list[int]:
        server = psutil.Process(self._server.pid) if self._server else None
        return [server.pid, *(child.pid for child in server.children(recursive=True))] if server else []

    def size(self) -> int:
        return int(self._ask("SELECT pg_total_relation_size('s');")[0])

    def close(self) -> None:
        for process in (getattr(self, "_psql", None), self._server):
            if process:
                process.terminate()
                process.wait(START_S)
                for end in (process.stdin, process.stdout):
                    if end:
                        end.close()


class Influx:
    """InfluxDB 1 (Debian) in a temporary folder, by line protocol over HTTP on the loopback."""

    name = "InfluxDB 1"
    _CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  wal-fsync-delay = "0s"
  query-log-enabled = false
  max-series-per-database = 0
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
[logging]
  level = "error"
"""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("influxd")
        if program is None:
            raise Skip("no InfluxDB; apt-get install influxdb")
        folder.mkdir()
        self._folder, http = folder, _free_port()
        self._address = f"http://127.0.0.1:{http}"
        told = self._CONFIG.format(folder=folder, http=http, rpc=_free_port())
        (folder / "influx.conf").write_text(told)
        with (folder / "log").open("wb") as log:
            command = [program, "run", "-config", str(folder / "influx.conf")]
            self._server = subprocess.Popen(command, stdout=log, stderr=log)
        end_s = time.monotonic() + START_S
        while True:
            try:
                self._ask("CREATE DATABASE b")
                return
            except OSError as fault:
                if time.monotonic() > end_s or self._server.poll() is not None:
                    self.close()
                    raise Skip("InfluxDB did not start") from fault
                time.sleep(0.2)

    def _ask(self, words: str) -> list[dict[str, list[object]]]:
        told = urllib.parse.urlencode({"db": "b", "q": words, "epoch": "ms"})
        with urllib.request.urlopen(f"{self._address}/query", told.encode(), timeout=120) as answer:
            result = json.load(answer)["results"][0]
        if "error" in result:
            raise RuntimeError(result["error"])
        return list(result.get("series", []))

    def tick(self, tag: np.ndarray, t_ms: np.ndarray, value: np.ndarray, quality: np.ndarray) -> None:
        rows = "\n".join(f"s,t={t} v={v!r},q={q}i,r={r}i {at}" for t, at, v, q, r in _rows(tag, t_ms, value, quality))
        with urllib.request.urlopen(f"{self._address}/write?db=b&precision=ms", rows.encode(), timeout=120) as answer:
            answer.read()

    def load(self, tag: np.ndarray, t_ms: np.ndarray, value: np.ndarray, quality: np.ndarray) -> None:
        order = np.lexsort((t_ms, tag))
        for part in np.array_split(order, max(len(order) // 20_000, 1)):
            self.tick(tag[part], t_ms[part], value[part], quality[part])

    def latest(self) -> int:
        return len(self._ask("SELECT last(v) FROM s GROUP BY t"))

    def one_tag(self, tag: int, start_ms: int, end_ms: int) -> int:
        found = self._ask(f"SELECT v, q FROM s WHERE t = '{tag}' AND time >= {start_ms}ms AND time < {end_ms}ms")
        return sum(len(one["values"]) for one in found)

    def hourly(self, tags: int, start_ms: int, end_ms: int) -> int:
        chosen = "|".join(str(tag) for tag in range(tags))
        found = self._ask(f"SELECT mean(v), min(v), max(v), count(v) FROM s WHERE t =~ /^({chosen})$/ AND"
                          f" time >= {start_ms}ms AND time < {end_ms}ms GROUP BY time(1h), t")  # fmt: skip
        return sum(len(one["values"]) for one in found)

    def pids(self) -> list[int]:
        return [self._server.pid]

    def size(self) -> int:
        return folder_size(self._folder / "data") + folder_size(self._folder / "wal")

    def close(self) -> None:
        self._server.terminate()
        self._server.wait(START_S)


def _do(command: list[str], **how: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **how)  # type: ignore[call-overload]
    if done.returncode:
        raise Skip(f"{Path(command[0]).name} failed: {done.stderr.strip()[-200:]}")


ENGINES = {
    "sqlite_tag": lambda folder: SqliteRows(folder, "tag, ts"),
    "sqlite_ts": lambda folder: SqliteRows(folder, "ts, tag"),
    "duckdb": DuckDb,
    "postgres": Postgres,
    "influx": Influx,
}
