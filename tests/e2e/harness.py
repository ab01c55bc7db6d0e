# SPDX-License-Identifier: Apache-2.0
"""Real processes for the end-to-end tests: daemons, the command line, control connections.

Every wait is for an event and has a deadline; nothing sleeps to let time pass. Everything a test
starts is ended by its process id, and every socket is in a directory of the test's own.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("RPR_BIN", ROOT / "build" / "bin"))
RPMSGD, RPMSG = str(BIN / "rpmsgd"), str(BIN / "rpmsg")
# Sanitizers make everything slower and larger.
CHECKED = "asan" in str(BIN) or "debug" in str(BIN)
# Times say as much of the machine as of us: they are printed, and judged only by `./dev timing`.
TIMED = os.environ.get("RPR_TIMED") == "1"
DEADLINE = float(os.environ.get("RPR_DEADLINE", 60))


def eventually(look, what, deadline=DEADLINE):
    """Calls `look` until it returns something true, which it returns."""
    end = time.monotonic() + deadline
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s for {what}")
        time.sleep(0.002)


class Failed(Exception):
    """The daemon answered with an error."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['text']}")
        self.code = error["code"]
        self.text = error["text"]


def merge(into, part):
    """Puts the parts of an answer together (docs/CONTROL.md)."""
    for key, value in part.items():
        old = into.get(key)
        if not (isinstance(old, list) and isinstance(value, list)):
            into[key] = value
            continue
        for index, item in enumerate(value):
            if index == 0 and old and "endpoints" in item and old[-1]["name"] == item["name"]:
                merge(old[-1], item)
            else:
                old.append(item)


