"""Paper out of a printer: through CUPS with the job followed to its end, or a text straight to a device.

Nothing is believed: a queue that is disabled takes jobs and prints none, and a job that has left the queue may have
been cancelled. What cannot be told is said, and the file stays where it lies. No shell; no name can be an option.
"""

from __future__ import annotations

import http.client
import os
import re
import select
import shutil
import socket
import stat
import struct
import subprocess
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from fallback_procedures.textpage import PAPERS
from fallback_procedures.words import _, clean, encodable, local_text

FOLLOW_S = 20.0  # how long a print job is followed [s]
STUCK_S = 3.0  # a job that is held or stopped, or whose queue is disabled, is not waited for longer than this [s]
LP_S = 15.0  # how long `lp` may take to hand a job over [s]
ASK_S = 5.0  # how long a question to the printer system may take [s]
DEVICE_S = 20.0  # how long a device may take no byte before it counts as off [s]
_QUEUE = re.compile(r"\w[\w.@+-]{0,126}")
_REQUEST = re.compile(r"request id is ((\w[\w.@+-]*)-([0-9]{1,9})) ")
_SOCKETS = ("/run/cups/cups.sock", "/var/run/cups/cups.sock")
_STATES = {3: "pending", 4: "held", 5: "processing", 6: "stopped", 7: "cancelled", 8: "aborted", 9: "completed"}
_GET_JOB, _GET_PRINTER = 0x0009, 0x000B  # RFC 8011 4.3.4 and 4.2.5


@dataclass(frozen=True)
class Sent:
    """What became of a page: `word` is printed, sent (to a device that gives no answer), queued, refused or none."""

    word: str
    lines: tuple[str, ...]


def send(path: Path, printer: str = "", paper: str = "a4", title: str = "", follow_s: float = FOLLOW_S) -> Sent:
    """Give a file to CUPS and follow the job: printed, or queued and not printed. Without CUPS nothing is lost."""
    lp = shutil.which("lp")
    if lp is None:
        return Sent("none", (_("no printer system here (lp): print this file elsewhere, or copy it by hand"),))
    if printer and not _QUEUE.fullmatch(printer):
        return _refused(_("{name} is not the name of a printer").format(name=clean(printer, 40)))
    command = [lp, "-o", f"media={PAPERS[paper]}", "-o", "sides=one-sided"]
    if path.suffix == ".txt":  # 80 columns and 60 lines, away from the edge
        for option in ("cpi=12", "lpi=6", "page-left=36", "page-top=36"):
            command += ["-o", option]
    command += ["-d", printer] if printer else []
    command += ["-t", clean(title or path.stem, 60), "--", os.fspath(path.absolute())]
    try:
        done = _run(command, LP_S)
    except subprocess.TimeoutExpired:
        return _refused(_("the printer system does not answer"))
    except OSError as fault:
        return _refused(clean(fault, 80))
    found = _REQUEST.search(done.stdout)
    if done.returncode != 0 or not found:
        return _refused(_why_refused(clean(done.stderr or done.stdout, 120)))
    return _followed(found.group(1), found.group(2), int(found.group(3)), follow_s)


def _refused(why: str) -> Sent:
    return Sent("refused", (_("NOT PRINTED ({why}); the file stays").format(why=why),))


def _why_refused(said: str) -> str:
    """What `lp` said, and what it means: it speaks of a missing printer where the whole printer system is down."""
    queues = _lpstat("-e")
    if queues is None:
        return _("the printer system is not running") + f"; {said}"
    if not queues.strip():
        return _("the printer system has no printer") + f"; {said}"
    named = " ".join(clean(name, 40) for name in queues.split()[:12])
    return f"{said}; " + _("--printer takes one of: {names}").format(names=named)


def _followed(job: str, queue: str, number: int, follow_s: float) -> Sent:
    deadline = time.monotonic() + follow_s
    moving_s = time.monotonic()  # when it was last seen to be on its way
    while True:
        told = _job(job, number)
        if told["state"] == "completed":
            at = local_text(time.time())
            said = _("printed: job {job} has left the queue at {time}").format(job=job, time=at)
            return Sent("printed", (said, *_pages(told)))
        if told["state"] in ("cancelled", "aborted"):
            word = _("cancelled") if told["state"] == "cancelled" else _("aborted by the printer system")
            said = _("NOT PRINTED: job {job} was {word}").format(job=job, word=word)
            return Sent("refused", (f"{said} ({told['why']})" if told["why"] else said,))
        if told["state"] == "left":
            said = _("job {job} has left the queue; what became of it cannot be asked: look at the printer")
            return Sent("queued", (said.format(job=job),))
        if told["state"] == "processing" or (told["state"] == "pending" and not _disabled(queue)):
            moving_s = time.monotonic()
        if time.monotonic() >= deadline or time.monotonic() - moving_s > STUCK_S:
            break
        time.sleep(min(0.25, follow_s))
    why = {
        "held": _("the job is held"),
        "stopped": _("the job is stopped"),
        "unknown": _("the printer system no longer answers"),
    }.get(told["state"], "")
    every = [part for one in (why, _queue_trouble(queue), told["why"]) for part in one.split("; ")]
    reasons = "; ".join(dict.fromkeys(part for part in every if part))
    said = _("QUEUED, NOT PRINTED: job {job}; look at the printer").format(job=job)
    if told["state"] == "processing":
        said = _("STILL PRINTING: job {job}; look at the printer").format(job=job)
    return Sent("queued", (f"{said} ({reasons})" if reasons else said,))


