"""Server-sent events: lines, in chunks (RFC 9112, section 7.1; WHATWG HTML, section 9.2)."""

from collections.abc import AsyncIterator

from app.message import Cursor, Update, read_update
from clients.raw.request import Connect


async def events(connect: Connect, cursor: str | None, *_: object) -> AsyncIterator[Update | Cursor]:
    """Every `data` is an update, every `id` a cursor; ends when the server ends the stream."""
    request = await connect("sse", None)
    await request.get(cursor)
    unread, position = b"", None
    while size := int(await request.reader.readuntil(b"\r\n"), 16):
        unread += (await request.reader.readexactly(size + 2))[:-2]
        *lines, unread = unread.split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                yield read_update(line[6:])
            elif line.startswith(b"id: "):
                position = Cursor.parse(line[4:].decode())
            elif not line and position:  # an empty line ends an event; only now its id counts
                yield position
