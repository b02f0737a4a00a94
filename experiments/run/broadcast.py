"""A run that broadcasts: one message after the other to more and more readers, and then as many as possible.

    for 1, N/20, N/4, N/2 and N readers:
        |- connect -|- settle -|= broadcast =|- pause -|= broadcast =|- pause -| ...
                               mark                                            mark

A message is published when every reader has the one before, and after a pause of at least the same time: broadcasts
do not wait for each other, and the server is never busier than half of the time, however many readers there are. The
server's CPU between the two marks, by the number of broadcasts, is a + b N: a for publishing and waking up, b for
each delivery.

Delays count from when the publisher began to send a message to when a reader had it: the median reader, and the last.
Where readers ask by themselves (short polling), a broadcast takes as long as their pause, and one is enough: what the
server spends in that time is what it spends in any.

In the end IN_FLIGHT publishers post at the same time, each its next message as soon as the one before is in the log,
and the server is saturated.

A point at which the readers were the limit has no delays; what the server's CPU did holds there, too. A point at which
the server or the readers had to wait for a CPU (`suspect.STARVED`) has no numbers at all.
"""

import asyncio
import contextlib
import itertools
import random
import signal
import statistics
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from app.message import Cursor
from experiments.analysis.ledger import Exchange, explain
from experiments.design import Condition, Run
from experiments.run import cores, recording, serving
from experiments.run.checking import Arrived, Checked, Place, processes
from experiments.run.counting import Tally, open_files_most
from experiments.run.evaluate import DELIVERY_COLUMNS
from experiments.run.observe import START_TIMEOUT_S, Barrier, Others, reading, receive, tell
from experiments.run.publisher import Publication, Publisher
from experiments.run.sample import Sample
from experiments.run.suspect import READERS_BUSY, SATURATED, STARVED, reasons
from experiments.run.text import sample_text
from experiments.run.usage import mean_wait_ms, waited_for_cpu, waiting_share
from experiments.run.weigh import NONE, UNKNOWN, readers_most

T = TypeVar("T")

STEPS = (1 / 20, 1 / 4, 1 / 2, 1)
"""Shares of the readers; before these comes one reader alone."""

BROADCASTS = 5
"""Messages at each step."""

SAMPLED = 50
"""About how many readers are looked at one by one."""

SETTLED_S = 0.1
PAUSE_S = 0.03
ALL_HAVE_S = 5.0
"""How long a broadcast may take, beyond a poller's pause, before its messages are missing, and the run is over."""

FLOOD_LEAD_S, FLOOD_S, FLOOD_READER_S = 0.1, 0.4, 0.0001
"""Before the server's saturation is looked at, and how long that takes, and longer for each reader."""

IN_FLIGHT = 16
"""How many messages are being posted at any time while the server is saturated."""

JUDGED_MS = 5.0
"""How long a broadcast takes at least before it is judged how busy the readers were, and whether anybody waited for a
CPU: before that, nothing but waking up is seen."""

HEARTBEAT_BYTES = 32
"""What the server may send to a reader after it has counted its bytes, and before it is gone."""


@dataclass(frozen=True)
class Moment:
    """A tally of each process of readers, and what the server has waited for a CPU: ns and turns, None if unknown."""

    readers: list[Tally]
    server: tuple[int, int] | None

    @classmethod
    async def now(cls, readers: "Readers", pid: int) -> "Moment":
        return cls(await readers.mark(), waited_for_cpu(pid))


@dataclass
class Step:
    """What was observed at one number of readers: before, after, and the broadcasts."""

    readers: int
    before: Moment
    after: Moment
    broadcasts: list[Publication] = field(default_factory=list)
    took_s: float = 0.0


@dataclass
class Observed:
    """Everything that was observed; `wanted` are the numbers of readers that there should have been.

    The server took two marks at each step, and two in the flood if there was one.
    """

    sample: Sample
    wanted: list[int]
    steps: list[Step]
    flood: Step | None
    checked: list[Checked]
    recording: recording.Recording
    server_waits: tuple[tuple[int, int], tuple[int, int]] | None


