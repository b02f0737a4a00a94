"""The clients, in teaching order: what a program does to be told the news over each transport.

Every module has one `receive(url, after=None, ...)`, an endless stream of news. A client only receives: it has no
clock and no counters. It does come back after a lost connection, at the place where it was, because that is part
of using a transport. `raw` has them without a client library, for when a library's cost would drown
what is measured, or hundreds of clients have to live in one process.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from app.message import Update
from clients import long_poll, short_poll, socket_io, sse, websocket


class Client(Protocol):
    """What a module in this folder offers."""

    def receive(self, url: str, after: str | None = None) -> AsyncIterator[Update]:
        """News from the server at `url` (http://HOST:PORT), from behind cursor `after`; None is from now on.

        Raises ValueError when the server refuses what was asked; comes back by itself when the connection is lost.
        """


CLIENTS: dict[str, Client] = {
    "short_poll": short_poll,
    "long_poll": long_poll,
    "sse": sse,
    "websocket": websocket,
    "socket_io": socket_io,
}
