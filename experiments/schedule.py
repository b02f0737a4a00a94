"""Does the runs of a plan in batches, each run in its own processes, each stored when it is done.

Starting a run takes far more CPU than most runs use while they measure. So the runs of a batch start together, wait
until all of them are ready, and only then measure, side by side; only exclusive runs start while others measure, and
these are slow. There are four kinds:

- *exclusive*: where a millisecond or CPU time counts. A few get ready together, but measure one after the other, beside
  nothing but slow ones; of those that need milliseconds and hardly any CPU, two at a time.
- *slow*: a message every 5 s or less. They take a minute and next to no CPU.
- *growing*: what measures memory. Connecting its readers uses all the CPU that there is, and memory does not mind: as
  many at a time as there are cores, beside nothing else.
- the others, as many at a time as load less than half of the machine; runs of one length together.

Whether a run had the machine that it needed is measured in every run (`experiments.run.suspect`). A suspect run is
repeated once.
"""

import contextlib
import math
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from experiments.design import Run
from experiments.run import readers, serving
from experiments.run.checking import processes
from experiments.run.measure import run_in_process
from experiments.run.observe import PROCESSES

PRELOADED = ["experiments.run.measure", serving.PROGRAM]
TRIES = 2

CORES = min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
BATCH_MOST = 28 * CORES
LOAD_MOST = 0.45 * CORES
"""Cores that the runs of a batch may be expected to use, all together."""

EXCLUSIVE_READY = 6
"""How many exclusive runs get ready together: they wait for each other, so this bounds how long."""

EXCLUSIVE_AT_ONCE = 2
"""How many exclusive runs may measure side by side. Each wants the two cores for a millisecond or two per message: at 5
messages a second, one in fifty meets another's, and waits for a part of that time."""

START_S = 0.25 / CORES
"""What starting and ending one more run in a batch adds to its time."""

LATE_S = 120.0
"""How long a run may take to get ready, and how much longer than expected to end, before it is given up."""

CLEAN_UP_S = 10.0
"""How long a run may take to end when it is told to: a run that is killed leaves its server behind."""

AROUND_S = 1.5
"""What a batch of one takes besides its window: starting, warming up, ending."""


@dataclass
class Going:
    """A run in its process; `ready` when it only waits to be told to go."""

    run: Run
    process: BaseProcess
    others: tuple[BaseProcess, ...]
    pipe: Connection
    started_at: float
    ready: bool = False
    ends_at: float = math.inf
    told_to_end: bool = False

    @property
    def gone(self) -> bool:
        """Whether it was told to go, and is measuring."""
        return self.ends_at < math.inf

    @property
    def late_s(self) -> float:
        """How far behind schedule it is; a run that is ready and waits for others is not late."""
        return time.monotonic() - (self.ends_at if self.ready else self.started_at)

    def give_up(self) -> None:
        """Tell it to end, once; kill it if it does not."""
        if not self.told_to_end:
            self.told_to_end = True
            self.process.terminate()
        elif self.late_s > LATE_S + CLEAN_UP_S:
            self.process.kill()


