"""The clients, in teaching order: what a program does to receive updates over each transport.

Every module has one `receive(url, after=None, ...)`, an endless stream of updates. A client only receives: it has no
clock and no counters. It does reconnect after a lost connection, and resumes at its cursor, because that is part of
using a transport. `raw` has them without a client library, for when a library's cost would hide what is measured, or
hundreds of clients have to run in one process.

A client adopts a cursor only after it has handed over what came before it. So what it missed is never lost with a
connection.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from app.message import Update
from clients import long_poll, short_poll, socket_io, sse, websocket


class Client(Protocol):
    """What a module in this folder offers."""

    def receive(self, url: str, after: str | None = None) -> AsyncIterator[Update]:
        """Updates from the server at `url` (http://HOST:PORT) after the cursor `after`; None is from now on.

        Raises ValueError when the server refuses the request; reconnects by itself when the connection is lost.
        """


CLIENTS: dict[str, Client] = {
    "short_poll": short_poll,
    "long_poll": long_poll,
    "sse": sse,
    "websocket": websocket,
    "socket_io": socket_io,
}
