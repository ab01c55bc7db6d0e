# SPDX-License-Identifier: Apache-2.0
"""rpmsg-syslog: where lines go, what `rpmsg logger` takes, and that no line is lost, doubled, cut or joined
while everything between them is restarted or killed (tests/campaign/syslog.py, of which this runs slices)."""
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "campaign"))
import syslog as campaign
from harness import CHECKED, Case, Daemon, eventually, main


class Output(Case):
    def pair(self, *service):
        self.b_log = self.dir / "b.log"
        a = Daemon(self, "a", "--link", f"b={self.url('ab', True)}")
        b = Daemon(self, "b", "--link", f"a={self.url('ab')}", *service)
        a.wait_for("b", "rpmsg-ping")
        return a, b

    def log(self, node, *args, **options):
        result = node.rpmsg("logger", *args, **options)
        self.assertEqual((0, ""), (result.returncode, result.stderr))

    def test_forms_of_logger(self):
        a, b = self.pair("--service", f"syslog:file={self.dir}/b.log")
        self.log(a, "b", "some", "words")
        self.log(a, "-t", "tag", "b", "tagged")
        self.log(a, "-t", "tag", "b", input="one\n\ntwo\nno newline")
        (self.dir / "text").write_text("from a file\r\nesc \x1b[31m bell \a tab \t \u00fc\n")
        self.log(a, "-f", self.dir / "text", "b")
        self.log(a, "b", input="")
        self.assertEqual("a: some words\na: tag: tagged\na: tag: one\na: tag: \na: tag: two\na: tag: no newline\n"
                         "a: from a file\na: esc ?[31m bell ? tab \t \u00fc\n", self.b_log.read_text())
        long = "x" * 5000  # longer than a message, and than what is put together: in parts of 2048 bytes
        self.log(a, "b", long)
        lines = self.b_log.read_text().splitlines()[8:]
        self.assertEqual([2048, 2048, 904], [len(line) - len("a: ") for line in lines])
        self.assertEqual(2, b.call("stats")["service.syslog.cut"])

    def test_nobody_takes_it(self):
        a, _ = self.pair("--service", "syslog@none")
        result = a.rpmsg("logger", "-W", "0.3", "b", "text")
        self.assertEqual(3, result.returncode)
        self.assertIn("nobody takes log lines there", result.stderr)
        self.assertEqual(2, a.rpmsg("logger", "all", "text").returncode)
        self.assertEqual(2, a.rpmsg("logger", "-f", "x", "b", "text").returncode)

    def test_ended_while_nobody_takes_it(self):
        """It says that it waits; and one signal is enough, since there is nobody to wait for."""
        a, _ = self.pair("--service", "syslog@none")
        logger = a.rpmsg_start("logger", "b", stdin=subprocess.PIPE)
        logger.stdin.write(b"text\n")
        logger.stdin.close()
        eventually(lambda: "(waiting)" in logger.log.read_text(), "word of what it waits for")
        logger.terminate()
        self.assertEqual(3, logger.wait())
        self.assertIn("5 bytes were not taken", logger.log.read_text())

    def test_stdout(self):
        a, b = self.pair()
        self.log(a, "b", "to stdout")
        eventually(lambda: "a: to stdout\n" in b.process.log.read_text(), "the line")

    def test_a_file_is_opened_again(self):
        a, b = self.pair("--service", f"syslog:file={self.dir}/b.log")
        self.log(a, "b", "one")
        self.b_log.rename(self.dir / "old")
        b.signal(signal.SIGHUP)
        eventually(self.b_log.exists, "a new file")
        self.log(a, "b", "two")
        self.assertEqual(("a: one\n", "a: two\n"), ((self.dir / "old").read_text(), self.b_log.read_text()))

    def test_another_output_takes_over(self):
        conf = self.dir / "b.conf"
        conf.write_text(f"[link a]\nurl={self.url('ab')}\n[service syslog]\nfile={self.dir}/b.log\n")
        a = Daemon(self, "a", "--link", f"b={self.url('ab', True)}")
        b = Daemon(self, "b", "-c", str(conf))
        logger = a.rpmsg_start("logger", "b", stdin=subprocess.PIPE)
        logger.stdin.write(b"one\n")
        logger.stdin.flush()
        log, other = self.dir / "b.log", self.dir / "other"
        eventually(lambda: log.exists() and log.read_text() == "a: one\n", "the line")
        conf.write_text(conf.read_text().replace("b.log", "other"))
        b.signal(signal.SIGHUP)
        eventually(other.exists, "the other file")
        logger.communicate(b"two\n")
        self.assertEqual(0, logger.returncode)
        self.assertEqual(("a: one\n", "a: two\n"), (log.read_text(), other.read_text()))
        self.assertEqual(1, b.call("stats")["service.syslog.lines"] - 1)

    def test_a_line_that_was_cut_is_taken_away(self):
        (self.dir / "b.log").write_text("a: whole\na: cu")
        a, b = self.pair("--service", f"syslog:file={self.dir}/b.log")
        self.log(a, "b", "next")
        self.assertEqual("a: whole\na: next\n", self.b_log.read_text())
        self.assertIn("5 bytes are taken away", b.process.log.read_text().replace("a: cu", ""))

    def test_a_file_that_cannot_be(self):
        result = self.rpmsgd("--name", "x", "--control", self.dir / "x", "--service", f"syslog:file={self.dir}/no/log")
        self.assertEqual(2, result.returncode)
        self.assertIn("No such file", result.stderr)
        for keys, says in (("to=nowhere", "stdout or syslog"), ("to=syslog,file=x", "exclude"), ("socket=x", "to=syslog")):
            result = self.rpmsgd("--name", "x", "--check", "--service", f"syslog:{keys}")
            self.assertEqual(2, result.returncode, keys)
            self.assertIn(says, result.stderr)

    def test_a_syslog_daemon_that_comes_and_goes(self):
        path = str(self.dir / "log")
        a, b = self.pair("--service", f"syslog:to=syslog,socket={path}")

        def listen():
            daemon = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            daemon.settimeout(60)
            daemon.bind(path)
            return daemon

        self.log(a, "b", "early")  # taken, and kept until somebody listens
        eventually(lambda: "tried again" in b.process.log.read_text(), "the complaint")
        with listen() as daemon:
            text = daemon.recv(4096).decode()
            self.assertRegex(text, r"^<30>\w{3} [ \d]\d \d\d:\d\d:\d\d rpmsgd\[\d+\]: a: early$")
        os.unlink(path)
        self.log(a, "b", "between")
        with listen() as daemon:
            self.assertTrue(daemon.recv(4096).endswith(b": a: between"))
            self.log(a, "b", "late")
            self.assertTrue(daemon.recv(4096).endswith(b": a: late"))

    def test_an_output_that_takes_nothing_stops_its_senders_alone(self):
        fifo = self.dir / "fifo"
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        a, b = self.pair("--service", f"syslog:file={fifo}")
        lines = "".join(f"line {i}\n" for i in range(100000))
        logger = a.rpmsg_start("logger", "b", stdin=subprocess.PIPE)
        import threading
        feeder = threading.Thread(target=lambda: logger.communicate(lines.encode(), timeout=300))
        feeder.start()
        before = None
        def stopped():
            nonlocal before
            now = b.call("stats")["service.syslog.lines"]
            same, before = now == before and now > 1000, now
            return same
        eventually(stopped, "the sender to be stopped")
        self.assertIsNone(logger.poll())
        self.assertEqual(0, a.rpmsg("ping", "b", "-c", 100, "-i", 0).returncode)
        got = b""
        os.set_blocking(reader, True)
        want = "".join(f"a: line {i}\n" for i in range(100000)).encode()
        while len(got) < len(want):
            got += os.read(reader, 1 << 20)
        os.close(reader)
        feeder.join()
        self.assertEqual(0, logger.returncode)
        self.assertEqual(want, got)

    def test_interrupted_it_ends_with_what_it_has(self):
        a, b = self.pair("--service", f"syslog:file={self.dir}/b.log")
        logger = a.rpmsg_start("logger", "b", stdin=subprocess.PIPE)
        logger.stdin.write(b"one\ntwo\nhalf a li")
        logger.stdin.flush()
        eventually(lambda: self.b_log.read_text() == "a: one\na: two\n", "the lines")
        logger.terminate()
        self.assertEqual(0, logger.wait(), logger.log.read_text())
        self.assertEqual("a: one\na: two\n", self.b_log.read_text())
        self.assertEqual(2, b.call("stats")["service.syslog.lines"])


class Restarts(Case):
    LINES = 30000 if CHECKED else 100000

    def test_orderly_restarts_every_line_once(self):
        print(campaign.orderly(self, self.LINES, 9), file=sys.stderr)

    def test_kills_in_between_every_line_once(self):
        print(campaign.kills(self, self.LINES, 10, kinds=("hub", "client")), file=sys.stderr)

    def test_kills_no_line_twice_none_cut(self):
        print(campaign.kills(self, self.LINES, 12), file=sys.stderr)


if __name__ == "__main__":
    main()
