"""A run's process that measures nothing: it says ready, waits to be told to go, and says what it was told to say.

It is in a file of its own because other processes import it.
"""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from experiments.design import Run

Outcome = Literal["fine", "suspect", "fails", "dies", "leaves", "hangs", "stays"]
"""What comes of one try. dies: when it was told to go; leaves: when it has said that it is ready; hangs: before that;
stays: never ends."""


def pretend(
    folder: Path,
    outcomes: Mapping[str, Sequence[Outcome]],
    run: Run,
    pipe: Connection,
    readers: Connection,
    server: Connection,
) -> None:
    """A run that is fine unless `outcomes`, by the run's name and for one try after the other, say otherwise.

    Its readers and its server wait at the other ends of their pipes, and end when this process does.
    """

    def clean_up(*_: object) -> None:
        with (folder / f"{run.name}.clean").open("a") as file:
            file.write("told once\n")
        time.sleep(0.5)
        os._exit(0)

    signal.signal(signal.SIGTERM, clean_up)
    notes = folder / run.name
    tries = len(notes.read_text().splitlines()) if notes.exists() else 0
    said = outcomes.get(run.name, [])
    outcome = said[tries] if tries < len(said) else "fine"
    times = {"started_ns": time.monotonic_ns()}
    with notes.open("a") as file:
        file.write(f"{os.getpid()}\n")
    if outcome == "hangs":
        wait_for_ever()
    pipe.send("ready")
    if outcome == "leaves":
        pipe.close()  # now and not a little later: nobody is there when it is told to go
        return
    assert pipe.recv() == "go"
    times["went_ns"] = time.monotonic_ns()
    if outcome == "stays":
        wait_for_ever()
    time.sleep(run.window_s)
    if outcome == "dies":
        os._exit(1)
    times["ended_ns"] = time.monotonic_ns()
    suspect = ["made up"] if outcome == "suspect" else []
    result: dict[str, Any] = {"suspect": suspect, "times": times}
    pipe.send("OSError: it went wrong" if outcome == "fails" else result)


def wait_for_ever() -> None:
    """In short sleeps: Python hears a signal that comes just before one of them only after it."""
    while True:
        time.sleep(0.05)
