"""What Chromium sends."""

from clients.headers.key import key

_AGENT = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/156.0.0.0 Safari/537.36\r\n"
)
_PLATFORM = f'sec-ch-ua-platform: "Linux"\r\n{_AGENT}'
_BRANDS = 'sec-ch-ua: "Not:A-Brand";v="8", "Chromium";v="156"\r\n'
_MOBILE = "sec-ch-ua-mobile: ?0\r\n"
_NO_CACHE = "Pragma: no-cache\r\nCache-Control: no-cache\r\n"
_LANGUAGE = "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"
_START = "Host: {host}\r\nConnection: keep-alive\r\n"
_END = (
    "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n"
    f"Referer: http://{{host}}/\r\n{_LANGUAGE}"
)
_POLL = f"{_START}{_PLATFORM}{_BRANDS}{_MOBILE}Accept: */*\r\n{_END}"
_UPGRADE = (
    f"Host: {{host}}\r\nConnection: Upgrade\r\n{_NO_CACHE}{_AGENT}Upgrade: websocket\r\nOrigin: http://{{host}}\r\n"
    f"Sec-WebSocket-Version: 13\r\n{_LANGUAGE}Sec-WebSocket-Key: {{key}}\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
)

LINES = {
    "short_poll": _POLL,
    "long_poll": _POLL,
    "sse": f"{_START}{_NO_CACHE}{_PLATFORM}Accept: text/event-stream\r\n{_BRANDS}{_MOBILE}{_END}",
    "websocket": _UPGRADE,
    "socket_io_get": f"{_START}{_PLATFORM}Accept: */*\r\n{_BRANDS}{_MOBILE}{_END}",
    "socket_io_post": (
        f"{_START}Content-Length: %d\r\n{_PLATFORM}Accept: */*\r\n{_BRANDS}"
        f"Content-type: text/plain;charset=UTF-8\r\n{_MOBILE}Origin: http://{{host}}\r\n{_END}"
    ),
    "socket_io_websocket": _UPGRADE,
}


def browser(kind: str, host: str) -> str:
    """The header lines of Chromium's fetch, EventSource, WebSocket or XMLHttpRequest on a page of the same server."""
    return LINES[kind].format(host=host, key=key())
