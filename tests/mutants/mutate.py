#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tries the defects of tests/HAZARDS.md, one by one, in the build `mutants`: with each of them the
demo passes, and a test that its row names fails.

usage: mutate.py [NAME...]      all of them, or those that are named
       mutate.py --list         names, with the tests that have to catch them
       mutate.py --check        only whether the table and the sources name the same ones

A test is called like this:
  unit.NAME/FUNCTION           a test of tests/unit/test_NAME.c; also hostile, thread, interop
  e2e.NAME/CLASS.FUNCTION      a test of tests/e2e/test_NAME.py; also interop
  model.ring/SCENARIO          tests/model/ring.c, of which it has to be one
  sim/N                        N seeds of the simulator, of its small scene
"""
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests/HAZARDS.md"
BUILD = Path(os.environ.get("RPR_BIN", ROOT / "build-mutants/bin")).parent
DEMO = ROOT / "tests/demo/demo.py"
TIMEOUT = 60  # seconds; a test that hangs has caught it too, but only after this
SOURCES = ("src", "include", "platform", "tools", "firmware")


def stop(text):
    print(f"mutate: {text}", file=sys.stderr)
    sys.exit(1)


# ---- the table -----------------------------------------------------------------------------------


class Row:
    """One row of the table: what must hold, which tests see it, which defects they must catch."""

    def __init__(self, number, line):
        self.number = number
        self.cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        self.tests, self.mutants = ([], [])
        if len(self.cells) == 4:
            self.tests, self.mutants = (re.findall(r"`([^`]+)`", cell) for cell in self.cells[2:])


def read_table(path=TABLE):
    """The rows of all its tables: without heads, and what is under them."""
    lines = list(enumerate(path.read_text().splitlines(), 1))
    heads = {number for number, line in lines if line.startswith("|--")}
    heads |= {number - 1 for number in heads}
    return [Row(number, line) for number, line in lines if line.startswith("|") and number not in heads]


def mutants_in_sources(root=ROOT):
    """Name of each MUTANT() -> the places where it stands."""
    found = {}
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*.[ch]")):
            if path.name == "mutant.h":
                continue
            for name in re.findall(r"\bMUTANT\((\w+)\)", path.read_text()):
                found.setdefault(name, set()).add(str(path.relative_to(root)))
    return found


def problems(rows, found):
    """What table and sources do not agree on."""
    listed = {name for row in rows for name in row.mutants}
    for row in rows:
        if len(row.cells) != 4:
            yield f"HAZARDS.md:{row.number}: a row has 4 cells"
        elif not row.tests:
            yield f"HAZARDS.md:{row.number}: no test is named"
        elif not row.mutants:
            yield f"HAZARDS.md:{row.number}: no mutation is named"
    for name in sorted(listed - found.keys()):
        yield f"HAZARDS.md: `{name}` is in no source"
    for name in sorted(found.keys() - listed):
        yield f"{', '.join(sorted(found[name]))}: MUTANT({name}) is not in HAZARDS.md"


# ---- running -------------------------------------------------------------------------------------


def command_of(test):
    """How a test is run: arguments, environment, and what its output has to contain."""
    kind, _, rest = test.partition("/")
    suite, _, name = kind.partition(".")
    if suite == "sim":
        return [BUILD / "bin/rpr-sim", "--scene", "small", "--no-shrink", "--jobs", "1", "--seeds",
                rest], {}, ""
    if suite == "model":
        return [BUILD / "tests/model" / f"model_{name}", rest], {}, "ok\n"
    script = ROOT / "tests" / suite / f"test_{name}.py"
    if script.exists():
        return [sys.executable, script, rest], {}, "Ran 1 test"
    return [BUILD / "tests" / suite / f"{suite}_{name}"], {"RPR_TEST": rest}, "Running 1 test(s)."


def run(command, mutant, extra=(), seconds=TIMEOUT):
    """(passed, output). Whatever it started is gone afterwards."""
    environment = {**os.environ, **dict(extra), "RPR_BIN": str(BUILD / "bin"),
                   "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("RPR_MUTANT", None)
    environment["ASAN_OPTIONS"] = "detect_leaks=0"  # tests count their blocks themselves
    if mutant:
        environment["RPR_MUTANT"] = mutant
    with subprocess.Popen([str(part) for part in command], env=environment, text=True, cwd=ROOT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, errors="replace",
                          stderr=subprocess.STDOUT, start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            output = f"not over after {seconds} s"
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    return process.returncode == 0, output


def run_test(test, mutant):
    command, extra, expected = command_of(test)
    if not Path(command[0]).exists():
        return False, f"{command[0]} does not exist"
    passed, output = run(command, mutant, extra)
    if passed and expected not in output:
        return False, f"there is no test of that name: {output}"
    return passed, output


def last_lines(output, n=12):
    return "\n".join("    " + line for line in output.rstrip().splitlines()[-n:])


def try_demo(mutant):
    """What is wrong, or None. Twice, since a machine that is busy may keep it waiting for too long."""
    for _ in range(2):
        passed, output = run([sys.executable, DEMO], mutant)
        if passed:
            return None
    return f"the demo fails\n{last_lines(output)}"


def try_mutant(name, rows):
    """(name, catching tests, seconds, what is wrong or None)."""
    start = time.monotonic()
    wrong = try_demo(name)
    catching = []
    for row in [] if wrong else [row for row in rows if name in row.mutants]:
        caught = next((test for test in row.tests if not run_test(test, name)[0]), None)
        if caught is None:
            wrong = f"SURVIVED {', '.join(row.tests)}"
            break
        if caught not in catching:
            catching.append(caught)
    return name, catching, time.monotonic() - start, wrong


def try_baseline(tests, pool):
    """Without a defect demo and tests pass, and each test is there."""
    start = time.monotonic()
    jobs = {test: pool.submit(run_test, test, None) for test in tests}
    wrong = try_demo(None)
    if wrong:
        print(f"without a defect: {wrong}")
    for test, job in jobs.items():
        passed, output = job.result()
        if not passed:
            wrong = True
            print(f"without a defect: {test} fails\n{last_lines(output)}")
    if not wrong:
        print(f"without a defect: demo and {len(jobs)} tests pass{time.monotonic() - start:18.1f} s",
              flush=True)
    return not wrong


def main():
    rows = read_table()
    wrong = list(problems(rows, mutants_in_sources()))
    for text in wrong:
        print(text)
    if wrong:
        return 1
    names = list(dict.fromkeys(name for row in rows for name in row.mutants))
    arguments = sys.argv[1:]
    if arguments == ["--check"]:
        return 0
    if arguments == ["--list"]:
        for name in names:
            print(name, *(test for row in rows if name in row.mutants for test in row.tests))
        return 0
    for name in arguments:
        if name not in names:
            stop(f"no mutation '{name}'; --list names them")
    names = arguments or names
    tests = dict.fromkeys(test for row in rows if set(row.mutants) & set(names) for test in row.tests)
    caught = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        if not try_baseline(tests, pool):
            return 1
        jobs = [pool.submit(try_mutant, name, rows) for name in names]
        for done, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            name, catching, seconds, wrong = job.result()
            caught += not wrong
            print(f"{done:3}/{len(jobs)} {name:44} {wrong or ', '.join(catching):60} {seconds:6.1f} s",
                  flush=True)
    print(f"mutations: {caught} caught of {len(names)}")
    return caught != len(names)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
