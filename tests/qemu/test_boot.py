#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One guest: where it can start, its console, what it says of mistakes."""
from guests import BOARD, Case, ivshmem, main

CTRL_C = b"\x03"


class Boot(Case):
    def test_boards(self):
        # At EL2 and at EL1; with configuration space above and below 4 GiB; GICv3 with and without ITS.
        for number, board in enumerate((BOARD, "virt,gic-version=3", BOARD + ",highmem=off",
                                        BOARD + ",its=off")):
            with self.subTest(board):
                guest = self.guest("a", ivshmem(self.shared(f"shm{number}")),
                                   "link=b=ivshmem:0?role=master", board=board)
                self.assertIn("b: ivshmem rpr connecting", guest.command("rpmsg ls"))
                self.assertEqual(guest.power_off(), 0)

    def test_mistakes_are_told_and_left_out(self):
        guest = self.guest("a", [], "nonsense link=b=ivshmem:0 link=c=uart:3 link=d=spi:0 route=x:")
        said = guest.text()
        for text in ("cannot use 'nonsense'", "b: no such device", "c: no such device",
                     "cannot use 'link=d=spi:0'", "cannot use 'route=x:'"):
            self.assertIn(text, said)
        self.assertEqual(guest.command("rpmsg ls"), "")
        self.assertIn("command not found", guest.command("make coffee"))
        self.assertIn("usage: rpmsg send DEV SERVICE BYTES SEED", guest.command("rpmsg send x"))
        self.assertIn("x: no such device", guest.command("rpmsg ping x 1 1 1 1"))

    def test_help_names_every_command(self):
        said = self.guest("a", []).command("help")
        for line in ("help", "ps", "uname -a", "rpmsg dump DEV|all", "rpmsg ping DEV|all",
                     "rpmsg ls", "rpmsg send DEV SERVICE BYTES SEED", "rpmsg recv SERVICE", "logger TEXT...",
                     "poweroff"):
            self.assertIn(f"  {line}", said)

    def test_ctrl_c_stops_what_waits(self):
        guest = self.guest("a", [])
        guest.begin("rpmsg recv nothing")
        guest.process.stdin.write(CTRL_C)
        guest.process.stdin.flush()
        self.assertIn("received 0 bytes crc32 00000000, not to the end", guest.end())
        self.assertIn("rpmsg-router a ", guest.command("uname -a"))

    def test_free_shows_each_pool(self):
        lines = self.guest("a", []).command("free").splitlines()
        self.assertEqual(lines[0].split(), ["BLOCK", "BLOCKS", "USED", "PEAK", "REFUSED"])
        for line in lines[1:]:
            block, blocks, used, peak, refused = map(int, line.split())
            self.assertTrue(block >= 64 and blocks >= peak >= used)
            self.assertEqual(refused, 0)


if __name__ == "__main__":
    main()
