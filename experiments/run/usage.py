"""How much CPU time a process has used, and how long it has waited for a CPU."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """This process at one moment. `waited_ns`: for a CPU, in `waits` turns; None where the system does not tell."""

    at_ns: int
    cpu_ns: int
    waited_ns: int | None
    waits: int | None

    @classmethod
    def now(cls) -> "Usage":
        waited, waits = waited_for_cpu() or (None, None)
        return cls(time.monotonic_ns(), time.process_time_ns(), waited, waits)


def waited_for_cpu(pid: int | str = "self") -> tuple[int, int] | None:
    """(nanoseconds waited for a CPU, in so many turns) of a process; None where the system does not tell.

    Linux: Documentation/scheduler/sched-stats.rst.
    """
    with contextlib.suppress(OSError):
        _, waited, turns = map(int, Path(f"/proc/{pid}/schedstat").read_text().split())
        return waited, turns
    return None


def used_cpu_ns(pid: int) -> int | None:
    """How much CPU time a process has used; None where the system does not tell (see `waited_for_cpu`)."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    return None


def waiting_share(waited_ns: Sequence[tuple[int | None, int | None]], seconds: float) -> float | None:
    """For how much of so many seconds the process that waited most did so; None if it is known of none.

    `waited_ns`: what each process had waited for a CPU in all, before and after.
    """
    known = [after - before for before, after in waited_ns if before is not None and after is not None]
    return max(known) / 1e9 / seconds if known else None


Waits = tuple[int | None, int | None] | None
"""Nanoseconds waited, in so many turns, as far as they are known."""


def mean_wait_ms(
    before: tuple[int | None, int | None] | None, after: tuple[int | None, int | None] | None
) -> float | None:
    """How long a process waited for a CPU each time that it wanted one, between two moments; None if unknown."""
    if not before or not after or before[0] is None or after[0] is None or before[1] is None or after[1] is None:
        return None
    return (after[0] - before[0]) / (after[1] - before[1]) / 1e6 if after[1] != before[1] else None
