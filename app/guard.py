"""Who may talk to this server: pages that it served itself, under a name that it knows.

A web page from anywhere can send requests to a server on your own machine. Three checks stop it:

- `Host` must be a name of this server, or an IP address. Otherwise a page from evil.example, whose name is made to
  resolve to 127.0.0.1, could read everything here (DNS rebinding). An address can't be made to resolve to another.
- `Origin`, if a browser sent one, must be this server. Otherwise any page could publish, or open a WebSocket,
  which browsers let through to any host (RFC 6455, section 10.2).
- `Sec-Fetch-Site`, if a browser sent it, must not be another site, unless somebody followed a link (Fetch Metadata,
  section 2). Otherwise any page's `<img>` could send requests here: they have no Origin.
"""

import contextlib
import ipaddress
from collections.abc import Awaitable, Collection

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")


CHECKED = (b"host", b"origin", b"sec-fetch-site", b"sec-fetch-dest")
"""The headers that decide."""

REMEMBERED = 64
"""How many combinations of these headers that were let in are remembered: a reader sends the same ones every time."""

LENGTH_MAX = 1_024
"""How long such a combination may be, all in all, to be remembered."""


class Guard:
    """ASGI middleware that refuses foreign hosts (400) and foreign origins (403), before anything is done.

    It is a plain function, not a coroutine: every request passes it, and most of them need nothing that takes time.
    """

    def __init__(self, app: ASGIApp, names: Collection[str] = LOCAL_NAMES) -> None:
        self.app = app
        self.names = frozenset(name.lower() for name in names)
        self._let_in = set[tuple[bytes | None, ...]]()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] in ("http", "websocket") and (refusal := self._check(scope["headers"])):
            status, error = refusal
            return JSONResponse({"error": error}, status)(scope, receive, send)
        return self.app(scope, receive, send)

    def _check(self, headers: list[tuple[bytes, bytes]]) -> tuple[int, str] | None:
        """`refusal`, which is not asked again about what it has let in; never with a header that comes twice."""
        given = dict(headers)
        deciding = tuple(map(given.get, CHECKED))
        if deciding in self._let_in and len(given) == len(headers):
            return None
        refusal = self.refusal(Headers(raw=headers))
        if not refusal and len(given) == len(headers) and sum(len(one or b"") for one in deciding) <= LENGTH_MAX:
            if len(self._let_in) == REMEMBERED:
                self._let_in.clear()
            self._let_in.add(deciding)
        return refusal

    def refusal(self, headers: Headers) -> tuple[int, str] | None:
        """(status, why) for a request to refuse, else None."""
        hosts = headers.getlist("host")
        if len(hosts) > 1:
            return 400, "send exactly one Host header"  # RFC 9112, section 3.2
        host = hosts[0].lower() if hosts else ""
        if (name := host_name(host)) not in self.names and not is_address(name):
            accepted = ", ".join(sorted(self.names))
            return 400, f"this server is not called {host[:60]!r}, but {accepted}; see --allow-host"
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            return 403, f"pages of {origin[:60]!r} may not use this server, only its own"
        elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if elsewhere and headers.get("sec-fetch-dest") != "document":
            return 403, "pages of other sites may not use this server, only link to it"
        return None


def is_address(name: str) -> bool:
    """Whether a name, as `host_name` gives it, is an IP address; an IPv6 address has to stand in brackets."""
    with contextlib.suppress(ValueError):
        if name.startswith("[") and name.endswith("]"):
            return bool(ipaddress.IPv6Address(name[1:-1]))
        return bool(ipaddress.IPv4Address(name))
    return False


def host_name(host: str) -> str:
    """The name in a Host header, without its port (RFC 9110, section 7.2); an IPv6 address keeps its brackets."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
