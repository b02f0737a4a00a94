"""Socket.IO, as far as a reader needs it: packets in polls, or in frames, or first in the one and then in the other.

It does what the official client does (Engine.IO protocol 4): it polls at once, tries on another connection whether
WebSocket gets through, and switches to it if so; if not, it continues to poll.
"""

import asyncio
import json
from collections.abc import AsyncIterator

from app.message import Cursor, Update, update_in
from clients.raw.engine import framed, poll, post, probe, target
from clients.raw.request import Connect


async def packets(connect: Connect, cursor: str | None, pause_s: float, via: str) -> AsyncIterator[Update | Cursor]:
    """Every event is an update or a cursor; ends when the server closes; raises ValueError if it refuses."""
    say = "40" + json.dumps({"after": cursor}, separators=(",", ":"))
    if via == "websocket":
        socket = await connect("socket_io_websocket", None)
        await socket.ask(target("websocket"))
    else:
        first = await connect("socket_io_get", None)
        sid = json.loads((await first.body(await first.ask(target("polling"))))[1:])["sid"]
        posting, polling = await connect("socket_io_post", first), await connect("socket_io_get", None)
        probing = asyncio.create_task(probe(connect, sid)) if via == "upgrade" else None
        try:
            while not (probing and probing.done() and probing.result()):
                body, _ = await asyncio.gather(poll(polling, sid), post(posting, sid, say))
                say = ""
                for packet in body.split("\x1e"):
                    if packet == "2":
                        say = "3"
                    elif update := parse_packet(packet):
                        yield update
        finally:
            if probing:
                probing.cancel()
                await asyncio.gather(probing, return_exceptions=True)
        socket, say = probing.result(), "5"  # type: ignore[assignment]
    async for text in framed(socket, say):
        if update := parse_packet(text):
            yield update


def parse_packet(packet: str) -> Update | Cursor | None:
    """The update in a packet, if there is one; raises ValueError if it is a refusal, ConnectionError if a goodbye."""
    if packet[0] == "1" or packet[:2] == "41":
        raise ConnectionError("the server has closed the session")
    if packet[:2] == "44":
        raise ValueError(f"connect_error: {json.loads(packet[2:])['message']}")
    if packet[:2] != "42":
        return None
    event, what = json.loads(packet[2:])
    return update_in({"missed": what} if event == "missed" else what)
