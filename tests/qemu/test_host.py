#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""rpmsgd on Linux is the hub of a guest on shared memory, a guest on a UART, and a local process."""
import json
import re
import subprocess

from guests import Case, DEADLINE, crc, ivshmem, main, stream, virtconsole
from harness import Daemon, eventually

COUNT = 1 << 20


class Host(Case):
    def setUp(self):
        super().setUp()
        self.region, self.wire = self.shared("shm"), self.dir / "uart.sock"
        self.audio = self.guest("audio", ivshmem(self.region), "link=ap=ivshmem:0?role=slave")
        self.ap = Daemon(self, "ap", "--link", f"audio=ivshmem:{self.region}?role=master&layout=rptun",
                         "--link", f"droid=unix:{self.wire}?listen=1",
                         "--link", f"linux={self.url('local', True)}", "--route", "all")
        self.droid = self.guest("droid", virtconsole(self.wire, False), "link=ap=uart:0")
        self.linux = Daemon(self, "linux", "--link", f"ap={self.url('local')}")
        self.wait()

    def wait(self):
        for guest, others in ((self.audio, ("droid", "linux")), (self.droid, ("audio", "linux"))):
            for other in others:
                guest.wait_for(other)
        for guest in (self.audio, self.droid):
            self.linux.wait_for(guest.name, "rpmsg-ping")

    def ping_from_linux(self, device, times, length):
        said = self.linux.rpmsg("--json", "ping", device, times, length, 1, 0)
        self.assertEqual(said.returncode, 0, said.stderr)
        result = json.loads(said.stdout)
        print(f"\n  linux -> {device}, {length} B: {result['rtt_ns']['avg']} ns", flush=True)
        self.assertEqual(result["lost"], 0)

    def test_pings(self):
        for length in (64, 1400):
            for guest, device in ((self.audio, "droid"), (self.droid, "audio"),
                                  (self.audio, "linux"), (self.droid, "linux")):
                lost, average = guest.ping(device, 1000, length)
                print(f"\n  {guest.name} -> {device}, {length} B: {average} ns", flush=True)
                self.assertEqual(lost, 0)
            for device in ("audio", "droid"):
                self.ping_from_linux(device, 1000, length)

    def test_logs_of_guests(self):
        self.audio.command("logger hello from a guest")  # the slave of ap logs to it
        eventually(lambda: re.search(r"^audio: \[.*\] \[ 0\] \[  INFO\] \[audio\] hello from a guest$",
                                     self.ap.process.log.read_text(), re.M), "the line in the log of ap")
        self.assertEqual(0, self.linux.rpmsg("logger", "audio", "hello", "back").returncode)
        self.audio.expect(r"^hello back")
        self.assertEqual(0, self.linux.rpmsg("logger", "droid", "hello", "droid").returncode)
        self.droid.expect(r"^hello droid")

    def test_streams_between_guests(self):
        for sender, receiver in ((self.audio, self.droid), (self.droid, self.audio)):
            receiver.begin("rpmsg recv copy")
            sent = sender.command(f"rpmsg send {receiver.name} copy {COUNT} 1")
            wanted = crc(stream(COUNT, 1))
            self.assertIn(f"sent {COUNT} bytes crc32 {wanted}", sent)
            self.assertIn(f"received {COUNT} bytes crc32 {wanted}", receiver.end())

    def test_streams_to_linux(self):
        for number, guest in enumerate((self.audio, self.droid)):
            listener = self.linux.rpmsg_start("listen", f"copy{number}", stdout=subprocess.PIPE)
            guest.begin(f"rpmsg send linux copy{number} {COUNT} {number}")
            data, _ = listener.communicate()
            self.assertEqual(listener.returncode, 0)
            self.assertIn(f"sent {COUNT} bytes crc32 {crc(data)}", guest.end())
            self.assertEqual(data, stream(COUNT, number))

    def test_streams_from_linux(self):
        data = stream(COUNT, 3)
        for guest in (self.audio, self.droid):
            guest.begin("rpmsg recv copy")
            done = self.linux.rpmsg("cat", guest.name, "copy", input=data, text=False,
                                    timeout=DEADLINE * 2)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"received {COUNT} bytes crc32 {crc(data)}", guest.end())

    def test_any_node_ends_and_comes_back(self):
        for guest in (self.audio, self.droid, self.droid, self.audio):
            guest.restart()
            self.wait()
        self.ap.kill()
        self.ap.start()
        self.wait()
        self.ping_from_linux("droid", 10, 64)


if __name__ == "__main__":
    main()
