"""`python -m app.readers`: many readers in one process, which report when each of them had a message.

The server starts it for a page (app/crowd.py). Its standard input has one line of JSON, which says what to read:

    {"host": "127.0.0.1", "port": 8000, "target": "/s/a/crowd-1f/sse", "transport": "sse", "readers": 200}

Its standard output has a line of JSON for each thing that happens:

    {"open": 200}                                          all readers are connected and wait
    {"cursor": "7f3a90c2-17", "delays_ms": [0.9, ...], "busy_ms": 1.8}      a message has arrived
    {"ended": "refused"} or {"ended": "lost"}              the last line: a reader was refused, or lost its connection

`delays_ms` has a delay for each reader that has the message, sorted: from when it was published to when its bytes
were read. `busy_ms` is the CPU time that this process used between the first and the last of them: if that is nearly
all of the time between them, the readers were slower than the server.

Reading comes first: each piece of bytes gets its time, and is looked into only when nothing else is waiting to be read.
The process ends when its standard input does. So it ends with the server, however that ends.
"""

import base64
import contextlib
import gc
import json
import os
import re
import selectors
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

OPEN_S = 10.0
"""How long it may take until all readers are connected."""

LATE_S = 2.0
"""A message that not all readers have is reported when nothing more has arrived for so long."""

UNSEEN_MAX = 10_000
"""So many pieces of bytes are looked into even if more is waiting to be read: they take memory."""

UNFINISHED_MAX_BYTES = 262_144
"""The server sends no frame and no event that is longer than this."""


class Ended(Exception):
    """A reader was refused, or lost its connection; its text says which."""


@dataclass(eq=False)
class Reader:
    """One connection. `pieces` were read, but not looked into: (when, CPU time used until then, bytes)."""

    socket: socket.socket
    pieces: list[tuple[float, float, bytes]] = field(default_factory=list)
    unfinished: bytearray = field(default_factory=bytearray)
    is_responded: bool = False
    is_open: bool = False

    def read(self) -> bytes:
        """Read what is there, first of all; nothing at its end. Raises OSError."""
        data = self.socket.recv(65_536)
        self.pieces.append((time.monotonic(), time.process_time(), data))
        return data


def request(transport: str, host: str, port: int, target: str) -> bytes:
    """What a reader sends to begin."""
    name = f"[{host}]" if ":" in host else host
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    headers = {"Host": f"{name}:{port}"} | (upgrade if transport == "websocket" else {})
    head = f"GET {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{head}\r\n".encode()


def frames(reader: Reader) -> Iterator[bytes]:
    """The text of each WebSocket frame that is complete; a ping gets its pong (RFC 6455, sections 5.2 and 5.5)."""
    data = reader.unfinished
    while len(data) >= 2:
        extended = {126: 2, 127: 8}.get(data[1], 0)
        start = 2 + extended
        end = start + (int.from_bytes(data[2:start]) if extended else data[1])
        if len(data) < max(start, end):
            return
        opcode, payload = data[0] & 0x0F, bytes(data[start:end])
        del data[:end]
        if opcode == 0x8:
            raise Ended("lost")
        if opcode == 0x9:
            reader.socket.send(bytes((0x8A, 0x80 | len(payload), 0, 0, 0, 0)) + payload)
        yield payload if opcode == 0x1 else b""


def events(reader: Reader) -> Iterator[bytes]:
    """The data of each server-sent event that is complete; chunks begin and end between events."""
    *complete, rest = bytes(reader.unfinished).split(b"\n\n")
    reader.unfinished[:] = rest
    for event in complete:
        data = re.search(rb"^data: (.*)$", event, re.MULTILINE)
        yield data[1] if data else b""


@dataclass(frozen=True)
class Framing:
    """How a transport's response begins, and what takes the messages out of it."""

    status: bytes
    texts: Callable[[Reader], Iterator[bytes]]


FRAMINGS = {"sse": Framing(b"200", events), "websocket": Framing(b"101", frames)}


