"""The server of one run: a fresh process with the same command line that `python -m app` has.

Most of the cost of starting Python is importing. In a comparison the process is forked from one that has imported the
server and done nothing else: it starts in a tenth of the CPU time. Elsewhere it is started as from a shell.
"""

import contextlib
import importlib
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from experiments.design import Condition

PROGRAM = "app.__main__"
END_TIMEOUT_S = 60.0


class Failed(Exception):
    """A run failed; the text says why."""


class Server(Protocol):
    """A server that runs."""

    pid: int

    def send_signal(self, sig: int) -> None: ...


def arguments(folder: Path, recorded: Path, condition: Condition, remembered: str, port: int = 0) -> list[str]:
    """The command line: what the condition asks for, and a recording of these bytes (`--record-bytes`)."""
    listening = ["--port", str(port), "--unix", str(folder / "in"), "--fan-out", condition.fan_out]
    network = ["--delay-ms", str(condition.one_way_delay_ms), "--upgrades", condition.upgrades]
    recording = ["--record", str(recorded), "--record-bytes", remembered]
    return [*listening, *network, *recording, *([] if condition.tap else ["--no-tap"])]


@contextlib.contextmanager
def server(command: Sequence[str], pipe: Any = None, kill: bool = False) -> Iterator[tuple[Server, str]]:
    """A server and its URL; it has ended well when this ends. `pipe` leads to a process that waits to be one (`main`).

    `kill`: it is killed instead, as by a crash. Raises Failed.
    """
    with forked(command, pipe, kill) if pipe else started(command, kill) as (process, line):
        if not (url := re.search(r"http://[^/ ]+", line)):
            raise Failed(f"the server did not start: {line.strip()}")
        yield process, url[0]


@contextlib.contextmanager
def started(command: Sequence[str], kill: bool) -> Iterator[tuple[Server, str]]:
    """`python -m app`, and its first line, or why there is none."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout and process.stderr
        yield process, process.stdout.readline() or process.stderr.read()
        if kill:
            return
        process.send_signal(signal.SIGINT)
        if process.wait(timeout=END_TIMEOUT_S) != 0:
            raise Failed(f"the server ended with {process.returncode}: {process.stderr.read().strip()}")
    except subprocess.TimeoutExpired as problem:
        raise Failed("the server did not end") from problem
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()


class Forked:
    """A server in a process that is not a child of this one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def send_signal(self, sig: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, sig)


@contextlib.contextmanager
def forked(command: Sequence[str], pipe: Any, kill: bool) -> Iterator[tuple[Server, str]]:
    """The same, in the process at the other end of `pipe`."""
    process = Forked(_heard(pipe))
    try:
        pipe.send([*command])
        first = _heard(pipe)
        yield process, first if isinstance(first, str) else first[1]
        if kill:
            return
        process.send_signal(signal.SIGINT)
        while isinstance(end := _heard(pipe), str):
            pass
        code, said = end
        if code != 0:
            raise Failed(f"the server ended with {code}: {said.strip()}")
    finally:
        process.send_signal(signal.SIGKILL)
        pipe.close()


def _heard(pipe: Any) -> Any:
    if not pipe.poll(END_TIMEOUT_S):
        raise Failed("the server did not end")
    try:
        return pipe.recv()
    except (EOFError, ConnectionResetError):
        raise Failed("the server's process ended without a result") from None


class Lines(io.StringIO):
    """Sends what is printed."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        self._pipe = pipe

    def write(self, text: str) -> int:
        if text.strip():
            self._pipe.send(text)
        return len(text)


def main(pipe: Connection) -> None:
    """The process: sends its id, receives a command line, runs the server, and sends its exit code and its errors."""
    with contextlib.suppress(KeyboardInterrupt, EOFError, BrokenPipeError):
        pipe.send(os.getpid())
        command = pipe.recv()
        errors = io.StringIO()
        with contextlib.redirect_stdout(Lines(pipe)), contextlib.redirect_stderr(errors):
            try:
                code = importlib.import_module(PROGRAM).main(command)
            except SystemExit as end:  # the command line is not accepted
                code = end.code
        pipe.send((code, errors.getvalue()))
