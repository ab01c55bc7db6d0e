#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Log lines from edge to edge through a hub while its processes are restarted or killed (rpmsg-syslog).

usage: syslog.py [--lines N] [--orderly N] [--kills N] [--seed S]

Lines are numbered and carry a checksum: one that is cut, joined, doubled or out of order is seen.
`--orderly` restarts, of the three daemons in turn: every line arrives exactly once. `--kills`, by SIGKILL, of the
daemons and of the program that logs: no line twice, none cut or joined, and missing are
  none                            when the hub, or the daemon of the program that logs, is killed;
  at most SERVER_BYTES of text    when the daemon that takes the lines is: what was sent and not acknowledged
                                  (a ring) and what was acknowledged and not written (its queue, a message);
  at most PROGRAM_BYTES           when the program is: what it has read and not got rid of (input, ring).
CTest runs slices of it (tests/e2e/test_syslog.py).
"""
import argparse
import random
import re
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from harness import Case, Daemon, RPMSG, eventually  # noqa: E402

RING = 65536     # tools/rpmsg/logger.c
INPUT = 65536    # the same
QUEUE = 65536    # tools/rpmsgd/log_writer.h
MESSAGE = 2048
SERVER_BYTES = RING + QUEUE + MESSAGE
PROGRAM_BYTES = RING + INPUT

LINE = re.compile(rb"audio: (\d+) (x*) ([0-9a-f]{8})\n")


def line_of(number):
    body = b"%d %s" % (number, b"x" * (number * 7919 % 90))
    return b"%s %08x\n" % (body, zlib.crc32(body))


class Feeder(threading.Thread):
    """Writes the lines to a program's stdin; goes on with the next program when one is killed."""

    def __init__(self, lines):
        super().__init__(daemon=True)
        self.lines, self.fed = lines, 0
        self.programs = threading.Condition()
        self.program = None

    def use(self, program):
        with self.programs:
            self.program = program
            self.programs.notify()

    def wait_for_program(self, other_than):
        with self.programs:
            self.programs.wait_for(lambda: self.program is not other_than)
            return self.program

    def run(self):
        program = self.wait_for_program(None)
        while self.fed < self.lines:
            upto = min(self.fed + 200, self.lines)
            try:
                program.stdin.write(b"".join(map(line_of, range(self.fed, upto))))
                program.stdin.flush()
            except BrokenPipeError:
                # What the pipe had taken went with it; none of these lines is written again.
                program = self.wait_for_program(program)
            self.fed = upto


class Network:
    def __init__(self, case, lines):
        self.case, self.lines = case, lines
        self.log = case.dir / "droid.log"
        links = [part for name in ("audio", "droid") for part in ("--link", f"{name}={case.url(name, True)}")]
        self.hub = Daemon(case, "ap", "--route", "all", *links)
        self.audio = Daemon(case, "audio", "--link", f"ap={case.url('audio')}")
        self.droid = Daemon(case, "droid", "--link", f"ap={case.url('droid')}", "--service", f"syslog:file={self.log}")
        self.audio.wait_for("droid", "rpmsg-ping")
        self.feeder = Feeder(lines)
        self.start_program()
        self.feeder.start()

    def start_program(self):
        self.program = self.audio.rpmsg_start("logger", "droid", stdin=subprocess.PIPE)
        self.feeder.use(self.program)

    def wait_fed(self, number):
        """Until so many lines are under way: the moment for something to happen."""
        while self.feeder.fed < number and self.program.poll() is None:
            time.sleep(0.001)
        if self.feeder.fed < number:
            raise AssertionError(f"logger ended with {self.program.returncode} after {self.feeder.fed} lines")

    def finish(self):
        self.feeder.join(600)
        try:
            self.program.stdin.close()  # the last one may have come when all had been fed
        except BrokenPipeError:
            pass
        status = self.program.wait(600)
        self.droid.stop()
        return status

    def received(self):
        """The numbers that arrived. A line that is not whole fails."""
        numbers = []
        with open(self.log, "rb") as log:
            for line in log:
                match = LINE.fullmatch(line)
                if not match or line_of(int(match[1])) != line[len(b"audio: "):]:
                    raise AssertionError(f"cut or joined: {line!r} after {numbers[-1:]}")
                numbers.append(int(match[1]))
        return numbers


def check_order(numbers):
    for before, after in zip(numbers, numbers[1:]):
        if after <= before:
            raise AssertionError(f"line {after} after {before}: " + ("twice" if after in numbers[:numbers.index(before)]
                                                                     or after == before else "out of order"))


def missing(numbers, lines):
    return sorted(set(range(lines)) - set(numbers))


def orderly(case, lines, restarts):
    """Exactly once."""
    net = Network(case, lines)
    for i in range(restarts):
        net.wait_fed((i + 1) * lines // (restarts + 1))
        node = (net.hub, net.droid, net.audio)[i % 3]
        status = node.stop()
        case.assertEqual(0, status, f"{node.name}: end in order")
        node.start()
    status = net.finish()
    numbers = net.received()
    check_order(numbers)
    lost = missing(numbers, lines)
    case.assertEqual([], lost[:10], f"{len(lost)} of {lines} lines missing after {restarts} restarts")
    case.assertEqual(0, status, net.program.log.read_text())
    return {"lines": lines, "restarts": restarts, "missing": 0}


def kills(case, lines, n_kills, seed=1, kinds=("hub", "server", "client", "program")):
    """Not more than what was under way."""
    rng = random.Random(seed)
    net = Network(case, lines)
    count = dict.fromkeys(("hub", "client", "server", "program"), 0)
    for i in range(n_kills):
        net.wait_fed((i + 1) * lines // (n_kills + 1) + rng.randrange(lines // (n_kills + 1) // 2 + 1))
        kind = kinds[i % len(kinds)]
        count[kind] += 1
        if kind == "program":
            net.program.kill()
            net.program.wait()
            net.start_program()
            continue
        node = {"hub": net.hub, "server": net.droid, "client": net.audio}[kind]
        node.kill()
        node.start()
    net.finish()
    numbers = net.received()
    check_order(numbers)
    lost = missing(numbers, lines)
    lost_bytes = sum(len(line_of(number)) for number in lost)
    # With a program its pipe goes, too, and the lines that were being written to it.
    pipe = 65536 + 200 * len(line_of(lines))
    bound = count["server"] * SERVER_BYTES + count["program"] * (PROGRAM_BYTES + pipe)
    case.assertLessEqual(lost_bytes, bound, f"{len(lost)} lines missing, kills {count}, seed {seed}")
    return {"lines": lines, "kills": count, "missing": len(lost), "missing_bytes": lost_bytes, "bound_bytes": bound}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1000000)
    parser.add_argument("--orderly", type=int, default=30)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    failed = False

    class Campaign(Case):
        def test_orderly(self):
            print("orderly:", orderly(self, args.lines, args.orderly), flush=True)

        def test_kills_in_between(self):
            print("kills:", kills(self, args.lines, args.kills, args.seed, ("hub", "client")), flush=True)

        def test_kills(self):
            print("kills:", kills(self, args.lines, args.kills, args.seed), flush=True)

    import unittest
    suite = unittest.TestSuite()
    if args.orderly:
        suite.addTest(Campaign("test_orderly"))
    if args.kills:
        suite.addTest(Campaign("test_kills_in_between"))
        suite.addTest(Campaign("test_kills"))
    failed = not unittest.TextTestRunner(verbosity=0).run(suite).wasSuccessful()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
