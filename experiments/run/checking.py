"""A crowd whose readers check every message: that it comes in order, once, and that none is missing.

It may be spread over several processes. Every process counts for all of its readers. It notes when each message
reached each of them, but which reader that was only for a sample (`experiments.run.sample`): a row per reader and
message would be gigabytes.

A reader is a protocol on uvloop, and costs its process about 4 us per delivery: one `recv`, one look at the clock, and
one look into what other readers have decoded before it (`experiments.run.decode`).
"""

import asyncio
import contextlib
import gc
import math
import os
import random
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import uvloop

from app.message import Cursor
from clients.backoff import Backoff
from clients.headers import library
from clients.raw.engine import target
from clients.raw.frames import TEXT, masked
from experiments.design import Condition, Run
from experiments.run import cores
from experiments.run.counting import OPENING_MOST, Tally, open_files_most
from experiments.run.decode import DECODERS, Decoded, Refused, connect_packet, head
from experiments.run.sample import Sample
from experiments.run.usage import Usage

READY_S = 30.0
"""How long a reader may take to be ready."""

RETRY_S = 1.0
"""After how long readers without a backoff reconnect: what this server's SSE streams tell browsers."""

PROCESS_MOST = 1_000
"""Readers of one process, where there are cores for more."""


def processes(readers: int, count: int = len(cores.CORES) or os.cpu_count() or 1) -> int:
    """In how many processes so many readers live, with so many cores; none has to share the server's."""
    return max(1, min(math.ceil(readers / PROCESS_MOST), count - 1))


class Order:
    """Whether messages come one after the other, by their numbers; `last` is the highest so far."""

    __slots__ = ("absent", "last", "reordered", "repeated")

    def __init__(self, last: int) -> None:
        self.last = last
        self.absent: set[int] = set()
        self.repeated = self.reordered = 0

    def take(self, number: int) -> None:
        if number == self.last + 1:
            self.last = number
        elif number > self.last:
            self.absent.update(range(self.last + 1, number))
            self.last = number
        elif number in self.absent:  # it was only late
            self.absent.remove(number)
            self.reordered += 1
        else:
            self.repeated += 1

    def missing(self, newest: int) -> int:
        """How many messages have not come, when `newest` is the last that there is."""
        return len(self.absent) + max(0, newest - self.last)


class Reader(asyncio.Protocol):
    """One reader's connection: asks, says when it is `ready`, decodes, checks, and polls again if it has to."""

    def __init__(self, crowd: "Crowd", number: int, after: str) -> None:
        self.crowd, self.number, self.cursor = crowd, number, after
        self.order = Order(Cursor.parse(after).seq)
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received_bytes = 0
        self.asked = self.begun = self.sampled = False
        self.port = 0
        self.transport: Any = None
        self._decode = DECODERS[crowd.condition.transport]
        self._unread = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]
        self.opened_ns = time.monotonic_ns()
        self.sampled = self.port in self.crowd.place.sample
        self.ask()

    def ask(self) -> None:
        self.asked = True
        if not self.transport.is_closing():
            self.transport.write(self.crowd.request(self))

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        self.received_bytes += len(data)
        if self._unread:
            data = self._unread + data
        try:
            if not self.begun and not self.crowd.condition.kind.batches:  # the head of a stream or an upgrade
                length = head(data)
                self.begun = length > 0
                data, self._unread = data[length:], b"" if length else data
                if not (length and data):
                    return
            found = self._decode(data)
        except (Refused, ValueError, ConnectionError) as problem:
            self.refuse(problem)
            return
        self._unread = data[found.used :]
        if found.messages or found.missed:
            self.crowd.hear(self, found, now)
        if found.cursor:
            self.follow(found)
        for opcode, payload in found.replies:
            self.transport.write(masked(opcode, payload))
        if found.connects:
            self.transport.write(masked(TEXT, connect_packet(self.cursor)))

    def follow(self, found: Decoded) -> None:
        """It was told where it is: it is ready, and if it polls, it is time for the next request."""
        self.cursor = found.cursor
        self.asked = False
        self.crowd.responses += found.responses
        if found.responses and not self.crowd.ended:
            pause_s = self.crowd.pause_s(first=not self.ready.done())
            if pause_s:
                asyncio.get_running_loop().call_later(pause_s, self.ask_again)
            else:
                self.ask()
        if not self.ready.done():
            self.ready.set_result(None)

    def ask_again(self) -> None:
        if not self.crowd.ended:
            self.ask()

    def refuse(self, problem: Exception) -> None:
        if not self.ready.done():
            self.ready.set_exception(problem)
        if self.transport:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError("the server has closed the connection"))
        self.crowd.on_lost(self)