def numbers(readers: int) -> list[int]:
    """How many readers there are at each step."""
    return sorted({1, *(max(1, round(share * readers)) for share in STEPS)})


def number_of(one: Publication) -> int:
    return Cursor.parse(one.cursor).seq


@dataclass
class Readers:
    """All processes of the readers."""

    pipes: Sequence[Any]

    async def ask(self, what: Any, wanted: type[T]) -> list[T]:
        """Say something to each, and return what each of them responds."""
        for pipe in self.pipes:
            tell(pipe, what)
        return [await hear(pipe, wanted, START_TIMEOUT_S) for pipe in self.pipes]

    async def grow(self, readers: int, after: str) -> None:
        await self.ask(("grow", readers, after), str)

    async def mark(self) -> list[Tally]:
        return await self.ask("mark", Tally)

    async def all_have(self, number: int, patience_s: float, readers: int) -> None:
        """Returns when all of them have this message; raises TimeoutError."""
        for pipe in self.pipes[:readers]:  # one reader is in one process
            while (await hear(pipe, Arrived, patience_s)).number != number:
                pass


async def hear(pipe: Any, wanted: type[T], timeout_s: float) -> T:
    """The next of that type that a process of readers says."""
    while not isinstance(said := await receive(pipe, timeout_s), wanted):
        pass
    return said


@contextlib.asynccontextmanager
async def crowd(run: Run, url: str, sample: Sample, pipes: Sequence[Any]) -> AsyncIterator[Readers]:
    """The readers' processes, which are started if there are none."""
    count = len(pipes) or processes(run.condition.clients)
    async with contextlib.AsyncExitStack() as stack:
        reached = [
            await stack.enter_async_context(
                reading(run, Place(url, number, count, sample), pipes[number] if pipes else None)
            )
            for number in range(count)
        ]
        yield Readers(reached)


async def observe(run: Run, folder: Path, barrier: Barrier, others: Others) -> Observed:
    """Do the run; raises Failed, OSError, ValueError or TimeoutError."""
    condition, recorded = run.condition, folder / "recording"
    most = readers_most(condition, open_files_most())
    wanted = numbers(most)
    sample = Sample(min(1.0, SAMPLED / most), run.seed)
    command = serving.arguments(folder, recorded, condition, str(sample))
    with (
        serving.server(command, others.server) as (process, url),
        contextlib.closing(Publisher(folder / "in")) as publisher,
    ):
        cores.for_server(process.pid)
        first = publisher.now("warm-up")
        async with crowd(run, url, sample, others.readers) as readers:
            await barrier()
            broadcaster = Broadcaster(run, folder / "in", process, publisher, readers, random.Random(run.seed), first)
            waits = [waited_for_cpu(process.pid)]
            with contextlib.suppress(TimeoutError):  # what is missing is counted at the end
                for number in wanted:
                    await broadcaster.step(number)
                if not condition.kind.pauses:
                    await broadcaster.saturate()
            waits.append(waited_for_cpu(process.pid))
            checked = await readers.ask(("end", number_of(broadcaster.last)), Checked)
    before, after = waits
    known = (before, after) if before and after else None
    return Observed(sample, wanted, broadcaster.steps, broadcaster.flood, checked, recording.read(recorded), known)


