"""Where results lie, and how they get there whole.

    results/20261123T061500Z-1a2b3c4/      one comparison
        plan.json                          what is to be measured, with seeds; names the size and the questions
        machine.json                       machine and versions
        runs/NAME.json.gz                  one finished run each; a comparison that was interrupted goes on from here
        runs.csv summary.csv claims.json deliveries.csv.gz figures/ report.html
    results/latest                         points to the last one

A file is there whole or not at all: it is written under another name and then moved.
"""

import contextlib
import dataclasses
import fcntl
import gzip
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pandas as pd

from experiments.design import Condition

RESULTS = Path(__file__).parent.parent / "results"


def write(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """Create or replace `path` with what `fill` writes, all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        fill(file)
    partial.replace(path)


def write_text(path: Path, text: str) -> None:
    write(path, lambda file: file.write(text.encode()))


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=1) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def new_folder(results: Path) -> Path:
    """`<UTC time>-<short commit>` in `results`, not yet made."""
    return results / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{commit()}"


def point_latest(folder: Path) -> None:
    """Let `latest`, beside `folder`, point to it."""
    link = folder.with_name(".latest.partial")
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name)
    link.replace(folder.with_name("latest"))


def folders(results: Path) -> Iterator[Path]:
    """All comparisons in `results`, the newest first."""
    if results.exists():
        found = (path for path in results.iterdir() if (path / "plan.json").exists() and not path.is_symlink())
        yield from sorted((path for path in found if path.name != "reference"), reverse=True)


class Busy(Exception):
    """Another comparison is measuring into the same folder."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """While this holds, nobody else measures into `folder`; raises Busy if somebody does."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"{folder} is being measured by another comparison; wait for it, or use NEW=1") from None
        yield


def save_run(folder: Path, result: dict[str, Any]) -> None:
    text = json.dumps(result, separators=(",", ":")).encode()
    write(folder / "runs" / f"{result['run']}.json.gz", lambda file: file.write(gzip.compress(text, mtime=0)))


def load_run(path: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return result


def load_runs(folder: Path) -> list[dict[str, Any]]:
    """All finished runs, by name."""
    return [load_run(path) for path in sorted((folder / "runs").glob("*.json.gz"))]


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """CSV, gzipped if the name ends so; the same frame always gives the same bytes."""
    text = frame.to_csv(index=False, float_format="%.6g" if path.suffix == ".csv" else "%.7g").encode()
    write(path, lambda file: file.write(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text))


RENAMED = {
    "way": "variant",
    "newcomers": "late_joiners",
    "newcomers_missing": "late_joiners_missing",
    "suspicions": "suspect_because",
}
"""Columns of tables that were stored before, and what they are called now."""


def read_runs(path: Path) -> pd.DataFrame:
    """A stored `runs.csv`, with today's names; conditions that it does not know have their defaults."""
    numbers, texts = ("pause_s", "rate_hz", "one_way_delay_ms"), ("suspicions", "suspect_because", "via")
    runs = pd.read_csv(path, dtype=dict.fromkeys(numbers, float) | dict.fromkeys(texts, str)).rename(columns=RENAMED)
    if "valid" in runs:
        runs["suspect"] = ~runs.pop("valid").astype(bool)
    for field in dataclasses.fields(Condition):
        if field.name not in runs and field.default is not dataclasses.MISSING:
            runs[field.name] = field.default
    runs[["suspect_because", "via"]] = runs[["suspect_because", "via"]].fillna("")
    return runs


def commit() -> str:
    """The short name of the commit that is measured, with `-dirty` if files differ from it; `unknown` outside git."""
    try:
        name = _git("rev-parse", "--short=7", "HEAD")
        return name + ("-dirty" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine() -> dict[str, Any]:
    """Where and with what it was measured; no names of hosts or people."""
    packages = (
        *("starlette", "uvicorn", "uvloop", "httptools", "websockets", "python-socketio", "python-engineio"),
        *("httpx", "aiohttp", "matplotlib", "pandas"),
    )
    return {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": sys.version.split()[0],
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "commit": commit(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(RESULTS.parent), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
