# SPDX-License-Identifier: Apache-2.0
"""The configuration file and --check (INTERFACE 2)."""
import os
import signal
import subprocess

from harness import Case, Daemon, eventually, main


class File(Case):
    def setUp(self):
        super().setUp()
        self.file = self.dir / "node.conf"

    def write(self, text):
        self.file.write_text(text.replace("DIR", str(self.dir)))

    def check(self, *args):
        return self.rpmsgd("-c", self.file, "--check", *args)

    def check_line(self, line, says, text):
        self.write(text)
        result = self.check()
        self.assertEqual(2, result.returncode, text)
        self.assertEqual(1, result.stderr.count("\n"), result.stderr)
        self.assertTrue(result.stderr.startswith(f"{self.file}:{line}: "), result.stderr)
        self.assertIn(says, result.stderr)

    GOOD = """; a hub
[node]
name=ap
control=DIR/ap.sock

[link audio]
url=shm:DIR/audio.shm?listen=1
[link droid]
url = shm:DIR/droid.shm?listen=1&buffers=64

[route audio:droid]
policy=block
block_ms=20
services=a+b
quota=5
"""

    def test_good(self):
        self.write(self.GOOD)
        result = self.check()
        self.assertEqual((0, ""), (result.returncode, result.stderr))
        self.assertEqual([self.file], list(self.dir.iterdir()), "--check opens nothing")

    def test_errors_name_file_and_line(self):
        self.check_line(2, "unknown section", "[node]\n[frob]\n")
        self.check_line(1, "[link REMOTE]", "[link]\n")
        self.check_line(1, "no service 'frob'", "[service frob]\non=droid\n")
        self.check_line(4, "unknown key 'frob'", "[node]\nname=x\n[service ping]\nfrob=1\n")
        self.check_line(4, "'b/c' is no CPU name", "[node]\nname=x\n[service ping]\non=a,b/c\n")
        self.check_line(4, "twice", "[node]\nname=x\n[service ping]\non=a,a\n")
        self.check_line(4, "stands alone", "[node]\nname=x\n[service ping]\non=a,none\n")
        self.check_line(5, "before", "[node]\nname=x\n[service ping]\non=a\non=b\n")
        self.check_line(4, "before", "[node]\nname=x\n[service ping]\n[service ping]\n")
        self.check_line(3, "this CPU itself", "[node]\nname=x\n[service ping]\non=x\n")
        self.check_line(3, "frob", "[node]\nname=x\nfrob=1\n")
        self.check_line(1, "section", "name=x\n")
        self.check_line(3, "before", "[node]\nname=x\nname=y\n")
        self.check_line(2, "no value", "[node]\nname=\n")
        self.check_line(2, "[A-Za-z0-9_.-]", "[node]\nname=a b\n")
        self.check_line(2, "key=value", "[node]\nwhat is this\n")
        self.check_line(4, "frob", "[node]\nname=x\n[link a]\nurl=frob:x\n")
        self.check_line(4, "frob", "[node]\nname=x\n[link a]\nurl=shm:DIR/a?frob=1\n")
        self.check_line(3, "no url", "[node]\nname=x\n[link a]\n")
        self.check_line(3, "a/b", "[node]\nname=x\n[link a/b]\n")
        self.check_line(5, "second section", "[node]\nname=x\n[link a]\nurl=shm:DIR/a\n[link a]\n")
        self.check_line(3, "second section", "[node]\nname=x\n[node]\n")
        self.check_line(3, "no link to 'a'", "[node]\nname=x\n[route a:b]\n")
        self.check_line(3, "A:B", "[node]\nname=x\n[route a]\n")
        self.check_line(4, "policy 'never'", "[node]\nname=x\n[route all]\npolicy=never\n")
        self.check_line(5, "before", "[node]\nname=x\n[route all]\nquota=1\nquota=2\n")
        self.check_line(3, "too long", "[node]\nname=x\ncontrol=" + "x" * 300 + "\n")
        self.check_line(1, "too long", "[link " + "x" * 60 + "]\n")

    def test_missing_file(self):
        result = self.rpmsgd("-c", self.dir / "none", "--check")
        self.assertEqual(2, result.returncode)
        self.assertIn(str(self.dir / "none"), result.stderr)
        self.assertEqual(2, self.rpmsgd("-c", self.dir, "--check").returncode)

    def test_options_override_and_add(self):
        self.write("[node]\nname=x\n[link a]\n[route a:b]\n")
        self.assertEqual(2, self.check().returncode)
        result = self.check("--link", f"a=shm:{self.dir}/a", "--link", f"b=shm:{self.dir}/b",
                            "--route", "b:a,quota=3", "--name", "y")
        self.assertEqual((0, ""), (result.returncode, result.stderr))

    def test_the_file_is_used(self):
        self.write(self.GOOD)
        self.popen([*self.rpmsgd_command(), "-c", self.file], "rpmsgd")
        from harness import Control
        eventually((self.dir / "ap.sock").exists, "the control socket")
        with Control(self.dir / "ap.sock") as control:
            listing = control.call("ls")
        self.assertEqual("ap", listing["node"])
        self.assertEqual({"audio", "droid"}, {device["name"] for device in listing["devices"]})

    @staticmethod
    def rpmsgd_command():
        from harness import RPMSGD
        return [RPMSGD]