class Arrived(NamedTuple):
    """All readers of a process have a message; `at_ns` is when the last of them got it."""

    number: int
    at_ns: int


@dataclass
class Reconnected:
    """How readers reconnected.

    `attempts` in all; of these, `refused` found nobody listening, and `failed` went wrong later. `took_ns`: how long
    each reader's last attempt took until the reader was ready.
    """

    attempts: int = 0
    refused: int = 0
    failed: int = 0
    took_ns: "array[int]" = field(default_factory=lambda: array("q"))


@dataclass
class Checked:
    """What a process found. `missing` and so on are sums over all of its readers.

    `arrivals`: of each message that was noted, when it came to each reader. `rows`: (reader, message, received_ns) of
    the sample, whose `ports` are by the reader's number. `received`: bytes by port, of all readers. `reconnected`: in a
    storm.
    """

    readers: int = 0
    missing: int = 0
    repeated: int = 0
    reordered: int = 0
    missed: int = 0
    lost: int = 0
    arrivals: "dict[int, array[int]]" = field(default_factory=dict)
    rows: list[tuple[int, int, int]] = field(default_factory=list)
    ports: dict[int, int] = field(default_factory=dict)
    received: dict[int, int] = field(default_factory=dict)
    reconnected: Reconnected | None = None


class Place(NamedTuple):
    """Where a process of readers reads: its readers are number `first`, and then each that is `step` further on."""

    url: str
    first: int
    step: int
    sample: Sample


