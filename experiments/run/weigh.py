"""A run that measures what readers cost the server: its CPU at a load, or its memory as their number grows.

Readers only count (`experiments.run.counting`), and so does the server's recorder: nothing that is measured is spent on
remembering bytes. There is no probe. A load has a publisher as every run has; what publishing costs is measured by
runs without readers at the same rates.
"""

import asyncio
import contextlib
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.design import Condition, Run, arrivals
from experiments.run import recording, serving
from experiments.run.counting import Counted, open_files_most
from experiments.run.evaluate import DELIVERY_COLUMNS
from experiments.run.observe import (
    START_TIMEOUT_S,
    Barrier,
    Others,
    reading,
    receive,
    tell,
    until,
)
from experiments.run.publisher import Publication, Publisher
from experiments.run.suspect import reasons
from experiments.run.text import sample_text
from experiments.run.usage import mean_wait_ms, waited_for_cpu

LEAD_IN_S = 0.4
STEPS = (1 / 15, 4 / 15, 8 / 15, 1.0)
"""Shares of the readers at which the server's memory is measured."""

SETTLED_S = 0.6
"""From when all readers of a step have received a message to when the server's memory is looked at."""

FILES_BESIDE = 200
"""Open files of the server that are not connections, or that it keeps free."""

CONNECTIONS_MOST = 19_900
"""The server refuses more than 20,000."""


@dataclass
class Weighed:
    """What was observed; `steps` are the numbers of readers at each of the server's marks."""

    start_ns: int
    end_ns: int
    publications: list[Publication]
    recording: recording.Recording
    counted: Counted
    steps: list[int]
    server_waits: tuple[tuple[int, int], tuple[int, int]] | None


