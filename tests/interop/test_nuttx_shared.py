# SPDX-License-Identifier: Apache-2.0
"""The daemon against twins of NuttX's rptun, over a file, as against the simulator itself."""
import mmap
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import nuttx_rptun as rptun  # noqa: E402
import nuttx_wire as wire  # noqa: E402
from harness import Case, Daemon, eventually, main  # noqa: E402
from nuttx_node import Node  # noqa: E402


class Simulator:
    """A NuttX simulator: its timer on a thread of its own."""

    def __init__(self, case, path, name, remote, master, edge=False):
        self.case, self.path, self.args = case, path, (name, remote, master, edge)
        self.lock = threading.Lock()
        self.start()
        case.addCleanup(self.kill)

    def start(self):
        name, remote, master, edge = self.args
        with open(self.path, "a+b") as file:
            file.truncate(rptun.BYTES)
            self.memory = mmap.mmap(file.fileno(), rptun.BYTES)
        self.node = Node(name, edge=edge)
        self.twin = rptun.Rptun(self.node, remote, rptun.Region(self.memory), master)
        self.error, self.ending = None, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while not self.ending:
                with self.lock:
                    self.twin.step(time.monotonic())
                time.sleep(0.0005)  # its timer, not a wait for something
        except Exception as error:  # looked at by check()
            self.error = error

    def kill(self):
        self.ending = True
        self.thread.join()

    def check(self):
        self.case.assertIsNone(self.error)
        self.case.assertTrue(self.thread.is_alive())

    def bound(self, name):
        self.check()
        with self.lock:
            endpoint = self.twin.link.by_name(name)
            return endpoint is not None and endpoint.dest != wire.ANY

    def routed(self):
        self.check()
        with self.lock:
            return sorted(device.name for device in self.twin.link.routed.values())

    def ping(self, device, count, length):
        """From the peer, checked there and here."""
        def pings():
            for fill in range(count):
                endpoint = device().by_name("rpmsg-ping")
                yield from self.node.send_ping(endpoint, length, 3, fill)

        before = len(self.node.pings)
        with self.lock:
            self.twin.spawn("shell", pings())
        eventually(lambda: self.done(before + count), f"{count} pings of {length} bytes")

    def done(self, count):
        self.check()
        return len(self.node.pings) == count and all(self.node.pings.values())


class Shared(Case):
    def link(self, remote, master, file="region"):
        role = "master" if master else "slave"
        return ["--link", f"{remote}=ivshmem:{self.dir}/{file}?role={role}&layout=sim"]

    def pair(self, we_are_master):
        names = ("server", "proxy") if we_are_master else ("proxy", "server")
        daemon = Daemon(self, names[0], *self.link(names[1], we_are_master))
        peer = Simulator(self, self.dir / "region", names[1], names[0], not we_are_master)
        return daemon, peer

    def both_ways(self, daemon, peer):
        daemon.wait_for(peer.node.name, "rpmsg-ping")
        for length in (17, 512, 1520):
            result = daemon.call("ping", device=peer.node.name, times=50, length=length, cmd=3)
            self.assertEqual(result["lost"], 0)
            peer.ping(lambda: peer.twin.link, 50, length)
        self.assertEqual(peer.node.ping_errors, 0)

    def each_role(self, we_are_master):
        daemon, peer = self.pair(we_are_master)
        self.both_ways(daemon, peer)
        peer.kill()
        peer.start()
        eventually(lambda: peer.bound("rpmsg-ping"), "the restarted peer")
        self.both_ways(daemon, peer)
        daemon.kill()
        daemon.start()
        eventually(lambda: peer.bound("rpmsg-ping"), "the peer after our restart")
        self.both_ways(daemon, peer)
        self.assertEqual(daemon.stop(), 0)
        peer.check()

    def test_we_are_master(self):
        self.each_role(True)

    def test_we_are_slave(self):
        self.each_role(False)

    def test_a_new_master_is_no_fault(self):
        """It wipes the rings before it says that it began anew."""
        daemon, peer = self.pair(False)
        daemon.wait_for(peer.node.name, "rpmsg-ping")
        for _ in range(5):
            with daemon.connect() as events:
                events.events()
                peer.kill()
                peer.start()
                states = []
                while states[-1:] != ["up"]:
                    line = events.line()
                    if line["event"] == "device-state":
                        states.append(line["state"])
                self.assertNotIn("broken", states)
            eventually(lambda: peer.bound("rpmsg-ping"), "the new master")
            peer.ping(lambda: peer.twin.link, 20, 64)

    def data(self, we_are_master):
        daemon, peer = self.pair(we_are_master)
        daemon.wait_for(peer.node.name, "rpmsg-ping")
        lines = b"".join(b"line %06d\n" % number for number in range(3000))
        result = daemon.rpmsg("cat", "--lines", peer.node.name, "xt", input=lines, text=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        eventually(lambda: len(peer.twin.link.by_name("xt").received) == 3000, "all lines")
        self.assertEqual(b"".join(peer.twin.link.by_name("xt").received), lines)
        peer.check()

    def test_data_to_its_device(self):
        self.data(True)

    def test_data_to_its_driver(self):
        self.data(False)

    def hub(self, we_are_master):
        """Edges with routed devices outlive an orderly stop of their hub (B2), and come back."""
        args = self.link("edge0", we_are_master, "r0") + self.link("edge1", we_are_master, "r1")
        hub = Daemon(self, "server", *args, "--route", "edge0:edge1")
        edges = [
            Simulator(self, self.dir / f"r{i}", f"edge{i}", "server", not we_are_master, True)
            for i in (0, 1)
        ]
        for _ in range(3):
            for edge, other in (edges, edges[::-1]):
                eventually(lambda: edge.routed() == [other.node.name], "the routed device")
                device = lambda: next(iter(edge.twin.link.routed.values()))  # noqa: E731
                eventually(lambda: device().by_name("rpmsg-ping").dest != wire.ANY, "its ping")
                for length in (17, 1520):
                    edge.ping(device, 20, length)
            self.assertEqual(hub.stop(), 0)
            for edge in edges:
                eventually(lambda: edge.routed() == [], "the end of the routed device")
            hub.start()

    def test_hub_is_master(self):
        self.hub(True)

    def test_hub_is_slave(self):
        self.hub(False)


if __name__ == "__main__":
    main()
