"""What goes wrong in a run, what it says then, and that nothing is left behind."""

import contextlib
import multiprocessing
import os
import re
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, Literal

import pytest

from experiments.design import Condition, Run
from experiments.run import recording, serving
from experiments.run.measure import measure
from experiments.run.observe import PROCESSES, observe
from experiments.run.publisher import Publisher
from experiments.run.serving import Failed
from experiments.schedule import PRELOADED
from tests.processes import LIMIT_S, end, leader, members, wait_until

PROCESSES.set_forkserver_preload(PRELOADED)

WINDOW_S, RATE_HZ, CLIENTS = 1.0, 30.0, 2


def a_run(variant: str, client: Literal["library", "raw"] = "raw", **more: Any) -> Run:
    transport, _, via = variant.partition(" ")
    pause_s = 0.1 if transport == "short_poll" else 0.0
    fields = {"pause_s": pause_s, "rate_hz": RATE_HZ, "clients": CLIENTS, "via": via, **more}
    return Run(Condition(transport, client=client, **fields), repeat=0, window_s=WINDOW_S, seed=7)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, in which nothing is left behind."""
    forkserver.ensure_running()  # it has a folder of its own
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(multiprocessing.active_children())
    yield tmp_path
    assert list(tmp_path.iterdir()) == []
    assert set(multiprocessing.active_children()) == before


def test_a_run_leaves_nothing_behind(temporary: Path) -> None:
    measure(replace(a_run("sse"), window_s=0.1))
    assert not [args for args in members(os.getpgrp()).values() if str(temporary) in args]


def test_a_server_that_does_not_start_fails_the_run_with_its_own_words(temporary: Path) -> None:
    why = r"the server did not start: (.|\n)*--delay-ms 20000\.0 is not accepted: give 0 to 1000"
    with pytest.raises(Failed, match=why):
        observe(a_run("sse", one_way_delay_ms=20_000.0))


@pytest.mark.parametrize("clients", [0, 2])
def test_a_server_that_dies_fails_the_run(temporary: Path, clients: int) -> None:
    def servers() -> list[int]:
        return [pid for pid, args in members(os.getpgrp()).items() if "-m app" in args and str(temporary) in args]

    async def kill() -> None:
        (pid,) = servers()
        os.kill(pid, signal.SIGKILL)

    with pytest.raises(Failed, match=r"^(BrokenPipeError|ConnectionResetError|OSError: the server has hung up)"):
        observe(replace(a_run("sse", clients=clients), window_s=0.1), barrier=kill)
    assert servers() == []


def test_readers_that_die_fail_the_run(temporary: Path) -> None:
    async def kill() -> None:
        (process,) = multiprocessing.active_children()
        process.kill()

    with pytest.raises(Failed, match="the other process ended without a result"):
        observe(replace(a_run("sse"), window_s=0.1), barrier=kill)


INTERRUPTED = """
import contextlib, multiprocessing, threading
from experiments.design import Condition, Run
from experiments.variants import VARIANTS
from experiments.run.measure import run_in_process

def tell():
    with contextlib.suppress(EOFError, OSError):
        print(here.recv(), flush=True)

if __name__ == "__main__":
    here, there = multiprocessing.Pipe()
    here.send("go")
    threading.Thread(target=tell, daemon=True).start()
    run_in_process(Run(Condition("long_poll", rate_hz=0.001), 0, 1000.0, seed=1), there, None, None)
"""
"""A run whose next message is not due for minutes."""


@pytest.mark.parametrize("when", ["starting", "measuring"])
def test_a_run_that_is_told_to_end_ends_at_once_and_leaves_nothing_behind(when: str, tmp_path: Path) -> None:
    with leader("-c", INTERRUPTED, temporary=tmp_path) as process:
        if when == "measuring":
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        wait_until(lambda: any("-m app" in args for args in members(process.pid).values()))
        process.send_signal(signal.SIGTERM)
        assert end(process) == (0, [], [])
        wait_until(lambda: not members(process.pid))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ready_made", [False, True], ids=["started", "forked"])
def test_a_server_is_the_same_however_it_starts(ready_made: bool, tmp_path: Path) -> None:
    recorded = tmp_path / "recording"
    command = serving.arguments(tmp_path, recorded, Condition("sse"), "all")
    pipe, process = a_server() if ready_made else (None, None)
    with serving.server(command, pipe) as (running, url):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        assert running.pid != os.getpid()
        with contextlib.closing(Publisher(tmp_path / "in")) as publisher:
            assert publisher.now("hello").cursor.endswith("-1")
    (connection,) = recording.read(recorded).connections
    assert b"hello" in connection.up.data
    if process:
        process.join(LIMIT_S)
        assert process.exitcode is not None


def test_a_forked_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    command = serving.arguments(tmp_path, tmp_path / "recording", Condition("sse", one_way_delay_ms=20_000.0), "all")
    pipe, process = a_server()
    why = r"the server did not start: (.|\n)*--delay-ms 20000\.0 is not accepted"
    with pytest.raises(Failed, match=why), serving.server(command, pipe):
        pass
    process.join(LIMIT_S)
    assert process.exitcode is not None


def a_server() -> tuple[Any, Any]:
    """A process that waits to become a server, and the pipe to it."""
    pipe, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=serving.main, args=(there,))
    process.start()
    there.close()
    return pipe, process
