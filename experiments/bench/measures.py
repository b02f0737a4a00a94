"""What is measured of servers: each function starts them, measures, and ends them. See `MEASURES`.

CPU is taken at a load of about LOAD, from outside, until the server has come to rest. It is all that the server does,
publishing included: what publishing costs without readers could only be measured on a server that is nearly idle, where
each wake-up costs several times as much. Messages come at regular ticks; or, to a saturated server, as soon as one of
the ticks that are on their way is complete. A single reader's delay depends on how deeply the
machine sleeps, which changes within seconds: so all servers that are compared run at once, idle but for one, and take
turns, a few messages each.

The server's main thread has a core to itself, if there are two, and readers have the others.
"""

import contextlib
import dataclasses
import os
import random
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

from experiments.bench.opening import Transport
from experiments.bench.program import Program, running
from experiments.bench.reading import Counted, Crowd, crowd
from experiments.bench.servers import SERVERS
from experiments.run.text import sample_text

TEXT = sample_text(random.Random(9), 100)
"""Of every message of every server."""

LOAD = 0.4
"""The share of a core that the server is given to do while its CPU is measured."""

TRIAL_TICKS = 4
WARM_DELIVERIES, WARM_RESPONSES = 20_000, 8_000
"""How many come first, or responses to polls: what is compiled while it runs is compiled by then."""

PUSH_BLOCK, PUSH_INTERVAL_MS = 20, 3
AT_REST_S, AT_REST_NS = 0.02, 300_000
"""A server that uses less than this within this time has come to rest."""

SATURATED_PER_TICK, SATURATED_TICKS = 10, 3
"""How many messages a tick of a saturated server has, and how many ticks are on their way."""

SETTLED_S = 0.3
POLLERS = 64
POLL_LOADS = (0.15, 0.5)
WARM_POLLS_HZ, WARM_POLLS_S = 3_000, 1.0
WARM_VISITS_HZ, WARM_VISITS_S = 1_000, 0.5
READERS_PER_PROCESS = 10_000
AIMED_READERS = 1_000
ROUNDS_LEAST = 2
"""One alone can't say whether an aim is met."""


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is measured. `readers`: at which their CPU is; `idle`: between which their memory is.

    As many rounds as can be done in `most_s`, but at least ROUNDS_LEAST, and at most `rounds`.
    """

    rounds: int
    most_s: int
    readers: tuple[int, ...]
    idle: tuple[int, int]
    push_blocks: int
    point_s: float
    most_readers: int = 0
    everything: bool = True
    """Not only what aims are set for."""

    def in_round(self, number: int) -> "Size":
        """Everything is measured in the first round, which is 0; in the others, what aims are set for."""
        if number == 0:
            return self
        readers = tuple(its for its in self.readers if its == AIMED_READERS) or self.readers
        return dataclasses.replace(self, readers=readers, most_readers=0, everything=False)


SIZES = {
    "quick": Size(1, 60, (1_000,), (100, 700), push_blocks=6, point_s=0.25, everything=False),
    "default": Size(3, 225, (100, 1_000), (200, 1_000), push_blocks=10, point_s=0.3, most_readers=20_000),
    "full": Size(9, 455, (100, 1_000, 1_900), (200, 1_900), push_blocks=15, point_s=0.4, most_readers=20_000),
}

Metrics = dict[str, float]


@contextlib.contextmanager
def measuring(name: str, transport: Transport, processes: int = 1) -> Iterator[tuple[Program, Crowd]]:
    """The server, running, and its crowd, not yet connected."""
    server = SERVERS[name]
    with running(server.title, server.command(TEXT)) as program:
        program.port = int(program.hear().removeprefix("ready "))
        with crowd(server, transport, program.port, TEXT, processes) as readers:
            share_cores(program.pid, readers.pids)
            yield program, readers


def share_cores(server: int, readers: Sequence[int]) -> None:
    """One for the server's main thread, the others for readers, as far as there are several."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(server, cores[:1])  # threads that it has already started stay where they are
        for number, pid in enumerate(readers):
            os.sched_setaffinity(pid, {cores[1 + number % (len(cores) - 1)]})


