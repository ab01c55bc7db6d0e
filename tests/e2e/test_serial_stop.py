# SPDX-License-Identifier: Apache-2.0
"""Ends: SIGTERM leaves nothing behind, a stopped edge harms nobody else. `./dev timing` also judges
how fast the others go on."""
import json
import os
import signal
import subprocess
import time

from harness import TIMED, Case, eventually, main


def shared_memory():
    """But for the folders of tests that run at the same time."""
    return {name for name in os.listdir("/dev/shm") if not name.startswith("rpr-")}


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
        """SIGSTOP of B under traffic from A: A to C, A's name service and A's link go on."""
        (self.dir / "flood").write_bytes(os.urandom(1 << 20) * 16)
        for policy in ("credit", "drop-newest", "drop-oldest"):
            with self.subTest(policy=policy):
                hub = self.hub("a", "b", "c", routes=(f"all,policy={policy}",))
                edges = [self.edge(name) for name in "abc"]
                try:
                    self.check_policy(policy, hub, *edges)
                finally:
                    for node in (*edges, hub):
                        node.kill()

    @staticmethod
    def counts(hub):
        """(parked, dropped) from a to b, of all services together."""
        routes = [route for route in hub.call("ls")["routes"]
                  if (route["from"], route["to"]) == ("a", "b")]
        return [sum(route[key] for route in routes) for key in ("parked", "dropped")]

    def check_traffic(self, policy, before, after):
        """The traffic to the stopped edge did not just end: it was held back, or dropped all along."""
        if policy == "credit":
            self.assertEqual(0, after[1], "credit loses nothing")
            self.assertGreater(after[0], 0, "what its ring does not hold is parked")
        else:
            self.assertGreater(after[1], before[1])

    def check_policy(self, policy, hub, a, b, c):
        for node, other in ((a, "b"), (a, "c"), (c, "a")):
            node.wait_for(other, "rpmsg-ping")
        a.rpmsg_start("ping", "b", 100000000, 2000, 0, 1)  # no answers wanted, one each ms
        rates = {}
        for _ in range(16 if TIMED else 1):
            before = self.round_trips(a, c)
            flood = self.start_flood(a, b)
            b.signal(signal.SIGSTOP)
            eventually(lambda: self.counts(hub)[0] > 0, "its ring to be full")
            stopped = self.counts(hub)
            beside = self.round_trips(a, c)
            self.check_traffic(policy, stopped, self.counts(hub))
            b.signal(signal.SIGCONT)
            for process in flood:
                process.wait()
            rates = {device: before[device] / beside[device] for device in before}
            if min(rates.values()) >= 0.9:
                break
        print(f"{policy}: beside a stopped edge, of the rate beside one that runs: "
              + ", ".join(f"{what} {rate:.2f}" for what, rate in rates.items()))
        if TIMED:
            self.assertGreaterEqual(min(rates.values()), 0.9)

    def start_flood(self, a, b):
        flooded = self.dir / "flooded"
        with open(flooded, "wb") as out:
            listening = b.rpmsg_start("listen", "flood", stdout=out)
        with open(self.dir / "flood", "rb") as file:
            cat = a.rpmsg_start("cat", "b", "flood", stdin=file)
        eventually(lambda: flooded.stat().st_size > 0, "the flood to arrive")
        return cat, listening

    def round_trips(self, a, c):
        """Averages in ns over all of some runs, in which a stall shows. Nothing is lost."""
        times = {}
        for device in ("c", "ap"):
            runs = [json.loads(a.rpmsg("ping", device, "-c", 2000, "-W", 10, "--json").stdout)
                    for _ in range(5)]
            self.assertEqual([0] * 5, [run["lost"] for run in runs])
            times[f"a to {device}"] = sum(run["rtt_ns"]["avg"] for run in runs) / len(runs)
        start = time.monotonic_ns()
        for _ in range(10):
            self.use_new_service(a, c)
        times["a's name service"] = (time.monotonic_ns() - start) / 10
        return times

    def use_new_service(self, a, c):
        """It is announced, found, used and withdrawn."""
        listening = c.rpmsg_start("listen", "fresh", stdout=subprocess.PIPE)
        self.assertEqual(0, a.rpmsg("cat", "c", "fresh", input="hello").returncode)
        self.assertEqual(b"hello", listening.stdout.read())
        self.assertEqual(0, listening.wait())


if __name__ == "__main__":
    main()
