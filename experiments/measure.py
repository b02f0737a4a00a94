"""One run: a fresh server, its readers, a publisher, a probe; and what came of it.

    ready                     start                              end        last
      |---- lead-in ------------|------------ window --------------|----------|
      every reader has          messages due in here are           everybody has
      received something        the ones that count                seen the last message

Nothing counts before every reader listens. Messages already flow in the lead-in, so that the window begins in the
middle of things. Delays are those of messages that were *due* in the window; bytes are those of exchanges that *began*
in it, whole, with all messages in them, so that neither side of a ratio is cut off at the edge.
"""

import asyncio
import contextlib
import itertools
import math
import multiprocessing
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from app.message import Cursor, Message
from clients import raw
from experiments import readers, recording
from experiments.design import Run, arrivals
from experiments.ledger import Exchange, explain
from experiments.publisher import Publication, Publisher
from experiments.text import sample_text

START_TIMEOUT_S = 60.0
BARRIER_TIMEOUT_S = 120.0
SILENT_LEAD_IN_S = 5.0  # no heartbeat (every 15 s) or hold (25 s) then ends at the edge of a silent minute
MARK_TIME_NS = 50_000_000  # for the server to take its mark before readers see the last message and leave
LEAD_IN_LEAST_S = 0.5

CONNECTIONS_MOST = {"": 1, "websocket": 1, "polling": 2, "upgrade": 3}
"""How many connections a reader makes that loses none; Socket.IO polls over one, posts over another, and upgrades."""

PROCESSES: ForkServerContext = multiprocessing.get_context("forkserver")


class Failed(Exception):
    """A run came to nothing; the text says why."""


@dataclass
class Observed:
    """Everything that was seen of one run, before it is made sense of. Times are monotonic nanoseconds."""

    start_ns: int
    end_ns: int
    publications: list[Publication]
    received: readers.Received
    recording: recording.Recording
    probe: dict[int, int]
    probe_ports: list[int]
    newcomers: list["Newcomer"]
    server_waits: tuple[tuple[int, int], tuple[int, int]] | None


Barrier = Callable[[], Awaitable[None]]
"""Awaited when every reader listens, before the lead-in: others that run side by side have to get ready too."""


async def at_once() -> None:
    """A barrier for a run that waits for nobody."""


def observe(run: Run, barrier: Barrier = at_once, pipe: Any = None) -> Observed:
    """Do it; raises Failed. `pipe` leads to a process with the readers, if there is one already (`readers.main`)."""
    with tempfile.TemporaryDirectory(prefix="transport-compare-") as folder:
        try:
            return asyncio.run(_observe(run, Path(folder), barrier, pipe))
        except (OSError, ValueError, TimeoutError) as problem:
            raise Failed(f"{type(problem).__name__}: {problem}") from problem


async def _observe(run: Run, folder: Path, barrier: Barrier, readers_pipe: Any) -> Observed:
    condition, rng = run.condition, random.Random(run.seed)
    recorded = folder / "recording"
    with (
        server(folder, recorded, condition.one_way_delay_ms, condition.upgrades) as (process, url),
        contextlib.closing(Publisher(folder / "in")) as publisher,
    ):
        first = publisher.now("warm-up")
        after = "0"  # the warm-up is there already: every first question is answered at once
        async with reading(run, url, after, readers_pipe) as pipe, probing(run, url) as probe:
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
            came: list[Newcomer] = []
            coming = asyncio.create_task(newcomers(run, url, start_ns, came))
            await until(start_ns)
            waits_before = waits(process.pid)
            process.send_signal(signal.SIGUSR1)
            if pipe:
                tell(pipe, "mark")
            await until(end_ns)
            coming.cancel()
            process.send_signal(signal.SIGUSR1)
            if pipe:
                tell(pipe, "mark")
            waits_after = waits(process.pid)
            with contextlib.suppress(asyncio.CancelledError):
                await coming
            publications = await publishing
            received = readers.Received()
            if condition.clients:
                patience_s = 10 + condition.pause_s + 4 * condition.one_way_delay_ms / 1000
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
        probe.ports,
        came,
        (waits_before, waits_after) if waits_before and waits_after else None,
    )