def _pages(told: dict[str, str]) -> tuple[str, ...]:
    return (_("the printer counted {n} pages").format(n=told["pages"]),) if told.get("pages", "0") != "0" else ()


def _job(job: str, number: int) -> dict[str, str]:
    """The state of a job and what is said of it: by IPP, else (unknown, or left) by the list of waiting jobs."""
    told = _ask(_GET_JOB, f"/jobs/{number}")
    if told and isinstance(told.get("job-state"), int):
        words = [told.get("job-printer-state-message"), told.get("job-state-message")]
        why = "; ".join(dict.fromkeys(clean(word, 80) for word in words if word))
        state = _STATES.get(int(told["job-state"]), "unknown")
        return {"state": state, "why": why, "pages": str(told.get("job-impressions-completed", 0))}
    waiting = _lpstat("-W", "not-completed", "-o")
    if waiting is None:
        return {"state": "unknown", "why": ""}
    here = any(line.split()[:1] == [job] for line in waiting.splitlines())
    return {"state": "pending" if here else "left", "why": ""}


def _disabled(queue: str) -> bool:
    told = _ask(_GET_PRINTER, f"/printers/{urllib.parse.quote(queue)}")
    return told is not None and told.get("printer-state") == 5


def _queue_trouble(queue: str) -> str:
    """Why a queue does not print: stopped, or what the printer says (no paper, cover open)."""
    told = _ask(_GET_PRINTER, f"/printers/{urllib.parse.quote(queue)}")
    if told is None:
        return ""
    said = [_("the queue {name} is disabled").format(name=queue)] if told.get("printer-state") == 5 else []
    said += [clean(told.get("printer-state-message", ""), 80)]
    said += [clean(reason, 40) for reason in str(told.get("printer-state-reasons", "")).split() if reason != "none"]
    return "; ".join(word for word in said if word and word != "paused")


def _run(command: list[str], limit_s: float) -> subprocess.CompletedProcess[str]:
    speaks = {**os.environ, "LC_ALL": "C", "LANGUAGE": "C"}  # its words are read here
    return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=limit_s, check=False,
                          stdin=subprocess.DEVNULL, env=speaks)  # fmt: skip


