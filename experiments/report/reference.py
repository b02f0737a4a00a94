"""Makes several comparisons the reference: `results/reference`.

Each comparison is a *session*. What is combined must be alike: the same size and questions, stored in the same format,
on the same kind of machine with the same packages. Single runs are left out; the tables have all that they say.

    results/reference/
        runs.csv deliveries.csv.gz          of all sessions; a run is named SESSION/RUN, and has a column `session`
        plan.json machine.json              of the first
        sessions/SESSION/plan.json machine.json
        sessions.json                       how far the sessions differ, and how often the intervals held
        summary.csv claims.json figures/ report.html
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from experiments import store
from experiments.analysis.sessions import LEAST
from experiments.report import report

SAME_MACHINE = ("system", "machine", "processor", "cores", "python", "packages", "program")


class NotAlike(Exception):
    """These comparisons don't make one reference; the text says why."""


def keep(folders: Sequence[Path], console: Console) -> Path:
    """Put these sessions in the place of `results/reference`; returns it. Raises NotAlike, or report.NoResults."""
    if len(folders) < LEAST:
        raise NotAlike(f"a reference is made of at least {LEAST} sessions; this is {len(folders)}: name more folders")
    folders = [folder.resolve() for folder in folders]
    frames = [report.tables(folder) for folder in folders]
    for folder in folders[1:]:
        if differing := differences(folders[0], folder):
            raise NotAlike(f"{folder.name} and {folders[0].name} differ in {', '.join(differing)}")
    sessions = [str(runs.started_utc.min()).translate(str.maketrans("", "", "-:")) for runs, _ in frames]
    if len(set(sessions)) < len(sessions):
        raise NotAlike("the same session is named twice")
    reference, new = store.RESULTS / "reference", store.RESULTS / ".reference.partial"
    shutil.rmtree(new, ignore_errors=True)
    for name in ("plan.json", "machine.json"):
        store.write_json(new / name, store.read_json(folders[0] / name))
        for session, folder in zip(sessions, folders, strict=True):
            store.write_json(new / "sessions" / session / name, store.read_json(folder / name))
    for place, name in enumerate(("runs.csv", "deliveries.csv.gz")):
        parts = [named(its[place], session) for session, its in zip(sessions, frames, strict=True)]
        store.write_frame(new / name, pd.concat(parts, ignore_index=True))
    report.write(new, console, name="reference")
    for name in ("bench.json", "bench.md"):  # the benchmark's, which is kept by itself
        if (reference / name).exists():
            shutil.copy(reference / name, new)
    shutil.rmtree(reference, ignore_errors=True)
    new.rename(reference)
    return reference


def named(frame: pd.DataFrame, session: str) -> pd.DataFrame:
    """The same with runs named for their session; a table of runs says it in a column, too."""
    named = frame.assign(run=f"{session}/" + frame.run)
    return named.assign(session=session) if "started_utc" in frame else named


def differences(one: Path, other: Path) -> list[str]:
    """What keeps two comparisons from being sessions of one."""
    plans, machines = (
        [store.read_json(folder / name) for folder in (one, other)] for name in ("plan.json", "machine.json")
    )
    return [
        *(name for name in ("size", "questions", "format") if differs(plans, name)),
        *(name for name in SAME_MACHINE if differs(machines, name)),
    ]


def differs(both: list[dict[str, Any]], name: str) -> bool:
    return bool(both[0].get(name) != both[1].get(name))
