# SPDX-License-Identifier: Apache-2.0
"""Topics of sensors: programs of edges talk through a hub, three processes; who is slow loses alone.

RPR_SENSOR_SECONDS=10 runs the paced stream for so long (CI: one second)."""
import json
import os
import re
import signal
import struct
import subprocess
import time

from harness import DEADLINE, Case, Daemon, eventually, main

SECONDS = float(os.environ.get("RPR_SENSOR_SECONDS", "1"))
HZ = 10000
NUMBERED = "uint64_t timestamp; uint32_t seq"


class Sensor(Case):
    def star_with(self, service="sensor"):
        hub = Daemon(self, "ap", "--route", "all", "--service", service,
                     *(part for name in ("audio", "droid") for part in ("--link", f"{name}={self.url(name, True)}")))
        audio, droid = (Daemon(self, name, "--link", f"ap={self.url(name)}", "--service", service)
                        for name in ("audio", "droid"))
        audio.wait_for("droid", "rpmsg-sensor")
        droid.wait_for("audio", "rpmsg-sensor")
        return hub, audio, droid

    def one(self, service="sensor"):
        return Daemon(self, "one", "--service", service)

    def subscribe(self, node, topic, *args, **options):
        """Runs until it has what it wants; started when the node knows of it."""
        before = self.n_subscribers(node)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        process = node.rpmsg_start("sensor", "sub", topic, *args, **options)
        eventually(lambda: self.n_subscribers(node) > before, "the subscription")
        return process

    def n_subscribers(self, node):
        return sum(link["subscribes"] for link in node.call("sensor")["links"] if link["kind"] == "program")

    def publish(self, node, topic, text, *args, status=0):
        result = node.rpmsg("sensor", "pub", topic, *args, input=text)
        self.assertEqual(status, result.returncode, result.stderr)
        return result.stderr

    def links(self, node, topic):
        return [link for link in node.call("sensor")["links"] if link["topic"] == f"/dev/uorb/{topic}"]


