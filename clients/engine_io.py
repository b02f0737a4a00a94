"""python-socketio's client, without what gets in the way: no reconnecting, no signal handlers, no log of losses."""

import logging
import re
from collections.abc import Callable
from types import SimpleNamespace

from aiohttp import ClientError, ClientSession, TraceConfig, TraceRequestExceptionParams, WSServerHandshakeError
from engineio import async_client
from engineio.payload import Payload
from socketio import AsyncClient
from socketio.exceptions import ConnectionError as NotConnected


class Polled(Payload):  # type: ignore[misc]  # the library has no types
    """What a poll brings. The library treats more than 16 packets as a lost connection."""

    max_decode_packets = 100_000


async_client.payload = SimpleNamespace(Payload=Polled)  # the client's side alone; app/engine_io.py has the other
LOGGER = logging.getLogger(__name__)
LOGGER.setLevel(logging.CRITICAL)

LOST = (NotConnected, ClientError, OSError, TypeError)
"""What it raises when a connection can't be made or is lost; a TypeError if that is in the middle of an upgrade."""


def client(lost: Callable[[], object]) -> AsyncClient:
    """A client for one connection. `lost` is called when a poll or a POST fails: the library may take 30 s to notice.

    A poll that fails is not repeated, as aiohttp would do by itself: what the server sent to the first is gone.
    """

    async def failed(_: ClientSession, __: object, request: TraceRequestExceptionParams) -> None:
        if request.url.query.get("transport") == "polling":  # without WebSocket it could still poll
            lost()

    def session() -> ClientSession:
        tracing = TraceConfig()
        tracing.on_request_exception.append(failed)
        http = ClientSession(trace_configs=[tracing])
        http._retry_connection = False
        return http

    return AsyncClient(
        reconnection=False, handle_sigint=False, logger=LOGGER, engineio_logger=LOGGER, http_session=session
    )


def refused(problem: Exception) -> None:
    """Raises ValueError with the server's own words, as far as the library keeps them, if it refused the connection."""
    cause = problem.__cause__ or problem
    if status := re.search(r"status code (4\d\d) ", str(problem)):
        raise ValueError(f"{status[1]}: {cause.args[-1]}") from problem
    if isinstance(cause.__context__, WSServerHandshakeError) and cause.__context__.status < 500:
        raise ValueError(f"{cause.__context__.status}: {cause.__context__.message}") from problem
