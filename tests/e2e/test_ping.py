# SPDX-License-Identifier: Apache-2.0
"""ping: NuttX's lines, losses, exit statuses (WIRE 6.1, INTERFACE 3 and 4)."""
import json
import re
import signal

from harness import Case, RPMSG, eventually, main

LINES = re.compile(r"""ping times: (?P<times>\d+)
buffer_len: (?P<buffer>\d+), send_len: (?P<length>\d+)
avg: (?P<avg_s>\d+) s, (?P<avg>\d+) ns
min: (?P<min_s>\d+) s, (?P<min>\d+) ns
max: (?P<max_s>\d+) s, (?P<max>\d+) ns
rate: (?P<rate>\d+\.\d{6}) Mbits/sec
""")
KEYS = {"device", "via", "times", "lost", "length", "buffer_len", "rtt_ns", "rate_mbps"}


class Ping(Case):
    def check_lines(self, text, times, length):
        match = LINES.match(text)
        self.assertTrue(match, text)
        value = {key: float(number) for key, number in match.groupdict().items()}
        self.assertEqual((times, length), (value["times"], value["length"]))
        self.assertLessEqual(value["min"], value["avg"])
        self.assertLessEqual(value["avg"], value["max"] + value["max_s"] * 1e9)
        average = value["avg_s"] * 1e9 + value["avg"]
        self.assertAlmostEqual(length * 8e3 / average, value["rate"], delta=1e-5)
        return match.end()

    def test_direct(self):
        a, _ = self.pair()
        result = a.rpmsg("ping", "b", "-c", 100, "-s", 64)
        self.assertEqual((0, ""), (result.returncode, result.stderr))
        rest = result.stdout[self.check_lines(result.stdout, 100, 64):]
        self.assertRegex(rest, r"^lost: 0 of 100\np50: \d+ ns, p99: \d+ ns, p99.9: \d+ ns\n$")

    def test_positions_as_in_nuttx(self):
        a, _ = self.pair()
        result = a.rpmsg("ping", "/dev/rpmsg/b", "20", "1", "3", "1")
        self.assertEqual(0, result.returncode, result.stderr)
        self.check_lines(result.stdout, 20, 17)

    def test_longer_than_a_buffer_is_cut_to_it(self):
        a, _ = self.pair()
        result = a.rpmsg("ping", "b", "-c", 3, "-s", 60000)
        self.assertEqual(0, result.returncode, result.stderr)
        self.check_lines(result.stdout, 3, a.device("b")["tx_len"])

    def test_json(self):
        _, audio, _ = self.star("audio", "droid")
        result = audio.rpmsg("ping", "droid", "-c", 50, "--json")
        self.assertEqual(0, result.returncode, result.stderr)
        ping = json.loads(result.stdout)
        self.assertEqual(KEYS, set(ping))
        self.assertEqual({"min", "avg", "p50", "p99", "p999", "max"}, set(ping["rtt_ns"]))
        self.assertEqual(("droid", "ap", 50, 0, 17),
                         tuple(ping[key] for key in ("device", "via", "times", "lost", "length")))
        self.assertEqual(audio.device("droid")["tx_len"], ping["buffer_len"])
        rtt = ping["rtt_ns"]
        self.assertLessEqual(rtt["min"], rtt["avg"])
        self.assertLessEqual(rtt["p50"], rtt["p99"])
        self.assertLessEqual(rtt["p99"], rtt["p999"])
        self.assertGreater(rtt["max"], 0)
        self.assertGreater(ping["rate_mbps"], 0)

    def test_without_answer(self):
        a, b = self.pair()
        before = b.device("a")["counters"]["rx"]
        result = a.rpmsg("ping", "b", "30", "64", "0", "0", "--json")
        self.assertEqual(0, result.returncode, result.stderr)
        ping = json.loads(result.stdout)
        self.assertEqual(KEYS, set(ping))
        self.assertIsNone(ping["lost"])
        self.assertIsNone(ping["rtt_ns"])
        self.assertGreater(ping["rate_mbps"], 0)
        self.assertEqual(30, b.device("a")["counters"]["rx"] - before)
        result = a.rpmsg("ping", "b", "30", "64", "0", "0")
        self.assertEqual((0, ""), (result.returncode, result.stderr))
        rest = result.stdout[self.check_lines(result.stdout, 30, 64):]
        self.assertRegex(rest, r"^p50: \d+ ns, p99: \d+ ns, p99.9: \d+ ns\n$", "nobody knows of losses")

    def test_what_could_not_be_sent_is_said(self):
        """Without ACK only what found no buffer in time is known not to have arrived."""
        a, b = self.pair()
        b.signal(signal.SIGSTOP)
        result = a.rpmsg("ping", "b", "300", "64", "0", "0", "-W", "0.001")
        self.assertEqual(1, result.returncode, result.stdout)
        self.assertRegex(result.stderr, r"^rpmsg ping: b: \d+ of 300 could not be sent\n$")
        self.check_lines(result.stdout, 300, 64)
        result = a.rpmsg("ping", "b", "3", "64", "0", "0", "-W", "0.001")
        self.assertEqual(3, result.returncode, result.stdout)
        self.assertEqual("ping times: 3\n", result.stdout.splitlines(True)[0])
        self.assertNotIn("avg", result.stdout)
        b.signal(signal.SIGCONT)

    def test_random_length_and_check(self):
        a, _ = self.pair()
        self.assertEqual(0, a.rpmsg("ping", "b", "200", "500", "7", "0").returncode)

    def test_all(self):
        _, audio, *_ = self.star("audio", "droid", "third")
        result = audio.rpmsg("ping", "all", "-c", 5, "--json")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual({"ap", "droid", "third"},
                         {json.loads(line)["device"] for line in result.stdout.splitlines()})

    def test_stopped_hub_is_3_and_all_lost(self):
        hub, audio, _ = self.star("audio", "droid")
        hub.signal(signal.SIGSTOP)
        result = audio.rpmsg("ping", "droid", "-c", 2, "-W", "0.1", "--json")
        hub.signal(signal.SIGCONT)
        self.assertEqual(3, result.returncode, result.stderr)
        self.assertEqual(2, json.loads(result.stdout)["lost"])
        self.assertEqual(0, audio.rpmsg("ping", "droid", "-c", 5).returncode)

    def test_interrupt_prints_what_was_measured(self):
        a, b = self.pair()
        process = self.popen([RPMSG, "-s", a.control_path, "ping", "b", "-c", 1000000, "-i", "0.001"],
                             "ping", stdout=-1, text=True)
        before = b.device("a")["counters"]["rx"]
        eventually(lambda: b.device("a")["counters"]["rx"] > before + 5, "some pings")
        process.send_signal(signal.SIGINT)
        text = process.stdout.read()
        self.assertEqual(0, process.wait())
        match = LINES.match(text)
        self.assertTrue(match, text)
        self.assertGreater(int(match["times"]), 4)
        self.assertLess(int(match["times"]), 1000000)

    def test_a_second_interrupt_ends_it_when_the_daemon_does_not(self):
        a, b = self.pair()
        process = a.rpmsg_start("ping", "b", "-c", 1000000, "-i", "0.001")
        before = b.device("a")["counters"]["rx"]
        eventually(lambda: b.device("a")["counters"]["rx"] > before + 5, "some pings")
        a.signal(signal.SIGSTOP)

        def interrupted():
            process.send_signal(signal.SIGINT)
            return process.poll() is not None
        eventually(interrupted, "it to end")
        self.assertEqual(-signal.SIGINT, process.returncode)

    def test_client_gone_ends_its_ping(self):
        a, b = self.pair()
        with a.connect() as control:
            control.send("ping", device="b", times=100000000, period_ms=1)
            before = b.device("a")["counters"]["rx"]
            eventually(lambda: b.device("a")["counters"]["rx"] > before + 2, "some pings")
        self.assertEqual(0, a.rpmsg("ping", "b", "-c", 5).returncode)
        with a.connect() as control:
            control.send("ping", device="b", times=3)
            self.assertEqual(3, control.answer(1)["times"])


if __name__ == "__main__":
    main()
