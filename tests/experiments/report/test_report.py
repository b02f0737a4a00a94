"""What is written of a comparison: the same again from its tables, and in plain words what is missing."""

import io
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
from experiments.analysis import costs
from experiments.questions import QUESTIONS, load
from experiments.report import loads, report, sentences, terminal, words
from experiments.report.check import problems, sound
from experiments.run import suspect
from tests import ROOT, inventing

REFERENCE = ROOT / "results" / "reference"


QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """The reference, drawn again in another folder, and its summary: the largest there is, so only once."""
    folder = Path(shutil.copytree(REFERENCE, tmp_path_factory.mktemp("drawn") / "20260101T000000Z-0000000"))
    (folder / "report.html").unlink()
    return folder, report.write(folder, QUIET)


def invented(folder: Path, *names: str) -> Path:
    """A comparison of these questions that nobody measured."""
    its = {condition for name in names for condition in QUESTIONS[name].CONDITIONS}
    return inventing.stored(inventing.a_table(there=lambda condition: condition in its), folder, *names)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One to be spoilt."""
    return invented(tmp_path / "20260101T000000Z-0000000", "interval")


def test_the_reference_is_drawn_without_measuring(drawn: tuple[Path, pd.DataFrame]) -> None:
    folder, _ = drawn
    asked = store.read_json(folder / "plan.json")["questions"]
    page = (folder / "report.html").read_text()
    assert asked == [name for name in QUESTIONS if name in asked]  # it may be older than a question
    for name in asked:
        assert f'<section id="{name}">' in page
        assert QUESTIONS[name].TITLE in page
    assert page.count("data:image/svg+xml;base64,") == len(asked)
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page)  # it opens offline
    assert "<script" not in page


def test_what_is_drawn_again_is_the_same_to_the_byte(folder: Path) -> None:
    names = ("summary.csv", "claims.json", "report.html", "figures/interval.svg")
    said = []
    for _ in range(2):
        assert main(["report", str(folder)]) == 0
        said.append([(folder / name).read_bytes() for name in names])
    assert said[0] == said[1]


def test_a_condition_that_is_not_measured_is_said_and_costs_no_other_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = invented(tmp_path, "interval", "rate")
    runs = pd.read_csv(folder / "runs.csv")
    kept = runs[~((runs.transport == "sse") & (runs.rate_hz == 20))]
    kept.to_csv(folder / "runs.csv", index=False)
    report.write(folder, Console(width=200))
    assert "no chart for rate: 1 of its conditions are not measured" in capsys.readouterr().out
    page = (folder / "report.html").read_text()
    assert "No chart: 1 of its conditions are not measured" in page
    assert page.count("data:image/svg+xml;base64,") == 1


def test_the_table_of_a_cost_has_the_numbers_of_its_chart(tmp_path: Path) -> None:
    folder = invented(tmp_path, "load", "connections")
    report.write(folder, QUIET)
    page = (folder / "report.html").read_text()
    runs, _ = report.tables(folder)
    memory = costs.memory(runs).dropna().to_dict("records")
    assert memory
    for row in memory:
        cells = (words.title(row["variant"]), words.interval(row["kb"], row["half_kb"], "kB"))
        assert f"<td>{'</td><td>'.join(cells)}</td>" in page
    tasks, hub = (costs.load(runs, fan_out=how).dropna().set_index("variant") for how in loads.FAN_OUTS)
    assert list(tasks.index) == list(hub.index) == [variant.name for variant in load.MEASURED]
    for variant in tasks.index:
        first, second = (
            words.interval(1000 * its.ms[variant], 1000 * its.half_ms[variant], "µs") for its in (tasks, hub)
        )
        share = r"</td><td>\d+ to \d+ %</td>"
        line = rf"<td>{re.escape(words.title(variant))}</td><td>{first}{share}<td>{second}{share}"
        assert re.search(line, page)
    assert "Theory against measurement" not in page  # no formula says what a server costs


def test_a_suspect_run_is_listed_and_escaped(folder: Path) -> None:
    runs = pd.read_csv(folder / "runs.csv")
    runs["suspect_because"] = runs.suspect_because.astype(object)
    runs.loc[0, ["suspect", "suspect_because"]] = [True, "the publisher was <late> & sorry"]
    runs.to_csv(folder / "runs.csv", index=False)
    report.write(folder, QUIET)
    page = (folder / "report.html").read_text()
    assert f"<code>{runs.run[0]}</code>: the publisher was &lt;late&gt; &amp; sorry" in page


def test_the_limits_of_suspicion_are_those_that_the_code_uses(folder: Path) -> None:
    report.write(folder, QUIET)
    page = (folder / "report.html").read_text()
    for limit in suspect.LIMITS:
        (said,) = re.findall(f"<li>{re.escape(str(escape(limit.what)))}: (.*?)</li>", page)
        assert said == ("any" if not limit.limit else f"{limit.beyond} {limit.limit:g} {limit.unit}".strip())
    assert f"more than {suspect.PROBE_RATIO:g} times the probe" in page


def test_what_is_blocked_on_purpose_is_not_missing(tmp_path: Path) -> None:
    folder = invented(tmp_path, "fallback")
    summary = report.write(folder, QUIET)
    page = (folder / "report.html").read_text()
    assert int(summary.missing.sum()) > 0
    assert " deliveries, 0 missing" in page
    assert "under 2 conditions the network blocks everything, as intended" in page
    assert page.count(f"<td>{sentences.blocked()}</td>") == 2
    lines = Console(width=200, file=io.StringIO(), record=True)
    lines.print(terminal.overview(summary))
    assert lines.export_text().count("blocked") == 2
    assert problems(summary) == []
    assert "2 of them blocked, as intended" in sound(summary)


def test_the_notes_claims_have_their_verdicts_and_their_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims.every_second, "ENGLISH", "<b>fast</b> & furious")
    folder = inventing.stored(inventing.everything(), tmp_path)
    report.write(folder, QUIET)
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


def test_the_reference_makes_sense(drawn: tuple[Path, pd.DataFrame]) -> None:
    _, summary = drawn
    assert problems(summary) == []


def test_a_comparison_with_a_missing_message_does_not_make_sense(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(folder)]) == 0
    assert "conditions make sense" in capsys.readouterr().out
    runs = pd.read_csv(folder / "runs.csv")
    place = runs.index[(runs.variant == "sse") & (runs.rate_hz == 1) & (runs.one_way_delay_ms == 25)][0]
    runs.loc[place, "missing"] = 2
    runs.to_csv(folder / "runs.csv", index=False)
    assert main(["check", str(folder)]) == 1
    assert "interval: sse 0 s, 1/s, library: 2 messages missing, 0 delivered more than once" in capsys.readouterr().out


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
    (said,) = sentences.theory(rows)
    assert "agree within the spread in 1 of 2 conditions that were repeated" in said
    assert "SSE at 5/s, 25 ms each way, raw readers, library headers (-3 ms, spread ±1)" in said
    assert "20/s" not in said