class Hub(Sensor):
    def test_from_edge_to_edge(self):
        hub, audio, droid = self.star_with()
        sub = self.subscribe(droid, "sensor_accel0", "-n", 3, "--json")
        self.publish(audio, "sensor_accel0",
                     'x,temperature\n1,20.5\n-0.5,21\n{"timestamp": 77, "x": 1e10, "y": null}\n', "-w")
        out, err = sub.communicate()
        self.assertEqual(0, sub.returncode, err)
        samples = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(["topic", "timestamp", "x", "y", "z", "temperature"], list(samples[0]))
        self.assertEqual([(1, 20.5), (-0.5, 21)], [(s["x"], s["temperature"]) for s in samples[:2]])
        self.assertLessEqual(abs(samples[0]["timestamp"] - time.monotonic_ns() // 1000), DEADLINE * 1e6)
        self.assertEqual({"topic": "/dev/uorb/sensor_accel0", "timestamp": 77, "x": 1e10, "y": None, "z": 0,
                          "temperature": 0}, samples[2])
        self.assertEqual([], hub.call("sensor")["topics"], "two edges have the router")

    def test_stream_for_eight(self):
        _, audio, droid = self.star_with()
        count = int(SECONDS * HZ)
        expected = "".join(f"{n}\n" for n in range(count))
        files = [self.dir / f"sub{n}" for n in range(8)]
        subs = []
        for file in files:
            with open(file, "wb") as out:
                subs.append(self.subscribe(droid, "seq0", "--format", NUMBERED, "--csv", "-n", count, "-v", stdout=out))
        began = time.monotonic()
        pub = audio.rpmsg("sensor", "pub", "seq0", "--format", NUMBERED, "-r", HZ, "-w", "-v", input=expected,
                          timeout=SECONDS + DEADLINE * 2)
        took = time.monotonic() - began
        self.assertEqual(0, pub.returncode, pub.stderr)
        ages = []
        for sub, file in zip(subs, files):
            _, err = sub.communicate(timeout=DEADLINE * 2)
            self.assertEqual(0, sub.returncode, err)
            rows = file.read_text().split("\n", 1)
            self.assertEqual("timestamp,seq", rows[0])
            self.assertEqual(expected, re.sub(r"(?m)^\d+,", "", rows[1]), "every number, in order")
            ages.append([int(n) for n in re.findall(rb"(?:p50|p99|max) (\d+)", err)])
        self.assertGreaterEqual(took, SECONDS * 0.99, "paced")
        print(f"{HZ}/s for {SECONDS} s, 8 subscribers through the hub: {count} consecutive numbers each; "
              f"age in us: p50 {sorted(a[0] for a in ages)[4]}, p99 {min(a[1] for a in ages)} to "
              f"{max(a[1] for a in ages)}, max {max(a[2] for a in ages)}", flush=True)

    def test_nodes_that_come_back(self):
        """Who subscribes hears who publishes, whichever daemon between them was started again."""
        hub, audio, droid = self.star_with()
        sub = self.subscribe(droid, "x0", "-n", 3)
        self.publish(audio, "x0", "01\n", "-w")
        for node in (audio, hub):
            node.kill()
            node.start()
            audio.wait_for("droid", "rpmsg-sensor")
            self.publish(audio, "x0", "0203\n", "-w")
        self.assertEqual(b"01\n0203\n0203\n", sub.communicate()[0])

    def test_with_one_device_only(self):
        hub, audio, droid = self.star_with()
        sub = self.subscribe(hub, "x0", "-n", 1, "--device", "audio")
        self.publish(droid, "x0", "dd\n", "--persist")
        self.publish(audio, "x0", "aa\n", "-w")
        self.assertEqual(b"aa\n", sub.communicate()[0])
        audio_sub, droid_sub = self.subscribe(audio, "x1", "-n", 1), self.subscribe(droid, "x1", "-n", 1)
        self.publish(hub, "x1", "01\n", "-w", "--device", "droid")
        self.assertEqual(b"01\n", droid_sub.communicate()[0])
        self.assertEqual([0], [link["tx"] for link in self.links(hub, "x1") if link["device"] == "audio"])
        audio_sub.kill()

    def test_interval_reaches_the_publisher(self):
        _, audio, droid = self.star_with()
        sub = self.subscribe(droid, "sensor_baro0", "-i", "0.01", "-n", 10, "--csv")
        pub = audio.rpmsg_start("sensor", "pub", "sensor_baro0", "-w", stdin=subprocess.PIPE)
        eventually(lambda: any(link["interval_us"] == 10000 for link in self.links(audio, "sensor_baro0")), "interval")
        # One each ms, by their own time.
        pub.communicate(b"timestamp,pressure\n" + b"".join(b"%d,%d\n" % (n * 1000, n) for n in range(1, 200)))
        out, err = sub.communicate()
        times = [int(line.split(b",")[0]) for line in out.splitlines()[1:]]
        self.assertEqual(10, len(times), err)
        self.assertTrue(all(7500 <= b - a <= 12500 for a, b in zip(times, times[1:])), times)

    def test_questions_reach_the_publisher(self):
        _, audio, droid = self.star_with()
        for verb in ("flush", "info"):
            result = droid.rpmsg("sensor", verb, "seq0", "-t", "0.3")
            self.assertEqual(3, result.returncode)
            self.assertIn("nobody publishes /dev/uorb/seq0", result.stderr)
        pub = audio.rpmsg_start("sensor", "pub", "seq0", stdin=subprocess.PIPE)
        for node in (audio, droid):
            result = node.rpmsg("sensor", "flush", "seq0", "-t", 20)
            self.assertEqual((0, ""), (result.returncode, result.stderr), node.name)
            result = node.rpmsg("sensor", "info", "seq0", "-t", 20)
            self.assertEqual(1, result.returncode)
            self.assertIn("cannot tell", result.stderr)
        pub.communicate(b"01\n")
        self.assertEqual(0, pub.returncode)

    def test_remotes_have_the_rights_that_are_said(self):
        _, audio, droid = self.star_with("sensor:read=sensor_*+open0,write=none")
        self.publish(audio, "sensor_accel0", "1,2,3,4\n", "--persist")
        self.publish(audio, "closed0", "01\n", "--persist")
        result = audio.rpmsg("sensor", "sub", "closed0", "-n", 1)
        self.assertEqual("01\n", result.stdout, "programs are not remotes")
        for topic in ("sensor_accel0", "closed0"):  # droid takes nothing from remotes
            result = droid.rpmsg("sensor", "sub", topic, "-n", 1, "-t", "0.3")
            self.assertEqual(3, result.returncode, result.stdout)
            self.assertIn("nobody publishes", result.stderr)
        self.assertGreater(droid.call("stats")["service.sensor.refused"], 0)


class Node(Sensor):
    def test_slow_reader_loses_alone(self):
        node = self.one("sensor:queue=65536")
        slow_file = self.dir / "slow"
        with open(slow_file, "wb") as out:
            slow = self.subscribe(node, "seq0", "--format", NUMBERED, "--csv", stdout=out)
        count = 25000
        file = self.dir / "fast"
        with open(file, "wb") as out:
            fast = self.subscribe(node, "seq0", "--format", NUMBERED, "--csv", "-n", count, stdout=out)
        slow.send_signal(signal.SIGSTOP)
        pub = node.rpmsg_start("sensor", "pub", "seq0", "--format", NUMBERED, "-w", stdin=subprocess.PIPE)
        for begin in range(0, count, 500):  # never more at a time than the queue has room for
            pub.stdin.write(b"".join(b"%d\n" % n for n in range(begin, begin + 500)))
            pub.stdin.flush()
            eventually(lambda end=begin + 500: file.read_bytes().count(b"\n") == 1 + end, "the fast reader")
        pub.communicate()
        self.assertEqual(0, fast.wait())
        seen = [int(line.split(",")[1]) for line in file.read_text().splitlines()[1:]]
        self.assertEqual(list(range(count)), seen)
        lost = {link["device"]: link["dropped"] for link in self.links(node, "seq0")}
        self.assertGreater(lost["@1"], 0)
        self.assertEqual(0, lost.get("@2", 0))
        slow.send_signal(signal.SIGCONT)
        left = count - lost["@1"]
        eventually(lambda: slow_file.read_bytes().count(b"\n") == 1 + left, f"the {left} that are left")
        slow.send_signal(signal.SIGINT)
        _, err = slow.communicate()
        self.assertEqual(0, slow.returncode, err)

    def test_last_sample_stays_valid(self):
        node = self.one()
        self.publish(node, "state0", "01\n02\n", "--persist")
        for _ in range(2):
            result = node.rpmsg("sensor", "sub", "state0", "-n", 1, "-t", 5)
            self.assertEqual((0, "02\n"), (result.returncode, result.stdout), result.stderr)
        self.publish(node, "passing0", "01\n")
        result = node.rpmsg("sensor", "sub", "passing0", "-n", 1, "-t", "0.2")
        self.assertEqual(3, result.returncode)

    def test_as_fast_as_it_is_taken(self):
        """From a file, without a rate: nothing is lost on the way to the daemon."""
        node = self.one()
        count = 200000
        lines = self.dir / "in"
        lines.write_text("".join(f"{n:08x}\n" for n in range(count)))
        with open(lines, "rb") as text:
            result = node.rpmsg("sensor", "pub", "raw0", "-v", stdin=text)
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertIn(f"{count} samples", result.stderr)
        with open(self.dir / "sub", "wb") as out:
            sub = self.subscribe(node, "raw0", "-n", 1, stdout=out)
            with open(lines, "rb") as text:
                result = node.rpmsg("sensor", "pub", "raw0", "-w", stdin=text)
        self.assertEqual(0, sub.wait())
        topic = next(t for t in node.call("sensor")["topics"]) if node.call("sensor")["topics"] else None
        self.assertIsNone(topic, "nobody is there any more")

    def test_formats(self):
        node = self.one()
        layout = "uint8_t a; int16_t b[2]; double c; bool d; char name[4]"
        sub = self.subscribe(node, "mixed0", "--format", layout, "-n", 2)
        hexed = self.subscribe(node, "mixed0", "-n", 2, "--json", "--format", "uint8_t all[24]")
        csv = self.subscribe(node, "mixed0", "-n", 2, "--csv", "--format", layout)
        self.publish(node, "mixed0", '255,-1,0x10,0.25,1,ab\n{"a":1,"b":[2,-3],"c":-4,"d":false,"name":"wxyz"}\n',
                     "--format", layout, "-w")
        self.assertEqual(b'a=255 b=-1,16 c=0.25 d=1 name="ab"\na=1 b=2,-3 c=-4 d=0 name="wxyz"\n',
                         sub.communicate()[0])
        self.assertEqual(b"a,b[0],b[1],c,d,name\n255,-1,16,0.25,1,ab\n1,2,-3,-4,0,wxyz\n", csv.communicate()[0])
        data = bytes(json.loads(hexed.communicate()[0].splitlines()[0])["all"])
        self.assertEqual(struct.pack("<Bxhh2xd?4s3x", 255, -1, 16, 0.25, True, b"ab"), data)

    def test_ls(self):
        node = self.one()
        first = self.subscribe(node, "sensor_gyro0", "-i", "0.5")
        second = self.subscribe(node, "other0")
        result = node.rpmsg("sensor", "ls")
        self.assertEqual(0, result.returncode, result.stderr)
        rows = [line.split() for line in result.stdout.splitlines()]
        self.assertEqual(["TOPIC", "PUBLISHERS", "SUBSCRIBERS", "HZ", "SAMPLES", "SENT", "DROPPED"], rows[0])
        self.assertEqual([["/dev/uorb/other0", "-", "@2", "0.0", "0", "0", "0"],
                          ["/dev/uorb/sensor_gyro0", "-", "@1", "0.0", "0", "0", "0"]], sorted(rows[1:]))
        listing = json.loads(node.rpmsg("sensor", "ls", "--json").stdout)
        link = next(link for link in listing["links"] if link["topic"].endswith("gyro0") and link["subscribes"])
        self.assertEqual(("program", "@1"), (link["kind"], link["device"]))
        for process in (first, second):
            process.send_signal(signal.SIGINT)
            self.assertEqual(0, process.wait())
        eventually(lambda: node.call("sensor")["topics"] == [], "the topics to go")

    def test_daemon_that_ends(self):
        node = self.one()
        sub = self.subscribe(node, "x0")
        node.kill()
        _, err = sub.communicate()
        self.assertEqual(3, sub.returncode)
        self.assertIn(b"the daemon is gone", err)


class Wrong(Sensor):
    def test_service_is_off(self):
        node = Daemon(self, "one")
        for args in (("ls",), ("sub", "x"), ("pub", "x"), ("info", "x"), ("flush", "x")):
            result = node.rpmsg("sensor", *args)
            self.assertEqual(3, result.returncode, args)
            self.assertIn("--service sensor", result.stderr)

    def test_use(self):
        node = self.one()
        for args, text in (((), "say what to do"),
                           (("sub",), "TOPIC is missing"),
                           (("frob",), "'frob'"),
                           (("sub", "a b"), "no topic"),
                           (("sub", "x" * 200), "no topic"),
                           (("sub", "x", "--format", "uint64_t t, float x"), "format, at character 19"),
                           (("sub", "x", "--format", "uint64_t t float"), ", or ; must follow"),
                           (("sub", "x", "--format", "quad t"), "'quad' is no type"),
                           (("sub", "x", "--format", "float x, x"), "a field 'x' already"),
                           (("sub", "x", "--format", "float x[0]"), "a number from 1"),
                           (("sub", "x", "--csv", "--json"), "exclude each other"),
                           (("sub", "x", "-i", "soon"), "-i 'soon'"),
                           (("sub", "x", "--device", "a/b"), "no device name"),
                           (("sub", "x", "--persist"), "not an option"),
                           (("pub", "x", "-r", "0"), "-r '0'")):
            result = node.rpmsg("sensor", *args)
            self.assertEqual(2, result.returncode, (args, result.stderr))
            self.assertIn(text, result.stderr)
            self.assertEqual(1, result.stderr.count("\n"), result.stderr)
        result = node.rpmsg("sensor", "sub", "x", "--device", "nobody")
        self.assertEqual(3, result.returncode)
        self.assertIn("there is no device 'nobody'", result.stderr)

    def test_lines(self):
        node = self.one()
        for args, line, text in (((), "0g", "hex digits"),
                                 ((), "012", "hex digits"),
                                 ((), '{"x":1}', "not known"),
                                 (("--format", "uint8_t a"), "256", "'256' is not an unsigned number of 8 bits"),
                                 (("--format", "uint8_t a"), "-1", "'-1' is not an unsigned number of 8 bits"),
                                 (("--format", "int8_t a"), "128", "'128' is not a number of 8 bits"),
                                 (("--format", "float a"), "1x", "'1x' is not a number"),
                                 (("--format", "bool a"), "2", "'2' is not 0 or 1"),
                                 (("--format", "char a[2]"), '{"a":"abc"}', "'abc' is longer than 2 bytes"),
                                 (("--format", "float a, b"), "1,2,3", "3 columns of 2"),
                                 (("--format", "float a"), '{"b":1}', "there is no field 'b'"),
                                 (("--format", "float a"), "{", "no JSON object"),
                                 (("--format", "float a"), "a,b", "header: there is no field 'b'"),
                                 (("--format", "float a", "--json"), "1", "no JSON object"),
                                 (("--format", "float a", "--csv"), '{"a":1}', "is not a number")):
            err = self.publish(node, "x0", f"\n# comment\n{line}\n", *args, status=1)
            self.assertIn("line 3: ", err)
            self.assertIn(text, err)

    def test_configuration(self):
        for text, why in (("sensor:queue=5", "queue '5': a number from 4096"),
                          ("sensor:topics=0", "topics '0': a number from 1"),
                          ("sensor:queues=5", "the service sensor has on, read, write, queue, topics")):
            result = self.rpmsgd("--name", "one", "--service", text, "--check")
            self.assertEqual(2, result.returncode)
            self.assertIn(why, result.stderr)


if __name__ == "__main__":
    main()
