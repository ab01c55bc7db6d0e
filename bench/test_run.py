#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The runner itself: figures, ratios, what it prints, and that nothing survives an interrupt."""
import argparse
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import run  # noqa: E402

RUN = Path(run.__file__)


class Figures(unittest.TestCase):
    def test_result_is_median_min_max_and_count(self):
        self.assertEqual(run.result_of("stack_64", [3.0, 1.0, 50.0]),
                         {"name": "stack_64", "unit": "ns", "value": 3.0, "runs": 3,
                          "min": 1.0, "max": 50.0})

    def test_unit(self):
        self.assertEqual(run.unit_of("direct_rtt_poll"), "ns")
        for name in ("stack_64_instructions", "stack_64_instructions_at_10_endpoints",
                     "hub_instructions_at_2_edges"):
            self.assertEqual(run.unit_of(name), "instructions")

    def test_drift_compares_halves_in_either_direction(self):
        self.assertEqual(run.drift_of([10.0] * 6), 0)
        self.assertAlmostEqual(run.drift_of([10, 10, 10, 12, 12, 12]), 0.2)
        self.assertAlmostEqual(run.drift_of([12, 12, 12, 10, 10, 10]), 0.2)

    def test_drift_forgives_one_outlier(self):
        self.assertEqual(run.drift_of([10, 10, 99, 10, 10, 10]), 0)

    def test_worst_drift_names_the_floor(self):
        samples = {"a": [1, 1], "b": [1, 2], "not_a_floor": [1, 9]}
        self.assertEqual(run.worst_drift(samples, ["a", "b", "absent"]), (1.0, "b"))


class Ratios(unittest.TestCase):
    def one(self, target, medians):
        ratios, missing = run.ratios_of(medians, [target])
        self.assertEqual(missing, [])
        return ratios[0]

    def test_quotient(self):
        target = run.Quotient("stack_64", "floor_ring_64", 2.1)
        self.assertEqual(self.one(target, {"stack_64": 42.0, "floor_ring_64": 20.0}),
                         {"name": "stack_64/floor_ring_64", "value": 2.1, "target": 2.1,
                          "held": True})
        self.assertFalse(self.one(target, {"stack_64": 43.0, "floor_ring_64": 20.0})["held"])

    def test_scaled_time_follows_the_floor_of_this_run(self):
        target = run.Scaled("routed_oneway_64_1core", 200, "floor_ring_64", 21)
        slow = self.one(target, {"routed_oneway_64_1core": 390.0, "floor_ring_64": 42.0})
        self.assertEqual((slow["value"], slow["held"]), (195.0, True))
        fast = self.one(target, {"routed_oneway_64_1core": 195.0, "floor_ring_64": 10.5})
        self.assertEqual((fast["value"], fast["held"]), (390.0, False))

    def test_spread_is_largest_over_smallest(self):
        target = run.Spread("equal", ("a", "b", "c"), 1.05)
        self.assertTrue(self.one(target, {"a": 100, "b": 104, "c": 102})["held"])
        self.assertFalse(self.one(target, {"a": 100, "b": 106, "c": 102})["held"])

    def test_what_was_not_measured_is_no_ratio(self):
        targets = [run.Limit("a", 1), run.Quotient("b", "c", 1), run.Spread("d", ("b", "c"), 1)]
        ratios, missing = run.ratios_of({"b": 1.0}, targets)
        self.assertEqual((ratios, missing), ([], ["a", "b", "d"]))

    def test_targets_use_names_of_the_interface(self):
        floors = [name for program in run.FLOORS for name in program.names]
        for target in run.TARGETS:
            if isinstance(target, run.Scaled):
                self.assertIn(target.floor, floors)
            if isinstance(target, run.Quotient):
                self.assertRegex(target.over, "^(floor|peer)_")


