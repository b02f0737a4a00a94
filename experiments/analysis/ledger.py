"""The ledger: says what every byte of a connection was for, and balances.

A connection is read as a packet dissector reads it: requests and responses, then, where a response never ends or the
protocol changes, the pieces that were pushed. Each of these is an *exchange*, with its bytes by category and the
messages in it. The categories must add up to what the tap counted, or `Unbalanced` is raised: a byte that nobody can
explain is a byte that the comparison gets wrong. What differs from path to path is in one table, `FORMATS`.

Nothing here does I/O; the input is a recorded connection.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from app.message import Cursor, Message, read_batch, read_update
from experiments.run.recording import Connection, Stream
from experiments.variants import VARIANTS

Category = Literal[
    "request_head",  # request line and header fields
    "response_head",  # status line and header fields
    "payload",  # messages, as JSON
    "poll_body",  # what a poll's response has around its messages
    "chunk",  # chunk sizes and line ends of a response that has no length
    "sse_field",  # id:, data:, event: and empty lines
    "frame",  # WebSocket headers and masks
    "engine_io",  # packet types, what separates packets, and the packets that open, upgrade, ping and close
    "socket_io",  # what Socket.IO adds: event names, connecting, acknowledgements, the first cursor
    "control",  # heartbeats, pings and pongs, closing, the first cursor, refusals
    "publication",  # what a client published
    "unfinished",  # cut off in the middle
]


Kind = Literal["request", "push", "frame_up"]
Direction = Literal["up", "down"]

OPENING = (b"0", b"40", b'42["cursor"', b"2probe", b"3probe", b"5", b"6")
"""How packets begin that open or upgrade a connection."""


class Unbalanced(Exception):
    """The categories do not add up to what the tap counted."""


@dataclass
class Exchange:
    """A request with its response, one pushed piece of a response, or one frame from the client.

    `started_ns` is when its first byte passed the tap, `ended_ns` its last; `messages` are cursors with the time
    at which the message's last byte was written. `method` is a request's. `opening`: it only opens or upgrades a
    connection of Socket.IO, or tries to.
    """

    kind: Kind
    path: str
    started_ns: int
    ended_ns: int
    method: str = ""
    status: int = 0
    opening: bool = False
    sizes: Counter[tuple[str, str]] = field(default_factory=Counter)
    messages: list[tuple[Cursor, int]] = field(default_factory=list)


def explain(connection: Connection) -> list[Exchange]:
    """All exchanges of a connection, in the order they began; raises Unbalanced, or ValueError if it is not HTTP."""
    reader = _Reader(connection)
    reader.requests()
    reader.exchanges.sort(key=lambda exchange: exchange.started_ns)
    for direction, counted in (("up", connection.bytes_up), ("down", connection.bytes_down)):
        explained = sum(size for e in reader.exchanges for (d, _), size in e.sizes.items() if d == direction)
        if explained != counted:
            raise Unbalanced(f"connection {connection.number}: {explained} of {counted} bytes {direction} explained")
    return reader.exchanges


class _Side:
    """One direction, read from left to right."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.position = 0

    @property
    def left(self) -> int:
        return len(self.stream.data) - self.position

    def take(self, size: int) -> bytes | None:
        """The next `size` bytes, or None if they never came."""
        if self.left < size:
            return None
        self.position += size
        return self.stream.data[self.position - size : self.position]

    def take_through(self, mark: bytes) -> bytes | None:
        """Everything up to and with `mark`, or None if it never came."""
        end = self.stream.data.find(mark, self.position)
        return None if end < 0 else self.take(end + len(mark) - self.position)

    def peek(self, size: int) -> bytes:
        return self.stream.data[self.position : self.position + size]

    @property
    def next_ns(self) -> int:
        """When the next byte passed."""
        return self.stream.at_ns(self.position)

    @property
    def last_ns(self) -> int:
        """When the byte that was taken last passed."""
        return self.stream.at_ns(self.position - 1)


