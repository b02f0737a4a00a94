"""`python -m experiments.bench.readers`: many readers in one process, which count and do as little else as possible.

They must cost less than the server, or it is they that are measured. So a reader is a socket in one `epoll`: from a
piece of bytes it takes how often the marker stands in it, and nothing else is looked at. Only the piece that completes
a tick, of whichever reader was last, is checked for the text and gives the time at which the server published it.
Pings are answered, also among messages and between orders: a server gives up readers that don't.

Arguments: transport, port, whether the server has cursors (0 or 1), the messages' text. Orders, one per line, and what
is said to each, as JSON; times are nanoseconds of `time.monotonic_ns`, durations too.

    open COUNT                 {"open": N, "refused": N, "why": "..."}: so many readers more, all listening
    count PER_TICK TICKS       "counting"; for each tick [AT, PUBLISHED]: when its last message was read, of which
                               PER_TICK come to each reader, and when it was published; then {"cpu": ..., "responses":
                               N}
    delays COUNT               "counting"; then {"delays": [...]}: from publishing to reading, of a single reader
    poll RATE_HZ SECONDS SEED  {"cpu": ..., "responses": N}: short polls at random times, on all connections in turn
    visit RATE_HZ SECONDS SEED  the same, but each on a new connection, closed after it, and with a head of its own
"""

import gc
import json
import os
import random
import resource
import select
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from experiments.bench.opening import END_OF_BATCH, Step, Transport, next_poll, pongs, steps, visit

MARKER = b'"text"'
"""Stands once in every message, and nowhere else."""

WHOLE = b"}]\n"
"""Ends whatever a server writes in one go; no marker is cut in two behind one of these."""

PUBLISHED = b'"published_ms":'
CURSOR = b'"cursor":"'

PIECE_BYTES = 65_536
OPENING_AT_ONCE = VISITORS = 64
REFUSED_MOST = 50
PINGS_FROM_S = 10.0
"""No server sends a ping sooner to one who has just connected; until then, messages are not searched for any."""

SILENCE_S = 30.0
"""A message that takes longer to arrive is taken as lost."""


class Lost(Exception):
    """Not everything arrived; the text says what did."""


def published_ns(data: bytes) -> int | None:
    """When the last message in `data` was published, if it is whole."""
    _, found, rest = data.rpartition(PUBLISHED)
    number, end, _ = rest.partition(b"}")
    return round(float(number) * 1e6) if found and end else None


def contains_in_order(data: bytes, parts: tuple[bytes, ...]) -> bool:
    place = 0
    for part in parts:
        place = data.find(part, place) + len(part)
        if place < len(part):
            return False
    return True


