#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks in turn, each beside its floor, and compares ratios with targets.

A program of bench/ is one run: it prints `NAME VALUE` lines. Here programs are repeated in
rounds, with the floors first and last in every round, so that a slow spell of the machine meets
all of them. The result is quiet when no floor moved between the two halves of the run.

Exit status: 0 measured (missed targets are shown, they are not an error), 1 a program failed,
2 usage, 130 interrupted.
"""
import argparse
import contextlib
import fnmatch
import json
import os
import platform
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path
from statistics import median

# ---- what is measured --------------------------------------------------------------------------

# `package`: what a program needs that it may be missing, and then is not built.
# `gathered`: it is run with the kernel's workers kept on its CPU, too.
Program = namedtuple("Program", "binary names package gathered", defaults=(None, False))


def routed_names(peer):
    return tuple(f"peer_{peer}_routed_{what}_1core" for what in ("rtt", "oneway_64", "oneway_496"))


FLOORS = (
    Program("floor_ring", ("floor_ring_64", "floor_ring_64_batch32")),
    Program("floor_rtt", ("floor_rtt_poll", "floor_rtt_eventfd_1core")),
    Program("floor_relay", ("floor_relay_rtt_1core",)),
    Program("floor_forwarder", ("floor_forwarder_socketpair_1core",)),
    Program("floor_pty", ("floor_forwarder_pty_1core",), gathered=True),
    Program("floor_memcpy", ("floor_memcpy_64", "floor_memcpy_496", "floor_memcpy_2048")),
)
PROGRAMS = (
    Program("stack", ("stack_64", "stack_64_batch32")),
    Program("direct", ("direct_rtt_poll", "direct_rtt_spin", "direct_rtt_1core",
                       "direct_oneway_64", "direct_oneway_496", "direct_oneway_2048")),
    Program("routed", ("routed_rtt_1core", "routed_rtt_2core", "routed_oneway_64_1core",
                       "routed_oneway_496_1core", "routed_oneway_2048_1core")),
    Program("routed_pty", ("routed_rtt_pty_1core",), gathered=True),
    Program("floor_pty", ("floor_forwarder_pty_2core",)),
    Program("routed_pty", ("routed_rtt_pty_2core",)),
    Program("codec", ("codec_memcpy_2008", "codec_encode_2008", "codec_decode_2008",
                      "codec_encode_text_2008", "codec_decode_text_2008")),
    Program("peer_seqpacket", routed_names("seqpacket")),
    Program("peer_zmq", routed_names("zmq"), "libzmq3-dev"),
    Program("peer_nng", routed_names("nng"), "libnng-dev"),
    Program("peer_mosquitto", routed_names("mosquitto"), "libmosquitto-dev"),
)
# Counted once under callgrind, exactly: `BINARY --instructions NAME` prints the messages it moved.
COUNTS = (
    Program("floor_ring", ("floor_ring_64_instructions", "floor_ring_64_batch32_instructions")),
    Program("stack", ("stack_64_instructions", "stack_64_batch32_instructions",
                      "stack_64_instructions_at_10_endpoints",
                      "stack_64_instructions_at_1000_endpoints",
                      "stack_64_instructions_at_100000_endpoints")),
    Program("hub", tuple(f"hub_instructions_at_{n}_edges" for n in (2, 16, 64))),
)
# External programs that users of this field compare with; each is run when --peer gives it.
PEERS = ("openamp", "rpmsg-lite")

# ---- targets: every ratio is held when its value is at most its target --------------------------

Quotient = namedtuple("Quotient", "name over target")
Limit = namedtuple("Limit", "name target")
# The largest of some equal figures over the smallest.
Spread = namedtuple("Spread", "name names target")
# A time in ns, on a machine whose floor is `reference` ns: scaled by the floor of this run.
Scaled = namedtuple("Scaled", "name target floor reference")

RING = ("floor_ring_64", 21)
POLL = ("floor_rtt_poll", 310)

TARGETS = (
    Quotient("stack_64", "floor_ring_64", 2.1),
    Quotient("stack_64_batch32", "floor_ring_64_batch32", 1.7),
    Limit("stack_64_instructions", 300),
    Limit("stack_64_batch32_instructions", 220),
    Spread("stack_64_instructions_at_10_1000_100000_endpoints",
           tuple(f"stack_64_instructions_at_{n}_endpoints" for n in (10, 1000, 100000)), 1.05),
    Quotient("direct_rtt_poll", "floor_rtt_poll", 2.3),
    Scaled("direct_rtt_spin", 2000, *POLL),
    Quotient("direct_rtt_1core", "floor_rtt_eventfd_1core", 1.17),
    Scaled("direct_oneway_64", 1000 / 12, *POLL),  # 12 M/s
    Scaled("direct_oneway_496", 1000 / 8, *POLL),  # 8 M/s
    Quotient("routed_rtt_1core", "floor_relay_rtt_1core", 1.15),
    Quotient("routed_rtt_pty_1core", "floor_forwarder_socketpair_1core", 3),
    Quotient("routed_rtt_pty_1core", "floor_forwarder_pty_1core", 1.6),
    Quotient("routed_rtt_pty_2core", "floor_forwarder_pty_2core", 1.6),
    Scaled("routed_oneway_64_1core", 200, *RING),
    Scaled("routed_oneway_496_1core", 250, *RING),
    Scaled("codec_encode_2008", 2008, *RING),  # 1 GB/s, CRC included
    Scaled("codec_decode_2008", 2008, *RING),
    Scaled("codec_encode_text_2008", 8032, *RING),  # 250 MB/s
    Scaled("codec_decode_text_2008", 8032, *RING),
    Quotient("stack_64", "peer_openamp_stack_64", 0.5),
    Quotient("stack_64", "peer_rpmsg-lite_stack_64", 1),
    *(Quotient(f"routed_oneway_{size}_1core", f"peer_{peer}_routed_oneway_{size}_1core",
               1 / faster)
      for peer, faster in (("zmq", 3), ("seqpacket", 4), ("nng", 4), ("mosquitto", 4))
      for size in (64, 496)),
    Quotient("routed_rtt_1core", "peer_seqpacket_routed_rtt_1core", 1 / 1.4),
    Quotient("routed_rtt_1core", "peer_zmq_routed_rtt_1core", 1 / 6),
    Spread("hub_instructions_at_2_16_64_edges",
           tuple(f"hub_instructions_at_{n}_edges" for n in (2, 16, 64)), 1.05),
)

# ---- method ------------------------------------------------------------------------------------

ROUNDS = 7
ROUNDS_QUICK = 3
ATTEMPTS = 5
QUIET_DRIFT = 0.10
RUN_LIMIT_S = 120
EXIT_SKIP = 77  # BENCH_EXIT_SKIP of common.h

METHOD = {
    "unit": "ns per message or per round trip, unless instructions",
    "pinning": "1core: all processes on the first allowed CPU, receivers asleep when idle; "
               "two cores: the first two; each program pins itself",
    "terminals": "a pty's bytes are carried by a worker of the kernel. pty_1core: it is kept on that "
                 "CPU too, by /sys/devices/virtual/workqueue/cpumask, which needs root; pty_2core: "
                 "wherever the kernel likes",
    "statistic": "value is the median of the runs, each run after its own warm-up",
    "order": "rounds over all programs in turn, the floors first and last in every round",
    "quiet": f"no floor's median differs by more than {QUIET_DRIFT:.0%} between the first and the "
             f"second half; else everything is repeated, at most {ATTEMPTS} times",
    "instructions": "callgrind, one run, exact",
    "targets": "held when at most; a target in ns is scaled by this run's floor",
}


class BenchError(Exception):
    """A program that could not be measured; the text says which and why."""


class Skipped(Exception):
    """A program that says this machine cannot measure it."""


# ---- figures (no I/O below this line until "running") --------------------------------------------

def unit_of(name):
    return "instructions" if "_instructions" in name else "ns"


def result_of(name, samples):
    return {"name": name, "unit": unit_of(name), "value": round(median(samples), 3),
            "runs": len(samples), "min": round(min(samples), 3), "max": round(max(samples), 3)}


def drift_of(samples):
    """How far the medians of the first and the second half of a series lie apart; 0 is equal."""
    half = len(samples) // 2
    if half == 0:
        return 0.0
    medians = median(samples[:half]), median(samples[-half:])
    return max(medians) / min(medians) - 1


def worst_drift(samples, floors):
    """(drift, name) of the floor that moved most; samples is {name: series in order of time}."""
    return max(((drift_of(samples[name]), name) for name in floors if name in samples),
               default=(0.0, None))


def value_of(target, medians):
    """(name, value) of one ratio. KeyError: something it needs was not measured."""
    if isinstance(target, Quotient):
        return f"{target.name}/{target.over}", medians[target.name] / medians[target.over]
    if isinstance(target, Scaled):
        scale = target.reference / medians[target.floor]
        return f"{target.name}_ns@{target.floor}={target.reference}", medians[target.name] * scale
    if isinstance(target, Spread):
        values = [medians[name] for name in target.names]
        return target.name, max(values) / min(values)
    return target.name, medians[target.name]


def ratios_of(medians, targets=TARGETS):
    """(ratios that could be computed, names of the targets that could not)."""
    ratios, missing = [], []
    for target in targets:
        try:
            name, value = value_of(target, medians)
        except KeyError:
            missing.append(target.name)
            continue
        # Held is judged on what is shown: nothing may read 2.1 of 2.1 and be missed.
        value, limit = round(value, 3), round(target.target, 3)
        ratios.append({"name": name, "value": value, "target": limit, "held": value <= limit})
    return ratios, missing


def report_of(machine, quiet, samples, targets=TARGETS):
    """The JSON answer, and the targets without a measurement."""
    results = [result_of(name, series) for name, series in samples.items()]
    ratios, missing = ratios_of({r["name"]: r["value"] for r in results}, targets)
    return {"machine": machine, "quiet": quiet, "results": results, "ratios": ratios}, missing


def parse_lines(text, source):
    """{name: value} of a program's output, which holds nothing but `NAME VALUE` lines."""
    values = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(\S+)\s+([0-9.eE+-]+)", line.strip())
        try:
            value = float(match[2])
        except (TypeError, ValueError):
            raise BenchError(f"{source}: not a NAME VALUE line: {line!r}") from None
        if not 0 < value < float("inf") or match[1] in values:
            raise BenchError(f"{source}: {match[1]}: given twice, or not a positive number")
        values[match[1]] = value
    if not values:
        raise BenchError(f"{source}: printed no NAME VALUE line")
    return values


