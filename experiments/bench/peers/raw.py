"""As little as Python can do: asyncio on uvloop, with WebSocket frames and SSE chunks written by hand.

With --joined, the messages of a tick are joined into one write per reader.
"""

import asyncio
import base64
import hashlib
import re
import struct
import sys
from typing import Any

import uvloop

from experiments.bench.peers.control import Messages, listener, obey

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
CLOSE = 0x88
KEY = re.compile(rb"\r\nsec-websocket-key: *([^\r]+)\r\n", re.IGNORECASE)


def frame(payload: bytes) -> bytes:
    """A text frame (RFC 6455, section 5.2) of less than 64 KiB."""
    size = len(payload)
    return (bytes([0x81, size]) if size < 126 else struct.pack("!BBH", 0x81, 126, size)) + payload


def chunk(data: bytes) -> bytes:
    """A chunk of a response that does not end (RFC 9112, section 7.1)."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def accepted(key: bytes) -> bytes:
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept
    )


class Reader(asyncio.Protocol):
    """A connection: its first bytes are a request, and decide what it is sent."""

    def __init__(self, sockets: set[Any], streams: set[Any]) -> None:
        self.sockets, self.streams = sockets, streams

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        if key := KEY.search(data):
            self.transport.write(accepted(key[1]))
            self.sockets.add(self.transport)
        elif data.startswith(b"GET "):
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            self.streams.add(self.transport)
        elif data[0] == CLOSE:  # a reader's frame; it sends no others
            self.transport.write(bytes([CLOSE, 0]))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.sockets.discard(self.transport)
        self.streams.discard(self.transport)


async def main(text: str, joined: bool) -> None:
    messages, listening = Messages(text), listener()
    sockets, streams = set[Any](), set[Any]()

    async def publish(count: int) -> None:
        per_write = count if joined else 1
        for _ in range(0, count, per_write):
            framed = streamed = b""
            for _ in range(per_write):
                message = messages.next_json().encode()
                framed += frame(message)
                streamed += chunk(b"id: %s\ndata: %s\n\n" % (messages.cursor.encode(), message))
            for transport in sockets:
                transport.write(framed)
            for transport in streams:
                transport.write(streamed)

    await asyncio.get_running_loop().create_server(lambda: Reader(sockets, streams), sock=listening)
    await obey(publish, listening.getsockname()[1])


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], "--joined" in sys.argv[2:]))