class Readers:
    def __init__(self, transport: Transport, port: int, has_cursors: bool, text: str) -> None:
        self.transport = transport
        self.address = ("127.0.0.1", port)
        self.steps = steps(transport, has_cursors)
        self.text = f'"text":"{text}"'.encode()
        self.has_pings = transport in ("websocket", "socket_io")
        self.epoll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.cursors: dict[int, bytes] = {}
        self.began_s = time.monotonic()
        self.responses = 0
        self.visits = 0

    def open(self, count: int) -> dict[str, Any]:
        """Connect so many more, some at a time, until each has gone through all steps."""
        waiting: dict[int, tuple[socket.socket, list[Step], bytes]] = {}
        epoll, started, refused, why = select.epoll(), 0, 0, ""
        if self.has_pings:
            epoll.register(self.epoll, select.EPOLLIN)
        while waiting or (started < count and refused < REFUSED_MOST):
            while started < count and len(waiting) < OPENING_AT_ONCE and refused < REFUSED_MOST:
                sock = connected(self.address, self.steps[0].send)
                epoll.register(sock, select.EPOLLIN)
                waiting[sock.fileno()] = (sock, self.steps, b"")
                started += 1
            events = epoll.poll(SILENCE_S)
            if not events:
                raise Lost(f"{len(waiting)} readers wait for {waiting[next(iter(waiting))][1][0].until}")
            for fd, _ in events:
                if fd == self.epoll.fileno():
                    self.answer_pings()
                    continue
                sock, ahead, data = waiting.pop(fd)
                data += (new := received(sock))
                if not new or data[9:12] not in (b"101", b"200"):
                    refused += 1
                    why = data.partition(b"\r\n")[0].decode() or "the connection was closed"
                    epoll.unregister(fd)
                    sock.close()
                elif not contains_in_order(data, ahead[0].until):
                    waiting[fd] = (sock, ahead, data)
                elif ahead[1:]:
                    sock.sendall(ahead[1].send)
                    waiting[fd] = (sock, ahead[1:], data)
                else:
                    epoll.unregister(fd)
                    self.keep(sock, data)
        epoll.close()
        return {"open": len(self.sockets), "refused": refused, "why": why}

    def keep(self, sock: socket.socket, data: bytes) -> None:
        self.sockets[sock.fileno()] = sock
        self.epoll.register(sock, select.EPOLLIN)
        if data.endswith(END_OF_BATCH):
            self.cursors[sock.fileno()] = cursor_in(data)
            if self.transport == "long_poll":
                self.ask(sock.fileno())

    def ask(self, fd: int) -> None:
        self.sockets[fd].sendall(next_poll(self.transport, self.cursors[fd]))

    def answer_pings(self) -> None:
        """Of readers that are to get nothing else now; raises Lost if one did, or has lost its connection."""
        for fd, _ in self.epoll.poll(0):
            data = received(self.sockets[fd])
            if not data:
                raise Lost("a reader lost its connection while nothing was published")
            if MARKER in data:
                raise Lost("a message arrived that was one too many")
            self.sockets[fd].sendall(pongs(data))

    def next_order(self) -> str:
        """Nothing if there will be none."""
        inputs = [sys.stdin, self.epoll] if self.has_pings else [sys.stdin]
        while sys.stdin not in select.select(inputs, [], [])[0]:
            self.answer_pings()
        return sys.stdin.readline()

    def count(self, per_tick: int, ticks: int) -> dict[str, Any]:
        """Read until each reader has all messages."""
        say('"counting"')
        polls = self.transport == "long_poll"
        began_ns, responses = time.process_time_ns(), self.responses
        got = dict.fromkeys(self.sockets, 0)
        tails: dict[int, bytes] = {}
        partial: dict[int, bytes] = {}
        buffer = bytearray(PIECE_BYTES)
        views, poll, readv = [buffer], self.epoll.poll, os.readv
        total, tick, goal = 0, 0, per_tick * len(got)
        while tick < ticks:
            events = poll(SILENCE_S)
            if not events:
                raise Lost(f"{total} of {goal + (ticks - tick - 1) * per_tick * len(got)} messages arrived")
            may_have_pings = self.has_pings and time.monotonic() > self.began_s + PINGS_FROM_S
            for fd, _ in events:
                size = readv(fd, views)
                if not size:
                    raise Lost(f"a reader lost its connection after {got[fd]} messages")
                if tails and fd in tails:
                    piece = tails.pop(fd) + buffer[:size]
                    new = piece.count(MARKER)
                else:
                    new = buffer.count(MARKER, 0, size)
                if (may_have_pings or (not new and self.has_pings)) and (replies := pongs(bytes(buffer[:size]))):
                    self.sockets[fd].sendall(replies)
                if buffer[size - 1] not in WHOLE:
                    tails[fd] = bytes(buffer[max(0, size + 1 - len(MARKER)) : size])
                got[fd] += new
                total += new
                while total >= goal and tick < ticks:
                    data = bytes(buffer[:size])
                    at_ns, at_publishing_ns = time.monotonic_ns(), published_ns(data)
                    self.check(data)
                    say(json.dumps([at_ns, at_publishing_ns]))
                    tick += 1
                    goal += per_tick * len(got)
                if polls:
                    self.respond(fd, bytes(buffer[:size]), partial)
        if set(got.values()) != {per_tick * ticks}:
            raise Lost(f"each reader should have {per_tick * ticks} messages: {min(got.values())}, {max(got.values())}")
        return {"cpu": time.process_time_ns() - began_ns, "responses": self.responses - responses}

    def check(self, data: bytes) -> None:
        """The text of a message that begins in `data`, and is not cut in two, is as it should be."""
        if published_ns(data) and MARKER in data and self.text not in data:
            raise Lost(f"another message arrived: {data[:300]!r}")

    def respond(self, fd: int, data: bytes, partial: dict[int, bytes]) -> None:
        """If a response is whole, ask for what comes after it."""
        if partial and fd in partial:
            data = partial.pop(fd) + data
        if data.endswith(END_OF_BATCH):
            self.responses += 1
            self.cursors[fd] = cursor_in(data)
            self.ask(fd)
        else:
            partial[fd] = data

    def delays(self, count: int) -> dict[str, Any]:
        """Read with one reader alone, which waits in `recv`."""
        (sock,) = self.sockets.values()
        sock.setblocking(True)
        # Python's own time limit would cost a system call per read.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(SILENCE_S), 0))
        say('"counting"')
        delays_ns: list[int] = []
        arrived = 0
        while arrived < count:
            data = sock.recv(PIECE_BYTES)
            at_ns, at_publishing_ns = time.monotonic_ns(), published_ns(data)
            if not data:
                raise Lost(f"the reader lost its connection after {arrived} messages")
            self.check(data)
            if at_publishing_ns:
                delays_ns.append(at_ns - at_publishing_ns)
            elif self.has_pings:
                sock.sendall(pongs(data))
            arrived += data.count(MARKER)
        sock.setblocking(False)
        return {"delays": delays_ns}

    def poll(self, rate_hz: float, seconds: float, seed: int) -> dict[str, Any]:
        """A seeded Poisson process of requests. What is due while all connections are busy waits for one."""
        idle = deque(self.sockets)

        def ask() -> int:
            self.ask(fd := idle.popleft())
            return fd

        def on_response(fd: int, data: bytes) -> None:
            self.cursors[fd] = cursor_in(data)
            idle.append(fd)

        return self.at_random(rate_hz, seconds, seed, lambda: bool(idle), ask, on_response)

    def visit(self, rate_hz: float, seconds: float, seed: int) -> dict[str, Any]:
        """The same, of visitors, who come for one response; at most VISITORS at once."""
        visitors = set[int]()

        def ask() -> int:
            self.visits += 1
            sock = connected(self.address, visit(self.visits))
            self.sockets[sock.fileno()] = sock
            self.epoll.register(sock, select.EPOLLIN)
            visitors.add(sock.fileno())
            return sock.fileno()

        def on_response(fd: int, data: bytes) -> None:
            visitors.discard(fd)
            self.epoll.unregister(fd)
            self.sockets.pop(fd).close()

        return self.at_random(rate_hz, seconds, seed, lambda: len(visitors) < VISITORS, ask, on_response)

    def at_random(
        self,
        rate_hz: float,
        seconds: float,
        seed: int,
        can_ask: Callable[[], bool],
        ask: Callable[[], int],
        on_response: Callable[[int, bytes], None],
    ) -> dict[str, Any]:
        """A seeded Poisson process: `ask` sends a request and returns its socket's descriptor."""
        rng, partial = random.Random(seed), dict[int, bytes]()
        began_ns, cpu_ns, responses = time.monotonic_ns(), time.process_time_ns(), 0
        due_s = rng.expovariate(rate_hz)
        while due_s < seconds or partial:
            now_s = (time.monotonic_ns() - began_ns) / 1e9
            while due_s <= min(now_s, seconds) and can_ask():
                partial[ask()] = b""
                due_s += rng.expovariate(rate_hz)
            pausing = can_ask() and due_s < seconds
            events = self.epoll.poll(max(0.0, due_s - now_s) if pausing else SILENCE_S)
            if not events and not pausing:
                raise Lost(f"{len(partial)} requests got no response")
            for fd, _ in events:
                partial[fd] += (new := received(self.sockets[fd]))
                if not new:
                    raise Lost(f"a reader lost its connection after {responses} responses in all")
                if partial[fd].endswith(END_OF_BATCH):
                    responses += 1
                    on_response(fd, partial.pop(fd))
        return {"cpu": time.process_time_ns() - cpu_ns, "responses": responses}


