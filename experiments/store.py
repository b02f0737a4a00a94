"""Where results are stored, and how: each file is written whole or not at all.

    results/20261123T061500Z-1a2b3c4/      one comparison
        plan.json                          what is to be measured, with seeds; names the size and the questions
        machine.json                       machine and versions
        runs/NAME.json.gz                  one finished run each; an interrupted comparison resumes from these
        runs.csv summary.csv claims.json deliveries.csv.gz figures/ report.html
    results/latest                         points to the last one

A file is written under another name and then moved into place.
"""

import contextlib
import dataclasses
import fcntl
import gzip
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pandas as pd

from experiments.design import Condition

PROJECT = Path(__file__).parent.parent
RESULTS = PROJECT / "results"

FORMAT = 3
"""Of what is stored. A comparison without one is of format 1; one that is newer than this program is refused."""

MEASURING = ("app", "clients", "experiments/run")
MEASURING_FILES = tuple(f"experiments/{name}.py" for name in ("design", "variants", "schedule", "analysis/ledger"))
"""The measuring program: folders, and single files."""


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
    """Hold the lock on `folder` while measuring into it; raises Busy if another comparison holds it."""
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


def with_whole_counts(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with integers for counts. Bytes of a category that a run has not are none; segments may be unknown."""
    whole = frame.copy()
    for name in frame:
        known = frame[name].dropna()
        if name.startswith(("up_", "down_")) and name.endswith("_bytes") and (known % 1 == 0).all():
            whole[name] = frame[name].fillna(0).astype("int64")
        elif name.startswith(("step_", "segments_")) and (pd.to_numeric(known) % 1 == 0).all():
            whole[name] = pd.to_numeric(frame[name]).astype("Int64")
    return whole


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
    types = dict.fromkeys(numbers, float) | dict.fromkeys(texts, str)
    runs = pd.read_csv(path, dtype=types).rename(columns=RENAMED)
    categories = [name for name in runs if name.startswith(("up_", "down_")) and name.endswith("_bytes")]
    runs[categories] = with_whole_counts(runs[categories])
    if "valid" in runs:
        runs["suspect"] = ~runs.pop("valid").astype(bool)
    for field in dataclasses.fields(Condition):
        if field.name not in runs and field.default is not dataclasses.MISSING:
            runs[field.name] = field.default
    runs.loc[~runs.tap, "fan_out"] = "tasks"  # the hub writes through the tap
    runs[["suspect_because", "via"]] = runs[["suspect_because", "via"]].fillna("")
    return runs.copy()  # in one piece: many columns were added


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """CSV, gzipped if the name ends so; the same frame always gives the same bytes.

    Every float is written so that it is read as the same float: sums over a table are what they were.
    """
    text = with_whole_counts(frame).to_csv(index=False).encode()
    write(path, lambda file: file.write(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text))


def program() -> str:
    """A digest of what is run: every Python file that takes part in a measurement. Twelve hexadecimal digits.

    Two trees with the same files have the same digest, whatever git says of them; charts and texts are no part of it.
    """
    digest = hashlib.sha256()
    for path in sorted(path for name in MEASURING for path in (PROJECT / name).rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(PROJECT).as_posix()} {len(content)}\n".encode() + content)
    for name in MEASURING_FILES:
        digest.update(f"{name}\n".encode() + (PROJECT / name).read_bytes())
    return digest.hexdigest()[:12]


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
        "program": program(),
        "format": FORMAT,
        "governor": _governor(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Why runs measured `before` can't be combined with runs measured `now`, in words; empty if they can."""
    found = [
        f"{name} ({before.get(name, 'unknown')} -> {now[name]})"
        for name in ("system", "machine", "processor", "cores", "python", "program")
        if before.get(name) != now[name]
    ]
    old, new = before.get("packages", {}), now["packages"]
    changed = [f"{name} {old.get(name, 'none')} -> {new[name]}" for name in new if old.get(name) != new[name]]
    return [*found, *([f"packages ({', '.join(changed)})"] if changed else [])]


class Newer(Exception):
    """A comparison was stored by a newer version of this program."""


def read_plan(folder: Path) -> dict[str, Any]:
    """The plan of a comparison; raises Newer."""
    plan: dict[str, Any] = read_json(folder / "plan.json")
    if plan.get("format", 1) > FORMAT:
        raise Newer(
            f"{folder} is stored in format {plan['format']}, and this version knows formats up to {FORMAT}: "
            "use the version that stored it, or a newer one"
        )
    return plan


def _governor() -> str | None:
    """The CPU frequency governor of the first core; None where the system has none."""
    path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return path.read_text().strip() if path.exists() else None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PROJECT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
