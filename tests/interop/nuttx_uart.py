# SPDX-License-Identifier: Apache-2.0
"""A behavioural twin of NuttX's RPMsg port on a UART: bytes in, bytes out, time a parameter.

Two threads as there: one writes frames, one reads at most 256 bytes at a time and runs every
callback. What follows from that is the point of the twin:

- N receive buffers; a whole chunk is parsed before the first frame of it is used (H-19);
- a callback that waits for a transmit buffer reads on, inside, and only collects (defect B1);
- SUSPEND and RESUME go to every endpoint named router:, as a message at NULL: an edge reads it (B8);
- a CONNREQ is sent once; one received while connected tears down, wherever the callbacks are (B6);
- a header with something in its reserved word costs a receive buffer for good (H-1);
- frames of wrong length or checksum are logged and used (H-18); nothing but 0x79 leaves until the
  peer answered it.
"""
from collections import deque

import nuttx_wire as wire
from nuttx_node import Crash, Link

CHUNK = 256
RETRY = 0.1  # seconds between two STAYWAKE


class Port:
    def __init__(self, node, remote, buffers=10, length=2048, crc=False):
        self.crc, self.length = crc, length
        self.inbox, self.outbox = bytearray(), bytearray()
        self.link = Link(node, remote, self.send_message)
        self.payload = length - wire.PORT_HEADER - wire.RPMSG_HEADER - 16
        self.tx_free = self.rx_free = self.buffers = buffers
        self.tx_ready, self.rx_ready = deque(), deque()
        self.connected = self.waked = self.waking = self.tx_event = False
        self.staywake, self.wakes = 0x79, 0
        self.body, self.escaped, self.in_frame = None, False, False
        self.bad_frames = self.stray = 0
        self.now = 0.0
        self.starved = False  # the reading thread waits for a receive buffer
        self.current = None
        self.threads = {}
        self.spawn("rx", self.rx_thread())
        self.spawn("tx", self.tx_thread())

    # Threads.

    def spawn(self, name, generator):
        self.threads[name] = [generator, lambda: True, None]

    def run(self, now):
        """Runs every thread until all wait."""
        self.now = now
        progress = True
        while progress:
            progress = False
            for name, thread in list(self.threads.items()):
                generator, ready, deadline = thread
                if not ready() and (deadline is None or now < deadline):
                    continue
                progress = True
                self.current = name
                try:
                    wait = next(generator)
                except StopIteration:
                    del self.threads[name]
                    continue
                ready, seconds = wait if isinstance(wait, tuple) else (wait, None)
                thread[1], thread[2] = ready, None if seconds is None else now + seconds

    def deadline(self):
        """When `run` has something to do even without a byte, or None."""
        times = [t[2] for t in self.threads.values() if t[2] is not None]
        return min(times, default=None)

    @property
    def hung(self):
        """The reading thread waits for a buffer that only it can free: for ever."""
        return self.starved and self.rx_free == 0

    # Sending.

    def send_message(self, src, dst, payload):
        """Takes a buffer, waiting as long as it takes; the reading thread reads while it waits."""
        if len(payload) > self.payload:
            raise Crash(f"{len(payload)} bytes are too large for a buffer of {self.payload}")
        while self.tx_free == 0:
            if self.current == "rx":
                yield from self.read_chunk()
            else:
                yield lambda: self.tx_free > 0
        self.tx_free -= 1
        self.tx_ready.append(wire.message(src, dst, payload))
        if self.connected:
            self.tx_event = True
        else:
            self.drop_tx()

    def drop_tx(self):
        self.tx_free += len(self.tx_ready)
        self.tx_ready.clear()

    def wake(self):
        if self.waked:
            return
        self.waking = True
        self.wakes += 1
        while not self.waked:
            self.outbox.append(self.staywake)
            yield (lambda: self.waked), RETRY
        self.waking = False

    def relax(self):
        if self.waked:
            self.outbox.append(wire.RELAXWAKE)
            self.waked = False
        self.staywake = 0x75 if self.staywake == 0x79 else 0x79

    def tx_thread(self):
        yield from self.wake()
        if not self.connected:
            self.outbox.append(wire.CONNREQ)  # once
        while True:
            while self.tx_ready:
                self.outbox += wire.frame(self.tx_ready.popleft(), self.crc)
                self.tx_free += 1
                yield lambda: True
            self.relax()
            yield lambda: self.tx_event
            self.tx_event = False
            yield from self.wake()

    def power_off(self):
        """An orderly end: one byte, no answer awaited."""
        if self.connected:
            yield from self.wake()
            self.outbox.append(wire.POWEROFF)

    # Receiving.

    def rx_thread(self):
        while True:
            yield from self.read_chunk()
            while self.rx_ready:
                body = self.rx_ready.popleft()
                yield from self.link.received(*wire.parse_message(body[wire.PORT_HEADER :]))
                # It counts its own holds in the header: what is there already never goes (H-1).
                if body[wire.PORT_HEADER + 10 : wire.PORT_HEADER + 12] == bytes(2):
                    self.rx_free += 1

    def read_chunk(self):
        yield lambda: self.inbox
        chunk = bytes(self.inbox[:CHUNK])
        del self.inbox[:CHUNK]
        for byte in chunk:
            if byte in wire.CONTROL:
                yield from self.control(byte)
            elif self.connected:
                yield from self.data(byte)

    def data(self, byte):
        if not self.in_frame:
            if byte != wire.START:
                self.stray += 1
                return
            if self.body is None:
                while self.rx_free == 0:
                    self.starved = True
                    yield lambda: self.rx_free > 0
                self.starved = False
                self.rx_free -= 1
                self.body = bytearray()
            self.in_frame = True
        elif self.escaped:
            self.store(byte ^ 0x20)
            self.escaped = False
        elif byte == wire.START:
            # It is taken for an end: the frame that begins here is lost as well.
            self.stray += 1
            self.body, self.in_frame = bytearray(), False
        elif byte == wire.END:
            size = int.from_bytes(self.body[6:8], "little")
            crc = int.from_bytes(self.body[:2], "little")
            own = wire.crc16(self.body[2:]) if self.crc and crc else 0
            if size != len(self.body) or (crc and crc != own):
                self.bad_frames += 1
            self.rx_ready.append(bytes(self.body.ljust(self.length, b"\0")))
            self.body, self.in_frame = None, False
        elif byte == wire.ESCAPE:
            self.escaped = True
        else:
            self.store(byte)

    def store(self, byte):
        if len(self.body) < self.length:
            self.body.append(byte)

    def control(self, byte):
        if byte in (wire.CONNREQ, wire.CONNACK):
            if self.body is not None:
                self.rx_free += 1
            self.body, self.in_frame, self.escaped = None, False, False
            yield from self.connect(byte)
        elif byte in (wire.SUSPEND, wire.RESUME):
            if any(e.name.startswith("router:") for e in self.link.endpoints):
                raise Crash("B8: an edge hears of its hub's power")
            self.link.running = byte == wire.RESUME
        elif byte == wire.POWEROFF:
            if self.waking:
                self.waked = True
            if self.connected:
                self.connected = False
                self.drop_tx()
                yield from self.link.disconnected()
        elif byte in wire.WAKES:
            self.outbox.append(wire.WAKES[byte])
        elif byte in wire.WAKES.values() and byte == self.staywake - 1 and self.waking:
            self.waked = True

    def connect(self, byte):
        if byte == wire.CONNACK and self.connected:
            return
        again = self.connected
        self.connected = True
        if again:
            self.drop_tx()
            yield from self.link.disconnected()
        self.drop_tx()
        self.rx_free += len(self.rx_ready)
        self.rx_ready.clear()
        if byte == wire.CONNREQ:
            self.outbox.append(wire.CONNACK)
        yield from self.link.connected()
