"""How bytes are put on the wire by those who write without uvicorn: whole frames, exactly as uvicorn would write them.

Nothing here does I/O.
"""

from app.message import Batch


def text_frames(batch: Batch) -> bytes:
    """Each of the batch's updates as a WebSocket's message."""
    return b"".join(text_frame(update.json.encode()) for update in batch.updates)


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
