# SPDX-License-Identifier: Apache-2.0
"""Nodes over serial links of every kind: traffic, kills, devices that come and go, noise, and the
order in which a hub ends."""
import fcntl
import hashlib
import os
import random
import signal
import socket
import struct
import termios
from pathlib import Path

from harness import Case, Daemon, Failed, eventually, main
from line import POWEROFF, Background, Line, NuttX

CONNREQ = 0x7E
SEED = int(os.environ.get("RPR_SEED", random.SystemRandom().randrange(1 << 32)))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Uart(Case):
    def setUp(self):
        super().setUp()
        self.things = []
        self.ports = {}

    def tearDown(self):
        for thing in reversed(self.things):
            thing.close()
        super().tearDown()
        for thing in self.things:
            self.assertIsNone(getattr(thing, "error", None))

    def keep(self, thing):
        self.things.append(thing)
        return thing

    def urls(self, kind, name, keys=""):
        """The hub's and the edge's URL of a link."""
        path = self.dir / f"{name}.{kind}"
        if kind == "pty":
            return f"pty:{path}{keys and '?'}{keys}", f"serial:{path}?flow=none{keys and '&'}{keys}"
        if kind == "unix":
            place = f"unix:{path}"
        else:
            place = f"tcp:127.0.0.1:{self.ports.setdefault(name, free_port())}"
        return f"{place}?listen=1{keys and '&'}{keys}", f"{place}{keys and '?'}{keys}"

    def star_of(self, kind, keys=""):
        links = {name: self.urls(kind, name, keys) for name in ("audio", "droid")}
        hub = Daemon(self, "ap", "--route", "all",
                     *[arg for name, urls in links.items() for arg in ("--link", f"{name}={urls[0]}")])
        edges = [Daemon(self, name, "--link", f"ap={urls[1]}") for name, urls in links.items()]
        edges[0].wait_for("droid", "rpmsg-ping")
        edges[1].wait_for("audio", "rpmsg-ping")
        return hub, *edges

    def check_ping(self, node, device, times, length):
        result = node.rpmsg("ping", device, times, length, 3, 0)
        self.assertEqual(0, result.returncode, result.stderr + result.stdout)
        self.assertIn(f"lost: 0 of {times}", result.stdout)

    def copy(self, sender, device, receiver, data):
        """Bytes from one node to a service of another; returns how many messages it were."""
        with open(self.dir / "out", "wb") as out:
            listening = receiver.rpmsg_start("listen", "file", stdout=out)
        (self.dir / "in").write_bytes(data)
        with open(self.dir / "in", "rb") as source:
            result = self.rpmsg("-s", sender.control_path, "cat", device, "file", "-v", stdin=source)
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual(0, listening.wait())
        self.assertEqual(hashlib.sha256(data).hexdigest(),
                         hashlib.sha256((self.dir / "out").read_bytes()).hexdigest())
        return int(result.stderr.split(" messages")[0].rsplit(" ", 1)[1])

    def reason(self, node, device):
        return node.device(device)["reason"]


class Traffic(Uart):
    def check_star(self, kind, keys=""):
        hub, audio, droid = self.star_of(kind, keys)
        self.assertEqual(("pty" if kind == "pty" else kind), hub.device("audio")["transport"])
        for length in (17, 64, 2008):
            self.check_ping(audio, "droid", 100, length)
        self.check_ping(audio, "ap", 50, 2008)
        # p to z are all escaped: twice the bytes on the wire.
        self.copy(audio, "droid", droid, b"pqrstuvwxyz" * 9000)
        self.copy(droid, "audio", audio, random.randbytes(200000))
        for name in ("audio", "droid"):
            self.assertEqual(0, hub.device(name)["counters"]["errors"])
        for node in (audio, droid, hub):
            self.assertEqual(0, node.stop())
        left = [path.name for path in self.dir.iterdir() if path.suffix not in (".log", "")]
        self.assertEqual([], left)

    def test_pty(self):
        self.check_star("pty")

    def test_unix(self):
        self.check_star("unix")

    def test_tcp(self):
        self.check_star("tcp")

    def test_keys(self):
        self.check_star("unix", "crc=require&size=2008&buffers=4&window=1&relax=1")

    def test_small_messages_on_one_leg(self):
        """The smaller of two links says what an edge may send."""
        hub = Daemon(self, "ap", "--route", "all", "--link", f"audio=unix:{self.dir}/a?listen=1",
                     "--link", f"droid=pty:{self.dir}/droid.pty?size=100")
        audio = Daemon(self, "audio", "--link", f"ap=unix:{self.dir}/a")
        droid = Daemon(self, "droid", "--link", f"ap=serial:{self.dir}/droid.pty?flow=none&size=100")
        audio.wait_for("droid", "rpmsg-ping")
        self.assertEqual(100, audio.device("droid")["tx_len"])
        self.copy(audio, "droid", droid, random.randbytes(20000))
        self.assertEqual(0, hub.device("droid")["counters"]["errors"])


