"""The end of a WebSocket that is not understood: a close code, and why, as far as there is room for it."""

import contextlib

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

REASON_MAX_BYTES = 123
"""RFC 6455, section 5.5: a control frame has 125 bytes, 2 of them the code."""


async def refuse(socket: WebSocket, code: int, why: Exception) -> None:
    """Close an accepted WebSocket with this code and the exception's text; it may have gone by itself meanwhile."""
    with contextlib.suppress(WebSocketDisconnect, WebSocketDisconnected):
        await socket.close(code, str(why).encode()[:REASON_MAX_BYTES].decode(errors="ignore"))
