"""Polls: requests for what is new after a cursor. The response comes at once, or when there is something.

A poll's way to its response is long: HTTP, middleware, a request object, a response object; and a held one has a task
that waits. Few go all this way; the others take the shortcut (app/shortcut.py) and are responded to here: with bytes
that are ready while nothing new comes, or, if they are held, all together, once per turn of the event loop. The
responses are the same to the byte. Only a client that sends more while its poll is held gets its response at once here,
and by the long way when the hold ends.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.disconnect import cancel_on_disconnect
from app.fanout import tap_of
from app.link import Tap
from app.log import MessageLog
from app.message import BadInput, Batch, Cursor

READY_MAX = 64
READY_MAX_BYTES = 16_384
"""How many responses are kept ready, and how large they may be."""


class Hold(NamedTuple):
    """There is nothing after this cursor: hold the request until there is, or for so long."""

    cursor: Cursor
    seconds: float


Read = Callable[[bytes], Batch | Hold]
"""What a request's query asks for; raises BadInput."""


def poll_route(path: str, log: MessageLog, read: Read) -> Route:
    """The route of a poll of `log`."""
    return Route(path, Poll(log, read), methods=["GET"])


class Poll:
    """An ASGI application that responds to each request with what `read` makes of its query."""

    def __init__(self, log: MessageLog, read: Read) -> None:
        self._log = log
        self._read = read
        self._ready: dict[bytes, bytes] = {}
        self._ready_with: object = None
        self._held: dict[Tap, tuple[Cursor, asyncio.TimerHandle]] = {}
        self._flush_is_due = False
        log.subscribe(self._on_news)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The long way, through uvicorn."""
        found = self._read(scope["query_string"])
        if tap := tap_of(scope):
            tap.link.shortcut.learn(scope["raw_path"], scope["headers"], self)
        if isinstance(found, Hold):
            otherwise = Batch((), found.cursor)
            found = await cancel_on_disconnect(scope, receive, self._log.wait_after(*found), otherwise)
        body = found.json.encode()
        await send({"type": "http.response.start", "status": 200, "headers": headers(body)})
        await send({"type": "http.response.body", "body": body})

    def respond(self, tap: Tap, query: bytes) -> bool:
        """The shortcut; False leaves the request to uvicorn."""
        if self._ready_with is not tap.server_state.default_headers:  # they have a new Date
            self._ready_with = tap.server_state.default_headers
            self._ready.clear()
        response = self._ready.get(query)
        if not response:
            try:
                found = self._read(query)
            except BadInput:
                return False
            if isinstance(found, Hold) and found.seconds and not self._log.closed:
                self._hold(tap, found)
                return True
            response = encoded(tap, found if isinstance(found, Batch) else self._log.after(found.cursor))
            if len(query) + len(response) <= READY_MAX_BYTES and len(self._ready) < READY_MAX:
                self._ready[query] = response
        tap.writer.write(response)
        return True

    def _hold(self, tap: Tap, hold: Hold) -> None:
        timer = asyncio.get_running_loop().call_later(hold.seconds, self._end, tap)
        self._held[tap] = hold.cursor, timer
        tap.on_lost = self._let_go
        tap.on_more = self._end  # a client that sends its next request need not wait for this response

    def _let_go(self, tap: Tap) -> Cursor:
        cursor, timer = self._held.pop(tap)
        timer.cancel()
        tap.on_lost = tap.on_more = None
        return cursor

    def _end(self, tap: Tap) -> None:
        tap.writer.write(encoded(tap, self._log.after(self._let_go(tap))))

    def _on_news(self) -> None:
        self._ready.clear()
        if self._log.closed:
            self._flush()
        elif self._held and not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Respond to all held requests that there is something for."""
        self._flush_is_due = False
        responses: dict[Cursor, bytes] = {}
        for tap, (cursor, _) in list(self._held.items()):
            if cursor not in responses:
                batch = self._log.after(cursor)
                responses[cursor] = encoded(tap, batch) if batch.updates or self._log.closed else b""
            if response := responses[cursor]:  # none for who was held after the news, in the same turn
                self._let_go(tap)
                tap.writer.write(response)


def headers(body: bytes) -> list[tuple[bytes, bytes]]:
    length = b"%d" % len(body)
    # no-store: a cached response would be out of date.
    return [(b"cache-control", b"no-store"), (b"content-length", length), (b"content-type", b"application/json")]


def encoded(tap: Tap, batch: Batch) -> bytes:
    """A response as uvicorn writes it."""
    body = batch.json.encode()
    lines = [*tap.server_state.default_headers, *headers(body)]
    return b"HTTP/1.1 200 OK\r\n" + b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n" + body
