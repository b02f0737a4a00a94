"""What httpx, websockets and aiohttp send."""

import sys

import aiohttp
import httpx
from websockets.version import version as websockets_version

from clients.headers.key import key

_PYTHON = f"Python/{sys.version_info[0]}.{sys.version_info[1]}"
_ENCODINGS = "Accept-Encoding: gzip, deflate\r\n"
_HTTPX = f"Connection: keep-alive\r\nUser-Agent: python-httpx/{httpx.__version__}\r\n"
_AIOHTTP = f"Accept: */*\r\n{_ENCODINGS}User-Agent: {_PYTHON} aiohttp/{aiohttp.__version__}\r\n"
_POLL = f"Host: {{host}}\r\nAccept: */*\r\n{_ENCODINGS}{_HTTPX}"
_UPGRADE = "Host: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"

LINES = {
    "short_poll": _POLL,
    "long_poll": _POLL,
    "sse": f"Host: {{host}}\r\n{_ENCODINGS}{_HTTPX}Accept: text/event-stream\r\n",
    "websocket": (
        f"{_UPGRADE}Sec-WebSocket-Key: {{key}}\r\nSec-WebSocket-Version: 13\r\n"
        f"User-Agent: {_PYTHON} websockets/{websockets_version}\r\n"
    ),
    "socket_io_get": f"Host: {{host}}\r\n{_AIOHTTP}",
    "socket_io_post": f"Host: {{host}}\r\nContent-Type: text/plain\r\n{_AIOHTTP}Content-Length: %d\r\n",
    "socket_io_websocket": f"{_UPGRADE}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {{key}}\r\n{_AIOHTTP}",
}


def library(kind: str, host: str) -> str:
    """The header lines of httpx, websockets or aiohttp, each with its line end; `host` is HOST:PORT."""
    return LINES[kind].format(host=host, key=key())
