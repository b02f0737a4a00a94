"""Socket.IO with python-socketio: a new one of its clients for every connection, which says where we were."""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientError, WSServerHandshakeError
from engineio.payload import Payload
from socketio import AsyncClient
from socketio.exceptions import ConnectionError as NotConnected

from app.message import Cursor, News, news_in
from clients.backoff import Backoff

GOODBYE_S = 1.0
Payload.max_decode_packets = 100_000  # by itself it takes an answer with more than 16 packets for a lost connection
LOGGER = logging.getLogger(__name__)
LOGGER.setLevel(logging.CRITICAL)  # that a connection is lost is no error here


async def receive(
    url: str, after: str | None = None, transports: Sequence[str] = ("polling", "websocket")
) -> AsyncIterator[News]:
    """News for ever; `transports` is the one to begin with and the one to upgrade to, or one of them alone."""
    cursor, backoff = after, Backoff()
    while True:
        told = asyncio.Queue[tuple[str, Any]]()
        sio = AsyncClient(reconnection=False, handle_sigint=False, logger=LOGGER, engineio_logger=LOGGER)
        for event in ("cursor", "missed", "message", "connect_error"):
            sio.on(event, lambda what, event=event: told.put_nowait((event, what)))
        sio.on("disconnect", lambda why: told.put_nowait(("lost", why)))
        auth, path = {"after": cursor} if cursor else None, f"{urlsplit(url).path}/socket.io"
        try:
            await sio.connect(url, auth=auth, transports=list(transports), socketio_path=path, wait=False)
            lost = asyncio.create_task(sio.eio.wait())
            lost.add_done_callback(lambda done: told.put_nowait(("lost", done.cancelled() or done.exception())))
            while (event := await told.get())[0] != "lost":
                if event[0] == "connect_error":
                    raise ValueError(f"connect_error: {event[1]['message']}")
                news = news_in({"missed": event[1]} if event[0] == "missed" else event[1])
                cursor = str(news if isinstance(news, Cursor) else news.cursor)
                backoff.reset()
                if not isinstance(news, Cursor):
                    yield news
        except (
            NotConnected,
            ClientError,
            OSError,
            TypeError,
        ) as problem:  # TypeError: lost in the middle of an upgrade
            refused(problem)
        finally:
            # It waits for the poll that is held, and some servers hold it on.
            with contextlib.suppress(ClientError, OSError):  # a TimeoutError is one
                async with asyncio.timeout(GOODBYE_S):
                    await sio.disconnect()
            await sio.eio.disconnect(abort=True)
            sio.eio.queue.put_nowait(None)  # a writer that still waits for something to write
        await backoff.wait()


def refused(problem: Exception) -> None:
    """Raises ValueError with the server's own words, as far as the library has kept them, if it refused to connect."""
    cause = problem.__cause__ or problem
    if status := re.search(r"status code (4\d\d) ", str(problem)):
        raise ValueError(f"{status[1]}: {cause.args[-1]}") from problem
    if isinstance(cause.__context__, WSServerHandshakeError) and cause.__context__.status < 500:
        raise ValueError(f"{cause.__context__.status}: {cause.__context__.message}") from problem
