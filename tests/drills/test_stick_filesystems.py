"""The stick on the file systems that sticks have: FAT32 and exFAT made by their own tools, full ones, pulled ones."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from fallback_procedures.stick_check import ROOM, SUMS
from tests.peers.mounts import mounted, needs_mount

pytestmark = [pytest.mark.drill, needs_mount]
HERE = Path(__file__).parents[2]
MAKE = {"vfat": ("mkfs.vfat", "-F", "32"), "exfat": ("mkfs.exfat",)}
LOOK = {"vfat": ("fsck.vfat", "-n"), "exfat": ("fsck.exfat", "-n")}
PULLED = 12  # moments of one making, drawn once
SEED = 20261128


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """The example plant with its binder as text and HTML, and names that FAT does not take."""
    folder = tmp_path_factory.mktemp("plant") / "state"
    for name in ("sheets", "setpoints"):
        shutil.copytree(HERE / "config" / "example" / name, folder / "manual" / name)
    (folder / "manual" / "facts").mkdir()
    (folder / "manual" / "facts" / "what: is?.txt").write_text("a")
    (folder / "manual" / "facts" / "A.txt").write_text("upper")
    (folder / "manual" / "facts" / "a.txt").write_text("lower")
    done = manual("--state", str(folder), "--render", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def manual(*words):
    return subprocess.run([sys.executable, "-S", str(HERE / "fallback_procedures"), *words], capture_output=True,
                          text=True, timeout=300, check=False)  # fmt: skip


def making(state, usb):
    words = ["--state", str(state), "--make-stick", str(usb)]
    return subprocess.Popen([sys.executable, "-S", str(HERE / "fallback_procedures"), *words],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip


class Volume:
    """An image of one stick behind a loop device: plugged in, pulled, looked at."""

    def __init__(self, kind, folder, megabytes):
        if shutil.which(MAKE[kind][0]) is None or not os.path.exists("/dev/loop-control"):
            pytest.skip(f"needs {MAKE[kind][0]} and loop devices")
        kernel = kind in Path("/proc/filesystems").read_text().split()
        if not kernel and (kind != "exfat" or shutil.which("mount.exfat-fuse") is None):
            pytest.skip(f"neither this kernel nor a FUSE server knows {kind}")
        self.kind, self.place, self.fuse = kind, folder / "usb", not kernel
        self.place.mkdir()
        self.image = folder / "image"
        with self.image.open("wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run([*MAKE[kind], str(self.image)], check=True, capture_output=True, timeout=60)

    @contextmanager
    def plugged(self):
        if not self.fuse:
            with mounted(self.place, "-t", self.kind, "-o", "loop,flush", str(self.image)):
                yield self.place
            return
        device = subprocess.check_output(["losetup", "--show", "-f", str(self.image)], text=True).strip()
        try:
            subprocess.run(["mount.exfat-fuse", device, str(self.place)], check=True, capture_output=True, timeout=30)
            try:
                yield self.place
            finally:
                subprocess.run(["umount", "--lazy", str(self.place)], check=True, timeout=30)
        finally:
            for _again in range(100):  # the server lets go of the device a moment later
                if subprocess.run(["losetup", "-d", device], capture_output=True, check=False).returncode == 0:
                    break
                time.sleep(0.1)

    def pull(self):
        """The server of the file system dies at once: what it still held in memory never reaches the stick."""
        pids = subprocess.run(["pgrep", "-f", f"mount.exfat-fuse .* {self.place}$"], capture_output=True, text=True,
                              check=False).stdout.split()  # fmt: skip
        assert len(pids) == 1, pids
        os.kill(int(pids[0]), signal.SIGKILL)

    def repair(self):
        """What a system does with a stick that was pulled; its exit code says what it found."""
        subprocess.run([LOOK[self.kind][0], "-y", str(self.image)], capture_output=True, check=False, timeout=60)

    def sound(self):
        return subprocess.run([*LOOK[self.kind], str(self.image)], capture_output=True, check=False, timeout=60)


@pytest.fixture(params=["vfat", "exfat"])
def volume(request, tmp_path):
    return Volume(request.param, tmp_path, 60)


def test_a_stick_of_a_real_file_system_is_whole_after_it_was_taken_out_and_runs_on_the_other_laptop(state, volume):
    with volume.plugged() as usb:
        done = manual("--state", str(state), "--make-stick", str(usb))
        assert done.returncode == 0, done.stderr
        again = manual("--state", str(state), "--make-stick", str(usb))
        assert again.returncode == 0, again.stderr
    assert volume.sound().returncode == 0, volume.sound().stdout
    with volume.plugged() as usb:
        told = manual("--state", str(state), "--check-stick", str(usb))
        assert told.returncode == 0, told.stdout
        assert "files are as they were written" in told.stdout
        one = subprocess.run([sys.executable, "-I", "-S", str(usb / ROOM / "handwheel-manual.pyz"), "--plain"],
                             input="q\n", capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
        assert one.returncode == 0, one.stderr
        assert "nothing on it is live" in one.stdout
        facts = sorted(path.read_text() for path in (usb / ROOM / "manual" / "facts").iterdir())
        assert facts == ["a", "lower", "upper"]


def test_a_full_stick_of_a_real_file_system_keeps_the_old_one(state, volume):
    with volume.plugged() as usb:
        assert manual("--state", str(state), "--make-stick", str(usb)).returncode == 0
        before = (usb / ROOM / SUMS).read_bytes()
        with (usb / "somebody.bin").open("wb") as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(1 << 16))
                file.flush()
        full = manual("--state", str(state), "--make-stick", str(usb))
        assert full.returncode == 2
        assert "No space left" in full.stderr
        assert (usb / ROOM / SUMS).read_bytes() == before
        (usb / "somebody.bin").unlink()
        assert manual("--state", str(state), "--check-stick", str(usb)).returncode == 0


def test_a_stick_pulled_at_any_moment_of_its_making_says_what_it_is_and_the_next_making_mends_it(state, tmp_path):
    volume = Volume("exfat", tmp_path, 60)
    if not volume.fuse:
        pytest.skip("pulling is done to the FUSE server; this kernel serves exFAT itself")
    with volume.plugged() as usb:
        began = time.monotonic()
        assert manual("--state", str(state), "--make-stick", str(usb)).returncode == 0
        took_s = time.monotonic() - began
    draw = random.Random(SEED)
    for _moment in range(PULLED):
        with volume.plugged() as usb:
            process = making(state, usb)
            time.sleep(draw.uniform(0, took_s))
            volume.pull()
            process.wait(timeout=120)
        volume.repair()
        with volume.plugged() as usb:
            told = manual("--state", str(state), "--check-stick", str(usb))
            faults = [line for line in told.stdout.splitlines() if line.startswith("!")]
            left = tuple(f"! {ROOM}.{end}: " for end in ("new", "old"))
            whole = told.returncode == 0 or (faults and all(one.startswith(left) for one in faults))
            kept = told.returncode == 2 and f"{ROOM}.old is whole" in told.stderr
            assert whole or kept, f"neither the old nor the new one: {told.stdout}{told.stderr}"
            again = manual("--state", str(state), "--make-stick", str(usb))
            assert again.returncode == 0, again.stderr
            told = manual("--state", str(state), "--check-stick", str(usb))
            assert told.returncode == 0, told.stdout


def test_a_stick_that_a_fat_tool_copied_onto_fat32_and_back_is_the_same(state, tmp_path):
    if shutil.which("mcopy") is None or shutil.which("mkfs.vfat") is None:
        pytest.skip("needs mtools and mkfs.vfat")
    usb = tmp_path / "usb"
    usb.mkdir()
    assert manual("--state", str(state), "--make-stick", str(usb)).returncode == 0
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(60 << 20)
    subprocess.run(["mkfs.vfat", "-F", "32", str(image)], check=True, capture_output=True, timeout=60)
    subprocess.run(["mcopy", "-s", "-i", str(image), *map(str, sorted(usb.iterdir())), "::"], check=True, timeout=120)
    (tmp_path / "back").mkdir()
    subprocess.run(["mcopy", "-s", "-i", str(image), "::*", str(tmp_path / "back")], check=True, timeout=120)
    told = manual("--state", str(state), "--check-stick", str(tmp_path / "back"))
    assert told.returncode == 0, told.stdout