class Kills(Uart):
    def kill_each(self, kind):
        nodes = self.star_of(kind)
        hub, audio, droid = nodes
        for victim, watcher, device in ((droid, audio, "droid"), (audio, droid, "audio"),
                                        (hub, audio, "droid"), (droid, audio, "droid")):
            with watcher.connect() as events:
                events.events()
                victim.kill()
                if victim is hub or kind != "pty":
                    events.until(event="device-state", device=device, state="down")
                victim.start(ready=False)
                events.until(event="endpoint-bound", device=device, name="rpmsg-ping")
            audio.wait_for("droid", "rpmsg-ping")
            droid.wait_for("audio", "rpmsg-ping")
            self.check_ping(audio, "droid", 20, 200)
            self.copy(audio, "droid", droid, random.randbytes(30000))

    def test_pty(self):
        self.kill_each("pty")

    def test_unix(self):
        self.kill_each("unix")

    def test_tcp(self):
        self.kill_each("tcp")


class Devices(Uart):
    def pair_on(self, line):
        a, b = (Daemon(self, name, "--link", f"{peer}=serial:{path}?flow=none")
                for name, peer, path in (("a", "b", line.paths[0]), ("b", "a", line.paths[1])))
        return a, b

    def both_talk(self, a, b):
        a.wait_for("b", "rpmsg-ping")
        b.wait_for("a", "rpmsg-ping")
        self.check_ping(a, "b", 20, 300)

    def test_missing_then_there_then_pulled_out(self):
        line = self.keep(Line(self.dir, "ttyA", "ttyB"))
        a, b = self.pair_on(line)
        self.assertIn("ttyA: does not exist yet", self.reason(a, "b"))
        self.assertEqual("connecting", a.device("b")["state"])
        line.plug(1)
        line.plug(0)
        self.both_talk(a, b)
        for end, node, device in ((0, a, "b"), (1, b, "a"), (0, a, "b")):
            with node.connect() as events:
                events.events()
                line.pull(end)
                events.until(event="device-state", device=device, state="connecting")
            eventually(lambda: "does not exist yet" in self.reason(node, device), "the reason")
            line.plug(end)
            self.both_talk(a, b)

    def test_replaced_at_once(self):
        """Another device is there before anybody has looked."""
        line = self.keep(Line(self.dir, "ttyA", "ttyB"))
        line.plug(0)
        line.plug(1)
        a, b = self.pair_on(line)
        self.both_talk(a, b)
        for _ in range(5):
            session = a.device("b")["session"]["number"]
            line.pull(0)
            line.plug(0)
            eventually(lambda: a.device("b")["session"]["number"] > session, "a new session")
            self.both_talk(a, b)

    def test_no_terminal(self):
        (self.dir / "file").write_text("")
        a = Daemon(self, "a", "--link", f"b=serial:{self.dir}/file?flow=none")
        eventually(lambda: "is no terminal" in self.reason(a, "b"), "the reason")

    def test_taken_device(self):
        """One process has a device; the next waits for it."""
        line = self.keep(Line(self.dir, "ttyA", "ttyB"))
        line.plug(0)
        line.plug(1)
        a, b = self.pair_on(line)
        self.both_talk(a, b)
        other = Daemon(self, "other", "--link", f"b=serial:{line.paths[0]}?flow=none")
        eventually(lambda: "in use by another process" in self.reason(other, "b"), "the reason")
        self.check_ping(a, "b", 5, 100)
        a.kill()
        other.wait_for("b", "rpmsg-ping")

    def test_pty_opened_and_closed(self):
        hub = Daemon(self, "ap", "--link", f"droid=pty:{self.dir}/droid.pty")
        eventually(lambda: self.reason(hub, "droid") == "nobody has opened it", "the reason")
        for _ in range(3):
            droid = Daemon(self, "droid", "--link", f"ap=serial:{self.dir}/droid.pty?flow=none")
            hub.wait_for("droid", "rpmsg-ping")
            droid.kill()
            eventually(lambda: self.reason(hub, "droid") == "nobody has opened it", "the loss")
        # What is written while nobody listens, or by somebody of before, is not for who comes next.
        fd = os.open(self.dir / "droid.pty", os.O_RDWR | os.O_NOCTTY)
        eventually(lambda: struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"    "))[0] >= 3,
                   "some STAYWAKE that nobody reads")
        os.close(fd)
        eventually(lambda: self.reason(hub, "droid") == "nobody has opened it", "the loss")
        fd = os.open(self.dir / "droid.pty", os.O_RDWR | os.O_NOCTTY)
        self.assertEqual(b"\x79", os.read(fd, 100))
        os.close(fd)

    def test_pty_name(self):
        path = self.dir / "x.pty"
        args = ("--name", "ap", "--control", self.dir / "ap2.sock", "--link", f"droid=pty:{path}")
        for make in (lambda: path.write_text("mine"), lambda: path.symlink_to("/dev/null"), path.mkdir):
            make()
            result = self.rpmsgd(*args)
            self.assertEqual(2, result.returncode)
            self.assertIn("exists and is no link that a pty: made", result.stderr)
            self.assertTrue(os.path.lexists(path))
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        hub = Daemon(self, "ap", "--link", f"droid=pty:{path}")
        first = os.readlink(path)
        self.assertTrue(Path(first).is_char_device())
        result = self.rpmsgd(*args)
        self.assertEqual(2, result.returncode)
        self.assertIn("in use by another process", result.stderr)
        hub.kill()  # leaves the link behind
        hub.start()
        eventually(lambda: path.exists() and self.dir.joinpath("x.pty.lock").exists(), "the new link")
        self.assertEqual(0, hub.stop())
        self.assertFalse(os.path.lexists(path))
        self.assertEqual([], [p.name for p in self.dir.iterdir() if p.suffix != ".log"])

    def test_second_to_connect_is_sent_away(self):
        port = free_port()
        hub = Daemon(self, "ap", "--link", f"audio=unix:{self.dir}/a?listen=1",
                     "--link", f"droid=tcp:127.0.0.1:{port}?listen=1")
        audio = Daemon(self, "audio", "--link", f"ap=unix:{self.dir}/a")
        droid = Daemon(self, "droid", "--link", f"ap=tcp:127.0.0.1:{port}")
        hub.wait_for("audio", "rpmsg-ping")
        hub.wait_for("droid", "rpmsg-ping")
        for family, address in ((socket.AF_UNIX, str(self.dir / "a")),
                                (socket.AF_INET, ("127.0.0.1", port))):
            for _ in range(20):
                with socket.socket(family) as intruder:
                    intruder.settimeout(10)
                    intruder.connect(address)
                    self.assertEqual(b"", intruder.recv(1))
        self.assertIn("refused a connection", hub.process.log.read_text())
        self.check_ping(audio, "ap", 20, 64)
        self.check_ping(droid, "ap", 20, 64)

    def test_listener_comes_late(self):
        port = free_port()
        audio = Daemon(self, "audio", "--link", f"ap=unix:{self.dir}/sub/a")
        droid = Daemon(self, "droid", "--link", f"ap=tcp:127.0.0.1:{port}")
        eventually(lambda: "does not exist yet" in self.reason(audio, "ap"), "the reason")
        eventually(lambda: "nobody listens" in self.reason(droid, "ap"), "the reason")
        (self.dir / "sub").mkdir()
        hub = Daemon(self, "ap", "--link", f"audio=unix:{self.dir}/sub/a?listen=1",
                     "--link", f"droid=tcp:127.0.0.1:{port}?listen=1")
        for node in (audio, droid):
            node.wait_for("ap", "rpmsg-ping")
        self.assertEqual(0, hub.stop())


