"""What httpx, websockets and aiohttp send."""

import sys

import aiohttp
import httpx
from websockets.version import version as websockets_version

from clients.headers.key import key

_HTTPX = f"Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nUser-Agent: python-httpx/{httpx.__version__}\r\n"
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
            f"Sec-WebSocket-Key: {key()}\r\n{_AIOHTTP}"
        )
    if transport == "websocket":
        return (
            f"Host: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key()}\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            f"User-Agent: {_PYTHON} websockets/{websockets_version}\r\n"
        )
    if transport == "sse":
        accept_encoding, rest = _HTTPX.split("\r\n", 1)
        return f"Host: {host}\r\n{accept_encoding}\r\n{rest}Accept: text/event-stream\r\n"
    return f"Host: {host}\r\nAccept: */*\r\n{_HTTPX}"
