"""Short polling with httpx: send a request, take what there is, pause, repeat."""

import asyncio
from collections.abc import AsyncIterator

import httpx

from app.message import Update, read_batch
from clients.backoff import Backoff
from clients.http import after_param, connection, refused


async def receive(url: str, after: str | None = None, pause_s: float = 1.0) -> AsyncIterator[Update]:
    """Updates, endlessly; `pause_s` seconds pass between a response and the next request."""
    cursor, backoff = after, Backoff()
    async with connection(url, silence_s=10) as http:
        while True:
            try:
                response = await http.get("/short-poll", params=after_param(cursor))
                refused(response)
            except httpx.TransportError:  # the connection is lost: reconnect, with the same cursor
                await backoff.wait()
                continue
            batch = read_batch(response.content)
            for update in batch.updates:
                yield update
            cursor = str(batch.cursor)
            backoff.reset()
            await asyncio.sleep(pause_s)
