"""A response that is sent piece by piece while it is made, in the request's own task.

Starlette's StreamingResponse starts a task group to notice that the client has gone. A reader that the hub serves needs
none of that: the tap tells the hub.
"""

from collections.abc import AsyncIterator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.disconnect import cancel_on_disconnect
from app.fanout import tap_of

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
"""No cache may keep it, and nginx may not collect some kilobytes of it before it passes them on."""


class StreamedResponse(Response):
    """Sends `pieces` as they come, until they end or the client has gone."""

    def __init__(self, pieces: AsyncIterator[str], media_type: str) -> None:
        self.pieces = pieces
        self.status_code = 200
        self.media_type = media_type
        self.init_headers(HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if tap_of(scope):
            await self._send(send)
        else:
            await cancel_on_disconnect(scope, receive, self._send(send), None)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for piece in self.pieces:
            await send({"type": "http.response.body", "body": piece.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
