"""What clients say about themselves in a request's head, for the `raw` client to say it too.

`library` is, to the byte, what httpx, websockets and (for Socket.IO) aiohttp send; `browser` is what Chromium 156 on
Linux sends to a page's own server, read from its socket, without cookies. Both are checked by tests against the real
ones. A cookie adds its own length and 10 bytes (`Cookie: ` and the line's end) to every request.

Socket.IO makes three kinds of request, which are named like transports here: `socket_io_get` and `socket_io_post`,
whose body's length is left to be filled in (`%d`), and `socket_io_websocket`.
"""

from clients.headers.browser import browser
from clients.headers.library import library

__all__ = ["browser", "library"]
