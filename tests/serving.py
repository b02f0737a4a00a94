"""Real servers for the tests, in this process or in their own, and plain sockets to talk to them.

Nothing here sleeps for a while and hopes: `eventually` waits for a condition, and its time limit is only there so
that a broken test ends.
"""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Self, get_args

import pytest

from app.__main__ import listen
from app.chat import Chat
from app.guard import LOCAL_NAMES
from app.link import FanOut, Link, Observer, Tap, Upgrades
from app.log import MessageLog
from app.server import Server, create_app
from app.sessions import Sessions

HTTP_TRANSPORTS = ("short_poll", "long_poll", "sse")
PLAIN_TRANSPORTS = (*HTTP_TRANSPORTS, "websocket")
TRANSPORTS = (*PLAIN_TRANSPORTS, "socket_io")
STREAMS = ("sse", "websocket", "socket_io")

EVERY_STREAM: list[tuple[str, FanOut]] = [(stream, fan_out) for stream in STREAMS for fan_out in get_args(FanOut)]
EVERY_READER: list[tuple[str, FanOut]] = [("short_poll", "hub"), ("long_poll", "hub"), *EVERY_STREAM]
"""Every transport, and who writes to its readers, where that makes a difference."""

EVERY_WS = (
    "websockets-sansio",
    # uvicorn means to drop it, and says so where it is used.
    pytest.param(
        "websockets", marks=pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:The `websockets")
    ),
    "wsproto",
)

LIMIT_S = 20.0
"""How long anything may take before a test gives up: far from what it takes."""


def path(transport: str) -> str:
    return "/socket.io/" if transport == "socket_io" else "/" + transport.replace("_", "-")


async def eventually(condition: Callable[[], object]) -> None:
    """Return as soon as `condition()` is true; raises TimeoutError if it never is."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110  # conditions are of all kinds; nobody signals them
            await asyncio.sleep(0.002)


def tasks() -> Counter[str]:
    """What is going on in this process."""
    return Counter(task.get_coro().__qualname__ for task in asyncio.all_tasks())  # type: ignore[union-attr]


@dataclass
class Running:
    """A server in this process, and all that it is made of."""

    port: int
    log: MessageLog
    link: Link
    server: Server
    sessions: Sessions
    chat: Chat

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"


def held(running: Running) -> int:
    """How many connections wait for the response to a poll that has taken the shortcut."""
    return sum(tap.on_more is not None for tap in taps(running))


def taps(running: Running) -> list[Tap]:
    return [protocol.transport._tap for protocol in running.server.server_state.connections]  # type: ignore[attr-defined]


@contextlib.asynccontextmanager
async def serving(
    log: MessageLog | None = None,
    *,
    port: int = 0,
    delay_s: float = 0.0,
    upgrades: Upgrades = "pass",
    observer: Observer | None = None,
    names: Collection[str] = LOCAL_NAMES,
    publish_hz: float = 0.0,
    http: Literal["httptools", "h11"] = "httptools",
    ws: Literal["websockets-sansio", "websockets", "wsproto"] = "websockets-sansio",
    fan_out: FanOut = "hub",
    tap: bool = True,
) -> AsyncIterator[Running]:
    """A server in this process, on the test's own event loop; it has ended when the block has.

    It ends as it does for everybody if the test has told it to (`should_exit`), and otherwise without the pauses,
    a fifth of a second, that uvicorn makes for the clients' sake.
    """
    log = log or MessageLog()
    sessions, chat = Sessions(), Chat(log)
    link = Link(delay_s, {"s": sessions, "chat": chat}, [observer] if observer else [], upgrades, fan_out=fan_out)
    listener = listen("127.0.0.1", port)
    app = create_app(log, sessions, chat, names, publish_hz)
    server = Server(app, (log, sessions), link, http=http, ws=ws, tap=tap)
    running = asyncio.create_task(server.serve([listener]))
    await eventually(lambda: server.started or running.done())
    try:
        yield Running(listener.getsockname()[1], log, link, server, sessions, chat)
    finally:
        if not server.should_exit:
            running.cancel()
            for one in server.servers:
                one.close()
            log.close()
            sessions.close()
            link.cut()
            await server.lifespan.shutdown()
            await eventually(lambda: not link.connections and not server.server_state.tasks)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(running, LIMIT_S)


@dataclass
class Wire:
    """A client's own socket: every byte that it sent and received."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str
    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Self]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with cls.over(reader, writer, port) as wire:
            yield wire

    @classmethod
    @contextlib.asynccontextmanager
    async def over(cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> AsyncIterator[Self]:
        try:
            yield cls(reader, writer, f"127.0.0.1:{port}")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    @property
    def port(self) -> int:
        port: int = self.writer.get_extra_info("sockname")[1]
        return port

    async def send(self, data: bytes) -> None:
        self.sent += data
        self.writer.write(data)
        await self.writer.drain()

    async def ask(
        self, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"", method: str = "GET"
    ) -> None:
        """Send a request."""
        lines = {
            "Host": self.host,
            **({"Content-Type": "application/json"} if method == "POST" else {}),
            **({"Content-Length": str(len(body))} if body else {}),
            **(headers or {}),
        }
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        await self.send(f"{head}\r\n".encode() + body)

    async def upgrade(self, target: str = "/websocket", headers: Mapping[str, str] | None = None) -> None:
        """Ask for a WebSocket."""
        key = "dGhlIHNhbXBsZSBub25jZQ=="  # the one of RFC 6455, section 1.3
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key}
        await self.ask(target, {**upgrade, "Sec-WebSocket-Version": "13", **(headers or {})})

    async def read(self, transport: str, after: str | None = None, base: str = "", **headers: str) -> None:
        """Ask as a reader over that transport does."""
        query = f"after={after}" if after else ""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if transport == "socket_io":
            await self.upgrade(f"{base}/socket.io/?EIO=4&transport=websocket&{query}", headers)
            await self.until(b"\r\n\r\n")
            await self.send(bytes([0x81, 0x82, 0, 0, 0, 0]) + b"40")
        else:
            ask = self.upgrade if transport == "websocket" else self.ask
            await ask(f"{base}{path(transport)}?{query}".removesuffix("?"), headers)

    async def exactly(self, size: int) -> bytes:
        return self._kept(await asyncio.wait_for(self.reader.readexactly(size), LIMIT_S))

    async def until(self, end: bytes) -> bytes:
        return self._kept(await asyncio.wait_for(self.reader.readuntil(end), LIMIT_S))

    async def some(self) -> bytes:
        """What there is, or what comes next; empty when the other side has closed."""
        return self._kept(await asyncio.wait_for(self.reader.read(65_536), LIMIT_S))

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        return self._kept(await asyncio.wait_for(self.reader.read(), LIMIT_S))

    async def answer(self) -> tuple[int, bytes]:
        """The status and the body of an answer that says how long it is, in all or in chunks."""
        head = await self.until(b"\r\n\r\n")
        if head.split()[1] == b"204":
            return 204, b""
        if b"\r\ntransfer-encoding: chunked" in head.lower():
            body = b""
            while chunk := int(await self.until(b"\r\n"), 16):
                body += (await self.exactly(chunk + 2))[:-2]
            await self.exactly(2)
            return int(head.split()[1]), body
        size = head.lower().partition(b"\r\ncontent-length: ")[2].split(b"\r\n")[0]
        return int(head.split()[1]), await self.exactly(int(size))

    def reset(self) -> None:
        """Go away without a goodbye: the other side's system is told with a RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def _kept(self, data: bytes) -> bytes:
        self.received += data
        return data


async def ask(
    port: int, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"", method: str = "GET"
) -> tuple[int, bytes]:
    """One request on a connection of its own: status and body."""
    async with Wire.to(port) as wire:
        await wire.ask(target, headers, body, method)
        return await wire.answer()


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def plain_server(talk: Talk) -> AsyncIterator[str]:
    """A server that does `talk` on every connection, and its HOST:PORT; with the block, all of them have ended."""
    talks: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        try:
            await talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await asyncio.wait_for(asyncio.gather(*filter(None, talks)), LIMIT_S)


@dataclass
class ServerProcess:
    """A `python -m app` that says where it is."""

    process: Process
    port: int

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    async def end(self, how: int = signal.SIGINT) -> tuple[int, list[str]]:
        """Send it a signal; its exit code and the lines on its standard error."""
        self.process.send_signal(how)
        _, stderr = await asyncio.wait_for(self.process.communicate(), LIMIT_S)
        assert self.process.returncode is not None
        return self.process.returncode, stderr.decode().splitlines()


async def python(*arguments: str, **more: Any) -> Process:
    """This Python, its output piped to the test."""
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=PIPE, stderr=PIPE, env={**os.environ, "LC_ALL": "C"}, **more
    )


@contextlib.asynccontextmanager
async def server_process(*options: str, descriptors: int | None = None, **more: Any) -> AsyncIterator[ServerProcess]:
    """`python -m app --port 0 OPTIONS`, every warning an error, from when it listens; killed if it still runs.

    `descriptors` limits how many file descriptors it may have.
    """
    limit = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (descriptors, descriptors)) if descriptors else None
    process = await python("-W", "error", "-m", "app", "--port", "0", *options, preexec_fn=limit, **more)
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), LIMIT_S)).decode()
        yield ServerProcess(process, int(line.partition("http://127.0.0.1:")[2].split("/")[0]))
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[Wire, Wire, Wire]]:
    """A stream, a WebSocket, and a connection whose request has its response: each may stay for as long as it likes."""
    async with Wire.to(port) as streaming, Wire.to(port) as upgraded, Wire.to(port) as idle:
        await streaming.ask("/sse")
        await streaming.until(b"\n\n\r\n")
        await upgraded.upgrade()
        await upgraded.until(b'"}')
        await idle.ask("/short-poll")
        await idle.answer()
        yield streaming, upgraded, idle
