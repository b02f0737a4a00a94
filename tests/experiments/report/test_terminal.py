"""The summary on a terminal: it fits, and says something in every line."""

import io

import pandas as pd
import pytest
from rich.console import Console

from experiments.analysis.tables import of
from experiments.questions import QUESTIONS
from experiments.report import terminal
from tests.inventing import everything


@pytest.mark.parametrize("width", [80, 100])
def test_the_summary_fits_and_has_no_empty_lines(width: int) -> None:
    whole = everything().summary
    parts = [of(question.CONDITIONS, whole).assign(question=name) for name, question in QUESTIONS.items()]
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(terminal.overview(pd.concat(parts, ignore_index=True)))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in said  # nothing is cut off
    lines = [line for line in said.splitlines() if line.strip()]
    assert all(len(line.rstrip()) <= width for line in lines)
    assert "nan" not in said
    for name in QUESTIONS:
        assert name in said
    for line in lines:
        assert any(character.isalnum() for character in line)
    assert "Socket.IO, WebSocket" in said
    assert "36.000" in said and " 6.000" in said  # the made-up cost of a push, with a task and with the hub
