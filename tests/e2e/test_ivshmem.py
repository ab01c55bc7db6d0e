# SPDX-License-Identifier: Apache-2.0
"""Links over a file with a resource table: each layout, kills and restarts of each side, files that
go away, a hub whose edges are on such files, --check."""
import os
import signal
import time

from harness import Case, Daemon, eventually, main

LAYOUTS = ("rptun", "lite", "sim")


class Ivshmem(Case):
    def url(self, role, layout, name="m", **keys):
        more = "".join(f"&{key}={value}" for key, value in keys.items())
        return f"ivshmem:{self.dir}/{name}?role={role}&layout={layout}{more}"

    def pair(self, layout, **keys):
        a = Daemon(self, "a", "--link", f"b={self.url('master', layout)}", **keys)
        b = Daemon(self, "b", "--link", f"a={self.url('slave', layout)}", **keys)
        return a, b

    def check_pings(self, a, b):
        for node, other in ((a, "b"), (b, "a")):
            node.wait_for(other, "rpmsg-ping")
            self.assertEqual(0, node.rpmsg("ping", other, "-c", 20, "-W", 20).returncode)

    def copy(self, sender, receiver, device):
        """A file's worth of messages through cat and listen, compared."""
        data = os.urandom(300000)
        with open(self.dir / "out", "wb") as out:
            listening = receiver.rpmsg_start("listen", "data", stdout=out)
        result = sender.rpmsg("cat", device, "data", input=data, text=False)
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual(0, listening.wait(20))
        self.assertEqual(data, (self.dir / "out").read_bytes())

    def test_each_layout(self):
        for layout in LAYOUTS:
            a, b = self.pair(layout)
            self.check_pings(a, b)
            for node, other in ((a, "b"), (b, "a")):
                device = node.device(other)
                self.assertEqual("ivshmem", device["transport"])
                self.assertEqual("rpr", device["session"]["dialect"])
                self.assertTrue(device["session"]["credit"])
                self.assertEqual(2032 if layout == "lite" else 1520, device["tx_len"])
            self.copy(a, b, "b")
            self.copy(b, a, "a")
            self.assertEqual((0, 0), (a.stop(), b.stop()))
            os.unlink(self.dir / "m")

    def test_kill_and_restart_of_each_side(self):
        for layout in LAYOUTS:
            a, b = self.pair(layout)
            self.check_pings(a, b)
            for victim, survivor, device in ((a, b, "a"), (b, a, "b")) * 2:
                pings = survivor.connect()
                pings.send("ping", device=device, times=100000000, length=200, timeout_ms=200)
                eventually(lambda: survivor.device(device)["counters"]["rx"] > 50, "traffic")
                with survivor.connect() as events:
                    events.events()
                    victim.kill()
                    begin = time.monotonic()
                    victim.start(ready=False)
                    events.until(event="endpoint-bound", device=device, name="rpmsg-ping")
                    print(f"{layout}: {victim.name} killed, bound again after "
                          f"{(time.monotonic() - begin) * 1000:.0f} ms", flush=True)
                pings.close()
                self.check_pings(a, b)
                self.copy(victim, survivor, survivor.name)
            self.assertNotIn(b"broken", a.process.log.read_bytes() + b.process.log.read_bytes())
            self.assertEqual((0, 0), (a.stop(), b.stop()))
            os.unlink(self.dir / "m")

    def test_late_start_and_orderly_restart(self):
        for layout in LAYOUTS:
            for first in ("a", "b"):
                urls = {"a": f"b={self.url('master', layout)}", "b": f"a={self.url('slave', layout)}"}
                second = "b" if first == "a" else "a"
                nodes = {first: Daemon(self, first, "--link", urls[first])}
                self.assertEqual("connecting", nodes[first].device(second)["state"])
                nodes[second] = Daemon(self, second, "--link", urls[second])
                self.check_pings(nodes["a"], nodes["b"])
                for name, other in (("a", "b"), ("b", "a")):
                    self.assertEqual(0, nodes[name].stop())
                    eventually(lambda: nodes[other].device(name)["state"] == "connecting",
                               f"{other} to notice")
                    nodes[name].start()
                    self.check_pings(nodes["a"], nodes["b"])
                self.assertEqual((0, 0), (nodes["a"].stop(), nodes["b"].stop()))
                os.unlink(self.dir / "m")

    def test_a_stopped_process_is_found_again(self):
        """It slept through all that the other side said when it started again."""
        for layout in LAYOUTS:
            a, b = self.pair(layout)
            self.check_pings(a, b)
            b.signal(signal.SIGSTOP)
            a.kill()
            a.start()
            eventually(lambda: a.device("b")["reason"].startswith("waits for the slave"), "waiting")
            b.signal(signal.SIGCONT)
            self.check_pings(a, b)
            self.assertEqual((0, 0), (a.stop(), b.stop()))
            os.unlink(self.dir / "m")

    def test_a_file_that_is_cut(self):
        a, b = self.pair("rptun")
        self.check_pings(a, b)
        os.truncate(self.dir / "m", 0)
        for node, other in ((a, "b"), (b, "a")):
            eventually(lambda: node.device(other)["session"]["number"] > 1, "a new session")
        self.check_pings(a, b)
        os.unlink(self.dir / "m")
        for node, other in ((a, "b"), (b, "a")):
            eventually(lambda: node.device(other)["session"]["number"] > 2, "a new session")
        self.check_pings(a, b)
        self.assertEqual((0, 0), (a.stop(), b.stop()))

    def test_a_hub_with_edges_in_each_layout(self):
        names = ("rp", "li", "si")
        args = []
        for name, layout in zip(names, LAYOUTS):
            args += ["--link", f"{name}={self.url('master', layout, name)}"]
        hub = Daemon(self, "hub", *args, "--route", "all")
        edges = [Daemon(self, name, "--link", f"hub={self.url('slave', layout, name)}")
                 for name, layout in zip(names, LAYOUTS)]
        for edge in edges:
            for name in names:
                if name != edge.name:
                    edge.wait_for(name, "rpmsg-ping")
                    self.assertEqual(0, edge.rpmsg("ping", name, "-c", 10, "-W", 20).returncode)
        self.copy(edges[0], edges[1], "li")
        self.copy(edges[1], edges[2], "si")
        edges[2].kill()
        edges[2].start()
        edges[0].wait_for("si", "rpmsg-ping")
        self.copy(edges[2], edges[0], "rp")
        self.assertEqual(0, hub.stop())

    def test_mismatch_is_a_reason(self):
        a = Daemon(self, "a", "--link", f"b={self.url('master', 'lite')}")
        eventually(lambda: a.device("b")["reason"] == "waits for the slave", "the table")
        b = Daemon(self, "b", "--link", f"a={self.url('slave', 'sim')}")
        eventually(lambda: "layout lite" in b.device("a")["reason"], "the reason")
        self.assertEqual("", b.device("a")["session"]["dialect"])

    def test_check(self):
        def check(url):
            return self.rpmsgd("--name", "x", "--link", f"y={url}", "--check")

        for good in (self.url("master", "rptun"), self.url("slave", "rptun", buffers=16, size=4000),
                     self.url("master", "lite", size=496), f"ivshmem:{self.dir}/m?role=slave"):
            result = check(good)
            self.assertEqual((0, ""), (result.returncode, result.stderr), good)
        for wrong, says in ((f"ivshmem:{self.dir}/m", "needs role="),
                            (self.url("both", "sim"), "role takes"),
                            (self.url("slave", "mmio"), "layout takes"),
                            (self.url("master", "rptun", buffers=8), "for the slave"),
                            (self.url("slave", "sim", buffers=8), "for the master"),
                            (self.url("slave", "rptun", buffers=7), "power of two"),
                            (self.url("slave", "rptun", size=1), "size takes"),
                            (self.url("slave", "rptun", listen=1), 'unknown key "listen"'),
                            ("ivshmem:?role=slave", "path of a file")):
            result = check(wrong)
            self.assertEqual(2, result.returncode, wrong)
            self.assertEqual(1, result.stderr.count("\n"), result.stderr)
            self.assertIn(says, result.stderr)
        self.assertEqual([], list(self.dir.iterdir()), "--check opens nothing")


if __name__ == "__main__":
    main()
