# SPDX-License-Identifier: Apache-2.0
"""The UART twin against recordings of the NuttX simulator: what one side of a recorded line sent is
fed to the twin, which must send what the recorded other side sent, message by message.

Side A of the recordings is a hub or a plain node, side B is played by the twin. Marks in the
recordings say what somebody typed at B's shell; what B sent without being asked is sent from here.
Left out of the comparison is what is no behaviour: bytes after a name's end and cookies, which are
the peer's stack, and how many frames shared one wake handshake.
"""
import struct
import unittest
from pathlib import Path

import nuttx_wire as wire
from nuttx_node import BUILT_IN, Crash, Node
from nuttx_uart import Port

RECORDINGS = Path(__file__).parent / "recordings" / "nuttx"
WAKE_BYTES = set(wire.WAKES) | set(wire.WAKES.values()) | {wire.RELAXWAKE}
TOLD = {wire.CONNREQ: "CONNREQ", wire.CONNACK: "CONNACK", wire.POWEROFF: "POWEROFF"}


def normal(body, crc):
    """A frame as something to compare."""
    size, check = int.from_bytes(body[6:8], "little"), int.from_bytes(body[:2], "little")
    assert size == len(body), "recorded and own frames have the right length"
    assert check == (wire.crc16(body[2:]) if crc else 0), "and checksum"
    src, dst, payload = wire.parse_message(body[wire.PORT_HEADER :])
    if dst == wire.NS_ADDR:
        return ("ns", src, *wire.parse_ns(payload))
    if is_ping(payload):
        return ("ping", src, dst, *struct.unpack_from("<II", payload), payload[16:])
    return ("data", src, dst, payload)


def is_ping(payload):
    """Data of the recorded services is text: a small first word is a ping's command."""
    return len(payload) >= 17 and payload[1:4] == b"\0\0\0" and payload[0] <= 0x20


def unasked(message):
    return message[0] == "data" or (message[0] == "ping" and message[3] != wire.PING_RESPONSE)


class Replay:
    def __init__(self, case, link, name, services, edge, crc):
        self.case, self.link, self.name = case, link, name
        self.services, self.edge, self.crc = services, edge, crc
        self.port = None
        self.cookies = {}
        self.restart()
        self.compared = 0

    def restart(self):
        self.port = Port(Node(self.name, self.services, self.edge), "server", crc=self.crc)
        self.recorded, self.own = wire.Splitter(), wire.Splitter()
        self.expected, self.sent = [], []
        self.now, self.acks, self.jobs = 0.0, 0, 0
        self.live, self.crashed, self.answered = True, None, 0
        self.polite = True  # A answers each STAYWAKE at once

    def run(self):
        """Lets the twin run; the wake handshake is answered here, as A did."""
        while True:
            try:
                self.port.run(self.now)
            except Crash as crash:
                self.live, self.crashed = False, str(crash)
            for kind, what in self.own.feed(bytes(self.port.outbox)):
                if kind == "frame":
                    self.sent.append(normal(what, self.crc))
                elif what in TOLD:
                    self.sent.append(TOLD[what])
            self.port.outbox.clear()
            polite = self.polite and self.port.connected
            answered = self.answered == self.port.wakes
            if self.live and self.port.waking and not answered and (polite or self.acks):
                self.acks, self.answered = 0, self.port.wakes
                self.port.inbox.append(self.port.staywake - 1)
            else:
                return

    def from_a(self, data):
        if not self.live:
            return
        self.acks += sum(byte in wire.WAKES.values() for byte in data)
        self.port.inbox += bytes(byte for byte in data if byte not in WAKE_BYTES)
        self.run()

    def from_b(self, data):
        for kind, what in self.recorded.feed(data):
            if kind == "frame":
                message = normal(what, self.crc)
                self.expected.append(message)
                if unasked(message):
                    src, dst, payload = wire.parse_message(what[wire.PORT_HEADER :])
                    if message[0] == "ping" and message[3] & wire.PING_ACK:
                        self.port.link.node.pings[struct.unpack_from("<Q", payload, 8)[0]] = False
                    self.spawn(self.port.link.send(src, dst, payload))
            elif what in TOLD:
                self.expected.append(TOLD[what])

    def spawn(self, job):
        self.jobs += 1
        self.port.spawn(f"shell{self.jobs}", job)
        self.run()

    def shell(self, what):
        """What a mark says that somebody did on this node."""
        if what == "starts":
            self.restart()
        elif what == "killed":
            self.live = False
        elif what == "powers off":
            self.spawn(self.port.power_off())
        elif what in ("closes xt", "opens xt"):
            device = next(iter(self.port.link.routed.values()), self.port.link)
            if what == "closes xt":
                self.spawn(device.destroy(device.by_name("xt")))
            else:
                self.spawn(device.create("xt", wire.ANY, None))

    def check(self, mark):
        """A node that crashed said nothing more, but what it said before counts."""
        if self.live or self.crashed:
            self.case.assertEqual(self.sent, self.expected, f"before {mark!r} on {self.name}")
            self.compared += len(self.sent)
        self.sent, self.expected = [], []


