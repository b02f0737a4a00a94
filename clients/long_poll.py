"""Long polling with httpx: send a request, wait for its response as long as it takes, send the next one at once."""

from collections.abc import AsyncIterator

import httpx

from app.message import Update, read_batch
from clients.backoff import Backoff
from clients.http import after_param, connection, refused


async def receive(url: str, after: str | None = None, hold_s: float | None = None) -> AsyncIterator[Update]:
    """Updates, endlessly; the server may hold a request for `hold_s` seconds (None: for as long as it likes)."""
    cursor, backoff = after, Backoff()
    usual = {} if hold_s is None else {"hold": f"{hold_s:g}"}
    async with connection(url, silence_s=70) as http:  # a server holds for 60 s at most
        while True:
            # The first request without a cursor only asks for one: a held one that is lost would leave no cursor.
            hold = usual if cursor else {"hold": "0"}
            try:
                response = await http.get("/long-poll", params={**after_param(cursor), **hold})
                refused(response)
            except httpx.TransportError:  # the connection is lost: reconnect, with the same cursor
                await backoff.wait()
                continue
            batch = read_batch(response.content)
            for update in batch.updates:
                yield update
            cursor = str(batch.cursor)
            backoff.reset()
