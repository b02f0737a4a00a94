"""Socket.IO, as far as a reader needs it: packets that are polled, or framed, or first the one and then the other.

It does what the official client does (Engine.IO protocol 4): it polls at once, asks on another connection whether
WebSocket gets through, and goes over to it if so; if not, it goes on polling.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

from app.message import Cursor, News, news_in
from clients.raw.frames import TEXT, masked, texts
from clients.raw.request import Request

Connect = Callable[[str], Awaitable[Request]]
"""Makes a connection for requests of this kind (see `clients.headers`)."""


async def packets(connect: Connect, cursor: str | None, via: str) -> AsyncIterator[News | Cursor]:
    """Every event is news or a cursor; ends when the server closes; raises ValueError if it refuses."""
    say = "40" + json.dumps({"after": cursor}, separators=(",", ":"))
    if via == "websocket":
        socket = await connect("socket_io_websocket")
        await socket.ask(target("websocket"))
    else:
        polling, posting = await connect("socket_io_get"), await connect("socket_io_post")
        sid = json.loads((await polling.body(await polling.ask(target("polling"))))[1:])["sid"]
        probing = asyncio.create_task(probe(connect, sid)) if via == "upgrade" else None
        try:
            while not (probing and probing.done() and probing.result()):
                body, _ = await asyncio.gather(poll(polling, sid), post(posting, sid, say))
                say = ""
                for packet in body.split("\x1e"):
                    if packet == "2":
                        say = "3"
                    elif news := understood(packet):
                        yield news
        finally:
            if probing:
                probing.cancel()
                await asyncio.gather(probing, return_exceptions=True)
        socket, say = probing.result(), "5"  # type: ignore[assignment]
    async for text in framed(socket, say):
        if news := understood(text):
            yield news


async def framed(socket: Request, say: str) -> AsyncIterator[str]:
    """Packets in frames, after saying something: at once, or when the server has opened the session."""
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
        socket = await connect("socket_io_websocket")
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
    """The official client's: polls carry a random `t`, so that nobody answers them from a cache."""
    stamp = f"&t={secrets.token_hex(4)}" if transport == "polling" else ""
    return f"/socket.io/?EIO=4&transport={transport}{stamp}" + (f"&sid={sid}" if sid else "")


def understood(packet: str) -> News | Cursor | None:
    """The news in a packet, if there is any; raises ValueError for a refusal, ConnectionError for a goodbye."""
    if packet[0] == "1" or packet[:2] == "41":
        raise ConnectionError("the server has closed the session")
    if packet[:2] == "44":
        raise ValueError(f"connect_error: {json.loads(packet[2:])['message']}")
    if packet[:2] != "42":
        return None
    event, what = json.loads(packet[2:])
    return news_in({"missed": what} if event == "missed" else what)
