"""What a reader says until it has become one: per transport, the bytes to send and what to wait for before the next;
and what it says to remain one.

All servers here have the same paths. A WebSocket's accept key is not checked: what comes after it is.
"""

import re
from typing import Literal, NamedTuple

Transport = Literal["short_poll", "long_poll", "sse", "websocket", "socket_io"]

HOLD_S = 60
END_OF_BATCH = b'"}'
"""Ends the response to a poll, and nothing before: a batch ends with its cursor, a message with a number."""

END_OF_HEAD = b"\r\n\r\n"


class Step(NamedTuple):
    """Send this, and wait until all of that has come, in this order."""

    send: bytes
    until: tuple[bytes, ...]


def get(target: str, headers: str = "") -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode()


def upgrade(target: str) -> bytes:
    key = "dGhlIHNhbXBsZSBub25jZQ=="  # the one of RFC 6455, section 1.3
    return get(
        target,
        f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n",
    )


TEXT, PONG = 0x81, 0x8A
"""The first byte of a frame that is whole (RFC 6455, section 5.2)."""


def masked(payload: bytes, first: int = TEXT) -> bytes:
    """A client's frame of at most 125 bytes; a mask of zeros is a mask (RFC 6455, section 5.3)."""
    return bytes([first, 0x80 | len(payload), 0, 0, 0, 0]) + payload


# A session says where it reads from: a bare one would be sent each message twice.
PACKET = masked(b'40{"after":null}')


# Wherever they stand: messages are ASCII, and only the length of a longer frame may have a byte like a ping's.
PINGS = re.compile(rb"(?<!\x81\x7e.)\x89([\x00-\x7d])|\x81\x01(2)", re.DOTALL)


def pongs(data: bytes) -> bytes:
    """The replies to all pings in `data`: WebSocket's, and Engine.IO's, which are texts of `2`."""
    replies = b""
    for ping in PINGS.finditer(data):
        replies += masked(b"3") if ping[2] else masked(data[ping.end() : ping.end() + ping[1][0]], PONG)
    return replies


def steps(transport: Transport, has_cursors: bool) -> list[Step]:
    """How a reader begins; a server that has cursors tells each new reader its own."""
    if transport == "websocket":
        return [Step(upgrade("/websocket"), (END_OF_HEAD, *([b'"cursor"'] if has_cursors else [])))]
    if transport == "sse":
        return [Step(get("/sse"), (END_OF_HEAD, *([b"id: "] if has_cursors else [])))]
    if transport == "socket_io":
        ready = (b'40{"sid"', *([b'"cursor"'] if has_cursors else []))
        return [Step(upgrade("/socket.io/?EIO=4&transport=websocket"), (b'0{"sid"', b"}")), Step(PACKET, ready)]
    first = "/long-poll?hold=0" if transport == "long_poll" else "/short-poll"
    return [Step(get(first), (END_OF_HEAD, END_OF_BATCH))]


def visit(number: int) -> bytes:
    """A poll like no other before it."""
    return get("/short-poll", f"X-Visit: {number}\r\n")


def next_poll(transport: Transport, cursor: bytes) -> bytes:
    """The request after a response that ended with `cursor`."""
    path = f"/long-poll?hold={HOLD_S}&after=" if transport == "long_poll" else "/short-poll?after="
    return get(path + cursor.decode())
