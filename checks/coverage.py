#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judges the coverage of src/, as gcovr has summed it up.

usage: coverage.py SUMMARY.json    (gcovr --json-summary)

Prints both figures and the files that are furthest behind; exit status 1 if one is below its target.
"""
import json
import sys

TARGETS = {"line": 95.0, "branch": 85.0}
N_WORST = 8


def judge(summary):
    """Returns (lines to print, good)."""
    report, good = [], True
    for kind, target in TARGETS.items():
        covered, total = summary[f"{kind}_covered"], summary[f"{kind}_total"]
        percent = 100 * covered / total
        reached = percent >= target
        good = good and reached
        report.append(f"{kind:6} coverage of src/: {percent:.1f} % ({covered} of {total}), "
                      f"{'at' if reached else 'BELOW'} the target of {target:.0f} %")
        report += worst(summary["files"], kind)
    return report, good


def worst(files, kind):
    """The files with most that is not covered."""
    missing = sorted(((file[f"{kind}_total"] - file[f"{kind}_covered"], file["filename"],
                       file[f"{kind}_percent"]) for file in files), reverse=True)
    return [f"    {count:4} not: {name} ({percent:.0f} %)"
            for count, name, percent in missing[:N_WORST] if count]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        report, good = judge(json.load(file))
    print("\n".join(report))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
