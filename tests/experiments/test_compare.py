"""A comparison from its command line: interrupted, resumed, and finished."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import store
from tests import ROOT
from tests.processes import members, wait_until


def comparing(results: Path) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        "experiments",
        "compare",
        "--quick",
        "--only",
        "fallback",
        "--results",
        str(results),
    ]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)


def stored(results: Path) -> dict[str, int]:
    """When each run was stored."""
    return {
        path.name: path.stat().st_mtime_ns for path in results.glob("*/runs/*.json.gz") if "latest" not in path.parts
    }


@pytest.mark.timeout(240)
def test_an_interrupted_comparison_is_resumed_where_it_stopped(tmp_path: Path) -> None:
    with comparing(tmp_path) as first:
        wait_until(lambda: stored(tmp_path))
        first.send_signal(signal.SIGINT)
        said, _ = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "interrupted; what is finished is kept, and the same command resumes it" in said
    assert "Traceback" not in said
    wait_until(lambda: not members(first.pid))
    kept = stored(tmp_path)
    assert not list(tmp_path.glob("*/report.html"))
    for path in tmp_path.glob("*/runs/*.json.gz"):
        assert store.load_run(path)["deliveries"]  # whole, or not there

    with comparing(tmp_path) as second:
        said, _ = second.communicate(timeout=180)
    assert second.returncode == 0, said
    assert f"resuming {next(tmp_path.glob('2*')).name}: {len(kept)} of 6 runs are there" in " ".join(said.split())
    done = stored(tmp_path)
    assert len(done) == 6
    assert {name: done[name] for name in kept} == kept  # nothing was measured twice
    folder = (tmp_path / "latest").resolve()
    for name in ("report.html", "runs.csv", "summary.csv", "deliveries.csv.gz", "machine.json", "figures/fallback.png"):
        assert (folder / name).exists()
    assert not members(second.pid)


def test_two_comparisons_do_not_measure_into_one_folder(tmp_path: Path) -> None:
    with (
        store.locked(tmp_path),
        pytest.raises(store.Busy, match="is being measured by another comparison"),
        store.locked(tmp_path),
    ):
        pass
    with store.locked(tmp_path):
        pass