@contextlib.contextmanager
def server(
    folder: Path, recorded: Path, delay_ms: float, upgrades: str = "pass"
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A fresh `python -m app` and its URL; at the end it has written its recording."""
    command = [sys.executable, "-m", "app", "--port", "0", "--unix", str(folder / "in"), "--record", str(recorded)]
    network = ["--delay-ms", str(delay_ms), "--upgrades", upgrades]
    process = subprocess.Popen([*command, *network], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout and process.stderr
        line = process.stdout.readline()
        if not (url := re.search(r"http://[^/ ]+", line)):
            raise Failed(f"the server did not start: {process.stderr.read().strip()}")
        yield process, url[0]
        process.send_signal(signal.SIGINT)
        if process.wait(timeout=START_TIMEOUT_S) != 0:
            raise Failed(f"the server ended with {process.returncode}: {process.stderr.read().strip()}")
    except subprocess.TimeoutExpired as problem:
        raise Failed("the server did not end") from problem
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()


@contextlib.asynccontextmanager
async def reading(run: Run, url: str, after: str, pipe: Any = None) -> AsyncIterator[Any]:
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
        tell(pipe, (url, after))
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
    ports: list[int]


@contextlib.asynccontextmanager
async def probing(run: Run, url: str) -> AsyncIterator[Probe]:
    """The probe: a raw client of the same transport in another process than the readers'."""
    probe, condition = Probe({}, []), run.condition
    if not condition.clients:
        yield probe
        return
    client = readers.note_ports(asyncio.get_running_loop(), {0: probe.ports})

    async def read() -> None:
        client.set(0)
        stream = raw.receive(condition.transport, url, "0", pause_s=condition.pause_s, via=condition.via)
        async with contextlib.aclosing(stream):  # type: ignore[type-var]
            async for news in stream:
                if isinstance(news, Message):
                    probe.received[news.cursor.seq] = time.monotonic_ns()

    task = asyncio.create_task(read())
    try:
        yield probe
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass(frozen=True)
class Newcomer:
    """A reader who comes in the window: how long it took to a message that was there already, and how many of those
    between its first and its last it has not received exactly once.
    """

    first_ms: float
    missing: int


async def newcomers(run: Run, url: str, start_ns: int, came: list[Newcomer]) -> None:
    """The condition's newcomers, one after the other; each stays for most of its part of the window."""
    condition = run.condition
    for number in range(condition.newcomers):
        part_s = run.window_s / condition.newcomers
        await until(start_ns + round((number + 0.1) * part_s * 1e9))
        began_ns, times = time.monotonic_ns(), Counter[int]()
        first_ms = math.nan
        stream = raw.receive(
            condition.transport, url, "0", condition.pause_s, readers.profile(condition), condition.via
        )
        try:
            async with asyncio.timeout(0.8 * part_s), contextlib.aclosing(stream):  # type: ignore[type-var]
                async for news in stream:
                    if isinstance(news, Message):
                        first_ms = first_ms if times else (time.monotonic_ns() - began_ns) / 1e6
                        times[news.cursor.seq] += 1
        except TimeoutError:
            pass
        except ValueError:
            if not condition.hopeless:
                raise
        if times:
            came.append(Newcomer(first_ms, sum(times[seq] != 1 for seq in range(min(times), max(times) + 1))))


async def receive(pipe: Any, timeout_s: float) -> Any:
    """The next thing that another process says; raises TimeoutError, and Failed if it has failed or died."""
    deadline = time.monotonic() + timeout_s
    while not pipe.poll():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the other process said nothing for {timeout_s:g} s")
        await asyncio.sleep(0.02)
    try:
        said = pipe.recv()
    except (EOFError, ConnectionResetError):
        raise Failed("the other process ended without a word") from None
    if isinstance(said, str) and said.startswith("failed: "):
        raise Failed(said)
    return said


def tell(pipe: Any, what: Any) -> None:
    """Raises Failed if the other process has died."""
    try:
        pipe.send(what)
    except BrokenPipeError:
        raise Failed("the other process ended without a word") from None


async def until(at_ns: int) -> None:
    await asyncio.sleep(max(0, at_ns - time.monotonic_ns()) / 1e9)


def waits(pid: int) -> tuple[int, int] | None:
    """(nanoseconds waited for a CPU, in so many turns) of a process; None where the system does not tell."""
    try:
        _, waited, turns = map(int, Path(f"/proc/{pid}/schedstat").read_text().split())
    except OSError:
        return None
    return waited, turns


def measure(run: Run, barrier: Barrier = at_once, pipe: Any = None) -> dict[str, Any]:
    """Observe a run and make sense of it: {"metrics": {...}, "suspicions": [...], "deliveries": {column: [...]}}."""
    return evaluate(run, observe(run, barrier, pipe))


def evaluate(run: Run, seen: Observed) -> dict[str, Any]:
    """What was observed, as numbers. Times in the deliveries are milliseconds since the window began."""
    by_port = {c.client_port: c for c in seen.recording.connections}
    everything = {port: explain(connection) for port, connection in by_port.items()}  # raises if one is unbalanced
    exchanges: dict[int, list[Exchange]] = {
        client: sorted((e for port in ports for e in everything.get(port, [])), key=lambda e: e.started_ns)
        for client, ports in seen.received.ports.items()
    }
    deliveries = _deliveries(seen, exchanges)
    metrics = {
        **_wire(run, seen, exchanges),
        **_delivered(run, seen, deliveries),
        **_segments(seen, by_port),
        **_server(seen),
        "server_ms": _server_ms(run, seen, exchanges),
        **_quality(seen, deliveries, everything),
    }
    return {"metrics": metrics, "suspicions": suspicions(metrics, run.condition.hopeless), "deliveries": deliveries}


def _deliveries(seen: Observed, exchanges: dict[int, list[Exchange]]) -> dict[str, list[Any]]:
    """One row per reader and message that was due in the window; `received_ms` is None if it never came."""
    counted = {Cursor.parse(p.cursor).seq: p for p in seen.publications if seen.start_ns <= p.due_ns < seen.end_ns}
    received: dict[tuple[int, int], int] = {}
    for client, seq, at_ns in seen.received.messages:
        received.setdefault((client, seq), at_ns)
    written: dict[tuple[int, int], int] = {}
    for client, its in exchanges.items():
        for exchange in its:
            for cursor, at_ns in exchange.messages:
                written.setdefault((client, cursor.seq), at_ns)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("client", "message", "due_ms", "sent_ms", "published_ms", "written_ms", "received_ms")
    }
    for client in sorted(exchanges):
        for seq, p in counted.items():
            times = (p.due_ns, p.sent_ns, p.published_ns, written.get((client, seq)), received.get((client, seq)))
            columns["client"].append(client)
            columns["message"].append(seq)
            for name, time_ns in zip(list(columns)[2:], times, strict=True):
                columns[name].append(None if time_ns is None else round((time_ns - seen.start_ns) / 1e6, 4))
    return columns