def readers_most(condition: Condition, open_files: int) -> int:
    """How many readers there can be: fewer than wanted if that takes more connections than there can be."""
    connections = min(CONNECTIONS_MOST, open_files - FILES_BESIDE)
    return min(condition.clients, connections // condition.kind.connections_most, condition.kind.sessions_most)


def sizes(condition: Condition, open_files: int) -> list[int]:
    """How many readers there are at each step."""
    return [max(1, round(share * readers_most(condition, open_files))) for share in STEPS]


async def weigh(run: Run, folder: Path, barrier: Barrier, others: Others) -> Weighed:
    """Do the run; raises Failed, OSError, ValueError or TimeoutError."""
    condition, recorded = run.condition, folder / "recording"
    open_files = open_files_most()
    command = serving.arguments(folder, recorded, condition, "counts")
    with (
        serving.server(command, others.server) as (process, url),
        contextlib.closing(Publisher(folder / "in")) as publisher,
    ):
        publisher.now("warm-up")
        async with reading(run, (url, "0"), others.reader) as pipe:
            measured = _grow if condition.measures == "memory" else _load
            seen = await measured(run, process, publisher, pipe, barrier, sizes(condition, open_files))
    seen.recording = recording.read(recorded)
    return seen


async def _load(run: Run, process: Any, publisher: Publisher, pipe: Any, barrier: Barrier, _: list[int]) -> Weighed:
    condition, rng = run.condition, random.Random(run.seed)
    await barrier()
    if condition.clients:
        tell(pipe, ("grow", condition.clients))
        await receive(pipe, START_TIMEOUT_S)
    begin_ns = time.monotonic_ns() + 50_000_000
    start_ns = begin_ns + round(LEAD_IN_S * 1e9)
    end_ns = start_ns + round(run.window_s * 1e9)
    due = [
        (begin_ns + round(at_s * 1e9), sample_text(rng, condition.text_bytes))
        for at_s in arrivals(rng, condition.rate_hz, LEAD_IN_S + run.window_s)
    ]
    publishing = asyncio.create_task(asyncio.to_thread(publisher.publish, due))
    waits = []
    for at_ns in (start_ns, end_ns):
        await until(at_ns)
        waits.append(waited_for_cpu(process.pid))
        process.send_signal(signal.SIGUSR1)
        if pipe:
            tell(pipe, "mark")
    publications = await publishing
    counted = await _ended(pipe)
    before, after = waits
    known = (before, after) if before and after else None
    return Weighed(start_ns, end_ns, publications, recording.Recording([], []), counted, [condition.clients], known)


async def _grow(run: Run, process: Any, publisher: Publisher, pipe: Any, barrier: Barrier, steps: list[int]) -> Weighed:
    await barrier()
    start_ns = time.monotonic_ns()
    for readers in steps:
        tell(pipe, ("grow", readers))
        await receive(pipe, START_TIMEOUT_S)
        await asyncio.sleep(SETTLED_S)
        process.send_signal(signal.SIGUSR1)
        await asyncio.sleep(0.1)
    counted = await _ended(pipe)
    return Weighed(start_ns, time.monotonic_ns(), [], recording.Recording([], []), counted, steps, None)


async def _ended(pipe: Any) -> Counted:
    if not pipe:
        return Counted()
    tell(pipe, "end")
    counted: Counted = await receive(pipe, START_TIMEOUT_S)
    return counted


UNKNOWN = (
    *("gap_s", "cycle_bytes", "setup_bytes", "segments_up", "segments_down", "server_ms", "first_message_ms"),
    *("way_in_mean_ms", "achieved_share", "mark_late_ms", "publisher_late_p99_ms", "readers_cpu_share"),
    *("readers_wait_ms", "server_wait_ms", "from_wire_median_ms", "probe_median_ms"),
)
NONE = (
    *("requests", "empty", "pushes", "messages", "bytes_up", "bytes_down", "unfinished_bytes", "deliveries"),
    *("missing", "duplicates", "reordered", "missed_notices", "late_joiners_missing"),
)


def evaluate(run: Run, seen: Weighed) -> dict[str, Any]:
    """What was observed, as numbers, under the names that other runs have; None for what was not measured."""
    condition, marks = run.condition, seen.recording.marks
    metrics: dict[str, Any] = dict.fromkeys(UNKNOWN) | dict.fromkeys(NONE, 0)
    inside = [p for p in seen.publications if seen.start_ns <= p.due_ns < seen.end_ns]
    metrics |= {"published": len(inside), "span_s": run.window_s * max(1, condition.clients)}
    metrics |= {"clients_lost": seen.counted.lost, "connections": max(0, len(seen.recording.connections) - 1)}
    metrics["server_rss_bytes"] = marks[-1].rss_bytes
    if condition.measures == "memory":
        for number, (readers, mark) in enumerate(zip(seen.steps, marks, strict=True), 1):
            metrics |= {f"step_{number}_readers": readers, f"step_{number}_rss_bytes": mark.rss_bytes}
        metrics["server_cpu_share"] = (marks[-1].cpu_ns - marks[0].cpu_ns) / (marks[-1].at_ns - marks[0].at_ns)
        metrics["server_cpu_ms"] = (marks[-1].cpu_ns - marks[0].cpu_ns) / 1e6
    else:
        metrics |= _cost(seen)
    because = reasons(metrics)
    if condition.measures == "memory" and seen.steps[-1] < _wanted(condition):
        had = f"only {seen.steps[-1]} of {_wanted(condition)} readers"
        because.append(f"{had}: this system allows too few open files (`ulimit -n`)")
    return {"metrics": metrics, "suspect": because, "deliveries": {name: [] for name in DELIVERY_COLUMNS}}


def _wanted(condition: Condition) -> int:
    return sizes(condition, 1_000_000)[-1]


def _cost(seen: Weighed) -> dict[str, Any]:
    """Between the two marks: what the server's CPU did, and what was counted, at the rate of the server's own time."""
    before, after = seen.recording.marks
    took_ns = after.at_ns - before.at_ns
    late_ms = sorted((p.sent_ns - p.due_ns) / 1e6 for p in seen.publications)
    in_time = sum(p.published_ns < seen.end_ns + 50_000_000 for p in seen.publications)
    cost = {
        "server_cpu_ms": (after.cpu_ns - before.cpu_ns) / 1e6,
        "server_cpu_share": (after.cpu_ns - before.cpu_ns) / took_ns,
        "publisher_late_p99_ms": late_ms[round(0.99 * (len(late_ms) - 1))] if late_ms else None,
        "achieved_share": in_time / len(late_ms) if late_ms else None,
        "mark_late_ms": max((before.at_ns - seen.start_ns) / 1e6, (after.at_ns - seen.end_ns) / 1e6),
        "server_wait_ms": mean_wait_ms(*seen.server_waits) if seen.server_waits else None,
    }
    if len(seen.counted.tallies) == 2:
        first, last = seen.counted.tallies
        counted_ns = last.usage.at_ns - first.usage.at_ns
        cost |= {
            "requests": round((last.responses - first.responses) * took_ns / counted_ns),
            "messages": round((last.messages - first.messages) * took_ns / counted_ns),
            "readers_cpu_share": (last.usage.cpu_ns - first.usage.cpu_ns) / counted_ns,
            "readers_wait_ms": mean_wait_ms(
                (first.usage.waited_ns, first.usage.waits), (last.usage.waited_ns, last.usage.waits)
            ),
        }
        cost["deliveries"] = cost["messages"]
    return cost