class Noise(Uart):
    def test_garbage_in_the_line(self):
        """Random bytes between and in frames: nothing wrong is delivered, and nobody crashes. What
        the name service said into the noise is not said again: a new session is begun."""
        print(f"RPR_SEED={SEED}", flush=True)
        chance = random.Random(SEED)
        line = self.keep(Line(self.dir, "ttyA", "ttyB"))
        line.plug(0)
        line.plug(1)
        a = Daemon(self, "a", "--link", f"b=serial:{line.paths[0]}?flow=none&crc=require")
        b = Daemon(self, "b", "--link", f"a=serial:{line.paths[1]}?flow=none&crc=require")
        a.wait_for("b", "rpmsg-ping")
        for _ in range(10):
            for _ in range(20):
                line.shout(chance.randrange(2), chance.randbytes(chance.randrange(1, 400)))
                a.rpmsg("ping", "b", "-c", 1, "-s", 500, "-W", "0.05")
            a.call("down", device="b")
            a.call("up", device="b")
            a.wait_for("b", "rpmsg-ping")
            b.wait_for("a", "rpmsg-ping")
            self.assertEqual(0, a.rpmsg("ping", "b", 3, 64, 3, 0).returncode)
        for node, peer in ((a, "b"), (b, "a")):
            serial = node.call("dump", device=peer)["devices"][0]["serial"]
            self.assertGreater(serial["stray"] + serial["bad_length"] + serial["bad_crc"], 0)
            self.assertEqual(0, node.device(peer)["counters"]["errors"])

    def test_flipped_bits(self):
        """One bit in ten thousand: pings are lost or right."""
        chance = random.Random(SEED)

        def spoil(data):
            data = bytearray(data)
            for _ in range(len(data)):
                if chance.random() < 8e-4:
                    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            return bytes(data)

        line = self.keep(Line(self.dir, "ttyA", "ttyB"))
        line.plug(0)
        line.plug(1)
        a = Daemon(self, "a", "--link", f"b=serial:{line.paths[0]}?flow=none&crc=require")
        b = Daemon(self, "b", "--link", f"a=serial:{line.paths[1]}?flow=none&crc=require")
        a.wait_for("b", "rpmsg-ping")
        line.spoil = spoil
        for _ in range(200):
            a.rpmsg("ping", "b", "-c", 1, "-s", 64, "-W", "0.05")
        line.spoil = None
        a.call("down", device="b")
        a.call("up", device="b")
        a.wait_for("b", "rpmsg-ping")
        b.wait_for("a", "rpmsg-ping")
        self.check_ping(a, "b", 20, 64)
        for node, peer in ((a, "b"), (b, "a")):
            self.assertEqual(0, node.device(peer)["counters"]["errors"])


