"""A run in which everybody reconnects: the server is killed, and started again on the same port.

    |- connect -|  killed          listens again
                |----- DOWN_S -----|
                |  every reader tries again, and again, until it has the first message after the restart

Without a backoff, each reader comes back exactly a second after it has lost its connection, as an EventSource does
that was told `retry: 1000`: all of them at the same moment. With one (`clients.backoff`) the times are random, and
longer after each failure.

The first message is published as soon as the server listens. A reader is back when it has it.
"""

import asyncio
import contextlib
import itertools
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from experiments.design import Run
from experiments.run import cores, serving
from experiments.run.broadcast import Moment, Readers, crowd, number_of, readers_share, starved_share, together
from experiments.run.checking import Checked, Reconnected
from experiments.run.counting import open_files_most
from experiments.run.evaluate import DELIVERY_COLUMNS
from experiments.run.observe import Barrier, Others
from experiments.run.publisher import Publisher
from experiments.run.sample import Sample
from experiments.run.suspect import reasons
from experiments.run.usage import used_cpu_ns
from experiments.run.weigh import NONE, UNKNOWN, readers_most

DOWN_S = 0.5
"""How long there is no server, before it starts again."""

BACK_S = 30.0
"""How long readers may take to come back."""

PEAK_S = 0.1
"""Over which times the server's CPU is looked at."""


@dataclass
class Observed:
    """What was observed; `wanted` is how many readers there were, `spent` the server's (time, CPU time) so far.

    `began` when the server listened again, `ended` when all were back.
    """

    wanted: int
    killed_ns: int
    listens_ns: int
    began: Moment
    ended: Moment
    checked: list[Checked]
    number: int
    spent: list[tuple[int, int]]


async def observe(run: Run, folder: Path, barrier: Barrier, others: Others) -> Observed:
    """Do the run; raises Failed, OSError, ValueError or TimeoutError."""
    condition, again = run.condition, folder / "again"
    again.mkdir()
    wanted = readers_most(condition, open_files_most())
    servers = others.servers or (None, None)
    async with contextlib.AsyncExitStack() as until_killed:
        command = serving.arguments(folder, folder / "recording", condition, "counts")
        process, url = until_killed.enter_context(serving.server(command, servers[0], kill=True))
        cores.for_server(process.pid)
        async with crowd(run, url, Sample(0.0, 0), others.readers) as readers:
            with contextlib.closing(Publisher(folder / "in")) as publisher:
                first = publisher.now("warm-up")
            await barrier()
            await readers.grow(wanted, first.cursor)
            await readers.ask(("reconnect", condition.backoff), str)
            killed_ns = time.monotonic_ns()
            await until_killed.aclose()
            await asyncio.sleep(DOWN_S)
            port = urlsplit(url).port or 0
            command = serving.arguments(again, again / "recording", condition, "counts", port)
            with serving.server(command, servers[1]) as (process, _):
                cores.for_server(process.pid)
                listens_ns = time.monotonic_ns()
                began = await Moment.now(readers, process.pid)
                with contextlib.closing(Publisher(again / "in")) as publisher:
                    number = number_of(publisher.now("the first after the restart"))
                spent = await until_back(readers, process.pid, number, wanted)
                ended = await Moment.now(readers, process.pid)
                checked = await readers.ask(("end", number), Checked)
    return Observed(wanted, killed_ns, listens_ns, began, ended, checked, number, spent)


async def until_back(readers: Readers, pid: int, number: int, wanted: int) -> list[tuple[int, int]]:
    """Wait until all have this message; returns what the server had spent at what time, where that is known."""
    spent: list[tuple[int, int]] = []

    async def watch() -> None:
        while True:
            if (cpu_ns := used_cpu_ns(pid)) is not None:
                spent.append((time.monotonic_ns(), cpu_ns))
            await asyncio.sleep(PEAK_S)

    watching = asyncio.create_task(watch())
    with contextlib.suppress(TimeoutError):  # some are not back; they are counted
        async with asyncio.timeout(BACK_S):
            await readers.all_have(number, BACK_S, wanted)
    watching.cancel()
    return spent


def evaluate(run: Run, seen: Observed) -> dict[str, Any]:
    """What was observed, as numbers, under the names that other runs have; times since the server was killed."""
    back = together([checked.arrivals for checked in seen.checked]).get(seen.number, [])
    reconnected = [checked.reconnected or Reconnected() for checked in seen.checked]
    took_ms = [took_ns / 1e6 for one in reconnected for took_ns in one.took_ns]
    back_ms = [(at_ns - seen.killed_ns) / 1e6 for at_ns in back]
    all_back = len(back) == seen.wanted
    began, ended = seen.began.readers[0].usage.at_ns, seen.ended.readers[0].usage.at_ns
    during = (seen.began, seen.ended, (ended - began) / 1e9)
    metrics: dict[str, Any] = dict.fromkeys(UNKNOWN) | dict.fromkeys(NONE, 0)
    metrics |= {
        "published": 1,
        "deliveries": len(back),
        "missing": seen.wanted - len(back),
        "duplicates": sum(checked.repeated for checked in seen.checked),
        "clients_lost": 0,
        "connections": seen.wanted,
        "span_s": run.window_s * run.condition.clients,
        "server_rss_bytes": None,
        "server_cpu_ms": (seen.spent[-1][1] - seen.spent[0][1]) / 1e6 if seen.spent else None,
        "server_cpu_share": None,
        "readers_busy_share": readers_share(*during),
        "starved_share": starved_share(*during),
        "storm_readers": seen.wanted,
        "storm_listens_ms": (seen.listens_ns - seen.killed_ns) / 1e6,
        "storm_median_ms": statistics.median(back_ms) if all_back else None,
        "storm_last_ms": back_ms[-1] if all_back else None,
        "storm_attempts": sum(one.attempts for one in reconnected),
        "storm_refused": sum(one.refused for one in reconnected),
        "storm_failed": sum(one.failed for one in reconnected),
        "storm_took_median_ms": statistics.median(took_ms) if took_ms else None,
        "storm_took_last_ms": max(took_ms, default=None),
        "storm_peak_share": peak(seen.spent),
    }
    return {"metrics": metrics, "suspect": reasons(metrics), "deliveries": {name: [] for name in DELIVERY_COLUMNS}}


def peak(spent: list[tuple[int, int]]) -> float | None:
    """The largest share of a core between two looks; None where nobody could look."""
    return max(
        ((cpu - before) / (at - since) for (since, before), (at, cpu) in itertools.pairwise(spent)), default=None
    )
