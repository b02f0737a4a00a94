"""A crowd: many readers in one process that only count, so that the server is measured, not the readers.

For the server's CPU (`CountingCrowd`) a reader costs less than what the server does for it: a client of `clients.raw`
opens the connection, and from the first message on a `Counter` counts in the bytes as they come, and parses nothing.
For the server's memory (`GrowingCrowd`) readers are whole clients of `clients.raw`, whose number grows in steps.
"""

import asyncio
import contextlib
import gc
import json
import re
import resource
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Protocol
from urllib.parse import urlsplit

import uvloop

from app.message import Message, read_batch
from clients import raw
from clients.headers import library
from clients.raw.engine import poll, post, probe, target
from clients.raw.frames import TEXT, masked, texts
from clients.raw.request import Request
from experiments.design import Condition, Run
from experiments.run.usage import Usage

MARKER = b'"text"'
"""Stands once in every message; the words that messages are made of have no quotes."""

OPENING_MOST = 20
"""How many readers open their connections at a time: the server's queue of new connections is not what is measured."""


@dataclass(frozen=True)
class Tally:
    """What the crowd has counted so far, and what it has cost: `responses` to polls, and `messages` in all readers."""

    usage: Usage
    responses: int
    messages: int


@dataclass
class Counted:
    """What the crowd counted: a tally per mark, how many readers it had, and how many lost their connection."""

    tallies: list[Tally] = field(default_factory=list)
    readers: int = 0
    lost: int = 0


@dataclass
class Counts:
    """What a crowd has counted so far: `lost` readers have lost their connection."""

    responses: int = 0
    messages: int = 0
    readers: int = 0
    lost: int = 0


class Crowd(Protocol):
    """Readers of one condition."""

    @property
    def counts(self) -> Counts: ...

    async def grow(self, readers: int) -> None:
        """Returns once there are this many readers and each has received a message."""


class Counter(asyncio.Protocol):
    """Counts messages in what arrives over a connection that was opened before."""

    def __init__(self, crowd: "CountingCrowd") -> None:
        self.crowd = crowd
        self._tail = b""

    def data_received(self, data: bytes) -> None:
        data = self._tail + data
        self.crowd.counts.messages += data.count(MARKER)
        self._tail = data[-len(MARKER) + 1 :]  # half a marker may be at the end

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.counts.lost += not self.crowd.ended


