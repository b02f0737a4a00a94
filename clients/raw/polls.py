"""Polling, short and long: they differ in the path and in the pause."""

import asyncio
from collections.abc import AsyncIterator

from app.message import Cursor, Update, read_batch
from clients.raw.request import Connect


async def polls(
    transport: str, connect: Connect, cursor: str | None, pause_s: float, *_: object
) -> AsyncIterator[Update | Cursor]:
    """The updates in every response, and then the cursor after them."""
    request = await connect(transport, None)
    while True:
        batch = read_batch(await request.body(await request.get(cursor)))
        for update in (*batch.updates, batch.cursor):
            yield update
        cursor = str(batch.cursor)
        await asyncio.sleep(pause_s)
