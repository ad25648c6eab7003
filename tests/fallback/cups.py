"""A printer system of its own: a real cupsd on a port, a socket-free one, with folders below a test's own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

LIBRARY = Path("/usr/lib/cups")
CUPS_PDF = Path("/usr/share/ppd/cups-pdf/CUPS-PDF_opt.ppd")
FILES = """ServerRoot {root}/etc
ServerBin {root}/bin
DataDir /usr/share/cups
RequestRoot {root}/spool
CacheDir {root}/cache
StateDir {root}/run
TempDir {root}/tmp
AccessLog {root}/log/access
ErrorLog {root}/log/error
PageLog {root}/log/page
SystemGroup root
"""
SERVER = """Listen 127.0.0.1:{port}
Browsing No
WebInterface No
DefaultAuthType None
<Location />
Order allow,deny
Allow localhost
</Location>
<Location /admin>
Order allow,deny
Allow localhost
</Location>
<Policy default>
<Limit All>
Order deny,allow
</Limit>
</Policy>
"""


def missing() -> str:
    """Why no printer system can be started here; "" where one can."""
    if os.name != "posix" or os.geteuid() != 0:
        return "a cupsd of our own with its backends needs root"
    needed = [name for name in ("cupsd", "lpadmin", "lp", "lpstat") if shutil.which(name) is None]
    return f"{', '.join(needed)} not installed" if needed else ""


@dataclass
class Cups:
    """The running server. `server` is what CUPS_SERVER says to reach it."""

    root: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.port}"

    def tell(self, *command: str) -> str:
        """Run a command of CUPS against this server."""
        speaks = {**os.environ, "CUPS_SERVER": self.server, "LC_ALL": "C"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, env=speaks)
        return done.stdout

    def queue(self, name: str, script: str, *options: str) -> None:
        """A queue whose backend is this shell script; $6 or standard input is the file, $1 the job."""
        backend = self.root / "bin" / "backend" / name
        backend.write_text(f"#!/bin/sh\n[ $# -eq 0 ] && exit 0\n{script}\n")
        backend.chmod(0o700)
        self.tell("lpadmin", "-p", name, "-v", f"{name}:/", *options, "-E")

    def kill(self) -> None:
        """Kill the server and what it started as a fault would."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait(10)
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()

    def stop(self) -> None:
        """Stop the server, wait for it, and remove what it wrote."""
        if self.process.poll() is not None:
            shutil.rmtree(self.root, ignore_errors=True)
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
        shutil.rmtree(self.root, ignore_errors=True)


def start() -> Cups:
    """A cupsd with its folders below one of its own, once it answers."""
    root = Path(tempfile.mkdtemp(prefix="handwheel-cups-"))  # pytest's own folders are closed to the filters' user
    root.chmod(0o755)
    for name in ("etc", "spool", "cache", "run", "tmp", "log", "bin/backend"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)  # the filters run as another user
    for part in LIBRARY.iterdir():
        if part.name != "backend":
            (root / "bin" / part.name).symlink_to(part)
    (root / "bin" / "backend" / "cups-pdf").symlink_to(LIBRARY / "backend" / "cups-pdf")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (root / "etc" / "cups-files.conf").write_text(FILES.format(root=root))
    (root / "etc" / "cupsd.conf").write_text(SERVER.format(port=port))
    command = ["cupsd", "-f", "-c", str(root / "etc" / "cupsd.conf"), "-s", str(root / "etc" / "cups-files.conf")]
    cups = Cups(root, port, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 0.5):
                return cups
        except OSError:
            time.sleep(0.05)
    told = (root / "log" / "error").read_text()[-500:]
    cups.stop()
    raise RuntimeError(f"cupsd did not start: {told}")