class _Reader:
    def __init__(self, connection: Connection) -> None:
        self.up = _Side(connection.up)
        self.down = _Side(connection.down)
        self.exchanges: list[Exchange] = []

    def requests(self) -> None:
        """Requests and their responses; once one is cut off, the rest of both directions is unfinished."""
        while self.up.left and self.request():
            pass
        self.unfinished(self.up, "up", "")
        self.unfinished(self.down, "down", "")

    def request(self) -> bool:
        """Reads a request and its response; False if either was cut off."""
        started = self.up.next_ns
        head = self.up.take_through(b"\r\n\r\n")
        if head is None:
            return False
        target = re.match(rb"([A-Z]+) ([^ ?]+)[^ ]* HTTP/1\.1\r\n", head)
        if target is None:
            raise ValueError(f"{head[:40]!r} is not an HTTP request")
        exchange = self.begin("request", target[2].decode("latin-1"), started, self.up.last_ns)
        exchange.method = target[1].decode()
        exchange.sizes["up", "request_head"] = len(head)
        form = FORMATS.get(exchange.path, PLAIN)
        exchange.opening = form.opens and b"\r\nupgrade: websocket\r\n" in head.lower()
        body = self.up.take(_content_length(head))
        if body is None:
            return False
        form.sent(self, exchange, "up", body)
        return self.response(exchange, form)

    def response(self, exchange: Exchange, form: "Format") -> bool:
        """Reads the response to a request; False if it was cut off."""
        head = self.down.take_through(b"\r\n\r\n")
        if head is None:
            return False
        exchange.status = int(head[9:12])
        exchange.sizes["down", "response_head"] = len(head)
        exchange.ended_ns = self.down.last_ns
        if exchange.status == 101:
            self.frames(exchange.path, form, self.down, "down")
            self.frames(exchange.path, form, self.up, "up")
            return self.down.left == 0
        if b"\r\ntransfer-encoding: chunked\r\n" in head.lower():
            return form.chunked(self, exchange)
        body = self.down.take(_content_length(head))
        if body is None:
            return False
        exchange.ended_ns = self.down.last_ns
        form.body(self, exchange, body)
        return True

    def publication(self, exchange: Exchange, direction: Direction, body: bytes) -> None:
        exchange.sizes[direction, "publication"] += len(body)

    def control(self, exchange: Exchange, body: bytes) -> None:
        exchange.sizes["down", "control"] += len(body)

    def batch(self, exchange: Exchange, body: bytes) -> None:
        """A poll's response: messages, and what is around them."""
        if exchange.status != 200:
            return self.control(exchange, body)
        batch = read_batch(body)
        if batch.json.encode() != body:
            raise ValueError("a poll's response is JSON that is not this server's")
        payload = sum(len(message.json.encode()) for message in batch.messages)
        exchange.sizes["down", "payload"] += payload
        exchange.sizes["down", "poll_body"] += len(body) - payload
        exchange.messages += [(message.cursor, exchange.ended_ns) for message in batch.messages]
        return None

    def stream(self, request: Exchange) -> bool:
        """A response whose chunks are pushed, one by one (RFC 9112, section 7.1); False if the last never came."""
        while self.down.left:
            started, before = self.down.next_ns, self.down.position
            size_line = self.down.take_through(b"\r\n")
            chunk = None if size_line is None else self.down.take(int(size_line, 16))
            if size_line is None or chunk is None or self.down.take(2) is None:
                self.down.position = before
                return False
            exchange = self.begin("push", request.path, started, self.down.last_ns)
            exchange.sizes["down", "chunk"] = len(size_line) + 2
            self.events(exchange, chunk)
            if not chunk:
                return True
        return False

    def whole(self, exchange: Exchange) -> bool:
        """A response of Engine.IO: sent in chunks, but one body; False if it was cut off."""
        body, before = b"", self.down.position
        while (line := self.down.take_through(b"\r\n")) is not None:
            chunk, end = self.down.take(int(line, 16)), self.down.take(2)
            if chunk is None or end is None:
                break
            body += chunk
            exchange.ended_ns = self.down.last_ns
            exchange.sizes["down", "chunk"] += len(line) + 2
            if not chunk and (exchange.method == "POST" or exchange.status != 200):
                exchange.sizes["down", "control"] += len(body)  # `OK`, or why not
                return True
            if not chunk:
                self.packets(exchange, "down", body)
                return True
        self.down.position = before
        del exchange.sizes["down", "chunk"]
        return False

    def packets(self, exchange: Exchange, direction: Direction, body: bytes) -> None:
        """Packets of Engine.IO as they are polled and posted: several are joined by 0x1e (protocol 4, "payload")."""
        for packet in body.split(b"\x1e") if body else ():
            self.packet(exchange, direction, packet)
        exchange.sizes[direction, "engine_io"] += body.count(b"\x1e")

    def packet(self, exchange: Exchange, direction: Direction, packet: bytes) -> None:
        """The first digit says whose it is: 4 is Socket.IO's, all others are Engine.IO's (protocols 5 and 4)."""
        exchange.opening |= packet.startswith(OPENING)
        if packet[:1] != b"4":
            exchange.sizes[direction, "engine_io"] += len(packet)
            return
        event = re.fullmatch(rb'42\d*\["(?:message|publish)",(.*)\]', packet, re.DOTALL)
        acknowledged = re.fullmatch(rb'43\d*\[({"cursor".*)\]', packet, re.DOTALL)
        inside = (event or acknowledged or [b"", b""])[1]
        if inside:
            exchange.sizes[direction, "payload" if direction == "down" else "publication"] += len(inside)
        if event and direction == "down" and isinstance(update := read_update(inside), Message):
            exchange.messages.append((update.cursor, exchange.ended_ns))
        exchange.sizes[direction, "engine_io"] += 1
        exchange.sizes[direction, "socket_io"] += len(packet) - 1 - len(inside)

    def events(self, exchange: Exchange, chunk: bytes) -> None:
        for line in re.findall(rb"data: (.*)\n", chunk):
            if isinstance(update := read_update(line), Message):
                exchange.messages.append((update.cursor, exchange.ended_ns))
                exchange.sizes["down", "payload"] += len(line)
        rest = len(chunk) - exchange.sizes["down", "payload"]
        exchange.sizes["down", "sse_field" if exchange.messages else "control"] += rest

    def frames(self, path: str, form: "Format", side: _Side, direction: Direction) -> None:
        """RFC 6455, section 5.2."""
        while side.left:
            start = side.peek(10)
            masked, short = start[1] >> 7 if len(start) > 1 else 0, start[1] & 127 if len(start) > 1 else 0
            extended = {126: 2, 127: 8}.get(short, 0)
            size = int.from_bytes(start[2 : 2 + extended]) if extended else short
            header = 2 + extended + 4 * masked
            if side.left < header + size:
                return self.unfinished(side, direction, path)
            exchange = self.begin("push" if direction == "down" else "frame_up", path, side.next_ns, 0)
            mask = (side.take(header) or b"")[-4:]
            payload = side.take(size) or b""
            if masked:
                payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
            exchange.ended_ns = side.last_ns
            exchange.sizes[direction, "frame"] = header
            if start[0] & 15 == 1:  # text
                form.frame(self, exchange, direction, payload)
            else:
                exchange.sizes[direction, "control"] = size
        return None

    def text(self, exchange: Exchange, direction: Direction, payload: bytes) -> None:
        """The payload of a text frame: a message, a publication, or something else."""
        update = read_update(payload) if direction == "down" else None
        if isinstance(update, Message):
            exchange.messages.append((update.cursor, exchange.ended_ns))
        category = "publication" if direction == "up" else "payload" if exchange.messages else "control"
        exchange.sizes[direction, category] = len(payload)

    def begin(self, kind: Kind, path: str, started_ns: int, ended_ns: int) -> Exchange:
        exchange = Exchange(kind, path, started_ns, ended_ns)
        self.exchanges.append(exchange)
        return exchange

    def unfinished(self, side: _Side, direction: Direction, path: str) -> None:
        if side.left:
            exchange = self.begin("push" if direction == "down" else "request", path, side.next_ns, side.next_ns)
            exchange.sizes[direction, "unfinished"] = side.left
            side.take(side.left)


