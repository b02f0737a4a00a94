"""What Chromium sends."""

from clients.headers.key import key

_CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
_BRANDS = 'sec-ch-ua: "Not:A-Brand";v="8", "Chromium";v="156"\r\nsec-ch-ua-mobile: ?0\r\n'
_LANGUAGE = "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"


def browser(transport: str, host: str) -> str:
    """The header lines of Chromium's fetch, EventSource, WebSocket or XMLHttpRequest on a page of the same server."""
    if transport in ("websocket", "socket_io_websocket"):
        return (
            f"Host: {host}\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n"
            f"User-Agent: {_CHROME}\r\nUpgrade: websocket\r\nOrigin: http://{host}\r\n"
            f"Sec-WebSocket-Version: 13\r\n{_LANGUAGE}Sec-WebSocket-Key: {key()}\r\n"
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
