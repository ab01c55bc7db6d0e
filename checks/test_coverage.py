#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gives coverage.py figures around the targets."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import coverage  # pylint: disable=wrong-import-position


def summary(lines, branches):
    """Of two files, of which one has all that is missing; of 1000 each."""
    def file(name, line, branch):
        return {"filename": name, "line_total": 500, "line_covered": line, "line_percent": line / 5,
                "branch_total": 500, "branch_covered": branch, "branch_percent": branch / 5}
    return {"line_total": 1000, "line_covered": lines, "branch_total": 1000,
            "branch_covered": branches,
            "files": [file("src/good.c", 500, 500), file("src/bad.c", lines - 500, branches - 500)]}


class Coverage(unittest.TestCase):
    def test_at_the_targets(self):
        report, good = coverage.judge(summary(950, 850))
        self.assertTrue(good)
        self.assertIn("line   coverage of src/: 95.0 % (950 of 1000), at the target of 95 %", report)

    def test_each_target_counts(self):
        self.assertFalse(coverage.judge(summary(949, 1000))[1])
        report, good = coverage.judge(summary(1000, 849))
        self.assertFalse(good)
        self.assertIn("branch coverage of src/: 84.9 % (849 of 1000), BELOW the target of 85 %", report)

    def test_only_files_that_lack_something_are_named(self):
        report = "\n".join(coverage.judge(summary(950, 850))[0])
        self.assertIn("50 not: src/bad.c (90 %)", report)
        self.assertNotIn("good.c", report)


if __name__ == "__main__":
    unittest.main()