@dataclass(frozen=True)
class Format:
    """How the bytes on a path are read, each by a method of `_Reader`.

    `sent`: a request's body; `body`: a response's, if it has a length; `chunked`: a response without one;
    `frame`: the payload of a text frame. `opens`: an upgrade is one step of opening a session.
    """

    sent: Callable[[_Reader, Exchange, Direction, bytes], None] = _Reader.publication
    body: Callable[[_Reader, Exchange, bytes], None] = _Reader.control
    chunked: Callable[[_Reader, Exchange], bool] = _Reader.stream
    frame: Callable[[_Reader, Exchange, Direction, bytes], None] = _Reader.text
    opens: bool = False


PLAIN = Format()
"""Streams of server-sent events, WebSockets whose frames are messages, and publications."""

ENGINE_IO = Format(sent=_Reader.packets, chunked=_Reader.whole, frame=_Reader.packet, opens=True)

FORMATS = {variant.path: Format(body=_Reader.batch) for variant in VARIANTS.values() if variant.batches} | {
    "/socket.io/": ENGINE_IO
}
"""By path; PLAIN everywhere else."""


def _content_length(head: bytes) -> int:
    match = re.search(rb"\r\ncontent-length: *(\d+)\r\n", head, re.IGNORECASE)
    return int(match[1]) if match else 0