def _lpstat(*arguments: str) -> str | None:
    """What `lpstat` says; None where it cannot or says it has no server."""
    lpstat = shutil.which("lpstat")
    if lpstat is None:
        return None
    try:
        running = _run([lpstat, "-r"], ASK_S)
        done = _run([lpstat, *arguments], ASK_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 and "not running" not in running.stdout else None


# -- IPP: `lpstat` does not say whether a job that left the queue was printed or cancelled; the protocol does ---


def _ask(operation: int, about: str) -> dict[str, int | str] | None:
    """The attributes of a job or a queue, as the printer system of this machine tells them; None: no answer."""
    request = ipp_request(operation, about)
    try:
        connection = _connection()
        connection.request("POST", about, request, {"Content-Type": "application/ipp"})
        answer = connection.getresponse()
        raw = answer.read(65_536)
        connection.close()
    except (OSError, http.client.HTTPException):
        return None
    return ipp_attributes(raw) if answer.status == 200 else None


def _connection() -> http.client.HTTPConnection:
    server = os.environ.get("CUPS_SERVER", "")
    local = server if server.startswith("/") else next((one for one in _SOCKETS if os.path.exists(one)), "")
    if local and (not server or server == local):
        connection = http.client.HTTPConnection("localhost", timeout=ASK_S)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(ASK_S)
        connection.sock.connect(local)
        return connection
    host, _colon, port = server.partition("/")[0].rpartition(":") if ":" in server else (server, "", "")
    return http.client.HTTPConnection(host or "localhost", int(port) if port.isdecimal() else 631, timeout=ASK_S)


def ipp_request(operation: int, about: str) -> bytes:
    """A question of RFC 8010 about "/jobs/N" or "/printers/NAME"."""
    kind = "job-uri" if about.startswith("/jobs/") else "printer-uri"
    raw = struct.pack(">HHIB", 0x0101, operation, 1, 0x01)
    for tag, name, value in (
        (0x47, "attributes-charset", "utf-8"),
        (0x48, "attributes-natural-language", "en"),
        (0x45, kind, f"ipp://localhost{about}"),
    ):
        raw += struct.pack(">BH", tag, len(name)) + name.encode() + struct.pack(">H", len(value)) + value.encode()
    return raw + b"\x03"


def ipp_attributes(raw: bytes) -> dict[str, int | str] | None:
    """The attributes of an answer, several values of one in one text; None for an error or for anything else."""
    if len(raw) < 8 or struct.unpack_from(">H", raw, 2)[0] > 0xFF:
        return None
    found: dict[str, int | str] = {}
    at, name = 8, ""
    while at < len(raw) and raw[at] != 0x03:
        tag, at = raw[at], at + 1
        if tag < 0x10:
            continue
        try:
            (size,) = struct.unpack_from(">H", raw, at)
            name, at = raw[at + 2 : at + 2 + size].decode("utf-8", "replace") or name, at + 2 + size
            (size,) = struct.unpack_from(">H", raw, at)
        except struct.error:
            return None
        value, at = raw[at + 2 : at + 2 + size], at + 2 + size
        if tag in (0x21, 0x23) and len(value) == 4:
            found.setdefault(name, struct.unpack(">i", value)[0])
        elif tag >= 0x40:
            text = value.decode("utf-8", "replace")
            found[name] = f"{found[name]} {text}" if name in found else text
    return found


# -- a device: a thermal or line printer that takes text ---


@dataclass
class Device:
    """An open character device or pipe; a printer that is off takes no byte, and then it is given up."""

    path: str
    wait_s: float = DEVICE_S
    descriptor: int = field(default=-1, init=False)

    def open(self) -> None:
        """Open it without waiting for anything. OSError for a file, a folder or a disk: those are never written."""
        kind = os.stat(self.path).st_mode
        if not (stat.S_ISCHR(kind) or stat.S_ISFIFO(kind)):
            raise OSError(_("{path} is no printer device").format(path=clean(self.path, 60)))
        self.descriptor = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)

    def write(self, raw: bytes) -> int:
        """Write and return how many bytes were taken: fewer than all where nothing moves for `wait_s`. [bytes]"""
        taken = 0
        while taken < len(raw):
            ready = select.select([], [self.descriptor], [], self.wait_s)[1]
            if not ready:
                break
            try:
                taken += os.write(self.descriptor, raw[taken : taken + 512])
            except BlockingIOError:
                time.sleep(0.05)
            except OSError:
                break
        return taken - self._waiting()

    def _waiting(self) -> int:
        """Bytes that a serial line still holds once it no longer moves; they are thrown away, else closing waits."""
        try:
            import fcntl
            import termios
        except ImportError:
            return 0
        left, since = -1, time.monotonic()
        try:
            while time.monotonic() - since < self.wait_s:
                now = struct.unpack("i", fcntl.ioctl(self.descriptor, termios.TIOCOUTQ, b"\0\0\0\0"))[0]
                if now == 0:
                    return 0
                if now != left:
                    left, since = now, time.monotonic()
                time.sleep(0.05)
            termios.tcflush(self.descriptor, termios.TCOFLUSH)
        except OSError:  # no serial line: what it took it has
            return 0
        return max(left, 0)

    def close(self) -> None:
        """Let go of it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def write_device(path: str, pages: list[str], encoding: str = "cp437", wait_s: float = DEVICE_S) -> Sent:
    """Write text pages to a device, each with a form feed behind it, in what the printer can show."""
    if not hasattr(os, "O_NONBLOCK"):
        return _refused(_("this system has no such devices; print the file"))
    text = "".join(page.replace("\n", "\r\n") + "\f" for page in pages)
    raw = encodable(text, encoding).encode(encoding, "replace")
    device = Device(path, wait_s)
    try:
        device.open()
        try:
            taken = device.write(raw)
        finally:
            device.close()
    except OSError as fault:
        return _refused(clean(fault.strerror or fault, 80) + f": {clean(path, 60)}")
    if taken < len(raw):
        said = _("NOT PRINTED: {path} took {n} of {all} bytes and no more: off, no paper, or the cable?")
        return Sent("refused", (said.format(path=clean(path, 60), n=taken, all=len(raw)),))
    said = _("sent to {path}: {all} bytes; it gives no answer: look at the paper")
    return Sent("sent", (said.format(path=clean(path, 60), all=len(raw)),))
