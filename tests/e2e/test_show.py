# SPDX-License-Identifier: Apache-2.0
"""ls, dump, stats, wait and events: shapes (INTERFACE 4) and contents."""
import json

from harness import Case, main

DEVICE = {"name": str, "kind": str, "via": str, "transport": str, "state": str, "reason": str,
          "session": dict, "tx_len": int, "rx_len": int, "counters": dict, "endpoints": list}
SESSION = {"number": int, "dialect": str, "credit": bool}
COUNTERS = ("tx", "rx", "dropped", "parked", "late", "errors")
ENDPOINT = {"name": str, "addr": int, "dest": int, "state": str}
ROUTE = {"from": str, "to": str, "service": str, "state": str, "policy": str, "parked": int,
         "forwarded": int, "dropped": int}
STATES = ("down", "connecting", "up", "suspended", "broken")
ENDPOINT_STATES = ("announced", "bound", "unbound", "closing")


class Show(Case):
    def check_shape(self, value, shape, exact=False):
        for key, kind in shape.items():
            self.assertIsInstance(value[key], kind, f"{key} of {value}")
        if exact:
            self.assertEqual(set(shape), set(value))

    def check_exactly(self, all_):
        """`ls` has the keys of its interface and no others."""
        self.check_shape(all_, {"node": str, "devices": list, "routes": list}, True)
        for device in all_["devices"]:
            self.check_shape(device, DEVICE, True)
            self.check_shape(device["counters"], dict.fromkeys(COUNTERS, int), True)
            for endpoint in device["endpoints"]:
                self.check_shape(endpoint, ENDPOINT, True)
        for route in all_["routes"]:
            self.check_shape(route, ROUTE, True)

    def check_all(self, all_):
        self.assertIsInstance(all_["node"], str)
        for device in all_["devices"]:
            self.check_shape(device, DEVICE)
            self.assertIn(device["kind"], ("link", "routed"))
            self.assertIn(device["state"], STATES)
            self.check_shape(device["session"], SESSION)
            self.check_shape(device["counters"], dict.fromkeys(COUNTERS, int))
            for endpoint in device["endpoints"]:
                self.check_shape(endpoint, ENDPOINT)
                self.assertIn(endpoint["state"], ENDPOINT_STATES)
        for route in all_["routes"]:
            self.check_shape(route, ROUTE)

    def test_ls(self):
        hub, audio, _ = self.star("audio", "droid")
        listing = json.loads(audio.rpmsg("ls", "--json").stdout)
        self.check_all(listing)
        self.check_exactly(listing)
        devices = {device["name"]: device for device in listing["devices"]}
        self.assertEqual({"ap", "droid"}, set(devices))
        self.assertEqual(("link", "", "shm", "up"),
                         tuple(devices["ap"][key] for key in ("kind", "via", "transport", "state")))
        self.assertEqual(("routed", "ap", "up"),
                         tuple(devices["droid"][key] for key in ("kind", "via", "state")))
        listing = json.loads(hub.rpmsg("--json", "ls").stdout)
        self.check_all(listing)
        self.check_exactly(listing)
        pings = [route for route in listing["routes"] if route["service"] == "rpmsg-ping"]
        self.assertEqual({("audio", "droid"), ("droid", "audio")},
                         {(route["from"], route["to"]) for route in pings})
        for route in pings:
            self.assertEqual(("joined", "credit"), (route["state"], route["policy"]))

    def test_ls_for_people(self):
        _, audio, _ = self.star("audio", "droid")
        text = audio.rpmsg("ls").stdout
        self.assertRegex(text, r"(?m)^  ap +link ")
        self.assertRegex(text, r"(?m)^  droid +routed +ap ")
        self.assertRegex(text, r"(?m)^  droid +rpmsg-ping +\d+ +\d+ +bound$")

    def test_dump(self):
        hub, audio, _ = self.star("audio", "droid")
        dump = json.loads(hub.rpmsg("dump", "all", "--json").stdout)
        self.check_all(dump)
        for device in dump["devices"]:
            self.assertIsInstance(device["buffers"], list)
            self.assertEqual({"tx", "rx"}, {queue["name"] for queue in device["queues"]})
            for queue in device["queues"]:
                self.check_shape(queue, dict.fromkeys(("size", "free", "pending"), int))
                self.assertGreater(queue["size"], 0)
        one = json.loads(hub.rpmsg("dump", "/dev/rpmsg/audio", "--json").stdout)
        self.assertEqual(["audio"], [device["name"] for device in one["devices"]])
        text = audio.rpmsg("dump", "ap").stdout
        self.assertIn("Local: audio Remote: ap", text)
        self.assertIn("queues", text)
        self.assertIn("rpmsg-ping", text)

    def test_stats_count_what_happened(self):
        a, _ = self.pair()
        before = json.loads(a.rpmsg("stats", "--json").stdout)
        self.assertTrue(all(isinstance(value, int) for value in before.values()))
        self.assertEqual(0, a.rpmsg("ping", "b", "-c", 100).returncode)
        after = json.loads(a.rpmsg("stats", "--json").stdout)
        self.assertEqual(100, after["device.b.tx"] - before["device.b.tx"])
        self.assertEqual(100, after["device.b.rx"] - before["device.b.rx"])
        self.assertIn("device.b.tx ", a.rpmsg("stats").stdout)

    def test_wait(self):
        hub = self.hub("audio", "droid")
        audio = self.edge("audio")
        self.assertEqual(0, audio.rpmsg("wait", "ap").returncode)
        self.assertEqual(3, audio.rpmsg("wait", "droid", "-t", "0.05").returncode)
        waiting = audio.rpmsg_start("wait", "/dev/rpmsg/droid", "rpmsg-ping", "-t", 30)
        self.edge("droid")
        self.assertEqual(0, waiting.wait())
        self.assertEqual(0, hub.rpmsg("wait", "all").returncode)
        self.assertEqual(3, audio.rpmsg("wait", "droid", "nobody", "-t", "0.05").returncode)

    def test_events(self):
        a, b = self.pair()
        watching = self.popen([*self.events_command(a), "--json"], "events", stdout=-1, text=True)
        lines = (json.loads(line) for line in watching.stdout)
        self.assertEqual("start", next(lines)["event"])
        b.kill()
        seen = []
        for line in lines:
            seen.append((line["event"], line.get("name") or line.get("state")))
            if line["event"] == "device-state" and line["state"] != "up":
                break
        b.start()
        for line in lines:
            seen.append((line["event"], line.get("name") or line.get("state")))
            if seen[-1] == ("endpoint-bound", "rpmsg-ping"):
                break
        self.assertIn(("endpoint-unbound", "rpmsg-ping"), seen)
        self.assertIn(("device-state", "up"), seen)

    def test_events_for_people(self):
        a, b = self.pair()
        watching = self.popen(self.events_command(a), "events", stdout=-1, text=True)
        self.assertRegex(watching.stdout.readline(), r"^\d\d:\d\d:\d\d\.\d\d\d start +node a$")
        b.kill()
        self.assertRegex(watching.stdout.readline(), r"^\d\d:\d\d:\d\d\.\d\d\d \S+ +device b ")
        a.kill()
        self.assertEqual(3, watching.wait())

    @staticmethod
    def events_command(node):
        from harness import RPMSG
        return [RPMSG, "-s", node.control_path, "events"]

    def test_a_link_goes_down_and_up(self):
        a, b = self.pair()
        with b.connect() as events:
            events.events()
            self.assertEqual(0, a.rpmsg("down", "b").returncode)
            events.until(event="device-state", device="a")
            self.assertEqual("down", a.device("b")["state"])
            result = a.rpmsg("ping", "b")
            self.assertEqual(3, result.returncode, result.stderr)
            self.assertEqual(0, a.rpmsg("up", "b").returncode)
            events.until(event="device-state", device="a", state="up")
        a.wait_for("b", "rpmsg-ping")
        self.assertEqual(0, a.rpmsg("ping", "b").returncode)

    def test_long_answers_come_in_parts(self):
        """A part is one line of at most 64 KiB, however much there is to tell."""
        a, _ = self.pair()
        with a.connect() as attached, a.connect() as control:
            names = [f"service-number-{number:03}" for number in range(200)]
            for name in names:
                attached.call("attach", service=name, device="b")
            before = control.lines
            listing = control.call("ls")
            self.assertGreater(control.lines, before + 2)
            dump = control.call("dump")
            same = json.loads(a.rpmsg("ls", "--json").stdout)
        for all_ in (listing, dump, same):
            self.check_all(all_)
            self.assertEqual(["b"], [device["name"] for device in all_["devices"]])
            self.assertLessEqual(set(names), {route["service"] for route in all_["routes"]})
        self.assertEqual(len(listing["routes"]), len(same["routes"]))


if __name__ == "__main__":
    main()