class Poller(asyncio.Protocol):
    """Sends a request, counts, and sends the next one after a pause; `asks(cursor)` makes the request's bytes."""

    def __init__(self, crowd: "CountingCrowd", cursor: str, asks: Callable[[str], bytes]) -> None:
        self.crowd, self.cursor, self.asks = crowd, cursor, asks
        self._unread = b""

    def ask(self, transport: Any) -> None:
        self._transport = transport
        if not transport.is_closing():
            transport.write(self.asks(self.cursor))

    def data_received(self, data: bytes) -> None:
        self._unread += data
        head, end, body = self._unread.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: (\d+)", head)
        whole = len(body) >= int(length[1]) if length else body.endswith(b"\r\n0\r\n\r\n")
        if not end or not whole:
            return
        self._unread = b""
        self.crowd.counts.responses += 1
        self.crowd.counts.messages += body.count(MARKER)
        if length:  # a batch ends with its cursor; Socket.IO's session knows its own
            self.cursor = body[body.rindex(b'"cursor"') :].split(b'"')[3].decode()
        pause_s = self.crowd.condition.pause_s
        if pause_s:
            asyncio.get_running_loop().call_later(pause_s, self.ask, self._transport)
        else:
            self.ask(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.counts.lost += not self.crowd.ended


@dataclass
class CountingCrowd:
    """Readers that use as little CPU as possible."""

    condition: Condition
    url: str
    after: str
    counts: Counts = field(default_factory=Counts)
    ended: bool = False
    kept: list[Request] = field(default_factory=list)

    async def grow(self, readers: int) -> None:
        await _together([self._open for _ in range(readers - self.counts.readers)])
        self.counts.readers = readers
        # All are connected; only now do pollers begin, at phases that are spread over their pause.
        for number, (poller, transport) in enumerate(self._pollers):
            phase_s = self.condition.pause_s * number / len(self._pollers)
            asyncio.get_running_loop().call_later(phase_s, poller.ask, transport)

    def __post_init__(self) -> None:
        self._pollers: list[tuple[Poller, Any]] = []

    async def _connect(self, kind: str, over: Request | None = None) -> Request:
        server = urlsplit(self.url)
        headers = library(kind, server.netloc)
        if over:
            return Request(over.reader, over.writer, over.transport, headers)
        reader, writer = await asyncio.open_connection(server.hostname, server.port)
        self.kept.append(Request(reader, writer, self.condition.transport, headers))
        return self.kept[-1]

    async def _open(self) -> None:
        """Open a connection, receive the first message, and leave the rest to a protocol that counts."""
        if self.condition.kind.batches:
            request = await self._connect(self.condition.transport)
            batch = read_batch(await request.body(await request.get(self.after)))
            path = self.condition.kind.path
            self._poll(request, str(batch.cursor), lambda cursor: f"{path}?after={cursor}")
        elif self.condition.transport == "socket_io":
            await self._open_session()
        else:
            request = await self._connect(self.condition.transport)
            await request.get(self.after)
            await request.reader.readuntil(MARKER)
            self._count(request)

    async def _open_session(self) -> None:
        """As `clients.raw.packets` does: by polling first, if it may, and then perhaps over a WebSocket."""
        say = "40" + json.dumps({"after": self.after}, separators=(",", ":"))
        if self.condition.via == "websocket":
            socket = await self._connect("socket_io_websocket")
            await socket.ask(target("websocket"))
            await anext(texts(socket))
            socket.writer.write(masked(TEXT, say.encode()))
            await socket.reader.readuntil(MARKER)
            return self._count(socket)
        first = await self._connect("socket_io_get")
        sid = json.loads((await first.body(await first.ask(target("polling"))))[1:])["sid"]
        posting, polling = await self._connect("socket_io_post", first), await self._connect("socket_io_get")
        await post(posting, sid, say)
        while MARKER.decode() not in await poll(polling, sid):
            pass
        if self.condition.via == "polling":
            return self._poll(polling, "", lambda _: target("polling", sid))
        upgraded = await probe(self._connect, sid)
        if upgraded is None:
            raise ConnectionError("the WebSocket of a Socket.IO session was refused")
        upgraded.writer.write(masked(TEXT, b"5"))
        return self._count(upgraded)

    def _count(self, request: Request) -> None:
        request.writer.transport.set_protocol(Counter(self))

    def _poll(self, request: Request, cursor: str, path: Callable[[str], str]) -> None:
        rest = f" HTTP/1.1\r\n{request.headers}\r\n".encode()
        poller = Poller(self, cursor, lambda cursor: b"GET " + path(cursor).encode() + rest)
        request.writer.transport.set_protocol(poller)
        self._pollers.append((poller, request.writer.transport))


@dataclass
class GrowingCrowd:
    """Whole clients of `clients.raw`, until the process ends."""

    condition: Condition
    url: str
    after: str
    counts: Counts = field(default_factory=Counts)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    async def grow(self, readers: int) -> None:
        await _together([self._start for _ in range(readers - self.counts.readers)])
        self.counts.readers = readers

    async def _start(self) -> None:
        """Returns when the reader has received its first message."""
        received = asyncio.Event()
        task = asyncio.create_task(self._read(received))
        self.tasks.append(task)
        waiting = asyncio.create_task(received.wait())
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def _read(self, received: asyncio.Event) -> None:
        condition = self.condition
        stream = raw.receive(condition.transport, self.url, self.after, condition.pause_s, via=condition.via)
        try:
            async with contextlib.aclosing(stream):  # type: ignore[type-var]
                async for update in stream:
                    self.counts.messages += isinstance(update, Message)
                    received.set()
        except (OSError, ValueError):
            self.counts.lost += 1


async def _together(openings: list[Callable[[], Awaitable[None]]]) -> None:
    """Run all of them, OPENING_MOST at a time."""
    room = asyncio.Semaphore(OPENING_MOST)

    async def one(opening: Callable[[], Awaitable[None]]) -> None:
        async with room:
            await opening()

    async with asyncio.TaskGroup() as group:
        for opening in openings:
            group.create_task(one(opening))


def main(run: Run, pipe: Connection) -> None:
    """The process: is sent `(url, after)` and then, as often as wanted, `("grow", readers)`, which it
    confirms with "grown", or "mark", upon which it takes a tally. Anything else ends it: it sends `Counted`.

    It says "failed: ..." instead of "grown" if a reader can't be opened.
    """
    with contextlib.suppress(KeyboardInterrupt, EOFError, BrokenPipeError):
        gc.freeze()
        open_files_most()
        url, after = pipe.recv()
        kind = GrowingCrowd if run.condition.measures == "memory" else CountingCrowd
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(partial(kind, run.condition, url, after), pipe))


async def _serve(made: Callable[[], Crowd], pipe: Connection) -> None:
    crowd, counted = made(), Counted()
    while True:
        said = await asyncio.to_thread(pipe.recv)
        if said == "mark":
            counted.tallies.append(Tally(Usage.now(), crowd.counts.responses, crowd.counts.messages))
        elif isinstance(said, tuple):
            try:
                await crowd.grow(said[1])
            except ExceptionGroup as problems:
                first = problems.exceptions[0]
                pipe.send(f"failed: {type(first).__name__}: {first}")
                return
            pipe.send("grown")
        else:
            break
    counted.readers, counted.lost = crowd.counts.readers, crowd.counts.lost
    pipe.send(counted)


def open_files_most() -> int:
    """Raise this process's limit of open files as far as it may, for itself and what it starts; returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS says "unlimited" and means less
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return 1_000_000 if soft == resource.RLIM_INFINITY else soft
