"""Bad weather for a real process: its clock is set, the disk below one folder fails or hangs (weather.c says how)."""

import errno
import mmap
import shutil
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")
_FORM = "=qiii12x"

needs_weather = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None, reason="needs gcc, to make the clock and the disk misbehave"
)


@cache
def library(folder):
    made = Path(folder) / "weather.so"
    command = ["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", str(made), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return made


class Weather:
    """Fair until told otherwise; what is told holds at once for every process with `env`."""

    def __init__(self, folder, under):
        self.under, self._file = under, folder / "weather"
        self._file.write_bytes(bytes(struct.calcsize(_FORM)))
        with self._file.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), struct.calcsize(_FORM))
        self._ahead_s, self._library = 0.0, library(folder)

    @property
    def env(self):
        return {"LD_PRELOAD": str(self._library), "WEATHER": str(self._file), "UNDER": str(self.under)}

    def _tell(self, fault=0, hang=0, reads=0):
        self._map[:] = struct.pack(_FORM, round(self._ahead_s * 1e6), fault, hang, reads)

    def set_clock(self, ahead_s):
        """So far ahead of the true time [s]."""
        self._ahead_s = ahead_s
        self._tell()

    def fail(self, name, *, reads=False):
        """Every write fails with this error, with `reads` every read too."""
        self._tell(getattr(errno, name), 0, reads)

    def hang(self):
        """Nothing that writes comes back."""
        self._tell(hang=1)

    def clear(self):
        """The disk is well again; the clock stays as it is."""
        self._tell()