@dataclass
class Crowd:
    """The readers of one process. `note`: whether the times of messages are noted, too."""

    condition: Condition
    place: Place
    rng: random.Random
    tell: Callable[[Any], None]
    readers: dict[int, Reader] = field(default_factory=dict)
    note: bool = True
    ended: bool = False
    messages: int = 0
    responses: int = 0
    checked: Checked = field(default_factory=Checked)
    reconnector: "Reconnector | None" = None

    def __post_init__(self) -> None:
        self.server = urlsplit(self.place.url)

    async def grow(self, readers: int, after: str) -> None:
        """Returns once there are this many in all processes, and each is at its cursor, the new ones at `after`."""
        new = range(self.place.first + self.place.step * len(self.readers), readers, self.place.step)
        room = asyncio.Semaphore(OPENING_MOST)

        async def one(number: int) -> None:
            async with room, asyncio.timeout(READY_S):
                await self.open(reader := Reader(self, number, after))
            self.readers[number] = reader

        async with asyncio.TaskGroup() as group:
            for number in new:
                group.create_task(one(number))

    async def open(self, reader: Reader) -> None:
        """Connect a reader; returns when it is ready, or raises why it is not."""
        host, port = self.server.hostname or "", self.server.port or 80
        await asyncio.get_running_loop().create_connection(lambda: reader, host, port)
        await reader.ready

    def request(self, reader: Reader) -> bytes:
        """What a reader sends to ask, for the first time or again."""
        if self.condition.transport == "socket_io":
            return self._get(target("websocket"), "socket_io_websocket")
        # A cursor first, then requests that may be held.
        hold = "&hold=0" if self.condition.kind.hold_s and not reader.ready.done() else ""
        return self._get(f"{self.condition.kind.path}?after={reader.cursor}{hold}", self.condition.transport)

    def _get(self, target: str, headers: str) -> bytes:
        return f"GET {target} HTTP/1.1\r\n{library(headers, self.server.netloc)}\r\n".encode()

    def pause_s(self, first: bool) -> float:
        """Until the next poll: after the first response, a random part of it, so that pollers are out of step."""
        return self.condition.pause_s * (self.rng.random() if first else 1.0)

    def hear(self, reader: Reader, found: Decoded, now: int) -> None:
        """Messages have come to a reader."""
        if found.missed:  # which comes first
            self.checked.missed += len(found.missed)
            reader.order.last = found.missed[-1]
        self.messages += len(found.messages)
        for number in found.messages:
            reader.order.take(number)
            if self.note:
                its = self.checked.arrivals.setdefault(number, array("q"))
                its.append(now)
                if reader.sampled:
                    self.checked.rows.append((reader.number, number, now))
                if len(its) == len(self.readers):
                    self.tell(Arrived(number, now))

    def on_lost(self, reader: Reader) -> None:
        if self.reconnector and not self.ended:
            self.reconnector.begin(reader)
        else:
            self.checked.lost += not self.ended

    async def end(self, newest: int) -> Checked:
        """Poll no more, and add up."""
        self.ended = True
        while self.condition.pause_s and any(reader.asked for reader in self.readers.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        checked = self.checked
        for reader in self.readers.values():
            checked.missing += reader.order.missing(newest)
            checked.repeated += reader.order.repeated
            checked.reordered += reader.order.reordered
            checked.received[reader.port] = reader.received_bytes
            if reader.sampled:
                checked.ports[reader.number] = reader.port
        checked.readers = len(self.readers)
        checked.reconnected = self.reconnector.reconnected if self.reconnector else None
        return checked


@dataclass
class Reconnector:
    """Reconnects every reader that loses its connection, after a backoff or after exactly RETRY_S, until it succeeds.

    A crowd has one only where it is meant to lose its connections.
    """

    crowd: Crowd
    backoff: bool
    tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    reconnected: Reconnected = field(default_factory=Reconnected)

    def begin(self, reader: Reader) -> None:
        if reader.ready.done() and not reader.ready.exception():  # otherwise it is an attempt that has failed
            self.tasks.add(task := asyncio.create_task(self.reconnect(reader)))
            task.add_done_callback(self.tasks.discard)

    async def reconnect(self, lost: Reader) -> None:
        """A new connection at the old cursor, however many attempts it takes."""
        backoff, its = Backoff(), self.reconnected
        while True:
            await (backoff.wait() if self.backoff else asyncio.sleep(RETRY_S))
            reader, began_ns = Reader(self.crowd, lost.number, lost.cursor), time.monotonic_ns()
            its.attempts += 1
            try:
                async with asyncio.timeout(READY_S):
                    await self.crowd.open(reader)
            except ConnectionRefusedError:
                its.refused += 1
            except (OSError, ValueError, Refused) as problem:
                its.failed += 1
                reader.refuse(problem)
            else:
                its.took_ns.append(time.monotonic_ns() - began_ns)
                self.crowd.readers[lost.number] = reader
                return


def main(run: Run, pipe: Connection) -> None:
    """The process: is sent a Place and then, as often as wanted,

    ("grow", readers, after): opens readers until there are so many in all processes, and says "grown", or "failed: ..."
    "mark": sends a Tally
    ("note", whether): whether the times of messages are noted from now on; says "noted"
    ("reconnect", backoff): from now on reconnects readers that lose their connection; says "reconnecting"
    ("end", newest): adds up, sends `Checked` and ends; `newest` is the number of the last message.

    In between it sends `Arrived` for every message that is noted, once all of its readers have it. It ends when the
    other end of the pipe is closed, too.
    """
    with contextlib.suppress(KeyboardInterrupt, EOFError, BrokenPipeError):
        gc.freeze()
        open_files_most()
        cores.for_others()
        place: Place = pipe.recv()
        random.seed(f"{run.seed} {place.first} backoff")
        crowd = Crowd(run.condition, place, random.Random(f"{run.seed} {place.first}"), pipe.send)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(crowd, pipe))


async def _serve(crowd: Crowd, pipe: Connection) -> None:
    while True:
        said = await asyncio.to_thread(pipe.recv)
        if said == "mark":
            pipe.send(Tally(Usage.now(), crowd.responses, crowd.messages))
            continue
        what, *more = said
        if what == "grow":
            try:
                await crowd.grow(*more)
            except ExceptionGroup as problems:
                first = problems.exceptions[0]
                pipe.send(f"failed: {type(first).__name__}: {first}")
                return
            pipe.send("grown")
        elif what == "note":
            (crowd.note,) = more
            pipe.send("noted")
        elif what == "reconnect":
            crowd.reconnector = Reconnector(crowd, *more)
            pipe.send("reconnecting")
        else:
            pipe.send(await crowd.end(*more))
            return
