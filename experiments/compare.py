"""`make compare`: plan, measure what is not measured yet, and show it."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Lines

from experiments import store
from experiments.design import SIZES, Run, Size, plan
from experiments.questions import QUESTIONS
from experiments.report import report, sentences, words
from experiments.schedule import Schedule, description

SEED = 2016
"""The default seed; another one gives other arrivals and another order."""


def compare(size_name: str, only: Sequence[str], seed: int, new: bool, results: Path, console: Console) -> int:
    """Measure, or go on measuring, in a folder in `results`, and write the report; returns the exit code.

    Raises KeyboardInterrupt.
    """
    began = time.monotonic()
    size = SIZES[size_name]
    names = [name for name in QUESTIONS if not only or name in only]
    names = [name for name in names if any(map(size.fits, QUESTIONS[name].CONDITIONS))]
    if not names:
        console.print(f"nothing of this can be seen in a {size_name} comparison: leave --{size_name} away")
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
        console.print(f"going on with {folder.name}: {len(finished)} of {len(runs)} runs are there")
    store.write_json(folder / "plan.json", what)
    if not (folder / "machine.json").exists():
        store.write_json(folder / "machine.json", machine)
    store.point_latest(folder)
    with store.locked(folder):
        failures = measure([run for run in runs if run.name not in finished], len(runs), size, folder, console)
    for failure in failures:
        console.print(f"[red]not measured[/]: {failure}; the same command tries again")
    summary = report.write(folder, console)
    console.print(overview(summary))
    console.print(f"report: {os.path.relpath(folder / 'report.html')}")
    console.print(f"took {time.monotonic() - began:.0f} s")
    return 1 if failures else 0


def unfinished(what: dict[str, Any], machine: dict[str, Any], results: Path) -> tuple[Path | None, str]:
    """The newest comparison in `results` with this very plan of which something is missing, if there is one.

    It is gone on with only on the same machine, with the same packages and the same program: if anything differs,
    there is no folder, but a line that says what.
    """
    for folder in store.folders(results):
        stored = {path.name.removesuffix(".json.gz") for path in (folder / "runs").glob("*.json.gz")}
        done = stored.issuperset(what["runs"]) and (folder / "report.html").exists()
        if done or store.read_json(folder / "plan.json") != what or not (folder / "machine.json").exists():
            continue
        differ = store.differences(store.read_json(folder / "machine.json"), machine)
        return (None, f"{folder.name} is not resumed: {'; '.join(differ)}") if differ else (folder, "")
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
                progress.console.print(f"[red]failed[/]  {line(run)}: {result}")
            else:
                stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                store.save_run(folder, {**description(run), "started_utc": stamp, **result})
                mark = f"[yellow]suspect[/] {line(run)}: {'; '.join(result['suspect'])}"
                progress.console.print(mark if result["suspect"] else f"[green]ok[/]  {line(run, result)}")
            progress.advance(task)

        def tick(schedule: Schedule) -> None:
            left_s = schedule.left_s()
            progress.update(task, left=f"about {int(left_s) // 60}:{int(left_s) % 60:02} left")

        Schedule(runs, done, tick, size.retry_s).go()
    return failures


def line(run: Run, result: dict[str, Any] | None = None) -> str:
    """A run in one line."""
    c = run.condition
    pause = f", every {c.pause_s:g} s" if c.pause_s else ""
    readers = f"{c.clients} {c.client} reader{'s' * (c.clients != 1)}" if c.clients else "publisher alone"
    headers = (", browser's headers" if c.headers == "browser" else "") + words.network(c.upgrades)
    said = f"{c.variant}{pause}, {c.rate_hz:g} messages/s, {c.one_way_delay_ms:g} ms each way, {readers}{headers}"
    if result is None or not c.clients:
        return said
    if c.undeliverable:
        return f"{said}: {sentences.blocked()}"
    return f"{said}: {result['metrics']['deliveries']} deliveries, {result['metrics']['missing']} missing"


def overview(summary: pd.DataFrame) -> Lines:
    """The summary, as far as it fits on a terminal."""
    lines = Lines(box=None, header_style="bold", pad_edge=False)
    for name in ("question", "transport", "pause", "rate", "each way", "client", "headers"):
        lines.add_column(name, no_wrap=True)
    for name in ("deliveries", "missing", "mean delay", "bytes/message", "suspect"):
        lines.add_column(name, justify="right", no_wrap=True)
    before = ""
    for row in summary[summary.clients > 0].to_dict("records"):
        if before != (before := row["question"]):
            lines.add_section()
        lines.add_row(
            before,
            row["variant"],
            f"{row['pause_s']:g} s" if row["pause_s"] else "",
            f"{row['rate_hz']:g}/s",
            f"{row['one_way_delay_ms']:g} ms",
            row["client"],
            row["headers"] + words.network(row["upgrades"]),
            str(row["deliveries"]),
            sentences.missing(row["missing"], row["undeliverable"]),
            words.seconds(row["delay_mean_ms"]) if row["deliveries"] else "",
            words.size(row["bytes_per_message"]) if row["messages"] else "",
            "yes" if row["suspect"] else "",
        )
    return lines
