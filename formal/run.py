#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one Promela model through Spin, exhaustively.

usage: run.py MODEL.pml
The comment at the model's head says what is to be done, one thing a line:

  Source: FILE: FUNCTION...     what it models; each must be defined in that file of this tree
  Check: [-DNAME...]            this variant must hold in every reachable state
  Live: [-DNAME...]             this one too, and its claim `live` in every fair run
  Defect: -DNAME... (WHAT)      this one has an error in it that Spin must find

Exit status 0 only if all of it came true. A search that ends for lack of memory or depth is a failure:
only what was exhaustive counts.
"""
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEPTH = 1_000_000
MEMORY_MB = 1500


def directives(text):
    """Yields (keyword, rest) of the head comment."""
    head = text.split("\n */", 1)[0]
    for match in re.finditer(r"^ \* (Source|Check|Live|Defect):(.*)$", head, re.MULTILINE):
        yield match[1], match[2].strip()


def check_source(rest):
    """The functions that a model is of exist: else it is a model of something that was."""
    path, _, names = rest.partition(":")
    source = (ROOT / path.strip()).read_text()
    for name in names.split():
        if not re.search(rf"^[A-Za-z_#].*\b{name}\(", source, re.MULTILINE):
            return [f"{path} defines no {name}()"]
    return []


def explore(model, flags, live, folder):
    """Returns (errors found, exhaustive, line about the search)."""
    started = time.monotonic()
    subprocess.run(["spin", "-a", *flags, model], cwd=folder, check=True,
                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    how = ["-DNFAIR=3"] if live else ["-DSAFETY", "-DNOCLAIM"]
    # A large model is compiled for minutes if it is optimised, and searched in seconds.
    large = sum(file.stat().st_size for file in Path(folder).glob("pan.*")) > 800_000
    subprocess.run(["cc", "-O0" if large else "-O1", "-w", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MB}", *how,
                    "-o", "pan", "pan.c"], cwd=folder, check=True)
    arguments = ["-a", "-f"] if live else []
    run = subprocess.run(["./pan", f"-m{DEPTH}", *arguments], cwd=folder,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = run.stdout
    errors = re.search(r"errors: (\d+)", output)
    states = re.search(r"^\s*([0-9.e+]+) states, stored", output, re.MULTILINE)
    exhaustive = (errors is not None and "Full statespace search" in output and
                  "Search not completed" not in output and "max search depth" not in output)
    what = re.search(r"^pan:\d+: (.*)$", output, re.MULTILINE)
    memory = re.search(r"([0-9.]+)\s+total actual memory usage", output)
    line = (f"{states[1] if states else '?'} states, {memory[1] if memory else '?'} MB, "
            f"{time.monotonic() - started:.1f} s")
    if what:
        line += f": {what[1]}"
    if errors is None:
        line += "\n" + output
    return int(errors[1]) if errors else 0, exhaustive, line


def main():
    model = Path(sys.argv[1]).resolve()
    failures = []
    n_defects = n_checks = 0
    for keyword, rest in directives(model.read_text()):
        if keyword == "Source":
            failures += check_source(rest)
            continue
        flags = [word for word in rest.split() if word.startswith("-D")]
        with tempfile.TemporaryDirectory() as folder:
            errors, exhaustive, line = explore(model, flags, keyword == "Live", folder)
        good = errors > 0 if keyword == "Defect" else exhaustive and errors == 0
        print(f"{keyword.lower():6} {' '.join(flags):32} {'ok' if good else 'FAILED':6} {line}",
              flush=True)
        n_defects += keyword == "Defect"
        n_checks += keyword != "Defect"
        if not good:
            failures.append(f"{keyword}: {rest}")
    if not n_checks or not n_defects:
        failures.append("a model needs something to check and a defect to find")
    for failure in failures:
        print(f"{model.name}: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