@dataclass
class Broadcaster:
    """A run in progress; `last` is the newest message, `path` where messages are posted."""

    run: Run
    path: Path
    server: serving.Server
    publisher: Publisher
    readers: Readers
    rng: random.Random
    last: Publication
    steps: list[Step] = field(default_factory=list)
    flood: Step | None = None

    async def step(self, readers: int) -> None:
        """Let there be so many readers, and tell them; raises TimeoutError if a message does not reach all of them."""
        await self.readers.grow(readers, self.last.cursor)
        await asyncio.sleep(SETTLED_S)
        step = Step(readers, before := await self.mark(), before)
        for _ in range(1 if self.run.condition.kind.pauses else BROADCASTS):
            took_s = await self.broadcast(step)
            await asyncio.sleep(0.0 if self.run.condition.kind.pauses else max(PAUSE_S, took_s))
        step.after = await self.mark()
        self.steps.append(step)

    async def broadcast(self, step: Step) -> float:
        """One broadcast; returns how many seconds it took until the last reader had it. Raises TimeoutError."""
        text = sample_text(self.rng, self.run.condition.text_bytes)
        self.last = await asyncio.to_thread(self.publisher.now, text)
        patience_s = ALL_HAVE_S + 2 * self.run.condition.pause_s
        await self.readers.all_have(number_of(self.last), patience_s, step.readers)
        took_s = (time.monotonic_ns() - self.last.due_ns) / 1e9
        step.broadcasts.append(self.last)
        step.took_s += took_s
        return took_s

    async def saturate(self) -> None:
        """As many messages as the server takes, and one more that tells that everybody has them all."""
        await self.readers.ask(("note", False), str)
        text, count = sample_text(self.rng, self.run.condition.text_bytes), self.steps[-1].readers
        until_ns = time.monotonic_ns() + round((FLOOD_LEAD_S + FLOOD_S + FLOOD_READER_S * count) * 1e9)
        with contextlib.ExitStack() as stack:
            publishers = [stack.enter_context(contextlib.closing(Publisher(self.path))) for _ in range(IN_FLIGHT)]
            threads = stack.enter_context(ThreadPoolExecutor(IN_FLIGHT))
            publishing = [threads.submit(one.flood, text, until_ns) for one in publishers]
            await asyncio.sleep(FLOOD_LEAD_S)
            flood = Step(count, before := await self.mark(), before)
            await asyncio.sleep(max(0.0, (until_ns - time.monotonic_ns()) / 1e9))
            flood.after = await self.mark()
            published = await asyncio.gather(*map(asyncio.wrap_future, publishing))
        self.last = max(itertools.chain(*published), key=number_of)
        await self.readers.ask(("note", True), str)
        await self.broadcast(flood)
        self.flood = flood

    async def mark(self) -> Moment:
        """The server and the readers note what they have used so far, at about the same time."""
        self.server.send_signal(signal.SIGUSR1)
        moment = await Moment.now(self.readers, self.server.pid)
        await asyncio.sleep(0.01)  # the signal is heard before the next message comes in
        return moment


Arrivals = dict[int, list[int]]
"""By message, when it came to each reader, in order."""