class Lines(unittest.TestCase):
    def test_values(self):
        self.assertEqual(run.parse_lines("a 1\nb_64 2.5e3\n", "p"), {"a": 1.0, "b_64": 2500.0})

    def test_refused(self):
        for text in ("", "a", "a b", "a 1 2", "a 0", "a -1", "a 1\na 2", "a inf", "a 1e999", "a e"):
            with self.subTest(text=text), self.assertRaises(run.BenchError):
                run.parse_lines(text, "p")

    def test_peer_names_get_their_prefix_once(self):
        self.assertEqual(run.peer_name("zmq", "routed_rtt_1core"), "peer_zmq_routed_rtt_1core")
        self.assertEqual(run.peer_name("zmq", "peer_zmq_x"), "peer_zmq_x")

    def test_peer_option(self):
        self.assertEqual(run.parse_peer("a-b=cmd --x='1 2'"), ("a-b", ["cmd", "--x=1 2"]))
        for text in ("a", "a=", "=b", "a b=c", "a='c"):
            with self.subTest(text=text), self.assertRaises(argparse.ArgumentTypeError):
                run.parse_peer(text)


class Report(unittest.TestCase):
    MACHINE = {"cpu": "c", "cores": 2, "kernel": "k", "governor": "g", "method": {"m": "how"},
               "not_run": {"peer_zmq": "why"}}

    def test_shape(self):
        report, _ = run.report_of(self.MACHINE, True, {"stack_64_instructions": [299]})
        self.assertEqual(list(report), ["machine", "quiet", "results", "ratios"])
        self.assertEqual(list(report["results"][0]),
                         ["name", "unit", "value", "runs", "min", "max"])
        self.assertEqual(report["ratios"], [{"name": "stack_64_instructions", "value": 299,
                                             "target": 300, "held": True}])
        self.assertIs(report["quiet"], True)

    def test_text_says_missed_not_run_and_not_quiet(self):
        report, missing = run.report_of(self.MACHINE, False, {"stack_64_instructions": [301]})
        text = run.text_of(report, missing)
        self.assertRegex(text, r"stack_64_instructions +301.000 +300.000 +MISSED")
        self.assertRegex(text, r"peer_zmq +not run: why")
        self.assertRegex(text, r"direct_rtt_poll +not measured")
        self.assertIn("quiet: NO", text)


class Attempts(unittest.TestCase):
    """measure() over made-up attempts: each is the level that one floor moves to half way."""

    def measure(self, *levels):
        bench = run.Bench(Path("."), Path("."), (), (), {}, run.Progress(io.StringIO()))
        series = iter(levels)
        bench.attempt = lambda rounds: {"floor_ring_64": [100.0, next(series)]}
        with contextlib.redirect_stderr(io.StringIO()):
            return bench.measure(1)

    def test_first_quiet_attempt_counts(self):
        self.assertEqual(self.measure(150.0, 109.0),
                         (True, 2, {"floor_ring_64": [100.0, 109.0]}))

    def test_never_quiet_gives_the_quietest_and_says_so(self):
        self.assertEqual(self.measure(150.0, 140.0, 120.0, 130.0, 150.0),
                         (False, 5, {"floor_ring_64": [100.0, 120.0]}))


