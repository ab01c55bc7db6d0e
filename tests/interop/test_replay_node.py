# SPDX-License-Identifier: Apache-2.0
"""Our node in the place of each side of every recording (tests/interop/replay): at each mark and at
the end it is where the recorded node was. And recordings in which it cannot be: that is seen."""
import os
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

import nuttx_wire as wire

BIN = Path(os.environ.get("RPR_BIN", Path(__file__).resolve().parents[2] / "build" / "bin"))
RECORDINGS = Path(__file__).parent / "recordings"

# Sides that do what none of ours must; the rest of the recording is played all the same.
ONLY_A = {"uart-bad.rpc": "B answers pings of wrong length and checksum",
          "uart-bad-crc.rpc": "B answers pings of wrong length and checksum",
          "uart-burst-21.rpc": "B hangs (B1)"}
ONLY_B = {"uart-router.rpc": "A never answers an endpoint that was closed and opened (H-23)",
          "uart-router-crc.rpc": "A never answers an endpoint that was closed and opened (H-23)"}
NEITHER = {"uart-b6.rpc": "B dies (B6), and A is a script that answers nothing"}


def play(path, *options):
    return subprocess.run([BIN / "rpr-replay-node", *options, path], text=True, timeout=240,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def spoilt(path, change):
    """A copy of a recording, with each frame given to `change`, which returns bytes."""
    data = path.read_bytes()
    head = b"\n".join(data.split(b"\n", 2)[:2]) + b"\n"
    for t, link, direction, part in wire.read_recording(path)[1]:
        part = change(t, link, direction, part)
        head += struct.pack("<QBBH", t, link, direction, len(part)) + part
    return head


class ReplayNode(unittest.TestCase):
    def test_all(self):
        paths = sorted(RECORDINGS.rglob("*.rpc"))
        self.assertGreater(len(paths), 3)
        for path in paths:
            if path.name in NEITHER:
                continue
            options = ["-a"] if path.name in ONLY_A else ["-b"] if path.name in ONLY_B else []
            with self.subTest(path.name):
                result = play(path, *options)
                self.assertEqual(0, result.returncode, result.stdout)
                self.assertNotIn("DIFFERENT", result.stdout)

    def check_seen(self, change, says):
        with tempfile.NamedTemporaryFile(suffix=".rpc") as file:
            file.write(spoilt(RECORDINGS / "full.rpc", change))
            file.flush()
            result = play(file.name)
        self.assertEqual(1, result.returncode, result.stdout)
        self.assertRegex(result.stdout, says)

    def test_answer_that_the_recorded_node_never_gave(self):
        """Frames to the hub with a payload that begins as an answer to a ping."""
        gone = []

        def change(_t, link, direction, part):
            if link != 0 or direction != 1 or part[25:29] != b"\x20\0\0\0" or gone:
                return part
            gone.append(part)
            return b""

        self.check_seen(change, "pings: 1 answered, 0 in the recording")
        self.assertTrue(gone)

    def test_sensor_word_that_the_recorded_node_never_said(self):
        """The hub subscribes at both edges; in this recording at one."""
        def change(_t, link, direction, part):
            return b"" if link == 1 and direction == 0 and b"/de\x7c\x56/" in part else part

        self.check_seen(change, r"rpmsg-sensor: command 3: \d+ said, 0 in the recording")

    def test_service_that_was_never_acknowledged(self):
        """To side B the hub speaks of another service."""
        name, other = (b"".join(bytes([0x7C, c ^ 0x20]) if 0x70 <= c <= 0x7F else bytes([c])
                                for c in text) for text in (b"rpmsg-test", b"rpmsg-tesu"))

        def change(_t, _link, direction, part):
            return part.replace(name, other) if direction == 0 else part

        self.check_seen(change, "rpmsg-test")


if __name__ == "__main__":
    unittest.main(verbosity=2)