def evaluate(run: Run, seen: Observed) -> dict[str, Any]:
    """What was observed, as numbers, under the names that other runs have; None for what was not measured."""
    condition, marks = run.condition, seen.recording.marks
    arrivals = together([checked.arrivals for checked in seen.checked])
    pairs = list(zip(marks[::2], marks[1::2], strict=False))  # a step that was given up has one only
    metrics: dict[str, Any] = dict.fromkeys(UNKNOWN) | dict.fromkeys(NONE, 0)
    for place, (step, (before, after)) in enumerate(zip(seen.steps, pairs, strict=False), 1):
        found = at_step(condition, step, (after.cpu_ns - before.cpu_ns) / 1e6, arrivals)
        metrics |= {f"step_{place}_{name}": value for name, value in found.items()}
        metrics[f"step_{place}_rss_bytes"] = before.rss_bytes
    if seen.flood and len(pairs) > len(seen.steps):  # a server that is too busy hears of two marks once
        metrics |= saturation(seen.flood, *pairs[len(seen.steps)])
    # Raises if a connection of the sample is unbalanced.
    explained = {c.client_port: explain(c) for c in seen.recording.connections if c.client_port in seen.sample}
    first, last = marks[0], marks[-1]
    metrics |= {
        "published": sum(len(step.broadcasts) for step in seen.steps),
        "deliveries": sum(len(arrivals[number_of(one)]) for step in seen.steps for one in step.broadcasts),
        "missing": sum(checked.missing for checked in seen.checked),
        "duplicates": sum(checked.repeated for checked in seen.checked),
        "reordered": sum(checked.reordered for checked in seen.checked),
        "missed_notices": sum(checked.missed for checked in seen.checked),
        "clients_lost": sum(checked.lost for checked in seen.checked),
        "connections": sum(connection.client_port > 0 for connection in seen.recording.connections),
        "uncounted_bytes": uncounted_bytes(seen),
        "bytes_per_delivery": bytes_per_delivery(explained),
        "span_s": run.window_s * condition.clients,
        "server_rss_bytes": last.rss_bytes,
        "server_cpu_ms": (last.cpu_ns - first.cpu_ns) / 1e6,
        "server_cpu_share": (last.cpu_ns - first.cpu_ns) / max(1, last.at_ns - first.at_ns),
        "server_wait_ms": mean_wait_ms(*seen.server_waits) if seen.server_waits else None,
        "readers_wait_ms": max_wait_ms(seen.steps) if seen.steps else None,
    }
    return {
        "metrics": metrics,
        "suspect": [*reasons(metrics), *given_up(seen)],
        "deliveries": deliveries(seen, explained),
    }


def given_up(seen: Observed) -> list[str]:
    """Why there are fewer steps than wanted."""
    done, of = len(seen.steps), len(seen.wanted)
    late = f"after {ALL_HAVE_S:g} s, a message had not reached everybody"
    return [f"{late}; {done} of {of} numbers of readers are measured"] if done < of else []


def at_step(condition: Condition, step: Step, cpu_ms: float, arrivals: Arrivals) -> dict[str, Any]:
    """What a broadcast to so many readers costs and takes: `events` are deliveries, or responses where readers poll.

    `cpu_ms` is the server's for all broadcasts; the delays are medians over the broadcasts. None where the machine or
    the readers were the limit.
    """
    its = [[(at_ns - one.due_ns) / 1e6 for at_ns in arrivals[number_of(one)]] for one in step.broadcasts]
    spent = list(zip(step.before.readers, step.after.readers, strict=True))
    name = "responses" if condition.polls else "messages"
    share = readers_share(step.before, step.after, step.took_s)
    waited = starved_share(step.before, step.after, step.took_s)
    judged = 1000 * step.took_s / len(step.broadcasts) > JUDGED_MS
    starved = judged and waited is not None and waited > STARVED
    limited = judged and share > READERS_BUSY
    return {
        "readers": step.readers,
        "broadcasts": len(step.broadcasts),
        "events": sum(getattr(last, name) - getattr(first, name) for first, last in spent),
        "cpu_ms": None if starved else cpu_ms,
        "median_ms": None if starved or limited else statistics.median(map(statistics.median, its)),
        "last_ms": None if starved or limited else statistics.median(map(max, its)),
        "readers_share": share,
        "starved_share": waited,
    }


def readers_share(before: Moment, after: Moment, seconds: float) -> float:
    """How much of a core the readers' busiest process used in so many seconds between two tallies."""
    both = zip(before.readers, after.readers, strict=True)
    return max(last.usage.cpu_ns - first.usage.cpu_ns for first, last in both) / 1e9 / seconds


def starved_share(before: Moment, after: Moment, seconds: float) -> float | None:
    """For how much of so many seconds the server, or a process of readers, waited for a CPU, whichever waited most."""
    readers = zip(before.readers, after.readers, strict=True)
    waited = [(first.usage.waited_ns, last.usage.waited_ns) for first, last in readers]
    servers = [(before.server[0], after.server[0])] if before.server and after.server else []
    return waiting_share([*waited, *servers], seconds)