def _wire(run: Run, seen: Observed, exchanges: dict[int, list[Exchange]]) -> dict[str, Any]:
    """Requests, messages and bytes by category, of exchanges that began in the window."""
    sizes: Counter[tuple[str, str]] = Counter()
    setup: Counter[str] = Counter()
    requests = empty = messages = pushes = 0
    span_s = 0.0
    gaps_s: list[float] = []

    def counts(exchange: Exchange) -> bool:
        return seen.start_ns <= exchange.started_ns < seen.end_ns

    for its in exchanges.values():
        inside = [e for e in its if counts(e)]
        asked_ns = [e.started_ns for e in inside if e.method == "GET"]
        if run.condition.polls:
            polls = [e for e in its if e.method == "GET"]
            gaps_s += [(b.started_ns - a.ended_ns) / 1e9 for a, b in itertools.pairwise(polls) if counts(a)]
        if run.condition.rate_hz or not run.condition.polls:
            span_s += run.window_s
        if not run.condition.rate_hz:  # silence: not the message that ends it
            inside = [e for e in inside if not e.messages]
            if run.condition.polls:  # few questions begin in a window: whole cycles, from the first to the last
                first_ns, last_ns = (asked_ns[0], asked_ns[-1]) if asked_ns else (0, 0)
                inside = [e for e in inside if first_ns <= e.started_ns < last_ns]
                span_s += (last_ns - first_ns) / 1e9
        for exchange in inside:
            sizes.update(exchange.sizes)
            messages += len(exchange.messages)
            requests += exchange.kind == "request"
            empty += exchange.kind == "request" and not exchange.messages
            pushes += exchange.kind == "push"
        if run.condition.via or not (run.condition.polls or run.condition.hopeless):
            for e in opening(its):
                for (_, category), size in e.sizes.items():
                    setup[category] += size * (category != "payload")
    up_s = run.condition.one_way_delay_ms / 1000
    payload = sizes["down", "payload"]
    overhead = sum(sizes.values()) - payload
    return {
        "requests": requests,
        "empty": empty,
        "pushes": pushes,
        "messages": messages,
        "span_s": span_s,
        "gap_s": statistics.fmean(gaps_s) + up_s if gaps_s else None,
        "cycle_bytes": overhead / requests if run.condition.polls and requests else None,
        "bytes_up": sum(size for (way, _), size in sizes.items() if way == "up"),
        "bytes_down": sum(size for (way, _), size in sizes.items() if way == "down"),
        **{f"{way}_{category}_bytes": size for (way, category), size in sorted(sizes.items())},
        "setup_bytes": setup.total() / len(exchanges) if setup else None,
        **{f"setup_{category}_bytes": size / len(exchanges) for category, size in sorted(setup.items()) if size},
        "unfinished_bytes": sum(
            e.sizes[way, "unfinished"] for its in exchanges.values() for e in its for way in ("up", "down")
        ),
        "connections": sum(len(ports) for ports in seen.received.ports.values()),
    }


