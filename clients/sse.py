"""Server-sent events with httpx: what a browser's EventSource does (WHATWG HTML, section 9.2.6), in a page of code."""

from collections.abc import AsyncIterator

import httpx

from app.message import Cursor, Update, read_update
from clients.backoff import Backoff
from clients.http import after_param, connection, refused


async def receive(url: str, after: str | None = None) -> AsyncIterator[Update]:
    """News for ever, from one answer that never ends."""
    last_id, backoff = "", Backoff()
    async with connection(url, silence_s=45) as http:  # three heartbeats missed: the connection is dead
        while True:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
            try:
                async with http.stream("GET", "/sse", params=after_param(after), headers=headers) as response:
                    if response.status_code != 200:
                        await response.aread()
                    refused(response)
                    new_id, data = last_id, ""
                    async for line in lines(response):
                        field, _, value = line.partition(": ")
                        if field == "id":
                            new_id = value
                        elif field == "data":
                            data = value
                        elif not line:  # an empty line ends an event
                            if data and not isinstance(update := read_update(data), Cursor):
                                yield update
                            last_id, data = new_id, ""  # only now: what was missed has been handed over
                            backoff.reset()
            except httpx.TransportError:
                pass
            await backoff.wait()  # the stream has ended or is lost: come back, with the last id


async def lines(response: httpx.Response) -> AsyncIterator[str]:
    """The stream's lines. httpx's `aiter_lines` ends them at U+2028 and its like too, which may stand in a message."""
    unread = ""
    async for text in response.aiter_text():
        *whole, unread = (unread + text).split("\n")
        for line in whole:
            yield line
