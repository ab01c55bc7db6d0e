# SPDX-License-Identifier: Apache-2.0
"""64 edges on one hub: every ordered pair pings within the same second, none is lost, and the
counters of the hub and of the receivers add up. A slice of 16 edges where sanitizers run."""
import os
import time

from harness import CHECKED, TIMED, Case, main

EDGES = int(os.environ.get("RPR_EDGES", 16 if CHECKED else 64))
PINGS = 3


class Edges(Case):
    def ping_counts(self, hub):
        """(forwarded, dropped) of the ping routes, by (from, to)."""
        return {(route["from"], route["to"]): (route["forwarded"], route["dropped"])
                for route in hub.call("ls")["routes"] if route["service"] == "rpmsg-ping"}

    def test_all_pairs_at_once(self):
        names = [f"e{i:02}" for i in range(EDGES)]
        hub = self.hub(*names, buffers=64)
        nodes = {name: self.edge(name, ready=False) for name in names}
        for node in nodes.values():
            node.wait_ready()
        controls = {name: node.connect() for name, node in nodes.items()}
        for name, control in controls.items():
            for other in names:
                if other != name:
                    control.send("wait", device=other, service="rpmsg-ping", timeout_ms=60000)
        for name, control in controls.items():
            control.socket.settimeout(90)
            for _ in range(EDGES - 1):
                answer = control.line()
                self.assertTrue(answer["ok"], answer)
        before = self.ping_counts(hub)
        self.assertEqual(EDGES * (EDGES - 1), len(before))
        received = {name: self.received(control) for name, control in controls.items()}

        begin = time.monotonic()
        for name, control in controls.items():
            for other in names:
                if other != name:
                    control.send("ping", device=other, times=PINGS, length=64, timeout_ms=60000)
        sent = time.monotonic()
        lost = times = 0
        for control in controls.values():
            for _ in range(EDGES - 1):
                answer = control.line()
                self.assertTrue(answer["ok"], answer)
                lost += answer["result"]["lost"]
                times += answer["result"]["times"]
        end = time.monotonic()
        print(f"{EDGES} edges, {EDGES * (EDGES - 1)} ordered pairs, {times} pings: all started within "
              f"{sent - begin:.2f} s, all answered within {end - begin:.2f} s, {lost} lost")
        self.assertEqual(0, lost)
        self.assertEqual(PINGS * EDGES * (EDGES - 1), times)
        if TIMED:
            self.assertLess(sent - begin, 1.0)

        # Each direction of each route carried this side's requests and the answers to the other's.
        for pair, (forwarded, dropped) in self.ping_counts(hub).items():
            self.assertEqual((before[pair][0] + 2 * PINGS, 0), (forwarded, dropped), pair)
        for name, control in controls.items():
            self.assertEqual(2 * PINGS * (EDGES - 1), self.received(control) - received[name], name)
            control.close()

    @staticmethod
    def received(control):
        stats = control.call("stats")
        return sum(value for key, value in stats.items()
                   if key.endswith(".rx") and key != "device.ap.rx")


if __name__ == "__main__":
    main()
