# SPDX-License-Identifier: Apache-2.0
"""Guests under QEMU for the tests of the firmware: machines, their consoles, what is between them.

The command line is that of the reference set-up, with what its emulated memory needs to be ordered:
more than one possible CPU and a thread for each (without them QEMU emits no barriers), and without
a network card. Everything waited for is text on a console, with a deadline.
"""
import os
import re
import shutil
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402
from harness import DEADLINE, eventually, main  # noqa: E402,F401

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("RPR_QEMU_BUILD", ROOT / "build-qemu-armv8a"))
FIRMWARE = BUILD / "bin" / "rpmsg-armv8a"
SHM_BYTES = 4 << 20

BOARD = "virt,virtualization=on,gic-version=3"
MACHINE = ["qemu-system-aarch64", "-cpu", "cortex-a53", "-nographic", "-accel", "tcg,thread=multi", "-smp", "1,maxcpus=2", "-nic", "none",
           "-chardev", "stdio,id=con,mux=on", "-serial", "chardev:con",
           "-mon", "chardev=con,mode=readline"]


def stream(count, seed):
    """The bytes of `rpmsg send` (command_stream.c)."""
    x, words = seed or 1, bytearray()
    for _ in range((count + 3) // 4):
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        words += struct.pack("<I", x)
    return bytes(words[:count])


def crc(data):
    return f"{zlib.crc32(data):08x}"


def ivshmem(path, slot=0xb, ident="shmem0"):
    """A region that whoever names the same file shares; zeroed when a machine that has it ends."""
    return ["-object", f"memory-backend-file,discard-data=on,id=shmmem-{ident},mem-path={path},"
                       f"size={SHM_BYTES},share=yes",
            "-device", f"ivshmem-plain,id={ident},memdev=shmmem-{ident},addr={slot:#x}"]


def socket_chardev(path, server, ident="foo"):
    how = "server=on,wait=off" if server else "reconnect=1"
    return ["-chardev", f"socket,path={path},{how},id={ident}"]


def virtconsole(path, server, legacy=True):
    return (([] if legacy else ["-global", "virtio-mmio.force-legacy=false"]) +
            ["-device", "virtio-serial-device,bus=virtio-mmio-bus.0"] +
            socket_chardev(path, server) + ["-device", "virtconsole,chardev=foo"])


def virtserialport(path, server, legacy=True):
    return (([] if legacy else ["-global", "virtio-mmio.force-legacy=false"]) +
            ["-device", "virtio-serial-device,bus=virtio-mmio-bus.0"] +
            socket_chardev(path, server) + ["-device", "virtserialport,nr=1,chardev=foo"])


class Guest:
    """One machine. What it printed is in a file; what it has not been asked for yet begins at `at`."""

    def __init__(self, case, name, devices, append="", board=BOARD):
        self.case, self.name, self.devices = case, name, ["-machine", board, *devices]
        self.append = f"name={name} {append}".strip()
        self.start()

    def start(self):
        command = [*MACHINE, *self.devices, "-kernel", str(FIRMWARE), "-append", self.append]
        self.process = self.case.popen(command, f"guest-{self.name}", stdin=subprocess.PIPE,
                                       stderr=subprocess.STDOUT)
        self.log = self.process.log
        self.at = 0
        self.expect(rf"{self.name}> ")
        return self

    def text(self):
        return self.log.read_bytes().decode(errors="replace").replace("\r\n", "\n").replace("\r\x1b[K", "\n")

    def found(self, pattern):
        ended = self.process.poll() is not None  # asked first: what it printed last is in the file by then
        match = re.compile(pattern, re.M).search(self.text(), self.at)
        if ended and not match:
            raise AssertionError(f"guest {self.name} ended with {self.process.returncode}")
        return match

    def expect(self, pattern, deadline=DEADLINE):
        """Waits for that text; what follows it is looked at next time."""
        match = eventually(lambda: self.found(pattern), f"{pattern!r} from {self.name}", deadline)
        self.at = match.end()
        return match

    def type(self, line):
        self.process.stdin.write(line.encode() + b"\r")
        self.process.stdin.flush()

    def begin(self, line):
        """Types a command, and waits for its echo only."""
        self.at = len(self.text())
        self.type(line)
        self.expect(re.escape(line) + r"$")

    def end(self, deadline=DEADLINE):
        """The output of the command that was begun, without the prompt."""
        start = self.at
        match = self.expect(rf"^{self.name}> ", deadline)
        return self.text()[start:match.start()].strip("\n")

    def command(self, line, deadline=DEADLINE):
        self.begin(line)
        return self.end(deadline)

    def wait_for(self, device, service="rpmsg-ping"):
        """Until that service is bound on that device."""
        def bound():
            listed = self.command("rpmsg ls")
            part = re.search(rf"^{device}: .*(?:\n .*)*", listed, re.M)
            return part and re.search(rf"^  {re.escape(service)} .* bound$", part[0], re.M)
        eventually(bound, f"{service} of {device} on {self.name}")

    def ping(self, device, times, length, flags=1):
        """Returns (lost, average in ns)."""
        said = self.command(f"rpmsg ping {device} {times} {length} {flags} 0", DEADLINE * 4)
        assert f"ping times: {times}" in said, said
        lost = re.search(r"lost: (\d+)", said)
        average = re.search(r"avg: (\d+) s, (\d+) ns", said)
        return int(lost[1]) if lost else 0, int(average[1]) * 10**9 + int(average[2])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def power_off(self):
        self.begin("poweroff")
        return self.process.wait()

    def restart(self):
        self.kill()
        return self.start()

    def reset(self):
        """By QEMU's monitor: the machine begins anew, QEMU and its sockets stay."""
        self.at = len(self.text())
        self.process.stdin.write(b"\x01csystem_reset\n\x01c")
        self.process.stdin.flush()
        self.expect(r"^rpmsg-router")
        self.expect(rf"{self.name}> ")


class Case(harness.Case):
    """A test with guests. When it fails, what they printed is kept."""

    def setUp(self):
        super().setUp()
        self.shm = []

    def tearDown(self):
        super().tearDown()
        for path in self.shm:
            path.unlink(missing_ok=True)

    def shared(self, name):
        """The path of a region of this test's own."""
        path = Path("/dev/shm") / f"{self.dir.name}-{name}"
        self.shm.append(path)
        return path

    def guest(self, name, devices, append="", **options):
        return Guest(self, name, devices, append, **options)

    def print_logs(self):
        kept = BUILD / "logs" / self.id().split(".", 1)[1]
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for log in self.dir.glob("*.log"):
            shutil.copy(log, kept)
        print(f"\nlogs: {kept}", file=sys.stderr)
        super().print_logs()

    def report(self, what, started):
        print(f"  {what}: {time.monotonic() - started:.1f} s", file=sys.stderr)
