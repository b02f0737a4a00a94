"""How bytes are put on the wire by those who write without uvicorn: whole frames, exactly as uvicorn would write them.

Nothing here does I/O.
"""

import json
from collections.abc import Iterator

from app.message import Batch, dumps


def text_frames(batch: Batch) -> bytes:
    """Each of the batch's updates as a WebSocket's message."""
    return b"".join(text_frame(update.json.encode()) for update in batch.updates)


def message_frames(bare: bool, batch: Batch) -> bytes:
    """Each of the batch's events of Socket.IO in a message of Engine.IO, which begins with a 4, in one of WebSocket."""
    return b"".join(text_frame(b"4" + event.encode()) for event in socket_io_events(bare, batch))


def socket_io_events(bare: bool, batch: Batch) -> Iterator[str]:
    """The batch as packets of Socket.IO, 2["NAME",DATA]; a bare client gets each message as a plain text, too."""
    if batch.missed:
        yield f'2["missed",{dumps(batch.missed.fields)}]'
    for m in batch.messages:
        yield f'2["message",{m.json}]'
        if bare:
            yield f"2{json.dumps(['to-client', f'{m.name}: {m.text}' if m.name else m.text], separators=(',', ':'))}"


def text_frame(text: bytes) -> bytes:
    """A WebSocket's message as one frame: text, from a server, so not masked (RFC 6455, section 5.2)."""
    size = len(text)
    if size < 126:
        return bytes((0x81, size)) + text
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2) + text
    return b"\x81\x7f" + size.to_bytes(8) + text


def chunk(data: bytes) -> bytes:
    """A piece of a response whose length is not known in advance (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)
