# SPDX-License-Identifier: Apache-2.0
"""The rptun twin against a recording of the memory between two NuttX simulators.

What one side wrote is played to the twin in the other side's place, which must send the recorded
messages and return the recorded buffers. The recording has all changes of the region in their
order; who wrote which part is what the format says.
"""
import struct
import unittest
from pathlib import Path

import nuttx_rptun as rptun
import nuttx_wire as wire
from nuttx_node import Node
from test_nuttx_recordings import is_ping, unasked

RECORDING = Path(__file__).parent / "recordings" / "nuttx" / "rptun-direct.rmc"
RX, TX = rptun.POOL, rptun.POOL + rptun.RING_BYTES  # as the driver sees them
USED = 156  # of a ring whose address is 4 modulo 8
BUFFERS = TX + rptun.RING_BYTES + 36
HALF = BUFFERS + rptun.NUM * rptun.SIZE


def driver_writes(at, word, own):
    """Is this byte the driver's? Boot words are both sides': `word` tells by what is written."""
    if at in range(rptun.BOOT_SLAVE, rptun.BOOT_SLAVE + 4):
        return word == rptun.NEED_RESET
    if at in range(rptun.BOOT_MASTER, rptun.BOOT_MASTER + 4):
        return word != rptun.NEED_RESET
    if at in range(rptun.SEQ_SLAVE, rptun.SEQ_SLAVE + 4):
        return False
    for ring in (RX, TX):
        if ring + USED <= at < ring + rptun.RING_BYTES:
            return False
    return not BUFFERS <= at < HALF


def normal(data):
    src, dst, payload = wire.parse_message(data)
    if dst == wire.NS_ADDR:
        return ("ns", src, *wire.parse_ns(payload))
    if is_ping(payload):
        return ("ping", src, dst, *struct.unpack_from("<II", payload), payload[16:])
    return ("data", src, dst, payload)


class Watch:
    """Messages and returned buffers that a region's owners put on the rings."""

    def __init__(self, region):
        self.region = region
        self.sent, self.returned = {True: 0, False: 0}, {True: 0, False: 0}

    @staticmethod
    def since(before, index):
        """Where to go on; a ring that was set up anew begins at 0."""
        return 0 if (index - before) & 0xFFFF > rptun.NUM * 64 else before

    def message(self, ring, index):
        at = ring.desc(index)[0] - self.region.get64(rptun.BASE)
        return bytes(self.region.bytes[at : at + rptun.SIZE])

    def new(self, driver):
        """What the driver (or the device) has sent since, and how many buffers it returned."""
        out = rptun.Ring(self.region, TX if driver else RX)
        back = rptun.Ring(self.region, RX if driver else TX)
        found = []
        index = out.word((out.avail if driver else out.used) + 2)
        self.sent[driver] = self.since(self.sent[driver], index)
        while self.sent[driver] != index:
            slot = self.sent[driver] % rptun.NUM
            entry = out.avail + 4 + 2 * slot if driver else out.used + 4 + 8 * slot
            used = self.region.get16(entry) if driver else self.region.get32(entry)
            if not driver:
                assert self.region.get32(entry + 4) == rptun.SIZE, "the descriptor's length"
            found.append(self.message(out, used))
            self.sent[driver] = (self.sent[driver] + 1) & 0xFFFF
        count = back.word((back.avail if driver else back.used) + 2)
        more = (count - self.since(self.returned[driver], count)) & 0xFFFF
        self.returned[driver] = count
        return found, more


class Unquestioned(dict):
    """Pings that were sent from here, under the recorded cookies: every answer is right, once."""

    def get(self, _cookie):
        return False


def first_base(records):
    """Where the master had mapped the region."""
    base = bytearray(8)
    for _, changes in records:
        for offset, data in changes if isinstance(changes, list) else ():
            if offset < 8:
                base[offset : offset + len(data)] = data[: 8 - offset]
                return int.from_bytes(base, "little")
    raise ValueError("no master in this recording")


class Memory(unittest.TestCase):
    def play(self, master):
        """The twin is the master, or the slave, of the recording."""
        size, records = wire.read_memory_recording(RECORDING)
        whole = rptun.Region(bytearray(size))
        region = rptun.Region(bytearray(size))
        recorded, own = Watch(whole), Watch(region)
        twin = None
        expected, sent, counts = [], [], [0, 0]
        compared = 0
        me, other = ("A", "B") if master else ("B", "A")
        start = records[0][0]

        def step(now):
            nonlocal counts
            twin.step(now)
            messages, more = own.new(master)
            sent.extend(map(normal, messages))
            counts[1] += more

        for time_ns, what in records:
            now = (time_ns - start) / 1e9
            if isinstance(what, str):
                if twin:
                    for wait in range(4):
                        step(now - 0.01 + wait * 0.002)
                    self.assertEqual(sent, expected, f"before {what!r}")
                    self.assertEqual(counts[1], counts[0], f"returned before {what!r}")
                    compared += len(sent)
                sent, expected, counts = [], [], [0, 0]
                actor, _, verb = what.partition(" ")
                if actor == me:
                    self.shell(twin, verb)
                    if verb == "starts":
                        names = ("server", "proxy") if master else ("proxy", "server")
                        services = ("xt", "rpmsg-ping", "rpmsg-test")
                        node = Node(names[0], services)
                        node.pings = Unquestioned()
                        twin = rptun.Rptun(
                            node, names[1], region, master, first_base(records)
                        )
                    elif verb == "killed":
                        twin = None
                continue
            for offset, data in what:
                whole.bytes[offset : offset + len(data)] = data
            for offset, data in what:
                for at in range(offset, offset + len(data)):
                    word = whole.get32(at & ~3)
                    if driver_writes(at, word, master) != master:
                        region.bytes[at] = whole.bytes[at]
            if twin is None:
                continue
            messages, more = recorded.new(master)
            counts[0] += more
            for data in messages:
                message = normal(data)
                expected.append(message)
                if unasked(message):
                    src, dst, payload = wire.parse_message(data)
                    twin.spawn("rx", twin.link.send(src, dst, payload))
            step(now)
        self.assertGreater(compared, 50)

    def shell(self, twin, verb):
        if verb == "closes xt":
            twin.spawn("rx", twin.link.destroy(twin.link.by_name("xt")))
        elif verb == "opens xt":
            twin.spawn("rx", twin.link.create("xt", wire.ANY, None))

    def test_slave(self):
        self.play(False)

    def test_master(self):
        self.play(True)


if __name__ == "__main__":
    unittest.main()
