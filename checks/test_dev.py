#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How ./dev answers what it cannot do: one line that says what, exit status 2."""
import subprocess
import tempfile
import unittest
from pathlib import Path

DEV = Path(__file__).resolve().parent.parent / "dev"


def dev(*arguments, cwd=None):
    return subprocess.run([DEV, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


class Refusals(unittest.TestCase):
    def refused(self, *arguments, says):
        result = dev(*arguments)
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn(says, result.stderr)

    def test_no_verb(self):
        self.refused(says="./dev help")

    def test_unknown_verb(self):
        self.refused("frobnicate", says="no verb 'frobnicate'")

    def test_unknown_preset(self):
        self.refused("build", "fast", says="no preset 'fast'")

    def test_surplus_arguments(self):
        self.refused("build", "release", "asan", says="build takes one preset")
        self.refused("help", "me", says="help takes no arguments")
        self.refused("size", "mini", says="size takes --json only")
        self.refused("fuzz", "1", "2", says="fuzz takes one number")
        self.refused("fuzz", "long", says="'long' is no number of seconds")


class Help(unittest.TestCase):
    def test_from_any_directory(self):
        with tempfile.TemporaryDirectory() as folder:
            result = dev("help", cwd=folder)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for verb in ("build", "test", "demo", "bench", "sim", "mutate", "fuzz", "size", "coverage",
                     "check", "help"):
            self.assertRegex(result.stdout, rf"(?m)^  {verb}\b")


if __name__ == "__main__":
    unittest.main()
