"""One run: it is observed, evaluated, and perhaps suspect."""

import contextlib
import signal
from typing import Any

from experiments.design import Run
from experiments.run import broadcast, cores, storm, weigh
from experiments.run.evaluate import evaluate
from experiments.run.observe import BARRIER_TIMEOUT_S, NONE_YET, Barrier, Others, at_once, in_folder, observe, receive


def measure(run: Run, barrier: Barrier = at_once, others: Others = NONE_YET) -> dict[str, Any]:
    """Observe a run and make sense of it: {"metrics": {...}, "suspect": [reason, ...], "deliveries": {...}}."""
    if run.condition.measures == "deliveries":
        return evaluate(run, observe(run, barrier, others))
    if run.condition.measures == "broadcasts":
        return broadcast.evaluate(run, in_folder(lambda folder: broadcast.observe(run, folder, barrier, others)))
    if run.condition.measures == "storm":
        return storm.evaluate(run, in_folder(lambda folder: storm.observe(run, folder, barrier, others)))
    return weigh.evaluate(run, in_folder(lambda folder: weigh.weigh(run, folder, barrier, others)))


def run_in_process(run: Run, pipe: Any, readers: tuple[Any, ...], servers: tuple[Any, ...]) -> None:
    """The process of one run. Says "ready", waits to be told "go", and sends its result; a string if that went wrong.

    Ctrl-C and SIGTERM end it cleanly.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    async def barrier() -> None:
        pipe.send("ready")
        await receive(pipe, BARRIER_TIMEOUT_S)

    if run.condition.crowd:
        cores.for_others()
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        try:
            pipe.send(measure(run, barrier, Others(readers, servers)))
        except Exception as problem:
            pipe.send(f"{type(problem).__name__}: {problem}")
    pipe.close()
