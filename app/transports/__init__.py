"""The transports, in teaching order. Each module is `PATH` and `routes(log)`: the one log in, HTTP routes out."""

from typing import Protocol

from starlette.routing import BaseRoute

from app.log import MessageLog
from app.transports import long_poll, short_poll, sse, websocket


class Transport(Protocol):
    """What a module in this folder offers."""

    PATH: str

    def routes(self, log: MessageLog) -> list[BaseRoute]: ...


TRANSPORTS: dict[str, Transport] = {
    "short_poll": short_poll,
    "long_poll": long_poll,
    "sse": sse,
    "websocket": websocket,
}
