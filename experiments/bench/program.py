"""A program beside this one that is told things line by line: a server, or readers. What it costs is read from outside.

CPU and memory are Linux's own counters of the process, all its threads included; they cost the process nothing.
"""

import contextlib
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

PROJECT = Path(__file__).parent.parent.parent
TIMEOUT_S = 60.0
"""How long a program may take to say its next line."""


class Failed(Exception):
    """What was to be measured was not; the text says why."""


class Program:
    """A program that runs; `port` is where it listens, once that is known."""

    port = 0

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", errors: IO[bytes]) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._errors = errors

    def say(self, line: str) -> None:
        """Raises Failed if it has ended."""
        assert self._process.stdin
        try:
            self._process.stdin.write(f"{line}\n".encode())
        except BrokenPipeError:
            raise self._ended() from None

    def hear(self, timeout_s: float = TIMEOUT_S) -> str:
        """Its next line; raises Failed if there is none."""
        assert self._process.stdout
        if not select.select([self._process.stdout], [], [], timeout_s)[0]:
            raise Failed(f"{self.name} has said nothing for {timeout_s:g} s")
        line = self._process.stdout.readline().decode().rstrip("\n")
        if not line:
            raise self._ended()
        return line

    def expect(self, line: str) -> None:
        """Raises Failed if its next line is another."""
        if (said := self.hear()) != line:
            raise Failed(f"{self.name} says {said!r}")

    @property
    def cpu_ns(self) -> int:
        """CPU time so far, all threads (Linux: the clock of another process, kernel/time/posix-cpu-timers.c)."""
        return time.clock_gettime_ns(~self.pid << 3 | 2)

    @property
    def memory_kib(self) -> int:
        """Memory that is this process's alone (Linux: Documentation/filesystems/proc.rst, smaps_rollup)."""
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))

    def _ended(self) -> Failed:
        self._process.wait(TIMEOUT_S)
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return Failed(f"{self.name} has ended with {self._process.returncode}: {said[-1] if said else 'no error'}")


@contextlib.contextmanager
def running(name: str, command: Sequence[str]) -> Iterator[Program]:
    """Start it; with the block, it has ended."""
    with tempfile.TemporaryFile() as errors:
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=pipe, stderr=errors, cwd=PROJECT)
        try:
            yield Program(name, process, errors)
        finally:
            process.kill()
            process.communicate()
