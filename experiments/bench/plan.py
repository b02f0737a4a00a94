"""Which servers are measured how, in which order: a round is all of it once, shuffled, and the next one again."""

import random
from collections.abc import Collection
from dataclasses import dataclass

from experiments.bench.aims import AIMS
from experiments.bench.measures import MEASURES, Metrics, Size, push
from experiments.bench.opening import Transport
from experiments.bench.servers import PUSHED, SERVERS

EXPECTED_S = {"push": 1.7, "fan_out": 4.0, "memory": 1.5, "polling": 4.0, "holding": 20.0}
"""About how long a measure takes per server, in the default size."""

MEMORY_ROUNDS = 2
"""In how many rounds memory is measured: it hardly differs."""

COMPARED = tuple(name for name in SERVERS if name != "uvicorn")
IN_MEMORY = ("ws", "socket.io", "http", "uvicorn", "starlette", "hub")


@dataclass(frozen=True)
class Job:
    """One measure of one server, or of several that take turns."""

    measure: str
    transport: Transport
    servers: tuple[str, ...]

    @property
    def expected_s(self) -> float:
        return EXPECTED_S[self.measure] * len(self.servers)

    @property
    def name(self) -> str:
        return f"{self.measure} {self.transport} {','.join(self.servers)}"

    def result_name(self, server: str) -> str:
        """Under which the result of one of its servers is stored."""
        return f"{self.measure} {self.transport} {server}"

    def do(self, size: Size, seed: int) -> dict[str, Metrics]:
        """The result of each server; raises Failed."""
        if self.measure == "push":
            return push(self.servers, self.transport, size, seed)
        (server,) = self.servers
        return {server: MEASURES[self.measure](server, self.transport, size, seed)}


def groups(size: Size, servers: Collection[str]) -> list[list[Job]]:
    """All that these servers can do; what is compared with each other stands in one group."""
    wanted = {name for aim in AIMS for name in (aim.name, aim.peer_name, aim.floor)}

    def those(measure: str, transport: Transport, *only: str) -> tuple[str, ...]:
        return tuple(
            name
            for name, server in SERVERS.items()
            if transport in server.transports
            and name in servers
            and (not only or name in only)
            and (size.everything or f"{measure} {transport} {name}" in wanted)
        )

    def each(measure: str, transport: Transport, *only: str) -> list[Job]:
        return [Job(measure, transport, (name,)) for name in those(measure, transport, *only)]

    found = [
        *([Job("push", transport, those("push", transport))] for transport in PUSHED),
        *(each("fan_out", transport, *COMPARED) for transport in (*PUSHED, "long_poll")),
        [*each("memory", "websocket", *IN_MEMORY), *each("memory", "socket_io", *IN_MEMORY)],
        [*each("memory", "sse", *IN_MEMORY), *each("memory", "long_poll", *IN_MEMORY, "tasks")],
        each("polling", "short_poll"),
    ]
    return [jobs for group in found if (jobs := [job for job in group if job.servers])]


def jobs_of_round(size: Size, number: int, seed: int, servers: Collection[str] = tuple(SERVERS)) -> list[Job]:
    """Shuffled: first the groups, then each of them. How many readers there can be comes once, last in the first."""
    order = random.Random(f"{seed} {number}")
    size = size.in_round(number)
    shuffled = groups(size, servers)
    if number >= MEMORY_ROUNDS:
        shuffled = [group for group in shuffled if group[0].measure != "memory"]
    order.shuffle(shuffled)
    for group in shuffled:
        order.shuffle(group)
    holding = [Job("holding", "websocket", ("hub",))] if size.most_readers and "hub" in servers else []
    return [*(job for group in shuffled for job in group), *holding]
