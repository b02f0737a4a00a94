"""A reader for every transport that knows nothing of `clients`: what the server says, as JSON, in the order it comes.

Positions (`{"cursor": ...}`) are handed on too, so that a test knows where a reader stands before it publishes.
"""

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import httpx
from websockets.asyncio.client import connect

from app.message import Cursor
from tests.serving import LIMIT_S, path

Json = dict[str, Any]


@contextlib.asynccontextmanager
async def reading(transport: str, url: str, after: str | None = None) -> AsyncIterator[AsyncGenerator[Json, None]]:
    """What a reader at `after` is told; the connection is closed with the block."""
    read = {
        "short_poll": read_polls,
        "long_poll": read_polls,
        "sse": read_sse,
        "websocket": read_websocket,
        "socket_io": read_socket_io,
    }[transport]
    async with contextlib.aclosing(read(transport, url, {} if after is None else {"after": after})) as told:
        yield told


async def read_polls(transport: str, url: str, place: dict[str, str]) -> AsyncGenerator[Json, None]:
    # Without a place, the first request only asks where "now" is.
    hold = {"hold": "0"} if transport == "long_poll" and not place else {}
    async with httpx.AsyncClient(base_url=url, timeout=LIMIT_S) as http:
        while True:
            response = await http.get(path(transport), params={**place, **hold})
            assert response.status_code == 200, response.text
            assert response.headers["content-type"] == "application/json"
            assert response.headers["cache-control"] == "no-store"
            body = response.json()
            if "missed" in body:
                yield {"missed": body["missed"]}
            for message in body["messages"]:
                yield message
            yield {"cursor": body["cursor"]}
            place, hold = {"after": body["cursor"]}, {}


async def read_sse(transport: str, url: str, place: dict[str, str]) -> AsyncGenerator[Json, None]:
    async with (
        httpx.AsyncClient(base_url=url, timeout=LIMIT_S) as http,
        http.stream("GET", path(transport), params=place) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
        assert response.headers["cache-control"] == "no-store"
        unread = ""
        async for piece in response.aiter_text():
            *events, unread = (unread + piece).split("\n\n")
            for event in events:
                fields = dict(line.split(": ", 1) for line in event.split("\n") if ": " in line)
                if "data" in fields:
                    told = json.loads(fields["data"])
                    assert fields["id"] == told.get("missed", told)["cursor"]
                    assert fields.get("event") == ("missed" if "missed" in told else None)
                    yield told
                elif "id" in fields:
                    yield {"cursor": fields["id"]}


async def read_websocket(transport: str, url: str, place: dict[str, str]) -> AsyncGenerator[Json, None]:
    query = f"?after={place['after']}" if place else ""
    async with connect(f"ws{url.removeprefix('http')}{path(transport)}{query}", compression=None) as socket:
        async for frame in socket:
            assert isinstance(frame, str)
            yield json.loads(frame)


async def read_socket_io(transport: str, url: str, place: dict[str, str]) -> AsyncGenerator[Json, None]:
    """Packets by hand: Engine.IO protocol 4, Socket.IO protocol 5, over WebSocket alone."""
    async with connect(f"ws{url.removeprefix('http')}{path(transport)}?EIO=4&transport=websocket") as socket:
        opened = await socket.recv()
        assert isinstance(opened, str) and opened[0] == "0" and json.loads(opened[1:])["upgrades"] == []
        await socket.send("40" + json.dumps({"after": place.get("after")}))
        connected = await socket.recv()
        assert isinstance(connected, str) and connected.startswith('40{"sid":')
        async for frame in socket:
            assert isinstance(frame, str)
            if frame == "2":
                await socket.send("3")
                continue
            assert frame.startswith("42")
            event, told = json.loads(frame[2:])
            assert event == ("message" if "text" in told else "missed" if "reason" in told else "cursor")
            yield {"missed": told} if event == "missed" else told


async def position(told: AsyncGenerator[Json, None]) -> Cursor:
    """Where a reader that has nothing to hear stands."""
    first = await anext(told)
    assert first.keys() == {"cursor"}
    return Cursor.parse(first["cursor"])


async def next_update(told: AsyncGenerator[Json, None], count: int) -> list[Json]:
    """The next `count` things that are not positions."""
    update: list[Json] = []
    while len(update) < count:
        one = await anext(told)
        if one.keys() != {"cursor"}:
            update.append(one)
    return update
