# SPDX-License-Identifier: Apache-2.0
"""cat and listen: every byte, in order, once; and what each end says when something dies."""
import hashlib
import os
import random
import shutil
import signal
import subprocess

from harness import BIN, CHECKED, RPMSG, Case, eventually, main

MEGABYTES = 2 if CHECKED else 16


def noise(count, seed=1):
    return random.Random(seed).randbytes(count)


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Stream(Case):
    def listen(self, node, service="data", *args, out=None):
        """Starts `rpmsg listen`; returns it when the node announces the service."""
        out = out or self.dir / f"{service}.out"
        with open(out, "wb") as file:
            process = node.rpmsg_start("listen", service, *args, stdout=file)
        process.out = out
        return process

    def cat_start(self, node, device="droid", service="data", *args, **options):
        options.setdefault("stdin", subprocess.PIPE)
        return node.rpmsg_start("cat", device, service, *args, **options)

    def cat(self, node, data, device="droid", service="data", *args):
        return self.run_command([*self.cat_command(node), device, service, *args], input=data,
                                text=False)

    @staticmethod
    def cat_command(node):
        return [RPMSG, "-s", node.control_path, "cat"]

    def received(self, process):
        return process.out.read_bytes()

    def size(self, process):
        return process.out.stat().st_size

    # ---- all is well -----------------------------------------------------------------------------

    def test_routed(self):
        _, audio, droid = self.star("audio", "droid")
        listening = self.listen(droid)
        data = noise(MEGABYTES << 20)
        result = self.cat(audio, data)
        self.assertEqual((0, b"", b""), (result.returncode, result.stdout, result.stderr))
        self.assertEqual(0, listening.wait())
        self.assertEqual(digest(data), digest(self.received(listening)))

    def test_direct_either_starts_first(self):
        a, b = self.pair()
        data = noise(300001)
        cat = self.cat_start(a, "b")
        with a.connect() as control:
            eventually(lambda: any(route["service"] == "data" for route in control.call("ls")["routes"]),
                       "cat to be attached")
        listening = self.listen(b)
        cat.communicate(data)
        self.assertEqual((0, 0), (cat.returncode, listening.wait()))
        self.assertEqual(digest(data), digest(self.received(listening)))

    def test_nothing_at_all(self):
        """The peer may have come and gone before listen looks once."""
        a, b = self.pair()
        for _ in range(50):
            listening = self.listen(b)
            self.assertEqual(0, self.cat(a, b"", "b").returncode)
            self.assertEqual(0, listening.wait())
            self.assertEqual(b"", self.received(listening))

    def test_slow_stdin_is_sent_at_once(self):
        a, b = self.pair()
        listening = self.listen(b)
        cat = self.cat_start(a, "b")
        for word in (b"one", b"two", b"three"):
            cat.stdin.write(word)
            cat.stdin.flush()
            eventually(lambda: self.received(listening).endswith(word), f"{word} to arrive")
        cat.stdin.close()
        self.assertEqual((0, 0), (cat.wait(), listening.wait()))
        self.assertEqual(b"onetwothree", self.received(listening))

    def test_lines_are_messages(self):
        a, b = self.pair()
        before = b.device("a")["counters"]["rx"]
        listening = self.listen(b)
        text = b"".join(b"line %d\n" % i for i in range(100)) + b"rest"
        self.assertEqual(0, self.cat(a, text, "b", "data", "--lines").returncode)
        self.assertEqual(0, listening.wait())
        self.assertEqual(text, self.received(listening))
        self.assertGreaterEqual(b.device("a")["counters"]["rx"] - before, 101)

    def test_both_ways(self):
        """Two cats on one service: each names the other's CPU."""
        _, audio, droid = self.star("audio", "droid")
        up, down = noise(200000, 2), noise(300000, 3)
        first = self.cat_start(audio, "droid", "talk", "-w", 60, stdout=subprocess.PIPE)
        second = self.cat_start(droid, "audio", "talk", "-w", 60, stdout=subprocess.PIPE)
        first.stdin.write(up)
        first.stdin.flush()
        self.assertEqual(digest(up), digest(second.stdout.read(len(up))))
        second.stdin.write(down)
        second.stdin.flush()
        self.assertEqual(digest(down), digest(first.stdout.read(len(down))))
        first.stdin.close()
        second.stdin.close()
        second.terminate()
        self.assertEqual(0, first.wait(), "the peer closed while we only read on")

    def test_a_program_of_ten_lines(self):
        """examples/hello.c: a message each way over its own link, and what it says if it cannot."""
        _, audio, droid = self.star("audio", "droid")
        hello = BIN.parent / "examples" / "hello"
        environment = {**os.environ, "RPMSG_CONTROL": str(audio.control_path)}
        answering = self.cat_start(droid, "audio", "greet", "-w", 60, stdout=subprocess.PIPE)
        answering.stdin.write(b"hello yourself")
        answering.stdin.close()
        result = self.run_command([hello, "droid", "greet", "hello"], env=environment)
        self.assertEqual((0, "hello yourself\n", ""), (result.returncode, result.stdout, result.stderr))
        self.assertEqual(b"hello", answering.stdout.read())
        self.assertEqual(0, answering.wait())
        for args, says in ((("droid",), "usage: hello DEVICE SERVICE TEXT"),
                           (("nobody", "greet", "x"), "there is no device 'nobody'"),
                           (("droid", "greet", "x" * 3000), "greet on droid: ")):
            if len(args) == 3 and len(args[2]) > 1:
                self.cat_start(droid, "audio", "greet")
            result = self.run_command([hello, *args], env=environment)
            self.assertEqual((1, ""), (result.returncode, result.stdout))
            self.assertRegex(result.stderr, f"^{says}.*\n$")

    def test_a_stdout_that_is_not_read_stops_the_sender_only(self):
        _, audio, droid, third = self.star("audio", "droid", "third")
        stopped = droid.rpmsg_start("listen", "data", stdout=subprocess.PIPE)
        data = noise(8 << 20)
        (self.dir / "input").write_bytes(data)
        with open(self.dir / "input", "rb") as file:
            cat = self.cat_start(audio, "droid", "data", stdin=file)
        first = stopped.stdout.read(1)
        others = self.listen(droid, "other")
        self.assertEqual(0, self.cat(third, data[:100000], "droid", "other").returncode)
        self.assertEqual(0, others.wait())
        self.assertEqual(0, audio.rpmsg("ping", "droid", "-c", 50).returncode)
        self.assertIsNone(cat.poll())
        got = first + stopped.stdout.read()
        self.assertEqual((0, 0), (cat.wait(), stopped.wait()))
        self.assertEqual(len(data), len(got))
        self.assertEqual(digest(data), digest(got))

    def test_listen_goes_on(self):
        _, audio, droid = self.star("audio", "droid")
        listening = self.listen(droid, "data", "-k")
        for word in (b"one ", b"two ", b"three "):
            self.assertEqual(0, self.cat(audio, word).returncode)
            eventually(lambda: self.received(listening).endswith(word), f"{word} to arrive")
        self.assertEqual(b"one two three ", self.received(listening))
        self.assertIsNone(listening.poll())

    def test_verbose_counts(self):
        a, b = self.pair()
        listening = self.listen(b, "data", "-v")
        result = self.cat(a, b"x" * 5000, "b", "data", "-v")
        self.assertRegex(result.stderr.decode(), r"sent 5000 bytes in 3 messages")
        self.assertEqual(0, listening.wait())
        self.assertIn("received 5000 bytes in 3 messages", listening.log.read_text())

    # ---- refusals --------------------------------------------------------------------------------

    def check_refused(self, result, status, says):
        """The daemon's own words, on one line."""
        self.assertEqual(status, result.returncode, result.stderr)
        self.assertEqual(1, result.stderr.count("\n"), result.stderr)
        self.assertRegex(result.stderr, f"^rpmsg (cat|listen): {says}")

    def test_refusals(self):
        _, audio, droid = self.star("audio", "droid")
        self.check_refused(audio.rpmsg("cat", "nobody", "data"), 3, "there is no device 'nobody'")
        self.check_refused(audio.rpmsg("cat", "droid", "data", "-t", "0.05"), 3, "nobody serves")
        long = "x" * 22
        self.check_refused(audio.rpmsg("cat", "droid", long), 1, f"the service name '{long}' .* 21 ")
        self.listen(droid)
        eventually(lambda: any(route["service"] == "data" for route in droid.call("ls")["routes"]),
                   "the service")
        self.check_refused(droid.rpmsg("listen", "data"), 1, "the service 'data' is served by another")
        self.assertEqual(0, audio.rpmsg("down", "ap").returncode)
        self.check_refused(audio.rpmsg("cat", "ap", "data"), 3, "'ap' is not up")

    def test_strangers_are_denied(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to be somebody else")
        a, _ = self.pair()
        self.dir.chmod(0o755)
        a.control_path.chmod(0o666)
        program = self.dir / "rpmsg"
        shutil.copy(RPMSG, program)
        for args in (("cat", "b", "data"), ("listen", "data")):
            result = self.run_command([program, "-s", a.control_path, *args], user=65534, group=65534,
                                      extra_groups=[])
            self.check_refused(result, 1, "only the daemon's user and root may attach")

    def test_broken_stdout_is_1(self):
        a, b = self.pair()
        process = b.rpmsg_start("listen", "data", stdout=subprocess.PIPE)
        process.stdout.close()
        cat = self.cat_start(a, "b")
        cat.stdin.write(b"x" * 1000)
        cat.stdin.flush()
        self.assertEqual(1, process.wait())
        self.assertEqual(3, cat.wait(), "without a need to end its stdin")
        self.assertIn("bytes were taken", cat.log.read_text())

    # ---- deaths ----------------------------------------------------------------------------------

    def feed(self, audio, data, service="data"):
        path = self.dir / "input"
        path.write_bytes(data)
        with open(path, "rb") as file:
            return self.cat_start(audio, "droid", service, stdin=file)

    def test_kill_cat(self):
        """Every byte that its link took is written, in order; then listen ends with 0."""
        _, audio, droid = self.star("audio", "droid")
        data = noise(64 << 20)
        for round_ in range(3):
            listening = self.listen(droid)
            cat = self.feed(audio, data)
            eventually(lambda: self.size(listening) > (round_ + 1) * 100000, "some bytes")
            cat.kill()
            self.assertEqual(0, listening.wait())
            got = self.received(listening)
            self.assertEqual(digest(data[:len(got)]), digest(got))

    def test_kill_cat_when_all_was_taken(self):
        """Nothing that is on its way, parked at some hop, is lost with the sender."""
        _, audio, droid = self.star("audio", "droid")
        messages = 400
        data = noise(messages * audio.device("droid")["tx_len"])
        for _ in range(3):
            stuck = droid.rpmsg_start("listen", "data", stdout=subprocess.PIPE)
            cat = self.cat_start(audio)
            cat.stdin.write(data)
            cat.stdin.flush()
            eventually(lambda: self.taken(audio) == messages, "all to be taken")
            cat.kill()
            cat.wait()
            self.assertEqual(digest(data), digest(stuck.stdout.read()))
            self.assertEqual(0, stuck.wait())

    def test_kill_cat_when_hops_are_full(self):
        """What the sender's own node holds back, because nobody further on has room, arrives too."""
        _, audio, droid = self.star("audio", "droid")
        data = noise(64 << 20)
        stuck = droid.rpmsg_start("listen", "data", stdout=subprocess.PIPE)
        cat = self.feed(audio, data)
        eventually(lambda: any(route["parked"] > 0 for route in audio.call("ls")["routes"]
                               if route["from"].startswith("@")), "messages to be held back")
        taken = self.taken(audio) * audio.device("droid")["tx_len"]
        cat.kill()
        got = stuck.stdout.read()
        self.assertEqual(0, stuck.wait())
        self.assertGreaterEqual(len(got), taken)
        self.assertEqual(digest(data[:len(got)]), digest(got))

    @staticmethod
    def taken(node):
        """Messages that the node has taken from the program that is attached to it."""
        return sum(route["forwarded"] + route["parked"] for route in node.call("ls")["routes"]
                   if route["from"].startswith("@"))

    def test_kill_listen(self):
        _, audio, droid = self.star("audio", "droid")
        listening = self.listen(droid)
        with open("/dev/zero", "rb") as endless:
            cat = self.cat_start(audio, stdin=endless)
        eventually(lambda: self.size(listening) > 100000, "some bytes")
        listening.kill()
        self.assertEqual(3, cat.wait())
        self.assertRegex(cat.log.read_text(), r"\d+ bytes were taken")

    def check_loss(self, victim):
        """Whoever dies: listen ends with 3 or has everything, and never has anything wrong."""
        nodes = dict(zip(("ap", "audio", "droid"), self.star("audio", "droid")))
        data = noise(64 << 20)
        listening = self.listen(nodes["droid"])
        cat = self.feed(nodes["audio"], data)
        eventually(lambda: self.size(listening) > 100000, "some bytes")
        nodes[victim].kill()
        self.assertEqual(3, listening.wait())
        self.assertEqual(3, cat.wait())
        got = self.received(listening)
        self.assertEqual(digest(data[:len(got)]), digest(got))

    def test_kill_hub(self):
        self.check_loss("ap")

    def test_down_under_a_stream(self):
        """A link that is taken down is a loss for both ends, and up again it carries a new stream."""
        hub, audio, droid = self.star("audio", "droid")
        for node, device in ((audio, "ap"), (droid, "ap"), (hub, "droid")):
            data = noise(64 << 20)
            listening = self.listen(droid)
            cat = self.feed(audio, data)
            eventually(lambda: self.size(listening) > 100000, "some bytes")
            self.assertEqual(0, node.rpmsg("down", device).returncode)
            self.assertEqual((3, 3), (listening.wait(), cat.wait()), node.name)
            self.assertRegex(cat.log.read_text(), r"\d+ bytes were taken\n$")
            self.assertRegex(listening.log.read_text(), r"lost after \d+ bytes\n$")
            got = self.received(listening)
            self.assertEqual(digest(data[:len(got)]), digest(got))
            self.assertEqual(3, audio.rpmsg("cat", "droid", "data").returncode)
            self.assertEqual(0, node.rpmsg("up", device).returncode)
            audio.wait_for("droid", "rpmsg-ping")
            droid.wait_for("audio", "rpmsg-ping")
            listening = self.listen(droid)
            self.assertEqual(0, self.cat(audio, b"again").returncode)
            self.assertEqual(0, listening.wait())
            self.assertEqual(b"again", self.received(listening))

    def test_kill_sending_daemon(self):
        self.check_loss("audio")

    def test_kill_receiving_daemon(self):
        self.check_loss("droid")

    def test_listen_never_says_0_with_bytes_missing(self):
        """A daemon or the hub is killed about when the sender ends: the hard moment."""
        rounds = int(os.environ.get("RPR_KILLS", 12)) // 4
        for round_ in range(rounds):
            for victim in ("ap", "audio", "droid"):
                for number in (signal.SIGKILL, signal.SIGTERM):
                    with self.subTest(round=round_, victim=victim, signal=number):
                        self.kill_at_end(victim, round_, number)

    def kill_at_end(self, victim, round_, number):
        nodes = dict(zip(("ap", "audio", "droid"), self.star("audio", "droid")))
        try:
            self.kill_while_copying(nodes, victim, (round_ % 4 + 1) / 5, number)
        finally:
            for node in nodes.values():
                if node.process.poll() is None:
                    node.stop()

    def kill_while_copying(self, nodes, victim, share, number):
        data = noise(1 << 20)
        listening = self.listen(nodes["droid"])
        cat = self.feed(nodes["audio"], data)
        eventually(lambda: self.size(listening) >= len(data) * share, "bytes")
        nodes[victim].signal(number)
        nodes[victim].process.wait()
        status = listening.wait()
        cat.wait()
        got = self.received(listening)
        self.assertEqual(digest(data[:len(got)]), digest(got))
        if status == 0:
            self.assertEqual(len(data), len(got))
        else:
            self.assertEqual(3, status)


if __name__ == "__main__":
    main()
