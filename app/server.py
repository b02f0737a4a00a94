"""The server: one log, one way in (`POST /messages`), a way out per transport, and the pages with their sessions.

`create_app` is a plain Starlette application; `Server` runs it behind the tap and shuts down in order: the logs close
first, so that held requests get their responses and streams finish, and only then are connections closed.
"""

import asyncio
import contextlib
import itertools
import logging
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Literal, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from uvicorn.importer import import_from_string

from app import pages, publishing, transports, watch
from app.chat import Chat
from app.direct import Direct
from app.guard import LOCAL_NAMES, Guard
from app.link import IDLE_S, Link
from app.log import MessageLog
from app.message import BadInput
from app.one_write import OneWrite
from app.pages.problem import no_such_page
from app.sessions import Sessions

NEVER_S = 1_000_000_000
"""When uvicorn closes idle connections, behind a tap: it does not see the polls that the tap responds to."""

TICKS_PER_S = 10
"""Of uvicorn's own clock."""

CONNECTIONS_MAX = 20_000
"""How many connections there may be at once, where the system allows this process as many file descriptors."""

BACKLOG = CONNECTIONS_MAX
"""How many connections may wait to be accepted, as far as the system allows (Linux: 4,096, net.core.somaxconn). When a
whole crowd connects at once, clients that find no room try again after a second: their TCP does that."""

ACCEPTED_AT_ONCE = 8
"""How many connections asyncio accepts in one turn of its loop. It takes some turns until the tap sees one and can
refuse it; until then each needs one of the file descriptors that are kept free (DESCRIPTORS_KEPT)."""

EVERY_RESPONSE = [("x-content-type-options", "nosniff")]


class Closing(Protocol):
    """What has readers that must finish before the server can stop."""

    def close(self) -> None: ...


def create_app(
    log: MessageLog,
    sessions: Sessions,
    chat: Chat,
    names: Collection[str] = LOCAL_NAMES,
    publish_hz: float = 0.0,
    seed: int | None = None,
) -> Starlette:
    """The application around `log`, known by the host `names`; publishes by itself at `publish_hz` per second."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        publisher = asyncio.create_task(publishing.publish_by_itself(log, publish_hz, random.Random(seed)))
        yield
        publisher.cancel()

    read = transports.routes(log)
    return Starlette(
        routes=[
            *publishing.routes(log),
            *read,
            *sessions.routes(),
            *chat.routes(),
            *watch.routes(sessions),
            *pages.routes(),
        ],
        exception_handlers={**PROBLEMS, HTTPException: http_error},
        middleware=[
            Middleware(OneWrite),
            Middleware(Guard, names=names),
            Middleware(Direct, routes=read, handlers=PROBLEMS),
        ],
        lifespan=lifespan,
    )


async def bad_input(_: Request, problem: Exception) -> Response:
    status = problem.status if isinstance(problem, publishing.BadBody) else 400
    # What is left of a body that is too large is not read.
    return JSONResponse({"error": str(problem)}, status, {"connection": "close"} if status == 413 else None)


async def http_error(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    if "endpoint" not in request.scope:  # no route has this address
        return no_such_page(request)
    return JSONResponse({"error": problem.detail}, problem.status_code, problem.headers)


async def disconnected(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # the client left in the middle of its request: nobody will read this


PROBLEMS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    BadInput: bad_input,
    ClientDisconnect: disconnected,
}
"""What a request's own faults are responded to with."""


class Server(uvicorn.Server):
    """uvicorn, behind the tap, with a shutdown that lets every reader finish.

    The tap works with every loop, HTTP and WebSocket implementation of uvicorn. These defaults were as cheap as any,
    for a poll and for a pushed message, when all twelve were measured side by side; h11 took half as much CPU again.
    """

    def __init__(
        self,
        app: Starlette,
        closing: Sequence[Closing],
        link: Link,
        loop: Literal["uvloop", "asyncio"] = "uvloop",
        http: Literal["httptools", "h11"] = "httptools",
        ws: Literal["websockets-sansio", "websockets", "wsproto"] = "websockets-sansio",
        tap: bool = True,
    ) -> None:
        protocol = import_from_string(uvicorn.config.HTTP_PROTOCOLS[http])
        super().__init__(
            uvicorn.Config(
                app,
                loop=loop,
                http=link.tapped(protocol) if tap else protocol,
                ws=ws,
                ws_per_message_deflate=False,  # compression would hide what a transport costs
                ws_max_size=publishing.BODY_MAX_BYTES,
                headers=EVERY_RESPONSE,
                proxy_headers=False,  # X-Forwarded-* is not trusted: any client can send it
                backlog=ACCEPTED_AT_ONCE,
                timeout_keep_alive=NEVER_S if tap else round(IDLE_S),
                timeout_graceful_shutdown=1,
                log_config=None,
                log_level="error",
                access_log=False,
            )
        )
        self._closing = closing
        self._link = link

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)  # asyncio has made it as short as its batches

    async def on_tick(self, counter: int) -> bool:
        if counter % round(IDLE_S * TICKS_PER_S / 4) == 0:
            self._link.close_idle()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # From here on a reader that does not take its last bytes is cut off, and that is not worth an error.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await self._drain_closing()
        for one in self._closing:
            one.close()
        await super().shutdown(sockets)
        self._link.cut()

    async def _drain_closing(self) -> None:
        """Wait for clients that are just leaving: uvicorn fails if it has to close a WebSocket that is closing."""
        for tick in itertools.count():
            leaving = [one.transport for one in self.server_state.connections if one.transport.is_closing()]
            if not leaving:
                return
            if tick >= 50:  # half a second
                for transport in leaving:
                    transport.abort()
            await asyncio.sleep(0.01)
