"""Engine.IO, as far as a reader of Socket.IO needs it (protocol 4): a session that is polled, or a WebSocket."""

import asyncio
import secrets
from collections.abc import AsyncIterator

from clients.raw.frames import TEXT, masked, texts
from clients.raw.request import Connect, Request


async def framed(socket: Request, say: str) -> AsyncIterator[str]:
    """Packets in frames. `say` is sent at once if it is the upgrade, otherwise when the session is open."""
    if say == "5":
        socket.writer.write(masked(TEXT, say.encode()))
    async for text in texts(socket):
        packet = text.decode()
        if packet[0] in "02":
            socket.writer.write(masked(TEXT, (say if packet[0] == "0" else "3").encode()))
        yield packet


async def probe(connect: Connect, sid: str) -> Request | None:
    """A WebSocket for the session, if one gets through."""
    try:
        socket = await connect("socket_io_websocket", None)
        await socket.ask(target("websocket", sid))
        socket.writer.write(masked(TEXT, b"2probe"))
        return socket if await anext(texts(socket)) == b"3probe" else None
    except (OSError, ValueError, asyncio.IncompleteReadError):
        return None


async def poll(polling: Request, sid: str) -> str:
    return (await polling.body(await polling.ask(target("polling", sid)))).decode()


async def post(posting: Request, sid: str, packet: str) -> None:
    if packet:
        await posting.body(await posting.ask(target("polling", sid), "POST", packet))


def target(transport: str, sid: str = "") -> str:
    """The official client's: polls carry a random `t`, so that no cache responds to them."""
    stamp = f"&t={secrets.token_hex(4)}" if transport == "polling" else ""
    return f"/socket.io/?EIO=4&transport={transport}{stamp}" + (f"&sid={sid}" if sid else "")
