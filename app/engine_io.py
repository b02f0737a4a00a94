"""Engine.IO, the layer below Socket.IO: a session that is first polled and then, where it can be, a WebSocket.

python-engineio does that work. What is added here lets it run beside the other transports: it notices at once that the
client of a held poll has disconnected, it responds to the poll that is still held when a client leaves, it continues to
poll when an upgrade fails, it bounds what it keeps, and it ends with its log. Its sessions (`sockets`) and their
queues have public names, but are not in its documentation.
"""

import asyncio
import time
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

from engineio import async_socket
from engineio.async_socket import AsyncSocket
from engineio.packet import NOOP, PING, Packet
from engineio.payload import Payload
from socketio import AsyncServer
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from app.disconnect import cancel_on_disconnect
from app.engine_io_websocket import LOGGER, WebSocketDriver
from app.log import MessageLog
from app.message import BadInput
from app.publishing import BODY_MAX_BYTES, small_body
from app.query import parameters

OWN_PARAMETERS = ("EIO", "transport", "sid", "t", "b64")
PING_INTERVAL_S = 25
PING_TIMEOUT_S = 20
"""How often the server sends a heartbeat, and how long it waits for the response."""

DEAF_S = PING_INTERVAL_S + PING_TIMEOUT_S
"""How long a client may post, heartbeats at least, without polling."""

QUEUE_MAX = 32
"""How many packets may wait for a client before more are taken from the log."""

REPLIES_MAX = 4_096
"""How many packets, acknowledgements too, may wait for a client that keeps publishing: more than a batch of the log."""

SESSIONS_MAX = 20_000
"""As many as connections. What they may take is memory, some 20 KiB each: a session that is polled lives on for
`PING_INTERVAL_S` and `PING_TIMEOUT_S` after its client has gone, so that one client can leave many behind."""

FULL = f"{SESSIONS_MAX} sessions of Socket.IO are open, which is the limit: try again in a minute"


class Posted(Payload):  # type: ignore[misc]  # the library has no types
    """What a POST brings: its size is limited already. The library would take 16 packets and drop the rest."""

    max_decode_packets = BODY_MAX_BYTES


async_socket.payload = SimpleNamespace(Payload=Posted)  # the server's side alone; clients/engine_io.py has the other


def server() -> AsyncServer:
    """A Socket.IO server that compresses nothing, and leaves it to the Guard to refuse clients."""
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
    handle = sio.eio.handlers["message"]

    async def on_packet(eio_sid: str, what: object) -> None:
        session = sio.eio.sockets[eio_sid]
        if session.queue.qsize() > REPLIES_MAX:  # it publishes and does not read
            await session.close(wait=False, abort=True)
        else:
            await handle(eio_sid, what)

    connect, disconnect = sio.eio.handlers["connect"], sio.eio.handlers["disconnect"]

    async def on_connect(eio_sid: str, environ: dict[str, Any]) -> None:
        session = sio.eio.sockets[eio_sid]
        session.pings = Pings(session)
        session.schedule_ping = session.pings.schedule
        await connect(eio_sid, {"QUERY_STRING": environ["QUERY_STRING"]})  # the rest is kilobytes, and would be kept

    async def on_disconnect(eio_sid: str, reason: str) -> None:
        sio.eio.sockets[eio_sid].pings.stop()
        await disconnect(eio_sid, reason)

    for event, handler in {"connect": on_connect, "disconnect": on_disconnect, "message": on_packet}.items():
        sio.eio.on(event, handler)
    sio.eio._async = {**sio.eio._async, "websocket": WebSocketDriver}
    return sio


def requested_cursor(query: str, auth: object) -> str | None:
    """Where a client says that it is: in its `auth`, {"after": CURSOR}, or else in the query; raises BadInput."""
    after = parameters(QueryParams(query), "after", *OWN_PARAMETERS).get("after")
    if auth is None:
        return after
    if not isinstance(auth, dict) or set(auth) != {"after"} or not isinstance(auth["after"], str | None):
        raise BadInput('this auth is not accepted: give {"after": CURSOR}, or none')
    return auth["after"]


async def room_for_more(session: AsyncSocket) -> None:
    """If a client has many packets in its queue, wait until it has taken them; one poll takes them all."""
    if session.queue.qsize() > QUEUE_MAX:
        await session.queue.join()


class Pings:
    """A session's heartbeats: a timer, where python-engineio has a task that sleeps, even after the session's end."""

    def __init__(self, session: AsyncSocket) -> None:
        self._session = session
        self._timer: asyncio.TimerHandle | None = None

    def schedule(self) -> None:
        """Send the next one after the interval, if the one before has been answered."""
        if self._session.last_ping:
            self._session.last_ping = None
            interval_s = self._session.server.ping_interval
            self._timer = asyncio.get_running_loop().call_later(interval_s, self._send)

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _send(self) -> None:
        self._session.last_ping = time.time()
        self._sending = asyncio.ensure_future(self._session.send(Packet(PING)))


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
        full = not session and self._is_full()
        if scope["type"] == "websocket":
            if full:
                await send({"type": "websocket.close", "code": 1013, "reason": FULL})
            else:
                await self._sio.handle_request(scope, receive, send)
            return
        if session and not session.upgraded and self._is_deaf(session, scope["method"]):
            await session.close(wait=False, abort=True)
        request = Request(scope, receive)
        body = await small_body(request)
        if full or "j" in query:
            problem = FULL if full else "JSONP is not supported: leave out j"
            await JSONResponse({"error": problem}, 503 if full else 400)(scope, receive, send)
            return
        # python-engineio reads as much as Content-Length says, and a chunked body has none.
        headers = [header for header in scope["headers"] if header[0] != b"content-length"]
        scope = {**scope, "headers": [*headers, (b"content-length", b"%d" % len(body))]}

        async def received() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        await cancel_on_disconnect(scope, receive, self._sio.handle_request(scope, received, send), None)
        if session and session.closed:
            session.queue.put_nowait(Packet(NOOP))  # its other poll may still be held, for 45 seconds

    def _is_full(self) -> bool:
        sessions = self._sio.eio.sockets  # with some that are closed; to look for them takes time
        return len(sessions) >= SESSIONS_MAX and sum(not one.closed for one in sessions.values()) >= SESSIONS_MAX

    def _is_deaf(self, session: AsyncSocket, method: str) -> bool:
        """Whether a client keeps posting, but has not polled for too long."""
        now = asyncio.get_running_loop().time()
        if method == "GET":
            self._polled_at[session] = now
        return now - self._polled_at.setdefault(session, now) > DEAF_S

    async def _end(self) -> None:
        await self._log.until_closed()
        await self._sio.shutdown()
        for session in list(self._sio.eio.sockets.values()):
            await session.close(wait=False)
            session.queue.put_nowait(None)  # a poll gets a packet; a WebSocket has to be closed
