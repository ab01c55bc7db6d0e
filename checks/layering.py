#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Enforces the layers of ARCHITECTURE.md over every #include of the tree.

base <- wire <- core <- {vring, serial, router, service} <- platform <- {tools, firmware}

usage: layering.py ROOT
Prints `FILE:LINE: text` for each violation; exit status 0 only if there is none.
"""
import re
import sys
from pathlib import Path

# Each folder of src/: the folders of src/ it may include (itself always), and the public headers
# it may include. core, vring and serial meet only in <rpr/link.h>; router and service stand on the
# public headers, as an application does. mini is a node of its own, on the rings of vring.
CONTRACTS = {"rpr.h", "link.h", "error.h", "platform.h"}
LAYERS = {
    "base": (set(), {"rpr.h", "error.h", "platform.h"}),
    "wire": ({"base"}, {"error.h", "platform.h"}),
    "core": ({"base", "wire"}, CONTRACTS | {"loop.h"}),
    "vring": ({"base", "wire"}, CONTRACTS | {"vring.h", "ivshmem.h"}),
    "mini": ({"base", "wire", "vring"}, CONTRACTS | {"vring.h", "mini.h"}),
    "serial": ({"base", "wire"}, CONTRACTS | {"serial.h", "frame.h"}),
    "router": ({"base", "wire"}, CONTRACTS | {"router.h"}),
    "service": ({"base", "wire"},
                CONTRACTS | {"router.h", "service.h", "ping.h", "test.h", "syslog.h", "sensor.h"}),
}

# What a C compiler has without an operating system.
FREESTANDING = {
    "float.h", "iso646.h", "limits.h", "stdalign.h", "stdarg.h", "stdatomic.h", "stdbool.h",
    "stddef.h", "stdint.h", "stdnoreturn.h",
}
# The one door to memcpy, memmove, memset and memcmp.
STRING_DOOR = Path("src/base/bytes.h")

INCLUDE = re.compile(r'\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')


def includes(path):
    """Yields (line number, name, quoted) for each #include of a file."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1] or match[2], match[2] is not None


def resolve(root, source, name):
    """The file a quoted include means, relative to the root, or None: the order of the build."""
    for folder in (source.parent, Path("src"), Path("platform"), Path("tests")):
        candidate = root / folder / name
        if candidate.is_file():
            return candidate.resolve().relative_to(root)
    return None


def public_error(layer, name):
    """Why a folder of src/ may not include <rpr/NAME>, or None."""
    if name in LAYERS[layer][1]:
        return None
    return f"src/{layer} may not include <rpr/{name}>"


def system_error(source, name):
    """Why code that stands on no operating system may not include <NAME>, or None."""
    if name in FREESTANDING or (name == "string.h" and source == STRING_DOOR):
        return None
    if name == "string.h":
        return f"<string.h> only in {STRING_DOOR}"
    return f"<{name}> is not a freestanding header"


def own_error(source, target):
    """Why one file of the project may not include another by its private path, or None."""
    area, layer = source.parts[0], source.parts[1]
    to_area, to_layer = target.parts[0], target.parts[1]
    if area == "include":
        return "public headers include each other as <rpr/...>"
    if to_area == "include":
        return "write public headers as <rpr/...>"
    if area == "src":
        if to_area != "src":
            return f"src/ may not include {to_area}/"
        if to_layer != layer and to_layer not in LAYERS[layer][0]:
            return f"src/{layer} may not include src/{to_layer}"
    if area == "platform":
        if to_area not in ("src", "platform"):
            return f"platform/ may not include {to_area}/"
        if to_area == "platform" and to_layer != layer:
            return f"platform/{layer} may not include platform/{to_layer}"
    if area == "firmware":
        if to_area == "platform" and to_layer != "baremetal":
            return f"firmware/ may not include platform/{to_layer}"
        if to_area not in ("src", "platform") and source.parent != target.parent:
            return f"firmware/{layer} may not include {target.parent}"
    return None


def error_of(root, source, name, quoted):
    """Why `source` may not include `name`, or None."""
    area = source.parts[0]
    if quoted:
        target = resolve(root, source, name)
        if target is None:
            return f'"{name}" is not in the tree'
        return own_error(source, target)
    if name.startswith("rpr/"):
        if not (root / "include" / name).is_file():
            return f"<{name}> is not in include/"
        return public_error(source.parts[1], name[4:]) if area == "src" else None
    return system_error(source, name) if area in ("src", "include") else None


def sources(root, area):
    return sorted(path for path in (root / area).rglob("*") if path.suffix in (".c", ".h"))


def violations(root):
    for area in ("include", "src", "platform", "tools", "firmware"):
        for path in sources(root, area):
            source = path.relative_to(root)
            if area == "src" and source.parts[1] not in LAYERS:
                yield f"{source}:1: src/{source.parts[1]} is no layer that checks/layering.py knows"
                continue
            for number, name, quoted in includes(path):
                error = error_of(root, source, name, quoted)
                if error:
                    yield f"{source}:{number}: {error}"


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    found = list(violations(Path(sys.argv[1]).resolve()))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
