"""WebSocket frames, as far as a reader of text needs them (RFC 6455, section 5)."""

import os
from collections.abc import AsyncIterator

from app.message import Cursor, Update, read_update
from clients.raw.request import Connect, Request

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
POLICY_VIOLATION = 1008


async def frames(connect: Connect, cursor: str | None, *_: object) -> AsyncIterator[Update | Cursor]:
    """Every text frame is an update or a cursor; ends when the server closes; raises ValueError if it refuses."""
    request = await connect("websocket", None)
    await request.get(cursor)
    async for text in texts(request):
        yield read_update(text)


async def texts(request: Request) -> AsyncIterator[bytes]:
    """The text frames of an upgraded connection; pings are answered."""
    reader = request.reader
    while True:
        first, size = await reader.readexactly(2)  # a server's frames have no mask
        if size > 125:
            size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8))
        payload = await reader.readexactly(size)
        opcode = first & 0x0F
        if opcode == TEXT:
            yield payload
        elif opcode == PING:
            request.writer.write(masked(PONG, payload))
        elif opcode == CLOSE:
            request.writer.write(masked(CLOSE, payload))
            if int.from_bytes(payload[:2]) == POLICY_VIOLATION:
                raise ValueError(f"{POLICY_VIOLATION}: {payload[2:].decode()}")
            return


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame; `payload` has at most 125 bytes."""
    mask = os.urandom(4)
    hidden = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + hidden