def peer_name(peer, name):
    prefix = f"peer_{peer}_"
    return name if name.startswith(prefix) else prefix + name


def parse_peer(text):
    """NAME=COMMAND, as given to --peer."""
    name, equals, command = text.partition("=")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None
    if not equals or not words or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise argparse.ArgumentTypeError(f"{text!r}: not NAME=COMMAND")
    return name, words


def text_of(report, missing):
    machine = report["machine"]
    lines = [f"{'name':44} {'value':>12} {'min':>12} {'max':>12} {'runs':>5}  unit"]
    for r in report["results"]:
        lines.append(f"{r['name']:44} {r['value']:12.2f} {r['min']:12.2f} {r['max']:12.2f} "
                     f"{r['runs']:5}  {r['unit']}")
    lines += [f"{name:44} {'not run':>12}: {why}" for name, why in machine["not_run"].items()]
    lines += ["", f"{'ratio':60} {'value':>10} {'target':>10}"]
    for r in report["ratios"]:
        lines.append(f"{r['name']:60} {r['value']:10.3f} {r['target']:10.3f}  "
                     f"{'held' if r['held'] else 'MISSED'}")
    lines += [f"{name:60} {'not measured':>10}" for name in missing]
    lines += ["", f"machine: {machine['cpu']}, {machine['cores']} cores, {machine['kernel']}, "
                  f"governor {machine['governor']}"]
    lines += [f"{key}: {value}" for key, value in machine["method"].items()]
    lines.append("quiet: " + ("yes" if report["quiet"] else
                              "NO: the machine was busy, figures are not to be trusted"))
    return "\n".join(lines)


