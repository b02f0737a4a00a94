"""What a piece of bytes tells a reader of a crowd: which messages, and what to reply. Pure.

All readers of a transport are sent the same bytes. So a piece is decoded once and remembered, and for every other
reader it costs one look into a dictionary.

Each decoder is given all bytes that are not yet decoded and takes whole frames, chunks or responses from their
beginning; `used` says how many bytes these are. What is left is the beginning of the next piece.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from app.message import Cursor, Message, Missed, Update, read_batch, read_update
from clients.raw.frames import CLOSE, PING, PONG, TEXT
from clients.raw.packets import parse_packet

REMEMBERED = 512
"""Pieces: a few messages, whole and in parts."""


@dataclass
class Decoded:
    """What was in the first `used` bytes.

    `messages`: sequence numbers, in the order in which they came. `cursor`: where the reader is now, if it was told.
    `missed`: for each time that it was told of missed messages, where it continues. `responses`: to polls.
    `replies`: frames to send back, opcode and payload. `connects`: it is Socket.IO's turn to connect.
    """

    used: int = 0
    messages: list[int] = field(default_factory=list)
    cursor: str = ""
    missed: list[int] = field(default_factory=list)
    responses: int = 0
    replies: list[tuple[int, bytes]] = field(default_factory=list)
    connects: bool = False

    def add(self, update: Update | Cursor | None) -> None:
        if isinstance(update, Message):
            self.messages.append(update.cursor.seq)
        if isinstance(update, Missed):
            self.missed.append(update.cursor.seq)
        if update is not None:
            self.cursor = str(update if isinstance(update, Cursor) else update.cursor)


class Refused(Exception):
    """The server does not accept this reader; the text says why."""


def head(data: bytes) -> int:
    """The length of a response's head that accepts a request, 0 if it is not all there; raises Refused."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return 0
    if data[9:12] not in (b"101", b"200"):
        raise Refused(data.decode("latin-1")[9:300])
    return end + 4


@lru_cache(REMEMBERED)
def polled(data: bytes) -> Decoded:
    """Responses to polls: a head and a batch of messages."""
    found = Decoded()
    while length := head(data[found.used :]):
        begin = found.used + length
        size = re.search(rb"\r\ncontent-length: *(\d+)", data[found.used : begin], re.IGNORECASE)
        if size is None:
            raise Refused("a poll's response that does not say how long it is")
        if len(data) < (end := begin + int(size[1])):
            break
        batch = read_batch(data[begin:end])
        for update in (*batch.updates, batch.cursor):
            found.add(update)
        found.responses += 1
        found.used = end
    return found


@lru_cache(REMEMBERED)
def chunks(data: bytes) -> Decoded:
    """Events in the chunks of a response that does not end; a chunk is taken once its last event is whole."""
    found, events, at = Decoded(), b"", 0
    while (end := data.find(b"\r\n", at)) >= 0:
        begin = end + 2
        size = int(data[at:end], 16)
        if not size:
            raise ConnectionError("the server has ended the stream")
        if len(data) < (at := begin + size + 2):
            break
        events += data[begin : begin + size]
        if events.endswith(b"\n\n"):
            for name, value in re.findall(rb"^(id|data): (.*)\n", events, re.MULTILINE):
                found.add(read_update(value) if name == b"data" else Cursor.parse(value.decode()))
            events, found.used = b"", at
    return found


def frames(data: bytes, read: Callable[[Decoded, bytes], None]) -> Decoded:
    """Frames of a WebSocket (RFC 6455, section 5.2); `read` reads the payload of a text frame."""
    found = Decoded()
    while len(data) >= found.used + 2:
        opcode, size, begin = data[found.used] & 15, data[found.used + 1], found.used + 2
        if size > 125:
            begin += (extended := 2 if size == 126 else 8)
            size = int.from_bytes(data[begin - extended : begin])
        if len(data) < (end := begin + size):
            break
        if opcode == TEXT:
            read(found, data[begin:end])
        elif opcode == PING:
            found.replies.append((PONG, data[begin:end]))
        elif opcode == CLOSE:
            raise Refused(f"closed: {data[begin + 2 : end].decode()}")
        found.used = end
    return found


@lru_cache(REMEMBERED)
def framed(data: bytes) -> Decoded:
    """Messages in frames."""
    return frames(data, lambda found, payload: found.add(read_update(payload)))


@lru_cache(REMEMBERED)
def packed(data: bytes) -> Decoded:
    """Packets of Engine.IO and Socket.IO in frames."""
    return frames(data, packet)


def packet(found: Decoded, payload: bytes) -> None:
    if payload == b"2":
        found.replies.append((TEXT, b"3"))
    elif payload.startswith(b"0"):
        found.connects = True
    else:
        found.add(parse_packet(payload.decode()))


def connect_packet(after: str) -> bytes:
    """What opens a session of Socket.IO."""
    return b"40" + json.dumps({"after": after}, separators=(",", ":")).encode()


DECODERS: dict[str, Callable[[bytes], Decoded]] = {
    "short_poll": polled,
    "long_poll": polled,
    "sse": chunks,
    "websocket": framed,
    "socket_io": packed,
}