class Processes(unittest.TestCase):
    """The whole runner over stand-ins for the programs."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.bin = Path(folder.name)
        self.log = self.bin / "log"
        self.workers = self.bin / "workers"
        self.workers.write_text("ff\n")
        self.expected = {}
        for program in run.FLOORS + run.PROGRAMS:
            words = "".join(f"echo {n} 10; " for n in program.names)
            self.expected.setdefault(program.binary, {})[program.gathered] = words
        for binary, words in self.expected.items():
            self.stand_in(binary, f"case $1 in --gathered) {words.get(True, 'exit 9')};; "
                                  f"*) {words.get(False, 'exit 9')};; esac")

    def stand_in(self, binary, script):
        path = self.bin / binary
        path.write_text(f"#!/bin/sh\necho {binary} >> {self.log}\n{script}")
        path.chmod(0o755)

    def start(self, *arguments):
        return subprocess.Popen([sys.executable, RUN, "--bin", self.bin, "--quick",
                                 "--workers", self.workers, *arguments],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_it(self, *arguments):
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def test_json_is_all_of_stdout(self):
        status, out, _ = self.run_it("--json", "--only", "peer_*", "--peer", "openamp=echo rtt 12")
        report = json.loads(out)
        values = {r["name"]: (r["value"], r["runs"]) for r in report["results"]}
        self.assertEqual(status, 0)
        self.assertEqual(values["peer_openamp_rtt"], (12, 3))
        self.assertEqual(values["floor_rtt_poll"], (10, 6))
        self.assertNotIn("peer_openamp", report["machine"]["not_run"])
        self.assertIn("peer_rpmsg-lite", report["machine"]["not_run"])

    def test_floors_are_first_and_last_in_every_round(self):
        self.run_it("--only", "peer_seqpacket*")
        floors = [program.binary for program in run.FLOORS]
        self.assertEqual(self.log.read_text().split(), 3 * (floors + ["peer_seqpacket"] + floors))

    def test_failure_names_the_program_and_its_last_words(self):
        self.stand_in("peer_seqpacket", "echo it broke >&2; exit 3")
        status, out, err = self.run_it("--only", "peer_*")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("bench: peer_seqpacket: status 3: it broke", err)

    def test_unexpected_names_are_a_failure(self):
        self.stand_in("floor_rtt", "echo floor_rtt_pole 10")
        status, _, err = self.run_it("--only", "floor_rtt_poll")
        self.assertEqual(status, 1)
        self.assertIn("floor_rtt: printed floor_rtt_pole", err)

    def test_what_this_machine_cannot_measure_is_not_run(self):
        self.stand_in("floor_rtt", f"echo one processor >&2; exit {run.EXIT_SKIP}")
        status, out, _ = self.run_it("--only", "floor_rtt_poll")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"floor_rtt_poll +not run: floor_rtt: one processor")

    def test_workers_are_gathered_and_go_back(self):
        self.stand_in("routed_pty", f"cat {self.workers} >&2; [ $(cat {self.workers}) != ff ] && "
                                    "echo routed_rtt_pty_1core 10 || echo routed_rtt_pty_2core 10")
        status, out, err = self.run_it("--only", "routed_rtt_pty_*")
        self.assertEqual(status, 0, err)
        self.assertEqual(self.workers.read_text(), "ff\n")
        self.assertRegex(out, r"routed_rtt_pty_1core +10\.00")
        self.assertRegex(out, r"routed_rtt_pty_2core +10\.00")

    def test_workers_that_cannot_be_gathered_are_said(self):
        self.workers.unlink()
        status, out, _ = self.run_it("--only", "routed_rtt_pty_*")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"routed_rtt_pty_1core +not run: the kernel's workers stay .*workers")

    def test_missing_program(self):
        (self.bin / "floor_relay").unlink()
        status, _, err = self.run_it("--only", "peer_*")
        self.assertEqual(status, 1)
        self.assertIn("bench: floor_relay: ", err)

    def test_what_was_not_built_for_want_of_a_package_is_not_run(self):
        (self.bin / "peer_nng").unlink()
        status, out, _ = self.run_it("--only", "peer_nng*")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"peer_nng_routed_rtt_1core +not run: built without libnng-dev")

    def test_usage_errors_are_one_line(self):
        for arguments in (["--only", "nothing_like_it"], ["--peer", "zmq"], ["--fast"],
                          ["--peer", "a=b", "--peer", "a=c"]):
            with self.subTest(arguments=arguments):
                status, out, err = self.run_it(*arguments)
                self.assertEqual((status, out, len(err.splitlines())), (2, "", 1), err)

    def test_interrupt_ends_children_and_says_130(self):
        # The stand-in and a child of its own hold a pipe open: end of file means both are gone.
        fifo = self.bin / "fifo"
        os.mkfifo(fifo)
        self.stand_in("floor_ring", f"exec 3> {fifo}\nsleep 600 &\necho up >&3\nwait\n")
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(number=number):
                process = self.start("--only", "floor_rtt_poll")
                with open(fifo, encoding="ascii") as pipe:
                    self.assertEqual(pipe.readline(), "up\n")
                    process.send_signal(number)
                    self.assertEqual(pipe.read(), "")  # a child that lives on holds this up
                    process.communicate(timeout=60)
                self.assertEqual(process.returncode, status)


if __name__ == "__main__":
    unittest.main()