@dataclass
class Schedule:
    """Does `runs`; calls `done(run, result)` for each, where a result is a dict, or a string that says what failed.

    `tick` is called several times a second; after `retry_s` seconds no run is repeated.
    """

    runs: Sequence[Run]
    done: Callable[[Run, dict[str, Any] | str], None]
    tick: Callable[["Schedule"], None]
    retry_s: float = math.inf
    exclusive: list[Run] = field(default_factory=list)
    slow: list[Run] = field(default_factory=list)
    growing: list[Run] = field(default_factory=list)
    others: list[Run] = field(default_factory=list)
    going: dict[int, Going] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        for run in self.runs:
            self._queue(run).append(run)
        for queue in (self.slow, self.others):
            queue.sort(key=lambda run: -run.window_s)  # runs of one length stay in the plan's shuffled order

    def go(self) -> None:
        """Until all is done. No process is left behind, whatever happens; Ctrl-C or SIGTERM raise KeyboardInterrupt."""
        PROCESSES.set_forkserver_preload(PRELOADED)
        # The process that all others come from ignores Ctrl-C, and so do they: this one hears it, and ends them.
        usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
        forkserver.ensure_running()
        # Only noted here, and acted on by the loop below: in the middle of `_start`, a process would be left behind.
        told_to_end: list[int] = []
        signal.signal(signal.SIGINT, lambda number, _: told_to_end.append(number))
        usual_term = signal.signal(signal.SIGTERM, lambda number, _: told_to_end.append(number))
        try:
            while (any(self._queues) or self.going) and not told_to_end:
                for run in self._next_batch():
                    self._start(run)
                for pipe in wait([going.pipe for going in self.going.values()], timeout=0.2):
                    self._hear(self.going[pipe.fileno()])  # type: ignore[union-attr]
                for going in self.going.values():
                    if going.late_s > LATE_S:
                        going.give_up()  # which is heard next
                if all(going.ready for going in self.going.values()):
                    self._send_go()
                self.tick(self)
        finally:
            self._stop()
            signal.signal(signal.SIGINT, usual)
            signal.signal(signal.SIGTERM, usual_term)
        if told_to_end:
            raise KeyboardInterrupt

    def left_s(self) -> float:
        """About how long the rest takes, in seconds."""
        now = time.monotonic()
        going = (min(going.ends_at - now, going.run.window_s + AROUND_S) for going in self.going.values())
        exclusive = sum((run.window_s + AROUND_S) / exclusive_at_once(run) for run in self.exclusive)
        later = _batches_s(self.growing) + _batches_s(self.others)
        return max(0.0, exclusive, _batches_s(self.slow), *going) + later

    @property
    def _queues(self) -> tuple[list[Run], ...]:
        """In the order in which they are started."""
        return self.slow, self.exclusive, self.growing, self.others

    def _queue(self, run: Run) -> list[Run]:
        if run.condition.exclusive:
            return self.exclusive
        if run.condition.measures == "memory":
            return self.growing
        return self.slow if is_slow(run) else self.others

    def _next_batch(self) -> list[Run]:
        """The runs to start now; none while others are getting ready, or measure what must not be disturbed."""
        if not self.going:
            for queue in self._queues:
                if queue:
                    return take_batch(queue)
        elif self.exclusive and all(is_slow(going.run) and going.gone for going in self.going.values()):
            return take_batch(self.exclusive)
        return []

    def _start(self, run: Run) -> None:
        here, there = PROCESSES.Pipe()
        to_readers, of_readers = _pipes(processes(run.condition.clients) if run.condition.crowd else 1)
        to_servers, of_servers = _pipes(2 if run.condition.measures == "storm" else 1)
        process = PROCESSES.Process(target=run_in_process, args=(run, there, to_readers, to_servers))
        others = (
            *(PROCESSES.Process(target=readers.main, args=(run, pipe)) for pipe in of_readers),
            *(PROCESSES.Process(target=serving.main, args=(pipe,)) for pipe in of_servers),
        )
        for one in (process, *others):
            one.start()
        for pipe in (there, *to_readers, *of_readers, *to_servers, *of_servers):
            pipe.close()
        self.going[here.fileno()] = Going(run, process, others, here, time.monotonic())
        self.tries[run.name] = self.tries.get(run.name, 0) + 1

    def _send_go(self) -> None:
        """To all runs that wait; of the exclusive ones, to as many as may measure side by side."""
        exclusive = [going.run for going in self.going.values() if going.gone and going.run.condition.exclusive]
        for going in self.going.values():
            if not going.gone:
                if going.run.condition.exclusive:
                    if len(exclusive) >= min(map(exclusive_at_once, (*exclusive, going.run))):
                        continue
                    exclusive.append(going.run)
                going.ends_at = time.monotonic() + going.run.window_s + AROUND_S
                with contextlib.suppress(BrokenPipeError):  # it has died; that is heard next
                    going.pipe.send("go")

    def _hear(self, going: Going) -> None:
        try:
            said = going.pipe.recv()
        except (EOFError, ConnectionResetError):
            said = "the process of the run ended without a result"
        if said == "ready":
            going.ready = True
            return
        del self.going[going.pipe.fileno()]
        _end(going, time.monotonic() + 5)
        run, tries = going.run, self.tries[going.run.name]
        suspect = isinstance(said, str) or bool(said["suspect"])
        if suspect and tries < TRIES and time.monotonic() < self.began + self.retry_s:
            self._queue(run).append(run)
            return
        if isinstance(said, dict):
            said["tries"] = tries
        self.done(run, said)

    def _stop(self) -> None:
        for going in self.going.values():
            if going.process.pid and going.process.is_alive():
                os.kill(going.process.pid, signal.SIGTERM)
        deadline = time.monotonic() + CLEAN_UP_S
        for going in self.going.values():
            _end(going, deadline)


