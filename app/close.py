"""Closing a WebSocket with a code and a reason, as far as there is room for the reason."""

import contextlib

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from app.message import BadInput

REASON_MAX_BYTES = 123
"""RFC 6455, section 5.5: a control frame has 125 bytes, 2 of them the code."""


class NotText(BadInput):
    """A binary frame, where only text frames are accepted."""


async def close_with_reason(socket: WebSocket, code: int, why: Exception) -> None:
    """Close an accepted WebSocket with this code and the exception's text; the client may have left already."""
    with contextlib.suppress(WebSocketDisconnect, WebSocketDisconnected):
        await socket.close(code, str(why).encode()[:REASON_MAX_BYTES].decode(errors="ignore"))
