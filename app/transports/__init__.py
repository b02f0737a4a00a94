"""The transports, in teaching order. Each module has a `PATH` and `routes(log)`: how the log is read over HTTP."""

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
    """The routes of all transports, reading `log`."""
    return [no_head(route) for transport in TRANSPORTS.values() for route in transport.routes(log)]


def no_head(route: BaseRoute) -> BaseRoute:
    """Refuse HEAD, which Starlette adds to GET: held like a GET, it would block a connection that looks free."""
    if isinstance(route, Route) and route.methods:
        route.methods.discard("HEAD")
    return route
