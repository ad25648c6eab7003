"""Passwords: read when they are needed, from a place that only their owner can read; never configured, never logged.

A file of our own user (or of root) without rights for anybody else, or a credential that systemd hands to the service
(LoadCredential=NAME:FILE; systemd.exec(5), "Credentials").
"""

import os
import re
import stat
from pathlib import Path
from typing import Final

from drivers.errors import ConfigError

_LIMIT: Final = 4_096  # bytes


def read_secret(owner: str, *, file: str | None = None, credential: str | None = None) -> str:
    """The secret of `owner` ("source plc1"), without its line end. ConfigError says what to mend, never the text."""
    if (file is None) == (credential is None):
        raise ConfigError(f"{owner}: needs exactly one of password_file and password_credential")
    try:
        raw = private_bytes(owner, Path(file)) if file is not None else _credential(owner, str(credential))
    except OSError as fault:
        raise ConfigError(f"{owner}: {fault.filename}: {fault.strerror}; no password could be read") from None
    place = file if file is not None else f"credential {credential}"
    try:
        secret = raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ConfigError(f"{owner}: {place}: is not UTF-8 text") from None
    if not secret or len(raw) > _LIMIT or "\n" in secret:
        raise ConfigError(f"{owner}: {place}: must hold one line, the password, of at most {_LIMIT} bytes")
    return secret


def private_bytes(owner: str, path: Path, limit: int = _LIMIT) -> bytes:
    """At most `limit` + 1 bytes of a file that only its owner can read; ConfigError where others can."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
        about = os.fstat(stream.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise ConfigError(f"{owner}: {path}: is not a file")
        if about.st_mode & 0o077:
            raise ConfigError(f"{owner}: {path}: others may read it; chmod 600 {path}, and replace what it holds")
        if about.st_uid not in (0, os.geteuid()):
            raise ConfigError(f"{owner}: {path}: belongs to another user; chown it to the one handwheel runs as")
        return stream.read(limit + 1)


def _credential(owner: str, name: str) -> bytes:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name):
        raise ConfigError(f"{owner}: password_credential {name!r} is a name, not a path")
    if not folder:
        raise ConfigError(f"{owner}: no systemd credentials here; write LoadCredential={name}:FILE in the unit")
    with open(Path(folder, name), "rb") as stream:
        return stream.read(_LIMIT + 1)
