"""A whole bench: it can be interrupted at any moment, leaves no process behind, and keeps its finished rounds."""

import dataclasses
import io
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from experiments import store
from experiments.bench import rounds
from experiments.bench.__main__ import attempted, bench, main
from experiments.bench.measures import Size
from experiments.bench.plan import Job
from tests.processes import end, leader, members, wait_until

TINY = Size(rounds=2, most_s=60, readers=(2,), idle=(1, 2), push_blocks=1, point_s=0.02)
READERS = "experiments.bench.readers"


def run(results: Path, **more: Any) -> str:
    """A tiny bench of the raw server; what it says."""
    said = io.StringIO()
    options = {"size": TINY, "names": ["raw"], "seed": 1, "new": False, **more}
    bench(results=results, console=Console(file=said, width=200), **options)
    return said.getvalue()


def interrupted(results: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Path:
    """A bench that is interrupted when its first round is finished."""

    def add(folder: Path, one: dict[str, Any]) -> None:
        keep(folder, one)
        raise KeyboardInterrupt

    keep = rounds.add
    with monkeypatch.context() as patch:
        patch.setattr(rounds, "add", add)
        with pytest.raises(KeyboardInterrupt):
            run(results, **more)
    (folder,) = rounds.folders(results)
    return folder


def test_finished_rounds_are_kept_and_the_same_command_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = interrupted(tmp_path, monkeypatch)
    (first,) = rounds.read(folder)["rounds"]
    said = run(tmp_path)
    assert f"resuming {folder.name}: 1 of 2 rounds are there" in said
    whole = store.read_json(folder / "bench.json")
    assert len(whole["rounds"]) == 2
    assert whole["rounds"][0] == first
    assert whole == rounds.read(folder)
    aimed = {"push websocket raw", "push sse raw", "fan_out websocket raw"}
    assert [set(one["results"]) for one in whole["rounds"]] == [
        {*aimed, "fan_out sse raw"},
        aimed,
    ]
    assert not any(one["failed"] for one in whole["rounds"])
    assert (folder / "bench.md").read_text() in said
    assert (tmp_path / "latest").resolve() == folder


@pytest.mark.parametrize(("most_s", "done"), [(0, 2), (600, 4)])
def test_there_are_as_many_rounds_as_there_is_time_for(most_s: int, done: int, tmp_path: Path) -> None:
    run(tmp_path, size=dataclasses.replace(TINY, rounds=4, most_s=most_s))
    assert len(rounds.read(tmp_path / "latest")["rounds"]) == done


def test_a_finished_bench_is_not_resumed(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    rounds.begin(tmp_path / "one", rounds.header(TINY, 1, ["raw"], {}))
    assert rounds.unfinished(tmp_path, rounds.header(TINY, 1, ["raw"], {})) == (tmp_path / "one", [])
    (tmp_path / "one" / "bench.md").touch()
    assert rounds.unfinished(tmp_path, rounds.header(TINY, 1, ["raw"], {})) == (None, [])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"seed": 2}, ["seed"]),
        ({"servers": ["raw", "starlette"]}, ["servers"]),
        ({"missing": {"ws": "no Node"}}, ["missing"]),
    ],
)
def test_another_bench_is_not_resumed_and_it_says_why(change: dict[str, Any], why: list[str], tmp_path: Path) -> None:
    options: dict[str, Any] = {"size": TINY, "seed": 1, "servers": ["raw"], "missing": {}}
    rounds.begin(tmp_path / "one", rounds.header(**options))
    assert rounds.unfinished(tmp_path, rounds.header(**{**options, **change})) == (None, why)


def test_another_program_is_not_resumed(tmp_path: Path) -> None:
    about = rounds.header(TINY, 1, ["raw"], {})
    older = {**about, "machine": {**about["machine"], "program": "0123456789ab"}}
    rounds.begin(tmp_path / "one", older)
    folder, why = rounds.unfinished(tmp_path, about)
    assert folder is None
    assert why == [f"program (0123456789ab -> {about['machine']['program']})"]


def test_what_fails_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setattr("experiments.bench.program.PROJECT", Path("/"))
    why = attempted(Job("memory", "sse", ("raw",)), TINY, 1)
    assert isinstance(why, str)
    assert why.startswith("raw asyncio has ended with 1: ")
    assert "No module named 'experiments'" in why


@pytest.mark.parametrize("told", ["everybody", "the bench alone"])
def test_ctrl_c_leaves_no_process(told: str, tmp_path: Path) -> None:
    arguments = ("-m", "experiments.bench", "--only", "raw", "--only", "hub", "--results", str(tmp_path))
    with leader(*arguments, temporary=tmp_path) as process:
        wait_until(lambda: any(READERS in command for command in members(process.pid).values()))
        if told == "everybody":  # as a terminal does
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGINT)
        code, said, _ = end(process)
        assert code == 130
        assert said[-1] == "interrupted; finished rounds are kept, and the same command resumes"
        wait_until(lambda: not members(process.pid))


def test_processes_end_by_themselves_when_the_bench_is_killed(tmp_path: Path) -> None:
    arguments = ("-m", "experiments.bench", "--only", "raw", "--only", "hub", "--results", str(tmp_path))
    with leader(*arguments, temporary=tmp_path) as process:
        wait_until(lambda: any(READERS in command for command in members(process.pid).values()))
        process.kill()
        wait_until(lambda: not members(process.pid))


def test_a_bench_becomes_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "bench", size=Size(1, 60, (2,), (1, 2), push_blocks=1, point_s=0.02, everything=False))
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    assert main(["--keep", str(tmp_path / "bench" / "latest")]) == 0
    kept = tmp_path / "reference"
    assert json.loads((kept / "bench.json").read_text()) == store.read_json(tmp_path / "bench/latest/bench.json")
    assert (kept / "bench.md").read_text() == (tmp_path / "bench/latest/bench.md").read_text()
