#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles and links each complete program of README.md against the built library.

A complete program is a ```c block with `int main` in it.

usage: examples.py ROOT
"""
import subprocess
import sys
import tempfile
from pathlib import Path

FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-D_GNU_SOURCE"]


def programs(text):
    """Yields (line number, source) for each complete program in a Markdown text."""
    block, start = None, 0
    for number, line in enumerate(text.splitlines(), 1):
        if block is None:
            if line.strip() == "```c":
                block, start = [], number + 1
        elif line.strip() == "```":
            source = "\n".join(block) + "\n"
            if "int main" in source:
                yield start, source
            block = None
        else:
            block.append(line)


def compiles(root, line, source):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example.c"
        path.write_text(f'#line {line} "README.md"\n{source}')
        library = root / "build" / "lib" / "librpr.a"
        command = ["gcc", *FLAGS, f"-I{root}/include", path, library, "-pthread",
                   "-o", Path(folder) / "example"]
        return subprocess.run(command, check=False).returncode == 0


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    root = Path(sys.argv[1]).resolve()
    readme = root / "README.md"
    if not readme.is_file():
        print("README.md does not exist")
        return 1
    return 0 if all([compiles(root, *program) for program in programs(readme.read_text())]) else 1


if __name__ == "__main__":
    sys.exit(main())
