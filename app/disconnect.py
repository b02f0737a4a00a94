"""A held answer must end when its reader goes away, at once and not only when the hold ends.

The server is told that a client has gone (`http.disconnect`) only when it asks for the next thing that the client
sends. So while an answer is held, somebody has to keep asking.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

T = TypeVar("T")


async def cancel_on_disconnect(request: Request, answer: Coroutine[Any, Any, T], otherwise: T) -> T:
    """Await `answer`, but give it up for `otherwise` as soon as the client has gone. For requests without a body."""
    waiting = asyncio.create_task(answer)
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
