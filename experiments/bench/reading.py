"""Readers of one server, in as many processes as are asked for, as one crowd."""

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.bench.opening import Transport
from experiments.bench.program import TIMEOUT_S, Failed, Program, running
from experiments.bench.servers import Server

OPENING_S = 300.0
"""How long all readers of a process may take to connect."""


@dataclass(frozen=True)
class Counted:
    """CPU nanoseconds of the readers' busiest process, and responses to polls, all together."""

    cpu_ns: int
    responses: int


class Crowd:
    """Some are connected already."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = programs
        self._open = [0 for _ in programs]

    @property
    def pids(self) -> list[int]:
        return [program.pid for program in self._programs]

    @property
    def readers(self) -> int:
        return sum(self._open)

    def grow(self, readers: int) -> None:
        """Until so many are connected; raises Failed if the server refuses one."""
        _, refused, why = self.try_to_grow(readers)
        if refused:
            raise Failed(f"{refused} of {readers} readers were refused: {why}")

    def try_to_grow(self, readers: int) -> tuple[int, int, str]:
        """How many are connected, how many were refused, and how the server said so."""
        for program, share, there in zip(self._programs, self._shares(readers), self._open, strict=True):
            program.say(f"open {share - there}")
        said = [heard(program, OPENING_S) for program in self._programs]
        self._open = [one["open"] for one in said]
        return self.readers, sum(one["refused"] for one in said), next(filter(None, (one["why"] for one in said)), "")

    def count(self, per_tick: int, ticks: int) -> None:
        """From now on, count what arrives; `tick` says when a tick is complete, and `counted` ends it."""
        self._order(f"count {per_tick} {ticks}")

    def tick(self) -> tuple[int, int | None]:
        """When the last reader had all messages of the next tick, and when its last message was published."""
        ticks = [heard(program) for program in self._programs]
        return max(at_ns for at_ns, _ in ticks), max((at_ns for _, at_ns in ticks if at_ns), default=None)

    def counted(self) -> Counted:
        said = [heard(program) for program in self._programs]
        return Counted(max(one["cpu"] for one in said), sum(one["responses"] for one in said))

    def listen(self, messages: int) -> None:
        """From now on, wait for messages with the only reader there is; `delays_ns` ends it."""
        self._order(f"delays {messages}")

    def delays_ns(self) -> list[int]:
        delays: list[int] = heard(self._programs[0])["delays"]
        return delays

    def poll(self, rate_hz: float, seconds: float, seed: int) -> Counted:
        """Send short polls at random times, on the connections that there are."""
        return self._ask(f"poll {rate_hz:.6f} {seconds:.6f} {seed}")

    def visit(self, rate_hz: float, seconds: float, seed: int) -> Counted:
        """Send short polls at random times, each on a connection of its own and with a head of its own."""
        return self._ask(f"visit {rate_hz:.6f} {seconds:.6f} {seed}")

    def _ask(self, line: str) -> Counted:
        for program in self._programs:
            program.say(line)
        return self.counted()

    def _order(self, line: str) -> None:
        for program in self._programs:
            program.say(line)
        for program in self._programs:
            heard(program)

    def _shares(self, readers: int) -> list[int]:
        each, more = divmod(readers, len(self._programs))
        return [each + (number < more) for number in range(len(self._programs))]


def heard(program: Program, timeout_s: float = TIMEOUT_S) -> Any:
    """What a process of readers says next; raises Failed if it says that it failed."""
    said = json.loads(program.hear(timeout_s))
    if isinstance(said, dict) and "failed" in said:
        raise Failed(said["failed"])
    return said


@contextlib.contextmanager
def crowd(server: Server, transport: Transport, port: int, text: str, processes: int = 1) -> Iterator[Crowd]:
    """Readers of this server, none of them connected yet."""
    arguments = (transport, str(port), str(int(server.has_cursors)), text)
    command = [sys.executable, "-m", "experiments.bench.readers", *arguments]
    with contextlib.ExitStack() as stack:
        yield Crowd([stack.enter_context(running("readers", command)) for _ in range(processes)])
