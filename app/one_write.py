"""Head and body of a response leave in one write, and the tap hears when a response is complete.

uvicorn writes them separately. Then the tap counts and shows two pieces, and asyncio's own loop sends two segments.
"""

import asyncio
from collections.abc import Awaitable
from functools import partial

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.link import Tap


class OneWrite:
    """ASGI middleware; does nothing without a tap."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        tap: Tap | None = scope["state"].get("tap") if scope["type"] == "http" else None
        return self.app(scope, receive, partial(send_together, tap, send) if tap else send)


async def send_together(tap: Tap, send: Send, message: Message) -> None:
    """Send the head of a response with the first piece of its body, if that comes in the same turn of the loop."""
    if message["type"] == "http.response.start":
        tap.writer.hold()
        asyncio.get_running_loop().call_soon(tap.writer.release)
        await send(message)
    else:
        await send(message)
        tap.writer.release()
        if not message.get("more_body"):
            tap.unanswered -= 1
