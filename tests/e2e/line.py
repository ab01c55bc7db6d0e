# SPDX-License-Identifier: Apache-2.0
"""Serial devices for the end-to-end tests, made of pseudo terminals: a line between two of them that
can be pulled out and spoilt, and a NuttX node on one (its behavioural twin of tests/interop)."""
import os
import select
import sys
import threading
import time
import tty
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))
import nuttx_wire as wire  # noqa: E402
from nuttx_node import BUILT_IN, Crash, Node  # noqa: E402
from nuttx_uart import Port  # noqa: E402

POWEROFF = 0x76


def raw_terminal():
    """The two ends of a pseudo terminal, raw; the slave's path."""
    master, slave = os.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    os.set_blocking(master, False)
    return master, slave, path


class Background:
    """A loop on a thread of its own, ended and joined by close()."""

    def __init__(self):
        self.wake_read, self.wake_write = os.pipe()
        self.stopping = False
        self.error = None
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.guarded, daemon=True)
        self.thread.start()

    def guarded(self):
        try:
            while not self.stopping:
                self.turn()
        except Exception as error:  # the test asks for it
            self.error = error

    def kick(self):
        os.write(self.wake_write, b"k")

    def close(self):
        if self.stopping:
            return
        self.stopping = True
        self.kick()
        self.thread.join()
        os.close(self.wake_read)
        os.close(self.wake_write)


class Line(Background):
    """Two serial devices joined by a wire. Their names are links in `folder`, as udev would make
    them: they are there while the device is plugged in."""

    def __init__(self, folder, *names):
        self.paths = [Path(folder) / name for name in names]
        self.masters = [None, None]
        self.slaves = [None, None]
        self.n_bytes = [0, 0]
        self.spoil = None  # bytes -> bytes, of what goes either way
        super().__init__()

    def plug(self, end):
        """The device appears."""
        master, slave, path = raw_terminal()
        new = self.paths[end].with_suffix(".tmp")
        os.symlink(path, new)
        with self.lock:
            self.masters[end], self.slaves[end] = master, slave
        os.rename(new, self.paths[end])
        self.kick()

    def pull(self, end):
        """It disappears, and whoever has it open hears of that."""
        with self.lock:
            self.paths[end].unlink()
            os.close(self.masters[end])
            os.close(self.slaves[end])
            self.masters[end] = self.slaves[end] = None
        if not self.stopping:
            self.kick()

    def shout(self, end, data):
        """Bytes come out of that end which nobody sent."""
        with self.lock:
            self.write(end, data)

    def write(self, end, data):
        while data and self.masters[end] is not None:
            try:
                data = data[os.write(self.masters[end], data):]
            except BlockingIOError:
                time.sleep(0.0002)  # the wire is as slow as who reads

    def turn(self):
        with self.lock:
            fds = [fd for fd in self.masters if fd is not None]
        try:
            readable, _, _ = select.select([*fds, self.wake_read], [], [], 1)
        except OSError:  # pulled out meanwhile
            return
        if self.wake_read in readable:
            os.read(self.wake_read, 4096)
        with self.lock:
            for end, fd in enumerate(self.masters):
                if fd in readable:
                    self.carry(end, fd)

    def carry(self, end, fd):
        try:
            data = os.read(fd, 4096)
        except OSError:
            return
        self.n_bytes[end] += len(data)
        self.write(1 - end, self.spoil(data) if self.spoil else data)

    def close(self):
        super().close()
        for end in (0, 1):
            if self.masters[end] is not None:
                self.pull(end)


class NuttX(Background):
    """A NuttX edge on a terminal that somebody else made (pty:)."""

    def __init__(self, path, name, remote, services=BUILT_IN, node=None, **options):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.fd)
        self.node = node or Node(name, services, edge=True)
        self.port = Port(self.node, remote, **options)
        self.heard = []  # ("control", byte) and ("frame", body), in order
        self.splitter = wire.Splitter()
        self.gone = False
        self.n_jobs = 0
        super().__init__()

    def turn(self):
        with self.lock:
            self.port.run(time.monotonic())
            out = bytes(self.port.outbox)
            del self.port.outbox[:os.write(self.fd, out) if out else 0]
            deadline = self.port.deadline()
        wait = 1 if deadline is None else max(0, min(1, deadline - time.monotonic()))
        fds = [] if self.gone else [self.fd]
        readable, _, _ = select.select([*fds, self.wake_read], [], [], 0.001 if out else wait)
        if self.wake_read in readable:
            os.read(self.wake_read, 4096)
        if self.fd in readable:
            self.read()

    def read(self):
        try:
            data = os.read(self.fd, 256)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.gone = True
            return
        with self.lock:
            self.heard += self.splitter.feed(data)
            self.port.inbox += data

    def devices(self):
        """CPUs that the hub has joined it with."""
        with self.lock:
            return sorted(device.name for device in self.port.link.routed.values())

    def do(self, job):
        """A thread of the node runs it, now."""
        with self.lock:
            self.n_jobs += 1
            self.port.spawn(f"shell{self.n_jobs}", job)
        self.kick()

    def bound(self, name):
        with self.lock:
            links = [self.port.link, *self.port.link.routed.values()]
            found = [link.by_name(name) for link in links]
        return all(e and e.dest != wire.ANY for e in found[1:]) and len(found) > 1

    def messages(self):
        """(position in `heard`, dst, payload) of each frame."""
        with self.lock:
            return [(at, *wire.parse_message(body[wire.PORT_HEADER:])[1:])
                    for at, (what, body) in enumerate(self.heard) if what == "frame"]

    def close(self):
        if not self.stopping:
            super().close()
            os.close(self.fd)


__all__ = ["Background", "Crash", "Line", "NuttX", "POWEROFF", "wire"]