def push(names: Sequence[str], transport: Transport, size: Size, seed: int) -> dict[str, Metrics]:
    """The median time from publishing to reading, of a single reader."""
    order, delays_ns = random.Random(seed), {name: list[int]() for name in names}
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(measuring(name, transport)) for name in names}
        for _, readers in running.values():
            readers.grow(1)
        for block in range(size.push_blocks + 1):
            for name in order.sample(list(names), len(names)):
                program, readers = running[name]
                readers.listen(PUSH_BLOCK)
                program.say(f"publish 1 {PUSH_BLOCK} {PUSH_INTERVAL_MS}")
                block_ns = readers.delays_ns()
                until_published(program)
                if block:  # the first ones are not yet compiled
                    delays_ns[name] += block_ns
    return {name: {"push_us": statistics.median(delays_ns[name]) / 1e3} for name in names}


def fan_out(name: str, transport: Transport, size: Size, seed: int) -> Metrics:
    """What a message to many costs in CPU, when the last one has it, and how many get through."""
    metrics: Metrics = {}
    with measuring(name, transport) as (program, readers):
        per_ticks, warm = ((1,), WARM_RESPONSES) if transport == "long_poll" else ((1, 10), WARM_DELIVERIES)
        for number in size.readers:
            readers.grow(number)
            if number == size.readers[0]:
                tick_cpu_ns(program, readers, per_ticks[-1], warm // number // per_ticks[-1])
            for per_tick in per_ticks:
                cost = delivered(program, readers, per_tick, size)
                metrics |= {f"{metric}_{number}_{per_tick}": value for metric, value in cost.items()}
            if number == AIMED_READERS and transport != "long_poll":
                metrics |= saturated(program, readers, size)
    return metrics


def delivered(program: Program, readers: Crowd, per_tick: int, size: Size) -> Metrics:
    """CPU per delivery, and the time until the last reader has a tick's messages."""
    ticks, interval_ms = schedule(tick_cpu_ns(program, readers, per_tick), size.point_s)
    before_ns, began_ns = at_rest_ns(program), time.monotonic_ns()
    readers.count(per_tick, ticks)
    program.say(f"publish {per_tick} {ticks} {interval_ms}")
    took_ns = [at_ns - published_ns for at_ns, published_ns in (readers.tick() for _ in range(ticks)) if published_ns]
    counted, elapsed_ns = readers.counted(), time.monotonic_ns() - began_ns
    until_published(program)
    cpu_ns = at_rest_ns(program) - before_ns
    deliveries = counted.responses or readers.readers * per_tick * ticks
    metrics = {
        "cpu_us": cpu_ns / deliveries / 1e3,
        "load": cpu_ns / elapsed_ns,
        "readers_us": counted.cpu_ns / deliveries / 1e3,
    }
    if per_tick == 1:
        metrics |= {"last_ms": statistics.median(took_ns) / 1e6, "readers_share": counted.cpu_ns / sum(took_ns)}
    return metrics


def tick_cpu_ns(program: Program, readers: Crowd, per_tick: int, ticks: int = TRIAL_TICKS) -> float:
    """About what a tick costs the server, found by publishing one after the other."""
    readers.count(per_tick, ticks)
    before_ns = at_rest_ns(program)
    for _ in range(ticks):
        program.say(f"publish {per_tick} 1 0")
        readers.tick()
        until_published(program)
    readers.counted()
    return (at_rest_ns(program) - before_ns) / ticks


def schedule(cpu_ns: float, seconds: float) -> tuple[int, int]:
    """How many ticks, and milliseconds between them, so that the server has LOAD to do for about so long."""
    interval_ms = min(500, max(1, round(cpu_ns / LOAD / 1e6)))
    return min(300, max(6, round(seconds * 1e3 / interval_ms))), interval_ms


def saturated(program: Program, readers: Crowd, size: Size) -> Metrics:
    """Deliveries per second of a server that always has a tick to publish, and how busy it and its readers were."""
    cpu_ns = tick_cpu_ns(program, readers, SATURATED_PER_TICK)
    ticks = min(200, max(2 * SATURATED_TICKS, round(size.point_s * 1e9 / cpu_ns)))
    readers.count(SATURATED_PER_TICK, ticks)
    publish = f"publish {SATURATED_PER_TICK} 1 0"
    for _ in range(SATURATED_TICKS):
        program.say(publish)
    at_ns, server_ns = [], []
    for number in range(ticks):
        at_ns.append(readers.tick()[0])
        server_ns.append(program.cpu_ns)
        until_published(program)
        if number < ticks - SATURATED_TICKS:
            program.say(publish)
    last = ticks - SATURATED_TICKS  # after this one there is ever less on its way
    counted, took_ns = readers.counted(), at_ns[last] - at_ns[0]
    return {
        "saturated_hz": SATURATED_PER_TICK * readers.readers * last / took_ns * 1e9,
        "saturated_share": (server_ns[last] - server_ns[0]) / took_ns,
        "saturated_readers_share": counted.cpu_ns / ticks * last / took_ns,
    }


def memory(name: str, transport: Transport, size: Size, seed: int) -> Metrics:
    """KiB per idle reader, as a slope, each time after a full garbage collection."""
    at: list[tuple[int, int]] = []
    with measuring(name, transport) as (program, readers):
        for number in size.idle:
            readers.grow(number)
            time.sleep(SETTLED_S)
            program.say("collect")
            program.expect("collected")
            at.append((number, program.memory_kib))
    (few, before), (many, after) = at
    return {"reader_kib": (after - before) / (many - few)}


def polling(name: str, transport: Transport, size: Size, seed: int) -> Metrics:
    """CPU per empty short poll: on connections that are kept, and of visitors, who come for a single one."""
    with measuring(name, transport) as (program, readers):
        readers.grow(POLLERS)

        def slope_us(order: Callable[[float, float, int], Counted], warm_hz: float, warm_s: float) -> float:
            """CPU per response, between two loads."""

            def asked(rate_hz: float, seconds: float) -> tuple[int, int]:
                """CPU of the server in nanoseconds, and responses."""
                before_ns = at_rest_ns(program)
                responses = order(rate_hz, seconds, seed).responses
                return at_rest_ns(program) - before_ns, responses

            cpu_ns, responses = asked(warm_hz, warm_s)
            rates_hz = [load * responses / cpu_ns * 1e9 for load in POLL_LOADS]
            light, heavy = (asked(rate_hz, 1.5 * size.point_s) for rate_hz in rates_hz)
            return (heavy[0] - light[0]) / (heavy[1] - light[1]) / 1e3

        return {
            "poll_us": slope_us(readers.poll, WARM_POLLS_HZ, WARM_POLLS_S),
            "visit_us": slope_us(readers.visit, WARM_VISITS_HZ, WARM_VISITS_S),
        }


def holding(name: str, transport: Transport, size: Size, seed: int) -> Metrics:
    """How many readers get a message when as many connect as there are to be; `descriptors` is what a process may open.

    Raises Failed if one that is connected gets none.
    """
    processes = -(-size.most_readers // READERS_PER_PROCESS)
    with measuring(name, transport, processes) as (program, readers):
        held, _, _ = readers.try_to_grow(size.most_readers)
        readers.count(1, 1)
        program.say("publish 1 1 0")
        readers.tick()
        readers.counted()
    return {"held": held, "descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[1]}


MEASURES: dict[str, Callable[[str, Transport, Size, int], Metrics]] = {
    "fan_out": fan_out,
    "memory": memory,
    "polling": polling,
    "holding": holding,
}
"""Of one server each; `push` is of several."""


def until_published(program: Program) -> None:
    program.expect("published")


def at_rest_ns(program: Program) -> int:
    """Its CPU time, once it does nothing any more."""
    before_ns = program.cpu_ns
    for _ in range(100):
        time.sleep(AT_REST_S)
        now_ns = program.cpu_ns
        if now_ns - before_ns < AT_REST_NS:
            break
        before_ns = now_ns
    return now_ns
