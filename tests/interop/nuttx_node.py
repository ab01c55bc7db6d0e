# SPDX-License-Identifier: Apache-2.0
"""A behavioural twin of a NuttX node above its transports: endpoints, name service, services, edge.

What it does is what the simulator was seen to do (recordings/nuttx, docs/INTEROP.md), its defects
included, as far as a peer can notice them. A transport calls `connected`, `received` and
`disconnected`. Whatever may wait for a buffer is a generator that yields what it waits for, so
that one thread of Python can be all threads of the peer and every run of it is the same.
"""
import struct

import nuttx_wire as wire


BUILT_IN = ("rpmsg-ping", "rpmsg-test")


class Crash(Exception):
    """What stops a real node: an assertion, or a touch of freed memory."""


class Endpoint:
    def __init__(self, device, name, addr, dest, handler=None):
        self.device, self.name, self.addr, self.dest = device, name, addr, dest
        self.handler = handler  # generator function of (endpoint, src, payload)
        self.unbound = None  # generator function of (endpoint)
        self.bound = None  # plain function of (endpoint)
        self.user = None  # the routed endpoint behind an r: endpoint
        self.received = []


class Device:
    """What a link and a routed device have in common: addresses and endpoints."""

    def __init__(self, node, name):
        self.node, self.name = node, name
        self.endpoints = []
        self.pending = []  # names announced for which there is no service
        self.next_bit = 0

    def address(self):
        """The next free of 128; when all are taken, one that is in use (defect B7)."""
        taken = {e.addr - 1024 for e in self.endpoints}
        bit = next(
            (b % 128 for b in range(self.next_bit, self.next_bit + 128) if b % 128 not in taken),
            self.next_bit % 128,
        )
        self.next_bit = bit + 1
        return 1024 + bit

    def find(self, name, dest):
        """The first endpoint of that name that is bound to `dest`, or to nothing (H-3, H-4)."""
        for endpoint in self.endpoints:
            if endpoint.name == name and endpoint.dest in (dest, wire.ANY):
                return endpoint
        return None

    def by_name(self, name):
        return next((e for e in self.endpoints if e.name == name), None)

    def create(self, name, dest, handler, unbound=None, bound=None):
        """Announces: CREATE if it looks for a peer, CREATE_ACK if it knows one."""
        endpoint = Endpoint(self, name[:31], self.address(), dest, handler)
        endpoint.unbound, endpoint.bound = unbound, bound
        self.endpoints.append(endpoint)
        kind = wire.CREATE if dest == wire.ANY else wire.CREATE_ACK
        yield from self.announce(endpoint, kind)
        return endpoint

    def destroy(self, endpoint):
        if endpoint in self.endpoints:
            yield from self.announce(endpoint, wire.DESTROY)
            if endpoint in self.endpoints:
                self.endpoints.remove(endpoint)

    def start_services(self):
        for service in self.node.services:
            yield from self.create(service, wire.ANY, self.node.handlers[service],
                                   bound=self.node.bound.get(service))
        for service, cpu, handler, bound in self.node.clients:
            if cpu == self.name:
                yield from self.create(service, wire.ANY, handler, bound=bound)

    def in_order_of_end(self):
        """Ping and test go first, then what was registered later than they, in its order."""
        return sorted(self.endpoints, key=lambda e: e.name not in BUILT_IN)

    def offered(self, name, addr):
        """A CREATE that matched no endpoint: a server takes it, or it is remembered."""
        if name in self.node.servers:
            yield from self.create(name, addr, self.node.servers[name], self.destroy)
        else:
            self.pending.append((name, addr))


