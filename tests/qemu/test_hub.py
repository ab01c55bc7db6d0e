#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The field's set-up with guests alone: `ap` routes between `audio` (memory) and `droid` (UART)."""
from guests import Case, crc, ivshmem, main, stream, virtconsole


class Hub(Case):
    def setUp(self):
        super().setUp()
        shm, wire = self.shared("shm"), self.dir / "uart.sock"
        self.ap = self.guest("ap", ivshmem(shm) + virtconsole(wire, True),
                             "link=audio=ivshmem:0?role=master link=droid=uart:0 route=audio:droid")
        self.audio = self.guest("audio", ivshmem(shm), "link=ap=ivshmem:0?role=slave")
        self.droid = self.guest("droid", virtconsole(wire, False), "link=ap=uart:0")
        self.wait()

    def wait(self):
        self.audio.wait_for("droid")
        self.droid.wait_for("audio")

    def ping_both_ways(self, times, length):
        for guest, device in ((self.audio, "droid"), (self.droid, "audio")):
            lost, average = guest.ping(device, times, length)
            print(f"\n  {guest.name} -> {device}, {length} B: {average} ns", flush=True)
            self.assertEqual(lost, 0)

    def test_pings(self):
        for length in (64, 1400):
            self.ping_both_ways(1000, length)
        self.assertIn("dropped 0", self.ap.command("rpmsg ls"))

    def copy(self, sender, receiver, count=1 << 20):
        receiver.begin("rpmsg recv copy")
        sent = sender.command(f"rpmsg send {receiver.name} copy {count} 1")
        wanted = crc(stream(count, 1))
        self.assertIn(f"sent {count} bytes crc32 {wanted}", sent)
        self.assertIn(f"received {count} bytes crc32 {wanted}", receiver.end())

    def test_streams(self):
        self.copy(self.audio, self.droid)
        self.copy(self.droid, self.audio)

    def test_any_guest_ends_and_comes_back(self):
        for guest in (self.audio, self.droid, self.ap, self.droid, self.audio):
            guest.restart()
            self.wait()
        self.ping_both_ways(10, 64)

    def test_an_edge_that_ends_leaves_the_other_alone(self):
        session = self.audio.command("rpmsg ls")
        self.droid.restart()
        self.wait()
        now = self.audio.command("rpmsg ls")
        self.assertRegex(session, r"ap: .* session 1,")
        self.assertRegex(now, r"ap: .* session 1,")


if __name__ == "__main__":
    main()
