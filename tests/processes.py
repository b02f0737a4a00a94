"""Which processes a command has started, and waiting for them without an event loop.

A command that is started as the leader of a group hands the group on to all that it starts, and these to theirs;
what is left of it is found by the group, whoever has adopted it.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LIMIT_S = 50.0
"""How long anything may take before a test gives up: far from what it takes."""


def wait_until(condition: Callable[[], object]) -> None:
    """Return as soon as `condition()` is true; raises TimeoutError if it never is."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.005)


@contextlib.contextmanager
def leader(*arguments: str, temporary: Path, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """This Python, leading a group, with its temporary files in `temporary`; the whole group is killed in the end."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(temporary), "LC_ALL": "C"},
        **more,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def members(group: int) -> dict[int, str]:
    """The command lines of all living processes of a group."""
    return {pid: args for pid, (_, pgid, args) in living().items() if pgid == group}


def children(parent: int) -> dict[int, str]:
    """The command lines of all living processes that a process has started, and still has."""
    return {pid: args for pid, (ppid, _, args) in living().items() if ppid == parent}


def living() -> dict[int, tuple[int, int, str]]:
    """Every process that is no zombie: its parent, its group, its command line."""
    command = ["ps", "-A", "-ww", "-o", "pid=,ppid=,pgid=,stat=,args="]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = (line.split(None, 4) for line in listed.splitlines())
    return {int(pid): (int(ppid), int(pgid), args) for pid, ppid, pgid, stat, args in lines if stat[0] != "Z"}


def end(process: subprocess.Popen[str]) -> tuple[int, list[str], list[str]]:
    """Wait for its end: exit code, lines on standard output, lines on standard error."""
    stdout, stderr = process.communicate(timeout=LIMIT_S)
    return process.returncode, stdout.splitlines(), stderr.splitlines()
