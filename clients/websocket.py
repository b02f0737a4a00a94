"""WebSocket with the websockets library: connect once, then every frame is news."""

from collections.abc import AsyncIterator

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from app.message import Cursor, Update, read_update
from clients.backoff import Backoff


async def receive(url: str, after: str | None = None) -> AsyncIterator[Update]:
    """News for ever; WebSocket has no Last-Event-ID, so who comes back says itself where it was."""
    cursor, backoff = after, Backoff()
    while True:
        target = f"ws{url.removeprefix('http')}/websocket" + (f"?after={cursor}" if cursor else "")
        try:
            async with connect(target, compression=None, proxy=None) as socket:
                async for frame in socket:
                    update = read_update(frame)
                    if not isinstance(update, Cursor):
                        yield update
                    cursor = str(update if isinstance(update, Cursor) else update.cursor)
                    backoff.reset()
        except (OSError, ConnectionClosed, InvalidHandshake) as lost:
            if isinstance(lost, InvalidStatus) and lost.response.status_code < 500:
                raise ValueError(f"{lost.response.status_code}: {lost.response.body.decode()[:300]}") from lost
            if isinstance(lost, ConnectionClosed) and lost.rcvd and lost.rcvd.code == 1008:
                raise ValueError(f"1008: {lost.rcvd.reason}") from lost
        await backoff.wait()
