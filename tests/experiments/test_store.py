"""What is stored, read again: older tables, tables that balance, and what keeps comparisons apart."""

import random
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments import compare, store
from experiments.__main__ import main
from experiments.design import CONDITION_COLUMNS, Condition
from tests import inventing


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A comparison's tables, of one variant."""
    return inventing.stored(inventing.a_table(there=lambda condition: condition.variant == "websocket"), tmp_path)


def test_a_table_of_an_older_version_is_read_under_todays_names(stored: Path) -> None:
    today = store.read_runs(stored / "runs.csv")
    assert not today.suspect.any()
    older = today.rename(columns={"variant": "way", "late_joiners": "newcomers", "suspect_because": "suspicions"})
    older["valid"] = ~older.pop("suspect")
    older.loc[0, ["valid", "suspicions"]] = [False, "late"]
    older.drop(columns=["upgrades"]).to_csv(stored / "runs.csv", index=False)
    read = store.read_runs(stored / "runs.csv")
    assert set(read.columns) == set(today.columns)
    assert (read.suspect[0], read.suspect_because[0], read.suspect[1], read.suspect_because[1]) == (
        True,
        "late",
        False,
        "",
    )
    assert set(read.upgrades) == {"pass"}  # what a table does not know has its default
    conditions = [Condition(**row) for row in today[[*CONDITION_COLUMNS]].to_dict("records")]
    assert len(set(conditions)) == len(today) / 2
    pd.testing.assert_frame_equal(
        read.drop(columns=["suspect", "suspect_because", "upgrades"]).sort_index(axis=1),
        today.drop(columns=["suspect", "suspect_because", "upgrades"]).sort_index(axis=1),
    )


def unbalanced(runs: pd.DataFrame) -> pd.DataFrame:
    """Rows whose categories do not add up to their totals."""
    wrong = pd.Series(False, index=runs.index)
    for direction in ("up", "down"):
        categories = [n for n in runs if n.startswith(f"{direction}_") and n.endswith("_bytes")]
        wrong |= runs[categories].sum(axis=1) != runs[f"bytes_{direction}"]
    return runs[wrong]


def test_tables_that_are_stored_balance_and_hold_whole_counts(tmp_path: Path) -> None:
    rng = random.Random(1)
    rows = []
    for number in range(200):
        parts = {
            f"down_{name}_bytes": rng.randrange(10_000_000)
            for name in ("payload", "frame", "control")[: 1 + number % 3]
        }
        rows.append(
            {"bytes_down": sum(parts.values()), "bytes_up": 0, "span_s": rng.random(), **parts, "segments_up": None}
        )
    rows[0]["segments_up"] = 12_345_678
    runs = pd.DataFrame(rows).assign(via="", suspect_because="", suspect=False)
    store.write_frame(tmp_path / "runs.csv", runs)
    text = (tmp_path / "runs.csv").read_text().splitlines()
    assert ",12345678," in text[1]
    read = store.read_runs(tmp_path / "runs.csv")
    assert unbalanced(read).empty
    assert all(read[name].dtype == "int64" for name in read if name.startswith(("bytes_", "down_")))
    assert list(read.span_s) == list(runs.span_s)  # to the last bit


def test_the_committed_reference_balances() -> None:
    assert unbalanced(store.read_runs(store.RESULTS / "reference" / "runs.csv")).empty


MACHINE = {
    **dict.fromkeys(("system", "machine", "processor", "cores", "python"), "same"),
    "program": "0123456789ab",
    "packages": {"uvicorn": "0.54.0", "httpx": "1.0"},
}


def test_what_differs_is_named() -> None:
    assert store.differences(MACHINE, MACHINE) == []
    assert store.differences(MACHINE | {"load_average": 3, "governor": "powersave", "commit": "x"}, MACHINE) == []
    newer = MACHINE | {"packages": {"uvicorn": "0.55.0", "httpx": "1.0"}}
    assert store.differences(MACHINE, newer) == ["packages (uvicorn 0.54.0 -> 0.55.0)"]
    assert store.differences(MACHINE, MACHINE | {"cores": 8, "program": "ba9876543210"}) == [
        "cores (same -> 8)",
        "program (0123456789ab -> ba9876543210)",
    ]
    assert store.differences({}, MACHINE)[-1] == "packages (uvicorn none -> 0.54.0, httpx none -> 1.0)"


def test_a_program_is_told_apart_by_its_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in store.MEASURING:
        shutil.copytree(store.PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in store.MEASURING_FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(store.PROJECT / name, tmp_path / name)
    here = store.program()
    monkeypatch.setattr(store, "PROJECT", tmp_path)
    assert store.program() == here
    (tmp_path / "app" / "pages" / "static" / "site.css").write_text("/* another look */")
    assert store.program() == here
    with (tmp_path / "app" / "log.py").open("a") as file:
        file.write("# one line more\n")
    assert store.program() != here


def test_a_comparison_of_a_newer_version_is_refused(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = store.read_json(stored / "plan.json")
    store.write_json(stored / "plan.json", plan | {"format": store.FORMAT + 1})
    assert main(["report", str(stored)]) == 1
    assert f"is stored in format {store.FORMAT + 1}, and this version knows formats up to" in capsys.readouterr().err


def unfinished_one(results: Path, machine: dict[str, Any], name: str = "20260101T000000Z-abc") -> dict[str, Any]:
    what = {"format": store.FORMAT, "runs": ["one", "two"]}
    store.write_json(results / name / "plan.json", what)
    store.write_json(results / name / "machine.json", machine)
    return what


def test_only_the_same_program_on_the_same_machine_resumes(tmp_path: Path) -> None:
    what = unfinished_one(tmp_path, MACHINE)
    folder = tmp_path / "20260101T000000Z-abc"
    assert compare.unfinished(what, MACHINE, tmp_path) == (folder, "")
    assert compare.unfinished(what | {"runs": ["one"]}, MACHINE, tmp_path) == (None, "")
    other = MACHINE | {"program": "ba9876543210"}
    why_not = "20260101T000000Z-abc is not resumed: program (0123456789ab -> ba9876543210)"
    assert compare.unfinished(what, other, tmp_path) == (None, why_not)
    unfinished_one(tmp_path, other, "20260102T000000Z-def")
    assert compare.unfinished(what, other, tmp_path) == (tmp_path / "20260102T000000Z-def", "")
    for run in what["runs"]:
        store.save_run(tmp_path / "20260102T000000Z-def", {"run": run})
    (tmp_path / "20260102T000000Z-def" / "report.html").touch()
    assert compare.unfinished(what, other, tmp_path) == (None, why_not)