def connected(address: tuple[str, int], request: bytes) -> socket.socket:
    """A connection on which this was sent. It is closed with a reset: thousands that linger would use up the ports."""
    sock = socket.create_connection(address)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.sendall(request)
    sock.setblocking(False)
    return sock


def received(sock: socket.socket) -> bytes:
    """Nothing if the connection is closed or reset."""
    try:
        return sock.recv(PIECE_BYTES)
    except ConnectionError:
        return b""


def cursor_in(data: bytes) -> bytes:
    return data.rpartition(CURSOR)[2].removesuffix(END_OF_BATCH)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(transport: Transport, port: str, has_cursors: str, text: str) -> None:
    """Obey until standard input ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.disable()
    readers = Readers(transport, int(port), has_cursors == "1", text)
    orders: dict[str, Callable[..., dict[str, Any]]]
    orders = {name: getattr(readers, name) for name in ("open", "count", "delays", "poll", "visit")}
    try:
        while line := readers.next_order():
            order, *numbers = line.split()
            try:
                said: Any = orders[order](*(float(n) if "." in n else int(n) for n in numbers))
            except (Lost, OSError) as problem:
                said = {"failed": str(problem)}
            say(json.dumps(said))
    except (Lost, OSError) as problem:  # between orders
        sys.exit(str(problem))


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
