"""The clients once more, without a library, over plain asyncio streams: the least that can be done to receive.

A request costs httpx a few milliseconds of CPU, and this a few tenths of one. Use it where a library's cost would
drown what is measured. `headers(transport, host)` says whom it imitates (see `clients.headers`).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from urllib.parse import urlsplit

from app.message import Cursor, Update
from clients.backoff import Backoff
from clients.headers import library
from clients.raw.events import events
from clients.raw.frames import frames
from clients.raw.packets import packets
from clients.raw.polls import polls
from clients.raw.request import Request


async def receive(
    transport: str,
    url: str,
    after: str | None = None,
    pause_s: float = 0.0,
    headers: Callable[[str, str], str] = library,
    via: str = "upgrade",
) -> AsyncIterator[Update]:
    """News for ever over `transport`; `pause_s` seconds pass between a poll's answer and the next question.

    `via` is Socket.IO's way: `upgrade`, `websocket` or `polling`.
    """
    cursor, backoff, server = after, Backoff(), urlsplit(url)
    while True:
        opened: list[asyncio.StreamWriter] = []

        async def connect(
            kind: str, over: Request | None = None, opened: list[asyncio.StreamWriter] = opened
        ) -> Request:
            if over:
                return replace(over, headers=headers(kind, server.netloc))
            reader, writer = await asyncio.open_connection(server.hostname, server.port)
            opened.append(writer)
            return Request(reader, writer, transport, headers(kind, server.netloc))

        try:
            if transport == "socket_io":
                talk = packets(connect, cursor, via)
            elif transport == "sse":
                talk = events(await connect(transport), cursor)
            elif transport == "websocket":
                talk = frames(await connect(transport), cursor)
            else:
                talk = polls(await connect(transport), cursor, pause_s)
            async with contextlib.aclosing(talk):  # type: ignore[type-var]
                async for update in talk:
                    if not isinstance(update, Cursor):
                        yield update
                    cursor = str(update if isinstance(update, Cursor) else update.cursor)
                    backoff.reset()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for writer in opened:
                writer.close()
        await backoff.wait()  # the connection is lost: come back, with the cursor
