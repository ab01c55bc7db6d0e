#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles and links each complete program of README.md against the built library.

A complete program is a ```c block with `int main` in it. Each file of examples/ (which the build
compiles) is one of them, word for word from its first #include on.

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


def shown(readme, example):
    """Is the example what the README shows?"""
    source = example.read_text()
    if source[source.index("#include"):] in readme:
        return True
    print(f"{example.name}: README.md does not show it as it is")
    return False


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    root = Path(sys.argv[1]).resolve()
    readme = root / "README.md"
    if not readme.is_file():
        print("README.md does not exist")
        return 1
    text = readme.read_text()
    good = [compiles(root, *program) for program in programs(text)]
    good += [shown(text, example) for example in sorted((root / "examples").glob("*.c"))]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
