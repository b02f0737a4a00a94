"""The clients again, without a library, on plain asyncio streams: the least that a client can do.

A request costs httpx a few milliseconds of CPU, and this a few tenths of one. Use it where a library's cost would
hide what is measured. `headers(transport, host)` says which client it imitates (see `clients.headers`).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from app.message import Cursor, Update
from clients.backoff import Backoff
from clients.headers import library
from clients.raw.events import events
from clients.raw.frames import frames
from clients.raw.packets import packets
from clients.raw.polls import polls
from clients.raw.request import Connect, Request

UPDATES: dict[str, Callable[[Connect, str | None, float, str], AsyncIterator[Update | Cursor]]] = {
    "short_poll": partial(polls, "short_poll"),
    "long_poll": partial(polls, "long_poll"),
    "sse": events,
    "websocket": frames,
    "socket_io": packets,
}
"""Each transport's updates until a connection is lost: (connect, cursor, pause_s, via)."""


async def receive(
    transport: str,
    url: str,
    after: str | None = None,
    pause_s: float = 0.0,
    headers: Callable[[str, str], str] = library,
    via: str = "upgrade",
) -> AsyncIterator[Update]:
    """Updates over `transport`, endlessly; `pause_s` seconds pass between a poll's response and the next request.

    `via` is how Socket.IO goes: `upgrade`, `websocket` or `polling`.
    """
    cursor, backoff, server = after, Backoff(), urlsplit(url)
    while True:
        opened: list[asyncio.StreamWriter] = []

        async def connect(kind: str, over: Request | None, opened: list[asyncio.StreamWriter] = opened) -> Request:
            if over:
                return replace(over, headers=headers(kind, server.netloc))
            reader, writer = await asyncio.open_connection(server.hostname, server.port)
            opened.append(writer)
            return Request(reader, writer, transport, headers(kind, server.netloc))

        try:
            updates = UPDATES[transport](connect, cursor, pause_s, via)
            async with contextlib.aclosing(updates):  # type: ignore[type-var]
                async for update in updates:
                    if not isinstance(update, Cursor):
                        yield update
                    cursor = str(update if isinstance(update, Cursor) else update.cursor)
                    backoff.reset()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for writer in opened:
                writer.close()
        await backoff.wait()  # the connection is lost: reconnect, with the cursor
