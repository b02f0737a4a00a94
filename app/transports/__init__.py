"""The transports, in teaching order. Each module is `PATH` and `routes(log)`: the one log in, HTTP routes out."""

from typing import Protocol

from starlette.routing import BaseRoute, Route

from app.log import MessageLog
from app.transports import long_poll, short_poll, socket_io, sse, websocket


class Transport(Protocol):
    """What a module in this folder offers."""

    PATH: str

    def routes(self, log: MessageLog) -> list[BaseRoute]: ...


TRANSPORTS: dict[str, Transport] = {
    "short_poll": short_poll,
    "long_poll": long_poll,
    "sse": sse,
    "websocket": websocket,
    "socket_io": socket_io,
}


def routes(log: MessageLog) -> list[BaseRoute]:
    """Every way out of `log`."""
    return [no_head(route) for transport in TRANSPORTS.values() for route in transport.routes(log)]


def no_head(route: BaseRoute) -> BaseRoute:
    """Refuse HEAD, which comes along with GET: held like one, it would block a connection that looks free."""
    if isinstance(route, Route) and route.methods:
        route.methods.discard("HEAD")
    return route