# ---- the kernel's workers ------------------------------------------------------------------------

def mask_of(cpu):
    """A CPU mask as sysfs has it: words of 32 bits in hexadecimal, the highest first."""
    return ",".join([f"{1 << cpu % 32:x}"] + ["00000000"] * (cpu // 32))


@contextlib.contextmanager
def gathered_workers(mask):
    """Keeps the kernel's unbound workers on the CPU that programs pin themselves to."""
    try:
        before = mask.read_text()
        mask.write_text(mask_of(min(os.sched_getaffinity(0))))
    except OSError as error:
        raise Skipped(f"the kernel's workers stay where they are: {mask}: "
                      f"{error.strerror}") from None
    try:
        yield
    finally:
        mask.write_text(before)


# ---- running -------------------------------------------------------------------------------------

def run_command(command, source):
    """Output of one run. Whatever ends this call, nothing of its process group lives on."""
    # A signal that comes while the child is made waits until somebody is there to end it.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, start_new_session=True,
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, mask))
    except OSError as error:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        raise BenchError(f"{source}: {command[0]}: {error.strerror}") from None
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        out, err = process.communicate(timeout=RUN_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{source}: no end after {RUN_LIMIT_S} s") from None
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    last_words = (err.strip().splitlines() or ["no word on stderr"])[-1]
    if process.returncode == EXIT_SKIP:
        raise Skipped(f"{source}: {last_words}")
    if process.returncode != 0:
        raise BenchError(f"{source}: status {process.returncode}: {last_words}")
    return out


class Progress:
    """One changing line on a terminal; elsewhere a line per round."""

    def __init__(self, stream):
        self.stream = stream
        self.terminal = stream.isatty()

    def round(self, text):
        if not self.terminal:
            print(f"bench: {text}", file=self.stream, flush=True)

    def step(self, text):
        if self.terminal:
            print(f"\r\033[Kbench: {text}", end="", file=self.stream, flush=True)

    def end(self):
        if self.terminal:
            print("\r\033[K", end="", file=self.stream, flush=True)


class Bench:
    """One selection of programs, run in rounds until the machine was quiet for a whole attempt."""

    def __init__(self, folder, workers, programs, counts, peers, progress):
        self.folder = folder
        self.workers = workers
        self.programs = programs
        self.counts = counts
        self.peers = peers
        self.progress = progress
        self.not_run = {}  # name: reason, kept from all attempts

    def program(self, program):
        if program.package and not (self.folder / program.binary).exists():
            self.not_run.update(dict.fromkeys(program.names, f"built without {program.package}"))
            return {}
        command = [str(self.folder / program.binary)] + ["--gathered"] * program.gathered
        try:
            with gathered_workers(self.workers) if program.gathered else contextlib.nullcontext():
                values = parse_lines(run_command(command, program.binary), program.binary)
        except Skipped as skipped:
            self.not_run.update(dict.fromkeys(program.names, str(skipped)))
            return {}
        if set(values) != set(program.names):
            raise BenchError(f"{program.binary}: printed {' '.join(values)}, "
                             f"expected {' '.join(program.names)}")
        return values

    def peer(self, name, command):
        source = f"peer {name}"
        try:
            values = parse_lines(run_command(command, source), source)
        except Skipped as skipped:
            self.not_run[f"peer_{name}"] = str(skipped)
            return {}
        return {peer_name(name, key): value for key, value in values.items()}

    def attempt(self, rounds):
        """{name: series} of one interleaved run."""
        steps = [(p.binary, lambda p=p: self.program(p)) for p in FLOORS]
        steps += [(p.binary, lambda p=p: self.program(p)) for p in self.programs]
        steps += [(f"peer {n}", lambda n=n, c=c: self.peer(n, c)) for n, c in self.peers.items()]
        steps += [(p.binary, lambda p=p: self.program(p)) for p in FLOORS]
        samples = {}
        for i in range(rounds):
            self.progress.round(f"round {i + 1} of {rounds}")
            for label, run in steps:
                self.progress.step(f"round {i + 1} of {rounds}: {label}")
                for name, value in run().items():
                    samples.setdefault(name, []).append(value)
        return samples

    def measure(self, rounds):
        """(quiet, attempts made, samples): the first quiet attempt, else the quietest."""
        floors = [name for program in FLOORS for name in program.names]
        best = None
        for attempt in range(1, ATTEMPTS + 1):
            samples = self.attempt(rounds)
            drift, name = worst_drift(samples, floors)
            if best is None or drift < best[0]:
                best = drift, samples
            if drift <= QUIET_DRIFT:
                return True, attempt, samples
            self.progress.end()
            print(f"bench: not quiet: {name} moved by {drift:.0%} "
                  f"(attempt {attempt} of {ATTEMPTS})", file=sys.stderr, flush=True)
        return False, ATTEMPTS, best[1]

    def count(self, binary, name):
        """Instructions per message of one loop: callgrind collects inside bench_loop() only."""
        self.progress.step(f"counting: {name}")
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "callgrind.out"
            moved = run_command(["valgrind", "--tool=callgrind", "--toggle-collect=bench_loop",
                                 f"--callgrind-out-file={out}", str(self.folder / binary),
                                 "--instructions", name], name)
            totals = re.search(r"^totals: (\d+)$", out.read_text(), re.MULTILINE)
        if totals is None or int(totals[1]) == 0:
            raise BenchError(f"{name}: callgrind counted nothing in bench_loop()")
        return int(totals[1]) / parse_lines(moved, name)[name]

    def count_all(self):
        return {name: [self.count(program.binary, name)]
                for program in self.counts for name in program.names}


def machine():
    def first_line(path, pattern, otherwise):
        try:
            match = re.search(pattern, Path(path).read_text(), re.MULTILINE)
        except OSError:
            match = None
        return match[1].strip() if match else otherwise

    return {"cpu": first_line("/proc/cpuinfo", r"^model name\s*:\s*(.+)$", platform.machine()),
            "cores": len(os.sched_getaffinity(0)),
            "kernel": f"{platform.system()} {platform.release()}",
            "governor": first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
                                   r"^(.+)$", "unknown")}


