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


@contextmanager
def ext4(image, place):
    """A real ext4 of 40 MB that turns read-only at its first error; gives the function that makes the error."""
    if not _may_mount() or shutil.which("mkfs.ext4") is None or not os.path.exists("/dev/loop-control"):
        pytest.skip("needs root, mkfs.ext4 and loop devices")
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(40_000_000)
        subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", str(image)], check=True, timeout=60)
    with mounted(place, "-o", "loop,errors=remount-ro", str(image)):
        device = subprocess.check_output(["findmnt", "-n", "-o", "SOURCE", str(place)], text=True).strip()
        trigger = f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error"
        if not os.access(trigger, os.W_OK):
            pytest.skip("needs a kernel that lets root provoke an error of ext4")

        def fail():
            with open(trigger, "w") as file:
                file.write("1")

        yield fail


class Filler:
    """Somebody else's file on the same disk."""

    def __init__(self, folder):
        self._path = folder / "somebody.bin"

    def fill(self, leave):
        """Grow until so many bytes are free."""
        with self._path.open("ab") as file:
            for size in (1 << 20, 1 << 16, 1 << 12):
                while free_bytes(self._path.parent) - size >= leave:
                    os.posix_fallocate(file.fileno(), self._path.stat().st_size, size)

    def remove(self):
        self._path.unlink()


def free_bytes(folder):
    told = os.statvfs(folder)
    return told.f_bavail * told.f_frsize
