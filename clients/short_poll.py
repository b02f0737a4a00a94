"""Short polling with httpx: ask, take what there is, pause, ask again."""

import asyncio
from collections.abc import AsyncIterator

import httpx

from app.message import Update, read_batch
from clients.backoff import Backoff
from clients.http import after_param, connection, refused


async def receive(url: str, after: str | None = None, pause_s: float = 1.0) -> AsyncIterator[Update]:
    """News for ever; `pause_s` seconds pass between an answer and the next question."""
    cursor, backoff = after, Backoff()
    async with connection(url, silence_s=10) as http:
        while True:
            try:
                response = await http.get("/short-poll", params=after_param(cursor))
                refused(response)
            except httpx.TransportError:  # the connection is lost: come back, with the same cursor
                await backoff.wait()
                continue
            batch = read_batch(response.content)
            for update in batch.updates:
                yield update
            cursor = str(batch.cursor)
            backoff.reset()
            await asyncio.sleep(pause_s)
