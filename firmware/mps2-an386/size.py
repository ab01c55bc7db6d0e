#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the smallest nodes weigh: the sections that link.ld keeps for librpr.a.

usage: size.py BUILD_DIR [--json | --check]
flash: .text + .rodata + .data linked from librpr.a. ram: .data + .bss, with the memory of the node (one
link, 8+8 descriptors) and of two endpoints, which the application gives.
--check: exit status 1 if a target is missed.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

FLASH = (".rpr_text", ".rpr_rodata", ".rpr_data")
RAM = (".rpr_data", ".rpr_bss")
TARGETS = {"device": (2648, 452), "driver": (3128, 452)}


def sections(image):
    out = subprocess.run(["arm-none-eabi-size", "-A", image], capture_output=True, text=True,
                         check=True).stdout
    return {name: int(size) for name, size in re.findall(r"^(\.\S+)\s+(\d+)", out, re.M)}


def weigh(build, role):
    size = sections(build / "bin" / f"node-{role}")
    assert size[".rpr_text"] and size[".rpr_bss"]
    return {"name": f"cortex-m4/{role}", "flash": sum(size.get(name, 0) for name in FLASH),
            "ram": sum(size.get(name, 0) for name in RAM)}


def main():
    build, option = (sys.argv[1:] + [None, None])[:2]
    if len(sys.argv) not in (2, 3) or option not in (None, "--json", "--check"):
        print(__doc__, file=sys.stderr)
        return 2
    results = [weigh(Path(build), role) for role in TARGETS]
    if option == "--json":
        print(json.dumps({"results": results}))
        return 0
    held = True
    print(f"{'':18} {'flash':>6} {'target':>7} {'ram':>6} {'target':>7}")
    for result, (flash, ram) in zip(results, TARGETS.values()):
        print(f"{result['name']:18} {result['flash']:6} {flash:7} {result['ram']:6} {ram:7}")
        held = held and result["flash"] <= flash and result["ram"] <= ram
    return 0 if held or option != "--check" else 1


if __name__ == "__main__":
    sys.exit(main())
