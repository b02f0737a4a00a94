"""Which servers are measured how, in which order: a round is all of it once, shuffled, and the next one again."""

import random
from collections.abc import Collection
from dataclasses import dataclass

from experiments.bench.aims import AIMS
from experiments.bench.measures import MEASURES, Metrics, Size, push
from experiments.bench.opening import Transport
from experiments.bench.servers import PUSHED, SERVERS

EXPECTED_S = {"push": 1.0, "fan_out": 5.0, "memory": 2.5, "polling": 3.0, "holding": 20.0}
"""About how long a measure takes per server, in the default size."""


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
    wanted = {(aim.measure, aim.transport, server) for aim in AIMS for server in (aim.server, aim.peer)}

    def those(measure: str, transport: Transport, *only: str) -> tuple[str, ...]:
        return tuple(
            name
            for name, server in SERVERS.items()
            if transport in server.transports
            and name in servers
            and (not only or name in only)
            and (size.everything or (measure, transport, name) in wanted)
        )

    def each(measure: str, transport: Transport, *only: str) -> list[Job]:
        return [Job(measure, transport, (name,)) for name in those(measure, transport, *only)]

    found = [
        *([Job("push", transport, those("push", transport))] for transport in PUSHED),
        *(each("fan_out", transport) for transport in (*PUSHED, "long_poll")),
        [*each("memory", "websocket", "ws", "starlette", "hub"), *each("memory", "socket_io", "socket.io", "hub")],
        [*each("memory", "sse", "starlette", "hub"), *each("memory", "long_poll", "starlette", "hub")],
        each("polling", "short_poll"),
    ]
    return [jobs for group in found if (jobs := [job for job in group if job.servers])]


def jobs_of_round(size: Size, number: int, seed: int, servers: Collection[str] = tuple(SERVERS)) -> list[Job]:
    """Shuffled: first the groups, then each of them. How many readers there can be is found out once, in the first."""
    order = random.Random(f"{seed} {number}")
    shuffled = groups(size, servers)
    order.shuffle(shuffled)
    for group in shuffled:
        order.shuffle(group)
    holding = [Job("holding", "websocket", ("hub",))] if size.most_readers and number == 0 and "hub" in servers else []
    return [*(job for group in shuffled for job in group), *holding]
