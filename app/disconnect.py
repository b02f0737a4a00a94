"""A held request has to end as soon as its client disconnects, and not only when the hold ends.

ASGI reports that a client has gone (`http.disconnect`) only to an application that calls `receive`. So while a request
is held, something has to be waiting in `receive`.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

T = TypeVar("T")


async def cancel_on_disconnect(request: Request, result: Coroutine[Any, Any, T], otherwise: T) -> T:
    """Await `result`, but return `otherwise` as soon as the client has disconnected. For requests without a body."""
    waiting = asyncio.create_task(result)
    listening = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((waiting, listening), return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else otherwise
    finally:
        waiting.cancel()
        listening.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