def select(programs, pattern):
    """The programs that have a name of the pattern, and of COUNTS only the names themselves."""
    return tuple(p for p in programs if any(fnmatch.fnmatchcase(n, pattern) for n in p.names))


def select_names(programs, pattern):
    picked = ((p.binary, tuple(n for n in p.names if fnmatch.fnmatchcase(n, pattern)))
              for p in programs)
    return tuple(Program(binary, names) for binary, names in picked if names)


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"bench: {message}\n")


def parse_arguments(arguments):
    build = os.environ.get("RPR_BUILD", Path(__file__).resolve().parent.parent / "build")
    parser = Parser(prog="bench", description="Benchmarks, each beside its floor.",
                    allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.add_argument("--quick", action="store_true",
                        help=f"{ROUNDS_QUICK} rounds instead of {ROUNDS}")
    parser.add_argument("--peer", action="append", default=[], type=parse_peer,
                        metavar="NAME=COMMAND", help="also run a program that prints NAME VALUE "
                        "lines (ns), as peer_NAME_*")
    parser.add_argument("--only", default="*", metavar="PATTERN",
                        help="names to measure, as a shell pattern; the floors always run")
    parser.add_argument("--workers", type=Path, metavar="FILE",
                        default="/sys/devices/virtual/workqueue/cpumask",
                        help="on which CPUs the kernel's workers may run")
    parser.add_argument("--bin", type=Path, default=Path(build) / "bench", metavar="DIR",
                        help="where the programs are")
    options = parser.parse_args(arguments)
    if len(dict(options.peer)) != len(options.peer):
        parser.error("--peer: one name twice")
    # A misspelt pattern would measure the floors and look like a result.
    known = [name for program in FLOORS + PROGRAMS + COUNTS for name in program.names]
    known += [f"peer_{name}" for name, _ in options.peer]
    if not fnmatch.filter(known, options.only):
        parser.error(f"--only {options.only}: no such name")
    return options


def run(options, progress):
    peers = {name: command for name, command in options.peer
             if fnmatch.fnmatchcase(f"peer_{name}", options.only)}
    bench = Bench(options.bin, options.workers, select(PROGRAMS, options.only),
                  select_names(COUNTS, options.only), peers, progress)
    rounds = ROUNDS_QUICK if options.quick else ROUNDS
    # First, because a count that fails should not cost the minutes before it.
    counts = bench.count_all()
    quiet, attempts, samples = bench.measure(rounds)
    not_run = {f"peer_{n}": f"no --peer {n}=COMMAND" for n in PEERS if n not in peers}
    not_run.update(bench.not_run)
    method = dict(METHOD, runs=f"{rounds} rounds, floors twice in each; attempt {attempts} of at "
                               f"most {ATTEMPTS}")
    return report_of(dict(machine(), method=method, not_run=not_run), quiet, {**samples, **counts})


def main(arguments=None):
    options = parse_arguments(arguments)
    progress = Progress(sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        report, missing = run(options, progress)
    except BenchError as error:
        progress.end()
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        progress.end()
        return 128 + signal.SIGINT
    progress.end()
    print(json.dumps(report, indent=1) if options.json else text_of(report, missing))
    return 0


if __name__ == "__main__":
    sys.exit(main())
