"""Polling, short and long: they differ in the path and in the pause."""

import asyncio
from collections.abc import AsyncIterator

from app.message import Cursor, Update, read_batch
from clients.raw.request import Request


async def polls(request: Request, cursor: str | None, pause_s: float) -> AsyncIterator[Update | Cursor]:
    """The news of every answer, and then the cursor that it ends at."""
    while True:
        batch = read_batch(await request.body(await request.get(cursor)))
        for update in (*batch.updates, batch.cursor):
            yield update
        cursor = str(batch.cursor)
        await asyncio.sleep(pause_s)
