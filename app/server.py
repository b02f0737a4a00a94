"""The server: one log, one way in (`POST /messages`), a way out per transport, and the pages.

`create_app` is a plain Starlette application; `Server` runs it behind the tap and knows how to end: the log closes
first, so that held polls are answered and streams finish, and only then are connections closed.
"""

import asyncio
import contextlib
import itertools
import logging
import random
import socket
import time
from collections.abc import AsyncIterator, Collection
from typing import Literal

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route
from uvicorn.importer import import_from_string

from app.guard import LOCAL_NAMES, Guard
from app.link import Link
from app.log import MessageLog
from app.message import TEXT_MAX_BYTES, BadInput, read_publication
from app.pages import INDEX
from app.transports import TRANSPORTS

BODY_MAX_BYTES = 6 * TEXT_MAX_BYTES + 64
"""Room for the longest text with every byte of it written as a JSON escape (\\u0041)."""

KEEP_ALIVE_S = 120
"""How long an idle connection is kept: well above the longest poll interval, or slow pollers would reconnect."""

CONNECTIONS_MAX = 2_000


class TooLarge(BadInput):
    """A body that is larger than any message can be."""


def create_app(
    log: MessageLog, names: Collection[str] = LOCAL_NAMES, publish_hz: float = 0.0, seed: int | None = None
) -> Starlette:
    """The application around `log`, answering to host `names`; publishes by itself at `publish_hz` per second."""

    async def publish(request: Request) -> Response:
        message = log.publish(read_publication(await small_body(request)))
        return Response(message.json, 201, media_type="application/json")

    async def index(_: Request) -> Response:
        return FileResponse(INDEX)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        publishing = asyncio.create_task(publish_by_itself(log, publish_hz, random.Random(seed)))
        yield
        publishing.cancel()

    return Starlette(
        routes=[
            Route("/", index),
            Route("/messages", publish, methods=["POST"]),
            *(no_head(route) for transport in TRANSPORTS.values() for route in transport.routes(log)),
        ],
        middleware=[Middleware(Guard, names=names)],
        exception_handlers={BadInput: bad_input, HTTPException: http_error, ClientDisconnect: hung_up},
        lifespan=lifespan,
    )


def no_head(route: BaseRoute) -> BaseRoute:
    """Refuse HEAD, which comes along with GET: held like one, it would block a connection that looks free."""
    if isinstance(route, Route) and route.methods:
        route.methods.discard("HEAD")
    return route


async def small_body(request: Request) -> bytes:
    """The request's body; raises TooLarge without reading on once it is."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_MAX_BYTES:
            raise TooLarge(f"the body is larger than {BODY_MAX_BYTES} bytes")
    return body


async def publish_by_itself(log: MessageLog, publish_hz: float, rng: random.Random) -> None:
    """A Poisson process of messages for somebody to look at, `publish_hz` per second; none at all for 0."""
    for number in itertools.count(1):
        if not publish_hz:
            return
        await asyncio.sleep(rng.expovariate(publish_hz))
        log.publish(f"sample message {number}, at {time.strftime('%H:%M:%S')} by the server's clock")


async def bad_input(_: Request, problem: Exception) -> Response:
    return JSONResponse({"error": str(problem)}, 413 if isinstance(problem, TooLarge) else 400)


async def http_error(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    return JSONResponse({"error": problem.detail}, problem.status_code, problem.headers)


async def hung_up(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # gone in the middle of its own words: nobody will read this


class Server(uvicorn.Server):
    """uvicorn, behind the tap, with an ending that lets every reader finish.

    The tap works with every loop, HTTP and WebSocket implementation of uvicorn. These defaults were as cheap as any,
    for a poll and for a pushed message, when all twelve were measured side by side; h11 took half as much CPU again.
    """

    def __init__(
        self,
        app: Starlette,
        log: MessageLog,
        link: Link,
        loop: Literal["uvloop", "asyncio"] = "uvloop",
        http: Literal["httptools", "h11"] = "httptools",
        ws: Literal["websockets-sansio", "websockets", "wsproto"] = "websockets-sansio",
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop=loop,
                http=link.tapped(import_from_string(uvicorn.config.HTTP_PROTOCOLS[http])),
                ws=ws,
                ws_per_message_deflate=False,  # compression would hide what a transport costs
                ws_max_size=BODY_MAX_BYTES,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=1,
                limit_concurrency=CONNECTIONS_MAX,
                log_config=None,
                log_level="error",
                access_log=False,
            )
        )
        self._log = log
        self._link = link

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # From here on a reader that does not take its last bytes is cut off, and that is no error to report.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await self._let_go()
        self._log.close()
        await super().shutdown(sockets)
        self._link.cut()

    async def _let_go(self) -> None:
        """Wait for those who are just leaving: uvicorn fails when it has to close a WebSocket that closes already."""
        for tick in itertools.count():
            leaving = [one.transport for one in self.server_state.connections if one.transport.is_closing()]
            if not leaving:
                return
            if tick == 50:  # half a second
                for transport in leaving:
                    transport.abort()
            await asyncio.sleep(0.01)
