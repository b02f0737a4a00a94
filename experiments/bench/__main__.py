"""`python -m experiments.bench`: measure this server beside its peers, and write the tables."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from experiments import store
from experiments.bench import rounds, table, words
from experiments.bench.measures import ROUNDS_LEAST, SIZES, Size
from experiments.bench.plan import Job, jobs_of_round
from experiments.bench.program import Failed
from experiments.bench.servers import SERVERS, missing

SEED = 2026
TRIES = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.bench", description="This server beside its peers.")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--quick", dest="size", action="store_const", const="quick", help="one round, about a minute")
    sizes.add_argument(
        "--full", dest="size", action="store_const", const="full", help="for publication: about 8 minutes, not 4"
    )
    parser.add_argument("--seed", type=int, default=SEED, help="for order and requests (default: %(default)s)")
    parser.add_argument(
        "--only", action="append", default=[], choices=SERVERS, help="this server; may be repeated (default: all)"
    )
    parser.add_argument("--new", action="store_true", help="start a new one, even if one was interrupted")
    parser.add_argument(
        "--results", type=Path, default=store.RESULTS / "bench", metavar="DIR", help="where to put them"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="only make this bench the reference")
    options = parser.parse_args(arguments)
    if not Path("/proc/self/smaps_rollup").exists():
        sys.stderr.write(f"{words.needs_linux()}\n")
        return 1
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    try:
        if options.keep:
            keep(options.keep)
        else:
            size, names = SIZES[options.size or "default"], options.only or list(SERVERS)
            bench(size, names, options.seed, options.new, options.results, console)
    except KeyboardInterrupt:
        console.print(words.interrupted())
        return 130
    except (store.Busy, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


def bench(size: Size, names: Sequence[str], seed: int, new: bool, results: Path, console: Console) -> None:
    """Measure these servers, or resume, in a folder in `results`; raises KeyboardInterrupt."""
    console.print(words.installing())
    absent = missing(names)
    there = [name for name in names if name not in absent]
    about = rounds.header(size, seed, there, absent)
    folder, why_not = (None, []) if new else rounds.unfinished(results, about)
    if why_not:
        console.print(words.not_resumed(next(rounds.folders(results)).name, why_not))
    if folder is None:
        folder = store.new_folder(results)
        rounds.begin(folder, about)
    store.point_latest(folder)
    with store.locked(folder):
        finished = len(rounds.read(folder)["rounds"])
        if finished:
            console.print(words.resumed(folder.name, finished, size.rounds))
        plan = {number: jobs_of_round(size, number, seed, there) for number in range(finished, size.rounds)}
        measure(plan, size, seed, folder, console)
    whole = rounds.read(folder)
    store.write_json(folder / "bench.json", whole)
    store.write_text(folder / "bench.md", table.markdown(whole))
    console.print((folder / "bench.md").read_text(), soft_wrap=True, markup=False)
    console.print(words.table_is_at(os.path.relpath(folder / "bench.md")))


def measure(plan: dict[int, list[Job]], size: Size, seed: int, folder: Path, console: Console) -> None:
    """Do the rounds that there is time for, and keep each as soon as it is finished."""
    used_s = sum(one["took_s"] for one in rounds.read(folder)["rounds"])
    expected_s = {number: sum(job.expected_s for job in jobs) for number, jobs in plan.items()}
    with Progress(
        BarColumn(), TextColumn("{task.description},"), TimeElapsedColumn(), TextColumn("{task.fields[left]}"),
        console=console, transient=True,
    ) as progress:  # fmt: skip
        total_s = sum(expected_s.values())
        task = progress.add_task("", total=total_s, left="")
        began, done_s, pace = time.monotonic(), 0.0, 1.0
        for number, of_round in plan.items():
            if number >= ROUNDS_LEAST and used_s + expected_s[number] * pace > size.most_s:
                break
            round_began = time.monotonic()
            results: dict[str, dict[str, float]] = {}
            failed: dict[str, str] = {}
            for job in of_round:
                left_s = min((total_s - done_s) * pace, size.most_s - used_s - (time.monotonic() - round_began))
                progress.update(task, completed=done_s, left=words.time_left(max(0.0, left_s)))
                progress.update(task, description=words.doing(number + 1, job.name))
                measured = attempted(job, size.in_round(number), seed + number)
                if isinstance(measured, str):
                    failed[job.name] = measured
                    progress.console.print(words.failed(number + 1, job.name, measured), markup=False)
                else:
                    results |= {job.result_name(server): its for server, its in measured.items()}
                done_s += job.expected_s
                pace = (time.monotonic() - began) / done_s
            took_s = time.monotonic() - round_began
            used_s += took_s
            rounds.add(folder, {"results": results, "failed": failed, "took_s": took_s})


def attempted(job: Job, size: Size, seed: int) -> dict[str, dict[str, float]] | str:
    """The results, or why it failed each time."""
    for _ in range(TRIES):
        try:
            return job.do(size, seed)
        except (Failed, OSError, ValueError, ArithmeticError) as problem:  # also numbers that make no ratio
            why = str(problem)
    return why


def keep(folder: Path) -> None:
    """Make a bench the reference: its data, and the tables that it makes."""
    whole = store.read_json(folder / "bench.json")
    store.write_json(store.RESULTS / "reference" / "bench.json", whole)
    store.write_text(store.RESULTS / "reference" / "bench.md", table.markdown(whole))


if __name__ == "__main__":
    sys.exit(main())
