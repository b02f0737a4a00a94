"""Socket.IO from the outside: the official JavaScript client, unchanged, in Node and Chromium; and what is special here."""

import asyncio
import contextlib
import gc
import json
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import socketio
from engineio.packet import Packet
from playwright.async_api import Browser
from websockets.asyncio.client import connect

from app import engine_io, sessions
from app.log import MessageLog
from app.message import TEXT_MAX_BYTES, Message
from app.transports import socket_io
from clients.socket_io import receive
from tests.node import modules
from tests.reading import Json, next_news, position, reading
from tests.serving import LIMIT_S, Running, Wire, ask, eventually, serving, tasks
from tests.watching import watching

pytestmark = pytest.mark.anyio

CLIENT = "socket.io-client@4.8.4"
SCRIPT = Path(__file__).with_name("socket_io_client.js")
WAYS: dict[str, Json] = {
    "default": {},
    "websocket": {"transports": ["websocket"]},
    "polling": {"transports": ["polling"]},
}
every_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(scope="module")
def node_modules() -> Path:
    return modules(CLIENT)


@dataclass
class Official:
    """A Node process with the official client in it."""

    process: Process
    told: list[Json] = field(default_factory=list)

    async def until(self, name: str) -> Any:
        """The next thing of that name; what comes before it is kept in `told`."""
        assert self.process.stdout
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), LIMIT_S)
            assert line, f"it has ended before {name}"
            self.told.append(json.loads(line))
            if name in self.told[-1]:
                return self.told[-1][name]

    async def messages(self, count: int) -> list[Json]:
        return [await self.until("message") for _ in range(count)]

    async def emit(self, *what: object) -> Any:
        """Emit an event; the acknowledgement."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        return await self.until("answer")


@contextlib.asynccontextmanager
async def official(
    node_modules: Path, running: Running, way: str, after: str = "", base: str = "", **more: object
) -> AsyncIterator[Official]:
    options = json.dumps({**WAYS[way], **more})
    process = await asyncio.create_subprocess_exec(
        *("node", str(SCRIPT), running.url, f"{base}/socket.io/", options, after),
        stdin=PIPE,
        stdout=PIPE,
        limit=1_048_576,
        env={**os.environ, "NODE_PATH": str(node_modules)},
    )
    try:
        yield Official(process)
    finally:
        assert process.stdin
        process.stdin.close()  # it says goodbye, and with its last connection it ends
        await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert process.returncode == 0


def written(*messages: Message) -> list[Json]:
    return [json.loads(message.json) for message in messages]


@every_way
async def test_the_official_client_is_told_everything_in_order(way: str, node_modules: Path) -> None:
    log = MessageLog()
    old = log.publish("長輪詢 \u2028")
    async with serving(log) as running:
        async with official(node_modules, running, way) as client:
            assert await client.until("cursor") == {"cursor": str(old.cursor)}
            assert client.told[-1]["over"] == ("websocket" if way == "websocket" else "polling")
            if way == "default":
                assert await client.until("upgrade") == "websocket"
            published = [log.publish(str(i)) for i in range(100)]  # far more than 16 in one answer
            assert await client.messages(100) == written(*published)
            assert client.told[-1]["over"] == ("polling" if way == "polling" else "websocket")
        await eventually(lambda: not running.link.connections)
        async with official(node_modules, running, way, "0") as client:
            assert await client.messages(101) == written(old, *published)
        async with official(node_modules, running, way, query={"after": "0"}) as client:
            assert await client.messages(1) == written(old)


@every_way
async def test_it_loses_and_repeats_nothing_during_the_upgrade_and_after_cuts(way: str, node_modules: Path) -> None:
    async with serving(publish_hz=300, delay_s=0.005) as running:
        async with official(node_modules, running, way, "0") as client:
            told = await client.messages(100)
            for _ in range(3):
                running.link.cut()
                assert await client.until("disconnect") in ("transport close", "transport error")
                told = [one["message"] for one in client.told if "message" in one]
                told += await client.messages(50)
        count = len(told)
        assert [one["cursor"] for one in told] == [f"{running.log.epoch}-{i + 1}" for i in range(count)]


@every_way
async def test_it_is_told_what_it_missed(way: str, node_modules: Path) -> None:
    log = MessageLog(keep=2)
    published = [log.publish(str(i)) for i in range(4)]
    async with serving(log) as running, official(node_modules, running, way, f"{log.epoch}-1") as client:
        assert await client.until("missed") == {"reason": "expired", "cursor": f"{log.epoch}-2"}
        assert await client.messages(2) == written(*published[2:])


@every_way
async def test_it_publishes_and_everybody_hears_of_it(way: str, node_modules: Path) -> None:
    async with serving() as running, contextlib.AsyncExitStack() as stack:
        others = [
            await stack.enter_async_context(official(node_modules, running, other, "0", "/s/a/p")) for other in WAYS
        ]
        client = await stack.enter_async_context(official(node_modules, running, way, "", "/s/a/q"))
        await client.until("cursor")
        for text in ("hello", "\x00" * TEXT_MAX_BYTES, "長" * (TEXT_MAX_BYTES // 3)):
            answer = await client.emit("publish", {"text": text})
            assert answer["text"] == text
            for other in others:
                assert await other.messages(1) == [answer]
        for what, why in (
            (["publish", "hello"], 'send {"text": "..."}: a JSON object with one string in it'),
            (["publish", {"text": ""}], "the text has 0 bytes: 1 to 16384 are accepted"),
            (["publish", {"text": "a" * (TEXT_MAX_BYTES + 1)}], "1 to 16384 are accepted"),
            (["publish"], 'emit "publish" with {"text": "..."}'),
            (["publish", {"text": "a"}, 7], 'emit "publish" with {"text": "..."}'),
            (["shout", {"text": "a"}], 'emit "publish" with {"text": "..."}'),
        ):
            assert why in (await client.emit(*what))["error"]
        assert running.sessions.at("a").log.newest.seq == 3


@every_way
async def test_what_it_may_not_ask_is_refused_with_what_is_accepted(way: str, node_modules: Path) -> None:
    async with serving() as running:
        for after, more, why in (
            ("seven", {}, "'seven' is no cursor: bring back one that you were given"),
            ("", {"auth": {"afer": "0"}}, 'give {"after": CURSOR}, or none'),
            ("", {"auth": {"after": 7}}, 'give {"after": CURSOR}, or none'),
            ("", {"query": {"afer": "0"}}, "unknown parameter 'afer': accepted here is after"),
            ("", {"query": {"after": "7"}}, "'7' is no cursor"),
        ):
            async with official(node_modules, running, way, after, **more) as client:  # type: ignore[arg-type]
                assert why in await client.until("connect_error")
    assert not running.log.newest.seq


async def test_the_official_client_works_in_a_browser(node_modules: Path, chromium: Browser) -> None:
    library = (node_modules / "socket.io-client/dist/socket.io.min.js").read_text()
    async with serving() as running:
        page = await chromium.new_page()
        for host in (running.host, f"localhost:{running.port}"):  # any name that the Guard lets in
            await page.goto(f"http://{host}/")
            await page.evaluate(library)
            for options in WAYS.values():
                answer = await page.evaluate(
                    """(options) => new Promise((resolve, reject) => {
                        const socket = io(options);
                        socket.on("connect_error", reject);
                        socket.on("message", (message) => { socket.disconnect(); resolve(message); });
                        socket.on("cursor", () => socket.emit("publish", { text: "from a browser" }));
                    })""",
                    options,
                )
                assert answer["text"] == "from a browser"
        await page.close()


async def test_many_hear_the_same() -> None:
    async with serving() as running, contextlib.AsyncExitStack() as stack:
        told = []
        for number in range(30):
            stream = receive(running.url, "0", list(WAYS.values())[number % 3].get("transports", ("polling", "websocket")))
            told.append(await stack.enter_async_context(contextlib.aclosing(stream)))
        published = [running.log.publish(str(i)) for i in range(40)]
        async with asyncio.timeout(LIMIT_S):
            for stream in told:
                assert [await anext(stream) for _ in published] == published
