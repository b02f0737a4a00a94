"""python-socketio's client, without what gets in the way: no reconnecting, no signal handlers, no words on losses."""

import logging
import re
from types import SimpleNamespace

from aiohttp import ClientError, ClientSession, WSServerHandshakeError
from engineio import async_client
from engineio.payload import Payload
from socketio import AsyncClient
from socketio.exceptions import ConnectionError as NotConnected


class Polled(Payload):  # type: ignore[misc]  # the library has no types
    """What a poll brings. The library takes more than 16 packets for a lost connection."""

    max_decode_packets = 100_000


async_client.payload = SimpleNamespace(Payload=Polled)  # the client's side alone; app/engine_io.py has the other
LOGGER = logging.getLogger(__name__)
LOGGER.setLevel(logging.CRITICAL)

LOST = (NotConnected, ClientError, OSError, TypeError)
"""What it raises when a connection can't be made or is lost; a TypeError if that is in the middle of an upgrade."""


def client() -> AsyncClient:
    """A client for one connection."""
    return AsyncClient(
        reconnection=False,
        handle_sigint=False,
        logger=LOGGER,
        engineio_logger=LOGGER,
        http_session=never_twice,
    )


def never_twice() -> ClientSession:
    """aiohttp's session. By itself it repeats a poll whose connection is lost; what the first one had taken is lost."""
    session = ClientSession()
    session._retry_connection = False
    return session


def refused(problem: Exception) -> None:
    """Raises ValueError with the server's own words, as far as the library has kept them, if it refused to connect."""
    cause = problem.__cause__ or problem
    if status := re.search(r"status code (4\d\d) ", str(problem)):
        raise ValueError(f"{status[1]}: {cause.args[-1]}") from problem
    if isinstance(cause.__context__, WSServerHandshakeError) and cause.__context__.status < 500:
        raise ValueError(f"{cause.__context__.status}: {cause.__context__.message}") from problem