class Order(Uart):
    def nuttx(self, name, hub):
        edge = self.keep(NuttX(self.dir / f"{name}.pty", name, "ap"))
        hub.wait_for(name, "rpmsg-ping")
        return edge

    def nuttx_star(self):
        hub = Daemon(self, "ap", "--route", "all", "--link", f"e0=pty:{self.dir}/e0.pty",
                     "--link", f"e1=pty:{self.dir}/e1.pty")
        return hub, *self.nuttx_edges(hub)

    def nuttx_edges(self, hub):
        edges = [self.nuttx(name, hub) for name in ("e0", "e1")]
        for edge, other in zip(edges, ("e1", "e0")):
            eventually(lambda: edge.devices() == [other], "the routed device")
        self.check_ping(hub, "e0", 50, 300)
        return edges

    @staticmethod
    def destroys(edge):
        """Where in what it heard ROUTER_DESTROY is."""
        return [at for at, _, payload in edge.messages()
                if len(payload) == 20 and struct.unpack_from("<I", payload)[0] == 2]

    def check_end(self, edge):
        """Routes first, then the link, POWEROFF last: with anything else a NuttX edge crashes."""
        eventually(lambda: edge.error or (edge.heard and edge.heard[-1] == ("control", POWEROFF)),
                   "POWEROFF")
        self.assertIsNone(edge.error)
        self.assertEqual([], edge.devices())
        destroys = self.destroys(edge)
        self.assertEqual(1, len(destroys))
        self.assertNotIn(("control", POWEROFF), edge.heard[:destroys[0]])

    def check_loss(self, edge):
        """The other one is gone for it, and nothing else."""
        eventually(lambda: edge.devices() == [], "the loss")
        self.assertEqual(1, len(self.destroys(edge)))
        self.assertNotIn(("control", POWEROFF), edge.heard)
        self.assertIsNone(edge.error)

    def test_hub_ends_and_nuttx_edges_live(self):
        hub, *edges = self.nuttx_star()
        self.assertEqual(0, hub.stop())
        for edge in edges:
            eventually(lambda: edge.gone, "the end of the terminal")
            self.check_end(edge)

    def test_down_and_nuttx_edges_live(self):
        hub, *edges = self.nuttx_star()
        self.assertEqual(0, hub.rpmsg("down", "e0").returncode)
        self.assertEqual("down", hub.device("e0")["state"])
        self.check_end(edges[0])
        self.check_loss(edges[1])
        self.check_ping(hub, "e1", 5, 64)
        self.assertEqual(0, hub.rpmsg("up", "e0").returncode)
        for edge, other in zip(edges, ("e1", "e0")):
            eventually(lambda: edge.devices() == [other], "the routed device again")
        self.check_ping(hub, "e0", 5, 64)

    def test_down_of_one_that_does_not_answer(self):
        """It goes all the same; who asked is told then, whoever else asks for it in the meantime."""
        hub, deaf, other = self.nuttx_star()
        Background.close(deaf)  # its terminal stays open, nothing is read
        with hub.connect() as first, hub.connect() as second:
            first.send("down", device="e0")
            eventually(lambda: other.devices() == [], "the loss")
            second.call("up", device="e0")
            second.call("down", device="e0")
            first.answer(1)
            self.assertEqual("down", hub.device("e0")["state"])
        self.check_loss(other)

    def test_reload_and_end_while_one_goes_down(self):
        """What is under way goes on with another configuration, and does not outlast SIGTERM."""
        config = self.dir / "rpmsgd.ini"
        head = "[node]\nname=ap\n[route all]\n"
        e0, e1, e2 = (f"[link e{i}]\nurl=pty:{self.dir}/e{i}.pty\n" for i in range(3))
        config.write_text(head + e1 + e0)
        hub = Daemon(self, "ap", "-c", str(config))
        deaf, other = self.nuttx_edges(hub)
        Background.close(deaf)
        with hub.connect() as control:
            down = control.send("down", device="e0")
            eventually(lambda: other.devices() == [], "the loss")
            config.write_text(head + e0 + e1 + e2)
            hub.signal(signal.SIGHUP)
            eventually(lambda: os.path.lexists(self.dir / "e2.pty"), "the new link")
            control.answer(down)
        self.assertEqual("down", hub.device("e0")["state"])
        hub.call("up", device="e0")
        config.write_text(head + e2)
        hub.signal(signal.SIGHUP)
        self.assertEqual(0, hub.stop())
        self.check_end(other)

    def test_up_while_it_goes_down(self):
        """It has heard that the routes end, and comes back with new ones."""
        hub, *edges = self.nuttx_star()
        with hub.connect() as control:
            down = control.send("down", device="e0")
            control.send("up", device="e0")
            control.answer(down)
        for edge, other in zip(edges, ("e1", "e0")):
            eventually(lambda: len(self.destroys(edge)) == 1 and edge.devices() == [other],
                       "the end and the return")
            self.assertIsNone(edge.error)
        self.assertIn(("control", CONNREQ), edges[0].heard[self.destroys(edges[0])[0]:])

    def test_who_asked_for_down_goes_away(self):
        hub, *edges = self.nuttx_star()
        with hub.connect() as control:
            control.send("down", device="e0")
            eventually(lambda: self.destroys(edges[1]), "the end of the routes")
        self.check_end(edges[0])
        eventually(lambda: hub.device("e0")["state"] == "down", "the link to be down")

    def test_link_is_removed_and_nuttx_edges_live(self):
        config = self.dir / "rpmsgd.ini"
        keep = f"[node]\nname=ap\n[link e1]\nurl=pty:{self.dir}/e1.pty\n"
        gone = f"[link e0]\nurl=pty:{self.dir}/e0.pty\n"
        for route in ("all", "e0:e1"):
            route = f"[route {route}]\npolicy=credit\n"
            config.write_text(keep + gone + route)
            hub = Daemon(self, "ap", "-c", str(config))
            edges = self.nuttx_edges(hub)
            config.write_text(keep + (route if "all" in route else ""))
            hub.signal(signal.SIGHUP)
            eventually(lambda: edges[0].error or edges[0].gone, "the end of the terminal")
            self.check_end(edges[0])
            self.check_loss(edges[1])
            eventually(lambda: [d["name"] for d in hub.call("ls")["devices"]] == ["e1"], "its end")
            self.check_ping(hub, "e1", 5, 64)
            self.assertEqual(0, hub.stop())

    def test_down_and_up(self):
        hub = Daemon(self, "ap", "--link", f"e0=pty:{self.dir}/e0.pty")
        edge = self.nuttx("e0", hub)
        self.assertEqual(0, hub.rpmsg("down", "e0").returncode)
        eventually(lambda: edge.heard and edge.heard[-1] == ("control", POWEROFF), "POWEROFF")
        self.assertEqual("down", hub.device("e0")["state"])
        n_heard = len(edge.heard)
        self.assertRaises(Failed, hub.call, "ping", device="e0", times=1)
        self.assertEqual(n_heard, len(edge.heard))
        self.assertEqual(0, hub.rpmsg("up", "e0").returncode)
        hub.wait_for("e0", "rpmsg-ping")
        self.check_ping(hub, "e0", 5, 64)
        self.assertIn(("control", CONNREQ), edge.heard[n_heard:])

    def test_power_of_the_hub_and_nuttx_edges_live(self):
        """B8: an edge would die of SUSPEND. It hears of the other edge's power all the same."""
        hub, *edges = self.nuttx_star()
        for command in ("suspend", "resume"):
            result = hub.rpmsg(command, "e0")
            self.assertEqual(1, result.returncode)
            self.assertIn("cannot do this", result.stderr)
        self.check_ping(hub, "e0", 5, 64)
        self.assertEqual([None, None], [edge.error for edge in edges])

    def test_power_is_told_to_nuttx(self):
        hub = Daemon(self, "ap", "--link", f"e0=pty:{self.dir}/e0.pty")
        edge = self.nuttx("e0", hub)
        for command, running in (("suspend", False), ("resume", True)):
            self.assertEqual(0, hub.rpmsg(command, "e0").returncode)
            eventually(lambda: edge.error or edge.port.link.running == running, command)
        self.assertIsNone(edge.error)

    def test_burst_does_not_hang_nuttx(self):
        """B1: more answers than it has buffers; with the window it never comes to that."""
        hub = Daemon(self, "ap", "--link", f"e0=pty:{self.dir}/e0.pty")
        edge = self.nuttx("e0", hub)
        controls = [hub.connect() for _ in range(40)]
        for control in controls:
            control.send("ping", device="e0", times=5, length=64)
        for control in controls:
            self.assertEqual(0, control.answer(1)["lost"])
            control.close()
        self.assertFalse(edge.port.hung)

    def test_announcements_do_not_hang_nuttx(self):
        """B1, H-19: two edges announce more services than they have buffers, on each of their devices, and
        read on in the middle of it. The hub's answers must not fill what they have."""
        services = ("rpmsg-ping", *(f"svc{i}" for i in range(50)))
        hub = Daemon(self, "ap", "--route", "all", "--link", f"e0=pty:{self.dir}/e0.pty",
                     "--link", f"e1=pty:{self.dir}/e1.pty")
        edges = [self.keep(NuttX(self.dir / f"{name}.pty", name, "ap", services))
                 for name in ("e0", "e1")]
        eventually(lambda: any(e.port.hung or e.error for e in edges)
                   or all(e.bound(name) for e in edges for name in services),
                   "all services, routed", 60)
        self.assertEqual([(None, False)] * 2, [(e.error, e.port.hung) for e in edges])

    def test_edge_powers_off(self):
        hub = Daemon(self, "ap", "--link", f"e0=pty:{self.dir}/e0.pty")
        edge = self.nuttx("e0", hub)
        with hub.connect() as events:
            events.events()
            with edge.lock:
                edge.port.spawn("off", edge.port.power_off())
            edge.kick()
            events.until(event="device-state", device="e0", state="connecting")


