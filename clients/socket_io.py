"""Socket.IO with python-socketio: a new one of its clients for every connection, which says where we were."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from app.message import Cursor, Update, update_in
from clients.backoff import Backoff
from clients.engine_io import LOST, client, refused

GOODBYE_S = 1.0


async def receive(
    url: str, after: str | None = None, transports: Sequence[str] = ("polling", "websocket")
) -> AsyncIterator[Update]:
    """News for ever; `transports` is the one to begin with and the one to upgrade to, or one of them alone."""
    cursor, backoff = after, Backoff()
    while True:
        try:
            async with contextlib.aclosing(connection(url, cursor, transports)) as told:
                async for update in told:
                    if not isinstance(update, Cursor):
                        yield update
                    cursor = str(update if isinstance(update, Cursor) else update.cursor)
                    backoff.reset()
        except LOST as problem:
            refused(problem)
        await backoff.wait()


async def connection(url: str, cursor: str | None, transports: Sequence[str]) -> AsyncGenerator[Update | Cursor, None]:
    """What is told over one connection, until it is lost."""
    told, sio = asyncio.Queue[tuple[str, Any]](), client()
    for event in ("cursor", "missed", "message", "connect_error", "disconnect"):
        sio.on(event, lambda what, event=event: told.put_nowait((event, what)))
    auth, path = {"after": cursor}, f"{urlsplit(url).path}/socket.io"
    try:
        await sio.connect(url, auth=auth, transports=list(transports), socketio_path=path, wait=False)
        lost = asyncio.create_task(sio.eio.wait())  # not every loss is an event
        lost.add_done_callback(lambda _: told.put_nowait(("disconnect", lost.cancelled() or lost.exception())))
        while (got := await told.get())[0] != "disconnect":
            if got[0] == "connect_error":
                raise ValueError(f"connect_error: {got[1]['message']}")
            yield update_in({"missed": got[1]} if got[0] == "missed" else got[1])
    finally:
        with contextlib.suppress(*LOST):
            async with asyncio.timeout(GOODBYE_S):  # it waits for the poll that is held, and not every server ends that
                await sio.disconnect()
        await sio.eio.disconnect(abort=True)
        sio.eio.queue.put_nowait(None)  # for a writer that still waits for something to write