@dataclass(eq=False)
class Arrivals:
    """Who has a message: (when, CPU time used until then) of each reader."""

    published_s: float
    readers: list[tuple[float, float]] = field(default_factory=list)

    def report(self, cursor: str) -> dict[str, object]:
        at_s, cpu_s = zip(*sorted(self.readers), strict=True)
        delays_ms = [round(1e3 * (one - self.published_s), 3) for one in at_s]
        return {"cursor": cursor, "delays_ms": delays_ms, "busy_ms": round(1e3 * (cpu_s[-1] - cpu_s[0]), 3)}


class Readers:
    """All readers of this process."""

    def __init__(self, framing: Framing, say: Callable[[Mapping[str, object]], None]) -> None:
        self._framing = framing
        self._say = say
        self._selector = selectors.DefaultSelector()
        self._readers: list[Reader] = []
        self._unseen: list[Reader] = []
        self._messages: dict[str, Arrivals] = {}
        self._open = 0

    def connect(self, number: int, host: str, port: int, head: bytes) -> None:
        """Connect all of them, and send their requests. Raises OSError."""
        for _ in range(number):
            one = socket.create_connection((host, port), OPEN_S)
            one.sendall(head)
            one.setblocking(False)
            self._readers.append(Reader(one))
            self._selector.register(one, selectors.EVENT_READ, self._readers[-1])

    def read_until_ready(self, end: int) -> None:
        """Read until there is something on the file descriptor `end`, or its end. Raises Ended and OSError."""
        self._selector.register(end, selectors.EVENT_READ)
        given_up_s = time.monotonic() + OPEN_S
        while True:
            ready = self._selector.select(0)
            if not ready:
                self._look()
                if self._open < len(self._readers) and time.monotonic() > given_up_s:
                    raise Ended("lost")
                ready = self._selector.select(LATE_S)
            if not ready:
                self._report(*self._messages)
            for key, _ in ready:
                if key.data is None:
                    return
                self._unseen.append(key.data)
                # At its end, a connection would be ready for ever.
                if not key.data.read() or len(self._unseen) >= UNSEEN_MAX:
                    self._look()

    def _look(self) -> None:
        """Look into everything that was read."""
        for reader in self._unseen:
            for at_s, cpu_s, data in reader.pieces:
                self._learn(reader, at_s, cpu_s, data)
            reader.pieces.clear()
        self._unseen.clear()

    def _learn(self, reader: Reader, at_s: float, cpu_s: float, data: bytes) -> None:
        reader.unfinished += data
        if not reader.is_responded:
            head, end, rest = reader.unfinished.partition(b"\r\n\r\n")
            if end and head.split()[1] != self._framing.status:
                raise Ended("refused")
            reader.is_responded = bool(end)
            reader.unfinished = rest if end else head
        if not data or len(reader.unfinished) > UNFINISHED_MAX_BYTES:
            raise Ended("lost")
        if reader.is_responded:
            for text in self._framing.texts(reader):
                self._count(reader)
                fields = json.loads(text or b"{}")
                if "text" in fields:
                    arrivals = self._messages.setdefault(fields["cursor"], Arrivals(fields["published_ms"] / 1e3))
                    arrivals.readers.append((at_s, cpu_s))
                    if len(arrivals.readers) == len(self._readers):
                        self._report(fields["cursor"])

    def _count(self, reader: Reader) -> None:
        """The first that a reader is sent is its cursor: from then on it gets every message."""
        if not reader.is_open:
            reader.is_open = True
            self._open += 1
            if self._open == len(self._readers):
                self._say({"open": self._open})

    def _report(self, *cursors: str) -> None:
        for cursor in cursors:
            self._say(self._messages.pop(cursor).report(cursor))


def say(what: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    gc.disable()  # a collection would delay all readers that are not yet served, and there is no garbage to speak of
    asked = json.loads(sys.stdin.readline())
    host, port, transport = asked["host"], asked["port"], asked["transport"]
    readers = Readers(FRAMINGS[transport], say)
    try:
        readers.connect(asked["readers"], host, port, request(transport, host, port, asked["target"]))
        readers.read_until_ready(sys.stdin.fileno())
    except (Ended, OSError) as problem:
        with contextlib.suppress(BrokenPipeError):  # the server itself is gone
            say({"ended": str(problem) if isinstance(problem, Ended) else "lost"})


if __name__ == "__main__":
    main()
