"""The four things that can be said of a claim, and the rules that all claims are judged by.

A claim is judged by ratios, never by eye: something is beyond tolerance when it costs more than `TOLERANCE` times as
much. Within one session, the intervals of both costs are taken into account. Between sessions, the ratio of each
session is: what slows a machine down slows both sides down, so ratios agree far better than costs do. Where the
intervals leave it open, or a condition is not measured, or has only suspect runs, the comparison does not decide the
claim, and the verdict says so.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from experiments.analysis import costs
from experiments.analysis.statistics import another_session
from experiments.analysis.tables import Table, of
from experiments.design import CONDITION_COLUMNS, Condition, every_variant
from experiments.questions import connections, interval, load
from experiments.report import words

HOLDS, CONDITIONALLY, FAILS, UNDECIDED = WORDS = (
    "holds",
    "holds with a condition",
    "does not hold",
    "not decided by this run",
)

TOLERANCE = 2.0
"""Up to this many times the cost is not called waste: language, library and settings make that much difference."""

IMMEDIATE_MS, FLOW_MS = interval.LIMITS
"""The limits of perception: up to the first feels immediate, up to the second does not interrupt a flow of thought."""


class Undecided(Exception):
    """The comparison does not decide the claim; the text says why, and `numbers` are those that leave it open."""

    def __init__(self, why: str, numbers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(why)
        self.numbers = numbers


@dataclass(frozen=True)
class Verdict:
    """One of WORDS, the lesson in a sentence, the findings in words, and the numbers, each with what it is.

    All of it is chosen by the numbers: other numbers make another verdict, in other words.
    """

    word: str
    sentence: str
    found: str = ""
    numbers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Cost:
    """Give or take `half`; NaN where one run alone has no spread. `sessions`: what each session found, by its name."""

    value: float
    half: float = math.nan
    sessions: Mapping[str, float] = field(default_factory=dict)

    @property
    def low(self) -> float:
        return self.value - (0.0 if math.isnan(self.half) else self.half)

    @property
    def high(self) -> float:
        return 2 * self.value - self.low


@dataclass(frozen=True)
class Comparison:
    """What `one` costs against `other`, which would be enough; `said` puts a cost into words, with its unit."""

    what: str
    one: Cost
    other: Cost
    said: Callable[[float], str] = words.size

    @property
    def ratio(self) -> float:
        return self.one.value / self.other.value if self.other.value else math.inf

    @property
    def beyond(self) -> bool | None:
        """Whether it is beyond tolerance; None if the intervals leave it open."""
        low, high = self.ratios
        if low > TOLERANCE:
            return True
        return False if high <= TOLERANCE else None

    @property
    def ratios(self) -> tuple[float, float]:
        """The interval of the ratio: for another session if there are several, else from both intervals."""
        both = self.one.sessions.keys() & self.other.sessions.keys()
        if len(both) > 1:
            return another_session([self.one.sessions[name] / self.other.sessions[name] for name in both])
        low, high = (
            a / b if b > 0 else math.inf for a, b in ((self.one.low, self.other.high), (self.one.high, self.other.low))
        )
        return low, high

    @property
    def words(self) -> str:
        return f"{words.times(self.ratio)} times the {self.what}"

    @property
    def number(self) -> str:
        def given(cost: Cost) -> str:
            return self.said(cost.value) + ("" if math.isnan(cost.half) else f" ± {self.said(cost.half)}")

        return f"{given(self.one)} against {given(self.other)}: {words.times(self.ratio)} times"


def any_beyond(comparisons: Sequence[Comparison]) -> bool:
    """Whether anything is beyond tolerance; raises Undecided if nothing surely is and something may be."""
    if any(comparison.beyond for comparison in comparisons):
        return True
    certain(comparisons)
    return False


def certain(comparisons: Sequence[Comparison]) -> None:
    """Raises Undecided if the interval of any of them leaves open whether it is beyond tolerance."""
    if left := [comparison.what for comparison in comparisons if comparison.beyond is None]:
        raise Undecided(
            f"The intervals leave open whether it costs more than {TOLERANCE:g} times the {' and the '.join(left)}: "
            "with more runs, or more sessions, they would be narrower.",
            [(comparison.what, comparison.number) for comparison in comparisons],
        )


def by_variant(**fields: Any) -> dict[str, Condition]:
    """The same condition for every variant, by name; raw clients, short polling every second."""
    return {condition.variant: condition for condition in every_variant(client="raw", **fields)}


def measured(table: Table, conditions: Sequence[Condition]) -> pd.DataFrame:
    """The conditions' rows of the summary, in their order, suspect or not; raises Undecided if any is missing."""
    rows = of(conditions, table.summary)
    if missing := [condition for condition in conditions if of([condition], table.summary).empty]:
        raise Undecided(
            f"It lacks {len(missing)} of the {len(conditions)} conditions that decide it, such as "
            f"{named(missing[0])}; `make compare`, without QUICK and ONLY, measures them all."
        )
    return rows


