"""The headers that clients send, for the `raw` client to send them, too.

`library` is, to the byte, what httpx, websockets and (for Socket.IO) aiohttp send; `browser` is what Chromium 156 on
Linux sends to a page's own server, read from its socket, without cookies. Both are checked by tests against the real
ones. A cookie adds its own length and 10 bytes (`Cookie: ` and the line's end) to every request.

Each has a table of kinds of request: one per transport, but Socket.IO makes three, `socket_io_get`, `socket_io_post`
(`%d` is its body's length, to be filled in) and `socket_io_websocket`.
"""

from clients.headers.browser import browser
from clients.headers.library import library

__all__ = ["browser", "library"]
