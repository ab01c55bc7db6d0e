#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Defects on purpose (src/base/mutant.h) are in no build but `mutants`; tests/HAZARDS.md and the
sources name the same ones, and it is noticed when they do not."""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("RPR_BIN", ROOT / "build/bin")).parent
sys.path.insert(0, str(ROOT / "tests/mutants"))

import mutate  # noqa: E402  pylint: disable=wrong-import-position

HEAD = "| case | what must hold | tests | mutations |\n|---|---|---|---|\n"


def expand(*options):
    """What is left of MUTANT(name) when the preprocessor is done."""
    source = '#include "base/mutant.h"\nthe end: MUTANT(name)\n'
    output = subprocess.run(["gcc", "-E", "-P", f"-I{ROOT}/src", *options, "-x", "c", "-"],
                            input=source, stdout=subprocess.PIPE, text=True, check=True).stdout
    return output.split("the end: ")[1].strip()


class Absent(unittest.TestCase):
    def test_constant_0_elsewhere(self):
        self.assertEqual(expand(), "0")
        self.assertEqual(expand("-DRPR_DEBUG=1"), "0")
        self.assertEqual(expand("-DRPR_MUTANTS=1"), 'mutant_is("name")')

    def test_nothing_of_them_in_what_is_shipped(self):
        shipped = [BUILD / "lib/librpr.a", *sorted((BUILD / "bin").iterdir())]
        words = [b"mutant_is", b"RPR_MUTANT", *(name.encode() for name in mutate.mutants_in_sources())]
        self.assertGreater(len(shipped), 3)
        self.assertGreater(len(words), 35)
        for path in shipped:
            content = path.read_bytes()
            self.assertEqual([word for word in words if word in content], [], path)


class Table(unittest.TestCase):
    def problems(self, text, source):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "src").mkdir()
            (root / "src/a.c").write_text(source)
            (root / "table.md").write_text(HEAD + text)
            return list(mutate.problems(mutate.read_table(root / "table.md"),
                                        mutate.mutants_in_sources(root)))

    def test_good(self):
        self.assertEqual(self.problems("| a | b | `unit.a/b` | `one`, `two` |\n",
                                       "if (MUTANT(one) || MUTANT(two) || MUTANT(one))"), [])

    def test_mutation_without_row(self):
        self.assertEqual(self.problems("| a | b | `unit.a/b` | `one` |\n",
                                       "if (MUTANT(one) || MUTANT(two))"),
                         ["src/a.c: MUTANT(two) is not in HAZARDS.md"])

    def test_row_without_mutation(self):
        self.assertEqual(self.problems("| a | b | `unit.a/b` | `one`, `two` |\n", "MUTANT(one)"),
                         ["HAZARDS.md: `two` is in no source"])
        self.assertEqual(self.problems("| a | b | `unit.a/b` | |\n", ""),
                         ["HAZARDS.md:3: no mutation is named"])

    def test_row_without_test(self):
        self.assertEqual(self.problems("| a | b | none | `one` |\n", "MUTANT(one)"),
                         ["HAZARDS.md:3: no test is named"])

    def test_wrong_number_of_cells(self):
        self.assertEqual(self.problems("| a | b | `unit.a/b`, `one` |\n", ""),
                         ["HAZARDS.md:3: a row has 4 cells"])


if __name__ == "__main__":
    unittest.main()
