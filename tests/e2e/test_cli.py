# SPDX-License-Identifier: Apache-2.0
"""The command lines: help, wrong uses, exit statuses (INTERFACE 2 and 3)."""
import os
import shutil
import signal

from harness import Case, Daemon, RPMSG, RPMSGD, eventually, main

COMMANDS = ("ls wait events ping dump cat listen suspend resume down up stats").split()
PRINTING = "ls events ping dump stats".split()
LATER = ("top", "capture", "doctor")


class Rpmsg(Case):
    def check_usage(self, *args, says=""):
        result = self.rpmsg(*args)
        self.assertEqual(2, result.returncode, f"{args}: {result.stderr}")
        self.assertEqual(1, result.stderr.count("\n"), result.stderr)
        self.assertEqual("", result.stdout)
        self.assertIn(says, result.stderr)

    def test_wrong_uses(self):
        self.check_usage(says="what to do")
        self.check_usage("frob", says="unknown command 'frob'")
        self.check_usage("-x", says="-x")
        self.check_usage("-s", says="value must follow")
        self.check_usage("-s", "/x", "-n", "y", "ls", says="exclude")
        self.check_usage("ls", "--frob", says="--frob")
        self.check_usage("ls", "-q", says="-q")
        self.check_usage("ls", "more", says="more")
        for command in ("wait", "ping", "dump", "suspend", "resume", "down", "up", "cat"):
            self.check_usage(command, says="DEV is missing")
            self.check_usage(command, "no/name", says="no device name")
        self.check_usage("listen", says="SERVICE is missing")
        self.check_usage("cat", "x", says="SERVICE is missing")
        self.check_usage("cat", "all", "svc", says="one device")
        for name in ("", "x" * 32):
            for args in (("cat", "x", name), ("listen", name), ("wait", "x", name)):
                self.check_usage(*args, says="no service name: 1 to 31 bytes")
        self.check_usage("-n", "../x", "ls", says="no node name")
        self.check_usage("-s", "", "ls", says="no path")
        self.check_usage("help", "frob", says="unknown command 'frob'")
        self.check_usage("help", "ls", "more", says="'more' is too much")
        self.check_usage("help", "top", says="not in this version")
        self.check_usage("ls", "--lines", says="--lines")
        self.check_usage("wait", "x", "-t", "soon", says="-t 'soon'")
        self.check_usage("ping", "x", "-c", "0", says="-c '0'")
        self.check_usage("ping", "x", "1", "2", "8", says="ACK '8'")
        self.check_usage("ping", "x", "1", "2", "3", "4", "5", says="'5' is too much")
        self.check_usage("ping", "x", "-W", "-1", says="-W")

    def test_later_commands_are_refused_and_not_in_the_help(self):
        text = self.rpmsg("--help").stdout
        for command in LATER:
            self.check_usage(command, says="not in this version")
            self.assertNotIn(f"  {command} ", text)

    def test_help(self):
        result = self.rpmsg("--help")
        self.assertEqual((0, ""), (result.returncode, result.stderr))
        for command in COMMANDS:
            self.assertIn(f"  {command} ", result.stdout)
            own = self.rpmsg(command, "--help")
            self.assertEqual(0, own.returncode)
            self.assertIn(f"usage: rpmsg {command}", own.stdout)
            self.assertEqual(command in PRINTING, "--json" in own.stdout, own.stdout)
            self.assertEqual(own.stdout, self.rpmsg("help", command).stdout)
        self.assertRegex(self.rpmsg("--version").stdout, r"^rpmsg \d+\.\d+\.\d+\n$")

    def test_which_daemon(self):
        runtime = self.dir / "run"
        runtime.mkdir()
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
        environment.pop("RPMSG_CONTROL", None)
        if os.listdir("/run/rpmsg") if os.path.isdir("/run/rpmsg") else []:
            self.skipTest("daemons of somebody else run")
        self.assertEqual(2, self.rpmsg("ls", env=environment).returncode)
        (runtime / "rpmsg").mkdir()
        Daemon(self, "one", control=runtime / "rpmsg" / "one.sock")
        self.assertEqual(0, self.rpmsg("ls", env=environment).returncode)
        Daemon(self, "two", control=runtime / "rpmsg" / "two.sock")
        several = self.rpmsg("ls", env=environment)
        self.assertEqual(2, several.returncode)
        self.assertIn("one.sock", several.stderr)
        self.assertIn("two.sock", several.stderr)
        named = self.rpmsg("-n", "two", "ls", env=environment)
        self.assertEqual(0, named.returncode, named.stderr)
        self.assertIn("node two", named.stdout)
        environment["RPMSG_CONTROL"] = str(runtime / "rpmsg" / "one.sock")
        self.assertIn("node one", self.rpmsg("ls", env=environment).stdout)
        self.assertEqual(3, self.rpmsg("-n", "three", "ls", env=environment).returncode)

    def test_default_control_path(self):
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(self.dir)}
        environment.pop("RPMSG_CONTROL", None)
        self.popen([RPMSGD, "--name", "solo"], "rpmsgd", env=environment)
        path = self.dir / "rpmsg" / "solo.sock"
        eventually(path.exists, "the control socket at its default path")
        self.assertEqual(0, self.rpmsg("ls", env=environment).returncode)

    def test_unreachable_is_3(self):
        self.assertEqual(3, self.rpmsg("-s", self.dir / "none", "ls").returncode)
        node = Daemon(self, "one")
        for args in (("ping", "x"), ("suspend", "x"), ("dump", "x"), ("cat", "x", "svc"),
                     ("wait", "x", "-t", "0.05"), ("ping", "all")):
            result = node.rpmsg(*args)
            self.assertEqual(3, result.returncode, f"{args}: {result.stderr}")
            self.assertEqual(1, result.stderr.count("\n"), result.stderr)

    def test_wait_waits_for_the_daemon(self):
        """For one that is not there yet, named in any way, and one that did not clean up."""
        (self.dir / "rpmsg").mkdir()
        path = self.dir / "rpmsg" / "late.sock"
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(self.dir)}
        environment.pop("RPMSG_CONTROL", None)
        for how in (("-s", path), ("-n", "late"), ()):
            if not how and os.path.isdir("/run/rpmsg") and os.listdir("/run/rpmsg"):
                continue  # daemons of somebody else run
            result = self.rpmsg(*how, "wait", "ap", "-t", "0.05", env=environment)
            self.assertEqual(3, result.returncode, result.stderr)
            self.assertEqual(1, result.stderr.count("\n"), result.stderr)
            waiting = self.popen([RPMSG, *how, "wait", "ap"], "wait", env=environment)
            eventually(lambda: "waiting for it" in waiting.log.read_text(), "it to look")
            late = Daemon(self, "late", "--link", f"ap={self.url('l', True)}", control=path)
            peer = Daemon(self, "ap", "--link", f"late={self.url('l')}")
            self.assertEqual(0, waiting.wait())
            peer.stop()
            late.kill()  # leaves its socket for the next round

    def test_wait_counts_the_time_until_the_daemon_came(self):
        path = self.dir / "late.sock"
        waiting = self.popen([RPMSG, "-s", path, "wait", "ap", "-t", "1"], "wait")
        Daemon(self, "late", control=path)
        self.assertEqual(3, waiting.wait())
        self.assertIn("'ap' did not appear", waiting.log.read_text())

    def test_a_daemon_that_does_not_answer_is_3(self):
        node = Daemon(self, "one")
        with node.connect():
            node.signal(signal.SIGSTOP)
            started = [node.rpmsg_start(*args) for args in (("ls",), ("up", "x"), ("ping", "x"),
                                                            ("events",), ("wait", "x", "-t", "0.1"),
                                                            ("cat", "x", "y"))]
            for process in started:
                self.assertEqual(3, process.wait(), process.args)
                self.assertIn("the daemon does not answer", process.log.read_text())

    def test_a_socket_of_somebody_else_is_1(self):
        """There is a daemon, and it cannot be asked: not "no daemon"."""
        if os.geteuid() != 0:
            self.skipTest("needs root to be somebody else")
        node = Daemon(self, "one")
        self.dir.chmod(0o755)
        program = self.dir / "rpmsg"
        shutil.copy(RPMSG, program)
        for args in (("ls",), ("wait", "x", "-t", "1")):
            result = self.run_command([program, "-s", node.control_path, *args], user=65534,
                                      group=65534, extra_groups=[])
            self.assertEqual(1, result.returncode, result.stderr)
            self.assertIn("Permission denied", result.stderr)

    def test_full_stdout_is_1(self):
        node = Daemon(self, "one")
        with open("/dev/full", "wb") as full:
            process = self.popen([RPMSG, "-s", node.control_path, "ls"], "ls", stdout=full)
            self.assertEqual(1, process.wait())


