# SPDX-License-Identifier: Apache-2.0
"""A behavioural twin of NuttX's rptun in its simulator: two split rings in a region of memory.

The region is a Region. `step` is one look of the peer's timer. Its habits:

- either side tells the other to start again through the words boots and bootm, and does as told;
- a device returns buffers with the descriptor's length, and so it says of what it sends;
- nothing is rung for returned buffers, but for those of the name service (H-13);
- a sender that is not the link's own thread does not wait for a buffer, it dies (defect B5);
- a link that ends under routed devices leaves a walk through freed memory (defect B2).
"""
import nuttx_wire as wire
from nuttx_node import Crash, Link

BYTES = 197072
BASE, SEQ_SLAVE, SEQ_MASTER, BOOT_SLAVE, BOOT_MASTER = 0, 8, 12, 16, 20
BOOT, OK, NEED_RESET = 1, 2, 4
TABLE, COMMAND_MASTER, COMMAND_SLAVE = 24, 32, 36
STOP = 4
ENTROPY = ((64, 92, 112, 168, b"rng0_shm"), (65704, 65732, 65752, 65808, b"rng1_shm"))
VDEV, VRING, CONFIG, CARVEOUT, POOL = 131344, (131372, 131392), 131412, 131476, 131532
STATUS = VDEV + 24
CARVEOUT_BYTES, NUM, ALIGN, SIZE = 65536, 8, 8, 0x600
RING_BYTES = 224
ANY = 0xFFFFFFFF
DRIVER_OK = 4


