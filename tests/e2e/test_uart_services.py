# SPDX-License-Identifier: Apache-2.0
"""The log and the topics of NuttX boards on UARTs (their twins of tests/interop): at our hub, and at an
edge of ours behind it."""
import json
import struct
import subprocess

from harness import Case, Daemon, eventually, main
from line import NuttX
from nuttx_node import Node
from nuttx_services import Sensors, SyslogClient, SyslogServer

ACCEL, BARO = "/dev/uorb/sensor_accel0", "/dev/uorb/sensor_baro0"


class Services:
    def board(self, server=None):
        """One that logs to `server`, on a wire of the hub, and what else there is of it."""
        self.node = Node("board", ("rpmsg-ping",), edge=True)
        self.sensors = Sensors(self.node)
        self.syslog = SyslogClient(self.node, server) if server else None
        self.log_server = SyslogServer(self.node)
        self.edge = NuttX(self.dir / "board.pty", "board", "ap", node=self.node)
        self.addCleanup(self.edge.close)

    def hub(self):
        return Daemon(self, "ap", "--route", "all", "--service", f"syslog:file={self.dir}/ap.lines",
                      "--service", "sensor", "--link", f"board=pty:{self.dir}/board.pty",
                      "--link", f"droid={self.url('droid', True)}")

    def start_droid(self):
        return Daemon(self, "droid", "--link", f"ap={self.url('droid')}", "--service",
                      f"syslog:file={self.dir}/droid.lines", "--service", "sensor")

    def setUp(self):
        super().setUp()
        self.ap, self.droid = self.hub(), self.start_droid()
        self.reader = {"ap": self.ap, "droid": self.droid}[self.at]
        self.board(None if "log_to" in self.id() else self.at)
        self.reader.wait_for("board", "rpmsg-sensor")

    def tearDown(self):
        self.assertIsNone(self.edge.error)
        for daemon in (self.droid, self.ap):
            self.assertEqual(0, daemon.stop())
        super().tearDown()

    def flushed(self):
        self.edge.do(self.syslog.flush())
        return not self.syslog.text

    def text(self, node):
        return (self.dir / f"{node.name}.lines").read_text()

    def test_log_of_a_board(self):
        """Partial lines are joined; what could control a terminal is not written."""
        node = self.reader
        node.wait_for("board", "rpmsg-syslog")
        for part in (b"[ 1.0] one\n[ 1.1] t", b"wo\n\x1b[2Jthree\n", b"x" * 1900 + b"\n", b"last"):
            self.syslog.log(part)
            self.edge.do(self.syslog.flush())
        expected = ["board: [ 1.0] one", "board: [ 1.1] two", "board: ?[2Jthree", "board: " + "x" * 1900]
        eventually(lambda: self.flushed() and self.text(node).splitlines()[:4] == expected, "the lines")

    def test_log_to_a_board(self):
        node = self.reader
        lines = "".join(f"line {i}\n" for i in range(500))
        self.assertEqual(0, node.rpmsg("logger", "board", input=lines).returncode)
        eventually(lambda: self.log_server.text.decode() == lines, "the lines at the board")

    def test_logs_both_ways(self):
        """A board that logs here takes a log from here: two endpoints of one name, if there is no hub between."""
        node = self.reader
        node.wait_for("board", "rpmsg-syslog")
        lines = "".join(f"line {i}\n" for i in range(500))
        result = node.rpmsg("logger", "board", input=lines)
        if self.at == "ap":
            self.assertEqual(0, result.returncode, result.stderr)
            eventually(lambda: self.log_server.text.decode() == lines, "the lines at the board")
        else:
            self.assertEqual(3, result.returncode)
            self.assertIn("board logs into this node, and a hub has one route for that", result.stderr)
        self.syslog.log(b"and back\n")
        eventually(lambda: self.flushed() and "board: and back" in self.text(node), "the line")

    def test_topic_of_a_board(self):
        node = self.reader
        self.edge.do(self.sensors.write(ACCEL))
        sub = node.rpmsg_start("sensor", "sub", "sensor_accel0", "-n", 20, "--json",
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        eventually(lambda: self.sensors.topic(ACCEL).stubs, "the subscription")
        for i in range(20):
            sample = struct.pack("<Qffff", 1000 * i, i, -i, 9.75, 20.5)
            self.edge.do(self.sensors.publish(ACCEL, sample))
        out, err = sub.communicate()
        self.assertEqual(0, sub.returncode, err)
        samples = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([(1000 * i, i, -i, 9.75, 20.5) for i in range(20)],
                         [tuple(s[key] for key in ("timestamp", "x", "y", "z", "temperature"))
                          for s in samples])
        eventually(lambda: not self.sensors.topic(ACCEL).stubs, "its end")

    def test_info_of_a_board(self):
        node = self.reader
        self.sensors.info = struct.pack("<IfffiiII32s32s", 7, 1.5, 78.5, 0.25, 1000, 100000, 0, 16, b"BMI160", b"Bosch")
        self.edge.do(self.sensors.write(ACCEL))
        result = node.rpmsg("sensor", "info", "sensor_accel0", "--json")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual({"topic": ACCEL, "name": "BMI160", "vendor": "Bosch", "version": 7, "power_ma": 1.5,
                          "max_range": 78.5, "resolution": 0.25, "min_delay_us": 1000, "max_delay_us": 100000,
                          "fifo_reserved": 0, "fifo_max": 16}, json.loads(result.stdout))
        eventually(lambda: not self.sensors.topic(ACCEL).stubs, "the end of the subscription")

    def test_topic_for_a_board(self):
        node = self.reader
        self.edge.do(self.sensors.read(BARO))
        text = "".join(f'{{"timestamp": {i}, "pressure": {i}, "temperature": 20.5}}\n' for i in range(50))
        result = node.rpmsg("sensor", "pub", "sensor_baro0", "-w", input=text)
        self.assertEqual(0, result.returncode, result.stderr)
        topic = self.sensors.topic(BARO)
        eventually(lambda: len(topic.samples) == 50, "the samples")
        self.assertEqual([struct.pack("<Qff", i, i, 20.5) for i in range(50)], topic.samples)

    def test_a_board_that_starts_anew(self):
        """What its program had subscribed to comes again."""
        node = self.reader
        self.edge.do(self.sensors.read(BARO))
        self.edge.close()
        self.board(node.name)
        self.edge.do(self.sensors.read(BARO))
        node.wait_for("board", "rpmsg-syslog")
        self.syslog.log(b"anew\n")
        eventually(lambda: self.flushed() and "board: anew" in self.text(node), "the line")
        self.assertEqual(0, node.rpmsg("sensor", "pub", "sensor_baro0", "-w",
                                       input='{"pressure": 1}\n').returncode)
        eventually(lambda: self.sensors.topic(BARO).samples, "the sample")


class AtTheHub(Services, Case):
    at = "ap"


class BehindTheHub(Services, Case):
    at = "droid"


if __name__ == "__main__":
    main()
