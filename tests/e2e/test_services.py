# SPDX-License-Identifier: Apache-2.0
"""Services with both ends ours, directly and through a hub: edge - hub - edge, three processes."""
import json

from harness import Case, Daemon, eventually, main


class Services(Case):
    def star_with(self, *options):
        hub = Daemon(self, "ap", "--route", "all", *options,
                     *(part for name in ("audio", "droid") for part in ("--link", f"{name}={self.url(name, True)}")))
        audio, droid = (Daemon(self, name, "--link", f"ap={self.url(name)}", *options) for name in ("audio", "droid"))
        return hub, audio, droid

    def counters(self, node, service):
        stats = node.call("stats")
        return {key.rsplit(".", 1)[1]: value for key, value in stats.items() if key.startswith(f"service.{service}.")}


class Ping(Services):
    def test_each_request_is_answered_once_both_ways(self):
        hub, audio, droid = self.star_with()
        for node, other in ((audio, "droid"), (droid, "audio"), (audio, "ap")):
            node.wait_for(other, "rpmsg-ping")
            result = node.rpmsg("ping", other, "-c", 500, "-s", 200, "-i", 0)
            self.assertEqual(0, result.returncode, result.stderr)
        for node, answered in ((audio, 500), (droid, 500), (hub, 500)):
            counters = self.counters(node, "ping")
            self.assertEqual(answered, counters.pop("answered"), node.name)
            self.assertEqual({0}, set(counters.values()), counters)

    def test_check_and_random(self):
        _, audio, droid = self.star_with()
        audio.wait_for("droid", "rpmsg-ping")
        result = audio.rpmsg("ping", "droid", "300", "1000", "7", "0")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual((300, 0), tuple(self.counters(droid, "ping")[key] for key in ("answered", "bad_data")))


class Liars(Services):
    def test_the_endpoint_is_closed_and_says_why(self):
        good = Daemon(self, "good", "--link", f"bad={self.url('gb', True)}", "--service", "test")
        bad = Daemon(self, "bad", "--link", f"good={self.url('gb')}", "--service", "ping@none")
        for service, command, why in (("ping", ("ping", "bad", "-c", "1"), "shorter than its header"),
                                      ("test", ("test", "bad"), "shorter than its header")):
            lies, shown = 0, []
            while not shown:  # each lie counts for longer: a busy machine sees one of them
                bad.rpmsg("cat", "good", f"rpmsg-{service}", input="lie\n")
                lies += 1
                eventually(lambda: self.counters(good, service)["malformed"] == lies, f"lie {lies} to be counted")
                shown = [s["closed"] for s in good.call("services")["services"] if s["name"] == service and s["closed"]]
                result, text = good.rpmsg(*command), good.rpmsg("ls").stdout
            self.assertEqual(["bad"], [closed["device"] for closed in shown[0]])
            self.assertIn(why, shown[0][0]["reason"])
            self.assertEqual(3, result.returncode)
            self.assertIn("'bad'", result.stderr)
            self.assertIn(f"rpmsg-{service}", text)
        log = good.process.log.read_text()
        self.assertIn("bad: rpmsg-ping: a message is shorter than its header; its endpoint is closed for 1 s", log)


class Test(Services):
    def test_direct_and_routed(self):
        hub, audio, droid = self.star_with("--service", "test")
        audio.wait_for("ap", "rpmsg-test")
        audio.wait_for("droid", "rpmsg-test")
        direct = json.loads(audio.rpmsg("test", "ap", "--json").stdout)
        self.assertEqual((2048, 0), (direct["length"], direct["missing"]))
        self.assertGreater(direct["sent"], 200)
        self.assertGreater(direct["back_ns"], 9_000_000, "they are held for 10 ms")
        counters = self.counters(hub, "test")
        self.assertEqual(direct["sent"], counters["held"] + counters["not_held"])
        result = audio.rpmsg("test", "droid")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertRegex(result.stdout, r"^droid: \d+ messages of 2048 bytes, all buffers back after \d+ ms\n$")
        counters = self.counters(droid, "test")
        self.assertGreater(counters["held"], 0)
        for key in ("cut", "bad_data", "malformed"):
            self.assertEqual(0, counters[key], key)

    def test_who_does_not_take_part(self):
        a = Daemon(self, "a", "--link", f"b={self.url('ab', True)}", "--service", "test")
        b = Daemon(self, "b", "--link", f"a={self.url('ab')}")
        a.wait_for("b", "rpmsg-ping")
        result = a.rpmsg("test", "b")
        self.assertEqual(3, result.returncode)
        self.assertIn("does not take part", result.stderr)
        result = b.rpmsg("test", "a")
        self.assertEqual(3, result.returncode)
        self.assertIn("--service test", result.stderr)


if __name__ == "__main__":
    main()
