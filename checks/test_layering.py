#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants each violation in a tree of its own and sees layering.py report it."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECK = Path(__file__).with_name("layering.py")

# A tree that breaks no rule: each layer includes all that it may.
CLEAN = {
    "include/rpr/rpr.h": "#include <stdint.h>\n#include <rpr/error.h>\n",
    "include/rpr/error.h": "",
    "include/rpr/link.h": "#include <rpr/rpr.h>\n",
    "include/rpr/vring.h": "#include <rpr/link.h>\n",
    "include/rpr/serial.h": "#include <rpr/link.h>\n",
    "include/rpr/router.h": "#include <rpr/rpr.h>\n",
    "include/rpr/platform.h": "",
    "include/rpr/posix.h": "#include <rpr/platform.h>\n",
    "src/base/bytes.h": "#include <string.h>\n",
    "src/wire/ns.h": '#include "base/bytes.h"\n',
    "src/core/node.h": '#include <rpr/link.h>\n#include "wire/ns.h"\n',
    "src/core/node.c": '#include "node.h"\n#include "core/node.h"\n#include <stdatomic.h>\n',
    "src/vring/ring.c": '#include <rpr/vring.h>\n#include "wire/ns.h"\n',
    "src/serial/frame.c": '#include <rpr/serial.h>\n#include "base/bytes.h"\n',
    "src/router/hub.c": '#include <rpr/router.h>\n#include <rpr/rpr.h>\n#include "wire/ns.h"\n',
    "src/service/ping.c": '#include <rpr/rpr.h>\n#include "wire/ns.h"\n',
    "platform/posix/loop.h": '#include <sys/epoll.h>\n#include "core/node.h"\n',
    "platform/sim/clock.h": "#include <stdlib.h>\n",
    "platform/baremetal/pool.h": "#include <stddef.h>\n",
    "firmware/board/main.c": '#include "uart.h"\n#include "baremetal/pool.h"\n#include <stdio.h>\n',
    "firmware/board/uart.h": '#include "wire/ns.h"\n',
    "tools/rpmsgd/main.c": '#include <stdio.h>\n#include "posix/loop.h"\n',
    "tools/rpmsgd/config.h": "",
}

# (file, line added to it, what the report must say)
PLANTED = [
    ("src/base/bytes.h", '#include "wire/ns.h"', "src/base may not include src/wire"),
    ("src/wire/ns.h", '#include "core/node.h"', "src/wire may not include src/core"),
    ("src/wire/ns.h", "#include <rpr/rpr.h>", "src/wire may not include <rpr/rpr.h>"),
    ("src/base/bytes.h", "#include <rpr/link.h>", "src/base may not include <rpr/link.h>"),
    ("src/core/node.c", "#include <rpr/vring.h>", "src/core may not include <rpr/vring.h>"),
    ("src/core/node.c", "#include <rpr/router.h>", "src/core may not include <rpr/router.h>"),
    ("src/vring/ring.c", '#include "core/node.h"', "src/vring may not include src/core"),
    ("src/vring/ring.c", "#include <rpr/serial.h>", "src/vring may not include <rpr/serial.h>"),
    ("src/serial/frame.c", '#include "../core/node.h"', "src/serial may not include src/core"),
    ("src/router/hub.c", '#include "core/node.h"', "src/router may not include src/core"),
    ("src/router/hub.c", "#include <rpr/vring.h>", "src/router may not include <rpr/vring.h>"),
    ("src/service/ping.c", '#include "core/node.h"', "src/service may not include src/core"),
    ("src/service/ping.c", "#include <rpr/posix.h>", "src/service may not include <rpr/posix.h>"),
    ("src/core/node.c", '#include "posix/loop.h"', "src/ may not include platform/"),
    ("src/core/node.c", "#include <string.h>", "<string.h> only in src/base/bytes.h"),
    ("src/core/node.c", "#include <errno.h>", "<errno.h> is not a freestanding header"),
    ("src/core/node.c", "#  include <unistd.h>", "<unistd.h> is not a freestanding header"),
    ("include/rpr/rpr.h", "#include <stdio.h>", "<stdio.h> is not a freestanding header"),
    ("include/rpr/rpr.h", '#include "error.h"', "public headers include each other"),
    ("src/core/node.c", '#include "../../include/rpr/rpr.h"', "write public headers as"),
    ("src/core/node.c", '#include "core/gone.h"', '"core/gone.h" is not in the tree'),
    ("src/core/node.c", "#include <rpr/gone.h>", "<rpr/gone.h> is not in include/"),
    ("platform/posix/loop.h", '#include "../../tools/rpmsgd/config.h"',
     "platform/ may not include tools/"),
    ("firmware/board/main.c", '#include "posix/loop.h"', "firmware/ may not include platform/posix"),
    ("firmware/board/main.c", '#include "../../tools/rpmsgd/config.h"',
     "firmware/board may not include tools/rpmsgd"),
    ("platform/posix/loop.h", '#include "sim/clock.h"',
     "platform/posix may not include platform/sim"),
    ("src/extra/new.c", "", "src/extra is no layer"),
]


def run(tree):
    """Writes a tree and runs the check over it."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in tree.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return subprocess.run([sys.executable, "-B", CHECK, folder],
                              capture_output=True, text=True, check=False)


class Layering(unittest.TestCase):
    def test_clean_tree_passes(self):
        result = run(CLEAN)
        self.assertEqual((result.stdout, result.returncode), ("", 0), result.stderr)

    def test_each_violation_is_reported_where_it_is(self):
        for name, line, text in PLANTED:
            with self.subTest(name=name, line=line):
                before = CLEAN.get(name, "")
                result = run({**CLEAN, name: f"{before}{line}\n"})
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertEqual(len(result.stdout.splitlines()), 1, result.stdout)
                where = f"{name}:{before.count(chr(10)) + 1}: "
                self.assertTrue(result.stdout.startswith(where), result.stdout)
                self.assertIn(text, result.stdout)

    def test_usage(self):
        result = subprocess.run([sys.executable, "-B", CHECK], capture_output=True, check=False)
        self.assertEqual(result.returncode, 2)


if __name__ == "__main__":
    unittest.main()