class Link(Device):
    """The device of a direct link. `send` is the transport's: a generator of (src, dst, bytes)."""

    def __init__(self, node, name, send):
        super().__init__(node, name)
        self.send = send
        self.running = True
        self.up = False
        self.routed = {}  # control endpoint's name -> Routed
        self.in_ns = 0  # name service callbacks under way
        self.ns_lost = False
        self.depth_at_connect = 0

    def connected(self):
        """Registers the device anew; while a name service callback is under way, this leaves an
        endpoint 53 that dies with that callback (defect B6)."""
        self.up = True
        self.endpoints, self.pending, self.routed = [], [], {}
        self.depth_at_connect = self.in_ns
        self.ns_lost = False
        yield from self.start_services()

    def disconnected(self):
        """Services first, then what is left. Routed devices still there are walked into after
        they were freed (defect B2)."""
        if not self.up:
            return
        if any(r for r in self.routed.values()):
            raise Crash("B2: link gone while routed devices are there")
        for endpoint in self.in_order_of_end():
            yield from self.destroy(endpoint)
        self.endpoints, self.pending = [], []
        self.up = False

    def announce(self, endpoint, flags):
        yield from self.send(
            endpoint.addr, wire.NS_ADDR, wire.ns(endpoint.name, endpoint.addr, flags)
        )

    def received(self, src, dst, payload):
        """One message. Nothing checks a length, nothing checks `src`."""
        if dst == wire.NS_ADDR:
            if self.ns_lost:
                raise Crash("B6: name service after a reconnect inside a name service callback")
            self.in_ns += 1
            yield from self.name_service(payload)
            self.in_ns -= 1
            if self.depth_at_connect and self.in_ns < self.depth_at_connect:
                self.ns_lost = True
            return
        endpoint = next((e for e in self.endpoints if e.addr == dst), None)
        if endpoint is None:
            return
        if endpoint.dest == wire.ANY:
            endpoint.dest = src
        endpoint.received.append(payload)
        if endpoint.user is not None:
            endpoint.user.received.append(payload)
        target = endpoint.user or endpoint
        if target.handler:
            yield from target.handler(target, src, payload)

    def name_service(self, payload):
        if len(payload) != 40:
            return
        name, addr, flags = wire.parse_ns(payload)
        endpoint = self.find(name, addr)
        if flags == wire.DESTROY:
            if endpoint is not None:
                endpoint.dest = wire.ANY
                if endpoint.unbound:
                    yield from endpoint.unbound(endpoint)
            if (name, addr) in self.pending:
                self.pending.remove((name, addr))
        elif flags == wire.CREATE:
            if endpoint is None:
                yield from self.offered(name, addr)
            elif endpoint.dest == wire.ANY:
                endpoint.dest = addr
                yield from self.announce(endpoint, wire.CREATE_ACK)
                if endpoint.bound:
                    endpoint.bound(endpoint)
        elif endpoint is not None and endpoint.dest == wire.ANY:
            endpoint.dest = addr
            if endpoint.bound:
                endpoint.bound(endpoint)

    def offered(self, name, addr):
        if self.node.edge and name.startswith("router:"):
            yield from self.create(name, addr, self.router_message, self.router_unbound)
            return
        for routed in self.routed.values():
            # A prefix of the name is enough, whatever follows it (H-21).
            if routed and name.startswith("r:" + routed.name):
                yield from routed.offered(name[len("r:" + routed.name) + 1 :], addr)
                return
        yield from super().offered(name, addr)

    def router_message(self, endpoint, _src, payload):
        """Neither the length nor the order of messages is checked."""
        command = struct.unpack_from("<I", payload.ljust(20, b"\0"))[0]
        routed = self.routed.get(endpoint.name)
        if command == wire.ROUTER_DESTROY:
            yield from self.router_unbound(endpoint)
        elif command in (wire.ROUTER_SUSPEND, wire.ROUTER_RESUME):
            if not routed:
                raise Crash("router SUSPEND or RESUME before CREATE")
            routed.running = command == wire.ROUTER_RESUME
        else:
            if routed:
                raise Crash("router CREATE for a device that exists")
            _, tx_len, rx_len, local = struct.unpack("<III8s", payload.ljust(20, b"\0")[:20])
            routed = Routed(self, endpoint.name.split(":", 1)[1])
            routed.tx_len, routed.rx_len = tx_len, rx_len
            routed.local = local.split(b"\0")[0].decode("latin1")
            self.routed[endpoint.name] = routed
            yield from routed.start_services()

    def router_unbound(self, endpoint):
        routed = self.routed.pop(endpoint.name, None)
        if routed:
            yield from routed.remove()


