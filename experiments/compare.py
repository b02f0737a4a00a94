"""`make compare`: plan, measure what is not measured yet, and show it."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from experiments import store
from experiments.design import SIZES, Run, Size, plan
from experiments.questions import QUESTIONS
from experiments.report import report, terminal
from experiments.schedule import Schedule, description

SEED = 2016
"""The default seed; another one gives other arrivals and another order."""


def compare(size_name: str, only: Sequence[str], seed: int, new: bool, results: Path, console: Console) -> int:
    """Measure, or resume, in a folder in `results`, and write the report; returns the exit code.

    Raises KeyboardInterrupt.
    """
    began = time.monotonic()
    size = SIZES[size_name]
    names = [name for name in QUESTIONS if not only or name in only]
    names = [name for name in names if any(map(size.fits, QUESTIONS[name].CONDITIONS))]
    if not names:
        console.print(terminal.nothing_fits(size_name))
        return 2
    runs = plan((c for name in names for c in QUESTIONS[name].CONDITIONS), size, seed)
    what = {
        "format": store.FORMAT,
        "size": asdict(size),
        "questions": names,
        "seed": seed,
        "runs": [run.name for run in runs],
    }
    machine = store.machine()
    folder, why_not = (None, "") if new else unfinished(what, machine, results)
    if why_not:
        console.print(why_not)
    folder = folder or store.new_folder(results)
    finished = {path.name.removesuffix(".json.gz") for path in (folder / "runs").glob("*.json.gz")}
    if finished:
        console.print(terminal.resumed(folder.name, len(finished), len(runs)))
    store.write_json(folder / "plan.json", what)
    if not (folder / "machine.json").exists():
        store.write_json(folder / "machine.json", machine)
    store.point_latest(folder)
    with store.locked(folder):
        failures = measure([run for run in runs if run.name not in finished], len(runs), size, folder, console)
    for failure in failures:
        console.print(terminal.not_measured(failure))
    summary = report.write(folder, console)
    console.print(terminal.overview(summary))
    console.print(terminal.report_is_at(os.path.relpath(folder / "report.html")))
    console.print(terminal.took(time.monotonic() - began))
    return 1 if failures else 0


def unfinished(what: dict[str, Any], machine: dict[str, Any], results: Path) -> tuple[Path | None, str]:
    """The newest unfinished comparison in `results` with exactly this plan, if there is one.

    It is resumed only on the same machine, with the same packages and the same program: if anything differs, there is
    no folder, but a line that says what.
    """
    for folder in store.folders(results):
        stored = {path.name.removesuffix(".json.gz") for path in (folder / "runs").glob("*.json.gz")}
        done = stored.issuperset(what["runs"]) and (folder / "report.html").exists()
        if done or store.read_json(folder / "plan.json") != what or not (folder / "machine.json").exists():
            continue
        differ = store.differences(store.read_json(folder / "machine.json"), machine)
        return (None, terminal.not_resumed(folder.name, differ)) if differ else (folder, "")
    return None, ""


def measure(runs: Sequence[Run], total: int, size: Size, folder: Path, console: Console) -> list[str]:
    """Do the runs, each with a line when it is finished; returns what failed."""
    failures: list[str] = []
    with Progress(
        BarColumn(), MofNCompleteColumn(), TextColumn("runs,"), TimeElapsedColumn(), TextColumn("{task.fields[left]}"),
        console=console,
    ) as progress:  # fmt: skip
        task = progress.add_task("measuring", total=total, completed=total - len(runs), left="")

        def done(run: Run, result: dict[str, Any] | str) -> None:
            if isinstance(result, str):
                failures.append(f"{run.name}: {result}")
                progress.console.print(terminal.failed(run, result))
            else:
                stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                store.save_run(folder, {**description(run), "started_utc": stamp, **result})
                because = result["suspect"]
                said = terminal.suspect(run, because) if because else terminal.done(run, result["metrics"])
                progress.console.print(said)
            progress.advance(task)

        def tick(schedule: Schedule) -> None:
            progress.update(task, left=terminal.time_left(schedule.left_s()))

        Schedule(runs, done, tick, size.retry_s).go()
    return failures