class Recordings(unittest.TestCase):
    def replay(self, file, names=("proxy",), edge=True, crc=False, watch=None):
        services = BUILT_IN if names == ("proxy",) else ("xt", *BUILT_IN)
        links, records = wire.read_recording(RECORDINGS / file)
        twins = [
            Replay(self, link, name, services, edge, crc) for link, name in enumerate(names)
        ]
        self.assertEqual(len(links), len(twins))
        actors = {"B": 0, "B0": 0, "B1": 1}
        for _, link, direction, data in records:
            if direction == 0:
                twins[link].from_a(data)
            elif direction == 1:
                twins[link].from_b(data)
            else:
                mark = data.decode()
                for twin in twins:
                    twin.check(mark)
                actor, _, what = mark.partition(" ")
                if actor in actors:
                    twins[actors[actor]].shell(what)
                elif mark == "A answers no STAYWAKE":
                    twins[0].polite, twins[0].acks = False, 0
                if watch:
                    watch(mark, twins[0])
        self.assertGreater(sum(twin.compared for twin in twins), 2)
        return twins[0]

    def test_direct(self):
        self.replay("uart-direct.rpc", ["server's peer"], False, False)

    def test_direct_with_crc(self):
        self.replay("uart-direct-crc.rpc", ["server's peer"], False, True)

    def test_two_edges(self):
        self.replay("uart-router.rpc", ["edge0", "edge1"], True, False)

    def test_two_edges_with_crc(self):
        self.replay("uart-router-crc.rpc", ["edge0", "edge1"], True, True)

    def test_burst_that_fits(self):
        """20 requests at once to a node with 10 and 10 buffers."""
        twin = self.replay("uart-burst-20.rpc")
        self.assertFalse(twin.port.hung)

    def test_burst_that_hangs_it(self):
        """B1: one more, and it never reads again."""
        twin = self.replay("uart-burst-21.rpc")
        self.assertTrue(twin.port.hung)

    def test_bad_frames(self):
        """Wrong length and checksum are used as if nothing was; only size stops it."""
        counts = {}

        def watch(mark, twin):
            counts[mark] = (twin.port.bad_frames, twin.port.stray)

        for file, crc in (("uart-bad.rpc", False), ("uart-bad-crc.rpc", True)):
            twin = self.replay(file, crc=crc, watch=watch)
            self.assertIn("too large", twin.crashed)
            self.assertEqual(counts["wrong length"][0] - counts["wrong crc"][0], 1)
            self.assertEqual(counts["start inside"][0] - counts["wrong length"][0], 1)

    def test_reconnect_inside_a_callback(self):
        """B6: it died of a name service message after a CONNREQ that came in a callback."""
        twin = self.replay("uart-b6.rpc")
        self.assertIn("B6", twin.crashed)


if __name__ == "__main__":
    unittest.main()
