"""The questions, in the order of the report. Each module is its text (the docstring), CONDITIONS,
`conclusion(summary)` and `figure(table)`.

`table` is what `experiments.analysis.tables` makes of the runs: `summary` has one row per condition, `runs` one per
run, and `deliveries` one per message and reader.
"""

from typing import Protocol

import pandas as pd
from matplotlib.figure import Figure

from experiments.analysis.tables import Table
from experiments.design import Condition
from experiments.questions import connections, crowd, fallback, interval, latency, layers, load, overhead, rate


class Question(Protocol):
    """What a module in this folder offers."""

    TITLE: str
    CONDITIONS: list[Condition]

    def conclusion(self, summary: pd.DataFrame) -> str:
        """What was found, in a sentence made of the summary's numbers."""

    def figure(self, table: Table) -> Figure:
        """The same as a chart, with the conclusion as its title."""


QUESTIONS: dict[str, Question] = {
    "latency": latency,
    "overhead": overhead,
    "layers": layers,
    "interval": interval,
    "rate": rate,
    "load": load,
    "connections": connections,
    "crowd": crowd,
    "fallback": fallback,
}