def _pipes(count: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """So many pipes: their one ends, and their other ends."""
    here, there = zip(*(PROCESSES.Pipe() for _ in range(count)), strict=True)
    return here, there


def _end(going: Going, deadline: float) -> None:
    """All processes of a run end by themselves, or at the deadline."""
    going.pipe.close()
    for process in (going.process, *going.others):
        process.join(max(0.0, deadline - time.monotonic()))
        process.kill()
        process.join()


def take_batch(queue: list[Run]) -> list[Run]:
    """Removes from `queue` what can get ready at the same time: the first, and others of about its length."""
    condition = queue[0].condition
    if most := CORES if condition.measures == "memory" else EXCLUSIVE_READY if condition.exclusive else 0:
        batch = queue[:most]
        del queue[:most]
        return batch
    first = queue.pop(0)
    batch, used = [first], load(first)
    for run in tuple(queue):
        similar = is_slow(first) or run.window_s > 0.6 * first.window_s
        # Repeats are there to see the machine at different times.
        if (
            similar
            and run.condition not in {other.condition for other in batch}
            and len(batch) < BATCH_MOST
            and used + load(run) <= LOAD_MOST
        ):
            queue.remove(run)
            batch.append(run)
            used += load(run)
    return batch


def exclusive_at_once(run: Run) -> int:
    """How many such runs may measure side by side."""
    return 1 if run.condition.crowd or run.condition.measures == "cpu" else EXCLUSIVE_AT_ONCE


def is_slow(run: Run) -> bool:
    """Whether next to nothing happens in a run."""
    return run.condition.rate_hz <= 0.2


def load(run: Run) -> float:
    """About how much of a core a run uses while it measures, all processes together; only good enough for packing.

    The costs are those of the stored reference: server and readers, over the probe's and the readers' requests and
    pushes.
    """
    c = run.condition
    readers, round_trip_s = c.clients + 1, 2 * c.one_way_delay_ms / 1000
    requests_hz = pushes_hz = 0.0
    if c.kind.pauses:
        requests_hz = readers / (c.pause_s + round_trip_s)
    elif c.polls:
        requests_hz = readers * min(c.rate_hz, 1 / max(0.002, round_trip_s))
    else:
        pushes_hz = c.rate_hz * readers
    request_s = 0.0025 if c.client == "library" else 0.0007
    return math.fsum((0.003, requests_hz * request_s, pushes_hz * 0.00013, c.rate_hz * 0.0004))


def _batches_s(queue: Sequence[Run]) -> float:
    """How long these runs take in batches."""
    left, total = list(queue), 0.0
    while left:
        batch = take_batch(left)
        total += max(run.window_s for run in batch) + AROUND_S + START_S * len(batch)
    return total


def description(run: Run) -> dict[str, Any]:
    """What a stored run says of itself besides its result."""
    return {
        "run": run.name,
        "condition": asdict(run.condition),
        "repeat": run.repeat,
        "window_s": run.window_s,
        "seed": run.seed,
    }
