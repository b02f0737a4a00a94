"""One run: a fresh server, its readers, a publisher, a probe; and everything that was observed.

    ready                     start                              end        last
      |---- lead-in ------------|------------ window --------------|----------|
      every reader has          messages due in here             every reader has
      received something        are counted                      seen the last message

Nothing counts before every reader listens. Messages already flow in the lead-in, so that the window begins in the
middle of things. Delays are those of messages that were *due* in the window; bytes are those of exchanges that *began*
in it, whole, with all messages in them, so that neither side of a ratio is cut off at the edge.
"""

import asyncio
import contextlib
import math
import multiprocessing
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, TypeVar

from app.message import Message
from clients import raw
from experiments.design import Run, arrivals
from experiments.run import readers, recording, serving
from experiments.run.publisher import Publication, Publisher
from experiments.run.serving import Failed
from experiments.run.suspect import MARK_LATE_MS
from experiments.run.text import sample_text
from experiments.run.usage import waited_for_cpu

START_TIMEOUT_S = 60.0
BARRIER_TIMEOUT_S = 600.0
SILENT_LEAD_IN_S = 5.0  # no heartbeat (every 15 s) or hold (25 s) then ends at the edge of a silent minute
MARK_TIME_NS = round(MARK_LATE_MS * 1e6)
LEAD_IN_LEAST_S = 0.5
PATIENCE_S = 10.0  # for messages that are late, before they are missing

PROCESSES: ForkServerContext = multiprocessing.get_context("forkserver")


T = TypeVar("T")


@dataclass
class Observed:
    """Everything observed in one run, before it is evaluated. Times are monotonic nanoseconds."""

    start_ns: int
    end_ns: int
    publications: list[Publication]
    received: readers.Received
    recording: recording.Recording
    probe: dict[int, int]
    probe_connections: list[readers.Opened]
    late_joiners: list["LateJoiner"]
    server_waits: tuple[tuple[int, int], tuple[int, int]] | None


Barrier = Callable[[], Awaitable[None]]
"""Awaited when every reader listens, before the lead-in: others that run side by side have to get ready too."""


async def at_once() -> None:
    """The barrier of a run that does not wait for others."""


@dataclass(frozen=True)
class Others:
    """Pipes to the other processes of a run, where these are there already (`readers.main`, `serving.main`)."""

    readers: tuple[Any, ...] = ()
    servers: tuple[Any, ...] = ()

    @property
    def reader(self) -> Any:
        """The only one with readers."""
        return self.readers[0] if self.readers else None

    @property
    def server(self) -> Any:
        """The first one, or the only one."""
        return self.servers[0] if self.servers else None


NONE_YET = Others()


def observe(run: Run, barrier: Barrier = at_once, others: Others = NONE_YET) -> Observed:
    """Do the run; raises Failed."""
    return in_folder(lambda folder: _observe(run, folder, barrier, others))


def in_folder(do: Callable[[Path], Coroutine[Any, Any, T]]) -> T:
    """Run `do` in a temporary folder of its own and return its result; raises Failed."""
    with tempfile.TemporaryDirectory(prefix="transport-compare-") as folder:
        try:
            return asyncio.run(do(Path(folder)))
        except (OSError, ValueError, TimeoutError) as problem:
            raise Failed(f"{type(problem).__name__}: {problem}") from problem


async def _observe(run: Run, folder: Path, barrier: Barrier, others: Others) -> Observed:
    condition, rng = run.condition, random.Random(run.seed)
    recorded = folder / "recording"
    command = serving.arguments(folder, recorded, condition, "all")
    with (
        serving.server(command, others.server) as (process, url),
        contextlib.closing(Publisher(folder / "in")) as publisher,
    ):
        first = publisher.now("warm-up")
        after = "0"  # the warm-up is there already: every first request gets its response at once
        async with reading(run, (url, after), others.reader) as pipe, probing(run, url) as probe:
            if condition.clients:
                await receive(pipe, START_TIMEOUT_S + condition.pause_s)
            await barrier()
            lead_in_s = max(LEAD_IN_LEAST_S, condition.cycle_s, 0 if condition.rate_hz else SILENT_LEAD_IN_S)
            begin_ns = time.monotonic_ns() + 50_000_000
            start_ns = begin_ns + round(lead_in_s * 1e9)
            end_ns = start_ns + round(run.window_s * 1e9)
            due = [
                (origin_ns + round(at_s * 1e9), sample_text(rng, condition.text_bytes))
                for origin_ns, length_s in ((begin_ns, lead_in_s), (start_ns, run.window_s))
                for at_s in arrivals(rng, condition.rate_hz, length_s)
            ]
            if not condition.rate_hz:  # silence begins with a message, which sets all clocks of idleness to zero
                due.append((begin_ns, sample_text(rng, condition.text_bytes)))
            last = (end_ns + MARK_TIME_NS, readers.LAST.ljust(condition.text_bytes, "."))
            publishing = asyncio.create_task(asyncio.to_thread(publisher.publish, [*due, last]))
            came: list[LateJoiner] = []
            coming = asyncio.create_task(late_joiners(run, url, start_ns, came))
            await until(start_ns)
            waits_before = waited_for_cpu(process.pid)
            process.send_signal(signal.SIGUSR1)
            if pipe:
                tell(pipe, "mark")
            await until(end_ns)
            coming.cancel()
            process.send_signal(signal.SIGUSR1)
            if pipe:
                tell(pipe, "mark")
            waits_after = waited_for_cpu(process.pid)
            with contextlib.suppress(asyncio.CancelledError):
                await coming
            publications = await publishing
            received = readers.Received()
            if condition.clients:
                patience_s = PATIENCE_S + condition.pause_s + 4 * condition.one_way_delay_ms / 1000
                if condition.undeliverable:  # there is nothing to wait for
                    patience_s = 0.0
                with contextlib.suppress(TimeoutError):
                    received = await receive(pipe, patience_s)
                tell(pipe, "end")
                if received.usage is None:
                    received = await receive(pipe, START_TIMEOUT_S)
    if first.cursor.split("-")[0] != publications[-1].cursor.split("-")[0]:
        raise Failed("the server was restarted in the middle of the run")
    return Observed(
        start_ns,
        end_ns,
        publications,
        received,
        recording.read(recorded),
        probe.received,
        probe.connections,
        came,
        (waits_before, waits_after) if waits_before and waits_after else None,
    )


