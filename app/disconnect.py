"""A held request has to end as soon as its client disconnects, and not only when the hold ends.

The tap sees the end of a connection first and says so. Without a tap there is ASGI's report (`http.disconnect`), which
only reaches an application that calls `receive`: so while a request is held, a task of its own waits in there.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive, Scope

from app.link import Tap

T = TypeVar("T")


async def cancel_on_disconnect(scope: Scope, receive: Receive, result: Coroutine[Any, Any, T], otherwise: T) -> T:
    """Await `result`, but return `otherwise` as soon as the client has disconnected. For requests without a body."""
    tap: Tap | None = scope["state"].get("tap")
    if not tap:
        return await _race(receive, result, otherwise)
    if tap.lost:
        result.close()
        return otherwise
    task = asyncio.current_task()

    def cancel(_: Tap) -> None:
        task.cancel()  # type: ignore[union-attr]  # there always is one

    tap.on_lost = cancel
    try:
        return await result
    except asyncio.CancelledError:
        if not tap.lost:  # it is the server that wants the task to end
            raise
        task.uncancel()
        return otherwise
    finally:
        tap.on_lost = None


async def _race(receive: Receive, result: Coroutine[Any, Any, T], otherwise: T) -> T:
    waiting = asyncio.create_task(result)
    listening = asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait((waiting, listening), return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else otherwise
    finally:
        waiting.cancel()
        listening.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