class Routed(Device):
    """A device behind a hub: a name of its own for each endpoint of the hub's link."""

    def __init__(self, link, name):
        super().__init__(link.node, name)
        self.link = link
        self.running = True
        self.tx_len = self.rx_len = 0
        self.local = ""

    def send(self, src, dst, payload):
        """`src` is the address in this device, not the r: endpoint's."""
        yield from self.link.send(src, dst, payload)

    def announce(self, endpoint, flags):
        name = f"r:{self.name}:{endpoint.name[:21]}"[:31]
        if flags == wire.DESTROY:
            half = self.link.find(name, endpoint.dest)
            if half is not None:
                yield from self.link.destroy(half)
            return
        half = Endpoint(self.link, name, self.link.address(), endpoint.dest)
        half.user, half.unbound = endpoint, self.half_unbound
        half.bound = lambda h: self.half_bound(h)
        self.link.endpoints.append(half)
        yield from self.link.announce(half, flags)

    def half_bound(self, half):
        half.user.dest = half.dest
        if half.user.bound:
            half.user.bound(half.user)

    def half_unbound(self, half):
        half.user.dest = wire.ANY
        if half.user.unbound:
            yield from half.user.unbound(half.user)

    def remove(self):
        for endpoint in self.in_order_of_end():
            yield from self.destroy(endpoint)
        self.endpoints, self.pending = [], []


class Node:
    """One CPU. `services` look for a peer on every device, in this order."""

    def __init__(self, name, services=("xt", "rpmsg-ping", "rpmsg-test"), edge=False):
        self.name, self.edge = name, edge
        self.services = services
        self.handlers = dict.fromkeys(services)
        self.handlers["rpmsg-ping"] = self.ping
        self.servers = {}
        self.bound = {}  # what a service does when it is bound
        self.clients = []  # of services that one CPU has: what looks for it there
        self.ping_errors = 0
        self.pings = {}  # cookie -> answered

    def client(self, service, cpu, handler, bound):
        self.clients.append((service, cpu, handler, bound))

    def ping(self, endpoint, _src, payload):
        """Answers a request that wants it; believes every response."""
        if len(payload) < 16:
            payload = payload.ljust(16, b"\0")
        command, size, cookie = struct.unpack_from("<IIQ", payload)
        if command & 0xF0 == wire.PING_RESPONSE:
            if self.pings.get(cookie) is not False:
                raise Crash("a ping's answer wakes nobody: written into a dead stack")
            self.pings[cookie] = True
            return
        if not command & wire.PING_ACK:
            return
        if command & wire.PING_CHECK:
            data = payload[16:size]
            if data != data[:1] * len(data):
                self.ping_errors += 1
        answer = struct.pack("<IIQ", wire.PING_RESPONSE, len(payload), cookie) + payload[16:]
        yield from endpoint.device.send(endpoint.addr, endpoint.dest, answer)

    def send_ping(self, endpoint, length, command, fill=0):
        """One request; waits for its answer, for ever if there is none (defect B3)."""
        cookie = 0x7F0000000000 + 16 * len(self.pings)
        self.pings[cookie] = False
        data = bytes([fill & 0xFF if command & wire.PING_CHECK else 0]) * (max(length, 17) - 16)
        request = struct.pack("<IIQ", command, 16 + len(data), cookie) + data
        yield from endpoint.device.send(endpoint.addr, endpoint.dest, request)
        if command & wire.PING_ACK:
            while not self.pings[cookie]:
                yield lambda: self.pings[cookie]