class Rpmsgd(Case):
    def check_refused(self, *args, says=""):
        """With --check and without."""
        for more in ((), ("--check",)):
            result = self.rpmsgd(*more, *args)
            self.assertEqual(2, result.returncode, f"{args}: {result.stderr}")
            self.assertEqual(1, result.stderr.count("\n"), result.stderr)
            self.assertIn(says, result.stderr)

    def test_wrong_uses(self):
        shm = f"shm:{self.dir}/x"
        node = ("--name", "n", "--control", self.dir / "c")
        self.check_refused(says="no name")
        self.check_refused("--frob", says="--frob")
        self.check_refused("extra", says="extra")
        self.check_refused("--name", says="value must follow")
        self.check_refused("--name", "a b", says="--name a b")
        self.check_refused("--name", "x" * 32, says="1 to 31")
        self.check_refused(*node, "--link", "nothing", says="REMOTE=URL")
        self.check_refused(*node, "--link", f"a/b={shm}", says="a/b")
        self.check_refused(*node, "--link", f"n={shm}", says="this CPU itself")
        self.check_refused(*node, "--link", f"a={shm}", "--link", f"a={shm}", says="before")
        self.check_refused(*node, "--link", f"all={shm}", says="'all'")
        self.check_refused("--name", "all", says="'all'")
        self.check_refused("--name", "n", "--control", "", says="control socket ''")
        self.check_refused("--name", "n", "--control", "/" + "x" * 100, says="1 to 100 bytes")
        self.check_refused(*node, "--link", f"a={shm}?listen=1", "--link", f"b={shm}",
                           says=f"--link b: {shm}: the link 'a' is there")
        self.check_refused(*node, "--link", "a=frob:x", says="frob")
        self.check_refused(*node, "--link", f"a={shm}?frob=1", says="frob")
        self.check_refused(*node, "--link", f"a={shm}?size=0", says="size")
        self.check_refused(*node, "--link", f"a={shm}?buffers=3", says="buffers")
        self.check_refused(*node, "--link", "a=spi:/dev/x", says="not in this version")
        self.check_refused(*node, "--service", "frob", says="no service 'frob'")
        self.assertEqual([], list(self.dir.iterdir()))

    def test_wrong_routes(self):
        def route(text, says):
            self.check_refused("--name", "n", "--control", self.dir / "c",
                               "--link", f"a=shm:{self.dir}/a", "--link", f"b=shm:{self.dir}/b",
                               "--link", f"muchtoolong=shm:{self.dir}/m", "--route", text, says=says)
        route("a", "A:B")
        route("a:c", "no link to 'c'")
        route("a:a", "two different")
        route("a:muchtoolong", "cannot be routed")
        route("a:b,policy=never", "policy 'never'")
        route("a:b,quota=0", "quota '0'")
        route("a:b,quota=x", "quota 'x'")
        route("a:b,block_ms=5", "policy=block")
        route("a:b,frob=1", "unknown key 'frob'")
        route("a:b,policy", "key=value")
        route("a:b,services=x+", "services")
        route("a:b,policy=credit,policy=credit", "before")
        self.check_refused("--name", "n", "--link", f"a=shm:{self.dir}/a",
                           "--link", f"b=shm:{self.dir}/b", "--route", "a:b", "--route", "b:a",
                           says="before")

    def test_help_and_version(self):
        self.assertRegex(self.rpmsgd("--version").stdout, r"^rpmsgd \d+\.\d+\.\d+\n$")
        text = self.rpmsgd("--help").stdout
        for option in ("--name", "--link", "--route", "--control", "--check", "-c", "-v"):
            self.assertIn(option, text)
        self.assertNotIn("spi", text)


if __name__ == "__main__":
    main()
