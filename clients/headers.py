"""What clients say about themselves in a request's head, for the `raw` client to say it too.

`library` is, to the byte, what httpx, websockets and (for Socket.IO) aiohttp send; `browser` is what Chromium 156 on
Linux sends to a page's own server, read from its socket, without cookies. Both are checked by tests against the real
ones. A cookie adds its own length and 10 bytes (`Cookie: ` and the line's end) to every request.

Socket.IO makes three kinds of request, which are named like transports here: `socket_io_get` and `socket_io_post`,
whose body's length is left to be filled in (`%d`), and `socket_io_websocket`.
"""

import base64
import os
import sys

import aiohttp
import httpx
from websockets.version import version as websockets_version

_HTTPX = f"Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nUser-Agent: python-httpx/{httpx.__version__}\r\n"
_CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
_BRANDS = 'sec-ch-ua: "Not:A-Brand";v="8", "Chromium";v="156"\r\nsec-ch-ua-mobile: ?0\r\n'
_LANGUAGE = "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"


_PYTHON = f"Python/{sys.version_info[0]}.{sys.version_info[1]}"
_AIOHTTP = f"Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nUser-Agent: {_PYTHON} aiohttp/{aiohttp.__version__}\r\n"


def library(transport: str, host: str) -> str:
    """The header lines of httpx, websockets or aiohttp, each with its line end; `host` is HOST:PORT."""
    if transport == "socket_io_get":
        return f"Host: {host}\r\n{_AIOHTTP}"
    if transport == "socket_io_post":
        return f"Host: {host}\r\nContent-Type: text/plain\r\n{_AIOHTTP}Content-Length: %d\r\n"
    if transport == "socket_io_websocket":
        return (
            f"Host: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {_key()}\r\n{_AIOHTTP}"
        )
    if transport == "websocket":
        return (
            f"Host: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {_key()}\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            f"User-Agent: {_PYTHON} websockets/{websockets_version}\r\n"
        )
    if transport == "sse":
        accept_encoding, rest = _HTTPX.split("\r\n", 1)
        return f"Host: {host}\r\n{accept_encoding}\r\n{rest}Accept: text/event-stream\r\n"
    return f"Host: {host}\r\nAccept: */*\r\n{_HTTPX}"


def browser(transport: str, host: str) -> str:
    """The header lines of Chromium's fetch, EventSource, WebSocket or XMLHttpRequest on a page of the same server."""
    if transport in ("websocket", "socket_io_websocket"):
        return (
            f"Host: {host}\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n"
            f"User-Agent: {_CHROME}\r\nUpgrade: websocket\r\nOrigin: http://{host}\r\n"
            f"Sec-WebSocket-Version: 13\r\n{_LANGUAGE}Sec-WebSocket-Key: {_key()}\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        )
    platform = f'sec-ch-ua-platform: "Linux"\r\nUser-Agent: {_CHROME}\r\n'
    if transport == "sse":
        middle = f"Pragma: no-cache\r\nCache-Control: no-cache\r\n{platform}Accept: text/event-stream\r\n{_BRANDS}"
    elif transport == "socket_io_get":
        middle = f"{platform}Accept: */*\r\n{_BRANDS}"
    elif transport == "socket_io_post":
        brands, mobile = _BRANDS.split("\r\n", 1)
        middle = (
            f"Content-Length: %d\r\n{platform}Accept: */*\r\n{brands}\r\n"
            f"Content-type: text/plain;charset=UTF-8\r\n{mobile}Origin: http://{host}\r\n"
        )
    else:
        middle = f"{platform}{_BRANDS}Accept: */*\r\n"
    return (
        f"Host: {host}\r\nConnection: keep-alive\r\n{middle}"
        "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n"
        f"Referer: http://{host}/\r\n{_LANGUAGE}"
    )


def _key() -> str:
    return base64.b64encode(os.urandom(16)).decode()
