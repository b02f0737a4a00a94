"""Engine.IO, the layer below Socket.IO: a session that is first polled and then, where it can be, a WebSocket.

python-engineio does that work. What is added here makes it live beside the other transports: it hears at once that
the client of a held question has gone, it answers the question that is still held when a client says goodbye, it goes
on polling when an upgrade comes to nothing, it bounds what it keeps, and it ends with its log. Its sessions
(`sockets`) and their queues have public names, but are not in its documentation.
"""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

from engineio import async_socket
from engineio.async_socket import AsyncSocket
from engineio.packet import NOOP, Packet
from engineio.payload import Payload
from socketio import AsyncServer
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from app.disconnect import cancel_on_disconnect
from app.log import MessageLog
from app.message import BadInput
from app.publishing import BODY_MAX_BYTES, small_body
from app.query import parameters

TYPES = tuple("0123456")  # the first character of a packet
OWN_PARAMETERS = ("EIO", "transport", "sid", "t", "b64")
PING_INTERVAL_S = 25
PING_TIMEOUT_S = 20
"""How often the server asks whether the client is there, and how long it waits for the answer."""

DEAF_S = PING_INTERVAL_S + PING_TIMEOUT_S
"""How long a client may post, heartbeats at least, without polling."""

QUEUE_MAX = 32
"""How many packets may wait for a client before more are taken from the log."""

ANSWERS_MAX = 4_096
"""How many packets may wait for a client that goes on asking; more than any batch of the log and its echoes."""

SESSIONS_MAX = 1_000
"""One that is polled lives on for `PING_INTERVAL_S` and `PING_TIMEOUT_S` when its client has gone without a word."""

FULL = f"{SESSIONS_MAX} sessions of Socket.IO are open, and there can't be more: try again in a minute"

UPGRADE_S = 10.0
"""How long a probe may take. Until it is over, polls are answered with nothing."""


class Posted(Payload):  # type: ignore[misc]  # the library has no types
    """What a POST brings: its size is limited already. The library would take 16 packets and drop the rest."""

    max_decode_packets = BODY_MAX_BYTES


async_socket.payload = SimpleNamespace(Payload=Posted)  # the server's side alone; clients/engine_io.py has the other

# What it reports as errors are the clients' mistakes, which are not ours to report; tracebacks come with them.
LOGGER = logging.getLogger(__name__)
LOGGER.setLevel(logging.CRITICAL)


def server() -> AsyncServer:
    """A Socket.IO server that sends nothing compressed, and leaves it to the Guard who may talk to it."""
    sio = AsyncServer(
        async_mode="asgi",
        async_handlers=False,
        cors_allowed_origins=[],  # no check of its own, and no header that would let others in
        http_compression=False,
        max_http_buffer_size=BODY_MAX_BYTES,
        ping_interval=PING_INTERVAL_S,
        ping_timeout=PING_TIMEOUT_S,
        logger=LOGGER,
        engineio_logger=LOGGER,
    )
    answer = sio.eio.handlers["message"]

    async def on_packet(eio_sid: str, what: object) -> None:
        session = sio.eio.sockets[eio_sid]
        if session.queue.qsize() > ANSWERS_MAX:  # it asks and asks, and does not listen
            await session.close(wait=False, abort=True)
        else:
            await answer(eio_sid, what)

    sio.eio.on("message", on_packet)
    return sio


def requested_cursor(query: str, auth: object) -> str | None:
    """Where a client says that it is: in its `auth`, {"after": CURSOR}, or else in the query; raises BadInput."""
    after = parameters(QueryParams(query), "after", *OWN_PARAMETERS).get("after")
    if auth is None:
        return after
    if not isinstance(auth, dict) or set(auth) != {"after"} or not isinstance(auth["after"], str | None):
        raise BadInput('this auth is not understood: give {"after": CURSOR}, or none')
    return auth["after"]


async def room_for_more(session: AsyncSocket) -> None:
    """Wait until a client with many packets in its queue has taken them; a poll brings all of them at once."""
    if session.queue.qsize() > QUEUE_MAX:
        await session.queue.join()


def guarded_receive(receive: Receive, session: AsyncSocket | None) -> Receive:
    """Who sends a frame that is no packet has gone: python-engineio would raise, and forget to close the session.

    So has who begins an upgrade and does not finish it: python-engineio would wait for ever.
    """

    async def hear() -> Message:
        try:
            async with asyncio.timeout(UPGRADE_S if session and not session.upgraded else None):
                heard = await receive()
        except TimeoutError:
            return {"type": "websocket.disconnect"}
        no_packet = (
            heard["type"] == "websocket.receive" and heard.get("bytes") is None and heard["text"][:1] not in TYPES
        )
        return {"type": "websocket.disconnect"} if no_packet else heard

    return hear


class EngineIO:
    """The ASGI application of a Socket.IO server whose clients read one log."""

    def __init__(self, log: MessageLog, sio: AsyncServer) -> None:
        self._log = log
        self._sio = sio
        self._ending: asyncio.Task[None] | None = None
        self._polled_at = WeakKeyDictionary[AsyncSocket, float]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._ending:
            self._ending = asyncio.create_task(self._end())
        query = QueryParams(scope["query_string"])
        session = self._sio.eio.sockets.get(query.get("sid"))
        full = not session and sum(not one.closed for one in self._sio.eio.sockets.values()) >= SESSIONS_MAX
        if scope["type"] == "websocket":
            if full:
                await send({"type": "websocket.close", "code": 1013, "reason": FULL})
                return
            try:
                await self._sio.handle_request(scope, guarded_receive(receive, session), send)
            finally:
                if session:
                    session.upgrading = False  # python-engineio forgets it, and would answer polls with nothing
            return
        if session and not session.upgraded and self._is_deaf(session, scope["method"]):
            await session.close(wait=False, abort=True)
        request = Request(scope, receive)
        body = await small_body(request)
        if full or "j" in query:
            problem = FULL if full else "this server does not speak JSONP: leave j away"
            await JSONResponse({"error": problem}, 503 if full else 400)(scope, receive, send)
            return
        # python-engineio reads as much as the head says, and a body in chunks has a head that says nothing.
        headers = [header for header in scope["headers"] if header[0] != b"content-length"]
        scope = {**scope, "headers": [*headers, (b"content-length", b"%d" % len(body))]}

        async def asked() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        await cancel_on_disconnect(request, self._sio.handle_request(scope, asked, send), None)
        if session and session.closed:
            session.queue.put_nowait(Packet(NOOP))  # its other question may still be held, for 45 seconds

    def _is_deaf(self, session: AsyncSocket, method: str) -> bool:
        """Whether a client goes on posting, but has not polled for too long."""
        now = asyncio.get_running_loop().time()
        if method == "GET":
            self._polled_at[session] = now
        return now - self._polled_at.setdefault(session, now) > DEAF_S

    async def _end(self) -> None:
        await self._log.until_closed()
        await self._sio.shutdown()
        for session in list(self._sio.eio.sockets.values()):
            await session.close(wait=False)
            session.queue.put_nowait(None)  # a polling client hears of it by a packet, a WebSocket has to be closed
