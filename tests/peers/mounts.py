"""Small real file systems, made and taken away by root; others skip what needs them."""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cache

import pytest


@cache
def _may_mount():
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
        )
        if made.returncode == 0:
            subprocess.run(["umount", folder], check=True)
        return made.returncode == 0


needs_mount = pytest.mark.skipif(not _may_mount(), reason="needs root and the right to mount a small file system")


@contextmanager
def mounted(place, *options):
    """`mount OPTIONS place` while the block runs."""
    if not _may_mount():
        pytest.skip("needs root and the right to mount a small file system")
    subprocess.run(["mount", *options, str(place)], check=True, timeout=30)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=30)