class Control:
    """A connection to a daemon's control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(DEADLINE)
        self.buffer = b""
        self.descriptors = []  # of attach
        self.last_id = 0
        self.lines = 0
        try:
            self.socket.connect(str(path))
            self.hello = self.line()["hello"]
        except BaseException:
            self.socket.close()
            raise

    def raw_line(self):
        while b"\n" not in self.buffer:
            more, descriptors, _, _ = socket.recv_fds(self.socket, 65536, 8)
            self.descriptors += descriptors
            if not more:
                raise EOFError("the daemon closed the connection")
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        self.lines += 1
        assert len(line) < 65536, f"a line of {len(line)} bytes"
        return line

    def line(self):
        return json.loads(self.raw_line())

    def send(self, command, **args):
        self.last_id += 1
        request = {"id": self.last_id, "cmd": command, "args": args}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        return self.last_id

    def answer(self, wanted):
        result = {}
        while True:
            line = self.line()
            if line.get("id") != wanted:
                continue
            if line.get("event") == "part":
                merge(result, line["part"])
            elif line.get("ok") is True:
                merge(result, line["result"])
                return result
            elif line.get("ok") is False:
                raise Failed(line["error"])

    def call(self, command, **args):
        return self.answer(self.send(command, **args))

    def events(self):
        """Subscribes; returns when the daemon has said that it watches."""
        self.send("events")
        start = self.line()
        assert start["event"] == "start", start
        return self

    def until(self, **wanted):
        """The next event that has all these values."""
        while True:
            line = self.line()
            if all(line.get(key) == value for key, value in wanted.items()):
                return line

    def close(self):
        self.socket.close()
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Process(subprocess.Popen):
    """Waiting for the end of a process has a deadline, too."""

    def wait(self, timeout=DEADLINE):
        return super().wait(timeout)

    def communicate(self, input=None, timeout=DEADLINE):
        return super().communicate(input, timeout)


class Daemon:
    """A running rpmsgd."""

    def __init__(self, case, name, *args, control=None, ready=True):
        self.case, self.name, self.args = case, name, args
        self.control_path = Path(control or case.dir / f"{name}.sock")
        self.start(ready)

    def start(self, ready=True):
        command = [RPMSGD, "--name", self.name, "--control", str(self.control_path), *self.args]
        self.process = self.case.popen(command, f"rpmsgd-{self.name}")
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self):
        eventually(self.is_ready, f"rpmsgd {self.name} to be ready")

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"rpmsgd {self.name} ended with {self.process.returncode}")
        try:
            Control(self.control_path).close()
            return True
        except (FileNotFoundError, ConnectionRefusedError, EOFError, ConnectionResetError):
            return False

    def connect(self):
        return Control(self.control_path)

    def call(self, command, **args):
        with self.connect() as control:
            return control.call(command, **args)

    def wait_for(self, device, service=None, timeout=DEADLINE):
        """Until the device is up and the service on it bound."""
        args = {"device": device, "timeout_ms": int(timeout * 1000)}
        if service:
            args["service"] = service
        with self.connect() as control:
            control.socket.settimeout(timeout + DEADLINE)
            control.call("wait", **args)

    def rpmsg(self, *args, **options):
        return self.case.rpmsg("-s", self.control_path, *args, **options)

    def rpmsg_start(self, *args, **options):
        return self.case.popen([RPMSG, "-s", str(self.control_path), *map(str, args)],
                               f"rpmsg-{self.name}-{args[0]}", **options)

    def device(self, name):
        for device in self.call("ls")["devices"]:
            if device["name"] == name:
                return device
        return None

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; returns the exit status."""
        self.process.terminate()
        return self.process.wait(DEADLINE)

    def n_descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident_kb(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")


class Case(unittest.TestCase):
    """A test with a directory of its own, whose processes end with it."""

    def setUp(self):
        self.dir = Path(tempfile.mkdtemp(prefix="rpr-"))
        self.processes = []
        self.logs = 0

    def tearDown(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    try:
                        stream.close()
                    except BrokenPipeError:
                        pass
        self.assertFalse(self.sanitizer_reports(), "a sanitizer reported something")

    def run(self, result=None):
        """Shows what the processes said if the test failed; removes their directory."""
        def count():
            return len(result.failures) + len(result.errors) if result else 0
        before = count()
        super().run(result)
        if count() > before:
            self.print_logs()
        if hasattr(self, "dir"):
            shutil.rmtree(self.dir, ignore_errors=True)

    def sanitizer_reports(self):
        return any(b"Sanitizer" in log.read_bytes() or b"runtime error" in log.read_bytes()
                   for log in self.dir.glob("*.log"))

    def print_logs(self):
        file = Path(sys.argv[0]).resolve()
        print(f"\nrerun: RPR_BIN={BIN} python3 {os.path.relpath(file)} {'.'.join(self.id().split('.')[1:])}",
              file=sys.stderr)
        for log in sorted(self.dir.glob("*.log")):
            text = log.read_text(errors="replace")
            if text:
                print(f"--- {log.name}\n{text[-8000:]}", file=sys.stderr)

    def popen(self, command, name, **options):
        self.logs += 1
        options.setdefault("stdin", subprocess.DEVNULL)
        with open(self.dir / f"{self.logs:03}-{name}.log", "wb") as log:
            options.setdefault("stderr", log)
            options.setdefault("stdout", log)
            process = Process([str(part) for part in command], **options)
        process.log = self.dir / f"{self.logs:03}-{name}.log"
        self.processes.append(process)
        return process

    def run_command(self, command, **options):
        """Runs to the end; the result has .returncode, .stdout and .stderr (text)."""
        options.setdefault("timeout", DEADLINE * 2)
        options.setdefault("text", True)
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, check=False, **options)
        report = result.stderr if isinstance(result.stderr, str) else result.stderr.decode()
        self.assertNotIn("Sanitizer", report)
        return result

    def rpmsg(self, *args, **options):
        return self.run_command([RPMSG, *args], **options)

    def rpmsgd(self, *args, **options):
        return self.run_command([RPMSGD, *args], **options)

    # ---- networks --------------------------------------------------------------------------------

    def url(self, name, listen=False, **keys):
        if listen:
            keys["listen"] = 1
        query = "&".join(f"{key}={value}" for key, value in keys.items())
        return f"shm:{self.dir}/{name}.shm{'?' + query if query else ''}"

    def hub(self, *edges, name="ap", routes=("all",), **keys):
        args = []
        for edge in edges:
            args += ["--link", f"{edge}={self.url(edge, True, **keys)}"]
        for route in routes:
            args += ["--route", route]
        return Daemon(self, name, *args)

    def edge(self, name, hub="ap", ready=True):
        return Daemon(self, name, "--link", f"{hub}={self.url(name)}", ready=ready)

    def star(self, *edges):
        """A hub and its edges, all routed devices up and answering pings."""
        hub = self.hub(*edges)
        nodes = [self.edge(name) for name in edges]
        for node in nodes:
            for name in edges:
                if name != node.name:
                    node.wait_for(name, "rpmsg-ping")
        return (hub, *nodes)

    def pair(self):
        """Two nodes with one link."""
        a = Daemon(self, "a", "--link", f"b={self.url('ab', True)}")
        b = Daemon(self, "b", "--link", f"a={self.url('ab')}")
        a.wait_for("b", "rpmsg-ping")
        b.wait_for("a", "rpmsg-ping")
        return a, b


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    unittest.main(verbosity=2, failfast=bool(os.environ.get("RPR_FAILFAST")))
