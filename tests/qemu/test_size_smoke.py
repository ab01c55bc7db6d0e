#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The smallest nodes, driver and device, test each other on QEMU's mps2-an386 (smoke.c)."""
import os
import subprocess
import unittest
from pathlib import Path

BUILD = Path(os.environ.get("RPR_MINI_BUILD", Path(__file__).resolve().parents[2] / "build-mini"))
IMAGE = BUILD / "bin" / "size-smoke"
MACHINE = ["qemu-system-arm", "-machine", "mps2-an386", "-nographic", "-monitor", "none",
           "-serial", "none", "-semihosting-config", "enable=on,target=native"]
ROLE = ["ok: 100 echoes", "ok: malformed ring refused", "ok: malformed length refused"]


class SizeSmoke(unittest.TestCase):
    def test_on_the_board(self):
        result = subprocess.run([*MACHINE, "-kernel", IMAGE], stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=30, check=False)
        said = result.stdout + result.stderr
        print(said, end="")
        self.assertEqual(result.returncode, 0, said)
        self.assertEqual(said.splitlines(), ["ok: CREATE in and out", "device:", *ROLE, "driver:",
                                             *ROLE, "size-smoke: PASS"])


if __name__ == "__main__":
    unittest.main()
