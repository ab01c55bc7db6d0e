#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two guests joined twice, by shared memory and by a UART, as in the reference set-up."""
import os
import re

from guests import Case, crc, ivshmem, main, stream, virtconsole, virtserialport

# The reference is two guests of another system: 17.1 and 7.3 ms, and elsewhere 5.0 and 23.6 ms.
MEMORY_NS = 1_700_000
UART_NS = 700_000

# Two guests on two cores are late for as long as others want the cores, too.
TRIES = 5


def busy():
    return os.getloadavg()[0] > 2 * os.cpu_count()


class Pair(Case):
    def pair(self, layout="rptun", carrier=virtconsole, port="0", legacy=True):
        shm, wire = self.shared("shm"), self.dir / "uart.sock"
        self.server = self.guest(
            "server", ivshmem(shm) + carrier(wire, True, legacy),
            f"link=proxy=ivshmem:0?role=master&layout={layout} link=proxy2=uart:{port}")
        self.proxy = self.guest(
            "proxy", ivshmem(shm) + carrier(wire, False, legacy),
            f"link=server=ivshmem:0?role=slave&layout={layout} link=server2=uart:{port}")
        self.wait()

    def wait(self):
        for guest, devices in ((self.server, ("proxy", "proxy2")),
                               (self.proxy, ("server", "server2"))):
            for device in devices:
                guest.wait_for(device)

    def test_console_in_the_shape_of_the_reference(self):
        self.pair()
        self.server.wait_for("proxy", "rpmsg-syslog")  # proxy, the slave, logs to it
        for device in ("proxy", "proxy2"):
            self.server.wait_for(device, "rpmsg-sensor")
        self.assertRegex(self.server.command("uname -a"), r"^rpmsg-router server .*qemu-armv8a$")
        ps = self.server.command("ps")
        self.assertRegex(ps, r"  TID   PID  PPID PRI POLICY   TYPE    NPX STATE .* COMMAND")
        for task in ("Idle_Task", "rpmsg-owner", "rpmsg-uart proxy2", "shell"):
            self.assertIn(task, ps)
        prefix = r"\[ *\d+\.\d{6}\] \[ 0\] \[ EMERG\] \[server\] "
        dump = re.sub(prefix, "", self.server.command("rpmsg dump all"))
        self.assertEqual(dump.splitlines(), [
            "Dump rpmsg info between cpu (master: yes)server <==> proxy:",
            "rpmsg vq RX:", "rpmsg vq TX:", "  rpmsg ept list:",
            "    ept NS", "    ept rpmsg-sensor", "    ept rpmsg-ping", "    ept rpr", "    ept rpmsg-syslog",
            "  rpmsg buffer list:",
            "    RX buffer, total 8, pending 0", "    TX buffer, total 8, pending 0",
            "Remote: proxy2 state: 1", "ept NS", "ept rpmsg-sensor", "ept rpmsg-ping", "ept rpr",
            "rpmsg_port queue RX: {used: 0, avail: 8}", "rpmsg buffer list:",
            "rpmsg_port queue TX: {used: 0, avail: 8}", "rpmsg buffer list:"])
        ping = re.sub(prefix, "", self.server.command("rpmsg ping all 1 1 1 1"))
        time = r"\d+ s, \d+ ns"
        one = (r"ping times: 1\nbuffer_len: %d, send_len: 17\n" + f"avg: {time}\nmin: {time}\n"
               f"max: {time}\n" + r"rate: \d+\.\d{6} Mbits/sec")
        self.assertRegex(ping, f"^{one % 1520}\n{one % 2008}$")

    def test_the_log_of_one_on_the_console_of_the_other(self):
        self.pair()
        self.proxy.command("logger one two three")
        self.server.expect(r"^\[ *\d+\.\d{6}\] \[ 0\] \[  INFO\] \[proxy\] one two three\r?$")
        self.assertNotIn("[server]", self.proxy.text())
        before = len(self.server.text())
        for i in range(100):
            self.proxy.command(f"logger line {i}")
        self.server.expect("line 99$")
        said = re.findall(r"\[proxy\] line (\d+)", self.server.text()[before:])
        self.assertEqual([str(i) for i in range(100)], said)
        self.server.restart()  # what is logged meanwhile waits
        self.proxy.command("logger while it was away")
        self.server.expect("while it was away")

    def average(self, guest, device, limit):
        """Of 1000 pings of 17 bytes, none lost; the best of some tries if one is over the limit."""
        best = None
        for _ in range(TRIES):
            lost, average = guest.ping(device, 1000, 17)
            self.assertEqual(lost, 0)
            best = average if best is None else min(best, average)
            if best <= limit:
                break
        print(f"\n  {guest.name} -> {device}: {best} ns", flush=True)
        return best

    def test_pings(self):
        self.pair()
        for guest, memory, uart in ((self.server, "proxy", "proxy2"),
                                    (self.proxy, "server", "server2")):
            for device, limit in ((memory, MEMORY_NS), (uart, UART_NS)):
                average = self.average(guest, device, limit)
                if average > limit and busy():
                    print(f"\n  {average} ns is over {limit}, but the machine is busy", flush=True)
                else:
                    self.assertLessEqual(average, limit)
                self.assertEqual(guest.ping(device, 100, 1400, 7)[0], 0)

    def copy(self, sender, receiver, device, count=1 << 20):
        seed = len(device)
        receiver.begin("rpmsg recv copy")
        sent = sender.command(f"rpmsg send {device} copy {count} {seed}")
        wanted = crc(stream(count, seed))
        self.assertIn(f"sent {count} bytes crc32 {wanted}", sent)
        self.assertIn(f"received {count} bytes crc32 {wanted}", receiver.end())

    def test_streams(self):
        self.pair()
        self.copy(self.server, self.proxy, "proxy")
        self.copy(self.server, self.proxy, "proxy2")
        self.copy(self.proxy, self.server, "server")
        self.copy(self.proxy, self.server, "server2")

    def test_layout_lite_and_version_2_of_virtio(self):
        self.pair(layout="lite", legacy=False)
        self.copy(self.server, self.proxy, "proxy")
        self.copy(self.proxy, self.server, "server2")

    def test_virtserialport(self):
        self.pair(carrier=virtserialport, port="0.1")
        self.copy(self.server, self.proxy, "proxy2")
        self.copy(self.proxy, self.server, "server2")

    def test_any_guest_ends_and_comes_back(self):
        self.pair()
        for guest in (self.server, self.proxy, self.proxy, self.server):
            guest.restart()
            self.wait()
        for guest in (self.server, self.proxy, self.proxy):
            guest.reset()
            self.wait()
        for guest in (self.server, self.proxy):
            self.assertEqual(guest.power_off(), 0)
            guest.start()
            self.wait()
        self.copy(self.server, self.proxy, "proxy")
        self.copy(self.server, self.proxy, "proxy2")


if __name__ == "__main__":
    main()