class Shown(Uart):
    URLS = ("pty:/tmp/no-such-dir/p", "serial:/dev/no-such-tty?baud=9600", "unix:/tmp/no-such-dir/s?listen=1",
            "tcp:127.0.0.1:1?listen=1")

    def test_check_opens_nothing(self):
        for url in self.URLS:
            result = self.rpmsgd("--name", "ap", "--link", f"droid={url}", "--check")
            self.assertEqual((0, ""), (result.returncode, result.stderr))
        for url in ("pty:", "serial:/dev/x?baud=1", "tcp:localhost", "tcp:0.0.0.0:1?listen=1",
                    "unix:/s?window=x"):
            result = self.rpmsgd("--name", "ap", "--link", f"droid={url}", "--check")
            self.assertEqual(2, result.returncode, url)

    def test_dump(self):
        a = Daemon(self, "a", "--link", f"b=pty:{self.dir}/p?window=3")
        device = a.call("dump", device="b")["devices"][0]
        self.assertEqual("no carrier", device["serial"]["state"])
        b = Daemon(self, "b", "--link", f"a=serial:{self.dir}/p?flow=none")
        a.wait_for("b", "rpmsg-ping")
        self.check_ping(a, "b", 10, 64)
        device = a.call("dump", device="b")["devices"][0]
        serial = device["serial"]
        self.assertEqual(("connected", 3, 1), (serial["state"], serial["window"], serial["sessions"]))
        for counter in ("frames_tx", "frames_rx", "bytes_tx", "bytes_rx"):
            self.assertGreater(serial[counter], 10)
        self.assertEqual(["tx", "rx"], [queue["name"] for queue in device["queues"]])
        text = a.rpmsg("dump", "b").stdout
        for word in ("connected", "window 3", "sessions 1", "bad_crc 0"):
            self.assertIn(word, text)
        self.assertEqual(0, b.stop())

    def test_reload(self):
        """What did not change is not disturbed; what goes says so."""
        config = self.dir / "rpmsgd.ini"
        keep = f"[node]\nname=ap\n[link e0]\nurl=pty:{self.dir}/e0.pty\n"
        config.write_text(keep + f"[link e1]\nurl=pty:{self.dir}/e1.pty\n")
        hub = Daemon(self, "ap", "-c", str(config))
        edges = [self.keep(NuttX(self.dir / f"e{i}.pty", f"e{i}", "ap")) for i in (0, 1)]
        for name in ("e0", "e1"):
            hub.wait_for(name, "rpmsg-ping")
        session = hub.call("dump", device="e0")["devices"][0]["serial"]["sessions"]
        config.write_text(keep)
        hub.signal(signal.SIGHUP)
        eventually(lambda: edges[1].heard[-1] == ("control", POWEROFF), "POWEROFF")
        eventually(lambda: not os.path.lexists(self.dir / "e1.pty"), "the end of its name")
        serial = hub.call("dump", device="e0")["devices"][0]["serial"]
        self.assertEqual((session, "connected"), (serial["sessions"], serial["state"]))
        self.check_ping(hub, "e0", 5, 64)
        self.assertNotIn(("control", POWEROFF), edges[0].heard)


if __name__ == "__main__":
    main()
