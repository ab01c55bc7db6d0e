# SPDX-License-Identifier: Apache-2.0
"""Kills at random moments under traffic, of edges and of the hub. Each time: bound again, nothing of a
former life delivered, no growth of descriptors or memory. `./dev timing` also judges the times from exec
to bound: at most 50 ms.

RPR_KILLS says how many (default 20; 200 for the full run), RPR_SEED replays."""
import os
import random
import subprocess
import time

from harness import CHECKED, TIMED, Case, eventually, main

KILLS = int(os.environ.get("RPR_KILLS", 20))
SEED = int(os.environ.get("RPR_SEED", random.SystemRandom().randrange(1 << 32)))
BOUND_MS = 50


class Kills(Case):
    def setUp(self):
        super().setUp()
        self.chance = random.Random(SEED)
        print(f"RPR_SEED={SEED} RPR_KILLS={KILLS}", flush=True)

    def traffic(self, node, device, events=None):
        """Pings without end over a connection of its own: a new incarnation ends them with an
        answer, and then they start again."""
        control = node.connect()
        control.send("ping", device=device, times=100000000, length=200, timeout_ms=200)
        return control

    def sizes(self, nodes):
        return {node.name: (node.n_descriptors(), node.resident_kb()) for node in nodes}

    def restart(self, victim, watcher, device):
        """Kills and starts again; the time in ms from exec until the other edge has it bound."""
        with watcher.connect() as events:
            events.events()
            victim.kill()
            events.until(event="device-state", device=device, state="down")
            begin = time.monotonic()
            victim.start(ready=False)
            events.until(event="endpoint-bound", device=device, name="rpmsg-ping")
            return (time.monotonic() - begin) * 1000

    def test_kills(self):
        hub, audio, droid = self.star("audio", "droid")
        survivors = {"ap": (audio, droid), "audio": (hub, droid), "droid": (hub, audio)}
        victims = {"ap": (hub, audio, "droid"), "audio": (audio, droid, "audio"),
                   "droid": (droid, audio, "droid")}
        times, first = {name: [] for name in victims}, {}
        for number in range(KILLS):
            name = self.chance.choice(list(victims))
            victim, watcher, device = victims[name]
            stale = self.stream_under_way(number, audio, droid)
            controls = [self.traffic(audio, "droid"), self.traffic(droid, "audio")]
            start = audio.device("droid")["counters"]["rx"]
            goal = start + self.chance.randrange(1, 400)
            eventually(lambda: audio.device("droid")["counters"]["rx"] >= goal, "traffic")
            times[name].append(self.restart(victim, watcher, device))
            audio.wait_for("droid", "rpmsg-ping")
            droid.wait_for("audio", "rpmsg-ping")
            for control in controls:
                control.close()
            self.check_lost(*stale)
            self.round_of_data(number, audio, droid)
            self.assertEqual(0, audio.rpmsg("ping", "droid", "-c", 5, "-W", 20).returncode)
            for node in survivors[name]:
                first.setdefault((node.name, node.process.pid), self.sizes([node])[node.name])
        self.report(times)
        self.check_growth(first, (hub, audio, droid))

    def stream_under_way(self, number, audio, droid):
        """A stream that fills every hop, for its reader does not read: what a kill must not let
        through to the next one."""
        lines = b"".join(b"stale line %d of round %d\n" % (i, number) for i in range(200000))
        (self.dir / "stale").write_bytes(lines)
        listening = droid.rpmsg_start("listen", "data", stdout=subprocess.PIPE)
        with open(self.dir / "stale", "rb") as file:
            cat = audio.rpmsg_start("cat", "droid", "data", "--lines", stdin=file)
        first = listening.stdout.read(1)
        return lines, first, listening, cat

    def check_lost(self, lines, first, listening, cat):
        """Both ends say so; what was written is the beginning of what was sent."""
        got = first + listening.stdout.read()
        self.assertEqual((3, 3), (listening.wait(), cat.wait()))
        self.assertEqual(lines[:len(got)], got)
        self.assertLess(len(got), len(lines))

    def round_of_data(self, number, audio, droid):
        """A stream of the same service whose lines carry the round: what is left over would show."""
        lines = b"".join(b"round %d line %d\n" % (number, i) for i in range(200))
        with open(self.dir / "out", "wb") as out:
            listening = droid.rpmsg_start("listen", "data", stdout=out)
        result = audio.rpmsg("cat", "droid", "data", input=lines.decode())
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual(0, listening.wait())
        self.assertEqual(lines, (self.dir / "out").read_bytes())

    def report(self, times):
        for name, all_ms in sorted(times.items()):
            if not all_ms:
                continue
            all_ms.sort()
            print(f"{name}: {len(all_ms)} kills, exec to bound: median {all_ms[len(all_ms) // 2]:.1f} ms, "
                  f"most {all_ms[-1]:.1f} ms", flush=True)
            if TIMED:
                self.assertLessEqual(all_ms[-1], BOUND_MS, name)

    def check_growth(self, first, nodes):
        for node in nodes:
            sizes = first.get((node.name, node.process.pid))
            if sizes is None:
                continue
            eventually(lambda: node.n_descriptors() <= sizes[0] + 1, f"descriptors of {node.name}")
            if not CHECKED:
                self.assertLess(node.resident_kb() - sizes[1], 2048, f"{node.name} grows")


if __name__ == "__main__":
    main()
