"""What the service manager is told, by systemd's own protocol (sd_notify(3)): one datagram to $NOTIFY_SOCKET.

READY, RELOADING and STOPPING follow the daemon's life; WATCHDOG comes from the tick itself, and only when it may say
that pollers and writer got on: a daemon that hangs is then ended and started anew by systemd. A store that answers with
a fault is no hang: that is said, and a new start would only lose what waits for it. Outside of systemd nothing is sent.
Standard library only.
"""

import os
import socket
import time
from collections.abc import MutableMapping
from contextlib import suppress

_TEXT_LIMIT = 200


class ServiceManager:
    """The service manager as the daemon sees it."""

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        """Takes its variables out of `environ`, so that no child of ours speaks in our name."""
        address = environ.pop("NOTIFY_SOCKET", "")
        watchdog_us, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        mine = pid in ("", str(os.getpid()))
        self._address = "\0" + address[1:] if address.startswith("@") else address if address.startswith("/") else ""
        self.watchdog_s = int(watchdog_us) / 1e6 if self._address and mine and watchdog_us.isdecimal() else None
        self._fed_s = float("-inf")  # monotonic [s]
        self._told = ""

    def ready(self, words: str) -> None:
        """Everything runs (again)."""
        self._send("READY=1", self._status(words))

    def status(self, words: str) -> None:
        """One line for `systemctl status`; sent when it changed."""
        if words != self._told:
            self._send(self._status(words))

    def reloading(self) -> None:
        """The configuration is being read again."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1", self._status("stopping"))

    def alive(self, mono_s: float) -> None:
        """Pollers and writer got on: keep the watchdog quiet, at half of its time. `mono_s`: monotonic [s]."""
        if self.watchdog_s is not None and mono_s - self._fed_s >= self.watchdog_s / 2 - 1.0:
            self._fed_s = mono_s
            self._send("WATCHDOG=1")

    def _status(self, words: str) -> str:
        self._told = words
        return f"STATUS={' '.join(words.split())[:_TEXT_LIMIT]}"

    def _send(self, *lines: str) -> None:
        """Never waits: a service manager that does not take it in is no reason to stand still."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
            link.setblocking(False)
            link.sendto("\n".join(lines).encode(), self._address)
