"""The readers: all clients of one run, in a process of their own, so that what they cost is seen apart.

The clients only receive. Around them, this module notes which reader received which message when, and the local ports
of its connections, by which the server's recording is matched to readers. It reports when every reader listens, and
what was received.
"""

import asyncio
import contextlib
import contextvars
import gc
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from app.message import Message, Update
from clients import CLIENTS, headers, raw
from experiments.design import Condition, Run, phases
from experiments.run import checking, counting
from experiments.run.usage import Usage

LAST = "that was all"
"""How the message begins after which a reader has seen everything; it is as long as any other."""

RETRY_S = 1.0


class Opened(NamedTuple):
    """A connection as its client knows it: its local port, and when it was open. A port can come again later."""

    port: int
    at_ns: int


@dataclass
class Received:
    """What the readers received; `messages` are (client, sequence number, received_ns)."""

    messages: list[tuple[int, int, int]] = field(default_factory=list)
    missed: int = 0
    connections: dict[int, list[Opened]] = field(default_factory=dict)
    usage: tuple[Usage, Usage] | None = None


def receive(condition: Condition, url: str, after: str) -> AsyncIterator[Update]:
    """The condition's client, receiving."""
    options: dict[str, Any] = {"pause_s": condition.pause_s} if condition.kind.pauses else {}
    if condition.client == "library":
        if condition.kind.library_transports:
            options["transports"] = condition.kind.library_transports
        return CLIENTS[condition.transport].receive(url, after, **options)
    return raw.receive(condition.transport, url, after, headers=profile(condition), via=condition.via, **options)


def profile(condition: Condition) -> Callable[[str, str], str]:
    """Whose headers the raw client sends."""
    return headers.browser if condition.headers == "browser" else headers.library


async def try_again(condition: Condition, url: str, after: str) -> AsyncIterator[Update]:
    """The condition's client on a network that refuses what it needs: it tries again after a second, as a page does."""
    while True:
        with contextlib.suppress(ValueError):
            async for update in receive(condition, url, after):
                yield update
        await asyncio.sleep(RETRY_S)


def main(run: Run, pipe: Connection) -> None:
    """The process: is sent where to read, `(url, after)`, and says "ready" when every reader has received something.

    "mark" makes it note its usage; the first two marks are the window's. When every reader has seen the last message,
    or when it is sent anything else, it sends `Received`. If a reader fails, it sends "failed: ..." instead. It ends
    when the other end of the pipe is closed, too. Readers that only count, and those of a crowd, say other things: see
    `counting.main` and `checking.main`.
    """
    if run.condition.measures != "deliveries":
        (checking if run.condition.crowd else counting).main(run, pipe)
        return
    with contextlib.suppress(KeyboardInterrupt, EOFError, BrokenPipeError):
        gc.freeze()  # what was there before the run is not looked at again in the middle of it
        url, after = pipe.recv()
        asyncio.run(_main(run, url, after, pipe))


async def _main(run: Run, url: str, after: str, pipe: Connection) -> None:
    try:
        await _read(run, url, after, pipe)
    except (OSError, ValueError) as problem:
        pipe.send(f"failed: {type(problem).__name__}: {problem}")


async def _read(run: Run, url: str, after: str, pipe: Connection) -> None:
    received = Received()
    client = note_connections(asyncio.get_running_loop(), received.connections)
    condition = run.condition
    listening = set(range(condition.clients))
    missing_last = set(listening)
    ready, done = asyncio.Event(), asyncio.Event()
    read_over = receive
    if condition.undeliverable:
        ready.set()
        read_over = try_again

    async def read(number: int, phase_s: float) -> None:
        client.set(number)
        async with contextlib.aclosing(read_over(condition, url, after)) as stream:  # type: ignore[type-var]
            async for update in stream:
                at_ns = time.monotonic_ns()
                if not isinstance(update, Message):
                    received.missed += 1
                    continue
                received.messages.append((number, update.cursor.seq, at_ns))
                if number in listening:
                    listening.discard(number)
                    if not listening:
                        ready.set()
                    # Making a client and its first request take a tenth of a second each, one after the other. Only
                    # when all readers are through does a poller's phase mean what it should.
                    await ready.wait()
                    await asyncio.sleep(phase_s)
                if update.text.startswith(LAST):
                    missing_last.discard(number)
                    if not missing_last:
                        done.set()

    starts = phases(random.Random(run.seed), condition.clients, max(condition.cycle_s, 0.05))
    tasks = [asyncio.create_task(read(number, phase)) for number, phase in enumerate(starts)]
    marks: list[Usage] = []

    async def listen() -> None:
        while await asyncio.to_thread(pipe.recv) == "mark":
            marks.append(Usage.now())

    told_to_end = asyncio.create_task(listen())
    await _first(ready.wait(), told_to_end, *tasks)
    at_ready = Usage.now()
    pipe.send("ready")
    await _first(done.wait(), told_to_end, *tasks)
    before, after_all, *_ = [*marks, at_ready, Usage.now()] if len(marks) > 1 else [at_ready, Usage.now()]
    received.usage = (before, after_all)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    pipe.send(received)


async def _first(*waits: Any) -> None:
    """Wait until one has ended, and raise what it raised: a reader that fails ends the run."""
    done, _ = await asyncio.wait([asyncio.ensure_future(wait) for wait in waits], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def note_connections(
    loop: asyncio.AbstractEventLoop, connections: dict[int, list[Opened]]
) -> contextvars.ContextVar[int]:
    """Notes every connection that is opened in a client's context; returns the variable to set there.

    Neither httpx nor websockets tells its port; both ask the loop for their connections, in their caller's context.
    """
    client: contextvars.ContextVar[int] = contextvars.ContextVar("client")
    create_connection = loop.create_connection

    async def noted(*arguments: Any, **options: Any) -> Any:
        transport, protocol = await create_connection(*arguments, **options)
        if (number := client.get(None)) is not None:
            opened = Opened(transport.get_extra_info("sockname")[1], time.monotonic_ns())
            connections.setdefault(number, []).append(opened)
        return transport, protocol

    loop.create_connection = noted  # type: ignore[method-assign]
    return client
