"""Rounds, one line of JSON each, so that finished ones are kept; and a bench that was interrupted is resumed.

results/bench/20261123T061500Z-1a2b3c4/
    bench.jsonl      the first line says what is measured, where and with what; then per round {"results", "failed",
                     "took_s"}
    bench.json       the same as one object, with "rounds", once all are there
    bench.md         the tables
results/bench/latest    points to the last one
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import store
from experiments.bench.measures import Size
from experiments.bench.servers import versions

FORMAT = 2
MEASURED = ("app", "experiments/bench", "experiments/run/text.py")
NAME = "bench.jsonl"


def header(size: Size, seed: int, servers: Sequence[str], missing: Mapping[str, str]) -> dict[str, Any]:
    """What a bench depends on; as it is read back from JSON."""
    return {
        "format": FORMAT,
        "size": json.loads(json.dumps(dataclasses.asdict(size))),
        "seed": seed,
        "servers": list(servers),
        "missing": dict(missing),
        "versions": versions(servers),
        "machine": {**store.machine(), "program": program()},
    }


def program() -> str:
    """A digest of all files that are measured or measure."""
    digest = hashlib.sha256()
    places = [store.PROJECT / name for name in MEASURED]
    paths = [*places, *(path for place in places for path in place.rglob("*"))]
    for path in sorted(path for path in paths if path.suffix in (".py", ".js", ".json")):
        if "node_modules" not in path.parts:
            digest.update(f"{path.relative_to(store.PROJECT).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def begin(folder: Path, about: Mapping[str, Any]) -> None:
    store.write_text(folder / NAME, json.dumps(about) + "\n")


def add(folder: Path, one: Mapping[str, Any]) -> None:
    """Keep a finished round; the file is replaced, so that no line is ever half there."""
    store.write_text(folder / NAME, (folder / NAME).read_text() + json.dumps(one) + "\n")


def read(folder: Path) -> dict[str, Any]:
    """What is there so far."""
    first, *lines = (folder / NAME).read_text().splitlines()
    about: dict[str, Any] = json.loads(first)
    return about | {"rounds": [json.loads(line) for line in lines]}


def unfinished(results: Path, about: Mapping[str, Any]) -> tuple[Path | None, list[str]]:
    """The newest bench in `results` if it was interrupted and is of the same kind; or why it is not, if it was."""
    newest = next(folders(results), None)
    if newest is None or (newest / "bench.md").exists():
        return None, []
    before = json.loads((newest / NAME).read_text().splitlines()[0])
    others = [name for name in about if name != "machine" and before.get(name) != about[name]]
    differ = [*others, *store.differences(before["machine"], about["machine"])]
    return (None, differ) if differ else (newest, [])


def folders(results: Path) -> Iterator[Path]:
    """All benches, the newest first."""
    if results.exists():
        found = (path for path in results.iterdir() if (path / NAME).exists() and not path.is_symlink())
        yield from sorted(found, reverse=True)