def trusted(table: Table, conditions: Sequence[Condition]) -> pd.DataFrame:
    """The same; raises Undecided also if any of them has only suspect runs."""
    rows = measured(table, conditions)
    for condition, suspect in zip(conditions, rows.suspect, strict=True):
        if suspect:
            raise Undecided(f"Every run of {named(condition)} is suspect: the report says why.")
    return rows


def named(condition: Condition) -> str:
    """A condition, with all that its numbers depend on."""
    often = f"at {words.rate(condition.rate_hz)}" if condition.rate_hz else "in silence"
    title, client = words.title(condition.variant, condition.pause_s), words.client(condition.client)
    each_way = f"{condition.one_way_delay_ms:g}{words.NARROW}ms each way"
    return f"{title} {often}, {each_way}, {condition.clients} {client} readers"


def cost(table: Table, row: "pd.Series[Any]", name: str) -> Cost:
    """A column of the summary that has ends beside it, such as `delay_mean_ms`, of the condition in `row`.

    A session in which all of its runs are suspect is left out, as it is from the ends.
    """
    stem, unit = (name.removesuffix("_ms"), "_ms") if name.endswith("_ms") else (name, "")
    low, high = row[f"{stem}_low{unit}"], row[f"{stem}_high{unit}"]
    its = table.sessions[~table.sessions.suspect] if len(table.sessions) else table.sessions
    for column in CONDITION_COLUMNS if len(its) else ():
        its = its[its[column] == row[column]]
    found = dict(zip(its.session, its[name], strict=True)) if len(its) else {}
    return Cost(float(row[name]), float(high - low) / 2 if row.runs > 1 else math.nan, found)


def cpu_ms(table: Table, variant: str) -> Cost:
    """The busy server's CPU time for one response or push, ms; raises Undecided if too little was measured to tell.

    Of a server as it is usually written: with a task per reader, and every poll through uvicorn and its handler.
    """
    runs = of(load.CONDITIONS, table.runs)
    its = costs.load(runs, fan_out="tasks").set_index("variant").loc[variant]
    if math.isnan(its.ms):
        raise Undecided(
            "It lacks what a response or a push costs a busy server's CPU; `make compare`, without QUICK "
            "and ONLY, measures it."
        )
    found = {
        session: costs.load(part, fan_out="tasks").set_index("variant").ms[variant] for session, part in parts(runs)
    }
    return Cost(float(its.ms), float(its.half_ms), found)


def memory_kb(table: Table, variant: str) -> Cost:
    """The server's memory for one reader, kB; raises Undecided if it is not measured."""
    its = [its for its in connections.CONDITIONS if its.variant == variant and not its.weighs_tap]
    trusted(table, its)
    runs = of(its, table.runs)
    each = costs.memory(runs).set_index("variant").loc[variant]
    found = {session: costs.memory(part).set_index("variant").kb[variant] for session, part in parts(runs)}
    return Cost(float(each.kb), float(each.half_kb), found)


def parts(runs: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The runs of each session, with its name; nothing if there is only one."""
    return [(str(part.session.iloc[0]), part) for part in costs.sessions(runs) or ()]