class Reload(Case):
    """SIGHUP: what did not change is not disturbed."""

    def write(self, *edges, routes=("all",), extra=""):
        text = ""
        for edge in edges:
            text += f"[link {edge}]\nurl={self.url(edge, True)}\n"
        for route in routes:
            text += f"[route {route}]\n"
        (self.dir / "hub.conf").write_text(text + extra)

    def start(self, *edges):
        self.write(*edges)
        hub = Daemon(self, "ap", "-v", "-c", str(self.dir / "hub.conf"))
        nodes = {name: self.edge(name) for name in edges}
        return hub, nodes

    def test_a_link_comes_and_goes_and_the_others_stay(self):
        hub, nodes = self.start("audio", "droid")
        nodes["audio"].wait_for("droid", "rpmsg-ping")
        before = hub.device("audio")["session"]
        self.write("audio", "droid", "third")
        hub.signal(signal.SIGHUP)
        third = self.edge("third")
        third.wait_for("audio", "rpmsg-ping")
        nodes["audio"].wait_for("third", "rpmsg-ping")
        self.assertEqual(before, hub.device("audio")["session"])
        with nodes["audio"].connect() as events:
            events.events()
            self.write("audio", "third")
            hub.signal(signal.SIGHUP)
            events.until(event="device-state", device="droid", state="down")
        self.assertIsNone(hub.device("droid"))
        self.assertEqual(before, hub.device("audio")["session"])
        self.assertEqual(0, nodes["audio"].rpmsg("ping", "third", "-c", 5).returncode)

    def test_a_wrong_file_changes_nothing(self):
        hub, nodes = self.start("audio", "droid")
        nodes["audio"].wait_for("droid", "rpmsg-ping")
        before = [device["session"] for device in hub.call("ls")["devices"]]
        self.write("audio", extra="[frob]\n")
        hub.signal(signal.SIGHUP)
        eventually(lambda: "nothing was changed" in hub.process.log.read_text(), "the error")
        self.assertEqual(before, [device["session"] for device in hub.call("ls")["devices"]])
        self.assertEqual(0, nodes["audio"].rpmsg("ping", "droid", "-c", 5).returncode)

    def test_what_needs_a_restart_is_said(self):
        self.write("audio")
        node = self.popen([*File.rpmsgd_command(), "--name", "ap", "-c", self.dir / "hub.conf"], "rpmsgd",
                          env={**os.environ, "RPMSG_CONTROL": str(self.dir / "c")})
        eventually((self.dir / "c").exists, "the control socket")
        self.write("audio", extra=f"[node]\ncontrol={self.dir}/other\n")
        node.send_signal(signal.SIGHUP)
        eventually(lambda: "a new control socket needs a restart" in node.log.read_text(), "the warning")
        self.assertFalse((self.dir / "other").exists())
        self.assertEqual(0, self.rpmsg("-s", self.dir / "c", "ls").returncode)

    def test_the_first_route_makes_a_hub(self):
        self.write("audio", "droid", routes=())
        hub = Daemon(self, "ap", "-c", str(self.dir / "hub.conf"))
        audio, _ = self.edge("audio"), self.edge("droid")
        audio.wait_for("ap", "rpmsg-ping")
        self.assertIsNone(audio.device("droid"))
        self.write("audio", "droid", routes=("audio:droid",))
        hub.signal(signal.SIGHUP)
        audio.wait_for("droid", "rpmsg-ping")


