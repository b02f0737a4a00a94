"""HTTP streaming with server-sent events: one request, and a response that never ends (WHATWG HTML, section 9.2).

    browser                                       server
       |                                             |
       |-- GET /sse -------------------------------->|
       |<- 200 content-type: text/event-stream ------|
       |<- retry: 1000 / id: 7f3a90c2-4 -------------|    when to reconnect, and the cursor
       |                                             *    message 5 is published
       |<- id: 7f3a90c2-5 / data: {...} -------------|    at once, as a few more bytes of the same response
       |<- : ----------------------------------------|    a comment as a heartbeat when nothing happens
       |                                             |
       X  the connection is lost                     *    message 6 is published
       |                                             |
       |-- GET /sse   Last-Event-ID: 7f3a90c2-5 ---->|    EventSource reconnects by itself ...
       |<- id: 7f3a90c2-6 / data: {...} -------------|    ... and has missed nothing

The browser remembers an `id` even if no `data` follows it: so it has a cursor before the first message. The
heartbeat lets both sides notice a dead connection, and keeps proxies from closing a silent one.
"""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from app.fanout import Hub
from app.framing import chunk
from app.log import MessageLog
from app.message import Batch, Cursor
from app.query import parameters
from app.streaming import StreamedResponse

PATH = "/sse"
RETRY_MS = 1_000
HEARTBEAT_S = 15.0


def routes(log: MessageLog) -> list[BaseRoute]:
    hub = Hub(log, lambda batch: chunk(events(batch).encode()), HEARTBEAT_S)

    async def sse(request: Request) -> StreamedResponse:
        given = parameters(request.query_params, "after")
        cursor = log.resolve_cursor(request.headers.get("last-event-id", given.get("after")))
        return StreamedResponse(stream(log, hub, cursor, request), "text/event-stream")

    return [Route(PATH, sse)]


async def stream(log: MessageLog, hub: Hub, cursor: Cursor, request: Request) -> AsyncIterator[str]:
    retry = f"retry: {RETRY_MS}\n"
    if log.honours(cursor):
        yield f"{retry}id: {cursor}\n\n"
        retry = ""
    async for batch in hub.follow(cursor, request.scope):  # once it has read all, the hub writes
        yield retry + events(batch)
        retry = ""


def events(batch: Batch) -> str:
    missed = f"event: missed\nid: {batch.missed.cursor}\ndata: {batch.missed.json}\n\n" if batch.missed else ""
    return missed + "".join(f"id: {m.cursor}\ndata: {m.json}\n\n" for m in batch.messages) or ":\n\n"
