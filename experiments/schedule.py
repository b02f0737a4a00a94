"""Does the runs of a plan: some alone, most side by side, each in its own processes, each stored when it is done.

Where milliseconds count, a run has the machine to itself. The others, whose delays are set by a poll interval or by the
emulated network, or whose bytes are counted, share it as long as their expected load leaves most of it idle. Whether
that was so is measured in every run (see `measure.suspicions`); a run that is not to be believed is done once more.
"""

import math
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from experiments.design import Run
from experiments.measure import PROCESSES, run_in_process

PRELOADED = ["experiments.measure"]
TRIES = 2
AROUND_S = 2.6
"""What a run takes besides its window: starting, warming up, ending."""

START_CPU_S = 0.5
"""What starting and ending a run costs in CPU time, about: a server has to be imported, a recording read."""

SIDE_BY_SIDE = 12 * (os.cpu_count() or 1)
LOAD_MOST = 0.5 * (os.cpu_count() or 1)
"""Cores that runs side by side may be expected to use."""


@dataclass
class Going:
    """A run in its process."""

    run: Run
    process: BaseProcess
    pipe: Connection
    tried: int
    ends_at: float


@dataclass
class Schedule:
    """Does `runs`; calls `done(run, result)` for each, where a result is a dict, or a string that says what failed."""

    runs: Sequence[Run]
    done: Callable[[Run, dict[str, Any] | str], None]
    tick: Callable[["Schedule"], None]
    waiting: list[tuple[Run, int]] = field(default_factory=list)
    going: dict[int, Going] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # The longest first, or they would be waited for at the end; then what is hard to fit in. Else the plan's order.
        together = [run for run in self.runs if not run.condition.alone]
        together.sort(key=lambda run: (-(run.window_s // 15), load(run) < LOAD_MOST / 6))
        alone = [r for r in self.runs if r.condition.alone]
        self.waiting = [(run, 1) for run in (*alone, *together)]

    def go(self) -> None:
        """Until all is done. Whatever happens, Ctrl-C included, no process is left behind."""
        PROCESSES.set_forkserver_preload(PRELOADED)
        try:
            while self.waiting or self.going:
                while (position := self._next()) is not None:
                    self._start(*self.waiting.pop(position))
                for pipe in wait([going.pipe for going in self.going.values()], timeout=0.2):
                    self._finish(pipe)
                self.tick(self)
        finally:
            self._stop()

    def left_s(self) -> float:
        """About how long the rest takes, in seconds."""
        now = time.monotonic()
        alone = sum(run.window_s + AROUND_S for run, _ in self.waiting if run.condition.alone)
        together = [run for run, _ in self.waiting if not run.condition.alone]
        lanes = max(1.0, min(SIDE_BY_SIDE, LOAD_MOST / (sum(map(load, together)) / len(together)))) if together else 1
        packed = sum(run.window_s + AROUND_S for run in together) / lanes
        going = max((g.ends_at - now for g in self.going.values()), default=0.0)
        return alone + max(packed, going, max((r.window_s + AROUND_S for r in together), default=0.0))

    def _next(self) -> int | None:
        """The position of the next run that may start now."""
        if not self.waiting:
            return None
        if any(going.run.condition.alone for going in self.going.values()):
            return None
        if self.waiting[0][0].condition.alone:
            return None if self.going else 0
        used = sum(load(going.run) for going in self.going.values())
        for position, (run, _) in enumerate(self.waiting):
            if run.condition.alone:
                continue
            if len(self.going) < SIDE_BY_SIDE and (not self.going or used + load(run) <= LOAD_MOST):
                return position
        return None

    def _start(self, run: Run, tried: int) -> None:
        here, there = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=run_in_process, args=(run, there))
        process.start()
        there.close()
        ends_at = time.monotonic() + run.window_s + AROUND_S
        self.going[here.fileno()] = Going(run, process, here, tried, ends_at)

    def _finish(self, pipe: Any) -> None:
        going = self.going.pop(pipe.fileno())
        try:
            result = pipe.recv()
        except EOFError:
            result = "the process of the run ended without a word"
        pipe.close()
        going.process.join()
        doubtful = isinstance(result, str) or bool(result["suspicions"])
        if doubtful and going.tried < TRIES:
            self.waiting.append((going.run, going.tried + 1))
            return
        if isinstance(result, dict):
            result["tries"] = going.tried
        self.done(going.run, result)

    def _stop(self) -> None:
        for going in self.going.values():
            if going.process.pid and going.process.is_alive():
                os.kill(going.process.pid, signal.SIGTERM)
        for going in self.going.values():
            going.process.join(10)
            going.process.kill()
            going.process.join()
            going.pipe.close()


def load(run: Run) -> float:
    """About how much of a core a run uses, server, readers and publisher; only good enough for packing."""
    c = run.condition
    readers = c.clients + 1
    if c.transport == "short_poll":
        requests_hz = readers / (c.pause_s + 2 * c.one_way_delay_ms / 1000)
    elif c.transport == "long_poll":
        requests_hz = readers * min(c.rate_hz, 1 / max(0.002, 2 * c.one_way_delay_ms / 1000))
    else:
        requests_hz = 0
    request_s = 0.002 if c.client == "library" else 0.0005
    start = START_CPU_S / (run.window_s + AROUND_S)
    return math.fsum((start, 0.005, requests_hz * request_s, c.rate_hz * readers * 0.00015, c.rate_hz * 0.0005))


def description(run: Run) -> dict[str, Any]:
    """What a stored run says of itself besides its result."""
    return {
        "run": run.name,
        "condition": asdict(run.condition),
        "repeat": run.repeat,
        "window_s": run.window_s,
        "seed": run.seed,
    }
