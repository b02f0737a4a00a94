"""Several sessions become the reference: their tables are put together, and their differences are said."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from experiments import store
from experiments.__main__ import main
from experiments.analysis.sessions import Between, Kept, between
from experiments.analysis.tables import table
from experiments.design import Condition
from experiments.report import report, sentences
from tests import inventing
from tests.inventing import Result

CONSOLE = Console(quiet=True)


def there(condition: Condition) -> bool:
    """Enough to see differences: delays on loopback, with emulated delay, and of polls."""
    return condition.variant in ("short_poll", "sse", "websocket") and condition.rate_hz in (1, 5)


def a_session(folder: Path, number: int) -> Path:
    """Everything takes `number` ms more than it should, and one run a bit more."""

    def change(condition: Condition, result: Result) -> None:
        result["delay_ms"] = [delay + number + 0.1 * result["repeat"] for delay in result["delay_ms"] if delay]
        result["started_utc"] = f"2026-01-0{number}T03:04:05Z"

    return inventing.stored(inventing.a_table(change, there), folder / f"session-{number}")


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sessions, not to be changed."""
    folder = tmp_path_factory.mktemp("sessions")
    for number in (1, 2, 3):
        a_session(folder, number)
    return folder


@pytest.fixture(scope="module")
def kept(sessions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, and the reference that they have become."""
    folder = Path(shutil.copytree(sessions, tmp_path_factory.mktemp("kept") / "results"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "RESULTS", folder)
        assert main(["keep", *map(str, folders(folder))]) == 0
    return folder


@pytest.fixture
def results(sessions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, to be spoilt."""
    folder = Path(shutil.copytree(sessions, tmp_path / "results"))
    monkeypatch.setattr(store, "RESULTS", folder)
    return folder


def folders(results: Path) -> list[Path]:
    return sorted(results.glob("session-*"))


def test_sessions_become_one_reference(kept: Path) -> None:
    reference = kept / "reference"
    runs, deliveries = report.tables(reference)
    parts = [report.tables(folder) for folder in folders(kept)]
    assert len(runs) == sum(len(part) for part, _ in parts)
    assert len(deliveries) == sum(len(part) for _, part in parts)
    assert sorted(runs.session.unique()) == ["20260101T030405Z", "20260102T030405Z", "20260103T030405Z"]
    assert runs.run.is_unique
    assert set(deliveries.run) <= set(runs.run)
    assert (runs.run == runs.session + "/" + runs.run.str.split("/").str[1]).all()
    for session in runs.session.unique():
        assert store.read_json(reference / "sessions" / session / "machine.json")
    assert (reference / "claims.json").exists()
    page = (reference / "report.html").read_text()
    assert "3 sessions, " in page
    said = Between.read(store.read_json(reference / "sessions.json"))
    assert said == between(table(runs, deliveries))
    for sentence in sentences.several_sessions(said):
        assert sentence.replace("'", "&#39;") in page


def test_the_ends_of_a_reference_are_for_another_session(kept: Path) -> None:
    whole = table(*report.tables(kept / "reference"))
    near = whole.summary[(whole.summary.variant == "sse") & (whole.summary.one_way_delay_ms == 0)].iloc[0]
    (one,) = {len(part) for _, part in whole.sessions.groupby("session")}
    assert len(whole.summary) == one
    assert near.sessions == 3
    sse_ms = [2.05 + number for number in (1, 2, 3)]  # two runs each, of which the second is 0.1 ms later
    assert near.delay_mean_ms == pytest.approx(sum(sse_ms) / 3)
    logs = [math.log(value) for value in sse_ms]
    half = stats.t.ppf(0.975, 2) * float(np.std(logs, ddof=1)) * math.sqrt(1 + 1 / 3)
    ends = [math.exp(sum(logs) / 3 + side * half) for side in (-1, 1)]
    assert [near.delay_mean_low_ms, near.delay_mean_high_ms] == pytest.approx(ends)
    assert near.spread_delay_ms == pytest.approx((near.delay_mean_high_ms - near.delay_mean_low_ms) / 2)
    again = [
        part[(part.variant == "sse") & (part.one_way_delay_ms == 0)] for _, part in whole.sessions.groupby("session")
    ]
    assert [float(part.delay_mean_ms.iloc[0]) for part in again] == pytest.approx(sse_ms)


@pytest.mark.parametrize(
    ("file", "key", "what"),
    [
        ("plan.json", "questions", "questions"),
        ("plan.json", "format", "format"),
        ("machine.json", "packages", "packages"),
    ],
)
def test_only_sessions_of_one_kind_are_kept(
    results: Path, capsys: pytest.CaptureFixture[str], file: str, key: str, what: str
) -> None:
    odd = folders(results)[1] / file
    store.write_json(odd, store.read_json(odd) | {key: ["another"]})
    assert main(["keep", *map(str, folders(results))]) == 1
    assert f"session-2 and session-1 differ in {what}" in capsys.readouterr().err
    assert not (results / "reference").exists()


def test_two_sessions_are_too_few_and_one_twice_is_not_three(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keep", *map(str, folders(results)[:2])]) == 1
    assert "a reference is made of at least 3 sessions" in capsys.readouterr().err
    assert main(["keep", *map(str, [*folders(results)[:2], folders(results)[0]])]) == 1
    assert "the same session is named twice" in capsys.readouterr().err


def test_one_session_says_what_it_cannot_know(results: Path, kept: Path) -> None:
    alone = folders(results)[0]
    report.write(alone, CONSOLE)
    page = (alone / "report.html").read_text()
    (plain,) = sentences.one_session(None)
    assert plain in page
    assert not (alone / "sessions.json").exists()
    shutil.copytree(kept / "reference", results / "reference")
    report.write(alone, CONSOLE)
    page = (alone / "report.html").read_text()
    found = Between.read(store.read_json(results / "reference" / "sessions.json"))
    for sentence in sentences.one_session(found):
        assert sentence.replace("'", "&#39;") in page
    assert f"differed by {found.delay_percent:.0f} %" in page


def test_what_three_sessions_cannot_check_is_said() -> None:
    few, many = (Between([str(number) for number in range(count)], {}, Kept(1, 2), 18.0, 2.0, 9.0) for count in (3, 5))
    assert sentences.few_sessions() in sentences.several_sessions(few)
    assert sentences.few_sessions() not in sentences.several_sessions(many)
