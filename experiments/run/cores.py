"""Which cores the processes of a crowd use: one is the server's, and all others are for everybody else.

A kernel wakes a reader on the core on which the server has just written to it, and takes milliseconds to find out that
another one is idle: until then, one waits for the other. With one core, or where the system can't, nothing is done.
"""

import contextlib
import os

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
"""Before this process was kept to some of them."""


def for_server(pid: int) -> None:
    """A server's main thread has the first core to itself."""
    if len(CORES) > 1:
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(pid, CORES[:1])


def for_others() -> None:
    """This process leaves the first core to the server."""
    if len(CORES) > 1:
        os.sched_setaffinity(0, CORES[1:])
