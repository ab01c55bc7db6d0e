# SPDX-License-Identifier: Apache-2.0
"""rpr-replay on every recording there is: each count beside that of a decoder of the test's own,
byte by byte, and no byte left over. Then recordings that somebody has spoilt."""
import json
import struct
from pathlib import Path

from harness import BIN, ROOT, Case, main

REPLAY = BIN / "rpr-replay"
RECORDINGS = sorted((ROOT / "tests" / "interop" / "recordings").rglob("*.rpc"))
KINDS = ["ns_create", "ns_ack", "ns_destroy", "router_create", "router_destroy", "router_suspend",
         "router_resume", "ping_req", "ping_rsp", "data"]
START, END, ESCAPE = 0x7F, 0x70, 0x7C
ENDS_A_FRAME = (0x7E, 0x7D, 0x76)


def crc16(data):
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0xA001 if value & 1 else 0)
    return value


def read(path):
    """(names, [(link, dir, bytes)])"""
    data = path.read_bytes()
    head, names, data = data.split(b"\n", 2)
    assert head == b"RPCAP1"
    records = []
    while data:
        _, link, direction, n = struct.unpack_from("<QBBH", data)
        records.append((link, direction, data[12:12 + n]))
        data = data[12 + n:]
    return names.decode().split(), records


class Stream:
    """One direction of one link, decoded as WIRE 4.3 says."""

    def __init__(self):
        self.body = None  # of the frame that has begun
        self.escaped = False
        self.broken = False
        self.control, self.frames = {}, []
        self.errors = {"crc": 0, "length": 0, "stray": 0}

    def cut_off(self):
        if self.body is not None:
            self.errors["length"] += 1
        self.body, self.escaped, self.broken = None, False, False

    def byte(self, byte):
        if 0x71 <= byte <= 0x73:
            self.errors["stray"] += 1
        elif 0x74 <= byte <= 0x7E and byte != ESCAPE:
            if byte in ENDS_A_FRAME:
                self.cut_off()
            self.control[f"{byte:02x}"] = self.control.get(f"{byte:02x}", 0) + 1
        elif byte == START:
            self.cut_off()
            self.body = b""
        elif self.body is None:
            self.errors["stray"] += 1
        elif byte == END:
            self.end()
        elif byte == ESCAPE:
            self.broken |= self.escaped
            self.escaped = True
        else:
            self.broken |= self.escaped and not 0x50 <= byte <= 0x5F
            self.body += bytes([byte ^ 0x20 if self.escaped else byte])
            self.escaped = False

    def end(self):
        body, broken = self.body, self.broken or self.escaped
        if broken or len(body) < 24 or struct.unpack_from("<H", body, 6)[0] != len(body):
            self.cut_off()
            return
        self.body = None
        crc = struct.unpack_from("<H", body)[0]
        if crc and crc != crc16(body[2:]):
            self.errors["crc"] += 1
        else:
            self.frames.append(body)
        self.escaped = self.broken = False


class Link:
    """Who owns which address, as far as it tells what a message is."""

    def __init__(self):
        self.owner = {}
        self.count = [dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)]

    def frame(self, side, body):
        _, dst, _, n, _ = struct.unpack_from("<IIIHH", body, 8)
        kind = self.kind(side, dst, body[24:24 + n]) if n <= len(body) - 24 else "data"
        self.count[side][kind] += 1

    def kind(self, side, dst, payload):
        if dst == 0x35 and len(payload) == 40:
            name, addr, flags = payload[:32].split(b"\0")[0], *struct.unpack("<II", payload[32:])
            if not name or addr == 0xFFFFFFFF or flags > 2:
                return "data"
            if flags != 1:
                self.owner[side, addr] = name
            return ["ns_create", "ns_destroy", "ns_ack"][flags]
        name = self.owner.get((1 - side, dst), b"")
        if name.startswith(b"router:") and len(payload) == 20:
            return KINDS[2 + payload[0]]
        if name.split(b":")[-1] == b"rpmsg-ping" and len(payload) >= 16:
            return "ping_rsp" if payload[0] & 0xF0 == 0x20 else "ping_req"
        return "data"


