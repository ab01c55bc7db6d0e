# SPDX-License-Identifier: Apache-2.0
"""Ends: SIGTERM leaves nothing behind, a stopped edge harms nobody else."""
import os
import signal
import subprocess

from harness import Case, eventually, main


def shared_memory():
    return set(os.listdir("/dev/shm"))


class Stop(Case):
    def test_sigterm_leaves_nothing_behind(self):
        before = shared_memory()
        for number in (signal.SIGTERM, signal.SIGINT):
            nodes = self.star("audio", "droid")
            for node in reversed(nodes):
                node.signal(number)
                self.assertEqual(0, node.process.wait())
            self.assertEqual([], [path.name for path in self.dir.iterdir() if path.suffix != ".log"])
        self.assertEqual(before, shared_memory())

    def test_sigterm_of_the_hub_under_traffic(self):
        hub, audio, droid = self.star("audio", "droid")
        with audio.connect() as events:
            events.events()
            audio.rpmsg_start("ping", "droid", "-c", 100000000)
            eventually(lambda: droid.device("audio")["counters"]["rx"] > 100, "traffic")
            self.assertEqual(0, hub.stop())
            events.until(event="device-state", device="droid", state="down")
        hub.start()
        audio.wait_for("droid", "rpmsg-ping")
        self.assertEqual(0, audio.rpmsg("ping", "droid").returncode)

    def test_kill_leaves_what_the_next_one_replaces(self):
        a, b = self.pair()
        a.kill()
        self.assertTrue(a.control_path.exists())
        a.start()
        a.wait_for("b", "rpmsg-ping")
        b.wait_for("a", "rpmsg-ping")

    def test_an_edge_that_stops_for_ever_harms_nobody_else(self):
        """SIGSTOP of B under traffic from A: A to C goes on."""
        for policy in ("credit", "drop-newest", "drop-oldest"):
            with self.subTest(policy=policy):
                self.stop_one(policy)

    def stop_one(self, policy):
        hub = self.hub("a", "b", "c", routes=(f"all,policy={policy}",))
        a, b, c = (self.edge(name) for name in "abc")
        for node, other in ((a, "b"), (a, "c"), (c, "a")):
            node.wait_for(other, "rpmsg-ping")
        flood = self.dir / "flood"
        flood.write_bytes(os.urandom(1 << 20) * 16)
        out = open(self.dir / "flooded", "wb")
        b.rpmsg_start("listen", "flood", stdout=out)
        out.close()
        with open(flood, "rb") as file:
            a.rpmsg_start("cat", "b", "flood", stdin=file)
        eventually(lambda: (self.dir / "flooded").stat().st_size > 0, "the flood to arrive")
        b.signal(signal.SIGSTOP)
        result = a.rpmsg("ping", "c", "-c", 2000, "-W", 1)
        self.assertEqual(0, result.returncode, result.stderr)
        result = a.rpmsg("ping", "ap", "-c", 500, "-W", 1)
        self.assertEqual(0, result.returncode, result.stderr)
        # Name service of A goes on too: a new service is announced, found and used.
        listening = c.rpmsg_start("listen", "fresh", stdout=subprocess.PIPE)
        self.assertEqual(0, a.rpmsg("cat", "c", "fresh", input="hello").returncode)
        self.assertEqual(b"hello", listening.stdout.read())
        b.signal(signal.SIGCONT)
        for node in (a, b, c, hub):
            node.signal(signal.SIGTERM)
        for node in (a, b, c, hub):
            self.assertEqual(0, node.process.wait())


if __name__ == "__main__":
    main()
