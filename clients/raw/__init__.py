"""The four clients without a protocol of their own, over plain asyncio streams: the least that can be done to receive.

A request costs httpx a few milliseconds of CPU, and this a few tenths of one. Use it where a library's cost would
drown what is measured. `headers(transport, host)` says whom it imitates (see `clients.headers`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

from app.message import Cursor, News
from clients.backoff import Backoff
from clients.headers import library
from clients.raw.events import events
from clients.raw.frames import frames
from clients.raw.polls import polls
from clients.raw.request import Request


async def receive(
    transport: str,
    url: str,
    after: str | None = None,
    pause_s: float = 0.0,
    headers: Callable[[str, str], str] = library,
) -> AsyncIterator[News]:
    """News for ever over `transport`; `pause_s` seconds pass between a poll's answer and the next question."""
    cursor, backoff, server = after, Backoff(), urlsplit(url)
    while True:
        try:
            reader, writer = await asyncio.open_connection(server.hostname, server.port)
            try:
                request = Request(reader, writer, transport, headers(transport, server.netloc))
                if transport == "sse":
                    talk = events(request, cursor)
                elif transport == "websocket":
                    talk = frames(request, cursor)
                else:
                    talk = polls(request, cursor, pause_s)
                async for news in talk:
                    cursor = str(news if isinstance(news, Cursor) else news.cursor)
                    backoff.reset()
                    if not isinstance(news, Cursor):
                        yield news
            finally:
                writer.close()
        except (OSError, asyncio.IncompleteReadError):
            pass
        await backoff.wait()  # the connection is lost: come back, with the cursor
