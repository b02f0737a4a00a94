"""A page, as the server sees it: its feed (`/watch`), and plain sockets that are the page's own."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.reading import Json
from tests.serving import LIMIT_S, Running, ServerProcess, Wire


@dataclass
class Feed:
    """Everything that a page was told so far."""

    socket: ClientConnection
    told: list[Json] = field(default_factory=list)

    async def say(self, what: object) -> None:
        await self.socket.send(json.dumps(what))

    async def set(self, **settings: Any) -> None:
        """Say that the session is to be like this, and otherwise as it is at first."""
        await self.say({"settings": {"publish_hz": 0, "delay_ms": 0, "upgrades": "pass", **settings}})

    async def until(self, kind: str) -> Any:
        """Read on to the next thing of that kind."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                self.told.append(json.loads(await self.socket.recv()))
                if kind in self.told[-1]:
                    return self.told[-1][kind]

    async def up_to_now(self) -> "Feed":
        """Read everything that the server has told before it is asked this."""
        await self.say({"clock": 0})
        await self.until("clock")
        return self

    def all(self, kind: str) -> list[Any]:
        return [told[kind] for told in self.told if kind in told]

    def bytes(self, connection: int, direction: str) -> bytes:
        pieces = [one for one in self.all("piece") if (one["connection"], one["direction"]) == (connection, direction)]
        data = [base64.b64decode(piece["base64"], validate=True) for piece in pieces]
        assert [len(one) for one in data] == [piece["size"] for piece in pieces]
        return b"".join(data)


@contextlib.asynccontextmanager
async def watching(running: Running | ServerProcess, session: str = "a", page: str = "p") -> AsyncIterator[Feed]:
    """The feed of a page, its hello read."""
    target = f"ws://{running.host}/watch?session={session}&page={page}"
    async with connect(target, compression=None, proxy=None) as socket:
        feed = Feed(socket)
        await feed.until("hello")
        assert len(feed.told) == 1
        yield feed


def number(running: Running, wire: Wire) -> int:
    """The server's number for an open connection of ours."""
    (found,) = [one.number for one in running.link.connections.values() if one.client_port == wire.port]
    return found