def opening(its: list[Exchange]) -> list[Exchange]:
    """What is said before the first message; for Socket.IO, what its parts and their packets say of themselves."""
    if any(e.opening for e in its):
        return [e for e in its if e.opening]
    first_news = next((i for i, e in enumerate(its) if e.messages), len(its) - 1)
    return [e for e in its if not e.messages and e.started_ns < its[first_news].started_ns]


def _delivered(run: Run, seen: Observed, deliveries: dict[str, list[Any]]) -> dict[str, Any]:
    times = Counter((client, seq) for client, seq, _ in seen.received.messages)
    connections = CONNECTIONS_MOST[run.condition.via]
    return {
        "published": len(set(deliveries["message"])) if run.condition.clients else len(seen.publications) - 1,
        "deliveries": sum(at is not None for at in deliveries["received_ms"]),
        "missing": sum(at is None for at in deliveries["received_ms"]),
        "duplicates": sum(times.values()) - len(times),
        "missed_notices": seen.received.missed,
        "clients_lost": sum(len(ports) > connections for ports in seen.received.ports.values()),
        "first_message_ms": statistics.fmean(one.first_ms for one in seen.newcomers) if seen.newcomers else None,
        "newcomers_missing": sum(one.missing for one in seen.newcomers),
    }


def _segments(seen: Observed, by_port: dict[int, recording.Connection]) -> dict[str, Any]:
    """TCP segments of the readers' connections in the window; None where the system does not count them."""
    before, after = seen.recording.marks
    total: dict[str, int | None] = {"segments_up": None, "segments_down": None}
    for ports in seen.received.ports.values():
        for port in ports:
            number = by_port[port].number if port in by_port else -1
            first, last = before.segments.get(number), after.segments.get(number)
            if first and last:
                for name in total:
                    total[name] = (total[name] or 0) + last[name] - first[name]
    return total


def _server(seen: Observed) -> dict[str, Any]:
    before, after = seen.recording.marks
    return {
        "server_cpu_ms": (after.cpu_ns - before.cpu_ns) / 1e6,
        "server_cpu_share": (after.cpu_ns - before.cpu_ns) / (after.at_ns - before.at_ns),
        "server_rss_bytes": before.rss_bytes,
    }


def _server_ms(run: Run, seen: Observed, exchanges: dict[int, list[Exchange]]) -> float | None:
    """How long the server itself took, on average, for an answer or a push with news in it.

    From when both were there, the last message and, for a poll, the question, to when the last byte was written.
    """
    up_ns = round(run.condition.one_way_delay_ms * 1e6)
    published = {p.cursor: p.published_ns for p in seen.publications}
    took_ns = [
        e.ended_ns - max(published[str(e.messages[-1][0])], e.started_ns + up_ns if e.kind == "request" else 0)
        for its in exchanges.values()
        for e in its
        if e.messages and seen.start_ns <= e.started_ns < seen.end_ns
    ]
    return statistics.fmean(took_ns) / 1e6 if took_ns else None