def saturation(flood: Step, before: recording.Mark, after: recording.Mark) -> dict[str, Any]:
    """Deliveries per second, if the server was the limit, or the readers: then it could do more.

    `saturated_share` of a core is what the server used, `saturated_readers_share` the readers' busiest process.
    """
    share = (after.cpu_ns - before.cpu_ns) / (after.at_ns - before.at_ns)
    both = list(zip(flood.before.readers, flood.after.readers, strict=True))
    seconds = max(last.usage.at_ns - first.usage.at_ns for first, last in both) / 1e9
    rates_hz = [(last.messages - first.messages) / (last.usage.at_ns - first.usage.at_ns) * 1e9 for first, last in both]
    busy, waited = readers_share(*(its := (flood.before, flood.after, seconds))), starved_share(*its)
    starved = waited is not None and waited > STARVED
    was_the_limit = share >= SATURATED or busy > READERS_BUSY
    return {
        "saturated_hz": sum(rates_hz) if was_the_limit and not starved else None,
        "saturated_share": share,
        "saturated_readers_share": busy,
        "saturated_starved_share": waited,
    }


def together(parts: Sequence[dict[int, "array[int]"]]) -> Arrivals:
    """All processes' arrivals."""
    seqs = {number for part in parts for number in part}
    return {number: sorted(chain(*(part.get(number, ()) for part in parts))) for number in sorted(seqs)}


def uncounted_bytes(seen: Observed) -> int:
    """How many bytes the tap has sent to readers, by its own count, and the readers have not received."""
    received = {port: size for checked in seen.checked for port, size in checked.received.items()}
    more = (c.bytes_down - received.get(c.client_port, 0) for c in seen.recording.connections if c.client_port)
    return sum(abs(size) for size in more if not 0 <= size <= HEARTBEAT_BYTES)


def bytes_per_delivery(explained: dict[int, list[Exchange]]) -> float | None:
    """TCP payload bytes of the exchanges that brought messages to the sample, by the number of these."""
    bringing = [exchange for its in explained.values() for exchange in its if exchange.messages]
    messages = sum(len(exchange.messages) for exchange in bringing)
    return sum(exchange.sizes.total() for exchange in bringing) / messages if messages else None


def max_wait_ms(steps: Sequence[Step]) -> float | None:
    """How long each process of readers waited for a CPU each time, while the steps were done: the largest mean."""
    ends = zip(steps[0].before.readers, steps[-1].after.readers, strict=True)
    waits = (mean_wait_ms((a.usage.waited_ns, a.usage.waits), (b.usage.waited_ns, b.usage.waits)) for a, b in ends)
    return max((wait for wait in waits if wait is not None), default=None)


def deliveries(seen: Observed, explained: dict[int, list[Exchange]]) -> dict[str, list[Any]]:
    """One row per broadcast and reader of the sample; times in ms since the first one was due."""
    sent = {number_of(one): one for step in seen.steps for one in step.broadcasts}
    ports = {number: port for checked in seen.checked for number, port in checked.ports.items()}
    written = {
        (port, cursor.seq): at_ns
        for port, its in explained.items()
        for exchange in its
        for cursor, at_ns in exchange.messages
    }
    start_ns = min((one.due_ns for one in sent.values()), default=0)
    columns: dict[str, list[Any]] = {name: [] for name in DELIVERY_COLUMNS}
    for reader, number, received_ns in sorted(row for checked in seen.checked for row in checked.rows):
        if (one := sent.get(number)) is None:
            continue  # the last of a flood
        times = (one.due_ns, one.sent_ns, one.published_ns, written.get((ports[reader], number)), received_ns)
        columns["client"].append(reader)
        columns["message"].append(number)
        for name, time_ns in zip(DELIVERY_COLUMNS[2:], times, strict=True):
            columns[name].append(None if time_ns is None else round((time_ns - start_ns) / 1e6, 4))
    return columns
