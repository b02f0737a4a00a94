"""HTTP streaming with server-sent events: one request, and an answer that never ends (WHATWG HTML, section 9.2).

    browser                                       server
       |                                             |
       |-- GET /sse -------------------------------->|
       |<- 200 content-type: text/event-stream ------|
       |<- retry: 1000 / id: 7f3a90c2-4 -------------|    how to come back, and where we stand
       |                                             *    message 5 is published
       |<- id: 7f3a90c2-5 / data: {...} -------------|    at once, as a few more bytes of the same answer
       |<- : ----------------------------------------|    a comment as a heartbeat when nothing happens
       |                                             |
       X  the connection is lost                     *    message 6 is published
       |                                             |
       |-- GET /sse   Last-Event-ID: 7f3a90c2-5 ---->|    EventSource comes back by itself ...
       |<- id: 7f3a90c2-6 / data: {...} -------------|    ... and has missed nothing

An `id` is remembered by the browser even if no `data` follows it; that is how it learns its place before the
first message. The heartbeat lets both sides notice a dead connection and keeps proxies from closing a silent one.
"""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from app.log import MessageLog
from app.message import Batch, Cursor, Missed
from app.query import parameters

PATH = "/sse"
RETRY_MS = 1_000
HEARTBEAT_S = 15.0


def routes(log: MessageLog) -> list[BaseRoute]:
    async def sse(request: Request) -> Response:
        asked = parameters(request.query_params, "after")
        cursor = log.resolve_cursor(request.headers.get("last-event-id", asked.get("after")))
        # StreamingResponse listens for the client's hanging up while it waits.
        return StreamingResponse(
            stream(log, cursor), media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    return [Route(PATH, sse)]


async def stream(log: MessageLog, cursor: Cursor) -> AsyncIterator[str]:
    start, missed = log.resume_from(cursor)
    yield f"retry: {RETRY_MS}\n" + (missed_event(missed) if missed else f"id: {start}\n\n")
    async for batch in log.follow(start, idle_s=HEARTBEAT_S):
        yield events(batch) or ":\n\n"


def events(batch: Batch) -> str:
    missed = missed_event(batch.missed) if batch.missed else ""
    return missed + "".join(f"id: {m.cursor}\ndata: {m.json}\n\n" for m in batch.messages)


def missed_event(missed: Missed) -> str:
    return f"event: missed\nid: {missed.cursor}\ndata: {missed.json}\n\n"
