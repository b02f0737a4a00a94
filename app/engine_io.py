"""Engine.IO, the layer below Socket.IO: a session that is first polled and then, where it can be, a WebSocket.

python-engineio does that work. What is added here makes it live beside the other transports: it hears at once that
the client of a held question has gone, it answers the question that is still held when a client says goodbye, and it
ends with its log. Its sessions (`sockets`) and their queues have public names, but are not in its documentation.
"""

import asyncio
import logging
from typing import Any

from engineio.async_socket import AsyncSocket
from engineio.packet import NOOP, Packet
from engineio.payload import Payload
from socketio import AsyncServer
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from app.hang_up import unless_hung_up
from app.log import MessageLog
from app.message import BadInput
from app.publishing import BODY_MAX_BYTES, small_body
from app.query import parameters

TYPES = tuple("0123456")  # the first character of a packet
OWN_PARAMETERS = ("EIO", "transport", "sid", "t", "b64")
PING_INTERVAL_S = 25
PING_TIMEOUT_S = 20
"""How often the server asks whether the client is there, and how long it waits for the answer."""

QUEUE_MAX = 32
"""How many packets may wait for a client before more are taken from the log."""

# How many packets one POST may bring is bounded by its size; 16, the library's own limit, would lose the others.
Payload.max_decode_packets = BODY_MAX_BYTES

# What it reports as errors are the clients' mistakes, which are not ours to report; tracebacks come with them.
LOGGER = logging.getLogger(__name__)
LOGGER.setLevel(logging.CRITICAL)


def server() -> AsyncServer:
    """A Socket.IO server that sends nothing compressed, and leaves it to the Guard who may talk to it."""
    return AsyncServer(
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


def place(query: QueryParams, auth: object) -> str | None:
    """Where a client says that it is: in its `auth`, {"after": CURSOR}, or else in the query; raises BadInput."""
    after = parameters(query, "after", *OWN_PARAMETERS).get("after")
    if auth is None:
        return after
    if not isinstance(auth, dict) or set(auth) != {"after"} or not isinstance(auth["after"], str | None):
        raise BadInput('this auth is not understood: give {"after": CURSOR}, or none')
    return auth["after"]


async def room_for_more(session: AsyncSocket) -> None:
    """Wait until a client with many packets in its queue has taken them; a poll brings all of them at once."""
    if session.queue.qsize() > QUEUE_MAX:
        await session.queue.join()


def understood(receive: Receive) -> Receive:
    """Who sends a frame that is no packet has gone: python-engineio would raise, and forget to close the session."""

    async def hear() -> Message:
        heard = await receive()
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._ending:
            self._ending = asyncio.create_task(self._end())
        if scope["type"] == "websocket":
            await self._sio.handle_request(scope, understood(receive), send)
            return
        request = Request(scope, receive)
        body = await small_body(request)

        async def asked() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        session = self._sio.eio.sockets.get(QueryParams(scope["query_string"]).get("sid"))
        await unless_hung_up(request, self._sio.handle_request(scope, asked, send), None)
        if session and session.closed:
            session.queue.put_nowait(Packet(NOOP))  # its other question may still be held, for 45 seconds

    async def _end(self) -> None:
        await self._log.until_closed()
        await self._sio.shutdown()
        for session in list(self._sio.eio.sockets.values()):
            await session.close(wait=False)
            session.queue.put_nowait(None)  # a polling client hears of it by a packet, a WebSocket has to be closed
