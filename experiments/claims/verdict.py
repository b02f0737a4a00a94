"""The four things that can be said of a claim, and the rules that all claims are judged by.

A claim is judged by ratios, never by eye: something is beyond tolerance when it costs more than `TOLERANCE` times
as much, with the intervals of both taken into account. Where the intervals leave that open, or a condition is not
measured, or has only suspect runs, the comparison does not decide the claim, and the verdict says so.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from experiments.analysis import costs
from experiments.analysis.tables import Table, of
from experiments.design import Condition, every_variant
from experiments.questions import connections, interval, load
from experiments.report import words

HOLDS, CONDITIONALLY, FAILS, UNDECIDED = WORDS = (
    "holds",
    "holds with a condition",
    "does not hold",
    "not decided by this run",
)

TOLERANCE = 2.0
"""What costs up to so many times as much is not called waste: language, library and settings make that difference."""

IMMEDIATE_MS, FLOW_MS = interval.LIMITS
"""The limits of perception: up to the first it feels immediate, up to the second one's thoughts don't wander."""


class Undecided(Exception):
    """The run does not tell; the text is a sentence that says why."""


@dataclass(frozen=True)
class Verdict:
    """One of WORDS, what is learnt in a sentence, what was found in words, and the numbers, each with what it is.

    All of it is chosen by the numbers: from others, another verdict would say other things.
    """

    word: str
    sentence: str
    found: str = ""
    numbers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Cost:
    """Give or take `half`; NaN where one run alone has no spread."""

    value: float
    half: float = math.nan

    @property
    def low(self) -> float:
        return self.value - (0.0 if math.isnan(self.half) else self.half)

    @property
    def high(self) -> float:
        return 2 * self.value - self.low


@dataclass(frozen=True)
class Comparison:
    """What `one` costs against `other`, which is what would be enough; `said` puts a cost into words, with its unit."""

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
        if self.one.low > TOLERANCE * self.other.high:
            return True
        return False if self.one.high <= TOLERANCE * self.other.low else None

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


def certain(comparisons: Iterable[Comparison]) -> None:
    """Raises Undecided if the interval of any of them leaves open whether it is beyond tolerance."""
    if left := [comparison.what for comparison in comparisons if comparison.beyond is None]:
        raise Undecided(
            f"The intervals leave open whether it takes more than {TOLERANCE:g} times the {' and the '.join(left)}; "
            "more repeats, `make compare FULL=1`, make them narrower."
        )


def by_variant(**fields: Any) -> dict[str, Condition]:
    """The same condition for every way, by its name; short polling every second. Raw clients."""
    return {condition.variant: condition for condition in every_variant(client="raw", **fields)}


def measured(table: Table, conditions: Sequence[Condition]) -> pd.DataFrame:
    """The conditions' rows of the summary, in their order, suspect or not; raises Undecided if any is missing."""
    rows = of(conditions, table.summary)
    if missing := [condition for condition in conditions if of([condition], table.summary).empty]:
        raise Undecided(
            f"This run has not measured {len(missing)} of the {len(conditions)} conditions that it takes, such as "
            f"{named(missing[0])}: `make compare`, without QUICK and ONLY, measures them all."
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
    """A condition, as far as it tells the conditions of one claim apart."""
    often = f"at {words.rate(condition.rate_hz)}" if condition.rate_hz else "in silence"
    return f"{words.title(condition.variant, condition.pause_s)} {often} ({condition.clients} readers)"


def spread(row: "pd.Series[Any]", name: str) -> Cost:
    """A column of the summary that has its range over runs beside it, such as `delay_mean_ms`."""
    stem, unit = (name.removesuffix("_ms"), "_ms") if name.endswith("_ms") else (name, "")
    low, high = row[f"{stem}_low{unit}"], row[f"{stem}_high{unit}"]
    return Cost(float(row[name]), float(high - low) / 2 if row.runs > 1 else math.nan)


def cpu_ms(table: Table, variant: str) -> Cost:
    """The server's CPU time for one answer or push, ms; raises Undecided if too little was measured to tell."""
    cost = costs.load(of(load.CONDITIONS, table.runs)).set_index("variant").loc[variant]
    if math.isnan(cost.ms):
        raise Undecided("This run does not tell what an answer or a push costs the server's CPU: `make compare` does.")
    return Cost(float(cost.ms), float(cost.half_ms))


def memory_kb(table: Table, variant: str) -> Cost:
    """The server's memory for one reader, kB; raises Undecided if it is not measured."""
    its = [condition for condition in connections.CONDITIONS if condition.variant == variant]
    trusted(table, its)
    each = costs.memory(of(its, table.runs)).set_index("variant").loc[variant]
    return Cost(float(each.kb), float(each.half_kb))
