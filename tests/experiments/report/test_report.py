"""What is written of a comparison: the same again from its tables, and in plain words what is missing."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from markupsafe import escape
from rich.console import Console

from experiments import claims, store
from experiments.__main__ import main
from experiments.questions import QUESTIONS
from experiments.report import report
from tests import ROOT, inventing

REFERENCE = ROOT / "results" / "reference"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the reference, to be spoilt."""
    return Path(shutil.copytree(REFERENCE, tmp_path / "20260101T000000Z-0000000"))


def test_a_report_is_drawn_again_without_measuring(folder: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in ("summary.csv", "figures/overhead.svg")}
    (folder / "report.html").unlink()
    assert main(["report", str(folder)]) == 0
    assert {name: (folder / name).read_bytes() for name in before} == before
    page = (folder / "report.html").read_text()
    for name, question in QUESTIONS.items():
        assert f'<section id="{name}">' in page
        assert question.TITLE in page
    assert page.count("data:image/svg+xml;base64,") == len(QUESTIONS)
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page)  # it opens offline
    assert "<script" not in page


def test_a_condition_that_is_not_measured_is_said_and_costs_no_other_question(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = pd.read_csv(folder / "runs.csv")
    kept = runs[~((runs.transport == "sse") & (runs.rate_hz == 20))]
    kept.to_csv(folder / "runs.csv", index=False)
    report.write(folder, Console(width=200))
    assert "no chart for rate: 1 of its conditions are not measured" in capsys.readouterr().out
    page = (folder / "report.html").read_text()
    assert "No chart: 1 of its conditions are not measured" in page
    assert page.count("data:image/svg+xml;base64,") == len(QUESTIONS) - 1


def test_a_suspect_run_is_listed_and_escaped(folder: Path) -> None:
    runs = store.read_runs(folder / "runs.csv")
    runs["suspect_because"] = runs.suspect_because.astype(object)
    runs.loc[0, ["suspect", "suspect_because"]] = [True, "the publisher was <late> & sorry"]
    runs.to_csv(folder / "runs.csv", index=False)
    report.write(folder, Console(quiet=True))
    page = (folder / "report.html").read_text()
    assert f"<code>{runs.run[0]}</code>: the publisher was &lt;late&gt; &amp; sorry" in page


def test_the_notes_claims_have_their_verdicts_and_their_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims.every_second, "ENGLISH", "<b>fast</b> & furious")
    folder = inventing.stored(inventing.a_table(), tmp_path)
    report.write(folder, Console(quiet=True))
    said = json.loads((folder / "claims.json").read_text())
    page = (folder / "report.html").read_text()
    for claim in said["claims"]:
        assert f'<p lang="zh">「{claim["quotation"]}」</p>' in page
        assert f"<strong>{escape(claim['sentence'])}</strong>" in page
        heading = f"<h3>{claim['number']}. {claim['title']}: {claim['verdict']}</h3>"
        assert f'<article class="claim" id="claim-{claim["number"]}">\n{heading}' in page
    assert "<p>&lt;b&gt;fast&lt;/b&gt; &amp; furious</p>" in page
    for term in said["terms"]:
        assert f'<span lang="zh">{term["word"]}</span>' in page
        assert f'<q lang="zh">{term["quotation"]}</q>' in page


def test_what_becomes_the_reference_keeps_its_verdicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    folder = inventing.stored(
        inventing.a_table(there=lambda condition: condition.variant == "websocket"), tmp_path / "new"
    )
    store.write_json(folder / "claims.json", {"claims": []})
    assert main(["keep", str(folder)]) == 0
    assert store.read_json(tmp_path / "reference" / "claims.json") == {"claims": []}


def test_results_of_an_older_version_say_what_they_lack(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pd.read_csv(folder / "runs.csv").drop(columns="transport").to_csv(folder / "runs.csv", index=False)
    assert main(["report", str(folder)]) == 1
    said = capsys.readouterr().err
    assert re.search(r"was measured by an older version, without transport: `make compare` again", said)
    assert said.count("\n") == 1


@pytest.mark.parametrize("command", ["report", "check"])
def test_without_results_there_is_one_line(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "holds no comparison: run `make compare` first" in said.err
    assert said.err.count("\n") == 1


def test_the_reference_makes_sense_and_a_broken_one_does_not(folder: Path) -> None:
    assert main(["check", str(folder)]) == 0
    runs = pd.read_csv(folder / "runs.csv")
    runs.loc[3, "missing"] = 2
    runs.to_csv(folder / "runs.csv", index=False)
    assert main(["check", str(folder)]) == 1


def test_theory_and_measurement_are_judged_in_words() -> None:
    rows = pd.DataFrame(
        {
            "variant": ["sse", "sse", "sse"],
            "pause_s": 0.0,
            "rate_hz": [1.0, 5.0, 20.0],
            "one_way_delay_ms": 25.0,
            "client": "raw",
            "headers": "library",
            "upgrades": "pass",
            "unexplained_delay_ms": [0.5, -3.0, 9.0],
            "spread_delay_ms": [1.0, 1.0, float("nan")],
        }
    )
    (said,) = report.verdict(rows)
    assert "within the spread over runs in 1 of 2 conditions that were repeated" in said
    assert "SSE at 5/s, 25 ms, raw, library (-3 ms, spread ±1)" in said
    assert "20/s" not in said