class Services(Case):
    """--service, [service NAME]: on which devices, what a reload changes and what it leaves alone."""

    def endpoints(self, node, device):
        return {e["name"] for e in node.device(device)["endpoints"]}

    def shown(self, node):
        return {service["name"]: service["on"] for service in node.call("services")["services"]}

    def test_an_option_says_where(self):
        a = Daemon(self, "a", "--link", f"b={self.url('ab', True)}", "--link", f"c={self.url('ac', True)}",
                   "--service", "ping@b")
        self.assertEqual(["b"], self.shown(a)["ping"])
        self.assertIn("rpmsg-ping", self.endpoints(a, "b"))
        self.assertNotIn("rpmsg-ping", self.endpoints(a, "c"))
        result = a.rpmsg("ls")
        self.assertRegex(result.stdout, r"services\n +NAME .*\n +ping +rpmsg-ping +b")

    def test_one_is_switched_off(self):
        a = Daemon(self, "a", "--link", f"b={self.url('ab', True)}", "--service", "ping@none")
        self.assertNotIn("ping", self.shown(a))
        self.assertNotIn("rpmsg-ping", self.endpoints(a, "b"))
        result = a.rpmsg("ping", "b")
        self.assertEqual(3, result.returncode, result.stderr)
        self.assertIn("off", result.stderr)

    def test_wrong_options(self):
        for text, says in (("frob", "no service 'frob'"), ("ping:frob=1", "unknown key"), ("ping:frob", "key=value"),
                           ("ping@", "no CPU name"), ("ping@a/b", "no CPU name"), ("ping:on=b", "ping@DEV")):
            result = self.rpmsgd("--name", "a", "--check", "--service", text)
            self.assertEqual(2, result.returncode, text)
            self.assertTrue(result.stderr.startswith(f"rpmsgd: --service {text}: "), result.stderr)
            self.assertIn(says, result.stderr)
        result = self.rpmsgd("--name", "a", "--check", "--service", "ping@b", "--service", "ping@c")
        self.assertIn("before", result.stderr)

    def test_a_reload_disturbs_no_other_device(self):
        file = self.dir / "hub.conf"
        links = "".join(f"[link {edge}]\nurl={self.url(edge, True)}\n" for edge in ("x", "y"))
        file.write_text(links)
        hub = Daemon(self, "ap", "-c", str(file))
        x, y = self.edge("x"), self.edge("y")
        x.wait_for("ap", "rpmsg-ping")
        y.wait_for("ap", "rpmsg-ping")
        address = {e["name"]: e["addr"] for e in hub.device("y")["endpoints"]}["rpmsg-ping"]
        with hub.connect() as events:
            events.events()
            file.write_text(links + "[service ping]\non=y\n")
            hub.signal(signal.SIGHUP)
            events.until(event="endpoint-closed", device="x", name="rpmsg-ping")
            self.assertEqual(["y"], self.shown(hub)["ping"])
            file.write_text(links)
            hub.signal(signal.SIGHUP)
            events.until(event="endpoint-bound", device="x", name="rpmsg-ping")
        self.assertEqual(address, {e["name"]: e["addr"] for e in hub.device("y")["endpoints"]}["rpmsg-ping"])
        self.assertEqual(0, y.rpmsg("ping", "ap", "-c", 5).returncode)
        with hub.connect() as events:
            events.events()
            file.write_text(links + "[service ping]\non=none\n")
            hub.signal(signal.SIGHUP)
            events.until(event="endpoint-closed", device="y", name="rpmsg-ping")
        eventually(lambda: "ping" not in self.shown(hub), "ping to be off")

    def test_new_keys_of_one_service_reopen_no_other(self):
        file = self.dir / "hub.conf"
        link = f"[link x]\nurl={self.url('x', True)}\n[service test]\non=all\n"
        file.write_text(link + f"[service syslog]\nfile={self.dir}/1\n[service sensor]\nqueue=65536\n")
        hub = Daemon(self, "ap", "-c", str(file))
        x = Daemon(self, "x", "--link", f"ap={self.url('x')}", "--service", "test", "--service", "sensor")
        names = ("rpmsg-ping", "rpmsg-test", "rpmsg-sensor", "rpmsg-syslog")
        for name in names[:3]:
            x.wait_for("ap", name)
        self.assertEqual(0, x.rpmsg("logger", "ap", "one").returncode)
        logger = x.rpmsg_start("logger", "ap", stdin=subprocess.PIPE)
        logger.stdin.write(b"two\n")
        logger.stdin.flush()
        eventually(lambda: (self.dir / "1").read_text() == "x: one\nx: two\n", "two lines")

        def addresses():
            return {e["name"]: e["addr"] for e in hub.device("x")["endpoints"] if e["name"] in names}
        before = addresses()
        self.assertEqual(set(names), set(before))
        file.write_text(link + f"[service syslog]\nfile={self.dir}/2\n[service sensor]\nqueue=65536\n")
        hub.signal(signal.SIGHUP)
        eventually((self.dir / "2").exists, "the other file")
        self.assertEqual(before, addresses())
        with hub.connect() as events:
            events.events()
            file.write_text(link + f"[service syslog]\nfile={self.dir}/2\n[service sensor]\nqueue=131072\n")
            hub.signal(signal.SIGHUP)
            events.until(event="endpoint-bound", device="x", name="rpmsg-sensor")
        after = addresses()
        self.assertNotEqual(before.pop("rpmsg-sensor"), after.pop("rpmsg-sensor"))
        self.assertEqual(before, after)
        logger.communicate(b"three\n")
        self.assertEqual((0, "x: three\n"), (logger.returncode, (self.dir / "2").read_text()))


if __name__ == "__main__":
    main()
