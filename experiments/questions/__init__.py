"""The questions, in the order of the report. Each module is its text (the docstring), CONDITIONS and `figure(table)`.

`table` is what `experiments.tables` makes of the runs: `summary` has one row per condition, `runs` one per run, and
`deliveries` one per message and reader.
"""

from typing import Protocol

from matplotlib.figure import Figure

from experiments.design import Condition
from experiments.questions import interval, latency, overhead, rate
from experiments.tables import Table


class Question(Protocol):
    """What a module in this folder offers."""

    TITLE: str
    CONDITIONS: list[Condition]

    def figure(self, table: Table) -> Figure:
        """The answer as a chart, with a title computed from the data."""


QUESTIONS: dict[str, Question] = {
    "latency": latency,
    "overhead": overhead,
    "interval": interval,
    "rate": rate,
}
