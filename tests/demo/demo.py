#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job, end to end: a hub `ap` and two edges, `audio` and `droid`, as processes of their
own; `audio` shares memory with `ap`, `droid` is on a wire (UART frames over a pseudo terminal), and
`audio` talks to `droid` through `ap`. Everything shown is measured, every step is checked.

usage: demo.py    (finds the programs in $RPR_BIN, default build/bin)
"""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("RPR_BIN", ROOT / "build" / "bin"))
BIG = 64 << 20
DEADLINE = 30


class Failure(Exception):
    pass


def check(good, text):
    if not good:
        raise Failure(text)


def step(text):
    print(f"\n== {text}", flush=True)


class Demo:
    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="rpr-demo-"))
        self.processes = []
        self.logs = 0

    # ---- processes -------------------------------------------------------------------------------

    def start(self, name, command, **options):
        self.logs += 1
        log = self.dir / f"{self.logs:02}-{name}.log"
        with open(log, "wb") as file:
            options.setdefault("stdin", subprocess.DEVNULL)
            options.setdefault("stdout", file)
            process = subprocess.Popen([str(part) for part in command], stderr=file, **options)
        process.log = log
        self.processes.append(process)
        return process

    def node(self, name, *links, routes=()):
        command = [BIN / "rpmsgd", "-v", "--name", name, "--control", self.dir / f"{name}.sock"]
        for link in links:
            command += ["--link", link]
        for route in routes:
            command += ["--route", route]
        print("  rpmsgd " + " ".join(str(part) for part in command[2:]).replace(str(self.dir), "DIR"))
        return self.start(name, command)

    def command(self, node, *args):
        return [BIN / "rpmsg", "-s", self.dir / f"{node}.sock", *map(str, args)]

    def rpmsg(self, node, *args, status=0, **options):
        """Runs one command to its end and returns what it printed."""
        result = subprocess.run([str(part) for part in self.command(node, *args)], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=DEADLINE,
                                check=False, **options)
        check(result.returncode == status,
              f"rpmsg {' '.join(map(str, args))} on {node}: status {result.returncode}, "
              f"not {status}: {result.stderr.strip()}")
        return result.stdout

    def wait_for(self, node, process, device, service):
        """Until the node runs, and then until the service is bound."""
        end = time.monotonic() + DEADLINE
        path = self.dir / f"{node}.sock"
        while not path.exists():
            check(process.poll() is None, f"{node} ended with status {process.returncode}")
            check(time.monotonic() < end, f"{node} did not start")
            time.sleep(0.001)
        self.rpmsg(node, "wait", device, service, "-t", DEADLINE)

    def end_all(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()

    # ---- steps -----------------------------------------------------------------------------------

    def bring_up(self):
        step("a hub and two edges, three processes")
        self.ap = self.node("ap", f"audio=shm:{self.dir}/audio.shm?listen=1",
                            f"droid=pty:{self.dir}/droid.pty", routes=["audio:droid"])
        self.audio = self.node("audio", f"ap=shm:{self.dir}/audio.shm")
        self.droid = self.start_droid()
        self.wait_for("audio", self.audio, "droid", "rpmsg-ping")
        self.wait_for("droid", self.droid, "audio", "rpmsg-ping")
        step("rpmsg ls, on audio: droid is there, via ap")
        print(self.rpmsg("audio", "ls"), end="")

    def start_droid(self):
        return self.node("droid", f"ap=serial:{self.dir}/droid.pty?flow=none")

    def ping(self):
        step("audio pings droid through ap, 1000 times")
        text = self.rpmsg("audio", "ping", "droid", "-c", 1000, "-s", 64)
        print(text, end="")
        check("ping times: 1000" in text and "lost: 0 of 1000" in text, "pings were lost")

    def route_counter(self):
        routes = json.loads(self.rpmsg("ap", "ls", "--json"))["routes"]
        for route in routes:
            if (route["from"], route["to"], route["service"]) == ("audio", "droid", "file"):
                check(route["dropped"] == 0, f"the hub dropped {route['dropped']} messages")
                return route["forwarded"]
        raise Failure("the hub shows no route for the service 'file'")

    def feed(self, cat, source, total, out, to):
        """Copies to cat's stdin, which stays open; shows how far the other end is."""
        digest = hashlib.sha256()
        show = total >= 1 << 20
        done = 0
        while chunk := source.read(1 << 18):
            cat.stdin.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            if show and sys.stdout.isatty():
                print(f"\r  {out.stat().st_size * 100 // total:3} % written by {to}", end="", flush=True)
            elif show and done % (total // 4) == 0:
                print(f"  {done >> 20} MiB sent, {out.stat().st_size >> 20} MiB written by {to}",
                      flush=True)
        if show and sys.stdout.isatty():
            print(f"\r  100 % written by {to}")
        return digest.hexdigest()

    def copy(self, path, text, to="droid"):
        total = path.stat().st_size
        out = self.dir / "received"
        with open(out, "wb") as file:
            listen = self.start("listen", self.command(to, "listen", "file"), stdout=file)
        self.start_time = time.monotonic()
        cat = self.start("cat", self.command("audio", "cat", to, "file", "-v"),
                         stdin=subprocess.PIPE, bufsize=0)
        with open(path, "rb") as source:
            sent = self.feed(cat, source, total, out, to)
        self.wait_size(out, total, listen, cat)
        seconds = time.monotonic() - self.start_time
        counter = self.route_counter() if to == "droid" else None
        cat.stdin.close()
        check(cat.wait(DEADLINE) == 0, f"cat ended with {cat.returncode}: {cat.log.read_text()}")
        check(listen.wait(DEADLINE) == 0, f"listen ended with {listen.returncode}")
        messages = int(cat.log.read_text().split(" messages")[0].rsplit(" ", 1)[1])
        received = hashlib.sha256(out.read_bytes()).hexdigest()
        check(sent == received, "the checksums differ")
        print(f"  {text}: {total} bytes, {total / seconds / 1e6:.0f} MB/s, sha256 {sent[:16]}... on both "
              f"sides; {messages} messages sent", end="")
        if counter is not None:
            check(counter == messages, f"the hub forwarded {counter} of {messages} messages")
            print(f", {counter} forwarded by the hub", end="")
        print()

    def wait_size(self, out, total, *running):
        end = time.monotonic() + DEADLINE
        while out.stat().st_size < total:
            for process in running:
                check(process.poll() is None, f"ended with {process.returncode}: {process.log.read_text()}")
            check(time.monotonic() < end, f"only {out.stat().st_size} of {total} bytes arrived")
            time.sleep(0.001)

    def copies(self):
        step("cat on audio, listen on droid: the largest text file of this project")
        names = subprocess.run(["git", "grep", "-Il", ""], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                               check=True).stdout.splitlines()
        largest = max((ROOT / name for name in names if (ROOT / name).is_file()),
                      key=lambda path: path.stat().st_size)
        self.copy(largest, str(largest.relative_to(ROOT)))
        for size, to, leg in ((1 << 20, "droid", "through the wire"),
                              (BIG, "ap", "through shared memory")):
            step(f"and {size >> 20} MiB of random bytes to {to}, {leg}")
            data = self.dir / "random"
            with open(data, "wb") as file:
                for _ in range(size >> 20):
                    file.write(os.urandom(1 << 20))
            self.copy(data, "random bytes", to)

    def stop_hub(self):
        step("the hub stops (SIGSTOP): a ping says so and exits 3")
        self.ap.send_signal(signal.SIGSTOP)
        print(self.rpmsg("audio", "ping", "droid", "-c", 2, "-W", "0.3", status=3), end="")
        step("it goes on (SIGCONT): rpmsg dump on the hub")
        self.ap.send_signal(signal.SIGCONT)
        self.rpmsg("audio", "ping", "droid", "-c", 5)
        print(self.rpmsg("ap", "dump", "all"), end="")

    def kill_droid(self):
        step("droid is killed (SIGKILL) and started again: the route comes back by itself")
        events = self.start("events", self.command("audio", "events", "--json"),
                            stdout=subprocess.PIPE, text=True)
        lines = (json.loads(line) for line in events.stdout)
        check(next(lines)["event"] == "start", "events do not start")
        self.droid.kill()
        self.droid.wait()
        for line in lines:
            if (line["event"], line.get("device"), line.get("state")) == ("device-state", "droid", "down"):
                print(f"  audio sees: droid down: {line['reason']}")
                break
        begin = time.monotonic()
        self.droid = self.start_droid()
        for line in lines:
            if (line["event"], line.get("device"), line.get("name")) == \
                    ("endpoint-bound", "droid", "rpmsg-ping"):
                break
        else:
            raise Failure("the route did not come back")
        print(f"  bound again {(time.monotonic() - begin) * 1000:.1f} ms after exec")
        events.kill()
        print(self.rpmsg("audio", "ping", "droid", "-c", 100).splitlines()[2])

    def end_in_order(self):
        step("all end in order (SIGTERM)")
        for process in (self.ap, self.audio, self.droid):
            process.terminate()
        for process in (self.ap, self.audio, self.droid):
            check(process.wait(DEADLINE) == 0, f"a daemon ended with status {process.returncode}")
        left = [path.name for path in self.dir.iterdir()
                if path.suffix != ".log" and path.name not in ("random", "received")]
        check(not left, f"left behind: {left}")

    def run(self):
        self.bring_up()
        self.ping()
        self.copies()
        self.stop_hub()
        self.kill_droid()
        self.end_in_order()


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, interrupted)
    begin = time.monotonic()
    demo = Demo()
    failure = None
    try:
        demo.run()
    except (Failure, subprocess.SubprocessError, OSError) as error:
        failure = str(error)
    except KeyboardInterrupt:
        failure = "interrupted"
    finally:
        demo.end_all()
    if failure is None:
        shutil.rmtree(demo.dir)
        print(f"\ndemo: PASS {time.monotonic() - begin:.1f} s")
        return 0
    for name in ("random", "received"):
        (demo.dir / name).unlink(missing_ok=True)
    print(f"\ndemo: FAIL: {failure}\nlogs: {demo.dir}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