class Region:
    """Memory shared with another process. A word is read and written whole, which struct's packing
    with a byte order is not."""

    def __init__(self, memory):
        view = memoryview(memory)[:BYTES]
        self.bytes, self.half, self.full = view, view.cast("H"), view.cast("I")

    def get16(self, at):
        return self.half[at // 2]

    def put16(self, at, value):
        self.half[at // 2] = value & 0xFFFF

    def get32(self, at):
        return self.full[at // 4]

    def put32(self, at, *values):
        for value in values:
            self.full[at // 4] = value & 0xFFFFFFFF
            at += 4

    def get64(self, at):
        return self.get32(at) | self.get32(at + 4) << 32

    def put64(self, at, value):
        self.put32(at, value, value >> 32)


class Ring:
    """One ring as both sides see it: descriptors, avail and used at absolute alignment (H-10)."""

    def __init__(self, region, at):
        self.region, self.at = region, at
        self.avail = at + 16 * NUM
        self.used = (self.avail + 4 + 2 * NUM + 2 + ALIGN - 1) // ALIGN * ALIGN
        self.taken = self.returned = 0

    def word(self, at):
        return self.region.get16(at)

    def put(self, at, value):
        self.region.put16(at, value)

    def desc(self, index):
        """Address and length."""
        at = self.at + 16 * index
        return self.region.get64(at), self.region.get32(at + 8)

    def set_desc(self, index, address, flags):
        at = self.at + 16 * index
        self.region.put64(at, address)
        self.region.put32(at + 8, SIZE, flags)

    def offer(self, index):
        """The driver's side: one more descriptor for the device."""
        next_index = self.word(self.avail + 2)
        self.put(self.avail + 4 + 2 * (next_index % NUM), index)
        self.put(self.avail + 2, next_index + 1)

    def offered(self):
        """The device's side: the next descriptor, or None."""
        if self.taken == self.word(self.avail + 2):
            return None
        index = self.word(self.avail + 4 + 2 * (self.taken % NUM))
        self.taken = (self.taken + 1) & 0xFFFF
        return index

    def give(self, index):
        """The device's side: done with it, whole length (H-11)."""
        next_index = self.word(self.used + 2)
        entry = self.used + 4 + 8 * (next_index % NUM)
        self.region.put32(entry, index, self.desc(index)[1])
        self.put(self.used + 2, next_index + 1)

    def given(self):
        """The driver's side: the next descriptor that came back with its length, or None."""
        if self.returned == self.word(self.used + 2):
            return None
        entry = self.used + 4 + 8 * (self.returned % NUM)
        self.returned = (self.returned + 1) & 0xFFFF
        return self.region.get32(entry), self.region.get32(entry + 4)


class Rptun:
    def __init__(self, node, remote, region, master, base=0x7F0000000000):
        self.node, self.remote, self.region, self.master = node, remote, region, master
        self.base, self.host = base, base
        self.link = Link(node, remote, self.send_message)
        self.phase, self.seen, self.look_at = "begin", None, 0.0
        self.rings, self.free = None, []
        self.threads, self.current = [], None
        self.stopped = False

    # Words.

    def get(self, at):
        return self.region.get32(at)

    def put(self, at, *values):
        self.region.put32(at, *values)

    @property
    def own_boot(self):
        return BOOT_MASTER if self.master else BOOT_SLAVE

    @property
    def peer_boot(self):
        return BOOT_SLAVE if self.master else BOOT_MASTER

    def kick(self):
        at = SEQ_MASTER if self.master else SEQ_SLAVE
        self.put(at, self.get(at) + 1)

    # One look of the timer.

    def step(self, now):
        if self.stopped:
            return
        if self.phase == "begin":
            self.begin()
        if self.phase == "wait":
            self.wait(now)
        if self.phase == "driver" and now >= self.look_at:
            if self.region.bytes[STATUS] & DRIVER_OK:
                self.start_device()
            else:
                self.look_at = now + 1.0
        if self.phase == "up":
            self.up()
        self.run()

    def begin(self):
        if self.master:
            self.write_table()
            self.region.put64(BASE, self.base)
        if self.get(BOOT_SLAVE) & OK:
            self.put(self.peer_boot, NEED_RESET)
        self.put(self.own_boot, BOOT)
        self.phase = "wait"

    def wait(self, now):
        if self.master:
            if self.get(BOOT_SLAVE) & BOOT:
                self.put(BOOT_MASTER, OK)
                self.start_driver()
        elif self.get(BOOT_MASTER) & OK:
            self.put(BOOT_SLAVE, OK)
            self.host = self.region.get64(BASE)
            self.phase, self.look_at = "driver", now

    def up(self):
        if self.get(COMMAND_SLAVE if self.master else COMMAND_MASTER) >> 16 == STOP:
            self.stopped = True
        elif self.get(self.own_boot) & NEED_RESET:
            self.put(self.own_boot, 0)
            self.threads, self.current = [], "end"
            for _ in self.link.disconnected():
                break  # it says goodbye into rings that nobody reads, as far as there is room
            self.phase = "begin"
        else:
            at = SEQ_SLAVE if self.master else SEQ_MASTER
            if self.get(at) != self.seen:
                self.seen = self.get(at)
                self.spawn("rx", self.receive())

    def spawn(self, name, generator):
        self.threads.append(((name, generator), lambda: True))

    def run(self):
        """Every thread as far as it comes without another look."""
        waiting = []
        while self.threads:
            (name, generator), ready = self.threads.pop(0)
            if not ready():
                waiting.append(((name, generator), ready))
                continue
            self.current = name
            for wait in generator:
                waiting.append(((name, generator), wait))
                break
        self.threads = waiting

    # Table and rings.

    def write_table(self):
        self.region.bytes[TABLE:BYTES] = bytes(BYTES - TABLE)
        self.put(TABLE, 1, 6, 0, 0)
        entries = [at for e in ENTROPY for at in (e[0], e[2])] + [VDEV, CARVEOUT]
        self.put(TABLE + 16, *(at - TABLE for at in entries))
        for vdev, vring, carveout, pool, name in ENTROPY:
            self.put(vdev, 3, 4, ANY, 0, 0, 0, 1 << 8)
            self.put(vring, 0, ALIGN, NUM, ANY, 0)
            self.write_carveout(carveout, pool, name)
        self.put(VDEV, 3, 7, ANY, 0x0F, 0, 64, 2 << 8)
        for vring in VRING:
            self.put(vring, 0, ALIGN, NUM, ANY, 0)
        self.put(CONFIG, SIZE, SIZE)
        for at, name in ((CONFIG + 24, self.node.name), (CONFIG + 32, self.remote)):
            self.region.bytes[at : at + 8] = name.encode()[:7].ljust(8, b"\0")
        self.write_carveout(CARVEOUT, POOL, b"rpmsg0_shm")

    def write_carveout(self, at, pool, name):
        self.put(at, 0, pool, ANY, CARVEOUT_BYTES, 0)
        self.region.bytes[at + 20 : at + 52] = name.ljust(32, b"\0")

    def start_driver(self):
        at = POOL
        self.rings = []
        for vring in VRING:
            self.region.bytes[at : at + RING_BYTES] = bytes(RING_BYTES)
            self.put(vring, at)
            self.rings.append(Ring(self.region, at))
            at += RING_BYTES
        rx, tx = self.rings
        tx.put(tx.avail, 1)  # no interrupts for what comes back
        self.put(VDEV + 16, self.get(VDEV + 12))  # takes every feature
        at += 36  # its allocator's own
        for index in range(NUM):
            rx.set_desc(index, self.host + at, 2)
            rx.offer(index)
            at += SIZE
        self.free = []
        for index in range(NUM):
            tx.set_desc(index, self.host + at, 0)
            self.free.append(index)
            at += SIZE
        self.region.bytes[STATUS] = DRIVER_OK
        self.kick()
        self.connected()

    def start_device(self):
        self.rings = [Ring(self.region, self.get(vring)) for vring in VRING]
        for ring in self.rings:
            ring.taken = ring.word(ring.used + 2)
        self.rings[0].put(self.rings[0].used, 1)
        self.connected()

    def connected(self):
        self.phase = "up"
        self.seen = None
        self.link.next_bit = 0  # a new device each time, not as on a UART
        self.spawn("start", self.link.connected())

    # Messages.

    def buffer(self, address):
        return address - self.host

    def take_tx(self):
        """A buffer to send: (index, offset, size), or None."""
        ring = self.rings[1 if self.master else 0]
        if self.master:
            given = ring.given()
            if given is not None:
                index, length = given
                if length != SIZE:  # it takes that, less the header, for the buffer's capacity
                    raise Crash(f"H-11: {length} bytes returned of a buffer of {SIZE}")
            else:
                index = self.free.pop(0) if self.free else None
        else:
            index = ring.offered()
        if index is None:
            return None
        address, size = ring.desc(index)
        return index, self.buffer(address), size

    def send_message(self, src, dst, payload):
        if self.phase != "up":
            return
        while (buffer := self.take_tx()) is None:
            if self.current == "end":
                yield None
            if self.current not in ("rx", "start"):
                raise Crash("B5: no buffer to send, in a thread that does not wait")
            yield lambda: True
            yield from self.receive()
        index, at, size = buffer
        data = wire.message(src, dst, payload[: size - wire.RPMSG_HEADER])
        self.region.bytes[at : at + len(data)] = data
        ring = self.rings[1 if self.master else 0]
        if self.master:
            ring.offer(index)
        else:
            ring.give(index)
        self.kick()

    def receive(self):
        """All that is there; the buffer of a name service message goes back before it is used."""
        ring = self.rings[0 if self.master else 1]
        while self.phase == "up":
            given = ring.given() if self.master else ring.offered()
            if given is None:
                return
            index = given[0] if self.master else given
            at = self.buffer(ring.desc(index)[0])
            message = wire.parse_message(self.region.bytes[at : at + SIZE])
            self.region.put16(at + 8, index)  # scribbled on in place
            name_service = message[1] == wire.NS_ADDR
            if name_service:
                self.give_back(ring, index)
                self.kick()
            yield from self.link.received(*message)
            if not name_service:
                self.give_back(ring, index)

    def give_back(self, ring, index):
        if self.master:
            ring.offer(index)
        else:
            ring.give(index)
