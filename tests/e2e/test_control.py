# SPDX-License-Identifier: Apache-2.0
"""The control socket under garbage, crowds, strangers and rivals (docs/CONTROL.md)."""
import json
import os
import random
import resource
import socket
import struct
import stat
import subprocess

from harness import BIN, CHECKED, Case, Daemon, Failed, eventually, main

LINE_MAX = 65536


class Garbage(Case):
    def setUp(self):
        super().setUp()
        self.node = Daemon(self, "one", "--link", f"x={self.url('x', True)}")

    def tearDown(self):
        if self.node.process.poll() is None:
            self.assertEqual(0, self.node.stop())
        super().tearDown()

    def error_of(self, control, line):
        control.socket.sendall(line + b"\n")
        answer = control.line()
        self.assertFalse(answer["ok"])
        return answer["id"], answer["error"]["code"]

    def check_goes_on(self, control):
        self.assertEqual("one", control.call("ls")["node"])

    def test_hello(self):
        with self.node.connect() as control:
            self.assertEqual("one", control.hello["node"])
            self.assertEqual(1, control.hello["protocol"])
            self.assertRegex(control.hello["version"], r"^\d+\.\d+\.\d+$")

    def test_bad_lines_are_answered_and_it_goes_on(self):
        with self.node.connect() as control:
            for line in (b"", b"x", b"{", b"null", b"[]", b"1", b'"x"', b"\0\0\0", b'{"id":1}\0',
                         b"\xff\xfe", b'{"id":1,"id":2,"cmd":"ls"}', b"[" * 60000, b'{"a":' * 10000,
                         b"{}}", b'{"cmd":"l\\ud800s"}'):
                self.assertEqual((None, True), (self.error_of(control, line)[0], True), line[:40])
            self.check_goes_on(control)

    def test_wrong_types(self):
        with self.node.connect() as control:
            for request, code in (
                    ({}, "bad-request"), ({"cmd": 1}, "bad-request"), ({"cmd": None}, "bad-request"),
                    ({"cmd": "frob"}, "unknown-command"), ({"cmd": ""}, "unknown-command"),
                    ({"cmd": "x" * 60000}, "unknown-command"),
                    ({"cmd": "ls", "args": []}, "bad-request"),
                    ({"cmd": "ls", "args": {"device": 1}}, "bad-request"),
                    ({"cmd": "ls", "args": {"device": "nobody"}}, "no-device"),
                    ({"cmd": "dump", "args": {"device": {}}}, "bad-request"),
                    ({"cmd": "wait"}, "bad-request"),
                    ({"cmd": "wait", "args": {"device": "x", "timeout_ms": -1}}, "bad-request"),
                    ({"cmd": "wait", "args": {"device": "x", "timeout_ms": "1"}}, "bad-request"),
                    ({"cmd": "wait", "args": {"device": "x", "timeout_ms": 0}}, "timeout"),
                    ({"cmd": "wait", "args": {"device": "x", "service": []}}, "bad-request"),
                    ({"cmd": "ping"}, "bad-request"),
                    ({"cmd": "ping", "args": {"device": "x"}}, "not-up"),
                    ({"cmd": "ping", "args": {"device": "x", "times": 0}}, "bad-request"),
                    ({"cmd": "ping", "args": {"device": "x", "times": 1e3}}, "bad-request"),
                    ({"cmd": "ping", "args": {"device": "x", "length": 1 << 60}}, "bad-request"),
                    ({"cmd": "ping", "args": {"device": "x", "cmd": 256}}, "bad-request"),
                    ({"cmd": "suspend", "args": {"device": None}}, "bad-request"),
                    ({"cmd": "suspend", "args": {"device": "x"}}, "not-up"),
                    ({"cmd": "attach"}, "bad-request"),
                    ({"cmd": "attach", "args": {"service": ""}}, "bad-request"),
                    ({"cmd": "attach", "args": {"service": "x" * 60000}}, "bad-request"),
                    ({"cmd": "attach", "args": {"service": "s", "device": "x"}}, "not-up"),
                    ({"cmd": "attach", "args": {"service": "s", "device": "nobody"}}, "no-device"),
                    ({"cmd": "cancel", "args": {"id": 99}}, "no-command")):
                request["id"] = "mine"
                self.assertEqual(("mine", code), self.error_of(control, json.dumps(request).encode()),
                                 str(request)[:80])
            self.assertEqual((None, "bad-request"), self.error_of(control, b'{"id":{},"cmd":"ls"}'))
            self.check_goes_on(control)

    def test_half_lines_and_single_bytes(self):
        with self.node.connect() as control:
            for byte in b'{"id":1,"cmd":"ls"}\n':
                control.socket.sendall(bytes([byte]))
            self.assertEqual("one", control.answer(1)["node"])
        with self.node.connect() as control:
            control.socket.sendall(b'{"id":1,"cmd":"l')
        with self.node.connect() as control:
            self.check_goes_on(control)

    def test_many_commands_in_one_write(self):
        with self.node.connect() as control:
            control.socket.sendall(b'{"id":1,"cmd":"stats"}\n' * 500)
            for _ in range(500):
                self.assertTrue(control.line()["ok"])

    def test_answers_after_a_half_close(self):
        """As with `echo ... | socat`: who has said all still hears the answers."""
        with self.node.connect() as control:
            control.socket.sendall(b'{"id":1,"cmd":"ls"}\n{"id":2,"cmd":"stats"}\n')
            control.socket.shutdown(socket.SHUT_WR)
            self.assertTrue(control.line()["ok"])
            self.assertTrue(control.line()["ok"])
            self.assertRaises(EOFError, control.line)

    def test_the_longest_line_and_one_too_long(self):
        request = b'{"id":1,"cmd":"ls","args":{"x":"%s"}}'
        with self.node.connect() as control:
            control.socket.sendall(request % (b"x" * (LINE_MAX - 1 - len(request) + 2)) + b"\n")
            self.assertTrue(control.line()["ok"])
        for length in (LINE_MAX, 1 << 20):
            with self.node.connect() as control:
                try:
                    control.socket.sendall(b"x" * length + b"\n")
                    self.assertEqual("too-long", control.line()["error"]["code"])
                    self.assertRaises((EOFError, ConnectionResetError), control.line)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # it ended while we were still sending
        with self.node.connect() as control:
            self.check_goes_on(control)

    def test_who_does_not_read_is_cut_off(self):
        before = self.node.resident_kb()
        with self.node.connect() as deaf, self.node.connect() as busy:
            deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.send("events")
            for _ in range(20000):
                busy.call("down", device="x")
                busy.call("up", device="x")
                if not self.watches(deaf):
                    break
            else:
                self.fail("it was not cut off")
            if not CHECKED:
                self.assertLess(self.node.resident_kb(), before + 8192)
            with self.node.connect() as control:
                self.check_goes_on(control)

    @staticmethod
    def watches(control):
        """Is the connection still there? Looks without reading."""
        control.socket.setblocking(False)
        try:
            control.socket.send(b" ")
            return True
        except BlockingIOError:
            return True
        except OSError:
            return False

    def test_who_asks_without_reading_waits(self):
        """Commands whose answers are not read are not taken either: no memory, no cut."""
        with self.node.connect() as control:
            control.socket.settimeout(0.2)
            line = b'{"id":1,"cmd":"dump"}\n'
            sent = 0
            try:
                while sent < 8 << 20:
                    sent += control.socket.send(line * 100)
            except TimeoutError:
                pass
            self.assertLess(sent, 8 << 20)
            control.socket.settimeout(20)
            for _ in range(sent // len(line)):
                self.assertTrue(control.line()["ok"])

    def test_disconnect_in_the_middle_of_an_answer(self):
        for _ in range(100):
            with self.node.connect() as control:
                control.socket.sendall(b'{"id":1,"cmd":"dump"}\n' * 50)
        with self.node.connect() as control:
            self.check_goes_on(control)

    def test_descriptors_that_nobody_asked_for(self):
        with self.node.connect() as control:
            before = self.node.n_descriptors()
            for _ in range(10):
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", 0))]
                control.socket.sendmsg([b'{"id":1,"cmd":"ls"}\n'], rights)
                self.assertTrue(control.line()["ok"])
            self.assertEqual(before, self.node.n_descriptors())

    def test_random_bytes(self):
        chance = random.Random(7)
        words = [b"{", b"}", b'"id"', b":", b"1", b",", b'"cmd"', b'"ls"', b'"args"', b"[", b"]", b"\n",
                 b"\0", b"\xff", b'"attach"', b'"service"', b'"device"', b"null", b"1e999", b"-", b" "]
        for _ in range(200):
            with self.node.connect() as control:
                try:
                    control.socket.sendall(b"".join(chance.choices(words, k=500)) + b"\n")
                except (BrokenPipeError, ConnectionResetError):
                    pass
        with self.node.connect() as control:
            self.check_goes_on(control)

    def test_a_thousand_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 1200:
            self.skipTest(f"only {hard} descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
        before = self.node.n_descriptors()
        crowd = [self.node.connect() for _ in range(1000)]
        crowd[0].send("ls")
        crowd[999].send("ls")
        self.assertEqual("one", crowd[999].answer(1)["node"])
        self.assertEqual("one", crowd[0].answer(1)["node"])
        for control in crowd:
            control.close()
        eventually(lambda: self.node.n_descriptors() <= before, "the connections to be closed")

    def test_out_of_descriptors(self):
        """The connection that finds none left is ended; the daemon neither spins nor ends."""
        self.node.stop()
        limit = (40, 40)
        self.node.process = self.popen(
            ["prlimit", f"--nofile={limit[0]}:{limit[1]}", BIN / "rpmsgd", "--name", "one",
             "--control", self.node.control_path], "rpmsgd-limited")
        self.node.wait_ready()
        crowd, refused = [], 0
        for _ in range(60):
            try:
                crowd.append(self.node.connect())
            except (EOFError, ConnectionResetError):
                refused += 1
        self.assertGreater(refused, 10)
        self.assertGreater(len(crowd), 10)
        for control in crowd:
            control.close()
        eventually(self.node.is_ready, "room again")
        with self.node.connect() as control:
            self.check_goes_on(control)


class Jobs(Case):
    def test_cancel(self):
        a, _ = self.pair()
        with a.connect() as control:
            wait = control.send("wait", device="nobody")
            ping = control.send("ping", device="b", times=100000000, period_ms=1)
            events = control.send("events")
            control.call("cancel", id=ping)
        with a.connect() as control:
            wait = control.send("wait", device="nobody")
            cancel = control.send("cancel", id=wait)
            self.assertEqual({"id": wait, "ok": False}, self.head(control.line()))
            self.assertEqual({"id": cancel, "ok": True}, self.head(control.line()))
            events = control.send("events")
            control.line()
            cancel = control.send("cancel", id=events)
            self.assertEqual({"id": events, "ok": True}, self.head(control.line()))
            self.assertEqual({"id": cancel, "ok": True}, self.head(control.line()))

    @staticmethod
    def head(line):
        return {"id": line["id"], "ok": line["ok"]}

    def test_too_many(self):
        a, _ = self.pair()
        with a.connect() as control:
            for _ in range(64):
                control.send("wait", device="nobody")
            with self.assertRaises(Failed) as caught:
                control.call("wait", device="nobody")
            self.assertEqual("busy", caught.exception.code)
        with a.connect() as control:
            self.assertEqual("a", control.call("ls")["node"])


class Place(Case):
    """What may be at the path, and who may connect."""

    def check_refused(self, path, says):
        result = self.rpmsgd("--name", "two", "--control", path, "--link", f"x={self.url('y', True)}")
        self.assertEqual(2, result.returncode, result.stderr)
        self.assertEqual(1, result.stderr.count("\n"), result.stderr)
        self.assertIn(str(path), result.stderr)
        self.assertIn(says, result.stderr)

    def test_a_second_daemon_is_refused(self):
        node = Daemon(self, "one")
        self.check_refused(node.control_path, "")
        self.assertEqual(0, node.rpmsg("ls").returncode)
        node.kill()
        Daemon(self, "two", control=node.control_path)

    def test_nothing_else_is_replaced(self):
        path = self.dir / "c"
        path.write_text("precious")
        self.check_refused(path, "")
        self.assertEqual("precious", path.read_text())
        path.unlink()
        path.symlink_to(self.dir / "elsewhere")
        self.check_refused(path, "")
        self.assertTrue(path.is_symlink())
        path.unlink()
        path.mkdir()
        self.check_refused(path, "")
        path.rmdir()
        self.check_refused(self.dir / "no" / "such" / "c", "")
        self.check_refused(self.dir / ("x" * 120), "")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.bind(str(path))
            other.listen()
            self.check_refused(path, "")
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect(str(path))

    def test_mode(self):
        node = Daemon(self, "one")
        self.assertEqual(0o660, stat.S_IMODE(node.control_path.stat().st_mode))

    PYTHON = "/usr/bin/python3"
    STRANGER = """
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
lines = s.makefile("r")
lines.readline()
for command in ("ls", "suspend", "up", "down", "resume", "ping", "attach", "stats"):
    s.sendall(json.dumps({"id": command, "cmd": command,
                          "args": {"device": "b", "service": "x"} if command != "stats" else {}}).encode() + b"\\n")
    answer = json.loads(lines.readline())
    print(command, answer["ok"] or answer["error"]["code"])
"""

    def test_strangers_may_only_look(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to be somebody else")
        if not os.path.exists(self.PYTHON):
            self.skipTest(f"no {self.PYTHON}, which anybody may run")
        a, _ = self.pair()
        self.dir.chmod(0o755)
        a.control_path.chmod(0o666)
        result = subprocess.run([self.PYTHON, "-c", self.STRANGER, str(a.control_path)], text=True,
                                user=65534, group=65534, extra_groups=[], capture_output=True, check=True)
        self.assertEqual("ls True\nsuspend denied\nup denied\ndown denied\nresume denied\nping denied\n"
                         "attach denied\nstats True\n", result.stdout)
        self.assertEqual("up", a.device("b")["state"])


if __name__ == "__main__":
    main()
