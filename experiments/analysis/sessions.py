"""How far sessions differ from each other, and whether the intervals know it.

A session is one sitting of `make compare`. What the machine does at that time, its runs have in common, so their
spread says little about what another session finds. Both are measured here, from sessions that are stored.
"""

import itertools
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from experiments.analysis.statistics import another_session, student_t
from experiments.analysis.tables import Table
from experiments.design import CONDITION_COLUMNS

LEAST = 3
"""Sessions that a reference is made of: with two, the interval from one of them alone would be no interval."""


@dataclass(frozen=True)
class Kept:
    """How often a value lay in its interval: `inside` of `of`."""

    inside: int
    of: int


@dataclass(frozen=True)
class Between:
    """What stored sessions say of each other.

    `left_out`: by quantity, each session against the interval from the others. `within`: each session's mean delays
    on loopback against the interval from the runs of one other session alone. `delay_percent`, `ratio_percent`: by
    how much two sessions' mean delays on loopback differ, and these as ratios to WebSocket's in the same session;
    `runs_percent`: by how much two runs of one session do; medians over the conditions.
    """

    sessions: list[str]
    left_out: dict[str, Kept]
    within: Kept
    delay_percent: float
    ratio_percent: float
    runs_percent: float

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def read(cls, plain: dict[str, Any]) -> "Between":
        """What `plain` gave."""
        left_out = {what: Kept(**kept) for what, kept in plain["left_out"].items()}
        return cls(**plain | {"left_out": left_out, "within": Kept(**plain["within"])})


def between(table: Table) -> Between | None:
    """From a table of at least LEAST sessions; None from fewer."""
    if len(table.sessions) == 0 or table.sessions.session.nunique() < LEAST:
        return None
    rows = table.sessions[(table.sessions.clients > 0) & ~table.sessions.suspect]
    rows = rows[rows.measures == "deliveries"]
    # A poller's delay is its interval's; what a machine does to milliseconds shows in the others.
    prompt = rows[(rows.rate_hz > 0) & (rows.pause_s == 0) & rows.delay_mean_ms.notna()]
    near = prompt[(prompt.one_way_delay_ms == 0) & (prompt.client == "library")]
    far = prompt[prompt.one_way_delay_ms > 0]
    talking = rows[rows.rate_hz > 0]
    left_out = {
        "mean delay on loopback": left_out_of(near, "delay_mean_ms"),
        "mean delay with emulated delay": left_out_of(far, "delay_mean_ms"),
        "mean delay of short polling": left_out_of(talking[talking.pause_s > 0], "delay_mean_ms"),
        "bytes per message": left_out_of(talking, "bytes_per_message"),
    }
    runs = mean_delays(table, near)
    return Between(
        sorted(rows.session.unique()),
        left_out,
        within(runs),
        off_percent(values(near, "delay_mean_ms")),
        off_percent(values(to_websocket(near), "ratio")),
        off_percent(list(its) for _, its in runs.groupby(["session", *CONDITION_COLUMNS]).delay_ms),
    )


def values(rows: pd.DataFrame, name: str) -> list[list[float]]:
    """For each condition, what each session found."""
    return [its.dropna().to_list() for _, its in rows.groupby(list(CONDITION_COLUMNS))[name]]


def left_out_of(rows: pd.DataFrame, name: str) -> Kept:
    """Each session's value against the interval from the other sessions', condition by condition."""
    inside = of = 0
    for found in values(rows, name):
        for i, value in enumerate(found):
            low, high = another_session(found[:i] + found[i + 1 :])
            if low == low:
                inside, of = inside + (low <= value <= high), of + 1
    return Kept(inside, of)


def mean_delays(table: Table, rows: pd.DataFrame) -> pd.DataFrame:
    """The mean delay of each run of the conditions in `rows`: session, condition, delay_ms; no suspect runs."""
    keys = ["session", *CONDITION_COLUMNS]
    runs = table.runs[~table.runs.suspect].merge(rows[keys], on=keys)
    its = table.deliveries[table.deliveries.run.isin(runs.run)]
    means = (its.received_ms - its.due_ms).groupby(its.run).mean()
    return runs[["run", *keys]].assign(delay_ms=runs.run.map(means)).dropna(subset="delay_ms")


def within(runs: pd.DataFrame) -> Kept:
    """Each session's mean against the interval that another session's runs alone give, by Student's t."""
    inside = of = 0
    for _, its in runs.groupby(list(CONDITION_COLUMNS)):
        found = [part.to_list() for _, part in its.groupby("session").delay_ms]
        for known, other in itertools.permutations(found, 2):
            if len(known) > 1:
                series = pd.Series(known)
                # Both means are off by as much as their runs differ.
                error = float(series.std()) * math.sqrt(1 / len(known) + 1 / len(other))
                off = abs(float(series.mean()) - sum(other) / len(other))
                inside, of = inside + (off <= student_t(len(known) - 1) * error), of + 1
    return Kept(inside, of)


def to_websocket(rows: pd.DataFrame) -> pd.DataFrame:
    """The mean delay as a ratio to WebSocket's, of the same session, rate and network."""
    same = ["session", "rate_hz", "one_way_delay_ms", "client", "headers", "clients"]
    base = rows[rows.variant == "websocket"].drop_duplicates(same).set_index(same).delay_mean_ms
    against = base.reindex(pd.MultiIndex.from_frame(rows[same])).to_numpy()
    return rows.assign(ratio=rows.delay_mean_ms / against)[rows.variant != "websocket"]


def off_percent(found: Iterable[list[float]]) -> float:
    """By how much two values of the same thing differ, in percent: the median over all pairs."""
    pairs = [abs(math.log(a / b)) for its in found for a, b in itertools.combinations(its, 2)]
    return 100 * math.expm1(float(pd.Series(pairs).median())) if pairs else math.nan