@contextlib.asynccontextmanager
async def reading(run: Run, where: Any, pipe: Any = None) -> AsyncIterator[Any]:
    """The readers, told where to read; yields the pipe to their process, which is started if there is none."""
    if not run.condition.clients:
        yield None
        return
    process = None
    if pipe is None:
        pipe, there = PROCESSES.Pipe()
        process = PROCESSES.Process(target=readers.main, args=(run, there), daemon=True)
        process.start()
        there.close()
    try:
        tell(pipe, where)
        yield pipe
    finally:
        pipe.close()
        if process:
            process.join(2)
            process.kill()
            process.join()


@dataclass
class Probe:
    """A lean reader beside the readers; `received` maps sequence numbers to times."""

    received: dict[int, int]
    connections: list[readers.Opened]


@contextlib.asynccontextmanager
async def probing(run: Run, url: str) -> AsyncIterator[Probe]:
    """The probe: a raw client of the same transport in another process than the readers'."""
    probe, condition = Probe({}, []), run.condition
    if not condition.clients:
        yield probe
        return
    client = readers.note_connections(asyncio.get_running_loop(), {0: probe.connections})

    async def read() -> None:
        client.set(0)
        stream = raw.receive(condition.transport, url, "0", pause_s=condition.pause_s, via=condition.via)
        async with contextlib.aclosing(stream):  # type: ignore[type-var]
            async for update in stream:
                if isinstance(update, Message):
                    probe.received[update.cursor.seq] = time.monotonic_ns()

    task = asyncio.create_task(read())
    try:
        yield probe
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass(frozen=True)
class LateJoiner:
    """A reader that joins in the window: how long its first message took, one that was there already, and how many
    of those between its first and its last it did not receive exactly once.
    """

    first_ms: float
    missing: int


async def late_joiners(run: Run, url: str, start_ns: int, came: list[LateJoiner]) -> None:
    """The condition's late joiners, one after the other; each stays for most of its part of the window."""
    condition = run.condition
    for number in range(condition.late_joiners):
        part_s = run.window_s / condition.late_joiners
        await until(start_ns + round((number + 0.1) * part_s * 1e9))
        began_ns, times = time.monotonic_ns(), Counter[int]()
        first_ms = math.nan
        stream = raw.receive(
            condition.transport, url, "0", condition.pause_s, readers.profile(condition), condition.via
        )
        try:
            async with asyncio.timeout(0.8 * part_s), contextlib.aclosing(stream):  # type: ignore[type-var]
                async for update in stream:
                    if isinstance(update, Message):
                        first_ms = first_ms if times else (time.monotonic_ns() - began_ns) / 1e6
                        times[update.cursor.seq] += 1
        except TimeoutError:
            pass
        except ValueError:
            if not condition.undeliverable:
                raise
        if times:
            came.append(LateJoiner(first_ms, sum(times[seq] != 1 for seq in range(min(times), max(times) + 1))))


async def receive(pipe: Any, timeout_s: float) -> Any:
    """What another process sends next; raises TimeoutError, and Failed if it has failed or died."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pipe.fileno(), readable.set)
    try:
        await asyncio.wait_for(readable.wait(), timeout_s)
    except TimeoutError:
        raise TimeoutError(f"the other process sent nothing for {timeout_s:g} s") from None
    finally:
        loop.remove_reader(pipe.fileno())
    try:
        said = pipe.recv()
    except (EOFError, ConnectionResetError):
        raise Failed("the other process ended without a result") from None
    if isinstance(said, str) and said.startswith("failed: "):
        raise Failed(said)
    return said


def tell(pipe: Any, what: Any) -> None:
    """Raises Failed if the other process has died."""
    try:
        pipe.send(what)
    except BrokenPipeError:
        raise Failed("the other process ended without a result") from None


async def until(at_ns: int) -> None:
    await asyncio.sleep(max(0, at_ns - time.monotonic_ns()) / 1e9)