def expected(path):
    """{(link, dir): what rpr-replay must say}, and the bytes."""
    names, records = read(path)
    streams = {(link, side): Stream() for link in range(len(names)) for side in (0, 1)}
    links, done, total = [Link() for _ in names], {}, 0
    for link, side, data in records:
        if side == 2:
            continue
        total += len(data)
        stream = streams[link, side]
        for byte in data:
            stream.byte(byte)
        for body in stream.frames[done.get((link, side), 0):]:
            links[link].frame(side, body)
        done[link, side] = len(stream.frames)
    for stream in streams.values():
        stream.cut_off()
    return total, [{"name": names[link], "dir": ("AB", "BA")[side], "frames": len(stream.frames),
                    "control": stream.control, "errors": stream.errors,
                    "messages": links[link].count[side]}
                   for (link, side), stream in streams.items()]


class Replay(Case):
    maxDiff = None

    def replay(self, path):
        result = self.run_command([REPLAY, path])
        return result.returncode, json.loads(result.stdout)

    def test_every_recording(self):
        self.assertGreater(len(RECORDINGS), 3)
        for path in RECORDINGS:
            with self.subTest(path.name):
                status, report = self.replay(path)
                total, links = expected(path)
                bound = [link.pop("bound") for link in report["links"]]
                self.assertEqual((0, 0, total), (status, report["unaccounted"], report["bytes"]))
                self.assertEqual(links, report["links"])
                self.assertEqual(str(path), report["file"])
                self.assertEqual(bound[0::2], bound[1::2])

    def test_bound_at_the_end(self):
        _, report = self.replay(ROOT / "tests/interop/recordings/recon.rpc")
        bound = {(link["name"], link["dir"]): sorted(link["bound"]) for link in report["links"]}
        self.assertEqual(["router:edge1", "rpmsg-ping", "rpmsg-test"], bound["l0", "AB"])
        self.assertEqual([], bound["l1", "AB"])

    def test_spoilt_bytes_are_errors(self):
        """Every byte of a small recording's traffic in turn: still each byte is accounted for."""
        path = ROOT / "tests/interop/recordings/poff.rpc"
        data = path.read_bytes()
        for at in range(len(data) - 700, len(data), 7):
            spoilt = bytearray(data)
            spoilt[at] ^= 0x11
            copy = self.dir / "spoilt.rpc"
            copy.write_bytes(spoilt)
            status, report = self.replay(copy)
            self.assertEqual(status, 0 if report["unaccounted"] == 0 else 1)
            if report["bytes"] == 2556 and report["unaccounted"] == 0:
                total, links = expected(copy)
                for link in report["links"]:
                    link.pop("bound")
                self.assertEqual((total, links), (report["bytes"], report["links"]), at)

    def test_cut_off(self):
        data = (ROOT / "tests/interop/recordings/poff.rpc").read_bytes()
        copy = self.dir / "cut.rpc"
        copy.write_bytes(data[:-3])
        status, report = self.replay(copy)
        self.assertEqual(1, status)
        self.assertGreater(report["unaccounted"], 0)

    def test_no_recording(self):
        for content in (b"", b"RPCAP1", b"RPCAP1\nl0", b"RPCAP2\nl0\n"):
            path = self.dir / "no.rpc"
            path.write_bytes(content)
            result = self.run_command([REPLAY, path])
            self.assertEqual((1, ""), (result.returncode, result.stdout))
            self.assertIn("is no recording", result.stderr)
        self.assertEqual(1, self.run_command([REPLAY, self.dir / "none"]).returncode)
        self.assertEqual(2, self.run_command([REPLAY]).returncode)
        self.assertEqual(0, self.run_command([REPLAY, "--help"]).returncode)


if __name__ == "__main__":
    main()
