# SPDX-License-Identifier: Apache-2.0
"""Bytes that the NuttX twins speak: UART frames, RPMsg header, name service, router, ping.

Formats are those of docs/SPEC*.md, written down here a second time on purpose: a mistake in the
shipped codec must not cancel out against the same mistake in the test.
"""
import struct

START, END, ESCAPE = 0x7F, 0x70, 0x7C
CONNREQ, CONNACK, SUSPEND, RESUME, POWEROFF, RELAXWAKE = 0x7E, 0x7D, 0x7B, 0x7A, 0x76, 0x77
# STAYWAKE and the acknowledgement that answers it.
WAKES = {0x79: 0x78, 0x75: 0x74}
CONTROL = set(range(0x71, 0x7F)) - {ESCAPE}

ANY = 0xFFFFFFFF
NS_ADDR = 53
CREATE, DESTROY, CREATE_ACK = 0, 1, 2
ROUTER_CREATE, ROUTER_DESTROY, ROUTER_SUSPEND, ROUTER_RESUME = 1, 2, 3, 4
PING_ACK, PING_CHECK, PING_RESPONSE = 1, 2, 0x20
PORT_HEADER, RPMSG_HEADER = 8, 16


def crc16(data):
    """CRC-16/ARC."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value


def message(src, dst, payload):
    return struct.pack("<IIIHH", src, dst, 0, len(payload), 0) + payload


def parse_message(data):
    """src, dst, payload; the payload is what its own length says, as NuttX believes it."""
    src, dst, _, size, _ = struct.unpack_from("<IIIHH", data)
    return src, dst, bytes(data[RPMSG_HEADER : RPMSG_HEADER + size])


def ns(name, addr, flags):
    return name.encode()[:31].ljust(32, b"\0") + struct.pack("<II", addr, flags)


def parse_ns(payload):
    addr, flags = struct.unpack_from("<II", payload, 32)
    return payload[:32].split(b"\0")[0].decode("latin1"), addr, flags


def frame(msg, crc=False):
    """A UART frame around an RPMsg message."""
    body = struct.pack("<HHH", 0, 0, PORT_HEADER + len(msg)) + msg
    body = struct.pack("<H", crc16(body) if crc else 0) + body
    out = bytearray([START])
    for byte in body:
        out += bytes([ESCAPE, byte ^ 0x20]) if 0x70 <= byte <= 0x7F else bytes([byte])
    out.append(END)
    return bytes(out)


class Splitter:
    """Cuts a byte stream into frames (their bodies) and control bytes."""

    def __init__(self):
        self.body = None
        self.escaped = False

    def feed(self, data):
        """A list of ("control", byte) and ("frame", body)."""
        found = []
        for byte in data:
            if byte in CONTROL:
                found.append(("control", byte))
            elif byte == START:
                self.body, self.escaped = bytearray(), False
            elif byte == END:
                if self.body is not None:
                    found.append(("frame", bytes(self.body)))
                self.body = None
            elif byte == ESCAPE:
                self.escaped = True
            elif self.body is not None:
                self.body.append(byte ^ 0x20 if self.escaped else byte)
                self.escaped = False
        return found


def read_recording(path):
    """Names of the links, and a list of (t_ns, link, direction, bytes); direction 2 is a mark."""
    with open(path, "rb") as file:
        if file.readline() != b"RPCAP1\n":
            raise ValueError(f"{path} is no recording")
        links = file.readline().decode().split()
        records = []
        while header := file.read(12):
            time_ns, link, direction, size = struct.unpack("<QBBH", header)
            records.append((time_ns, link, direction, file.read(size)))
    return links, records


def read_memory_recording(path):
    """Size of the region and a list of (t_ns, [(offset, bytes)]), what changed at that time, and of
    (t_ns, mark)."""
    with open(path, "rb") as file:
        if file.readline() != b"RMCAP1\n":
            raise ValueError(f"{path} is no recording of memory")
        size = int(file.readline())
        records = []
        while header := file.read(14):
            time_ns, offset, length = struct.unpack("<QIH", header)
            data = file.read(length)
            if offset == ANY:
                records.append((time_ns, data.decode()))
            elif records and records[-1][0] == time_ns:
                records[-1][1].append((offset, data))
            else:
                records.append((time_ns, [(offset, data)]))
        return size, records