def _quality(seen: Observed, deliveries: dict[str, list[Any]], everything: dict[int, list[Exchange]]) -> dict[str, Any]:
    """What tells whether the run can be believed."""
    inside = [p for p in seen.publications if seen.start_ns <= p.due_ns < seen.end_ns]
    late_ms = sorted((p.sent_ns - p.due_ns) / 1e6 for p in inside)
    in_time = sum(p.published_ns < seen.end_ns + 10_000_000 for p in inside)
    usage = seen.received.usage
    probes = (e for port in seen.probe_ports for e in everything.get(port, []))
    probe_written = {cursor.seq: at_ns for e in probes for cursor, at_ns in e.messages}
    probe_ms = [
        (seen.probe[seq] - probe_written[seq]) / 1e6
        for seq in set(deliveries["message"])
        if seq in seen.probe and seq in probe_written
    ]
    ours_ms = [
        received - written
        for received, written in zip(deliveries["received_ms"], deliveries["written_ms"], strict=True)
        if received is not None and written is not None
    ]
    return {
        "way_in_mean_ms": statistics.fmean((p.published_ns - p.due_ns) / 1e6 for p in inside) if inside else None,
        "achieved_share": in_time / len(inside) if inside else None,
        "mark_late_ms": max(
            (mark.at_ns - at_ns) / 1e6
            for mark, at_ns in zip(seen.recording.marks, (seen.start_ns, seen.end_ns), strict=True)
        ),
        "publisher_late_p99_ms": late_ms[round(0.99 * (len(late_ms) - 1))] if late_ms else None,
        "readers_cpu_share": (usage[1].cpu_ns - usage[0].cpu_ns) / (usage[1].at_ns - usage[0].at_ns) if usage else None,
        "readers_wait_ms": _mean_wait_ms(
            (usage[0].waited_ns, usage[0].waits) if usage else None,
            (usage[1].waited_ns, usage[1].waits) if usage else None,
        ),
        "server_wait_ms": _mean_wait_ms(*seen.server_waits) if seen.server_waits else None,
        "from_wire_median_ms": statistics.median(ours_ms) if ours_ms else None,
        "probe_median_ms": statistics.median(probe_ms) if probe_ms else None,
    }


def _mean_wait_ms(before: Any, after: Any) -> float | None:
    """How long a process waited for a CPU each time that it wanted one."""
    if not before or not after or before[0] is None or after[0] is None or after[1] == before[1]:
        return None
    return float((after[0] - before[0]) / (after[1] - before[1]) / 1e6)


def suspicions(metrics: dict[str, Any], hopeless: bool = False) -> list[str]:
    """Why a run should not be believed; empty if nothing speaks against it. `hopeless`: nothing could arrive."""
    found: list[str] = []

    def suspect(name: str, is_bad: Any, why: str) -> None:
        if metrics[name] is not None and is_bad(metrics[name]):
            found.append(why.format(metrics[name]))

    suspect("achieved_share", lambda share: share < 0.98, "only {:.3f} of the messages were published in time")
    suspect("publisher_late_p99_ms", lambda ms: ms > 10, "the publisher was {:.1f} ms late (p99)")
    suspect("mark_late_ms", lambda ms: ms > MARK_TIME_NS / 1e6, "the server noted its state {:.0f} ms late")
    suspect("readers_cpu_share", lambda share: share > 0.6, "the readers used {:.2f} of a core")
    suspect("readers_wait_ms", lambda ms: ms > 2, "the readers waited {:.1f} ms for a CPU each time")
    suspect("server_wait_ms", lambda ms: ms > 2, "the server waited {:.1f} ms for a CPU each time")
    suspect("way_in_mean_ms", lambda ms: ms > 5, "a message took {:.1f} ms on average to get into the log")
    if not hopeless:
        suspect("clients_lost", bool, "{} readers lost their connection")
        suspect("missing", bool, "{} messages did not arrive")
    suspect("duplicates", bool, "{} messages arrived more than once")
    suspect("unfinished_bytes", bool, "{} bytes were cut off in the middle of something")
    ours, probes = metrics["from_wire_median_ms"], metrics["probe_median_ms"]
    # Below 2 ms the ratio says which library was used, not that the readers were overloaded.
    if ours is not None and probes is not None and ours > 1.5 * probes and ours - probes > 2:
        found.append(f"the readers' median from the wire is {ours:.1f} ms, the probe's {probes:.1f} ms")
    return found


def run_in_process(run: Run, pipe: Any, readers_pipe: Any) -> None:
    """The process of one run. Says "ready", waits to be told "go", and sends its result; a string if that went wrong.

    Ctrl-C and SIGTERM end it cleanly.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    async def barrier() -> None:
        pipe.send("ready")
        await receive(pipe, BARRIER_TIMEOUT_S)

    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        try:
            pipe.send(measure(run, barrier, readers_pipe))
        except Exception as problem:
            pipe.send(f"{type(problem).__name__}: {problem}")
    pipe.close()
