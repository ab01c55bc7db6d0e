# SPDX-License-Identifier: Apache-2.0
"""The log and the sensors of a NuttX twin: rpmsg-syslog as client and server, rpmsg-sensor.

What they send is what the simulator was recorded to send (recordings/nuttx/services-*). They believe
what comes, as NuttX does: where it follows a pointer that somebody else made up, it crashes (H-26).
"""
import struct

import nuttx_wire as wire
from nuttx_node import Crash

SYSLOG, SENSOR = "rpmsg-syslog", "rpmsg-sensor"
TRANSFER, SUSPEND, RESUME, SYNC = range(4)
(ADVERTISE, ADVERTISE_ACK, UNADVERTISE, SUBSCRIBE, SUBSCRIBE_ACK, UNSUBSCRIBE, PUBLISH, IOCTL,
 IOCTL_ACK) = range(9)
GET_INFO = 0x0A9C
BATCH = 0.1  # seconds that the log waits for more


class SyslogClient:
    """Sends what the node logs to the device whose CPU has that name."""

    def __init__(self, node, server):
        self.server, self.text, self.suspended, self.endpoint = server, b"", False, None
        node.client(SYSLOG, server, self.received, self.bound)

    def bound(self, endpoint):
        self.endpoint = endpoint

    def log(self, text):
        self.text += text

    def flush(self):
        """What the work queue does from time to time."""
        while self.text and self.endpoint and self.endpoint.dest != wire.ANY and not self.suspended:
            part, self.text = self.text[:1996], self.text[1996:]
            message = struct.pack("<Iii", TRANSFER, 0, len(part)) + part
            device = self.endpoint.device
            yield from device.send(self.endpoint.addr, self.endpoint.dest, message)

    def received(self, endpoint, _src, payload):
        command = struct.unpack_from("<I", payload)[0]
        if command in (SUSPEND, RESUME):
            self.suspended = command == SUSPEND
            yield from self.flush()
        elif command == SYNC:
            yield from self.flush()
            yield from endpoint.device.send(endpoint.addr, endpoint.dest, payload)


class SyslogServer:
    def __init__(self, node):
        self.text = b""
        node.servers[SYSLOG] = self.received

    def received(self, _endpoint, _src, payload):
        if struct.unpack_from("<I", payload)[0] == TRANSFER:
            count = struct.unpack_from("<i", payload, 8)[0]
            if count > len(payload) - 12:
                raise Crash("more text than came is printed")
            self.text += payload[12 : 12 + count]
        return
        yield


class Topic:
    def __init__(self, path, cookie):
        self.path, self.cookie = path, cookie
        self.writing = self.reading = False
        self.stubs = []  # (endpoint, cookie) of those who read there
        self.proxies = []  # of those who write there
        self.samples = []


class Sensors:
    def __init__(self, node):
        self.topics = {}
        self.info = b""  # SNIOC_GET_INFO
        node.services = (*node.services, SENSOR)
        node.handlers[SENSOR] = self.received
        node.bound[SENSOR] = self.bound
        self.node, self.endpoints, self.greet = node, [], []

    def topic(self, path):
        return self.topics.setdefault(path, Topic(path, 0x55AA00000000 + 0x100 * len(self.topics)))

    def everyone(self):
        return [e for e in self.endpoints if e.dest != wire.ANY]

    def word(self, endpoint, command, topic, cookie=None):
        message = struct.pack("<IIQI", command, 1, topic.cookie if cookie is None else cookie, 0)
        message += topic.path.encode() + b"\0" + bytes(4)
        yield from endpoint.device.send(endpoint.addr, endpoint.dest, message)

    def tell(self, command, topic):
        for endpoint in self.everyone():
            yield from self.word(endpoint, command, topic)

    # What a program of the node does.

    def write(self, path):
        topic = self.topic(path)
        topic.writing = True
        yield from self.tell(ADVERTISE, topic)

    def read(self, path):
        topic = self.topic(path)
        topic.reading = True
        yield from self.tell(SUBSCRIBE, topic)

    def stop(self, path):
        topic = self.topic(path)
        if topic.writing:
            yield from self.tell(UNADVERTISE, topic)
        if topic.reading:
            yield from self.tell(UNSUBSCRIBE, topic)
        topic.writing = topic.reading = False
        topic.stubs, topic.proxies = [], []

    def publish(self, path, sample):
        for endpoint, cookie in self.topic(path).stubs:
            message = struct.pack("<IIQII", PUBLISH, 0, cookie, 1, len(sample)) + sample
            yield from endpoint.device.send(endpoint.addr, endpoint.dest, message)

    # What comes.

    def bound(self, endpoint):
        """A worker says what there is."""
        if endpoint not in self.endpoints:
            self.endpoints.append(endpoint)
        self.greet.append(endpoint)

    def work(self):
        while self.greet:
            endpoint = self.greet.pop()
            for topic in self.topics.values():
                if topic.writing:
                    yield from self.word(endpoint, ADVERTISE, topic)
                if topic.reading:
                    yield from self.word(endpoint, SUBSCRIBE, topic)

    def received(self, endpoint, _src, payload):
        command = struct.unpack_from("<I", payload)[0]
        if command < PUBLISH:
            cookie, path = struct.unpack_from("<Q", payload, 8)[0], payload[20:].split(b"\0")[0]
            yield from self.about(endpoint, command, cookie, self.topic(path.decode("latin1")))
        elif command == PUBLISH:
            self.take(payload)
        elif command == IOCTL:
            yield from self.ioctl(endpoint, payload)
        elif command != IOCTL_ACK:
            raise Crash(f"command {command} of a sensor")

    def about(self, endpoint, command, cookie, topic):
        entry = (endpoint, cookie)
        if command == ADVERTISE and topic.reading:
            self.add(topic.proxies, entry)
            yield from self.word(endpoint, ADVERTISE_ACK, topic)
        elif command == SUBSCRIBE and topic.writing:
            self.add(topic.stubs, entry)
            yield from self.word(endpoint, SUBSCRIBE_ACK, topic)
        elif command == ADVERTISE_ACK:
            self.add(topic.stubs, entry)
        elif command == SUBSCRIBE_ACK:
            self.add(topic.proxies, entry)
        elif command == UNADVERTISE and entry in topic.proxies:
            topic.proxies.remove(entry)
        elif command == UNSUBSCRIBE and entry in topic.stubs:
            topic.stubs.remove(entry)

    @staticmethod
    def add(entries, entry):
        if entry not in entries:
            entries.append(entry)

    def take(self, payload):
        at = 8
        while at < len(payload):
            cookie, _, size = struct.unpack_from("<QII", payload, at)
            topics = [topic for topic in self.topics.values() if topic.cookie == cookie]
            if not topics:
                raise Crash("a sample for a topic that is no pointer of ours (H-26)")
            topics[0].samples.append(payload[at + 16 : at + 16 + size])
            at = at + 16 + size + 7 & ~7

    def ioctl(self, endpoint, payload):
        cookie, proxy = struct.unpack_from("<QQ", payload, 8)
        topics = [topic for topic in self.topics.values() if topic.cookie == proxy]
        if not topics:
            raise Crash("a request to a topic that is no pointer of ours (H-26)")
        if cookie and any(stub[0] is endpoint for stub in topics[0].stubs):
            answer = struct.pack("<Ii", IOCTL_ACK, 0) + payload[8:]
            if struct.unpack_from("<i", payload, 24)[0] == GET_INFO:
                answer = answer[:32] + self.info[: len(payload) - 40].ljust(len(payload) - 32, b"\0")
            yield from endpoint.device.send(endpoint.addr, endpoint.dest, answer)
